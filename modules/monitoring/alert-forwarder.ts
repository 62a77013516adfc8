import { LambdaPermission } from "@cdktf/provider-aws/lib/lambda-permission";
import { SnsTopicSubscription } from "@cdktf/provider-aws/lib/sns-topic-subscription";
import { Construct } from "constructs";
import { NodeFunction, type NodeFunctionProps } from "../lambda";

export interface AlertForwarderProps
  extends Pick<
    NodeFunctionProps,
    "name" | "bundle" | "runtime" | "environment" | "logRetentionDays" | "deadLetterQueueArn"
  > {
  readonly topicArn: string;
  /** The parameter that has the webhook's URL. */
  readonly urlParameterArn: string;
}

const SIZE = { memoryMb: 128, timeoutSeconds: 60 } as const;

/** Passes what the topic gets on to a webhook. */
export class AlertForwarder extends Construct {
  readonly function: NodeFunction;

  constructor(scope: Construct, id: string, { topicArn, urlParameterArn, ...props }: AlertForwarderProps) {
    super(scope, id);
    this.function = new NodeFunction(this, "lambda", {
      ...props,
      ...SIZE,
      description: "Posts alarms to the webhook",
      statements: [{ sid: "ReadUrl", actions: ["ssm:GetParameter"], resources: [urlParameterArn] }],
    });
    const permission = new LambdaPermission(this, "permission", {
      functionName: this.function.functionName,
      action: "lambda:InvokeFunction",
      principal: "sns.amazonaws.com",
      sourceArn: topicArn,
    });
    new SnsTopicSubscription(this, "subscription", {
      topicArn,
      protocol: "lambda",
      endpoint: this.function.arn,
      dependsOn: [permission],
    });
  }
}
