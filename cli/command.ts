import type { Command } from "commander";
import { explainAwsError } from "./aws-errors";
import { Context, type GlobalOptions } from "./context";
import { CliError, EXIT, type ExitCode } from "./exit";
import { note, tone } from "./output";

/** A command's work. What it returns is the exit code, 0 if nothing. */
export type Run<Options, Arguments extends unknown[] = []> = (
  context: Context,
  options: Options,
  ...given: Arguments
) => Promise<ExitCode | undefined> | Promise<void>;

/** Gives commander's action its context and turns whatever goes wrong into one message and an exit code. */
export function action<Options, Arguments extends unknown[] = []>(run: Run<Options, Arguments>) {
  return async (...given: unknown[]): Promise<void> => {
    const command = given.pop() as Command;
    given.pop();
    const options = command.optsWithGlobals<Options & GlobalOptions>();
    const context = new Context(options);
    try {
      process.exitCode = (await run(context, options, ...(given as Arguments))) ?? EXIT.ok;
    } catch (error) {
      process.exitCode = await report(error, context);
    }
  };
}

async function report(thrown: unknown, context: Context): Promise<ExitCode> {
  const region = await context.aws().then(
    (aws) => aws.region,
    () => "the region",
  );
  const error = explainAwsError(thrown, region);
  const known = error instanceof CliError;
  const message = error instanceof Error ? error.message : String(error);
  note(`${tone("bad", "error:")} ${known ? message : `something unexpected: ${message}`}`);
  const fix = known ? error.fix : "Run it with --debug to see where; it may be a fault of this program.";
  if (fix) note(fix);
  if (context.options.debug) note(debugText(error));
  return known ? error.exit : EXIT.failed;
}

function debugText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\ncaused by: ${debugText(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}

/** A command that only reads: it can answer in JSON. */
export function reading(command: Command): Command {
  return command.option("--json", "print the answer as JSON");
}

/** A command that destroys something. */
export function confirmed(command: Command): Command {
  return command.option("-y, --yes", "do not ask for confirmation");
}

export function examples(...lines: readonly (readonly [command: string, what: string])[]): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  return `\nExamples:\n${lines.map(([command, what]) => `  ${command.padEnd(width)}  ${what}`).join("\n")}`;
}
