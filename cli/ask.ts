import { CliError, EXIT, usageError } from "./exit";

/** Questions need somebody who answers. */
export function canAsk(): boolean {
  return Boolean(process.stdin.isTTY && process.stderr.isTTY);
}

/** Asks before something that cannot be taken back; `yes` is the flag --yes. */
export async function confirm(question: string, { yes }: { readonly yes: boolean | undefined }): Promise<void> {
  if (yes) return;
  if (!canAsk()) throw usageError(`${question} Nobody can be asked here.`, "Add --yes to say so beforehand.");
  const { confirm: ask } = await import("@inquirer/prompts");
  if (!(await prompt(() => ask({ message: question, default: false }, { output: process.stderr })))) {
    throw new CliError("Nothing was changed.", { exit: EXIT.failed });
  }
}

/** Runs a prompt; Ctrl-C and the end of input inside it leave as they do anywhere else. */
export async function prompt<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Error && ["ExitPromptError", "AbortPromptError"].includes(error.name)) {
      throw new CliError("Stopped. Nothing was changed.");
    }
    throw error;
  }
}
