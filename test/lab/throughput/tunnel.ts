/** iperf3 through two tunnels at once in place and one at a time in use: to our server, and to wg-quick with masquerading. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type Figure, figure } from "../../../scripts/bench/statistics";
import { ADDRESSES, eventually, type Machine, type Running, sleep } from "../../server/harness";
import { type Kind, Lab } from "../rig/lab";
import { compare, inTurns, LIMIT_PERCENT } from "./compare";
import { ADD_PLAIN, type Direction, switchTo } from "./path";

/** A direction of TCP; down is to the device. */
export interface TunnelFigures {
  readonly mbits: Readonly<Record<Kind, Figure>>;
  /**
   * What the processors have spent on a gigabyte: device, both ends' WireGuard, rules, networks, web host. Steadier than Mbit/s,
   * which depends on who is woken where and on what else the machine does.
   */
  readonly processorSecondsPerGigabyte: Readonly<Record<Kind, Figure>>;
  /** By how much fewer Mbit/s ours has than plain, by pairs of runs that followed each other. */
  readonly costPercent: Figure;
  /** By how much more of the processor ours takes for a gigabyte, by pairs. */
  readonly processorCostPercent: Figure;
}

export interface SwitchedFigures extends TunnelFigures {
  /**
   * Plain rules against the same plain rules, measured as `processorCostPercent` is: what lies within this spread is noise, and
   * a median far from 0 means that the machine did something else.
   */
  readonly controlPercent: Figure;
}

export interface Tunnel {
  /** Two servers in turns: ours with all that runs on it, and wg-quick with masquerading. */
  readonly servers: Readonly<Record<Direction, TunnelFigures>>;
  /**
   * One server, ours, one connection, and rules that are switched four times a second: nothing differs but they, so this shows the
   * rules' cost where the difference between any two servers is larger than it.
   */
  readonly rulesSwitched: Readonly<Record<Direction, SwitchedFigures>>;
}

/** control is plain once more. */
type Turn = Kind | "control";

interface Measured {
  readonly mbits: number;
  readonly secondsPerGigabyte: number;
}

const TICKS_PER_SECOND = 100;
const SLICE_MS = 250;

/** These machines' processes, and the kernel's own. */
function processes(machines: readonly Machine[]): string[] {
  const namespaces = new Set(machines.map(({ pid }) => readlinkSync(`/proc/${pid}/ns/pid`)));
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return statOf(pid)[1] === KERNEL || namespaces.has(readlinkSync(`/proc/${pid}/ns/pid`));
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
}

/** Without the number and the name, which, in brackets, may hold anything. */
const statOf = (pid: string): string[] =>
  readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");

/** What they have taken of the processors so far, with those that they have waited for. */
function processorSeconds(machines: readonly Machine[]): number {
  let ticks = 0;
  for (const pid of processes(machines)) {
    try {
      for (const field of statOf(pid).slice(11, 15)) ticks += Number(field);
    } catch {
      // It has ended meanwhile.
    }
  }
  return ticks / TICKS_PER_SECOND;
}

/** Of these processes that go on running, exactly. */
function processorNs(pids: readonly string[]): number {
  let ns = 0;
  for (const pid of pids) {
    try {
      for (const thread of readdirSync(`/proc/${pid}/task`))
        ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
    } catch {
      // It has ended meanwhile.
    }
  }
  return ns;
}

/** The parent of the kernel's threads, which encrypt where it has WireGuard. */
const KERNEL = "2";

const CLIENT = `iperf3 --json --client "$1" --time "$2" $3 || exit
read -r -a stat </proc/self/stat
echo "ticks $((stat[15] + stat[16]))"`;

class Site {
  private constructor(
    readonly lab: Lab,
    private readonly server: Running,
  ) {}

  static async start(kind: Kind): Promise<Site> {
    const lab = await Lab.start({ kind });
    try {
      await lab.connect();
      const server = lab.site.outside.web.spawn(["iperf3", "--server", "--forceflush"]);
      await server.waitFor(/listening/);
      return new Site(lab, server);
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  private machines(): Machine[] {
    const { outside, servers } = this.lab.site;
    const all = [...servers, ...this.lab.homes, ...this.lab.devices].map(({ machine }) => machine);
    return [outside.machine, outside.web, ...all];
  }

  async measure(direction: Direction, seconds: number): Promise<Measured> {
    const { lab, server } = this;
    const { machine } = lab.device("phone");
    const machines = this.machines();
    const before = processorSeconds(machines);
    // The client has ended when it is looked: the shell has waited for it.
    const { code, stdout, stderr } = await machine.run(
      ["bash", "--norc", "-c", CLIENT, "client", ADDRESSES.web, `${seconds}`, direction === "down" ? "--reverse" : ""],
      { timeoutMs: seconds * 1000 + 30_000 },
    );
    const rest = processorSeconds(machines) - before;
    const [, report = "", ticks] = /^(.*)\nticks (\d+)\n$/s.exec(stdout) ?? [];
    if (code !== 0) throw new Error(`iperf3: ${stdout}${stderr}; its server: ${server.stdout}${server.stderr}`);
    const spent = rest + Number(ticks) / TICKS_PER_SECOND;
    const said = JSON.parse(report);
    const { bytes, bits_per_second } = said.end.sum_received;
    return { mbits: bits_per_second / 1e6, secondsPerGigabyte: spent / (bytes / 1e9) };
  }

  /** One connection, so long under each of the rules. */
  async measureSwitched(direction: Direction, seconds: number): Promise<Record<Turn, Measured>> {
    const { machine } = this.lab.device("phone");
    const reverse = direction === "down" ? ["--reverse"] : [];
    const client = machine.spawn(["iperf3", "--client", ADDRESSES.web, "--time", "3600", "--forceflush", ...reverse]);
    try {
      await client.waitFor(/bits\/sec/);
      const pids = processes(this.machines());
      const file = `/sys/class/net/eth0/statistics/${direction === "up" ? "rx" : "tx"}_bytes`;
      const now = () => ({
        bytes: Number(this.lab.site.outside.web.read(file)),
        spent: processorNs(pids),
        ms: performance.now(),
      });
      const sum = (): ReturnType<typeof now> => ({ bytes: 0, spent: 0, ms: 0 });
      const sums = { stingy: sum(), plain: sum(), control: sum() };
      const slice = (kind: Turn) => async (): Promise<void> => {
        await this.lab.a.sh("nft -f -", { input: switchTo(kind === "stingy" ? "stingy" : "plain") });
        const before = now();
        await sleep(SLICE_MS);
        const after = now();
        for (const what of ["bytes", "spent", "ms"] as const) sums[kind][what] += after[what] - before[what];
      };
      await inTurns(Math.ceil((seconds * 1000) / SLICE_MS), {
        plain: slice("plain"),
        stingy: slice("stingy"),
        control: slice("control"),
      });
      if (!client.running) throw new Error(`iperf3 has ended: ${client.stdout}${client.stderr}`);
      const measured = ({ bytes, spent, ms }: ReturnType<typeof now>): Measured => ({
        mbits: (bytes * 8) / ms / 1000,
        secondsPerGigabyte: spent / bytes,
      });
      return { stingy: measured(sums.stingy), plain: measured(sums.plain), control: measured(sums.control) };
    } finally {
      await this.lab.a.sh("nft -f -", { input: switchTo("stingy") });
      await client.stop("SIGINT");
      // Its server takes one at a time, and says when it takes the next.
      await eventually("iperf3's server is free", () => /listening[^\n]*\n[-\s]*$/.test(this.server.stdout));
    }
  }

  stop(): Promise<void> {
    return this.lab.stop();
  }
}

/** @param where what the figures' names begin with */
function figuresOf(where: string, results: Readonly<Record<Kind, readonly Measured[]>>): TunnelFigures {
  const of = (kind: Kind, what: keyof Measured): number[] => results[kind].map((measured) => measured[what]);
  const both = (what: keyof Measured, unit: string): Record<Kind, Figure> => ({
    stingy: figure(`${where}, stingy`, unit, of("stingy", what)),
    plain: figure(`${where}, plain`, unit, of("plain", what)),
  });
  const cost = (name: string, what: keyof Measured, how: (ours: number, theirs: number) => number): Figure =>
    figure(`${where}, ${name}`, "%", compare(of("stingy", what), of("plain", what), how), LIMIT_PERCENT);
  return {
    mbits: both("mbits", "Mbit/s"),
    processorSecondsPerGigabyte: both("secondsPerGigabyte", "s/GB"),
    costPercent: cost("cost", "mbits", (ours, theirs) => 100 * (1 - ours / theirs)),
    processorCostPercent: cost(
      "cost in processor time",
      "secondsPerGigabyte",
      (ours, theirs) => 100 * (ours / theirs - 1),
    ),
  };
}

export async function benchTunnel(runs: number, seconds: number): Promise<Tunnel> {
  const sites: Partial<Record<Kind, Site>> = {};
  try {
    for (const kind of ["stingy", "plain"] as const) sites[kind] = await Site.start(kind);
    const { stingy, plain } = sites as Record<Kind, Site>;
    await stingy.lab.a.sh("nft -f -", { input: ADD_PLAIN });
    const servers = async (direction: Direction): Promise<TunnelFigures> => {
      for (const site of [stingy, plain]) await site.measure(direction, 1);
      const results = await inTurns(runs, {
        stingy: () => stingy.measure(direction, seconds),
        plain: () => plain.measure(direction, seconds),
      });
      return figuresOf(`tunnel, TCP ${direction}`, results);
    };
    const switched = async (direction: Direction): Promise<SwitchedFigures> => {
      const results: Record<Turn, Measured[]> = { stingy: [], plain: [], control: [] };
      for (let run = 0; run < runs; run++) {
        const measured = await stingy.measureSwitched(direction, seconds);
        for (const turn of ["stingy", "plain", "control"] as const) results[turn].push(measured[turn]);
      }
      const where = `tunnel, rules switched, TCP ${direction}`;
      const [control, plain] = [results.control, results.plain].map((list) =>
        list.map((each) => each.secondsPerGigabyte),
      );
      const percent = compare(control ?? [], plain ?? [], (again, first) => 100 * (again / first - 1));
      return { ...figuresOf(where, results), controlPercent: figure(`${where}, plain against plain`, "%", percent) };
    };
    return {
      servers: { up: await servers("up"), down: await servers("down") },
      rulesSwitched: { up: await switched("up"), down: await switched("down") },
    };
  } finally {
    await Promise.all(Object.values(sites).map((site) => site.stop()));
  }
}
