import type { Command } from "commander";
import { action, examples, reading } from "../command";

export interface PlanOptions {
  readonly markdown?: boolean;
  readonly json?: boolean;
  readonly out?: string;
  readonly stack?: readonly string[];
  readonly failOn?: string;
  readonly from?: readonly string[];
}

export function addPlan(program: Command): void {
  reading(program.command("plan"))
    .description(
      "Show what a deploy would change and what that means for the VPN: synthesize and plan every stack, change nothing",
    )
    .option("--markdown", "print Markdown for a comment of a pull request")
    .option("--out <folder>", "also write summary.md, summary.txt and summary.json into this folder")
    .option("--stack <id...>", "only these stacks, such as prod-tokyo-server (default: all)")
    .option(
      "--fail-on <kinds>",
      "end with 1 if the plan has any of: destroy, replace, exposure (more people or machines reach or read something); joined by commas",
    )
    .option(
      "--from <file...>",
      "do not run Terraform: summarize a plan's JSON, from `terraform show -json` or downloaded from HCP Terraform; FILE=STACK says which stack it is, - is standard input",
    )
    .addHelpText(
      "after",
      "\nExit codes: 0 nothing changes, 2 something does, or a stack waits for another, 1 a plan failed or --fail-on found something.",
    )
    .addHelpText(
      "after",
      examples(
        ["stingy plan", "what a deploy would change"],
        ["stingy plan --stack prod-tokyo-server", "of one stack"],
        ["stingy plan --markdown --fail-on destroy,replace,exposure", "for a pull request, failing on what is grave"],
        ["stingy plan --from plan.json=prod-tokyo-server", "a plan downloaded from HCP Terraform"],
      ),
    )
    .action(
      action<PlanOptions>(async (context, options) => {
        const { plan } = require("../plan") as typeof import("../plan");
        return plan(context, options);
      }),
    );
}
