import { expect } from "chai";
import { parseConfig } from "../../../modules/config";
import { OLD_ACCOUNTS_ZONES } from "../../../modules/config/regions";
import { errorOf, problemsOf } from "../../support/config-errors";

const fixes = (...lines: string[]) => problemsOf(...lines).map(({ at, problem, fix }) => ({ at, problem, fix }));
const problems = (settings: object) =>
  errorOf(() => parseConfig(settings)).problems.map(({ path, problem }) => `${path.join(".")} ${problem}`);

describe("advice", () => {
  it("says where a setting belongs that stands in the wrong place", () => {
    expect(fixes("region: eu-west-1", "sites:", "  tokyo:", "    vpcCidr: 10.0.0.0/16")).to.deep.equal([
      {
        at: "1:1  region",
        problem: 'there is no setting "region" here',
        fix: "it belongs to sites.<name>: move it there",
      },
      {
        at: "4:5  sites.tokyo.vpcCidr",
        problem: 'there is no setting "vpcCidr" here',
        fix: "it belongs to sites.<name>.network: move it there",
      },
    ]);
  });

  it("shows fifty problems of a file that is none, and how many more there are", () => {
    const { message, problems: all } = errorOf(() =>
      parseConfig(Object.fromEntries(Array.from({ length: 70 }, (_, n) => [`x${n}`, n]))),
    );
    expect(all).to.have.length(70);
    expect(message.match(/there is no setting/g)).to.have.length(50);
    expect(message)
      .to.match(/^configuration: 70 problems, nothing was written\.$/m)
      .and.to.match(/\n {2}… and 20 more$/);
  });

  it("suggests the DNS provider that the rest of the group is for", () => {
    const [first] = fixes("sites:", "  tokyo:", "    dns: { zone: example.com, name: vpn.example.com }");
    expect(first).to.deep.equal({
      at: "3:5  sites.tokyo.dns.provider",
      problem: "is missing",
      fix: "for example provider: cloudflare",
    });
  });
});

describe("tags", () => {
  const tags = (count: number) => ({
    tags: Object.fromEntries(Array.from({ length: count }, (_, index) => [`t${index}`, "x"])),
  });

  it("may not have the names of stingy-vpn's own, in whatever letters", () => {
    expect(problems({ tags: { project: "mine" } })).to.deep.equal(["tags.project is set by stingy-vpn itself"]);
  });

  it("may not have names that AWS takes for one", () => {
    expect(problems({ tags: { Owner: "a", owner: "b" } })).to.deep.equal([
      "tags has two names that differ only in capital letters, which AWS takes for one",
    ]);
  });

  it("are 40 at most", () => {
    expect(Object.keys(parseConfig(tags(40)).tags)).to.have.length(40);
    expect(problems(tags(41))).to.deep.equal(["tags has more than 40 tags"]);
  });
});

describe("availability zones", () => {
  const zones = (region: string, availabilityZones: string[]) => ({
    sites: { tokyo: { region, network: { availabilityZones } } },
  });

  it("may be those of old accounts, which are in no default", () => {
    expect(OLD_ACCOUNTS_ZONES).to.include("apne1-az3");
    expect(parseConfig(zones("ap-northeast-1", ["apne1-az3"])).sites[0]?.network.availabilityZones).to.deep.equal([
      "apne1-az3",
    ]);
    expect(parseConfig({}).sites[0]?.network.availabilityZones).not.to.include("apne1-az3");
  });

  it("are there at all", () => {
    expect(problems(zones("ap-northeast-1", ["apne1-az9"]))).to.deep.equal([
      "sites.tokyo.network.availabilityZones apne1-az9 is not in ap-northeast-1",
    ]);
  });
});

describe("provider versions", () => {
  it("are not older than what the stacks are written for", () => {
    expect(problems({ providers: { aws: "4.67.0", cloudflare: "4.52.0", archive: "1.3.0" } })).to.deep.equal(
      ["aws", "cloudflare", "archive"].map((name) => `providers.${name} is too old to know what the stacks ask for`),
    );
    expect(parseConfig({ providers: { aws: "5.0.0", cloudflare: "5.0.0", archive: "2.0.0" } }).providers.aws).to.equal(
      "5.0.0",
    );
  });
});

describe("an address of states", () => {
  it("holds no expression, which a backend cannot read", () => {
    const address = `https://example.com/\${terraform.workspace}/{stack}`;
    expect(problems({ backend: { type: "http", address } })).to.deep.equal([
      "backend.address holds an expression of Terraform, which a backend cannot read",
    ]);
  });
});
