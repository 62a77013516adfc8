import path from "node:path";
import { CONFIG_VARIABLE, ConfigError, loadConfig } from "./modules/config";
import { bundleFunctions } from "./modules/lambda";
import { createApp } from "./stacks";

export const OUTDIR = process.env.CDKTF_OUTDIR ?? path.join(__dirname, "cdktf.out");

try {
  const config = loadConfig(__dirname, process.env[CONFIG_VARIABLE]);
  createApp({ config, bundles: bundleFunctions(), root: __dirname, outdir: OUTDIR }).synth();
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
