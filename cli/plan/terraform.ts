import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { CliError } from "../exit";
import { writing } from "../writing";

const OLDEST = [1, 10] as const;
/** Terraform ends what it is at when it is interrupted; longer than this it is not waited for. */
const END_WITHIN_MS = 8_000;
const INSTALL = "https://developer.hashicorp.com/terraform/install";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The terraform command, or the one that TERRAFORM_BINARY_NAME names. */
export class Terraform {
  readonly binary = process.env.TERRAFORM_BINARY_NAME || "terraform";
  private readonly running = new Set<ChildProcess>();
  private readonly env: NodeJS.ProcessEnv;
  private stopped = false;

  /** `plugins` keeps providers, so that each is downloaded once. */
  constructor(plugins: string) {
    const { TF_PLUGIN_CACHE_DIR, ...rest } = process.env;
    const cache = TF_PLUGIN_CACHE_DIR || plugins;
    writing(cache, "TF_PLUGIN_CACHE_DIR", () => mkdirSync(cache, { recursive: true }));
    this.env = {
      ...rest,
      TF_IN_AUTOMATION: "1",
      TF_INPUT: "0",
      CHECKPOINT_DISABLE: "1",
      TF_PLUGIN_CACHE_DIR: cache,
      // Without a lock file beside the stack, the cache would not be used at all.
      TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE: "1",
    };
    // These would have every stack share a folder, or plan something else.
    for (const name of [
      "TF_DATA_DIR",
      "TF_WORKSPACE",
      "TF_CLI_ARGS",
      "TF_CLI_ARGS_plan",
      "TF_CLI_ARGS_show",
      "TF_CLI_ARGS_output",
    ]) {
      delete this.env[name];
    }
  }

  async checkVersion(): Promise<void> {
    const { code, stdout, stderr } = await this.run(process.cwd(), ["version", "-json"]);
    const version = versionOf(stdout);
    if (code !== 0 || version === undefined) {
      throw new CliError(`\`${this.binary} version\` did not say its version.`, {
        fix: `Install Terraform ${OLDEST.join(".")} or later: ${INSTALL}`,
        cause: new Error(stderr),
      });
    }
    const [major = 0, minor = 0] = version.split(".").map(Number);
    if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
      throw new CliError(`${this.binary} is version ${version}; ${OLDEST.join(".")} or later is needed.`, {
        fix: `Install a newer one (${INSTALL}), or name it with TERRAFORM_BINARY_NAME.`,
      });
    }
  }

  async run(folder: string, args: readonly string[]): Promise<Ended> {
    if (this.stopped) throw new CliError("Interrupted.");
    // In a group of its own, so that Ctrl-C in a terminal reaches it through us alone, and all of it can be ended.
    const child = spawn(this.binary, args, {
      cwd: folder,
      env: this.env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    this.running.add(child);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    try {
      const code = await new Promise<number | null>((resolve, reject) => {
        child.once("error", reject);
        child.once("close", resolve);
      });
      return { code, stdout: Buffer.concat(stdout).toString("utf8"), stderr: Buffer.concat(stderr).toString("utf8") };
    } catch (error) {
      throw this.cannotStart(error as NodeJS.ErrnoException);
    } finally {
      this.running.delete(child);
    }
  }

  /** Ends what runs, with all that it has started. Nothing runs any more from then on. */
  async stop(): Promise<void> {
    this.stopped = true;
    const running = [...this.running];
    const ended = Promise.all(running.map((child) => new Promise((resolve) => child.once("close", resolve))));
    for (const child of running) {
      // What it has started may not have heard of it.
      child.once("exit", () => signalGroup(child, "SIGKILL"));
      signalGroup(child, "SIGINT");
    }
    const timer = setTimeout(() => {
      for (const child of running) signalGroup(child, "SIGKILL");
    }, END_WITHIN_MS);
    await ended;
    clearTimeout(timer);
  }

  /** Ends everything at once: for a process that is about to be gone. */
  kill(): void {
    this.stopped = true;
    for (const child of this.running) signalGroup(child, "SIGKILL");
  }

  private cannotStart(error: NodeJS.ErrnoException): CliError {
    const missing = error.code === "ENOENT";
    return new CliError(
      missing
        ? `There is no ${this.binary} on this machine.`
        : `${path.basename(this.binary)} cannot be started (${error.code}).`,
      {
        fix: `Install Terraform ${OLDEST.join(".")} or later (${INSTALL}), or name another binary with TERRAFORM_BINARY_NAME.`,
        cause: error,
      },
    );
  }
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended by itself.
  }
}

function versionOf(stdout: string): string | undefined {
  try {
    const { terraform_version } = JSON.parse(stdout) as { terraform_version?: unknown };
    return typeof terraform_version === "string" && /^\d+\.\d+/.test(terraform_version) ? terraform_version : undefined;
  } catch {
    return undefined;
  }
}
