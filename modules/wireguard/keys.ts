import { createPrivateKey, createPublicKey, randomBytes } from "node:crypto";

export const KEY_BYTES = 32;
/** 32 bytes in base64 leave two bits of the last character unused, which are zero in a key's only spelling. */
const KEY = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

/** What stands before the 32 bytes of an X25519 key in DER (RFC 8410). */
const PRIVATE_DER = Buffer.from("302e020100300506032b656e04220420", "hex");

/** A text that should be a key and is none. The message never repeats it. */
export class KeyError extends Error {
  override readonly name = "KeyError";

  constructor(what: string, given: string) {
    const bytes = /^[A-Za-z0-9+/_-]+={0,2}$/.test(given) ? Buffer.from(given, "base64").length : undefined;
    const found =
      bytes === undefined
        ? `${given.length} characters`
        : bytes === KEY_BYTES
          ? `${KEY_BYTES} bytes but not written as wg writes it`
          : `${bytes} bytes`;
    super(
      `${what} is no WireGuard key: it has ${found}, and a key is ${KEY_BYTES} bytes in base64, 44 characters with "=" at the end. Copy the whole of what "wg genkey" or "wg pubkey" prints.`,
    );
  }
}

export function isKey(text: unknown): text is string {
  // Without the multiline flag, $ is the end of the text and not of its last line.
  return typeof text === "string" && KEY.test(text);
}

/** A key's 32 bytes. Throws a KeyError that calls it `what`. */
export function keyBytes(key: string, what: string): Buffer {
  if (!isKey(key)) throw new KeyError(what, key);
  return Buffer.from(key, "base64");
}

/** With the bits set that make any 32 bytes a private key of X25519 (RFC 7748, section 5), as `wg genkey` does. */
export function clamp(bytes: Uint8Array): Buffer {
  const clamped = Buffer.from(bytes);
  clamped.writeUInt8(clamped.readUInt8(0) & 0xf8, 0);
  clamped.writeUInt8((clamped.readUInt8(31) & 0x7f) | 0x40, 31);
  return clamped;
}

export function privateKeyObject(bytes: Uint8Array) {
  return createPrivateKey({ key: Buffer.concat([PRIVATE_DER, bytes]), format: "der", type: "pkcs8" });
}

export function generatePrivateKey(): string {
  return clamp(randomBytes(KEY_BYTES)).toString("base64");
}

export function publicKeyOf(privateKey: string): string {
  return publicBytesOf(keyBytes(privateKey, "The private key")).toString("base64");
}

export function publicBytesOf(privateKey: Uint8Array): Buffer {
  return createPublicKey(privateKeyObject(privateKey)).export({ format: "der", type: "spki" }).subarray(-KEY_BYTES);
}

export function generatePresharedKey(): string {
  return randomBytes(KEY_BYTES).toString("base64");
}
