import { expect } from "chai";
import { readGolden, renderGolden } from "./support/golden";

describe("golden files", () => {
  const golden = readGolden();
  const rendered = renderGolden();

  it("are those that are rendered, and no other", () => {
    expect([...golden.keys()].sort()).to.deep.equal([...rendered.keys()].sort());
  });

  for (const [name, text] of rendered) {
    it(`${name} is as reviewed (npm run golden rewrites it)`, () => {
      expect(text).to.equal(golden.get(name));
    });
  }
});
