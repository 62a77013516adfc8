import picocolors, { createColors } from "picocolors";

const { CI, FORCE_COLOR } = process.env;
/** picocolors decides by NO_COLOR, FORCE_COLOR, TERM and whether standard output is a terminal, but colours any pipe where CI is set. */
const pc = CI && !FORCE_COLOR && !process.stdout.isTTY ? createColors(false) : picocolors;
export const colors = pc;

export type Tone = "good" | "warn" | "bad" | "dim" | "strong";

const TONES: Readonly<Record<Tone, (text: string) => string>> = {
  good: pc.green,
  warn: pc.yellow,
  bad: pc.red,
  dim: pc.dim,
  strong: pc.bold,
};

export function tone(kind: Tone, text: string): string {
  return TONES[kind](text);
}

/** Results go to standard output, everything else (progress, questions, errors) to standard error, so that `| jq` works. */
export function print(text = ""): void {
  process.stdout.write(`${text}\n`);
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Columns without lines, as `kubectl get` shows them: easy on the eye and on awk. */
export async function table(head: readonly string[], rows: readonly (readonly string[])[]): Promise<string> {
  const { default: Table } = await import("cli-table3");
  const nothing = Object.fromEntries(
    ["top", "bottom", "left", "right", "mid"].flatMap((side) =>
      side === "mid"
        ? [
            ["mid", ""],
            ["middle", "  "],
            ["left-mid", ""],
            ["mid-mid", ""],
            ["right-mid", ""],
          ]
        : ["top", "bottom"].includes(side)
          ? [
              [side, ""],
              [`${side}-mid`, ""],
              [`${side}-left`, ""],
              [`${side}-right`, ""],
            ]
          : [[side, ""]],
    ),
  );
  const made = new Table({ chars: nothing, style: { "padding-left": 0, "padding-right": 0, border: [], head: [] } });
  made.push(
    head.map((title) => pc.dim(title.toUpperCase())),
    ...rows.map((row) => [...row]),
  );
  return made
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** Shows on standard error that something goes on, when it takes over a second and somebody looks. */
export async function progress<T>(label: string, work: (say: (text: string) => void) => Promise<T>): Promise<T> {
  if (!process.stderr.isTTY) return work(() => undefined);
  let text = label;
  let spinner: { text: string; stop(): unknown } | undefined;
  const timer = setTimeout(async () => {
    const { default: make } = await import("yocto-spinner");
    // Its own handler would end the process in the middle of what must not be interrupted.
    if (!timerDone) spinner = make({ text, stream: process.stderr, handleSignals: false }).start();
  }, 1_000);
  let timerDone = false;
  const leave = (signal: NodeJS.Signals) => {
    if (process.listenerCount(signal) > 0) return;
    spinner?.stop();
    process.kill(process.pid, signal);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.prependOnceListener(signal, leave);
  try {
    return await work((said) => {
      text = said;
      if (spinner) spinner.text = said;
    });
  } finally {
    timerDone = true;
    clearTimeout(timer);
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.removeListener(signal, leave);
    spinner?.stop();
  }
}
