import { expect } from "chai";
import { createHandler } from "../../../assets/lambda/recovery-handler";
import { NOW as NOW_QUERY } from "../../../modules/monitoring/dashboard";
import { type Answer, BROKEN_CONNECTION, ec2Error, FakeAws, failure, instanceXml, json, xml } from "./fake-aws";

const ENVIRONMENT = {
  ENVIRONMENT: "prod",
  SITE: "tokyo",
  STORE_PREFIX: "/stingy-vpn/prod",
  LAUNCH_TEMPLATE_ID: "lt-1",
  LAUNCH_TEMPLATE_VERSION: "3",
  SUBNET_IDS: "subnet-a,subnet-c",
  INSTANCE_TYPES: "t4g.nano,t4g.micro",
  ALLOCATION_ID: "eipalloc-1",
  IMAGE_PARAMETER: "/aws/service/image",
  DDNS_FUNCTION: "ddns",
  PENDING_TICK_RULE: "pending",
  ON_DEMAND_FALLBACK: "never",
  SPOT_ATTEMPTS: "3",
  SPOT_MAX_PRICE: "",
  MAX_AGE_DAYS: "14",
  REBALANCE: "replace",
  MAINTENANCE_WINDOW: "",
  LOG_LEVEL: "info",
};
const ARN = { invokedFunctionArn: "arn:aws:lambda:ap-northeast-1:111111111111:function:prod-tokyo-recovery-handler" };

const OLD = "i-0000000000000001d";
const NEW = "i-00000000000000002";
const FOREIGN = "i-0000000000000000f";
const INVOKE = "POST /2015-03-31/functions/ddns/invocations";
const LAUNCHED = `<fleetInstanceSet><item><instanceIds><item>${NEW}</item></instanceIds></item></fleetInstanceSet>`;
const refused = (code: string) =>
  `<errorSet><item><errorCode>${code}</errorCode><errorMessage>none left</errorMessage>` +
  "<launchTemplateAndOverrides><overrides><instanceType>t4g.nano</instanceType><subnetId>subnet-a</subnetId>" +
  "</overrides></launchTemplateAndOverrides></item></errorSet>";
const FAULT: Answer = { status: 500, body: "<html>it is not well</html>" };

const TICK = { source: "stingy-vpn", "detail-type": "Tick" };
const WARNING = {
  source: "aws.ec2",
  "detail-type": "EC2 Spot Instance Interruption Warning",
  account: "111111111111",
  region: "ap-northeast-1",
  time: "2026-11-21T12:09:59Z",
  detail: { "instance-id": OLD },
};
const command = (given: unknown) => ({ source: "stingy-vpn", "detail-type": "Command", detail: { command: given } });

type Written = { name: string; value: string };

const LAST_LAUNCH = {
  attempt: 6,
  at: "2026-11-21T05:58:00.000Z",
  outcome: "launched",
  market: "spot",
  by: "CreateFleet",
  failures: 0,
  refusals: 0,
  target: "lt-1:3 ami-1",
};

describe("recovery-handler", () => {
  const aws = new FakeAws();
  let now: Date;
  let pages: string[][];
  let store: Record<string, string>;
  let impaired: string[];
  /** Which of AWS's checks of them fails. */
  let check: string;
  let lines: string[];

  before(() => aws.start());
  after(() => aws.stop());

  beforeEach(() => {
    now = new Date("2026-11-21T12:10:00Z");
    pages = [[]];
    impaired = [];
    check = "systemStatus";
    lines = [];
    store = {
      "/stingy-vpn/prod/instance-id": OLD,
      "/stingy-vpn/prod/desired-state": "running",
      "/stingy-vpn/prod/launches": JSON.stringify(LAST_LAUNCH),
      "/aws/service/image": "ami-1",
    };
    aws.reset({
      DescribeInstances: (input) => {
        const page = Number(input.NextToken ?? 0);
        const next = page + 1 < pages.length ? `<nextToken>${page + 1}</nextToken>` : "";
        const byId = input["Filter.1.Name"] === "instance-id" ? input["Filter.1.Value.1"] : undefined;
        if (byId !== undefined) {
          return xml(`<reservationSet>${pages.flat().filter((each) => each.includes(String(byId)))}</reservationSet>`);
        }
        return xml(`<reservationSet>${pages[page]?.join("")}</reservationSet>${next}`);
      },
      DescribeInstanceStatus: () => {
        const items = impaired.map(
          (id) =>
            `<item><instanceId>${id}</instanceId>${check === "instanceStatus" ? "" : "<instanceStatus><status>ok</status></instanceStatus>"}` +
            `<${check}><status>impaired</status></${check}></item>`,
        );
        return xml(`<instanceStatusSet>${items.join("")}</instanceStatusSet>`);
      },
      DescribeAddresses: () => holder(OLD),
      CreateFleet: () => xml(LAUNCHED),
      RunInstances: () => xml(`<instancesSet><item><instanceId>${NEW}</instanceId></item></instancesSet>`),
      AssociateAddress: () => xml("<return>true</return>"),
      TerminateInstances: () => xml(""),
      CreateTags: () => xml("<return>true</return>"),
      GetParameters: ({ Names }) => {
        const names = Names as string[];
        const LastModifiedDate = Date.parse("2026-11-21T06:00:00Z") / 1000;
        const known = names.filter((Name) => store[Name] !== undefined);
        return json({
          Parameters: known.map((Name) => ({ Name, Value: store[Name], LastModifiedDate })),
          InvalidParameters: names.filter((name) => store[name] === undefined),
        });
      },
      PutParameter: ({ Name, Value }) => {
        store[String(Name)] = String(Value);
        return json({ Version: 2 });
      },
      EnableRule: () => json({}),
      DisableRule: () => json({}),
      [INVOKE]: () => ({ status: 202, body: "" }),
    });
  });

  const holder = (id: string) => xml(`<addressesSet><item><instanceId>${id}</instanceId></item></addressesSet>`);
  const later = (ms: number) => {
    now = new Date(now.getTime() + ms);
  };

  function run(event: unknown, variables: Partial<typeof ENVIRONMENT> = {}) {
    const sleep = async (ms: number) => later(ms);
    const replacements = { sdk: aws.sdk, write: (line: string) => lines.push(line), now: () => now, sleep };
    return createHandler({ ...ENVIRONMENT, ...variables }, replacements)(event, ARN);
  }

  const spot = "<instanceLifecycle>spot</instanceLifecycle><imageId>ami-1</imageId>";
  const template = { "aws:ec2launchtemplate:id": "lt-1", "aws:ec2launchtemplate:version": "3" };
  const server = (tags: Record<string, string> = {}, state = "running") =>
    instanceXml(OLD, state, {
      launched: "2026-11-21T06:00:00Z",
      tags: { state: "serving", ...template, ...tags },
      xml: spot,
    });
  const successor = (tags: Record<string, string>, state = "running") =>
    instanceXml(NEW, state, { launched: "2026-11-21T12:08:00Z", tags: { ...template, ...tags }, xml: spot });

  const entries = () => lines.map((line) => JSON.parse(line));
  const logged = (message: string) => entries().find((entry) => entry.message === message);
  const errors = () => entries().filter(({ level }) => level === "error");
  /** What was counted, without what CloudWatch needs to read it, and without what every look says. */
  const counted = () =>
    entries().flatMap(({ _aws, ServersMissing, PeersActive, ...counts }) =>
      _aws === undefined || Object.keys(counts).length === 2
        ? []
        : [{ ...counts, in: _aws.CloudWatchMetrics[0].Namespace }],
    );
  /** What every look says: whether a server is missing, and where nobody serves, that no peer is active. */
  const said = () =>
    entries().flatMap(({ _aws, ServersMissing, PeersActive }) =>
      _aws === undefined ? [] : [[ServersMissing, PeersActive]],
    );
  const metric = (counts: Record<string, number>) => [
    { Site: "tokyo", Environment: "prod", ...counts, in: "StingyVPN" },
  ];
  const written = (): Written[] =>
    aws
      .inputs("PutParameter")
      .map(({ Name, Value }) => ({ name: String(Name).split("/").at(-1) ?? "", value: String(Value) }));
  const records = () => written().flatMap(({ name, value }) => (name === "launches" ? [JSON.parse(value)] : []));
  const tokens = (operation: string) => aws.inputs(operation).map(({ ClientToken }) => ClientToken);
  const without = ({ Version: _, ...input }: Record<string, unknown> = {}) => input;

  describe("an idle tick", () => {
    it("makes four calls, for the site's tags alone, and changes nothing", async () => {
      pages = [[server()]];
      expect(await run(TICK)).to.deep.equal({ site: "tokyo", done: [], problems: [], server: OLD });
      expect(aws.calls.map(({ operation }) => operation).sort()).to.deep.equal([
        "DescribeAddresses",
        "DescribeInstanceStatus",
        "DescribeInstances",
        "GetParameters",
      ]);
      expect(without(aws.inputs("DescribeInstances")[0])).to.deep.equal({
        "Filter.1.Name": "tag:Project",
        "Filter.1.Value.1": "stingy-vpn",
        "Filter.2.Name": "tag:Environment",
        "Filter.2.Value.1": "prod",
        "Filter.3.Name": "tag:Site",
        "Filter.3.Value.1": "tokyo",
      });
      expect(without(aws.inputs("DescribeInstanceStatus")[0])).to.deep.equal({});
      expect(without(aws.inputs("DescribeAddresses")[0])).to.deep.equal({ "AllocationId.1": "eipalloc-1" });
      expect(aws.inputs("GetParameters")).to.deep.equal([
        {
          Names: [
            "/stingy-vpn/prod/instance-id",
            "/stingy-vpn/prod/desired-state",
            "/stingy-vpn/prod/launches",
            "/aws/service/image",
          ],
        },
      ]);
      expect(counted()).to.deep.equal([]);
    });

    it("makes three on a site without Elastic IP, and has the name, which is its address, looked after", async () => {
      pages = [[server()]];
      const looks = ["DescribeInstanceStatus", "DescribeInstances", "GetParameters"];
      await run(TICK, { ALLOCATION_ID: "", DDNS_FUNCTION: "" });
      expect(aws.calls.map(({ operation }) => operation).sort()).to.deep.equal(looks);
      aws.calls.length = 0;
      await run(TICK, { ALLOCATION_ID: "" });
      expect(aws.calls.map(({ operation }) => operation).sort()).to.deep.equal([...looks, INVOKE].sort());
    });

    it("does not ask for the image where it is given by its id", async () => {
      pages = [[server()]];
      await run(TICK, { IMAGE_PARAMETER: "" });
      expect(aws.inputs("GetParameters")[0]?.Names).to.have.length(3);
    });

    it("says who called: the version of ours", async () => {
      await run(TICK);
      for (const { headers } of aws.calls) expect(headers["user-agent"]).to.match(/ stingy-vpn\/\d/);
    });

    it("says that a server serves, and leaves the rest to the server", async () => {
      pages = [[server()]];
      await run(TICK);
      expect(said()).to.deep.equal([[0, undefined]]);
      expect(logged("looked").service).to.equal("serving");
    });

    it("says that one is missing, and that no peer is active, where nobody serves", async () => {
      await run(TICK);
      expect(said()).to.deep.equal([[1, 0]]);
      expect(logged("looked").service).to.equal("missing");
    });

    it("says while the site is paused that none is missing, and that no peer is active", async () => {
      store["/stingy-vpn/prod/desired-state"] = "stopped";
      await run(TICK);
      expect(said()).to.deep.equal([[0, 0]]);
      expect(logged("looked").service).to.equal("paused");
    });

    it("has in its line what the dashboard asks the log for", async () => {
      pages = [[server()], [successor({}, "pending")]];
      await run(TICK);
      const asked =
        /fields (.*)/
          .exec(NOW_QUERY)?.[1]
          ?.split(",")
          .map((field) => field.trim().split(" as ")[0] ?? "") ?? [];
      expect(asked).to.include.members(["server", "service", "seen.promotedAt"]);
      for (const field of asked.filter((name) => !name.startsWith("@")))
        expect(logged("looked")).to.have.nested.property(field);
    });

    it("writes down what it saw", async () => {
      pages = [[server()]];
      await run(TICK);
      expect(logged("looked")).to.deep.include({ level: "info", hint: { kind: "tick" }, server: OLD, actions: [] });
      expect(logged("looked").seen.instances).to.deep.equal([
        {
          id: OLD,
          phase: "running",
          state: "serving",
          impaired: false,
          launchedAt: "2026-11-21T06:00:00.000Z",
          spot: true,
          imageId: "ami-1",
          template: { id: "lt-1", version: 3 },
        },
      ]);
    });

    it("finds an instance on a later page", async () => {
      pages = [[], [server()]];
      expect((await run(TICK)).server).to.equal(OLD);
    });

    for (const failing of ["instanceStatus", "systemStatus", "attachedEbsStatus"]) {
      it(`sees that AWS's status check of the server fails: ${failing}`, async () => {
        pages = [[server({ "unhealthy-since": "2026-11-21T12:06:00Z" })]];
        impaired = [OLD, FOREIGN];
        check = failing;
        await run(TICK);
        expect(logged("launched").reason).to.equal(
          `${OLD} has not been well for 4 min: AWS's status check of it fails`,
        );
      });
    }
  });

  describe("an interruption warning", () => {
    const CONFIG = "LaunchTemplateConfigs.1";
    const overrides = (fields: Record<string, string>[]) =>
      Object.fromEntries(
        fields.flatMap((each, index) =>
          Object.entries(each).map(([key, value]) => [`${CONFIG}.Overrides.${index + 1}.${key}`, value]),
        ),
      );

    it("is marked on the server, the tick is switched on, and a Spot machine launched in every subnet and type", async () => {
      pages = [[server()]];
      const { done } = await run(WARNING);
      expect(done.map((action) => action.do)).to.deep.equal(["mark", "watch-closely", "launch"]);
      expect(aws.changes).to.deep.equal(["CreateTags", "EnableRule", "PutParameter", "CreateFleet", "PutParameter"]);
      expect(without(aws.inputs("CreateTags")[0])).to.deep.equal({
        "ResourceId.1": OLD,
        "Tag.1.Key": "notice",
        "Tag.1.Value": "interruption 2026-11-21T12:10:00.000Z",
      });
      expect(aws.inputs("EnableRule")).to.deep.equal([{ Name: "pending" }]);
      const { ClientToken, ...request } = without(aws.inputs("CreateFleet")[0]);
      expect(ClientToken).to.match(/^[0-9a-f]{64}$/);
      expect(request).to.deep.equal({
        Type: "instant",
        "TargetCapacitySpecification.TotalTargetCapacity": "1",
        "TargetCapacitySpecification.DefaultTargetCapacityType": "spot",
        "SpotOptions.AllocationStrategy": "price-capacity-optimized",
        "SpotOptions.InstanceInterruptionBehavior": "terminate",
        [`${CONFIG}.LaunchTemplateSpecification.LaunchTemplateId`]: "lt-1",
        [`${CONFIG}.LaunchTemplateSpecification.Version`]: "3",
        ...overrides([
          { InstanceType: "t4g.nano", SubnetId: "subnet-a" },
          { InstanceType: "t4g.nano", SubnetId: "subnet-c" },
          { InstanceType: "t4g.micro", SubnetId: "subnet-a" },
          { InstanceType: "t4g.micro", SubnetId: "subnet-c" },
        ]),
      });
      const at = "2026-11-21T12:10:00.000Z";
      const market = "spot";
      const by = "CreateFleet";
      const record = { attempt: 7, by, failures: 0, refusals: 0, target: "lt-1:3 ami-1", market, at };
      expect(records()).to.deep.equal([
        { ...record, outcome: "unknown" },
        { ...record, outcome: "launched" },
      ]);
      expect(logged("launched")).to.deep.include({
        reason: `AWS is about to take ${OLD}`,
        market: "spot",
        by: "CreateFleet",
        instanceIds: [NEW],
      });
    });

    it("asks for no more than the greatest price, for a Spot machine alone", async () => {
      pages = [[server()]];
      aws.answer("CreateFleet", () => xml(refused("InsufficientInstanceCapacity")));
      await run(WARNING, { SPOT_MAX_PRICE: "0.004", ON_DEMAND_FALLBACK: "at-once", INSTANCE_TYPES: "t4g.nano" });
      const [first, second] = aws.inputs("CreateFleet");
      expect(first).to.include({ [`${CONFIG}.Overrides.2.MaxPrice`]: "0.004" });
      expect(Object.keys(second ?? {}).filter((key) => key.endsWith("MaxPrice"))).to.deep.equal([]);
    });

    it("is answered with an on-demand machine where Spot has none and the policy says at once", async () => {
      pages = [[server()]];
      aws.answer("CreateFleet", (input, usual) => {
        const spot = input["TargetCapacitySpecification.DefaultTargetCapacityType"] === "spot";
        return spot ? xml(refused("InsufficientInstanceCapacity")) : usual?.(input);
      });
      await run(WARNING, { ON_DEMAND_FALLBACK: "at-once" });
      const [first, second] = aws.inputs("CreateFleet").map(without);
      const { ClientToken, ...request } = second ?? {};
      expect(ClientToken)
        .to.match(/^[0-9a-f]{64}$/)
        .and.not.equal(first?.ClientToken);
      expect(request).to.deep.equal({
        Type: "instant",
        "TargetCapacitySpecification.TotalTargetCapacity": "1",
        "TargetCapacitySpecification.DefaultTargetCapacityType": "on-demand",
        "OnDemandOptions.AllocationStrategy": "prioritized",
        [`${CONFIG}.LaunchTemplateSpecification.LaunchTemplateId`]: "lt-1",
        [`${CONFIG}.LaunchTemplateSpecification.Version`]: "3",
        ...overrides([
          { InstanceType: "t4g.nano", SubnetId: "subnet-a", Priority: "0" },
          { InstanceType: "t4g.nano", SubnetId: "subnet-c", Priority: "0" },
          { InstanceType: "t4g.micro", SubnetId: "subnet-a", Priority: "1" },
          { InstanceType: "t4g.micro", SubnetId: "subnet-c", Priority: "1" },
        ]),
      });
      expect(records().map(({ attempt, outcome, refusals }) => [attempt, outcome, refusals])).to.deep.equal([
        [7, "unknown", 0],
        [7, "refused", 1],
        [8, "unknown", 1],
        [8, "launched", 0],
      ]);
    });

    it("of the server itself is as good as AWS's", async () => {
      pages = [[server()]];
      const detail = { environment: "prod", site: "tokyo", "instance-id": OLD, notice: "interruption" };
      await run({ source: "stingy-vpn", "detail-type": "Server Notice", detail });
      expect(logged("launched").reason).to.equal(`AWS is about to take ${OLD}`);
    });

    it("launches even while EC2 lets nobody mark anything, and the run fails in the end", async () => {
      pages = [[server()]];
      aws.answer("CreateTags", () => ec2Error("RequestLimitExceeded"));
      expect((await failure(run(WARNING))).message).to.equal("CreateTags: RequestLimitExceeded: refused");
      expect(aws.changes).to.deep.equal(["CreateTags", "EnableRule", "PutParameter", "CreateFleet", "PutParameter"]);
      expect(counted()).to.deep.equal(metric({ Failures: 1 }));
    });

    it("about a foreign instance is ignored, with a line, and the site is looked at all the same", async () => {
      pages = [[server()]];
      expect((await run({ ...WARNING, detail: { "instance-id": FOREIGN } })).done).to.deep.equal([]);
      expect(aws.changes).to.deep.equal([]);
      expect(logged("the event is about an instance that is not of this site: ignored")).to.deep.include({
        level: "info",
        hint: { kind: "notice", notice: "interruption", instanceId: FOREIGN },
      });
    });
  });

  describe("a launch", () => {
    const gone = () => {
      pages = [[]];
      aws.answer("DescribeAddresses", () => xml("<addressesSet><item/></addressesSet>"));
    };
    beforeEach(gone);

    it("of a new site begins with a number that nobody has used", async () => {
      store["/stingy-vpn/prod/instance-id"] = "initial";
      store["/stingy-vpn/prod/launches"] = "none";
      await run({ tf: { action: "create" } });
      const attempt = Date.parse("2026-11-21T06:00:00Z") / 1000 + 1;
      expect(records().map((record) => record.attempt)).to.deep.equal([attempt, attempt]);
      expect(logged("launched").reason).to.equal("the site has no server yet");
    });

    for (const [what, lost] of [
      ["a broken connection", BROKEN_CONNECTION],
      ["an HTTP 500", FAULT],
      ["an HTTP 503 without a code", { status: 503, body: "" }],
    ] as const) {
      it(`whose answer is lost in ${what} is made again with the same token, when its instance could have been seen`, async () => {
        aws.answer("CreateFleet", () => lost);
        expect((await run(TICK)).done.map((action) => action.do)).to.deep.equal(["watch-closely"]);
        expect(records().map(({ attempt, outcome }) => [attempt, outcome])).to.deep.equal([[7, "unknown"]]);
        expect(counted()).to.deep.equal(metric({ LaunchesRefused: 1 }));
        later(59_999);
        await run(TICK);
        expect(aws.inputs("CreateFleet")).to.have.length(1);
        later(1);
        aws.answer("CreateFleet", () => xml(LAUNCHED));
        await run(TICK);
        const [first, second] = aws.inputs("CreateFleet");
        expect(first).to.deep.equal(second);
        expect(records().map(({ attempt, outcome }) => [attempt, outcome])).to.deep.equal([
          [7, "unknown"],
          [7, "unknown"],
          [7, "launched"],
        ]);
      });
    }

    it("whose answer is lost is not made again when its instance is there", async () => {
      aws.answer("CreateFleet", () => BROKEN_CONNECTION);
      await run(TICK);
      later(120_000);
      pages = [[instanceXml(NEW, "pending", { launched: "2026-11-21T12:10:03Z", tags: template, xml: spot })]];
      expect(await run(TICK)).to.include({ successor: NEW });
      expect(aws.inputs("CreateFleet")).to.have.length(1);
    });

    it("that was refused is a new attempt, with another token", async () => {
      aws.answer("CreateFleet", () => xml(refused("InsufficientInstanceCapacity")));
      await run(TICK);
      later(60_000);
      await run(TICK);
      const [first, second] = tokens("CreateFleet");
      expect(second).to.not.equal(first);
      expect(records().at(-1)).to.include({ attempt: 8, outcome: "refused", refusals: 2 });
    });

    /** Two runs, a minute apart: what the first was refused shows itself in the second. */
    const twice = async (variables: Partial<typeof ENVIRONMENT> = {}) => {
      await run(TICK, variables);
      later(60_000);
      return run(TICK, variables);
    };

    it("falls back on RunInstances at the next attempt, in one place, where fleets are forbidden, and says so", async () => {
      aws.answer("CreateFleet", () => ec2Error("UnauthorizedOperation"));
      await twice({ SPOT_MAX_PRICE: "0.004", SUBNET_IDS: "subnet-a", INSTANCE_TYPES: "t4g.nano" });
      const [request] = aws.inputs("RunInstances");
      const { ClientToken, ...rest } = without(request);
      expect(ClientToken)
        .to.match(/^[0-9a-f]{64}$/)
        .and.not.equal(tokens("CreateFleet")[0]);
      expect(rest).to.deep.equal({
        MinCount: "1",
        MaxCount: "1",
        "LaunchTemplate.LaunchTemplateId": "lt-1",
        "LaunchTemplate.Version": "3",
        InstanceType: "t4g.nano",
        SubnetId: "subnet-a",
        "InstanceMarketOptions.MarketType": "spot",
        "InstanceMarketOptions.SpotOptions.SpotInstanceType": "one-time",
        "InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior": "terminate",
        "InstanceMarketOptions.SpotOptions.MaxPrice": "0.004",
      });
      expect(logged("nothing was launched")).to.deep.include({ by: "CreateFleet", refusal: "permission" });
      expect(logged("launched")).to.deep.include({ by: "RunInstances", instanceIds: [NEW] });
      expect(records().map(({ attempt, by, outcome }) => [attempt, by, outcome])).to.deep.equal([
        [7, "CreateFleet", "unknown"],
        [7, "CreateFleet", "failed"],
        [8, "RunInstances", "unknown"],
        [8, "RunInstances", "launched"],
      ]);
    });

    it("by RunInstances is repeated as it was when an answer is lost", async () => {
      aws.answer("CreateFleet", () => ec2Error("UnauthorizedOperation"));
      aws.answer("RunInstances", () => BROKEN_CONNECTION);
      await twice();
      later(60_000);
      await run(TICK);
      const [first, second] = aws.inputs("RunInstances");
      expect(first).to.deep.equal(second);
      expect(records().map(({ attempt, outcome }) => [attempt, outcome])).to.deep.equal([
        [7, "unknown"],
        [7, "failed"],
        [8, "unknown"],
        [8, "unknown"],
      ]);
    });

    it("is on demand at the next attempt, where Spot's service-linked role is missing", async () => {
      aws.answer("CreateFleet", (input, usual) =>
        input["TargetCapacitySpecification.DefaultTargetCapacityType"] === "spot"
          ? ec2Error("AuthFailure.ServiceLinkedRoleCreationNotPermitted")
          : usual?.(input),
      );
      await twice({ ON_DEMAND_FALLBACK: "after-failures" });
      expect(records().map(({ market, by, outcome, refusal }) => [market, by, outcome, refusal])).to.deep.equal([
        ["spot", "CreateFleet", "unknown", undefined],
        ["spot", "CreateFleet", "failed", "spot-is-impossible"],
        ["on-demand", "CreateFleet", "unknown", undefined],
        ["on-demand", "CreateFleet", "launched", undefined],
      ]);
    });

    it("asks RunInstances for no market on demand", async () => {
      aws.answer("CreateFleet", () => ec2Error("UnauthorizedOperation"));
      await twice({ ON_DEMAND_FALLBACK: "at-once" });
      const keys = Object.keys(aws.inputs("RunInstances")[0] ?? {});
      expect(keys).to.include("SubnetId");
      expect(keys.filter((key) => key.startsWith("InstanceMarketOptions"))).to.deep.equal([]);
    });

    const problem = (code: string, text: string) => ({ code: `launch-refused-${code}`, message: text });
    const REASON = `(instance-id names ${OLD}, which is gone)`;
    for (const [what, answer, outcome, problems] of [
      ["capacity", xml(refused("InsufficientInstanceCapacity")), "refused", []],
      ["capacity, as a fault of EC2's own", { ...ec2Error("InsufficientInstanceCapacity"), status: 500 }, "failed", []],
      ["a throttled call", { ...ec2Error("RequestLimitExceeded"), status: 503 }, "failed", []],
      ["the same token with another request", ec2Error("IdempotentParameterMismatch"), "failed", []],
      [
        "a quota",
        xml(refused("VcpuLimitExceeded")),
        "refused",
        [
          problem(
            "quota",
            `AWS refused a spot machine ${REASON}: VcpuLimitExceeded: none left Ask for a higher quota in Service Quotas, or end machines of this account that nobody needs.`,
          ),
        ],
      ],
      [
        "the Spot quota",
        xml(refused("MaxSpotInstanceCountExceeded")),
        "refused",
        [
          problem(
            "spot-is-impossible",
            `AWS refused a spot machine ${REASON}: MaxSpotInstanceCountExceeded: none left Make the role that Spot needs (aws iam create-service-linked-role --aws-service-name spot.amazonaws.com), or ask for a higher Spot quota in Service Quotas.`,
          ),
        ],
      ],
      [
        "a subnet that is gone",
        ec2Error("InvalidSubnetID.NotFound"),
        "failed",
        [
          problem(
            "configuration",
            `AWS refused a spot machine ${REASON}: CreateFleet: InvalidSubnetID.NotFound: refused Something that Terraform made is gone or wrong: \`npx stingy plan\` shows what, \`cdktf deploy '*'\` makes it again.`,
          ),
        ],
      ],
      [
        "a template that is broken",
        ec2Error("InvalidLaunchTemplateId.NotFound"),
        "failed",
        [
          problem(
            "configuration",
            `AWS refused a spot machine ${REASON}: CreateFleet: InvalidLaunchTemplateId.NotFound: refused Something that Terraform made is gone or wrong: \`npx stingy plan\` shows what, \`cdktf deploy '*'\` makes it again.`,
          ),
        ],
      ],
    ] as const) {
      it(`that is refused for ${what} ${problems.length > 0 ? "is told to a person" : "is tried again by itself"}`, async () => {
        aws.answer("CreateFleet", () => answer);
        expect((await run(TICK)).problems).to.deep.equal(problems);
        expect(aws.inputs("RunInstances")).to.deep.equal([]);
        expect(records().map((record) => record.outcome)).to.deep.equal(["unknown", outcome]);
        expect(logged("nothing was launched").level).to.equal("error");
        expect(counted()).to.deep.equal(
          metric({ LaunchesRefused: 1, ...(problems.length > 0 ? { Problems: 1 } : {}) }),
        );
      });
    }

    it("that the role or the service-linked role forbids is told to a person, each time", async () => {
      for (const [code, refusal] of [
        ["UnauthorizedOperation", "permission"],
        ["AuthFailure.ServiceLinkedRoleCreationNotPermitted", "spot-is-impossible"],
      ] as const) {
        aws.answer("CreateFleet", () => ec2Error(code));
        aws.answer("RunInstances", () => ec2Error(code));
        const { problems } = await twice();
        expect(problems.map((each) => each.code)).to.deep.equal([`launch-refused-${refusal}`]);
        later(3_600_000);
      }
      expect(aws.inputs("RunInstances")).to.have.length(1);
    });

    it("is made although another run writes at the same moment", async () => {
      let collisions = 0;
      aws.answer("PutParameter", (input, usual) =>
        collisions++ === 0 ? json({ __type: "TooManyUpdates", message: "later" }, 400) : usual?.(input),
      );
      await run(TICK);
      expect(records().map((record) => record.outcome)).to.deep.equal(["unknown", "unknown", "launched"]);
    });

    it("tells of its problems also where something else fails", async () => {
      aws.answer("CreateFleet", () => ec2Error("InvalidSubnetID.NotFound"));
      aws.answer("EnableRule", () => json({ __type: "AccessDenied", message: "no" }, 400));
      expect((await failure(run(TICK))).message).to.equal("EnableRule: AccessDenied: no");
      expect(logged("a person is needed").level).to.equal("error");
      expect(counted()).to.deep.equal(metric({ LaunchesRefused: 1, Problems: 1, Failures: 1 }));
    });

    it("is not made where it could not be written down first", async () => {
      aws.answer("PutParameter", () => json({ __type: "TooManyUpdates", message: "later" }, 400));
      expect((await failure(run(TICK))).message).to.equal("PutParameter: TooManyUpdates: later");
      expect(aws.inputs("CreateFleet")).to.deep.equal([]);
    });

    it("is not made on what was seen too long ago", async () => {
      aws.answer("DescribeInstances", (input, usual) => {
        later(20_001);
        return usual?.(input);
      });
      expect((await run(TICK)).done).to.deep.equal([]);
      expect(aws.changes).to.deep.equal([]);
      expect(logged("what was seen is too old to act upon: the next look goes on").level).to.equal("warn");
    });
  });

  describe("a promotion", () => {
    const READY = {
      source: "stingy-vpn",
      "detail-type": "Server Ready",
      detail: { environment: "prod", site: "tokyo", "instance-id": NEW },
    };
    const PENDING_TICK = { source: "stingy-vpn", "detail-type": "Pending Tick" };

    it("looks again, moves the address, writes instance-id and calls the DDNS updater, in this order", async () => {
      pages = [[server()], [successor({ state: "ready" })]];
      const { done } = await run(READY);
      expect(done.map((action) => action.do)).to.deep.equal(["promote", "watch-closely"]);
      const operations = aws.calls.map(({ operation }) => operation);
      expect(operations.slice(operations.indexOf("AssociateAddress") - 1)).to.deep.equal([
        "DescribeInstances",
        "AssociateAddress",
        "PutParameter",
        INVOKE,
        "EnableRule",
      ]);
      expect(without(aws.inputs("DescribeInstances").at(-1))).to.deep.equal({
        "Filter.1.Name": "instance-id",
        "Filter.1.Value.1": NEW,
      });
      expect(without(aws.inputs("AssociateAddress")[0])).to.deep.equal({
        AllocationId: "eipalloc-1",
        InstanceId: NEW,
        AllowReassociation: "true",
      });
      expect(aws.inputs("PutParameter")).to.deep.equal([
        { Name: "/stingy-vpn/prod/instance-id", Value: NEW, Type: "String", Overwrite: true },
      ]);
      expect(aws.calls.find(({ operation }) => operation === INVOKE)?.headers).to.include({
        "x-amz-invocation-type": "Event",
      });
      expect(counted()).to.deep.equal(metric({ Promotions: 1, RecoverySeconds: 120 }));
    });

    it("then marks the old server, and ends it when it has stood down for a minute", async () => {
      store["/stingy-vpn/prod/instance-id"] = NEW;
      aws.answer("DescribeAddresses", () => holder(NEW));
      pages = [[server({ state: "stood-down" }), successor({ state: "serving" })]];
      await run(PENDING_TICK);
      expect(aws.changes).to.deep.equal(["CreateTags"]);
      expect(without(aws.inputs("CreateTags")[0])).to.deep.equal({
        "ResourceId.1": OLD,
        "Tag.1.Key": "ending",
        "Tag.1.Value": "2026-11-21T12:10:00.000Z",
      });
      pages = [[server({ state: "stood-down", ending: "2026-11-21T12:10:00.000Z" }), successor({ state: "serving" })]];
      later(59_999);
      await run(PENDING_TICK);
      expect(aws.inputs("TerminateInstances")).to.deep.equal([]);
      later(1);
      await run(PENDING_TICK);
      expect(without(aws.inputs("TerminateInstances")[0])).to.deep.equal({ "InstanceId.1": OLD });
    });

    it("switches the tick off when only the server is left", async () => {
      pages = [[server()]];
      expect((await run(PENDING_TICK)).done).to.deep.equal([{ do: "watch-closely", enabled: false }]);
      expect(aws.inputs("DisableRule")).to.deep.equal([{ Name: "pending" }]);
    });

    it("moves nothing to a successor that is no longer ready", async () => {
      pages = [[server(), successor({ state: "ready" })]];
      aws.answer("DescribeInstances", (input, usual) => {
        const answer = usual?.(input);
        pages = [[server(), successor({ state: "unhealthy:wg0-up" })]];
        return answer;
      });
      expect((await run(PENDING_TICK)).done).to.deep.equal([]);
      expect(aws.changes).to.deep.equal([]);
      expect(logged("it is not ready any more: nothing is moved")).to.include({ level: "warn", instanceId: NEW });
    });

    for (const state of ["stood-down", "unhealthy:wg0-up", "unhealthy:ready", "Serving", "ready:yes", ""]) {
      it(`does not take a successor for ready that says "${state}"`, async () => {
        pages = [[server(), successor({ state })]];
        await run(PENDING_TICK);
        expect(aws.changes).to.deep.equal([]);
      });
    }

    it("leaves out the address and the DNS updater on a site without them", async () => {
      pages = [[server(), successor({ state: "ready" })]];
      await run(PENDING_TICK, { ALLOCATION_ID: "", DDNS_FUNCTION: "" });
      expect(aws.changes).to.deep.equal(["PutParameter"]);
    });

    it("keeps the old server, and fails, where the address cannot be moved", async () => {
      pages = [[server(), successor({ state: "ready" })]];
      aws.answer("AssociateAddress", () => ec2Error("AuthFailure"));
      expect((await failure(run(PENDING_TICK))).message).to.equal("AssociateAddress: AuthFailure: refused");
      expect(aws.changes).to.deep.equal(["AssociateAddress"]);
      expect(errors().map(({ message }) => message)).to.deep.equal(["not done", "failed"]);
      expect(errors()[1]).to.deep.include({
        error: {
          name: "CloudError",
          message: "AssociateAddress: AuthFailure: refused",
          code: "AuthFailure",
          cause: { name: "AuthFailure", message: "refused" },
        },
      });
      expect(counted()).to.deep.equal(metric({ Failures: 1 }));
    });

    it("that fails throws what is fit for Lambda's own log: no cause, no HTTP response", async () => {
      pages = [[server(), successor({ state: "ready" })]];
      aws.answer("AssociateAddress", () => ec2Error("AuthFailure"));
      const error = await failure(run(PENDING_TICK));
      expect([error.name, error.cause, Object.keys(error)]).to.deep.equal(["CloudError", undefined, ["name"]]);
    });

    it("that was cut short after the address had moved is finished", async () => {
      pages = [[server(), successor({ state: "serving" })]];
      aws.answer("DescribeAddresses", () => holder(NEW));
      await run(PENDING_TICK);
      expect(aws.changes).to.deep.equal(["PutParameter", INVOKE]);
      expect(written()).to.deep.equal([{ name: "instance-id", value: NEW }]);
    });

    it("gives a lost address back to the server", async () => {
      pages = [[server()]];
      aws.answer("DescribeAddresses", () => xml("<addressesSet><item/></addressesSet>"));
      await run(PENDING_TICK);
      expect(aws.inputs("AssociateAddress")[0]).to.include({ InstanceId: OLD });
    });
  });

  describe("commands", () => {
    it("pause: writes it down, then ends every instance", async () => {
      pages = [[server(), successor({ state: "ready" }), instanceXml(FOREIGN, "terminated", {})]];
      await run(command("pause"));
      expect(aws.changes).to.deep.equal(["PutParameter", "EnableRule", "TerminateInstances"]);
      expect(aws.inputs("PutParameter")).to.deep.equal([
        { Name: "/stingy-vpn/prod/desired-state", Value: "stopped", Type: "String", Overwrite: true },
      ]);
      expect(without(aws.inputs("TerminateInstances")[0])).to.deep.equal({ "InstanceId.1": OLD, "InstanceId.2": NEW });
    });

    it("resume: writes it down, and launches", async () => {
      store["/stingy-vpn/prod/desired-state"] = "stopped";
      aws.answer("DescribeAddresses", () => xml("<addressesSet><item/></addressesSet>"));
      await run(command("resume"));
      expect(written()[0]).to.deep.equal({ name: "desired-state", value: "running" });
      expect(aws.inputs("CreateFleet")).to.have.length(1);
    });

    it("replace: marks the server and launches", async () => {
      pages = [[server()]];
      await run(command("replace"));
      expect(logged("launched").reason).to.equal(`a person wants ${OLD} replaced`);
    });

    it("status: answers with what it sees, and changes nothing", async () => {
      pages = [[server(), successor({ state: "ready" })]];
      const { seen, ...summary } = await run(command("status"));
      expect(summary).to.deep.equal({ site: "tokyo", done: [], problems: [], server: OLD, successor: NEW });
      expect(seen).to.deep.include({
        desiredState: "running",
        serverId: OLD,
        address: { kind: "instance", instanceId: OLD },
        newestImage: "ami-1",
      });
      expect(seen?.instances.map(({ id, state }) => [id, state])).to.deep.equal([
        [OLD, "serving"],
        [NEW, "ready"],
      ]);
      expect(aws.changes).to.deep.equal([]);
    });
  });

  describe("Terraform", () => {
    it("has the DNS records written when it has changed something", async () => {
      pages = [[server()]];
      expect((await run({ tf: { action: "update" } })).done).to.deep.equal([{ do: "update-dns" }]);
      expect(aws.changes).to.deep.equal([INVOKE]);
    });

    it("replaces the server when it has made another template version", async () => {
      pages = [[server()]];
      await run({ tf: { action: "update" } }, { LAUNCH_TEMPLATE_VERSION: "4" });
      expect(logged("launched").reason).to.equal(`${OLD} has launch template version 3, the newest is 4`);
    });

    it("drains the site before it is destroyed: stops it first, then waits until nothing is left for a minute", async () => {
      pages = [[server(), successor({ state: "ready" })]];
      const began = now.getTime();
      let looks = 0;
      aws.answer("DescribeInstances", (input, usual) => {
        if (++looks === 2) pages = [[server({}, "shutting-down"), instanceXml(FOREIGN, "stopped", {})]];
        if (looks === 3) pages = [[instanceXml(OLD, "terminated", {})]];
        return usual?.(input);
      });
      expect(await run({ tf: { action: "delete", prev_input: {} } })).to.deep.equal({
        site: "tokyo",
        done: [{ do: "terminate", instanceIds: [OLD, NEW, FOREIGN], reason: "the site is being destroyed" }],
        problems: [],
      });
      expect(aws.changes).to.deep.equal([
        "PutParameter",
        "PutParameter",
        "DisableRule",
        "TerminateInstances",
        "TerminateInstances",
      ]);
      expect(written().map(({ name }) => name)).to.deep.equal(["launches", "desired-state"]);
      expect(records()[0]).to.include({ attempt: 6, drained: true });
      expect(store["/stingy-vpn/prod/desired-state"]).to.equal("stopped");
      expect(now.getTime() - began).to.equal(60_000);
    });

    it("ends what shows itself late while the site is drained", async () => {
      aws.answer("DescribeInstances", (input, usual) => {
        pages = now.getTime() === Date.parse("2026-11-21T12:10:55Z") ? [[successor({}, "pending")]] : [[]];
        return usual?.(input);
      });
      const { done } = await run({ tf: { action: "delete" } });
      expect(done).to.deep.equal([{ do: "terminate", instanceIds: [NEW], reason: "the site is being destroyed" }]);
    });

    it("does not take a list that was long on its way for a fresh one", async () => {
      const began = now.getTime();
      let slow = true;
      aws.answer("DescribeInstances", (input, usual) => {
        const answer = usual?.(input);
        if (!slow) pages = [[]];
        if (slow && now.getTime() - began >= 55_000) {
          slow = false;
          now = new Date(now.getTime() + 30_000);
          pages = [[successor({}, "pending")]];
        }
        return answer;
      });
      const { done } = await run({ tf: { action: "delete" } });
      expect(done).to.deep.equal([{ do: "terminate", instanceIds: [NEW], reason: "the site is being destroyed" }]);
    });

    it("goes on draining when a call fails, and gives up after four minutes with what is left", async () => {
      pages = [[server({}, "shutting-down")]];
      aws.answer("TerminateInstances", () => ec2Error("RequestLimitExceeded"));
      expect((await failure(run({ tf: { action: "delete" } }))).message).to.equal(
        `Not every instance has ended after 240 s: ${OLD}. Run destroy again, or give the command resume to keep the site.`,
      );
      expect(now).to.deep.equal(new Date("2026-11-21T12:14:00Z"));
      expect(errors().map(({ message }) => message)).to.deep.equal(["failed"]);
      expect(counted()).to.deep.equal(metric({ Failures: 1 }));
    });

    it("resumes with its next create what it had drained", async () => {
      await run({ tf: { action: "delete" } });
      aws.calls.length = 0;
      later(600_000);
      aws.answer("DescribeAddresses", () => xml("<addressesSet><item/></addressesSet>"));
      await run({ tf: { action: "create" } });
      expect(written().slice(0, 2)).to.deep.equal([
        { name: "desired-state", value: "running" },
        {
          name: "launches",
          value: JSON.stringify(LAST_LAUNCH),
        },
      ]);
      expect(aws.inputs("CreateFleet")).to.have.length(1);
    });

    it("does not resume what a person had paused before the destroy", async () => {
      store["/stingy-vpn/prod/desired-state"] = "stopped";
      await run({ tf: { action: "delete" } });
      expect(written()).to.deep.equal([]);
      later(600_000);
      await run({ tf: { action: "create" } });
      expect(aws.changes).to.deep.equal(["DisableRule"]);
      expect(store["/stingy-vpn/prod/desired-state"]).to.equal("stopped");
    });

    it("finds nothing to make again when Terraform has deleted some or all of the parameters", async () => {
      await run({ tf: { action: "delete" } });
      aws.calls.length = 0;
      for (const name of ["launches", "instance-id", "desired-state"]) {
        delete store[`/stingy-vpn/prod/${name}`];
        for (const event of [TICK, { ...TICK, "detail-type": "Pending Tick" }, WARNING, null]) await run(event);
      }
      expect(aws.changes.filter((operation) => operation !== "DisableRule")).to.deep.equal([]);
    });

    it("drains a site that has launched nothing, or whose record is garbage", async () => {
      for (const given of ["none", "?"]) {
        store["/stingy-vpn/prod/desired-state"] = "running";
        store["/stingy-vpn/prod/launches"] = given;
        await run({ tf: { action: "delete" } });
        expect(records().at(-1)).to.include({ attempt: Date.parse("2026-11-21T06:00:00Z") / 1000, drained: true });
      }
    });
  });

  describe("bad input", () => {
    const place = (fields: object) => ({ ...WARNING, ...fields });
    const site = (fields: object) => ({
      source: "stingy-vpn",
      "detail-type": "Server Notice",
      detail: { environment: "prod", site: "tokyo", "instance-id": OLD, notice: "interruption", ...fields },
    });

    for (const [what, event, reason] of [
      ["null", null, "the event is null, not an object"],
      ["nothing", undefined, "the event is undefined, not an object"],
      ["a text", "pause", 'the event is "pause", not an object'],
      ["a list", [command("pause")], "the event is a list, not an object"],
      ["of a wrong type", { source: 7, "detail-type": {} }, "the event's source is 7, not a text"],
      ["huge", { ...command("pause"), padding: "x".repeat(300_000) }, "the event has 300089 characters"],
      ["of another account", place({ account: "222222222222" }), 'the event is of the account "222222222222"'],
      ["of another region", place({ region: "eu-west-1" }), 'the event is of the region "eu-west-1"'],
      ["of another site", site({ site: "osaka" }), 'the event is of the site "prod" "osaka"'],
      ["of another environment", site({ environment: "test" }), 'the event is of the site "test" "tokyo"'],
      ["an unknown command", command("stop"), 'the command is "stop", not one of pause, resume, replace, status'],
      [
        "an unknown action of Terraform",
        { tf: { action: "read" } },
        'tf.action is "read", not create, update or delete',
      ],
    ] as const) {
      it(`an event that is ${what} changes nothing: one error, one metric`, async () => {
        pages = [[server()]];
        expect((await run(event)).done).to.deep.equal([]);
        expect(aws.changes).to.deep.equal([]);
        expect(errors().map(({ message, reason: told }) => [message, told])).to.deep.equal([
          ["the event is not believed", reason],
        ]);
        expect(counted()).to.deep.equal(metric({ RejectedEvents: 1 }));
      });
    }

    it("an event that nobody believes still makes it look", async () => {
      aws.answer("DescribeAddresses", () => xml("<addressesSet><item/></addressesSet>"));
      await run(null);
      expect(aws.inputs("CreateFleet")).to.have.length(1);
    });

    for (const [name, value, code] of [
      ["instance-id", "my server", "instance-id-is-garbage"],
      ["instance-id", "i-1; drop", "instance-id-is-garbage"],
      ["desired-state", "Stopped?", "desired-state-is-garbage"],
      ["desired-state", undefined, "desired-state-is-missing"],
    ] as const) {
      it(`${name} that is ${value} changes nothing: one error, one metric`, async () => {
        pages = [[server({ ...template, "aws:ec2launchtemplate:version": "2" }), successor({ state: "ready" })]];
        if (value === undefined) delete store[`/stingy-vpn/prod/${name}`];
        else store[`/stingy-vpn/prod/${name}`] = value;
        expect((await run(WARNING)).problems.map((problem) => problem.code)).to.deep.equal([code]);
        expect(aws.changes).to.deep.equal([]);
        expect(errors().map(({ message, problems }) => [message, problems[0].code])).to.deep.equal([
          ["a person is needed", code],
        ]);
        expect(counted()).to.deep.equal(metric({ Problems: 1 }));
      });
    }

    it("a record of launches that is garbage is set back, with one error and one metric", async () => {
      pages = [[server()]];
      store["/stingy-vpn/prod/launches"] = "?";
      await run(TICK);
      const at = "2026-11-21T06:00:00.000Z";
      const attempt = Date.parse(at) / 1000;
      expect(records()).to.deep.equal([
        { attempt, at, outcome: "launched", market: "spot", by: "CreateFleet", failures: 0, refusals: 0, target: "" },
      ]);
      expect(errors().map(({ problems }) => problems[0].code)).to.deep.equal(["launches-is-garbage"]);
      expect(counted()).to.deep.equal(metric({ Problems: 1 }));
    });

    it("a record of launches that is missing is made, where nobody else has made it, before anything is launched", async () => {
      aws.answer("DescribeAddresses", () => xml("<addressesSet><item/></addressesSet>"));
      delete store["/stingy-vpn/prod/launches"];
      aws.answer("PutParameter", () => json({ __type: "ParameterAlreadyExists", message: "" }, 400));
      expect((await run(TICK)).done.map((action) => action.do)).to.deep.equal(["write-launches", "watch-closely"]);
      expect(aws.inputs("PutParameter").map(({ Overwrite }) => Overwrite)).to.deep.equal([undefined]);
      expect(records()[0]).to.include({ attempt: now.getTime() / 1000, outcome: "launched" });
      expect(aws.inputs("CreateFleet")).to.deep.equal([]);
    });

    it("marks that are garbage count as none", async () => {
      pages = [[server({ notice: "soon", "unhealthy-since": "?", ending: "", "aws:ec2launchtemplate:version": "x" })]];
      expect((await run(TICK)).done).to.deep.equal([]);
    });

    for (const [what, answer, code] of [
      [
        "on something foreign",
        xml(
          "<addressesSet><item><associationId>eipassoc-1</associationId><networkInterfaceId>eni-1</networkInterfaceId></item></addressesSet>",
        ),
        "address-is-foreign",
      ],
      [
        "on a foreign instance",
        xml(`<addressesSet><item><instanceId>${FOREIGN}</instanceId></item></addressesSet>`),
        "address-is-foreign",
      ],
      ["gone", ec2Error("InvalidAllocationID.NotFound"), "address-is-missing"],
      ["not in the answer", xml("<addressesSet/>"), "address-is-missing"],
    ] as const) {
      it(`an address that is ${what} changes nothing: one error, one metric`, async () => {
        pages = [[server(), successor({ state: "ready" })]];
        aws.answer("DescribeAddresses", () => answer);
        expect((await run(WARNING)).problems.map((problem) => problem.code)).to.deep.equal([code]);
        expect(aws.changes).to.deep.equal([]);
        expect(counted()).to.deep.equal(metric({ Problems: 1 }));
      });
    }

    for (const operation of ["DescribeInstances", "DescribeInstanceStatus", "DescribeAddresses", "GetParameters"]) {
      it(`a look whose ${operation} fails changes nothing: one error, one metric, and the run fails`, async () => {
        pages = [[server()]];
        aws.answer(operation, () => FAULT);
        expect((await failure(run(WARNING))).message).to.match(new RegExp(`^${operation}: no answer: `));
        expect(aws.changes).to.deep.equal([]);
        expect(errors().map(({ message }) => message)).to.deep.equal(["failed"]);
        expect(counted()).to.deep.equal(metric({ Failures: 1 }));
      });
    }

    it("an environment that is incomplete makes no call: one error that names everything, one metric", () => {
      expect(() => run(TICK, { STORE_PREFIX: "", MAX_AGE_DAYS: "0" })).to.throw(
        'not usable: STORE_PREFIX is missing; MAX_AGE_DAYS is "0", not a number above 0.',
      );
      expect(aws.calls).to.deep.equal([]);
      expect(errors().map(({ message, error }) => [message, error.name, error.code])).to.deep.equal([
        ["failed", "EnvironmentError", "environment"],
      ]);
      expect(counted()).to.deep.equal(metric({ Failures: 1 }));
    });

    it("an environment that does not say which site it is counts for an unknown one, as CloudWatch drops an empty name", () => {
      expect(() => run(TICK, { SITE: "", ENVIRONMENT: "" })).to.throw("ENVIRONMENT is missing; SITE is missing.");
      expect(counted()).to.deep.equal([{ Site: "unknown", Environment: "unknown", Failures: 1, in: "StingyVPN" }]);
    });
  });
});
