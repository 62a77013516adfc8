import { expect } from "chai";
import fc from "fast-check";
import {
  ConfigTextError,
  GROUPS,
  generatePresharedKey,
  generatePrivateKey,
  type ImportedPeer,
  importFiles,
  isPeerName,
  publicKeyOf,
  serverConfigText,
} from "../../../modules/wireguard";

const serverKey = generatePrivateKey();
const privateKeys = Array.from({ length: 12 }, generatePrivateKey);
const keys = privateKeys.map(publicKeyOf);
const presharedKey = generatePresharedKey();
const NO_SERVER_KEY =
  "the server's private key is in none of these files: give each device the new server's public key";

const one = (text: string, name = "wg0.conf") => importFiles([{ name, text }]);
const server = (...peers: readonly string[]) =>
  one(
    `[Interface]\nPrivateKey = ${serverKey}\nAddress = 10.8.0.1/24, fd53::1/64\nListenPort = 51820\n${peers.join("\n")}\n`,
  );
/** A peer of a server's file, with the notes before and in it. */
const section = (number: number, before: string, inside = "") =>
  `${before}\n[Peer]\n${inside}\nPublicKey = ${keys[number]}\nAllowedIPs = 10.8.0.${number + 2}/32`;
const names = (peers: readonly ImportedPeer[]) => peers.map(({ name }) => name);

describe("importing a server's wg0.conf", () => {
  it("takes the peers with their keys, addresses and keepalive, and the server's key and network", () => {
    expect(
      server(
        `# Client: phone (3c1b5b6e-7a0f-4a5b-8c9d-0e1f2a3b4c5d)\n[Peer]\nPublicKey = ${keys[0]}\nPresharedKey = ${presharedKey}\nAllowedIPs = 10.8.0.2/32\nAllowedIPs = FD53::2\nPersistentKeepalive = 25\nEndpoint = 1.2.3.4:5`,
        section(1, "# laptop"),
      ),
    ).to.deep.equal({
      peers: [
        { name: "phone", publicKey: keys[0], presharedKey, addresses: ["10.8.0.2/32", "fd53::2/128"], keepalive: 25 },
        { name: "laptop", publicKey: keys[1], addresses: ["10.8.0.3/32"] },
      ],
      serverPrivateKey: serverKey,
      tunnelIpv4: "10.8.0.0/24",
      listenPort: 51820,
      notes: [],
    });
  });

  it("takes the port of the file that says it, and none without the server's key", () => {
    const text = (settings: string) => `[Interface]\nAddress = 10.8.0.1/24\n${settings}\n`;
    const key = { name: "a.conf", text: text(`PrivateKey = ${serverKey}`) };
    const port = { name: "b.conf", text: text("ListenPort = 443") };
    expect([importFiles([key, port]).listenPort, importFiles([port]).listenPort]).to.deep.equal([443, undefined]);
  });

  it("knows the names that wg-easy, wireguard-install, pivpn, Nyr's script, algo and people note", () => {
    const { peers, notes } = server(
      section(0, "# Client: a.1 (12)"),
      section(1, "\n### Client b"),
      section(2, "### begin c ###"),
      section(3, "### end c ###\n### begin d ###"),
      section(4, "### end d ###\n# BEGIN_PEER e"),
      section(5, "# END_PEER e", "# f"),
      section(6, "# friendly_name = g"),
      section(7, "# Name: h"),
      section(8, "# All of Bob's\n\n# i"),
    );
    expect([names(peers), notes]).to.deep.equal([["a.1", "b", "c", "d", "e", "f", "g", "h", "i"], []]);
  });

  it("numbers those without a name, and takes no setting that was switched off for one", () => {
    const { peers, notes } = server(
      section(0, ""),
      section(1, `# PresharedKey = ${presharedKey}`),
      section(2, "#[Peer]\n#"),
      section(3, "# peer-1"),
      section(4, "# END_PEER a"),
      section(5, "# Group: isolated"),
    );
    expect([names(peers), notes]).to.deep.equal([
      ["peer-1-2", "peer-2", "peer-3", "peer-1", "peer-5", "peer-6"],
      [
        "peer 1 has no name in the file: it is called peer-1-2",
        "peer 2 has no name in the file: it is called peer-2",
        "peer 3 has no name in the file: it is called peer-3",
        "peer 5 has no name in the file: it is called peer-5",
        "peer 6 has no name in the file: it is called peer-6",
      ],
    ]);
  });

  it("makes names what names may be, each once, and says so", () => {
    const { peers, notes } = server(
      section(0, "# Client: Bob's phone"),
      section(1, "# Client: Téléphone"),
      section(2, "# Client: 電話"),
      section(3, "# Client: laptop"),
      section(4, "# Client: laptop"),
      section(5, "# Client: --rf/../x"),
      section(6, `# Client: ${"x".repeat(80)}`),
      section(7, `# Client: ${"x".repeat(63)}`),
    );
    expect([names(peers), notes]).to.deep.equal([
      ["Bob-s-phone", "Telephone", "peer-3", "laptop", "laptop-2", "rf-..-x", `${"x".repeat(61)}-2`, "x".repeat(63)],
      [
        '"Bob\'s phone" is called Bob-s-phone',
        '"Téléphone" is called Telephone',
        '"電話" is called peer-3',
        '"laptop" is called laptop-2',
        '"--rf/../x" is called rf-..-x',
        `"${"x".repeat(80)}" is called ${"x".repeat(61)}-2`,
      ],
    ]);
  });

  it("leaves out networks, peers without an address, and those whose key or address another has", () => {
    const { peers, notes } = server(
      `# site\n[Peer]\nPublicKey = ${keys[0]}\nAllowedIPs = 10.8.0.2, 192.168.1.0/24`,
      `# exit\n[Peer]\nPublicKey = ${keys[1]}\nAllowedIPs = 0.0.0.0/0`,
      `# key\n[Peer]\nPublicKey = ${keys[0]}\nAllowedIPs = 10.8.0.9`,
      `# address\n[Peer]\nPublicKey = ${keys[2]}\nAllowedIPs = 10.8.0.2/32`,
    );
    const left = "is left out, as a peer has only its own addresses here; the whole file in wireguard-config keeps it";
    expect([peers, notes]).to.deep.equal([
      [{ name: "site", publicKey: keys[0], addresses: ["10.8.0.2/32"] }],
      [
        `"site": the network 192.168.1.0/24 ${left}`,
        `"exit": the network 0.0.0.0/0 ${left}`,
        '"exit" is left out: it has no address of its own',
        '"key" is left out: its key or address is that of site',
        '"address" is left out: its key or address is that of site',
      ],
    ]);
  });

  it("knows a server by its port, and by a peer that it cannot call", () => {
    const own = `[Interface]\nPrivateKey = ${serverKey}\nAddress = 10.8.0.1/32\n`;
    for (const [port, endpoint] of [
      ["ListenPort = 1", "Endpoint = 1.2.3.4:5"],
      ["", ""],
    ]) {
      expect(one(`${own}${port}\n${section(0, "# a", endpoint)}\n`)).to.deep.equal({
        peers: [{ name: "a", publicKey: keys[0], addresses: ["10.8.0.2/32"] }],
        serverPrivateKey: serverKey,
        ...(port ? { listenPort: 1 } : {}),
        notes: [],
      });
    }
  });

  it("says what it cannot read, with the file's name and the line, and takes nothing", () => {
    expect(() => one("[Interface]\nPrivateKey = x\n")).to.throw(
      ConfigTextError,
      /^wg0\.conf: line 2: PrivateKey is no WireGuard key/,
    );
    expect(() => one("")).to.throw(ConfigTextError, "wg0.conf: there is no [Interface]");
    expect(one(`[Interface]\nListenPort = 1\n${section(0, "# a")}\n`).notes).to.deep.equal([
      "[Interface] has no PrivateKey",
      NO_SERVER_KEY,
    ]);
  });
});

describe("importing wg-easy's wg0.json", () => {
  const client = (number: number, given: object = {}) => ({
    name: `client${number}`,
    enabled: true,
    address: `10.8.0.${number + 2}`,
    publicKey: keys[number],
    preSharedKey: presharedKey,
    privateKey: privateKeys[number],
    createdAt: "2024-01-01T00:00:00.000Z",
    ...given,
  });
  const file = (clients: object, address = "10.8.0.1") =>
    JSON.stringify({ server: { privateKey: serverKey, publicKey: publicKeyOf(serverKey), address }, clients });

  it("takes the clients, but not those that are switched off", () => {
    expect(
      one(
        file({
          "3c1b": client(0),
          "4d2c": client(1, { name: "My phone", preSharedKey: undefined }),
          "5e": client(2, { enabled: false }),
        }),
      ),
    ).to.deep.equal({
      peers: [
        { name: "client0", publicKey: keys[0], presharedKey, addresses: ["10.8.0.2/32"] },
        { name: "My-phone", publicKey: keys[1], addresses: ["10.8.0.3/32"] },
      ],
      serverPrivateKey: serverKey,
      tunnelIpv4: "10.8.0.0/24",
      notes: ['"client2" is left out: it is switched off in wg-easy', '"My phone" is called My-phone'],
    });
  });

  it("takes the network's size where there is one", () => {
    expect(one(file({}, "10.9.0.1/16")).tunnelIpv4).to.equal("10.9.0.0/16");
  });

  it("makes a public key that is missing out of the private one, and leaves out who has neither", () => {
    const { peers, notes } = one(
      file({
        a: client(0, { publicKey: undefined }),
        b: client(1, { publicKey: "x", privateKey: "y" }),
        c: client(2, { preSharedKey: "z" }),
        d: client(3, { address: "somewhere" }),
        e: null,
      }),
    );
    expect([peers, notes]).to.deep.equal([
      [{ name: "client0", publicKey: keys[0], presharedKey, addresses: ["10.8.0.2/32"] }],
      [
        '"client1" is left out: its publicKey is no WireGuard key',
        '"client2" is left out: its preSharedKey is no WireGuard key',
        "client 5 is left out: its publicKey is no WireGuard key",
        '"client3" is left out: it has no address of its own',
      ],
    ]);
  });

  it("says of JSON that is not wg-easy's, or none, what it is, without quoting it", () => {
    expect(() => one(`{"privateKey": "${serverKey}"}`, "a.json")).to.throw(
      ConfigTextError,
      'a.json: this JSON has neither "server" nor "clients", so it is no wg0.json of wg-easy.',
    );
    expect(() => one(`{"privateKey": ${serverKey}`, "a.json")).to.throw(
      ConfigTextError,
      "a.json: this begins like JSON and is none.",
    );
    expect(one('{"clients": {}, "server": {"privateKey": "x"}}')).to.deep.equal({
      peers: [],
      notes: ["server.privateKey is no WireGuard key", NO_SERVER_KEY],
    });
  });
});

describe("importing clients' own files, as algo writes them", () => {
  const file = (
    number: number,
    name: string,
    address = `10.49.0.${number + 2}/32, 2001:db8:a160::${number + 2}/128`,
  ) => ({
    name: `configs/203.0.113.7/wireguard/${name}.conf`,
    text: `[Interface]
PrivateKey = ${privateKeys[number]}
Address = ${address}
DNS = 172.27.173.1

[Peer]
PublicKey = ${publicKeyOf(serverKey)}
PresharedKey = ${presharedKey}
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = 203.0.113.7:51820
PersistentKeepalive = 25
`,
  });

  it("takes each for a peer by its file's name, and says that the server's key is not in there", () => {
    expect(importFiles([file(0, "phone"), file(1, "Bob's laptop", "10.49.0.3/24")])).to.deep.equal({
      peers: [
        { name: "phone", publicKey: keys[0], presharedKey, addresses: ["10.49.0.2/32", "2001:db8:a160::2/128"] },
        { name: "Bob-s-laptop", publicKey: keys[1], presharedKey, addresses: ["10.49.0.3/32"] },
      ],
      notes: ['"Bob\'s laptop" is called Bob-s-laptop', NO_SERVER_KEY],
    });
  });

  it("leaves out one without a private key", () => {
    const { name, text } = file(0, "phone");
    const imported = importFiles([{ name, text: text.replace(/^PrivateKey.*\n/m, "") }, file(1, "laptop")]);
    expect([names(imported.peers), imported.notes]).to.deep.equal([
      ["laptop"],
      ['"phone" is left out: its [Interface] has no PrivateKey', NO_SERVER_KEY],
    ]);
  });

  it("says which file cannot be read", () => {
    expect(() => importFiles([file(0, "phone"), { name: "notes.conf", text: "hello" }])).to.throw(
      ConfigTextError,
      "notes.conf: line 1: this stands before [Interface], with which a WireGuard configuration begins.",
    );
  });
});

describe("exporting a wg0.conf", () => {
  it("has each peer's name as wg-easy notes it", () => {
    const peer = {
      name: "phone",
      publicKey: keys[0] ?? "",
      presharedKey,
      addresses: ["10.8.0.2/32"],
      group: "full",
    } as const;
    expect(
      serverConfigText([peer], { privateKey: serverKey, addresses: ["10.8.0.1/24"], listenPort: 51820 }),
    ).to.equal(`[Interface]
PrivateKey = ${serverKey}
ListenPort = 51820
Address = 10.8.0.1/24

# Client: phone
# Group: full
[Peer]
PublicKey = ${keys[0]}
PresharedKey = ${presharedKey}
AllowedIPs = 10.8.0.2/32
`);
  });

  it("is imported as what was exported", () => {
    const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("base64"));
    const peer = fc.record(
      {
        name: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,62}$/).filter(isPeerName),
        publicKey: key,
        presharedKey: key,
        group: fc.constantFrom(...GROUPS),
        keepalive: fc.integer({ min: 1, max: 65535 }),
        number: fc.integer({ min: 2, max: 254 }),
      },
      { requiredKeys: ["name", "publicKey", "number"] },
    );
    const peers = fc
      .uniqueArray(peer, {
        maxLength: 6,
        comparator: (a, b) => a.name === b.name || a.publicKey === b.publicKey || a.number === b.number,
      })
      .map((all) =>
        all.map(({ number, ...rest }) => ({
          ...rest,
          addresses: [`10.8.0.${number}/32`, `fd53::${number.toString(16)}/128`],
        })),
      );
    fc.assert(
      fc.property(peers, (given) => {
        const text = serverConfigText(given, { privateKey: serverKey, addresses: ["10.8.0.1/24"], listenPort: 51820 });
        expect(one(text)).to.deep.equal({
          peers: given,
          serverPrivateKey: serverKey,
          tunnelIpv4: "10.8.0.0/24",
          listenPort: 51820,
          notes: [],
        });
      }),
    );
  });
});
