import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import { LambdaPermission } from "@cdktf/provider-aws/lib/lambda-permission";
import { Construct } from "constructs";

export interface TriggerProps {
  readonly name: string;
  readonly description: string;
  /** Which events, or how often. */
  readonly when: { readonly pattern: object } | { readonly schedule: string };
  /** What the function is given instead of the event. */
  readonly input?: object;
  /** Off at first, and switched on and off by the function itself. */
  readonly switched?: boolean;
  readonly functionName: string;
  readonly functionArn: string;
  readonly deadLetterQueueArn: string;
}

/** Later than this a tick has looked anyway. */
const OLDEST_EVENT_SECONDS = 300;
const RETRIES = 4;

/** An EventBridge rule that calls a function. */
export class Trigger extends Construct {
  readonly ruleName: string;
  readonly ruleArn: string;
  /** The rule calls the function from here on. */
  readonly ready: readonly (CloudwatchEventTarget | LambdaPermission)[];

  constructor(scope: Construct, id: string, props: TriggerProps) {
    super(scope, id);
    const rule = new CloudwatchEventRule(this, "rule", {
      name: props.name,
      description: props.description,
      ...("pattern" in props.when
        ? { eventPattern: JSON.stringify(props.when.pattern) }
        : { scheduleExpression: props.when.schedule }),
      ...(props.switched ? { state: "DISABLED", lifecycle: { ignoreChanges: ["state"] } } : { state: "ENABLED" }),
    });
    this.ruleName = rule.name;
    this.ruleArn = rule.arn;
    const permission = new LambdaPermission(this, "permission", {
      functionName: props.functionName,
      action: "lambda:InvokeFunction",
      principal: "events.amazonaws.com",
      sourceArn: rule.arn,
    });
    const target = new CloudwatchEventTarget(this, "target", {
      rule: rule.name,
      arn: props.functionArn,
      ...(props.input ? { input: JSON.stringify(props.input) } : {}),
      deadLetterConfig: { arn: props.deadLetterQueueArn },
      retryPolicy: { maximumEventAgeInSeconds: OLDEST_EVENT_SECONDS, maximumRetryAttempts: RETRIES },
    });
    this.ready = [permission, target];
  }
}
