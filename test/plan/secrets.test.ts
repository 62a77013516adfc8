import { gzipSync } from "node:zlib";
import { expect } from "chai";
import fc from "fast-check";
import { analyse, reportOf } from "../../cli/plan/analyse";
import { MASKED, maskText } from "../../cli/plan/hidden";
import { json } from "../../cli/plan/json";
import { markdown } from "../../cli/plan/markdown";
import { text } from "../../cli/plan/text";
import { renderUserData } from "../../modules/bootstrap";
import { USER_DATA } from "../support/golden";
import { type GivenResource, planOf } from "./support";

/** Everything that is ever printed of a plan. */
async function printed(resources: Readonly<Record<string, GivenResource>>, more: object = {}): Promise<string> {
  const plan = planOf(resources, more);
  const report = reportOf([analyse("prod-tokyo-server", plan)]);
  return [markdown(report), await text(report), JSON.stringify(json(report))].join("\n");
}

/** Made for this test. */
const WIREGUARD_KEY = "QGFzZGYxMjM0NTY3ODkwYXNkZmFzZGZhc2RmYXNkZmE=";
const CLOUDFLARE_TOKEN = "aB3-dEf_Gh1jKlMnOpQrStUvWxYz0123456789AB";
const AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIA\n-----END PRIVATE KEY-----";
const SECRETS: Readonly<Record<string, string>> = {
  "a WireGuard key": WIREGUARD_KEY,
  "a Cloudflare token": CLOUDFLARE_TOKEN,
  "an AWS secret": AWS_SECRET,
  "an AWS access key": "AKIAIOSFODNN7EXAMPLE",
  "an AWS session's access key": `ASIA${"X1Y2".repeat(4)}`,
  "a private key's PEM": PEM,
  "a Cloudflare token of the newer form": `cfut_${"x1Y".repeat(10)}`,
  "a Cloudflare global key": `${"0a1b2c".repeat(6)}d`,
  "a Cloudflare origin key": `v1.0-${"0a1b2c".repeat(4)}-${"0a1b2c".repeat(20)}`,
  "a GitHub token": `ghp_${"x1Y".repeat(10)}`,
  "a GitHub token of the newer form": `github_pat_${"x1Y".repeat(10)}`,
  "an HCP Terraform token": `abcdefghijklmn.atlasv1.${"x1Y".repeat(20)}`,
  "a JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
};
const MARKED = "hunter2-hunter2";
const packed = (content: string) => gzipSync(content).toString("base64");
const cloudConfig = (files: string) => packed(`#cloud-config\nwrite_files:\n${files}runcmd:\n- true\n`);

/** Where a secret may stand, as a change that puts it there. */
const PLACES: Readonly<Record<string, (secret: string) => GivenResource>> = {
  "an attribute": (secret) => ({ before: { a: "x" }, after: { a: secret } }),
  "an attribute, before": (secret) => ({ before: { a: secret }, after: { a: "x" } }),
  "an attribute's name": (secret) => ({ before: { a: {} }, after: { a: { [secret]: "x" } } }),
  "a nested attribute": (secret) => ({
    before: { a: [{ b: { c: "x" } }] },
    after: { a: [{ b: { c: `say ${secret}.` } }] },
  }),
  "a list": (secret) => ({ before: { a: ["x"] }, after: { a: ["x", secret] } }),
  "a text of several lines": (secret) => ({ before: { a: "x\ny" }, after: { a: `x\n${secret}\ny` } }),
  "a JSON policy": (secret) => ({
    before: { role: "r", policy: "{}" },
    after: { role: "r", policy: JSON.stringify({ Statement: [{ Effect: "Allow", Action: "a:B", Resource: secret }] }) },
  }),
  "user data": (secret) => ({
    before: { user_data: packed("#!/bin/sh\n") },
    after: { user_data: packed(`#!/bin/sh\nuse ${secret}\n`) },
  }),
  "user data, not packed": (secret) => ({
    before: { user_data: "" },
    after: { user_data: Buffer.from(`#!/bin/sh\nuse ${secret}\n`).toString("base64") },
  }),
  "a file in user data": (secret) => ({
    before: { user_data: cloudConfig("- path: /etc/a\n  content: x\n") },
    after: { user_data: cloudConfig(`- path: /etc/a\n  content: ${JSON.stringify(secret)}\n`) },
  }),
  "a packed file in user data": (secret) => ({
    before: { user_data: cloudConfig("- path: /etc/a\n  content: x\n") },
    after: { user_data: cloudConfig(`- path: /etc/a\n  encoding: gz+b64\n  content: ${packed(`key ${secret}\n`)}\n`) },
  }),
  "a file's path in user data": (secret) => ({
    before: { user_data: cloudConfig("- path: /etc/a\n  content: x\n") },
    after: { user_data: cloudConfig(`- path: ${JSON.stringify(secret)}\n  content: y\n`) },
  }),
  "a sentence's value": (secret) => ({
    before: { name: "x", retention_in_days: 2 },
    after: { name: secret, retention_in_days: 1 },
  }),
};

const TYPES = [
  "aws_launch_template",
  "aws_iam_role_policy",
  "aws_ssm_parameter",
  "aws_cloudwatch_log_group",
  "aws_lambda_function",
];

/** How a secret may be written: as it is, and as JSON writes it, whole or its longest line. */
function traces(secret: string): string[] {
  return secret.split("\n").filter((line) => line.length > 10 && !line.includes("-----"));
}

describe("secrets in a plan", () => {
  for (const [what, secret] of Object.entries(SECRETS)) {
    for (const [where, change] of Object.entries(PLACES)) {
      it(`never shows ${what} in ${where}`, async () => {
        for (const type of TYPES) {
          const shown = await printed({ [`${type}.x`]: change(secret) });
          for (const trace of traces(secret)) expect(shown, type).not.to.include(trace);
        }
      });
    }
  }

  it("shows what stands beside a secret", async () => {
    const shown = await printed({
      "aws_launch_template.x": {
        before: { user_data: packed("#!/bin/sh\n") },
        after: { user_data: packed(`#!/bin/sh\nwg set wg0 peer ${WIREGUARD_KEY} remove\n`) },
      },
    });
    expect(shown).to.include(`+wg set wg0 peer ${MASKED} remove`);
  });

  it("tells a digest of code from a key", async () => {
    const shown = await printed({
      "aws_lambda_function.f": {
        before: { source_code_hash: "a" },
        after: { source_code_hash: WIREGUARD_KEY },
      },
    });
    expect(shown).to.include("source_code_hash: (a digest) → (a digest), another").and.not.to.include(MASKED);
  });

  it("says that something differs where all that differs is hidden", async () => {
    const shown = await printed({
      "aws_launch_template.x": {
        before: { user_data: packed(`${WIREGUARD_KEY}\n`) },
        after: { user_data: packed(`${WIREGUARD_KEY.replace("Q", "R")}\n`) },
      },
    });
    expect(shown).to.include("differs only in what is not shown");
  });

  describe("that the plan marks as sensitive", () => {
    const MARKS: Readonly<Record<string, GivenResource>> = {
      "an attribute": { before: { a: "x" }, after: { a: MARKED }, afterSensitive: { a: true } },
      "an attribute, before": { before: { a: MARKED }, after: { a: "x" }, beforeSensitive: { a: true } },
      "one of a list": { before: { a: ["x"] }, after: { a: ["x", MARKED] }, afterSensitive: { a: [false, true] } },
      "a nested one": {
        before: { a: [{ b: "x" }] },
        after: { a: [{ b: MARKED }] },
        afterSensitive: { a: [{ b: true }] },
      },
      everything: { before: { a: "x" }, after: { a: { b: [MARKED] } }, afterSensitive: true },
      "a list as a whole": { before: { a: [] }, after: { a: [MARKED] }, afterSensitive: { a: true } },
      "user data": {
        before: { user_data: packed("x\n") },
        after: { user_data: packed(`${MARKED}\n`) },
        afterSensitive: { user_data: true },
      },
      "a policy": {
        before: { role: "r", policy: "{}" },
        after: { role: "r", policy: `{"Statement":[{"Resource":"${MARKED}","Action":"a:B"}]}` },
        afterSensitive: { policy: true },
      },
    };

    for (const [where, change] of Object.entries(MARKS)) {
      it(`never shows ${where}`, async () => {
        for (const type of TYPES) expect(await printed({ [`${type}.x`]: change }), type).not.to.include(MARKED);
      });
    }

    it("says that it changes", async () => {
      const shown = await printed({
        "aws_ssm_parameter.x": {
          before: { value: "one" },
          after: { value: "two" },
          beforeSensitive: { value: true },
          afterSensitive: { value: true },
        },
      });
      expect(shown).to.include("value: (sensitive) → (sensitive), another");
    });

    it("never shows it in another resource that does not mark it", async () => {
      const shown = await printed({
        "aws_ssm_parameter.secret": {
          before: { value: MARKED },
          after: { value: MARKED },
          beforeSensitive: { value: true },
          afterSensitive: { value: true },
        },
        "aws_lambda_function.f": { before: { environment: "x" }, after: { environment: `password is ${MARKED}` } },
        "aws_launch_template.t": {
          before: { user_data: packed("x\n") },
          after: { user_data: packed(`say '${MARKED}'\n`) },
        },
      });
      expect(shown).not.to.include(MARKED);
      expect(shown).to.include("+say '(sensitive)'");
    });

    it("never shows it where it stands in base64", async () => {
      const shown = await printed({
        "aws_ssm_parameter.secret": {
          before: { value: "x" },
          after: { value: MARKED },
          afterSensitive: { value: true },
        },
        "aws_launch_template.t": {
          before: { user_data: packed("x\n") },
          after: { user_data: packed(`echo ${Buffer.from(`${MARKED}\n`).toString("base64")} | base64 -d\n`) },
        },
      });
      expect(shown)
        .to.include("echo (sensitive)")
        .and.not.to.include(Buffer.from(MARKED).toString("base64").slice(0, 16));
    });

    it("never shows a number", async () => {
      const shown = await printed({
        "aws_ssm_parameter.secret": { before: { a: 1 }, after: { a: 9182736455 }, afterSensitive: { a: true } },
        "aws_launch_template.t": {
          before: { user_data: packed("x\n") },
          after: { user_data: packed("pin=9182736455\n") },
        },
      });
      expect(shown).not.to.include("9182736455");
    });

    it("never shows it in the address of a resource", async () => {
      const shown = await printed({
        "aws_ssm_parameter.secret": {
          before: { value: "x" },
          after: { value: MARKED },
          afterSensitive: { value: true },
        },
        [`aws_eip.a["${MARKED}"]`]: { before: { public_ip: "203.0.113.9" } },
      });
      expect(shown).to.include('aws_eip.a["(sensitive)"]').and.not.to.include(MARKED);
    });

    it("never shows it in what was changed by another hand", async () => {
      const drift = planOf({ "aws_vpc.v": { before: { a: "x" }, after: { a: MARKED }, afterSensitive: { a: true } } });
      const shown = await printed(
        { "aws_vpc.v": { before: { a: MARKED }, after: { a: "x" }, beforeSensitive: { a: true } } },
        { resource_drift: drift.resource_changes },
      );
      expect(shown).to.include("aws_vpc.v").and.not.to.include(MARKED);
    });

    it("never shows what only another hand's change marks, there or elsewhere", async () => {
      const address = `aws_eip.a["${MARKED}"]`;
      const drift = planOf({
        "aws_ssm_parameter.secret": {
          before: { value: "x" },
          after: { value: MARKED },
          afterSensitive: { value: true },
        },
        [address]: { before: { a: "x" }, after: { a: "y" } },
      });
      const shown = await printed(
        { [address]: { before: { a: "y" }, after: { a: `it is ${MARKED}` } } },
        { resource_drift: drift.resource_changes },
      );
      expect(shown).to.include("changed by another hand").and.include("it is (sensitive)").and.not.include(MARKED);
    });
  });

  it("hides in a text the credentials of an address", () => {
    const credentials = `me:${MARKED}`;
    expect(maskText(`git clone https://${credentials}@example.com/x`)).to.equal(
      `git clone https://${MASKED}@example.com/x`,
    );
  });

  it("never shows a value by the name of its attribute", async () => {
    const names = ["password", "api_token", "secret", "private_key", "presharedKey", "PSK"];
    for (const name of names) {
      const shown = await printed({
        "aws_vpc.v": { before: { [name]: "one-value" }, after: { [name]: "two-values" } },
      });
      expect(shown, name).not.to.match(/one-value|two-values/);
    }
  });

  it("hides in a text what is called a secret there", () => {
    for (const name of ["DB_PASS", "PASSWORD", "passphrase", "psk", "client_secret", "api-token"]) {
      expect(maskText(`export ${name}=hunter2hunter2`)).to.equal(`export ${name}=${MASKED}`);
    }
    expect(maskText("bypass=hunter2hunter2")).to.equal("bypass=hunter2hunter2");
  });

  it("shows which parameter holds a secret", async () => {
    const shown = await printed({
      "aws_vpc.v": { before: { token: "/a/b" }, after: { token: "/stingy-vpn/prod/cloudflare-token" } },
    });
    expect(shown).to.include("/stingy-vpn/prod/cloudflare-token");
  });

  it("leaves the user data of this product as it is, in every distribution", () => {
    for (const distribution of ["al2023", "debian", "ubuntu"] as const) {
      const userData = renderUserData({ ...USER_DATA, distribution });
      expect(maskText(userData)).to.equal(userData);
    }
  });

  it("leaves ids, addresses and digests as they are", () => {
    const plain = [
      "arn:aws:iam::123456789012:role/stingy-vpn-prod-tokyo-server",
      "lt-0123456789abcdef0 vpc-0123456789abcdef0",
      "da39a3ee5e6b4b0d3255bfef95601890afd80709",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "http_tokens = required",
      "token=$(curl -X PUT http://169.254.169.254/latest/api/token)",
      "PrivateKey = <yours>",
    ].join("\n");
    expect(maskText(plain)).to.equal(plain);
  });

  it("hides a key wherever it stands", () => {
    const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("base64"));
    const around = fc.constantFrom("", " ", "=", '"', "'", ":", "PresharedKey = ", "\n", "(", "key=");
    fc.assert(
      fc.property(key, around, fc.constantFrom("", " ", '"', "\n", ",", ")"), (secret, before, after) => {
        expect(maskText(`${before}${secret}${after}`)).not.to.include(secret);
      }),
      { numRuns: 500, seed: 6 },
    );
  });
});
