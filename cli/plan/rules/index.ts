import { listed, mapValues, plain, say } from "../sentence";
import type { PlannedAction, PlanView } from "../view";
import { ACCESS_RULES } from "./access";
import { NETWORK_RULES } from "./network";
import { OTHER_RULES } from "./rest";
import { type Meaning, type Rule, SEVERITIES } from "./rule";
import { SERVER_RULES } from "./server";
import { WATCH_RULES } from "./watch";

export const RULES: readonly Rule[] = [
  ...SERVER_RULES,
  ...NETWORK_RULES,
  ...ACCESS_RULES,
  ...WATCH_RULES,
  ...OTHER_RULES,
];

export interface Finding extends Meaning {
  readonly id: string;
}

/** Made and unmade with what they belong to: they are named where that stays. */
const PARTS = new Set([
  "aws_route_table_association",
  "aws_vpc_endpoint",
  "aws_lambda_permission",
  "aws_lambda_function_event_invoke_config",
  "aws_cloudwatch_dashboard",
  "aws_scheduler_schedule_group",
]);

/** What their loss means is told by what they allow. */
const ALLOW = new Set([
  "aws_vpc_security_group_ingress_rule",
  "aws_security_group_rule",
  "aws_sqs_queue_policy",
  "aws_sns_topic_policy",
]);

/** What a plan means, the gravest first. `mask` makes values fit to be shown. */
export function meaningsOf(plan: PlanView, mask: (text: string) => string): Finding[] {
  const found: Finding[] = RULES.flatMap(({ id, look }) => look(plan).map((meaning) => ({ ...meaning, id })));
  const told = new Set(found.flatMap(({ about }) => about));
  const whole = plan.changed.some(({ action, type }) => isLoss(action) && !PARTS.has(type) && !ALLOW.has(type));
  const too = plan.changed.some(({ action, address }) => isLoss(action) && told.has(address)) ? " too" : "";
  for (const [id, action, text] of [
    ["other-destroyed", "destroy", `Destroyed${too}`],
    ["other-replaced", "replace", `Made anew${too}`],
  ] as const) {
    const others = plan.changed.filter(
      (one) =>
        one.action === action && !told.has(one.address) && !ALLOW.has(one.type) && !(whole && PARTS.has(one.type)),
    );
    if (others.length === 0) continue;
    const about = others.map(({ address }) => address);
    found.push({ id, severity: "attention", about, text: say`${[text]}: ${listed(about)}.` });
  }
  return found
    .map((finding) => ({ ...finding, about: finding.about.map(mask), text: mapValues(finding.text, mask) }))
    .sort(
      (a, b) =>
        SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
        RULES.findIndex(({ id }) => id === a.id) - RULES.findIndex(({ id }) => id === b.id) ||
        plain(a.text).localeCompare(plain(b.text)),
    );
}

const isLoss = (action: PlannedAction | undefined) => action === "destroy" || action === "replace";
