import type { Bus } from "./bus";
import { Machine } from "./machine";
import { between, happens, mix, pick } from "./random";
import { MACHINE_KINDS, type MachineKind } from "./schedule";
import { DRAW, HOME, imageId, STORE, TEMPLATE, type World } from "./world";

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
/** The controller's own patience with a successor. */
const READY_WITHIN_MS = 10 * MINUTE_MS;
/** AWS's two minutes. */
const NOTICE_MS = 2 * MINUTE_MS;

/** From the launch of an instance to the day it is forgotten, and what the scripts on it do meanwhile. */
export class Life {
  #launched = 0;

  constructor(
    private readonly world: World,
    private readonly bus: Bus,
  ) {}

  /** Found or started before the schedule begins. */
  place(by: "controller" | "person" | "stranger", ageMs: number, spot: boolean, tagged = true): Machine {
    const machine = this.#make(
      by,
      "good",
      this.world.now - ageMs,
      spot,
      this.world.templateVersion,
      "before",
      0,
      tagged,
    );
    machine.state = "running";
    machine.fit = true;
    machine.tags.set("state", "ready");
    machine.changed(machine.launch.launchedAt);
    return machine;
  }

  launch(by: "controller" | "person", spot: boolean, version: number, token: string): Machine {
    const { world } = this;
    const number = this.#launched;
    const target = `${version} ${imageId(world.image)}`;
    const broken = [String(version), imageId(world.image)].some((part) => world.brokenTargets.has(part));
    const key = world.key(DRAW.machine, number);
    const kind = broken ? "never-ready" : this.#kind(number);
    const hidden = world.schedule.stale && happens(mix(key, 1), 0.5) ? between(mix(key, 2), 0, 20 * SECOND_MS) : 0;
    const machine = this.#make(by, kind, world.now, spot, version, token, hidden, true);
    world.counts.launches++;
    world.lastChangeAt = world.now;
    world.story?.tell(machine.id, `launched by the ${by}, ${spot ? "Spot" : "on-demand"}, ${kind}, from ${target}`);
    this.#announce(machine);
    this.#begin(machine, mix(key, 3));
    return machine;
  }

  #make(
    by: Machine["launch"]["by"],
    kind: MachineKind,
    launchedAt: number,
    spot: boolean,
    version: number,
    token: string,
    hiddenMs: number,
    tagged: boolean,
  ): Machine {
    const number = this.#launched++;
    const id = `i-${(mix(this.world.schedule.seed, 1000 + number) >>> 4).toString(16).padStart(8, "0")}${number.toString(16).padStart(2, "0")}`;
    const tags = new Map<string, string>();
    if (by !== "stranger") {
      tags.set("Project", "stingy-vpn").set("Environment", HOME.environment).set("Site", HOME.site);
      if (tagged) {
        tags.set("aws:ec2launchtemplate:id", TEMPLATE).set("aws:ec2launchtemplate:version", String(version));
        tags.set("launch", token);
      }
    }
    const visibleFrom = launchedAt + hiddenMs;
    const image = imageId(this.world.image);
    const machine = new Machine({ id, number, by, kind, launchedAt, spot, imageId: image, version, tags, visibleFrom });
    this.world.machines.push(machine);
    this.world.byId.set(id, machine);
    return machine;
  }

  #kind(number: number): MachineKind {
    const { world } = this;
    const fault = world.fault("machines", ({ id, rate }) => happens(world.key(DRAW.machine, number, id + 100), rate));
    if (fault) return fault.become;
    if (world.calm) return "good";
    const key = world.key(DRAW.machine, number, 1);
    return happens(key, 0.15) ? pick(mix(key, 1), MACHINE_KINDS) : "good";
  }

  #begin(machine: Machine, key: number): void {
    const { kind } = machine.launch;
    const runsAfter = between(mix(key, 1), 2, 20) * SECOND_MS;
    // Half of them just when they are being promoted.
    const later = between(mix(key, 3), 0, happens(mix(key, 5), 0.5) ? 20 : 300) * SECOND_MS;
    if (kind === "dies-booting")
      this.#after(machine, between(mix(key, 4), 3, 90) * SECOND_MS, () => this.end(machine, "died at boot"));
    this.#after(machine, runsAfter, () => {
      if (machine.state !== "pending") return;
      this.#become(machine, "running");
      const bootMs = bootTime(kind, runsAfter, mix(key, 2));
      if (bootMs === undefined) return;
      if (kind === "too-slow")
        this.#after(machine, bootMs - 8 * SECOND_MS, () => this.bus.neighbours(mix(key, 6), 0.7));
      this.#after(machine, bootMs, () => {
        this.#getReady(machine);
        if (kind === "ready-then-dies") this.#after(machine, later, () => this.end(machine, "died"));
        if (kind === "sick") this.#after(machine, later, () => this.sicken(machine, 2 * later));
        if (kind === "hangs") this.#after(machine, later, () => this.hang(machine));
      });
    });
  }

  #getReady(machine: Machine): void {
    if (machine.hung) return;
    const { world } = this;
    this.bus.neighbours(world.key(DRAW.machine, machine.launch.number, 11), 0.2);
    machine.fit = true;
    this.speak(machine, () => {
      world.counts.readyServers++;
      this.bus.server(machine, "Server Ready");
      if (machine.launch.kind === "ready-twice") this.bus.server(machine, "Server Ready");
    });
    if (world.isReached(machine)) this.addressCame(machine);
  }

  /** The server's address has come: it notices, and serves. */
  addressCame(machine: Machine): void {
    const { world } = this;
    const key = world.key(DRAW.machineEvent, machine.launch.number, world.now & 0xffff);
    const notices = world.schedule.site.address ? between(key, 0, 5000) : between(key, 0, 31_000);
    this.#after(machine, notices, () => {
      if (!world.isReached(machine) || !machine.fit || machine.hung || machine.state !== "running") return;
      machine.serves = true;
      machine.stoodDown = false;
      this.speak(machine);
    });
  }

  addressWent(machine: Machine): void {
    const { world } = this;
    const key = world.key(DRAW.machineEvent, machine.launch.number, world.now & 0xffff);
    this.#after(machine, between(key, 2000, 12_000), () => {
      if (world.isReached(machine) || !machine.serves || machine.hung || machine.state !== "running") return;
      machine.serves = false;
      machine.stoodDown = true;
      this.speak(machine);
    });
  }

  /** Puts into its `state` tag what it is by then. */
  speak(machine: Machine, afterwards?: () => void): void {
    const { world } = this;
    const key = world.key(DRAW.machineEvent, machine.launch.number, 1 + (world.now & 0xffff));
    const delay = !world.calm && happens(key, 0.05) ? between(mix(key, 1), 0, 60_000) : between(mix(key, 1), 0, 1500);
    this.#after(machine, delay, () => {
      const { word } = machine;
      if (machine.hung || machine.state !== "running" || word === undefined) return;
      if (machine.tags.get("state") !== word) {
        machine.tags.set("state", word);
        machine.changed(world.now);
        world.story?.tell(machine.id, `says ${word}`);
      }
      afterwards?.();
    });
  }

  sicken(machine: Machine, lastsMs: number): void {
    if (!machine.fit || machine.sick || machine.hung || machine.state !== "running") return;
    machine.sick = true;
    this.speak(machine);
    this.#after(machine, lastsMs, () => {
      machine.sick = false;
      this.speak(machine);
    });
  }

  hang(machine: Machine): void {
    if (machine.hung || machine.isEnded) return;
    const { world } = this;
    machine.hung = true;
    world.story?.tell(machine.id, "hangs");
    this.#after(machine, between(world.key(DRAW.machine, machine.launch.number, 7), 60, 180) * SECOND_MS, () => {
      machine.impaired = true;
      machine.changed(world.now);
    });
  }

  interrupt(machine: Machine, noticed: boolean): void {
    if (!machine.launch.spot || machine.doomed || machine.isEnded) return;
    const { world } = this;
    world.counts.interruptions++;
    world.story?.tell(machine.id, noticed ? "AWS announces its interruption" : "AWS takes it without notice");
    if (!noticed) {
      this.end(machine, "taken by AWS");
      return;
    }
    machine.doomed = true;
    this.bus.ec2(machine, "EC2 Spot Instance Interruption Warning", { "instance-action": "terminate" });
    this.#after(machine, between(world.key(DRAW.machine, machine.launch.number, 8), 0, 6) * SECOND_MS, () => {
      if (!machine.hung && machine.fit) this.bus.server(machine, "Server Notice", { notice: "interruption" });
    });
    this.#after(machine, NOTICE_MS, () => this.end(machine, "taken by AWS"));
  }

  recommendRebalance(machine: Machine): void {
    if (machine.isEnded) return;
    this.world.story?.tell(machine.id, "AWS recommends to rebalance it");
    this.bus.ec2(machine, "EC2 Instance Rebalance Recommendation", {});
    if (!machine.hung && machine.fit) this.bus.server(machine, "Server Notice", { notice: "rebalance" });
  }

  stop(machine: Machine): void {
    if (machine.state !== "running") return;
    this.#become(machine, "stopping");
    this.#after(machine, 30 * SECOND_MS, () => {
      if (machine.state === "stopping") this.#become(machine, "stopped");
    });
  }

  end(machine: Machine, why: string): void {
    if (machine.isEnded) return;
    const { world } = this;
    const key = world.key(DRAW.machine, machine.launch.number, 9);
    world.lastChangeAt = world.now;
    world.story?.tell(machine.id, `ends: ${why}`);
    this.#become(machine, "shutting-down");
    const freesAddress = () => {
      if (world.holds(machine)) this.moveAddress({ kind: "nobody" });
    };
    const atOnce = happens(mix(key, 1), 0.5);
    if (atOnce) freesAddress();
    world.engine.after(between(mix(key, 2), 2, 45) * SECOND_MS, () => {
      this.#become(machine, "terminated");
      freesAddress();
      machine.tagsGoneFrom = world.now + between(mix(key, 3), 1, 20) * MINUTE_MS;
      machine.goneFrom = machine.tagsGoneFrom + between(mix(key, 4), 0, 40) * MINUTE_MS;
    });
  }

  moveAddress(to: ReturnType<() => World["address"]["now"]>): void {
    const { world } = this;
    const from = world.address.now;
    world.address.set(world.now, to);
    world.lastChangeAt = world.now;
    const before = from.kind === "instance" ? world.byId.get(from.instanceId) : undefined;
    const after = to.kind === "instance" ? world.byId.get(to.instanceId) : undefined;
    if (before && before !== after) this.addressWent(before);
    if (after && before !== after) this.addressCame(after);
  }

  /** Where there is no address the parameter tells the server that it is the one. */
  nameWritten(): void {
    const { world } = this;
    if (world.schedule.site.address) return;
    const named = world.byId.get(world.parameter(`${STORE}/instance-id`) ?? "");
    if (named?.fit) this.addressCame(named);
  }

  #become(machine: Machine, state: Machine["state"]): void {
    machine.state = state;
    machine.changed(this.world.now);
    this.world.story?.tell(machine.id, state);
    this.#announce(machine);
  }

  #announce(machine: Machine): void {
    this.bus.ec2(machine, "EC2 Instance State-change Notification", { state: machine.state });
  }

  /** What an instance does ends with it. */
  #after(machine: Machine, ms: number, then: () => void): void {
    this.world.engine.after(ms, () => {
      if (!machine.isEnded) then();
    });
  }
}

function bootTime(kind: MachineKind, runsAfter: number, key: number): number | undefined {
  switch (kind) {
    case "never-ready":
    case "dies-booting":
      return undefined;
    case "slow":
      return between(key, 180, 510) * SECOND_MS;
    case "too-slow":
      // Half of them just when they are being given up.
      if (happens(key, 0.5)) return READY_WITHIN_MS - runsAfter + between(mix(key, 1), -5, 10) * SECOND_MS;
      return between(key, 570, 840) * SECOND_MS;
    default:
      return between(key, 30, 150) * SECOND_MS;
  }
}
