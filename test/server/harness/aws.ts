import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type http from "node:http";
import https from "node:https";
import path from "node:path";
import { type Answer, errorAnswer, errorCode, type Protocol } from "./aws-errors";
import type { RoleCredentials } from "./imds";
import { onHost } from "./machine";
import { ACCOUNT, type Moto } from "./moto";
import type { ParameterBackend } from "./parameters";
import { type Refusal, refusal } from "./signature";

export const SERVICES = ["ssm", "ec2", "monitoring", "events", "logs"] as const;
export type Service = (typeof SERVICES)[number];

const PROTOCOLS: Readonly<Record<Service, Protocol>> = {
  ssm: "json",
  events: "json",
  logs: "json",
  ec2: "ec2",
  monitoring: "query",
};

/**
 * refuse and blackhole concern the service's whole address: a reset, or no answer, to the first packet. The others, one action:
 * hang takes the request and says nothing, reset cuts the connection then; html and empty come with status 200, as does
 * entryFailed: PutEvents that took no entry.
 */
export type FaultKind =
  | "refuse"
  | "blackhole"
  | "hang"
  | "reset"
  | "internal"
  | "throttled"
  | "html"
  | "empty"
  | "entryFailed"
  | "expired"
  | "denied";

export interface Fault {
  readonly kind: FaultKind;
  readonly service: Service;
  /** @default - every action */
  readonly action?: string;
  /** How many requests meet it. @default - all until heal() */
  readonly times?: number;
  /** How many do not, before. @default 0 */
  readonly after?: number;
}

export interface Call {
  readonly service: string;
  readonly action: string;
  /** The JSON, or the form's fields. */
  // biome-ignore lint/suspicious/noExplicitAny: the shape differs by action
  readonly body: any;
  readonly time: number;
  /** 0: no answer was given. */
  readonly status: number;
  /** Whose credentials signed it. */
  readonly instance: string | undefined;
  readonly refused: Refusal | undefined;
  readonly fault: FaultKind | undefined;
}

export interface Metric {
  readonly namespace: string;
  readonly name: string;
  readonly value: number;
  readonly unit: string | undefined;
  readonly dimensions: Readonly<Record<string, string>>;
}

export interface AwsEvent {
  readonly source: string;
  readonly detailType: string;
  // biome-ignore lint/suspicious/noExplicitAny: the shape differs by type
  readonly detail: any;
  readonly time: number;
  readonly instance: string | undefined;
}

/** A line that CloudWatch Logs has taken. */
export interface LogEvent {
  readonly group: string;
  readonly stream: string;
  readonly timestamp: number;
  readonly message: string;
}

interface Issued extends RoleCredentials {
  readonly instance: string;
  readonly role: string;
}

export interface AwsOptions {
  readonly region: string;
  readonly domain: string;
  /** Where the certificates are made. */
  readonly folder: string;
  readonly moto: Moto;
  readonly parameters: ParameterBackend;
  /** Makes a service's address refuse or swallow connections, or neither. */
  readonly setNetwork: (service: Service, fault: "refuse" | "blackhole" | undefined) => Promise<void>;
}

const STANDARD_VALUE_BYTES = 4096;
const PAGE =
  "<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body>Please sign in to the network.</body></html>\n";

const ENTRY_FAILED = JSON.stringify({
  Entries: [{ ErrorCode: "InternalFailure", ErrorMessage: "Internal failure" }],
  FailedEntryCount: 1,
});

/** The edge of AWS: takes nothing whose signature is wrong, notes each call, fails when told to, and leaves the rest to moto. */
export class Aws {
  readonly calls: Call[] = [];
  private faults: { readonly fault: Fault; pass: number; left: number }[] = [];
  private readonly issued = new Map<string, Issued>();
  private readonly hanging = new Set<http.ServerResponse>();

  private constructor(
    private readonly options: AwsOptions,
    readonly server: https.Server,
    /** The certificate that servers are to trust. */
    readonly authority: string,
  ) {
    server.on("request", (request, response) => {
      this.serve(request, response).catch((error) => {
        response.writeHead(500).end(String(error));
      });
    });
  }

  static async start(options: AwsOptions): Promise<Aws> {
    const { folder, region, domain } = options;
    const file = (name: string): string => path.join(folder, name);
    const make = (...more: string[]) =>
      onHost("openssl", [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-noenc",
        "-days",
        "2",
        ...more,
      ]);
    await make("-subj", "/CN=Authority of the test", "-keyout", file("ca.key"), "-out", file("ca.pem"));
    const names = `DNS:*.${region}.${domain},DNS:*.${domain}`;
    const leaf = [
      "-subj",
      "/CN=AWS of the test",
      "-addext",
      `subjectAltName=${names}`,
      "-addext",
      "basicConstraints=CA:FALSE",
    ];
    await make(
      "-CA",
      file("ca.pem"),
      "-CAkey",
      file("ca.key"),
      ...leaf,
      "-keyout",
      file("aws.key"),
      "-out",
      file("aws.pem"),
    );
    const server = https.createServer({ key: readFileSync(file("aws.key")), cert: readFileSync(file("aws.pem")) });
    return new Aws(options, server, readFileSync(file("ca.pem"), "utf8"));
  }

  /** New credentials for an instance's role; those it had stay good until they end. */
  issue(instance: string, role: string, lifetimeSeconds = 6 * 3600): RoleCredentials {
    const credentials: Issued = {
      accessKeyId: `ASIA${createHash("sha256").update(randomBytes(16)).digest("hex").slice(0, 16).toUpperCase()}`,
      secretAccessKey: randomBytes(30).toString("base64"),
      sessionToken: randomBytes(300).toString("base64"),
      expiration: new Date(Date.now() + lifetimeSeconds * 1000),
      instance,
      role,
    };
    this.issued.set(credentials.accessKeyId, credentials);
    return credentials;
  }

  /** From now on AWS takes none of the credentials given so far. */
  expireCredentials(): void {
    for (const [id, credentials] of this.issued) this.issued.set(id, { ...credentials, expiration: new Date(0) });
  }

  async fail(fault: Fault): Promise<void> {
    if (fault.kind === "refuse" || fault.kind === "blackhole") await this.options.setNetwork(fault.service, fault.kind);
    else this.faults.push({ fault, pass: fault.after ?? 0, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  /** Ends all faults. */
  async heal(): Promise<void> {
    this.faults = [];
    for (const response of this.hanging) response.destroy();
    this.hanging.clear();
    for (const service of SERVICES) await this.options.setNetwork(service, undefined);
  }

  called(service: Service, action?: string): Call[] {
    return this.calls.filter((call) => call.service === service && (action === undefined || call.action === action));
  }

  /** Calls whose signature was not accepted; a mere look whether somebody answers is none. */
  get refused(): Call[] {
    return this.calls.filter((call) => call.refused !== undefined && call.action !== "");
  }

  /** What was really put on the bus. */
  get events(): AwsEvent[] {
    return this.called("events", "PutEvents")
      .filter(({ status, fault }) => status === 200 && fault === undefined)
      .flatMap(({ body, time, instance }) =>
        body.Entries.map((entry: Record<string, string>) => ({
          source: entry.Source,
          detailType: entry.DetailType,
          detail: JSON.parse(entry.Detail ?? "null"),
          time,
          instance,
        })),
      );
  }

  /** What was really published, in the order of publishing. */
  get metrics(): Metric[] {
    return this.called("monitoring", "PutMetricData")
      .filter(({ status, fault }) => status === 200 && fault === undefined)
      .flatMap(({ body }) => metricsOf(body));
  }

  /** What CloudWatch Logs has taken, in the order of taking. */
  get logged(): LogEvent[] {
    return this.called("logs", "PutLogEvents")
      .filter(({ status, fault }) => status === 200 && fault === undefined)
      .flatMap(({ body: { logGroupName: group, logStreamName: stream, logEvents } }) =>
        logEvents.map((event: { timestamp: number; message: string }) => ({ group, stream, ...event })),
      );
  }

  /** An instance's tags as EC2 has them. */
  async tags(instance: string): Promise<Record<string, string>> {
    const xml = await this.options.moto.ec2(this.options.region, {
      Action: "DescribeTags",
      "Filter.1.Name": "resource-id",
      "Filter.1.Value.1": instance,
    });
    const items = [...xml.matchAll(/<item>([\s\S]*?)<\/item>/g)].map(([, item = ""]) => item);
    const field = (item: string, name: string): string =>
      new RegExp(`<${name}>([^<]*)</${name}>`).exec(item)?.[1] ?? "";
    return Object.fromEntries(items.map((item) => [field(item, "key"), field(item, "value")]));
  }

  async stop(): Promise<void> {
    for (const response of this.hanging) response.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async serve(incoming: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const time = Date.now();
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const headers = Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]));
    const { method = "", url = "/" } = incoming;
    const host = headers.host ?? "";

    const service = SERVICES.find((name) => host === `${name}.${this.options.region}.${this.options.domain}`);
    if (service === undefined) {
      response.writeHead(404).end(`no service at ${host}`);
      return;
    }
    const protocol = PROTOCOLS[service];
    const { action, input } = parse(protocol, headers, url, body);
    const refused = await refusal({ method, host, path: url, headers, body }, service, this.options.region, (id) =>
      this.issued.get(id),
    );
    const id = /Credential=([^/]+)\//.exec(headers.authorization ?? "")?.[1] ?? "";
    const signer = this.issued.get(id);
    const who = `arn:aws:sts::${ACCOUNT}:assumed-role/${signer?.role}/${signer?.instance}`;
    const fault = refused === undefined ? this.fault(service, action) : undefined;
    const record = (status: number): void => {
      const instance = signer?.instance;
      this.calls.push({ service, action, body: input, time, status, instance, refused, fault });
    };

    if (fault === "hang" || fault === "reset") {
      record(0);
      if (fault === "hang") this.hanging.add(response);
      else incoming.socket.destroy();
      return;
    }
    let answer: Answer;
    if (refused !== undefined) answer = errorAnswer(protocol, refused, who);
    else if (fault === "html" || fault === "empty")
      answer = { status: 200, type: "text/html", body: fault === "html" ? PAGE : "" };
    else if (fault === "entryFailed") answer = { status: 200, type: "application/x-amz-json-1.1", body: ENTRY_FAILED };
    else if (fault !== undefined) answer = errorAnswer(protocol, fault as "internal", who);
    else if (action === "PutParameter" && isTooLong(input)) answer = errorAnswer(protocol, "tooLong", who);
    else if (action === "PutLogEvents" && !isBatch(input)) answer = errorAnswer(protocol, "batch", who);
    else if (service === "ssm") answer = await this.options.parameters.answer(action, input);
    else
      answer = await this.options.moto.forward({
        service,
        region: this.options.region,
        method,
        path: url,
        headers: pick(headers, "host", "content-type", "x-amz-target"),
        body,
      });
    if (action === "CreateTags" && answer.status === 200) answer = withReturn(answer);
    record(answer.status);
    response
      .writeHead(answer.status, { "content-type": answer.type, "x-amzn-requestid": requestId() })
      .end(answer.body);
  }

  private fault(service: Service, action: string): FaultKind | undefined {
    const found = this.faults.find(
      ({ fault, left }) => left > 0 && fault.service === service && (fault.action ?? action) === action,
    );
    if (found === undefined || found.pass-- > 0) return undefined;
    found.left--;
    return found.fault.kind;
  }
}

/** A code as the service would give it, for tests that compare. */
export const codeOf = (service: Service, name: Parameters<typeof errorCode>[1]): string =>
  errorCode(PROTOCOLS[service], name);

const MOST_EVENTS = 10_000;
const MOST_BATCH_BYTES = 1_048_576;
const MOST_EVENT_BYTES = 256 * 1024;
const EVENT_OVERHEAD_BYTES = 26;
const LONGEST_BATCH_MS = 24 * 3600 * 1000;

/** PutLogEvents' own limits, of which moto knows the order only. */
function isBatch(input: { readonly logEvents?: readonly Pick<LogEvent, "timestamp" | "message">[] }): boolean {
  const { logEvents: events = [] } = input;
  const times = events.map(({ timestamp }) => timestamp);
  const sizes = events.map(({ message }) => Buffer.byteLength(message) + EVENT_OVERHEAD_BYTES);
  return (
    events.length > 0 &&
    events.length <= MOST_EVENTS &&
    events.every(({ message, timestamp }) => message.length > 0 && Number.isInteger(timestamp)) &&
    sizes.every((size) => size <= MOST_EVENT_BYTES) &&
    sizes.reduce((total, size) => total + size) <= MOST_BATCH_BYTES &&
    times.every((time, index) => index === 0 || time >= (times[index - 1] ?? 0)) &&
    Math.max(...times) - Math.min(...times) <= LONGEST_BATCH_MS
  );
}

function parse(protocol: Protocol, headers: Record<string, string>, url: string, body: Buffer) {
  if (protocol === "json") {
    const action = (headers["x-amz-target"] ?? "").split(".").pop() ?? "";
    let input = {};
    try {
      input = JSON.parse(body.toString("utf8"));
    } catch {
      // It goes on as it is: what becomes of it is the service's to say.
    }
    return { action, input };
  }
  const fields = new URLSearchParams(body.length > 0 ? body.toString("utf8") : (url.split("?")[1] ?? ""));
  return { action: fields.get("Action") ?? "", input: Object.fromEntries(fields) };
}

/** EC2 says that it has done it, moto does not. */
function withReturn(answer: Answer): Answer {
  if (answer.body.includes("<return>")) return answer;
  return {
    ...answer,
    body: answer.body.replace("</CreateTagsResponse>", "<return>true</return></CreateTagsResponse>"),
  };
}

const isTooLong = (input: { readonly Value?: string; readonly Tier?: string }): boolean =>
  Buffer.byteLength(input.Value ?? "") > STANDARD_VALUE_BYTES && input.Tier !== "Advanced";

const pick = (headers: Record<string, string>, ...names: string[]): Record<string, string> =>
  Object.fromEntries(names.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])));

const requestId = (): string =>
  randomBytes(16)
    .toString("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");

function metricsOf(form: Readonly<Record<string, string>>): Metric[] {
  const found: Metric[] = [];
  for (let n = 1; ; n++) {
    const member = `MetricData.member.${n}`;
    const name = form[`${member}.MetricName`];
    if (name === undefined) return found;
    const dimensions: Record<string, string> = {};
    for (let d = 1; ; d++) {
      const dimension = form[`${member}.Dimensions.member.${d}.Name`];
      if (dimension === undefined) break;
      dimensions[dimension] = form[`${member}.Dimensions.member.${d}.Value`] ?? "";
    }
    const value = Number(form[`${member}.Value`]);
    found.push({ namespace: form.Namespace ?? "", name, value, unit: form[`${member}.Unit`], dimensions });
  }
}
