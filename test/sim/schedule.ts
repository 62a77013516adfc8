import type { Market } from "../../assets/lambda/recovery-handler/cloud";
import type { Command } from "../../assets/lambda/recovery-handler/hint";

/** One seed is one schedule: all that is going to happen to a site, as data, so that any part of it can be left out. */
export interface Schedule {
  readonly seed: number;
  readonly startsAt: number;
  /** Faults begin within it; none lasts longer but those that last for ever. */
  readonly stormMs: number;
  readonly site: Site;
  readonly start: Start;
  /** Whether what AWS shows may be older than what is so. */
  readonly stale: boolean;
  /** How long it is watched after it has come to rest. */
  readonly restMs: number;
  readonly faults: readonly Fault[];
}

export interface Site {
  readonly address: boolean;
  readonly dns: boolean;
  readonly onDemandFallback: "never" | "after-failures" | "at-once";
  readonly spotAttempts: number;
  readonly rebalance: "replace" | "ignore";
  /** Hours of the day, UTC. */
  readonly maintenance: { readonly from: number; readonly to: number } | undefined;
}

/** How the schedule finds the site: nothing there yet, serving, without server, or in a muddle that somebody left. */
export type Start = "new" | "serving" | "old" | "lost" | "two" | "unnamed" | "by-hand" | "on-demand" | "stopped";

export const CALLS = [
  "instances",
  "instancesById",
  "impairedInstances",
  "parameters",
  "putParameter",
  "createParameter",
  "addressHolder",
  "associateAddress",
  "createFleet",
  "runInstance",
  "terminate",
  "tag",
  "updateDns",
  "watchClosely",
] as const;
export type CallName = (typeof CALLS)[number];

/** fails: no effect, nobody knows; lost: took effect, nobody knows; dies: the function does, before or after the effect; hangs: until its time is up. */
export const CALL_FAULTS = ["fails", "lost", "throttled", "dies", "hangs", "stalls"] as const;

export const MACHINE_KINDS = [
  "good",
  "slow",
  "too-slow",
  "never-ready",
  "dies-booting",
  "ready-then-dies",
  "ready-twice",
  "sick",
  "hangs",
] as const;
export type MachineKind = (typeof MACHINE_KINDS)[number];

export type Target = "server" | "newest" | "oldest";

export const PARAMETERS = ["instance-id", "desired-state", "launches"] as const;

type Body =
  | {
      readonly kind: "calls";
      readonly call: CallName | "any";
      readonly how: (typeof CALL_FAULTS)[number];
      readonly rate: number;
    }
  | { readonly kind: "launch-refused"; readonly code: string }
  | {
      readonly kind: "no-capacity";
      readonly market: Market | "any";
      readonly type: number | "any";
      readonly zone: number | "any";
      readonly code: string;
    }
  | { readonly kind: "events"; readonly lose: number; readonly double: number; readonly late: number }
  | { readonly kind: "machines"; readonly become: MachineKind; readonly rate: number }
  | { readonly kind: "dns"; readonly rate: number }
  | { readonly kind: "interruption"; readonly target: Target; readonly notice: boolean }
  | { readonly kind: "rebalance"; readonly target: Target; readonly interruptedAfterMs?: number }
  | { readonly kind: "sick"; readonly target: Target }
  | { readonly kind: "hang"; readonly target: Target }
  | { readonly kind: "person-ends"; readonly target: Target; readonly how: "terminate" | "stop" }
  | { readonly kind: "person-launches" }
  | { readonly kind: "address"; readonly how: "freed" | "foreign" | "other" | "missing" }
  | {
      readonly kind: "parameter";
      readonly name: (typeof PARAMETERS)[number];
      readonly value: "garbage" | "missing" | "ended" | "initial" | "running" | "stopped";
    }
  | { readonly kind: "command"; readonly command: Command }
  | { readonly kind: "template"; readonly broken: boolean }
  | { readonly kind: "image"; readonly broken: boolean }
  | { readonly kind: "terraform"; readonly action: "create" | "update" | "delete" }
  | { readonly kind: "nonsense"; readonly which: number };

/** `at` and `lastsMs` count from the start of the schedule and of the fault; the last only where it takes time. */
export type Fault = Body & { readonly id: number; readonly at: number; readonly lastsMs: number };
export type FaultOf<Kind extends Fault["kind"]> = Extract<Fault, { kind: Kind }>;

/** Nothing mends it, so that the site may stay without server. */
export function isForEver({ lastsMs }: Fault): boolean {
  return lastsMs === Number.POSITIVE_INFINITY;
}

export function describeFault(fault: Fault): string {
  const { id, at, lastsMs, kind, ...rest } = fault;
  const values = Object.entries(rest).map(([name, value]) => `${name} ${value}`);
  const lasts = lastsMs === 0 ? [] : [isForEver(fault) ? "for ever" : `for ${Math.round(lastsMs / 1000)} s`];
  return [`#${id} ${kind}`, ...values, ...lasts].join(", ");
}
