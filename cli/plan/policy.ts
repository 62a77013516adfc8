import { equal } from "./difference";
import { UNKNOWN } from "./hidden";
import { joined, listed, type Sentence, say } from "./sentence";
import type { Json } from "./terraform-plan";

/** What one statement says of one action on one resource. */
interface Grant {
  readonly effect: string;
  readonly principal: string;
  readonly action: string;
  readonly resource: string;
  readonly condition: string;
}

/** Grants alike but for their actions and resources. */
export interface Grants extends Omit<Grant, "action" | "resource"> {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
}

export interface PolicyDifference {
  readonly gained: readonly Grants[];
  readonly lost: readonly Grants[];
}

/** A policy's text; undefined where it cannot be read. */
export function parsePolicy(text: unknown): Json | undefined {
  if (typeof text !== "string") return undefined;
  if (text === "") return { Statement: [] };
  try {
    const policy = JSON.parse(text);
    return typeof policy === "object" && policy !== null ? policy : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The policy that a data source's statements will be, where its text is only known after the apply; undefined where
 * a statement is not known either.
 */
export function policyOfStatements(statements: readonly Json[]): Json | undefined {
  const blocks = ({ principals, not_principals, condition }: Json) =>
    [principals, not_principals, condition].flatMap(asList);
  // What is hidden is a text in place of the block.
  if (!statements.every((one) => [one, ...blocks(one)].every((block) => typeof block === "object"))) return undefined;
  return {
    Statement: statements.map((statement) => ({
      Effect: statement.effect ?? "Allow",
      ...(nothing(statement.principals) ? {} : { Principal: identifiersByType(statement.principals) }),
      ...(nothing(statement.not_principals) ? {} : { NotPrincipal: identifiersByType(statement.not_principals) }),
      ...(nothing(statement.actions) ? {} : { Action: statement.actions }),
      ...(nothing(statement.not_actions) ? {} : { NotAction: statement.not_actions }),
      ...(nothing(statement.resources) ? {} : { Resource: statement.resources }),
      ...(nothing(statement.not_resources) ? {} : { NotResource: statement.not_resources }),
      ...(nothing(statement.condition) ? {} : { Condition: conditionOf(statement.condition) }),
    })),
  };
}

function identifiersByType(blocks: readonly Json[]): Json {
  const types = Object.fromEntries(blocks.map(({ type }) => [type, [] as Json[]]));
  for (const { type, identifiers } of blocks) types[type]?.push(...asList(identifiers));
  return types;
}

function conditionOf(blocks: readonly Json[]): Json {
  const tests = Object.fromEntries(blocks.map(({ test }) => [test, {} as Json]));
  for (const { test, variable, values } of blocks) tests[test][variable] = values;
  return tests;
}

const nothing = (list: unknown) => list === undefined || list === null || (Array.isArray(list) && list.length === 0);

/** What a policy gives after that it did not give before, and what it gives no more. Wildcards are not expanded. */
export function policyDifference(before: Json, after: Json): PolicyDifference {
  const [older, newer] = [grantsOf(before), grantsOf(after)];
  const without = (all: readonly Grant[], others: readonly Grant[]) =>
    all.filter((grant) => !others.some((other) => equal(grant, other)));
  const [gained, lost] = [without(newer, older), without(older, newer)];
  // A denial that goes is a gain.
  const denies = ({ effect }: Grant) => effect === "Deny";
  return {
    gained: grouped([...gained.filter((grant) => !denies(grant)), ...lost.filter(denies)]),
    lost: grouped([...lost.filter((grant) => !denies(grant)), ...gained.filter(denies)]),
  };
}

function grantsOf(policy: Json): Grant[] {
  return asList(policy?.Statement).flatMap((statement: Json) => {
    const common = {
      effect: String(statement.Effect ?? "Allow"),
      condition: statement.Condition === undefined ? "" : conditionText(statement.Condition),
    };
    const actions = [...texts(statement.Action), ...texts(statement.NotAction).map((one) => `everything but ${one}`)];
    const resources = [
      ...texts(statement.Resource),
      ...texts(statement.NotResource).map((one) => `everything but ${one}`),
    ];
    return principalsOf(statement).flatMap((principal) =>
      actions.flatMap((action) =>
        (resources.length > 0 ? resources : [""]).map((resource) => ({ ...common, principal, action, resource })),
      ),
    );
  });
}

function grouped(grants: readonly Grant[]): Grants[] {
  const byResource = group(grants, ({ action: _, ...rest }) => rest).map((same) => ({
    ...(same[0] as Grant),
    actions: unique(same.map(({ action }) => action)),
  }));
  return group(byResource, ({ action: _, resource: __, ...rest }) => rest)
    .map((same) => {
      const [{ effect, principal, condition, actions } = { effect: "", principal: "", condition: "", actions: [] }] =
        same;
      return { effect, principal, condition, actions, resources: unique(same.map(({ resource }) => resource)) };
    })
    .sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
}

function group<T>(all: readonly T[], key: (one: T) => object): T[][] {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const name = JSON.stringify(key(one));
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  return [...groups.values()];
}

const unique = (all: readonly string[]) => [...new Set(all)].sort();
const asList = (value: Json): Json[] =>
  value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];
const texts = (value: Json): string[] => asList(value).map(String);

/** An empty text where the statement, as a role's own, names nobody. */
function principalsOf({ Principal, NotPrincipal }: Json): string[] {
  if (NotPrincipal !== undefined) return [`everybody but ${JSON.stringify(NotPrincipal)}`];
  if (Principal === undefined) return [""];
  return typeof Principal === "string" ? [Principal] : unique(Object.values(Principal).flatMap(texts));
}

function conditionText(condition: Json): string {
  return Object.entries(condition)
    .flatMap(([test, variables]) =>
      Object.entries(variables as object).map(
        ([name, values]) => `${name} ${test} ${unique(texts(values)).join(" or ")}`,
      ),
    )
    .sort()
    .join(" and ");
}

/** "ec2:A, ec2:B on arn:… where …" */
function grantsSentence({ actions, resources, condition, principal }: Grants): Sentence {
  const named = resources.filter((resource) => resource !== "" && resource !== UNKNOWN);
  const onWhat: Sentence = resources.includes("*")
    ? [" on ", { value: "*" }, " (every resource)"]
    : named.length > 0
      ? say` on ${listed(named, 4)}`
      : resources.includes(UNKNOWN)
        ? [" on what is only known after the apply"]
        : [];
  return [
    ...listed(actions),
    ...onWhat,
    ...(principal === "" ? [] : say` for ${principal}`),
    ...(condition === "" ? [] : say` where ${condition}`),
  ];
}

export function grantsList(grants: readonly Grants[]): Sentence {
  return joined(grants.map(grantsSentence), "; ");
}
