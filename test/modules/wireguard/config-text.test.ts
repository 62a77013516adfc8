import { expect } from "chai";
import fc from "fast-check";
import {
  allowedIps,
  ConfigTextError,
  deviceConfig,
  generatePresharedKey,
  generatePrivateKey,
  type InterfaceSection,
  joinEndpoint,
  type PeerSection,
  parseConfig,
  publicKeyOf,
  splitEndpoint,
  writeConfig,
} from "../../../modules/wireguard";

const privateKey = generatePrivateKey();
const publicKey = publicKeyOf(generatePrivateKey());
const presharedKey = generatePresharedKey();

const peer = (given: Partial<PeerSection> = {}): PeerSection => ({
  comments: [],
  publicKey,
  allowedIps: [],
  others: [],
  ...given,
});
const own = (given: Partial<InterfaceSection> = {}): InterfaceSection => ({
  comments: [],
  addresses: [],
  dns: [],
  others: [],
  ...given,
});

describe("reading wg-quick's format", () => {
  it("takes a whole file of a server as people have it", () => {
    const text = `\uFEFF# my server
[interface]
  PRIVATEKEY=${privateKey}  # keep it
address = 10.8.0.1/24,fd53::1/64
Address = 192.168.7.1
ListenPort = 51820
DNS = 1.1.1.1, home.example
MTU = 1380
Table = off
FwMark = 0xca6c
SaveConfig = true
PostUp = iptables -A FORWARD -i %i -j ACCEPT; sysctl -w a=b
PostUp = true
Jc = 4

### begin phone ###
[PEER]
PublicKey = ${publicKey}
PresharedKey = ${presharedKey}
AllowedIPs = 10.8.0.2/32
AllowedIPs = fd53::2/128 , 10.8.0.3
Endpoint = [2001:db8::7]:51821
PersistentKeepalive = off
### end phone ###
`.replaceAll("\n", "\r\n");
    expect(parseConfig(text)).to.deep.equal({
      interface: {
        comments: ["# my server", "# keep it"],
        privateKey,
        listenPort: 51820,
        addresses: ["10.8.0.1/24", "fd53::1/64", "192.168.7.1"],
        dns: ["1.1.1.1", "home.example"],
        mtu: 1380,
        others: [
          { key: "Table", value: "off" },
          { key: "FwMark", value: "0xca6c" },
          { key: "SaveConfig", value: "true" },
          { key: "PostUp", value: "iptables -A FORWARD -i %i -j ACCEPT; sysctl -w a=b" },
          { key: "PostUp", value: "true" },
          { key: "Jc", value: "4" },
        ],
      },
      peers: [
        {
          comments: ["### begin phone ###"],
          publicKey,
          presharedKey,
          allowedIps: ["10.8.0.2/32", "fd53::2/128", "10.8.0.3"],
          endpoint: "[2001:db8::7]:51821",
          keepalive: 0,
          others: [],
        },
      ],
      comments: ["### end phone ###"],
    });
  });

  it("gives notes before, in and beside a section to it", () => {
    const text = `[Interface]
# the server
ListenPort = 1
# Client: phone (3c1b)
[Peer]
# Bob's
PublicKey = ${publicKey} # new

# laptop
[Peer]
PublicKey = ${publicKey}
`;
    const config = parseConfig(text);
    expect([config.interface.comments, ...config.peers.map(({ comments }) => comments), config.comments]).to.deep.equal(
      [["# the server"], ["# Client: phone (3c1b)", "# Bob's", "# new"], ["# laptop"], []],
    );
  });

  it("takes the last of several lines that can be only one, as wg does", () => {
    expect(parseConfig("[Interface]\nMTU = 1300\nMTU = 1400\n").interface.mtu).to.equal(1400);
  });

  it("takes the mark that Windows puts before a file", () => {
    expect(parseConfig("\uFEFF[Interface]\r\nMTU = 1400\r\n").interface.mtu).to.equal(1400);
  });

  it("takes an empty list, and an empty [Interface]", () => {
    expect(parseConfig(`[Interface]\n[Peer]\nPublicKey=${publicKey}\nAllowedIPs =\n`)).to.deep.equal({
      interface: own(),
      peers: [peer()],
      comments: [],
    });
  });

  it("says which line is wrong and how, and never what stands in it", () => {
    const secret = "c2VjcmV0IHNlY3JldA==";
    const key = 'WireGuard key, which is 32 bytes in base64, 44 characters with "=" at the end.';
    const withPeer = (line: string) => `[Interface]\n[Peer]\nPublicKey = ${publicKey}\n${line}`;
    const problems: [text: string, message: string][] = [
      [
        "",
        "there is no [Interface], so this is no WireGuard configuration. Give the whole file, such as /etc/wireguard/wg0.conf.",
      ],
      [
        `[Peer]\nPublicKey = ${publicKey}\n`,
        "there is no [Interface], so this is no WireGuard configuration. Give the whole file, such as /etc/wireguard/wg0.conf.",
      ],
      [
        "[Interface]\n\n[Interface]\n",
        "line 3: a second [Interface]: these are two files in one. Give them one by one.",
      ],
      [`[${secret}]\n`, "line 1: this section is neither [Interface] nor [Peer]."],
      [
        `PrivateKey = ${secret}\n`,
        "line 1: this stands before [Interface], with which a WireGuard configuration begins.",
      ],
      ["hello\n", "line 1: this stands before [Interface], with which a WireGuard configuration begins."],
      [`[Interface]\n${"A".repeat(43)}=`, 'line 2: this is neither a section nor "Key = value" nor a "# comment".'],
      [`[Interface]\n\nPrivateKey = ${secret}`, `line 3: PrivateKey is no ${key}`],
      [`[Interface]\nprivatekey =`, `line 2: PrivateKey is no ${key}`],
      [`[Interface]\nAddress = 10.8.0.1/33`, "line 2: Address is no address such as 10.8.0.1/24."],
      [`[Interface]\nListenPort = 65536`, "line 2: ListenPort is no port from 0 to 65535."],
      [`[Interface]\nMTU = big`, "line 2: MTU is no number of bytes from 576 to 65535."],
      [`[Interface]\n[Peer]\n\nPresharedKey = ${presharedKey}`, "line 2: this [Peer] has no PublicKey."],
      [withPeer(`PresharedKey = ${secret}`), `line 4: PresharedKey is no ${key}`],
      [withPeer(`AllowedIPs = 10.8.0.2, ${secret}`), "line 4: AllowedIPs is no network such as 10.8.0.2/32."],
      [withPeer("Endpoint = example"), "line 4: Endpoint is no host:port, with an IPv6 address in brackets."],
      [
        withPeer("PersistentKeepalive = on"),
        "line 4: PersistentKeepalive is no number of seconds from 0 to 65535, or off.",
      ],
    ];
    for (const [text, message] of problems) {
      expect(() => parseConfig(text))
        .to.throw(ConfigTextError)
        .with.property("message", message);
    }
  });
});

describe("writing wg-quick's format", () => {
  const word = fc.stringMatching(/^[A-Za-z0-9%_.-]([A-Za-z0-9 =%_.;[\]-]{0,20}[A-Za-z0-9%])?$/);
  const comment = fc.stringMatching(/^#[ -~é]{0,30}$/).map((text) => text.trim());
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("base64"));
  const address = fc.oneof(
    fc.tuple(fc.ipV4(), fc.nat(32)).map(([host, prefix]) => `${host}/${prefix}`),
    fc.nat(0xffff).map((number) => `fd53::${number.toString(16)}/128`),
  );
  const endpoint = fc
    .tuple(fc.oneof(fc.ipV4(), fc.domain(), fc.constant("2001:db8::1")), fc.integer({ min: 1, max: 65535 }))
    .map(([host, port]) => joinEndpoint(host, port));
  const others = fc.array(
    fc.record({
      key: fc.constantFrom("PostUp", "PreDown", "Table", "FwMark", "SaveConfig", "Jc"),
      value: fc.oneof(word, fc.constant("")),
    }),
    { maxLength: 3 },
  );
  const list = (values: fc.Arbitrary<string>) => fc.array(values, { maxLength: 3 });
  const config = fc.record({
    interface: fc.record(
      {
        comments: list(comment),
        privateKey: key,
        listenPort: fc.nat(65535),
        addresses: list(address),
        dns: list(fc.oneof(fc.ipV4(), fc.domain())),
        mtu: fc.integer({ min: 576, max: 65535 }),
        others,
      },
      { requiredKeys: ["comments", "addresses", "dns", "others"] },
    ),
    peers: fc.array(
      fc.record(
        {
          comments: list(comment),
          publicKey: key,
          presharedKey: key,
          allowedIps: list(address),
          endpoint,
          keepalive: fc.nat(65535),
          others,
        },
        { requiredKeys: ["comments", "publicKey", "allowedIps", "others"] },
      ),
      { maxLength: 4 },
    ),
    comments: list(comment),
  });

  it("is read as what was written", () => {
    fc.assert(
      fc.property(config, (given) => {
        expect(parseConfig(writeConfig(given))).to.deep.equal(given);
      }),
      { numRuns: 300 },
    );
  });

  it("changes nothing the second time, whatever file was read, and reads the same in capitals and with CRLF", () => {
    const lines = fc.array(
      fc.oneof(
        comment,
        fc.constantFrom("", "  ", "[Peer]", "AllowedIPs = 10.8.0.2, 10.8.0.3/32 # two"),
        fc.constantFrom("PersistentKeepalive = off", "Address = 10.8.0.1/24", "PostUp = echo a = b", "Unknown ="),
      ),
      { maxLength: 15 },
    );
    fc.assert(
      fc.property(lines, (between) => {
        const text = ["[Interface]", ...between].join("\n").replaceAll("[Peer]", `[Peer]\nPublicKey = ${publicKey}`);
        const written = writeConfig(parseConfig(text));
        expect(writeConfig(parseConfig(written))).to.equal(written);
        const odd = text.replaceAll("[Peer]", "[PEER]").replaceAll("PublicKey", "pUBLICKEY").replaceAll("\n", "\r\n");
        expect(writeConfig(parseConfig(odd))).to.equal(written);
      }),
    );
  });

  it("has the settings in wg-quick's usual order", () => {
    expect(
      writeConfig({
        interface: own({
          comments: ["# server"],
          others: [
            { key: "PostUp", value: "true" },
            { key: "Jc", value: "" },
          ],
          mtu: 1420,
          dns: ["1.1.1.1"],
          addresses: ["10.8.0.1/24", "fd53::1/64"],
          listenPort: 51820,
          privateKey,
        }),
        peers: [peer({ comments: ["# Client: a"], allowedIps: ["10.8.0.2/32"], keepalive: 25, presharedKey })],
        comments: ["# end"],
      }),
    ).to.equal(`# server
[Interface]
PrivateKey = ${privateKey}
ListenPort = 51820
Address = 10.8.0.1/24, fd53::1/64
DNS = 1.1.1.1
MTU = 1420
PostUp = true
Jc =

# Client: a
[Peer]
PublicKey = ${publicKey}
PresharedKey = ${presharedKey}
AllowedIPs = 10.8.0.2/32
PersistentKeepalive = 25

# end
`);
  });
});

describe("an endpoint", () => {
  it("is a host and a port, an IPv6 host in brackets", () => {
    expect(["1.2.3.4:51820", "vpn.example:1", "[2001:db8::1]:65535"].map(splitEndpoint)).to.deep.equal([
      { host: "1.2.3.4", port: 51820 },
      { host: "vpn.example", port: 1 },
      { host: "2001:db8::1", port: 65535 },
    ]);
    expect([joinEndpoint("2001:db8::1", 1), joinEndpoint("vpn.example", 2)]).to.deep.equal([
      "[2001:db8::1]:1",
      "vpn.example:2",
    ]);
  });

  it("is nothing else", () => {
    expect(
      ["", "host", "host:", ":51820", "host:0", "host:65536", "[host]:1", "a b:1"].map(splitEndpoint),
    ).to.deep.equal(Array(8).fill(undefined));
  });
});

describe("a device's configuration", () => {
  const device = {
    privateKey,
    addresses: ["10.8.0.2/32", "fd53::2/128"],
    dns: ["1.1.1.1", "2606:4700:4700::1111"],
    mtu: 1420,
    serverPublicKey: publicKey,
    presharedKey,
    endpoint: "vpn.example:51820",
    allowedIps: ["0.0.0.0/0", "::/0"],
    keepalive: 25,
  };

  it("is all that wg-quick and the apps need", () => {
    expect(deviceConfig(device)).to.equal(`[Interface]
PrivateKey = ${privateKey}
Address = 10.8.0.2/32, fd53::2/128
DNS = 1.1.1.1, 2606:4700:4700::1111
MTU = 1420

[Peer]
PublicKey = ${publicKey}
PresharedKey = ${presharedKey}
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = vpn.example:51820
PersistentKeepalive = 25
`);
  });

  it("leaves out what there is not, and says whose the key is that only the device has", () => {
    const text = deviceConfig({
      ...device,
      privateKey: undefined,
      presharedKey: undefined,
      mtu: undefined,
      dns: [],
      keepalive: 0,
    });
    expect(text).to.equal(`[Interface]
# PrivateKey = the device's own
Address = 10.8.0.2/32, fd53::2/128

[Peer]
PublicKey = ${publicKey}
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = vpn.example:51820
`);
    expect(parseConfig(text).interface.privateKey).to.equal(undefined);
  });
});

describe("what a device sends through the tunnel", () => {
  const site = { ipv4: "10.8.0.0/24", ipv6: "fd53::/64", vpcCidr: "10.0.0.0/16" };

  it("is everything for full, IPv6 too where the tunnel has none, so that none of it goes around", () => {
    expect(allowedIps("full", site)).to.deep.equal(["0.0.0.0/0", "::/0"]);
    expect(allowedIps("full", { ipv4: "10.8.0.0/24" })).to.deep.equal(["0.0.0.0/0", "::/0"]);
  });

  it("is the tunnel and the VPC for split", () => {
    expect(allowedIps("split", site)).to.deep.equal(["10.8.0.0/24", "fd53::/64", "10.0.0.0/16"]);
    expect(allowedIps("split", { ipv4: "10.8.0.1/24" })).to.deep.equal(["10.8.0.0/24"]);
  });

  it("is networks as named, each once, from where they begin", () => {
    expect(allowedIps("192.168.1.7/24, 192.168.1.0/24,10.0.0.1,FD00::1/8", site)).to.deep.equal([
      "192.168.1.0/24",
      "10.0.0.1/32",
      "fd00::/8",
    ]);
    expect(allowedIps(["10.1.0.0/16"], site)).to.deep.equal(["10.1.0.0/16"]);
  });

  it("is nothing that is no network", () => {
    const allowed = "Allowed are full, split, or networks such as 10.0.0.0/16,192.168.1.0/24.";
    expect(() => allowedIps("10.0.0.0/33", site)).to.throw(`10.0.0.0/33 is no network. ${allowed}`);
    expect(() => allowedIps("half", site)).to.throw(`half is no network. ${allowed}`);
    expect(() => allowedIps(" , ", site)).to.throw(`There is no network. ${allowed}`);
  });
});
