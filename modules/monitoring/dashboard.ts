import { CloudwatchDashboard } from "@cdktf/provider-aws/lib/cloudwatch-dashboard";
import { Construct } from "constructs";

export interface SiteDashboardProps {
  readonly name: string;
  readonly region: string;
  readonly controller: string;
  readonly ddnsUpdater?: string;
  readonly interruptionRule: string;
  readonly controllerLogGroup: string;
  readonly alarmArns: readonly string[];
}

/** One screen: the alarms, the controller's runs and failures, interruptions, and the controller's latest words. */
export class SiteDashboard extends Construct {
  constructor(scope: Construct, id: string, props: SiteDashboardProps) {
    super(scope, id);
    const { name, region } = props;
    const functions = [props.controller, ...(props.ddnsUpdater ? [props.ddnsUpdater] : [])];
    const graph = (title: string, metrics: string[][], period: number) => ({
      type: "metric",
      width: 12,
      height: 6,
      properties: { title, region, view: "timeSeries", stat: "Sum", period, metrics },
    });
    const widgets = [
      { type: "alarm", width: 24, height: 2, properties: { title: "Alarms", alarms: props.alarmArns } },
      graph(
        "Runs and failures of the Lambdas",
        functions.flatMap((fn) =>
          ["Invocations", "Errors"].map((metric) => ["AWS/Lambda", metric, "FunctionName", fn]),
        ),
        300,
      ),
      graph("Spot interruptions", [["AWS/Events", "TriggeredRules", "RuleName", props.interruptionRule]], 3600),
      {
        type: "log",
        width: 24,
        height: 6,
        properties: {
          title: "The controller's latest words",
          region,
          view: "table",
          query: `SOURCE '${props.controllerLogGroup}' | fields @timestamp, @message | sort @timestamp desc | limit 50`,
        },
      },
    ];
    new CloudwatchDashboard(this, "dashboard", { dashboardName: name, dashboardBody: JSON.stringify({ widgets }) });
  }
}
