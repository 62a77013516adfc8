import { connect, Machine } from "../../server/harness/machine";
import { ADDRESSES, type Outside } from "../../server/harness/outside";

let probes = 0;

/**
 * Counts packets on a machine. A rule is a hook and an expression of nft's: prerouting counts what has come before anybody
 * judges it, the other hooks what was let through.
 * @returns what has been counted since
 */
export async function count<Name extends string>(
  machine: Machine,
  rules: Readonly<Record<Name, string>>,
): Promise<() => Promise<Record<Name, number>>> {
  const table = `probe-${++probes}`;
  const split = Object.entries<string>(rules).map(([name, rule]) => {
    const [hook = "", ...rest] = rule.split(" ");
    return { hook, line: `${rest.join(" ")} counter name ${name}` };
  });
  const chains = [...new Set(split.map(({ hook }) => hook))].map(
    (hook) => `chain ${hook} {
    type filter hook ${hook} priority ${hook === "prerouting" ? -310 : 10}; policy accept;
    ${split.flatMap((rule) => (rule.hook === hook ? [rule.line] : [])).join("\n    ")}
  }`,
  );
  const counters = Object.keys(rules).map((name) => `counter ${name} {}`);
  await machine.sh("nft -f -", {
    input: `table inet ${table} {\n  ${[...counters, ...chains].join("\n  ")}\n}\n`,
  });
  return async () => {
    const { nftables } = JSON.parse(await machine.sh(`nft -j list counters table inet ${table}`));
    const counted = nftables.flatMap(({ counter }: { counter?: { name: Name; packets: number } }) => counter ?? []);
    return Object.fromEntries(
      counted.map(({ name, packets }: { name: Name; packets: number }) => [name, packets]),
    ) as Record<Name, number>;
  };
}

/** Where a device is in its home. */
export interface Place {
  readonly ipv4: string;
  readonly ipv6: string;
  readonly gatewayIpv4: string;
  readonly gatewayIpv6: string;
}

export interface HomeOptions {
  /** Of the line to the internet, both ways. @default 1500 */
  readonly mtu?: number;
  /** What the line carries to the home, in Mbit/s. @default - whatever the machine can */
  readonly downMbits?: number;
  /** Of the home's cables. What is too long for one, the home's router says, and AWS's NAT is between it and the server. @default 1500 */
  readonly cableMtu?: number;
  /** Whether nothing comes in over IPv6 that nobody asked for. @default true */
  readonly guardsIpv6?: boolean;
}

/**
 * A home's router: IPv4 leaves by NAT, nothing comes in that nobody asked for, and whatever a device sends that is not
 * WireGuard's to a server is counted as leaked.
 */
export class Home {
  private places = 0;

  private constructor(
    readonly machine: Machine,
    private readonly number: number,
    private readonly cableMtu: number,
  ) {}

  /** Of its line to the internet. */
  get ipv4(): string {
    return `198.18.${this.number}.2`;
  }

  static async start(
    outside: Outside,
    number: number,
    port: number,
    { mtu, downMbits, cableMtu, guardsIpv6 = true }: HomeOptions = {},
  ): Promise<Home> {
    const machine = await Machine.start(`home-${number}`);
    const uplink = { name: `home-${number}`, interface: "eth0" };
    const own = `2001:db8:c:${number}::2`;
    await outside.attach(machine, { ...uplink, ipv4: `198.18.${number}.2/24`, ipv6: `${own}/64` });
    await outside.machine.sh(`ip -6 route add 2001:db8:d:${number}00::/56 via ${own} dev ${uplink.name}`);
    if (mtu !== undefined) {
      await machine.sh(`ip link set eth0 mtu ${mtu}`);
      await outside.machine.sh(`ip link set ${uplink.name} mtu ${mtu}`);
    }
    if (downMbits !== undefined)
      await outside.machine.sh(`tc qdisc add dev ${uplink.name} root tbf rate ${downMbits}mbit burst 64k latency 50ms`);
    await machine.sh(
      "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.send_redirects=0; nft -f -",
      { input: rules(port, guardsIpv6) },
    );
    await translateErrors(outside);
    return new Home(machine, number, cableMtu ?? 1500);
  }

  /** Connects a device by a cable of its own and makes the home its way to the internet. */
  async attach(device: Machine, name: string): Promise<Place> {
    const place = ++this.places;
    const ipv4 = `192.168.${place}`;
    const ipv6 = `2001:db8:d:${this.number}${String(place).padStart(2, "0")}:`;
    await connect(device, name, this.machine, `lan${place}`);
    const at = (end: Machine, port: string, host: number): Promise<string> =>
      end.sh(
        `ip addr add ${ipv4}.${host}/24 dev ${port} && ip addr add ${ipv6}:${host}/64 dev ${port} nodad && ip link set ${port} mtu ${this.cableMtu} up`,
      );
    await at(this.machine, `lan${place}`, 1);
    await at(device, name, 2);
    return { ipv4: `${ipv4}.2`, ipv6: `${ipv6}:2`, gatewayIpv4: `${ipv4}.1`, gatewayIpv6: `${ipv6}:1` };
  }

  /** How many packets devices have sent outside of the tunnel, whether they would have got anywhere or not. */
  leaked(): Promise<number> {
    return this.counted("leaked");
  }

  /** How many handshakes devices have begun. */
  begun(): Promise<number> {
    return this.counted("begun");
  }

  private async counted(name: string): Promise<number> {
    return Number(/packets (\d+)/.exec(await this.machine.sh(`nft list counter inet home ${name}`))?.[1]);
  }

  stop(): Promise<void> {
    return this.machine.stop();
  }
}

/**
 * AWS's NAT also translates the packet that an ICMP error quotes: without that no server, and no host that talks to one,
 * knows the error for its own, and what is too long for a path is lost for ever. ICMP's checksum stays right by a field of
 * its header that nobody reads.
 */
async function translateErrors(outside: Outside): Promise<void> {
  const { nftables } = JSON.parse(await outside.machine.sh("nft -j list map ip elastic inbound"));
  const pairs: [string, string][] = nftables.flatMap(
    ({ map }: { map?: { elem?: [string, string][] } }) => map?.elem ?? [],
  );
  const number = (address: string): number => address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
  const halves = (address: string): number => Math.floor(number(address) / 65536) + (number(address) % 65536);
  const fold = (sum: number): number => (sum > 65535 ? fold(Math.floor(sum / 65536) + (sum % 65536)) : sum);
  const set = (bit: number, from: string, to: string): string =>
    `@th,${bit},32 ${number(from)} @th,32,16 set ${fold(halves(from) + 2 * 65535 - halves(to))} @th,${bit},32 set ${number(to)}`;
  const every = (rule: (outer: string, own: string) => string): string =>
    pairs.flatMap(([outer]) => pairs.map(([, own]) => rule(outer, own))).join("\n    ");
  await outside.machine.sh("nft -f -", {
    input: `table ip quoted
delete table ip quoted
table ip quoted {
  chain arriving {
    type filter hook prerouting priority -299; policy accept;
    icmp type != destination-unreachable accept
    ${every((outer, own) => `ip daddr ${own} ${set(160, outer, own)}`)}
  }
  chain leaving {
    type filter hook postrouting priority 101; policy accept;
    icmp type != destination-unreachable accept
    ${every((outer, own) => `ip saddr ${outer} ${set(192, own, outer)}`)}
  }
}
`,
  });
}

const rules = (port: number, guardsIpv6: boolean): string => `table inet home {
  counter leaked { }
  counter begun { }
  chain arriving {
    type filter hook prerouting priority raw; policy accept;
    iifname != "lan*" accept
    # The first message of a handshake, by length and type.
    udp dport ${port} udp length 156 @th,64,32 0x01000000 counter name begun
    udp dport ${port} ip daddr ${ADDRESSES.elastic} accept
    udp dport ${port} ip6 daddr ${ADDRESSES.vpcIpv6} accept
    # That WireGuard does not listen, or what a server has sent it is too long: such a packet quotes only what is encrypted.
    ip daddr ${ADDRESSES.elastic} icmp type destination-unreachable accept
    ip6 daddr ${ADDRESSES.vpcIpv6} icmpv6 type { destination-unreachable, packet-too-big } accept
    # What keeps a cable working and goes no further than it.
    icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld2-listener-report } accept
    counter name leaked
  }
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iifname "lan*" accept
    meta l4proto { icmp, icmpv6 } accept
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "lan*" oifname "eth0" accept${guardsIpv6 ? "" : '\n    iifname "eth0" oifname "lan*" meta nfproto ipv6 accept'}
  }
  chain leaving {
    type nat hook postrouting priority srcnat; policy accept;
    meta nfproto ipv4 oifname "eth0" masquerade
  }
}
`;
