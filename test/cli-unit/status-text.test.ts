import { expect } from "chai";
import { dollarsAnHour, type PriceChange, spotPrices } from "../../cli/status/prices";
import { promotionsOf } from "../../cli/status/promotions";
import { ago, bytes, duration } from "../../cli/units";

const at = (time: string) => new Date(`2026-11-${time}:00Z`);

describe("a length of time", () => {
  for (const [ms, text] of [
    [0, "0 s"],
    [999, "0 s"],
    [1_000, "1 s"],
    [59_999, "59 s"],
    [60_000, "1 min"],
    [112_000, "1 min 52 s"],
    [3_600_000, "1 h"],
    [3_659_000, "1 h"],
    [90_061_000, "1 d 1 h"],
    [86_400_000 * 400, "400 d"],
  ] as const) {
    it(`of ${ms} ms is "${text}"`, () => {
      expect(duration(ms)).to.equal(text);
    });
  }

  it("that has not passed yet, as by a clock that is behind, is no time", () => {
    expect(ago(at("21T09:00"), at("21T08:59"))).to.equal("just now");
    expect(ago(at("21T08:58"), at("21T09:00"))).to.equal("2 min ago");
  });
});

describe("a number of bytes", () => {
  for (const [count, text] of [
    [0, "0 B"],
    [999, "999 B"],
    [1_000, "1.0 kB"],
    [999_949, "999.9 kB"],
    [999_950, "1.0 MB"],
    [1_234_567_890, "1.2 GB"],
    [5e18, "5000.0 PB"],
  ] as const) {
    it(`of ${count} is "${text}"`, () => {
      expect(bytes(count)).to.equal(text);
    });
  }
});

describe("a price", () => {
  it("is shown with what AWS's has behind the point", () => {
    expect([0.0016, 0.00165, 0.00001, 1].map(dollarsAnHour)).to.deep.equal([
      "$0.0016",
      "$0.00165",
      "$0.00001",
      "$1.0000",
    ]);
  });
});

describe("the Spot price of some days", () => {
  const from = at("14T00:00");
  const to = at("21T00:00");
  const prices = (...changes: PriceChange[]) => spotPrices(changes, from, to);

  it("has the median of the time, not of the changes", () => {
    // 6 days, then three changes within the last day.
    expect(
      prices(
        { at: at("20T18:00"), price: 0.003 },
        { at: at("20T00:00"), price: 0.002 },
        { at: at("20T12:00"), price: 0.004 },
        { at: at("14T00:00"), price: 0.001 },
      ),
    ).to.deep.equal({ now: 0.003, min: 0.001, median: 0.001, max: 0.004 });
  });

  it("counts of the price before only what falls into these days", () => {
    expect(prices({ at: at("01T00:00"), price: 0.001 }, { at: at("15T00:00"), price: 0.002 })).to.deep.equal({
      now: 0.002,
      min: 0.001,
      median: 0.002,
      max: 0.002,
    });
  });

  it("leaves out what ended before them", () => {
    expect(prices({ at: at("01T00:00"), price: 9 }, { at: at("13T00:00"), price: 0.002 })).to.deep.equal({
      now: 0.002,
      min: 0.002,
      median: 0.002,
      max: 0.002,
    });
  });

  it("is unknown where AWS names none", () => {
    expect(prices()).to.equal(undefined);
  });
});

describe("the promotions", () => {
  const first = "i-0123456789abcdef0";
  const second = "i-0123456789abcdef1";

  it("are the times when instance-id came to name another server", () => {
    const times = ["20T00:00", "20T00:02", "20T05:00", "20T06:00"].map(at);
    const values = ["initial", first, first, second];
    expect(promotionsOf(values.map((value, index) => ({ value, at: times[index] as Date })))).to.deep.equal([
      { instanceId: first, at: times[1] },
      { instanceId: second, at: times[3] },
    ]);
  });

  it("are none before the first server", () => {
    expect(promotionsOf([{ value: "initial", at: at("20T00:00") }])).to.deep.equal([]);
  });
});
