/** "shell": quotes of both kinds and here-documents. "quoted": double quotes only, as jq and nft have. */
export type Syntax = "shell" | "quoted";

/**
 * A script without its blank lines, its lines of mere comment and its indentation, which a reader of assets/userdata needs and
 * a server does not: they would take a fifth of the user data. Text in quotes and here-documents is not touched; quotes
 * inside a quoted `$(…)` that go over lines are not understood.
 */
export function compact(text: string, syntax: Syntax): string {
  const state: State = { quote: undefined, documents: [] };
  const kept = text.split("\n").flatMap((line, index) => {
    const inText = state.quote !== undefined || state.documents.length > 0;
    read(line, syntax, state);
    if (inText || (index === 0 && line.startsWith("#!"))) return [line];
    return /^\s*(#|$)/.test(line) ? [] : [line.trimStart()];
  });
  return `${kept.join("\n")}\n`;
}

interface State {
  /** The quote that is open. */
  quote: "'" | '"' | undefined;
  /** The ends of the here-documents that are open, in their order. */
  readonly documents: { readonly end: string; readonly indented: boolean }[];
}

/** Follows one line, to know what the next one begins in. */
function read(line: string, syntax: Syntax, state: State): void {
  const [document] = state.documents;
  if (document) {
    if ((document.indented ? line.replace(/^\t+/, "") : line) === document.end) state.documents.shift();
    return;
  }
  for (let at = 0; at < line.length; at++) {
    const character = line[at];
    if (character === "\\" && state.quote !== "'") at++;
    else if (state.quote !== undefined) {
      if (character === state.quote) state.quote = undefined;
    } else if (character === '"' || (character === "'" && syntax === "shell")) state.quote = character;
    else if (character === "#" && (syntax === "quoted" || /(^|[\s;&|(){}])$/.test(line.slice(0, at)))) return;
    else if (character === "<" && syntax === "shell") {
      const [here, dash = "", , end = ""] = /^<<(-?)\s*(\\|['"])?([A-Za-z_][A-Za-z0-9_]*)/.exec(line.slice(at)) ?? [];
      if (here === undefined) {
        // Not the second half of a here-string's <<<.
        if (line.startsWith("<<<", at)) at += 2;
      } else {
        if (!inArithmetic(line.slice(0, at))) state.documents.push({ end, indented: dash !== "" });
        at += here.length - 1;
        if (/['"]/.test(line[at + 1] ?? "")) at++;
      }
    }
  }
}

const inArithmetic = (before: string) => before.split("((").length > before.split("))").length;
