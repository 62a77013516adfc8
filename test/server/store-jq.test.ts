import { expect } from "chai";
import * as fc from "fast-check";
import { keyPair, type Server, type Site, startSite } from "./harness";

const OWN = keyPair();
const KEYS = Array.from({ length: 40 }, () => keyPair().publicKey);
const key = (n: number): string => KEYS[n % KEYS.length] ?? "";
const NO_KEY = `${"A".repeat(43)}=`;

interface Settings {
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly group?: string;
}

interface Made {
  readonly missing?: string;
  readonly refused?: string;
  readonly wg: string;
  readonly nft: string;
  /** What ip is to be told, one a line. */
  readonly links: string;
  readonly mtu: number;
  readonly origin: string;
  readonly peers: readonly { readonly name: string; readonly publicKey: string; readonly text: string }[];
  readonly problems: readonly { readonly name: string; readonly reason: string }[];
}

describe("store.jq", () => {
  let site: Site;
  let server: Server;
  before(async () => {
    site = await startSite();
    server = site.a;
    await server.run("stingy-firewall");
    await server.sh("ip link add dev wg0 type wireguard; mkdir /run/jq");
  });
  after(() => site.stop());

  const PREFIX = "/stingy-vpn/prod";
  const parameters = (named: Readonly<Record<string, unknown>>) => ({
    Parameters: Object.entries(named).map(([name, value]) => ({
      Name: `${PREFIX}/${name}`,
      Value: typeof value === "string" ? value : JSON.stringify(value),
    })),
  });

  /** Leaves what store.jq makes of the store in /run/jq/config. */
  async function run(
    stored: Readonly<Record<string, unknown>>,
    { ipv4 = "10.8.0.1/24", ipv6 = "fd53::1/64", group = "full" }: Settings = {},
    then = "",
  ): Promise<string> {
    const single = Object.entries(stored).filter(([name]) => !name.startsWith("peers/"));
    const peers = Object.entries(stored).filter(([name]) => name.startsWith("peers/"));
    server.machine.write("/run/jq/parameters", JSON.stringify(parameters(Object.fromEntries(single))));
    // Two pages, as the store gives them.
    const pages = [peers.slice(0, 10), peers.slice(10)].map((page) =>
      JSON.stringify(parameters(Object.fromEntries(page))),
    );
    server.machine.write("/run/jq/peers", pages.join("\n"));
    const files = "--slurpfile parameters /run/jq/parameters --slurpfile peers /run/jq/peers";
    const settings = `--arg prefix ${PREFIX} --arg port 51820 --arg ipv4 '${ipv4}' --arg ipv6 '${ipv6}' --arg mtu 1420 --arg group ${group}`;
    return server.sh(`jq -n ${files} ${settings} -f /usr/local/lib/stingy/store.jq >/run/jq/config ${then}`);
  }
  async function make(stored: Readonly<Record<string, unknown>>, settings?: Settings): Promise<Made> {
    return JSON.parse(await run(stored, settings, "&& cat /run/jq/config"));
  }
  const withKey = (stored: Readonly<Record<string, unknown>>) => ({
    "wireguard-private-key": OWN.privateKey,
    ...stored,
  });

  /** What real wg and nft make of it. @throws when they refuse it */
  async function load(stored: Readonly<Record<string, unknown>>, settings?: Settings) {
    const steps = [
      "jq -er .wg /run/jq/config >/run/jq/wg",
      "jq -er .nft /run/jq/config >/run/jq/nft",
      "wg setconf wg0 /run/jq/wg",
      "nft -f /run/jq/nft",
      "wg show wg0 dump | tail -n +2",
      "echo",
      "cat /run/jq/config",
    ];
    const [, dump = "", config = ""] =
      /^([^{]*)(\{[\s\S]*)$/.exec(await run(stored, settings, `&& ${steps.join(" && ")}`)) ?? [];
    const rows = dump.split("\n").filter(Boolean);
    const peers = rows.map((row) => {
      const [publicKey = "", presharedKey, , allowed = "", , , , keepalive] = row.split("\t");
      return { publicKey, presharedKey, allowed: allowed.split(",").sort(), keepalive };
    });
    return { peers, made: JSON.parse(config) as Made };
  }

  describe("addresses", () => {
    const accepted: readonly [given: string, as: string][] = [
      ["10.8.0.2", "10.8.0.2/32"],
      ["10.8.0.2/32", "10.8.0.2/32"],
      [" 10.8.0.2\n", "10.8.0.2/32"],
      ["10.8.0.254", "10.8.0.254/32"],
      ["fd53::2", "fd53::2/128"],
      ["FD53::AbCd/128", "fd53::abcd/128"],
      ["fd53:0:0:0:1:2:3:4", "fd53::1:2:3:4/128"],
      ["fd53:0:0:0:0:0:3::", "fd53::3:0/128"],
      ["fd53::0:0:3:4", "fd53::3:4/128"],
      ["fd53::", "fd53::/128"],
    ];
    const refused = [
      "",
      "10.8.0",
      "10.8.0.2.3",
      "10.8.0.256",
      "10.8.0.02",
      "10.8.0.2/33",
      "10.8.0.2/",
      "10.8.0.2/31",
      "10.8.0.0/24",
      "10.8.0.0",
      "10.8.0.1",
      "10.8.0.255",
      "10.8.1.2",
      "0.0.0.0/0",
      "::/0",
      "fd53::1",
      "fd53:0:0:0:0:0:0:1",
      "fd54::2",
      "fd53::2/64",
      "fd53::2/129",
      "fd53:::2",
      "fd53::2::3",
      ":fd53::2",
      "fd53::2:",
      "fd53::12345",
      "fd53:0:0:0:0:0:0:3::",
      "::fd53:0:0:0:0:0:0:3",
      "fd53:0:0:0:0:0:0:0:3",
      "fd53:0:0:0:0:0:0:3:12345",
      "fd53::2%wg0",
      "fd53::10.8.0.2",
      "::ffff:10.8.0.2",
      "localhost",
      "10.8.0.2,10.8.0.3",
      "10.8.0.2 10.8.0.3",
      "10.8.0.2\n10.8.0.3",
      "10.8.0.2;",
      "0x0a080002",
      "１０.8.0.2",
    ];
    const one = (address: unknown, n: number) => ({ publicKey: key(n), addresses: [address] });

    it("are taken however they are written", async () => {
      for (const [n, [given, as]] of accepted.entries()) {
        const { peers, made } = await load(withKey({ "peers/x": one(given, n) }));
        expect(made.problems, given).to.deep.equal([]);
        expect(peers.map(({ allowed }) => allowed)).to.deep.equal([[as]]);
      }
    });

    it("are refused when they are none, outside of the tunnel, the server's or nobody's", async () => {
      const stored = Object.fromEntries(refused.map((address, n) => [`peers/${100 + n}`, one(address, n)]));
      const { peers, problems } = await make(withKey(stored));
      expect(peers.map(({ name }) => refused[Number(name) - 100])).to.deep.equal([]);
      expect(problems.map(({ name }) => name)).to.deep.equal(refused.map((_, n) => `${100 + n}`));
      for (const { reason } of problems) expect(reason).to.match(/ is no address for a peer in this tunnel$/);
    });

    it("may be anything in the tunnel's network, whatever that is", async () => {
      const good: readonly [ipv4: string, ipv6: string, address: string][] = [
        ["10.8.0.1/16", "", "10.8.255.254"],
        ["10.8.0.129/25", "", "10.8.0.130"],
        ["10.8.0.0/31", "", "10.8.0.1"],
        ["10.8.0.1/30", "", "10.8.0.2"],
        ["10.8.0.1/24", "fd53:1:2:3:4:5:6:1/112", "fd53:1:2:3:4:5:6:ffff"],
      ];
      const bad: typeof good = [
        ["10.8.0.129/25", "", "10.8.0.128"],
        ["10.8.0.129/25", "", "10.8.0.2"],
        ["10.8.0.1/30", "", "10.8.0.3"],
        ["10.8.0.1/24", "fd53:1:2:3:4:5:6:1/112", "fd53:1:2:3:4:5:7:1"],
        ["10.8.0.1/24", "", "fd53::2"],
      ];
      for (const [ipv4, ipv6, address] of good) {
        const { problems } = await make(withKey({ "peers/x": one(address, 1) }), { ipv4, ipv6 });
        expect(problems, `${address} in ${ipv4} ${ipv6}`).to.deep.equal([]);
      }
      for (const [ipv4, ipv6, address] of bad) {
        const { peers } = await make(withKey({ "peers/x": one(address, 1) }), { ipv4, ipv6 });
        expect(peers, `${address} in ${ipv4} ${ipv6}`).to.deep.equal([]);
      }
    });
  });

  describe("keys", () => {
    it("are 32 bytes in base64 and nothing beside", async () => {
      const bad = [
        "",
        NO_KEY.slice(1),
        `A${NO_KEY}`,
        `${"A".repeat(42)}B=`,
        `${"A".repeat(43)}A`,
        `${key(1)}\n`,
        `\n${key(1)}`,
        ` ${key(1)}`,
        `${key(1)}\n${key(2)}`,
        key(1).replace(/./, "_"),
        5,
        null,
        [key(1)],
      ];
      const stored = Object.fromEntries([
        ...bad.map((publicKey, n) => [`peers/${100 + n}`, { publicKey, addresses: [`10.8.0.${n + 2}`] }]),
        ...bad
          .slice(1, 10)
          .map((presharedKey, n) => [
            `peers/${200 + n}`,
            { publicKey: key(n), presharedKey, addresses: [`10.8.0.${n + 100}`] },
          ]),
      ]);
      const { peers, problems } = await make(withKey(stored));
      expect(peers).to.deep.equal([]);
      expect(problems).to.deep.equal(
        Object.keys(stored).map((name) => ({
          name: name.slice("peers/".length),
          reason: `${name.startsWith("peers/1") ? "publicKey" : "presharedKey"} is no WireGuard key`,
        })),
      );
    });
  });

  describe("the rest of a peer", () => {
    const one = (more: object, n: number) => ({ publicKey: key(n), addresses: [`10.8.0.${n + 2}`], ...more });
    const numbered = (parts: readonly object[]) =>
      withKey(Object.fromEntries(parts.map((more, n) => [`peers/${100 + n}`, one(more, n)])));

    it("may be left out, and then is the site's default group, no shared key and no keepalive", async () => {
      const { peers, made } = await load(
        numbered([{}, { group: null, presharedKey: null, keepalive: null }, { presharedKey: "", keepalive: 0 }]),
        { group: "internet" },
      );
      expect(made.problems).to.deep.equal([]);
      expect(peers.map(({ presharedKey, keepalive }) => [presharedKey, keepalive])).to.deep.equal([
        ["(none)", "off"],
        ["(none)", "off"],
        ["(none)", "off"],
      ]);
      expect(made.nft).to.include("add element inet stingy internet4 { 10.8.0.2/32, 10.8.0.3/32, 10.8.0.4/32 }\n");
    });

    it("has a group of the three there are", async () => {
      const bad = ["Full", "", "full ", "all", "full4", 1, ["full"], { full: true }, true];
      const { peers, problems } = await make(numbered(bad.map((group) => ({ group }))));
      expect(peers).to.deep.equal([]);
      expect(problems.map(({ reason }) => reason)).to.deep.equal(
        bad.map(() => "group is none of full, internet, isolated"),
      );
    });

    it("has a keepalive that is a number of seconds which WireGuard takes", async () => {
      const bad = [-1, 65536, 0.5, "25", "off", [25], true, 1e9];
      const { peers, problems } = await make(numbered(bad.map((keepalive) => ({ keepalive }))));
      expect(peers).to.deep.equal([]);
      expect(problems.map(({ reason }) => reason)).to.deep.equal(bad.map(() => "keepalive is no number of seconds"));
      const most = await load(numbered([{ keepalive: 65535 }, { keepalive: 1 }]));
      expect(most.peers.map(({ keepalive }) => keepalive).sort()).to.deep.equal(["1", "65535"]);
    });

    it("loses its IPv6 addresses where the tunnel has no IPv6, and is none when it has no others", async () => {
      const parts = [{ addresses: ["10.8.0.2", "fd53::2"] }, { addresses: ["fd53::3"] }];
      const { peers, problems } = await make(numbered(parts), { ipv6: "" });
      expect(peers.map(({ text }) => /AllowedIPs = (.*)/.exec(text)?.[1])).to.deep.equal(["10.8.0.2/32"]);
      expect(problems).to.deep.equal([{ name: "101", reason: "nothing is no address for a peer in this tunnel" }]);
    });
  });

  describe("the whole", () => {
    it("is what wg, nft and ip are to be told", async () => {
      const made = await make(
        withKey({
          "peers/b": {
            publicKey: key(1),
            addresses: ["10.8.0.3", "fd53::3"],
            presharedKey: key(9),
            keepalive: 25,
            group: "internet",
          },
          "peers/a": { publicKey: key(0), addresses: ["10.8.0.2"], group: null, note: "mine" },
        }),
        { group: "isolated" },
      );
      expect(made).to.deep.equal({
        origin: "peers",
        mtu: 1420,
        key: OWN.privateKey,
        links: "address 10.8.0.1/24\naddress fd53::1/64",
        count: 2,
        skipped: 0,
        wg: `[Interface]
PrivateKey = ${OWN.privateKey}
ListenPort = 51820
[Peer]
PublicKey = ${key(0)}
AllowedIPs = 10.8.0.2/32
PresharedKey = ${NO_KEY}
PersistentKeepalive = 0
[Peer]
PublicKey = ${key(1)}
AllowedIPs = 10.8.0.3/32, fd53::3/128
PresharedKey = ${key(9)}
PersistentKeepalive = 25
`,
        nft: `flush set inet stingy full4
flush set inet stingy full6
flush set inet stingy internet4
add element inet stingy internet4 { 10.8.0.3/32 }
flush set inet stingy internet6
add element inet stingy internet6 { fd53::3/128 }
flush set inet stingy isolated4
add element inet stingy isolated4 { 10.8.0.2/32 }
flush set inet stingy isolated6
flush set inet stingy tunnel4
add element inet stingy tunnel4 { 10.8.0.1/24 }
flush set inet stingy tunnel6
add element inet stingy tunnel6 { fd53::1/64 }
`,
        peers: made.peers,
        problems: [],
      });
      expect(made.peers.map(({ text: _, ...rest }) => rest)).to.deep.equal([
        { name: "a", publicKey: key(0), keepalive: 0 },
        { name: "b", publicKey: key(1), keepalive: 25 },
      ]);
    });

    it("says what is missing or wrong instead", async () => {
      const cases: readonly [stored: Readonly<Record<string, string>>, said: object][] = [
        [{}, { missing: "wireguard-private-key" }],
        [{ "wireguard-private-key": " \n" }, { missing: "wireguard-private-key" }],
        [{ "wireguard-private-key": "initial" }, { refused: "wireguard-private-key is no WireGuard key" }],
        [
          withKey({ "wireguard-config": "initial" }),
          { refused: "wireguard-config has no PrivateKey that is a WireGuard key" },
        ],
        [
          withKey({ "wireguard-config": "[Interface]" }),
          { refused: "wireguard-config has no PrivateKey that is a WireGuard key" },
        ],
        [
          { "wireguard-config": `PrivateKey = ${OWN.privateKey}\nAddress = 10.8.0.1/24` },
          { refused: "wireguard-config has no PrivateKey that is a WireGuard key" },
        ],
        [
          { "wireguard-config": `[Interface]\nPrivateKey = ${OWN.privateKey}\nAddress = here` },
          { refused: "wireguard-config has no Address" },
        ],
      ];
      for (const [stored, said] of cases) expect(await make(stored), JSON.stringify(stored)).to.deep.equal(said);
    });

    it("takes the key as it is whatever white space is around it", async () => {
      expect((await make({ "wireguard-private-key": `\n ${OWN.privateKey}\r\n` })).wg).to.include(
        `PrivateKey = ${OWN.privateKey}\n`,
      );
    });

    it("gives the n-th of client-public-keys the n-th address after the server's, while there are any", async () => {
      const keys = Array.from({ length: 7 }, (_, n) => key(n)).join(",");
      const allowed = (made: Made) => made.peers.map(({ text }) => /AllowedIPs = (.*)/.exec(text)?.[1]);
      const last = await make(withKey({ "client-public-keys": keys }), { ipv4: "10.8.0.250/24", ipv6: "" });
      expect(allowed(last)).to.deep.equal(["10.8.0.251/32", "10.8.0.252/32", "10.8.0.253/32", "10.8.0.254/32"]);
      expect(last.problems.map(({ reason }) => reason)).to.deep.equal([
        "10.8.0.255/32 is no address for a peer in this tunnel",
        "10.8.1.0/32 is no address for a peer in this tunnel",
        "10.8.1.1/32 is no address for a peer in this tunnel",
      ]);
      const over = await make(withKey({ "client-public-keys": `${key(0)},${key(1)}` }), {
        ipv4: "10.8.0.255/16",
        ipv6: "fd53::9/64",
      });
      expect(allowed(over)).to.deep.equal(["10.8.1.0/32, fd53::a/128", "10.8.1.1/32, fd53::b/128"]);
      const most = Array.from({ length: 5 }, (_, n) => key(n)).join(",");
      const end = await make(withKey({ "client-public-keys": most }), { ipv4: "10.8.255.253/16", ipv6: "" });
      expect(allowed(end), "it does not begin anew").to.deep.equal(["10.8.255.254/32"]);
      const six = await make(withKey({ "client-public-keys": `${key(0)},${key(1)}` }), { ipv6: "fd53::fffe/64" });
      expect(allowed(six)).to.deep.equal(["10.8.0.2/32, fd53::ffff/128"]);
    });

    it("leaves the later of two with one key or address out, in whatever form it is written", async () => {
      const { peers, problems } = await make(
        withKey({
          "peers/d": { publicKey: key(3), addresses: ["10.8.0.5", "FD53:0::0:2"] },
          "peers/a": { publicKey: key(0), addresses: ["10.8.0.2", "fd53::2"] },
          "peers/c": { publicKey: key(2), addresses: ["10.8.0.2/32"] },
          "peers/b": { publicKey: key(0), addresses: ["10.8.0.3"] },
          // Not the ones that are left out themselves.
          "peers/e": { publicKey: key(3), addresses: ["10.8.0.5"] },
          "peers/f": { publicKey: key(4), addresses: ["10.8.0.6", "10.8.0.6"] },
        }),
      );
      expect(peers.map(({ name }) => name)).to.deep.equal(["a", "e", "f"]);
      expect(problems).to.deep.equal(
        ["b", "c", "d"].map((name) => ({ name, reason: "its key or address is that of a" })),
      );
    });
  });

  describe("a wg0.conf", () => {
    const interfaceLines = [`PrivateKey = ${OWN.privateKey}`, "Address = 10.66.0.1/24"];
    const conf = (...lines: string[]) => ({
      "wireguard-config": ["[Interface]", ...interfaceLines, ...lines].join("\n"),
    });

    it("is read as wg-quick reads it", async () => {
      const text = [
        "\t[INTERFACE]  # mine",
        `privatekey=${OWN.privateKey}#no space`,
        "ADDRESS = 10.66.0.1/24 , fd66::1/64",
        "Address = 10.67.0.1/24",
        "listenport=51820",
        "MTU=1280",
        "#[Peer]",
        "[peer]",
        `PublicKey=${key(0)}`,
        "AllowedIPs=10.66.0.2/32,fd66::2/128",
        "AllowedIPs = 10.67.0.2",
        `PresharedKey =${key(8)}`,
        "Endpoint = [2001:DB8::5]:51820",
        "PersistentKeepalive = off",
        "[Peer]",
        `PublicKey = ${key(1)}`,
        "AllowedIPs = 10.66.0.3/32",
        "Endpoint = 192.0.2.5:51820",
        "PersistentKeepalive = 15",
      ];
      for (const end of ["\n", "\r\n", "\n\n  \n"]) {
        const { peers, made } = await load({ "wireguard-config": text.join(end) });
        expect(made).to.include({ origin: "wireguard-config", mtu: 1280 });
        expect(made.links).to.equal("address 10.66.0.1/24\naddress fd66::1/64\naddress 10.67.0.1/24");
        expect(peers.sort((a, b) => KEYS.indexOf(a.publicKey) - KEYS.indexOf(b.publicKey))).to.deep.equal([
          {
            publicKey: key(0),
            presharedKey: key(8),
            allowed: ["10.66.0.2/32", "10.67.0.2/32", "fd66::2/128"],
            keepalive: "off",
          },
          { publicKey: key(1), presharedKey: "(none)", allowed: ["10.66.0.3/32"], keepalive: "15" },
        ]);
        expect(made.problems).to.deep.equal([]);
        expect(made.wg).to.include("Endpoint = [2001:DB8::5]:51820\n").and.to.include("Endpoint = 192.0.2.5:51820\n");
      }
    });

    it("brings routes to what its peers bring, from where they begin, but never to half of everything", async () => {
      const ranges =
        "10.66.0.2/32, 10.66.0.128/25, 192.168.7.5/24, 172.16.1.1, 0.0.0.0/0, 128.0.0.0/1, ::/0, fd77::5/61, 2000::/3";
      const { made } = await load(conf("[Peer]", `PublicKey = ${key(0)}`, `AllowedIPs = ${ranges}`));
      const links = [
        "address 10.66.0.1/24",
        "route 192.168.7.0/24",
        "route 172.16.1.1/32",
        "route fd77:0:0:0:0:0:0:0/61",
      ];
      expect(made.links.split("\n")).to.deep.equal(links);
      expect(made.nft).to.include("add element inet stingy tunnel4 { 10.66.0.1/24, 192.168.7.5/24, 172.16.1.1/32 }\n");
      expect(made.nft).to.include("add element inet stingy tunnel6 { fd77::5/61 }\n");
      for (const link of links)
        await server.sh(
          `ip link set wg0 up; ip ${link.replace(" ", " replace ")} dev wg0; ip ${link.replace(" ", " del ")} dev wg0`,
        );
    });

    it("has an endpoint only where that is an address and a port, so that wg never asks anybody for a name", async () => {
      for (const endpoint of [
        "vpn.example:51820",
        "999.1.1.1:51820",
        "1.2.3:5",
        "1.2.3.4",
        "[1.2.3.4]:5",
        "fd53::5:5",
        "[fd53::5:5",
        "1.2.3.4]:5",
        "1.2.3.4:",
        "1.2.3.4:5\tx",
        "[::1::]:5",
      ]) {
        const { made, peers } = await load(
          conf("[Peer]", `PublicKey = ${key(0)}`, "AllowedIPs = 10.66.0.2", `Endpoint = ${endpoint}`),
        );
        expect(made.wg, endpoint).not.to.include("Endpoint");
        expect(peers).to.have.length(1);
      }
    });

    it("names what is not used here, once each, and no more than the name", async () => {
      const { problems } = await make(
        conf("ListenPort = 443", "PostUp = reboot", "PostUp = halt", "Table = off", "FwMark=0x1", "Nonsense"),
      );
      expect(problems).to.deep.equal(
        ["listenport", "postup", "table", "fwmark", "nonsense"].map((name) => ({
          name: "wireguard-config",
          reason: `${name} is not used here`,
        })),
      );
    });
  });

  describe("whatever is in the store", () => {
    const NASTY = [
      "",
      "\n",
      "\u0000",
      `${key(39)}\n`,
      `${key(39)}\nEndpoint = 1.2.3.4:5`,
      `${key(39)}\n[Interface]\nPrivateKey = ${key(38)}`,
      "x # comment",
      "10.8.0.3 }; flush ruleset; add element inet stingy full4 { 0.0.0.0",
      "10.8.0.1",
      "10.8.0.0/24",
      "0.0.0.0/0",
      "::/0",
      "fd53::1",
      "fd53:0:0:0:0:0:0:5::",
      "fd53:0:0:0:0:0:0:5:fffff",
      "fd53::2/64",
      "$(reboot)",
      "`reboot`",
      "';reboot;'",
      '"}\n{"',
      "é\u2028\u{1f600}",
      "A".repeat(9000),
      "full\nflush ruleset",
    ];
    const nasty: fc.Arbitrary<unknown> = fc.oneof(
      fc.constantFrom<unknown>(...NASTY, null, true, false, -1, 0.5, 1e300, 65536, [], {}, [["10.8.0.9"]], [NASTY], {
        a: NASTY,
      }),
      fc.string({ unit: "binary" }),
      fc.jsonValue(),
    );

    /** Good by itself; its key and addresses are its own. */
    interface Good {
      readonly keepalive: number | undefined;
      readonly group: string | undefined;
      readonly shared: boolean;
      readonly six: boolean;
      readonly form: number;
    }
    const good: fc.Arbitrary<Good> = fc.record({
      keepalive: fc.constantFrom(undefined, 0, 1, 25, 65535),
      group: fc.constantFrom(undefined, "full", "internet", "isolated"),
      shared: fc.boolean(),
      six: fc.boolean(),
      form: fc.nat(2),
    });
    const address6 = (n: number, form: number): string =>
      [
        `fd53::${n.toString(16)}`,
        `FD53:0:0:0:0:0:0:${n.toString(16).toUpperCase()}`,
        `fd53:0000::0:${n.toString(16)}/128`,
      ][form] ?? "";
    const storedGood = ({ keepalive, group, shared, six, form }: Good, n: number) => ({
      publicKey: key(n),
      addresses: [`10.8.0.${n + 2}`, ...(six ? [address6(n + 2, form)] : [])],
      ...(shared ? { presharedKey: key(n + 1) } : {}),
      ...(group === undefined ? {} : { group }),
      ...(keepalive === undefined ? {} : { keepalive }),
    });
    const expected = ({ keepalive = 0, shared, six }: Good, n: number) => ({
      publicKey: key(n),
      presharedKey: shared ? key(n + 1) : "(none)",
      allowed: [`10.8.0.${n + 2}/32`, ...(six ? [`fd53::${(n + 2).toString(16)}/128`] : [])].sort(),
      keepalive: keepalive === 0 ? "off" : `${keepalive}`,
    });

    type Bad = { readonly first: boolean; readonly value: unknown };
    const BAD_KEYS = 20;
    const bad: fc.Arbitrary<Bad> = fc.record({
      first: fc.boolean(),
      value: fc.oneof(
        nasty,
        // A good one but for a part or two.
        fc
          .record(
            {
              publicKey: nasty,
              presharedKey: nasty,
              addresses: fc.oneof(nasty, fc.array(nasty, { maxLength: 3 })),
              group: nasty,
              keepalive: nasty,
            },
            { requiredKeys: [] },
          )
          .chain((part) =>
            fc.nat(9).map((n) => ({ publicKey: key(BAD_KEYS + n), addresses: [`10.8.0.${200 + n}`], ...part })),
          ),
      ),
    });

    const WG_LINES =
      /^(\[Interface\]\nPrivateKey = KEY\nListenPort = 51820\n)(\[Peer\]\nPublicKey = KEY\nAllowedIPs = NET(, NET)*\nPresharedKey = KEY\n(Endpoint = \S+\n)?PersistentKeepalive = \d{1,5}\n)*$/;
    const wgText = new RegExp(
      WG_LINES.source.replaceAll("KEY", "[A-Za-z0-9+/]{43}=").replaceAll("NET", "[0-9a-f.:]+/\\d{1,3}"),
    );
    const NFT_TEXT =
      /^(flush set inet stingy [a-z]+[46]\n(add element inet stingy [a-z]+[46] \{ [0-9a-f.:]+\/\d+(, [0-9a-f.:]+\/\d+)* \}\n)?){8}$/;

    it("wg and nft take what is made of it, and good peers are served whatever is beside them", async () => {
      const runs = fc.asyncProperty(
        fc.array(good, { minLength: 1, maxLength: 6 }),
        fc.array(bad, { maxLength: 12 }),
        async (goods, bads) => {
          const stored = withKey({
            ...Object.fromEntries(goods.map((one, n) => [`peers/m-${n}`, storedGood(one, n)])),
            ...Object.fromEntries(bads.map(({ first, value }, n) => [`peers/${first ? "a" : "z"}-${n}`, value])),
            // They come later, so that the good ones have what they want.
            "peers/zz-key": { publicKey: key(0), addresses: ["10.8.0.250"] },
            "peers/zz-address": { publicKey: key(37), addresses: ["10.8.0.2"] },
          });
          const { peers, made } = await load(stored);
          const served = peers.filter(({ publicKey }) => KEYS.indexOf(publicKey) < BAD_KEYS);
          served.sort((a, b) => KEYS.indexOf(a.publicKey) - KEYS.indexOf(b.publicKey));
          expect(served).to.deep.equal(goods.map(expected));
          expect(made.wg).to.match(wgText);
          expect(made.nft).to.match(NFT_TEXT);
          for (const { allowed } of peers)
            for (const network of allowed) expect(network).to.match(/^(10\.8\.0\.\d+\/32|fd53::[0-9a-f:]*\/128)$/);
          expect(made.peers.length + made.problems.length).to.equal(Object.keys(stored).length - 1);
          for (const { name } of made.problems) expect(name).to.match(/^[az]/);
          for (const { name, group } of goods.map((one, n) => ({
            name: `10.8.0.${n + 2}`,
            group: one.group ?? "full",
          })))
            expect(made.nft).to.match(
              new RegExp(`add element inet stingy ${group}4 \\{[^}]* ${name.replaceAll(".", "\\.")}/32[, ]`),
            );
          expect(made.links).to.equal("address 10.8.0.1/24\naddress fd53::1/64");
        },
      );
      await fc.assert(runs, { numRuns: 40 });
    });

    it("wg and nft take what is made of a wg0.conf, and its good peers are served whatever is beside them", async () => {
      const line = fc.oneof(
        fc.constantFrom(
          "[Peer]",
          "[Interface]",
          "[",
          "=",
          "PublicKey",
          "AllowedIPs =",
          "AllowedIPs = 0.0.0.0/0, ::/0",
          "AllowedIPs = 10.66.0.0/16",
          "AllowedIPs = 10.66.0.1/32",
        ),
        fc
          .tuple(
            fc.constantFrom(
              "PublicKey",
              "PresharedKey",
              "AllowedIPs",
              "Endpoint",
              "PersistentKeepalive",
              "MTU",
              "PostUp",
            ),
            fc.oneof(fc.constantFrom(...NASTY), fc.string({ unit: "binary" }), fc.constantFrom(key(30), key(31))),
          )
          .map(([name, value]) => `${name} = ${value}`),
        fc.string({ unit: "binary" }),
      );
      // No line of it becomes part of a good peer, which begins with its own [Peer].
      const runs = fc.asyncProperty(
        fc.array(good, { minLength: 1, maxLength: 4 }),
        fc.array(fc.array(line, { maxLength: 6 }), { maxLength: 4 }),
        async (goods, bads) => {
          const sections = [
            ...goods.map((one, n) => {
              const { publicKey, addresses, presharedKey, keepalive } = storedGood(one, n);
              return [
                "[Peer]",
                `PublicKey = ${publicKey}`,
                `AllowedIPs = ${addresses.join(",")}`,
                ...(presharedKey === undefined ? [] : [`PresharedKey = ${presharedKey}`]),
                ...(keepalive === undefined ? [] : [`PersistentKeepalive = ${keepalive}`]),
              ];
            }),
            ...bads.map((lines) => ["[Peer]", ...lines]),
          ];
          const text = [
            "[Interface]",
            `PrivateKey = ${OWN.privateKey}`,
            "Address = 10.8.0.1/24, fd53::1/64",
            ...sections.flat(),
          ].join("\n");
          const { peers, made } = await load({ "wireguard-config": text });
          const served = peers.filter(({ publicKey }) => KEYS.indexOf(publicKey) < BAD_KEYS);
          served.sort((a, b) => KEYS.indexOf(a.publicKey) - KEYS.indexOf(b.publicKey));
          expect(served).to.deep.equal(goods.map(expected));
          expect(made.wg).to.match(wgText);
          expect(made.nft).to.match(NFT_TEXT);
        },
      );
      await fc.assert(runs, { numRuns: 40 });
    });
  });
});
