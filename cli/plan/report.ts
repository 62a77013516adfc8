import type { Differences } from "./difference";
import type { Finding } from "./rules";
import type { Sentence } from "./sentence";
import type { PlannedAction } from "./view";

export type Counts = Readonly<Record<PlannedAction, number>>;

export interface ChangedResource {
  readonly address: string;
  readonly action: PlannedAction;
  /** Attributes of what is changed or replaced; of what is made or goes, its address says enough. */
  readonly differences: Differences;
}

export interface PlannedStack {
  readonly id: string;
  readonly state: "planned";
  readonly counts: Counts;
  readonly findings: readonly Finding[];
  readonly resources: readonly ChangedResource[];
  /** Changed by another hand since the last apply. */
  readonly drift: readonly ChangedResource[];
  /** Outputs that change. Other stacks may read them. */
  readonly outputs: readonly string[];
  /** US dollars a month, of what is paid by the hour; undefined where no price is known. */
  readonly cost: { readonly before: number; readonly after: number } | undefined;
  /** "Terraform 1.11.4, aws 6.25.0" */
  readonly madeWith: string;
}

/** A stack whose plan ran in HCP Terraform, which keeps the plan to itself. */
export interface RemoteStack {
  readonly id: string;
  readonly state: "remote";
  readonly url: string | undefined;
  readonly counts: Pick<Counts, "add" | "change" | "destroy"> | undefined;
}

export interface WaitingStack {
  readonly id: string;
  readonly state: "waiting";
  readonly for: readonly string[];
}

export interface FailedStack {
  readonly id: string;
  readonly state: "failed";
  readonly problem: Sentence;
  readonly fix: string | undefined;
  /** What the plan would have been, as far as it came. */
  readonly partly?: PlannedStack;
}

export type StackReport = PlannedStack | RemoteStack | WaitingStack | FailedStack;

export interface Report {
  readonly stacks: readonly StackReport[];
  /** Of every stack, the gravest first. */
  readonly findings: readonly (Finding & { readonly stack: string })[];
}
