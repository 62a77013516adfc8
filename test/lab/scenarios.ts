/** The failovers whose figures are published: run once as tests, many times for the report, by both kinds of servers. */
import { expect } from "chai";
import { eventually, sleep } from "../server/harness";
import { answers, busy, call, download, shell, stream } from "./rig/activity";
import { type Delays, delays, type Kind, Lab } from "./rig/lab";

/** In milliseconds; undefined: not within the time that was given. */
export type Measured = Readonly<Record<string, number | undefined>>;

const PATIENCE_MS = 60_000;
/** Enough for whatever still happens to show. */
const AFTER_MS = 1500;
/** What keeps the two cores of a small machine from being the bottleneck. */
const LINE = { downMbits: 4 };

/** Devices in use, while AWS takes A back with a notice: B is ready before the address moves. */
export async function interruption(kind: Kind, plainMs: number, moving: Delays = delays()): Promise<Measured> {
  const lab = await Lab.start({ kind, devices: ["busy", "call", "stream", "shell"] });
  try {
    await lab.connect();
    const pings = busy(lab.device("busy"));
    const talk = {
      call: await call(lab.device("call")),
      stream: await stream(lab.device("stream")),
      shell: await shell(lab.device("shell")),
    };
    await lab.interrupt(lab.a);
    await lab.prepare(lab.b);
    const begun = await lab.begun();
    const moved = await lab.promote(lab.b, moving);
    if (kind === "stingy") {
      await Promise.all([lab.isIn(lab.b, "serving"), lab.isIn(lab.a, "stood-down")]);
      expect(await lab.calledBack(lab.b), "devices that B has called").to.equal(lab.devices.length);
    }
    await eventually("the busy device is answered", () => pings.answeredAfter(moved + AFTER_MS), PATIENCE_MS);
    // The shell types every three seconds, and one that waits for WireGuard's own handshake 15 s.
    await sleep(kind === "stingy" ? 2 * AFTER_MS + 1000 : plainMs);
    const [ping, called, streamed, typed] = [
      await pings.stop(),
      await talk.call.stop(),
      await talk.stream.stop(),
      await talk.shell.stop(),
    ];
    // A plain server answers what still comes from the web host with a reset.
    if (kind === "stingy") {
      expect([streamed.broken, typed.broken], "no connection ends").to.deep.equal(["", ""]);
      expect(await lab.begun(), "handshakes that devices have begun: none since the address has moved").to.equal(begun);
    }
    expect(await lab.leaked(), "packets outside of the tunnel").to.equal(0);
    return {
      busy: ping.longestGapMs,
      "call-lost": called.lostMs,
      "call-gap": called.longestGapMs,
      stream: streamed.broken ? undefined : streamed.stallMs,
      shell: typed.broken ? undefined : typed.stallMs,
    };
  } finally {
    await lab.stop();
  }
}

/** Devices that say nothing, and one that only receives. @param waitMs how long they are given to come back */
export async function silence(kind: Kind, waitMs: number, keepaliveSeconds?: number): Promise<Measured> {
  const devices = ["idle", "idle-no-keepalive", "download"];
  const lab = await Lab.start({ kind, devices, home: LINE });
  try {
    await lab.device("idle-no-keepalive").up({ keepalive: 0 });
    await Promise.all(["idle", "download"].map((name) => lab.device(name).up()));
    await Promise.all(lab.devices.map((device) => device.reaches(undefined, PATIENCE_MS)));
    await lab.interrupt(lab.a);
    await lab.endpointsSaved();
    await lab.prepare(lab.b);
    const received = await download(lab.device("download"), 1e9, keepaliveSeconds ? { keepaliveSeconds } : {});
    await eventually("something comes", () => received.bytes > 0, PATIENCE_MS);
    const asked = ["idle", "idle-no-keepalive"].map((name) => answers(lab.b, lab.device(name)));
    await sleep(AFTER_MS);
    const moved = await lab.promote(lab.b);
    const before = received.bytes;
    const end = Date.now() + waitMs;
    const isBack = () => received.bytes > before + 1e6 && asked.every(({ answeredAt }) => answeredAt !== undefined);
    while (Date.now() < end && !isBack()) await sleep(100);
    const [idle, bare] = asked.map(({ answeredAt }) => answeredAt && Math.max(0, answeredAt - moved));
    const { stallMs, status } = await received.stop();
    await Promise.all(asked.map((each) => each.stop()));
    if (kind === "stingy") expect(status, "curl's status while it runs").to.equal(undefined);
    expect(await lab.leaked(), "packets outside of the tunnel").to.equal(0);
    const again = status === undefined && received.bytes > before + 1e6;
    return { idle, "idle-no-keepalive": bare, download: again ? stallMs : undefined };
  } finally {
    await lab.stop();
  }
}

/** A is gone from one moment to the next, and B is only started then. Counted from when the address has come to B. */
export async function loss(kind: Kind): Promise<Measured> {
  const lab = await Lab.start({ kind, devices: ["busy", "idle"] });
  try {
    await lab.connect();
    await lab.endpointsSaved();
    const pings = busy(lab.device("busy"));
    await sleep(AFTER_MS);
    await lab.kill(lab.a);
    await lab.prepare(lab.b);
    const asked = answers(lab.b, lab.device("idle"));
    const moved = await lab.promote(lab.b);
    const back = await eventually("the busy device is answered", () => pings.answeredAfter(moved) ?? 0, PATIENCE_MS);
    if (kind === "stingy") {
      await eventually("the idle device answers", () => asked.answeredAt, PATIENCE_MS);
      // One in use may have asked B before it is called.
      expect(await lab.calledBack(lab.b), "devices that B has called").to.be.greaterThan(0);
    }
    await asked.stop();
    await pings.stop();
    expect(await lab.leaked(), "packets outside of the tunnel").to.equal(0);
    return { "loss-busy": back - moved };
  } finally {
    await lab.stop();
  }
}
