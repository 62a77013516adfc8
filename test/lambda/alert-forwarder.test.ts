import { execFile } from "node:child_process";
import path from "node:path";
import { DeleteParameterCommand, PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { expect } from "chai";
import { bundleFunctions } from "../../modules/lambda";
import { FakeWebhook } from "../assets/lambda/fake-webhook";
import { Moto } from "../e2e/emulator/moto";

const STORE = "/stingy-vpn/prod";
const PARAMETER = `${STORE}/webhook-url`;
const SECRET = "tk-0123456789abcdef";
const RUNBOOK = "https://github.com/me/vpn/blob/main/docs/runbook.md#disk";
const DASHBOARD = "https://ap-northeast-1.console.aws.amazon.com/cloudwatch/home#dashboards/dashboard/vpn";
const ALARM = {
  AlarmName: "stingy-vpn-prod-tokyo-disk",
  AlarmDescription: `The disk is nearly full. What to do: ${RUNBOOK}`,
  NewStateValue: "ALARM",
  NewStateReason: "Threshold Crossed: 91 > 85",
  StateChangeTime: "2026-11-21T12:00:00.000+0000",
};
/** What Lambda does with the file: its answer, or what it threw, goes where the function's own words do not. */
const LAMBDA = `
  require(process.argv[1]).handler(JSON.parse(process.argv[2])).then(
    (answer) => console.error(JSON.stringify({ answer })),
    (error) => console.error(JSON.stringify({ errorType: error.name, errorMessage: error.message })),
  );
`;

describe("the alert forwarder's bundle, in a process of its own", () => {
  const webhook = new FakeWebhook();
  let moto: Moto | undefined;
  let ssm: SSMClient;

  before(async () => {
    await webhook.start();
    moto = await Moto.start();
    ssm = new SSMClient(moto.sdk);
  });

  after(async () => {
    await webhook.stop();
    await moto?.stop();
  });

  beforeEach(async () => {
    webhook.reset();
    await moto?.reset();
    await ssm.send(
      new PutParameterCommand({
        Name: PARAMETER,
        Type: "SecureString",
        Value: `${webhook.origin}/alerts?auth=${SECRET}\n`,
      }),
    );
  });

  function run(WEBHOOK: string, ...messages: unknown[]) {
    const file = path.join(bundleFunctions()["alert-forwarder"], "index.js");
    const Records = messages.map((message) => ({
      EventSource: "aws:sns",
      Sns: { Subject: "A subject", Message: typeof message === "string" ? message : JSON.stringify(message) },
    }));
    const env = {
      ...moto?.env,
      AWS_REGION: "ap-northeast-1",
      AWS_LAMBDA_FUNCTION_NAME: "stingy-vpn-prod-tokyo-alert-forwarder",
      ENVIRONMENT: "prod",
      SITE: "tokyo",
      STORE_PREFIX: STORE,
      DASHBOARD_URL: DASHBOARD,
      LOG_LEVEL: "info",
      WEBHOOK,
    };
    return new Promise<{ lines: Record<string, unknown>[]; result: Record<string, string>; output: string }>(
      (resolve, reject) => {
        execFile(
          process.execPath,
          ["--no-warnings", "-e", LAMBDA, file, JSON.stringify({ Records })],
          { env },
          (error, stdout, stderr) => {
            if (error) return reject(error);
            const lines = stdout.split("\n").filter((line) => line !== "");
            resolve({
              lines: lines.map((line) => JSON.parse(line)),
              result: JSON.parse(stderr),
              output: stdout + stderr,
            });
          },
        );
      },
    );
  }

  it("posts an alarm to Slack", async () => {
    const { lines, result } = await run("slack", ALARM);
    expect(result).to.deep.equal({ answer: { sent: 1 } });
    expect(webhook.told.map(({ method, path: where, body }) => [method, where, JSON.parse(body)])).to.deep.equal([
      [
        "POST",
        `/alerts?auth=${SECRET}`,
        {
          text:
            "*ALARM stingy-vpn-prod-tokyo-disk*\nThe disk is nearly full.\nThreshold Crossed: 91 &gt; 85\n" +
            `<${RUNBOOK}|Runbook> | <${DASHBOARD}|Dashboard>`,
        },
      ],
    ]);
    expect(lines.map(({ message, title }) => [message, title])).to.deep.equal([
      ["passed on", "ALARM stingy-vpn-prod-tokyo-disk"],
    ]);
  });

  it("posts an alarm to ntfy, where a word of another language is in its name", async () => {
    expect((await run("ntfy", { ...ALARM, AlarmName: "tōkyō" })).result).to.deep.equal({ answer: { sent: 1 } });
    expect(webhook.told[0]?.headers).to.include({
      title: `=?UTF-8?B?${Buffer.from("ALARM tōkyō").toString("base64")}?=`,
      priority: "high",
      click: RUNBOOK,
    });
    expect(webhook.told[0]?.body).to.equal(`The disk is nearly full.\nThreshold Crossed: 91 > 85\n${DASHBOARD}`);
  });

  it("posts each message to anything else, with what it was", async () => {
    expect((await run("json", ALARM, "a test")).result).to.deep.equal({ answer: { sent: 2 } });
    const told = webhook.told.map(({ body }) => JSON.parse(body));
    expect(told.map(({ version, title, message }) => [version, title, message])).to.have.deep.members([
      [1, "ALARM stingy-vpn-prod-tokyo-disk", ALARM],
      [1, "A subject", "a test"],
    ]);
  });

  it("tries again what was too fast", async () => {
    webhook.script({ status: 429, headers: { "retry-after": "0" }, body: "rate_limited" });
    const { lines, result } = await run("slack", ALARM);
    expect(result).to.deep.equal({ answer: { sent: 1 } });
    expect(lines.map(({ level }) => level)).to.deep.equal(["warn", "info"]);
  });

  it("fails and counts it where the service refuses, and says nowhere what the URL is", async () => {
    webhook.answer = ({ path: where }) => ({ status: 404, body: `Cannot POST ${where}, there is no ${SECRET}` });
    const { lines, result, output } = await run("slack", ALARM);
    expect(result.errorMessage).to.match(
      /^Posting "ALARM stingy-vpn-prod-tokyo-disk" to the webhook \(slack\): HTTP 404 Cannot POST \[secret\], there is no \[secret\]\. Check/,
    );
    expect(webhook.told).to.have.length(1);
    expect(lines.filter((line) => "_aws" in line)).to.have.length(1);
    expect(lines.at(-1)).to.include({ Site: "tokyo", Environment: "prod", AlertsLost: 1 });
    expect(output).to.not.include(SECRET);
  });

  it("fails and counts it where there is no URL, and says how to write one", async () => {
    await ssm.send(new DeleteParameterCommand({ Name: PARAMETER }));
    const { lines, result } = await run("slack", ALARM);
    expect(result.errorMessage).to.match(
      /^Parameter \/stingy-vpn\/prod\/webhook-url does not exist or is empty\. Write .*`aws ssm put-parameter --name \/stingy-vpn\/prod\/webhook-url .*`\.$/,
    );
    expect(lines.at(-1)).to.include({ AlertsLost: 1 });
    expect(webhook.told).to.deep.equal([]);
  });
});
