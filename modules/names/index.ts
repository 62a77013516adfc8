/** What the parts of a site are called at AWS: the stacks name them so, the operator's command finds them by it. */
export interface SiteNames {
  /** What every name of the site starts with; the VPC, the security group, the launch template and the dashboard have only this. */
  readonly prefix: string;
  readonly controller: string;
  readonly ddnsUpdater: string;
  readonly deadLetterQueue: string;
  readonly alertTopic: string;
  /** Posts alarms to the webhook, where there is one. */
  readonly alertForwarder: string;
  /** What the server's units say, where it is sent to CloudWatch. */
  readonly serverLogGroup: string;
  /** Systems Manager's documents: what has the server read the store, report its peers, and give its journal. */
  readonly syncDocument: string;
  readonly peersDocument: string;
  readonly journalDocument: string;
  /** EventBridge's rules that wake the controller. */
  readonly rules: Readonly<Record<RuleName, string>>;
}

export const RULES = ["interruption", "rebalance", "state-change", "ready", "tick", "pending-tick"] as const;
export type RuleName = (typeof RULES)[number];

export const LAYERS = ["network", "server", "dns", "recovery", "monitoring"] as const;
export type Layer = (typeof LAYERS)[number];

export interface NamedSite {
  readonly environment: string;
  readonly name: string;
}

export function siteNames({ environment, name }: NamedSite): SiteNames {
  const prefix = `stingy-vpn-${environment}-${name}`;
  return {
    prefix,
    controller: `${prefix}-recovery-handler`,
    ddnsUpdater: `${prefix}-ddns-updater`,
    deadLetterQueue: `${prefix}-dead-letters`,
    alertTopic: `${prefix}-alerts`,
    alertForwarder: `${prefix}-alert-forwarder`,
    serverLogGroup: `/stingy-vpn/${environment}-${name}/server`,
    syncDocument: `${prefix}-sync`,
    peersDocument: `${prefix}-peers`,
    journalDocument: `${prefix}-journal`,
    rules: Object.fromEntries(RULES.map((rule) => [rule, `${prefix}-${rule}`])) as Record<RuleName, string>,
  };
}

export function documentsOf({ syncDocument, peersDocument, journalDocument }: SiteNames): readonly string[] {
  return [syncDocument, peersDocument, journalDocument];
}

export function stackId({ environment, name }: NamedSite, layer: Layer): string {
  return `${environment}-${name}-${layer}`;
}

/** The tags of everything a site has. */
export function siteTags({ environment, name }: NamedSite): Readonly<Record<string, string>> {
  return { Project: "stingy-vpn", Environment: environment, Site: name };
}

export function logGroupOf(functionName: string): string {
  return `/aws/lambda/${functionName}`;
}

/** A peer is named by the beginning of its public key where space is scarce: 60 bits, as unmistakable as the whole. */
export const REPORTED_KEY_CHARACTERS = 10;

/** So many peers, those last heard of, are in one report: less than the 24,000 characters that Systems Manager keeps of an answer. */
export const MOST_REPORTED = 400;

/** What the server gives of its journal at once. Compressed, they are well below the 24,000 characters that Systems Manager keeps of an answer. */
export const JOURNAL_LINES = 400;
