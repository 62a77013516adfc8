import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { PlanOptions } from "../commands/plan";
import type { Context } from "../context";
import { EXIT, type ExitCode, usageError } from "../exit";
import { colors, note, print, printJson, progress } from "../output";
import { writing } from "../writing";
import { type FailOn, failOn, matches } from "./fail-on";
import { json } from "./json";
import { stackChanges } from "./lines";
import { markdown } from "./markdown";
import type { Report } from "./report";
import { text } from "./text";

const ERRORED = ["Terraform ended this plan with an error, which its JSON does not say."];

/** `stingy plan` */
export async function plan(context: Context, options: PlanOptions): Promise<ExitCode> {
  const kinds = failOn(options.failOn);
  if (options.markdown && options.json)
    throw usageError("--markdown and --json cannot both be printed.", "Use --out to have both.");
  if (options.from && options.stack)
    throw usageError("--from and --stack do not go together.", "Say FILE=STACK with --from.");
  if (options.from && context.options.site !== undefined)
    throw usageError("--from and --site do not go together.", "Name the plans of that site alone.");
  const report = options.from ? await reportOfFiles(options.from) : await reportOfRuns(context, options);
  if (options.markdown) print(markdown(report).trimEnd());
  else if (options.json) printJson(json(report));
  else print(await text(report));
  if (options.out !== undefined) await write(options.out, report);
  return conclusion(report, kinds);
}

async function reportOfFiles(files: readonly string[]): Promise<Report> {
  const { readPlans } = require("./from") as typeof import("./from");
  const { analyse, reportOf } = require("./analyse") as typeof import("./analyse");
  return reportOf(
    (await readPlans(files)).map(({ id, plan }) => {
      const planned = analyse(id, plan);
      return plan.errored ? { id, state: "failed", problem: ERRORED, fix: undefined, partly: planned } : planned;
    }),
  );
}

async function reportOfRuns(context: Context, options: PlanOptions): Promise<Report> {
  const config = await context.config();
  // Says at once that there is no such site.
  if (context.options.site !== undefined) await context.site();
  const { runPlans } = require("./run") as typeof import("./run");
  return progress("Synthesizing …", (say) =>
    runPlans({
      config,
      ...(context.options.site === undefined ? {} : { site: context.options.site }),
      ...(options.stack === undefined ? {} : { only: options.stack }),
      say,
    }),
  );
}

async function write(folder: string, report: Report): Promise<void> {
  const files = {
    "summary.md": markdown(report),
    "summary.txt": `${stripped(await text(report))}\n`,
    "summary.json": `${JSON.stringify(json(report), null, 2)}\n`,
  };
  writing(folder, "--out", () => {
    mkdirSync(folder, { recursive: true });
    for (const [name, content] of Object.entries(files)) writeFileSync(path.join(folder, name), content);
  });
  note(
    `Written: ${Object.keys(files)
      .map((name) => path.join(folder, name))
      .join(", ")}`,
  );
}

function stripped(shown: string): string {
  if (!colors.isColorSupported) return shown;
  const { stripVTControlCharacters } = require("node:util") as typeof import("node:util");
  return stripVTControlCharacters(shown);
}

function conclusion(report: Report, kinds: readonly FailOn[]): ExitCode {
  const failed = report.stacks.filter(({ state }) => state === "failed");
  if (failed.length > 0) note(`Not planned: ${failed.map(({ id }) => id).join(", ")}.`);
  const found = matches(report, kinds);
  for (const one of found) note(one);
  if (failed.length > 0 || found.length > 0) return EXIT.failed;
  const attention = report.stacks.some((stack) => stackChanges(stack) || stack.state === "waiting");
  return attention ? EXIT.attention : EXIT.ok;
}
