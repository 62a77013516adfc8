import { expect } from "chai";
import { priceIn } from "../../cli/cost/price-list";
import { middlePrice, newestPrices } from "../../cli/cost/spot";

const at = (minute: number) => new Date(Date.UTC(2026, 10, 21, 12, minute));
const entry = (zone: string, usd: string, minute = 0, id?: string) => ({
  InstanceType: "t4g.nano",
  AvailabilityZone: zone,
  SpotPrice: usd,
  Timestamp: at(minute),
  ...(id === undefined ? {} : { AvailabilityZoneId: id }),
});

describe("Spot prices", () => {
  it("are the newest of each zone", () => {
    const history = [
      entry("ap-northeast-1a", "0.0020", 1),
      entry("ap-northeast-1a", "0.0023", 5),
      entry("ap-northeast-1c", "0.0021"),
    ];
    expect(newestPrices(history, ["apne1-az1", "apne1-az4"])).to.deep.equal([
      { type: "t4g.nano", zone: "ap-northeast-1a", usd: 0.0023 },
      { type: "t4g.nano", zone: "ap-northeast-1c", usd: 0.0021 },
    ]);
  });

  it("are of the site's zones only, by name or by id", () => {
    const history = [
      entry("ap-northeast-1a", "0.0020", 0, "apne1-az4"),
      entry("ap-northeast-1c", "0.0021", 0, "apne1-az1"),
    ];
    const zonesOf = (zones: string[]) => newestPrices(history, zones).map(({ zone }) => zone);
    expect(zonesOf(["ap-northeast-1c"])).to.deep.equal(["ap-northeast-1c"]);
    expect(zonesOf(["apne1-az4"])).to.deep.equal(["ap-northeast-1a"]);
    expect(zonesOf(["apne1-az1", "apne1-az4"])).to.have.length(2);
  });

  it("have a middle, and none where there is no price", () => {
    const of = (...prices: number[]) =>
      middlePrice(
        prices.map((usd, index) => ({ type: "t4g.nano", zone: `z${index}`, usd })),
        "t4g.nano",
      );
    expect(of(0.003, 0.001, 0.002)).to.equal(0.002);
    expect(of(0.001, 0.003)).to.equal(0.002);
    expect(of()).to.equal(undefined);
    expect(middlePrice([{ type: "t3.nano", zone: "a", usd: 1 }], "t4g.nano")).to.equal(undefined);
  });
});

describe("AWS's price list", () => {
  const item = (usagetype: string, ...dimensions: { beginRange: string; usd: string }[]) =>
    JSON.stringify({
      product: { attributes: { usagetype } },
      terms: {
        OnDemand: {
          term: {
            priceDimensions: Object.fromEntries(
              dimensions.map(({ beginRange, usd }, index) => [index, { beginRange, pricePerUnit: { USD: usd } }]),
            ),
          },
        },
      },
    });
  const once = (usd: string) => ({ beginRange: "0", usd });
  const isNano = ({ usagetype = "" }) => usagetype.endsWith("BoxUsage:t4g.nano");

  it("has the price of what is asked for among others", () => {
    const items = [item("APN1-UnusedBox:t4g.nano", once("0")), item("APN1-BoxUsage:t4g.nano", once("0.0054000000"))];
    expect(priceIn(items, isNano)).to.equal(0.0054);
  });

  it("has the price of the first step where it falls with the quantity", () => {
    const steps = item("APN1-DataTransfer-Out-Bytes", once("0.1140000000"), {
      beginRange: "10240",
      usd: "0.0890000000",
    });
    expect(priceIn([steps], () => true)).to.equal(0.114);
  });

  it("has none where nothing fits, or where things of different prices do", () => {
    expect(priceIn([item("APN1-BoxUsage:t4g.micro", once("0.0108"))], isNano)).to.equal(undefined);
    expect(
      priceIn([item("BoxUsage:t4g.nano", once("0.0042")), item("APN1-BoxUsage:t4g.nano", once("0.0054"))], isNano),
    ).to.equal(undefined);
  });
});
