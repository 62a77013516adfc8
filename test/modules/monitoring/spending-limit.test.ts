import { SnsTopic } from "@cdktf/provider-aws/lib/sns-topic";
import { expect } from "chai";
import { SpendingLimit } from "../../../modules/monitoring";
import { alone } from "../../support/alone";
import type { Json } from "../../support/synth";

describe("SpendingLimit", () => {
  const budget = (site?: string): Json =>
    alone((stack) => {
      const after = new SnsTopic(stack, "topic", {});
      const props = { name: "vpn", monthlyUsd: 12.5, topicArn: "arn:topic", after };
      new SpendingLimit(stack, "limit", site === undefined ? props : { ...props, site });
    }).resource.aws_budgets_budget.limit_budget;
  const told = (notification_type: string) => ({
    notification_type,
    comparison_operator: "GREATER_THAN",
    threshold: 100,
    threshold_type: "PERCENTAGE",
    subscriber_sns_topic_arns: ["arn:topic"],
  });

  it("tells the topic when the month's money is spent, and when AWS expects that it will be, but not before it may", () => {
    expect(budget()).to.deep.equal({
      name: "vpn",
      budget_type: "COST",
      time_unit: "MONTHLY",
      limit_amount: "12.5",
      limit_unit: "USD",
      notification: [told("ACTUAL"), told("FORECASTED")],
      depends_on: ["aws_sns_topic.topic"],
    });
  });

  it("counts what carries the site's tag, where that is asked for", () => {
    expect(budget("tokyo").cost_filter).to.deep.equal([{ name: "TagKeyValue", values: ["user:Site$tokyo"] }]);
  });
});
