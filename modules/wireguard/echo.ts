import { isIP } from "node:net";
import { parseIp, stringifyIp } from "ip-bigint";

/** One family's numbers: the header's length, ICMP's protocol number, and the types of an echo's two messages. */
const FAMILIES = {
  4: { header: 20, protocol: 1, request: 8, reply: 0, bits: 32 },
  6: { header: 40, protocol: 58, request: 128, reply: 129, bits: 128 },
} as const;
const ECHO_HEADER_BYTES = 8;
const LARGEST_PACKET = 65535;
const HOPS = 64;

export interface EchoRequest {
  readonly source: string;
  readonly destination: string;
  readonly id: number;
  readonly sequence: number;
  /** Of the whole IP packet, as an MTU counts it. */
  readonly size: number;
}

export interface EchoReply extends EchoRequest {}

/** The internet's checksum (RFC 1071). */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function addressBytes(address: string): Buffer {
  const { number, version } = parseIp(address);
  return Buffer.from(number.toString(16).padStart(FAMILIES[version].bits / 4, "0"), "hex");
}

function addressText(bytes: Buffer, version: 4 | 6): string {
  return stringifyIp({ number: BigInt(`0x${bytes.toString("hex")}`), version });
}

/** ICMPv6's checksum covers the addresses too (RFC 4443, section 2.3). */
function icmpChecksum(version: 4 | 6, addresses: Uint8Array, message: Uint8Array): number {
  if (version === 4) return checksum(message);
  const rest = Buffer.alloc(8);
  rest.writeUInt32BE(message.length, 0);
  rest.writeUInt8(FAMILIES[6].protocol, 7);
  return checksum(Buffer.concat([addresses, rest, message]));
}

/** A ping as an IP packet that nobody on the way may cut into pieces. */
export function echoRequest({ source, destination, id, sequence, size }: EchoRequest): Buffer {
  const version = isIP(source);
  if ((version !== 4 && version !== 6) || isIP(destination) !== version)
    throw new RangeError(`${source} and ${destination} are not two addresses of one kind`);
  const { header, protocol, request, bits } = FAMILIES[version];
  const least = header + ECHO_HEADER_BYTES;
  if (!Number.isInteger(size) || size < least || size > LARGEST_PACKET)
    throw new RangeError(
      `An IPv${version} ping has from ${least} to ${LARGEST_PACKET} bytes, and ${size} were asked for`,
    );

  const packet = Buffer.alloc(size);
  const addresses = Buffer.concat([addressBytes(source), addressBytes(destination)]);
  packet.set(addresses, header - (2 * bits) / 8);
  if (version === 4) {
    packet.writeUInt8(0x45, 0);
    packet.writeUInt16BE(size, 2);
    packet.writeUInt16BE(0x4000, 6);
    packet.writeUInt8(HOPS, 8);
    packet.writeUInt8(protocol, 9);
    packet.writeUInt16BE(checksum(packet.subarray(0, header)), 10);
  } else {
    packet.writeUInt8(0x60, 0);
    packet.writeUInt16BE(size - header, 4);
    packet.writeUInt8(protocol, 6);
    packet.writeUInt8(HOPS, 7);
  }
  const message = packet.subarray(header);
  message.writeUInt8(request, 0);
  message.writeUInt16BE(id, 4);
  message.writeUInt16BE(sequence, 6);
  message.writeUInt16BE(icmpChecksum(version, addresses, message), 2);
  return packet;
}

/** Reads an echo's answer out of a packet, which may have padding after it; undefined where it is none or is damaged. */
export function parseEchoReply(packet: Uint8Array): EchoReply | undefined {
  const bytes = Buffer.from(packet);
  const version = (bytes[0] ?? 0) >> 4;
  if ((version !== 4 && version !== 6) || bytes.length < FAMILIES[version].header) return undefined;
  const { protocol, reply, bits, header: fixed } = FAMILIES[version];
  // Only IPv4's header has options, and its length.
  const header = version === 4 ? (bytes.readUInt8(0) & 0xf) * 4 : fixed;
  const size = version === 4 ? bytes.readUInt16BE(2) : fixed + bytes.readUInt16BE(4);
  if (header < fixed || size < header + ECHO_HEADER_BYTES || size > bytes.length) return undefined;
  if (version === 4 && checksum(bytes.subarray(0, header)) !== 0) return undefined;
  if (bytes.readUInt8(version === 4 ? 9 : 6) !== protocol) return undefined;
  const addresses = bytes.subarray(fixed - (2 * bits) / 8, fixed);
  const message = bytes.subarray(header, size);
  if (message.readUInt8(0) !== reply || message.readUInt8(1) !== 0) return undefined;
  if (icmpChecksum(version, addresses, message) !== 0) return undefined;
  return {
    source: addressText(addresses.subarray(0, bits / 8), version),
    destination: addressText(addresses.subarray(bits / 8), version),
    id: message.readUInt16BE(4),
    sequence: message.readUInt16BE(6),
    size,
  };
}
