import { expect } from "chai";
import fc from "fast-check";
import { BootstrapError, renderUserData, terraformText } from "../../../modules/bootstrap";
import { ref } from "../../support/alone";
import { USER_DATA } from "../../support/golden";
import { hostile } from "./support";

/** Terraform's own reading of a template without expressions: a doubled sign before a brace is one. */
const expand = (text: string) => text.replace(/([$%])\1\{/g, "$1{");

describe("terraformText", () => {
  it("doubles what Terraform would expand and nothing else", () => {
    const cases: [string, string][] = [
      [ref("HOME"), `$${ref("HOME")}`],
      ["%{http_code}", "%%{http_code}"],
      [`a${ref("b")}%{c}${ref("d")}`, `a$${ref("b")}%%{c}$${ref("d")}`],
      [`$${ref("x")}`, `$$${ref("x")}`],
      ["$HOME $(id) 100% {x} $ {", "$HOME $(id) 100% {x} $ {"],
      ["", ""],
    ];
    for (const [text, escaped] of cases) expect(terraformText(text)).to.equal(escaped);
  });

  it("leaves nothing to expand in any text", () => {
    fc.assert(
      fc.property(
        hostile.map((text) => text.normalize("NFC").replace(/^\ufeff+/, "")),
        (text) => {
          const escaped = terraformText(text);
          expect(escaped.replace(/([$%])\1\{/g, "")).not.to.match(/[$%]\{/);
          expect(expand(escaped)).to.equal(text);
        },
      ),
    );
  });

  it("comes back as the rendering it was", () => {
    const text = renderUserData(USER_DATA);
    expect(expand(terraformText(text))).to.equal(text);
  });

  it("puts references in place of their markers, everywhere", () => {
    const references = { "@A@": ref("a.ip"), "@B@": ref("b.ip") };
    expect(terraformText("@A@-@B@-@A@ %{x}", references)).to.equal(
      `${ref("a.ip")}-${ref("b.ip")}-${ref("a.ip")} %%{x}`,
    );
  });

  it("takes a marker as text, not as a pattern, and of two that begin alike the longer", () => {
    expect(terraformText("a.*b a+b", { "a.*b": "1" })).to.equal("1 a+b");
    expect(terraformText("@A@B@ @A@", { "@A@": "short", "@A@B@": "long" })).to.equal("long short");
  });

  it("does not let text before a reference escape it", () => {
    expect(terraformText("cost: $@A@, $$@A@", { "@A@": ref("a") })).to.equal(
      `cost: ${ref('"$"')}${ref("a")}, ${ref('"$$"')}${ref("a")}`,
    );
  });

  it("does not look for markers in what it has put in", () => {
    expect(terraformText("@A@ @B@", { "@A@": "@B@", "@B@": "b" })).to.equal("@B@ b");
  });

  it("refuses text that Terraform would silently change", () => {
    terraformText("\u00e9");
    expect(() => terraformText("e\u0301")).to.throw(
      BootstrapError,
      "Terraform text: an accent stands apart from its letter. Terraform would join them: write the text in Unicode's normal form NFC.",
    );
  });

  it("refuses a byte order mark, which Terraform would drop", () => {
    terraformText("a\ufeff");
    expect(() => terraformText("\ufeffa")).to.throw(
      BootstrapError,
      "Terraform text: it begins with a byte order mark, which Terraform would drop: leave it out.",
    );
  });

  it("refuses a marker that is not in the text", () => {
    for (const marker of ["@ADDRESS@", ""]) {
      expect(() => terraformText("ADDRESS=''", { [marker]: "x" })).to.throw(
        BootstrapError,
        `Terraform text: there is no ${JSON.stringify(marker)} in the text to put a reference in place of. Use the marker that the text was made with.`,
      );
    }
  });
});
