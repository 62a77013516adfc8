import { execFileSync } from "node:child_process";
import { expect } from "chai";
import { SyncTrigger } from "../../modules/server";
import { alone, ref } from "../support/alone";
import type { Json } from "../support/synth";

describe("SyncTrigger", () => {
  const STORE = "/stingy-vpn/prod";
  let json: Json;
  before(() => {
    json = alone((stack) => {
      new SyncTrigger(stack, "sync", {
        name: "vpn",
        region: "eu-west-1",
        account: "111122223333",
        environment: "prod",
        site: "dublin",
        storePrefix: STORE,
        instanceName: "vpn-server",
      });
    });
  });
  const document = () => JSON.parse(json.resource.aws_ssm_document.sync_document.content);
  const pattern = () => JSON.parse(json.resource.aws_cloudwatch_event_rule.sync_rule.event_pattern);

  it("is a rule, a document and a role, and no function", () => {
    expect(Object.keys(json.resource)).to.have.members([
      "aws_cloudwatch_event_rule",
      "aws_cloudwatch_event_target",
      "aws_iam_role",
      "aws_iam_role_policy",
      "aws_ssm_document",
    ]);
  });

  it("wakes at changes of keys and peers, and of nothing else", () => {
    expect(pattern()).to.deep.equal({
      source: ["aws.ssm"],
      "detail-type": ["Parameter Store Change"],
      detail: {
        name: [
          `${STORE}/wireguard-config`,
          `${STORE}/wireguard-private-key`,
          `${STORE}/client-public-keys`,
          { prefix: `${STORE}/peers/` },
        ],
        operation: ["Create", "Update", "Delete"],
      },
    });
  });

  it("sleeps through what a server or the controller writes all the time", () => {
    const watched = (name: string) =>
      pattern().detail.name.some((one: Json) => (one.prefix ? name.startsWith(one.prefix) : name === one));
    for (const name of ["peers/phone", "peers/a/b", "wireguard-private-key"]) {
      expect(watched(`${STORE}/${name}`), name).to.equal(true);
    }
    for (const name of ["peer-endpoints", "instance-id", "desired-state", "cloudflare-token", "peers", "peersonal"]) {
      expect(watched(`${STORE}/${name}`), name).to.equal(false);
    }
    expect(watched("/stingy-vpn/prod-2/peers/phone")).to.equal(false);
  });

  it("runs the document on the servers of the site, and gives up when their timer has done it", () => {
    expect(json.resource.aws_cloudwatch_event_target.sync_target).to.deep.equal({
      rule: ref("aws_cloudwatch_event_rule.sync_rule.name"),
      arn: ref("aws_ssm_document.sync_document.arn"),
      role_arn: ref("aws_iam_role.sync_iam_role.arn"),
      run_command_targets: [{ key: "tag:Name", values: ["vpn-server"] }],
      retry_policy: { maximum_event_age_in_seconds: 300, maximum_retry_attempts: 4 },
      depends_on: ["aws_iam_role_policy.sync_iam_policy"],
    });
  });

  it("has a role that EventBridge takes for this rule alone", () => {
    expect(json.data.aws_iam_policy_document.sync_iam_trust.statement).to.deep.equal([
      {
        actions: ["sts:AssumeRole"],
        principals: [{ type: "Service", identifiers: ["events.amazonaws.com"] }],
        condition: [
          {
            test: "StringEquals",
            variable: "aws:SourceArn",
            values: [ref("aws_cloudwatch_event_rule.sync_rule.arn")],
          },
          { test: "StringEquals", variable: "aws:SourceAccount", values: ["111122223333"] },
        ],
      },
    ]);
  });

  it("may run this document on servers of the site, no other document and nowhere else", () => {
    expect(json.data.aws_iam_policy_document.sync_iam_permissions.statement).to.deep.equal([
      {
        sid: "RunThisDocument",
        actions: ["ssm:SendCommand"],
        resources: [ref("aws_ssm_document.sync_document.arn")],
        condition: [],
      },
      {
        sid: "OnServersOfTheSite",
        actions: ["ssm:SendCommand"],
        resources: ["arn:aws:ec2:eu-west-1:111122223333:instance/*"],
        condition: [
          { test: "StringEquals", variable: "ssm:resourceTag/Site", values: ["dublin"] },
          { test: "StringEquals", variable: "ssm:resourceTag/Environment", values: ["prod"] },
        ],
      },
    ]);
  });

  it("is a document of one step that takes no parameters", () => {
    const { content, ...rest } = json.resource.aws_ssm_document.sync_document;
    expect(rest).to.deep.equal({ name: "vpn-sync", document_type: "Command" });
    const { mainSteps, ...head } = document();
    expect(head).to.deep.equal({
      schemaVersion: "2.2",
      description: "Reads keys and peers from the store and applies them",
    });
    const [{ inputs, ...step }, ...more] = mainSteps;
    expect(step).to.deep.equal({ action: "aws:runShellScript", name: "sync" });
    expect(inputs.timeoutSeconds).to.equal("300");
    expect(more).to.deep.equal([]);
  });

  describe("has the shell", () => {
    /** What the step's commands ask of a systemd in which the sync is in this state. */
    const asked = (state: string, started = 0) => {
      const systemctl = `systemctl() { case $1 in is-active) echo ${state}; return 3;; *) echo "$*"; return ${started};; esac; }`;
      const commands = [systemctl, ...document().mainSteps[0].inputs.runCommand].join("\n");
      try {
        return { lines: execFileSync("sh", ["-c", commands], { encoding: "utf8" }).trim().split("\n"), code: 0 };
      } catch (error) {
        const { stdout, status } = error as { stdout: string; status: number };
        return { lines: stdout.trim().split("\n"), code: status };
      }
    };
    const START = "start stingy-sync.service";

    it("start the sync", () => {
      expect(asked("inactive")).to.deep.equal({ lines: [START], code: 0 });
      expect(asked("failed")).to.deep.equal({ lines: [START], code: 0 });
    });

    it("wait for a sync that may have read the store before the change, and start another", () => {
      expect(asked("activating")).to.deep.equal({ lines: [START, START], code: 0 });
    });

    it("fail where the sync fails, so that the command's status says so", () => {
      expect(asked("inactive", 1)).to.deep.equal({ lines: [START], code: 1 });
    });
  });
});
