import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { ROOT } from "./support/synth";

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The process that `cdktf synth` starts. */
function run(env: NodeJS.ProcessEnv, cwd = ROOT): Promise<Run> {
  return new Promise((resolve, reject) => {
    const main = ["-r", require.resolve("tsx/cjs"), path.join(ROOT, "main.ts")];
    const child = spawn(process.execPath, main, { cwd, env: { ...process.env, ...env } });
    const out = { stdout: "", stderr: "" };
    child.stdout.on("data", (chunk) => (out.stdout += chunk));
    child.stderr.on("data", (chunk) => (out.stderr += chunk));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...out }));
  });
}

/** Two at a time: the machine that runs the tests has two cores. */
async function runAll<T>(jobs: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = [];
  const left = [...jobs.entries()];
  const work = async () => {
    for (let job = left.shift(); job; job = left.shift()) results[job[0]] = await job[1]();
  };
  await Promise.all([work(), work()]);
  return results;
}

/** Every file under a folder with its content. */
function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((file) => path.relative(folder, path.join(file.parentPath, file.name)));
  return Object.fromEntries(paths.sort().map((name) => [name, readFileSync(path.join(folder, name), "latin1")]));
}

/** What the file holds (nothing written: there is none), and what is said about it. FILE is its name. */
const BAD: Record<string, { write?: (file: string) => void; says: string }> = {
  "a missing file": {
    says: `FILE: 1 problem, nothing was written.

  FILE
    problem  there is no such file
    fix      correct STINGY_CONFIG, or unset it to use stingy.yaml or the defaults
`,
  },
  "an empty file": {
    write: (file) => writeFileSync(file, ""),
    says: `FILE: 1 problem, nothing was written.

  FILE
    problem  the file is empty
    fix      delete it to use the defaults, or write at least \`environment: prod\`
`,
  },
  "duplicate keys and a tab": {
    write: (file) => writeFileSync(file, "environment: a\nenvironment: b\nsites:\n\ttokyo:\n"),
    says: `FILE: 2 problems, nothing was written.

  FILE:2:1
    problem  the same setting stands here a second time
    fix      keep one of the two

  FILE:4:1
    problem  a tab is used to indent
    fix      use spaces
`,
  },
  "unknown keys, a wrong type and a broken rule": {
    write: (file) =>
      writeFileSync(file, "? [a, b]\n: c\nenviroment: prod\nsites:\n  tokyo:\n    elasticIp: false\n    protect: 1\n"),
    says: `FILE: 4 problems, nothing was written.

  FILE:1:1  [ a, b ]
    problem  there is no setting "[ a, b ]" here
    allowed  environment, backend, providers, tags, sites
    fix      remove it, or use one of the allowed settings

  FILE:3:1  enviroment
    problem  there is no setting "enviroment" here
    allowed  environment, backend, providers, tags, sites
    fix      did you mean "environment"?

  FILE:6:16  sites.tokyo.elasticIp
    given    false
    problem  leaves clients without an address that lasts, as the site has no DNS name either
    fix      turn elasticIp on, or configure dns

  FILE:7:14  sites.tokyo.protect
    given    1
    problem  is not true or false
    allowed  true or false
    fix      for example protect: true
`,
  },
  "10 MB": {
    write: (file) => {
      writeFileSync(file, "environment: prod\n");
      truncateSync(file, 10_000_000);
    },
    says: `FILE: 1 problem, nothing was written.

  FILE
    problem  the file has 10000000 bytes, a configuration has at most 1000000
    fix      check that this is the right file
`,
  },
  "a folder": {
    write: (file) => mkdirSync(file),
    says: `FILE: 1 problem, nothing was written.

  FILE
    problem  is a folder
    fix      name a file: STINGY_CONFIG=FILE/stingy.yaml
`,
  },
};

describe("main.ts", function () {
  this.timeout(60_000);
  let temporary: string;
  before(() => {
    temporary = mkdtempSync(path.join(os.tmpdir(), "stingy-main-"));
  });
  after(() => rmSync(temporary, { recursive: true, force: true }));

  describe("with a bad configuration", () => {
    const KEPT = { "manifest.json": '{"kept":true}', "stacks/prod-tokyo-network/cdk.tf.json": "{}\n" };
    const names = Object.keys(BAD);
    /** The first finds no outdir, the others one from a run before. */
    const hasOutdir = (name: string) => name !== names[0];
    const outdirOf = (name: string) => path.join(temporary, name, "cdktf.out");
    const fileOf = (name: string) => path.join(temporary, name, "stingy.yaml");
    let runs: Record<string, Run>;

    before(async () => {
      for (const name of names) {
        mkdirSync(path.join(temporary, name));
        BAD[name]?.write?.(fileOf(name));
        if (!hasOutdir(name)) continue;
        for (const [file, text] of Object.entries(KEPT)) {
          mkdirSync(path.dirname(path.join(outdirOf(name), file)), { recursive: true });
          writeFileSync(path.join(outdirOf(name), file), text);
        }
      }
      const done = await runAll(
        names.map((name) => () => run({ STINGY_CONFIG: fileOf(name), CDKTF_OUTDIR: outdirOf(name) })),
      );
      runs = Object.fromEntries(names.map((name, index) => [name, done[index] as Run]));
    });

    for (const name of names) {
      it(`(${name}) says what is wrong and nothing else, and exits with 1`, () => {
        const { code, stdout, stderr } = runs[name] as Run;
        expect(stderr.replaceAll(fileOf(name), "FILE")).to.equal(BAD[name]?.says);
        expect(stderr).not.to.match(/^\s+at /m);
        expect(stdout).to.equal("");
        expect(code).to.equal(1);
      });

      it(`(${name}) leaves cdktf.out as it was`, () => {
        if (hasOutdir(name)) expect(contents(outdirOf(name))).to.deep.equal(KEPT);
        else expect(readdirSync(path.join(temporary, name))).to.deep.equal([]);
      });
    }
  });

  describe("with a good configuration", () => {
    const STACKS = ["network", "server", "dns", "recovery", "monitoring"].flatMap((stack) => [
      `prod-frankfurt-${stack}`,
      `prod-tokyo-${stack}`,
    ]);
    /** Everything about a machine that must not matter. */
    const MACHINES = [
      { HOME: "/root", TZ: "UTC", LANG: "C", LC_ALL: "C" },
      { HOME: "/nonexistent", TZ: "Asia/Tokyo", LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8", USER: "someone" },
    ];
    const outdirOf = (index: number) => path.join(temporary, `machine-${index}`, "cdktf.out");
    let runs: Run[];
    let written: Record<string, string>[];

    before(async () => {
      const config = path.join(ROOT, "examples/two-sites.yaml");
      const cwds = [ROOT, temporary];
      runs = await runAll(
        MACHINES.map((env, index) => {
          mkdirSync(path.dirname(outdirOf(index)));
          return () => run({ ...env, STINGY_CONFIG: config, CDKTF_OUTDIR: outdirOf(index) }, cwds[index]);
        }),
      );
      written = MACHINES.map((_, index) => contents(outdirOf(index)));
    });

    it("exits with 0 and has nothing to say", () => {
      expect(runs).to.deep.equal(MACHINES.map(() => ({ code: 0, stdout: "", stderr: "" })));
    });

    it("writes every site's five stacks", () => {
      const { stacks } = JSON.parse(written[0]?.["manifest.json"] ?? "");
      expect(Object.keys(stacks).sort()).to.deep.equal([...STACKS].sort());
      for (const stack of STACKS) {
        expect(JSON.parse(written[0]?.[`stacks/${stack}/cdk.tf.json`] ?? "")).to.include.keys("terraform");
      }
    });

    it("writes the same bytes in another folder, for another user, in another time zone and language", () => {
      const [one = {}, other = {}] = written;
      expect(Object.keys(other)).to.deep.equal(Object.keys(one));
      for (const file of Object.keys(one)) expect(other[file] === one[file], file).to.equal(true);
    });

    it("needs no Terraform, whatever the backend", async () => {
      const config = path.join(ROOT, "examples/hcp-terraform.yaml");
      const outdir = path.join(temporary, "no-terraform");
      const { code, stderr } = await run({
        STINGY_CONFIG: config,
        CDKTF_OUTDIR: outdir,
        PATH: path.join(temporary, "nothing"),
      });
      expect(stderr).to.equal("");
      expect(code).to.equal(0);
    });
  });
});
