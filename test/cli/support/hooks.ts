import { Emulator } from "./emulator";
import { cleanUp } from "./stingy";

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    cleanUp();
    process.exit(1);
  });
}

export const mochaHooks = {
  async afterAll(): Promise<void> {
    cleanUp();
    await Emulator.stop();
  },
};
