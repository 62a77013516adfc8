import type { Command } from "commander";
import { EXIT } from "../cli/exit";
import { createProgram } from "../cli/program";

const WIDTH = 100;

/** The reference of every command, made from the definitions that parse them. */
export function cliReferenceText(): string {
  const program = createProgram();
  return `# The command \`stingy\`

\`npx stingy …\` in the project's folder (or \`npm run stingy -- …\`). It works on the site of \`stingy.yaml\`, with the AWS credentials
of the environment. What is secret goes from here to the store and to your screen, and nowhere else.

- Answers go to standard output, everything else to standard error: \`npx stingy peer list --json | jq\`.
- \`--json\` on every command that only reads.
- What cannot be taken back asks first; scripts say \`--yes\`. Without a terminal and without \`--yes\` it is refused.
- Colours only in a terminal, and not with \`NO_COLOR\`.
- Nothing secret is an argument or a variable: a token is typed, or comes from standard input.
- \`npx stingy completion bash|zsh|fish\` prints what makes the shell complete commands.

| exit code | means |
|---|---|
| ${EXIT.ok} | done; nothing to see to |
| ${EXIT.failed} | failed, or refused |
| ${EXIT.attention} | changes (\`plan\`), or something that needs attention (\`status\`, \`doctor\`, \`init\`, \`server replace\`, \`pause\`, \`resume\`) |
| ${EXIT.usage} | wrong usage |

What an operator's AWS role needs is in [operator-policy.md](operator-policy.md). This page is made by \`npm run docs\`.

${sections(program).join("\n\n")}
`;
}

function sections(command: Command, path: readonly string[] = []): string[] {
  const name = [...path, command.name()];
  // The hidden ones are not there; a help command is not in `commands`.
  const commands = command
    .createHelp()
    .visibleCommands(command)
    .filter((sub) => command.commands.includes(sub));
  const own = path.length === 0 || commands.length === 0 ? [section(command, name)] : [];
  return [...own, ...commands.flatMap((sub) => sections(sub, name))];
}

function section(command: Command, name: readonly string[]): string {
  let text = "";
  command
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({
      writeOut: (out) => {
        text += out;
      },
      getOutHelpWidth: () => WIDTH,
      getOutHasColors: () => false,
    })
    .outputHelp();
  return `## ${name.join(" ")}\n\n\`\`\`text\n${text.trim()}\n\`\`\``;
}
