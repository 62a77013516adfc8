import { inspect } from "node:util";

const HIDDEN = "[secret]";
/** A shorter value would be found inside ordinary words, and protects nothing. */
const SHORTEST = 8;
/** Longest first: where one value begins another, the rest of that one must not be left over. */
let known: readonly { readonly value: string; readonly pattern: RegExp }[] = [];

/** A value that does not get into a log line: printing it in any way gives "[secret]", and `scrub` knows it from then on. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
    if (value.length < SHORTEST || known.some((other) => other.value === value)) return;
    known = [...known, { value, pattern: patternOf(value) }].sort((a, b) => b.value.length - a.value.length);
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}

/** Replaces each secret's value, also where the text has it inside JSON or a URL. Whoever shortens a text scrubs it first. */
export function scrub(text: string): string {
  return known.reduce((scrubbed, { pattern }) => scrubbed.replace(pattern, HIDDEN), text);
}

function patternOf(value: string): RegExp {
  // A run of backslashes counts as one, as each level of JSON doubles it: one pattern for each would try all their shares.
  return new RegExp(Array.from(value.replace(/\\+/g, "\\"), anySpelling).join(""), "g");
}

/** A character as it is, after the backslashes of JSON inside JSON, as \uXXXX, or after the percent sign of a URL. */
function anySpelling(character: string): string {
  const inJson = JSON.stringify(character).slice(1, -1).replace(/^\\/, "");
  const units = Array.from({ length: character.length }, (_, at) => `u${hex(character.charCodeAt(at), 4)}`);
  const bytes = Array.from(Buffer.from(character), (byte) => `%(?:25)*${hex(byte, 2)}`);
  const spellings = [bytes.join(""), units.join("\\\\*"), literal(character), literal(inJson)];
  if (character === " ") spellings.push("\\+");
  return `\\\\*(?:${[...new Set(spellings)].join("|")})${character === "\\" ? "+" : ""}`;
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function hex(code: number, digits: number): string {
  const text = code.toString(16).padStart(digits, "0");
  return text.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
}
