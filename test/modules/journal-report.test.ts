import { expect } from "chai";
import { JournalReport } from "../../modules/server";
import { alone } from "../support/alone";

describe("JournalReport", () => {
  const json = alone((stack) => void new JournalReport(stack, "journal", { name: "vpn-journal" }));
  const { content, ...rest } = json.resource.aws_ssm_document.journal_document;
  const document = JSON.parse(content);

  it("is a document of one step", () => {
    expect(Object.keys(json.resource)).to.deep.equal(["aws_ssm_document"]);
    expect(rest).to.deep.equal({ name: "vpn-journal", document_type: "Command" });
    expect(document.mainSteps.map(({ action, name }: Record<string, string>) => [action, name])).to.deep.equal([
      ["aws:runShellScript", "journal"],
    ]);
  });

  it("takes a number of seconds and nothing that could be a command", () => {
    expect(Object.keys(document.parameters)).to.deep.equal(["since"]);
    const allowed = new RegExp(document.parameters.since.allowedPattern);
    expect("1795262400").to.match(allowed);
    for (const bad of ["", "1; reboot", "$(reboot)", "1\n2", "-1"]) expect(bad, bad).to.not.match(allowed);
  });
});
