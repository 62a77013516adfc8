// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Terraform fills them in

import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { loadConfig, parseConfig } from "../../modules/config";
import { bundleFunctions } from "../../modules/lambda";
import { createApp } from "../../stacks";
import { throttled, zoneIdOf } from "../assets/lambda/fake-cloudflare";
import { EXAMPLES, type Json, ROOT, readStacks } from "../support/synth";
import type { AtHand } from "../support/terraform";
import { Child } from "./harness/children";
import { cloudflareEnvironment, startCloudflare } from "./harness/cloudflare";
import { type Fit, fitStack } from "./harness/fit";
import { checkProviders, checkRoom, freePort, pythonWithMoto, terraformAtHand, Unfit } from "./harness/prerequisites";
import { CommandFailed, Project } from "./harness/project";
import { providerFolders } from "./harness/providers";
import { zipOf } from "./harness/zip";

const AWS_ALONE: AtHand = new Map([["hashicorp/aws", "5.100.0"]]);
const TOKEN = "cf-token-0123456789";
const RECORD = { zone_id: zoneIdOf("example.com"), name: "vpn.example.com", type: "A", content: "192.0.2.1", ttl: 60 };

describe("the harness round cdktf", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "stingy-harness-"));
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** A program of our own: a shell script. */
  function program(name: string, script: string): string {
    const file = path.join(mkdtempSync(path.join(folder, "bin-")), name);
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    chmodSync(file, 0o755);
    return file;
  }

  describe("fits a stack to the providers at hand", () => {
    const outdirs = new Map<string, string>();

    /** Every stack of an example, with the folder it is in. */
    function stacksOf(example: string): [string, Json, string][] {
      let outdir = outdirs.get(example);
      if (outdir === undefined) {
        outdir = path.join(folder, example);
        const config = loadConfig(ROOT, path.join(ROOT, "examples", `${example}.yaml`));
        createApp({ config, bundles: bundleFunctions(), root: folder, outdir }).synth();
        outdirs.set(example, outdir);
      }
      const stacks = path.join(outdir, "stacks");
      return Object.entries(readStacks(outdir)).map(([id, json]) => [id, json, path.join(stacks, id)]);
    }

    function fitted(example: string, id: string, atHand: AtHand): Fit & { readonly before: Json } {
      const found = stacksOf(example).find(([stack]) => stack === id);
      if (!found) throw new Error(`${example} has no stack ${id}`);
      return { ...fitStack(id, found[1], found[2], atHand), before: found[1] };
    }

    it("changes nothing but the AWS provider's retries where a registry has every provider", () => {
      for (const example of EXAMPLES) {
        for (const [id, json, at] of stacksOf(example)) {
          const { json: after, changes, files } = fitStack(id, json, at, undefined);
          const expected = structuredClone(json);
          for (const provider of expected.provider.aws ?? []) provider.max_retries = 3;
          expect(after).to.deep.equal(expected);
          expect(files).to.have.length(0);
          expect(changes.map(({ what }) => what)).to.deep.equal(expected.provider.aws ? ["provider aws"] : []);
        }
      }
    });

    it("changes no resource of the stacks that need only AWS", () => {
      for (const stack of ["network", "server"]) {
        const { before, json } = fitted("full", `prod-tokyo-${stack}`, AWS_ALONE);
        expect(json.resource).to.deep.equal(before.resource);
        expect(json.data).to.deep.equal(before.data);
        expect(json.output).to.deep.equal(before.output);
        expect(json.terraform.required_providers.aws.version).to.equal("5.100.0");
      }
    });

    const FUNCTIONS: readonly [stack: string, ids: Readonly<Record<string, string>>][] = [
      ["recovery", { "ddns-updater": "ddns-updater", "recovery-handler": "recovery-handler" }],
      ["monitoring", { "alert-forwarder": "alert-forwarder_lambda" }],
    ];
    for (const [layer, functions] of FUNCTIONS) {
      it(`makes the zips of the ${layer} stack's functions itself where there is no archive provider`, () => {
        const stack = `prod-tokyo-${layer}`;
        const { before, json, files, changes } = fitted("full", stack, AWS_ALONE);
        const zipOf = (name: string) => `stingy-vpn-prod-tokyo-${name}.zip`;
        expect([...files.keys()].sort()).to.deep.equal(Object.keys(functions).map(zipOf));
        for (const [name, id] of Object.entries(functions)) {
          const zip = zipOf(name);
          const was = before.resource.aws_lambda_function[`${id}_function`];
          expect(json.resource.aws_lambda_function[`${id}_function`]).to.deep.equal({
            ...was,
            filename: zip,
            source_code_hash: createHash("sha256")
              .update(files.get(zip) as Buffer)
              .digest("base64"),
          });
          expect(changes).to.deep.include({
            stack,
            what: `data.archive_file.${id}_archive`,
            how: `${zip} was made before Terraform runs`,
            why: "the archive provider is not on this machine",
          });
        }
        expect(JSON.stringify(json)).not.to.contain("archive_file");
        expect(Object.keys(json.terraform.required_providers)).to.deep.equal(["aws"]);
      });
    }

    it("makes the records with resources that need no provider where there is no Cloudflare provider", () => {
      const { before, json, changes } = fitted("full", "prod-tokyo-dns", AWS_ALONE);
      const { "//": _, lifecycle: __, ...record } = before.resource.cloudflare_dns_record.name_a;
      const { content: ___, ...kept } = record;
      const { provisioner, ...made } = json.resource.terraform_data.cloudflare_dns_record_name_a;
      expect(made).to.deep.equal({
        input: record,
        triggers_replace: kept,
        lifecycle: { ignore_changes: ['input["content"]'] },
      });
      expect(provisioner.map((one: Json) => one["local-exec"].when)).to.deep.equal([undefined, "destroy"]);
      expect(json.output["cross-stack-output-cloudflare_dns_record-name_a-id"].value).to.equal(
        '${replace(terraform_data.cloudflare_dns_record_name_a.id, "-", "")}',
      );
      expect(Object.keys(json.resource)).to.deep.equal(["terraform_data"]);
      expect(json.provider).to.equal(undefined);
      expect(changes.map(({ what }) => what)).to.deep.equal(["cloudflare_dns_record.name_a"]);
    });

    it("looks a zone up at the fake Cloudflare", () => {
      const { json } = fitted("two-sites", "prod-tokyo-dns", AWS_ALONE);
      const zone = json.resource.terraform_data.cloudflare_dns_record_name_a.input.zone_id;
      expect(zone).to.equal(zoneIdOf("example.com"));
      expect(json.output["cross-stack-output-data-cloudflare_zone-name_zone-zone_id"].value).to.equal(zone);
      expect(JSON.stringify({ ...json, "//": "" })).not.to.contain("data.cloudflare_zone");
    });

    it("says what it has to leave out", () => {
      const { json, changes } = fitted("minimal", "prod-tokyo-monitoring", new Map());
      expect(json.resource).to.equal(undefined);
      expect(changes).to.deep.include({
        stack: "prod-tokyo-monitoring",
        what: "aws_sns_topic.alerts_topic",
        how: "left out",
        why: "its provider is not on this machine",
      });
    });

    it("refuses to guess what an attribute would be", () => {
      const [id, json, at] = stacksOf("minimal").find(([stack]) => stack === "prod-tokyo-recovery") as [
        string,
        Json,
        string,
      ];
      json.output.size = { value: "${data.archive_file.recovery-handler_archive.output_size}" };
      expect(() => fitStack(id, json, at, AWS_ALONE)).to.throw(
        "the harness has no stand-in for ${data.archive_file.recovery-handler_archive.output_size}: add it to test/e2e/harness/fit.ts",
      );
    });
  });

  describe("makes zips", () => {
    const from = path.join(folder, "code");
    const files = { "index.js": "exports.handler = () => 1;\n".repeat(50), "lib/é.js": "" };
    before(() => {
      mkdirSync(path.join(from, "lib"), { recursive: true });
      for (const [name, text] of Object.entries(files)) writeFileSync(path.join(from, name), text);
    });

    it("that are the same bytes whenever and by whomever the files were made", () => {
      const bytes = zipOf(from, 0o644);
      chmodSync(path.join(from, "index.js"), 0o600);
      utimesSync(path.join(from, "index.js"), 1, 1);
      expect(zipOf(from, 0o644).equals(bytes)).to.equal(true);
      writeFileSync(path.join(from, "index.js"), "exports.handler = () => 2;\n");
      expect(zipOf(from, 0o644).equals(bytes)).to.equal(false);
      writeFileSync(path.join(from, "index.js"), files["index.js"]);
    });

    it("that others can read, with the permissions asked for", () => {
      const zip = path.join(folder, "code.zip");
      writeFileSync(zip, zipOf(from, 0o644));
      const read =
        "import sys, zipfile, json; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; " +
        "print(json.dumps([[i.filename, oct(i.external_attr >> 16), z.read(i).decode()] for i in z.infolist()]))";
      const seen = JSON.parse(execFileSync("python3", ["-c", read, zip], { encoding: "utf8" }));
      expect(seen).to.deep.equal([
        ["index.js", "0o100644", files["index.js"]],
        ["lib/é.js", "0o100644", ""],
      ]);
    });
  });

  describe("looks whether this machine will do", () => {
    async function refusal(work: Promise<unknown>): Promise<string> {
      const error = await work.then(
        () => undefined,
        (reason) => reason,
      );
      expect(error).to.be.instanceOf(Unfit);
      return error.message;
    }

    const TERRAFORM_FIX =
      "\n  Needed: Terraform or OpenTofu 1.10 or later\n  To mend it: install it from " +
      "https://developer.hashicorp.com/terraform/install, or name another binary with TERRAFORM_BINARY_NAME.";

    it("takes Terraform and OpenTofu from 1.10 on", async () => {
      const terraform = program("terraform", "echo 'Terraform v1.10.0'; echo 'on linux_amd64'");
      expect(await terraformAtHand(terraform)).to.deep.equal({
        name: "Terraform",
        version: "1.10.0",
        binary: terraform,
      });
      const tofu = program("tofu", "echo 'OpenTofu v1.12.6-dev'");
      expect(await terraformAtHand(tofu)).to.deep.equal({ name: "OpenTofu", version: "1.12.6-dev", binary: tofu });
    });

    it("refuses an older one", async () => {
      const old = program("terraform", "echo 'Terraform v1.9.8'");
      expect(await refusal(terraformAtHand(old))).to.equal(`${old} is Terraform 1.9.8.${TERRAFORM_FIX}`);
    });

    it("misses Terraform", async () => {
      const none = path.join(folder, "none");
      expect(await refusal(terraformAtHand(none))).to.equal(`There is no ${none} on this machine.${TERRAFORM_FIX}`);
    });

    it("says what a Terraform said that does not run", async () => {
      const broken = program("terraform", "echo 'wrong architecture' >&2; exit 126");
      expect(await refusal(terraformAtHand(broken))).to.equal(
        `\`${broken} version\` failed: wrong architecture${TERRAFORM_FIX}`,
      );
      const other = program("terraform", "echo 'hello'");
      expect(await refusal(terraformAtHand(other))).to.equal(
        `\`${other} version\` does not say which Terraform it is: hello${TERRAFORM_FIX}`,
      );
    });

    it("misses the AWS provider in a mirror that has none", () => {
      checkProviders(undefined);
      checkProviders(AWS_ALONE);
      expect(() => checkProviders(new Map([["hashicorp/archive", "2.7.1"]]))).to.throw(
        Unfit,
        /^STINGY_PROVIDERS lists no AWS provider\.\n {2}Needed: the provider hashicorp\/aws in the mirror, or a registry/,
      );
    });

    /**
     * A Python that has this moto, or none. What `-m venv DIR` makes is a Python with moto, once its pip has run.
     */
    function python({ version = "3.11.7", moto = "", venv = "true", pip = "true" } = {}): string {
      return program(
        "python3",
        `here="$0"
case "$*" in
*python_version*) echo ${version} ;;
*moto.server*) [ -n "${moto}" ] && echo "${moto}" || exit 1 ;;
*"-m venv "*) ${venv}
  for dir; do :; done; mkdir -p "$dir/bin"
  cat > "$dir/bin/python" <<'END'
#!/bin/sh
case "$*" in
*moto.server*) [ -e "$(dirname "$0")/../moto" ] && echo 5.2.1 || exit 1 ;;
*"-m pip "*) ${pip}
  touch "$(dirname "$0")/../moto" ;;
esac
END
  chmod +x "$dir/bin/python" ;;
esac`,
      );
    }

    it("takes the machine's Python where it has the right moto", async () => {
      const own = python({ moto: "5.2.1" });
      const cache = path.join(folder, "cache-0");
      expect(await pythonWithMoto({ python: own, cache })).to.equal(own);
      expect(existsSync(cache)).to.equal(false);
    });

    it("installs moto once, and takes it from then on", async () => {
      const cache = path.join(folder, "cache-1");
      const steps: string[] = [];
      const options = { python: python({ moto: "4.0.0" }), cache, onStep: (what: string) => steps.push(what) };
      const venv = path.join(cache, "moto-5.2.1");
      expect(await pythonWithMoto(options)).to.equal(path.join(venv, "bin/python"));
      expect(await pythonWithMoto(options)).to.equal(path.join(venv, "bin/python"));
      expect(steps).to.deep.equal([`installing the AWS emulator, moto[server]==5.2.1, in ${venv}`]);
      expect(readdirSync(cache)).to.deep.equal(["moto-5.2.1"]);
    });

    it("mends what was half installed", async () => {
      const cache = path.join(folder, "cache-2");
      const own = path.join(cache, "moto-5.2.1/bin/python");
      mkdirSync(path.dirname(own), { recursive: true });
      writeFileSync(own, "#!/bin/sh\nexit 1\n");
      chmodSync(own, 0o755);
      expect(await pythonWithMoto({ python: python(), cache })).to.equal(own);
      expect(existsSync(path.join(cache, "moto-5.2.1/moto"))).to.equal(true);
    });

    it("misses Python, and refuses an old one", async () => {
      const none = path.join(folder, "no-python");
      expect(await refusal(pythonWithMoto({ python: none }))).to.match(
        /^There is no .*no-python on this machine\.\n {2}Needed: Python 3\.11 or later, for the AWS emulator moto\n {2}To mend it: install it/,
      );
      const old = python({ version: "3.9.2" });
      expect(await refusal(pythonWithMoto({ python: old }))).to.contain(
        `${old} is Python 3.9.2.\n  Needed: Python 3.11`,
      );
    });

    it("misses venv", async () => {
      const cache = path.join(folder, "cache-3");
      const own = python({ venv: "echo 'ensurepip is not available' >&2; exit 1" });
      expect(await refusal(pythonWithMoto({ python: own, cache }))).to.equal(
        `\`${own} -m venv\` failed: ensurepip is not available\n  Needed: moto[server]==5.2.1 in a virtual environment\n` +
          "  To mend it: install Python's venv (Debian, Ubuntu: `apt install python3-venv`).",
      );
      expect(readdirSync(cache)).to.deep.equal([]);
    });

    it("says why pip failed, and leaves nothing half made", async () => {
      const cache = path.join(folder, "cache-4");
      const own = python({ pip: "echo 'ERROR: No matching distribution found' >&2; exit 1" });
      const said = await refusal(pythonWithMoto({ python: own, cache }));
      expect(said).to.contain(
        "pip could not install moto: ERROR: No matching distribution found\n  Needed: moto[server]",
      );
      expect(said).to.contain(`or run \`${own} -m pip install 'moto[server]==5.2.1'\` yourself.`);
      expect(readdirSync(cache)).to.deep.equal([]);
    });

    it("says that the disk is full, and asks for room before", async () => {
      const own = python({ pip: "echo 'OSError: [Errno 28] No space left on device' >&2; exit 1" });
      const said = await refusal(pythonWithMoto({ python: own, cache: path.join(folder, "cache-5") }));
      expect(said).to.match(/^There is no room left in .*: the disk is full\.\n {2}Needed: more free disk\n/);
      checkRoom(folder, 1);
      expect(() => checkRoom(folder, 1e12)).to.throw(
        Unfit,
        /^There is no room left in .*: \d+ MB are free\.\n {2}Needed: 1000000000000 MB\n {2}To mend it: delete something, or name another temporary folder with TMPDIR\.$/,
      );
    });

    it("finds a free port, and says that a wanted one is taken", async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      expect(await refusal(freePort(port))).to.equal(
        `Port ${port} of 127.0.0.1 is taken by another program.\n  Needed: a free port\n  To mend it: name another one, or none: then a free one is found.`,
      );
      await new Promise((resolve) => server.close(resolve));
      expect(await freePort(port)).to.equal(port);
      expect(await freePort()).to.be.above(0);
    });
  });

  describe("shows Terraform its providers", () => {
    const named = process.env.TF_CLI_CONFIG_FILE;
    afterEach(() => {
      if (named === undefined) delete process.env.TF_CLI_CONFIG_FILE;
      else process.env.TF_CLI_CONFIG_FILE = named;
    });

    it("in a mirror, under the names of both registries", () => {
      const mirror = path.join(folder, "mirror");
      const aws = "hashicorp/aws/5.100.0/linux_amd64";
      mkdirSync(path.join(mirror, "registry.terraform.io", aws), { recursive: true });
      writeFileSync(path.join(mirror, "registry.terraform.io", aws, "provider"), "x");
      process.env.TF_CLI_CONFIG_FILE = path.join(folder, "mirror.rc");
      writeFileSync(
        process.env.TF_CLI_CONFIG_FILE,
        `provider_installation {\n filesystem_mirror {\n path = "${mirror}"\n }\n}`,
      );
      const work = mkdtempSync(path.join(folder, "work-"));
      const { TF_CLI_CONFIG_FILE: config } = providerFolders(work);
      const text = readFileSync(config as string, "utf8");
      const shown = /path {4}= "([^"]+)"/.exec(text)?.[1] as string;
      expect(text).to.contain(
        'include = ["registry.terraform.io/hashicorp/aws", "registry.opentofu.org/hashicorp/aws"]',
      );
      for (const registry of ["registry.terraform.io", "registry.opentofu.org"]) {
        expect(readFileSync(path.join(shown, registry, aws, "provider"), "utf8")).to.equal("x");
      }
    });

    it("without a configuration that is not there", () => {
      process.env.TF_CLI_CONFIG_FILE = path.join(folder, "not-there.rc");
      expect(providerFolders(folder).TF_CLI_CONFIG_FILE).to.equal(undefined);
    });
  });

  describe("has a fake Cloudflare", () => {
    const config = parseConfig({
      sites: {
        tokyo: {
          region: "ap-northeast-1",
          dns: { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" },
        },
        paris: {
          region: "eu-west-3",
          network: { vpcCidr: "10.1.0.0/16" },
          tunnel: { ipv4: "10.8.1.0/24", ipv6: "fd53:7469:6e67:1::/64" },
          dns: { provider: "cloudflare", zone: "example.org", name: "vpn.example.org", zoneId: "f".repeat(32) },
        },
      },
    });
    let cloudflare: Awaited<ReturnType<typeof startCloudflare>>;
    before(async () => {
      cloudflare = await startCloudflare(config, TOKEN);
    });
    beforeEach(() => cloudflare.reset(TOKEN));
    after(() => cloudflare.stop());

    async function call(
      method: string,
      at: string,
      body?: object,
      token = TOKEN,
    ): Promise<{ status: number; body: Json }> {
      const response = await fetch(`${cloudflare.url}${at}`, {
        method,
        headers: { authorization: `Bearer ${token}` },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      return { status: response.status, body: await response.json() };
    }

    async function record(
      action: string,
      more: Record<string, string> = {},
    ): Promise<{ code: number | null; stderr: string }> {
      const env = {
        ...process.env,
        ...cloudflareEnvironment(cloudflare),
        RECORD: JSON.stringify(RECORD),
        RECORD_ID: "a".repeat(32),
      };
      const script = path.join(__dirname, "harness/record.cjs");
      return new Child(process.execPath, [script, action], { cwd: folder, env: { ...env, ...more } }).ended;
    }

    it("with the zones of the configuration, found by name and by id", async () => {
      const { body } = await call("GET", "/zones?name=example.org");
      expect(body.result.map(({ id, name, status }: Json) => [id, name, status])).to.deep.equal([
        ["f".repeat(32), "example.org", "active"],
      ]);
      expect(body.result_info).to.deep.equal({ page: 1, per_page: 100, count: 1, total_count: 1, total_pages: 1 });
      expect((await call("GET", `/zones/${zoneIdOf("example.com")}`)).body.result.name).to.equal("example.com");
      expect((await call("GET", `/zones/${zoneIdOf("example.net")}`)).status).to.equal(400);
    });

    it("that makes, tells, changes, replaces and deletes records", async () => {
      const records = `/zones/${RECORD.zone_id}/dns_records`;
      const { zone_id: _, ...wanted } = RECORD;
      const made = (await call("POST", records, { ...wanted, name: "VPN.example.com", comment: "ours" })).body.result;
      expect(made).to.include({ ...wanted, comment: "ours", proxied: false });
      expect(made.id).to.match(/^[0-9a-f]{32}$/);
      expect((await call("POST", records, wanted)).body.errors[0].code).to.equal(81058);
      expect((await call("POST", records, { ...wanted, content: "x" })).body.errors[0].code).to.equal(9005);
      const one = `${records}/${made.id}`;
      expect((await call("PATCH", one, { content: "192.0.2.2" })).body.result).to.deep.equal({
        ...made,
        content: "192.0.2.2",
      });
      expect((await call("PUT", one, { ...wanted, ttl: 120 })).body.result).to.deep.equal({
        ...made,
        comment: "",
        ttl: 120,
      });
      expect((await call("GET", `${records}?type=A&name=vpn.example.com`)).body.result).to.have.length(1);
      expect((await call("GET", `/zones/${"f".repeat(32)}/dns_records`)).body.result).to.deep.equal([]);
      expect((await call("DELETE", one)).body.result).to.deep.equal({ id: made.id });
      expect((await call("GET", one)).status).to.equal(404);
      expect((await call("GET", records, undefined, "wrong")).status).to.equal(403);
    });

    it("that slows down who asks too often", async () => {
      cloudflare.limit = { requests: 2, seconds: 60 };
      const statuses = [];
      for (let i = 0; i < 3; i++) statuses.push((await call("GET", "/zones")).status);
      expect(statuses).to.deep.equal([200, 200, 429]);
    });

    it("at which a provisioner makes the record under the id that Terraform knows, and deletes it again", async () => {
      expect((await record("create")).code).to.equal(0);
      expect(cloudflare.records).to.deep.equal([
        {
          id: "a".repeat(32),
          zoneId: RECORD.zone_id,
          name: RECORD.name,
          type: "A",
          content: "192.0.2.1",
          ttl: 60,
          proxied: false,
          comment: "",
        },
      ]);
      cloudflare.script(/^DELETE/, throttled("0"));
      expect((await record("delete")).code).to.equal(0);
      expect(cloudflare.records).to.deep.equal([]);
      expect((await record("delete")).code).to.equal(0);
    });

    it("whose refusal a provisioner tells, without the token", async () => {
      const { code, stderr } = await record("create", { CLOUDFLARE_API_TOKEN: "another-token" });
      expect(code).to.equal(1);
      expect(stderr).to.match(/^Cloudflare answered 403 to the record's create: .*Authentication error/);
      expect(stderr).not.to.contain("another-token");
    });
  });

  describe("runs commands", () => {
    /** What still runs of the processes whose ids are in a file; what nobody has buried yet does not run. */
    function alive(file: string): string {
      const { stdout } = spawnSync("ps", [
        "-o",
        "stat=",
        "-p",
        readFileSync(file, "utf8").trim().replaceAll("\n", ","),
      ]);
      return stdout.toString().replaceAll(/Z\S*|\s/g, "");
    }

    it("and ends them with all they started, in other sessions too", async () => {
      const pids = path.join(folder, "pids");
      // The last one does not listen to SIGINT, as a provider's plugin.
      const script = `echo $$ >> ${pids}; setsid sh -c 'trap "" INT; echo $$ >> ${pids}; sleep 30 & wait; sleep 30' & wait`;
      const child = new Child("sh", ["-c", script], { cwd: folder, env: process.env });
      while (!existsSync(pids) || readFileSync(pids, "utf8").split("\n").length < 3) await sleep(50);
      await child.stop(500);
      expect(alive(pids)).to.equal("");
    });

    it("and leaves none behind where the harness itself breaks", () => {
      const pids = path.join(folder, "orphans");
      const script = `const { Child } = require("./harness/children.ts");
const args = ["-c", "echo $$ >> ${pids}; sleep 30 & echo $! >> ${pids}; wait"];
new Child("sh", args, { cwd: "/", env: process.env });
setInterval(() => { if (require("fs").existsSync("${pids}")) throw new Error("broken"); }, 200);`;
      const { stderr } = spawnSync(process.execPath, ["-r", path.join(ROOT, "scripts/typescript.cjs"), "-e", script], {
        cwd: __dirname,
      });
      expect(stderr.toString()).to.contain("broken");
      expect(alive(pids)).to.equal("");
    });

    it("and hears their lines without colours", async () => {
      const lines: string[] = [];
      const script = "printf '\\033[31mred\\033[0m\\nhalf'; sleep 0.2; printf ' line\\r\\nlast'; echo wrong >&2";
      const onLine = (line: string) => lines.push(line);
      const { code } = await new Child("sh", ["-c", script], { cwd: folder, env: process.env, onLine }).ended;
      expect(code).to.equal(0);
      expect(lines).to.have.members(["red", "half line", "last", "wrong"]);
    });
  });

  describe("has a project", () => {
    const env = { AWS_ENDPOINT_URL: "http://127.0.0.1:1", AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };
    const projects: Project[] = [];
    after(() => Promise.all(projects.map((project) => project.remove())));

    function project(config: string, heard: string[] = []): Project {
      const made = Project.create({ config, env, onLine: (line) => heard.push(line) });
      projects.push(made);
      return made;
    }

    it("in which the real cdktf synthesizes the product, with its state beside it", async () => {
      const heard: string[] = [];
      const made = project("sites:\n  tokyo:\n    region: ap-northeast-1\n", heard);
      await made.synth();
      expect(made.stacks()).to.deep.equal(
        ["network", "server", "recovery", "monitoring"].map((id) => `prod-tokyo-${id}`),
      );
      const network = JSON.parse(
        readFileSync(path.join(made.stackFolder("prod-tokyo-network"), "cdk.tf.json"), "utf8"),
      );
      expect(network.terraform.backend.local.path).to.equal("../../../state/prod-tokyo-network.tfstate");
      expect(network.provider.aws[0].max_retries).to.equal(3);
      expect(made.fitted().map(({ what }) => what)).to.include("provider aws");
      expect(heard.join("\n")).to.contain("Generated Terraform code for the stacks");
      expect(readFileSync(made.log, "utf8")).to.contain("$ cdktf synth\n");
    });

    it("in which nothing of what a person set for their own site counts", () => {
      const foreign = { TF_WORKSPACE: "mine", CDKTF_OUTDIR: "mine", AWS_PROFILE: "mine", STINGY_CONFIG: "mine.yaml" };
      const kept = { ...process.env };
      Object.assign(process.env, foreign);
      const made = project("{}");
      for (const name of Object.keys(foreign)) delete process.env[name];
      Object.assign(process.env, kept);
      expect(made.env).to.include({ ...env, CHECKPOINT_DISABLE: "1", CDKTF_DISABLE_PLUGIN_CACHE_ENV: "1" });
      for (const name of Object.keys(foreign)) expect(made.env[name]).to.equal(undefined);
    });

    it("that says why a command failed", async () => {
      const error = await project("sites: [1]\n")
        .synth()
        .then(
          () => undefined,
          (reason) => reason,
        );
      expect(error).to.be.instanceOf(CommandFailed);
      expect(error.message).to.match(/^`cdktf synth` failed with exit code 1:\n/);
      expect(error.message).to.contain("stingy.yaml:1");
    });

    it("that starts nothing once it has been stopped, and leaves nothing behind", async () => {
      const made = project("{}");
      await made.remove();
      expect(existsSync(made.folder)).to.equal(false);
      const error = await made.synth().then(
        () => undefined,
        (reason) => reason,
      );
      expect(error.message).to.equal("`cdktf synth` was not started: the project has been stopped");
    });
  });
});
