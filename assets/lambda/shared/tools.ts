import { setTimeout as sleep } from "node:timers/promises";
import type { ClientOverrides } from "./clients";
import type { Variables } from "./environment";
import { createLog, LOG_LEVELS } from "./log";
import { type Metrics, siteMetrics } from "./metrics";
import type { Patience } from "./retry";

/** The rest of the function's minute is for what is under way, the log and the metric. */
const TIME_MS = 50_000;

export interface Replacements extends Partial<Omit<Patience, "deadline">> {
  readonly sdk?: ClientOverrides;
  readonly metrics?: Metrics;
}

/** What a function that asks a service on the internet says things with, and how long each of its runs may try. */
export function toolsOf(variables: Variables, replacements: Replacements) {
  const {
    sdk: _,
    log = createLog(LOG_LEVELS.find((level) => level === variables.LOG_LEVEL) ?? "info"),
    metrics = siteMetrics(variables),
    ...replaced
  } = replacements;
  const clock = { now: Date.now, sleep, random: Math.random, ...replaced };
  return { log, metrics, patience: (): Patience => ({ ...clock, log, deadline: clock.now() + TIME_MS }) };
}
