import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import path from "node:path";
import { bundleFunctions, FUNCTIONS, type FunctionName } from "../../modules/lambda/bundle";
import { type Figure, figure } from "./statistics";

const TARGETS: Record<FunctionName, { readonly kilobytes: number; readonly milliseconds: number }> = {
  "recovery-handler": { kilobytes: 1700, milliseconds: 200 },
  "ddns-updater": { kilobytes: 700, milliseconds: 80 },
  "alert-forwarder": { kilobytes: 400, milliseconds: 80 },
};
const FEWEST_STARTS = 7;

/** What Lambda reads of each function, and how long its first line of code waits for it: a cold start without Lambda's own part. */
export function benchBundles(runs: number): Figure[] {
  const bundles = bundleFunctions();
  return FUNCTIONS.flatMap((name) => {
    const file = path.join(bundles[name], "index.js");
    const starts = Array.from({ length: Math.max(FEWEST_STARTS, runs) }, () => initMilliseconds(file));
    return [
      figure(`bundle, ${name}`, "kB", [statSync(file).size / 1000], TARGETS[name].kilobytes),
      figure(`module init, ${name}`, "ms", starts, TARGETS[name].milliseconds),
    ];
  });
}

/** In a process of its own, as everything is loaded once. */
function initMilliseconds(file: string): number {
  const script = `const started = performance.now(); require(${JSON.stringify(file)}); console.log(performance.now() - started);`;
  return Number(execFileSync(process.execPath, ["-e", script], { encoding: "utf8" }));
}
