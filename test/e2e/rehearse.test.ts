import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { parse } from "yaml";
import { shellQuote } from "../../modules/bootstrap/shell";
import { parseYaml } from "../../modules/config";
import { ROOT } from "../support/synth";
import { TERRAFORM } from "../support/terraform";
import { Moto, PATCHED } from "./emulator/moto";
import { Deploying } from "./rehearse/deploying";
import { FAKED, FAKED_CLOUDFLARE, grouped } from "./rehearse/faked";
import type { Gap, Report } from "./rehearse/report";
import { Screen, secondsText } from "./rehearse/screen";
import { readSettings, Unusable } from "./rehearse/settings";
import { storyOf } from "./rehearse/timeline";

const ENTRY = path.join(__dirname, "rehearse/index.ts");
const CANARY = "canary-of-a-persons-own-account";
const TERRAFORM_FIX =
  "\n  Needed: Terraform or OpenTofu 1.10 or later\n  To mend it: install it from " +
  "https://developer.hashicorp.com/terraform/install, or name another binary with TERRAFORM_BINARY_NAME.\n";

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A rehearsal in a process of its own, with a temporary folder of its own. */
interface Rehearsal {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly tmp: string;
  /** On both outputs, so far. */
  readonly said: () => string;
}

describe("npm run rehearse", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "r-"));
  const running = new Set<ChildProcess>();

  after(async () => {
    for (const { pid } of running) if (pid !== undefined) kill(-pid, "SIGTERM");
    for (const end = Date.now() + 10_000; running.size > 0 && Date.now() < end; ) await sleep(100);
    for (const { pid } of running) if (pid !== undefined) kill(-pid, "SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  function start(args: readonly string[], env: Readonly<Record<string, string>> = {}, terminal = false): Rehearsal {
    const tmp = mkdtempSync(path.join(folder, "tmp-"));
    const compiled = `tsx-${process.geteuid?.()}`;
    symlinkSync(path.join(tmpdir(), compiled), path.join(tmp, compiled));
    const command = [process.execPath, "-r", path.join(ROOT, "scripts/typescript.cjs"), ENTRY, ...args];
    const [program = "", ...rest] = terminal
      ? ["script", "-qfec", `exec ${command.map(shellQuote).join(" ")}`, "/dev/null"]
      : command;
    const { CI: _, STINGY_CONFIG: __, TERRAFORM_BINARY_NAME: ___, ...own } = process.env;
    const child = spawn(program, rest, {
      cwd: ROOT,
      // As a terminal does: Ctrl-C then reaches all of it.
      detached: true,
      stdio: [terminal ? "pipe" : "ignore", "pipe", "pipe"],
      env: {
        ...own,
        TMPDIR: tmp,
        // `script` runs the command with the person's shell.
        ...(terminal ? { SHELL: "/bin/sh", TERM: "xterm-256color" } : {}),
        ...env,
      },
    });
    running.add(child);
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        said[name] += text;
      });
    }
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => {
        running.delete(child);
        resolve({ code, ...said });
      });
    });
    return { child, ended, tmp, said: () => said.stdout + said.stderr };
  }

  /** A folder that has these programs, and nothing else. */
  function bin(programs: Readonly<Record<string, string>>): string {
    const at = mkdtempSync(path.join(folder, "bin-"));
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(path.join(at, name), `#!/bin/sh\n${script}\n`);
      chmodSync(path.join(at, name), 0o755);
    }
    return at;
  }

  function configuration(text: string): string {
    const file = path.join(mkdtempSync(path.join(folder, "config-")), "my.yaml");
    writeFileSync(file, text);
    return file;
  }

  function kill(pid: number, signal: NodeJS.Signals): void {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended.
    }
  }

  /** Everything that runs with this temporary folder, however it was started. */
  function processesOf({ tmp }: Rehearsal): { pid: number; group: number; command: string; environment: string }[] {
    return readdirSync("/proc").flatMap((pid) => {
      if (!/^\d+$/.test(pid)) return [];
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
        if (!environment.includes(`TMPDIR=${tmp}`)) return [];
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        // The name before may have spaces and brackets: after it come state, parent and group.
        const [, , group] = (readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1) ?? "").split(" ");
        return [{ pid: Number(pid), group: Number(group), command, environment }];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
  }

  async function until(what: string, run: Rehearsal, isIt: () => boolean): Promise<void> {
    for (const end = Date.now() + 120_000; !isIt(); await sleep(50)) {
      if (Date.now() > end) throw new Error(`${what}: it has not happened within 120 s. It said: ${run.said()}`);
      if (!running.has(run.child)) throw new Error(`${what}: it has ended before. It said: ${run.said()}`);
    }
  }

  /** What tsx has compiled is not the rehearsal's. */
  const left = ({ tmp }: Rehearsal) => readdirSync(tmp).filter((name) => !name.startsWith("tsx-"));

  async function expectNothingLeft(run: Rehearsal): Promise<void> {
    expect(left(run)).to.deep.equal([]);
    // What was killed at once may still be on its way out.
    for (const end = Date.now() + 10_000; processesOf(run).length > 0 && Date.now() < end; ) await sleep(100);
    expect(processesOf(run).map(({ command }) => command)).to.deep.equal([]);
  }

  async function refused(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string> {
    const run = start(args, env);
    const { code, stderr } = await run.ended;
    expect(code, run.said()).to.equal(1);
    await expectNothingLeft(run);
    return stderr;
  }

  // The whole of it runs beside the other tests: for the most part Terraform's provider waits.
  const SEVERAL = `
backend: { type: s3, bucket: ${CANARY}, region: eu-central-1 }
sites:
  tokyo:
    dns: { provider: cloudflare, zone: example.com, name: vpn.example.com }
  frankfurt:
    region: eu-central-1
    network: { vpcCidr: 10.1.0.0/16 }
    tunnel: { ipv4: 10.8.1.0/24, ipv6: "fd53:7469:6e67:1::/64" }
`;
  let whole: Rehearsal;
  const seen = path.join(folder, "environment.txt");
  before(() => {
    const spy = bin({ terraform: `env >>${shellQuote(seen)}\nexec ${shellQuote(TERRAFORM)} "$@"` });
    whole = start(["--json", "--site", "tokyo"], {
      TERRAFORM_BINARY_NAME: path.join(spy, "terraform"),
      STINGY_CONFIG: configuration(SEVERAL),
      AWS_ACCESS_KEY_ID: CANARY,
      AWS_SECRET_ACCESS_KEY: CANARY,
      AWS_PROFILE: CANARY,
      CLOUDFLARE_API_TOKEN: CANARY,
      TF_VAR_canary: CANARY,
    });
  });

  describe("refuses what makes no sense, and starts nothing", () => {
    it("an option or a port that is none", async () => {
      const [option, port, word] = await Promise.all([
        refused(["--sight", "tokyo"]),
        refused(["--port", "70000"]),
        refused(["tokyo"]),
      ]);
      const help = "\nRun it with --help to see what it takes: npm run rehearse -- --help\n";
      expect(option).to.equal(`error: unknown option '--sight'${help}`);
      expect(port).to.contain(
        "option '--port <port>' argument '70000' is invalid. It is a whole number from 1 to 65535.",
      );
      expect(word).to.equal(`error: too many arguments. Expected 0 arguments but got 1.${help}`);
    });

    it("a site that the configuration has not, and one of several that is not named", async () => {
      const STINGY_CONFIG = configuration(SEVERAL);
      const [none, several, alone] = await Promise.all([
        refused(["--site", "berlin"], { STINGY_CONFIG }),
        refused([], { STINGY_CONFIG }),
        refused(["--site", "berlin"], { STINGY_CONFIG: configuration("sites:\n  paris:\n") }),
      ]);
      expect(none).to.equal(`error: There is no site "berlin" in ${STINGY_CONFIG}.\n  It has: tokyo, frankfurt.\n`);
      expect(several).to.equal(
        `error: ${STINGY_CONFIG} has several sites.\n  Say which one: --site tokyo (it has: tokyo, frankfurt).\n`,
      );
      expect(alone).to.contain("It has: paris.\n");
    });

    it("a configuration that is wrong, with the line", async () => {
      const STINGY_CONFIG = configuration("sites:\n  tokyo:\n    region: mars-1\n");
      expect(await refused([], { STINGY_CONFIG })).to.match(/^error: .*my\.yaml: 1 problem.*sites\.tokyo\.region/s);
    });
  });

  describe("says what the machine lacks, and leaves nothing", () => {
    it("Terraform, or one that is too old", async () => {
      const python = "python3 is not asked";
      const old = bin({ terraform: "echo 'Terraform v1.9.8'", python3: `echo '${python}'` });
      const [none, tooOld, named] = await Promise.all([
        refused([], { PATH: bin({}) }),
        refused([], { PATH: old }),
        refused([], { TERRAFORM_BINARY_NAME: "tofu-of-nobody" }),
      ]);
      expect(none).to.equal(`\nerror: There is no terraform on this machine.${TERRAFORM_FIX}`);
      expect(tooOld).to.equal(`\nerror: terraform is Terraform 1.9.8.${TERRAFORM_FIX}`);
      expect(named).to.equal(`\nerror: There is no tofu-of-nobody on this machine.${TERRAFORM_FIX}`);
    });

    it("Python, or one that is too old", async () => {
      const terraform = "echo 'Terraform v1.11.4'";
      const [none, old] = await Promise.all([
        refused([], { PATH: bin({ terraform }) }),
        refused([], { PATH: bin({ terraform, python3: "echo 3.9.2" }) }),
      ]);
      const fix =
        "\n  Needed: Python 3.11 or later, for the AWS emulator moto\n  To mend it: install it " +
        "(Debian, Ubuntu: `apt install python3 python3-venv`; macOS: `brew install python`).\n";
      expect(none).to.equal(`\nerror: There is no python3 on this machine.${fix}`);
      expect(old).to.equal(`\nerror: python3 is Python 3.9.2.${fix}`);
    });

    it("the AWS provider in a mirror", async () => {
      expect(await refused([], { STINGY_PROVIDERS: "hashicorp/archive/2.7.1/linux_amd64" })).to.match(
        /^\nerror: STINGY_PROVIDERS lists no AWS provider\.\n {2}Needed: /,
      );
    });

    it("the port that was asked for", async () => {
      const taken = createServer();
      await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
      const { port } = taken.address() as AddressInfo;
      try {
        expect(await refused(["--port", String(port)])).to.equal(
          `\nerror: Port ${port} of 127.0.0.1 is taken by another program.\n  Needed: a free port\n` +
            "  To mend it: name another one, or none: then a free one is found.\n",
        );
      } finally {
        taken.close();
      }
    });

    it("room on the disk", async function () {
      // A file system that never has any.
      if (!existsSync("/proc/self")) this.skip();
      const { code, stderr } = await start([], { TMPDIR: "/proc", TSX_DISABLE_CACHE: "1" }).ended;
      expect(code).to.equal(1);
      expect(stderr).to.equal(
        "\nerror: There is no room left in /proc: 0 MB are free.\n  Needed: 200 MB\n" +
          "  To mend it: delete something, or name another temporary folder with TMPDIR.\n",
      );
    });
  });

  describe("leaves nothing, however it ends", () => {
    before(function () {
      // Where every process can be seen.
      if (!existsSync("/proc/self/environ")) this.skip();
    });

    const deploying = (run: Rehearsal) => () =>
      processesOf(run).some(({ command }) => / (init|plan|apply)\b/.test(command));
    const emulated = (run: Rehearsal) => () => /AWS: http/.test(run.said());

    it("and no account of the person's is known to what it starts", async () => {
      await until("the emulator runs", whole, emulated(whole));
      // What compiles its own code begins before it does.
      const others = processesOf(whole).filter(
        ({ pid, command }) => pid !== whole.child.pid && !command.includes("/esbuild "),
      );
      expect(others.some(({ command }) => /emulator -H/.test(command))).to.equal(true);
      for (const { command, environment } of others) expect(environment, command).not.to.contain(CANARY);
    });

    it("and Ctrl-C reaches the emulator only through it", async () => {
      await until("the emulator runs", whole, emulated(whole));
      const groupsOf = (what: RegExp) =>
        processesOf(whole).flatMap(({ command, group }) => (what.test(command) ? [group] : []));
      const [own] = groupsOf(/rehearse\/index\.ts/);
      const emulators = groupsOf(/emulator -H/);
      expect(emulators).not.to.deep.equal([]);
      expect(emulators).not.to.include(own);
    });

    for (const [when, has] of Object.entries({
      "before the emulator starts": (run: Rehearsal) => run.said().includes("Start an AWS"),
      "while the emulator starts": (run: Rehearsal) =>
        processesOf(run).some(({ command }) => /emulator -H/.test(command)),
    })) {
      it(`at Ctrl-C, ${when}`, async () => {
        const run = start([]);
        await until("it starts", run, () => has(run));
        kill(-Number(run.child.pid), "SIGINT");
        const { code, stdout, stderr } = await run.ended;
        expect(code, run.said()).to.equal(130);
        expect(stdout + stderr).not.to.match(/error|emulator has ended|✗/);
        await expectNothingLeft(run);
      });
    }

    it("at Ctrl-C, in the middle of a deploy", async () => {
      const run = start([]);
      await until("Terraform runs", run, deploying(run));
      kill(-Number(run.child.pid), "SIGINT");
      const { code, stdout, stderr } = await run.ended;
      expect(code, run.said()).to.equal(130);
      expect(stdout).to.match(/\nEnding, and removing everything\. Once more ends it at once\.\n/);
      // That what was ended has ended is no news.
      expect(stdout + stderr).not.to.match(/error|emulator has ended|✗/);
      await expectNothingLeft(run);
    });

    it("at a second Ctrl-C, at once", async () => {
      const run = start([]);
      await until("the emulator runs", run, emulated(run));
      // The process alone: it has to end all the others itself.
      kill(Number(run.child.pid), "SIGINT");
      await until("it has heard", run, () => run.said().includes("Ending"));
      kill(Number(run.child.pid), "SIGINT");
      expect((await run.ended).code, run.said()).to.equal(130);
      await expectNothingLeft(run);
    });

    it("when it is told to end politely, and keeps JSON readers out of it", async () => {
      const run = start(["--json"]);
      await until("the emulator runs", run, emulated(run));
      kill(Number(run.child.pid), "SIGTERM");
      const { code, stdout } = await run.ended;
      expect(code, run.said()).to.equal(143);
      expect(stdout).to.equal("");
      await expectNothingLeft(run);
    });

    it("when its terminal is closed", async () => {
      const run = start([], {}, true);
      await until("the emulator runs", run, emulated(run));
      kill(Number(run.child.pid), "SIGKILL");
      await run.ended;
      for (const end = Date.now() + 30_000; processesOf(run).length > 0 && Date.now() < end; ) await sleep(100);
      await expectNothingLeft(run);
    });

    it("when the emulator dies in the middle", async () => {
      const run = start([]);
      await until("Terraform runs", run, deploying(run));
      const emulator = processesOf(run).find(({ command }) => /^\S*python\S* \S*emulator -H/.test(command));
      if (!emulator) throw new Error("the emulator was not found");
      kill(emulator.pid, "SIGKILL");
      const { code, stderr } = await run.ended;
      expect(stderr).to.match(/^\nerror: The emulator has ended in the middle: moto_server ended with 137/);
      expect(code).to.equal(1);
      await expectNothingLeft(run);
    });

    it("when Terraform fails, whose words it repeats", async () => {
      const terraform = `case $1 in version) echo 'Terraform v1.11.4';; *) echo 'Error: no luck today' >&2; exit 1;; esac`;
      const run = start(["--json"], { PATH: `${bin({ terraform })}:${process.env.PATH}` });
      const { code, stdout, stderr } = await run.ended;
      expect(code).to.equal(1);
      expect(stderr).to.match(/\nerror: `cdktf deploy .*` failed with exit code 1:\n.*no luck today/s);
      const report = JSON.parse(stdout) as Report;
      expect(report.done).to.equal(false);
      expect(report.error).to.contain("no luck today");
      expect(report.steps.map(({ id, done }) => [id, done])).to.deep.equal([
        ["machine", true],
        ["emulator", true],
        ["token", true],
        ["deploy", false],
      ]);
      await expectNothingLeft(run);
    });

    it("with --keep what was made, and everything that runs until Ctrl-C", async () => {
      const terraform = `case $1 in version) echo 'Terraform v1.11.4';; *) echo 'Error: no luck today' >&2; exit 1;; esac`;
      const run = start(["--keep"], { PATH: `${bin({ terraform })}:${process.env.PATH}` });
      await until("it waits", run, () => run.said().includes("Ctrl-C ends it.\n"));
      const url = /export AWS_ENDPOINT_URL='(\S+)'/.exec(run.said())?.[1];
      expect((await fetch(`${url}/emulator/clock`)).status).to.equal(200);
      const config = /export STINGY_CONFIG='(\S+)'/.exec(run.said())?.[1] ?? "";
      expect(parseYaml(readFileSync(config, "utf8"), config).sites.map(({ name }) => name)).to.deep.equal(["tokyo"]);
      kill(-Number(run.child.pid), "SIGINT");
      const { code, stdout } = await run.ended;
      expect(code).to.equal(1);
      const kept = /\n {2}rm -rf '(\S+)'\n/.exec(stdout)?.[1] ?? "";
      expect(left(run)).to.deep.equal([path.basename(kept)]);
      const at = /\nWhat was made is in\n {2}(\S+)\n/.exec(stdout)?.[1] ?? "";
      expect(path.dirname(at)).to.equal(kept);
      expect(readdirSync(at)).to.include.members(["requests.log", "project"]);
      rmSync(kept, { recursive: true });
      await expectNothingLeft(run);
    });
  });

  describe("takes of a configuration", () => {
    const read = (text: string, site?: string) => {
      const file = configuration(text);
      return { file, ...readSettings(ROOT, site, { STINGY_CONFIG: file }) };
    };

    it("one site, and keeps its state here whatever its backend is", () => {
      const { first, second, differs, file } = read(SEVERAL, "tokyo");
      expect(parse(first())).to.deep.equal({
        backend: { type: "local" },
        sites: { tokyo: { dns: { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" } } },
      });
      expect(parse(second()).sites.tokyo).to.deep.include({ protect: false, server: { volumeGb: 9 } });
      expect(differs).to.deep.equal([
        `Of the 2 sites in ${file} only tokyo is there.`,
        `The backend is local, in the work folder; the s3 backend of ${file} is not touched.`,
      ]);
    });

    it("its other settings as they are", () => {
      const { first, second, differs } = read(
        "environment: test\ntags: &tags { Owner: me }\nsites:\n  a:\n    server: { volumeGb: 16384, spotAttempts: 2 }\n",
      );
      expect(parse(first())).to.deep.equal({
        environment: "test",
        tags: { Owner: "me" },
        backend: { type: "local" },
        sites: { a: { server: { volumeGb: 16384, spotAttempts: 2 } } },
      });
      // There is no larger one.
      expect(parse(second()).sites.a.server).to.deep.equal({ volumeGb: 16383, spotAttempts: 2 });
      expect(differs).to.deep.equal([]);
    });

    it("neither an address that only a person's account has, nor a schedule that could pause it", () => {
      const { first, differs } = read(
        'sites:\n  a:\n    elasticIp: eipalloc-0123456789abcdef0\n    schedule: { pause: "0 23 * * ? *", resume: "0 7 * * ? *" }\n',
      );
      expect(parse(first("eipalloc-1")).sites.a).to.deep.equal({ elasticIp: "eipalloc-1" });
      expect(differs).to.have.length(2);
      expect(differs.join())
        .to.contain("schedule is left out")
        .and.to.contain("elasticIp is an address of the emulator");
    });

    it("nothing where there is none: then it is the default site, with all that can be shown", () => {
      const { site, differs } = readSettings(folder, undefined, {});
      expect(site.name).to.equal("tokyo");
      expect(site.dns).to.deep.include({ provider: "cloudflare", name: "vpn.example.com" });
      expect(differs[0]).to.match(/^There is no stingy\.yaml/);
      expect(() => readSettings(folder, "berlin", {})).to.throw(Unusable, 'There is no site "berlin" in The default');
    });
  });

  describe("understands what cdktf says", () => {
    it("stack by stack", () => {
      const now: string[] = [];
      const told: string[] = [];
      const deploying = new Deploying({ now: (text) => now.push(text), tell: (text) => told.push(text) });
      for (const line of [
        "prod-tokyo-network  Initializing the backend...",
        "prod-tokyo-network  Terraform will perform the following actions:",
        "                    Plan: 2 to add, 0 to change, 0 to destroy.",
        "prod-tokyo-network  aws_vpc.network_vpc (network/vpc): Creation complete after 20s [id=vpc-1]",
        "                    aws_route.out (network/out): Creation complete after 0s [id=r-1]",
        "                    Apply complete! Resources: 2 added, 0 changed, 0 destroyed.",
        "prod-tokyo-dns  Apply complete! Resources: 0 added, 0 changed, 0 destroyed.",
        "prod-tokyo-server  Apply complete! Resources: 1 added, 2 changed, 3 destroyed.",
        "prod-tokyo-recovery  Destroy complete! Resources: 33 destroyed.",
      ]) {
        deploying.hear(line);
      }
      expect(now).to.deep.equal(["0 of 2", "1 of 2", "2 of 2"].map((count) => `prod-tokyo-network: ${count}`));
      expect(told).to.deep.equal([
        "prod-tokyo-network: 2 made",
        "prod-tokyo-dns: nothing to do",
        "prod-tokyo-server: 1 made, 2 changed, 3 deleted",
        "prod-tokyo-recovery: 33 deleted",
      ]);
    });
  });

  describe("tells the interruption", () => {
    const [site] = parseYaml("sites:\n  tokyo:\n", "stingy.yaml").sites;
    const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString();
    const call = (seconds: number, action: string, body = "") => ({
      ...{ at: at(seconds), service: "", region: "", action, path: "", body, status: 200 },
    });
    const run = (seconds: number, name: string) => ({
      ...{ at: at(seconds), function: `stingy-vpn-prod-tokyo-${name}`, region: "", request: "", event: {} },
      ...{ milliseconds: 100, initMilliseconds: 200, memoryMb: 60 },
    });
    const did = (seconds: number, instance: string, what: string, more = {}) => ({
      ...{ at: at(seconds), instance, site: "tokyo", by: "", level: "info" as const, did: what, ...more },
    });

    it("in the order of the emulator's clock, out of its record of the calls", () => {
      if (!site) throw new Error("there is no site");
      const { moments, movedAfter, controllerSeconds } = storyOf({
        site,
        address: "192.0.2.1",
        old: "i-old",
        next: "i-next",
        warnedAt: Date.UTC(2026, 0, 1),
        requests: [
          // A server's own call is not the controller's.
          { ...call(0.5, "PutParameter", '"/stingy-vpn/prod/instance-id"'), instance: "i-next" },
          call(1, "CreateFleet"),
          call(3, "AssociateAddress", "InstanceId=i-next"),
          call(3.1, "PutParameter", '{"Name":"/stingy-vpn/prod/instance-id"}'),
          call(60, "TerminateInstances", "InstanceId.1=i-old"),
        ],
        invocations: [
          run(0.1, "recovery-handler"),
          run(2.9, "recovery-handler"),
          run(3.2, "ddns-updater"),
          run(50, "recovery-handler"),
        ],
        lines: [
          did(2, "i-next", "booted"),
          did(2.1, "i-next", "in-step", { peers: "1" }),
          did(2.2, "i-next", "event-sent", { type: "Server Ready" }),
          did(3.25, "i-next", "state-tagged", { state: "serving" }),
          did(9, "i-old", "state-tagged", { state: "stood-down" }),
          did(60.5, "i-old", "ended"),
        ],
        records: ["sees that vpn A is 192.0.2.1 still"],
      });
      expect(moments.map(({ seconds, by, what }) => `${seconds} ${by} ${what}`)).to.deep.equal([
        "0 AWS warns that it takes i-old back in two minutes",
        "0.1 controller is woken by the warning",
        "1 controller has a machine from EC2: i-next",
        "2 new server has booted",
        "2.1 new server has its keys and 1 device from the store",
        "2.2 new server has passed its checks and says that it is ready",
        "3 controller moves the address 192.0.2.1 to i-next",
        "3.1 controller writes i-next into the store, as the server",
        "3.25 new server serves, and has called its devices back",
        "3.3 DNS updater sees that vpn A is 192.0.2.1 still",
        "9 old server has noticed that the address is gone, and stands down",
        "60 controller ends i-old",
      ]);
      expect(movedAfter).to.equal(3);
      // Two of its runs were before the move.
      expect(controllerSeconds).to.equal(0.6);
    });
  });

  describe("shows it", () => {
    /** Something that takes lines and is no terminal. */
    function paper(columns?: number) {
      const lines: string[] = [];
      const out = { isTTY: false, columns, write: (text: string) => lines.push(text) } as unknown as NodeJS.WriteStream;
      return { out, text: () => lines.join("") };
    }

    it("in plain lines where there is no terminal", () => {
      const { out, text } = paper();
      const screen = new Screen(out);
      screen.begin(" 1/12", "Deploy", "What it is for.", "npx cdktf deploy");
      screen.now("that nobody looks at");
      screen.tell("prod-tokyo-network: 17 made");
      screen.done(61.2);
      expect(text()).to.equal(
        "\n 1/12  Deploy\n       What it is for.\n       $ npx cdktf deploy\n       prod-tokyo-network: 17 made\n     ✓ 1 min 1 s\n",
      );
    });

    it("no wider than the terminal, each text in its column", () => {
      const { out, text } = paper(44);
      const screen = new Screen(out);
      screen.line("one two three four five six seven eight nine ten", "  ");
      screen.pair("AWS", "an emulator on this machine, with its gaps closed", 7);
      expect(text()).to.equal(
        "  one two three four five six seven eight\n  nine ten\n" +
          "  AWS      an emulator on this machine, with\n           its gaps closed\n",
      );
    });

    it("times as people say them", () => {
      expect([0.04, 12.34, 59.96, 60, 142.3].map((seconds) => secondsText(seconds))).to.deep.equal([
        "0.0 s",
        "12.3 s",
        "1 min 0 s",
        "1 min 0 s",
        "2 min 22 s",
      ]);
    });

    it("what was fitted once, with its stacks", () => {
      const change = { what: "provider aws", how: "max_retries = 3", why: "so" };
      expect(
        grouped([
          { stack: "a", ...change },
          { stack: "b", ...change },
          { stack: "b", ...change, how: "other" },
        ]),
      ).to.deep.equal([
        { ...change, stacks: ["a", "b"] },
        { ...change, how: "other", stacks: ["b"] },
      ]);
    });
  });

  describe("docs/rehearsal.md", () => {
    const document = readFileSync(path.join(ROOT, "docs/rehearsal.md"), "utf8");
    const rows = (heading: string) =>
      (document.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "")
        .split("\n")
        .filter((line) => line.startsWith("| ") && !/^\| -/.test(line))
        .slice(1)
        .map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "").trim()));

    it("lists what stands in for something, and why", () => {
      const listed = [FAKED[0], FAKED_CLOUDFLARE, ...FAKED.slice(1)].map((one) => [one?.what, one?.how, one?.why]);
      expect(rows("What is not real")).to.deep.equal(listed);
    });

    it("lists every gap of the emulator that is closed, and why", async () => {
      const moto = await Moto.start(PATCHED);
      try {
        const gaps = await moto.control<Gap[]>("GET", "gaps");
        expect(rows("The emulator's gaps")).to.deep.equal(
          gaps.map(({ name, reason }) => [name.replaceAll("_", " "), reason]),
        );
      } finally {
        await moto.stop();
      }
    });
  });

  // In a suite of its own: it would come before all others, and they would wait for it.
  describe("as a whole", () => {
    it("shows all of it, and leaves nothing", async () => {
      const { code, stdout, stderr } = await whole.ended;
      expect(code, stderr).to.equal(0);
      const report = JSON.parse(stdout) as Report;
      expect(report.done).to.equal(true);
      expect(report.site).to.deep.equal({ environment: "prod", name: "tokyo", region: "ap-northeast-1" });
      expect(report.steps.map(({ id, done }) => [id, done])).to.deep.equal(
        [
          ...["machine", "emulator", "token", "deploy", "server", "devices", "interruption"],
          ...["diff", "change", "pause", "resume", "destroy"],
        ].map((id) => [id, true]),
      );
      const stacks = ["network", "server", "dns", "recovery", "monitoring"].map((layer) => `prod-tokyo-${layer}`);
      expect(report.drift).to.deep.equal(stacks.map((stack) => ({ stack, changes: false })));
      expect(report.left).to.deep.equal([]);
      expect(report.gaps).not.to.have.length(0);

      // The old server may see the warning, and that it is not the server any more, at any time in between.
      const others = report.timeline.filter(({ by }) => by !== "old server");
      const instance = "i-[0-9a-f]{17}";
      const expected = [
        ["AWS", `warns that it takes ${instance} back in two minutes`],
        ["controller", "is woken by the warning"],
        ["controller", `has a machine from EC2: ${instance}`],
        ["new server", "has booted"],
        ["new server", "has its keys and 2 devices from the store"],
        ["new server", "has passed its checks and says that it is ready"],
        ["controller", `moves the address [0-9.]+ to ${instance}`],
        ["controller", `writes ${instance} into the store, as the server`],
      ];
      expect(others.slice(0, expected.length).map(({ by }) => by)).to.deep.equal(expected.map(([by]) => by));
      for (const [index, [, what = ""]] of expected.entries())
        expect(others[index]?.what).to.match(new RegExp(`^${what}$`));
      const later = others.slice(expected.length);
      expect(
        later
          .filter(({ by }) => by === "DNS updater")
          .map(({ what }) => what.replace(/ (is )?[0-9a-f.:]+( still)?$/, "")),
      ).to.have.members(["sees that vpn.example.com A", "writes vpn.example.com AAAA"]);
      expect(later.filter(({ by }) => by === "new server").map(({ what }) => what)).to.deep.equal([
        "serves, and has called its devices back",
      ]);
      expect(later.at(-1)?.what).to.match(/^(ends i-|takes i-)/);
      expect(report.timeline.filter(({ by }) => by === "old server").map(({ what }) => what)).to.deep.equal([
        "has seen it too, and goes on serving",
        "has noticed that the address is gone, and stands down",
      ]);

      // A person's own account was never known to what ran, nor a key to who reads along.
      expect(readFileSync(seen, "utf8")).not.to.contain(CANARY);
      expect(readFileSync(seen, "utf8")).to.contain("AWS_ENDPOINT_URL=http://127.0.0.1:");
      expect(stdout + stderr).not.to.match(/PrivateKey|PresharedKey/);
      expect(stdout + stderr).not.to.contain(CANARY);
      await expectNothingLeft(whole);
    });
  });
});
