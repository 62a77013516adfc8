import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";

const POLL_MS = 200;
/** What was interrupted may go on for so long after the command itself has ended. */
const AFTERWARDS_MS = 60_000;
/** After SIGKILL. */
const GONE_WITHIN_MS = 5_000;

export interface Ended {
  /** null where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ChildOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Each line of both outputs, without colours. */
  readonly onLine?: (line: string) => void;
}

const running = new Set<Child>();

/** However this process ends by itself, nothing it has started goes on. */
process.on("exit", () => {
  for (const child of running) child.kill();
});

/** A command that is running, with everything it starts. */
export class Child {
  readonly ended: Promise<Ended>;
  readonly #process: ChildProcess;
  readonly #known = new Set<number>();

  constructor(program: string, args: readonly string[], { cwd, env, onLine }: ChildOptions) {
    // A group of its own: a person's Ctrl-C reaches this process first, which then ends it in good order.
    this.#process = spawn(program, args, { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      let rest = "";
      this.#process[name]?.setEncoding("utf8").on("data", (text: string) => {
        said[name] += text;
        const lines = (rest + text).split(/\r?\n/);
        rest = lines.pop() ?? "";
        for (const line of lines) onLine?.(stripVTControlCharacters(line));
      });
      this.#process[name]?.on("end", () => rest !== "" && onLine?.(stripVTControlCharacters(rest)));
    }
    running.add(this);
    const ended = new Promise<Ended>((resolve, reject) => {
      this.#process.once("error", reject);
      this.#process.once("close", async (code) => {
        await this.#gone(AFTERWARDS_MS);
        resolve({ code, ...said });
      });
    });
    this.ended = ended.finally(() => running.delete(this));
  }

  /**
   * What Ctrl-C in a terminal does: to its own group alone. cdktf passes it on to Terraform, which takes a second one for an order
   * to leave everything as it is.
   */
  interrupt(): void {
    const { pid } = this.#process;
    // What there is now is known from then on: it is waited for, and killed if it stays.
    if (pid !== undefined && this.#family().length > 0) this.#signal("SIGINT", [-pid]);
  }

  /** Ends it: asks first, as Terraform then writes its state and lets go of its lock, and does not ask again. */
  async stop(graceMs: number): Promise<void> {
    this.interrupt();
    await this.#gone(graceMs);
    this.kill();
    await this.#gone(GONE_WITHIN_MS);
  }

  /** Ends it at once. */
  kill(): void {
    this.#signal("SIGKILL", this.#family());
  }

  /** Waits until nothing that was known when it was interrupted runs any more. */
  async #gone(withinMs: number): Promise<void> {
    if (this.#known.size === 0) return;
    for (const end = Date.now() + withinMs; Date.now() < end && this.#family().length > 0; ) await sleep(POLL_MS);
  }

  #signal(signal: "SIGINT" | "SIGKILL", pids: readonly number[]): void {
    for (const pid of pids) {
      try {
        process.kill(pid, signal);
      } catch {
        // It ended meanwhile.
      }
    }
  }

  /**
   * What runs of itself and of all that descends from it: cdktf starts Terraform in a group of its own, which no signal to this
   * one reaches, and what has lost its parent is found because it was known before.
   */
  #family(): number[] {
    const { pid } = this.#process;
    if (pid === undefined) return [];
    const all = execFileSync("ps", ["-A", "-o", "pid=,ppid=,pgid=,stat="], { encoding: "utf8" })
      .trim()
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state]) => !state?.startsWith("Z"))
      .map(([own, parent, group]) => ({ own: Number(own), parent: Number(parent), group: Number(group) }));
    const family = new Set(all.filter(({ own, group }) => group === pid || this.#known.has(own)).map(({ own }) => own));
    for (let before = -1; before !== family.size; ) {
      before = family.size;
      for (const { own, parent } of all) if (family.has(parent)) family.add(own);
    }
    for (const own of family) this.#known.add(own);
    return [...family];
  }
}
