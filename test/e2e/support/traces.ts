import path from "node:path";
import {
  CloudWatchLogsClient,
  paginateDescribeLogGroups,
  paginateFilterLogEvents,
} from "@aws-sdk/client-cloudwatch-logs";
import {
  DescribeInstanceAttributeCommand,
  DescribeLaunchTemplatesCommand,
  DescribeLaunchTemplateVersionsCommand,
  EC2Client,
} from "@aws-sdk/client-ec2";
import { type Moto, unseen } from "../emulator/moto";
import type { Place } from "./search";

/** What each log group of CloudWatch holds. */
export async function logsOf(moto: Pick<Moto, "url">, region: string): Promise<Place[]> {
  const client = new CloudWatchLogsClient(unseen(moto.url, region));
  const places: Place[] = [];
  for await (const { logGroups = [] } of paginateDescribeLogGroups({ client }, {})) {
    for (const { logGroupName = "" } of logGroups) {
      const lines: string[] = [];
      for await (const { events = [] } of paginateFilterLogEvents({ client }, { logGroupName })) {
        lines.push(...events.map(({ message = "" }) => message));
      }
      places.push({ where: `the log of ${path.basename(logGroupName)}`, text: lines.join("\n") });
    }
  }
  client.destroy();
  return places;
}

/** What the launch template gives a server, and what this one has been given. */
export async function userDataOf(moto: Pick<Moto, "url">, region: string, instance: string): Promise<Place[]> {
  const client = new EC2Client(unseen(moto.url, region));
  const { LaunchTemplates = [] } = await client.send(new DescribeLaunchTemplatesCommand());
  const LaunchTemplateId = LaunchTemplates[0]?.LaunchTemplateId;
  const { LaunchTemplateVersions = [] } = await client.send(
    new DescribeLaunchTemplateVersionsCommand({ LaunchTemplateId, Versions: ["$Latest"] }),
  );
  const { UserData } = await client.send(
    new DescribeInstanceAttributeCommand({ InstanceId: instance, Attribute: "userData" }),
  );
  client.destroy();
  return [
    {
      where: "the launch template's user data",
      text: LaunchTemplateVersions[0]?.LaunchTemplateData?.UserData ?? "",
    },
    { where: "the server's user data", text: UserData?.Value ?? "" },
  ];
}
