import { confirm } from "../ask";
import type { Context } from "../context";
import { uninterrupted } from "../interrupt";
import { note, print, progress } from "../output";
import { applyNow, notYet } from "./applied";
import { absent, peerPath } from "./name";
import { byHandNote, sitePeers, siteStore } from "./site-store";

export async function removePeers(
  context: Context,
  { yes }: { readonly yes?: boolean },
  given: readonly string[],
): Promise<void> {
  const names = [...new Set(given)];
  const found = await progress("Reading the store", () => siteStore(context, ...names.map(peerPath)));
  const missing = names.filter((name) => !found.parameters.has(peerPath(name)));
  if (missing.length > 0) throw absent(missing, (await sitePeers(context)).known);
  const list = names.join(", ");
  await confirm(
    names.length === 1
      ? `Remove the peer ${list}? Its device can no longer connect.`
      : `Remove these ${names.length} peers: ${list}? Their devices can no longer connect.`,
    { yes },
  );
  await uninterrupted(() => found.store.remove(names.map(peerPath)));
  print(`Removed: ${list}.`);
  if (found.byHand) return note(byHandNote(found));
  const applied = await applyNow(found);
  const them = names.length === 1 ? "it" : "them";
  note(
    applied.applied
      ? `The server no longer lets ${them} in.`
      : `Does the server still let ${them} in? ${notYet(applied)}`,
  );
}
