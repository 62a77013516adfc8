import type { Context } from "../context";
import { progress } from "../output";
import { Store } from "../store";
import { knownPeers } from "./known";
import { type Live, liveReport } from "./report";
import { type SitePeers, siteStore } from "./site-store";

/** Every peer, and what the server says of them, asked for at the same time. */
export async function livePeers(
  context: Context,
  { live: wanted }: { readonly live: boolean },
): Promise<{ readonly found: SitePeers; readonly live: Live }> {
  return progress("Reading the store and asking the server", async () => {
    const { storePrefix } = await context.site();
    const stored = new Store(await context.aws(), storePrefix).peers();
    const rest = siteStore(context).then(async (found) => ({
      found,
      live: wanted ? await liveReport(found) : { reason: "it was not asked for" },
    }));
    const [parameters, { found, live }] = await Promise.all([stored, rest]);
    return { live, found: { ...found, known: knownPeers(parameters, found.clientPublicKeys, found.site) } };
  });
}

/** Whether the server's report could be had, for programs. */
export function liveJson({ report, reason }: Live) {
  return report ? { known: true, at: new Date(report.now * 1000).toISOString() } : { known: false, reason };
}
