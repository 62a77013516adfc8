import { readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { parseYaml, type Site } from "../../modules/config";
import { LAYERS, siteNames, stackId } from "../../modules/names";
import { ROOT } from "../cli/support/stingy";
import type { MotoRequest } from "./emulator/moto";
import { Stage } from "./harness/stage";
import { LASTED_SECONDS, look, serving, TOKEN } from "./support/site";

const FILE = "examples/two-sites.yaml";
const CONFIG = readFileSync(path.join(ROOT, FILE), "utf8");
/** Alarms and dashboards take no part in a recovery. */
const DEPLOYED = LAYERS.filter((layer) => layer !== "monitoring");

describe("two sites in two regions", function () {
  this.timeout("10m");
  const [tokyo, frankfurt] = ["tokyo", "frankfurt"].map((wanted) =>
    parseYaml(CONFIG, FILE).sites.find(({ name }) => name === wanted),
  ) as [Site, Site];
  let stage: Stage;

  /** At once. */
  async function both<T>(work: (site: Site) => Promise<T>): Promise<[T, T]> {
    return Promise.all([work(tokyo), work(frankfurt)]);
  }

  async function stingy(site: Site, args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await stage.stingy(["--site", site.name, ...args], input ? { input } : {});
    expect(code, stderr).to.equal(0);
    return stdout;
  }

  async function peersOf(site: Site): Promise<string[]> {
    const { peers } = JSON.parse(await stingy(site, ["peer", "list", "--no-live", "--json"]));
    return peers.map(({ name }: { name: string }) => name);
  }

  before(async () => {
    stage = await Stage.start({ config: CONFIG, token: TOKEN });
    await both((site) => stingy(site, ["init", "--cloudflare-token-stdin"], TOKEN));
    await stage.project.deploy([tokyo, frankfurt].flatMap((site) => DEPLOYED.map((layer) => stackId(site, layer))));
  });

  after(() => stage?.stop());

  it("come up of one configuration, each with a server, an address and a name of its own", async () => {
    const servers = await both((site) => serving(stage, { site, alone: true }));
    expect(servers.map(({ zone }) => zone?.slice(0, -1))).to.deep.equal(["ap-northeast-1", "eu-central-1"]);
    expect(servers.map(({ type }) => type)).to.deep.equal(["t4g.nano", "t3.nano"]);
    const [one, other] = await both((site) => look(stage, site));
    expect(one.address).not.to.equal(other.address);
    expect([one.record, other.record]).to.deep.equal([one.address, other.address]);
  });

  it("recover at the same time, each by itself", async () => {
    await stage.moto.advance(LASTED_SECONDS);
    const before = await both((site) => look(stage, site));
    const from = (await stage.moto.requests()).length;
    await Promise.all(before.map(({ holder = "" }) => stage.moto.interrupt(holder)));
    // The emulator's clock is not put forward until both have been promoted: neither waits for what the other does later.
    await Promise.all([
      serving(stage, { site: tokyo, except: before[0].holder }),
      serving(stage, { site: frankfurt, except: before[1].holder }),
    ]);
    await both((site) => serving(stage, { site, alone: true }));
    await stage.moto.settled();

    const after = await both((site) => look(stage, site));
    expect(after.map(({ address }) => address)).to.deep.equal(before.map(({ address }) => address));
    const requests = (await stage.moto.requests()).slice(from);
    expect(new Set(requests.map(({ region }) => region))).to.deep.equal(new Set([tokyo.region, frankfurt.region]));
    for (const [index, site] of [tokyo, frankfurt].entries()) {
      const here = requests.filter(({ region }) => region === site.region);
      // Two runs at the same time may ask for the same twice.
      const asked = (wanted: string, field: string) =>
        new Set(here.filter(({ action }) => action === wanted).map(({ body }) => new URLSearchParams(body).get(field)));
      expect(asked("CreateFleet", "ClientToken"), `launches in ${site.region}`).to.have.property("size", 1);
      expect(asked("AssociateAddress", "InstanceId")).to.deep.equal(new Set([after[index]?.holder]));
      const foreign = {
        name: siteNames(site === tokyo ? frankfurt : tokyo).prefix,
        old: before[1 - index]?.holder ?? "",
        new: after[1 - index]?.holder ?? "",
      };
      for (const what of Object.values(foreign)) expect(saying(what, here), `${site.name}: ${what}`).to.deep.equal([]);
    }
  });

  it("are let alone: what one goes through does not show at the other", async () => {
    await both((site) => serving(stage, { site, alone: true }));
    await stage.moto.advance(LASTED_SECONDS);
    const [{ holder }, before] = await both((site) => look(stage, site));
    const from = (await stage.moto.requests()).length;
    const calls = stage.cloudflare.calls.length;

    await stingy(tokyo, ["peer", "add", "phone"]);
    expect(await both(peersOf)).to.deep.equal([["phone"], []]);
    await stage.moto.interrupt(holder ?? "");
    await serving(stage, { site: tokyo, except: holder });
    await serving(stage, { site: tokyo, alone: true });
    await stage.moto.settled();

    expect(await look(stage, frankfurt)).to.deep.equal(before);
    const there = (await stage.moto.requests()).slice(from).filter(({ region }) => region === frankfurt.region);
    expect(changes(there).map(({ action, body }) => `${action} ${body}`)).to.deep.equal([]);
    expect(saying(siteNames(tokyo).prefix, there)).to.deep.equal([]);
    const written = stage.cloudflare.calls.slice(calls).filter(({ operation }) => !operation.startsWith("GET"));
    const records = stage.cloudflare.records.filter(({ id }) =>
      written.some(({ operation }) => operation.includes(id)),
    );
    expect(records.map(({ name }) => name)).not.to.include("frankfurt.vpn.example.com");
  });

  it("leave no difference in the plan of what has changed hands", async () => {
    const plans = await both((site) => stage.project.plan(stackId(site, "server")));
    expect(plans.filter(({ changes }) => changes).map(({ stack, text }) => `${stack}: ${text}`)).to.deep.equal([]);
  });
});

/** What was asked for that names something. */
function saying(what: string, requests: readonly MotoRequest[]): string[] {
  return requests.filter(({ body, path }) => `${path} ${body}`.includes(what)).map(({ action }) => action);
}

/** What was asked for other than to look. At rest, too, a server measures itself, and a tick sees to the record and ends the watch. */
function changes(requests: readonly MotoRequest[]): MotoRequest[] {
  return requests.filter(({ action }) => !/^(Describe|Get|List|PutMetricData$|Invoke$|DisableRule$)/.test(action));
}
