import type { CreateController } from "./lambda";
import { type Fault, isForEver, type Schedule } from "./schedule";
import { simulate } from "./simulate";
import type { Violation } from "./world";

/** Leaves out of the schedule what the violation of the same invariant does not need. */
export function shrink(schedule: Schedule, violation: Violation, createController: CreateController): Schedule {
  const fails = (candidate: Schedule) =>
    simulate(candidate, createController).violation?.invariant === violation.invariant;
  let smallest = fewerFaults(schedule, fails);
  for (const simpler of SIMPLER) {
    const candidate = simpler(smallest);
    if (fails(candidate)) smallest = candidate;
  }
  smallest = narrowerFaults(smallest, fails);
  return fewerFaults(smallest, fails);
}

type Fails = (candidate: Schedule) => boolean;

const SIMPLER: readonly ((schedule: Schedule) => Schedule)[] = [
  (schedule) => ({ ...schedule, stale: false }),
  (schedule) => ({ ...schedule, start: "serving" }),
  (schedule) => ({ ...schedule, site: { ...schedule.site, dns: false } }),
  (schedule) => ({ ...schedule, site: { ...schedule.site, maintenance: undefined } }),
  (schedule) => ({ ...schedule, site: { ...schedule.site, onDemandFallback: "never" } }),
];

/** First by halves, then one by one, until every one that is left is needed. */
function fewerFaults(schedule: Schedule, fails: Fails): Schedule {
  let smallest = schedule;
  for (let size = Math.ceil(schedule.faults.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    let from = 0;
    while (from < smallest.faults.length) {
      const { faults } = smallest;
      const candidate = { ...smallest, faults: [...faults.slice(0, from), ...faults.slice(from + size)] };
      if (fails(candidate)) smallest = candidate;
      else from += size;
    }
  }
  return smallest;
}

const SHORTEST_MS = 1000;

/** Halves the time a fault lasts from either end. */
function narrowerFaults(schedule: Schedule, fails: Fails): Schedule {
  let smallest = schedule;
  for (let index = 0; index < smallest.faults.length; index++) {
    for (;;) {
      const fault = smallest.faults[index] as Fault;
      const half = Math.floor(fault.lastsMs / 2);
      if (isForEver(fault) || half < SHORTEST_MS) break;
      const halves = [
        { ...fault, lastsMs: half },
        { ...fault, at: fault.at + half, lastsMs: half },
      ];
      const candidates = halves.map((narrower) => ({ ...smallest, faults: smallest.faults.with(index, narrower) }));
      const found = candidates.find(fails);
      if (!found) break;
      smallest = found;
    }
  }
  return smallest;
}
