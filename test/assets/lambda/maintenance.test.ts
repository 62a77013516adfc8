import { expect } from "chai";
import fc from "fast-check";
import { DAYS, isOpen, type MaintenanceWindow } from "../../../assets/lambda/recovery-handler/maintenance";

const window = (fields: Partial<MaintenanceWindow>): MaintenanceWindow => ({
  days: DAYS,
  from: "03:00",
  to: "05:00",
  timeZone: "UTC",
  ...fields,
});

/** 2026-11-21 is a Saturday. */
function opens(given: MaintenanceWindow, times: Readonly<Record<string, boolean>>): void {
  const seen = Object.keys(times).map((time) => [time, isOpen(given, new Date(time))]);
  expect(Object.fromEntries(seen)).to.deep.equal(times);
}

describe("recovery-handler: maintenance window", () => {
  it("is open from its first minute until just before its last", () => {
    opens(window({}), {
      "2026-11-21T02:59:59Z": false,
      "2026-11-21T03:00:00Z": true,
      "2026-11-21T04:59:59Z": true,
      "2026-11-21T05:00:00Z": false,
    });
  });

  it("is open on its days alone", () => {
    opens(window({ days: ["sat", "mon"] }), {
      "2026-11-20T04:00:00Z": false,
      "2026-11-21T04:00:00Z": true,
      "2026-11-22T04:00:00Z": false,
      "2026-11-23T04:00:00Z": true,
    });
  });

  it("crosses midnight, and belongs to the day on which it begins", () => {
    opens(window({ days: ["sat"], from: "22:00", to: "02:00" }), {
      "2026-11-21T01:59:59Z": false,
      "2026-11-21T21:59:59Z": false,
      "2026-11-21T22:00:00Z": true,
      "2026-11-22T00:00:00Z": true,
      "2026-11-22T01:59:59Z": true,
      "2026-11-22T02:00:00Z": false,
      "2026-11-22T22:00:00Z": false,
    });
  });

  it("crosses midnight from Sunday to Monday", () => {
    opens(window({ days: ["sun"], from: "23:30", to: "00:30" }), {
      "2026-11-22T00:15:00Z": false,
      "2026-11-22T23:30:00Z": true,
      "2026-11-23T00:29:59Z": true,
      "2026-11-23T23:45:00Z": false,
    });
  });

  it("is open all day where it ends as it begins", () => {
    opens(window({ days: ["sat"], from: "00:00", to: "00:00" }), {
      "2026-11-20T23:59:59Z": false,
      "2026-11-21T00:00:00Z": true,
      "2026-11-21T23:59:59Z": true,
      "2026-11-22T00:00:00Z": false,
    });
  });

  it("counts hours and days as its time zone does", () => {
    opens(window({ days: ["sat"], timeZone: "Asia/Tokyo" }), {
      "2026-11-20T17:59:59Z": false,
      "2026-11-20T18:00:00Z": true,
      "2026-11-20T19:59:59Z": true,
      "2026-11-20T20:00:00Z": false,
      "2026-11-21T18:30:00Z": false,
    });
    opens(window({ days: ["fri"], timeZone: "America/Los_Angeles" }), {
      "2026-11-21T11:30:00Z": false,
      "2026-11-20T11:30:00Z": true,
    });
    opens(window({ timeZone: "Asia/Kathmandu" }), { "2026-11-20T21:14:59Z": false, "2026-11-20T21:15:00Z": true });
  });

  it("keeps its local hours when the clocks change", () => {
    opens(window({ timeZone: "Europe/Berlin" }), {
      "2026-03-28T02:00:00Z": true,
      "2026-03-28T01:59:59Z": false,
      "2026-03-29T01:00:00Z": true,
      "2026-03-29T00:59:59Z": false,
      "2026-03-29T03:00:00Z": false,
    });
  });

  it("is left out for the night in which the clocks leave its hour out", () => {
    const hour = window({ from: "02:00", to: "03:00", timeZone: "Europe/Berlin" });
    opens(hour, {
      "2026-03-28T01:00:00Z": true,
      "2026-03-29T00:59:59Z": false,
      "2026-03-29T01:00:00Z": false,
      "2026-03-30T00:30:00Z": true,
    });
  });

  it("is open twice in the night in which its hour comes twice", () => {
    const hour = window({ from: "02:00", to: "03:00", timeZone: "Europe/Berlin" });
    opens(hour, {
      "2026-10-24T23:59:59Z": false,
      "2026-10-25T00:00:00Z": true,
      "2026-10-25T01:30:00Z": true,
      "2026-10-25T02:00:00Z": false,
    });
  });

  it("and the window of the rest of the day are never open at the same time, and one of them always", () => {
    const minute = fc.integer({ min: 0, max: 24 * 60 - 1 });
    const text = (of: number) => `${String(Math.floor(of / 60)).padStart(2, "0")}:${String(of % 60).padStart(2, "0")}`;
    const zone = fc.constantFrom("UTC", "Asia/Tokyo", "America/New_York", "Australia/Lord_Howe");
    const at = fc.date({ min: new Date("2026-01-01"), max: new Date("2027-01-01"), noInvalidDate: true });
    fc.assert(
      fc.property(minute, minute, zone, at, (a, b, timeZone, now) => {
        fc.pre(a !== b);
        const one = isOpen(window({ from: text(a), to: text(b), timeZone }), now);
        expect(isOpen(window({ from: text(b), to: text(a), timeZone }), now)).to.equal(!one);
      }),
    );
  });
});
