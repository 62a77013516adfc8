import { Argument, type Command } from "commander";
import { action, examples } from "../command";

export type Shell = "bash" | "zsh" | "fish";

export function addCompletion(program: Command): void {
  program
    .command("completion")
    .summary("Print a script that completes this command in your shell")
    .description(
      "Print a script for your shell's start file. It completes the word `stingy`; `alias stingy='npx stingy'` makes npx's command one.",
    )
    .addArgument(new Argument("<shell>", "your shell").choices(["bash", "zsh", "fish"]))
    .addHelpText(
      "after",
      examples(
        ["source <(npx stingy completion bash)", "in ~/.bashrc"],
        ["source <(npx stingy completion zsh)", "in ~/.zshrc, after compinit"],
        ["npx stingy completion fish | source", "in ~/.config/fish/config.fish"],
      ),
    )
    .action(
      action<object, [Shell]>(async (_context, _options, shell) => {
        const { completionScript } = require("../completion/script") as typeof import("../completion/script");
        process.stdout.write(await completionScript(shell));
      }),
    );
  program
    .command("complete", { hidden: true })
    .description("What the completion scripts ask: the words so far, after --.")
    .argument("[words...]")
    .action(
      action<object, [string[]]>(async (context, _options, words) => {
        const { complete } = require("../completion/complete") as typeof import("../completion/complete");
        await complete(program, context, words);
      }),
    );
}
