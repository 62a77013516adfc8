import type { Json } from "./synth";

export interface Datapoint {
  /** Seconds of whatever clock. */
  readonly at: number;
  readonly value: number;
}

/** What a metric holds, by namespace, name and, where that is not the site, what it is of: "AWS/Lambda Errors the-controller". */
export type Data = Readonly<Record<string, readonly Datapoint[]>>;

const STATISTICS: Readonly<Record<string, (values: readonly number[]) => number>> = {
  Sum: (values) => values.reduce((sum, value) => sum + value, 0),
  Average: (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
  Minimum: (values) => Math.min(...values),
  Maximum: (values) => Math.max(...values),
  SampleCount: (values) => values.length,
};

const COMPARISONS: Readonly<Record<string, (value: number, threshold: number) => boolean>> = {
  GreaterThanThreshold: (value, threshold) => value > threshold,
  LessThanThreshold: (value, threshold) => value < threshold,
};

/**
 * Whether an alarm of Terraform's JSON rings at a moment, by what CloudWatch documents: each of the last periods is
 * compared. CloudWatch itself looks a little further back before it takes a missing period for one; this does not.
 */
export function rings(alarm: Json, data: Data, now: number): boolean {
  const { period, evaluation_periods: periods, threshold, treat_missing_data: missing } = alarm;
  const points = data[nameOf(alarm)] ?? [];
  let bad = 0;
  for (let start = now - periods * period; start < now; start += period) {
    const values = points.filter(({ at }) => at >= start && at < start + period).map(({ value }) => value);
    const statistic = STATISTICS[alarm.statistic];
    const compare = COMPARISONS[alarm.comparison_operator];
    if (!statistic || !compare) throw new Error(`${alarm.alarm_name}: not played here`);
    if (values.length > 0 ? compare(statistic(values), threshold) : missing === "breaching") bad++;
  }
  return bad >= (alarm.datapoints_to_alarm ?? periods);
}

/** How often an alarm begins to ring while the clock goes through these moments. */
export function mails(alarm: Json, data: Data, moments: readonly number[]): number {
  let rang = false;
  let count = 0;
  for (const now of moments) {
    const ringing = rings(alarm, data, now);
    if (ringing && !rang) count++;
    rang = ringing;
  }
  return count;
}

function nameOf({ namespace, metric_name, dimensions }: Json): string {
  return [namespace, metric_name, ...("Site" in dimensions ? [] : Object.values(dimensions))].join(" ");
}
