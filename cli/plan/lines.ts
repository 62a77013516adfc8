import type { Differences } from "./difference";
import { onOneLine } from "./harmless";
import type { ChangedResource, PlannedStack, Report, StackReport } from "./report";
import type { PlannedAction } from "./view";

/** As Terraform's own output has it, and as a diff is coloured. */
export const SIGNS: Readonly<Record<PlannedAction, string>> = {
  add: "+",
  change: "!",
  replace: "±",
  destroy: "-",
  forget: "#",
};

export const ACTION_WORDS: Readonly<Record<PlannedAction, string>> = {
  add: "is made",
  change: "is changed",
  replace: "is destroyed and made anew",
  destroy: "is destroyed",
  forget: "is let go of, and stays",
};

/** A resource's changes as lines, without the long texts. */
export function resourceLines({ address, action, differences }: ChangedResource): string[] {
  return [
    `${SIGNS[action]} ${address} ${ACTION_WORDS[action]}`,
    ...differences.values.map(({ path, before = "(none)", after = "(none)" }) => `    ${path}: ${before} → ${after}`),
    ...differences.texts.map(({ name, added, removed }) => `    ${name}: +${added} −${removed} lines`),
  ];
}

export function outputLines({ outputs }: PlannedStack): string[] {
  return outputs.length === 0 ? [] : [`Outputs that change: ${outputs.map(onOneLine).join(", ")}`];
}

export function textsOf(resources: readonly { differences: Differences }[]) {
  return resources.flatMap(({ differences }) => differences.texts);
}

const dollars = (amount: number) => `$${amount.toFixed(2)}`;

/** What is paid by the hour: "$7.89 (+$1.80)". A cent is less than prices are exact. */
export function costText(cost: PlannedStack["cost"]): string {
  if (cost === undefined) return "not known";
  const change = cost.after - cost.before;
  if (Math.abs(change) < 0.005) return cost.after < 0.005 ? "nothing" : `${dollars(cost.after)} (no change)`;
  return `${dollars(cost.after)} (${change > 0 ? "+" : "−"}${dollars(Math.abs(change))})`;
}

const anyOf = (counts: object) => Object.values(counts).some((count) => count > 0);

export function stackChanges(stack: StackReport): boolean {
  switch (stack.state) {
    case "planned":
      return anyOf(stack.counts) || stack.outputs.length > 0;
    case "remote":
      return stack.counts === undefined || anyOf(stack.counts);
    default:
      return false;
  }
}

/** "2 stacks change, 1 waits for another, 1 could not be planned" */
export function headline({ stacks }: Report): string {
  const count = (some: (stack: StackReport) => boolean) => stacks.filter(some).length;
  const say = (number: number, one: string, many: string) =>
    number === 0 ? [] : [`${number} ${number === 1 ? one : many}`];
  const parts = [
    ...say(count(stackChanges), "stack changes", "stacks change"),
    ...say(
      count(({ state }) => state === "waiting"),
      "waits for another",
      "wait for others",
    ),
    ...say(
      count(({ state }) => state === "failed"),
      "could not be planned",
      "could not be planned",
    ),
  ];
  return parts.length === 0 ? "nothing changes" : parts.join(", ");
}

export function waitingText({ for: others }: { readonly for: readonly string[] }): string {
  return `cannot be planned before ${others.join(" and ")} ${others.length === 1 ? "is" : "are"} applied`;
}
