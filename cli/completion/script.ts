import path from "node:path";
import { shellQuote } from "../../modules/bootstrap/shell";
import type { Shell } from "../commands/completion";
import { ROOT } from "../context";

const NAME = "stingy";

/** The script of @bomb.sh/tab, which asks this program by its path: npx would take a second at each key. */
export async function completionScript(shell: Shell): Promise<string> {
  const { script } = await import("@bomb.sh/tab");
  const program = `node ${shellQuote(path.join(ROOT, "cli/stingy.cjs"))}`;
  const text = captured(() => script(shell, NAME, shell === "fish" ? program : insideDoubleQuotes(program)));
  return shell === "bash" ? forEveryBash(text) : text;
}

/** It is to be sourced twice, to do without the package bash-completion, to complete files, and not to run what is being typed. */
function forEveryBash(text: string): string {
  const withoutPackage = `
if ! declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref() {
        words=("\${COMP_WORDS[@]}")
        cword=$COMP_CWORD
        cur=\${COMP_WORDS[COMP_CWORD]}
        prev=\${COMP_WORDS[COMP_CWORD-1]}
    }
fi
`;
  const withoutRunning = `complete -- $(printf '%q ' "\${words[@]:1}")`;
  return (
    text
      .replace(/^readonly /gm, "")
      .replace(/complete -- \$\{words\[@\]:1\}/, () => withoutRunning)
      // Of which the empty word is one already.
      .replace(/requestComp="\$requestComp ''"/, ":")
      .replace(/^complete -F/m, "complete -o default -F") + withoutPackage
  );
}

/** The library prints. */
function captured(print: () => void): string {
  const { log } = console;
  let text = "";
  console.log = (line: string) => {
    text += `${line}\n`;
  };
  try {
    print();
  } finally {
    console.log = log;
  }
  return text;
}

function insideDoubleQuotes(text: string): string {
  return text.replace(/[\\$"`]/g, "\\$&");
}
