/** The few calls the controller makes, one method each, so that the simulation can stand in for AWS between any two of them. */
export interface Cloud {
  /** Every instance that carries the site's tags, ended ones too as long as AWS shows them. */
  instances(): Promise<CloudInstance[]>;
  /** The same for these ids alone; one that AWS does not know is left out. */
  instancesById(ids: readonly string[]): Promise<CloudInstance[]>;
  /** Ids of the region's instances whose status check fails, whoever they belong to. */
  impairedInstances(): Promise<string[]>;
  /** What is not there is left out. */
  parameters(names: readonly string[]): Promise<Map<string, Parameter>>;
  putParameter(name: string, value: string): Promise<void>;
  /** Leaves one that is there as it is. */
  createParameter(name: string, value: string): Promise<void>;
  /** Who holds the site's address. */
  addressHolder(): Promise<AddressHolder>;
  /** Lets it go from whoever of the site has it. */
  associateAddress(instanceId: string): Promise<void>;
  createFleet(request: LaunchRequest): Promise<LaunchAnswer>;
  /** One type in one subnet. @throws CloudError where AWS refuses */
  runInstance(request: LaunchRequest, override: Override): Promise<string>;
  terminate(instanceIds: readonly string[]): Promise<void>;
  tag(instanceId: string, key: string, value: string): Promise<void>;
  /** Returns when the updater has been asked, not when it is done. */
  updateDns(): Promise<void>;
  watchClosely(enabled: boolean): Promise<void>;
}

export interface CloudInstance {
  readonly id: string;
  /** EC2's own name: pending, running, shutting-down, terminated, stopping, stopped. */
  readonly state: string;
  readonly launchedAt: Date;
  readonly spot: boolean;
  readonly imageId: string | undefined;
  readonly tags: ReadonlyMap<string, string>;
}

export interface Parameter {
  readonly value: string;
  readonly modifiedAt: Date;
}

export type AddressHolder =
  | { readonly kind: "nobody" }
  | { readonly kind: "instance"; readonly instanceId: string }
  /** A network interface without an instance. */
  | { readonly kind: "other"; readonly name: string }
  /** There is no such address any more. */
  | { readonly kind: "missing" };

export const MARKETS = ["spot", "on-demand"] as const;
export type Market = (typeof MARKETS)[number];

export const LAUNCH_CALLS = ["CreateFleet", "RunInstances"] as const;
export type LaunchCall = (typeof LAUNCH_CALLS)[number];

export interface Override {
  readonly instanceType: string;
  readonly subnetId: string;
}

export interface LaunchRequest {
  readonly market: Market;
  readonly launchTemplateId: string;
  readonly launchTemplateVersion: number;
  /** In order of preference. */
  readonly overrides: readonly Override[];
  readonly spotMaxPrice: string | undefined;
  /** The same token again launches nothing again. */
  readonly clientToken: string;
}

export interface LaunchAnswer {
  readonly instanceIds: readonly string[];
  readonly errors: readonly (Partial<Override> & { readonly code: string; readonly message: string })[];
}

/** AWS's refusal of a call. Without a code nobody knows whether the call took effect. */
export class CloudError extends Error {
  override readonly name = "CloudError";

  constructor(
    call: string,
    readonly code: string | undefined,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${call}: ${code ?? "no answer"}: ${message}`, options);
  }
}
