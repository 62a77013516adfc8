import type { LaunchRecord } from "../../assets/lambda/recovery-handler/launches";
import type { Alarm } from "../alarms";
import type { LiveAddress, LiveInstance } from "../live";
import type { Recipient } from "../recipients";
import type { SpotPrices } from "./prices";
import type { Promotion } from "./promotions";

/** What was looked at, or why it could not be. */
export type Part<T> = { readonly known: true; readonly value: T } | { readonly known: false; readonly why: string };

/** The `why` where a right is missing. */
export const NOT_PERMITTED = "not permitted";

export interface StoreFacts {
  /** Undefined before the first promotion. */
  readonly instanceId: string | undefined;
  readonly desiredState: string | undefined;
  readonly lastLaunch: LaunchRecord | undefined;
}

export interface DnsAnswer {
  readonly type: "A" | "AAAA";
  readonly addresses: readonly string[];
}

export interface Measured {
  readonly peersConfigured: number | undefined;
  readonly peersActive: number | undefined;
  /** The newest value's time. */
  readonly at: Date | undefined;
  /** Bytes that left AWS in `MEASURED_HOURS`. */
  readonly out: number | undefined;
}

export const MEASURED_HOURS = 24;

/** What AWS and the resolver say of a site at one moment. */
export interface Facts {
  readonly now: Date;
  readonly site: string;
  readonly environment: string;
  readonly region: string;
  /** Absent where the site has no name. */
  readonly dnsName?: string;
  readonly elasticIp: boolean;
  readonly store: Part<StoreFacts>;
  /** Oldest first. */
  readonly promotions: Part<readonly Promotion[]>;
  readonly instances: Part<readonly LiveInstance[]>;
  readonly address: Part<LiveAddress | undefined>;
  readonly dns: Part<readonly DnsAnswer[]>;
  /** Undefined where there is no server whose price it would be. */
  readonly price: Part<SpotPrices | undefined>;
  readonly measured: Part<Measured>;
  readonly alarms: Part<readonly Alarm[]>;
  readonly recipients: Part<readonly Recipient[]>;
}
