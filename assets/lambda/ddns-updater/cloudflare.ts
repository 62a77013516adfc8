import type { Log } from "../shared/log";

const RETRIES = 3;
const TIMEOUT_MS = 5_000;
const FIRST_DELAY_MS = 500;
/** Three waits of this length and four time-outs still fit in the function's minute. */
const LONGEST_DELAY_MS = 10_000;

export interface Cloudflare {
  readonly baseUrl: string;
  readonly zoneId: string;
  readonly token: string;
  readonly log: Log;
  readonly sleep: (ms: number) => Promise<void>;
  readonly random: () => number;
}

type Outcome = { ok: true } | { ok: false; problem: string; permanent: boolean; retryAfterMs?: number | undefined };

export async function updateRecord(cloudflare: Cloudflare, recordId: string, content: string): Promise<void> {
  const { log, random, sleep } = cloudflare;
  for (let attempt = 0; ; attempt++) {
    const outcome = await patch(cloudflare, recordId, content);
    if (outcome.ok) return log.info("record updated", { recordId, content });
    const { problem } = outcome;
    const delayMs = outcome.retryAfterMs ?? random() * FIRST_DELAY_MS * 2 ** attempt;
    const hopeless = outcome.permanent || attempt === RETRIES || delayMs > LONGEST_DELAY_MS;
    log.warn("Cloudflare did not update the record", { recordId, attempt, problem, hopeless, delayMs });
    if (hopeless) throw new Error(`Cloudflare did not update record ${recordId}: ${problem}`);
    await sleep(delayMs);
  }
}

async function patch(cloudflare: Cloudflare, recordId: string, content: string): Promise<Outcome> {
  const { baseUrl, zoneId, token } = cloudflare;
  try {
    const response = await fetch(`${baseUrl}/zones/${zoneId}/dns_records/${recordId}`, {
      method: "PATCH",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ content }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    const body = parse(text);
    if (response.ok && body?.success === true) return { ok: true };
    const reasons = body?.errors?.map(({ code, message }) => `${code} ${message}`).join(", ") || text.slice(0, 200);
    return {
      ok: false,
      problem: `HTTP ${response.status} ${reasons}`.trim(),
      permanent: response.status >= 400 && response.status < 500 && response.status !== 429,
      retryAfterMs: retryAfterMs(response.headers.get("retry-after")),
    };
  } catch (error) {
    const { message, cause } = error as Error;
    const detail = cause instanceof Error ? ` (${cause.message})` : "";
    return { ok: false, problem: `${message}${detail}`, permanent: false };
  }
}

/** A gateway in front of the API answers in HTML. */
function parse(text: string): { success?: boolean; errors?: { code: number; message: string }[] } | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Retry-After is a number of seconds or a date. */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = Number.isNaN(Number(header)) ? Date.parse(header) - Date.now() : Number(header) * 1000;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
