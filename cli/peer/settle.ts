import { setTimeout as sleep } from "node:timers/promises";
import type { Site } from "../../modules/config";
import { nextAddresses, type StoredPeer, TunnelFullError, writePeer } from "../../modules/wireguard";
import { hostText } from "../../modules/wireguard/addresses";
import { CliError } from "../exit";
import type { Store } from "../store";
import { removedMeanwhile } from "./change";
import { type KnownPeer, knownPeers } from "./known";
import { peerPath } from "./name";

export interface Settling {
  readonly store: Pick<Store, "peers" | "replace">;
  readonly site: Pick<Site, "tunnel">;
  readonly clientPublicKeys: string;
}

export function freeAddresses(tunnel: Site["tunnel"], others: readonly KnownPeer[]): string[] {
  try {
    return nextAddresses(
      tunnel,
      others.flatMap(({ addresses }) => addresses),
    );
  } catch (error) {
    if (error instanceof TunnelFullError) throw new CliError(error.message, { cause: error });
    throw error;
  }
}

/** How often, and how far apart, it is looked again for what a read does not show yet. */
export const PATIENCE = 4;
export const PATIENCE_MS = 250;
const MOST_MOVES = 25;

/**
 * Two who add at once may choose the same address. Whoever wrote later sees the other's, and whoever sees another's moves
 * away, until a look after the last write shows it alone; that does not depend on any clock. Of two who see each other
 * the one whose name comes first waits a little for the other to move.
 */
export async function settle(
  { store, site, clientPublicKeys }: Settling,
  name: string,
  first: StoredPeer,
  patienceMs = PATIENCE_MS,
): Promise<StoredPeer> {
  let peer = first;
  let waited = 0;
  for (let moves = 0; moves < MOST_MOVES; ) {
    const known = knownPeers(await store.peers(), clientPublicKeys, site);
    const isOwn = (other: KnownPeer) => other.parameter !== undefined && other.name === name;
    if (known.find(isOwn)?.parameter?.value !== writePeer(peer)) {
      // A list that does not show the last write is too old to show others', or somebody removed it.
      if (waited++ >= PATIENCE) throw removedMeanwhile(name);
      await sleep(patienceMs);
      continue;
    }
    const others = known.filter((other) => !isOwn(other));
    const rivals = others.filter((other) => clash(peer, other));
    if (rivals.length === 0) return peer;
    if (waited < PATIENCE && rivals.every((rival) => rival.parameter && name < rival.name)) {
      waited++;
      await sleep(patienceMs);
      continue;
    }
    const twin = rivals.find(({ publicKey }) => publicKey === peer.publicKey);
    if (twin) {
      throw new CliError(`Somebody else has just added this key as ${twin.name}.`, {
        fix: "Two devices cannot share one key.",
      });
    }
    peer = { ...peer, addresses: freeAddresses(site.tunnel, others) };
    // A write also makes what is not there any more.
    if ((await store.replace(peerPath(name), writePeer(peer))) <= 1) throw removedMeanwhile(name);
    waited = 0;
    moves++;
  }
  throw new CliError("Too many devices are added at the same time to find a free address.", {
    fix: "Run the command again.",
  });
}

function clash(peer: StoredPeer, other: KnownPeer): boolean {
  const theirs = new Set(other.addresses.map((address) => hostText(address) ?? address));
  return other.publicKey === peer.publicKey || peer.addresses.some((address) => theirs.has(address));
}
