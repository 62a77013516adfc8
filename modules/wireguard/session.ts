import { header, isMessage, open, seal, TRANSPORT } from "./noise";

const PADDED_TO = 16;
const HEADER_BYTES = 16;

/** The numbers by which each side knows the session, and the keys of the two directions. */
export interface SessionKeys {
  readonly ownIndex: number;
  readonly otherIndex: number;
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
}

/** What a handshake ends in: IP packets are encrypted into datagrams and back. */
export class Session {
  private sent = 0n;
  private readonly received = new Set<bigint>();

  constructor(private readonly keys: SessionKeys) {}

  /** An empty packet is a keepalive. Padding goes no further than `mtu`, as that of other implementations. */
  encrypt(packet: Uint8Array, mtu = Number.POSITIVE_INFINITY): Buffer {
    const { otherIndex, send } = this.keys;
    const size = Math.min(Math.ceil(packet.length / PADDED_TO) * PADDED_TO, Math.max(mtu, packet.length));
    const padded = Buffer.alloc(size);
    padded.set(packet);
    const counter = this.sent++;
    const beginning = Buffer.concat([header(TRANSPORT.type, otherIndex), Buffer.alloc(8)]);
    beginning.writeBigUInt64LE(counter, 8);
    return Buffer.concat([beginning, seal(send, counter, padded)]);
  }

  /** The packet with its padding, empty for a keepalive; undefined for what is not of this session, and for one that came before. */
  decrypt(datagram: Uint8Array): Buffer | undefined {
    const { ownIndex, receive } = this.keys;
    const bytes = Buffer.from(datagram);
    if (!isMessage(bytes, TRANSPORT) || bytes.readUInt32LE(4) !== ownIndex) return undefined;
    const counter = bytes.readBigUInt64LE(8);
    if (this.received.has(counter)) return undefined;
    const packet = open(receive, counter, bytes.subarray(HEADER_BYTES));
    if (packet) this.received.add(counter);
    return packet;
  }
}
