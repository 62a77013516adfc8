import { mix, Random } from "./random";
import {
  CALL_FAULTS,
  CALLS,
  type Fault,
  MACHINE_KINDS,
  PARAMETERS,
  type Schedule,
  type Site,
  type Start,
  type Target,
} from "./schedule";

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const FIRST_DAY = Date.UTC(2027, 0, 4);

const REFUSALS = ["InsufficientInstanceCapacity", "UnfulfillableCapacity", "MaxSpotInstanceCountExceeded"];
const LAUNCH_ERRORS = [
  "RequestLimitExceeded",
  "InvalidSubnetID.NotFound",
  "InvalidLaunchTemplateId.NotFound",
  "UnauthorizedOperation",
  "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
  "InternalError",
];
const TARGETS: readonly Target[] = ["server", "server", "newest", "oldest"];
const STARTS: readonly Start[] = [
  "new",
  "serving",
  "serving",
  "serving",
  "serving",
  "old",
  "lost",
  "two",
  "unnamed",
  "by-hand",
  "on-demand",
  "stopped",
];

/** Each schedule has some families of faults and not the others: with all of them at once, each would hide the others. */
type Family = (random: Random, stormMs: number) => Unnumbered[];
type Unnumbered = Fault extends infer Each ? (Each extends Fault ? Omit<Each, "id"> : never) : never;

const FAMILIES: readonly Family[] = [
  (random, stormMs) =>
    some(random, 1, 4, () => ({
      kind: "calls",
      call: random.happens(0.5) ? "any" : random.pick(CALLS),
      how: random.pick(CALL_FAULTS),
      rate: random.pick([0.02, 0.05, 0.1, 0.3, 1]),
      ...lasting(random, stormMs, 1, 40),
    })),
  (random, stormMs) =>
    some(random, 1, 2, () => ({
      kind: "calls",
      call: "any",
      how: random.pick(["dies", "lost"]),
      rate: random.pick([0.02, 0.05, 0.1]),
      ...lasting(random, stormMs, 20, 90),
    })),
  (random, stormMs) =>
    some(random, 1, 2, () => ({
      kind: "calls",
      call: random.pick(["any", "instances", "parameters"]),
      how: "stalls",
      rate: random.pick([0.1, 0.3, 0.7]),
      ...lasting(random, stormMs, 10, 90),
    })),
  (random, stormMs) =>
    some(random, 1, 3, () => ({
      kind: "events",
      lose: random.pick([0, 0.2, 0.7, 1]),
      double: random.pick([0, 0.3, 1]),
      late: random.pick([0, 0.2, 0.7]),
      ...lasting(random, stormMs, 5, 60),
    })),
  (random, stormMs) =>
    some(random, 1, 3, () => ({
      kind: "no-capacity",
      market: random.pick(["spot", "spot", "on-demand", "any"]),
      type: random.pick([0, 1, "any"]),
      zone: random.pick([0, 1, 2, "any", "any"]),
      code: random.happens(0.2) ? "VcpuLimitExceeded" : random.pick(REFUSALS),
      ...lasting(random, stormMs, 1, 40),
    })),
  (random, stormMs) =>
    some(random, 1, 2, () => ({
      kind: "launch-refused",
      code: random.pick(LAUNCH_ERRORS),
      ...lasting(random, stormMs, 1, 20),
    })),
  (random, stormMs) =>
    some(random, 1, 3, () => ({
      kind: "machines",
      become: random.pick(MACHINE_KINDS),
      rate: random.pick([0.3, 0.7, 1]),
      ...lasting(random, stormMs, 10, 90),
    })),
  (random, stormMs) =>
    some(random, 1, 4, () => ({
      kind: "interruption",
      target: random.pick(TARGETS),
      notice: random.happens(0.6),
      ...moment(random, stormMs),
    })),
  (random, stormMs) =>
    some(random, 1, 3, () => ({
      kind: "rebalance",
      target: random.pick(TARGETS),
      ...(random.happens(0.4) ? { interruptedAfterMs: random.between(0, 20 * MINUTE_MS) } : {}),
      ...moment(random, stormMs),
    })),
  (random, stormMs) =>
    some(random, 1, 2, () => ({ kind: "sick", target: random.pick(TARGETS), ...lasting(random, stormMs, 0, 30) })),
  (random, stormMs) =>
    some(random, 1, 2, () => ({ kind: "hang", target: random.pick(TARGETS), ...moment(random, stormMs) })),
  (random, stormMs) =>
    some(random, 1, 2, () => ({
      kind: "person-ends",
      target: random.pick(TARGETS),
      how: random.pick(["terminate", "stop"]),
      ...moment(random, stormMs),
    })),
  (random, stormMs) => some(random, 1, 2, () => ({ kind: "person-launches", ...moment(random, stormMs) })),
  (random, stormMs) =>
    some(random, 1, 2, () => ({
      kind: "address",
      how: random.pick(["freed", "freed", "foreign", "other", "missing"]),
      ...lasting(random, stormMs, 0, 20),
    })),
  (random, stormMs) =>
    some(random, 1, 2, () => {
      const name = random.pick(PARAMETERS);
      return { kind: "parameter", name, value: random.pick(PARAMETER_VALUES[name]), ...moment(random, stormMs) };
    }),
  (random, stormMs) =>
    some(random, 1, 3, () => ({
      kind: "command",
      command: random.pick(["pause", "resume", "resume", "replace", "replace", "status"]),
      ...moment(random, stormMs),
    })),
  (random, stormMs) =>
    some(random, 1, 2, () => ({
      kind: random.pick(["template", "image"]),
      broken: random.happens(0.15),
      ...moment(random, stormMs),
    })),
  (random, stormMs) =>
    some(random, 1, 2, () => ({
      kind: "terraform",
      action: random.pick(["update", "delete", "delete", "create"]),
      ...moment(random, stormMs),
    })),
  (random, stormMs) =>
    some(random, 1, 4, () => ({ kind: "nonsense", which: random.between(0, 99), ...moment(random, stormMs) })),
  (random, stormMs) =>
    some(random, 1, 1, () => ({ kind: "dns", rate: random.pick([0.3, 1]), ...lasting(random, stormMs, 5, 60) })),
];

const PARAMETER_VALUES = {
  "instance-id": ["garbage", "missing", "ended", "initial"],
  "desired-state": ["garbage", "missing", "running", "stopped"],
  launches: ["garbage", "missing"],
} as const;

export function generate(seed: number): Schedule {
  const random = new Random(mix(seed, 0x5eed));
  const stormMs = random.between(40, 90) * MINUTE_MS;
  const unnumbered = FAMILIES.flatMap((family, index) => {
    // Each family draws from a source of its own, so that a further one does not change what the others make of a seed.
    const own = new Random(mix(seed, 100 + index));
    return own.happens(0.33) ? family(own, stormMs) : [];
  });
  const faults = unnumbered.sort((a, b) => a.at - b.at).map((fault, id) => ({ ...fault, id }) as Fault);
  const broken = new Random(mix(seed, 0xb0));
  return {
    seed,
    startsAt: FIRST_DAY + random.between(0, 7 * 24 * 60) * MINUTE_MS,
    stormMs,
    site: siteOf(new Random(random.key())),
    start: random.pick(STARTS),
    stale: random.happens(0.9),
    restMs: random.happens(1 / 64) ? 3 * HOUR_MS : 20 * MINUTE_MS,
    faults: broken.happens(0.02) ? [...faults, forEver(broken, faults.length, stormMs)] : faults,
  };
}

function siteOf(random: Random): Site {
  const from = random.between(0, 23);
  return {
    address: random.happens(0.75),
    dns: random.happens(0.6),
    onDemandFallback: random.pick(["never", "after-failures", "after-failures", "at-once"]),
    spotAttempts: random.between(1, 4),
    rebalance: random.pick(["replace", "replace", "ignore"]),
    maintenance: random.happens(0.25) ? { from, to: (from + random.between(1, 6)) % 24 } : undefined,
  };
}

function forEver(random: Random, id: number, stormMs: number): Fault {
  const common = { id, at: random.between(0, stormMs), lastsMs: Number.POSITIVE_INFINITY } as const;
  return random.happens(0.5)
    ? { ...common, kind: "machines", become: random.pick(["never-ready", "dies-booting"]), rate: 1 }
    : { ...common, kind: "no-capacity", market: "any", type: "any", zone: "any", code: "InsufficientInstanceCapacity" };
}

function some(random: Random, from: number, to: number, make: () => unknown): Unnumbered[] {
  return Array.from({ length: random.between(from, to) }, make as () => Unnumbered);
}

function moment(random: Random, stormMs: number) {
  return { at: random.between(0, stormMs), lastsMs: 0 };
}

function lasting(random: Random, stormMs: number, fromMinutes: number, toMinutes: number) {
  const at = random.between(0, stormMs);
  const lastsMs = random.between(fromMinutes * MINUTE_MS + SECOND_MS, toMinutes * MINUTE_MS);
  return { at, lastsMs: Math.min(lastsMs, stormMs - at + 1) };
}
