import { parseRange, rangeContains } from "../../../modules/network/planner";
import { STORE } from "../../../modules/store/names";
import { attention, broken, type Check, ifSeen, ok, seen, skipped } from "../check";
import { aws, deploy } from "../commands";
import type { Answer, DnsAnswers, Facts } from "../facts";

/** https://www.cloudflare.com/ips/, where a record that is proxied leads. */
const CLOUDFLARE = [
  "173.245.48.0/20",
  "103.21.244.0/22",
  "103.22.200.0/22",
  "103.31.4.0/22",
  "141.101.64.0/18",
  "108.162.192.0/18",
  "190.93.240.0/20",
  "188.114.96.0/20",
  "197.234.240.0/22",
  "198.41.128.0/17",
  "162.158.0.0/15",
  "104.16.0.0/13",
  "104.24.0.0/14",
  "172.64.0.0/13",
  "131.0.72.0/22",
  "2400:cb00::/32",
  "2606:4700::/32",
  "2803:f800::/32",
  "2405:b500::/32",
  "2405:8100::/32",
  "2a06:98c0::/29",
  "2c0f:f248::/32",
].flatMap((text) => parseRange(text) ?? []);

/** The record has a minute; longer, and devices stay at an old address. */
const LONGEST_TTL_S = 300;
const NO_NAME = skipped("the site has no name at Cloudflare");

function isCloudflares(address: string): boolean {
  const own = parseRange(`${address}/${address.includes(":") ? 128 : 32}`);
  return own !== undefined && CLOUDFLARE.some((range) => rangeContains(range, own));
}

/** What the name should say. */
function expected(facts: Facts): Readonly<Record<Answer["type"], string | undefined>> {
  const id = ifSeen(facts.parameters)?.get(STORE.instanceId)?.value;
  const server = (ifSeen(facts.instances) ?? []).find((instance) => instance.id === id);
  return { A: ifSeen(facts.address)?.publicIp ?? server?.publicIp, AAAA: server?.ipv6 };
}

/** What is wrong with these answers; those that nobody knows the right one of are left aside. */
function wrong(answers: readonly Answer[], right: ReturnType<typeof expected>): string[] {
  return answers.flatMap(({ type, server, addresses, error }) => {
    if (error !== undefined) return [`${server} gives no answer (${error})`];
    const wanted = right[type];
    if (wanted === undefined || addresses.includes(wanted)) return [];
    return [`${server} says ${type} ${addresses.join(", ") || "nothing"}, and it is ${wanted}`];
  });
}

function answersOf(facts: Facts): DnsAnswers | undefined {
  return facts.dns && seen(facts.dns);
}

export const proxied: Check = {
  id: "dns-proxied",
  group: "DNS",
  title: "the name leads to the server and not to Cloudflare",
  needs: [],
  run: (facts) => {
    const answers = answersOf(facts);
    if (!answers || facts.site.dns.provider !== "cloudflare") return NO_NAME;
    const found = [...answers.authoritative, ...answers.resolver].flatMap(({ addresses }) =>
      addresses.filter(isCloudflares),
    );
    const { name } = facts.site.dns;
    if (found.length === 0) return ok(`${name} is not proxied`);
    return broken(
      `${name} leads to ${[...new Set(found)].join(", ")}, which is Cloudflare's proxy, and that passes no WireGuard`,
      `Turn the proxy off for the record (the cloud in Cloudflare's DNS page is to be grey), or deploy: \`${deploy(facts)}\`.`,
    );
  },
};

export const authoritative: Check = {
  id: "dns-authoritative",
  group: "DNS",
  title: "the zone's name servers say the server's address",
  needs: ["address", "dns-proxied"],
  run: (facts) => {
    const answers = answersOf(facts);
    const { dns } = facts.site;
    if (!answers || dns.provider !== "cloudflare") return NO_NAME;
    if (answers.authoritative.length === 0) {
      return broken(
        `no name server of ${dns.zone} can be found`,
        `Check that ${dns.zone} is a zone at Cloudflare, and that its registrar names Cloudflare's name servers.`,
      );
    }
    const problems = wrong(answers.authoritative, expected(facts));
    if (problems.length > 0) {
      return broken(
        problems.join("; "),
        `Have the record written: \`${aws(facts, `lambda invoke --function-name ${facts.names.ddnsUpdater} /dev/stdout`)}\`. If it fails, its answer says why, mostly the token.`,
      );
    }
    const ttl = Math.max(...answers.authoritative.map((answer) => answer.ttl ?? 0));
    if (ttl > LONGEST_TTL_S) {
      return attention(
        `the record may be kept for ${ttl} s, so devices stay that long at an address that is gone`,
        `Have Terraform set it back to a minute: \`${deploy(facts)}\`.`,
      );
    }
    return ok(`${dns.name} is ${answers.authoritative.find(({ type }) => type === "A")?.addresses.join(", ")}`);
  },
};

export const resolver: Check = {
  id: "dns-resolver",
  group: "DNS",
  title: "this computer's resolver says the same",
  needs: ["dns-authoritative"],
  run: (facts) => {
    const answers = answersOf(facts);
    if (!answers || facts.site.dns.provider !== "cloudflare") return NO_NAME;
    const problems = wrong(answers.resolver, expected(facts));
    if (problems.length === 0) return ok("it does");
    const ttl = Math.max(...answers.resolver.map((answer) => answer.ttl ?? 0));
    return attention(
      problems.join("; "),
      `It remembers an old answer${ttl > 0 ? `, for ${ttl} s more` : ""}. If it stays so, use another resolver, such as 1.1.1.1.`,
    );
  },
};
