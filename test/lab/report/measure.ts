/** Runs the published scenarios many times, ours and plain WireGuard side by side. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import os from "node:os";
import { type Delays, delays, type Kind } from "../rig/lab";
import { interruption, loss, type Measured, silence } from "../scenarios";
import { type Facts, type Outage, type Outages, seconds, statistics, type Values } from "./figures";

/** Longer than plain WireGuard's 15 s, after which a device in use shakes hands anew. */
const PLAIN_MS = 17_000;
/** Longer than a device that only has its keepalive needs, and curl's keepalive of TCP after 60 s. */
const SILENCE_MS = 150_000;
/** They wait, side by side. */
const SILENCES_AT_ONCE = 5;
const SLOWER: readonly Delays[] = [
  { metadataMs: 2000, gapMs: 0 },
  { metadataMs: 0, gapMs: 2000 },
];
const SLOWER_RUNS = 5;

interface Pair {
  readonly stingy: Measured;
  readonly plain: Measured;
}

/** @param say gets a line for each thing that was measured */
export async function measureOutages(runs: number, say: (line: string) => void): Promise<Outages> {
  const interruptions: Pair[] = [];
  const losses: Pair[] = [];
  const silences: Pair[] = [];
  const note = (name: string, index: number, { stingy, plain }: Pair): void => {
    const texts = Object.entries(stingy).map(([id, value]) => {
      const text = (ms: number | undefined): string => (ms === undefined ? "-" : `${Math.round(ms)}`);
      return `${id} ${text(value)} (${text(plain[id])})`;
    });
    say(`${name} ${index + 1} of ${runs}, ms (plain WireGuard): ${texts.join(", ")}`);
  };
  for (let run = 0; run < runs; run++) {
    interruptions.push(await both((kind) => interruption(kind, PLAIN_MS)));
    note("interruption", run, interruptions[run] as Pair);
    losses.push(await both(loss));
    note("loss", run, losses[run] as Pair);
  }
  while (silences.length < runs) {
    const count = Math.min(SILENCES_AT_ONCE, runs - silences.length);
    const more = await Promise.all(Array.from({ length: count }, () => both((kind) => silence(kind, SILENCE_MS))));
    for (const pair of more) note("silence", silences.push(pair) - 1, pair);
  }
  const slower: { delays: Delays; busy: Values }[] = [];
  for (const moving of SLOWER) {
    const busy: (number | null)[] = [];
    for (let run = 0; run < Math.min(SLOWER_RUNS, runs); run++)
      busy.push((await interruption("stingy", 0, moving)).busy ?? null);
    slower.push({ delays: moving, busy });
    say(
      `metadata ${moving.metadataMs} ms late, address nowhere for ${moving.gapMs} ms: ${busy.map((ms) => seconds(ms, 0)).join(", ")}`,
    );
  }
  const rows = [...rowsOf(interruptions, 0), ...rowsOf(losses, 0), ...rowsOf(silences, SILENCE_MS)];
  return { facts: facts(), delays: delays(), rows, slower };
}

async function both(run: (kind: Kind) => Promise<Measured>): Promise<Pair> {
  const [stingy, plain] = await Promise.all([run("stingy"), run("plain")]);
  return { stingy, plain };
}

function rowsOf(pairs: readonly Pair[], waitedMs: number): Outage[] {
  const rounded = (value: number | undefined): number | null => (value === undefined ? null : Math.round(value));
  return Object.keys(pairs[0]?.stingy ?? {}).map((id) => ({
    id,
    stingy: pairs.map(({ stingy }) => rounded(stingy[id])),
    plain: pairs.map(({ plain }) => rounded(plain[id])),
    waitedMs,
  }));
}

/** What was measured, in a line a row, for the screen. */
export function summary({ rows }: Outages): string[] {
  return rows.map(({ id, stingy, plain, waitedMs }) => {
    const [ours, theirs] = [statistics(stingy), statistics(plain)];
    return `${id.padEnd(18)} ${seconds(ours.median, waitedMs).padStart(8)} (worst ${seconds(ours.worst, waitedMs)}), plain WireGuard ${seconds(theirs.median, waitedMs)}`;
  });
}

export function facts(): Facts {
  const version = (): string =>
    execFileSync("wireguard-go", ["--version"], { encoding: "utf8" }).split("\n")[0]?.trim() ?? "";
  return {
    processor: os.cpus()[0]?.model.trim() ?? "",
    cores: os.availableParallelism(),
    memoryGb: Math.round(os.totalmem() / 2 ** 30),
    kernel: os.release(),
    wireguard: existsSync("/sys/module/wireguard") ? "in the kernel" : version(),
    node: process.versions.node,
    day: new Date().toISOString().slice(0, 10),
  };
}
