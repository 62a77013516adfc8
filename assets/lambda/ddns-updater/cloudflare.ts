import { problemOf, retryAfterMs, whyNoAnswer } from "../shared/http";
import { Failed, type Patience, withRetries } from "../shared/retry";
import type { Secret } from "../shared/secret";

export const RECORD_TYPES = ["A", "AAAA"] as const;
export type RecordType = (typeof RECORD_TYPES)[number];

export interface Named {
  readonly name: string;
  readonly type: RecordType;
}

export interface DnsRecord {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly content: string;
}

export interface CloudflareProps {
  readonly baseUrl: string;
  readonly zoneId: string;
  readonly token: Secret;
  readonly patience: Patience;
  /** What a person does when Cloudflare refuses the token, knows no such zone, or gives no good answer for now. */
  readonly fixes: Readonly<Record<"token" | "zone" | "later", string>>;
}

interface Request<T> {
  readonly method?: "GET" | "PATCH";
  readonly path: string;
  readonly body?: object;
  /** Checks the result of a successful answer. @throws Error when it is not what was asked for */
  readonly accept: (result: unknown) => T;
  /** The answer to a 404. @default it is a failure */
  readonly whenGone?: T;
}

interface ErrorEntry {
  readonly code: number;
  readonly message: string;
}

const ATTEMPTS = { most: 4, timeoutMs: 5_000, firstDelayMs: 500 } as const;
/** "Authentication error" and "Invalid access token". */
const TOKEN_REFUSED = [10000, 9109];
/** "Invalid or missing zone id" and "Could not route to …, perhaps your object identifier is invalid?" */
const ZONE_UNKNOWN = [1003, 7003];
/** "Record does not exist." */
const RECORD_GONE = [81044];

/** What the updater needs of Cloudflare's API: https://developers.cloudflare.com/api/resources/dns/subresources/records */
export class Cloudflare {
  constructor(private readonly props: CloudflareProps) {}

  /** Undefined when the id is nobody's. */
  read(named: Named, id: string): Promise<DnsRecord | undefined> {
    return this.call(`reading ${title(named)}`, { path: recordPath(id), accept: toRecord, whenGone: undefined });
  }

  lookUp(named: Named): Promise<DnsRecord[]> {
    const query = new URLSearchParams({ "name.exact": named.name, type: named.type });
    return this.call(`looking up ${title(named)}`, { path: `dns_records?${query}`, accept: toRecords });
  }

  /** Changes the content alone: time to live, proxy and comment stay. */
  write(named: Named, id: string, content: string): Promise<DnsRecord> {
    return this.call(`writing ${content} into ${title(named)}`, {
      method: "PATCH",
      path: recordPath(id),
      body: { content },
      accept: toRecordSaying(content),
    });
  }

  /** Reads a record back until it says what was written. */
  verify(named: Named, id: string, content: string): Promise<DnsRecord> {
    return this.call(`reading ${title(named)} back`, { path: recordPath(id), accept: toRecordSaying(content) });
  }

  private call<T>(what: string, request: Request<T>): Promise<T> {
    return withRetries(`Cloudflare, ${what}`, this.props.patience, ATTEMPTS, (timeoutMs) =>
      this.attempt(request, timeoutMs),
    );
  }

  private async attempt<T>(request: Request<T>, timeoutMs: number): Promise<T> {
    const { response, text } = await this.send(request, timeoutMs);
    const { success, result, errors } = parse(text);
    if (response.ok && success === true) return accepted(request, result, this.props.fixes.later);
    const entries = toErrors(errors);
    if ("whenGone" in request && isGone(response.status, entries)) return request.whenGone as T;
    throw this.refusal(response, text, entries);
  }

  private refusal(response: Response, text: string, errors: readonly ErrorEntry[]): Failed {
    const { ok, status } = response;
    const { fixes, patience } = this.props;
    const reasons = errors.map(({ code, message }) => `${code} ${message}`).join(", ") || text.trim();
    const problem = problemOf(status, reasons);
    const tokenRefused = status === 401 || status === 403 || hasCode(errors, TOKEN_REFUSED);
    const zoneUnknown = hasCode(errors, ZONE_UNKNOWN) || (status === 404 && !hasCode(errors, RECORD_GONE));
    if (ok || status === 408 || status === 429 || status >= 500) {
      return new Failed(problem, {
        code: status === 429 ? "throttled" : "cloudflare",
        retryAfterMs: retryAfterMs(response, patience.now()),
        fix: fixes.later,
      });
    }
    return new Failed(problem, {
      code: tokenRefused ? "token-refused" : "cloudflare",
      permanent: true,
      fix: tokenRefused ? fixes.token : zoneUnknown ? fixes.zone : undefined,
    });
  }

  private async send({ method = "GET", path, body }: Request<unknown>, timeoutMs: number) {
    const { baseUrl, zoneId, token, fixes } = this.props;
    try {
      const response = await fetch(`${baseUrl}/zones/${encodeURIComponent(zoneId)}/${path}`, {
        method,
        headers: { authorization: `Bearer ${token.reveal()}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        // The API redirects nobody, and the token goes nowhere else.
        redirect: "manual",
        signal: AbortSignal.timeout(timeoutMs),
      });
      return { response, text: await response.text() };
    } catch (cause) {
      throw new Failed(`no answer (${whyNoAnswer(cause, timeoutMs)})`, { code: "no-answer", cause, fix: fixes.later });
    }
  }
}

function title({ name, type }: Named): string {
  return `the ${type} record of ${name}`;
}

function recordPath(id: string): string {
  return `dns_records/${encodeURIComponent(id)}`;
}

function accepted<T>({ accept }: Request<T>, result: unknown, fix: string): T {
  try {
    return accept(result);
  } catch (error) {
    throw new Failed((error as Error).message, { code: "unexpected-answer", fix });
  }
}

function toRecord(result: unknown): DnsRecord {
  const { id, name, type, content } = asObject(result);
  if (typeof id !== "string" || typeof name !== "string" || typeof type !== "string" || typeof content !== "string") {
    throw new Error("the answer holds no record");
  }
  return { id, name, type, content };
}

function toRecords(result: unknown): DnsRecord[] {
  if (!Array.isArray(result)) throw new Error("the answer holds no list of records");
  return result.map(toRecord);
}

function toRecordSaying(content: string): (result: unknown) => DnsRecord {
  return (result) => {
    const record = toRecord(result);
    if (!sameAddress(record.content, content)) throw new Error(`the record says ${record.content}, not ${content}`);
    return record;
  };
}

/** IPv6 has many spellings of one address. */
export function sameAddress(one: string, other: string): boolean {
  return one === other || (one.includes(":") && canonical(one) === canonical(other));
}

function canonical(ipv6: string): string {
  const url = `http://[${ipv6}]/`;
  return URL.canParse(url) ? new URL(url).hostname : ipv6;
}

function parse(text: string): Record<string, unknown> {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return {};
  }
}

function toErrors(errors: unknown): ErrorEntry[] {
  if (!Array.isArray(errors)) return [];
  return errors.map(asObject).map(({ code, message }) => ({ code: Number(code), message: String(message) }));
}

function hasCode(errors: readonly ErrorEntry[], codes: readonly number[]): boolean {
  return errors.some(({ code }) => codes.includes(code));
}

function isGone(status: number, errors: readonly ErrorEntry[]): boolean {
  return status === 404 || hasCode(errors, RECORD_GONE);
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
