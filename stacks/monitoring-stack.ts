import { ArchiveProvider } from "@cdktf/provider-archive/lib/provider";
import { DataAwsCallerIdentity } from "@cdktf/provider-aws/lib/data-aws-caller-identity";
import type { Construct } from "constructs";
import type { Bundles, NodeFunction } from "../modules/lambda";
import {
  Alarms,
  AlertForwarder,
  AlertTopic,
  SavedQueries,
  SiteDashboard,
  SpendingLimit,
  siteAlarms,
} from "../modules/monitoring";
import { parameterArn, STORE } from "../modules/store";
import type { RecoveryStack } from "./recovery-stack";
import type { ServerStack } from "./server-stack";
import { SiteStack, type SiteStackProps } from "./site-stack";

export interface MonitoringStackProps extends SiteStackProps {
  readonly server: ServerStack;
  readonly recovery: RecoveryStack;
  readonly bundles: Bundles;
}

/** Who is told, of what, and the one screen to look at. */
export class MonitoringStack extends SiteStack {
  constructor(
    scope: Construct,
    private readonly props: MonitoringStackProps,
  ) {
    super(scope, "monitoring", props);
    this.addAws();
    const { environment, region, protect } = this.site;
    const { emails, extraAlarms, budget, customerKey, webhook, runbook, agent } = this.site.monitoring;
    const { controller, ddnsUpdater, deadLetterQueue } = props.recovery;
    const account = new DataAwsCallerIdentity(this, "account").accountId;
    const topic = new AlertTopic(this, "alerts", {
      name: this.names.alertTopic,
      account,
      emails,
      budget: budget !== undefined,
      customerKey,
      protect,
    });
    const forwarder = webhook === "none" ? undefined : this.createForwarder(webhook, topic.arn, account);
    if (budget) {
      new SpendingLimit(this, "spending-limit", {
        name: this.prefix,
        monthlyUsd: budget.monthlyUsd,
        ...(budget.of === "site" ? { site: this.site.name } : {}),
        topicArn: topic.arn,
        after: topic.policy,
      });
    }
    const watched = {
      environment,
      site: this.site.name,
      controller: controller.functionName,
      deadLetterQueue: deadLetterQueue.queueName,
      ...(ddnsUpdater ? { ddnsUpdater: ddnsUpdater.functionName } : {}),
    };
    const alarms = new Alarms(this, "alarms", {
      name: this.prefix,
      topicArn: topic.arn,
      runbook,
      alarms: siteAlarms(watched, extraAlarms),
    });
    const functions = [controller, ddnsUpdater, forwarder].filter((each): each is NodeFunction => each !== undefined);
    const logs = {
      controllerLogGroup: controller.logGroupName,
      functionLogGroups: functions.map(({ logGroupName }) => logGroupName),
    };
    new SavedQueries(this, "queries", {
      ...logs,
      name: this.prefix,
      ...(props.server.serverLogGroup === undefined ? {} : { serverLogGroup: props.server.serverLogGroup }),
    });
    const { address } = props.server;
    new SiteDashboard(this, "screen", {
      ...watched,
      ...logs,
      name: this.prefix,
      region,
      ...(address ? { address: address.publicIp } : {}),
      ...(this.site.dns.provider === "none" ? {} : { dnsName: this.site.dns.name }),
      functions: functions.map(({ functionName }) => functionName),
      alarmArns: alarms.arns,
      runbook,
      agent,
    });
    this.output("alerts-topic", topic.arn, "Where alarms go");
    this.output("dashboard", this.dashboardUrl(), "The site at a glance");
  }

  private createForwarder(webhook: string, topicArn: string, account: string): NodeFunction {
    new ArchiveProvider(this, "archive");
    this.pinProvider("archive");
    const { region, environment, storePrefix, functions, monitoring } = this.site;
    const forwarder = new AlertForwarder(this, "alert-forwarder", {
      name: this.names.alertForwarder,
      bundle: this.props.bundles["alert-forwarder"],
      runtime: functions.runtime,
      logRetentionDays: monitoring.logRetentionDays,
      deadLetterQueueArn: this.props.recovery.deadLetterQueue.arn,
      environment: {
        ENVIRONMENT: environment,
        SITE: this.site.name,
        STORE_PREFIX: storePrefix,
        WEBHOOK: webhook,
        DASHBOARD_URL: this.dashboardUrl(),
        LOG_LEVEL: "info",
      },
      topicArn,
      urlParameterArn: parameterArn(region, account, `${storePrefix}/${STORE.webhookUrl}`),
    });
    return forwarder.function;
  }

  private dashboardUrl(): string {
    const { region } = this.site;
    return `https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}#dashboards/dashboard/${this.prefix}`;
  }
}
