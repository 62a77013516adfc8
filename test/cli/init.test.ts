import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { CreateRoleCommand } from "@aws-sdk/client-iam";
import { GetParameterCommand } from "@aws-sdk/client-ssm";
import { expect } from "chai";
import { Emulator, STORE } from "./support/emulator";
import { folderWith, inTerminal, stingy } from "./support/stingy";

const TOKEN = "cfTestToken_0123456789abcdefghijklmnopqrs";
const ZONE_ID = "0123456789abcdef0123456789abcdef";
const WITH_DNS =
  "sites:\n  tokyo:\n    dns:\n      provider: cloudflare\n      zone: example.com\n      name: vpn.example.com\n";

/** What a token may do at a Cloudflare of our own. */
interface Allowed {
  readonly owner: "user" | "account";
  readonly status: string;
  readonly expires?: string;
  readonly zones: readonly string[];
  /** A token for one zone may be refused the list of all. */
  readonly lists: boolean;
  readonly edits: boolean;
}

const GOOD: Allowed = { owner: "user", status: "active", zones: ["example.com"], lists: true, edits: true };

class FakeCloudflare {
  allowed: Allowed = GOOD;
  down = false;
  readonly requests: string[] = [];
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      const url = new URL(request.url ?? "/", "http://127.0.0.1");
      this.requests.push(`${request.method} ${url.pathname.replace(/[0-9a-f]{32}$/, "ID")}${url.search}`);
      const [status, body] = this.answer(request.method ?? "", url, request.headers.authorization);
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
  }

  close(): void {
    this.server.close();
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/client/v4`;
  }

  private answer(method: string, { pathname, searchParams }: URL, authorization?: string): [number, unknown] {
    const refused = (status: number, code: number, message: string): [number, unknown] => [
      status,
      { success: false, errors: [{ code, message }], result: null },
    ];
    const good = (result: unknown): [number, unknown] => [200, { success: true, errors: [], result }];
    const { owner, status, expires, zones, lists, edits } = this.allowed;
    const zone = (name: string) => ({
      id: name === "example.com" ? ZONE_ID : "f".repeat(32),
      name,
      account: { id: "acc" },
    });
    const verified = { id: "x", status, ...(expires ? { expires_on: expires } : {}) };
    const asked = pathname.replace("/client/v4/", "");
    if (this.down) return [502, "bad gateway"];
    if (authorization !== `Bearer ${TOKEN}`) {
      return asked.startsWith("zones")
        ? refused(403, 9109, "Invalid access token")
        : refused(401, 1000, "Invalid API Token");
    }
    if (asked === "user/tokens/verify")
      return owner === "user" ? good(verified) : refused(401, 1000, "Invalid API Token");
    if (asked === "accounts/acc/tokens/verify" && owner === "account") return good(verified);
    if (asked === "zones" && searchParams.has("name")) {
      return good(zones.filter((name) => name === searchParams.get("name")).map(zone));
    }
    if (asked === "zones")
      return lists ? good(zones.map(zone)) : refused(403, 9109, "requires permission to list zones");
    if (asked === `zones/${ZONE_ID}`) return good(zone("example.com"));
    if (method === "PATCH" && asked.startsWith(`zones/${ZONE_ID}/dns_records/`)) {
      return edits ? refused(404, 81044, "Record does not exist.") : refused(403, 10000, "Authentication error");
    }
    return refused(404, 7003, "Could not route");
  }
}

describe("stingy init", () => {
  let emulator: Emulator;
  const cloudflare = new FakeCloudflare();
  let folder: string;
  let file: string;
  let env: Record<string, string>;

  before(async () => {
    emulator = await Emulator.start();
    await cloudflare.listen();
  });
  after(() => cloudflare.close());
  beforeEach(async () => {
    await emulator.reset();
    cloudflare.allowed = GOOD;
    cloudflare.down = false;
    cloudflare.requests.length = 0;
    folder = folderWith();
    file = path.join(folder, "stingy.yaml");
    env = {
      ...emulator.env,
      CLOUDFLARE_BASE_URL: cloudflare.url,
      CLOUDFLARE_API_TOKEN: "not-this-one",
      STINGY_CONFIG: file,
    };
  });

  const written = () => readFileSync(file, "utf8");
  const stored = async () => {
    const answer = await emulator.ssm
      .send(new GetParameterCommand({ Name: `${STORE}/cloudflare-token`, WithDecryption: true }))
      .catch(() => undefined);
    return answer?.Parameter && { type: answer.Parameter.Type, value: answer.Parameter.Value };
  };

  describe("the file", () => {
    it("is written from options and defaults where nobody can be asked", async () => {
      const { code, stdout, stderr } = await stingy(["init", "--region", "eu-west-1"], { env });
      expect(stderr).to.equal("");
      expect(code).to.equal(0);
      expect(written()).to.contain("\nsites:\n").and.contain("\n  ireland:\n").and.contain("    region: eu-west-1\n");
      expect(written().split("\n")[0]).to.match(/^# yaml-language-server: \$schema=.*stingy\.schema\.json$/);
      expect(stdout).to.contain(`Wrote ${file}: the site ireland in eu-west-1.`);
      expect(stdout).to.contain("npx stingy peer add phone");
      expect(readdirSync(folder)).to.deep.equal(["stingy.yaml"]);
    });

    it("is written from answers where a person sits", async () => {
      const { code, screen } = await inTerminal(
        ["init", "--offline"],
        [
          { on: "Where should the server be?", type: "\x1b[A\r" },
          { on: "What is the site called?", type: "Home\r" },
          { on: "is no site name", type: "\x15home\r" },
          { on: "A domain of yours at Cloudflare", type: "example.com\r" },
          { on: "The server's name", type: "\r" },
          { on: "Who gets mail", type: "me@example.com you@example.com\r" },
          { on: "Where should Terraform keep its state?", type: "\r" },
        ],
        { env },
      );
      expect(code, screen).to.equal(0);
      expect(written().replace(/ *#.*\n/g, "")).to.equal(`
sites:
  home:
    region: ap-east-2
    dns:
      provider: cloudflare
      zone: example.com
      name: vpn.example.com
    monitoring:
      emails:
        - me@example.com
        - you@example.com
`);
    });

    it("is not there after Ctrl-C at a question", async () => {
      const { code, screen } = await inTerminal(
        ["init", "--offline"],
        [
          { on: "Where should the server be?", type: "\r" },
          { on: "What is the site called?", type: "\x03" },
        ],
        { env },
      );
      expect(code).to.equal(1);
      expect(screen).to.contain("Stopped. Nothing was changed.");
      expect(readdirSync(folder)).to.deep.equal([]);
    });

    it("is refused with what is wrong, by the setting", async () => {
      const { code, stdout, stderr } = await stingy(["init", "--region", "eu-west-22", "--email", "me"], { env });
      expect(code).to.equal(64);
      expect(stdout).to.equal("");
      expect(stderr).to.contain('did you mean "eu-west-2"?').and.contain("is no e-mail address");
      expect(existsSync(file)).to.equal(false);
    });

    it("that says something else is shown and left alone where nobody can be asked", async () => {
      await stingy(["init", "--offline"], { env });
      const before = written();
      const { code, stderr } = await stingy(["init", "--offline", "--region", "eu-west-1"], { env });
      expect(code).to.equal(1);
      expect(stderr).to.contain("-    region: ap-northeast-1").and.contain("+    region: eu-west-1");
      expect(stderr).to.contain("Add --force to replace it.");
      expect(written()).to.equal(before);
    });

    it("is replaced with --force, and left as it is when it says the same", async () => {
      await stingy(["init", "--offline"], { env });
      const forced = await stingy(["init", "--offline", "--region", "eu-west-1", "--force"], { env });
      expect(forced.code).to.equal(0);
      expect(written()).to.contain("region: eu-west-1");
      const again = await stingy(["init", "--offline", "--region", "eu-west-1"], { env });
      expect(again.code).to.equal(0);
      expect(again.stderr).to.contain("says this already");
    });

    it("is not touched when the person says no", async () => {
      await stingy(["init", "--offline"], { env });
      const before = written();
      const { code, screen } = await inTerminal(
        ["init", "--offline", "--region", "eu-west-1", "--dns-zone", "example.com", "--email", "me@example.com"],
        [
          { on: "What is the site called?", type: "\r" },
          { on: "The server's name", type: "\r" },
          { on: "Where should Terraform keep its state?", type: "\r" },
          { on: "Replace", type: "n\r" },
        ],
        { env },
      );
      expect(code, screen).to.equal(1);
      expect(screen).to.contain("Nothing was changed.");
      expect(written()).to.equal(before);
    });

    it("is not written where there is none to write to", async () => {
      const { code, stderr } = await stingy(["init", "--offline", "--config", "/nowhere/stingy.yaml"], { env });
      expect(code).to.equal(1);
      expect(stderr).to.contain("/nowhere/stingy.yaml cannot be written (ENOENT).");
    });

    it("is written without credentials too, and the account left out", async () => {
      const { code, stdout } = await stingy(["init"], { env: { STINGY_CONFIG: file } });
      expect(code).to.equal(0);
      expect(stdout).to.contain("The account was not looked at. There are no AWS credentials.");
      expect(existsSync(file)).to.equal(true);
    });
  });

  describe("the account", () => {
    const found = async (...args: string[]) => {
      const { code, stdout, stderr } = await stingy(["init", "--check", "--json", ...args], { env });
      expect(stderr).to.equal("");
      const { findings } = JSON.parse(stdout) as {
        findings: { id: string; state: string; says: string; fix?: string }[];
      };
      return { code, states: Object.fromEntries(findings.map(({ id, state }) => [id, state])), findings };
    };

    it("of a newcomer is good enough, and nothing is written", async () => {
      const { code, states } = await found();
      expect(code).to.equal(0);
      expect(states).to.deep.equal({
        node: "ok",
        terraform: "ok",
        account: "ok",
        region: "ok",
        "spot-role": "note",
        "spot-quota": "ok",
        "on-demand-quota": "ok",
        "elastic-ips": "ok",
        vpcs: "ok",
      });
      expect(readdirSync(folder)).to.deep.equal([]);
    });

    it("with Spot's role needs no note of it", async () => {
      // The emulator names a service's role otherwise than AWS does.
      await emulator.iam.send(
        new CreateRoleCommand({ RoleName: "AWSServiceRoleForEC2Spot", AssumeRolePolicyDocument: "{}" }),
      );
      const { states } = await found();
      expect(states["spot-role"]).to.equal("ok");
    });

    it("that may not have two servers at once needs more vCPUs", async () => {
      await emulator.moto.quotas({ "L-34B43A08": 2 });
      const { code, findings } = await found();
      expect(code).to.equal(2);
      const spot = findings.find(({ id }) => id === "spot-quota");
      expect(spot?.says).to.equal(
        "2 vCPUs of Spot instances are allowed at once in ap-northeast-1, and a replacement needs 4: two servers for some minutes.",
      );
      expect(spot?.fix).to.contain("request-service-quota-increase --region ap-northeast-1 --service-code ec2");
    });

    it("that has used up its addresses has no room, but for the site that has one", async () => {
      await emulator.moto.quotas({ "L-0263D0A3": 1 });
      const site = await emulator.deploySite();
      expect(site.allocationId).to.match(/^eipalloc-/);
      expect((await found()).states["elastic-ips"]).to.equal("ok");
      const other = await found("--site", "other");
      expect(other.code).to.equal(2);
      expect(other.states["elastic-ips"]).to.equal("attention");
    });

    it("that cannot be asked one thing is asked the others", async () => {
      await emulator.moto.fault({
        api: "servicequotas:GetServiceQuota",
        kind: "error",
        code: "IllegalArgumentException",
        containing: "L-F678F1CE",
      });
      const { code, states } = await found();
      expect(code).to.equal(0);
      expect(states).to.include({ vpcs: "unknown", "elastic-ips": "ok", "spot-quota": "ok" });
      const { stdout } = await stingy(["init", "--check"], { env });
      expect(stdout)
        .to.contain("vpcs could not be looked at")
        .and.contain("Nothing that could be looked at is in the way");
    });

    it("that has not enabled the region is told how", async () => {
      const { code, findings } = await found("--region", "ap-east-1");
      expect(code).to.equal(2);
      expect(findings.find(({ id }) => id === "region")?.fix).to.contain(
        "aws account enable-region --region-name ap-east-1",
      );
    });

    it("is not guessed at without credentials", async () => {
      const { code, stdout, stderr } = await stingy(["init", "--check"], { env: { STINGY_CONFIG: file } });
      expect(code).to.equal(1);
      expect(stdout).to.equal("");
      expect(stderr).to.contain("There are no AWS credentials.");
    });
  });

  describe("this computer", () => {
    it("without Terraform is told where to get it", async () => {
      const { code, stdout } = await stingy(["init", "--check"], {
        env: { ...env, TERRAFORM_BINARY_NAME: "no-terraform" },
      });
      expect(code).to.equal(2);
      expect(stdout).to.contain("There is no `no-terraform` on this computer.");
      expect(stdout).to.contain("https://developer.hashicorp.com/terraform/install");
    });
  });

  describe("the Cloudflare token", () => {
    let withDns: Record<string, string>;
    beforeEach(() => {
      withDns = { ...env, STINGY_CONFIG: path.join(folderWith({ "dns.yaml": WITH_DNS }), "dns.yaml") };
    });
    const give = (token = TOKEN, ...args: string[]) =>
      stingy(["init", "--cloudflare-token-stdin", "--debug", ...args], { env: withDns, input: `${token}\n` });

    it("from standard input is checked, without a change at Cloudflare, and stored as a secret", async () => {
      const { code, stdout, stderr } = await give();
      expect(code, stderr).to.equal(0);
      expect(await stored()).to.deep.equal({ type: "SecureString", value: TOKEN });
      expect(stdout).to.contain("the token may edit the DNS records of example.com");
      expect(cloudflare.requests).to.deep.equal([
        "GET /client/v4/user/tokens/verify",
        "GET /client/v4/zones?name=example.com",
        `PATCH /client/v4/zones/${ZONE_ID}/dns_records/ID`,
        "GET /client/v4/zones?per_page=50",
      ]);
      expect(stdout + stderr).to.not.contain(TOKEN);
    });

    it("from a prompt is not shown", async () => {
      const { code, screen } = await inTerminal(
        ["init"],
        [
          { on: "What should be done?", type: "\x1b[B\r" },
          { on: "Cloudflare API token", type: `${TOKEN}\r` },
        ],
        { env: withDns },
      );
      expect(code, screen).to.equal(0);
      expect(await stored()).to.deep.equal({ type: "SecureString", value: TOKEN });
      expect(screen).to.not.contain(TOKEN);
    });

    it("that an account owns is as good", async () => {
      cloudflare.allowed = { ...GOOD, owner: "account", lists: false };
      const { code, stderr } = await give();
      expect(code, stderr).to.equal(0);
      expect(cloudflare.requests).to.contain("GET /client/v4/accounts/acc/tokens/verify");
      expect((await stored())?.value).to.equal(TOKEN);
    });

    it("that expires says when", async () => {
      cloudflare.allowed = { ...GOOD, expires: "2027-03-01T00:00:00Z" };
      const { code, stdout } = await give();
      expect(code).to.equal(0);
      expect(stdout).to.contain("the token expires on 2027-03-01");
    });

    for (const [what, allowed, says] of [
      ["may only read", { edits: false }, "This token may not edit the DNS records of example.com."],
      ["is for another zone", { zones: ["other.org"] }, "This token does not see the zone example.com."],
      ["is turned off", { status: "disabled" }, "Cloudflare says that this token is disabled."],
    ] as const) {
      it(`that ${what} is not stored`, async () => {
        cloudflare.allowed = { ...GOOD, ...allowed };
        const { code, stderr } = await give();
        expect(code).to.equal(1);
        expect(stderr).to.contain(says).and.contain("https://dash.cloudflare.com/profile/api-tokens");
        expect(stderr).to.not.contain(TOKEN);
        expect(await stored()).to.equal(undefined);
      });
    }

    it("that Cloudflare does not know is not stored, nor repeated", async () => {
      const wrong = "wrongToken_0123456789abcdefghijklmnopqrst";
      const { code, stdout, stderr } = await give(wrong);
      expect(code).to.equal(1);
      expect(stderr).to.contain(
        "This token does not see the zone example.com (Cloudflare says: 9109 Invalid access token).",
      );
      expect(stdout + stderr).to.not.contain(wrong);
      expect(await stored()).to.equal(undefined);
    });

    it("that sees other zones too is stored only when said so", async () => {
      cloudflare.allowed = { ...GOOD, zones: ["example.com", "other.org"] };
      const refused = await give();
      expect(refused.code).to.equal(64);
      expect(refused.stderr).to.contain("The token also sees other zones: other.org.");
      expect(await stored()).to.equal(undefined);
      const said = await give(TOKEN, "--yes");
      expect(said.code).to.equal(2);
      expect((await stored())?.value).to.equal(TOKEN);
    });

    it("replaces another only when said so", async () => {
      await emulator.put("cloudflare-token", "the-one-before-0123456789", "SecureString");
      const refused = await give();
      expect(refused.code).to.equal(64);
      expect(refused.stderr).to.contain(`Replace the other token that is in ${STORE}/cloudflare-token?`);
      expect((await stored())?.value).to.equal("the-one-before-0123456789");
      const said = await give(TOKEN, "--yes");
      expect(said.code).to.equal(0);
      expect((await stored())?.value).to.equal(TOKEN);
    });

    it("is not stored unchecked when Cloudflare does not answer", async () => {
      cloudflare.down = true;
      const { code, stderr } = await give();
      expect(code).to.equal(1);
      expect(stderr).to.contain("Cloudflare gives no good answer now (HTTP 502).");
      expect(await stored()).to.equal(undefined);
    });

    it("is no argument", async () => {
      const { code, stderr } = await stingy(["init", "--cloudflare-token", TOKEN], { env: withDns });
      expect(code).to.equal(64);
      expect(stderr).to.not.contain(TOKEN);
    });

    it("that is missing from the store is missed", async () => {
      const { code, stdout } = await stingy(["init", "--check"], { env: withDns });
      expect(code).to.equal(2);
      expect(stdout).to.contain("The store has no Cloudflare token");
    });

    it("is not wanted by a site without a name", async () => {
      const { code, stderr } = await stingy(["init", "--cloudflare-token-stdin", "--region", "eu-west-1"], {
        env,
        input: TOKEN,
      });
      expect(code).to.equal(64);
      expect(stderr).to.contain("The site ireland has no name at Cloudflare");
      expect(existsSync(file)).to.equal(false);
    });
  });
});
