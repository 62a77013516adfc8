import type { ExtraAlarm } from "../config";
import { METRICS_NAMESPACE, siteDimensions } from "../metrics";

/** What the alarms and the dashboard look at besides the site's own metrics. */
export interface Watched {
  readonly environment: string;
  readonly site: string;
  readonly controller: string;
  /** Absent where the site has no DNS name. */
  readonly ddnsUpdater?: string;
  readonly deadLetterQueue: string;
}

export interface Metric {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

/** One alarm, on one metric: CloudWatch has ten of these free of charge. */
export interface SiteAlarm {
  /** Ends the alarm's name, and is its heading in docs/runbook.md. */
  readonly id: string;
  /** What has happened and whether anybody is cut off, for the mail; what to do is in the runbook. */
  readonly what: string;
  readonly metric: Metric;
  readonly statistic: "Average" | "Maximum" | "Minimum" | "SampleCount" | "Sum";
  readonly periodSeconds: number;
  /** Periods looked at, of which `bad` have to be so. @default 1, all of them */
  readonly periods?: number;
  readonly bad?: number;
  readonly threshold: { readonly above: number } | { readonly below: number };
  /** A mail says when it is over, too; CloudWatch then sends one already when the alarm is made. @default false */
  readonly tellsEnd?: boolean;
  /** What no data means, and why. */
  readonly silence: { readonly is: "bad" | "good"; readonly because: string };
}

const MINUTE = 60;
const FIVE_MINUTES = 5 * MINUTE;
const QUARTER_HOUR = 15 * MINUTE;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Longer than a replacement takes, without any notice too: a machine boots within two to four minutes. */
const OUT_FOR = { periodSeconds: FIVE_MINUTES, periods: 3 } as const;
/** One look may see what the next one finds mended; what is tried again comes back within half an hour. */
const PROBLEM_COMES_BACK = { periodSeconds: FIVE_MINUTES, periods: 12, bad: 2 } as const;
/** Two retries of Lambda's may mend it within minutes. */
const TRIES_OF_AN_UPDATE = 3;
/** Tried again hourly, what fails for long is one alarm and not one an hour. */
const UPDATES_COME_BACK_SECONDS = 2 * HOUR;
/** Of the 8 GB of a usual disk a gigabyte is left. */
const DISK_PERCENT = 85;
/** Amazon's time service keeps a clock within a millisecond; at 500 the server counts as unfit and is replaced. */
const CLOCK_MS = 100;
const TRAFFIC_BYTES = 10e9;
const INTERRUPTIONS_A_DAY = 3;
const CPU_PERCENT = 80;
/** A device tries 18 times, every five seconds, before it waits for something to send again. */
const TRIES_OF_A_DEVICE = 18;
const FAILED_CONNECTIONS_AN_HOUR = 2;

const COUNTS_EVENTS = { is: "good", because: "it counts events, and none is good news" } as const;
const OF_SERVER = { is: "good", because: "a server that says nothing is another alarm's affair" } as const;

export function siteAlarms(watched: Watched, extra: readonly ExtraAlarm[] = []): SiteAlarm[] {
  const { environment, site } = watched;
  const own = (name: string): Metric => ({
    namespace: METRICS_NAMESPACE,
    name,
    dimensions: siteDimensions({ environment, name: site }),
  });
  const failures = (functionName: string): Metric => ({
    namespace: "AWS/Lambda",
    name: "Errors",
    dimensions: { FunctionName: functionName },
  });
  const extras: Record<ExtraAlarm, SiteAlarm> = {
    cpu: {
      id: "cpu",
      what: `The server's processor was more than ${CPU_PERCENT}% busy for five minutes: the VPN is slow. Nobody is cut off.`,
      metric: own("CpuUsed"),
      statistic: "Average",
      periodSeconds: FIVE_MINUTES,
      threshold: { above: CPU_PERCENT },
      silence: OF_SERVER,
    },
    connections: {
      id: "connections",
      what: `More than ${FAILED_CONNECTIONS_AN_HOUR} times in an hour somebody tried to connect and could not: a device with old keys, one that was removed, or a stranger.`,
      metric: own("HandshakesUnanswered"),
      statistic: "Sum",
      periodSeconds: HOUR,
      threshold: { above: FAILED_CONNECTIONS_AN_HOUR * TRIES_OF_A_DEVICE },
      silence: OF_SERVER,
    },
    successors: {
      id: "successors",
      what: "A successor did not get ready in ten minutes and was ended. The controller tries another one; nobody is cut off by it alone.",
      metric: own("SuccessorsFailed"),
      statistic: "Sum",
      periodSeconds: FIVE_MINUTES,
      threshold: { above: 0 },
      silence: COUNTS_EVENTS,
    },
  };
  return [
    {
      id: "no-server",
      what: "For a quarter of an hour the controller has seen no server that is well, or has not looked at all. Everybody is cut off, or will be when the server ends.",
      metric: own("ServersMissing"),
      // One look of a period that sees a server is enough.
      statistic: "Minimum",
      ...OUT_FOR,
      tellsEnd: true,
      threshold: { above: 0 },
      silence: { is: "bad", because: "the controller says it every five minutes, also while the site is paused" },
    },
    {
      id: "server-silent",
      what: "The controller takes the server for well, but for a quarter of an hour it has published nothing: its programs have died, or it cannot reach AWS. Devices may be cut off, and a successor would not know where to call them back.",
      metric: own("PeersActive"),
      statistic: "SampleCount",
      ...OUT_FOR,
      tellsEnd: true,
      threshold: { below: 1 },
      silence: {
        is: "bad",
        because:
          "silence is what it looks for; while nobody is to serve, the controller publishes in the server's stead",
      },
    },
    {
      id: "needs-person",
      what: "The controller needs a person: successors fail one after another, AWS refuses to launch, the address is elsewhere, or the store says something it cannot go by. Its log says which, and how to mend it.",
      metric: own("Problems"),
      statistic: "Sum",
      ...PROBLEM_COMES_BACK,
      threshold: { above: 0 },
      silence: COUNTS_EVENTS,
    },
    {
      id: "controller-errors",
      // With three runs or a few more in a quarter of an hour, one that fails is more than five percent.
      what: "In each of three quarters of an hour runs of the controller failed. Whoever is connected stays so, but a server that ends may not be replaced.",
      metric: failures(watched.controller),
      statistic: "Sum",
      periodSeconds: QUARTER_HOUR,
      periods: 3,
      threshold: { above: 0 },
      silence: COUNTS_EVENTS,
    },
    {
      id: "dead-letters",
      what: "An event or an alarm could not be handled after all retries and lies in the dead-letter queue. Unless another alarm rings as well, the controller's next tick has seen to the site since.",
      metric: {
        namespace: "AWS/SQS",
        name: "ApproximateNumberOfMessagesVisible",
        dimensions: { QueueName: watched.deadLetterQueue },
      },
      statistic: "Maximum",
      periodSeconds: FIVE_MINUTES,
      threshold: { above: 0 },
      silence: { is: "good", because: "SQS says nothing of a queue that nobody has used for hours" },
    },
    ...(watched.ddnsUpdater
      ? [
          {
            id: "dns-failures",
            what: "The DNS record could not be updated, and trying again did not help. Devices that look the name up may be sent to an old address; those that are connected stay so.",
            metric: failures(watched.ddnsUpdater),
            statistic: "Sum",
            periodSeconds: UPDATES_COME_BACK_SECONDS,
            threshold: { above: TRIES_OF_AN_UPDATE - 1 },
            silence: COUNTS_EVENTS,
          } as const,
        ]
      : []),
    {
      id: "interruptions",
      what: `AWS has announced more than ${INTERRUPTIONS_A_DAY} times in a day that it takes the site's Spot machine back. Each was to be replaced within its notice; more instance types would make it rarer.`,
      metric: own("Interruptions"),
      statistic: "Sum",
      periodSeconds: DAY,
      threshold: { above: INTERRUPTIONS_A_DAY },
      silence: COUNTS_EVENTS,
    },
    {
      id: "traffic",
      what: `More than ${TRAFFIC_BYTES / 1e9} GB left AWS in an hour, which costs money beyond the free 100 GB a month. Nobody is cut off.`,
      metric: own("NetworkOut"),
      statistic: "Sum",
      periodSeconds: HOUR,
      threshold: { above: TRAFFIC_BYTES },
      silence: OF_SERVER,
    },
    {
      id: "disk",
      what: `The server's disk has been more than ${DISK_PERCENT}% full for a quarter of an hour. Nobody is cut off; when it is full, the server is replaced.`,
      metric: own("DiskUsed"),
      statistic: "Minimum",
      periodSeconds: FIVE_MINUTES,
      periods: 3,
      threshold: { above: DISK_PERCENT },
      silence: OF_SERVER,
    },
    {
      id: "clock",
      what: `The server's clock has been more than ${CLOCK_MS} ms off for a quarter of an hour. Nobody is cut off yet; a successor whose clock is behind could not greet devices.`,
      metric: own("ClockOffset"),
      statistic: "Minimum",
      periodSeconds: FIVE_MINUTES,
      periods: 3,
      threshold: { above: CLOCK_MS },
      silence: OF_SERVER,
    },
    ...extra.map((id) => extras[id]),
  ];
}
