import { Secret, scrub } from "./secret";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type Log = Record<LogLevel, (message: string, fields?: Readonly<Record<string, unknown>>) => void>;

const SECRET_KEY =
  /token|secret|passw|passphrase|authori[sz]ation|credential|cookie|(private|preshared|pre_shared|api|access)[-_]?key/i;
/** EC2's idempotency token opens nothing, and a log without it cannot explain a launch. */
const HARMLESS_KEY = /^client-?_?token$/i;
/** Deeper than anything of ours; an event that somebody else made may be nested without end. */
const DEEPEST = 12;

/** A logger that writes one JSON object a line, leaves out what is below `level` and hides secrets. It never throws. */
export function createLog(level: LogLevel, write: (line: string) => void = (line) => process.stdout.write(line)): Log {
  const at =
    (entryLevel: LogLevel) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      if (LOG_LEVELS.indexOf(entryLevel) < LOG_LEVELS.indexOf(level)) return;
      const entry = { time: new Date().toISOString(), level: entryLevel, message: scrub(message) };
      write(`${JSON.stringify({ ...readable(fields), ...entry })}\n`);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function readable(fields: object): object {
  try {
    return plainObject(Object.entries(fields), []);
  } catch (error) {
    return { unreadable: scrub(String(error)) };
  }
}

/** What JSON can hold of a value: JSON.stringify throws at a circle and a bigint, and turns an Error and a Map into {}. */
function plain(value: unknown, parents: readonly object[]): unknown {
  if (typeof value === "string") return scrub(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Secret) return value.toJSON();
  if (parents.includes(value)) return "[circular]";
  if (parents.length >= DEEPEST) return "[too deep]";
  const within = [...parents, value];
  if (value instanceof Error) return plainError(value, within);
  if (value instanceof Map) return plainObject([...value], within);
  if (Array.isArray(value) || value instanceof Set) return Array.from(value, (item) => plain(item, within));
  if ("toJSON" in value && typeof value.toJSON === "function") return plain(value.toJSON(), within);
  return plainObject(Object.entries(value), within);
}

function plainObject(entries: readonly (readonly [unknown, unknown])[], parents: readonly object[]): object {
  return Object.fromEntries(
    entries.map(([name, value]) => {
      const key = String(name);
      const secret = value !== undefined && SECRET_KEY.test(key) && !HARMLESS_KEY.test(key);
      return [scrub(key), secret ? "[secret]" : plain(value, parents)];
    }),
  );
}

/** SDK errors carry whole HTTP responses, and a stack tells a reader of the log nothing that the message does not. */
function plainError(error: Error & { code?: unknown }, parents: readonly object[]): object {
  const { name, message, code, cause } = error;
  return {
    name: plain(name, parents),
    message: plain(message, parents),
    ...(typeof code === "string" || typeof code === "number" ? { code: plain(code, parents) } : {}),
    ...(cause === undefined ? {} : { cause: plain(cause, parents) }),
  };
}
