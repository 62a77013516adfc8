import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Emulator } from "./emulator";

/** What becomes of a call: it is answered, its answer is lost, or AWS says this instead. */
export type Fate = "answered" | "lost" | { readonly error: string } | { readonly says: object };

/** Stands between the command and the emulator, and decides what becomes of each call. */
export class FaultyAws {
  /** By the operation of Systems Manager ("" of another service), and how many of it there were before. */
  fate: (operation: string, before: number) => Fate = () => "answered";
  /** Every call, in order. */
  calls: string[] = [];

  private constructor(
    private readonly emulator: Emulator,
    private readonly server: Server,
  ) {
    server.on("request", (incoming: IncomingMessage, answer: ServerResponse) => this.forward(incoming, answer));
  }

  static async start(emulator: Emulator): Promise<FaultyAws> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new FaultyAws(emulator, server);
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  reset(): void {
    this.fate = () => "answered";
    this.calls = [];
  }

  count(operation: string): number {
    return this.calls.filter((call) => call === operation).length;
  }

  get env(): Record<string, string> {
    return {
      ...this.emulator.env,
      AWS_ENDPOINT_URL: `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`,
    };
  }

  private forward(incoming: IncomingMessage, answer: ServerResponse): void {
    const operation = String(incoming.headers["x-amz-target"] ?? "").replace("AmazonSSM.", "");
    const before = this.count(operation);
    this.calls.push(operation);
    const end = this.fate(operation, before);
    if (typeof end === "object" && "says" in end) {
      answer.writeHead(200, { "content-type": "application/x-amz-json-1.1" });
      answer.end(JSON.stringify(end.says));
      return;
    }
    if (typeof end === "object") {
      answer.writeHead(400, { "content-type": "application/x-amz-json-1.1" });
      answer.end(JSON.stringify({ __type: end.error, message: "said by the test" }));
      return;
    }
    const { method, headers, url } = incoming;
    const onward = request(new URL(url ?? "/", this.emulator.url), { method, headers }, (response) => {
      if (end === "lost") {
        response.resume();
        response.on("end", () => answer.destroy());
        return;
      }
      answer.writeHead(response.statusCode ?? 500, response.headers);
      response.pipe(answer);
    });
    incoming.pipe(onward);
  }
}
