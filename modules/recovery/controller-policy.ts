import { MARKS } from "../../assets/lambda/recovery-handler/decide";
import { type Condition, type Statement, stringEquals } from "../iam";
import { parameterArn, STORE } from "../store";

export interface ControllerPolicyProps {
  readonly region: string;
  readonly account: string;
  readonly environment: string;
  readonly site: string;
  readonly storePrefix: string;
  readonly launchTemplateArn: string;
  readonly subnetIds: readonly string[];
  readonly securityGroupId: string;
  readonly serverRoleArn: string;
  /** The public parameter that names the image; absent where the image is given by its id. */
  readonly imageParameter?: string;
  readonly allocationId?: string;
  readonly pendingTickRule: string;
  readonly ddnsFunctionArn?: string;
}

const SPOT = "spot.amazonaws.com";

/**
 * What the recovery handler may do: start servers from this one template, mark and end this site's servers, move this
 * one address.
 */
export function controllerPolicy(props: ControllerPolicyProps): Statement[] {
  const { region, account } = props;
  const ec2 = (kind: string, name = "*") => `arn:aws:ec2:${region}:${account}:${kind}/${name}`;
  const parameter = (name: string) => parameterArn(region, account, `${props.storePrefix}/${name}`);
  const inRegion = stringEquals("aws:RequestedRegion", region);
  const tagged = (tags: "ResourceTag" | "RequestTag"): Condition[] => [
    stringEquals(`aws:${tags}/Project`, "stingy-vpn"),
    stringEquals(`aws:${tags}/Environment`, props.environment),
    stringEquals(`aws:${tags}/Site`, props.site),
  ];
  const ofThisSite = tagged("ResourceTag");
  const made = ["instance", "volume", "network-interface"].map((kind) => ec2(kind));
  const state = [STORE.instanceId, STORE.desiredState, STORE.launches].map(parameter);

  return [
    {
      sid: "Look",
      actions: [
        "ec2:DescribeInstances",
        "ec2:DescribeInstanceStatus",
        ...(props.allocationId ? ["ec2:DescribeAddresses"] : []),
      ],
      resources: "*",
      because: "EC2 has no resource-level permissions for describing",
      conditions: [inRegion],
    },
    {
      sid: "LaunchFromTemplate",
      actions: ["ec2:CreateFleet", "ec2:RunInstances"],
      resources: [
        props.launchTemplateArn,
        ...props.subnetIds.map((id) => ec2("subnet", id)),
        ec2("security-group", props.securityGroupId),
        // Images and their snapshots belong to Amazon, Debian or Canonical; which one is the template's choice.
        `arn:aws:ec2:${region}::image/*`,
        `arn:aws:ec2:${region}::snapshot/*`,
        // A request is worth nothing without an instance.
        ec2("spot-instances-request"),
      ],
    },
    {
      sid: "LaunchServers",
      actions: ["ec2:RunInstances"],
      resources: made,
      conditions: [{ test: "ArnEquals", variable: "ec2:LaunchTemplate", values: [props.launchTemplateArn] }],
    },
    {
      sid: "LaunchFleet",
      actions: ["ec2:CreateFleet"],
      resources: [ec2("fleet"), ...made],
      conditions: [inRegion],
    },
    {
      sid: "TagWhatIsLaunched",
      actions: ["ec2:CreateTags"],
      resources: made,
      conditions: [stringEquals("ec2:CreateAction", "RunInstances", "CreateFleet"), ...tagged("RequestTag")],
    },
    {
      sid: "MakeSpotRoleOnce",
      // EC2 makes it on behalf of the first launch of a Spot machine in an account.
      actions: ["iam:CreateServiceLinkedRole"],
      resources: [`arn:aws:iam::${account}:role/aws-service-role/${SPOT}/AWSServiceRoleForEC2Spot`],
      conditions: [stringEquals("iam:AWSServiceName", SPOT)],
    },
    {
      sid: "GiveServersTheirRole",
      actions: ["iam:PassRole"],
      resources: [props.serverRoleArn],
      conditions: [stringEquals("iam:PassedToService", "ec2.amazonaws.com")],
    },
    ...(props.imageParameter
      ? [
          {
            sid: "FindNewestImage",
            actions: ["ssm:GetParameters"],
            resources: [`arn:aws:ssm:${region}::parameter${props.imageParameter}`],
          },
        ]
      : []),
    {
      sid: "MarkServers",
      actions: ["ec2:CreateTags"],
      resources: [ec2("instance")],
      conditions: [
        ...ofThisSite,
        { test: "ForAllValues:StringEquals", variable: "aws:TagKeys", values: Object.values(MARKS) },
      ],
    },
    {
      sid: "EndServers",
      actions: ["ec2:TerminateInstances"],
      resources: [ec2("instance")],
      conditions: ofThisSite,
    },
    ...(props.allocationId
      ? [
          { sid: "MoveAddress", actions: ["ec2:AssociateAddress"], resources: [ec2("elastic-ip", props.allocationId)] },
          {
            sid: "MoveAddressToServers",
            actions: ["ec2:AssociateAddress"],
            resources: [ec2("instance"), ec2("network-interface")],
            conditions: ofThisSite,
          },
        ]
      : []),
    { sid: "KeepState", actions: ["ssm:GetParameters", "ssm:PutParameter"], resources: state },
    {
      sid: "SwitchPendingTick",
      actions: ["events:EnableRule", "events:DisableRule"],
      resources: [`arn:aws:events:${region}:${account}:rule/${props.pendingTickRule}`],
    },
    ...(props.ddnsFunctionArn
      ? [{ sid: "UpdateDns", actions: ["lambda:InvokeFunction"], resources: [props.ddnsFunctionArn] }]
      : []),
  ];
}
