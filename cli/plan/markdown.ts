import { code, fenced, html } from "./harmless";
import { costText, headline, outputLines, resourceLines, stackChanges, textsOf } from "./lines";
import type { PlannedStack, Report, StackReport } from "./report";
import type { Severity } from "./rules/rule";
import { plain, type Sentence } from "./sentence";

/** The comment's first line, by which it is found again. Hidden in a rendered comment. */
export const MARKER = "<!-- stingy-plan -->";
/** GitHub takes 65,536 characters in a comment. */
export const LONGEST_COMMENT = 65_000;
/** No section takes the place of all the others. */
const LONGEST_SECTION = 16_000;
const MOST_FINDINGS = 60;

const SEVERITY_WORDS: Readonly<Record<Severity, string>> = {
  danger: "**Danger**",
  attention: "**Attention**",
  info: "Info",
};

/** The report as a comment of a pull request. */
export function markdown(report: Report): string {
  const head = [
    MARKER,
    `## Plan: ${headline(report)}`,
    "",
    ...meanings(report),
    ...table(report.stacks),
    "",
    ...unplanned(report.stacks),
  ].join("\n");
  return withSections(head, report.stacks.flatMap(sections));
}

function meanings({ findings }: Report): string[] {
  if (findings.length === 0) return [];
  const rows = findings
    .slice(0, MOST_FINDINGS)
    .map(({ severity, text, stack }) => `- ${SEVERITY_WORDS[severity]}: ${sentence(text)} (${code(stack)})`);
  const more = findings.length - rows.length;
  return ["### What it means", "", ...rows, ...(more > 0 ? [`- … and ${more} more`] : []), ""];
}

/** What a sentence says itself is plain text; what it names is code. */
function sentence(text: Sentence): string {
  return text.map((part) => (typeof part === "string" ? part : code(part.value))).join("");
}

function unplanned(stacks: readonly StackReport[]): string[] {
  const lines = stacks.flatMap((stack) => {
    switch (stack.state) {
      case "waiting": {
        const verb = stack.for.length === 1 ? "is" : "are";
        return [`- ${code(stack.id)} cannot be planned before ${stack.for.map(code).join(" and ")} ${verb} applied.`];
      }
      case "failed":
        return [`- ${code(stack.id)} **could not be planned**: ${sentence(stack.problem)}`];
      default:
        return [];
    }
  });
  return lines.length === 0 ? [] : [...lines, ""];
}

function table(stacks: readonly StackReport[]): string[] {
  return [
    "| stack | add | change | replace | destroy | cost a month |",
    "|---|--:|--:|--:|--:|--:|",
    ...stacks.map((stack) => `| ${[`<code>${html(stack.id)}</code>`, ...cells(stack)].join(" | ")} |`),
  ];
}

function cells(stack: StackReport): string[] {
  switch (stack.state) {
    case "planned": {
      const { add, change, replace, destroy } = stack.counts;
      const cost = costText(stack.cost);
      return [...[add, change, replace, destroy].map(String), cost];
    }
    case "remote": {
      const { add, change, destroy } = stack.counts ?? { add: "?", change: "?", destroy: "?" };
      return [`${add}`, `${change}`, "in both", `${destroy}`, stack.url === undefined ? "" : `[run](${stack.url})`];
    }
    case "waiting":
      return ["", "", "", "", "waits"];
    case "failed":
      return ["", "", "", "", "**failed**"];
  }
}

interface Section {
  readonly title: string;
  readonly lines: readonly string[];
  readonly language: string;
}

function sections(stack: StackReport): Section[] {
  const title = (what: string) => `<code>${html(stack.id)}</code>: ${what}`;
  switch (stack.state) {
    case "planned":
      return planned(stack, title);
    case "failed":
      return [
        {
          title: title("why it could not be planned"),
          language: "",
          lines: [...plain(stack.problem).split("\n"), ...(stack.fix?.split("\n") ?? [])],
        },
        ...(stack.partly ? planned(stack.partly, title) : []),
      ];
    default:
      return [];
  }
}

function planned(stack: PlannedStack, title: (what: string) => string): Section[] {
  return [
    ...(stackChanges(stack)
      ? [
          {
            title: title(`what changes (${html(stack.madeWith)})`),
            language: "diff",
            lines: [...stack.resources.flatMap(resourceLines), ...outputLines(stack)],
          },
        ]
      : []),
    ...stack.resources.flatMap(({ address, differences }) =>
      differences.texts.map(({ name, added, removed, lines }) => ({
        title: title(`<code>${html(address)}</code> <code>${html(name)}</code> +${added} −${removed}`),
        language: "diff",
        lines,
      })),
    ),
    ...(stack.drift.length > 0
      ? [
          {
            title: title("changed by another hand since the last apply"),
            language: "",
            lines: [
              ...stack.drift.flatMap(resourceLines),
              ...textsOf(stack.drift).flatMap(({ name, lines }) => [name, ...lines]),
            ],
          },
        ]
      : []),
  ];
}

/** As many sections as fit. Each is cut where it is too long, and the comment says what is left out. */
function withSections(head: string, all: readonly Section[]): string {
  const room = (text: string) => LONGEST_COMMENT - text.length - 200;
  let text = cut(head, LONGEST_COMMENT - 400);
  let leftOut = 0;
  for (const section of all) {
    const most = Math.min(LONGEST_SECTION, room(text));
    const rendered = render(section, most);
    if (rendered.length > room(text)) leftOut++;
    else text += rendered;
  }
  if (leftOut > 0) {
    text += `\n\nA comment has no room for ${leftOut === 1 ? "another section" : `${leftOut} more sections`}: \`npx stingy plan\` shows everything.\n`;
  }
  return `${text.trimEnd()}\n`;
}

function render({ title, lines, language }: Section, most: number): string {
  const kept: string[] = [];
  let length = title.length + 200;
  for (const line of lines) {
    const shown = line.length > 1_000 ? `${line.slice(0, 1_000)}…` : line;
    // What cannot be seen is written out, in up to ten signs.
    length += shown.length + 1 + 10 * (shown.length - shown.replace(/[^\x20-\x7e]/g, "").length);
    if (length > most) break;
    kept.push(shown);
  }
  const more = lines.length - kept.length;
  return [
    "",
    `<details><summary>${title}</summary>`,
    "",
    ...fenced([...kept, ...(more > 0 ? [`… and ${more} more lines: \`npx stingy plan\` shows them`] : [])], language),
    "",
    "</details>",
    "",
  ].join("\n");
}

function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  return `${text.slice(0, text.lastIndexOf("\n", most))}\n\n… the rest has no room in a comment: \`npx stingy plan\` shows everything.\n`;
}
