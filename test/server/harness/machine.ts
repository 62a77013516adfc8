import { type ChildProcess, type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";

const PREFIX = "stingy-t-";

/** What systemd gives to a service, and nothing of the test's own environment. */
const ENVIRONMENT = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  LANG: "C.UTF-8",
};

export interface Result {
  /** Null when a signal or the time-out ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
  readonly milliseconds: number;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** @default 30,000 */
  readonly timeoutMs?: number;
}

export interface MachineOptions {
  /** The size of a disk of its own, over a view of this machine's. @default - shares this machine's, but for /run */
  readonly disk?: string;
  /** Whether it shares this machine's network. @default false */
  readonly hostNetwork?: boolean;
}

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Asks again and again. @throws with what was last wrong, when `timeoutMs` have passed. */
export async function eventually<T>(what: string, ask: () => T | Promise<T>, timeoutMs = 10_000): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    let last: unknown;
    try {
      const answer = await ask();
      if (answer) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`Not within ${timeoutMs} ms: ${what}; last: ${last}`);
    await sleep(50);
  }
}

/** A folder of this run's own, gone when the run is. */
export function temporaryFolder(name: string): string {
  return mkdtempSync(path.join(os.tmpdir(), `${PREFIX}${process.pid}-${name}-`));
}

const foldersOf = (isWanted: (name: string) => boolean): string[] =>
  readdirSync(os.tmpdir())
    .filter(isWanted)
    .map((name) => path.join(os.tmpdir(), name));

/** A command on this machine itself. */
export const onHost = promisify(execFile);

/** A process in a machine that runs until it is stopped. */
export class Running {
  stdout = "";
  stderr = "";
  /** Its status, or null when a signal ended it. */
  readonly ended: Promise<number | null>;
  private alive = true;

  constructor(private readonly child: ChildProcess) {
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("exit", (code) => {
        this.alive = false;
        // What a daemon that it has left behind still holds open is not waited for.
        // After a look at what has been said: a test process that is busy may be later than this clock.
        const late = setTimeout(() => setImmediate(() => resolve(code)), 250);
        child.on("close", () => {
          clearTimeout(late);
          resolve(code);
        });
      });
    });
  }

  get running(): boolean {
    return this.alive;
  }

  async waitFor(pattern: RegExp, timeoutMs = 10_000): Promise<RegExpMatchArray> {
    return eventually(
      `${pattern} in ${JSON.stringify(this.child.spawnargs.slice(-3))}`,
      () => {
        const found = (this.stdout + this.stderr).match(pattern);
        if (!found && !this.alive) throw new Error(`it has ended, having said: ${this.stdout}${this.stderr}`);
        return found as RegExpMatchArray;
      },
      timeoutMs,
    );
  }

  /** To all its processes, as systemd does, but for nsenter, which says how the first of them ended. */
  signal(name: NodeJS.Signals): void {
    if (!this.alive) return;
    for (const pid of processes().filter((pid) => Number(pid) !== this.child.pid && groupOf(pid) === this.child.pid)) {
      try {
        process.kill(Number(pid), name);
      } catch {
        // It has just ended.
      }
    }
  }

  /** @returns its status */
  async stop(signal: NodeJS.Signals = "SIGTERM", graceMs = 5000): Promise<number | null> {
    this.signal(signal);
    const killer = setTimeout(() => this.signal("SIGKILL"), graceMs);
    try {
      return await this.ended;
    } finally {
      clearTimeout(killer);
    }
  }
}

/**
 * A computer of its own in this one: own network, processes, host name, /run and, when asked for, disk.
 * It lives as long as the pipe to its first process, so that nothing is left however the tests end.
 */
export class Machine {
  private static readonly all = new Set<Machine>();

  private constructor(
    readonly name: string,
    /** Its first process, as this machine counts. */
    readonly pid: number,
    private readonly holder: ChildProcessByStdio<Writable, Readable, Readable>,
  ) {}

  static async start(name: string, { disk, hostNetwork }: MachineOptions = {}): Promise<Machine> {
    const unshare = ["--mount", "--uts", "--pid", "--fork", "--kill-child", "--propagation", "private"];
    if (!hostNetwork) unshare.push("--net");
    const how = [disk ? "own" : "shared", disk ?? "", hostNetwork ? "host" : "own"];
    const command = ["bash", path.join(__dirname, "machine/boot.sh"), `${PREFIX}${process.pid}-${name}`, ...how];
    // In a session of its own: an interrupt from the keyboard is for the test runner, which then stops it.
    const holder = spawn("unshare", [...unshare, ...command], { detached: true, stdio: ["pipe", "pipe", "pipe"] });
    const pid = await new Promise<number>((resolve, reject) => {
      let said = "";
      const listen = (text: Buffer) => {
        said += text;
        const [, ready] = /^ready (\d+)$/m.exec(said) ?? [];
        if (ready) resolve(Number(ready));
      };
      holder.stdout.on("data", listen);
      holder.stderr.on("data", listen);
      holder.on("error", reject);
      holder.on("exit", () => reject(new Error(`Machine ${name} does not start: ${said}`)));
    });
    const machine = new Machine(name, pid, holder);
    Machine.all.add(machine);
    return machine;
  }

  static get running(): readonly Machine[] {
    return [...Machine.all];
  }

  static async stopAll(): Promise<void> {
    await Promise.all(Machine.running.map((machine) => machine.stop()));
  }

  get isRunning(): boolean {
    return Machine.all.has(this);
  }

  /** Where one of its files is on this machine. */
  path(file: string): string {
    return path.join(`/proc/${this.pid}/root`, file);
  }

  read(file: string): string {
    return readFileSync(this.path(file), "utf8");
  }

  write(file: string, content: string, mode = 0o644): void {
    mkdirSync(path.dirname(this.path(file)), { recursive: true });
    // Away with the old one first: its mode would stay, and it may be a link.
    rmSync(this.path(file), { force: true });
    writeFileSync(this.path(file), content, { mode });
  }

  private enter(argv: readonly string[], { env = {}, input }: RunOptions): ChildProcess {
    const nsenter = ["--target", `${this.pid}`, "--net", "--mount", "--uts", "--pid", "--", ...argv];
    const child = spawn("/usr/bin/nsenter", nsenter, {
      detached: true,
      env: { ...ENVIRONMENT, ...env },
      // Node's pipe is a socket: with one as its standard input, bash -c believes that sshd runs it, and reads ~/.bashrc.
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    // A command that reads nothing closes the pipe.
    child.stdin?.on("error", () => undefined).end(input);
    return child;
  }

  /** Starts what runs until it is stopped. */
  spawn(argv: readonly string[], { env }: Pick<RunOptions, "env"> = {}): Running {
    return new Running(this.enter(argv, env ? { env } : {}));
  }

  /** Runs a command to its end, whatever that is. */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
    const { timeoutMs = 30_000 } = options;
    const started = performance.now();
    const running = new Running(this.enter(argv, options));
    let timedOut = false;
    const killer = setTimeout(() => {
      timedOut = true;
      running.signal("SIGKILL");
    }, timeoutMs);
    const code = await running.ended;
    clearTimeout(killer);
    const { stdout, stderr } = running;
    return { code, stdout, stderr, timedOut, milliseconds: Math.round(performance.now() - started) };
  }

  /** What a shell command prints. @throws when it fails. */
  async sh(command: string, options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr, timedOut } = await this.run(["bash", "--norc", "-c", command], options);
    if (code === 0) return stdout.trimEnd();
    throw new Error(`On ${this.name}, ${timedOut ? "too slow" : `status ${code}`}: ${command}\n${stdout}${stderr}`);
  }

  /** Waits for nothing. */
  kill(): void {
    try {
      // Not unshare, which waits for this one: and this one, as the first, is gone after all others.
      process.kill(this.pid, "SIGKILL");
    } catch {
      // It has just ended.
    }
  }

  async stop(): Promise<void> {
    if (!Machine.all.delete(this)) return;
    const gone = new Promise((resolve) => this.holder.on("exit", resolve));
    this.kill();
    await gone;
  }
}

/** A cable between two machines. */
export async function connect(a: Machine, interfaceOfA: string, b: Machine, interfaceOfB: string): Promise<void> {
  const end = (machine: Machine, name: string) => [name, "netns", `${machine.pid}`];
  await onHost("ip", ["link", "add", ...end(a, interfaceOfA), "type", "veth", "peer", ...end(b, interfaceOfB)]);
}

/** Machines, other processes and folders of runs that are no more. @returns what was removed */
export function removeLeftOvers(): string[] {
  const isOld = (text: string): boolean => {
    const [, pid] = new RegExp(`^${PREFIX}(\\d+)-`).exec(text) ?? [];
    return pid !== undefined && !processes().includes(pid);
  };
  const removed: string[] = [];
  for (const pid of processes()) {
    const name = argumentsOf(pid).find(isOld);
    if (name === undefined) continue;
    try {
      process.kill(Number(pid), "SIGKILL");
      removed.push(name);
    } catch {
      // The one before it was its parent.
    }
  }
  for (const folder of foldersOf(isOld)) {
    removeFolder(folder);
    removed.push(folder);
  }
  return removed;
}

/** What this run, or another, has started: process ids by the machine's name. */
export function processesOf(runner: number): string[] {
  return processes().filter((pid) => argumentsOf(pid).some((text) => text.startsWith(`${PREFIX}${runner}-`)));
}

/** The network namespace of a process, undefined when there is no such process. */
export function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

/** Network namespaces that some process is in. */
export function networkNamespaces(): Set<string> {
  return new Set(
    processes()
      .map(namespaceOf)
      .filter((namespace) => namespace !== undefined),
  );
}

process.once("exit", () => {
  // Without this they would end all the same, with the pipe, but a moment later.
  for (const machine of Machine.running) machine.kill();
  for (const folder of foldersOf((name) => name.startsWith(`${PREFIX}${process.pid}-`))) removeFolder(folder);
});

const removeFolder = (folder: string): void => rmSync(folder, { recursive: true, force: true });

const processes = (): string[] => readdirSync("/proc").filter((name) => /^\d+$/.test(name));

function groupOf(pid: string): number | undefined {
  try {
    // The name, in brackets, may hold anything.
    const [, , group] = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return Number(group);
  } catch {
    return undefined;
  }
}

function argumentsOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}
