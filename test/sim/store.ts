import type { Parameter } from "../../assets/lambda/recovery-handler/cloud";
import type { Life } from "./life";
import { Past } from "./past";
import { STORE, type World } from "./world";

/** Parameter Store. */
export class Store {
  constructor(
    private readonly world: World,
    private readonly life: Life,
  ) {}

  put(name: string, value: string | undefined): void {
    const { world } = this;
    const before = world.parameter(name);
    // A run that looked before resumes the site while Terraform takes it down, which Terraform then cannot.
    if (name === `${STORE}/desired-state` && value === "running") world.destroyedAt = Number.POSITIVE_INFINITY;
    const parameter: Parameter | undefined =
      value === undefined ? undefined : { value, modifiedAt: new Date(world.now) };
    const past = world.parameters.get(name);
    if (past) past.set(world.now, parameter);
    else world.parameters.set(name, new Past<Parameter | undefined>(world.now, parameter));
    if (name === `${STORE}/desired-state`) this.#desired(before, value);
    if (name === `${STORE}/instance-id`) {
      if (before !== value) world.lastChangeAt = world.now;
      this.life.nameWritten();
    }
  }

  #desired(before: string | undefined, value: string | undefined): void {
    const { world } = this;
    if (before === value || world.destroyed) return;
    world.lastChangeAt = world.now;
    if (value === "stopped") {
      world.counts.pauses++;
      world.stoppedSince = world.now;
      return;
    }
    if (before === "stopped") world.lastStoppedAt = world.now;
    world.stoppedSince = Number.POSITIVE_INFINITY;
    world.drainedSince = Number.POSITIVE_INFINITY;
  }
}
