import type { Site } from "../../modules/config";
import { checkPeerAddresses, type Imported, type ImportedPeer, type StoredPeer } from "../../modules/wireguard";
import { hostText } from "../../modules/wireguard/addresses";
import type { KnownPeer } from "./known";

export interface ImportPlan {
  readonly create: readonly ImportedPeer[];
  /** Those that are in the store already, just so. */
  readonly there: readonly string[];
  /** Why nothing can be stored; a clause each, by peer. */
  readonly conflicts: readonly string[];
  /** Whether some address is outside the tunnel. */
  readonly outside: boolean;
}

/** What of these can be stored beside what is there. */
export function planImport(
  { peers }: Pick<Imported, "peers">,
  known: readonly KnownPeer[],
  { tunnel }: Pick<Site, "tunnel">,
): ImportPlan {
  const create: ImportedPeer[] = [];
  const there: string[] = [];
  const conflicts: string[] = [];
  let outside = false;
  for (const peer of peers) {
    const same = known.find(({ name, parameter }) => parameter !== undefined && name === peer.name);
    if (same) {
      if (same.peer && equal(same.peer, peer)) there.push(peer.name);
      else conflicts.push(`${peer.name}: the store has another peer of this name`);
      continue;
    }
    const unfit = checkPeerAddresses(peer.addresses, tunnel);
    if (unfit !== undefined) {
      outside = true;
      conflicts.push(`${peer.name}: ${unfit}`);
      continue;
    }
    const owner = known.find((other) => other.publicKey === peer.publicKey || sharesAddress(other, peer));
    if (owner) {
      const what = owner.publicKey === peer.publicKey ? "key" : "address";
      conflicts.push(`${peer.name}: its ${what} is that of ${owner.name} in the store`);
      continue;
    }
    create.push(peer);
  }
  return { create, there, conflicts, outside };
}

/** What the device notices: a group or a keepalive may have been changed since. */
function equal(stored: StoredPeer, given: ImportedPeer): boolean {
  return (
    stored.publicKey === given.publicKey &&
    stored.presharedKey === given.presharedKey &&
    hosts(stored.addresses).sort().join() === hosts(given.addresses).sort().join()
  );
}

function sharesAddress(known: KnownPeer, { addresses }: ImportedPeer): boolean {
  const theirs = new Set(hosts(known.addresses));
  return hosts(addresses).some((address) => theirs.has(address));
}

function hosts(addresses: readonly string[]): string[] {
  return addresses.map((address) => hostText(address) ?? address);
}
