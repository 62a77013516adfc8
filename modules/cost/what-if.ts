import type { Site } from "../config";
import { architectureOf } from "../config/instance-types";
import { EXTRA_ALARMS } from "../config/site-schema";
import { type CostQuestion, monthlyCost } from "./monthly";
import { DEFAULT_PEERS, type Usage } from "./usage";

/** What a month would cost more (or, below zero, less). A change is absent where a price is not known. */
export interface Change {
  readonly id: string;
  readonly what: string;
  readonly onDemand?: number;
  readonly spot?: number;
  readonly note?: string;
}

const LARGER_DISK_GB = 20;
const SMALLEST_DISK_GB = 8;
const MORE_TRAFFIC_GB = 100;
const MORE_PEERS = 10;
const NIGHTS = { pause: "0 0 * * ? *", resume: "0 8 * * ? *", timeZone: "UTC" } as const;
const HOURS_A_DAY = 24;

/** What each other machine would change. */
export function otherMachines(question: CostQuestion): Change[] {
  const { site, prices, usage } = question;
  const current = usage.machine ?? site.server.instanceTypes[0];
  return Object.keys(prices.machines)
    .filter((type) => type !== current)
    .map((type) => {
      const { machine: _machine, ...rest } = usage;
      const architecture = architectureOf(type);
      return change(question, {
        id: `machine-${type}`,
        what: type,
        site: { ...site, server: { ...site.server, instanceTypes: [type], architecture } },
        usage: rest,
        ...(architecture === site.server.architecture ? {} : { note: `needs architecture: ${architecture}` }),
      });
    });
}

/** What each setting, and some habits, would change. */
export function whatIf(question: CostQuestion): Change[] {
  const { site, usage, prices } = question;
  const { volumeGb } = site.server;
  const set = (id: string, what: string, changed: Site, note?: string) =>
    change(question, { id, what, site: changed, ...(note === undefined ? {} : { note }) });
  const disk = (gb: number) =>
    set(`disk-${gb}`, `a disk of ${gb} GB`, { ...site, server: { ...site.server, volumeGb: gb } }, "server.volumeGb");
  const peers = usage.peers ?? DEFAULT_PEERS;
  const metrics = change(
    { ...question, usage: { ...usage, nothingFree: true } },
    { id: "", what: "", usage: { ...usage, nothingFree: true, withoutMetrics: true } },
  );
  const machine = monthlyCost(question).items.find(({ id }) => id === "machine");
  return [
    ...(volumeGb > SMALLEST_DISK_GB ? [disk(SMALLEST_DISK_GB)] : []),
    ...(volumeGb < LARGER_DISK_GB ? [disk(LARGER_DISK_GB)] : []),
    ...monitoringOptions(site).map((option) => change(question, option)),
    change(question, {
      id: "metrics",
      what: "without the server's metrics",
      usage: { ...usage, withoutMetrics: true },
      note: `no setting does this; they would cost ${dollars(-(metrics.spot ?? 0))} if nothing were free`,
    }),
    site.elasticIp === false
      ? set("elastic-ip", "with an Elastic IP", { ...site, elasticIp: true }, "it is the address, not one more")
      : set(
          "elastic-ip",
          "without the Elastic IP",
          { ...site, elasticIp: false },
          "every public address costs the same, and this one lasts",
        ),
    set(
      "ipv6",
      site.network.ipv6 ? "without IPv6" : "with IPv6",
      { ...site, network: { ...site.network, ipv6: !site.network.ipv6 } },
      "AWS gives it away",
    ),
    site.schedule
      ? set("schedule", "running day and night", withoutSchedule(site), "schedule")
      : set(
          "schedule",
          "paused from 0 to 8 o'clock",
          { ...site, schedule: NIGHTS },
          "schedule; the Elastic IP is paid for all the same",
        ),
    ...(machine?.onDemand !== undefined && machine.spot !== undefined
      ? [
          {
            id: "on-demand-day",
            what: "a day on demand, when no Spot machine can be had",
            onDemand: 0,
            spot: machine.quantity === 0 ? 0 : ((machine.onDemand - machine.spot) / machine.quantity) * HOURS_A_DAY,
            note: "server.onDemandFallback",
          },
        ]
      : []),
    change(question, {
      id: "traffic",
      what: `${MORE_TRAFFIC_GB} GB more traffic`,
      usage: { ...usage, egressGb: usage.egressGb + MORE_TRAFFIC_GB },
      note: `the account's first ${prices.free.egressGb} GB a month are free`,
    }),
    change(question, {
      id: "peers",
      what: `${MORE_PEERS} more devices`,
      usage: { ...usage, peers: peers + MORE_PEERS },
      note: "the server decrypts each device's entry every five minutes",
    }),
    change(question, {
      id: "nothing-free",
      what: "something else in the account uses up what is free",
      usage: { ...usage, nothingFree: true },
      note: "free quantities are per account, not per site",
    }),
  ];
}

interface Variant {
  readonly id: string;
  readonly what: string;
  readonly site?: Site;
  readonly usage?: Usage;
  readonly note?: string;
}

function change(
  question: CostQuestion,
  { id, what, site = question.site, usage = question.usage, note }: Variant,
): Change {
  const before = monthlyCost(question);
  const after = monthlyCost({ ...question, site, usage });
  const difference = (column: "onDemand" | "spot") => {
    let total = 0;
    for (const item of after.items) {
      const old = before.items.find((other) => other.id === item.id);
      if (old && old[column] === item[column] && old.what === item.what && old.quantity === item.quantity) continue;
      const was = old ? old[column] : 0;
      const is = item[column];
      if (was === undefined || is === undefined) return undefined;
      total += is - was;
    }
    for (const item of before.items)
      if (!after.items.some(({ id: kept }) => kept === item.id)) total -= item[column] ?? 0;
    return total;
  };
  const onDemand = difference("onDemand");
  const spot = difference("spot");
  return {
    id,
    what,
    ...(onDemand === undefined ? {} : { onDemand }),
    ...(spot === undefined ? {} : { spot }),
    ...(note === undefined ? {} : { note }),
  };
}

/** What each setting of `monitoring` that may cost something would be the other way round. */
function monitoringOptions(site: Site): Variant[] {
  const { monitoring } = site;
  const { agent, customerKey, extraAlarms, serverLogs, webhook } = monitoring;
  const { budget, ...withoutBudget } = monitoring;
  const option = (id: string, what: string, isOn: boolean, changed: Site["monitoring"], note: string): Variant => ({
    id,
    what: `${isOn ? "without" : "with"} ${what}`,
    site: { ...site, monitoring: changed },
    note,
  });
  return [
    option(
      "agent",
      "the CloudWatch agent",
      agent,
      { ...monitoring, agent: !agent },
      "monitoring.agent: three metrics; ten are free",
    ),
    ...EXTRA_ALARMS.map((alarm) => {
      const isOn = extraAlarms.includes(alarm);
      const changed = isOn ? extraAlarms.filter((other) => other !== alarm) : [...extraAlarms, alarm];
      return option(
        `alarm-${alarm}`,
        `the alarm ${alarm}`,
        isOn,
        { ...monitoring, extraAlarms: changed },
        "monitoring.extraAlarms: one metric; ten are free",
      );
    }),
    option(
      "customer-key",
      "a KMS key of your own",
      customerKey,
      { ...monitoring, customerKey: !customerKey },
      "monitoring.customerKey: the calls that use it cost next to nothing",
    ),
    option(
      "server-logs",
      "the server's logs in CloudWatch",
      serverLogs,
      { ...monitoring, serverLogs: !serverLogs },
      "monitoring.serverLogs: some 2 MB; 5 GB are free",
    ),
    option(
      "webhook",
      "a webhook",
      webhook !== "none",
      { ...monitoring, webhook: webhook === "none" ? "json" : "none" },
      "monitoring.webhook: SNS's messages to a function cost nothing, and a million runs are free",
    ),
    option(
      "budget",
      "a budget",
      budget !== undefined,
      budget ? withoutBudget : { ...monitoring, budget: { monthlyUsd: 10, of: "account" } },
      "monitoring.budget: AWS charges for those with actions only",
    ),
  ];
}

function withoutSchedule(site: Site): Site {
  const { schedule: _schedule, ...rest } = site;
  return rest;
}

export function dollars(usd: number): string {
  return `$${usd.toFixed(2)}`;
}
