import { gunzipSync, constants as zlib } from "node:zlib";
import type { Site } from "../../modules/config";
import { JOURNAL_LINES, logGroupOf, siteNames } from "../../modules/names";
import { STORE } from "../../modules/store/names";
import type { Aws } from "../aws";
import { CliError } from "../exit";
import { siteInstances } from "../live";
import { runDocument, whyNot, whyNotDone } from "../run-document";
import { sdk } from "../sdk";
import { notDeployed, Store } from "../store";
import { type LogLine, readJournalEntry, readLambdaLine, withoutKeys } from "./log-line";
import { Tail } from "./merge";

export const SOURCES = ["controller", "ddns", "webhook", "server"] as const;
export type SourceName = (typeof SOURCES)[number];

export interface LogSource {
  readonly name: SourceName;
  /** How often it is read when it is followed. */
  readonly everyMs: number;
  /** What is said becomes readable this much later. */
  readonly lateMs: number;
  /** What is new since the last read that succeeded, now being that time. */
  read(now: Date): Promise<LogLine[]>;
}

/** There are servers, but none gives its log: a new one may do so yet. */
export class NoAnswer extends CliError {}

/** What may be said once, about what gives nothing. */
export type Say = (text: string) => void;

const LAMBDA_EVERY_MS = 2_000;
const LAMBDA_LATE_MS = 4_000;
const SERVER_EVERY_MS = 10_000;
const SERVER_LATE_MS = 1_000;
const SERVER_ANSWERS_MS = 20_000;

export function sourceOf(name: SourceName, aws: Aws, site: Site, since: Date, say: Say): LogSource | undefined {
  const { controller, ddnsUpdater, alertForwarder } = siteNames(site);
  switch (name) {
    case "controller":
      return lambdaSource(name, aws, controller, since);
    case "ddns":
      return site.dns.provider === "none" ? undefined : lambdaSource(name, aws, ddnsUpdater, since);
    case "webhook":
      return site.monitoring.webhook === "none" ? undefined : lambdaSource(name, aws, alertForwarder, since);
    case "server":
      return serverSource(aws, site, since, say);
  }
}

function lambdaSource(name: SourceName, aws: Aws, functionName: string, since: Date): LogSource {
  const group = logGroupOf(functionName);
  const tail = new Tail(since);
  const read = async (now: Date): Promise<LogLine[]> => {
    const { FilterLogEventsCommand } = sdk.logs;
    const logs = await aws.logs();
    const lines: LogLine[] = [];
    let nextToken: string | undefined;
    do {
      const page = await logs
        .send(
          new FilterLogEventsCommand({
            logGroupName: group,
            startTime: tail.from.getTime(),
            ...(nextToken === undefined ? {} : { nextToken }),
          }),
        )
        .catch((error) => {
          if (!(error instanceof Error && error.name === "ResourceNotFoundException")) throw error;
          throw new CliError(`There is no log group ${group} in ${aws.region}.`, {
            fix: "Run `npx cdktf deploy '*'`. If the site is deployed, check AWS_PROFILE and the setting `region`.",
            cause: error,
          });
        });
      for (const { timestamp = 0, eventId = "", message = "" } of page.events ?? []) {
        lines.push({ at: new Date(timestamp), source: name, id: eventId, ...readLambdaLine(withoutKeys(message)) });
      }
      ({ nextToken } = page);
    } while (nextToken !== undefined);
    return tail.take(lines, now);
  };
  return { name, everyMs: LAMBDA_EVERY_MS, lateMs: LAMBDA_LATE_MS, read };
}

function serverSource(aws: Aws, site: Site, since: Date, say: Say): LogSource {
  const tails = new Map<string, Tail>();

  /** What is new of one instance, or why it cannot be read. */
  const readOne = async (id: string, source: string, now: Date): Promise<LogLine[] | string> => {
    const tail = tails.get(id) ?? new Tail(since);
    tails.set(id, tail);
    try {
      const run = await runDocument(aws, {
        document: siteNames(site).journalDocument,
        instanceId: id,
        waitMs: SERVER_ANSWERS_MS,
        parameters: { since: [String(Math.floor(tail.from.getTime() / 1000))] },
      });
      const reason = whyNotDone(run, id);
      if (reason !== undefined) return reason;
      const lines = readJournal(run.output, id, source);
      if (lines.length >= JOURNAL_LINES) {
        say(`Only the newest ${JOURNAL_LINES} lines of each instance are read; a later --since shows what is between.`);
      }
      return tail.take(lines, now);
    } catch (error) {
      return whyNot(error, aws.region);
    }
  };

  const read = async (now: Date): Promise<LogLine[]> => {
    const [named, instances] = await Promise.all([
      new Store(aws, site.storePrefix).get(STORE.instanceId),
      siteInstances(aws, site),
    ]);
    const running = instances.filter(({ phase }) => phase === "running");
    if (!named && instances.length === 0) throw notDeployed(site, aws);
    if (running.length === 0) say("No server is running; what an ended one said went with it.");
    const results = await Promise.all(
      running.map(async ({ id }) => ({ id, read: await readOne(id, id === named?.value ? "server" : id, now) })),
    );
    const unread = results.flatMap(({ id, read }) =>
      typeof read === "string" ? `The log of ${id} cannot be read: ${read}.` : [],
    );
    if (unread.length > 0 && unread.length === running.length) {
      throw new NoAnswer(unread.join("\n"), { fix: "`npx stingy doctor` says what keeps a server from answering." });
    }
    for (const text of unread) say(text);
    return results.flatMap(({ read }) => (typeof read === "string" ? [] : read));
  };
  return { name: "server", everyMs: SERVER_EVERY_MS, lateMs: SERVER_LATE_MS, read };
}

/** What the document prints, up to where it was cut off; the oldest first. */
export function readJournal(output: string, instanceId: string, source: string): LogLine[] {
  let text: string;
  try {
    // Its agent marks where it has cut off, which base64 would take for more of it.
    const [whole = ""] = output.split("\n");
    text = gunzipSync(Buffer.from(whole, "base64"), { finishFlush: zlib.Z_SYNC_FLUSH }).toString();
  } catch {
    return [];
  }
  const lines = text.split("\n").flatMap((line) => {
    const entry = parseEntry(line);
    if (!entry) return [];
    const [time, priority, identifier, message] = entry;
    return {
      at: new Date(Number(time) / 1000),
      source,
      id: `${instanceId} ${time} ${message}`,
      ...readJournalEntry(identifier, Number(priority), withoutKeys(message)),
    };
  });
  return lines.reverse();
}

function parseEntry(line: string): [time: string, priority: string, identifier: string, message: string] | undefined {
  try {
    const [time, priority, identifier, message] = JSON.parse(line);
    return typeof message === "string" && Number(time) > 0
      ? [String(time), String(priority ?? 6), String(identifier ?? "unknown"), message]
      : undefined;
  } catch {
    return undefined;
  }
}
