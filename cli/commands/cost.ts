import { type Command, InvalidArgumentError } from "commander";
import { action, examples, reading } from "../command";

export interface CostOptions {
  readonly egress: number;
  readonly peers?: number;
  readonly offline?: boolean;
  readonly json?: boolean;
}

/** What the first design of this VPN assumed for a few devices. */
const DEFAULT_EGRESS_GB = 10;

export function addCost(program: Command): void {
  reading(program.command("cost"))
    .description(
      "Show what a month costs: every item on demand and on Spot, what each option would change, and where every figure is from",
    )
    .option(
      "--egress <gb>",
      "traffic that leaves AWS in a month, in GB: what devices receive and what they send",
      number,
      DEFAULT_EGRESS_GB,
    )
    .option(
      "--peers <number>",
      "the number of devices (default: those in the store, or 5 where AWS is not asked)",
      wholeNumber,
    )
    .option("--offline", "do not ask AWS: use the prices in this repository, with their dates")
    .addHelpText(
      "after",
      examples(
        ["stingy cost", "with today's Spot price, if there are credentials"],
        ["stingy cost --egress 300", "for 300 GB of traffic a month"],
        ["stingy cost --offline --json", "without asking AWS, for a program"],
      ),
    )
    .action(
      action<CostOptions>(async (context, options) => {
        const { cost } = require("../cost/cost") as typeof import("../cost/cost");
        return cost(context, options);
      }),
    );
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError("Give a number of GB, 0 or more.");
  return value;
}

function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError("Give a whole number, 0 or more.");
  return Number(text);
}
