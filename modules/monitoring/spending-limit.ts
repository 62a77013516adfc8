import { BudgetsBudget } from "@cdktf/provider-aws/lib/budgets-budget";
import type { ITerraformDependable } from "cdktf";
import { Construct } from "constructs";

export interface SpendingLimitProps {
  readonly name: string;
  readonly monthlyUsd: number;
  /** The site whose cost it is, by its tag; the whole account's without it. */
  readonly site?: string;
  readonly topicArn: string;
  /** AWS asks at creation whether it may publish. */
  readonly after: ITerraformDependable;
}

/** AWS's budget for a month: tells the topic when the money is spent, and when AWS expects that it will be. It stops nothing. */
export class SpendingLimit extends Construct {
  constructor(scope: Construct, id: string, { name, monthlyUsd, site, topicArn, after }: SpendingLimitProps) {
    super(scope, id);
    new BudgetsBudget(this, "budget", {
      name,
      budgetType: "COST",
      timeUnit: "MONTHLY",
      limitAmount: String(monthlyUsd),
      limitUnit: "USD",
      // "user:" marks a tag of one's own. Its values are alternatives, so that a second tag would not narrow it down.
      ...(site === undefined ? {} : { costFilter: [{ name: "TagKeyValue", values: [`user:Site$${site}`] }] }),
      notification: ["ACTUAL", "FORECASTED"].map((notificationType) => ({
        notificationType,
        comparisonOperator: "GREATER_THAN",
        threshold: 100,
        thresholdType: "PERCENTAGE",
        subscriberSnsTopicArns: [topicArn],
      })),
      dependsOn: [after],
    });
  }
}
