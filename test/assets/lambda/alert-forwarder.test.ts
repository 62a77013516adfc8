import { expect } from "chai";
import fc from "fast-check";
import { createHandler } from "../../../assets/lambda/alert-forwarder";
import { WEBHOOKS } from "../../../assets/lambda/alert-forwarder/formats";
import { createMetrics } from "../../../assets/lambda/shared/metrics";
import { scrub } from "../../../assets/lambda/shared/secret";
import { type Answer as AwsAnswer, BROKEN_CONNECTION, FakeAws, failure, json } from "./fake-aws";
import type { Answer } from "./fake-cloudflare";
import { FakeWebhook, OK } from "./fake-webhook";

const PATH = "/services/T0AB/xoxb-0123456789";
const PARAMETER = "/stingy-vpn/prod/webhook-url";
const DASHBOARD = "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/vpn";
const RUNBOOK = "https://github.com/me/vpn/blob/main/docs/runbook.md#no-server";
const NEW_URL =
  "Write the URL that the service gives, from standard input (paste it, then Enter and Ctrl-D): " +
  `\`aws ssm put-parameter --name ${PARAMETER} --type SecureString --overwrite --value file:///dev/stdin\`.`;
const LATER = "Lambda tries a failed run twice more; after that the message lies in the dead-letter queue.";

const ALARM = {
  AlarmName: "stingy-vpn-prod-tokyo-no-server",
  AlarmDescription: `Nobody serves: all devices are cut off. What to do: ${RUNBOOK}`,
  AWSAccountId: "123456789012",
  NewStateValue: "ALARM",
  NewStateReason: "Threshold Crossed: 3 datapoints [1.0, 1.0, 1.0] were greater than the threshold (0.0).",
  StateChangeTime: "2026-11-21T12:00:00.123+0000",
  Region: "Asia Pacific (Tokyo)",
  AlarmArn: "arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:stingy-vpn-prod-tokyo-no-server",
  OldStateValue: "OK",
};
const TITLE = "ALARM stingy-vpn-prod-tokyo-no-server";
const TEXT = "Nobody serves: all devices are cut off.";

const record = (Message: unknown, fields: object = {}) => ({
  EventSource: "aws:sns",
  Sns: {
    Subject: 'ALARM: "stingy-vpn-prod-tokyo-no-server" in Asia Pacific (Tokyo)',
    Message: typeof Message === "string" ? Message : JSON.stringify(Message),
    Timestamp: "2026-11-21T12:00:01.000Z",
    TopicArn: "arn:aws:sns:ap-northeast-1:123456789012:stingy-vpn-prod-tokyo-alerts",
    ...fields,
  },
});
const alarm = (fields: object = {}) => record({ ...ALARM, ...fields });

describe("alert-forwarder", () => {
  const aws = new FakeAws();
  const webhook = new FakeWebhook();
  let url: string | undefined;
  let clock: number;
  let waits: number[];
  let metrics: string[];

  before(() => Promise.all([aws.start(), webhook.start()]));
  after(() => Promise.all([aws.stop(), webhook.stop()]));

  beforeEach(() => {
    url = `${webhook.origin}${PATH}`;
    clock = Date.parse("2026-11-21T12:00:00Z");
    waits = [];
    metrics = [];
    webhook.reset();
    aws.reset({
      GetParameter: ({ Name, WithDecryption }) =>
        url === undefined || Name !== PARAMETER || WithDecryption !== true
          ? json({ __type: "ParameterNotFound" }, 400)
          : json({ Parameter: { Name, Value: url } }),
    });
  });

  function run(variables: Record<string, string>, event: unknown) {
    const environment = {
      SITE: "tokyo",
      ENVIRONMENT: "prod",
      STORE_PREFIX: "/stingy-vpn/prod",
      WEBHOOK: "slack",
      DASHBOARD_URL: DASHBOARD,
      AWS_LAMBDA_FUNCTION_NAME: "forwarder",
      ...variables,
    };
    return createHandler(environment, {
      sdk: aws.sdk,
      log: aws.log,
      metrics: createMetrics({ Site: "tokyo", Environment: "prod" }, (line) => metrics.push(line)),
      now: () => clock,
      sleep: async (ms) => {
        waits.push(ms);
        clock += ms;
      },
      random: () => 0.5,
    })(event);
  }

  const send = (WEBHOOK: string, ...records: unknown[]) => run({ WEBHOOK }, { Records: records });
  const messageOf = async (...records: unknown[]) => (await failure(send("slack", ...records))).message;
  const logged = () => aws.lines.map((line) => JSON.parse(line));
  const lost = () => metrics.map((line) => JSON.parse(line).AlertsLost);
  const bodies = () => webhook.told.map(({ body }) => body);
  /** What the webhook is told of one record: the headers that are the format's own, and the body. */
  const told = async (kind: string, one: unknown, variables: Record<string, string> = {}) => {
    webhook.told.length = 0;
    expect(await run({ WEBHOOK: kind, ...variables }, { Records: [one] })).to.deep.equal({ sent: 1 });
    expect(webhook.told).to.have.length(1);
    const [{ headers, body } = { headers: {}, body: "" }] = webhook.told;
    const own = ["content-type", "title", "priority", "tags", "click"];
    return { ...Object.fromEntries(Object.entries(headers).filter(([name]) => own.includes(name))), body };
  };
  const slackText = async (one: unknown, variables?: Record<string, string>) =>
    JSON.parse((await told("slack", one, variables)).body).text;

  it("leaves out that an alarm which was just made is quiet", async () => {
    expect(await send("slack", alarm({ NewStateValue: "OK", OldStateValue: "INSUFFICIENT_DATA" }))).to.deep.equal({
      sent: 1,
    });
    expect(webhook.told).to.deep.equal([]);
  });

  it("reads the URL from the store, posts once, and says so", async () => {
    expect(await send("slack", alarm())).to.deep.equal({ sent: 1 });
    expect(aws.calls.map(({ operation, input }) => [operation, input])).to.deep.equal([
      ["GetParameter", { Name: PARAMETER, WithDecryption: true }],
    ]);
    expect(webhook.told.map(({ method, path }) => [method, path])).to.deep.equal([["POST", PATH]]);
    expect(logged().map(({ time, ...entry }) => entry)).to.deep.equal([
      { level: "info", message: "passed on", title: TITLE },
    ]);
    expect(metrics).to.deep.equal([]);
  });

  it("reads the URL again in each run", async () => {
    const handler = createHandler(
      { SITE: "tokyo", ENVIRONMENT: "prod", STORE_PREFIX: "/stingy-vpn/prod", WEBHOOK: "json" },
      { sdk: aws.sdk, log: aws.log },
    );
    await handler({ Records: [alarm()] });
    url = `${webhook.origin}/another-place`;
    await handler({ Records: [alarm()] });
    expect(webhook.told.map(({ path }) => path)).to.deep.equal([PATH, "/another-place"]);
  });

  describe("in Slack", () => {
    it("is a bold title, the text, the reason, and the links", async () => {
      expect(await told("slack", alarm())).to.deep.equal({
        "content-type": "application/json",
        body: JSON.stringify({
          text: [`*${TITLE}*`, TEXT, ALARM.NewStateReason, `<${RUNBOOK}|Runbook> | <${DASHBOARD}|Dashboard>`].join(
            "\n",
          ),
        }),
      });
    });

    it("says that it is over", async () => {
      expect(await slackText(alarm({ NewStateValue: "OK", OldStateValue: "ALARM" }))).to.match(
        /^\*OK stingy-vpn-prod-tokyo-no-server\*\n/,
      );
    });

    it("calls nobody and links nothing that the message has: its control characters are text", async () => {
      const strange = alarm({
        AlarmName: "a<b>&amp;",
        AlarmDescription: "<!channel> R&D <https://example.com|click>",
        NewStateReason: "1 < 2 && 3 > 2",
      });
      expect(await slackText(strange)).to.equal(
        "*ALARM a&lt;b&gt;&amp;amp;*\n" +
          "&lt;!channel&gt; R&amp;D &lt;https://example.com|click&gt;\n" +
          "1 &lt; 2 &amp;&amp; 3 &gt; 2\n" +
          `<${DASHBOARD}|Dashboard>`,
      );
    });

    it("has links that end where they should", async () => {
      expect(await slackText(record("Hello", { Subject: "" }), { DASHBOARD_URL: "https://x/?a=1&b=<c>|d" })).to.equal(
        "*stingy-vpn prod tokyo*\nHello\n<https://x/?a=1&amp;b=&lt;c&gt;%7Cd|Dashboard>",
      );
    });

    it("leaves out what there is not", async () => {
      const bare = { AlarmName: "vpn-disk", NewStateValue: "OK", AlarmDescription: null };
      expect(await slackText(record(bare), { DASHBOARD_URL: "" })).to.equal("*OK vpn-disk*");
    });
  });

  describe("in ntfy", () => {
    it("is the text and the reason, with the title, how urgent it is, and what opens it", async () => {
      expect(await told("ntfy", alarm())).to.deep.equal({
        "content-type": "text/plain; charset=utf-8",
        title: TITLE,
        priority: "high",
        tags: "rotating_light,prod-tokyo",
        click: RUNBOOK,
        body: [TEXT, ALARM.NewStateReason, DASHBOARD].join("\n"),
      });
    });

    it("is quiet where it is over, and opens the dashboard where the description has no link", async () => {
      expect(await told("ntfy", alarm({ NewStateValue: "OK", AlarmDescription: "It serves." }))).to.deep.equal({
        "content-type": "text/plain; charset=utf-8",
        title: "OK stingy-vpn-prod-tokyo-no-server",
        priority: "low",
        tags: "white_check_mark,prod-tokyo",
        click: DASHBOARD,
        body: `It serves.\n${ALARM.NewStateReason}`,
      });
    });

    for (const [name, one] of [
      ["an alarm without data", alarm({ NewStateValue: "INSUFFICIENT_DATA" })],
      ["an alarm in a state that nobody knows", alarm({ NewStateValue: "constructor" })],
      ["a person's word", record("Hello")],
    ] as const) {
      it(`is neither urgent nor quiet: ${name}`, async () => {
        expect(await told("ntfy", one)).to.include({ priority: "default", tags: "prod-tokyo" });
      });
    }

    it("opens nothing where there is no link", async () => {
      expect(await told("ntfy", record("Hello"), { DASHBOARD_URL: "" })).to.not.have.property("click");
    });

    it("has headers of one line of ASCII: anything else as RFC 2047 says", async () => {
      const { title } = (await told(
        "ntfy",
        record("Hello", { Subject: "Späť\r\nX-Evil: 1\u0000\u2028 🔥" }),
      )) as Record<string, string>;
      expect(title).to.match(/^=\?UTF-8\?B\?[A-Za-z0-9+/]+=*\?=$/);
      const [, base64 = ""] = /B\?(.*)\?=$/.exec(title ?? "") ?? [];
      expect(Buffer.from(base64, "base64").toString()).to.equal("Späť X-Evil: 1 🔥");
      expect(await told("ntfy", record("Hello", { Subject: " One\ttwo\nthree " }))).to.include({
        title: "One two three",
      });
    });

    it("keeps the URL's query, in which a token may be", async () => {
      url = `${webhook.origin}/alerts?auth=QmVhcmVyIHRrXzAxMjM0NTY&up=0`;
      await told("ntfy", alarm());
      expect(webhook.told[0]?.path).to.equal("/alerts?auth=QmVhcmVyIHRrXzAxMjM0NTY&up=0");
    });

    it("stays below what ntfy takes for a file or refuses, without half a character", async () => {
      const long = alarm({
        AlarmName: "ä".repeat(500),
        AlarmDescription: `${"語".repeat(5_000)} ${RUNBOOK}`,
        NewStateReason: "🔥".repeat(5_000),
      });
      const { title = "", body } = (await told("ntfy", long)) as Record<string, string> & { body: string };
      expect(Buffer.byteLength(title)).to.be.below(1_024);
      expect(Buffer.byteLength(body)).to.be.below(4_096);
      expect(body).to.match(/^語{800,}…\n🔥{200,}…\nhttps:/u);
      expect(Buffer.from(/B\?(.*)\?=$/.exec(title)?.[1] ?? "", "base64").toString()).to.match(/^ALARM ä{100,}…$/);
    });
  });

  describe("in JSON", () => {
    const parsed = async (one: unknown, variables?: Record<string, string>) =>
      JSON.parse((await told("json", one, variables)).body);

    it("is everything, with the original", async () => {
      expect((await told("json", alarm()))["content-type" as "body"]).to.equal("application/json");
      expect(await parsed(alarm())).to.deep.equal({
        version: 1,
        site: "tokyo",
        environment: "prod",
        state: "ALARM",
        alarm: "stingy-vpn-prod-tokyo-no-server",
        title: TITLE,
        text: TEXT,
        reason: ALARM.NewStateReason,
        at: "2026-11-21T12:00:00.123Z",
        links: { runbook: RUNBOOK, dashboard: DASHBOARD },
        message: ALARM,
      });
    });

    it("has nulls where the message is no alarm's", async () => {
      const budget = "Dear AWS Customer,\n\nYou requested that we alert you when the cost is greater than $12.00.\n";
      expect(
        await parsed(record(budget, { Subject: "AWS Budgets: stingy-vpn has exceeded your alert threshold" })),
      ).to.deep.equal({
        version: 1,
        site: "tokyo",
        environment: "prod",
        state: null,
        alarm: null,
        title: "AWS Budgets: stingy-vpn has exceeded your alert threshold",
        text: budget.trim(),
        reason: null,
        at: "2026-11-21T12:00:01.000Z",
        links: { dashboard: DASHBOARD },
        message: budget,
      });
    });

    it("has the time of the message where the alarm has none, and no reason where there is none", async () => {
      const bare = { AlarmName: "vpn-disk", NewStateValue: "OK" };
      expect(await parsed(record(bare))).to.include({ at: "2026-11-21T12:00:01.000Z", text: "", reason: null });
      expect(await parsed(record(bare, { Timestamp: "yesterday" }))).to.include({ at: null });
    });

    it("has the whole original, however long", async () => {
      const { text, message } = await parsed(record("x".repeat(200_000)));
      expect([text.length, message.length]).to.deep.equal([2_498, 200_000]);
    });
  });

  describe("the runbook's link", () => {
    for (const [description, text, runbook] of [
      [`It is bad. What to do: ${RUNBOOK}`, "It is bad.", RUNBOOK],
      [`It is bad. ${RUNBOOK}`, "It is bad.", RUNBOOK],
      [`${RUNBOOK}\nIt is bad.`, "It is bad.", RUNBOOK],
      [
        "It is bad. What to do: docs/runbook.md#no-server",
        "It is bad. What to do: docs/runbook.md#no-server",
        undefined,
      ],
      [
        "It is bad: https://example.com/docs/other.md#no-server",
        "It is bad: https://example.com/docs/other.md#no-server",
        undefined,
      ],
    ] as const) {
      it(`is taken out of the text, where it can be opened: ${JSON.stringify(description)}`, async () => {
        const alert = JSON.parse((await told("json", alarm({ AlarmDescription: description }))).body);
        expect([alert.text, alert.links.runbook]).to.deep.equal([text, runbook]);
      });
    }
  });

  describe("odd input", () => {
    const text = async (event: unknown) => {
      expect(await run({ DASHBOARD_URL: "" }, event)).to.deep.equal({ sent: 1 });
      return JSON.parse(bodies().at(-1) ?? "").text;
    };

    for (const [name, event, expected] of [
      [
        "JSON of something else",
        { Records: [record('{"hello": [1]}', { Subject: "Test" })] },
        '*Test*\n{"hello": [1]}',
      ],
      [
        "JSON that is cut off",
        { Records: [record('{"AlarmName":"a"', { Subject: "Test" })] },
        '*Test*\n{"AlarmName":"a"',
      ],
      [
        "an alarm without a state",
        { Records: [record({ AlarmName: "a" }, { Subject: null })] },
        '*stingy-vpn prod tokyo*\n{"AlarmName":"a"}',
      ],
      [
        "a name that is no text",
        { Records: [record({ ...ALARM, AlarmName: 7 }, { Subject: "" })] },
        /^\*stingy-vpn prod tokyo\*\n\{/,
      ],
      ["a message that is no text", { Records: [{ Sns: { Message: 7 } }] }, "*stingy-vpn prod tokyo*\n7"],
      ["an empty message", { Records: [record("")] }, /^\*ALARM: /],
      ["a record of something else", { Records: [{ s3: {} }] }, '*stingy-vpn prod tokyo*\n{"s3":{}}'],
      ["a record that is nothing", { Records: [null] }, "*stingy-vpn prod tokyo*"],
      ["an event of something else", { source: "aws.s3" }, '*stingy-vpn prod tokyo*\n{"source":"aws.s3"}'],
      ["an event that is a text", "hello", "*stingy-vpn prod tokyo*\nhello"],
      ["no event", undefined, "*stingy-vpn prod tokyo*"],
      ["an alarm by itself", ALARM, /^\*ALARM stingy-vpn-prod-tokyo-no-server\*\n/],
    ] as [string, unknown, string | RegExp][]) {
      it(`is passed on: ${name}`, async () => {
        const sent = await text(event);
        if (typeof expected === "string") expect(sent).to.equal(expected);
        else expect(sent).to.match(expected);
      });
    }

    it("is none at all: nothing is read, sent or missed", async () => {
      expect(await run({}, { Records: [] })).to.deep.equal({ sent: 0 });
      await send("slack", alarm());
      expect([webhook.told.length, aws.calls.length, metrics.length]).to.deep.equal([1, 1, 0]);
    });

    it("never keeps anything from being sent, in any format", async () => {
      const sns = fc.record(
        {
          Subject: fc.oneof(fc.string({ unit: "binary" }), fc.jsonValue()),
          Message: fc.oneof(
            fc.string({ unit: "binary" }),
            fc.jsonValue(),
            fc.json(),
            fc
              .record({
                AlarmName: fc.jsonValue(),
                NewStateValue: fc.jsonValue(),
                AlarmDescription: fc.jsonValue(),
                StateChangeTime: fc.jsonValue(),
              })
              .map((each) => JSON.stringify(each)),
            fc
              .record({
                AlarmName: fc.string({ unit: "binary" }),
                NewStateValue: fc.string({ unit: "binary" }),
                NewStateReason: fc.string({ unit: "binary" }),
              })
              .map((each) => JSON.stringify(each)),
          ),
          Timestamp: fc.oneof(fc.string(), fc.jsonValue()),
        },
        { requiredKeys: [] },
      );
      const records = fc.array(fc.oneof(fc.record({ Sns: fc.oneof(sns, fc.jsonValue()) }), fc.jsonValue()), {
        maxLength: 4,
      });
      await fc.assert(
        fc.asyncProperty(records, fc.constantFrom(...WEBHOOKS), async (Records, WEBHOOK) => {
          webhook.told.length = 0;
          // As Lambda brings it.
          const event = JSON.parse(JSON.stringify({ Records }));
          expect(await run({ WEBHOOK }, event)).to.deep.equal({ sent: Records.length });
          expect(webhook.told).to.have.length(Records.length);
        }),
        { numRuns: 150 },
      );
    });
  });

  describe("the URL", () => {
    it("is missing or empty: one line with the command that writes it", async () => {
      const message = `Parameter ${PARAMETER} does not exist or is empty. ${NEW_URL}`;
      for (const value of [undefined, "", "  \n"]) {
        url = value;
        aws.lines.length = 0;
        expect(await messageOf(alarm(), alarm())).to.equal(message);
        expect(logged().map(({ level, error }) => [level, error])).to.deep.equal([
          ["error", { name: "StingyError", message, code: "parameter-missing" }],
        ]);
      }
      expect(lost()).to.deep.equal([2, 2, 2]);
    });

    for (const value of [
      "not-a-url-at-all",
      "http://hooks.example.com/T0/secret-0123",
      "http://127.0.0.1.example.com/secret-0123",
      "ftp://127.0.0.1/secret-0123",
      "https://someone:secret-0123@hooks.example.com/T0",
      "https://secret-0123@hooks.example.com/T0",
      "https://hooks.example.com/T0 /secret-0123",
      "https://hooks.example.com/T0\n/secret-0123",
      "https://hooks.example.com/a-secret\nhttps://hooks.example.com/b-secret",
    ]) {
      it(`is refused before it is used: ${JSON.stringify(value)}`, async () => {
        url = value;
        const message =
          `${PARAMETER} is not a URL to post to: allowed is one https URL, or an http URL of 127.0.0.1, ` +
          `without user and password before its host. ${NEW_URL}`;
        expect(await messageOf(alarm())).to.equal(message);
        expect(logged()[0].error.code).to.equal("url-malformed");
        expect(scrub(`Cannot GET ${value}`)).to.equal("Cannot GET [secret]");
        expect(aws.lines.join("")).to.not.match(/secret-0123|[ab]-secret|not-a-url/);
        expect(webhook.told).to.deep.equal([]);
      });
    }

    it("may end in a line break, as standard input does", async () => {
      url = `${webhook.origin}${PATH}\n`;
      await send("slack", alarm());
      expect(webhook.told[0]?.path).to.equal(PATH);
    });

    it("may be https, where it counts who answers", async () => {
      url = `${webhook.origin.replace("http:", "https:")}${PATH}`;
      expect(await messageOf(alarm())).to.match(/: no answer \(\w+\)\. Given up after 3 attempts\. /);
    });

    for (const [answer, reason] of [
      [json({ __type: "AccessDeniedException", message: PATH }, 400), "AccessDeniedException"],
      [json({ __type: PATH, message: PATH }, 418), "HTTP 418"],
      [{ status: 200, body: PATH }, "HTTP 200"],
      [BROKEN_CONNECTION, "TimeoutError"],
    ] as [AwsAnswer, string][]) {
      it(`is not given by SSM: ${reason}`, async () => {
        aws.answer("GetParameter", () => answer);
        expect(await messageOf(alarm())).to.equal(`SSM did not give ${PARAMETER}: ${reason}.`);
        expect(aws.lines.join("")).to.not.include(PATH);
        expect(lost()).to.deep.equal([1]);
      });
    }
  });

  describe("attempts", () => {
    const POSTING = `Posting "${TITLE}" to the webhook (slack)`;
    const DOWN: Answer = { status: 503, body: "<html>\n<h1>down</h1></html>" };

    it("are three, with pauses that grow", async () => {
      webhook.answer = () => DOWN;
      expect(await messageOf(alarm())).to.equal(
        `${POSTING}: HTTP 503 <html> <h1>down</h1></html>. Given up after 3 attempts. ${LATER}`,
      );
      expect(webhook.told).to.have.length(3);
      expect(waits).to.deep.equal([500, 1000]);
      expect(new Set(bodies()).size).to.equal(1);
      expect(logged().map(({ level }) => level)).to.deep.equal(["warn", "warn", "error"]);
    });

    for (const [name, answer] of [
      ["a server that is down", DOWN],
      ["a server's error", { status: 500, body: "rollup_error" }],
      ["a broken connection", "break"],
      ["HTTP 429 without a Retry-After", { status: 429, body: "rate_limited" }],
      ["HTTP 429 with a Retry-After that says nothing", { status: 429, body: "", headers: { "retry-after": "soon" } }],
    ] as [string, Answer][]) {
      it(`heal ${name}`, async () => {
        webhook.script(answer);
        expect(await send("slack", alarm())).to.deep.equal({ sent: 1 });
        expect(waits).to.deep.equal([500]);
        expect(metrics).to.deep.equal([]);
      });
    }

    for (const [name, status, value] of [
      ["seconds", 429, "7"],
      ["a date", 429, "Sat, 21 Nov 2026 12:00:07 GMT"],
      ["seconds, of a server that is down", 503, "7"],
    ] as const) {
      it(`wait as long as Retry-After says: ${name}`, async () => {
        webhook.script({ status, headers: { "retry-after": value }, body: "" });
        await send("slack", alarm());
        expect(waits).to.deep.equal([7_500]);
      });
    }

    it("are given up when the next would not fit into the run, and it says so", async () => {
      webhook.script({ status: 429, headers: { "retry-after": "3600" }, body: "rate_limited" });
      expect(await messageOf(alarm())).to.equal(
        `${POSTING}: HTTP 429 rate_limited. Given up after attempt 1: the next is due in 3600.5 s, and this run has 50 s left. ${LATER}`,
      );
      expect([waits, webhook.told.length]).to.deep.equal([[], 1]);
    });

    it("share the run's time", async () => {
      const busy: Answer = { status: 429, headers: { "retry-after": "30" }, body: "" };
      webhook.script(busy, busy);
      expect(await messageOf(alarm())).to.match(
        /Given up after attempt 2: the next is due in 31 s, and this run has 19.5 s left/,
      );
    });

    it("do not outlive the run: what has no time left is not begun", async () => {
      aws.answer("GetParameter", (input, usual) => {
        clock += 50_000;
        return usual?.(input);
      });
      expect(await messageOf(alarm())).to.equal(`${POSTING}: not tried, this run has no time left.`);
      expect(webhook.told).to.deep.equal([]);
    });

    it("do not wait for an answer that does not come", async () => {
      webhook.answer = () => "silence";
      aws.answer("GetParameter", (input, usual) => {
        clock += 49_900;
        return usual?.(input);
      });
      expect(await messageOf(alarm())).to.equal(
        `${POSTING}: no answer (within 100 ms). Given up after attempt 1: the next is due in 0.5 s, and this run has 0.1 s left. ${LATER}`,
      );
    });

    for (const [status, body] of [
      [400, "invalid_payload"],
      [401, "unauthorized"],
      [403, '{"code":40301,"http":403,"error":"forbidden"}'],
      [404, "no_service"],
      [408, "timeout"],
      [410, "channel_is_archived"],
    ] as const) {
      it(`are not made for what cannot heal: HTTP ${status}`, async () => {
        webhook.answer = () => ({ status, body });
        expect(await messageOf(alarm())).to.equal(
          `${POSTING}: HTTP ${status} ${body}. Check that the URL is one of the service that monitoring.webhook says, slack. ${NEW_URL}`,
        );
        expect([webhook.told.length, waits, lost()]).to.deep.equal([1, [], [1]]);
      });
    }

    for (const status of [301, 302, 303, 307, 308]) {
      it(`follow no redirect: HTTP ${status}`, async () => {
        webhook.answer = () => ({ status, headers: { location: `${webhook.origin}/elsewhere-0123` }, body: "" });
        expect(await messageOf(alarm())).to.equal(
          `${POSTING}: HTTP ${status}, a redirect, which is not followed: the URL has to be the one that it ends at. ${NEW_URL}`,
        );
        expect(webhook.told.map(({ method, path }) => [method, path])).to.deep.equal([["POST", PATH]]);
        expect(aws.lines.join("")).to.not.include("elsewhere-0123");
      });
    }

    it("say only the beginning of a long answer", async () => {
      webhook.answer = () => ({ status: 400, body: "x".repeat(5_000) });
      expect(await messageOf(alarm())).to.include(`: HTTP 400 ${"x".repeat(200)}. Check`);
    });
  });

  describe("several records", () => {
    const named = (AlarmName: string) => alarm({ AlarmName });
    const failing = (...names: string[]) => {
      webhook.answer = ({ body }) => (names.some((name) => body.includes(name)) ? { status: 404, body: "gone" } : OK);
    };

    it("are sent each on its own, with one look into the store", async () => {
      expect(await send("slack", named("one"), named("two"), named("three"))).to.deep.equal({ sent: 3 });
      expect(bodies().map((body) => JSON.parse(body).text.split("\n")[0])).to.have.members([
        "*ALARM one*",
        "*ALARM two*",
        "*ALARM three*",
      ]);
      expect(aws.calls).to.have.length(1);
    });

    it("are sent although one of them fails; then the run fails and counts it", async () => {
      failing("one");
      expect(await messageOf(named("one"), named("two"), named("three"))).to.match(
        /^Posting "ALARM one" to the webhook \(slack\): HTTP 404 gone\. Check/,
      );
      expect(webhook.told).to.have.length(3);
      expect(lost()).to.deep.equal([1]);
      expect(logged().map(({ level, title }) => [level, title])).to.have.deep.members([
        ["info", "ALARM two"],
        ["info", "ALARM three"],
        ["error", undefined],
      ]);
    });

    it("fail each with its own reason, and each counts", async () => {
      failing("one", "three");
      const error = await failure(send("slack", named("one"), named("two"), named("three")));
      expect(error.message).to.match(/^Posting "ALARM one".*Posting "ALARM three"/);
      expect(JSON.parse(metrics.join(""))).to.include({ Site: "tokyo", Environment: "prod", AlertsLost: 2 });
      expect(logged().filter(({ level }) => level === "error")).to.have.length(2);
    });
  });

  describe("failures", () => {
    it("of the environment are one error that names every variable, and count what was not sent", async () => {
      const variables = { STORE_PREFIX: "", SITE: "", WEBHOOK: "teams", LOG_LEVEL: "loud" };
      const message =
        "The function's environment is not usable: SITE is missing; STORE_PREFIX is missing; " +
        'WEBHOOK is "teams", not one of slack, ntfy, json; LOG_LEVEL is "loud", not one of debug, info, warn, error. ' +
        "`cdktf deploy '*'` sets what the function needs.";
      const error = await failure(run(variables, { Records: [alarm(), alarm()] }));
      expect([error.name, error.message]).to.deep.equal(["EnvironmentError", message]);
      expect(logged().map(({ level, error }) => [level, error])).to.deep.equal([
        ["error", { name: "EnvironmentError", message, code: "environment" }],
      ]);
      expect(lost()).to.deep.equal([2]);
      expect([...aws.calls, ...webhook.told]).to.deep.equal([]);
    });

    it("have no cause outside: Lambda would write it into its log as it is", async () => {
      webhook.answer = () => "break";
      const error = await failure(send("slack", alarm()));
      expect([error.cause, Object.keys(error)]).to.deep.equal([undefined, ["name"]]);
      expect(logged().at(-1).error.cause).to.have.property("message", "fetch failed");
    });
  });

  describe("the URL's secrets", () => {
    it("are not even half in a message that is cut", async () => {
      webhook.answer = () => ({ status: 400, body: `${"x".repeat(190)}${PATH}` });
      expect(await messageOf(alarm())).to.include(`: HTTP 400 ${"x".repeat(190)}[secret]. Check`);
    });

    it("are its path's parts and its query's values too, which a service may quote alone", async () => {
      url = `${webhook.origin}/hooks/first-0123456/second%2D654321/?auth=dG9rZW4%3D0123&v=1`;
      webhook.answer = () => ({
        status: 404,
        body: "Cannot POST /hooks/first-0123456/second%2D654321/; first-0123456 second-654321 dG9rZW4=0123 dG9rZW4%3D0123 ok",
      });
      expect(await messageOf(alarm())).to.match(
        /: HTTP 404 Cannot POST \[secret\]; \[secret\] \[secret\] \[secret\] \[secret\] ok\. Check/,
      );
    });

    for (const [path, quoted] of [
      ["/a/b?t=abc&u=xyz", "/a/b?t=abc&u=xyz"],
      ["/hook?t=one+two+three", "one two three"],
      ["/hook/100%{secret}", "100%{secret}"],
    ] as const) {
      it(`are in no answer, however they are spelled there: ${quoted}`, async () => {
        url = `${webhook.origin}${path}`;
        webhook.answer = () => ({ status: 404, body: `Not found: ${quoted}, sorry` });
        expect(await messageOf(alarm())).to.include(": HTTP 404 Not found: [secret], sorry. Check");
      });
    }

    it("leave the command that writes it readable, where a topic is named like the store", async () => {
      url = `${webhook.origin}/stingy-vpn`;
      webhook.answer = () => ({ status: 404, body: "" });
      expect(await messageOf(alarm())).to.include(NEW_URL);
    });

    it("are in no line and no error, whatever the service and SSM answer", async () => {
      const part = fc
        .string({ unit: fc.constantFrom(..."ABCxyz0189-_.~%+=&?/:@!$'()*,;"), minLength: 10, maxLength: 30 })
        .filter((text) => /[A-Za-z0-9]{3}/.test(text) && URL.canParse(`https://h/${text}`));
      const spelling = fc.constantFrom(
        (text: string) => text,
        (text: string) => JSON.stringify(text).slice(1, -1),
        encodeURIComponent,
        (text: string) => `Cannot POST ${text}, given up`,
        (text: string) => "x".repeat(195) + text,
      );
      const status = fc.constantFrom(301, 400, 403, 404, 429, 500);
      const ssm = fc.constantFrom<(value: string) => AwsAnswer>(
        (Value) => json({ Parameter: { Value } }),
        (Value) => json({ Parameter: { Value: `${Value}\n${Value}` } }),
        (Value) => json({ Parameter: { Value: Value.replace("http:", "ftp:") } }),
        (message) => json({ __type: "AccessDeniedException", message }, 400),
        (__type) => json({ __type }, 400),
        (body) => ({ body }),
      );
      await fc.assert(
        fc.asyncProperty(part, status, spelling, ssm, fc.boolean(), async (secret, code, spelled, ssmAnswer, whole) => {
          aws.lines.length = 0;
          const value = `${webhook.origin}/hooks/${secret}`;
          const quoted = spelled(whole ? value : `/hooks/${secret}`);
          aws.answer("GetParameter", () => ssmAnswer(value));
          webhook.answer = () => ({
            status: code,
            headers: { location: `/${encodeURIComponent(secret)}` },
            body: quoted,
          });
          const error = await failure(send("json", alarm()));
          const text = [...aws.lines, error.message, String(error.stack), JSON.stringify(error)].join("\n");
          for (const form of [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]) {
            expect(text).to.not.include(form);
          }
        }),
        { numRuns: 150 },
      );
    });
  });
});
