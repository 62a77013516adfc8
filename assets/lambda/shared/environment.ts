import { EnvironmentError } from "./errors";

export type Variables = Readonly<Record<string, string | undefined>>;

export interface Reader {
  required(name: string): string;
  /** An empty variable counts as absent: Terraform cannot leave one out of the map conditionally. */
  optional(name: string): string | undefined;
  /** Comma separated, at least one item. */
  list(name: string): string[];
  /** A list of these and nothing else, each once. */
  listOf<T extends string>(name: string, allowed: readonly T[]): T[];
  positiveNumber(name: string): number;
  /** 0 or more. @default fallback, when the variable is absent and a fallback is given */
  wholeNumber(name: string, fallback?: number): number;
  /** `expected` describes to a person what `matches` accepts. @default fallback, when the variable is absent and a fallback is given */
  json<T>(name: string, matches: (value: unknown) => value is T, expected: string, fallback?: T): T;
  /** `expected` describes to a person what `matches` accepts. Undefined when absent. */
  matching(name: string, matches: (value: string) => boolean, expected: string): string | undefined;
  /** @default fallback, when the variable is absent and a fallback is given */
  oneOf<T extends string>(name: string, allowed: readonly T[], fallback?: T): T;
}

/** Reads everything before it complains, so that one error names every variable that is missing or invalid. */
export function readEnvironment<T>(variables: Variables, read: (reader: Reader) => T): T {
  const problems: string[] = [];
  const optional = (name: string) => variables[name]?.trim() || undefined;
  const required = (name: string) => {
    const value = optional(name);
    if (value === undefined) problems.push(`${name} is missing`);
    return value ?? "";
  };
  const list = (name: string) => {
    const value = required(name);
    const items = value.split(",").map((item) => item.trim());
    if (value !== "" && items.includes("")) problems.push(`${name} is "${value}", which has an empty item`);
    return items;
  };
  const result = read({
    required,
    optional,
    list,
    listOf<T extends string>(name: string, allowed: readonly T[]) {
      const items = list(name);
      const strange = items.filter((item) => item !== "" && !allowed.some((candidate) => candidate === item));
      if (strange.length > 0) {
        problems.push(`${name} has ${strange.join(", ")}, and may only have ${allowed.join(", ")}`);
      }
      return [...new Set(items as T[])];
    },
    positiveNumber(name) {
      const value = required(name);
      const number = Number(value);
      if (value !== "" && !(number > 0 && Number.isFinite(number))) {
        problems.push(`${name} is "${value}", not a number above 0`);
      }
      return number;
    },
    wholeNumber(name, fallback) {
      const value = fallback === undefined ? required(name) : (optional(name) ?? String(fallback));
      if (value !== "" && !(/^\d+$/.test(value) && Number.isSafeInteger(Number(value)))) {
        problems.push(`${name} is "${value}", not a whole number, 0 or more`);
      }
      return Number(value);
    },
    json<T>(name: string, matches: (value: unknown) => value is T, expected: string, fallback?: T) {
      const value = fallback === undefined ? required(name) : optional(name);
      if (!value) return fallback as T;
      const parsed = parseJson(value);
      if (!matches(parsed)) problems.push(`${name} is ${value}, not ${expected} as JSON`);
      return parsed as T;
    },
    matching(name, matches, expected) {
      const value = optional(name);
      if (value !== undefined && !matches(value)) problems.push(`${name} is "${value}", not ${expected}`);
      return value;
    },
    oneOf(name, allowed, fallback) {
      const value = fallback === undefined ? required(name) : (optional(name) ?? fallback);
      const match = allowed.find((candidate) => candidate === value);
      if (match === undefined && value !== "") problems.push(`${name} is "${value}", not one of ${allowed.join(", ")}`);
      return match ?? (allowed[0] as (typeof allowed)[number]);
    },
  });
  if (problems.length > 0) throw new EnvironmentError(problems);
  return result;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
