import { type Statement, stringEquals } from "../iam";
import { parameterArn, STORE } from "../store";

export interface ServerPolicyProps {
  readonly region: string;
  readonly account: string;
  readonly environment: string;
  readonly site: string;
  readonly storePrefix: string;
}

/** What the server itself may do: read its own keys and peers, make its key once, say that it is ready, open a shell. */
export function serverPolicy({ region, account, environment, site, storePrefix }: ServerPolicyProps): Statement[] {
  const parameter = (name: string) => parameterArn(region, account, `${storePrefix}/${name}`);
  return [
    {
      sid: "ReadStore",
      actions: ["ssm:GetParameters"],
      resources: [STORE.wireguardConfig, STORE.wireguardPrivateKey, STORE.clientPublicKeys].map(parameter),
    },
    {
      sid: "MakeKeyOnce",
      actions: ["ssm:PutParameter"],
      resources: [parameter(STORE.wireguardPrivateKey)],
      conditions: [stringEquals("ssm:Overwrite", "false")],
    },
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
      sid: "SayReady",
      actions: ["events:PutEvents"],
      resources: [`arn:aws:events:${region}:${account}:event-bus/default`],
      // One request may carry several events, each with a source.
      conditions: [{ test: "ForAllValues:StringEquals", variable: "events:source", values: ["stingy-vpn"] }],
    },
    {
      sid: "SessionManager",
      actions: [
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
      ],
      resources: "*",
      because:
        "Session Manager's channels have no resource-level permissions; this is less than AmazonSSMManagedInstanceCore",
      conditions: [stringEquals("aws:RequestedRegion", region)],
    },
  ];
}
