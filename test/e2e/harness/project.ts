import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { shellQuote } from "../../../modules/bootstrap/shell";
import { deployOrder } from "../../../modules/manifest";
import { cleanEnvironment, ROOT } from "../../cli/support/stingy";
import type { Json } from "../../support/synth";
import { PROVIDERS_VARIABLE, TERRAFORM } from "../../support/terraform";
import { Child, type Ended } from "./children";
import { type Change, FITTED } from "./fit";
import { providerFolders } from "./providers";

const CDKTF = path.join(ROOT, "node_modules/.bin/cdktf");
const LAST_LINES = 40;
const MOST_LINES = 120;
/** Terraform lets running calls end before it writes its state: some wait 10 s between two looks. */
const GRACE_MS = 30_000;
const CHANGED = 2;

export interface ProjectOptions {
  /** The text of stingy.yaml. */
  readonly config: string;
  /** The endpoint and credentials of the emulators. */
  readonly env: Readonly<Record<string, string>>;
  /** Made in the temporary folder without it. */
  readonly folder?: string;
  readonly onLine?: (line: string) => void;
}

export interface Plan {
  readonly stack: string;
  readonly changes: boolean;
  /** What Terraform said. */
  readonly text: string;
}

export class CommandFailed extends Error {
  constructor(
    readonly command: string,
    readonly code: number | null,
    /** Without colours. */
    readonly output: string,
  ) {
    const lines = output.trimEnd().split("\n");
    // After its error cdktf still tells of the other stacks.
    const failed = lines.findIndex((line) => line.includes("Error: "));
    const last = Math.max(0, lines.length - LAST_LINES);
    const from = failed === -1 ? last : Math.min(failed, last);
    const shown = lines.slice(from, from + MOST_LINES).join("\n");
    super(`\`${command}\` ${code === null ? "was ended by a signal" : `failed with exit code ${code}`}:\n${shown}`);
    this.name = "CommandFailed";
  }
}

/** A folder with a stingy.yaml in which the real cdktf deploys the product onto the emulators. */
export class Project {
  readonly folder: string;
  /** Everything that the commands said. */
  readonly log: string;
  readonly outdir: string;
  readonly #options: ProjectOptions;
  readonly #running = new Set<Child>();
  readonly #env: NodeJS.ProcessEnv;
  #stopped = false;
  #synthesized = false;

  private constructor(options: ProjectOptions) {
    this.#options = options;
    this.folder = options.folder ?? mkdtempSync(path.join(tmpdir(), "stingy-project-"));
    this.log = path.join(this.folder, "commands.log");
    this.outdir = path.join(this.folder, "cdktf.out");
    const listed = process.env[PROVIDERS_VARIABLE];
    // What a person set for Terraform and cdktf is for their own site: TF_WORKSPACE, TF_LOG, CDKTF_OUTDIR.
    const foreign = Object.keys(process.env).filter((name) => /^(TF|CDKTF)_/.test(name));
    this.#env = cleanEnvironment({
      ...Object.fromEntries(foreign.map((name) => [name, undefined])),
      ...(listed ? { [PROVIDERS_VARIABLE]: listed } : {}),
      ...providerFolders(this.folder),
      // Without a lock file beside the stack, the plugin cache would not be used at all.
      TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE: "1",
      // cdktf's own cache is one folder of the whole machine, whose links may point at themselves.
      CDKTF_DISABLE_PLUGIN_CACHE_ENV: "1",
      CDKTF_HOME: path.join(this.folder, ".cdktf"),
      CHECKPOINT_DISABLE: "1",
      // Terraform and its provider spend a fifth of their time on collecting garbage that there is room for.
      GOGC: "400",
      // Shows no spinner.
      CI: "true",
      ...options.env,
    });
  }

  static create(options: ProjectOptions): Project {
    const project = new Project(options);
    mkdirSync(project.folder, { recursive: true });
    project.configure(options.config);
    const app = [
      process.execPath,
      "--max-semi-space-size=4",
      "-r",
      path.join(ROOT, "scripts/typescript.cjs"),
      path.join(__dirname, "app.ts"),
    ];
    const settings = {
      language: "typescript",
      app: app.map(shellQuote).join(" "),
      projectId: "stingy-vpn",
      sendCrashReports: "false",
      terraformProviders: [],
      terraformModules: [],
    };
    writeFileSync(path.join(project.folder, "cdktf.json"), JSON.stringify(settings));
    return project;
  }

  /** The environment of every command, for one that is run beside them. */
  get env(): NodeJS.ProcessEnv {
    return { ...this.#env };
  }

  get configFile(): string {
    return path.join(this.folder, "stingy.yaml");
  }

  /** Writes another configuration; the next synth or deploy takes it. */
  configure(config: string): void {
    writeFileSync(this.configFile, config);
    this.#synthesized = false;
  }

  async synth(): Promise<void> {
    await this.cdktf("synth");
    this.#synthesized = true;
  }

  async deploy(stacks: readonly string[] = ["*"]): Promise<void> {
    await this.cdktf("deploy", ...stacks, "--auto-approve", "--skip-provider-lock", "--no-color");
    this.#synthesized = true;
  }

  async destroy(stacks: readonly string[] = ["*"]): Promise<void> {
    await this.cdktf("destroy", ...stacks, "--auto-approve", "--skip-provider-lock", "--no-color");
  }

  /** The real `cdktf diff` of every stack, in deploy order. */
  async diff(): Promise<Plan[]> {
    await this.synth();
    return twoAtATime(this.stacks(), async (stack) => {
      const { stdout } = await this.cdktf("diff", stack, "--skip-synth", "--skip-provider-lock", "--no-color");
      const text = stripVTControlCharacters(stdout);
      return { stack, changes: !/No changes\. /.test(text), text };
    });
  }

  /** Terraform's plan of every stack: says the same as diff() sooner, as nothing is synthesized or initialized again. */
  async drift(): Promise<Plan[]> {
    if (!this.#synthesized) await this.synth();
    return twoAtATime(this.stacks(), (stack) => this.plan(stack));
  }

  async plan(stack: string): Promise<Plan> {
    const args = ["plan", "-detailed-exitcode", "-lock=false", "-input=false", "-no-color"];
    const { code, stdout } = await this.#terraform(stack, args, [0, CHANGED]);
    return { stack, changes: code === CHANGED, text: stdout };
  }

  /** The synthesized stacks, in deploy order. */
  stacks(): string[] {
    return deployOrder(JSON.parse(readFileSync(path.join(this.outdir, "manifest.json"), "utf8")));
  }

  /** What was replaced or left out to run on this machine. */
  fitted(): Change[] {
    return JSON.parse(readFileSync(path.join(this.outdir, FITTED), "utf8"));
  }

  /** Where Terraform runs. */
  stackFolder(stack: string): string {
    return path.join(this.outdir, "stacks", stack);
  }

  /** Terraform's state, whatever the backend is. A local one is read as it lies there: to ask Terraform takes a second. */
  async state(stack: string): Promise<Json> {
    const file = path.join(this.folder, "state", `${stack}.tfstate`);
    if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"));
    const { stdout } = await this.terraform(stack, ["state", "pull"]);
    return stdout.trim() === "" ? {} : JSON.parse(stdout);
  }

  /** The outputs' values, the sensitive ones too. */
  async outputs(stack: string): Promise<Record<string, unknown>> {
    const { outputs = {} } = await this.state(stack);
    return Object.fromEntries(Object.entries<Json>(outputs).map(([name, { value }]) => [name, value]));
  }

  async terraform(stack: string, args: readonly string[]): Promise<Ended> {
    return this.#terraform(stack, args, [0]);
  }

  /** Runs cdktf in the folder; the others above are what it is mostly run for. */
  async cdktf(...args: readonly string[]): Promise<Ended> {
    return this.#run(`cdktf ${args.join(" ")}`, CDKTF, args, this.folder, [0]);
  }

  /** What Ctrl-C in the terminal of a running command does. */
  interrupt(): void {
    for (const child of this.#running) child.interrupt();
  }

  /** What happens to running commands when the machine loses its power. */
  kill(): void {
    for (const child of this.#running) child.kill();
  }

  /** Ends what is running: nothing is left behind, and nothing starts any more. */
  async stop(graceMs = GRACE_MS): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#running].map((child) => child.stop(graceMs)));
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #terraform(stack: string, args: readonly string[], good: readonly number[]): Promise<Ended> {
    const folder = this.stackFolder(stack);
    if (!existsSync(folder)) throw new Error(`there is no stack ${stack}: the stacks are ${this.stacks().join(", ")}`);
    if (!existsSync(path.join(folder, ".terraform"))) {
      await this.#run(`terraform init (${stack})`, TERRAFORM, ["init", "-input=false", "-no-color"], folder, [0]);
    }
    return this.#run(`terraform ${args.join(" ")} (${stack})`, TERRAFORM, args, folder, good, args[0] !== "state");
  }

  /** `loud` commands are heard by the callback and kept in the log; a state is neither, being long. */
  async #run(
    command: string,
    program: string,
    args: readonly string[],
    cwd: string,
    good: readonly number[],
    loud = true,
  ): Promise<Ended> {
    if (this.#stopped) throw new Error(`\`${command}\` was not started: the project has been stopped`);
    appendFileSync(this.log, `$ ${command}\n`);
    const hear = (line: string) => {
      appendFileSync(this.log, `${line}\n`);
      this.#options.onLine?.(line);
    };
    const child = new Child(program, args, { cwd, env: this.#env, ...(loud ? { onLine: hear } : {}) });
    this.#running.add(child);
    try {
      const ended = await child.ended;
      if (ended.code === null || !good.includes(ended.code)) {
        throw new CommandFailed(command, ended.code, stripVTControlCharacters(ended.stdout + ended.stderr));
      }
      return ended;
    } finally {
      this.#running.delete(child);
    }
  }
}

/** A provider starts and plans on one core: more at once gain nothing on two. */
async function twoAtATime<In, Out>(items: readonly In[], work: (item: In) => Promise<Out>): Promise<Out[]> {
  const results: Out[] = [];
  const left = [...items.entries()];
  const next = async (): Promise<void> => {
    for (let entry = left.shift(); entry; entry = left.shift()) results[entry[0]] = await work(entry[1]);
  };
  await Promise.all([next(), next()]);
  return results;
}
