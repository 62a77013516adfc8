import type { Context } from "../context";
import { note, print, printJson } from "../output";
import { bytes } from "../units";
import { type KnownPeer, rawObject, withoutPrefix } from "./known";
import { liveJson, livePeers } from "./live-peers";
import { absent, oneLine } from "./name";
import { byHandNote } from "./site-store";
import { handshakeText, peerView } from "./view";

const KNOWN_FIELDS = ["publicKey", "presharedKey", "addresses", "group", "keepalive"];

export async function showPeer(context: Context, { json }: { readonly json?: boolean }, name: string): Promise<void> {
  const { found, live } = await livePeers(context, { live: true });
  const known = found.known.find((one) => one.name === name);
  if (!known) throw absent([name], found.known);
  if (found.byHand) note(byHandNote(found));
  const view = peerView(known, live, found.site);
  if (json) return printJson({ ...view, live: liveJson(live) });
  const { activity, reason, receivedBytes, sentBytes } = view;
  const lines: [string, string | undefined][] = [
    ["name", view.name],
    [
      "from",
      known.parameter
        ? `${found.site.storePrefix}/${known.parameter.name}`
        : `${found.site.storePrefix}/${view.source}`,
    ],
    ["addresses", known.addresses.map(withoutPrefix).join(", ")],
    ["group", view.group === null ? undefined : `${view.group}${view.groupIsDefault ? " (the site's default)" : ""}`],
    ["public key", view.publicKey ?? undefined],
    ["preshared key", known.peer ? (view.presharedKey ? "set" : "none") : undefined],
    ["server's keepalive", view.keepalive === 0 ? undefined : `every ${view.keepalive} s`],
    ["also in it", otherFields(known)],
    ["stored", known.parameter?.modifiedAt.toISOString()],
    ["left out", reason ?? undefined],
    ["last handshake", activity === "broken" ? undefined : handshakeText(view)],
    [
      "traffic",
      receivedBytes === null || sentBytes === null
        ? undefined
        : `the server received ${bytes(receivedBytes)} and sent ${bytes(sentBytes)}`,
    ],
  ];
  const shown = lines.filter((line): line is [string, string] => line[1] !== undefined);
  const width = Math.max(...shown.map(([what]) => what.length));
  for (const [what, value] of shown) print(`${what.padEnd(width)}  ${oneLine(value)}`);
  if (activity === "unknown" && live.reason !== undefined) note(`Whether it is connected is unknown: ${live.reason}.`);
}

/** What others noted with the peer, by its name alone: it may be secret. */
function otherFields({ parameter }: KnownPeer): string | undefined {
  const fields = Object.keys(rawObject(parameter?.value ?? "") ?? {}).filter((key) => !KNOWN_FIELDS.includes(key));
  return fields.length === 0 ? undefined : fields.join(", ");
}
