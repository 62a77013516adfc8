import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { shellQuote } from "../../modules/bootstrap/shell";
import { cleanEnvironment, folderWith, ROOT, stingy } from "./support/stingy";

type Shell = "bash" | "zsh" | "fish";

/** Sources the script in a real shell and asks it what may follow. The last word is the one being typed. */
const ASK: Readonly<Record<Shell, (words: readonly string[]) => string[]>> = {
  bash: (words) => [
    "--norc",
    "-c",
    `source "$SCRIPT"; source "$SCRIPT"
     COMP_WORDS=(stingy ${words.map(shellQuote).join(" ")}); COMP_CWORD=${words.length}
     __stingy_complete 2>"$ERRORS"; printf '%s\\n' "\${COMPREPLY[@]}"`,
  ],
  zsh: (words) => [
    "-f",
    "-c",
    `compdef() { :; }; _describe() { local -a all=("\${(@P)2}"); (( $#all )) && print -l -- \${all%%:*}; }; _arguments() { print FILES; }
     source "$SCRIPT"; source "$SCRIPT"
     words=(stingy ${words.map(shellQuote).join(" ")}); CURRENT=${words.length + 1}; _stingy`,
  ],
  fish: (words) => [
    "--no-config",
    "-c",
    `source $SCRIPT; source $SCRIPT; complete -C ${shellQuote(["stingy", ...words].join(" "))} | string replace -r '\\t.*' ''`,
  ],
};

describe("stingy completion", () => {
  let folder: string;

  before(async () => {
    const scripts = await Promise.all((["bash", "zsh", "fish"] as const).map((shell) => stingy(["completion", shell])));
    for (const { code, stderr } of scripts) expect(code, stderr).to.equal(0);
    const [bash = "", zsh = "", fish = ""] = scripts.map(({ stdout }) => stdout);
    folder = folderWith({ bash, zsh, fish, "a-file.txt": "" });
  });

  const offered = (shell: Shell, words: readonly string[], env: Record<string, string> = {}) => {
    const { error, status, stdout, stderr } = spawnSync(shell, ASK[shell](words), {
      cwd: folder,
      encoding: "utf8",
      env: cleanEnvironment({ SCRIPT: path.join(folder, shell), ERRORS: path.join(folder, "errors"), ...env }),
    });
    if (error) throw new Error(`there is no ${shell} on this machine: apt-get install ${shell}`);
    expect(stderr, `${shell} ended with ${status}`).to.equal("");
    return stdout.split("\n").filter((line) => line !== "");
  };

  for (const shell of ["bash", "zsh", "fish"] as const) {
    describe(`in ${shell}`, () => {
      it("offers the commands, and not what only the script asks", () => {
        const commands = offered(shell, [""]);
        expect(commands).to.include.members(["init", "peer", "status", "completion"]);
        expect(commands).to.not.include("complete");
      });

      it("offers what begins with what is typed", () => {
        expect(offered(shell, ["comp"])).to.deep.equal(["completion"]);
        expect(offered(shell, ["init", "--off"])).to.deep.equal(["--offline"]);
      });

      it("offers an option's and an argument's values", () => {
        expect(offered(shell, ["init", "--backend", ""]).sort()).to.deep.equal(["cloud", "local", "s3"]);
        expect(offered(shell, ["completion", ""]).sort()).to.deep.equal(["bash", "fish", "zsh"]);
      });

      it("offers the configuration's sites, also after a command", () => {
        const env = { STINGY_CONFIG: path.join(ROOT, "examples/two-sites.yaml") };
        expect(offered(shell, ["--site", ""], env).sort()).to.deep.equal(["frankfurt", "tokyo"]);
        expect(offered(shell, ["init", "--site", "f"], env)).to.deep.equal(["frankfurt"]);
      });

      it("does not run what is typed", () => {
        const mark = path.join(folder, `${shell}-ran`);
        offered(shell, [`$(touch ${mark})`, ""]);
        expect(existsSync(mark)).to.equal(false);
      });
    });
  }

  it("leaves files to the shell", () => {
    expect(offered("zsh", ["init", "--config", ""])).to.deep.equal(["FILES"]);
    expect(offered("fish", ["init", "--config", "a-f"])).to.deep.equal(["a-file.txt"]);
  });

  it("leaves files to bash by not turning its default off, which it may not outside of a completion", () => {
    const turnedOff = (...words: string[]) => {
      expect(offered("bash", words)).to.deep.equal([]);
      return readFileSync(path.join(folder, "errors"), "utf8").includes("compopt");
    };
    expect(turnedOff("init", "--config", "")).to.equal(false);
    expect(turnedOff("init", "--region", "")).to.equal(true);
  });

  it("is there for three shells", async () => {
    const { code, stderr } = await stingy(["completion", "tcsh"]);
    expect(code).to.equal(64);
    expect(stderr).to.contain("Allowed choices are bash, zsh, fish.");
  });
});
