import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { compact } from "../../../modules/bootstrap/compact";
import { ROOT } from "../../support/synth";
import { bash } from "./support";

const ASSETS = path.join(ROOT, "assets/userdata");
const scripts = readdirSync(ASSETS).filter((name) => /^stingy-[a-z]+$/.test(name) || name === "common.sh");

/** What bash understands a script to be: its own print of it. */
const understood = (script: string) => bash(`script() {\n${script}\n}\ndeclare -f script`);

const shell = (text: string) => compact(text, "shell");

describe("compact", () => {
  it("keeps the first line and the code", () => {
    expect(
      shell("#!/bin/bash\n# shellcheck shell=bash\n# What it is.\n# And why.\n\nset -e\n\n  # Reason.\n  echo a # b\n"),
    ).to.equal("#!/bin/bash\nset -e\necho a # b\n");
  });

  it("keeps what only looks like a comment", () => {
    for (const text of [
      "cat <<END\n# a\n\nEND\n",
      "cat <<'END'\n# a\n\nEND\n",
      'cat <<-"END"\n\t# a\n\n\tEND\n',
      "cat <<A <<B\n# a\nA\n# b\nB\n",
      "echo 'a\n# b\n\n'\n",
      'echo "a\n# b\n\n\\"\n# c\n"\n',
    ]) {
      expect(shell(text), text).to.equal(text);
    }
  });

  it("leaves out indentation, but for what stands in quotes and here-documents", () => {
    expect(shell("if a; then\n  b \\\n    --c\n\tfi\n")).to.equal("if a; then\nb \\\n--c\nfi\n");
    for (const text of [
      "jq 'a\n  | b\n  '\n",
      'echo "a\n  b"\n',
      "cat <<END\n  a\nEND\n",
      "cat <<-END\n\ta\n\tEND\n",
    ]) {
      expect(shell(`  ${text}`), text).to.equal(text);
    }
    expect(compact('  def a:\n    "b\n  c";\n', "quoted")).to.equal('def a:\n"b\n  c";\n');
  });

  it("is not misled by what only looks like the start of a text", () => {
    for (const [text, rest] of [
      ["echo \\'\n# a\n", "echo \\'\n"],
      ['echo \\"\n# a\n', 'echo \\"\n'],
      ["x=$((1 << n))\n# a\n", "x=$((1 << n))\n"],
      ["cat <<<word\n# a\n", "cat <<<word\n"],
      ["echo a # it's\n# a\n", "echo a # it's\n"],
      [`echo $# \${#x} a#'b'\n# a\n`, `echo $# \${#x} a#'b'\n`],
      ["cat <<END\nit's\nEND\n# a\n", "cat <<END\nit's\nEND\n"],
      ["echo '\\'\n# a\n", "echo '\\'\n"],
    ] as const) {
      expect(shell(text), text).to.equal(rest);
    }
  });

  it("knows only double quotes in jq and nft", () => {
    expect(compact("# What.\n# peer's\n\"a\n# b\n\"\n# c\n.x # it's \"\n# d\na's\n# e\n", "quoted")).to.equal(
      '"a\n# b\n"\n.x # it\'s "\na\'s\n',
    );
  });

  it("may be done again", () => {
    const once = shell(readFileSync(path.join(ASSETS, "common.sh"), "utf8"));
    expect(shell(once)).to.equal(once);
  });

  for (const name of scripts) {
    it(`leaves ${name} the same program to bash`, () => {
      const text = readFileSync(path.join(ASSETS, name), "utf8");
      expect(shell(text).split("\n").length).to.be.lessThan(text.split("\n").length);
      expect(understood(shell(text))).to.equal(understood(text));
    });
  }
});
