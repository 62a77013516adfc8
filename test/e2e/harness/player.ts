import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { DescribeInstanceAttributeCommand, DescribeInstancesCommand, EC2Client } from "@aws-sdk/client-ec2";
import { type NamedSite, siteTags } from "../../../modules/names";
import { unseen } from "../emulator/moto";
import { within } from "./player/calls";
import { type Line, Machine, type Trouble } from "./player/machine";

export type { Line, Trouble };

export interface PlayedSite extends NamedSite {
  readonly region: string;
}

export interface PlayerOptions {
  /** Where the emulator is. */
  readonly url: string;
  readonly sites: readonly PlayedSite[];
  /** How long a machine takes from its launch to its scripts' start. @default 1 */
  readonly bootSeconds?: number;
  /** How many times faster than the scripts it waits. @default 1 */
  readonly pace?: number;
  /** A file that gets each line as JSON, or who is given each. @default - Player.lines alone */
  readonly log?: string | ((line: Line) => void);
}

export const TROUBLES = ["broken", "slow", "unhealthy", "silent", "well", "dead"] as const;

/** What is to happen to a machine. Without an instance, to every one that is launched from now on. */
export interface Order {
  /**
   * broken: it boots and nothing of ours starts; slow: it boots in `seconds`; unhealthy: `check` fails, whatever is
   * repaired; silent: its agent takes commands and never answers; well: none of these any more; dead: all on it stops at
   * once, while AWS still says that it runs.
   */
  readonly what: (typeof TROUBLES)[number];
  readonly instance?: string;
  /** @default "egress" */
  readonly check?: string;
  readonly seconds?: number;
}

/** An order that makes no sense. */
export class OrderError extends Error {
  override readonly name = "OrderError";
}

const LOOK_MS = 500;
const LOOK_TIMEOUT_MS = 10_000;
const DEFAULT_CHECK = "egress";

/** Plays the servers of some sites: whatever of theirs is launched in the emulator boots, and does towards AWS what its scripts do. */
export class Player {
  /** All that was done, in order. */
  readonly lines: Line[] = [];
  readonly #machines = new Map<string, Machine>();
  /** Each machine's public address, as its metadata service says. */
  readonly #addresses = new Map<string, string | undefined>();
  readonly #clients = new Map<string, EC2Client>();
  readonly #running = new Set<Promise<void>>();
  readonly #waiting = new Set<() => void>();
  readonly #stopped = new AbortController();
  #trouble: Trouble = {};
  #aheadMs = 0;

  private constructor(private readonly options: PlayerOptions) {}

  static start(options: PlayerOptions): Player {
    const player = new Player(options);
    for (const region of new Set(options.sites.map((site) => site.region))) {
      player.#clients.set(region, new EC2Client(unseen(options.url, region)));
      player.#keep(player.#watch(region));
    }
    return player;
  }

  /** Nothing of it goes on after that. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    for (const machine of this.#machines.values()) machine.end("stopped");
    await Promise.allSettled([...this.#running]);
    for (const client of this.#clients.values()) client.destroy();
  }

  /** The machines that it plays now, with what their tags were last made to say. */
  get servers(): readonly { readonly instance: string; readonly state: string }[] {
    return [...this.#machines.values()].map(({ id, state }) => ({ instance: id, state }));
  }

  /** Resolves with the first line that is as it is asked for, of all or of those after the first `from`. */
  async until(what: string, isIt: (line: Line) => boolean, { seconds = 60, from = 0 } = {}): Promise<Line> {
    let seen = from;
    const found = (): Line | undefined => {
      while (seen < this.lines.length) {
        const line = this.lines[seen++];
        if (line && isIt(line)) return line;
      }
      return undefined;
    };
    for (const end = performance.now() + seconds * 1000; ; ) {
      const line = found();
      if (line) return line;
      const left = end - performance.now();
      if (left <= 0) throw new Error(`${what}: it has not happened within ${seconds} s. The last: ${this.#last()}`);
      await this.#next(left);
    }
  }

  /** Throws an OrderError where it makes no sense. */
  order(order: Order): void {
    if (typeof order !== "object" || order === null) {
      throw new OrderError(`${JSON.stringify(order)} is no order; give one such as { "what": "broken" }`);
    }
    const { what, instance, check = DEFAULT_CHECK, seconds } = order;
    if (!TROUBLES.includes(what)) {
      throw new OrderError(`what is ${JSON.stringify(what)}; it must be one of ${TROUBLES.join(", ")}`);
    }
    if (what === "slow" && (typeof seconds !== "number" || !(seconds >= 0))) {
      throw new OrderError(`slow: seconds is ${JSON.stringify(seconds)}; it must be a number, 0 or more`);
    }
    const trouble: Trouble = {
      ...(what === "broken" ? { broken: true } : {}),
      ...(what === "slow" && seconds !== undefined ? { bootSeconds: seconds } : {}),
      ...(what === "unhealthy" ? { unhealthy: check } : {}),
      ...(what === "silent" ? { silent: true } : {}),
    };
    if (instance === undefined) {
      if (what === "dead") throw new OrderError("dead: say which instance, such as { what, instance: i-… }");
      this.#trouble = trouble;
      return;
    }
    const machine = this.#machines.get(instance);
    if (!machine) {
      const known = [...this.#machines.keys()].join(", ") || "none";
      throw new OrderError(`instance is ${JSON.stringify(instance)}; those that are played are: ${known}`);
    }
    if (what === "dead") machine.end("died");
    else machine.give(trouble);
  }

  async #watch(region: string): Promise<void> {
    const { signal } = this.#stopped;
    let failing = false;
    while (!signal.aborted) {
      try {
        await this.#look(region);
        failing = false;
      } catch (error) {
        // What can be seen changes nothing on the machines; the next look may succeed.
        if (!failing && !signal.aborted) this.#noteBlind(region, error);
        failing = true;
      }
      await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #look(region: string): Promise<void> {
    const client = this.#client(region);
    const abortSignal = within(LOOK_TIMEOUT_MS, this.#stopped.signal);
    const filters = [
      { Name: "tag:Project", Values: ["stingy-vpn"] },
      { Name: "instance-state-name", Values: ["running"] },
    ];
    const [{ Reservations = [] }] = await Promise.all([
      client.send(new DescribeInstancesCommand({ Filters: filters }), { abortSignal }),
      this.#readClock(abortSignal),
    ]);
    const seen = new Set<string>();
    for (const { InstanceId = "", PublicIpAddress, Tags = [] } of Reservations.flatMap(
      ({ Instances = [] }) => Instances,
    )) {
      const tags = new Map(Tags.map(({ Key = "", Value = "" }) => [Key, Value]));
      const site = this.options.sites.find((one) => one.region === region && isOf(one, tags));
      if (!site) continue;
      seen.add(InstanceId);
      this.#addresses.set(InstanceId, PublicIpAddress || undefined);
      if (!this.#machines.has(InstanceId)) this.#launch(InstanceId, site);
    }
    for (const [id, machine] of this.#machines) {
      if (seen.has(id) || machine.region !== region) continue;
      machine.end("ended");
      this.#machines.delete(id);
      this.#addresses.delete(id);
    }
  }

  #launch(id: string, site: PlayedSite): void {
    const { url, pace = 1, bootSeconds = 1 } = this.options;
    const machine = new Machine({
      id,
      site,
      url,
      pace,
      bootSeconds,
      trouble: this.#trouble,
      userData: () => this.#userData(id, site.region),
      publicAddress: () => this.#addresses.get(id),
      now: () => new Date(Date.now() + this.#aheadMs),
      log: (line) => this.#write(line),
    });
    this.#machines.set(id, machine);
    this.#keep(machine.run());
  }

  async #userData(InstanceId: string, region: string): Promise<Buffer> {
    const { UserData } = await this.#client(region).send(
      new DescribeInstanceAttributeCommand({ InstanceId, Attribute: "userData" }),
    );
    return Buffer.from(UserData?.Value ?? "", "base64");
  }

  async #readClock(signal: AbortSignal): Promise<void> {
    const response = await fetch(`${this.options.url}/emulator/clock`, { signal });
    const text = await response.text();
    if (response.ok) this.#aheadMs = Number(JSON.parse(text).ahead) * 1000;
  }

  #client(region: string): EC2Client {
    const client = this.#clients.get(region);
    if (!client) throw new Error(`no site is in ${region}`);
    return client;
  }

  #noteBlind(region: string, error: unknown): void {
    const at = new Date(Date.now() + this.#aheadMs).toISOString();
    const reason = error instanceof Error ? error.name : "unknown";
    this.#write({ at, instance: "", site: "", by: "player", level: "warning", did: "cannot-look", region, reason });
  }

  #write(line: Line): void {
    const { log } = this.options;
    this.lines.push(line);
    if (typeof log === "string") appendFileSync(log, `${JSON.stringify(line)}\n`);
    else log?.(line);
    for (const wake of this.#waiting) wake();
  }

  /** Until the next line, or so long. */
  async #next(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, ms);
      const waiting = this.#waiting;
      waiting.add(done);
      function done(): void {
        clearTimeout(timer);
        waiting.delete(done);
        resolve();
      }
    });
  }

  #last(): string {
    const shown = this.lines.slice(-5).map(({ instance, by, did }) => `${instance} ${by} ${did}`);
    return shown.join("; ") || "nothing";
  }

  #keep(work: Promise<void>): void {
    this.#running.add(work);
    work.finally(() => this.#running.delete(work));
  }
}

function isOf(site: NamedSite, tags: ReadonlyMap<string, string>): boolean {
  return Object.entries(siteTags(site)).every(([key, value]) => tags.get(key) === value);
}

/** `--url URL --site ENVIRONMENT/SITE/REGION… [--boot SECONDS] [--pace N] [--log FILE]`: a process that takes orders as lines of JSON. */
async function main(): Promise<void> {
  // The supported versions are package.json's affair.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";
  const { values } = parseArgs({
    options: {
      url: { type: "string" },
      site: { type: "string", multiple: true },
      boot: { type: "string", default: "1" },
      pace: { type: "string", default: "1" },
      log: { type: "string" },
    },
  });
  const sites = (values.site ?? []).map((text) => {
    const [environment = "", name = "", region = ""] = text.split("/");
    if (region === "") throw new OrderError(`--site is ${text}; it must be ENVIRONMENT/SITE/REGION`);
    return { environment, name, region };
  });
  if (values.url === undefined || sites.length === 0) throw new OrderError("--url and --site are needed");
  const { log } = values;
  const say = (line: object): void => {
    const text = `${JSON.stringify(line)}\n`;
    if (log === undefined) process.stdout.write(text);
    else appendFileSync(log, text);
  };
  const player = Player.start({
    url: values.url,
    sites,
    bootSeconds: Number(values.boot),
    pace: Number(values.pace),
    log: say,
  });
  const orders = createInterface({ input: process.stdin });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => orders.close());
  for await (const text of orders) {
    try {
      player.order(JSON.parse(text));
    } catch (error) {
      if (!(error instanceof OrderError || error instanceof SyntaxError)) throw error;
      say({ by: "player", level: "error", did: "order-refused", reason: error.message });
    }
  }
  process.stdin.destroy();
  await player.stop();
}

if (require.main === module) {
  main().catch((error: unknown) => {
    process.stderr.write(`player: ${error instanceof Error ? error.message : "it has failed"}\n`);
    process.exitCode = 1;
  });
}
