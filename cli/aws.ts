import { version } from "../package.json";
import { sdk } from "./sdk";

/** Calls are few and a person waits: give AWS's throttling a few seconds before giving up. */
const ATTEMPTS = 5;
const CONNECT_MS = 5_000;
const ANSWER_MS = 20_000;

/** The clients of one region, each loaded when a command first needs it. */
export class Aws {
  constructor(readonly region: string) {}

  readonly ssm = once(async () => new sdk.ssm.SSMClient(this.options));
  readonly ec2 = once(async () => new sdk.ec2.EC2Client(this.options));
  readonly lambda = once(async () => new sdk.lambda.LambdaClient(this.options));
  readonly sts = once(async () => new sdk.sts.STSClient(this.options));
  readonly iam = once(async () => new sdk.iam.IAMClient(this.options));
  readonly sns = once(async () => new sdk.sns.SNSClient(this.options));
  readonly sqs = once(async () => new sdk.sqs.SQSClient(this.options));
  readonly events = once(async () => new sdk.events.EventBridgeClient(this.options));
  readonly cloudwatch = once(async () => new sdk.cloudwatch.CloudWatchClient(this.options));
  readonly logs = once(async () => new sdk.logs.CloudWatchLogsClient(this.options));
  readonly quotas = once(async () => new sdk.quotas.ServiceQuotasClient(this.options));

  private get options() {
    return {
      region: this.region,
      retryMode: "standard",
      maxAttempts: ATTEMPTS,
      requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: ANSWER_MS, throwOnRequestTimeout: true },
      customUserAgent: [["stingy-vpn-cli", version]] as [string, string][],
    };
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
