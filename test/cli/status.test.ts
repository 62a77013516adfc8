import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { PutMetricAlarmCommand, PutMetricDataCommand, SetAlarmStateCommand } from "@aws-sdk/client-cloudwatch";
import { CreateTagsCommand, DisassociateAddressCommand, TerminateInstancesCommand } from "@aws-sdk/client-ec2";
import { DeleteTopicCommand, SubscribeCommand } from "@aws-sdk/client-sns";
import { expect } from "chai";
import { type DeployedSite, Emulator, STORE } from "./support/emulator";
import { folderWith, inTerminal, stingy } from "./support/stingy";

const TOPIC = "arn:aws:sns:ap-northeast-1:123456789012:stingy-vpn-prod-tokyo-alerts";

describe("stingy status", () => {
  let emulator: Emulator;
  let site: DeployedSite;

  before(async () => {
    emulator = await Emulator.start();
  });

  beforeEach(async () => {
    site = await emulator.freshSite();
  });

  /** An API that refuses whatever it is asked. */
  async function refusing(type: string, answer: string): Promise<{ url: string; server: Server }> {
    const server = createServer((_, response) => {
      response.writeHead(403, { "content-type": type }).end(answer);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
  }

  it("shows a site that serves, and ends with 0", async () => {
    await emulator.cloudwatch.send(
      new PutMetricDataCommand({
        Namespace: "StingyVPN",
        MetricData: Object.entries({ PeersConfigured: 5, PeersActive: 2, NetworkOut: 2_000_000 }).map(
          ([MetricName, Value]) => ({
            MetricName,
            Value,
            Timestamp: new Date(Date.now() - 120_000),
            Dimensions: [
              { Name: "Site", Value: "tokyo" },
              { Name: "Environment", Value: "prod" },
            ],
          }),
        ),
      }),
    );
    const { code, stdout, stderr } = await stingy(["status"], { env: emulator.env });
    expect(stderr).to.equal("");
    const timeless = stdout.replace(/(just now|\d+ (min|s)( \d+ s)?)( ago| after)?/g, "NOW");
    expect(timeless).to.equal(
      `
prod-tokyo in ap-northeast-1: serving

  Address     ${site.address}, Elastic IP on the server
  Server      ${site.instanceId}, t4g.nano in ap-northeast-1a, Spot
              serving, launched NOW
  Spot price  $0.00001 an hour now; last 7 days $0.00001 / $0.00001 / $0.00001 (lowest, median, highest)
  Recovery    none yet; the first server took over NOW, NOW it was launched
  Successor   none pending
  Peers       2 active of 5, as of NOW
  Traffic     2.0 MB left AWS in the last 24 hours
  Alarms      1, all quiet
  Told        nobody: put addresses under monitoring.emails in stingy.yaml, then npx cdktf deploy 'prod-tokyo-*'
  Wanted      running
`.trimStart(),
    );
    expect(code).to.equal(0);
  });

  it("answers in JSON", async () => {
    const { code, stdout } = await stingy(["status", "--json"], { env: emulator.env });
    const report = JSON.parse(stdout);
    expect(report.verdict).to.equal("serving");
    expect(report.address).to.deep.equal({ ip: site.address, elastic: true, instanceId: site.instanceId });
    expect(report.server.id).to.equal(site.instanceId);
    expect(report.unknown).to.deep.equal({});
    expect(code).to.equal(0);
  });

  it("says who is told of alarms, and who of the configuration is not", async () => {
    await emulator.sns.send(new SubscribeCommand({ TopicArn: TOPIC, Protocol: "email", Endpoint: "me@example.com" }));
    const waiting = await stingy(["status"], { env: emulator.env });
    expect(waiting.stdout).to.contain(
      "\n  Told        nobody yet\n              me@example.com has to confirm by the link",
    );
    await emulator.moto.confirm("me@example.com");
    const { code, stdout } = await stingy(["status"], { env: emulator.env });
    expect(stdout).to.contain("\n  Told        me@example.com\n  Wanted ");
    expect(code).to.equal(0);
    const config = path.join(folderWith({ "stingy.yaml": MORE_RECIPIENTS }), "stingy.yaml");
    const { stdout: json } = await stingy(["status", "--json", "--config", config], { env: emulator.env });
    expect(JSON.parse(json).recipients).to.deep.equal([
      { who: "me@example.com", state: "told" },
      { who: "you@example.com", state: "missing" },
      { who: "the webhook", state: "missing" },
    ]);
  });

  it("says that nobody is told where the monitoring stack is not deployed, and that it may not ask where it may not", async () => {
    await emulator.sns.send(new DeleteTopicCommand({ TopicArn: TOPIC }));
    const { stdout } = await stingy(["status"], { env: emulator.env });
    expect(stdout).to.contain("\n  Told        nobody: put addresses under");
    const { url, server } = await refusing(
      "text/xml",
      "<ErrorResponse><Error><Code>AuthorizationError</Code><Message>no</Message></Error></ErrorResponse>",
    );
    try {
      const refused = await stingy(["status"], { env: { ...emulator.env, AWS_ENDPOINT_URL_SNS: url } });
      expect(refused.stdout).to.contain("\n  Told        not permitted\n");
      expect(refused.code).to.equal(0);
    } finally {
      server.close();
    }
  });

  it("tells of the last recovery and of the pending successor", async () => {
    const former = "i-0cccccccccccccccc";
    await emulator.put("instance-id", former);
    await emulator.put("instance-id", site.instanceId);
    const { stdout } = await stingy(["status", "--json"], { env: emulator.env });
    const { recovery } = JSON.parse(stdout);
    expect({ from: recovery.from, to: recovery.to, inLastWeek: recovery.inLastWeek }).to.deep.equal({
      from: former,
      to: site.instanceId,
      inLastWeek: 2,
    });
    expect(recovery.tookMs).to.be.a("number");
  });

  it("ends with 2 and says what to do where there is no server", async () => {
    await emulator.ec2.send(new TerminateInstancesCommand({ InstanceIds: [site.instanceId] }));
    const { code, stdout } = await stingy(["status"], { env: emulator.env });
    expect(stdout).to.contain("prod-tokyo in ap-northeast-1: down\n");
    expect(stdout).to.contain("  ! There is no server, and none is starting.\n    The controller looks every five");
    expect(code).to.equal(2);
  });

  it("ends with 2 where the server is not well, and names the check that fails", async () => {
    await emulator.ec2.send(
      new CreateTagsCommand({ Resources: [site.instanceId], Tags: [{ Key: "state", Value: "unhealthy:egress" }] }),
    );
    const { code, stdout } = await stingy(["status"], { env: emulator.env });
    expect(stdout).to.contain(`  ! The server ${site.instanceId} does not serve: its check "egress" fails.`);
    expect(code).to.equal(2);
  });

  it("ends with 2 where the address is on nothing", async () => {
    await emulator.ec2.send(new DisassociateAddressCommand({ PublicIp: site.address }));
    const { code, stdout } = await stingy(["status"], { env: emulator.env });
    expect(stdout).to.contain(
      `  ! The address ${site.address} is on nothing, not on the server ${site.instanceId}.\n    The controller puts it back`,
    );
    expect(code).to.equal(2);
  });

  it("ends with 2 where an alarm rings", async () => {
    await emulator.cloudwatch.send(
      new SetAlarmStateCommand({
        AlarmName: "stingy-vpn-prod-tokyo-needs-person",
        StateValue: "ALARM",
        StateReason: "test",
      }),
    );
    const { code, stdout } = await stingy(["status"], { env: emulator.env });
    expect(stdout).to.contain("  Alarms      1 of 1 ring\n");
    // The pointer once, though the alarm has it too.
    expect(stdout).to.match(
      / {2}! Alarm stingy-vpn-prod-tokyo-needs-person, .*: A person is needed\.\n +See docs\/runbook\.md#needs-person,/,
    );
    expect(code).to.equal(2);
  });

  it("is not concerned by the alarms of a site whose name begins alike", async () => {
    await emulator.cloudwatch.send(
      new PutMetricAlarmCommand({
        AlarmName: "stingy-vpn-prod-tokyo-two-needs-person",
        ComparisonOperator: "GreaterThanThreshold",
        EvaluationPeriods: 1,
        Namespace: "StingyVPN",
        MetricName: "Problems",
        Period: 300,
        Statistic: "Sum",
        Threshold: 0,
      }),
    );
    const config = path.join(folderWith({ "stingy.yaml": TWO_SITES }), "stingy.yaml");
    const { code, stdout } = await stingy(["status", "--config", config, "--site", "tokyo"], { env: emulator.env });
    expect(stdout).to.contain("  Alarms      1, all quiet\n");
    expect(code).to.equal(0);
    const alone = await stingy(["status"], { env: emulator.env });
    expect(alone.stdout).to.contain("  Alarms      2, all quiet\n");
  });

  it("says that a paused site is paused", async () => {
    await emulator.ec2.send(new TerminateInstancesCommand({ InstanceIds: [site.instanceId] }));
    await emulator.put("desired-state", "stopped");
    const { code, stdout } = await stingy(["status"], { env: emulator.env });
    expect(stdout).to.contain("  ! The site is paused: there is no server.\n    Resume it: npx stingy server resume");
    expect(code).to.equal(2);
  });

  it("shows the rest where one API is refused", async () => {
    const { url, server } = await refusing(
      "application/x-amz-json-1.0",
      '{"__type":"AccessDeniedException","message":"not for you"}',
    );
    try {
      const env = { ...emulator.env, AWS_ENDPOINT_URL_CLOUDWATCH: url };
      const { code, stdout } = await stingy(["status"], { env });
      expect(stdout.match(/^ {2}(Peers|Traffic|Alarms) +not permitted$/gm)).to.have.length(3);
      expect(stdout).to.contain(`Elastic IP on the server`);
      expect(code).to.equal(0);
    } finally {
      server.close();
    }
  });

  it("says that a site is not deployed, and what to do", async () => {
    await emulator.reset();
    const { code, stdout, stderr } = await stingy(["status"], { env: emulator.env });
    expect(stdout).to.equal("");
    expect(stderr).to.equal(
      `error: The site prod-tokyo is not deployed: ap-northeast-1 has nothing under ${STORE}.\n` +
        "Run `npx cdktf deploy '*'`. If it is deployed, check AWS_PROFILE and the setting `region`: this may be another account or region.\n",
    );
    expect(code).to.equal(1);
  });

  it("says that there are no credentials", async () => {
    const { code, stderr } = await stingy(["status"], { env: { AWS_ENDPOINT_URL: emulator.url } });
    expect(stderr).to.match(/^error: There are no AWS credentials\.\nRun `aws configure/);
    expect(code).to.equal(1);
  });

  it("gives the cursor back at Ctrl-C while AWS does not answer", async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = silent.address() as AddressInfo;
      const env = { ...emulator.env, AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` };
      const { code, stdout } = await inTerminal(["status"], [{ on: "Looking at the site", type: "\x03" }], { env });
      expect(stdout.slice(stdout.lastIndexOf("\x1b[?25l"))).to.contain("\x1b[?25h");
      expect(code).to.equal(130);
    } finally {
      silent.closeAllConnections();
      silent.close();
    }
  });

  it("refuses an interval that is none", async () => {
    const { code, stderr } = await stingy(["status", "--watch", "often"], { env: emulator.env });
    expect(stderr).to.equal(
      "error: --watch often is no number of seconds.\nGive a whole number from 1 to 3600; 5 without one.\n",
    );
    expect(code).to.equal(64);
  });

  describe("--watch", () => {
    /** Ctrl-C, when that many answers have come. */
    const interruptAfter = (answers: number, mark: RegExp) => ({
      env: emulator.env,
      during: (child: import("node:child_process").ChildProcess, said: () => string) => {
        child.stdout?.on("data", () => {
          if ((said().match(mark)?.length ?? 0) >= answers) child.kill("SIGINT");
        });
      },
    });

    it("shows it again, one screen after the other where there is no terminal, until Ctrl-C", async () => {
      const { code, stdout, stderr } = await stingy(["status", "--watch", "1"], interruptAfter(2, /Ctrl-C ends it/g));
      expect(stdout.match(/^prod-tokyo in ap-northeast-1: serving$/gm)).to.have.length(2);
      expect(stdout).to.match(/Z, every 1 s, Ctrl-C ends it\n\nprod-tokyo/);
      expect(stdout).not.to.contain("\x1b");
      expect(stderr).to.equal("");
      expect(code).to.equal(0);
    });

    it("prints one JSON object a line", async () => {
      const { code, stdout } = await stingy(["status", "--watch", "1", "--json"], interruptAfter(2, /\n/g));
      const reports = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(reports.map(({ verdict }) => verdict)).to.deep.equal(["serving", "serving"]);
      expect(code).to.equal(0);
    });

    it("draws over what was there in a terminal", async () => {
      const { code, stdout } = await inTerminal(
        ["status", "--watch", "1"],
        [
          { on: "Ctrl-C ends it", type: "" },
          { on: "Ctrl-C ends it", type: "\x03" },
        ],
        { env: emulator.env },
      );
      expect(stdout.split("\x1b[2J")).to.have.length(2);
      expect(stdout.split("\x1b[H").length).to.be.greaterThan(2);
      expect(code).to.equal(0);
    });

    it("goes on when AWS is away for a while, and says so", async () => {
      const { code, stdout } = await stingy(["status", "--watch", "1"], {
        env: emulator.env,
        during: (child, said) => {
          let gone = false;
          child.stdout?.on("data", async () => {
            if (!gone) {
              gone = true;
              await emulator.reset();
            }
            if (said().includes("It is tried again.")) child.kill("SIGINT");
          });
        },
      });
      expect(stdout).to.contain(
        "The site prod-tokyo is not deployed: ap-northeast-1 has nothing under /stingy-vpn/prod.\nIt is",
      );
      expect(code).to.equal(0);
    });
  });
});

const MORE_RECIPIENTS = `
sites:
  tokyo:
    monitoring: { emails: [me@example.com, you@example.com], webhook: ntfy }
`;

const TWO_SITES = `
sites:
  tokyo: {}
  tokyo-two:
    storePrefix: /stingy-vpn/two
    network:
      vpcCidr: 10.1.0.0/16
    tunnel:
      ipv4: 10.8.1.0/24
      ipv6: fd53:7469:6e67:1::/64
`;
