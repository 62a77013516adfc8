import { UNKNOWN } from "../hidden";
import {
  type Grants,
  grantsList,
  type PolicyDifference,
  parsePolicy,
  policyDifference,
  policyOfStatements,
} from "../policy";
import { listed, type Sentence, say } from "../sentence";
import type { Json } from "../terraform-plan";
import type { PlanView, Resource } from "../view";
import type { Meaning, Rule } from "./rule";

const NO_POLICY = { Statement: [] };
/** By type: the attribute that holds a policy of who may do what to the resource. */
const RESOURCE_POLICIES: Readonly<Record<string, string>> = {
  aws_sqs_queue_policy: "policy",
  aws_sns_topic_policy: "policy",
  aws_s3_bucket_policy: "policy",
  aws_cloudwatch_event_bus_policy: "policy",
};

/** What puts other policies among a data source's own statements. */
const MERGED = ["source_policy_documents", "override_policy_documents", "source_json", "override_json"];

/** A policy's two sides; undefined where one of them cannot be seen. */
function policies(plan: PlanView, resource: Resource, attribute: string): { before: Json; after: Json } | undefined {
  const { before, after } = resource;
  const is =
    after === undefined
      ? NO_POLICY
      : after[attribute] === UNKNOWN
        ? statementsOf(plan, resource, attribute)
        : parsePolicy(after[attribute] ?? "");
  const was = before === undefined ? NO_POLICY : parsePolicy(before[attribute] ?? "");
  return was && is ? { before: was, after: is } : undefined;
}

function statementsOf(plan: PlanView, resource: Resource, attribute: string): Json | undefined {
  const source = plan.source(resource, attribute);
  const merges = MERGED.some((name) => (source?.[name] ?? []).length > 0);
  return Array.isArray(source?.statement) && !merges ? policyOfStatements(source.statement) : undefined;
}

function roleName({ before, after, name }: Resource): string {
  const known = [after?.role, before?.role, after?.name, before?.name].find(
    (value) => typeof value === "string" && value !== UNKNOWN && value !== "",
  );
  return known ?? name;
}

interface RolePolicy {
  readonly resource: Resource;
  readonly difference: PolicyDifference | undefined;
}

function rolePolicies(plan: PlanView): RolePolicy[] {
  return plan
    .of("aws_iam_role_policy", "aws_iam_policy")
    .filter(
      ({ action, changed }) =>
        action !== undefined && action !== "forget" && (action !== "change" || changed("policy")),
    )
    .map((resource) => {
      const both = policies(plan, resource, "policy");
      return { resource, difference: both && policyDifference(both.before, both.after) };
    });
}

const everything = (grants: readonly Grants[]) =>
  grants.some(({ actions }) => actions.some((action) => /^(\*|[\w-]+:\*|everything but .*)$/.test(action)));
const everywhere = (grants: readonly Grants[]) => grants.some(({ resources }) => resources.includes("*"));

/** The actions alone, and which of them on every resource. */
function actionsSentence(grants: readonly Grants[]): Sentence {
  const of = (some: readonly Grants[]) => [...new Set(some.flatMap(({ actions }) => actions))].sort();
  const anywhere = of(grants.filter(({ resources }) => resources.includes("*")));
  return [...listed(of(grants), 40), ...(anywhere.length > 0 ? say`; on every resource: ${listed(anywhere, 40)}` : [])];
}

const isNew = ({ action }: Resource) => action === "add";

export const ACCESS_RULES: readonly Rule[] = [
  {
    id: "role-new",
    finds: "a new role's permissions",
    look: (plan) =>
      rolePolicies(plan)
        .filter(
          ({ resource, difference }) => isNew(resource) && difference !== undefined && difference.gained.length > 0,
        )
        .map(({ resource, difference }) => ({
          severity: everything(difference?.gained ?? []) ? "attention" : "info",
          about: [resource.address],
          text: say`New: role ${roleName(resource)} may ${actionsSentence(difference?.gained ?? [])}.`,
        })),
  },
  {
    id: "role-gains",
    finds: "a role gains permissions",
    look: (plan) =>
      rolePolicies(plan)
        .filter(
          ({ resource, difference }) => !isNew(resource) && difference !== undefined && difference.gained.length > 0,
        )
        .map(({ resource, difference }) => {
          const gained = difference?.gained ?? [];
          return {
            severity: everything(gained) || everywhere(gained) ? "danger" : "attention",
            about: [resource.address],
            text: say`Role ${roleName(resource)} gains ${grantsList(gained)}.`,
          };
        }),
  },
  {
    id: "role-loses",
    finds: "a role loses permissions",
    look: (plan) =>
      rolePolicies(plan)
        .filter(({ difference }) => difference !== undefined && difference.lost.length > 0)
        .map(({ resource, difference }) => ({
          severity: "attention",
          about: [resource.address],
          text: say`Role ${roleName(resource)} loses ${grantsList(difference?.lost ?? [])}.`,
        })),
  },
  {
    id: "role-unknown",
    finds: "a role's permissions change in a way that the plan cannot show",
    look: (plan) =>
      rolePolicies(plan)
        .filter(({ difference }) => difference === undefined)
        .map(({ resource }) => ({
          severity: "attention",
          about: [resource.address],
          text: say`The permissions of role ${roleName(resource)} change; to what is hidden or only known after the apply.`,
        })),
  },
  {
    id: "role-attachment",
    finds: "a managed policy is attached to a role, or taken off",
    look: (plan) =>
      plan.of("aws_iam_role_policy_attachment").flatMap(({ address, action, before, after }): Meaning[] => {
        const about = [address];
        const attached: Meaning = {
          severity: "attention",
          about,
          text: say`Role ${after?.role ?? "?"} gains everything in the managed policy ${after?.policy_arn ?? "?"}.`,
        };
        const taken: Meaning = {
          severity: "attention",
          about,
          text: say`Role ${before?.role ?? "?"} loses what is in the managed policy ${before?.policy_arn ?? "?"}.`,
        };
        if (action === "add") return [attached];
        if (action === "replace") return [attached, taken];
        return action === "destroy" ? [taken] : [];
      }),
  },
  {
    id: "trust-changed",
    finds: "who may take on a role changes",
    look: (plan) =>
      plan.of("aws_iam_role").flatMap((resource): Meaning[] => {
        const { action, changed, address } = resource;
        if (action === "add") return newTrust(plan, resource);
        if ((action !== "change" && action !== "replace") || !changed("assume_role_policy")) return [];
        const both = policies(plan, resource, "assume_role_policy");
        const name = resource.after?.name ?? resource.before?.name ?? resource.name;
        if (!both) {
          return [
            {
              severity: "attention",
              exposure: true,
              about: [address],
              text: say`Who may take on role ${name} changes; to what is hidden or only known after the apply.`,
            },
          ];
        }
        return trust(name, address, policyDifference(both.before, both.after));
      }),
  },
  {
    id: "resource-policy",
    finds: "who may use a queue, a topic or another resource changes",
    look: (plan) =>
      plan.of(...Object.keys(RESOURCE_POLICIES)).flatMap((resource): Meaning[] => {
        const { action, changed, address, type } = resource;
        const attribute = RESOURCE_POLICIES[type] ?? "policy";
        if (action === "add") return newToOthers(plan, resource, attribute);
        if (action === undefined || action === "forget" || !changed(attribute)) return [];
        const both = policies(plan, resource, attribute);
        if (!both) {
          return [
            {
              severity: "attention",
              exposure: true,
              about: [address],
              text: say`Who may use ${address} changes; from or to what is hidden or only known after the apply.`,
            },
          ];
        }
        const { gained, lost } = policyDifference(both.before, both.after);
        return [
          ...(gained.length > 0
            ? [
                {
                  severity: open(gained) ? ("danger" as const) : ("attention" as const),
                  exposure: true,
                  about: [address],
                  text: say`${address} newly allows ${grantsList(gained)}.`,
                },
              ]
            : []),
          ...(lost.length > 0
            ? [
                {
                  severity: "attention" as const,
                  about: [address],
                  text: say`${address} no longer allows ${grantsList(lost)}.`,
                },
              ]
            : []),
        ];
      }),
  },
  {
    id: "function-callable",
    finds: "somebody other than AWS's own events may call a function",
    look: (plan) =>
      plan
        .of("aws_lambda_permission", "aws_lambda_function_url")
        .filter(({ action, type, after }) =>
          action === "add" || action === "change" || action === "replace"
            ? type === "aws_lambda_function_url" || !SERVICE.test(String(after?.principal)) || !after?.source_arn
            : false,
        )
        .map(({ address, type, after }) => ({
          severity: "danger",
          exposure: true,
          about: [address],
          text:
            type === "aws_lambda_function_url"
              ? say`${after?.function_name ?? address} can be called over the internet (${after?.authorization_type ?? "?"}).`
              : say`${after?.function_name ?? address} can be called by ${after?.principal ?? "?"}.`,
        })),
  },
];

/** A principal that anybody can be, with no condition that would say who. */
const open = (grants: readonly Grants[]) =>
  grants.some(({ principal, condition }) => /^(\*$|everybody but )/.test(principal) && condition === "");

/** To let a service of AWS in is what a new queue and topic are for. */
function newToOthers(plan: PlanView, resource: Resource, attribute: string): Meaning[] {
  const { address } = resource;
  const about = [address];
  const both = policies(plan, resource, attribute);
  if (!both) {
    return [
      {
        severity: "attention",
        exposure: true,
        about,
        text: say`Who may use the new ${address} is hidden or only known after the apply.`,
      },
    ];
  }
  const others = byOthers(policyDifference(both.before, both.after).gained);
  if (others.length === 0) return [];
  return [
    {
      severity: open(others) ? "danger" : "attention",
      exposure: true,
      about,
      text: say`New: ${address} allows ${grantsList(others)}.`,
    },
  ];
}

const whom = (grants: readonly Grants[]): Sentence =>
  grants.flatMap(({ principal, condition }, index) => [
    ...(index > 0 ? ["; "] : []),
    ...(condition === "" ? say`${principal}` : say`${principal} where ${condition}`),
  ]);

const SERVICE = /^[\w.-]+\.amazonaws\.com(\.cn)?$/;

const byOthers = (grants: readonly Grants[]) => grants.filter(({ principal }) => !SERVICE.test(principal));

/** A role for a service of AWS is what every new function and server has. */
function newTrust(plan: PlanView, resource: Resource): Meaning[] {
  const about = [resource.address];
  const name = resource.after?.name ?? resource.name;
  const both = policies(plan, resource, "assume_role_policy");
  if (!both) {
    return [
      {
        severity: "attention",
        exposure: true,
        about,
        text: say`Who may take on the new role ${name} is hidden or only known after the apply.`,
      },
    ];
  }
  const others = byOthers(policyDifference(both.before, both.after).gained);
  if (others.length === 0) return [];
  return [
    { severity: "danger", exposure: true, about, text: say`New role ${name} may be taken on by ${whom(others)}.` },
  ];
}

function trust(name: string, address: string, { gained, lost }: PolicyDifference): Meaning[] {
  return [
    ...(gained.length > 0
      ? [
          {
            severity: "danger" as const,
            exposure: true,
            about: [address],
            text: say`Role ${name} may newly be taken on by ${whom(gained)}.`,
          },
        ]
      : []),
    ...(lost.length > 0
      ? [
          {
            severity: "attention" as const,
            about: [address],
            text: say`Role ${name} may no longer be taken on by ${whom(lost)}.`,
          },
        ]
      : []),
  ];
}
