import { readFileSync } from "node:fs";
import { expect } from "chai";
import { bundledPrices, monthlyCost, whatIf } from "../../../modules/cost";
import { amountsOf } from "../../../modules/cost/usage";
import { SERVER_METRICS } from "../../../modules/metrics";
import { siteWith } from "./support";

const DOCUMENT = readFileSync("docs/cost.md", "utf8");
const NAMED = { dns: { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" } };
const USAGE = { egressGb: 10, peers: 5 };
const prices = bundledPrices("ap-northeast-1");

const amounts = (settings: Readonly<Record<string, unknown>> = {}) => amountsOf(siteWith(settings), USAGE);
const thousands = (count: number) => count.toLocaleString("en-US");

function added(id: string, settings: Readonly<Record<string, unknown>> = {}): string {
  const found = whatIf({ site: siteWith(settings), prices, usage: USAGE }).find((change) => change.id === id);
  return (found?.spot ?? Number.NaN).toFixed(2);
}

describe("docs/cost.md", () => {
  it("has the sums of a default site", () => {
    const { onDemand, spot } = monthlyCost({ site: siteWith(), prices, usage: USAGE });
    expect(DOCUMENT).to.contain(`| **together** | | | **${onDemand.toFixed(2)}** | **${spot.toFixed(2)}** |`);
  });

  it("says how much of what is free a site uses", () => {
    const { alarmMetrics, customMetrics, dashboards, metricRequests, lambdaRequests, lambdaGbSeconds } = amounts();
    const ofServer = Object.keys(SERVER_METRICS).length;
    const withAgent = amounts({ monitoring: { agent: true } }).customMetrics;
    for (const row of [
      `| 10 alarm metrics | ${alarmMetrics}, with a DNS name ${amounts(NAMED).alarmMetrics};`,
      `| 10 custom metrics | ${customMetrics}: ${ofServer} of the server, ${customMetrics - ofServer} of the controller; with the CloudWatch agent ${withAgent} |`,
      `| 3 dashboards | ${dashboards} |`,
      `| 1,000,000 CloudWatch calls | ${thousands(metricRequests)}: one a minute |`,
      `| 1,000,000 runs and 400,000 GB-seconds of Lambda | ${thousands(lambdaRequests)} and ${thousands(lambdaGbSeconds)} |`,
    ]) {
      expect(DOCUMENT).to.contain(row);
    }
  });

  it("says what each setting of monitoring adds", () => {
    expect([added("alarm-cpu"), added("alarm-cpu", NAMED)]).to.deep.equal(["0.00", "0.10"]);
    expect([added("server-logs"), added("webhook"), added("budget")]).to.deep.equal(["0.00", "0.00", "0.00"]);
    expect(DOCUMENT).to.match(new RegExp(`^\\| \`agent\` \\|.*\\| ${added("agent")}: `, "m"));
    expect(DOCUMENT).to.match(new RegExp(`^\\| \`customerKey\` \\|.*\\| ${added("customer-key")};`, "m"));
    expect(DOCUMENT).to.match(
      /^\| `extraAlarms` \|.*\| the first nothing, or 0\.10 with a DNS name; each further one 0\.10 \|$/m,
    );
    expect(DOCUMENT.match(/^\| `(serverLogs|webhook|budget)` \|.*\| nothing \|$/gm)).to.have.length(3);
  });

  it("says what a second site costs beyond what is free", () => {
    const beyond = (one: number, free: number, usd: number) => (Math.max(0, 2 * one - free) * usd).toFixed(2);
    const { everywhere, free } = prices;
    const metrics = beyond(amounts().customMetrics, free.customMetricMonth, everywhere.customMetricMonth.usd);
    const [alarms, named] = [amounts(), amounts(NAMED)].map(({ alarmMetrics }) =>
      beyond(alarmMetrics, free.alarmMetricMonth, everywhere.alarmMetricMonth.usd),
    );
    expect(DOCUMENT).to.contain(
      `${metrics} for metrics and ${alarms} for alarms, or ${named} where both have a DNS name`,
    );
    expect(2 * amounts().dashboards).to.be.at.most(free.dashboardMonth);
  });
});
