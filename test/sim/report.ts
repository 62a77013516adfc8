import type { CreateController } from "./lambda";
import { describeFault, type Schedule } from "./schedule";
import { shrink } from "./shrink";
import { simulate } from "./simulate";
import { minutes } from "./story";
import type { Violation } from "./world";

/** What a person needs to understand a violation: the least that still leads to it, told from the beginning. */
export function report(schedule: Schedule, violation: Violation, createController: CreateController): string {
  const smallest = shrink(schedule, violation, createController);
  const { story, violation: found = violation } = simulate(smallest, createController, true);
  return [
    `Seed ${schedule.seed} violates invariant ${violation.invariant}: ${violation.what}`,
    `${smallest.faults.length} of its ${schedule.faults.length} faults are enough:`,
    describeSchedule(smallest),
    "",
    story,
    "",
    `Seed ${schedule.seed}, invariant ${found.invariant}: ${found.what}`,
  ].join("\n");
}

export function describeSchedule({ faults, site, stale, start, startsAt }: Schedule): string {
  const { address, dns, maintenance, ...policy } = site;
  const hours = maintenance ? `from ${maintenance.from} to ${maintenance.to} o'clock` : "at any time";
  return [
    `  the site: ${start}, ${address ? "with" : "without"} Elastic IP, ${dns ? "with" : "without"} DNS, maintained ${hours}, ${JSON.stringify(policy)}`,
    `  it begins at ${new Date(startsAt).toISOString()}; what AWS shows is ${stale ? "at times behind what is so" : "always so"}`,
    ...faults.map((fault) => `${minutes(fault.at)}  ${describeFault(fault)}`),
  ].join("\n");
}
