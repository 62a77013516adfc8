import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Answer } from "./fake-cloudflare";

export interface Told {
  readonly method: string | undefined;
  /** With its query. */
  readonly path: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export const OK: Answer = { status: 200, body: "ok" };

/** Whatever takes what is posted to it, over real HTTP. */
export class FakeWebhook {
  readonly told: Told[] = [];
  /** What it says to each post. */
  answer: (told: Told) => Answer = () => OK;
  readonly #server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    const { method, url, headers } = request;
    const told = { method, path: url, headers, body };
    this.told.push(told);
    const answer = this.answer(told);
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

  reset(): void {
    this.told.length = 0;
    this.answer = () => OK;
  }

  /** Gives these answers, in turn, to the next posts; then behaves as usual again. */
  script(...answers: Answer[]): void {
    this.answer = () => answers.shift() ?? OK;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
}
