import { stringifyIp } from "ip-bigint";
import { parseRange, type Range, rangeContains } from "../network/planner";

/** The devices' networks: "10.8.0.0/24", "fd53:7469:6e67::/64". The server has the first address of each. */
export interface Tunnel {
  readonly ipv4: string;
  readonly ipv6?: string | undefined;
}

const SIZE = { 4: 32, 6: 128 } as const;
const SERVER_INDEX = 1n;
const FIRST_PEER_INDEX = 2n;
/** The widest tunnel that the configuration allows. */
const WIDEST_IPV4_PREFIX = 16;

/**
 * Reads an address as the server does: the prefix may be missing, spaces and capitals do not matter.
 * IPv4 inside of IPv6 (::ffff:10.8.0.2) is none, as the server takes none.
 */
export function parseAddress(text: string): (Range & { readonly address: bigint }) | undefined {
  const found = /^([0-9a-f:]+|[0-9.]+)(?:\/([0-9]{1,3}))?$/.exec(text.trim().toLowerCase());
  if (!found?.[1]) return undefined;
  const size = SIZE[found[1].includes(":") ? 6 : 4];
  const address = parseRange(`${found[1]}/${size}`);
  const range = parseRange(`${found[1]}/${Number(found[2] ?? size)}`);
  return address && range && { ...range, address: address.start };
}

/** "10.8.0.2" and " 10.8.0.2/24" are "10.8.0.2/32"; undefined where the text is no address. */
export function hostText(text: string): string | undefined {
  const found = parseAddress(text);
  return found && single(found.version, found.address);
}

/** "10.8.0.5/24" is "10.8.0.0/24"; undefined where the text is no address. */
export function networkText(text: string): string | undefined {
  return parseAddress(text)?.network;
}

function single(version: 4 | 6, number: bigint): string {
  return `${stringifyIp({ number, version })}/${SIZE[version]}`;
}

interface Networks {
  readonly ipv4: Range;
  readonly ipv6: Range | undefined;
}

function networks({ ipv4, ipv6 }: Tunnel): Networks {
  const found = { ipv4: parseRange(ipv4), ipv6: ipv6 === undefined ? undefined : parseRange(ipv6) };
  if (found.ipv4?.version !== 4) throw new RangeError(`tunnel.ipv4 is ${ipv4}, which is no IPv4 network`);
  if (ipv6 !== undefined && found.ipv6?.version !== 6)
    throw new RangeError(`tunnel.ipv6 is ${ipv6}, which is no IPv6 network`);
  return { ipv4: found.ipv4, ipv6: found.ipv6 };
}

/** The server's own address, and the two of an IPv4 network that are nobody's. */
function reservedFor({ version, start, end, prefix }: Range, address: bigint): string | undefined {
  if (address === start + SERVER_INDEX) return "the server's own address";
  if (version === 6 || prefix > 30) return undefined;
  if (address === start) return "the network's own address";
  return address === end ? "the network's broadcast address" : undefined;
}

/** Why a peer cannot have this address, by the rules of the server (store.jq); undefined where it can. */
export function checkPeerAddress(text: string, tunnel: Tunnel): string | undefined {
  const { ipv4, ipv6 } = networks(tunnel);
  const given = parseAddress(text);
  if (!given) return `${text.slice(0, 50)} is no address`;
  const network = given.version === 4 ? ipv4 : ipv6;
  // Without IPv6 in the tunnel, the server leaves a peer's IPv6 address aside.
  if (!network) return undefined;
  if (given.prefix !== SIZE[given.version])
    return `${text} is a network, and a peer has single addresses: ${single(given.version, given.address)}`;
  if (!rangeContains(network, given)) return `${text} is outside of the tunnel's ${network.network}`;
  const owner = reservedFor(network, given.address);
  return owner && `${text} is ${owner}`;
}

/** Why the server would not take a peer with these addresses; undefined where it would. */
export function checkPeerAddresses(addresses: readonly string[], tunnel: Tunnel): string | undefined {
  for (const address of addresses) {
    const reason = checkPeerAddress(address, tunnel);
    if (reason) return reason;
  }
  const used = addresses.some((text) => tunnel.ipv6 !== undefined || parseAddress(text)?.version === 4);
  return used ? undefined : "it has no address in the tunnel";
}

export interface ClientKey {
  readonly publicKey: string;
  /** Those inside the tunnel. */
  readonly addresses: readonly string[];
}

/** The devices of the parameter client-public-keys: key n has the n-th address after the server's. An empty place counts. */
export function clientKeys(text: string, tunnel: Tunnel): ClientKey[] {
  const { ipv4, ipv6 } = networks(tunnel);
  return text.split(",").flatMap((given, index) => {
    const publicKey = given.trim();
    if (publicKey === "") return [];
    const addresses = [ipv4, ...(ipv6 ? [ipv6] : [])]
      .map(({ version, start }) => single(version, start + FIRST_PEER_INDEX + BigInt(index)))
      .filter((address) => checkPeerAddress(address, tunnel) === undefined);
    return [{ publicKey, addresses }];
  });
}

export class TunnelFullError extends Error {
  override readonly name = "TunnelFullError";
}

/** How many peers a tunnel has room for: 253 in a /24. */
export function capacity(tunnel: Tunnel): bigint {
  const { start, end } = networks(tunnel).ipv4;
  return end - start - FIRST_PEER_INDEX;
}

/**
 * The next free addresses for a peer: ["10.8.0.2/32", "fd53::2/128"]. `taken` are all peers' addresses and networks.
 * IPv6 takes the number that IPv4 has; where that is taken, one beyond all that IPv4 has, so that the next pairs still match.
 * Throws a TunnelFullError where none is left.
 */
export function nextAddresses(tunnel: Tunnel, taken: readonly string[]): string[] {
  const { ipv4, ipv6 } = networks(tunnel);
  const ranges = taken.flatMap((text) => parseAddress(text) ?? []);
  const hosts = { 4: new Set<bigint>(), 6: new Set<bigint>() };
  for (const { version, prefix, address } of ranges) if (prefix === SIZE[version]) hosts[version].add(address);
  const wide = ranges.filter(({ version, prefix }) => prefix < SIZE[version]);
  const free = (network: Range, index: bigint) => {
    const address = network.start + index;
    return (
      address <= network.end &&
      reservedFor(network, address) === undefined &&
      !hosts[network.version].has(address) &&
      !wide.some(({ version, start, end }) => version === network.version && start <= address && address <= end)
    );
  };
  const firstFree = (network: Range, from: bigint, to: bigint) => {
    for (let index = from; index < to; index++) if (free(network, index)) return index;
    return undefined;
  };

  const pool = ipv4.end - ipv4.start;
  const index = firstFree(ipv4, FIRST_PEER_INDEX, pool);
  if (index === undefined) throw new TunnelFullError(fullText(ipv4, capacity(tunnel)));
  const pair = [single(4, ipv4.start + index)];
  if (ipv6) {
    // Among one more address than are taken, one is free, unless a wide network has them all.
    const beyond = pool + BigInt(hosts[6].size) + 1n;
    const six = free(ipv6, index) ? index : (firstFree(ipv6, pool, beyond) ?? firstFree(ipv6, FIRST_PEER_INDEX, pool));
    if (six === undefined)
      throw new TunnelFullError(
        `The tunnel's IPv6 network ${ipv6.network} has no free address left. Remove peers that are no longer used, or choose a larger tunnel.ipv6.`,
      );
    pair.push(single(6, ipv6.start + six));
  }
  return pair;
}

function fullText({ network, prefix }: Range, room: bigint): string {
  const larger =
    prefix > WIDEST_IPV4_PREFIX ? parseRange(network.replace(/\d+$/, String(prefix - 1)))?.network : undefined;
  return [
    `The tunnel ${network} is full: all its ${room} addresses for peers are taken.`,
    `Remove peers that are no longer used${larger ? `, or choose a larger tunnel.ipv4 around it, such as ${larger}` : ""}.`,
    "A larger tunnel.ipv6 alone does not help, as every peer has an IPv4 address.",
  ].join(" ");
}
