import { setTimeout as sleep } from "node:timers/promises";
import { explainAwsError } from "../aws-errors";
import type { Context } from "../context";
import { EXIT, type ExitCode } from "../exit";
import { note, print, progress } from "../output";
import { jsonLine, type LogLine, mentions, showLine } from "./log-line";
import { type LogSource, SOURCES, type SourceName, sourceOf } from "./log-sources";
import { byTime, Merge } from "./merge";
import { sinceOf } from "./since";

export interface LogsOptions {
  readonly since: string;
  readonly follow?: boolean;
  readonly source?: readonly SourceName[];
  readonly grep?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

/** Lines may become readable later than they were said: this much is read again and again. */
const OVERLAP_MS = 60_000;

export async function logs(context: Context, options: LogsOptions): Promise<ExitCode> {
  const now = new Date();
  const since = sinceOf(options.since, now);
  const site = await context.site();
  const aws = await context.aws();
  const said = new Set<string>();
  const say = (text: string) => {
    if (!said.has(text)) note(text);
    said.add(text);
  };
  const wanted = options.source ?? SOURCES;
  const sources = wanted.flatMap((name) => sourceOf(name, aws, site, say) ?? []);
  if (sources.length === 0) say("The site has no DNS name, so there is no ddns to show.");
  const show = (lines: readonly LogLine[]) => {
    for (const line of lines) {
      if (line.minor && !options.all) continue;
      if (options.grep !== undefined && !mentions(line, options.grep)) continue;
      print(options.json ? jsonLine(line) : showLine(line));
    }
  };
  const failed = (source: LogSource, error: unknown) => {
    const explained = explainAwsError(error, site.region);
    say(`The log of the ${source.name} cannot be read: ${explained instanceof Error ? explained.message : explained}`);
  };

  const errors: unknown[] = [];
  const first = await progress("Reading the logs", () =>
    Promise.all(
      sources.map(async (source) => {
        try {
          return { source, lines: await source.read(since) };
        } catch (error) {
          errors.push(error);
          failed(source, error);
          return { source, lines: [] };
        }
      }),
    ),
  );
  if (errors.length > 0 && errors.length === sources.length) throw errors[0];
  if (!options.follow) {
    show(first.flatMap(({ lines }) => lines).sort(byTime));
    return EXIT.ok;
  }

  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  const merge = new Merge(
    sources.map(({ name }) => name),
    2 * OVERLAP_MS,
  );
  await Promise.all(
    first.map(async ({ source, lines }) => {
      let readAt = now;
      let read = lines;
      while (!stop.signal.aborted) {
        show(merge.add(source.name, read, new Date(readAt.getTime() - source.lateMs)));
        await sleep(source.everyMs, undefined, { signal: stop.signal }).catch(() => undefined);
        if (stop.signal.aborted) break;
        const from = new Date(Math.max(since.getTime(), readAt.getTime() - OVERLAP_MS));
        const at = new Date();
        read = await source.read(from).catch((error) => {
          failed(source, error);
          return [];
        });
        readAt = at;
      }
    }),
  );
  show(merge.end());
  return EXIT.ok;
}
