import { gzipSync } from "node:zlib";
import { FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { DescribeInstancesCommand } from "@aws-sdk/client-ec2";
import { GetCommandInvocationCommand, GetParametersCommand, SendCommandCommand } from "@aws-sdk/client-ssm";
import { expect } from "chai";
import fc from "fast-check";
import type { Aws } from "../../cli/aws";
import { jsonLine, type LogLine, mentions, readLambdaLine, showLine, withoutKeys } from "../../cli/server/log-line";
import { NoAnswer, readJournal, sourceOf } from "../../cli/server/log-sources";
import { Merge, Tail } from "../../cli/server/merge";
import { sinceOf } from "../../cli/server/since";
import { parseConfig, type Site } from "../../modules/config";

const NOW = new Date("2026-11-21T12:00:00Z");
const INSTANCE = "i-0aaaaaaaaaaaaaaaa";

function line(at: number, more: Partial<LogLine> = {}): LogLine {
  const rest = { level: "info", message: "looked", fields: {}, minor: false } as const;
  return { at: new Date(at), source: "controller", id: `${at}`, ...rest, ...more };
}

describe("--since", () => {
  for (const [text, expected] of [
    ["30s", "2026-11-21T11:59:30.000Z"],
    ["15m", "2026-11-21T11:45:00.000Z"],
    ["2h", "2026-11-21T10:00:00.000Z"],
    ["3d", "2026-11-18T12:00:00.000Z"],
    ["2026-11-21T09:00Z", "2026-11-21T09:00:00.000Z"],
    ["2026-11-20", "2026-11-20T00:00:00.000Z"],
    ["99999d", "1970-01-01T00:00:00.000Z"],
    ["1960-01-01", "1970-01-01T00:00:00.000Z"],
  ] as const) {
    it(`takes ${text}`, () => {
      expect(sinceOf(text, NOW).toISOString()).to.equal(expected);
    });
  }

  for (const [text, message] of [
    ["yesterday", "--since yesterday is no time."],
    ["1w", "--since 1w is no time."],
    ["-1h", "--since -1h is no time."],
    ["2026-13-01", "--since 2026-13-01 is no time."],
    ["2026-11-22", "--since 2026-11-22 is in the future."],
  ] as const) {
    it(`refuses ${text}`, () => {
      expect(() => sinceOf(text, NOW)).to.throw(message);
    });
  }
});

describe("a line of a Lambda's log", () => {
  it("is read as our own JSON", () => {
    const text =
      '{"hint":{"kind":"tick"},"server":"i-1","time":"2026-11-21T11:00:00Z","level":"warn","message":"looked"}\n';
    expect(readLambdaLine(text)).to.deep.equal({
      level: "warn",
      message: "looked",
      fields: { hint: { kind: "tick" }, server: "i-1" },
      minor: false,
    });
  });

  for (const [what, text, level, message, minor] of [
    ["a run's start", "START RequestId: 1 Version: $LATEST\n", "debug", "START RequestId: 1 Version: $LATEST", true],
    ["a run's end", "REPORT RequestId: 1\tDuration: 2 ms\t\n", "debug", "REPORT RequestId: 1 Duration: 2 ms", true],
    [
      "a run that was cut off",
      "REPORT RequestId: 1\tStatus: timeout",
      "error",
      "REPORT RequestId: 1 Status: timeout",
      false,
    ],
    [
      "a time-out",
      "2026-11-21T11:00:00Z 1 Task timed out after 30.00 seconds\n\n",
      "error",
      "2026-11-21T11:00:00Z 1 Task timed out after 30.00 seconds",
      false,
    ],
    [
      "what was thrown",
      '2026-11-21T11:00:00Z\t1\tERROR\tInvoke Error \t{"errorType":"Error","errorMessage":"no","stack":["x"]}',
      "error",
      "Invoke Error  no",
      false,
    ],
    ["a runtime's warning", "2026-11-21T11:00:00Z\t1\tWARN\tdeprecated", "warn", "deprecated", false],
    ["broken JSON", '{"message":"cut o', "info", '{"message":"cut o', false],
  ] as const) {
    it(`is read as ${what}`, () => {
      expect(readLambdaLine(text)).to.deep.equal({ level, message, fields: {}, minor });
    });
  }

  it("is of little interest where it only carries metrics", () => {
    expect(readLambdaLine('{"Site":"tokyo","Problems":1,"_aws":{"Timestamp":1}}')).to.deep.equal({
      level: "info",
      message: "metrics",
      fields: { Site: "tokyo", Problems: 1 },
      minor: true,
    });
  });
});

/** What the server gives of its journal. */
function packed(...entries: unknown[]): string {
  return gzipSync(
    entries
      .map((entry) => JSON.stringify(entry))
      .reverse()
      .join("\n"),
  ).toString("base64");
}

describe("the server's journal", () => {
  it("is read with what our scripts say, and what systemd says of them", () => {
    const lines = readJournal(
      packed(
        [
          "1795262400123456",
          "6",
          "stingy-health",
          'stingy-health: level=info event=verdict now="fit" before="no \\"wg\\""',
        ],
        ["1795262401000000", "6", "systemd", "Finished Proves that the server can serve."],
        ["1795262402000000", "4", "systemd", "stingy-sync.service: Failed with result 'exit-code'."],
        ["1795262403000000", null, null, "wg: broken"],
      ),
      INSTANCE,
      "server",
    );
    expect(lines.map(({ id: _, at, ...rest }) => ({ at: at.toISOString(), ...rest }))).to.deep.equal([
      {
        at: "2026-11-21T12:00:00.123Z",
        source: "server",
        level: "info",
        message: "stingy-health: verdict",
        fields: { now: "fit", before: 'no "wg"' },
        minor: false,
      },
      {
        at: "2026-11-21T12:00:01.000Z",
        source: "server",
        level: "info",
        message: "systemd: Finished Proves that the server can serve.",
        fields: {},
        minor: true,
      },
      {
        at: "2026-11-21T12:00:02.000Z",
        source: "server",
        level: "warn",
        message: "systemd: stingy-sync.service: Failed with result 'exit-code'.",
        fields: {},
        minor: false,
      },
      {
        at: "2026-11-21T12:00:03.000Z",
        source: "server",
        level: "info",
        message: "unknown: wg: broken",
        fields: {},
        minor: false,
      },
    ]);
  });

  it("is read up to where Systems Manager has cut it off", () => {
    const entries = Array.from({ length: 300 }, (_, at) => [
      `${1795262400000000 + at}`,
      "6",
      "stingy-sync",
      `line ${Math.sin(at)}`,
    ]);
    const whole = packed(...entries);
    const lines = readJournal(whole.slice(0, Math.floor(whole.length / 2)), INSTANCE, "server");
    expect(lines.length).to.be.greaterThan(50).and.lessThan(300);
    expect(lines.at(-1)?.message).to.equal(`stingy-sync: line ${Math.sin(299)}`);
    expect(lines.at(-50)?.message).to.equal(`stingy-sync: line ${Math.sin(250)}`);
    // So its agent marks what it has cut off.
    const marked = `${whole.slice(0, Math.floor(whole.length / 2))}\n---Output truncated---`;
    expect(readJournal(marked, INSTANCE, "server")).to.deep.equal(lines);
  });

  it("is empty where the server has said nothing, or nonsense", () => {
    expect(readJournal("", INSTANCE, "server")).to.deep.equal([]);
    expect(readJournal("bash: jq: command not found", INSTANCE, "server")).to.deep.equal([]);
  });
});

describe("a line of the stream", () => {
  const said = line(NOW.getTime(), {
    level: "error",
    message: "a person\nis \x1b[2Jneeded",
    fields: { code: "quota", text: "two words", seen: { all: "x".repeat(500) } },
  });

  it("is one line with its time, its source and its values, the long ones cut short", () => {
    expect(showLine(said)).to.equal(
      `2026-11-21T12:00:00.000Z controller error a person is needed code=quota text="two words" seen={"all":"${"x".repeat(152)}…`,
    );
  });

  it("is whole in JSON", () => {
    expect(JSON.parse(jsonLine(said))).to.deep.equal({
      time: "2026-11-21T12:00:00.000Z",
      source: "controller",
      level: "error",
      message: said.message,
      fields: said.fields,
    });
  });

  it("is found by a word in any case, also in its values", () => {
    expect(mentions(said, "QUOTA")).to.equal(true);
    expect(mentions(said, "capacity")).to.equal(false);
  });

  it("shows no key of WireGuard's", () => {
    const key = Buffer.alloc(32, 7).toString("base64");
    expect(withoutKeys(`"PrivateKey = ${key}"`)).to.equal(`"PrivateKey = ${key.slice(0, 4)}…"`);
    expect(withoutKeys(`A${key}`)).to.equal(`A${key}`);
  });
});

describe("several sources in one stream", () => {
  const LATE = 5;
  const OVERLAP = 20;
  const END = 300;

  type Spoken = readonly { source: string; at: number; late: number }[];
  type Outages = readonly { source: string; from: number; length: number }[];
  const sources = fc.constantFrom("a", "b", "c");

  /** Each source says lines at times of its own; each becomes readable up to LATE later. */
  const spoken = fc.array(fc.record({ source: sources, at: fc.nat(200), late: fc.nat(LATE) }), { maxLength: 60 });
  /** When a source cannot be read; in the end each can. */
  const outages = fc.array(fc.record({ source: sources, from: fc.nat(200), length: fc.nat(90) }), { maxLength: 6 });

  function streamed(lines: Spoken, every: Record<string, number>, heldBack: number, out: Outages = []) {
    const merge = new Merge(Object.keys(every));
    const tails = new Map(Object.keys(every).map((source) => [source, new Tail(new Date(0), OVERLAP)]));
    const given: LogLine[] = [];
    for (let now = 0; now <= END; now++) {
      for (const [source, tail] of tails) {
        if (now % (every[source] ?? 1) !== 0) continue;
        const isOut = out.some(({ source: of, from, length }) => of === source && now >= from && now < from + length);
        const readable = lines.flatMap((each, index) =>
          each.source === source && each.at + each.late <= now && each.at >= tail.from.getTime()
            ? line(each.at, { source, id: `${index}` })
            : [],
        );
        given.push(...merge.add(source, isOut ? [] : tail.take(readable, new Date(now)), new Date(now - heldBack)));
      }
    }
    return [...given, ...merge.end()];
  }

  const periods = fc.record({
    a: fc.integer({ min: 1, max: 9 }),
    b: fc.integer({ min: 1, max: 9 }),
    c: fc.integer({ min: 1, max: 9 }),
  });

  it("come in the order of time, none lost and none twice, however often each is read again", () => {
    fc.assert(
      fc.property(spoken, periods, (lines, every) => {
        const given = streamed(lines, every, LATE);
        const times = given.map(({ at }) => at.getTime());
        expect(times).to.deep.equal([...times].sort((a, b) => a - b));
        expect(given.map(({ id }) => Number(id)).sort((a, b) => a - b)).to.deep.equal(lines.map((_, index) => index));
      }),
    );
  });

  it("lose nothing of a source that is later than expected or cannot be read for long, and give nothing twice", () => {
    fc.assert(
      fc.property(spoken, periods, outages, (lines, every, out) => {
        const given = streamed(lines, every, 0, out);
        expect(given.map(({ id }) => Number(id)).sort((a, b) => a - b)).to.deep.equal(lines.map((_, index) => index));
      }),
    );
  });

  it("wait for the one that has been read least", () => {
    const merge = new Merge(["a", "b"]);
    expect(merge.add("a", [line(1), line(9)], new Date(10))).to.deep.equal([]);
    expect(merge.add("b", [line(5, { source: "b", id: "b5" })], new Date(6)).map(({ id }) => id)).to.deep.equal([
      "1",
      "b5",
    ]);
    expect(merge.end().map(({ id }) => id)).to.deep.equal(["9"]);
  });

  it("keep what one source says at one moment in its order", () => {
    const merge = new Merge(["a"]);
    const same = ["first", "second", "third"].map((id) => line(5, { id }));
    expect(merge.add("a", same, new Date(5)).map(({ id }) => id)).to.deep.equal(["first", "second", "third"]);
  });
});

describe("a log that is read again and again", () => {
  const at = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
  const said = (seconds: number) => line(at(seconds).getTime());
  const seconds = (lines: readonly LogLine[]) => lines.map((one) => (one.at.getTime() - NOW.getTime()) / 1000);

  it("is read from a minute before the last time on, but never from before --since", () => {
    const tail = new Tail(at(0));
    expect(tail.from).to.deep.equal(at(0));
    tail.take([], at(20));
    expect(tail.from).to.deep.equal(at(0));
    tail.take([], at(100));
    expect(tail.from).to.deep.equal(at(40));
  });

  it("gives no line from before, which it may have forgotten", () => {
    const tail = new Tail(at(0));
    expect(seconds(tail.take([said(-0.5), said(10), said(39.5), said(50)], at(100)))).to.deep.equal([10, 39.5, 50]);
    expect(seconds(tail.take([said(39.5), said(50), said(60)], at(110)))).to.deep.equal([60]);
  });
});

describe("a source of lines", () => {
  const [site] = parseConfig({ sites: { tokyo: { region: "ap-northeast-1" } } }).sites as [Site];
  const SPARE = "i-0bbbbbbbbbbbbbbbb";
  const seconds = (after: number) => new Date(NOW.getTime() + after * 1000);
  const entry = (after: number, message: string) => [`${seconds(after).getTime() * 1000}`, "6", "stingy-boot", message];
  const failure = (name: string) => Object.assign(new Error(name), { name });

  /** What a document gives on an instance: its output, another status, or an error. */
  type Answer = string | { readonly status: string } | Error;
  let answers: Record<string, Answer>;
  let events: object[] | Error;
  /** From when on each was asked for, in seconds. */
  let asked: [string, number][];
  let notes: string[];

  beforeEach(() => {
    [answers, events, asked, notes] = [{}, [], [], []];
  });

  const since = (epochMs: number) => (epochMs - NOW.getTime()) / 1000;
  const client = async () => ({
    async send(command: unknown) {
      if (command instanceof GetParametersCommand) {
        return { Parameters: [{ Name: `${site.storePrefix}/instance-id`, Value: INSTANCE }] };
      }
      if (command instanceof DescribeInstancesCommand) {
        const Instances = Object.keys(answers).map((InstanceId) => ({ InstanceId, State: { Name: "running" } }));
        return { Reservations: [{ Instances }] };
      }
      if (command instanceof SendCommandCommand) {
        const [id = ""] = command.input.InstanceIds ?? [];
        asked.push([id, since(Number(command.input.Parameters?.since?.[0]) * 1000)]);
        const answer = answers[id];
        if (answer instanceof Error) throw answer;
        return { Command: { CommandId: "1" } };
      }
      if (command instanceof GetCommandInvocationCommand) {
        const answer = answers[command.input.InstanceId ?? ""];
        return typeof answer === "string"
          ? { Status: "Success", StandardOutputContent: answer }
          : { Status: (answer as { status: string }).status };
      }
      if (command instanceof FilterLogEventsCommand) {
        asked.push(["controller", since(command.input.startTime ?? 0)]);
        if (events instanceof Error) throw events;
        return { events };
      }
      throw new Error("unexpected");
    },
  });
  const aws = { region: "ap-northeast-1", ssm: client, ec2: client, logs: client } as unknown as Aws;
  const follow = (name: "controller" | "server") => {
    const source = sourceOf(name, aws, site, NOW, (text) => void notes.push(text));
    if (!source) throw new Error("no source");
    return async (after: number) => {
      const lines = await source.read(seconds(after));
      return lines.map(({ source: of, message }) => `${of} ${message}`);
    };
  };
  const rejection = (read: Promise<unknown>): Promise<unknown> =>
    read.then(
      () => undefined,
      (error) => error,
    );

  it("gives a new machine's log from its boot on, however long it did not answer, and each line once", async () => {
    const read = follow("server");
    const boot = [entry(90, "boot"), entry(200, "ready")];
    answers = { [INSTANCE]: packed(entry(5, "old")) };
    expect(await read(10)).to.deep.equal(["server stingy-boot: old"]);
    answers[SPARE] = failure("InvalidInstanceId");
    expect(await read(100)).to.deep.equal([]);
    expect(await read(300)).to.deep.equal([]);
    answers[SPARE] = packed(...boot);
    asked = [];
    expect(await read(400)).to.deep.equal([`${SPARE} stingy-boot: boot`, `${SPARE} stingy-boot: ready`]);
    answers[SPARE] = packed(...boot, entry(390, "serving"));
    expect(await read(410)).to.deep.equal([`${SPARE} stingy-boot: serving`]);
    expect(asked).to.deep.equal([
      [INSTANCE, 240],
      [SPARE, 0],
      [INSTANCE, 340],
      [SPARE, 340],
    ]);
  });

  it("gives what a Lambda said while it could not be read", async () => {
    const read = follow("controller");
    const event = (after: number) => ({
      timestamp: seconds(after).getTime(),
      eventId: `${after}`,
      message: `${after}`,
    });
    events = [event(70)];
    expect(await read(100)).to.deep.equal(["controller 70"]);
    events = failure("TimeoutError");
    expect(await rejection(read(200))).to.equal(events);
    expect(await rejection(read(400))).to.equal(events);
    events = [event(70), event(150), event(390)];
    expect(await read(500)).to.deep.equal(["controller 150", "controller 390"]);
    events = [event(450)];
    expect(await read(510)).to.deep.equal(["controller 450"]);
    expect(asked.map(([, from]) => from)).to.deep.equal([0, 40, 40, 40, 440]);
  });

  for (const [what, answer, why] of [
    [
      "Systems Manager does not know",
      failure("InvalidInstanceId"),
      `Systems Manager does not reach the server ${SPARE}`,
    ],
    [
      "lacks the document",
      failure("InvalidDocument"),
      "the site was deployed by an older version: run `npx cdktf deploy '*'`",
    ],
    ["says Failed", { status: "Failed" }, `the server ${SPARE} says Failed`],
  ] as const) {
    it(`shows the other instances' lines beside one that ${what}, and says why`, async () => {
      answers = { [INSTANCE]: packed(entry(5, "hello")), [SPARE]: answer };
      expect(await follow("server")(10)).to.deep.equal(["server stingy-boot: hello"]);
      expect(notes).to.deep.equal([`The log of ${SPARE} cannot be read: ${why}.`]);
    });

    it(`fails where the only instance is one that ${what}`, async () => {
      answers = { [SPARE]: answer };
      const error = await rejection(follow("server")(10));
      expect(error)
        .to.be.instanceOf(NoAnswer)
        .and.include({
          message: `The log of ${SPARE} cannot be read: ${why}.`,
          fix: "`npx stingy doctor` says what keeps a server from answering.",
          exit: 1,
        });
      expect(notes).to.deep.equal([]);
    });
  }

  it("says of a site without a running server just that", async () => {
    expect(await follow("server")(10)).to.deep.equal([]);
    expect(notes).to.deep.equal(["No server is running; what an ended one said went with it."]);
  });
});
