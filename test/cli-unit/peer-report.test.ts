import { expect } from "chai";
import { activityOf, parseReport, trafficOf } from "../../cli/peer/report";
import { MOST_REPORTED } from "../../modules/names";

const KEY = "abcdefghijKLMNOPQRSTUVWXYZabcdefghijklmnop0=";
const NOW = 1_800_000_000;

describe("the server's report of its peers", () => {
  it("says when each was last heard of and what went through, by the beginning of its key", () => {
    const report = parseReport(`${NOW}\n${NOW - 5} abcdefghij 1200 3400\n`);
    if (!report) throw new Error("it is no report");
    expect(report.now).to.equal(NOW);
    expect(trafficOf(report, KEY)).to.deep.equal({ lastHandshake: NOW - 5, receivedBytes: 1200, sentBytes: 3400 });
    expect(trafficOf(report, KEY.toUpperCase())).to.equal(undefined);
  });

  it("is none where the first line is no time", () => {
    for (const output of ["", "Unable to access interface: No such device", "12 abcdefghij 1 2"]) {
      expect(parseReport(output), output).to.equal(undefined);
    }
  });

  it("makes a peer active for three minutes, then idle, by the server's own clock", () => {
    const activity = (age: number) =>
      activityOf({ report: parseReport(`${NOW}\n${NOW - age} abcdefghij 1 2`) ?? fail() }, KEY);
    expect([0, 179, 180, 90_000].map(activity)).to.deep.equal(["active", "active", "idle", "idle"]);
  });

  it("says never of a peer that is not in it, but not where it stopped at its limit", () => {
    const lines = (count: number) =>
      Array.from({ length: count }, (_, n) => `${NOW - n} other${String(n).padStart(5, "0")} 1 2`);
    const activity = (count: number) =>
      activityOf({ report: parseReport([NOW, ...lines(count)].join("\n")) ?? fail() }, KEY);
    expect(activity(MOST_REPORTED - 1)).to.equal("never");
    expect(activity(MOST_REPORTED)).to.equal("unknown");
    expect(activityOf({ reason: "there is none" }, KEY)).to.equal("unknown");
  });
});

function fail(): never {
  throw new Error("it is no report");
}
