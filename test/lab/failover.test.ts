import { expect } from "chai";
import { ADDRESSES, eventually, type Server, sleep } from "../server/harness";
import { together } from "../server/together";
import { answers, busy, stream } from "./rig/activity";
import type { Device } from "./rig/device";
import { Lab } from "./rig/lab";
import { interruption, loss, type Measured, silence } from "./scenarios";

const WAIT = 90_000;
/** Plain WireGuard notices after 15 s that nobody answers. */
const PLAIN_MS = 16_000;

const handshakes = async (server: Server): Promise<Map<string, number>> =>
  new Map(
    (await server.sh("wg show wg0 latest-handshakes"))
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split("\t") as [string, string])
      .map(([key, at]) => [key, Number(at)]),
  );
/** All that a device has to say of where its server is: the site's address, which it was given. */
const endpoint = async (device: Device): Promise<string> =>
  (await device.sh("wg show wg0 endpoints")).split("\t")[1] ?? "";
const reach = (devices: readonly Device[]): Promise<unknown> =>
  Promise.all(devices.map((device) => device.reaches(ADDRESSES.web, WAIT)));

/** Runs with a lab and always ends it; then nothing may have left a device outside of the tunnel. */
async function within(options: Parameters<typeof Lab.start>[0], test: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await Lab.start(options);
  try {
    await test(lab);
    expect(await lab.leaked(), "packets outside of the tunnel").to.equal(0);
  } finally {
    await lab.stop();
  }
}
const measured = (what: string, ours: Measured, plain?: Measured): void => {
  for (const [name, value] of Object.entries(ours)) {
    const text = (ms: number | undefined): string => (ms === undefined ? "not in time" : `${Math.round(ms)} ms`);
    console.log(`      ${what}, ${name}: ${text(value)}${plain ? `; plain WireGuard ${text(plain[name])}` : ""}`);
  }
};
/** Each with what it has measured; everything came back in time. */
const allBack = (values: Measured): void => {
  for (const [name, value] of Object.entries(values)) expect(value, name).to.be.a("number");
};

describe("failover", () => {
  together(
    {
      "with notice: a ping, a call and two TCP connections go on, and those of plain WireGuard stand still":
        async () => {
          const [ours, plain] = await Promise.all([interruption("stingy", 0), interruption("plain", PLAIN_MS)]);
          measured("with notice", ours, plain);
          allBack(ours);
        },

      "with notice: who is silent is reached from the server, with and without keepalive, and a download goes on":
        async () => {
          const ours = await silence("stingy", WAIT, 3);
          measured("with notice", ours);
          allBack(ours);
        },

      "without notice: devices are back as soon as a successor has the address": async () => {
        const [ours, plain] = await Promise.all([loss("stingy"), loss("plain")]);
        measured("without notice", ours, plain);
        allBack(ours);
      },

      "ten devices at once, busy and idle": () => {
        const devices = Array.from({ length: 10 }, (_, n) => `device-${n}`);
        return within({ kind: "stingy", devices }, async (lab) => {
          await lab.connect();
          await lab.interrupt(lab.a);
          await lab.endpointsSaved();
          await lab.prepare(lab.b);
          const idle = lab.devices.slice(5).map((device) => answers(lab.b, device));
          const pings = lab.devices.slice(0, 5).map((device) => busy(device));
          const moved = await lab.promote(lab.b);
          await lab.isIn(lab.b, "serving");
          await eventually("all idle devices answer", () => idle.every(({ answeredAt }) => answeredAt), WAIT);
          for (const ping of pings)
            await eventually("a busy device is answered", () => ping.answeredAfter(moved), WAIT);
          const gaps = (await Promise.all(pings.map((ping) => ping.stop()))).map(({ longestGapMs }) => longestGapMs);
          const waits = idle.map(({ answeredAt = 0 }) => answeredAt - moved);
          measured("ten devices", { "slowest busy": Math.max(...gaps), "slowest idle": Math.max(...waits) });
          expect([...(await handshakes(lab.b)).values()].filter((at) => at > 0)).to.have.length(10);
        });
      },

      "a device whose clock is a day slow or fast is taken by A and by B": () =>
        within({ kind: "stingy" }, async (lab) => {
          const phone = lab.device("phone");
          await phone.shakeHands(-86_400, WAIT);
          await phone.shakeHands(86_400, WAIT);
          // WireGuard takes no handshake that is older than the last it has seen: until a failover.
          let refused = "";
          await phone.shakeHands(-86_400, 5000).catch((error) => {
            refused = String(error);
          });
          expect(refused).to.include("Nobody answers");
          await lab.interrupt(lab.a);
          await lab.prepare(lab.b);
          await lab.promote(lab.b);
          await phone.shakeHands(-86_400, WAIT);
          await phone.shakeHands(86_400, WAIT);
          await lab.isIn(lab.b, "serving");
        }),

      "B with a slow clock does not make wg0 before the clock is right, and then calls back who has shaken hands later":
        () =>
          within({ kind: "stingy" }, async (lab) => {
            await lab.connect();
            await lab.interrupt(lab.a);
            await lab.endpointsSaved();
            await lab.b.clock.sync(30);
            const booted = lab.b.boot();
            await eventually(
              "B waits for its clock",
              async () => (await lab.b.sh("pgrep -f 'chronyc waitsync' || true")) !== "",
              WAIT,
            );
            const moved = await lab.promote(lab.b);
            await sleep(1000);
            expect(await lab.b.sh("ip -o link show dev wg0 2>/dev/null || true")).to.equal("");
            await lab.b.clock.sync();
            await booted;
            await lab.isIn(lab.b, "serving");
            await reach(lab.devices);
            expect([...(await handshakes(lab.b)).values()][0]).to.be.at.least(Math.floor(moved / 1000));
          }),

      "B that gets the address before its sync has ended calls the devices as soon as it has": () =>
        within({ kind: "stingy", devices: ["busy", "idle"] }, async (lab) => {
          await lab.connect();
          await lab.interrupt(lab.a);
          await lab.endpointsSaved();
          await lab.site.aws.fail({ kind: "hang", service: "ssm", action: "GetParametersByPath" });
          const booted = lab.b.boot();
          await eventually(
            "B's sync has asked the store",
            () => lab.site.aws.calls.some(({ fault }) => fault === "hang"),
            WAIT,
          );
          const asked = answers(lab.b, lab.device("idle"));
          await lab.promote(lab.b);
          await sleep(1000);
          expect(asked.answeredAt).to.equal(undefined);
          await lab.site.aws.heal();
          await booted;
          await lab.isIn(lab.b, "serving");
          await eventually("the idle device answers", () => asked.answeredAt, WAIT);
          await reach(lab.devices);
        }),

      "the store cannot be reached while B is promoted: B calls back by what it has read before": () =>
        within({ kind: "stingy", devices: ["busy", "idle"] }, async (lab) => {
          await lab.connect();
          await lab.interrupt(lab.a);
          await lab.endpointsSaved();
          await lab.prepare(lab.b);
          await lab.site.aws.fail({ kind: "blackhole", service: "ssm" });
          const asked = answers(lab.b, lab.device("idle"));
          const pings = busy(lab.device("busy"));
          await lab.promote(lab.b);
          await eventually("the idle device answers", () => asked.answeredAt, WAIT);
          await lab.isIn(lab.b, "serving");
          await reach(lab.devices);
          measured("store unreachable", { busy: (await pings.stop()).longestGapMs });
        }),

      "A that goes on with its key, and was told nothing, does not pull the devices back": () =>
        within({ kind: "stingy", devices: ["busy", "idle"] }, async (lab) => {
          await lab.connect();
          await lab.interrupt(lab.a);
          await lab.endpointsSaved();
          await lab.prepare(lab.b);
          // What would have it stand down is dead: it goes on as before, under an address that AWS has given it.
          await lab.a.systemctl("stop", "stingy-watch");
          const pings = busy(lab.device("busy"));
          const asked = answers(lab.b, lab.device("idle"));
          await lab.promote(lab.b);
          await lab.isIn(lab.b, "serving");
          await eventually("the idle device answers", () => asked.answeredAt, WAIT);
          const before = await handshakes(lab.a);
          // Longer than A's keepalive and handshakes would need.
          await sleep(30_000);
          expect(await handshakes(lab.a)).to.deep.equal(before);
          for (const device of lab.devices) expect(await endpoint(device)).to.equal(`${lab.site.address}:51820`);
          await reach(lab.devices);
          expect(await lab.a.sh("ip -o link show dev wg0 up")).not.to.equal("");
          measured("A goes on", { busy: (await pings.stop()).longestGapMs });
        }),

      "two failovers within a minute: from A to B and back to a new A": () =>
        within({ kind: "stingy", devices: ["busy", "idle"] }, async (lab) => {
          await lab.connect();
          const pings = busy(lab.device("busy"));
          const connection = await stream(lab.device("busy"));
          await lab.interrupt(lab.a);
          await lab.endpointsSaved();
          await lab.prepare(lab.b);
          await lab.promote(lab.b);
          await Promise.all([lab.isIn(lab.b, "serving"), lab.isIn(lab.a, "stood-down")]);
          await lab.interrupt(lab.b);
          lab.a.imds.interruption = undefined;
          await lab.a.reboot();
          await lab.isIn(lab.a, "ready");
          const asked = answers(lab.a, lab.device("idle"));
          const moved = await lab.promote(lab.a);
          await Promise.all([lab.isIn(lab.a, "serving"), lab.isIn(lab.b, "stood-down")]);
          await eventually("the idle device answers", () => asked.answeredAt, WAIT);
          await eventually("the busy device is answered", () => pings.answeredAfter(moved + 1000), WAIT);
          measured("two failovers", { busy: (await pings.stop()).longestGapMs });
          expect((await connection.stop()).broken).to.equal("");
        }),

      "a peer that is added during a failover connects, whether B had read the store before or not": () =>
        within({ kind: "stingy", devices: ["phone"] }, async (lab) => {
          await lab.connect();
          await lab.interrupt(lab.a);
          await lab.endpointsSaved();
          const early = await lab.addDevice("early");
          await lab.prepare(lab.b);
          const late = await lab.addDevice("late");
          const pings = busy(lab.device("phone"));
          await lab.promote(lab.b);
          await early.up();
          await early.reaches(ADDRESSES.web, WAIT);
          // What the parameter's change sets off on the servers.
          await Promise.all([lab.a, lab.b].map((server) => server.systemctl("start", "stingy-sync")));
          await late.up();
          await late.reaches(ADDRESSES.web, WAIT);
          await lab.isIn(lab.b, "serving");
          await reach([lab.device("phone")]);
          measured("peer added", { busy: (await pings.stop()).longestGapMs });
        }),

      "a site without an Elastic IP: a device that asks for the name again finds B": () =>
        within({ kind: "stingy", address: null }, async (lab) => {
          const phone = lab.device("phone");
          const name = "vpn.example";
          const points = (to: Server): void =>
            phone.machine.write("/etc/hosts", `127.0.0.1 localhost\n${lab.site.publicAddress(to)} ${name}\n`);
          points(lab.a);
          await phone.up({ endpoint: `${name}:51820` });
          await phone.reaches(ADDRESSES.web, WAIT);
          const timer = await phone.resolveAgain();
          await lab.interrupt(lab.a);
          await lab.prepare(lab.b);
          await lab.promote(lab.b);
          points(lab.b);
          await lab.kill(lab.a);
          const from = Date.now();
          const pings = busy(phone);
          await phone.reaches(ADDRESSES.web, 4 * WAIT);
          measured("without an Elastic IP", { busy: Date.now() - from });
          await lab.isIn(lab.b, "serving");
          await timer.stop();
          await pings.stop();
        }),
    },
    400_000,
  );
});
