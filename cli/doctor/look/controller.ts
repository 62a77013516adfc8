import type { Site } from "../../../modules/config";
import { METRICS_NAMESPACE, siteDimensions } from "../../../modules/metrics";
import { documentsOf, type SiteNames } from "../../../modules/names";
import type { Aws } from "../../aws";
import { isActive, parseReport } from "../../peer/report";
import { runDocument } from "../../run-document";
import { sdk } from "../../sdk";
import type { LambdaFunction, Metrics, PeerReport, Rule } from "../facts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const RUNS_OF_MS = 30 * MINUTE_MS;
const REPORT_WITHIN_MS = 15_000;

function named<T>(...names: string[]) {
  return (error: unknown): T | undefined => {
    if (error instanceof Error && names.includes(error.name)) return undefined;
    throw error;
  };
}

export async function lambdaFunction(aws: Aws, name: string): Promise<LambdaFunction | undefined> {
  const { GetFunctionConfigurationCommand } = sdk.lambda;
  const lambda = await aws.lambda();
  const found = await lambda
    .send(new GetFunctionConfigurationCommand({ FunctionName: name }))
    .catch(named<undefined>("ResourceNotFoundException"));
  return (
    found && {
      state: found.State ?? "Active",
      reason: found.StateReason || found.LastUpdateStatusReason || undefined,
      lastUpdate: found.LastUpdateStatus ?? "Successful",
    }
  );
}

interface Statement {
  readonly Effect?: string;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** The rules that a function lets call it. */
export async function permittedRules(aws: Aws, name: string): Promise<string[]> {
  const { GetPolicyCommand } = sdk.lambda;
  const lambda = await aws.lambda();
  const found = await lambda
    .send(new GetPolicyCommand({ FunctionName: name }))
    .catch(named<undefined>("ResourceNotFoundException"));
  const { Statement = [] } = JSON.parse(found?.Policy ?? "{}") as { Statement?: Statement[] };
  return Statement.filter(({ Effect }) => Effect === "Allow").flatMap(({ Condition = {} }) =>
    Object.values(Condition)
      .flatMap((keys) => Object.entries(keys))
      .filter(([key]) => key.toLowerCase() === "aws:sourcearn")
      .flatMap(([, arn]) => (typeof arn === "string" ? (arn.split(":rule/")[1] ?? []) : [])),
  );
}

/** Those of the site's rules that are there. */
export async function siteRules(aws: Aws, names: SiteNames): Promise<Rule[]> {
  const { ListRulesCommand, ListTargetsByRuleCommand } = sdk.events;
  const events = await aws.events();
  const wanted = [...Object.values(names.rules), names.syncDocument];
  const { Rules = [] } = await events.send(new ListRulesCommand({ NamePrefix: `${names.prefix}-`, Limit: 100 }));
  return Promise.all(
    Rules.filter(({ Name }) => Name !== undefined && wanted.includes(Name)).map(async ({ Name = "", State }) => {
      const { Targets = [] } = await events.send(new ListTargetsByRuleCommand({ Rule: Name }));
      return { name: Name, enabled: State !== "DISABLED", targets: Targets.flatMap(({ Arn }) => Arn ?? []) };
    }),
  );
}

export async function deadLetters(aws: Aws, { deadLetterQueue }: SiteNames): Promise<number | undefined> {
  const { GetQueueAttributesCommand, GetQueueUrlCommand } = sdk.sqs;
  const sqs = await aws.sqs();
  const queue = await sqs
    .send(new GetQueueUrlCommand({ QueueName: deadLetterQueue }))
    .catch(named<undefined>("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"));
  if (!queue) return undefined;
  const { Attributes = {} } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: queue.QueueUrl, AttributeNames: ["ApproximateNumberOfMessages"] }),
  );
  return Number(Attributes.ApproximateNumberOfMessages ?? 0);
}

export async function siteMetrics(aws: Aws, site: Site, { controller }: SiteNames): Promise<Metrics> {
  const { GetMetricDataCommand } = sdk.cloudwatch;
  const cloudwatch = await aws.cloudwatch();
  const now = Date.now();
  const query = (id: string, Namespace: string, MetricName: string, dimensions: Record<string, string>) => ({
    Id: id,
    MetricStat: {
      Metric: {
        Namespace,
        MetricName,
        Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
      },
      Period: 60,
      Stat: "Sum",
    },
  });
  const { MetricDataResults = [] } = await cloudwatch.send(
    new GetMetricDataCommand({
      StartTime: new Date(now - HOUR_MS),
      EndTime: new Date(now + MINUTE_MS),
      MetricDataQueries: [
        query("runs", "AWS/Lambda", "Invocations", { FunctionName: controller }),
        query("failures", "AWS/Lambda", "Errors", { FunctionName: controller }),
        query("published", METRICS_NAMESPACE, "PeersConfigured", siteDimensions(site)),
      ],
    }),
  );
  const points = (id: string) => {
    const { Values = [], Timestamps = [] } = MetricDataResults.find(({ Id }) => Id === id) ?? {};
    return Values.map((value, at) => ({ value, at: Timestamps[at]?.getTime() ?? 0 }));
  };
  const sum = (id: string, since: number) =>
    points(id)
      .filter(({ at }) => at >= since)
      .reduce((total, { value }) => total + value, 0);
  const published = Math.max(...points("published").map(({ at }) => at));
  return {
    runs: sum("runs", now - RUNS_OF_MS),
    failures: sum("failures", now - HOUR_MS),
    lastPublished: Number.isFinite(published) ? new Date(published) : undefined,
  };
}

/** Those of the documents that are there. */
export async function siteDocuments(aws: Aws, names: SiteNames): Promise<string[]> {
  const { DescribeDocumentCommand } = sdk.ssm;
  const ssm = await aws.ssm();
  const found = await Promise.all(
    documentsOf(names).map((Name) =>
      ssm.send(new DescribeDocumentCommand({ Name })).catch(named<undefined>("InvalidDocument")),
    ),
  );
  return found.flatMap((document) => document?.Document?.Name ?? []);
}

export async function peerReport(aws: Aws, names: SiteNames, instanceId: string): Promise<PeerReport> {
  const { status, output } = await runDocument(aws, {
    document: names.peersDocument,
    instanceId,
    waitMs: REPORT_WITHIN_MS,
  });
  return { status, ...readReport(output, Date.now()) };
}

export function readReport(output: string, now: number): Omit<PeerReport, "status"> {
  const report = parseReport(output);
  if (!report) return { clockAhead: undefined, active: 0 };
  return {
    clockAhead: Math.round(report.now - now / 1000),
    active: [...report.traffic.values()].filter((traffic) => isActive(report, traffic)).length,
  };
}
