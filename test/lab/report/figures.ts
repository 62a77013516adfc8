/** What the lab publishes: the rows of its tables, and the shape of docs/failover.json, which alone they are made from. */
import type { Figures as BootFigures } from "../boot/rehearsal";
import type { Delays } from "../rig/lab";
import type { ThroughputFigures } from "../throughput";

export interface Row {
  /** As the scenarios name it. */
  readonly id: string;
  readonly title: string;
  /** Shorter, for the picture. */
  readonly short: string;
  /** What the median should not exceed. */
  readonly targetMs?: number;
}

export const ROWS: readonly Row[] = [
  {
    id: "busy",
    title: "A device in use: the longest time without an answer to its pings, 100 a second",
    short: "device in use",
    targetMs: 500,
  },
  {
    id: "call-lost",
    title: "A UDP call, 50 packets a second each way: sound lost",
    short: "UDP call, sound lost",
    targetMs: 500,
  },
  { id: "call-gap", title: "The same call: its longest silence", short: "UDP call, silence" },
  {
    id: "stream",
    title: "A TCP connection with 50 lines a second, each echoed: the longest wait",
    short: "TCP, both ways",
    targetMs: 1000,
  },
  {
    id: "shell",
    title: "A quiet TCP session, a line every three seconds: the longest wait for an echo",
    short: "TCP, quiet session",
    targetMs: 1000,
  },
  {
    id: "idle",
    title: "An idle device with a keepalive of 25 s: until it answers the server",
    short: "idle, keepalive 25 s",
    targetMs: 1000,
  },
  {
    id: "idle-no-keepalive",
    title: "An idle device without keepalive: until it answers the server",
    short: "idle, no keepalive",
    targetMs: 1000,
  },
  {
    id: "download",
    title: "A TCP download by a device that only receives: the longest stall",
    short: "TCP download",
    targetMs: 1000,
  },
  {
    id: "loss-busy",
    title: "A is lost without notice: from when B has the address until a device in use is answered",
    short: "A lost, device in use",
    targetMs: 500,
  },
];

/** Of repeated runs, in milliseconds; null: not within the time that was given, or the connection was broken. */
export type Values = readonly (number | null)[];

export interface Outage {
  readonly id: string;
  readonly stingy: Values;
  readonly plain: Values;
  /** How long a run waited. */
  readonly waitedMs: number;
}

/** The machine that it was measured on. */
export interface Facts {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly wireguard: string;
  readonly node: string;
  /** The day of the measurement. */
  readonly day: string;
}

export interface Outages {
  readonly facts: Facts;
  readonly delays: Delays;
  readonly rows: readonly Outage[];
  /** A device in use, when AWS takes longer to move the address. */
  readonly slower: readonly { readonly delays: Delays; readonly busy: Values }[];
}

export interface Report {
  readonly outages?: Outages;
  readonly throughput?: ThroughputFigures;
  readonly boot?: BootFigures;
}

export interface Statistics {
  readonly runs: number;
  readonly median: number | null;
  readonly worst: number | null;
}

/** One that is null is later than all others. */
export function statistics(values: Values): Statistics {
  const sorted = [...values].sort((a, b) => (a ?? Number.POSITIVE_INFINITY) - (b ?? Number.POSITIVE_INFINITY));
  const middle = (sorted.length - 1) / 2;
  const [low = null, high = null] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]];
  return {
    runs: sorted.length,
    median: low === null || high === null ? null : (low + high) / 2,
    worst: sorted.at(-1) ?? null,
  };
}

/** As people say it: 0.21 s, 15.3 s, 99 s. */
export function seconds(milliseconds: number | null, waitedMs: number): string {
  if (milliseconds === null) return waitedMs > 0 ? `not in ${Math.round(waitedMs / 1000)} s` : "broken";
  const value = milliseconds / 1000;
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} s`;
}
