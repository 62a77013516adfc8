/** Problems: a person is needed. Failures: a run failed. */
export type MetricName =
  | "Problems"
  | "RejectedEvents"
  | "LaunchesRefused"
  | "SuccessorsFailed"
  | "Promotions"
  | "Failures"
  | "DnsFailures";

export interface Metrics {
  count(name: MetricName, value?: number): void;
  /** Writes what was counted since the last time, if anything was. */
  flush(): void;
}

/** The same as of the server's metrics. */
const NAMESPACE = "StingyVPN";

/** Metrics in CloudWatch's Embedded Metric Format: a log line instead of a call, a permission and a client. */
export function createMetrics(
  dimensions: Readonly<Record<string, string>>,
  write: (line: string) => void = (line) => process.stdout.write(line),
): Metrics {
  const counts = new Map<MetricName, number>();
  return {
    count(name, value = 1) {
      counts.set(name, (counts.get(name) ?? 0) + value);
    },
    flush() {
      if (counts.size === 0) return;
      const definition = {
        Namespace: NAMESPACE,
        Dimensions: [Object.keys(dimensions)],
        Metrics: Array.from(counts.keys(), (Name) => ({ Name, Unit: "Count" })),
      };
      const _aws = { Timestamp: Date.now(), CloudWatchMetrics: [definition] };
      write(`${JSON.stringify({ ...dimensions, ...Object.fromEntries(counts), _aws })}\n`);
      counts.clear();
    },
  };
}
