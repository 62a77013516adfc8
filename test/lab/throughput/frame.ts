/** UDP packets as they lie on the wire, for the sender that needs no address of its own. */
import { isIPv6 } from "node:net";

export interface Packet {
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
}

const PAYLOAD = Buffer.alloc(64);
const UDP = 17;

function checksum(...parts: readonly Buffer[]): number {
  let sum = 0;
  for (const part of parts) for (let at = 0; at < part.length; at += 2) sum += part.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function bytesOf(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail = ""] = address.split("::");
  const words = (text: string): number[] =>
    text
      .split(":")
      .filter(Boolean)
      .map((word) => Number.parseInt(word, 16));
  const [before, after] = [words(head), words(tail)];
  const bytes = Buffer.alloc(16);
  for (const [index, word] of before.entries()) bytes.writeUInt16BE(word, index * 2);
  for (const [index, word] of after.entries()) bytes.writeUInt16BE(word, 16 - (after.length - index) * 2);
  return bytes;
}

/** @param mac whose it is to take */
export function frame({ from, fromPort, to, toPort }: Packet, mac: string): Buffer {
  const [source, target] = [bytesOf(from), bytesOf(to)];
  const length = 8 + PAYLOAD.length;
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(fromPort, 0);
  udp.writeUInt16BE(toPort, 2);
  udp.writeUInt16BE(length, 4);
  const ethernet = Buffer.concat([Buffer.from(mac.replaceAll(":", ""), "hex"), Buffer.from("020000000001", "hex")]);
  if (isIPv6(from)) {
    // IPv6 has no packet without UDP's checksum.
    udp.writeUInt16BE(checksum(source, target, Buffer.from([0, 0, 0, length, 0, 0, 0, UDP]), udp, PAYLOAD), 6);
    const header = Buffer.from([0x60, 0, 0, 0, 0, length, UDP, 64]);
    return Buffer.concat([ethernet, Buffer.from([0x86, 0xdd]), header, source, target, udp, PAYLOAD]);
  }
  const header = Buffer.from([0x45, 0, 0, 20 + length, 0, 1, 0x40, 0, 64, UDP, 0, 0, ...source, ...target]);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([ethernet, Buffer.from([0x08, 0]), header, udp, PAYLOAD]);
}
