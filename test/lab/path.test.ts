import path from "node:path";
import { expect } from "chai";
import { ADDRESSES, eventually, type Server } from "../server/harness";
import { together } from "../server/together";
import { busy, stream } from "./rig/activity";
import type { Device } from "./rig/device";
import { count, type HomeOptions } from "./rig/home";
import { Lab } from "./rig/lab";

const WAIT = 90_000;
const HOSTS = [ADDRESSES.web, ADDRESSES.webIpv6];
const PORT = 51820;
const WEB = path.resolve("test/server/harness/web.cjs");

/** Runs with a lab and always ends it; then nothing may have left a device outside of the tunnel. */
async function within(
  homes: Readonly<Record<string, HomeOptions>>,
  options: Partial<Parameters<typeof Lab.start>[0]>,
  test: (lab: Lab) => Promise<void>,
): Promise<void> {
  const lab = await Lab.start({ kind: "stingy", devices: [], ...options });
  try {
    for (const [name, home] of Object.entries(homes)) await lab.addDevice(name, home);
    expect((await lab.a.run("stingy-sync")).code).to.equal(0);
    await test(lab);
    expect(await lab.leaked(), "packets outside of the tunnel").to.equal(0);
  } finally {
    await lab.stop();
  }
}

/** A has a notice, B gets ready, and the address moves. */
async function failOver(lab: Lab): Promise<void> {
  await lab.interrupt(lab.a);
  await lab.endpointsSaved();
  await lab.prepare(lab.b);
  await lab.promote(lab.b);
  await Promise.all([lab.isIn(lab.b, "serving"), lab.isIn(lab.a, "stood-down")]);
}
const reach = (devices: readonly Device[], hosts: readonly string[]): Promise<unknown> =>
  Promise.all(devices.flatMap((device) => hosts.map((host) => device.reaches(host, WAIT))));
const endpoint = async (device: Device): Promise<string> =>
  (await device.sh("wg show wg0 endpoints")).split("\t")[1] ?? "";
const ipv6 = (server: Server): string => `[${server.attachment.ipv6}]:${PORT}`;

/** Random bytes over TCP, and datagrams of all sizes until each has come back once, so that a lost one is no failure. */
const ECHO = `const [, host] = process.argv;
const { randomBytes } = require("node:crypto");
const sent = randomBytes(1 << 19);
let left = 2;
const end = (what) => { console.log(what); if (--left === 0) process.exit(); };
let got = Buffer.alloc(0);
const tcp = require("node:net").connect(7, host, () => tcp.write(sent));
tcp.on("data", (data) => {
  got = Buffer.concat([got, data]);
  if (got.length >= sent.length) end(got.equals(sent) ? "segments" : "other segments");
});
const waiting = new Map([1, 1200, 1352, 1372, 1392, 1412, 1452, 4000, 20000].map((size) => [size, randomBytes(size)]));
const udp = require("node:dgram").createSocket(host.includes(":") ? "udp6" : "udp4");
udp.on("error", () => undefined);
udp.on("message", (message) => {
  if (waiting.get(message.length)?.equals(message)) waiting.delete(message.length);
  if (waiting.size === 0) { udp.close(); clearInterval(again); end("datagrams"); }
});
const send = () => { for (const data of waiting.values()) udp.send(data, 7, host, () => undefined); };
const again = setInterval(send, 500);
send();`;

/** Both ways, byte for byte. */
async function transfers(device: Device, host: string): Promise<void> {
  const bytes = 1_000_000;
  const url = `http://${host.includes(":") ? `[${host}]` : host}/bytes/${bytes}`;
  const [loaded, echoed] = await Promise.all([
    device.machine.run(
      ["bash", "-c", `curl -gsS --max-time ${WAIT / 1000} ${url} | cmp - <(head -c ${bytes} /dev/zero)`],
      { timeoutMs: WAIT + 5000 },
    ),
    device.machine.run([process.execPath, "-e", ECHO, host], { timeoutMs: WAIT }),
  ]);
  const what = `${device.name} and ${host}`;
  expect(loaded.code, `download of ${what}: ${loaded.stdout}${loaded.stderr}`).to.equal(0);
  expect(echoed.stdout.split("\n").filter(Boolean).sort(), `echo of ${what}`).to.deep.equal(["datagrams", "segments"]);
}

describe("the path of a device's packets", () => {
  together(
    {
      "may be narrow, on the line or behind the home's router: what is large arrives, through B too": () => {
        const homes = {
          "line-1400": { mtu: 1400 },
          "line-1280": { mtu: 1280 },
          "cable-1400": { cableMtu: 1400 },
          "cable-1280": { cableMtu: 1280 },
        };
        return within(homes, {}, async (lab) => {
          const mtu = async (server: Server): Promise<string[]> =>
            Promise.all(
              lab.homes.map(async ({ ipv4 }) => /mtu \d+/.exec(await server.sh(`ip route get ${ipv4}`))?.[0] ?? ""),
            );
          const check = async (server: Server): Promise<void> => {
            await Promise.all(lab.devices.flatMap((device) => HOSTS.map((host) => transfers(device, host))));
            // Otherwise nothing was too large.
            expect(await mtu(server), `what ${server.name} knows`).to.deep.equal([
              ...["mtu 1400", "mtu 1280"],
              ...["mtu 1400", "mtu 1280"],
            ]);
          };
          await lab.connect();
          await check(lab.a);
          await failOver(lab);
          await reach(lab.devices, HOSTS);
          await check(lab.b);
        });
      },

      "carries segments that fit the tunnel, whatever the device believes": () =>
        within({ phone: {} }, {}, async (lab) => {
          const phone = lab.device("phone");
          const check = async (server: Server): Promise<void> => {
            const seen = await count(lab.site.outside.web, {
              four: "prerouting meta nfproto ipv4 tcp dport 80 tcp flags & (syn | ack) == syn tcp option maxseg size 1380",
              six: "prerouting meta nfproto ipv6 tcp dport 80 tcp flags & (syn | ack) == syn tcp option maxseg size 1360",
              every: "prerouting tcp dport 80 tcp flags & (syn | ack) == syn",
            });
            await Promise.all(HOSTS.map((host) => transfers(phone, host)));
            const { four, six, every } = await seen();
            expect(four, `through ${server.name}, over IPv4`).to.be.greaterThan(0);
            expect(six, `through ${server.name}, over IPv6`).to.be.greaterThan(0);
            expect(every, `through ${server.name}, in all`).to.equal(four + six);
          };
          await lab.connect();
          await phone.sh("ip link set wg0 mtu 1500");
          await check(lab.a);
          await failOver(lab);
          await reach([phone], HOSTS);
          await check(lab.b);
        }),

      "has IPv6 inside: a ping and a connection to a peer outlive a failover, one to the internet is reset and begins anew":
        () =>
          within({ phone: {}, desktop: {} }, {}, async (lab) => {
            const phone = lab.device("phone");
            const desktop = lab.device("desktop");
            const inside = desktop.peer.addresses[1] ?? "";
            const server = desktop.machine.spawn([process.execPath, WEB]);
            await server.waitFor(/^serving$/m);
            await lab.connect();
            await reach([phone], [ADDRESSES.webIpv6, inside]);
            const ping = busy(phone, ADDRESSES.webIpv6);
            const toPeer = await stream(phone, inside);
            const toWeb = await stream(phone, ADDRESSES.webIpv6);
            await failOver(lab);
            await reach([phone], [ADDRESSES.webIpv6, inside]);
            const from = Date.now();
            await eventually("the ping goes on", () => ping.answeredAfter(from), WAIT);
            const again = await stream(phone, ADDRESSES.webIpv6);
            const { longestGapMs, lost } = await ping.stop();
            const peer = await toPeer.stop();
            const [web, anew] = [await toWeb.stop(), await again.stop()];
            expect([peer.broken, anew.broken], "to the peer, and anew").to.deep.equal(["", ""]);
            // It comes from B's IPv6 address now, from which the host knows no such connection. At least it does not hang.
            expect(web.broken).to.equal("ECONNRESET");
            for (const { echoed } of [peer, web, anew]) expect(echoed).to.be.greaterThan(0);
            console.log(
              `      IPv6 inside: ${lost} pings lost, longest gap ${longestGapMs} ms; the connection to a peer stood still for ${peer.stallMs} ms`,
            );
          }),

      "has no IPv6 inside on a site without it, and none beside it": () =>
        within({ phone: {} }, { ipv6: false }, async (lab) => {
          const phone = lab.device("phone");
          const check = async (): Promise<void> => {
            await phone.reaches(ADDRESSES.web, WAIT);
            expect((await phone.ping(ADDRESSES.webIpv6, { count: 3 })).received, "over IPv6").to.equal(0);
            await transfers(phone, ADDRESSES.web);
          };
          await lab.connect();
          const web = await count(lab.site.outside.web, {
            six: "prerouting meta nfproto ipv6 icmpv6 type echo-request",
            four: "prerouting icmp type echo-request",
          });
          await check();
          await failOver(lab);
          await check();
          const { four, six } = await web();
          expect(four).to.be.greaterThan(0);
          expect(six, "IPv6 that has come from the device's own address").to.equal(0);
        }),

      "to the server's IPv6 address ends with that server: who can be called moves to B, who cannot connects anew":
        () =>
          within({ open: { guardsIpv6: false }, guarded: {} }, {}, async (lab) => {
            const open = lab.device("open");
            const guarded = lab.device("guarded");
            const up = async (device: Device, server: Server): Promise<void> => {
              await device.up({ endpoint: ipv6(server) });
              await reach([device], HOSTS);
            };
            await Promise.all(lab.devices.map((device) => up(device, lab.a)));
            const pings = lab.devices.map((device) => busy(device));
            const calls = await Promise.all(
              lab.homes.map(({ machine }) =>
                count(machine, {
                  came: `prerouting iifname eth0 ip6 saddr ${lab.b.attachment.ipv6} udp sport ${PORT}`,
                  passed: `forward iifname eth0 ip6 saddr ${lab.b.attachment.ipv6} udp sport ${PORT}`,
                }),
              ),
            );
            await failOver(lab);

            await reach([open], HOSTS);
            expect(await endpoint(open)).to.equal(ipv6(lab.b));

            // Its home knows of no conversation with B.
            const called = await eventually(
              "B has called more than once",
              async () => {
                const counted = await calls[1]?.();
                return (counted?.came ?? 0) > 1 ? counted : undefined;
              },
              WAIT,
            );
            expect(called?.passed, "calls that the guarded home lets in").to.equal(0);
            expect(await endpoint(guarded)).to.equal(ipv6(lab.a));
            expect((await guarded.ping(ADDRESSES.web, { count: 5 })).received).to.equal(0);
            const [ping] = await Promise.all(pings.map((one) => one.stop()));
            console.log(`      an endpoint of IPv6: longest gap ${ping?.longestGapMs} ms where B's call comes in`);

            await guarded.down();
            await up(guarded, lab.b);
            await guarded.down();
            await guarded.up();
            await reach([guarded], HOSTS);
            expect(await endpoint(guarded)).to.equal(`${lab.site.address}:${PORT}`);
          }),
    },
    300_000,
  );
});
