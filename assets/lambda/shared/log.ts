export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type Log = Record<LogLevel, (message: string, fields?: Readonly<Record<string, unknown>>) => void>;

/** A logger that writes one JSON object a line and leaves out what is below `level`. */
export function createLog(level: LogLevel, write: (line: string) => void = (line) => process.stdout.write(line)): Log {
  const at =
    (entryLevel: LogLevel) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      if (LOG_LEVELS.indexOf(entryLevel) < LOG_LEVELS.indexOf(level)) return;
      const entry = { ...fields, time: new Date().toISOString(), level: entryLevel, message };
      write(`${JSON.stringify(entry, plainErrors)}\n`);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** JSON turns an Error into {}. Only name and message are kept: SDK errors carry whole HTTP responses. */
function plainErrors(_key: string, value: unknown): unknown {
  return value instanceof Error ? { name: value.name, message: value.message } : value;
}
