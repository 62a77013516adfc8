export type Path = readonly (string | number)[];

/** One thing wrong with the configuration, as a person needs it: which setting, what was given, what is allowed, the fix. */
export interface Problem {
  readonly path: Path;
  /** The problem is the key itself, not its value. */
  readonly key?: boolean;
  /** What was written. Absent for unknown keys, whose value may be a secret. */
  readonly given?: unknown;
  readonly problem: string;
  readonly allowed?: string;
  readonly fix: string;
}

export interface Located extends Problem {
  /** Line and column in the file, where the setting stands in it. */
  readonly position?: { readonly line: number; readonly column: number };
}

const LONGEST_GIVEN = 100;
const MOST_SHOWN = 50;

export const LOOKS_SECRET = /token|secret|password|private|preshared|psk|key$/i;

/** Bad configuration. Its message is all a person gets to see: no stack trace adds to it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  constructor(
    readonly file: string,
    readonly problems: readonly Located[],
  ) {
    super(
      [
        `${file}: ${problems.length === 1 ? "1 problem" : `${problems.length} problems`}, nothing was written.`,
        ...problems.slice(0, MOST_SHOWN).map((problem) => format(file, problem)),
        ...(problems.length > MOST_SHOWN ? [`  … and ${problems.length - MOST_SHOWN} more`] : []),
      ].join("\n\n"),
    );
  }
}

function format(file: string, { path, given, problem, allowed, fix, position }: Located): string {
  const place = position ? `${file}:${position.line}:${position.column}` : file;
  const rows: [string, string | undefined][] = [
    ["given", given === undefined ? undefined : shorten(withoutSecrets(given))],
    ["problem", problem],
    ["allowed", allowed],
    ["fix", fix],
  ];
  return [
    [`  ${place}`, path.join(".")].filter(Boolean).join("  "),
    ...rows.flatMap(([label, text]) => (text === undefined ? [] : [`    ${label.padEnd(8)} ${text}`])),
  ].join("\n");
}

/** As JSON, with what may be a secret left out: messages end up in the logs of CI. */
function withoutSecrets(given: unknown): string {
  const text = JSON.stringify(given, (key, value) => (LOOKS_SECRET.test(key) ? "…" : value)) ?? String(given);
  return text.replace(/:\/\/[^/"]*@/g, "://…@");
}

function shorten(text: string): string {
  return text.length <= LONGEST_GIVEN ? text : `${text.slice(0, LONGEST_GIVEN)}…`;
}
