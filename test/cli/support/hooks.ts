// Said once in each process that uses the SDK on Node.js 20; the supported versions are package.json's affair.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";

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
