import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DescribeInstancesCommand,
  EC2Client,
  type Instance,
  ModifySubnetAttributeCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { DeleteParameterCommand, PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { expect } from "chai";
import { createHandler } from "../../assets/lambda/ddns-updater";
import { createLog } from "../../assets/lambda/shared/log";
import { createMetrics } from "../../assets/lambda/shared/metrics";
import { failure } from "../assets/lambda/fake-aws";
import { FakeCloudflare, NO_SUCH_RECORD, throttled } from "../assets/lambda/fake-cloudflare";
import { Moto } from "../e2e/emulator/moto";

const TOKEN = "cf-token-0123456789";
const NAME = "vpn.example.com";
const STORE = "/stingy-vpn/prod";
const A = { id: "record-4", name: NAME, type: "A", content: "192.0.2.1" };
const AAAA = { id: "record-6", name: NAME, type: "AAAA", content: "100::" };

describe("ddns-updater on the AWS emulator", () => {
  const cloudflare = new FakeCloudflare();
  const saved = { ...process.env };
  let moto: Moto | undefined;
  let ec2: EC2Client;
  let ssm: SSMClient;
  let lines: string[];

  before(async () => {
    await cloudflare.start();
    moto = await Moto.start();
    ec2 = new EC2Client(moto.sdk);
    ssm = new SSMClient(moto.sdk);
    // What Lambda gives to a function: the handler's own clients find everything there.
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: moto.url,
      AWS_REGION: "ap-northeast-1",
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
    });
  });

  after(async () => {
    for (const name of Object.keys(process.env)) delete process.env[name];
    Object.assign(process.env, saved);
    await cloudflare.stop();
    await moto?.stop();
  });

  beforeEach(async () => {
    lines = [];
    await moto?.reset();
    cloudflare.reset(TOKEN, A, AAAA);
    await put("cloudflare-token", TOKEN, "SecureString");
  });

  async function put(name: string, Value: string, Type: "String" | "SecureString" = "String"): Promise<void> {
    await ssm.send(new PutParameterCommand({ Name: `${STORE}/${name}`, Value, Type, Overwrite: true }));
  }

  async function launchServer(): Promise<Instance> {
    const { Vpc } = await ec2.send(
      new CreateVpcCommand({ CidrBlock: "10.0.0.0/16", AmazonProvidedIpv6CidrBlock: true }),
    );
    const range = Vpc?.Ipv6CidrBlockAssociationSet?.[0]?.Ipv6CidrBlock?.replace("/56", "/64");
    const { Subnet } = await ec2.send(
      new CreateSubnetCommand({ VpcId: Vpc?.VpcId, CidrBlock: "10.0.1.0/24", Ipv6CidrBlock: range }),
    );
    const SubnetId = Subnet?.SubnetId;
    await ec2.send(new ModifySubnetAttributeCommand({ SubnetId, MapPublicIpOnLaunch: { Value: true } }));
    const { Instances } = await ec2.send(
      new RunInstancesCommand({
        ImageId: "ami-12345678",
        InstanceType: "t4g.nano",
        MinCount: 1,
        MaxCount: 1,
        SubnetId,
        Ipv6AddressCount: 1,
      }),
    );
    const InstanceIds = [Instances?.[0]?.InstanceId ?? ""];
    const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds }));
    const server = Reservations?.[0]?.Instances?.[0];
    if (!server?.InstanceId) throw new Error("moto launched nothing");
    await put("instance-id", server.InstanceId);
    return server;
  }

  function run(variables: Record<string, string> = {}) {
    const environment = {
      SITE: "tokyo",
      ENVIRONMENT: "prod",
      STORE_PREFIX: STORE,
      CLOUDFLARE_ZONE_ID: cloudflare.zoneId,
      CLOUDFLARE_BASE_URL: cloudflare.url,
      DNS_NAME: NAME,
      DNS_RECORDS: "A,AAAA",
      CLOUDFLARE_RECORD_ID: A.id,
      CLOUDFLARE_RECORD_ID_V6: AAAA.id,
      LOG_LEVEL: "debug",
      ...variables,
    };
    const write = (line: string) => lines.push(line);
    return createHandler(environment, { log: createLog("debug", write), metrics: createMetrics({}, write) })();
  }

  it("writes the server's two addresses, and at the second run nothing", async () => {
    const server = await launchServer();
    const ipv6 = server.NetworkInterfaces?.[0]?.Ipv6Addresses?.[0]?.Ipv6Address;
    expect([server.PublicIpAddress, ipv6]).to.not.include(undefined);
    const results = (outcome: string) => ({
      results: [
        { type: "A", name: NAME, content: server.PublicIpAddress, outcome },
        { type: "AAAA", name: NAME, content: ipv6, outcome },
      ],
    });
    expect(await run()).to.deep.equal(results("updated"));
    expect([cloudflare.content("record-4"), cloudflare.content("record-6")]).to.deep.equal([
      server.PublicIpAddress,
      ipv6,
    ]);
    cloudflare.calls.length = 0;
    expect(await run()).to.deep.equal(results("unchanged"));
    expect(cloudflare.operations.filter((operation) => !operation.startsWith("GET"))).to.deep.equal([]);
    expect(lines.join("")).to.not.include(TOKEN);
  });

  it("writes the Elastic IP, whatever address the server shows", async () => {
    const { InstanceId } = await launchServer();
    const { AllocationId, PublicIp = "" } = await ec2.send(new AllocateAddressCommand({ Domain: "vpc" }));
    await ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId }));
    await run({ ADDRESS: PublicIp });
    expect(cloudflare.content("record-4")).to.equal(PublicIp);
  });

  it("finds a record that was made anew, and waits as Cloudflare asks it to", async () => {
    const { PublicIpAddress } = await launchServer();
    cloudflare.reset(TOKEN, { ...A, id: "record-new" });
    cloudflare.script(/^GET .*record-4$/, throttled("0"), NO_SUCH_RECORD);
    await run({ DNS_RECORDS: "A" });
    expect(cloudflare.content("record-new")).to.equal(PublicIpAddress);
    expect(lines.map((line) => JSON.parse(line).level)).to.deep.equal(["warn", "warn", "info"]);
  });

  it("says that there is no token", async () => {
    await launchServer();
    await ssm.send(new DeleteParameterCommand({ Name: `${STORE}/cloudflare-token` }));
    expect((await failure(run())).message).to.match(
      /^Parameter \/stingy-vpn\/prod\/cloudflare-token does not exist or is empty\. Put one/,
    );
    expect(cloudflare.calls).to.deep.equal([]);
    expect(lines.filter((line) => line.includes('"DnsFailures":1'))).to.have.length(1);
  });

  it("says that the server is gone", async () => {
    const { InstanceId = "" } = await launchServer();
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [InstanceId] }));
    expect((await failure(run())).message).to.match(
      /^Server i-[0-9a-f]+ is terminated: it has no address to publish\./,
    );
    await put("instance-id", "i-00000000000000000");
    expect((await failure(run())).message).to.match(
      /^Server i-0{17} is unknown to EC2: it has no address to publish\./,
    );
    await put("instance-id", "initial");
    expect((await failure(run())).message).to.match(/^No server has been promoted yet/);
  });
});
