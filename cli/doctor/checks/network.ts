import { STORE } from "../../../modules/store/names";
import { attention, broken, type Check, ifSeen, ok, seen, skipped } from "../check";
import { aws, deploy } from "../commands";
import type { AclEntry, Facts, Permission, SecurityGroup } from "../facts";

const ANYWHERE = "0.0.0.0/0";
const ANYWHERE_6 = "::/0";

function lets({ protocol, from, to }: Permission, wanted: string, port: number): boolean {
  return (protocol === "all" || protocol === wanted) && from <= port && port <= to;
}

/** The groups of the server, or those it would have. */
function groupsOf(facts: Facts): readonly SecurityGroup[] {
  const groups = seen(facts.vpc)?.groups ?? [];
  const id = ifSeen(facts.parameters)?.get(STORE.instanceId)?.value;
  const server = (ifSeen(facts.instances) ?? []).find((instance) => instance.id === id);
  return groups.filter(({ id: group, name }) =>
    server ? server.securityGroupIds.includes(group) : name === `${facts.names.prefix}-server`,
  );
}

export const firewall: Check = {
  id: "firewall",
  group: "Network",
  title: "the security group lets WireGuard in",
  needs: ["deployed"],
  run: (facts) => {
    const { tunnel, network } = facts.site;
    const groups = groupsOf(facts);
    if (groups.length === 0) return skipped("there is no security group to look at");
    const port = tunnel.listenPort;
    const names = groups.map(({ id }) => id).join(", ");
    const from = groups
      .flatMap((group) => group.in.filter((rule) => lets(rule, "udp", port)))
      .flatMap((rule) => rule.networks);
    const fix = `Have Terraform open it: \`${deploy(facts)}\`.`;
    if (from.length === 0) return broken(`${names} lets nothing in on udp/${port}`, fix);
    if (!from.includes(ANYWHERE)) return attention(`${names} lets udp/${port} in only from ${from.join(", ")}`, fix);
    if (network.ipv6 && !from.includes(ANYWHERE_6)) return ok(`udp/${port} is open over IPv4`);
    return ok(`udp/${port} is open`);
  },
};

export const firewallOut: Check = {
  id: "firewall-out",
  group: "Network",
  title: "the security group lets everything out",
  needs: ["deployed"],
  run: (facts) => {
    const groups = groupsOf(facts);
    if (groups.length === 0) return skipped("there is no security group to look at");
    const open = groups.some((group) =>
      group.out.some(({ protocol, networks }) => protocol === "all" && networks.includes(ANYWHERE)),
    );
    if (open) return ok("everything may go out");
    return broken(
      `${groups.map(({ id }) => id).join(", ")} does not let everything out, so devices do not reach the internet through it`,
      `Have Terraform open it: \`${deploy(facts)}\`.`,
    );
  },
};

export const route: Check = {
  id: "route",
  group: "Network",
  title: "every subnet has its way to the internet",
  needs: ["deployed"],
  run: (facts) => {
    const vpc = seen(facts.vpc);
    if (!vpc || vpc.subnets.length === 0) return skipped("there is no VPC to look at");
    const fix = `Have Terraform mend it: \`${deploy(facts)}\`.`;
    const { gateway } = vpc;
    if (gateway === undefined) return broken(`no internet gateway is attached to ${vpc.id}`, fix);
    const cut = vpc.subnets.flatMap(({ id, routes }) => {
      const out = routes.find(({ destination }) => destination === ANYWHERE);
      if (!out) return [`${id} has no route to ${ANYWHERE}`];
      if (out.target !== gateway) return [`${id} sends ${ANYWHERE} to ${out.target}`];
      return out.active ? [] : [`the route of ${id} to ${ANYWHERE} is dead`];
    });
    return cut.length === 0
      ? ok(`${vpc.subnets.length} ${vpc.subnets.length === 1 ? "subnet" : "subnets"}, through ${gateway}`)
      : broken(cut.join("; "), fix);
  },
};

export const acl: Check = {
  id: "network-acl",
  group: "Network",
  title: "no network ACL stands in the way",
  needs: ["deployed"],
  run: (facts) => {
    const vpc = seen(facts.vpc);
    if (!vpc || vpc.subnets.length === 0) return skipped("there is no VPC to look at");
    const port = facts.site.tunnel.listenPort;
    const closed = vpc.subnets.flatMap(({ id, acl: entries }) => {
      if (entries.length === 0) return [];
      const what = [
        ...(verdict(entries, { outgoing: false, port }) ? [] : [`udp/${port} in`]),
        // Devices have any port, and answers of the internet come to any.
        ...(verdict(entries, { outgoing: true, port: ANY_PORT }) ? [] : ["udp out"]),
        ...(verdict(entries, { outgoing: false, port: ANY_PORT }) ? [] : ["answers in"]),
      ];
      return what.length === 0 ? [] : [`${id} refuses ${what.join(" and ")}`];
    });
    if (closed.length === 0) return ok("they let everything through");
    return broken(
      closed.join("; "),
      `stingy-vpn makes no network ACL: somebody changed it. See \`${aws(facts, `ec2 describe-network-acls --filters Name=vpc-id,Values=${vpc.id}`)}\`, and let all traffic through.`,
    );
  },
};

/** One that Linux and the others give to connections that they begin. */
const ANY_PORT = 45_000;

/** The first rule that fits decides, as AWS reads them; those about a part of the internet are left aside. */
function verdict(
  entries: readonly AclEntry[],
  { outgoing, port }: { readonly outgoing: boolean; readonly port: number },
): boolean {
  const first = entries.find(
    (entry) => entry.outgoing === outgoing && entry.networks.includes(ANYWHERE) && lets(entry, "udp", port),
  );
  return first?.allow === true;
}
