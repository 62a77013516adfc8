import { CommanderError } from "commander";
import { EXIT } from "./exit";
import { createProgram } from "./program";

/** Runs the command line's command. The process ends by itself when its work is done. */
export async function run(argv: readonly string[] = process.argv): Promise<void> {
  // Whoever reads the output may have read enough: `stingy logs | head`.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit();
    throw error;
  });
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
