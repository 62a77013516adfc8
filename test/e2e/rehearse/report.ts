import type { Site } from "../../../modules/config";
import { MOTO_VERSION } from "../harness/prerequisites";
import { type Faked, type Fitted, fakedFor, grouped } from "./faked";
import { type Screen, secondsText } from "./screen";
import type { Settings } from "./settings";
import type { Play } from "./steps";
import type { Moment } from "./timeline";

/** A step as it went. */
export interface Took {
  readonly id: string;
  readonly title: string;
  readonly command?: string;
  readonly done: boolean;
  readonly seconds: number;
  readonly told: readonly string[];
}

export interface Gap {
  readonly name: string;
  readonly module: string;
  readonly reason: string;
}

/** What `--json` gives. */
export interface Report {
  readonly done: boolean;
  readonly error?: string;
  readonly seconds: number;
  readonly site: Pick<Site, "environment" | "name" | "region">;
  readonly differs: readonly string[];
  readonly terraform?: { readonly name: string; readonly version: string };
  readonly moto: string;
  readonly steps: readonly Took[];
  /** Of the interruption. */
  readonly timeline: readonly Moment[];
  readonly movedAfterSeconds?: number;
  readonly controllerSeconds?: number;
  /** What Terraform would have changed after it. */
  readonly drift: readonly { readonly stack: string; readonly changes: boolean }[];
  /** What the emulator still listed after the destroy; absent where nothing was destroyed. */
  readonly left?: readonly string[];
  readonly faked: readonly Faked[];
  readonly fitted: readonly Fitted[];
  readonly gaps: readonly Gap[];
}

interface Gone {
  readonly settings: Settings;
  readonly play?: Play;
  readonly took: readonly Took[];
  readonly seconds: number;
  readonly error?: string;
}

export async function reportOf({ settings, play, took, seconds, error }: Gone): Promise<Report> {
  const { environment, name, region } = settings.site;
  const stage = play?.started;
  const story = play?.story;
  return {
    done: error === undefined,
    ...(error === undefined ? {} : { error }),
    seconds,
    site: { environment, name, region },
    differs: settings.differs,
    ...(play?.terraform ? { terraform: { name: play.terraform.name, version: play.terraform.version } } : {}),
    moto: MOTO_VERSION,
    steps: took,
    timeline: story?.moments ?? [],
    ...(story ? { movedAfterSeconds: story.movedAfter, controllerSeconds: story.controllerSeconds } : {}),
    drift: play?.planned ?? [],
    ...(play?.left ? { left: play.left } : {}),
    faked: fakedFor(settings.site),
    fitted: story && stage ? grouped(stage.project.fitted()) : [],
    gaps: (await stage?.moto.control<Gap[]>("GET", "gaps").catch(() => [])) ?? [],
  };
}

/** The end of the show: the timeline, what was not real, and that it is done. */
export function summarize({ timeline, steps, seconds, done, faked, fitted, gaps }: Report, screen: Screen): void {
  if (timeline.length === 0) return;
  const width = (names: readonly string[]) => Math.max(...names.map(({ length }) => length));
  screen.title("\nThe interruption: seconds since the warning, by the emulator's clock");
  const actors = width(timeline.map(({ by }) => by));
  for (const one of timeline) {
    screen.pair(`${one.seconds.toFixed(2).padStart(6)}  ${one.by.padEnd(actors)}`, one.what, actors + 8);
  }
  screen.title("\nWhat was not real");
  for (const { what, how } of faked) screen.pair(what, how, width(faked.map((one) => one.what)));
  for (const why of new Set(fitted.map((one) => one.why))) {
    screen.line(`\n  Fitted to this machine, because ${why}:`);
    for (const { what, how, stacks } of fitted.filter((one) => one.why === why)) {
      screen.line(`${what}: ${how}${stacks.length > 1 ? ` (${stacks.length} stacks)` : ""}`, "    ");
    }
  }
  screen.line(
    `\n  ${gaps.length} gaps of the emulator are closed. docs/rehearsal.md has each, and what only a real account can show.`,
  );
  if (done)
    screen.line(`\n${screen.good("✓")} All ${steps.length} steps went as they should, in ${secondsText(seconds)}.`);
}
