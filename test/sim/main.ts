import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { type Batch, mergeBatches } from "./batch";
import { compile, load, type Player } from "./compile";
import { outsidePromises } from "./engine";
import { describeSchedule } from "./report";

const USAGE = "npm run sim -- [--schedules N] [--seed S] [--workers W] | --seed-only K";

interface Arguments {
  readonly schedules: number;
  readonly seed: number;
  readonly workers: number;
  readonly only: number | undefined;
}

function readArguments(given: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...given],
    options: {
      schedules: { type: "string", default: "1000" },
      seed: { type: "string", default: "1" },
      workers: { type: "string", default: "1" },
      "seed-only": { type: "string" },
    },
  });
  const only = values["seed-only"];
  return {
    schedules: wholeNumber("--schedules", values.schedules, 1),
    seed: wholeNumber("--seed", values.seed, 0),
    workers: wholeNumber("--workers", values.workers, 1),
    only: only === undefined ? undefined : wholeNumber("--seed-only", only, 0),
  };
}

const MOST_SEEDS_NAMED = 50;
const LARGEST = 2 ** 32 - 1;

function wholeNumber(option: string, text: string, least: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= LARGEST) return number;
  throw new Error(`${option} is "${text}", not a whole number from ${least} to ${LARGEST}.`);
}

/** Tells the story of one seed, shrunk if it violates an invariant. */
function replay(seed: number, { createController, generate, report, simulate }: Player): boolean {
  const schedule = generate(seed);
  const { counts, story, violation } = simulate(schedule, createController, true);
  if (violation) {
    console.log(report(schedule, violation, createController));
    return false;
  }
  console.log(`${describeSchedule(schedule)}\n\n${story}\n\n${describeCounts(counts)}\nSeed ${seed}: no violation.`);
  return true;
}

async function runAll({ schedules, seed, workers }: Arguments, file: string, player: Player): Promise<boolean> {
  const { createController, generate, report, runBatch } = player;
  const startedAt = Date.now();
  const share = Math.ceil(schedules / workers);
  const parts = Array.from({ length: Math.ceil(schedules / share) }, (_, index) => {
    const first = seed + index * share;
    return { first, schedules: Math.min(share, seed + schedules - first) };
  });
  const batches =
    parts.length === 1
      ? [await outsidePromises(() => runBatch(seed, schedules, createController))]
      : await Promise.all(parts.map((part) => runElsewhere({ ...part, file })));
  const { counts, longestRestMs, violations } = mergeBatches(batches);
  const seconds = (Date.now() - startedAt) / 1000;
  const [first] = violations;
  if (first) {
    console.log(await outsidePromises(() => report(generate(first.seed), first.violation, createController)));
    const seeds = violations.slice(0, MOST_SEEDS_NAMED).map((each) => each.seed);
    console.log(`\nViolated by ${violations.length} seeds: ${seeds.join(", ")}`);
  }
  const last = seed + schedules - 1;
  const rate = Math.round((schedules / seconds) * 60);
  console.log(describeCounts(counts));
  console.log(
    `${schedules} schedules (seeds ${seed} to ${last}) in ${seconds.toFixed(1)} s, ${rate} a minute: ` +
      `${violations.length} violations; the longest way to rest took ${Math.round(longestRestMs / 60_000)} min`,
  );
  return violations.length === 0;
}

function runElsewhere(part: { file: string; first: number; schedules: number }): Promise<Batch> {
  return new Promise((done, failed) => {
    const worker = new Worker(resolve(__dirname, "worker.ts"), { workerData: part, execArgv: ["-r", "tsx/cjs"] });
    worker.once("message", done);
    worker.once("error", failed);
  });
}

function describeCounts(counts: Readonly<Record<string, number>>): string {
  const words = (name: string) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return Object.entries(counts)
    .map(([name, count]) => `${words(name)} ${count}`)
    .join(", ");
}

async function main(): Promise<boolean> {
  const given = readArguments(process.argv.slice(2));
  const file = await compile();
  const player = load(file);
  const { only } = given;
  return only === undefined ? runAll(given, file, player) : outsidePromises(() => replay(only, player));
}

main().then(
  (good) => {
    process.exitCode = good ? 0 : 1;
  },
  (error) => {
    console.error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    process.exitCode = 2;
  },
);
