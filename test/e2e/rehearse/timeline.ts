import type { Site } from "../../../modules/config";
import { siteNames } from "../../../modules/names";
import { STORE } from "../../../modules/store/names";
import type { Invocation, MotoRequest } from "../emulator/moto";
import type { Line } from "../harness/player";

/** One thing that happened, in the order in which it did. */
export interface Moment {
  /** Since AWS's warning, by the emulator's clock. */
  readonly seconds: number;
  readonly by: "AWS" | "controller" | "new server" | "old server" | "DNS updater";
  readonly what: string;
}

/** What was recorded of a server's replacement. */
export interface Recorded {
  readonly site: Site;
  /** The Elastic IP, where there is one. */
  readonly address: string | undefined;
  readonly old: string;
  readonly next: string;
  /** Of the emulator's clock, in milliseconds. */
  readonly warnedAt: number;
  readonly requests: readonly MotoRequest[];
  readonly invocations: readonly Invocation[];
  readonly lines: readonly Line[];
  /** What the updater did at Cloudflare, record by record. */
  readonly records: readonly string[];
}

export interface Story {
  readonly moments: readonly Moment[];
  /** Until the address was on the new server. */
  readonly movedAfter: number;
  /** What the controller itself needed until then: all its runs together. */
  readonly controllerSeconds: number;
}

/** What happened after AWS's warning, out of the emulator's record of the calls and the servers' own words. */
export function storyOf(recorded: Recorded): Story {
  const { site, address, old, next, warnedAt, requests, invocations, lines, records } = recorded;
  const { controller, ddnsUpdater } = siteNames(site);
  const moments: Moment[] = [];
  const add = (at: string | undefined, by: Moment["by"], what: string): void => {
    if (at !== undefined) moments.push({ seconds: Math.max(0, (Date.parse(at) - warnedAt) / 1000), by, what });
  };
  const called = (action: string, holds: string) =>
    requests.find((one) => one.action === action && !one.instance && one.body.includes(holds))?.at;
  const said = (instance: string, did: string, more: Partial<Line> = {}) =>
    lines.find(
      (line) =>
        line.instance === instance &&
        line.did === did &&
        Object.entries(more).every(([field, value]) => line[field] === value),
    );

  add(new Date(warnedAt).toISOString(), "AWS", `warns that it takes ${old} back in two minutes`);
  add(invocations.find((one) => one.function === controller)?.at, "controller", "is woken by the warning");
  add(said(old, "notice")?.at, "old server", "has seen it too, and goes on serving");
  add(called("CreateFleet", ""), "controller", `has a machine from EC2: ${next}`);
  add(said(next, "booted")?.at, "new server", "has booted");
  const inStep = said(next, "in-step");
  add(inStep?.at, "new server", `has its keys and ${devices(Number(inStep?.peers))} from the store`);
  add(
    said(next, "event-sent", { type: "Server Ready" })?.at,
    "new server",
    "has passed its checks and says that it is ready",
  );
  const moved = called("AssociateAddress", next);
  add(moved, "controller", `moves the address ${address} to ${next}`);
  const stored = called("PutParameter", `"${site.storePrefix}/${STORE.instanceId}"`);
  add(stored, "controller", `writes ${next} into the store, as the server`);
  const updated = invocations.find((one) => one.function === ddnsUpdater);
  for (const record of records) add(updated && after(updated), "DNS updater", record);
  add(said(next, "state-tagged", { state: "serving" })?.at, "new server", "serves, and has called its devices back");
  add(
    said(old, "state-tagged", { state: "stood-down" })?.at,
    "old server",
    "has noticed that the address is gone, and stands down",
  );
  const ended = called("TerminateInstances", old);
  const gone = said(old, "ended")?.at;
  if (ended) add(ended, "controller", `ends ${old}`);
  else add(gone, "AWS", `takes ${old} back, as it warned`);

  const until = Date.parse(moved ?? stored ?? "");
  const runs = invocations.filter((one) => one.function === controller && Date.parse(one.at) <= until);
  return {
    moments: moments.sort((a, b) => a.seconds - b.seconds),
    movedAfter: (until - warnedAt) / 1000,
    controllerSeconds:
      runs.reduce((sum, { milliseconds, initMilliseconds = 0 }) => sum + milliseconds + initMilliseconds, 0) / 1000,
  };
}

function after({ at, milliseconds }: Invocation): string {
  return new Date(Date.parse(at) + milliseconds).toISOString();
}

export function devices(count: number): string {
  return count === 1 ? "1 device" : `${count} devices`;
}
