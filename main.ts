import path from "node:path";
import { CONFIG_VARIABLE, ConfigError, loadConfig } from "./modules/config";
import { bundleFunctions } from "./modules/lambda";
import { createApp } from "./stacks";

try {
  const config = loadConfig(__dirname, process.env[CONFIG_VARIABLE]);
  const outdir = process.env.CDKTF_OUTDIR ?? path.join(__dirname, "cdktf.out");
  createApp({ config, bundles: bundleFunctions(), root: __dirname, outdir }).synth();
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
