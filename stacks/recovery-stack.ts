import { ArchiveProvider } from "@cdktf/provider-archive/lib/provider";
import { DataAwsCallerIdentity } from "@cdktf/provider-aws/lib/data-aws-caller-identity";
import { LambdaInvocation } from "@cdktf/provider-aws/lib/lambda-invocation";
import { Fn, Token } from "cdktf";
import type { Construct } from "constructs";
import type { Bundles } from "../modules/lambda";
import { NodeFunction } from "../modules/lambda";
import type { RuleName } from "../modules/names";
import { controllerPolicy, DeadLetterQueue, OperatingHours, Trigger, type TriggerProps } from "../modules/recovery";
import { ownedParameter, parameterArn, STORE } from "../modules/store";
import type { DnsStack } from "./dns-stack";
import type { NetworkStack } from "./network-stack";
import type { ServerStack } from "./server-stack";
import { SiteStack, type SiteStackProps } from "./site-stack";

export interface RecoveryStackProps extends SiteStackProps {
  readonly network: NetworkStack;
  readonly server: ServerStack;
  /** Absent where the site has no DNS name. */
  readonly dns?: DnsStack;
  readonly bundles: Bundles;
}

/** A controller's run starts a machine and moves the address; draining a site waits for its servers to end. */
const CONTROLLER = { memoryMb: 256, timeoutSeconds: 300 } as const;
const DDNS_UPDATER = { memoryMb: 128, timeoutSeconds: 60 } as const;
const LOG_LEVEL = "info";

/** The loop that keeps exactly one server serving: two Lambdas and everything that wakes them. */
export class RecoveryStack extends SiteStack {
  readonly controller: NodeFunction;
  readonly ddnsUpdater: NodeFunction | undefined;
  readonly deadLetterQueue: DeadLetterQueue;

  constructor(
    scope: Construct,
    private readonly props: RecoveryStackProps,
  ) {
    super(scope, "recovery", props);
    this.addAws();
    new ArchiveProvider(this, "archive");
    this.pinProvider("archive");
    const account = new DataAwsCallerIdentity(this, "account").accountId;
    const { storePrefix, protect } = this.site;

    this.deadLetterQueue = new DeadLetterQueue(this, "dead-letters", { name: this.names.deadLetterQueue });
    const desiredState = ownedParameter(this, "desired-state", {
      name: `${storePrefix}/${STORE.desiredState}`,
      description: "running or stopped; whoever pauses or resumes the site writes it",
      initial: "running",
      protect,
    });
    const launches = ownedParameter(this, "launches", {
      name: `${storePrefix}/${STORE.launches}`,
      description: "What the controller remembers of its launches",
      initial: "none",
      protect,
    });
    this.ddnsUpdater = props.dns && this.createDdnsUpdater(props.dns, account);
    this.controller = this.createController(account);
    const triggers = this.createTriggers();
    this.deadLetterQueue.acceptFrom(Object.values(triggers).map(({ ruleArn }) => ruleArn));

    // Tells the controller of a new site, template or DNS record; on destroy it drains the site before anything it needs goes.
    const converge = new LambdaInvocation(this, "converge", {
      functionName: this.controller.functionName,
      lifecycleScope: "CRUD",
      input: Fn.jsonencode({
        source: "terraform",
        "detail-type": "Configuration",
        detail: {
          launchTemplate: props.server.launchTemplateId,
          version: props.server.launchTemplateVersion,
          ...(props.dns ? { records: props.dns.serverName.recordIds } : {}),
        },
      }),
      dependsOn: [desiredState, launches, ...Object.values(triggers).flatMap(({ ready }) => [...ready])],
    });
    if (this.site.schedule) {
      new OperatingHours(this, "schedule", {
        ...this.site.schedule,
        name: this.prefix,
        account,
        functionArn: this.controller.arn,
        deadLetterQueueArn: this.deadLetterQueue.arn,
        drain: converge,
      });
    }
    this.output(
      "desired-state-parameter",
      desiredState.name,
      "The parameter that pauses (stopped) and resumes (running) the site",
    );
    this.output(
      "logs",
      `aws logs tail ${this.controller.logGroupName} --region ${this.site.region} --follow`,
      "Follows the controller's log",
    );
  }

  private createController(account: string): NodeFunction {
    const { network, server } = this.props;
    const { region, environment, storePrefix, functions } = this.site;
    const { instanceTypes, onDemandFallback, spotAttempts, spotMaxPrice, maxAgeDays, rebalance, maintenanceWindow } =
      this.site.server;
    return new NodeFunction(this, "recovery-handler", {
      ...CONTROLLER,
      name: this.names.controller,
      description: "Keeps exactly one server serving",
      bundle: this.props.bundles["recovery-handler"],
      runtime: functions.runtime,
      logRetentionDays: this.site.monitoring.logRetentionDays,
      deadLetterQueueArn: this.deadLetterQueue.arn,
      ...(functions.reservedConcurrency === undefined ? {} : { reservedConcurrency: functions.reservedConcurrency }),
      environment: {
        ENVIRONMENT: environment,
        SITE: this.site.name,
        STORE_PREFIX: storePrefix,
        LAUNCH_TEMPLATE_ID: server.launchTemplateId,
        LAUNCH_TEMPLATE_VERSION: Token.asString(server.launchTemplateVersion),
        SUBNET_IDS: network.subnetIds.join(","),
        INSTANCE_TYPES: instanceTypes.join(","),
        ALLOCATION_ID: server.address?.allocationId ?? "",
        IMAGE_PARAMETER: server.imageParameter ?? "",
        DDNS_FUNCTION: this.ddnsUpdater?.functionName ?? "",
        PENDING_TICK_RULE: this.names.rules["pending-tick"],
        ON_DEMAND_FALLBACK: onDemandFallback,
        SPOT_ATTEMPTS: String(spotAttempts),
        SPOT_MAX_PRICE: spotMaxPrice === undefined ? "" : String(spotMaxPrice),
        MAX_AGE_DAYS: String(maxAgeDays),
        REBALANCE: rebalance,
        MAINTENANCE_WINDOW: maintenanceWindow === undefined ? "" : JSON.stringify(maintenanceWindow),
        LOG_LEVEL,
      },
      statements: controllerPolicy({
        region,
        account,
        environment,
        site: this.site.name,
        storePrefix,
        launchTemplateArn: server.launchTemplateArn,
        subnetIds: network.subnetIds,
        securityGroupId: network.securityGroupId,
        serverRoleArn: server.serverRoleArn,
        pendingTickRule: this.names.rules["pending-tick"],
        ...(server.imageParameter === undefined ? {} : { imageParameter: server.imageParameter }),
        ...(server.address ? { allocationId: server.address.allocationId } : {}),
        ...(this.ddnsUpdater ? { ddnsFunctionArn: this.ddnsUpdater.arn } : {}),
      }),
    });
  }

  private createDdnsUpdater({ serverName, settings }: DnsStack, account: string): NodeFunction {
    const { region, environment, storePrefix } = this.site;
    return new NodeFunction(this, "ddns-updater", {
      ...DDNS_UPDATER,
      name: this.names.ddnsUpdater,
      description: "Writes the server's addresses into its DNS records",
      bundle: this.props.bundles["ddns-updater"],
      runtime: this.site.functions.runtime,
      logRetentionDays: this.site.monitoring.logRetentionDays,
      deadLetterQueueArn: this.deadLetterQueue.arn,
      environment: {
        ENVIRONMENT: environment,
        SITE: this.site.name,
        STORE_PREFIX: storePrefix,
        CLOUDFLARE_ZONE_ID: serverName.zoneId,
        DNS_NAME: settings.name,
        DNS_RECORDS: settings.records.join(","),
        CLOUDFLARE_RECORD_ID: serverName.recordIds.A ?? "",
        CLOUDFLARE_RECORD_ID_V6: serverName.recordIds.AAAA ?? "",
        ADDRESS: this.props.server.address?.publicIp ?? "",
        LOG_LEVEL,
      },
      statements: [
        {
          sid: "FindServer",
          actions: ["ec2:DescribeInstances"],
          resources: "*",
          because: "EC2 has no resource-level permissions for describing",
          conditions: [{ test: "StringEquals", variable: "aws:RequestedRegion", values: [region] }],
        },
        {
          sid: "ReadStore",
          actions: ["ssm:GetParameter"],
          resources: [STORE.instanceId, STORE.cloudflareToken].map((name) =>
            parameterArn(region, account, `${storePrefix}/${name}`),
          ),
        },
      ],
    });
  }

  private createTriggers() {
    const tick = (detailType: string) => ({ source: "stingy-vpn", "detail-type": detailType });
    const trigger = (id: RuleName, props: Pick<TriggerProps, "description" | "when" | "input" | "switched">) =>
      new Trigger(this, id, {
        ...props,
        name: this.names.rules[id],
        functionName: this.controller.functionName,
        functionArn: this.controller.arn,
        deadLetterQueueArn: this.deadLetterQueue.arn,
      });
    const ec2 = (detailType: string, detail: object) => ({
      pattern: { source: ["aws.ec2"], "detail-type": [detailType], detail },
    });
    return {
      interruption: trigger("interruption", {
        description: "AWS takes a Spot machine back in two minutes",
        when: ec2("EC2 Spot Instance Interruption Warning", { "instance-id": [{ exists: true }] }),
      }),
      rebalance: trigger("rebalance", {
        description: "A Spot machine is likely to be taken back",
        when: ec2("EC2 Instance Rebalance Recommendation", { "instance-id": [{ exists: true }] }),
      }),
      stateChange: trigger("state-change", {
        description: "A machine stops or ends",
        when: ec2("EC2 Instance State-change Notification", {
          state: ["stopping", "stopped", "shutting-down", "terminated"],
        }),
      }),
      ready: trigger("ready", {
        description: "A server of this site has proved itself, or was told that AWS takes it back",
        when: {
          pattern: {
            source: ["stingy-vpn"],
            "detail-type": ["Server Ready", "Server Notice"],
            detail: { environment: [this.site.environment], site: [this.site.name] },
          },
        },
      }),
      tick: trigger("tick", {
        description: "A look at the site, whatever happened",
        when: { schedule: "rate(5 minutes)" },
        input: tick("Tick"),
      }),
      pendingTick: trigger("pending-tick", {
        description: "A closer look while a successor is pending; the controller switches it",
        when: { schedule: "rate(1 minute)" },
        input: tick("Pending Tick"),
        switched: true,
      }),
    };
  }
}
