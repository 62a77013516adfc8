/**
 * Values come from a plan, and so from whoever wrote the change that is reviewed: they must neither move the cursor of a
 * terminal, nor show text in another order than it has, nor become Markdown.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Text with what cannot be seen written out. Line breaks and tabs stay. */
export function visible(text: string): string {
  return text.replace(CONTROL, (sign) => `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`);
}

export function onOneLine(text: string): string {
  return visible(text.replace(/\r?\n/g, "\\n").replace(/\t/g, " "));
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}

/** Inline code: nothing in it is a mention, a link or HTML. Not for tables, whose borders it may hold. */
export function code(text: string): string {
  const line = onOneLine(text);
  if (line.trim() === "") return "``";
  const fence = "`".repeat(longestRun(line) + 1);
  const space = line.startsWith("`") || line.endsWith("`") || (line.startsWith(" ") && line.endsWith(" ")) ? " " : "";
  return `${fence}${space}${line}${space}${fence}`;
}

/** A block of code that its content cannot end. */
export function fenced(lines: readonly string[], language = ""): string[] {
  const safe = lines.map((line) => visible(line.replace(/\r/g, "")));
  const fence = "`".repeat(Math.max(3, longestRun(safe.join("\n")) + 1));
  return [`${fence}${language}`, ...safe, fence];
}

export function html(text: string): string {
  return onOneLine(text)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replace(/[\\`*_[\]@#~|!$:]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
