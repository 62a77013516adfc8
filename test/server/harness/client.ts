import type { Machine, Result, Running } from "./machine";
import { ADDRESSES } from "./outside";
import type { Peer } from "./peer";

export interface PingResult {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  /** Between two answers, or before the first or after the last. */
  readonly longestGapMs: number;
  readonly averageMs: number | undefined;
}

export interface TunnelOptions {
  readonly serverPublicKey: string;
  /** @default - the site's address and port */
  readonly endpoint: string;
  /** @default - everything */
  readonly allowedIps?: readonly string[];
  /** @default - what the peer says, else none */
  readonly keepalive?: number;
}

/** Pings until stopped. */
export class Flood {
  constructor(
    private readonly running: Running,
    private readonly intervalMs: number,
  ) {}

  /** When the first answer came at that time or later, both in milliseconds since 1970; undefined until there is one. */
  answeredAfter(at: number): number | undefined {
    return answersIn(this.running.stdout).find((answer) => answer.at >= at)?.at;
  }

  async stop(): Promise<PingResult> {
    await this.running.stop("SIGINT");
    const { sent, received, lost, ...rest } = summary(this.running.stdout, this.intervalMs);
    // What was sent last may have been on its way when ping was stopped.
    const answered = [...this.running.stdout.matchAll(/icmp_seq=(\d+) /g)].map(([, sequence]) => Number(sequence));
    const tail = sent - answered.reduce((most, sequence) => Math.max(most, sequence), 0);
    const onTheirWay = tail * this.intervalMs < 250 ? tail : 0;
    return { sent: sent - onTheirWay, received, lost: lost - onTheirWay, ...rest };
  }
}

/** A device on the internet with a real WireGuard. */
export class Client {
  constructor(
    readonly name: string,
    readonly machine: Machine,
    readonly peer: Peer,
    /** Its own address on the internet. */
    readonly ipv4: string,
    private readonly defaults: () => Promise<TunnelOptions>,
  ) {}

  /** Brings the tunnel up; it has no other way to anything but servers. */
  async up(options: Partial<TunnelOptions> = {}): Promise<void> {
    const given = { ...(await this.defaults()), ...options };
    const allowed = given.allowedIps ?? ["0.0.0.0/0", "::/0"];
    const keepalive = given.keepalive ?? this.peer.keepalive;
    const lines = [
      "[Interface]",
      `PrivateKey = ${this.peer.privateKey}`,
      "[Peer]",
      `PublicKey = ${given.serverPublicKey}`,
      `Endpoint = ${given.endpoint}`,
      `AllowedIPs = ${allowed.join(", ")}`,
      ...(this.peer.presharedKey === undefined ? [] : [`PresharedKey = ${this.peer.presharedKey}`]),
      ...(keepalive === undefined ? [] : [`PersistentKeepalive = ${keepalive}`]),
    ];
    this.machine.write("/run/wg0.conf", `${lines.join("\n")}\n`, 0o600);
    await this.machine.sh(
      [
        "ip link add dev wg0 type wireguard",
        "wg setconf wg0 /run/wg0.conf",
        ...this.peer.addresses.map((address) => `ip addr add ${address} dev wg0`),
        "ip link set wg0 mtu 1420 up",
        ...allowed.map((range) => `ip route add ${range} dev wg0`),
      ].join(" && "),
    );
  }

  async down(): Promise<void> {
    await this.machine.sh("ip link del wg0");
  }

  /** Waits until something answers through the tunnel. */
  async reaches(host: string = ADDRESSES.web, timeoutMs = 10_000): Promise<void> {
    await this.machine.sh(`until ping -c 1 -W 1 ${host} >/dev/null; do :; done`, { timeoutMs });
  }

  async ping(host: string, { count = 5, intervalMs = 100 } = {}): Promise<PingResult> {
    const { stdout } = await this.machine.run([...pingCommand(intervalMs), "-c", `${count}`, "-W", "1", host], {
      timeoutMs: count * intervalMs + 10_000,
    });
    return summary(stdout, intervalMs);
  }

  /** Pings on while something else happens. */
  flood(host: string = ADDRESSES.web, { intervalMs = 5 } = {}): Flood {
    return new Flood(this.machine.spawn([...pingCommand(intervalMs), host]), intervalMs);
  }

  /** @returns the page, as curl gets it */
  async http(url: string, { timeoutMs = 10_000 } = {}): Promise<Result> {
    return this.machine.run(["curl", "-gsS", "--max-time", `${timeoutMs / 1000}`, url], {
      timeoutMs: timeoutMs + 5000,
    });
  }

  /** Seconds since 1970 of the last handshake, 0 when there was none. */
  async lastHandshake(): Promise<number> {
    return Number((await this.machine.sh("wg show wg0 latest-handshakes")).split("\t")[1]);
  }

  sh(command: string): Promise<string> {
    return this.machine.sh(command);
  }
}

// -D: with the time of each answer. LC_ALL: numbers with a point.
const pingCommand = (intervalMs: number): string[] => [
  "env",
  "LC_ALL=C",
  "ping",
  "-n",
  "-D",
  "-i",
  `${intervalMs / 1000}`,
];

const answersIn = (output: string) =>
  [...output.matchAll(/^\[(\d+\.\d+)\] \d+ bytes from .*icmp_seq=(\d+) .*time=([\d.]+)/gm)]
    .filter(([line]) => !line.includes("DUP"))
    .map(([, time, sequence, took]) => ({ at: Number(time) * 1000, sequence: Number(sequence), took: Number(took) }));

function summary(output: string, intervalMs: number): PingResult {
  const answers = answersIn(output);
  const [, sent = 0, received = 0] = (/(\d+) packets transmitted, (\d+) received/.exec(output) ?? []).map(Number);
  if (!output.includes("packets transmitted")) throw new Error(`ping says: ${output}`);
  let longestGapMs = 0;
  for (const [index, { at }] of answers.entries()) {
    const before = answers[index - 1];
    if (before) longestGapMs = Math.max(longestGapMs, at - before.at);
  }
  const first = answers[0]?.sequence ?? sent + 1;
  const last = answers[answers.length - 1]?.sequence ?? 0;
  longestGapMs = Math.max(longestGapMs, (first - 1) * intervalMs, (sent - last) * intervalMs);
  const averageMs =
    answers.length === 0 ? undefined : answers.reduce((sum, { took }) => sum + took, 0) / answers.length;
  return { sent, received, lost: sent - received, longestGapMs: Math.round(longestGapMs), averageMs };
}
