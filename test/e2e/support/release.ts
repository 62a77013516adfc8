import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { bundleFunctions, FUNCTIONS } from "../../../modules/lambda";
import { fitStacks } from "../harness/fit";

export const FIXTURES = path.join(__dirname, "../fixtures");
/** What a release's folder is called. */
export const RELEASE = "release-";
/** The configuration in it; git ignores a stingy.yaml. */
export const SITE = "site.yaml";
/** Stands in the JSON where the hash of a function's code was. */
const CODE = "<hash>";

const MANIFEST = "manifest.json";
const STACK = "cdk.tf.json";
/** As a line of the code and of the user data: a comment in both. */
const BEFORE = { code: "// as released", userData: "# as released" };

/** What a release synthesized, without its functions' code. */
export interface Release {
  /** Such as `0.1.0`. */
  readonly version: string;
  /** The text of its stingy.yaml. */
  readonly config: string;
  readonly manifest: string;
  /** Each stack's JSON, by its id. */
  readonly stacks: Readonly<Record<string, string>>;
}

export function writeRelease({ version, config, manifest, stacks }: Release): void {
  const folder = path.join(FIXTURES, `${RELEASE}${version}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, SITE), config);
  writeFileSync(path.join(folder, MANIFEST), manifest);
  for (const [id, json] of Object.entries(stacks)) writeFileSync(path.join(folder, `${id}.json`), json);
}

/** The one that is kept: the newest. */
export function readRelease(): Release {
  const [name, ...others] = readdirSync(FIXTURES).filter((each) => each.startsWith(RELEASE));
  if (name === undefined || others.length > 0) throw new Error(`${FIXTURES} must have one ${RELEASE}VERSION`);
  const read = (file: string) => readFileSync(path.join(FIXTURES, name, file), "utf8");
  const manifest = read(MANIFEST);
  return {
    version: name.slice(RELEASE.length),
    config: read(SITE),
    manifest,
    stacks: Object.fromEntries(Object.keys(JSON.parse(manifest).stacks).map((id) => [id, read(`${id}.json`)])),
  };
}

/**
 * Has a release in the place of a synthesis, fitted to this machine. Its functions' code is not kept: today's stands in for it. A
 * line in that and one in the user data make sure that an upgrade has code and a server to bring, even one that changes neither.
 */
export function synthesizeRelease({ manifest, stacks }: Release, outdir: string): void {
  const bundles = bundleFunctions();
  const released = "as-released";
  for (const [id, json] of Object.entries(stacks)) {
    const folder = path.join(outdir, "stacks", id);
    mkdirSync(folder, { recursive: true });
    const stack = JSON.parse(json.replaceAll(CODE, released));
    if (stack.locals?.server_user_data) stack.locals.server_user_data += `${BEFORE.userData}\n`;
    writeFileSync(path.join(folder, STACK), JSON.stringify(stack));
    for (const name of FUNCTIONS.filter((name) => json.includes(`${name}_code/${CODE}`))) {
      const code = path.join(folder, `assets/${name}_code`, released);
      mkdirSync(code, { recursive: true });
      const today = readFileSync(path.join(bundles[name], "index.js"), "utf8");
      writeFileSync(path.join(code, "index.js"), `${BEFORE.code}\n${today}`);
    }
  }
  writeFileSync(path.join(outdir, MANIFEST), manifest);
  fitStacks(outdir);
}
