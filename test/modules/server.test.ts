import { expect } from "chai";
import type { Architecture, Distribution } from "../../modules/config";
import { imageOf, ServerTemplate, StableAddress, serverPolicy } from "../../modules/server";
import { alone, ref } from "../support/alone";
import type { Json } from "../support/synth";

describe("imageOf", () => {
  const AL2023 = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.12-";
  const DEBIAN = "/aws/service/debian/release/";
  const UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current/";
  const images: [string, Architecture, Distribution, string, string][] = [
    ["al2023", "arm64", "al2023", `${AL2023}arm64`, "/dev/xvda"],
    ["al2023", "x86_64", "al2023", `${AL2023}x86_64`, "/dev/xvda"],
    ["debian-12", "arm64", "debian", `${DEBIAN}12/latest/arm64`, "/dev/xvda"],
    ["debian-12", "x86_64", "debian", `${DEBIAN}12/latest/amd64`, "/dev/xvda"],
    ["debian-13", "arm64", "debian", `${DEBIAN}13/latest/arm64`, "/dev/xvda"],
    ["debian-13", "x86_64", "debian", `${DEBIAN}13/latest/amd64`, "/dev/xvda"],
    ["ubuntu-24.04", "arm64", "ubuntu", `${UBUNTU}arm64/hvm/ebs-gp3/ami-id`, "/dev/sda1"],
    ["ubuntu-24.04", "x86_64", "ubuntu", `${UBUNTU}amd64/hvm/ebs-gp3/ami-id`, "/dev/sda1"],
  ];
  for (const [image, architecture, distribution, parameter, rootDevice] of images) {
    it(`resolves ${image} on ${architecture} anew at each launch`, () => {
      expect(imageOf(image, architecture, distribution)).to.deep.equal({
        imageId: `resolve:ssm:${parameter}`,
        parameter,
        rootDevice,
      });
    });
  }

  it("takes an id as it is, with the root device of what it is said to be", () => {
    const image = "ami-0123456789abcdef0";
    expect(imageOf(image, "arm64", "debian")).to.deep.equal({ imageId: image, rootDevice: "/dev/xvda" });
    expect(imageOf(image, "arm64", "ubuntu")).to.deep.equal({ imageId: image, rootDevice: "/dev/sda1" });
  });
});

describe("ServerTemplate", () => {
  const tags = { Project: "stingy-vpn", Environment: "prod", Site: "tokyo", ManagedBy: "terraform", Owner: "me" };
  let json: Json;
  before(() => {
    json = alone((stack) => {
      const { instanceName } = new ServerTemplate(stack, "server", {
        name: "vpn",
        image: { imageId: "resolve:ssm:/an/image", parameter: "/an/image", rootDevice: "/dev/sda1" },
        instanceType: "t4g.nano",
        volumeGb: 9,
        securityGroupId: "sg-1",
        statements: [{ sid: "Say", actions: ["events:PutEvents"], resources: ["arn:aws:events:x"] }],
        userData: `#cloud-config\nruncmd:\n  - echo ${ref("HOME")} %{http_code} @IP@\n`,
        userDataReferences: { "@IP@": ref("aws_eip.one.public_ip") },
        tags,
      });
      stack.addOverride("output", { name: instanceName });
    });
  });

  it("is exactly this launch template: neither Spot nor on-demand, IMDSv2 on the machine only, encrypted disk", () => {
    expect(json.resource.aws_launch_template).to.deep.equal({
      server_template: {
        name: "vpn-server",
        description: "WireGuard server",
        update_default_version: true,
        image_id: "resolve:ssm:/an/image",
        instance_type: "t4g.nano",
        iam_instance_profile: { arn: ref("aws_iam_instance_profile.server_profile.arn") },
        vpc_security_group_ids: ["sg-1"],
        metadata_options: { http_endpoint: "enabled", http_tokens: "required", http_put_response_hop_limit: 1 },
        monitoring: { enabled: false },
        instance_initiated_shutdown_behavior: "terminate",
        block_device_mappings: [
          {
            device_name: "/dev/sda1",
            ebs: { volume_type: "gp3", volume_size: 9, encrypted: "true", delete_on_termination: "true" },
          },
        ],
        user_data: ref("base64gzip(local.server_user_data)"),
        tag_specifications: ["instance", "volume", "network-interface"].map((resource_type) => ({
          resource_type,
          tags: { ...tags, Name: "vpn-server" },
        })),
        depends_on: ["aws_iam_role_policy.server_iam_policy"],
      },
    });
  });

  it("keeps the user data readable, with nothing that Terraform would expand but what it is to fill in", () => {
    const filledIn = ref("aws_eip.one.public_ip");
    expect(json.locals).to.deep.equal({
      server_user_data: `#cloud-config\nruncmd:\n  - echo $${ref("HOME")} %%{http_code} ${filledIn}\n`,
    });
  });

  it("says what its servers are called", () => {
    expect(json.output).to.deep.equal({ name: "vpn-server" });
  });

  it("gives the machine a role that only EC2 can take", () => {
    expect(json.resource.aws_iam_instance_profile).to.deep.equal({
      server_profile: { name: "vpn-server", role: ref("aws_iam_role.server_iam_role.name") },
    });
    expect(json.data.aws_iam_policy_document.server_iam_trust.statement).to.deep.equal([
      { actions: ["sts:AssumeRole"], principals: [{ type: "Service", identifiers: ["ec2.amazonaws.com"] }] },
    ]);
  });
});

describe("StableAddress", () => {
  /** The address with what its properties refer to. */
  function address(protect: boolean, allocationId?: string) {
    return alone((stack) => {
      const { publicIp, allocationId: id } = new StableAddress(stack, "address", {
        name: "vpn",
        protect,
        ...(allocationId ? { allocationId } : {}),
      });
      stack.addOverride("output", { ip: publicIp, id });
    });
  }

  it("is an Elastic IP of its own", () => {
    const { resource, data, output } = address(false);
    expect(resource).to.deep.equal({
      aws_eip: {
        "address_elastic-ip": { domain: "vpc", tags: { Name: "vpn" }, lifecycle: { prevent_destroy: false } },
      },
    });
    expect(data).to.equal(undefined);
    expect(output).to.deep.equal({
      ip: ref("aws_eip.address_elastic-ip.public_ip"),
      id: ref("aws_eip.address_elastic-ip.allocation_id"),
    });
  });

  it("cannot be released by accident where it is protected", () => {
    expect(address(true).resource.aws_eip["address_elastic-ip"].lifecycle).to.deep.equal({ prevent_destroy: true });
  });

  it("only reads an Elastic IP that exists, so that Terraform can never release it", () => {
    const { resource, data, output } = address(true, "eipalloc-0123456789abcdef0");
    expect(resource).to.equal(undefined);
    expect(data).to.deep.equal({ aws_eip: { "address_elastic-ip": { id: "eipalloc-0123456789abcdef0" } } });
    expect(output).to.deep.equal({
      ip: ref("data.aws_eip.address_elastic-ip.public_ip"),
      id: "eipalloc-0123456789abcdef0",
    });
  });
});

describe("serverPolicy", () => {
  const STORE = "arn:aws:ssm:eu-west-1:111122223333:parameter/stingy-vpn/prod";

  const policy = (elasticIp: boolean, logGroupArn?: string) =>
    serverPolicy({
      region: "eu-west-1",
      account: "111122223333",
      environment: "prod",
      site: "dublin",
      storePrefix: "/stingy-vpn/prod",
      elasticIp,
      ...(logGroupArn === undefined ? {} : { logGroupArn }),
    });

  it("lets a server read which one serves only on a site whose address cannot tell it", () => {
    const [withAddress, ...rest] = policy(true);
    const [without, ...others] = policy(false);
    expect(without?.resources).to.deep.equal([...(withAddress?.resources ?? []), `${STORE}/instance-id`]);
    expect(others).to.deep.equal(rest);
  });

  it("lets a server write to its own log group where it sends what its units say, and to no other", () => {
    const without = policy(true);
    const [written, ...others] = policy(true, "arn:aws:logs:eu-west-1:111122223333:log-group:/vpn/server").filter(
      ({ sid }) => !without.some((statement) => statement.sid === sid),
    );
    expect(written).to.deep.equal({
      sid: "WriteLog",
      actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
      resources: ["arn:aws:logs:eu-west-1:111122223333:log-group:/vpn/server:*"],
    });
    expect(others).to.deep.equal([]);
  });

  it("is exactly what a server needs", () => {
    expect(policy(true)).to.deep.equal([
      {
        sid: "ReadStore",
        actions: ["ssm:GetParameters"],
        resources: [
          `${STORE}/wireguard-config`,
          `${STORE}/wireguard-private-key`,
          `${STORE}/client-public-keys`,
          `${STORE}/peer-endpoints`,
        ],
      },
      { sid: "ReadPeers", actions: ["ssm:GetParametersByPath"], resources: [`${STORE}/peers`] },
      {
        sid: "MakeKeyOnce",
        actions: ["ssm:PutParameter"],
        resources: [`${STORE}/wireguard-private-key`],
        conditions: [{ test: "StringEquals", variable: "ssm:Overwrite", values: ["false"] }],
      },
      { sid: "KeepEndpoints", actions: ["ssm:PutParameter"], resources: [`${STORE}/peer-endpoints`] },
      {
        sid: "SayState",
        actions: ["ec2:CreateTags"],
        resources: ["arn:aws:ec2:eu-west-1:111122223333:instance/*"],
        conditions: [
          {
            test: "ArnLike",
            variable: "ec2:SourceInstanceARN",
            values: [`arn:aws:ec2:eu-west-1:111122223333:instance/$${ref("ec2:InstanceID")}`],
          },
          { test: "StringEquals", variable: "aws:ResourceTag/Site", values: ["dublin"] },
          { test: "StringEquals", variable: "aws:ResourceTag/Environment", values: ["prod"] },
          { test: "ForAllValues:StringEquals", variable: "aws:TagKeys", values: ["state"] },
        ],
      },
      {
        sid: "SayHealth",
        actions: ["cloudwatch:PutMetricData"],
        resources: "*",
        because: "CloudWatch has no resource-level permissions for publishing metrics; the namespace bounds them",
        conditions: [
          { test: "StringEquals", variable: "cloudwatch:namespace", values: ["StingyVPN"] },
          { test: "StringEquals", variable: "aws:RequestedRegion", values: ["eu-west-1"] },
        ],
      },
      {
        sid: "SayReady",
        actions: ["events:PutEvents"],
        resources: ["arn:aws:events:eu-west-1:111122223333:event-bus/default"],
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
          "Session Manager's and Run Command's channels have no resource-level permissions; this is less than AmazonSSMManagedInstanceCore",
        conditions: [{ test: "StringEquals", variable: "aws:RequestedRegion", values: ["eu-west-1"] }],
      },
    ]);
  });
});
