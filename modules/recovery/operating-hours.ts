import { SchedulerSchedule } from "@cdktf/provider-aws/lib/scheduler-schedule";
import { SchedulerScheduleGroup } from "@cdktf/provider-aws/lib/scheduler-schedule-group";
import type { ITerraformDependable } from "cdktf";
import { Construct } from "constructs";
import { ServiceRole, stringEquals } from "../iam";

export interface OperatingHoursProps {
  readonly name: string;
  readonly account: string;
  /** AWS's cron, without the word: "0 22 ? * MON-FRI *". */
  readonly pause: string;
  readonly resume: string;
  /** IANA name. */
  readonly timeZone: string;
  readonly functionArn: string;
  readonly deadLetterQueueArn: string;
  /** What drains the site on destroy: the schedules have to be gone by then, so that none resumes it. */
  readonly drain: ITerraformDependable;
}

/** A command that comes much later might undo what a person has commanded since. */
const OLDEST_COMMAND_SECONDS = 900;
const RETRIES = 4;

/** Has the controller pause and resume the site by the clock. */
export class OperatingHours extends Construct {
  constructor(scope: Construct, id: string, props: OperatingHoursProps) {
    super(scope, id);
    // Trust can be bound to a group of schedules, not to one schedule.
    const group = new SchedulerScheduleGroup(this, "group", { name: props.name });
    const role = new ServiceRole(this, "iam", {
      name: `${props.name}-schedule`,
      description: "Has the controller pause and resume the site",
      service: "scheduler.amazonaws.com",
      trustConditions: [stringEquals("aws:SourceArn", group.arn), stringEquals("aws:SourceAccount", props.account)],
      statements: [
        { sid: "CallController", actions: ["lambda:InvokeFunction"], resources: [props.functionArn] },
        { sid: "SendDeadLetters", actions: ["sqs:SendMessage"], resources: [props.deadLetterQueueArn] },
      ],
    });
    for (const command of ["pause", "resume"] as const) {
      new SchedulerSchedule(this, command, {
        name: `${props.name}-${command}`,
        groupName: group.name,
        description: `${command === "pause" ? "Pauses" : "Resumes"} the site`,
        scheduleExpression: `cron(${props[command].trim().replace(/\s+/g, " ")})`,
        scheduleExpressionTimezone: props.timeZone,
        flexibleTimeWindow: { mode: "OFF" },
        target: {
          arn: props.functionArn,
          roleArn: role.arn,
          input: JSON.stringify({ source: "stingy-vpn", "detail-type": "Command", detail: { command } }),
          deadLetterConfig: { arn: props.deadLetterQueueArn },
          retryPolicy: { maximumEventAgeInSeconds: OLDEST_COMMAND_SECONDS, maximumRetryAttempts: RETRIES },
        },
        dependsOn: [role.policy, props.drain],
      });
    }
  }
}
