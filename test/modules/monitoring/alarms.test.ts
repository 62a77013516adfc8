import { expect } from "chai";
import { Alarms, siteAlarms } from "../../../modules/monitoring";
import { alone } from "../../support/alone";
import { type Data, type Datapoint, mails } from "../../support/cloudwatch";
import type { Json } from "../../support/synth";

const watched = {
  environment: "prod",
  site: "tokyo",
  controller: "the-controller",
  ddnsUpdater: "the-updater",
  deadLetterQueue: "the-queue",
};
const EVERY = siteAlarms(watched, ["cpu", "connections", "successors"]);

function synthesized(alarms = EVERY): Record<string, Json> {
  const { aws_cloudwatch_metric_alarm: json } = alone((stack) => {
    new Alarms(stack, "alarms", { name: "vpn", topicArn: "arn:topic", runbook: "docs/runbook.md", alarms });
  }).resource;
  return Object.fromEntries(Object.entries<Json>(json).map(([id, alarm]) => [id.replace("alarms_", ""), alarm]));
}

describe("an alarm", () => {
  const alarm = EVERY.find(({ id }) => id === "no-server");
  const json = synthesized()["no-server"];

  it("says what it means and where it is told what to do, and tells the topic of its beginning, and its end", () => {
    expect(json).to.deep.equal({
      alarm_name: "vpn-no-server",
      alarm_description: `${alarm?.what} What to do: docs/runbook.md#no-server`,
      namespace: "StingyVPN",
      metric_name: "ServersMissing",
      dimensions: { Site: "tokyo", Environment: "prod" },
      statistic: "Minimum",
      period: 300,
      evaluation_periods: 3,
      comparison_operator: "GreaterThanThreshold",
      threshold: 0,
      treat_missing_data: "breaching",
      alarm_actions: ["arn:topic"],
      ok_actions: ["arn:topic"],
    });
  });

  it("tells its end only where somebody was cut off, as CloudWatch tells the end of what it has just made, too", () => {
    const ends = Object.entries(synthesized()).flatMap(([id, { ok_actions }]) => (ok_actions ? [id] : []));
    expect(ends).to.have.members(["no-server", "server-silent"]);
  });

  for (const { id, what, silence } of EVERY) {
    it(`${id} has a text that fits, and a reason for what silence means`, () => {
      expect(
        `${what} What to do: https://github.com/${"x".repeat(80)}/blob/main/docs/runbook.md#${id}`,
      ).to.have.length.below(1024);
      expect(what).to.match(/^[A-Z].*\.$/);
      expect(silence.because).not.to.equal("");
    });
  }
});

/** A day in which everything is as it should be; tests spoil it. */
const MINUTE = 60;
const FIVE_MINUTES = 5 * MINUTE;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const every = (step: number, value: (at: number) => number | undefined, from = 0, to = DAY): Datapoint[] => {
  const points: Datapoint[] = [];
  // Not on the minute, as nothing is.
  for (let at = from + 7; at < to; at += step) {
    const now = value(at);
    if (now !== undefined) points.push({ at, value: now });
  }
  return points;
};

interface Story {
  /** Whether the site has a server that is well; by default it always has. */
  readonly serves?: (at: number) => boolean;
  readonly paused?: (at: number) => boolean;
  /** Whether the serving server's word reaches AWS. */
  readonly speaks?: (at: number) => boolean;
  readonly controllerRuns?: (at: number) => boolean;
  /** The site's first server starts, which nobody misses yet. */
  readonly starts?: (at: number) => boolean;
  readonly more?: Data;
}

/** What server and controller publish, as their programs do. */
function told({
  serves = () => true,
  paused = () => false,
  speaks = () => true,
  controllerRuns = () => true,
  starts = () => false,
  more = {},
}: Story): Data {
  const byServer = (value: number) =>
    every(MINUTE, (at) => (serves(at) && !paused(at) && speaks(at) ? value : undefined));
  const look = (value: (at: number) => number | undefined) =>
    every(FIVE_MINUTES, (at) => (controllerRuns(at) ? value(at) : undefined));
  return {
    "StingyVPN PeersConfigured": byServer(5),
    "StingyVPN NetworkOut": byServer(20e6),
    "StingyVPN CpuUsed": byServer(12),
    "StingyVPN DiskUsed": byServer(31),
    "StingyVPN ClockOffset": byServer(0.2),
    "StingyVPN HandshakesUnanswered": byServer(0),
    "StingyVPN ServersMissing": look((at) => (serves(at) || paused(at) || starts(at) ? 0 : 1)),
    "StingyVPN PeersActive": [...byServer(2), ...look((at) => (serves(at) && !paused(at) ? undefined : 0))],
    "AWS/Lambda Errors the-controller": every(FIVE_MINUTES, () => 0),
    "AWS/Lambda Errors the-updater": every(HOUR, () => 0),
    ...more,
  };
}

const JSON_OF = synthesized();

/** How many mails come of the day, after its first hour, by alarm. */
function mailed(story: Story): Record<string, number> {
  const data = told(story);
  const moments = Array.from({ length: (DAY - HOUR) / MINUTE }, (_, minute) => HOUR + minute * MINUTE);
  const counted = Object.entries(JSON_OF).map(([id, alarm]) => [id, mails(alarm, data, moments)] as const);
  return Object.fromEntries(counted.filter(([, count]) => count > 0));
}

const ringing = (story: Story): string[] => Object.keys(mailed(story));

const NOON = 12 * HOUR;
const between = (from: number, minutes: number) => (at: number) => at >= from && at < from + minutes * MINUTE;
const not = (when: (at: number) => boolean) => (at: number) => !when(at);
/** Events at these moments. */
const events = (...moments: number[]): Datapoint[] => moments.map((at) => ({ at, value: 1 }));

describe("the alarms stay quiet", () => {
  it("on a good day", () => {
    expect(ringing({})).to.deep.equal([]);
  });

  it("when AWS takes the machine back and a successor is promoted in time", () => {
    const more = { "StingyVPN Interruptions": events(NOON), "StingyVPN Promotions": events(NOON + 100) };
    expect(ringing({ more })).to.deep.equal([]);
  });

  it("when the machine dies without a warning, and the next one serves four minutes later", () => {
    expect(ringing({ serves: not(between(NOON, 4)) })).to.deep.equal([]);
  });

  it("when that event was lost too, and the next tick finds out", () => {
    expect(ringing({ serves: not(between(NOON + 10, 9)) })).to.deep.equal([]);
  });

  it("while the site is paused, by hand or every night", () => {
    expect(ringing({ paused: between(NOON, 8 * 60) })).to.deep.equal([]);
  });

  it("on a new site, whose first server takes some minutes, and whose controller has looked once before the alarms were made", () => {
    const deployed = HOUR - FIVE_MINUTES;
    const serving = HOUR + 4 * MINUTE;
    const story = {
      controllerRuns: (at: number) => at >= deployed,
      starts: (at: number) => at < serving,
      serves: (at: number) => at >= serving,
    };
    expect(ringing(story)).to.deep.equal([]);
  });

  it("when a run of the controller fails now and then, and the next does not", () => {
    const failures = events(NOON, NOON + 16 * MINUTE, NOON + 3 * HOUR);
    expect(ringing({ more: { "AWS/Lambda Errors the-controller": failures } })).to.deep.equal([]);
  });

  it("when an update of the DNS record fails, and Lambda's retry a minute later does not", () => {
    expect(ringing({ more: { "AWS/Lambda Errors the-updater": events(NOON) } })).to.deep.equal([]);
  });

  it("when a look finds what the next one finds mended", () => {
    expect(ringing({ more: { "StingyVPN Problems": events(NOON) } })).to.deep.equal([]);
  });

  it("at three interruptions a day, an hour's download, a short peak of the processor, a device that retries once", () => {
    const more = {
      "StingyVPN Interruptions": events(NOON, NOON + HOUR, NOON + 2 * HOUR),
      "StingyVPN NetworkOut": every(MINUTE, (at) => (between(NOON, 60)(at) ? 160e6 : 1e6)),
      "StingyVPN CpuUsed": every(MINUTE, (at) => (between(NOON, 2)(at) ? 100 : 10)),
      "StingyVPN HandshakesUnanswered": every(MINUTE, (at) => (between(NOON, 3)(at) ? 12 : 0)),
    };
    expect(ringing({ more })).to.deep.equal([]);
  });
});

describe("the alarms ring", () => {
  const alone = (id: string, metric: string, points: Datapoint[]) =>
    it(`${id}, once: ${metric}`, () => {
      expect(mailed({ more: { [metric]: points } })).to.deep.equal({ [id]: 1 });
    });

  it("no-server, when nobody serves and none comes", () => {
    expect(ringing({ serves: not(between(NOON, 30)) })).to.deep.equal(["no-server"]);
  });

  it("no-server, when the controller does not look any more", () => {
    expect(ringing({ controllerRuns: not(between(NOON, 30)) })).to.deep.equal(["no-server"]);
  });

  it("server-silent, when the server says nothing and the controller takes it for well", () => {
    expect(ringing({ speaks: not(between(NOON, 30)) })).to.deep.equal(["server-silent"]);
  });

  it("both, when nothing says anything any more", () => {
    expect(ringing({ speaks: not(between(NOON, 30)), controllerRuns: not(between(NOON, 30)) })).to.deep.equal([
      "no-server",
      "server-silent",
    ]);
  });

  it("controller-errors, when runs fail for three quarters of an hour", () => {
    const more = { "AWS/Lambda Errors the-controller": every(FIVE_MINUTES, (at) => (between(NOON, 60)(at) ? 1 : 0)) };
    expect(mailed({ more })).to.deep.equal({ "controller-errors": 1 });
  });

  it("dns-failures once, when the token has run out and the controller has it tried every hour", () => {
    const tries = Array.from({ length: 11 }, (_, hour) =>
      [0, 1, 3].map((minute) => NOON + hour * HOUR + minute * MINUTE),
    );
    const first = [1, 2].map((tick) => NOON + tick * FIVE_MINUTES);
    expect(mailed({ more: { "AWS/Lambda Errors the-updater": events(...first, ...tries.flat()) } })).to.deep.equal({
      "dns-failures": 1,
    });
  });

  alone("needs-person", "StingyVPN Problems", events(NOON, NOON + 30 * MINUTE));
  alone("dead-letters", "AWS/SQS ApproximateNumberOfMessagesVisible the-queue", events(NOON));
  alone("interruptions", "StingyVPN Interruptions", events(NOON, NOON + 1, NOON + 2, NOON + 3));
  alone(
    "traffic",
    "StingyVPN NetworkOut",
    every(MINUTE, (at) => (between(NOON, 60)(at) ? 170e6 : 1e6)),
  );
  alone(
    "disk",
    "StingyVPN DiskUsed",
    every(MINUTE, (at) => (at > NOON ? 86 : 40)),
  );
  alone(
    "clock",
    "StingyVPN ClockOffset",
    every(MINUTE, (at) => (at > NOON ? 120 : 1)),
  );
  alone(
    "cpu",
    "StingyVPN CpuUsed",
    every(MINUTE, (at) => (between(NOON, 10)(at) ? 95 : 1)),
  );
  alone(
    "connections",
    "StingyVPN HandshakesUnanswered",
    every(MINUTE, (at) => (between(NOON, 4)(at) ? 12 : 0)),
  );
  alone("successors", "StingyVPN SuccessorsFailed", events(NOON));
});

describe("the alarms of a site", () => {
  const ids = (alarms: { readonly id: string }[]) => alarms.map(({ id }) => id);

  it("are one for DNS only where there is a name, and the extra ones only where they are wanted", () => {
    const { ddnsUpdater: _, ...nameless } = watched;
    const usual = ids(siteAlarms(watched));
    expect(ids(siteAlarms(nameless))).to.deep.equal(usual.filter((id) => id !== "dns-failures"));
    expect(usual).to.include("dns-failures").and.not.include.members(["cpu", "connections", "successors"]);
    expect(ids(siteAlarms(watched, ["successors", "cpu"]))).to.deep.equal([...usual, "successors", "cpu"]);
  });

  it("are within the ten that CloudWatch gives away, with a name too", () => {
    expect(siteAlarms(watched)).to.have.length.at.most(10);
  });

  it("look at the site's own metrics by site, at the functions and the queue by name, never at an instance", () => {
    const of = (id: string) => EVERY.find((alarm) => alarm.id === id)?.metric.dimensions;
    expect(of("controller-errors")).to.deep.equal({ FunctionName: "the-controller" });
    expect(of("dns-failures")).to.deep.equal({ FunctionName: "the-updater" });
    expect(of("dead-letters")).to.deep.equal({ QueueName: "the-queue" });
    for (const { metric } of EVERY) {
      if (metric.namespace === "StingyVPN")
        expect(metric.dimensions).to.deep.equal({ Site: "tokyo", Environment: "prod" });
    }
  });
});
