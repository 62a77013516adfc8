import { CommanderError } from "commander";
import { EXIT } from "./exit";
import { note } from "./output";
import { createProgram } from "./program";

/** Runs the command line's command. The process ends by itself when its work is done. */
export async function run(argv: readonly string[] = process.argv): Promise<void> {
  process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
    // Whoever reads the output may have read enough: `stingy logs | head`.
    if (code === "EPIPE") process.exit();
    note(`error: standard output cannot be written (${code}).`);
    process.exit(EXIT.failed);
  });
  // Nothing can be said to a terminal that is closed, and trying to must not end the work.
  process.stderr.on("error", () => undefined);
  const program = createProgram();
  exitWithUsageCode(program);
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
}

/** Commander ends the process with 1 on wrong usage; here 1 means that the work failed. */
function exitWithUsageCode(command: ReturnType<typeof createProgram>): void {
  command.exitOverride();
  for (const sub of command.commands) exitWithUsageCode(sub as typeof command);
}
