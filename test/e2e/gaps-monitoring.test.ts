import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CloudWatchClient,
  DescribeAlarmsCommand,
  GetMetricStatisticsCommand,
  type MetricAlarm,
  PutMetricAlarmCommand,
  type PutMetricAlarmCommandInput,
  PutMetricDataCommand,
  SetAlarmStateCommand,
  type Statistic,
} from "@aws-sdk/client-cloudwatch";
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  DeleteQueryDefinitionCommand,
  DescribeQueryDefinitionsCommand,
  FilterLogEventsCommand,
  PutLogEventsCommand,
  PutQueryDefinitionCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { CreateSubnetCommand, CreateVpcCommand, EC2Client, RunInstancesCommand } from "@aws-sdk/client-ec2";
import { CreateRoleCommand, IAMClient } from "@aws-sdk/client-iam";
import { AddPermissionCommand, CreateFunctionCommand, InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import {
  CreateTopicCommand,
  GetSubscriptionAttributesCommand,
  GetTopicAttributesCommand,
  ListSubscriptionsByTopicCommand,
  PublishCommand,
  SNSClient,
  SubscribeCommand,
  UnsubscribeCommand,
} from "@aws-sdk/client-sns";
import { CreateQueueCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import { type Data, type Datapoint, rings } from "../support/cloudwatch";
import type { Json } from "../support/synth";
import { Moto, PATCHED } from "./emulator/moto";
import { zipOf } from "./harness/zip";

const ACCOUNT = "123456789012";
const REGION = "ap-northeast-1";
const NAMESPACE = "StingyVPN";
const ADDRESS = "me@example.com";
const MINUTE_MS = 60_000;
const DAY_SECONDS = 86_400;
const arnOf = (service: string, name: string) => `arn:aws:${service}:${REGION}:${ACCOUNT}:${name}`;

/** Prints its event, and fails where that says so. */
const CODE = `exports.handler = async (event) => {
  console.log(event.line ?? JSON.stringify(event));
  if (JSON.stringify(event).includes("fail")) throw new Error("as it was told");
};`;

const SAID = {
  Namespace: NAMESPACE,
  Dimensions: [["Site", "Environment"]],
  Metrics: [{ Name: "Problems", Unit: "Count" }],
};
const LINE = { Site: "tokyo", Environment: "prod", Problems: 2, _aws: { CloudWatchMetrics: [SAID] } };
const SITE = { Site: "tokyo", Environment: "prod" };

const dimensionsOf = (dimensions: Readonly<Record<string, string>>) =>
  Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));

/** An account on one of the two emulators. */
class Account {
  readonly cloudwatch: CloudWatchClient;
  readonly logs: CloudWatchLogsClient;
  readonly sns: SNSClient;
  readonly sqs: SQSClient;
  readonly lambda: LambdaClient;

  constructor(
    readonly moto: Moto,
    private readonly stock: boolean,
  ) {
    this.cloudwatch = new CloudWatchClient(this.settings());
    this.logs = new CloudWatchLogsClient(this.settings());
    this.sns = new SNSClient(this.settings());
    this.sqs = new SQSClient(this.settings());
    this.lambda = new LambdaClient(this.settings());
  }

  private settings(accessKeyId = "test") {
    return { ...this.moto.sdk, credentials: { accessKeyId, secretAccessKey: "test" }, maxAttempts: 1 };
  }

  /** moto itself cannot be told anything: it does what it does without. */
  async advance(seconds: number): Promise<unknown[]> {
    return this.stock ? [] : this.moto.advance(seconds);
  }

  async now(): Promise<number> {
    return Date.now() + (this.stock ? 0 : await this.moto.ahead()) * 1000;
  }

  /** What a metric was in a day around now. */
  async sum(
    Namespace: string,
    MetricName: string,
    dimensions: Readonly<Record<string, string>>,
    statistic: Statistic = "Sum",
  ): Promise<number | undefined> {
    const now = await this.now();
    const { Datapoints = [] } = await this.cloudwatch.send(
      new GetMetricStatisticsCommand({
        Namespace,
        MetricName,
        Dimensions: dimensionsOf(dimensions),
        StartTime: new Date(now - 12 * 3600_000),
        EndTime: new Date(now + 12 * 3600_000),
        Period: DAY_SECONDS,
        Statistics: [statistic],
      }),
    );
    return Datapoints[0]?.[statistic];
  }

  async put(MetricName: string, Value: number, { at, by }: { at?: number; by?: string } = {}): Promise<void> {
    const client = new CloudWatchClient(this.settings(by));
    await client.send(
      new PutMetricDataCommand({
        Namespace: NAMESPACE,
        MetricData: [
          {
            MetricName,
            Value,
            Dimensions: dimensionsOf(SITE),
            ...(at === undefined ? {} : { Timestamp: new Date(at) }),
          },
        ],
      }),
    );
    client.destroy();
  }

  async alarm(AlarmName: string, given: Partial<PutMetricAlarmCommandInput> = {}): Promise<void> {
    await this.cloudwatch.send(
      new PutMetricAlarmCommand({
        AlarmName,
        Namespace: NAMESPACE,
        MetricName: "DiskUsed",
        Dimensions: dimensionsOf(SITE),
        Statistic: "Minimum",
        Period: 300,
        EvaluationPeriods: 3,
        Threshold: 85,
        ComparisonOperator: "GreaterThanThreshold",
        TreatMissingData: "notBreaching",
        ...given,
      }),
    );
  }

  async state(AlarmName: string): Promise<string | undefined> {
    return (await this.described(AlarmName)).StateValue;
  }

  async described(AlarmName: string): Promise<MetricAlarm> {
    const { MetricAlarms = [] } = await this.cloudwatch.send(new DescribeAlarmsCommand({ AlarmNames: [AlarmName] }));
    return MetricAlarms[0] ?? {};
  }

  async set(AlarmName: string, StateValue: "ALARM" | "OK"): Promise<void> {
    await this.cloudwatch.send(new SetAlarmStateCommand({ AlarmName, StateValue, StateReason: "by hand" }));
  }

  async topic(Name = "alerts"): Promise<string> {
    return (await this.sns.send(new CreateTopicCommand({ Name }))).TopicArn ?? "";
  }

  async queue(QueueName: string): Promise<string> {
    return (await this.sqs.send(new CreateQueueCommand({ QueueName }))).QueueUrl ?? "";
  }

  async subscribe(TopicArn: string, Protocol: string, Endpoint: string, arn = false): Promise<string> {
    const asked = new SubscribeCommand({ TopicArn, Protocol, Endpoint, ReturnSubscriptionArn: arn });
    return (await this.sns.send(asked)).SubscriptionArn ?? "";
  }

  /** What a topic tells from now on, to a queue. */
  async listener(TopicArn: string): Promise<() => Promise<Json[]>> {
    const QueueUrl = await this.queue("heard");
    await this.subscribe(TopicArn, "sqs", arnOf("sqs", "heard"));
    return async () => {
      const { Messages = [] } = await this.sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
      return Messages.map(({ Body = "{}" }) => JSON.parse(Body));
    };
  }

  async publish(TopicArn: string, Message: string, Subject?: string): Promise<void> {
    await this.sns.send(new PublishCommand({ TopicArn, Message, ...(Subject === undefined ? {} : { Subject }) }));
    if (!this.stock) await this.moto.settled();
  }

  async function(FunctionName: string): Promise<string> {
    const iam = new IAMClient(this.settings());
    const role = { RoleName: "functions", AssumeRolePolicyDocument: "{}" };
    await iam.send(new CreateRoleCommand(role)).catch(() => undefined);
    iam.destroy();
    await this.logs.send(new CreateLogGroupCommand({ logGroupName: `/aws/lambda/${FunctionName}` }));
    const { FunctionArn = "" } = await this.lambda.send(
      new CreateFunctionCommand({
        FunctionName,
        Role: `arn:aws:iam::${ACCOUNT}:role/functions`,
        Runtime: "nodejs22.x",
        Handler: "index.handler",
        Code: { ZipFile: zipped() },
        DeadLetterConfig: { TargetArn: arnOf("sqs", "dead") },
      }),
    );
    return FunctionArn;
  }

  async invoke(FunctionName: string, event: unknown): Promise<void> {
    await this.lambda.send(new InvokeCommand({ FunctionName, Payload: Buffer.from(JSON.stringify(event)) }));
  }

  async permit(FunctionName: string, SourceArn: string): Promise<void> {
    const permission = { StatementId: "topic", Action: "lambda:InvokeFunction", Principal: "sns.amazonaws.com" };
    await this.lambda.send(new AddPermissionCommand({ FunctionName, SourceArn, ...permission }));
  }

  /** The events that a function has printed. */
  async printed(name: string): Promise<Json[]> {
    const logGroupName = `/aws/lambda/${name}`;
    const { events = [] } = await this.logs.send(new FilterLogEventsCommand({ logGroupName }));
    return events.filter(({ message = "" }) => message.startsWith("{")).map(({ message = "" }) => JSON.parse(message));
  }

  async write(...messages: readonly string[]): Promise<void> {
    const log = { logGroupName: "log", logStreamName: "stream" };
    await this.logs.send(new CreateLogGroupCommand(log));
    await this.logs.send(new CreateLogStreamCommand(log));
    const timestamp = await this.now();
    const logEvents = messages.map((message) => ({ timestamp, message }));
    await this.logs.send(new PutLogEventsCommand({ ...log, logEvents }));
  }

  async machine(): Promise<string> {
    const ec2 = new EC2Client(this.settings());
    const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: "10.0.0.0/16" }));
    const { Subnet } = await ec2.send(new CreateSubnetCommand({ VpcId: Vpc?.VpcId, CidrBlock: "10.0.1.0/24" }));
    const { Instances } = await ec2.send(
      new RunInstancesCommand({ ImageId: "ami-1", MinCount: 1, MaxCount: 1, SubnetId: Subnet?.SubnetId }),
    );
    ec2.destroy();
    return Instances?.[0]?.InstanceId ?? "";
  }

  /** The product needs no client of this one. */
  async budgets(action: string, given: object): Promise<Json> {
    const answer = await fetch(this.moto.url, {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": `AWSBudgetServiceGateway.${action}`,
        authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/budgets/aws4_request, SignedHeaders=host, Signature=0`,
      },
      body: JSON.stringify({ AccountId: ACCOUNT, ...given }),
    });
    const said = await answer.text();
    if (!answer.ok) throw new Error(`${action}: ${answer.status} ${said}`);
    return JSON.parse(said);
  }

  async budget(more: object = {}): Promise<void> {
    await this.budgets("CreateBudget", { Budget: BUDGET, ...more });
  }
}

const folders: string[] = [];

function zipped(): Buffer {
  const folder = mkdtempSync(path.join(tmpdir(), "code-"));
  folders.push(folder);
  writeFileSync(path.join(folder, "index.js"), CODE);
  return zipOf(folder, 0o644);
}

const refused = (asked: Promise<unknown>): Promise<string> =>
  asked.then(
    () => "",
    ({ name, message }) => `${name}: ${message}`,
  );

const BUDGET = {
  BudgetName: "month",
  BudgetType: "COST",
  TimeUnit: "MONTHLY",
  BudgetLimit: { Amount: "12", Unit: "USD" },
};
const BUDGET_ARN = `arn:aws:budgets::${ACCOUNT}:budget/month`;
const NOTIFICATION = {
  NotificationType: "ACTUAL",
  ComparisonOperator: "GREATER_THAN",
  Threshold: 100,
  ThresholdType: "PERCENTAGE",
};

/** What a gap's end promises, and whether an emulator keeps it. */
const PROMISES: Record<string, readonly [promise: string, kept: (on: Account) => Promise<boolean>]> = {
  logs_hold_metrics: [
    "a line in Embedded Metric Format is a metric",
    async (on) => {
      await on.write(JSON.stringify({ ...LINE, _aws: { ...LINE._aws, Timestamp: await on.now() } }));
      return (await on.sum(NAMESPACE, "Problems", SITE)) === 2;
    },
  ],
  runs_are_counted: [
    "the runs of a function are counted, and those that fail",
    async (on) => {
      const of = { FunctionName: "fn" };
      await on.function("fn");
      for (const event of [{}, { does: "fail" }]) await on.invoke("fn", event);
      return (await on.sum("AWS/Lambda", "Invocations", of)) === 2 && (await on.sum("AWS/Lambda", "Errors", of)) === 1;
    },
  ],
  queues_are_counted: [
    "what lies in a queue is told every minute",
    async (on) => {
      const QueueUrl = await on.queue("queue");
      await on.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "{}" }));
      await on.advance(60);
      const of = { QueueName: "queue" };
      return (await on.sum("AWS/SQS", "ApproximateNumberOfMessagesVisible", of, "Maximum")) === 1;
    },
  ],
  servers_go_on_publishing: [
    "a server publishes every minute, however the clock goes",
    async (on) => {
      await on.put("DiskUsed", 42, { by: await on.machine() });
      await on.advance(300);
      return ((await on.sum(NAMESPACE, "DiskUsed", SITE, "SampleCount")) ?? 0) >= 5;
    },
  ],
  alarms_are_evaluated: [
    "an alarm knows nothing at first, and rings by itself",
    async (on) => {
      await on.alarm("silent", { TreatMissingData: "breaching" });
      const first = await on.state("silent");
      await on.advance(60);
      return first === "INSUFFICIENT_DATA" && (await on.state("silent")) === "ALARM";
    },
  ],
  alarms_tell_their_topics: [
    "a topic is told of an alarm's new state",
    async (on) => {
      const topic = await on.topic();
      const heard = await on.listener(topic);
      await on.alarm("disk", { AlarmActions: [topic] });
      await on.set("disk", "ALARM");
      return (await heard()).length === 1;
    },
  ],
  queries_can_be_saved: [
    "a query can be saved",
    async (on) => {
      await on.logs.send(new PutQueryDefinitionCommand({ name: "prod/errors", queryString: "limit 1" }));
      const asked = new DescribeQueryDefinitionsCommand({ queryDefinitionNamePrefix: "prod/" });
      return (await on.logs.send(asked)).queryDefinitions?.[0]?.queryString === "limit 1";
    },
  ],
  budgets_can_be_changed: [
    "a budget can be changed, and keeps its notifications",
    async (on) => {
      await on.budget({ NotificationsWithSubscribers: [{ Notification: NOTIFICATION, Subscribers: [] }] });
      await on.budgets("UpdateBudget", { NewBudget: { ...BUDGET, BudgetLimit: { Amount: "20", Unit: "USD" } } });
      const { Budget } = await on.budgets("DescribeBudget", { BudgetName: "month" });
      const { Notifications } = await on.budgets("DescribeNotificationsForBudget", { BudgetName: "month" });
      return Budget.BudgetLimit.Amount === "20" && Notifications.length === 1;
    },
  ],
  budgets_tell_their_subscribers: [
    "who is told of a budget's notification can be asked",
    async (on) => {
      await on.budget();
      const notification = { BudgetName: "month", Notification: NOTIFICATION };
      const Subscribers = [{ SubscriptionType: "SNS", Address: arnOf("sns", "alerts") }];
      await on.budgets("CreateNotification", { ...notification, Subscribers });
      const told = await on.budgets("DescribeSubscribersForNotification", notification);
      return told.Subscribers[0].Address === arnOf("sns", "alerts");
    },
  ],
  budgets_have_tags: [
    "a budget keeps its tags",
    async (on) => {
      const of = { ResourceARN: BUDGET_ARN };
      await on.budget({ ResourceTags: [{ Key: "Site", Value: "tokyo" }] });
      await on.budgets("TagResource", { ...of, ResourceTags: [{ Key: "More", Value: "yes" }] });
      await on.budgets("UntagResource", { ...of, ResourceTagKeys: ["Site"] });
      const { ResourceTags } = await on.budgets("ListTagsForResource", of);
      return JSON.stringify(ResourceTags) === '[{"Key":"More","Value":"yes"}]';
    },
  ],
  mail_is_confirmed_first: [
    "an e-mail address waits for its confirmation",
    async (on) => (await on.subscribe(await on.topic(), "email", ADDRESS)) === "pending confirmation",
  ],
  topics_reach_functions: [
    "a function that lets a topic call it is given its messages",
    async (on) => {
      const topic = await on.topic();
      const fn = await on.function("fn");
      await on.permit("fn", topic);
      await on.subscribe(topic, "lambda", fn);
      await on.publish(topic, "hello");
      return (await on.printed("fn"))[0]?.Records[0].Sns.Message === "hello";
    },
  ],
};

describe("monitoring of the AWS emulator", function () {
  this.timeout(60_000);
  let stock: Account;
  let on: Account;

  before(async () => {
    const [first, second] = await Promise.all([Moto.start(), Moto.start(PATCHED)]);
    stock = new Account(first, true);
    on = new Account(second, false);
    const body = JSON.stringify({ lambda: { use_docker: false } });
    await fetch(`${first.url}/moto-api/config`, { method: "POST", body });
  });

  after(async () => {
    await Promise.all([stock?.moto.stop(), on?.moto.stop()]);
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  describe("every gap", () => {
    it("is told of, and looked at here", async () => {
      const gaps = await on.moto.control<{ name: string; module: string; reason: string }[]>("GET", "gaps");
      const mine = gaps.filter(({ module }) => ["monitoring", "messages"].includes(module));
      expect(mine.map(({ name }) => name)).to.have.members(Object.keys(PROMISES));
      for (const { reason } of mine) expect(reason).to.match(/^[A-Z].{20,}\.$/);
    });

    for (const [gap, [promise, kept]] of Object.entries(PROMISES)) {
      it(`${gap}: ${promise}, and in moto itself it is open`, async () => {
        await Promise.all([stock.moto.reset(), on.moto.reset()]);
        const open = await kept(stock).catch(() => false);
        expect([open, await kept(on)]).to.deep.equal([false, true]);
      });
    }
  });

  describe("a metric", () => {
    beforeEach(() => on.moto.reset());

    it("in a log may have several values, and several sets of dimensions", async () => {
      const Dimensions = [["Site", "Environment"], []];
      const _aws = { Timestamp: await on.now(), CloudWatchMetrics: [{ ...SAID, Dimensions }] };
      await on.write(JSON.stringify({ ...LINE, Problems: [1, 2.5], _aws }));
      expect([
        await on.sum(NAMESPACE, "Problems", SITE),
        await on.sum(NAMESPACE, "Problems", {}, "SampleCount"),
      ]).to.deep.equal([3.5, 4]);
    });

    it("is in no line that is anything else, which is kept all the same", async () => {
      const { Problems: _, ...without } = LINE;
      const other = [JSON.stringify(LINE), JSON.stringify({ ...without, _aws: { ...LINE._aws, Timestamp: 1 } })];
      await on.write('{"CloudWatchMetrics', '"CloudWatchMetrics"', ...other);
      expect(await on.sum(NAMESPACE, "Problems", SITE)).to.equal(undefined);
      const { events } = await on.logs.send(new FilterLogEventsCommand({ logGroupName: "log" }));
      expect(events).to.have.length(4);
    });

    it("of a function's own log has the function's time, which is the emulator's", async () => {
      await on.function("fn");
      await on.advance(7 * DAY_SECONDS);
      const _aws = { ...LINE._aws, Timestamp: await on.now() };
      await on.invoke("fn", { line: JSON.stringify({ ...LINE, _aws }) });
      expect([
        await on.sum(NAMESPACE, "Problems", SITE),
        await on.sum("AWS/Lambda", "Errors", { FunctionName: "fn" }),
      ]).to.deep.equal([2, 0]);
    });

    it("of a queue ends six hours after anybody has asked it for anything, if nothing is in it", async () => {
      await on.queue("empty");
      const QueueUrl = await on.queue("full");
      await on.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "{}" }));
      await on.sqs.send(new ReceiveMessageCommand({ QueueUrl: await on.queue("empty"), WaitTimeSeconds: 0 }));
      await on.advance(8 * 3600);
      const counted = async (QueueName: string) =>
        Math.round(
          ((await on.sum("AWS/SQS", "ApproximateNumberOfMessagesVisible", { QueueName }, "SampleCount")) ?? 0) / 60,
        );
      expect([await counted("empty"), await counted("full")]).to.deep.equal([6, 8]);
    });

    it("of a server that has ended is not published again", async () => {
      await on.put("DiskUsed", 42, { by: "i-0123456789abcdef0" });
      await on.put("DiskUsed", 42);
      await on.advance(600);
      expect(await on.sum(NAMESPACE, "DiskUsed", SITE, "SampleCount")).to.equal(2);
    });
  });

  describe("an alarm", () => {
    beforeEach(async () => {
      await on.moto.reset();
      // No minute ends by itself, then, between what a test says and the look that it waits for.
      await next(1);
    });

    const changes = async () => (await on.moto.alarms()).map(({ alarm, from, to }) => `${alarm}: ${from} -> ${to}`);

    /** Puts the clock forward to a second after the next whole so many minutes. @returns these, in milliseconds */
    async function next(minutes: number): Promise<number> {
      const left = minutes * MINUTE_MS - ((await on.now()) % (minutes * MINUTE_MS));
      await on.advance(left / 1000 + 1);
      return Math.floor((await on.now()) / MINUTE_MS) * MINUTE_MS;
    }

    it("rings, and is quiet again, as CloudWatch documents it", async () => {
      const values = [
        90,
        90,
        20,
        90,
        90,
        90,
        90,
        90,
        undefined,
        90,
        90,
        90,
        undefined,
        undefined,
        undefined,
        10,
        90,
        95,
      ];
      const alarms: Record<string, Partial<PutMetricAlarmCommandInput>> = {
        all: {},
        "two of three": { DatapointsToAlarm: 2 },
        "silence is bad": { TreatMissingData: "breaching" },
        one: { EvaluationPeriods: 1, Period: 60, Statistic: "Average" },
        sum: { EvaluationPeriods: 2, Period: 120, Statistic: "Sum", Threshold: 170 },
        few: {
          Statistic: "SampleCount",
          Threshold: 1,
          ComparisonOperator: "LessThanThreshold",
          TreatMissingData: "breaching",
          Period: 60,
          EvaluationPeriods: 2,
        },
        most: { Statistic: "Maximum", Period: 60, Threshold: 91, EvaluationPeriods: 1 },
      };
      for (const [name, given] of Object.entries(alarms)) await on.alarm(name, { Period: 120, ...given });
      const start = await next(10);
      const points: Datapoint[] = [];
      const seen: unknown[] = [];
      const expected: unknown[] = [];
      for (const [index, value] of values.entries()) {
        const at = start + index * MINUTE_MS + 5_000;
        if (value !== undefined) {
          points.push({ at: at / 1000, value });
          await on.put("DiskUsed", value, { at });
        }
        await next(1);
        const data: Data = { [`${NAMESPACE} DiskUsed`]: points };
        const now = (start + (index + 1) * MINUTE_MS) / 1000;
        for (const name of Object.keys(alarms)) {
          const alarm = await on.described(name);
          // The other one of the two looks only where a period ends by the clock.
          if (now % (alarm.Period ?? 0) !== 0) continue;
          seen.push([index, name, alarm.StateValue]);
          expected.push([index, name, rings(asTerraform(alarm), data, now) ? "ALARM" : "OK"]);
        }
      }
      expect(seen).to.deep.equal(expected);
      for (const name of Object.keys(alarms)) {
        const states = new Set(seen.filter((one) => (one as string[])[1] === name).map((one) => (one as string[])[2]));
        expect([...states].sort(), name).to.deep.equal(["ALARM", "OK"]);
      }
    });

    /** In the words of Terraform's JSON. */
    function asTerraform(alarm: MetricAlarm): Json {
      return {
        alarm_name: alarm.AlarmName,
        namespace: alarm.Namespace,
        metric_name: alarm.MetricName,
        dimensions: SITE,
        statistic: alarm.Statistic,
        period: alarm.Period,
        evaluation_periods: alarm.EvaluationPeriods,
        datapoints_to_alarm: alarm.DatapointsToAlarm,
        threshold: alarm.Threshold,
        comparison_operator: alarm.ComparisonOperator,
        treat_missing_data: alarm.TreatMissingData,
      };
    }

    it("looks at periods that end with the minute, not at those of the clock", async () => {
      await on.alarm("sum", { Statistic: "Sum", Period: 300, EvaluationPeriods: 1, Threshold: 170 });
      const start = await next(5);
      for (const minute of [4, 6]) await on.put("DiskUsed", 90, { at: start + minute * MINUTE_MS });
      const states: unknown[] = [];
      for (let minute = 1; minute <= 10; minute++) {
        await next(1);
        states.push(await on.state("sum"));
      }
      const rang = states.flatMap((state, index) => (state === "ALARM" ? [index + 1] : []));
      expect(rang).to.deep.equal([7, 8, 9]);
    });

    it("keeps its state, or knows nothing, where no data means that", async () => {
      for (const TreatMissingData of ["ignore", "missing"]) await on.alarm(TreatMissingData, { TreatMissingData });
      const states = async () => [await on.state("ignore"), await on.state("missing")];
      await on.advance(60);
      expect(await states()).to.deep.equal(["INSUFFICIENT_DATA", "INSUFFICIENT_DATA"]);
      await on.put("DiskUsed", 20);
      await on.advance(60);
      expect(await states()).to.deep.equal(["OK", "OK"]);
      await on.advance(900);
      expect(await states()).to.deep.equal(["OK", "INSUFFICIENT_DATA"]);
    });

    it("of another metric or of other dimensions is not concerned", async () => {
      const bad = { Period: 60, EvaluationPeriods: 1 };
      await on.alarm("disk", bad);
      await on.alarm("clock", { ...bad, MetricName: "ClockOffset" });
      await on.alarm("other", { ...bad, Dimensions: dimensionsOf({ ...SITE, Site: "osaka" }) });
      await on.alarm("all sites", { ...bad, Dimensions: [] });
      await on.put("DiskUsed", 90);
      const fired = await on.advance(60);
      expect(fired).to.have.length(4);
      expect((await changes()).filter((change) => change.endsWith("ALARM"))).to.deep.equal([
        "disk: INSUFFICIENT_DATA -> ALARM",
      ]);
    });

    it("tells its change to who listens: in JSON, and in sentences to people", async () => {
      const topic = await on.topic();
      const heard = await on.listener(topic);
      await on.subscribe(topic, "email", ADDRESS);
      await on.moto.confirm(ADDRESS);
      const AlarmDescription = "The disk is full. What to do: docs/runbook.md#disk";
      const told = { AlarmDescription, AlarmActions: [topic], OKActions: [topic] };
      await on.alarm("disk", { ...told, EvaluationPeriods: 1, Period: 60 });
      await on.put("DiskUsed", 95);
      await on.advance(60);
      await on.advance(60);
      const messages = (await heard()).map(({ Subject, Message }) => ({ Subject, ...JSON.parse(Message) }));
      const at = (await on.moto.alarms()).map((change) => change.at.replace("Z", "+0000"));
      const reason = "Threshold Crossed: 1 out of the last 1 datapoints";
      expect(messages.map(({ AlarmConfigurationUpdatedTimestamp: _, ...rest }) => rest)).to.deep.equal(
        [
          { now: "ALARM", old: "INSUFFICIENT_DATA", why: `${reason} [95.0] were greater than the threshold (85.0).` },
          { now: "OK", old: "ALARM", why: `${reason} [missing] were not greater than the threshold (85.0).` },
        ].map(({ now, old, why }, index) => ({
          Subject: `${now}: "disk" in Asia Pacific (Tokyo)`,
          AlarmName: "disk",
          AlarmDescription,
          AWSAccountId: ACCOUNT,
          NewStateValue: now,
          NewStateReason: why,
          StateChangeTime: at[index],
          Region: "Asia Pacific (Tokyo)",
          AlarmArn: arnOf("cloudwatch", "alarm:disk"),
          OldStateValue: old,
          OKActions: [topic],
          AlarmActions: [topic],
          InsufficientDataActions: [],
          Trigger: {
            MetricName: "DiskUsed",
            Namespace: NAMESPACE,
            StatisticType: "Statistic",
            Statistic: "MINIMUM",
            Unit: null,
            Dimensions: [
              { name: "Site", value: "tokyo" },
              { name: "Environment", value: "prod" },
            ],
            Period: 60,
            EvaluationPeriods: 1,
            ComparisonOperator: "GreaterThanThreshold",
            Threshold: 85,
            TreatMissingData: "notBreaching",
            EvaluateLowSampleCountPercentile: "",
          },
        })),
      );
      const [, alarm, ok] = await on.moto.mail();
      expect([alarm?.to, alarm?.topic, alarm?.subject, ok?.subject]).to.deep.equal([
        ADDRESS,
        topic,
        `ALARM: "disk" in Asia Pacific (Tokyo)`,
        `OK: "disk" in Asia Pacific (Tokyo)`,
      ]);
      expect(alarm?.text).to.match(/^You are receiving this email because .* "disk" .* has entered the ALARM state/);
      expect(alarm?.text).to.include(`- Description: ${AlarmDescription}\n`);
      expect(alarm?.text).not.to.include("{");
    });

    it("tells nobody where its actions are off, and disturbs nobody where its topic is gone", async () => {
      const topic = await on.topic();
      const heard = await on.listener(topic);
      const ringing = { TreatMissingData: "breaching", AlarmActions: [topic] };
      await on.alarm("off", { ...ringing, ActionsEnabled: false });
      await on.alarm("lost", { ...ringing, AlarmActions: [arnOf("sns", "gone")] });
      await on.alarm("on", ringing);
      await on.advance(60);
      expect([await on.state("off"), await on.state("lost"), await on.state("on")]).to.deep.equal([
        "ALARM",
        "ALARM",
        "ALARM",
      ]);
      expect((await heard()).map(({ Message }) => JSON.parse(Message).AlarmName)).to.deep.equal(["on"]);
    });

    it("keeps its state when it is changed, and rings once until it is over", async () => {
      await on.alarm("silent", { TreatMissingData: "breaching" });
      await on.advance(60);
      await on.alarm("silent", { TreatMissingData: "breaching", Threshold: 70 });
      expect((await on.described("silent")).StateReason).to.include("[missing, missing, missing] were");
      await on.advance(DAY_SECONDS);
      await on.put("DiskUsed", 20);
      await on.advance(60);
      expect(await changes()).to.deep.equal(["silent: INSUFFICIENT_DATA -> ALARM", "silent: ALARM -> OK"]);
    });

    it("is looked at when a minute ends by itself, too, but not one that was set by hand", async () => {
      await on.alarm("silent", { TreatMissingData: "breaching" });
      await on.alarm("set", { TreatMissingData: "breaching" });
      await on.set("set", "OK");
      const now = Date.now();
      await on.moto.setAhead((MINUTE_MS - (now % MINUTE_MS)) / 1000 - 0.5);
      for (let tries = 0; (await on.state("silent")) !== "ALARM"; tries++) {
        if (tries === 200) throw new Error("it did not ring within 10 s");
        await sleep(50);
      }
      expect(await on.state("set")).to.equal("OK");
      await on.advance(60);
      expect(await on.state("set")).to.equal("ALARM");
      expect(await changes()).to.deep.equal([
        "set: INSUFFICIENT_DATA -> OK",
        "silent: INSUFFICIENT_DATA -> ALARM",
        "set: OK -> ALARM",
      ]);
    });

    it("of several metrics, of a percentile, of a unit or of seconds is left alone", async () => {
      const MetricStat = { Metric: { Namespace: NAMESPACE, MetricName: "DiskUsed" }, Period: 60, Stat: "Sum" };
      const TreatMissingData = "breaching";
      await on.cloudwatch.send(
        new PutMetricAlarmCommand({
          AlarmName: "math",
          Metrics: [{ Id: "a", MetricStat }],
          Threshold: 0,
          EvaluationPeriods: 1,
          ComparisonOperator: "GreaterThanThreshold",
          TreatMissingData,
        }),
      );
      await on.alarm("percentile", { TreatMissingData, Statistic: undefined, ExtendedStatistic: "p90" });
      await on.alarm("unit", { TreatMissingData, Unit: "Percent" });
      await on.alarm("seconds", { TreatMissingData, Period: 10 });
      await on.advance(60);
      expect(await on.moto.alarms()).to.deep.equal([]);
      expect(await on.state("math")).to.equal("INSUFFICIENT_DATA");
    });

    it("is forgotten by a reset, with all that came of it", async () => {
      await on.alarm("silent", { TreatMissingData: "breaching" });
      await on.put("DiskUsed", 90);
      await on.advance(60);
      await on.subscribe(await on.topic(), "email", ADDRESS);
      await on.moto.reset();
      expect([
        await on.moto.alarms(),
        await on.moto.mail(),
        await on.moto.control("GET", "subscriptions"),
      ]).to.deep.equal([[], [], []]);
      expect(await on.sum(NAMESPACE, "DiskUsed", SITE)).to.equal(undefined);
    });
  });

  describe("an address", () => {
    beforeEach(() => on.moto.reset());

    it("gets nothing but the question until it is confirmed", async () => {
      const topic = await on.topic();
      await on.subscribe(topic, "email", ADDRESS);
      await on.publish(topic, "too early");
      await on.moto.confirm(ADDRESS);
      await on.publish(topic, "hello");
      await on.publish(topic, "{}", "A subject");
      const mail = (await on.moto.mail()).map(({ to, subject, text }) => [to, subject, text]);
      expect(mail).to.deep.equal([
        [
          ADDRESS,
          "AWS Notification - Subscription Confirmation",
          `You have chosen to subscribe to the topic: ${topic}`,
        ],
        [ADDRESS, "AWS Notification Message", "hello"],
        [ADDRESS, "A subject", "{}"],
      ]);
      expect(await refused(on.moto.confirm(ADDRESS))).to.include("nothing waits for me@example.com to be confirmed");
    });

    it("that is pending is listed without its ARN, counted as such, and cannot be taken away", async () => {
      const topic = await on.topic();
      const arn = await on.subscribe(topic, "email", ADDRESS, true);
      expect(arn).to.match(/^arn:aws:sns:ap-northeast-1:123456789012:alerts:/);
      const list = async () => {
        const { Subscriptions = [] } = await on.sns.send(new ListSubscriptionsByTopicCommand({ TopicArn: topic }));
        const { Attributes } = await on.sns.send(new GetSubscriptionAttributesCommand({ SubscriptionArn: arn }));
        const { Attributes: all } = await on.sns.send(new GetTopicAttributesCommand({ TopicArn: topic }));
        return [
          Subscriptions.map(({ SubscriptionArn }) => SubscriptionArn),
          Attributes?.PendingConfirmation,
          all?.SubscriptionsPending,
          all?.SubscriptionsConfirmed,
        ];
      };
      const takenAway = () => refused(on.sns.send(new UnsubscribeCommand({ SubscriptionArn: arn })));
      expect(await list()).to.deep.equal([["PendingConfirmation"], "true", "1", "0"]);
      expect(await takenAway()).to.equal(
        "InvalidParameterException: Cannot unsubscribe a subscription that is pending confirmation",
      );
      await on.moto.confirm(ADDRESS);
      expect(await list()).to.deep.equal([[arn], "false", "0", "1"]);
      expect(await takenAway()).to.equal("");
      expect(await on.moto.control("GET", "subscriptions")).to.deep.equal([]);
    });
  });

  describe("a message for a function", () => {
    beforeEach(() => on.moto.reset());

    it("comes as SNS gives it, and is tried again and buried when it fails", async () => {
      const QueueUrl = await on.queue("dead");
      const topic = await on.topic();
      const fn = await on.function("fn");
      await on.permit("fn", topic);
      await on.subscribe(topic, "lambda", fn);
      await on.publish(topic, "fail", "A subject");
      await on.advance(600);
      const events = await on.printed("fn");
      expect(events).to.have.length(3);
      const [{ EventSource, Sns }] = events[0].Records;
      expect([EventSource, Sns.TopicArn, Sns.Subject, Sns.Message]).to.deep.equal([
        "aws:sns",
        topic,
        "A subject",
        "fail",
      ]);
      const { Messages } = await on.sqs.send(new ReceiveMessageCommand({ QueueUrl }));
      expect(JSON.parse(Messages?.[0]?.Body ?? "{}")).to.deep.equal(events[0]);
    });

    it("is lost where the function does not let the topic call it, or is gone", async () => {
      const topic = await on.topic();
      const fn = await on.function("fn");
      await on.permit("fn", arnOf("sns", "another"));
      await on.subscribe(topic, "lambda", fn);
      await on.subscribe(topic, "lambda", `${fn}-gone`);
      await on.publish(topic, "hello");
      expect(await on.printed("fn")).to.deep.equal([]);
    });
  });

  describe("a saved query", () => {
    it("can be changed and deleted, and is another region's affair there", async () => {
      await on.moto.reset();
      const given = { name: "prod/errors", queryString: "limit 1", logGroupNames: ["a", "b"] };
      const { queryDefinitionId = "" } = await on.logs.send(new PutQueryDefinitionCommand(given));
      await on.logs.send(new PutQueryDefinitionCommand({ ...given, queryDefinitionId, queryString: "limit 2" }));
      const list = async () =>
        (await on.logs.send(new DescribeQueryDefinitionsCommand())).queryDefinitions?.map(
          ({ lastModified: _, ...rest }) => rest,
        );
      expect(await list()).to.deep.equal([{ ...given, queryDefinitionId, queryString: "limit 2" }]);
      const unknown = new PutQueryDefinitionCommand({ ...given, queryDefinitionId: "none" });
      expect(await refused(on.logs.send(unknown))).to.match(/^ResourceNotFoundException/);
      const elsewhere = new CloudWatchLogsClient({ ...on.moto.sdk, region: "eu-west-1" });
      expect((await elsewhere.send(new DescribeQueryDefinitionsCommand())).queryDefinitions).to.deep.equal([]);
      elsewhere.destroy();
      await on.logs.send(new DeleteQueryDefinitionCommand({ queryDefinitionId }));
      expect(await list()).to.deep.equal([]);
    });
  });
});
