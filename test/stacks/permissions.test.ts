import { expect } from "chai";
import { EXAMPLES, type Json, synthesize, synthesizeExample } from "../support/synth";

const ref = (what: string) => `\${${what}}`;
const ACCOUNT = ref("data.aws_caller_identity.account.account_id");

interface Condition {
  readonly test: string;
  readonly variable: string;
  readonly values: string[];
}

interface Statement {
  readonly stack: string;
  readonly document: string;
  readonly sid: string;
  readonly actions: string[];
  readonly resources: string[];
  readonly principals: { type: string; identifiers: string[] }[];
  readonly condition: Condition[];
  /** Why it may name every resource, as the JSON says. */
  readonly because: string | undefined;
}

function statementsOf(stacks: Record<string, Json>): Statement[] {
  return Object.entries(stacks).flatMap(([stack, json]) =>
    Object.entries<Json>(json.data?.aws_iam_policy_document ?? {}).flatMap(([document, { statement }]) =>
      statement.map((one: Json) => ({
        stack,
        document,
        sid: "",
        resources: [],
        principals: [],
        condition: [],
        because: json["//"]["any-resource"]?.[document]?.[one.sid],
        ...one,
      })),
    ),
  );
}

const nameOf = ({ document, sid }: Statement) => `${document}.${sid}`;
const equals = (variable: string, ...values: string[]): Condition => ({ test: "StringEquals", variable, values });

/** Every statement that names every resource, with its reason. */
const ANY_RESOURCE: Record<string, string> = {
  "server_iam_permissions.SessionManager":
    "Session Manager's and Run Command's channels have no resource-level permissions; this is less than AmazonSSMManagedInstanceCore",
  "server_iam_permissions.SayHealth":
    "CloudWatch has no resource-level permissions for publishing metrics; the namespace bounds them",
  "recovery-handler_iam_permissions.Look": "EC2 has no resource-level permissions for describing",
  "ddns-updater_iam_permissions.FindServer": "EC2 has no resource-level permissions for describing",
};

/** What bounds such a statement beside the region. */
const BOUND_BY: Record<string, Condition[]> = {
  "server_iam_permissions.SayHealth": [equals("cloudwatch:namespace", "StingyVPN")],
};

const NOT_YET_MADE = "what a launch makes has no id yet; the template, or the fleet's own resources, bound it";
const OWN_STREAMS = "the log streams of the function's own group";
const OF_ANY_ID = "every server has another id; the conditions name the site's";

/** Every other `*` in a resource, with its reason. */
const WILDCARDS: Record<string, Record<string, string>> = {
  "recovery-handler_iam_permissions.WriteLog": {
    [`${ref("aws_cloudwatch_log_group.recovery-handler_logs.arn")}:*`]: OWN_STREAMS,
  },
  "ddns-updater_iam_permissions.WriteLog": {
    [`${ref("aws_cloudwatch_log_group.ddns-updater_logs.arn")}:*`]: OWN_STREAMS,
  },
  "alert-forwarder_lambda_iam_permissions.WriteLog": {
    [`${ref("aws_cloudwatch_log_group.alert-forwarder_lambda_logs.arn")}:*`]: OWN_STREAMS,
  },
  "recovery-handler_iam_permissions.LaunchFromTemplate": {
    "ec2::image/*": "the newest image has another id each time, and belongs to Amazon, Debian or Canonical",
    "ec2::snapshot/*": "the snapshot belongs to the image",
    "ec2:own:spot-instances-request/*": NOT_YET_MADE,
  },
  "recovery-handler_iam_permissions.LaunchServers": {
    "ec2:own:instance/*": NOT_YET_MADE,
    "ec2:own:volume/*": NOT_YET_MADE,
    "ec2:own:network-interface/*": NOT_YET_MADE,
  },
  "recovery-handler_iam_permissions.LaunchFleet": {
    "ec2:own:fleet/*": NOT_YET_MADE,
    "ec2:own:instance/*": NOT_YET_MADE,
    "ec2:own:volume/*": NOT_YET_MADE,
    "ec2:own:network-interface/*": NOT_YET_MADE,
  },
  "recovery-handler_iam_permissions.TagWhatIsLaunched": {
    "ec2:own:instance/*": NOT_YET_MADE,
    "ec2:own:volume/*": NOT_YET_MADE,
    "ec2:own:network-interface/*": NOT_YET_MADE,
  },
  "recovery-handler_iam_permissions.MarkServers": { "ec2:own:instance/*": OF_ANY_ID },
  "recovery-handler_iam_permissions.EndServers": { "ec2:own:instance/*": OF_ANY_ID },
  "recovery-handler_iam_permissions.MoveAddressToServers": {
    "ec2:own:instance/*": OF_ANY_ID,
    "ec2:own:network-interface/*": OF_ANY_ID,
  },
  "server_iam_permissions.SayState": { "ec2:own:instance/*": OF_ANY_ID },
  "server_iam_permissions.WriteLog": {
    [`${ref("aws_cloudwatch_log_group.logs.arn")}:*`]: "the log streams of the site's own group: each server has one",
  },
  "sync_iam_permissions.OnServersOfTheSite": { "ec2:own:instance/*": OF_ANY_ID },
};

describe("the permissions of every example", () => {
  let all: Statement[];
  before(() => {
    all = EXAMPLES.flatMap((example) => statementsOf(synthesizeExample(example)));
    expect(all).to.have.length.above(100);
  });

  it("never name an action by a pattern, nor everything but some", () => {
    for (const statement of all) {
      expect(
        statement.actions.filter((action) => !/^[a-z0-9]+:[A-Z][A-Za-z]+$/.test(action)),
        nameOf(statement),
      ).to.deep.equal([]);
      expect(statement).not.to.have.any.keys("not_actions", "not_resources", "not_principals", "effect");
    }
  });

  it("name every resource only where AWS knows nothing narrower: with the reason in the JSON, and a condition", () => {
    const any = all.filter(({ resources }) => resources.includes("*"));
    expect(Object.fromEntries(any.map((statement) => [nameOf(statement), statement.because]))).to.deep.equal(
      ANY_RESOURCE,
    );
    for (const statement of any) {
      expect(statement.because, nameOf(statement)).to.equal(ANY_RESOURCE[nameOf(statement)]);
      expect(statement.resources, nameOf(statement)).to.deep.equal(["*"]);
      const region = statement.stack.includes("frankfurt") ? "eu-central-1" : "ap-northeast-1";
      expect(statement.condition, nameOf(statement)).to.deep.equal([
        ...(BOUND_BY[nameOf(statement)] ?? []),
        equals("aws:RequestedRegion", region),
      ]);
    }
  });

  it("give no reason for what is not done", () => {
    const reasons = all.filter(({ resources, because }) => because !== undefined && !resources.includes("*"));
    expect(reasons.map(nameOf)).to.deep.equal([]);
  });

  it("have a `*` in another resource only where this list says why", () => {
    const short = (resource: string) =>
      resource.replace(/^arn:aws:ec2:[a-z0-9-]+:/, "ec2:").replace(`ec2:${ACCOUNT}:`, "ec2:own:");
    const found: Record<string, Set<string>> = {};
    for (const statement of all) {
      for (const resource of statement.resources.filter((name) => name !== "*" && name.includes("*"))) {
        found[nameOf(statement)] ??= new Set();
        found[nameOf(statement)]?.add(short(resource));
      }
    }
    expect(found).to.deep.equal(
      Object.fromEntries(Object.entries(WILDCARDS).map(([name, reasons]) => [name, new Set(Object.keys(reasons))])),
    );
  });

  it("bound with a condition whatever may reach servers of any id", () => {
    const reaching = all.filter((statement) => Object.values(WILDCARDS[nameOf(statement)] ?? {}).includes(OF_ANY_ID));
    expect(new Set(reaching.map(({ sid }) => sid))).to.deep.equal(
      new Set(["MarkServers", "EndServers", "MoveAddressToServers", "SayState", "OnServersOfTheSite"]),
    );
    for (const { stack, sid, condition } of reaching) {
      const site = stack.split("-")[1] as string;
      // Systems Manager has a key of its own for SendCommand.
      const tag = sid === "OnServersOfTheSite" ? "ssm:resourceTag" : "aws:ResourceTag";
      expect(condition).to.deep.include(equals(`${tag}/Environment`, "prod"));
      expect(condition).to.deep.include(equals(`${tag}/Site`, site));
    }
  });

  it("trust every role to one AWS service, and nobody else", () => {
    const trust = all.filter(({ document }) => document.endsWith("_trust"));
    const services = trust.map(({ document, actions, principals }) => [document, actions, principals]);
    const trusted = (service: string) => [["sts:AssumeRole"], [{ type: "Service", identifiers: [service] }]];
    expect(
      [...new Set(services.map((entry) => JSON.stringify(entry)))].map((text) => JSON.parse(text)),
    ).to.have.deep.members([
      ["server_iam_trust", ...trusted("ec2.amazonaws.com")],
      ["recovery-handler_iam_trust", ...trusted("lambda.amazonaws.com")],
      ["ddns-updater_iam_trust", ...trusted("lambda.amazonaws.com")],
      ["alert-forwarder_lambda_iam_trust", ...trusted("lambda.amazonaws.com")],
      ["sync_iam_trust", ...trusted("events.amazonaws.com")],
      ["schedule_iam_trust", ...trusted("scheduler.amazonaws.com")],
    ]);
  });

  it("trust EventBridge on behalf of the one rule, in this account", () => {
    const trust = all.filter(({ document }) => document === "sync_iam_trust");
    expect(trust).to.have.length.above(EXAMPLES.length);
    for (const { condition } of trust) {
      expect(condition).to.deep.equal([
        equals("aws:SourceArn", ref("aws_cloudwatch_event_rule.sync_rule.arn")),
        equals("aws:SourceAccount", ACCOUNT),
      ]);
    }
  });

  it("trust EventBridge Scheduler on behalf of the site's own schedules, in this account", () => {
    const trust = all.filter(({ document }) => document === "schedule_iam_trust");
    expect(trust).to.have.length.above(0);
    for (const { condition } of trust) {
      expect(condition).to.deep.equal([
        equals("aws:SourceArn", ref("aws_scheduler_schedule_group.schedule_group.arn")),
        equals("aws:SourceAccount", ACCOUNT),
      ]);
    }
  });

  it("let an AWS service write to a queue or topic only on behalf of the site's rules or the account's alarms", () => {
    const shared = all.filter(({ document, principals }) => principals.length > 0 && !document.endsWith("_trust"));
    expect(new Set(shared.map(nameOf))).to.deep.equal(
      new Set(["dead-letters_senders.Rules", "alerts_publishers.Alarms"]),
    );
    for (const { condition, principals } of shared) {
      expect(principals[0]?.type).to.equal("Service");
      expect(condition[0]?.variable).to.match(/^aws:Source(Arn|Account)$/);
      expect(condition[0]?.values.filter((value) => value.includes("*"))).to.deep.equal([]);
    }
  });
});

describe("the permissions of two sites in one region", () => {
  const stores = { tokyo: "/stingy-vpn/prod", osaka: "/stingy-vpn/prod-osaka" };
  const DNS = { provider: "cloudflare", zone: "example.com" };
  let all: Statement[];
  before(() => {
    all = statementsOf(
      synthesize({
        sites: {
          tokyo: { dns: { ...DNS, name: "tokyo.example.com" } },
          osaka: {
            storePrefix: stores.osaka,
            network: { vpcCidr: "10.1.0.0/16" },
            tunnel: { ipv4: "10.8.1.0/24", ipv6: "fd53:7469:6e67:1::/64" },
            dns: { ...DNS, name: "osaka.example.com" },
          },
        },
      }),
    );
  });
  const of = (site: string) => all.filter(({ stack }) => stack.includes(site));
  const granting = (statements: Statement[], action: string) =>
    statements
      .filter(({ actions }) => actions.includes(action))
      .map(({ document, resources, condition }) => ({ document, resources, condition }));

  for (const [site, prefix] of Object.entries(stores)) {
    const parameter = (name: string) => `arn:aws:ssm:ap-northeast-1:${ACCOUNT}:parameter${prefix}/${name}`;
    const instances = [`arn:aws:ec2:ap-northeast-1:${ACCOUNT}:instance/*`];
    const tagged = (kind: string) => [
      equals(`aws:${kind}/Project`, "stingy-vpn"),
      equals(`aws:${kind}/Environment`, "prod"),
      equals(`aws:${kind}/Site`, site),
    ];

    it(`let ${site}'s roles read and write exactly these parameters of its own store`, () => {
      const grants: Record<string, string[]> = {};
      for (const { document, actions, resources } of of(site)) {
        for (const resource of resources.filter((name) => name.startsWith("arn:aws:ssm:"))) {
          for (const action of actions) {
            const role = document.replace("_iam_permissions", "");
            grants[`${role} ${action}`] = [...(grants[`${role} ${action}`] ?? []), resource];
          }
        }
      }
      const image = "arn:aws:ssm:ap-northeast-1::parameter/aws/service/ami-amazon-linux-latest/";
      const state = ["instance-id", "desired-state", "launches"].map(parameter);
      expect(grants).to.deep.equal({
        "server ssm:GetParameters": [
          "wireguard-config",
          "wireguard-private-key",
          "client-public-keys",
          "peer-endpoints",
        ].map(parameter),
        "server ssm:GetParametersByPath": [parameter("peers")],
        "server ssm:PutParameter": ["wireguard-private-key", "peer-endpoints"].map(parameter),
        "recovery-handler ssm:GetParameters": [`${image}al2023-ami-kernel-6.12-arm64`, ...state],
        "recovery-handler ssm:PutParameter": state,
        "ddns-updater ssm:GetParameter": ["instance-id", "cloudflare-token"].map(parameter),
      });
    });

    it(`let ${site}'s server make its private key, but never replace one; its peers' endpoints it may replace`, () => {
      const put = granting(of(site), "ssm:PutParameter").filter(({ document }) => /^server_/.test(document));
      expect(put.map(({ resources, condition }) => ({ resources, condition }))).to.deep.equal([
        { resources: [parameter("wireguard-private-key")], condition: [equals("ssm:Overwrite", "false")] },
        { resources: [parameter("peer-endpoints")], condition: [] },
      ]);
    });

    it(`let a change in ${site}'s store run one document on ${site}'s servers, and nothing else`, () => {
      expect(granting(of(site), "ssm:SendCommand")).to.deep.equal([
        { document: "sync_iam_permissions", resources: [ref("aws_ssm_document.sync_document.arn")], condition: [] },
        {
          document: "sync_iam_permissions",
          resources: instances,
          condition: [equals("ssm:resourceTag/Site", site), equals("ssm:resourceTag/Environment", "prod")],
        },
      ]);
    });

    it(`let ${site}'s controller give away the server's role and no other, to EC2 and to nobody else`, () => {
      const state = `data.terraform_remote_state.cross-stack-reference-input-prod-${site}-server.outputs`;
      expect(granting(of(site), "iam:PassRole")).to.deep.equal([
        {
          document: "recovery-handler_iam_permissions",
          resources: [ref(`${state}.cross-stack-output-aws_iam_role-server_iam_role-arn`)],
          condition: [equals("iam:PassedToService", "ec2.amazonaws.com")],
        },
      ]);
      const iam = of(site).flatMap(({ actions }) => actions.filter((action) => action.startsWith("iam:")));
      expect(iam).to.deep.equal(["iam:CreateServiceLinkedRole", "iam:PassRole"]);
    });

    it(`let ${site}'s controller have AWS make the role that Spot needs, and no other`, () => {
      expect(granting(of(site), "iam:CreateServiceLinkedRole")).to.deep.equal([
        {
          document: "recovery-handler_iam_permissions",
          resources: [`arn:aws:iam::${ACCOUNT}:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot`],
          condition: [equals("iam:AWSServiceName", "spot.amazonaws.com")],
        },
      ]);
    });

    it(`let ${site}'s controller end only servers of ${site}`, () => {
      expect(granting(of(site), "ec2:TerminateInstances")).to.deep.equal([
        { document: "recovery-handler_iam_permissions", resources: instances, condition: tagged("ResourceTag") },
      ]);
    });

    it(`let ${site}'s controller tag what it launches as ${site}'s and mark ${site}'s servers; a server only itself, and its state`, () => {
      expect(granting(of(site), "ec2:CreateTags")).to.have.deep.members([
        {
          document: "recovery-handler_iam_permissions",
          resources: ["instance", "volume", "network-interface"].map(
            (kind) => `arn:aws:ec2:ap-northeast-1:${ACCOUNT}:${kind}/*`,
          ),
          condition: [equals("ec2:CreateAction", "RunInstances", "CreateFleet"), ...tagged("RequestTag")],
        },
        {
          document: "recovery-handler_iam_permissions",
          resources: instances,
          condition: [
            ...tagged("ResourceTag"),
            {
              test: "ForAllValues:StringEquals",
              variable: "aws:TagKeys",
              values: ["notice", "unhealthy-since", "ending"],
            },
          ],
        },
        {
          document: "server_iam_permissions",
          resources: instances,
          condition: [
            {
              test: "ArnLike",
              variable: "ec2:SourceInstanceARN",
              values: [`arn:aws:ec2:ap-northeast-1:${ACCOUNT}:instance/$${ref("ec2:InstanceID")}`],
            },
            equals("aws:ResourceTag/Site", site),
            equals("aws:ResourceTag/Environment", "prod"),
            { test: "ForAllValues:StringEquals", variable: "aws:TagKeys", values: ["state"] },
          ],
        },
      ]);
    });

    it(`let ${site} name nothing of the other site`, () => {
      const [other] = Object.keys(stores).filter((name) => name !== site) as [string];
      expect(JSON.stringify(of(site))).not.to.include(other);
    });
  }
});
