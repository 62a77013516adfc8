import { parseRange, rangeContains } from "../../../modules/network/planner";
import { UNKNOWN } from "../hidden";
import { listed, type Sentence, say } from "../sentence";
import type { Json } from "../terraform-plan";
import type { PlanView, Resource } from "../view";
import type { Meaning, Rule } from "./rule";

const INGRESS = "aws_vpc_security_group_ingress_rule";

/** One way in: a protocol's ports from one source. */
interface Opening {
  readonly address: string;
  readonly protocol: string;
  readonly from: number;
  readonly to: number;
  /** A network, another group, a prefix list. */
  readonly source: string;
  readonly wireguard: boolean;
}

const WORLD = ["0.0.0.0/0", "::/0"];
const ALL_PORTS = { from: 0, to: 65535 };

function openings(resource: Resource, side: Json | undefined): Opening[] {
  if (side === undefined) return [];
  const opening = (protocol: unknown, from: unknown, to: unknown, source: unknown): Opening => {
    const every = String(protocol) === "-1" || from === null || from === undefined || Number(from) < 0;
    return {
      address: resource.address,
      protocol: protocolName(protocol),
      ...(every ? ALL_PORTS : { from: Number(from), to: Number(to ?? from) }),
      source: String(source),
      wireguard: protocolName(protocol) === "udp" && from === to && /wireguard/i.test(resource.name),
    };
  };
  const inline = (rule: Json): Opening[] =>
    [
      ...list(rule.cidr_blocks),
      ...list(rule.ipv6_cidr_blocks),
      ...list(rule.prefix_list_ids),
      ...list(rule.security_groups ?? rule.source_security_group_id),
      ...(rule.self === true ? ["its own group"] : []),
    ].map((source) => opening(rule.protocol, rule.from_port, rule.to_port, source));
  switch (resource.type) {
    case INGRESS: {
      const source =
        side.cidr_ipv4 || side.cidr_ipv6 || side.prefix_list_id || side.referenced_security_group_id || UNKNOWN;
      return [opening(side.ip_protocol, side.from_port, side.to_port, source)];
    }
    case "aws_security_group":
    case "aws_default_security_group":
      // Where rules are resources of their own, the group repeats them here as AWS last told them.
      if (resource.action === "forget" || !resource.changed("ingress") || resource.after?.ingress === UNKNOWN)
        return [];
      return list(side.ingress).flatMap(inline);
    case "aws_security_group_rule":
      return side.type === "ingress" ? inline(side) : [];
    default:
      return [];
  }
}

const PROTOCOLS: Readonly<Record<string, string>> = {
  "-1": "all",
  "1": "icmp",
  "6": "tcp",
  "17": "udp",
  "58": "icmpv6",
};
const protocolName = (protocol: unknown) => PROTOCOLS[String(protocol)] ?? String(protocol).toLowerCase();
const list = (value: Json): Json[] =>
  value === null || value === undefined ? [] : Array.isArray(value) ? value : [value];

function covers(outer: Opening, inner: Opening): boolean {
  if (outer.protocol !== "all" && outer.protocol !== inner.protocol) return false;
  if (outer.from > inner.from || outer.to < inner.to) return false;
  if (outer.source === inner.source) return true;
  const [a, b] = [parseRange(outer.source), parseRange(inner.source)];
  return a !== undefined && b !== undefined && rangeContains(a, b);
}

/** "22/tcp", "all ports and protocols". */
function ports({ protocol, from, to }: Opening): Sentence {
  if (protocol === "all") return ["everything"];
  if (from === ALL_PORTS.from && to === ALL_PORTS.to) return say`every port of ${protocol}`;
  return say`${from === to ? `${from}/${protocol}` : `${from}-${to}/${protocol}`}`;
}

const letsGo = ({ change }: Resource) => change.change.actions.includes("forget");

function allOpenings(plan: PlanView, side: "before" | "after"): Opening[] {
  const types = [INGRESS, "aws_security_group", "aws_default_security_group", "aws_security_group_rule"];
  return plan.of(...types).flatMap((resource) => {
    // What Terraform lets go of stays as it was.
    const stays = side === "after" && letsGo(resource) ? openings(resource, resource.before) : [];
    return [...stays, ...openings(resource, resource[side])];
  });
}

function opened(plan: PlanView): Opening[] {
  const before = allOpenings(plan, "before");
  const after = allOpenings(plan, "after");
  // WireGuard has one port. A second one under its name is something else.
  const [first, ...others] = new Set(after.filter(({ wireguard }) => wireguard).map(({ from }) => from));
  const one = first !== undefined && others.length === 0;
  return after
    .filter((is) => !before.some((was) => covers(was, is)))
    .map((is) => ({ ...is, wireguard: is.wireguard && one }));
}

function closed(plan: PlanView): Opening[] {
  const after = allOpenings(plan, "after");
  return allOpenings(plan, "before").filter((was) => !after.some((is) => covers(is, was)));
}

/** WireGuard's port, if it moves: udp open to the world before and after, and not the same. */
function moved(plan: PlanView): { readonly was: Opening; readonly is: Opening } | undefined {
  const [was] = closed(plan).filter(({ wireguard }) => wireguard);
  const [is] = opened(plan).filter(({ wireguard }) => wireguard);
  return was && is && was.from !== is.from ? { was, is } : undefined;
}

/** IPv4 and IPv6 have a rule each, for one and the same opening. */
function merged(
  all: readonly Opening[],
  text: (one: Opening, sources: readonly string[]) => Omit<Meaning, "about">,
): Meaning[] {
  const groups = new Map<string, Opening[]>();
  for (const one of all) {
    const key = [one.protocol, one.from, one.to, WORLD.includes(one.source)].join(" ");
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].map((same) => ({
    ...text(
      same[0] as Opening,
      same.map(({ source }) => source),
    ),
    about: same.map(({ address }) => address),
  }));
}

const WAY_OUT = [
  "gateway_id",
  "network_interface_id",
  "route_table_id",
  "cidr_ipv4",
  "cidr_ipv6",
  "prefix_list_id",
  "referenced_security_group_id",
  "ip_protocol",
  "from_port",
  "to_port",
];
const NETWORK: Readonly<Record<string, string>> = { aws_vpc: "VPC", aws_subnet: "subnet" };

export const NETWORK_RULES: readonly Rule[] = [
  {
    id: "network-replaced",
    finds: "the VPC or a subnet is replaced or destroyed",
    look: (plan) => {
      const lost = [...plan.lost("aws_vpc"), ...plan.lost("aws_subnet")];
      const what = (action: string) =>
        lost
          .filter((one) => one.action === action)
          .map(({ type, before, address }) => `${NETWORK[type]} ${before?.cidr_block ?? address}`);
      const [replaced, destroyed] = [what("replace"), what("destroy")];
      if (lost.length === 0) return [];
      const parts: Sentence = [
        ...(replaced.length > 0 ? say`${listed(replaced)} ${replaced.length === 1 ? ["is"] : ["are"]} replaced` : []),
        ...(replaced.length > 0 && destroyed.length > 0 ? ["; "] : []),
        ...(destroyed.length > 0
          ? say`${listed(destroyed)} ${destroyed.length === 1 ? ["is"] : ["are"]} destroyed`
          : []),
      ];
      return [
        {
          severity: "danger",
          about: lost.map(({ address }) => address),
          text: say`${parts}: a server in it must end first, so the VPN is off meanwhile. AWS refuses while a server is there: pause the site, wait until the server is gone, deploy every stack, resume.`,
        },
      ];
    },
  },
  {
    id: "way-out-lost",
    finds: "a route, the internet gateway or the right to send is replaced or destroyed",
    look: (plan) => {
      const lost = [
        ...plan.lost("aws_route", "aws_internet_gateway", "aws_route_table"),
        ...plan.lost("aws_vpc_security_group_egress_rule"),
        // It goes with its subnet, which is told of then.
        ...(plan.lost("aws_subnet").length === 0 ? plan.lost("aws_route_table_association") : []),
        // Terraform attaches the gateway to another VPC.
        ...plan.updated("aws_internet_gateway").filter(({ changed }) => changed("vpc_id")),
      ];
      return lost.length === 0
        ? []
        : [
            {
              severity: lost.some(({ action }) => action === "destroy") ? "danger" : "attention",
              about: lost.map(({ address }) => address),
              text: lost.some(({ action }) => action === "destroy")
                ? say`The way to the internet is taken away: devices reach nothing through the VPN.`
                : say`The way to the internet is made anew: no traffic until it is there again.`,
            },
          ];
    },
  },
  {
    id: "way-out-changed",
    finds: "a route leads elsewhere, or the right to send is another",
    look: (plan) =>
      plan
        .updated("aws_route", "aws_route_table_association", "aws_vpc_security_group_egress_rule")
        .filter(({ changed }) => WAY_OUT.some(changed))
        .map(({ address }) => ({
          severity: "attention",
          about: [address],
          text: say`${address}: what the server may send, and to where, changes. Devices reach no more through the VPN than it may.`,
        })),
  },
  {
    id: "firewall-replaced",
    finds: "the security group is replaced or destroyed",
    look: (plan) =>
      plan.lost("aws_security_group").map(({ address, action }) => ({
        severity: "danger",
        about: [address],
        text: say`The security group is ${action === "replace" ? ["replaced"] : ["destroyed"]}: AWS refuses while a server uses it. Pause the site first; the VPN is off meanwhile.`,
      })),
  },
  {
    id: "wireguard-moved",
    finds: "WireGuard's port changes",
    look: (plan) => {
      const port = moved(plan);
      return port
        ? [
            {
              severity: "danger",
              about: opened(plan)
                .filter(({ wireguard }) => wireguard)
                .map(({ address }) => address),
              text: say`WireGuard moves from ${ports(port.was)} to ${ports(port.is)}: every device must be reconfigured.`,
            },
          ]
        : [];
    },
  },
  {
    id: "wireguard-opened",
    finds: "WireGuard's own port is opened to the world, as it must be",
    look: (plan) =>
      merged(
        opened(plan).filter(({ wireguard }) => wireguard && moved(plan) === undefined),
        (one) => ({ severity: "info", text: say`WireGuard answers at ${ports(one)} from everywhere, as it must.` }),
      ),
  },
  {
    id: "wireguard-closed",
    finds: "WireGuard's port is closed",
    look: (plan) =>
      moved(plan) === undefined
        ? merged(
            closed(plan).filter(({ wireguard }) => wireguard),
            (one, sources) => ({
              severity: "danger",
              text: say`WireGuard's port ${ports(one)} is closed for ${listed(sources, 4)}: no device can connect from there any more.`,
            }),
          )
        : [],
  },
  {
    id: "port-opened-to-world",
    finds: "a port other than WireGuard's is opened to the world",
    look: (plan) =>
      merged(
        opened(plan).filter(({ wireguard, source }) => !wireguard && WORLD.includes(source)),
        (one, sources) => ({
          severity: "danger",
          exposure: true,
          text: say`Port opened to the world: ${ports(one)} from ${listed(sources)}.`,
        }),
      ),
  },
  {
    id: "port-opened",
    finds: "a port is opened, or opened to more",
    look: (plan) =>
      merged(
        opened(plan).filter(({ wireguard, source }) => !wireguard && !WORLD.includes(source)),
        (one, sources) => ({
          severity: "attention",
          exposure: true,
          text: say`Port opened: ${ports(one)} from ${listed(sources)}.`,
        }),
      ),
  },
  {
    id: "port-closed",
    finds: "a port is closed, or closed to some",
    look: (plan) =>
      merged(
        closed(plan).filter(({ wireguard }) => !wireguard),
        (one, sources) => ({ severity: "info", text: say`Port closed: ${ports(one)} from ${listed(sources)}.` }),
      ),
  },
  {
    id: "name-changed",
    finds: "a DNS record changes its name, or goes",
    look: (plan) =>
      plan
        .of("cloudflare_dns_record", "cloudflare_record", "aws_route53_record")
        .flatMap(({ address, action, before, after, changed }): Meaning[] => {
          const was = before?.name ?? address;
          if (action === "destroy") {
            return [
              {
                severity: "danger" as const,
                about: [address],
                text: say`The DNS record ${was} (${before?.type ?? "?"}) is destroyed: devices that know the server by this name lose it.`,
              },
            ];
          }
          if (before !== undefined && action !== undefined && changed("name") && after?.name !== was) {
            return [
              {
                severity: "danger" as const,
                about: [address],
                text: say`The DNS name changes from ${was} to ${after?.name ?? "?"}: every device that knows the server by its name must be reconfigured.`,
              },
            ];
          }
          if (action === "replace") {
            return [
              {
                severity: "attention" as const,
                about: [address],
                text: say`The DNS record ${was} is made anew: it names nobody until the DDNS updater has written it.`,
              },
            ];
          }
          if (action === "change" && changed("proxied") && after?.proxied === true) {
            return [
              {
                severity: "danger" as const,
                about: [address],
                text: say`The DNS record ${was} goes behind Cloudflare's proxy, which passes no WireGuard: devices that use the name cannot connect.`,
              },
            ];
          }
          return [];
        }),
  },
];
