import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import {
  generatePresharedKey,
  generatePrivateKey,
  isKey,
  parseConfig,
  publicKeyOf,
  type WireguardConfig,
} from "../../modules/wireguard";
import { type DeployedSite, Emulator } from "./support/emulator";
import { answer, forget, storedPeers, strip } from "./support/peers";
import { folderWith, type Ran, stingy } from "./support/stingy";

const SERVER_KEY = generatePrivateKey();
const NOW = 1_800_000_000;

describe("stingy peer", () => {
  let emulator: Emulator;
  let site: DeployedSite;
  before(async () => {
    emulator = await Emulator.start();
  });
  beforeEach(async () => {
    site = await emulator.freshSite(SERVER_KEY);
  });

  const run = (args: readonly string[], more: Parameters<typeof stingy>[1] = {}) =>
    stingy(["peer", ...args], { env: emulator.env, ...more });
  const peers = () => storedPeers(emulator);
  const putPeer = (name: string, value: object | string) =>
    emulator.put(`peers/${name}`, typeof value === "string" ? value : JSON.stringify(value), "SecureString");
  const aKey = () => publicKeyOf(generatePrivateKey());

  function good({ code, stdout, stderr }: Ran): WireguardConfig {
    expect(code, stderr).to.equal(0);
    strip(stdout);
    return parseConfig(stdout);
  }
  function refused({ code, stdout, stderr }: Ran, exit: number, message: RegExp | string): void {
    expect(stderr).to.match(typeof message === "string" ? new RegExp(`^error: ${escaped(message)}`) : message);
    expect(stderr).not.to.match(/\n\s+at /);
    expect({ code, stdout }).to.deep.equal({ code: exit, stdout: "" });
  }

  describe("add", () => {
    it("stores a peer and prints a configuration that wg-quick takes, with the private key nowhere else", async () => {
      const ran = await run(["add", "phone"]);
      const config = good(ran);
      const { privateKey = "", addresses, dns } = config.interface;
      const [server] = config.peers;
      expect(isKey(privateKey)).to.equal(true);
      expect({ addresses, dns }).to.deep.equal({
        addresses: ["10.8.0.2/32", "fd53:7469:6e67::2/128"],
        dns: ["1.1.1.1", "2606:4700:4700::1111"],
      });
      const { presharedKey, ...rest } = server ?? expect.fail("there is no [Peer]");
      expect(rest).to.deep.equal({
        comments: [],
        publicKey: publicKeyOf(SERVER_KEY),
        allowedIps: ["0.0.0.0/0", "::/0"],
        endpoint: `${site.address}:51820`,
        keepalive: 25,
        others: [],
      });
      expect(await peers()).to.deep.equal({
        phone: {
          publicKey: publicKeyOf(privateKey),
          presharedKey,
          addresses: ["10.8.0.2/32", "fd53:7469:6e67::2/128"],
        },
      });
      expect(ran.stderr).not.to.include(privateKey);
      expect(ran.stderr).not.to.include(presharedKey);
      expect(ran.stderr).to.include("phone is stored: 10.8.0.2, fd53:7469:6e67::2, group full.");
      expect(ran.stdout + ran.stderr).not.to.include(SERVER_KEY);
    });

    it("does what its options say", async () => {
      const options = ["--group", "internet", "--no-psk", "--keepalive", "0", "--endpoint", "vpn.example.com"];
      const config = good(
        await run(["add", "tv", ...options, "--allowed-ips", "split", "--dns", "9.9.9.9,home.example"]),
      );
      expect(config.interface.dns).to.deep.equal(["9.9.9.9", "home.example"]);
      expect(config.peers).to.deep.equal([
        {
          comments: [],
          publicKey: publicKeyOf(SERVER_KEY),
          allowedIps: ["10.8.0.0/24", "fd53:7469:6e67::/64", "10.0.0.0/16"],
          endpoint: "vpn.example.com:51820",
          others: [],
        },
      ]);
      const { tv } = await peers();
      expect({ ...tv, publicKey: "" }).to.deep.equal({
        publicKey: "",
        addresses: ["10.8.0.2/32", "fd53:7469:6e67::2/128"],
        group: "internet",
      });
    });

    it("leads devices to the site's name where it has one", async () => {
      const yaml =
        "sites: { tokyo: { tunnel: { listenPort: 443 }, dns: { provider: cloudflare, zone: example.com, name: vpn.example.com } } }";
      const config = good(await run(["add", "phone", "--config", path.join(folderWith({ "s.yaml": yaml }), "s.yaml")]));
      expect(config.peers[0]?.endpoint).to.equal("vpn.example.com:443");
    });

    it("chooses addresses that nobody has: no peer, no key of client-public-keys, nobody whose entry is broken", async () => {
      await emulator.put("client-public-keys", `${aKey()},${aKey()}`);
      await putPeer("laptop", { publicKey: aKey(), addresses: ["10.8.0.4", "fd53:7469:6e67::4"] });
      await putPeer("broken", { publicKey: "none", addresses: ["10.8.0.5"] });
      expect(good(await run(["add", "phone"])).interface.addresses).to.deep.equal([
        "10.8.0.6/32",
        "fd53:7469:6e67::6/128",
      ]);
    });

    it("writes a file that only its owner can read, and then prints nothing", async () => {
      const out = path.join(folderWith(), "phone.conf");
      const { code, stdout, stderr } = await run(["add", "phone", "--out", out]);
      expect({ code, stdout }).to.deep.equal({ code: 0, stdout: "" });
      expect(statSync(out).mode & 0o777).to.equal(0o600);
      const { interface: own } = parseConfig(readFileSync(out, "utf8"));
      expect(publicKeyOf(own.privateKey ?? "")).to.equal((await peers()).phone?.publicKey);
      expect(stderr).not.to.include(own.privateKey);
      expect(stderr).to.include(`sudo wg-quick up ${out}`);
      strip(readFileSync(out, "utf8"));
    });

    it("touches no file that is there, and stores nothing where it cannot write", async () => {
      const folder = folderWith({ "phone.conf": "kept" });
      const there = path.join(folder, "phone.conf");
      refused(await run(["add", "phone", "--out", there]), 1, `${there} is already there.`);
      expect(readFileSync(there, "utf8")).to.equal("kept");
      const nowhere = path.join(folder, "no", "phone.conf");
      refused(
        await run(["add", "phone", "--out", nowhere]),
        1,
        `${nowhere} cannot be written: its folder is not there.`,
      );
      const png = path.join(folder, "no", "phone.png");
      const out = path.join(folder, "new.conf");
      refused(await run(["add", "phone", "--out", out, "--png", png]), 1, `${png} cannot be written`);
      expect(existsSync(out)).to.equal(false);
      expect(await peers()).to.deep.equal({});
    });

    it("takes a device's own key, and says where its private key goes", async () => {
      const publicKey = aKey();
      const ran = await run(["add", "router", "--public-key", publicKey]);
      expect(good(ran).interface.privateKey).to.equal(undefined);
      expect(ran.stdout).to.include("# PrivateKey = the device's own\n");
      expect((await peers()).router?.publicKey).to.equal(publicKey);
      expect(ran.stderr).to.include("Put the device's own private key into the line that says so.");
      const again = await run(["add", "router2", "--public-key", publicKey]);
      refused(again, 1, "--public-key is the key of router, and two devices cannot share one.");
      refused(
        await run(["add", "x", "--public-key", publicKeyOf(SERVER_KEY)]),
        1,
        "--public-key is the server's own key.",
      );
      const qr = await run(["add", "x", "--public-key", aKey(), "--qr"]);
      refused(qr, 64, "A QR code holds a whole configuration");
      expect(Object.keys(await peers())).to.deep.equal(["router"]);
    });

    it("makes the server's key where no server has been yet, and makes it once", async () => {
      await forget(emulator, "wireguard-private-key");
      await emulator.put("instance-id", "initial");
      const first = await run(["add", "phone"]);
      const second = await run(["add", "laptop"]);
      const keys = [first, second].map((ran) => good(ran).peers[0]?.publicKey);
      expect(isKey(keys[0])).to.equal(true);
      expect(keys[1]).to.equal(keys[0]);
      expect(first.stderr).to.include("The site has no server yet: its first one will know the device.");
    });

    it("makes no key where a server lives that has one: every other device would be cut off", async () => {
      await forget(emulator, "wireguard-private-key");
      refused(
        await run(["add", "phone"]),
        1,
        `The store has no wireguard-private-key, although the site has a server, ${site.instanceId}.`,
      );
      expect(await peers()).to.deep.equal({});
    });

    it("refuses a name that is taken, or that cannot be one", async () => {
      await putPeer("phone", { publicKey: aKey(), addresses: ["10.8.0.2"] });
      const stored = await peers();
      refused(await run(["add", "phone"]), 1, "There is a peer phone already.");
      for (const name of ["", "a b", "a/b", "../x", ".a", "phone:3", "名", "x".repeat(64), "a\nb"]) {
        refused(
          await run(["add", "--", name]),
          64,
          /^error: ".*" cannot be a peer's name\.\nA name is 1 to 63 letters/,
        );
      }
      expect(await peers()).to.deep.equal(stored);
    });

    it("refuses options that make no sense before it stores anything", async () => {
      const cases: [string[], RegExp][] = [
        [["--public-key", "c2hvcnQ="], /^error: --public-key is no WireGuard key: it has 5 bytes/],
        [["--dns", "1.1.1.1.1"], /^error: --dns: "1\.1\.1\.1\.1" is neither an address nor a search domain\./],
        [["--allowed-ips", "everything"], /^error: --allowed-ips: everything is no network\./],
        [["--endpoint", "vpn.example.com:1"], /^error: --endpoint is neither a name nor an address\./],
        [["--group", "friends"], /^error: option '-g, --group <group>' argument 'friends' is invalid\./],
        [
          ["--keepalive", "-1"],
          /^error: option '--keepalive <seconds>' argument '-1' is invalid\. It is a whole number/,
        ],
      ];
      for (const [options, message] of cases) refused(await run(["add", "phone", ...options]), 64, message);
      expect(await peers()).to.deep.equal({});
    });

    it("says that a tunnel is full: a /24 has 253 peers", async () => {
      for (let n = 2; n < 255; n++) await putPeer(`p${n}`, { publicKey: aKey(), addresses: [`10.8.0.${n}`] });
      refused(
        await run(["add", "phone"]),
        1,
        "The tunnel 10.8.0.0/24 is full: all its 253 addresses for peers are taken. Remove peers",
      );
      await forget(emulator, "peers/p77");
      expect(good(await run(["add", "phone"])).interface.addresses[0]).to.equal("10.8.0.77/32");
    });

    it("refuses where the server goes by a wg0.conf written by hand, as rotate does", async () => {
      const tv = { publicKey: aKey(), addresses: ["10.8.0.3/32"] };
      await putPeer("tv", tv);
      await emulator.put("wireguard-config", "[Interface]\n", "SecureString");
      for (const args of [
        ["add", "phone"],
        ["rotate", "tv"],
      ]) {
        refused(
          await run(args),
          1,
          "The server uses the whole configuration in /stingy-vpn/prod/wireguard-config and nothing under peers/",
        );
      }
      expect(await peers()).to.deep.equal({ tv });
    });

    it("says that a site is not deployed", async () => {
      await emulator.reset();
      refused(await run(["add", "phone"]), 1, "The site prod-tokyo is not deployed: ap-northeast-1 has nothing under");
      refused(await run(["list"]), 1, "The site prod-tokyo is not deployed");
    });

    it("says that there are no credentials", async () => {
      refused(await run(["add", "phone"], { env: {} }), 1, "There are no AWS credentials.");
    });
  });

  describe("list and show", () => {
    const phone = { publicKey: aKey(), presharedKey: generatePresharedKey(), addresses: ["10.8.0.2/32"], note: "mine" };
    const tv = { publicKey: aKey(), addresses: ["10.8.0.3/32"], group: "internet" };
    const report = (lines: readonly string[]) => answer(emulator, "peers", { output: [NOW, ...lines].join("\n") });
    beforeEach(async () => {
      await putPeer("phone", phone);
      await putPeer("tv", tv);
    });

    it("show who there is, when each was last heard of and what went through", async () => {
      await putPeer("new", { publicKey: aKey(), addresses: ["10.8.0.9"] });
      await emulator.put("client-public-keys", `,,${aKey()}`);
      await report([
        `${NOW - 20} ${phone.publicKey.slice(0, 10)} 1200000 34000`,
        `${NOW - 7_300} ${tv.publicKey.slice(0, 10)} 5 6`,
      ]);
      const { code, stdout, stderr } = await run(["list"]);
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
      expect(stdout).to.equal(
        [
          "NAME                       ADDRESSES                    GROUP     LAST HANDSHAKE       RECEIVED  SENT",
          "new                        10.8.0.9                     full      never",
          "phone                      10.8.0.2                     full      20 s ago             1.2 MB    34.0 kB",
          "tv                         10.8.0.3                     internet  2 h 1 min ago, idle  5 B       6 B",
          "client-public-keys, key 3  10.8.0.4, fd53:7469:6e67::4  full      never",
          "",
        ].join("\n"),
      );
    });

    it("list the peers that the server leaves out, with the reason", async () => {
      await putPeer("bad", "not JSON, but with a secret");
      await putPeer("twin", { publicKey: phone.publicKey, addresses: ["10.8.0.7"] });
      await report([]);
      const { code, stdout } = await run(["list"]);
      expect(code).to.equal(0);
      expect(stdout).to.match(
        /^phone .*\n.*tv .*\n\nLeft out by the server:\nNAME +WHY\nbad +it is no JSON object\ntwin +its key or address is that of phone\n$/m,
      );
      expect(stdout).not.to.include("secret");
    });

    it("say why it is unknown who is connected, and list them all the same", async () => {
      const why = async () => {
        const { code, stdout, stderr } = await run(["list"]);
        expect(code).to.equal(0);
        expect(stdout).to.match(/^phone +10\.8\.0\.2 +full +unknown +unknown +unknown$/m);
        return stderr;
      };
      expect(await why()).to.equal(
        `Who is connected is unknown: the server ${site.instanceId} gave no report (Success).\n`,
      );
      await answer(emulator, "peers", { status: "InProgress" });
      expect(await why()).to.equal(
        `Who is connected is unknown: the server ${site.instanceId} has not answered in time.\n`,
      );
      await emulator.put("instance-id", "initial");
      expect(await why()).to.equal("Who is connected is unknown: the site has no server yet.\n");
      const { stdout, stderr } = await run(["list", "--no-live"]);
      expect({ stdout, stderr }).to.deep.equal({
        stdout: "NAME   ADDRESSES  GROUP\nphone  10.8.0.2   full\ntv     10.8.0.3   internet\n",
        stderr: "",
      });
    });

    it("list nobody where there is nobody", async () => {
      await forget(emulator, "peers/phone");
      await forget(emulator, "peers/tv");
      expect(await run(["list"])).to.deep.equal({
        code: 0,
        stdout: "",
        stderr: "There are no peers yet. `npx stingy peer add phone` adds one.\n",
      });
      expect(JSON.parse((await run(["list", "--json"])).stdout).peers).to.deep.equal([]);
    });

    it("list more than a page of them", async () => {
      for (let n = 0; n < 120; n++) await putPeer(`p${n}`, { publicKey: aKey(), addresses: [`10.8.0.${n + 10}`] });
      const { peers: listed } = JSON.parse((await run(["list", "--json"])).stdout);
      expect(listed).to.have.length(122);
    });

    it("answer in JSON, without a secret", async () => {
      await report([`${NOW - 20} ${phone.publicKey.slice(0, 10)} 1200 3400`]);
      const { stdout } = await run(["list", "--json"]);
      const { peers: listed, live } = JSON.parse(stdout);
      expect(live).to.deep.equal({ known: true, at: new Date(NOW * 1000).toISOString() });
      const { storedAt, ...first } = listed[0];
      expect(first).to.deep.equal({
        name: "phone",
        source: "peers",
        addresses: ["10.8.0.2"],
        group: "full",
        groupIsDefault: true,
        publicKey: phone.publicKey,
        presharedKey: true,
        keepalive: 0,
        activity: "active",
        reason: null,
        lastHandshake: new Date((NOW - 20) * 1000).toISOString(),
        secondsSinceHandshake: 20,
        receivedBytes: 1200,
        sentBytes: 3400,
      });
      expect(Date.parse(storedAt)).to.be.greaterThan(0);
      const one = await run(["show", "phone", "--json"]);
      expect(JSON.parse(one.stdout)).to.deep.equal({ ...first, storedAt, live });
      expect(stdout + one.stdout).not.to.include(phone.presharedKey);
    });

    it("show one, its preshared key only as set", async () => {
      await report([`${NOW - 20} ${phone.publicKey.slice(0, 10)} 1200 3400`]);
      const { code, stdout, stderr } = await run(["show", "phone"]);
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
      expect(stdout.replace(/^(stored +).*$/m, "$1then")).to.equal(
        [
          "name            phone",
          "from            /stingy-vpn/prod/peers/phone",
          "addresses       10.8.0.2",
          "group           full (the site's default)",
          `public key      ${phone.publicKey}`,
          "preshared key   set",
          "also in it      note",
          "stored          then",
          "last handshake  20 s ago",
          "traffic         the server received 1.2 kB and sent 3.4 kB",
          "",
        ].join("\n"),
      );
    });

    it("show nothing of what is stored that a terminal would obey", async () => {
      await putPeer("odd", { publicKey: "short", addresses: ["10.8.0.9\u001b[2J\n", "fd53::9"], "no\u001b[31mte": 1 });
      const { code, stdout } = await run(["show", "odd"]);
      expect(code).to.equal(0);
      expect(stdout.replace(/^(stored +).*$/m, "$1then")).to.equal(
        [
          "name        odd",
          "from        /stingy-vpn/prod/peers/odd",
          "addresses   10.8.0.9 [2J , fd53::9",
          "also in it  no [31mte",
          "stored      then",
          "left out    publicKey is no WireGuard key",
          "",
        ].join("\n"),
      );
    });

    it("guess what was meant by a name that nobody has", async () => {
      refused(await run(["show", "phne"]), 1, /^error: There is no peer "phne"\.\nDid you mean phone\?\n$/);
      refused(await run(["show", "car"]), 1, /^error: There is no peer "car"\.\n`npx stingy peer list` shows/);
    });
  });

  describe("remove", () => {
    beforeEach(async () => {
      for (const n of [2, 3, 4]) await putPeer(`p${n}`, { publicKey: aKey(), addresses: [`10.8.0.${n}`] });
    });

    it("removes those that are named, and says when the server has applied it", async () => {
      expect(await run(["remove", "p2", "p4", "p2", "--yes"])).to.deep.equal({
        code: 0,
        stdout: "Removed: p2, p4.\n",
        stderr: "The server no longer lets them in.\n",
      });
      expect(Object.keys(await peers())).to.deep.equal(["p3"]);
    });

    it("says that the server has not applied it yet", async () => {
      await answer(emulator, "sync", { status: "Failed" });
      const { code, stderr } = await run(["remove", "p2", "--yes"]);
      expect({ code, stderr }).to.deep.equal({
        code: 0,
        stderr: `Does the server still let it in? Not yet: the server ${site.instanceId} says Failed. It does so by itself, at the latest within five minutes of being able to.\n`,
      });
    });

    it("removes none where one is not there, and none without a yes", async () => {
      refused(await run(["remove", "p2", "p9x", "--yes"]), 1, /^error: There is no peer "p9x"\.\n/);
      refused(
        await run(["remove", "p2"]),
        64,
        "Remove the peer p2? Its device can no longer connect. Nobody can be asked here.",
      );
      refused(await run(["remove", "p2:1", "--yes"]), 64, `"p2:1" cannot be a peer's name.`);
      expect(Object.keys(await peers())).to.deep.equal(["p2", "p3", "p4"]);
    });

    it("sends those who want to change a key of client-public-keys there", async () => {
      await emulator.put("client-public-keys", aKey());
      for (const args of [["remove", "--yes"], ["rotate"], ["edit", "--group", "full"]]) {
        const ran = await run([...args, "client-public-keys, key 1"]);
        refused(ran, 1, '"client-public-keys, key 1" stands in the parameter client-public-keys.');
      }
      expect((await run(["show", "client-public-keys, key 1"])).code).to.equal(0);
    });
  });

  describe("edit", () => {
    const phone = { publicKey: aKey(), note: { theirs: true }, addresses: ["10.8.0.2/32"] };
    beforeEach(() => putPeer("phone", phone));

    it("changes the group and keeps everything else, also what it does not know", async () => {
      expect(await run(["edit", "phone", "--group", "internet", "--server-keepalive", "25"])).to.deep.equal({
        code: 0,
        stdout: "phone: group internet, keepalive by the server every 25 s.\n",
        stderr: "The server has applied it.\n",
      });
      expect((await peers()).phone).to.deep.equal({ ...phone, group: "internet", keepalive: 25 });
      await run(["edit", "phone", "--group", "default", "--server-keepalive", "0"]);
      expect((await peers()).phone).to.deep.equal(phone);
    });

    it("mends a group that the server does not know, and nothing that is broken otherwise", async () => {
      await putPeer("phone", { ...phone, group: "guests" });
      expect((await run(["edit", "phone", "--group", "isolated"])).code).to.equal(0);
      expect((await peers()).phone).to.deep.equal({ ...phone, group: "isolated" });
      await putPeer("phone", { ...phone, publicKey: "short" });
      const ran = await run(["edit", "phone", "--group", "full"]);
      refused(ran, 1, "The peer phone is broken: publicKey is no WireGuard key.");
    });

    it("refuses a peer that is not there, a group that is none, and nothing to do", async () => {
      refused(await run(["edit", "phon", "--group", "full"]), 1, /Did you mean phone\?/);
      refused(await run(["edit", "phone", "--group", "friends"]), 64, /argument 'friends' is invalid/);
      refused(await run(["edit", "phone"]), 64, "There is nothing to change.");
    });
  });

  describe("rotate", () => {
    const old = {
      publicKey: aKey(),
      presharedKey: generatePresharedKey(),
      addresses: ["10.8.0.7/32"],
      group: "internet",
      note: 1,
    };
    beforeEach(() => putPeer("phone", old));

    it("gives new keys and the same addresses and group, and says that the old key works no more", async () => {
      const ran = await run(["rotate", "phone"]);
      const config = good(ran);
      const { phone } = await peers();
      const { privateKey = "" } = config.interface;
      expect(phone).to.deep.equal({
        addresses: old.addresses,
        group: "internet",
        note: 1,
        publicKey: publicKeyOf(privateKey),
        presharedKey: config.peers[0]?.presharedKey,
      });
      expect(phone?.publicKey).not.to.equal(old.publicKey);
      expect(phone?.presharedKey).not.to.equal(old.presharedKey);
      expect(config.interface.addresses).to.deep.equal(["10.8.0.7/32"]);
      expect(ran.stderr).to.match(/The server has applied it: the old key works no more\.\n$/);
    });

    it("says that the old key works until the server has applied it", async () => {
      await emulator.put("instance-id", "initial");
      const out = path.join(folderWith(), "phone.conf");
      const { code, stdout, stderr } = await run(["rotate", "phone", "--out", out, "--no-psk"]);
      expect({ code, stdout }).to.deep.equal({ code: 0, stdout: "" });
      expect(stderr).to.match(/Until the server has applied this\. Not yet: the site has no server yet\./);
      expect((await peers()).phone).not.to.have.property("presharedKey");
      expect(statSync(out).mode & 0o777).to.equal(0o600);
    });

    it("leaves the old keys where something is wrong", async () => {
      const there = path.join(folderWith({ "phone.conf": "" }), "phone.conf");
      refused(await run(["rotate", "phone", "--out", there]), 1, `${there} is already there.`);
      refused(await run(["rotate", "fone"]), 1, /Did you mean phone\?/);
      const same = await run(["rotate", "phone", "--public-key", old.publicKey]);
      refused(same, 1, "--public-key is the key that phone has already.");
      expect(await peers()).to.deep.equal({ phone: old });
    });
  });

  describe("export and import", () => {
    const PSK = generatePresharedKey();
    const [phone, laptop] = [aKey(), aKey()];
    const WG0 = `[Interface]
PrivateKey = ${SERVER_KEY}
Address = 10.8.0.1/24
ListenPort = 51821

# Client: Bob's phone (3c1b5b6e-0000-4000-8000-000000000000)
[Peer]
PublicKey = ${phone}
PresharedKey = ${PSK}
AllowedIPs = 10.8.0.2/32

### Client laptop
[peer]
publickey=${laptop}
allowedips=10.8.0.3/32
`;
    const file = (text: string, name = "wg0.conf") => path.join(folderWith({ [name]: text }), name);

    it("write a wg0.conf that only its owner can read, and read it back as it was", async () => {
      await putPeer("phone", { publicKey: phone, presharedKey: PSK, addresses: ["10.8.0.2/32"], group: "internet" });
      await putPeer("tv", { publicKey: laptop, addresses: ["10.8.0.3/32"], keepalive: 30 });
      const stored = await peers();
      const out = path.join(folderWith(), "wg0.conf");
      const { code, stdout, stderr } = await run(["export", "--out", out, "--with-private-key"]);
      expect({ code, stdout, stderr }).to.deep.equal({ code: 0, stdout: "", stderr: `2 peers are in ${out}.\n` });
      expect(statSync(out).mode & 0o777).to.equal(0o600);
      strip(readFileSync(out, "utf8"));
      refused(await run(["export", "--out", out]), 1, `${out} is already there.`);
      for (const name of Object.keys(stored)) await forget(emulator, `peers/${name}`);
      await forget(emulator, "wireguard-private-key");
      const back = await run(["import", "--from", out]);
      expect(back.stdout, back.stderr).to.equal("2 stored, 0 there already; the server's private key is stored too.\n");
      expect(await peers()).to.deep.equal(stored);
    });

    it("give the server's private key only when it is asked for", async () => {
      await putPeer("phone", { publicKey: phone, presharedKey: PSK, addresses: ["10.8.0.2/32"] });
      const { stdout, stderr } = await run(["export"]);
      expect(stdout).to.include(`PresharedKey = ${PSK}`);
      expect(stdout + stderr).not.to.include(SERVER_KEY);
      expect(stderr).to.include("The server's private key is not in it");
      expect((await run(["export", "--with-private-key"])).stdout).to.include(`PrivateKey = ${SERVER_KEY}`);
    });

    it("take over a wg0.conf with its keys, say what became of names and port, and do it once", async () => {
      const from = file(WG0);
      const { code, stdout, stderr } = await run(["import", "--from", from]);
      expect({ code, stdout }).to.deep.equal({ code: 0, stdout: "2 stored, 0 there already.\n" });
      expect(stderr).to.include(`"Bob's phone" is called Bob-s-phone.`);
      expect(stderr).to.include("set tunnel.listenPort to 51821");
      expect(stderr).to.include(`point that name to ${site.address}:51820`);
      const stored = await peers();
      expect(stored).to.deep.equal({
        "Bob-s-phone": { publicKey: phone, presharedKey: PSK, addresses: ["10.8.0.2/32"] },
        laptop: { publicKey: laptop, addresses: ["10.8.0.3/32"] },
      });
      expect((await run(["import", "--from", from])).stdout).to.equal("0 stored, 2 there already.\n");
      expect(await peers()).to.deep.equal(stored);
    });

    it("store nothing on a dry run", async () => {
      const { stdout } = await run(["import", "--from", file(WG0), "--dry-run"]);
      expect(stdout).to.equal(
        "would store Bob-s-phone: 10.8.0.2\nwould store laptop: 10.8.0.3\n2 to store, 0 there already. Nothing was changed.\n",
      );
      expect(await peers()).to.deep.equal({});
    });

    it("take over wg-easy's file", async () => {
      const json = JSON.stringify({
        server: { privateKey: SERVER_KEY, address: "10.8.0.1" },
        clients: {
          a: { name: "phone", enabled: true, address: "10.8.0.2", publicKey: phone, preSharedKey: PSK },
          b: { name: "old", enabled: false, address: "10.8.0.3", publicKey: laptop },
        },
      });
      const { stdout, stderr } = await run(["import", "--from", file(json, "wg0.json")]);
      expect(stdout).to.equal("1 stored, 0 there already.\n");
      expect(stderr).to.include('"old" is left out: it is switched off in wg-easy.');
    });

    it("take over a folder as algo makes it", async () => {
      const key = generatePrivateKey();
      const folder = folderWith();
      mkdirSync(path.join(folder, "203.0.113.7/wireguard"), { recursive: true });
      writeFileSync(
        path.join(folder, "203.0.113.7/wireguard/alice.conf"),
        `[Interface]\nPrivateKey = ${key}\nAddress = 10.8.0.5\n[Peer]\nPublicKey = ${aKey()}\nPresharedKey = ${PSK}\nAllowedIPs = 0.0.0.0/0\nEndpoint = 203.0.113.7:51820\n`,
      );
      const { stdout, stderr } = await run(["import", "--from", folder]);
      expect(stdout, stderr).to.equal("1 stored, 0 there already.\n");
      expect(await peers()).to.deep.equal({
        alice: { publicKey: publicKeyOf(key), presharedKey: PSK, addresses: ["10.8.0.5/32"] },
      });
      expect(stderr).to.include(
        `Endpoint becomes ${site.address}:51820, the server's PublicKey ${publicKeyOf(SERVER_KEY)}`,
      );
      expect(stdout + stderr).not.to.include(key);
      refused(await run(["import", "--from", folderWith()]), 1, /There is no \.conf file in/);
    });

    it("refuse another server's key, but not the peers alone", async () => {
      const other = WG0.replace(SERVER_KEY, generatePrivateKey());
      refused(
        await run(["import", "--from", file(other)]),
        1,
        /^(.*\n)*error: The server's key in .* is another than the one in the store/,
      );
      expect(await peers()).to.deep.equal({});
      const alone = await run(["import", "--from", file(other), "--without-server-key"]);
      expect(alone.stdout).to.equal("2 stored, 0 there already.\n");
    });

    it("refuse addresses outside the tunnel and name the setting, and store nothing of the rest", async () => {
      const elsewhere = WG0.replaceAll("10.8.0.", "10.7.0.").replace("10.7.0.3", "10.8.0.3");
      const { code, stdout, stderr } = await run(["import", "--from", file(elsewhere)]);
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: "" });
      expect(stderr).to.include(
        "1 of 2 peers cannot be taken over, so nothing was stored:\n  Bob-s-phone: 10.7.0.2/32 is outside",
      );
      expect(stderr).to.include("set tunnel.ipv4 of the site tokyo to 10.7.0.0/24 (it is 10.8.0.0/24)");
      expect(await peers()).to.deep.equal({});
    });

    it("refuse what stands in the way of something stored, and change neither", async () => {
      await putPeer("mine", { publicKey: aKey(), addresses: ["10.8.0.2"] });
      const { code, stderr } = await run(["import", "--from", file(WG0)]);
      expect(code).to.equal(1);
      expect(stderr).to.include("  Bob-s-phone: its address is that of mine in the store\n");
      expect(Object.keys(await peers())).to.deep.equal(["mine"]);
    });

    it("refuse files that are none, by the line and without its text", async () => {
      refused(await run(["import", "--from", file("[Peer]\nPublicKey = x\n")]), 1, /: there is no \[Interface\]/);
      const secret = file(`[Interface]\nPrivateKey = ${SERVER_KEY}x\n`);
      const ran = await run(["import", "--from", secret]);
      refused(ran, 1, /wg0\.conf: line 2: PrivateKey is no WireGuard key/);
      expect(ran.stderr).not.to.include(SERVER_KEY);
      refused(await run(["import", "--from", "/no/wg0.conf"]), 1, "/no/wg0.conf cannot be read: it is not there.");
    });

    it("take over the peers of a wg0.conf written by hand in the store, and say what is left to do", async () => {
      await emulator.put("wireguard-config", WG0, "SecureString");
      const { code, stderr } = await run(["import", "--from", file(WG0)]);
      expect(code).to.equal(0);
      expect(stderr).to.include("Remove that parameter when these are stored.");
    });
  });
});

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
