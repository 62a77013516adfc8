import { expect } from "chai";
import fc from "fast-check";
import { LAUNCH_CALLS, MARKETS } from "../../../assets/lambda/recovery-handler/cloud";
import {
  type Action,
  type Decision,
  decide,
  type Instance,
  type Observation,
  type Policy,
} from "../../../assets/lambda/recovery-handler/decide";
import { type Hint, hintOf } from "../../../assets/lambda/recovery-handler/hint";
import { REFUSALS } from "../../../assets/lambda/recovery-handler/launch-errors";
import { type LaunchRecord, noLaunch, OUTCOMES, readLaunches } from "../../../assets/lambda/recovery-handler/launches";
import { DAYS, type MaintenanceWindow } from "../../../assets/lambda/recovery-handler/maintenance";

const NOW = new Date("2026-11-21T12:10:00Z");
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const ago = (ms: number) => new Date(NOW.getTime() - ms);

const POLICY: Policy = {
  launchTemplateId: "lt-1",
  launchTemplateVersion: 7,
  maxAgeDays: 14,
  onDemandFallback: "after-failures",
  spotAttempts: 3,
  rebalance: "replace",
};
const TARGET = "lt-1:7 ami-1";

const LOOK: Hint = { kind: "look" };
const TICK: Hint = { kind: "tick" };
const PENDING_TICK: Hint = { kind: "pending-tick" };
const command = (given: "pause" | "resume" | "replace" | "status"): Hint => ({ kind: "command", command: given });
const terraform = (action: "create" | "update"): Hint => ({ kind: "terraform", action });
const interruption = (instanceId: string): Hint => ({ kind: "notice", notice: "interruption", instanceId });
const rebalance = (instanceId: string): Hint => ({ kind: "notice", notice: "rebalance", instanceId });

function instance(id: string, old: number, fields: Partial<Instance> = {}): Instance {
  return {
    id,
    phase: "running",
    state: undefined,
    impaired: false,
    launchedAt: ago(old),
    spot: true,
    imageId: "ami-1",
    template: { id: "lt-1", version: 7 },
    ...fields,
  };
}

const SERVER = instance("i-server", 5 * HOUR, { state: "serving" });
const STARTING = instance("i-successor", 2 * MINUTE, { phase: "pending" });
const READY = instance("i-successor", 2 * MINUTE, { state: "ready" });
const LAST: LaunchRecord = {
  attempt: 10,
  at: ago(5 * HOUR),
  outcome: "launched",
  market: "spot",
  by: "CreateFleet",
  failures: 0,
  refusals: 0,
  target: TARGET,
};

function site(instances: readonly Instance[], fields: Partial<Observation> = {}): Observation {
  return {
    desiredState: "running",
    serverId: "i-server",
    promotedAt: ago(5 * HOUR - 3 * MINUTE),
    garbage: {},
    instances,
    address: { kind: "instance", instanceId: "i-server" },
    newestImage: "ami-1",
    launches: { last: LAST },
    ...fields,
  };
}

const NOBODY = { kind: "nobody" } as const;
const EMPTY = site([], { serverId: undefined, promotedAt: undefined, address: NOBODY });
/** A site whose last attempt to launch ended like this. */
const afterLaunch = (last: Partial<LaunchRecord>, fields: Partial<Observation> = {}) =>
  site([], { address: NOBODY, launches: { last: { ...LAST, ...last } }, ...fields });

const decided = (seen: Observation, hint: Hint = LOOK, policy: Partial<Policy> = {}): Decision =>
  decide(seen, hint, NOW, { ...POLICY, ...policy });
const actions = (...given: Parameters<typeof decided>) => decided(...given).actions;
const problems = (...given: Parameters<typeof decided>) => decided(...given).problems;
const launchOf = (...given: Parameters<typeof decided>) => actions(...given).find((action) => action.do === "launch");
const reason = (...given: Parameters<typeof decided>) => launchOf(...given)?.reason;
const names = (...given: Parameters<typeof decided>) => actions(...given).map((action) => action.do);
const endings = (...given: Parameters<typeof decided>) =>
  Object.fromEntries(
    actions(...given).flatMap((action) =>
      action.do === "mark" && action.mark === "ending" ? [[action.instanceId, action.why]] : [],
    ),
  );
const ended = (...given: Parameters<typeof decided>) =>
  actions(...given).flatMap((action) => (action.do === "terminate" ? action.instanceIds : []));

const WATCH: Action = { do: "watch-closely", enabled: true };
const NO_WATCH: Action = { do: "watch-closely", enabled: false };
const WRITE: Action = { do: "write-instance-id", instanceId: "i-successor" };
const FIRST_TRY = { attempt: 11, by: "CreateFleet", failures: 0, refusals: 0, target: TARGET } as const;
const launch = (why: string, fields: Partial<Extract<Action, { do: "launch" }>> = {}): Action => ({
  do: "launch",
  reason: why,
  onDemand: "if-spot-is-impossible",
  attempt: FIRST_TRY,
  ...fields,
});
const ANY_STATE = ["ready", "serving", "stood-down"];
const promote = (instanceId: string, named: string | undefined = "i-server"): Action => ({
  do: "promote",
  instanceId,
  states: ["ready", "serving"],
  named,
});
const takeBack = (instanceId: string, named: string | undefined): Action => ({
  do: "promote",
  instanceId,
  states: ANY_STATE,
  named,
});
const mark = (
  instanceId: string,
  key: "notice" | "unhealthy-since" | "ending",
  value: string,
  why: string,
): Action => ({
  do: "mark",
  instanceId,
  mark: key,
  value,
  why,
});

describe("recovery-handler: decide: the nine steps of a recovery", () => {
  const event = {
    source: "aws.ec2",
    "detail-type": "EC2 Spot Instance Interruption Warning",
    detail: { "instance-id": "i-0000000000000001" },
    time: "2026-11-21T12:09:59Z",
  };
  const server = { ...SERVER, id: "i-0000000000000001" };
  const seen = site([server], { serverId: server.id, address: { kind: "instance", instanceId: server.id } });
  const hint = hintOf(event, { environment: "prod", site: "tokyo" }, NOW);

  it("1 receives the event", () => expect(hint.kind).to.equal("notice"));

  it("2 finds the instance in it", () => expect(hint).to.include({ instanceId: server.id }));

  it("3 reads which instance is the server: the address's holder, else the one that instance-id names", () => {
    expect(decided(seen).server).to.equal(server.id);
    const other = { ...SERVER, id: "i-other" };
    expect(decided(site([SERVER, other], { serverId: "i-other" })).server).to.equal("i-server");
    expect(decided(site([SERVER, other], { serverId: "i-other", address: NOBODY })).server).to.equal("i-other");
    expect(decided(site([SERVER, other], { serverId: "i-other", address: undefined })).server).to.equal("i-other");
  });

  it("4 compares the two: a word about an instance that is not of the site changes nothing", () => {
    expect(actions(site([SERVER]), hint)).to.deep.equal([]);
    expect(actions(seen, hint)[0]).to.include({ do: "mark", instanceId: server.id });
  });

  it("5 launches from the template", () => {
    expect(actions(seen, hint)).to.deep.equal([
      mark(server.id, "notice", "interruption 2026-11-21T12:10:00.000Z", "the word is not repeated"),
      WATCH,
      launch(`AWS is about to take ${server.id}`),
    ]);
  });

  it("6 waits until it is ready", () => {
    const marked = { ...server, notice: { kind: "interruption", at: ago(MINUTE) } as const };
    expect(actions({ ...seen, instances: [marked, STARTING] }, PENDING_TICK)).to.deep.equal([]);
    const running = { ...STARTING, phase: "running" as const };
    expect(actions({ ...seen, instances: [marked, running] }, PENDING_TICK)).to.deep.equal([]);
  });

  it("7 and 8 moves the address, writes instance-id and calls the DDNS updater when it is ready", () => {
    expect(actions(site([SERVER, READY]), PENDING_TICK)).to.deep.equal([promote("i-successor")]);
    const moved = { address: { kind: "instance", instanceId: "i-successor" } } as const;
    expect(actions(site([SERVER, { ...READY, state: "serving" }], moved), PENDING_TICK)).to.deep.equal([WRITE]);
  });

  it("9 says whom it takes for the server and for its successor, to be written down", () => {
    expect(decided(site([SERVER, STARTING]))).to.include({ server: "i-server", successor: "i-successor" });
    expect(decided(EMPTY)).to.include({ server: undefined, successor: undefined });
  });
});

describe("recovery-handler: decide: a healthy site", () => {
  it("is left alone", () => {
    for (const hint of [LOOK, TICK, terraform("create")]) {
      expect(actions(site([SERVER]), hint).filter((action) => action.do !== "update-dns")).to.deep.equal([]);
    }
    expect(problems(site([SERVER]))).to.deep.equal([]);
  });

  it("is left alone without Elastic IP too", () => {
    expect(decided(site([SERVER], { address: undefined }))).to.include({ server: "i-server" });
    expect(actions(site([SERVER], { address: undefined }))).to.deep.equal([]);
  });

  it("is looked at like this whatever a rejected event says", () => {
    expect(actions(site([SERVER]), { kind: "rejected", reason: "?" })).to.deep.equal([]);
    expect(reason(EMPTY, { kind: "rejected", reason: "?" })).to.equal("the site has no server yet");
  });
});

describe("recovery-handler: decide: reasons to replace", () => {
  const replaced = (fields: Partial<Instance>, policy: Partial<Policy> = {}, hint: Hint = LOOK) =>
    reason(site([{ ...SERVER, ...fields }]), hint, policy);
  const window = (from: string, to: string): MaintenanceWindow => ({ days: DAYS, from, to, timeZone: "UTC" });
  const OPEN = { maintenanceWindow: window("11:00", "13:00") };
  const CLOSED = { maintenanceWindow: window("13:00", "15:00") };
  const ILL = { state: "unhealthy:egress" };

  it("an older template version, and not a newer one, nor none", () => {
    expect(replaced({ template: { id: "lt-1", version: 6 } })).to.equal(
      "i-server has launch template version 6, the newest is 7",
    );
    expect(replaced({ template: { id: "lt-1", version: 7 } })).to.equal(undefined);
    expect(replaced({ template: { id: "lt-1", version: 8 } })).to.equal(undefined);
    expect(replaced({ template: undefined })).to.equal(undefined);
  });

  it("another template", () => {
    expect(replaced({ template: { id: "lt-0", version: 7 } })).to.equal("i-server is from launch template lt-0");
  });

  it("another image than the newest, if both are known", () => {
    expect(replaced({ imageId: "ami-0" })).to.equal("i-server has the image ami-0, the newest is ami-1");
    expect(replaced({ imageId: "ami-1" })).to.equal(undefined);
    expect(replaced({ imageId: undefined })).to.equal(undefined);
    expect(reason(site([{ ...SERVER, imageId: "ami-0" }], { newestImage: undefined }))).to.equal(undefined);
  });

  it("more than 14 days", () => {
    expect(replaced({ launchedAt: ago(14 * DAY + 1) })).to.equal("i-server is older than 14 days");
    expect(replaced({ launchedAt: ago(14 * DAY) })).to.equal(undefined);
  });

  it("an on-demand machine, after six hours", () => {
    expect(replaced({ spot: false, launchedAt: ago(6 * HOUR) })).to.equal("i-server is an on-demand machine");
    expect(replaced({ spot: false, launchedAt: ago(6 * HOUR - 1) })).to.equal(undefined);
    expect(replaced({ spot: true, launchedAt: ago(6 * HOUR) })).to.equal(undefined);
  });

  it("a rebalance recommendation, where the policy heeds it and the machine is an hour old", () => {
    const why = "AWS is likely to take i-server";
    expect(replaced({ launchedAt: ago(HOUR) }, {}, rebalance("i-server"))).to.equal(why);
    expect(replaced({ launchedAt: ago(HOUR - 1) }, {}, rebalance("i-server"))).to.equal(undefined);
    expect(replaced({ launchedAt: ago(HOUR) }, { rebalance: "ignore" }, rebalance("i-server"))).to.equal(undefined);
    expect(replaced({ notice: { kind: "rebalance", at: ago(MINUTE) } })).to.equal(why);
    expect(replaced({ notice: { kind: "rebalance", at: ago(MINUTE) } }, { rebalance: "ignore" })).to.equal(undefined);
  });

  it("an interruption warning, now or remembered", () => {
    expect(replaced({}, {}, interruption("i-server"))).to.equal("AWS is about to take i-server");
    expect(replaced({ notice: { kind: "interruption", at: ago(MINUTE) } })).to.equal("AWS is about to take i-server");
    expect(replaced({}, {}, interruption("i-other"))).to.equal(undefined);
  });

  it("ill for three minutes", () => {
    const why = "i-server has not been well for 3 min: unhealthy:egress";
    expect(replaced({ ...ILL, unhealthySince: ago(3 * MINUTE) })).to.equal(why);
    expect(replaced({ ...ILL, unhealthySince: ago(3 * MINUTE - 1) })).to.equal(undefined);
    expect(replaced(ILL)).to.equal(undefined);
  });

  it("silent for three minutes", () => {
    expect(replaced({ state: undefined, unhealthySince: ago(4 * MINUTE) })).to.equal(
      "i-server has not been well for 4 min: it says nothing",
    );
  });

  it("impaired for three minutes, whatever it says of itself", () => {
    expect(replaced({ impaired: true, unhealthySince: ago(3 * MINUTE) })).to.equal(
      "i-server has not been well for 3 min: AWS's status check of it fails",
    );
    expect(replaced({ impaired: true, unhealthySince: ago(2 * MINUTE) })).to.equal(undefined);
  });

  it("well again in time", () => {
    expect(replaced({ unhealthySince: ago(10 * MINUTE) })).to.equal(undefined);
  });

  it("an operator's command, now or remembered", () => {
    expect(replaced({}, {}, command("replace"))).to.equal("a person wants i-server replaced");
    expect(replaced({ notice: { kind: "replace", at: ago(MINUTE) } })).to.equal("a person wants i-server replaced");
    expect(replaced({}, {}, command("resume"))).to.equal(undefined);
  });

  it("a mark of its end, set while it was being promoted", () => {
    expect(replaced({ endingSince: ago(MINUTE) })).to.equal("i-server was about to be ended");
  });

  for (const [what, fields] of [
    ["its age", { launchedAt: ago(15 * DAY) }],
    ["a newer image", { imageId: "ami-0" }],
    ["being on demand", { spot: false, launchedAt: ago(7 * HOUR) }],
  ] as const) {
    it(`waits with ${what} for the maintenance window`, () => {
      expect(replaced(fields, CLOSED)).to.equal(undefined);
      expect(replaced(fields, OPEN)).to.be.a("string");
    });
  }

  for (const [what, fields] of [
    ["an interruption", { notice: { kind: "interruption", at: ago(MINUTE) } }],
    ["a recommendation", { notice: { kind: "rebalance", at: ago(MINUTE) } }],
    ["a person's command", { notice: { kind: "replace", at: ago(MINUTE) } }],
    ["an illness", { ...ILL, unhealthySince: ago(5 * MINUTE) }],
    ["a newer template", { template: { id: "lt-1", version: 6 } }],
  ] as const) {
    it(`does not wait with ${what} for the maintenance window`, () => {
      expect(replaced(fields, CLOSED)).to.be.a("string");
    });
  }
});

describe("recovery-handler: decide: odd states", () => {
  it("nothing yet (`initial`, or no parameter): launches the first server", () => {
    const first = { ...EMPTY, launches: readLaunches("none", ago(HOUR), false) };
    expect(actions(first)).to.deep.equal([
      WATCH,
      launch("the site has no server yet", {
        attempt: { ...FIRST_TRY, attempt: ago(HOUR).getTime() / SECOND + 1 },
      }),
    ]);
    expect(problems(first)).to.deep.equal([]);
  });

  it("a server that was started by hand: adopts it when it is ready", () => {
    const byHand = { ...READY, template: undefined, spot: false };
    expect(actions({ ...EMPTY, instances: [byHand] }, PENDING_TICK)).to.deep.equal([
      takeBack("i-successor", undefined),
    ]);
  });

  it("a server that was started by hand and given the address by hand: writes it down", () => {
    const address = { kind: "instance", instanceId: "i-successor" } as const;
    expect(actions({ ...EMPTY, instances: [{ ...READY, state: "serving" }], address })).to.deep.equal([WRITE]);
  });

  it("a launch whose answer was lost: finds what was launched by its tags, and launches nothing beside it", () => {
    const lost = afterLaunch({ outcome: "unknown", at: ago(2 * MINUTE) }, { instances: [STARTING] });
    expect(actions(lost, PENDING_TICK)).to.deep.equal([]);
    expect(decided(lost).successor).to.equal("i-successor");
  });

  it("instance-id names an instance that has ended, or is gone: launches", () => {
    expect(reason(site([{ ...SERVER, phase: "ended" }], { address: NOBODY }))).to.equal(
      "instance-id names i-server, which is ended",
    );
    expect(reason(site([], { address: NOBODY }))).to.equal("instance-id names i-server, which is gone");
  });

  it("the server was stopped: launches, and ends what is stopped when the new one serves", () => {
    const stopped = { ...SERVER, phase: "stopped" } as const;
    expect(reason(site([stopped], { address: NOBODY }))).to.equal("instance-id names i-server, which is stopped");
    const replaced = site([stopped, { ...READY, state: "serving" }], {
      serverId: "i-successor",
      address: { kind: "instance", instanceId: "i-successor" },
    });
    expect(endings(replaced)).to.deep.equal({ "i-server": "replaced" });
  });

  it("two servers: the older one ends", () => {
    const older = instance("i-older", 9 * HOUR, { state: "serving" });
    expect(actions(site([older, SERVER]), PENDING_TICK)).to.deep.equal([
      mark("i-older", "ending", "2026-11-21T12:10:00.000Z", "replaced"),
    ]);
  });

  it("two of the same second: the one with the greater id counts as the newer one", () => {
    const twin = (id: string) => ({ ...SERVER, id });
    expect(endings(site([SERVER, twin("i-a")]))).to.deep.equal({ "i-a": "replaced" });
    expect(names(site([SERVER, twin("i-z")]))).to.include("promote");
  });

  it("no server, but one that stood down, or has two minutes left: takes it back, and launches all the same", () => {
    const stoodDown = { ...READY, state: "stood-down" };
    const taken = { ...READY, notice: { kind: "interruption", at: ago(MINUTE) } as const };
    for (const given of [stoodDown, taken]) {
      expect(actions(site([given], { address: NOBODY }), PENDING_TICK)).to.deep.equal([
        takeBack("i-successor", "i-server"),
      ]);
      expect(names(site([SERVER, given]))).to.not.include("promote");
    }
  });

  it("several ready ones: prefers the one that lasts, then one that did not stand down, then the newest", () => {
    const taken = instance("i-taken", 1, { state: "ready", notice: { kind: "interruption", at: ago(1) } });
    const stoodDown = instance("i-stood-down", 2, { state: "stood-down" });
    const older = instance("i-older", 2 * MINUTE, { state: "ready" });
    const newer = instance("i-newer", MINUTE, { state: "ready" });
    const chosen = (...instances: Instance[]) => decided({ ...EMPTY, instances }).successor;
    expect(chosen(taken, stoodDown, older, newer)).to.equal("i-newer");
    expect(chosen(taken, stoodDown, older)).to.equal("i-older");
    expect(chosen(taken, stoodDown)).to.equal("i-stood-down");
    expect(chosen(taken)).to.equal("i-taken");
  });

  it("the address is on nobody: gives it back to the server, and prefers a ready successor", () => {
    expect(actions(site([SERVER], { address: NOBODY }))).to.deep.equal([takeBack("i-server", "i-server")]);
    expect(actions(site([{ ...SERVER, state: "stood-down" }], { address: NOBODY }))).to.deep.include(
      takeBack("i-server", "i-server"),
    );
    expect(actions(site([SERVER, READY], { address: NOBODY }), PENDING_TICK)).to.deep.equal([promote("i-successor")]);
  });

  it("the address is on nobody and the server was about to be ended: replaces it", () => {
    expect(names(site([{ ...SERVER, endingSince: ago(HOUR) }], { address: NOBODY }), PENDING_TICK)).to.deep.equal([
      "launch",
    ]);
  });

  it("the address is on nobody and the server is ill: moves nothing to it", () => {
    for (const ill of [{ state: "unhealthy:wg0-up" }, { state: undefined }, { impaired: true }, { phase: "pending" }]) {
      const given = { ...SERVER, ...ill } as Instance;
      expect(names(site([given], { address: NOBODY }))).to.not.include("promote");
    }
  });

  it("the address is on an ended server of the site: that is within reach", () => {
    const ended = { ...SERVER, phase: "ended" } as const;
    expect(reason(site([ended]))).to.equal("instance-id names i-server, which is ended");
    expect(reason(site([]))).to.equal("instance-id names i-server, which is gone");
  });

  for (const [what, address, holder] of [
    ["an instance of somebody else", { kind: "instance", instanceId: "i-foreign" }, "i-foreign"],
    ["a network interface", { kind: "other", name: "eni-1" }, "eni-1"],
  ] as const) {
    it(`the address is on ${what}: changes nothing, and says so`, () => {
      const seen = site([{ ...SERVER, template: { id: "lt-1", version: 6 } }, READY], { address });
      expect(actions(seen, interruption("i-server"))).to.deep.equal([]);
      expect(problems(seen)).to.deep.equal([
        {
          code: "address-is-foreign",
          message: `The site's Elastic IP is on ${holder}, which is not of this site, so nothing is started or ended. Take it off there (aws ec2 disassociate-address), or name another one in elasticIp.`,
        },
      ]);
    });
  }

  it("the address was released: changes nothing, and says so", () => {
    const seen = site([], { address: { kind: "missing" } });
    expect(actions(seen)).to.deep.equal([]);
    expect(problems(seen)).to.deep.equal([
      {
        code: "address-is-missing",
        message:
          "The site's Elastic IP does not exist any more, so nothing is started or ended. `cdktf deploy '*'` makes a new one.",
      },
    ]);
  });

  it("half a promotion: writes the name of the one that has the address, and ends nobody before", () => {
    const moved = { address: { kind: "instance", instanceId: "i-successor" } } as const;
    expect(actions(site([SERVER, { ...READY, state: "serving" }], moved), PENDING_TICK)).to.deep.equal([WRITE]);
  });

  it("desired-state is missing: changes nothing, and says so", () => {
    const seen = site([], { desiredState: undefined });
    expect(actions(seen)).to.deep.equal([]);
    expect(problems(seen)).to.deep.equal([
      {
        code: "desired-state-is-missing",
        message: "The parameter desired-state is missing, so nothing is started or ended. `cdktf deploy '*'` makes it.",
      },
    ]);
  });

  it("desired-state is garbage: changes nothing, and says so", () => {
    const seen = site([], { desiredState: undefined, garbage: { "desired-state": "Stopped?" } });
    expect(actions(seen)).to.deep.equal([]);
    expect(problems(seen)).to.deep.equal([
      {
        code: "desired-state-is-garbage",
        message:
          'The parameter desired-state is "Stopped?". It has to be running or stopped; until then nothing is started or ended.',
      },
    ]);
  });

  it("instance-id is garbage: changes nothing, and says so", () => {
    const seen = site([SERVER, READY], { serverId: undefined, garbage: { "instance-id": 'my "server"' } });
    expect(actions(seen)).to.deep.equal([]);
    expect(problems(seen)).to.deep.equal([
      {
        code: "instance-id-is-garbage",
        message:
          'The parameter instance-id is "my \\"server\\"". It has to be an instance\'s id, or initial; until then nothing is started or ended.',
      },
    ]);
  });

  it("the record of launches is garbage: counts it as a launch of its time, and says so", () => {
    const launches = readLaunches("soon", ago(HOUR), true);
    const seen = site([], { address: NOBODY, garbage: { launches: "soon" }, launches });
    expect(actions(seen, PENDING_TICK)).to.deep.equal([
      { do: "write-launches", record: noLaunch(ago(HOUR)), replace: true },
      launch("instance-id names i-server, which is gone", {
        attempt: { ...FIRST_TRY, attempt: ago(HOUR).getTime() / SECOND + 1 },
      }),
    ]);
    expect(problems(seen)).to.deep.equal([
      {
        code: "launches-is-garbage",
        message:
          'The parameter launches is "soon". It is written anew: what the controller knew of failed launches is forgotten.',
      },
    ]);
  });

  it("the record of launches is missing: makes one first, as two that look have to see the same", () => {
    const missing = { ...EMPTY, launches: { last: undefined } };
    expect(actions(missing, PENDING_TICK)).to.deep.equal([
      { do: "write-launches", record: noLaunch(NOW), replace: false },
    ]);
    expect(names({ ...missing, address: { kind: "missing" } })).to.deep.equal(["write-launches"]);
  });

  it("the record of launches is missing, or garbage, on a site that is not to run: leaves it, as it may be being destroyed", () => {
    for (const launches of [{ last: undefined }, readLaunches("soon", ago(HOUR), true)]) {
      for (const desiredState of ["stopped", undefined] as const) {
        expect(names({ ...EMPTY, desiredState, launches }, TICK)).to.deep.equal([]);
      }
    }
  });

  it("the record of launches is new or became garbage a moment ago: waits for what it may have overwritten", () => {
    const overwritten = (text: string, old: number) => ({ ...EMPTY, launches: readLaunches(text, ago(old), true) });
    for (const text of ["none", "soon"]) {
      expect(reason(overwritten(text, MINUTE - 1))).to.equal(undefined);
      expect(reason(overwritten(text, MINUTE))).to.be.a("string");
    }
  });

  it("the newest image is not known: the template alone is the target", () => {
    expect(launchOf({ ...EMPTY, newestImage: undefined })?.attempt.target).to.equal("lt-1:7");
  });
});

describe("recovery-handler: decide: pause and resume", () => {
  const stopped = { desiredState: "stopped" } as const;
  const terminate = (...instanceIds: string[]): Action => ({
    do: "terminate",
    instanceIds,
    reason: "the site is stopped",
  });

  it("ends every instance of a stopped site, stopped ones too, and launches nothing", () => {
    const halted = instance("i-halted", DAY, { phase: "stopped" });
    const gone = instance("i-gone", DAY, { phase: "ended" });
    expect(actions(site([SERVER, READY, halted, gone], stopped))).to.deep.equal([
      WATCH,
      terminate("i-server", "i-successor", "i-halted"),
    ]);
    expect(actions(site([], stopped))).to.deep.equal([]);
  });

  it("is not stopped by an address that is out of reach", () => {
    expect(actions(site([SERVER], { ...stopped, address: { kind: "missing" } }), PENDING_TICK)).to.deep.equal([
      terminate("i-server"),
    ]);
  });

  it("watches a stopped site closely until what was just launched must have shown itself", () => {
    const launched = (old: number) => afterLaunch({ at: ago(old) }, stopped);
    expect(actions(launched(59 * SECOND))).to.deep.equal([WATCH]);
    expect(actions(launched(60 * SECOND), PENDING_TICK)).to.deep.equal([NO_WATCH]);
  });

  it("pauses at an operator's word", () => {
    expect(actions(site([SERVER]), command("pause"))).to.deep.equal([
      { do: "set-desired-state", state: "stopped" },
      WATCH,
      terminate("i-server"),
    ]);
  });

  it("takes no word where the parameter is missing: Terraform is destroying the site, or has", () => {
    const missing = site([SERVER], { desiredState: undefined });
    expect(actions(missing, command("resume"))).to.deep.equal([]);
    expect(actions(missing, command("pause"))).to.deep.equal([]);
  });

  it("resumes at an operator's word, also where the parameter is garbage", () => {
    const set: Action = { do: "set-desired-state", state: "running" };
    const seen = { ...EMPTY, ...stopped, launches: readLaunches("none", new Date(10 * SECOND), false) };
    expect(actions(seen, command("resume"))).to.deep.equal([set, WATCH, launch("the site has no server yet")]);
    const garbage = { desiredState: undefined, garbage: { "desired-state": "?" } };
    expect(actions(site([SERVER], garbage), command("resume"))).to.deep.equal([set]);
  });

  it("remembers an operator's word even while it cannot act on it", () => {
    const set: Action = { do: "set-desired-state", state: "stopped" };
    expect(actions(site([SERVER], { garbage: { "instance-id": "?" } }), command("pause"))).to.deep.equal([set]);
  });

  it("answers `status` and changes nothing", () => {
    for (const seen of [EMPTY, site([SERVER, READY]), site([SERVER], stopped)]) {
      expect(actions(seen, command("status"))).to.deep.equal([]);
    }
    expect(decided(site([SERVER, READY]), command("status"))).to.include({
      server: "i-server",
      successor: "i-successor",
    });
  });

  it("resumes at Terraform's create what Terraform's destroy had stopped", () => {
    const record = { ...LAST, at: ago(HOUR) };
    const drained = afterLaunch(
      { ...record, drained: true },
      { ...EMPTY, ...stopped, launches: { last: { ...record, drained: true } } },
    );
    expect(actions(drained, terraform("create")).slice(0, 2)).to.deep.equal([
      { do: "set-desired-state", state: "running" },
      { do: "write-launches", record, replace: true },
    ]);
    expect(names(drained, terraform("create"))).to.include("launch");
    // Whoever deploys after a destroy that failed half way wants the site back too.
    expect(actions(drained, terraform("update"))).to.deep.equal(actions(drained, terraform("create")));
    for (const hint of [LOOK, TICK]) expect(actions(drained, hint)).to.deep.equal([]);
  });

  it("does not resume at Terraform's create what a person had stopped", () => {
    expect(actions(afterLaunch({ at: ago(HOUR) }, stopped), terraform("create"))).to.deep.equal([]);
  });

  it("forgets the destroy once the site runs again", () => {
    const running = site([SERVER], { launches: { last: { ...LAST, drained: true } } });
    expect(names(running, terraform("create"))).to.deep.equal(["write-launches", "update-dns"]);
  });
});

describe("recovery-handler: decide: marks", () => {
  const AT = "2026-11-21T12:10:00.000Z";
  const marks = (...given: Parameters<typeof decided>) => actions(...given).filter((action) => action.do === "mark");

  it("remembers a notice on the instance it is about, once", () => {
    const why = "the word is not repeated";
    expect(marks(site([SERVER]), rebalance("i-server"))).to.deep.equal([
      mark("i-server", "notice", `rebalance ${AT}`, why),
    ]);
    expect(marks(site([SERVER, READY]), interruption("i-successor"))).to.deep.equal([
      mark("i-successor", "notice", `interruption ${AT}`, why),
    ]);
    const marked = { ...SERVER, notice: { kind: "interruption", at: ago(SECOND) } as const };
    expect(marks(site([marked]), interruption("i-server"))).to.deep.equal([]);
    expect(marks(site([marked]), command("replace"))).to.deep.equal([]);
  });

  it("lets an interruption stand above a recommendation and a person's wish, and a recommendation above nothing", () => {
    const noticed = (kind: "rebalance" | "replace") => site([{ ...SERVER, notice: { kind, at: ago(MINUTE) } }]);
    for (const kind of ["rebalance", "replace"] as const) {
      expect(marks(noticed(kind), interruption("i-server"))).to.have.length(1);
      expect(marks(noticed(kind), rebalance("i-server"))).to.deep.equal([]);
    }
  });

  it("remembers a person's wish on the server alone", () => {
    expect(marks(site([SERVER, STARTING]), command("replace"))).to.deep.equal([
      mark("i-server", "notice", `replace ${AT}`, "the word is not repeated"),
    ]);
    expect(marks(EMPTY, command("replace"))).to.deep.equal([]);
  });

  it("does not mark what has ended, nor what the policy ignores", () => {
    const gone = instance("i-gone", HOUR, { phase: "ended" });
    expect(marks(site([SERVER, gone]), interruption("i-gone"))).to.deep.equal([]);
    expect(marks(site([SERVER]), rebalance("i-server"), { rebalance: "ignore" })).to.deep.equal([]);
  });

  it("marks since when the server is ill, and takes the mark away when it is well", () => {
    const ill = { ...SERVER, state: "unhealthy:forwarding" };
    expect(marks(site([ill]))).to.deep.equal([mark("i-server", "unhealthy-since", AT, "unhealthy:forwarding")]);
    expect(marks(site([{ ...ill, unhealthySince: ago(MINUTE) }]))).to.deep.equal([]);
    expect(marks(site([{ ...SERVER, unhealthySince: ago(MINUTE) }]))).to.deep.equal([
      mark("i-server", "unhealthy-since", "", "serving"),
    ]);
    expect(marks(site([SERVER, { ...READY, state: "unhealthy:egress" }]))).to.deep.equal([]);
  });

  it("gives a promoted server a minute until it serves", () => {
    const promoted = (state: string | undefined, old: number) =>
      marks(site([{ ...SERVER, state }], { promotedAt: ago(old) }));
    for (const state of ["ready", "stood-down"]) {
      expect(promoted(state, MINUTE - 1)).to.deep.equal([]);
      expect(promoted(state, MINUTE)).to.deep.equal([mark("i-server", "unhealthy-since", AT, state)]);
    }
    expect(promoted("unhealthy:wg0-up", 1)).to.have.length(1);
    expect(promoted(undefined, 1)).to.deep.equal([mark("i-server", "unhealthy-since", AT, "no state")]);
  });
});

describe("recovery-handler: decide: who ends", () => {
  const OLD = instance("i-old", 9 * HOUR, { state: "stood-down" });
  const marked = (since: number, fields: Partial<Instance> = {}) => ({ ...OLD, ...fields, endingSince: ago(since) });

  it("marks what was replaced, and ends it a minute later", () => {
    expect(actions(site([OLD, SERVER]), PENDING_TICK)).to.deep.equal([
      mark("i-old", "ending", "2026-11-21T12:10:00.000Z", "replaced"),
    ]);
    expect(actions(site([marked(MINUTE - 1), SERVER]), PENDING_TICK)).to.deep.equal([]);
    expect(actions(site([marked(MINUTE), SERVER]), PENDING_TICK)).to.deep.equal([
      { do: "terminate", instanceIds: ["i-old"], reason: "neither the server nor its successor" },
    ]);
  });

  it("gives one that does not know yet that it was replaced three minutes, five where its name is its address", () => {
    const serving = (since: number) => marked(since, { state: "serving" });
    expect(ended(site([serving(3 * MINUTE - 1), SERVER]))).to.deep.equal([]);
    expect(ended(site([serving(3 * MINUTE), SERVER]))).to.deep.equal(["i-old"]);
    const byName = { address: undefined };
    expect(ended(site([serving(5 * MINUTE - 1), SERVER], byName))).to.deep.equal([]);
    expect(ended(site([serving(5 * MINUTE), SERVER], byName))).to.deep.equal(["i-old"]);
  });

  it("gives one that is impaired or stopped no more than the minute", () => {
    expect(ended(site([marked(MINUTE, { state: "serving", impaired: true }), SERVER]))).to.deep.equal(["i-old"]);
    expect(ended(site([marked(MINUTE, { state: "serving", phase: "stopped" }), SERVER]))).to.deep.equal(["i-old"]);
  });

  for (const [what, server, fields] of [
    ["has not said that it serves", { state: "ready" }, { promotedAt: ago(SECOND) }],
    ["is ill", { state: "unhealthy:egress" }, {}],
    ["is impaired", { impaired: true }, {}],
    ["is not named by instance-id", {}, { serverId: "i-old" }],
    ["has lost the address", {}, { address: NOBODY }],
  ] as const) {
    it(`keeps the replaced one while the server ${what}`, () => {
      expect(endings(site([OLD, { ...SERVER, ...server }], fields))).to.deep.equal({});
    });
  }

  it("ends no server that is marked, but replaces it", () => {
    const server = { ...SERVER, endingSince: ago(HOUR) };
    expect(actions(site([server]), PENDING_TICK)).to.deep.equal([
      launch("i-server was about to be ended", { onDemand: "no" }),
    ]);
  });

  it("does not end again what has ended", () => {
    const gone = { ...marked(HOUR), phase: "ended" } as const;
    expect(actions(site([gone, SERVER]))).to.deep.equal([]);
  });
});

describe("recovery-handler: decide: successors", () => {
  const taken = { notice: { kind: "interruption", at: ago(SECOND) } } as const;
  const LATE = instance("i-late", 10 * MINUTE + 1, {});
  const REASON = { ...SERVER, template: { id: "lt-1", version: 6 } };

  it("does not launch a second one", () => {
    expect(reason(site([REASON]))).to.equal("i-server has launch template version 6, the newest is 7");
    expect(reason(site([REASON, STARTING]))).to.equal(undefined);
    expect(reason(site([REASON, READY]))).to.equal(undefined);
  });

  it("keeps the first of two that start, and marks the other", () => {
    const second = instance("i-second", MINUTE, {});
    expect(actions(site([SERVER, second, STARTING]), PENDING_TICK)).to.deep.equal([
      mark("i-second", "ending", "2026-11-21T12:10:00.000Z", "one successor is enough"),
    ]);
  });

  it("promotes the one that is ready, and keeps the other until it serves", () => {
    const first = instance("i-first", 3 * MINUTE, {});
    expect(actions(site([SERVER, first, READY]), PENDING_TICK)).to.deep.equal([promote("i-successor")]);
  });

  it("gives up one that is not ready within ten minutes", () => {
    expect(endings(site([SERVER, LATE]))).to.deep.equal({ "i-late": "not ready in time" });
    expect(endings(site([SERVER, { ...LATE, launchedAt: ago(10 * MINUTE) }]))).to.deep.equal({});
  });

  it("promotes one that is ready too late rather than nothing", () => {
    expect(names(site([SERVER, { ...LATE, state: "ready" }]))).to.include("promote");
  });

  it("launches the next only when the one that was given up has been marked for a minute", () => {
    const next = (late: Instance) => reason(site([REASON, late]));
    expect(next(LATE)).to.equal(undefined);
    expect(next({ ...LATE, endingSince: ago(MINUTE - 1) })).to.equal(undefined);
    expect(next({ ...LATE, endingSince: ago(MINUTE) })).to.be.a("string");
    expect(next({ ...LATE, phase: "ended" })).to.be.a("string");
  });

  it("does not wait for a successor that AWS is about to take", () => {
    const losing = { ...STARTING, ...taken };
    expect(reason(site([REASON, losing]))).to.be.a("string");
    expect(endings(site([REASON, losing]))).to.deep.equal({});
    expect(names(site([SERVER, { ...READY, ...taken }]))).to.not.include("promote");
  });

  it("marks none that AWS is about to take, as one with two minutes left is better than no server", () => {
    expect(endings(site([SERVER, STARTING, { ...STARTING, ...taken, id: "i-taken" }]))).to.deep.equal({});
  });

  it("marks none that is ready, however old, until the other one serves", () => {
    expect(endings(site([SERVER, READY, { ...LATE, state: "ready" }]))).to.deep.equal({});
  });

  it("never promotes one that is marked, impaired, stopped, starting or ill", () => {
    for (const fields of [
      { endingSince: ago(SECOND) },
      { impaired: true },
      { phase: "stopped" },
      { phase: "pending" },
      { phase: "ended" },
      { state: "unhealthy:ready" },
      { state: "Ready" },
      { state: "" },
      { state: undefined },
    ] as Partial<Instance>[]) {
      for (const seen of [site([SERVER]), EMPTY]) {
        expect(names({ ...seen, instances: [...seen.instances, { ...READY, ...fields }] })).to.not.include("promote");
      }
    }
  });

  it("never promotes what is older than the server", () => {
    expect(names(site([instance("i-old", 6 * HOUR, { state: "ready" }), SERVER]))).to.not.include("promote");
  });
});

describe("recovery-handler: decide: patience", () => {
  const minutes = (count: number) => count * MINUTE;

  it("makes an on-demand attempt whose answer was lost on demand again, as its token means nothing with another request", () => {
    const lost = (market: "spot" | "on-demand") => afterLaunch({ outcome: "unknown", at: ago(2 * MINUTE), market });
    expect(launchOf(lost("on-demand"))).to.deep.include({ onDemand: "first" });
    expect(launchOf(lost("spot"))).to.deep.include({ onDemand: "if-spot-is-impossible" });
    expect(launchOf(lost("on-demand"), LOOK, { onDemandFallback: "never" })).to.deep.include({ onDemand: "no" });
  });

  it("waits a minute for what comes of a launch, then makes the very same attempt if the answer was lost", () => {
    const lost = (old: number) => launchOf(afterLaunch({ outcome: "unknown", at: ago(old), failures: 2, refusals: 1 }));
    expect(lost(60 * SECOND - 1)).to.equal(undefined);
    expect(lost(60 * SECOND)?.attempt).to.deep.equal({
      ...FIRST_TRY,
      attempt: 10,
      failures: 2,
      refusals: 1,
      madeAt: ago(60 * SECOND),
    });
    expect(lost(minutes(10) - 1)?.attempt.attempt).to.equal(10);
  });

  it("makes the next attempt where nobody can be repeating the lost one any more", () => {
    const lost = (old: number) => launchOf(afterLaunch({ outcome: "unknown", at: ago(old), failures: 2, refusals: 1 }));
    expect(lost(minutes(10))).to.equal(undefined);
    expect(lost(minutes(11) - 1)).to.equal(undefined);
    expect(lost(minutes(11))?.attempt).to.include({ attempt: 11, failures: 3 });
  });

  it("makes the very same attempt also where the template has changed: one that has got a machine says so", () => {
    const lost = afterLaunch({ outcome: "unknown", at: ago(minutes(2)), target: "lt-1:6 ami-1", failures: 4 });
    expect(launchOf(lost)?.attempt).to.deep.equal({ ...FIRST_TRY, attempt: 10, failures: 4, madeAt: ago(minutes(2)) });
  });

  it("waits a minute after an error, which does not say what another run has got", () => {
    const failed = (old: number) =>
      launchOf(afterLaunch({ outcome: "failed", refusals: 1, failures: 2, at: ago(old) }));
    expect(failed(60 * SECOND - 1)).to.equal(undefined);
    expect(failed(60 * SECOND)?.attempt).to.deep.equal({ ...FIRST_TRY, failures: 2, refusals: 1 });
    const often = (old: number) => launchOf(afterLaunch({ outcome: "failed", refusals: 2, at: ago(old) }));
    expect(often(minutes(2) - 10 * SECOND - 1)).to.equal(undefined);
    expect(often(minutes(2) - 10 * SECOND)).to.not.equal(undefined);
  });

  for (const [by, refusal, next] of [
    ["CreateFleet", "permission", "RunInstances"],
    ["CreateFleet", "spot-is-impossible", "CreateFleet"],
    ["CreateFleet", "unknown", "RunInstances"],
    ["CreateFleet", "throttled", "CreateFleet"],
    ["CreateFleet", "same-token", "CreateFleet"],
    ["CreateFleet", "configuration", "CreateFleet"],
    ["CreateFleet", "quota", "CreateFleet"],
    ["RunInstances", "capacity", "RunInstances"],
    ["RunInstances", "throttled", "RunInstances"],
    ["RunInstances", "permission", "CreateFleet"],
    ["RunInstances", "quota", "CreateFleet"],
  ] as const) {
    it(`calls ${next} after ${by} failed with ${refusal}`, () => {
      const failed = (old: number) =>
        launchOf(afterLaunch({ outcome: "failed", by, refusal, refusals: 1, at: ago(old) }));
      expect(failed(60 * SECOND - 1)).to.equal(undefined);
      expect(failed(60 * SECOND)?.attempt).to.deep.equal({ ...FIRST_TRY, by: next, refusals: 1 });
    });
  }

  it("calls RunInstances after a fleet's answer that it was not allowed to launch, and CreateFleet after a launch", () => {
    const last = (outcome: "refused" | "launched", refusal: "permission" | "capacity") =>
      launchOf(afterLaunch({ outcome, refusal, at: ago(HOUR) }))?.attempt.by;
    expect(last("refused", "permission")).to.equal("RunInstances");
    expect(last("refused", "capacity")).to.equal("CreateFleet");
    expect(last("launched", "permission")).to.equal("CreateFleet");
  });

  it("repeats the very same call where its answer was lost", () => {
    const lost = afterLaunch({ outcome: "unknown", by: "RunInstances", at: ago(MINUTE) });
    expect(launchOf(lost)?.attempt).to.deep.equal({
      ...FIRST_TRY,
      by: "RunInstances",
      attempt: 10,
      madeAt: ago(MINUTE),
    });
  });

  it("begins anew at a person's `replace`, also where there is no server", () => {
    const failed = afterLaunch({ failures: 6, at: ago(2 * MINUTE) }, { promotedAt: undefined });
    expect(launchOf(failed)).to.equal(undefined);
    expect(launchOf(failed, command("replace"))?.attempt).to.include({ attempt: 11, failures: 0 });
  });

  it("waits a minute for an instance that was launched to show itself", () => {
    const launched = (old: number) => launchOf(afterLaunch({ at: ago(old) }, { promotedAt: undefined }));
    expect(launched(60 * SECOND - 1)).to.equal(undefined);
    expect(launched(60 * SECOND)?.attempt).to.include({ attempt: 11, failures: 1 });
  });

  for (const [failures, wait] of [
    [0, 60 * SECOND],
    [1, minutes(2) - 10 * SECOND],
    [2, minutes(4) - 10 * SECOND],
    [3, minutes(8) - 10 * SECOND],
    [4, minutes(16) - 10 * SECOND],
    [5, minutes(30) - 10 * SECOND],
    [20, minutes(30) - 10 * SECOND],
  ] as const) {
    it(`launches ${wait / SECOND} s after the launch of failure ${failures + 1}`, () => {
      const failed = (old: number) => launchOf(afterLaunch({ failures, at: ago(old) }, { promotedAt: ago(DAY) }));
      expect(failed(wait - 1)).to.equal(undefined);
      expect(failed(wait)?.attempt).to.deep.equal({ ...FIRST_TRY, failures: failures + 1 });
    });
  }

  for (const [refusals, urgent, calm] of [
    [1, minutes(1), minutes(1)],
    [2, minutes(2), minutes(2)],
    [3, minutes(4), minutes(4)],
    [4, minutes(5), minutes(8)],
    [5, minutes(5), minutes(16)],
    [6, minutes(5), minutes(30)],
    [40, minutes(5), minutes(30)],
  ] as const) {
    it(`launches ${urgent / MINUTE} min after refusal ${refusals}, ${calm / MINUTE} min where the server still serves`, () => {
      const last = (old: number): Partial<LaunchRecord> => ({ outcome: "refused", refusals, at: ago(old) });
      const serving = (old: number) => {
        const launches = { last: { ...LAST, ...last(old) } };
        return site([{ ...SERVER, template: { id: "lt-1", version: 6 } }], { launches });
      };
      const early = 10 * SECOND;
      expect(launchOf(afterLaunch(last(urgent - early - 1)))).to.equal(undefined);
      expect(launchOf(afterLaunch(last(urgent - early)))?.attempt).to.deep.equal({ ...FIRST_TRY, refusals });
      expect(launchOf(serving(calm - early - 1))).to.equal(undefined);
      expect(launchOf(serving(calm - early))).to.include({ onDemand: "no" });
    });
  }

  it("counts refusals for an hour", () => {
    const refused = (old: number) =>
      launchOf(afterLaunch({ outcome: "refused", refusals: 4, failures: 2, at: ago(old) }))?.attempt;
    expect(refused(HOUR - 1)).to.include({ refusals: 4, failures: 2 });
    expect(refused(HOUR)).to.include({ refusals: 0, failures: 2 });
  });

  for (const [what, fields, last, failures] of [
    ["a server that lasted ten minutes", { promotedAt: ago(minutes(10)) }, {}, 0],
    ["a server that lasted less", { promotedAt: ago(minutes(10) - 1) }, {}, 4],
    ["a server of an earlier launch", { promotedAt: ago(DAY) }, {}, 4],
    ["no server", { promotedAt: undefined }, {}, 4],
    ["another template", { promotedAt: undefined }, { target: "lt-1:6 ami-1" }, 0],
    ["another image", { promotedAt: undefined }, { target: "lt-1:7 ami-0" }, 0],
  ] as const) {
    it(`counts ${failures} failures after ${what}`, () => {
      const seen = afterLaunch({ failures: 3, at: ago(HOUR), ...last }, fields);
      expect(launchOf(seen)?.attempt.failures).to.equal(failures);
    });
  }

  it("begins anew at a person's command, given after the last launch", () => {
    const asked = (old: number) =>
      launchOf(
        site([{ ...SERVER, notice: { kind: "replace", at: ago(old) } }], {
          promotedAt: ago(DAY),
          launches: { last: { ...LAST, failures: 9, at: ago(HOUR) } },
        }),
      )?.attempt;
    expect(asked(HOUR - 1)).to.include({ failures: 0 });
    expect(asked(HOUR + 1)).to.equal(undefined);
  });
});

describe("recovery-handler: decide: giving up", () => {
  const failed = (failures: number, fields: Partial<Instance>) =>
    site([{ ...SERVER, ...fields }], {
      promotedAt: ago(DAY),
      launches: { last: { ...LAST, failures: failures - 1, at: ago(HOUR) } },
    });
  const CALM = { template: { id: "lt-1", version: 6 } };
  const URGENT = { notice: { kind: "interruption", at: ago(MINUTE) } } as const;
  const console =
    "Read a successor's console (aws ec2 get-console-output --latest --instance-id ID), or why it ended (aws ec2 describe-instances --instance-ids ID --query 'Reservations[].Instances[].StateReason').";

  it("replaces no server that serves after five successors in a row have failed", () => {
    expect(reason(failed(4, CALM))).to.be.a("string");
    expect(reason(failed(5, CALM))).to.equal(undefined);
    expect(problems(failed(5, CALM))).to.deep.equal([
      {
        code: "gave-up",
        message:
          `5 successors in a row from ${TARGET} did not get ready or did not last (i-server has launch template version 6, the newest is 7). ` +
          `No more is launched until the template or the image changes, or the command \`replace\` is given. ${console}`,
      },
    ]);
  });

  it("never gives up where the site has no server that will do", () => {
    expect(reason(failed(50, URGENT))).to.equal("AWS is about to take i-server");
    expect(reason(afterLaunch({ failures: 50, at: ago(HOUR) }, { promotedAt: undefined }))).to.be.a("string");
  });

  it("tells a person after three", () => {
    expect(problems(failed(2, URGENT))).to.deep.equal([]);
    expect(problems(failed(3, URGENT))).to.deep.equal([
      {
        code: "successors-fail",
        message:
          `3 successors in a row from ${TARGET} did not get ready or did not last (AWS is about to take i-server). ` +
          `The controller goes on trying, more and more slowly. ${console}`,
      },
    ]);
  });

  it("does not count a successor that is still starting among the failed ones", () => {
    const { instances, ...rest } = failed(3, URGENT);
    expect(problems({ ...rest, instances: [...instances, STARTING] })).to.deep.equal([]);
  });

  it("tells a person of a server that is a week over its age, as nobody patches it", () => {
    const aged = (days: number) => site([{ ...SERVER, launchedAt: ago(days * DAY) }]);
    expect(problems(aged(21))).to.deep.equal([]);
    expect(problems(aged(21.01))).to.deep.equal([
      {
        code: "server-is-old",
        message:
          "i-server is 7 days over server.maxAgeDays and could not be replaced; the log says why. " +
          "More server.instanceTypes or network.availabilityZones are more places to look for a Spot machine, a wider server.maintenanceWindow more time.",
      },
    ]);
  });

  it("tells a person of five refusals in a row, where the site has no server that will do", () => {
    const refused = (refusals: number) => afterLaunch({ outcome: "refused", refusals, at: ago(MINUTE) });
    expect(problems(refused(4))).to.deep.equal([]);
    expect(problems(refused(5))).to.deep.equal([
      {
        code: "launches-refused",
        message:
          "AWS refused 5 launches in a row (instance-id names i-server, which is gone); the log says each one's error. The controller goes on trying. " +
          "More server.instanceTypes or network.availabilityZones are more places to look, server.onDemandFallback: at-once another one.",
      },
    ]);
    const calm = site([{ ...SERVER, ...CALM }], { launches: refused(5).launches });
    expect(problems(calm)).to.deep.equal([]);
  });
});

describe("recovery-handler: decide: on-demand machines", () => {
  const refused = (refusals: number) => afterLaunch({ outcome: "refused", refusals, at: ago(HOUR - 1) });
  for (const [policy, fresh, impatient] of [
    ["never", "no", "no"],
    ["after-failures", "if-spot-is-impossible", "if-refused"],
    ["at-once", "if-refused", "if-refused"],
  ] as const) {
    it(`${policy}: ${fresh}, ${impatient} after three refusals`, () => {
      const chosen = (refusals: number) => launchOf(refused(refusals), LOOK, { onDemandFallback: policy })?.onDemand;
      expect([chosen(0), chosen(2), chosen(3)]).to.deep.equal([fresh, fresh, impatient]);
    });
  }

  for (const [policy, after, onDemand] of [
    ["never", { refusals: 9, refusal: "spot-is-impossible" }, "no"],
    ["after-failures", { refusals: 2 }, "if-spot-is-impossible"],
    ["after-failures", { refusals: 3 }, "first"],
    ["after-failures", { refusals: 1, refusal: "spot-is-impossible" }, "first"],
    ["at-once", { refusals: 1 }, "first"],
    ["at-once", { refusals: 1, market: "on-demand" }, "if-refused"],
  ] as const) {
    it(`${policy}: ${onDemand} after an error, ${JSON.stringify(after)}`, () => {
      const failed = afterLaunch({ outcome: "failed", at: ago(HOUR - 1), ...after });
      expect(launchOf(failed, LOOK, { onDemandFallback: policy })?.onDemand).to.equal(onDemand);
    });
  }

  it("never take part in a replacement that is in no hurry", () => {
    for (const onDemandFallback of ["never", "after-failures", "at-once"] as const) {
      const seen = site([{ ...SERVER, imageId: "ami-0" }], { launches: refused(3).launches });
      expect(launchOf(seen, LOOK, { onDemandFallback })?.onDemand).to.equal("no");
    }
  });
});

describe("recovery-handler: decide: the one-minute tick", () => {
  const watch = (seen: Observation, hint: Hint) =>
    actions(seen, hint).filter((action) => action.do === "watch-closely");

  for (const [what, seen, hint] of [
    ["a launch", EMPTY, LOOK],
    ["a successor", site([SERVER, STARTING]), LOOK],
    ["something to end", site([instance("i-old", 9 * HOUR), SERVER]), TICK],
    ["something stopped", site([instance("i-old", 9 * HOUR, { phase: "stopped" }), SERVER]), TICK],
    ["an ill server", site([{ ...SERVER, state: "unhealthy:egress" }]), TICK],
    ["an impaired server", site([{ ...SERVER, impaired: true }]), TICK],
    ["no server at all", afterLaunch({ outcome: "refused", refusals: 6, at: ago(MINUTE) }), TICK],
    [
      "an interruption with nothing to launch",
      site([{ ...SERVER, notice: { kind: "interruption", at: ago(1) } }], {
        launches: { last: { ...LAST, at: ago(SECOND) } },
      }),
      TICK,
    ],
  ] as const) {
    it(`is switched on, and left on, for ${what}`, () => {
      expect(watch(seen, hint)).to.deep.equal([WATCH]);
      expect(watch(seen, PENDING_TICK)).to.deep.equal([]);
    });
  }

  it("is switched off by itself when nothing is pending", () => {
    expect(watch(site([SERVER]), PENDING_TICK)).to.deep.equal([NO_WATCH]);
    expect(watch(site([SERVER]), TICK)).to.deep.equal([]);
    expect(watch(site([SERVER, { ...READY, phase: "ended" }]), PENDING_TICK)).to.deep.equal([NO_WATCH]);
  });

  it("is on before anything is launched", () => {
    expect(names(EMPTY)).to.deep.equal(["watch-closely", "launch"]);
  });
});

describe("recovery-handler: decide: DNS", () => {
  const UPDATE: Action = { do: "update-dns" };

  const at = (old: number, hint: Hint, now = NOW) =>
    decide(site([SERVER], { promotedAt: new Date(now.getTime() - old) }), hint, now, POLICY).actions;

  it("is asked for again at the ticks of a quarter of an hour after a promotion", () => {
    expect(at(15 * MINUTE - 1, TICK)).to.deep.equal([UPDATE]);
    expect(at(15 * MINUTE, TICK)).to.deep.equal([]);
    expect(at(MINUTE, LOOK)).to.deep.equal([]);
    expect(at(MINUTE, PENDING_TICK)).to.deep.equal([NO_WATCH]);
  });

  it("is asked for again once an hour, as Cloudflare may be down for long", () => {
    const asked = ["12:00:00", "12:05:59", "12:06:00", "12:59:59"].map(
      (time) => at(DAY, TICK, new Date(`2026-11-21T${time}Z`)).length,
    );
    expect(asked).to.deep.equal([1, 1, 0, 0]);
    expect(at(DAY, PENDING_TICK, new Date("2026-11-21T12:00:00Z"))).to.deep.equal([NO_WATCH]);
  });

  it("is asked for again at every tick where the name is the address", () => {
    expect(actions(site([SERVER], { address: undefined }), TICK)).to.deep.equal([UPDATE]);
  });

  it("is asked for when Terraform has made or changed something", () => {
    for (const action of ["create", "update"] as const) {
      expect(actions(site([SERVER]), terraform(action))).to.deep.equal([UPDATE]);
    }
  });

  it("is not asked for while the server is not well, or not named by instance-id", () => {
    expect(names(site([{ ...SERVER, state: "unhealthy:egress" }]), terraform("update"))).to.not.include("update-dns");
    expect(names(site([SERVER], { serverId: "i-other" }), terraform("update"))).to.not.include("update-dns");
  });
});

describe("recovery-handler: decide: whatever is seen", () => {
  const at = fc.integer({ min: -MINUTE, max: 40 * MINUTE }).map(ago);
  const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  const id = fc.constantFrom("i-a", "i-b", "i-c", "i-d");
  const notice = fc.constantFrom("interruption" as const, "rebalance" as const, "replace" as const);
  const machine = fc
    .record({
      id,
      phase: fc.constantFrom(
        "pending" as const,
        "running" as const,
        "running" as const,
        "stopped" as const,
        "ended" as const,
      ),
      state: some(fc.constantFrom("ready", "serving", "stood-down", "unhealthy:egress", "Ready", "")),
      impaired: fc.constantFrom(false, false, false, true),
      launchedAt: fc.oneof(at, fc.constantFrom(ago(15 * DAY), ago(7 * HOUR))),
      spot: fc.boolean(),
      imageId: some(fc.constantFrom("ami-0", "ami-1")),
      template: some(fc.record({ id: fc.constantFrom("lt-0", "lt-1"), version: fc.integer({ min: 5, max: 9 }) })),
      notice: some(fc.record({ kind: notice, at })),
      unhealthySince: some(at),
      endingSince: some(at),
    })
    .map(
      ({ notice: given, unhealthySince, endingSince, ...rest }): Instance => ({
        ...rest,
        ...(given ? { notice: given } : {}),
        ...(unhealthySince ? { unhealthySince } : {}),
        ...(endingSince ? { endingSince } : {}),
      }),
    );
  const record = fc
    .record({
      attempt: fc.nat(100),
      at,
      outcome: fc.constantFrom(...OUTCOMES),
      market: fc.constantFrom(...MARKETS),
      by: fc.constantFrom(...LAUNCH_CALLS),
      refusal: fc.option(fc.constantFrom(...REFUSALS), { nil: undefined }),
      failures: fc.nat(60),
      refusals: fc.nat(60),
      target: fc.constantFrom(TARGET, "lt-1:6 ami-1", ""),
      drained: fc.boolean(),
    })
    .map(
      ({ drained, refusal, ...rest }): LaunchRecord => ({
        ...rest,
        ...(drained ? { drained } : {}),
        ...(refusal ? { refusal } : {}),
      }),
    );
  const observation: fc.Arbitrary<Observation> = fc.record({
    desiredState: fc.constantFrom(
      "running" as const,
      "running" as const,
      "running" as const,
      "stopped" as const,
      undefined,
    ),
    serverId: some(id),
    promotedAt: some(at),
    garbage: fc.oneof(
      { weight: 9, arbitrary: fc.constant({}) },
      { weight: 1, arbitrary: fc.dictionary(fc.constantFrom("instance-id", "launches"), fc.string()) },
    ),
    instances: fc.uniqueArray(machine, { maxLength: 4, selector: (given) => given.id }),
    address: fc.oneof(
      { weight: 5, arbitrary: id.map((instanceId) => ({ kind: "instance" as const, instanceId })) },
      { weight: 2, arbitrary: fc.constantFrom({ kind: "nobody" as const }, undefined) },
      {
        weight: 1,
        arbitrary: fc.constantFrom({ kind: "missing" as const }, { kind: "other" as const, name: "eni-1" }),
      },
    ),
    newestImage: some(fc.constantFrom("ami-1", "ami-2")),
    launches: fc.oneof(
      some(record).map((last) => ({ last })),
      record.map((last) => ({ last, garbage: "?" })),
    ),
  });
  const hint: fc.Arbitrary<Hint> = fc.oneof(
    fc.constantFrom<Hint>(LOOK, TICK, PENDING_TICK, { kind: "rejected", reason: "?" }),
    fc.constantFrom("pause" as const, "resume" as const, "replace" as const, "status" as const).map(command),
    fc.constantFrom("create" as const, "update" as const).map(terraform),
    fc.record({ kind: fc.constant("notice" as const), notice, instanceId: id }),
  );
  const policy: fc.Arbitrary<Policy> = fc
    .record({
      onDemandFallback: fc.constantFrom("never" as const, "after-failures" as const, "at-once" as const),
      spotAttempts: fc.integer({ min: 1, max: 5 }),
      rebalance: fc.constantFrom("replace" as const, "ignore" as const),
      maxAgeDays: fc.constantFrom(1, 14),
    })
    .map((given) => ({ ...POLICY, ...given }));

  function always(check: (decision: Decision, seen: Observation, given: Hint) => void): void {
    fc.assert(
      fc.property(observation, hint, policy, (seen, given, chosen) =>
        check(decide(seen, given, NOW, chosen), seen, given),
      ),
      { numRuns: 3000 },
    );
  }
  const isStopped = (decision: Decision, seen: Observation) => {
    const set = decision.actions.find((action) => action.do === "set-desired-state");
    return (set?.state ?? seen.desiredState) === "stopped";
  };
  const isLive = ({ phase }: Instance) => phase === "pending" || phase === "running";

  it("it does not throw, and its actions can be written as JSON", () => {
    const isPlain = (value: unknown): boolean =>
      ["string", "number", "boolean", "undefined"].includes(typeof value) ||
      value instanceof Date ||
      (Array.isArray(value) && value.every(isPlain)) ||
      (typeof value === "object" && value !== null && Object.values(value).every(isPlain));
    always((decision) => {
      expect(decision.actions.filter((action) => !isPlain(action))).to.deep.equal([]);
    });
  });

  it("it never ends the server that it names, but on a stopped site", () => {
    always((decision, seen) => {
      if (isStopped(decision, seen)) return;
      for (const action of decision.actions) {
        if (action.do === "terminate") expect(action.instanceIds).to.not.include(decision.server);
      }
    });
  });

  it("it never ends what holds the address or, without one, is named, but on a stopped site", () => {
    always((decision, seen) => {
      const holder = seen.address?.kind === "instance" ? seen.address.instanceId : seen.serverId;
      const serving = seen.instances.find((given) => given.id === holder && isLive(given));
      if (isStopped(decision, seen) || serving === undefined) return;
      for (const action of decision.actions) {
        if (action.do === "terminate") expect(action.instanceIds).to.not.include(serving.id);
      }
    });
  });

  it("it ends only what was marked a minute ago, but on a stopped site", () => {
    always((decision, seen) => {
      if (isStopped(decision, seen)) return;
      const ids = decision.actions.flatMap((action) => (action.do === "terminate" ? action.instanceIds : []));
      for (const given of seen.instances.filter((each) => ids.includes(each.id))) {
        expect(given.endingSince?.getTime()).to.be.at.most(ago(MINUTE).getTime());
      }
    });
  });

  it("it never promotes what is not ready, or marked to be ended", () => {
    always((decision, seen) => {
      for (const action of decision.actions) {
        if (action.do !== "promote") continue;
        const chosen = seen.instances.find((given) => given.id === action.instanceId);
        expect(chosen).to.include({ phase: "running", impaired: false });
        expect(action.states).to.include(chosen?.state);
        expect(ANY_STATE).to.include.members([...action.states]);
        expect(chosen?.endingSince).to.equal(undefined);
      }
    });
  });

  it("it never launches while a successor is alive, and one at most", () => {
    always((decision, seen, given) => {
      const launches = decision.actions.filter((action) => action.do === "launch");
      if (launches.length === 0) return;
      expect(launches).to.have.length(1);
      const server = seen.instances.find((each) => each.id === decision.server);
      const alive = seen.instances.filter(
        (each) =>
          each !== server &&
          isLive(each) &&
          !each.endingSince &&
          each.notice?.kind !== "interruption" &&
          !(given.kind === "notice" && given.notice === "interruption" && given.instanceId === each.id) &&
          (!server || each.launchedAt > server.launchedAt),
      );
      expect(alive.map((each) => each.id)).to.deep.equal([]);
    });
  });

  it("it launches and promotes nothing on a stopped site, and nothing at all where it cannot know", () => {
    always((decision, seen, given) => {
      const does = decision.actions.map((action) => action.do);
      if (isStopped(decision, seen)) expect(does).to.not.include.oneOf(["launch", "promote", "mark"]);
      const commanded = does.includes("set-desired-state");
      if ("instance-id" in seen.garbage || (seen.desiredState === undefined && !commanded)) {
        expect(does.filter((action) => action !== "set-desired-state" && action !== "write-launches")).to.deep.equal(
          [],
        );
        expect(decision.problems).to.not.deep.equal([]);
      }
      if (given.kind === "command" && given.command === "status") expect(does).to.deep.equal([]);
    });
  });
});

describe("recovery-handler: decide: the service", () => {
  const service = (...given: Parameters<typeof decided>) => decided(...given).service;
  const first = (last: Partial<LaunchRecord> = {}) => ({
    ...EMPTY,
    launches: { last: { ...noLaunch(ago(2 * MINUTE)), ...last } },
  });

  it("is there with a server that is well, though a successor starts or a person asks", () => {
    expect(service(site([SERVER]))).to.equal("serving");
    expect(service(site([SERVER, STARTING]), command("status"))).to.equal("serving");
  });

  it("is missing without a server, with one that is not well, and where the address is somebody else's", () => {
    expect(service(site([], { address: NOBODY }))).to.equal("missing");
    expect(service(site([{ ...SERVER, state: "unhealthy:egress" }]))).to.equal("missing");
    expect(service(site([{ ...SERVER, impaired: true }]))).to.equal("missing");
    expect(service(site([], { address: { kind: "other", name: "eni-1" } }))).to.equal("missing");
  });

  it("is not missed while the site's first server starts, for ten minutes and as long as nothing went wrong", () => {
    expect(service(first())).to.equal("starting");
    expect(service(first({ outcome: "unknown" }))).to.equal("starting");
    expect(service(first({ at: ago(10 * MINUTE) }))).to.equal("missing");
    expect(service(first({ refusals: 1, outcome: "refused" }))).to.equal("missing");
    expect(service(first({ failures: 1 }))).to.equal("missing");
    expect(service({ ...first(), serverId: "i-server" })).to.equal("missing");
  });

  it("is not missed while the site is paused, also by the command that pauses it", () => {
    expect(service(site([SERVER], { desiredState: "stopped" }))).to.equal("paused");
    expect(service(site([SERVER]), command("pause"))).to.equal("paused");
    expect(service(site([], { desiredState: "stopped", address: NOBODY }), command("resume"))).to.equal("missing");
  });
});
