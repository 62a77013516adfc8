import { DataAwsIamPolicyDocument } from "@cdktf/provider-aws/lib/data-aws-iam-policy-document";
import { SnsTopic } from "@cdktf/provider-aws/lib/sns-topic";
import { SnsTopicPolicy } from "@cdktf/provider-aws/lib/sns-topic-policy";
import { SnsTopicSubscription } from "@cdktf/provider-aws/lib/sns-topic-subscription";
import { Construct } from "constructs";

export interface AlertTopicProps {
  readonly name: string;
  readonly account: string;
  readonly emails: readonly string[];
  /** Terraform refuses to delete it. */
  readonly protect: boolean;
}

/** Where alarms go, and the people who are told. */
export class AlertTopic extends Construct {
  readonly arn: string;

  constructor(scope: Construct, id: string, props: AlertTopicProps) {
    super(scope, id);
    const topic = new SnsTopic(this, "topic", {
      name: props.name,
      // Every subscriber would have to confirm again. Being the first thing `cdktf destroy` meets, it also
      // stops a destroy before anything else is gone.
      lifecycle: { preventDestroy: props.protect },
    });
    this.arn = topic.arn;
    const policy = new DataAwsIamPolicyDocument(this, "publishers", {
      statement: [
        {
          sid: "Alarms",
          actions: ["sns:Publish"],
          resources: [topic.arn],
          principals: [{ type: "Service", identifiers: ["cloudwatch.amazonaws.com"] }],
          condition: [{ test: "StringEquals", variable: "aws:SourceAccount", values: [props.account] }],
        },
      ],
    });
    new SnsTopicPolicy(this, "policy", { arn: topic.arn, policy: policy.json });
    for (const email of props.emails) {
      new SnsTopicSubscription(this, `email-${readable(email)}`, {
        topicArn: topic.arn,
        protocol: "email",
        endpoint: email,
      });
    }
  }
}

/** Different for different addresses: me-example-com would be both me@example.com and me.example@com. */
function readable(email: string): string {
  return email
    .replace(/[^A-Za-z0-9.@]/g, (character) => `_${character.charCodeAt(0).toString(16)}_`)
    .replaceAll("@", "_")
    .replaceAll(".", "-");
}
