import { scrub } from "./secret";

/** A gateway's page of HTML tells no more than its beginning. */
const LONGEST_REASON = 200;

/** Whether a secret may be sent there. */
export function isSafeUrl(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return protocol === "https:" || (protocol === "http:" && hostname === "127.0.0.1");
}

/** What an answer that is no success says, fit for a sentence that goes on after it. */
export function problemOf(status: number, text: string): string {
  // Cut only after scrubbing: half a secret would not be recognised.
  return `HTTP ${status} ${scrub(text).slice(0, LONGEST_REASON)}`.replace(/[\s.]+$/, "");
}

/** fetch says "fetch failed", and why in the cause. */
export function whyNoAnswer(error: unknown, timeoutMs: number): string {
  const { name, message, cause } = error as Error & { cause?: { code?: unknown; message?: unknown } };
  if (name === "TimeoutError") return `within ${timeoutMs} ms`;
  return String(cause?.code ?? cause?.message ?? message);
}

/** Retry-After is a number of seconds or a date. */
export function retryAfterMs({ headers }: Response, now: number): number | undefined {
  const header = headers.get("retry-after");
  if (header === null) return undefined;
  const ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
