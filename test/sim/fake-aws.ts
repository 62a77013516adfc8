import {
  type AddressHolder,
  type Cloud,
  CloudError,
  type CloudInstance,
  type LaunchRequest,
  type Override,
  type Parameter,
} from "../../assets/lambda/recovery-handler/cloud";
import type { Bus } from "./bus";
import type { Dns } from "./dns";
import type { Fleet } from "./fleet";
import type { Judge } from "./judge";
import { type Lambda, type Run, runName } from "./lambda";
import type { Life } from "./life";
import type { Machine } from "./machine";
import { between, happens, mix } from "./random";
import type { CallName, FaultOf } from "./schedule";
import type { Store } from "./store";
import { STORE, type World } from "./world";

/** How old the answers may be. */
const STALE_INSTANCES_MS = 10_000;
const STALE_PARAMETERS_MS = 3000;
const STALE_ADDRESS_MS = 3000;

const NOTHING = () => "";

export interface Aws {
  readonly world: World;
  readonly life: Life;
  readonly fleet: Fleet;
  readonly store: Store;
  readonly dns: Dns;
  readonly bus: Bus;
  readonly judge: Judge;
  readonly lambda: Lambda;
}

/** AWS as one container of the function sees it: slow, a little behind the times, and with faults between any two calls. */
export class FakeAws implements Cloud {
  constructor(
    private readonly aws: Aws,
    private readonly current: { readonly run: Run },
  ) {}

  instances(): Promise<CloudInstance[]> {
    const { world } = this.aws;
    return this.#call("instances", NOTHING, (key) => {
      const seen: CloudInstance[] = [];
      for (const machine of world.machines) {
        if (!machine.isOurs || world.now >= machine.tagsGoneFrom) continue;
        const view = machine.seen(
          world.now - this.#lag(mix(key, machine.launch.number), STALE_INSTANCES_MS),
          world.now,
        );
        if (view) seen.push(view);
      }
      return seen;
    });
  }

  instancesById(ids: readonly string[]): Promise<CloudInstance[]> {
    const { world } = this.aws;
    return this.#call(
      "instancesById",
      () => ids.join(", "),
      (key) =>
        ids.flatMap((id, index) => {
          const lag = this.#lag(mix(key, index), STALE_INSTANCES_MS);
          this.current.run.looks.set(id, world.now);
          return world.byId.get(id)?.seen(world.now - lag, world.now) ?? [];
        }),
    );
  }

  impairedInstances(): Promise<string[]> {
    const { world } = this.aws;
    return this.#call("impairedInstances", NOTHING, () =>
      world.machines.filter((machine) => machine.isSeenImpaired(world.now)).map(({ id }) => id),
    );
  }

  parameters(names: readonly string[]): Promise<Map<string, Parameter>> {
    const { world } = this.aws;
    return this.#call("parameters", NOTHING, (key) => {
      const found = new Map<string, Parameter>();
      for (const [index, name] of names.entries()) {
        const then = world.now - this.#lag(mix(key, index), STALE_PARAMETERS_MS);
        const parameter = world.parameters.get(name)?.at(then);
        if (parameter) found.set(name, parameter);
      }
      return found;
    });
  }

  putParameter(name: string, value: string): Promise<void> {
    const { judge, store, world } = this.aws;
    const { run } = this.current;
    const looked = this.#lookedAgo(value);
    return this.#call(
      "putParameter",
      () => `${name.slice(STORE.length + 1)} = ${value}`,
      () => {
        if (name === `${STORE}/instance-id` && !world.schedule.site.address) {
          if (world.serverName !== value) world.counts.promotions++;
          judge.promoted(value, looked, run.stalled);
        }
        judge.written(name, this.current.run);
        if (name === `${STORE}/launches`) {
          // A person who says so wants a new try, also where there is no server to mark.
          if (run.name.startsWith("Command replace")) judge.forgetFailures();
          if (value.includes('"outcome":"failed"')) judge.attemptFailed();
        }
        store.put(name, value);
      },
    );
  }

  createParameter(name: string, value: string): Promise<void> {
    const { judge, store, world } = this.aws;
    return this.#call(
      "createParameter",
      () => `${name.slice(STORE.length + 1)} = ${value}`,
      () => {
        judge.written(name, this.current.run);
        if (world.parameter(name) === undefined) store.put(name, value);
      },
    );
  }

  addressHolder(): Promise<AddressHolder> {
    const { world } = this.aws;
    return this.#call("addressHolder", NOTHING, (key) =>
      world.address.at(world.now - this.#lag(key, STALE_ADDRESS_MS)),
    );
  }

  associateAddress(instanceId: string): Promise<void> {
    const { judge, life, world } = this.aws;
    const { run } = this.current;
    const looked = this.#lookedAgo(instanceId);
    return this.#call(
      "associateAddress",
      () => instanceId,
      () => {
        if (world.address.now.kind === "missing")
          throw new CloudError("associateAddress", "InvalidAllocationID.NotFound", "gone");
        const machine = this.#find("associateAddress", instanceId);
        if (machine.state !== "running" && machine.state !== "stopping" && machine.state !== "stopped") {
          throw new CloudError("associateAddress", "InvalidInstanceID", `${instanceId} is ${machine.state}`);
        }
        judge.promoted(instanceId, looked, run.stalled);
        if (!world.holds(machine)) {
          world.counts.promotions++;
          life.moveAddress({ kind: "instance", instanceId });
        }
      },
    );
  }

  createFleet(request: LaunchRequest) {
    const what = () => `${request.market}, token ${request.clientToken.slice(0, 8)}`;
    return this.#call("createFleet", what, () => this.aws.fleet.createFleet(request));
  }

  runInstance(request: LaunchRequest, override: Override): Promise<string> {
    const what = () =>
      `${request.market}, ${override.instanceType}, ${override.subnetId}, token ${request.clientToken.slice(0, 8)}`;
    return this.#call("runInstance", what, () => this.aws.fleet.runInstance(request, override));
  }

  terminate(instanceIds: readonly string[]): Promise<void> {
    const { judge, life, world } = this.aws;
    return this.#call(
      "terminate",
      () => instanceIds.join(", "),
      () => {
        // One that EC2 does not know keeps all from being ended.
        const machines = instanceIds.map((id) => this.#find("terminate", id));
        for (const machine of machines) {
          if (machine.isEnded) continue;
          world.counts.terminations++;
          judge.terminated(machine);
          life.end(machine, "terminated by the controller");
        }
      },
    );
  }

  tag(instanceId: string, key: string, value: string): Promise<void> {
    const { judge, world } = this.aws;
    return this.#call(
      "tag",
      () => `${instanceId} ${key}=${value}`,
      () => {
        const machine = this.#find("tag", instanceId);
        machine.tags.set(key, value);
        if (key === "notice" && value.startsWith("replace")) judge.forgetFailures();
        machine.changed(world.now);
      },
    );
  }

  updateDns(): Promise<void> {
    return this.#call("updateDns", NOTHING, () => this.aws.dns.ask());
  }

  watchClosely(enabled: boolean): Promise<void> {
    return this.#call(
      "watchClosely",
      () => String(enabled),
      () => this.aws.bus.switchMinuteTicks(enabled),
    );
  }

  /** How long ago this run saw the instance. */
  #lookedAgo(id: string): number {
    return this.aws.world.now - (this.current.run.looks.get(id) ?? Number.NEGATIVE_INFINITY);
  }

  #lag(key: number, most: number): number {
    return this.aws.world.schedule.stale && key & 1 ? between(mix(key, 1), 0, most) : 0;
  }

  #find(call: string, id: string): Machine {
    const { world } = this.aws;
    const machine = world.byId.get(id);
    if (machine?.seen(world.now, world.now)) return machine;
    throw new CloudError(call, "InvalidInstanceID.NotFound", `${id} does not exist`);
  }

  /** What is between the start of a call and its answer happens at its start or at its end: all that others could see in between is one of the two. */
  #call<T>(name: CallName, what: () => string, effect: (key: number) => T): Promise<T> {
    const { lambda, world } = this.aws;
    const { run } = this.current;
    const key = mix(run.key, ++run.calls);
    return new Promise((resolve, reject) => {
      if (run.over) return;
      const fate = this.#fate(name, key);
      if (fate !== undefined) this.#count(fate, run);
      const delay = latency(name, mix(key, 1), fate?.how === "stalls");
      if (lambda.isTooLate(run, world.now + delay)) return;
      world.counts.calls++;
      let answer: T | undefined;
      let error: unknown;
      const perform = () => {
        try {
          answer = effect(mix(key, 2));
        } catch (refusal) {
          error = refusal;
        }
      };
      const takesEffect =
        fate?.how !== "fails" && fate?.how !== "throttled" && (!isDeadly(fate) || happens(mix(key, 3), 0.5));
      const early = happens(mix(key, 4), 0.5);
      if (takesEffect && early) perform();
      if (isDeadly(fate) && happens(mix(key, 5), 0.5)) {
        world.story?.tell(runName(run), `${name} ${what()}`);
        lambda.kill(run, fate.how);
      }
      world.engine.after(delay, () => {
        if (takesEffect && !early) perform();
        if (fate?.how === "fails" || fate?.how === "lost") error = new CloudError(name, undefined, "no answer in time");
        if (fate?.how === "throttled") error = new CloudError(name, "RequestLimitExceeded", "too many requests");
        if (world.story && !run.over)
          world.story?.tell(runName(run), `${name} ${what()}${error ? ` -> ${error}` : describe(answer)}`);
        if (isDeadly(fate)) lambda.kill(run, fate.how);
        if (run.over) return;
        if (error === undefined) return resolve(answer as T);
        run.troubled = true;
        reject(error);
      });
    });
  }

  #fate(name: CallName, key: number): FaultOf<"calls"> | undefined {
    const { active } = this.aws.world;
    if (active.length === 0) return undefined;
    return this.aws.world.fault(
      "calls",
      ({ call, id, rate }) => (call === "any" || call === name) && happens(mix(key, 100 + id), rate),
    );
  }

  #count({ how }: FaultOf<"calls">, run: Run): void {
    const { counts } = this.aws.world;
    if (how === "fails") counts.failedCalls++;
    if (how === "lost") counts.lostAnswers++;
    if (how === "throttled") counts.throttledCalls++;
    if (how === "stalls") run.stalled = true;
    if (how === "dies" || how === "hangs") run.troubled = true;
  }
}

function isDeadly(fate: FaultOf<"calls"> | undefined): fate is FaultOf<"calls"> & { how: "dies" | "hangs" } {
  return fate?.how === "dies" || fate?.how === "hangs";
}

/** Their answers come page by page. */
const LISTS: readonly CallName[] = ["instances", "impairedInstances"];

/** Mostly quick; a stalled call is one that the SDK had to make twice. */
function latency(name: CallName, key: number, stalls: boolean): number {
  const launches = name === "createFleet" || name === "runInstance";
  if (stalls && LISTS.includes(name)) return between(mix(key, 1), 5000, 60_000);
  if (stalls) return between(mix(key, 1), 5000, launches ? 15_000 : 9500);
  if (happens(key, 0.8)) return between(mix(key, 1), launches ? 700 : 15, launches ? 3000 : 250);
  return between(mix(key, 1), 250, launches ? 10_000 : 3000);
}

/** The tags that the controller goes by. */
const TOLD_TAGS = ["state", "notice", "unhealthy-since", "ending"];

function describe(answer: unknown): string {
  if (answer === undefined) return "";
  if (answer instanceof Map) {
    const values = Array.from(
      answer as Map<string, Parameter>,
      ([name, { value }]) => `${name.split("/").at(-1)} ${value}`,
    );
    return ` -> ${values.join(", ")}`;
  }
  if (!Array.isArray(answer)) return ` -> ${JSON.stringify(answer)}`;
  return ` -> ${answer.map((each) => (typeof each === "string" ? each : describeInstance(each))).join("; ") || "none"}`;
}

function describeInstance({ id, state, tags }: CloudInstance): string {
  const told = TOLD_TAGS.flatMap((tag) => (tags.get(tag) ? [`${tag} ${tags.get(tag)}`] : []));
  return [`${id} ${state}`, ...told].join(", ");
}
