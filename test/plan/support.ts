import { analyse } from "../../cli/plan/analyse";
import type { PlannedStack } from "../../cli/plan/report";
import { plain } from "../../cli/plan/sentence";
import type { Json, Marks, ResourceChange, TerraformAction, TerraformPlan } from "../../cli/plan/terraform-plan";

export interface GivenResource {
  readonly before?: Json;
  readonly after?: Json;
  readonly unknown?: Marks;
  readonly beforeSensitive?: Marks;
  readonly afterSensitive?: Marks;
  readonly actions?: readonly TerraformAction[];
  readonly mode?: "managed" | "data";
  readonly replacePaths?: readonly (readonly (string | number)[])[];
}

function actionsOf({ before, after, actions, replacePaths }: GivenResource): readonly TerraformAction[] {
  if (actions) return actions;
  if (before === undefined) return ["create"];
  if (after === undefined) return ["delete"];
  if (replacePaths) return ["delete", "create"];
  return JSON.stringify(before) === JSON.stringify(after) ? ["no-op"] : ["update"];
}

/** A resource by its address, with its two sides; the action follows from them. */
export function change(address: string, given: GivenResource): ResourceChange {
  const { before = null, after = null, unknown = {}, mode = "managed" } = given;
  const [type = "", name = ""] = address.replace(/^data\./, "").split(".");
  return {
    address,
    mode,
    type,
    name,
    change: {
      actions: actionsOf(given),
      before,
      after,
      after_unknown: unknown,
      before_sensitive: given.beforeSensitive ?? false,
      after_sensitive: given.afterSensitive ?? false,
      ...(given.replacePaths ? { replace_paths: given.replacePaths } : {}),
    },
  };
}

export function planOf(
  resources: Readonly<Record<string, GivenResource>>,
  more: Partial<TerraformPlan> = {},
): TerraformPlan {
  return {
    format_version: "1.2",
    terraform_version: "1.11.4",
    planned_values: {},
    resource_changes: Object.entries(resources).map(([address, given]) => change(address, given)),
    ...more,
  };
}

export function analysed(
  resources: Readonly<Record<string, GivenResource>>,
  more: Partial<TerraformPlan> = {},
): PlannedStack {
  return analyse("prod-tokyo-server", planOf(resources, more));
}

/** "danger port-opened-to-world: Port opened …", with an exclamation mark where it exposes something. */
export function findings(
  resources: Readonly<Record<string, GivenResource>>,
  more: Partial<TerraformPlan> = {},
): string[] {
  return analysed(resources, more).findings.map(
    ({ severity, id, text, exposure }) => `${severity}${exposure ? "!" : ""} ${id}: ${plain(text)}`,
  );
}
