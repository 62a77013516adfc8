import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type BuildOptions, buildSync, type TransformOptions, transformSync } from "esbuild";

export const FUNCTIONS = ["recovery-handler", "ddns-updater", "alert-forwarder"] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

/** Each function's folder, holding the one file that Lambda runs. */
export type Bundles = Readonly<Record<FunctionName, string>>;

const ROOT = path.resolve(__dirname, "../..");
const OUTDIR = path.join(ROOT, "dist/lambda");

const BUNDLES = Object.fromEntries(FUNCTIONS.map((name) => [name, path.join(OUTDIR, name)])) as Record<
  FunctionName,
  string
>;

const COMMON = {
  platform: "node",
  // The oldest runtime that may be configured.
  target: "node22",
  charset: "utf8",
  legalComments: "none",
  logLevel: "error",
} as const satisfies BuildOptions & TransformOptions;

/** What the functions use goes into the bundles, the AWS SDK too, so that its version is ours. The same input gives the same bytes. */
const GATHER = {
  ...COMMON,
  absWorkingDir: ROOT,
  // Paths are in the bundle: those of a linked node_modules would be this machine's.
  preserveSymlinks: true,
  bundle: true,
  format: "esm",
  // CommonJS, esbuild's choice for Node.js, cannot be searched for what nobody uses.
  mainFields: ["module", "main"],
  alias: { "@aws-sdk/credential-provider-node": "./modules/lambda/no-credential-search.ts" },
  sourcemap: "inline",
  sourcesContent: false,
  metafile: true,
  write: false,
} as const satisfies BuildOptions;

const SHRINK = {
  ...COMMON,
  format: "cjs",
  minify: true,
  treeShaking: true,
  sourcemap: "external",
  sourcesContent: false,
} as const satisfies TransformOptions;

/** What the bundles were made from, so that they are made anew only when it has changed. */
const MADE_FROM = path.join(OUTDIR, "made-from.json");

/** Bundles the functions, unless the bundles that are there were made from the same code, packages and options. */
export function bundleFunctions(): Bundles {
  if (isCurrent()) return BUNDLES;
  rmSync(MADE_FROM, { force: true });
  const inputs = FUNCTIONS.flatMap(bundle).filter((file) => !file.startsWith("node_modules/"));
  // What is in the packages, the lock file says.
  const files = [...new Set(["package-lock.json", "tsconfig.json", "modules/lambda/bundle.ts", ...inputs])];
  replaceFile(MADE_FROM, JSON.stringify({ files, fingerprint: fingerprint(files) }));
  return BUNDLES;
}

/** Writes a function's bundle, and its source map beside the folder that is packed. Returns the files it was made from. */
function bundle(name: FunctionName): string[] {
  const { metafile, outputFiles } = buildSync({
    ...GATHER,
    entryPoints: [`assets/lambda/${name}/index.ts`],
    outdir: OUTDIR,
  });
  const [gathered] = outputFiles;
  if (!gathered) throw new Error(`esbuild made nothing of ${name}`);
  const { code, map } = transformSync(withPlainKeys(gathered.text), { ...SHRINK, sourcefile: "index.js" });
  mkdirSync(BUNDLES[name], { recursive: true });
  replaceFile(path.join(OUTDIR, `${name}.js.map`), map);
  replaceFile(path.join(BUNDLES[name], "index.js"), code);
  return Object.keys(metafile.inputs);
}

/**
 * Writes `{ queryName: … }` where the SDK's schemas say `{ [_qN]: … }`. esbuild takes a computed key for something that
 * may have an effect, and would keep the schemas of every operation of EC2, half a megabyte, for the few that are used.
 */
function withPlainKeys(code: string): string {
  const constants = new Map([...code.matchAll(/^var (_\w+) = ("[^"\\]*");$/gm)].map(([, name, text]) => [name, text]));
  return code.replace(/\[(_\w+)\]: /g, (computed, name) =>
    constants.has(name) ? `${constants.get(name)}: ` : computed,
  );
}

/** Another process may be reading it. */
function replaceFile(file: string, text: string): void {
  const temporary = path.join(OUTDIR, `${path.basename(path.dirname(file))}-${path.basename(file)}.${process.pid}`);
  writeFileSync(temporary, text);
  renameSync(temporary, file);
}

function isCurrent(): boolean {
  try {
    const madeFrom = JSON.parse(readFileSync(MADE_FROM, "utf8")) as { files: string[]; fingerprint: string };
    return (
      FUNCTIONS.every((name) => existsSync(path.join(BUNDLES[name], "index.js"))) &&
      madeFrom.fingerprint === fingerprint(madeFrom.files)
    );
  } catch {
    // Nothing there, nonsense there, or a file that is gone: all mean that the bundles have to be made.
    return false;
  }
}

function fingerprint(files: readonly string[]): string {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(path.join(ROOT, file)));
  return hash.digest("hex");
}
