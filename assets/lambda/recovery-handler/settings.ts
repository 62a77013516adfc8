import { type Reader, readEnvironment, type Variables } from "../shared/environment";
import { LOG_LEVELS } from "../shared/log";
import { FALLBACKS, type Policy } from "./decide";
import { DAYS, isOpen, type MaintenanceWindow } from "./maintenance";

export interface Settings extends Policy {
  readonly environment: string;
  readonly site: string;
  readonly storePrefix: string;
  readonly subnetIds: readonly string[];
  /** In order of preference. */
  readonly instanceTypes: readonly string[];
  readonly spotMaxPrice: string | undefined;
  /** Undefined on a site without Elastic IP. */
  readonly allocationId: string | undefined;
  /** The public parameter that names the newest image; undefined where the image is given by its id. */
  readonly imageParameter: string | undefined;
  /** Undefined on a site without a DNS name. */
  readonly ddnsFunction: string | undefined;
  readonly pendingTickRule: string;
}

export function readSettings(variables: Variables) {
  return readEnvironment(variables, (read) => {
    const window = readWindow(read);
    return {
      environment: read.required("ENVIRONMENT"),
      site: read.required("SITE"),
      storePrefix: read.required("STORE_PREFIX"),
      launchTemplateId: read.required("LAUNCH_TEMPLATE_ID"),
      launchTemplateVersion: read.positiveNumber("LAUNCH_TEMPLATE_VERSION"),
      subnetIds: read.list("SUBNET_IDS"),
      instanceTypes: read.list("INSTANCE_TYPES"),
      allocationId: read.optional("ALLOCATION_ID"),
      imageParameter: read.optional("IMAGE_PARAMETER"),
      ddnsFunction: read.optional("DDNS_FUNCTION"),
      pendingTickRule: read.required("PENDING_TICK_RULE"),
      onDemandFallback: read.oneOf("ON_DEMAND_FALLBACK", FALLBACKS),
      spotAttempts: read.positiveNumber("SPOT_ATTEMPTS"),
      spotMaxPrice: read.optional("SPOT_MAX_PRICE"),
      maxAgeDays: read.positiveNumber("MAX_AGE_DAYS"),
      rebalance: read.oneOf("REBALANCE", ["replace", "ignore"] as const),
      level: read.oneOf("LOG_LEVEL", LOG_LEVELS, "info"),
      ...(window ? { maintenanceWindow: window } : {}),
    };
  });
}

function readWindow(read: Reader): MaintenanceWindow | undefined {
  if (read.optional("MAINTENANCE_WINDOW") === undefined) return undefined;
  return read.json("MAINTENANCE_WINDOW", isWindow, "a maintenance window (days, from, to, timeZone)");
}

function isWindow(value: unknown): value is MaintenanceWindow {
  if (typeof value !== "object" || value === null) return false;
  const { days, from, to, timeZone } = value as Partial<Record<keyof MaintenanceWindow, unknown>>;
  const isTime = (time: unknown) => typeof time === "string" && /^([01]\d|2[0-3]):[0-5]\d$/.test(time);
  if (!Array.isArray(days) || !days.every((day) => DAYS.includes(day)) || !isTime(from) || !isTime(to)) return false;
  try {
    isOpen(value as MaintenanceWindow, new Date(0));
    return typeof timeZone === "string";
  } catch {
    return false;
  }
}
