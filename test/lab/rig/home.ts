import { connect, Machine } from "../../server/harness/machine";
import { ADDRESSES, type Outside } from "../../server/harness/outside";

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
  ) {}

  static async start(
    outside: Outside,
    number: number,
    port: number,
    { mtu, downMbits }: HomeOptions = {},
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
      { input: rules(port) },
    );
    return new Home(machine, number);
  }

  /** Connects a device by a cable of its own and makes the home its way to the internet. */
  async attach(device: Machine, name: string): Promise<Place> {
    const place = ++this.places;
    const ipv4 = `192.168.${place}`;
    const ipv6 = `2001:db8:d:${this.number}${String(place).padStart(2, "0")}:`;
    await connect(device, name, this.machine, `lan${place}`);
    const at = (end: Machine, port: string, host: number): Promise<string> =>
      end.sh(
        `ip addr add ${ipv4}.${host}/24 dev ${port} && ip addr add ${ipv6}:${host}/64 dev ${port} nodad && ip link set ${port} up`,
      );
    await at(this.machine, `lan${place}`, 1);
    await at(device, name, 2);
    return { ipv4: `${ipv4}.2`, ipv6: `${ipv6}:2`, gatewayIpv4: `${ipv4}.1`, gatewayIpv6: `${ipv6}:1` };
  }

  /** How many packets devices have sent outside of the tunnel, whether they would have got anywhere or not. */
  async leaked(): Promise<number> {
    return Number(/packets (\d+)/.exec(await this.machine.sh("nft list counter inet home leaked"))?.[1]);
  }

  stop(): Promise<void> {
    return this.machine.stop();
  }
}

const rules = (port: number): string => `table inet home {
  counter leaked { }
  chain arriving {
    type filter hook prerouting priority raw; policy accept;
    iifname != "lan*" accept
    udp dport ${port} ip daddr ${ADDRESSES.elastic} accept
    udp dport ${port} ip6 daddr ${ADDRESSES.vpcIpv6} accept
    # What keeps a cable working and goes no further than it.
    icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld2-listener-report } accept
    # A device's own word on the path's MTU to who has sent it something too long.
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
    iifname "lan*" oifname "eth0" accept
  }
  chain leaving {
    type nat hook postrouting priority srcnat; policy accept;
    meta nfproto ipv4 oifname "eth0" masquerade
  }
}
`;
