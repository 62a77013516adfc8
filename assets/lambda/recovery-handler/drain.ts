import { type Context, put } from "./act";
import { noLaunch, readLaunches, writeLaunches } from "./launches";
import { PARAMETERS, pathOf } from "./observe";

const POLL_MS = 5_000;
const LIMIT_MS = 4 * 60_000;
/**
 * A run that looked just before the site was stopped may still launch, and what it launches may still be unseen: so long
 * none may be left (OLDEST_OBSERVATION_MS, CreateFleet's time-out, EC2's eventual consistency).
 */
const SETTLED_AFTER_MS = 60_000;

/** Stops the site and returns when none of its instances is left, so that the network can be destroyed. */
export async function drain(context: Context): Promise<string[]> {
  const { cloud, log, now, sleep } = context;
  const began = now().getTime();
  await stop(context);
  const drained = new Set<string>();
  let left: string[] = [];
  let problem: unknown;
  for (;;) {
    const lookedAt = now().getTime();
    try {
      // A stopped instance holds its network interface too.
      left = (await cloud.instances()).filter(({ state }) => state !== "terminated").map(({ id }) => id);
      if (left.length === 0 && lookedAt - began >= SETTLED_AFTER_MS) return [...drained];
      if (left.length > 0) {
        log.info("draining", { left });
        await cloud.terminate(left);
        for (const id of left) drained.add(id);
      }
      problem = undefined;
    } catch (error) {
      log.warn("draining goes on", { error });
      problem = error;
    }
    if (now().getTime() - began >= LIMIT_MS) {
      const message = `Not every instance has ended after ${LIMIT_MS / 1000} s: ${left.join(", ") || "none seen"}. Run destroy again, or give the command resume to keep the site.`;
      throw new Error(message, { cause: problem });
    }
    await sleep(POLL_MS);
  }
}

/** Whether a person had stopped it before is remembered, so that the next deploy resumes only what Terraform stopped. */
async function stop(context: Context): Promise<void> {
  const { cloud, now, settings } = context;
  const desiredPath = pathOf(settings, PARAMETERS.desired);
  const launchesPath = pathOf(settings, PARAMETERS.launches);
  const parameters = await cloud.parameters([desiredPath, launchesPath]);
  if (parameters.get(desiredPath)?.value !== "stopped") {
    const launches = parameters.get(launchesPath);
    const { last = noLaunch(now()) } = readLaunches(launches?.value, launches?.modifiedAt ?? now(), true);
    await put(context, PARAMETERS.launches, writeLaunches({ ...last, drained: true }));
    await put(context, PARAMETERS.desired, "stopped");
  }
  await cloud.watchClosely(false);
}
