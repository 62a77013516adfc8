import { checkPeerAddresses, type Group, parsePeer } from "../../modules/wireguard";
import type { Context } from "../context";
import { usageError } from "../exit";
import { uninterrupted } from "../interrupt";
import { note, print, progress } from "../output";
import { applyNow, notYet } from "./applied";
import { changePeer } from "./change";
import { rawObject } from "./known";
import { absent, peerPath } from "./name";
import { broken } from "./parsed";
import { byHandNote, sitePeers, siteStore } from "./site-store";

export interface EditOptions {
  readonly group?: Group | "default";
  readonly serverKeepalive?: number;
}

export async function editPeer(context: Context, { group, serverKeepalive }: EditOptions, name: string): Promise<void> {
  const path = peerPath(name);
  if (group === undefined && serverKeepalive === undefined) {
    throw usageError("There is nothing to change.", "Say what: --group internet, or --server-keepalive 25.");
  }
  const found = await progress("Reading the store", () => siteStore(context, path));
  const before = found.parameters.get(path);
  if (!before) throw absent([name], (await sitePeers(context)).known);

  const { tunnel, access } = found.site;
  const change = (value: string) => {
    const {
      group: oldGroup,
      keepalive: oldKeepalive,
      ...kept
    } = rawObject(value) ?? broken(name, "it is no JSON object");
    const newGroup = group === "default" ? undefined : (group ?? oldGroup);
    const newKeepalive = serverKeepalive ?? oldKeepalive;
    const text = JSON.stringify({
      ...kept,
      ...(newGroup === undefined ? {} : { group: newGroup }),
      ...(newKeepalive === undefined || newKeepalive === 0 ? {} : { keepalive: newKeepalive }),
    });
    const { peer, reason } = parsePeer(text);
    const wrong = reason ?? (peer && checkPeerAddresses(peer.addresses, tunnel));
    return wrong === undefined ? text : broken(name, wrong);
  };
  if (change(before.value) === before.value) {
    note(`${name} is so already.`);
    return;
  }
  await uninterrupted(() => changePeer(found.store, name, before, change));
  const changes = [
    ...(group === undefined
      ? []
      : [`group ${group === "default" ? `${access.defaultGroup} (the site's default)` : group}`]),
    ...(serverKeepalive === undefined
      ? []
      : [serverKeepalive === 0 ? "no keepalive by the server" : `keepalive by the server every ${serverKeepalive} s`]),
  ];
  print(`${name}: ${changes.join(", ")}.`);
  if (found.byHand) return note(byHandNote(found));
  const applied = await applyNow(found);
  note(applied.applied ? "The server has applied it." : `Has the server applied it? ${notYet(applied)}`);
}
