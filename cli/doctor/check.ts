import type { Facts } from "./facts";

/** What was seen, or why nothing could be seen. */
export type Look<T> = { readonly seen: T } | { readonly unseen: string; readonly fix?: string | undefined };

export const GROUPS = [
  "This computer",
  "AWS",
  "Deployment",
  "Store",
  "Address",
  "Server",
  "Network",
  "DNS",
  "Tunnel",
  "Controller",
  "Monitoring",
] as const;

/** What a check finds. */
export interface Verdict {
  readonly status: "ok" | "attention" | "broken" | "skipped";
  /** What was seen, or why it was left out. */
  readonly saw: string;
  readonly fix?: string;
  /** It explains whatever depends on it, so that this is not looked at. A broken one always does. */
  readonly explainsAll?: boolean;
}

export interface Check {
  /** Stable: a heading of docs/troubleshooting.md, and what a script looks for in the JSON. */
  readonly id: string;
  readonly group: (typeof GROUPS)[number];
  /** What is so when it is well. */
  readonly title: string;
  /** What has to be well first, as this cannot be judged or says nothing new without it. */
  readonly needs: readonly string[];
  readonly run: (facts: Facts) => Verdict;
}

export type Status = Verdict["status"] | "unknown" | "not-reached";

export interface Result extends Omit<Verdict, "status"> {
  readonly check: Check;
  /** unknown: it could not be looked at. not-reached: something else comes first. */
  readonly status: Status;
}

export const ok = (saw: string): Verdict => ({ status: "ok", saw });
export const attention = (saw: string, fix: string): Verdict => ({ status: "attention", saw, fix });
export const broken = (saw: string, fix: string): Verdict => ({ status: "broken", saw, fix });
export const skipped = (why: string): Verdict => ({ status: "skipped", saw: why });

class Unseen extends Error {
  constructor(
    message: string,
    readonly fix: string | undefined,
  ) {
    super(message);
  }
}

/** What was seen; the check that asks for what was not is unknown. */
export function seen<T>(look: Look<T>): T {
  if ("seen" in look) return look.seen;
  throw new Unseen(look.unseen, look.fix);
}

/** What was seen, or undefined. */
export function ifSeen<T>(look: Look<T>): T | undefined {
  return "seen" in look ? look.seen : undefined;
}

/** Judges the facts, check by check in their order, each after those it needs. */
export function examine(checks: readonly Check[], facts: Facts): Result[] {
  const results = new Map<string, Result>();
  /** What stands in the way, by the check that it stands in the way of or is. */
  const obstacles = new Map<string, string>();
  for (const check of checks) {
    const obstacle = check.needs.map((need) => obstacles.get(need)).find((id) => id !== undefined);
    const result: Result =
      obstacle === undefined
        ? { check, ...judge(check, facts) }
        : { check, status: "not-reached", saw: `not looked at: ${obstacle} comes first` };
    if (obstacle !== undefined) obstacles.set(check.id, obstacle);
    else if (result.status === "broken" || result.explainsAll) obstacles.set(check.id, check.id);
    results.set(check.id, result);
  }
  return [...results.values()];
}

function judge(check: Check, facts: Facts): Omit<Result, "check"> {
  try {
    return check.run(facts);
  } catch (error) {
    if (!(error instanceof Unseen)) throw error;
    return {
      status: "unknown",
      saw: `could not look: ${error.message}`,
      ...(error.fix === undefined ? {} : { fix: error.fix }),
    };
  }
}

/** What a person should know of: the broken first, then what needs attention, then what could not be looked at. */
export function findingsOf(results: readonly Result[]): Result[] {
  return (["broken", "attention", "unknown"] as const).flatMap((status) =>
    results.filter((result) => result.status === status),
  );
}
