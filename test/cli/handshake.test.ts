import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { generatePresharedKey, generatePrivateKey, publicKeyOf } from "../../modules/wireguard";
import { createInitiation, echoRequest, parseEchoReply, type Session } from "../../modules/wireguard/handshake";

const NAME = `stingy${randomBytes(3).toString("hex")}`;
/** How long a server that is silent is listened to. */
const SILENCE_MS = 1500;

const server = generatePrivateKey();
const device = generatePrivateKey();
const withPsk = generatePrivateKey();
const presharedKey = generatePresharedKey();

const run = (command: string, args: readonly string[]) =>
  execFileSync(command, args, { encoding: "utf8", stdio: "pipe" });

describe("the handshake, against the real wireguard-go", () => {
  let port: number;
  let socket: Socket;
  let stop = () => {};

  before("a server in a namespace", async function () {
    this.timeout(20_000);
    if (process.getuid?.() !== 0) throw new Error("This needs root, for a network namespace and a TUN device.");
    if (!existsSync("/dev/net/tun"))
      throw new Error("This needs /dev/net/tun: modprobe tun, or give the container that device.");
    for (const tool of ["ip", "wg", "wireguard-go"]) {
      try {
        run("which", [tool]);
      } catch (cause) {
        throw new Error(`${tool} is missing: apt-get install iproute2 wireguard-tools wireguard-go`, { cause });
      }
    }

    run("ip", ["netns", "add", NAME]);
    // Its UDP socket stays in the namespace it starts in, which is the test's; only the tunnel moves.
    const child = spawn("wireguard-go", ["-f", NAME], { stdio: "ignore" });
    const ended = new Promise((resolve) => child.once("close", resolve).once("error", resolve));
    stop = () => child.kill();
    process.once("exit", stop);
    for (let tries = 0; !existsSync(`/var/run/wireguard/${NAME}.sock`); tries++) {
      if (tries > 100 || child.exitCode !== null) throw new Error("wireguard-go does not start");
      await Promise.race([sleep(50), ended]);
    }
    const folder = mkdtempSync(path.join(tmpdir(), "stingy-handshake-"));
    const file = path.join(folder, "wg.conf");
    const lines = [
      `[Interface]\nPrivateKey = ${server}`,
      `[Peer]\nPublicKey = ${publicKeyOf(device)}\nAllowedIPs = 10.8.0.2/32, fd53::2/128`,
      `[Peer]\nPublicKey = ${publicKeyOf(withPsk)}\nPresharedKey = ${presharedKey}\nAllowedIPs = 10.8.0.3/32\n`,
    ];
    writeFileSync(file, lines.join("\n"), { mode: 0o600 });
    run("wg", ["setconf", NAME, file]);
    rmSync(folder, { recursive: true });
    run("ip", ["link", "set", NAME, "netns", NAME]);
    for (const args of ["addr add 10.8.0.1/24", "-6 addr add fd53::1/64 nodad", "link set mtu 1420 up"]) {
      run("ip", ["-n", NAME, ...args.split(" "), "dev", NAME]);
    }
    await sleep(100);
    port = Number(run("wg", ["show", NAME, "listen-port"]));
  });

  after(() => {
    process.off("exit", stop);
    stop();
    try {
      run("ip", ["netns", "del", NAME]);
    } catch {
      // It was never made.
    }
  });

  beforeEach(() => {
    socket = createSocket("udp4");
  });
  afterEach(() => socket.close());

  /** Sends, and gives what the first datagram that `read` understands means; undefined where none comes. */
  function ask<T>(datagram: Buffer, read: (answer: Buffer) => T | undefined): Promise<T | undefined> {
    return new Promise((resolve) => {
      const silence = setTimeout(() => done(undefined), SILENCE_MS);
      const listen = (answer: Buffer) => {
        const found = read(answer);
        if (found !== undefined) done(found);
      };
      const done = (found: T | undefined) => {
        clearTimeout(silence);
        socket.off("message", listen);
        resolve(found);
      };
      socket.on("message", listen);
      socket.send(datagram, port, "127.0.0.1");
    });
  }

  async function connect(privateKey: string, psk?: string, serverPublicKey = publicKeyOf(server)) {
    const initiation = createInitiation({ privateKey, serverPublicKey, presharedKey: psk });
    return ask(initiation.packet, (answer) => initiation.consume(answer));
  }

  async function session(privateKey: string, psk?: string): Promise<Session> {
    const answer = await connect(privateKey, psk);
    if (answer?.kind !== "session") throw new Error(answer?.kind === "refused" ? answer.reason : String(answer?.kind));
    return answer.session;
  }

  async function ping(through: Session, source: string, destination: string, size: number) {
    const request = { source, destination, id: 42, sequence: 7, size };
    return ask(through.encrypt(echoRequest(request), 1420), (answer) =>
      parseEchoReply(through.decrypt(answer) ?? Buffer.alloc(0)),
    );
  }

  it("completes, and pings through the tunnel are answered, over IPv4 and IPv6, up to the MTU", async () => {
    const through = await session(device);
    for (const [source, destination] of [
      ["10.8.0.2", "10.8.0.1"],
      ["fd53::2", "fd53::1"],
    ] as const) {
      for (const size of [61, 1420]) {
        expect(await ping(through, source, destination, size)).to.deep.equal({
          source: destination,
          destination: source,
          id: 42,
          sequence: 7,
          size,
        });
      }
    }
  });

  it("completes with a preshared key", async () => {
    const through = await session(withPsk, presharedKey);
    expect((await ping(through, "10.8.0.3", "10.8.0.1", 100))?.source).to.equal("10.8.0.1");
  });

  it("gives no session to who has not the preshared key", async () => {
    for (const psk of [undefined, generatePresharedKey()]) {
      await sleep(100); // A server takes an initiation of a peer every 50 ms.
      expect(await connect(withPsk, psk)).to.deep.equal({
        kind: "refused",
        reason: "the response is not of this server, or it has another preshared key",
      });
    }
  });

  it("is not answered to an unknown peer, nor for another server's key", async () => {
    expect(await connect(generatePrivateKey())).to.equal(undefined);
    expect(await connect(device, undefined, publicKeyOf(generatePrivateKey()))).to.equal(undefined);
  });

  it("has no answer to a ping from an address that is not the peer's", async () => {
    await sleep(100);
    expect(await ping(await session(device), "10.8.0.3", "10.8.0.1", 100)).to.equal(undefined);
  });
});
