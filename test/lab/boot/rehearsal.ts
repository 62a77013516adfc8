/** The run itself: servers boot, a client connects, AWS takes one away, and one restarts. */
import { ADDRESSES, type Client } from "../../server/harness";
import { Failure } from "./failure";
import { journalOf, MemoryWatch, type Phases, phasesOf, unitPeaks } from "./figures";
import type { Guest } from "./guest";
import type { HostFacts } from "./host";
import { type Finding, inspect, servicesOf } from "./inspect";
import type { Instance, Lab } from "./lab";
import { followRunbook } from "./runbook";
import { found, step } from "./screen";
import { ELASTIC_IP } from "./site";

export interface Figures {
  readonly host: HostFacts;
  readonly imageSeconds: number | undefined;
  readonly boots: { name: string; phases: Phases }[];
  readonly memory: { name: string; peakMiB: number; totalMiB: number }[];
  units: Record<string, number>;
  longestGapMs: number | undefined;
  seconds: number;
}

/** Emulation is slow, and this machine may be busy: what hangs is to end, what is slow is not. */
const BOOT_MS = 15 * 60_000;
const MOVE_MS = 3 * 60_000;
/** Plain WireGuard's own, which calling the peers back is to beat. */
const PLAIN_GAP_MS = 15_000;
const DAYS_SLOW = 20;
const PING_MS = 100;

export class Rehearsal {
  private readonly findings: Finding[] = [];
  private client: Client | undefined;

  constructor(
    private readonly lab: Lab,
    private readonly figures: Figures,
  ) {}

  async once(): Promise<void> {
    const a = this.lab.instance("a");
    await this.firstServer(a);
    this.conclude();
  }

  async whole(): Promise<void> {
    const [a, b] = [this.lab.instance("a"), this.lab.instance("b")];
    const first = await this.firstServer(a);
    await this.published(a);
    await this.keepAll(followRunbook(first, found));
    this.figures.units = await unitPeaks(first, servicesOf(this.lab.bootstrap));
    const second = await this.interrupted(a, first, b);
    await this.restarted(b, second);
    this.conclude();
  }

  private async firstServer(a: Instance): Promise<Guest> {
    step("A is powered on");
    const guest = this.lab.powerOn(a);
    const memory = new MemoryWatch(guest);
    this.client = await this.lab.startClient();
    await this.becomes(a, guest, "ready");
    await this.promoted(a, guest);
    await this.client.up();
    await this.through(this.client);
    await this.settled(guest);
    this.measured("A", guest, memory);
    this.figures.boots.push({ name: "A", phases: await phasesOf(this.lab, a, guest, guest.poweredOn) });
    await this.keepAll(inspect(guest, this.lab, found));
    return guest;
  }

  /** A notice, a successor, the address's move, and the old one's end. */
  private async interrupted(a: Instance, first: Guest, b: Instance): Promise<Guest> {
    const { lab, client } = this;
    if (client === undefined) throw new Error("no client");
    const pings = client.flood(ADDRESSES.web, { intervalMs: PING_MS });
    step("AWS gives A two minutes");
    const noticed = Date.now();
    a.imds.interruption = { action: "terminate", time: new Date(noticed + 120_000) };
    await first.until(
      "stingy-watch tells the controller of the notice",
      () => this.told(a, "Server Notice", noticed),
      60_000,
    );
    step("A's stingy-watch has sent Server Notice");
    const endpoints = await first.until("peer-endpoints are saved", () => lab.store.get("peer-endpoints"), 60_000);
    const wanted = `${client.peer.publicKey.slice(0, 10)} ${client.ipv4}:`;
    this.keep({
      what: "peer-endpoints has the client's",
      wrong: endpoints.includes(wanted) ? undefined : `no ${wanted} in ${endpoints}`,
    });

    step(`B is powered on, its clock ${DAYS_SLOW} days slow`);
    const guest = lab.powerOn(b, new Date(Date.now() - DAYS_SLOW * 86_400_000));
    const memory = new MemoryWatch(guest);
    await this.becomes(b, guest, "ready");
    this.keep({
      what: "A serves until the address moves",
      wrong: (await lab.state(a)) === "serving" ? undefined : `its tag is ${await lab.state(a)}`,
    });
    await this.promoted(b, guest);
    await first.until("A stands down", async () => (await lab.state(a)) === "stood-down", MOVE_MS);
    step("A has stood down");
    this.keep({
      what: "A's wg0 is down",
      wrong: /[<,]UP[,>]/.test(await first.sh("ip link show dev wg0")) ? "it is up" : undefined,
    });
    await this.through(client);
    const { sent, received, longestGapMs } = await pings.stop();
    this.figures.longestGapMs = longestGapMs;
    step(
      `the client went on by itself: ${received} of ${sent} pings answered, longest gap ${(longestGapMs / 1000).toFixed(2)} s`,
    );
    this.keep({
      what: "the gap is shorter than plain WireGuard's",
      wrong: longestGapMs < PLAIN_GAP_MS ? undefined : `${longestGapMs} ms`,
    });
    this.keep(await this.errors(first));
    await first.agent.start(["/sbin/poweroff"]);
    if (!(await first.ended(MOVE_MS))) throw new Failure("Guest a does not power off.");
    step("A is off");

    await this.settled(guest);
    this.measured("B", guest, memory);
    this.figures.boots.push({ name: "B", phases: await phasesOf(lab, b, guest, guest.poweredOn) });
    await this.clockStepped(guest);
    await this.keepAll(inspect(guest, lab, found));
    return guest;
  }

  private async restarted(b: Instance, guest: Guest): Promise<void> {
    const { lab, client } = this;
    if (client === undefined) throw new Error("no client");
    step("B is restarted");
    const boot = await guest.sh("cat /proc/sys/kernel/random/boot_id");
    const begun = Date.now();
    await guest.agent.start(["/sbin/reboot"]);
    await guest.until(
      "it is back",
      async () => (await guest.agent.answers()) && (await guest.sh("cat /proc/sys/kernel/random/boot_id")) !== boot,
      BOOT_MS,
    );
    await guest.until("it serves again", () => lab.taggedAt(b, "serving", begun), BOOT_MS);
    step("B serves again");
    await this.through(client);
    await this.settled(guest);
    const phases = await phasesOf(lab, b, guest, begun);
    this.figures.boots.push({ name: "B again", phases });
    await this.keepAll(inspect(guest, lab, found));
  }

  private async becomes(instance: Instance, guest: Guest, state: string): Promise<void> {
    await guest.until(`its tag is ${state}`, async () => (await this.lab.state(instance)) === state, BOOT_MS);
    step(`${instance.name.toUpperCase()} is ${state}`);
    if (state !== "ready") return;
    await guest.until("it says Server Ready", () => this.told(instance, "Server Ready", guest.poweredOn), MOVE_MS);
  }

  /** What the controller does once a server is ready. */
  private async promoted(instance: Instance, guest: Guest): Promise<void> {
    await this.lab.promote(instance);
    step(`the Elastic IP is ${instance.name.toUpperCase()}'s`);
    await this.becomes(instance, guest, "serving");
  }

  private told(instance: Instance, type: string, since: number): boolean {
    return this.lab.aws.events.some(
      ({ detailType, instance: who, time, detail }) =>
        detailType === type &&
        who === instance.instanceId &&
        time >= since &&
        detail["instance-id"] === instance.instanceId,
    );
  }

  /** The client gets a page, and the web host sees the Elastic IP. */
  private async through(client: Client): Promise<void> {
    await client.reaches(ADDRESSES.web, MOVE_MS);
    const { stdout, stderr } = await client.http(`http://${ADDRESSES.web}/`, { timeoutMs: 30_000 });
    if (stdout.trim() !== ELASTIC_IP)
      throw new Failure(`The client gets no page through the tunnel, but: ${stdout}${stderr}`);
    step(`the client gets a page through the tunnel, from ${stdout.trim()}`);
  }

  private async settled(guest: Guest): Promise<void> {
    await guest.until("cloud-init has ended", () => guest.sh("cat /run/cloud-init/result.json"), BOOT_MS);
    const jobs = () => guest.sh("systemctl list-jobs --no-legend --plain | grep -vc stingy- || true");
    await guest.until("systemd has nothing more to start", async () => (await jobs()) === "0", MOVE_MS);
  }

  private measured(name: string, guest: Guest, watch: MemoryWatch): void {
    const seen = watch.stop();
    if (seen === undefined) throw new Failure(`The memory of guest ${guest.name} was never seen.`);
    this.figures.memory.push({ name, ...seen });
  }

  private async published(a: Instance): Promise<void> {
    step("waiting for A's metrics and log lines");
    const names = [
      "PeersConfigured",
      "PeersActive",
      "HandshakesUnanswered",
      "NetworkOut",
      "DiskUsed",
      "CpuUsed",
      "MemoryUsed",
      "ClockOffset",
    ];
    const { guest } = a;
    if (guest === undefined) throw new Error("A is off");
    const missing = () => names.filter((name) => !this.lab.aws.metrics.some((metric) => metric.name === name));
    await guest.until(`metrics are published: ${names.join(", ")}`, () => missing().length === 0, MOVE_MS * 2);
    for (const { name, value, unit } of this.lab.aws.metrics.slice(-names.length)) step(`  ${name} ${value} ${unit}`);
    const active = this.lab.aws.metrics.filter(({ name }) => name === "PeersActive").at(-1);
    this.keep({
      what: "health counts the client",
      wrong: active?.value === 1 ? undefined : `PeersActive is ${active?.value}`,
    });
    await guest.until(
      "CloudWatch Logs has what the units said",
      () =>
        this.lab.aws.logged.some(({ stream, message }) => stream === a.instanceId && message.includes("event=in-step")),
      MOVE_MS,
    );
  }

  private async clockStepped(guest: Guest): Promise<void> {
    const stepped = (await journalOf(guest, "-u", "chrony")).find(({ text }) =>
      /System clock was stepped by/.test(text),
    );
    const made = (await journalOf(guest, "-u", "stingy-sync")).find(({ text }) => text.includes("event=wg0-made"));
    const [, seconds = ""] = /stepped by ([\d.-]+)/.exec(stepped?.text ?? "") ?? [];
    const right =
      Math.abs(Number(seconds) - DAYS_SLOW * 86_400) < 600 &&
      stepped !== undefined &&
      made !== undefined &&
      stepped.at < made.at;
    this.keep({
      what: `wg0 came up only after the clock was set right (stepped by ${seconds} s at ${stepped?.at.toFixed(1)} s, wg0 at ${made?.at.toFixed(1)} s)`,
      wrong: right ? undefined : "it did not",
    });
  }

  private async errors(guest: Guest): Promise<Finding> {
    const said = (await journalOf(guest, "-u", "stingy-*")).filter(({ text }) => text.includes(" level=error "));
    const wrong = said.map(({ at, text }) => `[${at.toFixed(1)}] ${text}`).join("\n");
    return { what: "A's scripts logged no error to its end", wrong: wrong || undefined };
  }

  private keep(finding: Finding): void {
    this.findings.push(finding);
    found(finding);
  }
  private async keepAll(findings: Promise<Finding[]>): Promise<void> {
    this.findings.push(...(await findings));
  }

  private conclude(): void {
    const wrong = this.findings.filter((finding) => finding.wrong !== undefined);
    if (wrong.length > 0)
      throw new Failure(
        `${wrong.length} of ${this.findings.length} findings are not as they should be:\n${wrong.map(({ what, wrong: why }) => `- ${what}: ${why}`).join("\n")}`,
      );
    step(`all ${this.findings.length} findings are as they should be`);
  }
}
