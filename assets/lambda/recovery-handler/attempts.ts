import type { LaunchCall } from "./cloud";
import type { Instance, Observation, Policy, Problem } from "./decide";
import type { Hint } from "./hint";
import type { Refusal } from "./launch-errors";
import type { LaunchRecord } from "./launches";
import { HOUR_MS, MINUTE_MS, SECOND_MS, since } from "./time";

/** Which attempt to launch comes next, when it is due, and on which market: from the last one, and nothing else. */
export interface Attempt extends Pick<LaunchRecord, "attempt" | "by" | "failures" | "refusals" | "target"> {
  /** When it was made first, if its answer was lost. */
  readonly madeAt?: Date;
}

/** Why the server has to be replaced. */
export interface Reason {
  readonly why: string;
  /** The site has no server that will do: an on-demand machine may stand in, and nobody gives up. */
  readonly urgent: boolean;
}

/** A successor that takes longer will not come any more. */
export const READY_WITHIN_MS = 10 * MINUTE_MS;
/** Two tries of a launch, and then EC2 may not show the instance for a while. */
export const LAUNCH_SETTLES_MS = MINUTE_MS;
/** After this many failed successors a server that serves is not replaced for the same template and image again. */
const GIVES_UP_AFTER = 5;
/** A server that lives shorter has failed like one that never got ready. */
const LASTS_MS = 10 * MINUTE_MS;
const TELLS_OF_FAILURES_AFTER = 3;
const TELLS_OF_REFUSALS_AFTER = 5;
const LONGEST_BACKOFF_MS = 30 * MINUTE_MS;
const LONGEST_BACKOFF_WHEN_REFUSED_MS = 5 * MINUTE_MS;
const REFUSALS_COUNT_FOR_MS = HOUR_MS;
/** A tick may come a little early. */
const TICK_SLACK_MS = 10 * SECOND_MS;

export interface Circumstances {
  readonly seen: Observation;
  readonly hint: Hint;
  readonly now: Date;
  readonly policy: Policy;
  readonly server: Instance | undefined;
}

export function nextAttempt(last: LaunchRecord, { seen, hint, now, policy, server }: Circumstances): Attempt {
  const target = `${policy.launchTemplateId}:${policy.launchTemplateVersion} ${seen.newestImage ?? ""}`.trim();
  const next = { attempt: last.attempt + 1, by: callAfter(last), target };
  // The same token finds what may have been launched, also for a run that knows another template.
  if (last.outcome === "unknown" && since(last.at, now) < READY_WITHIN_MS) {
    const { attempt, by, failures, refusals, at: madeAt } = last;
    return { attempt, by, failures, refusals, target, madeAt };
  }
  const { promotedAt } = seen;
  const lasted = promotedAt !== undefined && promotedAt > last.at && since(promotedAt, now) >= LASTS_MS;
  const asked =
    (hint.kind === "command" && hint.command === "replace") ||
    (server?.notice?.kind === "replace" && server.notice.at > last.at);
  if (lasted || asked || last.target !== target) return { ...next, failures: 0, refusals: 0 };
  if (!wasRefused(last)) return { ...next, failures: last.failures + 1, refusals: 0 };
  const refusals = since(last.at, now) < REFUSALS_COUNT_FOR_MS ? last.refusals : 0;
  return { ...next, failures: last.failures, refusals };
}

export function hasGivenUp({ failures }: Attempt, { urgent }: Reason): boolean {
  return !urgent && failures >= GIVES_UP_AFTER;
}

export function isDue(last: LaunchRecord, next: Attempt, reason: Reason, now: Date): boolean {
  const waited = since(last.at, now);
  if (last.outcome !== "refused" && waited < LAUNCH_SETTLES_MS) return false;
  if (last.attempt === next.attempt) return true;
  // Who looked a moment ago may still be making the same attempt again.
  if (last.outcome === "unknown" && waited < READY_WITHIN_MS + LAUNCH_SETTLES_MS) return false;
  const backoff = wasRefused(last)
    ? Math.min(doubling(next.refusals), reason.urgent ? LONGEST_BACKOFF_WHEN_REFUSED_MS : LONGEST_BACKOFF_MS)
    : Math.min(doubling(next.failures), LONGEST_BACKOFF_MS);
  return waited >= backoff - TICK_SLACK_MS;
}

/** A minute after the first, twice as long after each further one. */
function doubling(times: number): number {
  return times === 0 ? 0 : MINUTE_MS * 2 ** (times - 1);
}

/** When an on-demand machine may stand in. */
export type OnDemand = "no" | "if-spot-is-impossible" | "if-refused" | "first";

export function onDemandFor(policy: Policy, last: LaunchRecord, next: Attempt, { urgent }: Reason): OnDemand {
  const { attempt, refusals } = next;
  if (!urgent || policy.onDemandFallback === "never") return "no";
  // The same token means nothing with another request.
  if (attempt === last.attempt && last.market === "on-demand") return "first";
  const failed = last.outcome === "failed" && last.market === "spot";
  const impossible = failed && last.refusal === "spot-is-impossible";
  const patient = policy.onDemandFallback === "after-failures" && refusals < policy.spotAttempts && !impossible;
  if (patient) return "if-spot-is-impossible";
  // What failed would fail again before on-demand had its turn.
  return failed ? "first" : "if-refused";
}

/**
 * CreateFleet, unless that is what was refused: then RunInstances, as long as it is only short of machines. With another
 * attempt, as the one call knows nothing of what the other has launched with a token.
 */
function callAfter(last: LaunchRecord): LaunchCall {
  const { by, refusal } = last;
  if (!wasRefused(last) || !refusal) return "CreateFleet";
  const meansOther = by === "CreateFleet" ? FLEET_ALONE : MACHINES_ALONE;
  return meansOther.includes(refusal) ? "RunInstances" : "CreateFleet";
}

/** Of these the fleet itself may be the cause; the others would meet RunInstances too. */
const FLEET_ALONE: readonly Refusal[] = ["permission", "unknown"];
const MACHINES_ALONE: readonly Refusal[] = ["capacity", "throttled"];

function wasRefused({ outcome }: LaunchRecord): boolean {
  return outcome === "refused" || outcome === "failed";
}

/** What a person is told of the attempts so far. */
export function problemsOfAttempts(
  { failures, refusals, target }: Attempt,
  { why, urgent }: Reason,
  gaveUp: boolean,
): Problem[] {
  if (failures >= TELLS_OF_FAILURES_AFTER) {
    const next = gaveUp
      ? "No more is launched until the template or the image changes, or the command `replace` is given."
      : "The controller goes on trying, more and more slowly.";
    const message =
      `${failures} successors in a row from ${target} did not get ready or did not last (${why}). ${next} ` +
      "Read a successor's console (aws ec2 get-console-output --latest --instance-id ID), " +
      "or why it ended (aws ec2 describe-instances --instance-ids ID --query 'Reservations[].Instances[].StateReason').";
    return [{ code: gaveUp ? "gave-up" : "successors-fail", message }];
  }
  if (!urgent || refusals < TELLS_OF_REFUSALS_AFTER) return [];
  const message =
    `AWS refused ${refusals} launches in a row (${why}); the log says each one's error. The controller goes on trying. ` +
    "More server.instanceTypes or network.availabilityZones are more places to look, server.onDemandFallback: at-once another one.";
  return [{ code: "launches-refused", message }];
}
