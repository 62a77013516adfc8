import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { kill } from "node:process";
import { CloudWatchClient, ListMetricsCommand } from "@aws-sdk/client-cloudwatch";
import { CloudWatchLogsClient, DescribeLogGroupsCommand } from "@aws-sdk/client-cloudwatch-logs";
import {
  CreateSubnetCommand,
  CreateVpcCommand,
  DescribeInstancesCommand,
  DescribeVpcsCommand,
  EC2Client,
  RunInstancesCommand,
} from "@aws-sdk/client-ec2";
import { EventBridgeClient, ListRulesCommand } from "@aws-sdk/client-eventbridge";
import { IAMClient, ListRolesCommand } from "@aws-sdk/client-iam";
import { InvokeCommand, LambdaClient, ListFunctionsCommand } from "@aws-sdk/client-lambda";
import { ListQueuesCommand, SQSClient } from "@aws-sdk/client-sqs";
import {
  CreateDocumentCommand,
  GetCommandInvocationCommand,
  GetParameterCommand,
  PutParameterCommand,
  SendCommandCommand,
  SSMClient,
  StartSessionCommand,
} from "@aws-sdk/client-ssm";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { expect } from "chai";
import { Moto, type MotoFault, PATCHED } from "./emulator/moto";

async function refusal(request: Promise<unknown>): Promise<Error & { $metadata?: { httpStatusCode?: number } }> {
  try {
    await request;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("it was not refused");
}

describe("what the emulator can be told", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "emulator-"));
  const log = path.join(folder, "requests.jsonl");
  let moto: Moto;
  let ec2: EC2Client;
  let ssm: SSMClient;

  before(async () => {
    moto = await Moto.start(PATCHED, { log });
    ec2 = new EC2Client({ ...moto.sdk, maxAttempts: 1 });
    ssm = new SSMClient({ ...moto.sdk, maxAttempts: 1 });
  });

  beforeEach(() => moto.reset());

  after(async () => {
    await moto?.stop();
    rmSync(folder, { recursive: true });
  });

  const put = (Name: string, Value: string) =>
    ssm.send(new PutParameterCommand({ Name, Value, Type: "String", Overwrite: true }));
  const get = async (Name: string) => (await ssm.send(new GetParameterCommand({ Name }))).Parameter?.Value;

  async function launch(market?: "spot"): Promise<string> {
    const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: "10.0.0.0/16" }));
    const { Subnet } = await ec2.send(new CreateSubnetCommand({ VpcId: Vpc?.VpcId, CidrBlock: "10.0.1.0/24" }));
    const { Instances } = await ec2.send(
      new RunInstancesCommand({
        ImageId: "ami-1",
        MinCount: 1,
        MaxCount: 1,
        SubnetId: Subnet?.SubnetId,
        ...(market ? { InstanceMarketOptions: { MarketType: market } } : {}),
      }),
    );
    return Instances?.[0]?.InstanceId ?? "";
  }

  describe("faults", () => {
    const settings = () => ({ ...moto.sdk, maxAttempts: 1 });
    const services: readonly [api: string, call: () => Promise<unknown>, throttled: string, failed: string][] = [
      ["ec2:DescribeVpcs", () => ec2.send(new DescribeVpcsCommand({})), "RequestLimitExceeded", "InternalError"],
      ["ssm:GetParameter", () => get("/x"), "ThrottlingException", "InternalServerError"],
      [
        "iam:ListRoles",
        () => new IAMClient(settings()).send(new ListRolesCommand({})),
        "Throttling",
        "InternalFailure",
      ],
      [
        "sts:GetCallerIdentity",
        () => new STSClient(settings()).send(new GetCallerIdentityCommand({})),
        "Throttling",
        "InternalFailure",
      ],
      [
        "sqs:ListQueues",
        () => new SQSClient(settings()).send(new ListQueuesCommand({})),
        "ThrottlingException",
        "InternalServerError",
      ],
      [
        "events:ListRules",
        () => new EventBridgeClient(settings()).send(new ListRulesCommand({})),
        "ThrottlingException",
        "InternalServerError",
      ],
      [
        "logs:DescribeLogGroups",
        () => new CloudWatchLogsClient(settings()).send(new DescribeLogGroupsCommand({})),
        "ThrottlingException",
        "InternalServerError",
      ],
      [
        "monitoring:ListMetrics",
        () => new CloudWatchClient(settings()).send(new ListMetricsCommand({})),
        "ThrottlingException",
        "InternalServerError",
      ],
      [
        "lambda:ListFunctions",
        () => new LambdaClient(settings()).send(new ListFunctionsCommand({})),
        "TooManyRequestsException",
        "ServiceException",
      ],
      [
        "lambda:Invoke",
        () => new LambdaClient(settings()).send(new InvokeCommand({ FunctionName: "x" })),
        "TooManyRequestsException",
        "ServiceException",
      ],
    ];

    for (const [api, call, throttled, failed] of services) {
      it(`${api} throttles and fails as AWS does, as often as it is told to`, async () => {
        await moto.fault({ api, kind: "throttle", times: 1 });
        expect((await refusal(call())).name).to.equal(throttled);
        await moto.fault({ api, kind: "error", times: 1 });
        const error = await refusal(call());
        expect([error.name, error.$metadata?.httpStatusCode]).to.deep.equal([failed, 500]);
        expect((await call().catch((refused: Error) => refused.name)) as unknown).to.not.be.oneOf([throttled, failed]);
      });
    }

    for (const [kind, code, status] of [
      ["throttle", "SlowDown", 503],
      ["error", "InternalError", 500],
    ] as const) {
      it(`s3:PutObject answers ${code}`, async () => {
        await moto.fault({ api: "s3:PutObject", kind });
        const authorization =
          "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        const put = (object: string) =>
          fetch(`${moto.url}/bucket${object}`, { method: "PUT", headers: { authorization } });
        const answer = await put("/state");
        expect([answer.status, await answer.text()])
          .to.deep.include(status)
          .and.match(new RegExp(`<Code>${code}<`));
        expect((await put("")).status).to.equal(200);
      });
    }

    it("of Lambda name the error where every SDK looks for it", async () => {
      await moto.fault({ api: "lambda:ListFunctions", kind: "throttle" });
      const authorization =
        "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=0";
      const { status, headers } = await fetch(`${moto.url}/2015-03-31/functions/`, { headers: { authorization } });
      expect([status, headers.get("x-amzn-errortype")]).to.deep.equal([429, "TooManyRequestsException"]);
    });

    it("are said in CBOR too, as Terraform asks CloudWatch", async () => {
      await moto.fault({ api: "monitoring:PutMetricAlarm", kind: "throttle" });
      const answer = await fetch(`${moto.url}/service/GraniteServiceVersion20100801/operation/PutMetricAlarm`, {
        method: "POST",
        headers: {
          authorization:
            "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/monitoring/aws4_request, SignedHeaders=host, Signature=0",
          "smithy-protocol": "rpc-v2-cbor",
        },
      });
      expect([answer.status, answer.headers.get("smithy-protocol")]).to.deep.equal([400, "rpc-v2-cbor"]);
      expect(Buffer.from(await answer.arrayBuffer()).toString("latin1")).to.equal(
        "\u00a2f__typesThrottlingExceptiongmessagemRate exceeded",
      );
    });

    it("say another error where one is named", async () => {
      await moto.fault({ api: "ssm:*", kind: "error", code: "AccessDeniedException" });
      const error = await refusal(get("/x"));
      expect([error.name, error.$metadata?.httpStatusCode]).to.deep.equal(["AccessDeniedException", 400]);
    });

    it("meet only the region and the request that they name", async () => {
      await put("/a", "1");
      await put("/b", "2");
      await moto.fault({ api: "ssm:GetParameter", kind: "throttle", containing: "/a" });
      await moto.fault({ api: "ssm:GetParameter", kind: "throttle", region: "eu-west-1" });
      expect((await refusal(get("/a"))).name).to.equal("ThrottlingException");
      expect(await get("/b")).to.equal("2");
    });

    it("of silence: no answer, and nothing is done", async () => {
      await moto.fault({ api: "ssm:PutParameter", kind: "silence", times: 1 });
      const abort = new AbortController();
      const call = ssm.send(new PutParameterCommand({ Name: "/a", Value: "1", Type: "String" }), {
        abortSignal: abort.signal,
      });
      setTimeout(() => abort.abort(), 200);
      expect((await refusal(call)).name).to.equal("AbortError");
      expect((await refusal(get("/a"))).name).to.equal("ParameterNotFound");
    });

    it("of silence end when it is calm", async () => {
      await moto.fault({ api: "ssm:GetParameter", kind: "silence" });
      const call = refusal(get("/a"));
      while ((await moto.control<unknown[]>("GET", "silent")).length === 0);
      await moto.calm();
      expect((await call).message).to.match(/socket hang up|ECONNRESET/);
    });

    it("that lose the answer: it is done", async () => {
      await moto.fault({ api: "ssm:PutParameter", kind: "lost", times: 1 });
      expect((await refusal(put("/a", "1"))).message).to.match(/socket hang up|ECONNRESET/);
      expect(await get("/a")).to.equal("1");
    });

    it("are forgotten when it is calm, and at a reset", async () => {
      for (const forget of [() => moto.calm(), () => moto.reset()]) {
        await moto.fault({ api: "ssm:*", kind: "throttle" });
        await forget();
        await put("/a", "1");
        expect(await get("/a")).to.equal("1");
      }
    });

    it("are refused where they make no sense", async () => {
      const wrong = [
        { api: "ssm", kind: "error" },
        { api: "ssm:*", kind: "loud" },
        { api: "ssm:*", kind: "error", often: 1 },
      ];
      const said = [];
      for (const fault of wrong) said.push((await refusal(moto.fault(fault as MotoFault))).message);
      expect(said).to.deep.equal([
        `the emulator answers POST faults with 400: {"error": "api is 'ssm': it is SERVICE:ACTION or SERVICE:*"}`,
        `the emulator answers POST faults with 400: {"error": "kind is 'loud': it is one of throttle, error, silence, lost"}`,
        `the emulator answers POST faults with 400: {"error": "there is no often: there are api, kind, times, region, containing, code"}`,
      ]);
    });
  });

  describe("stale answers", () => {
    it("are those from before the last change", async () => {
      await put("/a", "1");
      await get("/a");
      await put("/a", "2");
      await moto.stale({ api: "ssm:GetParameter", answers: 2 });
      expect([await get("/a"), await get("/a"), await get("/a")]).to.deep.equal(["1", "1", "2"]);
    });

    it("are so too where the change was seen already", async () => {
      for (const value of ["1", "2"]) {
        await put("/a", value);
        await get("/a");
      }
      await moto.stale({ api: "ssm:GetParameter", answers: 1 });
      expect([await get("/a"), await get("/a")]).to.deep.equal(["1", "2"]);
    });

    it("are not given to a question that nobody has asked yet", async () => {
      await put("/a", "1");
      await moto.stale({ api: "ssm:GetParameter", answers: 1 });
      expect(await get("/a")).to.equal("1");
    });
  });

  describe("missing capacity", () => {
    it("is refused with the code it names, until it is calm", async () => {
      await moto.capacity({ market: "spot", code: "MaxSpotInstanceCountExceeded" });
      expect((await refusal(launch("spot"))).name).to.equal("MaxSpotInstanceCountExceeded");
      expect(await launch()).to.match(/^i-/);
      await moto.calm();
      expect(await launch("spot")).to.match(/^i-/);
    });
  });

  describe("an interruption", () => {
    const stateOf = async (InstanceId: string) => {
      const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [InstanceId] }));
      const instance = Reservations?.[0]?.Instances?.[0];
      return [instance?.State?.Name, instance?.StateReason?.Code];
    };

    it("is in the instance's metadata, and takes the machine away two minutes later", async () => {
      const id = await launch("spot");
      expect((await refusal(moto.control("GET", `notice/${id}`))).message).to.include("404");
      const before = Date.now();
      const notice = await moto.interrupt(id);
      expect(notice.action).to.equal("terminate");
      expect(Date.parse(notice.time) - before).to.be.within(118_000, 130_000);
      expect(await moto.control("GET", `notice/${id}`)).to.deep.equal(notice);
      expect(await moto.advance(100)).to.deep.equal([]);
      expect(await stateOf(id)).to.deep.equal(["running", ""]);
      const [fired, ...others] = await moto.advance(30);
      expect([fired?.what, fired?.at.slice(0, 19), others]).to.deep.equal([
        `takes ${id} back`,
        notice.time.slice(0, 19),
        [],
      ]);
      expect(await stateOf(id)).to.deep.equal(["terminated", "Server.SpotInstanceTermination"]);
    });

    it("may be foreseen: that is in the metadata too, and takes nothing away", async () => {
      const id = await launch("spot");
      const { noticeTime } = await moto.recommend(id);
      expect(await moto.control("GET", `notice/${id}`)).to.deep.equal({ noticeTime });
      expect(await moto.advance(3600)).to.deep.equal([]);
      expect(await stateOf(id)).to.deep.equal(["running", ""]);
    });

    it("does not happen to a machine on demand, nor to none", async () => {
      const id = await launch();
      expect((await refusal(moto.interrupt(id))).message).to.include(
        `${id} is running and on demand: not running Spot`,
      );
      expect((await refusal(moto.interrupt("i-0"))).message).to.include("there is no instance i-0");
    });
  });

  describe("the clock", () => {
    it("goes on as the machine's does, so far ahead", async () => {
      await moto.advance(3600);
      expect(Math.round(await moto.ahead())).to.equal(3600);
      await moto.setAhead(-60);
      expect(await moto.ahead()).to.equal(-60);
      await moto.reset();
      expect(await moto.ahead()).to.equal(0);
    });

    it("does not go back by an advance", async () => {
      expect((await refusal(moto.advance(-1))).message).to.include(
        "advance is -1: it is a number of seconds, 0 or more",
      );
    });

    it("makes what falls due happen by itself too", async () => {
      const id = await launch("spot");
      await moto.interrupt(id);
      await moto.setAhead(121);
      const due = () => moto.control<{ due: unknown[] }>("GET", "clock");
      while ((await due()).due.length > 0);
      const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
      expect(Reservations?.[0]?.Instances?.[0]?.State?.Name).to.equal("terminated");
    });
  });

  describe("a played server", () => {
    it("finds its commands, and answers them", async () => {
      const id = await launch();
      const mainSteps = [{ action: "aws:runShellScript", name: "x", inputs: { runCommand: ["true"] } }];
      const Content = JSON.stringify({ schemaVersion: "2.2", mainSteps });
      await ssm.send(new CreateDocumentCommand({ Name: "sync", DocumentType: "Command", Content }));
      await moto.control("POST", "servers", { instance: id });
      const { Command } = await ssm.send(new SendCommandCommand({ InstanceIds: [id], DocumentName: "sync" }));
      const CommandId = Command?.CommandId ?? "";
      const invocation = () => ssm.send(new GetCommandInvocationCommand({ CommandId, InstanceId: id }));
      expect((await invocation()).Status).to.equal("InProgress");
      const waiting = () => moto.control("GET", `commands?instance=${id}`);
      expect(await waiting()).to.deep.equal([{ command: CommandId, document: "sync", parameters: {} }]);
      await moto.control("POST", `commands/${CommandId}`, { instance: id, status: "Success", output: "done" });
      expect(await waiting()).to.deep.equal([]);
      const { Status, StandardOutputContent } = await invocation();
      expect([Status, StandardOutputContent]).to.deep.equal(["Success", "done"]);
      const again = moto.control("POST", `commands/${CommandId}`, { instance: id });
      expect((await refusal(again)).message).to.include(`has no command ${CommandId} to answer`);
    });
  });

  describe("a newer image", () => {
    it("is what the parameter names from then on, in that region", async () => {
      const name = "/aws/service/debian/release/13/latest/arm64";
      const before = await get(name);
      await moto.image(name, "ami-0123456789abcdef0");
      expect([before === "ami-0123456789abcdef0", await get(name)]).to.deep.equal([false, "ami-0123456789abcdef0"]);
      const { Parameter } = await new SSMClient({ ...moto.sdk, region: "eu-west-1" }).send(
        new GetParameterCommand({ Name: name }),
      );
      expect(Parameter?.Value).to.not.equal("ami-0123456789abcdef0");
    });
  });

  describe("the log of requests", () => {
    it("has every call as it was sent, and what became of it, in memory and in a file", async () => {
      const server = new SSMClient({
        ...moto.sdk,
        maxAttempts: 1,
        credentials: { accessKeyId: "i-0123456789abcdef0", secretAccessKey: "x" },
      });
      await put("/a", "kept as it is");
      await refusal(server.send(new GetParameterCommand({ Name: "/none" })));
      await moto.fault({ api: "ssm:GetParameter", kind: "lost", times: 1 });
      await refusal(get("/a"));
      const requests = await moto.requests();
      expect(requests.map(({ at, body, path, ...rest }) => rest)).to.deep.equal([
        { service: "ssm", region: "ap-northeast-1", action: "PutParameter", status: 200 },
        {
          service: "ssm",
          region: "ap-northeast-1",
          action: "GetParameter",
          status: 400,
          instance: "i-0123456789abcdef0",
        },
        { service: "ssm", region: "ap-northeast-1", action: "GetParameter", status: 200, answered: false },
      ]);
      expect(JSON.parse(requests[0]?.body ?? "").Value).to.equal("kept as it is");
      const lines = readFileSync(log, "utf8").trim().split("\n");
      expect(lines.slice(-3).map((line) => JSON.parse(line))).to.deep.equal(requests);
    });

    it("leaves out what a hypervisor asks, which no fault meets", async () => {
      await moto.fault({ api: "ec2:*", kind: "error" });
      const credentials = { accessKeyId: "hypervisor", secretAccessKey: "x" };
      const hypervisor = new EC2Client({ ...moto.sdk, maxAttempts: 1, credentials });
      expect((await hypervisor.send(new DescribeInstancesCommand({}))).Reservations).to.deep.equal([]);
      expect(await moto.requests()).to.deep.equal([]);
    });

    it("names what a request of REST asks for", async () => {
      const lambda = new LambdaClient({ ...moto.sdk, maxAttempts: 1 });
      await lambda.send(new ListFunctionsCommand({}));
      await refusal(lambda.send(new InvokeCommand({ FunctionName: "none" })));
      expect((await moto.requests()).map(({ service, action }) => `${service}:${action}`)).to.deep.equal([
        "lambda:ListFunctions",
        "lambda:Invoke",
      ]);
    });
  });

  describe("a call that is repeated", () => {
    async function ask(service: string, invocation: string, headers: Record<string, string>, body: string) {
      const scope = `test/20260101/ap-northeast-1/${service}/aws4_request`;
      const authorization = `AWS4-HMAC-SHA256 Credential=${scope}, Signature=0`;
      const all = { ...headers, authorization, "amz-sdk-invocation-id": invocation };
      return (await fetch(moto.url, { method: "POST", headers: all, body })).status;
    }

    it("is answered again, its answer having got lost on its way, without being done again", async () => {
      const body = JSON.stringify({ Name: "/once", Value: "x", Type: "String" });
      const put = (invocation: string) => ask("ssm", invocation, { "x-amz-target": "AmazonSSM.PutParameter" }, body);
      expect([await put("first"), await put("first"), await put("second")]).to.deep.equal([200, 200, 400]);
      expect((await moto.requests()).map(({ status }) => status)).to.deep.equal([200, 400]);
    });

    it("waits for its answer where that is still being made, and is not done twice", async () => {
      // It takes a while to make a key.
      const body = "Action=CreateKeyPair&Version=2016-11-15&KeyName=once";
      const make = () => ask("ec2", "the same", { "content-type": "application/x-www-form-urlencoded" }, body);
      expect(await Promise.all([make(), make(), make(), make()])).to.deep.equal([200, 200, 200, 200]);
      expect((await moto.requests()).map(({ action }) => action)).to.deep.equal(["CreateKeyPair"]);
    });
  });

  it("refuses at once what moto does not have, where moto would have it repeated for minutes", async () => {
    const error = await refusal(ssm.send(new StartSessionCommand({ Target: "i-0123456789abcdef0" })));
    expect([error.name, error.message, error.$metadata?.httpStatusCode]).to.deep.equal([
      "NotImplemented",
      "NotImplementedError: The start_session action has not been implemented",
      400,
    ]);
  });

  it("says what it cannot be told", async () => {
    expect((await refusal(moto.control("POST", "answers", { output: "x" }))).message).to.equal(
      `the emulator answers POST answers with 400: {"error": "'document' is needed"}`,
    );
    expect((await refusal(moto.control("GET", "nothing"))).message).to.equal(
      'the emulator answers GET nothing with 400: {"error": "there is no GET /emulator/nothing"}',
    );
  });
});

describe("the emulator's process", () => {
  it("says that its port is taken", async () => {
    const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const error = await refusal(Moto.start(PATCHED, { port }));
    server.close();
    expect(error.message).to.match(
      new RegExp(`^moto_server ended with 1: Address already in use\nPort ${port} is in use by another program.`),
    );
  });

  it("that ends unasked says so", async () => {
    const moto = await Moto.start(PATCHED);
    const { process } = moto as unknown as { process: { pid: number } };
    const [server] = execFileSync("pgrep", ["-P", String(process.pid), "-f", "python3"], { encoding: "utf8" }).split(
      "\n",
    );
    kill(Number(server), "SIGKILL");
    expect(await moto.ended).to.match(/^moto_server ended with 137: /);
  });

  it("ends with what it was started from", async () => {
    const script = `
      const { Moto, PATCHED } = require(${JSON.stringify(path.join(__dirname, "emulator/moto"))});
      Moto.start(PATCHED).then((moto) => process.stdout.write(moto.url));`;
    const parent = spawn("node", ["-r", path.join(__dirname, "../../scripts/typescript.cjs"), "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [url] = await once(parent.stdout, "data");
    expect((await fetch(`${url}/emulator/clock`)).status).to.equal(200);
    parent.kill("SIGKILL");
    for (let answers = true; answers; ) {
      answers = await fetch(`${url}/emulator/clock`).then(
        () => true,
        () => false,
      );
    }
  });
});
