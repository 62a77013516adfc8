import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import type { Json } from "./synth";

const run = promisify(execFile);

export const TERRAFORM = process.env.TERRAFORM_BINARY_NAME || "terraform";

/** Where no provider registry can be reached, this lists what a mirror holds: hashicorp/aws/5.100.0/linux_amd64 a line. */
export const PROVIDERS_VARIABLE = "STINGY_PROVIDERS";

/** The providers that can be had here, by source, with their version; undefined where a registry has them all. */
export type AtHand = ReadonlyMap<string, string> | undefined;

export function providersAtHand(listed = process.env[PROVIDERS_VARIABLE]): AtHand {
  if (!listed) return undefined;
  return new Map(
    listed
      .split(/\s+/)
      .map((line) => line.split("/"))
      .flatMap(([namespace, name, version]): [string, string][] =>
        namespace && name && version ? [[`${namespace}/${name}`, version]] : [],
      ),
  );
}

export interface Fitted {
  readonly json: Json;
  /** The providers whose resources had to be left out. */
  readonly leftOut: readonly string[];
}

/** A provider's full source: "hashicorp/aws" for "aws". */
const sourceOf = (source: string) => (source.includes("/") ? source : `hashicorp/${source}`);

/**
 * Fits a stack to the providers at hand: their versions are taken, and what needs a provider that is not there is left
 * out, with plain words where its attributes were used. Nothing is changed where a registry has every provider.
 */
export function fitToProviders(stack: Json, atHand: AtHand): Fitted {
  if (!atHand) return { json: stack, leftOut: [] };
  const json = structuredClone(stack);
  const required: Record<string, { source: string; version: string }> = json.terraform.required_providers;
  const leftOut: string[] = [];
  const gone: string[] = [];
  for (const [name, provider] of Object.entries(required)) {
    const version = atHand.get(sourceOf(provider.source));
    if (version !== undefined) {
      provider.version = version;
      continue;
    }
    leftOut.push(sourceOf(provider.source));
    delete required[name];
    delete json.provider?.[name];
    for (const kind of ["resource", "data"] as const) {
      for (const type of Object.keys(json[kind] ?? {}).filter((type) => type.startsWith(`${name}_`))) {
        gone.push(...Object.keys(json[kind][type]).map((id) => `${kind === "data" ? "data." : ""}${type}.${id}`));
        delete json[kind][type];
      }
    }
  }
  for (const kind of ["provider", "resource", "data"]) {
    if (Object.keys(json[kind] ?? {}).length === 0) delete json[kind];
  }
  return { json: withoutReferences(json, gone), leftOut };
}

function withoutReferences(json: Json, gone: readonly string[]): Json {
  if (gone.length === 0) return json;
  const references = new RegExp(
    `\\$\\{(${gone.map((address) => address.replaceAll(".", "\\.")).join("|")})\\.[^}]*\\}`,
    "g",
  );
  return JSON.parse(JSON.stringify(json).replace(references, "left-out"));
}

export interface ValidateResult {
  readonly valid: boolean;
  readonly messages: readonly string[];
}

let lastInit: Promise<unknown> = Promise.resolve();

/** Terraform's plugin cache takes one `init` at a time. */
function oneAfterAnother<T>(work: () => Promise<T>): Promise<T> {
  const mine = lastInit.then(work, work);
  lastInit = mine;
  return mine;
}

/**
 * Runs the real `terraform init` and `terraform validate` on a stack's folder. `plugins` is a folder that all stacks
 * share, so that a provider is downloaded once.
 */
export async function validateStack(folder: string, plugins: string, fitted: Fitted): Promise<ValidateResult> {
  writeFileSync(path.join(folder, "cdk.tf.json"), JSON.stringify(fitted.json));
  const terraform = (...args: string[]) =>
    run(TERRAFORM, args, {
      cwd: folder,
      env: {
        ...process.env,
        TF_IN_AUTOMATION: "1",
        CHECKPOINT_DISABLE: "1",
        TF_PLUGIN_CACHE_DIR: plugins,
        // Without a lock file beside the stack, the cache would not be used at all.
        TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE: "1",
      },
    });
  try {
    await oneAfterAnother(() => terraform("init", "-backend=false", "-input=false", "-no-color"));
  } catch (error) {
    const { stderr, code } = error as { stderr?: string; code?: unknown };
    throw new Error(
      code === "ENOENT"
        ? `there is no ${TERRAFORM} on this machine: install Terraform 1.10 or later, or name another binary with TERRAFORM_BINARY_NAME`
        : `terraform init failed. Where no provider registry can be reached, set TF_CLI_CONFIG_FILE to a mirror's configuration and ${PROVIDERS_VARIABLE} to what it holds.\n${stderr}`,
    );
  }
  const { stdout } = await terraform("validate", "-json").catch((error: { stdout: string }) => error);
  const { valid, diagnostics } = JSON.parse(stdout) as {
    valid: boolean;
    diagnostics: { severity: string; summary: string; detail: string; address?: string }[];
  };
  return {
    valid,
    messages: diagnostics.map(
      ({ severity, summary, detail, address }) => `${severity}: ${address ?? ""} ${summary} ${detail}`,
    ),
  };
}
