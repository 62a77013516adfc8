import { setTimeout as sleep } from "node:timers/promises";
import { explainAwsError } from "../aws-errors";
import type { Context } from "../context";
import { EXIT, type ExitCode } from "../exit";
import { note, print, progress } from "../output";
import { jsonLine, type LogLine, mentions, showLine } from "./log-line";
import { type LogSource, NoAnswer, SOURCES, type SourceName, sourceOf } from "./log-sources";
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
  const sources = wanted.flatMap((name) => sourceOf(name, aws, site, since, say) ?? []);
  if (sources.length === 0) say(`The site has no ${wanted.join(" and no ")}, so there is nothing to show.`);
  const show = (lines: readonly LogLine[]) => {
    for (const line of lines) {
      if (line.minor && !options.all) continue;
      if (options.grep !== undefined && !mentions(line, options.grep)) continue;
      print(options.json ? jsonLine(line) : showLine(line));
    }
  };
  const failed = (source: LogSource, error: unknown) => {
    const explained = explainAwsError(error, site.region);
    const text = explained instanceof Error ? explained.message : String(explained);
    say(error instanceof NoAnswer ? text : `The log of the ${source.name} cannot be read: ${text}`);
  };

  const errors: { readonly source: LogSource; readonly error: unknown }[] = [];
  const first = await progress("Reading the logs", () =>
    Promise.all(
      sources.map(async (source) => {
        try {
          return { source, lines: await source.read(now) };
        } catch (error) {
          errors.push({ source, error });
          return { source, lines: [] };
        }
      }),
    ),
  );
  const lasting = errors.filter(({ error }) => !(options.follow && error instanceof NoAnswer));
  const fatal = lasting.length === sources.length ? errors.shift() : undefined;
  for (const { source, error } of errors) failed(source, error);
  if (fatal) throw fatal.error;
  if (!options.follow) {
    show(first.flatMap(({ lines }) => lines).sort(byTime));
    return EXIT.ok;
  }

  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  const merge = new Merge(sources.map(({ name }) => name));
  await Promise.all(
    first.map(async ({ source, lines }) => {
      let readAt = now;
      let read = lines;
      while (!stop.signal.aborted) {
        show(merge.add(source.name, read, new Date(readAt.getTime() - source.lateMs)));
        await sleep(source.everyMs, undefined, { signal: stop.signal }).catch(() => undefined);
        if (stop.signal.aborted) break;
        readAt = new Date();
        read = await source.read(readAt).catch((error) => {
          failed(source, error);
          return [];
        });
      }
    }),
  );
  show(merge.end());
  return EXIT.ok;
}
