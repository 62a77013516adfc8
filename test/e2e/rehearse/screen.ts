import { createColors } from "picocolors";
import makeSpinner, { type Spinner } from "yocto-spinner";

const WIDEST = 100;
const NARROWEST = 40;
const EVERY_MS = 250;
/** Titles, and what belongs to them, stand in one column; what is before them says where it is and how it went. */
const INDENT = " ".repeat(7);
const MARK = " ".repeat(INDENT.length - 2);
const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"].map((frame) => `${MARK}${frame}`);

/** What a step has to say it with. */
export interface Voice {
  /** What goes on now: seen only while somebody looks. */
  readonly now: (text: string) => void;
  /** What has happened, for good. */
  readonly tell: (text: string) => void;
}

/** Shows what goes on: calm on a terminal, plain lines where there is none. */
export class Screen implements Voice {
  readonly #out: NodeJS.WriteStream;
  readonly #colors: ReturnType<typeof createColors>;
  readonly #lively: boolean;
  #spinner: Spinner | undefined;
  #timer: NodeJS.Timeout | undefined;
  #text = "";
  #since = 0;

  constructor(out: NodeJS.WriteStream) {
    const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
    this.#out = out;
    this.#lively = out.isTTY === true && TERM !== "dumb" && !("CI" in process.env);
    this.#colors = createColors(FORCE_COLOR ? true : !NO_COLOR && this.#lively);
  }

  title(text: string): void {
    this.line(this.#colors.bold(text));
  }

  line(text = "", indent = ""): void {
    this.#out.write(`${this.#wrapped(text, indent)}\n`);
  }

  /** To be copied: never broken into lines. */
  verbatim(text: string): void {
    this.#out.write(`  ${text}\n`);
  }

  /** A name and what is to be said of it, which has a column of its own. */
  pair(name: string, text: string, width: number, indent = "  "): void {
    const column = " ".repeat(indent.length + width + 2);
    this.#out.write(`${indent}${name.padEnd(width)}${this.#wrapped(text, column).slice(column.length - 2)}\n`);
  }

  dim(text: string, indent = ""): void {
    this.#out.write(`${this.#colors.dim(this.#wrapped(text, indent))}\n`);
  }

  begin(place: string, title: string, why: string, command?: string): void {
    const { bold, cyan, dim } = this.#colors;
    this.#out.write(`\n${dim(place)}  ${bold(title)}\n`);
    this.#out.write(`${dim(this.#wrapped(why, INDENT))}\n`);
    if (command !== undefined) this.#out.write(`${INDENT}${dim("$")} ${cyan(command)}\n`);
    this.#since = performance.now();
    this.#text = "";
    if (!this.#lively) return;
    // Its own handler would end the process in the middle of what must not be interrupted.
    this.#spinner = makeSpinner({
      spinner: { frames: FRAMES, interval: 120 },
      stream: this.#out,
      handleSignals: false,
    }).start();
    const draw = () => {
      if (this.#spinner) this.#spinner.text = this.#progress();
    };
    draw();
    this.#timer = setInterval(draw, EVERY_MS);
  }

  now(text: string): void {
    this.#text = text;
    if (this.#spinner) this.#spinner.text = this.#progress();
  }

  tell(text: string): void {
    this.line(text, INDENT);
  }

  done(seconds: number): void {
    this.#end();
    this.#out.write(`${MARK}${this.#colors.green("✓")} ${this.#colors.dim(secondsText(seconds))}\n`);
  }

  failed(): void {
    if (this.#since === 0) return;
    const seconds = (performance.now() - this.#since) / 1000;
    this.#end();
    this.#out.write(`${MARK}${this.#colors.red("✗")} ${this.#colors.dim(secondsText(seconds))}\n`);
  }

  /** Nothing moves any more. */
  stop(): void {
    this.#end();
  }

  good(text: string): string {
    return this.#colors.green(text);
  }

  bad(text: string): string {
    return this.#colors.red(text);
  }

  #end(): void {
    clearInterval(this.#timer);
    this.#spinner?.stop();
    this.#spinner = undefined;
    this.#since = 0;
  }

  /** One line, or the terminal would keep what is drawn over. */
  #progress(): string {
    const passed = secondsText(Math.floor((performance.now() - this.#since) / 1000), 0);
    const text = this.#text === "" ? passed : `${this.#text} (${passed})`;
    const room = Math.max(NARROWEST, this.#out.columns ?? WIDEST) - INDENT.length - 2;
    return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
  }

  #wrapped(text: string, indent: string): string {
    const width = Math.max(NARROWEST, Math.min(WIDEST, this.#out.columns || WIDEST)) - indent.length;
    return text
      .split("\n")
      .flatMap((line) => fold(line, width))
      .map((line) => (line === "" ? "" : `${indent}${line}`))
      .join("\n");
  }
}

/** At spaces; what follows hangs under what stands first in the line. */
function fold(line: string, width: number): string[] {
  const hang = /^\s*/.exec(line)?.[0] ?? "";
  const lines: string[] = [];
  let current = "";
  for (const word of line.slice(hang.length).split(" ")) {
    const longer = current === "" ? `${hang}${word}` : `${current} ${word}`;
    if (current !== "" && longer.length > width) {
      lines.push(current);
      current = `${hang}${word}`;
    } else {
      current = longer;
    }
  }
  return [...lines, current];
}

/** "0.4 s", "12.3 s", "2 min 22 s". */
export function secondsText(seconds: number, digits = 1): string {
  if (Number(seconds.toFixed(digits)) < 60) return `${seconds.toFixed(digits)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
