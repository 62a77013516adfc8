import { readFileSync } from "node:fs";
import { expect } from "chai";
import { cloudwatchAgent } from "../../../modules/bootstrap/roles/cloudwatch-agent";
import { EXTRA_ALARMS } from "../../../modules/config/site-schema";
import { bundledPrices } from "../../../modules/cost";
import { alarmMetricsOf } from "../../../modules/cost/of-resources";
import { amountsOf } from "../../../modules/cost/usage";
import { SERVER_METRICS } from "../../../modules/metrics";
import { type Json, site, synthesize } from "../../support/synth";
import { siteWith } from "./support";

const NO_TRAFFIC = { egressGb: 0, peers: 0 };
const CLOUDFLARE = { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" };

/** What the monitoring stack of such a site has of what CloudWatch counts. */
function built(settings: object): { alarmMetrics: number; dashboards: number } {
  const { resource }: Json = synthesize(site(settings))["prod-tokyo-monitoring"];
  const alarms = Object.values<Record<string, unknown>>(resource.aws_cloudwatch_metric_alarm);
  return {
    alarmMetrics: alarms.map(alarmMetricsOf).reduce((total, count) => total + count, 0),
    dashboards: Object.keys(resource.aws_cloudwatch_dashboard).length,
  };
}

/** What the controller publishes at each look, by its code. */
function setByController(): Set<string> {
  const code = readFileSync("assets/lambda/recovery-handler/run.ts", "utf8");
  return new Set(Array.from(code.matchAll(/metrics\.set\("(\w+)"/g), ([, name = ""]) => name));
}

/** What it and the server publish. */
function published(): Set<string> {
  const script = readFileSync("assets/userdata/stingy-health", "utf8");
  for (const name of Object.keys(SERVER_METRICS)) expect(script).to.contain(name);
  return new Set([...Object.keys(SERVER_METRICS), ...setByController()]);
}

function golden(example: string, stack: string) {
  return JSON.parse(readFileSync(`test/golden/examples/${example}/prod-tokyo-${stack}.json`, "utf8")).resource;
}

describe("what a site makes and does in a month", () => {
  for (const [what, settings] of [
    ["a default site", {}],
    ["a site with a name", { dns: CLOUDFLARE }],
    ["a site with each further alarm", { monitoring: { extraAlarms: EXTRA_ALARMS } }],
  ] as const) {
    it(`has as many alarms, by the metrics they look at, and dashboards as the stacks of ${what} make`, () => {
      const { alarmMetrics, dashboards } = amountsOf(siteWith(settings), NO_TRAFFIC);
      expect({ alarmMetrics, dashboards }).to.deep.equal(built(settings));
    });
  }

  for (const [what, settings] of [
    ["a default site", {}],
    ["a site with a name", { dns: CLOUDFLARE }],
  ] as const) {
    it(`keeps ${what} within what CloudWatch gives away`, () => {
      const { free } = bundledPrices("ap-northeast-1");
      const { alarmMetrics, dashboards } = built(settings);
      expect(alarmMetrics).to.be.within(1, free.alarmMetricMonth);
      expect(dashboards).to.be.within(1, free.dashboardMonth);
      expect(published().size).to.be.within(1, free.customMetricMonth);
    });
  }

  it("has as many metrics as the server and the controller publish all the time", () => {
    expect(amountsOf(siteWith(), NO_TRAFFIC).customMetrics).to.equal(published().size);
  });

  it("has the controller's metrics also while the site is paused, and the server's not", () => {
    const schedule = { pause: "0 0 * * ? *", resume: "0 8 * * ? *" };
    const { customMetrics } = amountsOf(siteWith({ schedule }), NO_TRAFFIC);
    const always = setByController();
    const ofServer = [...published()].filter((name) => !always.has(name)).length;
    expect(customMetrics).to.be.closeTo(always.size + (ofServer * 2) / 3, 1e-9);
  });

  it("has the agent's metrics only with the agent", () => {
    const role = cloudwatchAgent({ namespace: "StingyVPN", dimensions: {} })({
      agents: { cloudwatch: [] },
    } as never) as unknown as { files: { content: string }[] };
    const { metrics } = JSON.parse(role.files[0]?.content ?? "");
    const measured = Object.values<{ measurement: string[] }>(metrics.metrics_collected).flatMap(
      ({ measurement }) => measurement,
    );
    const without = amountsOf(siteWith(), NO_TRAFFIC).customMetrics;
    const withAgent = amountsOf(siteWith({ monitoring: { agent: true } }), NO_TRAFFIC).customMetrics;
    expect(withAgent - without).to.equal(measured.length);
  });

  it("reads the store as often as the server's timer does, one secret a device and one of its own", () => {
    expect(readFileSync("assets/userdata/units/stingy-sync.timer", "utf8")).to.contain("OnUnitActiveSec=5min");
    expect(amountsOf(siteWith(), { egressGb: 0, peers: 5 }).kmsRequests).to.equal(730 * 12 * 6);
  });

  it("runs the controller as often as its tick and with its memory", () => {
    const recovery = golden("minimal", "recovery");
    expect(recovery.aws_cloudwatch_event_rule.tick_rule.schedule_expression).to.equal("rate(5 minutes)");
    expect(recovery.aws_lambda_function["recovery-handler_function"].memory_size).to.equal(256);
    const { lambdaRequests, lambdaGbSeconds } = amountsOf(siteWith(), NO_TRAFFIC);
    expect(lambdaRequests).to.equal(730 * 12 + 500);
    expect(lambdaGbSeconds).to.equal(lambdaRequests * 2 * 0.25);
  });

  it("posts, decrypts and logs a little more with a webhook, and has the server's logs where they are sent", () => {
    const usual = amountsOf(siteWith(), NO_TRAFFIC);
    const more = (monitoring: object) => amountsOf(siteWith({ monitoring }), NO_TRAFFIC);
    const posting = more({ webhook: "slack" });
    expect(posting.webhookDeliveries).to.equal(10);
    expect(posting.lambdaRequests - usual.lambdaRequests).to.equal(10);
    expect(posting.kmsRequests - usual.kmsRequests).to.equal(10);
    expect(more({ serverLogs: true }).logsGb - usual.logsGb).to.be.closeTo(0.002, 1e-9);
    expect(usual).to.include({ webhookDeliveries: 0, kmsKeys: 0, budgetDays: 0 });
  });

  it("has the forwarder's memory as the stacks give it", () => {
    const { resource }: Json = synthesize(site({ monitoring: { webhook: "slack" } }))["prod-tokyo-monitoring"];
    const [forwarder] = Object.values<{ memory_size: number }>(resource.aws_lambda_function);
    const { lambdaGbSeconds } = amountsOf(siteWith({ monitoring: { webhook: "slack" } }), NO_TRAFFIC);
    const usual = amountsOf(siteWith(), NO_TRAFFIC).lambdaGbSeconds;
    expect(lambdaGbSeconds - usual).to.be.closeTo((10 * 2 * (forwarder?.memory_size ?? 0)) / 1024, 1e-6);
  });

  it("needs its address all month with an Elastic IP, and only while it runs without one", () => {
    const schedule = { pause: "0 0 * * ? *", resume: "0 8 * * ? *" };
    expect(amountsOf(siteWith({ schedule }), NO_TRAFFIC)).to.include({ addressHours: 730 });
    const { hours, addressHours } = amountsOf(
      siteWith({ schedule, elasticIp: false, protect: false, dns: CLOUDFLARE }),
      NO_TRAFFIC,
    );
    expect(hours).to.be.closeTo((730 * 2) / 3, 1e-9);
    expect(addressHours).to.equal(hours);
  });
});
