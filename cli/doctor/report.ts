import { type Tone, tone } from "../output";
import { findingsOf, GROUPS, type Result, type Status } from "./check";
import type { Facts } from "./facts";

const MARKS: Readonly<Record<Status, { readonly sign: string; readonly plain: string; readonly tone: Tone }>> = {
  ok: { sign: "✔", plain: "+", tone: "good" },
  attention: { sign: "!", plain: "!", tone: "warn" },
  broken: { sign: "✖", plain: "x", tone: "bad" },
  unknown: { sign: "?", plain: "?", tone: "warn" },
  skipped: { sign: "-", plain: "-", tone: "dim" },
  "not-reached": { sign: "-", plain: "-", tone: "dim" },
};
const WORDS: readonly (readonly [Status, string])[] = [
  ["ok", "well"],
  ["broken", "broken"],
  ["attention", "need attention"],
  ["unknown", "could not be looked at"],
  ["not-reached", "not looked at"],
  ["skipped", "left out"],
];

export function helpFor(id: string): string {
  return `docs/troubleshooting.md#${id}`;
}

/** `signs`: the screen can show more than ASCII. */
export function treeText(
  results: readonly Result[],
  { site }: Pick<Facts, "site">,
  { signs }: { readonly signs: boolean },
): string {
  const [first] = findingsOf(results);
  const lines = [tone("strong", `${site.environment}-${site.name} in ${site.region}`), ""];
  if (first) lines.push(...headline(first), "");
  for (const group of GROUPS) {
    const own = results.filter(({ check }) => check.group === group);
    if (own.length === 0) continue;
    lines.push(tone("strong", group));
    for (const alike of together(own)) lines.push(...line(alike, signs));
  }
  lines.push("", summary(results));
  return lines.join("\n");
}

/** Neighbours that were left out for the same reason make one line. */
function together(results: readonly Result[]): Result[][] {
  return results.reduce<Result[][]>((groups, result) => {
    const [last] = groups.at(-1) ?? [];
    const quiet = result.status === "skipped" || result.status === "not-reached";
    if (last && quiet && last.status === result.status && last.saw === result.saw) groups.at(-1)?.push(result);
    else groups.push([result]);
    return groups;
  }, []);
}

function headline({ check, status, saw, fix }: Result): string[] {
  const word = status === "broken" ? "Broken" : status === "attention" ? "Needs attention" : "Could not look";
  return [
    tone(MARKS[status].tone, `${word}: ${check.id}`),
    `  ${sentence(saw)}`,
    ...(fix === undefined ? [] : [`  ${fix}`]),
  ];
}

function line(alike: readonly Result[], signs: boolean): string[] {
  const [first] = alike;
  if (!first) return [];
  const { check, status, saw, fix } = first;
  const mark = MARKS[status];
  const sign = tone(mark.tone, signs ? mark.sign : mark.plain);
  const text = `${alike.map((result) => result.check.id).join(", ")}: ${saw}`;
  if (status === "skipped" || status === "not-reached") return [`  ${sign} ${tone("dim", text)}`];
  if (status === "ok") return [`  ${sign} ${text}`];
  return [
    `  ${sign} ${text}`,
    ...(fix === undefined ? [] : [`      ${fix}`]),
    `      ${tone("dim", helpFor(check.id))}`,
  ];
}

export function summary(results: readonly Result[]): string {
  const parts = WORDS.flatMap(([status, word]) => {
    const count = results.filter((result) => result.status === status).length;
    if (count === 0) return [];
    return [`${count} ${status === "attention" && count === 1 ? "needs attention" : word}`];
  });
  return `${results.length} checks: ${parts.join(", ")}.`;
}

function sentence(text: string): string {
  const [first = ""] = text.split(" ");
  // Not an instance's id.
  const begun = /^[a-z']+$/.test(first) ? `${text.charAt(0).toUpperCase()}${text.slice(1)}` : text;
  return `${begun}${text.endsWith(".") ? "" : "."}`;
}

export function jsonOf(results: readonly Result[], { site }: Pick<Facts, "site">) {
  const findings = findingsOf(results);
  const shown = ({ check, status, saw }: Result) => ({ id: check.id, status, title: check.title, saw });
  return {
    site: site.name,
    environment: site.environment,
    region: site.region,
    healthy: findings.length === 0,
    findings: findings.map((result) => ({
      ...shown(result),
      ...(result.fix === undefined ? {} : { fix: result.fix }),
      help: helpFor(result.check.id),
    })),
    checks: results.map(shown),
  };
}
