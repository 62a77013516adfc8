import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type BuildOptions, buildSync } from "esbuild";

export const FUNCTIONS = ["recovery-handler", "ddns-updater"] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

/** Each function's folder, holding the one file that Lambda runs. */
export type Bundles = Readonly<Record<FunctionName, string>>;

/** The oldest runtime that may be configured. */
const OLDEST_RUNTIME = "node22";

const ROOT = path.resolve(__dirname, "../..");
const OUTDIR = path.join(ROOT, "dist/lambda");

const BUNDLES = Object.fromEntries(FUNCTIONS.map((name) => [name, path.join(OUTDIR, name)])) as Record<
  FunctionName,
  string
>;

/** What the functions use goes into the bundles, the AWS SDK too, so that its version is ours. The same input gives the same bytes. */
const OPTIONS: BuildOptions = {
  absWorkingDir: ROOT,
  entryPoints: Object.fromEntries(FUNCTIONS.map((name) => [`${name}/index`, `assets/lambda/${name}/index.ts`])),
  outdir: OUTDIR,
  bundle: true,
  minify: true,
  platform: "node",
  format: "cjs",
  target: OLDEST_RUNTIME,
  charset: "utf8",
  legalComments: "none",
  logLevel: "error",
};

/** What the bundles were made from, so that they are made anew only when it has changed. */
const MADE_FROM = path.join(OUTDIR, "made-from.json");

/** Bundles the functions, unless the bundles that are there were made from the same code, packages and options. */
export function bundleFunctions(): Bundles {
  if (isCurrent()) return BUNDLES;
  rmSync(MADE_FROM, { force: true });
  const { metafile } = buildSync({ ...OPTIONS, metafile: true });
  // What is in the packages, the lock file says.
  const files = [
    "package-lock.json",
    ...Object.keys(metafile.inputs).filter((file) => !file.startsWith("node_modules/")),
  ];
  writeFileSync(MADE_FROM, JSON.stringify({ files, fingerprint: fingerprint(files) }));
  return BUNDLES;
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
  const hash = createHash("sha256").update(JSON.stringify(OPTIONS));
  for (const file of files) hash.update(readFileSync(path.join(ROOT, file)));
  return hash.digest("hex");
}
