import { table, tone } from "../output";
import { onOneLine, visible } from "./harmless";
import { ACTION_WORDS, costText, headline, outputLines, SIGNS, stackChanges, textsOf, waitingText } from "./lines";
import type { ChangedResource, Report, StackReport } from "./report";
import type { Severity } from "./rules/rule";
import { mapValues, plain } from "./sentence";

const TONES = { danger: "bad", attention: "warn", info: "good" } as const satisfies Record<Severity, string>;

/** The report for a terminal. */
export async function text(report: Report): Promise<string> {
  const { findings, stacks } = report;
  return [
    tone("strong", `Plan: ${headline(report)}`),
    "",
    ...(findings.length === 0
      ? []
      : [
          tone("strong", "What it means"),
          ...findings.map(
            ({ severity, text, stack }) =>
              `  ${tone(TONES[severity], severity.padEnd(9))}  ${plain(mapValues(text, onOneLine))} ${tone("dim", `(${onOneLine(stack)})`)}`,
          ),
          "",
        ]),
    await table(["stack", "add", "change", "replace", "destroy", "cost a month"], stacks.map(row)),
    "",
    ...stacks.flatMap(details),
  ]
    .join("\n")
    .trimEnd();
}

function row(stack: StackReport): string[] {
  const id = onOneLine(stack.id);
  switch (stack.state) {
    case "planned": {
      const { add, change, replace, destroy } = stack.counts;
      const cost = costText(stack.cost);
      return [id, ...[add, change, replace, destroy].map(String), cost];
    }
    case "remote": {
      const { add, change, destroy } = stack.counts ?? { add: "?", change: "?", destroy: "?" };
      return [id, `${add}`, `${change}`, "in both", `${destroy}`, "see its run"];
    }
    case "waiting":
      return [id, "-", "-", "-", "-", tone("dim", "waits")];
    case "failed":
      return [id, "-", "-", "-", "-", tone("bad", "failed")];
  }
}

function details(stack: StackReport): string[] {
  const title = tone("strong", onOneLine(stack.id));
  switch (stack.state) {
    case "waiting":
      return [`${title} ${onOneLine(waitingText(stack))}.`, ""];
    case "remote":
      return [`${title} ran in HCP Terraform: ${onOneLine(stack.url ?? "it did not say where")}`, ""];
    case "failed":
      return [
        `${title} ${tone("bad", "could not be planned:")} ${visible(plain(stack.problem))}`,
        ...(stack.fix === undefined ? [] : [stack.fix]),
        ...(stack.partly?.resources.flatMap(resource) ?? []),
        ...(stack.partly ? outputLines(stack.partly).map((line) => `  ${line}`) : []),
        "",
      ];
    case "planned":
      return stackChanges(stack)
        ? [
            `${title} ${tone("dim", `(${onOneLine(stack.madeWith)})`)}`,
            ...stack.resources.flatMap(resource),
            ...(stack.drift.length > 0 ? ["  Changed by another hand since the last apply:"] : []),
            ...stack.drift.flatMap(resource),
            ...outputLines(stack).map((line) => `  ${line}`),
            "",
          ]
        : [];
  }
}

const ACTION_TONES = { add: "good", change: "warn", replace: "bad", destroy: "bad", forget: "warn" } as const;

function resource(changed: ChangedResource): string[] {
  const { address, action, differences } = changed;
  return [
    `  ${tone(ACTION_TONES[action], SIGNS[action])} ${onOneLine(address)} ${ACTION_WORDS[action]}`,
    ...differences.values.map(
      ({ path, before = "(none)", after = "(none)" }) =>
        `      ${onOneLine(path)}: ${tone("bad", onOneLine(before))} → ${tone("good", onOneLine(after))}`,
    ),
    ...textsOf([changed]).flatMap(({ name, lines }) => [
      `      ${tone("strong", onOneLine(name))}`,
      ...lines.map((line) => `      ${coloured(visible(line))}`),
    ]),
  ];
}

function coloured(line: string): string {
  if (line.startsWith("+")) return tone("good", line);
  if (line.startsWith("-")) return tone("bad", line);
  return line.startsWith("@@") ? tone("dim", line) : line;
}
