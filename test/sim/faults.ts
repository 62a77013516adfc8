import type { Aws } from "./fake-aws";
import type { Machine } from "./machine";
import { nonsense } from "./nonsense";
import { between, happens, mix } from "./random";
import { describeFault, type Fault, type FaultOf, isForEver, PARAMETERS, type Target } from "./schedule";
import { DRAW, IMAGE_PARAMETER, imageId, STORE, settingsOf } from "./world";

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const MOST_TRIES = 12;

/** Makes the schedule's faults happen. */
export class Faults {
  /** Terraform's state is locked while one works with it. */
  #locked = false;

  constructor(private readonly aws: Aws) {}

  plan(): void {
    const { world } = this.aws;
    const { faults, startsAt } = world.schedule;
    for (const fault of faults) world.engine.at(startsAt + fault.at, () => this.#begin(fault));
  }

  #begin(fault: Fault): void {
    const { world } = this.aws;
    world.story?.tell("fault", describeFault(fault));
    if (fault.lastsMs > 0) world.active.push(fault);
    let undo: (() => void) | undefined;
    if (fault.kind === "address") undo = this.#takeAddress(fault);
    else this.#happen(fault);
    if (fault.lastsMs === 0 || isForEver(fault)) return;
    world.engine.after(fault.lastsMs, () => {
      world.active.splice(world.active.indexOf(fault), 1);
      undo?.();
      world.story?.tell("fault", `#${fault.id} is over`);
    });
  }

  #happen(fault: Fault): void {
    const { bus, lambda, life, store, world } = this.aws;
    const key = world.key(DRAW.fault, fault.id);
    switch (fault.kind) {
      case "interruption":
        this.#to(fault.target, (machine) => life.interrupt(machine, fault.notice));
        break;
      case "rebalance":
        this.#to(fault.target, (machine) => this.#rebalance(machine, fault));
        break;
      case "sick":
        this.#to(fault.target, (machine) => life.sicken(machine, fault.lastsMs));
        break;
      case "hang":
        this.#to(fault.target, (machine) => life.hang(machine));
        break;
      case "person-ends":
        this.#to(fault.target, (machine) =>
          fault.how === "stop" ? life.stop(machine) : life.end(machine, "terminated by a person"),
        );
        break;
      case "person-launches":
        life.launch("person", false, world.templateVersion, "by hand");
        break;
      case "parameter":
        this.#write(fault);
        break;
      case "command":
        if (!world.destroyed) bus.send("stingy-vpn", "Command", { command: fault.command }, key);
        break;
      case "template":
        world.templateVersion++;
        world.targetChangedAt = world.now;
        if (fault.broken) world.brokenTargets.add(String(world.templateVersion));
        lambda.configure(settingsOf(world.schedule, world.templateVersion));
        world.engine.after(between(key, 1, 30) * SECOND_MS, () => this.terraform("update", fault.id));
        break;
      case "image":
        world.image++;
        world.targetChangedAt = world.now;
        if (fault.broken) world.brokenTargets.add(imageId(world.image));
        store.put(IMAGE_PARAMETER, imageId(world.image));
        break;
      case "terraform":
        this.terraform(fault.action, fault.id);
        break;
      case "nonsense":
        bus.deliver(nonsense(fault.which, world), `nonsense ${fault.which}`, key);
        break;
    }
  }

  #rebalance(machine: Machine, { interruptedAfterMs }: FaultOf<"rebalance">): void {
    const { life, world } = this.aws;
    life.recommendRebalance(machine);
    if (interruptedAfterMs !== undefined) world.engine.after(interruptedAfterMs, () => life.interrupt(machine, true));
  }

  #to(target: Target, what: (machine: Machine) => void): void {
    const machine = this.#find(target);
    if (machine) what(machine);
  }

  #find(target: Target): Machine | undefined {
    const { world } = this.aws;
    const left = world.machines.filter((machine) => world.isLeft(machine));
    if (target === "server") return left.find((machine) => world.isReached(machine)) ?? left[0];
    return target === "newest" ? left.at(-1) : left[0];
  }

  #takeAddress({ how }: FaultOf<"address">): (() => void) | undefined {
    const { life, world } = this.aws;
    if (!world.schedule.site.address) return undefined;
    if (how === "freed") {
      life.moveAddress({ kind: "nobody" });
      return undefined;
    }
    const stranger = how === "foreign" ? life.place("stranger", MINUTE_MS, false) : undefined;
    const taken = stranger
      ? ({ kind: "instance", instanceId: stranger.id } as const)
      : how === "other"
        ? ({ kind: "other", name: "eni-0123456789abcdef0" } as const)
        : ({ kind: "missing" } as const);
    life.moveAddress(taken);
    return () => {
      if (world.address.now === taken) life.moveAddress({ kind: "nobody" });
    };
  }

  #write({ name, value }: FaultOf<"parameter">): void {
    const { judge, store, world } = this.aws;
    if (world.destroyed) return;
    if (name !== "desired-state") judge.forgetFailures();
    const ended = world.machines.find(({ isEnded, isOurs }) => isOurs && isEnded);
    const text = { garbage: "{ what?", missing: undefined, ended: ended?.id ?? "i-00000000dead" }[value as string];
    const known = value === "garbage" || value === "missing" || value === "ended";
    store.put(`${STORE}/${name}`, known ? text : value);
  }

  /** Terraform waits for the answer, and a person runs it again when it fails. */
  terraform(action: "create" | "update" | "delete", id: number, tries = 1): void {
    const { judge, lambda, world } = this.aws;
    if (this.#locked) {
      world.engine.after(MINUTE_MS, () => this.terraform(action, id, tries));
      return;
    }
    if (world.destroyed && action !== "create") return;
    this.#locked = true;
    if (world.destroyed) this.#makeAnew();
    const event = { environment: "prod", site: "tokyo", tf: { action, prev_input: null } };
    const draining = action === "delete";
    if (draining) judge.drains++;
    lambda.run(event, `Terraform ${action}`, world.key(DRAW.terraform, id, tries), (failure) => {
      if (draining) judge.drains--;
      this.#locked = false;
      if (failure !== undefined) {
        const after = between(mix(world.key(DRAW.terraform, id, tries), 1), 1, 4) * MINUTE_MS;
        if (!world.calm) world.stormEndsAt = Math.max(world.stormEndsAt, world.now + after);
        if (tries < MOST_TRIES) world.engine.after(after, () => this.terraform(action, id, tries + 1));
        return;
      }
      if (!draining) return;
      world.counts.drains++;
      world.stormEndsAt = Math.max(world.stormEndsAt, world.now);
      if (world.desiredState !== "stopped") return;
      judge.drained();
      world.drainedSince = world.now;
      const key = world.key(DRAW.terraform, id, 100);
      if (!happens(key, 0.5)) return;
      this.#locked = true;
      world.engine.after(between(mix(key, 1), 1, 20) * SECOND_MS, () => this.#destroy());
    });
  }

  #destroy(): void {
    const { store, world } = this.aws;
    this.#locked = false;
    if (world.desiredState !== "stopped") return;
    world.story?.tell("Terraform", "deletes the parameters");
    world.destroyedAt = world.now;
    for (const name of PARAMETERS) store.put(`${STORE}/${name}`, undefined);
  }

  #makeAnew(): void {
    const { judge, store, world } = this.aws;
    world.story?.tell("Terraform", "makes the parameters");
    judge.forgetFailures();
    world.destroyedAt = Number.POSITIVE_INFINITY;
    world.drainedSince = Number.POSITIVE_INFINITY;
    world.stoppedSince = Number.POSITIVE_INFINITY;
    store.put(`${STORE}/instance-id`, "initial");
    store.put(`${STORE}/launches`, "none");
    store.put(`${STORE}/desired-state`, "running");
  }

  /** Whatever a person has to mend has been mended, except what is broken for ever. */
  calm(): void {
    const { store, world } = this.aws;
    world.calm = true;
    world.story?.tell("fault", "the storm is over");
    if (world.destroyed) return;
    const desired = world.desiredState;
    if (desired !== "running" && desired !== "stopped") store.put(`${STORE}/desired-state`, "running");
    const name = world.serverName;
    if (name !== undefined && !name.startsWith("i-")) store.put(`${STORE}/instance-id`, "initial");
  }
}
