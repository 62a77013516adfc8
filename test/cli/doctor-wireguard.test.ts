import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createSocket, type RemoteInfo } from "node:dgram";
import { existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { connect } from "../../cli/doctor/probe";
import { generatePrivateKey, publicKeyOf } from "../../modules/wireguard";
import { folderWith } from "./support/stingy";

const NAME = `doctor${randomBytes(3).toString("hex")}`;
const server = generatePrivateKey();
const device = generatePrivateKey();

const run = (command: string, ...args: readonly string[]) =>
  execFileSync(command, args, { encoding: "utf8", stdio: "pipe" });

describe("stingy doctor's try to connect, against the real wireguard-go", () => {
  let port: number;
  let stop = () => {};

  before("a server in a namespace that is the internet, too", async function () {
    this.timeout(20_000);
    if (process.getuid?.() !== 0 || !existsSync("/dev/net/tun")) throw new Error("This needs root and /dev/net/tun.");
    run("ip", "netns", "add", NAME);
    // Its UDP socket stays in the namespace it starts in, which is the test's; only the tunnel moves.
    const child = spawn("wireguard-go", ["-f", NAME], { stdio: "ignore" });
    const ended = new Promise((resolve) => child.once("close", resolve).once("error", resolve));
    stop = () => child.kill();
    process.once("exit", stop);
    for (let tries = 0; !existsSync(`/var/run/wireguard/${NAME}.sock`); tries++) {
      if (tries > 100 || child.exitCode !== null) throw new Error("wireguard-go does not start: is it installed?");
      await Promise.race([sleep(50), ended]);
    }
    const text = `[Interface]\nPrivateKey = ${server}\n[Peer]\nPublicKey = ${publicKeyOf(device)}\nAllowedIPs = 10.8.0.2/32\n`;
    run("wg", "setconf", NAME, path.join(folderWith({ "wg.conf": text }), "wg.conf"));
    run("ip", "link", "set", NAME, "netns", NAME);
    run("ip", "-n", NAME, "link", "set", "lo", "up");
    run("ip", "-n", NAME, "addr", "add", "1.1.1.1/32", "dev", "lo");
    run("ip", "-n", NAME, "addr", "add", "10.8.0.1/24", "dev", NAME);
    run("ip", "-n", NAME, "link", "set", NAME, "mtu", "1420", "up");
    await sleep(100);
    port = Number(run("wg", "show", NAME, "listen-port"));
  });

  after(() => {
    process.off("exit", stop);
    stop();
    try {
      run("ip", "netns", "del", NAME);
    } catch {
      // It was never made.
    }
  });

  /** A way to the server on which larger datagrams get lost, in both directions. */
  async function way(largest: number) {
    const near = createSocket("udp4");
    const far = createSocket("udp4");
    let device: RemoteInfo | undefined;
    near.on("message", (datagram, from) => {
      device = from;
      if (datagram.length <= largest) far.send(datagram, port, "127.0.0.1");
    });
    far.on("message", (datagram) => {
      if (device && datagram.length <= largest) near.send(datagram, device.port, device.address);
    });
    await new Promise<void>((resolve) => near.bind(0, "127.0.0.1", resolve));
    return { port: near.address().port, close: () => [near, far].map((socket) => socket.close()) };
  }

  const tried = (privateKey: string, seconds: number, at = port) =>
    connect({
      address: "127.0.0.1",
      port: at,
      privateKey,
      serverPublicKey: publicKeyOf(server),
      own: "10.8.0.2",
      server: "10.8.0.1",
      seconds,
      known: true,
      stopped: new AbortController().signal,
    });

  it("finds handshake, tunnel, internet and full size", async () => {
    const found = await tried(device, 10);
    expect(found).to.include({ kind: "answered", mtu: 1420 });
    if (found.kind !== "answered") throw new Error("no answer");
    expect(found.serverMs).to.be.a("number");
    expect(found.internetMs).to.be.a("number");
  });

  it("finds the largest packet of a narrow way", async () => {
    // 1380 bytes in the tunnel; but the server fills its answers up to sixteens, and 1392 do not pass.
    const narrow = await way(1412);
    try {
      expect(await tried(device, 10, narrow.port)).to.include({ kind: "answered", mtu: 1376 });
    } finally {
      narrow.close();
    }
  });

  it("finds that the internet is not reached", async () => {
    run("ip", "-n", NAME, "addr", "del", "1.1.1.1/32", "dev", "lo");
    const found = await tried(device, 10);
    expect(found).to.include({ kind: "answered", internetMs: undefined, mtu: 1420 });
  });

  it("meets silence where the server does not know the key", async () => {
    expect(await tried(generatePrivateKey(), 2)).to.include({ kind: "silent", refused: false });
  });
});
