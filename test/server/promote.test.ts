import { expect } from "chai";
import {
  ADDRESSES,
  type Client,
  eventually,
  type Peer,
  type RunningScript,
  type Server,
  type Site,
  type SiteOptions,
  sleep,
  startSite,
} from "./harness";
import { together } from "./together";

const WAIT = 90_000;
const ELASTIC = "198.51.100.10";
const PORT = 40001;

/** A site whose servers are ready, and which of them has the address. */
async function begin({
  address,
  ...options
}: Omit<SiteOptions, "address"> & { readonly address?: "nobody" | "none" } = {}): Promise<Site> {
  // A store of its own: in moto all sites of a run would share one.
  const site = await startSite({ store: "memory", ...(address === "none" ? { address: null } : {}), ...options });
  if (address === "nobody") await site.moveAddress(undefined);
  await Promise.all(site.servers.map(makeReady));
  return site;
}
async function makeReady(server: Server): Promise<void> {
  for (const script of ["stingy-firewall", "stingy-sync", "stingy-health"]) {
    const { code, stderr } = await server.run(script);
    if (code !== 0) throw new Error(stderr);
  }
}

const line = ({ publicKey }: Peer, endpoint: string): string => `${publicKey.slice(0, 10)} ${endpoint}`;
const remember = (site: Site, ...lines: string[]): Promise<void> => site.store.put("peer-endpoints", lines.join("\n"));
const known = ({ peer, ipv4 }: Client): string => line(peer, `${ipv4}:${PORT}`);

/** What the kernel sends by itself, to find its neighbours, has no way into the tunnel. */
const silently = { allowedIps: ["10.8.0.1/32", `${ADDRESSES.web}/32`] };
/** The tunnel up at a known port, and not a packet sent. */
async function listen(client: Client): Promise<void> {
  await client.up({ ...silently, keepalive: 0 });
  await client.sh(`wg set wg0 listen-port ${PORT}`);
}
/** As behind a NAT: what it has not asked for does not arrive. Its own handshakes, 148 bytes each, are counted. */
async function hide(client: Client): Promise<() => Promise<number>> {
  await client.machine.sh("nft -f -", {
    input: `table inet nat {
      chain in {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iifname { "lo", "wg0" } accept
      }
      chain out { type filter hook output priority filter; udp dport 51820 udp length 156 counter; }
    }`,
  });
  return async () => Number(/packets (\d+)/.exec(await client.sh("nft list chain inet nat out"))?.[1]);
}
/** A packet that is none of WireGuard's. */
async function sendPacket(client: Client, fromPort: number, address: string): Promise<void> {
  const program = `const socket = require("node:dgram").createSocket("${address.includes(":") ? "udp6" : "udp4"}");
    socket.bind(${fromPort}, () => socket.send("anything", 51820, "${address}", () => socket.close()));`;
  const { code, stderr } = await client.machine.run([process.execPath, "-e", program]);
  if (code !== 0) throw new Error(stderr);
}

/** By peer, in the order of the site's clients. */
async function shown(
  server: Server,
  what: "latest-handshakes" | "persistent-keepalive" | "endpoints",
  peers: readonly Pick<Peer, "publicKey">[],
): Promise<string[]> {
  const values = new Map(
    (await server.sh(`wg show wg0 ${what}`)).split("\n").map((row) => row.split("\t") as [string, string]),
  );
  return peers.map(({ publicKey }) => values.get(publicKey) ?? "no such peer");
}
const keepalives = (server: Server, clients: readonly Client[]): Promise<string[]> =>
  shown(
    server,
    "persistent-keepalive",
    clients.map(({ peer }) => peer),
  );
async function handshake(server: Server, client: Client): Promise<number> {
  return Number((await shown(server, "latest-handshakes", [client.peer]))[0]);
}
const calledBack = (server: Server, client: Client, since = 1): Promise<unknown> =>
  eventually(`${server.name} calls ${client.name} back`, async () => (await handshake(server, client)) >= since, WAIT);

const serves = (server: Server): Promise<unknown> =>
  eventually(
    `${server.name} says that it serves`,
    async () => (await server.marked("serving")) && (await server.state()) === "serving",
    WAIT,
  );
const stoodDown = (server: Server): Promise<unknown> =>
  eventually(
    `${server.name} says that it has stood down`,
    async () => (await server.marked("stood-down")) && (await server.state()) === "stood-down",
    WAIT,
  );
const isUp = async (server: Server): Promise<boolean> =>
  /<[^>]*\bUP\b/.test(await server.sh("ip -o link show dev wg0"));
const said = (script: RunningScript, event: string) =>
  script.log.filter((entry) => entry.event === event).map(({ fields }) => fields);
const inLog = (script: RunningScript, event: string, from = 0) => script.waitForLog(event, { timeoutMs: WAIT, from });

/** Waits until promote has asked the metadata service so often, from now on, for the address. */
async function asks(server: Server, count: number): Promise<void> {
  const before = server.imds.asked(/public-ipv4$/);
  await eventually(
    `${count} questions of ${server.name}`,
    () => server.imds.asked(/public-ipv4$/) > before + count,
    WAIT,
  );
}

describe("promote", () => {
  together({
    "takes a packet from where a peer was last seen for the address, calls for a minute, and waits on when it was not":
      async () => {
        const site = await begin({ address: "nobody", peers: ["phone", { name: "tablet", keepalive: 15 }] });
        await remember(site, ...site.clients.map(known));
        const promote = site.a.start("stingy-promote");
        await asks(site.a, 1);
        const automatic = site.publicAddress(site.a) ?? "";
        await sendPacket(site.client("phone"), PORT, automatic);
        await inLog(promote, "primed");
        expect(said(promote, "address-arrived")).to.deep.equal([{ noticed: "packet" }]);
        expect(await keepalives(site.a, site.clients)).to.deep.equal(["25", "25"]);
        await inLog(promote, "false-arrival");
        expect(await keepalives(site.a, site.clients)).to.deep.equal(["off", "15"]);
        expect([await site.a.marked("serving"), await site.a.state()]).to.deep.equal([false, "ready"]);

        await site.moveAddress(site.a);
        await serves(site.a);
        expect(said(promote, "address-arrived")).to.deep.equal([{ noticed: "packet" }, { noticed: "metadata" }]);
      },

    "notices the address by a peer's packet before the metadata service knows, not by a stranger's, and serves when it is certain":
      async () => {
        const site = await begin({ address: "nobody", peers: ["phone", "stranger"] });
        const [phone, stranger] = [site.client("phone"), site.client("stranger")];
        await remember(site, known(phone));
        const promote = site.a.start("stingy-promote");
        await asks(site.a, 1);
        await site.outside.assign(new Map([[site.a.ipv4, ELASTIC]]));
        await sendPacket(stranger, PORT, ELASTIC);
        await sendPacket(phone, PORT + 1, ELASTIC);
        await asks(site.a, 2);
        expect(said(promote, "address-arrived")).to.deep.equal([]);

        await sendPacket(phone, PORT, ELASTIC);
        await inLog(promote, "primed");
        expect(said(promote, "address-arrived")).to.deep.equal([{ noticed: "packet" }]);
        await listen(phone);
        await calledBack(site.a, phone);
        expect([await site.a.marked("serving"), await site.a.state()]).to.deep.equal([false, "ready"]);

        site.a.imds.publicIpv4 = ELASTIC;
        await serves(site.a);
        expect(said(promote, "false-arrival")).to.deep.equal([]);
      },

    "tries those again that do not answer, with their keepalive at 25 until then": async () => {
      const site = await begin({ peers: ["phone", { name: "tablet", keepalive: 15 }] });
      await remember(site, ...site.clients.map(known));
      for (const client of site.clients) {
        await listen(client);
        await client.machine.sh("nft -f -", {
          input: `table inet deaf { chain in { type filter hook input priority filter; udp dport ${PORT} counter drop; }; }`,
        });
      }
      const promote = site.a.start("stingy-promote");
      await serves(site.a);
      expect(said(promote, "primed")).to.deep.equal([{ peers: "2" }]);
      expect(await keepalives(site.a, site.clients)).to.deep.equal(["25", "25"]);
      for (const client of site.clients) {
        const calls = async () => Number(/packets (\d+)/.exec(await client.sh("nft list table inet deaf"))?.[1]);
        await eventually(`${client.name} is called twice`, async () => (await calls()) >= 2, WAIT);
      }
      expect(said(promote, "called-back")).to.deep.equal([]);
      for (const client of site.clients) await client.sh("nft delete table inet deaf");
      for (const client of site.clients) await calledBack(site.a, client);
      await inLog(promote, "called-back");
      expect(said(promote, "called-back")[0]).to.include({ answered: "2", silent: "0" });
      expect(await keepalives(site.a, site.clients)).to.deep.equal(["off", "15"]);
      // All of the peer is there again: its preshared key, its addresses.
      for (const client of site.clients) await client.reaches("10.8.0.1", WAIT);
    },

    "leaves those alone who are there already": async () => {
      const site = await begin({ peers: ["phone"] });
      const phone = site.client("phone");
      await listen(phone);
      await phone.reaches(ADDRESSES.web, WAIT);
      await remember(site, known(phone));
      const before = await handshake(site.a, phone);
      const flood = phone.flood();
      const promote = site.a.start("stingy-promote");
      await inLog(promote, "called-back");
      expect(said(promote, "primed")).to.deep.equal([{ peers: "0" }]);
      expect((await flood.stop()).lost).to.equal(0);
      expect(await handshake(site.a, phone)).to.equal(before);
      expect(await keepalives(site.a, [phone])).to.deep.equal(["off"]);
    },

    "skips what makes no sense in peer-endpoints, and calls the others back": async () => {
      const bad = [
        "198.18.1.2",
        "198.18.1.2:0",
        "198.18.1.2:65536",
        "198.18.1.2:99999",
        "198.18.1.2:port",
        "198.18.1.09:40001",
        "999.1.1.1:40001",
        "1.2.3:4",
        "web.example:80",
        "[beef]:40001",
        "[::::]:40001",
        "[1:2:3]:40001",
        "[2001:db8:c:1::2]",
        "[fe80::1%eth9]:40001",
        "$(touch$IFS/run/hostile):1",
        "`touch$IFS/run/hostile`:1",
        "198.18.1.2:40001;touch$IFS/run/hostile",
        "198.18.1.2:40001 } ; flush ruleset",
        "--help",
        "*",
        "",
        "接続:1",
      ];
      const site = await begin({ peers: ["phone"] });
      const phone = site.client("phone");
      const others: Peer[] = [];
      for (const n of bad.keys()) others.push(await site.addPeer(`other-${n}`));
      expect((await site.a.run("stingy-sync")).code).to.equal(0);
      await listen(phone);
      await remember(
        site,
        "",
        "\0\u001b[31m",
        "nonsense",
        "* 198.18.1.2:40001",
        "@ 198.18.1.2:40001",
        "] 198.18.1.2:40001",
        "a[$(touch /run/hostile)] 198.18.1.2:40001",
        "AAAAAAAAAA 198.18.1.2:40001",
        `${phone.peer.publicKey} 198.18.1.2:40001`,
        `${"x".repeat(1000)} ${"9".repeat(100)}`,
        ...bad.map((endpoint, n) => line(others[n] as Peer, endpoint)),
        known(phone),
      );
      const promote = site.a.start("stingy-promote");
      await calledBack(site.a, phone);
      await serves(site.a);
      expect(said(promote, "primed")).to.deep.equal([{ peers: "1" }]);
      expect(promote.log.filter(({ level }) => level === "error")).to.deep.equal([]);
      expect(await shown(site.a, "endpoints", others)).to.deep.equal(others.map(() => "(none)"));
      expect(await site.a.sh("ls /run/hostile 2>/dev/null || true")).to.equal("");
    },

    "serves when the store cannot be reached, too": async () => {
      const site = await begin();
      await site.aws.fail({ kind: "refuse", service: "ssm" });
      const promote = site.a.start("stingy-promote");
      await serves(site.a);
      expect(said(promote, "endpoints-not-read")[0]).to.deep.equal({
        reason: "ssm cannot be reached (curl's status 7)",
      });
      expect(promote.alive).to.equal(true);
    },

    "calls back with what it has read before when the store can no longer be reached": async () => {
      const site = await begin({ address: "nobody", peers: ["phone"] });
      const phone = site.client("phone");
      await remember(site, known(phone));
      const promote = site.a.start("stingy-promote");
      await asks(site.a, 1);
      await site.aws.fail({ kind: "denied", service: "ssm" });
      await inLog(promote, "endpoints-not-read");
      await listen(phone);
      await site.moveAddress(site.a);
      await calledBack(site.a, phone);
      await serves(site.a);
      expect(said(promote, "primed")).to.deep.equal([{ peers: "1" }]);
    },

    "promoted before the firewall is loaded and sync has finished, waits for wg0, then calls back": async () => {
      const site = await startSite({ store: "memory", peers: ["phone"] });
      const phone = site.client("phone");
      await listen(phone);
      await remember(site, known(phone));
      const promote = site.a.start("stingy-promote");
      await eventually("it knows that the address is here", () => site.a.imds.asked(/public-ipv4$/) > 0, WAIT);
      await sleep(500);
      expect(promote.log.map(({ event }) => event)).to.deep.equal(["waiting"]);
      expect(promote.alive).to.equal(true);
      expect(await site.a.marked("serving")).to.equal(false);
      await makeReady(site.a);
      await calledBack(site.a, phone);
      await serves(site.a);
      expect(said(promote, "primed")).to.deep.equal([{ peers: "1" }]);
    },

    "does not take the session from a peer that comes by itself while it is about to be called anew": async () => {
      const site = await begin({ peers: ["phone"] });
      const phone = site.client("phone");
      await remember(site, line(phone.peer, `198.18.200.2:${PORT}`));
      const promote = site.a.start("stingy-promote");
      await inLog(promote, "primed");
      const hold = "echo held; until [[ -e /run/release ]]; do sleep 0.05; done";
      const lock = site.a.machine.spawn(["flock", "/run/stingy/wg0.lock", "bash", "-c", hold]);
      await lock.waitFor(/^held$/m);
      const waits = "pgrep -f 'flock -w [5] 9' || true";
      await eventually("it waits to call anew", async () => (await site.a.sh(waits)) !== "", WAIT);
      await phone.up({ ...silently, keepalive: 0 });
      await phone.reaches("10.8.0.1", WAIT);
      site.a.machine.write("/run/release", "");
      await inLog(promote, "called-back");
      expect(await handshake(site.a, phone)).to.be.greaterThan(0);
      expect((await shown(site.a, "endpoints", [phone.peer]))[0]).to.match(new RegExp(`^${phone.ipv4}:`));
    },

    "asks the store where the peers were when sync has ended, as it knows no peer before": async () => {
      const site = await startSite({ store: "memory", peers: ["phone"] });
      await site.moveAddress(undefined);
      const phone = site.client("phone");
      await remember(site, known(phone));
      const asked = () => site.aws.called("ssm", "GetParameters").some(({ body }) => /peer-endpoints/.test(body.Names));
      site.a.start("stingy-promote");
      await asks(site.a, 1);
      expect(asked()).to.equal(false);
      await makeReady(site.a);
      await eventually("it has asked", asked, WAIT);
      await eventually(
        "it expects the phone's packets",
        async () => (await site.a.sh("nft list set inet stingy endpoints4")).includes(`${phone.ipv4} . ${PORT}`),
        WAIT,
      );
    },

    "serves a site without an Elastic IP when instance-id names it, or at a peer's first handshake": async () => {
      const site = await begin({ address: "none", servers: 2, peers: ["phone"] });
      await site.store.put("instance-id", "initial", "String");
      const [a, b] = site.servers.map((server) => server.start("stingy-promote")) as [RunningScript, RunningScript];
      await Promise.all([inLog(a, "waiting"), inLog(b, "waiting")]);
      await eventually("both have read", () => site.aws.called("ssm", "GetParameters").length >= 4, WAIT);
      expect([await site.a.marked("serving"), await site.b.marked("serving")]).to.deep.equal([false, false]);
      await site.promote(site.a);

      const phone = site.client("phone");
      await phone.up({ endpoint: `${site.publicAddress(site.b)}:51820` });
      await phone.reaches(ADDRESSES.web, WAIT);
      await serves(site.b);
      expect(said(b, "address-arrived")).to.deep.equal([{ noticed: "handshake" }]);
      await serves(site.a);
      expect(said(a, "address-arrived")).to.deep.equal([{ noticed: "named" }]);
    },

    "knows endpoints of IPv6, too": async () => {
      const site = await begin({ address: "nobody", peers: ["phone"] });
      const phone = site.client("phone");
      await remember(site, line(phone.peer, `[2001:db8:c:1::2]:${PORT}`));
      const promote = site.a.start("stingy-promote");
      await asks(site.a, 1);
      await sendPacket(phone, PORT, site.a.attachment.ipv6 ?? "");
      await inLog(promote, "primed");
      expect(said(promote, "address-arrived")).to.deep.equal([{ noticed: "packet" }]);
      expect(await shown(site.a, "endpoints", [phone.peer])).to.deep.equal([`[2001:db8:c:1::2]:${PORT}`]);
      await listen(phone);
      await calledBack(site.a, phone);
    },

    "goes from A to B and back: who talks goes on, who is silent behind a NAT is called, the other stands down":
      async () => {
        const site = await begin({ servers: 2, peers: ["phone", "laptop", { name: "tablet", keepalive: 15 }] });
        const { a, b } = site;
        const [phone, laptop] = [site.client("phone"), site.client("laptop")];
        const promoteA = a.start("stingy-promote");
        await serves(a);
        const handshakes = await hide(laptop);
        for (const client of site.clients) await client.up(silently);
        for (const client of site.clients) await client.reaches(ADDRESSES.web, WAIT);
        a.start("stingy-watch");
        await eventually("the endpoints are saved", () => site.store.get("peer-endpoints"), WAIT);
        const promoteB = b.start("stingy-promote");
        await asks(b, 1);
        b.start("stingy-watch");

        const own = await handshakes();
        const flood = phone.flood();
        await site.promote(b);
        await Promise.all([serves(b), stoodDown(a)]);
        await calledBack(b, laptop);
        expect(said(promoteB, "primed")).to.deep.equal([{ peers: "3" }]);
        await inLog(promoteB, "called-back");
        expect(await keepalives(b, site.clients)).to.deep.equal(["off", "off", "15"]);
        expect([await isUp(a), await isUp(b)]).to.deep.equal([false, true]);
        for (const client of [phone, laptop]) await client.reaches(ADDRESSES.web, WAIT);

        const before = await handshake(a, laptop);
        await site.promote(a);
        await Promise.all([serves(a), stoodDown(b)]);
        await calledBack(a, laptop, before + 1);
        expect(said(promoteA, "primed")).to.deep.equal([{ peers: "0" }, { peers: "3" }]);
        expect([await isUp(a), await isUp(b)]).to.deep.equal([true, false]);
        expect((await flood.stop()).received).to.be.greaterThan(0);
        // One with a keepalive of the server's own may have heard from the other once more, until the next keepalive.
        for (const client of site.clients) await client.reaches(ADDRESSES.web, WAIT);
        expect(await handshakes()).to.equal(own);
      },

    "keeps the clients at B although A, which has the same key, has regained an address and they had heard from it there":
      async () => {
        const site = await begin({ servers: 2, peers: [{ name: "tablet", keepalive: 1 }] });
        const { a, b } = site;
        const tablet = site.client("tablet");
        const promoteA = a.start("stingy-promote");
        await serves(a);
        await tablet.up({ keepalive: 0 });
        await tablet.reaches(ADDRESSES.web, WAIT);
        a.start("stingy-watch");
        await eventually("the endpoint is saved", () => site.store.get("peer-endpoints"), WAIT);
        b.start("stingy-promote");
        await asks(b, 1);
        const flood = tablet.flood();
        await site.promote(b);
        await Promise.all([serves(b), stoodDown(a)]);
        await inLog(promoteA, "waiting", 2);
        await asks(a, 1);
        await tablet.sh(`wg set wg0 peer ${site.keys.publicKey} endpoint ${site.publicAddress(a)}:51820`);
        await asks(a, 3);
        await eventually(
          "the client is back at the address",
          async () => (await tablet.sh("wg show wg0 endpoints")).endsWith(`\t${ELASTIC}:51820`),
          WAIT,
        );
        await flood.stop();
        expect(said(promoteA, "address-arrived")).to.have.length(1);
        expect([await isUp(a), await a.marked("serving"), await a.state()]).to.deep.equal([false, false, "stood-down"]);
        await tablet.reaches(ADDRESSES.web, WAIT);
      },

    "serves again after a restart of the machine, and calls back who is silent behind a NAT": async () => {
      const site = await begin({ peers: ["laptop"] });
      const laptop = site.client("laptop");
      site.a.start("stingy-promote");
      await serves(site.a);
      const handshakes = await hide(laptop);
      await laptop.up(silently);
      await laptop.reaches(ADDRESSES.web, WAIT);
      site.a.start("stingy-watch");
      await eventually("the endpoint is saved", () => site.store.get("peer-endpoints"), WAIT);
      const own = await handshakes();
      await site.a.reboot();
      await serves(site.a);
      await calledBack(site.a, laptop);
      expect(site.a.journal("stingy-promote").filter(({ event }) => event === "primed")).to.have.length(1);
      await laptop.reaches(ADDRESSES.web, WAIT);
      expect(await handshakes()).to.equal(own);
    },
  });
});
