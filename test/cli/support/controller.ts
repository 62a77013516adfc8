import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { type Hint, hintOf } from "../../../assets/lambda/recovery-handler/hint";
import type { Summary } from "../../../assets/lambda/recovery-handler/run";
import { siteNames } from "../../../modules/names";

const SITE = { environment: "prod", name: "tokyo" };
const INVOKED = `/2015-03-31/functions/${siteNames(SITE).controller}/invocations`;
const NOTHING: Summary = { site: SITE.name, done: [], problems: [] };

/** Stands in for Lambda, as the emulator runs no code. */
export class Controller {
  /** What it was told, as the controller itself understands it. */
  told: Hint[] = [];
  answer = NOTHING;

  private constructor(private readonly server: Server) {
    server.on("request", async (incoming, outgoing) => {
      if (incoming.url !== INVOKED) {
        outgoing.writeHead(404, { "x-amzn-errortype": "ResourceNotFoundException" }).end("{}");
        return;
      }
      this.told.push(hintOf(await json(incoming), { environment: SITE.environment, site: SITE.name }, new Date()));
      outgoing.end(JSON.stringify(this.answer));
    });
  }

  static async start(): Promise<Controller> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Controller(server);
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  reset(): void {
    this.told = [];
    this.answer = NOTHING;
  }

  get env(): Record<string, string> {
    return { AWS_ENDPOINT_URL_LAMBDA: `http://127.0.0.1:${(this.server.address() as AddressInfo).port}` };
  }
}
