import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { ROOT } from "./support/synth";

describe("npm run synth", () => {
  const temporary = mkdtempSync(path.join(os.tmpdir(), "stingy-npm-synth-"));
  const leftover = path.join(temporary, "cdktf.out/stacks/prod-gone-network");
  const script = ["-r", require.resolve("tsx/cjs"), path.join(ROOT, "scripts/synth.ts")];
  const options = (config: string) => ({
    cwd: temporary,
    encoding: "utf8" as const,
    env: { ...process.env, STINGY_CONFIG: config, CDKTF_OUTDIR: path.join(temporary, "cdktf.out") },
  });

  before(() => mkdirSync(leftover, { recursive: true }));
  after(() => rmSync(temporary, { recursive: true, force: true }));

  it("touches nothing and promises nothing with a bad configuration", () => {
    const { status, stdout } = spawnSync(process.execPath, script, options("missing.yaml"));
    expect({ status, stdout }).to.deep.equal({ status: 1, stdout: "" });
    expect(existsSync(leftover)).to.equal(true);
  });

  it("ends with the stacks in their order, where their JSON is, and what to type next", () => {
    const output = execFileSync(process.execPath, script, options(path.join(ROOT, "examples/full.yaml")));
    expect(output).to.equal(`Stacks, in the order they are deployed:
  prod-tokyo-network                       cdktf.out/stacks/prod-tokyo-network/cdk.tf.json
  prod-tokyo-server                        cdktf.out/stacks/prod-tokyo-server/cdk.tf.json
  prod-tokyo-dns                           cdktf.out/stacks/prod-tokyo-dns/cdk.tf.json
  prod-tokyo-recovery                      cdktf.out/stacks/prod-tokyo-recovery/cdk.tf.json
  prod-tokyo-monitoring                    cdktf.out/stacks/prod-tokyo-monitoring/cdk.tf.json

Next:
  npx cdktf diff prod-tokyo-network    what would change, with your AWS credentials
  npx cdktf deploy '*'                 shows each stack's plan and asks before it changes anything
`);
    expect(existsSync(path.join(temporary, "cdktf.out/stacks/prod-tokyo-dns/cdk.tf.json"))).to.equal(true);
  });

  it("leaves no stack behind that the configuration no longer has", () => {
    expect(existsSync(leftover)).to.equal(false);
  });
});
