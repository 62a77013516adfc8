import { DataAwsIamPolicyDocument } from "@cdktf/provider-aws/lib/data-aws-iam-policy-document";
import { KmsKey } from "@cdktf/provider-aws/lib/kms-key";
import { SnsTopic } from "@cdktf/provider-aws/lib/sns-topic";
import { SnsTopicPolicy } from "@cdktf/provider-aws/lib/sns-topic-policy";
import { SnsTopicSubscription } from "@cdktf/provider-aws/lib/sns-topic-subscription";
import { Construct } from "constructs";

export interface AlertTopicProps {
  readonly name: string;
  readonly account: string;
  readonly emails: readonly string[];
  /** AWS Budgets publishes, too. */
  readonly budget: boolean;
  /** Encrypts with a key of its own. AWS's own key for SNS lets no alarm publish, and its policy cannot be changed. */
  readonly customerKey: boolean;
  /** Terraform refuses to delete it. */
  readonly protect: boolean;
}

const KEY_DELETED_AFTER_DAYS = 7;

/** Where alarms go, and the people who are told. */
export class AlertTopic extends Construct {
  readonly arn: string;
  /** From here on those may publish who are to. */
  readonly policy: SnsTopicPolicy;

  constructor(scope: Construct, id: string, props: AlertTopicProps) {
    super(scope, id);
    const publishers = {
      principals: [
        {
          type: "Service",
          identifiers: ["cloudwatch.amazonaws.com", ...(props.budget ? ["budgets.amazonaws.com"] : [])],
        },
      ],
      condition: [{ test: "StringEquals", variable: "aws:SourceAccount", values: [props.account] }],
    };
    const topic = new SnsTopic(this, "topic", {
      name: props.name,
      ...(props.customerKey ? { kmsMasterKeyId: this.createKey(props, publishers).keyId } : {}),
      // Every subscriber would have to confirm again. Being the first thing `cdktf destroy` meets, it also
      // stops a destroy before anything else is gone.
      lifecycle: { preventDestroy: props.protect },
    });
    this.arn = topic.arn;
    const policy = new DataAwsIamPolicyDocument(this, "publishers", {
      statement: [{ sid: "Alarms", actions: ["sns:Publish"], resources: [topic.arn], ...publishers }],
    });
    this.policy = new SnsTopicPolicy(this, "policy", { arn: topic.arn, policy: policy.json });
    for (const email of props.emails) {
      new SnsTopicSubscription(this, `email-${readable(email)}`, {
        topicArn: topic.arn,
        protocol: "email",
        endpoint: email,
      });
    }
  }

  private createKey({ name, account }: AlertTopicProps, publishers: object): KmsKey {
    const policy = new DataAwsIamPolicyDocument(this, "key-users", {
      statement: [
        {
          sid: "Account",
          actions: ["kms:*"],
          resources: ["*"],
          principals: [{ type: "AWS", identifiers: [`arn:aws:iam::${account}:root`] }],
        },
        { sid: "Alarms", actions: ["kms:Decrypt", "kms:GenerateDataKey"], resources: ["*"], ...publishers },
      ],
    });
    return new KmsKey(this, "key", {
      description: `Messages of ${name}`,
      policy: policy.json,
      // Each of its first two rotations would cost another dollar a month, for messages that live for minutes.
      enableKeyRotation: false,
      deletionWindowInDays: KEY_DELETED_AFTER_DAYS,
    });
  }
}

/** Different for different addresses: me-example-com would be both me@example.com and me.example@com. */
function readable(email: string): string {
  return email
    .replace(/[^A-Za-z0-9.@]/g, (character) => `_${character.charCodeAt(0).toString(16)}_`)
    .replaceAll("@", "_")
    .replaceAll(".", "-");
}
