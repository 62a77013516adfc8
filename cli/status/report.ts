import { adviceFor } from "../../assets/lambda/recovery-handler/launch-errors";
import { type Alarm, runbookOf } from "../alarms";
import type { LiveAddress, LiveInstance } from "../live";
import type { Recipient } from "../recipients";
import { ago, duration } from "../units";
import { type DnsAnswer, type Facts, NOT_PERMITTED, type Part } from "./facts";
import type { SpotPrices } from "./prices";
import { isLive, serverOf } from "./server-of";

/** In one word, what the site is. */
export type Verdict = "serving" | "starting" | "unhealthy" | "down" | "paused" | "stopping" | "unknown";

export interface Attention {
  readonly what: string;
  readonly fix: string;
}

export interface ReportedInstance {
  readonly id: string;
  readonly type: string;
  readonly zone: string;
  readonly spot: boolean;
  readonly launchedAt: Date;
  /** EC2's word. */
  readonly phase: string;
  /** What it says of itself; null where it has said nothing yet. */
  readonly state: string | null;
  readonly publicIp: string | null;
  readonly ipv6: string | null;
  /** What the controller has marked it with: "interruption 2026-11-21T09:00:00.000Z". */
  readonly notice: string | null;
  readonly ending: string | null;
}

/** What `status --json` prints. What could not be looked at is null, and `unknown` says why. */
export interface Report {
  readonly site: string;
  readonly environment: string;
  readonly region: string;
  readonly at: Date;
  readonly verdict: Verdict;
  readonly attention: readonly Attention[];
  readonly desiredState: string | null;
  readonly address: { readonly ip: string; readonly elastic: boolean; readonly instanceId: string | null } | null;
  readonly dns: {
    readonly name: string;
    readonly records: readonly (DnsAnswer & { readonly expected: string | null })[];
    readonly agrees: boolean | null;
  } | null;
  readonly server: ReportedInstance | null;
  readonly successor: ReportedInstance | null;
  /** Neither the server nor its successor; the controller ends them. */
  readonly others: readonly ReportedInstance[];
  /** US dollars an hour for the server's type in its zone; the last seven days. */
  readonly spotPrice: SpotPrices | null;
  readonly recovery: {
    readonly at: Date;
    readonly from: string | null;
    readonly to: string;
    /** From the launch of the machine to its promotion; null where that machine is gone. */
    readonly tookMs: number | null;
    readonly inLastWeek: number;
  } | null;
  readonly peers: { readonly configured: number; readonly active: number; readonly at: Date } | null;
  /** Bytes that left AWS in the last day, to the internet and to devices. AWS bills these, and not what comes in. */
  readonly traffic: { readonly out: number } | null;
  readonly alarms: { readonly total: number; readonly ringing: readonly Alarm[] } | null;
  /** Who is told of alarms, and who of the configuration is not. */
  readonly recipients: readonly Recipient[] | null;
  readonly unknown: Readonly<Record<string, string>>;
}

const MINUTE_MS = 60_000;
const WEEK_MS = 7 * 24 * 60 * MINUTE_MS;
/** The server publishes every minute; CloudWatch may be some minutes late. */
const SILENT_AFTER_MS = 10 * MINUTE_MS;

export function reportOf(facts: Facts): Report {
  const { now } = facts;
  const unknown: Record<string, string> = {};
  const known = <T>(name: string, part: Part<T>): T | undefined => {
    if (!part.known) unknown[name] = part.why;
    return part.known ? part.value : undefined;
  };
  const store = known("store", facts.store);
  const instances = known("instances", facts.instances);
  const held = known("address", facts.address);
  const promotions = known("promotions", facts.promotions);
  const price = known("spotPrice", facts.price);
  const measured = known("peers", facts.measured);
  const alarms = known("alarms", facts.alarms);
  const answers = known("dns", facts.dns);

  const server = serverOf(instances ?? [], held, store?.instanceId);
  const candidates = (instances ?? []).filter((instance) => instance !== server);
  const canTellServer = server !== undefined || facts.store.known;
  const successor = candidates.find(
    (instance) =>
      canTellServer &&
      isLive(instance) &&
      !instance.tags.get("ending") &&
      (!server || instance.launchedAt >= server.launchedAt),
  );
  const address = facts.elasticIp ? elasticAddress(held) : ownAddress(server);
  const records = (answers ?? []).map(({ type, addresses }) => ({
    type,
    addresses,
    expected: (type === "A" ? address?.ip : server?.ipv6) || null,
  }));
  const last = promotions?.at(-1);
  const promoted = (instances ?? []).find(({ id }) => id === last?.instanceId);
  const partial = {
    site: facts.site,
    environment: facts.environment,
    region: facts.region,
    at: now,
    desiredState: store?.desiredState ?? null,
    address,
    dns:
      facts.dnsName === undefined
        ? null
        : {
            name: facts.dnsName,
            records,
            agrees: answers && records.every(({ expected }) => expected !== null) ? records.every(isAsExpected) : null,
          },
    server: server ? reported(server) : null,
    successor: successor ? reported(successor) : null,
    others: candidates.filter((instance) => instance !== successor).map(reported),
    spotPrice: price ?? null,
    recovery: last
      ? {
          at: last.at,
          from: promotions?.at(-2)?.instanceId ?? null,
          to: last.instanceId,
          tookMs: promoted ? last.at.getTime() - promoted.launchedAt.getTime() : null,
          // The first server of a site recovers nothing.
          inLastWeek: (promotions ?? []).filter(({ at }, index) => index > 0 && now.getTime() - at.getTime() < WEEK_MS)
            .length,
        }
      : null,
    peers:
      measured?.at && measured.peersConfigured !== undefined
        ? { configured: measured.peersConfigured, active: measured.peersActive ?? 0, at: measured.at }
        : null,
    traffic: measured?.out === undefined ? null : { out: measured.out },
    alarms: alarms ? { total: alarms.length, ringing: alarms.filter(({ state }) => state === "ALARM") } : null,
    recipients: known("recipients", facts.recipients) ?? null,
    unknown,
  };
  const verdict = verdictOf(partial, facts);
  return { ...partial, verdict, attention: attentionOf({ ...partial, verdict }, facts) };
}

function elasticAddress(held: LiveAddress | undefined): Report["address"] {
  return held ? { ip: held.publicIp, elastic: true, instanceId: held.instanceId ?? null } : null;
}

function ownAddress(server: LiveInstance | undefined): Report["address"] {
  return server?.publicIp ? { ip: server.publicIp, elastic: false, instanceId: server.id } : null;
}

type Unjudged = Omit<Report, "verdict" | "attention">;

function verdictOf({ server, successor, desiredState, others }: Unjudged, { instances, store }: Facts): Verdict {
  // Which of the instances is the server stands in the store, unless one has the address.
  if (!instances.known || (!server && !store.known)) return "unknown";
  if (desiredState === "stopped") {
    return [server, successor, ...others].every((instance) => !instance || !isLive(instance)) ? "paused" : "stopping";
  }
  if (!server) return successor ? "starting" : "down";
  if (server.state === "serving") return "serving";
  return server.state === null || server.state === "ready" ? "starting" : "unhealthy";
}

type Judged = Omit<Report, "attention">;

function attentionOf(report: Judged, facts: Facts): Attention[] {
  return [
    ...ofVerdict(report, facts),
    ...ofLaunches(report, facts),
    ...ofAddress(report, facts),
    ...ofName(report),
    ...ofSilence(report, facts),
    ...ofAlarms(report, facts),
  ];
}

function command(words: string, { site }: Judged): string {
  return `npx stingy ${words} --site ${site}`;
}

function ofVerdict(report: Judged, { instances }: Facts): Attention[] {
  const { verdict, server } = report;
  const resume = `Resume it: ${command("server resume", report)}`;
  switch (verdict) {
    case "serving":
      return [];
    case "unknown":
      return [{ what: "It cannot be said whether the site serves.", fix: whatIsMissing(report, instances.known) }];
    case "paused":
      return [{ what: "The site is paused: there is no server.", fix: resume }];
    case "stopping":
      return [{ what: "The site is being paused.", fix: resume }];
    case "starting":
      return server
        ? [
            {
              what: `The server ${server.id} has the address and does not serve yet.`,
              fix: "It takes seconds; follow it with --watch.",
            },
          ]
        : [
            {
              what: "There is no server; its successor starts.",
              fix: "It takes a few minutes; follow it with --watch.",
            },
          ];
    case "down":
      return [
        {
          what: "There is no server, and none is starting.",
          fix: `The controller looks every five minutes. Its log: ${command("server logs", report)}`,
        },
      ];
    case "unhealthy":
      return [
        {
          what: `The server ${server?.id} does not serve: ${explainState(server?.state ?? null)}.`,
          fix: `It is replaced after three minutes. What it says: ${command("server logs --source server", report)}`,
        },
      ];
  }
}

function whatIsMissing({ unknown }: Judged, hasInstances: boolean): string {
  const [part, right] = hasInstances ? ["store", "ssm:GetParameters"] : ["instances", "ec2:DescribeInstances"];
  return unknown[part] === NOT_PERMITTED ? `Your role needs ${right}.` : "Run the command again in a minute.";
}

function ofLaunches({ verdict, successor }: Judged, { now, store }: Facts): Attention[] {
  const last = store.known ? store.value.lastLaunch : undefined;
  const isRefused = last?.outcome === "refused" || last?.outcome === "failed";
  if (!isRefused || successor || verdict === "paused" || verdict === "stopping") return [];
  const { at, market, refusals, refusal = "unknown" } = last;
  const times = refusals > 1 ? `, ${refusals} times in a row` : "";
  return [
    {
      what: `AWS gave no ${market} machine ${ago(at, now)}${times}: ${refusal}.`,
      fix:
        adviceFor(refusal) ??
        "It passes by itself, and the controller tries again. More server.instanceTypes are more chances.",
    },
  ];
}

function ofAddress({ server }: Judged, { elasticIp, address, instances }: Facts): Attention[] {
  if (!elasticIp || !address.known || !instances.known) return [];
  const held = address.value;
  if (!held) return [{ what: "The Elastic IP is gone.", fix: "Have Terraform make a new one: npx cdktf deploy '*'" }];
  const place = held.instanceId ?? held.networkInterfaceId;
  if (server && held.instanceId !== server.id) {
    return [
      {
        what: `The address ${held.publicIp} is on ${place ?? "nothing"}, not on the server ${server.id}.`,
        fix:
          place === undefined
            ? "The controller puts it back within five minutes."
            : "Take it off there; the controller then puts it back.",
      },
    ];
  }
  if (server || place === undefined || instances.value.some(({ id }) => id === held.instanceId)) return [];
  return [
    {
      what: `The address ${held.publicIp} is on ${place}, which is not the site's.`,
      fix: "Take it off there; until then the controller changes nothing.",
    },
  ];
}

function ofName(report: Judged): Attention[] {
  const { dns } = report;
  if (dns?.agrees !== false) return [];
  return dns.records
    .filter((record) => !isAsExpected(record))
    .map(({ type, addresses, expected }) => ({
      what: `${dns.name} (${type}) says ${addresses.join(", ") || "nothing"}, the address is ${expected}.`,
      fix: `A changed record takes a minute to be known. Later than that, see ${command("server logs --source ddns", report)}`,
    }));
}

/** A server whose programs have died still carries the tag that says it serves. */
function ofSilence(report: Judged, { now }: Facts): Attention[] {
  const { verdict, peers, recovery, unknown } = report;
  const isLongAgo = (at: Date) => now.getTime() - at.getTime() > SILENT_AFTER_MS;
  if (verdict !== "serving" || "peers" in unknown || !recovery || !isLongAgo(recovery.at)) return [];
  if (peers && !isLongAgo(peers.at)) return [];
  const since = peers ? `for ${duration(now.getTime() - peers.at.getTime())}` : "in the last day";
  return [
    {
      what: `The server says that it serves, but has published nothing ${since}.`,
      fix: `Its programs may have died: ${command("server replace", report)}`,
    },
  ];
}

function ofAlarms(report: Judged, { now }: Facts): Attention[] {
  const site = { environment: report.environment, name: report.site };
  return (report.alarms?.ringing ?? []).map(({ name, description, since }) => ({
    what: `Alarm ${name}, ${ago(since, now)}: ${description || "it has no description"}`,
    fix: `See ${runbookOf(site, { name })}, and ${command("server logs", report)}.`,
  }));
}

export function explainState(state: string | null): string {
  if (state === null) return "it has said nothing yet";
  if (state === "serving") return "serving";
  if (state === "ready") return "ready, it waits for the address";
  if (state === "stood-down") return "stood down, as the address moved away from it";
  if (state.startsWith("unhealthy:")) return `its check "${state.slice("unhealthy:".length)}" fails`;
  return `its state tag says "${state}", which is unknown`;
}

function isAsExpected({ addresses, expected }: { addresses: readonly string[]; expected: string | null }): boolean {
  return addresses.length === 1 && expected !== null && plain(addresses[0] ?? "") === plain(expected);
}

/** An IPv6 address has many spellings. */
function plain(address: string): string {
  return address.includes(":") ? new URL(`http://[${address}]`).hostname : address;
}

function reported({ tags, publicIp, ipv6, ...instance }: LiveInstance): ReportedInstance {
  const { id, type, zone, spot, launchedAt, phase } = instance;
  return {
    id,
    type,
    zone,
    spot,
    launchedAt,
    phase,
    state: tags.get("state") || null,
    publicIp: publicIp ?? null,
    ipv6: ipv6 ?? null,
    notice: tags.get("notice") || null,
    ending: tags.get("ending") || null,
  };
}
