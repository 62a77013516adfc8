import {
  DescribeAddressesCommand,
  DescribeLaunchTemplatesCommand,
  type EC2Client,
  paginateDescribeInstances,
  type Instance as SdkInstance,
} from "@aws-sdk/client-ec2";
import type { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import type { LambdaClient } from "@aws-sdk/client-lambda";
import { GetParametersCommand, type SSMClient } from "@aws-sdk/client-ssm";
import type { Log } from "../shared/log";
import type { Instance, Observation, Policy } from "./decide";

export interface Settings extends Policy {
  readonly environment: string;
  readonly site: string;
  readonly storePrefix: string;
  readonly launchTemplateId: string;
  readonly subnetIds: readonly string[];
  /** In order of preference. */
  readonly instanceTypes: readonly string[];
  readonly allocationId: string | undefined;
  readonly ddnsFunction: string | undefined;
  readonly pendingTickRule: string;
  readonly spotMaxPrice: string | undefined;
}

export interface Context {
  readonly settings: Settings;
  readonly log: Log;
  readonly ec2: EC2Client;
  readonly ssm: SSMClient;
  readonly lambda: LambdaClient;
  readonly events: EventBridgeClient;
  readonly now: () => Date;
  readonly sleep: (ms: number) => Promise<void>;
}

export async function observe(context: Context): Promise<Observation> {
  const [instances, parameters, latestTemplateVersion, address] = await Promise.all([
    siteInstances(context, ["pending", "running"]),
    readParameters(context),
    readLatestTemplateVersion(context),
    readAddress(context),
  ]);
  return { ...parameters, instances, latestTemplateVersion, address };
}

export async function siteInstances({ ec2, settings }: Context, states: string[]): Promise<Instance[]> {
  const Filters = [
    { Name: "tag:Project", Values: ["stingy-vpn"] },
    { Name: "tag:Environment", Values: [settings.environment] },
    { Name: "tag:Site", Values: [settings.site] },
    { Name: "instance-state-name", Values: states },
  ];
  const instances: Instance[] = [];
  for await (const page of paginateDescribeInstances({ client: ec2 }, { Filters })) {
    instances.push(...(page.Reservations ?? []).flatMap((reservation) => reservation.Instances ?? []).map(toInstance));
  }
  return instances;
}

function toInstance({ InstanceId, State, LaunchTime, Tags }: SdkInstance): Instance {
  const tags = new Map(Tags?.map(({ Key, Value }) => [Key, Value]));
  const state = tags.get("state");
  return {
    id: InstanceId ?? "",
    // `serving` counts: a promotion that was cut short after the address moved has to be finished.
    ready: State?.Name === "running" && (state === "ready" || state === "serving"),
    launchedAt: LaunchTime ?? new Date(0),
    templateVersion: tags.get("aws:ec2launchtemplate:version"),
  };
}

async function readParameters({ ssm, settings }: Context): Promise<Pick<Observation, "serverId" | "desiredState">> {
  const names = { server: `${settings.storePrefix}/instance-id`, desired: `${settings.storePrefix}/desired-state` };
  const { Parameters, InvalidParameters } = await ssm.send(new GetParametersCommand({ Names: Object.values(names) }));
  if (InvalidParameters?.length) {
    throw new Error(`Not in the store: ${InvalidParameters.join(", ")}. \`cdktf deploy\` creates them.`);
  }
  const values = new Map(Parameters?.map(({ Name, Value }) => [Name, Value?.trim()]));
  const desiredState = values.get(names.desired);
  if (desiredState !== "running" && desiredState !== "stopped") {
    throw new Error(`${names.desired} is "${desiredState}", not one of running, stopped.`);
  }
  return { desiredState, serverId: values.get(names.server) ?? "" };
}

async function readLatestTemplateVersion({ ec2, settings }: Context): Promise<string> {
  const command = new DescribeLaunchTemplatesCommand({ LaunchTemplateIds: [settings.launchTemplateId] });
  const version = (await ec2.send(command)).LaunchTemplates?.[0]?.LatestVersionNumber;
  if (version === undefined) throw new Error(`Launch template ${settings.launchTemplateId} was not found.`);
  return String(version);
}

async function readAddress({ ec2, settings }: Context): Promise<Observation["address"]> {
  if (settings.allocationId === undefined) return undefined;
  const { Addresses } = await ec2.send(new DescribeAddressesCommand({ AllocationIds: [settings.allocationId] }));
  return { holderId: Addresses?.[0]?.InstanceId };
}
