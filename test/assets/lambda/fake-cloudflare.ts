import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

export interface FakeRecord {
  readonly id: string;
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

/** One zone of Cloudflare's DNS API, over real HTTP. */
export class FakeCloudflare {
  readonly calls: CloudflareCall[] = [];
  readonly zoneId = "023e105f4ecef8ad9ca31a8372d0c353";
  token = "";
  records: FakeRecord[] = [];
  #scripted: { operation: RegExp; answers: Answer[] }[] = [];
  readonly #server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const answer = this.#answer(request, body);
    if (answer === "break") return request.socket.destroy();
    if (answer !== "silence") response.writeHead(answer.status, answer.headers).end(answer.body);
    return undefined;
  });

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
    this.#scripted = [];
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
    this.calls.push({ operation, body: body === "" ? undefined : JSON.parse(body) });
    const scripted = this.#scripted.find((script) => script.operation.test(operation) && script.answers.length > 0);
    if (scripted) return scripted.answers.shift() as Answer;
    if (headers.authorization !== `Bearer ${this.token}`) return UNAUTHORIZED;
    const [, zones, zone, dnsRecords, id] = path.split("/");
    if (zones !== "zones" || dnsRecords !== "dns_records") return refusal(404, 7003, `Could not route to ${path}`);
    if (zone !== this.zoneId) return NO_SUCH_ZONE;
    if (id === undefined) return this.#list(searchParams);
    const record = this.records.find((candidate) => candidate.id === id);
    if (!record) return NO_SUCH_RECORD;
    if (method === "PATCH") Object.assign(record, JSON.parse(body));
    return success(record);
  }

  #list(wanted: URLSearchParams): CloudflareAnswer {
    const name = wanted.get("name.exact");
    const type = wanted.get("type");
    return success(
      this.records.filter(
        (record) => (name === null || record.name === name.toLowerCase()) && (type === null || record.type === type),
      ),
    );
  }
}

function success(result: unknown): CloudflareAnswer {
  const body = { result, success: true, errors: [], messages: [] };
  return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}
