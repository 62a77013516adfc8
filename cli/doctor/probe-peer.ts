import { randomInt } from "node:crypto";
import { STORE } from "../../modules/store/names";
import { parsePeer, type StoredPeer, writePeer } from "../../modules/wireguard/peer";
import type { StoredParameter } from "../store";

const PREFIX = `${STORE.peers}/doctor-`;
/** So that no person's own device is ever taken for one: the server does not read this. */
const MARK = "stingy doctor";
const LEFT_OVER_AFTER_MS = 3_600_000;

export function probePeerName(): string {
  const letters = Array.from({ length: 4 }, () => String.fromCharCode("a".charCodeAt(0) + randomInt(26)));
  return `${PREFIX}${letters.join("")}`;
}

export function probePeer(peer: StoredPeer): string {
  return writePeer({ ...peer, madeBy: MARK });
}

export function isProbePeer({ name, value }: StoredParameter): boolean {
  return name.startsWith(PREFIX) && parsePeer(value).peer?.madeBy === MARK;
}

/** One that a doctor who was killed has left. */
export function isLeftOver(parameter: StoredParameter, now: number): boolean {
  return isProbePeer(parameter) && now - parameter.modifiedAt.getTime() > LEFT_OVER_AFTER_MS;
}
