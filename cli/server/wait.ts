import { setTimeout as sleep } from "node:timers/promises";
import { readLaunches } from "../../assets/lambda/recovery-handler/launches";
import type { Site } from "../../modules/config";
import { STORE } from "../../modules/store/names";
import type { Aws } from "../aws";
import { type LiveInstance, siteInstances } from "../live";
import { Store } from "../store";

/** What waiting looks at. */
export interface Seen {
  readonly desiredState: string | undefined;
  readonly serverId: string | undefined;
  readonly instances: readonly LiveInstance[];
  /** Why AWS gave no machine the last time it was asked, and how often in a row. */
  readonly refused: { readonly why: string; readonly times: number } | undefined;
}

/** What is still missing, or what has come true. */
export interface Progress {
  readonly done: boolean;
  readonly text: string;
}

export type Goal = (seen: Seen) => Progress;

export async function see(aws: Aws, site: Site): Promise<Seen> {
  const [stored, instances] = await Promise.all([
    new Store(aws, site.storePrefix).getAll([STORE.instanceId, STORE.desiredState, STORE.launches]),
    siteInstances(aws, site),
  ]);
  const launches = stored.get(STORE.launches);
  const { last } = readLaunches(launches?.value, launches?.modifiedAt ?? new Date(0), true);
  const refused = last?.outcome === "refused" || last?.outcome === "failed" ? last : undefined;
  return {
    desiredState: stored.get(STORE.desiredState)?.value,
    serverId: stored.get(STORE.instanceId)?.value,
    instances,
    refused: refused && { why: refused.refusal ?? refused.outcome, times: refused.refusals },
  };
}

/** No machine is left that costs anything. */
export function stopped({ instances }: Seen): Progress {
  const left = instances.filter(({ phase }) => phase !== "shutting-down");
  return left.length === 0
    ? { done: true, text: "The site is paused." }
    : { done: false, text: `Waiting for the end of ${left.map(({ id }) => id).join(", ")}` };
}

/** A server serves, and it is not this one. */
export function servingOtherThan(before: string | undefined): Goal {
  return ({ instances, serverId, refused }) => {
    const others = instances.filter(({ id, phase }) => id !== before && (phase === "pending" || phase === "running"));
    const server = others.find(({ id }) => id === serverId);
    if (server?.tags.get("state") === "serving") return { done: true, text: `${server.id} serves.` };
    if (server) return { done: false, text: `${server.id} has the address and begins to serve` };
    const successor = others.find(({ tags }) => !tags.get("ending"));
    if (successor) {
      const state = successor.tags.get("state");
      return {
        done: false,
        text:
          state === "ready"
            ? `${successor.id} is ready to take over`
            : `${successor.id} starts${state ? ` (${state})` : ""}`,
      };
    }
    return refused
      ? {
          done: false,
          text: `AWS has no machine (${refused.why}, asked ${refused.times} times); the controller goes on asking`,
        }
      : { done: false, text: "Waiting for a new machine" };
  };
}

/** Whichever server serves. */
export const serving: Goal = servingOtherThan(undefined);

export interface Waiting {
  readonly forMs: number;
  readonly everyMs: number;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** What a look that failed says, if it may succeed later; else this throws. */
  readonly excuse: (error: unknown) => string;
}

/** Looks until the goal is reached, the time is up or nobody waits any more. */
export async function waitFor(
  look: () => Promise<Seen>,
  goal: Goal,
  { forMs, everyMs, signal, say, excuse }: Waiting,
): Promise<Progress | undefined> {
  let last: Progress | undefined;
  for (const end = Date.now() + forMs; ; ) {
    const now = await look().then(goal, (error) => ({ done: false, text: excuse(error) }));
    if (now.text !== last?.text) say(now.text);
    last = now;
    if (now.done || Date.now() + everyMs > end) return now;
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return undefined;
  }
}
