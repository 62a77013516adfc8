import { stripVTControlCharacters } from "node:util";
import { expect } from "chai";
import { table } from "../../cli/output";

describe("output", () => {
  it("lays a table out in columns, without lines around them", async () => {
    const text = await table(
      ["name", "seen"],
      [
        ["phone", "2 min ago"],
        ["my-notebook", "never"],
      ],
    );
    expect(stripVTControlCharacters(text)).to.equal(
      ["NAME         SEEN", "phone        2 min ago", "my-notebook  never"].join("\n"),
    );
  });

  it("counts characters as a terminal shows them", async () => {
    const text = await table(
      ["a", "b"],
      [
        ["日本", "x"],
        ["tokyo", "y"],
      ],
    );
    expect(stripVTControlCharacters(text)).to.equal(["A      B", "日本   x", "tokyo  y"].join("\n"));
  });
});
