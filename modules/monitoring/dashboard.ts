import { CloudwatchDashboard } from "@cdktf/provider-aws/lib/cloudwatch-dashboard";
import { Construct } from "constructs";
import { AGENT_METRICS, METRICS_NAMESPACE, siteDimensions } from "../metrics";
import { ERRORS } from "./saved-queries";
import type { Watched } from "./site-alarms";

export interface SiteDashboardProps extends Watched {
  readonly name: string;
  readonly region: string;
  /** What devices connect to. Absent on a site without Elastic IP. */
  readonly address?: string;
  readonly dnsName?: string;
  /** All functions of the site. */
  readonly functions: readonly string[];
  readonly controllerLogGroup: string;
  readonly functionLogGroups: readonly string[];
  readonly deadLetterQueue: string;
  readonly alarmArns: readonly string[];
  readonly runbook: string;
  /** The CloudWatch agent publishes, too. */
  readonly agent: boolean;
}

const MINUTE = 60;
const FIVE_MINUTES = 5 * MINUTE;
const HOUR = 60 * MINUTE;
/** CloudWatch's dashboards are so many columns wide. */
const WIDTH = 24;
const HALF = WIDTH / 2;
const THIRD = WIDTH / 3;

/** The last thing the controller saw: who serves, and since when. */
export const NOW = `filter message = "looked"
| fields @timestamp as looked, service, server, seen.promotedAt as since, successor
| sort @timestamp desc
| limit 1`;

/** One screen: is it up, where and since when; what happened; who uses it; what it costs; what failed. */
export class SiteDashboard extends Construct {
  constructor(scope: Construct, id: string, props: SiteDashboardProps) {
    super(scope, id);
    const widgets = [
      text(props),
      { type: "alarm", width: HALF, height: 3, properties: { title: "Alarms", alarms: props.alarmArns } },
      log(props, "Who serves, and since when", NOW, [props.controllerLogGroup], 3),
      ...graphs(props),
      log(props, "What failed", ERRORS, props.functionLogGroups, 6),
    ];
    new CloudwatchDashboard(this, "dashboard", {
      dashboardName: props.name,
      dashboardBody: JSON.stringify({ widgets }),
    });
  }
}

function text({ name, region, address, dnsName, runbook }: SiteDashboardProps): object {
  const place = [`Region **${region}**`, ...(address ? [`address **${address}**`] : []), ...(dnsName ? [dnsName] : [])];
  const markdown = `# ${name}\n${place.join(", ")}. More: \`npx stingy status\`, \`npx stingy doctor\`; what each alarm means: ${runbook}`;
  return { type: "text", width: HALF, height: 3, properties: { markdown } };
}

function log(
  { region }: SiteDashboardProps,
  title: string,
  query: string,
  groups: readonly string[],
  height: number,
): object {
  const sources = groups.map((group) => `SOURCE '${group}'`).join(" | ");
  return {
    type: "log",
    width: WIDTH,
    height,
    properties: { title, region, view: "table", query: `${sources} | ${query}` },
  };
}

interface Line {
  readonly label: string;
  readonly stat: "Average" | "Maximum" | "Minimum" | "Sum";
}

function graphs(props: SiteDashboardProps): object[] {
  const { region, functions } = props;
  const dimensions = Object.entries(siteDimensions({ environment: props.environment, name: props.site })).flat();
  const own = (name: string, line: Line) => [METRICS_NAMESPACE, name, ...dimensions, line];
  const of = (namespace: string, name: string, dimension: string, value: string, line: Line) => [
    namespace,
    name,
    dimension,
    value,
    line,
  ];
  const graph = (title: string, width: number, period: number, metrics: unknown[][], more: object = {}) => ({
    type: "metric",
    width,
    height: 6,
    properties: { title, region, view: "timeSeries", period, metrics, ...more },
  });
  const sum = (label: string): Line => ({ label, stat: "Sum" });
  const most = (label: string): Line => ({ label, stat: "Maximum" });
  const fromZero = { yAxis: { left: { min: 0 } } };
  const percent = { yAxis: { left: { min: 0, max: 100 } } };

  return [
    graph(
      "Is a server missing (0: no, or paused; 1: nobody serves)",
      THIRD,
      FIVE_MINUTES,
      [own("ServersMissing", { label: "servers missing", stat: "Minimum" })],
      { yAxis: { left: { min: 0, max: 1 } } },
    ),
    graph(
      "Devices",
      THIRD,
      FIVE_MINUTES,
      [own("PeersConfigured", most("configured")), own("PeersActive", most("heard of in the last 3 minutes"))],
      fromZero,
    ),
    {
      type: "metric",
      width: THIRD,
      height: 6,
      properties: {
        title: "Left AWS in the time shown (100 GB a month are free)",
        region,
        view: "singleValue",
        sparkline: true,
        setPeriodToTimeRange: true,
        metrics: [own("NetworkOut", sum("traffic out"))],
      },
    },
    graph(
      "Recoveries",
      THIRD,
      HOUR,
      [
        own("Promotions", sum("servers promoted")),
        own("Interruptions", sum("interruptions that AWS announced")),
        own("SuccessorsFailed", sum("successors not ready in time")),
        own("LaunchesRefused", sum("launches refused")),
      ],
      fromZero,
    ),
    graph(
      "Seconds from a successor's launch to its promotion",
      THIRD,
      HOUR,
      [own("RecoverySeconds", most("longest"))],
      fromZero,
    ),
    graph("Traffic out", THIRD, HOUR, [own("NetworkOut", sum("bytes in an hour"))], fromZero),
    graph(
      "The server",
      THIRD,
      FIVE_MINUTES,
      [
        own("CpuUsed", most("processor")),
        own("MemoryUsed", most("memory")),
        own("DiskUsed", most("disk")),
        ...(props.agent ? Object.keys(AGENT_METRICS).map((name) => own(name, most(`agent: ${name}`))) : []),
      ],
      percent,
    ),
    graph("The server's clock, milliseconds off", THIRD, FIVE_MINUTES, [own("ClockOffset", most("off"))], fromZero),
    graph(
      "Handshakes that nobody answered",
      THIRD,
      FIVE_MINUTES,
      [own("HandshakesUnanswered", sum("unanswered"))],
      fromZero,
    ),
    graph(
      "Runs and failures of the Lambdas",
      HALF,
      FIVE_MINUTES,
      functions.flatMap((name) => [
        of("AWS/Lambda", "Invocations", "FunctionName", name, sum(`runs of ${name}`)),
        of("AWS/Lambda", "Errors", "FunctionName", name, sum(`failures of ${name}`)),
      ]),
      fromZero,
    ),
    graph(
      "Trouble",
      HALF,
      FIVE_MINUTES,
      [
        own("Problems", sum("a person is needed")),
        own("Failures", sum("failed looks")),
        own("RejectedEvents", sum("events not believed")),
        own("DnsFailures", sum("DNS failures")),
        own("AlertsLost", sum("alarms not passed on")),
        of("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", props.deadLetterQueue, most("dead letters")),
      ],
      fromZero,
    ),
  ];
}
