import { gzipSync } from "node:zlib";
import { expect } from "chai";
import fc from "fast-check";
import { jsonLine, type LogLine, mentions, readLambdaLine, showLine, withoutKeys } from "../../cli/server/log-line";
import { readJournal } from "../../cli/server/log-sources";
import { Merge } from "../../cli/server/merge";
import { sinceOf } from "../../cli/server/since";

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

describe("the server's journal", () => {
  const packed = (...entries: unknown[]) =>
    gzipSync(
      entries
        .map((entry) => JSON.stringify(entry))
        .reverse()
        .join("\n"),
    ).toString("base64");

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

  /** Each source says lines at times of its own; each becomes readable up to LATE later. */
  const spoken = fc.array(fc.record({ source: fc.constantFrom("a", "b", "c"), at: fc.nat(200), late: fc.nat(LATE) }), {
    maxLength: 60,
  });

  function streamed(
    lines: readonly { source: string; at: number; late: number }[],
    every: Record<string, number>,
    heldBack: number,
  ) {
    const merge = new Merge(Object.keys(every), 2 * OVERLAP);
    const out: LogLine[] = [];
    for (let now = 0; now <= 300; now++) {
      for (const [source, period] of Object.entries(every)) {
        if (now % period !== 0) continue;
        const readable = lines.flatMap((each, index) =>
          each.source === source && each.at + each.late <= now && each.at >= now - period - OVERLAP
            ? line(each.at, { source, id: `${index}` })
            : [],
        );
        out.push(...merge.add(source, readable, new Date(now - heldBack)));
      }
    }
    return [...out, ...merge.end()];
  }

  const periods = fc.record({
    a: fc.integer({ min: 1, max: 9 }),
    b: fc.integer({ min: 1, max: 9 }),
    c: fc.integer({ min: 1, max: 9 }),
  });

  it("come in the order of time, none lost and none twice, however often each is read again", () => {
    fc.assert(
      fc.property(spoken, periods, (lines, every) => {
        const out = streamed(lines, every, LATE);
        const times = out.map(({ at }) => at.getTime());
        expect(times).to.deep.equal([...times].sort((a, b) => a - b));
        expect(out.map(({ id }) => Number(id)).sort((a, b) => a - b)).to.deep.equal(lines.map((_, index) => index));
      }),
    );
  });

  it("lose nothing of a source that is later than expected, and give nothing twice", () => {
    fc.assert(
      fc.property(spoken, periods, (lines, every) => {
        const out = streamed(lines, every, 0);
        expect(out.map(({ id }) => Number(id)).sort((a, b) => a - b)).to.deep.equal(lines.map((_, index) => index));
      }),
    );
  });

  it("wait for the one that has been read least", () => {
    const merge = new Merge(["a", "b"], 100);
    expect(merge.add("a", [line(1), line(9)], new Date(10))).to.deep.equal([]);
    expect(merge.add("b", [line(5, { source: "b", id: "b5" })], new Date(6)).map(({ id }) => id)).to.deep.equal([
      "1",
      "b5",
    ]);
    expect(merge.end().map(({ id }) => id)).to.deep.equal(["9"]);
  });

  it("keep what one source says at one moment in its order", () => {
    const merge = new Merge(["a"], 100);
    const same = ["first", "second", "third"].map((id) => line(5, { id }));
    expect(merge.add("a", same, new Date(5)).map(({ id }) => id)).to.deep.equal(["first", "second", "third"]);
  });
});
