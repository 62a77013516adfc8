import { expect } from "chai";
import { ADDRESSES, eventually, type Server } from "../server/harness";
import { together } from "../server/together";
import { answers, busy } from "./rig/activity";
import type { Device } from "./rig/device";
import type { Home } from "./rig/home";
import { Lab } from "./rig/lab";

const WAIT = 120_000;

/** Each device has a second home to go to. */
async function within(devices: readonly string[], test: (lab: Lab, to: (device: Device) => Home) => Promise<void>) {
  const lab = await Lab.start({ kind: "stingy", devices });
  try {
    const homes = new Map<Device, Home>();
    for (const device of lab.devices) homes.set(device, await lab.addHome());
    await lab.connect();
    await test(lab, (device) => homes.get(device) as Home);
    expect(await lab.leaked(), "packets outside of the tunnel").to.equal(0);
  } finally {
    await lab.stop();
  }
}

/** Where a server has a device. */
async function place(server: Server, device: Device): Promise<string> {
  const line = (await server.sh("wg show wg0 endpoints"))
    .split("\n")
    .find((text) => text.startsWith(device.peer.publicKey));
  return line?.split("\t")[1]?.replace(/:\d+$/, "") ?? "";
}
const isAt = (server: Server, device: Device, home: Home): Promise<unknown> =>
  eventually(
    `${server.name} has ${device.name} at its second home`,
    async () => (await place(server, device)) === home.ipv4,
    WAIT,
  );
const done = (lab: Lab): Promise<unknown> => Promise.all([lab.isIn(lab.b, "serving"), lab.isIn(lab.a, "stood-down")]);

describe("a device that goes to another network", () => {
  together(
    {
      "while it is used comes back by itself, whether it goes before the address moves, just then or after": () =>
        within(["before", "then", "after", "quiet"], async (lab, to) => {
          const [before, then, after, quiet] = ["before", "then", "after", "quiet"].map((name) => lab.device(name)) as [
            Device,
            Device,
            Device,
            Device,
          ];
          const pings = [before, then, after].map((device) => ({ device, ping: busy(device) }));
          await lab.interrupt(lab.a);
          await lab.endpointsSaved();
          await lab.prepare(lab.b);

          // What was saved of them is old, and B has read it.
          await Promise.all([before, quiet].map((device) => device.roam(to(device))));
          await isAt(lab.a, before, to(before));
          const moved = lab.promote(lab.b);
          await Promise.all([moved, then.roam(to(then))]);
          await done(lab);
          await after.roam(to(after));
          const roamed = Date.now();
          // Nobody has used it meanwhile.
          const used = quiet.reaches(ADDRESSES.web, WAIT).then(() => Date.now() - roamed);

          await Promise.all(
            pings.map(async ({ device, ping }) => {
              await isAt(lab.b, device, to(device));
              const from = Date.now();
              await eventually(`${device.name} is answered there`, () => ping.answeredAfter(from), WAIT);
            }),
          );
          const gaps = await Promise.all(
            pings.map(async ({ device, ping }) => `${device.name} ${(await ping.stop()).longestGapMs} ms`),
          );
          const usedAfter = await used;
          console.log(
            `      roaming around the failover, longest gap: ${gaps.join(", ")}; idle, ${usedAfter} ms from its first use`,
          );
        }),

      "and is idle there is called back by B, once its keepalive has told A": () =>
        within(["idle"], async (lab, to) => {
          const idle = lab.device("idle");
          await idle.roam(to(idle));
          await isAt(lab.a, idle, to(idle));
          await lab.interrupt(lab.a);
          await lab.endpointsSaved();
          await lab.prepare(lab.b);
          const asking = answers(lab.b, idle);
          const moved = await lab.promote(lab.b);
          const answered = await eventually("the idle device answers B", () => asking.answeredAt, WAIT);
          await asking.stop();
          expect(await place(lab.b, idle)).to.equal(to(idle).ipv4);
          await done(lab);
          console.log(
            `      idle at its second home: B reaches it ${Math.round((answered ?? 0) - moved)} ms after the address`,
          );
        }),
    },
    300_000,
  );
});
