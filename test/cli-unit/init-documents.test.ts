import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import type { Command } from "commander";
import { ROOT } from "../../cli/context";
import { createProgram } from "../../cli/program";

const read = (file: string) => readFileSync(path.join(ROOT, file), "utf8");

/** What IAM calls a service, where it is not what cli/sdk.ts calls it. */
const IAM_NAMES: Readonly<Record<string, string>> = { quotas: "servicequotas" };
/** What IAM calls an action, where it is not what the API calls it. */
const IAM_ACTIONS: Readonly<Record<string, string>> = { "lambda:Invoke": "lambda:InvokeFunction" };
/** Whoever has credentials may ask. */
const NEEDS_NOTHING = ["sts:GetCallerIdentity"];
/** The AWS CLI calls them for a shell. */
const OF_THE_SHELL = ["ssm:ResumeSession", "ssm:StartSession", "ssm:TerminateSession", "ssmmessages:OpenDataChannel"];

function calledActions(): string[] {
  const imports = /const \{([^}]*)\}\s*=\s*sdk\.(\w+);/g;
  const found = readdirSync(path.join(ROOT, "cli"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .flatMap((name) => [...read(`cli/${name}`).matchAll(imports)])
    .flatMap(([, names = "", service = ""]) =>
      [...names.matchAll(/([A-Z]\w+)Command\b/g)].map(
        ([, action = ""]) => `${IAM_NAMES[service] ?? service}:${action}`,
      ),
    );
  return [...new Set(found)]
    .map((action) => IAM_ACTIONS[action] ?? action)
    .filter((action) => !NEEDS_NOTHING.includes(action));
}

interface Statement {
  readonly Action: string | string[];
  readonly Resource: string | string[];
}

function documentedStatements(): Statement[] {
  return [...read("docs/operator-policy.md").matchAll(/```json\n(.*?)```/gs)].flatMap(
    ([, text = ""]) => (JSON.parse(text) as { Statement: Statement[] }).Statement,
  );
}

describe("the operator's policies", () => {
  const documented = documentedStatements().flatMap(({ Action }) => Action);

  it("allow what the commands call, and nothing else", () => {
    expect([...new Set(documented)].sort()).to.deep.equal([...new Set([...calledActions(), ...OF_THE_SHELL])].sort());
  });

  it("allow no change on every resource", () => {
    const everywhere = documentedStatements()
      .filter(({ Resource }) => [Resource].flat().includes("*"))
      .flatMap(({ Action }) => Action);
    expect(everywhere.filter((action) => !/:(Describe|Get|List)/.test(action))).to.deep.equal([]);
  });
});

/** The command that a line calls, and the options it gives. */
function parsed(line: string): { command: Command; rest: string[] } {
  let command: Command = createProgram();
  const words = line.split(/\s+/).slice(2);
  while (words[0] !== undefined) {
    const next = command.commands.find((sub) => sub.name() === words[0]);
    if (!next) break;
    command = next;
    words.shift();
  }
  return { command, rest: words };
}

describe("docs/quickstart.md", () => {
  const text = read("docs/quickstart.md");
  const commands = [...text.matchAll(/npx stingy [^`\n|;<]*/g)].map(([line]) => line.trim());

  it("goes from nothing to a connected phone", () => {
    const steps = [...text.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block = ""]) => block.trim().split("\n"));
    expect(steps).to.deep.equal([
      "npm ci",
      "npx stingy init",
      "npm run synth",
      "npx cdktf deploy '*'",
      "npx stingy status",
      "npx stingy peer add phone",
      "npx stingy peer list",
      "npx stingy doctor",
      "npx cdktf destroy 'prod-tokyo-*'",
    ]);
  });

  it("names commands and options that there are", () => {
    for (const line of commands) {
      const { command, rest } = parsed(line);
      expect(command.parent, line).to.not.equal(null);
      expect(command.commands.length, `${line}: a command of it is missing`).to.equal(0);
      const known = command.options.map(({ long }) => long);
      for (const option of rest.filter((word) => word.startsWith("--"))) expect(known, line).to.include(option);
    }
  });
});
