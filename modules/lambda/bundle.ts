import path from "node:path";
import { buildSync } from "esbuild";

export const FUNCTIONS = ["recovery-handler", "ddns-updater"] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

/** Each function's folder, holding the one file that Lambda runs. */
export type Bundles = Readonly<Record<FunctionName, string>>;

/** The oldest runtime that may be configured. */
const OLDEST_RUNTIME = "node22";

const ROOT = path.resolve(__dirname, "../..");
let bundled: Bundles | undefined;

/** Bundles the functions and what they use, the AWS SDK too, so that its version is ours. The same input gives the same bytes. */
export function bundleFunctions(): Bundles {
  if (bundled) return bundled;
  const outdir = path.join(ROOT, "dist/lambda");
  buildSync({
    absWorkingDir: ROOT,
    entryPoints: Object.fromEntries(FUNCTIONS.map((name) => [`${name}/index`, `assets/lambda/${name}/index.ts`])),
    outdir,
    bundle: true,
    minify: true,
    platform: "node",
    format: "cjs",
    target: OLDEST_RUNTIME,
    charset: "utf8",
    legalComments: "none",
    logLevel: "error",
  });
  bundled = Object.fromEntries(FUNCTIONS.map((name) => [name, path.join(outdir, name)])) as Record<
    FunctionName,
    string
  >;
  return bundled;
}
