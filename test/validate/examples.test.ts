import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { loadConfig, parseConfig } from "../../modules/config";
import { bundleFunctions } from "../../modules/lambda";
import { createApp } from "../../stacks";
import { EXAMPLES, ROOT, readStacks } from "../support/synth";
import { type Fitted, fitToProviders, providersAtHand, type ValidateResult, validateStack } from "../support/terraform";

/** Terraform spends most of its time starting the provider: more at once than cores gains nothing. */
const AT_ONCE = Math.max(2, os.availableParallelism());

describe("terraform validate, every stack of every example", () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "stingy-validate-"));
  const plugins = path.join(folder, "plugins");
  mkdirSync(plugins);
  const leftOut = new Set<string>();
  const jobs: { readonly id: string; readonly fitted: Fitted; result: Promise<ValidateResult> }[] = [];
  const waiting: (() => void)[] = [];
  let running = 0;

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
    running++;
    try {
      return await work();
    } finally {
      running--;
      waiting.shift()?.();
    }
  }

  // The first of all, as its test is: the others wait for one another.
  const broken = validateBroken();
  broken.catch(() => undefined);

  function validateBroken() {
    const outdir = path.join(folder, "broken");
    createApp({ config: parseConfig({}), bundles: bundleFunctions(), root: folder, outdir }).synth();
    const stack = readStacks(outdir)["prod-tokyo-network"];
    stack.resource.aws_vpc.network_vpc.cidr_block = "10.0.0.0/99";
    const fitted = fitToProviders(stack, providersAtHand());
    return inTurn(() => validateStack(path.join(outdir, "stacks/prod-tokyo-network"), plugins, fitted));
  }

  for (const example of EXAMPLES) {
    const outdir = path.join(folder, example);
    const config = loadConfig(ROOT, path.join(ROOT, "examples", `${example}.yaml`));
    createApp({ config, bundles: bundleFunctions(), root: folder, outdir }).synth();
    for (const [id, json] of Object.entries(readStacks(outdir))) {
      const fitted = fitToProviders(json, providersAtHand());
      const result = inTurn(() => validateStack(path.join(outdir, "stacks", id), plugins, fitted));
      result.catch(() => undefined);
      jobs.push({ id: `${example}: ${id}`, fitted, result });
    }
  }

  after(() => {
    rmSync(folder, { recursive: true, force: true });
    if (leftOut.size > 0)
      console.log(`    Not validated here, as no mirror has their provider: ${[...leftOut].join(", ")}.`);
  });

  it("finds what is wrong with a stack", async () => {
    const { valid, messages } = await broken;
    expect(valid).to.equal(false);
    expect(messages.join()).to.include("aws_vpc.network_vpc").and.to.include("10.0.0.0/99");
  });

  for (const { id, fitted, result } of jobs) {
    it(`${id} is valid`, async function () {
      const { valid, messages } = await result;
      expect(messages).to.deep.equal([]);
      expect(valid).to.equal(true);
      for (const source of fitted.leftOut) leftOut.add(source);
      // Nothing but outputs is left: that is no proof.
      if (Object.keys(fitted.json.resource ?? {}).length === 0) this.skip();
    });
  }
});
