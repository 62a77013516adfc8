import { readFileSync } from "node:fs";
import { expect } from "chai";
import type { Command } from "commander";
import { createProgram } from "../cli/program";
import {
  CLI_FILE,
  cliReferenceText,
  FAILOVER_FILE,
  FAILOVER_PICTURE,
  failoverPicture,
  failoverText,
  REFERENCE_FILE,
  RUNBOOK_FILE,
  referenceText,
  runbookText,
  SCHEMA_FILE,
  schemaText,
} from "../scripts/generated";

describe("generated files", () => {
  it("stingy.schema.json is current (npm run schema)", () => {
    expect(readFileSync(SCHEMA_FILE, "utf8")).to.equal(schemaText());
  });

  it("docs/configuration.md is current (npm run docs)", () => {
    expect(readFileSync(REFERENCE_FILE, "utf8")).to.equal(referenceText());
  });

  it("docs/cli.md is current (npm run docs)", () => {
    expect(readFileSync(CLI_FILE, "utf8")).to.equal(cliReferenceText());
  });

  it("docs/runbook.md has the alarms as they are (npm run docs)", () => {
    expect(readFileSync(RUNBOOK_FILE, "utf8")).to.equal(runbookText());
  });

  it("docs/failover.md and its picture show what docs/failover.json has (npm run docs)", () => {
    expect(readFileSync(FAILOVER_FILE, "utf8")).to.equal(failoverText());
    expect(readFileSync(FAILOVER_PICTURE, "utf8")).to.equal(failoverPicture());
  });

  it("docs/cli.md has every command, with its options and examples", () => {
    const reference = cliReferenceText();
    const leaves = (command: Command, at: string): void => {
      const name = `${at}${command.name()}`;
      const shown = command.createHelp().visibleCommands(command);
      for (const sub of command.commands) {
        if (shown.includes(sub)) leaves(sub, `${name} `);
        else expect(reference).to.not.include(`## ${name} ${sub.name()}\n`);
      }
      if (command.commands.length > 0) return;
      const section = reference.split(`## ${name}\n`)[1]?.split("\n## ")[0] ?? "";
      for (const { long } of command.options) expect(section, name).to.include(long);
      expect(section, name).to.match(/^Examples:\n( {2}(source <\()?(npx )?stingy .*)+/m);
      expect(section, name).to.not.include("undefined");
    };
    leaves(createProgram(), "");
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
