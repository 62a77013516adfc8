/**
 * What `cdktf` runs in a work folder of the harness: main.ts's synthesis, with the work folder in the project's place. Then each
 * stack's JSON is fitted to this machine, and `fitted.json` says what was changed.
 */
import path from "node:path";
import { CONFIG_VARIABLE, ConfigError, loadConfig } from "../../../modules/config";
import { bundleFunctions } from "../../../modules/lambda";
import { createApp } from "../../../stacks";
import { fitStacks } from "./fit";

const root = process.cwd();
const outdir = path.resolve(process.env.CDKTF_OUTDIR ?? "cdktf.out");

try {
  const config = loadConfig(root, process.env[CONFIG_VARIABLE]);
  createApp({ config, bundles: bundleFunctions(), root, outdir }).synth();
  fitStacks(outdir);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
