/** Where everything that a site's own programs count is published in CloudWatch. */
export const METRICS_NAMESPACE = "StingyVPN";

export type Unit = "Bytes" | "Count" | "Milliseconds" | "Percent" | "Seconds";

/**
 * What the server that serves publishes every minute (assets/userdata/stingy-health). By site, not by instance: a successor
 * goes on where its predecessor ended.
 */
export const SERVER_METRICS = {
  PeersConfigured: "Count",
  /** Heard of in the last three minutes. While nobody serves, the controller says that there are none. */
  PeersActive: "Count",
  /** What left the machine through its default route: to the internet and, through the tunnel, to devices. It is what AWS bills. */
  NetworkOut: "Bytes",
  CpuUsed: "Percent",
  MemoryUsed: "Percent",
  DiskUsed: "Percent",
  /** How far the clock is from the time servers', whichever way. */
  ClockOffset: "Milliseconds",
  /** First messages of a handshake that no handshake followed. A device repeats its own every five seconds for 90 seconds. */
  HandshakesUnanswered: "Count",
} as const satisfies Readonly<Record<string, Unit>>;

/** What the Lambdas publish with a log line, most of them only when there is something to count (assets/lambda/shared/metrics.ts). */
export const FUNCTION_METRICS = {
  /** 1 where the site should run and nobody serves, at each look of the controller; else 0. */
  ServersMissing: "Count",
  PeersActive: "Count",
  /** A person is needed. */
  Problems: "Count",
  RejectedEvents: "Count",
  LaunchesRefused: "Count",
  SuccessorsFailed: "Count",
  Promotions: "Count",
  /** AWS is about to take a machine of the site back. */
  Interruptions: "Count",
  /** From a successor's launch to its promotion. */
  RecoverySeconds: "Seconds",
  /** A run of the controller failed. */
  Failures: "Count",
  DnsFailures: "Count",
  /** An alarm could not be passed on to the webhook. */
  AlertsLost: "Count",
} as const satisfies Readonly<Record<string, Unit>>;

/** What the CloudWatch agent publishes, where it is turned on (modules/bootstrap/roles/cloudwatch-agent.ts). */
export const AGENT_METRICS = {
  mem_used_percent: "Percent",
  swap_used_percent: "Percent",
  disk_used_percent: "Percent",
} as const satisfies Readonly<Record<string, Unit>>;

export type FunctionMetric = keyof typeof FUNCTION_METRICS;

/** The dimensions of each of them. */
export function siteDimensions({ environment, name }: { readonly environment: string; readonly name: string }) {
  return { Site: name, Environment: environment };
}
