import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { shellQuote } from "../../../modules/bootstrap/shell";

export const ROOT = path.resolve(__dirname, "../../..");
const PROGRAM = path.join(ROOT, "cli/stingy.cjs");
const ANSWER_WITHIN_MS = 60_000;

export interface Ran {
  /** null where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  readonly cwd?: string;
  /** What is done while it runs, with what it has said so far. */
  readonly during?: (child: ChildProcess, said: () => string) => void;
}

/** Every process and folder that a test left behind, so that the hooks can take it away. */
const children = new Set<ChildProcess>();
const folders = new Set<string>();

/** No credentials, no configuration and no colours of the person who runs the tests. */
export function cleanEnvironment(more: RunOptions["env"] = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(AWS_|STINGY_|CLOUDFLARE_|TF_VAR_|FORCE_COLOR|NO_COLOR|CI$)/.test(name),
  );
  return {
    ...Object.fromEntries(kept),
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    ...more,
  };
}

/** Runs the real command in a process of its own, without a terminal. */
export async function stingy(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return run(process.execPath, [PROGRAM, ...args], options);
}

export interface Step {
  /** What has to be on the screen, after what the step before answered. */
  readonly on: RegExp | string;
  /** What else has to be so. The screen has to go on changing meanwhile, as a spinner does. */
  readonly when?: () => boolean;
  /** What is typed then: "\r" is Enter, "\x03" Ctrl-C. */
  readonly type: string;
}

/** Runs the real command in a real terminal (of `script`) and answers its questions. */
export async function inTerminal(args: readonly string[], steps: readonly Step[], options: RunOptions = {}) {
  let seen = 0;
  let step = 0;
  const ran = await run(
    "script",
    // A shell in between would die of Ctrl-C, and its exit code would be the one that is seen.
    ["-qfec", `exec ${[process.execPath, PROGRAM, ...args].map(shellQuote).join(" ")}`, "/dev/null"],
    {
      ...options,
      env: { TERM: "xterm-256color", SHELL: "/bin/sh", ...options.env },
      during: (child, said) => {
        const type = () => {
          const current = steps[step];
          if (!current) return;
          const screen = stripVTControlCharacters(said().slice(seen));
          const found = typeof current.on === "string" ? screen.includes(current.on) : current.on.test(screen);
          if (!found || current.when?.() === false) return;
          seen = said().length;
          step++;
          child.stdin?.write(current.type);
        };
        child.stdout?.on("data", type);
        options.during?.(child, said);
      },
    },
    true,
  );
  return { ...ran, screen: stripVTControlCharacters(ran.stdout), answered: step };
}

async function run(program: string, args: readonly string[], options: RunOptions, keepInput = false): Promise<Ran> {
  const child = spawn(program, args, { cwd: options.cwd ?? ROOT, env: cleanEnvironment(options.env) });
  children.add(child);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  child.stdin.on("error", () => undefined);
  if (options.input !== undefined) child.stdin.write(options.input);
  if (!keepInput) child.stdin.end();
  options.during?.(child, () => stdout + stderr);
  const timer = setTimeout(() => child.kill("SIGKILL"), ANSWER_WITHIN_MS);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    return { code, stdout, stderr };
  } finally {
    clearTimeout(timer);
    children.delete(child);
  }
}

/** A folder that is gone after the tests, with these files in it. */
export function folderWith(files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(path.join(tmpdir(), "stingy-test-"));
  folders.add(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  return folder;
}

export function cleanUp(): void {
  for (const child of children) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders.clear();
}
