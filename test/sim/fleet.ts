import {
  CloudError,
  type LaunchAnswer,
  type LaunchRequest,
  type Override,
} from "../../assets/lambda/recovery-handler/cloud";
import type { Judge } from "./judge";
import type { Life } from "./life";
import { happens, mix, pick } from "./random";
import { DRAW, type World } from "./world";

/** Where EC2 has machines, and its two ways to launch one. */
export class Fleet {
  readonly #fleets = new Map<string, { readonly request: string; readonly answer: LaunchAnswer }>();
  readonly #singles = new Map<string, { readonly request: string; readonly id: string }>();
  #asked = 0;

  constructor(
    private readonly world: World,
    private readonly life: Life,
    private readonly judge: Judge,
  ) {}

  createFleet(request: LaunchRequest): LaunchAnswer {
    const { world } = this;
    this.#refuse("createFleet");
    const fingerprint = JSON.stringify(request);
    const earlier = this.#fleets.get(request.clientToken);
    if (earlier) {
      world.counts.sameTokenAgain++;
      if (earlier.request !== fingerprint) throw mismatch("createFleet");
      return earlier.answer;
    }
    const refusals = request.overrides.map((override) => ({ override, code: this.#refusal(request, override) }));
    const free = refusals.filter(({ code }) => code === undefined);
    const errors = refusals.flatMap(({ override, code }) => (code ? [{ ...override, code, message: "not now" }] : []));
    const answer: LaunchAnswer =
      free.length === 0 ? { instanceIds: [], errors } : { instanceIds: [this.#launch(request)], errors };
    if (free.length === 0) world.counts.launchesRefused++;
    this.#fleets.set(request.clientToken, { request: fingerprint, answer });
    return answer;
  }

  /** EC2 knows a token by zone, and only of what it launched. */
  runInstance(request: LaunchRequest, override: Override): string {
    const { world } = this;
    this.#refuse("runInstance");
    const fingerprint = JSON.stringify([request, override]);
    const token = `${request.clientToken} ${override.subnetId}`;
    const earlier = this.#singles.get(token);
    if (earlier) {
      world.counts.sameTokenAgain++;
      if (earlier.request !== fingerprint) throw mismatch("runInstance");
      return earlier.id;
    }
    const code = this.#refusal(request, override);
    if (code) {
      world.counts.launchesRefused++;
      throw new CloudError("runInstance", code, "not now");
    }
    const id = this.#launch(request);
    this.#singles.set(token, { request: fingerprint, id });
    return id;
  }

  #launch({ market, launchTemplateVersion, clientToken }: LaunchRequest): string {
    const machine = this.life.launch("controller", market === "spot", launchTemplateVersion, clientToken.slice(0, 8));
    this.judge.launched(machine);
    return machine.id;
  }

  #refuse(call: "createFleet" | "runInstance"): void {
    const fault = this.world.fault(
      "launch-refused",
      ({ code }) => call === "createFleet" || code !== "UnauthorizedOperation",
    );
    if (!fault) return;
    this.world.counts.launchesRefused++;
    throw new CloudError(call, fault.code, "refused");
  }

  #refusal({ market }: LaunchRequest, { instanceType, subnetId }: Override): string | undefined {
    const { world } = this;
    const type = world.settings.instanceTypes.indexOf(instanceType);
    const zone = world.settings.subnetIds.indexOf(subnetId);
    const lacks = world.fault(
      "no-capacity",
      (fault) =>
        (fault.market === "any" || fault.market === market) &&
        (fault.type === "any" || fault.type === type) &&
        (fault.zone === "any" || fault.zone === zone),
    );
    if (lacks) return lacks.code;
    if (world.calm) return undefined;
    const key = world.key(DRAW.machine, this.#asked++, 99);
    return happens(key, 0.05) ? pick(mix(key, 1), ["InsufficientInstanceCapacity", "SpotMaxPriceTooLow"]) : undefined;
  }
}

function mismatch(call: string): CloudError {
  return new CloudError(call, "IdempotentParameterMismatch", "the token was used for another request");
}
