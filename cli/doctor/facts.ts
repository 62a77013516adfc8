import type { Summary } from "../../assets/lambda/recovery-handler/run";
import type { Config, Site } from "../../modules/config";
import type { SiteNames } from "../../modules/names";
import type { Alarm } from "../alarms";
import type { LiveAddress, LiveInstance } from "../live";
import type { Recipient } from "../recipients";
import type { StoredParameter } from "../store";
import type { Look } from "./check";

/** Everything that the checks judge, seen at about one time. */
export interface Facts {
  readonly config: Config;
  readonly site: Site;
  readonly names: SiteNames;
  /** As somebody would type it; undefined where there is no file, and the defaults hold. */
  readonly configFile: string | undefined;
  /** This computer's own addresses. */
  readonly ownAddresses: readonly string[];
  readonly now: Date;
  /** How many seconds this computer's clock is ahead of AWS's. */
  readonly clockAhead: Look<number>;
  readonly caller: Look<{ readonly account: string; readonly arn: string }>;
  /** Of the stacks in their order. Undefined where the backend is not this computer. */
  readonly states: readonly StackState[] | undefined;
  readonly vpc: Look<Vpc | undefined>;
  readonly template: Look<{ readonly id: string; readonly version: number } | undefined>;
  readonly instances: Look<readonly LiveInstance[]>;
  /** AWS's own checks, by instance. */
  readonly statusChecks: Look<ReadonlyMap<string, StatusChecks>>;
  readonly address: Look<LiveAddress | undefined>;
  /** Those that are not peers, by name. */
  readonly parameters: Look<ReadonlyMap<string, StoredParameter>>;
  readonly peers: Look<readonly StoredParameter[]>;
  readonly documents: Look<readonly string[]>;
  readonly controller: Look<LambdaFunction | undefined>;
  readonly ddnsUpdater: Look<LambdaFunction | undefined>;
  /** The rules that may call the controller, by their names. */
  readonly permitted: Look<readonly string[]>;
  readonly rules: Look<readonly Rule[]>;
  /** How many messages lie there; undefined without the queue. */
  readonly deadLetters: Look<number | undefined>;
  readonly alarms: Look<readonly Alarm[]>;
  readonly recipients: Look<readonly Recipient[]>;
  /** Systems Manager's word for how the webhook's URL is stored; undefined where it is not, or there is no webhook. */
  readonly webhookUrlType: Look<string | undefined>;
  readonly metrics: Look<Metrics>;
  readonly controllerSays: Look<Summary>;
  readonly report: Look<PeerReport>;
  /** Undefined where the site has no name. */
  readonly dns: Look<DnsAnswers> | undefined;
  readonly probe: Probe;
}

export interface StackState {
  readonly stack: string;
  readonly file: string;
  /** Undefined without the file. */
  readonly outputs: Readonly<Record<string, unknown>> | undefined;
  /** Those that the state's ARNs name. */
  readonly accounts: readonly string[];
}

export interface Vpc {
  readonly id: string;
  readonly subnets: readonly Subnet[];
  readonly groups: readonly SecurityGroup[];
  /** The internet gateway that is attached. */
  readonly gateway: string | undefined;
}

export interface Subnet {
  readonly id: string;
  readonly routes: readonly Route[];
  readonly acl: readonly AclEntry[];
}

export interface Route {
  readonly destination: string;
  readonly target: string;
  readonly active: boolean;
}

export interface SecurityGroup {
  readonly id: string;
  readonly name: string;
  readonly in: readonly Permission[];
  readonly out: readonly Permission[];
}

/** What a security group lets through. */
export interface Permission {
  readonly protocol: string;
  readonly from: number;
  readonly to: number;
  readonly networks: readonly string[];
}

export interface AclEntry extends Permission {
  readonly number: number;
  readonly outgoing: boolean;
  readonly allow: boolean;
}

export interface StatusChecks {
  /** EC2's words: ok, impaired, initializing, insufficient-data. */
  readonly system: string;
  readonly instance: string;
  readonly disk: string | undefined;
}

export interface LambdaFunction {
  readonly state: string;
  readonly reason: string | undefined;
  readonly lastUpdate: string;
}

export interface Rule {
  readonly name: string;
  readonly enabled: boolean;
  /** What it calls. */
  readonly targets: readonly string[];
}

export interface Metrics {
  /** The controller's runs of the last half hour. */
  readonly runs: number;
  /** And those of the last hour that failed. */
  readonly failures: number;
  /** When the server's health last published. */
  readonly lastPublished: Date | undefined;
}

export interface PeerReport {
  /** Systems Manager's word. */
  readonly status: string;
  /** How many seconds the server's clock is ahead of this computer's; undefined where it said nothing. */
  readonly clockAhead: number | undefined;
  /** Devices that were heard of in the last three minutes. */
  readonly active: number;
}

export interface DnsAnswers {
  readonly authoritative: readonly Answer[];
  readonly resolver: readonly Answer[];
}

export interface Answer {
  readonly type: "A" | "AAAA";
  /** Who was asked. */
  readonly server: string;
  readonly addresses: readonly string[];
  /** Seconds. */
  readonly ttl: number | undefined;
  readonly error?: string;
}

/** What came of a try to connect as a device. */
export type Probe =
  | { readonly kind: "none"; readonly why: string }
  /** It could not be made. */
  | { readonly kind: "failed"; readonly why: string; readonly fix: string | undefined }
  | {
      readonly kind: "silent";
      readonly endpoint: string;
      readonly seconds: number;
      /** Something at the address said that nobody listens there. */
      readonly refused: boolean;
      /** The server had surely read the doctor's key. */
      readonly known: boolean;
    }
  | {
      readonly kind: "answered";
      readonly endpoint: string;
      readonly ms: number;
      /** How long a ping of the server took in the tunnel; undefined without an answer. */
      readonly serverMs: number | undefined;
      readonly internetMs: number | undefined;
      /** The largest packet that came back. */
      readonly mtu: number | undefined;
    };
