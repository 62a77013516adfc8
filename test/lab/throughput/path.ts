/**
 * The way of a packet through the server without WireGuard: rules and groups are made by the product's own scripts, then a cable
 * named wg0 takes the tunnel's place. What WireGuard costs, many times the rules, would otherwise hide them.
 */
import { readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { ADDRESSES, keyPair, Machine, type Site, startSite } from "../../server/harness";
import { connect } from "../../server/harness/machine";
import { frame, type Packet } from "./frame";

export const GROUPS = ["full", "internet", "isolated"] as const;
export type Group = (typeof GROUPS)[number];

export interface Member {
  readonly group: Group;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** What a site with these peers has. */
export interface Filled {
  readonly members: readonly Member[];
  /** What stingy-sync has told nft. */
  readonly sets: string;
}

export interface Sent {
  readonly sent: number;
  readonly arrived: number;
  /** Of the processor for each packet, from the call that sends it to where it is counted. */
  readonly nanoseconds: number;
  readonly packetsPerSecond: number;
}

/** up: from a peer to the internet. down: the answers. */
export type Direction = "up" | "down";
/** in: what WireGuard itself receives, once for each packet that is to go up. */
export type Way = Direction | "in";
export type Rules = "stingy" | "plain";

/** Where the packets of figures go. Other ports are for those that are counted one by one. */
export const COUNTED_PORT = 9;
const FIRST_PORT = 20_000;
const WIREGUARD_PORT = 51_820;
const DEVICE = "198.18.1.2";
/** As many connections as figures are made of. */
export const CONNECTIONS = 3;

const SENDER = readFileSync(path.join(__dirname, "blast.py"), "utf8");

/** Neighbours in a set are of different groups, as nft would make one range of addresses that follow each other. */
export const member = (n: number, group: Group = GROUPS[n % GROUPS.length] as Group): Member => ({
  group,
  ipv4: `10.8.${Math.floor((n + 2) / 256)}.${(n + 2) % 256}`,
  ipv6: `fd53::${(n + 2).toString(16)}`,
});

/** The first, the middle and the last of a group. */
export function spread(members: readonly Member[], group: Group): Member[] {
  const own = members.filter((each) => each.group === group);
  return [0, Math.floor(own.length / 2), own.length - 1]
    .map((index) => own[index])
    .filter((each) => each !== undefined);
}

/** As tutorials have it. */
const PLAIN = `table inet plain {
  chain out { type nat hook postrouting priority srcnat; oifname "ens5" masquerade; }
}
`;

/** Puts plain rules beside ours, asleep. */
export const ADD_PLAIN = `${PLAIN}add table inet plain { flags dormant; }\n`;

/** Which rules hold. All stay loaded, so that nothing but being asked distinguishes them. */
export const switchTo = (rules: Rules): string =>
  (["stingy", "plain"] as const)
    .map((name) => `add table inet ${name}${rules === name ? "" : " { flags dormant; }"}\n`)
    .join("");

/** Behind all other rules for what the server itself receives. */
const RECEIVED = `table inet received {
  counter arrived { }
  chain in { type filter hook input priority 300; policy accept; udp dport ${WIREGUARD_PORT} counter name arrived; }
}
`;

/** In WireGuard's place: answers once, so that connections are established, and reads nothing more, which costs nothing. */
const RECEIVER = `import socket, time
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("", ${WIREGUARD_PORT}))
print("bound", flush=True)
for _ in range(${CONNECTIONS}):
    receiver.sendto(b"", receiver.recvfrom(100)[1])
time.sleep(1e6)
`;

/** Counts and takes away what has come to the end of a cable, before that machine looks at it. */
const sink = (device: string, port: "sport" | "dport"): string => `table netdev sink {
  counter arrived { }
  set seen { type inet_service; size 65535; flags dynamic; }
  chain in {
    type filter hook ingress device "${device}" priority -500; policy accept;
    udp ${port} ${COUNTED_PORT} counter name arrived drop
    udp dport >= ${FIRST_PORT} update @seen { udp dport counter } drop
  }
}
`;

export class Path {
  private constructor(
    readonly site: Site,
    /** At the other end of wg0. */
    private readonly peers: Machine,
    readonly macs: { readonly wg0: string; readonly ens5: string },
  ) {}

  /** @returns what each of these sets of peers makes of the rules, and the way with the last of them */
  static async start(sets: readonly (readonly Member[])[]): Promise<{ path: Path; filled: Filled[] }> {
    const site = await startSite({
      store: "memory",
      bootstrap: { tunnelIpv4: "10.8.0.1/16", isolatedNetworks: [`${ADDRESSES.web}/32`, `${ADDRESSES.webIpv6}/128`] },
    });
    try {
      const { code, stderr } = await site.a.run("stingy-firewall");
      if (code !== 0) throw new Error(`stingy-firewall: ${stderr}`);
      const filled: Filled[] = [];
      for (const members of sets) filled.push(await fill(site, members));
      return { path: await Path.lay(site), filled };
    } catch (error) {
      await site.stop();
      throw error;
    }
  }

  private static async lay(site: Site): Promise<Path> {
    const { machine } = site.a;
    const peers = await Machine.start("peers");
    try {
      await machine.sh("ip link del wg0");
      await connect(machine, "wg0", peers, "eth0");
      // Without ARP, as there is none in a tunnel either.
      await machine.sh(
        "ip link set wg0 mtu 1420 arp off && ip addr add 10.8.0.1/16 dev wg0 && ip addr add fd53::1/64 dev wg0 nodad && ip link set wg0 up",
      );
      await peers.sh("ip link set eth0 arp off up && nft -f -", { input: sink("eth0", "sport") });
      await site.outside.machine.sh("nft -f -", { input: sink("server-a", "dport") });
      await machine.sh("nft -f -", {
        // A server that serves knows where its peers are.
        input: `${ADD_PLAIN}${RECEIVED}add element inet stingy endpoints4 { ${Array.from(
          { length: CONNECTIONS },
          (_, index) => `${DEVICE} . ${FIRST_PORT + index}`,
        ).join(", ")} }\n`,
      });
      await machine.spawn(["python3", "-c", RECEIVER]).waitFor(/bound/);
      const mac = (name: string): Promise<string> => machine.sh(`cat /sys/class/net/${name}/address`);
      return new Path(site, peers, { wg0: await mac("wg0"), ens5: await mac("ens5") });
    } catch (error) {
      await peers.stop();
      throw error;
    }
  }

  /** Makes other peers the site's. */
  async use({ sets }: Filled): Promise<void> {
    await this.site.a.sh("nft -f -", { input: sets });
  }

  async rule(rules: Rules): Promise<void> {
    await this.site.a.sh("nft -f -", { input: switchTo(rules) });
  }

  /** What sending alone costs: packets are counted at the server's door and go no further. */
  async shut(): Promise<void> {
    await this.site.a.sh("nft -f -", {
      input: `table netdev door {
  counter arrived { }
  chain in { type filter hook ingress devices = { "wg0", "ens5" } priority -500; policy accept; udp dport { ${COUNTED_PORT}, ${WIREGUARD_PORT} } counter name arrived drop; udp sport ${COUNTED_PORT} counter name arrived drop; }
}
`,
    });
  }
  async open(): Promise<void> {
    await this.site.a.sh("nft delete table netdev door");
  }

  /** One address of the tunnel and one connection each, over and over. */
  async blast(from: readonly Member[], way: Way, milliseconds: number, shut = false): Promise<Sent> {
    const server = this.site.a;
    const up = from.map(({ ipv4 }, index) => ({
      from: way === "in" ? DEVICE : ipv4,
      fromPort: FIRST_PORT + index,
      to: way === "in" ? server.ipv4 : ADDRESSES.web,
      toPort: way === "in" ? WIREGUARD_PORT : COUNTED_PORT,
    }));
    const down = up.map(({ fromPort, to, toPort }) => ({
      from: to,
      fromPort: toPort,
      to: server.ipv4,
      toPort: fromPort,
    }));
    // There must be a connection before its answers, and before its second packet.
    if (!shut) await this.send(way === "in" ? "down" : "up", up, { rounds: 2 });
    const [at, table] = shut
      ? [server.machine, "netdev door"]
      : {
          up: [this.site.outside.machine, "netdev sink"] as const,
          down: [this.peers, "netdev sink"] as const,
          in: [server.machine, "inet received"] as const,
        }[way];
    const counter = async (): Promise<number> =>
      Number(/packets (\d+)/.exec(await at.sh(`nft list counter ${table} arrived`))?.[1]);
    const before = await counter();
    const { sent, processorNs, ns } = await this.send(way === "up" ? "up" : "down", way === "down" ? down : up, {
      milliseconds,
    });
    const arrived = (await counter()) - before;
    return { sent, arrived, nanoseconds: processorNs / sent, packetsPerSecond: (arrived / ns) * 1e9 };
  }

  /** Sends each of these once. @returns how many of each have come out of the server, on whichever side */
  async probe(packets: readonly Omit<Packet, "toPort">[]): Promise<number[]> {
    const ends = [this.site.outside.machine, this.peers];
    for (const end of ends) await end.sh("nft flush set netdev sink seen");
    await this.send(
      "up",
      packets.map((packet, index) => ({ ...packet, toPort: FIRST_PORT + index })),
      { rounds: 1 },
    );
    const counts = packets.map(() => 0);
    for (const end of ends) {
      const { nftables } = JSON.parse(await end.sh("nft -j list set netdev sink seen"));
      const elements: { elem: { val: number; counter: { packets: number } } }[] = nftables.flatMap(
        ({ set }: { set?: { elem?: [] } }) => set?.elem ?? [],
      );
      for (const { elem } of elements)
        counts[elem.val - FIRST_PORT] = (counts[elem.val - FIRST_PORT] ?? 0) + elem.counter.packets;
    }
    return counts;
  }

  private async send(
    direction: Direction,
    packets: readonly Packet[],
    how: { milliseconds: number } | { rounds: number },
  ) {
    const [machine, name, mac] =
      direction === "up"
        ? [this.peers, "eth0", this.macs.wg0]
        : [this.site.outside.machine, "server-a", this.macs.ens5];
    const frames = packets.map((packet) => frame(packet, mac).toString("hex"));
    // Not the first processor, which has most of a machine's interrupts.
    const order = { interface: name, cpu: os.availableParallelism() - 1, frames, ...how };
    const file = "/run/blast.py";
    machine.write(file, SENDER);
    return JSON.parse(await machine.sh(`python3 ${file}`, { input: JSON.stringify(order) })) as {
      sent: number;
      processorNs: number;
      ns: number;
    };
  }

  async stop(): Promise<void> {
    await Promise.all([this.peers.stop(), this.site.stop()]);
  }
}

async function fill(site: Site, members: readonly Member[]): Promise<Filled> {
  for (const name of await site.store.names()) if (name.startsWith("peers/")) await site.store.delete(name);
  for (const [index, { group, ipv4, ipv6 }] of members.entries())
    await site.store.put(`peers/device-${index}`, { publicKey: keyPair().publicKey, addresses: [ipv4, ipv6], group });
  const { code, log, stderr } = await site.a.run("stingy-sync", { timeoutMs: 120_000 });
  const done = log.find(({ event }) => event === "in-step");
  if (code !== 0 || done?.fields.peers !== String(members.length)) throw new Error(`stingy-sync: ${stderr}`);
  return { members, sets: JSON.parse(site.a.file("/run/stingy/config.json")).nft };
}
