import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { type Json, site, synthesize } from "../support/synth";

const ref = (what: string) => `\${${what}}`;
const DNS = { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" };

const server = (settings: object = {}): Json => synthesize(site(settings))["prod-tokyo-server"];
const template = ({ resource }: Json): Json => resource.aws_launch_template.server_template;

describe("the server stack", () => {
  let json: Json;
  before(() => {
    json = server();
  });

  it("makes a template, roles, an address, the parameter that names the server and what tells it of changes, and no machine", () => {
    expect(Object.keys(json.resource)).to.have.members([
      "aws_cloudwatch_event_rule",
      "aws_cloudwatch_event_target",
      "aws_ssm_document",
      "aws_eip",
      "aws_iam_instance_profile",
      "aws_iam_role",
      "aws_iam_role_policy",
      "aws_launch_template",
      "aws_ssm_parameter",
    ]);
  });

  it("starts from a t4g.nano with the newest Amazon Linux and 8 GB", () => {
    expect(template(json)).to.deep.include({
      name: "stingy-vpn-prod-tokyo-server",
      instance_type: "t4g.nano",
      image_id: "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.12-arm64",
    });
    expect(template(json).block_device_mappings[0]).to.deep.include({ device_name: "/dev/xvda" });
    expect(template(json).block_device_mappings[0].ebs.volume_size).to.equal(8);
  });

  it("takes type, image and disk from the configuration", () => {
    const other = template(
      server({
        server: { instanceTypes: ["t3.nano", "t3a.nano"], architecture: "x86_64", image: "ubuntu-24.04", volumeGb: 20 },
      }),
    );
    expect(other).to.deep.include({
      instance_type: "t3.nano",
      image_id: "resolve:ssm:/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
    });
    expect(other.block_device_mappings[0].device_name).to.equal("/dev/sda1");
    expect(other.block_device_mappings[0].ebs.volume_size).to.equal(20);
  });

  it("takes an image by its id", () => {
    const image = "ami-0123456789abcdef0";
    const other = server({ server: { image, distribution: "ubuntu" } });
    expect(template(other).image_id).to.equal(image);
    expect(template(other).block_device_mappings[0].device_name).to.equal("/dev/sda1");
  });

  it("joins the network's security group", () => {
    const state = "data.terraform_remote_state.cross-stack-reference-input-prod-tokyo-network";
    expect(template(json).vpc_security_group_ids).to.deep.equal([
      ref(`${state}.outputs.cross-stack-output-aws_security_group-firewall_group-id`),
    ]);
  });

  it("says nothing of Spot, so that the template can start an on-demand machine too", () => {
    for (const settings of [{}, { server: { spotMaxPrice: 0.004, onDemandFallback: "never" } }]) {
      expect(JSON.stringify(template(server(settings)))).not.to.match(/spot|market/i);
    }
  });

  it("tags machine, disk and network interface with the site's tags and the configuration's own", () => {
    const { "prod-tokyo-server": tagged } = synthesize({ tags: { Owner: "me" } });
    expect(template(tagged).tag_specifications).to.deep.equal(
      ["instance", "volume", "network-interface"].map((resource_type) => ({
        resource_type,
        tags: {
          Owner: "me",
          Project: "stingy-vpn",
          Environment: "prod",
          Site: "tokyo",
          ManagedBy: "terraform",
          Name: "stingy-vpn-prod-tokyo-server",
        },
      })),
    );
  });

  it("has exactly the machines of the template read the store when the site's part of it changes", () => {
    const { resource } = server({ storePrefix: "/my/store" });
    const [instance] = template({ resource }).tag_specifications;
    expect(resource.aws_cloudwatch_event_target.sync_target.run_command_targets).to.deep.equal([
      { key: "tag:Name", values: [instance.tags.Name] },
    ]);
    const { detail } = JSON.parse(resource.aws_cloudwatch_event_rule.sync_rule.event_pattern);
    expect(detail.name).to.deep.include({ prefix: "/my/store/peers/" });
    expect(resource.aws_ssm_document.sync_document.name).to.equal("stingy-vpn-prod-tokyo-sync");
  });

  it("keeps the instance's name to the controller: Terraform only makes the parameter", () => {
    const { "//": metadata, ...parameter } = json.resource.aws_ssm_parameter["instance-id"];
    expect(parameter).to.deep.equal({
      name: "/stingy-vpn/prod/instance-id",
      description: "The instance that serves the site; the controller writes it",
      type: "String",
      insecure_value: "initial",
      lifecycle: { ignore_changes: ["insecure_value", "description"], prevent_destroy: true },
    });
  });

  it("protects the address and the parameter from deletion, unless that is turned off", () => {
    const protection = ({ resource }: Json) => [
      resource.aws_eip["address_elastic-ip"].lifecycle.prevent_destroy,
      resource.aws_ssm_parameter["instance-id"].lifecycle.prevent_destroy,
    ];
    expect(protection(json)).to.deep.equal([true, true]);
    expect(protection(server({ protect: false }))).to.deep.equal([false, false]);
  });
});

describe("a change of the address", () => {
  const removed = (settings: object) => server(settings).removed;
  const LET_GO = [{ from: "aws_eip.address_elastic-ip", lifecycle: [{ destroy: false }] }];
  const DNS = { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" };

  it("lets go of the Elastic IP that Terraform made, and never gives it back to AWS by itself", () => {
    expect(removed({ elasticIp: "eipalloc-0123456789abcdef0" })).to.deep.equal(LET_GO);
    expect(removed({ elasticIp: "eipalloc-0123456789abcdef0", protect: false })).to.deep.equal(LET_GO);
    expect(removed({ elasticIp: false, dns: DNS })).to.deep.equal(LET_GO);
  });

  it("releases it where protection is off, and has nothing to let go of where it stays", () => {
    expect(removed({ elasticIp: false, dns: DNS, protect: false })).to.equal(undefined);
    expect(removed({})).to.equal(undefined);
  });
});

describe("what the server's units say", () => {
  const logs = { monitoring: { serverLogs: true, logRetentionDays: 30 } };
  const allowed = ({ data }: Json) =>
    data.aws_iam_policy_document.server_iam_permissions.statement.filter(({ actions }: Json) =>
      actions.some((action: string) => action.startsWith("logs:")),
    );

  it("stays on the server", () => {
    const json = server();
    expect(json.resource).not.to.have.property("aws_cloudwatch_log_group");
    expect(allowed(json)).to.deep.equal([]);
    expect(json.locals.server_user_data).not.to.match(/LOG_GROUP|stingy-journal/);
  });

  it("is sent to a log group of the site where that is wanted, which it may write to, and is kept as long as other logs", () => {
    const json = server(logs);
    const { "//": metadata, ...group } = json.resource.aws_cloudwatch_log_group.logs;
    expect(group).to.deep.equal({ name: "/stingy-vpn/prod-tokyo/server", retention_in_days: 30 });
    expect(allowed(json)).to.deep.equal([
      {
        sid: "WriteLog",
        actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
        resources: [`${ref("aws_cloudwatch_log_group.logs.arn")}:*`],
        condition: [],
      },
    ]);
    expect(json.locals.server_user_data).to.include("LOG_GROUP='/stingy-vpn/prod-tokyo/server'\n");
    expect(json.locals.server_user_data).to.match(/systemctl enable --now .* stingy-journal\.timer\n/);
  });
});

describe("the way into the server", () => {
  it("is Session Manager, on every system", () => {
    for (const image of ["al2023", "debian-12", "debian-13", "ubuntu-24.04"]) {
      expect(server({ server: { image } }).output.shell.value, image).to.match(
        /^aws ssm start-session --region ap-northeast-1 /,
      );
    }
  });
});

describe("the server's user data", () => {
  const text = (json: Json): string => json.locals.server_user_data;
  let json: Json;
  before(() => {
    json = server({ storePrefix: "/my/store", tunnel: { ipv4: "10.77.0.0/24", listenPort: 4500 } });
  });

  it("is readable in the JSON and packed in the template", () => {
    expect(text(json)).to.match(/^#cloud-config\n/);
    expect(template(json).user_data).to.equal(ref("base64gzip(local.server_user_data)"));
  });

  it("says which site the server is of", () => {
    for (const setting of [
      "ENVIRONMENT='prod'",
      "SITE='tokyo'",
      "STORE_PREFIX='/my/store'",
      "LISTEN_PORT='4500'",
      "TUNNEL_IPV4='10.77.0.1/24'",
      "TUNNEL_IPV6='fd53:7469:6e67::1/64'",
    ]) {
      expect(text(json)).to.include(`${setting}\n`);
    }
  });

  it("says that there is no IPv6 in the tunnel where it is off", () => {
    expect(text(server({ network: { ipv6: false } }))).to.include("TUNNEL_IPV6=''\n");
  });

  it("says which address is the site's, as Terraform knows it", () => {
    const address = (settings: object) => /^ *ADDRESS=.*$/m.exec(text(server(settings)))?.[0].trim();
    expect(address({})).to.equal(`ADDRESS='${ref("aws_eip.address_elastic-ip.public_ip")}'`);
    expect(address({ elasticIp: "eipalloc-0123456789abcdef0" })).to.equal(
      `ADDRESS='${ref("data.aws_eip.address_elastic-ip.public_ip")}'`,
    );
    expect(address({ elasticIp: false, dns: DNS })).to.equal("ADDRESS=''");
  });

  it("says what devices may reach", () => {
    const access = server({
      access: { defaultGroup: "isolated", isolatedNetworks: ["10.20.0.0/16", "2001:db8::/48"] },
    });
    expect(text(json)).to.include("DEFAULT_GROUP='full'\n");
    expect(text(access)).to.include("DEFAULT_GROUP='isolated'\n");
    expect(text(access)).to.include("10.20.0.0/16");
    expect(text(access)).to.include("2001:db8::/48");
    expect(text(server({ access: { betweenPeers: false } }))).not.to.equal(text(server()));
  });

  it("opens SSH on the machine where the site opens it, and installs the CloudWatch agent where it is wanted", () => {
    const ssh = text(server({ network: { adminCidrs: ["203.0.113.7/32"] } }));
    expect(ssh).to.include("203.0.113.7");
    const agent = "amazon-cloudwatch-agent";
    expect(text(server())).not.to.include(agent);
    expect(text(server({ monitoring: { agent: true } }))).to.include(agent);
  });

  it("fits into EC2's 16 KB when packed, on every system, with everything that can be turned on", () => {
    const everything = {
      network: { adminCidrs: ["203.0.113.7/32", "2001:db8::/32"] },
      access: { isolatedNetworks: ["10.20.0.0/16", "2001:db8:1::/48"] },
      monitoring: { agent: true, serverLogs: true },
    };
    for (const image of ["al2023", "debian-12", "debian-13", "ubuntu-24.04"]) {
      for (const settings of [{}, everything]) {
        expect(gzipSync(text(server({ server: { image }, ...settings }))).length, image).to.be.below(16_384);
      }
    }
  });

  it("holds no opening that Terraform would expand, but the address", () => {
    const rest = text(json).replace(ref("aws_eip.address_elastic-ip.public_ip"), "");
    expect(rest.match(/(^|[^$])\$\{|(^|[^%])%\{/g)).to.equal(null);
  });
});

describe("the site's address", () => {
  const outputs = ({ output }: Json) => ({ address: output.address?.value, endpoint: output.endpoint?.value });

  it("is a new Elastic IP by default", () => {
    const json = server();
    const { "//": metadata, ...address } = json.resource.aws_eip["address_elastic-ip"];
    expect(address).to.deep.equal({
      domain: "vpc",
      tags: { Name: "stingy-vpn-prod-tokyo" },
      lifecycle: { prevent_destroy: true },
    });
    expect(outputs(json)).to.deep.equal({
      address: ref("aws_eip.address_elastic-ip.public_ip"),
      endpoint: `${ref("aws_eip.address_elastic-ip.public_ip")}:51820`,
    });
  });

  it("is one that exists, where its id is given, which is only read", () => {
    const json = server({ elasticIp: "eipalloc-0123456789abcdef0", tunnel: { listenPort: 4500 } });
    expect(json.resource).not.to.have.property("aws_eip");
    expect(json.data.aws_eip["address_elastic-ip"].id).to.equal("eipalloc-0123456789abcdef0");
    expect(outputs(json)).to.deep.equal({
      address: ref("data.aws_eip.address_elastic-ip.public_ip"),
      endpoint: `${ref("data.aws_eip.address_elastic-ip.public_ip")}:4500`,
    });
  });

  it("is none where it is off", () => {
    const json = server({ elasticIp: false, dns: DNS });
    expect(json.resource).not.to.have.property("aws_eip");
    expect(json.data).not.to.have.property("aws_eip");
    expect(outputs(json)).to.deep.equal({ address: undefined, endpoint: undefined });
  });
});
