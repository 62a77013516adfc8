import type { Site } from "../../modules/config";
import { bytes, passed } from "../units";
import type { Source } from "./known";
import { type KnownPeer, withoutPrefix } from "./known";
import { type Activity, activityOf, type Live, trafficOf } from "./report";

/** A peer as --json shows it; no secret is in it. */
export interface PeerView {
  readonly name: string;
  readonly source: Source;
  readonly addresses: readonly string[];
  readonly group: string | null;
  /** Whether the peer names its group itself. */
  readonly groupIsDefault: boolean;
  readonly publicKey: string | null;
  readonly presharedKey: boolean;
  readonly keepalive: number;
  readonly activity: Activity | "broken";
  /** Why the server leaves it out. */
  readonly reason: string | null;
  readonly lastHandshake: string | null;
  readonly secondsSinceHandshake: number | null;
  /** As the server counts: what it received from the device. */
  readonly receivedBytes: number | null;
  readonly sentBytes: number | null;
  readonly storedAt: string | null;
}

export function peerView(known: KnownPeer, live: Live, { access }: Pick<Site, "access">): PeerView {
  const { name, source, peer, reason, parameter } = known;
  const broken = reason !== undefined || peer === undefined;
  const traffic = broken || !live.report ? undefined : trafficOf(live.report, peer.publicKey);
  return {
    name,
    source,
    addresses: known.addresses.map(withoutPrefix),
    group: peer ? (peer.group ?? access.defaultGroup) : null,
    groupIsDefault: peer !== undefined && peer.group === undefined,
    publicKey: peer?.publicKey ?? null,
    presharedKey: peer?.presharedKey !== undefined,
    keepalive: peer?.keepalive ?? 0,
    activity: broken ? "broken" : activityOf(live, peer.publicKey),
    reason: reason ?? null,
    lastHandshake: traffic ? new Date(traffic.lastHandshake * 1000).toISOString() : null,
    secondsSinceHandshake: traffic && live.report ? live.report.now - traffic.lastHandshake : null,
    receivedBytes: traffic?.receivedBytes ?? null,
    sentBytes: traffic?.sentBytes ?? null,
    storedAt: parameter?.modifiedAt.toISOString() ?? null,
  };
}

export function handshakeText({ activity, secondsSinceHandshake }: PeerView): string {
  if (secondsSinceHandshake === null) return activity;
  return `${passed(secondsSinceHandshake * 1000)}${activity === "idle" ? ", idle" : ""}`;
}

export function trafficText(count: number | null, activity: PeerView["activity"]): string {
  if (count !== null) return bytes(count);
  return activity === "unknown" ? "unknown" : "";
}
