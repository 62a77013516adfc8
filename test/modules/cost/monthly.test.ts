import { expect } from "chai";
import { bundledPrices, monthlyCost, type Usage, withMachinePrices } from "../../../modules/cost";
import { siteWith } from "./support";

const CLOUDFLARE = { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" };
const USAGE: Usage = { egressGb: 10, peers: 5 };

function month(settings: Readonly<Record<string, unknown>> = {}, usage: Usage = USAGE) {
  const site = siteWith(settings);
  return monthlyCost({ site, prices: bundledPrices(site.region), usage });
}

function item(id: string, ...question: Parameters<typeof month>) {
  const found = month(...question).items.find((item) => item.id === id);
  if (!found) throw new Error(`there is no item ${id}`);
  return found;
}

describe("a month's cost", () => {
  it("of the default site is its machine, its disk, its address and decrypting; the rest is free", () => {
    const { items, onDemand, spot, missing, hours } = month();
    const paid = items
      .filter((line) => line.spot !== 0)
      .map(({ id, onDemand, spot }) => [id, cents(onDemand), cents(spot)]);
    expect(paid).to.deep.equal([
      ["machine", 3.94, 1.68],
      ["disk", 0.77, 0.77],
      ["ipv4", 3.65, 3.65],
      ["kms", 0.1, 0.1],
    ]);
    expect([cents(onDemand), cents(spot), hours, missing]).to.deep.equal([8.46, 6.19, 730, []]);
  });

  it("names the source and the date of everything that has a price", () => {
    for (const { id, source, asOf, unitPrice } of month().items.filter(({ id }) => id !== "no-charge")) {
      expect(source, id).to.be.a("string");
      expect(asOf, id).to.match(/^20\d\d-/);
      expect(unitPrice, id).to.be.above(0);
    }
  });

  it("counts traffic beyond what the account has free", () => {
    expect(item("egress", {}, { ...USAGE, egressGb: 100 })).to.include({ free: 100, spot: 0 });
    expect(item("egress", {}, { ...USAGE, egressGb: 250 }).spot).to.be.closeTo(150 * 0.114, 1e-9);
    expect(item("egress", {}, { ...USAGE, nothingFree: true }).spot).to.be.closeTo(10 * 0.114, 1e-9);
  });

  it("counts decrypting beyond what is free, one call a device and read", () => {
    expect(item("kms", {}, { ...USAGE, peers: 1 }).spot).to.equal(0);
    expect(item("kms", {}, { ...USAGE, peers: 1000 }).spot).to.be.closeTo((730 * 12 * 1001 - 20_000) * 0.000003, 1e-9);
  });

  it("counts the agent's metrics, as they are more than the free ones", () => {
    expect(item("metrics").spot).to.equal(0);
    expect(item("metrics", { monitoring: { agent: true } }).spot).to.be.closeTo(2 * 0.3, 1e-9);
  });

  it("counts each further alarm beyond the ten that are free", () => {
    expect(item("alarms", { dns: CLOUDFLARE })).to.include({ free: 10, spot: 0 });
    expect(item("alarms", { monitoring: { extraAlarms: ["cpu"] } }).spot).to.equal(0);
    const all = { extraAlarms: ["cpu", "connections", "successors"] };
    expect(item("alarms", { dns: CLOUDFLARE, monitoring: all }).spot).to.be.closeTo(0.3, 1e-9);
  });

  it("has a key of one's own, a webhook and a budget only where they are, with their sources", () => {
    const usual = month().items.map(({ id }) => id);
    const monitoring = { customerKey: true, webhook: "ntfy", budget: { monthlyUsd: 10 } };
    const { items } = month({ monitoring });
    const more = items.filter(({ id }) => !usual.includes(id));
    expect(more.map(({ id, spot }) => [id, spot])).to.deep.equal([
      ["webhook", 0],
      ["kms-key", 1],
      ["budget", 0],
    ]);
    for (const { source, asOf } of more) expect([source, asOf]).to.satisfy((all: unknown[]) => all.every(Boolean));
  });

  it("pays machine and disk only for the hours in which the site runs, and the Elastic IP for all", () => {
    const schedule = { pause: "0 0 * * ? *", resume: "0 8 * * ? *" };
    expect(item("machine", { schedule }).spot).to.be.closeTo((730 * 0.0023 * 2) / 3, 1e-9);
    expect(item("disk", { schedule }).spot).to.be.closeTo((8 * 0.096 * 2) / 3, 1e-9);
    expect(item("ipv4", { schedule }).spot).to.be.closeTo(3.65, 1e-9);
    expect(item("schedule", { schedule })).to.include({ quantity: 61, spot: 0 });
  });

  it("is of the first machine, or of the one that runs", () => {
    const server = { instanceTypes: ["t4g.micro", "t4g.small"] };
    expect(item("machine", { server }).what).to.equal("t4g.micro, one machine");
    expect(item("machine", { server }, { ...USAGE, machine: "t4g.small" }).onDemand).to.be.closeTo(730 * 0.0216, 1e-9);
  });

  it("guesses no price: what is unknown is missing from the sum, and named", () => {
    const { items, missing, spot } = month({ region: "sa-east-1" });
    expect(items[0]).not.to.have.any.keys("onDemand", "spot", "unitPrice");
    expect(missing).to.deep.equal([
      "there is no price for t4g.nano, one machine on demand or on Spot in sa-east-1",
      "there is no price for gp3 disk of 8 GB in sa-east-1",
    ]);
    expect(cents(spot)).to.equal(3.75);
  });

  it("lacks only the column that has no price", () => {
    const site = siteWith({ server: { instanceTypes: ["c7g.medium"] } });
    const spot = { usd: 0.01, source: "EC2", asOf: "2026-11-21", live: true };
    const prices = withMachinePrices(bundledPrices(site.region), { "c7g.medium": { spot } });
    const { items, missing } = monthlyCost({ site, prices, usage: USAGE });
    expect(items[0]?.spot).to.be.closeTo(7.3, 1e-9);
    expect(missing).to.deep.equal(["there is no price for c7g.medium, one machine on demand in ap-northeast-1"]);
  });
});

function cents(usd: number | undefined): number {
  return Math.round((usd ?? Number.NaN) * 100) / 100;
}
