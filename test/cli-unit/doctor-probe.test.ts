import { createSocket } from "node:dgram";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { clockAhead, readState } from "../../cli/doctor/look/computer";
import { readReport } from "../../cli/doctor/look/controller";
import { askDns } from "../../cli/doctor/look/dns";
import { connect, largest } from "../../cli/doctor/probe";
import { isLeftOver, isProbePeer, probePeer, probePeerName } from "../../cli/doctor/probe-peer";
import { generatePrivateKey, isPeerName, publicKeyOf } from "../../modules/wireguard";
import { type ResponderOptions, startResponder } from "../modules/wireguard/responder";

const HOUR_MS = 3_600_000;

describe("stingy doctor's try to connect", () => {
  const privateKey = generatePrivateKey();
  const serverKey = generatePrivateKey();
  const known = [{ publicKey: publicKeyOf(privateKey) }];

  const pace = { handshakeMs: 200, pingMs: 150 };

  async function tried(server: Partial<ResponderOptions>, seconds = 5) {
    const responder = await startResponder({ privateKey: serverKey, peers: known, ...server });
    try {
      return await connect({
        address: "127.0.0.1",
        port: responder.port,
        privateKey,
        serverPublicKey: publicKeyOf(serverKey),
        own: "10.8.0.2",
        server: "10.8.0.1",
        seconds,
        known: true,
        stopped: new AbortController().signal,
        pace,
      });
    } finally {
      await responder.close();
    }
  }

  it("finds handshake, tunnel, internet and full size", async () => {
    const found = await tried({});
    expect(found).to.include({ kind: "answered", mtu: 1420 });
    if (found.kind !== "answered") throw new Error("no answer");
    expect(found.serverMs).to.be.a("number");
    expect(found.internetMs).to.be.a("number");
  });

  it("finds the largest packet of a narrow way", async () => {
    expect(await tried({ maxPacket: 1333 })).to.include({ kind: "answered", mtu: 1332 });
  });

  it("gives a busy server its cookie", async () => {
    expect(await tried({ busy: true })).to.include({ kind: "answered", mtu: 1420 });
  });

  it("tells silence", async () => {
    const found = await tried({ peers: [] }, 0.2);
    expect(found).to.deep.include({ kind: "silent", seconds: 0.2, refused: false, known: true });
  });

  it("tells a handshake that carries nothing", async () => {
    expect(await tried({ maxPacket: 20 })).to.include({ kind: "answered", serverMs: undefined, mtu: undefined });
  });

  it("tells a port where nobody listens", async () => {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    const { port } = socket.address() as AddressInfo;
    await new Promise<void>((resolve) => socket.close(resolve));
    const found = await connect({
      address: "127.0.0.1",
      port,
      privateKey,
      serverPublicKey: publicKeyOf(serverKey),
      own: "10.8.0.2",
      server: "10.8.0.1",
      seconds: 0.2,
      known: true,
      stopped: new AbortController().signal,
      pace,
    });
    expect(found).to.deep.equal({
      kind: "silent",
      endpoint: `127.0.0.1:${port}`,
      seconds: 0.2,
      refused: true,
      known: true,
    });
  });

  it("ends at once when somebody presses Ctrl-C", async () => {
    const stopped = new AbortController();
    stopped.abort();
    const found = await connect({
      address: "127.0.0.1",
      port: 9,
      privateKey,
      serverPublicKey: publicKeyOf(serverKey),
      own: "10.8.0.2",
      server: "10.8.0.1",
      seconds: 600,
      known: true,
      stopped: stopped.signal,
    });
    expect(found.kind).to.equal("silent");
  });
});

describe("the largest packet", () => {
  for (const limit of [1280, 1283, 1284, 1350, 1419, 1420, 1500]) {
    it(`of a way for ${limit} bytes is at most three bytes less`, async () => {
      const found = (await largest(async (size) => size <= limit)) ?? 0;
      expect(found)
        .to.be.at.most(Math.min(limit, 1420))
        .and.at.least(Math.min(limit, 1420) - 3);
    });
  }

  it("is unknown where not even 1280 bytes pass", async () => {
    expect(await largest(async (size) => size <= 1279)).to.equal(undefined);
  });
});

describe("the doctor's device", () => {
  const value = probePeer({ publicKey: publicKeyOf(generatePrivateKey()), addresses: ["10.8.0.2/32"] });
  const parameter = (name: string, text: string, age: number) => ({
    name,
    value: text,
    version: 1,
    modifiedAt: new Date(Date.now() - age),
  });

  it("has a name that any device may have", () => {
    const name = probePeerName();
    expect(name).to.match(/^peers\/doctor-[a-z]{4}$/);
    expect(isPeerName(name.slice("peers/".length))).to.equal(true);
  });

  it("is known by its mark, so that a person's own device of such a name is not", () => {
    expect(isProbePeer(parameter("peers/doctor-home", value, 0))).to.equal(true);
    expect(isProbePeer(parameter("peers/doctor-home", value.replace("stingy doctor", "me"), 0))).to.equal(false);
    expect(isProbePeer(parameter("peers/phone", value, 0))).to.equal(false);
  });

  it("is left over after an hour", () => {
    expect(isLeftOver(parameter("peers/doctor-abcd", value, HOUR_MS + 1000), Date.now())).to.equal(true);
    expect(isLeftOver(parameter("peers/doctor-abcd", value, HOUR_MS - 1000), Date.now())).to.equal(false);
  });
});

describe("what the doctor reads", () => {
  it("of the server's report: its clock, and who was heard of in three minutes", () => {
    const now = 1_750_000_000_000;
    const report = "1750000005\n1749999999 AAAAAAAAAA 10 20\n1749999826 BBBBBBBBBB 1 2\n1749999825 CCCCCCCCCC 1 2\n";
    expect(readReport(report, now)).to.deep.equal({ clockAhead: 5, active: 2 });
    expect(readReport("", now)).to.deep.equal({ clockAhead: undefined, active: 0 });
    expect(readReport("command not found\n", now)).to.deep.equal({ clockAhead: undefined, active: 0 });
  });

  it("of AWS's clock: the date of its own answer, not of a page that it leads to", async () => {
    const web = createServer((request, response) => {
      response.sendDate = false;
      const old = request.url === "/page";
      response.setHeader("date", new Date(Date.now() - (old ? HOUR_MS : 0)).toUTCString());
      response.writeHead(old ? 200 : 302, { location: "/page" }).end();
    });
    await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
    const saved = process.env.AWS_ENDPOINT_URL_STS;
    process.env.AWS_ENDPOINT_URL_STS = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
    try {
      expect(await clockAhead("eu-west-1")).to.be.within(-5, 5);
    } finally {
      if (saved === undefined) delete process.env.AWS_ENDPOINT_URL_STS;
      else process.env.AWS_ENDPOINT_URL_STS = saved;
      web.closeAllConnections();
      web.close();
    }
  });

  it("of a state of Terraform's: its outputs and accounts", () => {
    const text = JSON.stringify({
      outputs: { address: { value: "203.0.113.7", type: "string" } },
      resources: [
        { arn: "arn:aws:lambda:ap-northeast-1:123456789012:function:x", policy: "arn:aws:iam::aws:policy/y" },
      ],
    });
    expect(readState(text)).to.deep.equal({ outputs: { address: "203.0.113.7" }, accounts: ["123456789012"] });
    expect(readState("{ cut off")).to.deep.equal({ outputs: {}, accounts: [] });
    expect(readState(undefined)).to.deep.equal({ outputs: undefined, accounts: [] });
  });
});

/** A name server with one answer for each type: A, NS and AAAA. */
async function nameServer(answers: Readonly<Record<number, Buffer>>) {
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => {
    let at = 12;
    while (query.readUInt8(at) !== 0) at += query.readUInt8(at) + 1;
    const question = query.subarray(12, at + 5);
    const data = answers[query.readUInt16BE(at + 1)];
    const head = Buffer.from([...query.subarray(0, 2), 0x84, 0, 0, 1, 0, data ? 1 : 0, 0, 0, 0, 0]);
    const answer = data
      ? Buffer.concat([
          Buffer.from([0xc0, 12, ...query.subarray(at + 1, at + 3), 0, 1, 0, 0, 0, 60, 0, data.length]),
          data,
        ])
      : Buffer.alloc(0);
    socket.send(Buffer.concat([head, question, answer]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return { port: (socket.address() as AddressInfo).port, close: () => socket.close() };
}

describe("what the doctor asks DNS", () => {
  const name = (text: string) =>
    Buffer.concat([...text.split(".").map((part) => Buffer.from([part.length, ...Buffer.from(part)])), Buffer.of(0)]);
  const settings = {
    provider: "cloudflare",
    name: "vpn.example.com",
    zone: "example.com",
    records: ["A", "AAAA"],
  } as Parameters<typeof askDns>[0];

  it("is the zone's own name servers and the resolver, for each record", async () => {
    // It is its own zone's name server, on 127.0.0.1.
    const server = await nameServer({ 1: Buffer.of(127, 0, 0, 1), 2: name("ns1.example.net") });
    try {
      const place = { resolvers: [`127.0.0.1:${server.port}`], authoritativePort: server.port };
      expect(await askDns(settings, place)).to.deep.equal({
        authoritative: [
          { type: "A", server: "ns1.example.net", addresses: ["127.0.0.1"], ttl: 60 },
          { type: "AAAA", server: "ns1.example.net", addresses: [], ttl: undefined },
        ],
        resolver: [
          { type: "A", server: `127.0.0.1:${server.port}`, addresses: ["127.0.0.1"], ttl: 60 },
          { type: "AAAA", server: `127.0.0.1:${server.port}`, addresses: [], ttl: undefined },
        ],
      });
    } finally {
      server.close();
    }
  });

  it("is of no use where the resolver does not answer", async () => {
    const server = await nameServer({});
    server.close();
    const error = await askDns(settings, { resolvers: [`127.0.0.1:${server.port}`] }).catch((thrown) => thrown);
    expect(error).to.be.instanceOf(Error);
    expect(error.message).to.equal(
      `127.0.0.1:${server.port} does not say the name servers of example.com (ECONNREFUSED)`,
    );
  });
});
