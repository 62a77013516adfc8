import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Config } from "../../modules/config";
import { LAYERS, stackId } from "../../modules/names";
import { ROOT } from "../context";
import { CliError, usageError } from "../exit";
import { analyse, reportOf } from "./analyse";
import { diagnosticsOf, type Explained, explain } from "./explain";
import { Mask } from "./hidden";
import { type Stack, synthesize } from "./project";
import type { FailedStack, Report, StackReport } from "./report";
import { mapValues, plain } from "./sentence";
import { Terraform } from "./terraform";
import { parsePlan, type TerraformPlan } from "./terraform-plan";

export interface RunOptions {
  readonly config: Config;
  /** @default - the stacks of every site */
  readonly site?: string;
  /** @default - every stack */
  readonly only?: readonly string[];
  readonly say: (text: string) => void;
}

/** A plan keeps a core and half a gigabyte busy. */
const AT_ONCE = 2;
const PLUGINS = path.join(ROOT, "node_modules/.cache/stingy/terraform-plugins");
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Synthesizes, plans the stacks and says what the plans mean. Nothing is changed, nothing stays behind. */
export async function runPlans({ config, site, only, say }: RunOptions): Promise<Report> {
  const terraform = new Terraform(PLUGINS);
  // A local state's path is relative, and a link on the way would lead it elsewhere.
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), "stingy-plan-")));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const interrupt = (signal: NodeJS.Signals) => {
    void terraform.stop().finally(() => {
      remove();
      for (const one of SIGNALS) process.removeListener(one, interrupt);
      process.kill(process.pid, signal);
    });
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  // A spinner ends the process by itself on Ctrl-C.
  const exit = () => {
    terraform.kill();
    remove();
  };
  process.on("exit", exit);
  try {
    await terraform.checkVersion();
    const stacks = synthesize(config, ROOT, folder);
    const runner = new Runner(terraform, stacks);
    const wanted = select(stacks, config, site, only);
    const reports = await runner.plan(wanted, say);
    return reportOf(reports, new Map(stacks.map(({ id, reads }) => [id, reads])));
  } finally {
    await terraform.stop();
    for (const signal of SIGNALS) process.removeListener(signal, interrupt);
    process.removeListener("exit", exit);
    remove();
  }
}

function select(
  stacks: readonly Stack[],
  { sites }: Config,
  site: string | undefined,
  only: readonly string[] | undefined,
): Stack[] {
  const names = sites
    .filter(({ name }) => site === undefined || name === site)
    .flatMap((one) => LAYERS.map((layer) => stackId(one, layer)));
  const ofSites = stacks.filter(({ id }) => names.includes(id));
  const unknown = only?.find((id) => !ofSites.some((stack) => stack.id === id));
  if (unknown !== undefined) {
    throw usageError(
      site === undefined ? `There is no stack "${unknown}".` : `Site ${site} has no stack "${unknown}".`,
      `There are: ${ofSites.map(({ id }) => id).join(", ")}.`,
    );
  }
  return ofSites.filter(({ id }) => only === undefined || only.includes(id));
}

class Runner {
  private readonly outputs = new Map<string, Promise<ReadonlySet<string>>>();
  private lastInit: Promise<unknown> = Promise.resolve();
  private free = AT_ONCE;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly terraform: Terraform,
    private readonly stacks: readonly Stack[],
  ) {}

  async plan(wanted: readonly Stack[], say: (text: string) => void): Promise<StackReport[]> {
    const running = new Set<string>();
    let done = 0;
    const tell = () => say(`Planning ${[...running].join(", ")}, ${done} of ${wanted.length} done …`);
    return Promise.all(
      wanted.map((stack) =>
        this.inTurn(async () => {
          running.add(stack.id);
          tell();
          const report = await this.planOne(stack);
          running.delete(stack.id);
          done++;
          tell();
          return report;
        }),
      ),
    );
  }

  private async planOne(stack: Stack): Promise<StackReport> {
    try {
      const missing = await this.missing(stack);
      if (missing.length > 0) return { id: stack.id, state: "waiting", for: missing };
      await this.init(stack.folder);
      return stack.remote ? await this.planRemotely(stack) : await this.planHere(stack);
    } catch (error) {
      if (error instanceof StackError) return failed(stack, error.explained);
      throw error;
    }
  }

  /** The stacks that have not given this one what it reads: they have to be applied first. */
  private async missing({ reads }: Stack): Promise<string[]> {
    const all = await Promise.all(
      [...reads].map(async ([id, outputs]) => {
        const there = await this.outputsOf(id);
        return outputs.every((output) => there.has(output)) ? [] : [id];
      }),
    );
    const missing = all.flat();
    return this.stacks.map(({ id }) => id).filter((id) => missing.includes(id));
  }

  private outputsOf(id: string): Promise<ReadonlySet<string>> {
    const known = this.outputs.get(id) ?? this.readOutputs(id);
    this.outputs.set(id, known);
    return known;
  }

  private async readOutputs(id: string): Promise<ReadonlySet<string>> {
    const stack = this.stacks.find((one) => one.id === id);
    if (!stack) return new Set();
    await this.init(stack.stateFolder);
    const { code, stdout, stderr } = await this.terraform.run(stack.stateFolder, ["output", "-json", "-no-color"]);
    if (code !== 0) throw problem(explain([], stderr));
    // The values may be secret: only the names are kept.
    return new Set(Object.keys(JSON.parse(stdout) as object));
  }

  /** Terraform's plugin cache takes one at a time. */
  private async init(folder: string): Promise<void> {
    const mine = this.lastInit.then(async () => {
      const { code, stderr } = await this.terraform.run(folder, ["init", "-input=false", "-no-color"]);
      if (code !== 0) throw problem(explain([], stderr));
    });
    this.lastInit = mine.catch(() => undefined);
    await mine;
  }

  private async planHere(stack: Stack): Promise<StackReport> {
    const file = "plan.tfplan";
    // A role that can only read cannot write a lock either; a plan leaves the state as it is.
    const planned = await this.terraform.run(stack.folder, [
      "plan",
      "-json",
      "-input=false",
      "-lock=false",
      `-out=${file}`,
    ]);
    const shown = await this.terraform.run(stack.folder, ["show", "-json", file]);
    // A plan with an error in it still shows what would have been.
    const plan = shown.code === 0 ? parsePlan(shown.stdout, `${stack.id}'s plan`) : undefined;
    const summary = plan && analyse(stack.id, plan);
    if (planned.code !== 0) {
      const explained = masked(explain(diagnosticsOf(planned.stdout), planned.stderr), plan);
      if (explained.everywhere) throw problem(explained);
      return { ...failed(stack, explained), ...(summary && summary.resources.length > 0 ? { partly: summary } : {}) };
    }
    return summary ?? failed(stack, explain([], shown.stderr));
  }

  /** Without -out the run is speculative: HCP Terraform keeps the plan, and it cannot be applied. */
  private async planRemotely(stack: Stack): Promise<StackReport> {
    const { code, stdout, stderr } = await this.terraform.run(stack.folder, ["plan", "-input=false", "-no-color"]);
    const [url] = /https:\/\/[\w.:-]+\/app\/[\w./-]+\/runs\/run-[A-Za-z0-9]+/.exec(stdout) ?? [];
    if (code !== 0) {
      const explained = explain([], `${stderr}\n${stdout}`);
      if (explained.everywhere) throw problem(explained);
      return failed(stack, url === undefined ? explained : { ...explained, fix: `The run: ${url}` });
    }
    return { id: stack.id, state: "remote", url, counts: countsOf(stdout) };
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.free === 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.free--;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free++;
    }
  }
}

function countsOf(stdout: string) {
  if (/^No changes\./m.test(stdout)) return { add: 0, change: 0, destroy: 0 };
  const found = /Plan: (?:\d+ to import, )?(\d+) to add, (\d+) to change, (\d+) to destroy/.exec(stdout);
  return found ? { add: Number(found[1]), change: Number(found[2]), destroy: Number(found[3]) } : undefined;
}

/** A provider's error may quote what the plan marks as sensitive. */
function masked(explained: Explained, plan: TerraformPlan | undefined): Explained {
  if (plan === undefined) return explained;
  const mask = new Mask(plan);
  return { ...explained, problem: mapValues(explained.problem, (value) => mask.text(value)) };
}

class StackError extends Error {
  constructor(readonly explained: Explained) {
    super(plain(explained.problem));
  }
}

function problem(explained: Explained): Error {
  if (!explained.everywhere) return new StackError(explained);
  return new CliError(plain(explained.problem), explained.fix === undefined ? {} : { fix: explained.fix });
}

function failed({ id }: Stack, { problem, fix }: Explained): FailedStack {
  return { id, state: "failed", problem, fix };
}
