import type { Cloud } from "../../assets/lambda/recovery-handler/cloud";
import type { Summary } from "../../assets/lambda/recovery-handler/run";
import type { Settings } from "../../assets/lambda/recovery-handler/settings";
import type { Log } from "../../assets/lambda/shared/log";
import type { Metrics } from "../../assets/lambda/shared/metrics";
import { between, happens, mix } from "./random";
import { DRAW, HOME, type World } from "./world";

const SECOND_MS = 1000;
const TIMEOUT_MS = 300 * SECOND_MS;
/** Lambda's own: twice more, later each time. */
const REPEATS_AFTER_MS = [60 * SECOND_MS, 120 * SECOND_MS] as const;
/** While a deploy changes the function, one that was started before it may still be used. */
const OLD_FOR_MS = 60 * SECOND_MS;

type Handler = (event: unknown, place?: { account?: string; region?: string }) => Promise<Summary>;
export type CreateController = (context: {
  settings: Settings;
  cloud: Cloud;
  log: Log;
  metrics: Metrics;
  now: () => Date;
  sleep: (ms: number) => Promise<void>;
}) => Handler;

/** One invocation of the function. */
export interface Run {
  readonly name: string;
  readonly key: number;
  readonly startedAt: number;
  calls: number;
  /** When it looked at which instance last. */
  readonly looks: Map<string, number>;
  /** One of its calls took unusually long. */
  stalled: boolean;
  /** AWS refused one of its calls, or nobody knows what became of it. */
  troubled: boolean;
  /** It wrote a warning, an error or a metric. */
  spoke: boolean;
  over: boolean;
}

/** What Lambda keeps between invocations. */
interface Container {
  readonly settings: Settings;
  readonly handler: Handler;
  readonly current: { run: Run };
}

export class Lambda {
  readonly #idle: Container[] = [];
  #running = 0;
  #previous: { settings: Settings; until: number } | undefined;

  constructor(
    private readonly world: World,
    private readonly createController: CreateController,
    private readonly cloudOf: (current: { run: Run }) => Cloud,
  ) {}

  configure(settings: Settings): void {
    this.#previous = { settings: this.world.settings, until: this.world.now + OLD_FOR_MS };
    this.world.settings = settings;
  }

  /** Asynchronously, as EventBridge does: what fails is repeated. */
  invoke(event: unknown, name: string, key: number, repeats = 0): void {
    this.run(event, repeats === 0 ? name : `${name} (repeat ${repeats})`, mix(key, repeats), (failure) => {
      const after = REPEATS_AFTER_MS[repeats];
      if (failure === undefined || after === undefined) return;
      const { world } = this;
      world.counts.repeatedRuns++;
      const delay = after + between(world.key(DRAW.retry, key, repeats), 0, 5000);
      if (!world.calm) world.stormEndsAt = Math.max(world.stormEndsAt, world.now + delay);
      world.engine.after(delay, () => this.invoke(event, name, key, repeats + 1));
    });
  }

  run(event: unknown, name: string, key: number, ended: (failure: unknown) => void): void {
    const { world } = this;
    const container = this.#take(key);
    const run: Run = {
      name,
      key,
      startedAt: world.now,
      calls: 0,
      looks: new Map(),
      stalled: false,
      troubled: false,
      spoke: false,
      over: false,
    };
    container.current.run = run;
    world.counts.runs++;
    if (++this.#running > 1) world.counts.concurrentRuns++;
    world.story?.tell(runName(run), `starts: ${name}`);
    const finish = (failure: unknown) => {
      run.over = true;
      this.#running--;
      ended(failure);
    };
    this.#kills.set(run, () => finish(new Error("killed")));
    container.handler(event, { account: HOME.account, region: HOME.region }).then(
      (summary) => {
        this.#kills.delete(run);
        this.#idle.push(container);
        world.story?.tell(runName(run), `done: ${describeSummary(summary)}`);
        if (run.troubled && !run.spoke)
          world.violate(5, `a call failed in the run "${name}" and nothing was said of it`);
        finish(undefined);
      },
      (error) => {
        this.#kills.delete(run);
        this.#idle.push(container);
        world.counts.failedRuns++;
        world.story?.tell(runName(run), `FAILED: ${error}`);
        if (!run.spoke) world.violate(5, `the run "${name}" failed and nothing was said of it`);
        if (BUGS.some((bug) => error instanceof bug)) world.violate(0, `the run "${name}" broke: ${error?.stack}`);
        finish(error);
      },
    );
  }

  readonly #kills = new Map<Run, () => void>();

  /** It goes on no more; who waits for it hears of that now or when its time would have been up. */
  kill(run: Run, how: "dies" | "hangs"): void {
    if (run.over) return;
    const { world } = this;
    const end = this.#kills.get(run);
    this.#kills.delete(run);
    run.over = true;
    world.lastTroubleAt = world.now;
    world.counts[how === "dies" ? "crashes" : "timeouts"]++;
    world.story?.tell(runName(run), how === "dies" ? "CRASHES" : "HANGS until its time is up");
    const heardAt = how === "dies" ? world.now + 100 : Math.max(world.now, run.startedAt + TIMEOUT_MS);
    if (!world.calm) world.stormEndsAt = Math.max(world.stormEndsAt, heardAt);
    world.engine.at(heardAt, () => end?.());
  }

  /** Whether its time is up by then; if so it has been ended. */
  isTooLate(run: Run, until: number): boolean {
    if (until <= run.startedAt + TIMEOUT_MS) return false;
    this.kill(run, "hangs");
    return true;
  }

  #take(key: number): Container {
    const { world } = this;
    const previous = this.#previous;
    const old = previous !== undefined && world.now < previous.until && happens(mix(key, 5), 0.5);
    const settings = old ? previous.settings : world.settings;
    const fresh = happens(mix(key, 6), 0.1);
    const index = fresh ? -1 : this.#idle.findIndex((container) => container.settings === settings);
    if (index >= 0) return this.#idle.splice(index, 1)[0] as Container;
    return this.#create(settings);
  }

  #create(settings: Settings): Container {
    const { world } = this;
    const current = { run: NO_RUN };
    const spoke = () => {
      current.run.spoke = true;
    };
    const silent = () => {};
    const tell = world.story
      ? (level: string) => (message: string) => {
          spoke();
          world.story?.tell(runName(current.run), `${level}: ${message}`);
        }
      : () => spoke;
    const log: Log = { debug: silent, info: silent, warn: tell("warn"), error: tell("error") };
    const metrics: Metrics = {
      count: (name) => {
        spoke();
        if (name === "Problems" || name === "Failures") world.lastTroubleAt = world.now;
      },
      set: silent,
      flush: silent,
    };
    const handler = this.createController({
      settings,
      cloud: this.cloudOf(current),
      log,
      metrics,
      now: () => new Date(world.now),
      sleep: (ms) =>
        new Promise((resolve) => {
          const { run } = current;
          if (!run.over && !this.isTooLate(run, world.now + ms)) {
            world.engine.after(ms, () => {
              if (!run.over) resolve();
            });
          }
        }),
    });
    return { settings, handler, current };
  }
}

const BUGS = [TypeError, ReferenceError, RangeError, SyntaxError];
const NO_RUN: Run = {
  name: "none",
  key: 0,
  startedAt: 0,
  calls: 0,
  looks: new Map(),
  stalled: false,
  troubled: false,
  spoke: false,
  over: true,
};

export function runName({ key }: Run): string {
  return `run ${(key % 46_656).toString(36).padStart(3, "0")}`;
}

function describeSummary(summary: Summary): string {
  const done = summary.done.map((action) => {
    const { do: what, ...rest } = action;
    return `${what} ${JSON.stringify(rest)}`;
  });
  const problems = summary.problems.map(({ code }) => code);
  const roles = `server ${summary.server ?? "none"}, successor ${summary.successor ?? "none"}`;
  return `${roles}; ${done.join("; ") || "nothing to do"}${problems.length > 0 ? ` [${problems.join(", ")}]` : ""}`;
}
