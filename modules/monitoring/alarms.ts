import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { Construct } from "constructs";
import type { SiteAlarm } from "./site-alarms";

export interface AlarmsProps {
  /** What the alarms' names start with. */
  readonly name: string;
  readonly topicArn: string;
  /** The runbook's path or address. */
  readonly runbook: string;
  readonly alarms: readonly SiteAlarm[];
}

/** The alarms in CloudWatch. Each tells the topic when it begins; those of what cuts people off, when it is over, too. */
export class Alarms extends Construct {
  readonly arns: readonly string[];

  constructor(scope: Construct, id: string, { name, topicArn, runbook, alarms }: AlarmsProps) {
    super(scope, id);
    this.arns = alarms.map((alarm) => {
      const { metric, periods = 1, bad, threshold, silence, tellsEnd } = alarm;
      const { arn } = new CloudwatchMetricAlarm(this, alarm.id, {
        alarmName: `${name}-${alarm.id}`,
        alarmDescription: `${alarm.what} What to do: ${runbook}#${alarm.id}`,
        namespace: metric.namespace,
        metricName: metric.name,
        dimensions: metric.dimensions,
        statistic: alarm.statistic,
        period: alarm.periodSeconds,
        evaluationPeriods: periods,
        ...(bad === undefined ? {} : { datapointsToAlarm: bad }),
        ...("above" in threshold
          ? { comparisonOperator: "GreaterThanThreshold", threshold: threshold.above }
          : { comparisonOperator: "LessThanThreshold", threshold: threshold.below }),
        treatMissingData: silence.is === "bad" ? "breaching" : "notBreaching",
        alarmActions: [topicArn],
        // One that is made begins without a state, and its first OK would be told as well.
        ...(tellsEnd ? { okActions: [topicArn] } : {}),
      });
      return arn;
    });
  }
}
