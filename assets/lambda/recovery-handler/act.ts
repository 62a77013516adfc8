import { createHash } from "node:crypto";
import {
  type _InstanceType,
  AssociateAddressCommand,
  CreateFleetCommand,
  type CreateFleetCommandInput,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { DisableRuleCommand, EnableRuleCommand } from "@aws-sdk/client-eventbridge";
import { InvokeCommand } from "@aws-sdk/client-lambda";
import { PutParameterCommand } from "@aws-sdk/client-ssm";
import type { Action, Observation } from "./decide";
import { type Context, siteInstances } from "./observe";

const TOKEN_BUCKET_MS = 10 * 60 * 1000;
const DRAIN_POLL_MS = 5_000;
const DRAIN_LIMIT_MS = 4 * 60 * 1000;

/** Performs the actions in order and returns those that were done. */
export async function act(context: Context, seen: Observation, actions: readonly Action[]): Promise<Action[]> {
  const done: Action[] = [];
  for (const action of actions) {
    switch (action.do) {
      case "launch":
        await launch(context, seen, action.onDemandFallback);
        break;
      case "promote":
        // What follows, above all the old server's end, holds only if the promotion happened.
        if (!(await promote(context, action.instanceId))) return done;
        break;
      case "associate-address":
        await associateAddress(context, action.instanceId);
        break;
      case "update-dns":
        await updateDns(context);
        break;
      case "terminate":
        await terminate(context, action.instanceIds);
        break;
      case "set-pending-tick":
        await setPendingTick(context, action.enabled);
    }
    context.log.info("done", { action });
    done.push(action);
  }
  return done;
}

/** AWS has no machine now. The ticks go on trying. */
export class NoCapacity extends Error {
  override readonly name = "NoCapacity";
}

async function launch(context: Context, seen: Observation, onDemandFallback: boolean): Promise<void> {
  const failures: string[] = [];
  for (const market of onDemandFallback ? (["spot", "on-demand"] as const) : (["spot"] as const)) {
    const request = fleetRequest(context, market);
    const fleet = await context.ec2.send(
      new CreateFleetCommand({ ...request, ClientToken: clientToken(context, seen, request) }),
    );
    const instanceIds = fleet.Instances?.flatMap(({ InstanceIds }) => InstanceIds ?? []) ?? [];
    if (instanceIds.length > 0) return context.log.info("launched", { market, instanceIds });
    const errors = fleet.Errors?.map(({ ErrorCode, ErrorMessage, LaunchTemplateAndOverrides: { Overrides } = {} }) => ({
      code: ErrorCode,
      message: ErrorMessage,
      instanceType: Overrides?.InstanceType,
      subnetId: Overrides?.SubnetId,
    }));
    context.log.error("no instance was launched", { market, errors });
    failures.push(`${market}: ${[...new Set(errors?.map(({ code }) => code))].join(", ") || "no reason given"}`);
  }
  throw new NoCapacity(`No instance could be launched for site ${context.settings.site} (${failures.join("; ")}).`);
}

function fleetRequest({ settings }: Context, market: "spot" | "on-demand"): CreateFleetCommandInput {
  const spot = market === "spot";
  return {
    Type: "instant",
    TargetCapacitySpecification: { TotalTargetCapacity: 1, DefaultTargetCapacityType: market },
    ...(spot
      ? { SpotOptions: { AllocationStrategy: "price-capacity-optimized", InstanceInterruptionBehavior: "terminate" } }
      : { OnDemandOptions: { AllocationStrategy: "prioritized" } }),
    LaunchTemplateConfigs: [
      {
        LaunchTemplateSpecification: { LaunchTemplateId: settings.launchTemplateId, Version: "$Latest" },
        Overrides: settings.instanceTypes.flatMap((type, Priority) =>
          settings.subnetIds.map((SubnetId) => ({
            SubnetId,
            InstanceType: type as _InstanceType,
            ...(spot ? {} : { Priority }),
            ...(spot && settings.spotMaxPrice !== undefined ? { MaxPrice: settings.spotMaxPrice } : {}),
          })),
        ),
      },
    ],
  };
}

/**
 * One token per decision: a repeated event or a lost response launches nothing twice. The request itself is part of
 * it, because EC2 refuses the same token for another one (IdempotentParameterMismatch).
 */
function clientToken({ settings, now }: Context, seen: Observation, request: CreateFleetCommandInput): string {
  const bucket = Math.floor(now().getTime() / TOKEN_BUCKET_MS);
  const { environment, site } = settings;
  const decision = [environment, site, seen.serverId, seen.latestTemplateVersion, bucket, request];
  return createHash("sha256").update(JSON.stringify(decision)).digest("hex").slice(0, 64);
}

async function promote(context: Context, instanceId: string): Promise<boolean> {
  const instances = await siteInstances(context, ["running"]);
  if (!instances.some(({ id, ready }) => id === instanceId && ready)) {
    context.log.warn("the successor is no longer ready: nothing is moved", { instanceId });
    return false;
  }
  await associateAddress(context, instanceId);
  await putParameter(context, "instance-id", instanceId);
  await updateDns(context);
  return true;
}

async function updateDns({ lambda, settings }: Context): Promise<void> {
  if (settings.ddnsFunction === undefined) return;
  await lambda.send(new InvokeCommand({ FunctionName: settings.ddnsFunction, InvocationType: "Event" }));
}

async function associateAddress({ ec2, settings }: Context, InstanceId: string): Promise<void> {
  const { allocationId: AllocationId } = settings;
  if (AllocationId === undefined) return;
  await ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId, AllowReassociation: true }));
}

async function terminate({ ec2 }: Context, instanceIds: readonly string[]): Promise<void> {
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: [...instanceIds] }));
}

async function setPendingTick({ events, settings }: Context, enabled: boolean): Promise<void> {
  const rule = { Name: settings.pendingTickRule };
  await events.send(enabled ? new EnableRuleCommand(rule) : new DisableRuleCommand(rule));
}

async function putParameter({ ssm, settings }: Context, name: string, Value: string): Promise<void> {
  const Name = `${settings.storePrefix}/${name}`;
  await ssm.send(new PutParameterCommand({ Name, Value, Type: "String", Overwrite: true }));
}

/** Stops the site and returns when none of its instances is left, so that the network can be destroyed. */
export async function drain(context: Context): Promise<string[]> {
  await putParameter(context, "desired-state", "stopped");
  await setPendingTick(context, false);
  const drained = new Set<string>();
  const deadline = context.now().getTime() + DRAIN_LIMIT_MS;
  for (;;) {
    // A stopped instance holds its network interface, and a launch that was under way may appear at any poll.
    const left = await siteInstances(context, ["pending", "running", "stopping", "stopped", "shutting-down"]);
    const ids = left.map(({ id }) => id);
    if (ids.length === 0) return [...drained];
    if (context.now().getTime() >= deadline) {
      throw new Error(`Still not terminated after ${DRAIN_LIMIT_MS / 1000} s: ${ids.join(", ")}. Run destroy again.`);
    }
    context.log.info("draining", { left: ids });
    await terminate(context, ids);
    for (const id of ids) drained.add(id);
    await context.sleep(DRAIN_POLL_MS);
  }
}
