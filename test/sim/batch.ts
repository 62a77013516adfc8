import { generate } from "./generate";
import type { CreateController } from "./lambda";
import { simulate } from "./simulate";
import { COUNTS, type Counts, type Violation } from "./world";

/** What came of one seed after the other. */
export interface Batch {
  readonly counts: Counts;
  readonly violations: readonly { readonly seed: number; readonly violation: Violation }[];
  readonly longestRestMs: number;
}

export function runBatch(
  first: number,
  schedules: number,
  createController: CreateController,
  atMost = Number.POSITIVE_INFINITY,
): Batch {
  const counts = { ...COUNTS };
  const violations: { seed: number; violation: Violation }[] = [];
  let longestRestMs = 0;
  // Thousands of errors a second are made, and nobody looks where.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  for (let seed = first; seed < first + schedules && violations.length < atMost; seed++) {
    const outcome = simulate(generate(seed), createController);
    add(counts, outcome.counts);
    longestRestMs = Math.max(longestRestMs, outcome.restedAfterMs ?? 0);
    if (outcome.violation) violations.push({ seed, violation: outcome.violation });
  }
  Error.stackTraceLimit = stackTraceLimit;
  return { counts, violations, longestRestMs };
}

export function mergeBatches(batches: readonly Batch[]): Batch {
  const counts = { ...COUNTS };
  for (const batch of batches) add(counts, batch.counts);
  return {
    counts,
    violations: batches.flatMap(({ violations }) => violations),
    longestRestMs: Math.max(...batches.map(({ longestRestMs }) => longestRestMs)),
  };
}

function add(to: Counts, counts: Counts): void {
  for (const name of Object.keys(counts) as (keyof Counts)[]) to[name] += counts[name];
}
