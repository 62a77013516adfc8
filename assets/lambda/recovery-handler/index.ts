import { setTimeout as sleep } from "node:timers/promises";
import { EC2Client, type EC2ClientConfig } from "@aws-sdk/client-ec2";
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { SSMClient } from "@aws-sdk/client-ssm";
import { readEnvironment, type Variables } from "../shared/environment";
import { createLog, LOG_LEVELS } from "../shared/log";
import { act, drain, NoCapacity } from "./act";
import { type Action, decide, FALLBACKS, hintOf } from "./decide";
import { type Context, observe } from "./observe";

export interface Summary {
  readonly site: string;
  readonly decisions: readonly Action[];
  readonly problem?: string;
}

export interface Replacements extends Partial<Pick<Context, "log" | "now" | "sleep">> {
  readonly sdk?: Pick<EC2ClientConfig, "endpoint" | "region" | "credentials" | "maxAttempts">;
}

export function createHandler(variables: Variables, replacements: Replacements = {}) {
  const { level, ...settings } = readEnvironment(variables, (read) => ({
    environment: read.required("ENVIRONMENT"),
    site: read.required("SITE"),
    storePrefix: read.required("STORE_PREFIX"),
    launchTemplateId: read.required("LAUNCH_TEMPLATE_ID"),
    subnetIds: read.list("SUBNET_IDS"),
    instanceTypes: read.list("INSTANCE_TYPES"),
    allocationId: read.optional("ALLOCATION_ID"),
    ddnsFunction: read.optional("DDNS_FUNCTION"),
    pendingTickRule: read.required("PENDING_TICK_RULE"),
    onDemandFallback: read.oneOf("ON_DEMAND_FALLBACK", FALLBACKS),
    spotMaxPrice: read.optional("SPOT_MAX_PRICE"),
    maxAgeDays: read.positiveNumber("MAX_AGE_DAYS"),
    level: read.oneOf("LOG_LEVEL", LOG_LEVELS, "info"),
  }));
  const { sdk = {}, log = createLog(level), ...clock } = replacements;
  const context: Context = {
    settings,
    log,
    ec2: new EC2Client(sdk),
    ssm: new SSMClient(sdk),
    lambda: new LambdaClient(sdk),
    events: new EventBridgeClient(sdk),
    now: () => new Date(),
    sleep,
    ...clock,
  };

  return async (event: unknown): Promise<Summary> => {
    const { site } = settings;
    const hint = hintOf(event);
    try {
      if (hint.kind === "drain") {
        const instanceIds = await drain(context);
        return { site, decisions: [{ do: "terminate", instanceIds, reason: "the site is being destroyed" }] };
      }
      const seen = await observe(context);
      const own = [seen.serverId, ...seen.instances.map(({ id }) => id)];
      if (hint.instanceId !== undefined && !own.includes(hint.instanceId)) {
        log.info("the event names no live instance of this site: its word is ignored", { hint });
      }
      const actions = decide(seen, hint, context.now(), settings);
      log.info("looked", { hint, seen, actions });
      return { site, decisions: await act(context, seen, actions) };
    } catch (error) {
      log.error("failed", { hint, error });
      // A deploy must not stop half way, before the alarms are there, for want of a machine that a tick will find.
      if (hint.kind === "configuration" && error instanceof NoCapacity)
        return { site, decisions: [], problem: error.message };
      throw error;
    }
  };
}

let warm: ReturnType<typeof createHandler> | undefined;

export const handler = async (event: unknown): Promise<Summary> => {
  warm ??= createHandler(process.env);
  return warm(event);
};
