import { distance } from "fastest-levenshtein";
import type { $ZodIssue } from "zod/v4/core";
import { LOOKS_SECRET, type Path, type Problem } from "./problem";
import { jsonSchema } from "./schema";

/** The part of a JSON schema that explanations are made from. */
export interface SchemaNode {
  readonly title?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  readonly oneOf?: readonly SchemaNode[];
  readonly anyOf?: readonly SchemaNode[];
  readonly examples?: readonly unknown[];
  readonly default?: unknown;
  readonly description?: string;
  readonly "x-allowed"?: string;
  readonly "x-reason"?: string;
}

/** Says what zod found in the words of the schema's own descriptions. */
export function explain(issue: $ZodIssue, raw: unknown): Problem[] {
  const path = issue.path.filter((part) => typeof part !== "symbol");
  const given = valueAt(raw, path);
  const node = schemaAt(path, raw);
  if (issue.code === "unrecognized_keys") {
    const known = Object.keys(node?.properties ?? {});
    return issue.keys.map((key) => ({
      path: [...path, key],
      key: true,
      problem: `there is no setting "${key}" here`,
      allowed: known.join(", "),
      fix: fixForUnknownKey(key, known),
    }));
  }
  if (issue.code === "invalid_key") {
    const record = schemaAt(path.slice(0, -1), raw);
    const allowed = record?.["x-allowed"];
    return [
      {
        path,
        key: true,
        given: path.at(-1),
        problem: issue.issues[0]?.message ?? "is not allowed",
        ...(allowed === undefined ? {} : { allowed }),
        fix: "choose another name",
      },
    ];
  }
  const allowed = node?.["x-allowed"] ?? (Object.keys(node?.properties ?? {}).join(", ") || parentAllowed(path, raw));
  return [
    {
      path,
      ...(given === undefined ? {} : { given }),
      problem: given === undefined ? "is missing" : ownMessage(issue),
      ...(allowed === undefined ? {} : { allowed }),
      fix: fixForValue(path, raw, node ?? {}, choices(node)),
    },
  ];
}

/** The messages the schema gives itself say more than "is not allowed"; zod's own ones do not. */
function ownMessage(issue: $ZodIssue): string {
  return /^(Invalid|Too |Unrecognized|Not )/.test(issue.message) ? wrongType(issue) : issue.message;
}

function wrongType(issue: $ZodIssue): string {
  if (issue.code !== "invalid_type") return "is not allowed";
  const names: Record<string, string> = {
    string: "text",
    boolean: "true or false",
    array: "a list",
    object: "a group of settings",
    record: "a group of settings",
    int: "a whole number",
  };
  return `is not ${names[issue.expected] ?? `a ${issue.expected}`}`;
}

function fixForUnknownKey(key: string, known: readonly string[]): string {
  const meant = closest(key, known);
  if (meant !== undefined) return `did you mean "${meant}"?`;
  if (LOOKS_SECRET.test(key)) {
    return "remove it: secrets never go into this file, they live in the store (SSM Parameter Store)";
  }
  // Most settings are a site's, so that place comes first.
  const places = placesOf(key, jsonSchema() as SchemaNode);
  const place = places.find((where) => where.startsWith("sites")) ?? places[0];
  return place === undefined
    ? "remove it, or use one of the allowed settings"
    : `it belongs to ${place}: move it there`;
}

/** Where else a setting of this name stands. */
function placesOf(key: string, node: SchemaNode, at: readonly string[] = []): string[] {
  const inner = typeof node.additionalProperties === "object" ? node.additionalProperties : undefined;
  return [
    ...(node.properties?.[key] && at.length > 0 ? [at.join(".")] : []),
    ...Object.entries(node.properties ?? {}).flatMap(([name, property]) => placesOf(key, property, [...at, name])),
    ...(inner ? placesOf(key, inner, [...at, "<name>"]) : []),
    ...(node.oneOf ?? []).flatMap((branch) => placesOf(key, branch, at)),
  ];
}

function fixForValue(path: Path, raw: unknown, node: SchemaNode, options: readonly string[]): string {
  const given = valueAt(raw, path);
  const meant = typeof given === "string" ? closest(given, options) : undefined;
  if (meant !== undefined) return `did you mean "${meant}"?`;
  const key = [...path].reverse().find((part) => typeof part === "string") ?? "";
  const list = typeof path.at(-1) === "number" ? schemaAt(path.slice(0, -1), raw) : undefined;
  const example = (list ?? node).examples?.[0] ?? node.default ?? options[0];
  if (example === undefined && node.type === "string" && ["number", "boolean"].includes(typeof given)) {
    return `write it in quotes: ${key}: "${given}"`;
  }
  return example === undefined ? `see docs/configuration.md` : `for example ${key}: ${inline(example)}`;
}

/** A value as it may be written on one line of YAML. */
export function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    const inner = Object.entries(value).map(([key, one]) => `${key}: ${inline(one)}`);
    return inner.length === 0 ? "{}" : `{ ${inner.join(", ")} }`;
  }
  return String(value);
}

function choices(node: SchemaNode | undefined): string[] {
  if (!node) return [];
  const own = [...(node.enum ?? []), ...(node.const === undefined ? [] : [node.const])];
  return [
    ...own.filter((value) => typeof value === "string"),
    ...[...(node.anyOf ?? []), ...(node.oneOf ?? [])].flatMap(choices),
  ];
}

/** A wrong element of a list is told what the list may hold. */
function parentAllowed(path: Path, raw: unknown): string | undefined {
  return path.length === 0 ? undefined : schemaAt(path.slice(0, -1), raw)?.["x-allowed"];
}

/** The nearest of `options`, if it is near enough to be a slip of the pen. */
function closest(word: string, options: readonly string[]): string | undefined {
  const near = options
    .map((option) => ({ option, far: distance(word.toLowerCase(), option.toLowerCase()) }))
    .sort((a, b) => a.far - b.far)[0];
  return near && near.far <= Math.max(2, Math.floor(near.option.length / 4)) && near.far < near.option.length
    ? near.option
    : undefined;
}

function valueAt(raw: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, part) =>
      value !== null && typeof value === "object" ? (value as Record<string | number, unknown>)[part] : undefined,
    raw,
  );
}

/** The schema of the setting at a path; of several alternatives, the one that the value's own discriminator names. */
function schemaAt(path: Path, raw: unknown): SchemaNode | undefined {
  let node: SchemaNode | undefined = jsonSchema() as SchemaNode;
  let value = raw;
  for (const part of path) {
    const current: SchemaNode | undefined = alternative(node, value);
    const additional: SchemaNode | boolean | undefined = current?.additionalProperties;
    node =
      typeof part === "number"
        ? current?.items
        : (current?.properties?.[part] ??
          (typeof additional === "object" ? additional : undefined) ??
          merged(current?.oneOf, part, value));
    value = valueAt(value, [part]);
  }
  return alternative(node, value);
}

function alternative(node: SchemaNode | undefined, value: unknown): SchemaNode | undefined {
  const chosen = node?.oneOf?.find((branch) =>
    Object.entries(branch.properties ?? {}).some(
      ([key, property]) => property.const !== undefined && property.const === valueAt(value, [key]),
    ),
  );
  return chosen ? { ...node, ...chosen } : node;
}

/** A discriminator no alternative knows: all of them together say what is allowed. */
function merged(branches: readonly SchemaNode[] | undefined, key: string, value: unknown): SchemaNode | undefined {
  const written = Object.keys(value !== null && typeof value === "object" ? value : {});
  const known = ({ properties = {} }: SchemaNode) => written.filter((name) => name in properties).length;
  const fitting = branches?.filter((branch) => branch.properties?.[key]) ?? [];
  if (fitting.length === 0) return undefined;
  const constants = fitting.map((branch) => branch.properties?.[key]?.const);
  // The example is the alternative that knows most of what else is written.
  const [best] = [...fitting].sort((a, b) => known(b) - known(a));
  return { enum: constants, "x-allowed": constants.join(", "), examples: [best?.properties?.[key]?.const] };
}
