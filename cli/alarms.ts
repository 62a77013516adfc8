import type { CompositeAlarm, MetricAlarm } from "@aws-sdk/client-cloudwatch";
import type { SiteNames } from "../modules/names";
import type { Aws } from "./aws";
import { sdk } from "./sdk";

export interface Alarm {
  readonly name: string;
  readonly description: string;
  /** CloudWatch's word: OK, ALARM or INSUFFICIENT_DATA. */
  readonly state: string;
  readonly since: Date;
}

/** The site's alarms. `otherPrefixes` are those of other sites, as `prod-home` and `prod-home-2` begin alike. */
export async function siteAlarms(aws: Aws, { prefix }: SiteNames, otherPrefixes: readonly string[]): Promise<Alarm[]> {
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
  const longer = otherPrefixes.filter((other) => other.startsWith(`${prefix}-`));
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
        description: AlarmDescription,
        state: StateValue,
        since: StateTransitionedTimestamp ?? StateUpdatedTimestamp ?? new Date(0),
      }),
    )
    .filter(({ name }) => !longer.some((other) => name.startsWith(`${other}-`)));
}
