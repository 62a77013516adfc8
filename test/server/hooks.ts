import { Machine, removeLeftOvers } from "./harness/machine";
import { Moto } from "./harness/moto";
import { Site } from "./harness/site";
import { requireMachine } from "./harness/tools";

// A handled signal ends the process by exit, whose listeners run; unhandled, it ends at once.
for (const signal of ["SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

export const mochaHooks = {
  async beforeAll(this: Mocha.Context): Promise<void> {
    requireMachine();
    const removed = removeLeftOvers();
    if (removed.length > 0) console.log(`  Left over by a run that was killed, now removed: ${removed.join(", ")}\n`);
    await Moto.start();
  },
  async afterAll(): Promise<void> {
    await Site.stopAll();
    // Where files run in parallel, this process may go on with another.
    await Moto.stop();
    await Machine.stopAll();
  },
};
