import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

/** Why something could not be done, as the scripts' $problem. */
export class Problem extends Error {
  override readonly name = "Problem";
}

/** The emulator answers no faster for being asked faster, and slowly where the machine is busy. */
const SHORTEST_TIMEOUT_MS = 10_000;

/** Aborted after so long, and when the other one is. */
export function within(ms: number, signal: AbortSignal): AbortSignal {
  const timeout = AbortSignal.timeout(ms);
  // Node.js 20 collects as garbage what only AbortSignal.any() refers to, and its time never comes; not what is listened to.
  timeout.addEventListener("abort", () => undefined);
  return AbortSignal.any([signal, timeout]);
}

/** What a machine's scripts have of time: their pauses pass `pace` times as fast, and end when the machine does. */
export class Pauses {
  readonly #ended = new AbortController();

  constructor(readonly pace: number) {
    setMaxListeners(0, this.#ended.signal);
  }

  /** Seconds since some moment, as the scripts count them. */
  get now(): number {
    return (performance.now() / 1000) * this.pace;
  }

  async pause(seconds: number): Promise<void> {
    await sleep((seconds * 1000) / this.pace, undefined, { signal: this.#ended.signal });
  }

  /** Whatever waits then throws, and never goes on. */
  end(): void {
    this.#ended.abort();
  }

  get ended(): boolean {
    return this.#ended.signal.aborted;
  }

  /** For a request that is given up after so many seconds. */
  signal(seconds: number): AbortSignal {
    const ms = Math.max(SHORTEST_TIMEOUT_MS, Math.round((seconds * 1000) / this.pace));
    return within(ms, this.#ended.signal);
  }
}

export interface CallerOptions {
  readonly url: string;
  readonly region: string;
  readonly instance: string;
  readonly pauses: Pauses;
}

type Service = "ssm" | "ec2" | "events" | "logs" | "monitoring";

const LONGEST_SECONDS = 20;
const ATTEMPTS = 3;
/** Statuses and codes that common.sh tries again after; with the last ones it asks for new credentials first. */
const AGAIN =
  /^(5\d\d-|429-)|Throttl|RequestLimitExceeded$|TooManyUpdates$|Expired|InvalidClientTokenId$|UnrecognizedClient|AuthFailure$/;

/** common.sh's aws_call and what is above it, but for the signature, which the emulator does not look at. */
export class Caller {
  /** Requests so far. */
  count = 0;

  constructor(private readonly options: CallerOptions) {}

  /** The answer of Systems Manager, which must match what is expected of it. */
  ssm(action: string, body: string, expected: RegExp, attempts = ATTEMPTS): Promise<string> {
    return this.#call("ssm", body, expected, jsonOf(`AmazonSSM.${action}`), attempts);
  }

  events(action: string, body: string, expected: RegExp): Promise<string> {
    return this.#call("events", body, expected, jsonOf(`AWSEvents.${action}`), ATTEMPTS);
  }

  logs(action: string, body: string, expected: RegExp): Promise<string> {
    return this.#call("logs", body, expected, jsonOf(`Logs_20140328.${action}`), ATTEMPTS);
  }

  query(service: "ec2" | "monitoring", action: string, version: string, body: string, expected: RegExp) {
    const form = { "Content-Type": "application/x-www-form-urlencoded" };
    return this.#call(service, `Action=${action}&Version=${version}&${body}`, expected, form, ATTEMPTS);
  }

  async #call(
    service: Service,
    body: string,
    expected: RegExp,
    headers: Readonly<Record<string, string>>,
    attempts: number,
  ): Promise<string> {
    const { pauses } = this.options;
    let problem = "";
    for (let attempt = 1; attempt <= attempts; attempt++) {
      if (attempt > 1) await pauses.pause(attempt * attempt - 3 + Math.floor(Math.random() * 10) / 10);
      this.count += 1;
      let status: number;
      let answer: string;
      try {
        ({ status, answer } = await this.#post(service, body, headers));
      } catch (error) {
        if (pauses.ended) throw error;
        problem = `${service} cannot be reached`;
        continue;
      }
      if (status >= 200 && status < 300) {
        if (expected.test(answer)) return answer;
        problem = `${service} answered with nonsense: '${answer.slice(0, 60)}'`;
        continue;
      }
      const [, json, xml] = /"__type": *"([^"]*)"|<Code>([^<]*)</.exec(answer) ?? [];
      const code = (json ?? xml ?? "").replace(/^.*#/, "");
      problem = `${service} answered ${status} ${code || answer.slice(0, 60)}`;
      if (!AGAIN.test(`${status}-${code}`)) break;
    }
    throw new Problem(problem);
  }

  async #post(service: Service, body: string, headers: Readonly<Record<string, string>>) {
    const { url, region, instance, pauses } = this.options;
    const day = new Date().toISOString().slice(0, 10).replaceAll("-", "");
    const response = await fetch(`${url}/`, {
      method: "POST",
      body,
      headers: {
        ...headers,
        Authorization: `AWS4-HMAC-SHA256 Credential=${instance}/${day}/${region}/${service}/aws4_request, SignedHeaders=host, Signature=none`,
        "X-Amz-Security-Token": "played",
      },
      signal: pauses.signal(LONGEST_SECONDS),
    });
    return { status: response.status, answer: await response.text() };
  }
}

function jsonOf(target: string): Record<string, string> {
  return { "X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1" };
}
