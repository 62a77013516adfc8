import { FUNCTION_METRICS, type FunctionMetric, METRICS_NAMESPACE, siteDimensions } from "../../../modules/metrics";
import type { Variables } from "./environment";

export interface Metrics {
  /** Adds to what was counted. */
  count(name: FunctionMetric, value?: number): void;
  /** Says how much it is now. */
  set(name: FunctionMetric, value: number): void;
  /** Writes what was counted and set since the last time, if anything was. */
  flush(): void;
}

/** Those of the site that the environment names. CloudWatch drops a metric that has an empty dimension. */
export function siteMetrics({ SITE, ENVIRONMENT }: Variables, write?: (line: string) => void): Metrics {
  return createMetrics(siteDimensions({ name: SITE || "unknown", environment: ENVIRONMENT || "unknown" }), write);
}

/** Metrics in CloudWatch's Embedded Metric Format: a log line instead of a call, a permission and a client. */
export function createMetrics(
  dimensions: Readonly<Record<string, string>>,
  write: (line: string) => void = (line) => process.stdout.write(line),
): Metrics {
  const values = new Map<FunctionMetric, number>();
  return {
    count(name, value = 1) {
      values.set(name, (values.get(name) ?? 0) + value);
    },
    set(name, value) {
      values.set(name, value);
    },
    flush() {
      if (values.size === 0) return;
      const definition = {
        Namespace: METRICS_NAMESPACE,
        Dimensions: [Object.keys(dimensions)],
        Metrics: Array.from(values.keys(), (Name) => ({ Name, Unit: FUNCTION_METRICS[Name] })),
      };
      const _aws = { Timestamp: Date.now(), CloudWatchMetrics: [definition] };
      write(`${JSON.stringify({ ...dimensions, ...Object.fromEntries(values), _aws })}\n`);
      values.clear();
    },
  };
}
