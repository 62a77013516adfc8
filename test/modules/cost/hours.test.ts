import { expect } from "chai";
import { partRunning } from "../../../modules/cost";

const WEEK = 7 * 24;

describe("the part of a month that a schedule leaves", () => {
  it("is what lies between resume and pause, every day", () => {
    expect(partRunning({ pause: "0 0 * * ? *", resume: "0 8 * * ? *" })).to.be.closeTo(16 / 24, 1e-12);
    expect(partRunning({ pause: "30 22 * * ? *", resume: "0 7 * * ? *" })).to.be.closeTo(15.5 / 24, 1e-12);
  });

  it("is nearly what a week says, as a year has no whole number of weeks", () => {
    const weekdays = partRunning({ pause: "0 22 ? * MON-FRI *", resume: "0 8 ? * MON-FRI *" });
    expect(weekdays).to.be.closeTo((5 * 14) / WEEK, 0.002);
    const weekends = partRunning({ pause: "0 20 ? * SUN *", resume: "0 8 ? * 7 *" });
    expect(weekends).to.be.closeTo(36 / WEEK, 0.002);
  });

  it("knows lists, steps, months and days of the month", () => {
    expect(partRunning({ pause: "0 6,18 * * ? *", resume: "0 0/12 * * ? *" })).to.be.closeTo(1 / 2, 1e-12);
    expect(partRunning({ pause: "0 0 1 JUL ? *", resume: "0 0 1 JAN ? *" })).to.be.closeTo(181 / 365, 1e-12);
  });

  it("is unknown where only AWS's calendar knows", () => {
    expect(partRunning({ pause: "0 0 L * ? *", resume: "0 8 * * ? *" })).to.equal(undefined);
    expect(partRunning({ pause: "0 0 ? * MON#1 *", resume: "0 8 * * ? *" })).to.equal(undefined);
    expect(partRunning({ pause: "0 0 15W * ? *", resume: "0 8 * * ? *" })).to.equal(undefined);
    expect(partRunning({ pause: "0 0 * * ? 2027", resume: "0 8 * * ? *" })).to.equal(undefined);
  });
});
