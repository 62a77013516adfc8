import type { AddressHolder, Parameter } from "../../assets/lambda/recovery-handler/cloud";
import { DAYS } from "../../assets/lambda/recovery-handler/maintenance";
import type { Settings } from "../../assets/lambda/recovery-handler/settings";
import { Engine } from "./engine";
import type { Machine } from "./machine";
import { Past } from "./past";
import { mix } from "./random";
import type { Fault, FaultOf, Schedule } from "./schedule";
import { Story } from "./story";

export const HOME = { environment: "prod", site: "tokyo", region: "ap-northeast-1", account: "111111111111" } as const;
export const STORE = "/stingy-vpn/prod";
export const IMAGE_PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64";
export const TEMPLATE = "lt-0123456789abcdef0";

export interface Violation {
  readonly invariant: number;
  readonly what: string;
  readonly at: number;
}

/** What is counted, to show that the faults did happen. */
export const COUNTS = {
  runs: 0,
  calls: 0,
  launches: 0,
  launchesRefused: 0,
  promotions: 0,
  terminations: 0,
  interruptions: 0,
  readyServers: 0,
  crashes: 0,
  timeouts: 0,
  failedCalls: 0,
  lostAnswers: 0,
  throttledCalls: 0,
  failedRuns: 0,
  repeatedRuns: 0,
  concurrentRuns: 0,
  lostEvents: 0,
  doubledEvents: 0,
  lateEvents: 0,
  sameTokenAgain: 0,
  dnsWritten: 0,
  dnsFailed: 0,
  drains: 0,
  pauses: 0,
};
export type Counts = typeof COUNTS;

/** Kinds of draws: the same numbers of another kind are another draw. */
export const DRAW = {
  tick: 1,
  machine: 2,
  machineEvent: 3,
  fault: 4,
  dns: 5,
  retry: 6,
  call: 7,
  event: 8,
  run: 9,
  terraform: 10,
} as const;

/** What is so, whoever sees it. */
export class World {
  readonly engine: Engine;
  readonly story: Story | undefined;
  readonly counts: Counts = { ...COUNTS };
  readonly machines: Machine[] = [];
  readonly byId = new Map<string, Machine>();
  readonly address: Past<AddressHolder>;
  readonly parameters = new Map<string, Past<Parameter | undefined>>();
  /** The faults that last and have begun. */
  readonly active: Fault[] = [];
  /** The instance of the record's content. */
  dns: string | undefined;
  ticksEveryMinute = false;
  settings: Settings;
  templateVersion = 7;
  image = 1;
  targetChangedAt = Number.NEGATIVE_INFINITY;
  /** What starts no machine that works. */
  readonly brokenTargets = new Set<string>();
  calm = false;
  /** When nothing that the storm caused is on its way any more. */
  stormEndsAt: number;
  violation: Violation | undefined;
  lastTroubleAt = Number.NEGATIVE_INFINITY;
  lastChangeAt = Number.NEGATIVE_INFINITY;
  stoppedSince = Number.POSITIVE_INFINITY;
  lastStoppedAt = Number.NEGATIVE_INFINITY;
  drainedSince = Number.POSITIVE_INFINITY;
  /** Terraform has taken down what it had made; ticks and events may still be on their way. */
  destroyedAt = Number.POSITIVE_INFINITY;

  constructor(
    readonly schedule: Schedule,
    told: boolean,
  ) {
    this.engine = new Engine(schedule.startsAt);
    this.story = told ? new Story(this.engine) : undefined;
    this.address = new Past<AddressHolder>(this.now, { kind: "nobody" });
    this.stormEndsAt = schedule.startsAt + schedule.stormMs;
    this.settings = settingsOf(schedule, this.templateVersion);
  }

  get now(): number {
    return this.engine.now;
  }

  key(draw: number, a: number, b = 0): number {
    return mix(mix(mix(this.schedule.seed, draw), a), b);
  }

  violate(invariant: number, what: string): void {
    if (this.violation) return;
    this.violation = { invariant, what, at: this.now };
    this.story?.tell("VIOLATED", `invariant ${invariant}: ${what}`);
    this.engine.stop();
  }

  /** The first of the active faults of this kind that applies. */
  fault<Kind extends Fault["kind"]>(kind: Kind, applies: (fault: FaultOf<Kind>) => boolean): FaultOf<Kind> | undefined {
    for (const fault of this.active)
      if (fault.kind === kind && applies(fault as FaultOf<Kind>)) return fault as FaultOf<Kind>;
    return undefined;
  }

  parameter(name: string): string | undefined {
    return this.parameters.get(name)?.now?.value;
  }

  get destroyed(): boolean {
    return this.destroyedAt <= this.now;
  }

  get isStopped(): boolean {
    return this.destroyed || this.desiredState === "stopped";
  }

  get serverName(): string | undefined {
    return this.parameter(`${STORE}/instance-id`);
  }

  get desiredState(): string | undefined {
    return this.parameter(`${STORE}/desired-state`);
  }

  holds(machine: Machine): boolean {
    const holder = this.address.now;
    return holder.kind === "instance" && holder.instanceId === machine.id;
  }

  /** Whether clients reach this machine by the site's address or, where there is none, by the name of the server. */
  isReached(machine: Machine): boolean {
    return this.schedule.site.address ? this.holds(machine) : this.serverName === machine.id;
  }

  isLeft(machine: Machine): boolean {
    return machine.isOurs && !machine.isEnded;
  }
}

export function imageId(number: number): string {
  return `ami-0000000${number}`;
}

export function settingsOf({ site }: Schedule, launchTemplateVersion: number): Settings {
  const hour = (of: number) => `${String(of).padStart(2, "0")}:00`;
  return {
    environment: HOME.environment,
    site: HOME.site,
    storePrefix: STORE,
    launchTemplateId: TEMPLATE,
    launchTemplateVersion,
    subnetIds: ["subnet-00000001", "subnet-00000002", "subnet-00000003"],
    instanceTypes: ["t4g.nano", "t4g.micro"],
    spotMaxPrice: undefined,
    allocationId: site.address ? "eipalloc-0123456789abcdef0" : undefined,
    imageParameter: IMAGE_PARAMETER,
    ddnsFunction: site.dns ? "prod-tokyo-ddns-updater" : undefined,
    pendingTickRule: "prod-tokyo-pending-tick",
    onDemandFallback: site.onDemandFallback,
    spotAttempts: site.spotAttempts,
    rebalance: site.rebalance,
    maxAgeDays: 14,
    ...(site.maintenance
      ? {
          maintenanceWindow: {
            days: DAYS,
            from: hour(site.maintenance.from),
            to: hour(site.maintenance.to),
            timeZone: "UTC",
          },
        }
      : {}),
  };
}
