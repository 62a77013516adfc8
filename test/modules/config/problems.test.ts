import { expect } from "chai";
import { parseConfig, parseYaml } from "../../../modules/config";
import { errorOf, problemsOf } from "../../support/config-errors";

const NAMES = "1 to 16 lower-case letters, digits and hyphens, a letter first, no hyphen last";
const SITE_SETTINGS =
  "region, storePrefix, protect, elasticIp, network, tunnel, access, server, dns, schedule, functions, monitoring";

const places = (...lines: string[]) => problemsOf(...lines).map(({ at }) => at);

describe("an unknown setting", () => {
  it("is told which one was meant", () => {
    expect(problemsOf("enviroment: prod", "sites:", "  tokyo:", "    REGION: eu-west-1")).to.deep.equal([
      {
        at: "1:1  enviroment",
        problem: 'there is no setting "enviroment" here',
        allowed: "environment, backend, providers, tags, sites",
        fix: 'did you mean "environment"?',
      },
      {
        at: "4:5  sites.tokyo.REGION",
        problem: 'there is no setting "REGION" here',
        allowed: SITE_SETTINGS,
        fix: 'did you mean "region"?',
      },
    ]);
  });

  it("that is like no other is told to go", () => {
    expect(problemsOf("sites:", "  tokyo:", "    color: blue")[0]).to.deep.include({
      at: "3:5  sites.tokyo.color",
      fix: "remove it, or use one of the allowed settings",
    });
  });

  for (const key of ["apiToken", "privateKey", "PASSWORD", "client_secret", "wgPresharedKey", "psk"]) {
    it(`that looks like a secret (${key}) is never shown, and told where secrets live`, () => {
      const { message, problems } = errorOf(() =>
        parseYaml(`sites:\n  tokyo:\n    server:\n      ${key}: hunter2\n`, "stingy.yaml"),
      );
      expect(problems[0]?.fix).to.equal(
        "remove it: secrets never go into this file, they live in the store (SSM Parameter Store)",
      );
      expect(`${message}${JSON.stringify(problems)}`).not.to.include("hunter2");
    });
  }

  it("that is a secret inside a value is not shown either", () => {
    const { message } = errorOf(() =>
      parseYaml(
        "environment: { apiToken: hunter2, name: prod }\nbackend: { type: http, address: 'https://me:hunter2@example.com/{stack}' }\n",
        "f",
      ),
    );
    expect(message).not.to.include("hunter2");
    expect(message).to.include('given    {"apiToken":"…","name":"prod"}');
    expect(message).to.include('given    "https://…@example.com/{stack}"');
  });
});

describe("a wrong value", () => {
  for (const [what, lines, problem] of [
    [
      "text that is a number",
      ["environment: 5"],
      {
        at: "1:14  environment",
        given: 5,
        problem: "is not text",
        allowed: NAMES,
        fix: "for example environment: prod",
      },
    ],
    [
      "a group that is a word",
      ["backend: s3"],
      {
        at: "1:10  backend",
        given: "s3",
        problem: "is not a group of settings",
        allowed: "local, s3, cloud, remote or http",
        fix: "for example backend: { type: local }",
      },
    ],
    [
      "a site that is a number",
      ["sites:", "  tokyo: 5"],
      {
        at: "2:10  sites.tokyo",
        given: 5,
        problem: "is not a group of settings",
        allowed: SITE_SETTINGS,
        fix: "see docs/configuration.md",
      },
    ],
    [
      "a tag that needs quotes",
      ["tags:", "  CostCenter: 4711"],
      {
        at: "2:15  tags.CostCenter",
        given: 4711,
        problem: "is not text",
        allowed:
          "up to 40 names with values, of letters, digits, spaces and _.:/=+@-; not Project, Environment, Site, ManagedBy, Name, state, notice, unhealthy-since, ending",
        fix: 'write it in quotes: CostCenter: "4711"',
      },
    ],
    [
      "a needed setting that is missing",
      ["environment: prod", "backend:", "  type: s3", "  region: eu-west-1"],
      {
        at: "2:1  backend.bucket",
        problem: "is missing",
        allowed: "the name of a bucket",
        fix: "for example bucket: my-terraform-state",
      },
    ],
    [
      "a backend nobody knows",
      ["backend:", "  type: s4"],
      {
        at: "2:9  backend.type",
        given: "s4",
        problem: "is not allowed",
        allowed: "local, s3, cloud, remote, http",
        fix: 'did you mean "s3"?',
      },
    ],
    [
      "a backend without its type",
      ["backend:", "  bucket: states"],
      {
        at: "1:1  backend.type",
        problem: "is missing",
        allowed: "local, s3, cloud, remote, http",
        fix: "for example type: s3",
      },
    ],
    [
      "a DNS provider nobody knows",
      ["sites:", "  tokyo:", "    dns: { provider: cloudfare }"],
      {
        at: "3:22  sites.tokyo.dns.provider",
        given: "cloudfare",
        problem: "is not allowed",
        allowed: "none, cloudflare",
        fix: 'did you mean "cloudflare"?',
      },
    ],
    [
      "a region with a slip of the pen",
      ["sites:", "  tokyo:", "    region: ap-norteast-1"],
      {
        at: "3:13  sites.tokyo.region",
        given: "ap-norteast-1",
        problem: "is not allowed",
        allowed: "an AWS region",
        fix: 'did you mean "ap-northeast-1"?',
      },
    ],
    [
      "an element of a list",
      ["sites:", "  tokyo:", "    monitoring:", "      emails:", "        - me@example.com", "        - you"],
      {
        at: "6:11  sites.tokyo.monitoring.emails.1",
        given: "you",
        problem: "is no e-mail address",
        allowed: "e-mail addresses",
        fix: "for example emails: [me@example.com]",
      },
    ],
    [
      "a site's name",
      ["sites:", "  Tokyo:", "    region: eu-west-1"],
      {
        at: "2:3  sites.Tokyo",
        given: "Tokyo",
        problem: "is no site name",
        allowed: `at least one name with its settings; ${NAMES}`,
        fix: "choose another name",
      },
    ],
  ] as [string, string[], object][]) {
    it(`is ${what}, shown with what is allowed and how to fix it`, () => {
      expect(problemsOf(...lines)).to.deep.equal([problem]);
    });
  }

  it("is shown shortened", () => {
    const { message } = errorOf(() => parseConfig({ environment: "x".repeat(1000) }));
    expect(message).to.include(`given    "${"x".repeat(99)}…\n`);
  });

  it("of a rule stands where its setting stands, or else where its group stands", () => {
    expect(places("sites:", "  tokyo:", "    region: eu-west-1", "    elasticIp: false")).to.deep.equal([
      "4:16  sites.tokyo.elasticIp",
    ]);
    expect(places("sites:", "  tokyo:", "    server:", "      architecture: x86_64")).to.deep.equal([
      "3:5  sites.tokyo.server.instanceTypes",
    ]);
  });
});

describe("all problems", () => {
  it("come at once, those of single settings and those between settings, by line", () => {
    const lines = [
      "environment: Prod",
      "sites:",
      "  tokyo:",
      "    elasticIp: false",
      "    network: { ipv6: false }",
      "    tunnel:",
      "      ipv6: fd00::/64",
      "      listenPort: 0",
      "    server: { image: ami-12345678 }",
      "    colour: blue",
      "tags: { Name: x }",
    ];
    const expected = [
      "1:14  environment",
      "4:16  sites.tokyo.elasticIp",
      "7:13  sites.tokyo.tunnel.ipv6",
      "8:19  sites.tokyo.tunnel.listenPort",
      "9:22  sites.tokyo.server.image",
      "10:5  sites.tokyo.colour",
      "11:9  tags.Name",
    ];
    expect(places(...lines)).to.deep.equal(expected);
    expect(errorOf(() => parseYaml(lines.join("\n"), "f")).message.split("\n")[0]).to.equal(
      "f: 7 problems, nothing was written.",
    );
  });

  it("leave out what only follows from a wrong value", () => {
    const wrong = (...settings: string[]) => places("sites:", "  tokyo:", ...settings.map((line) => `    ${line}`));
    // The zones are those of a region that is misspelt.
    expect(wrong("region: us-eest-1", "network: { availabilityZones: [use1-az1] }")).to.deep.equal([
      "3:13  sites.tokyo.region",
    ]);
    // The default VPC, put in place of the wrong one, would overlap the tunnel.
    expect(wrong("network: { vpcCidr: 10.1.0.1/16 }", "tunnel: { ipv4: 10.0.0.0/24 }")).to.deep.equal([
      "3:25  sites.tokyo.network.vpcCidr",
    ]);
    // The default types, put in place of the wrong list, are of the other architecture.
    expect(wrong("server: { architecture: x86_64, instanceTypes: [t3.nano, 5] }")).to.deep.equal([
      "3:62  sites.tokyo.server.instanceTypes.1",
    ]);
    // A site with a wrong DNS zone has a DNS name all the same.
    expect(
      wrong("elasticIp: false", "dns: { provider: cloudflare, zone: example..com, name: example.com }"),
    ).to.deep.equal(["4:40  sites.tokyo.dns.zone"]);
  });

  it("keep what does not follow from it", () => {
    expect(
      places("sites:", "  tokyo:", "    network:", "      vpcCidr: 10.1.0.1/16", "      availabilityZones: [use1-az1]"),
    ).to.deep.equal(["4:16  sites.tokyo.network.vpcCidr", "5:26  sites.tokyo.network.availabilityZones"]);
  });
});
