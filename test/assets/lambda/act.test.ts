import { expect } from "chai";
import { act, type Context } from "../../../assets/lambda/recovery-handler/act";
import type { Attempt } from "../../../assets/lambda/recovery-handler/attempts";
import {
  type Cloud,
  CloudError,
  type CloudInstance,
  type LaunchAnswer,
  type LaunchRequest,
} from "../../../assets/lambda/recovery-handler/cloud";
import type { Action } from "../../../assets/lambda/recovery-handler/decide";
import { type LaunchRecord, writeLaunches } from "../../../assets/lambda/recovery-handler/launches";
import type { Settings } from "../../../assets/lambda/recovery-handler/settings";
import { createLog } from "../../../assets/lambda/shared/log";
import type { FunctionMetric } from "../../../modules/metrics";
import { failure } from "./fake-aws";

const SEEN = new Date("2026-11-21T12:00:00Z");
const SETTINGS: Settings = {
  environment: "prod",
  site: "tokyo",
  storePrefix: "/stingy-vpn/prod",
  launchTemplateId: "lt-1",
  launchTemplateVersion: 7,
  subnetIds: ["subnet-a", "subnet-c"],
  instanceTypes: ["t4g.nano", "t4g.micro"],
  spotMaxPrice: "0.004",
  allocationId: "eipalloc-1",
  imageParameter: undefined,
  ddnsFunction: "ddns",
  pendingTickRule: "pending",
  maxAgeDays: 14,
  onDemandFallback: "never",
  spotAttempts: 3,
  rebalance: "replace",
};

const READY: CloudInstance = {
  id: "i-new",
  state: "running",
  launchedAt: SEEN,
  spot: true,
  imageId: "ami-1",
  tags: new Map([["state", "ready"]]),
};

const MARK: Action = { do: "mark", instanceId: "i-1", mark: "ending", value: "now", why: "replaced" };
const WATCH: Action = { do: "watch-closely", enabled: true };
const PROMOTE: Action = { do: "promote", instanceId: "i-new", states: ["ready", "serving"], named: "i-1" };
const TERMINATE: Action = { do: "terminate", instanceIds: ["i-1", "i-2"], reason: "replaced" };
const ATTEMPT: Attempt = { attempt: 11, by: "CreateFleet", failures: 1, refusals: 2, target: "lt-1:7 ami-1" };
const RECORD: LaunchRecord = { ...ATTEMPT, at: SEEN, outcome: "launched", market: "spot" };
const TIDY: Action = { do: "write-launches", record: RECORD, replace: true };
const LAUNCH: Action = { do: "launch", reason: "because", onDemand: "no", attempt: ATTEMPT };

/** How AWS answers; what is not here succeeds. */
type Behaviour = Partial<Cloud>;

const USUAL: Behaviour = {
  instancesById: async () => [READY],
  createFleet: async () => answered("i-new"),
  runInstance: async () => "i-new",
};

const answered = (...instanceIds: string[]): LaunchAnswer => ({ instanceIds, errors: [] });
const refusedWith = (...codes: string[]): LaunchAnswer => ({
  instanceIds: [],
  errors: codes.map((code) => ({ code, message: "no", instanceType: "t4g.nano", subnetId: "subnet-a" })),
});
const refuse = (call: string, code: string | undefined) => async () => {
  throw new CloudError(call, code, "no");
};

async function run(actions: readonly Action[], behaviour: Behaviour = {}, settings: Partial<Settings> = {}) {
  const calls: string[] = [];
  const requests: LaunchRequest[] = [];
  const lines: { level: string; message: string }[] = [];
  const counted: Partial<Record<FunctionMetric, number>> = {};
  let now = SEEN;
  const cloud = new Proxy({} as Cloud, {
    get:
      (_, name: keyof Cloud) =>
      async (...given: unknown[]) => {
        calls.push([name, ...given.flatMap(told)].join(" "));
        return ({ ...USUAL, ...behaviour }[name] as ((...given: unknown[]) => unknown) | undefined)?.(...given);
      },
  });
  const told = (given: unknown): unknown[] => {
    if (typeof given !== "object" || given === null || Array.isArray(given)) return [given];
    if (!("clientToken" in given)) return Object.values(given);
    requests.push(given as LaunchRequest);
    return [(given as LaunchRequest).market];
  };
  const context: Context = {
    settings: { ...SETTINGS, ...settings },
    cloud,
    log: createLog("debug", (line) => lines.push(JSON.parse(line))),
    metrics: {
      count(name, value = 1) {
        counted[name] = (counted[name] ?? 0) + value;
      },
      set(name, value) {
        counted[name] = value;
      },
      flush() {},
    },
    now: () => now,
    sleep: async () => {},
  };
  const later = (ms: number) => {
    now = new Date(now.getTime() + ms);
  };
  const result = { calls, requests, lines, counted, later };
  started = result;
  const { failure: failed, ...outcome } = await act(context, actions, SEEN);
  if (failed !== undefined) throw failed;
  return { ...result, ...outcome };
}

/** What the run that has failed, or is under way, has done. */
let started: {
  calls: string[];
  lines: { level: string; message: string }[];
  counted: Partial<Record<FunctionMetric, number>>;
  later: (ms: number) => void;
};

describe("recovery-handler: act", () => {
  it("performs each action, in order", async () => {
    const { calls, done } = await run([
      { do: "set-desired-state", state: "running" },
      MARK,
      WATCH,
      PROMOTE,
      { do: "write-instance-id", instanceId: "i-2" },
      { do: "update-dns" },
      TERMINATE,
      { do: "watch-closely", enabled: false },
    ]);
    expect(calls).to.deep.equal([
      "putParameter /stingy-vpn/prod/desired-state running",
      "tag i-1 ending now",
      "watchClosely true",
      "instancesById i-new",
      "associateAddress i-new",
      "putParameter /stingy-vpn/prod/instance-id i-new",
      "updateDns",
      "putParameter /stingy-vpn/prod/instance-id i-2",
      "updateDns",
      "updateDns",
      "terminate i-1,i-2",
      "watchClosely false",
    ]);
    expect(done.map((action) => action.do)).to.deep.equal([
      "set-desired-state",
      "mark",
      "watch-closely",
      "promote",
      "write-instance-id",
      "update-dns",
      "terminate",
      "watch-closely",
    ]);
  });

  it("writes the record of launches anew, or only where there is none", async () => {
    const { calls } = await run([TIDY, { do: "write-launches", record: RECORD, replace: false }]);
    const written = `/stingy-vpn/prod/launches ${writeLaunches(RECORD)}`;
    expect(calls).to.deep.equal([`putParameter ${written}`, `createParameter ${written}`]);
  });

  for (const [name, first, call] of [
    ["mark", MARK, "tag"],
    ["switch of the tick", WATCH, "watchClosely"],
    ["call of the DDNS updater", { do: "update-dns" } as Action, "updateDns"],
    ["tidying of the record", TIDY, "putParameter"],
  ] as const) {
    it(`goes on after a ${name} that fails, and fails in the end`, async () => {
      const broken = { [call]: refuse(call, "RequestLimitExceeded") };
      expect((await failure(run([first, TERMINATE], broken))).message).to.equal(`${call}: RequestLimitExceeded: no`);
      expect(started.calls).to.include("terminate i-1,i-2");
      expect(started.lines.filter(({ level }) => level === "error").map(({ message }) => message)).to.deep.equal([
        "not done",
      ]);
    });
  }

  for (const [name, first, call] of [
    ["promotion", PROMOTE, "associateAddress"],
    ["promotion's last look", PROMOTE, "instancesById"],
    ["writing of instance-id", { do: "write-instance-id", instanceId: "i-1" } as Action, "putParameter"],
    ["writing of desired-state", { do: "set-desired-state", state: "stopped" } as Action, "putParameter"],
  ] as const) {
    it(`ends nothing after a ${name} that fails`, async () => {
      const broken = { [call]: refuse(call, "AuthFailure") };
      expect((await failure(run([first, TERMINATE], broken))).message).to.equal(`${call}: AuthFailure: no`);
      expect(started.calls).to.not.include("terminate i-1,i-2");
    });
  }

  it("fails with the first of several failures", async () => {
    const broken = { tag: refuse("tag", "First"), watchClosely: refuse("watchClosely", "Second") };
    expect((await failure(run([MARK, WATCH], broken))).message).to.equal("tag: First: no");
  });

  it("does not act on what was seen more than 20 seconds ago", async () => {
    const slowly = (ms: number) => ({ watchClosely: async () => started.later(ms) });
    const fresh = await run([WATCH, TERMINATE], slowly(20_000));
    expect(fresh.done).to.deep.equal([WATCH, TERMINATE]);
    const stale = await run([WATCH, TERMINATE, MARK], slowly(20_001));
    expect(stale.calls).to.deep.equal(["watchClosely true"]);
    expect(stale.done).to.deep.equal([WATCH]);
    expect(stale.lines.at(-1)).to.deep.include({
      level: "warn",
      message: "what was seen is too old to act upon: the next look goes on",
      age: 20_001,
      left: [TERMINATE, MARK],
    });
  });
});

describe("recovery-handler: act: promotion", () => {
  for (const [what, found] of [
    ["is gone", []],
    ["starts again", [{ ...READY, state: "pending" }]],
    ["stops", [{ ...READY, state: "stopping" }]],
    ["has ended", [{ ...READY, state: "terminated" }]],
    ["is ill now", [{ ...READY, tags: new Map([["state", "unhealthy:egress"]]) }]],
    ["says nothing", [{ ...READY, tags: new Map() }]],
    ["has stood down", [{ ...READY, tags: new Map([["state", "stood-down"]]) }]],
    [
      "was marked to be ended",
      [
        {
          ...READY,
          tags: new Map([
            ["state", "ready"],
            ["ending", "2026-11-21T11:59:00Z"],
          ]),
        },
      ],
    ],
  ] as const) {
    it(`looks again, and moves and ends nothing if it ${what}`, async () => {
      const { calls, done, counted, lines } = await run([PROMOTE, TERMINATE], {
        instancesById: async () => [...found],
      });
      expect(calls).to.deep.equal(["instancesById i-new"]);
      expect(done).to.deep.equal([]);
      expect(counted).to.deep.equal({});
      expect(lines).to.have.length(1);
      expect(lines[0]).to.include({ level: "warn", message: "it is not ready any more: nothing is moved" });
    });
  }

  it("takes back one that stood down where the site has no other", async () => {
    const found = { ...READY, tags: new Map([["state", "stood-down"]]) };
    const { calls } = await run([{ ...PROMOTE, states: ["ready", "serving", "stood-down"] }], {
      instancesById: async () => [found],
    });
    expect(calls).to.include("associateAddress i-new");
  });

  it("gives the address back to the server without naming it anew, as that would look like a promotion", async () => {
    expect((await run([{ ...PROMOTE, named: "i-new" }])).calls).to.deep.equal([
      "instancesById i-new",
      "associateAddress i-new",
    ]);
  });

  it("counts what was promoted", async () => {
    expect((await run([PROMOTE])).counted.Promotions).to.equal(1);
    expect((await run([{ ...PROMOTE, named: PROMOTE.instanceId }])).counted).to.deep.equal({});
  });

  it("tells how long it took from the launch, but not of one that was launched for another recovery", async () => {
    const launchedAt = new Date(SEEN.getTime() - 95_000);
    const found = { ...READY, launchedAt };
    expect((await run([PROMOTE], { instancesById: async () => [found] })).counted.RecoverySeconds).to.equal(95);
    const stoodDown = { ...found, tags: new Map([["state", "stood-down"]]) };
    const { counted } = await run([{ ...PROMOTE, states: ["stood-down"] }], { instancesById: async () => [stoodDown] });
    expect(counted).to.deep.equal({ Promotions: 1 });
  });

  it("leaves out the address, or the DNS updater, where the site has none", async () => {
    expect((await run([PROMOTE], {}, { allocationId: undefined })).calls).to.deep.equal([
      "instancesById i-new",
      "putParameter /stingy-vpn/prod/instance-id i-new",
      "updateDns",
    ]);
    expect((await run([PROMOTE, { do: "update-dns" }], {}, { ddnsFunction: undefined })).calls).to.deep.equal([
      "instancesById i-new",
      "associateAddress i-new",
      "putParameter /stingy-vpn/prod/instance-id i-new",
    ]);
  });

  it("writes no name where the address could not be moved", async () => {
    await failure(run([PROMOTE], { associateAddress: refuse("associateAddress", undefined) }));
    expect(started.calls).to.deep.equal(["instancesById i-new", "associateAddress i-new"]);
    expect(started.counted).to.deep.equal({});
  });
});

describe("recovery-handler: act: launch", () => {
  const record = (fields: object) => ({ ...ATTEMPT, market: "spot", at: "2026-11-21T12:00:00.000Z", ...fields });
  const UNKNOWN = record({ outcome: "unknown" });
  const LAUNCHED = record({ refusals: 0, outcome: "launched" });
  const refused = (refusal: string) => record({ refusals: 3, outcome: "refused", refusal });
  const failed = (refusal: string) => record({ refusals: 3, outcome: "failed", refusal });
  const ON_DEMAND = { attempt: 12, market: "on-demand" };
  const fleet = (answer: LaunchAnswer) => ({ createFleet: async () => answer });
  const noFleet = (code: string | undefined) => ({ createFleet: refuse("CreateFleet", code) });
  type Permission = Extract<Action, { do: "launch" }>["onDemand"];
  const launch = (onDemand: Permission): Action => ({ ...LAUNCH, onDemand });
  /** The calls, with what was written down as JSON. */
  const story = ({ calls }: { calls: readonly string[] }) =>
    calls.map((call) => (call.startsWith("putParameter ") ? JSON.parse(call.slice(call.indexOf("{"))) : call));

  it("writes the attempt down before it is made, and its end after", async () => {
    const result = await run([LAUNCH]);
    expect(story(result)).to.deep.equal([UNKNOWN, "createFleet spot", LAUNCHED]);
    expect([result.done, result.counted]).to.deep.equal([[LAUNCH], {}]);
  });

  it("launches nothing that could not be written down", async () => {
    await failure(run([LAUNCH], { putParameter: refuse("putParameter", "ThrottlingException") }));
    expect(story(started)).to.deep.equal([UNKNOWN]);
  });

  it("asks for every type in every subnet, in order of preference, with a price for Spot alone", async () => {
    const { requests } = await run([launch("if-refused")], fleet(refusedWith("UnfulfillableCapacity")));
    const [spot, onDemand] = requests;
    expect(spot?.overrides).to.deep.equal([
      { instanceType: "t4g.nano", subnetId: "subnet-a" },
      { instanceType: "t4g.nano", subnetId: "subnet-c" },
      { instanceType: "t4g.micro", subnetId: "subnet-a" },
      { instanceType: "t4g.micro", subnetId: "subnet-c" },
    ]);
    expect(spot).to.include({
      market: "spot",
      launchTemplateId: "lt-1",
      launchTemplateVersion: 7,
      spotMaxPrice: "0.004",
    });
    expect(onDemand).to.deep.include({ market: "on-demand", overrides: spot?.overrides, spotMaxPrice: undefined });
  });

  it("has one token for an attempt, another for the next one and for another site", async () => {
    const token = async (attempt: number, settings: Partial<Settings> = {}) => {
      const { requests } = await run([{ ...LAUNCH, attempt: { ...ATTEMPT, attempt } }], {}, settings);
      return requests[0]?.clientToken;
    };
    const tokens = [
      await token(11),
      await token(12),
      await token(11, { site: "osaka" }),
      await token(11, { environment: "test" }),
    ];
    expect(await token(11)).to.equal(tokens[0]);
    expect(new Set(tokens).size).to.equal(4);
    for (const each of tokens) expect(each).to.match(/^[0-9a-f]{64}$/);
  });

  for (const code of ["InsufficientInstanceCapacity", "UnfulfillableCapacity"]) {
    it(`writes the answer down that there is no machine, and tells nobody of ${code}`, async () => {
      const result = await run([LAUNCH], fleet(refusedWith(code, code)));
      const { done, problems, counted } = result;
      expect(story(result)).to.deep.equal([UNKNOWN, "createFleet spot", refused("capacity")]);
      expect({ done, problems, counted }).to.deep.equal({ done: [], problems: [], counted: { LaunchesRefused: 1 } });
    });
  }

  it("takes an empty answer for one that may hide a launch: it tries nothing else", async () => {
    const result = await run([launch("if-refused")], fleet({ instanceIds: [], errors: [] }));
    expect(story(result)).to.deep.equal([UNKNOWN, "createFleet spot", { ...refused("capacity"), outcome: "failed" }]);
    expect(result.lines.at(-1)).to.deep.include({
      level: "error",
      message: "nothing was launched",
      reason: "because",
      market: "spot",
      refusal: "capacity",
    });
  });

  it("keeps the time of its first try where its answer was lost, so that it is not repeated for ever", async () => {
    const madeAt = new Date("2026-11-21T11:55:00Z");
    const again: Action = { ...LAUNCH, attempt: { ...LAUNCH.attempt, madeAt } };
    const result = await run([again], noFleet(undefined));
    expect(story(result)).to.deep.equal([{ ...UNKNOWN, at: madeAt.toISOString() }, "createFleet spot"]);
    expect(story(await run([again])).at(-1)).to.include({ outcome: "launched", at: SEEN.toISOString() });
  });

  it("does not let one failure keep the rest from being done, but an end after a promotion", async () => {
    await failure(
      run([PROMOTE, MARK, TERMINATE, LAUNCH], { associateAddress: refuse("associateAddress", "Throttling") }),
    );
    expect(started.calls).to.include("tag i-1 ending now").and.to.include("createFleet spot");
    expect(started.calls).to.not.include("terminate i-1,i-2");
  });

  it("leaves the attempt unknown where the answer is lost, and launches nothing else", async () => {
    const result = await run([launch("if-refused")], noFleet(undefined));
    expect(story(result)).to.deep.equal([UNKNOWN, "createFleet spot"]);
    expect([result.done, result.counted]).to.deep.equal([[], { LaunchesRefused: 1 }]);
  });

  for (const [code, refusal] of [
    ["RequestLimitExceeded", "throttled"],
    ["IdempotentParameterMismatch", "same-token"],
    ["InvalidSubnetID.NotFound", "configuration"],
    ["UnauthorizedOperation", "permission"],
    ["AuthFailure.ServiceLinkedRoleCreationNotPermitted", "spot-is-impossible"],
    ["SomethingNew", "unknown"],
  ] as const) {
    it(`launches nothing else after ${code}: another run may have got a machine with the same token`, async () => {
      const result = await run([launch("if-refused")], noFleet(code));
      expect(story(result)).to.deep.equal([UNKNOWN, "createFleet spot", failed(refusal)]);
    });
  }

  for (const [code, refusal] of [
    ["VcpuLimitExceeded", "quota"],
    ["InvalidSubnetID.NotFound", "configuration"],
    ["InvalidLaunchTemplateId.NotFound", "configuration"],
  ] as const) {
    it(`tells a person of ${code}`, async () => {
      for (const behaviour of [fleet(refusedWith(code)), noFleet(code)]) {
        const { problems } = await run([LAUNCH], behaviour);
        expect(problems.map((problem) => problem.code)).to.deep.equal([`launch-refused-${refusal}`]);
        expect(problems[0]?.message)
          .to.match(/^AWS refused a spot machine \(because\): .*no [A-Z]/)
          .and.include(code);
      }
    });
  }

  for (const code of ["RequestLimitExceeded", "IdempotentParameterMismatch"]) {
    it(`tells nobody of ${code}, which passes by itself`, async () => {
      expect((await run([LAUNCH], noFleet(code))).problems).to.deep.equal([]);
    });
  }

  it("says first what does not pass by itself", async () => {
    const { problems } = await run([LAUNCH], fleet(refusedWith("InsufficientInstanceCapacity", "VcpuLimitExceeded")));
    expect(problems).to.deep.equal([
      {
        code: "launch-refused-quota",
        message:
          "AWS refused a spot machine (because): VcpuLimitExceeded: no Ask for a higher quota in Service Quotas, or end machines of this account that nobody needs.",
      },
    ]);
  });

  for (const [onDemand, none, impossible] of [
    ["no", ["spot"], ["spot"]],
    ["if-spot-is-impossible", ["spot"], ["spot", "on-demand"]],
    ["if-refused", ["spot", "on-demand"], ["spot", "on-demand"]],
    ["first", ["on-demand"], ["on-demand"]],
  ] as const) {
    it(`asks for ${none.join(" and ")} where on demand is "${onDemand}", ${impossible.join(" and ")} where Spot is impossible`, async () => {
      const markets = async (code: string) =>
        (await run([launch(onDemand)], fleet(refusedWith(code)))).requests.map(({ market }) => market);
      expect(await markets("InsufficientInstanceCapacity")).to.deep.equal(none);
      expect(await markets("MaxSpotInstanceCountExceeded")).to.deep.equal(impossible);
    });
  }

  it("is a new attempt on demand, with a token of its own", async () => {
    const createFleet = async ({ market }: LaunchRequest) =>
      market === "spot" ? refusedWith("UnfulfillableCapacity") : answered("i-new");
    const result = await run([launch("if-refused")], { createFleet });
    expect(story(result)).to.deep.equal([
      UNKNOWN,
      "createFleet spot",
      refused("capacity"),
      record({ ...ON_DEMAND, refusals: 3, outcome: "unknown" }),
      "createFleet on-demand",
      record({ ...ON_DEMAND, refusals: 0, outcome: "launched" }),
    ]);
    expect(result.requests[0]?.clientToken).to.not.equal(result.requests[1]?.clientToken);
    expect(result.done).to.have.length(1);
  });

  describe("with RunInstances", () => {
    const ALONE = { ...ATTEMPT, by: "RunInstances" } as const;
    const single: Action = { ...LAUNCH, attempt: ALONE };

    it("asks for one machine in one place, the same each time, with the token of the attempt", async () => {
      const [first, again] = [await run([single]), await run([single])];
      const [, place] = first.calls;
      expect(place).to.match(/^runInstance spot t4g\.(nano|micro) subnet-[ac]$/);
      expect(story(first)).to.deep.equal([
        { ...UNKNOWN, by: "RunInstances" },
        place,
        { ...LAUNCHED, by: "RunInstances" },
      ]);
      expect(story(again)).to.deep.equal(story(first));
      expect(again.requests[0]?.clientToken).to.equal(first.requests[0]?.clientToken);
      expect(first.lines[0]).to.deep.include({ message: "launched", by: "RunInstances", instanceIds: ["i-new"] });
    });

    it("asks in another place at another attempt, and in every place in time", async () => {
      const places = new Set<string | undefined>();
      for (let attempt = 1; attempt <= 40; attempt++) {
        const { calls } = await run([{ ...LAUNCH, attempt: { ...ALONE, attempt } }]);
        places.add(calls[1]);
      }
      expect([...places].sort()).to.deep.equal([
        "runInstance spot t4g.micro subnet-a",
        "runInstance spot t4g.micro subnet-c",
        "runInstance spot t4g.nano subnet-a",
        "runInstance spot t4g.nano subnet-c",
      ]);
    });

    it("writes down why it failed, and asks for nothing else", async () => {
      const refuses = { runInstance: refuse("RunInstances", "VcpuLimitExceeded") };
      const result = await run([{ ...single, onDemand: "if-refused" }], refuses);
      expect(result.calls.filter((call) => !call.startsWith("putParameter"))).to.have.length(1);
      expect(story(result).at(-1)).to.deep.equal({ ...failed("quota"), by: "RunInstances" });
      expect(result.problems.map((problem) => problem.code)).to.deep.equal(["launch-refused-quota"]);
    });

    it("leaves the attempt unknown where the answer is lost", async () => {
      const result = await run([single], { runInstance: refuse("RunInstances", undefined) });
      expect(story(result).filter((call) => typeof call === "object")).to.deep.equal([
        { ...UNKNOWN, by: "RunInstances" },
      ]);
    });
  });

  it("counts a successor that was given up", async () => {
    expect((await run([{ ...MARK, why: "not ready in time" }])).counted).to.deep.equal({ SuccessorsFailed: 1 });
    expect((await run([MARK])).counted).to.deep.equal({});
  });
});
