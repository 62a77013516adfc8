import { LAUNCH_CALLS, type LaunchCall, MARKETS, type Market } from "./cloud";
import { REFUSALS, type Refusal } from "./launch-errors";

export const OUTCOMES = ["unknown", "launched", "refused", "failed"] as const;
/**
 * Unknown until the answer has been written down, and if it is lost. Refused is EC2's answer to this client token, the
 * same for everybody; failed is an error that says nothing of what another run got with the same token.
 */
export type Outcome = (typeof OUTCOMES)[number];

/** What the `launches` parameter holds: the last attempt to launch, written before it is made, as a launch that AWS refuses leaves no other trace. */
export interface LaunchRecord {
  /** Grows with every attempt and makes its client token: whoever sees the same record makes the same attempt. */
  readonly attempt: number;
  readonly at: Date;
  readonly outcome: Outcome;
  readonly market: Market;
  /** Successors in a row, before this attempt, that did not become a server that lasts. */
  readonly failures: number;
  /** Attempts in a row that were refused or failed, this one included. */
  readonly refusals: number;
  /** The launch template's version and the image: failures with another one say nothing of this one. */
  readonly target: string;
  readonly by: LaunchCall;
  /** Why it was refused or failed. */
  readonly refusal?: Refusal;
  /** Terraform's destroy stopped the site, not a person: the next create resumes it. */
  readonly drained?: boolean;
}

export interface Launches {
  /** Undefined where the parameter is missing: there is nothing that all who look would see. */
  readonly last: LaunchRecord | undefined;
  readonly garbage?: string;
}

/** What Terraform writes at first. */
export const NO_LAUNCHES = "none";

/**
 * Nonsense may have overwritten a launch, so it counts as one at its own time, which numbers the next one too: the same
 * for all who look, and never used before. Before the first promotion there is nothing that could have been overwritten.
 */
export function readLaunches(text: string | undefined, modifiedAt: Date, promoted: boolean): Launches {
  if (text === undefined) return { last: undefined };
  if (text === NO_LAUNCHES) return { last: { ...noLaunch(modifiedAt), outcome: promoted ? "launched" : "refused" } };
  const last = parse(text);
  return last ? { last } : { last: noLaunch(modifiedAt), garbage: text.slice(0, 80) };
}

export function noLaunch(at: Date): LaunchRecord {
  const attempt = Math.floor(at.getTime() / 1000);
  return { attempt, at, outcome: "launched", market: "spot", by: "CreateFleet", failures: 0, refusals: 0, target: "" };
}

export function writeLaunches(record: LaunchRecord): string {
  return JSON.stringify(record);
}

function parse(text: string): LaunchRecord | undefined {
  let value: Partial<Record<keyof LaunchRecord, unknown>> | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { attempt, at, failures, refusals, target } = value;
  const outcome = OUTCOMES.find((known) => known === value?.outcome);
  const market = MARKETS.find((known) => known === value?.market);
  const by = LAUNCH_CALLS.find((known) => known === value?.by);
  const refusal = REFUSALS.find((known) => known === value?.refusal);
  const time = typeof at === "string" ? new Date(at) : new Date(Number.NaN);
  if (!outcome || !market || !by || Number.isNaN(time.getTime()) || typeof target !== "string") return undefined;
  if (!isCount(attempt) || !isCount(failures) || !isCount(refusals)) return undefined;
  return {
    attempt,
    at: time,
    outcome,
    market,
    by,
    failures,
    refusals,
    target,
    ...(refusal ? { refusal } : {}),
    ...(value.drained === true ? { drained: true } : {}),
  };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
