import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { ArchiveProvider } from "@cdktf/provider-archive/lib/provider";
import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { App, TerraformStack } from "cdktf";
import { expect } from "chai";
import { bundleFunctions, FUNCTIONS, NodeFunction } from "../../modules/lambda";
import { alone } from "../support/alone";
import { type Json, ROOT, readStacks } from "../support/synth";

const ref = (what: string) => `\${${what}}`;
const CODE = "exports.handler = async () => 42;";

const PROPS = {
  name: "vpn-job",
  description: "Does the job",
  runtime: "nodejs22.x",
  memoryMb: 128,
  timeoutSeconds: 60,
  environment: { SITE: "tokyo" },
  logRetentionDays: 30,
  deadLetterQueueArn: "arn:dlq",
  statements: [{ sid: "Say", actions: ["events:PutEvents"], resources: ["arn:bus"] }],
};

describe("NodeFunction", () => {
  let folder: string;
  let outdir: string;
  let json: Json;

  before(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), "stingy-function-"));
    outdir = path.join(folder, "cdktf.out");
    const bundle = path.join(folder, "bundle");
    mkdirSync(bundle);
    writeFileSync(path.join(bundle, "index.js"), CODE);

    const app = new App({ outdir });
    const stack = new TerraformStack(app, "alone");
    new AwsProvider(stack, "aws", { region: "eu-west-1" });
    new ArchiveProvider(stack, "archive");
    new NodeFunction(stack, "job", { ...PROPS, bundle });
    app.synth();
    const text = JSON.stringify(readStacks(outdir).alone, (key, value) => (key === "//" ? undefined : value));
    // Without CDKTF's hashes, except in the name of the folder.
    json = JSON.parse(text.replace(/_[0-9A-F]{8}\b(?!\/)/g, ""));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("is exactly this function, made after its log group and its policy", () => {
    expect(json.resource.aws_lambda_function).to.deep.equal({
      job_function: {
        function_name: "vpn-job",
        description: "Does the job",
        role: ref("aws_iam_role.job_iam_role.arn"),
        runtime: "nodejs22.x",
        architectures: ["arm64"],
        handler: "index.handler",
        memory_size: 128,
        timeout: 60,
        filename: ref("data.archive_file.job_archive.output_path"),
        source_code_hash: ref("data.archive_file.job_archive.output_base64sha256"),
        environment: { variables: { SITE: "tokyo" } },
        dead_letter_config: { target_arn: "arn:dlq" },
        depends_on: ["aws_iam_role_policy.job_iam_policy", "aws_cloudwatch_log_group.job_logs"],
      },
    });
  });

  it("shares the account's concurrency, unless some of it is kept for it", () => {
    const reserved = (reservedConcurrency?: number) =>
      alone((stack) => {
        new ArchiveProvider(stack, "archive");
        new NodeFunction(stack, "job", {
          ...PROPS,
          bundle: path.join(folder, "bundle"),
          ...(reservedConcurrency === undefined ? {} : { reservedConcurrency }),
        });
      }).resource.aws_lambda_function.job_function.reserved_concurrent_executions;
    expect(reserved()).to.equal(undefined);
    expect(reserved(1)).to.equal(1);
  });

  it("keeps its log only as long as it is told", () => {
    expect(json.resource.aws_cloudwatch_log_group).to.deep.equal({
      job_logs: { name: "/aws/lambda/vpn-job", retention_in_days: 30 },
    });
  });

  it("gives an event up after two retries or five minutes", () => {
    expect(json.resource.aws_lambda_function_event_invoke_config).to.deep.equal({
      job_retries: {
        function_name: ref("aws_lambda_function.job_function.function_name"),
        maximum_event_age_in_seconds: 300,
        maximum_retry_attempts: 2,
      },
    });
  });

  it("may write its log and its dead letters, and what it is given", () => {
    const { job_iam_trust: trust, job_iam_permissions: permissions } = json.data.aws_iam_policy_document;
    expect(trust.statement).to.deep.equal([
      { actions: ["sts:AssumeRole"], principals: [{ type: "Service", identifiers: ["lambda.amazonaws.com"] }] },
    ]);
    expect(permissions.statement).to.deep.equal([
      {
        sid: "WriteLog",
        actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
        resources: [`${ref("aws_cloudwatch_log_group.job_logs.arn")}:*`],
        condition: [],
      },
      { sid: "SendDeadLetters", actions: ["sqs:SendMessage"], resources: ["arn:dlq"], condition: [] },
      { sid: "Say", actions: ["events:PutEvents"], resources: ["arn:bus"], condition: [] },
    ]);
  });

  it("packs a copy of the bundle that lies beside the stack", () => {
    const { source_dir, ...archive } = json.data.archive_file.job_archive;
    expect(archive).to.deep.equal({ type: "zip", output_path: "vpn-job.zip", output_file_mode: "0644" });
    const packed = path.join(outdir, "stacks/alone", source_dir);
    expect(path.isAbsolute(source_dir)).to.equal(false);
    expect(readdirSync(packed)).to.deep.equal(["index.js"]);
    expect(readFileSync(path.join(packed, "index.js"), "utf8")).to.equal(CODE);
  });
});

/** What a bundle may be at most: Lambda reads it all at every cold start. */
const LARGEST_BYTES = { "recovery-handler": 1_700_000, "ddns-updater": 700_000, "alert-forwarder": 400_000 } as const;

describe("bundleFunctions", () => {
  const bundle = () =>
    Object.entries(bundleFunctions()).map(([name, folder]) => ({
      name,
      files: readdirSync(folder),
      code: readFileSync(path.join(folder, "index.js"), "utf8"),
    }));

  const made = path.join(ROOT, "dist/lambda");
  const controller = path.join(made, "recovery-handler/index.js");
  const forget = () => rmSync(made, { recursive: true, force: true });

  it("makes one file of each function, and the same input gives the same bytes", () => {
    forget();
    const first = bundle();
    expect(first.map(({ name, files }) => [name, files])).to.deep.equal(FUNCTIONS.map((name) => [name, ["index.js"]]));
    forget();
    expect(bundle()).to.deep.equal(first);
  });

  it("makes the same bytes in another folder, whose node_modules is a link", function () {
    this.timeout(20_000);
    const copy = mkdtempSync(path.join(os.tmpdir(), "stingy-bundle-"));
    try {
      for (const entry of ["assets/lambda", "modules", "package.json", "package-lock.json", "tsconfig.json"]) {
        cpSync(path.join(ROOT, entry), path.join(copy, entry), { recursive: true });
      }
      symlinkSync(path.join(ROOT, "node_modules"), path.join(copy, "node_modules"));
      const script = 'require("./modules/lambda/bundle").bundleFunctions()';
      execFileSync(process.execPath, ["-r", require.resolve("tsx/cjs"), "-e", script], { cwd: copy });
      for (const { name, code } of bundle()) {
        const other = readFileSync(path.join(copy, "dist/lambda", name, "index.js"), "utf8");
        expect(other === code, name).to.equal(true);
      }
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  });

  it("lays a source map beside each folder, where it is not packed, which knows no path of this machine", () => {
    bundle();
    for (const name of FUNCTIONS) {
      const { sources } = JSON.parse(readFileSync(path.join(made, `${name}.js.map`), "utf8")) as { sources: string[] };
      expect(sources).to.include(`../../assets/lambda/${name}/index.ts`);
      expect(
        sources.filter(
          (source) => !/^\.\.\/\.\.\/(assets|modules|node_modules)\/|^\.\.\/\.\.\/package\.json$/.test(source),
        ),
      ).to.deep.equal([]);
    }
  });

  it("leaves out what of the AWS SDK nobody calls, and the search for credentials", () => {
    for (const { name, code } of bundle()) {
      expect(code.length, name).to.be.at.most(LARGEST_BYTES[name as keyof typeof LARGEST_BYTES]);
      // An operation that is called, its answer's fields, and what is never called.
      const [operation, field] =
        name === "alert-forwarder" ? ['"GetParameter"', "DataType"] : ['"DescribeInstances"', "networkInterfaceSet"];
      expect(code, name).to.include(operation).and.to.include(field);
      expect(code, name).not.to.match(/DescribeVpnConnections|networkInsightsPathSet|CreateAssociationBatch/);
      expect(code, name).not.to.match(/AWS_CONTAINER_CREDENTIALS|AssumeRoleWithWebIdentity/);
    }
  });

  it("keeps what was made from the same code and packages, and makes it anew from any other", () => {
    const [{ code } = { code: "" }] = bundle();
    writeFileSync(controller, "// kept");
    bundle();
    expect(readFileSync(controller, "utf8")).to.equal("// kept");

    const madeFrom = path.join(made, "made-from.json");
    const record = JSON.parse(readFileSync(madeFrom, "utf8"));
    expect(record.files).to.include.members([
      "package-lock.json",
      "tsconfig.json",
      "modules/lambda/bundle.ts",
      "modules/lambda/no-credential-search.ts",
      "assets/lambda/recovery-handler/index.ts",
      "assets/lambda/shared/log.ts",
    ]);
    writeFileSync(madeFrom, JSON.stringify({ ...record, files: record.files.slice(1) }));
    bundle();
    expect(readFileSync(controller, "utf8")).to.equal(code);
  });

  it("makes again what is missing", () => {
    const [{ code } = { code: "" }] = bundle();
    rmSync(controller);
    bundle();
    expect(readFileSync(controller, "utf8")).to.equal(code);
  });

  for (const name of FUNCTIONS) {
    it(`makes of the ${name} a file that Lambda can run`, () => {
      expect(typeof require(path.join(bundleFunctions()[name], "index.js")).handler).to.equal("function");
    });
  }

  it("leaves the paths of this machine out", () => {
    for (const { name, code } of bundle()) {
      expect(code.includes(ROOT), name).to.equal(false);
    }
  });
});
