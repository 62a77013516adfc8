import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "chai";
import { Context } from "../../cli/context";
import { CliError, EXIT } from "../../cli/exit";

describe("the context of a command", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "stingy-context-"));
  const saved = process.env.STINGY_CONFIG;
  after(() => {
    rmSync(folder, { recursive: true });
    if (saved === undefined) delete process.env.STINGY_CONFIG;
    else process.env.STINGY_CONFIG = saved;
  });
  beforeEach(() => {
    delete process.env.STINGY_CONFIG;
  });

  function file(text: string): string {
    const name = path.join(folder, "stingy.yaml");
    writeFileSync(name, text);
    return name;
  }

  async function refused(work: Promise<unknown>): Promise<CliError> {
    const error = await work.then(
      () => undefined,
      (thrown) => thrown,
    );
    expect(error).to.be.instanceOf(CliError);
    return error as CliError;
  }

  const TWO = `sites:
  tokyo: {}
  dublin: { region: eu-west-1, network: { vpcCidr: 10.1.0.0/16 }, tunnel: { ipv4: 10.9.0.0/24, ipv6: "fd53:7469:6e67:9::/64" } }
`;

  it("takes the only site", async () => {
    const context = new Context({ config: file("sites: { dublin: { region: eu-west-1 } }\n") });
    expect((await context.site()).name).to.equal("dublin");
    expect((await context.aws()).region).to.equal("eu-west-1");
    expect((await context.names()).controller).to.equal("stingy-vpn-prod-dublin-recovery-handler");
  });

  it("takes the site that --site names", async () => {
    expect((await new Context({ config: file(TWO), site: "dublin" }).site()).region).to.equal("eu-west-1");
  });

  it("asks which of several", async () => {
    const error = await refused(new Context({ config: file(TWO) }).site());
    expect(error.message).to.match(/has several sites\.$/);
    expect(error.fix).to.equal("Say which one: --site tokyo (it has: tokyo, dublin).");
    expect(error.exit).to.equal(EXIT.usage);
  });

  it("names the sites there are where --site names none of them", async () => {
    const error = await refused(new Context({ config: file(TWO), site: "paris" }).site());
    expect(error.message).to.match(/^There is no site "paris" in .*stingy\.yaml\.$/);
    expect(error.fix).to.equal("It has: tokyo, dublin.");
    expect(error.exit).to.equal(EXIT.usage);
  });

  it("prefers --config to STINGY_CONFIG", async () => {
    process.env.STINGY_CONFIG = "/nowhere/stingy.yaml";
    expect((await new Context({ config: file("environment: test\n") }).config()).environment).to.equal("test");
    const error = await refused(new Context({}).config());
    expect(error.message).to.include("/nowhere/stingy.yaml");
  });

  it("says what is wrong with the configuration, with its line", async () => {
    const error = await refused(
      new Context({ config: file("environment: prod\nsites: { tokyo: { regon: x } }\n") }).config(),
    );
    expect(error.message).to.match(/stingy\.yaml:2:\d+ {2}sites\.tokyo\.regon/);
    expect(error.exit).to.equal(EXIT.failed);
  });
});
