import { DataArchiveFile } from "@cdktf/provider-archive/lib/data-archive-file";
import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group";
import { LambdaFunction } from "@cdktf/provider-aws/lib/lambda-function";
import { LambdaFunctionEventInvokeConfig } from "@cdktf/provider-aws/lib/lambda-function-event-invoke-config";
import { AssetType, TerraformAsset } from "cdktf";
import { Construct } from "constructs";
import { ServiceRole, type Statement } from "../iam";

export interface NodeFunctionProps {
  readonly name: string;
  readonly description: string;
  /** The folder of the bundled code, with an index.js that exports `handler`. */
  readonly bundle: string;
  readonly runtime: string;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly logRetentionDays: number;
  /** Takes the events that failed for good. */
  readonly deadLetterQueueArn: string;
  /**
   * Concurrent runs kept for it.
   *
   * @default - it shares the account's
   */
  readonly reservedConcurrency?: number;
  /** What it may do beside writing its log and its dead letters. */
  readonly statements: readonly Statement[];
}

/** After this a later tick has looked anyway, so that an old event is worth nothing. */
const OLDEST_EVENT_SECONDS = 300;
const RETRIES = 2;

/** A Lambda function on Node.js, with its role, its log group and its dead letters. */
export class NodeFunction extends Construct {
  readonly functionName: string;
  readonly arn: string;
  readonly logGroupName: string;

  constructor(scope: Construct, id: string, props: NodeFunctionProps) {
    super(scope, id);
    // Made before the function: Lambda would make one itself that keeps its logs for ever.
    const logs = new CloudwatchLogGroup(this, "logs", {
      name: `/aws/lambda/${props.name}`,
      retentionInDays: props.logRetentionDays,
    });
    this.logGroupName = logs.name;
    const role = new ServiceRole(this, "iam", {
      name: props.name,
      description: props.description,
      service: "lambda.amazonaws.com",
      statements: [
        { sid: "WriteLog", actions: ["logs:CreateLogStream", "logs:PutLogEvents"], resources: [`${logs.arn}:*`] },
        { sid: "SendDeadLetters", actions: ["sqs:SendMessage"], resources: [props.deadLetterQueueArn] },
        ...props.statements,
      ],
    });
    const code = new TerraformAsset(this, "code", { path: props.bundle, type: AssetType.DIRECTORY });
    const archive = new DataArchiveFile(this, "archive", {
      type: "zip",
      sourceDir: code.path,
      outputPath: `${props.name}.zip`,
      // The permissions of the files on this machine would change the hash.
      outputFileMode: "0644",
    });
    const fn = new LambdaFunction(this, "function", {
      functionName: props.name,
      description: props.description,
      role: role.arn,
      runtime: props.runtime,
      architectures: ["arm64"],
      handler: "index.handler",
      memorySize: props.memoryMb,
      timeout: props.timeoutSeconds,
      filename: archive.outputPath,
      sourceCodeHash: archive.outputBase64Sha256,
      ...(props.reservedConcurrency === undefined ? {} : { reservedConcurrentExecutions: props.reservedConcurrency }),
      environment: { variables: { ...props.environment } },
      deadLetterConfig: { targetArn: props.deadLetterQueueArn },
      // Lambda checks at creation that the role may write to the queue.
      dependsOn: [role.policy, logs],
    });
    this.functionName = fn.functionName;
    this.arn = fn.arn;
    new LambdaFunctionEventInvokeConfig(this, "retries", {
      functionName: fn.functionName,
      maximumEventAgeInSeconds: OLDEST_EVENT_SECONDS,
      maximumRetryAttempts: RETRIES,
    });
  }
}
