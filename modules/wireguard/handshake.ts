import { randomBytes } from "node:crypto";
import { clamp, KEY_BYTES, keyBytes, publicBytesOf } from "./keys";
import {
  agree,
  COOKIE_REPLY,
  firstMac,
  hasMacs,
  header,
  INITIATION,
  isMessage,
  openCookie,
  RESPONSE,
  TAG_BYTES,
  Transcript,
  withMacs,
} from "./noise";
import { Session } from "./session";

export { type EchoReply, type EchoRequest, echoRequest, parseEchoReply } from "./echo";
export { Session } from "./session";

export interface InitiationOptions {
  /** Of a peer that the server knows. */
  readonly privateKey: string;
  readonly serverPublicKey: string;
  readonly presharedKey?: string | undefined;
  /** Milliseconds. A server ignores a peer's initiation that is not later than its last. @default Date.now */
  readonly now?: (() => number) | undefined;
  /** @default randomBytes of node:crypto */
  readonly random?: ((size: number) => Uint8Array) | undefined;
}

/** What a datagram from the server means. */
export type Answer =
  | { readonly kind: "session"; readonly session: Session }
  /** The server is busy and wants the initiation again, with its cookie. */
  | { readonly kind: "again"; readonly initiation: Initiation }
  | { readonly kind: "refused"; readonly reason: string };

export interface Initiation {
  /** To be sent. */
  readonly packet: Buffer;
  /** Takes the server's answer. It may be asked again: what is refused changes nothing. */
  readonly consume: (datagram: Uint8Array) => Answer;
}

/** TAI64N (https://cr.yp.to/libtai/tai64.html), with the ten seconds that WireGuard takes for TAI's lead. */
const TAI64_EPOCH = 0x400000000000000an;

function tai64n(milliseconds: number): Buffer {
  const stamp = Buffer.alloc(12);
  stamp.writeBigUInt64BE(TAI64_EPOCH + BigInt(Math.floor(milliseconds / 1000)), 0);
  stamp.writeUInt32BE(Math.floor(milliseconds % 1000) * 1_000_000, 8);
  return stamp;
}

/**
 * WireGuard's handshake from the initiator's side (https://www.wireguard.com/papers/wireguard.pdf, section 5.4), without a socket.
 * Throws a KeyError for what is no key.
 */
export function createInitiation(options: InitiationOptions): Initiation {
  return initiation(options, 0);
}

function initiation(options: InitiationOptions, notBefore: number, cookie?: Uint8Array): Initiation {
  const { now = Date.now, random = randomBytes } = options;
  const own = keyBytes(options.privateKey, "The private key");
  const server = keyBytes(options.serverPublicKey, "The server's public key");
  const preshared =
    options.presharedKey === undefined ? Buffer.alloc(KEY_BYTES) : keyBytes(options.presharedKey, "The preshared key");
  const ephemeral = clamp(random(KEY_BYTES));
  const index = Buffer.from(random(4)).readUInt32LE(0);
  const time = Math.max(now(), notBefore);

  const transcript = new Transcript(server);
  const ephemeralPublic = publicBytesOf(ephemeral);
  transcript.absorb(ephemeralPublic);
  transcript.mix(ephemeralPublic);
  const staticKey = transcript.mixForKey(agreeWithServer(ephemeral, server));
  const sealedStatic = transcript.sealField(staticKey, publicBytesOf(own));
  const stampKey = transcript.mixForKey(agreeWithServer(own, server));
  const sealedStamp = transcript.sealField(stampKey, tai64n(time));
  const packet = withMacs(
    Buffer.concat([header(INITIATION.type, index), ephemeralPublic, sealedStatic, sealedStamp]),
    server,
    cookie,
  );

  const readResponse = (bytes: Buffer): Answer => {
    if (!hasMacs(bytes, publicBytesOf(own))) return refused("the response is not meant for this key");
    const answer = transcript.copy();
    const theirs = bytes.subarray(12, 12 + KEY_BYTES);
    const first = agree(ephemeral, theirs);
    const second = agree(own, theirs);
    if (!first || !second) return refused("the response has a key that nobody can use");
    answer.absorb(theirs);
    answer.mix(theirs);
    answer.mix(first);
    answer.mix(second);
    const key = answer.mixPresharedKey(preshared);
    if (!answer.openField(key, bytes.subarray(12 + KEY_BYTES, 12 + KEY_BYTES + TAG_BYTES)))
      return refused("the response is not of this server, or it has another preshared key");
    const [send, receive] = answer.split();
    return {
      kind: "session",
      session: new Session({ ownIndex: index, otherIndex: bytes.readUInt32LE(4), send, receive }),
    };
  };

  const readCookie = (bytes: Buffer): Answer => {
    const given = openCookie(server, bytes.subarray(8, 32), firstMac(packet), bytes.subarray(32));
    if (!given) return refused("the cookie is not of this server");
    // A server takes no second initiation of the same time.
    return { kind: "again", initiation: initiation(options, time + 1, given) };
  };

  return {
    packet,
    consume: (datagram) => {
      const bytes = Buffer.from(datagram);
      const response = isMessage(bytes, RESPONSE);
      if (!response && !isMessage(bytes, COOKIE_REPLY)) return refused("it is no answer of WireGuard's to a handshake");
      if (bytes.readUInt32LE(response ? 8 : 4) !== index) return refused("it answers another handshake");
      return response ? readResponse(bytes) : readCookie(bytes);
    },
  };
}

function refused(reason: string): Answer {
  return { kind: "refused", reason };
}

function agreeWithServer(privateKey: Uint8Array, server: Uint8Array): Buffer {
  const secret = agree(privateKey, server);
  if (!secret)
    throw new RangeError("The server's public key is one that nobody can use. Take the one that the server has.");
  return secret;
}
