import type { Machine } from "./machine";
import { isForEver } from "./schedule";
import { imageId, type World } from "./world";

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
/** The controller's own: what takes longer to get ready is no successor any more. */
const READY_WITHIN_MS = 10 * MINUTE_MS;
/** A run that looked just before the site was stopped may act upon it for so long: 3 s of an old parameter, 20 s until it gives up, three calls. */
const STOP_ARRIVES_WITHIN_MS = 60 * SECOND_MS;
/** What the last look before the move shows may be 10 s old, and that look and the move itself take up to 3 s each; stalled, 9.5. */
const LOOKED_JUST_NOW_MS = 16 * SECOND_MS;
const LOOKED_LONG_AGO_MS = 29 * SECOND_MS;
/** The longest that a look takes. */
const LOOKED_RIGHT_BEFORE_MS = 9500;
/** The regular tick, and a little more until its run has acted. */
const WATCHED_AFTER_MS = 6 * MINUTE_MS;
const CHANGE_ARRIVES_WITHIN_MS = 30 * SECOND_MS;
const PARAMETER_SEEN_FOR_MS = 3 * SECOND_MS;
const RATE_WINDOW_MS = 120 * MINUTE_MS;
/** At 0, 10, 20, 30, 40, 56, 86 and 116 minutes: ten minutes to get ready, and the backoff from each launch to the next. */
const MOST_IN_RATE_WINDOW = 8;
/** Less than lies between one attempt and the next. */
const SAME_ATTEMPT_WITHIN_MS = 40 * SECOND_MS;
/** The first one, and five more until it is given up. */
const MOST_BESIDE_A_HEALTHY_SERVER = 6;
const TOLD_WITHIN_MS = 15 * MINUTE_MS;
const TOO_OLD_MS = 14 * 24 * 60 * MINUTE_MS;

/** Holds what happens against the invariants of the controller. */
export class Judge {
  /** Launches in a row from one target, none of which got ready. */
  #row: Row = emptyRow("");
  #errorAt = Number.NEGATIVE_INFINITY;
  /** Functions at work to stop the site for Terraform. */
  drains = 0;

  constructor(private readonly world: World) {}

  launched(machine: Machine): void {
    const { world } = this;
    if (world.drainedSince < world.now) world.violate(3, `${machine.id} is launched although the site was drained`);
    if (world.desiredState === "stopped" && world.now - world.stoppedSince > STOP_ARRIVES_WITHIN_MS) {
      world.violate(3, `${machine.id} is launched although the site has been stopped for long`);
    }
    const server = this.#server();
    const successors = world.machines.filter((other) => this.#isSuccessor(other, server));
    if (successors.length > 1) {
      world.violate(4, `${successors.map(({ id }) => id).join(" and ")} are successors at the same time`);
    }
    this.#countInRow(machine);
  }

  /** What the row is counted from has changed, or a person wants a new try. */
  forgetFailures(): void {
    this.#row = emptyRow("");
  }

  /**
   * A run wrote down that AWS answered its attempt with an error. Where another run made the same attempt and got a
   * machine, one of the two is forgotten, and so is that this machine failed: one launch more is no sign of a mistake.
   */
  attemptFailed(): void {
    const { now } = this.world;
    this.#errorAt = now;
    for (const machine of this.#row.machines) {
      if (now - machine.launch.launchedAt < SAME_ATTEMPT_WITHIN_MS) this.#row.forgotten.add(machine);
    }
  }

  #countInRow(machine: Machine): void {
    const { world } = this;
    // The controller may not have known yet what it launched from.
    if (world.now - world.targetChangedAt < CHANGE_ARRIVES_WITHIN_MS) return;
    const target = `${machine.launch.version} ${machine.launch.imageId}`;
    if (this.#row.target !== target || this.#row.machines.some(({ wasReady }) => wasReady))
      this.#row = emptyRow(target);
    const row = this.#row;
    row.at.push(world.now);
    row.machines.push(machine);
    if (world.now - this.#errorAt < SAME_ATTEMPT_WITHIN_MS) row.forgotten.add(machine);
    if (world.machines.some((other) => other.isOurs && other.isWell && !other.doomed && world.isReached(other)))
      row.besideHealthy++;
    const recent = row.at.filter((at) => world.now - at < RATE_WINDOW_MS).length;
    if (recent > MOST_IN_RATE_WINDOW + row.forgotten.size)
      world.violate(4, `${recent} launches in two hours, none of which got ready`);
    if (row.besideHealthy > MOST_BESIDE_A_HEALTHY_SERVER + row.forgotten.size) {
      world.violate(4, `${row.besideHealthy} launches in a row beside a healthy server, none of which got ready`);
    }
  }

  #server(): Machine | undefined {
    return this.world.machines.find((machine) => this.world.isLeft(machine) && this.world.isReached(machine));
  }

  #isSuccessor(machine: Machine, server: Machine | undefined): boolean {
    const { launch, state } = machine;
    if (launch.by !== "controller" || (state !== "pending" && state !== "running")) return false;
    if (machine.promoted || machine.doomed || machine.isMarkedAsEnding) return false;
    // One that is older than the server waits for its end.
    if (server && launch.launchedAt < server.launch.launchedAt) return false;
    return this.world.now - launch.launchedAt <= READY_WITHIN_MS;
  }

  /** The address, or the name where there is none, is about to move there. */
  promoted(id: string, lookedMsAgo: number, stalled: boolean): void {
    const { world } = this;
    const machine = world.byId.get(id);
    if (!machine?.isOurs) {
      world.violate(1, `the address moves to ${id}, which is not the site's`);
      return;
    }
    if (!machine.wasReadyWithin(stalled ? LOOKED_LONG_AGO_MS : LOOKED_JUST_NOW_MS, world.now)) {
      const state = `${machine.state}, state ${machine.tags.get("state") ?? "unsaid"}`;
      world.violate(1, `the address moves to ${id}, which is not ready (${state})`);
    }
    if (lookedMsAgo > LOOKED_RIGHT_BEFORE_MS) world.violate(1, `the address moves to ${id} without another look at it`);
    machine.promoted = true;
    // One that lasts ends the row for the controller, whoever started it.
    if (machine.launch.by === "person") this.forgetFailures();
  }

  terminated(machine: Machine): void {
    const { world } = this;
    const stopped = world.isStopped || world.now - world.lastStoppedAt < STOP_ARRIVES_WITHIN_MS;
    if (stopped || this.drains > 0 || !machine.isWell || !world.isReached(machine)) return;
    world.violate(2, `${machine.id} serves and is terminated`);
  }

  drained(): void {
    const { world } = this;
    // What a person starts meanwhile may be too new to be seen.
    const left = world.machines.filter(({ launch, state }) => launch.by === "controller" && state !== "terminated");
    if (left.length > 0) world.violate(3, `the site is said to be drained, but there is ${names(left)}`);
  }

  /** A run that looked before Terraform deleted it may still write a parameter. */
  written(name: string, run: { readonly startedAt: number }): void {
    if (run.startedAt <= this.world.destroyedAt + PARAMETER_SEEN_FOR_MS) return;
    this.world.violate(3, `${name} is written, although Terraform has destroyed the site`);
  }

  /** While a successor is awaited somebody looks every minute. */
  watched(): void {
    const { world } = this;
    if (world.ticksEveryMinute || world.desiredState !== "running" || world.now < world.stormEndsAt + WATCHED_AFTER_MS)
      return;
    const server = this.#server();
    const successor = world.machines.find(
      (machine) => this.#isSuccessor(machine, server) && world.now - machine.launch.launchedAt > WATCHED_AFTER_MS,
    );
    if (successor) world.violate(3, `${successor.id} is awaited, and nobody looks every minute`);
  }

  /** Why the site is not as it should stay; undefined once it is. */
  unrest(): string | undefined {
    const { world } = this;
    const left = world.machines.filter((machine) => world.isLeft(machine));
    // What a person starts there now is nobody's, and the rules are gone like the parameters.
    if (world.destroyed)
      return left.some(({ launch }) => launch.by === "controller") ? `${names(left)} is left` : undefined;
    if (world.ticksEveryMinute) return "it is still watched every minute";
    if (world.isStopped) return left.length > 0 ? `stopped, but ${names(left)} is left` : undefined;
    const [server] = left;
    if (!server) return "no instance is left";
    if (left.length > 1) return `${names(left)} are left`;
    if (!server.isWell || server.tags.get("state") !== "serving") return `${server.id} does not serve`;
    if (world.schedule.site.address && !world.holds(server)) return `${server.id} does not hold the address`;
    if (world.serverName !== server.id) return `instance-id is ${world.serverName}, not ${server.id}`;
    if (world.schedule.site.dns && world.dns !== server.id) return `DNS says ${world.dns}, not ${server.id}`;
    const outdated = this.#outdated(server);
    return outdated && world.now - world.lastTroubleAt > TOLD_WITHIN_MS ? outdated : undefined;
  }

  #outdated(server: Machine): string | undefined {
    const { world } = this;
    const { version, imageId: image, launchedAt } = server.launch;
    if (server.tags.has("aws:ec2launchtemplate:version") && version !== world.templateVersion) {
      return `${server.id} is of template version ${version}, not ${world.templateVersion}`;
    }
    // Whether the window was open long enough is a matter of the day.
    if (world.schedule.site.maintenance) return undefined;
    if (image !== imageId(world.image)) return `${server.id} has the image ${image}, not ${imageId(world.image)}`;
    return world.now - launchedAt > TOO_OLD_MS ? `${server.id} is too old` : undefined;
  }

  /** Nothing that could be launched would work. */
  get isHopeless(): boolean {
    const { world } = this;
    if (world.active.some(isForEver)) return true;
    return [String(world.templateVersion), imageId(world.image)].some((part) => world.brokenTargets.has(part));
  }

  /** Whoever is without server must have been told. */
  hopelessEnd(): void {
    const { world } = this;
    const serving = world.machines.some((machine) => machine.isOurs && machine.isWell && world.isReached(machine));
    if (serving || world.desiredState !== "running") return;
    if (world.now - world.lastTroubleAt > TOLD_WITHIN_MS)
      world.violate(5, "the site does not serve, and nobody was told");
  }
}

interface Row {
  readonly target: string;
  readonly at: number[];
  readonly machines: Machine[];
  readonly forgotten: Set<Machine>;
  besideHealthy: number;
}

function emptyRow(target: string): Row {
  return { target, at: [], machines: [], forgotten: new Set(), besideHealthy: 0 };
}

function names(machines: readonly Machine[]): string {
  return machines.map(({ id }) => id).join(" and ");
}
