import path from "node:path";
import { type BuildOptions, build, buildSync } from "esbuild";

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

/** Bundles the functions in a process of its own, while this one does something else. */
export async function bundleFunctions(): Promise<Bundles> {
  await build(OPTIONS);
  return BUNDLES;
}

/** Bundles the functions and waits. */
export function bundleFunctionsSync(): Bundles {
  buildSync(OPTIONS);
  return BUNDLES;
}
