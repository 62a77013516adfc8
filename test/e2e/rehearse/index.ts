/** `npm run rehearse`: the product deployed, interrupted, recovered and destroyed on this machine, for people to see. */

import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { CommanderError } from "commander";
import { shellQuote } from "../../../modules/bootstrap/shell";
import { ConfigError } from "../../../modules/config";
import { cleanEnvironment, cleanUp, ROOT } from "../../cli/support/stingy";
import { Unfit } from "../harness/prerequisites";
import { type Arguments, readArguments } from "./arguments";
import { type Report, reportOf, summarize, type Took } from "./report";
import { Screen } from "./screen";
import { readSettings, type Settings, Unusable } from "./settings";
import { Play, stepsFor } from "./steps";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const INTERRUPTED = 128;
/** Ctrl-C reaches a `stingy` that runs too: its end is then no news. */
const NEWS_AFTER_MS = 300;

/** The emulator has ended by itself: nothing that runs can go on. */
class Died extends Error {
  override readonly name = "Died";
}

/** A signal has asked for the end. */
class Interrupted extends Error {
  constructor(readonly signal: NodeJS.Signals) {
    super(signal);
    this.name = "Interrupted";
  }
}

class Rehearsal {
  readonly #screen: Screen;
  readonly #stop = new AbortController();
  readonly #took: Took[] = [];
  readonly #begun = performance.now();
  #play: Play | undefined;
  #asked = 0;

  constructor(private readonly given: Arguments) {
    this.#screen = new Screen(given.json ? process.stderr : process.stdout);
  }

  /** @returns the exit code */
  async run(): Promise<number> {
    this.#listen();
    const settings = this.#settings();
    if (settings === undefined) return 1;
    this.#introduce(settings);
    const error = await this.#show(settings).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    const interrupted = error instanceof Interrupted ? error : undefined;
    if (error !== undefined && !interrupted) this.#sayFailure(error);
    const report = await this.#report(settings, error);
    if (!interrupted) summarize(report, this.#screen);
    if (this.given.json && !interrupted) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    const died = this.given.keep && !interrupted && !(error instanceof Died) ? await this.#stay() : undefined;
    if (died !== undefined) this.#sayFailure(died);
    await this.#end();
    if (interrupted && !this.given.keep) this.#screen.line("Everything is stopped and removed.");
    if (interrupted) return INTERRUPTED + constants.signals[interrupted.signal];
    return error === undefined && died === undefined ? 0 : 1;
  }

  #settings(): Settings | undefined {
    try {
      return readSettings(ROOT, this.given.site);
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof Unusable)) throw error;
      process.stderr.write(`error: ${error.message}\n`);
      return undefined;
    }
  }

  #introduce({ site, from, differs }: Settings): void {
    this.#screen.title(
      `A rehearsal of ${from}, in ${site.region}: on this machine alone, without an account, for nothing.`,
    );
    this.#screen.dim("About five minutes. Ctrl-C ends it, and removes everything that it has made.");
    for (const line of differs) this.#screen.dim(line);
  }

  async #show(settings: Settings): Promise<void> {
    const options = { port: this.given.port, keep: this.given.keep };
    const play = new Play(settings, options, this.#stop.signal);
    this.#play = play;
    const stopped = new Promise<never>((_, reject) => {
      this.#stop.signal.addEventListener("abort", () => reject(this.#stop.signal.reason), { once: true });
    });
    stopped.catch(() => undefined);
    let died: Promise<never> = new Promise(() => undefined);
    const steps = stepsFor(settings, options);
    for (const [index, step] of steps.entries()) {
      const { id, title, why, command } = step;
      const place = `${index + 1}/${steps.length}`.padStart(5);
      const begun = performance.now();
      const told: string[] = [];
      this.#screen.begin(place, title, why, command);
      const voice = {
        now: (text: string) => this.#stop.signal.aborted || this.#screen.now(text),
        tell: (text: string) => {
          if (this.#stop.signal.aborted) return;
          told.push(text);
          this.#screen.tell(text);
        },
      };
      const took = (done: boolean) => {
        this.#took.push({ id, title, ...(command ? { command } : {}), done, seconds: since(begun), told });
      };
      try {
        await Promise.race([step.run(play, voice), stopped, died]);
      } catch (error) {
        took(false);
        this.#screen.failed();
        throw await this.#cause(error);
      }
      took(true);
      this.#screen.done(since(begun));
      if (id === "emulator") died = this.#death(play);
    }
  }

  async #death({ stage: { moto } }: Play): Promise<never> {
    const words = await moto.ended;
    throw new Died(`The emulator has ended in the middle: ${words ?? "it said nothing"}`);
  }

  /** What failed because everything is being ended is not what is to be told; nor is what failed for want of the emulator. */
  async #cause(error: unknown): Promise<unknown> {
    if (error instanceof Died || error instanceof Unfit)
      return this.#stop.signal.aborted ? this.#stop.signal.reason : error;
    await sleep(NEWS_AFTER_MS);
    if (this.#stop.signal.aborted) return this.#stop.signal.reason;
    const words = await Promise.race([this.#play?.started?.moto.ended, sleep(0, undefined)]);
    return words === undefined ? error : new Died(`The emulator has ended in the middle: ${words}`);
  }

  #sayFailure(error: unknown): void {
    const hint = this.#play?.started && !this.given.keep ? "\nTo look into what was made, run it with --keep." : "";
    process.stderr.write(`\n${this.#screen.bad("error:")} ${failureText(error)}${hint}\n`);
  }

  async #report(settings: Settings, error: unknown): Promise<Report> {
    return reportOf({
      settings,
      took: this.#took,
      seconds: since(this.#begun),
      ...(this.#play ? { play: this.#play } : {}),
      ...(error === undefined ? {} : { error: failureText(error) }),
    });
  }

  /** Everything goes on until somebody has seen enough. @returns what has ended it otherwise */
  async #stay(): Promise<unknown> {
    const play = this.#play;
    if (!play?.started) return undefined;
    const { folder, moto, project } = play.stage;
    const { region } = play.settings.site;
    const env = { ...moto.env, AWS_REGION: region, STINGY_CONFIG: project.configFile };
    const screen = this.#screen;
    screen.title("\nEverything goes on. To look at it, in another terminal, in this folder:");
    for (const [name, value] of Object.entries(env)) screen.verbatim(`export ${name}=${shellQuote(value)}`);
    screen.verbatim("npx stingy status");
    screen.line("\nWhat was made is in");
    screen.verbatim(folder);
    screen.line("project/state         Terraform's states", "  ");
    screen.line("project/cdktf.out     its JSON", "  ");
    screen.line("project/commands.log  what cdktf and Terraform said", "  ");
    screen.line("requests.log          every call of an AWS API", "  ");
    screen.line("servers.log           what each server did", "  ");
    screen.line("\nCtrl-C ends it.");
    const asked = new Promise<void>((resolve) => {
      if (this.#stop.signal.aborted) resolve();
      this.#stop.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    return Promise.race([asked, this.#death(play)]).catch((error: unknown) => error);
  }

  async #end(): Promise<void> {
    const folder = this.#play?.folder;
    cleanUp();
    await this.#play?.end(this.given.keep);
    if (!this.given.keep || folder === undefined) return;
    this.#screen.line("\nEverything has ended. To remove what is left:");
    this.#screen.verbatim(`rm -rf ${shellQuote(folder)}`);
  }

  /** The first asks for a tidy end; whoever asks twice gets it at once. */
  #listen(): void {
    const hear = (signal: NodeJS.Signals) => {
      if (++this.#asked === 1) {
        this.#screen.stop();
        this.#screen.line(
          this.given.keep
            ? "\nEnding. Once more ends it at once."
            : "\nEnding, and removing everything. Once more ends it at once.",
        );
        this.#stop.abort(new Interrupted(signal));
        return;
      }
      process.exit(INTERRUPTED + constants.signals[signal]);
    };
    for (const signal of SIGNALS) process.on(signal, hear);
    // A terminal that is closed, or a reader that has read enough: there is nobody to show it to.
    const deaf = () => this.#stop.abort(new Interrupted("SIGHUP"));
    for (const stream of [process.stdout, process.stderr]) stream.on("error", deaf);
    // Such as a full disk, at a line that was to be noted.
    process.on("uncaughtException", (error) => this.#stop.abort(error));
    process.on("exit", () => {
      cleanUp();
      if (!this.given.keep) this.#play?.remove();
    });
  }
}

function failureText(error: unknown): string {
  if (error instanceof Error && /ENOSPC|No space left on device/.test(error.message)) {
    return `The disk is full.\n  To mend it: delete something, or name another temporary folder with TMPDIR.\n  ${error.message.split("\n").at(-1)}`;
  }
  return error instanceof Error ? error.message : String(error);
}

function since(begun: number): number {
  return Math.round(performance.now() - begun) / 1000;
}

/** Nothing that is started here is to see a person's own accounts. */
function forgetAccounts(): void {
  const clean = cleanEnvironment();
  const kept = new Set(["STINGY_PROVIDERS", "STINGY_CONFIG", "CI", "NO_COLOR", "FORCE_COLOR"]);
  for (const name of Object.keys(process.env)) if (!(name in clean) && !kept.has(name)) delete process.env[name];
  Object.assign(process.env, clean);
  // Said once in each process that uses the SDK on Node.js 20; the supported versions are package.json's affair.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
}

async function main(): Promise<number> {
  const given = readArguments(process.argv.slice(2));
  if (given === undefined) return 0;
  forgetAccounts();
  return new Rehearsal(given).run();
}

main().then(
  // After what was written has been read.
  (code) => process.stdout.write("", () => process.exit(code)),
  (error: unknown) => {
    if (!(error instanceof CommanderError))
      process.stderr.write(`error: ${error instanceof Error ? error.message : error}\n`);
    process.exit(1);
  },
);
