import type { Lambda } from "./lambda";
import type { Machine } from "./machine";
import { between, happens, mix } from "./random";
import { DRAW, HOME, type World } from "./world";

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const TICK_MINUTES = 5;
const LATEST_MS = 10 * MINUTE_MS;

/** EventBridge: most events arrive once and soon. */
export class Bus {
  #sent = 0;
  #minuteTicks = 0;

  constructor(
    private readonly world: World,
    private readonly lambda: Lambda,
  ) {}

  ec2(machine: Machine, type: string, detail: Record<string, string>): void {
    this.send("aws.ec2", type, { "instance-id": machine.id, ...detail }, this.#machineKey(machine));
  }

  server(machine: Machine, type: string, detail: Record<string, string> = {}): void {
    const { environment, site } = HOME;
    const said = { environment, site, "instance-id": machine.id, ...detail };
    this.send("stingy-vpn", type, said, this.#machineKey(machine));
  }

  send(source: string, type: string, detail: Record<string, unknown>, key: number): void {
    const { world } = this;
    const time = new Date(world.now).toISOString();
    const { account, region } = HOME;
    const event = { version: "0", id: String(key), source, account, region, time, "detail-type": type, detail };
    const about = typeof detail["instance-id"] === "string" ? ` ${detail["instance-id"]}` : "";
    const what = detail.state ?? detail.notice ?? detail.command ?? "";
    this.deliver(event, `${type}${about} ${what}`.trimEnd(), key);
  }

  /** Once, or not at all, or twice, or long after others that were sent later. */
  deliver(event: unknown, name: string, key: number): void {
    const { world } = this;
    let copies = 1;
    let late = 0;
    for (const fault of world.active) {
      if (fault.kind !== "events") continue;
      const own = mix(key, fault.id);
      if (happens(mix(own, 1), fault.lose)) copies = 0;
      if (happens(mix(own, 2), fault.double)) copies *= 2;
      if (happens(mix(own, 3), fault.late)) late = between(mix(own, 4), 0, LATEST_MS);
    }
    if (copies === 0) {
      world.counts.lostEvents++;
      world.story?.tell("event", `lost: ${name}`);
      return;
    }
    if (copies > 1) world.counts.doubledEvents++;
    if (late > 0) world.counts.lateEvents++;
    for (let copy = 0; copy < copies; copy++) {
      const own = mix(key, 1000 + copy);
      const delay =
        (copy === 0 || happens(own, 0.5) ? late : 0) +
        between(mix(own, 1), 50, copy === 0 || happens(mix(own, 2), 0.5) ? 1500 : 20_000);
      if (!world.calm) world.stormEndsAt = Math.max(world.stormEndsAt, world.now + delay);
      world.engine.after(delay, () => this.lambda.invoke(event, copy === 0 ? name : `${name} (again)`, own));
    }
  }

  /** Other instances of the account change their state too, which wakes the controller again and again. */
  neighbours(key: number, rate: number): void {
    if (this.world.calm || !happens(key, rate)) return;
    const detail = { "instance-id": "i-0fedcba9876543210", state: "running" };
    for (let event = 1; event <= 6; event++) {
      const own = mix(key, event);
      this.world.engine.after(between(own, 0, 25_000), () =>
        this.send("aws.ec2", "EC2 Instance State-change Notification", detail, own),
      );
    }
  }

  startTicks(): void {
    const tick = (number: number) => {
      this.deliver({ source: "stingy-vpn", "detail-type": "Tick" }, "Tick", this.world.key(DRAW.tick, number));
      this.world.engine.after(TICK_MINUTES * MINUTE_MS, () => tick(number + 1));
    };
    this.world.engine.after(between(this.world.key(DRAW.tick, 0), 0, TICK_MINUTES * 60) * SECOND_MS, () => tick(1));
  }

  switchMinuteTicks(on: boolean): void {
    const { world } = this;
    if (world.ticksEveryMinute === on) return;
    world.ticksEveryMinute = on;
    const generation = ++this.#minuteTicks;
    const tick = (number: number) => {
      if (generation !== this.#minuteTicks || !world.ticksEveryMinute) return;
      const event = { source: "stingy-vpn", "detail-type": "Pending Tick" };
      this.deliver(event, "Pending Tick", world.key(DRAW.tick, number, 1));
      world.engine.after(MINUTE_MS, () => tick(number + 1));
    };
    const minute = Math.floor(world.now / MINUTE_MS) + 1;
    const second = between(world.key(DRAW.tick, 0, 2), 0, 59);
    if (on) world.engine.at(minute * MINUTE_MS + second * SECOND_MS, () => tick(minute & 0xffff));
  }

  #machineKey(machine: Machine): number {
    return this.world.key(DRAW.machineEvent, machine.launch.number, 0x10000 + this.#sent++);
  }
}
