import { SsmParameter } from "@cdktf/provider-aws/lib/ssm-parameter";
import { App } from "cdktf";
import { expect } from "chai";
import { Construct } from "constructs";
import { parseConfig, type Site } from "../../modules/config";
import { SiteStack } from "../../stacks/site-stack";
import { type Json, site, synthesize, synthesizeApp } from "../support/synth";

const DNS = { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" };
const AWS = { source: "aws", version: "6.25.0" };
const ARCHIVE = { source: "hashicorp/archive", version: "2.7.1" };
const CLOUDFLARE = { source: "cloudflare/cloudflare", version: "5.14.0" };

describe("every stack of a site", () => {
  const layers = ["network", "server", "recovery", "monitoring"];
  const tags = { Project: "stingy-vpn", Environment: "prod", Site: "tokyo", ManagedBy: "terraform" };
  let stacks: Record<string, Json>;
  before(() => {
    stacks = synthesize(site({ dns: DNS }));
  });

  it("tags everything with Project, Environment, Site and ManagedBy", () => {
    for (const layer of layers) {
      expect(stacks[`prod-tokyo-${layer}`].provider.aws, layer).to.deep.equal([
        { region: "ap-northeast-1", default_tags: [{ tags }] },
      ]);
    }
  });

  it("adds the configuration's own tags", () => {
    const tagged = synthesize({ tags: { Owner: "me" } });
    for (const layer of layers) {
      expect(tagged[`prod-tokyo-${layer}`].provider.aws[0].default_tags, layer).to.deep.equal([
        { tags: { ...tags, Owner: "me" } },
      ]);
    }
  });

  it("gives the Cloudflare provider no token: it comes from the environment", () => {
    expect(stacks["prod-tokyo-dns"].provider).to.deep.equal({ cloudflare: [{}] });
  });

  it("asks for the Terraform that can lock on S3", () => {
    for (const [id, { terraform }] of Object.entries(stacks)) {
      expect(terraform.required_version, id).to.equal(">= 1.10.0");
    }
  });

  const required = (all: Record<string, Json>) =>
    Object.fromEntries(Object.entries(all).map(([id, { terraform }]) => [id, terraform.required_providers]));

  it("pins the exact providers that the bindings were made for", () => {
    expect(required(stacks)).to.deep.equal({
      "prod-tokyo-network": { aws: AWS },
      "prod-tokyo-server": { aws: AWS },
      "prod-tokyo-dns": { cloudflare: CLOUDFLARE },
      "prod-tokyo-recovery": { aws: AWS, archive: ARCHIVE },
      "prod-tokyo-monitoring": { aws: AWS },
    });
  });

  it("pins the providers the configuration names instead", () => {
    const providers = { aws: "6.1.2", cloudflare: "5.3.4", archive: "2.5.6" };
    const aws = { ...AWS, version: "6.1.2" };
    expect(required(synthesize({ providers, ...site({ dns: DNS }) }))).to.deep.equal({
      "prod-tokyo-network": { aws },
      "prod-tokyo-server": { aws },
      "prod-tokyo-dns": { cloudflare: { ...CLOUDFLARE, version: "5.3.4" } },
      "prod-tokyo-recovery": { aws, archive: { ...ARCHIVE, version: "2.5.6" } },
      "prod-tokyo-monitoring": { aws },
    });
  });
});

describe("what cannot be made again", () => {
  const PRECIOUS = ["aws_eip", "aws_ssm_parameter", "aws_sns_topic", "aws_sqs_queue", "aws_cloudwatch_log_group"];

  /** Every precious resource by its address: another address or another name would be another resource. */
  const precious = (settings: object) =>
    Object.fromEntries(
      Object.entries(synthesize(settings))
        .filter(([stack]) => stack.startsWith("prod-tokyo-"))
        .flatMap(([, { resource }]) => PRECIOUS.map((type) => [type, resource[type] ?? {}] as const))
        .flatMap(([type, resources]) =>
          Object.entries<Json>(resources).map(([id, { name, domain }]) => [`${type}.${id}`, name ?? domain]),
        ),
    );
  const EXPECTED = {
    "aws_eip.address_elastic-ip": "vpc",
    "aws_ssm_parameter.instance-id": "/stingy-vpn/prod/instance-id",
    "aws_ssm_parameter.desired-state": "/stingy-vpn/prod/desired-state",
    "aws_ssm_parameter.launches": "/stingy-vpn/prod/launches",
    "aws_sns_topic.alerts_topic": "stingy-vpn-prod-tokyo-alerts",
    "aws_sqs_queue.dead-letters_queue": "stingy-vpn-prod-tokyo-dead-letters",
    "aws_cloudwatch_log_group.recovery-handler_logs": "/aws/lambda/stingy-vpn-prod-tokyo-recovery-handler",
  };

  it("has an address without hashes in Terraform", () => {
    expect(precious({})).to.deep.equal(EXPECTED);
  });

  const changes: Record<string, object> = {
    tags: { tags: { Owner: "me" } },
    backend: { backend: { type: "s3", bucket: "my-states", region: "eu-west-1" } },
    providers: { providers: { aws: "6.1.2" } },
    region: site({ region: "eu-west-1" }),
    protect: site({ protect: false }),
    network: site({
      network: {
        vpcCidr: "10.9.0.0/20",
        ipv6: false,
        availabilityZones: ["apne1-az1"],
        adminCidrs: ["203.0.113.7/32"],
      },
    }),
    tunnel: site({ tunnel: { ipv4: "10.99.0.0/24", listenPort: 443 } }),
    server: site({
      server: {
        instanceTypes: ["t3.micro", "t3.nano"],
        architecture: "x86_64",
        image: "debian-13",
        volumeGb: 20,
        spotMaxPrice: 0.01,
        onDemandFallback: "never",
        maxAgeDays: 3,
      },
    }),
    access: site({ access: { defaultGroup: "isolated", betweenPeers: false, isolatedNetworks: ["10.0.0.0/16"] } }),
    functions: site({ functions: { runtime: "nodejs24.x" } }),
    monitoring: site({ monitoring: { logRetentionDays: 30, emails: ["me@example.com"], agent: true } }),
    "another site": { sites: { tokyo: {}, berlin: elsewhere("eu-central-1") } },
  };

  for (const [what, settings] of Object.entries(changes)) {
    it(`keeps its address and its name when this is changed: ${what}`, () => {
      expect(precious(settings)).to.deep.include(EXPECTED);
    });
  }

  it("keeps its address and its name when the DNS name changes", () => {
    const withDns = (name: string, zone: string) => precious(site({ dns: { ...DNS, name, zone } }));
    expect(withDns("a.example.com", "example.com")).to.deep.equal(withDns("b.example.org", "example.org"));
    expect(withDns("a.example.com", "example.com")).to.deep.include(EXPECTED);
  });
});

describe("addresses in Terraform", () => {
  class OneSite extends SiteStack {
    constructor(scope: Construct, config: ReturnType<typeof parseConfig>, build: (stack: OneSite) => void) {
      super(scope, "network", { config, site: config.sites[0] as Site, root: "/project" });
      this.addAws();
      build(this);
    }
  }
  const build = (fill: (stack: OneSite) => void) =>
    synthesizeApp((outdir) => {
      const app = new App({ outdir, stackTraces: false });
      new OneSite(app, parseConfig({}), fill);
      return app;
    })["prod-tokyo-network"];
  const parameter = (scope: Construct, id: string) => new SsmParameter(scope, id, { name: id, type: "String" });

  it("are the path of the construct, in characters that Terraform takes", () => {
    const json = build((stack) => parameter(new Construct(stack, "outer"), "inner.1"));
    expect(Object.keys(json.resource.aws_ssm_parameter)).to.deep.equal(["outer_inner-1"]);
  });

  it("that two constructs would share are an error which names both", () => {
    expect(() =>
      build((stack) => {
        parameter(stack, "outer_inner");
        parameter(new Construct(stack, "outer"), "inner");
      }),
    ).to.throw(
      "prod-tokyo-network/outer_inner and prod-tokyo-network/outer/inner would both be called outer_inner in Terraform",
    );
  });
});

/** A second site whose ranges are free. */
function elsewhere(region: string): object {
  return {
    region,
    network: { vpcCidr: "10.1.0.0/16" },
    tunnel: { ipv4: "10.8.1.0/24", ipv6: "fd53:7469:6e67:1::/64" },
  };
}
