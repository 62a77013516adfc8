import { readFileSync } from "node:fs";
import { expect } from "chai";
import { REFERENCE_FILE, referenceText, SCHEMA_FILE, schemaText } from "../scripts/generated";

describe("generated files", () => {
  it("stingy.schema.json is current (npm run schema)", () => {
    expect(readFileSync(SCHEMA_FILE, "utf8")).to.equal(schemaText());
  });

  it("docs/configuration.md is current (npm run docs)", () => {
    expect(readFileSync(REFERENCE_FILE, "utf8")).to.equal(referenceText());
  });

  it("the reference has a row for every setting", () => {
    const reference = referenceText();
    for (const setting of [
      "vpcCidr",
      "emails",
      "instanceTypes",
      "keyPrefix",
      "workspacePrefix",
      "zoneId",
      "environment",
    ]) {
      expect(reference).to.include(`| \`${setting}\` |`);
    }
  });
});
