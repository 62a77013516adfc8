import { type Command, Option } from "commander";
import { JOURNAL_LINES } from "../../modules/names";
import { action, confirmed, examples } from "../command";
import type { LogsOptions } from "../server/logs";
import type { OrderOptions } from "../server/order";
import type { ShellOptions } from "../server/shell";

export function addServer(program: Command): void {
  const server = program
    .command("server")
    .helpCommand(false)
    .description("Replace, pause and resume the server, open a shell on it, read its log")
    .addHelpText(
      "after",
      examples(
        ["stingy server replace", "a new server takes over while the old one serves"],
        ["stingy server pause", "end the server until it is resumed"],
        ["stingy server logs --follow", "what the server and the Lambdas say"],
      ),
    );
  addReplace(server);
  addPause(server);
  addResume(server);
  addShell(server);
  addLogs(server);
}

function addReplace(server: Command): void {
  order(server.command("replace"))
    .description("Have a new server take over; nobody is disconnected where the site has an Elastic IP")
    .addHelpText(
      "after",
      examples(
        ["stingy server replace", "wait until the new server serves"],
        ["stingy server replace --no-wait", "only give the order"],
        ["stingy server replace --wait-minutes 30", "be patient where Spot machines are scarce"],
      ),
    )
    .action(
      action<OrderOptions>(async (context, options) => {
        const { replace } = require("../server/order") as typeof import("../server/order");
        return replace(context, options);
      }),
    );
}

function addPause(server: Command): void {
  order(server.command("pause"))
    .description("End the server and start none until it is resumed; everybody is disconnected, the address stays")
    .addHelpText(
      "after",
      examples(["stingy server pause", "asks first"], ["stingy server pause --yes --no-wait", "from a script"]),
    )
    .action(
      action<OrderOptions>(async (context, options) => {
        const { pause } = require("../server/order") as typeof import("../server/order");
        return pause(context, options);
      }),
    );
}

function addResume(server: Command): void {
  waiting(server.command("resume"))
    .description("Start the server of a paused site")
    .addHelpText("after", examples(["stingy server resume", "wait until the server serves, which takes a few minutes"]))
    .action(
      action<OrderOptions>(async (context, options) => {
        const { resume } = require("../server/order") as typeof import("../server/order");
        return resume(context, options);
      }),
    );
}

function order(command: Command): Command {
  return confirmed(waiting(command));
}

function waiting(command: Command): Command {
  return command
    .option("--no-wait", "do not wait until it has happened; Ctrl-C ends the waiting alone, too")
    .option("--wait-minutes <minutes>", "how long to wait", "15")
    .addHelpText(
      "after",
      "\nExit codes: 0 done, 2 not done within the time or a person is needed; the controller goes on by itself.",
    );
}

function addShell(server: Command): void {
  server
    .command("shell")
    .description("Open a shell on the server through AWS Session Manager; no port is open for it")
    .option("--print", "print the command instead of running it")
    .option("--instance <id>", "another instance of the site, such as a successor that does not get ready")
    .addHelpText(
      "after",
      "\nIt needs the AWS CLI and its Session Manager plugin. The exit code is that of the AWS CLI.",
    )
    .addHelpText(
      "after",
      examples(
        ["stingy server shell", "a shell; sudo -i makes you root"],
        ["stingy server shell --print", "the command of the AWS CLI, to run it elsewhere"],
      ),
    )
    .action(
      action<ShellOptions>(async (context, options) => {
        const { shell } = require("../server/shell") as typeof import("../server/shell");
        return shell(context, options);
      }),
    );
}

function addLogs(server: Command): void {
  server
    .command("logs")
    .description("Show what the server and the Lambdas say, in one stream, in the order of time")
    .option("--since <time>", "how far back: 30s, 15m, 2h, 3d, or a time such as 2026-11-21T09:00Z", "1h")
    .option("-f, --follow", "go on with what is said from now on, until Ctrl-C")
    .addOption(
      new Option("--source <source...>", "only these (default: all)").choices([
        "controller",
        "ddns",
        "webhook",
        "server",
      ]),
    )
    .option("--grep <text>", "only lines with this text, in upper or lower case")
    .option("--all", "also the start and end of each run, metrics, and systemd's own words")
    .option("--json", "print one JSON object a line")
    .addHelpText(
      "after",
      `
The Lambdas' lines are in CloudWatch Logs. The server's are read on the server, through Systems Manager (Run Command), the
newest ${JOURNAL_LINES} of each instance; those of an ended one are in CloudWatch only where monitoring.serverLogs is on. With --follow the
server is asked every ten seconds, and lines are held back that long to keep the order; with another --source than server four seconds.`,
    )
    .addHelpText(
      "after",
      examples(
        ["stingy server logs", "the last hour"],
        ["stingy server logs --since 2h --source controller", "why the controller did what it did"],
        ["stingy server logs --follow", "watch a replacement"],
        ["stingy server logs --since 1d --json | jq 'select(.level == \"error\")'", "only errors"],
      ),
    )
    .action(
      action<LogsOptions>(async (context, options) => {
        const { logs } = require("../server/logs") as typeof import("../server/logs");
        return logs(context, options);
      }),
    );
}
