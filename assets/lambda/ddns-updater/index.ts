import { setTimeout as sleep } from "node:timers/promises";
import { DescribeInstancesCommand, EC2Client, type EC2ClientConfig } from "@aws-sdk/client-ec2";
import { GetParameterCommand, ParameterNotFound, SSMClient } from "@aws-sdk/client-ssm";
import { readEnvironment, type Variables } from "../shared/environment";
import { createLog, LOG_LEVELS } from "../shared/log";
import { type Cloudflare, updateRecord } from "./cloudflare";

export interface Replacements extends Partial<Pick<Cloudflare, "log" | "sleep" | "random">> {
  readonly sdk?: Pick<EC2ClientConfig, "endpoint" | "region" | "credentials" | "maxAttempts">;
}

export function createHandler(variables: Variables, replacements: Replacements = {}) {
  const settings = readEnvironment(variables, (read) => ({
    storePrefix: read.required("STORE_PREFIX"),
    zoneId: read.required("CLOUDFLARE_ZONE_ID"),
    recordId: read.optional("CLOUDFLARE_RECORD_ID"),
    recordIdV6: read.optional("CLOUDFLARE_RECORD_ID_V6"),
    baseUrl: read.optional("CLOUDFLARE_BASE_URL") ?? "https://api.cloudflare.com/client/v4",
    level: read.oneOf("LOG_LEVEL", LOG_LEVELS, "info"),
  }));
  const { sdk = {}, log = createLog(settings.level), ...chance } = replacements;
  const ec2 = new EC2Client(sdk);
  const ssm = new SSMClient(sdk);

  async function parameter(name: string, WithDecryption: boolean): Promise<string> {
    const Name = `${settings.storePrefix}/${name}`;
    try {
      const value = (await ssm.send(new GetParameterCommand({ Name, WithDecryption }))).Parameter?.Value?.trim();
      if (value) return value;
    } catch (error) {
      if (!(error instanceof ParameterNotFound)) throw error;
    }
    throw new Error(`Parameter ${Name} does not exist or is empty.`);
  }

  async function serverAddresses() {
    const instanceId = await parameter("instance-id", false);
    if (instanceId === "initial") throw new Error("No server has been promoted yet: there is no address to publish.");
    const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [instanceId] }));
    const instance = Reservations?.[0]?.Instances?.[0];
    const ipv6 = instance?.Ipv6Address ?? instance?.NetworkInterfaces?.[0]?.Ipv6Addresses?.[0]?.Ipv6Address;
    return { instanceId, ipv4: instance?.PublicIpAddress, ipv6 };
  }

  async function cloudflareToken(): Promise<string> {
    const token = await parameter("cloudflare-token", true);
    // fetch quotes a header value it refuses in its error, and errors are logged.
    if (!/^[\x21-\x7e]+$/.test(token)) throw new Error("The Cloudflare token holds a space or a non-ASCII character.");
    return token;
  }

  async function update(): Promise<{ updated: string[] }> {
    const { instanceId, ipv4, ipv6 } = await serverAddresses();
    const cloudflare = { ...settings, token: await cloudflareToken(), log, sleep, random: Math.random, ...chance };
    const records = [
      { kind: "IPv4", recordId: settings.recordId, address: ipv4 },
      { kind: "IPv6", recordId: settings.recordIdV6, address: ipv6 },
    ];
    const updates = records.map(async ({ kind, recordId, address }) => {
      if (recordId === undefined) return [];
      if (address === undefined) throw new Error(`Server ${instanceId} has no public ${kind} address.`);
      await updateRecord(cloudflare, recordId, address);
      return [address];
    });
    // One family's failure must not keep the other from being updated.
    const results = await Promise.allSettled(updates);
    const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason as Error] : []));
    if (failures.length > 0) throw new Error(failures.map(({ message }) => message).join(" "));
    return { updated: results.flatMap((result) => (result.status === "fulfilled" ? result.value : [])) };
  }

  return async () => {
    try {
      return await update();
    } catch (error) {
      log.error("failed", { error });
      throw error;
    }
  };
}

let warm: ReturnType<typeof createHandler> | undefined;

export const handler = async (): Promise<{ updated: string[] }> => {
  warm ??= createHandler(process.env);
  return warm();
};
