/** What the server's scripts take, run for real in a namespace. Needs root and what test/server needs. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type Site, startSite } from "../../test/server/harness";
import { Machine, removeLeftOvers, sleep } from "../../test/server/harness/machine";
import { keyPair } from "../../test/server/harness/peer";
import { type Figure, figure } from "./statistics";

const REST_SECONDS = 60;
const TICKS_PER_SECOND = 100;

const PEER_COUNTS = [10, 100, 1000] as const;
/** A wide tunnel, so that a thousand fit. */
const TUNNEL = { tunnelIpv4: "10.8.0.1/16" };

const EMPTY = `if key=$(wg show wg0 private-key 2>/dev/null); then
  printf '[Interface]\\nPrivateKey = %s\\nListenPort = 51820\\n' "$key" >/run/empty && wg syncconf wg0 /run/empty
fi`;

async function storePeers(site: Site, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    const value = {
      publicKey: keyPair().publicKey,
      presharedKey: keyPair().privateKey,
      addresses: [`10.8.${Math.floor((n + 2) / 256)}.${(n + 2) % 256}`, `fd53::${(n + 2).toString(16)}`],
    };
    await site.store.put(`peers/device-${String(n).padStart(4, "0")}`, JSON.stringify(value));
  }
}

/** From the script's start to its end, reading everything and applying it: the first time to an empty wg0. */
async function benchSync(runs: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  const site = await startSite({ store: "memory", bootstrap: TUNNEL });
  try {
    await site.a.run("stingy-firewall");
    let stored = 0;
    for (const count of PEER_COUNTS) {
      await storePeers(site, stored, count);
      stored = count;
      const seconds: number[] = [];
      const calls: number[] = [];
      for (let run = 0; run < runs; run++) {
        // No peer is left, as after a first boot, but wg0 itself is not what is measured.
        await site.a.sh(EMPTY);
        const { code, milliseconds, log, stderr } = await site.a.run("stingy-sync", { timeoutMs: 120_000 });
        const done = log.find(({ event }) => event === "in-step");
        if (code !== 0 || done?.fields.peers !== String(count)) throw new Error(`sync of ${count} peers: ${stderr}`);
        seconds.push(milliseconds / 1000);
        calls.push(Number(done.fields.calls));
      }
      figures.push(
        figure(`sync, ${count} peers`, "s", seconds, count === 1000 ? 5 : undefined),
        figure(`sync, ${count} peers, AWS calls`, "", calls),
      );
    }
  } finally {
    await site.stop();
  }
  return figures;
}

interface Process {
  readonly name: string;
  /** Its own processor time and that of the children it has waited for. */
  readonly cpuSeconds: number;
  readonly kilobytes: number;
}

/** The scripts and what they have started just now. */
function scripts(machine: Machine): Process[] {
  const namespace = readlinkSync(`/proc/${machine.pid}/ns/pid`);
  const own = new Set(["bash", "sleep", "wg", "jq", "awk", "curl", "sort", "nft", "ip", "tr", "wc", "mawk"]);
  return readdirSync("/proc").flatMap((pid) => {
    try {
      if (!/^\d+$/.test(pid) || Number(pid) === machine.pid) return [];
      if (readlinkSync(`/proc/${pid}/ns/pid`) !== namespace) return [];
      const [, name = "", rest = ""] = /^\d+ \((.*)\) (.*)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
      if (!name.startsWith("stingy-") && !own.has(name)) return [];
      const [, kilobytes = "0"] = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8")) ?? [];
      const ticks = rest.split(" ").slice(11, 15).map(Number);
      return [{ name, cpuSeconds: ticks.reduce((a, b) => a + b) / TICKS_PER_SECOND, kilobytes: Number(kilobytes) }];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}

const cpuOf = (machine: Machine, name: string): number =>
  Math.max(0, ...scripts(machine).flatMap((process) => (process.name === name ? [process.cpuSeconds] : [])));

/** A server with ten peers that do nothing: a minute of watch and promote, with the run of health that falls into it. */
async function benchRest(state: "serving" | "waiting"): Promise<Figure[]> {
  const site = await startSite({ store: "memory", servers: 2, bootstrap: TUNNEL });
  try {
    await storePeers(site, 0, 10);
    const server = state === "serving" ? site.a : site.b;
    for (const script of ["stingy-firewall", "stingy-sync", "stingy-health"]) await server.run(script);
    const watch = server.start("stingy-watch");
    const promote = server.start("stingy-promote");
    await watch.waitForLog("watching");
    await promote.waitForLog(state === "serving" ? "called-back" : "waiting");
    const before = ["stingy-watch", "stingy-promote"].map((name) => cpuOf(server.machine, name));
    const memory: number[] = [];
    // health's own processor time, with all that it has started, as the shell around it has waited for it.
    const health = server.sh(
      "sleep 5; stingy-health 2>/dev/null; read -r -a stat </proc/self/stat; echo $((stat[15] + stat[16]))",
    );
    const end = Date.now() + REST_SECONDS * 1000;
    while (Date.now() < end) {
      memory.push(scripts(server.machine).reduce((sum, { kilobytes }) => sum + kilobytes, 0) / 1024);
      await sleep(100);
    }
    const cpu = ["stingy-watch", "stingy-promote"].reduce(
      (sum, name, index) => sum + cpuOf(server.machine, name) - (before[index] ?? 0),
      Number(await health) / TICKS_PER_SECOND,
    );
    return [
      figure(`at rest, ${state}, processor`, "%", [(100 * cpu) / REST_SECONDS], state === "serving" ? 1 : undefined),
      figure(`at rest, ${state}, memory`, "MB", memory, state === "serving" ? 30 : undefined),
    ];
  } finally {
    await site.stop();
  }
}

export async function benchServer(runs: number, { atRest }: { readonly atRest: boolean }): Promise<Figure[]> {
  removeLeftOvers();
  try {
    const figures = await benchSync(runs);
    return atRest ? [...figures, ...(await benchRest("serving")), ...(await benchRest("waiting"))] : figures;
  } finally {
    await Machine.stopAll();
  }
}
