import { expect } from "chai";
import { bundledPrices, compareSizes, otherMachines, whatIf } from "../../../modules/cost";
import { siteWith } from "./support";

function question(settings: Readonly<Record<string, unknown>> = {}, egressGb = 10) {
  const site = siteWith(settings);
  return { site, prices: bundledPrices(site.region), usage: { egressGb, peers: 5 } };
}

function option(id: string, settings?: Readonly<Record<string, unknown>>, egressGb?: number) {
  const found = whatIf(question(settings, egressGb)).find((change) => change.id === id);
  if (!found) throw new Error(`there is no option ${id}`);
  return found;
}

describe("what an option would change", () => {
  it("is nothing for the Elastic IP and for IPv6", () => {
    expect(option("elastic-ip")).to.include({ what: "without the Elastic IP", onDemand: 0, spot: 0 });
    expect(option("ipv6")).to.include({ what: "without IPv6", onDemand: 0, spot: 0 });
    expect(option("ipv6", { network: { ipv6: false } })).to.include({ what: "with IPv6", spot: 0 });
  });

  it("is what a larger disk adds, and what a smaller one saves", () => {
    expect(option("disk-20").spot).to.be.closeTo(12 * 0.096, 1e-9);
    expect(option("disk-8", { server: { volumeGb: 30 } }).spot).to.be.closeTo(-22 * 0.096, 1e-9);
  });

  it("is what the agent adds, or what it is to be without it", () => {
    expect(option("agent").spot).to.be.closeTo(0.6, 1e-9);
    expect(option("agent", { monitoring: { agent: true } })).to.include({ what: "without the CloudWatch agent" });
    expect(option("agent", { monitoring: { agent: true } }).spot).to.be.closeTo(-0.6, 1e-9);
  });

  it("is what a further alarm adds beyond the ten that are free, or what it is to be without it", () => {
    expect(option("alarm-cpu")).to.include({ what: "with the alarm cpu", spot: 0 });
    const named = { dns: { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" } };
    for (const alarm of ["alarm-cpu", "alarm-connections", "alarm-successors"]) {
      expect(option(alarm, named).spot).to.be.closeTo(0.1, 1e-9);
    }
    const two = { ...named, monitoring: { extraAlarms: ["cpu", "successors"] } };
    expect(option("alarm-successors", two)).to.include({ what: "without the alarm successors" });
    expect(option("alarm-successors", two).spot).to.be.closeTo(-0.1, 1e-9);
    expect(option("alarm-connections", two).spot).to.be.closeTo(0.1, 1e-9);
  });

  it("is a dollar for a key of one's own, and nothing for logs, a webhook and a budget", () => {
    expect(option("customer-key")).to.include({ what: "with a KMS key of your own", onDemand: 1, spot: 1 });
    expect(option("server-logs")).to.include({ what: "with the server's logs in CloudWatch", spot: 0 });
    expect(option("webhook").spot).to.be.within(0, 0.0001);
    expect(option("budget")).to.include({ what: "with a budget", spot: 0 });
    const monitoring = { customerKey: true, serverLogs: true, webhook: "json", budget: { monthlyUsd: 5 } };
    expect(option("customer-key", { monitoring })).to.include({ what: "without a KMS key of your own", spot: -1 });
    for (const id of ["server-logs", "webhook", "budget"]) {
      expect(option(id, { monitoring }).what).to.match(/^without /);
      expect(option(id, { monitoring }).spot).to.be.within(-0.0001, 0);
    }
  });

  it("would be a budget's and a webhook's price, if they had one", () => {
    const { prices, ...rest } = question({ monitoring: { budget: { monthlyUsd: 5 }, webhook: "json" } });
    const dear = { usd: 1, source: "x", asOf: "2026-11" };
    const everywhere = { ...prices.everywhere, budgetDay: dear, lambdaDelivery: dear };
    const options = whatIf({ ...rest, prices: { ...prices, everywhere } });
    const spot = (id: string) => options.find((change) => change.id === id)?.spot;
    expect(spot("budget")).to.be.closeTo(-730 / 24, 1e-9);
    expect(spot("webhook")).to.be.closeTo(-10, 0.001);
    expect(spot("server-logs")).to.be.closeTo(0, 0.001);
  });

  it("is nothing for the metrics as long as they are free, and says what they would cost", () => {
    const { spot, note } = option("metrics");
    expect(spot).to.equal(0);
    expect(note).to.equal("no setting does this; they would cost $2.84 if nothing were free");
  });

  it("is a third of machine and disk when the site sleeps at night", () => {
    expect(option("schedule").spot).to.be.closeTo(-(730 * 0.0023 + 8 * 0.096) / 3 - (52_560 / 3) * 0.000003, 1e-9);
    const schedule = { pause: "0 0 * * ? *", resume: "0 8 * * ? *" };
    expect(option("schedule", { schedule })).to.include({ what: "running day and night" });
    expect(option("schedule", { schedule }).spot).to.be.above(0.8);
  });

  it("is the difference of a day when no Spot machine can be had", () => {
    expect(option("on-demand-day")).to.include({ onDemand: 0 });
    expect(option("on-demand-day").spot).to.be.closeTo(24 * (0.0054 - 0.0023), 1e-9);
  });

  it("is what more traffic costs beyond the free part", () => {
    expect(option("traffic", {}, 0).spot).to.equal(0);
    expect(option("traffic", {}, 100).spot).to.be.closeTo(11.4, 1e-9);
  });

  it("is unknown where a price is unknown", () => {
    expect(option("disk-20", { region: "sa-east-1" })).not.to.have.any.keys("onDemand", "spot");
    expect(whatIf(question({ region: "sa-east-1" })).map(({ id }) => id)).not.to.include("on-demand-day");
  });
});

describe("what another machine would change", () => {
  it("is the difference of its price, and names the architecture it needs", () => {
    const machines = otherMachines(question());
    expect(machines.map(({ what }) => what)).not.to.include("t4g.nano");
    const small = machines.find(({ what }) => what === "t4g.small");
    expect(small?.onDemand).to.be.closeTo(730 * (0.0216 - 0.0054), 1e-9);
    expect(small?.note).to.equal(undefined);
    expect(machines.find(({ what }) => what === "t3.micro")?.note).to.equal("needs architecture: x86_64");
  });

  it("is unknown when the present machine has no price", () => {
    const [first] = otherMachines(question({ server: { instanceTypes: ["c7g.medium"] } }));
    expect(first).to.deep.equal({ id: "machine-t4g.nano", what: "t4g.nano" });
  });
});

describe("what only one column tells", () => {
  it("is unknown in the other, even where both machines lack it", () => {
    const { prices, ...rest } = question();
    const machines = Object.fromEntries(
      Object.entries(prices.machines).flatMap(([type, { onDemand }]) => (onDemand ? [[type, { onDemand }]] : [])),
    );
    const [micro] = otherMachines({ ...rest, prices: { ...prices, machines } });
    expect(micro).to.have.keys("id", "what", "onDemand");
  });
});

describe("the first design's table of sizes", () => {
  it("is beside today's prices, with the address and the disk that it leaves out", () => {
    const [micro, ...rest] = compareSizes(bundledPrices("ap-northeast-1"));
    expect(micro).to.include({ devices: "up to 10", type: "t3.micro", usd: 9.4 });
    expect(micro?.onDemand).to.be.closeTo(730 * 0.0136, 1e-9);
    expect(micro?.withAddressAndDisk).to.be.closeTo(730 * 0.0136 + 3.65 + 0.768, 1e-9);
    expect(micro?.gravitonSpot).to.be.closeTo(730 * 0.0045 + 3.65 + 0.768, 1e-9);
    expect(rest.map(({ type, usd }) => [type, usd])).to.deep.equal([
      ["t3.small", 18.8],
      ["t3.medium", 37.6],
      ["t3.large", 75.2],
    ]);
  });
});
