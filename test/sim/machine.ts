import type { CloudInstance } from "../../assets/lambda/recovery-handler/cloud";
import type { MachineKind } from "./schedule";

const IMPAIRED_AFTER_END_MS = 20_000;
const READY = new Set(["ready", "serving", "stood-down"]);

export interface Launch {
  readonly id: string;
  readonly number: number;
  readonly by: "controller" | "person" | "stranger";
  readonly kind: MachineKind;
  readonly launchedAt: number;
  readonly spot: boolean;
  readonly imageId: string;
  readonly version: number;
  readonly tags: ReadonlyMap<string, string>;
  /** The list of instances does not show it before. */
  readonly visibleFrom: number;
}

/** An instance as it truly is, and as it was. */
export class Machine {
  readonly id: string;
  readonly tags: Map<string, string>;
  state: "pending" | "running" | "shutting-down" | "terminated" | "stopping" | "stopped" = "pending";
  /** Bootstrapped. */
  fit = false;
  sick = false;
  /** Answers nobody any more. */
  hung = false;
  impaired = false;
  serves = false;
  stoodDown = false;
  /** AWS has announced that it takes it. */
  doomed = false;
  promoted = false;
  wasReady = false;
  tagsGoneFrom = Number.POSITIVE_INFINITY;
  goneFrom = Number.POSITIVE_INFINITY;
  #unreadyFrom = Number.NEGATIVE_INFINITY;
  readonly #times: number[] = [];
  readonly #views: CloudInstance[] = [];
  readonly #launchedAt: Date;

  constructor(readonly launch: Launch) {
    this.id = launch.id;
    this.tags = new Map(launch.tags);
    this.#launchedAt = new Date(launch.launchedAt);
    this.changed(launch.launchedAt);
  }

  get isOurs(): boolean {
    return this.launch.by !== "stranger";
  }

  get isEnded(): boolean {
    return this.state === "terminated" || this.state === "shutting-down";
  }

  get isMarkedAsEnding(): boolean {
    return (this.tags.get("ending") ?? "") !== "";
  }

  /** What its `state` tag ought to say. */
  get word(): string | undefined {
    if (this.stoodDown) return "stood-down";
    if (!this.fit) return undefined;
    if (this.sick) return "unhealthy:egress";
    return this.serves ? "serving" : "ready";
  }

  get isWell(): boolean {
    return this.state === "running" && this.fit && !this.sick && !this.hung && !this.stoodDown;
  }

  wasReadyWithin(ms: number, now: number): boolean {
    return now - this.#unreadyFrom <= ms;
  }

  /** No sooner gone from the list of the impaired than it is shown as what it became. */
  isSeenImpaired(now: number): boolean {
    return this.impaired && (this.state === "running" || now - (this.#times.at(-1) as number) <= IMPAIRED_AFTER_END_MS);
  }

  /** To be called after every change of what AWS shows. */
  changed(now: number): void {
    const ready = this.state === "running" && !this.impaired && READY.has(this.tags.get("state") ?? "");
    if (ready) {
      this.wasReady = true;
      this.#unreadyFrom = Number.POSITIVE_INFINITY;
    } else if (this.#unreadyFrom === Number.POSITIVE_INFINITY) {
      this.#unreadyFrom = now;
    }
    this.#times.push(now);
    this.#views.push({
      id: this.id,
      state: this.state,
      launchedAt: this.#launchedAt,
      spot: this.launch.spot,
      imageId: this.launch.imageId,
      tags: new Map(this.tags),
    });
  }

  /** As AWS showed it then, looked at now. */
  seen(then: number, now: number): CloudInstance | undefined {
    if (now < this.launch.visibleFrom || now >= this.goneFrom) return undefined;
    let index = this.#times.length - 1;
    while (index > 0 && (this.#times[index] as number) > then) index--;
    const view = this.#views[index] as CloudInstance;
    return now < this.tagsGoneFrom ? view : { ...view, tags: new Map() };
  }
}
