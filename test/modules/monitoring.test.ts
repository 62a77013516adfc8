import { expect } from "chai";
import { AlertTopic, SiteAlarms, SiteDashboard } from "../../modules/monitoring";
import { alone, ref } from "../support/alone";
import type { Json } from "../support/synth";

describe("AlertTopic", () => {
  const topic = (emails: string[], protect = false): Json =>
    alone((stack) => {
      new AlertTopic(stack, "alerts", { name: "vpn-alerts", account: "111122223333", emails, protect });
    });

  it("takes alarms of its own account and of nobody else", () => {
    const { data, resource } = topic([]);
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
    expect(topic([], true).resource.aws_sns_topic.alerts_topic.lifecycle).to.deep.equal({ prevent_destroy: true });
  });

  it("tells everybody, each in a subscription of their own", () => {
    const subscription = (endpoint: string) => ({
      topic_arn: ref("aws_sns_topic.alerts_topic.arn"),
      protocol: "email",
      endpoint,
    });
    expect(topic(["me@example.com", "you@example.com"]).resource.aws_sns_topic_subscription).to.deep.equal({
      "alerts_email-me_example-com": subscription("me@example.com"),
      "alerts_email-you_example-com": subscription("you@example.com"),
    });
  });

  it("tells addresses apart that only differ in a sign", () => {
    const emails = ["a.b@example.com", "a-b@example.com", "a+b@example.com", "a_b@example.com", "a@b.example.com"];
    const { aws_sns_topic_subscription: subscriptions } = topic(emails).resource;
    expect(Object.values<Json>(subscriptions).map(({ endpoint }) => endpoint)).to.have.members(emails);
  });
});

const watched = { name: "vpn", controller: "the-controller", interruptionRule: "the-rule" };

describe("SiteAlarms", () => {
  const alarms = (ddnsUpdater?: string): Json =>
    alone((stack) => {
      new SiteAlarms(stack, "alarms", {
        ...watched,
        environment: "prod",
        site: "tokyo",
        topicArn: "arn:topic",
        deadLetterQueue: "the-queue",
        ...(ddnsUpdater ? { ddnsUpdater } : {}),
      });
    }).resource.aws_cloudwatch_metric_alarm;
  /** They count events, so that silence is good news. */
  const common = {
    comparison_operator: "GreaterThanThreshold",
    evaluation_periods: 1,
    treat_missing_data: "notBreaching",
    alarm_actions: ["arn:topic"],
    ok_actions: ["arn:topic"],
  };
  const lambdaMetric = (id: string, metric_name: string) => ({
    id,
    metric: {
      namespace: "AWS/Lambda",
      metric_name,
      dimensions: { FunctionName: "the-controller" },
      period: 900,
      stat: "Sum",
    },
  });

  it("go off when runs of the controller fail, an event is given up, or Spot machines are taken all the time", () => {
    const { "alarms_needs-person": _, ...onEvents } = alarms();
    expect(onEvents).to.deep.equal({
      "alarms_controller-errors": {
        ...common,
        alarm_name: "vpn-controller-errors",
        alarm_description:
          "More than 5% of the controller's runs failed for half an hour: servers may not be replaced. Its log says why.",
        evaluation_periods: 2,
        threshold: 5,
        metric_query: [
          {
            id: "rate",
            expression: "100 * errors / MAX([errors, runs])",
            label: "Failed runs in percent",
            return_data: true,
          },
          lambdaMetric("errors", "Errors"),
          lambdaMetric("runs", "Invocations"),
        ],
      },
      "alarms_dead-letters": {
        ...common,
        alarm_name: "vpn-dead-letters",
        alarm_description: "An event could not be handled and lies in the dead-letter queue.",
        namespace: "AWS/SQS",
        metric_name: "NumberOfMessagesSent",
        dimensions: { QueueName: "the-queue" },
        statistic: "Sum",
        period: 300,
        threshold: 0,
      },
      alarms_interruptions: {
        ...common,
        alarm_name: "vpn-interruptions",
        alarm_description: "More than 3 Spot interruptions in this account and region in a day: add instance types.",
        namespace: "AWS/Events",
        metric_name: "TriggeredRules",
        dimensions: { RuleName: "the-rule" },
        statistic: "Sum",
        period: 86_400,
        threshold: 3,
      },
    });
  });

  it("go off when the controller needs a person for longer than one look", () => {
    expect(alarms()["alarms_needs-person"]).to.deep.equal({
      ...common,
      alarm_name: "vpn-needs-person",
      alarm_description: "The controller needs a person: its log says what and how.",
      namespace: "StingyVPN",
      metric_name: "Problems",
      dimensions: { Site: "tokyo", Environment: "prod" },
      statistic: "Sum",
      period: 300,
      evaluation_periods: 12,
      datapoints_to_alarm: 2,
      threshold: 0,
    });
  });

  it("go off when the DNS record cannot be updated, where there is one", () => {
    expect(alarms("the-updater")["alarms_dns-failures"]).to.deep.equal({
      ...common,
      alarm_name: "vpn-dns-failures",
      alarm_description:
        "The DNS record could not be updated: clients that look the name up may be sent to an old address.",
      namespace: "AWS/Lambda",
      metric_name: "Errors",
      dimensions: { FunctionName: "the-updater" },
      statistic: "Sum",
      period: 300,
      threshold: 0,
    });
  });
});

describe("SiteDashboard", () => {
  const dashboard = (ddnsUpdater?: string): Json =>
    alone((stack) => {
      new SiteDashboard(stack, "screen", {
        ...watched,
        region: "eu-west-1",
        controllerLogGroup: "/aws/lambda/the-controller",
        alarmArns: ["arn:alarm"],
        ...(ddnsUpdater ? { ddnsUpdater } : {}),
      });
    }).resource.aws_cloudwatch_dashboard.screen_dashboard;
  const metrics = (fn: string) => [
    ["AWS/Lambda", "Invocations", "FunctionName", fn],
    ["AWS/Lambda", "Errors", "FunctionName", fn],
  ];
  const graph = (title: string, period: number, metrics: string[][]) => ({
    type: "metric",
    width: 12,
    height: 6,
    properties: { title, region: "eu-west-1", view: "timeSeries", stat: "Sum", period, metrics },
  });

  it("shows the alarms, the runs and failures, the interruptions and the controller's log", () => {
    const { dashboard_name, dashboard_body } = dashboard();
    expect(dashboard_name).to.equal("vpn");
    expect(JSON.parse(dashboard_body)).to.deep.equal({
      widgets: [
        { type: "alarm", width: 24, height: 2, properties: { title: "Alarms", alarms: ["arn:alarm"] } },
        graph("Runs and failures of the Lambdas", 300, metrics("the-controller")),
        graph("Spot interruptions", 3600, [["AWS/Events", "TriggeredRules", "RuleName", "the-rule"]]),
        {
          type: "log",
          width: 24,
          height: 6,
          properties: {
            title: "The controller's latest words",
            region: "eu-west-1",
            view: "table",
            query:
              "SOURCE '/aws/lambda/the-controller' | fields @timestamp, @message | sort @timestamp desc | limit 50",
          },
        },
      ],
    });
  });

  it("shows the DDNS updater, where there is one", () => {
    const { widgets } = JSON.parse(dashboard("the-updater").dashboard_body);
    expect(widgets[1].properties.metrics).to.deep.equal([...metrics("the-controller"), ...metrics("the-updater")]);
  });
});
