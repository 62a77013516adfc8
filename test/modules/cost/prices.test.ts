import { readFileSync } from "node:fs";
import { expect } from "chai";
import { REGIONS } from "../../../modules/config/regions";
import { bundledPrices, type Price, type Prices, SOURCES, withMachinePrices } from "../../../modules/cost";

const DOCUMENT = readFileSync("docs/cost.md", "utf8");

describe("the bundled prices", () => {
  it("have each a source, and docs/cost.md names it with its address and its date", () => {
    for (const { title, url, asOf } of Object.values(SOURCES)) {
      expect(asOf).to.match(/^20\d\d-\d\d(-\d\d)?$/);
      expect(DOCUMENT).to.contain(`| ${title} | ${asOf} | ${url} |`);
    }
  });

  it("name no source that nothing is from", () => {
    const used = new Set(REGIONS.flatMap((region) => all(bundledPrices(region)).map(({ source }) => source)));
    expect(Object.values(SOURCES).map(({ title }) => title)).to.have.members([...used]);
  });

  it("are dearer on demand than on Spot, for every machine of every region", () => {
    for (const region of REGIONS) {
      for (const [type, { onDemand, spot }] of Object.entries(bundledPrices(region).machines)) {
        expect(onDemand?.usd, `${type} in ${region}`).to.be.above(spot?.usd ?? Number.NaN);
        expect(spot?.usd).to.be.above(0);
      }
    }
  });

  it("are of regions that a site may be in, and docs/cost.md names those without", () => {
    const without = REGIONS.filter((region) => Object.keys(bundledPrices(region).machines).length === 0);
    expect(DOCUMENT).to.contain(`No machine's price is bundled for ${without.join(", ")}.`);
    const withoutDisk = REGIONS.filter((region) => bundledPrices(region).gp3GbMonth === undefined);
    expect(REGIONS.length - withoutDisk.length).to.equal(10);
  });

  it("know nothing of a region that nobody has told us of, but what is the same everywhere", () => {
    const prices = bundledPrices("il-central-1");
    expect(prices.machines).to.deep.equal({});
    expect(prices.gp3GbMonth).to.equal(undefined);
    expect(prices.egressGb).to.equal(undefined);
    expect(prices.everywhere.publicIpv4Hour.usd).to.equal(0.005);
  });

  it("give way to what AWS says, and keep what it does not say", () => {
    const spot: Price = { usd: 0.001, source: "EC2", asOf: "2026-11-21", live: true };
    const { machines } = withMachinePrices(bundledPrices("ap-northeast-1"), {
      "t4g.nano": { spot },
      "c7g.medium": { spot },
    });
    expect(machines["t4g.nano"]?.spot).to.equal(spot);
    expect(machines["t4g.nano"]?.onDemand?.usd).to.equal(0.0054);
    expect(machines["c7g.medium"]).to.deep.equal({ spot });
  });
});

function all({ machines, gp3GbMonth, egressGb, everywhere }: Prices): Price[] {
  const ofMachines = Object.values(machines).flatMap(({ onDemand, spot }) => [onDemand, spot]);
  return [...ofMachines, gp3GbMonth, egressGb, ...Object.values(everywhere)].filter((price) => price !== undefined);
}
