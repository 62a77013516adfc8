import type { Site } from "../../modules/config";
import { STORE } from "../../modules/store/names";
import type { Aws } from "../aws";
import type { Context } from "../context";
import { CliError } from "../exit";
import { notDeployed, Store, type StoredParameter } from "../store";
import { type KnownPeer, knownPeers } from "./known";

/** What every command for peers wants to know of a site first. */
export interface SiteStore {
  readonly site: Site;
  readonly aws: Aws;
  readonly store: Store;
  /** Undefined until a first server serves. */
  readonly instanceId: string | undefined;
  /** The parameters asked for and those that are not of single peers. */
  readonly parameters: ReadonlyMap<string, StoredParameter>;
  readonly clientPublicKeys: string;
  /** Whether a whole wg0.conf stands in the store: the server then looks at nothing else. */
  readonly byHand: boolean;
}

/** The server's private key is read only by those who ask for it. */
const ALWAYS = [STORE.instanceId, STORE.wireguardConfig, STORE.clientPublicKeys];

export async function siteStore(context: Context, ...more: readonly string[]): Promise<SiteStore> {
  const site = await context.site();
  const aws = await context.aws();
  const store = new Store(aws, site.storePrefix);
  const parameters = await store.getAll([...ALWAYS, ...more]);
  const value = (name: string) => parameters.get(name)?.value.trim() ?? "";
  if (value(STORE.instanceId) === "") throw notDeployed(site, aws);
  return {
    site,
    aws,
    store,
    instanceId: value(STORE.instanceId).startsWith("i-") ? value(STORE.instanceId) : undefined,
    parameters,
    clientPublicKeys: value(STORE.clientPublicKeys),
    byHand: value(STORE.wireguardConfig) !== "",
  };
}

export interface SitePeers extends SiteStore {
  readonly known: readonly KnownPeer[];
}

/** With every peer, which takes a call for every ten of them. */
export async function sitePeers(context: Context, ...more: readonly string[]): Promise<SitePeers> {
  const { storePrefix } = await context.site();
  const stored = new Store(await context.aws(), storePrefix).peers();
  const [found, parameters] = await Promise.all([siteStore(context, ...more), stored]);
  return { ...found, known: knownPeers(parameters, found.clientPublicKeys, found.site) };
}

/** Refuses what would change nothing on a server that serves a wg0.conf written by hand. */
export function refuseByHand({ byHand, site }: SiteStore): void {
  if (!byHand) return;
  const parameter = `${site.storePrefix}/${STORE.wireguardConfig}`;
  throw new CliError(
    `The server uses the whole configuration in ${parameter} and nothing under ${STORE.peers}/, so this would have no effect.`,
    {
      fix: [
        `Either write the device into ${parameter},`,
        `or move to single peers: save it to a file, \`npx stingy peer import --from FILE --dry-run\`, then the same without --dry-run,`,
        `and remove it: \`aws ssm delete-parameter --name ${parameter}\`.`,
      ].join("\n"),
    },
  );
}

export function byHandNote({ site }: SiteStore): string {
  return `The server uses the whole configuration in ${site.storePrefix}/${STORE.wireguardConfig} and none of these peers.`;
}
