import { readFileSync } from "node:fs";
import { expect } from "chai";
import { cloudwatchAgent } from "../../../modules/bootstrap/roles/cloudwatch-agent";
import { alarmMetricsOf } from "../../../modules/cost/of-resources";
import { amountsOf } from "../../../modules/cost/usage";
import { siteWith } from "./support";

const NO_TRAFFIC = { egressGb: 0, peers: 0 };
const CLOUDFLARE = { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" };

function golden(example: string, stack: string) {
  return JSON.parse(readFileSync(`test/golden/examples/${example}/prod-tokyo-${stack}.json`, "utf8")).resource;
}

describe("what a site makes and does in a month", () => {
  it("has as many alarms as the stacks make, counted by the metrics they look at", () => {
    const built = (example: string) =>
      Object.values<Record<string, unknown>>(golden(example, "monitoring").aws_cloudwatch_metric_alarm)
        .map(alarmMetricsOf)
        .reduce((total, count) => total + count, 0);
    expect(amountsOf(siteWith(), NO_TRAFFIC).alarmMetrics).to.equal(built("minimal"));
    expect(amountsOf(siteWith({ dns: CLOUDFLARE }), NO_TRAFFIC).alarmMetrics).to.equal(built("full"));
  });

  it("has as many dashboards as the stacks make", () => {
    const { aws_cloudwatch_dashboard } = golden("minimal", "monitoring");
    expect(amountsOf(siteWith(), NO_TRAFFIC).dashboards).to.equal(Object.keys(aws_cloudwatch_dashboard).length);
  });

  it("has as many metrics as the server publishes", () => {
    const script = readFileSync("assets/userdata/stingy-health", "utf8");
    const block = / {2}\{\n([\s\S]*?)\n {2}\} >"\$work\/metrics"/.exec(script)?.[1] ?? "";
    const words = block.match(/\b[A-Z][a-z]+([A-Z][a-z]+)*\b/g) ?? [];
    const units = ["Count", "Seconds", "Bytes", "Percent"];
    const names = words.filter((word) => !units.includes(word) && !block.includes(`"${word}:"`));
    expect(new Set(names)).to.deep.equal(
      new Set([
        "PeersConfigured",
        "PeersActive",
        "NewestHandshakeAge",
        "OldestHandshakeAge",
        "BytesIn",
        "BytesOut",
        "Restarts",
        "DiskUsed",
        "MemoryUsed",
      ]),
    );
    expect(amountsOf(siteWith(), NO_TRAFFIC).customMetrics).to.equal(new Set(names).size);
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
