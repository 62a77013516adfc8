import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { Moto, PATCHED } from "../e2e/emulator/moto";
import { planOf } from "../plan/support";
import { configFile, deploy, fakeTerraform, saying, settings } from "./plan/support";
import { folderWith, inTerminal, ROOT, stingy } from "./support/stingy";

const NETWORK = "prod-tokyo-network";
const SERVER = "prod-tokyo-server";
/** Rewrites the reviewed Markdown. */
const UPDATE = "STINGY_UPDATE_GOLDEN";

const ADDED = JSON.stringify(planOf({ "aws_vpc.network_vpc": { after: { cidr_block: "10.0.0.0/16" } } }));
const UNCHANGED = JSON.stringify(planOf({ "aws_vpc.network_vpc": { before: { a: 1 }, after: { a: 1 } } }));

const state = folderWith();
const deployed = settings(state);
/** The other files reset the one that they share, whatever is deployed into it meanwhile. */
let emulator: Moto | undefined;
/** Terraform mostly waits: what needs none of it is tested meanwhile. */
let deploying: Promise<Record<string, string>>;

before(() => {
  deploying = (async () => {
    emulator = await Moto.start(PATCHED);
    const { endpoint, region, credentials } = emulator.sdk;
    const env = {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    };
    await deploy(deployed, [NETWORK, SERVER], env);
    return env;
  })();
  deploying.catch(() => undefined);
});

after(async () => {
  await deploying.catch(() => undefined);
  await emulator?.stop();
});

describe("stingy plan --from", () => {
  const files = folderWith({
    "plan.json": ADDED,
    "same.json": UNCHANGED,
    "text.json": "no JSON",
    "state.json": JSON.stringify({ format_version: "1.0", values: {} }),
    "future.json": JSON.stringify({ format_version: "9.0", planned_values: {} }),
    "empty.json": "",
    "errored.json": JSON.stringify({ ...JSON.parse(ADDED), errored: true }),
    "plan.tfplan": "PK\u0003\u0004binary",
  });
  const from = (...names: string[]) => stingy(["plan", "--from", ...names.map((name) => path.join(files, name))]);

  it("summarizes a downloaded plan, and ends with 2 as it changes something", async () => {
    const { code, stdout, stderr } = await from("plan.json=prod-tokyo-network");
    expect({ code, stderr }).to.deep.equal({ code: 2, stderr: "" });
    expect(stdout)
      .to.include("Plan: 1 stack changes")
      .and.include("+ aws_vpc.network_vpc is made")
      .and.include(NETWORK);
  });

  it("ends with 0 where nothing changes", async () => {
    const { code, stdout } = await from("same.json");
    expect(code).to.equal(0);
    expect(stdout).to.include("Plan: nothing changes");
  });

  it("ends with 1 on a plan that Terraform ended with an error, and shows how far it came", async () => {
    const { code, stdout, stderr } = await from("errored.json=prod-tokyo-network");
    expect({ code, stderr }).to.deep.equal({ code: 1, stderr: `Not planned: ${NETWORK}.\n` });
    expect(stdout)
      .to.include("Terraform ended this plan with an error, which its JSON does not say.")
      .and.include("+ aws_vpc.network_vpc is made");
  });

  it("reads standard input, and several files, and answers in JSON", async () => {
    const { code, stdout } = await stingy(["plan", "--json", "--from", "-=one", path.join(files, "same.json")], {
      input: ADDED,
    });
    expect(code).to.equal(2);
    const { changes, stacks } = JSON.parse(stdout);
    expect(changes).to.equal(true);
    expect(stacks.map(({ id, counts }: { id: string; counts: { add: number } }) => [id, counts.add])).to.deep.equal([
      ["one", 1],
      ["same", 0],
    ]);
  });

  for (const [name, problem] of [
    ["text.json", "is no JSON."],
    ["state.json", "is a state, not a plan."],
    ["future.json", 'has the plan format "9.0"; 1.x is understood.'],
    ["empty.json", "is empty."],
    ["plan.tfplan", "is a plan file; what is read here is its JSON."],
    ["absent.json", "there is no such file."],
  ] as const) {
    it(`says that ${name} ${problem}`, async () => {
      const { code, stdout, stderr } = await from(name);
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: "" });
      expect(stderr).to.include(path.join(files, name)).and.include(problem).and.not.include("    at ");
    });
  }

  it("ends with 64 on what does not go together", async () => {
    const file = path.join(files, "plan.json");
    for (const args of [
      ["--from", file, "--stack", NETWORK],
      ["--from", file, "--site", "tokyo"],
      ["--from", file, file],
      ["--from", file, "--markdown", "--json"],
      ["--from", file, "--fail-on", "all"],
    ]) {
      expect((await stingy(["plan", ...args])).code, args.join(" ")).to.equal(64);
    }
  });
});

describe("stingy plan --out", () => {
  it("says where it cannot write", async () => {
    const folder = folderWith({ "same.json": UNCHANGED, taken: "" });
    const file = path.join(folder, "taken");
    const { code, stderr } = await stingy(["plan", "--from", path.join(folder, "same.json"), "--out", file]);
    expect({ code, stderr }).to.deep.equal({
      code: 1,
      stderr: `error: ${file} cannot be written (EEXIST).\nName a folder that is yours with --out.\n`,
    });
  });
});

describe("stingy plan, with a terraform that", () => {
  const planned = fakeTerraform({ plan: "true", show: saying(UNCHANGED) });
  const config = configFile({});
  const remote = configFile({ backend: { type: "cloud", organization: "org" } });
  const plan = (terraform: string, args: readonly string[] = [], env: Record<string, string> = {}, file = config) =>
    stingy(["plan", "-c", file, ...args], { env: { TERRAFORM_BINARY_NAME: terraform, ...env } });

  it("is not there: says so", async () => {
    const { code, stdout, stderr } = await plan("terraform-that-is-not-there");
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: "" });
    expect(stderr)
      .to.include("There is no terraform-that-is-not-there on this machine.")
      .and.include("Install Terraform 1.10 or later");
  });

  it("is too old: says which is needed", async () => {
    const { code, stderr } = await plan(fakeTerraform({ version: `echo '{"terraform_version":"1.9.8"}'` }));
    expect(code).to.equal(1);
    expect(stderr).to.include("is version 1.9.8; 1.10 or later is needed.");
  });

  it("is named by TERRAFORM_BINARY_NAME: it is used, and nothing stays behind", async () => {
    const TMPDIR = folderWith();
    const { code, stdout } = await plan(planned, ["--stack", NETWORK], { TMPDIR });
    expect(code).to.equal(0);
    expect(stdout).to.include("Plan: nothing changes");
    expect(readdirSync(TMPDIR).filter((name) => name.startsWith("stingy-plan-"))).to.deep.equal([]);
  });

  it("has no folder for its providers: says so, and nothing stays behind", async () => {
    const TMPDIR = folderWith();
    const file = path.join(folderWith({ taken: "" }), "taken");
    const { code, stderr } = await plan(planned, [], { TMPDIR, TF_PLUGIN_CACHE_DIR: file });
    expect(code).to.equal(1);
    expect(stderr).to.include(
      `${file} cannot be written (EEXIST).\nName a folder that is yours with TF_PLUGIN_CACHE_DIR.\n`,
    );
    expect(readdirSync(TMPDIR).filter((name) => name.startsWith("stingy-plan-"))).to.deep.equal([]);
  });

  it("gets no credentials: says it once, for all stacks", async () => {
    const error = { severity: "error", summary: "No valid credential sources found", detail: "no EC2 IMDS role found" };
    const { code, stdout, stderr } = await plan(
      fakeTerraform({ plan: saying(JSON.stringify({ diagnostic: error }), "exit 1"), show: "exit 1" }),
    );
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: "" });
    expect(stderr.match(/There are no AWS credentials\./g)?.length).to.equal(1);
  });

  it("cannot get a provider: says which, and goes on with the other stacks' state", async () => {
    const broken = fakeTerraform({
      init: `if grep -q required_providers *.json; then echo 'Error: Failed to query available provider packages\n\nCould not retrieve the list of available versions for provider hashicorp/aws: timeout' >&2; exit 1; fi`,
    });
    const { code, stdout, stderr } = await plan(broken);
    expect(code).to.equal(1);
    expect(stdout).to.include(`${NETWORK} could not be planned: Terraform could not get the provider hashicorp/aws.`);
    expect(stdout).to.include(`${SERVER} cannot be planned before ${NETWORK} is applied.`);
    expect(stderr).to.include(`Not planned: ${NETWORK}.`);
  });

  it("refuses to destroy what is protected: says so, with what else the plan has", async () => {
    const error = {
      severity: "error",
      summary: "Instance cannot be destroyed",
      detail:
        "Resource aws_eip.address_elastic-ip has lifecycle.prevent_destroy set, but the plan calls for this resource to be destroyed.",
    };
    const partly = JSON.stringify({
      ...planOf({ "aws_eip.address_elastic-ip": { before: { public_ip: "203.0.113.9" } } }),
      errored: true,
    });
    const { code, stdout } = await plan(
      fakeTerraform({ plan: saying(JSON.stringify({ diagnostic: error }), "exit 1"), show: saying(partly) }),
      ["--stack", NETWORK],
    );
    expect(code).to.equal(1);
    expect(stdout).to.include(
      "aws_eip.address_elastic-ip is protected, and this change would destroy it: Terraform refuses.",
    );
    expect(stdout).to.include("The Elastic IP 203.0.113.9 is given back to AWS for good");
  });

  it("quotes in its error what the plan marks as sensitive: it is not shown", async () => {
    const error = { severity: "error", summary: "Invalid value", detail: "hunter2-hunter2 is too short." };
    const secret = { before: { value: "x" }, after: { value: "hunter2-hunter2" }, afterSensitive: { value: true } };
    const partly = JSON.stringify({ ...planOf({ "aws_ssm_parameter.p": secret }), errored: true });
    const { code, stdout, stderr } = await plan(
      fakeTerraform({ plan: saying(JSON.stringify({ diagnostic: error }), "exit 1"), show: saying(partly) }),
      ["--stack", NETWORK],
    );
    expect(code).to.equal(1);
    expect(stdout).to.include("Invalid value. (sensitive) is too short.");
    expect(stdout + stderr).not.to.include("hunter2");
  });

  it("may not do something: names it, and never a secret", async () => {
    const error = {
      severity: "error",
      summary: "reading EC2 VPC",
      detail:
        "UnauthorizedOperation: You are not authorized to perform this operation. User: arn:x is not authorized to perform: ec2:DescribeVpcs",
    };
    const other = {
      severity: "error",
      summary: "odd",
      detail: "key QGFzZGYxMjM0NTY3ODkwYXNkZmFzZGZhc2RmYXNkZmE= is wrong",
    };
    for (const [given, said] of [
      [error, "The credentials may not do ec2:DescribeVpcs, which a plan needs."],
      [other, "odd. key (hidden: looks like a secret) is wrong"],
    ] as const) {
      const { code, stdout } = await plan(
        fakeTerraform({ plan: saying(JSON.stringify({ diagnostic: given }), "exit 1"), show: "exit 1" }),
        ["--stack", NETWORK],
      );
      expect(code).to.equal(1);
      expect(stdout).to.include(said);
    }
  });

  it("does not know the stack: says which there are", async () => {
    const { code, stderr } = await plan(planned, ["--stack", "prod-osaka-network"]);
    expect(code).to.equal(64);
    expect(stderr).to.include('There is no stack "prod-osaka-network".').and.include(NETWORK);
  });

  it("is used for the stacks of the site that is asked for, not of one with a longer name", async () => {
    const two = configFile({
      sites: {
        tokyo: { storePrefix: "/a" },
        "tokyo-2": {
          storePrefix: "/b",
          network: { vpcCidr: "10.1.0.0/16" },
          tunnel: { ipv4: "10.9.0.0/24", ipv6: "fd00:9::/64" },
        },
      },
    });
    const { code, stdout } = await plan(planned, ["--site", "tokyo", "--json"], {}, two);
    expect(code).to.equal(2);
    expect(JSON.parse(stdout).stacks.map(({ id, state }: { id: string; state: string }) => [id, state])).to.deep.equal([
      ["prod-tokyo-network", "planned"],
      ["prod-tokyo-server", "waiting"],
      ["prod-tokyo-recovery", "waiting"],
      ["prod-tokyo-monitoring", "waiting"],
    ]);
    const other = await plan(planned, ["--site", "tokyo", "--stack", "prod-tokyo-2-network"], {}, two);
    expect(other.code).to.equal(64);
    expect(other.stderr)
      .to.include('Site tokyo has no stack "prod-tokyo-2-network".')
      .and.include(`There are: ${NETWORK}, `)
      .and.not.include("prod-tokyo-2-server");
  });

  it("plans in HCP Terraform: links its run and gives its counts, without making a plan that could be applied", async () => {
    const log = path.join(folderWith(), "log");
    const terraform = fakeTerraform({
      plan: `echo "$@" > ${log}\n${saying(
        "Running plan in HCP Terraform. Output will stream here.\n\nTo view this run in a browser, visit:\nhttps://app.terraform.io/app/org/stingy-vpn-prod-tokyo-network/runs/run-abcDEF123\n\nPlan: 3 to add, 2 to change, 1 to destroy.",
      )}`,
    });
    const { code, stdout } = await plan(terraform, ["--stack", NETWORK, "--markdown"], {}, remote);
    expect(code).to.equal(2);
    expect(stdout).to.include(
      `| <code>${NETWORK}</code> | 3 | 2 | in both | 1 | [run](https://app.terraform.io/app/org/stingy-vpn-prod-tokyo-network/runs/run-abcDEF123) |`,
    );
    expect(readFileSync(log, "utf8")).to.equal("plan -input=false -no-color\n");
  });

  it("finds no change in HCP Terraform: ends with 0", async () => {
    const terraform = fakeTerraform({ plan: saying("No changes. Your infrastructure matches the configuration.") });
    expect((await plan(terraform, ["--stack", NETWORK], {}, remote)).code).to.equal(0);
  });

  it("has no token for HCP Terraform: says how to get one", async () => {
    const terraform = fakeTerraform({ init: "echo 'Error: Required token could not be found' >&2; exit 1" });
    const { code, stderr } = await plan(terraform, [], {}, remote);
    expect(code).to.equal(1);
    expect(stderr).to.include("There is no token for HCP Terraform.").and.include("terraform login");
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`is at work when ${signal} comes: it is ended, with what it has started, and nothing stays behind`, async () => {
      const TMPDIR = folderWith();
      const pids = path.join(folderWith(), "pids");
      // Terraform itself leaves its providers to end by themselves.
      const terraform = fakeTerraform({
        plan: `sleep 300 >/dev/null 2>&1 & echo "$$ $!" > ${pids}; trap 'exit 1' INT; wait`,
      });
      const { code } = await stingy(["plan", "-c", config, "--stack", NETWORK], {
        env: { TERRAFORM_BINARY_NAME: terraform, TMPDIR },
        during: (child) => {
          const timer = setInterval(() => {
            if (!isWritten(pids)) return;
            clearInterval(timer);
            child.kill(signal);
          }, 50);
          child.once("exit", () => clearInterval(timer));
        },
      });
      expect(code).to.equal(null);
      for (const pid of readFileSync(pids, "utf8").trim().split(" ")) {
        expect(isRunning(pid), `process ${pid} goes on`).to.equal(false);
      }
      expect(readdirSync(TMPDIR).filter((name) => name.startsWith("stingy-plan-"))).to.deep.equal([]);
    });
  }
});

describe("stingy plan, in a terminal", () => {
  it("shows what it is at, and leaves nothing behind on Ctrl-C", async () => {
    const TMPDIR = folderWith();
    const pids = path.join(folderWith(), "pids");
    const terraform = fakeTerraform({ plan: `echo "$$" > ${pids}; sleep 300` });
    const { answered } = await inTerminal(
      ["plan", "-c", configFile({}), "--stack", NETWORK],
      // It says so before Terraform has begun.
      [{ on: `Planning ${NETWORK}`, when: () => isWritten(pids), type: "\x03" }],
      { env: { TERRAFORM_BINARY_NAME: terraform, TMPDIR } },
    );
    expect(answered).to.equal(1);
    for (const pid of readFileSync(pids, "utf8").trim().split(" "))
      expect(isRunning(pid), `process ${pid} goes on`).to.equal(false);
    expect(readdirSync(TMPDIR).filter((name) => name.startsWith("stingy-plan-"))).to.deep.equal([]);
  });
});

describe("stingy plan, with the real terraform", () => {
  const changed = settings(state, {
    network: { adminCidrs: ["203.0.113.7/32"] },
    server: { instanceTypes: ["t4g.micro"], volumeGb: 10 },
  });
  const BOTH = ["--stack", NETWORK, SERVER];
  let env: Record<string, string>;

  /** Versions and prices are not what this is about. */
  const stable = (text: string) => text.replace(/\(Terraform [^)]*\)/g, "(Terraform)").replace(/\$\d+\.\d\d/g, "$…");

  before(async () => {
    env = await deploying;
  });

  it("shows a first deploy: what can be planned, and what waits for another stack", async () => {
    const { code, stdout, stderr } = await stingy(["plan", "-c", configFile(settings(folderWith())), "--markdown"], {
      env,
    });
    expect({ code, stderr }).to.deep.equal({ code: 2, stderr: "" });
    golden("first-deploy.md", stable(stdout));
  });

  it("ends with 0 where nothing has changed, and calls nothing that the documented role may not", async () => {
    const log = path.join(folderWith(), "log");
    const { code, stdout, stderr } = await stingy(["plan", "-c", configFile(deployed), ...BOTH], {
      env: { ...env, TF_LOG_PROVIDER: "DEBUG", TF_LOG_PATH: log },
    });
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    expect(stdout).to.include("Plan: nothing changes");
    const called = callsIn(readFileSync(log, "utf8"));
    expect(called).to.include.members([
      "ec2:DescribeVpcs",
      "ec2:DescribeLaunchTemplates",
      "iam:GetRole",
      "ssm:GetParameter",
    ]);
    expect(called.filter((action) => !mayPlan().includes(action))).to.deep.equal([]);
  });

  it("shows a change, and fails on what it was told to fail on", async () => {
    const out = folderWith();
    const { code, stdout, stderr } = await stingy(
      ["plan", "-c", configFile(changed), ...BOTH, "--markdown", "--out", out, "--fail-on", "destroy,replace,exposure"],
      { env },
    );
    expect(stderr).to.include(`--fail-on exposure: ${NETWORK}: Port opened: 22/tcp from 203.0.113.7/32.`);
    expect(stderr).not.to.include("--fail-on destroy").and.not.include("--fail-on replace");
    expect(code).to.equal(1);
    expect(readFileSync(path.join(out, "summary.md"), "utf8")).to.equal(stdout);
    expect(JSON.parse(readFileSync(path.join(out, "summary.json"), "utf8"))).to.include({ changes: true });
    expect(readFileSync(path.join(out, "summary.txt"), "utf8")).to.include("What it means");
    golden("change.md", stable(stdout));
  });
});

function isWritten(file: string): boolean {
  return existsSync(file) && readFileSync(file, "utf8").trim() !== "";
}

function isRunning(pid: string): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", pid], { encoding: "utf8" });
  // Z: it has ended, and whoever should take note has not.
  return !/^(Z.*)?$/.test(stdout.trim());
}

/** What Terraform's provider has asked of AWS: "ec2:DescribeVpcs". */
function callsIn(log: string): string[] {
  const prefixes: Readonly<Record<string, string>> = { EventBridge: "events" };
  const calls = log.split("\n").flatMap((line) => {
    // The fields stand in any order.
    const [, method] = /\brpc\.method=(\w+)/.exec(line) ?? [];
    const [, service] = /\brpc\.service="?(\w+)/.exec(line) ?? [];
    return method && service ? [`${prefixes[service] ?? service.toLowerCase()}:${method}`] : [];
  });
  // Whoever has credentials may ask whose they are.
  return [...new Set(calls)].filter((call) => call !== "sts:GetCallerIdentity").sort();
}

/** The actions of the policy in the documentation. */
function mayPlan(): string[] {
  const [, policy = ""] =
    /`policy\.json`[\s\S]*?```json\n([\s\S]*?)```/.exec(readFileSync(path.join(ROOT, "docs/plan-review.md"), "utf8")) ??
    [];
  return JSON.parse(policy).Statement.flatMap(({ Action }: { Action: string | string[] }) => Action);
}

function golden(name: string, text: string): void {
  const file = path.join(__dirname, "plan", name);
  if (process.env[UPDATE]) writeFileSync(file, text);
  expect(text, `${name} is as reviewed (${UPDATE}=1 rewrites it)`).to.equal(readFileSync(file, "utf8"));
}
