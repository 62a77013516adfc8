import { execFileSync } from "node:child_process";
import path from "node:path";
import { expect } from "chai";
import { ROOT } from "../support/synth";

/** The packages a command line has loaded when it ends. */
function loadedBy(...args: string[]): string[] {
  const program = `
    process.on("exit", () => {
      const names = Object.keys(require.cache).map((file) => /.*node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(file)?.[1]);
      require("node:fs").writeSync(3, JSON.stringify([...new Set(names.filter(Boolean))].sort()));
    });
    process.argv = [process.argv[0], "stingy", ...${JSON.stringify(args)}];
    require(${JSON.stringify(path.join(ROOT, "cli/stingy.cjs"))});`;
  const loaded = execFileSync("sh", ["-c", 'exec "$0" -e "$1" 3>&1 >/dev/null 2>&1', process.execPath, program], {
    encoding: "utf8",
  });
  return JSON.parse(loaded);
}

describe("a command's start", () => {
  it("loads nothing but the command line's own packages for help", () => {
    expect(loadedBy("--help")).to.have.members(["commander", "esbuild", "picocolors", "tsx"]);
    expect(loadedBy("peer", "add", "--help")).to.have.members(["commander", "esbuild", "picocolors", "tsx"]);
  });
});
