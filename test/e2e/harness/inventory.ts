import { CloudWatchClient, DescribeAlarmsCommand, ListDashboardsCommand } from "@aws-sdk/client-cloudwatch";
import {
  CloudWatchLogsClient,
  DescribeLogGroupsCommand,
  DescribeQueryDefinitionsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import {
  DescribeAddressesCommand,
  DescribeInstancesCommand,
  DescribeInternetGatewaysCommand,
  DescribeLaunchTemplatesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  DescribeVpcEndpointsCommand,
  DescribeVpcsCommand,
  EC2Client,
} from "@aws-sdk/client-ec2";
import { EventBridgeClient, ListRulesCommand } from "@aws-sdk/client-eventbridge";
import { IAMClient, ListInstanceProfilesCommand, ListRolesCommand } from "@aws-sdk/client-iam";
import { LambdaClient, ListFunctionsCommand } from "@aws-sdk/client-lambda";
import { ListTopicsCommand, SNSClient } from "@aws-sdk/client-sns";
import { ListQueuesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { ListDocumentsCommand, paginateDescribeParameters, SSMClient } from "@aws-sdk/client-ssm";
import type { Json } from "../../support/synth";
import { type Moto, unseen } from "../emulator/moto";

const ACCOUNT = "123456789012";

/** What goes with another resource, and has no list of its own. */
const PARTS = new Set([
  "aws_route",
  "aws_route_table_association",
  "aws_vpc_security_group_egress_rule",
  "aws_vpc_security_group_ingress_rule",
  "aws_iam_role_policy",
  "aws_cloudwatch_event_target",
  "aws_lambda_permission",
  "aws_lambda_function_event_invoke_config",
  "aws_lambda_invocation",
  "aws_sqs_queue_policy",
  "aws_sns_topic_policy",
]);

type Ids = readonly (string | undefined)[] | undefined;

/** All that is there in a region, as `TYPE ID` in Terraform's words, sorted. Asked as nobody: it is in no log of requests. */
export async function inventory({ url }: Pick<Moto, "url">, region: string): Promise<string[]> {
  const as = unseen(url, region);
  const ec2 = new EC2Client(as);
  const events = new EventBridgeClient(as);
  const iam = new IAMClient(as);
  const lambda = new LambdaClient(as);
  const sns = new SNSClient(as);
  const sqs = new SQSClient(as);
  const ssm = new SSMClient(as);
  const cloudwatch = new CloudWatchClient(as);
  const logs = new CloudWatchLogsClient(as);
  const lists: Record<string, () => Promise<Ids>> = {
    aws_vpc: async () => (await ec2.send(new DescribeVpcsCommand())).Vpcs?.map(({ VpcId }) => VpcId),
    aws_subnet: async () => (await ec2.send(new DescribeSubnetsCommand())).Subnets?.map(({ SubnetId }) => SubnetId),
    aws_internet_gateway: async () =>
      (await ec2.send(new DescribeInternetGatewaysCommand())).InternetGateways?.map((one) => one.InternetGatewayId),
    aws_route_table: async () =>
      (await ec2.send(new DescribeRouteTablesCommand())).RouteTables?.map(({ RouteTableId }) => RouteTableId),
    aws_security_group: async () =>
      (await ec2.send(new DescribeSecurityGroupsCommand())).SecurityGroups?.map(({ GroupId }) => GroupId),
    aws_vpc_endpoint: async () =>
      (await ec2.send(new DescribeVpcEndpointsCommand())).VpcEndpoints?.filter(
        ({ State }) => String(State) !== "deleted",
      ).map(({ VpcEndpointId }) => VpcEndpointId),
    aws_eip: async () =>
      (await ec2.send(new DescribeAddressesCommand())).Addresses?.map(({ AllocationId }) => AllocationId),
    aws_launch_template: async () =>
      (await ec2.send(new DescribeLaunchTemplatesCommand())).LaunchTemplates?.map((one) => one.LaunchTemplateId),
    aws_instance: async () =>
      (await ec2.send(new DescribeInstancesCommand())).Reservations?.flatMap(({ Instances = [] }) => Instances)
        .filter(({ State }) => State?.Name !== "terminated")
        .map(({ InstanceId }) => InstanceId),
    aws_ebs_volume: async () => (await ec2.send(new DescribeVolumesCommand())).Volumes?.map(({ VolumeId }) => VolumeId),
    aws_network_interface: async () =>
      (await ec2.send(new DescribeNetworkInterfacesCommand())).NetworkInterfaces?.map((one) => one.NetworkInterfaceId),
    aws_iam_role: async () => (await iam.send(new ListRolesCommand())).Roles?.map(({ RoleName }) => RoleName),
    aws_iam_instance_profile: async () =>
      (await iam.send(new ListInstanceProfilesCommand())).InstanceProfiles?.map((one) => one.InstanceProfileName),
    aws_lambda_function: async () =>
      (await lambda.send(new ListFunctionsCommand())).Functions?.map(({ FunctionName }) => FunctionName),
    aws_cloudwatch_event_rule: async () => (await events.send(new ListRulesCommand())).Rules?.map(({ Name }) => Name),
    aws_sqs_queue: async () => (await sqs.send(new ListQueuesCommand())).QueueUrls,
    aws_ssm_parameter: async () => parametersOf(ssm),
    aws_ssm_document: async () =>
      (
        await ssm.send(new ListDocumentsCommand({ Filters: [{ Key: "Owner", Values: ["Self"] }] }))
      ).DocumentIdentifiers?.map(({ Name }) => Name),
    aws_cloudwatch_log_group: async () =>
      (await logs.send(new DescribeLogGroupsCommand())).logGroups?.map(({ logGroupName }) => logGroupName),
    aws_cloudwatch_metric_alarm: async () =>
      (await cloudwatch.send(new DescribeAlarmsCommand())).MetricAlarms?.map(({ AlarmName }) => AlarmName),
    aws_cloudwatch_dashboard: async () =>
      (await cloudwatch.send(new ListDashboardsCommand())).DashboardEntries?.map(({ DashboardName }) => DashboardName),
    aws_scheduler_schedule: () => schedulesOf(url, region),
    aws_sns_topic: async () => (await sns.send(new ListTopicsCommand())).Topics?.map(({ TopicArn }) => TopicArn),
    aws_sns_topic_subscription: () => subscriptionsOf(url, region),
    aws_cloudwatch_query_definition: async () =>
      (await logs.send(new DescribeQueryDefinitionsCommand())).queryDefinitions?.map((one) => one.queryDefinitionId),
    aws_budgets_budget: () => budgetsOf(url, region),
  };
  const found = await Promise.all(
    Object.entries(lists).map(async ([type, list]) => ((await list()) ?? []).map((id) => `${type} ${id}`)),
  );
  for (const client of [ec2, events, iam, lambda, sns, sqs, ssm, cloudwatch, logs]) client.destroy();
  return found.flat().sort();
}

/** Without AWS's own. */
async function parametersOf(client: SSMClient): Promise<string[]> {
  const names: string[] = [];
  for await (const { Parameters = [] } of paginateDescribeParameters({ client }, {})) {
    names.push(...Parameters.map(({ Name = "" }) => Name));
  }
  return names.filter((name) => !name.startsWith("/aws/"));
}

/** AWS does not tell the ARN of one that is not confirmed: the emulator does. */
async function subscriptionsOf(url: string, region: string): Promise<string[]> {
  const response = await fetch(`${url}/emulator/subscriptions`);
  const all = (await response.json()) as readonly { readonly arn: string }[];
  return all.map(({ arn }) => arn).filter((arn) => arn.split(":")[3] === region);
}

/** The project has no client of the services below. */
async function listOf(url: string, region: string, service: string, path: string, target?: string): Promise<Json> {
  const scope = `${unseen(url).credentials.accessKeyId}/20260101/${region}/${service}/aws4_request`;
  const signed = { authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0` };
  const asked = {
    method: "POST",
    headers: { ...signed, "content-type": "application/x-amz-json-1.1", "x-amz-target": target ?? "" },
    body: JSON.stringify({ AccountId: ACCOUNT }),
  };
  const response = await fetch(`${url}${path}`, target === undefined ? { headers: signed } : asked);
  const answer = await response.text();
  if (!response.ok) throw new Error(`${service} answers ${response.status}: ${answer}`);
  return JSON.parse(answer);
}

async function schedulesOf(url: string, region: string): Promise<string[]> {
  const { Schedules } = await listOf(url, region, "scheduler", "/schedules");
  return Schedules.map(({ GroupName, Name }: Json) => `${GroupName}/${Name}`);
}

/** An account's, wherever it is asked. */
async function budgetsOf(url: string, region: string): Promise<string[]> {
  const { Budgets } = await listOf(url, region, "budgets", "/", "AWSBudgetServiceGateway.DescribeBudgets");
  return Budgets.map(({ BudgetName }: Json) => `${ACCOUNT}:${BudgetName}`);
}

/** What Terraform has recorded at AWS in these states, in the same words, without what is only a part of something else. */
export function recordedIn(states: readonly Json[]): string[] {
  return states
    .flatMap(({ resources = [] }) => resources as Json[])
    .filter(({ mode, type }) => mode === "managed" && type.startsWith("aws_") && !PARTS.has(type))
    .flatMap(({ type, instances }) => (instances as Json[]).map(({ attributes }) => `${type} ${attributes.id}`))
    .sort();
}
