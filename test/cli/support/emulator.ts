import { CloudWatchClient, PutMetricAlarmCommand } from "@aws-sdk/client-cloudwatch";
import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  AssociateRouteTableCommand,
  AttachInternetGatewayCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateInternetGatewayCommand,
  CreateLaunchTemplateCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateTagsCommand,
  CreateVpcCommand,
  EC2Client,
  RunInstancesCommand,
} from "@aws-sdk/client-ec2";
import { EventBridgeClient, PutRuleCommand } from "@aws-sdk/client-eventbridge";
import { CreateRoleCommand, IAMClient } from "@aws-sdk/client-iam";
import { CreateFunctionCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { CreateTopicCommand, SNSClient } from "@aws-sdk/client-sns";
import { CreateQueueCommand, SQSClient } from "@aws-sdk/client-sqs";
import { CreateDocumentCommand, PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { documentsOf, siteNames, siteTags } from "../../../modules/names";
import { Moto, PATCHED } from "../../e2e/emulator/moto";

export const REGION = "ap-northeast-1";
export const STORE = "/stingy-vpn/prod";
const EMPTY_ZIP = Buffer.from(`504b0506${"00".repeat(18)}`, "hex");

export interface DeployedSite {
  readonly vpcId: string;
  readonly subnetIds: readonly string[];
  readonly routeTableId: string;
  readonly securityGroupId: string;
  readonly launchTemplateId: string;
  readonly allocationId: string;
  readonly address: string;
  readonly instanceId: string;
}

/** The AWS emulator that all of a run's tests share; each test starts with `reset`. */
export class Emulator {
  private static running: Promise<Emulator> | undefined;
  readonly ec2: EC2Client;
  readonly ssm: SSMClient;
  readonly lambda: LambdaClient;
  readonly events: EventBridgeClient;
  readonly sns: SNSClient;
  readonly sqs: SQSClient;
  readonly iam: IAMClient;
  readonly cloudwatch: CloudWatchClient;

  private constructor(readonly moto: Moto) {
    this.ec2 = new EC2Client(moto.sdk);
    this.ssm = new SSMClient(moto.sdk);
    this.lambda = new LambdaClient(moto.sdk);
    this.events = new EventBridgeClient(moto.sdk);
    this.sns = new SNSClient(moto.sdk);
    this.sqs = new SQSClient(moto.sdk);
    this.iam = new IAMClient(moto.sdk);
    this.cloudwatch = new CloudWatchClient(moto.sdk);
  }

  static async start(): Promise<Emulator> {
    Emulator.running ??= Moto.start(PATCHED).then((moto) => new Emulator(moto));
    return Emulator.running;
  }

  static async stop(): Promise<void> {
    const running = Emulator.running;
    Emulator.running = undefined;
    if (running) await (await running).moto.stop();
  }

  /** What leads the real command here. */
  get env(): Record<string, string> {
    return this.moto.env;
  }

  get url(): string {
    return this.moto.url;
  }

  async reset(): Promise<void> {
    await this.moto.reset();
  }

  async put(name: string, value: string, type: "String" | "SecureString" = "String"): Promise<void> {
    await this.ssm.send(
      new PutParameterCommand({ Name: `${STORE}/${name}`, Value: value, Type: type, Overwrite: true }),
    );
  }

  /** Nothing but the default site, with this key of its server in the store. */
  async freshSite(serverKey?: string): Promise<DeployedSite> {
    await this.reset();
    const site = await this.deploySite();
    if (serverKey !== undefined) await this.put("wireguard-private-key", serverKey, "SecureString");
    return site;
  }

  /** What `cdktf deploy` and a first launch leave behind for the default site, a serving server among it. */
  async deploySite(): Promise<DeployedSite> {
    const site = { environment: "prod", name: "tokyo" };
    const names = siteNames(site);
    const tags = (name: string = names.prefix) =>
      Object.entries({ ...siteTags(site), ManagedBy: "terraform", Name: name }).map(([Key, Value]) => ({ Key, Value }));
    const tagged = (type: string, name?: string) => [{ ResourceType: type as "vpc", Tags: tags(name) }];
    const { Vpc } = await this.ec2.send(
      new CreateVpcCommand({ CidrBlock: "10.0.0.0/16", TagSpecifications: tagged("vpc") }),
    );
    const VpcId = Vpc?.VpcId ?? "";
    const { InternetGateway } = await this.ec2.send(
      new CreateInternetGatewayCommand({ TagSpecifications: tagged("internet-gateway") }),
    );
    const GatewayId = InternetGateway?.InternetGatewayId ?? "";
    await this.ec2.send(new AttachInternetGatewayCommand({ VpcId, InternetGatewayId: GatewayId }));
    const { RouteTable } = await this.ec2.send(
      new CreateRouteTableCommand({ VpcId, TagSpecifications: tagged("route-table") }),
    );
    const RouteTableId = RouteTable?.RouteTableId ?? "";
    await this.ec2.send(new CreateRouteCommand({ RouteTableId, GatewayId, DestinationCidrBlock: "0.0.0.0/0" }));
    const subnetIds: string[] = [];
    for (const [index, zone] of ["a", "c"].entries()) {
      const { Subnet } = await this.ec2.send(
        new CreateSubnetCommand({
          VpcId,
          CidrBlock: `10.0.${index + 1}.0/24`,
          AvailabilityZone: `${REGION}${zone}`,
          TagSpecifications: tagged("subnet"),
        }),
      );
      const SubnetId = Subnet?.SubnetId ?? "";
      subnetIds.push(SubnetId);
      await this.ec2.send(new AssociateRouteTableCommand({ SubnetId, RouteTableId }));
    }
    const { GroupId = "" } = await this.ec2.send(
      new CreateSecurityGroupCommand({
        VpcId,
        GroupName: `${names.prefix}-server`,
        Description: "WireGuard server",
        TagSpecifications: tagged("security-group", `${names.prefix}-server`),
      }),
    );
    await this.ec2.send(
      new AuthorizeSecurityGroupIngressCommand({
        GroupId,
        IpPermissions: [{ IpProtocol: "udp", FromPort: 51820, ToPort: 51820, IpRanges: [{ CidrIp: "0.0.0.0/0" }] }],
      }),
    );
    const { LaunchTemplate } = await this.ec2.send(
      new CreateLaunchTemplateCommand({
        LaunchTemplateName: names.prefix,
        LaunchTemplateData: {
          ImageId: "ami-12345678901234567",
          InstanceType: "t4g.nano",
          TagSpecifications: [{ ResourceType: "instance", Tags: tags() }],
        },
        TagSpecifications: tagged("launch-template"),
      }),
    );
    const LaunchTemplateId = LaunchTemplate?.LaunchTemplateId ?? "";
    const { AllocationId = "", PublicIp = "" } = await this.ec2.send(
      new AllocateAddressCommand({ Domain: "vpc", TagSpecifications: tagged("elastic-ip") }),
    );
    const { Instances = [] } = await this.ec2.send(
      new RunInstancesCommand({
        LaunchTemplate: { LaunchTemplateId, Version: "1" },
        InstanceMarketOptions: { MarketType: "spot" },
        SubnetId: subnetIds[0],
        SecurityGroupIds: [GroupId],
        MinCount: 1,
        MaxCount: 1,
      }),
    );
    const InstanceId = Instances[0]?.InstanceId ?? "";
    await this.ec2.send(
      new CreateTagsCommand({ Resources: [InstanceId], Tags: [...tags(), { Key: "state", Value: "serving" }] }),
    );
    await this.ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId }));
    await this.put("instance-id", InstanceId);
    await this.put("desired-state", "running");
    await this.put("launches", "none");
    const { Role } = await this.iam
      .send(new CreateRoleCommand({ RoleName: names.controller, AssumeRolePolicyDocument: "{}" }))
      .catch(() => ({ Role: { Arn: `arn:aws:iam::123456789012:role/${names.controller}` } }));
    await this.lambda.send(
      new CreateFunctionCommand({
        FunctionName: names.controller,
        Role: Role?.Arn,
        Runtime: "nodejs22.x",
        Handler: "index.handler",
        Code: { ZipFile: EMPTY_ZIP },
      }),
    );
    for (const [rule, Name] of Object.entries(names.rules)) {
      await this.events.send(
        new PutRuleCommand({
          Name,
          State: rule === "pending-tick" ? "DISABLED" : "ENABLED",
          ...(rule.endsWith("tick") ? { ScheduleExpression: "rate(5 minutes)" } : { EventPattern: '{"source":["x"]}' }),
        }),
      );
    }
    await this.sqs.send(new CreateQueueCommand({ QueueName: names.deadLetterQueue }));
    await this.sns.send(new CreateTopicCommand({ Name: names.alertTopic }));
    await this.cloudwatch.send(
      new PutMetricAlarmCommand({
        AlarmName: `${names.prefix}-needs-person`,
        AlarmDescription: "A person is needed. What to do: docs/runbook.md#needs-person",
        ComparisonOperator: "GreaterThanThreshold",
        EvaluationPeriods: 1,
        Namespace: "StingyVPN",
        MetricName: "Problems",
        Period: 300,
        Statistic: "Sum",
        Threshold: 0,
      }),
    );
    for (const Name of documentsOf(names)) {
      await this.ssm.send(
        new CreateDocumentCommand({
          Name,
          DocumentType: "Command",
          DocumentFormat: "JSON",
          Content: JSON.stringify({
            schemaVersion: "2.2",
            mainSteps: [{ action: "aws:runShellScript", name: "x", inputs: { runCommand: ["true"] } }],
          }),
        }),
      );
    }
    return {
      vpcId: VpcId,
      subnetIds,
      routeTableId: RouteTableId,
      securityGroupId: GroupId,
      launchTemplateId: LaunchTemplateId,
      allocationId: AllocationId,
      address: PublicIp,
      instanceId: InstanceId,
    };
  }
}
