import { createServer } from "node:http";
import { type AddressInfo, isIPv4 } from "node:net";
import { inspect } from "node:util";
import { GetParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { expect } from "chai";
import fc from "fast-check";
import { clientConfig } from "../../../assets/lambda/shared/clients";
import { readEnvironment } from "../../../assets/lambda/shared/environment";
import { EnvironmentError, outwardError, StingyError } from "../../../assets/lambda/shared/errors";
import { createLog } from "../../../assets/lambda/shared/log";
import { createMetrics } from "../../../assets/lambda/shared/metrics";
import { Secret, scrub } from "../../../assets/lambda/shared/secret";
import { version } from "../../../package.json";
import { failure } from "./fake-aws";

/** What one log line says, but for its time, level and message. */
function logged(fields: Record<string, unknown>): Record<string, unknown> {
  const lines: string[] = [];
  createLog("info", (line) => lines.push(line)).info("said", fields);
  const { time, level, message, ...rest } = JSON.parse(lines.join(""));
  return rest;
}

describe("lambda: log", () => {
  it("writes one JSON object a line, at and above its level", () => {
    const lines: string[] = [];
    const log = createLog("warn", (line) => lines.push(line));
    log.info("left out");
    log.warn("kept", { instanceId: "i-1", text: "two\nlines" });
    expect(lines).to.have.length(1);
    expect(lines[0]).to.match(/^[^\n]+\n$/);
    const { time, ...entry } = JSON.parse(lines[0] ?? "");
    expect(entry).to.deep.equal({ level: "warn", message: "kept", instanceId: "i-1", text: "two\nlines" });
    expect(new Date(time).toISOString()).to.equal(time);
  });

  it("lets no field take the place of time, level and message", () => {
    const lines: string[] = [];
    createLog("info", (line) => lines.push(line)).info("said", { time: 0, level: "none", message: "other", kept: 1 });
    const { time, ...rest } = JSON.parse(lines.join(""));
    expect(rest).to.deep.equal({ level: "info", message: "said", kept: 1 });
    expect(time).to.be.a("string");
  });

  it("keeps an error's name, message, code and causes, and nothing else that hangs on it", () => {
    const cause = Object.assign(new Error("connect"), { code: "ECONNREFUSED", address: "127.0.0.1" });
    const error = Object.assign(new TypeError("no route", { cause }), {
      $response: { headers: { authorization: "hidden" } },
    });
    const stingy = new StingyError("Nothing works.", { code: "all", cause: error, fix: "Run `x`." });
    expect(logged({ error: stingy })).to.deep.equal({
      error: {
        name: "StingyError",
        message: "Nothing works. Run `x`.",
        code: "all",
        cause: {
          name: "TypeError",
          message: "no route",
          cause: { name: "Error", message: "connect", code: "ECONNREFUSED" },
        },
      },
    });
    expect(logged({ error: new Error("odd", { cause: "a text" }) })).to.deep.equal({
      error: { name: "Error", message: "odd", cause: "a text" },
    });
  });

  it("writes what JSON cannot hold as something a person can read", () => {
    const circle: Record<string, unknown> = { id: 1 };
    circle.self = circle;
    const error: Error & { cause?: unknown } = new Error("round");
    error.cause = error;
    let deep: unknown = "bottom";
    for (let level = 0; level < 10_000; level++) deep = [deep];
    expect(
      logged({
        circle,
        error,
        big: 2n ** 70n,
        map: new Map([["state", "ready"]]),
        set: new Set([1, 2]),
        date: new Date(0),
        twice: [circle.id, circle.id],
      }),
    ).to.deep.equal({
      circle: { id: 1, self: "[circular]" },
      error: { name: "Error", message: "round", cause: "[circular]" },
      big: "1180591620717411303424",
      map: { state: "ready" },
      set: [1, 2],
      date: "1970-01-01T00:00:00.000Z",
      twice: [1, 1],
    });
    expect(JSON.stringify(logged({ deep }))).to.match(/^\{"deep":\[{12}"\[too deep\]"\]{12}\}$/);
  });

  it("never throws", () => {
    const trap = {
      get broken(): string {
        throw new Error("no");
      },
    };
    expect(logged({ trap })).to.deep.equal({ unreadable: "Error: no" });
  });

  it("hides what a key calls a secret, and no more", () => {
    const hidden = {
      token: "a",
      cloudflareToken: "a",
      SECRET_VALUE: "a",
      password: 7,
      Authorization: ["a"],
      privateKey: { a: 1 },
      "preshared-key": "a",
      awsCredentials: {},
      apiKey: null,
      SecretAccessKey: "a",
      cookie: "a",
    };
    expect(logged({ deep: [hidden] })).to.deep.equal({
      deep: [Object.fromEntries(Object.keys(hidden).map((key) => [key, "[secret]"]))],
    });
    const shown = { publicKey: "a", clientToken: "b", ClientToken: "c", key: "d", absent: undefined };
    expect(logged(shown)).to.deep.equal({ publicKey: "a", clientToken: "b", ClientToken: "c", key: "d" });
    expect(logged({ token: undefined })).to.deep.equal({});
  });
});

describe("lambda: secret", () => {
  it("shows itself to nobody but who asks for it", () => {
    const secret = new Secret("sesame-open-1");
    expect(secret.reveal()).to.equal("sesame-open-1");
    for (const shown of [`${secret}`, String(secret), JSON.parse(JSON.stringify(secret)), inspect(secret)]) {
      expect(shown).to.equal("[secret]");
    }
    expect(logged({ secret, nested: [{ secret }] })).to.deep.equal({
      secret: "[secret]",
      nested: [{ secret: "[secret]" }],
    });
    expect(Object.keys(secret)).to.deep.equal([]);
  });

  it("is in no part of a line, in no spelling", () => {
    const value = 'sesame "\\/+=é\n😀%';
    const secret = new Secret(value);
    const cause = new Error(`Bearer ${value} is wrong`);
    const spellings = [
      value,
      JSON.stringify(value).slice(1, -1),
      JSON.stringify(JSON.stringify(value)).slice(3, -3),
      JSON.stringify(value).slice(1, -1).replaceAll("é", "\\u00E9").replaceAll("/", "\\/"),
      encodeURIComponent(value),
      encodeURIComponent(value).toLowerCase(),
      encodeURIComponent(encodeURIComponent(value)),
      encodeURI(value),
      new URLSearchParams([["", value]]).toString().slice(1),
    ];
    for (const spelling of spellings) {
      expect(logged({ text: `<${spelling}|${spelling}>` })).to.deep.equal({ text: "<[secret]|[secret]>" });
    }
    expect(
      logged({ error: new Error("failed", { cause }), [value]: new Map([[value, [`${secret.reveal()}.`]]]) }),
    ).to.deep.equal({
      error: { name: "Error", message: "failed", cause: { name: "Error", message: "Bearer [secret] is wrong" } },
      "[secret]": { "[secret]": ["[secret]."] },
    });
    const lines: string[] = [];
    createLog("info", (line) => lines.push(line)).info(`said ${value}`);
    expect(JSON.parse(lines.join("")).message).to.equal("said [secret]");
  });

  it("is found whatever characters it has", () => {
    const value = fc.string({ unit: "binary", minLength: 8, maxLength: 60 }).map((tail) => `sesame.${tail}`);
    fc.assert(
      fc.property(value, (text) => {
        new Secret(text);
        for (const spelling of [text, JSON.stringify(text).slice(1, -1), encodeURIComponent(text)]) {
          expect(scrub(`<${spelling}>`)).to.equal("<[secret]>");
        }
      }),
    );
  });

  it("is found whole where another one begins or is part of it", () => {
    for (const value of ["sesame-long", "sesame-longer", "open-sesame-longer-still"]) new Secret(value);
    expect(scrub("sesame-longer, open-sesame-longer-still, sesame-long")).to.equal("[secret], [secret], [secret]");
  });

  it("is not searched for when it is so short that it is in every word", () => {
    new Secret("on");
    new Secret("");
    expect(scrub("once upon a time")).to.equal("once upon a time");
  });
});

describe("lambda: errors", () => {
  it("say what to do at their end, and hold no secret", () => {
    new Secret("sesame-open-2");
    const cause = new Error("why");
    const error = new StingyError("sesame-open-2 does not open.", { code: "door", cause, fix: "Push." });
    expect(error).to.include({
      name: "StingyError",
      message: "[secret] does not open. Push.",
      code: "door",
      fix: "Push.",
    });
    expect(error.cause).to.equal(cause);
    const plain = new StingyError("Shut.", { code: "door" });
    expect([plain.message, plain.fix, plain.cause]).to.deep.equal(["Shut.", undefined, undefined]);
  });

  it("go out without their causes and without secrets", () => {
    const cause = new Error("inner");
    const bug = Object.assign(new TypeError("bug of sesame-open-3", { cause }), { request: "headers" });
    new Secret("sesame-open-3");
    const outward = outwardError(bug);
    expect(outward).to.include({ name: "TypeError", message: "bug of [secret]" });
    expect(Object.getOwnPropertyNames(outward).sort()).to.deep.equal(["message", "name", "stack"]);
    expect(outward.stack).to.include("TypeError: bug of [secret]").and.to.include("shared.test");
    expect(outwardError("just a text").message).to.equal("just a text");
  });
});

describe("lambda: metrics", () => {
  function metricsOf(dimensions: Record<string, string>) {
    const lines: string[] = [];
    return { lines, metrics: createMetrics(dimensions, (line) => lines.push(line)) };
  }

  it("are one line in CloudWatch's embedded metric format a flush", () => {
    const { lines, metrics } = metricsOf({ Site: "tokyo", Environment: "prod" });
    metrics.count("Promotions");
    metrics.count("LaunchesRefused", 2);
    metrics.count("LaunchesRefused");
    metrics.flush();
    expect(lines).to.have.length(1);
    expect(lines[0]).to.match(/^[^\n]+\n$/);
    const { _aws, ...values } = JSON.parse(lines[0] ?? "");
    expect(values).to.deep.equal({ Site: "tokyo", Environment: "prod", Promotions: 1, LaunchesRefused: 3 });
    expect(_aws.CloudWatchMetrics).to.deep.equal([
      {
        Namespace: "StingyVPN",
        Dimensions: [["Site", "Environment"]],
        Metrics: [
          { Name: "Promotions", Unit: "Count" },
          { Name: "LaunchesRefused", Unit: "Count" },
        ],
      },
    ]);
    expect(new Date(_aws.Timestamp).getTime()).to.equal(_aws.Timestamp);
  });

  it("are what was set last, in their own unit", () => {
    const { lines, metrics } = metricsOf({ Site: "tokyo" });
    metrics.set("RecoverySeconds", 95);
    metrics.set("RecoverySeconds", 93);
    metrics.set("ServersMissing", 0);
    metrics.flush();
    const { _aws, ...values } = JSON.parse(lines.join(""));
    expect(values).to.deep.equal({ Site: "tokyo", RecoverySeconds: 93, ServersMissing: 0 });
    expect(_aws.CloudWatchMetrics[0].Metrics).to.deep.equal([
      { Name: "RecoverySeconds", Unit: "Seconds" },
      { Name: "ServersMissing", Unit: "Count" },
    ]);
  });

  it("are nothing when nothing was counted, nor twice the same", () => {
    const { lines, metrics } = metricsOf({ Site: "tokyo" });
    metrics.flush();
    expect(lines).to.deep.equal([]);
    metrics.count("Problems");
    metrics.flush();
    metrics.flush();
    expect(lines).to.have.length(1);
  });
});

describe("lambda: clients", () => {
  const requests: { readonly userAgent: string; readonly authorization: string }[] = [];
  let answer: "refuse" | "silence";
  const server = createServer((request, response) => {
    const { "user-agent": userAgent = "", authorization = "" } = request.headers;
    requests.push({ userAgent, authorization });
    if (answer === "refuse") response.writeHead(500).end("{}");
  });
  const saved = { ...process.env };

  before(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    requests.length = 0;
    answer = "refuse";
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      AWS_REGION: "ap-northeast-1",
      AWS_ACCESS_KEY_ID: "AKIDLAMBDA",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_PROFILE: "nobody",
    });
  });
  afterEach(() => {
    for (const name of Object.keys(process.env)) delete process.env[name];
    Object.assign(process.env, saved);
  });

  const read = (overrides?: Parameters<typeof clientConfig>[0]) =>
    failure(new SSMClient(clientConfig(overrides)).send(new GetParameterCommand({ Name: "/a" })));

  it("try twice, say who they are, and take endpoint and credentials from the environment", async () => {
    await read();
    expect(requests).to.have.length(2);
    expect(requests[0]?.userAgent).to.include(` stingy-vpn/${version}`);
    expect(requests[0]?.authorization).to.match(/^AWS4-HMAC-SHA256 Credential=AKIDLAMBDA\/\d+\/ap-northeast-1\//);
  });

  it("let what is given go first", async () => {
    const credentials = { accessKeyId: "AKIDOTHER", secretAccessKey: "test" };
    await read({ maxAttempts: 1, region: "eu-north-1", credentials });
    expect(requests).to.have.length(1);
    expect(requests[0]?.authorization).to.match(/Credential=AKIDOTHER\/\d+\/eu-north-1\//);
  });

  it("do not wait for ever, but as long as is asked for", async () => {
    answer = "silence";
    const error = await read({ maxAttempts: 1, requestTimeoutMs: 50 });
    expect(error.name).to.equal("TimeoutError");
    expect(error.message).to.include("exceeded the configured 50 ms requestTimeout");
    expect(clientConfig().requestHandler).to.deep.equal({
      connectionTimeout: 1_000,
      requestTimeout: 5_000,
      throwOnRequestTimeout: true,
    });
  });

  it("look for credentials nowhere else", async () => {
    delete process.env.AWS_SECRET_ACCESS_KEY;
    const error = await read();
    expect(error).to.be.instanceOf(EnvironmentError);
    expect(error.message).to.equal(
      "The function's environment is not usable: AWS_SECRET_ACCESS_KEY is missing. " +
        "Lambda sets it for a function that has a role.",
    );
    expect(requests).to.deep.equal([]);
  });
});

describe("lambda: environment", () => {
  const isWindow = (value: unknown): value is { hours: number } =>
    typeof value === "object" && value !== null && "hours" in value;

  it("reads each kind of variable", () => {
    const variables = {
      A: " a ",
      EMPTY: "",
      LIST: "x, y",
      FAMILIES: "AAAA,A,A",
      DAYS: "14",
      TRIES: "0",
      POLICY: "never",
      WINDOW: '{"hours":2}',
      ADDRESS: "203.0.113.5",
    };
    const settings = readEnvironment(variables, (read) => ({
      a: read.required("A"),
      empty: read.optional("EMPTY"),
      list: read.list("LIST"),
      families: read.listOf("FAMILIES", ["A", "AAAA"]),
      days: read.positiveNumber("DAYS"),
      tries: read.wholeNumber("TRIES"),
      other: read.wholeNumber("EMPTY", 3),
      window: read.json("WINDOW", isWindow, "a window"),
      noWindow: read.json("EMPTY", isWindow, "a window", { hours: 1 }),
      address: read.matching("ADDRESS", isIPv4, "an IPv4 address"),
      noAddress: read.matching("EMPTY", isIPv4, "an IPv4 address"),
      policy: read.oneOf("POLICY", ["never", "at-once"]),
      level: read.oneOf("LEVEL", ["debug", "info"], "info"),
    }));
    expect(settings).to.deep.equal({
      a: "a",
      empty: undefined,
      list: ["x", "y"],
      families: ["AAAA", "A"],
      days: 14,
      tries: 0,
      other: 3,
      window: { hours: 2 },
      noWindow: { hours: 1 },
      address: "203.0.113.5",
      noAddress: undefined,
      policy: "never",
      level: "info",
    });
  });

  it("names everything that is missing or invalid in one error", () => {
    const variables = {
      LIST: "x,,y",
      FAMILIES: "A,,MX,TXT",
      DAYS: "two",
      TRIES: "1.5",
      MORE: "-1",
      WINDOW: "[]",
      NONSENSE: "{",
      ADDRESS: "::1",
      POLICY: "maybe",
      LEVEL: "loud",
    };
    const read = () =>
      readEnvironment(variables, (reader) => [
        reader.required("A"),
        reader.list("LIST"),
        reader.list("NO_LIST"),
        reader.listOf("FAMILIES", ["A", "AAAA"]),
        reader.positiveNumber("DAYS"),
        reader.wholeNumber("TRIES"),
        reader.wholeNumber("MORE", 3),
        reader.wholeNumber("NO_TRIES"),
        reader.json("WINDOW", isWindow, "a window"),
        reader.json("NONSENSE", isWindow, "a window", { hours: 1 }),
        reader.json("NO_WINDOW", isWindow, "a window"),
        reader.matching("ADDRESS", isIPv4, "an IPv4 address"),
        reader.oneOf("POLICY", ["never", "at-once"]),
        reader.oneOf("LEVEL", ["debug", "info"], "info"),
      ]);
    expect(read).to.throw(
      EnvironmentError,
      'The function\'s environment is not usable: A is missing; LIST is "x,,y", which has an empty item; ' +
        'NO_LIST is missing; FAMILIES is "A,,MX,TXT", which has an empty item; ' +
        "FAMILIES has MX, TXT, and may only have A, AAAA; " +
        'DAYS is "two", not a number above 0; TRIES is "1.5", not a whole number, 0 or more; ' +
        'MORE is "-1", not a whole number, 0 or more; NO_TRIES is missing; ' +
        "WINDOW is [], not a window as JSON; NONSENSE is {, not a window as JSON; NO_WINDOW is missing; " +
        'ADDRESS is "::1", not an IPv4 address; POLICY is "maybe", not one of never, at-once; ' +
        "LEVEL is \"loud\", not one of debug, info. `cdktf deploy '*'` sets what the function needs.",
    );
  });
});
