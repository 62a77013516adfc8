import { stringify } from "yaml";
import { BootstrapError } from "./error";

/** Characters that YAML 1.1 readers refuse, take for the end of a line, or change. */
const UNSAFE = /[^\t\n\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u;

/**
 * A string in YAML 1.1, which is what cloud-init reads: there, a plain `yes` is a boolean. `indent` is that of the line
 * it starts on.
 */
export function yamlScalar(text: string, indent: number): string {
  if (/\p{Surrogate}/u.test(text)) {
    throw new BootstrapError("A text has half of a character in it: it is no valid Unicode.");
  }
  if (UNSAFE.test(text) || isMistaken(text)) return quoted(text);
  const [, scalar = ""] = /^- (.*)\n$/s.exec(stringify([text], { version: "1.1", lineWidth: 0 })) ?? [];
  // One space deeper than what it belongs to is enough for a block, and less to send than the writer's two.
  return scalar.replace(/^\|2/, "|1").replace(/\n {2}/g, `\n${" ".repeat(indent + 1)}`);
}

/**
 * A tab in a plain word is nothing that cloud-init's reader takes, though in a block it is a character. Of a block of mere
 * whitespace nobody could tell what is indentation.
 */
function isMistaken(text: string): boolean {
  return (text.includes("\t") && !text.includes("\n")) || text.trim() === "";
}

function quoted(text: string): string {
  const escaped = [...text].map((character) => {
    if (character === '"' || character === "\\") return `\\${character}`;
    if (character === "\n") return "\\n";
    const code = character.codePointAt(0) ?? 0;
    return code >= 0x20 && code <= 0x7e ? character : `\\U${code.toString(16).padStart(8, "0")}`;
  });
  return `"${escaped.join("")}"`;
}
