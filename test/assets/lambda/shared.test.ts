import { expect } from "chai";
import { readEnvironment } from "../../../assets/lambda/shared/environment";
import { createLog } from "../../../assets/lambda/shared/log";

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

  it("keeps an error's name and message, and nothing that hangs on it", () => {
    const lines: string[] = [];
    const error = Object.assign(new TypeError("no route"), { $response: { headers: { authorization: "secret" } } });
    createLog("info", (line) => lines.push(line)).error("failed", { error });
    expect(JSON.parse(lines[0] ?? "").error).to.deep.equal({ name: "TypeError", message: "no route" });
  });
});

describe("lambda: environment", () => {
  it("reads each kind of variable", () => {
    const variables = { A: " a ", EMPTY: "", LIST: "x, y", DAYS: "14", POLICY: "never" };
    const settings = readEnvironment(variables, (read) => ({
      a: read.required("A"),
      empty: read.optional("EMPTY"),
      list: read.list("LIST"),
      days: read.positiveNumber("DAYS"),
      policy: read.oneOf("POLICY", ["never", "at-once"]),
      level: read.oneOf("LEVEL", ["debug", "info"], "info"),
    }));
    expect(settings).to.deep.equal({
      a: "a",
      empty: undefined,
      list: ["x", "y"],
      days: 14,
      policy: "never",
      level: "info",
    });
  });

  it("names everything that is missing or invalid in one error", () => {
    const variables = { LIST: "x,,y", DAYS: "two", POLICY: "maybe", LEVEL: "loud" };
    const read = () =>
      readEnvironment(variables, (reader) => [
        reader.required("A"),
        reader.list("LIST"),
        reader.list("NO_LIST"),
        reader.positiveNumber("DAYS"),
        reader.oneOf("POLICY", ["never", "at-once"]),
        reader.oneOf("LEVEL", ["debug", "info"], "info"),
      ]);
    expect(read).to.throw(
      'The function\'s environment is not usable: A is missing; LIST is "x,,y", which has an empty item; ' +
        'NO_LIST is missing; DAYS is "two", not a number above 0; POLICY is "maybe", not one of never, at-once; ' +
        'LEVEL is "loud", not one of debug, info.',
    );
  });
});
