import { createSocket } from "node:dgram";
import { once } from "node:events";
import { expect } from "chai";
import fc from "fast-check";
import { generatePresharedKey, generatePrivateKey, publicKeyOf } from "../../../modules/wireguard";
import {
  type Answer,
  createInitiation,
  echoRequest,
  parseEchoReply,
  type Session,
} from "../../../modules/wireguard/handshake";
import { echoReply, handshakeAnswerer, startResponder } from "./responder";

const server = generatePrivateKey();
const device = generatePrivateKey();
const presharedKey = generatePresharedKey();
const peers = [{ publicKey: publicKeyOf(device), presharedKey }];
const known = { privateKey: device, serverPublicKey: publicKeyOf(server), presharedKey };

function sessionOf(answer: Answer): Session {
  if (answer.kind !== "session") throw new Error(answer.kind === "refused" ? answer.reason : answer.kind);
  return answer.session;
}
const refusal = (answer: Answer) => (answer.kind === "refused" ? answer.reason : answer.kind);
const changed = (bytes: Buffer, at: number) => {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
  return copy;
};

describe("the handshake", () => {
  it("is one initiation of 148 bytes, one response of 92, and a session both ways", () => {
    const initiation = createInitiation(known);
    const answer = handshakeAnswerer({ privateKey: server, peers })(initiation.packet);
    expect([initiation.packet.length, answer?.packet.length]).to.deep.equal([148, 92]);
    const session = sessionOf(initiation.consume(answer?.packet ?? Buffer.alloc(0)));
    expect(answer?.session?.decrypt(session.encrypt(Buffer.from("sixteen or more bytes")))?.toString()).to.equal(
      "sixteen or more bytes\0\0\0\0\0\0\0\0\0\0\0",
    );
    expect(session.decrypt(answer?.session?.encrypt(Buffer.alloc(0)) ?? Buffer.alloc(0))?.length).to.equal(0);
  });

  it("needs no preshared key where the server has none", () => {
    const initiation = createInitiation({ privateKey: device, serverPublicKey: publicKeyOf(server) });
    const answer = handshakeAnswerer({ privateKey: server, peers: [{ publicKey: publicKeyOf(device) }] })(
      initiation.packet,
    );
    expect(initiation.consume(answer?.packet ?? Buffer.alloc(0)).kind).to.equal("session");
  });

  it("is not answered to a key that is no peer's, to another server's key, or a second time", () => {
    const answer = handshakeAnswerer({ privateKey: server, peers });
    expect(answer(createInitiation({ ...known, privateKey: generatePrivateKey() }).packet)).to.equal(undefined);
    expect(answer(createInitiation({ ...known, serverPublicKey: publicKeyOf(generatePrivateKey()) }).packet)).to.equal(
      undefined,
    );
    const { packet } = createInitiation(known);
    expect([answer(packet)?.packet.length, answer(packet)]).to.deep.equal([92, undefined]);
  });

  it("tells the time as TAI64N, so that of two initiations the later counts", () => {
    const answer = handshakeAnswerer({ privateKey: server, peers });
    const at = (now: number) => answer(createInitiation({ ...known, now: () => now }).packet)?.packet.length;
    expect([at(1_700_000_000_500), at(1_700_000_000_499), at(1_700_000_000_501), at(1_700_000_001_000)]).to.deep.equal([
      92,
      undefined,
      92,
      92,
    ]);
  });

  it("is the same again with the same random bytes and time", () => {
    const make = () => createInitiation({ ...known, now: () => 0, random: (size) => Buffer.alloc(size, 7) }).packet;
    expect(make().equals(make())).to.equal(true);
    expect(createInitiation(known).packet.equals(createInitiation(known).packet)).to.equal(false);
  });

  it("says why it takes an answer for none, and takes the right one after all", () => {
    const initiation = createInitiation(known);
    const { packet = Buffer.alloc(0) } = handshakeAnswerer({ privateKey: server, peers })(initiation.packet) ?? {};
    const otherPsk = [{ publicKey: publicKeyOf(device), presharedKey: generatePresharedKey() }];
    const wrong =
      handshakeAnswerer({ privateKey: server, peers: otherPsk })(initiation.packet)?.packet ?? Buffer.alloc(0);
    expect(
      [Buffer.alloc(0), initiation.packet, changed(packet, 8), changed(packet, 70), changed(packet, 5), wrong].map(
        (bytes) => refusal(initiation.consume(bytes)),
      ),
    ).to.deep.equal([
      "it is no answer of WireGuard's to a handshake",
      "it is no answer of WireGuard's to a handshake",
      "it answers another handshake",
      "the response is not meant for this key",
      "the response is not meant for this key",
      "the response is not of this server, or it has another preshared key",
    ]);
    expect(initiation.consume(packet).kind).to.equal("session");
  });

  it("comes again with the cookie of a busy server, and later", () => {
    const answer = handshakeAnswerer({ privateKey: server, peers, busy: true });
    const first = createInitiation({ ...known, now: () => 1000 });
    const cookie = answer(first.packet)?.packet ?? Buffer.alloc(0);
    expect(cookie.length).to.equal(64);
    expect(refusal(first.consume(changed(cookie, 40)))).to.equal("the cookie is not of this server");
    const again = first.consume(cookie);
    if (again.kind !== "again") throw new Error(again.kind);
    const response = answer(again.initiation.packet)?.packet ?? Buffer.alloc(0);
    expect([response.length, again.initiation.consume(response).kind]).to.deep.equal([92, "session"]);
    const idle = handshakeAnswerer({ privateKey: server, peers });
    expect([idle(first.packet)?.packet.length, idle(again.initiation.packet)?.packet.length]).to.deep.equal([92, 92]);
  });

  it("names the key that is none", () => {
    expect(() => createInitiation({ ...known, serverPublicKey: "x" })).to.throw(
      /^The server's public key is no WireGuard key/,
    );
    expect(() => createInitiation({ ...known, presharedKey: "x" })).to.throw(/^The preshared key is no WireGuard key/);
    expect(() => createInitiation({ ...known, serverPublicKey: `${"A".repeat(43)}=` })).to.throw(
      "The server's public key is one that nobody can use. Take the one that the server has.",
    );
  });
});

describe("a session", () => {
  const pair = () => {
    const initiation = createInitiation(known);
    const answer = handshakeAnswerer({ privateKey: server, peers })(initiation.packet);
    if (!answer?.session) throw new Error("no answer");
    return { own: sessionOf(initiation.consume(answer.packet)), other: answer.session };
  };

  it("carries every packet, padded to 16 bytes", () => {
    const { own, other } = pair();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1500 }), (packet) => {
        const datagram = own.encrypt(packet);
        expect(datagram.length).to.equal(32 + Math.ceil(packet.length / 16) * 16);
        expect(other.decrypt(datagram)?.subarray(0, packet.length).equals(packet)).to.equal(true);
      }),
    );
  });

  it("pads no further than the MTU, so that a ping of its size is as large outside as any packet", () => {
    const { own, other } = pair();
    const datagram = own.encrypt(Buffer.alloc(1420, 1), 1420);
    expect([datagram.length, other.decrypt(datagram)?.length]).to.deep.equal([1452, 1420]);
    expect([own.encrypt(Buffer.alloc(1421), 1420).length, own.encrypt(Buffer.alloc(1400), 1420).length]).to.deep.equal([
      1453, 1440,
    ]);
  });

  it("takes nothing twice, nothing changed, and nothing of another session", () => {
    const { own, other } = pair();
    const [first, second] = [own.encrypt(Buffer.alloc(40, 1)), own.encrypt(Buffer.alloc(40, 2))];
    expect([second, first, first, second].map((datagram) => other.decrypt(datagram)?.[0])).to.deep.equal([
      2,
      1,
      undefined,
      undefined,
    ]);
    const third = own.encrypt(Buffer.alloc(40, 3));
    expect([0, 4, 8, 20].map((at) => other.decrypt(changed(third, at)))).to.deep.equal(Array(4).fill(undefined));
    expect([own.decrypt(third), pair().other.decrypt(third)]).to.deep.equal([undefined, undefined]);
    expect(other.decrypt(third)?.[0]).to.equal(3);
  });
});

describe("a ping", () => {
  const four = { source: "10.8.0.2", destination: "10.8.0.1", id: 7, sequence: 3, size: 29 };
  const six = { source: "fd53::2", destination: "fd53::1", id: 0xffff, sequence: 0, size: 49 };
  const back = <T extends typeof four>(request: T) => ({
    ...request,
    source: request.destination,
    destination: request.source,
  });

  it("is an IPv4 packet that must not be cut, with the sums that RFC 1071 has", () => {
    expect(echoRequest({ ...four, size: 28 }).toString("hex")).to.equal(
      "4500001c00004000400126cf0a0800020a0800010800f7f500070003",
    );
  });

  it("is an IPv6 packet whose sum covers its addresses", () => {
    expect(echoRequest({ ...six, id: 7, size: 48 }).toString("hex")).to.equal(
      "6000000000083a40fd530000000000000000000000000002fd5300000000000000000000000000018000850b00070000",
    );
  });

  it("is known again by its answer, of any size, padded or not", () => {
    fc.assert(
      fc.property(
        fc.nat(0xffff),
        fc.nat(0xffff),
        fc.integer({ min: 48, max: 1500 }),
        fc.nat(16),
        (id, sequence, size, pad) => {
          for (const request of [four, six].map((one) => ({ ...one, id, sequence, size }))) {
            const reply = echoReply(echoRequest(request), 1500) ?? Buffer.alloc(0);
            expect(parseEchoReply(Buffer.concat([reply, Buffer.alloc(pad)]))).to.deep.equal(back(request));
          }
        },
      ),
      // All zeros but for the sum, which is then written as 0xffff.
      { examples: [[0, 0, 48, 0]] },
    );
  });

  it("has no answer in a packet that is damaged, cut, or a request", () => {
    for (const request of [four, six]) {
      const packet = echoRequest(request);
      const reply = echoReply(packet, 1500) ?? Buffer.alloc(0);
      const damaged = [...reply.keys()].filter((at) => parseEchoReply(changed(reply, at)));
      // What no sum of IPv6's covers: its class, its label, its hops.
      expect(damaged).to.deep.equal(request === six ? [0, 1, 2, 3, 7] : []);
      expect([packet, reply.subarray(0, -1), Buffer.alloc(0), Buffer.alloc(100)].map(parseEchoReply)).to.deep.equal(
        Array(4).fill(undefined),
      );
    }
  });

  it("is refused where it cannot be", () => {
    expect(() => echoRequest({ ...four, size: 27 })).to.throw(
      "An IPv4 ping has from 28 to 65535 bytes, and 27 were asked for",
    );
    expect(() => echoRequest({ ...four, destination: "fd53::1" })).to.throw(
      "10.8.0.2 and fd53::1 are not two addresses of one kind",
    );
  });
});

describe("the test's own server", () => {
  it("answers a handshake and pings up to its largest packet, over UDP", async () => {
    const responder = await startResponder({ privateKey: server, peers, maxPacket: 1280 });
    const socket = createSocket("udp4");
    try {
      const ask = async (datagram: Buffer) => {
        const answer = once(socket, "message");
        socket.send(datagram, responder.port, "127.0.0.1");
        return (await answer)[0] as Buffer;
      };
      const initiation = createInitiation(known);
      const session = sessionOf(initiation.consume(await ask(initiation.packet)));
      const ping = { source: "10.8.0.2", destination: "10.8.0.1", id: 1, sequence: 1, size: 1281 };
      socket.send(session.encrypt(echoRequest(ping)), responder.port, "127.0.0.1");
      const answer = await ask(session.encrypt(echoRequest({ ...ping, sequence: 2, size: 1280 })));
      expect(parseEchoReply(session.decrypt(answer) ?? Buffer.alloc(0))).to.deep.equal({
        source: "10.8.0.1",
        destination: "10.8.0.2",
        id: 1,
        sequence: 2,
        size: 1280,
      });
      expect(responder.handshakes).to.equal(1);
    } finally {
      socket.close();
      await responder.close();
    }
  });
});
