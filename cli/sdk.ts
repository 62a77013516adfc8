/**
 * AWS's clients, each loaded when a command first needs it. By require: import() would search these large CommonJS files for
 * what they export, which takes longer than running them.
 */
export const sdk = {
  get cloudwatch() {
    return require("@aws-sdk/client-cloudwatch") as typeof import("@aws-sdk/client-cloudwatch");
  },
  get ec2() {
    return require("@aws-sdk/client-ec2") as typeof import("@aws-sdk/client-ec2");
  },
  get events() {
    return require("@aws-sdk/client-eventbridge") as typeof import("@aws-sdk/client-eventbridge");
  },
  get iam() {
    return require("@aws-sdk/client-iam") as typeof import("@aws-sdk/client-iam");
  },
  get lambda() {
    return require("@aws-sdk/client-lambda") as typeof import("@aws-sdk/client-lambda");
  },
  get logs() {
    return require("@aws-sdk/client-cloudwatch-logs") as typeof import("@aws-sdk/client-cloudwatch-logs");
  },
  get pricing() {
    return require("@aws-sdk/client-pricing") as typeof import("@aws-sdk/client-pricing");
  },
  get quotas() {
    return require("@aws-sdk/client-service-quotas") as typeof import("@aws-sdk/client-service-quotas");
  },
  get sns() {
    return require("@aws-sdk/client-sns") as typeof import("@aws-sdk/client-sns");
  },
  get sqs() {
    return require("@aws-sdk/client-sqs") as typeof import("@aws-sdk/client-sqs");
  },
  get ssm() {
    return require("@aws-sdk/client-ssm") as typeof import("@aws-sdk/client-ssm");
  },
  get sts() {
    return require("@aws-sdk/client-sts") as typeof import("@aws-sdk/client-sts");
  },
};
