import { createPrivateKey, createPublicKey, randomBytes } from "node:crypto";

export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

export interface PeerOptions {
  readonly name: string;
  /** @default - as the site's default */
  readonly group?: "full" | "internet" | "isolated";
  /** @default true */
  readonly presharedKey?: boolean;
  /** Seconds. @default - none */
  readonly keepalive?: number;
  /** @default - the next that is free */
  readonly addresses?: readonly string[];
}

/** A device: what the store says of it, and its private key. */
export interface Peer extends KeyPair {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly presharedKey: string | undefined;
  readonly group: PeerOptions["group"];
  readonly keepalive: number | undefined;
}

/** A key pair, as `wg genkey` and `wg pubkey` make it. */
export function keyPair(): KeyPair {
  // Not generateKeyPairSync: exporting what it made deadlocks now and then, when garbage is collected meanwhile (Node.js 20).
  const key = randomBytes(32);
  key[0] = (key[0] ?? 0) & 248;
  key[31] = ((key[31] ?? 0) & 127) | 64;
  const privateKey = key.toString("base64");
  return { privateKey, publicKey: publicKeyOf(privateKey) };
}

export function publicKeyOf(privateKey: string): string {
  // RFC 8410's fixed beginning of an X25519 key.
  const der = Buffer.concat([
    Buffer.from("302e020100300506032b656e04220420", "hex"),
    Buffer.from(privateKey, "base64"),
  ]);
  return raw(createPublicKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" })).export({ format: "jwk" }).x);
}

const raw = (part: string | undefined): string => Buffer.from(part ?? "", "base64url").toString("base64");

export function makePeer(options: PeerOptions, addresses: readonly string[]): Peer {
  return {
    name: options.name,
    ...keyPair(),
    addresses: options.addresses ?? addresses,
    presharedKey: options.presharedKey === false ? undefined : randomBytes(32).toString("base64"),
    group: options.group,
    keepalive: options.keepalive,
  };
}

/** What the store holds of it. */
export function storedPeer({ publicKey, presharedKey, addresses, group, keepalive }: Peer): object {
  return { publicKey, presharedKey, addresses, group, keepalive };
}
