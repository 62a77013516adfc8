import { expect } from "chai";
import fc from "fast-check";
import { createHandler } from "../../../assets/lambda/ddns-updater";
import { createMetrics } from "../../../assets/lambda/shared/metrics";
import {
  type Answer as AwsAnswer,
  BROKEN_CONNECTION,
  ec2Error,
  FakeAws,
  failure,
  instanceXml,
  json,
  xml,
} from "./fake-aws";
import {
  type Answer,
  FakeCloudflare,
  GATEWAY_ERROR,
  NO_SUCH_RECORD,
  NO_SUCH_ZONE,
  refusal,
  throttled,
  UNAUTHORIZED,
} from "./fake-cloudflare";

const TOKEN = "cf-token-0123456789";
const NAME = "vpn.example.com";
const SERVER = "i-0123456789abcdef0";
const NEXT_PROMOTION = "The controller has the records written at the next promotion.";
const PUT_TOKEN =
  "Put one that has Zone:DNS:Edit there: `aws ssm put-parameter --name /stingy-vpn/prod/cloudflare-token " +
  "--type SecureString --overwrite --value file://token.txt`.";
const LATER = "It may heal by itself; then run `aws lambda invoke --function-name ddns /dev/stdout`.";

const A = { id: "record-4", name: NAME, type: "A", content: "192.0.2.1" };
const AAAA = { id: "record-6", name: NAME, type: "AAAA", content: "100::" };

describe("ddns-updater", () => {
  const aws = new FakeAws();
  const cloudflare = new FakeCloudflare();
  const zone = `/zones/${cloudflare.zoneId}/dns_records`;
  let store: Record<string, string>;
  let addresses: string;
  let clock: number;
  let waits: number[];
  let metrics: string[];

  before(() => Promise.all([aws.start(), cloudflare.start()]));
  after(() => Promise.all([aws.stop(), cloudflare.stop()]));

  beforeEach(() => {
    store = { "instance-id": SERVER, "cloudflare-token": TOKEN };
    addresses = "<ipAddress>198.51.100.7</ipAddress><ipv6Address>2001:db8::7</ipv6Address>";
    clock = Date.parse("2026-11-21T12:00:00Z");
    waits = [];
    metrics = [];
    cloudflare.reset(TOKEN, A, AAAA);
    aws.reset({
      DescribeInstances: () =>
        xml(`<reservationSet>${instanceXml(SERVER, "running", { xml: addresses })}</reservationSet>`),
      GetParameter: ({ Name }) => {
        const Value = store[String(Name).slice("/stingy-vpn/prod/".length)];
        return Value === undefined ? json({ __type: "ParameterNotFound" }, 400) : json({ Parameter: { Name, Value } });
      },
    });
  });

  function handlerWith(variables: Record<string, string> = {}) {
    const environment = {
      SITE: "tokyo",
      ENVIRONMENT: "prod",
      STORE_PREFIX: "/stingy-vpn/prod",
      CLOUDFLARE_ZONE_ID: cloudflare.zoneId,
      CLOUDFLARE_BASE_URL: cloudflare.url,
      DNS_NAME: NAME,
      DNS_RECORDS: "A",
      CLOUDFLARE_RECORD_ID: A.id,
      CLOUDFLARE_RECORD_ID_V6: AAAA.id,
      AWS_LAMBDA_FUNCTION_NAME: "ddns",
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
    });
  }

  const run = (variables?: Record<string, string>) => handlerWith(variables)();
  const messageOf = async (variables?: Record<string, string>) => (await failure(run(variables))).message;
  const written = () => cloudflare.calls.filter(({ operation }) => operation.startsWith("PATCH"));
  const awsCalls = () =>
    aws.calls.map(({ operation, input: { Name } }) => (Name === undefined ? operation : `${operation} ${Name}`));
  const logged = () => aws.lines.map((line) => JSON.parse(line));
  const result = (type: string, content: string, outcome: string) => ({ type, name: NAME, content, outcome });
  const READ_ID = "GetParameter /stingy-vpn/prod/instance-id";
  const READ_TOKEN = "GetParameter /stingy-vpn/prod/cloudflare-token";

  describe("the seven steps", () => {
    it("reads the id, asks EC2, reads the token, patches, checks, and logs the result", async () => {
      expect(await run()).to.deep.equal({ results: [result("A", "198.51.100.7", "updated")] });
      // The last one makes sure that the server was not replaced meanwhile.
      expect(awsCalls()).to.deep.equal([READ_ID, "DescribeInstances", READ_TOKEN, READ_ID]);
      expect(aws.inputs("DescribeInstances")[0]).to.include({ "InstanceId.1": SERVER });
      expect(cloudflare.calls).to.deep.equal([
        { operation: `GET ${zone}/record-4`, body: undefined },
        { operation: `PATCH ${zone}/record-4`, body: { content: "198.51.100.7" } },
        { operation: `GET ${zone}/record-4`, body: undefined },
      ]);
      expect(cloudflare.records).to.deep.equal([
        { ...A, content: "198.51.100.7", ttl: 60, proxied: false, comment: "stingy-vpn prod tokyo" },
        { ...AAAA, ttl: 60, proxied: false, comment: "stingy-vpn prod tokyo" },
      ]);
      const [{ time, ...entry }] = logged();
      expect(entry).to.deep.equal({
        level: "info",
        message: "record updated",
        type: "A",
        name: NAME,
        content: "198.51.100.7",
      });
      expect(metrics).to.deep.equal([]);
    });

    it("writes both records when both are wanted", async () => {
      expect(await run({ DNS_RECORDS: "A,AAAA" })).to.deep.equal({
        results: [result("A", "198.51.100.7", "updated"), result("AAAA", "2001:db8::7", "updated")],
      });
      expect([cloudflare.content("record-4"), cloudflare.content("record-6")]).to.deep.equal([
        "198.51.100.7",
        "2001:db8::7",
      ]);
      expect(aws.inputs("DescribeInstances")).to.have.length(1);
    });

    it("finds the IPv6 address of the first interface too", async () => {
      addresses =
        "<networkInterfaceSet><item><ipv6AddressesSet><item><ipv6Address>2001:db8::9</ipv6Address></item>" +
        "</ipv6AddressesSet></item></networkInterfaceSet>";
      await run({ DNS_RECORDS: "AAAA" });
      expect(cloudflare.content("record-6")).to.equal("2001:db8::9");
    });

    it("writes nothing where the records are right, however IPv6 is spelled", async () => {
      cloudflare.reset(TOKEN, { ...A, content: "198.51.100.7" }, { ...AAAA, content: "2001:0DB8:0:0::7" });
      expect(await run({ DNS_RECORDS: "A,AAAA" })).to.deep.equal({
        results: [result("A", "198.51.100.7", "unchanged"), result("AAAA", "2001:db8::7", "unchanged")],
      });
      expect(written()).to.deep.equal([]);
    });

    it("starts over when the server has been replaced meanwhile", async () => {
      const ids = [SERVER, "i-0aaaaaaaaaaaaaaaa", "i-0aaaaaaaaaaaaaaaa", "i-0aaaaaaaaaaaaaaaa"];
      aws.answer("GetParameter", (input, usual) =>
        String(input.Name).endsWith("/instance-id") ? json({ Parameter: { Value: ids.shift() } }) : usual?.(input),
      );
      aws.answer("DescribeInstances", ({ "InstanceId.1": id }) => {
        const ip = `<ipAddress>198.51.100.${id === SERVER ? 7 : 8}</ipAddress>`;
        return xml(`<reservationSet>${instanceXml(String(id), "running", { xml: ip })}</reservationSet>`);
      });
      expect(await run()).to.deep.equal({ results: [result("A", "198.51.100.8", "updated")] });
      expect(cloudflare.content("record-4")).to.equal("198.51.100.8");
    });

    for (const event of [undefined, null, 7, "x".repeat(1_000_000), { detail: [] }, []]) {
      it(`does not read its event (${JSON.stringify(event)?.slice(0, 20)})`, async () => {
        const handler = handlerWith() as (event: unknown) => ReturnType<typeof run>;
        expect(await handler(event)).to.deep.equal({ results: [result("A", "198.51.100.7", "updated")] });
      });
    }
  });

  describe("the server's addresses", () => {
    it("are the Elastic IP where there is one, whatever EC2 shows, and nobody else is asked", async () => {
      store["instance-id"] = "initial";
      expect(await run({ ADDRESS: "203.0.113.5" })).to.deep.equal({
        results: [result("A", "203.0.113.5", "updated")],
      });
      expect(awsCalls()).to.deep.equal([READ_TOKEN]);
    });

    it("let A be written although AAAA has to fail", async () => {
      store["instance-id"] = "initial";
      expect(await messageOf({ ADDRESS: "203.0.113.5", DNS_RECORDS: "A,AAAA" })).to.equal(
        `No server has been promoted yet: there is no address to publish. ${NEXT_PROMOTION}`,
      );
      expect(cloudflare.content("record-4")).to.equal("203.0.113.5");
    });

    it("let one record be written although the other has no address", async () => {
      addresses = "<ipAddress>198.51.100.7</ipAddress>";
      expect(await messageOf({ DNS_RECORDS: "A,AAAA" })).to.equal(`Server ${SERVER} has no public IPv6 address.`);
      expect(cloudflare.content("record-4")).to.equal("198.51.100.7");
      addresses = "<ipv6Address>2001:db8::7</ipv6Address>";
      expect(await messageOf({ DNS_RECORDS: "A,AAAA" })).to.equal(`Server ${SERVER} has no public IPv4 address.`);
      expect(cloudflare.content("record-6")).to.equal("2001:db8::7");
    });

    for (const [name, id, message] of [
      [
        "no server yet",
        "initial",
        `No server has been promoted yet: there is no address to publish. ${NEXT_PROMOTION}`,
      ],
      [
        "nonsense in the parameter",
        "<b>",
        `Parameter /stingy-vpn/prod/instance-id does not hold an instance's id. ${NEXT_PROMOTION}`,
      ],
      [
        "an empty parameter",
        " ",
        "Parameter /stingy-vpn/prod/instance-id does not exist or is empty. `cdktf deploy '*'` makes it.",
      ],
    ] as const) {
      it(`are missing: ${name}`, async () => {
        store["instance-id"] = id;
        expect(await messageOf()).to.equal(message);
        expect(cloudflare.calls).to.deep.equal([]);
      });
    }

    for (const [name, answer, state] of [
      ["terminated", xml(`<reservationSet>${instanceXml(SERVER, "terminated", {})}</reservationSet>`), "terminated"],
      ["forgotten by EC2", ec2Error("InvalidInstanceID.NotFound"), "unknown to EC2"],
      ["not in the answer", xml("<reservationSet/>"), "unknown to EC2"],
    ] as const) {
      it(`are missing: the server is ${name}`, async () => {
        aws.answer("DescribeInstances", () => answer);
        expect(await messageOf()).to.equal(
          `Server ${SERVER} is ${state}: it has no address to publish. ${NEXT_PROMOTION}`,
        );
      });
    }

    it("are missing: EC2 refuses, and the log says why", async () => {
      aws.answer("DescribeInstances", () => ec2Error("UnauthorizedOperation"));
      const { message, cause } = await failure(run());
      expect(message).to.equal(`EC2 did not say the addresses of ${SERVER}.`);
      // Lambda would log it as it is.
      expect(cause).to.equal(undefined);
      expect(logged()[0].error).to.deep.equal({
        name: "StingyError",
        message: `EC2 did not say the addresses of ${SERVER}.`,
        code: "ec2",
        cause: { name: "UnauthorizedOperation", message: "refused" },
      });
    });
  });

  describe("the token", () => {
    it("is missing or empty: one line with the command that sets it", async () => {
      const message = `Parameter /stingy-vpn/prod/cloudflare-token does not exist or is empty. ${PUT_TOKEN}`;
      for (const token of [undefined, "", "  \n"]) {
        store = { "instance-id": SERVER, ...(token === undefined ? {} : { "cloudflare-token": token }) };
        aws.lines.length = 0;
        expect(await messageOf({ DNS_RECORDS: "A,AAAA" })).to.equal(message);
        expect(logged().map(({ error }) => error)).to.deep.equal([
          { name: "StingyError", message, code: "parameter-missing" },
        ]);
      }
      expect(cloudflare.calls).to.deep.equal([]);
    });

    for (const token of ["two words-0123", "naïve-token-01", "line\nbreak-012", "short", "bell\u0007-token-0"]) {
      it(`is refused before it is used: ${JSON.stringify(token)}`, async () => {
        store["cloudflare-token"] = token;
        expect(await messageOf()).to.equal(
          "/stingy-vpn/prod/cloudflare-token is not a token: it has a space, a line break, a non-ASCII character, " +
            `or under 8 characters. ${PUT_TOKEN}`,
        );
        expect(cloudflare.calls).to.deep.equal([]);
        expect(aws.lines.join("")).to.not.include(JSON.stringify(token).slice(1, -1));
      });
    }

    it("may end in a line break, as a file does", async () => {
      store["cloudflare-token"] = `${TOKEN}\n`;
      await run();
      expect(cloudflare.content("record-4")).to.equal("198.51.100.7");
    });

    for (const [answer, reason] of [
      [json({ __type: "AccessDeniedException", message: TOKEN }, 400), "AccessDeniedException"],
      [json({ __type: TOKEN, message: TOKEN }, 418), "HTTP 418"],
      [{ status: 200, body: TOKEN }, "HTTP 200"],
      [BROKEN_CONNECTION, "TimeoutError"],
    ] as [AwsAnswer, string][]) {
      it(`is not given by SSM: ${reason}`, async () => {
        aws.answer("GetParameter", (input, usual) =>
          String(input.Name).endsWith("/cloudflare-token") ? answer : usual?.(input),
        );
        expect(await messageOf()).to.equal(`SSM did not give /stingy-vpn/prod/cloudflare-token: ${reason}.`);
        expect(aws.lines.join("")).to.not.include(TOKEN);
      });
    }
  });

  describe("the record", () => {
    const MOVED = { ...A, id: "record-new" };
    const LOOK_UP = `GET ${zone}`;

    for (const [name, answer] of [
      ["404", { status: 404, body: "" }],
      ["Cloudflare's code", refusal(400, 81044, "Record does not exist.")],
    ] as const) {
      it(`is looked up by name when its id is gone, known by ${name}`, async () => {
        cloudflare.reset(TOKEN, MOVED, AAAA, { ...MOVED, id: "other", name: "www.example.com" });
        cloudflare.script(/^GET .*record-4$/, answer);
        expect(await run()).to.deep.equal({ results: [result("A", "198.51.100.7", "updated")] });
        expect(cloudflare.operations).to.deep.equal([
          `GET ${zone}/record-4`,
          LOOK_UP,
          `PATCH ${zone}/record-new`,
          `GET ${zone}/record-new`,
        ]);
        const { time, ...warning } = logged()[0];
        expect(warning).to.deep.equal({
          level: "warn",
          message: "the record's id is not this name's any more: looking it up by name; run `cdktf deploy '*'`",
          id: "record-4",
          name: NAME,
          type: "A",
          found: "nothing",
        });
      });
    }

    it("is looked up by name when no id is known", async () => {
      await run({ CLOUDFLARE_RECORD_ID: "" });
      expect(cloudflare.operations[0]).to.equal(LOOK_UP);
      expect(cloudflare.content("record-4")).to.equal("198.51.100.7");
    });

    for (const foreign of [
      { ...A, name: "www.example.com" },
      { ...A, type: "CNAME", content: "example.net" },
    ]) {
      it(`is never another one: the id is of ${foreign.type} ${foreign.name}`, async () => {
        cloudflare.reset(TOKEN, foreign, MOVED);
        await run();
        expect(cloudflare.content("record-4")).to.equal(foreign.content);
        expect(cloudflare.content("record-new")).to.equal("198.51.100.7");
        expect(logged()[0].found).to.equal(`${foreign.type} ${foreign.name}`);
      });
    }

    it("is never another one, although Cloudflare's list has others too", async () => {
      const body = JSON.stringify({ success: true, result: [{ ...A, id: "w", name: "www.example.com" }, MOVED, AAAA] });
      cloudflare.reset(TOKEN, MOVED);
      cloudflare.script(/dns_records$/, { status: 200, body });
      await run();
      expect(written().map(({ operation }) => operation)).to.deep.equal([`PATCH ${zone}/record-new`]);
    });

    it("has its name in any case", async () => {
      await run({ DNS_NAME: "VPN.Example.com." });
      expect(cloudflare.content("record-4")).to.equal("198.51.100.7");
    });

    it("is not made when there is none", async () => {
      cloudflare.reset(TOKEN, AAAA);
      expect(await messageOf()).to.equal(`There is no A record of ${NAME}. \`cdktf deploy '*'\` makes it.`);
      expect(cloudflare.records).to.have.length(1);
    });

    it("is not chosen when there are several", async () => {
      cloudflare.reset(TOKEN, MOVED, { ...MOVED, id: "record-newer" });
      expect(await messageOf()).to.equal(
        `There are 2 A records of ${NAME}, and none of them is known to be ours. ` +
          "Delete all but one at Cloudflare, then run `cdktf deploy '*'`.",
      );
      expect(written()).to.deep.equal([]);
    });

    it("is read back until it says what was written", async () => {
      const stale = { status: 200, body: JSON.stringify({ success: true, result: A }) };
      cloudflare.script(/^GET/, stale, stale);
      await run();
      expect(waits).to.deep.equal([250]);
      expect(written()).to.have.length(1);
    });

    it("fails when it goes on saying something else", async () => {
      const stale = { status: 200, body: JSON.stringify({ success: true, result: A }) };
      cloudflare.script(/^GET/, stale, stale, stale, stale, stale);
      expect(await messageOf()).to.equal(
        "Cloudflare, reading the A record of vpn.example.com back: the record says 192.0.2.1, not 198.51.100.7. Given up after 4 attempts. " +
          LATER,
      );
    });

    it("fails when the answer to the change says something else", async () => {
      cloudflare.script(
        /^PATCH/,
        ...Array(4).fill({ status: 200, body: JSON.stringify({ success: true, result: A }) }),
      );
      expect(await messageOf()).to.equal(
        "Cloudflare, writing 198.51.100.7 into the A record of vpn.example.com: the record says 192.0.2.1, not 198.51.100.7. " +
          `Given up after 4 attempts. ${LATER}`,
      );
    });

    it("of one family is written although the other's fails", async () => {
      cloudflare.script(/^PATCH .*record-4$/, refusal(400, 9005, "Content for A record is invalid."));
      expect(await messageOf({ DNS_RECORDS: "A,AAAA" })).to.equal(
        "Cloudflare, writing 198.51.100.7 into the A record of vpn.example.com: HTTP 400 9005 Content for A record is invalid.",
      );
      expect(cloudflare.content("record-6")).to.equal("2001:db8::7");
    });

    it("of each family fails with its own reason", async () => {
      cloudflare.reset(TOKEN);
      const message = await messageOf({ DNS_RECORDS: "A,AAAA" });
      expect(message).to.equal(
        `There is no A record of ${NAME}. \`cdktf deploy '*'\` makes it. ` +
          `There is no AAAA record of ${NAME}. \`cdktf deploy '*'\` makes it.`,
      );
      expect(logged().filter(({ level }) => level === "error")).to.have.length(2);
    });
  });

  describe("retries", () => {
    const PATCH = /^PATCH/;
    const WRITING = "Cloudflare, writing 198.51.100.7 into the A record of vpn.example.com";

    it("are three, after growing waits drawn from their whole length", async () => {
      cloudflare.script(PATCH, GATEWAY_ERROR, GATEWAY_ERROR, GATEWAY_ERROR, GATEWAY_ERROR);
      expect(await messageOf()).to.equal(
        `${WRITING}: HTTP 500 <html><h1>Internal error</h1></html>. Given up after 4 attempts. ${LATER}`,
      );
      expect(written()).to.have.length(4);
      expect(waits).to.deep.equal([250, 500, 1000]);
    });

    for (const [name, answer] of [
      ["a gateway's error", GATEWAY_ERROR],
      ["a broken connection", "break"],
      [
        "an answer that is no success",
        { status: 200, body: JSON.stringify({ success: false, result: { ...A, content: "198.51.100.7" } }) },
      ],
      ["an answer that is no JSON", { status: 200, body: "<html>" }],
      ["an answer without a record", { status: 200, body: '{"success":true,"result":null}' }],
      ["HTTP 408", { status: 408, body: "" }],
      ["HTTP 429 without a Retry-After", refusal(429, 10429, "slow down")],
      [
        "HTTP 503 with a Retry-After that is neither seconds nor a date",
        { ...GATEWAY_ERROR, headers: { "retry-after": "soon" } },
      ],
    ] as [string, Answer][]) {
      it(`heal ${name}`, async () => {
        cloudflare.script(PATCH, answer);
        expect(await run()).to.deep.equal({ results: [result("A", "198.51.100.7", "updated")] });
        expect(waits).to.deep.equal([250]);
      });
    }

    for (const [name, answer] of [
      ["seconds", throttled("7")],
      ["a date", throttled("Sat, 21 Nov 2026 12:00:07 GMT")],
      ["seconds, of a server that is down", { ...GATEWAY_ERROR, status: 503, headers: { "retry-after": "7" } }],
    ] as const) {
      it(`wait as long as Retry-After says: ${name}`, async () => {
        cloudflare.script(PATCH, answer);
        await run();
        expect(waits).to.deep.equal([7250]);
      });
    }

    it("are given up when they would not fit into the run, and it says so", async () => {
      cloudflare.script(PATCH, throttled("3600"));
      expect(await messageOf()).to.equal(
        `${WRITING}: HTTP 429 10429 Rate limited. Please wait and consider throttling your request speed. ` +
          `Given up after attempt 1: the next is due in 3600.3 s, and this run has 50 s left. ${LATER}`,
      );
      expect(waits).to.deep.equal([]);
    });

    it("share the run's time", async () => {
      cloudflare.script(PATCH, throttled("30"), throttled("30"));
      expect(await messageOf()).to.match(
        /Given up after attempt 2: the next is due in 30.5 s, and this run has 19.8 s left/,
      );
      expect(waits).to.deep.equal([30_250]);
    });

    it("do not outlive the run: what has no time left is not begun", async () => {
      aws.answer("DescribeInstances", (input, usual) => {
        clock += 50_000;
        return usual?.(input);
      });
      expect(await messageOf()).to.equal(
        "Cloudflare, reading the A record of vpn.example.com: not tried, this run has no time left.",
      );
      expect(cloudflare.calls).to.deep.equal([]);
    });

    it("do not wait for an answer that does not come", async () => {
      cloudflare.script(/^GET/, "silence");
      aws.answer("DescribeInstances", (input, usual) => {
        clock += 49_900;
        return usual?.(input);
      });
      expect(await messageOf()).to.equal(
        "Cloudflare, reading the A record of vpn.example.com: no answer (within 100 ms). " +
          `Given up after attempt 1: the next is due in 0.3 s, and this run has 0.1 s left. ${LATER}`,
      );
    });

    for (const [answer, message] of [
      [refusal(400, 9005, "Content is invalid"), "HTTP 400 9005 Content is invalid."],
      [refusal(401, 9106, "Missing header"), `HTTP 401 9106 Missing header. ${PUT_TOKEN}`],
      [UNAUTHORIZED, `HTTP 403 10000 Authentication error. ${PUT_TOKEN}`],
      [{ status: 301, headers: { location: "/elsewhere" }, body: "" }, "HTTP 301."],
      [NO_SUCH_RECORD, "HTTP 404 81044 Record does not exist."],
    ] as [Answer, string][]) {
      it(`are not made for what cannot heal: ${message}`, async () => {
        cloudflare.script(PATCH, answer);
        expect(await messageOf()).to.equal(`${WRITING}: ${message}`);
        expect(written()).to.have.length(1);
        expect(waits).to.deep.equal([]);
      });
    }

    it("are not made for a wrong zone", async () => {
      expect(await messageOf({ CLOUDFLARE_ZONE_ID: "other" })).to.equal(
        "Cloudflare, reading the A record of vpn.example.com: HTTP 400 1003 Invalid or missing zone id. " +
          "Check dns.zone and dns.zoneId in stingy.yaml, then run `cdktf deploy '*'`.",
      );
      cloudflare.reset(TOKEN, A);
      cloudflare.script(/^GET/, NO_SUCH_RECORD, NO_SUCH_ZONE);
      expect(await messageOf()).to.match(/^Cloudflare, looking up the A record of vpn\.example\.com: HTTP 400 1003 /);
    });
  });

  describe("failures", () => {
    it("are counted once a run", async () => {
      cloudflare.reset(TOKEN);
      await failure(run({ DNS_RECORDS: "A,AAAA" }));
      const { _aws, ...metric } = JSON.parse(metrics.join(""));
      expect(metric).to.deep.equal({ Site: "tokyo", Environment: "prod", DnsFailures: 1 });
    });

    it("of the environment are one error that names every variable", async () => {
      const variables = {
        STORE_PREFIX: "",
        DNS_NAME: "",
        DNS_RECORDS: "A,MX",
        ADDRESS: "2001:db8::1",
        CLOUDFLARE_BASE_URL: "http://api.cloudflare.com",
        LOG_LEVEL: "loud",
      };
      const message =
        "The function's environment is not usable: STORE_PREFIX is missing; " +
        'LOG_LEVEL is "loud", not one of debug, info, warn, error; ' +
        'CLOUDFLARE_BASE_URL is "http://api.cloudflare.com", not an https URL, or an http URL of 127.0.0.1; ' +
        "DNS_NAME is missing; DNS_RECORDS has MX, and may only have A, AAAA; " +
        "ADDRESS is \"2001:db8::1\", not an IPv4 address. `cdktf deploy '*'` sets what the function needs.";
      const error = await failure(run(variables));
      expect([error.name, error.message]).to.deep.equal(["EnvironmentError", message]);
      expect(logged().map(({ level, error }) => [level, error])).to.deep.equal([
        ["error", { name: "EnvironmentError", message, code: "environment" }],
      ]);
      expect(metrics).to.have.length(1);
      expect([...aws.calls, ...cloudflare.calls]).to.deep.equal([]);
    });

    it("of an environment that is empty are no reason to think that DNS is off", async () => {
      const handler = createHandler({}, { log: aws.log, metrics: createMetrics({}, () => {}) });
      expect((await failure(handler())).message).to.match(/SITE is missing; ENVIRONMENT is missing; STORE_PREFIX is/);
    });

    it("are none where DNS is off", async () => {
      expect(await run({ CLOUDFLARE_ZONE_ID: "", DNS_NAME: "" })).to.deep.equal({ results: [] });
      expect(logged().map(({ message }) => message)).to.deep.equal([
        "DNS is off, as there is no CLOUDFLARE_ZONE_ID: no record is written",
      ]);
      expect([...metrics, ...aws.calls, ...cloudflare.calls]).to.deep.equal([]);
    });
  });

  it("lets not even half of the token into a message that is cut", async () => {
    cloudflare.script(/^GET/, { status: 400, body: `${"x".repeat(190)}${TOKEN}` });
    expect(await messageOf()).to.equal(
      `Cloudflare, reading the A record of vpn.example.com: HTTP 400 ${"x".repeat(190)}[secret].`,
    );
  });

  it("lets the token into no line and no error, whatever Cloudflare and SSM answer", async () => {
    const token = fc
      .string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)), minLength: 8 })
      .map((tail) => `cf.${tail}`);
    const spelling = fc.constantFrom(
      (text: string) => text,
      (text: string) => JSON.stringify(text).slice(1, -1),
      encodeURIComponent,
      (text: string) => `Bearer ${text}, given up`,
      (text: string) => "x".repeat(195) + text,
    );
    const status = fc.constantFrom(200, 301, 400, 403, 404, 429, 500);
    const shape = fc.constantFrom<(echo: string) => string>(
      (echo) => echo,
      (echo) => JSON.stringify({ success: false, errors: [{ code: 6111, message: echo }] }),
      (echo) => JSON.stringify({ success: false, errors: [{ code: echo, message: { echo } }] }),
      (echo) => JSON.stringify({ success: true, result: { ...A, content: echo } }),
      (echo) => JSON.stringify({ success: true, result: { ...A, name: echo, id: echo } }),
      (echo) => JSON.stringify({ success: true, result: [{ ...A, id: echo }] }),
      (echo) => `{"success":true,"result":${echo}`,
    );
    const ssm = fc.constantFrom<(value: string) => AwsAnswer>(
      (Value) => json({ Parameter: { Value } }),
      (Value) => json({ Parameter: { Value: `${Value}\n${Value}` } }),
      (message) => json({ __type: "AccessDeniedException", message }, 400),
      (__type) => json({ __type }, 400),
      (body) => ({ body }),
    );
    const answers = fc.array(fc.record({ status, shape, spelling }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(token, answers, ssm, fc.boolean(), async (secret, scripted, ssmAnswer, everywhere) => {
        aws.lines.length = 0;
        cloudflare.reset(secret, A);
        cloudflare.script(
          /./,
          ...scripted.map((answer) => ({ status: answer.status, body: answer.shape(answer.spelling(secret)) })),
        );
        aws.answer("GetParameter", ({ Name }) =>
          everywhere || String(Name).endsWith("cloudflare-token")
            ? ssmAnswer(secret)
            : json({ Parameter: { Value: SERVER } }),
        );
        const error: Error | undefined = await run().then(
          () => undefined,
          (thrown) => thrown,
        );
        const text = [...aws.lines, String(error?.message), String(error?.stack), JSON.stringify(error)].join("\n");
        for (const spelled of [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]) {
          expect(text).to.not.include(spelled);
        }
        expect(error?.cause).to.equal(undefined);
      }),
      { numRuns: 150 },
    );
  });
});
