import path from "node:path";
import { SERVICES, type Service } from "./aws";
import { connect, Machine, type Running, temporaryFolder } from "./machine";

/** Where things are. Servers are in two subnets of one VPC, as two availability zones have them. */
export const ADDRESSES = {
  metadata: "169.254.169.254",
  metadataIpv6: "fd00:ec2::254",
  time: "169.254.169.123",
  /** Nobody listens there: whoever asks for a name that /etc/hosts does not have learns at once that there is none. */
  names: "169.254.169.253",
  services: {
    ssm: "203.0.113.11",
    ec2: "203.0.113.12",
    monitoring: "203.0.113.13",
    events: "203.0.113.14",
    logs: "203.0.113.15",
  },
  vpc: "10.0.0.0/16",
  vpcIpv6: "2001:db8:a::/56",
  /** Every public address that the 1:1 NAT gives out, the Elastic IP included. */
  elastic: "198.51.100.0/24",
  web: "192.0.2.80",
  webIpv6: "2001:db8:80::80",
} as const;

/** Where a machine is connected to the internet. */
export interface Attachment {
  readonly interface: string;
  readonly ipv4: string;
  readonly gatewayIpv4: string;
  readonly ipv6: string | undefined;
  readonly gatewayIpv6: string | undefined;
}

interface Route {
  readonly host: string;
  readonly port: number;
  readonly sockets: Readonly<Record<string, string>>;
}

/**
 * All that is not a server or a client: the internet, which gives each server its public address by a 1:1 NAT without
 * memory, as AWS does; the metadata and time services; the services' addresses; a web host.
 */
export class Outside {
  private readonly running: Running[] = [];

  private constructor(
    readonly machine: Machine,
    readonly web: Machine,
    /** For the Unix sockets of the fakes. */
    readonly folder: string,
  ) {}

  static async start(hopLimit: number): Promise<Outside> {
    const [machine, web] = await Promise.all([Machine.start("outside"), Machine.start("web")]);
    const own = [ADDRESSES.metadata, ADDRESSES.time, ADDRESSES.names, ...Object.values(ADDRESSES.services)];
    const outside = new Outside(machine, web, temporaryFolder("site"));
    await machine.sh(
      [
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.send_redirects=0",
        ...own.map((address) => `ip addr add ${address}/32 dev lo`),
        `ip addr add ${ADDRESSES.metadataIpv6}/128 dev lo`,
        // So that what leads nowhere fails at once.
        "ip route add unreachable default && ip -6 route add unreachable default",
        `nft -f - <<'END'\n${NAT}END`,
      ].join("\n"),
    );
    await outside.setHopLimit(hopLimit);
    await outside.attach(web, {
      name: "web",
      interface: "eth0",
      ipv4: `${ADDRESSES.web}/24`,
      ipv6: `${ADDRESSES.webIpv6}/64`,
    });
    const server = web.spawn(["node", path.join(__dirname, "web.cjs")], { env: NODE });
    outside.running.push(server);
    await server.waitFor(/^serving$/m);
    return outside;
  }

  /** Connects a machine by an interface of its own and, unless told otherwise, makes that its default route. */
  async attach(
    machine: Machine,
    to: {
      /** The internet's end of the cable. */
      readonly name: string;
      readonly interface: string;
      /** With the length of its network, whose first address the internet takes. */
      readonly ipv4: string;
      readonly ipv6?: string | undefined;
      /** @default - everything */
      readonly routes?: readonly string[];
    },
  ): Promise<Attachment> {
    await connect(machine, to.interface, this.machine, to.name);
    const gatewayIpv4 = to.ipv4.replace(/\d+\/\d+$/, "1");
    const gatewayIpv6 = to.ipv6?.replace(/[0-9a-f]*\/\d+$/, "1");
    const prefix = (address: string): string => address.replace(/^.*\//, "/");
    const at = (end: Machine, name: string, ipv4: string, ipv6: string | undefined) =>
      end.sh(
        [
          `ip addr add ${ipv4} dev ${name}`,
          // Otherwise an IPv6 address is tentative for a second.
          ...(ipv6 === undefined ? [] : [`ip addr add ${ipv6} dev ${name} nodad`]),
          `ip link set ${name} up`,
        ].join(" && "),
      );
    await at(this.machine, to.name, gatewayIpv4 + prefix(to.ipv4), gatewayIpv6 && gatewayIpv6 + prefix(to.ipv6 ?? ""));
    await at(machine, to.interface, to.ipv4, to.ipv6);
    for (const route of to.routes ?? ["0.0.0.0/0", "::/0"]) {
      const gateway = route.includes(":") ? gatewayIpv6 : gatewayIpv4;
      if (gateway !== undefined) await machine.sh(`ip route add ${route} via ${gateway} dev ${to.interface}`);
    }
    const bare = (address: string): string => address.replace(/\/.*/, "");
    return { interface: to.interface, ipv4: bare(to.ipv4), gatewayIpv4, ipv6: to.ipv6 && bare(to.ipv6), gatewayIpv6 };
  }

  /** Hands connections to the fakes. @param metadata a Unix socket by the server's private address */
  async forward(aws: string, metadata: Readonly<Record<string, string>>): Promise<void> {
    const routes: Route[] = [
      ...[ADDRESSES.metadata, ADDRESSES.metadataIpv6].map((host) => ({ host, port: 80, sockets: metadata })),
      ...Object.values(ADDRESSES.services).map((host) => ({ host, port: 443, sockets: { "*": aws } })),
    ];
    const forwarder = path.join(__dirname, "forwarder.cjs");
    const running = this.machine.spawn(["node", forwarder, JSON.stringify(routes)], { env: NODE });
    this.running.push(running);
    await running.waitFor(/^forwarding$/m);
  }

  /** A real NTP server, which leaves the machine's clock alone. */
  async serveTime(): Promise<void> {
    const settings = [
      "local stratum 1",
      "allow",
      `bindaddress ${ADDRESSES.time}`,
      "cmdport 0",
      "pidfile /run/chronyd.pid",
    ];
    this.machine.write("/run/chrony.conf", `${settings.join("\n")}\n`);
    this.running.push(this.machine.spawn(["chronyd", "-x", "-n", "-u", "root", "-f", "/run/chrony.conf"]));
  }

  /** Public address by private address: all there are. A server without one reaches its VPC and link-local services only. */
  async assign(publicAddresses: ReadonlyMap<string, string>): Promise<void> {
    const pairs = [...publicAddresses];
    const elements = (name: string, list: readonly string[]): string =>
      list.length === 0 ? "" : `add element ip elastic ${name} { ${list.join(", ")} }\n`;
    await this.load(
      ["inbound", "outbound"].map((map) => `flush map ip elastic ${map}\n`).join("") +
        "flush set ip elastic public\n" +
        elements(
          "inbound",
          pairs.map(([from, to]) => `${to} : ${from}`),
        ) +
        elements(
          "outbound",
          pairs.map(([from, to]) => `${from} : ${to}`),
        ) +
        elements(
          "public",
          pairs.map(([from]) => from),
        ),
    );
  }

  /** Makes a service's address refuse or swallow connections. */
  async setNetwork(service: Service, fault: "refuse" | "blackhole" | undefined): Promise<void> {
    const address = ADDRESSES.services[service];
    const verdict = { refuse: "reject with tcp reset", blackhole: "drop" };
    const rule = fault && `add rule ip elastic ${service} ip daddr ${address} meta l4proto tcp ${verdict[fault]}\n`;
    await this.load(`flush chain ip elastic ${service}\n${rule ?? ""}`);
  }

  /** How many machines an answer of the metadata service passes. EC2 limits so the token's answer, without which the others are refused. */
  async setHopLimit(hops: number): Promise<void> {
    await this.load(
      `flush chain ip elastic answering\nadd rule ip elastic answering ip saddr ${ADDRESSES.metadata} ip ttl set ${hops}\n` +
        `flush chain ip6 metadata answering\nadd rule ip6 metadata answering ip6 saddr ${ADDRESSES.metadataIpv6} ip6 hoplimit set ${hops}\n`,
    );
  }

  private async load(rules: string): Promise<void> {
    await this.machine.sh("nft -f -", { input: rules });
  }

  async stop(): Promise<void> {
    await Promise.all([this.machine.stop(), this.web.stop()]);
  }
}

/** Node.js may be where systemd's path does not lead. */
const NODE = { PATH: `${path.dirname(process.execPath)}:${process.env.PATH}` };

const NAT = `table ip elastic {
  map inbound { type ipv4_addr : ipv4_addr; }
  map outbound { type ipv4_addr : ipv4_addr; }
  set public { type ipv4_addr; }
  chain arriving {
    type filter hook prerouting priority raw; policy accept;
    ip daddr set ip daddr map @inbound
    # A public address that nobody has: silence.
    ip daddr ${ADDRESSES.elastic} drop
    iifname "server-*" ip saddr @public accept
    iifname "server-*" ip daddr { ${ADDRESSES.vpc}, 169.254.0.0/16 } accept
    iifname "server-*" drop
  }
  chain leaving {
    type filter hook postrouting priority srcnat; policy accept;
    oifname != "server-*" ip saddr set ip saddr map @outbound
  }
  chain answering {
    type filter hook output priority filter; policy accept;
  }
  chain services {
    type filter hook input priority filter; policy accept;
    ${SERVICES.map((service) => `jump ${service}`).join("\n    ")}
  }
${SERVICES.map((service) => `  chain ${service} {\n  }\n`).join("")}}
table ip6 metadata {
  chain answering {
    type filter hook output priority filter; policy accept;
  }
}
`;
