import type { Distribution, DistributionFacts, LogicalPackage } from "./distribution";

/** A name of the table of distributions, or the names of each distribution that has the package. */
export type Package = LogicalPackage | Readonly<Partial<Record<Distribution, readonly string[]>>>;

export interface File {
  readonly path: string;
  readonly content: string;
  /** @default "0644" */
  readonly mode?: string;
  /**
   * Files are written before packages are installed: a user that a package makes is not there yet.
   * @default "root:root"
   */
  readonly owner?: string;
}

export interface Unit {
  readonly name: string;
  /** @default - the distribution has the unit */
  readonly content?: string;
  /**
   * Whether it starts now and at every boot.
   * @default true
   */
  readonly enable?: boolean;
}

/** A command that proves that the role works. */
export interface Check {
  readonly name: string;
  readonly command: string;
  /** @default - nothing can be done about it */
  readonly repair?: string;
  /**
   * "unfit": the server must not serve while it fails.
   * @default "unfit"
   */
  readonly severity?: "unfit" | "report";
}

/** What the role's program listens on. */
export interface Port {
  readonly protocol: "udp" | "tcp";
  readonly port: number;
  /** @default - from anywhere */
  readonly from?: readonly string[];
}

/** What a role asks of the machine. */
export interface Fragment {
  /** The role's name. Errors name it. */
  readonly role: string;
  readonly packages?: readonly Package[];
  readonly files?: readonly File[];
  /** A key that starts with a hyphen may fail; its interface may be a glob. */
  readonly sysctls?: Readonly<Record<string, string | number>>;
  /** Kernel modules, loaded before the sysctls are set. */
  readonly modules?: readonly string[];
  readonly units?: readonly Unit[];
  /** Shell commands at every boot, before anything else. */
  readonly bootcmd?: readonly string[];
  /** Shell commands once, after packages and sysctls, before units start. */
  readonly runcmd?: readonly string[];
  readonly checks?: readonly Check[];
  readonly ports?: readonly Port[];
  /** Capabilities that later roles may require. */
  readonly provides?: readonly string[];
  readonly requires?: readonly string[];
}

export type Role = (distribution: DistributionFacts) => Fragment;
