import { act, type Context } from "./act";
import { type Action, decide, type Observation, type Problem } from "./decide";
import { drain } from "./drain";
import { type Hint, type Home, hintOf } from "./hint";
import { observe } from "./observe";

/** What a run did, for whoever called it. */
export interface Summary {
  readonly site: string;
  readonly done: readonly Action[];
  readonly problems: readonly Problem[];
  /** What `status` asks for. */
  readonly seen?: Observation;
  readonly server?: string;
  readonly successor?: string;
}

/** The loop: an event only makes it look; it sees, decides, acts, and writes down what it did (step 9). */
export function createController(context: Context) {
  return async (event: unknown, place: Pick<Home, "account" | "region"> = {}): Promise<Summary> => {
    const { log, metrics, settings } = context;
    const { environment, site } = settings;
    const hint = hintOf(event, { environment, site, ...place }, context.now());
    if (hint.kind === "rejected") {
      metrics.count("RejectedEvents");
      log.error("the event is not believed", { reason: hint.reason });
    }
    try {
      return await run(context, hint);
    } catch (error) {
      metrics.count("Failures");
      log.error("failed", { hint, error });
      throw error;
    } finally {
      metrics.flush();
    }
  };
}

async function run(context: Context, hint: Hint): Promise<Summary> {
  const { cloud, log, metrics, settings } = context;
  const { site } = settings;
  if (hint.kind === "terraform" && hint.action === "delete") {
    const instanceIds = await drain(context);
    const done = [{ do: "terminate", instanceIds, reason: "the site is being destroyed" }] as const;
    return { site, done, problems: [] };
  }
  const seenAt = context.now();
  const seen = await observe(cloud, settings, seenAt);
  if ("instanceId" in hint && !seen.instances.some(({ id }) => id === hint.instanceId)) {
    log.info("the event is about an instance that is not of this site: ignored", { hint });
  }
  const { actions, problems, server, successor, service } = decide(seen, hint, seenAt, settings);
  log.info("looked", { hint, server, successor, service, seen, actions });
  metrics.set("ServersMissing", service === "missing" ? 1 : 0);
  // In the server's stead: silence is left to mean a server that serves and says nothing.
  if (service !== "serving") metrics.set("PeersActive", 0);
  const outcome = await act(context, actions, seenAt);
  const all = [...problems, ...outcome.problems];
  if (all.length > 0) {
    metrics.count("Problems", all.length);
    log.error("a person is needed", { problems: all });
  }
  // Whoever called tries again; the ticks do anyway.
  if (outcome.failure !== undefined) throw outcome.failure;
  const roles = { ...(server === undefined ? {} : { server }), ...(successor === undefined ? {} : { successor }) };
  const asked = hint.kind === "command" && hint.command === "status";
  return { site, done: outcome.done, problems: all, ...roles, ...(asked ? { seen } : {}) };
}
