/** Measures what docs/failover.json holds, part by part, and writes the documents that are made from it. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Machine, removeLeftOvers } from "../../server/harness/machine";
import { Moto } from "../../server/harness/moto";
import { Site } from "../../server/harness/site";
import { benchThroughput } from "../throughput";
import { FAILOVER_JSON, writeFailover } from "./document";
import type { Report } from "./figures";
import { measureOutages, summary } from "./measure";

export const PARTS = ["outages", "throughput", "boot"] as const satisfies readonly (keyof Report)[];
type Part = (typeof PARTS)[number];

export async function writeReport(parts: readonly Part[], runs: number): Promise<void> {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
  removeLeftOvers();
  for (const part of parts) {
    console.log(`\n${part}`);
    const figures = await measure(part, runs);
    const before: Report = existsSync(FAILOVER_JSON) ? JSON.parse(readFileSync(FAILOVER_JSON, "utf8")) : {};
    // Written part by part, as each takes minutes, and each as a whole or not at all.
    writeFileSync(`${FAILOVER_JSON}.new`, `${JSON.stringify({ ...before, ...figures }, null, 1)}\n`);
    renameSync(`${FAILOVER_JSON}.new`, FAILOVER_JSON);
  }
  writeFailover();
  console.log("\nWritten: docs/failover.json, docs/failover.md, docs/failover.svg.");
}

async function measure(part: Part, runs: number): Promise<Report> {
  const say = (line: string): void => console.log(`  ${line}`);
  try {
    if (part === "outages") {
      await Moto.start();
      const outages = await measureOutages(runs, say);
      for (const line of summary(outages)) say(line);
      return { outages };
    }
    if (part === "throughput") {
      return { throughput: await benchThroughput(runs) };
    }
    return { boot: bootFigures() };
  } finally {
    await Site.stopAll();
    await Machine.stopAll();
  }
}

/** Its own process, as it ends with the machines it has started. */
function bootFigures(): NonNullable<Report["boot"]> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "stingy-lab-"));
  try {
    const file = path.join(folder, "boot.json");
    const program = ["-r", path.resolve("scripts/typescript.cjs"), path.resolve(__dirname, "../boot/index.ts")];
    const { status } = spawnSync(process.execPath, [...program, "--json", file], { stdio: "inherit" });
    if (status !== 0) throw new Error("npm run lab:boot has failed; its figures are as they were.");
    return JSON.parse(readFileSync(file, "utf8"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
