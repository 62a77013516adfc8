import { expect } from "chai";
import type { Action } from "../../assets/lambda/recovery-handler/decide";
import type { LiveInstance } from "../../cli/live";
import { type Seen, serving, servingOtherThan, stopped, waitFor } from "../../cli/server/wait";
import { inWords } from "../../cli/server/words";

const OLD = "i-0aaaaaaaaaaaaaaaa";
const NEW = "i-0bbbbbbbbbbbbbbbb";

function instance(id: string, phase: string, tags: Record<string, string> = {}): LiveInstance {
  return {
    id,
    phase,
    type: "t4g.nano",
    zone: "ap-northeast-1a",
    spot: true,
    launchedAt: new Date(0),
    publicIp: undefined,
    ipv6: undefined,
    subnetId: undefined,
    securityGroupIds: [],
    imageId: undefined,
    tags: new Map(Object.entries(tags)),
  };
}

function seen(instances: LiveInstance[], more: Partial<Seen> = {}): Seen {
  return { desiredState: "running", serverId: OLD, instances, refused: undefined, ...more };
}

describe("waiting for the end of a pause", () => {
  it("goes on while a machine is there that costs something", () => {
    expect(stopped(seen([instance(OLD, "running"), instance(NEW, "shutting-down")]))).to.deep.equal({
      done: false,
      text: `Waiting for the end of ${OLD}`,
    });
  });

  it("ends when all have ended or are about to", () => {
    expect(stopped(seen([instance(NEW, "shutting-down")]))).to.deep.equal({ done: true, text: "The site is paused." });
  });
});

describe("waiting for a server", () => {
  const old = instance(OLD, "running", { state: "serving" });
  const goal = servingOtherThan(OLD);

  for (const [what, given, done, text] of [
    ["before there is one", seen([old]), false, "Waiting for a new machine"],
    [
      "that AWS refuses",
      seen([old], { refused: { why: "capacity", times: 3 } }),
      false,
      "AWS has no machine (capacity, asked 3 times); the controller goes on asking",
    ],
    ["that starts", seen([old, instance(NEW, "pending")]), false, `${NEW} starts`],
    [
      "that is not well",
      seen([old, instance(NEW, "running", { state: "unhealthy:wg" })]),
      false,
      `${NEW} starts (unhealthy:wg)`,
    ],
    ["that is ready", seen([old, instance(NEW, "running", { state: "ready" })]), false, `${NEW} is ready to take over`],
    [
      "that was given up",
      seen([old, instance(NEW, "running", { ending: "2026-11-21T12:00:00Z" })]),
      false,
      "Waiting for a new machine",
    ],
    [
      "that has been promoted",
      seen([old, instance(NEW, "running", { state: "ready" })], { serverId: NEW }),
      false,
      `${NEW} has the address and begins to serve`,
    ],
    [
      "that serves",
      seen([old, instance(NEW, "running", { state: "serving" })], { serverId: NEW }),
      true,
      `${NEW} serves.`,
    ],
    [
      "that serves without being promoted",
      seen([old, instance(NEW, "running", { state: "serving" })]),
      false,
      `${NEW} starts (serving)`,
    ],
  ] as const) {
    it(`${what} says "${text}"`, () => {
      expect(goal(given)).to.deep.equal({ done, text });
    });
  }

  it("is satisfied with any server where none is to be replaced", () => {
    expect(serving(seen([old]))).to.deep.equal({ done: true, text: `${OLD} serves.` });
  });

  const excuse = (error: unknown) => String(error);
  const patience = { forMs: 1000, everyMs: 1, signal: new AbortController().signal, excuse };

  it("says each step once, and ends with the last", async () => {
    const steps = [seen([old]), seen([old]), seen([old, instance(NEW, "pending")])];
    const last = seen([instance(NEW, "running", { state: "serving" })], { serverId: NEW });
    const said: string[] = [];
    const end = await waitFor(async () => steps.shift() ?? last, goal, { ...patience, say: (text) => said.push(text) });
    expect(end).to.deep.equal({ done: true, text: `${NEW} serves.` });
    expect(said).to.deep.equal(["Waiting for a new machine", `${NEW} starts`, `${NEW} serves.`]);
  });

  it("looks again after a look that failed and says why, unless it has no excuse", async () => {
    const last = seen([instance(NEW, "running", { state: "serving" })], { serverId: NEW });
    const looks = [Promise.reject("no network"), Promise.resolve(last)];
    const said: string[] = [];
    const say = (text: string) => said.push(text);
    const end = await waitFor(() => looks.shift() ?? Promise.resolve(last), goal, { ...patience, say });
    expect([end?.done, said]).to.deep.equal([true, ["no network", `${NEW} serves.`]]);
    const none = (error: unknown) => {
      throw error;
    };
    const failed = await waitFor(() => Promise.reject("changed"), goal, { ...patience, say, excuse: none }).catch(
      (e) => e,
    );
    expect(failed).to.equal("changed");
  });

  it("ends without it when the time is up", async () => {
    const end = await waitFor(async () => seen([old]), goal, { ...patience, forMs: 0, say: () => undefined });
    expect(end).to.deep.equal({ done: false, text: "Waiting for a new machine" });
  });

  it("ends at once when nobody waits any more", async () => {
    const stop = new AbortController();
    const say = () => stop.abort();
    const end = await waitFor(async () => seen([old]), goal, { ...patience, everyMs: 900, signal: stop.signal, say });
    expect(end).to.equal(undefined);
  });
});

describe("what the controller did, in words", () => {
  const mark = (key: "notice" | "unhealthy-since" | "ending", value: string): Action => ({
    do: "mark",
    instanceId: OLD,
    mark: key,
    value,
    why: "not ready in time",
  });
  const attempt = { attempt: 1, by: "CreateFleet", failures: 0, refusals: 0, target: "" } as const;

  for (const [action, words] of [
    [{ do: "set-desired-state", state: "stopped" }, "The site is paused from now on: no server is started."],
    [{ do: "set-desired-state", state: "running" }, "The site is to run from now on."],
    [
      { do: "terminate", instanceIds: [OLD, NEW], reason: "the site is stopped" },
      `It ended ${OLD}, ${NEW}: the site is stopped.`,
    ],
    [
      { do: "launch", reason: `a person wants ${OLD} replaced`, onDemand: "never", attempt },
      `It asked AWS for a new machine: a person wants ${OLD} replaced.`,
    ],
    [
      { do: "promote", instanceId: NEW, states: [], named: OLD },
      `It made ${NEW} the server: the address has moved to it.`,
    ],
    [{ do: "promote", instanceId: OLD, states: [], named: OLD }, `It gave ${OLD} its address back.`],
    [{ do: "write-instance-id", instanceId: NEW }, `It wrote down that ${NEW} is the server.`],
    [{ do: "update-dns" }, "It had the DNS record written."],
    [{ do: "watch-closely", enabled: true }, "It looks every minute until this is over."],
    [{ do: "watch-closely", enabled: false }, undefined],
    [mark("notice", "replace 2026-11-21T12:00:00.000Z"), `It noted that ${OLD} is to be replaced.`],
    [mark("notice", "rebalance 2026-11-21T12:00:00.000Z"), `It noted that AWS recommends to replace ${OLD}.`],
    [mark("notice", "interruption 2026-11-21T12:00:00.000Z"), `It noted that AWS takes ${OLD}.`],
    [mark("unhealthy-since", "2026-11-21T12:00:00.000Z"), `It noted that ${OLD} is not well: not ready in time.`],
    [mark("unhealthy-since", ""), `It noted that ${OLD} is well again.`],
    [
      mark("ending", "2026-11-21T12:00:00.000Z"),
      `It will end ${OLD} in a minute or a little later: not ready in time.`,
    ],
  ] as [Action, string | undefined][]) {
    it(`${action.do}: ${words ?? "nothing that a person needs to know"}`, () => {
      expect(inWords(action)).to.equal(words);
    });
  }
});
