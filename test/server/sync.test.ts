import path from "node:path";
import { expect } from "chai";
import {
  ADDRESSES,
  type Client,
  eventually,
  keyPair,
  type Peer,
  type ScriptResult,
  type Server,
  type Site,
  startSite,
  storedPeer,
} from "./harness";

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const SYNC = { timeoutMs: 120_000 };
const sync = (server: Server, env: Readonly<Record<string, string>> = {}): Promise<ScriptResult> =>
  server.run("stingy-sync", { ...SYNC, env });

/** The fields of all lines of one event. */
const logged = ({ log }: ScriptResult, event: string) =>
  log.filter((line) => line.event === event).map(({ fields }) => fields);

async function inStep(server: Server, env: Readonly<Record<string, string>> = {}): Promise<ScriptResult> {
  const result = await sync(server, env);
  expect(result.code, result.stderr).to.equal(0);
  expect(logged(result, "in-step"), result.stderr).to.have.length(1);
  return result;
}

/** A server whose firewall is loaded and whose wg0 is up. */
async function started(site: Site): Promise<Server> {
  await site.a.run("stingy-firewall");
  await inStep(site.a);
  return site.a;
}

/** The groups whose sets hold an address. */
async function groupsOf(server: Server, address: string): Promise<string[]> {
  const version = address.includes(":") ? 6 : 4;
  const holds = async (group: string) =>
    (await server.machine.run(["nft", "get", "element", "inet", "stingy", `${group}${version}`, `{ ${address} }`]))
      .code === 0;
  const groups = ["full", "internet", "isolated"];
  const found = await Promise.all(groups.map(holds));
  return groups.filter((_, index) => found[index]);
}

/** What `wg` says of wg0: a peer's key to the rest that a configuration sets. */
async function peersOf(server: Server) {
  const [own = "", ...peers] = (await server.sh("wg show wg0 dump")).split("\n").map((line) => line.split("\t"));
  expect(own[1], "wg0 has a key").to.have.length(44);
  return Object.fromEntries(
    peers.map(([key = "", presharedKey, , allowed = "", , , , keepalive]) => [
      key,
      { presharedKey, allowed: allowed.split(",").sort(), keepalive },
    ]),
  );
}

const addressesOf = async (server: Server, name = "wg0"): Promise<string[]> =>
  (await server.sh(`ip -o address show dev ${name} scope global | awk '{ print $4 }'`)).split("\n").sort();

const isUp = async (server: Server): Promise<boolean> => (await server.sh("ip link show dev wg0 up")).includes("wg0");
const exists = async (server: Server): Promise<boolean> =>
  (await server.machine.run(["ip", "link", "show", "dev", "wg0"])).code === 0;

/** After its server has lost the session: the device would find out by itself 15 seconds later. */
async function reconnects(client: Client): Promise<void> {
  await client.down();
  await client.up();
  await client.reaches();
}

/** All of wg0 and the firewall that a configuration decides. */
const stateOf = (server: Server): Promise<string> =>
  server.sh("wg showconf wg0 | sort; ip -o address show dev wg0; ip route; ip -6 route; nft -s list ruleset");

/**
 * Puts something before each tool that the scripts call: it notes the call in /run/machine/calls, what wg0 is told in
 * /run/machine/addconf, and kills the script, and all that it has started, before the first call that $KILL_BEFORE describes.
 */
async function watchTools(server: Server): Promise<string> {
  const tools = "cat chronyc cmp curl date flock grep ip jq mkdir mktemp mv nft rm sed timeout touch tr wg";
  const found = await server.sh(`for tool in ${tools}; do command -v $tool; done`);
  for (const real of found.split("\n")) {
    const tool = path.basename(real);
    const lines = [
      "#!/bin/bash",
      `call="${tool} $*"`,
      "printf '%s\\n' \"$call\" >>/run/machine/calls",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's
      "[[ ! ${KILL_BEFORE-} || ! $call =~ $KILL_BEFORE ]] || kill -KILL 0",
      ...(tool === "wg" ? ['[[ $1 != addconf ]] || cat "$3" >>/run/machine/addconf'] : []),
      `exec ${real} "$@"`,
    ];
    server.machine.write(`/run/machine/watched/${tool}`, `${lines.join("\n")}\n`, 0o755);
  }
  return `/run/machine/watched:${PATH}`;
}

describe("stingy-sync", () => {
  describe("the first boot of a site without a key", () => {
    let site: Site;
    let first: ScriptResult;
    before(async () => {
      site = await startSite({ privateKey: false, peers: ["anna", { name: "bert", keepalive: 15 }] });
      await site.a.run("stingy-firewall");
      first = await sync(site.a);
    });
    after(() => site.stop());

    it("makes the key and stores it encrypted and create-only", async () => {
      expect(first.code, first.stderr).to.equal(0);
      const puts = site.aws.called("ssm", "PutParameter").map(({ body: { Value: _, ...rest } }) => rest);
      expect(puts).to.deep.equal([
        { Name: "/stingy-vpn/prod/wireguard-private-key", Type: "SecureString", Overwrite: false },
      ]);
      expect(logged(first, "key-stored")).to.have.length(1);
    });

    it("has wg0 up with that key, the site's addresses, port and MTU, and every peer", async () => {
      const key = (await site.store.get("wireguard-private-key")) ?? "";
      expect(await site.a.sh("wg show wg0 private-key")).to.equal(key);
      expect(await site.a.sh("wg show wg0 listen-port")).to.equal("51820");
      expect(await site.a.sh("cat /sys/class/net/wg0/mtu")).to.equal("1420");
      expect(await isUp(site.a)).to.equal(true);
      expect(await addressesOf(site.a)).to.deep.equal(["10.8.0.1/24", "fd53::1/64"]);
      const [anna, bert] = site.clients.map(({ peer }) => peer);
      expect(await peersOf(site.a)).to.deep.equal({
        [anna?.publicKey ?? ""]: {
          presharedKey: anna?.presharedKey,
          allowed: ["10.8.0.2/32", "fd53::2/128"],
          keepalive: "off",
        },
        [bert?.publicKey ?? ""]: {
          presharedKey: bert?.presharedKey,
          allowed: ["10.8.0.3/32", "fd53::3/128"],
          keepalive: "15",
        },
      });
    });

    it("says what it did, and exactly as many calls as AWS saw", () => {
      const seen = site.aws.calls.map(({ service, action }) => `${service} ${action}`);
      expect(seen).to.deep.equal([
        "ssm GetParameters",
        "ssm GetParametersByPath",
        "ssm PutParameter",
        "ssm GetParameters",
      ]);
      expect(first.log.map(({ event }) => event)).to.deep.equal(["key-stored", "wg0-made", "peers-added", "in-step"]);
      expect(logged(first, "peers-added")).to.deep.equal([{ count: "2", names: "anna bert" }]);
      expect(logged(first, "in-step")).to.deep.equal([{ source: "peers", peers: "2", skipped: "0", calls: "4" }]);
    });

    it("keeps what it holds in files and folders of root alone", async () => {
      const modes = await site.a.sh(
        "stat -c '%a %U %n' /run/stingy /var/lib/stingy /run/stingy/config.json /var/lib/stingy/config.json /run/stingy/credentials /run/stingy/imds-token",
      );
      expect(modes.split("\n")).to.deep.equal([
        "700 root /run/stingy",
        "700 root /var/lib/stingy",
        "600 root /run/stingy/config.json",
        "600 root /var/lib/stingy/config.json",
        "600 root /run/stingy/credentials",
        "600 root /run/stingy/imds-token",
      ]);
    });

    it("leaves no working files behind", async () => {
      expect(
        await site.a.sh(
          "find /run /run/stingy /tmp /var/tmp /var/lib/stingy -maxdepth 1 -type d -name 'stingy-sync.*'",
        ),
      ).to.equal("");
    });

    it("serves the peers, over both versions of IP", async () => {
      const anna = site.client("anna");
      await anna.up();
      await anna.reaches();
      await anna.reaches(ADDRESSES.webIpv6);
    });

    it("asks twice and changes nothing when all is in step", async () => {
      const before = await stateOf(site.a);
      site.aws.calls.length = 0;
      const again = await inStep(site.a, { PATH: await watchTools(site.a) });
      expect(site.a.file("/run/machine/calls"))
        .to.include("wg show wg0 dump")
        .and.not.match(/wg (set|addconf)/);
      expect(again.log.map(({ event }) => event)).to.deep.equal(["in-step"]);
      expect(logged(again, "in-step")[0]?.calls).to.equal("2");
      expect(site.aws.calls.map(({ action }) => action)).to.deep.equal(["GetParameters", "GetParametersByPath"]);
      expect(await stateOf(site.a)).to.equal(before);
    });
  });

  describe("two servers that race for the first key", () => {
    let site: Site;
    before(async () => {
      site = await startSite({ servers: 2, privateKey: false, store: "memory" });
      await Promise.all(site.servers.map((server) => server.run("stingy-firewall")));
    });
    after(() => site.stop());

    it("end up with one, however their calls interleave", async () => {
      // Nobody stores a key before both have found that there is none.
      const { backend } = site.store;
      const answer = backend.answer.bind(backend);
      let waiting: (() => void)[] = [];
      backend.answer = async (action, input) => {
        if (action === "PutParameter") {
          await new Promise<void>((resolve) => {
            waiting.push(resolve);
            if (waiting.length === 2) {
              for (const go of waiting) go();
              waiting = [];
            }
          });
        }
        return answer(action, input);
      };
      const made: string[] = [];
      for (let round = 0; round < 2; round++) {
        site.aws.calls.length = 0;
        const results = await Promise.all(site.servers.map((server) => sync(server)));
        expect(results.map(({ code }) => code)).to.deep.equal([0, 0]);
        expect(
          site.aws
            .called("ssm", "PutParameter")
            .map(({ status }) => status)
            .sort(),
        ).to.deep.equal([200, 400]);
        expect(
          results
            .flatMap(({ log }) => log.map(({ event }) => event))
            .filter((event) => /^key/.test(event))
            .sort(),
        ).to.deep.equal(["key-of-another-server", "key-stored"]);
        const stored = (
          await answer("GetParameter", {
            Name: "/stingy-vpn/prod/wireguard-private-key",
            WithDecryption: true,
          })
        ).body;
        const keys = await Promise.all(site.servers.map((server) => server.sh("wg show wg0 private-key")));
        expect(keys).to.deep.equal([JSON.parse(stored).Parameter.Value, JSON.parse(stored).Parameter.Value]);
        made.push(keys[0] ?? "");
        await answer("DeleteParameter", { Name: "/stingy-vpn/prod/wireguard-private-key" });
        await Promise.all(
          site.servers.map((server) => server.sh("ip link del wg0; rm -rf /run/stingy /var/lib/stingy")),
        );
      }
      expect(new Set(made).size, "each round had its own key").to.equal(2);
    });
  });

  describe("while somebody uses the tunnel", () => {
    let site: Site;
    let server: Server;
    let bert: Peer;
    let watched: string;
    before(async () => {
      site = await startSite({ peers: ["anna"] });
      server = await started(site);
      watched = await watchTools(server);
      await site.client("anna").up();
      await site.client("anna").reaches();
    });
    after(() => site.stop());

    /** What wg0 has been told since it was last asked. */
    const told = (): Promise<string> =>
      server.sh("touch /run/machine/addconf; cat /run/machine/addconf; rm /run/machine/addconf");

    /** Does what changes the store, and syncs, while anna sends 200 packets a second. */
    async function underTraffic(change: () => Promise<unknown>): Promise<ScriptResult> {
      const before = await server.sh("wg show wg0 latest-handshakes");
      const { publicKey } = site.client("anna").peer;
      const flood = site.client("anna").flood();
      await change();
      const result = await inStep(server, { PATH: watched });
      const { sent, lost } = await flood.stop();
      expect(sent).to.be.greaterThan(10);
      expect(lost, "packets of anna lost").to.equal(0);
      // WireGuard would take her networks away for a moment, which no flood is sure to meet.
      expect(await told(), "what wg0 is told").not.to.include(publicKey);
      const line = before.split("\n").find((text) => text.startsWith(publicKey));
      expect(await server.sh("wg show wg0 latest-handshakes")).to.include(line);
      return result;
    }

    it("adds a peer, and nobody else loses a packet", async () => {
      bert = site.newPeer("bert");
      const result = await underTraffic(() => site.store.put("peers/bert", storedPeer(bert)));
      expect(logged(result, "peers-added")).to.deep.equal([{ count: "1", names: "bert" }]);
      expect(await groupsOf(server, "10.8.0.3")).to.deep.equal(["full"]);
      expect(await groupsOf(server, "fd53::3")).to.deep.equal(["full"]);
      expect(await server.peers()).to.have.length(2);
    });

    it("changes a peer's group, shared key and keepalive, and nobody else loses a packet", async () => {
      const presharedKey = keyPair().privateKey;
      const result = await underTraffic(() =>
        site.store.put("peers/bert", storedPeer({ ...bert, presharedKey, group: "isolated", keepalive: 25 })),
      );
      expect(logged(result, "peers-changed")).to.deep.equal([{ count: "1", names: "bert" }]);
      expect(await groupsOf(server, "10.8.0.3")).to.deep.equal(["isolated"]);
      expect(await groupsOf(server, "fd53::3")).to.deep.equal(["isolated"]);
      expect((await peersOf(server))[bert.publicKey]).to.deep.equal({
        presharedKey,
        allowed: ["10.8.0.3/32", "fd53::3/128"],
        keepalive: "25",
      });
    });

    it("sees one thing of a peer that changes alone, whatever it is", async () => {
      const own = { publicKey: bert.publicKey, addresses: ["10.8.0.3"] };
      const [one, other] = [keyPair().privateKey, keyPair().privateKey];
      const off = { presharedKey: "(none)", allowed: ["10.8.0.3/32"], keepalive: "off" };
      const changes: readonly (readonly [stored: object, has: object])[] = [
        [own, off],
        [
          { ...own, presharedKey: one },
          { ...off, presharedKey: one },
        ],
        [
          { ...own, presharedKey: other },
          { ...off, presharedKey: other },
        ],
        [own, off],
        [
          { ...own, keepalive: 25 },
          { ...off, keepalive: "25" },
        ],
        [
          { ...own, keepalive: 15 },
          { ...off, keepalive: "15" },
        ],
        [own, off],
        [
          { ...own, addresses: ["10.8.0.33"] },
          { ...off, allowed: ["10.8.0.33/32"] },
        ],
        [
          { ...own, addresses: ["10.8.0.33", "10.8.0.3"] },
          { ...off, allowed: ["10.8.0.3/32", "10.8.0.33/32"] },
        ],
        [own, off],
      ];
      for (const [stored, has] of changes) {
        await site.store.put("peers/bert", stored);
        await inStep(server);
        expect((await peersOf(server))[bert.publicKey]).to.deep.equal(has);
        await inStep(server, { PATH: watched });
        expect(await told(), "what wg0 is told again").to.equal("");
      }
    });

    it("knows a peer's networks again in another order, and puts back a port that another hand has changed", async () => {
      await site.store.put("peers/bert", storedPeer(bert));
      await inStep(server);
      const networks = await server.sh("wg show wg0 allowed-ips");
      await server.sh(`wg set wg0 peer ${bert.publicKey} allowed-ips fd53::3/128,10.8.0.3/32`);
      expect(await server.sh("wg show wg0 allowed-ips")).not.to.equal(networks);
      await inStep(server, { PATH: watched });
      expect(await told()).to.equal("");
      await server.sh("wg set wg0 listen-port 51821");
      await inStep(server, { PATH: watched });
      expect(await server.sh("wg show wg0 listen-port")).to.equal("51820");
      expect(await told())
        .to.include("[Interface]")
        .and.not.include("[Peer]");
    });

    it("gives two peers each other's addresses", async () => {
      const carl = { ...site.newPeer("carl"), addresses: ["10.8.0.3"] };
      await site.store.put("peers/bert", storedPeer({ ...bert, addresses: ["10.8.0.4"] }));
      await site.store.put("peers/carl", storedPeer(carl));
      await inStep(server);
      await site.store.put("peers/bert", storedPeer({ ...bert, addresses: ["10.8.0.3"] }));
      await underTraffic(() => site.store.put("peers/carl", storedPeer({ ...carl, addresses: ["10.8.0.4"] })));
      const { [bert.publicKey]: berts, [carl.publicKey]: carls } = await peersOf(server);
      expect([berts?.allowed, carls?.allowed]).to.deep.equal([["10.8.0.3/32"], ["10.8.0.4/32"]]);
      await site.removePeer({ name: "carl" });
    });

    it("takes away what a peer no longer has", async () => {
      await underTraffic(() => site.store.put("peers/bert", { publicKey: bert.publicKey, addresses: ["10.8.0.77"] }));
      expect((await peersOf(server))[bert.publicKey]).to.deep.equal({
        presharedKey: "(none)",
        allowed: ["10.8.0.77/32"],
        keepalive: "off",
      });
      expect(await groupsOf(server, "10.8.0.77")).to.deep.equal(["full"]);
      for (const gone of ["10.8.0.3", "fd53::3"]) expect(await groupsOf(server, gone)).to.deep.equal([]);
    });

    it("removes a peer, and nobody else loses a packet", async () => {
      const result = await underTraffic(() => site.removePeer({ name: "bert" }));
      expect(logged(result, "peers-removed")).to.deep.equal([{ count: "1", names: "bert" }]);
      expect(await server.peers()).to.deep.equal([site.client("anna").peer.publicKey]);
      expect(await groupsOf(server, "10.8.0.77")).to.deep.equal([]);
      expect(await groupsOf(server, "10.8.0.2")).to.deep.equal(["full"]);
    });

    it("stays silent after it has stood down, yet in step", async () => {
      await server.sh("touch /run/stingy/stood-down; ip link set dev wg0 down");
      const carl = await site.addPeer({ name: "carl", group: "internet" });
      await inStep(server);
      expect(await server.peers()).to.include(carl.publicKey);
      expect(await groupsOf(server, carl.addresses[0] ?? "")).to.deep.equal(["internet"]);
      expect(await isUp(server)).to.equal(false);
      await server.sh("rm /run/stingy/stood-down");
      await inStep(server);
      expect(await isUp(server)).to.equal(true);
      await site.client("anna").reaches();
    });

    it("takes another tunnel address and MTU from the settings to the running wg0", async () => {
      server.configure({ TUNNEL_IPV4: "10.8.0.200/24", TUNNEL_IPV6: "fd53::200/64", MTU: "1380" });
      await inStep(server);
      expect(await addressesOf(server)).to.deep.equal(["10.8.0.200/24", "fd53::200/64"]);
      expect(await server.sh("cat /sys/class/net/wg0/mtu")).to.equal("1380");
      await site.client("anna").reaches("10.8.0.200");
      await site.client("anna").reaches("fd53::200");
      server.configure({ TUNNEL_IPV4: "10.8.0.1/24", TUNNEL_IPV6: "fd53::1/64", MTU: "1420" });
      await inStep(server);
      expect(await addressesOf(server)).to.deep.equal(["10.8.0.1/24", "fd53::1/64"]);
    });

    it("serves with a new private key as soon as the store has one", async () => {
      const { privateKey, publicKey } = keyPair();
      await site.store.put("wireguard-private-key", privateKey);
      await inStep(server);
      expect(await server.publicKey()).to.equal(publicKey);
      expect(server.file("/run/stingy/public-key")).to.equal(`${publicKey}\n`);
      await site.client("anna").down();
      await site.client("anna").up({ serverPublicKey: publicKey });
      await site.client("anna").reaches();
    });

    it("puts back a private key that the store has lost, as another would cut everybody off", async () => {
      const before = await server.sh("wg show wg0 private-key");
      await site.store.delete("wireguard-private-key");
      expect(logged(await inStep(server), "key-stored")).to.have.length(1);
      expect(await site.store.get("wireguard-private-key")).to.equal(before);
      await site.client("anna").reaches();
    });

    it("waits for one that runs already, so that nothing read earlier is applied later", async () => {
      const { backend } = site.store;
      const answer = backend.answer.bind(backend);
      let release = (): void => undefined;
      let isHeld = false;
      backend.answer = async (action, input) => {
        const result = await answer(action, input);
        if (action === "GetParametersByPath" && !isHeld) {
          isHeld = true;
          await new Promise<void>((resolve) => {
            release = resolve;
          });
        }
        return result;
      };
      const first = sync(server);
      await eventually("the first has asked for the peers", () => isHeld);
      const dora = await site.addPeer("dora");
      const second = sync(server);
      try {
        await eventually("the second waits", () => server.sh("pgrep -xf 'flock -w 120 8'"));
      } finally {
        backend.answer = answer;
        release();
      }
      expect([(await first).code, (await second).code]).to.deep.equal([0, 0]);
      expect(await server.peers()).to.include(dora.publicKey);
    });

    it("counts every call, those that AWS throttled, too", async () => {
      site.aws.calls.length = 0;
      await site.aws.fail({ kind: "throttled", service: "ssm", action: "GetParametersByPath", times: 1 });
      const result = await inStep(server);
      expect(site.aws.calls.map(({ action, status }) => `${action} ${status}`)).to.deep.equal([
        "GetParameters 200",
        "GetParametersByPath 400",
        "GetParametersByPath 200",
      ]);
      expect(logged(result, "in-step")[0]?.calls).to.equal("3");
    });
  });

  describe("when the store does not help", () => {
    let site: Site;
    let server: Server;
    before(async () => {
      site = await startSite({ peers: ["anna"], store: "memory" });
      server = await started(site);
      await site.client("anna").up();
      await site.client("anna").reaches();
    });
    after(() => site.stop());
    afterEach(() => site.aws.heal());

    async function lastGoodServes(reason: string | RegExp, file = "/run/stingy/config.json"): Promise<void> {
      const before = await stateOf(server);
      const flood = site.client("anna").flood();
      const result = await sync(server);
      const { lost } = await flood.stop();
      expect(result.code).to.equal(1);
      expect(
        result.log.map(({ level, event }) => `${level} ${event}`),
        result.stderr,
      ).to.deep.equal(["error not-in-step", "warning last-good-serves"]);
      if (typeof reason === "string") expect(logged(result, "not-in-step")[0]?.reason).to.equal(reason);
      else expect(logged(result, "not-in-step")[0]?.reason).to.match(reason);
      expect(logged(result, "last-good-serves")[0]?.file).to.equal(file);
      expect(lost, "packets of anna lost").to.equal(0);
      expect(await stateOf(server)).to.equal(before);
    }

    it("goes on serving what it had while nobody answers", async () => {
      await site.aws.fail({ kind: "refuse", service: "ssm" });
      await lastGoodServes("ssm cannot be reached (curl's status 7)");
    });

    it("goes on serving what it had when a later page of the peers is refused", async () => {
      await site.aws.fail({ kind: "denied", service: "ssm", action: "GetParametersByPath" });
      await lastGoodServes("ssm answered 400 AccessDeniedException");
    });

    it("brings back the firewall's sets and a wg0 that has gone, without the store", async () => {
      await site.aws.fail({ kind: "denied", service: "ssm" });
      await server.sh("ip link del wg0; nft delete table inet stingy");
      await server.run("stingy-firewall");
      const result = await sync(server);
      expect(result.code).to.equal(1);
      expect(logged(result, "last-good-serves")).to.have.length(1);
      await reconnects(site.client("anna"));
    });

    it("serves after a reboot what the disk has kept, and heals with the store", async () => {
      await site.aws.fail({ kind: "denied", service: "ssm" });
      const keys = await server.publicKey();
      await server.reboot();
      expect(server.journal("stingy-sync").map(({ event }) => event)).to.deep.equal([
        "not-in-step",
        "wg0-made",
        "last-good-serves",
      ]);
      expect(await server.publicKey()).to.equal(keys);
      await reconnects(site.client("anna"));
      expect((await sync(server)).log.at(-1)?.fields.file).to.equal("/var/lib/stingy/config.json");

      await site.aws.heal();
      await inStep(server);
      await site.aws.fail({ kind: "denied", service: "ssm" });
      expect((await sync(server)).log.at(-1)?.fields.file).to.equal("/run/stingy/config.json");
    });

    const nonsense: readonly [what: string, name: string, value: string, reason: string][] = [
      [
        "a private key that is none",
        "wireguard-private-key",
        "to be done",
        "wireguard-private-key is no WireGuard key",
      ],
      [
        "a wg0.conf that is none",
        "wireguard-config",
        "to be done",
        "wireguard-config has no PrivateKey that is a WireGuard key",
      ],
      [
        "a wg0.conf without sections",
        "wireguard-config",
        `PrivateKey = ${keyPair().privateKey}\nAddress = 10.8.0.1/24`,
        "wireguard-config has no PrivateKey that is a WireGuard key",
      ],
      [
        "a wg0.conf without an address",
        "wireguard-config",
        `[Interface]\nPrivateKey = ${keyPair().privateKey}\n`,
        "wireguard-config has no Address",
      ],
    ];
    for (const [what, name, value, reason] of nonsense) {
      it(`goes on serving what it had when the store holds ${what}`, async () => {
        const before = await site.store.get(name);
        await site.store.put(name, value);
        try {
          await lastGoodServes(reason);
        } finally {
          if (before === undefined) await site.store.delete(name);
          else await site.store.put(name, before);
        }
      });
    }

    it("goes on serving what it had when an answer is no JSON to its end", async () => {
      const { backend } = site.store;
      const answer = backend.answer.bind(backend);
      backend.answer = async (action, input) => {
        const { body, ...rest } = await answer(action, input);
        return { ...rest, body: action === "GetParametersByPath" ? body.slice(0, -20) : body };
      };
      try {
        await lastGoodServes("the store's answer makes no sense");
      } finally {
        backend.answer = answer;
      }
    });

    it("does not read for ever when the store repeats a page", async () => {
      const { backend } = site.store;
      const answer = backend.answer.bind(backend);
      backend.answer = async (action, input) => {
        const { body, ...rest } = await answer(action, { ...input, NextToken: undefined });
        return { ...rest, body: action === "GetParametersByPath" ? body.replace(/}$/, ',"NextToken":"again"}') : body };
      };
      try {
        await lastGoodServes("ssm repeats a page of peers");
      } finally {
        backend.answer = answer;
      }
    });

    it("fails, and makes nothing, when it never had a configuration", async () => {
      await site.aws.fail({ kind: "denied", service: "ssm" });
      await server.sh("ip link del wg0; rm -rf /run/stingy /var/lib/stingy");
      const result = await sync(server);
      expect(result.code).to.equal(1);
      expect(result.log.map(({ level, event }) => `${level} ${event}`)).to.deep.equal(["error not-in-step"]);
      expect(await exists(server)).to.equal(false);
    });

    it("serves when the disk is full, says so, and keeps the configuration once there is space", async () => {
      await server.fillDisk();
      const result = await sync(server);
      expect(result.code).to.equal(1);
      expect(
        result.log.map(({ event }) => event),
        result.stderr,
      ).to.deep.equal(["wg0-made", "peers-added", "in-step", "not-kept"]);
      expect(logged(result, "not-kept")[0]?.reason).to.match(/No space left on device/);
      await reconnects(site.client("anna"));
      expect(server.file("/var/lib/stingy/config.json")).to.equal("");
      await server.freeDisk();
      await inStep(server);
      expect(server.file("/var/lib/stingy/config.json")).to.equal(server.file("/run/stingy/config.json"));
    });

    it("does not lose what the disk has kept when the disk is full", async () => {
      const kept = server.file("/var/lib/stingy/config.json");
      await server.fillDisk();
      const peer = await site.addPeer("late");
      expect((await sync(server)).code).to.equal(1);
      expect(await server.peers()).to.include(peer.publicKey);
      expect(server.file("/var/lib/stingy/config.json")).to.equal(kept);
      await server.freeDisk();
      await site.removePeer(peer);
      await inStep(server);
    });
  });

  describe("bad peers among good ones", () => {
    let site: Site;
    let server: Server;
    /** Where a command that got out would leave its mark. A parameter's name has no slash, and the scripts run in /. */
    const canary = (name: string) => `pwned-${name}`;
    const key = (n: number) => keys[n]?.publicKey ?? "";
    const keys = Array.from({ length: 60 }, () => keyPair());
    before(async () => {
      site = await startSite({ peers: ["anna"], store: "memory" });
      server = await started(site);
    });
    after(() => site.stop());

    /** As it is logged: in one line, ASCII. */
    const plain = (text: string) =>
      text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\t", "\\t").replaceAll("é", "  ");
    const shell = (name: string) => `'; touch ${canary(name)} #$(touch ${canary(name)})\`touch ${canary(name)}\``;
    // Sorted by name, as the store gives them: what comes later gives way.
    const bad: readonly [name: string, value: unknown, reason: string][] = [
      ["bad-01-no-json", "publicKey=abc", "it is no JSON object"],
      ["bad-02-list", "[1, 2]", "it is no JSON object"],
      ["bad-03-cut", '{"publicKey": "', "it is no JSON object"],
      ["bad-04-no-key", { addresses: ["10.8.0.41"] }, "publicKey is no WireGuard key"],
      ["bad-05-short-key", { publicKey: "AAAA", addresses: ["10.8.0.41"] }, "publicKey is no WireGuard key"],
      ["bad-06-key-lines", { publicKey: `${key(1)}\n`, addresses: ["10.8.0.41"] }, "publicKey is no WireGuard key"],
      [
        "bad-07-key-section",
        { publicKey: `${key(1)}\n[Interface]\nPrivateKey = ${key(2)}`, addresses: ["10.8.0.41"] },
        "publicKey is no WireGuard key",
      ],
      ["bad-08-key-shell", { publicKey: shell("key"), addresses: ["10.8.0.41"] }, "publicKey is no WireGuard key"],
      [
        "bad-09-key-huge",
        { publicKey: "A".repeat(100_000), addresses: ["10.8.0.41"] },
        "publicKey is no WireGuard key",
      ],
      [
        "bad-10-shared-key",
        { publicKey: key(3), presharedKey: `${key(1)}\nEndpoint = 1.2.3.4:5`, addresses: ["10.8.0.41"] },
        "presharedKey is no WireGuard key",
      ],
      ["bad-11-nowhere", { publicKey: key(4) }, "nothing is no address for a peer in this tunnel"],
      [
        "bad-12-outside",
        { publicKey: key(5), addresses: ["10.9.0.5"] },
        "10.9.0.5/32 is no address for a peer in this tunnel",
      ],
      [
        "bad-13-everything",
        { publicKey: key(6), addresses: ["0.0.0.0/0"] },
        "0.0.0.0/0 is no address for a peer in this tunnel",
      ],
      [
        "bad-14-the-server",
        { publicKey: key(7), addresses: ["10.8.0.1"] },
        "10.8.0.1/32 is no address for a peer in this tunnel",
      ],
      [
        "bad-15-the-server-6",
        { publicKey: key(8), addresses: ["10.8.0.41", "fd53:0:0::1"] },
        "fd53:0:0::1/128 is no address for a peer in this tunnel",
      ],
      [
        "bad-16-broadcast",
        { publicKey: key(9), addresses: ["10.8.0.255"] },
        "10.8.0.255/32 is no address for a peer in this tunnel",
      ],
      ["bad-17-number", { publicKey: key(10), addresses: [10] }, "10 is no address for a peer in this tunnel"],
      [
        "bad-18-nine-groups",
        { publicKey: key(11), addresses: ["fd53:0:0:0:0:0:0:5::"] },
        "fd53:0:0:0:0:0:0:5:: is no address for a peer in this tunnel",
      ],
      [
        "bad-19-long-group",
        { publicKey: key(12), addresses: ["fd53:0:0:0:0:0:0:5:fffff"] },
        "fd53:0:0:0:0:0:0:5:fffff is no address for a peer in this tunnel",
      ],
      [
        "bad-20-address-nft",
        { publicKey: key(13), addresses: ["10.8.0.41 }; flush ruleset; #"] },
        "10.8.0.41 }; flush ruleset; # is no address for a peer in this tunnel",
      ],
      [
        "bad-21-address-shell",
        { publicKey: key(14), addresses: [`$(touch ${canary("address")})`] },
        `$(touch ${canary("address")}) is no address for a peer in this tunnel`,
      ],
      [
        "bad-22-address-lines",
        { publicKey: key(15), addresses: ["10.8.0.41\nlevel=error event=fake"] },
        "10.8.0.41\\nlevel=error event=fake is no address for a peer in this tunnel",
      ],
      [
        "bad-23-group",
        { publicKey: key(16), addresses: ["10.8.0.41"], group: "root" },
        "group is none of full, internet, isolated",
      ],
      [
        "bad-24-group-nft",
        { publicKey: key(17), addresses: ["10.8.0.41"], group: "full\nflush ruleset" },
        "group is none of full, internet, isolated",
      ],
      [
        "bad-25-keepalive",
        { publicKey: key(18), addresses: ["10.8.0.41"], keepalive: "25" },
        "keepalive is no number of seconds",
      ],
      [
        "bad-26-keepalive",
        { publicKey: key(19), addresses: ["10.8.0.41"], keepalive: 70_000 },
        "keepalive is no number of seconds",
      ],
      [
        "bad-27-keepalive",
        { publicKey: key(20), addresses: ["10.8.0.41"], keepalive: 0.5 },
        "keepalive is no number of seconds",
      ],
      [`bad-28-${shell("name")}`, "", "it is no JSON object"],
      ['bad-29-é\nlevel=error event=fake\t"x\\', "", "it is no JSON object"],
      ["good-5-same-address", { publicKey: key(23), addresses: ["10.8.0.42"] }, "its key or address is that of good-1"],
      [
        "good-6-same-address-6",
        { publicKey: key(22), addresses: ["10.8.0.43", "fd53:0::0:2a"] },
        "its key or address is that of good-1",
      ],
      ["good-7-same-key", { publicKey: key(41), addresses: ["10.8.0.44"] }, "its key or address is that of good-2"],
    ];
    const good: readonly [name: string, value: unknown][] = [
      ["good-1", { publicKey: key(40), addresses: ["10.8.0.42/32", "FD53::2A/128"], group: "internet" }],
      ["good-2", { publicKey: key(41), addresses: [" 10.8.0.45 "], presharedKey: key(50), note: shell("note") }],
      // What a bad one has asked for in vain is still there for others.
      ["good-3", { publicKey: key(16), addresses: ["10.8.0.41"], keepalive: 25 }],
      [
        `good-4-\nfake: level=error event=fake $(touch ${canary("good")})`,
        { publicKey: key(43), addresses: ["10.8.0.46"] },
      ],
    ];

    it("are skipped and named with the reason, in one line each; the good ones are served", async () => {
      for (const [name, value] of [...bad, ...good]) await site.store.put(`peers/${name}`, value as object);
      const result = await inStep(server);
      expect(logged(result, "peer-skipped").map(({ peer, reason }) => [peer, reason])).to.deep.equal(
        bad.map(([name, , reason]) => [plain(name), reason]),
      );
      expect(logged(result, "in-step")[0]).to.include({ peers: `${good.length + 1}`, skipped: `${bad.length}` });
      expect(logged(result, "peers-added")).to.deep.equal([
        { count: `${good.length}`, names: plain(good.map(([name]) => name).join(" ")) },
      ]);
      expect(new Set(result.log.map(({ event }) => event))).to.deep.equal(
        new Set(["peers-added", "peer-skipped", "in-step"]),
      );
      expect(result.stderr.trimEnd().split("\n"), "lines that are not structured").to.have.length(result.log.length);

      const { [site.client("anna").peer.publicKey]: _, ...others } = await peersOf(server);
      expect(others).to.deep.equal({
        [key(40)]: { presharedKey: "(none)", allowed: ["10.8.0.42/32", "fd53::2a/128"], keepalive: "off" },
        [key(41)]: { presharedKey: key(50), allowed: ["10.8.0.45/32"], keepalive: "off" },
        [key(16)]: { presharedKey: "(none)", allowed: ["10.8.0.41/32"], keepalive: "25" },
        [key(43)]: { presharedKey: "(none)", allowed: ["10.8.0.46/32"], keepalive: "off" },
      });
      expect(await groupsOf(server, "fd53::2a")).to.deep.equal(["internet"]);
      expect(await groupsOf(server, "10.8.0.41")).to.deep.equal(["full"]);
      for (const unused of ["10.8.0.43", "10.8.0.44", "10.9.0.5", "fd53::1"])
        expect(await groupsOf(server, unused)).to.deep.equal([]);
    });

    it("get nothing run", async () => {
      expect(await server.sh("find / /run /tmp -maxdepth 2 -name 'pwned*'")).to.equal("");
    });
  });

  describe("a wg0.conf that was written by hand", () => {
    let site: Site;
    let server: Server;
    let phone: Client;
    const own = keyPair();
    const laptop = keyPair();
    const shared = keyPair().privateKey;
    before(async () => {
      site = await startSite({ peers: ["anna"] });
      server = await started(site);
      phone = await site.startClient({
        ...site.newPeer({ name: "phone", presharedKey: false }),
        addresses: ["10.66.0.2", "fd66::2"],
      });
    });
    after(() => site.stop());

    it("is honoured as a whole, its bad peer skipped; what is not for here is named and not done", async () => {
      const lines = [
        "# My own.",
        "[Interface]",
        `PrivateKey = ${own.privateKey}`,
        "Address = 10.66.0.1/24, fd66::1/64 # both",
        "ListenPort = 51820",
        "MTU = 1380",
        "DNS = 10.66.0.1",
        "PostUp = touch /run/machine/pwned; iptables -A FORWARD -i %i -j ACCEPT",
        "SaveConfig = true",
        "",
        "[Peer] # phone",
        `PublicKey = ${phone.peer.publicKey}`,
        "AllowedIPs = 10.66.0.2/32,fd66::2/128",
        "AllowedIPs = 192.168.7.1/24, fd77::5/64, 0.0.0.0/1",
        "[peer]",
        `publickey=${laptop.publicKey}`,
        `PRESHAREDKEY =${shared}`,
        "AllowedIPs = 10.66.0.3/32",
        "Endpoint = 999.1.1.1:51820",
        "PersistentKeepalive = 25",
        "[Peer]",
        "PublicKey = to be done",
        "AllowedIPs = 10.66.0.4/32",
      ];
      await site.store.put("wireguard-config", lines.join("\r\n"));
      const result = await inStep(server);
      expect(logged(result, "in-step")[0]).to.include({ source: "wireguard-config", peers: "2" });
      expect(logged(result, "peer-skipped")).to.deep.equal([
        { peer: "wireguard-config, peer 3", reason: "publicKey is no WireGuard key" },
        { peer: "wireguard-config", reason: "dns is not used here" },
        { peer: "wireguard-config", reason: "postup is not used here" },
        { peer: "wireguard-config", reason: "saveconfig is not used here" },
      ]);
      expect(await server.publicKey()).to.equal(own.publicKey);
      expect(await addressesOf(server)).to.deep.equal(["10.66.0.1/24", "fd66::1/64"]);
      expect(await server.sh("cat /sys/class/net/wg0/mtu")).to.equal("1380");
      expect(await peersOf(server)).to.deep.equal({
        [phone.peer.publicKey]: {
          presharedKey: "(none)",
          allowed: ["0.0.0.0/1", "10.66.0.2/32", "192.168.7.0/24", "fd66::2/128", "fd77::/64"],
          keepalive: "off",
        },
        [laptop.publicKey]: { presharedKey: shared, allowed: ["10.66.0.3/32"], keepalive: "25" },
      });
      expect(await server.sh("ls /run/machine")).not.to.include("pwned");
    });

    it("gives its peers the internet, and the server the way to their networks, but never half of everything", async () => {
      expect(await server.sh("ip route show dev wg0")).to.match(/^10\.66\.0\.0\/24 .*\n192\.168\.7\.0\/24 [^\n]*$/);
      expect(await server.sh("ip -6 route show dev wg0")).to.include("fd77::/64");
      await phone.up({ serverPublicKey: own.publicKey });
      await phone.reaches();
      await phone.reaches(ADDRESSES.webIpv6);
      await phone.sh("ip addr add 192.168.7.9/32 dev lo; ip addr add fd77::9/128 dev lo");
      await server.sh("ping -c 1 -W 5 192.168.7.9 && ping -c 1 -W 5 fd77::9");
    });

    it("that another replaces leaves none of its routes and addresses, and drops nobody whom both have", async () => {
      const flood = phone.flood();
      const lines = [
        "[Interface]",
        `PrivateKey = ${own.privateKey}`,
        "Address = 10.66.0.1/24, fd66::1/64",
        "[Peer]",
        `PublicKey = ${phone.peer.publicKey}`,
        "AllowedIPs = 10.66.0.2/32, fd66::2/128, 192.168.8.0/24",
      ];
      await site.store.put("wireguard-config", lines.join("\n"));
      await inStep(server);
      expect((await flood.stop()).lost, "packets of phone lost").to.equal(0);
      const routes = await server.sh("ip route show dev wg0; ip -6 route show dev wg0");
      expect(routes).to.include("192.168.8.0/24");
      expect(routes).not.to.match(/192\.168\.7|fd77/);
      expect(await server.sh("cat /sys/class/net/wg0/mtu")).to.equal("1420");
      expect(await server.peers()).to.deep.equal([phone.peer.publicKey]);
    });

    it("gives way to single peers when it has gone", async () => {
      await site.store.delete("wireguard-config");
      expect(logged(await inStep(server), "in-step")[0]).to.include({ source: "peers", peers: "1" });
      expect(await addressesOf(server)).to.deep.equal(["10.8.0.1/24", "fd53::1/64"]);
      expect(await server.sh("ip route show dev wg0; ip -6 route show dev wg0")).not.to.match(/192\.168|10\.66|fd66/);
      expect(await server.publicKey()).to.equal(site.keys.publicKey);
      await site.client("anna").up();
      await site.client("anna").reaches();
    });

    it("need not be: client-public-keys has the keys alone, the n-th for the n-th address after the server's", async () => {
      const keys = Array.from({ length: 5 }, () => keyPair().publicKey);
      const [anna = ""] = await server.peers();
      await site.store.put("client-public-keys", ` ${anna}, ${keys[0]},,to be done,${keys[1]}\n,${keys[1]}`);
      const bert = await site.addPeer({ name: "bert", addresses: ["10.8.0.3"], presharedKey: false });
      await site.removePeer({ name: "anna" });
      const result = await inStep(server);
      expect(logged(result, "peer-skipped")).to.deep.equal([
        { peer: "client-public-keys, key 2", reason: "its key or address is that of bert" },
        { peer: "client-public-keys, key 4", reason: "publicKey is no WireGuard key" },
        { peer: "client-public-keys, key 6", reason: "its key or address is that of client-public-keys, key 5" },
      ]);
      const plain = { presharedKey: "(none)", keepalive: "off" };
      expect(await peersOf(server)).to.deep.equal({
        [anna]: { ...plain, allowed: ["10.8.0.2/32", "fd53::2/128"] },
        [bert.publicKey]: { ...plain, allowed: ["10.8.0.3/32"] },
        [keys[1] ?? ""]: { ...plain, allowed: ["10.8.0.6/32", "fd53::6/128"] },
      });
    });
  });

  describe("without IPv6, or what must come before wg0", () => {
    let site: Site;
    let server: Server;
    before(async () => {
      site = await startSite({ ipv6: false, peers: ["anna"] });
      server = site.a;
    });
    after(() => site.stop());

    it("makes no wg0 before the firewall is loaded", async () => {
      const result = await sync(server);
      expect(result.code).to.equal(1);
      expect(logged(result, "not-in-step")).to.deep.equal([{ reason: "the firewall is not loaded" }]);
      expect(await exists(server)).to.equal(false);
    });

    it("makes no wg0 before the clock is in sync, and makes it then", async () => {
      await server.run("stingy-firewall");
      await server.clock.lose();
      // What it hears each time it asks.
      const asks = '#!/bin/bash\nexec stdbuf -oL /usr/bin/chronyc "$@" >/run/machine/tries\n';
      server.machine.write("/run/machine/told/chronyc", asks, 0o755);
      const heard = (answer: RegExp) => () => answer.test(server.file("/run/machine/tries"));
      const running = sync(server, { PATH: `/run/machine/told:${PATH}` });
      await eventually("it asks whether the clock is in sync", heard(/try: 1, refid: 00000000/));
      expect(await exists(server)).to.equal(false);
      // In sync, but three seconds off.
      await server.clock.sync(3);
      await eventually("it is not content with that", heard(/(correction: [23]\.\d+.*\n.*\n?){2}/), 20_000);
      expect(await exists(server)).to.equal(false);
      await server.clock.sync();
      const result = await running;
      expect(result.code, result.stderr).to.equal(0);
      expect(result.log.map(({ event }) => event)).to.deep.equal(["wg0-made", "peers-added", "in-step"]);
      expect(await isUp(server)).to.equal(true);
    });

    it("says so when the clock does not get in sync, and makes no wg0", async () => {
      await server.sh("ip link del wg0; rm -r /run/stingy /var/lib/stingy");
      server.machine.write("/run/machine/slow/chronyc", "#!/bin/bash\nexit 1\n", 0o755);
      const result = await sync(server, { PATH: `/run/machine/slow:${PATH}` });
      expect(result.code).to.equal(1);
      expect(logged(result, "not-in-step")).to.deep.equal([{ reason: "the clock is not in sync" }]);
      expect(await exists(server)).to.equal(false);
    });

    it("leaves a wg0 that is there in step, whatever the clock says", async () => {
      await inStep(server);
      const bert = await site.addPeer("bert");
      const result = await sync(server, { PATH: `/run/machine/slow:${PATH}` });
      expect(result.code, result.stderr).to.equal(0);
      expect(await server.peers()).to.include(bert.publicKey);
    });

    it("serves over IPv4 where there is no IPv6, and leaves peers' IPv6 addresses aside", async () => {
      const anna = site.client("anna");
      await site.store.put("peers/anna", storedPeer({ ...anna.peer, addresses: ["10.8.0.2", "fd53::2"] }));
      await site.addPeer({ name: "six", addresses: ["fd53::66"] });
      const result = await inStep(server);
      expect(logged(result, "peer-skipped")).to.deep.equal([
        { peer: "six", reason: "nothing is no address for a peer in this tunnel" },
      ]);
      expect((await peersOf(server))[anna.peer.publicKey]?.allowed).to.deep.equal(["10.8.0.2/32"]);
      expect(await addressesOf(server)).to.deep.equal(["10.8.0.1/24"]);
      await anna.up({ allowedIps: ["0.0.0.0/0"] });
      await anna.reaches();
      await site.removePeer({ name: "six" });
    });

    it("serves over IPv4 even when the tunnel is to have IPv6 and the kernel has none", async () => {
      server.configure({ TUNNEL_IPV6: "fd53::1/64" });
      const result = await inStep(server);
      expect(result.log.map(({ level, event }) => `${level} ${event}`)).to.deep.equal([
        "error address-refused",
        "info peers-changed",
        "info in-step",
      ]);
      expect(logged(result, "address-refused")[0]?.address).to.equal("fd53::1/64");
      await site.client("anna").reaches();
    });
  });

  describe("with 250 peers", () => {
    let site: Site;
    let server: Server;
    let first: ScriptResult;
    before(async () => {
      site = await startSite({ peers: ["anna"], store: "memory" });
      for (let n = 1; n < 250; n++) await site.addPeer(`peer-${n}`);
      server = site.a;
      await server.run("stingy-firewall");
      first = await inStep(server);
    });
    after(() => site.stop());

    it("has all of them, read ten a call", async () => {
      expect(await server.peers()).to.have.length(250);
      expect(await groupsOf(server, "10.8.0.2")).to.deep.equal(["full"]);
      expect(await groupsOf(server, "10.8.0.251")).to.deep.equal(["full"]);
      expect(await groupsOf(server, "fd53::fb")).to.deep.equal(["full"]);
      expect(await groupsOf(server, "10.8.0.252")).to.deep.equal([]);
      expect(site.aws.called("ssm", "GetParameters")).to.have.length(1);
      expect(site.aws.called("ssm", "GetParametersByPath")).to.have.length(25);
      expect(logged(first, "in-step")).to.deep.equal([{ source: "peers", peers: "250", skipped: "0", calls: "26" }]);
    });

    it("does everything once when started twice at once", async () => {
      await site.client("anna").up();
      await site.client("anna").reaches();
      const flood = site.client("anna").flood();
      const late = await site.addPeer("late");
      await site.removePeer({ name: "peer-1" });
      const results = await Promise.all([sync(server), sync(server)]);
      expect((await flood.stop()).lost, "packets of anna lost").to.equal(0);
      expect(results.map(({ code }) => code)).to.deep.equal([0, 0]);
      const events = results.flatMap(({ log }) => log.map(({ event }) => event)).sort();
      expect(events).to.deep.equal(["in-step", "in-step", "peers-added", "peers-removed"]);
      expect(await server.peers())
        .to.have.length(250)
        .and.to.include(late.publicKey);
    });
  });

  describe("killed at any point", () => {
    let site: Site;
    let server: Server;
    let watched: string;
    before(async () => {
      site = await startSite({ privateKey: false, peers: ["anna"], store: "memory" });
      server = site.a;
      watched = await watchTools(server);
      await server.run("stingy-firewall");
    });
    after(() => site.stop());

    async function kill(before: string): Promise<void> {
      const { code, stderr } = await sync(server, { PATH: watched, KILL_BEFORE: before });
      expect(code, `it is killed before ${before}\n${stderr}`).to.equal(null);
    }

    for (const point of ["^wg genkey", "^ip link add", "^timeout 60 wg", "^mv -f /run/stingy/config.json.new"]) {
      it(`at the first boot, before ${point.slice(1)}, ends right when run again, with one key`, async () => {
        await kill(point);
        const stored = await site.store.get("wireguard-private-key");
        await inStep(server);
        const key = await server.sh("wg show wg0 private-key");
        expect(key).to.equal(await site.store.get("wireguard-private-key"));
        if (stored !== undefined) expect(key).to.equal(stored);
        expect(await server.peers()).to.deep.equal([site.client("anna").peer.publicKey]);
        expect(await isUp(server)).to.equal(true);
        await server.sh("ip link del wg0; rm -rf /run/stingy /var/lib/stingy");
        await site.store.delete("wireguard-private-key");
      });
    }

    it("while it serves, drops nobody, and ends right when run again", async () => {
      await inStep(server);
      const anna = site.client("anna");
      await anna.up();
      await anna.reaches();
      const points = [
        "^curl --config",
        "^timeout 60 wg set",
        "^timeout 60 wg addconf",
        "^timeout 60 nft",
        "^wg pubkey",
        "^mv -f /run/stingy/config.json.new",
        "^mv -f /var/lib/stingy/config.json.new",
      ];
      for (const [n, point] of points.entries()) {
        const flood = anna.flood();
        const peer = await site.addPeer({ name: `peer-${n}`, group: "internet" });
        if (n > 0) await site.removePeer({ name: `peer-${n - 1}` });
        await kill(point);
        // Neither half a file nor one that others may read.
        for (const file of ["/run/stingy/config.json", "/var/lib/stingy/config.json"])
          expect(() => JSON.parse(server.file(file)), `${file} after the kill before ${point}`).not.to.throw();
        await inStep(server);
        expect((await flood.stop()).lost, `packets of anna lost around the kill before ${point}`).to.equal(0);
        expect(await server.peers()).to.deep.equal([anna.peer.publicKey, peer.publicKey].sort());
        expect(await groupsOf(server, peer.addresses[0] ?? "")).to.deep.equal(["internet"]);
        expect(await groupsOf(server, `10.8.0.${n + 2}`)).to.deep.equal(n > 0 ? [] : ["full"]);
        const kept = JSON.parse(server.file("/var/lib/stingy/config.json"));
        expect(kept.peers.map(({ name }: { name: string }) => name)).to.deep.equal(["anna", peer.name]);
        expect(server.file("/run/stingy/config.json")).to.equal(server.file("/var/lib/stingy/config.json"));
      }
    });

    it("clears away what killed runs have left, and nothing of one that still runs", async () => {
      const folders =
        "cd /run/stingy && mkdir -p stingy-sync.1 stingy-sync.4194305 && touch stingy-sync.4194305/config";
      await server.sh(folders);
      await inStep(server);
      const left = await server.sh("cd /run/stingy && ls -d stingy-sync.1 stingy-sync.4194305 2>/dev/null || true");
      expect(left).to.equal("stingy-sync.1");
    });

    it("leaves the last good configuration to be served, if the store has gone meanwhile", async () => {
      await server.sh("ip link del wg0; rm -rf /run/stingy");
      await kill("^mv -f /run/stingy/config.json.new");
      await server.sh("ip link del wg0 || true");
      await site.aws.fail({ kind: "denied", service: "ssm" });
      const result = await sync(server);
      expect(logged(result, "last-good-serves")).to.deep.equal([{ file: "/var/lib/stingy/config.json" }]);
      await site.aws.heal();
    });
  });

  describe("secrets", () => {
    let site: Site;
    let server: Server;
    let secrets: string[];
    let watched: string;
    const said: string[] = [];
    before(async () => {
      site = await startSite({ privateKey: false, peers: ["anna", "bert"] });
      server = site.a;
      watched = await watchTools(server);
      await server.sh("touch /run/machine/marker");
      const credentials = server.renewCredentials();
      const run = async (script: string, env: Readonly<Record<string, string>> = {}) => {
        const { stdout, stderr } = await server.run(script, { ...SYNC, env: { PATH: watched, ...env } });
        said.push(stdout, stderr);
      };
      await run("stingy-firewall");
      await run("stingy-sync");
      await site.store.put("peers/bad", { publicKey: site.client("anna").peer.presharedKey, presharedKey: "x" });
      await site.addPeer("carl");
      await run("stingy-sync", { KILL_BEFORE: "^timeout 60 nft" });
      await site.aws.fail({ kind: "html", service: "ssm", action: "GetParameters", times: 1 });
      await run("stingy-sync");
      await site.aws.fail({ kind: "denied", service: "ssm" });
      await run("stingy-sync");
      await site.aws.heal();
      await server.sh("touch /run/stingy/serving");
      await run("stingy-health");
      const stored = await Promise.all(
        ["anna", "bert", "carl"].map(async (name) => JSON.parse((await site.store.get(`peers/${name}`)) ?? "{}")),
      );
      secrets = [
        (await site.store.get("wireguard-private-key")) ?? "",
        ...stored.map(({ presharedKey }) => presharedKey),
        credentials.secretAccessKey,
        credentials.sessionToken,
        ...server.imds.tokens.keys(),
      ];
      server.machine.write("/run/machine/secrets", `${secrets.join("\n")}\n`, 0o600);
    });
    after(() => site.stop());

    it("are known to this test, and were used", async () => {
      expect(secrets.length).to.be.at.least(7);
      for (const secret of secrets) expect(secret.length).to.be.greaterThan(20);
      const found = "grep -rlFf /run/machine/secrets /run/stingy /var/lib/stingy | sort";
      expect((await server.sh(found)).split("\n")).to.include.members([
        "/run/stingy/config.json",
        "/run/stingy/credentials",
        "/run/stingy/imds-token",
        "/var/lib/stingy/config.json",
      ]);
    });

    it("are in nothing that the scripts say", () => {
      expect(said.join("")).to.include("event=in-step");
      for (const secret of secrets) expect(said.join("")).not.to.include(secret);
    });

    it("are in no command's arguments, which everyone may read", () => {
      const calls = server.file("/run/machine/calls");
      for (const tool of ["curl", "jq", "wg", "nft", "mv"]) expect(calls).to.match(new RegExp(`^${tool} `, "m"));
      for (const secret of secrets) expect(calls).not.to.include(secret);
    });

    it("are in no file that others may read, not even after a kill", async () => {
      const folders = "/run /etc /var /root /home /tmp /dev/shm /usr/local";
      const search = `secrets=$(cat); find ${folders} -xdev -maxdepth 4 -newer /run/machine/marker -type f -readable -exec grep -lF "$secrets" {} + || true`;
      const nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
      const input = `${secrets.join("\n")}\n`;
      const quoted = (who: string) => `${who} bash --norc -c '${search}' 2>/dev/null`;
      expect(await server.sh(quoted(""), { input })).to.include("/run/stingy/config.json");
      expect(await server.sh(quoted(nobody), { input })).to.equal("");
    });
  });
});
