import { expect } from "chai";
import {
  type Action,
  decide,
  type Hint,
  hintOf,
  type Instance,
  type Observation,
  type Policy,
} from "../../../assets/lambda/recovery-handler/decide";

const NOW = new Date("2026-11-21T12:00:00Z");
const POLICY: Policy = { maxAgeDays: 14, onDemandFallback: "after-failures" };
const LOOK: Hint = { kind: "look" };
const TICK: Hint = { kind: "tick" };

const TICK_ON: Action = { do: "set-pending-tick", enabled: true };
const TICK_OFF: Action = { do: "set-pending-tick", enabled: false };

function instance(id: string, hoursOld: number, fields: Partial<Instance> = {}): Instance {
  return {
    id,
    ready: false,
    launchedAt: new Date(NOW.getTime() - hoursOld * 3600_000),
    templateVersion: "3",
    ...fields,
  };
}

const SERVER = instance("i-server", 5, { ready: true });
const SUCCESSOR = instance("i-successor", 1);
const READY = { ...SUCCESSOR, ready: true };

function site(instances: Instance[], fields: Partial<Observation> = {}): Observation {
  const address = { holderId: "i-server" };
  return { desiredState: "running", serverId: "i-server", instances, latestTemplateVersion: "3", address, ...fields };
}

const decided = (seen: Observation, hint: Hint = LOOK, policy: Policy = POLICY) => decide(seen, hint, NOW, policy);
const launch = (reason: string, onDemandFallback = false): Action[] => [
  TICK_ON,
  { do: "launch", reason, onDemandFallback },
];

describe("recovery-handler: decide", () => {
  it("leaves a healthy site alone", () => {
    expect(decided(site([SERVER]))).to.deep.equal([]);
  });

  it("ends the one-minute tick at a tick that finds nothing pending", () => {
    expect(decided(site([SERVER]), TICK)).to.deep.equal([TICK_OFF]);
  });

  it("launches the first server while instance-id is `initial`", () => {
    expect(decided(site([], { serverId: "initial" }))).to.deep.equal(launch("no instance of the site is live"));
  });

  it("launches when the server is gone", () => {
    expect(decided(site([]))).to.deep.equal(launch("no instance of the site is live"));
  });

  it("launches when AWS is about to take the server, and not when it is about to take another", () => {
    expect(decided(site([SERVER]), { kind: "doomed", instanceId: "i-server" })).to.deep.equal(
      launch("AWS is about to take i-server"),
    );
    expect(decided(site([SERVER]), { kind: "doomed", instanceId: "i-foreign" })).to.deep.equal([]);
    expect(decided(site([SERVER]), { kind: "look", instanceId: "i-server" })).to.deep.equal([]);
  });

  it("launches when the launch template has a newer version, and not for a server without one", () => {
    expect(decided(site([{ ...SERVER, templateVersion: "2" }]))).to.deep.equal(
      launch("i-server has launch template version 2, the latest is 3"),
    );
    expect(decided(site([{ ...SERVER, templateVersion: undefined }]))).to.deep.equal([]);
  });

  it("launches when the server is older than the policy allows", () => {
    expect(decided(site([instance("i-server", 14 * 24 + 1, { ready: true })]))).to.deep.equal(
      launch("i-server is older than 14 days"),
    );
    expect(decided(site([instance("i-server", 14 * 24 - 1, { ready: true })]))).to.deep.equal([]);
  });

  for (const [onDemandFallback, onLook, onTick] of [
    ["never", false, false],
    ["after-failures", false, true],
    ["at-once", true, true],
  ] as const) {
    it(`allows on-demand ${onDemandFallback}`, () => {
      const policy = { ...POLICY, onDemandFallback };
      const reason = "no instance of the site is live";
      expect(decided(site([]), LOOK, policy)).to.deep.equal(launch(reason, onLook));
      expect(decided(site([]), TICK, policy)).to.deep.equal(launch(reason, onTick));
    });
  }

  it("waits for a successor that is not ready, whatever the event says", () => {
    const events: Hint[] = [LOOK, TICK, { kind: "doomed", instanceId: "i-server" }];
    for (const hint of events) expect(decided(site([SERVER, SUCCESSOR]), hint)).to.deep.equal([]);
    expect(decided(site([SUCCESSOR]))).to.deep.equal([]);
  });

  it("promotes a ready successor, and only then terminates the server", () => {
    expect(decided(site([SERVER, READY]))).to.deep.equal([
      { do: "promote", instanceId: "i-successor" },
      { do: "terminate", instanceIds: ["i-server"], reason: "replaced by i-successor" },
      TICK_OFF,
    ]);
  });

  it("promotes a ready successor of a dead server, and the first one", () => {
    for (const serverId of ["i-server", "initial"]) {
      expect(decided(site([READY], { serverId }))).to.deep.equal([
        { do: "promote", instanceId: "i-successor" },
        TICK_OFF,
      ]);
    }
  });

  it("never promotes what the server has replaced, but terminates it", () => {
    const leftOver = instance("i-left-over", 9, { ready: true });
    const sameSecond = instance("i-same-second", 5, { ready: true });
    expect(decided(site([leftOver, SERVER, sameSecond]))).to.deep.equal([
      {
        do: "terminate",
        instanceIds: ["i-left-over", "i-same-second"],
        reason: "neither the server nor its successor",
      },
    ]);
  });

  it("keeps the newest of two successors, or the one that is ready", () => {
    const newest = instance("i-newest", 0);
    const end = (id: string): Action => ({
      do: "terminate",
      instanceIds: [id],
      reason: "neither the server nor its successor",
    });
    expect(decided(site([SERVER, SUCCESSOR, newest]))).to.deep.equal([end("i-successor")]);
    expect(decided(site([SERVER, newest, READY]))).to.deep.equal([
      { do: "promote", instanceId: "i-successor" },
      { do: "terminate", instanceIds: ["i-server", "i-newest"], reason: "replaced by i-successor" },
      TICK_OFF,
    ]);
  });

  it("gives the address back to the server when there is no successor", () => {
    const associate: Action = { do: "associate-address", instanceId: "i-server" };
    for (const holderId of [undefined, "i-foreign"]) {
      expect(decided(site([SERVER], { address: { holderId } }))).to.deep.equal([associate]);
      expect(decided(site([SERVER, SUCCESSOR], { address: { holderId } }))).to.deep.equal([]);
    }
  });

  it("has the DNS records written when the configuration has changed and a server is ready", () => {
    const changed: Hint = { kind: "configuration" };
    expect(decide(site([SERVER]), changed, NOW, POLICY)).to.deep.equal([{ do: "update-dns" }]);
    expect(decide(site([{ ...SERVER, ready: false }]), changed, NOW, POLICY)).to.deep.equal([]);
    expect(decide(site([SERVER, SUCCESSOR]), changed, NOW, POLICY)).to.deep.equal([]);
  });

  it("moves no address to a server that is not ready, nor on a site without one", () => {
    expect(decided(site([{ ...SERVER, ready: false }], { address: { holderId: undefined } }))).to.deep.equal([]);
    expect(decided(site([SERVER], { address: undefined }))).to.deep.equal([]);
  });

  it("terminates every instance of a stopped site and launches nothing", () => {
    const stopped = { desiredState: "stopped" } as const;
    expect(decided(site([SERVER, READY], stopped))).to.deep.equal([
      { do: "terminate", instanceIds: ["i-server", "i-successor"], reason: "the site is stopped" },
      TICK_OFF,
    ]);
    expect(decided(site([], stopped))).to.deep.equal([TICK_OFF]);
  });
});

describe("recovery-handler: hintOf", () => {
  const detail = { "instance-id": "i-1" };

  for (const [name, event, hint] of [
    [
      "interruption warning",
      { source: "aws.ec2", "detail-type": "EC2 Spot Instance Interruption Warning", detail },
      { kind: "doomed", instanceId: "i-1" },
    ],
    [
      "rebalance recommendation",
      { source: "aws.ec2", "detail-type": "EC2 Instance Rebalance Recommendation", detail },
      { kind: "doomed", instanceId: "i-1" },
    ],
    [
      "interruption warning that is not AWS's",
      { source: "stingy-vpn", "detail-type": "EC2 Spot Instance Interruption Warning", detail },
      { kind: "look", instanceId: "i-1" },
    ],
    [
      "server's own notice of an interruption",
      { source: "stingy-vpn", "detail-type": "Server Notice", detail: { ...detail, notice: "interruption" } },
      { kind: "doomed", instanceId: "i-1" },
    ],
    [
      "server's own notice of a rebalance recommendation",
      { source: "stingy-vpn", "detail-type": "Server Notice", detail: { ...detail, notice: "rebalance" } },
      { kind: "doomed", instanceId: "i-1" },
    ],
    [
      "server's notice that is not a server's",
      { source: "aws.ec2", "detail-type": "Server Notice", detail },
      { kind: "look", instanceId: "i-1" },
    ],
    ["server's notice without a server", { source: "stingy-vpn", "detail-type": "Server Notice" }, { kind: "look" }],
    [
      "state change",
      { source: "aws.ec2", "detail-type": "EC2 Instance State-change Notification", detail },
      { kind: "look", instanceId: "i-1" },
    ],
    [
      "server ready",
      { source: "stingy-vpn", "detail-type": "Server Ready", detail },
      { kind: "look", instanceId: "i-1" },
    ],
    ["tick", { source: "stingy-vpn", "detail-type": "Tick" }, { kind: "tick" }],
    ["Terraform's create", { tf: { action: "create", prev_input: null } }, { kind: "configuration" }],
    ["Terraform's update", { tf: { action: "update", prev_input: {} } }, { kind: "configuration" }],
    ["Terraform's delete", { tf: { action: "delete", prev_input: {} } }, { kind: "drain" }],
  ] as const) {
    it(`reads: ${name}`, () => expect(hintOf(event)).to.deep.equal(hint));
  }

  it("makes every other event a look", () => {
    const events = [
      undefined,
      null,
      7,
      "tick",
      [],
      {},
      { tf: null },
      { tf: "delete" },
      { detail: { "instance-id": 1 } },
    ];
    for (const event of events) expect(hintOf(event)).to.deep.equal({ kind: "look" });
  });
});
