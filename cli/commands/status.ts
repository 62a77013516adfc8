import type { Command } from "commander";
import { action, examples, reading } from "../command";
import type { StatusOptions } from "../status/run";

export function addStatus(program: Command): void {
  reading(program.command("status"))
    .description("Show the site on one screen: its server, its address, its devices, its alarms")
    .option("-w, --watch [seconds]", "show it again every 5 seconds, or as many as given, until Ctrl-C")
    .addHelpText(
      "after",
      `
It only looks: nothing is changed, and the controller is not woken. What your role may not see says so, and the rest is shown.
Exit codes: 0 it serves, 2 something needs attention, which is said at the end. With --watch: 0.
CloudWatch charges some $0.00003 for a look, which is two cents for an hour of --watch.`,
    )
    .addHelpText(
      "after",
      examples(
        ["stingy status", "the site as it is now"],
        ["stingy status --watch", "follow a replacement"],
        ["stingy status --json | jq .server.id", "one value of it, for a script"],
        ["stingy status --watch 60 --json", "one JSON object a line, every minute"],
      ),
    )
    .action(
      action<StatusOptions>(async (context, options) => {
        const { status } = require("../status/run") as typeof import("../status/run");
        return status(context, options);
      }),
    );
}
