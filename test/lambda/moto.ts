import { type ChildProcess, spawn } from "node:child_process";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const READY_WITHIN_MS = 60_000;
const POLL_MS = 100;

/** Ends the server when its standard input ends, which it does however the tests end. */
const SCRIPT = 'exec 3<&0; "$@" & server=$!; { cat <&3 >/dev/null; kill -9 "$server" 2>/dev/null; } & wait "$server"';
const STOCK = ["moto_server"];
/** With the gaps closed that the controller meets. */
export const PATCHED = ["python3", path.join(__dirname, "moto_server.py")];
/** What a shell says of a command that is not there. */
const NOT_FOUND = 127;

/** The AWS emulator, on a port of its own. */
export class Moto {
  private constructor(
    readonly url: string,
    private readonly process: ChildProcess,
  ) {}

  static async start(program: readonly string[] = STOCK): Promise<Moto> {
    const port = await freePort();
    const child = spawn("sh", ["-c", SCRIPT, "sh", ...program, "-H", "127.0.0.1", "-p", String(port)], {
      stdio: ["pipe", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr = `${stderr}${chunk}`.slice(-2000);
    });
    const moto = new Moto(`http://127.0.0.1:${port}`, child);
    for (const end = Date.now() + READY_WITHIN_MS; Date.now() < end; await sleep(POLL_MS)) {
      if (child.exitCode === NOT_FOUND) {
        throw new Error("there is no moto_server on this machine: run `python3 -m pip install 'moto[server]==5.2.1'`");
      }
      if (child.exitCode !== null) throw new Error(`moto_server ended with ${child.exitCode}: ${stderr.trim()}`);
      if (await moto.answers()) return moto;
    }
    await moto.stop();
    throw new Error(`moto_server did not answer within ${READY_WITHIN_MS / 1000} s: ${stderr.trim()}`);
  }

  /** Forgets every resource of every region. */
  async reset(): Promise<void> {
    const { ok, status } = await fetch(`${this.url}/moto-api/reset`, { method: "POST" });
    if (!ok) throw new Error(`moto's reset answered HTTP ${status}`);
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null) return;
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.stdin?.end();
    await ended;
  }

  /** For any client of the SDK. */
  get sdk() {
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    return { endpoint: this.url, region: "ap-northeast-1", credentials };
  }

  private async answers(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/moto-api/data.json`, { signal: AbortSignal.timeout(5_000) })).status < 500;
    } catch {
      return false;
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
