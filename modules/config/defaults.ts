/** Every default of the configuration, once, with its reason. The reference in docs/configuration.md is made from these. */

import { DAYS, type Day } from "../../assets/lambda/recovery-handler/maintenance";

export interface Default<T> {
  readonly value: T;
  readonly reason: string;
}

export const DEFAULT_ENVIRONMENT: Default<string> = {
  value: "prod",
  reason: "one environment is what most people have",
};

export const DEFAULT_SITE_NAME: Default<string> = {
  value: "tokyo",
  reason: "a name has to be there; a site is best called after the place it is in",
};

export const DEFAULT_REGION: Default<"ap-northeast-1"> = {
  value: "ap-northeast-1",
  reason: "the default site is called tokyo",
};

export const DEFAULT_PROTECT: Default<boolean> = {
  value: true,
  reason: "a lost address means a new configuration on every device",
};

export const DEFAULT_STATE_PATH: Default<string> = {
  value: "state",
  reason:
    "relative to the project, so that the JSON is the same on every machine, and outside cdktf.out, which may be deleted",
};

export const DEFAULT_STATE_KEY_PREFIX: Default<string> = {
  value: "stingy-vpn",
  reason: "one bucket can hold the states of other projects too",
};

export const DEFAULT_WORKSPACE_PREFIX: Default<string> = {
  value: "stingy-vpn-",
  reason: "one organization can hold the workspaces of other projects too",
};

export const DEFAULT_VPC_CIDR: Default<string> = {
  value: "10.0.0.0/16",
  reason: "the largest range a VPC can have; it costs nothing",
};

export const DEFAULT_IPV6: Default<boolean> = {
  value: true,
  reason: "it costs nothing, and without it a client's IPv6 traffic would leave outside the tunnel",
};

export const DEFAULT_ADMIN_CIDRS: Default<string[]> = {
  value: [],
  reason: "Session Manager gives a shell without an open port",
};

export const DEFAULT_TUNNEL_IPV4: Default<string> = {
  value: "10.8.0.0/24",
  reason: "253 devices, and rarely used at home",
};

export const DEFAULT_TUNNEL_IPV6: Default<string> = {
  value: "fd53:7469:6e67::/64",
  reason: "a unique local range; network.ipv6 off leaves it out",
};

export const DEFAULT_LISTEN_PORT: Default<number> = {
  value: 51820,
  reason: "WireGuard's usual port",
};

export const DEFAULT_GROUP: Default<"full" | "internet" | "isolated"> = {
  value: "full",
  reason: "the first devices are the owner's own, and each other one can be given its own group",
};

export const DEFAULT_BETWEEN_PEERS: Default<boolean> = {
  value: true,
  reason: "reaching one's own other devices is half of what a VPN is for",
};

export const DEFAULT_ISOLATED_NETWORKS: Default<string[]> = {
  value: [],
  reason: "only you know what a guest's device may reach",
};

export const DEFAULT_INSTANCE_TYPES: Default<string[]> = {
  value: ["t4g.nano"],
  reason: "the cheapest; WireGuard for ten people fits into 512 MB",
};

export const DEFAULT_ARCHITECTURE: Default<"arm64" | "x86_64"> = {
  value: "arm64",
  reason: "Graviton is cheaper at the same speed",
};

export const DEFAULT_IMAGE: Default<"al2023"> = {
  value: "al2023",
  reason: "Amazon's own, patched by Amazon, with the SSM agent; its kernel series is pinned",
};

export const DEFAULT_VOLUME_GB: Default<number> = {
  value: 8,
  reason: "the size of the images; more is paid for and not used",
};

export const DEFAULT_ON_DEMAND_FALLBACK: Default<"never" | "after-failures" | "at-once"> = {
  value: "after-failures",
  reason: "a VPN that is up for a few cents more is better than one that is down",
};

export const DEFAULT_SPOT_ATTEMPTS: Default<number> = {
  value: 2,
  reason: "one refusal may be a passing shortage; every further one is another minute without a VPN",
};

export const SPOT_MAX_PRICE_REASON =
  "left out, the limit is the on-demand price; a lower limit only brings more interruptions";

export const DEFAULT_MAX_AGE_DAYS: Default<number> = {
  value: 14,
  reason: "a replacement starts from the newest patched image, so age is the patching policy",
};

export const DEFAULT_REBALANCE: Default<"replace" | "ignore"> = {
  value: "replace",
  reason:
    "the two minutes' warning is best effort and a server needs about as long to start; moving early costs nobody more than a moment",
};

export const DEFAULT_WINDOW_DAYS: Default<Day[]> = {
  value: [...DAYS],
  reason: "a window of a few hours every night is what most people mean",
};

export const MAINTENANCE_WINDOW_REASON =
  "left out, at any time, as a replacement interrupts nobody for more than a moment";

export const DEFAULT_TIME_ZONE: Default<string> = {
  value: "UTC",
  reason: "it has no summer time; where you sleep cannot be guessed from the region",
};

export const DEFAULT_ELASTIC_IP: Default<boolean> = {
  value: true,
  reason: "it costs no more than the address it replaces, and clients resolve the name only once",
};

export const DEFAULT_DNS_PROVIDER: Default<"none"> = {
  value: "none",
  reason: "the Elastic IP works without a name",
};

export const DEFAULT_RUNTIME: Default<"nodejs22.x" | "nodejs24.x"> = {
  value: "nodejs22.x",
  reason: "older AWS providers accept it too; AWS supports it until April 2027, nodejs24.x until April 2028",
};

export const RESERVED_CONCURRENCY_REASON = "left out, as new accounts refuse any reservation; nothing depends on it";

export const SCHEDULE_REASON = "left out, the site runs day and night";

export const DEFAULT_EMAILS: Default<string[]> = {
  value: [],
  reason: "nobody's address can be guessed; without one the alarms are only seen in the console",
};

export const DEFAULT_WEBHOOK: Default<"none"> = {
  value: "none",
  reason: "mail needs no other service",
};

export const DEFAULT_EXTRA_ALARMS: Default<("cpu" | "connections" | "successors")[]> = {
  value: [],
  reason:
    "the usual alarms are as many as are free, and these seldom need a person: a busy processor only slows down, a stranger's packet may be taken for a device, the next successor may do",
};

export const DEFAULT_RUNBOOK: Default<string> = {
  value: "docs/runbook.md",
  reason: "the file in the repository, as nobody knows where you keep yours",
};

export const DEFAULT_BUDGET_OF: Default<"account"> = {
  value: "account",
  reason: "it works at once; AWS knows a cost by its tags only after somebody has activated them",
};

export const BUDGET_REASON = "left out, as nobody knows what else your account pays for";

export const DEFAULT_CUSTOMER_KEY: Default<boolean> = {
  value: false,
  reason:
    "a dollar a month for messages that hold no secret; AWS's own key for SNS does not let CloudWatch publish, and SNS keeps messages on encrypted disks anyway",
};

export const DEFAULT_SERVER_LOGS: Default<boolean> = {
  value: false,
  reason:
    "`stingy server logs` reads the journal on the server; this takes a little of a small machine every minute, and of the 5 GB of logs that are free",
};

export const DEFAULT_LOG_RETENTION_DAYS: Default<7> = {
  value: 7,
  reason: "long enough to look back at a bad week, short enough to cost nothing",
};

export const DEFAULT_AGENT: Default<boolean> = {
  value: false,
  reason:
    "the server publishes its metrics without it, and it takes more memory than everything else on a 512 MB machine",
};

export const DEFAULT_STORE_PREFIX_REASON =
  "default /stingy-vpn/<environment>; only a second site in the same region needs its own";

export const DEFAULT_AVAILABILITY_ZONES_REASON =
  "default: every zone that all accounts have in the region, as each zone is another pool of Spot machines";
