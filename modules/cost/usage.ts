import type { Site } from "../config";
import { AGENT_METRICS, type FunctionMetric, SERVER_METRICS } from "../metrics";
import { HOURS_A_MONTH, partRunning } from "./hours";

/** What the person who asks knows, and the configuration does not. */
export interface Usage {
  /** What leaves AWS for the internet in a month: what devices receive through the tunnel, and what they send. */
  readonly egressGb: number;
  /** @default 5 */
  readonly peers?: number;
  /** The machine that runs, if it is not the first of the configuration. */
  readonly machine?: string;
  /** Something else in the account has used up all that is free of charge. */
  readonly nothingFree?: boolean;
  /** The server publishes none. No setting does this; it tells what they cost. */
  readonly withoutMetrics?: boolean;
}

export const DEFAULT_PEERS = 5;

/** What a site makes and does in a month. Counted from what the stacks build; assumptions are named as such. */
export interface Amounts {
  readonly hours: number;
  /** Hours in which a public address is paid for. */
  readonly addressHours: number;
  readonly alarmMetrics: number;
  readonly customMetrics: number;
  readonly metricRequests: number;
  readonly dashboards: number;
  readonly lambdaRequests: number;
  readonly lambdaGbSeconds: number;
  readonly logsGb: number;
  readonly kmsRequests: number;
  readonly scheduledInvocations: number;
  readonly mails: number;
  readonly webhookDeliveries: number;
  readonly kmsKeys: number;
  readonly budgetDays: number;
}

/** modules/monitoring/site-alarms.ts: each looks at one metric, one of them only with a DNS name. */
const ALARM_METRICS = 9;
const DNS_ALARM_METRICS = 1;
/** What the controller publishes at its looks, also while the site is paused. */
const ALWAYS: readonly FunctionMetric[] = ["ServersMissing", "PeersActive"];
/** What only a server publishes. What Lambdas count seldom is paid for by the hour in which there is something. */
const OF_SERVER = Object.keys(SERVER_METRICS).filter((name) => !(ALWAYS as readonly string[]).includes(name)).length;
const OF_AGENT = Object.keys(AGENT_METRICS).length;
const AGENT_REQUESTS_AN_HOUR = 12;
const SERVER_REQUESTS_AN_HOUR = 60;
const DASHBOARDS = 1;
/** The controller looks every five minutes; the timer of stingy-sync reads the store as often. */
const LOOKS_AN_HOUR = 12;
/** stacks/recovery-stack.ts gives the controller 256 MB. */
const CONTROLLER_GB = 0.25;
/** Assumed: looks besides the ticks (events of machines, closer looks while one is replaced). */
const OTHER_LOOKS = 500;
/** Assumed: how long a look takes, and what it and Lambda write about it. */
const LOOK_SECONDS = 2;
const LOOK_LOG_GB = 2e-6;
/** Assumed: messages about alarms. Each is a mail to each address and a run of what posts to the webhook. */
const ALERTS = 10;
/** Assumed: as long as a look, in modules/monitoring/alert-forwarder.ts's 128 MB. */
const FORWARDER_GB = 0.125;
/** Assumed: what the server's units say in a month of running. */
const SERVER_LOG_GB = 0.002;
const HOURS_A_DAY = 24;
/** Besides each device's own parameter. */
const OTHER_SECRETS = 1;

export function amountsOf(site: Site, { peers = DEFAULT_PEERS, withoutMetrics = false }: Usage): Amounts {
  const part = site.schedule ? (partRunning(site.schedule) ?? 1) : 1;
  const hours = HOURS_A_MONTH * part;
  const looks = HOURS_A_MONTH * LOOKS_AN_HOUR + OTHER_LOOKS;
  const { agent, budget, customerKey, emails, extraAlarms, serverLogs, webhook } = site.monitoring;
  const posts = webhook === "none" ? 0 : ALERTS;
  const onlyServing = OF_SERVER + (agent ? OF_AGENT : 0);
  return {
    hours,
    addressHours: site.elasticIp === false ? hours : HOURS_A_MONTH,
    alarmMetrics: ALARM_METRICS + (site.dns.provider === "none" ? 0 : DNS_ALARM_METRICS) + extraAlarms.length,
    // Paid for by the hour in which there is one. The controller says that no peer is active only while no server serves.
    customMetrics: withoutMetrics ? ALWAYS.length - part : ALWAYS.length + onlyServing * part,
    metricRequests: withoutMetrics ? 0 : hours * (SERVER_REQUESTS_AN_HOUR + (agent ? AGENT_REQUESTS_AN_HOUR : 0)),
    dashboards: DASHBOARDS,
    lambdaRequests: looks + posts,
    lambdaGbSeconds: looks * LOOK_SECONDS * CONTROLLER_GB + posts * LOOK_SECONDS * FORWARDER_GB,
    logsGb: (looks + posts) * LOOK_LOG_GB + (serverLogs ? SERVER_LOG_GB * part : 0),
    kmsRequests: hours * LOOKS_AN_HOUR * (peers + OTHER_SECRETS) + posts,
    scheduledInvocations: site.schedule ? Math.round((2 * HOURS_A_MONTH) / HOURS_A_DAY) : 0,
    mails: emails.length * ALERTS,
    webhookDeliveries: posts,
    kmsKeys: customerKey ? 1 : 0,
    budgetDays: budget ? HOURS_A_MONTH / HOURS_A_DAY : 0,
  };
}
