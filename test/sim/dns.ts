import { between, happens, mix } from "./random";
import { DRAW, STORE, type World } from "./world";

const REPEATS_AFTER_MS = [60_000, 120_000] as const;

/** The DDNS updater and the record that it writes. */
export class Dns {
  #asked = 0;

  constructor(private readonly world: World) {}

  ask(): void {
    const { world } = this;
    const key = world.key(DRAW.dns, this.#asked++);
    world.engine.after(between(key, 200, 8000), () => this.#update(key, 0));
  }

  #update(key: number, repeats: number): void {
    const { world } = this;
    const own = mix(key, repeats);
    const lag = world.schedule.stale ? between(own, 0, 3000) : 0;
    const named = world.parameters.get(`${STORE}/instance-id`)?.at(world.now - lag)?.value;
    const machine = world.byId.get(named ?? "");
    const fails = world.fault("dns", ({ id, rate }) => happens(mix(own, id), rate)) !== undefined;
    if (!fails && machine?.state === "running") {
      if (world.dns !== machine.id) {
        world.counts.dnsWritten++;
        world.story?.tell("DDNS", `the record now says ${machine.id}`);
        world.dns = machine.id;
        world.lastChangeAt = world.now;
      }
      return;
    }
    world.counts.dnsFailed++;
    world.story?.tell("DDNS", fails ? "Cloudflare refuses" : `instance-id is ${named}: no such server`);
    const after = REPEATS_AFTER_MS[repeats];
    if (after !== undefined) world.engine.after(after, () => this.#update(key, repeats + 1));
  }
}
