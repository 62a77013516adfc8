import { expect } from "chai";
import { AlertTopic, type AlertTopicProps } from "../../../modules/monitoring";
import { alone, ref } from "../../support/alone";
import type { Json } from "../../support/synth";

describe("AlertTopic", () => {
  const PLAIN = {
    name: "vpn-alerts",
    account: "111122223333",
    emails: [],
    budget: false,
    customerKey: false,
    protect: false,
  };
  const topic = (props: Partial<AlertTopicProps> = {}): Json =>
    alone((stack) => {
      new AlertTopic(stack, "alerts", { ...PLAIN, ...props });
    });

  it("takes alarms of its own account and of nobody else", () => {
    const { data, resource } = topic();
    expect(resource).to.deep.equal({
      aws_sns_topic: { alerts_topic: { name: "vpn-alerts", lifecycle: { prevent_destroy: false } } },
      aws_sns_topic_policy: {
        alerts_policy: {
          arn: ref("aws_sns_topic.alerts_topic.arn"),
          policy: ref("data.aws_iam_policy_document.alerts_publishers.json"),
        },
      },
    });
    expect(data.aws_iam_policy_document.alerts_publishers.statement).to.deep.equal([
      {
        sid: "Alarms",
        actions: ["sns:Publish"],
        resources: [ref("aws_sns_topic.alerts_topic.arn")],
        principals: [{ type: "Service", identifiers: ["cloudwatch.amazonaws.com"] }],
        condition: [{ test: "StringEquals", variable: "aws:SourceAccount", values: ["111122223333"] }],
      },
    ]);
  });

  it("cannot be deleted by accident where it is protected", () => {
    expect(topic({ protect: true }).resource.aws_sns_topic.alerts_topic.lifecycle).to.deep.equal({
      prevent_destroy: true,
    });
  });

  it("tells everybody, each in a subscription of their own", () => {
    const subscription = (endpoint: string) => ({
      topic_arn: ref("aws_sns_topic.alerts_topic.arn"),
      protocol: "email",
      endpoint,
    });
    expect(topic({ emails: ["me@example.com", "you@example.com"] }).resource.aws_sns_topic_subscription).to.deep.equal({
      "alerts_email-me_example-com": subscription("me@example.com"),
      "alerts_email-you_example-com": subscription("you@example.com"),
    });
  });

  it("tells addresses apart that only differ in a sign", () => {
    const emails = ["a.b@example.com", "a-b@example.com", "a+b@example.com", "a_b@example.com", "a@b.example.com"];
    const { aws_sns_topic_subscription: subscriptions } = topic({ emails }).resource;
    expect(Object.values<Json>(subscriptions).map(({ endpoint }) => endpoint)).to.have.members(emails);
  });

  const publishers = (json: Json, document: string, sid: string) => {
    const { statement } = json.data.aws_iam_policy_document[document];
    const { principals, condition } = statement.find((each: Json) => each.sid === sid);
    return { principals, condition };
  };
  const ofAccount = [{ test: "StringEquals", variable: "aws:SourceAccount", values: ["111122223333"] }];

  it("takes AWS's budgets where there is one", () => {
    expect(publishers(topic({ budget: true }), "alerts_publishers", "Alarms")).to.deep.equal({
      principals: [{ type: "Service", identifiers: ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }],
      condition: ofAccount,
    });
  });

  it("has a key of its own only where one is wanted, which alarms and budgets may use and only the account rules", () => {
    expect(topic().resource).not.to.have.property("aws_kms_key");
    const json = topic({ customerKey: true, budget: true });
    const { aws_kms_key: keys, aws_sns_topic: topics } = json.resource;
    expect(topics.alerts_topic.kms_master_key_id).to.equal(ref("aws_kms_key.alerts_key.key_id"));
    expect(keys.alerts_key).to.deep.equal({
      description: "Messages of vpn-alerts",
      policy: ref("data.aws_iam_policy_document.alerts_key-users.json"),
      enable_key_rotation: false,
      deletion_window_in_days: 7,
    });
    const { statement } = json.data.aws_iam_policy_document["alerts_key-users"];
    expect(statement).to.deep.equal([
      {
        sid: "Account",
        actions: ["kms:*"],
        resources: ["*"],
        principals: [{ type: "AWS", identifiers: ["arn:aws:iam::111122223333:root"] }],
      },
      {
        sid: "Alarms",
        actions: ["kms:Decrypt", "kms:GenerateDataKey"],
        resources: ["*"],
        ...publishers(json, "alerts_publishers", "Alarms"),
      },
    ]);
  });
});
