import { readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { bundleFunctions } from "../../modules/lambda";
import { EXAMPLES, type Json, synthesize, synthesizeExample } from "../support/synth";

/** What a secret looks like in text. */
const SECRETS: Record<string, RegExp> = {
  "a WireGuard key": /(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=(?![A-Za-z0-9+/=])/,
  "an AWS access key": /\b(AKIA|ASIA)[A-Z0-9]{16}\b/,
  "a PEM private key": /BEGIN [A-Z ]*PRIVATE KEY/,
  "a Cloudflare token": /(?<![\w-])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])(?=[\w-]*\d)[\w-]{40}(?![\w-])/,
  "a GitHub or HCP token": /\b(gh[pousr]_[A-Za-z0-9]{36}|[A-Za-z0-9]{14}\.atlasv1\.)/,
  "credentials in an address": /:\/\/[^/\s"]+:[^/\s"]+@/,
};
/** Arguments that exist to hold a secret. */
const SECRET_ARGUMENTS = /^(value|value_wo|secret_.*|password|.*_password|token|api_token|access_key|secret_key)$/;
const found = (text: string) =>
  Object.entries(SECRETS)
    .filter(([, pattern]) => pattern.test(text))
    .map(([name]) => name);

function* argumentsOf(json: Json, at = ""): Generator<string> {
  if (typeof json !== "object" || json === null) return;
  for (const [key, value] of Object.entries<Json>(json)) {
    if (!Array.isArray(json)) yield `${at}.${key}`;
    yield* argumentsOf(value, `${at}.${key}`);
  }
}

describe("the patterns", () => {
  const secrets: Record<string, string> = {
    "a WireGuard key": "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=",
    "an AWS access key": ["AKIA", "IOSFODNN7EXAMPLE"].join(""),
    "a PEM private key": "-----BEGIN OPENSSH PRIVATE KEY-----",
    "a Cloudflare token": "Sn3lZJTBX6kkg7OdcBUAxOO963GEIyGQqnFTOFYY",
    "a GitHub or HCP token": `ghp_${"a1".repeat(18)}`,
    "credentials in an address": "https://me:secret@example.com/state",
  };
  for (const [name, text] of Object.entries(secrets)) {
    it(`know ${name}`, () => {
      expect(found(`{"value": "${text}"}`)).to.include(name);
    });
  }
});

for (const example of [...EXAMPLES, "the defaults"]) {
  describe(`the JSON of ${example}`, () => {
    let stacks: Record<string, Json>;
    before(() => {
      stacks = example === "the defaults" ? synthesize() : synthesizeExample(example);
    });

    it("holds nothing that looks like a secret", () => {
      for (const [id, json] of Object.entries(stacks)) expect(found(JSON.stringify(json)), id).to.deep.equal([]);
    });

    it("sets no argument that is made for a secret", () => {
      for (const [id, { resource, provider }] of Object.entries(stacks)) {
        const secret = [...argumentsOf({ resource, provider })].filter((at) =>
          SECRET_ARGUMENTS.test(at.slice(at.lastIndexOf(".") + 1)),
        );
        expect(secret, id).to.deep.equal([]);
      }
    });

    it("makes only parameters that are no secret: the rest of the store is never Terraform's", () => {
      const parameters = Object.values(stacks).flatMap(({ resource }) =>
        Object.values<Json>(resource.aws_ssm_parameter ?? {}),
      );
      const sites = Object.keys(stacks).filter((id) => id.endsWith("-server")).length;
      const initial: Record<string, string> = {
        "instance-id": "initial",
        "desired-state": "running",
        launches: "none",
      };
      expect(parameters).to.have.length(3 * sites);
      for (const { name, type, insecure_value } of parameters) {
        expect([type, insecure_value], name).to.deep.equal(["String", initial[name.split("/").at(-1)]]);
      }
    });
  });
}

describe("the code of the functions", () => {
  it("holds nothing that looks like a secret", () => {
    for (const [name, folder] of Object.entries(bundleFunctions())) {
      expect(found(readFileSync(path.join(folder, "index.js"), "utf8")), name).to.deep.equal([]);
    }
  });
});
