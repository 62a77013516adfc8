import { stripVTControlCharacters } from "node:util";
import { type Tone, tone } from "../output";

const LEVELS = ["debug", "info", "warn", "error"] as const;
export type Level = (typeof LEVELS)[number];

/** One thing that was said. */
export interface LogLine {
  readonly at: Date;
  /** controller, ddns, webhook, server, or the id of an instance that is not the server. */
  readonly source: string;
  /** Tells a line that is read twice from two that say the same. */
  readonly id: string;
  readonly level: Level;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
  /** Of interest to whoever wants to see everything. */
  readonly minor: boolean;
}

type Said = Pick<LogLine, "level" | "message" | "fields" | "minor">;

/** A line of a Lambda's log: our own JSON, or what Lambda's runtime says. */
export function readLambdaLine(text: string): Said {
  const line = text.trimEnd();
  const entry = parseObject(line);
  if (entry && "_aws" in entry) {
    const { _aws, ...fields } = entry;
    return { level: "info", message: "metrics", fields, minor: true };
  }
  if (entry && typeof entry.message === "string") {
    const { time, level, message, ...fields } = entry;
    return { level: levelOf(level), message, fields, minor: false };
  }
  const ended = /^(REPORT|INIT_REPORT) .*Status: (error|timeout)/.test(line);
  if (/^(START|END|REPORT|INIT_START|INIT_REPORT|EXTENSION) /.test(line)) {
    return { level: ended ? "error" : "debug", message: line.replace(/\s+/g, " "), fields: {}, minor: !ended };
  }
  const [, , level, ...rest] = line.split("\t");
  if (rest.length > 0 && /^(TRACE|DEBUG|INFO|WARN|ERROR|FATAL)$/.test(level ?? "")) {
    const thrown = parseObject(rest.at(-1) ?? "");
    const message =
      thrown && typeof thrown.errorMessage === "string" ? [...rest.slice(0, -1), thrown.errorMessage] : rest;
    return { level: levelOf(level), message: message.join(" "), fields: {}, minor: false };
  }
  const isFatal = /Task timed out|Runtime\.|Process exited|signal: killed/.test(line);
  return { level: isFatal ? "error" : "info", message: line, fields: {}, minor: false };
}

/** A line of the server's journal: what our scripts say is `name: level=info event=verdict now="fit"`. */
export function readJournalEntry(identifier: string, priority: number, text: string): Said {
  const said = /^(?:[\w.-]+: )?level=(\w+) event=(\S+)(.*)$/s.exec(text);
  if (said) {
    const [, level, event = "", rest = ""] = said;
    return { level: levelOf(level), message: `${identifier}: ${event}`, fields: keyValues(rest), minor: false };
  }
  const level = priority <= 3 ? "error" : priority === 4 ? "warn" : priority === 7 ? "debug" : "info";
  const minor = (identifier === "systemd" || identifier === "cloud-init") && priority > 4;
  return { level, message: `${identifier}: ${text}`, fields: {}, minor };
}

/** Nobody writes a key into a log on purpose, and whose it is cannot be seen: the end of each is left out. */
export function withoutKeys(text: string): string {
  return text.replace(/(?<![A-Za-z0-9+/])([A-Za-z0-9+/]{4})[A-Za-z0-9+/]{38}[AEIMQUYcgkosw048]=/g, "$1…");
}

function levelOf(word: unknown): Level {
  const level = String(word).toLowerCase();
  if (level === "warning") return "warn";
  if (level === "fatal") return "error";
  return LEVELS.find((known) => known === level) ?? "info";
}

/** The values are quoted as the server's `log` does it. */
function keyValues(text: string): Record<string, string> {
  const pairs = text.matchAll(/ ([\w.-]+)="((?:[^"\\]|\\.)*)"/g);
  return Object.fromEntries(Array.from(pairs, ([, key = "", value = ""]) => [key, value.replace(/\\(.)/g, "$1")]));
}

function parseObject(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const LEVEL_TONES: Readonly<Record<Level, Tone>> = { debug: "dim", info: "dim", warn: "warn", error: "bad" };
const SOURCE_WIDTH = "controller".length;
const LEVEL_WIDTH = 5;
/** What the controller saw fills screens; --json has all of it. */
const LONGEST_VALUE = 160;
/** What a person acts upon is shown to its end. */
const WHOLE = ["problems", "error", "says"];

export function showLine({ at, source, level, message, fields }: LogLine): string {
  const values = Object.entries(fields).map(
    ([key, value]) =>
      `${tone("dim", `${key}=`)}${shortValue(value, WHOLE.includes(key) ? Number.POSITIVE_INFINITY : LONGEST_VALUE)}`,
  );
  return [
    tone("dim", at.toISOString()),
    source.padEnd(SOURCE_WIDTH),
    tone(LEVEL_TONES[level], level.padEnd(LEVEL_WIDTH)),
    printable(message),
    ...values,
  ].join(" ");
}

export function jsonLine({ at, source, level, message, fields }: LogLine): string {
  return JSON.stringify({ time: at, source, level, message, fields });
}

function shortValue(value: unknown, longest: number): string {
  const text = typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return printable(text.length > longest ? `${text.slice(0, longest)}…` : text);
}

/** What a log line holds must not move the cursor of whoever reads it. */
function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/[\p{Cc}\p{Cf}]+/gu, " ");
}

export function mentions(line: LogLine, words: string): boolean {
  return jsonLine(line).toLowerCase().includes(words.toLowerCase());
}
