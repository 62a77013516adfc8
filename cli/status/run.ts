import { setTimeout as sleep } from "node:timers/promises";
import { explainAwsError } from "../aws-errors";
import type { Context } from "../context";
import { EXIT, type ExitCode, usageError } from "../exit";
import { print, printJson, progress } from "../output";
import { look } from "./look";
import { type Report, reportOf } from "./report";
import { screen } from "./screen";

export interface StatusOptions {
  readonly json?: boolean;
  readonly watch?: string | true;
}

const WATCH_SECONDS = 5;
const LONGEST_WATCH_SECONDS = 3600;

export async function status(context: Context, { json, watch }: StatusOptions): Promise<ExitCode> {
  const seconds = watch === undefined ? undefined : secondsOf(watch);
  if (seconds !== undefined) return follow(context, seconds, json === true);
  const report = await progress("Looking at the site", () => read(context));
  if (json) printJson(report);
  else print(screen(report));
  return report.attention.length > 0 ? EXIT.attention : EXIT.ok;
}

async function read(context: Context): Promise<Report> {
  const { sites } = await context.config();
  return reportOf(await look(await context.aws(), await context.site(), sites));
}

async function follow(context: Context, seconds: number, json: boolean): Promise<ExitCode> {
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  const { region } = await context.site();
  let shown = false;
  while (!stop.signal.aborted) {
    const text = await read(context).then(
      (report) => (json ? JSON.stringify(report) : screen(report)),
      (error: unknown) => {
        // What is wrong at the start is wrong; later it may pass.
        if (!shown) throw error;
        const explained = explainAwsError(error, region);
        const message = explained instanceof Error ? explained.message : String(explained);
        return json ? JSON.stringify({ at: new Date(), error: message }) : `${message}\nIt is tried again.`;
      },
    );
    if (stop.signal.aborted) break;
    if (json) print(text);
    else draw(`${text}\n\n${new Date().toISOString()}, every ${seconds} s, Ctrl-C ends it`, shown);
    shown = true;
    await sleep(seconds * 1000, undefined, { signal: stop.signal }).catch(() => undefined);
  }
  return EXIT.ok;
}

/** Over what was there, without a flicker; where there is no terminal, one after the other. */
function draw(text: string, again: boolean): void {
  if (!process.stdout.isTTY) {
    print(again ? `\n${text}` : text);
    return;
  }
  const lines = text.split("\n").map((line) => `${line}\x1b[K\n`);
  process.stdout.write(`${again ? "" : "\x1b[2J"}\x1b[H${lines.join("")}\x1b[J`);
}

function secondsOf(watch: string | true): number {
  if (watch === true) return WATCH_SECONDS;
  const seconds = Number(watch);
  if (/^\d+$/.test(watch) && seconds >= 1 && seconds <= LONGEST_WATCH_SECONDS) return seconds;
  throw usageError(
    `--watch ${watch} is no number of seconds.`,
    `Give a whole number from 1 to ${LONGEST_WATCH_SECONDS}; ${WATCH_SECONDS} without one.`,
  );
}
