import { DescribeAlarmsCommand, GetMetricDataCommand, type MetricDataQuery } from "@aws-sdk/client-cloudwatch";
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
let asked: readonly (MetricDataQuery["MetricStat"] | undefined)[] | undefined;
const client = async () => ({
  async send(command: { readonly input: { readonly NextToken?: string } }) {
    if (command instanceof DescribeAlarmsCommand) return PAGES[command.input.NextToken ?? ""];
    if (command instanceof GetMetricDataCommand)
      asked = command.input.MetricDataQueries?.map(({ MetricStat }) => MetricStat);
    if (command instanceof DescribeInstancesCommand) return { Reservations: [] };
    throw Object.assign(new Error("no"), { name: "AccessDeniedException" });
  },
});
const aws = {
  region: "eu-central-1",
  ssm: client,
  ec2: client,
  cloudwatch: client,
  sts: client,
  sns: client,
} as unknown as Aws;

describe("looking at a site", () => {
  it("takes the peers to the minute, as the server publishes them: a longer period has the time of its beginning", async () => {
    await look(aws, site, [site]);
    expect(asked?.map((stat) => stat?.Period)).to.deep.equal([60, 60, 3600]);
  });

  it("asks for what left AWS, all of it, of this site alone", async () => {
    await look(aws, site, [site]);
    expect(asked?.[2]).to.deep.equal({
      Metric: {
        Namespace: "StingyVPN",
        MetricName: "NetworkOut",
        Dimensions: [
          { Name: "Site", Value: "home" },
          { Name: "Environment", Value: "prod" },
        ],
      },
      Stat: "Sum",
      Period: 3600,
    });
  });

  it("reads every page of alarms", async () => {
    const { alarms, store } = await look(aws, site, [site]);
    expect(alarms.known && alarms.value.map(({ name }) => name)).to.deep.equal([
      "stingy-vpn-prod-home-a",
      "stingy-vpn-prod-home-b",
    ]);
    expect(store).to.deep.equal({ known: false, why: "not permitted" });
  });

  it("does not know who is told where it may not ask", async () => {
    expect((await look(aws, site, [site])).recipients).to.deep.equal({ known: false, why: "not permitted" });
  });

  it("says what AWS says where nothing can be looked at, not what the resolver says", async () => {
    const expired = async () => ({
      send: () =>
        new Promise((_, reject) => setTimeout(reject, 100, Object.assign(new Error(), { name: "ExpiredToken" }))),
    });
    const named = { ...site, dns: { provider: "cloudflare", name: "no such name", records: ["A"] } } as unknown as Site;
    const all = { ...aws, ssm: expired, ec2: expired, cloudwatch: expired, sts: expired } as unknown as Aws;
    const error = await look(all, named, [named]).catch((thrown) => thrown);
    expect(error).to.include({ name: "ExpiredToken" });
  });

  it("knows whether the site has an Elastic IP at all", async () => {
    const without: Site = { ...site, elasticIp: false };
    expect((await look(aws, site, [site])).elasticIp).to.equal(true);
    expect((await look(aws, without, [without])).elasticIp).to.equal(false);
  });

  it("sees that the Elastic IP named in the configuration was released", async () => {
    const ec2 = async () => ({
      async send(command: object) {
        if (command instanceof DescribeInstancesCommand) return { Reservations: [] };
        throw Object.assign(new Error("no"), { name: "InvalidAllocationID.NotFound" });
      },
    });
    const own: Site = { ...site, elasticIp: "eipalloc-0123456789abcdef0" };
    const { address } = await look({ ...aws, ec2 } as unknown as Aws, own, [own]);
    expect(address).to.deep.equal({ known: true, value: undefined });
  });
});
