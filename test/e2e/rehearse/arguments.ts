import { Command, CommanderError, InvalidArgumentError } from "commander";

export interface Arguments {
  readonly site?: string;
  readonly port?: number;
  readonly keep: boolean;
  readonly json: boolean;
}

/** Undefined where it has been told how to use it. @throws CommanderError where it makes no sense, which has been said */
export function readArguments(argv: readonly string[]): Arguments | undefined {
  const command = new Command("npm run rehearse --")
    .description(
      "Deploy the site with the real Terraform onto an AWS that is only on this machine, have AWS take its server away, " +
        "watch it come back, and destroy everything again. No account, no cost, about five minutes.",
    )
    .option("-s, --site <name>", "the site of stingy.yaml (default: the only one)")
    .option("--keep", "do not destroy at the end: everything goes on, to be looked at, until Ctrl-C")
    .option("--port <port>", "the emulator's port (default: one that is free)", port)
    .option("--json", "one JSON document on standard output in the end; what goes on is told on standard error")
    .allowExcessArguments(false)
    .showHelpAfterError("Run it with --help to see what it takes: npm run rehearse -- --help")
    .addHelpText("after", "\nExit codes: 0 all of it happened, 1 something did not, 130 Ctrl-C before its end.")
    .exitOverride();
  try {
    command.parse([...argv], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return undefined;
    throw error;
  }
  const { site, port: chosen, keep = false, json = false } = command.opts();
  return { keep, json, ...(site === undefined ? {} : { site }), ...(chosen === undefined ? {} : { port: chosen }) };
}

function port(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= 65_535) return number;
  throw new InvalidArgumentError("It is a whole number from 1 to 65535.");
}
