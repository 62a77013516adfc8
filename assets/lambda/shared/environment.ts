export type Variables = Readonly<Record<string, string | undefined>>;

export interface Reader {
  required(name: string): string;
  /** An empty variable counts as absent: Terraform cannot leave one out of the map conditionally. */
  optional(name: string): string | undefined;
  /** Comma separated, at least one item. */
  list(name: string): string[];
  positiveNumber(name: string): number;
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
  const result = read({
    required,
    optional,
    list(name) {
      const value = required(name);
      const items = value.split(",").map((item) => item.trim());
      if (value !== "" && items.includes("")) problems.push(`${name} is "${value}", which has an empty item`);
      return items;
    },
    positiveNumber(name) {
      const value = required(name);
      const number = Number(value);
      if (value !== "" && !(number > 0 && Number.isFinite(number))) {
        problems.push(`${name} is "${value}", not a number above 0`);
      }
      return number;
    },
    oneOf(name, allowed, fallback) {
      const value = fallback === undefined ? required(name) : (optional(name) ?? fallback);
      const match = allowed.find((candidate) => candidate === value);
      if (match === undefined && value !== "") problems.push(`${name} is "${value}", not one of ${allowed.join(", ")}`);
      return match ?? (allowed[0] as (typeof allowed)[number]);
    },
  });
  if (problems.length > 0) throw new Error(`The function's environment is not usable: ${problems.join("; ")}.`);
  return result;
}
