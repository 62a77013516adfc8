import { setTimeout as sleep } from "node:timers/promises";
import {
  type _InstanceType,
  AssociateAddressCommand,
  CreateFleetCommand,
  CreateTagsCommand,
  DescribeAddressesCommand,
  EC2Client,
  type EC2ServiceException,
  type Filter,
  paginateDescribeInstanceStatus,
  paginateDescribeInstances,
  RunInstancesCommand,
  type Instance as SdkInstance,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { DisableRuleCommand, EnableRuleCommand, EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { GetParametersCommand, PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { type ClientOverrides, clientConfig } from "../shared/clients";
import { type AddressHolder, type Cloud, CloudError, type CloudInstance, type LaunchRequest } from "./cloud";
import type { Settings } from "./settings";

/** A fleet is launched before its answer comes. */
const LAUNCH_TIMEOUT_MS = 15_000;
const COLLISION_MS = 300;

/** AWS itself. */
export class AwsCloud implements Cloud {
  readonly #ec2: EC2Client;
  /** The same, with time for a launch. */
  readonly #launching: EC2Client;
  readonly #ssm: SSMClient;
  readonly #lambda: LambdaClient;
  readonly #events: EventBridgeClient;

  constructor(
    private readonly settings: Settings,
    overrides: ClientOverrides = {},
  ) {
    const config = clientConfig(overrides);
    this.#ec2 = new EC2Client(config);
    this.#launching = new EC2Client(clientConfig({ requestTimeoutMs: LAUNCH_TIMEOUT_MS, ...overrides }));
    this.#ssm = new SSMClient(config);
    this.#lambda = new LambdaClient(config);
    this.#events = new EventBridgeClient(config);
  }

  async instances(): Promise<CloudInstance[]> {
    const { environment, site } = this.settings;
    return this.#find("DescribeInstances", {
      Filters: [
        { Name: "tag:Project", Values: ["stingy-vpn"] },
        { Name: "tag:Environment", Values: [environment] },
        { Name: "tag:Site", Values: [site] },
      ],
    });
  }

  async instancesById(ids: readonly string[]): Promise<CloudInstance[]> {
    return this.#find("DescribeInstances", { Filters: [{ Name: "instance-id", Values: [...ids] }] });
  }

  async impairedInstances(): Promise<string[]> {
    return call("DescribeInstanceStatus", async () => {
      const ids: string[] = [];
      // Filters would have to be all true at once, and one check that fails is enough.
      for await (const page of paginateDescribeInstanceStatus({ client: this.#ec2 }, {})) {
        for (const { InstanceId, InstanceStatus, SystemStatus, AttachedEbsStatus } of page.InstanceStatuses ?? []) {
          const statuses = [InstanceStatus, SystemStatus, AttachedEbsStatus].map((status) => status?.Status);
          if (InstanceId && statuses.includes("impaired")) ids.push(InstanceId);
        }
      }
      return ids;
    });
  }

  async parameters(names: readonly string[]) {
    const { Parameters } = await call("GetParameters", () =>
      this.#ssm.send(new GetParametersCommand({ Names: [...names] })),
    );
    return new Map(
      (Parameters ?? []).map(({ Name = "", Value = "", LastModifiedDate = new Date(0) }) => [
        Name,
        { value: Value.trim(), modifiedAt: LastModifiedDate },
      ]),
    );
  }

  async putParameter(Name: string, Value: string): Promise<void> {
    const input = { Name, Value, Type: "String", Overwrite: true } as const;
    const put = () => call("PutParameter", () => this.#ssm.send(new PutParameterCommand(input)));
    try {
      await put();
    } catch (error) {
      // AWS's warning and the server's own come together, and the SDK does not repeat this one.
      if (!(error instanceof CloudError && error.code === "TooManyUpdates")) throw error;
      await sleep(COLLISION_MS * (1 + Math.random()));
      await put();
    }
  }

  async createParameter(Name: string, Value: string): Promise<void> {
    try {
      await call("PutParameter", () => this.#ssm.send(new PutParameterCommand({ Name, Value, Type: "String" })));
    } catch (error) {
      if (!(error instanceof CloudError && error.code === "ParameterAlreadyExists")) throw error;
    }
  }

  async addressHolder(): Promise<AddressHolder> {
    const { allocationId = "" } = this.settings;
    try {
      const { Addresses } = await call("DescribeAddresses", () =>
        this.#ec2.send(new DescribeAddressesCommand({ AllocationIds: [allocationId] })),
      );
      const [address] = Addresses ?? [];
      if (!address) return { kind: "missing" };
      const { InstanceId, NetworkInterfaceId, AssociationId } = address;
      if (InstanceId) return { kind: "instance", instanceId: InstanceId };
      return AssociationId ? { kind: "other", name: NetworkInterfaceId ?? AssociationId } : { kind: "nobody" };
    } catch (error) {
      if (error instanceof CloudError && error.code === "InvalidAllocationID.NotFound") return { kind: "missing" };
      throw error;
    }
  }

  async associateAddress(InstanceId: string): Promise<void> {
    const input = { AllocationId: this.settings.allocationId, InstanceId, AllowReassociation: true };
    await call("AssociateAddress", () => this.#ec2.send(new AssociateAddressCommand(input)));
  }

  async createFleet(request: LaunchRequest) {
    const { market, overrides, spotMaxPrice } = request;
    const spot = market === "spot";
    const types = [...new Set(overrides.map(({ instanceType }) => instanceType))];
    const answer = await call("CreateFleet", () =>
      this.#launching.send(
        new CreateFleetCommand({
          Type: "instant",
          ClientToken: request.clientToken,
          TargetCapacitySpecification: { TotalTargetCapacity: 1, DefaultTargetCapacityType: market },
          ...(spot
            ? {
                SpotOptions: {
                  AllocationStrategy: "price-capacity-optimized",
                  InstanceInterruptionBehavior: "terminate",
                },
              }
            : { OnDemandOptions: { AllocationStrategy: "prioritized" } }),
          LaunchTemplateConfigs: [
            {
              LaunchTemplateSpecification: templateOf(request),
              Overrides: overrides.map(({ instanceType, subnetId }) => ({
                SubnetId: subnetId,
                InstanceType: instanceType as _InstanceType,
                ...(spot ? {} : { Priority: types.indexOf(instanceType) }),
                ...(spotMaxPrice === undefined ? {} : { MaxPrice: spotMaxPrice }),
              })),
            },
          ],
        }),
      ),
    );
    return {
      instanceIds: (answer.Instances ?? []).flatMap(({ InstanceIds }) => InstanceIds ?? []),
      errors: (answer.Errors ?? []).map(({ ErrorCode, ErrorMessage, LaunchTemplateAndOverrides }) => {
        const { InstanceType: instanceType, SubnetId: subnetId } = LaunchTemplateAndOverrides?.Overrides ?? {};
        const where = { ...(instanceType ? { instanceType } : {}), ...(subnetId ? { subnetId } : {}) };
        return { code: ErrorCode ?? "Unknown", message: ErrorMessage ?? "", ...where };
      }),
    };
  }

  async runInstance(request: LaunchRequest, { instanceType, subnetId }: { instanceType: string; subnetId: string }) {
    const { market, spotMaxPrice } = request;
    const SpotOptions = {
      SpotInstanceType: "one-time",
      InstanceInterruptionBehavior: "terminate",
      ...(spotMaxPrice === undefined ? {} : { MaxPrice: spotMaxPrice }),
    } as const;
    const { Instances } = await call("RunInstances", () =>
      this.#launching.send(
        new RunInstancesCommand({
          MinCount: 1,
          MaxCount: 1,
          ClientToken: request.clientToken,
          LaunchTemplate: templateOf(request),
          InstanceType: instanceType as _InstanceType,
          SubnetId: subnetId,
          ...(market === "spot" ? { InstanceMarketOptions: { MarketType: "spot", SpotOptions } } : {}),
        }),
      ),
    );
    return Instances?.[0]?.InstanceId ?? "";
  }

  async terminate(instanceIds: readonly string[]): Promise<void> {
    const InstanceIds = [...instanceIds];
    await call("TerminateInstances", () => this.#ec2.send(new TerminateInstancesCommand({ InstanceIds })));
  }

  async tag(instanceId: string, Key: string, Value: string): Promise<void> {
    const input = { Resources: [instanceId], Tags: [{ Key, Value }] };
    await call("CreateTags", () => this.#ec2.send(new CreateTagsCommand(input)));
  }

  async updateDns(): Promise<void> {
    const input = { FunctionName: this.settings.ddnsFunction, InvocationType: "Event" } as const;
    await call("Invoke", () => this.#lambda.send(new InvokeCommand(input)));
  }

  async watchClosely(enabled: boolean): Promise<void> {
    const rule = { Name: this.settings.pendingTickRule };
    await call(enabled ? "EnableRule" : "DisableRule", () =>
      this.#events.send(enabled ? new EnableRuleCommand(rule) : new DisableRuleCommand(rule)),
    );
  }

  async #find(name: string, input: { Filters: Filter[] }): Promise<CloudInstance[]> {
    return call(name, async () => {
      const found: CloudInstance[] = [];
      for await (const page of paginateDescribeInstances({ client: this.#ec2 }, input)) {
        for (const { Instances = [] } of page.Reservations ?? []) found.push(...Instances.map(toCloudInstance));
      }
      return found;
    });
  }
}

function templateOf({ launchTemplateId, launchTemplateVersion }: LaunchRequest) {
  return { LaunchTemplateId: launchTemplateId, Version: String(launchTemplateVersion) };
}

function toCloudInstance(instance: SdkInstance): CloudInstance {
  const { InstanceId = "", State, LaunchTime = new Date(0), InstanceLifecycle, ImageId, Tags = [] } = instance;
  return {
    id: InstanceId,
    state: State?.Name ?? "pending",
    launchedAt: LaunchTime,
    spot: InstanceLifecycle === "spot",
    imageId: ImageId,
    tags: new Map(Tags.map(({ Key = "", Value = "" }) => [Key, Value])),
  };
}

/** AWS's answer says what was refused; a time-out, a broken connection or a fault on its side says nothing of what it did. */
async function call<T>(name: string, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    const { name: code, message, $fault: fault } = error as Partial<EC2ServiceException> & Error;
    // EC2 answers that it has no machine as a fault of its own.
    const definite = fault === "client" || /^(Insufficient|Unfulfillable|RequestLimitExceeded|Throttl)/.test(code);
    throw new CloudError(name, definite ? code : undefined, message, { cause: error });
  }
}
