import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  CreateLaunchTemplateCommand,
  CreateLaunchTemplateVersionCommand,
  CreateSubnetCommand,
  CreateTagsCommand,
  CreateVpcCommand,
  DeleteLaunchTemplateCommand,
  DeleteTagsCommand,
  DescribeAddressesCommand,
  DescribeInstancesCommand,
  EC2Client,
  ReleaseAddressCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { DeleteRuleCommand, DescribeRuleCommand, EventBridgeClient, PutRuleCommand } from "@aws-sdk/client-eventbridge";
import { CreateFunctionCommand, DeleteFunctionCommand, LambdaClient } from "@aws-sdk/client-lambda";
import {
  DeleteParameterCommand,
  GetParameterCommand,
  GetParametersCommand,
  PutParameterCommand,
  SSMClient,
} from "@aws-sdk/client-ssm";
import { expect } from "chai";
import { createHandler } from "../../assets/lambda/recovery-handler";
import { failure } from "../assets/lambda/fake-aws";
import { type MissingCapacity, Moto, PATCHED } from "../e2e/emulator/moto";

const ACCOUNT = "123456789012";
const REGION = "ap-northeast-1";
const STORE = "/stingy-vpn/prod";
const IMAGE = "/images/newest";
const ROLE = "ddns";
const EMPTY_ZIP = Buffer.from(`504b0506${"00".repeat(18)}`, "hex");
const TAGS = Object.entries({ Project: "stingy-vpn", Environment: "prod", Site: "tokyo" }).map(([Key, Value]) => ({
  Key,
  Value,
}));

const TICK = { source: "stingy-vpn", "detail-type": "Tick" };
const PENDING_TICK = { source: "stingy-vpn", "detail-type": "Pending Tick" };
const CREATE = { tf: { action: "create", prev_input: null } };
const DELETE = { tf: { action: "delete", prev_input: {} } };
const command = (given: string) => ({ source: "stingy-vpn", "detail-type": "Command", detail: { command: given } });

interface Machine {
  readonly id: string;
  readonly state: string;
  readonly spot: boolean;
  readonly image: string | undefined;
  readonly subnet: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
}

describe("controller on the AWS emulator", () => {
  const saved = { ...process.env };
  let moto: Moto | undefined;
  let ec2: EC2Client;
  let ssm: SSMClient;
  let rules: EventBridgeClient;
  let lambda: LambdaClient;
  let variables: Record<string, string>;
  let subnets: string[];
  let lines: string[];
  let secondsAhead: number;

  before(async () => {
    moto = await Moto.start(PATCHED);
    ec2 = new EC2Client(moto.sdk);
    ssm = new SSMClient(moto.sdk);
    rules = new EventBridgeClient(moto.sdk);
    lambda = new LambdaClient(moto.sdk);
    // What Lambda gives to a function: the handler's own clients find everything there.
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: moto.url,
      AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
    });
  });

  after(async () => {
    for (const name of Object.keys(process.env)) delete process.env[name];
    Object.assign(process.env, saved);
    await moto?.stop();
  });

  /** What Terraform makes of a site. */
  async function makeSite(): Promise<void> {
    await moto?.reset();
    lines = [];
    secondsAhead = 0;
    await put(IMAGE, "ami-1");
    const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: "10.0.0.0/16" }));
    subnets = [];
    for (const [index, AvailabilityZone] of [`${REGION}a`, `${REGION}c`].entries()) {
      const CidrBlock = `10.0.${index + 1}.0/24`;
      const { Subnet } = await ec2.send(new CreateSubnetCommand({ VpcId: Vpc?.VpcId, CidrBlock, AvailabilityZone }));
      subnets.push(Subnet?.SubnetId ?? "");
    }
    const { LaunchTemplate } = await ec2.send(
      new CreateLaunchTemplateCommand({ LaunchTemplateName: "prod-tokyo", LaunchTemplateData: templateData() }),
    );
    const { AllocationId } = await ec2.send(new AllocateAddressCommand({ Domain: "vpc" }));
    await put(`${STORE}/instance-id`, "initial");
    await put(`${STORE}/desired-state`, "running");
    await put(`${STORE}/launches`, "none");
    await rules.send(new PutRuleCommand({ Name: "pending", ScheduleExpression: "rate(1 minute)", State: "DISABLED" }));
    const Role = await makeRole();
    await lambda.send(
      new CreateFunctionCommand({
        FunctionName: "ddns",
        Role,
        Runtime: "nodejs22.x",
        Handler: "index.handler",
        Code: { ZipFile: EMPTY_ZIP },
      }),
    );
    variables = {
      ENVIRONMENT: "prod",
      SITE: "tokyo",
      STORE_PREFIX: STORE,
      LAUNCH_TEMPLATE_ID: LaunchTemplate?.LaunchTemplateId ?? "",
      LAUNCH_TEMPLATE_VERSION: "1",
      SUBNET_IDS: subnets.join(","),
      INSTANCE_TYPES: "t4g.nano,t4g.micro",
      ALLOCATION_ID: AllocationId ?? "",
      IMAGE_PARAMETER: IMAGE,
      DDNS_FUNCTION: "ddns",
      PENDING_TICK_RULE: "pending",
      ON_DEMAND_FALLBACK: "after-failures",
      SPOT_ATTEMPTS: "3",
      MAX_AGE_DAYS: "14",
      REBALANCE: "replace",
      LOG_LEVEL: "info",
    };
  }

  function templateData() {
    const TagSpecifications = [{ ResourceType: "instance" as const, Tags: TAGS }];
    return { ImageId: `resolve:ssm:${IMAGE}`, InstanceType: "t4g.nano" as const, TagSpecifications };
  }

  /** The product has no client of IAM. */
  async function makeRole(): Promise<string> {
    const body = new URLSearchParams({
      Action: "CreateRole",
      Version: "2010-05-08",
      RoleName: ROLE,
      AssumeRolePolicyDocument: "{}",
    });
    const authorization =
      "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0";
    const { status } = await fetch(moto?.url ?? "", { method: "POST", headers: { authorization }, body });
    expect(status).to.equal(200);
    return `arn:aws:iam::${ACCOUNT}:role/${ROLE}`;
  }

  async function put(Name: string, Value: string): Promise<void> {
    await ssm.send(new PutParameterCommand({ Name, Value, Type: "String", Overwrite: true }));
  }

  async function parameter(name: string): Promise<string | undefined> {
    return (await ssm.send(new GetParameterCommand({ Name: `${STORE}/${name}` }))).Parameter?.Value;
  }

  async function launches(): Promise<Record<string, unknown>> {
    return JSON.parse((await parameter("launches")) ?? "");
  }

  async function later(seconds: number): Promise<void> {
    secondsAhead += seconds;
    await moto?.advance(seconds);
  }

  async function run(event: unknown, replaced: Record<string, string> = {}) {
    const now = () => new Date(Date.now() + secondsAhead * 1000);
    const replacements = { write: (line: string) => lines.push(line), now, sleep: (ms: number) => later(ms / 1000) };
    return createHandler({ ...variables, ...replaced }, replacements)(event, {
      invokedFunctionArn: `arn:aws:lambda:${REGION}:${ACCOUNT}:function:prod-tokyo-recovery-handler`,
    });
  }

  async function machines(): Promise<Machine[]> {
    const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({}));
    return Reservations.flatMap(({ Instances = [] }) => Instances).map(
      ({ InstanceId = "", State, InstanceLifecycle, ImageId, SubnetId, Tags = [] }) => ({
        id: InstanceId,
        state: State?.Name ?? "",
        spot: InstanceLifecycle === "spot",
        image: ImageId,
        subnet: SubnetId,
        tags: Object.fromEntries(Tags.map(({ Key = "", Value = "" }) => [Key, Value])),
      }),
    );
  }

  const live = async () => (await machines()).filter(({ state }) => state !== "terminated");
  const stateOf = async (id: string) => (await machines()).find((machine) => machine.id === id)?.state;

  async function onlyMachine(): Promise<Machine> {
    const [machine, ...others] = await live();
    expect(others).to.deep.equal([]);
    if (!machine) throw new Error("there is no machine");
    return machine;
  }

  async function holder(): Promise<string | undefined> {
    const { Addresses } = await ec2.send(
      new DescribeAddressesCommand({ AllocationIds: [variables.ALLOCATION_ID ?? ""] }),
    );
    return Addresses?.[0]?.InstanceId;
  }

  async function says(id: string, state: string): Promise<void> {
    await ec2.send(new CreateTagsCommand({ Resources: [id], Tags: [{ Key: "state", Value: state }] }));
  }

  const refuses = (missing: MissingCapacity) => moto?.capacity(missing);

  const ruleState = async () => (await rules.send(new DescribeRuleCommand({ Name: "pending" }))).State;
  const logged = (message: string) => lines.map((line) => JSON.parse(line)).find((entry) => entry.message === message);
  const does = ({ done }: { done: readonly { readonly do: string }[] }) => done.map((action) => action.do);

  const ready = (id: string) => ({
    source: "stingy-vpn",
    "detail-type": "Server Ready",
    account: ACCOUNT,
    region: REGION,
    detail: { environment: "prod", site: "tokyo", "instance-id": id },
  });
  const warning = (id: string) => ({
    source: "aws.ec2",
    "detail-type": "EC2 Spot Instance Interruption Warning",
    account: ACCOUNT,
    region: REGION,
    detail: { "instance-id": id, "instance-action": "terminate" },
  });

  /** A site whose server serves. */
  async function serve(): Promise<string> {
    await run(CREATE);
    const { id } = await onlyMachine();
    await later(60);
    await says(id, "ready");
    await run(ready(id));
    await says(id, "serving");
    await later(3600);
    expect(await holder()).to.equal(id);
    return id;
  }

  describe("the nine steps of a recovery", () => {
    let server: string;
    let successor: string;

    before(makeSite);

    it("starts the first server when Terraform has made the site", async () => {
      expect(does(await run(CREATE))).to.deep.equal(["watch-closely", "launch"]);
      const machine = await onlyMachine();
      server = machine.id;
      expect(machine).to.deep.include({ spot: true, image: "ami-1", subnet: subnets[0] });
      expect(machine.tags).to.include({
        Project: "stingy-vpn",
        Environment: "prod",
        Site: "tokyo",
        "aws:ec2launchtemplate:id": variables.LAUNCH_TEMPLATE_ID,
        "aws:ec2launchtemplate:version": "1",
      });
      expect(await launches()).to.include({ outcome: "launched" });
      expect(await ruleState()).to.equal("ENABLED");
    });

    it("waits until it is ready", async () => {
      expect((await run(PENDING_TICK)).done).to.deep.equal([]);
      expect([await parameter("instance-id"), await holder()]).to.deep.equal(["initial", ""]);
    });

    it("makes it the server when it says so", async () => {
      await later(60);
      await says(server, "ready");
      expect(does(await run(ready(server)))).to.deep.equal(["promote", "watch-closely"]);
      expect([await parameter("instance-id"), await holder()]).to.deep.equal([server, server]);
    });

    it("switches the one-minute tick off when it serves, and has nothing to do", async () => {
      await says(server, "serving");
      expect((await run(PENDING_TICK)).done).to.deep.equal([{ do: "watch-closely", enabled: false }]);
      expect(await ruleState()).to.equal("DISABLED");
      await later(3600);
      expect(does(await run(TICK)).filter((action) => action !== "update-dns")).to.deep.equal([]);
    });

    it("1 to 5: launches a successor at an interruption warning, while the server serves on", async () => {
      expect(does(await run(warning(server)))).to.deep.equal(["mark", "watch-closely", "launch"]);
      const [first, second, ...others] = await live();
      successor = (first?.id === server ? second : first)?.id ?? "";
      expect([others.length, await holder(), await parameter("instance-id")]).to.deep.equal([0, server, server]);
      expect((await machines()).find(({ id }) => id === server)?.tags.notice).to.match(/^interruption 20/);
    });

    it("6: waits until it is ready, and launches no second one", async () => {
      for (const event of [warning(server), PENDING_TICK, TICK]) await run(event);
      expect(await live()).to.have.length(2);
      expect(await holder()).to.equal(server);
    });

    it("7 and 8: moves the address, writes instance-id and calls the DDNS updater when it is", async () => {
      await later(40);
      await says(successor, "ready");
      expect(does(await run(ready(successor)))).to.include("promote");
      expect([await parameter("instance-id"), await holder()]).to.deep.equal([successor, successor]);
      expect(await stateOf(server)).to.equal("running");
    });

    it("marks the old server when the new one serves, and ends it when the mark is a minute old", async () => {
      await says(server, "stood-down");
      await says(successor, "serving");
      await run(PENDING_TICK);
      expect((await machines()).find(({ id }) => id === server)?.tags.ending).to.match(/^20/);
      await later(30);
      await run(PENDING_TICK);
      expect(await stateOf(server)).to.equal("running");
      await later(30);
      expect(does(await run(PENDING_TICK))).to.include("terminate");
      expect([await stateOf(server), await holder()]).to.deep.equal(["terminated", successor]);
    });

    it("9: has written down what it did", async () => {
      expect(logged("launched")).to.deep.include({ market: "spot", by: "CreateFleet", instanceIds: [server] });
      expect(lines.filter((line) => line.includes('"Promotions":1'))).to.have.length(2);
      expect(lines.filter((line) => line.includes('"level":"error"'))).to.deep.equal([]);
    });

    it("is quiet again", async () => {
      expect((await run(PENDING_TICK)).done).to.deep.equal([{ do: "watch-closely", enabled: false }]);
      expect(await onlyMachine()).to.include({ id: successor });
    });
  });

  describe("a server that is lost or out of date", () => {
    beforeEach(makeSite);

    it("that ended without a word is replaced", async () => {
      const server = await serve();
      await ec2.send(new TerminateInstancesCommand({ InstanceIds: [server] }));
      expect(await holder()).to.equal("");
      await run(TICK);
      const { id } = await onlyMachine();
      await says(id, "ready");
      await run(ready(id));
      expect([await parameter("instance-id"), await holder()]).to.deep.equal([id, id]);
    });

    for (const [what, happens, reason] of [
      [
        "made from an older template",
        async () => {
          const LaunchTemplateId = variables.LAUNCH_TEMPLATE_ID;
          await ec2.send(
            new CreateLaunchTemplateVersionCommand({ LaunchTemplateId, LaunchTemplateData: templateData() }),
          );
          variables.LAUNCH_TEMPLATE_VERSION = "2";
        },
        "has launch template version 1, the newest is 2",
      ],
      ["of an older image", () => put(IMAGE, "ami-2"), "has the image ami-1, the newest is ami-2"],
      ["older than two weeks", () => later(14 * 24 * 3600), "is older than 14 days"],
    ] as const) {
      it(`that is ${what} is replaced`, async () => {
        const server = await serve();
        await happens();
        await run(TICK);
        expect(logged("launched")).to.include({ market: "spot" });
        const successor = (await live()).find(({ id }) => id !== server);
        expect(lines.join("")).to.include(`${server} ${reason}`);
        expect(successor?.tags["aws:ec2launchtemplate:version"]).to.equal(variables.LAUNCH_TEMPLATE_VERSION);
        expect(successor?.image).to.equal((await ssm.send(new GetParameterCommand({ Name: IMAGE }))).Parameter?.Value);
        expect(await holder()).to.equal(server);
      });
    }

    it("that lost its address gets it back", async () => {
      const server = await serve();
      const { AllocationId } = await ec2.send(new AllocateAddressCommand({ Domain: "vpc" }));
      variables.ALLOCATION_ID = AllocationId ?? "";
      await run(TICK);
      expect(await holder()).to.equal(server);
    });

    it("whose promotion was cut short after the address had moved is named", async () => {
      const server = await serve();
      await run(command("replace"));
      const successor = (await live()).find(({ id }) => id !== server)?.id ?? "";
      await says(successor, "serving");
      await ec2.send(
        new AssociateAddressCommand({
          AllocationId: variables.ALLOCATION_ID,
          InstanceId: successor,
          AllowReassociation: true,
        }),
      );
      await run(TICK);
      expect(await parameter("instance-id")).to.equal(successor);
    });

    it("that a person started by hand, with the site's tags, is adopted", async () => {
      const { Instances } = await ec2.send(
        new RunInstancesCommand({
          ImageId: "ami-1",
          InstanceType: "t4g.nano",
          MinCount: 1,
          MaxCount: 1,
          SubnetId: subnets[1],
          TagSpecifications: [{ ResourceType: "instance", Tags: [...TAGS, { Key: "state", Value: "ready" }] }],
        }),
      );
      const id = Instances?.[0]?.InstanceId;
      await run(TICK);
      expect([await parameter("instance-id"), await holder()]).to.deep.equal([id, id]);
      expect(await onlyMachine()).to.include({ id });
    });
  });

  describe("a launch", () => {
    beforeEach(makeSite);

    it("whose answer was lost finds its instance by the same token, even where its tags are not seen yet", async () => {
      await run(CREATE);
      const { id } = await onlyMachine();
      await ec2.send(new DeleteTagsCommand({ Resources: [id], Tags: TAGS }));
      await put(`${STORE}/launches`, JSON.stringify({ ...(await launches()), outcome: "unknown" }));
      await later(120);
      expect(does(await run(PENDING_TICK))).to.deep.equal(["launch"]);
      expect(await onlyMachine()).to.include({ id });
      expect(await launches()).to.include({ outcome: "launched" });
    });

    it("is by RunInstances where fleets were forbidden, and repeated it finds the same machine", async () => {
      await run(CREATE);
      const fleet = await onlyMachine();
      await ec2.send(new TerminateInstancesCommand({ InstanceIds: [fleet.id] }));
      await put(
        `${STORE}/launches`,
        JSON.stringify({ ...(await launches()), outcome: "failed", refusals: 1, refusal: "permission" }),
      );
      await later(120);
      await run(PENDING_TICK);
      const machine = await onlyMachine();
      expect(machine).to.deep.include({ spot: true, image: "ami-1" });
      expect(machine.tags).to.include({ Site: "tokyo", "aws:ec2launchtemplate:version": "1" });
      expect(await launches()).to.include({ by: "RunInstances", outcome: "launched" });
      await ec2.send(new DeleteTagsCommand({ Resources: [machine.id], Tags: TAGS }));
      await put(`${STORE}/launches`, JSON.stringify({ ...(await launches()), outcome: "unknown" }));
      await later(120);
      await run(PENDING_TICK);
      expect(await onlyMachine()).to.include({ id: machine.id });
    });

    it("goes where there is a machine", async () => {
      await refuses({ zone: `${REGION}a`, market: "spot" });
      await run(CREATE);
      expect(await onlyMachine()).to.include({ subnet: subnets[1], spot: true });
    });

    it("that finds no machine anywhere is made again later, each time with another token", async () => {
      await refuses({ market: "spot" });
      const attempts: unknown[] = [];
      for (let time = 0; time < 3; time++) {
        await run(PENDING_TICK);
        const { attempt, outcome, refusals } = await launches();
        attempts.push([outcome, refusals]);
        expect(attempt).to.be.a("number");
        await later(300);
      }
      expect(attempts).to.deep.equal([
        ["refused", 1],
        ["refused", 2],
        ["refused", 3],
      ]);
      expect(await live()).to.deep.equal([]);
      expect(logged("nothing was launched")).to.deep.include({ level: "error", market: "spot", refusal: "capacity" });
      await run(PENDING_TICK);
      expect(await onlyMachine()).to.include({ spot: false });
    });

    it("is on demand at once where the account may have no more Spot machines", async () => {
      await refuses({ market: "spot", code: "MaxSpotInstanceCountExceeded" });
      const { problems } = await run(CREATE);
      expect(problems.map(({ code }) => code)).to.deep.equal(["launch-refused-spot-is-impossible"]);
      expect(await onlyMachine()).to.include({ spot: false });
    });

    it("that a quota forbids is told to a person", async () => {
      await refuses({ market: "spot", code: "VcpuLimitExceeded" });
      const { problems } = await run(CREATE);
      expect(problems.map(({ code }) => code)).to.deep.equal(["launch-refused-quota"]);
      expect(lines.filter((line) => line.includes('"Problems":1'))).to.have.length(1);
    });

    it("into a subnet that is gone is told to a person", async () => {
      const { problems } = await run(CREATE, { SUBNET_IDS: "subnet-00000000" });
      expect(problems.map(({ code, message }) => [code, message.includes("InvalidSubnetID.NotFound")])).to.deep.equal([
        ["launch-refused-configuration", true],
      ]);
      expect(await live()).to.deep.equal([]);
    });

    it("from a template that is gone is told to a person", async () => {
      await ec2.send(new DeleteLaunchTemplateCommand({ LaunchTemplateId: variables.LAUNCH_TEMPLATE_ID }));
      const { problems } = await run(CREATE);
      expect(
        problems.map(({ code, message }) => [code, /InvalidLaunchTemplateId\.NotFound/.test(message)]),
      ).to.deep.equal([["launch-refused-configuration", true]]);
    });

    it("is made even where the tick cannot be switched on", async () => {
      await rules.send(new DeleteRuleCommand({ Name: "pending" }));
      expect((await failure(run(CREATE))).message).to.match(/^EnableRule: ResourceNotFoundException: /);
      expect(await live()).to.have.length(1);
    });
  });

  describe("a promotion", () => {
    beforeEach(makeSite);

    it("is complete even where the DDNS updater is gone, and the run fails", async () => {
      await run(CREATE);
      const { id } = await onlyMachine();
      await says(id, "ready");
      await lambda.send(new DeleteFunctionCommand({ FunctionName: "ddns" }));
      expect((await failure(run(ready(id)))).message).to.match(/^Invoke: ResourceNotFoundException: /);
      expect([await parameter("instance-id"), await holder()]).to.deep.equal([id, id]);
    });

    it("does not take place on a site whose address was released, and a person is told", async () => {
      await run(CREATE);
      const { id } = await onlyMachine();
      await says(id, "ready");
      await ec2.send(new ReleaseAddressCommand({ AllocationId: variables.ALLOCATION_ID }));
      const { problems, done } = await run(ready(id));
      expect([problems.map(({ code }) => code), done]).to.deep.equal([["address-is-missing"], []]);
      expect(await parameter("instance-id")).to.equal("initial");
    });

    it("names the server on a site without Elastic IP", async () => {
      variables.ALLOCATION_ID = "";
      await run(CREATE);
      const { id } = await onlyMachine();
      await says(id, "ready");
      expect(does(await run(ready(id)))).to.include("promote");
      expect(await parameter("instance-id")).to.equal(id);
    });
  });

  describe("a site that is paused, resumed and destroyed", () => {
    beforeEach(makeSite);

    it("is ended by pause and started by resume", async () => {
      const server = await serve();
      await run(command("pause"));
      expect([await live(), await parameter("desired-state"), await stateOf(server)]).to.deep.equal([
        [],
        "stopped",
        "terminated",
      ]);
      for (const event of [TICK, warning(server), CREATE]) await run(event);
      expect(await live()).to.deep.equal([]);
      await run(command("resume"));
      expect(await live()).to.have.length(1);
      expect(await parameter("desired-state")).to.equal("running");
    });

    it("is drained before it is destroyed, starts nothing meanwhile, and runs again when it is made again", async () => {
      await serve();
      await run(command("replace"));
      expect(await live()).to.have.length(2);
      await run(DELETE);
      expect([await live(), await parameter("desired-state"), await ruleState()]).to.deep.equal([
        [],
        "stopped",
        "DISABLED",
      ]);
      for (const event of [TICK, PENDING_TICK]) await run(event);
      expect(await live()).to.deep.equal([]);
      await later(600);
      await run(CREATE);
      expect([(await live()).length, await parameter("desired-state")]).to.deep.equal([1, "running"]);
    });

    it("does not come back when its parameters are gone and a late tick arrives", async () => {
      await serve();
      await run(DELETE);
      const Names = ["instance-id", "desired-state", "launches"].map((name) => `${STORE}/${name}`);
      for (const Name of Names) {
        await ssm.send(new DeleteParameterCommand({ Name }));
        for (const event of [TICK, PENDING_TICK]) await run(event);
      }
      expect((await ssm.send(new GetParametersCommand({ Names }))).Parameters).to.deep.equal([]);
      expect(await live()).to.deep.equal([]);
    });

    it("leaves another site of the account alone", async () => {
      await serve();
      const Tags = TAGS.map((tag) => (tag.Key === "Site" ? { ...tag, Value: "osaka" } : tag));
      const { Instances } = await ec2.send(
        new RunInstancesCommand({
          ImageId: "ami-1",
          MinCount: 1,
          MaxCount: 1,
          SubnetId: subnets[0],
          TagSpecifications: [{ ResourceType: "instance", Tags }],
        }),
      );
      await run(DELETE);
      expect(await onlyMachine()).to.include({ id: Instances?.[0]?.InstanceId });
    });
  });
});
