import { type Command, Option } from "commander";
import { action, examples, reading } from "../command";

export interface RenderOptions {
  readonly json?: boolean;
  readonly out?: string;
}

export function addRender(program: Command): void {
  const render = program
    .command("render")
    .description(
      "Show what would run on the server, and with which settings, for review; AWS is not asked, and nothing is changed",
    )
    .helpCommand(false)
    .addHelpText(
      "after",
      examples(
        ["stingy render userdata", "the cloud-config that makes a fresh image the server"],
        ["stingy render config", "every setting, with the defaults filled in"],
        ["stingy render scripts --out server", "the server's files, each under its path, in the folder server"],
      ),
    );

  reading(render.command("userdata"))
    .description("Show the cloud-config that makes a fresh image the site's server, as it is before it is packed")
    .addHelpText("after", examples(["stingy render userdata --site tokyo", "of one site"]))
    .action(
      action<RenderOptions>(async (context, options) => {
        const { renderUserdata } = require("../render") as typeof import("../render");
        return renderUserdata(context, options);
      }),
    );

  reading(render.command("config"))
    .description("Show every setting of the site as it is used, with the defaults filled in, in YAML")
    .addHelpText("after", examples(["stingy render config --json", "for a program"]))
    .action(
      action<RenderOptions>(async (context, options) => {
        const { renderConfig } = require("../render") as typeof import("../render");
        return renderConfig(context, options);
      }),
    );

  reading(render.command("scripts"))
    .description("Show every script, unit and file that the server is given, with its path and mode")
    .addOption(new Option("--out <folder>", "write them below this folder instead of printing them").conflicts("json"))
    .addHelpText("after", examples(["stingy render scripts --out server", "then read or lint what is in server"]))
    .action(
      action<RenderOptions>(async (context, options) => {
        const { renderScripts } = require("../render") as typeof import("../render");
        return renderScripts(context, options);
      }),
    );
}
