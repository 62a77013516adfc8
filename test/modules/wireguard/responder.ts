import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { clamp, publicBytesOf } from "../../../modules/wireguard/keys";
import {
  agree,
  COOKIE_REPLY,
  firstMac,
  hasMacs,
  header,
  INITIATION,
  isMessage,
  RESPONSE,
  sealCookie,
  TRANSPORT,
  Transcript,
  withMacs,
} from "../../../modules/wireguard/noise";
import { Session } from "../../../modules/wireguard/session";

export interface ResponderPeer {
  readonly publicKey: string;
  readonly presharedKey?: string;
}

export interface ResponderOptions {
  readonly privateKey: string;
  readonly peers: readonly ResponderPeer[];
  /** @default one that is free */
  readonly port?: number;
  /** Echo requests of more bytes are lost. @default none is */
  readonly maxPacket?: number;
  /** Asks for a cookie before it takes an initiation. @default false */
  readonly busy?: boolean;
}

export interface Responder {
  readonly port: number;
  /** How many handshakes it has answered. */
  readonly handshakes: number;
  readonly close: () => Promise<void>;
}

/** WireGuard's other side, on 127.0.0.1: it answers its peers' handshakes and their pings, and nobody else. */
export async function startResponder(options: ResponderOptions): Promise<Responder> {
  const { maxPacket = Number.POSITIVE_INFINITY } = options;
  const answer = handshakeAnswerer(options);
  const sessions = new Map<number, Session>();
  const socket = createSocket("udp4");
  socket.on("message", (datagram, from) => {
    const send = (bytes: Buffer) => socket.send(bytes, from.port, from.address);
    if (isMessage(datagram, INITIATION)) {
      const { packet, session, index } = answer(datagram) ?? {};
      if (session && index !== undefined) sessions.set(index, session);
      if (packet) send(packet);
    } else if (isMessage(datagram, TRANSPORT)) {
      const session = sessions.get(datagram.readUInt32LE(4));
      const reply = echoReply(session?.decrypt(datagram), maxPacket);
      if (session && reply) send(session.encrypt(reply));
    }
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(options.port ?? 0, "127.0.0.1", resolve);
  });
  return {
    port: socket.address().port,
    get handshakes() {
      return sessions.size;
    },
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

interface HandshakeAnswer {
  readonly packet: Buffer;
  readonly session?: Session;
  readonly index?: number;
}

/** Answers initiations, without a socket; undefined where a server says nothing. */
export function handshakeAnswerer({ privateKey, peers, busy = false }: ResponderOptions) {
  const own = Buffer.from(privateKey, "base64");
  const ownPublic = publicBytesOf(own);
  const cookie = randomBytes(16);
  const lastStamp = new Map<string, Buffer>();

  return (initiation: Buffer): HandshakeAnswer | undefined => {
    if (!hasMacs(initiation, ownPublic)) return undefined;
    const theirIndex = initiation.readUInt32LE(4);
    if (busy && !hasMacs(initiation, ownPublic, cookie)) {
      const nonce = randomBytes(24);
      const sealed = sealCookie(ownPublic, nonce, firstMac(initiation), cookie);
      return { packet: Buffer.concat([header(COOKIE_REPLY.type, theirIndex), nonce, sealed]) };
    }

    const transcript = new Transcript(ownPublic);
    const theirEphemeral = initiation.subarray(8, 40);
    const secret = agree(own, theirEphemeral);
    if (!secret) return undefined;
    transcript.absorb(theirEphemeral);
    transcript.mix(theirEphemeral);
    const theirs = transcript.openField(transcript.mixForKey(secret), initiation.subarray(40, 88));
    const peer = peers.find(({ publicKey }) => publicKey === theirs?.toString("base64"));
    const shared = theirs && agree(own, theirs);
    if (!peer || !shared) return undefined;
    const stamp = transcript.openField(transcript.mixForKey(shared), initiation.subarray(88, 116));
    const last = lastStamp.get(peer.publicKey);
    if (!stamp || (last && Buffer.compare(stamp, last) <= 0)) return undefined;
    lastStamp.set(peer.publicKey, stamp);

    const ephemeral = clamp(randomBytes(32));
    const ephemeralPublic = publicBytesOf(ephemeral);
    const index = randomBytes(4).readUInt32LE(0);
    transcript.absorb(ephemeralPublic);
    transcript.mix(ephemeralPublic);
    for (const key of [theirEphemeral, theirs]) transcript.mix(agree(ephemeral, key) ?? Buffer.alloc(32));
    const preshared = peer.presharedKey ? Buffer.from(peer.presharedKey, "base64") : Buffer.alloc(32);
    const empty = transcript.sealField(transcript.mixPresharedKey(preshared), Buffer.alloc(0));
    const indexes = Buffer.concat([header(RESPONSE.type, index), initiation.subarray(4, 8)]);
    const [receive, send] = transcript.split();
    return {
      packet: withMacs(Buffer.concat([indexes, ephemeralPublic, empty]), theirs),
      session: new Session({ ownIndex: index, otherIndex: theirIndex, send, receive }),
      index,
    };
  };
}

/** The answer to a ping: its addresses swapped, and its sum changed by what its type has changed. */
export function echoReply(packet: Buffer | undefined, maxPacket: number): Buffer | undefined {
  if (!packet || packet.length === 0) return undefined;
  const six = packet.readUInt8(0) >> 4 === 6;
  const [start, bytes, icmp, request, reply] = six ? [8, 16, 40, 128, 129] : [12, 4, 20, 8, 0];
  const size = six ? 40 + packet.readUInt16BE(4) : packet.readUInt16BE(2);
  if (size > maxPacket || packet.readUInt8(icmp) !== request) return undefined;
  const answer = Buffer.from(packet);
  packet.copy(answer, start, start + bytes, start + 2 * bytes);
  packet.copy(answer, start + bytes, start, start + bytes);
  answer.writeUInt8(reply, icmp);
  answer.writeUInt16BE(0, icmp + 2);
  // ICMPv6's sum has the addresses, the length and the protocol in it.
  let sum = wordsOf(answer.subarray(icmp, size)) + (six ? wordsOf(answer.subarray(8, icmp)) + size - icmp + 58 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  answer.writeUInt16BE(~sum & 0xffff, icmp + 2);
  return answer;
}

function wordsOf(bytes: Buffer): number {
  return bytes.reduce((sum, byte, at) => sum + (at % 2 === 0 ? byte << 8 : byte), 0);
}
