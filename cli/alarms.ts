import type { CompositeAlarm, MetricAlarm } from "@aws-sdk/client-cloudwatch";
import type { Site } from "../modules/config";
import { type NamedSite, siteNames } from "../modules/names";
import type { Aws } from "./aws";
import { sdk } from "./sdk";

export interface Alarm {
  readonly name: string;
  readonly description: string;
  /** CloudWatch's word: OK, ALARM or INSUFFICIENT_DATA. */
  readonly state: string;
  readonly since: Date;
}

/** Alarms say themselves where it stands what to do; so do we, with the file that is here. */
const POINTER = / What to do: \S+$/;

/** Where it stands what to do about it. */
export function runbookOf(site: NamedSite, { name }: Pick<Alarm, "name">): string {
  return `docs/runbook.md#${name.slice(siteNames(site).prefix.length + 1)}`;
}

/** The site's alarms, of all sites: `prod-home` and `prod-home-2` begin alike. */
export async function siteAlarms(aws: Aws, site: Site, sites: readonly Site[]): Promise<Alarm[]> {
  const { prefix } = siteNames(site);
  const { DescribeAlarmsCommand } = sdk.cloudwatch;
  const cloudwatch = await aws.cloudwatch();
  const found: (MetricAlarm | CompositeAlarm)[] = [];
  let NextToken: string | undefined;
  do {
    const page = await cloudwatch.send(
      new DescribeAlarmsCommand({
        AlarmNamePrefix: `${prefix}-`,
        AlarmTypes: ["MetricAlarm", "CompositeAlarm"],
        ...(NextToken ? { NextToken } : {}),
      }),
    );
    found.push(...(page.MetricAlarms ?? []), ...(page.CompositeAlarms ?? []));
    ({ NextToken } = page);
  } while (NextToken);
  const longer = sites.map((other) => siteNames(other).prefix).filter((other) => other.startsWith(`${prefix}-`));
  return found
    .map(
      ({
        AlarmName = "",
        AlarmDescription = "",
        StateValue = "",
        StateTransitionedTimestamp,
        StateUpdatedTimestamp,
      }) => ({
        name: AlarmName,
        description: AlarmDescription.replace(POINTER, ""),
        state: StateValue,
        since: StateTransitionedTimestamp ?? StateUpdatedTimestamp ?? new Date(0),
      }),
    )
    .filter(({ name }) => !longer.some((other) => name.startsWith(`${other}-`)));
}
