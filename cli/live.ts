import type { Instance } from "@aws-sdk/client-ec2";
import type { Site } from "../modules/config";
import { siteTags } from "../modules/names";
import type { Aws } from "./aws";
import { sdk } from "./sdk";

export interface LiveInstance {
  readonly id: string;
  /** EC2's word: pending, running, … */
  readonly phase: string;
  readonly type: string;
  readonly zone: string;
  readonly spot: boolean;
  readonly launchedAt: Date;
  readonly publicIp: string | undefined;
  readonly ipv6: string | undefined;
  readonly subnetId: string | undefined;
  readonly securityGroupIds: readonly string[];
  readonly imageId: string | undefined;
  /** What it says of itself (`state`) and what the controller says of it (`notice`, `ending`, …) among them. */
  readonly tags: ReadonlyMap<string, string>;
}

export interface LiveAddress {
  readonly allocationId: string;
  readonly publicIp: string;
  /** The instance that has it now. */
  readonly instanceId: string | undefined;
  /** What it is on, also where that is no instance. */
  readonly networkInterfaceId?: string | undefined;
  /** By this alone it is taken off. */
  readonly associationId?: string | undefined;
}

/** Whose credentials these are. */
export async function callerOf(aws: Aws): Promise<{ account: string; arn: string }> {
  const { GetCallerIdentityCommand } = sdk.sts;
  const { Account = "", Arn = "" } = await (await aws.sts()).send(new GetCallerIdentityCommand({}));
  return { account: Account, arn: Arn };
}

/** The site's instances that have not ended. */
export async function siteInstances(aws: Aws, site: Site): Promise<LiveInstance[]> {
  const { DescribeInstancesCommand } = sdk.ec2;
  const ec2 = await aws.ec2();
  const { Reservations = [] } = await ec2.send(
    new DescribeInstancesCommand({
      Filters: [
        ...tagFilters(site),
        { Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped", "shutting-down"] },
      ],
    }),
  );
  return Reservations.flatMap(({ Instances = [] }) => Instances).map(toLive);
}

/** The site's Elastic IP, if it has one that was not released. */
export async function siteAddress(aws: Aws, site: Site): Promise<LiveAddress | undefined> {
  const { elasticIp } = site;
  if (elasticIp === false) return undefined;
  const { DescribeAddressesCommand } = sdk.ec2;
  const ec2 = await aws.ec2();
  const { Addresses = [] } = await ec2
    .send(
      new DescribeAddressesCommand(
        typeof elasticIp === "string" ? { AllocationIds: [elasticIp] } : { Filters: tagFilters(site) },
      ),
    )
    .catch((error) => {
      if (error instanceof Error && error.name === "InvalidAllocationID.NotFound") return { Addresses: [] };
      throw error;
    });
  const [address] = Addresses;
  if (!address) return undefined;
  const { AllocationId = "", PublicIp = "", InstanceId, NetworkInterfaceId, AssociationId } = address;
  return {
    allocationId: AllocationId,
    publicIp: PublicIp,
    instanceId: InstanceId || undefined,
    networkInterfaceId: NetworkInterfaceId || undefined,
    associationId: AssociationId || undefined,
  };
}

export function tagFilters(site: Site): { Name: string; Values: string[] }[] {
  return Object.entries(siteTags(site)).map(([key, value]) => ({ Name: `tag:${key}`, Values: [value] }));
}

function toLive(instance: Instance): LiveInstance {
  return {
    id: instance.InstanceId ?? "",
    phase: instance.State?.Name ?? "",
    type: instance.InstanceType ?? "",
    zone: instance.Placement?.AvailabilityZone ?? "",
    spot: instance.InstanceLifecycle === "spot",
    launchedAt: instance.LaunchTime ?? new Date(0),
    publicIp: instance.PublicIpAddress,
    ipv6: instance.NetworkInterfaces?.[0]?.Ipv6Addresses?.[0]?.Ipv6Address,
    subnetId: instance.SubnetId,
    securityGroupIds: (instance.SecurityGroups ?? []).flatMap(({ GroupId }) => GroupId ?? []),
    imageId: instance.ImageId,
    tags: new Map((instance.Tags ?? []).map(({ Key = "", Value = "" }) => [Key, Value])),
  };
}
