import type { IpPermission, NetworkAclEntry } from "@aws-sdk/client-ec2";
import type { Site } from "../../../modules/config";
import type { Aws } from "../../aws";
import { type LiveInstance, tagFilters } from "../../live";
import { sdk } from "../../sdk";
import type { Look } from "../check";
import type { AclEntry, Facts, Permission, SecurityGroup, StatusChecks, Subnet, Vpc } from "../facts";

type Seen<Key extends keyof Facts> = Facts[Key] extends Look<infer T> ? T : never;

/** The site's VPC with what a packet to the server passes. */
export async function siteVpc(aws: Aws, site: Site): Promise<Vpc | undefined> {
  const {
    DescribeInternetGatewaysCommand,
    DescribeNetworkAclsCommand,
    DescribeRouteTablesCommand,
    DescribeSecurityGroupsCommand,
    DescribeSubnetsCommand,
    DescribeVpcsCommand,
  } = sdk.ec2;
  const ec2 = await aws.ec2();
  const { Vpcs: [found] = [] } = await ec2.send(new DescribeVpcsCommand({ Filters: tagFilters(site) }));
  if (!found) return undefined;
  const { VpcId: id = "" } = found;
  const inVpc = { Filters: [{ Name: "vpc-id", Values: [id] }] };
  const [subnets, tables, acls, groups, gateways] = await Promise.all([
    ec2.send(new DescribeSubnetsCommand(inVpc)),
    ec2.send(new DescribeRouteTablesCommand(inVpc)),
    ec2.send(new DescribeNetworkAclsCommand(inVpc)),
    ec2.send(new DescribeSecurityGroupsCommand(inVpc)),
    ec2.send(new DescribeInternetGatewaysCommand({ Filters: [{ Name: "attachment.vpc-id", Values: [id] }] })),
  ]);
  const routesOf = (subnetId: string): Subnet["routes"] => {
    const all = tables.RouteTables ?? [];
    const table =
      all.find(({ Associations = [] }) => Associations.some(({ SubnetId }) => SubnetId === subnetId)) ??
      all.find(({ Associations = [] }) => Associations.some(({ Main }) => Main));
    return (table?.Routes ?? []).map((route) => ({
      destination: route.DestinationCidrBlock ?? route.DestinationIpv6CidrBlock ?? "",
      target:
        route.GatewayId ?? route.NatGatewayId ?? route.InstanceId ?? route.NetworkInterfaceId ?? "something unknown",
      active: route.State !== "blackhole",
    }));
  };
  const aclOf = (subnetId: string): Subnet["acl"] => {
    const all = acls.NetworkAcls ?? [];
    const acl =
      all.find(({ Associations = [] }) => Associations.some(({ SubnetId }) => SubnetId === subnetId)) ??
      all.find(({ IsDefault }) => IsDefault);
    return (acl?.Entries ?? []).map(toEntry).sort((a, b) => a.number - b.number);
  };
  return {
    id,
    subnets: (subnets.Subnets ?? []).map(({ SubnetId = "" }) => ({
      id: SubnetId,
      routes: routesOf(SubnetId),
      acl: aclOf(SubnetId),
    })),
    groups: (groups.SecurityGroups ?? []).map(
      ({ GroupId = "", GroupName = "", IpPermissions = [], IpPermissionsEgress = [] }): SecurityGroup => ({
        id: GroupId,
        name: GroupName,
        in: IpPermissions.map(toPermission),
        out: IpPermissionsEgress.map(toPermission),
      }),
    ),
    gateway: gateways.InternetGateways?.[0]?.InternetGatewayId,
  };
}

const EVERY_PORT = { from: 0, to: 65535 } as const;
const PROTOCOLS: Readonly<Record<string, string>> = { "-1": "all", "17": "udp", "6": "tcp" };

function toPermission({ IpProtocol = "", FromPort, ToPort, IpRanges, Ipv6Ranges }: IpPermission): Permission {
  const protocol = PROTOCOLS[IpProtocol] ?? IpProtocol;
  return {
    protocol,
    ...(protocol === "all" ? EVERY_PORT : { from: FromPort ?? EVERY_PORT.from, to: ToPort ?? EVERY_PORT.to }),
    networks: [
      ...(IpRanges ?? []).flatMap(({ CidrIp }) => CidrIp ?? []),
      ...(Ipv6Ranges ?? []).flatMap(({ CidrIpv6 }) => CidrIpv6 ?? []),
    ],
  };
}

function toEntry({
  RuleNumber = 0,
  Egress,
  RuleAction,
  Protocol = "",
  PortRange,
  CidrBlock,
  Ipv6CidrBlock,
}: NetworkAclEntry): AclEntry {
  return {
    number: RuleNumber,
    outgoing: Egress === true,
    allow: RuleAction === "allow",
    protocol: PROTOCOLS[Protocol] ?? Protocol,
    from: PortRange?.From ?? EVERY_PORT.from,
    to: PortRange?.To ?? EVERY_PORT.to,
    networks: [CidrBlock ?? Ipv6CidrBlock ?? ""],
  };
}

export async function launchTemplate(aws: Aws, site: Site): Promise<Seen<"template">> {
  const { DescribeLaunchTemplatesCommand } = sdk.ec2;
  const ec2 = await aws.ec2();
  const { LaunchTemplates: [found] = [] } = await ec2.send(
    new DescribeLaunchTemplatesCommand({ Filters: tagFilters(site) }),
  );
  return found && { id: found.LaunchTemplateId ?? "", version: found.LatestVersionNumber ?? 0 };
}

/** AWS's own checks of these instances. */
export async function statusChecks(aws: Aws, instances: readonly LiveInstance[]): Promise<Map<string, StatusChecks>> {
  if (instances.length === 0) return new Map();
  const { DescribeInstanceStatusCommand } = sdk.ec2;
  const ec2 = await aws.ec2();
  const { InstanceStatuses = [] } = await ec2.send(
    new DescribeInstanceStatusCommand({ InstanceIds: instances.map(({ id }) => id), IncludeAllInstances: true }),
  );
  return new Map(
    InstanceStatuses.map(({ InstanceId = "", SystemStatus, InstanceStatus, AttachedEbsStatus }) => [
      InstanceId,
      {
        system: SystemStatus?.Status ?? "unknown",
        instance: InstanceStatus?.Status ?? "unknown",
        disk: AttachedEbsStatus?.Status,
      },
    ]),
  );
}
