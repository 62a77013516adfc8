import { spawnSync } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { parse } from "yaml";
import { MARKER } from "../../cli/plan/markdown";
import { folderWith, ROOT } from "./support/stingy";

const FOLDER = path.join(ROOT, ".github/workflows");
const plan = parse(readFileSync(path.join(FOLDER, "plan.yml"), "utf8"));

function lint(...files: readonly string[]) {
  const { error, status, stdout } = spawnSync(
    "check-jsonschema",
    ["--builtin-schema", "vendor.github-workflows", ...files],
    {
      encoding: "utf8",
    },
  );
  if (error)
    throw new Error(
      "there is no check-jsonschema on this machine: run `python3 -m pip install check-jsonschema==0.39.0`",
    );
  return { status, stdout };
}

/** The shell script of a job's step. */
function script(job: string, name: string): string {
  const step = plan.jobs[job].steps.find((one: { name?: string }) => one.name === name);
  return step.run;
}

describe("the workflows", () => {
  const files = readdirSync(FOLDER).map((name) => path.join(FOLDER, name));

  it("are valid", () => {
    expect(files.map((file) => path.basename(file))).to.include("plan.yml");
    expect(lint(...files)).to.deep.include({ status: 0 });
  });

  it("would not be valid with a mistake in them", () => {
    const text = readFileSync(path.join(FOLDER, "plan.yml"), "utf8");
    const broken = folderWith({ "plan.yml": text.replace("timeout-minutes: 20", "timeout-minute: 20") });
    const { status, stdout } = lint(path.join(broken, "plan.yml"));
    expect(status).to.equal(1);
    expect(stdout).to.include("timeout-minute");
  });
});

describe("the workflow that plans", () => {
  it("gives a fork's pull request nothing", () => {
    expect(plan.on).to.deep.equal({ pull_request: null });
    expect(plan.jobs.plan.if).to.include("github.event.pull_request.head.repo.full_name == github.repository");
  });

  it("gives each job what it needs and nothing else", () => {
    expect(plan.permissions).to.deep.equal({});
    expect(plan.jobs.plan.permissions).to.deep.equal({ contents: "read", "id-token": "write" });
    expect(plan.jobs.comment.permissions).to.deep.equal({ "pull-requests": "write" });
    expect(plan.jobs.comment.steps.map(({ uses }: { uses?: string }) => uses)).to.deep.equal([
      "actions/download-artifact@v4",
      undefined,
    ]);
  });

  it("can be run again: the plan replaces that of the run before", () => {
    const upload = plan.jobs.plan.steps.find(({ uses }: { uses?: string }) =>
      uses?.startsWith("actions/upload-artifact"),
    );
    expect(upload.with.overwrite).to.equal(true);
  });

  it("puts nothing of a pull request into a script", () => {
    for (const { steps } of Object.values<{ steps: readonly { run?: string }[] }>(plan.jobs)) {
      for (const { run = "" } of steps) expect(run).not.to.include("${{");
    }
  });

  describe("posts one comment", () => {
    /** A `gh` that knows these comments and notes what is asked of it. */
    function comment(
      comments: readonly { readonly id: number; readonly body: string; readonly login: string }[],
      summary: Readonly<Record<string, string>> = { "summary.md": `${MARKER}\n` },
    ): string {
      const folder = folderWith({
        "comments.json": JSON.stringify(comments.map(({ id, body, login }) => ({ id, body, user: { login } }))),
        ...summary,
      });
      const gh = path.join(folder, "gh");
      writeFileSync(
        gh,
        `#!/bin/sh\nfor last; do :; done\ncase "$*" in\n*--jq*) jq -r "$last" comments.json;;\n*) echo "$@" >asked; cat summary.md >said;;\nesac\n`,
      );
      chmodSync(gh, 0o755);
      const { status, stderr } = spawnSync(
        "bash",
        ["--norc", "-e", "-c", script("comment", "Post the comment, or update it")],
        {
          cwd: folder,
          encoding: "utf8",
          env: { PATH: `${folder}:${process.env.PATH}`, REPOSITORY: "o/r", NUMBER: "7" },
        },
      );
      expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
      said = readFileSync(path.join(folder, "said"), "utf8");
      return readFileSync(path.join(folder, "asked"), "utf8").trim();
    }
    let said = "";

    it("where there is none", () => {
      expect(comment([{ id: 1, body: "hello", login: "somebody" }])).to.equal(
        "api --silent --method POST repos/o/r/issues/7/comments -F body=@summary.md",
      );
    });

    it("and updates it", () => {
      expect(
        comment([
          { id: 1, body: "hello", login: "somebody" },
          { id: 2, body: `${MARKER}\nold`, login: "github-actions[bot]" },
        ]),
      ).to.equal("api --silent --method PATCH repos/o/r/issues/comments/2 -F body=@summary.md");
    });

    it("and does not leave an old one where the plan's job did not come to a plan", () => {
      const old = { id: 2, body: `${MARKER}\nold`, login: "github-actions[bot]" };
      expect(comment([old], {})).to.include("--method PATCH");
      expect(said).to.match(new RegExp(`^${MARKER}\n## Plan: it could not be made\n`));
      const [download] = plan.jobs.comment.steps;
      expect(download["continue-on-error"]).to.equal(true);
    });

    it("and leaves alone one that somebody else has begun with the same mark", () => {
      expect(comment([{ id: 1, body: `${MARKER}\nmine`, login: "somebody" }])).to.include("--method POST");
    });
  });

  describe("ends", () => {
    /** What the job makes of a stingy that prints this and ends so. */
    function planning(printed: string, code: number) {
      const folder = folderWith();
      const npx = path.join(folder, "npx");
      writeFileSync(npx, `#!/bin/sh\necho "$@" >asked\nprintf '%s' '${printed}'\nexit ${code}\n`);
      chmodSync(npx, 0o755);
      const env = {
        PATH: `${folder}:${process.env.PATH}`,
        GITHUB_STEP_SUMMARY: path.join(folder, "steps"),
        GITHUB_OUTPUT: path.join(folder, "output"),
      };
      const run = (name: string, more = {}) =>
        spawnSync("bash", ["--norc", "-e", "-c", script("plan", name)], { cwd: folder, env: { ...env, ...more } })
          .status;
      expect(run("Plan")).to.equal(0);
      const STATUS = readFileSync(env.GITHUB_OUTPUT, "utf8").trim().replace("status=", "");
      return {
        asked: readFileSync(path.join(folder, "asked"), "utf8").trim(),
        summary: readFileSync(path.join(folder, "summary.md"), "utf8"),
        end: run("Fail if the plan failed or has what it must not have", { STATUS }),
      };
    }

    const asked = "stingy plan --markdown --fail-on destroy,replace,exposure";

    it("well where something changes, or nothing", () => {
      for (const code of [0, 2]) expect(planning("summary", code)).to.deep.equal({ asked, summary: "summary", end: 0 });
    });

    it("badly where the plan failed, with what was planned in the comment", () => {
      expect(planning("summary", 1)).to.deep.equal({ asked, summary: "summary", end: 1 });
    });

    it("badly where there is no plan at all, and the comment says so", () => {
      const { summary, end } = planning("", 1);
      expect(end).to.equal(1);
      expect(summary).to.match(new RegExp(`^${MARKER}\n## Plan: it could not be made\n`));
    });
  });
});
