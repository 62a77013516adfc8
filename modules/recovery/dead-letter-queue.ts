import { DataAwsIamPolicyDocument } from "@cdktf/provider-aws/lib/data-aws-iam-policy-document";
import { SqsQueue } from "@cdktf/provider-aws/lib/sqs-queue";
import { SqsQueuePolicy } from "@cdktf/provider-aws/lib/sqs-queue-policy";
import { Construct } from "constructs";

/** As long as SQS keeps anything: time enough to come home from a holiday. */
const RETENTION_SECONDS = 14 * 24 * 3600;

export interface DeadLetterQueueProps {
  readonly name: string;
}

/** Where events end that could not be handled; the Lambdas' roles and EventBridge's rules write to it. */
export class DeadLetterQueue extends Construct {
  readonly arn: string;
  readonly queueName: string;
  private readonly queue: SqsQueue;

  constructor(scope: Construct, id: string, { name }: DeadLetterQueueProps) {
    super(scope, id);
    this.queue = new SqsQueue(this, "queue", {
      name,
      messageRetentionSeconds: RETENTION_SECONDS,
      sqsManagedSseEnabled: true,
    });
    this.arn = this.queue.arn;
    this.queueName = this.queue.name;
  }

  /** Lets exactly these rules write to the queue. */
  acceptFrom(ruleArns: readonly string[]): void {
    const policy = new DataAwsIamPolicyDocument(this, "senders", {
      statement: [
        {
          sid: "Rules",
          actions: ["sqs:SendMessage"],
          resources: [this.arn],
          principals: [{ type: "Service", identifiers: ["events.amazonaws.com"] }],
          condition: [{ test: "ArnEquals", variable: "aws:SourceArn", values: [...ruleArns] }],
        },
      ],
    });
    new SqsQueuePolicy(this, "policy", { queueUrl: this.queue.url, policy: policy.json });
  }
}
