import { readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { serverBootstrap } from "../../modules/bootstrap";
import { ADDRESSES, type Client, eventually, type Machine, type Server, type Site, startSite } from "./harness";

/** Hosts that the web machine also is. */
const HOSTS = {
  web: ADDRESSES.web,
  webIpv6: ADDRESSES.webIpv6,
  vpc: "10.0.3.7",
  vpcIpv6: "2001:db8:a:3::7",
  otherOfVpc: "10.0.4.7",
  otherOfVpcIpv6: "2001:db8:a:4::7",
  // Public, and in the VPC's second range.
  vpcPublic: "198.19.7.7",
  private10: "10.99.0.7",
  private172: "172.20.0.7",
  private192: "192.168.7.7",
  carrier: "100.100.0.7",
  privateIpv6: "fd99::7",
} as const;
type Host = keyof typeof HOSTS;
const EVERYWHERE = Object.keys(HOSTS) as Host[];

const WEB = readFileSync(path.join(__dirname, "harness/web.cjs"), "utf8");
const NODE = { PATH: `${path.dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin` };
const url = (host: string, rest = "/"): string => `http://${host.includes(":") ? `[${host}]` : host}${rest}`;

/** Makes a machine a host that answers HTTP on 80 and echoes on 7. */
async function serve(machine: Machine): Promise<void> {
  await machine.spawn(["node", "-e", WEB], { env: NODE }).waitFor(/^serving$/m);
}
/** Which of these hosts answer, asked all at once. */
async function reached<Name extends string>(client: Client, hosts: Readonly<Record<Name, string>>): Promise<Name[]> {
  const asked = (Object.entries(hosts) as [Name, string][]).map(async ([name, host]) => {
    const { code } = await client.http(url(host), { timeoutMs: 2000 });
    return code === 0 ? [name] : [];
  });
  return (await Promise.all(asked)).flat();
}
/** What packets do, counted by rules of the test's own. */
async function count(machine: Machine, hook: string, rules: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.entries(rules).map(([name, rule]) => `${rule} counter name ${name}`);
  await machine.sh("nft -f -", {
    input: `table inet probe {}
delete table inet probe
table inet probe {
  ${Object.keys(rules)
    .map((name) => `counter ${name} {}`)
    .join("\n  ")}
  chain probe {
    type filter hook ${hook} priority -290; policy accept;
    ${lines.join("\n    ")}
  }
}
`,
  });
}
async function counted(machine: Machine): Promise<Record<string, number>> {
  const { nftables } = JSON.parse(await machine.sh("nft -j list counters table inet probe"));
  const counters = nftables.flatMap((entry: { counter?: { name: string; packets: number } }) => entry.counter ?? []);
  return Object.fromEntries(counters.map(({ name, packets }: { name: string; packets: number }) => [name, packets]));
}
/** Sends what no well-behaved program sends. `packets` is Python that has `ip`, `ip6`, `icmp6` and struct. */
async function raw(machine: Machine, packets: string): Promise<void> {
  await machine.sh("python3 -", {
    input: `import socket, struct
def checksum(data):
    data += b"\\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
def header(protocol, source, target, length):
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, 1, 0x4000, 64, protocol, 0, socket.inet_aton(source), socket.inet_aton(target))
def ip(protocol, source, target, data):
    sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    sender.sendto(header(protocol, source, target, len(data)) + data, (target, 0))
def udp(port, to, data):
    return struct.pack("!HHHH", port, to, 8 + len(data), 0) + data
def icmp(kind, code, rest, data):
    packet = struct.pack("!BBHI", kind, code, 0, rest) + data
    return packet[:2] + struct.pack("!H", checksum(packet)) + packet[4:]
def tcp(source, target, port, to, flags, data=b""):
    segment = struct.pack("!HHIIBBHHH", port, to, 1000, 2000, 0x50, flags, 64240, 0, 0) + data
    pseudo = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!BBH", 0, 6, len(segment))
    return segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]
def icmp6(target, packet, device=None):
    sender = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
    sender.sendto(packet, (target, 0, 0, socket.if_nametoindex(device) if device else 0))
${packets}
`,
  });
}

describe("the firewall", () => {
  let site: Site;
  let a: Server;
  let alice: Client;
  let carol: Client;
  let bob: Client;
  let dave: Client;
  let stranger: Client;

  const load = () => a.run("stingy-firewall");
  // Without what its counters have counted: packets come at any time.
  const rules = (): Promise<string> => a.sh("nft -s list table inet stingy");
  const setGroup = async (client: Client, group: string): Promise<void> => {
    const { publicKey, presharedKey, addresses } = client.peer;
    await site.store.put(`peers/${client.name}`, { publicKey, presharedKey, addresses, group });
    expect((await a.run("stingy-sync")).code).to.equal(0);
  };
  const rulesFile = (bootstrap: object) =>
    a.install(
      serverBootstrap({ ...site.bootstrap, ...bootstrap }).files.filter(
        ({ path }) => path === "/etc/stingy/firewall.nft",
      ),
    );
  const vpcRanges = (version: 4 | 6): string =>
    `meta-data/network/interfaces/macs/${mac}/vpc-ipv${version}-cidr-blocks`;
  let mac = "";

  before(async () => {
    site = await startSite({
      hopLimit: 64,
      peers: ["alice", "carol", { name: "bob", group: "internet" }, { name: "dave", group: "isolated" }],
      bootstrap: {
        isolatedNetworks: ["10.0.3.0/24", "2001:db8:a:3::/64"],
        // The tunnel among them, which changes nothing for it.
        adminCidrs: ["198.18.1.0/24", "2001:db8:c:1::/64", "10.8.0.0/24", "fd53::/64"],
      },
    });
    a = site.a;
    [alice, carol, bob, dave] = site.clients as [Client, Client, Client, Client];
    stranger = await site.startClient(site.newPeer("stranger"));
    mac = await a.sh("cat /sys/class/net/ens5/address");
    a.imds.more[vpcRanges(4)] = "10.0.0.0/16\n198.19.7.0/24";

    const { machine, web } = site.outside;
    const more = Object.values(HOSTS).filter((host) => host !== HOSTS.web && host !== HOSTS.webIpv6);
    await web.sh(more.map((host) => `ip addr add ${host} dev lo`).join(" && "));
    await machine.sh(
      more
        .map((host) => `ip route add ${host} via ${host.includes(":") ? ADDRESSES.webIpv6 : ADDRESSES.web}`)
        .join(" && "),
    );
    // Others that AWS has at link-local addresses: its resolver.
    await machine.sh("ip addr replace 169.254.169.253/32 dev lo && ip addr replace fd00:ec2::253/128 dev lo");
    await load();
    await a.run("stingy-sync");
    await Promise.all(
      [alice, carol, bob, dave].map(async (client) => {
        // Beside the tunnel there is a way to the server, and to nothing else of the VPC.
        await client.sh(
          "ip route add 2001:db8:a:1::10 via $(ip -6 route show 2001:db8:a::/56 | awk '{ print $3 }') && ip -6 route del 2001:db8:a::/56",
        );
        await client.up();
        await client.reaches("10.8.0.1");
        await serve(client.machine);
      }),
    );
    await serve(a.machine);
  });
  after(async () => {
    await site?.stop();
  });

  describe("keeps what is the server's own from its peers", () => {
    const LINK_LOCAL = ["169.254.169.254", "169.254.169.123", "169.254.169.253", "fd00:ec2::254", "fd00:ec2::253"];

    it("its credentials, although the metadata service would answer through it", async () => {
      const credentials = "/latest/meta-data/iam/security-credentials/";
      for (const host of ["169.254.169.254", "fd00:ec2::254"]) {
        const token = `curl -gsf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' ${url(host, "/latest/api/token")}`;
        expect(
          await a.sh(`curl -gsf -m 5 -H "X-aws-ec2-metadata-token: $(${token})" ${url(host, credentials)}`),
        ).to.equal("stingy-server");
      }
      const requests = a.imds.requests.length;
      const hosts = { ipv4: "169.254.169.254", ipv6: "fd00:ec2::254" };
      expect(await Promise.all([alice, bob, dave].map((client) => reached(client, hosts)))).to.deep.equal([[], [], []]);
      expect(a.imds.requests.length).to.equal(requests);
    });

    it("all of AWS's link-local services", async () => {
      await count(site.outside.machine, "prerouting", { arrived: `iifname server-a ip daddr 169.254.169.253` });
      for (const host of LINK_LOCAL) await a.sh(`ping -c 1 -W 2 ${host}`);
      const pings = [alice, bob, dave].flatMap((client) =>
        LINK_LOCAL.map((host) => client.ping(host, { count: 1 }).then(({ received }) => received)),
      );
      expect(await Promise.all(pings)).to.deep.equal(pings.map(() => 0));
      // The server's own.
      expect(await counted(site.outside.machine)).to.deep.equal({ arrived: 1 });
    });

    it("all of itself but an answer to a ping", async () => {
      for (const host of ["10.8.0.1", "fd53::1", "10.0.1.10"]) {
        expect(await a.sh(`curl -gs -m 5 ${url(host)}`)).not.to.equal("");
        expect((await alice.ping(host, { count: 1 })).received, host).to.equal(1);
      }
      const hosts = { own: "10.8.0.1", ownIpv6: "fd53::1", subnet: "10.0.1.10" };
      await count(a.machine, "input", {
        connections: "iifname wg0 tcp dport 80",
        datagrams: "iifname wg0 udp dport { 7, 51820 }",
      });
      expect(await reached(alice, hosts)).to.deep.equal([]);
      await alice.sh(
        "for host in 10.8.0.1 fd53::1; do for port in 7 51820; do echo x >/dev/udp/$host/$port; done; done",
      );
      await eventually("the packets have come", async () => (await counted(a.machine)).datagrams === 4);
      expect((await counted(a.machine)).connections).to.be.greaterThan(2);
    });
  });

  describe("lets peers of a group reach", () => {
    const FULL = { alice: "10.8.0.2", aliceIpv6: "fd53::2", carol: "10.8.0.3" };
    const NOT_FULL = { bob: "10.8.0.4", bobIpv6: "fd53::4", dave: "10.8.0.5", daveIpv6: "fd53::5" };

    // A connection fails already when only the answer is dropped.
    const countPeers = (clients: readonly Client[]) =>
      Promise.all(clients.map(({ machine }) => count(machine, "input", { peers: "iifname wg0 meta l4proto tcp" })));
    const fromPeers = (clients: readonly Client[]) =>
      Promise.all(clients.map(async ({ machine }) => (await counted(machine)).peers));

    it("full: the internet, the VPC and other full peers", async () => {
      expect(await reached(alice, HOSTS)).to.have.members(EVERYWHERE);
      expect(await reached(carol, { alice: "10.8.0.2", aliceIpv6: "fd53::2" })).to.have.members(["alice", "aliceIpv6"]);
      await countPeers([bob, dave]);
      expect(await reached(carol, NOT_FULL)).to.deep.equal([]);
      expect(await fromPeers([bob, dave])).to.deep.equal([0, 0]);
    });

    it("internet: the internet only, without anything private, even where the VPC's range is public", async () => {
      await countPeers([alice, carol, dave]);
      const others = { ...HOSTS, ...FULL, dave: "10.8.0.5", daveIpv6: "fd53::5" };
      expect(await reached(bob, others)).to.have.members(["web", "webIpv6"]);
      expect(await fromPeers([alice, carol, dave])).to.deep.equal([0, 0, 0]);
    });

    it("isolated: the networks named only", async () => {
      await countPeers([alice, carol, bob]);
      const others = { ...HOSTS, ...FULL, bob: "10.8.0.4", bobIpv6: "fd53::4" };
      expect(await reached(dave, others)).to.have.members(["vpc", "vpcIpv6"]);
      expect(await fromPeers([alice, carol, bob])).to.deep.equal([0, 0, 0]);
    });

    it("full, where peers are kept apart: no other peers", async () => {
      rulesFile({ betweenPeers: false });
      expect((await load()).code).to.equal(0);
      expect(await reached(carol, { alice: "10.8.0.2", aliceIpv6: "fd53::2" })).to.deep.equal([]);
      expect(await reached(carol, { web: HOSTS.web, vpc: HOSTS.vpc })).to.have.members(["web", "vpc"]);
      rulesFile({});
      expect((await load()).code).to.equal(0);
      expect(await reached(carol, { alice: "10.8.0.2" })).to.deep.equal(["alice"]);
    });

    it("isolated, without any network: nothing", async () => {
      rulesFile({ isolatedNetworks: [] });
      expect((await load()).code).to.equal(0);
      expect(await reached(dave, HOSTS)).to.deep.equal([]);
      rulesFile({});
      expect((await load()).code).to.equal(0);
    });

    it("none: nothing, though the tunnel is up", async () => {
      await a.sh("nft 'flush set inet stingy full4; flush set inet stingy full6'");
      expect(await reached(carol, { ...HOSTS, alice: "10.8.0.2" })).to.deep.equal([]);
      expect((await carol.ping("10.8.0.1", { count: 1 })).received).to.equal(1);
      await a.run("stingy-sync");
      expect(await reached(carol, { web: HOSTS.web })).to.deep.equal(["web"]);
    });
  });

  describe("judges connections that are open by the group of now", () => {
    const ECHO = `const net = require("node:net");
const socket = net.connect(7, "${HOSTS.web}");
let sent = 0;
socket.on("connect", () => setInterval(() => socket.write(\`\${++sent}\\n\`), 50));
socket.on("data", (data) => process.stdout.write(data));
socket.on("error", (error) => { console.log(error.message); process.exit(1); });
socket.on("close", () => process.exit(1));`;
    const talk = (client: Client) => {
      const running = client.machine.spawn(["node", "-e", ECHO], { env: NODE });
      return {
        running,
        last: (): number => Number(running.stdout.trimEnd().split("\n").pop()),
        goesOn: async (): Promise<void> => {
          const from = running.stdout.length;
          await eventually("echoes come", () => running.stdout.length > from, 20_000);
        },
      };
    };

    it("at once, and without ending them", async () => {
      const { running, goesOn } = talk(carol);
      await goesOn();
      await setGroup(carol, "isolated");
      // What was on its way.
      await a.sh("ping -c 1 -W 1 10.8.0.3");
      await count(a.machine, "forward", { sent: `ip saddr 10.8.0.3 ip daddr ${HOSTS.web}` });
      await count(site.outside.web, "input", { came: `tcp dport 7 ip saddr ${site.address}` });
      await eventually("carol sends on", async () => ((await counted(a.machine)).sent ?? 0) > 1);
      expect(await counted(site.outside.web)).to.deep.equal({ came: 0 });
      expect(running.running).to.equal(true);
      await setGroup(carol, "full");
      await goesOn();
      await running.stop();
    });

    it("and loading the firewall again ends none and loses nothing", async () => {
      const { running, goesOn } = talk(carol);
      await goesOn();
      const flood = alice.flood(HOSTS.web);
      for (let n = 0; n < 3; n++) {
        expect((await load()).code).to.equal(0);
        await goesOn();
      }
      expect((await flood.stop()).lost).to.equal(0);
      expect(running.running).to.equal(true);
      await running.stop();
    });
  });

  describe("gives the server's address", () => {
    it("to all that leaves by the default route, IPv6 too", async () => {
      for (const client of [alice, bob]) {
        expect((await client.http(url(HOSTS.web))).stdout).to.equal(`${site.address}\n`);
        expect((await client.http(url(HOSTS.webIpv6))).stdout).to.equal("2001:db8:a:1::10\n");
      }
    });

    it("to nothing else", async () => {
      expect((await carol.http(url("10.8.0.2"))).stdout).to.equal("10.8.0.3\n");
      expect((await carol.http(url("fd53::2"))).stdout).to.equal("fd53::3\n");
    });
  });

  describe("does not believe", () => {
    const PROBES = {
      input: `iifname { wg0, ens5 } ip saddr { 10.8.0.0/24, 192.0.2.99 }`,
    };
    before(async () => {
      // What the kernel itself refuses would prove nothing.
      await a.sh("for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done");
    });
    after(async () => {
      await a.sh("systemctl restart systemd-sysctl");
    });

    it("an address of the tunnel that comes from outside", async () => {
      await count(a.machine, "input", PROBES);
      await count(site.outside.machine, "output", { sent: "ip saddr 10.8.0.0/24" });
      await raw(
        site.outside.machine,
        `for port in (51820, 9):
    ip(17, "10.8.0.2", "10.0.1.10", udp(5000, port, b"x"))
ip(1, "10.8.0.2", "10.0.1.10", icmp(8, 0, 1, b""))`,
      );
      expect(await counted(site.outside.machine)).to.deep.equal({ sent: 3 });
      await a.sh("ping -c 1 -W 2 10.0.1.1");
      expect(await counted(a.machine)).to.deep.equal({ input: 0 });
    });

    it("an IPv6 address of the tunnel that comes from outside", async () => {
      await count(a.machine, "input", {
        input: "iifname ens5 ip6 saddr fd53::/64",
        own: "iifname ens5 ip6 saddr fd99::1",
      });
      const { machine } = site.outside;
      await machine.sh("ip addr add fd53::2/128 dev lo nodad; ip addr add fd99::1/128 dev lo nodad");
      await machine.sh("for own in fd53::2 fd99::1; do ping -c 1 -W 1 -I $own 2001:db8:a:1::10; done; true");
      await machine.sh("ip addr del fd53::2/128 dev lo; ip addr del fd99::1/128 dev lo");
      expect(await counted(a.machine)).to.deep.equal({ input: 0, own: 1 });
    });

    it("a peer's packet with another peer's address", async () => {
      await count(a.machine, "input", PROBES);
      await count(site.outside.web, "input", { came: "udp dport 9" });
      await raw(
        bob.machine,
        `for own in ("10.8.0.2", "192.0.2.99"):
    ip(1, own, "10.8.0.1", icmp(8, 0, 1, b""))
    ip(17, own, "${HOSTS.web}", udp(5000, 9, b"x"))`,
      );
      expect((await bob.ping("10.8.0.1", { count: 1 })).received).to.equal(1);
      expect(await counted(a.machine)).to.deep.equal({ input: 1 });
      expect(await counted(site.outside.web)).to.deep.equal({ came: 0 });
    });

    it("a peer's packet with an address that is none of the tunnel's, whatever WireGuard would let it use", async () => {
      const { publicKey } = bob.peer;
      await a.sh(`wg set wg0 peer ${publicKey} allowed-ips 10.8.0.4/32,fd53::4/128,192.0.2.99/32,10.0.1.1/32`);
      await count(a.machine, "input", { foreign: "iifname wg0 ip saddr { 192.0.2.99, 10.0.1.1 }", own: "iifname wg0" });
      await raw(
        bob.machine,
        `for own in ("192.0.2.99", "10.0.1.1", "10.8.0.4"):
    ip(1, own, "10.8.0.1", icmp(8, 0, 1, b""))`,
      );
      await eventually("the packet of its own has come", async () => (await counted(a.machine)).own);
      expect(await counted(a.machine)).to.deep.equal({ foreign: 0, own: 1 });
      await a.run("stingy-sync");
    });
  });

  describe("keeps packets within the path's MTU", () => {
    for (const [family, host, size] of [
      ["ip", HOSTS.web, 1380],
      ["ip6", HOSTS.webIpv6, 1360],
    ] as const)
      it(`by the segments' size in both SYNs of a connection over ${family}`, async () => {
        // A client that knows nothing of the tunnel's MTU.
        await alice.sh("ip link set wg0 mtu 1500");
        const { web } = site.outside;
        await count(web, "input", {
          clamped: `tcp dport 80 tcp flags syn tcp option maxseg size ${size}`,
          every: "tcp dport 80 tcp flags & (syn | ack) == syn",
        });
        await count(alice.machine, "input", {
          clamped: `iifname wg0 tcp flags & (syn | ack) == (syn | ack) tcp option maxseg size ${size}`,
          every: "iifname wg0 tcp flags & (syn | ack) == (syn | ack)",
        });
        const { code } = await alice.http(url(host));
        await alice.sh("ip link set wg0 mtu 1420");
        expect(code).to.equal(0);
        expect(await counted(web)).to.deep.equal({ clamped: 1, every: 1 });
        expect(await counted(alice.machine)).to.deep.equal({ clamped: 1, every: 1 });
      });

    const ECHO_MUCH = `let left = 200000;
const socket = require("node:net").connect(7, process.argv[1], () => socket.write(Buffer.alloc(left)));
socket.on("data", (data) => {
  left -= data.length;
  if (left === 0) {
    console.log(200000);
    process.exit();
  }
});`;

    it("when the way between client and server is narrower than it looks", async () => {
      const { machine } = site.outside;
      const route = `${alice.ipv4} dev client-1`;
      await machine.sh(`ip route add ${route} mtu 1300`);
      const { code } = await alice.http(url(HOSTS.web, "/bytes/300000"));
      await machine.sh(`ip route del ${route}`);
      expect(code).to.equal(0);
      expect(await a.sh(`ip route get ${alice.ipv4}`)).to.include("mtu 1300");
    });

    it("when the way between server and internet is narrower than it looks", async () => {
      const { machine } = site.outside;
      for (const [host, route] of [
        [HOSTS.web, `ip route add ${HOSTS.web} dev web mtu 1300`],
        [HOSTS.webIpv6, `ip -6 route add ${HOSTS.webIpv6} dev web mtu 1300`],
      ] as const) {
        await machine.sh(route);
        const echoed = await alice.machine.run(["node", "-e", ECHO_MUCH, host], { env: NODE, timeoutMs: 20_000 });
        await machine.sh(route.replace(" add ", " del "));
        expect(echoed.stdout, host).to.equal("200000\n");
        expect(await alice.sh(`ip route get ${host}`), host).to.include("mtu 1300");
      }
    });

    it("also when it knows of no such conversation any more", async () => {
      // As after a failover: the packet too large was sent by the predecessor.
      await raw(
        site.outside.machine,
        `inner = header(17, "10.0.1.10", "198.18.99.99", 8) + udp(51820, 5000, b"")
ip(1, "10.0.1.1", "10.0.1.10", icmp(3, 4, 1300, inner))
inner6 = struct.pack("!IHBB", 0x60000000, 8, 17, 64) + socket.inet_pton(socket.AF_INET6, "2001:db8:a:1::10") + socket.inet_pton(socket.AF_INET6, "2001:db8:c:63::2") + udp(51820, 5000, b"")
icmp6("2001:db8:a:1::10", struct.pack("!BBHI", 2, 0, 0, 1300) + inner6)`,
      );
      await eventually("the path is known", async () => (await a.sh("ip route get 198.18.99.99")).includes("mtu 1300"));
      await eventually("the IPv6 path is known", async () =>
        (await a.sh("ip -6 route get 2001:db8:c:63::2")).includes("mtu 1300"),
      );
    });
  });

  describe("to the outside", () => {
    it("is silent: nothing comes back from a closed port, neither to a first nor to a stray packet", async () => {
      const address = site.address ?? "";
      await count(stranger.machine, "input", {
        back: `ip saddr ${address}`,
        back6: `ip6 saddr ${ADDRESSES.vpcIpv6} icmpv6 type != { nd-neighbor-solicit, nd-neighbor-advert }`,
        backTcp6: "ip6 saddr 2001:db8:a::/56 meta l4proto tcp",
      });
      await count(a.machine, "input", {
        segments: "ip protocol tcp tcp dport { 80, 81, 22 }",
        datagrams: "ip protocol udp udp dport { 7, 9999 }",
        pings: "icmp type echo-request",
        six: "ip6 daddr 2001:db8:a:1::10 meta l4proto { tcp, udp } th dport { 80, 81, 9999 }",
      });
      await raw(
        stranger.machine,
        `own, target = "${stranger.ipv4}", "${address}"
# A SYN, data of a connection that is another's, its end, a reset and an answer; ports with and without a listener.
for port in (80, 81, 22):
    for flags in (0x02, 0x18, 0x11, 0x04, 0x12):
        ip(6, own, target, tcp(own, target, 40000 + flags, port, flags, b"data"))
for port in (7, 9999):
    ip(17, own, target, udp(5000, port, b"x"))
ip(1, own, target, icmp(8, 0, 1, b""))
for kind, ports in ((socket.SOCK_STREAM, (80, 81)), (socket.SOCK_DGRAM, (9999,))):
    for port in ports:
        sender = socket.socket(socket.AF_INET6, kind)
        sender.setblocking(False)
        sender.connect_ex(("2001:db8:a:1::10", port))
        if kind == socket.SOCK_DGRAM:
            sender.send(b"x")`,
      );
      await eventually("all have come", async () => {
        const { segments, datagrams, pings, six } = await counted(a.machine);
        return segments === 15 && datagrams === 2 && pings === 1 && (six ?? 0) >= 3;
      });
      expect(await counted(stranger.machine)).to.deep.equal({ back: 0, back6: 0, backTcp6: 0 });
    });

    it("opens WireGuard's port over IPv4 and IPv6", async () => {
      await alice.down();
      await alice.up();
      await alice.reaches();
      await alice.down();
      await alice.up({ endpoint: "[2001:db8:a:1::10]:51820" });
      await alice.reaches();
      await alice.down();
      await alice.up();
      await alice.reaches();
    });

    it("counts the first messages of handshakes, and no other packets", async () => {
      const first = '"01000000" + "00" * 144';
      const others = {
        "another type": ["51820", '"02000000" + "00" * 144'],
        "an answer": ["51820", '"02000000" + "00" * 88'],
        "data of that length": ["51820", '"04000000" + "00" * 144'],
        "a reserved byte that is not 0": ["51820", '"01000001" + "00" * 144'],
        "one byte less": ["51820", '"01000000" + "00" * 143'],
        "one byte more": ["51820", '"01000000" + "00" * 145'],
        "another port": ["51821", first],
      } as const;
      const counted = async (): Promise<number> =>
        Number(/packets (\d+)/.exec(await a.sh("nft list counter inet stingy initiations"))?.[1]);
      const send = (host: string, port: string, data: string): Promise<void> =>
        raw(
          stranger.machine,
          `sender = socket.socket(socket.AF_INET6 if ":" in "${host}" else socket.AF_INET, socket.SOCK_DGRAM)
sender.sendto(bytes.fromhex(${data}), ("${host}", ${port}))`,
        );
      await Promise.all([alice, carol, bob, dave].map((client) => client.down()));
      const before = await counted();
      for (const [what, [port, data]] of Object.entries(others)) {
        await send(site.address ?? "", port, data);
        // It has arrived with the one behind it.
        await send("2001:db8:a:1::10", "51820", first);
        expect(await counted(), what).to.equal(before + 1 + Object.keys(others).indexOf(what));
      }
      await send(site.address ?? "", "51820", first);
      expect(await counted()).to.equal(before + Object.keys(others).length + 1);
      await Promise.all(
        [alice, carol, bob, dave].map(async (client) => {
          await client.up();
          await client.reaches("10.8.0.1");
        }),
      );
    });

    it("opens SSH to the administrators' networks only, and not to the tunnel", async () => {
      const LISTEN =
        'require("node:net").createServer((s) => s.end("SSH-2.0-test\\n")).listen(22, "::", () => console.log("listening"))';
      const running = a.machine.spawn(["node", "-e", LISTEN], { env: NODE });
      await running.waitFor(/listening/);
      const greeting = (client: Client, host: string): Promise<string> =>
        client.machine
          .run(["bash", "-c", `exec 3<>/dev/tcp/${host}/22 && timeout 2 cat <&3`], { timeoutMs: 2000 })
          .then(({ stdout }) => stdout.trim());
      const address = site.address ?? "";
      const six = "2001:db8:a:1::10";
      expect(await Promise.all([greeting(alice, address), greeting(alice, six)])).to.deep.equal([
        "SSH-2.0-test",
        "SSH-2.0-test",
      ]);
      expect(
        await Promise.all([
          greeting(carol, address),
          greeting(carol, six),
          greeting(alice, "10.8.0.1"),
          greeting(alice, "fd53::1"),
        ]),
      ).to.deep.equal(["", "", "", ""]);
      await running.stop();
    });

    it("takes what its network tells it: leases, routers and neighbours", async () => {
      const LISTEN = `import select, socket
sockets = []
for family, host, port in ((socket.AF_INET, "0.0.0.0", 68), (socket.AF_INET, "0.0.0.0", 69), (socket.AF_INET6, "::", 546), (socket.AF_INET6, "::", 547)):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind((host, port))
    sockets.append(s)
print("listening", flush=True)
while True:
    for s in select.select(sockets, [], [])[0]:
        print(s.getsockname()[1], s.recv(100).decode(), flush=True)`;
      const listener = a.machine.spawn(["python3", "-c", LISTEN]);
      await listener.waitFor(/listening/);
      const link = (await a.sh("ip -6 -o address show dev ens5 scope link")).match(/fe80:[0-9a-f:]+/)?.[0];
      await site.outside.machine.sh("ip -6 neigh flush dev server-a");
      await raw(
        site.outside.machine,
        `def send(family, port, to, target, text):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", port))
    s.sendto(text, target)
send(socket.AF_INET, 67, 69, ("10.0.1.10", 69), b"no lease")
send(socket.AF_INET, 67, 68, ("10.0.1.10", 68), b"lease")
scope = socket.if_nametoindex("server-a")
send(socket.AF_INET6, 547, 547, ("${link}", 547, 0, scope), b"no lease")
send(socket.AF_INET6, 547, 546, ("2001:db8:a:1::10", 546), b"no lease of a neighbour")
send(socket.AF_INET6, 547, 546, ("${link}", 546, 0, scope), b"lease")
# A router that is not the default route there is, for a quarter of an hour.
icmp6("ff02::1", struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 900, 0, 0), "server-a")`,
      );
      await listener.waitFor(/546 lease/);
      expect(listener.stdout).to.equal("listening\n68 lease\n546 lease\n");
      await listener.stop();
      await eventually("the router is known", async () =>
        (await a.sh("ip -6 route show default proto ra")).includes("via fe80:"),
      );
      await a.sh("ip -6 route flush proto ra; ip -6 neigh flush dev ens5");
      await a.sh("ping -c 1 -W 5 2001:db8:a:1::1");
    });
  });

  describe("loads", () => {
    it("again without a change, and keeps what is in its sets", async () => {
      await a.sh("nft 'add element inet stingy endpoints4 { 198.18.1.2 . 5000 }'");
      const before = await rules();
      expect(before).to.include("elements = { 198.18.1.2 . 5000 }").and.to.include("10.8.0.2");
      const { code, log } = await load();
      expect(code).to.equal(0);
      expect(log.map(({ event, fields }) => [event, fields])).to.deep.equal([
        ["firewall-loaded", { interface: "ens5" }],
      ]);
      expect(await rules()).to.equal(before);
      await a.sh("nft 'flush set inet stingy endpoints4'");
    });

    it("again and counts on", async () => {
      await alice.down();
      await alice.up();
      await alice.reaches("10.8.0.1");
      const counter = (name: string) => a.sh(`nft list counter inet stingy ${name}`);
      const before = await counter("initiations");
      expect(Number(/packets (\d+)/.exec(before)?.[1])).to.be.greaterThan(0);
      expect((await load()).code).to.equal(0);
      expect(await counter("initiations")).to.equal(before);
    });

    it("as a whole or not at all", async () => {
      const before = await rules();
      const file = a.file("/etc/stingy/firewall.nft");
      a.machine.write("/etc/stingy/firewall.nft", `${file}\ntable inet stingy { chain input { nonsense } }\n`);
      const { code, log } = await load();
      a.machine.write("/etc/stingy/firewall.nft", file);
      expect(code).to.equal(1);
      expect(log.map(({ level, event }) => [level, event])).to.deep.equal([["error", "firewall-refused"]]);
      expect(await rules()).to.equal(before);
    });

    it("not without a default route, and leaves what there is", async () => {
      const before = await rules();
      await a.sh("ip route del default");
      const { code, log } = await load();
      await a.sh("ip route add default via 10.0.1.1 dev ens5");
      expect(code).to.equal(1);
      expect(log.map(({ event }) => event)).to.deep.equal(["no-default-route"]);
      expect(await rules()).to.equal(before);
    });

    for (const [what, fault, versions] of [
      ["does not know the VPC's ranges", undefined, "IPv4"],
      ["fails", "error", "IPv4 IPv6"],
      ["answers with a page", "html", "IPv4 IPv6"],
      ["answers with nothing", "empty", "IPv4 IPv6"],
    ] as const)
      it(`although the metadata service ${what}, and says so`, async () => {
        await a.sh("nft delete table inet stingy");
        const known = a.imds.more[vpcRanges(4)];
        a.imds.more[vpcRanges(4)] = undefined;
        a.imds.fault = fault && { kind: fault, path: /vpc-ipv/ };
        const { code, log } = await load();
        a.imds.fault = undefined;
        a.imds.more[vpcRanges(4)] = known;
        expect(code).to.equal(1);
        expect(log.map(({ event, fields }) => [event, fields])).to.deep.equal([
          ["firewall-loaded", { interface: "ens5" }],
          ["vpc-ranges-unknown", { versions }],
        ]);
        expect(await a.sh("nft list chain inet stingy forward")).to.include("policy drop");
      });

    it("the VPC's ranges once they are known, and keeps them when they are not", async () => {
      expect((await load()).code).to.equal(0);
      await a.run("stingy-sync");
      a.imds.fault = { kind: "error", path: /./ };
      expect((await load()).code).to.equal(1);
      a.imds.fault = undefined;
      expect(await reached(bob, HOSTS)).to.have.members(["web", "webIpv6"]);
    });

    it("without IPv6 in the VPC", async () => {
      a.imds.more[vpcRanges(6)] = undefined;
      const { code } = await load();
      delete a.imds.more[vpcRanges(6)];
      expect(code).to.equal(0);
    });

    it("for whatever the default route's interface is called", async () => {
      const rename = (from: string, to: string): Promise<string> =>
        a.sh(
          `ip link set ${from} down && ip link set ${from} name ${to} && ip link set ${to} up && ip route add default via 10.0.1.1 dev ${to} && ip -6 addr replace 2001:db8:a:1::10/64 dev ${to} nodad && ip -6 route replace default via 2001:db8:a:1::1 dev ${to}`,
        );
      await rename("ens5", "enp0s5");
      const { code, log } = await load();
      expect(code).to.equal(0);
      expect(log.map(({ fields }) => fields)).to.deep.equal([{ interface: "enp0s5" }]);
      await alice.reaches();
      await alice.reaches(HOSTS.webIpv6);
      expect(await rules()).not.to.include("ens5");
      await rename("enp0s5", "ens5");
      expect((await load()).code).to.equal(0);
    });
  });
});

describe("the firewall of a site with 1,000 peers", () => {
  let site: Site;
  before(async () => {
    site = await startSite({ store: "memory", bootstrap: { tunnelIpv4: "10.8.0.1/20" } });
  });
  after(async () => {
    await site?.stop();
  });

  it("has the rules of one without any", async () => {
    const { a } = site;
    const chains = (): Promise<string> => a.sh("nft -s list table inet stingy | sed -n '/chain/,/}/p'");
    const inSets = async (): Promise<number> => {
      const sets = ["full4", "internet4", "isolated4"].map(async (set) => {
        const { nftables } = JSON.parse(await a.sh(`nft -j list set inet stingy ${set}`));
        const elements: (string | { range: [string, string] })[] = nftables[1].set.elem ?? [];
        return elements.length;
      });
      return (await Promise.all(sets)).reduce((sum, size) => sum + size, 0);
    };
    await a.run("stingy-firewall");
    await a.run("stingy-sync");
    const before = await chains();
    expect(await inSets()).to.equal(0);
    const groups = ["full", "internet", "isolated"] as const;
    // No two neighbours in one group, whose addresses would be one range.
    for (let n = 0; n < 1000; n++) await site.addPeer({ name: `peer-${n}`, group: groups[n % 3] ?? "full" });
    expect((await a.run("stingy-sync")).code).to.equal(0);
    expect(await inSets()).to.equal(1000);
    expect(await chains()).to.equal(before);
  });
});
