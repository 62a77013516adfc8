import type { Summary } from "../../assets/lambda/recovery-handler/run";
import { confirm } from "../ask";
import { explainAwsError } from "../aws-errors";
import type { Context } from "../context";
import { commandController } from "../controller";
import { CliError, EXIT, type ExitCode, usageError } from "../exit";
import { note, print, progress, tone } from "../output";
import { notDeployed } from "../store";
import {
  type Goal,
  type Progress,
  type Seen,
  see,
  serving,
  servingOtherThan,
  stopped,
  type Waiting,
  waitFor,
} from "./wait";
import { inWords } from "./words";

export interface OrderOptions {
  readonly yes?: boolean;
  readonly wait: boolean;
  readonly waitMinutes: string;
}

type Order = "pause" | "resume" | "replace";

const LOOK_EVERY_MS = 3_000;
/** The store may say for a moment what it said before. */
const LOOKS_TO_BELIEVE = 3;
const LONGEST_WAIT_MINUTES = 24 * 60;

export async function pause(context: Context, options: OrderOptions): Promise<ExitCode> {
  const waitMs = waitOf(options);
  const { environment, name } = await context.site();
  const before = await firstLook(context);
  if (before.desiredState === "stopped" && stopped(before).done) {
    print("The site is paused already.");
    return EXIT.ok;
  }
  await confirm(`Pause ${environment}-${name}? Its server ends and everybody is disconnected until it is resumed.`, {
    yes: options.yes,
  });
  return give(context, "pause", { waitMs, goal: stopped, wanted: "stopped" });
}

export async function resume(context: Context, options: OrderOptions): Promise<ExitCode> {
  const waitMs = waitOf(options);
  const before = await firstLook(context);
  if (before.desiredState === "running" && serving(before).done) {
    print(`The site is not paused: ${before.serverId} serves.`);
    return EXIT.ok;
  }
  return give(context, "resume", { waitMs, goal: serving, wanted: "running" });
}

export async function replace(context: Context, options: OrderOptions): Promise<ExitCode> {
  const waitMs = waitOf(options);
  const { elasticIp } = await context.site();
  const before = await firstLook(context);
  if (before.desiredState === "stopped") {
    throw new CliError("The site is paused: there is no server to replace.", {
      fix: "Resume it: npx stingy server resume",
    });
  }
  if (elasticIp === false) {
    await confirm("Replace the server? The site has no Elastic IP: devices have to reconnect.", { yes: options.yes });
  } else {
    note("A new server takes over while the old one serves: nobody is disconnected.");
  }
  return give(context, "replace", { waitMs, goal: servingOtherThan(before.serverId), wanted: "running" });
}

async function firstLook(context: Context): Promise<Seen> {
  const site = await context.site();
  const aws = await context.aws();
  const seen = await progress("Looking at the site", () => see(aws, site));
  if (seen.serverId === undefined && seen.desiredState === undefined && seen.instances.length === 0) {
    throw notDeployed(site, aws);
  }
  if (seen.desiredState === undefined) {
    throw new CliError(`The parameter ${site.storePrefix}/desired-state is missing: the controller does nothing.`, {
      fix: "The site is being destroyed, or somebody deleted it: `npx cdktf deploy '*'` makes it again.",
    });
  }
  return seen;
}

async function give(
  context: Context,
  order: Order,
  { waitMs, goal, wanted }: { readonly waitMs: number; readonly goal: Goal; readonly wanted: string },
): Promise<ExitCode> {
  const site = await context.site();
  const aws = await context.aws();
  const { controller } = await context.names();
  const summary = await progress("The controller looks and acts", () => commandController(aws, controller, order));
  for (const line of told(summary)) print(line);
  for (const { message } of summary.problems) note(`${tone("warn", "A person is needed:")} ${message}`);
  const exit = summary.problems.length > 0 ? EXIT.attention : EXIT.ok;
  if (waitMs === 0) {
    note("It goes on by itself. Look at it: npx stingy status --watch");
    return exit;
  }
  // The order has been given: whoever sits behind the VPN that it ends loses AWS for a while, too.
  const excuse = (error: unknown): string => {
    if (error instanceof CliError) throw error;
    const explained = explainAwsError(error, aws.region);
    if (!(explained instanceof CliError)) throw error;
    return `${explained.message} It is tried again.`;
  };
  let others = 0;
  const look = async (): Promise<Seen> => {
    const seen = await see(aws, site);
    others = seen.desiredState === wanted ? 0 : others + 1;
    if (others < LOOKS_TO_BELIEVE) return seen;
    throw new CliError(
      `The site's desired-state is "${seen.desiredState ?? ""}", not "${wanted}": somebody else changed it.`,
      { fix: "Look at it: npx stingy status" },
    );
  };
  return untilItHappened(look, goal, { forMs: waitMs, excuse, exit });
}

function told({ done }: Summary): string[] {
  const lines = done.flatMap((action) => inWords(action) ?? []);
  return lines.length > 0 ? lines : ["The controller had nothing to do at this moment."];
}

async function untilItHappened(
  look: () => Promise<Seen>,
  goal: Goal,
  { forMs, excuse, exit }: Pick<Waiting, "forMs" | "excuse"> & { readonly exit: ExitCode },
): Promise<ExitCode> {
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.once("SIGINT", interrupt);
  try {
    const end = await progress("Waiting", (show) =>
      waitFor(look, goal, {
        forMs,
        everyMs: LOOK_EVERY_MS,
        signal: stop.signal,
        excuse,
        say: (text) => (process.stderr.isTTY ? show(text) : note(text)),
      }),
    );
    return ended(end, { forMs, exit });
  } finally {
    process.removeListener("SIGINT", interrupt);
    // As a shell expects it of what Ctrl-C has ended.
    if (stop.signal.aborted) process.kill(process.pid, "SIGINT");
  }
}

/** Says how the waiting ended; the exit is that of an order that was carried out. */
export function ended(
  end: Progress | undefined,
  { forMs, exit }: { readonly forMs: number; readonly exit: ExitCode },
): ExitCode {
  if (end?.done) {
    print(tone("good", end.text));
    return exit;
  }
  note(
    end === undefined
      ? "You do not wait any more; the controller goes on by itself. Look at it: npx stingy status --watch"
      : `It has not happened in ${forMs / 60_000} min (${end.text}); the controller goes on by itself. Look at it: npx stingy status`,
  );
  return EXIT.attention;
}

function waitOf({ wait, waitMinutes }: OrderOptions): number {
  const minutes = Number(waitMinutes);
  if (!/^\d+$/.test(waitMinutes) || minutes < 1 || minutes > LONGEST_WAIT_MINUTES) {
    throw usageError(
      `--wait-minutes ${waitMinutes} is no number of minutes.`,
      `Give a whole number from 1 to ${LONGEST_WAIT_MINUTES}, or --no-wait.`,
    );
  }
  return wait ? minutes * 60_000 : 0;
}
