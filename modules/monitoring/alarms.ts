import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { Construct } from "constructs";
import { METRICS_NAMESPACE } from "../names";

export interface SiteAlarmsProps {
  readonly name: string;
  readonly environment: string;
  readonly site: string;
  readonly topicArn: string;
  readonly controller: string;
  /** Absent where the site has no DNS name. */
  readonly ddnsUpdater?: string;
  readonly deadLetterQueue: string;
  readonly interruptionRule: string;
}

const FIVE_MINUTES = 300;
const QUARTER_HOUR = 900;
const DAY = 86_400;

/** More failed runs than this, in percent, in two quarters of an hour after another is more than a passing fault. */
const ERROR_RATE_PERCENT = 5;
/** One look may see what the next one finds mended; what is tried again comes back within half an hour. */
const PROBLEM_PERIODS = { periods: 12, bad: 2 } as const;
/** More than this many interruptions a day says: other instance types or zones would be better. */
const INTERRUPTIONS_A_DAY = 3;

/** The alarms on what AWS measures of the Lambdas and what the controller counts. Silence is never one: these count events. */
export class SiteAlarms extends Construct {
  readonly arns: readonly string[];

  constructor(scope: Construct, id: string, props: SiteAlarmsProps) {
    super(scope, id);
    const { name, topicArn } = props;
    const common = {
      comparisonOperator: "GreaterThanThreshold",
      evaluationPeriods: 1,
      treatMissingData: "notBreaching",
      alarmActions: [topicArn],
      okActions: [topicArn],
    };
    const alarms = [
      new CloudwatchMetricAlarm(this, "controller-errors", {
        ...common,
        alarmName: `${name}-controller-errors`,
        alarmDescription: `More than ${ERROR_RATE_PERCENT}% of the controller's runs failed for half an hour: servers may not be replaced. Its log says why.`,
        evaluationPeriods: 2,
        threshold: ERROR_RATE_PERCENT,
        metricQuery: [
          {
            id: "rate",
            // The form of Lambda's own console; documented is MAX over series, not over a series and a number.
            expression: "100 * errors / MAX([errors, runs])",
            label: "Failed runs in percent",
            returnData: true,
          },
          lambdaMetric("errors", "Errors", props.controller),
          lambdaMetric("runs", "Invocations", props.controller),
        ],
      }),
      new CloudwatchMetricAlarm(this, "needs-person", {
        ...common,
        alarmName: `${name}-needs-person`,
        alarmDescription: "The controller needs a person: its log says what and how.",
        namespace: METRICS_NAMESPACE,
        metricName: "Problems",
        dimensions: { Site: props.site, Environment: props.environment },
        statistic: "Sum",
        period: FIVE_MINUTES,
        evaluationPeriods: PROBLEM_PERIODS.periods,
        datapointsToAlarm: PROBLEM_PERIODS.bad,
        threshold: 0,
      }),
      new CloudwatchMetricAlarm(this, "dead-letters", {
        ...common,
        alarmName: `${name}-dead-letters`,
        alarmDescription: "An event could not be handled and lies in the dead-letter queue.",
        namespace: "AWS/SQS",
        // What arrives, not what lies there: an old message must not hide a new one.
        metricName: "NumberOfMessagesSent",
        dimensions: { QueueName: props.deadLetterQueue },
        statistic: "Sum",
        period: FIVE_MINUTES,
        threshold: 0,
      }),
      new CloudwatchMetricAlarm(this, "interruptions", {
        ...common,
        alarmName: `${name}-interruptions`,
        alarmDescription: `More than ${INTERRUPTIONS_A_DAY} Spot interruptions in this account and region in a day: add instance types.`,
        namespace: "AWS/Events",
        metricName: "TriggeredRules",
        dimensions: { RuleName: props.interruptionRule },
        statistic: "Sum",
        period: DAY,
        threshold: INTERRUPTIONS_A_DAY,
      }),
      ...(props.ddnsUpdater
        ? [
            new CloudwatchMetricAlarm(this, "dns-failures", {
              ...common,
              alarmName: `${name}-dns-failures`,
              alarmDescription:
                "The DNS record could not be updated: clients that look the name up may be sent to an old address.",
              namespace: "AWS/Lambda",
              metricName: "Errors",
              dimensions: { FunctionName: props.ddnsUpdater },
              statistic: "Sum",
              period: FIVE_MINUTES,
              threshold: 0,
            }),
          ]
        : []),
    ];
    this.arns = alarms.map(({ arn }) => arn);
  }
}

function lambdaMetric(id: string, metricName: string, functionName: string) {
  return {
    id,
    metric: {
      namespace: "AWS/Lambda",
      metricName,
      dimensions: { FunctionName: functionName },
      period: QUARTER_HOUR,
      stat: "Sum",
    },
  };
}
