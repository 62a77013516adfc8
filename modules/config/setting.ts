import * as z from "zod";
import type { Default } from "./defaults";

/** What a reader, an editor and an error message are told about one setting. */
export interface About {
  readonly what: string;
  /** What may be written, as words: "an IPv4 network from /16 to /28". */
  readonly allowed: string;
  readonly example?: unknown;
  readonly reason?: string;
}

export function describe<S extends z.ZodType>(schema: S, about: About): S {
  const { what, allowed, example, reason } = about;
  return schema.meta({
    description: what,
    "x-allowed": allowed,
    ...(reason === undefined ? {} : { "x-reason": reason }),
    ...(example === undefined ? {} : { examples: [example] }),
  }) as S;
}

export function defaulted<S extends z.ZodType>(schema: S, { value, reason }: Default<z.input<S>>, about: About) {
  return describe(schema.default(value as never), { example: value, reason, ...about });
}

/** Each element becomes a resource of its own name. */
export function list<S extends z.ZodType>(element: S) {
  return z.array(element).refine((all) => new Set(all).size === all.length, "names one of them twice");
}

/** Two names this long still fit into the 64 characters of a role's or function's name. */
export const NAME = /^[a-z]([a-z0-9-]{0,14}[a-z0-9])?$/;
export const NAME_ALLOWED = "1 to 16 lower-case letters, digits and hyphens, a letter first, no hyphen last";
