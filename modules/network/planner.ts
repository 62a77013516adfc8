import { isIP } from "node:net";
import { parseCidr } from "cidr-tools";
import { stringifyIp } from "ip-bigint";

/** A parsed network: its first and last address as numbers, and its canonical text. */
export interface Range {
  readonly version: 4 | 6;
  readonly prefix: number;
  readonly start: bigint;
  readonly end: bigint;
  /** The network's own text: "10.0.0.0/16" for a given "10.0.3.7/16". */
  readonly network: string;
}

const ADDRESS_BITS: Readonly<Record<number, number>> = { 4: 32, 6: 128 };

/** Reads "address/prefix", or undefined where the text is none. An address without a prefix is none. */
export function parseRange(text: string): Range | undefined {
  const [address = "", prefixText = "", ...rest] = text.split("/");
  const bits = ADDRESS_BITS[isIP(address)];
  // cidr-tools makes some network out of anything that has a slash, so it only gets what is one.
  if (bits === undefined || address.includes("%") || rest.length > 0) return undefined;
  if (!/^(0|[1-9]\d{0,2})$/.test(prefixText) || Number(prefixText) > bits) return undefined;
  const { version, start, end } = parseCidr(text);
  const prefix = Number(prefixText);
  return { version, prefix, start, end, network: `${stringifyIp({ number: start, version })}/${prefix}` };
}

export function rangesOverlap(a: Range, b: Range): boolean {
  return a.version === b.version && a.start <= b.end && b.start <= a.end;
}

export function rangeContains(outer: Range, inner: Range): boolean {
  return outer.version === inner.version && outer.start <= inner.start && inner.end <= outer.end;
}

/** The ranges that belong to nobody on the internet: RFC 1918, carrier-grade NAT (RFC 6598), unique local (RFC 4193). */
const PRIVATE_RANGES = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"].flatMap(
  (text) => parseRange(text) ?? [],
);

export function isPrivate(range: Range): boolean {
  return PRIVATE_RANGES.some((all) => rangeContains(all, range));
}

/** The `index`th address of a network with the network's prefix: ("10.8.0.0/24", 1) is "10.8.0.1/24". */
export function hostAddress(network: string, index: number): string {
  const range = parseRange(network);
  if (!range || BigInt(index) > range.end - range.start) throw new RangeError(`${network} has no address ${index}`);
  return `${stringifyIp({ number: range.start + BigInt(index), version: range.version })}/${range.prefix}`;
}

export interface PlannedSubnet {
  readonly zone: string;
  readonly cidr: string;
  /** Which /64 of the VPC's /56 the subnet takes. */
  readonly ipv6Index: number;
}

/** AWS takes no subnet smaller than this. */
const SMALLEST_SUBNET_PREFIX = 28;
/** A /24 is far more than a site's two servers need, and reads well: 10.0.1.0/24. */
const LARGEST_SUBNET_PREFIX = 24;
/** Eight slots hold the zone numbers of every region. */
const SLOT_BITS = 3;

/** A zone's own number: 4 for "apne1-az4", 3 for "ap-northeast-1c". */
export function zoneNumber(zone: string): number {
  const id = /-az(\d+)$/.exec(zone)?.[1];
  return id ? Number(id) : zone.charCodeAt(zone.length - 1) - "a".charCodeAt(0) + 1;
}

/**
 * One subnet a zone. The slot comes from the zone's own number, not from its place in the list, so that adding,
 * removing or reordering zones never moves another zone's subnet, which Terraform could only replace.
 * Throws a RangeError that names the zones when the VPC has no room for them.
 */
export function planSubnets(vpcCidr: string, zones: readonly string[]): PlannedSubnet[] {
  const vpc = parseRange(vpcCidr);
  if (vpc?.version !== 4) throw new RangeError(`${vpcCidr} is no IPv4 network`);
  const prefix = Math.min(SMALLEST_SUBNET_PREFIX, Math.max(LARGEST_SUBNET_PREFIX, vpc.prefix + SLOT_BITS));
  const slots = 2 ** (prefix - vpc.prefix);
  const taken = new Map<number, string>();
  return zones.map((zone) => {
    const slot = zoneNumber(zone) % slots;
    const other = taken.get(slot);
    if (other !== undefined) {
      throw new RangeError(
        `${vpcCidr} has room for ${slots} subnet${slots === 1 ? "" : "s"} of /${prefix}, and ${other} and ${zone} would share one`,
      );
    }
    taken.set(slot, zone);
    const start = vpc.start + (BigInt(slot) << BigInt(32 - prefix));
    return { zone, cidr: `${stringifyIp({ number: start, version: 4 })}/${prefix}`, ipv6Index: zoneNumber(zone) };
  });
}

/** The first private network of the size of `first`, from it on, that overlaps none of `taken`: what an error message can suggest. */
export function nextFreeRange(first: string, taken: readonly Range[]): string | undefined {
  const size = parseRange(first);
  if (!size) return undefined;
  const step = size.end - size.start + 1n;
  for (let start = size.start, tries = 0; tries < 4096; start += step, tries++) {
    const candidate = { ...size, start, end: start + step - 1n };
    if (!isPrivate(candidate)) return undefined;
    if (!taken.some((range) => rangesOverlap(range, candidate))) {
      return `${stringifyIp({ number: start, version: size.version })}/${size.prefix}`;
    }
  }
  return undefined;
}
