import { stackChanges } from "./lines";
import type { PlannedStack, Report, StackReport } from "./report";
import { plain } from "./sentence";

/** The report for programs. */
export function json({ stacks, findings }: Report): object {
  return {
    changes: stacks.some(stackChanges),
    findings: findings.map(({ id, severity, stack, text, about, exposure = false }) => ({
      id,
      severity,
      stack,
      text: plain(text),
      resources: about,
      exposure,
    })),
    stacks: stacks.map(stackJson),
  };
}

function stackJson(stack: StackReport): object {
  switch (stack.state) {
    case "planned":
      return plannedJson(stack);
    case "failed":
      return {
        id: stack.id,
        state: stack.state,
        problem: plain(stack.problem),
        ...(stack.fix === undefined ? {} : { fix: stack.fix }),
        ...(stack.partly === undefined ? {} : { partly: plannedJson(stack.partly) }),
      };
    case "waiting":
      return { id: stack.id, state: stack.state, for: stack.for };
    case "remote":
      return { id: stack.id, state: stack.state, url: stack.url ?? null, counts: stack.counts ?? null };
  }
}

function plannedJson({ id, state, counts, resources, drift, outputs, cost, madeWith }: PlannedStack): object {
  const cents = (amount: number) => Math.round(amount * 100) / 100;
  return {
    id,
    state,
    counts,
    monthlyCost: cost === undefined ? null : { before: cents(cost.before), after: cents(cost.after) },
    resources,
    drift,
    outputs,
    madeWith,
  };
}
