import { usageError } from "../exit";
import { onOneLine } from "./harmless";
import { stackChanges } from "./lines";
import type { Report, StackReport } from "./report";
import { plain } from "./sentence";

const KINDS = ["destroy", "replace", "exposure"] as const;
export type FailOn = (typeof KINDS)[number];

export function failOn(given: string | undefined): FailOn[] {
  if (given === undefined) return [];
  const kinds = given.split(",").map((kind) => kind.trim());
  for (const kind of kinds) {
    if (!(KINDS as readonly string[]).includes(kind)) {
      throw usageError(`--fail-on does not know "${kind}".`, `It takes ${KINDS.join(", ")}, joined by commas.`);
    }
  }
  return kinds as FailOn[];
}

/** A line for each kind that the report has. */
export function matches(report: Report, kinds: readonly FailOn[]): string[] {
  return kinds.flatMap((kind) => {
    const found = kind === "exposure" ? exposures(report) : report.stacks.flatMap((stack) => resources(stack, kind));
    return found.length === 0 ? [] : [`--fail-on ${kind}: ${found.map(onOneLine).join("; ")}`];
  });
}

function exposures({ findings, stacks }: Report): string[] {
  return [
    ...findings.filter(({ exposure }) => exposure).map(({ stack, text }) => `${stack}: ${plain(text)}`),
    ...stacks
      .filter((stack) => stack.state === "remote" && stackChanges(stack))
      .map(({ id }) => `${id}'s plan is kept by HCP Terraform and cannot be looked at`),
  ];
}

function resources(stack: StackReport, kind: "destroy" | "replace"): string[] {
  switch (stack.state) {
    case "planned":
      return stack.resources.filter(({ action }) => action === kind).map(({ address }) => `${stack.id}: ${address}`);
    case "failed":
      return stack.partly ? resources(stack.partly, kind) : [];
    case "remote":
      if (stack.counts === undefined) return [`${stack.id}: its run does not say what it destroys or replaces`];
      // HCP Terraform counts what is replaced among what is destroyed.
      return stack.counts.destroy > 0 ? [`${stack.id}: its run destroys or replaces ${stack.counts.destroy}`] : [];
    case "waiting":
      return [];
  }
}
