import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { shellQuote } from "../../../modules/bootstrap/shell";
import { zoneIdOf } from "../../assets/lambda/fake-cloudflare";
import type { Json } from "../../support/synth";
import { type AtHand, fitToProviders, providersAtHand } from "../../support/terraform";
import { zipOf } from "./zip";

/** What was done to a stack so that it runs on this machine, against the emulators. */
export interface Change {
  readonly stack: string;
  readonly what: string;
  readonly how: string;
  readonly why: string;
}

export interface Fit {
  readonly json: Json;
  /** The files to be written beside the stack, by name. */
  readonly files: ReadonlyMap<string, Buffer>;
  readonly changes: readonly Change[];
}

/** Runs in Terraform's provisioners, towards the fake Cloudflare. */
const RECORD_SCRIPT = path.join(__dirname, "record.cjs");
/** Instead of the provider's own 25. */
const MAX_RETRIES = 3;
/** Beside the manifest: what was changed. */
export const FITTED = "fitted.json";

/** Fits each stack in the folder of a synthesis to this machine, and writes down what was changed. */
export function fitStacks(outdir: string): void {
  const { stacks } = JSON.parse(readFileSync(path.join(outdir, "manifest.json"), "utf8"));
  const atHand = providersAtHand();
  const changes = Object.entries<{ synthesizedStackPath: string }>(stacks).flatMap(([id, { synthesizedStackPath }]) => {
    const file = path.join(outdir, synthesizedStackPath);
    const folder = path.dirname(file);
    const fitted = fitStack(id, JSON.parse(readFileSync(file, "utf8")), folder, atHand);
    writeFileSync(file, JSON.stringify(fitted.json, null, 2));
    for (const [name, bytes] of fitted.files) writeFileSync(path.join(folder, name), bytes);
    return fitted.changes;
  });
  writeFileSync(path.join(outdir, FITTED), `${JSON.stringify(changes, null, 2)}\n`);
}

/**
 * Fits a stack to the emulators and to the providers at hand. What needs a provider that is not here is replaced by
 * something that does the same; nothing but the AWS provider's retries is changed where a registry has every provider.
 */
export function fitStack(stack: string, synthesized: Json, folder: string, atHand: AtHand): Fit {
  const json = structuredClone(synthesized);
  const changes: Change[] = [];
  const note = (what: string, how: string, why: string) => changes.push({ stack, what, how, why });
  const has = (source: string) => atHand === undefined || atHand.has(source);

  for (const provider of json.provider?.aws ?? []) {
    provider.max_retries = MAX_RETRIES;
    note(
      "provider aws",
      `max_retries = ${MAX_RETRIES}`,
      "an API that the emulator does not have would be asked 25 times, for minutes",
    );
  }
  const files = has("hashicorp/archive") ? new Map() : replaceArchives(json, folder, note);
  if (!has("cloudflare/cloudflare")) replaceRecords(json, note);
  const fitted = fitToProviders(json, atHand).json;
  for (const address of addresses(json).filter((one) => !addresses(fitted).includes(one))) {
    note(address, "left out", "its provider is not on this machine");
  }
  for (const [name, { version }] of Object.entries<{ version: string }>(fitted.terraform.required_providers)) {
    const wanted = synthesized.terraform.required_providers[name].version;
    if (version !== wanted)
      note(`provider ${name} ${wanted}`, `version ${version}`, "this is the version on this machine");
  }
  return { json: fitted, files, changes };
}

function addresses(json: Json): string[] {
  return ["resource", "data"].flatMap((kind) =>
    Object.entries<Json>(json[kind] ?? {}).flatMap(([type, ids]) =>
      Object.keys(ids).map((id) => `${kind === "data" ? "data." : ""}${type}.${id}`),
    ),
  );
}

type Note = (what: string, how: string, why: string) => void;

function replaceArchives(json: Json, folder: string, note: Note): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const [id, archive] of Object.entries<Json>(json.data?.archive_file ?? {})) {
    const address = `data.archive_file.${id}`;
    const bytes = zipOf(path.join(folder, archive.source_dir), Number.parseInt(archive.output_file_mode, 8));
    files.set(archive.output_path, bytes);
    replaceReferences(json, address, {
      output_path: archive.output_path,
      output_base64sha256: createHash("sha256").update(bytes).digest("base64"),
    });
    note(
      address,
      `${archive.output_path} was made before Terraform runs`,
      "the archive provider is not on this machine",
    );
  }
  remove(json, "data", "archive_file");
  return files;
}

/** A record at the fake Cloudflare, made and deleted by provisioners of a resource that needs no provider. */
function replaceRecords(json: Json, note: Note): void {
  for (const [id, zone] of Object.entries<Json>(json.data?.cloudflare_zone ?? {})) {
    const address = `data.cloudflare_zone.${id}`;
    replaceReferences(json, address, { zone_id: zoneIdOf(zone.filter.name), id: zoneIdOf(zone.filter.name) });
    note(address, `the fake Cloudflare's zone ${zone.filter.name}`, "the Cloudflare provider is not on this machine");
  }
  remove(json, "data", "cloudflare_zone");
  for (const [id, { "//": _, lifecycle, ...record }] of Object.entries<Json>(
    json.resource?.cloudflare_dns_record ?? {},
  )) {
    const address = `cloudflare_dns_record.${id}`;
    const name = `cloudflare_dns_record_${id}`;
    const ignored: readonly string[] = lifecycle?.ignore_changes ?? [];
    json.resource.terraform_data = {
      ...json.resource.terraform_data,
      [name]: {
        input: record,
        // Terraform runs no provisioner when a resource is changed in place.
        triggers_replace: Object.fromEntries(Object.entries(record).filter(([key]) => !ignored.includes(key))),
        lifecycle: { ...lifecycle, ignore_changes: ignored.map((key) => `input["${key}"]`) },
        provisioner: [provisioner("create"), provisioner("delete", { when: "destroy" })],
      },
    };
    // A record's id is 32 hexadecimal digits; the resource's own is the same with dashes.
    const recordId = `replace(terraform_data.${name}.id, "-", "")`;
    replaceReferences(json, address, { id: `\${${recordId}}` });
    note(
      address,
      "a terraform_data that makes and deletes the record at the fake Cloudflare; a change other than of its content makes it anew",
      "the Cloudflare provider is not on this machine",
    );
  }
  remove(json, "resource", "cloudflare_dns_record");
}

function provisioner(action: "create" | "delete", more: object = {}): object {
  return {
    "local-exec": {
      command: `${shellQuote(process.execPath)} ${shellQuote(RECORD_SCRIPT)} ${action}`,
      // biome-ignore-start lint/suspicious/noTemplateCurlyInString: Terraform fills them in
      environment: { RECORD: "${jsonencode(self.output)}", RECORD_ID: '${replace(self.id, "-", "")}' },
      // biome-ignore-end lint/suspicious/noTemplateCurlyInString: Terraform fills them in
      ...more,
    },
  };
}

function replaceReferences(json: Json, address: string, attributes: Readonly<Record<string, string>>): void {
  const walk = (value: Json): Json => {
    if (typeof value === "string") {
      return value.replaceAll(/\$\{([^}]*)\}/g, (whole, expression: string) => {
        if (!expression.includes(`${address}.`)) return whole;
        const known = attributes[expression.slice(address.length + 1)];
        if (known === undefined || !expression.startsWith(`${address}.`)) {
          throw new Error(`the harness has no stand-in for ${whole}: add it to test/e2e/harness/fit.ts`);
        }
        return known;
      });
    }
    if (Array.isArray(value)) return value.map(walk);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, key === "//" ? inner : walk(inner)]));
  };
  for (const kind of ["resource", "data", "output", "locals"]) if (json[kind]) json[kind] = walk(json[kind]);
}

function remove(json: Json, kind: string, type: string): void {
  if (!json[kind]) return;
  delete json[kind][type];
  if (Object.keys(json[kind]).length === 0) delete json[kind];
}
