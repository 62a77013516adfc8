import type { Context } from "../context";
import { note, print, printJson, table, tone } from "../output";
import { liveJson, livePeers } from "./live-peers";
import { oneLine } from "./name";
import { byHandNote } from "./site-store";
import { handshakeText, peerView, trafficText } from "./view";

export interface ListOptions {
  readonly json?: boolean;
  readonly live?: boolean;
}

export async function listPeers(context: Context, { json, live: wanted = true }: ListOptions): Promise<void> {
  const { found, live } = await livePeers(context, { live: wanted });
  const views = found.known.map((one) => peerView(one, live, found.site));
  if (found.byHand) note(byHandNote(found));
  if (json) {
    return printJson({ peers: views, live: liveJson(live) });
  }
  if (views.length === 0) {
    note("There are no peers yet. `npx stingy peer add phone` adds one.");
    return;
  }
  const good = views.filter(({ activity }) => activity !== "broken");
  const broken = views.filter(({ activity }) => activity === "broken");
  if (good.length > 0) {
    const columns = ["name", "addresses", "group", ...(wanted ? ["last handshake", "received", "sent"] : [])];
    const rows = good.map((view) => [
      view.name,
      view.addresses.join(", "),
      view.group ?? "",
      ...(wanted
        ? [
            view.activity === "active" ? tone("good", handshakeText(view)) : tone("dim", handshakeText(view)),
            trafficText(view.receivedBytes, view.activity),
            trafficText(view.sentBytes, view.activity),
          ]
        : []),
    ]);
    print(await table(columns, rows));
  }
  if (broken.length > 0) {
    if (good.length > 0) print();
    print(`${tone("bad", "Left out by the server:")}`);
    print(
      await table(
        ["name", "why"],
        broken.map(({ name, reason }) => [name, oneLine(reason ?? "")]),
      ),
    );
    note("Remove these and add them again; a group or keepalive alone, `npx stingy peer edit` corrects.");
  }
  if (wanted && live.reason !== undefined) note(`Who is connected is unknown: ${live.reason}.`);
}
