/** A live (pending or running) instance that carries the site's tags. */
export interface Instance {
  readonly id: string;
  /** It runs and has said of itself, in its `state` tag, that it is bootstrapped. */
  readonly ready: boolean;
  readonly launchedAt: Date;
  /** Undefined for an instance that was not launched from a template. */
  readonly templateVersion: string | undefined;
}

export interface Observation {
  readonly desiredState: "running" | "stopped";
  /** The value of the `instance-id` parameter, `initial` before the first promotion. */
  readonly serverId: string;
  readonly instances: readonly Instance[];
  readonly latestTemplateVersion: string;
  /** The Elastic IP and the instance that holds it; undefined for a site without one. */
  readonly address: { readonly holderId: string | undefined } | undefined;
}

/** What an event suggests. The observation decides; a hint only adds what AWS does not show. */
export interface Hint {
  readonly kind: "look" | "tick" | "doomed" | "configuration" | "drain";
  readonly instanceId?: string;
}

export const FALLBACKS = ["never", "after-failures", "at-once"] as const;

export interface Policy {
  readonly maxAgeDays: number;
  readonly onDemandFallback: (typeof FALLBACKS)[number];
}

export type Action =
  | { readonly do: "launch"; readonly reason: string; readonly onDemandFallback: boolean }
  | { readonly do: "promote"; readonly instanceId: string }
  | { readonly do: "associate-address"; readonly instanceId: string }
  | { readonly do: "update-dns" }
  | { readonly do: "terminate"; readonly instanceIds: readonly string[]; readonly reason: string }
  | { readonly do: "set-pending-tick"; readonly enabled: boolean };

const DAY_MS = 24 * 60 * 60 * 1000;
/** The server's own notice repeats what AWS told it, as AWS's events may be lost. */
const DOOMING_EVENTS: readonly (readonly [source: string, detailType: string])[] = [
  ["aws.ec2", "EC2 Spot Instance Interruption Warning"],
  ["aws.ec2", "EC2 Instance Rebalance Recommendation"],
  ["stingy-vpn", "Server Notice"],
];

/** Never throws: an event of any shape at least makes the controller look. */
export function hintOf(event: unknown): Hint {
  const { tf, source, detail, "detail-type": detailType } = asRecord(event);
  const { action } = asRecord(tf);
  if (action === "delete") return { kind: "drain" };
  if (action === "create" || action === "update") return { kind: "configuration" };
  if (source === "stingy-vpn" && detailType === "Tick") return { kind: "tick" };
  const { "instance-id": instanceId } = asRecord(detail);
  if (typeof instanceId !== "string") return { kind: "look" };
  const doomed = DOOMING_EVENTS.some(([from, type]) => source === from && detailType === type);
  return { kind: doomed ? "doomed" : "look", instanceId };
}

export function decide(seen: Observation, hint: Hint, now: Date, policy: Policy): Action[] {
  const { instances } = seen;
  if (seen.desiredState === "stopped") {
    return [...terminate(instances, "the site is stopped"), { do: "set-pending-tick", enabled: false }];
  }

  const server = instances.find(({ id }) => id === seen.serverId);
  // What is no newer than the server is what the server replaced: taken for a successor, it would get the address back.
  const [successor] = instances
    .filter((instance) => instance !== server && (!server || instance.launchedAt > server.launchedAt))
    .sort((a, b) => Number(b.ready) - Number(a.ready) || b.launchedAt.getTime() - a.launchedAt.getTime());

  if (successor?.ready) {
    const replaced = instances.filter((instance) => instance !== successor);
    return [
      { do: "promote", instanceId: successor.id },
      ...terminate(replaced, `replaced by ${successor.id}`),
      { do: "set-pending-tick", enabled: false },
    ];
  }

  const strays = instances.filter((instance) => instance !== server && instance !== successor);
  const actions = terminate(strays, "neither the server nor its successor");
  if (successor) return actions;

  if (server?.ready && seen.address && seen.address.holderId !== server.id) {
    actions.push({ do: "associate-address", instanceId: server.id });
  }
  // A record that has just been made says nobody's address until it is written.
  if (server?.ready && hint.kind === "configuration") actions.push({ do: "update-dns" });
  const reason = reasonToReplace(server, seen, hint, now, policy);
  if (reason !== undefined) {
    // Spot is tried first every time; a tick that has to launch mostly follows an attempt that failed.
    const fallback =
      policy.onDemandFallback === "at-once" || (policy.onDemandFallback === "after-failures" && hint.kind === "tick");
    actions.push({ do: "set-pending-tick", enabled: true }, { do: "launch", reason, onDemandFallback: fallback });
  } else if (hint.kind === "tick") {
    actions.push({ do: "set-pending-tick", enabled: false });
  }
  return actions;
}

function reasonToReplace(
  server: Instance | undefined,
  seen: Observation,
  hint: Hint,
  now: Date,
  policy: Policy,
): string | undefined {
  if (!server) return "no instance of the site is live";
  if (hint.kind === "doomed" && hint.instanceId === server.id) return `AWS is about to take ${server.id}`;
  const { templateVersion: version } = server;
  // An unknown version is not an old one: its successor's might be unknown too, and replacing would never end.
  if (version !== undefined && version !== seen.latestTemplateVersion) {
    return `${server.id} has launch template version ${version}, the latest is ${seen.latestTemplateVersion}`;
  }
  if (now.getTime() - server.launchedAt.getTime() > policy.maxAgeDays * DAY_MS) {
    return `${server.id} is older than ${policy.maxAgeDays} days`;
  }
  return undefined;
}

function terminate(instances: readonly Instance[], reason: string): Action[] {
  return instances.length > 0 ? [{ do: "terminate", instanceIds: instances.map(({ id }) => id), reason }] : [];
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
