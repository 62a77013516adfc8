import type { Site } from "../config";
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
}

/** modules/monitoring: five alarms look at six metrics, one of them only with a DNS name. */
const ALARM_METRICS = 5;
const DNS_ALARM_METRICS = 1;
/** What stingy-health publishes (assets/userdata/stingy-health). */
const SERVER_METRICS = 9;
/** modules/bootstrap/roles/cloudwatch-agent.ts */
const AGENT_METRICS = 3;
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
/** Assumed: alarms that are mailed to each address. */
const MAILS_AN_ADDRESS = 10;
/** Besides each device's own parameter. */
const OTHER_SECRETS = 1;

export function amountsOf(site: Site, { peers = DEFAULT_PEERS, withoutMetrics = false }: Usage): Amounts {
  const part = site.schedule ? (partRunning(site.schedule) ?? 1) : 1;
  const hours = HOURS_A_MONTH * part;
  const looks = HOURS_A_MONTH * LOOKS_AN_HOUR + OTHER_LOOKS;
  const { agent, emails } = site.monitoring;
  return {
    hours,
    addressHours: site.elasticIp === false ? hours : HOURS_A_MONTH,
    alarmMetrics: ALARM_METRICS + (site.dns.provider === "none" ? 0 : DNS_ALARM_METRICS),
    // Paid for by the hour in which there is one.
    customMetrics: withoutMetrics ? 0 : (SERVER_METRICS + (agent ? AGENT_METRICS : 0)) * part,
    metricRequests: withoutMetrics ? 0 : hours * (SERVER_REQUESTS_AN_HOUR + (agent ? AGENT_REQUESTS_AN_HOUR : 0)),
    dashboards: DASHBOARDS,
    lambdaRequests: looks,
    lambdaGbSeconds: looks * LOOK_SECONDS * CONTROLLER_GB,
    logsGb: looks * LOOK_LOG_GB,
    kmsRequests: hours * LOOKS_AN_HOUR * (peers + OTHER_SECRETS),
    scheduledInvocations: site.schedule ? Math.round((2 * HOURS_A_MONTH) / 24) : 0,
    mails: emails.length * MAILS_AN_ADDRESS,
  };
}
