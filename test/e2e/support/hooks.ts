// Said once in each process that uses the SDK on Node.js 20; the supported versions are package.json's affair.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";

import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { cleanUp } from "../../cli/support/stingy";
import { downloadProviders } from "../harness/download";
import { Unfit } from "../harness/prerequisites";
import { oneTemporaryFolder } from "../harness/temporary";

const PREFIX = "stingy-e2e-";

// Of the first process: those that it starts are in it already, and a socket's path may not be long.
if (!path.basename(tmpdir()).startsWith(PREFIX)) {
  const folder = oneTemporaryFolder(PREFIX);
  process.on("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
}

// What is started ends with the process: the commands as it exits, the emulator with its standard input.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

export const mochaHooks = { afterAll: cleanUp };

/** Before the test files start side by side. */
export async function mochaGlobalSetup(): Promise<void> {
  try {
    await downloadProviders();
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}
