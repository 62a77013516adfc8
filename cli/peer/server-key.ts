import { siteNames } from "../../modules/names";
import { STORE } from "../../modules/store/names";
import { generatePrivateKey, isKey } from "../../modules/wireguard";
import { CliError } from "../exit";
import { runDocument } from "../run-document";
import type { SiteStore } from "./site-store";

const SYNC_MS = 15_000;

/**
 * The server's private key. A site that never had a server gets one here, create-only as the first server would, so that
 * all end with the same. A server that lives keeps its own where the store has lost it: that one puts it back.
 */
export async function serverPrivateKey(found: SiteStore): Promise<string> {
  const { store, instanceId } = found;
  const stored = found.parameters.get(STORE.wireguardPrivateKey)?.value.trim() ?? "";
  if (stored !== "") return checked(stored, found);
  if (instanceId !== undefined) return fromServer(found, instanceId);
  const made = generatePrivateKey();
  if (await store.create(STORE.wireguardPrivateKey, made)) return made;
  return checked((await store.get(STORE.wireguardPrivateKey))?.value.trim() ?? "", found);
}

async function fromServer(found: SiteStore, instanceId: string): Promise<string> {
  const { aws, site, store } = found;
  await runDocument(aws, { document: siteNames(site).syncDocument, instanceId, waitMs: SYNC_MS }).catch(
    () => undefined,
  );
  const stored = (await store.get(STORE.wireguardPrivateKey))?.value.trim() ?? "";
  if (stored !== "") return checked(stored, found);
  throw new CliError(`The store has no ${STORE.wireguardPrivateKey}, although the site has a server, ${instanceId}.`, {
    fix: "The server puts its key back within five minutes: run the command again then. `npx stingy doctor` says what keeps it from that.",
  });
}

function checked(key: string, { site }: SiteStore): string {
  if (isKey(key)) return key;
  throw new CliError(
    `${site.storePrefix}/${STORE.wireguardPrivateKey} is no WireGuard key, and the server refuses it.`,
    {
      fix: "Put the right one back; Systems Manager keeps earlier ones (Parameter Store, the parameter's History).",
    },
  );
}
