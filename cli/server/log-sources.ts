import { gunzipSync, constants as zlib } from "node:zlib";
import type { Site } from "../../modules/config";
import { JOURNAL_LINES, logGroupOf, siteNames } from "../../modules/names";
import { STORE } from "../../modules/store/names";
import type { Aws } from "../aws";
import { CliError } from "../exit";
import { siteInstances } from "../live";
import { runDocument } from "../run-document";
import { sdk } from "../sdk";
import { notDeployed, Store } from "../store";
import { type LogLine, readJournalEntry, readLambdaLine, withoutKeys } from "./log-line";

export const SOURCES = ["controller", "ddns", "server"] as const;
export type SourceName = (typeof SOURCES)[number];

export interface LogSource {
  readonly name: SourceName;
  /** How often it is read when it is followed. */
  readonly everyMs: number;
  /** What is said becomes readable this much later. */
  readonly lateMs: number;
  /** What was said from then on. */
  read(from: Date): Promise<LogLine[]>;
}

/** What may be said once, about a source that gives nothing. */
export type Say = (text: string) => void;

const LAMBDA_EVERY_MS = 2_000;
const LAMBDA_LATE_MS = 4_000;
const SERVER_EVERY_MS = 10_000;
const SERVER_LATE_MS = 1_000;
const SERVER_ANSWERS_MS = 20_000;

export function sourceOf(name: SourceName, aws: Aws, site: Site, say: Say): LogSource | undefined {
  const { controller, ddnsUpdater } = siteNames(site);
  switch (name) {
    case "controller":
      return lambdaSource(name, aws, controller);
    case "ddns":
      return site.dns.provider === "none" ? undefined : lambdaSource(name, aws, ddnsUpdater);
    case "server":
      return serverSource(aws, site, say);
  }
}

function lambdaSource(name: SourceName, aws: Aws, functionName: string): LogSource {
  const group = logGroupOf(functionName);
  const read = async (from: Date): Promise<LogLine[]> => {
    const { FilterLogEventsCommand } = sdk.logs;
    const logs = await aws.logs();
    const lines: LogLine[] = [];
    let nextToken: string | undefined;
    do {
      const page = await logs
        .send(
          new FilterLogEventsCommand({
            logGroupName: group,
            startTime: from.getTime(),
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
    return lines;
  };
  return { name, everyMs: LAMBDA_EVERY_MS, lateMs: LAMBDA_LATE_MS, read };
}

function serverSource(aws: Aws, site: Site, say: Say): LogSource {
  const read = async (from: Date): Promise<LogLine[]> => {
    const [named, instances] = await Promise.all([
      new Store(aws, site.storePrefix).get(STORE.instanceId),
      siteInstances(aws, site),
    ]);
    const running = instances.filter(({ phase }) => phase === "running");
    if (!named && instances.length === 0) throw notDeployed(site.environment, site.name, aws, site.storePrefix);
    if (running.length === 0) say("No server is running; what an ended one said went with it.");
    const read = await Promise.all(
      running.map(async ({ id }) => {
        const source = id === named?.value ? "server" : id;
        const { status, output } = await runDocument(aws, {
          document: siteNames(site).journalDocument,
          instanceId: id,
          waitMs: SERVER_ANSWERS_MS,
          parameters: { since: [String(Math.floor(from.getTime() / 1000))] },
        }).catch((error) => {
          if (!(error instanceof Error && error.name === "InvalidInstanceId")) throw error;
          return { status: "its agent does not answer Systems Manager", output: "" };
        });
        const why = status === "Pending" ? `it has not answered in ${SERVER_ANSWERS_MS / 1000} s` : status;
        if (status !== "Success") say(`The log of ${id} cannot be read: ${why}.`);
        return readJournal(output, id, source);
      }),
    );
    const lines = read.flat();
    if (read.some(({ length }) => length >= JOURNAL_LINES)) {
      say(`Only the newest ${JOURNAL_LINES} lines of each instance are read; a later --since shows what is between.`);
    }
    return lines;
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
