import {
  type Attempt,
  hasGivenUp,
  isDue,
  LAUNCH_SETTLES_MS,
  nextAttempt,
  type OnDemand,
  onDemandFor,
  problemsOfAttempts,
  READY_WITHIN_MS,
  type Reason,
} from "./attempts";
import type { AddressHolder } from "./cloud";
import type { Hint, Notice } from "./hint";
import { type Launches, type LaunchRecord, noLaunch } from "./launches";
import { isOpen, type MaintenanceWindow } from "./maintenance";
import { DAY_MS, HOUR_MS, MINUTE_MS, since } from "./time";

/**
 * What to do about what was seen. The nine steps of a recovery, and where each of them is:
 *  1 receive the event, 2 find the instance in it: hint.ts
 *  3 read which instance is the server: observe.ts, `serverOf`
 *  4 compare the two: `remember`; a word about an instance that is not the site's is not kept
 *  5 launch from the template: `reasonToReplace`, `launch`; attempts.ts, act.ts
 *  6 wait until it is ready: `successorsOf`; no run waits, each look is a new one
 *  7 write instance-id, 8 call the DDNS updater: the action `promote`; act.ts
 *  9 write down what was done: run.ts
 */

/** An instance that carries the site's tags. */
export interface Instance {
  readonly id: string;
  readonly phase: "pending" | "running" | "stopped" | "ended";
  /** What it says of itself in its `state` tag: ready, serving, stood-down, unhealthy:<check>; nothing while it starts. */
  readonly state: string | undefined;
  /** AWS's own check of it fails. */
  readonly impaired: boolean;
  readonly launchedAt: Date;
  readonly spot: boolean;
  readonly imageId: string | undefined;
  /** Undefined for an instance that was not launched from a template. */
  readonly template: { readonly id: string; readonly version: number } | undefined;
  /** The controller's own marks on it. */
  readonly notice?: { readonly kind: Notice; readonly at: Date };
  readonly unhealthySince?: Date;
  readonly endingSince?: Date;
}

export interface Observation {
  /** Undefined where the parameter is missing or says neither. */
  readonly desiredState: "running" | "stopped" | undefined;
  /** The instance that `instance-id` names; undefined before the first promotion. */
  readonly serverId: string | undefined;
  /** When `instance-id` was written. */
  readonly promotedAt: Date | undefined;
  /** What stands in a parameter that makes no sense, by the parameter's name. */
  readonly garbage: Readonly<Record<string, string>>;
  readonly instances: readonly Instance[];
  /** Undefined on a site without Elastic IP. */
  readonly address: AddressHolder | undefined;
  /** What the image's public parameter says now. */
  readonly newestImage: string | undefined;
  readonly launches: Launches;
}

export const FALLBACKS = ["never", "after-failures", "at-once"] as const;

export interface Policy {
  readonly launchTemplateId: string;
  readonly launchTemplateVersion: number;
  readonly maxAgeDays: number;
  readonly onDemandFallback: (typeof FALLBACKS)[number];
  readonly spotAttempts: number;
  readonly rebalance: "replace" | "ignore";
  readonly maintenanceWindow?: MaintenanceWindow;
}

export const MARKS = { notice: "notice", unhealthy: "unhealthy-since", ending: "ending" } as const;
export type Mark = (typeof MARKS)[keyof typeof MARKS];

export type Action =
  | {
      readonly do: "mark";
      readonly instanceId: string;
      readonly mark: Mark;
      readonly value: string;
      readonly why: string;
    }
  | { readonly do: "watch-closely"; readonly enabled: boolean }
  | {
      readonly do: "launch";
      readonly reason: string;
      /** When an on-demand machine may stand in. */
      readonly onDemand: OnDemand;
      readonly attempt: Attempt;
    }
  /** Moves the address, if the instance still is in one of these states. */
  | {
      readonly do: "promote";
      readonly instanceId: string;
      readonly states: readonly string[];
      /** What instance-id says now. */
      readonly named: string | undefined;
    }
  | { readonly do: "write-instance-id"; readonly instanceId: string }
  | { readonly do: "update-dns" }
  | { readonly do: "terminate"; readonly instanceIds: readonly string[]; readonly reason: string }
  | { readonly do: "set-desired-state"; readonly state: "running" | "stopped" }
  | { readonly do: "write-launches"; readonly record: LaunchRecord; readonly replace: boolean };

/** Whether the site has a server that is well, awaits its first one, lacks one, or is not to have one. */
export type Service = "serving" | "starting" | "missing" | "paused";

/** What only a person can mend. */
export interface Problem {
  readonly code: string;
  readonly message: string;
}

export interface Decision {
  readonly actions: readonly Action[];
  readonly problems: readonly Problem[];
  readonly service: Service;
  /** The server and its successor as the controller takes them. */
  readonly server?: string | undefined;
  readonly successor?: string | undefined;
}

/**
 * Between the mark that an instance ends and its end. Nobody promotes a marked one, and who had looked before the mark
 * has long acted or given up (act.ts, OLDEST_OBSERVATION_MS): so none is ended that is just being promoted.
 */
export const FENCE_MS = MINUTE_MS;
/** A replaced server stands down in seconds; one that does not know yet that it was replaced gets more time. */
const STILL_SERVING_MS = 3 * MINUTE_MS;
/** Without Elastic IP clients stay where they are until they look the name up again. */
const STILL_SERVING_BY_NAME_MS = 5 * MINUTE_MS;
/** A passing fault ends by itself or is repaired on the server. */
const UNHEALTHY_FOR_MS = 3 * MINUTE_MS;
/** A promoted server notices its address within a second or two. */
const BEGINS_TO_SERVE_MS = MINUTE_MS;
/** A recommendation comes early in the life of a machine again and again where a pool is scarce. */
const HEEDS_REBALANCE_AFTER_MS = HOUR_MS;
/** Long enough that AWS's lack of a Spot machine may have passed. */
const BACK_TO_SPOT_AFTER_MS = 6 * HOUR_MS;
/** Why an instance is ended that nobody could use. */
export const NOT_READY = "not ready in time";
const DNS_REPEATED_FOR_MS = 15 * MINUTE_MS;
const TICK_MINUTES = 5;
const DAYS_OVERDUE = 7;

export function decide(observed: Observation, hint: Hint, now: Date, policy: Policy): Decision {
  const commanded = commandedState(hint, observed);
  const desired = commanded ?? observed.desiredState;
  const first: Action[] = [
    ...(commanded ? [{ do: "set-desired-state", state: commanded } as const] : []),
    ...forgetDrain(hint, observed),
  ];
  const problems = problemsOf(observed);
  const { seen, marks } = remember(observed, hint, now, policy);
  const server = serverOf(seen);
  const { successor, waiting } = successorsOf(seen, server, now);
  const service = desired === "stopped" ? "paused" : serviceOf(seen, server, now);
  const roles = { server: server?.id, successor: successor?.id, service } as const;
  if (hint.kind === "command" && hint.command === "status") return { actions: [], problems, ...roles };
  if (desired === undefined || "instance-id" in seen.garbage) return { actions: first, problems, ...roles };
  if (desired === "stopped") return { actions: [...first, ...pause(seen, hint, now)], problems, service };
  if (isOutOfReach(seen)) return { actions: [...first, ...mendLaunches(seen, now)], problems, ...roles };

  const situation: Situation = { seen, hint, now, policy, server, successor, waiting };
  const reason = reasonToReplace(situation);
  const launching = launch(situation, reason);
  const actions = [
    ...first,
    ...promote(situation),
    ...mendLaunches(seen, now),
    ...marks,
    ...watchClosely(situation, reason?.urgent === true || launching.actions.length > 0),
    ...endStrays(situation),
    ...launching.actions,
    ...repeatDns(situation),
  ];
  return { actions, problems: [...problems, ...launching.problems], ...roles };
}

interface Situation {
  readonly seen: Observation;
  readonly hint: Hint;
  readonly now: Date;
  readonly policy: Policy;
  readonly server: Instance | undefined;
  /** The one instance that is to replace the server; ready or still starting. */
  readonly successor: Instance | undefined;
  /** Other candidates beside the successor. */
  readonly waiting: readonly Instance[];
}

/** Whoever holds the address serves; a promotion that was cut short has not written its name yet. */
function serverOf({ instances, address, serverId }: Observation): Instance | undefined {
  const live = instances.filter(isLive);
  const holder = address?.kind === "instance" ? live.find(({ id }) => id === address.instanceId) : undefined;
  return holder ?? live.find(({ id }) => id === serverId);
}

/** What is older than the server is what the server replaced: taken for a successor, it would get the address back. */
function successorsOf(seen: Observation, server: Instance | undefined, now: Date) {
  const candidates = seen.instances.filter(
    (instance) => isLive(instance) && !instance.endingSince && (!server || isNewer(instance, server)),
  );
  const promotable = candidates.filter((instance) => isPromotable(instance, server)).sort(byPromise);
  // The oldest one is the first to be ready, and the same for all that look, whatever else each of them sees.
  const starting = candidates
    .filter((instance) => !isPromotable(instance, server) && !isExpired(instance, now) && !isBeingTaken(instance))
    .sort((a, b) => (isNewer(a, b) ? 1 : -1));
  const [successor] = [...promotable, ...starting];
  return { successor, waiting: candidates.filter((instance) => instance !== successor) };
}

/** The ready one that lasts longest comes first. */
function byPromise(a: Instance, b: Instance): number {
  const rank = (instance: Instance) => (isBeingTaken(instance) ? 2 : 0) + (instance.state === STOOD_DOWN ? 1 : 0);
  return rank(a) - rank(b) || (isNewer(a, b) ? -1 : 1);
}

export const STOOD_DOWN = "stood-down";
const READY = ["ready", "serving"];
/** One that stood down serves again when it gets the address back. */
const READY_OR_STOOD_DOWN = [...READY, STOOD_DOWN];

/** A site that has no server takes one back that stood down, and one that has two minutes left. */
function isPromotable(instance: Instance, server: Instance | undefined): boolean {
  const { phase, impaired, state = "" } = instance;
  if (phase !== "running" || impaired) return false;
  return server ? READY.includes(state) && !isBeingTaken(instance) : READY_OR_STOOD_DOWN.includes(state);
}

function isLive({ phase }: Instance): boolean {
  return phase === "pending" || phase === "running";
}

function isNewer(a: Instance, b: Instance): boolean {
  const difference = a.launchedAt.getTime() - b.launchedAt.getTime();
  return difference === 0 ? a.id > b.id : difference > 0;
}

function isBeingTaken({ notice }: Instance): boolean {
  return notice?.kind === "interruption";
}

function isExpired({ launchedAt }: Instance, now: Date): boolean {
  return since(launchedAt, now) > READY_WITHIN_MS;
}

function serviceOf(seen: Observation, server: Instance | undefined, now: Date): Service {
  if (server && isWell(server, seen, now)) return "serving";
  const { last: launch } = seen.launches;
  const isFirst = seen.serverId === undefined && launch?.failures === 0 && launch.refusals === 0;
  return isFirst && since(launch.at, now) < READY_WITHIN_MS ? "starting" : "missing";
}

type Whereabouts = Pick<Observation, "address" | "instances" | "serverId">;

/** A person moved the address to something that is not ours, or released it: nothing of ours is changed until it is back. */
function isOutOfReach({ address, instances, serverId }: Whereabouts): boolean {
  if (address?.kind !== "instance") return address?.kind === "other" || address?.kind === "missing";
  const { instanceId } = address;
  return instanceId !== serverId && !instances.some(({ id }) => id === instanceId);
}

function isWell(server: Instance, { serverId, promotedAt }: Observation, now: Date): boolean {
  if (server.phase !== "running" || server.impaired) return false;
  if (server.state === "serving") return true;
  const expected = READY_OR_STOOD_DOWN.includes(server.state ?? "") && serverId === server.id;
  return expected && promotedAt !== undefined && since(promotedAt, now) < BEGINS_TO_SERVE_MS;
}

/** What the next look could not see is marked on the instance it is about: a word is heard once, a mark stays. */
function remember(observed: Observation, hint: Hint, now: Date, policy: Policy) {
  const marks: Action[] = [];
  const server = serverOf(observed);
  const instances = observed.instances.map((instance) => {
    const noticed = isLive(instance) ? noticeOf(instance, server, hint, policy) : undefined;
    const notice = noticed ? { kind: noticed, at: now } : instance.notice;
    if (notice && noticed) {
      marks.push(mark(instance, MARKS.notice, `${notice.kind} ${notice.at.toISOString()}`, "the word is not repeated"));
    }
    let { unhealthySince } = instance;
    if (instance === server && isWell(instance, observed, now) !== (unhealthySince === undefined)) {
      unhealthySince = unhealthySince ? undefined : now;
      marks.push(mark(instance, MARKS.unhealthy, unhealthySince?.toISOString() ?? "", instance.state ?? "no state"));
    }
    const { notice: _, unhealthySince: __, ...rest } = instance;
    return { ...rest, ...(notice ? { notice } : {}), ...(unhealthySince ? { unhealthySince } : {}) };
  });
  return { seen: { ...observed, instances }, marks };
}

function noticeOf(instance: Instance, server: Instance | undefined, hint: Hint, policy: Policy): Notice | undefined {
  if (isBeingTaken(instance)) return undefined;
  if (hint.kind === "command" && hint.command === "replace") return instance === server ? "replace" : undefined;
  if (hint.kind !== "notice" || hint.instanceId !== instance.id) return undefined;
  if (hint.notice === "rebalance" && (policy.rebalance === "ignore" || instance.notice)) return undefined;
  return hint.notice;
}

function mark({ id }: Instance, key: Mark, value: string, why: string): Action {
  return { do: "mark", instanceId: id, mark: key, value, why };
}

/** Where there is no such parameter Terraform is destroying the site, or has: what made it again would stand in the way. */
function commandedState(
  hint: Hint,
  { launches, desiredState, garbage }: Observation,
): "running" | "stopped" | undefined {
  if (desiredState === undefined && !("desired-state" in garbage)) return undefined;
  if (hint.kind === "command" && hint.command === "pause") return "stopped";
  if (hint.kind === "command" && hint.command === "resume") return "running";
  const wanted = hint.kind === "terraform" && hint.action !== "delete";
  return wanted && launches.last?.drained && desiredState === "stopped" ? "running" : undefined;
}

/** A drain is over with the next deploy. */
function forgetDrain(hint: Hint, { launches: { last } }: Observation): Action[] {
  if (hint.kind !== "terraform" || hint.action === "delete" || !last?.drained) return [];
  const { drained, ...record } = last;
  return [{ do: "write-launches", record, replace: true }];
}

/** Garbage would be told of at every look; and what is missing is made only while Terraform is not destroying the site. */
function mendLaunches({ launches: { last, garbage } }: Observation, now: Date): Action[] {
  if (!last) return [{ do: "write-launches", record: noLaunch(now), replace: false }];
  return garbage === undefined ? [] : [{ do: "write-launches", record: last, replace: true }];
}

function pause({ instances, launches }: Observation, hint: Hint, now: Date): Action[] {
  const left = instances.filter(({ phase }) => phase !== "ended").map(({ id }) => id);
  // What was just being launched shows itself later.
  const expecting = launches.last !== undefined && since(launches.last.at, now) < LAUNCH_SETTLES_MS;
  return [
    ...switchTick(left.length > 0 || expecting, hint),
    ...(left.length > 0 ? [{ do: "terminate", instanceIds: left, reason: "the site is stopped" } as const] : []),
  ];
}

function promote({ seen, server, successor }: Situation): Action[] {
  const move = (instance: Instance, states: readonly string[]): Action[] => [
    { do: "promote", instanceId: instance.id, states, named: seen.serverId },
  ];
  if (successor && isPromotable(successor, server)) return move(successor, server ? READY : READY_OR_STOOD_DOWN);
  if (!server) return [];
  const lostAddress = seen.address?.kind === "nobody" && !server.endingSince;
  if (lostAddress && isPromotable(server, undefined)) return move(server, READY_OR_STOOD_DOWN);
  return seen.serverId === server.id ? [] : [{ do: "write-instance-id", instanceId: server.id }];
}

/** Everything that is neither the server nor its successor is marked first, and ended when the mark is old enough. */
function endStrays(situation: Situation): Action[] {
  const { seen, now, server } = situation;
  const settled =
    server?.state === "serving" &&
    isWell(server, seen, now) &&
    seen.serverId === server.id &&
    (!seen.address || (seen.address.kind === "instance" && seen.address.instanceId === server.id));
  const others = seen.instances.filter((instance) => instance.phase !== "ended" && instance !== server);
  const actions: Action[] = [];
  const done: string[] = [];
  for (const instance of others) {
    if (instance.endingSince) {
      if (since(instance.endingSince, now) >= timeToEnd(instance, seen)) done.push(instance.id);
    } else {
      const why = reasonToEnd(instance, situation, settled);
      if (why !== undefined) actions.push(mark(instance, MARKS.ending, now.toISOString(), why));
    }
  }
  const reason = "neither the server nor its successor";
  return done.length > 0 ? [...actions, { do: "terminate", instanceIds: done, reason }] : actions;
}

function reasonToEnd(instance: Instance, situation: Situation, settled: boolean): string | undefined {
  const { now, server, successor, waiting } = situation;
  if (instance === successor) return undefined;
  if (!waiting.includes(instance)) return settled ? "replaced" : undefined;
  if (isPromotable(instance, server)) return undefined;
  if (isExpired(instance, now)) return NOT_READY;
  const surplus = successor !== undefined && !isPromotable(successor, server) && !isBeingTaken(instance);
  return surplus ? "one successor is enough" : undefined;
}

function timeToEnd(instance: Instance, { address }: Observation): number {
  if (instance.state !== "serving" || instance.impaired || instance.phase !== "running") return FENCE_MS;
  return address ? STILL_SERVING_MS : STILL_SERVING_BY_NAME_MS;
}

function reasonToReplace({ seen, now, policy, server }: Situation): Reason | undefined {
  const urgent = (why: string): Reason => ({ why, urgent: true });
  const calm = (why: string): Reason => ({ why, urgent: false });
  if (!server) {
    if (seen.serverId === undefined) return urgent("the site has no server yet");
    const named = seen.instances.find(({ id }) => id === seen.serverId);
    return urgent(`instance-id names ${seen.serverId}, which ${named ? `is ${named.phase}` : "is gone"}`);
  }
  const { id, notice, template } = server;
  if (notice?.kind === "interruption") return urgent(`AWS is about to take ${id}`);
  if (server.unhealthySince && since(server.unhealthySince, now) >= UNHEALTHY_FOR_MS) {
    const state = server.impaired ? "AWS's status check of it fails" : (server.state ?? "it says nothing");
    return urgent(
      `${id} has not been well for ${Math.round(since(server.unhealthySince, now) / MINUTE_MS)} min: ${state}`,
    );
  }
  if (notice?.kind === "replace") return calm(`a person wants ${id} replaced`);
  if (server.endingSince) return calm(`${id} was about to be ended`);
  if (template && template.id !== policy.launchTemplateId) return calm(`${id} is from launch template ${template.id}`);
  // A newer one is not ours to judge: while a deploy changes the function, the one before it may still run.
  if (template && template.version < policy.launchTemplateVersion) {
    return calm(`${id} has launch template version ${template.version}, the newest is ${policy.launchTemplateVersion}`);
  }
  const age = since(server.launchedAt, now);
  if (notice?.kind === "rebalance" && policy.rebalance === "replace" && age >= HEEDS_REBALANCE_AFTER_MS) {
    return calm(`AWS is likely to take ${id}`);
  }
  if (policy.maintenanceWindow && !isOpen(policy.maintenanceWindow, now)) return undefined;
  if (age > policy.maxAgeDays * DAY_MS) return calm(`${id} is older than ${policy.maxAgeDays} days`);
  if (seen.newestImage && server.imageId && server.imageId !== seen.newestImage) {
    return calm(`${id} has the image ${server.imageId}, the newest is ${seen.newestImage}`);
  }
  if (!server.spot && age >= BACK_TO_SPOT_AFTER_MS) return calm(`${id} is an on-demand machine`);
  return undefined;
}

function launch(situation: Situation, reason: Reason | undefined): Pick<Decision, "actions" | "problems"> {
  const { seen, now, policy, server, successor } = situation;
  const { last } = seen.launches;
  if (!reason || !last) return { actions: [], problems: [] };
  const attempt = nextAttempt(last, situation);
  const gaveUp = hasGivenUp(attempt, reason);
  // A successor that still starts has not failed.
  const told = successor ? { ...attempt, failures: last.failures } : attempt;
  const problems = [...tooOld(situation), ...problemsOfAttempts(told, reason, gaveUp)];
  // Whoever does not see a mark yet may still be promoting what it is on.
  const beingMarked = seen.instances.some(
    (instance) =>
      isLive(instance) &&
      instance !== server &&
      (!server || isNewer(instance, server)) &&
      (instance.endingSince ? since(instance.endingSince, now) < FENCE_MS : isExpired(instance, now)),
  );
  if (successor || beingMarked || gaveUp || !isDue(last, attempt, reason, now)) {
    return { actions: [], problems };
  }
  const onDemand = onDemandFor(policy, last, attempt, reason);
  return { actions: [{ do: "launch", reason: reason.why, onDemand, attempt }], problems };
}

/** Where Spot has no machine for weeks a server goes on that nobody patches. */
function tooOld({ server, now, policy }: Situation): Problem[] {
  if (!server || since(server.launchedAt, now) <= (policy.maxAgeDays + DAYS_OVERDUE) * DAY_MS) return [];
  const message =
    `${server.id} is ${DAYS_OVERDUE} days over server.maxAgeDays and could not be replaced; the log says why. ` +
    "More server.instanceTypes or network.availabilityZones are more places to look for a Spot machine, a wider server.maintenanceWindow more time.";
  return [{ code: "server-is-old", message }];
}

function watchClosely({ seen, hint, now, server }: Situation, replacing: boolean): Action[] {
  const others = seen.instances.some((instance) => instance.phase !== "ended" && instance !== server);
  const well = server !== undefined && isWell(server, seen, now);
  return switchTick(replacing || others || !well, hint);
}

/** The rule's state is not read: the tick itself shows that it is on. */
function switchTick(needed: boolean, hint: Hint): Action[] {
  const on = hint.kind === "pending-tick";
  return needed === on ? [] : [{ do: "watch-closely", enabled: needed }];
}

/**
 * The call that followed the promotion may have been lost, or Cloudflare have been down for long. The updater changes
 * nothing where the record is right. Without Elastic IP the record is the address, so it is looked after at every tick.
 */
function repeatDns({ seen, hint, now, server }: Situation): Action[] {
  if (!server || seen.serverId !== server.id || !isWell(server, seen, now)) return [];
  const recent = seen.promotedAt !== undefined && since(seen.promotedAt, now) < DNS_REPEATED_FOR_MS;
  const hourly = now.getUTCMinutes() <= TICK_MINUTES;
  const due = hint.kind === "tick" && (recent || hourly || !seen.address);
  return due || hint.kind === "terraform" ? [{ do: "update-dns" }] : [];
}

function problemsOf({ garbage, desiredState, address, instances, serverId }: Observation): Problem[] {
  const problems = Object.entries(garbage).map(([name, text]) => ({
    code: `${name}-is-garbage`,
    message: `The parameter ${name} is ${JSON.stringify(text)}. ${GARBAGE_FIX[name] ?? ""}`.trim(),
  }));
  if (desiredState === undefined && !("desired-state" in garbage)) {
    problems.push({
      code: "desired-state-is-missing",
      message: "The parameter desired-state is missing, so nothing is started or ended. `cdktf deploy '*'` makes it.",
    });
  }
  if (address?.kind === "missing") {
    problems.push({
      code: "address-is-missing",
      message:
        "The site's Elastic IP does not exist any more, so nothing is started or ended. `cdktf deploy '*'` makes a new one.",
    });
  } else if (isOutOfReach({ address, instances, serverId })) {
    const holder = address?.kind === "instance" ? address.instanceId : address?.kind === "other" ? address.name : "";
    problems.push({
      code: "address-is-foreign",
      message: `The site's Elastic IP is on ${holder}, which is not of this site, so nothing is started or ended. Take it off there (aws ec2 disassociate-address), or name another one in elasticIp.`,
    });
  }
  return problems;
}

const GARBAGE_FIX: Readonly<Record<string, string>> = {
  "desired-state": "It has to be running or stopped; until then nothing is started or ended.",
  "instance-id": "It has to be an instance's id, or initial; until then nothing is started or ended.",
  launches: "It is written anew: what the controller knew of failed launches is forgotten.",
};
