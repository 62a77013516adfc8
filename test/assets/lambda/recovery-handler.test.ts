import { expect } from "chai";
import { createHandler } from "../../../assets/lambda/recovery-handler";
import { ec2Error, FakeAws, failure, instanceXml, json, xml } from "./fake-aws";

const ENVIRONMENT = {
  ENVIRONMENT: "prod",
  SITE: "tokyo",
  STORE_PREFIX: "/stingy-vpn/prod",
  LAUNCH_TEMPLATE_ID: "lt-1",
  SUBNET_IDS: "subnet-a,subnet-c",
  INSTANCE_TYPES: "t4g.nano,t4g.micro",
  ALLOCATION_ID: "eipalloc-1",
  DDNS_FUNCTION: "ddns",
  PENDING_TICK_RULE: "pending",
  ON_DEMAND_FALLBACK: "never",
  SPOT_MAX_PRICE: "",
  MAX_AGE_DAYS: "14",
  LOG_LEVEL: "info",
};

const INVOKE = "POST /2015-03-31/functions/ddns/invocations";
const LAUNCHED = "<fleetInstanceSet><item><instanceIds><item>i-new</item></instanceIds></item></fleetInstanceSet>";
const REFUSED =
  "<errorSet><item><errorCode>InsufficientInstanceCapacity</errorCode><errorMessage>none left</errorMessage>" +
  "<launchTemplateAndOverrides><overrides><instanceType>t4g.nano</instanceType><subnetId>subnet-a</subnetId>" +
  "</overrides></launchTemplateAndOverrides></item></errorSet>";

describe("recovery-handler", () => {
  const aws = new FakeAws();
  let now: Date;
  let pages: string[][];
  let store: Record<string, string>;

  before(() => aws.start());
  after(() => aws.stop());

  beforeEach(() => {
    now = new Date("2026-11-21T12:00:00Z");
    pages = [[]];
    store = { "instance-id": "i-old", "desired-state": "running" };
    aws.reset({
      DescribeInstances: ({ NextToken }) => {
        const page = Number(NextToken ?? 0);
        const next = page + 1 < pages.length ? `<nextToken>${page + 1}</nextToken>` : "";
        return xml(`<reservationSet>${pages[page]?.join("")}</reservationSet>${next}`);
      },
      DescribeLaunchTemplates: () =>
        xml("<launchTemplates><item><latestVersionNumber>3</latestVersionNumber></item></launchTemplates>"),
      DescribeAddresses: () => xml("<addressesSet><item><instanceId>i-old</instanceId></item></addressesSet>"),
      CreateFleet: () => xml(LAUNCHED),
      AssociateAddress: () => xml("<return>true</return>"),
      TerminateInstances: () => xml(""),
      GetParameters: ({ Names }) => {
        const known = (Names as string[]).filter((name) => store[name.slice("/stingy-vpn/prod/".length)] !== undefined);
        return json({
          Parameters: known.map((Name) => ({ Name, Value: store[Name.slice("/stingy-vpn/prod/".length)] })),
          InvalidParameters: (Names as string[]).filter((name) => !known.includes(name)),
        });
      },
      PutParameter: () => json({ Version: 2 }),
      EnableRule: () => json({}),
      DisableRule: () => json({}),
      [INVOKE]: () => ({ status: 202, body: "" }),
    });
  });

  function run(event: unknown, variables: Partial<typeof ENVIRONMENT> = {}) {
    const sleep = async (ms: number) => {
      now = new Date(now.getTime() + ms);
    };
    const replacements = { sdk: aws.sdk, log: aws.log, now: () => now, sleep };
    return createHandler({ ...ENVIRONMENT, ...variables }, replacements)(event);
  }

  const old = (state = "running") =>
    instanceXml("i-old", state, { tags: { state: "serving", "aws:ec2launchtemplate:version": "3" } });
  const successor = (tag: string) =>
    instanceXml("i-new", "running", { launched: "2026-11-21T11:59:00.000Z", tags: { state: tag } });
  const logged = (message: string) =>
    aws.lines.map((line) => JSON.parse(line)).find((line) => line.message === message);

  const WARNING = {
    source: "aws.ec2",
    "detail-type": "EC2 Spot Instance Interruption Warning",
    detail: { "instance-id": "i-old" },
  };
  const TICK = { source: "stingy-vpn", "detail-type": "Tick" };

  it("looks with four calls, at the site's tags, and leaves a healthy site alone", async () => {
    pages = [[old()]];
    expect(await run({})).to.deep.equal({ site: "tokyo", decisions: [] });
    expect(aws.calls.map(({ operation }) => operation)).to.have.members([
      "DescribeInstances",
      "DescribeLaunchTemplates",
      "DescribeAddresses",
      "GetParameters",
    ]);
    expect(aws.inputs("DescribeInstances")[0]).to.include({
      "Filter.1.Name": "tag:Project",
      "Filter.1.Value.1": "stingy-vpn",
      "Filter.2.Name": "tag:Environment",
      "Filter.2.Value.1": "prod",
      "Filter.3.Name": "tag:Site",
      "Filter.3.Value.1": "tokyo",
      "Filter.4.Name": "instance-state-name",
      "Filter.4.Value.1": "pending",
      "Filter.4.Value.2": "running",
    });
    expect(aws.inputs("DescribeLaunchTemplates")[0]).to.include({ "LaunchTemplateId.1": "lt-1" });
    expect(aws.inputs("DescribeAddresses")[0]).to.include({ "AllocationId.1": "eipalloc-1" });
  });

  it("launches over every subnet and type at an interruption warning, with the tick on first", async () => {
    pages = [[old()]];
    const { decisions } = await run(WARNING);
    expect(decisions.map((action) => action.do)).to.deep.equal(["set-pending-tick", "launch"]);
    expect(aws.changes).to.deep.equal(["EnableRule", "CreateFleet"]);
    expect(aws.inputs("EnableRule")).to.deep.equal([{ Name: "pending" }]);
    const { ClientToken, Version: _apiVersion, ...request } = aws.inputs("CreateFleet")[0] ?? {};
    const config = "LaunchTemplateConfigs.1";
    expect(ClientToken).to.match(/^[0-9a-f]{64}$/);
    expect(request).to.deep.equal({
      Type: "instant",
      "TargetCapacitySpecification.TotalTargetCapacity": "1",
      "TargetCapacitySpecification.DefaultTargetCapacityType": "spot",
      "SpotOptions.AllocationStrategy": "price-capacity-optimized",
      "SpotOptions.InstanceInterruptionBehavior": "terminate",
      [`${config}.LaunchTemplateSpecification.LaunchTemplateId`]: "lt-1",
      [`${config}.LaunchTemplateSpecification.Version`]: "$Latest",
      [`${config}.Overrides.1.InstanceType`]: "t4g.nano",
      [`${config}.Overrides.1.SubnetId`]: "subnet-a",
      [`${config}.Overrides.2.InstanceType`]: "t4g.nano",
      [`${config}.Overrides.2.SubnetId`]: "subnet-c",
      [`${config}.Overrides.3.InstanceType`]: "t4g.micro",
      [`${config}.Overrides.3.SubnetId`]: "subnet-a",
      [`${config}.Overrides.4.InstanceType`]: "t4g.micro",
      [`${config}.Overrides.4.SubnetId`]: "subnet-c",
    });
  });

  it("uses one token per decision: the same for a repeated event, another for another decision", async () => {
    pages = [[old()]];
    const token = async (variables: Partial<typeof ENVIRONMENT> = {}) => {
      await run(WARNING, variables);
      const { ClientToken } = aws.inputs("CreateFleet").at(-1) ?? {};
      return ClientToken;
    };
    const first = await token();
    expect(await token()).to.equal(first);
    const others = [await token({ SUBNET_IDS: "subnet-a" }), await token({ ENVIRONMENT: "test" })];
    store["instance-id"] = "initial";
    pages = [[]];
    others.push(await token());
    now = new Date("2026-11-21T12:10:00Z");
    others.push(await token());
    expect(new Set([first, ...others]).size).to.equal(5);
  });

  it("bids a price only when one is configured", async () => {
    await run(TICK, { SPOT_MAX_PRICE: "0.004" });
    for (const override of [1, 2, 3, 4]) {
      expect(aws.inputs("CreateFleet")[0]).to.include({
        [`LaunchTemplateConfigs.1.Overrides.${override}.MaxPrice`]: "0.004",
      });
    }
  });

  it("falls back to on-demand, in the order of preference and with a token of its own", async () => {
    aws.answer("CreateFleet", ({ "TargetCapacitySpecification.DefaultTargetCapacityType": market }) =>
      xml(market === "spot" ? REFUSED : LAUNCHED),
    );
    await run(WARNING, { ON_DEMAND_FALLBACK: "at-once", SPOT_MAX_PRICE: "0.004" });
    const [spot, onDemand = {}] = aws.inputs("CreateFleet");
    expect(onDemand).to.include({
      "TargetCapacitySpecification.DefaultTargetCapacityType": "on-demand",
      "OnDemandOptions.AllocationStrategy": "prioritized",
      "LaunchTemplateConfigs.1.Overrides.2.Priority": "0",
      "LaunchTemplateConfigs.1.Overrides.3.Priority": "1",
    });
    expect(Object.keys(onDemand).filter((key) => /Spot|MaxPrice/.test(key))).to.deep.equal([]);
    const { ClientToken } = onDemand;
    expect(ClientToken).to.be.a("string");
    expect(spot).to.not.include({ ClientToken });
  });

  it("fails clearly when nothing could be launched, with each override's error logged", async () => {
    aws.answer("CreateFleet", () => xml(REFUSED));
    const { message } = await failure(run(TICK));
    expect(message).to.equal("No instance could be launched for site tokyo (spot: InsufficientInstanceCapacity).");
    expect(aws.inputs("CreateFleet")).to.have.length(1);
    expect(logged("no instance was launched")).to.deep.include({
      level: "error",
      market: "spot",
      errors: [
        {
          code: "InsufficientInstanceCapacity",
          message: "none left",
          instanceType: "t4g.nano",
          subnetId: "subnet-a",
        },
      ],
    });
  });

  it("lets a deploy go on when there is no machine now, and says so", async () => {
    aws.answer("CreateFleet", () => xml(REFUSED));
    expect(await run({ tf: { action: "create" } })).to.deep.equal({
      site: "tokyo",
      decisions: [],
      problem: "No instance could be launched for site tokyo (spot: InsufficientInstanceCapacity).",
    });
    expect(aws.changes).to.include("EnableRule");
  });

  it("stops a deploy at any other failure", async () => {
    aws.answer("CreateFleet", () => ({
      status: 403,
      body: "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>",
    }));
    expect((await failure(run({ tf: { action: "create" } }))).name).to.equal("UnauthorizedOperation");
  });

  it("has the DNS record written when the configuration has changed", async () => {
    pages = [[old()]];
    const { decisions } = await run({ tf: { action: "update" } });
    expect(decisions).to.deep.equal([{ do: "update-dns" }]);
    expect(aws.changes).to.deep.equal([INVOKE]);
  });

  it("promotes a ready successor from a later page: address, instance-id, DNS, then the old server's end", async () => {
    pages = [[old()], [successor("ready")]];
    const { decisions } = await run({ source: "stingy-vpn", "detail-type": "Server Ready", detail: {} });
    expect(decisions.map((action) => action.do)).to.deep.equal(["promote", "terminate", "set-pending-tick"]);
    expect(aws.changes).to.deep.equal([
      "AssociateAddress",
      "PutParameter",
      INVOKE,
      "TerminateInstances",
      "DisableRule",
    ]);
    expect(aws.inputs("AssociateAddress")[0]).to.include({
      AllocationId: "eipalloc-1",
      InstanceId: "i-new",
      AllowReassociation: "true",
    });
    expect(aws.inputs("PutParameter")).to.deep.equal([
      { Name: "/stingy-vpn/prod/instance-id", Value: "i-new", Type: "String", Overwrite: true },
    ]);
    expect(aws.calls.find(({ operation }) => operation === INVOKE)?.headers).to.include({
      "x-amz-invocation-type": "Event",
    });
    expect(aws.inputs("TerminateInstances")[0]).to.include({ "InstanceId.1": "i-old" });
  });

  it("finishes a promotion that was cut short after the address had moved", async () => {
    pages = [[old(), successor("serving")]];
    const { decisions } = await run(TICK);
    expect(decisions[0]).to.deep.equal({ do: "promote", instanceId: "i-new" });
  });

  for (const state of ["stood-down", "unhealthy:wg0-up", "unhealthy:ready", "Serving", "ready:yes", ""]) {
    it(`takes no successor for ready whose state is "${state}"`, async () => {
      pages = [[old(), successor(state)]];
      await run(TICK);
      expect(aws.changes).to.deep.equal([]);
    });
  }

  it("starts a successor when the server itself says that AWS takes it back", async () => {
    pages = [[old()]];
    const detail = { environment: "prod", site: "tokyo", "instance-id": "i-old", notice: "interruption" };
    const { decisions } = await run({ source: "stingy-vpn", "detail-type": "Server Notice", detail });
    expect(decisions.map((action) => action.do)).to.deep.equal(["set-pending-tick", "launch"]);
  });

  it("looks again before the address moves, and changes nothing for a successor that is no longer ready", async () => {
    pages = [[old(), successor("ready")]];
    let looks = 0;
    aws.answer("DescribeInstances", (input, usual) => {
      if (looks++ === 1) pages = [[old(), successor("broken")]];
      return usual(input);
    });
    expect(await run(TICK)).to.deep.equal({ site: "tokyo", decisions: [] });
    expect(aws.changes).to.deep.equal([]);
    expect(logged("the successor is no longer ready: nothing is moved")).to.include({ instanceId: "i-new" });
  });

  it("leaves out the address and the DNS function on a site without them", async () => {
    pages = [[successor("ready")]];
    await run(TICK, { ALLOCATION_ID: "", DDNS_FUNCTION: "" });
    expect(aws.changes).to.deep.equal(["PutParameter", "DisableRule"]);
    expect(aws.inputs("DescribeAddresses")).to.deep.equal([]);
  });

  it("keeps the old server when the address cannot be moved", async () => {
    pages = [[old(), successor("ready")]];
    aws.answer("AssociateAddress", () => ec2Error("AuthFailure"));
    expect((await failure(run(TICK))).name).to.equal("AuthFailure");
    expect(aws.changes).to.deep.equal(["AssociateAddress"]);
    expect(logged("failed")).to.deep.include({ level: "error", error: { name: "AuthFailure", message: "refused" } });
  });

  it("gives the address back to the server", async () => {
    pages = [[old()]];
    aws.answer("DescribeAddresses", () => xml("<addressesSet><item/></addressesSet>"));
    await run(TICK);
    expect(aws.inputs("AssociateAddress")[0]).to.include({ AllocationId: "eipalloc-1", InstanceId: "i-old" });
  });

  it("ignores the word of an event about a foreign instance, says so, and still looks", async () => {
    const event = { ...WARNING, detail: { "instance-id": "i-foreign" } };
    pages = [[old()]];
    expect((await run(event)).decisions).to.deep.equal([]);
    expect(logged("the event names no live instance of this site: its word is ignored").hint).to.deep.equal({
      kind: "doomed",
      instanceId: "i-foreign",
    });
    expect(logged("looked")).to.not.equal(undefined);
  });

  it("changes nothing when a parameter is missing or holds garbage", async () => {
    store = { "desired-state": "running" };
    expect((await failure(run(TICK))).message).to.equal(
      "Not in the store: /stingy-vpn/prod/instance-id. `cdktf deploy` creates them.",
    );
    store = { "instance-id": "i-old", "desired-state": "Stopped?" };
    expect((await failure(run(TICK))).message).to.equal(
      '/stingy-vpn/prod/desired-state is "Stopped?", not one of running, stopped.',
    );
    expect(aws.changes).to.deep.equal([]);
  });

  it("drains at Terraform's delete: stops the site first, then waits until nothing is left", async () => {
    const left = [old(), successor("ready")];
    pages = [left];
    let looks = 0;
    aws.answer("DescribeInstances", (input, usual) => {
      if (++looks === 2) pages = [[old("shutting-down"), instanceXml("i-late", "pending", {})]];
      if (looks === 3) pages = [[]];
      return usual(input);
    });
    expect(await run({ tf: { action: "delete", prev_input: {} } })).to.deep.equal({
      site: "tokyo",
      decisions: [
        { do: "terminate", instanceIds: ["i-old", "i-new", "i-late"], reason: "the site is being destroyed" },
      ],
    });
    expect(aws.changes).to.deep.equal(["PutParameter", "DisableRule", "TerminateInstances", "TerminateInstances"]);
    expect(aws.inputs("PutParameter")).to.deep.equal([
      { Name: "/stingy-vpn/prod/desired-state", Value: "stopped", Type: "String", Overwrite: true },
    ]);
    const states = Object.entries(aws.inputs("DescribeInstances")[0] ?? {});
    expect(states.flatMap(([key, value]) => (key.startsWith("Filter.4.Value") ? [value] : []))).to.deep.equal([
      "pending",
      "running",
      "stopping",
      "stopped",
      "shutting-down",
    ]);
  });

  it("gives up a drain after four minutes and names what is left", async () => {
    pages = [[old("shutting-down")]];
    expect((await failure(run({ tf: { action: "delete" } }))).message).to.equal(
      "Still not terminated after 240 s: i-old. Run destroy again.",
    );
  });

  it("names every missing variable", () => {
    expect(() => createHandler({ ...ENVIRONMENT, SITE: "", MAX_AGE_DAYS: "0" })).to.throw(
      'not usable: SITE is missing; MAX_AGE_DAYS is "0", not a number above 0.',
    );
  });
});
