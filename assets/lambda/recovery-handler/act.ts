import { createHash } from "node:crypto";
import type { Log } from "../shared/log";
import type { Metrics } from "../shared/metrics";
import {
  type Cloud,
  CloudError,
  type LaunchAnswer,
  type LaunchCall,
  type LaunchRequest,
  MARKETS,
  type Market,
  type Override,
} from "./cloud";
import { type Action, MARKS, NOT_READY, type Problem, STOOD_DOWN } from "./decide";
import { adviceFor, type Refusal, refusalOf } from "./launch-errors";
import { type LaunchRecord, writeLaunches } from "./launches";
import { PARAMETERS, pathOf, toInstance } from "./observe";
import type { Settings } from "./settings";
import { SECOND_MS, since } from "./time";

export interface Context {
  readonly settings: Settings;
  readonly cloud: Cloud;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly now: () => Date;
  readonly sleep: (ms: number) => Promise<void>;
}

/** What was seen longer ago is not acted upon: others may have acted since. The next look sees anew. */
export const OLDEST_OBSERVATION_MS = 20_000;

export interface Outcome {
  readonly done: readonly Action[];
  readonly problems: readonly Problem[];
  /** The first error, if there was one. */
  readonly failure?: unknown;
}

/** Performs the actions in order. Each may be repeated, and the run may end between any two of them. */
export async function act(context: Context, actions: readonly Action[], seenAt: Date): Promise<Outcome> {
  const { log, now } = context;
  const done: Action[] = [];
  const undone: Action[] = [];
  const problems: Problem[] = [];
  const failures: unknown[] = [];
  for (const [index, action] of actions.entries()) {
    const age = now().getTime() - seenAt.getTime();
    if (age > OLDEST_OBSERVATION_MS) {
      log.warn("what was seen is too old to act upon: the next look goes on", { age, left: actions.slice(index) });
      break;
    }
    // Who was to be replaced may be needed still.
    if (action.do === "terminate" && undone.some(movesServer)) continue;
    try {
      const wasDone = await perform(context, action, problems);
      if (wasDone) log.info("done", { action });
      (wasDone ? done : undone).push(action);
    } catch (error) {
      log.error("not done", { action, error });
      failures.push(error);
      undone.push(action);
      // All else was decided for a site that a person wants so.
      if (action.do === "set-desired-state") break;
    }
  }
  return { done, problems, ...(failures.length > 0 ? { failure: failures[0] } : {}) };
}

function movesServer(action: Action): boolean {
  return action.do === "promote" || action.do === "write-instance-id";
}

/** Returns whether it was done. */
async function perform(context: Context, action: Action, problems: Problem[]): Promise<boolean> {
  const { cloud } = context;
  switch (action.do) {
    case "mark":
      await cloud.tag(action.instanceId, action.mark, action.value);
      if (action.why === NOT_READY) context.metrics.count("SuccessorsFailed");
      if (action.mark === MARKS.notice && action.value.startsWith("interruption "))
        context.metrics.count("Interruptions");
      return true;
    case "watch-closely":
      await cloud.watchClosely(action.enabled);
      return true;
    case "launch":
      return launch(context, action, problems);
    case "promote":
      return promote(context, action);
    case "write-instance-id":
      await writeInstanceId(context, action.instanceId);
      return true;
    case "update-dns":
      await updateDns(context);
      return true;
    case "terminate":
      await cloud.terminate(action.instanceIds);
      return true;
    case "set-desired-state":
      await put(context, PARAMETERS.desired, action.state);
      return true;
    case "write-launches":
      if (action.replace) await writeLaunch(context, action.record);
      else await cloud.createParameter(pathOf(context.settings, PARAMETERS.launches), writeLaunches(action.record));
      return true;
  }
}

/** Looks once more: between the first look and now the successor may have died or been given up. */
async function promote(
  context: Context,
  { instanceId, states, named }: Extract<Action, { do: "promote" }>,
): Promise<boolean> {
  const { cloud, log, metrics, now, settings } = context;
  const [found] = await cloud.instancesById([instanceId]);
  const instance = found && toInstance(found, []);
  const fit = instance?.phase === "running" && !instance.endingSince && states.includes(instance.state ?? "");
  if (!fit) {
    log.warn("it is not ready any more: nothing is moved", { instanceId, instance });
    return false;
  }
  if (settings.allocationId !== undefined) await cloud.associateAddress(instanceId);
  // Written anew it would look like a promotion, when the server only gets its address back.
  if (named === instanceId) return true;
  await writeInstanceId(context, instanceId);
  metrics.count("Promotions");
  // One that stood down was launched for another recovery.
  if (instance.state !== STOOD_DOWN) metrics.set("RecoverySeconds", since(instance.launchedAt, now()) / SECOND_MS);
  return true;
}

async function writeInstanceId(context: Context, instanceId: string): Promise<void> {
  await put(context, PARAMETERS.server, instanceId);
  await updateDns(context);
}

async function updateDns({ cloud, settings }: Context): Promise<void> {
  if (settings.ddnsFunction !== undefined) await cloud.updateDns();
}

/** Step 5. Spot first; what comes of it is written down, as a refusal leaves no trace at AWS. */
async function launch(
  context: Context,
  { reason, onDemand, attempt }: Extract<Action, { do: "launch" }>,
  problems: Problem[],
): Promise<boolean> {
  const { log, metrics, now, settings } = context;
  const { madeAt, ...numbers } = attempt;
  let { attempt: number, refusals } = numbers;
  for (const market of onDemand === "first" ? (["on-demand"] as const) : MARKETS) {
    const record = { ...numbers, attempt: number, market, at: now() };
    // Written first: whoever looks from now on waits for what comes of it, or makes the very same attempt.
    await writeLaunch(context, { ...record, at: madeAt ?? record.at, refusals, outcome: "unknown" });
    const result = await tryToLaunch(context, attempt.by, requestFor(settings, market, number));
    if (result.outcome === "launched") {
      log.info("launched", { reason, market, by: attempt.by, ...result });
      await writeLaunch(context, { ...record, refusals: 0, outcome: "launched" });
      return true;
    }
    metrics.count("LaunchesRefused");
    const { message: says, ...refused } = result;
    log.error("nothing was launched", { reason, market, by: attempt.by, ...refused, says });
    const { outcome, refusal } = result;
    if (refusal === "no-answer") return false;
    refusals++;
    await writeLaunch(context, { ...record, refusals, outcome, refusal });
    const advice = adviceFor(refusal);
    if (advice !== undefined) {
      const message = `AWS refused a ${market} machine (${reason}): ${result.message} ${advice}`;
      problems.push({ code: `launch-refused-${refusal}`, message });
    }
    // Another run may have got what this one's error did not show: the next look knows.
    if (outcome === "failed") return false;
    const impossible = onDemand === "if-spot-is-impossible" && refusal === "spot-is-impossible";
    if (onDemand !== "if-refused" && !impossible) return false;
    number++;
  }
  return false;
}

type LaunchResult =
  | { readonly outcome: "launched"; readonly instanceIds: readonly string[] }
  | {
      readonly outcome: "refused" | "failed";
      readonly refusal: Refusal;
      readonly message: string;
      readonly errors?: LaunchAnswer["errors"];
    };

async function tryToLaunch({ cloud }: Context, by: LaunchCall, request: LaunchRequest): Promise<LaunchResult> {
  try {
    if (by === "RunInstances") {
      return { outcome: "launched", instanceIds: [await cloud.runInstance(request, placeFor(request))] };
    }
    const { instanceIds, errors } = await cloud.createFleet(request);
    if (instanceIds.length > 0) return { outcome: "launched", instanceIds };
    // It is not documented what a repeated token gets: this may be the answer to one that has launched.
    if (errors.length === 0) return { outcome: "failed", refusal: "capacity", message: "an answer without a word" };
    return { outcome: "refused", ...summaryOf(errors), errors };
  } catch (error) {
    if (!(error instanceof CloudError)) throw error;
    return { outcome: "failed", refusal: refusalOf(error.code), message: error.message };
  }
}

/** One an attempt, and the same for all who make it: for RunInstances a token holds in one zone alone. */
function placeFor({ clientToken, overrides }: LaunchRequest): Override {
  return overrides[Number.parseInt(clientToken.slice(0, 8), 16) % overrides.length] as Override;
}

/** What is not for want of machines is said first: it does not pass by itself. */
function summaryOf(errors: LaunchAnswer["errors"]): { refusal: Refusal; message: string } {
  const refusals = errors.map(({ code }) => refusalOf(code));
  const refusal = refusals.find((kind) => kind !== "capacity") ?? "capacity";
  const texts = errors
    .filter(({ code }) => refusalOf(code) === refusal)
    .map(({ code, message }) => `${code}: ${message}`);
  return { refusal, message: [...new Set(texts)].slice(0, 3).join(" ") };
}

function requestFor(settings: Settings, market: Market, attempt: number): LaunchRequest {
  const { environment, site, instanceTypes, subnetIds } = settings;
  return {
    market,
    launchTemplateId: settings.launchTemplateId,
    launchTemplateVersion: settings.launchTemplateVersion,
    overrides: instanceTypes.flatMap((instanceType) => subnetIds.map((subnetId) => ({ instanceType, subnetId }))),
    spotMaxPrice: market === "spot" ? settings.spotMaxPrice : undefined,
    clientToken: hash(`${environment}/${site}/${attempt}`),
  };
}

/** 64 characters, as many as a client token may have. */
function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function writeLaunch(context: Context, record: LaunchRecord): Promise<void> {
  await put(context, PARAMETERS.launches, writeLaunches(record));
}

export async function put(context: Context, name: string, value: string): Promise<void> {
  await context.cloud.putParameter(pathOf(context.settings, name), value);
}
