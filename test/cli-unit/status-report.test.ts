import { expect } from "chai";
import type { LiveInstance } from "../../cli/live";
import type { Recipient } from "../../cli/recipients";
import type { Facts, Measured, Part } from "../../cli/status/facts";
import { reportOf } from "../../cli/status/report";
import { screen } from "../../cli/status/screen";

const NOW = new Date("2026-11-21T12:00:00Z");
const SERVER = "i-0aaaaaaaaaaaaaaaa";
const SUCCESSOR = "i-0bbbbbbbbbbbbbbbb";
const FORMER = "i-0cccccccccccccccc";
const ADDRESS = "198.51.100.7";

const minutesAgo = (minutes: number) => new Date(NOW.getTime() - minutes * 60_000);
const known = <T>(value: T): Part<T> => ({ known: true, value });
const denied = { known: false, why: "not permitted" } as const;

function instance(id: string, tags: Record<string, string>, more: Partial<LiveInstance> = {}): LiveInstance {
  return {
    id,
    phase: "running",
    type: "t4g.nano",
    zone: "ap-northeast-1a",
    spot: true,
    launchedAt: minutesAgo(90),
    publicIp: ADDRESS,
    ipv6: "2001:db8::7",
    subnetId: "subnet-1",
    securityGroupIds: [],
    imageId: "ami-1",
    tags: new Map(Object.entries(tags)),
    ...more,
  };
}

const MEASURED: Measured = {
  peersConfigured: 5,
  peersActive: 2,
  at: minutesAgo(4),
  out: 1_234_567_890,
};

function facts(more: Partial<Facts> = {}): Facts {
  return {
    now: NOW,
    site: "tokyo",
    environment: "prod",
    region: "ap-northeast-1",
    dnsName: "vpn.example.com",
    elasticIp: true,
    store: known({ instanceId: SERVER, desiredState: "running", lastLaunch: undefined }),
    promotions: known([
      { instanceId: FORMER, at: minutesAgo(60 * 24 * 9) },
      { instanceId: SERVER, at: minutesAgo(88) },
    ]),
    instances: known([instance(SERVER, { state: "serving" })]),
    address: known({ allocationId: "eipalloc-1", publicIp: ADDRESS, instanceId: SERVER }),
    dns: known([{ type: "A", addresses: [ADDRESS] }]),
    price: known({ now: 0.0016, min: 0.0015, median: 0.0016, max: 0.0019 }),
    measured: known(MEASURED),
    alarms: known([
      { name: "stingy-vpn-prod-tokyo-needs-person", description: "", state: "OK", since: minutesAgo(99) },
    ]),
    recipients: known([{ who: "me@example.com", state: "told" }]),
    ...more,
  };
}

const attention = (more: Partial<Facts>) => reportOf(facts(more)).attention.map(({ what }) => what);
const verdict = (more: Partial<Facts>) => reportOf(facts(more)).verdict;
const stored = (instanceId: string | undefined, desiredState: string) =>
  known({ instanceId, desiredState, lastLaunch: undefined });

describe("the screen of a site", () => {
  it("shows everything of one that serves, and nothing to attend to", () => {
    expect(screen(reportOf(facts()))).to.equal(
      `
prod-tokyo in ap-northeast-1: serving

  Address     198.51.100.7, Elastic IP on the server
  DNS         vpn.example.com says A 198.51.100.7: agrees
  Server      i-0aaaaaaaaaaaaaaaa, t4g.nano in ap-northeast-1a, Spot
              serving, launched 1 h 30 min ago
  Spot price  $0.0016 an hour now; last 7 days $0.0015 / $0.0016 / $0.0019 (lowest, median, highest)
  Recovery    1 h 28 min ago: i-0cccccccccccccccc was replaced by i-0aaaaaaaaaaaaaaaa, 2 min after it was launched
              1 in the last 7 days
  Successor   none pending
  Peers       2 active of 5, as of 4 min ago
  Traffic     1.2 GB left AWS in the last 24 hours
  Alarms      1, all quiet
  Told        me@example.com
  Wanted      running
`.trim(),
    );
  });

  it("shows a server that AWS takes, its successor, and what is about to end", () => {
    const shown = screen(
      reportOf(
        facts({
          instances: known([
            instance(SERVER, { state: "serving", notice: `interruption ${minutesAgo(1).toISOString()}` }),
            instance(SUCCESSOR, {}, { launchedAt: minutesAgo(0.5), phase: "pending", spot: false }),
            instance(
              FORMER,
              { state: "stood-down", ending: minutesAgo(1).toISOString() },
              { launchedAt: minutesAgo(9000) },
            ),
          ]),
        }),
      ),
    );
    expect(shown).to.contain("serving, launched 1 h 30 min ago, AWS has warned that it takes it (1 min ago)");
    expect(shown).to.contain(
      `
  Successor   i-0bbbbbbbbbbbbbbbb, t4g.nano in ap-northeast-1a, on demand
              pending, launched 30 s ago
  Also there  i-0cccccccccccccccc, t4g.nano in ap-northeast-1a, Spot
              stood down, as the address moved away from it, launched 6 d 6 h ago, about to be ended
`.slice(0, -1),
    );
    expect(shown).not.to.contain("Needs attention");
  });

  it("takes no instance for a successor that is about to be ended", () => {
    const given = instance(SUCCESSOR, { ending: minutesAgo(1).toISOString() }, { launchedAt: minutesAgo(11) });
    const { successor, others } = reportOf(
      facts({ instances: known([instance(SERVER, { state: "serving" }), given]) }),
    );
    expect(successor).to.equal(null);
    expect(others.map(({ id }) => id)).to.deep.equal([SUCCESSOR]);
  });

  it("counts the first server of a site as no recovery", () => {
    const report = reportOf(facts({ promotions: known([{ instanceId: SERVER, at: minutesAgo(88) }]) }));
    expect(report.recovery).to.deep.equal({
      at: minutesAgo(88),
      from: null,
      to: SERVER,
      tookMs: 120_000,
      inLastWeek: 0,
    });
    expect(screen(report)).to.contain(
      "none yet; the first server took over 1 h 28 min ago, 2 min after it was launched",
    );
  });

  it("says what is to be done of a paused site", () => {
    expect(
      screen(
        reportOf(
          facts({
            store: stored(SERVER, "stopped"),
            instances: known([]),
            address: known({ allocationId: "eipalloc-1", publicIp: ADDRESS, instanceId: undefined }),
            price: known(undefined),
            measured: known({ ...MEASURED, peersConfigured: undefined, at: undefined, out: undefined }),
          }),
        ),
      ),
    ).to.equal(
      `
prod-tokyo in ap-northeast-1: paused

  Address     198.51.100.7, Elastic IP on nothing
  DNS         vpn.example.com says A 198.51.100.7: agrees
  Server      none
  Spot price  none without a server
  Recovery    1 h 28 min ago: i-0cccccccccccccccc was replaced by i-0aaaaaaaaaaaaaaaa
              1 in the last 7 days
  Successor   none pending
  Peers       no data in the last 24 hours
  Traffic     no data in the last 24 hours
  Alarms      1, all quiet
  Told        me@example.com
  Wanted      stopped

Needs attention
  ! The site is paused: there is no server.
    Resume it: npx stingy server resume --site tokyo
`.trim(),
    );
  });

  it("shows the rest where something may not be looked at", () => {
    const report = reportOf(
      facts({ alarms: denied, price: denied, measured: denied, promotions: denied, recipients: denied }),
    );
    const shown = screen(report);
    expect(shown.match(/^ {2}(Spot price|Recovery|Peers|Traffic|Alarms|Told) +not permitted$/gm)).to.have.length(6);
    expect([report.recipients, report.unknown.recipients]).to.deep.equal([null, "not permitted"]);
    expect(shown).to.contain("serving, launched");
    expect(shown).not.to.contain("Needs attention");
  });

  it("cannot say whether it serves where the instances may not be looked at", () => {
    const report = reportOf(facts({ instances: denied, price: denied }));
    expect(report.verdict).to.equal("unknown");
    expect(report.unknown).to.deep.equal({ instances: "not permitted", spotPrice: "not permitted" });
    expect(report.attention.map(({ fix }) => fix)).to.deep.equal(["Your role needs ec2:DescribeInstances."]);
  });

  for (const [what, more, fix] of [
    ["the store may not be read", { store: denied }, "Your role needs ssm:GetParameters."],
    [
      "AWS had no answer at this moment",
      { instances: { known: false, why: "not available (RequestLimitExceeded)" } },
      "Run the command again in a minute.",
    ],
  ] as const) {
    it(`cannot say whether it serves where ${what}, shows no instance as successor, and says what to do`, () => {
      const report = reportOf(facts({ elasticIp: false, address: known(undefined), ...more }));
      expect([report.verdict, report.successor]).to.deep.equal(["unknown", null]);
      expect(report.attention).to.deep.equal([{ what: "It cannot be said whether the site serves.", fix }]);
    });
  }
});

describe("who is told of alarms", () => {
  const shown = (...recipients: Recipient[]) => {
    const report = reportOf(facts({ recipients: known(recipients) }));
    expect(report.recipients).to.deep.equal(recipients);
    expect(report.attention).to.deep.equal([]);
    const lines = screen(report).split("\n");
    const first = lines.findIndex((line) => line.startsWith("  Told "));
    return lines.slice(first, lines.indexOf("  Wanted      running")).map((line) => line.slice(14));
  };

  it("are all who have subscribed", () => {
    expect(shown({ who: "me@example.com", state: "told" }, { who: "the webhook", state: "told" })).to.deep.equal([
      "me@example.com, the webhook",
    ]);
  });

  it("is nobody, with how to change that", () => {
    expect(shown()).to.deep.equal([
      "nobody: put addresses under monitoring.emails in stingy.yaml, then npx cdktf deploy 'prod-tokyo-*'",
    ]);
  });

  it("is nobody yet who has not confirmed, or is not subscribed", () => {
    expect(
      shown({ who: "me@example.com", state: "unconfirmed" }, { who: "the webhook", state: "missing" }),
    ).to.deep.equal([
      "nobody yet",
      "me@example.com has to confirm by the link in AWS's mail, which may lie in spam",
      "the webhook is not subscribed: npx cdktf deploy 'prod-tokyo-*'",
    ]);
    expect(
      shown({ who: "me@example.com", state: "told" }, { who: "you@example.com", state: "unconfirmed" })[0],
    ).to.equal("me@example.com");
  });
});

describe("the verdict on a site", () => {
  const gone = known([]);
  const starting = known([instance(SUCCESSOR, {}, { launchedAt: minutesAgo(1) })]);
  const saying = (state: string) => known([instance(SERVER, { state })]);

  for (const [what, more, expected] of [
    ["whose server serves", {}, "serving"],
    ["whose new server has the address and does not serve yet", { instances: saying("ready") }, "starting"],
    ["whose server's check fails", { instances: saying("unhealthy:egress") }, "unhealthy"],
    ["whose server has stood down", { instances: saying("stood-down") }, "unhealthy"],
    ["without server, with a successor", { instances: starting }, "starting"],
    ["without any instance", { instances: gone }, "down"],
    ["that is paused", { instances: gone, store: stored(SERVER, "stopped") }, "paused"],
    ["that is being paused", { store: stored(SERVER, "stopped") }, "stopping"],
    [
      "without any instance, and perhaps paused, as the store may not be read",
      { instances: gone, store: denied },
      "unknown",
    ],
    [
      "whose server has no Elastic IP and cannot be told, as the store may not be read",
      { elasticIp: false, address: known(undefined), store: denied },
      "unknown",
    ],
    ["whose server has the Elastic IP and serves, whatever the store says", { store: denied }, "serving"],
  ] as const) {
    it(`${what} is "${expected}"`, () => {
      expect(verdict(more)).to.equal(expected);
    });
  }

  it("takes for the server who holds the address, whatever instance-id says", () => {
    const report = reportOf(
      facts({
        instances: known([instance(SERVER, { state: "serving" }), instance(FORMER, { state: "stood-down" })]),
        store: stored(FORMER, "running"),
      }),
    );
    expect(report.server?.id).to.equal(SERVER);
  });
});

describe("what needs attention", () => {
  it("is nothing where all is well", () => {
    expect(attention({})).to.deep.equal([]);
  });

  it("is an alarm that rings, with where the runbook tells of it", () => {
    const name = "stingy-vpn-prod-tokyo-needs-person";
    const alarm = { name, description: "The controller needs a person.", since: minutesAgo(3) };
    expect(reportOf(facts({ alarms: known([{ ...alarm, state: "ALARM" }]) })).attention).to.deep.equal([
      {
        what: `Alarm ${name}, 3 min ago: The controller needs a person.`,
        fix: "See docs/runbook.md#needs-person, and npx stingy server logs --site tokyo.",
      },
    ]);
    expect(attention({ alarms: known([{ ...alarm, state: "INSUFFICIENT_DATA" }]) })).to.deep.equal([]);
  });

  it("is a name that says something else than the address", () => {
    expect(attention({ dns: known([{ type: "A", addresses: ["203.0.113.9"] }]) })).to.deep.equal([
      "vpn.example.com (A) says 203.0.113.9, the address is 198.51.100.7.",
    ]);
    expect(attention({ dns: known([{ type: "A", addresses: [] }]) })).to.deep.equal([
      "vpn.example.com (A) says nothing, the address is 198.51.100.7.",
    ]);
  });

  it("is not another spelling of the same IPv6 address", () => {
    expect(attention({ dns: known([{ type: "AAAA", addresses: ["2001:0db8:0:0::0007"] }]) })).to.deep.equal([]);
    expect(attention({ dns: known([{ type: "AAAA", addresses: ["2001:db8::8"] }]) })).to.have.length(1);
  });

  it("is only the record that differs", () => {
    const dns = known([
      { type: "A", addresses: [ADDRESS] },
      { type: "AAAA", addresses: ["2001:db8::8"] },
    ] as const);
    expect(attention({ dns })).to.deep.equal(["vpn.example.com (AAAA) says 2001:db8::8, the address is 2001:db8::7."]);
  });

  it("is not a resolver that does not answer", () => {
    expect(attention({ dns: { known: false, why: "not available (ETIMEOUT)" } })).to.deep.equal([]);
  });

  it("is an address that is somewhere else", () => {
    const held = (instanceId: string | undefined) =>
      known({ allocationId: "eipalloc-1", publicIp: ADDRESS, instanceId });
    expect(attention({ address: held(undefined) })).to.deep.equal([
      `The address 198.51.100.7 is on nothing, not on the server ${SERVER}.`,
    ]);
    expect(attention({ address: held("i-0ddddddddddddddddd") })).to.deep.equal([
      `The address 198.51.100.7 is on i-0ddddddddddddddddd, not on the server ${SERVER}.`,
    ]);
    expect(attention({ address: known(undefined), dns: known([]) })).to.deep.equal(["The Elastic IP is gone."]);
  });

  it("is an address that is on somebody else's machine while there is no server", () => {
    const address = known({ allocationId: "eipalloc-1", publicIp: ADDRESS, instanceId: FORMER });
    const what = `The address 198.51.100.7 is on ${FORMER}, which is not the site's.`;
    expect(attention({ address, instances: known([]) })).to.include(what);
    const stopped = instance(FORMER, {}, { phase: "stopped" });
    expect(attention({ address, instances: known([stopped]) })).not.to.include(what);
  });

  it("is a server that says that it serves and publishes nothing any more", () => {
    expect(attention({ measured: known({ ...MEASURED, at: minutesAgo(11) }) })).to.deep.equal([
      "The server says that it serves, but has published nothing for 11 min.",
    ]);
    expect(attention({ measured: known({ ...MEASURED, at: minutesAgo(10) }) })).to.deep.equal([]);
  });

  it("is not a silence that nobody may listen to", () => {
    expect(attention({ measured: denied })).to.deep.equal([]);
  });

  it("is not the silence of a server that has just been promoted", () => {
    expect(
      attention({
        measured: known({ ...MEASURED, at: undefined }),
        promotions: known([{ instanceId: SERVER, at: minutesAgo(9) }]),
      }),
    ).to.deep.equal([]);
  });

  it("is AWS's refusal of a machine, with its reason, while there is no successor", () => {
    const lastLaunch = {
      attempt: 7,
      at: minutesAgo(2),
      outcome: "refused",
      market: "spot",
      failures: 0,
      refusals: 3,
      target: "lt-1:1",
      by: "CreateFleet",
      refusal: "quota",
    } as const;
    const store = known({ instanceId: SERVER, desiredState: "running", lastLaunch });
    const report = reportOf(facts({ store, instances: known([]), address: known({ ...held, instanceId: undefined }) }));
    expect(report.attention).to.deep.equal([
      {
        what: "There is no server, and none is starting.",
        fix: "The controller looks every five minutes. Its log: npx stingy server logs --site tokyo",
      },
      {
        what: "AWS gave no spot machine 2 min ago, 3 times in a row: quota.",
        fix: "Ask for a higher quota in Service Quotas, or end machines of this account that nobody needs.",
      },
    ]);
    expect(
      attention({ store, instances: known([instance(SUCCESSOR, {}, { launchedAt: minutesAgo(1) })]) }),
    ).not.to.include("AWS gave no spot machine 2 min ago, 3 times in a row: quota.");
  });

  const held = { allocationId: "eipalloc-1", publicIp: ADDRESS };

  it("is said of the server's own address where the site has no Elastic IP", () => {
    const report = reportOf(facts({ elasticIp: false, address: known(undefined) }));
    expect(report.attention).to.deep.equal([]);
    expect(report.address).to.deep.equal({ ip: ADDRESS, elastic: false, instanceId: SERVER });
    expect(screen(report)).to.contain("198.51.100.7, the server's own: it changes with every server");
  });
});
