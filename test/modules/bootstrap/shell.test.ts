import { expect } from "chai";
import fc from "fast-check";
import { BootstrapError, type Check, checksFile, envFile, shellQuote } from "../../../modules/bootstrap";
import { bash, hostile } from "./support";

/** Shells cannot hold a NUL. */
const word = hostile.map((text) => text.replaceAll("\0", ""));
const samples = (count: number) => fc.sample(word, { numRuns: count, seed: 4 });

describe("shellQuote", () => {
  it("quotes plain text plainly", () => {
    expect(shellQuote("/stingy-vpn/prod")).to.equal("'/stingy-vpn/prod'");
    expect(shellQuote("it's")).to.equal("'it'\\''s'");
    expect(shellQuote("")).to.equal("''");
  });

  it("is one word of just that text to a real shell, whatever the text", () => {
    const words = samples(500);
    const seen = bash(words.map((text) => `printf '%s\\0' ${shellQuote(text)}\n`).join("")).split("\0");
    expect(seen.slice(0, -1)).to.deep.equal(words);
  });

  it("refuses a NUL, which a shell would drop", () => {
    expect(() => shellQuote("a\0b")).to.throw(BootstrapError, '"a\\u0000b" has a NUL, which no shell can hold.');
  });
});

describe("envFile", () => {
  it("is a variable a line", () => {
    expect(envFile({ SITE: "tokyo", MTU: 1420, ADDRESS: "" })).to.equal("SITE='tokyo'\nMTU='1420'\nADDRESS=''\n");
  });

  it("gives a shell that sources it exactly the values, and runs nothing", () => {
    const values = samples(500);
    const file = envFile(Object.fromEntries(values.map((value, index) => [`V${index}`, value])));
    const seen = bash(`${file}${values.map((_, index) => `printf '%s\\0' "$V${index}"\n`).join("")}`).split("\0");
    expect(seen.slice(0, -1)).to.deep.equal(values);
  });

  it("refuses what is no variable's name", () => {
    for (const name of ["a", "", "A-B", "1A", "A=1;id;B", "A\nB"]) {
      expect(() => envFile({ [name]: "x" }), name).to.throw(
        BootstrapError,
        `${JSON.stringify(name)} is no variable's name: use capital letters, digits and underscores.`,
      );
    }
  });
});

describe("checksFile", () => {
  it("is a call a check: name, severity, command, repair", () => {
    const checks: Check[] = [
      { name: "a", command: "grep -q 'x' /y", repair: "systemctl restart y" },
      { name: "b", command: "true", severity: "report" },
    ];
    expect(checksFile(checks)).to.equal(
      "check a unfit 'grep -q '\\''x'\\'' /y' 'systemctl restart y'\ncheck b report 'true' ''\n",
    );
  });

  it("gives who sources it exactly the commands, whatever is in them, and runs none", () => {
    const commands = samples(400);
    const checks = commands.slice(0, 200).map((command, index) => ({
      name: `c${index}`,
      command,
      repair: commands[index + 200] ?? "",
    }));
    const seen = bash(`check() { printf '%s\\0' "$#" "$1" "$2" "$3" "$4"; }\n${checksFile(checks)}`).split("\0");
    expect(seen.slice(0, -1)).to.deep.equal(
      checks.flatMap(({ name, command, repair }) => ["4", name, "unfit", command, repair]),
    );
  });
});
