import { expect } from "chai";
import fc from "fast-check";
import { reservationFinding, roomFinding, vcpuFinding } from "../../cli/init/account";
import { type Answers, answersFrom } from "../../cli/init/answers";
import { atLeast, nodeFinding, terraformFinding } from "../../cli/init/machine";
import { PLACES, siteNameOf } from "../../cli/init/places";
import { answersProblem, configText } from "../../cli/init/text";
import { tokenProblem } from "../../cli/init/token";
import { parseYaml } from "../../modules/config";
import { REGIONS } from "../../modules/config/regions";

const QUOTA = { service: "ec2", code: "L-34B43A08" } as const;
const SCHEMA = "./stingy.schema.json";

describe("stingy init, the answers", () => {
  it("are the defaults where nothing is said", () => {
    expect(answersFrom({})).to.deep.equal({ region: "ap-northeast-1", site: "tokyo", emails: [] });
  });

  it("name the site after its region", () => {
    expect(answersFrom({ region: "us-west-2" }).site).to.equal("oregon");
    expect(answersFrom({ region: "us-west-2", site: "home" }).site).to.equal("home");
  });

  it("give a server with a zone a name in it", () => {
    expect(answersFrom({ dnsZone: "example.com" }).dns).to.deep.equal({ zone: "example.com", name: "vpn.example.com" });
  });

  it("refuse a name without its zone", () => {
    expect(() => answersFrom({ dnsName: "vpn.example.com" })).to.throw("--dns-name vpn.example.com needs its zone.");
  });

  it("take a bucket for the backend s3, in the site's region", () => {
    expect(answersFrom({ bucket: "mine", region: "eu-west-1" }).backend).to.deep.equal({
      type: "s3",
      bucket: "mine",
      region: "eu-west-1",
    });
  });

  it("refuse a backend without what it needs, and what it has no use for", () => {
    expect(() => answersFrom({ backend: "s3" })).to.throw("The backend s3 needs a bucket.");
    expect(() => answersFrom({ backend: "cloud" })).to.throw("The backend cloud needs an organization.");
    expect(() => answersFrom({ backend: "cloud", organization: "me", bucket: "mine" })).to.throw(
      "--bucket does not fit the backend cloud.",
    );
    expect(() => answersFrom({ backend: "local", organization: "me" })).to.throw(
      "--organization does not fit the backend local.",
    );
  });

  it("know a place for every region, which is a good name for a site", () => {
    expect(Object.keys(PLACES).sort()).to.deep.equal([...REGIONS].sort());
    for (const region of REGIONS)
      expect(answersProblem(answersFrom({ region })), siteNameOf(region)).to.equal(undefined);
  });
});

describe("stingy init, the file", () => {
  it("holds what was chosen and no default", () => {
    expect(configText(answersFrom({}), SCHEMA).replace(/ *#.*\n/g, "")).to.equal(
      "\nsites:\n  tokyo:\n    region: ap-northeast-1\n",
    );
  });

  it("has a reason above each setting, and the schema first", () => {
    const text = configText(
      answersFrom({
        region: "eu-central-1",
        environment: "home",
        dnsZone: "example.com",
        email: ["me@example.com", "you@example.com"],
        backend: "cloud",
        organization: "mine",
      }),
      SCHEMA,
    );
    expect(text).to.equal(`# yaml-language-server: $schema=./stingy.schema.json
# The settings of your VPN. What is not here has its default: docs/configuration.md has every setting, with its reason.
# After a change, \`npx stingy plan\` tells what it would do, and \`npx cdktf deploy '*'\` does it.

# Part of every name: another environment is another set of servers.
environment: home

# Where Terraform keeps what it has made: one workspace a stack at HCP Terraform.
backend:
  type: cloud
  organization: mine

sites:
  # Part of every name, too: a site with another name is another VPN, with another address.
  frankfurt:
    # Where the server is. The nearest to you is the fastest; prices differ a little.
    region: eu-central-1
    # The name that devices know the server by. Its token lives in the store: \`npx stingy init\` puts it there.
    dns:
      provider: cloudflare
      zone: example.com
      name: vpn.example.com
    # Who is told when a person is needed. AWS asks each address to confirm.
    monitoring:
      emails:
        - me@example.com
        - you@example.com
`);
    expect(parseYaml(text, "stingy.yaml").sites[0]?.name).to.equal("frankfurt");
  });

  it("says what it was given, or is refused", () => {
    fc.assert(
      fc.property(
        fc.record({
          site: fc.oneof(
            fc.stringMatching(/^[a-z][a-z0-9]{0,14}$/),
            fc.constantFrom("null", "true", "no"),
            fc.string(),
          ),
          region: fc.constantFrom("eu-west-1", "nowhere"),
          emails: fc.array(fc.oneof(fc.emailAddress(), fc.string()), { maxLength: 2 }),
        }),
        (answers: Answers) => {
          if (answersProblem(answers)) return;
          const [site] = parseYaml(configText(answers, SCHEMA), "stingy.yaml").sites;
          expect([site?.name, site?.region, site?.monitoring.emails]).to.deep.equal([
            answers.site,
            answers.region,
            answers.emails,
          ]);
        },
      ),
    );
  });

  it("refuses a name that no site can have", () => {
    expect(answersProblem(answersFrom({ site: "Home" }))?.message).to.contain("is no site name");
  });

  it("is refused with every problem, by the setting's path", () => {
    const problem = answersProblem(answersFrom({ region: "eu-west-22", site: "home", email: ["me"] }));
    expect(problem?.problems.map(({ path }) => path.join("."))).to.deep.equal([
      "sites.home.region",
      "sites.home.monitoring.emails.0",
    ]);
  });
});

describe("stingy init, the account", () => {
  it("is content with vCPUs for two servers, and asks for more where there are fewer", () => {
    expect(vcpuFinding("spot-quota", "Spot instances", 4, 4, "eu-west-1", QUOTA).state).to.equal("ok");
    expect(vcpuFinding("spot-quota", "Spot instances", 2, 4, "eu-west-1", QUOTA)).to.deep.equal({
      id: "spot-quota",
      state: "attention",
      says: "2 vCPUs of Spot instances are allowed at once in eu-west-1, and a replacement needs 4: two servers for some minutes.",
      fix: "aws service-quotas request-service-quota-increase --region eu-west-1 --service-code ec2 --quota-code L-34B43A08 --desired-value 4",
    });
  });

  it("needs room for one more, unless the site has its own", () => {
    const room = (all: number, own: number) =>
      roomFinding("vpcs", "VPCs", { allowed: 5, all, own }, "eu-west-1", QUOTA).state;
    expect([room(4, 0), room(5, 0), room(5, 1)]).to.deep.equal(["ok", "attention", "ok"]);
  });

  it("needs as many unreserved runs as AWS leaves to others", () => {
    expect(reservationFinding(2, 1000, 1000).state).to.equal("ok");
    expect(reservationFinding(2, 1000, 101).state).to.equal("attention");
    // A new account has 10.
    expect(reservationFinding(1, 10, 10).state).to.equal("attention");
  });
});

describe("stingy init, this computer", () => {
  it("compares versions by number", () => {
    expect(atLeast("1.10.0", "1.10")).to.equal(true);
    expect(atLeast("1.9.8", "1.10")).to.equal(false);
    expect(atLeast("20.19.0", "20.19")).to.equal(true);
    expect(atLeast("20.18.3", "20.19")).to.equal(false);
    expect(atLeast("2.0.0-beta1", "1.10")).to.equal(true);
  });

  it("needs a Node.js that is not too old", () => {
    expect(nodeFinding("22.1.0").state).to.equal("ok");
    expect(nodeFinding("18.20.0")).to.include({
      state: "attention",
      says: "Node.js 18.20.0 is too old: 20.19 or later is needed.",
    });
  });

  it("misses a Terraform that is not there", async () => {
    expect(await terraformFinding("/nowhere/terraform")).to.include({
      state: "attention",
      says: "There is no `/nowhere/terraform` on this computer.",
    });
  });
});

describe("stingy init, the Cloudflare token", () => {
  it("is taken where it looks like one", () => {
    expect(tokenProblem("abcdefghijklmnopqrstuvwxyz0123456789_-AB")).to.equal(undefined);
  });

  it("is refused without being repeated", () => {
    const globalKey = "0123456789abcdef0123456789abcdef01234";
    expect(tokenProblem(globalKey))
      .to.match(/Global API Key/)
      .and.not.contain(globalKey);
    expect(tokenProblem("two words that are a bit too long")).to.match(/no API token/);
    expect(tokenProblem("short"))
      .to.match(/no API token/)
      .and.not.contain("short");
  });
});
