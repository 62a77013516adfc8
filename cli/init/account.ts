import type { EC2Client, Filter } from "@aws-sdk/client-ec2";
import type { Site } from "../../modules/config";
import { Aws } from "../aws";
import { explainAwsError } from "../aws-errors";
import { tagFilters } from "../live";
import { sdk } from "../sdk";
import { attention, type Finding, fromError, ok, unknown, worthKnowing } from "./finding";

/** Every account has this region, so it answers also where the site's own region is not enabled. */
const ALWAYS_ENABLED = "us-east-1";
const SPOT_ROLE = "AWSServiceRoleForEC2Spot";
const MAKE_SPOT_ROLE = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com";
/** While a successor starts, the old server still serves. */
const SERVERS_AT_ONCE = 2;
/** What AWS leaves to the functions without a reservation: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html */
const UNRESERVED_AT_LEAST = 100;

interface Quota {
  readonly service: "ec2" | "vpc";
  readonly code: string;
}
/** "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", in vCPUs. */
const SPOT_VCPUS: Quota = { service: "ec2", code: "L-34B43A08" };
/** "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", in vCPUs. */
const ON_DEMAND_VCPUS: Quota = { service: "ec2", code: "L-1216C47A" };
const ELASTIC_IPS: Quota = { service: "ec2", code: "L-0263D0A3" };
const VPCS: Quota = { service: "vpc", code: "L-F678F1CE" };

/** Who the credentials are. @throws what AWS's SDK throws where they are nobody's */
export async function identityFinding(): Promise<Finding> {
  const { GetCallerIdentityCommand } = sdk.sts;
  const { Account, Arn } = await (await new Aws(ALWAYS_ENABLED).sts()).send(new GetCallerIdentityCommand({}));
  return ok("account", `account ${Account}, as ${Arn}`);
}

/** What of the account would be in the way of a deploy of this site. */
export async function accountFindings(site: Site): Promise<Finding[]> {
  const aws = new Aws(site.region);
  const role = spotRoleFinding();
  const region = await regionFinding(aws);
  if (region.state === "attention") return [region, await role];
  return [
    region,
    ...(await Promise.all([
      role,
      ...vcpuFindings(aws, site),
      ...(site.elasticIp === true ? [addressesFinding(aws, site)] : []),
      vpcsFinding(aws, site),
      ...(site.functions.reservedConcurrency === undefined
        ? []
        : [concurrencyFinding(aws, site.functions.reservedConcurrency)]),
    ])),
  ];
}

/** A look that fails says so, and the others go on. */
async function look(id: string, region: string, work: () => Promise<Finding>): Promise<Finding> {
  try {
    return await work();
  } catch (error) {
    const { says } = fromError("unknown", id, explainAwsError(error, region));
    return unknown(id, `${id} could not be looked at: ${says}`);
  }
}

async function regionFinding(aws: Aws): Promise<Finding> {
  const { region } = aws;
  return look("region", region, async () => {
    const { DescribeRegionsCommand } = sdk.ec2;
    const ec2 = await aws.ec2();
    try {
      const { Regions = [] } = await ec2.send(new DescribeRegionsCommand({ RegionNames: [region], AllRegions: true }));
      return Regions[0]?.OptInStatus === "not-opted-in" ? notEnabled(region) : ok("region", `${region} is enabled`);
    } catch (error) {
      // A region that is not enabled does not know the account, whose credentials were good a moment ago.
      if (["AuthFailure", "UnrecognizedClientException"].includes((error as Error).name)) return notEnabled(region);
      throw error;
    }
  });
}

function notEnabled(region: string): Finding {
  return attention(
    "region",
    `${region} is not enabled in this account.`,
    `Enable it (it can take hours): aws account enable-region --region-name ${region}`,
  );
}

async function spotRoleFinding(): Promise<Finding> {
  return look("spot-role", ALWAYS_ENABLED, async () => {
    const { GetRoleCommand } = sdk.iam;
    const iam = await new Aws(ALWAYS_ENABLED).iam();
    try {
      await iam.send(new GetRoleCommand({ RoleName: SPOT_ROLE }));
      return ok("spot-role", `the role that Spot needs (${SPOT_ROLE}) is there`);
    } catch (error) {
      if ((error as Error).name !== "NoSuchEntityException" && (error as Error).name !== "NoSuchEntity") throw error;
      return worthKnowing(
        "spot-role",
        `the role that Spot needs (${SPOT_ROLE}) is not there: AWS makes it at the first launch.`,
        `Where your organization forbids that, make it once: ${MAKE_SPOT_ROLE}`,
      );
    }
  });
}

function vcpuFindings(aws: Aws, site: Site): Promise<Finding>[] {
  const needed = vcpusNeeded(aws, site.server.instanceTypes);
  // Each look reports it.
  needed.catch(() => undefined);
  const finding = (id: string, quota: Quota, what: string) =>
    look(id, aws.region, async () => vcpuFinding(id, what, await limit(aws, quota), await needed, aws.region, quota));
  return [
    finding("spot-quota", SPOT_VCPUS, "Spot instances"),
    ...(site.server.onDemandFallback === "never"
      ? []
      : [finding("on-demand-quota", ON_DEMAND_VCPUS, "on-demand instances")]),
  ];
}

async function vcpusNeeded(aws: Aws, types: readonly string[]): Promise<number> {
  const { DescribeInstanceTypesCommand } = sdk.ec2;
  const ec2 = await aws.ec2();
  const { InstanceTypes = [] } = await ec2.send(
    new DescribeInstanceTypesCommand({ InstanceTypes: [...types] as never[] }),
  );
  return SERVERS_AT_ONCE * Math.max(...InstanceTypes.map(({ VCpuInfo }) => VCpuInfo?.DefaultVCpus ?? 0));
}

export function vcpuFinding(
  id: string,
  what: string,
  allowed: number,
  needed: number,
  region: string,
  quota: Quota,
): Finding {
  return allowed >= needed
    ? ok(id, `${allowed} vCPUs of ${what} are allowed at once, ${needed} are needed`)
    : attention(
        id,
        `${allowed} vCPUs of ${what} are allowed at once in ${region}, and a replacement needs ${needed}: two servers for some minutes.`,
        moreOf(quota, needed, region),
      );
}

async function addressesFinding(aws: Aws, site: Site): Promise<Finding> {
  return look("elastic-ips", aws.region, async () => {
    const { DescribeAddressesCommand } = sdk.ec2;
    const count = async (ec2: EC2Client, Filters?: Filter[]) =>
      (await ec2.send(new DescribeAddressesCommand(Filters ? { Filters } : {}))).Addresses?.length ?? 0;
    const ec2 = await aws.ec2();
    const [allowed, all, own] = await Promise.all([limit(aws, ELASTIC_IPS), count(ec2), count(ec2, tagFilters(site))]);
    return roomFinding("elastic-ips", "Elastic IPs", { allowed, all, own }, aws.region, ELASTIC_IPS);
  });
}

async function vpcsFinding(aws: Aws, site: Site): Promise<Finding> {
  return look("vpcs", aws.region, async () => {
    const { DescribeVpcsCommand } = sdk.ec2;
    const count = async (ec2: EC2Client, Filters?: Filter[]) =>
      (await ec2.send(new DescribeVpcsCommand(Filters ? { Filters } : {}))).Vpcs?.length ?? 0;
    const ec2 = await aws.ec2();
    const [allowed, all, own] = await Promise.all([limit(aws, VPCS), count(ec2), count(ec2, tagFilters(site))]);
    return roomFinding("vpcs", "VPCs", { allowed, all, own }, aws.region, VPCS);
  });
}

export interface Used {
  readonly allowed: number;
  readonly all: number;
  /** The site's own among them: it needs no other. */
  readonly own: number;
}

export function roomFinding(
  id: string,
  what: string,
  { allowed, all, own }: Used,
  region: string,
  quota: Quota,
): Finding {
  if (own > 0) return ok(id, `the site has its own among the ${all} ${what} of ${region}`);
  return all < allowed
    ? ok(id, `${all} of ${allowed} ${what} are in use in ${region}`)
    : attention(
        id,
        `All ${allowed} ${what} of ${region} are in use, and the site needs one.`,
        `Delete one that nobody needs, or ask for more: ${moreOf(quota, all + 1, region)}`,
      );
}

async function concurrencyFinding(aws: Aws, reserved: number): Promise<Finding> {
  return look("lambda-concurrency", aws.region, async () => {
    const { GetAccountSettingsCommand } = sdk.lambda;
    const lambda = await aws.lambda();
    const { AccountLimit } = await lambda.send(new GetAccountSettingsCommand({}));
    const { ConcurrentExecutions = 0, UnreservedConcurrentExecutions = 0 } = AccountLimit ?? {};
    return reservationFinding(reserved, ConcurrentExecutions, UnreservedConcurrentExecutions);
  });
}

export function reservationFinding(reserved: number, all: number, unreserved: number): Finding {
  const left = unreserved - reserved;
  return left >= Math.min(UNRESERVED_AT_LEAST, all)
    ? ok("lambda-concurrency", `${left} of ${all} concurrent runs of Lambdas are left to others`)
    : attention(
        "lambda-concurrency",
        `functions.reservedConcurrency: ${reserved} cannot be had: the account has ${all} concurrent runs of Lambdas, ${unreserved} of them not reserved.`,
        "Leave the setting out: nothing depends on it.",
      );
}

async function limit(aws: Aws, { service, code }: Quota): Promise<number> {
  const { GetServiceQuotaCommand } = sdk.quotas;
  const quotas = await aws.quotas();
  const { Quota } = await quotas.send(new GetServiceQuotaCommand({ ServiceCode: service, QuotaCode: code }));
  if (Quota?.Value === undefined) throw new Error(`Service Quotas knows no value of ${code}`);
  return Quota.Value;
}

function moreOf({ service, code }: Quota, value: number, region: string): string {
  return `aws service-quotas request-service-quota-increase --region ${region} --service-code ${service} --quota-code ${code} --desired-value ${value}`;
}
