import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { loadConfig, parseYaml } from "../../../modules/config";
import { errorOf, problemsOf } from "../../support/config-errors";

const LOOK_AROUND = "check the indentation, the colons and the quotes of this line and the one above";

describe("a file", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), "stingy-config-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** The message about a file, named as STINGY_CONFIG names it, with FILE for its name. */
  function messageAbout(name: string, write?: (file: string) => void): string {
    const file = path.resolve(folder, name);
    write?.(file);
    return errorOf(() => loadConfig(folder, file)).message.replaceAll(file, "FILE");
  }
  const message = (problem: string, fix: string) =>
    `FILE: 1 problem, nothing was written.\n\n  FILE\n    problem  ${problem}\n    fix      ${fix}`;
  const READABLE = "make it readable for the user who runs this";

  it("that STINGY_CONFIG names is there", () => {
    expect(messageAbout("nowhere.yaml")).to.equal(
      message("there is no such file", "correct STINGY_CONFIG, or unset it to use stingy.yaml or the defaults"),
    );
  });

  it("called stingy.yaml is read without being named", () => {
    const own = path.join(folder, "own");
    mkdirSync(own);
    writeFileSync(path.join(own, "stingy.yaml"), "environment: test\n");
    expect(loadConfig(own).environment).to.equal("test");
    expect(loadConfig(own, "").environment).to.equal("test");
    writeFileSync(path.join(own, "stingy.yaml"), "environment: Test\n");
    expect(errorOf(() => loadConfig(own)).message).to.match(
      /^stingy\.yaml: 1 problem, nothing was written\.\n\n {2}stingy\.yaml:1:14 {2}environment\n/,
    );
  });

  for (const [what, text] of [
    ["nothing", ""],
    ["spaces", "\n  \n"],
    ["comments", "# to be written\n\n# some day\n"],
    ["a byte order mark", "\ufeff"],
  ] as const) {
    it(`holds more than ${what}`, () => {
      expect(messageAbout("empty.yaml", (file) => writeFileSync(file, text))).to.equal(
        message("the file is empty", "delete it to use the defaults, or write at least `environment: prod`"),
      );
    });
  }

  it("is no larger than a configuration can be", () => {
    const write = (bytes: number) => (file: string) => {
      writeFileSync(file, "environment: test\n#");
      truncateSync(file, bytes);
    };
    expect(messageAbout("large.yaml", write(10_000_000))).to.equal(
      message("the file has 10000000 bytes, a configuration has at most 1000000", "check that this is the right file"),
    );
    writeFileSync(path.join(folder, "limit.yaml"), `environment: test\n#${"x".repeat(1_000_000 - 19)}`);
    expect(loadConfig(folder, path.join(folder, "limit.yaml")).environment).to.equal("test");
  });

  it("is no folder", () => {
    expect(messageAbout("folder", (file) => mkdirSync(file))).to.equal(
      message("is a folder", "name a file: STINGY_CONFIG=FILE/stingy.yaml"),
    );
  });

  it("is no loop of symbolic links", () => {
    expect(messageAbout("loop.yaml", (file) => symlinkSync(file, file))).to.equal(
      message("the file cannot be read (ELOOP)", READABLE),
    );
  });

  it("is not inside another file", () => {
    const about = messageAbout("limit.yaml/stingy.yaml");
    expect(about).to.equal(message("the file cannot be read (ENOTDIR)", READABLE));
  });

  it("can be read", function () {
    if (!existsSync("/proc/self/mem")) return this.skip();
    expect(messageAbout("/proc/self/mem")).to.equal(message("the file cannot be read (EIO)", READABLE));
  });

  it("has an end", function () {
    if (!existsSync("/dev/zero")) return this.skip();
    expect(messageAbout("/dev/zero")).to.equal(message("is no ordinary file", "name a YAML file"));
  });

  it("is UTF-8", () => {
    const latin1 = (file: string) => writeFileSync(file, Buffer.from("tags:\n  Owner: Zoë\n", "latin1"));
    expect(messageAbout("latin1.yaml", latin1)).to.equal(message("the file is no UTF-8 text", "save it as UTF-8"));
    writeFileSync(path.join(folder, "utf8.yaml"), "\ufefftags:\n  Owner: Zoë\n");
    expect(loadConfig(folder, path.join(folder, "utf8.yaml")).tags).to.deep.equal({ Owner: "Zoë" });
  });
});

describe("what is no YAML", () => {
  for (const [what, lines, at, problem, fix] of [
    [
      "an open bracket",
      ["environment: [prod", "tags:"],
      "2:1",
      "a bracket is not closed before this line",
      "add the missing ]",
    ],
    [
      "an open brace",
      ["tags: { Owner: me", "sites:"],
      "2:1",
      "a bracket is not closed before this line",
      "add the missing }",
    ],
    ["an open quote", ['environment: "prod', ""], "2:1", 'this is no YAML: Missing closing "quote', LOOK_AROUND],
    ["a tab", ["sites:", "\ttokyo:"], "2:1", "a tab is used to indent", "use spaces"],
    ["a tab further in", ["sites:", "  tokyo:", "\t  protect: true"], "3:1", "a tab is used to indent", "use spaces"],
    [
      "a setting twice",
      ["environment: a", "environment: b"],
      "2:1",
      "the same setting stands here a second time",
      "keep one of the two",
    ],
    [
      "a site twice",
      ["sites:", "  tokyo:", "  tokyo:"],
      "3:3",
      "the same setting stands here a second time",
      "keep one of the two",
    ],
    [
      "a second document",
      ["environment: a", "---", "environment: b"],
      "2:1",
      "a second document starts here",
      "remove the line ---",
    ],
    [
      "a crooked indent",
      ["sites:", "  tokyo:", "    protect: true", "   elasticIp: true"],
      "4:1",
      "the indentation does not fit the lines above",
      "indent settings of one group alike",
    ],
    [
      "a tag",
      ["environment: !env PROD"],
      "1:14",
      "a YAML tag that has no meaning here",
      "remove the word that starts with !",
    ],
    [
      "an alias of its own group",
      ["tags: &all", "  Owner: *all"],
      "2:10",
      "*all stands inside what it repeats",
      "write the value out",
    ],
    [
      "an alias of its own list",
      ["environment: &all [*all]"],
      "1:20",
      "*all stands inside what it repeats",
      "write the value out",
    ],
    [
      "an alias of nothing",
      ["environment: *prod"],
      "",
      "its aliases cannot be resolved: Unresolved alias (the anchor must be set before the alias): prod",
      "write the values out",
    ],
  ] as const) {
    it(`${what} is shown where it stands`, () => {
      expect(problemsOf(...lines)).to.deep.equal([{ at, problem, fix }]);
    });
  }

  for (const text of ["stingy", "5", "- tokyo\n- oregon", "null", '"environment: prod"']) {
    it(`${JSON.stringify(text)} holds no settings`, () => {
      expect(problemsOf(text)).to.deep.equal([
        {
          at: "1:1",
          problem: "the file holds no settings",
          allowed: "YAML with one `setting: value` a line",
          fix: "put a space after each colon, or start from examples/minimal.yaml",
        },
      ]);
    });
  }

  it("every tab is shown", () => {
    expect(problemsOf("sites:", "\ttokyo:", "\t\tprotect: true").map(({ at }) => at)).to.deep.equal(["2:1", "3:1"]);
  });

  it("an alias bomb does not go off", () => {
    const ten = (name: string) => `[${Array(10).fill(name).join(", ")}]`;
    const lines = [
      "a: &a [x]",
      ..."bcdefgh".split("").map((name, index) => `${name}: &${name} ${ten(`*${"abcdefg"[index]}`)}`),
    ];
    expect(problemsOf(...lines)).to.deep.equal([
      {
        at: "",
        problem: "its aliases cannot be resolved: Excessive alias count indicates a resource exhaustion attack",
        fix: "write the values out",
      },
    ]);
  });

  it("a depth of thousands is answered, too", () => {
    const { message } = errorOf(() => parseYaml(`a: ${"[".repeat(5_000)}${"]".repeat(5_000)}`, "stingy.yaml"));
    expect(message).to.match(/^stingy\.yaml: \d+ problems?, nothing was written\./);
  });

  it("anchors and merges of one site into another are YAML", () => {
    const { sites } = parseYaml(
      [
        "sites:",
        "  a: &a",
        "    network: { ipv6: false, vpcCidr: 10.1.0.0/16 }",
        "    protect: false",
        "  b:",
        "    <<: *a",
        "    network: { vpcCidr: 10.2.0.0/16 }",
        "    tunnel: { ipv4: 10.9.0.0/24, ipv6: 'fd00::/64' }",
        "    storePrefix: /b",
        "",
      ].join("\n"),
      "stingy.yaml",
    );
    expect(sites.map(({ name, protect }) => [name, protect])).to.deep.equal([
      ["a", false],
      ["b", false],
    ]);
  });
});
