import { expect } from "chai";
import { type Json, site, synthesize } from "../support/synth";

const ref = (what: string) => `\${${what}}`;
const DNS = { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" };
const stateOf = (layer: string) =>
  `data.terraform_remote_state.cross-stack-reference-input-prod-tokyo-${layer}.outputs.`;

const stacks = (settings: object = {}) => synthesize(site(settings));
const monitoring = (settings: object = {}): Json => stacks(settings)["prod-tokyo-monitoring"];

describe("the monitoring stack", () => {
  it("has a topic that is protected from deletion, unless that is turned off", () => {
    const topic = ({ resource }: Json) => {
      const { "//": metadata, ...rest } = resource.aws_sns_topic.alerts_topic;
      return rest;
    };
    const named = { name: "stingy-vpn-prod-tokyo-alerts" };
    expect(topic(monitoring())).to.deep.equal({ ...named, lifecycle: { prevent_destroy: true } });
    expect(topic(monitoring({ protect: false }))).to.deep.equal({ ...named, lifecycle: { prevent_destroy: false } });
  });

  it("lets only alarms of this account publish", () => {
    const [statement] = monitoring().data.aws_iam_policy_document.alerts_publishers.statement;
    expect(statement.condition).to.deep.equal([
      {
        test: "StringEquals",
        variable: "aws:SourceAccount",
        values: [ref("data.aws_caller_identity.account.account_id")],
      },
    ]);
  });

  it("subscribes each e-mail address of the configuration, and nobody without one", () => {
    const endpoints = ({ resource }: Json) =>
      Object.values<Json>(resource.aws_sns_topic_subscription ?? {}).map(({ protocol, endpoint }) => [
        protocol,
        endpoint,
      ]);
    expect(endpoints(monitoring())).to.deep.equal([]);
    expect(endpoints(monitoring({ monitoring: { emails: ["me@example.com", "you@example.com"] } }))).to.deep.equal([
      ["email", "me@example.com"],
      ["email", "you@example.com"],
    ]);
  });

  const alarmNames = ({ resource }: Json) =>
    Object.values<Json>(resource.aws_cloudwatch_metric_alarm).map(({ alarm_name }) => alarm_name);

  it("has an alarm for the DNS updater only where there is one, and the extra ones only where they are wanted", () => {
    const extra = ["cpu", "connections", "successors"].map((id) => `stingy-vpn-prod-tokyo-${id}`);
    const usual = alarmNames(monitoring());
    expect(usual).to.include("stingy-vpn-prod-tokyo-no-server").and.not.include.members(extra);
    expect(alarmNames(monitoring({ dns: DNS }))).to.have.members([...usual, "stingy-vpn-prod-tokyo-dns-failures"]);
    const wanted = monitoring({ monitoring: { extraAlarms: ["cpu", "connections", "successors"] } });
    expect(alarmNames(wanted)).to.have.members([...usual, ...extra]);
  });

  it("watches what this site's programs count, and no other's", () => {
    for (const alarm of Object.values<Json>(monitoring().resource.aws_cloudwatch_metric_alarm)) {
      if (alarm.namespace === "StingyVPN")
        expect(alarm.dimensions).to.deep.equal({ Site: "tokyo", Environment: "prod" });
    }
  });

  describe("with a webhook", () => {
    let json: Json;
    before(() => {
      json = monitoring({ monitoring: { webhook: "slack", logRetentionDays: 30 } });
    });

    it("has a function that posts what the topic gets, in the webhook's format", () => {
      const { aws_lambda_function: functions, aws_sns_topic_subscription: subscriptions, ...resource } = json.resource;
      const fn = functions["alert-forwarder_lambda_function"];
      expect(fn.function_name).to.equal("stingy-vpn-prod-tokyo-alert-forwarder");
      expect(fn.environment.variables).to.include({
        ENVIRONMENT: "prod",
        SITE: "tokyo",
        STORE_PREFIX: "/stingy-vpn/prod",
        WEBHOOK: "slack",
      });
      expect(Object.keys(fn.environment.variables)).not.to.include("AWS_REGION");
      expect(resource.aws_cloudwatch_log_group["alert-forwarder_lambda_logs"].retention_in_days).to.equal(30);
      expect(subscriptions["alert-forwarder_subscription"]).to.deep.include({
        topic_arn: ref("aws_sns_topic.alerts_topic.arn"),
        protocol: "lambda",
        endpoint: ref("aws_lambda_function.alert-forwarder_lambda_function.arn"),
        // SNS asks the function at once.
        depends_on: ["aws_lambda_permission.alert-forwarder_permission"],
      });
      expect(resource.aws_lambda_permission["alert-forwarder_permission"]).to.deep.include({
        principal: "sns.amazonaws.com",
        source_arn: ref("aws_sns_topic.alerts_topic.arn"),
      });
    });

    it("lets it read the URL, its log and its dead letters, and nothing else", () => {
      const { statement } = json.data.aws_iam_policy_document["alert-forwarder_lambda_iam_permissions"];
      const account = ref("data.aws_caller_identity.account.account_id");
      expect(Object.fromEntries(statement.map(({ sid, actions }: Json) => [sid, actions]))).to.deep.equal({
        WriteLog: ["logs:CreateLogStream", "logs:PutLogEvents"],
        SendDeadLetters: ["sqs:SendMessage"],
        ReadUrl: ["ssm:GetParameter"],
      });
      expect(statement.find(({ sid }: Json) => sid === "ReadUrl").resources).to.deep.equal([
        `arn:aws:ssm:ap-northeast-1:${account}:parameter/stingy-vpn/prod/webhook-url`,
      ]);
      const fn = json.resource.aws_lambda_function["alert-forwarder_lambda_function"];
      expect(fn.dead_letter_config.target_arn).to.match(/^\$\{.*dead-letters/);
      expect(statement.find(({ sid }: Json) => sid === "SendDeadLetters").resources).to.deep.equal([
        fn.dead_letter_config.target_arn,
      ]);
    });

    it("has no parameter for the URL, as a secret is none of Terraform's", () => {
      expect(json.resource).not.to.have.property("aws_ssm_parameter");
    });
  });

  it("has no function without a webhook", () => {
    expect(monitoring().resource).not.to.have.any.keys("aws_lambda_function", "aws_lambda_permission");
  });

  it("has a budget only where one is set, of the account or of the site", () => {
    const budget = (settings?: object) =>
      monitoring(settings ? { monitoring: { budget: settings } } : {}).resource.aws_budgets_budget?.[
        "spending-limit_budget"
      ];
    expect(budget()).to.equal(undefined);
    expect(budget({ monthlyUsd: 12 })).to.deep.include({ name: "stingy-vpn-prod-tokyo", limit_amount: "12" });
    expect(budget({ monthlyUsd: 12 })).not.to.have.property("cost_filter");
    expect(budget({ monthlyUsd: 12, of: "site" }).cost_filter[0].values).to.deep.equal(["user:Site$tokyo"]);
  });

  it("asks the server's log for its peers only where it is in CloudWatch", () => {
    const saved = (serverLogs: boolean) =>
      Object.values<Json>(monitoring({ monitoring: { serverLogs } }).resource.aws_cloudwatch_query_definition).map(
        ({ name }) => name,
      );
    const usual = ["recoveries", "errors"].map((name) => `stingy-vpn-prod-tokyo/${name}`);
    expect(saved(false)).to.have.members(usual);
    expect(saved(true)).to.have.members([...usual, "stingy-vpn-prod-tokyo/peers"]);
  });

  it("makes a key only where one of one's own is wanted", () => {
    expect(monitoring().resource).not.to.have.property("aws_kms_key");
    expect(monitoring({ monitoring: { customerKey: true } }).resource).to.have.property("aws_kms_key");
  });

  for (const [what, dns] of Object.entries({ "with a DNS name": DNS, "without one": { provider: "none" } })) {
    describe(`of a site ${what}`, () => {
      let json: Json;
      let recovery: Json;
      let server: Json;
      before(() => {
        const all = stacks({ dns });
        json = all["prod-tokyo-monitoring"];
        recovery = all["prod-tokyo-recovery"];
        server = all["prod-tokyo-server"];
      });

      /** What the monitoring stack names of another stack, as that stack's own resources. */
      const named = (text: string, from: Json, layer: string) =>
        [...text.matchAll(new RegExp(`${stateOf(layer).replaceAll(".", "\\.")}([\\w-]+)`, "g"))].map(
          ([, output = ""]) => from.output[output]?.value,
        );
      const attributes = (type: string, attribute: string) =>
        Object.keys(recovery.resource[type]).map((id) => ref(`${type}.${id}.${attribute}`));

      it("watches the controller, the updater and the queue, and nothing that is not there", () => {
        const watched = named(JSON.stringify(json.resource.aws_cloudwatch_metric_alarm), recovery, "recovery");
        expect(new Set(watched)).to.deep.equal(
          new Set([
            ...attributes("aws_lambda_function", "function_name"),
            ref("aws_sqs_queue.dead-letters_queue.name"),
          ]),
        );
      });

      it("shows the same on the dashboard, every function's log, the address, and every alarm", () => {
        const { dashboard_name, dashboard_body } = json.resource.aws_cloudwatch_dashboard.screen_dashboard;
        expect(dashboard_name).to.equal("stingy-vpn-prod-tokyo");
        const { widgets } = JSON.parse(dashboard_body);
        expect(new Set(named(dashboard_body, recovery, "recovery"))).to.deep.equal(
          new Set([
            ...attributes("aws_lambda_function", "function_name"),
            ...attributes("aws_cloudwatch_log_group", "name"),
            ref("aws_sqs_queue.dead-letters_queue.name"),
          ]),
        );
        expect(named(dashboard_body, server, "server")).to.deep.equal([ref("aws_eip.address_elastic-ip.public_ip")]);
        const shown = widgets.find(({ type }: Json) => type === "alarm").properties.alarms;
        expect(shown).to.have.members(
          Object.keys(json.resource.aws_cloudwatch_metric_alarm).map((id) =>
            ref(`aws_cloudwatch_metric_alarm.${id}.arn`),
          ),
        );
      });

      it("asks every function's log for errors, and the controller's for recoveries", () => {
        const groups = (name: string) =>
          json.resource.aws_cloudwatch_query_definition[`queries_${name}`].log_group_names.flatMap((text: string) =>
            named(text, recovery, "recovery"),
          );
        expect(groups("errors")).to.have.members(attributes("aws_cloudwatch_log_group", "name"));
        expect(groups("recoveries")).to.deep.equal([ref("aws_cloudwatch_log_group.recovery-handler_logs.name")]);
      });
    });
  }

  it("tells the topic and where the dashboard is", () => {
    const { output } = monitoring({ region: "eu-west-1" });
    expect(output["alerts-topic"].value).to.equal(ref("aws_sns_topic.alerts_topic.arn"));
    expect(output.dashboard.value).to.equal(
      "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/stingy-vpn-prod-tokyo",
    );
  });
});
