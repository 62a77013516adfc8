import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Config } from "../../modules/config";
import { deployOrder, type Manifest } from "../../modules/manifest";
import type { Json } from "./terraform-plan";

export interface Stack {
  readonly id: string;
  /** Where Terraform runs. */
  readonly folder: string;
  /** A folder with the stack's backend and nothing else: its outputs can be read there without any provider. */
  readonly stateFolder: string;
  /** The outputs it reads, by the stack that has them. */
  readonly reads: ReadonlyMap<string, readonly string[]>;
  /** Plans run in HCP Terraform. */
  readonly remote: boolean;
}

const REMOTE_STATE = /data\.terraform_remote_state\.cross-stack-reference-input-([\w-]+)\.outputs\.([\w-]+)/g;

/** Writes every stack's Terraform JSON below `outdir`, as `npm run synth` does, and says what is there, in deploy order. */
export function synthesize(config: Config, root: string, outdir: string): Stack[] {
  const { bundleFunctions } = require("../../modules/lambda/bundle") as typeof import("../../modules/lambda/bundle");
  const { createApp } = require("../../stacks") as typeof import("../../stacks");
  createApp({ config, bundles: bundleFunctions(), root, outdir }).synth();
  return readStacks(outdir);
}

function readStacks(outdir: string): Stack[] {
  const manifest: Manifest = JSON.parse(readFileSync(path.join(outdir, "manifest.json"), "utf8"));
  return deployOrder(manifest).map((id) => {
    const file = path.join(outdir, manifest.stacks[id]?.synthesizedStackPath ?? "");
    const text = readFileSync(file, "utf8");
    return {
      id,
      folder: path.dirname(file),
      reads: readsOf(text),
      ...backendOf(text, path.join(outdir, "states", id)),
    };
  });
}

function readsOf(text: string): Map<string, string[]> {
  const reads = new Map<string, string[]>();
  for (const [, stack = "", output = ""] of text.matchAll(REMOTE_STATE)) {
    const known = reads.get(stack) ?? [];
    if (!known.includes(output)) reads.set(stack, [...known, output]);
  }
  return reads;
}

/** At the same depth as the stack's own folder, as a local state's path is relative to it. */
function backendOf(text: string, stateFolder: string): Pick<Stack, "stateFolder" | "remote"> {
  const { terraform }: Json = JSON.parse(text);
  const { backend, cloud } = terraform;
  mkdirSync(stateFolder, { recursive: true });
  writeFileSync(
    path.join(stateFolder, "backend.tf.json"),
    JSON.stringify({ terraform: { ...(backend ? { backend } : {}), ...(cloud ? { cloud } : {}) } }),
  );
  return { stateFolder, remote: cloud !== undefined || backend?.remote !== undefined };
}
