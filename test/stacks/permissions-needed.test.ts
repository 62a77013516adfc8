import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { type Json, ROOT, synthesizeExample } from "../support/synth";

describe("the permissions that the code needs", () => {
  const SERVICES: Record<string, string> = { ec2: "ec2", ssm: "ssm", lambda: "lambda", eventbridge: "events" };
  const RENAMED: Record<string, string> = { "lambda:Invoke": "lambda:InvokeFunction" };
  /** What AWS asks for on behalf of other calls. */
  const IMPLIED: Record<string, string[]> = {
    "recovery-handler": [
      "ec2:RunInstances",
      "ec2:CreateTags",
      "iam:PassRole",
      "logs:CreateLogStream",
      "logs:PutLogEvents",
      "sqs:SendMessage",
    ],
    "ddns-updater": ["logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"],
    server: [
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ],
  };
  let stacks: Record<string, Json>;
  before(() => {
    stacks = synthesizeExample("two-sites");
  });
  const granted = (role: string) => [
    ...new Set(
      ["server", "recovery"].flatMap((layer) => {
        const { data } = stacks[`prod-tokyo-${layer}`];
        const { statement } = data.aws_iam_policy_document[`${role}_iam_permissions`] ?? { statement: [] };
        return statement.flatMap(({ actions }: Json) => actions);
      }),
    ),
  ];

  /** The calls in a function's source: each imported command or paginator of an AWS client. */
  function calls(name: string): string[] {
    const folder = path.join(ROOT, "assets/lambda", name);
    const sources = readdirSync(folder).map((file) => readFileSync(path.join(folder, file), "utf8"));
    const imports = sources.flatMap((source) => [
      ...source.matchAll(/import \{([^}]*)\} from "@aws-sdk\/client-([a-z0-9]+)"/g),
    ]);
    const found = imports.flatMap(([, names = "", client = ""]) =>
      [...names.matchAll(/(?:paginate([A-Z]\w+)|\b([A-Z]\w+)Command)\b/g)].map(
        ([, paged, command]) => `${SERVICES[client]}:${paged ?? command}`,
      ),
    );
    return found.map((action) => RENAMED[action] ?? action);
  }

  for (const name of ["recovery-handler", "ddns-updater"]) {
    it(`are the ${name}'s, and no more`, () => {
      const needed = new Set([...calls(name), ...(IMPLIED[name] ?? [])]);
      expect(granted(name)).to.have.members([...needed]);
    });
  }

  it("are the server's, and no more", () => {
    const script: string = stacks["prod-tokyo-server"].locals.server_user_data;
    const called = [...script.matchAll(/call_aws ([a-z0-9]+) ([a-z]+(?:-[a-z]+)+)/g)].map(
      ([, service, command = ""]) =>
        `${service}:${command.replace(/(^|-)([a-z])/g, (_, __, letter) => letter.toUpperCase())}`,
    );
    expect(granted("server")).to.have.members([...new Set([...called, ...(IMPLIED.server ?? [])])]);
  });
});
