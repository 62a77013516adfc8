import { Resolver } from "node:dns/promises";
import type { DnsAnswer } from "./facts";

/** Longer than that nobody waits for a screen. */
const ANSWER_MS = 1_000;

/** What this computer's resolver says. A name without such a record has no addresses. */
export async function dnsAnswers(
  name: string,
  types: readonly DnsAnswer["type"][],
  servers?: readonly string[],
): Promise<DnsAnswer[]> {
  const resolver = new Resolver({ timeout: ANSWER_MS, tries: 1 });
  if (servers) resolver.setServers(servers);
  return Promise.all(
    types.map(async (type) => {
      const addresses = await (type === "A" ? resolver.resolve4(name) : resolver.resolve6(name)).catch(nothing);
      return { type, addresses: addresses.sort() };
    }),
  );
}

function nothing(error: NodeJS.ErrnoException): string[] {
  if (error.code === "ENODATA" || error.code === "ENOTFOUND") return [];
  throw Object.assign(new Error(`the resolver does not answer: ${error.code}`), { name: error.code });
}
