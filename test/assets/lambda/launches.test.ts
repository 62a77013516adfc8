import { expect } from "chai";
import fc from "fast-check";
import {
  type LaunchRecord,
  noLaunch,
  readLaunches,
  writeLaunches,
} from "../../../assets/lambda/recovery-handler/launches";

const WRITTEN = new Date("2026-11-21T12:00:00.900Z");
const RECORD: LaunchRecord = {
  attempt: 41,
  at: new Date("2026-11-21T11:58:00Z"),
  outcome: "refused",
  market: "spot",
  by: "CreateFleet",
  failures: 2,
  refusals: 3,
  target: "lt-1:7 ami-2",
};
const NONE: LaunchRecord = {
  attempt: 1_795_262_400,
  at: WRITTEN,
  outcome: "launched",
  market: "spot",
  by: "CreateFleet",
  failures: 0,
  refusals: 0,
  target: "",
};
const TEXT =
  '{"attempt":41,"at":"2026-11-21T11:58:00.000Z","outcome":"refused","market":"spot","by":"CreateFleet","failures":2,"refusals":3,"target":"lt-1:7 ami-2"}';

describe("recovery-handler: launches", () => {
  it("are written as one line of JSON, and read as they were written", () => {
    expect(writeLaunches(RECORD)).to.equal(TEXT);
    expect(readLaunches(TEXT, WRITTEN, true)).to.deep.equal({ last: RECORD });
  });

  it("remember that Terraform stopped the site, and why AWS refused", () => {
    for (const given of [
      { ...RECORD, drained: true },
      { ...RECORD, outcome: "failed" as const, refusal: "permission" as const },
    ]) {
      expect(readLaunches(writeLaunches(given), WRITTEN, true)).to.deep.equal({ last: given });
    }
  });

  it("count as refused before the first promotion: the first launch waits for nothing", () => {
    expect(readLaunches("none", WRITTEN, false)).to.deep.equal({ last: { ...NONE, outcome: "refused" } });
  });

  it("count as made when the parameter was written where they may have been overwritten: two that look find the same number", () => {
    expect(readLaunches("none", WRITTEN, true)).to.deep.equal({ last: NONE });
    expect(noLaunch(WRITTEN)).to.deep.equal(NONE);
  });

  it("are unknown where the parameter is missing", () => {
    expect(readLaunches(undefined, WRITTEN, true)).to.deep.equal({ last: undefined });
  });

  for (const [what, text] of [
    ["a text", "soon"],
    ["nothing", ""],
    ["null", "null"],
    ["a number", "7"],
    ["a list", "[]"],
    ["half a record", TEXT.slice(0, 40)],
    ["no attempt", writeLaunches({ ...RECORD, attempt: undefined } as unknown as LaunchRecord)],
    ["an attempt below 0", writeLaunches({ ...RECORD, attempt: -1 })],
    ["an attempt that is no whole number", writeLaunches({ ...RECORD, attempt: 1.5 })],
    ["an attempt beyond what can be counted", TEXT.replace("41", "1e300")],
    ["an unknown outcome", TEXT.replace('"refused"', '"maybe"')],
    ["an unknown market", TEXT.replace('"spot"', '"reserved"')],
    ["a market that is missing", TEXT.replace('"market":"spot",', "")],
    ["an unknown call", TEXT.replace('"CreateFleet"', '"RequestSpotFleet"')],
    ["a call that is missing", TEXT.replace('"by":"CreateFleet",', "")],
    ["a time that is none", TEXT.replace("2026-11-21T11", "2026-99-21T11")],
    ["a time that is a number", TEXT.replace('"2026-11-21T11:58:00.000Z"', "0")],
    ["failures that are a text", TEXT.replace('"failures":2', '"failures":"2"')],
    ["refusals that are missing", TEXT.replace('"refusals":3,', "")],
    ["a target that is missing", TEXT.replace(',"target":"lt-1:7 ami-2"', "")],
  ] as const) {
    it(`take ${what} for garbage, and begin anew`, () => {
      expect(readLaunches(text, WRITTEN, true)).to.deep.equal({ last: NONE, garbage: text.slice(0, 80) });
    });
  }

  it("quote no more than 80 characters of garbage", () => {
    expect(readLaunches("x".repeat(4096), WRITTEN, true).garbage).to.equal("x".repeat(80));
  });

  it("do not throw, whatever the parameter holds, and what they take it for can be written and read", () => {
    const record = fc.record(
      Object.fromEntries(
        Object.keys(RECORD).map((key) => [key, fc.oneof(fc.jsonValue(), fc.nat(), fc.constant(RECORD.at))]),
      ),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          record.map((of) => JSON.stringify(of)),
        ),
        (text) => {
          const { last = RECORD } = readLaunches(text, WRITTEN, true);
          expect(readLaunches(writeLaunches(last), WRITTEN, true)).to.deep.equal({ last });
        },
      ),
      { numRuns: 1000 },
    );
  });
});
