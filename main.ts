// First, so that esbuild works while the rest of the code is loaded.
import "./modules/lambda/bundling";
import path from "node:path";
import { CONFIG_VARIABLE, ConfigError, loadConfig } from "./modules/config";
import { bundling } from "./modules/lambda/bundling";
import { createApp } from "./stacks";

export const OUTDIR = process.env.CDKTF_OUTDIR ?? path.join(__dirname, "cdktf.out");

async function main(): Promise<void> {
  const config = loadConfig(__dirname, process.env[CONFIG_VARIABLE]);
  createApp({ config, bundles: await bundling, root: __dirname, outdir: OUTDIR }).synth();
}

/** Whether the stacks were written. */
export const synthesized = main().then(
  () => true,
  (error: unknown) => {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
    return false;
  },
);
