import { SSMClient } from "@aws-sdk/client-ssm";
import { clientConfig } from "../shared/clients";
import { readEnvironment, type Variables } from "../shared/environment";
import { outwardError } from "../shared/errors";
import { LOG_LEVELS } from "../shared/log";
import { type Replacements, toolsOf } from "../shared/tools";
import { isFirstOk, toAlert } from "./alert";
import { FORMATS, WEBHOOKS } from "./formats";
import { post, readUrl, type Target } from "./webhook";

export interface Summary {
  readonly sent: number;
}

export function createHandler(variables: Variables, replacements: Replacements = {}) {
  const { log, metrics, patience } = toolsOf(variables, replacements);
  const ssm = new SSMClient(clientConfig(replacements.sdk));

  const prepare = async (): Promise<(record: unknown) => Promise<void>> => {
    const { kind, storePrefix, ...place } = readSettings(variables);
    const target: Target = { kind, storePrefix, patience: patience(), url: await readUrl(ssm, storePrefix) };
    return async (record) => {
      if (isFirstOk(record)) return log.info("not passed on: an alarm that was just made is quiet");
      const alert = toAlert(record, place);
      await post(target, alert.title, FORMATS[kind](alert, place));
      log.info("passed on", { title: alert.title });
    };
  };

  return async (event: unknown): Promise<Summary> => {
    try {
      const records = recordsOf(event);
      let prepared: ReturnType<typeof prepare> | undefined;
      // One that fails keeps no other from being sent. SNS brings one at a time, so that a second run repeats none that was sent.
      const settled = await Promise.allSettled(
        records.map(async (record) => {
          prepared ??= prepare();
          return (await prepared)(record);
        }),
      );
      const failures = settled.flatMap((result) => (result.status === "rejected" ? [result.reason as Error] : []));
      if (failures.length === 0) return { sent: records.length };
      metrics.count("AlertsLost", failures.length);
      const distinct = [...new Set(failures)];
      for (const error of distinct) log.error("not passed on", { error });
      throw outwardError(together(distinct));
    } finally {
      metrics.flush();
    }
  };
}

function readSettings(variables: Variables) {
  return readEnvironment(variables, (read) => ({
    environment: read.required("ENVIRONMENT"),
    site: read.required("SITE"),
    storePrefix: read.required("STORE_PREFIX"),
    kind: read.oneOf("WEBHOOK", WEBHOOKS),
    level: read.oneOf("LOG_LEVEL", LOG_LEVELS, "info"),
    dashboard: read.optional("DASHBOARD_URL"),
  }));
}

/** What is no event of SNS is passed on as it is: better read once for nothing than lost. */
function recordsOf(event: unknown): readonly unknown[] {
  const records = (event as { Records?: unknown } | null | undefined)?.Records;
  return Array.isArray(records) ? records : [event];
}

function together(failures: readonly Error[]): Error {
  const [only, ...others] = failures;
  if (only && others.length === 0) return only;
  return new AggregateError(failures, failures.map(({ message }) => message).join(" "));
}

let warm: ReturnType<typeof createHandler> | undefined;

export const handler = async (event: unknown): Promise<Summary> => {
  warm ??= createHandler(process.env);
  return warm(event);
};
