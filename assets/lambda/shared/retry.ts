import { StingyError } from "./errors";
import type { Log } from "./log";

export interface Patience {
  /** Of the clock `now`: what would begin after it is given up. */
  readonly deadline: number;
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
  readonly random: () => number;
  readonly log: Log;
}

export interface Attempts {
  readonly most: number;
  readonly timeoutMs: number;
  /** The longest wait before the second; before each further one it is twice as long. */
  readonly firstDelayMs: number;
}

export interface FailedProps {
  readonly code: string;
  /** Another attempt cannot help. */
  readonly permanent?: boolean;
  /** How long the other side asks to be left alone. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
  readonly fix?: string | undefined;
}

/** One attempt that failed. */
export class Failed extends Error {
  override readonly name = "Failed";

  constructor(
    readonly problem: string,
    readonly props: FailedProps,
  ) {
    super(problem, { cause: props.cause });
  }
}

/** Tries again after waits that grow exponentially and are drawn at random from their whole length: full jitter. */
export async function withRetries<T>(
  what: string,
  patience: Patience,
  { most, timeoutMs, firstDelayMs }: Attempts,
  attempt: (timeoutMs: number) => Promise<T>,
): Promise<T> {
  const { deadline, now, sleep, random, log } = patience;
  const left = () => Math.max(0, deadline - now());
  if (left() === 0) throw new StingyError(`${what}: not tried, this run has no time left.`, { code: "out-of-time" });
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt(Math.min(timeoutMs, left()));
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      const { permanent, retryAfterMs = 0 } = error.props;
      const delayMs = Math.round(retryAfterMs + random() * firstDelayMs * 2 ** (attempts - 1));
      if (permanent) throw final(what, "", error);
      if (attempts >= most) throw final(what, `. Given up after ${attempts} attempts`, error);
      if (delayMs >= left()) {
        const times = `is due in ${seconds(delayMs)}, and this run has ${seconds(left())} left`;
        throw final(what, `. Given up after attempt ${attempts}: the next ${times}`, error);
      }
      log.warn("trying again", { what, attempts, delayMs, problem: error.problem, cause: error.cause });
      await sleep(delayMs);
    }
  }
}

function final(what: string, end: string, { problem, props: { code, cause, fix } }: Failed): StingyError {
  return new StingyError(`${what}: ${problem}${end}.`, {
    code,
    ...(cause === undefined ? {} : { cause }),
    ...(fix === undefined ? {} : { fix }),
  });
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
