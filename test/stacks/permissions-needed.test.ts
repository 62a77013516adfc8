import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { type Json, ROOT, site, synthesize, synthesizeExample } from "../support/synth";

describe("the permissions that the code needs", () => {
  const SERVICES: Record<string, string> = { ec2: "ec2", ssm: "ssm", lambda: "lambda", eventbridge: "events" };
  const RENAMED: Record<string, string> = { "lambda:Invoke": "lambda:InvokeFunction" };
  /** What AWS asks for on behalf of other calls. */
  const IMPLIED: Record<string, string[]> = {
    "recovery-handler": [
      "ec2:RunInstances",
      "ec2:CreateTags",
      "iam:PassRole",
      "iam:CreateServiceLinkedRole",
      "logs:CreateLogStream",
      "logs:PutLogEvents",
      "sqs:SendMessage",
    ],
    "ddns-updater": ["logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"],
    "alert-forwarder": ["logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"],
    // Session Manager's and Run Command's agent.
    server: [
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ],
    // EventBridge runs the document.
    sync: ["ssm:SendCommand"],
  };
  /** An endpoint's name is not always that of its actions. */
  const ACTIONS_OF: Record<string, string> = { monitoring: "cloudwatch" };
  let stacks: Record<string, Json>;
  before(() => {
    stacks = synthesizeExample("full");
  });
  const granted = (role: string) => [
    ...new Set(
      ["server", "recovery", "monitoring"].flatMap((layer) => {
        const { data } = stacks[`prod-tokyo-${layer}`];
        const documents = data.aws_iam_policy_document;
        const { statement = [] } =
          documents[`${role}_iam_permissions`] ?? documents[`${role}_lambda_iam_permissions`] ?? {};
        return statement.flatMap(({ actions }: Json) => actions);
      }),
    ),
  ];

  /** The calls in a function's source: each imported command or paginator of an AWS client. */
  function calls(name: string): string[] {
    const folder = path.join(ROOT, "assets/lambda", name);
    const own = readdirSync(folder).map((file) => readFileSync(path.join(folder, file), "utf8"));
    const shared = new Set(
      own.flatMap((source) => [...source.matchAll(/"\.\.\/(shared\/[a-z-]+)"/g)].map(([, file]) => file)),
    );
    const sources = [...own, ...Array.from(shared, (file) => readFileSync(path.join(folder, `../${file}.ts`), "utf8"))];
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

  for (const name of ["recovery-handler", "ddns-updater", "alert-forwarder"]) {
    it(`are the ${name}'s, and no more`, () => {
      const needed = new Set([...calls(name), ...(IMPLIED[name] ?? [])]);
      expect(granted(name)).to.have.members([...needed]);
    });
  }

  it("are the sync trigger's, and no more", () => {
    expect(new Set(granted("sync"))).to.deep.equal(new Set(IMPLIED.sync));
  });

  const withoutComments = (script: string) => script.replace(/^\s*#.*$/gm, "");

  /** The calls in the server's scripts: through one helper a protocol, which has the action's name as an argument. */
  function serverCalls(script: string): string[] {
    return [...script.matchAll(/\b(?:(ssm|events|logs)_call|query_call ([a-z0-9]+)) ([A-Z][A-Za-z]+)/g)].map(
      ([, json, query = "", action]) => `${json ?? ACTIONS_OF[query] ?? query}:${action}`,
    );
  }

  it("are the server's, and no more", () => {
    const called = serverCalls(withoutComments(stacks["prod-tokyo-server"].locals.server_user_data));
    expect(granted("server")).to.have.members([...new Set([...called, ...(IMPLIED.server ?? [])])]);
  });

  it("reach exactly the parameters that the server's scripts name, instance-id only where there is no Elastic IP", () => {
    const DNS = { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" };
    for (const elasticIp of [true, false]) {
      const { data, locals } = synthesize(site({ elasticIp, dns: DNS }))["prod-tokyo-server"];
      const named = [
        ...withoutComments(locals.server_user_data).matchAll(/(?:%s|\$STORE_PREFIX|\$\{STORE_PREFIX\})\/([a-z-]+)/g),
      ].map(([, name]) => name);
      const reached = data.aws_iam_policy_document.server_iam_permissions.statement
        .flatMap(({ resources }: Json) => resources)
        .flatMap((resource: string) => /:parameter\/stingy-vpn\/prod\/(.*)$/.exec(resource)?.[1] ?? []);
      const needed = new Set(named.filter((name) => !elasticIp || name !== "instance-id"));
      expect(new Set(reached)).to.deep.equal(needed);
      expect([...needed]).to.include.members(["wireguard-private-key", "peers", "peer-endpoints"]);
    }
  });

  it("are all that the server's scripts ask for: they call AWS in no other way", () => {
    const folder = path.join(ROOT, "assets/userdata");
    const scripts = readdirSync(folder).filter((name) => name.startsWith("stingy-"));
    expect(scripts).to.include.members(["stingy-sync", "stingy-watch", "stingy-health", "stingy-promote"]);
    for (const name of scripts) {
      // A protocol's helper, where only one script needs it.
      const script = withoutComments(readFileSync(path.join(folder, name), "utf8")).replace(
        /^\w+_call\(\) \{.*\}$/m,
        "",
      );
      expect(script, name).not.to.match(/\b(aws|json)_call\b|aws-sigv4|\baws [a-z]|amazonaws/);
    }
  });
});
