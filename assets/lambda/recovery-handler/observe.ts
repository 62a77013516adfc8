import { isInstanceId } from "../shared/instance-id";
import type { Cloud, CloudInstance, Parameter } from "./cloud";
import { type Instance, MARKS, type Observation } from "./decide";
import { NOTICES } from "./hint";
import { readLaunches } from "./launches";
import type { Settings } from "./settings";

export const PARAMETERS = { server: "instance-id", desired: "desired-state", launches: "launches" } as const;
export function pathOf({ storePrefix }: Pick<Settings, "storePrefix">, name: string): string {
  return `${storePrefix}/${name}`;
}

/** What `instance-id` says before the first promotion. */
export const INITIAL = "initial";

/** Looks at everything that matters in four calls, three on a site without Elastic IP. */
export async function observe(cloud: Cloud, settings: Settings, now: Date): Promise<Observation> {
  const { imageParameter } = settings;
  const names = Object.values(PARAMETERS).map((name) => pathOf(settings, name));
  const [instances, impaired, parameters, address] = await Promise.all([
    cloud.instances(),
    cloud.impairedInstances(),
    cloud.parameters(imageParameter === undefined ? names : [...names, imageParameter]),
    settings.allocationId === undefined ? undefined : cloud.addressHolder(),
  ]);
  const own = (name: string): Parameter | undefined => parameters.get(pathOf(settings, name));
  const server = own(PARAMETERS.server);
  const desired = own(PARAMETERS.desired)?.value;
  const isServer = server !== undefined && isInstanceId(server.value);
  const launched = own(PARAMETERS.launches);
  const launches = readLaunches(launched?.value, launched?.modifiedAt ?? now, isServer);
  const garbage: Record<string, string> = {};
  if (server && !isServer && server.value !== INITIAL) garbage[PARAMETERS.server] = server.value.slice(0, 80);
  if (desired !== undefined && !isDesired(desired)) garbage[PARAMETERS.desired] = desired.slice(0, 80);
  if (launches.garbage !== undefined) garbage[PARAMETERS.launches] = launches.garbage;
  return {
    desiredState: isDesired(desired) ? desired : undefined,
    serverId: isServer ? server.value : undefined,
    promotedAt: isServer ? server.modifiedAt : undefined,
    garbage,
    instances: instances.map((instance) => toInstance(instance, impaired)),
    address,
    newestImage: imageParameter === undefined ? undefined : parameters.get(imageParameter)?.value,
    launches,
  };
}

export function toInstance({ tags, state, ...seen }: CloudInstance, impaired: readonly string[]): Instance {
  const { id, launchedAt, spot, imageId } = seen;
  const templateId = tags.get("aws:ec2launchtemplate:id");
  const version = Number(tags.get("aws:ec2launchtemplate:version"));
  const [kind, noticedAt] = tags.get(MARKS.notice)?.split(" ") ?? [];
  const notice = NOTICES.find((known) => known === kind);
  const at = time(noticedAt);
  const unhealthySince = time(tags.get(MARKS.unhealthy));
  const endingSince = time(tags.get(MARKS.ending));
  return {
    id,
    phase: PHASES[state] ?? "ended",
    state: tags.get("state"),
    impaired: impaired.includes(id),
    launchedAt,
    spot,
    imageId,
    template: templateId !== undefined && version > 0 ? { id: templateId, version } : undefined,
    ...(notice && at ? { notice: { kind: notice, at } } : {}),
    ...(unhealthySince ? { unhealthySince } : {}),
    ...(endingSince ? { endingSince } : {}),
  };
}

const PHASES: Readonly<Record<string, Instance["phase"]>> = {
  pending: "pending",
  running: "running",
  stopping: "stopped",
  stopped: "stopped",
};

function isDesired(text: string | undefined): text is "running" | "stopped" {
  return text === "running" || text === "stopped";
}

/** Undefined for a mark that makes no sense, as for none. */
function time(text: string | undefined): Date | undefined {
  const date = new Date(text ?? "");
  return Number.isNaN(date.getTime()) ? undefined : date;
}
