import { closeSync, openSync, rmSync, writeFileSync } from "node:fs";
import { hostAddress } from "../../modules/network/planner";
import { STORE } from "../../modules/store/names";
import { type ImportedPeer, isKey, serverConfigText } from "../../modules/wireguard";
import type { Context } from "../context";
import { CliError } from "../exit";
import { note, print, progress } from "../output";
import { cannotWrite, OWNER_ONLY } from "./handout";
import { byHandNote, sitePeers } from "./site-store";

export interface ExportOptions {
  readonly out?: string;
  readonly withPrivateKey?: boolean;
}

const SERVER_INDEX = 1;

export async function exportPeers(context: Context, { out, withPrivateKey }: ExportOptions): Promise<void> {
  const found = await progress("Reading the store", () =>
    sitePeers(context, ...(withPrivateKey ? [STORE.wireguardPrivateKey] : [])),
  );
  const { tunnel, storePrefix } = found.site;
  const key = found.parameters.get(STORE.wireguardPrivateKey)?.value.trim() ?? "";
  if (withPrivateKey && !isKey(key)) {
    throw new CliError(`${storePrefix}/${STORE.wireguardPrivateKey} holds no WireGuard key.`, {
      fix: "Leave out --with-private-key; the first server makes the key.",
    });
  }
  const peers = found.known.flatMap(({ name, peer, reason, parameter }): ImportedPeer[] =>
    peer && reason === undefined ? [{ ...peer, name: parameter ? name : name.replace(", key ", "-") }] : [],
  );
  const text = serverConfigText(peers, {
    privateKey: withPrivateKey ? key : undefined,
    addresses: [tunnel.ipv4, ...(tunnel.ipv6 === undefined ? [] : [tunnel.ipv6])].map((network) =>
      hostAddress(network, SERVER_INDEX),
    ),
    listenPort: tunnel.listenPort,
  });
  if (out === undefined) print(text.trimEnd());
  else {
    writeNew(out, text);
    note(`${peers.length} ${peers.length === 1 ? "peer is" : "peers are"} in ${out}.`);
  }
  if (found.byHand) note(byHandNote(found));
  for (const { name, reason } of found.known) if (reason !== undefined) note(`${name} is left out: ${reason}.`);
  if (!withPrivateKey) {
    note(
      "The server's private key is not in it: with --with-private-key it is, and another server can take over the devices.",
    );
  }
}

/** The whole file or none: half of one would be taken for a backup. */
function writeNew(file: string, text: string): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, "wx", OWNER_ONLY);
    writeFileSync(descriptor, text);
  } catch (error) {
    if (descriptor !== undefined) rmSync(file, { force: true });
    throw cannotWrite(file, error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
