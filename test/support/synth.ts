import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { App } from "cdktf";
import { type Config, loadConfig, parseConfig } from "../../modules/config";
import { bundleFunctions } from "../../modules/lambda";
import { createApp } from "../../stacks";

export const ROOT = path.resolve(__dirname, "../..");
export const EXAMPLES = ["full", "hcp-terraform", "minimal", "no-dns", "s3-backend", "two-sites"] as const;

/** One stack's synthesized Terraform JSON. */
// biome-ignore lint/suspicious/noExplicitAny: assertions walk freely through JSON of any shape
export type Json = any;

/** Synthesizes settings as `cdktf synth` would, and gives each stack's JSON by the stack's id. */
export function synthesize(settings: object = {}): Record<string, Json> {
  return synthesizeConfig(parseConfig(settings));
}

export function synthesizeExample(name: string): Record<string, Json> {
  return synthesizeConfig(loadConfig(ROOT, path.join(ROOT, "examples", `${name}.yaml`)));
}

/** Settings of one site called tokyo. */
export function site(settings: object): object {
  return { sites: { tokyo: settings } };
}

export function synthesizeConfig(config: Config): Record<string, Json> {
  return withOutdir((outdir) => {
    createApp({ config, bundles: bundleFunctions(), root: path.dirname(outdir), outdir }).synth();
    return readStacks(outdir);
  });
}

/** Synthesizes an app that a test builds of modules alone. */
export function synthesizeApp(build: (outdir: string) => App): Record<string, Json> {
  return withOutdir((outdir) => {
    build(outdir).synth();
    return readStacks(outdir);
  });
}

export function readStacks(outdir: string): Record<string, Json> {
  const manifest = JSON.parse(readFileSync(path.join(outdir, "manifest.json"), "utf8")) as {
    stacks: Record<string, { synthesizedStackPath: string }>;
  };
  return Object.fromEntries(
    Object.entries(manifest.stacks).map(([id, stack]) => [
      id,
      JSON.parse(readFileSync(path.join(outdir, stack.synthesizedStackPath), "utf8")),
    ]),
  );
}

function withOutdir<T>(use: (outdir: string) => T): T {
  const folder = mkdtempSync(path.join(os.tmpdir(), "stingy-synth-"));
  try {
    return use(path.join(folder, "cdktf.out"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
