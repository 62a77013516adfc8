import { Resolver } from "node:dns/promises";
import type { CloudflareSettings } from "../../../modules/config";
import type { Answer, DnsAnswers } from "../facts";

const ANSWER = { timeout: 2_000, tries: 2 } as const;
const MOST_SERVERS = 3;

/** @default the system's own resolvers, and port 53 of the zone's name servers */
export interface DnsPlace {
  readonly resolvers?: readonly string[];
  readonly authoritativePort?: number;
}

/** What the zone's own name servers and this computer's resolvers say. */
export async function askDns({ name, zone, records }: CloudflareSettings, place: DnsPlace = {}): Promise<DnsAnswers> {
  const resolver = asking(place.resolvers);
  const [first = "the system's resolver"] = resolver.getServers();
  const [authoritative, answers] = await Promise.all([
    nameServers(resolver, zone).then((servers) =>
      Promise.all(
        servers.flatMap(({ name: server, address }) =>
          records.map((type) =>
            ask(
              asking([place.authoritativePort ? `${address}:${place.authoritativePort}` : address]),
              name,
              type,
              server,
            ),
          ),
        ),
      ),
    ),
    Promise.all(records.map((type) => ask(resolver, name, type, first))),
  ]);
  return { authoritative, resolver: answers };
}

function asking(servers: readonly string[] | undefined): Resolver {
  const resolver = new Resolver(ANSWER);
  if (servers) resolver.setServers([...servers]);
  return resolver;
}

async function nameServers(resolver: Resolver, zone: string): Promise<{ name: string; address: string }[]> {
  const names = await resolver.resolveNs(zone).catch((error: NodeJS.ErrnoException) => {
    if (isNothing(error)) return [];
    throw new Error(`${resolver.getServers()[0]} does not say the name servers of ${zone} (${error.code})`);
  });
  const found = await Promise.all(
    names
      .sort()
      .slice(0, MOST_SERVERS)
      .map(async (name) => {
        const [address] = await resolver.resolve4(name).catch(() => []);
        return address === undefined ? [] : [{ name, address }];
      }),
  );
  return found.flat();
}

async function ask(resolver: Resolver, name: string, type: Answer["type"], server: string): Promise<Answer> {
  try {
    const found =
      type === "A" ? await resolver.resolve4(name, { ttl: true }) : await resolver.resolve6(name, { ttl: true });
    return { type, server, addresses: found.map(({ address }) => address), ttl: found[0]?.ttl };
  } catch (error) {
    const { code = "no answer" } = error as NodeJS.ErrnoException;
    const nothing = isNothing(error as NodeJS.ErrnoException);
    return { type, server, addresses: [], ttl: undefined, ...(nothing ? {} : { error: code }) };
  }
}

/** The answer is that there is none. */
function isNothing({ code }: NodeJS.ErrnoException): boolean {
  return code === "ENODATA" || code === "ENOTFOUND";
}
