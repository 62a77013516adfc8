import { expect } from "chai";
import fc from "fast-check";
import { COMMANDS, hintOf } from "../../../assets/lambda/recovery-handler/hint";

const NOW = new Date("2026-11-21T12:00:00Z");
const HOME = { environment: "prod", site: "tokyo", account: "111111111111", region: "ap-northeast-1" };
const ID = "i-0123456789abcdef0";
const LATE = "2026-11-21T11:54:59Z";

const place = { account: HOME.account, region: HOME.region, time: "2026-11-21T11:59:58Z" };
const ec2 = (type: string, fields: object = {}) => ({
  source: "aws.ec2",
  "detail-type": type,
  detail: { "instance-id": ID },
  ...place,
  ...fields,
});
const WARNING = "EC2 Spot Instance Interruption Warning";
const ofServer = (type: string, detail: object = {}) => ({
  source: "stingy-vpn",
  "detail-type": type,
  detail: { environment: "prod", site: "tokyo", "instance-id": ID, ...detail },
  ...place,
});
const command = (given: unknown) => ({ source: "stingy-vpn", "detail-type": "Command", detail: { command: given } });

const read = (event: unknown) => hintOf(event, HOME, NOW);
const rejected = (reason: string) => ({ kind: "rejected", reason });

describe("recovery-handler: hint", () => {
  for (const [name, event, hint] of [
    ["AWS's interruption warning", ec2(WARNING), { kind: "notice", notice: "interruption", instanceId: ID }],
    [
      "AWS's rebalance recommendation",
      ec2("EC2 Instance Rebalance Recommendation"),
      { kind: "notice", notice: "rebalance", instanceId: ID },
    ],
    ["a state change", ec2("EC2 Instance State-change Notification"), { kind: "look", instanceId: ID }],
    ["a server's word that it is ready", ofServer("Server Ready"), { kind: "look", instanceId: ID }],
    [
      "a server's word that it is interrupted",
      ofServer("Server Notice", { notice: "interruption" }),
      { kind: "notice", notice: "interruption", instanceId: ID },
    ],
    [
      "a server's word of a rebalance recommendation",
      ofServer("Server Notice", { notice: "rebalance" }),
      { kind: "notice", notice: "rebalance", instanceId: ID },
    ],
    ["the tick", { source: "stingy-vpn", "detail-type": "Tick" }, { kind: "tick" }],
    ["the one-minute tick", { source: "stingy-vpn", "detail-type": "Pending Tick" }, { kind: "pending-tick" }],
    ["pause", command("pause"), { kind: "command", command: "pause" }],
    ["resume", command("resume"), { kind: "command", command: "resume" }],
    ["replace", command("replace"), { kind: "command", command: "replace" }],
    ["status", command("status"), { kind: "command", command: "status" }],
    ["Terraform's create", { tf: { action: "create", prev_input: null } }, { kind: "terraform", action: "create" }],
    ["Terraform's update", { tf: { action: "update", prev_input: {} } }, { kind: "terraform", action: "update" }],
    ["Terraform's delete", { tf: { action: "delete", prev_input: {} } }, { kind: "terraform", action: "delete" }],
  ] as const) {
    it(`reads: ${name}`, () => expect(read(event)).to.deep.equal(hint));
  }

  for (const [name, event, reason] of [
    ["nothing", undefined, "the event is undefined, not an object"],
    ["null", null, "the event is null, not an object"],
    ["a number", 7, "the event is 7, not an object"],
    ["a text", "Tick", 'the event is "Tick", not an object'],
    ["a list", [{ source: "stingy-vpn", "detail-type": "Tick" }], "the event is a list, not an object"],
    ["an empty one", {}, "the event's source is undefined, not a text"],
    ["a source that is no text", { source: 1 }, "the event's source is 1, not a text"],
    ["a foreign source", { source: "aws.s3", "detail-type": "Tick" }, 'the event\'s source is "aws.s3"'],
    ["no detail-type", { source: "stingy-vpn" }, "the event's detail-type is undefined, not a text"],
    ["an unknown event of EC2", ec2("EC2 Something Else"), 'the event\'s detail-type is "EC2 Something Else"'],
    ["an unknown event of ours", ofServer("Server Sad"), 'the event\'s detail-type is "Server Sad"'],
    [
      "an interruption warning that is not AWS's",
      { ...ec2(WARNING), source: "stingy-vpn" },
      'the event\'s detail-type is "EC2 Spot Instance Interruption Warning"',
    ],
    ["another account", ec2(WARNING, { account: "222222222222" }), 'the event is of the account "222222222222"'],
    ["another region", ec2(WARNING, { region: "eu-west-1" }), 'the event is of the region "eu-west-1"'],
    ["another site", ofServer("Server Ready", { site: "osaka" }), 'the event is of the site "prod" "osaka"'],
    [
      "another environment",
      ofServer("Server Notice", { environment: "test", notice: "interruption" }),
      'the event is of the site "test" "tokyo"',
    ],
    ["no instance", ec2(WARNING, { detail: {} }), "the event's instance-id is undefined"],
    ["a detail that is no object", ec2(WARNING, { detail: "i-1" }), "the event's instance-id is undefined"],
    ["a list of instances", ec2(WARNING, { detail: { "instance-id": [ID] } }), "the event's instance-id is a list"],
    [
      "an id that is none",
      ec2(WARNING, { detail: { "instance-id": "i-1; rm" } }),
      'the event\'s instance-id is "i-1; rm"',
    ],
    [
      "a notice that a server cannot give",
      ofServer("Server Notice", { notice: "replace" }),
      'the event\'s notice is "replace", not interruption or rebalance',
    ],
    ["an unknown command", command("destroy"), 'the command is "destroy", not one of pause, resume, replace, status'],
    ["a command that is no text", command(null), "the command is null, not one of pause, resume, replace, status"],
    ["an unknown action of Terraform", { tf: { action: "read" } }, 'tf.action is "read", not create, update or delete'],
    ["Terraform without an action", { tf: "delete" }, "tf.action is undefined, not create, update or delete"],
  ] as const) {
    it(`rejects: ${name}`, () => expect(read(event)).to.deep.equal(rejected(reason)));
  }

  it("rejects what is larger than EventBridge lets an event be, and reads what is as large", () => {
    const tick = { source: "stingy-vpn", "detail-type": "Tick", padding: "" };
    const room = 256 * 1024 - JSON.stringify(tick).length;
    expect(read({ ...tick, padding: "x".repeat(room) })).to.deep.equal({ kind: "tick" });
    expect(read({ ...tick, padding: "x".repeat(room + 1) })).to.deep.equal(rejected("the event has 262145 characters"));
  });

  it("cuts what it quotes", () => {
    const reason = `the event's source is "${"x".repeat(79)}…`;
    expect(read({ source: "x".repeat(1000), "detail-type": "Tick" })).to.deep.equal(rejected(reason));
  });

  it("only looks at a notice that is more than five minutes old", () => {
    const notice = { kind: "notice", notice: "interruption", instanceId: ID };
    expect(read(ec2(WARNING, { time: "2026-11-21T11:55:00Z" }))).to.deep.equal(notice);
    expect(read(ec2(WARNING, { time: LATE }))).to.deep.equal({ kind: "look", instanceId: ID });
  });

  it("rejects a command that is more than five minutes old, and believes one that has no time", () => {
    expect(read({ ...command("pause"), time: LATE })).to.deep.equal(rejected(`the command is of "${LATE}"`));
    expect(read({ ...command("pause"), time: "2026-11-21T11:55:00Z" }).kind).to.equal("command");
    expect(read(command("pause")).kind).to.equal("command");
  });

  it("believes an event that names neither account nor region, as a direct invocation does not", () => {
    expect(hintOf({ ...command("pause"), account: undefined }, HOME, NOW)).to.deep.equal({
      kind: "command",
      command: "pause",
    });
    const anywhere = { environment: "prod", site: "tokyo" };
    expect(hintOf(ec2(WARNING), anywhere, NOW).kind).to.equal("notice");
  });

  it("never throws, whatever it is given, and answers with JSON", () => {
    const names = ["source", "detail-type", "detail", "tf", "account", "region", "time"];
    const event = fc.oneof(
      fc.anything({ withBigInt: true, withNullPrototype: true, withSparseArray: true, withDate: true }),
      fc.dictionary(fc.constantFrom(...names), fc.oneof(fc.jsonValue(), fc.anything())),
      almost(),
    );
    fc.assert(
      fc.property(event, (given) => {
        const hint = read(given);
        expect(JSON.parse(JSON.stringify(hint))).to.deep.equal(hint);
      }),
      { numRuns: 2000 },
    );
  });

  for (const [name, event] of [
    ["nested deeper than a call stack", { source: JSON.parse(`${"[".repeat(60_000)}${"]".repeat(60_000)}`) }],
    ["an object that is no text", { source: { toString: 1, valueOf: 1 } }],
    ["a list of them", { source: "stingy-vpn", "detail-type": [{ toString: 1 }] }],
  ] as const) {
    it(`rejects JSON that is hard to describe: ${name}`, () => expect(read(event).kind).to.equal("rejected"));
  }

  it("believes a notice only if it is young, of this place and about an instance", () => {
    fc.assert(
      fc.property(almost(), (event) => {
        const hint = read(event);
        if (hint.kind !== "notice") return;
        const { account, region, time, detail } = event;
        expect([undefined, HOME.account]).to.include(account);
        expect([undefined, HOME.region]).to.include(region);
        if (event.source !== "aws.ec2") expect(detail).to.include({ environment: "prod", site: "tokyo" });
        expect(detail).to.include({ "instance-id": hint.instanceId });
        expect(hint.instanceId).to.match(/^i-[0-9a-f]{8,17}$/);
        expect(time).to.not.equal(LATE);
      }),
      { numRuns: 5000 },
    );
  });

  it("believes a command only if it is young, of this place and known", () => {
    fc.assert(
      fc.property(almost(), (event) => {
        const hint = read(event);
        if (hint.kind !== "command") return;
        expect([undefined, HOME.account]).to.include(event.account);
        expect([undefined, HOME.region]).to.include(event.region);
        expect(event).to.include({ source: "stingy-vpn", "detail-type": "Command" });
        expect(COMMANDS).to.include((event.detail as { command: string }).command);
        expect(event.time).to.not.equal(LATE);
      }),
      { numRuns: 5000 },
    );
  });
});

/** An event that is nearly, or entirely, one of those that are believed. */
function almost(): fc.Arbitrary<Record<string, unknown>> {
  const some = <T>(...values: T[]) => fc.option(fc.constantFrom(...values), { nil: undefined, freq: 8 });
  return fc.record({
    source: some<unknown>("aws.ec2", "stingy-vpn", "stingy-vpn", "aws.s3", 7),
    "detail-type": some<unknown>(WARNING, "Server Notice", "Server Ready", "Command", "Command", "Tick", null),
    account: some<unknown>(HOME.account, HOME.account, "222222222222", 1),
    region: some<unknown>(HOME.region, HOME.region, "eu-west-1", {}),
    time: some<unknown>("2026-11-21T11:59:58Z", LATE, "yesterday", 0),
    detail: fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          environment: some<unknown>("prod", "prod", "test"),
          site: some<unknown>("tokyo", "tokyo", "osaka"),
          "instance-id": some<unknown>(ID, ID, "i-1", 5),
          notice: some<unknown>("interruption", "rebalance", "replace", true),
          command: some<unknown>(...COMMANDS, "stop", 0),
        }),
      },
      { weight: 1, arbitrary: fc.jsonValue() },
    ),
  });
}
