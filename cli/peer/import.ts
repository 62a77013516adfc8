import { setTimeout as sleep } from "node:timers/promises";
import { parseRange } from "../../modules/network/planner";
import { STORE } from "../../modules/store/names";
import { type Imported, publicKeyOf, writePeer } from "../../modules/wireguard";
import { parseAddress } from "../../modules/wireguard/addresses";
import type { Context } from "../context";
import { CliError } from "../exit";
import { note, print, progress } from "../output";
import { siteEndpoint } from "./device";
import { readSource } from "./import-files";
import { type ImportPlan, planImport } from "./import-plan";
import { withoutPrefix } from "./known";
import { peerPath } from "./name";
import { PATIENCE, PATIENCE_MS } from "./settle";
import { byHandNote, type SitePeers, sitePeers } from "./site-store";

export interface ImportOptions {
  readonly from: string;
  readonly dryRun?: boolean;
  readonly withoutServerKey?: boolean;
}

const SHOWN_CONFLICTS = 20;

export async function importPeers(context: Context, options: ImportOptions): Promise<void> {
  const source = readSource(options.from);
  const found = await progress("Reading the store", () => sitePeers(context, STORE.wireguardPrivateKey));
  for (const line of source.notes) note(`${line}.`);
  const plan = planImport(source, found.known, found.site);
  refuseConflicts(plan, source, found);
  const key = options.withoutServerKey ? undefined : source.serverPrivateKey;
  const keyThere = found.parameters.get(STORE.wireguardPrivateKey)?.value.trim() ?? "";
  refuseOtherKey(key, keyThere, found, options.from);
  if (source.peers.length === 0 && key === undefined) {
    throw new CliError(`${options.from} has no peer that can be taken over.`);
  }

  const keyIsNew = key !== undefined && keyThere === "";
  const { create, there } = plan;
  if (options.dryRun) {
    for (const { name, addresses } of create) print(`would store ${name}: ${addresses.map(withoutPrefix).join(", ")}`);
    if (keyIsNew) print("would store the server's private key");
    print(`${create.length} to store, ${there.length} there already. Nothing was changed.`);
  } else {
    // The key first: a server that starts in between would make another. Each write stands by itself, so that a second
    // run goes on where a first one was stopped.
    if (keyIsNew && !(await found.store.create(STORE.wireguardPrivateKey, key))) {
      const stored = (await found.store.get(STORE.wireguardPrivateKey))?.value.trim() ?? "";
      refuseOtherKey(key, stored, found, options.from);
    }
    await progress("Storing the peers", async (say) => {
      for (const [index, { name, ...peer }] of create.entries()) {
        say(`Storing the peers: ${index + 1} of ${create.length}`);
        await found.store.create(peerPath(name), writePeer(peer));
      }
    });
    await lookAgain(context, source);
    print(
      `${create.length} stored, ${there.length} there already${keyIsNew ? "; the server's private key is stored too" : ""}.`,
    );
  }
  for (const line of await afterwards(source, found, key !== undefined)) note(line);
}

function refuseConflicts({ conflicts, outside }: ImportPlan, source: Imported, { site }: SitePeers): void {
  if (conflicts.length === 0) return;
  const shown = conflicts.slice(0, SHOWN_CONFLICTS).map((conflict) => `  ${conflict}`);
  const more = conflicts.length - shown.length;
  const wanted = outside ? tunnelFor(source) : undefined;
  throw new CliError(
    [
      `${conflicts.length} of ${source.peers.length} peers cannot be taken over, so nothing was stored:`,
      ...shown,
      ...(more > 0 ? [`  and ${more} more`] : []),
    ].join("\n"),
    {
      fix:
        wanted === undefined
          ? "Remove the one or the other (`npx stingy peer remove NAME`, or out of the file) and run it again."
          : `The devices keep their addresses, so the tunnel has to have them: set tunnel.ipv4 of the site ${site.name} to ${wanted} (it is ${site.tunnel.ipv4})${site.tunnel.ipv6 === undefined ? "" : ", and tunnel.ipv6 where theirs are elsewhere"}, deploy, and run it again.`,
    },
  );
}

/** The network of the old server's tunnel, or the /24 around the first device. */
function tunnelFor({ tunnelIpv4, peers }: Imported): string | undefined {
  if (tunnelIpv4 !== undefined) return tunnelIpv4;
  const first = peers.flatMap(({ addresses }) => addresses.filter((text) => parseAddress(text)?.version === 4))[0];
  return first && parseRange(`${withoutPrefix(first)}/24`)?.network;
}

function refuseOtherKey(key: string | undefined, stored: string, { site, instanceId }: SitePeers, from: string): void {
  if (key === undefined || stored === "" || stored === key) return;
  const parameter = `${site.storePrefix}/${STORE.wireguardPrivateKey}`;
  throw new CliError(
    `The server's key in ${from} is another than the one in the store, and a server has one key. Nothing was stored.`,
    {
      fix: [
        "The devices know their server by its key. Either",
        `- put the old one into the store, if no device uses the new one yet: remove ${parameter} (\`aws ssm delete-parameter --name ${parameter}\`)${instanceId === undefined ? "" : " while the site is paused (`npx stingy server pause`)"} and run this again, or`,
        "- take over the peers alone with --without-server-key, and give each device the new server's public key.",
      ].join("\n"),
    },
  );
}

/** Somebody else may have stored something at the same time. */
async function lookAgain(context: Context, source: Imported): Promise<void> {
  let { known, site } = await sitePeers(context);
  let { create, conflicts } = planImport(source, known, site);
  // A list may not show yet what was just stored.
  for (let looks = 0; create.length > 0 && looks < PATIENCE; looks++) {
    await sleep(PATIENCE_MS);
    ({ known, site } = await sitePeers(context));
    ({ create, conflicts } = planImport(source, known, site));
  }
  const broken = known.flatMap(({ name, reason }) =>
    reason !== undefined && source.peers.some((peer) => peer.name === name) ? [`${name}: ${reason}`] : [],
  );
  const wrong = [...conflicts, ...create.map(({ name }) => `${name}: it was removed again`), ...broken];
  if (wrong.length === 0) return;
  throw new CliError(
    ["Somebody else changed peers at the same time:", ...wrong.map((line) => `  ${line}`)].join("\n"),
    {
      fix: "`npx stingy peer list` shows what is stored. Settle these and run the command again: what is there is left as it is.",
    },
  );
}

async function afterwards(source: Imported, found: SitePeers, keyKept: boolean): Promise<string[]> {
  const { site, aws } = found;
  const { listenPort } = site.tunnel;
  const endpoint = await siteEndpoint(undefined, site, aws);
  const server = found.parameters.get(STORE.wireguardPrivateKey)?.value.trim() ?? "";
  return [
    ...(source.listenPort !== undefined && source.listenPort !== listenPort
      ? [
          `The old server listens on port ${source.listenPort}, this site on ${listenPort}: set tunnel.listenPort to ${source.listenPort}, so that the devices find it.`,
        ]
      : []),
    ...(endpoint === undefined
      ? []
      : [
          keyKept
            ? `The devices keep their keys. They find the site where their Endpoint leads: point that name to ${endpoint}, or set it to that.`
            : `In each device's configuration, Endpoint becomes ${endpoint}${server === "" ? "" : `, the server's PublicKey ${publicKeyOf(server)}`}.`,
        ]),
    ...(found.byHand ? [`${byHandNote(found)} Remove that parameter when these are stored.`] : []),
  ];
}
