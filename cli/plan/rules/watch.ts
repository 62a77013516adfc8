import { SENSITIVE, UNKNOWN } from "../hidden";
import { listed, say } from "../sentence";
import { block, type PlanView, type Resource } from "../view";
import type { Meaning, Rule } from "./rule";

/** What a parameter of the store is for, by the end of its name. */
const PARAMETERS: Readonly<Record<string, string>> = {
  "instance-id": "the controller forgets which server serves, and has to find it again",
  "desired-state": "a paused site starts again",
  launches: "the controller forgets the launches that failed, and tries them at once",
};

const names = (resources: readonly Resource[], attribute: string) =>
  resources.map(({ before, after, address }) => String(before?.[attribute] ?? after?.[attribute] ?? address));
const addresses = (resources: readonly Resource[]) => resources.map(({ address }) => address);

function about(resources: readonly Resource[], meaning: () => Omit<Meaning, "about">): Meaning[] {
  return resources.length === 0 ? [] : [{ ...meaning(), about: addresses(resources) }];
}

/** For ever is 0. */
const days = (side: { retention_in_days?: unknown } | undefined) =>
  Number(side?.retention_in_days ?? 0) || Number.POSITIVE_INFINITY;
const daysText = (count: number) => (count === Number.POSITIVE_INFINITY ? "for ever" : `${count} days`);

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const unhidden = (value: unknown) => value !== SENSITIVE && value !== UNKNOWN;

const EMAIL = (resource: Resource) => /^email/.test(String((resource.after ?? resource.before)?.protocol));

export const WATCH_RULES: readonly Rule[] = [
  {
    id: "parameter-lost",
    finds: "a parameter of the store is replaced or destroyed",
    look: (plan) =>
      plan.lost("aws_ssm_parameter").map(({ address, action, before }) => {
        const name = String(before?.name ?? address);
        const what = PARAMETERS[name.split("/").at(-1) ?? ""];
        return {
          severity: "danger",
          about: [address],
          text: say`The parameter ${name} is ${action === "replace" ? ["made anew"] : ["destroyed"]}, its value is lost${what === undefined ? [] : [`: ${what}`]}.`,
        };
      }),
  },
  {
    id: "parameter-overwritten",
    finds: "a parameter's value is overwritten",
    look: (plan) =>
      plan
        .updated("aws_ssm_parameter")
        .filter(({ changed }) => ["value", "insecure_value", "value_wo_version"].some(changed))
        .map(({ address, before }) => ({
          severity: "attention",
          about: [address],
          text: say`The value of the parameter ${before?.name ?? address} is overwritten.`,
        })),
  },
  {
    id: "store-moved",
    finds: "the server reads its keys and peers from another place",
    look: (plan) => {
      const output = plan.plan.output_changes?.store;
      if (!output?.actions.includes("update") || output.before_sensitive || output.after_sensitive) return [];
      return [
        {
          severity: "danger",
          about: [],
          text: say`The store moves from ${String(output.before)} to ${String(output.after)}: keys and peers do not move with it. Copy them first, or the next server knows no device.`,
        },
      ];
    },
  },
  {
    id: "schedule-changed",
    finds: "a schedule that pauses or resumes the site is made, changed or removed",
    look: (plan) =>
      plan
        .of("aws_scheduler_schedule")
        .filter(({ action }) => action !== undefined && action !== "forget")
        .map(({ address, action, before, after }) => {
          const side = after ?? before;
          const does = String(side?.description ?? side?.name ?? address);
          const when = (one: typeof side) =>
            `${one?.schedule_expression ?? "?"} ${one?.schedule_expression_timezone ?? ""}`.trim() +
            (one?.state === "DISABLED" ? ", switched off" : "");
          return {
            severity: "attention",
            about: [address],
            text:
              action === "destroy"
                ? say`The schedule ${does}, ${when(before)}, is removed.`
                : action === "add"
                  ? say`New schedule: ${does}, ${when(after)}. The VPN is off while the site is paused.`
                  : say`The schedule ${does} changes from ${when(before)} to ${when(after)}.`,
          };
        }),
  },
  {
    id: "trigger-changed",
    finds: "a rule that wakes the controller or the server gets another schedule or pattern",
    look: (plan) => {
      const other = plan
        .updated("aws_cloudwatch_event_rule")
        .filter(({ changed }) => changed("schedule_expression") || changed("event_pattern"));
      return about(other, () => ({
        severity: "attention",
        text: say`What wakes the controller or the server changes: ${listed(names(other, "name"))}.`,
      }));
    },
  },
  {
    id: "trigger-lost",
    finds: "a rule that wakes the controller is replaced, destroyed or switched off",
    look: (plan) => {
      const off = plan
        .updated("aws_cloudwatch_event_rule")
        .filter(({ changed, after }) => changed("state") && after?.state === "DISABLED");
      const lost = [...plan.lost("aws_cloudwatch_event_rule", "aws_cloudwatch_event_target"), ...off];
      return about(lost, () => ({
        severity: lost.some(({ action }) => action === "destroy") || off.length > 0 ? "attention" : "info",
        text: say`Rules that wake something are removed, switched off or made anew: ${listed(names(lost, "name"))}. What they report meanwhile is seen at the next tick.`,
      }));
    },
  },
  {
    id: "logs-shortened",
    finds: "logs are kept for a shorter time",
    look: (plan) =>
      plan
        .updated("aws_cloudwatch_log_group")
        .filter(({ before, after }) => days(after) < days(before))
        .map(({ address, before, after }) => ({
          severity: "attention",
          about: [address],
          text: say`The logs in ${before?.name ?? address} are kept ${daysText(days(after))} instead of ${daysText(days(before))}: older ones are deleted.`,
        })),
  },
  {
    id: "logs-lost",
    finds: "a log group is replaced or destroyed",
    look: (plan) => {
      const lost = plan.lost("aws_cloudwatch_log_group");
      return about(lost, () => ({
        severity: "attention",
        text: say`The logs in ${listed(names(lost, "name"))} are deleted.`,
      }));
    },
  },
  {
    id: "dead-letters-lost",
    finds: "a queue is replaced or destroyed",
    look: (plan) => {
      const lost = plan.lost("aws_sqs_queue");
      return about(lost, () => ({
        severity: "attention",
        text: say`What lies in the queue ${listed(names(lost, "name"))} is deleted: read it first.`,
      }));
    },
  },
  {
    id: "alarm-lost",
    finds: "an alarm is removed or made silent",
    look: (plan) => {
      const removed = plan
        .of("aws_cloudwatch_metric_alarm", "aws_cloudwatch_composite_alarm")
        .filter(({ action }) => action === "destroy");
      const silent = plan
        .updated("aws_cloudwatch_metric_alarm", "aws_cloudwatch_composite_alarm")
        .filter(
          ({ before, after }) =>
            (before?.actions_enabled === true && after?.actions_enabled === false) ||
            (unhidden(after?.alarm_actions) &&
              listOf(before?.alarm_actions).length > 0 &&
              listOf(after?.alarm_actions).length === 0),
        );
      return [
        ...about(removed, () => ({
          severity: "attention",
          text: say`Alarms are removed: ${listed(names(removed, "alarm_name"))}. Nobody is told of that any more.`,
        })),
        ...about(silent, () => ({
          severity: "attention",
          text: say`Alarms tell nobody any more: ${listed(names(silent, "alarm_name"))}.`,
        })),
      ];
    },
  },
  {
    id: "mail-to-confirm",
    finds: "a subscription by mail is made, or made anew",
    look: (plan) => {
      const fresh = plan
        .of("aws_sns_topic_subscription")
        .filter((one) => ["add", "replace"].includes(one.action ?? "") && EMAIL(one));
      return about(fresh, () => ({
        severity: "attention",
        text: say`${listed(fresh.map(({ after }) => String(after?.endpoint)))} must confirm AWS's mail before alarms reach them${fresh.some(({ action }) => action === "replace") ? [", also who had confirmed before"] : []}.`,
      }));
    },
  },
  {
    id: "mail-removed",
    finds: "somebody gets no alarms any more",
    look: (plan) => {
      const gone = plan.of("aws_sns_topic_subscription").filter(({ action }) => action === "destroy");
      const topics = plan.lost("aws_sns_topic");
      return [
        ...about(gone, () => ({
          severity: "attention",
          text: say`${listed(names(gone, "endpoint"))} will get no alarms any more.`,
        })),
        ...about(topics, () => ({
          severity: "attention",
          text: say`The topic ${listed(names(topics, "name"))} goes: whoever subscribed to it by hand must subscribe again.`,
        })),
      ];
    },
  },
  {
    id: "encryption-off",
    finds: "something is no longer encrypted",
    look: (plan) => ENCRYPTED.flatMap((rule) => unencrypted(plan, rule)),
  },
];

interface Encrypted {
  readonly type: string;
  readonly what: string;
  readonly isOn: (side: unknown) => boolean;
}

const isTrue = (value: unknown) => value === true || value === "true";
const isSet = (value: unknown) => value !== undefined && value !== null && value !== "";

const ENCRYPTED: readonly Encrypted[] = [
  {
    type: "aws_launch_template",
    what: "The server's disk",
    isOn: (side) => isTrue(block(side, "block_device_mappings", "ebs", "encrypted")),
  },
  {
    type: "aws_sqs_queue",
    what: "The queue",
    isOn: (side) => isTrue(block(side, "sqs_managed_sse_enabled")) || isSet(block(side, "kms_master_key_id")),
  },
  { type: "aws_sns_topic", what: "The alarms' topic", isOn: (side) => isSet(block(side, "kms_master_key_id")) },
  { type: "aws_cloudwatch_log_group", what: "A log group", isOn: (side) => isSet(block(side, "kms_key_id")) },
  { type: "aws_ssm_parameter", what: "A parameter", isOn: (side) => block(side, "type") === "SecureString" },
];

function unencrypted(plan: PlanView, { type, what, isOn }: Encrypted): Meaning[] {
  return plan
    .of(type)
    .filter(({ action, before, after }) => action !== undefined && before !== undefined && after !== undefined)
    .filter(({ before, after }) => isOn(before) && !isOn(after))
    .map(({ address }) => ({
      severity: "danger",
      exposure: true,
      about: [address],
      text: say`${[what]} is no longer encrypted: ${address}.`,
    }));
}
