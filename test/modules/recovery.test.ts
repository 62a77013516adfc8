import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group";
import { expect } from "chai";
import {
  type ControllerPolicyProps,
  controllerPolicy,
  DeadLetterQueue,
  OperatingHours,
  Trigger,
  type TriggerProps,
} from "../../modules/recovery";
import { alone, ref } from "../support/alone";
import type { Json } from "../support/synth";

describe("DeadLetterQueue", () => {
  it("keeps what failed for two weeks, encrypted, and lets exactly the given rules write", () => {
    const { data, resource } = alone((stack) => {
      new DeadLetterQueue(stack, "dead", { name: "vpn-dead-letters" }).acceptFrom(["arn:rule/a", "arn:rule/b"]);
    });
    expect(resource).to.deep.equal({
      aws_sqs_queue: {
        dead_queue: {
          name: "vpn-dead-letters",
          message_retention_seconds: 14 * 24 * 3600,
          sqs_managed_sse_enabled: true,
        },
      },
      aws_sqs_queue_policy: {
        dead_policy: {
          queue_url: ref("aws_sqs_queue.dead_queue.url"),
          policy: ref("data.aws_iam_policy_document.dead_senders.json"),
        },
      },
    });
    expect(data.aws_iam_policy_document.dead_senders.statement).to.deep.equal([
      {
        sid: "Rules",
        actions: ["sqs:SendMessage"],
        resources: [ref("aws_sqs_queue.dead_queue.arn")],
        principals: [{ type: "Service", identifiers: ["events.amazonaws.com"] }],
        condition: [{ test: "ArnEquals", variable: "aws:SourceArn", values: ["arn:rule/a", "arn:rule/b"] }],
      },
    ]);
  });
});

describe("Trigger", () => {
  const trigger = (props: Pick<TriggerProps, "when" | "input" | "switched">): Json =>
    alone((stack) => {
      new Trigger(stack, "call", {
        name: "vpn-call",
        description: "Calls",
        functionName: "fn",
        functionArn: "arn:fn",
        deadLetterQueueArn: "arn:dlq",
        ...props,
      });
    }).resource;

  it("calls the function for the events of its pattern, and nobody else may through it", () => {
    expect(trigger({ when: { pattern: { source: ["aws.ec2"] } } })).to.deep.equal({
      aws_cloudwatch_event_rule: {
        call_rule: {
          name: "vpn-call",
          description: "Calls",
          event_pattern: '{"source":["aws.ec2"]}',
          state: "ENABLED",
        },
      },
      aws_cloudwatch_event_target: {
        call_target: {
          rule: ref("aws_cloudwatch_event_rule.call_rule.name"),
          arn: "arn:fn",
          dead_letter_config: { arn: "arn:dlq" },
          retry_policy: { maximum_event_age_in_seconds: 300, maximum_retry_attempts: 4 },
        },
      },
      aws_lambda_permission: {
        call_permission: {
          function_name: "fn",
          action: "lambda:InvokeFunction",
          principal: "events.amazonaws.com",
          source_arn: ref("aws_cloudwatch_event_rule.call_rule.arn"),
        },
      },
    });
  });

  it("calls the function on a schedule with an input of its own", () => {
    const { aws_cloudwatch_event_rule: rules, aws_cloudwatch_event_target: targets } = trigger({
      when: { schedule: "rate(5 minutes)" },
      input: { "detail-type": "Tick" },
    });
    expect(rules.call_rule).to.deep.equal({
      name: "vpn-call",
      description: "Calls",
      schedule_expression: "rate(5 minutes)",
      state: "ENABLED",
    });
    expect(targets.call_target.input).to.equal('{"detail-type":"Tick"}');
  });

  it("is off at first and left to the function where the function switches it", () => {
    const { aws_cloudwatch_event_rule: rules } = trigger({ when: { schedule: "rate(1 minute)" }, switched: true });
    expect(rules.call_rule).to.deep.include({ state: "DISABLED", lifecycle: { ignore_changes: ["state"] } });
  });
});

describe("OperatingHours", () => {
  let resource: Json;
  let data: Json;
  before(() => {
    ({ resource, data } = alone((stack) => {
      const drain = new CloudwatchLogGroup(stack, "drain");
      new OperatingHours(stack, "hours", {
        drain,
        name: "vpn",
        account: "111122223333",
        pause: " 0 22  ? * MON-FRI *",
        resume: "0 8 ? * MON-FRI *",
        timeZone: "Asia/Tokyo",
        functionArn: "arn:fn",
        deadLetterQueueArn: "arn:dlq",
      });
    }));
  });

  it("sends pause and resume on time, in the time zone of those who wrote it", () => {
    const schedule = (command: string, description: string, expression: string) => ({
      name: `vpn-${command}`,
      group_name: ref("aws_scheduler_schedule_group.hours_group.name"),
      description,
      schedule_expression: expression,
      schedule_expression_timezone: "Asia/Tokyo",
      flexible_time_window: { mode: "OFF" },
      target: {
        arn: "arn:fn",
        role_arn: ref("aws_iam_role.hours_iam_role.arn"),
        input: `{"source":"stingy-vpn","detail-type":"Command","detail":{"command":"${command}"}}`,
        dead_letter_config: { arn: "arn:dlq" },
        retry_policy: { maximum_event_age_in_seconds: 900, maximum_retry_attempts: 4 },
      },
      depends_on: ["aws_iam_role_policy.hours_iam_policy", "aws_cloudwatch_log_group.drain"],
    });
    expect(resource.aws_scheduler_schedule).to.deep.equal({
      hours_pause: schedule("pause", "Pauses the site", "cron(0 22 ? * MON-FRI *)"),
      hours_resume: schedule("resume", "Resumes the site", "cron(0 8 ? * MON-FRI *)"),
    });
    expect(resource.aws_scheduler_schedule_group).to.deep.equal({ hours_group: { name: "vpn" } });
  });

  it("may call the function and write what failed to the queue, on behalf of its own schedules alone", () => {
    const { hours_iam_permissions: permissions, hours_iam_trust: trust } = data.aws_iam_policy_document;
    expect(permissions.statement).to.deep.equal([
      { sid: "CallController", actions: ["lambda:InvokeFunction"], resources: ["arn:fn"], condition: [] },
      { sid: "SendDeadLetters", actions: ["sqs:SendMessage"], resources: ["arn:dlq"], condition: [] },
    ]);
    expect(trust.statement).to.deep.equal([
      {
        actions: ["sts:AssumeRole"],
        principals: [{ type: "Service", identifiers: ["scheduler.amazonaws.com"] }],
        condition: [
          {
            test: "StringEquals",
            variable: "aws:SourceArn",
            values: [ref("aws_scheduler_schedule_group.hours_group.arn")],
          },
          { test: "StringEquals", variable: "aws:SourceAccount", values: ["111122223333"] },
        ],
      },
    ]);
  });
});

describe("controllerPolicy", () => {
  const props: ControllerPolicyProps = {
    region: "eu-west-1",
    account: "111122223333",
    environment: "prod",
    site: "dublin",
    storePrefix: "/stingy-vpn/prod",
    launchTemplateArn: "arn:template",
    subnetIds: ["subnet-1", "subnet-2"],
    securityGroupId: "sg-1",
    serverRoleArn: "arn:server-role",
    pendingTickRule: "vpn-pending-tick",
  };
  const ec2 = (kind: string) => `arn:aws:ec2:eu-west-1:111122223333:${kind}`;
  const made = [ec2("instance/*"), ec2("volume/*"), ec2("network-interface/*")];
  const equals = (variable: string, ...values: string[]) => ({ test: "StringEquals", variable, values });
  const inRegion = equals("aws:RequestedRegion", "eu-west-1");
  const tagged = (kind: string) => [
    equals(`aws:${kind}/Project`, "stingy-vpn"),
    equals(`aws:${kind}/Environment`, "prod"),
    equals(`aws:${kind}/Site`, "dublin"),
  ];
  const because = "EC2 has no resource-level permissions for describing";

  it("is exactly what the controller of a site without address, name and public image needs", () => {
    expect(controllerPolicy(props)).to.deep.equal([
      {
        sid: "Look",
        actions: ["ec2:DescribeInstances", "ec2:DescribeInstanceStatus"],
        resources: "*",
        because,
        conditions: [inRegion],
      },
      {
        sid: "LaunchFromTemplate",
        actions: ["ec2:CreateFleet", "ec2:RunInstances"],
        resources: [
          "arn:template",
          ec2("subnet/subnet-1"),
          ec2("subnet/subnet-2"),
          ec2("security-group/sg-1"),
          "arn:aws:ec2:eu-west-1::image/*",
          "arn:aws:ec2:eu-west-1::snapshot/*",
          ec2("spot-instances-request/*"),
        ],
      },
      {
        sid: "LaunchServers",
        actions: ["ec2:RunInstances"],
        resources: made,
        conditions: [{ test: "ArnEquals", variable: "ec2:LaunchTemplate", values: ["arn:template"] }],
      },
      {
        sid: "LaunchFleet",
        actions: ["ec2:CreateFleet"],
        resources: [ec2("fleet/*"), ...made],
        conditions: [inRegion],
      },
      {
        sid: "TagWhatIsLaunched",
        actions: ["ec2:CreateTags"],
        resources: made,
        conditions: [equals("ec2:CreateAction", "RunInstances", "CreateFleet"), ...tagged("RequestTag")],
      },
      {
        sid: "MakeSpotRoleOnce",
        actions: ["iam:CreateServiceLinkedRole"],
        resources: ["arn:aws:iam::111122223333:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"],
        conditions: [equals("iam:AWSServiceName", "spot.amazonaws.com")],
      },
      {
        sid: "GiveServersTheirRole",
        actions: ["iam:PassRole"],
        resources: ["arn:server-role"],
        conditions: [equals("iam:PassedToService", "ec2.amazonaws.com")],
      },
      {
        sid: "MarkServers",
        actions: ["ec2:CreateTags"],
        resources: [ec2("instance/*")],
        conditions: [
          ...tagged("ResourceTag"),
          {
            test: "ForAllValues:StringEquals",
            variable: "aws:TagKeys",
            values: ["notice", "unhealthy-since", "ending"],
          },
        ],
      },
      {
        sid: "EndServers",
        actions: ["ec2:TerminateInstances"],
        resources: [ec2("instance/*")],
        conditions: tagged("ResourceTag"),
      },
      {
        sid: "KeepState",
        actions: ["ssm:GetParameters", "ssm:PutParameter"],
        resources: ["instance-id", "desired-state", "launches"].map(
          (name) => `arn:aws:ssm:eu-west-1:111122223333:parameter/stingy-vpn/prod/${name}`,
        ),
      },
      {
        sid: "SwitchPendingTick",
        actions: ["events:EnableRule", "events:DisableRule"],
        resources: ["arn:aws:events:eu-west-1:111122223333:rule/vpn-pending-tick"],
      },
    ]);
  });

  const added = (more: Partial<ControllerPolicyProps>) => {
    const before = new Set(controllerPolicy(props).map(({ sid }) => sid));
    return controllerPolicy({ ...props, ...more }).filter(({ sid }) => !before.has(sid));
  };

  it("may move the one address, to servers of the site only, where the site has one", () => {
    expect(added({ allocationId: "eipalloc-1" })).to.deep.equal([
      { sid: "MoveAddress", actions: ["ec2:AssociateAddress"], resources: [ec2("elastic-ip/eipalloc-1")] },
      {
        sid: "MoveAddressToServers",
        actions: ["ec2:AssociateAddress"],
        resources: [ec2("instance/*"), ec2("network-interface/*")],
        conditions: tagged("ResourceTag"),
      },
    ]);
    expect(controllerPolicy({ ...props, allocationId: "eipalloc-1" })[0]?.actions).to.deep.equal([
      "ec2:DescribeInstances",
      "ec2:DescribeInstanceStatus",
      "ec2:DescribeAddresses",
    ]);
  });

  it("may read the public parameter that names the image, where one does", () => {
    expect(added({ imageParameter: "/aws/service/an/image" })).to.deep.equal([
      {
        sid: "FindNewestImage",
        actions: ["ssm:GetParameters"],
        resources: ["arn:aws:ssm:eu-west-1::parameter/aws/service/an/image"],
      },
    ]);
  });

  it("may call the DDNS updater, where there is one", () => {
    expect(added({ ddnsFunctionArn: "arn:ddns" })).to.deep.equal([
      { sid: "UpdateDns", actions: ["lambda:InvokeFunction"], resources: ["arn:ddns"] },
    ]);
  });
});
