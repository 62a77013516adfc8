import { expect } from "chai";
import { ADDRESSES, eventually, type Machine, type Server } from "../server/harness";
import type { Running } from "../server/harness/machine";
import { together } from "../server/together";
import { busy, call, stream } from "./rig/activity";
import type { Device } from "./rig/device";
import { count } from "./rig/home";
import { Lab } from "./rig/lab";

const WAIT = 90_000;

/** Hosts that the web machine also is. */
const HOSTS = {
  web: ADDRESSES.web,
  webIpv6: ADDRESSES.webIpv6,
  vpc: "10.0.3.7",
  vpcIpv6: "2001:db8:a:3::7",
  otherOfVpc: "10.0.4.7",
  otherOfVpcIpv6: "2001:db8:a:4::7",
  private10: "10.99.0.7",
  private172: "172.20.0.7",
  private192: "192.168.77.7",
  privateIpv6: "fd99::7",
} as const;
type Host = keyof typeof HOSTS;
const EVERYWHERE = Object.keys(HOSTS) as Host[];
const METADATA = [ADDRESSES.metadata, ADDRESSES.metadataIpv6, ADDRESSES.time, ADDRESSES.names];

async function within(
  options: Partial<Parameters<typeof Lab.start>[0]>,
  test: (lab: Lab) => Promise<void>,
): Promise<void> {
  const lab = await Lab.start({ kind: "stingy", ...options });
  try {
    const { machine, web } = lab.site.outside;
    const more = Object.values(HOSTS).filter((host) => host !== HOSTS.web && host !== HOSTS.webIpv6);
    await web.sh(more.map((host) => `ip addr add ${host} dev lo`).join(" && "));
    const via = (host: string): string => (host.includes(":") ? ADDRESSES.webIpv6 : ADDRESSES.web);
    await machine.sh(more.map((host) => `ip route add ${host} via ${via(host)}`).join(" && "));
    await connect(lab.devices);
    // B has its firewall, and waits.
    await lab.interrupt(lab.a);
    await lab.endpointsSaved();
    await lab.prepare(lab.b);
    await test(lab);
  } finally {
    await lab.stop();
  }
}

/** Who is isolated reaches the server and little else. */
const answered = (devices: readonly Device[]): Promise<unknown> =>
  Promise.all(devices.map((device) => device.reaches("10.8.0.1", WAIT)));
async function connect(devices: readonly Device[]): Promise<void> {
  await Promise.all(devices.map((device) => device.up()));
  await answered(devices);
}
async function promote(lab: Lab): Promise<void> {
  await lab.promote(lab.b);
  await Promise.all([lab.isIn(lab.b, "serving"), lab.isIn(lab.a, "stood-down")]);
  await answered(lab.devices);
}

/** On A, then while A stands down and B takes over, then on B. @param look prepares to count, and returns what must hold */
async function throughout(
  lab: Lab,
  look: (phase: string, serving: Server) => Promise<() => Promise<void>>,
): Promise<void> {
  await (await look("on A", lab.a))();
  const still = await look("over the failover", lab.b);
  await promote(lab);
  await still();
  await (await look("on B", lab.b))();
}

/** Sends datagrams to a port of each host, and opens connections there, until it is stopped. */
async function knock(machine: Machine, port: number, hosts: readonly string[], from: readonly string[] = []) {
  const running = machine.spawn([process.execPath, "-e", KNOCK, JSON.stringify({ port, hosts, from })]);
  await running.waitFor(/^knocking$/m, WAIT);
  return running;
}
const KNOCK = `const { port, hosts, from } = JSON.parse(process.argv[1]);
const six = (address) => address.includes(":");
const own = from.length === 0 ? [undefined, undefined] : from;
const ways = own.flatMap((address, index) => {
  const version = address === undefined ? index === 1 : six(address);
  const socket = require("node:dgram").createSocket(version ? "udp6" : "udp4");
  socket.on("error", () => undefined);
  socket.bind(0, address);
  return hosts.filter((host) => six(host) === version).map((host) => ({ socket, host, localAddress: address }));
});
const udp = () => { for (const { socket, host } of ways) socket.send("x", port, host, () => undefined); };
const tcp = () => {
  for (const { host, localAddress } of ways) {
    const connection = require("node:net").connect({ host, port, localAddress });
    connection.on("error", () => undefined);
    setTimeout(() => connection.destroy(), 400);
  }
};
setTimeout(() => { console.log("knocking"); setInterval(udp, 200); setInterval(tcp, 1000); }, 200);`;

/** What has come of it, by name: a machine, and where it was sent. */
const knocks = (hook: string, host: string, port: number): string =>
  `${hook} ${host.includes(":") ? "ip6" : "ip"} daddr ${host} th dport ${port}`;
const hostsReached = (prefix: string, counted: Readonly<Record<string, number>>): string[] =>
  Object.entries(counted).flatMap(([name, packets]) =>
    name.startsWith(`${prefix}_`) && packets > 0 ? [name.slice(prefix.length + 1)] : [],
  );
const stopAll = (running: readonly Running[]): Promise<unknown> => Promise.all(running.map((one) => one.stop()));

const family = (address: string): string => (address.includes(":") ? "ip6" : "ip");

type Counted = () => Promise<Readonly<Record<string, number>>>;
const everyCounted = (what: string, counters: readonly Counted[]): Promise<unknown> =>
  eventually(
    what,
    async () => {
      const counted = Object.assign({}, ...(await Promise.all(counters.map((read) => read())))) as Record<
        string,
        number
      >;
      const few = Object.entries(counted).filter(([, packets]) => packets < 4);
      if (few.length > 0) throw new Error(`only ${few.map(([name, packets]) => `${packets} of ${name}`).join(", ")}`);
      return true;
    },
    WAIT,
  );
async function noneCounted(what: string, counters: readonly Counted[]): Promise<void> {
  for (const counted of counters)
    for (const [name, packets] of Object.entries(await counted())) expect(packets, `${what}: ${name}`).to.equal(0);
}
/** What servers send that is the tunnel's and not WireGuard's. */
const plaintext = (outside: Machine): Promise<Counted> =>
  count(outside, {
    unmasqueraded: 'prerouting iifname "server-*" ip saddr 10.8.0.0/24',
    unmasqueradedIpv6: 'prerouting iifname "server-*" ip6 saddr fd53::/64',
    toServers: 'prerouting iifname "server-*" ip daddr { 10.0.1.10, 10.0.2.10, 10.8.0.0/24 } meta l4proto != icmp',
    toServersIpv6: 'prerouting iifname "server-*" ip6 daddr { 2001:db8:a::/56, fd53::/64 } meta l4proto != icmpv6',
  });
/** Opens a connection, says a word, and nothing more until it is to end. */
const SILENT = `exec 3<>"/dev/tcp/$1/7" && echo word >&3 && read -r _ <&3 && echo open
until [[ -e /run/end ]]; do sleep 0.1; done
exec 3>&-
sleep 60`;

/** Who of whom is reached; `peers` are those that each may reach. */
async function judgesGroups(
  lab: Lab,
  allowed: Readonly<Record<string, { readonly hosts: readonly Host[]; readonly peers: readonly string[] }>>,
): Promise<void> {
  const { outside } = lab.site;
  const ports = new Map(lab.devices.map(({ name }, index) => [name, 9000 + index]));
  const own = lab.site.servers.flatMap(({ attachment: { ipv4, ipv6 = "" } }) => [ipv4, ipv6]);
  const everywhere = [
    ...[...Object.values(HOSTS), ...METADATA, "10.8.0.1", "fd53::1", ...own],
    ...lab.devices.flatMap(({ peer }) => peer.addresses),
  ];
  const names = [...ports.keys()];
  const port = (name: string): number => ports.get(name) ?? 0;
  const running = await Promise.all(lab.devices.map(({ name, machine }) => knock(machine, port(name), everywhere)));

  await throughout(lab, async (phase) => {
    const rules = (hook: (name: string) => Readonly<Record<string, string>>) =>
      Object.assign({}, ...names.map(hook)) as Record<string, string>;
    const web = await count(
      outside.web,
      rules((name) =>
        Object.fromEntries(
          EVERYWHERE.map((host) => [`${name}_${host}`, knocks("prerouting", HOSTS[host], port(name))]),
        ),
      ),
    );
    const arrivals = await Promise.all(
      lab.devices.map(({ machine }) =>
        count(
          machine,
          rules((name) => ({ [name]: `prerouting iifname wg0 th dport ${port(name)} meta l4proto { tcp, udp }` })),
        ),
      ),
    );
    const forbidden = await Promise.all([
      count(outside.machine, {
        metadata: `prerouting iifname "server-*" ip daddr 169.254.0.0/16 th dport 9000-9009`,
        metadataIpv6: `prerouting iifname "server-*" ip6 daddr fd00:ec2::/32 th dport 9000-9009`,
      }),
      ...lab.site.servers.map(({ machine }) => count(machine, { ports: "input th dport 9000-9009" })),
    ]);
    return async () => {
      await eventually(
        `every device sends and arrives where it may, ${phase}`,
        async () => {
          const counted = await web();
          return names.every((name) => allowed[name]?.hosts.every((host) => (counted[`${name}_${host}`] ?? 0) > 3));
        },
        WAIT,
      );
      const counted = await web();
      const atPeers = await Promise.all(arrivals.map((arrived) => arrived()));
      for (const name of names) {
        const { hosts = [], peers = [] } = allowed[name] ?? {};
        expect(hostsReached(name, counted), `hosts that ${name} reaches ${phase}`).to.have.members(hosts);
        const reached = names.filter((_, index) => (atPeers[index]?.[name] ?? 0) > 0);
        expect(reached, `peers that ${name} reaches ${phase}`).to.have.members(peers);
      }
      expect(await Promise.all(forbidden.map((of) => of())), `what is the servers' own, ${phase}`).to.deep.equal([
        { metadata: 0, metadataIpv6: 0 },
        ...lab.site.servers.map(() => ({ ports: 0 })),
      ]);
    };
  });
  await stopAll(running);
}

describe("isolation", () => {
  together(
    {
      "each group reaches what it may, and nobody the metadata service or the server's own ports": () =>
        within(
          {
            hopLimit: 64,
            devices: ["alice", "carol", { name: "bob", group: "internet" }, { name: "dave", group: "isolated" }],
            bootstrap: { isolatedNetworks: ["10.0.3.0/24", "2001:db8:a:3::/64"], betweenPeers: true },
          },
          async (lab) => {
            await judgesGroups(lab, {
              alice: { hosts: EVERYWHERE, peers: ["carol"] },
              carol: { hosts: EVERYWHERE, peers: ["alice"] },
              bob: { hosts: ["web", "webIpv6"], peers: [] },
              dave: { hosts: ["vpc", "vpcIpv6"], peers: [] },
            });
          },
        ),

      "where peers are kept apart, full ones are as well": () =>
        within({ devices: ["alice", "carol"], bootstrap: { betweenPeers: false } }, (lab) =>
          judgesGroups(lab, {
            alice: { hosts: EVERYWHERE, peers: [] },
            carol: { hosts: EVERYWHERE, peers: [] },
          }),
        ),

      "nobody speaks with another's address, neither inside nor from the internet": () =>
        within({ devices: ["alice", "carol", { name: "bob", group: "internet" }] }, async (lab) => {
          const { machine, web } = lab.site.outside;
          const [bob, carol] = [lab.device("bob"), lab.device("carol")];
          const foreign = ["192.0.2.99", "10.0.3.9", "2001:db8:99::9"];
          await bob.sh("ip addr add 10.8.0.2/32 dev wg0 && ip addr add fd53::2/128 dev wg0 nodad");
          await bob.sh(foreign.map((address) => `ip addr add ${address} dev lo`).join(" && "));
          const others = ["10.8.0.2", "fd53::2", ...foreign, bob.place.ipv4, bob.place.ipv6];
          const targets = [HOSTS.web, HOSTS.webIpv6, HOSTS.vpc, HOSTS.vpcIpv6, ...carol.peer.addresses];

          // Whoever is next to the servers can hand them whatever packet.
          const servers = lab.site.servers.map(({ attachment: { ipv4, ipv6 = "" } }) => ({ ipv4, ipv6 }));
          await machine.sh(
            servers
              .map(
                ({ ipv4, ipv6 }, n) =>
                  `ip route add 10.8.0.${n + 2} via ${ipv4}; ip route add fd53::${n + 2} via ${ipv6}`,
              )
              .join("; "),
          );
          const inTunnel = ["10.8.0.9", "fd53::9"];
          await web.sh(inTunnel.map((address) => `ip addr add ${address} dev lo`).join(" && "));
          const peers = ["10.8.0.2", "fd53::2", "10.8.0.3", "fd53::3"];
          const own = [lab.site.address ?? "", ...servers.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])];
          const running = await Promise.all([
            knock(bob.machine, 9020, targets, others),
            knock(bob.machine, 9021, [HOSTS.web, HOSTS.webIpv6], bob.peer.addresses),
            knock(web, 9030, [...peers, ...own], [...inTunnel, HOSTS.web, HOSTS.webIpv6]),
            knock(web, 51820, own, inTunnel),
          ]);

          await throughout(lab, async (phase) => {
            const sent = await Promise.all([
              count(
                bob.machine,
                Object.fromEntries(
                  others.map((from, n) => [
                    `from_${n}`,
                    `postrouting oifname wg0 ${family(from)} saddr ${from} th dport 9020`,
                  ]),
                ),
              ),
              count(machine, {
                a: "postrouting oifname server-a th dport 9030",
                b: "postrouting oifname server-b th dport 9030",
                wireguardA: "postrouting oifname server-a ip saddr 10.8.0.9 th dport 51820",
                wireguardB: "postrouting oifname server-b ip saddr 10.8.0.9 th dport 51820",
              }),
              count(web, {
                honest: "prerouting meta nfproto ipv4 th dport 9021",
                honestIpv6: "prerouting meta nfproto ipv6 th dport 9021",
              }),
            ]);
            const arrived = await Promise.all([
              ...lab.devices.map(({ machine }) =>
                count(machine, { arrived: "input iifname wg0 th dport { 9020, 9030 }" }),
              ),
              ...lab.site.servers.map(({ machine }) =>
                count(machine, {
                  input: "input th dport { 9020, 9030 }",
                  forward: "forward th dport { 9020, 9030 }",
                  spoken: "input iifname ens5 ip saddr 10.8.0.0/24",
                  spokenIpv6: "input iifname ens5 ip6 saddr fd53::/64",
                }),
              ),
            ]);
            return async () => {
              await everyCounted(`all have sent, ${phase}`, sent);
              await noneCounted(`what was let through, ${phase}`, arrived);
            };
          });
          await stopAll(running);
        }),

      "a busy device's packets leave in the tunnel only, and the servers' only as their own": () =>
        within({ devices: ["phone", "tablet", "bare"] }, async (lab) => {
          const [phone, tablet, bare] = [lab.device("phone"), lab.device("tablet"), lab.device("bare")];
          const { machine, web } = lab.site.outside;
          const running = await Promise.all([
            knock(phone.machine, 53, [HOSTS.web, HOSTS.webIpv6]),
            knock(phone.machine, 9040, [HOSTS.web, HOSTS.webIpv6, ...tablet.peer.addresses]),
            knock(tablet.machine, 9040, [HOSTS.web, HOSTS.webIpv6]),
          ]);
          const pings = [busy(phone), busy(phone, HOSTS.webIpv6)];
          const talks = await Promise.all([call(phone), stream(phone)]);

          await throughout(lab, async (phase, serving) => {
            const { ipv4 } = serving.attachment;
            const some = await Promise.all([
              count(web, {
                four: "prerouting meta nfproto ipv4 th dport { 53, 9040 }",
                six: "prerouting meta nfproto ipv6 th dport { 53, 9040 }",
              }),
              count(tablet.machine, { phone: "prerouting iifname wg0 th dport 9040" }),
              count(serving.machine, {
                four: `postrouting oifname ens5 ip saddr ${ipv4} udp sport 51820`,
                six: `prerouting iifname wg0 ip6 saddr fd53::/64`,
              }),
            ]);
            const none = await Promise.all([plaintext(machine)]);
            return async () => {
              await everyCounted(`packets leave ${phase}`, some);
              await noneCounted(`packets of the tunnel outside of it, ${phase}`, none);
            };
          });
          const [ping] = await Promise.all(pings.map((one) => one.stop()));
          const [called, streamed] = [await talks[0].stop(), await talks[1].stop()];
          await stopAll(running);
          expect(streamed.broken).to.equal("");
          console.log(
            `      busy: longest gap ${ping?.longestGapMs} ms, ${called.lost} of ${called.sent} packets of a call lost, none of them seen outside`,
          );
          expect(await lab.leaked(), "packets outside of the tunnel").to.equal(0);

          await bare.down();
          await bare.reaches(HOSTS.web, WAIT);
          expect(await lab.leaked(), "packets without a tunnel").to.be.greaterThan(0);
        }),

      "nothing of the peers passes through B before it serves, nor through A after it has stood down": () =>
        within({ devices: ["phone", "tablet", "late"] }, async (lab) => {
          const { machine } = lab.site.outside;
          const late = lab.device("late");
          const running = await Promise.all(
            ["phone", "tablet"].map((name) =>
              knock(lab.device(name).machine, 9050, [HOSTS.web, HOSTS.webIpv6, "10.8.0.2", "10.8.0.3"]),
            ),
          );
          const through = (server: Server) =>
            count(server.machine, {
              out: "forward iifname wg0 oifname ens5",
              back: "forward iifname ens5 oifname wg0",
              between: "forward iifname wg0 oifname wg0",
            });
          const check = async (serving: Server, waiting: Server): Promise<void> => {
            const [passed, none] = [await through(serving), await through(waiting)];
            const answered = busy(lab.device("phone"));
            await everyCounted(`packets pass through ${serving.name}`, [passed]);
            await answered.stop();
            await noneCounted(`packets pass through ${waiting.name}`, [none]);
          };
          await check(lab.a, lab.b);
          await promote(lab);
          await check(lab.b, lab.a);
          expect(await lab.a.sh("ip -o link show dev wg0")).not.to.match(/[<,]UP[,>]/);

          // Not even for who asks for it at the address that AWS has given A since. wireguard-go still shakes hands with its
          // interface down, which the kernel's WireGuard does not.
          const asked = await count(machine, { question: "postrouting oifname server-a udp dport 51820" });
          const none = await through(lab.a);
          await late.down();
          await late.up({ endpoint: `${lab.site.publicAddress(lab.a)}:51820` });
          const ping = busy(late);
          await everyCounted("late asks A", [asked]);
          expect((await ping.stop()).received).to.equal(0);
          await noneCounted("packets pass through a", [none]);
          await stopAll(running);
        }),

      "a connection that began through A and ends through B does not leave with the device's own address": () =>
        within({ devices: ["phone"] }, async (lab) => {
          const phone = lab.device("phone");
          const silent = await Promise.all(
            [HOSTS.web, HOSTS.webIpv6].map(async (host) => {
              const shell = phone.machine.spawn(["bash", "--norc", "-c", SILENT, "silent", host]);
              await shell.waitFor(/^open$/m, WAIT);
              return shell;
            }),
          );
          const none = await plaintext(lab.site.outside.machine);
          await promote(lab);
          const ends = await count(phone.machine, {
            four: "postrouting oifname wg0 meta nfproto ipv4 tcp flags & fin == fin",
            six: "postrouting oifname wg0 meta nfproto ipv6 tcp flags & fin == fin",
          });
          await phone.sh("touch /run/end");
          // The kernel sends an end that nobody answers again and again.
          await everyCounted("the connections end", [ends]);
          await noneCounted("packets of the tunnel outside of it", [none]);
          await stopAll(silent);
        }),
    },
    300_000,
  );
});
