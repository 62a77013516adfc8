import { monthlyCostOfResources } from "../../modules/cost/of-resources";
import { bundledPrices } from "../../modules/cost/prices";
import { differences } from "./difference";
import { Mask } from "./hidden";
import type { ChangedResource, Counts, PlannedStack, Report, StackReport } from "./report";
import { meaningsOf } from "./rules";
import { SEVERITIES } from "./rules/rule";
import { joined, say } from "./sentence";
import type { StateResource, TerraformPlan } from "./terraform-plan";
import { ACTIONS, actionOf, PlanView } from "./view";

const NOTHING = { values: [], texts: [] };

/** What a stack's plan changes and what that means, with nothing in it that must not be shown. */
export function analyse(id: string, plan: TerraformPlan): PlannedStack {
  const mask = new Mask(plan);
  const view = new PlanView(plan);
  const resources = view.changed
    .flatMap(({ address, action, change }): ChangedResource[] =>
      action === undefined
        ? []
        : [
            {
              address: mask.text(address),
              action,
              differences: action === "change" || action === "replace" ? differences(change, mask) : NOTHING,
            },
          ],
    )
    .sort((a, b) => a.address.localeCompare(b.address));
  return {
    id,
    state: "planned",
    counts: Object.fromEntries(
      ACTIONS.map((action) => [action, resources.filter((one) => one.action === action).length]),
    ) as unknown as Counts,
    findings: meaningsOf(view, (text) => mask.text(text)),
    resources,
    drift: view.drifted
      .map((change) => ({
        address: mask.text(change.address),
        action: actionOf(change) ?? ("change" as const),
        differences: differences(change, mask),
      }))
      .sort((a, b) => a.address.localeCompare(b.address)),
    outputs: Object.entries(plan.output_changes ?? {})
      .filter(([, { actions }]) => !actions.includes("no-op"))
      .map(([name]) => name)
      .sort(),
    cost: costOf(plan),
    madeWith: madeWith(plan),
  };
}

function costOf(plan: TerraformPlan): PlannedStack["cost"] {
  const region = regionOf(plan);
  if (region === undefined) return undefined;
  const managed = (resources: readonly StateResource[] = []) =>
    resources.filter(({ mode }) => mode === "managed").map(({ type, values = {} }) => ({ type, values }));
  const prices = bundledPrices(region);
  const cost = (resources: readonly StateResource[] | undefined) =>
    monthlyCostOfResources(managed(resources), prices, region);
  return {
    before: cost(plan.prior_state?.values?.root_module?.resources),
    after: cost(plan.planned_values?.root_module?.resources),
  };
}

function regionOf(plan: TerraformPlan): string | undefined {
  const region = plan.configuration?.provider_config?.aws?.expressions?.region?.constant_value;
  return typeof region === "string" ? region : undefined;
}

function madeWith({ terraform_version, configuration }: TerraformPlan): string {
  const providers = Object.entries(configuration?.provider_config ?? {})
    .flatMap(([name, { version_constraint }]) =>
      version_constraint === undefined ? [] : [`${name} ${version_constraint}`],
    )
    .sort();
  return [`Terraform ${terraform_version ?? "of an unknown version"}`, ...providers].join(", ");
}

/** Puts the stacks together. `reads` says which outputs of which other stacks a stack reads. */
export function reportOf(
  stacks: readonly StackReport[],
  reads: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>> = new Map(),
): Report {
  const findings = stacks.flatMap((stack) => {
    const planned = stack.state === "planned" ? stack : stack.state === "failed" ? stack.partly : undefined;
    return (planned?.findings ?? []).map((finding) => ({ ...finding, stack: stack.id }));
  });
  for (const stack of stacks) {
    if (stack.state === "waiting") continue;
    const changing = [...(reads.get(stack.id) ?? [])].filter(([other, outputs]) => {
      const upstream = stacks.find(({ id }) => id === other);
      return upstream?.state === "planned" && outputs.some((output) => upstream.outputs.includes(output));
    });
    if (changing.length === 0) continue;
    const others = joined(
      changing.map(([value]) => [{ value }]),
      " and ",
    );
    findings.push({
      id: "changes-later",
      severity: "info",
      stack: stack.id,
      about: [],
      text: say`This stack changes again once ${others} ${[changing.length === 1 ? "is" : "are"]} applied, because it reads what changes there. Only a plan made after that shows it.`,
    });
  }
  return {
    stacks,
    findings: findings.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity)),
  };
}
