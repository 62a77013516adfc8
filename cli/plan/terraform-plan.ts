import { CliError } from "../exit";

// biome-ignore lint/suspicious/noExplicitAny: a resource's attributes have any shape
export type Json = any;

export type TerraformAction = "no-op" | "create" | "read" | "update" | "delete" | "forget";

/** What stands for a value's parts: the shape of the value with `true` where it applies, or `true` for all of it. */
export type Marks = boolean | readonly Marks[] | { readonly [key: string]: Marks } | null | undefined;

export interface Change {
  readonly actions: readonly TerraformAction[];
  readonly before?: Json;
  readonly after?: Json;
  readonly after_unknown?: Marks;
  readonly before_sensitive?: Marks;
  readonly after_sensitive?: Marks;
  readonly replace_paths?: readonly (readonly (string | number)[])[];
}

export interface ResourceChange {
  readonly address: string;
  readonly previous_address?: string;
  readonly mode: "managed" | "data";
  readonly type: string;
  readonly name: string;
  readonly change: Change;
}

export interface StateResource {
  readonly address: string;
  readonly mode: "managed" | "data";
  readonly type: string;
  readonly values?: Readonly<Record<string, Json>>;
}

interface StateValues {
  readonly outputs?: Readonly<Record<string, unknown>>;
  readonly root_module?: { readonly resources?: readonly StateResource[] };
}

/** `terraform show -json` of a plan: https://developer.hashicorp.com/terraform/internals/json-format */
export interface TerraformPlan {
  readonly format_version: string;
  readonly terraform_version?: string;
  readonly errored?: boolean;
  readonly resource_changes?: readonly ResourceChange[];
  readonly resource_drift?: readonly ResourceChange[];
  readonly output_changes?: Readonly<Record<string, Change>>;
  readonly planned_values?: StateValues;
  readonly prior_state?: { readonly terraform_version?: string; readonly values?: StateValues };
  readonly configuration?: {
    readonly provider_config?: Readonly<
      Record<
        string,
        {
          readonly version_constraint?: string;
          readonly expressions?: Readonly<Record<string, { readonly constant_value?: unknown }>>;
        }
      >
    >;
    readonly root_module?: {
      readonly resources?: readonly {
        readonly address: string;
        readonly expressions?: Readonly<Record<string, { readonly references?: readonly string[] }>>;
      }[];
    };
  };
}

const HOW =
  "Make it with `terraform show -json PLANFILE > plan.json`, or download the run's JSON plan from HCP Terraform.";

/** Reads a plan's JSON. `shown` is its name in messages. */
export function parsePlan(content: Buffer | string, shown: string): TerraformPlan {
  const text = typeof content === "string" ? content : content.toString("utf8");
  if (text.trim() === "") throw new CliError(`${shown} is empty.`, { fix: HOW });
  // A plan file is a zip archive.
  if (text.startsWith("PK\u0003\u0004")) {
    throw new CliError(`${shown} is a plan file; what is read here is its JSON.`, { fix: HOW });
  }
  let plan: Json;
  try {
    plan = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch {
    throw new CliError(`${shown} is no JSON.`, { fix: HOW });
  }
  if (typeof plan?.format_version !== "string" || typeof plan.planned_values !== "object") {
    const state = plan?.values !== undefined || plan?.lineage !== undefined;
    throw new CliError(`${shown} is ${state ? "a state, not a plan" : "no plan of Terraform"}.`, { fix: HOW });
  }
  if (!plan.format_version.startsWith("1.")) {
    throw new CliError(`${shown} has the plan format ${JSON.stringify(plan.format_version)}; 1.x is understood.`, {
      fix: "Use the command of a newer stingy-vpn, or an older Terraform.",
    });
  }
  return plan;
}
