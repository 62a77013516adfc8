import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  AttachInternetGatewayCommand,
  CreateFleetCommand,
  CreateInternetGatewayCommand,
  CreateLaunchTemplateCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DeleteSecurityGroupCommand,
  DeleteSubnetCommand,
  DescribeAddressesCommand,
  DescribeInstanceAttributeCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplateVersionsCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  DescribeVpcsCommand,
  DetachInternetGatewayCommand,
  EC2Client,
  type Instance,
  ModifySubnetAttributeCommand,
  type RequestLaunchTemplateData,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  type Tag,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from "@aws-sdk/client-eventbridge";
import { CreateInstanceProfileCommand, IAMClient } from "@aws-sdk/client-iam";
import { GetServiceQuotaCommand, ServiceQuotasClient } from "@aws-sdk/client-service-quotas";
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import {
  CreateDocumentCommand,
  DeleteParameterCommand,
  GetCommandInvocationCommand,
  GetParameterCommand,
  PutParameterCommand,
  SendCommandCommand,
  SSMClient,
} from "@aws-sdk/client-ssm";
import { expect } from "chai";
import { Moto, PATCHED } from "./emulator/moto";

const ZONE = "ap-northeast-1a";
const OTHER_ZONE = "ap-northeast-1c";
const IMAGE = "/images/newest";

interface Network {
  readonly vpcId: string;
  readonly subnetId: string;
  readonly otherSubnetId: string;
  readonly groupId: string;
}

/** An account on one of the two emulators. */
class Account {
  readonly ec2: EC2Client;
  readonly ssm: SSMClient;
  readonly sqs: SQSClient;
  readonly events: EventBridgeClient;
  readonly iam: IAMClient;
  readonly quotas: ServiceQuotasClient;
  private names = 0;
  private shared: Promise<Network> | undefined;

  constructor(
    private readonly moto: Moto,
    private readonly stock: boolean,
  ) {
    const settings = { ...moto.sdk, maxAttempts: 1 };
    this.ec2 = new EC2Client(settings);
    this.ssm = new SSMClient(settings);
    this.sqs = new SQSClient(settings);
    this.events = new EventBridgeClient(settings);
    this.iam = new IAMClient(settings);
    this.quotas = new ServiceQuotasClient(settings);
  }

  name(): string {
    this.names += 1;
    return `name-${this.names}`;
  }

  /** moto itself cannot be told anything: it does what it does without. */
  async told(thing: string, given: object): Promise<void> {
    if (!this.stock) await this.moto.control("POST", thing, given);
  }

  /** One for all promises that leave it as it is. */
  network(): Promise<Network> {
    this.shared ??= this.newNetwork();
    return this.shared;
  }

  async newNetwork(): Promise<Network> {
    const { Vpc } = await this.ec2.send(
      new CreateVpcCommand({ CidrBlock: "10.0.0.0/16", AmazonProvidedIpv6CidrBlock: true }),
    );
    const VpcId = Vpc?.VpcId ?? "";
    const { Vpcs } = await this.ec2.send(new DescribeVpcsCommand({ VpcIds: [VpcId] }));
    const range = Vpcs?.[0]?.Ipv6CidrBlockAssociationSet?.[0]?.Ipv6CidrBlock ?? "";
    const subnetIds: string[] = [];
    for (const [number, AvailabilityZone] of [ZONE, OTHER_ZONE].entries()) {
      const { Subnet } = await this.ec2.send(
        new CreateSubnetCommand({
          VpcId,
          CidrBlock: `10.0.${number}.0/24`,
          Ipv6CidrBlock: range.replace("00::/56", `0${number}::/64`),
          AvailabilityZone,
        }),
      );
      const SubnetId = Subnet?.SubnetId ?? "";
      for (const attribute of ["MapPublicIpOnLaunch", "AssignIpv6AddressOnCreation"]) {
        await this.ec2.send(new ModifySubnetAttributeCommand({ SubnetId, [attribute]: { Value: true } }));
      }
      subnetIds.push(SubnetId);
    }
    const { GroupId = "" } = await this.ec2.send(
      new CreateSecurityGroupCommand({ VpcId, GroupName: this.name(), Description: "server" }),
    );
    return { vpcId: VpcId, subnetId: subnetIds[0] ?? "", otherSubnetId: subnetIds[1] ?? "", groupId: GroupId };
  }

  /** A launch template like the product's. */
  async template(network: Network): Promise<string> {
    const name = this.name();
    const { InstanceProfile } = await this.iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: name }));
    await this.ssm.send(new PutParameterCommand({ Name: IMAGE, Value: "ami-1", Type: "String", Overwrite: true }));
    const LaunchTemplateData: RequestLaunchTemplateData = {
      ImageId: `resolve:ssm:${IMAGE}`,
      InstanceType: "t4g.nano",
      IamInstanceProfile: { Arn: InstanceProfile?.Arn },
      SecurityGroupIds: [network.groupId],
      MetadataOptions: { HttpTokens: "required" },
      InstanceInitiatedShutdownBehavior: "terminate",
      UserData: Buffer.from("#cloud-config").toString("base64"),
      BlockDeviceMappings: [
        { DeviceName: "/dev/xvda", Ebs: { VolumeSize: 8, Encrypted: true, DeleteOnTermination: true } },
      ],
      TagSpecifications: (["instance", "volume", "network-interface"] as const).map((ResourceType) => ({
        ResourceType,
        Tags: [{ Key: "Site", Value: "tokyo" }],
      })),
    };
    const { LaunchTemplate } = await this.ec2.send(
      new CreateLaunchTemplateCommand({
        LaunchTemplateName: name,
        LaunchTemplateData,
        TagSpecifications: [{ ResourceType: "launch-template", Tags: [{ Key: "Site", Value: "tokyo" }] }],
      }),
    );
    return LaunchTemplate?.LaunchTemplateId ?? "";
  }

  async run(input: Partial<RunInstancesCommandInput>): Promise<string> {
    const { Instances } = await this.ec2.send(new RunInstancesCommand({ MinCount: 1, MaxCount: 1, ...input }));
    return Instances?.[0]?.InstanceId ?? "";
  }

  async fleet(LaunchTemplateId: string, network: Network, ClientToken?: string) {
    const Overrides = [network.subnetId, network.otherSubnetId].map((SubnetId) => ({
      SubnetId,
      InstanceType: "t4g.nano" as const,
    }));
    return this.ec2.send(
      new CreateFleetCommand({
        Type: "instant",
        ...(ClientToken === undefined ? {} : { ClientToken }),
        TargetCapacitySpecification: { TotalTargetCapacity: 1, DefaultTargetCapacityType: "spot" },
        LaunchTemplateConfigs: [{ LaunchTemplateSpecification: { LaunchTemplateId, Version: "1" }, Overrides }],
      }),
    );
  }

  async instance(id: string): Promise<Instance> {
    const { Reservations } = await this.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
    const instance = Reservations?.[0]?.Instances?.[0];
    if (!instance) throw new Error(`there is no instance ${id}`);
    return instance;
  }

  async address(InstanceId: string) {
    const { AllocationId = "", PublicIp = "" } = await this.ec2.send(new AllocateAddressCommand({ Domain: "vpc" }));
    await this.ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId }));
    return { AllocationId, PublicIp };
  }

  /** What arrives in a queue from now on, of a kind of event. */
  async listener(source: string): Promise<() => Promise<Record<string, string>[]>> {
    const name = this.name();
    const { QueueUrl } = await this.sqs.send(new CreateQueueCommand({ QueueName: name }));
    await this.events.send(new PutRuleCommand({ Name: name, EventPattern: JSON.stringify({ source: [source] }) }));
    const Arn = `arn:aws:sqs:ap-northeast-1:123456789012:${name}`;
    await this.events.send(new PutTargetsCommand({ Rule: name, Targets: [{ Id: "queue", Arn }] }));
    return async () => {
      const { Messages = [] } = await this.sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
      return Messages.map(({ Body = "{}" }) => JSON.parse(Body).detail);
    };
  }

  async image(name: string, region: string): Promise<boolean> {
    const ssm = new SSMClient({ ...this.moto.sdk, region, maxAttempts: 1 });
    const { Parameter } = await ssm.send(new GetParameterCommand({ Name: name }));
    return /^ami-[0-9a-f]{17}$/.test(Parameter?.Value ?? "");
  }

  /** A server that is told to run a document. */
  async command(InstanceId: string, DocumentName: string) {
    const { Command } = await this.ssm.send(new SendCommandCommand({ InstanceIds: [InstanceId], DocumentName }));
    return () => this.ssm.send(new GetCommandInvocationCommand({ CommandId: Command?.CommandId, InstanceId }));
  }

  async document(): Promise<string> {
    const Name = this.name();
    const mainSteps = [{ action: "aws:runShellScript", name: "x", inputs: { runCommand: ["true"] } }];
    const Content = JSON.stringify({ schemaVersion: "2.2", mainSteps });
    await this.ssm.send(new CreateDocumentCommand({ Name, DocumentType: "Command", DocumentFormat: "JSON", Content }));
    return Name;
  }
}

/** The code with which something is refused, or nothing. */
async function refusal(request: Promise<unknown>): Promise<string | undefined> {
  try {
    await request;
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

const tagged = (tags: readonly Tag[] | undefined, key: string) => tags?.find(({ Key }) => Key === key)?.Value;
const terminate = (aws: Account, id: string) => aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));

/** By gap: what AWS does, one by one. moto does none of it. */
const PROMISES: Readonly<Record<string, readonly [promise: string, seen: (aws: Account) => Promise<boolean[]>]>> = {
  the_clock_can_be_set: [
    "launches and parameters carry the time of the emulator's clock",
    async (aws) => {
      const { subnetId } = await aws.network();
      await aws.told("clock", { set: 7200 });
      const { LaunchTime } = await aws.instance(await aws.run({ ImageId: "ami-1", SubnetId: subnetId }));
      const Name = aws.name();
      await aws.ssm.send(new PutParameterCommand({ Name, Value: "x", Type: "String" }));
      const { Parameter } = await aws.ssm.send(new GetParameterCommand({ Name }));
      await aws.told("clock", { set: 0 });
      const later = (time: Date | undefined) => (time?.getTime() ?? 0) > Date.now() + 7_000_000;
      return [later(LaunchTime), later(Parameter?.LastModifiedDate)];
    },
  ],
  subnets_have_their_ipv6_range: [
    "a subnet's IPv6 range is associated",
    async (aws) => {
      const { subnetId } = await aws.network();
      const { Subnets } = await aws.ec2.send(new DescribeSubnetsCommand({ SubnetIds: [subnetId] }));
      return [Subnets?.[0]?.Ipv6CidrBlockAssociationSet?.[0]?.Ipv6CidrBlockState?.State === "associated"];
    },
  ],
  images_are_resolved: [
    "an instance's image is the one that the parameter names",
    async (aws) => {
      const network = await aws.network();
      const LaunchTemplateId = await aws.template(network);
      const id = await aws.run({ LaunchTemplate: { LaunchTemplateId }, SubnetId: network.subnetId });
      return [(await aws.instance(id)).ImageId === "ami-1"];
    },
  ],
  templates_that_are_gone_are_refused: [
    "a launch from a template that is gone is refused",
    async (aws) => {
      const LaunchTemplate = { LaunchTemplateId: "lt-0123456789abcdef0" };
      return [(await refusal(aws.run({ LaunchTemplate }))) === "InvalidLaunchTemplateId.NotFound"];
    },
  ],
  launches_follow_the_template: [
    "a launch takes profile, metadata options, shutdown behaviour, volumes and all tags from the template",
    async (aws) => {
      const network = await aws.network();
      const LaunchTemplateId = await aws.template(network);
      const id = await aws.run({ LaunchTemplate: { LaunchTemplateId }, SubnetId: network.subnetId });
      const { IamInstanceProfile, MetadataOptions, BlockDeviceMappings } = await aws.instance(id);
      const { InstanceInitiatedShutdownBehavior } = await aws.ec2.send(
        new DescribeInstanceAttributeCommand({ InstanceId: id, Attribute: "instanceInitiatedShutdownBehavior" }),
      );
      const VolumeIds = [BlockDeviceMappings?.[0]?.Ebs?.VolumeId ?? ""];
      const { Volumes } = await aws.ec2.send(new DescribeVolumesCommand({ VolumeIds }));
      const { NetworkInterfaces } = await aws.ec2.send(
        new DescribeNetworkInterfacesCommand({ Filters: [{ Name: "attachment.instance-id", Values: [id] }] }),
      );
      return [
        IamInstanceProfile?.Arn?.includes(":instance-profile/") === true,
        MetadataOptions?.HttpTokens === "required",
        InstanceInitiatedShutdownBehavior?.Value === "terminate",
        BlockDeviceMappings?.map(({ DeviceName }) => DeviceName).join() === "/dev/xvda",
        tagged(Volumes?.[0]?.Tags, "Site") === "tokyo",
        tagged(NetworkInterfaces?.[0]?.TagSet, "Site") === "tokyo",
      ];
    },
  ],
  subnets_give_ipv6_addresses: [
    "an instance gets an IPv6 address where its subnet assigns them",
    async (aws) => {
      const { subnetId } = await aws.network();
      const { NetworkInterfaces } = await aws.instance(await aws.run({ ImageId: "ami-1", SubnetId: subnetId }));
      return [NetworkInterfaces?.[0]?.Ipv6Addresses?.[0]?.Ipv6Address?.includes(":") === true];
    },
  ],
  machines_run_out: [
    "a zone may have no machine: a launch there is refused, and a fleet goes elsewhere and says so",
    async (aws) => {
      const network = await aws.network();
      const template = await aws.template(network);
      await aws.told("capacity", { zone: ZONE, type: "t4g.nano" });
      const run = aws.run({ ImageId: "ami-1", InstanceType: "t4g.nano", SubnetId: network.subnetId });
      const refused = await refusal(run);
      const { Instances, Errors } = await aws.fleet(template, network);
      await aws.told("calm", {});
      const { SubnetId } = await aws.instance(Instances?.[0]?.InstanceIds?.[0] ?? "");
      return [
        refused === "InsufficientInstanceCapacity",
        SubnetId === network.otherSubnetId,
        Errors?.[0]?.ErrorCode === "InsufficientInstanceCapacity",
      ];
    },
  ],
  instances_say_what_becomes_of_them: [
    "every state of an instance is an event",
    async (aws) => {
      const { subnetId } = await aws.network();
      const heard = await aws.listener("aws.ec2");
      const id = await aws.run({ ImageId: "ami-1", SubnetId: subnetId });
      await terminate(aws, id);
      const states = (await heard()).filter((detail) => detail["instance-id"] === id).map(({ state }) => state);
      return ["pending", "running", "shutting-down", "terminated"].map((state, index) => states[index] === state);
    },
  ],
  fleets_launch_from_the_template: [
    "a fleet's machine is the template's: profile and security group, and it says which template and fleet",
    async (aws) => {
      const network = await aws.network();
      const template = await aws.template(network);
      const { FleetId, Instances } = await aws.fleet(template, network);
      const instance = await aws.instance(Instances?.[0]?.InstanceIds?.[0] ?? "");
      return [
        instance.IamInstanceProfile?.Arn?.includes(":instance-profile/") === true,
        instance.SecurityGroups?.map(({ GroupId }) => GroupId).join() === network.groupId,
        instance.PublicIpAddress !== undefined,
        tagged(instance.Tags, "aws:ec2launchtemplate:id") === template,
        tagged(instance.Tags, "aws:ec2launchtemplate:version") === "1",
        tagged(instance.Tags, "aws:ec2:fleet-id") === FleetId,
      ];
    },
  ],
  launches_are_idempotent: [
    "the same token finds the same machine, and another request with it is refused",
    async (aws) => {
      const network = await aws.network();
      const template = await aws.template(network);
      const fleet = async () => (await aws.fleet(template, network, "fleet")).Instances?.[0]?.InstanceIds?.[0];
      const run = (SubnetId: string) => aws.run({ ImageId: "ami-1", SubnetId, ClientToken: "run" });
      return [
        new Set([await fleet(), await fleet()]).size === 1,
        new Set([await run(network.subnetId), await run(network.subnetId)]).size === 1,
        (await refusal(run(network.otherSubnetId))) === "IdempotentParameterMismatch",
      ];
    },
  ],
  addresses_leave_their_old_holder: [
    "a reassociated address leaves the instance that had it, which gets another",
    async (aws) => {
      const { subnetId } = await aws.network();
      const old = await aws.run({ ImageId: "ami-1", SubnetId: subnetId });
      const next = await aws.run({ ImageId: "ami-1", SubnetId: subnetId });
      const { AllocationId, PublicIp } = await aws.address(old);
      await aws.ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId: next, AllowReassociation: true }));
      const { PublicIpAddress } = await aws.instance(old);
      return [PublicIpAddress !== undefined && PublicIpAddress !== PublicIp];
    },
  ],
  terminated_instances_let_go: [
    "an instance that has ended has no Elastic IP and no network interface",
    async (aws) => {
      const { subnetId } = await aws.newNetwork();
      const id = await aws.run({ ImageId: "ami-1", SubnetId: subnetId });
      const { AllocationId } = await aws.address(id);
      await terminate(aws, id);
      const { Addresses } = await aws.ec2.send(new DescribeAddressesCommand({ AllocationIds: [AllocationId] }));
      const { NetworkInterfaces } = await aws.ec2.send(
        new DescribeNetworkInterfacesCommand({ Filters: [{ Name: "subnet-id", Values: [subnetId] }] }),
      );
      return [!Addresses?.[0]?.AssociationId, NetworkInterfaces?.length === 0];
    },
  ],
  terminated_instances_are_forgotten: [
    "an instance that has ended is described for an hour, and then no more",
    async (aws) => {
      const id = await aws.run({ ImageId: "ami-1" });
      const ids = async () => {
        const { Reservations = [] } = await aws.ec2.send(new DescribeInstancesCommand({}));
        return Reservations.flatMap(({ Instances = [] }) => Instances).map(({ InstanceId }) => InstanceId);
      };
      await terminate(aws, id);
      await aws.told("clock", { advance: 3500 });
      if (!(await ids()).includes(id)) throw new Error("it is forgotten too soon");
      await aws.told("clock", { advance: 200 });
      return [!(await ids()).includes(id)];
    },
  ],
  what_is_in_use_is_not_deleted: [
    "subnet, security group and gateway of a living instance cannot be taken away",
    async (aws) => {
      const { vpcId, subnetId, groupId } = await aws.newNetwork();
      const { InternetGateway } = await aws.ec2.send(new CreateInternetGatewayCommand({}));
      const gateway = { InternetGatewayId: InternetGateway?.InternetGatewayId, VpcId: vpcId };
      await aws.ec2.send(new AttachInternetGatewayCommand(gateway));
      await aws.run({ ImageId: "ami-1", SubnetId: subnetId, SecurityGroupIds: [groupId] });
      const refusals = [
        await refusal(aws.ec2.send(new DetachInternetGatewayCommand(gateway))),
        await refusal(aws.ec2.send(new DeleteSecurityGroupCommand({ GroupId: groupId }))),
        await refusal(aws.ec2.send(new DeleteSubnetCommand({ SubnetId: subnetId }))),
      ];
      return refusals.map((name) => name === "DependencyViolation");
    },
  ],
  ec2_has_quotas: [
    "a new account has its quotas, and another can have other ones",
    async (aws) => {
      const asked = new GetServiceQuotaCommand({ ServiceCode: "ec2", QuotaCode: "L-34B43A08" });
      const quota = () =>
        aws.quotas.send(asked).then(
          ({ Quota }) => Quota?.Value,
          () => undefined,
        );
      const first = await quota();
      await aws.told("quotas", { "L-34B43A08": 64 });
      return [first === 5, (await quota()) === 64];
    },
  ],
  parameters_have_a_length: [
    "a standard parameter takes no more than 4,096 characters",
    async (aws) => {
      const put = (length: number) =>
        aws.ssm.send(new PutParameterCommand({ Name: aws.name(), Value: "x".repeat(length), Type: "String" }));
      await put(4096);
      return [(await refusal(put(4097))) === "ValidationException"];
    },
  ],
  parameters_say_what_becomes_of_them: [
    "every change of a parameter is an event",
    async (aws) => {
      const heard = await aws.listener("aws.ssm");
      const Name = `/${aws.name()}`;
      const put = () => aws.ssm.send(new PutParameterCommand({ Name, Value: "x", Type: "String", Overwrite: true }));
      await put();
      await put();
      await aws.ssm.send(new DeleteParameterCommand({ Name }));
      const operations = (await heard()).filter(({ name }) => name === Name).map(({ operation }) => operation);
      return ["Create", "Update", "Delete"].map((operation, index) => operations[index] === operation);
    },
  ],
  systems_have_images_everywhere: [
    "there is a newest image of every system in every region",
    async (aws) => {
      const found = [
        aws.image("/aws/service/debian/release/13/latest/arm64", "ap-northeast-1"),
        aws.image("/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id", "eu-west-1"),
        aws.image("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.12-arm64", "ap-southeast-7"),
      ];
      return Promise.all(found.map((image) => image.catch(() => false)));
    },
  ],
  commands_reach_running_servers: [
    "a command to a server that has ended is refused",
    async (aws) => {
      const { subnetId } = await aws.network();
      const id = await aws.run({ ImageId: "ami-1", SubnetId: subnetId });
      await terminate(aws, id);
      return [(await refusal(aws.command(id, await aws.document()))) === "InvalidInstanceId"];
    },
  ],
  commands_are_answered: [
    "a server that is told to run a document prints, and fails, and takes its time",
    async (aws) => {
      const { subnetId } = await aws.network();
      const id = await aws.run({ ImageId: "ami-1", SubnetId: subnetId });
      const said = await aws.document();
      await aws.told("answers", { document: said, output: "hello", status: "Failed" });
      const failed = await (await aws.command(id, said))();
      await aws.told("servers", { instance: id });
      const slow = await (await aws.command(id, await aws.document()))();
      return [failed.StandardOutputContent === "hello", failed.Status === "Failed", slow.Status === "InProgress"];
    },
  ],
  templates_leave_their_own_tags_out: [
    "a launch template's own tags are not its instances'",
    async (aws) => {
      const LaunchTemplateId = await aws.template(await aws.network());
      const { LaunchTemplateVersions } = await aws.ec2.send(
        new DescribeLaunchTemplateVersionsCommand({ LaunchTemplateId }),
      );
      const specifications = LaunchTemplateVersions?.[0]?.LaunchTemplateData?.TagSpecifications ?? [];
      const types = specifications.map(({ ResourceType }) => ResourceType);
      return [types.join() === "instance,volume,network-interface"];
    },
  ],
  queues_keep_their_policy: [
    "a queue keeps its policy when something else of it changes",
    async (aws) => {
      const { QueueUrl } = await aws.sqs.send(new CreateQueueCommand({ QueueName: aws.name() }));
      const Statement = [{ Effect: "Allow", Principal: "*", Action: "sqs:SendMessage", Resource: "*" }];
      const Policy = JSON.stringify({ Version: "2012-10-17", Statement });
      const set = (Attributes: Record<string, string>) =>
        aws.sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes }));
      await set({ Policy });
      await set({ VisibilityTimeout: "60" });
      const { Attributes } = await aws.sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["Policy"] }),
      );
      return [JSON.parse(Attributes?.Policy ?? "{}").Statement?.[0]?.Action === "sqs:SendMessage"];
    },
  ],
};

describe("the gaps of moto", () => {
  const running: Moto[] = [];
  let stock: Account;
  let ours: Account;

  before(async () => {
    const [first, second] = await Promise.all([Moto.start(), Moto.start(PATCHED)]);
    running.push(first, second);
    stock = new Account(first, true);
    ours = new Account(second, false);
  });

  after(() => Promise.all(running.map((moto) => moto.stop())));

  it("are each closed for a reason, and each looked at here", async () => {
    const gaps = await running[1]?.control<{ name: string; module: string; reason: string }[]>("GET", "gaps");
    const mine = (gaps ?? []).filter(({ module }) => ["machines", "store", "terraform"].includes(module));
    expect(mine.map(({ name }) => name)).to.have.members(Object.keys(PROMISES));
    expect(mine.filter(({ reason }) => !/^[A-Z].{20,}\.$/.test(reason))).to.deep.equal([]);
  });

  for (const [gap, [promise, seen]] of Object.entries(PROMISES)) {
    it(`closed: ${promise}`, async () => {
      const result = await seen(ours);
      expect(result).to.deep.equal(result.map(() => true));
    });

    it(`still open in moto itself, or ${gap} may go: ${promise}`, async () => {
      const result = await seen(stock);
      expect(result).to.deep.equal(result.map(() => false));
    });
  }
});
