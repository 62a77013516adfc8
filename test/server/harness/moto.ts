import http from "node:http";
import net, { type AddressInfo } from "node:net";
import path from "node:path";
import type { Answer } from "./aws-errors";
import { eventually, Machine, temporaryFolder } from "./machine";

export const ACCOUNT = "123456789012";

export interface MotoRequest {
  readonly service: string;
  readonly region: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** The AWS emulator behind the edge: one for a run, as it takes a second to start. */
export class Moto {
  private static started: Promise<Moto> | undefined;
  private readonly agent = new http.Agent({ keepAlive: true });

  private constructor(
    private readonly machine: Machine,
    private readonly port: number,
  ) {}

  static start(): Promise<Moto> {
    Moto.started ??= Moto.launch();
    return Moto.started;
  }

  private static async launch(): Promise<Moto> {
    const probe = net.createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => probe.once("listening", resolve));
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));

    // Its processes alone are its own: it is asked from here, and stops with the run.
    const machine = await Machine.start("moto", { hostNetwork: true });
    const log = path.join(temporaryFolder("moto"), "log");
    const command = `exec moto_server --host 127.0.0.1 --port ${port} >${log} 2>&1`;
    const running = machine.spawn(["bash", "--norc", "-c", command], { env: { PATH: process.env.PATH ?? "" } });
    const moto = new Moto(machine, port);
    await eventually(`moto answers (its log: ${log})`, () => {
      if (!running.running) throw new Error("moto_server has ended");
      return moto.request("GET", "/moto-api/", {}, Buffer.alloc(0)).then(({ status }) => status === 200);
    });
    return moto;
  }

  /** The one of this run, if there is one. */
  static async stop(): Promise<void> {
    await (await Moto.started)?.stop();
  }

  async stop(): Promise<void> {
    Moto.started = undefined;
    this.agent.destroy();
    await this.machine.stop();
  }

  /** Forgets all that it holds, in every region. */
  async reset(): Promise<void> {
    await this.request("POST", "/moto-api/reset", {}, Buffer.alloc(0));
  }

  /** It believes every signature; the edge has looked at it. */
  async forward({ service, region, method, path, headers, body }: MotoRequest): Promise<Answer> {
    const scope = `test/20260101/${region}/${service}/aws4_request`;
    const authorization = `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`;
    return this.request(method, path, { ...headers, authorization }, body);
  }

  /** An operation of a service that speaks JSON. */
  async json(service: string, region: string, target: string, input: object): Promise<Answer> {
    const headers = { "content-type": "application/x-amz-json-1.1", "x-amz-target": target };
    const body = Buffer.from(JSON.stringify(input));
    return this.forward({ service, region, method: "POST", path: "/", headers, body });
  }

  /** An operation of EC2. @returns the XML @throws when it is refused */
  async ec2(region: string, input: Readonly<Record<string, string>>): Promise<string> {
    const answer = await this.forward({
      service: "ec2",
      region,
      method: "POST",
      path: "/",
      headers: { host: `ec2.${region}.amazonaws.com`, "content-type": "application/x-www-form-urlencoded" },
      body: Buffer.from(new URLSearchParams({ Version: "2016-11-15", ...input }).toString()),
    });
    if (answer.status !== 200) throw new Error(`moto refuses ${input.Action}: ${answer.body}`);
    return answer.body;
  }

  private request(method: string, path: string, headers: Record<string, string>, body: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const options = { agent: this.agent, host: "127.0.0.1", port: this.port, method, path };
      const length = { "content-length": `${body.length}` };
      const request = http.request({ ...options, headers: { ...headers, ...length } }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers["content-type"] ?? "",
            body: Buffer.concat(chunks).toString("utf8"),
          }),
        );
      });
      request.on("error", reject);
      request.end(body);
    });
  }
}
