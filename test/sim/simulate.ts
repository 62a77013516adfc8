import { Bus } from "./bus";
import { Dns } from "./dns";
import { requireOutsidePromises } from "./engine";
import { type Aws, FakeAws } from "./fake-aws";
import { Faults } from "./faults";
import { Fleet } from "./fleet";
import { Judge } from "./judge";
import { type CreateController, Lambda } from "./lambda";
import { Life } from "./life";
import { between } from "./random";
import type { Schedule } from "./schedule";
import { Store } from "./store";
import { type Counts, DRAW, IMAGE_PARAMETER, imageId, STORE, type Violation, World } from "./world";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/**
 * From the end of the storm to a site at rest, at most. What takes longest is an answer that nobody knows (1.5 min), a
 * successor that never gets ready (10), the backoff (30), its successor's boot (3), the old one's end (a tick, the
 * mark, 5 min by name: 11) and another round for what it was launched with (20); or else a recommendation to rebalance, which
 * is heeded an hour after the launch, and a DNS record, which is looked after once an hour. Each look waits for a tick of 5.
 */
const RESTS_WITHIN_MS = 90 * MINUTE_MS;
const HOPELESS_MS = 130 * MINUTE_MS;
const LOOK_EVERY_MS = 5 * MINUTE_MS;

export interface Outcome {
  readonly violation: Violation | undefined;
  readonly counts: Counts;
  readonly story: string | undefined;
  /** From the end of the storm until the site was at rest; undefined where it never can be. */
  readonly restedAfterMs: number | undefined;
}

/** Plays one schedule from its beginning to its end. */
export function simulate(schedule: Schedule, createController: CreateController, told = false): Outcome {
  requireOutsidePromises();
  const world = new World(schedule, told);
  const aws = assemble(world, createController);
  const faults = new Faults(aws);
  begin(aws, faults);
  faults.plan();
  aws.bus.startTicks();
  world.engine.run(schedule.startsAt + schedule.stormMs + 1);
  if (!world.violation) faults.calm();
  const restedAfterMs = rest(aws);
  const { violation, counts, story } = world;
  return { violation, counts, story: story?.toString(), restedAfterMs };
}

function assemble(world: World, createController: CreateController): Aws {
  const aws = { world } as { -readonly [Key in keyof Aws]: Aws[Key] };
  aws.judge = new Judge(world);
  aws.dns = new Dns(world);
  aws.lambda = new Lambda(world, createController, (current) => new FakeAws(aws, current));
  aws.bus = new Bus(world, aws.lambda);
  aws.life = new Life(world, aws.bus);
  aws.store = new Store(world, aws.life);
  aws.fleet = new Fleet(world, aws.life, aws.judge);
  return aws;
}

function begin({ life, store, world }: Aws, faults: Faults): void {
  const { site, start, seed } = world.schedule;
  store.put(IMAGE_PARAMETER, imageId(world.image));
  store.put(`${STORE}/launches`, "none");
  store.put(`${STORE}/desired-state`, start === "stopped" ? "stopped" : "running");
  store.put(`${STORE}/instance-id`, start === "lost" ? "i-00000000dead" : "initial");
  if (start === "new") faults.terraform("create", 9999);
  if (start === "new" || start === "stopped" || start === "lost") return;
  const hours = start === "on-demand" ? 7 : between(world.key(DRAW.machine, 0, 55), 0, 320);
  const ageMs = start === "old" ? 15 * 24 * HOUR_MS : hours * HOUR_MS + 2 * MINUTE_MS;
  const server = life.place(
    start === "by-hand" ? "person" : "controller",
    ageMs,
    start !== "on-demand",
    start !== "by-hand",
  );
  world.story?.tell(server.id, `has been there since long (${start}, seed ${seed})`);
  if (start === "by-hand") return;
  if (site.address) life.moveAddress({ kind: "instance", instanceId: server.id });
  if (start !== "unnamed") store.put(`${STORE}/instance-id`, server.id);
  server.promoted = true;
  server.serves = true;
  server.tags.set("state", "serving");
  server.changed(world.now);
  world.dns = server.id;
  if (start === "two") life.place("controller", ageMs + (seed % 2 ? 1 : -1) * MINUTE_MS, true).promoted = true;
}

/** Watches until the site has come to rest and stayed so, or until it should have. */
function rest({ judge, world }: Aws): number | undefined {
  const { engine, schedule } = world;
  if (!world.violation && judge.isHopeless) {
    for (const end = world.now + HOPELESS_MS; world.now < end && !world.violation; ) {
      engine.run(world.now + LOOK_EVERY_MS);
      judge.watched();
    }
    if (!world.violation) judge.hopelessEnd();
    return undefined;
  }
  let restsSince = Number.POSITIVE_INFINITY;
  let why: string | undefined;
  while (!world.violation) {
    engine.run(world.now + LOOK_EVERY_MS);
    if (world.violation) break;
    if (maintenanceBegan(world)) world.stormEndsAt = Math.max(world.stormEndsAt, world.now);
    judge.watched();
    why = judge.unrest();
    if (why !== undefined || world.lastChangeAt > restsSince) restsSince = Number.POSITIVE_INFINITY;
    if (why === undefined && restsSince === Number.POSITIVE_INFINITY) restsSince = world.now;
    if (world.now - restsSince >= schedule.restMs) return Math.max(0, restsSince - world.stormEndsAt);
    if (
      world.now - schedule.restMs > world.stormEndsAt + RESTS_WITHIN_MS &&
      restsSince > world.stormEndsAt + RESTS_WITHIN_MS
    ) {
      world.violate(
        3,
        `${Math.round((world.now - world.stormEndsAt) / MINUTE_MS)} min after the storm: ${why ?? "it changes again and again"}`,
      );
    }
  }
  return undefined;
}

/** What waits for the maintenance window is done when it opens, be all as calm as it may. */
function maintenanceBegan({ now, schedule: { site } }: World): boolean {
  if (!site.maintenance) return false;
  const sinceOpening = (now % DAY_MS) - site.maintenance.from * HOUR_MS;
  return sinceOpening >= 0 && sinceOpening < LOOK_EVERY_MS;
}
