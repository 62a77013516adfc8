import { type Statement, stringEquals } from "../iam";
import { METRICS_NAMESPACE } from "../metrics";
import { parameterArn, STORE } from "../store";

export interface ServerPolicyProps {
  readonly region: string;
  readonly account: string;
  readonly environment: string;
  readonly site: string;
  readonly storePrefix: string;
  /** Whether the site has an Elastic IP. A server without one reads in the store whether it is the one that serves. */
  readonly elasticIp: boolean;
  /**
   * Where what its units say is sent.
   *
   * @default - it stays on the machine
   */
  readonly logGroupArn?: string;
}

/**
 * What the server itself may do: read its own keys and peers, make its key once, keep its peers' endpoints for its
 * successor, say how it is, take commands and open a shell.
 */
export function serverPolicy(props: ServerPolicyProps): Statement[] {
  const { region, account, environment, site, storePrefix, logGroupArn } = props;
  const parameter = (name: string) => parameterArn(region, account, `${storePrefix}/${name}`);
  return [
    {
      sid: "ReadStore",
      actions: ["ssm:GetParameters"],
      resources: [
        STORE.wireguardConfig,
        STORE.wireguardPrivateKey,
        STORE.clientPublicKeys,
        STORE.peerEndpoints,
        ...(props.elasticIp ? [] : [STORE.instanceId]),
      ].map(parameter),
    },
    {
      sid: "ReadPeers",
      actions: ["ssm:GetParametersByPath"],
      // Asked for is the path alone: IAM checks the path of the request, not the parameters in the answer.
      resources: [parameter(STORE.peers)],
    },
    {
      sid: "MakeKeyOnce",
      actions: ["ssm:PutParameter"],
      resources: [parameter(STORE.wireguardPrivateKey)],
      conditions: [stringEquals("ssm:Overwrite", "false")],
    },
    { sid: "KeepEndpoints", actions: ["ssm:PutParameter"], resources: [parameter(STORE.peerEndpoints)] },
    {
      sid: "SayState",
      actions: ["ec2:CreateTags"],
      resources: [`arn:aws:ec2:${region}:${account}:instance/*`],
      conditions: [
        // Only the instance that asks: who asks is also what is tagged.
        {
          test: "ArnLike",
          variable: "ec2:SourceInstanceARN",
          values: [`arn:aws:ec2:${region}:${account}:instance/$\${ec2:InstanceID}`],
        },
        stringEquals("aws:ResourceTag/Site", site),
        stringEquals("aws:ResourceTag/Environment", environment),
        { test: "ForAllValues:StringEquals", variable: "aws:TagKeys", values: ["state"] },
      ],
    },
    {
      sid: "SayHealth",
      actions: ["cloudwatch:PutMetricData"],
      resources: "*",
      because: "CloudWatch has no resource-level permissions for publishing metrics; the namespace bounds them",
      conditions: [
        stringEquals("cloudwatch:namespace", METRICS_NAMESPACE),
        stringEquals("aws:RequestedRegion", region),
      ],
    },
    ...(logGroupArn === undefined
      ? []
      : [
          {
            sid: "WriteLog",
            actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
            // Its streams: every server has one of its own.
            resources: [`${logGroupArn}:*`],
          },
        ]),
    {
      sid: "SayReady",
      actions: ["events:PutEvents"],
      resources: [`arn:aws:events:${region}:${account}:event-bus/default`],
      // One request may carry several events, each with a source.
      conditions: [{ test: "ForAllValues:StringEquals", variable: "events:source", values: ["stingy-vpn"] }],
    },
    {
      sid: "SessionManager",
      // Run Command comes over the same channels. An agent turns to ec2messages only where it may not open them.
      actions: [
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
      ],
      resources: "*",
      because:
        "Session Manager's and Run Command's channels have no resource-level permissions; this is less than AmazonSSMManagedInstanceCore",
      conditions: [stringEquals("aws:RequestedRegion", region)],
    },
  ];
}
