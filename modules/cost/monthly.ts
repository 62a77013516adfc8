import type { Site } from "../config";
import { HOURS_A_MONTH } from "./hours";
import type { EverywherePrice, FreeQuantity, Price, Prices } from "./prices";
import { type Amounts, amountsOf, type Usage } from "./usage";

/** One line of a month's bill. A figure that nobody has told us is absent, not zero. */
export interface CostItem {
  readonly id: string;
  readonly what: string;
  readonly quantity: number;
  readonly unit: string;
  /** How much of the quantity is free of charge. */
  readonly free: number;
  /** US dollars a unit. */
  readonly unitPrice?: number;
  /** US dollars a month, with the machine on demand. */
  readonly onDemand?: number;
  /** US dollars a month, with the machine on Spot. */
  readonly spot?: number;
  readonly source?: string;
  readonly asOf?: string;
  readonly live?: boolean;
  /** Only where Spot has a price of its own: the machine. */
  readonly spotPrice?: Price;
  readonly note?: string;
}

export interface MonthlyCost {
  readonly region: string;
  /** The hours of a month in which the site runs. */
  readonly hours: number;
  readonly items: readonly CostItem[];
  /** Sums of what is known. */
  readonly onDemand: number;
  readonly spot: number;
  /** What there is no price for, as sentences; the sums are too low by it. */
  readonly missing: readonly string[];
}

export interface CostQuestion {
  readonly site: Site;
  readonly prices: Prices;
  readonly usage: Usage;
}

/** What a month of the site costs. */
export function monthlyCost({ site, prices, usage }: CostQuestion): MonthlyCost {
  const amounts = amountsOf(site, usage);
  const items = [
    machine(site, prices, usage, amounts),
    disk(site, prices, amounts),
    address(site, prices, amounts),
    egress(prices, usage),
    ...small(site, prices, usage, amounts),
  ];
  return {
    region: prices.region,
    hours: amounts.hours,
    items,
    onDemand: sum(items.map(({ onDemand }) => onDemand)),
    spot: sum(items.map(({ spot }) => spot)),
    missing: items.flatMap((item) => missing(item, prices.region)),
  };
}

function machine(site: Site, prices: Prices, usage: Usage, { hours }: Amounts): CostItem {
  const [first = ""] = site.server.instanceTypes;
  const type = usage.machine ?? first;
  const { onDemand, spot } = prices.machines[type] ?? {};
  return {
    id: "machine",
    what: `${type}, one machine`,
    quantity: hours,
    unit: "hours",
    free: 0,
    ...(onDemand ? told(onDemand, hours * onDemand.usd) : {}),
    ...(spot ? { spot: hours * spot.usd, spotPrice: spot } : {}),
    note: "two for a few minutes while a server is replaced",
  };
}

function disk(site: Site, prices: Prices, { hours }: Amounts): CostItem {
  const { volumeGb } = site.server;
  const part = hours / HOURS_A_MONTH;
  return line("disk", `gp3 disk of ${volumeGb} GB`, volumeGb * part, "GB-months", 0, prices.gp3GbMonth);
}

function address(site: Site, prices: Prices, { addressHours }: Amounts): CostItem {
  const what = site.elasticIp === false ? "public IPv4 address" : "public IPv4 address (the Elastic IP)";
  return line("ipv4", what, addressHours, "hours", 0, prices.everywhere.publicIpv4Hour);
}

function egress(prices: Prices, { egressGb, nothingFree }: Usage): CostItem {
  return {
    ...line(
      "egress",
      "traffic to the internet",
      egressGb,
      "GB",
      nothingFree ? 0 : prices.free.egressGb,
      prices.egressGb,
    ),
    note: "what a device receives and what it sends both leave AWS once",
  };
}

function small(site: Site, prices: Prices, { nothingFree }: Usage, amounts: Amounts): CostItem[] {
  const { customerKey, serverLogs, webhook, budget } = site.monitoring;
  const paid = (id: string, what: string, quantity: number, unit: string, price: EverywherePrice) =>
    line(id, what, quantity, unit, 0, prices.everywhere[price]);
  const item = (id: string, what: string, quantity: number, unit: string, price: EverywherePrice & FreeQuantity) =>
    line(id, what, quantity, unit, nothingFree ? 0 : prices.free[price], prices.everywhere[price]);
  return [
    item("metrics", "CloudWatch metrics of the site", amounts.customMetrics, "metrics", "customMetricMonth"),
    item("metric-calls", "calls by which the server publishes", amounts.metricRequests, "calls", "metricRequest"),
    item("alarms", "alarms, by the metrics they look at", amounts.alarmMetrics, "metrics", "alarmMetricMonth"),
    item("dashboard", "dashboard", amounts.dashboards, "dashboard", "dashboardMonth"),
    item("logs", `logs of the Lambdas${serverLogs ? " and the server" : ""}`, amounts.logsGb, "GB", "logsGb"),
    item("lambda-requests", "runs of the Lambdas", amounts.lambdaRequests, "runs", "lambdaRequest"),
    item("lambda-time", "their memory and time", amounts.lambdaGbSeconds, "GB-seconds", "lambdaGbSecond"),
    {
      ...item("kms", "decrypting what the store has", amounts.kmsRequests, "calls", "kmsRequest"),
      note: "the server reads it every five minutes, one call for each device",
    },
    ...(amounts.mails > 0 ? [item("mail", "mails about alarms", amounts.mails, "mails", "mail")] : []),
    ...(webhook === "none"
      ? []
      : [
          paid(
            "webhook",
            "messages to the webhook's function",
            amounts.webhookDeliveries,
            "messages",
            "lambdaDelivery",
          ),
        ]),
    ...(customerKey ? [paid("kms-key", "KMS key of the alarms' topic", amounts.kmsKeys, "key", "kmsKeyMonth")] : []),
    ...(budget ? [paid("budget", "budget", amounts.budgetDays, "days", "budgetDay")] : []),
    ...(site.schedule
      ? [item("schedule", "the schedule's calls", amounts.scheduledInvocations, "calls", "scheduledInvocation")]
      : []),
    {
      id: "no-charge",
      what: "everything else",
      quantity: 0,
      unit: "",
      free: 0,
      onDemand: 0,
      spot: 0,
      note: `VPC, IPv6, S3 endpoint, Parameter Store, Session Manager and rules cost nothing${site.dns.provider === "cloudflare" ? ", nor does Cloudflare's free plan" : ""}`,
    },
  ];
}

/** A line that costs the same on demand and on Spot. */
function line(
  id: string,
  what: string,
  quantity: number,
  unit: string,
  free: number,
  price: Price | undefined,
): CostItem {
  const base = { id, what, quantity, unit, free: Math.min(free, quantity) };
  const paid = Math.max(0, quantity - free);
  if (price) return { ...base, ...told(price, paid * price.usd), spot: paid * price.usd };
  // Nothing of something unknown is nothing.
  return paid === 0 ? { ...base, onDemand: 0, spot: 0 } : base;
}

function told({ usd, source, asOf, live }: Price, onDemand: number) {
  return { unitPrice: usd, onDemand, source, asOf, ...(live ? { live } : {}) };
}

function missing({ id, what, onDemand, spot }: CostItem, region: string): string[] {
  const lacks = [...(onDemand === undefined ? ["on demand"] : []), ...(spot === undefined ? ["on Spot"] : [])];
  if (lacks.length === 0) return [];
  const which = id === "machine" ? ` ${lacks.join(" or ")}` : "";
  return [`there is no price for ${what}${which} in ${region}`];
}

function sum(numbers: readonly (number | undefined)[]): number {
  return numbers.reduce<number>((total, number) => total + (number ?? 0), 0);
}
