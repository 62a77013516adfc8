import { expect } from "chai";
import fc from "fast-check";
import { analyse, reportOf } from "../../cli/plan/analyse";
import { failOn, matches } from "../../cli/plan/fail-on";
import { code, fenced, html } from "../../cli/plan/harmless";
import { json } from "../../cli/plan/json";
import { headline } from "../../cli/plan/lines";
import { LONGEST_COMMENT, MARKER, markdown } from "../../cli/plan/markdown";
import type { RemoteStack, Report, StackReport } from "../../cli/plan/report";
import { mapValues, plain, say } from "../../cli/plan/sentence";
import { text } from "../../cli/plan/text";
import { change, type GivenResource, planOf } from "./support";

const stack = (resources: Readonly<Record<string, GivenResource>>, id = "prod-tokyo-server") =>
  analyse(id, planOf(resources));
const UNCHANGED = stack({ "aws_vpc.v": { before: { a: 1 }, after: { a: 1 } } }, "prod-tokyo-network");
const WAITING: StackReport = { id: "prod-tokyo-dns", state: "waiting", for: ["prod-tokyo-server"] };
const FAILED: StackReport = {
  id: "prod-tokyo-recovery",
  state: "failed",
  problem: say`no ${"provider"}`,
  fix: "Get it.",
};
const REMOTE: RemoteStack = {
  id: "prod-tokyo-monitoring",
  state: "remote",
  url: "https://app.terraform.io/app/o/w/runs/run-1",
  counts: { add: 1, change: 2, destroy: 3 },
};

describe("the report of a plan", () => {
  it("says in its first line how many stacks change, wait and failed", () => {
    expect(headline(reportOf([UNCHANGED]))).to.equal("nothing changes");
    expect(headline(reportOf([UNCHANGED, stack({ "aws_vpc.v": { after: {} } }), WAITING, FAILED]))).to.equal(
      "1 stack changes, 1 waits for another, 1 could not be planned",
    );
  });

  it("counts what is replaced as neither added nor destroyed", () => {
    const { counts } = stack({
      "a_a.add": { after: {} },
      "a_a.change": { before: { a: 1 }, after: { a: 2 } },
      "a_a.replace": { before: { a: 1 }, after: { a: 2 }, actions: ["create", "delete"] },
      "a_a.destroy": { before: { a: 1 } },
      "a_a.forget": { before: { a: 1 }, actions: ["forget"] },
      "a_a.same": { before: { a: 1 }, after: { a: 1 } },
      "data.a_a.read": { after: {}, mode: "data", actions: ["read"] },
    });
    expect(counts).to.deep.equal({ add: 1, change: 1, replace: 1, destroy: 1, forget: 1 });
  });

  it("says that a stack changes again once what it reads is applied", () => {
    const server = analyse(
      "server",
      planOf({}, { output_changes: { version: { actions: ["update"] }, name: { actions: ["no-op"] } } }),
    );
    const recovery = analyse("recovery", planOf({}));
    const findings = (output: string) =>
      reportOf([server, recovery], new Map([["recovery", new Map([["server", [output]]])]])).findings.map(
        ({ id, stack }) => [id, stack],
      );
    expect(findings("version")).to.deep.equal([["changes-later", "recovery"]]);
    expect(findings("name")).to.deep.equal([]);
  });

  it("names each stack whose outputs have to be applied first as a value of its own", () => {
    const changing = planOf({}, { output_changes: { version: { actions: ["update"] } } });
    const read = ["version"];
    const { findings } = reportOf(
      [analyse("network", changing), analyse("server", changing), analyse("recovery", planOf({}))],
      new Map([
        [
          "recovery",
          new Map([
            ["network", read],
            ["server", read],
          ]),
        ],
      ]),
    );
    expect(findings.map(({ text }) => plain(mapValues(text, code)))).to.deep.equal([
      "This stack changes again once `network` and `server` are applied, because it reads what changes there. Only a plan made after that shows it.",
    ]);
  });

  it("names the outputs that change, where nothing else does too", async () => {
    const report = reportOf([
      analyse(
        "prod-tokyo-server",
        planOf({}, { output_changes: { "b\n\u202e```": { actions: ["create"] }, a: { actions: ["update"] } } }),
      ),
    ]);
    const line = "Outputs that change: a, b\\n\\u{202e}```";
    expect(await text(report)).to.include(`\nprod-tokyo-server (Terraform 1.11.4)\n  ${line}`);
    expect(markdown(report).split("\n")).to.include.members(["````diff", line]);
    expect(await text(reportOf([UNCHANGED]))).not.to.include("Outputs");
    expect(markdown(reportOf([UNCHANGED]))).not.to.include("Outputs");
  });

  it("says what a month costs before and after", () => {
    const resources = (instance_type: string) => ({
      root_module: {
        resources: [
          { address: "aws_eip.a", mode: "managed" as const, type: "aws_eip", values: {} },
          {
            address: "aws_launch_template.t",
            mode: "managed" as const,
            type: "aws_launch_template",
            values: { instance_type },
          },
        ],
      },
    });
    const configuration = {
      provider_config: { aws: { expressions: { region: { constant_value: "ap-northeast-1" } } } },
    };
    const { cost } = analyse(
      "x",
      planOf(
        {},
        { configuration, prior_state: { values: resources("t4g.nano") }, planned_values: resources("t4g.micro") },
      ),
    );
    expect(cost?.before).to.be.greaterThan(3.65);
    expect(cost?.after).to.be.greaterThan(cost?.before ?? 0);
    expect(analyse("x", planOf({})).cost).to.equal(undefined);
  });

  describe("as JSON", () => {
    it("has every stack with its state", () => {
      const report = json(reportOf([UNCHANGED, WAITING, FAILED, REMOTE])) as {
        changes: boolean;
        stacks: { id: string; state: string }[];
      };
      expect(report.changes).to.equal(true);
      expect(report.stacks.map(({ id, state }) => [id, state])).to.deep.equal([
        ["prod-tokyo-network", "planned"],
        ["prod-tokyo-dns", "waiting"],
        ["prod-tokyo-recovery", "failed"],
        ["prod-tokyo-monitoring", "remote"],
      ]);
    });

    it("says that nothing changes", () => {
      expect(json(reportOf([UNCHANGED]))).to.include({ changes: false });
    });
  });

  describe("--fail-on", () => {
    const report = reportOf([
      stack({
        "aws_eip.a": { before: { public_ip: "203.0.113.9" } },
        "aws_vpc.v": { before: { a: 1 }, after: { a: 2 }, actions: ["delete", "create"] },
        "aws_lambda_permission.p": { after: { principal: "*", function_name: "f" } },
      }),
      UNCHANGED,
      REMOTE,
    ]);

    it("names what is destroyed, replaced, exposed", () => {
      expect(matches(report, failOn("destroy,replace,exposure"))).to.deep.equal([
        "--fail-on destroy: prod-tokyo-server: aws_eip.a; prod-tokyo-monitoring: its run destroys or replaces 3",
        "--fail-on replace: prod-tokyo-server: aws_vpc.v; prod-tokyo-monitoring: its run destroys or replaces 3",
        "--fail-on exposure: prod-tokyo-server: f can be called by *.; prod-tokyo-monitoring's plan is kept by HCP Terraform and cannot be looked at",
      ]);
    });

    it("finds in a run of HCP Terraform all that its counts leave open", () => {
      const found = (counts: RemoteStack["counts"]) =>
        matches(reportOf([{ ...REMOTE, counts }]), failOn("destroy,replace,exposure"));
      const exposure =
        "--fail-on exposure: prod-tokyo-monitoring's plan is kept by HCP Terraform and cannot be looked at";
      expect(found(undefined)).to.deep.equal([
        "--fail-on destroy: prod-tokyo-monitoring: its run does not say what it destroys or replaces",
        "--fail-on replace: prod-tokyo-monitoring: its run does not say what it destroys or replaces",
        exposure,
      ]);
      expect(found({ add: 0, change: 1, destroy: 0 })).to.deep.equal([exposure]);
      expect(found({ add: 0, change: 0, destroy: 0 })).to.deep.equal([]);
    });

    it("finds nothing where there is nothing, or nothing is asked", () => {
      expect(matches(reportOf([UNCHANGED]), failOn("destroy,replace,exposure"))).to.deep.equal([]);
      expect(matches(report, failOn(undefined))).to.deep.equal([]);
    });

    it("says what it takes", () => {
      expect(() => failOn("destroy,everything")).to.throw('--fail-on does not know "everything".');
    });
  });

  describe("as Markdown", () => {
    const HOSTILE = "`|</details>\n\n# @everyone [x](http://evil) <img src=x> ```\n| a | b |\u001b[2J\u202e";

    const hostile = (): Report => {
      const server = stack({
        [`aws_eip.${HOSTILE}`]: { before: { public_ip: HOSTILE } },
        [`aws_launch_template.${HOSTILE}`]: {
          before: { user_data: Buffer.from("a\n").toString("base64"), [HOSTILE]: "x" },
          after: {
            user_data: Buffer.from(`${HOSTILE.replaceAll("\u001b", "")}\n\`\`\`\n</details>\n`).toString("base64"),
            [HOSTILE]: HOSTILE,
          },
        },
      });
      return reportOf([
        { ...server, id: HOSTILE },
        { ...WAITING, for: [HOSTILE] },
        { ...FAILED, problem: say`${HOSTILE}` },
      ]);
    };

    it("begins with the mark by which the comment is found again", () => {
      expect(markdown(reportOf([UNCHANGED])).split("\n")[0]).to.equal(MARKER);
    });

    it("lets nothing of a plan become Markdown, HTML or a mention", () => {
      const outside = withoutCode(markdown(hostile()));
      expect(outside).not.to.match(/\]\(http:|@everyone|<img|^# /m);
      expect(outside.match(/<details>/g)?.length).to.equal(outside.match(/<\/details>/g)?.length);
      const [table = ""] = markdown(hostile()).split("<details>");
      for (const row of table.split("\n").filter((line) => line.startsWith("| "))) {
        expect(row.match(/\|/g)?.length, row).to.equal(7);
      }
    });

    it("lets nothing move the cursor of a terminal, or turn the order of text", async () => {
      for (const shown of [markdown(hostile()), await text(hostile())]) {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
        expect(shown).not.to.match(/\u001b\[2J|\u202e/);
        expect(shown).to.include("\\u{202e}");
      }
    });

    it("has room in a comment, whatever the plan", () => {
      const long = Array.from({ length: 3000 }, (_, index) => `line ${index} ${"x".repeat(40)}`).join("\n");
      const many = Object.fromEntries(
        Array.from({ length: 400 }, (_, index) => [
          `aws_eip.a${index}`,
          { before: { public_ip: `203.0.113.${index}` } },
        ]),
      );
      const report = reportOf([
        stack(many, "prod-tokyo-network"),
        stack({
          "aws_x.a": { before: { a: "1\n2\n" }, after: { a: long } },
          "aws_x.b": { before: { a: "1\n2\n" }, after: { a: long } },
        }),
        ...Array.from({ length: 6 }, (_, index) =>
          stack({ "aws_x.a": { before: { a: "1\n2\n" }, after: { a: long } } }, `site-${index}`),
        ),
      ]);
      const comment = markdown(report);
      expect(comment.length).to.be.at.most(LONGEST_COMMENT);
      expect(comment).to.include("and 340 more").and.include("more lines: `npx stingy plan` shows them");
      expect(comment).to.match(/A comment has no room for \d+ more sections/);
      expect(comment.match(/<details>/g)?.length).to.equal(comment.match(/<\/details>/g)?.length);
    });

    it("leaves nothing out where there is room", () => {
      const comment = markdown(reportOf([stack({ "aws_x.a": { before: { a: "1\n2\n" }, after: { a: "1\n3\n" } } })]));
      expect(comment).to.include("-2\n+3").and.not.include("no room");
    });
  });
});

/** What a reader of Markdown sees as text and tags: code blocks and code taken out, as CommonMark finds them. */
function withoutCode(comment: string): string {
  const kept: string[] = [];
  let fence: string | undefined;
  for (const line of comment.split("\n")) {
    const [run] = /^`{3,}/.exec(line) ?? [];
    if (fence === undefined && run !== undefined) fence = run;
    else if (fence !== undefined && line.trim() === fence) fence = undefined;
    else if (fence === undefined) kept.push(line.replace(/(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)/g, "code"));
  }
  expect(fence, "a block of code without end").to.equal(undefined);
  return kept.join("\n");
}

describe("values from a plan", () => {
  it("stay code, whatever they are", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (value) => {
        expect(withoutCode(`a ${code(value)} b`)).to.equal(value.trim() === "" ? "a `` b" : "a code b");
      }),
      { numRuns: 500, seed: 6 },
    );
  });

  it("stay within their block of code, whatever they are", () => {
    const line = fc.stringMatching(/^[`~ a<]{0,8}$/);
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        expect(withoutCode(["before", ...fenced(lines, "diff"), "after"].join("\n"))).to.equal("before\nafter");
      }),
      { numRuns: 500, seed: 6 },
    );
  });

  it("are no tags in HTML", () => {
    expect(html('<b a="1">&@x')).to.equal("&lt;b a=&quot;1&quot;&gt;&amp;&#64;x");
  });
});

describe("a resource that is only changed", () => {
  it("is listed with its address alone where it is made or goes", () => {
    const { resources } = stack({ "aws_vpc.new": { after: { a: 1 } }, "aws_vpc.old": { before: { a: 1 } } });
    expect(resources.map(({ differences }) => differences)).to.deep.equal([
      { values: [], texts: [] },
      { values: [], texts: [] },
    ]);
    expect(change("aws_vpc.new", { after: {} }).change.actions).to.deep.equal(["create"]);
  });
});
