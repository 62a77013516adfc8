import { spawnSync } from "node:child_process";
import path from "node:path";
import { expect } from "chai";
import { compile, load, type Player } from "./compile";
import { outsidePromises } from "./engine";
import { MUTANTS, type Mutant } from "./mutants";
import type { Outcome } from "./simulate";
import type { Violation } from "./world";

const SCHEDULES = 20_000;
/** The seeds are the same in every run: a red test is the code's doing. */
const FIRST_SEED = 1;
const MOST_FOR_A_MUTANT = 20_000;
const ROOT = path.resolve(__dirname, "../..");

describe("the simulation", () => {
  let sound: Player;

  before(async () => {
    sound = load(await compile());
  });

  it(`finds nothing wrong in ${SCHEDULES} schedules, in which every fault happens`, async () => {
    const batch = await outsidePromises(() => sound.runBatch(FIRST_SEED, SCHEDULES, sound.createController));
    expect(batch.violations).to.deep.equal([]);
    const never = Object.entries(batch.counts).filter(([, count]) => count === 0);
    expect(never).to.deep.equal([]);
  });

  it("tells the same story of the same seed twice", async () => {
    const [first, second] = await outsidePromises(() => [play(sound, 4711), play(sound, 4711)] as const);
    expect(first.story).to.have.length.above(1000);
    expect(second.story).to.equal(first.story);
    expect(second.counts).to.deep.equal(first.counts);
  });

  it("is the same whether it is told or not", async () => {
    const { told, untold } = await outsidePromises(() => ({
      told: play(sound, 4711),
      untold: sound.simulate(sound.generate(4711), sound.createController),
    }));
    expect(untold.counts).to.deep.equal(told.counts);
    expect(untold.story).to.equal(undefined);
  });

  it("shrinks a schedule to what the violation needs, and keeps the violation", async () => {
    const mutant = await mutate("launches beside a successor");
    const { seed, violation } = await firstViolation(mutant);
    const { small, left, without } = await outsidePromises(() => {
      const smallest = mutant.shrink(mutant.generate(seed), violation, mutant.createController);
      const fewer = smallest.faults.map((fault) => ({
        ...smallest,
        faults: smallest.faults.filter((other) => other !== fault),
      }));
      return {
        small: smallest,
        left: mutant.simulate(smallest, mutant.createController).violation,
        without: fewer.map((schedule) => mutant.simulate(schedule, mutant.createController).violation?.invariant),
      };
    });
    expect(left?.invariant).to.equal(violation.invariant);
    expect(small.faults.length).to.be.at.most(mutant.generate(seed).faults.length);
    expect(without).not.to.include(violation.invariant);
  });

  it("reports a violation with its seed, the faults it needs and the story up to it", async () => {
    const mutant = await mutate("launches beside a successor");
    const { seed, violation } = await firstViolation(mutant);
    const text = await outsidePromises(() => mutant.report(mutant.generate(seed), violation, mutant.createController));
    const lines = text.split("\n");
    expect(lines[0]).to.equal(`Seed ${seed} violates invariant ${violation.invariant}: ${violation.what}`);
    expect(lines[1]).to.match(/^\d+ of its \d+ faults are enough:$/);
    expect(lines.at(-3)).to.match(/^ +\d+:\d\d\.\d{3} {2}\S.*$/);
    expect(text).to.match(/^ +\d+:\d\d\.\d{3} {2}VIOLATED {8}invariant 4: /m);
    expect(lines.at(-1)).to.match(new RegExp(`^Seed ${seed}, invariant 4: `));
  });
});

describe("the simulation catches a controller that", () => {
  for (const mutant of MUTANTS) {
    it(mutant.name, async function () {
      const { seed, violation } = await firstViolation(load(await compile(mutant.edits)));
      if (this.test)
        this.test.title += `: seed ${seed}, after ${seed - FIRST_SEED + 1} schedules, invariant ${violation.invariant}`;
    });
  }

  it("has mistakes that can be made: an edit that does not apply exactly once is an error", async () => {
    const edits = [{ file: "decide.ts", replace: "no such line", by: "" }];
    const error = await compile(edits).then(
      () => undefined,
      (failure: Error) => failure,
    );
    expect(error?.message).to.contain("decide.ts has 0 times, not once: no such line");
  });
});

describe("npm run sim", () => {
  it("says what it ran, and ends well where nothing is violated", () => {
    const { status, stdout } = run("--schedules", "20", "--seed", "5");
    expect(stdout).to.match(
      /^20 schedules \(seeds 5 to 24\) in \S+ s, \d+ a minute: 0 violations; the longest way to rest took \d+ min$/m,
    );
    expect(status).to.equal(0);
  });

  it("does the same with several workers", () => {
    const counts = (text: string) => text.split("\n").find((line) => line.startsWith("runs "));
    const alone = run("--schedules", "20", "--seed", "5");
    const together = run("--schedules", "20", "--seed", "5", "--workers", "2");
    expect(counts(alone.stdout)).to.be.a("string");
    expect(counts(together.stdout)).to.equal(counts(alone.stdout));
    expect(together.status).to.equal(0);
  });

  it("tells one seed's story", () => {
    const { status, stdout } = run("--seed-only", "5");
    expect(stdout).to.match(/Seed 5: no violation\.\n$/);
    expect(status).to.equal(0);
  });

  for (const [given, message] of [
    [["--schedules", "many"], '--schedules is "many", not a whole number from 1 to 4294967295.'],
    [["--schedules", "0"], '--schedules is "0", not a whole number from 1 to 4294967295.'],
    [["--seed", "-1"], "Option '--seed' argument is ambiguous."],
    [["--sed", "1"], "Unknown option '--sed'"],
  ] as const) {
    it(`refuses ${given.join(" ")}`, () => {
      const { status, stderr } = run(...given);
      expect(stderr).to.contain(message);
      expect(status).to.equal(2);
    });
  }
});

function play(player: Player, seed: number): Outcome {
  return player.simulate(player.generate(seed), player.createController, true);
}

async function mutate(name: string): Promise<Player> {
  const { edits } = MUTANTS.find((mutant) => mutant.name === name) as Mutant;
  return load(await compile(edits));
}

async function firstViolation(player: Player): Promise<{ seed: number; violation: Violation }> {
  const { violations } = await outsidePromises(() =>
    player.runBatch(FIRST_SEED, MOST_FOR_A_MUTANT, player.createController, 1),
  );
  expect(violations, `no violation in ${MOST_FOR_A_MUTANT} schedules`).to.have.length(1);
  return violations[0] as { seed: number; violation: Violation };
}

function run(...given: string[]): { status: number | null; stdout: string; stderr: string } {
  const script = path.join(__dirname, "main.ts");
  return spawnSync(process.execPath, ["-r", "tsx/cjs", script, ...given], { cwd: ROOT, encoding: "utf8" });
}
