import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Variables } from "../../../assets/lambda/shared/environment";
import { createLog } from "../../../assets/lambda/shared/log";

export interface Call {
  /** The operation, such as `CreateFleet`, or `METHOD /path` where the protocol has none. */
  readonly operation: string;
  readonly input: Record<string, unknown>;
  readonly headers: IncomingMessage["headers"];
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body: string;
}

export type Answers = Record<string, (input: Record<string, unknown>) => Answer | undefined>;

export const xml = (body: string): Answer => ({ body: `<Response>${body}</Response>` });
export const json = (body: unknown, status = 200): Answer => ({ status, body: JSON.stringify(body) });
export const ec2Error = (code: string): Answer => ({
  status: 400,
  body: `<Response><Errors><Error><Code>${code}</Code><Message>refused</Message></Error></Errors></Response>`,
});

export const BROKEN_CONNECTION: Answer = { body: "" };

/** An HTTP server that speaks just enough of EC2's query and the JSON protocols to meet the real SDK. */
export class FakeAws {
  readonly calls: Call[] = [];
  readonly lines: string[] = [];
  readonly log = createLog("debug", (line) => this.lines.push(line));
  #answers: Answers = {};
  readonly #server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const call = decode(request, body);
    this.calls.push(call);
    const answer = this.#answers[call.operation]?.(call.input) ?? {
      status: 400,
      body: `{"__type":"NoAnswer","message":"the test has no answer for ${call.operation}"}`,
    };
    if (answer === BROKEN_CONNECTION) request.socket.destroy();
    else response.writeHead(answer.status ?? 200, answer.headers).end(answer.body);
  });

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** Forgets what has happened, and answers like this from now on. */
  reset(answers: Answers): void {
    this.calls.length = 0;
    this.lines.length = 0;
    this.#answers = answers;
  }

  /** Replaces one answer; `usual` is the one it had. */
  answer(operation: string, answer: (input: Record<string, unknown>, usual: Answers[string]) => Answer | undefined) {
    const usual = this.#answers[operation] ?? (() => undefined);
    this.#answers[operation] = (input) => answer(input, usual);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get sdk() {
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    return { endpoint: this.url, region: "ap-northeast-1", credentials, maxAttempts: 1 };
  }

  inputs(operation: string): Record<string, unknown>[] {
    return this.calls.filter((call) => call.operation === operation).map(({ input }) => input);
  }

  /** The operations that change something, in order. */
  get changes(): string[] {
    return this.calls.map(({ operation }) => operation).filter((operation) => !/^(Describe|Get)/.test(operation));
  }
}

export function instanceXml(id: string, state: string, fields: { launched?: string; tags?: Variables; xml?: string }) {
  const tags = Object.entries(fields.tags ?? {}).map(
    ([key, value]) => `<item><key>${key}</key><value>${value}</value></item>`,
  );
  return (
    `<item><instancesSet><item><instanceId>${id}</instanceId><instanceState><name>${state}</name></instanceState>` +
    `<launchTime>${fields.launched ?? "2026-11-20T00:00:00.000Z"}</launchTime>${fields.xml ?? ""}` +
    `<tagSet>${tags.join("")}</tagSet></item></instancesSet></item>`
  );
}

export async function failure(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error("It was expected to fail.");
    },
    (error) => error,
  );
}

function decode(request: IncomingMessage, body: string): Call {
  const { headers, method, url } = request;
  const target = headers["x-amz-target"];
  if (typeof target === "string") {
    return { operation: target.split(".")[1] ?? "", input: JSON.parse(body), headers };
  }
  if (headers["content-type"]?.startsWith("application/x-www-form-urlencoded")) {
    const { Action = "", ...input } = Object.fromEntries(new URLSearchParams(body));
    return { operation: Action, input, headers };
  }
  return { operation: `${method} ${url}`, input: body === "" ? {} : JSON.parse(body), headers };
}
