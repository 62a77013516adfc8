import { DescribeAlarmsCommand, GetMetricDataCommand } from "@aws-sdk/client-cloudwatch";
import { DescribeInstancesCommand } from "@aws-sdk/client-ec2";
import { expect } from "chai";
import type { Aws } from "../../cli/aws";
import { look } from "../../cli/status/look";
import { parseConfig, type Site } from "../../modules/config";

const [site] = parseConfig({ sites: { home: { region: "eu-central-1" } } }).sites as [Site];
const alarm = (AlarmName: string) => ({ AlarmName, StateValue: "OK" });

/** An account in which nothing can be looked at but alarms, which come in pages, and that there are no instances. */
const PAGES: Readonly<Record<string, object>> = {
  "": { MetricAlarms: [alarm("stingy-vpn-prod-home-a")], CompositeAlarms: [], NextToken: "two" },
  two: { MetricAlarms: [alarm("stingy-vpn-prod-home-b")], CompositeAlarms: [] },
};
let periods: readonly (number | undefined)[] | undefined;
const client = async () => ({
  async send(command: { readonly input: { readonly NextToken?: string } }) {
    if (command instanceof DescribeAlarmsCommand) return PAGES[command.input.NextToken ?? ""];
    if (command instanceof GetMetricDataCommand)
      periods = command.input.MetricDataQueries?.map(({ MetricStat }) => MetricStat?.Period);
    if (command instanceof DescribeInstancesCommand) return { Reservations: [] };
    throw Object.assign(new Error("no"), { name: "AccessDeniedException" });
  },
});
const aws = { region: "eu-central-1", ssm: client, ec2: client, cloudwatch: client } as unknown as Aws;

describe("looking at a site", () => {
  it("takes the peers to the minute, as the server publishes them: a longer period has the time of its beginning", async () => {
    await look(aws, site);
    expect(periods).to.deep.equal([60, 60, 3600, 3600]);
  });

  it("reads every page of alarms", async () => {
    const { alarms, store } = await look(aws, site);
    expect(alarms.known && alarms.value.map(({ name }) => name)).to.deep.equal([
      "stingy-vpn-prod-home-a",
      "stingy-vpn-prod-home-b",
    ]);
    expect(store).to.deep.equal({ known: false, why: "not permitted" });
  });
});
