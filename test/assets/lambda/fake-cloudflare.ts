import { createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, isIPv4, isIPv6 } from "node:net";

export interface FakeRecord {
  readonly id: string;
  /** The first zone's, where it is left out. */
  readonly zoneId?: string;
  name: string;
  type: string;
  content: string;
  ttl: number;
  proxied: boolean;
  comment: string;
}

export interface CloudflareCall {
  /** Such as `PATCH /zones/zone-1/dns_records/record-4`. */
  readonly operation: string;
  readonly body: unknown;
}

export interface CloudflareAnswer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body: string;
}

export type Answer = CloudflareAnswer | "break" | "silence";

/** An error as Cloudflare's API answers it. */
export function refusal(status: number, code: number, message: string, headers = {}): CloudflareAnswer {
  const body = { result: null, success: false, errors: [{ code, message }], messages: [] };
  return { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
}

export const UNAUTHORIZED = refusal(403, 10000, "Authentication error");
export const NO_SUCH_RECORD = refusal(404, 81044, "Record does not exist.");
export const NO_SUCH_ZONE = refusal(400, 1003, "Invalid or missing zone id.");
export const GATEWAY_ERROR: CloudflareAnswer = { status: 500, body: "<html><h1>Internal error</h1></html>" };
export const throttled = (retryAfter: string) =>
  refusal(429, 10429, "Rate limited. Please wait and consider throttling your request speed", {
    "retry-after": retryAfter,
  });

export const IDENTICAL_RECORD = refusal(400, 81058, "An identical record already exists.");
const CONTENT = {
  A: { is: isIPv4, problem: refusal(400, 9005, "Content for A record must be a valid IPv4 address.") },
  AAAA: { is: isIPv6, problem: refusal(400, 9006, "Content for AAAA record must be a valid IPv6 address.") },
} as const;
/** What this API takes of a record; it keeps anything else to itself. */
const SETTABLE = ["name", "type", "content", "ttl", "proxied", "comment"] as const;
const DAY_ONE = "2026-01-01T00:00:00Z";
const PER_PAGE = 100;
/** Chooses the id of a record that is made: Cloudflare chooses it itself. */
export const RECORD_ID_HEADER = "x-fake-record-id";

/** The id under which a fake Cloudflare has a zone, unless it is told another. */
export function zoneIdOf(name: string): string {
  return createHash("md5").update(name).digest("hex");
}

export interface RateLimit {
  readonly requests: number;
  readonly seconds: number;
}

/** Cloudflare's API of zones and DNS records, over real HTTP. */
export class FakeCloudflare {
  readonly calls: CloudflareCall[] = [];
  /** The first zone's. */
  readonly zoneId: string;
  token = "";
  records: FakeRecord[] = [];
  /** So many requests in so many seconds; none where it is undefined. */
  limit: RateLimit | undefined;
  #scripted: { operation: RegExp; answers: Answer[] }[] = [];
  #answered: number[] = [];
  readonly #server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const answer = this.#answer(request, body);
    if (answer === "break") return request.socket.destroy();
    if (answer !== "silence") response.writeHead(answer.status, answer.headers).end(answer.body);
    return undefined;
  });

  /** The account's zones with their ids. */
  constructor(readonly zones: Readonly<Record<string, string>> = { "example.com": zoneIdOf("example.com") }) {
    this.zoneId = Object.values(zones)[0] ?? "";
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  reset(
    token: string,
    ...records: (Pick<FakeRecord, "id" | "name" | "type" | "content"> & Partial<FakeRecord>)[]
  ): void {
    this.token = token;
    this.records = records.map((record) => ({ ttl: 60, proxied: false, comment: "stingy-vpn prod tokyo", ...record }));
    this.calls.length = 0;
    this.limit = undefined;
    this.#scripted = [];
    this.#answered = [];
  }

  /** Gives these answers, in turn, to the next calls of this operation; then behaves as usual again. */
  script(operation: RegExp, ...answers: Answer[]): void {
    this.#scripted.push({ operation, answers });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/client/v4`;
  }

  get operations(): string[] {
    return this.calls.map(({ operation }) => operation);
  }

  content(id: string): string | undefined {
    return this.records.find((record) => record.id === id)?.content;
  }

  #answer({ method = "", url = "", headers }: IncomingMessage, body: string): Answer {
    const { pathname, searchParams } = new URL(url, "http://cloudflare");
    const path = pathname.replace(/^\/client\/v4/, "");
    const operation = `${method} ${path}`;
    const given = body === "" ? undefined : JSON.parse(body);
    this.calls.push({ operation, body: given });
    const scripted = this.#scripted.find((script) => script.operation.test(operation) && script.answers.length > 0);
    if (scripted) return scripted.answers.shift() as Answer;
    const wait = this.#wait();
    if (wait > 0) return throttled(String(wait));
    if (path === "/user/tokens/verify") return this.#verify(headers.authorization);
    if (headers.authorization !== `Bearer ${this.token}`) return UNAUTHORIZED;
    const [, zones, zoneId, dnsRecords, id] = path.split("/");
    if (zones !== "zones") return refusal(404, 7003, `Could not route to ${path}`);
    if (zoneId === undefined) return this.#listZones(searchParams);
    const zone = Object.keys(this.zones).find((name) => this.zones[name] === zoneId);
    if (zone === undefined) return NO_SUCH_ZONE;
    if (dnsRecords === undefined && method === "GET") return success(this.#zone(zone));
    if (dnsRecords !== "dns_records") return refusal(404, 7003, `Could not route to ${path}`);
    if (id !== undefined) return this.#one(method, id, given);
    if (method === "POST") return this.#create(zoneId, given, headers[RECORD_ID_HEADER]?.toString());
    return this.#list(zoneId, searchParams);
  }

  /** The seconds until another request is answered. */
  #wait(): number {
    if (!this.limit) return 0;
    const now = Date.now();
    const { requests, seconds } = this.limit;
    this.#answered = this.#answered.filter((at) => now - at < seconds * 1000);
    if (this.#answered.length >= requests) {
      return Math.ceil(((this.#answered[0] ?? now) + seconds * 1000 - now) / 1000);
    }
    this.#answered.push(now);
    return 0;
  }

  #verify(authorization: string | undefined): CloudflareAnswer {
    return authorization === `Bearer ${this.token}`
      ? success({ id: zoneIdOf("token"), status: "active" })
      : refusal(401, 1000, "Invalid API Token");
  }

  #zone(name: string) {
    return {
      id: this.zones[name],
      name,
      status: "active",
      paused: false,
      type: "full",
      development_mode: 0,
      name_servers: ["ns1.example.net", "ns2.example.net"],
      original_name_servers: null,
      original_registrar: null,
      original_dnshost: null,
      created_on: DAY_ONE,
      modified_on: DAY_ONE,
      activated_on: DAY_ONE,
      account: { id: zoneIdOf("account"), name: "fake" },
      owner: { id: null, type: "user", email: null },
      plan: {
        id: zoneIdOf("plan"),
        name: "Free Website",
        legacy_id: "free",
        is_subscribed: false,
        can_subscribe: false,
      },
      meta: { step: 2, page_rule_quota: 3, custom_certificate_quota: 0, phishing_detected: false },
      permissions: ["#dns_records:edit", "#dns_records:read", "#zone:read"],
    };
  }

  #listZones(wanted: URLSearchParams): CloudflareAnswer {
    const name = wanted.get("name");
    const names = Object.keys(this.zones).filter((one) => name === null || one === name);
    return page(
      names.map((one) => this.#zone(one)),
      wanted,
    );
  }

  #one(method: string, id: string, given: Partial<FakeRecord>): CloudflareAnswer {
    const record = this.records.find((candidate) => candidate.id === id);
    if (!record) return NO_SUCH_RECORD;
    if (method === "DELETE") {
      this.records = this.records.filter((other) => other !== record);
      return success({ id });
    }
    if (method === "PATCH" || method === "PUT") {
      const changed = {
        ...record,
        ...(method === "PUT" ? { comment: "", proxied: false, ttl: 1 } : {}),
        ...settable(given),
      };
      const problem = this.#problemOf(changed);
      if (problem) return problem;
      Object.assign(record, changed);
    }
    return success(shown(record));
  }

  #create(zoneId: string, given: FakeRecord, id = randomBytes(16).toString("hex")): CloudflareAnswer {
    const record = { id, zoneId, ttl: 1, proxied: false, comment: "", ...settable(given) } as FakeRecord;
    const problem = this.#problemOf(record);
    if (problem) return problem;
    this.records.push(record);
    return success(shown(record));
  }

  #problemOf(record: FakeRecord): CloudflareAnswer | undefined {
    const content = CONTENT[record.type as keyof typeof CONTENT];
    if (content && !content.is(record.content)) return content.problem;
    const same = (other: FakeRecord) =>
      other.id !== record.id &&
      (["zoneId", "name", "type", "content"] as const).every((key) => other[key] === record[key]);
    return this.records.some(same) ? IDENTICAL_RECORD : undefined;
  }

  #list(zoneId: string, wanted: URLSearchParams): CloudflareAnswer {
    const name = wanted.get("name.exact") ?? wanted.get("name");
    const type = wanted.get("type");
    const found = this.records.filter(
      (record) =>
        (record.zoneId ?? this.zoneId) === zoneId &&
        (name === null || record.name === name.toLowerCase()) &&
        (type === null || record.type === type),
    );
    return page(found.map(shown), wanted);
  }
}

function settable(given: Partial<FakeRecord>): Partial<FakeRecord> {
  const taken = SETTABLE.filter((key) => given[key] !== undefined).map((key) => [key, given[key]]);
  const { name, ...rest }: Partial<FakeRecord> = Object.fromEntries(taken);
  return name === undefined ? rest : { name: name.toLowerCase(), ...rest };
}

/** A record as the API tells it. */
function shown({ zoneId: _, ...record }: FakeRecord) {
  return { ...record, proxiable: false, settings: {}, meta: {}, tags: [], created_on: DAY_ONE, modified_on: DAY_ONE };
}

function page(all: readonly unknown[], wanted: URLSearchParams): CloudflareAnswer {
  const perPage = Number(wanted.get("per_page") ?? PER_PAGE);
  const number = Number(wanted.get("page") ?? 1);
  const result = all.slice((number - 1) * perPage, number * perPage);
  return success(result, {
    result_info: {
      page: number,
      per_page: perPage,
      count: result.length,
      total_count: all.length,
      total_pages: Math.ceil(all.length / perPage),
    },
  });
}

function success(result: unknown, more = {}): CloudflareAnswer {
  const body = { result, success: true, errors: [], messages: [], ...more };
  return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}
