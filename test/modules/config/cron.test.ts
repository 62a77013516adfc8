import { expect } from "chai";
import { cronProblem } from "../../../modules/config/cron";

/** Each field with what it may say and what it may not; `?` stands where it has to. */
const FIELDS: Record<string, { at: (value: string) => string; good: string[]; bad: string[] }> = {
  minute: {
    at: (value) => `${value} 8 ? * * *`,
    good: ["0", "59", "*", "*/5", "0/15", "10-50/10", "0,30"],
    bad: ["60", "-1", "*/0", "*/60", "10-5", "1-2-3", "1-", "1,", "?", "L", "/5", "0.5"],
  },
  hour: { at: (value) => `0 ${value} ? * * *`, good: ["0", "23", "8-18"], bad: ["24", "8am", "22-6"] },
  "day of the month": {
    at: (value) => `0 8 ${value} * ? *`,
    good: ["1", "31", "*", "L", "LW", "15W", "1,15"],
    bad: ["0", "32", "32W", "MON", "?,1", "5L", "1#2"],
  },
  month: { at: (value) => `0 8 ? ${value} * *`, good: ["1", "12", "JAN-MAR", "JAN,7"], bad: ["0", "13", "jan", "MON"] },
  "day of the week": {
    at: (value) => `0 8 ? * ${value} *`,
    good: ["1", "7", "MON-FRI", "SUN", "L", "6L", "FRIL", "3#2", "TUE#5"],
    bad: ["0", "8", "mon", "FRI-MON", "3#6", "#2", "?,1", "15W"],
  },
  year: { at: (value) => `0 8 ? * * ${value}`, good: ["*", "1970", "2199", "2027-2030"], bad: ["1969", "2200", "27"] },
};

describe("AWS's cron", () => {
  for (const [name, { at, good, bad }] of Object.entries(FIELDS)) {
    it(`knows what the ${name} may say`, () => {
      expect(good.map((value) => [value, cronProblem(at(value))])).to.deep.equal(
        good.map((value) => [value, undefined]),
      );
      expect(bad.map((value) => cronProblem(at(value)))).to.deep.equal(
        bad.map((value) => `has the ${name} "${value}"`),
      );
    });
  }

  it("has six fields, whatever stands between them", () => {
    expect(cronProblem("")).to.equal("has 0 fields instead of 6");
    expect(cronProblem("5")).to.equal("has 1 field instead of 6");
    expect(cronProblem("0 8 * * *")).to.equal("has 5 fields instead of 6");
    expect(cronProblem("0 8 ? * MON-FRI * *")).to.equal("has 7 fields instead of 6");
    expect(cronProblem(" 0\t8  ? * MON-FRI * ")).to.equal(undefined);
  });

  it("says ? for exactly one of the two days", () => {
    expect(cronProblem("0 8 * * * *")).to.equal("has ? for neither of day of the month and day of the week");
    expect(cronProblem("0 8 ? * ? *")).to.equal("has ? for both of day of the month and day of the week");
    expect(cronProblem("0 8 * * ? *")).to.equal(undefined);
  });

  it("is written without the word", () => {
    expect(cronProblem("cron(0 8 * * ? *)")).to.equal("is wrapped in cron(…): write only what is inside");
  });
});
