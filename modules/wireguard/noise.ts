import { createPublicKey, diffieHellman } from "node:crypto";
import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { blake2s } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";
import { privateKeyObject } from "./keys";

/** What stands before the 32 bytes of an X25519 public key in DER (RFC 8410). */
const PUBLIC_DER = Buffer.from("302a300506032b656e032100", "hex");
const MAC_BYTES = 16;

/** The messages of the protocol (WireGuard's paper, section 5.4): their types and whole lengths. */
export const INITIATION = { type: 1, bytes: 148 } as const;
export const RESPONSE = { type: 2, bytes: 92 } as const;
export const COOKIE_REPLY = { type: 3, bytes: 64 } as const;
/** Its length is that of an empty one. */
export const TRANSPORT = { type: 4, bytes: 32 } as const;

export const TAG_BYTES = 16;

const LABEL_MAC1 = Buffer.from("mac1----");
const LABEL_COOKIE = Buffer.from("cookie--");
const CONSTRUCTION = Buffer.from("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s");
const IDENTIFIER = Buffer.from("WireGuard v1 zx2c4 Jason@zx2c4.com");

export function hash(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.from(blake2s(Buffer.concat(parts)));
}

/** The shared secret, or undefined for a public key that allows none (RFC 7748, section 6.1). */
export function agree(privateKey: Uint8Array, publicKey: Uint8Array): Buffer | undefined {
  try {
    return diffieHellman({
      privateKey: privateKeyObject(privateKey),
      publicKey: createPublicKey({ key: Buffer.concat([PUBLIC_DER, publicKey]), format: "der", type: "spki" }),
    });
  } catch {
    return undefined;
  }
}

/** HKDF's first `count` outputs with HMAC-BLAKE2s. */
function derive(count: number, chainingKey: Uint8Array, input: Uint8Array): Buffer[] {
  const secret = hmac(blake2s, chainingKey, input);
  const outputs: Buffer[] = [];
  for (let number = 1; number <= count; number++) {
    const before = outputs.at(-1) ?? Buffer.alloc(0);
    outputs.push(Buffer.from(hmac(blake2s, secret, Buffer.concat([before, Buffer.of(number)]))));
  }
  return outputs;
}

function counterNonce(counter: bigint): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64LE(counter, 4);
  return nonce;
}

export function seal(key: Uint8Array, counter: bigint, plain: Uint8Array, data?: Uint8Array): Buffer {
  return Buffer.from(chacha20poly1305(key, counterNonce(counter), data).encrypt(plain));
}

/** Undefined where it was not sealed with this key. */
export function open(key: Uint8Array, counter: bigint, sealed: Uint8Array, data?: Uint8Array): Buffer | undefined {
  try {
    return Buffer.from(chacha20poly1305(key, counterNonce(counter), data).decrypt(sealed));
  } catch {
    return undefined;
  }
}

/** What both sides know of a handshake so far: the chaining key and the transcript's hash. */
export class Transcript {
  private chain = hash(CONSTRUCTION);
  private hash: Buffer;

  constructor(responderPublicKey: Uint8Array) {
    this.hash = hash(hash(this.chain, IDENTIFIER), responderPublicKey);
  }

  /** To go on with, while this one stays as it is. */
  copy(): Transcript {
    const copy = new Transcript(this.hash);
    copy.chain = this.chain;
    copy.hash = this.hash;
    return copy;
  }

  absorb(part: Uint8Array): void {
    this.hash = hash(this.hash, part);
  }

  mix(secret: Uint8Array): void {
    this.chain = this.next(1, secret)[0];
  }

  /** Mixes a secret and gives the key for the next field. */
  mixForKey(secret: Uint8Array): Buffer {
    const [chain, key] = this.next(2, secret);
    this.chain = chain;
    return key;
  }

  mixPresharedKey(presharedKey: Uint8Array): Buffer {
    const [chain, passed, key] = this.next(3, presharedKey);
    this.chain = chain;
    this.absorb(passed);
    return key;
  }

  sealField(key: Uint8Array, plain: Uint8Array): Buffer {
    const sealed = seal(key, 0n, plain, this.hash);
    this.absorb(sealed);
    return sealed;
  }

  openField(key: Uint8Array, sealed: Uint8Array): Buffer | undefined {
    const plain = open(key, 0n, sealed, this.hash);
    this.absorb(sealed);
    return plain;
  }

  /** The two keys of the session: the initiator's for sending, then the responder's. */
  split(): readonly [initiator: Buffer, responder: Buffer] {
    return this.next(2, Buffer.alloc(0));
  }

  private next(count: 1, input: Uint8Array): [Buffer];
  private next(count: 2, input: Uint8Array): [Buffer, Buffer];
  private next(count: 3, input: Uint8Array): [Buffer, Buffer, Buffer];
  private next(count: number, input: Uint8Array): Buffer[] {
    return derive(count, this.chain, input);
  }
}

function mac(key: Uint8Array, message: Uint8Array): Buffer {
  return Buffer.from(blake2s(message, { key, dkLen: MAC_BYTES }));
}

/** Ends a handshake message with its two MACs; the second is zeros without a cookie. */
export function withMacs(message: Uint8Array, receiverPublicKey: Uint8Array, cookie?: Uint8Array): Buffer {
  const first = Buffer.concat([message, mac(hash(LABEL_MAC1, receiverPublicKey), message)]);
  return Buffer.concat([first, cookie ? mac(cookie, first) : Buffer.alloc(MAC_BYTES)]);
}

export function firstMac(message: Uint8Array): Uint8Array {
  return message.subarray(-2 * MAC_BYTES, -MAC_BYTES);
}

export function hasMacs(message: Buffer, receiverPublicKey: Uint8Array, cookie?: Uint8Array): boolean {
  const right = withMacs(message.subarray(0, -2 * MAC_BYTES), receiverPublicKey, cookie);
  return cookie ? right.equals(message) : firstMac(right).every((byte, at) => byte === firstMac(message)[at]);
}

/** A cookie is sealed with its giver's public key, for the one who sent a message with this first MAC. */
function cookieCipher(giverPublicKey: Uint8Array, nonce: Uint8Array, firstMac: Uint8Array) {
  return xchacha20poly1305(hash(LABEL_COOKIE, giverPublicKey), nonce, firstMac);
}

export function sealCookie(giver: Uint8Array, nonce: Uint8Array, firstMac: Uint8Array, cookie: Uint8Array): Buffer {
  return Buffer.from(cookieCipher(giver, nonce, firstMac).encrypt(cookie));
}

export function openCookie(
  giver: Uint8Array,
  nonce: Uint8Array,
  firstMac: Uint8Array,
  sealed: Uint8Array,
): Buffer | undefined {
  try {
    return Buffer.from(cookieCipher(giver, nonce, firstMac).decrypt(sealed));
  } catch {
    return undefined;
  }
}

/** A message's beginning: its type, three zeros and a number of 4 bytes. */
export function header(type: number, number: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(number, 4);
  return bytes;
}

export function isMessage(packet: Buffer, { type, bytes }: { readonly type: number; readonly bytes: number }): boolean {
  const long = type === TRANSPORT.type ? packet.length >= bytes : packet.length === bytes;
  return long && packet.readUInt32LE(0) === type;
}
