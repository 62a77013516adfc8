import {
  ConfigTextError,
  checkPeerAddresses,
  clientKeys,
  isKey,
  parseConfig,
  parsePeer,
  type Tunnel,
} from "../../../../modules/wireguard";
import { networkText } from "../../../../modules/wireguard/addresses";
import type { Settings } from "./user-data";

/** What wg0 is to be. Holds keys: nothing of it but names and numbers gets into a log. */
export interface Config {
  readonly source: string;
  readonly key: string;
  readonly peers: readonly Peer[];
  readonly skipped: readonly Skipped[];
}

export interface Peer {
  readonly name: string;
  readonly publicKey: string;
  /** All that is known of it: another text is another configuration. */
  readonly text: string;
}

export interface Skipped {
  readonly name: string;
  readonly reason: string;
}

export type Made =
  | { readonly config: Config }
  | { readonly missing: string }
  /** Why nothing can be made of it. */
  | { readonly refused: string };

interface Candidate {
  readonly name: string;
  readonly publicKey: string;
  readonly addresses: readonly string[];
  readonly text: string;
}

/** By the rules of store.jq, with the operator's command's own reading of the parameters. Names are below the store prefix. */
export function makeConfig(parameters: ReadonlyMap<string, string>, settings: Settings): Made {
  const value = (name: string): string => parameters.get(name)?.trim() ?? "";
  const byHand = value("wireguard-config");
  if (byHand !== "") return fromFile(byHand);
  const key = value("wireguard-private-key");
  if (key === "") return { missing: "wireguard-private-key" };
  if (!isKey(key)) return { refused: "wireguard-private-key is no WireGuard key" };
  const tunnel = tunnelOf(settings);
  const stored = [...parameters]
    .filter(([name]) => name.startsWith("peers/"))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => fromStored(name.slice("peers/".length), text, tunnel));
  const listed = value("client-public-keys");
  const places = listed.split(",").map((place) => place.trim());
  const original = (listed === "" ? [] : clientKeys(listed, tunnel)).map(({ publicKey, addresses }) => {
    const name = `client-public-keys, key ${places.indexOf(publicKey) + 1}`;
    if (!isKey(publicKey)) return { name, reason: "publicKey is no WireGuard key" };
    const reason = checkPeerAddresses(addresses, tunnel);
    return reason ? { name, reason } : { name, publicKey, addresses, text: addresses.join() };
  });
  return { config: { source: "peers", key, ...withoutClashes([...stored, ...original]) } };
}

function fromFile(text: string): Made {
  try {
    const { interface: own, peers } = parseConfig(text);
    if (own.privateKey === undefined) {
      return { refused: "wireguard-config has no PrivateKey that is a WireGuard key" };
    }
    if (own.addresses.length === 0) return { refused: "wireguard-config has no Address" };
    const candidates = peers.map((peer, index) => ({
      name: `wireguard-config, peer ${index + 1}`,
      publicKey: peer.publicKey,
      addresses: peer.allowedIps,
      text: JSON.stringify(peer),
    }));
    return { config: { source: "wireguard-config", key: own.privateKey, ...withoutClashes(candidates) } };
  } catch (error) {
    if (!(error instanceof ConfigTextError)) throw error;
    return { refused: `wireguard-config cannot be read: ${error.message}` };
  }
}

function fromStored(name: string, text: string, tunnel: Tunnel): Candidate | Skipped {
  const { peer, reason } = parsePeer(text);
  if (!peer) return { name, reason };
  const { publicKey, addresses } = peer;
  const bad = checkPeerAddresses(addresses, tunnel);
  return bad ? { name, reason: bad } : { name, publicKey, addresses, text };
}

/** Of two with one key or address, the later is left out. */
function withoutClashes(candidates: readonly (Candidate | Skipped)[]): Pick<Config, "peers" | "skipped"> {
  const owners = new Map<string, string>();
  const peers: Peer[] = [];
  const skipped: Skipped[] = [];
  for (const candidate of candidates) {
    if ("reason" in candidate) {
      skipped.push(candidate);
      continue;
    }
    const { name, publicKey, addresses, text } = candidate;
    const things = [publicKey, ...addresses.map((address) => networkText(address) ?? address)];
    const owner = things.map((thing) => owners.get(thing)).find((known) => known !== undefined);
    if (owner !== undefined) {
      skipped.push({ name, reason: `its key or address is that of ${owner}` });
      continue;
    }
    for (const thing of things) owners.set(thing, name);
    peers.push({ name, publicKey, text });
  }
  return { peers, skipped };
}

function tunnelOf({ tunnelIpv4, tunnelIpv6 }: Settings): Tunnel {
  return { ipv4: networkText(tunnelIpv4) ?? tunnelIpv4, ipv6: networkText(tunnelIpv6) };
}
