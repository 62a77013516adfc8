import type { Site } from "../../modules/config";
import { STORE } from "../../modules/store/names";
import { checkPeerAddresses, clientKeys, isKey, parsePeer, type StoredPeer } from "../../modules/wireguard";
import { hostText } from "../../modules/wireguard/addresses";
import type { StoredParameter } from "../store";

export type Source = typeof STORE.peers | typeof STORE.clientPublicKeys;

/** A peer as it stands in the store, in the server's eyes. */
export interface KnownPeer {
  /** As the server names it in its log. */
  readonly name: string;
  readonly source: Source;
  /** Absent where it cannot be read. */
  readonly peer: StoredPeer | undefined;
  /** Why the server leaves it out. */
  readonly reason: string | undefined;
  /** Nobody else can have these, even where the server leaves this peer out. */
  readonly addresses: readonly string[];
  readonly publicKey: string | undefined;
  readonly parameter: StoredParameter | undefined;
}

const NAME_FROM = STORE.peers.length + 1;

/** Sorts the store's peers out as the server does (store.jq): of two with one key or address, the later is left out. */
export function knownPeers(
  parameters: readonly StoredParameter[],
  clientPublicKeys: string,
  { tunnel }: Pick<Site, "tunnel">,
): KnownPeer[] {
  const own = [...parameters].sort((a, b) => (a.name < b.name ? -1 : 1)).map((parameter) => fromParameter(parameter));
  // An empty place counts, in a key's name as in its address.
  const places = clientPublicKeys.split(",").flatMap((text, index) => (text.trim() === "" ? [] : [index + 1]));
  const listed = clientKeys(clientPublicKeys, tunnel).map(
    ({ publicKey, addresses }, at): KnownPeer => ({
      name: `${STORE.clientPublicKeys}, key ${places[at]}`,
      source: STORE.clientPublicKeys,
      peer: isKey(publicKey) ? { publicKey, addresses } : undefined,
      reason: isKey(publicKey) ? undefined : "publicKey is no WireGuard key",
      addresses,
      publicKey,
      parameter: undefined,
    }),
  );
  const owners = new Map<string, string>();
  return [...own, ...listed].map((known) => {
    const { name, peer } = known;
    if (!peer) return known;
    const unfit = checkPeerAddresses(peer.addresses, tunnel);
    if (unfit) return { ...known, reason: unfit };
    // Without IPv6 in the tunnel, the server leaves a peer's IPv6 address aside.
    const used = peer.addresses.filter((address) => tunnel.ipv6 !== undefined || !address.includes(":"));
    const things = [peer.publicKey, ...used.map((address) => hostText(address) ?? address)];
    const owner = things.flatMap((thing) => owners.get(thing) ?? [])[0];
    if (owner !== undefined) return { ...known, reason: `its key or address is that of ${owner}` };
    for (const thing of things) owners.set(thing, name);
    return known;
  });
}

function fromParameter(parameter: StoredParameter): KnownPeer {
  const { peer, reason } = parsePeer(parameter.value);
  const raw = peer ?? rawObject(parameter.value);
  const addresses: unknown = raw?.addresses;
  return {
    name: parameter.name.slice(NAME_FROM),
    source: STORE.peers,
    peer,
    reason,
    addresses: Array.isArray(addresses) ? addresses.filter((text) => typeof text === "string") : [],
    publicKey: typeof raw?.publicKey === "string" ? raw.publicKey : undefined,
    parameter,
  };
}

/** A parameter's object whatever is in it; undefined where it is none. */
export function rawObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

export function withoutPrefix(address: string): string {
  return address.replace(/\/(32|128)$/, "");
}
