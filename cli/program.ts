import { Command } from "commander";
import { version } from "../package.json";
import { addCompletion } from "./commands/completion";
import { addCost } from "./commands/cost";
import { addDoctor } from "./commands/doctor";
import { addInit } from "./commands/init";
import { addPeer } from "./commands/peer";
import { addPlan } from "./commands/plan";
import { addRender } from "./commands/render";
import { addServer } from "./commands/server";
import { addStatus } from "./commands/status";
import { EXIT } from "./exit";

/** Every command with its options. What a command does is loaded when it runs. */
export function createProgram(): Command {
  const program = new Command("stingy")
    .description("Your own WireGuard VPN on AWS Spot: its devices, its health, its cost")
    .version(version, "-V, --version")
    .option("-c, --config <file>", "the configuration (default: STINGY_CONFIG, else stingy.yaml)")
    .option("-s, --site <name>", "the site (default: the only one)")
    .option("--debug", "show where an error comes from")
    .helpCommand(false)
    .showHelpAfterError("Run it with --help to see what it takes.")
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      "after",
      `
Exit codes: ${EXIT.ok} done, ${EXIT.failed} failed, ${EXIT.attention} changes or something that needs attention, ${EXIT.usage} wrong usage.`,
    );
  const commands = [addInit, addPeer, addStatus, addDoctor, addCost, addServer, addPlan, addRender, addCompletion];
  for (const add of commands) add(program);
  return program;
}
