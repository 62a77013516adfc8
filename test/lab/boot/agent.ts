/** The QEMU guest agent: commands in a guest over its serial port, whatever its network and firewall are. */
import net from "node:net";
import { type Result, sleep } from "../../server/harness/machine";

// biome-ignore lint/suspicious/noExplicitAny: the shape differs by command
type Answer = any;

const POLL_MS = 100;
const ANSWER_MS = 60_000;

export class Agent {
  constructor(private readonly socket: string) {}

  /** Whether it answers, which it does as soon as its service has started. */
  async answers(timeoutMs = 2000): Promise<boolean> {
    try {
      await this.ask("guest-ping", undefined, timeoutMs);
      return true;
    } catch {
      return false;
    }
  }

  /** Runs a command to its end, as root. */
  async run(argv: readonly string[], { timeoutMs = 120_000 } = {}): Promise<Result> {
    const [path, ...arg] = argv;
    const started = performance.now();
    const { pid } = await this.ask("guest-exec", { path, arg, "capture-output": true });
    for (;;) {
      const status = await this.ask("guest-exec-status", { pid });
      const milliseconds = Math.round(performance.now() - started);
      const text = (data = ""): string => Buffer.from(data, "base64").toString("utf8");
      const said = { stdout: text(status["out-data"]), stderr: text(status["err-data"]), milliseconds };
      if (status.exited) return { code: status.exitcode ?? null, timedOut: false, ...said };
      if (milliseconds > timeoutMs) return { code: null, timedOut: true, ...said };
      await sleep(POLL_MS);
    }
  }

  /** Starts what the guest will not outlive. */
  async start(argv: readonly string[]): Promise<void> {
    const [path, ...arg] = argv;
    await this.ask("guest-exec", { path, arg });
  }

  /** A small file, read without starting a process in the guest. */
  async read(path: string): Promise<string> {
    const handle = await this.ask("guest-file-open", { path, mode: "r" });
    try {
      const { "buf-b64": text = "" } = await this.ask("guest-file-read", { handle, count: 16384 });
      return Buffer.from(text, "base64").toString("utf8");
    } finally {
      await this.ask("guest-file-close", { handle });
    }
  }

  /** One connection a question: an agent that was away, as in a restart, is simply asked anew. */
  private ask(execute: string, input?: object, timeoutMs = ANSWER_MS): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const connection = net.connect(this.socket);
      const id = `${process.hrtime.bigint()}`;
      let said = "";
      const end = (done: () => void): void => {
        clearTimeout(timer);
        connection.destroy();
        done();
      };
      const timer = setTimeout(
        () => end(() => reject(new Error(`the guest agent does not answer ${execute}`))),
        timeoutMs,
      );
      connection.on("error", (error) => end(() => reject(error)));
      connection.on("close", () => end(() => reject(new Error(`the guest agent has gone at ${execute}`))));
      connection.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        const lines = said.split("\n");
        said = lines.pop() ?? "";
        for (const line of lines) {
          const answer = parse(line);
          // What an earlier question, given up on, left behind.
          if (answer?.id !== id) continue;
          if (answer.error) end(() => reject(new Error(`${execute}: ${answer.error.desc}`)));
          else end(() => resolve(answer.return));
        }
      });
      connection.write(`${JSON.stringify({ execute, ...(input ? { arguments: input } : {}), id })}\n`);
    });
  }
}

function parse(line: string): Answer {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
