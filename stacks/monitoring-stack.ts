import { DataAwsCallerIdentity } from "@cdktf/provider-aws/lib/data-aws-caller-identity";
import type { Construct } from "constructs";
import { AlertTopic, SiteAlarms, SiteDashboard } from "../modules/monitoring";
import type { RecoveryStack } from "./recovery-stack";
import { SiteStack, type SiteStackProps } from "./site-stack";

export interface MonitoringStackProps extends SiteStackProps {
  readonly recovery: RecoveryStack;
}

/** Who is told, of what, and the one screen to look at. */
export class MonitoringStack extends SiteStack {
  constructor(scope: Construct, props: MonitoringStackProps) {
    super(scope, "monitoring", props);
    this.addAws();
    const { controller, ddnsUpdater, deadLetterQueue, interruptionRule } = props.recovery;
    const topic = new AlertTopic(this, "alerts", {
      name: this.names.alertTopic,
      account: new DataAwsCallerIdentity(this, "account").accountId,
      emails: this.site.monitoring.emails,
      protect: this.site.protect,
    });
    const watched = {
      controller: controller.functionName,
      interruptionRule,
      ...(ddnsUpdater ? { ddnsUpdater: ddnsUpdater.functionName } : {}),
    };
    const alarms = new SiteAlarms(this, "alarms", {
      ...watched,
      name: this.prefix,
      environment: this.site.environment,
      site: this.site.name,
      topicArn: topic.arn,
      deadLetterQueue: deadLetterQueue.queueName,
    });
    new SiteDashboard(this, "screen", {
      ...watched,
      name: this.prefix,
      region: this.site.region,
      controllerLogGroup: controller.logGroupName,
      alarmArns: alarms.arns,
    });
    this.output("alerts-topic", topic.arn, "Where alarms go");
    this.output(
      "dashboard",
      `https://${this.site.region}.console.aws.amazon.com/cloudwatch/home?region=${this.site.region}#dashboards/dashboard/${this.prefix}`,
      "The site at a glance",
    );
  }
}
