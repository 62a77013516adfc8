import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  DescribeLogGroupsCommand,
  FilterLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import {
  AllocateAddressCommand,
  CreateLaunchTemplateCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DescribeInstancesCommand,
  EC2Client,
  RunInstancesCommand,
} from "@aws-sdk/client-ec2";
import {
  DeleteRuleCommand,
  DisableRuleCommand,
  EnableRuleCommand,
  EventBridgeClient,
  PutEventsCommand,
  PutRuleCommand,
  type PutRuleCommandInput,
  PutTargetsCommand,
  type Target,
} from "@aws-sdk/client-eventbridge";
import { CreateRoleCommand, IAMClient } from "@aws-sdk/client-iam";
import {
  AddPermissionCommand,
  CreateFunctionCommand,
  type CreateFunctionCommandInput,
  DeleteFunctionCommand,
  GetFunctionConfigurationCommand,
  GetFunctionEventInvokeConfigCommand,
  InvokeCommand,
  LambdaClient,
  PutFunctionConcurrencyCommand,
  PutFunctionEventInvokeConfigCommand,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
} from "@aws-sdk/client-lambda";
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { CreateDocumentCommand, ListCommandsCommand, PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { expect } from "chai";
import { bundleFunctions } from "../../modules/lambda";
import { type Invocation, Moto, PATCHED, STOCK } from "./emulator/moto";
import { zipOf } from "./harness/zip";

const ACCOUNT = "123456789012";
const REGION = "ap-northeast-1";
const ROLE = `arn:aws:iam::${ACCOUNT}:role/functions`;
const OTHERS_SECRET = "NOT_FOR_FUNCTIONS";

/** Does what its event says. */
const CODE = `
const { setTimeout: sleep } = require("node:timers/promises");
let runs = 0;
exports.handler = async (event, context) => {
  runs += 1;
  const { does, ms, text } = event.detail ?? event;
  if (text) console.log(text);
  if (does === "wait") await sleep(ms);
  if (does === "throw") throw new TypeError("there is no such thing");
  if (does === "throw-later") { setTimeout(() => { throw new RangeError("too late"); }, 1); await sleep(1000); }
  if (does === "exit") process.exit(3);
  if (does === "fill") for (const kept = []; ; await sleep(1)) kept.push(Buffer.alloc(8 << 20, 1));
  return { runs, pid: process.pid, folder: __dirname, now: Date.now(), today: new Date().toISOString(),
    remaining: context.getRemainingTimeInMillis(), context: JSON.parse(JSON.stringify(context)), variables: process.env };
};
`;

interface Told {
  readonly runs: number;
  readonly pid: number;
  readonly folder: string;
  readonly now: number;
  readonly today: string;
  readonly remaining: number;
  readonly context: Record<string, string>;
  readonly variables: Record<string, string>;
}

/** What is in a queue, with its attributes, and is taken out of it. */
interface Letter {
  readonly body: unknown;
  readonly attributes: Record<string, string | undefined>;
}

/** Everything that these tests ask of one emulator. */
class Account {
  readonly lambda: LambdaClient;
  readonly rules: EventBridgeClient;
  readonly sqs: SQSClient;
  readonly ssm: SSMClient;
  readonly ec2: EC2Client;
  readonly logs: CloudWatchLogsClient;
  private readonly iam: IAMClient;

  constructor(readonly moto: Moto) {
    const sdk = { ...moto.sdk, maxAttempts: 1 };
    this.lambda = new LambdaClient(sdk);
    this.rules = new EventBridgeClient(sdk);
    this.sqs = new SQSClient(sdk);
    this.ssm = new SSMClient(sdk);
    this.ec2 = new EC2Client(sdk);
    this.logs = new CloudWatchLogsClient(sdk);
    this.iam = new IAMClient(sdk);
  }

  async begin(): Promise<void> {
    await this.moto.reset();
    await this.iam.send(new CreateRoleCommand({ RoleName: "functions", AssumeRolePolicyDocument: "{}" }));
  }

  async make(FunctionName: string, given: Partial<CreateFunctionCommandInput> = {}): Promise<string> {
    const { FunctionArn = "" } = await this.lambda.send(
      new CreateFunctionCommand({
        FunctionName,
        Role: ROLE,
        Runtime: "nodejs22.x",
        Handler: "index.handler",
        Code: { ZipFile: zipped(CODE) },
        Timeout: 10,
        MemorySize: 256,
        ...given,
      }),
    );
    return FunctionArn;
  }

  async invoke(FunctionName: string, event: unknown = {}) {
    const Payload = Buffer.from(JSON.stringify(event));
    const { FunctionError, ...answer } = await this.lambda.send(new InvokeCommand({ FunctionName, Payload }));
    return { error: FunctionError, said: JSON.parse(Buffer.from(answer.Payload ?? []).toString()) };
  }

  async tell(name: string, event: unknown = {}): Promise<Told> {
    return (await this.invoke(name, event)).said;
  }

  async send(FunctionName: string, event: unknown): Promise<void> {
    const Payload = Buffer.from(JSON.stringify(event));
    const { StatusCode } = await this.lambda.send(
      new InvokeCommand({ FunctionName, Payload, InvocationType: "Event" }),
    );
    expect(StatusCode).to.equal(202);
  }

  async queue(QueueName: string): Promise<string> {
    await this.sqs.send(new CreateQueueCommand({ QueueName }));
    return `arn:aws:sqs:${REGION}:${ACCOUNT}:${QueueName}`;
  }

  async letters(queue: string): Promise<Letter[]> {
    const { Messages = [] } = await this.sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: `${this.moto.url}/${ACCOUNT}/${queue}`,
        MaxNumberOfMessages: 10,
        MessageAttributeNames: ["All"],
      }),
    );
    return Messages.map(({ Body = "", MessageAttributes = {} }) => ({
      body: JSON.parse(Body),
      attributes: Object.fromEntries(
        Object.entries(MessageAttributes).map(([name, { StringValue }]) => [name, StringValue]),
      ),
    }));
  }

  /** A rule with one target; a function lets itself be called by it. */
  async rule(given: PutRuleCommandInput, target: Omit<Target, "Id">): Promise<void> {
    const { RuleArn } = await this.rules.send(new PutRuleCommand(given));
    await this.rules.send(new PutTargetsCommand({ Rule: given.Name, Targets: [{ Id: "only", ...target } as Target] }));
    if (target.Arn?.includes(":lambda:")) await this.permit(target.Arn, RuleArn);
  }

  async permit(FunctionName: string, SourceArn: string | undefined): Promise<void> {
    await this.lambda.send(
      new AddPermissionCommand({
        FunctionName,
        StatementId: `s${Date.now()}${Math.floor(Math.random() * 1e6)}`,
        Action: "lambda:InvokeFunction",
        Principal: "events.amazonaws.com",
        SourceArn,
      }),
    );
  }

  async happens(detail: object, source = "tests", DetailType = "Happening") {
    const { Entries = [] } = await this.rules.send(
      new PutEventsCommand({ Entries: [{ Source: source, DetailType, Detail: JSON.stringify(detail) }] }),
    );
    await this.moto.settled();
    return Entries[0] ?? {};
  }

  /** What the function was given, in order. */
  async given(name: string): Promise<unknown[]> {
    return (await this.ran(name)).map(({ event }) => event);
  }

  async ran(name: string): Promise<Invocation[]> {
    return (await this.moto.invocations()).filter((invocation) => invocation.function === name);
  }

  /** An API whose client the product does not need. */
  async schedule(name: string, given: object, method = "POST"): Promise<Response> {
    return fetch(`${this.moto.url}/schedules/${name}`, {
      method,
      headers: {
        "content-type": "application/json",
        authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/${REGION}/scheduler/aws4_request, SignedHeaders=host, Signature=0`,
      },
      body: JSON.stringify({ FlexibleTimeWindow: { Mode: "OFF" }, State: "ENABLED", ...given }),
    });
  }

  /** When it is due next, in UTC. */
  async due(what: string): Promise<string | undefined> {
    const { due } = await this.moto.control<{ due: { at: string; what: string }[] }>("GET", "clock");
    return due.find((one) => one.what === what)?.at;
  }
}

const folders: string[] = [];

function zipped(code: string): Buffer {
  const folder = mkdtempSync(path.join(tmpdir(), "code-"));
  folders.push(folder);
  writeFileSync(path.join(folder, "index.js"), code);
  return zipOf(folder, 0o644);
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(happened: () => boolean): Promise<void> {
  for (let tries = 0; !happened(); tries++) {
    if (tries === 200) throw new Error(`it did not happen within 10 s: ${happened}`);
    await sleep(50);
  }
}

/** @returns the name and the HTTP status of what an API refuses with */
async function refusal(asked: Promise<unknown>): Promise<[string, number | undefined]> {
  try {
    await asked;
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } };
    return [name, $metadata?.httpStatusCode];
  }
  throw new Error("nothing was refused");
}

describe("functions and events of the AWS emulator", function () {
  this.timeout(60_000);
  let account: Account;
  let stock: Account;
  let moto: Moto;

  before(async () => {
    process.env[OTHERS_SECRET] = "1";
    [moto, stock] = await Promise.all([
      Moto.start(PATCHED, { environment: { CLOUDFLARE_BASE_URL: "http://127.0.0.1:1" } }),
      Moto.start(STOCK).then((started) => new Account(started)),
    ]);
    delete process.env[OTHERS_SECRET];
    account = new Account(moto);
    const withoutDocker = JSON.stringify({ lambda: { use_docker: false } });
    await fetch(`${stock.moto.url}/moto-api/config`, { method: "POST", body: withoutDocker });
  });

  after(async () => {
    await Promise.all([moto?.stop(), stock?.moto.stop()]);
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  describe("every gap", () => {
    /** Whether an emulator keeps the promise. */
    const promises: Record<string, (on: Account) => Promise<boolean>> = {
      functions_run_without_docker: async (on) => {
        await on.make("fn");
        return (await on.tell("fn")).runs === 1;
      },
      dead_letters_are_configured: async (on) => {
        const TargetArn = await on.queue("dead");
        await on.make("fn", { DeadLetterConfig: { TargetArn } });
        const kept = await on.lambda.send(new GetFunctionConfigurationCommand({ FunctionName: "fn" }));
        return kept.DeadLetterConfig?.TargetArn === TargetArn;
      },
      retries_can_be_changed: async (on) => {
        await on.make("fn");
        for (const MaximumRetryAttempts of [2, 1]) {
          await on.lambda.send(new PutFunctionEventInvokeConfigCommand({ FunctionName: "fn", MaximumRetryAttempts }));
        }
        const kept = await on.lambda.send(new GetFunctionEventInvokeConfigCommand({ FunctionName: "fn" }));
        return kept.MaximumRetryAttempts === 1;
      },
      events_reach_functions_and_servers: async (on) => {
        await on.rule({ Name: "rule", EventPattern: '{"source":["tests"]}' }, { Arn: await on.make("fn") });
        await on.happens({});
        return (await on.given("fn")).length === 1;
      },
      rules_can_be_silent: async (on) => {
        const Arn = await on.queue("queue");
        await on.rule({ Name: "off", EventPattern: '{"source":["tests"]}', State: "DISABLED" }, { Arn });
        await on.rule({ Name: "tick", ScheduleExpression: "rate(1 day)" }, { Arn });
        await on.rules.send(
          new PutEventsCommand({ Entries: [{ Source: "tests", DetailType: "Happening", Detail: "{}" }] }),
        );
        return (await on.letters("queue")).length === 0;
      },
      nobody_speaks_for_aws: async (on) => {
        const { Entries } = await on.rules.send(
          new PutEventsCommand({ Entries: [{ Source: "aws.ec2", DetailType: "Happening", Detail: "{}" }] }),
        );
        return Entries?.[0]?.ErrorCode === "NotAuthorizedForSourceException";
      },
      rules_fire_by_the_clock: async (on) => {
        await on.rule({ Name: "tick", ScheduleExpression: "rate(1 minute)" }, { Arn: await on.make("fn") });
        await on.moto.advance(60);
        return (await on.given("fn")).length === 1;
      },
      schedules_fire_by_the_clock: async (on) => {
        const Arn = await on.make("fn");
        await on.schedule("minute", { ScheduleExpression: "rate(1 minute)", Target: { Arn, RoleArn: ROLE } });
        await on.moto.advance(60);
        return (await on.given("fn")).length === 1;
      },
    };

    for (const [gap, keeps] of Object.entries(promises)) {
      it(`${gap}: is open in moto, and closed here`, async () => {
        await Promise.all([account.begin(), stock.begin()]);
        const kept = await keeps(stock).catch(() => false);
        expect([kept, await keeps(account)]).to.deep.equal([false, true]);
      });
    }

    it("is told of", async () => {
      const gaps = await moto.control<{ name: string; module: string; reason: string }[]>("GET", "gaps");
      const ours = gaps.filter(({ module }) => module === "functions" || module === "events");
      expect(ours.map(({ name }) => name).sort()).to.deep.equal(Object.keys(promises).sort());
      for (const { reason } of ours) expect(reason).to.match(/^[A-Z].+\.$/);
    });
  });

  describe("a function", () => {
    beforeEach(() => account.begin());

    it("finds Lambda's context and Lambda's variables, its own, the emulator's, and nobody else's", async () => {
      const arn = await account.make("fn", { Environment: { Variables: { COLOUR: "blue" } } });
      const { context, variables, remaining, folder } = await account.tell("fn");
      expect(context.awsRequestId).to.match(/^[0-9a-f-]{36}$/);
      expect(context.logStreamName).to.match(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/);
      expect(context).to.include({
        functionName: "fn",
        functionVersion: "$LATEST",
        invokedFunctionArn: arn,
        memoryLimitInMB: "256",
        logGroupName: "/aws/lambda/fn",
      });
      expect(remaining).to.be.within(1, 10_000);
      expect(variables).to.deep.equal({
        // Python's own launcher may have put something before it.
        PATH: variables.PATH,
        LANG: "en_US.UTF-8",
        TZ: ":UTC",
        AWS_REGION: REGION,
        AWS_DEFAULT_REGION: REGION,
        AWS_ACCESS_KEY_ID: "test",
        AWS_SECRET_ACCESS_KEY: "test",
        AWS_SESSION_TOKEN: "test",
        AWS_EXECUTION_ENV: "AWS_Lambda_nodejs22.x",
        AWS_LAMBDA_FUNCTION_NAME: "fn",
        AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "256",
        AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
        AWS_LAMBDA_LOG_GROUP_NAME: "/aws/lambda/fn",
        AWS_LAMBDA_LOG_STREAM_NAME: context.logStreamName,
        LAMBDA_TASK_ROOT: folder,
        _HANDLER: "index.handler",
        AWS_ENDPOINT_URL: moto.url,
        CLOUDFLARE_BASE_URL: "http://127.0.0.1:1",
        COLOUR: "blue",
      });
    });

    it("stays warm for the next event, and has a second process only while the first is busy", async () => {
      await account.make("fn");
      const first = await account.tell("fn");
      expect(await account.tell("fn")).to.include({ runs: 2, pid: first.pid });
      const together = await Promise.all([1, 2].map(() => account.tell("fn", { does: "wait", ms: 300 })));
      expect(new Set(together.map(({ pid }) => pid))).to.have.property("size", 2);
      expect(together.map(({ runs }) => runs).sort()).to.deep.equal([1, 3]);
    });

    it("that throws answers with its error, and stays", async () => {
      await account.make("fn");
      const { pid } = await account.tell("fn");
      const { error, said } = await account.invoke("fn", { does: "throw" });
      expect([error, said.errorType, said.errorMessage]).to.deep.equal([
        "Unhandled",
        "TypeError",
        "there is no such thing",
      ]);
      expect(said.trace[0]).to.equal("TypeError: there is no such thing");
      expect(await account.tell("fn")).to.include({ runs: 3, pid });
    });

    for (const [what, event, given, type, message] of [
      [
        "takes too long",
        { does: "wait", ms: 5000 },
        { Timeout: 1 },
        "Sandbox.Timedout",
        "Task timed out after 1.00 seconds",
      ],
      [
        "takes too much memory",
        { does: "fill" },
        { MemorySize: 128 },
        "Runtime.ExitError",
        "Runtime exited with error: signal: killed",
      ],
      ["ends itself", { does: "exit" }, {}, "Runtime.ExitError", "Runtime exited with error: exit status 3"],
      ["throws where nobody catches", { does: "throw-later" }, {}, "RangeError", "too late"],
    ] as const) {
      it(`that ${what} is ended, and starts anew`, async () => {
        await account.make("fn", given);
        const { pid } = await account.tell("fn");
        const { error, said } = await account.invoke("fn", event);
        expect([error, said.errorType]).to.deep.equal(["Unhandled", type]);
        expect(said.errorMessage.replace(/^RequestId: [0-9a-f-]{36} Error: /, "")).to.equal(message);
        await until(() => !lives(pid));
        expect(await account.tell("fn")).to.include({ runs: 1 });
      });
    }

    for (const [what, code, type, message] of [
      ["cannot be loaded", "throw new SyntaxError('half a file')", "SyntaxError", "half a file"],
      ["has no handler", "exports.other = 1", "Runtime.HandlerNotFound", "index.handler is undefined or not exported"],
    ] as const) {
      it(`that ${what} says so`, async () => {
        await account.make("fn", { Code: { ZipFile: zipped(code) } });
        const { error, said } = await account.invoke("fn");
        expect([error, said.errorType, said.errorMessage]).to.deep.equal(["Unhandled", type, message]);
      });
    }

    it("writes its log where the group is there, and makes none", async () => {
      await account.make("fn", { MemorySize: 192 });
      await account.invoke("fn", { text: "lost" });
      expect((await account.logs.send(new DescribeLogGroupsCommand({}))).logGroups).to.deep.equal([]);
      const logGroupName = "/aws/lambda/fn";
      await account.logs.send(new CreateLogGroupCommand({ logGroupName }));
      await account.lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName: "fn", MemorySize: 256 }));
      const { context } = await account.tell("fn", { text: "one\ntwo" });
      await account.invoke("fn", { does: "throw" });
      const { events = [] } = await account.logs.send(new FilterLogEventsCommand({ logGroupName }));
      const id = context.awsRequestId;
      const lines = events.map(({ message = "" }) =>
        message.replaceAll(id ?? "", "ID").replace(/[\d.]+ (ms|MB)/g, "n $1"),
      );
      expect(lines.slice(0, 6)).to.deep.equal([
        "INIT_START Runtime Version: nodejs22.x",
        "START RequestId: ID Version: $LATEST",
        "one",
        "two",
        "END RequestId: ID",
        "REPORT RequestId: ID\tDuration: n ms\tBilled Duration: n ms\tMemory Size: n MB\tMax Memory Used: n MB\tInit Duration: n ms",
      ]);
      expect(lines[7]).to.match(/\tERROR\tInvoke Error\t\{"errorType": "TypeError", /);
      expect(new Set(events.map(({ logStreamName }) => logStreamName))).to.deep.equal(new Set([context.logStreamName]));
    });

    it("runs no more than its reserved concurrency allows", async () => {
      await account.make("fn");
      await account.lambda.send(
        new PutFunctionConcurrencyCommand({ FunctionName: "fn", ReservedConcurrentExecutions: 1 }),
      );
      const { pid } = await account.tell("fn");
      const running = account.tell("fn", { does: "wait", ms: 500 });
      await sleep(100);
      expect(await refusal(account.invoke("fn"))).to.deep.equal(["TooManyRequestsException", 429]);
      expect(await running).to.include({ pid, runs: 2 });
      expect(await account.tell("fn")).to.include({ runs: 3 });
    });

    it("runs new code and new settings in a new process, and ends when it is deleted", async () => {
      await account.make("fn");
      const old = await account.tell("fn");
      await account.lambda.send(
        new UpdateFunctionCodeCommand({ FunctionName: "fn", ZipFile: zipped(`${CODE}\n// newer`) }),
      );
      expect([lives(old.pid), existsSync(old.folder)]).to.deep.equal([false, false]);
      const newer = await account.tell("fn");
      await account.lambda.send(
        new UpdateFunctionConfigurationCommand({ FunctionName: "fn", Environment: { Variables: { COLOUR: "red" } } }),
      );
      expect(lives(newer.pid)).to.equal(false);
      const newest = await account.tell("fn");
      expect([newest.runs, newest.variables.COLOUR]).to.deep.equal([1, "red"]);
      await account.lambda.send(new DeleteFunctionCommand({ FunctionName: "fn" }));
      expect([lives(newest.pid), existsSync(newest.folder)]).to.deep.equal([false, false]);
      expect(await refusal(account.invoke("fn"))).to.deep.equal(["ResourceNotFoundException", 404]);
    });

    it("tells the time by the emulator's clock, also when it goes on meanwhile", async () => {
      await account.make("fn");
      const first = await account.tell("fn");
      await moto.advance(7200);
      const later = await account.tell("fn");
      expect(later.now - first.now).to.be.within(7_200_000, 7_260_000);
      expect(Math.abs(Date.parse(later.today) - later.now)).to.be.below(1000);
      const running = account.tell("fn", { does: "wait", ms: 1000 });
      await sleep(200);
      await moto.setAhead(100_000);
      expect((await running).now - Date.now()).to.be.within(98_000_000, 100_001_000);
    });

    it("without code is moto's, which gives the event back", async () => {
      const empty = Buffer.from(`504b0506${"00".repeat(18)}`, "hex");
      await account.make("fn", { Code: { ZipFile: empty } });
      expect((await account.invoke("fn", { a: 1 })).said).to.deep.equal({ a: 1 });
      const results = JSON.stringify({ results: ['{"b":2}'], region: REGION });
      await fetch(`${moto.url}/moto-api/static/lambda-simple/response`, { method: "POST", body: results });
      expect((await account.invoke("fn", { a: 1 })).said).to.deep.equal({ b: 2 });
    });

    it("is not run for what is not JSON", async () => {
      await account.make("fn");
      const Payload = Buffer.from("{");
      expect(await refusal(account.lambda.send(new InvokeCommand({ FunctionName: "fn", Payload })))).to.deep.equal([
        "InvalidRequestContentException",
        400,
      ]);
    });
  });

  describe("an event for a function that fails", () => {
    beforeEach(() => account.begin());

    it("is tried again after one minute and after two more, and then buried", async () => {
      const TargetArn = await account.queue("dead");
      await account.make("fn", { DeadLetterConfig: { TargetArn } });
      await account.send("fn", { does: "throw" });
      await moto.settled();
      expect(await account.given("fn")).to.deep.equal([{ does: "throw" }]);
      await moto.advance(30);
      expect(await account.given("fn")).to.have.length(1);
      await moto.advance(30);
      expect(await account.given("fn")).to.have.length(2);
      await moto.advance(90);
      expect([(await account.given("fn")).length, await account.letters("dead")]).to.deep.equal([2, []]);
      await moto.advance(30);
      const ran = await account.ran("fn");
      expect(ran).to.have.length(3);
      expect(await account.letters("dead")).to.deep.equal([
        {
          body: { does: "throw" },
          attributes: {
            RequestID: ran[0]?.request ?? "",
            ErrorCode: "200",
            ErrorMessage: "there is no such thing",
          },
        },
      ]);
      expect(new Set(ran.map(({ request }) => request))).to.have.property("size", 1);
      await moto.advance(3600);
      expect(await account.given("fn")).to.have.length(3);
    });

    for (const [what, config] of [
      ["allows no second try", { MaximumRetryAttempts: 0 }],
      ["lets no event get older than two minutes", { MaximumEventAgeInSeconds: 120, MaximumRetryAttempts: 2 }],
    ] as const) {
      it(`is buried when the function ${what}`, async () => {
        const TargetArn = await account.queue("dead");
        await account.make("fn", { DeadLetterConfig: { TargetArn } });
        await account.lambda.send(new PutFunctionEventInvokeConfigCommand({ FunctionName: "fn", ...config }));
        await account.send("fn", { does: "throw" });
        await moto.settled();
        await moto.advance(300);
        expect(await account.letters("dead")).to.have.length(1);
        expect(await account.given("fn")).to.have.length(config.MaximumRetryAttempts === 0 ? 1 : 2);
      });
    }

    it("that is too much at once waits for its turn", async () => {
      await account.make("fn");
      await account.lambda.send(
        new PutFunctionConcurrencyCommand({ FunctionName: "fn", ReservedConcurrentExecutions: 1 }),
      );
      for (const name of ["a", "b", "c"]) await account.send("fn", { does: "wait", ms: 200, name });
      await moto.settled();
      expect(
        (await account.given("fn"))
          .map((event) => (event as { name: string }).name)
          .sort()
          .join(""),
      ).to.equal("abc");
    });

    it("that may never run is buried at once", async () => {
      const TargetArn = await account.queue("dead");
      await account.make("fn", { DeadLetterConfig: { TargetArn } });
      await account.lambda.send(
        new PutFunctionConcurrencyCommand({ FunctionName: "fn", ReservedConcurrentExecutions: 0 }),
      );
      await account.send("fn", {});
      await moto.settled();
      const [letter] = await account.letters("dead");
      expect(letter?.attributes).to.include({ ErrorCode: "429", ErrorMessage: "Rate Exceeded." });
    });

    it("is forgotten by a reset, whether it runs, waits for its turn or is to be tried again", async () => {
      await account.make("fn", { Timeout: 60 });
      const { pid, folder } = await account.tell("fn");
      await account.send("fn", { does: "throw" });
      await moto.settled();
      await account.lambda.send(
        new PutFunctionConcurrencyCommand({ FunctionName: "fn", ReservedConcurrentExecutions: 1 }),
      );
      await account.send("fn", { does: "wait", ms: 60_000 });
      await sleep(200);
      await account.send("fn", { does: "nothing" });
      await account.begin();
      await until(() => !lives(pid) && !existsSync(folder));
      await account.make("fn");
      await moto.settled();
      await moto.advance(600);
      expect(await account.given("fn")).to.deep.equal([]);
    });
  });

  describe("an event", () => {
    beforeEach(() => account.begin());

    it("is given to a function as EventBridge gives it", async () => {
      await account.rule({ Name: "rule", EventPattern: '{"source":["tests"]}' }, { Arn: await account.make("fn") });
      const { EventId } = await account.happens({ a: [1, { b: "ü" }] });
      const [event] = (await account.given("fn")) as [Record<string, unknown>];
      expect(event.time).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(event).to.deep.equal({
        version: "0",
        id: EventId,
        "detail-type": "Happening",
        source: "tests",
        account: ACCOUNT,
        time: event.time,
        region: REGION,
        resources: [],
        detail: { a: [1, { b: "ü" }] },
      });
    });

    for (const [what, given, expected] of [
      ["always says the same", { Input: '{"source":"stingy-vpn"}' }, { source: "stingy-vpn" }],
      ["gives a part", { InputPath: "$.detail.instance-id" }, "i-1"],
      [
        "makes something of it",
        {
          InputTransformer: {
            InputPathsMap: { id: "$.detail.instance-id", detail: "$.detail" },
            InputTemplate: '{"text": "server <id> is \\"ready\\"", "id": <id>, "same": "<id>", "detail": <detail>}',
          },
        },
        { text: 'server i-1 is "ready"', id: "i-1", same: "i-1", detail: { "instance-id": "i-1" } },
      ],
    ] as const) {
      it(`is given by a target that ${what}`, async () => {
        const Arn = await account.make("fn");
        await account.rule({ Name: "rule", EventPattern: '{"source":["tests"]}' }, { Arn, ...given });
        await account.happens({ "instance-id": "i-1" });
        expect(await account.given("fn")).to.deep.equal([expected]);
      });
    }

    it("meets the patterns of the product, and only those", async () => {
      const patterns = {
        interruption: {
          source: ["aws.ec2"],
          "detail-type": ["Warning"],
          detail: { "instance-id": [{ exists: true }] },
        },
        states: { source: ["aws.ec2"], "detail-type": ["State"], detail: { state: ["stopping", "stopped"] } },
        ready: {
          source: ["stingy-vpn"],
          "detail-type": ["Ready", "Notice"],
          detail: { environment: ["prod"], site: ["tokyo"] },
        },
        store: {
          source: ["aws.ssm"],
          "detail-type": ["Change"],
          detail: { name: ["/s/key", { prefix: "/s/peers/" }], operation: ["Create", "Update", "Delete"] },
        },
      };
      const Arn = await account.make("fn");
      for (const [Name, pattern] of Object.entries(patterns)) {
        await account.rule({ Name, EventPattern: JSON.stringify(pattern) }, { Arn, Input: JSON.stringify(Name) });
      }
      const aws = (source: string, type: string, detail: object) => moto.event({ source, "detail-type": type, detail });
      await aws("aws.ec2", "Warning", { "instance-id": "i-1" });
      await aws("aws.ec2", "Warning", {});
      await aws("aws.ec2", "State", { state: "stopped" });
      await aws("aws.ec2", "State", { state: "running" });
      await account.happens({ environment: "prod", site: "tokyo" }, "stingy-vpn", "Notice");
      await account.happens({ environment: "prod", site: "osaka" }, "stingy-vpn", "Notice");
      await aws("aws.ssm", "Change", { name: "/s/key", operation: "Update" });
      await aws("aws.ssm", "Change", { name: "/s/peers/phone", operation: "Create" });
      await aws("aws.ssm", "Change", { name: "/s/peer-endpoints", operation: "Update" });
      await aws("aws.ssm", "Change", { name: "/s/key", operation: "LabelParameterVersion" });
      await moto.settled();
      expect((await account.given("fn")).sort()).to.deep.equal(["interruption", "ready", "states", "store", "store"]);
    });

    it("of AWS itself cannot be sent by others, whose other events of the same call are taken", async () => {
      const entry = (Source: string) => ({ Source, DetailType: "Happening", Detail: "{}" });
      const { Entries = [], FailedEntryCount } = await account.rules.send(
        new PutEventsCommand({ Entries: [entry("tests"), entry("aws.ec2"), entry("tests")] }),
      );
      expect([Entries.map(({ ErrorCode }) => ErrorCode ?? "taken"), FailedEntryCount]).to.deep.equal([
        ["taken", "NotAuthorizedForSourceException", "taken"],
        1,
      ]);
    });

    it("for a function that does not let the rule call it is buried at once", async () => {
      const [Arn, queue] = [await account.make("fn"), await account.queue("dead")];
      const target = { Arn, DeadLetterConfig: { Arn: queue } };
      await account.rules.send(new PutRuleCommand({ Name: "rule", EventPattern: '{"source":["tests"]}' }));
      await account.rules.send(new PutTargetsCommand({ Rule: "rule", Targets: [{ Id: "only", ...target }] }));
      await account.permit("fn", `arn:aws:events:${REGION}:${ACCOUNT}:rule/another`);
      await account.happens({});
      const [letter] = await account.letters("dead");
      const rule = `arn:aws:events:${REGION}:${ACCOUNT}:rule/rule`;
      expect(letter?.attributes).to.deep.equal({
        RULE_ARN: rule,
        TARGET_ARN: Arn,
        ERROR_CODE: "NO_PERMISSIONS",
        ERROR_MESSAGE: `${rule} may not call fn: the function has no permission for it`,
        RETRY_ATTEMPTS: "0",
      });
      expect(await account.given("fn")).to.deep.equal([]);
      await account.permit("fn", rule);
      await account.happens({});
      expect(await account.given("fn")).to.have.length(1);
    });

    it("for a function that is gone is buried at once", async () => {
      const [Arn, queue] = [await account.make("fn"), await account.queue("dead")];
      await account.rule(
        { Name: "rule", EventPattern: '{"source":["tests"]}' },
        { Arn, DeadLetterConfig: { Arn: queue } },
      );
      await account.lambda.send(new DeleteFunctionCommand({ FunctionName: "fn" }));
      await account.happens({ lost: true });
      const [letter] = await account.letters("dead");
      expect(letter?.body).to.deep.include({ source: "tests", detail: { lost: true } });
      expect(letter?.attributes.ERROR_CODE).to.equal("NO_RESOURCE");
    });

    it("that Lambda does not take is delivered later", async () => {
      await account.rule({ Name: "rule", EventPattern: '{"source":["tests"]}' }, { Arn: await account.make("fn") });
      await moto.fault({ api: "lambda:Invoke", kind: "throttle", times: 2 });
      await account.happens({});
      expect(await account.given("fn")).to.deep.equal([]);
      await moto.advance(1 + 2);
      expect(await account.given("fn")).to.have.length(1);
    });

    it("that Lambda does not take in time, or at all, is buried", async () => {
      const DeadLetterConfig = { Arn: await account.queue("dead") };
      const Arn = await account.make("fn");
      const EventPattern = '{"source":["tests"]}';
      await account.rule(
        { Name: "few", EventPattern },
        { Arn, DeadLetterConfig, RetryPolicy: { MaximumRetryAttempts: 2 } },
      );
      await account.rule(
        { Name: "young", EventPattern },
        { Arn, DeadLetterConfig, RetryPolicy: { MaximumEventAgeInSeconds: 60 } },
      );
      await moto.fault({ api: "lambda:Invoke", kind: "throttle" });
      await account.happens({});
      await moto.advance(600);
      const letters = await account.letters("dead");
      expect(
        letters.map(({ attributes: { RULE_ARN = "", ...rest } }) => [
          RULE_ARN.split("/")[1],
          rest.ERROR_CODE,
          rest.EXHAUSTED_RETRY_CONDITION,
          rest.RETRY_ATTEMPTS,
        ]),
      ).to.deep.equal([
        ["few", "THROTTLING", "MaximumRetryAttempts", "2"],
        ["young", "THROTTLING", "MaximumEventAgeInSeconds", "5"],
      ]);
    });

    it("may come twice", async () => {
      await account.rule({ Name: "rule", EventPattern: '{"source":["tests"]}' }, { Arn: await account.make("fn") });
      await moto.fault({ api: "lambda:Invoke", kind: "lost", times: 1 });
      await account.happens({});
      await moto.advance(10);
      const [first, second, ...others] = await account.given("fn");
      expect(first).to.deep.equal(second);
      expect(others).to.deep.equal([]);
    });

    it("of the store has a document run on the servers with a tag", async () => {
      const { Vpc } = await account.ec2.send(new CreateVpcCommand({ CidrBlock: "10.0.0.0/16" }));
      const subnet = await account.ec2.send(new CreateSubnetCommand({ VpcId: Vpc?.VpcId, CidrBlock: "10.0.1.0/24" }));
      const launch = async (name: string) => {
        const { Instances } = await account.ec2.send(
          new RunInstancesCommand({
            ImageId: "ami-1",
            MinCount: 1,
            MaxCount: 1,
            SubnetId: subnet.Subnet?.SubnetId,
            TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "Name", Value: name }] }],
          }),
        );
        return Instances?.[0]?.InstanceId;
      };
      const [server] = [await launch("prod-tokyo"), await launch("prod-osaka")];
      const Content = JSON.stringify({ schemaVersion: "2.2", mainSteps: [] });
      await account.ssm.send(new CreateDocumentCommand({ Name: "sync", Content, DocumentType: "Command" }));
      await account.rule(
        {
          Name: "sync",
          EventPattern: JSON.stringify({ source: ["aws.ssm"], detail: { name: [{ prefix: "/s/peers/" }] } }),
        },
        {
          Arn: `arn:aws:ssm:${REGION}:${ACCOUNT}:document/sync`,
          RoleArn: ROLE,
          RunCommandParameters: { RunCommandTargets: [{ Key: "tag:Name", Values: ["prod-tokyo"] }] },
        },
      );
      await account.ssm.send(new PutParameterCommand({ Name: "/s/peers/phone", Value: "1", Type: "String" }));
      await account.ssm.send(new PutParameterCommand({ Name: "/s/other", Value: "1", Type: "String" }));
      const { Commands = [] } = await account.ssm.send(new ListCommandsCommand({}));
      expect(Commands.map(({ DocumentName, InstanceIds }) => [DocumentName, InstanceIds])).to.deep.equal([
        ["sync", [server]],
      ]);
    });
  });

  describe("the clock", () => {
    beforeEach(() => account.begin());

    it("fires the rules in order, each at its own time, and answers when their functions have ended", async () => {
      const Arn = await account.make("fn");
      await account.rule({ Name: "five", ScheduleExpression: "rate(5 minutes)" }, { Arn });
      await account.rule(
        { Name: "two", ScheduleExpression: "rate(2 minutes)" },
        { Arn, Input: '{"does":"wait","ms":50}' },
      );
      const fired = await moto.advance(600);
      expect(fired.map(({ what }) => what)).to.deep.equal([
        "rule two",
        "rule two",
        "rule five",
        "rule two",
        "rule two",
        "rule five",
        "rule two",
      ]);
      expect(fired[0]?.answer).to.deep.equal([`${Arn}: delivered`]);
      const ran = await account.ran("fn");
      const first = Date.parse(ran[0]?.at ?? "");
      expect(ran.map(({ at }) => Math.round((Date.parse(at) - first) / 60_000))).to.deep.equal([0, 2, 3, 4, 6, 8, 8]);
      const five = ran[2]?.event as Record<string, unknown>;
      expect(five).to.deep.include({
        version: "0",
        "detail-type": "Scheduled Event",
        source: "aws.events",
        account: ACCOUNT,
        region: REGION,
        resources: [`arn:aws:events:${REGION}:${ACCOUNT}:rule/five`],
        detail: {},
      });
    });

    it("leaves a rule alone that is off, and counts from when it is switched on", async () => {
      await account.rule(
        { Name: "tick", ScheduleExpression: "rate(1 minute)", State: "DISABLED" },
        { Arn: await account.make("fn") },
      );
      const Name = "tick";
      await moto.advance(90);
      expect(await account.given("fn")).to.deep.equal([]);
      await account.rules.send(new EnableRuleCommand({ Name }));
      await moto.advance(50);
      await account.rules.send(new EnableRuleCommand({ Name }));
      expect(await account.given("fn")).to.deep.equal([]);
      await moto.advance(10);
      expect(await account.given("fn")).to.have.length(1);
      await account.rules.send(new DisableRuleCommand({ Name }));
      await moto.advance(600);
      expect(await account.given("fn")).to.have.length(1);
    });

    it("fires no rule that is gone", async () => {
      await account.rules.send(new PutRuleCommand({ Name: "tick", ScheduleExpression: "rate(1 minute)" }));
      expect(await account.due("rule tick")).to.be.a("string");
      await account.rules.send(new DeleteRuleCommand({ Name: "tick" }));
      expect(await account.due("rule tick")).to.equal(undefined);
    });

    for (const [expression, due] of [
      ["cron(0 12 1 JAN ? 2100)", "2100-01-01T12:00:00.000Z"],
      // The first of March 2100 is a Monday.
      ["cron(15 8-9 ? 3 SUN 2100)", "2100-03-07T08:15:00.000Z"],
      ["cron(15 8-9 ? 3 1 2100)", "2100-03-07T08:15:00.000Z"],
      ["cron(*/20 22 ? MAR,APR SAT-SUN 2100)", "2100-03-06T22:00:00.000Z"],
      ["cron(40/10 5,6 ? MAR TUE-FRI 2100/50)", "2100-03-02T05:40:00.000Z"],
      ["cron(0 0 31 2-4 ? 2100)", "2100-03-31T00:00:00.000Z"],
      ["cron(0 0 29 2 ? *)", undefined],
    ] as const) {
      it(`understands ${expression}`, async () => {
        await account.rules.send(new PutRuleCommand({ Name: "when", ScheduleExpression: expression }));
        const next = await account.due("rule when");
        if (due) expect(next).to.equal(due);
        else expect(next).to.match(/^20(28|32|36|40|44|48|52|56|60|64|68|72)-02-29T00:00:00.000Z$/);
      });
    }

    for (const [expression, problem] of [
      ["cron(0 12 L * ? *)", "L is not understood: there are *, ?, lists, ranges, steps and names, and no L, W or #"],
      ["cron(0 12 * * * *)", "one of day of the month and day of the week is ?, and only one"],
      ["cron(60 12 * * ? *)", "60 is not within 0 to 59"],
      ["cron(0 12 * * ?)", "has 5 fields: it needs 6"],
      ["rate(0 minutes)", "a rate is 1 or more"],
    ] as const) {
      it(`refuses ${expression}`, async () => {
        const asked = account.rules.send(new PutRuleCommand({ Name: "when", ScheduleExpression: expression }));
        const message = await asked.then(
          () => "taken",
          (error: Error) => error.message,
        );
        expect(message).to.contain(problem);
      });
    }

    it("fires schedules by the clock of their time zone, in summer and in winter", async () => {
      const Target = { Arn: await account.make("fn"), RoleArn: ROLE, Input: '{"detail":{"command":"pause"}}' };
      const inBerlin = async (fields: string) => {
        const ScheduleExpressionTimezone = "Europe/Berlin";
        const given = { ScheduleExpression: `cron(${fields})`, ScheduleExpressionTimezone, Target };
        const method = (await account.due("schedule pause")) ? "PUT" : "POST";
        expect((await account.schedule("pause", given, method)).status).to.equal(200);
        return account.due("schedule pause");
      };
      expect(await inBerlin("30 22 ? JAN MON-FRI 2100")).to.equal("2100-01-01T21:30:00.000Z");
      expect(await inBerlin("30 22 ? JUL MON-FRI 2100")).to.equal("2100-07-01T20:30:00.000Z");
      // At 2 o'clock on 28 March it is 3 o'clock; at 3 o'clock on 31 October it is 2 o'clock.
      expect(await inBerlin("30 2 28-30 MAR ? 2100")).to.equal("2100-03-29T00:30:00.000Z");
      expect(await inBerlin("30 2 31 OCT ? 2100")).to.equal("2100-10-31T00:30:00.000Z");
    });

    it("fires a schedule again and again, not one that is off or gone, and buries what cannot be delivered", async () => {
      const DeadLetterConfig = { Arn: await account.queue("dead") };
      const RetryPolicy = { MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 900 };
      const Arn = await account.make("fn");
      const Target = { Arn, RoleArn: ROLE, Input: '{"detail":{"command":"pause"}}', DeadLetterConfig, RetryPolicy };
      const given = { ScheduleExpression: "cron(0 * * * ? *)", Target };
      // Far from the next full hour.
      await moto.setAhead((5400 - ((Date.now() / 1000) % 3600)) % 3600);
      await account.schedule("pause", given);
      await account.schedule("resume", { ...given, State: "DISABLED" });
      await moto.advance(3 * 3600);
      expect(await account.given("fn")).to.deep.equal(Array(3).fill({ detail: { command: "pause" } }));
      await moto.fault({ api: "lambda:Invoke", kind: "error", times: 1 });
      await moto.advance(3600);
      const [letter] = await account.letters("dead");
      expect([letter?.body, letter?.attributes.ERROR_CODE, letter?.attributes.SCHEDULE_ARN]).to.deep.equal([
        { detail: { command: "pause" } },
        "ERROR_FROM_TARGET",
        `arn:aws:scheduler:${REGION}:${ACCOUNT}:schedule/default/pause`,
      ]);
      expect((await account.schedule("pause", {}, "DELETE")).status).to.equal(200);
      await moto.advance(3600);
      expect(await account.given("fn")).to.have.length(3);
    });
  });

  describe("the controller's own bundle", () => {
    it("launches a server when Terraform has made the site, warm in a moment", async () => {
      await account.begin();
      const { ec2, ssm, rules } = account;
      const put = (Name: string, Value: string) =>
        ssm.send(new PutParameterCommand({ Name, Value, Type: "String", Overwrite: true }));
      const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: "10.0.0.0/16" }));
      const { Subnet } = await ec2.send(
        new CreateSubnetCommand({ VpcId: Vpc?.VpcId, CidrBlock: "10.0.1.0/24", AvailabilityZone: `${REGION}a` }),
      );
      const Tags = Object.entries({ Project: "stingy-vpn", Environment: "prod", Site: "tokyo" }).map(
        ([Key, Value]) => ({
          Key,
          Value,
        }),
      );
      const { LaunchTemplate } = await ec2.send(
        new CreateLaunchTemplateCommand({
          LaunchTemplateName: "prod-tokyo",
          LaunchTemplateData: {
            ImageId: "ami-1",
            InstanceType: "t4g.nano",
            TagSpecifications: [{ ResourceType: "instance", Tags }],
          },
        }),
      );
      const { AllocationId } = await ec2.send(new AllocateAddressCommand({ Domain: "vpc" }));
      await put("/s/instance-id", "initial");
      await put("/s/desired-state", "running");
      await put("/s/launches", "none");
      await rules.send(
        new PutRuleCommand({ Name: "pending", ScheduleExpression: "rate(1 minute)", State: "DISABLED" }),
      );
      await account.make("controller", {
        Code: { ZipFile: zipOf(bundleFunctions()["recovery-handler"], 0o644) },
        Timeout: 300,
        Environment: {
          Variables: {
            ENVIRONMENT: "prod",
            SITE: "tokyo",
            STORE_PREFIX: "/s",
            LAUNCH_TEMPLATE_ID: LaunchTemplate?.LaunchTemplateId ?? "",
            LAUNCH_TEMPLATE_VERSION: "1",
            SUBNET_IDS: Subnet?.SubnetId ?? "",
            INSTANCE_TYPES: "t4g.nano",
            ALLOCATION_ID: AllocationId ?? "",
            IMAGE_PARAMETER: "",
            DDNS_FUNCTION: "",
            PENDING_TICK_RULE: "pending",
            ON_DEMAND_FALLBACK: "after-failures",
            SPOT_ATTEMPTS: "3",
            SPOT_MAX_PRICE: "",
            MAX_AGE_DAYS: "14",
            REBALANCE: "replace",
            MAINTENANCE_WINDOW: "",
            LOG_LEVEL: "info",
          },
        },
      });
      const create = { tf: { action: "create", prev_input: null } };
      const { error, said } = await account.invoke("controller", create);
      expect([error, said.done?.map((action: { do: string }) => action.do)], JSON.stringify(said)).to.deep.equal([
        undefined,
        ["watch-closely", "launch"],
      ]);
      const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({}));
      const [machine] = Reservations.flatMap(({ Instances = [] }) => Instances);
      expect([machine?.InstanceLifecycle, machine?.SubnetId]).to.deep.equal(["spot", Subnet?.SubnetId]);
      const tick = { source: "stingy-vpn", "detail-type": "Pending Tick" };
      expect((await account.invoke("controller", tick)).said.done).to.deep.equal([]);
      const [cold, warm] = await account.ran("controller");
      expect([cold?.initMilliseconds === undefined, warm?.initMilliseconds === undefined]).to.deep.equal([false, true]);
    });
  });

  describe("the end of the emulator", () => {
    it("ends its functions and leaves no folder", async () => {
      await account.begin();
      await account.make("fn");
      const idle = await account.tell("fn");
      await account.make("another");
      const busy = await account.tell("another");
      await account.send("another", { does: "wait", ms: 9000 });
      await sleep(200);
      await moto.stop();
      expect([idle, busy].map(({ pid, folder }) => [lives(pid), existsSync(folder)])).to.deep.equal([
        [false, false],
        [false, false],
      ]);
    });

    it("does so even when it is killed", async () => {
      const note = path.join(mkdtempSync(path.join(tmpdir(), "emulator-")), "pid");
      folders.push(path.dirname(note));
      const noted = ["sh", "-c", `echo $$ > ${note}; exec "$@"`, "sh", ...PATCHED];
      const killed = new Account(await Moto.start(noted));
      await killed.begin();
      await killed.make("fn");
      const { pid, folder } = await killed.tell("fn");
      process.kill(Number(readFileSync(note, "utf8")), "SIGKILL");
      await until(() => !lives(pid) && !existsSync(folder));
      await killed.moto.stop();
    });
  });
});
