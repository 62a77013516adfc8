import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { withoutKeys } from "../../../../cli/server/log-line";
import { METRICS_NAMESPACE, SERVER_METRICS } from "../../../../modules/metrics";
import {
  JOURNAL_LINES,
  MOST_REPORTED,
  type NamedSite,
  REPORTED_KEY_CHARACTERS,
  siteNames,
} from "../../../../modules/names";
import { STORE } from "../../../../modules/store/names";
import { generatePrivateKey } from "../../../../modules/wireguard";
import { Caller, Pauses, Problem } from "./calls";
import { type Config, makeConfig, type Peer } from "./store";
import { type Check, readUserData, type Settings, UserDataError } from "./user-data";

/** What a machine does that does not do well. */
export interface Trouble {
  /** It boots and nothing of ours starts, as with a broken image. */
  readonly broken?: boolean;
  readonly bootSeconds?: number;
  /** The check that fails, whatever is repaired. */
  readonly unhealthy?: string;
  /** Its agent takes commands and never answers. */
  readonly silent?: boolean;
}

/** One thing that a machine did. Values are texts, and none is a key. */
export interface Line {
  /** By the emulator's clock. */
  readonly at: string;
  readonly instance: string;
  readonly site: string;
  /** Whose doing it is: a script's name, or the player. */
  readonly by: string;
  readonly level: "info" | "warning" | "error";
  readonly did: string;
  readonly [field: string]: string;
}

export interface MachineOptions {
  readonly id: string;
  readonly site: NamedSite & { readonly region: string };
  /** Where the emulator is. */
  readonly url: string;
  /** How many times faster than the scripts it waits. */
  readonly pace: number;
  readonly bootSeconds: number;
  readonly trouble: Trouble;
  /** What the metadata service gives as user data. */
  readonly userData: () => Promise<Buffer>;
  /** What it gives as public-ipv4; undefined while it has none. */
  readonly publicAddress: () => string | undefined;
  /** By the emulator's clock. */
  readonly now: () => Date;
  readonly log: (line: Line) => void;
}

type Arrival = "metadata" | "named";
type NoticeKind = "interruption" | "rebalance";
type Fields = Readonly<Record<string, string | number>>;

interface Command {
  readonly id: string;
  readonly document: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

const HEALTH = "stingy-health";
const SYNC = "stingy-sync";
const WATCH = "stingy-watch";
const PROMOTE = "stingy-promote";
const JOURNAL = "stingy-journal";
const PLAYER = "player";

/** As the units' files say: RestartSec and the timers. */
const RESTART_SECONDS = 1;
const SYNC_SECONDS = 300;
const HEALTH_SECONDS = 60;
const JOURNAL_SECONDS = 60;
/** How often the agent asks, whatever the pace. */
const COMMANDS_SECONDS = 0.3;
/** Those that nothing on a played machine can make fail but the lack of wg0. */
const NEED_WG0 = ["wg0-up", "wg0-key", "egress"];
const HANDSHAKE_SECONDS = 120;
const ACTIVE_SECONDS = 180;
const MOST_ENDPOINTS_CHARACTERS = 4096;
/** What one call takes of the journal. */
const MOST_EVENTS = 100;
const PRIORITY = { error: "3", warning: "4", info: "6" } as const;

/** A server: what its scripts, run by their units, do towards AWS. Everything else on it is imagined to go well. */
export class Machine {
  readonly #pauses: Pauses;
  readonly #journal: [microseconds: string, priority: string, identifier: string, message: string][] = [];
  #settings: Settings | undefined;
  #trouble: Trouble;

  // /run/stingy
  #config: Config | undefined;
  #serving = false;
  #stoodDown = false;
  #announced = false;
  #verdict = "";
  #said = "";
  #failing: readonly string[] = [];
  readonly #told = new Map<NoticeKind, string>();
  readonly #failures = new Map<string, number>();
  #published: { readonly at: number; readonly sent: number } | undefined;
  #hasLogStream = false;
  /** So many of the journal's lines are in CloudWatch. */
  #shipped = 0;

  // wg0
  #endpoints = new Map<string, string>();
  /** Since when each peer is connected, by its key. */
  readonly #connected = new Map<string, Date>();
  #heardUntil: Date | undefined;

  #syncing: Promise<boolean> | undefined;
  #checking: Promise<boolean> | undefined;
  #stateLock: Promise<void> = Promise.resolve();

  constructor(private readonly options: MachineOptions) {
    this.#pauses = new Pauses(options.pace);
    this.#trouble = options.trouble;
  }

  get id(): string {
    return this.options.id;
  }

  get region(): string {
    return this.options.site.region;
  }

  /** What its tag was last made to say. */
  get state(): string {
    return this.#said;
  }

  /** Runs until it is ended. */
  async run(): Promise<void> {
    try {
      await this.#boot();
    } catch (error) {
      if (error instanceof UserDataError) this.#log(PLAYER, "error", "user-data-refused", { reason: error.message });
      else this.#failed(error);
    }
  }

  /** The end of the machine fails whatever it waits for. Anything else is a mistake of the player. */
  #failed(error: unknown): void {
    this.#log(PLAYER, "error", "player-failed", { reason: String(error) });
  }

  /** Everything on it stops at once, whatever AWS says of it. */
  end(did: "ended" | "died" | "stopped"): void {
    if (this.#pauses.ended) return;
    this.#log(PLAYER, did === "died" ? "warning" : "info", did);
    this.#pauses.end();
  }

  /** Instead of the trouble that it had. Its health is checked at once, not only at the next minute. */
  give(trouble: Trouble): void {
    this.#trouble = trouble;
    if (this.#verdict !== "") this.#meanwhile(this.#checkAnew());
  }

  /** What runs already may have looked before. */
  async #checkAnew(): Promise<void> {
    await this.#checking;
    await this.#startHealth();
  }

  #meanwhile(work: Promise<void>): void {
    work.catch((error: unknown) => this.#failed(error));
  }

  async #boot(): Promise<void> {
    const { site, bootSeconds } = this.options;
    this.#log(PLAYER, "info", "booting");
    await Promise.all([
      this.#register(),
      this.#pauses.pause((this.#trouble.bootSeconds ?? bootSeconds) * this.options.pace),
    ]);
    if (this.#trouble.broken) {
      this.#log(PLAYER, "warning", "boots-in-vain");
      return;
    }
    const settings = readUserData(await this.#patiently(this.options.userData));
    if (settings.environment !== site.environment || settings.site !== site.name) {
      throw new UserDataError(`it is of the site ${settings.environment} ${settings.site}`);
    }
    this.#settings = settings;
    this.#log(PLAYER, "info", "booted");
    let synced = (): void => undefined;
    const firstSync = new Promise<void>((resolve) => {
      synced = resolve;
    });
    await Promise.all([
      this.#syncUnit(synced),
      this.#watch(),
      this.#promoteUnit(),
      firstSync.then(() => this.#healthUnit()),
      this.#agent(),
      ...(settings.logGroup === "" ? [] : [this.#journalUnit()]),
    ]);
  }

  async #patiently<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch {
        await this.#pauses.pause(1);
      }
    }
  }

  // What the units do with the scripts.

  async #syncUnit(synced: () => void): Promise<void> {
    for (;;) {
      const inStep = await this.#startSync();
      synced();
      await this.#pauses.pause(inStep ? SYNC_SECONDS : RESTART_SECONDS);
    }
  }

  async #healthUnit(): Promise<void> {
    for (;;) {
      const fit = await this.#startHealth();
      await this.#pauses.pause(fit ? HEALTH_SECONDS : RESTART_SECONDS);
    }
  }

  async #journalUnit(): Promise<void> {
    for (;;) {
      await this.#pauses.pause(JOURNAL_SECONDS);
      while (!(await this.#unit(JOURNAL, 60, () => this.#ship()))) await this.#pauses.pause(RESTART_SECONDS);
    }
  }

  /** `systemctl start`: one that runs already is the one that is waited for. */
  #startSync(): Promise<boolean> {
    this.#syncing ??= this.#unit(SYNC, 60, () => this.#sync()).finally(() => {
      this.#syncing = undefined;
    });
    return this.#syncing;
  }

  #startHealth(): Promise<boolean> {
    this.#checking ??= this.#unit(HEALTH, 10, () => this.#health()).finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  /** common.sh's backoff, and its count of failures. */
  async #unit(name: string, longest: number, script: () => Promise<boolean>): Promise<boolean> {
    const failures = this.#failures.get(name) ?? 0;
    if (failures > 0) {
      const seconds = Math.min(longest, (5 << Math.min(failures, 6)) >> 1);
      this.#log(name, "info", "backoff", { failures, seconds });
      await this.#pauses.pause(seconds);
    }
    const succeeded = await script();
    this.#failures.set(name, succeeded ? 0 : failures + 1);
    return succeeded;
  }

  // stingy-sync

  async #sync(): Promise<boolean> {
    const aws = this.#caller();
    try {
      this.#apply(await this.#readStore(aws), aws.count);
      return true;
    } catch (error) {
      this.#log(SYNC, "error", "not-in-step", { reason: this.#reason(error) });
      if (this.#config) this.#log(SYNC, "warning", "last-good-serves", { file: "/run/stingy/config.json" });
      return false;
    }
  }

  async #readStore(aws: Caller): Promise<Config> {
    const parameters = await this.#readParameters(aws);
    const peers = await this.#readPeers(aws);
    let made = makeConfig(new Map([...parameters, ...peers]), this.#site);
    if ("missing" in made) {
      await this.#makeKey(aws);
      made = makeConfig(new Map([...(await this.#readParameters(aws)), ...peers]), this.#site);
      if ("missing" in made) throw new Problem(`the store has no ${made.missing} although it took one`);
    }
    if ("refused" in made) throw new Problem(made.refused);
    return made.config;
  }

  async #readParameters(aws: Caller): Promise<Map<string, string>> {
    const names = [STORE.wireguardConfig, STORE.wireguardPrivateKey, STORE.clientPublicKeys];
    return this.#parametersOf(await this.#getParameters(aws, names));
  }

  #getParameters(aws: Caller, names: readonly string[], attempts?: number): Promise<string> {
    const body = JSON.stringify({ WithDecryption: true, Names: names.map((name) => this.#path(name)) });
    return aws.ssm("GetParameters", body, /"Parameters": *\[/, attempts);
  }

  async #readPeers(aws: Caller): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    let token: string | undefined;
    for (;;) {
      const NextToken = token === undefined ? {} : { NextToken: token };
      const body = { WithDecryption: true, MaxResults: 10, Path: this.#path(STORE.peers), ...NextToken };
      const answer = await aws.ssm("GetParametersByPath", JSON.stringify(body), /"Parameters": *\[/);
      for (const [name, value] of this.#parametersOf(answer)) found.set(name, value);
      const [, next] = /"NextToken": *"([^"]+)"/.exec(answer) ?? [];
      if (next === undefined) return found;
      if (next === token) throw new Problem("ssm repeats a page of peers");
      token = next;
    }
  }

  #parametersOf(answer: string): Map<string, string> {
    try {
      const { Parameters } = JSON.parse(answer) as { Parameters: { Name: string; Value: string }[] };
      return new Map(Parameters.map(({ Name, Value }) => [Name.slice(this.#path("").length), Value]));
    } catch {
      throw new Problem("the store's answer makes no sense");
    }
  }

  /** Create-only; the one that wg0 has goes back into a store that has lost it. */
  async #makeKey(aws: Caller): Promise<void> {
    const Value = this.#config?.key ?? generatePrivateKey();
    const Name = this.#path(STORE.wireguardPrivateKey);
    const body = { Name, Type: "SecureString", Value, Overwrite: false };
    try {
      await aws.ssm("PutParameter", printed(body), /"Version"/);
      this.#log(SYNC, "info", "key-stored");
    } catch (error) {
      if (!this.#reason(error).includes("ParameterAlreadyExists")) throw error;
      this.#log(SYNC, "info", "key-of-another-server");
    }
  }

  #apply(config: Config, calls: number): void {
    const before = this.#config;
    if (!before) this.#log(SYNC, "info", "wg0-made");
    const old = new Map(before?.peers.map(({ name, text }) => [name, text]));
    const now = new Map(config.peers.map(({ name, text }) => [name, text]));
    const changes = {
      added: [...now.keys()].filter((name) => !old.has(name)),
      removed: [...old.keys()].filter((name) => !now.has(name)),
      changed: [...now].filter(([name, text]) => old.has(name) && old.get(name) !== text).map(([name]) => name),
    };
    for (const [what, names] of Object.entries(changes)) {
      if (names.length === 0) continue;
      this.#log(SYNC, "info", `peers-${what}`, { count: names.length, names: names.slice(0, 50).join(" ") });
    }
    for (const { name, reason } of config.skipped.slice(0, 50)) {
      this.#log(SYNC, "warning", "peer-skipped", { peer: name, reason });
    }
    this.#config = config;
    const { source, peers, skipped } = config;
    this.#log(SYNC, "info", "in-step", { source, peers: peers.length, skipped: skipped.length, calls });
    this.#connect();
  }

  // stingy-health

  async #health(): Promise<boolean> {
    let status = true;
    let unfit: string | undefined;
    if (!this.#stoodDown) {
      unfit = await this.#check();
      const verdict = unfit ?? "fit";
      if (this.#verdict !== verdict) this.#log(HEALTH, "info", "verdict", { now: verdict, before: this.#verdict });
      this.#verdict = verdict;
      if (unfit !== undefined) status = false;
    }
    if (!(await this.#sayState(HEALTH))) {
      status = false;
    } else if (unfit === undefined && !this.#announced && !this.#stoodDown) {
      if (await this.#sayEvent(HEALTH, "Server Ready")) this.#announced = true;
      else status = false;
    }
    if (!(await this.#publish())) status = false;
    return status;
  }

  /** The first check that keeps it from serving. */
  async #check(): Promise<string | undefined> {
    const fails = ({ name }: Check) =>
      name === this.#trouble.unhealthy || (this.#config === undefined && NEED_WG0.includes(name));
    const known = this.#failing;
    const failing: Check[] = [];
    for (const check of this.#site.checks) {
      const { name, severity, repair } = check;
      if (fails(check)) {
        if (repair !== "") {
          this.#log(HEALTH, "warning", "repairing", { check: name, command: repair });
          if (repair.includes("stingy-sync.service")) await this.#startSync();
        }
        if (repair === "" || fails(check)) {
          failing.push(check);
          if (!known.includes(name)) this.#log(HEALTH, "error", "check-fails", { check: name, severity });
          continue;
        }
        this.#log(HEALTH, "info", "repaired", { check: name });
      }
      if (known.includes(name)) this.#log(HEALTH, "info", "check-passes", { check: name });
    }
    this.#failing = failing.map(({ name }) => name);
    return failing.find(({ severity }) => severity === "unfit")?.name;
  }

  async #publish(): Promise<boolean> {
    const peers = this.#heard();
    const at = this.#pauses.now;
    // What devices sent goes on to the internet.
    const sent = sum(peers.map((peer) => peer.sent + peer.received));
    const last = this.#published;
    if (last === undefined || !this.#serving) {
      this.#published = { at, sent };
      return true;
    }
    if (at - last.at < 50) return true;
    const values: Record<keyof typeof SERVER_METRICS, number> = {
      PeersConfigured: this.#config?.peers.length ?? 0,
      PeersActive: peers.filter(({ age }) => age < ACTIVE_SECONDS).length,
      NetworkOut: sent - (sent < last.sent ? 0 : last.sent),
      CpuUsed: 2,
      MemoryUsed: 42,
      DiskUsed: 31,
      ClockOffset: 0.012,
      HandshakesUnanswered: 0,
    };
    const { site, environment } = this.#site;
    const body = Object.entries(SERVER_METRICS).map(([name, unit], index) => {
      const member = `&MetricData.member.${index + 1}`;
      const value = values[name as keyof typeof SERVER_METRICS];
      return [
        `${member}.MetricName=${name}${member}.Value=${value}${member}.Unit=${unit}`,
        `${member}.Dimensions.member.1.Name=Site${member}.Dimensions.member.1.Value=${site}`,
        `${member}.Dimensions.member.2.Name=Environment${member}.Dimensions.member.2.Value=${environment}`,
      ].join("");
    });
    const form = `Namespace=${METRICS_NAMESPACE}${body.join("")}`;
    try {
      await this.#caller().query("monitoring", "PutMetricData", "2010-08-01", form, /<PutMetricDataResponse/);
    } catch (error) {
      this.#log(HEALTH, "error", "metrics-not-published", { reason: this.#reason(error) });
      return false;
    }
    this.#published = { at, sent };
    return true;
  }

  // stingy-journal

  async #ship(): Promise<boolean> {
    const to = { logGroupName: this.#site.logGroup, logStreamName: this.id };
    const aws = this.#caller();
    for (let count = MOST_EVENTS; count === MOST_EVENTS; this.#shipped += count) {
      const lines = this.#journal.slice(this.#shipped, this.#shipped + MOST_EVENTS);
      count = lines.length;
      if (count === 0) break;
      const logEvents = lines.map(([microseconds, , , message]) => ({
        timestamp: Math.floor(Number(microseconds) / 1000),
        message,
      }));
      try {
        if (!this.#hasLogStream) await this.#makeLogStream(aws, to);
        await aws.logs("PutLogEvents", JSON.stringify({ ...to, logEvents }), /^\{/);
      } catch (error) {
        this.#log(JOURNAL, "error", "journal-not-sent", { reason: this.#reason(error) });
        this.#hasLogStream = false;
        return false;
      }
    }
    return true;
  }

  async #makeLogStream(aws: Caller, to: object): Promise<void> {
    try {
      await aws.logs("CreateLogStream", JSON.stringify(to), /^$/);
    } catch (error) {
      if (!this.#reason(error).includes("AlreadyExists")) throw error;
    }
    this.#hasLogStream = true;
  }

  // stingy-promote

  async #promoteUnit(): Promise<void> {
    for (;;) {
      if (this.#serving) {
        await this.#pauses.pause(1);
        continue;
      }
      this.#log(PROMOTE, "info", "waiting", { address: this.#site.address || "none" });
      await this.#promote(await this.#waitForAddress());
    }
  }

  async #waitForAddress(): Promise<Arrival> {
    const { address } = this.#site;
    for (let nextRecall = Number.NEGATIVE_INFINITY; ; await this.#pauses.pause(1)) {
      if (this.#pauses.now >= nextRecall) {
        const named = await this.#recall(1);
        nextRecall = this.#pauses.now + 30;
        if (address === "" && named === this.id) return "named";
      }
      if (address !== "" && this.options.publicAddress() === address) return "metadata";
    }
  }

  /** Where the peers were last seen. Without an Elastic IP, also the instance that the site should have. */
  async #recall(attempts?: number): Promise<string | undefined> {
    const names = [STORE.peerEndpoints, ...(this.#site.address === "" ? [STORE.instanceId] : [])];
    try {
      const parameters = this.#parametersOf(await this.#getParameters(this.#caller(), names, attempts));
      if (this.#config) {
        const keys = new Map(this.#config.peers.map(({ publicKey }) => [shortened(publicKey), publicKey]));
        const lines = (parameters.get(STORE.peerEndpoints) ?? "").split("\n").map((line) => line.split(" "));
        this.#endpoints = new Map(
          lines.flatMap(([start = "", endpoint = ""]) => {
            const key = keys.get(start);
            return key !== undefined && endpoint !== "" ? [[key, endpoint] as const] : [];
          }),
        );
      }
      return parameters.get(STORE.instanceId);
    } catch (error) {
      this.#log(PROMOTE, "error", "endpoints-not-read", { reason: this.#reason(error) });
      return undefined;
    }
  }

  async #promote(noticed: Arrival): Promise<void> {
    while (!this.#config) await this.#pauses.pause(0.2);
    this.#log(PROMOTE, "info", "address-arrived", { noticed });
    if (this.#stoodDown) {
      this.#stoodDown = false;
      this.#connected.clear();
      this.#heardUntil = undefined;
    }
    if (this.#endpoints.size === 0) await this.#recall();
    const called = this.#endpoints.size;
    this.#log(PROMOTE, "info", "primed", { peers: called });
    this.#serving = true;
    this.#connect();
    await this.#sayState(PROMOTE);
    // A played peer answers the first call.
    this.#log(PROMOTE, "info", "called-back", { answered: called, silent: 0, seconds: 0 });
  }

  // stingy-watch

  async #watch(): Promise<void> {
    const { address } = this.#site;
    this.#log(WATCH, "info", "watching", { address: address || "none" });
    let saved = "";
    let nextSave = Number.NEGATIVE_INFINITY;
    let gone = 0;
    const save = async (): Promise<void> => {
      saved = (await this.#saveEndpoints(saved)) ?? saved;
    };
    for (;;) {
      const notice = await this.#notice();
      const times: [NoticeKind, unknown][] = [
        ["interruption", notice.time],
        ["rebalance", notice.noticeTime],
      ];
      for (const [kind, time] of times) {
        if (typeof time !== "string" || this.#told.get(kind) === time) continue;
        this.#log(WATCH, "warning", "notice", { kind, time });
        await save();
        if (await this.#sayEvent(WATCH, "Server Notice", kind, time)) this.#told.set(kind, time);
      }
      if (this.#pauses.now >= nextSave) {
        await save();
        nextSave = this.#pauses.now + 30;
      }
      if (address !== "" && this.#serving) {
        const has = this.options.publicAddress() ?? "none";
        gone = has === address ? 0 : gone + 1;
        // One odd answer may be a mistake.
        if (gone >= 2) {
          await this.#standDown(has);
          gone = 0;
          saved = "";
        }
      }
      await this.#pauses.pause(gone > 0 ? 1 : 5);
    }
  }

  /** What the metadata service says of the machine's end; nothing where it says nothing. */
  async #notice(): Promise<Readonly<Record<string, unknown>>> {
    const answer = await this.#emulator("GET", `notice/${this.id}`);
    return isRecord(answer) ? answer : {};
  }

  /** What is saved from now on, if that is something else. */
  async #saveEndpoints(saved: string): Promise<string | undefined> {
    if (!this.#serving) return undefined;
    const now = this.#lastSeen();
    if (now === "" || now === saved) return undefined;
    const body = { Name: this.#path(STORE.peerEndpoints), Type: "SecureString", Value: now, Overwrite: true };
    try {
      await this.#caller().ssm("PutParameter", printed(body), /"Version"/);
    } catch (error) {
      this.#log(WATCH, "error", "endpoints-not-saved", { reason: this.#reason(error) });
      return undefined;
    }
    this.#log(WATCH, "info", "endpoints-saved", { peers: now.split("\n").length });
    return now;
  }

  async #standDown(now: string): Promise<void> {
    this.#log(WATCH, "warning", "address-gone", { address: this.#site.address, now });
    this.#stoodDown = true;
    this.#serving = false;
    this.#heardUntil = this.options.now();
    await this.#sayState(WATCH);
  }

  // What several scripts say.

  #sayState(by: string): Promise<boolean> {
    const turn = this.#stateLock.then(() => this.#sayStateNow(by));
    this.#stateLock = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  async #sayStateNow(by: string): Promise<boolean> {
    const state = this.#stateToSay();
    const before = this.#said;
    if (state === "" || state === before) return true;
    const body = `ResourceId.1=${this.id}&Tag.1.Key=state&Tag.1.Value=${state.replace(":", "%3A")}`;
    try {
      await this.#caller().query("ec2", "CreateTags", "2016-11-15", body, /<CreateTagsResponse/);
    } catch (error) {
      this.#log(by, "error", "state-not-tagged", { state, reason: this.#reason(error) });
      return false;
    }
    this.#said = state;
    this.#log(by, "info", "state-tagged", { state, before });
    return true;
  }

  #stateToSay(): string {
    if (this.#stoodDown) return "stood-down";
    if (this.#verdict === "") return "";
    if (this.#verdict !== "fit") return `unhealthy:${this.#verdict}`;
    return this.#serving ? "serving" : "ready";
  }

  async #sayEvent(by: string, type: string, notice = "", time = ""): Promise<boolean> {
    const { environment, site } = this.#site;
    const detail = { environment, site, "instance-id": this.id, ...(notice === "" ? {} : { notice, time }) };
    const entry = { Source: "stingy-vpn", DetailType: type, Detail: JSON.stringify(detail) };
    try {
      await this.#caller().events("PutEvents", printed({ Entries: [entry] }), /"FailedEntryCount": *0/);
    } catch (error) {
      this.#log(by, "error", "event-not-sent", { type, reason: this.#reason(error) });
      return false;
    }
    this.#log(by, "info", "event-sent", { type, notice });
    return true;
  }

  // The peers, whose devices are imagined: each connects when the server serves, and goes on talking.

  #connect(): void {
    if (!this.#serving) return;
    for (const { publicKey } of this.#config?.peers ?? []) {
      if (!this.#connected.has(publicKey)) this.#connected.set(publicKey, this.options.now());
    }
  }

  #heard(): { readonly peer: Peer; readonly at: number; readonly age: number; received: number; sent: number }[] {
    const now = this.options.now();
    return (this.#config?.peers ?? []).flatMap((peer) => {
      const since = this.#connected.get(peer.publicKey);
      if (!since) return [];
      const seconds = Math.max(0, Math.floor(((this.#heardUntil ?? now).getTime() - since.getTime()) / 1000));
      const at = Math.floor(since.getTime() / 1000) + seconds - (seconds % HANDSHAKE_SECONDS);
      const age = Math.max(0, Math.floor(now.getTime() / 1000) - at);
      return { peer, at, age, received: 180 + 100 * seconds, sent: 92 + 300 * seconds };
    });
  }

  /** stingy-watch's endpoints: those heard last come first where not all have room. */
  #lastSeen(): string {
    let size = 0;
    return this.#heard()
      .sort((a, b) => b.at - a.at)
      .map(({ peer: { publicKey } }) => `${shortened(publicKey)} ${this.#endpointOf(publicKey)}`)
      .filter((line) => {
        size += line.length + 1;
        return size <= MOST_ENDPOINTS_CHARACTERS;
      })
      .sort()
      .join("\n");
  }

  #endpointOf(publicKey: string): string {
    const known = this.#endpoints.get(publicKey);
    if (known !== undefined) return known;
    // Of the range for documentation, and always the same for one device.
    const digest = createHash("sha256").update(publicKey).digest();
    const endpoint = `203.0.113.${1 + (digest.readUInt8(0) % 254)}:${32768 + (digest.readUInt16BE(1) % 28232)}`;
    this.#endpoints.set(publicKey, endpoint);
    return endpoint;
  }

  // Systems Manager's agent.

  async #register(): Promise<void> {
    await this.#emulator("POST", "servers", { instance: this.id });
  }

  async #agent(): Promise<void> {
    const taken = new Set<string>();
    for (;;) {
      const answer = await this.#emulator("GET", `commands?instance=${this.id}`);
      for (const command of commandsOf(answer)) {
        if (this.#trouble.silent || taken.has(command.id)) continue;
        taken.add(command.id);
        this.#meanwhile(this.#obey(command));
      }
      await this.#pauses.pause(COMMANDS_SECONDS * this.#pauses.pace);
    }
  }

  async #obey({ id, document, parameters }: Command): Promise<void> {
    this.#log(PLAYER, "info", "command-taken", { document });
    const { status, output } = await this.#perform(document, parameters);
    const answered = await this.#emulator("POST", `commands/${id}`, { instance: this.id, status, output });
    this.#log(PLAYER, "info", answered === undefined ? "answer-not-taken" : "command-done", { document, status });
  }

  async #perform(document: string, parameters: Command["parameters"]) {
    const { syncDocument, peersDocument, journalDocument } = siteNames(this.options.site);
    const succeeded = (output: string) => ({ status: "Success", output });
    switch (document) {
      case syncDocument:
        // What runs now may have read the store before the change.
        if (this.#syncing) await this.#syncing;
        return (await this.#startSync()) ? succeeded("") : { status: "Failed", output: "" };
      case peersDocument:
        return succeeded(this.#report());
      case journalDocument:
        return succeeded(this.#journalSince(Number([parameters.since].flat()[0])));
      default:
        return { status: "Failed", output: "" };
    }
  }

  #report(): string {
    const lines = this.#heard()
      .sort((a, b) => b.at - a.at)
      .slice(0, MOST_REPORTED)
      .map(({ peer, at, received, sent }) => `${at} ${shortened(peer.publicKey)} ${received} ${sent}\n`);
    return `${Math.floor(this.options.now().getTime() / 1000)}\n${lines.join("")}`;
  }

  #journalSince(seconds: number): string {
    const lines = this.#journal
      .filter(([microseconds]) => Number(microseconds) >= seconds * 1e6)
      .reverse()
      .slice(0, JOURNAL_LINES)
      .map((entry) => `${JSON.stringify(entry)}\n`);
    return gzipSync(lines.join(""), { level: 9 }).toString("base64");
  }

  // What it has of the emulator beside AWS.

  /** The JSON of its answer; undefined where it has none. */
  async #emulator(method: "GET" | "POST", path: string, body?: object): Promise<unknown> {
    try {
      const response = await fetch(`${this.options.url}/emulator/${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: this.#pauses.signal(20),
      });
      const text = await response.text();
      return response.ok ? JSON.parse(text) : undefined;
    } catch (error) {
      if (this.#pauses.ended) throw error;
      return undefined;
    }
  }

  // Its settings, its calls, its log.

  #caller(): Caller {
    const { id, url } = this.options;
    return new Caller({ url, region: this.region, instance: id, pauses: this.#pauses });
  }

  get #site(): Settings {
    if (!this.#settings) throw new Error("the machine has not booted");
    return this.#settings;
  }

  #path(name: string): string {
    return `${this.#site.storePrefix}/${name}`;
  }

  /** Rethrows what ends the machine. */
  #reason(error: unknown): string {
    if (this.#pauses.ended || !(error instanceof Problem)) throw error;
    return error.message;
  }

  #log(by: string, level: Line["level"], did: string, fields: Fields = {}): void {
    if (this.#pauses.ended) return;
    const { id, site, now, log } = this.options;
    const at = now();
    const values = Object.entries(fields).map(([key, value]) => [key, withoutKeys(String(value)).slice(0, 400)]);
    if (by !== PLAYER) {
      const words = values.map(([key, value = ""]) => ` ${key}="${value.replace(/["\\]/g, "\\$&")}"`).join("");
      this.#journal.push([`${at.getTime()}000`, PRIORITY[level], by, `${by}: level=${level} event=${did}${words}`]);
    }
    log({ at: at.toISOString(), instance: id, site: site.name, by, level, did, ...Object.fromEntries(values) });
  }
}

/** As jq prints it. */
function printed(body: object): string {
  return `${JSON.stringify(body, undefined, 2)}\n`;
}

function shortened(publicKey: string): string {
  return publicKey.slice(0, REPORTED_KEY_CHARACTERS);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function commandsOf(answer: unknown): Command[] {
  return (Array.isArray(answer) ? answer : []).flatMap(({ command, document, parameters }) =>
    typeof command === "string" && typeof document === "string" ? [{ id: command, document, parameters }] : [],
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
