import { expect } from "chai";
import {
  ADDRESSES,
  type AwsEvent,
  type Call,
  type Client,
  eventually,
  type Imds,
  keyPair,
  type Server,
  type Site,
  type SiteOptions,
  startSite,
} from "./harness";
import { together } from "./together";

const WAIT = 60_000;
const ACTION = "meta-data/spot/instance-action";
const REBALANCE = "meta-data/events/recommendations/rebalance";
const ADDRESS = "meta-data/public-ipv4";

/** A site whose servers have wg0; those that have the address, or all where there is none, serve. */
async function begin(options: SiteOptions & { readonly serving?: readonly string[] } = {}): Promise<Site> {
  const { serving = ["a"], ...rest } = options;
  // A store of its own: in moto all sites of a run would share one.
  const site = await startSite({ store: "memory", ...rest });
  await Promise.all(
    site.servers.map(async (server) => {
      await server.run("stingy-firewall");
      await server.run("stingy-sync");
      if (!serving.includes(server.name)) return;
      // For two stories in one site, both believe to have it.
      if (site.address !== undefined) server.imds.publicIpv4 = site.address;
      server.start("stingy-promote");
      await eventually(`${server.name} serves`, () => server.marked("serving"), WAIT);
    }),
  );
  return site;
}

/** Waits until watch has looked so often, from now on, and done all that follows from it. */
async function looks(server: Server, count: number): Promise<void> {
  const asked = () => server.imds.asked(/instance-action$/);
  const before = asked();
  await eventually(`${count} looks of ${server.name}`, () => asked() > before + count, WAIT);
}

/** The next answers to a path, one a request; after them it is answered as before. */
function answers(imds: Imds, path: string, values: readonly (string | undefined)[]): void {
  const left = [...values];
  Object.defineProperty(imds.more, path, {
    configurable: true,
    enumerable: true,
    get: () => {
      const value = left.shift();
      if (left.length === 0) delete imds.more[path];
      return value;
    },
  });
}

const saves = (site: Site, server = site.a): Call[] =>
  site.aws.called("ssm", "PutParameter").filter(({ instance }) => instance === server.instanceId);
const texts = (site: Site, server = site.a): string[] => saves(site, server).map(({ body }) => body.Value);
const notices = (site: Site): AwsEvent[] => site.aws.events.filter(({ detailType }) => detailType === "Server Notice");
const told = (server: Server, notice: string, time: string) => ({
  source: "stingy-vpn",
  detailType: "Server Notice",
  detail: { environment: "prod", site: "tokyo", "instance-id": server.instanceId, notice, time },
});
const plain = ({ source, detailType, detail }: AwsEvent) => ({ source, detailType, detail });

const line = ({ peer }: Client, endpoint: string): string => `${peer.publicKey.slice(0, 10)} ${endpoint}`;
/** The device goes on from another port, as behind a NAT that has begun anew. */
async function roam(client: Client, port: number): Promise<string> {
  await client.sh(`wg set wg0 listen-port ${port}`);
  await client.reaches(ADDRESSES.web, WAIT);
  return line(client, `${client.ipv4}:${port}`);
}

describe("watch", () => {
  together({
    "tells the controller of an interruption once, although EventBridge fails at first and it is started again":
      async () => {
        const site = await begin();
        await site.aws.fail({ kind: "denied", service: "events" });
        const watch = site.a.start("stingy-watch");
        await watch.waitForLog("watching");
        site.a.imds.interruption = { action: "terminate", time: new Date("2026-11-21T10:02:00Z") };
        await watch.waitForLog("event-not-sent", { timeoutMs: WAIT });
        expect(notices(site)).to.deep.equal([]);

        await site.aws.heal();
        await watch.waitForLog("event-sent", { timeoutMs: WAIT });
        await looks(site.a, 1);
        await watch.stop();
        const again = site.a.start("stingy-watch");
        await looks(site.a, 1);
        expect(again.alive).to.equal(true);
        expect(notices(site).map(plain)).to.deep.equal([told(site.a, "interruption", "2026-11-21T10:02:00Z")]);
      },

    "ignores a notice that makes no sense, says so once, and tells of the rebalance recommendation that follows":
      async () => {
        const site = await begin({ serving: [] });
        const page = "<html><body>Please log in to see instance-action</body></html>";
        const hostile = '{"noticeTime": "soon $(touch /run/hostile)"}';
        Object.assign(site.a.imds.more, { [ACTION]: page, [REBALANCE]: hostile });
        const watch = site.a.start("stingy-watch");
        await looks(site.a, 2);
        const ignored = () => watch.log.filter(({ event }) => event === "nonsense-ignored").map(({ fields }) => fields);
        const expected = [
          { notice: "interruption", text: page.slice(0, 60) },
          { notice: "rebalance", text: hostile },
        ];
        expect(ignored()).to.deep.equal(expected);
        expect(site.a.file("/run/hostile")).to.equal("");
        expect(site.aws.called("events")).to.deep.equal([]);

        delete site.a.imds.more[REBALANCE];
        site.a.imds.rebalance = new Date("2026-11-21T09:58:00Z");
        await watch.waitForLog("event-sent", { timeoutMs: WAIT });
        await looks(site.a, 1);
        expect(notices(site).map(plain)).to.deep.equal([told(site.a, "rebalance", "2026-11-21T09:58:00Z")]);
        expect(ignored()).to.deep.equal(expected);
      },

    "saves the endpoints at first, not again at each look, but at once on notice, and again when it is time":
      async () => {
        const site = await begin({ peers: ["phone"] });
        const phone = site.client("phone");
        await phone.up();
        const first = await roam(phone, 40001);
        const watch = site.a.start("stingy-watch");
        await eventually("the first is saved", () => saves(site).length > 0, WAIT);
        expect(saves(site)[0]?.body).to.deep.equal({
          Name: "/stingy-vpn/prod/peer-endpoints",
          Type: "SecureString",
          Value: first,
          Overwrite: true,
        });

        const second = await roam(phone, 40002);
        await looks(site.a, 2);
        expect(texts(site)).to.deep.equal([first]);
        site.a.imds.rebalance = new Date("2026-11-21T09:58:00Z");
        // It is saved before the controller may start what needs it.
        await watch.waitForLog("event-sent", { timeoutMs: WAIT });
        expect(texts(site)).to.deep.equal([first, second]);

        const third = await roam(phone, 40003);
        await eventually("the third is saved", () => saves(site).length > 2, WAIT);
        expect(texts(site)).to.deep.equal([first, second, third]);
        expect(await site.store.get("peer-endpoints")).to.equal(third);
      },

    "saves nothing twice, and without an Elastic IP it never stands down": async () => {
      const site = await begin({ address: null, peers: ["phone", "laptop"] });
      for (const client of site.clients) await client.up();
      const lines = [await roam(site.client("phone"), 40001), await roam(site.client("laptop"), 40002)];
      const watch = site.a.start("stingy-watch");
      await eventually("they are saved", () => saves(site).length > 0, WAIT);
      site.a.imds.publicIpv4 = undefined;
      // The time to save comes again after half a minute, which six looks take.
      await looks(site.a, 7);
      expect(texts(site)).to.deep.equal([lines.sort().join("\n")]);
      expect(watch.log.map(({ event }) => event)).to.deep.equal(["watching", "endpoints-saved"]);
      expect(await site.a.marked("serving")).to.equal(true);
    },

    "saves nothing when it has no endpoint or does not serve, and asks for a session only when it needs one":
      async () => {
        const site = await begin({ servers: 2, peers: ["phone"] });
        const { publicKey } = site.client("phone").peer;
        await site.b.sh(`wg set wg0 peer ${publicKey} endpoint 198.18.1.2:40001`);
        const tokens = () => site.servers.map((server) => server.imds.asked(/api\/token$/));
        const watches = site.servers.map((server) => server.start("stingy-watch"));
        await Promise.all(site.servers.map((server) => looks(server, 2)));
        expect(saves(site, site.a)).to.deep.equal([]);
        expect(saves(site, site.b)).to.deep.equal([]);
        expect(tokens()).to.deep.equal([1, 1]);

        for (const server of site.servers) server.imds.forgetTokens();
        site.a.imds.rebalance = new Date("2026-11-21T09:58:00Z");
        await watches[0]?.waitForLog("event-sent", { timeoutMs: WAIT });
        await looks(site.b, 2);
        expect(tokens()).to.deep.equal([2, 2]);
        expect(saves(site, site.a)).to.deep.equal([]);
      },

    "keeps those seen last when all endpoints do not fit into one parameter": async () => {
      const site = await begin({ peers: ["phone", "laptop", "tablet"] });
      for (const client of site.clients) await client.up();
      const seen = await Promise.all(site.clients.map((client, n) => roam(client, 40001 + n)));
      const silent = Array.from({ length: 400 }, (_, n) => ({ ...keyPair(), endpoint: `203.0.113.${n % 250}:51820` }));
      const peers = silent.map(
        ({ publicKey, endpoint }) => `[Peer]\nPublicKey = ${publicKey}\nEndpoint = ${endpoint}\n`,
      );
      site.a.machine.write("/run/silent", peers.join(""));
      await site.a.sh("wg addconf wg0 /run/silent");
      site.a.start("stingy-watch");
      await eventually("they are saved", () => saves(site).length > 0, WAIT);
      const [text = ""] = texts(site);
      const lines = text.split("\n");
      expect(lines).to.include.members(seen);
      expect(lines).to.deep.equal([...lines].sort());
      const known = new Set(silent.map(({ publicKey, endpoint }) => `${publicKey.slice(0, 10)} ${endpoint}`));
      expect(lines.filter((one) => !seen.includes(one) && !known.has(one))).to.deep.equal([]);
      expect(text.length).to.be.within(4096 - 40, 4096);
      expect(saves(site).map(({ status }) => status)).to.deep.equal([200]);
    },

    "stands down when the address has gone, be it that it has none or another, and saves no endpoint any more":
      async () => {
        const site = await begin({ servers: 2, serving: ["a", "b"], peers: ["phone"] });
        const phone = site.client("phone");
        await phone.up();
        const first = await roam(phone, 40001);
        const watches = site.servers.map((server) => server.start("stingy-watch"));
        await eventually("the endpoint is saved", () => saves(site).length > 0, WAIT);
        site.a.imds.publicIpv4 = undefined;
        site.b.imds.publicIpv4 = "198.51.100.77";
        for (const [n, server] of site.servers.entries()) {
          const gone = await watches[n]?.waitForLog("address-gone", { timeoutMs: WAIT });
          expect(gone?.fields).to.deep.equal({ address: "198.51.100.10", now: n === 0 ? "none" : "198.51.100.77" });
          await eventually("the tag says so", async () => (await server.state()) === "stood-down", WAIT);
          expect([await server.marked("stood-down"), await server.marked("serving")]).to.deep.equal([true, false]);
          expect(await server.sh("ip -o link show dev wg0")).not.to.match(/<[^>]*\bUP\b/);
        }

        await site.a.sh(`wg set wg0 peer ${phone.peer.publicKey} endpoint 198.18.1.2:40002`);
        site.a.imds.rebalance = new Date("2026-11-21T09:58:00Z");
        await watches[0]?.waitForLog("event-sent", { timeoutMs: WAIT });
        expect(texts(site)).to.deep.equal([first]);
      },

    "does not stand down for one odd answer, for answers that make no sense, nor without any answer": async () => {
      const site = await begin({ servers: 2, serving: ["a", "b"] });
      const watches = site.servers.map((server) => server.start("stingy-watch"));
      const a = async () => {
        const elastic = site.address;
        answers(site.a.imds, ADDRESS, ["198.51.100.77", elastic, undefined, elastic]);
        await looks(site.a, 4);
        site.a.imds.fault = { kind: "error", path: /./ };
        await looks(site.a, 2);
      };
      const b = async () => {
        site.b.imds.fault = { kind: "html", path: /./ };
        await looks(site.b, 2);
        site.b.imds.fault = { kind: "empty", path: /./ };
        await looks(site.b, 2);
        site.b.imds.fault = undefined;
        // Its packets are counted, as nobody else sees that it looks.
        const rule = `ip saddr ${site.b.ipv4} tcp dport 80 counter reject with tcp reset`;
        await site.outside.machine.sh(`nft insert rule ip elastic services ${rule}`);
        const packets = async () =>
          Number(/packets (\d+)/.exec(await site.outside.machine.sh("nft list chain ip elastic services"))?.[1]);
        // Three questions a look.
        await eventually("it has looked three times", async () => (await packets()) >= 9, WAIT);
      };
      await Promise.all([a(), b()]);
      for (const [n, server] of site.servers.entries()) {
        expect(watches[n]?.log.map(({ event }) => event)).to.not.include("address-gone");
        expect(watches[n]?.alive).to.equal(true);
        expect([await server.marked("serving"), await server.marked("stood-down")]).to.deep.equal([true, false]);
      }
    },
  });
});
