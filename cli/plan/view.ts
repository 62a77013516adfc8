import { differences, equal } from "./difference";
import { Mask, sidesOf } from "./hidden";
import type { Json, ResourceChange, TerraformPlan } from "./terraform-plan";

export const ACTIONS = ["add", "change", "replace", "destroy", "forget"] as const;
export type PlannedAction = (typeof ACTIONS)[number];

/** A resource of the plan, its two sides without what is hidden. Absent sides are undefined. */
export interface Resource {
  readonly address: string;
  readonly type: string;
  readonly name: string;
  /** Undefined where nothing changes. */
  readonly action: PlannedAction | undefined;
  readonly before: Json | undefined;
  readonly after: Json | undefined;
  /** What the attribute was before, and is after, if they differ. */
  readonly changed: (attribute: string) => boolean;
  readonly change: ResourceChange;
}

export function actionOf({ change: { actions } }: ResourceChange): PlannedAction | undefined {
  const does = (action: string) => (actions as readonly string[]).includes(action);
  if (does("create")) return does("delete") || does("forget") ? "replace" : "add";
  if (does("delete")) return "destroy";
  if (does("forget")) return "forget";
  return does("update") ? "change" : undefined;
}

export class PlanView {
  readonly resources: readonly Resource[];
  readonly changed: readonly Resource[];
  /**
   * What was changed by another hand and is put back by the plan. AWS fills in much that nobody has written, which
   * Terraform counts as drift and then takes as it is.
   */
  readonly drifted: readonly ResourceChange[];

  constructor(readonly plan: TerraformPlan) {
    this.resources = (plan.resource_changes ?? []).filter(({ mode }) => mode === "managed").map(resourceOf);
    this.changed = this.resources.filter(({ action }) => action !== undefined);
    this.drifted = drifted(plan);
  }

  of(...types: readonly string[]): readonly Resource[] {
    return this.resources.filter(({ type }) => types.includes(type));
  }

  /** Those of a type that go away or are made anew. */
  lost(...types: readonly string[]): readonly Resource[] {
    return this.of(...types).filter(({ action }) => action === "destroy" || action === "replace");
  }

  updated(...types: readonly string[]): readonly Resource[] {
    return this.of(...types).filter(({ action }) => action === "change");
  }

  /** The data source that an attribute is read from, as the plan has it: only if it is read during the apply. */
  source({ address }: Resource, attribute: string): Json | undefined {
    const configured = this.plan.configuration?.root_module?.resources?.find((one) => one.address === address);
    const references = configured?.expressions?.[attribute]?.references ?? [];
    const read = (this.plan.resource_changes ?? []).find(
      ({ mode, address }) => mode === "data" && references.includes(address),
    );
    return read && sidesOf(read).after;
  }
}

function drifted({ resource_drift = [], ...plan }: TerraformPlan): ResourceChange[] {
  const mask = new Mask(plan);
  const touched = (change: ResourceChange) => {
    const { values, texts } = differences(change, mask);
    return [...values.map(({ path }) => path), ...texts.map(({ name }) => name)];
  };
  return resource_drift.filter((drift) => {
    if (drift.mode !== "managed") return false;
    const planned = (plan.resource_changes ?? []).find(({ address }) => address === drift.address);
    if (planned === undefined || planned.change.actions.includes("no-op")) return false;
    if (drift.change.actions.includes("delete")) return true;
    const back = touched(planned);
    return touched(drift).some((path) => back.includes(path));
  });
}

function resourceOf(change: ResourceChange): Resource {
  const { before, after } = sidesOf(change);
  return {
    address: change.address,
    type: change.type,
    name: change.name,
    action: actionOf(change),
    before: change.change.before === null ? undefined : before,
    after:
      change.change.actions.some((action) => action === "delete" || action === "forget") && change.change.after === null
        ? undefined
        : after,
    // What is hidden may have changed all the same.
    changed: (attribute) =>
      !equal(before?.[attribute], after?.[attribute]) ||
      !equal(change.change.before?.[attribute], change.change.after?.[attribute]),
    change,
  };
}

/** A nested block: Terraform has a list of them, of one mostly. */
export function block(side: Json, ...path: readonly string[]): Json {
  let found = side;
  for (const step of path) {
    found = Array.isArray(found) ? found[0] : found;
    found = found?.[step];
  }
  return Array.isArray(found) && typeof found[0] === "object" ? found[0] : found;
}
