import { differences } from "../difference";
import { Mask } from "../hidden";
import { listed, say } from "../sentence";
import type { ResourceChange, TerraformPlan } from "../terraform-plan";
import type { Rule } from "./rule";

/**
 * What was changed by another hand and is put back by the plan. AWS fills in much that nobody has written, which
 * Terraform counts as drift and then takes as it is.
 */
export function drifted({ resource_drift = [], ...plan }: TerraformPlan): ResourceChange[] {
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

export const OTHER_RULES: readonly Rule[] = [
  {
    id: "drift",
    finds: "something was changed by another hand than Terraform's",
    look: ({ plan }) => {
      const found = drifted(plan).map(({ address }) => address);
      return found.length === 0
        ? []
        : [
            {
              severity: "attention",
              about: [],
              text: say`Changed by another hand since the last apply: ${listed(found)}. What the plan changes there puts it back.`,
            },
          ];
    },
  },
  {
    id: "terraform-version",
    finds: "the state was written by an older Terraform",
    look: ({ plan, changed }) => {
      const [was, is] = [plan.prior_state?.terraform_version, plan.terraform_version];
      // Without changes the state is not written.
      return was === undefined || is === undefined || was === is || changed.length === 0
        ? []
        : [
            {
              severity: "info",
              about: [],
              text: say`The plan was made with version ${is}, the state with ${was}: after the apply, everybody needs ${is} or later.`,
            },
          ];
    },
  },
  {
    id: "moved",
    finds: "a resource gets another address in Terraform and stays itself",
    look: ({ resources }) => {
      const moved = resources.filter(
        ({ change }) => change.previous_address !== undefined && change.previous_address !== change.address,
      );
      return moved.length === 0
        ? []
        : [
            {
              severity: "info",
              about: moved.map(({ address }) => address),
              text: say`Only their names in Terraform change: ${listed(moved.map(({ change, address }) => `${change.previous_address} → ${address}`))}.`,
            },
          ];
    },
  },
];
