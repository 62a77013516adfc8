import { HOURS_A_MONTH } from "./hours";
import { bundledPrices, type Prices } from "./prices";

/** A resource as Terraform's plan and state show it. */
export interface ResourceValues {
  /** "aws_eip" */
  readonly type: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * What these resources cost in a month of the region, in US dollars: addresses, what a launch template starts (one
 * machine, on Spot, and its disk), KMS keys, alarms and dashboards beyond what is free. What it does not know costs nothing here.
 */
export function monthlyCostOfResources(
  resources: readonly ResourceValues[],
  prices: Prices | undefined,
  region: string,
): number {
  const known = prices ?? bundledPrices(region);
  const { everywhere, free } = known;
  const valuesOf = (type: string) => resources.filter((resource) => resource.type === type).map(({ values }) => values);
  const beyond = (count: number, included: number) => Math.max(0, count - included);
  const alarmMetrics = sum(valuesOf("aws_cloudwatch_metric_alarm").map(alarmMetricsOf));
  return (
    valuesOf("aws_eip").length * everywhere.publicIpv4Hour.usd * HOURS_A_MONTH +
    sum(valuesOf("aws_launch_template").map((values) => templateCost(values, known))) +
    valuesOf("aws_kms_key").length * everywhere.kmsKeyMonth.usd +
    beyond(alarmMetrics, free.alarmMetricMonth) * everywhere.alarmMetricMonth.usd +
    beyond(valuesOf("aws_cloudwatch_dashboard").length, free.dashboardMonth) * everywhere.dashboardMonth.usd
  );
}

/** An alarm is paid for by the metrics it looks at: one that computes looks at several. */
export function alarmMetricsOf(values: Readonly<Record<string, unknown>>): number {
  return blocks(values.metric_query).filter(({ metric }) => blocks(metric).length > 0).length || 1;
}

function templateCost(values: Readonly<Record<string, unknown>>, prices: Prices): number {
  const machine = prices.machines[String(values.instance_type ?? "")];
  const hour = (machine?.spot ?? machine?.onDemand)?.usd ?? 0;
  const disks = blocks(values.block_device_mappings).flatMap(({ ebs }) => blocks(ebs));
  const gb = sum(disks.map(({ volume_size }) => Number(volume_size ?? 0) || 0));
  return hour * HOURS_A_MONTH + gb * (prices.gp3GbMonth?.usd ?? 0);
}

/** A nested block: a list in a plan, a list or a single object in the JSON that is written. */
function blocks(value: unknown): Record<string, unknown>[] {
  const list = Array.isArray(value) ? value : [value];
  return list.filter((item): item is Record<string, unknown> => typeof item === "object" && item !== null);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
