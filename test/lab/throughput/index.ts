/**
 * What the product costs a packet, in two parts. The tunnel's answer is the one that counts, and noisy; forwarding without WireGuard
 * shows the rules alone, and whether they grow with the peers. For a machine that does nothing else.
 */
import { accessSync, constants, readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Machine, sleep } from "../../server/harness";
import { removeLeftOvers } from "../../server/harness/machine";
import { Moto } from "../../server/harness/moto";
import { requireMachine } from "../../server/harness/tools";
import { benchRules, type RulesFigures } from "./rules";
import { benchTunnel, type Tunnel } from "./tunnel";

export interface Conditions {
  readonly processor: string;
  readonly processors: number;
  /** In the kernel, or wireguard-go, which is many times slower and hides more of what the rules cost. */
  readonly wireguard: "kernel" | "wireguard-go";
  /** Of the whole machine, while nothing was measured: before and after. What others do is in every figure. */
  readonly busyPercentAtRest: readonly [before: number, after: number];
  /** Of each measurement through the tunnel. */
  readonly seconds: number;
  /** All of it took so long. */
  readonly minutes: number;
}

export interface ThroughputFigures extends RulesFigures {
  readonly conditions: Conditions;
  readonly tunnel: Tunnel;
}

/** Forwarding alone is steady: a fraction of the tunnel's time is enough. */
const SHARE_FOR_FORWARDING = 0.1;

const TOOLS = { iperf3: "iperf3", python3: "python3" } as const;

/** What is missing and how to get it. @throws when anything is */
export function requireTools(folders: readonly string[] = ["/usr/local/bin", "/usr/bin", "/bin"]): void {
  const has = (command: string): boolean =>
    folders.some((folder) => {
      try {
        accessSync(path.join(folder, command), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
  const missing = Object.entries(TOOLS).filter(([command]) => !has(command));
  if (missing.length === 0) return;
  const [commands, packages] = [0, 1].map((index) => missing.map((tool) => tool[index]));
  throw new Error(
    `The lab's throughput misses ${commands?.join(", ")}: apt-get install --no-install-recommends ${packages?.join(" ")}`,
  );
}

/** In percent of all processors: what the kernel has not measured as idle or as another machine's. */
async function busyAtRest(): Promise<number> {
  const idleMs = (): number => {
    const fields = (readFileSync("/proc/stat", "utf8").split("\n")[0] ?? "").split(/\s+/).map(Number);
    const [, , , , idle = 0, waiting = 0, , , stolen = 0] = fields;
    return (idle + waiting + stolen) * 10;
  };
  const [idle, began] = [idleMs(), performance.now()];
  await sleep(2000);
  const all = (performance.now() - began) * os.availableParallelism();
  return Math.max(0, 100 * (1 - (idleMs() - idle) / all));
}

async function kindOfWireguard(): Promise<Conditions["wireguard"]> {
  const machine = await Machine.start("kind");
  try {
    const { code } = await machine.run(["ip", "link", "add", "dev", "wg0", "type", "wireguard"]);
    return code === 0 ? "kernel" : "wireguard-go";
  } finally {
    await machine.stop();
  }
}

/** @param seconds of each measurement through the tunnel. @default 2 */
export async function benchThroughput(runs: number, seconds = 2): Promise<ThroughputFigures> {
  requireMachine();
  requireTools();
  removeLeftOvers();
  const began = Date.now();
  try {
    const before = await busyAtRest();
    const tunnel = await benchTunnel(runs, seconds);
    const rules = await benchRules(runs, seconds * 1000 * SHARE_FOR_FORWARDING);
    const after = await busyAtRest();
    return {
      conditions: {
        processor: os.cpus()[0]?.model ?? "unknown",
        processors: os.availableParallelism(),
        wireguard: await kindOfWireguard(),
        busyPercentAtRest: [before, after],
        seconds,
        minutes: (Date.now() - began) / 60_000,
      },
      tunnel,
      ...rules,
    };
  } finally {
    // A later measurement of this process starts another.
    await (await Moto.start()).stop();
  }
}
