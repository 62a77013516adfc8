import { expect } from "chai";
import { type Json, site, synthesize } from "../support/synth";

const ref = (what: string) => `\${${what}}`;
const DNS = { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" };
const STATE = "data.terraform_remote_state.cross-stack-reference-input-prod-tokyo-recovery.outputs.";

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

  it("has an alarm for the DNS updater only where there is one", () => {
    const names = ["controller-errors", "needs-person", "dead-letters", "interruptions"].map(
      (name) => `stingy-vpn-prod-tokyo-${name}`,
    );
    expect(alarmNames(monitoring())).to.have.members(names);
    expect(alarmNames(monitoring({ dns: DNS }))).to.have.members([...names, "stingy-vpn-prod-tokyo-dns-failures"]);
  });

  it("watches what this site's controller counts, and no other's", () => {
    const { dimensions } = monitoring().resource.aws_cloudwatch_metric_alarm["alarms_needs-person"];
    expect(dimensions).to.deep.equal({ Site: "tokyo", Environment: "prod" });
  });

  for (const [what, dns] of Object.entries({ "with a DNS name": DNS, "without one": { provider: "none" } })) {
    describe(`of a site ${what}`, () => {
      let json: Json;
      let recovery: Json;
      before(() => {
        const all = stacks({ dns });
        json = all["prod-tokyo-monitoring"];
        recovery = all["prod-tokyo-recovery"];
      });

      /** What the monitoring stack names of the recovery stack, as the recovery stack's own resources. */
      const named = (text: string) =>
        [...text.matchAll(new RegExp(`${STATE.replaceAll(".", "\\.")}([\\w-]+)`, "g"))].map(
          ([, output = ""]) => recovery.output[output]?.value,
        );
      const functions = () =>
        Object.keys(recovery.resource.aws_lambda_function).map((id) => ref(`aws_lambda_function.${id}.function_name`));

      it("watches every function, the queue and the interruption rule, and nothing that is not there", () => {
        const watched = named(JSON.stringify(json.resource.aws_cloudwatch_metric_alarm));
        expect(new Set(watched)).to.deep.equal(
          new Set([
            ...functions(),
            ref("aws_sqs_queue.dead-letters_queue.name"),
            ref("aws_cloudwatch_event_rule.interruption_rule.name"),
          ]),
        );
      });

      it("shows the same on the dashboard, and every alarm", () => {
        const { dashboard_name, dashboard_body } = json.resource.aws_cloudwatch_dashboard.screen_dashboard;
        expect(dashboard_name).to.equal("stingy-vpn-prod-tokyo");
        const { widgets } = JSON.parse(dashboard_body);
        expect(new Set(named(dashboard_body))).to.deep.equal(
          new Set([
            ...functions(),
            ref("aws_cloudwatch_event_rule.interruption_rule.name"),
            ref("aws_cloudwatch_log_group.recovery-handler_logs.name"),
          ]),
        );
        expect(widgets[0].properties.alarms).to.have.members(
          Object.keys(json.resource.aws_cloudwatch_metric_alarm).map((id) =>
            ref(`aws_cloudwatch_metric_alarm.${id}.arn`),
          ),
        );
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
