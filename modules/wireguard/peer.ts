import { parseAddress } from "./addresses";
import { isKey } from "./keys";
import { GROUPS, type Group, LONGEST_KEEPALIVE } from "./limits";

export { GROUPS, type Group };

export function isGroup(text: unknown): text is Group {
  return GROUPS.some((group) => group === text);
}

/** One parameter under `peers/`, as the server reads it. What the server does not know is kept for those who do. */
export interface StoredPeer {
  readonly publicKey: string;
  readonly presharedKey?: string;
  /** Single addresses in the tunnel: "10.8.0.2/32", "fd53::2/128". */
  readonly addresses: readonly string[];
  /** @default the site's access.defaultGroup */
  readonly group?: Group;
  /** Seconds. @default 0, none */
  readonly keepalive?: number;
  readonly [other: string]: unknown;
}

export type ParsedPeer =
  | { readonly peer: StoredPeer; readonly reason?: undefined }
  | { readonly peer?: undefined; readonly reason: string };

export const PEER_NAME_RULE =
  "1 to 63 letters, digits, dots, dashes and underscores, of which the first is a letter, a digit or an underscore";

export function isPeerName(text: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._-]{0,62}$/.test(text);
}

/** Reads a stored peer by the server's rules (store.jq), but for those that need the tunnel: see checkPeerAddresses. */
export function parsePeer(text: string): ParsedPeer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Its message would quote the text, which has keys in it.
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { reason: "it is no JSON object" };
  // The server takes null and false for absent.
  const { publicKey, presharedKey, addresses, group, keepalive, ...others } = Object.fromEntries(
    Object.entries(value).filter(
      ([key, given]) => !["presharedKey", "group", "keepalive"].includes(key) || (given !== null && given !== false),
    ),
  );
  if (!isKey(publicKey)) return { reason: "publicKey is no WireGuard key" };
  if (presharedKey !== undefined && presharedKey !== "" && !isKey(presharedKey))
    return { reason: "presharedKey is no WireGuard key" };
  if (!Array.isArray(addresses) || addresses.length === 0)
    return { reason: 'addresses is no list of addresses such as ["10.8.0.2/32"]' };
  const bad = addresses.find((address) => typeof address !== "string" || !parseAddress(address));
  if (bad !== undefined) return { reason: `addresses has ${JSON.stringify(bad).slice(0, 50)}, which is no address` };
  if (group !== undefined && !isGroup(group)) return { reason: `group is none of ${GROUPS.join(", ")}` };
  if (keepalive !== undefined && !isKeepalive(keepalive))
    return { reason: `keepalive is no number of seconds from 0 to ${LONGEST_KEEPALIVE}` };
  return {
    peer: {
      publicKey,
      ...(presharedKey ? { presharedKey } : {}),
      addresses,
      ...(group === undefined ? {} : { group }),
      ...(keepalive === undefined ? {} : { keepalive }),
      ...others,
    },
  };
}

function isKeepalive(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= LONGEST_KEEPALIVE;
}

export function writePeer(peer: StoredPeer): string {
  return JSON.stringify(peer);
}
