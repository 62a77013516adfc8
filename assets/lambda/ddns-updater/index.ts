import { isIPv4 } from "node:net";
import { EC2Client } from "@aws-sdk/client-ec2";
import { SSMClient } from "@aws-sdk/client-ssm";
import { clientConfig } from "../shared/clients";
import { type Reader, readEnvironment, type Variables } from "../shared/environment";
import { outwardError } from "../shared/errors";
import { isSafeUrl } from "../shared/http";
import { LOG_LEVELS } from "../shared/log";
import { type Replacements, toolsOf } from "../shared/tools";
import { RECORD_TYPES } from "./cloudflare";
import { type DnsSettings, type Result, update } from "./update";

const CLOUDFLARE = "https://api.cloudflare.com/client/v4";

export interface Summary {
  readonly results: readonly Result[];
}

export function createHandler(variables: Variables, replacements: Replacements = {}) {
  const { log, metrics, patience } = toolsOf(variables, replacements);
  const config = clientConfig(replacements.sdk);
  const clients = { ec2: new EC2Client(config), ssm: new SSMClient(config) };

  /** Whatever the event is, it is not read: it only says that the records may have to change. */
  return async (): Promise<Summary> => {
    try {
      const { storePrefix, functionName, dns } = readSettings(variables);
      if (dns === undefined) {
        log.info("DNS is off, as there is no CLOUDFLARE_ZONE_ID: no record is written");
        return { results: [] };
      }
      const results = await update({
        aws: { ...clients, storePrefix },
        dns,
        patience: patience(),
        again: `aws lambda invoke --function-name ${functionName} /dev/stdout`,
      });
      return { results };
    } catch (error) {
      const errors = error instanceof AggregateError ? error.errors : [error];
      for (const each of errors) log.error("failed", { error: each });
      metrics.count("DnsFailures");
      throw outwardError(error);
    } finally {
      metrics.flush();
    }
  };
}

function readSettings(variables: Variables) {
  return readEnvironment(variables, (read) => ({
    site: read.required("SITE"),
    environment: read.required("ENVIRONMENT"),
    storePrefix: read.required("STORE_PREFIX"),
    functionName: read.optional("AWS_LAMBDA_FUNCTION_NAME") ?? "FUNCTION",
    level: read.oneOf("LOG_LEVEL", LOG_LEVELS, "info"),
    dns: read.optional("CLOUDFLARE_ZONE_ID") === undefined ? undefined : readDnsSettings(read),
  }));
}

function readDnsSettings(read: Reader): DnsSettings {
  const baseUrl = read.matching("CLOUDFLARE_BASE_URL", isSafeUrl, "an https URL, or an http URL of 127.0.0.1");
  return {
    zoneId: read.required("CLOUDFLARE_ZONE_ID"),
    name: read.required("DNS_NAME"),
    types: read.listOf("DNS_RECORDS", RECORD_TYPES),
    ids: { A: read.optional("CLOUDFLARE_RECORD_ID"), AAAA: read.optional("CLOUDFLARE_RECORD_ID_V6") },
    address: read.matching("ADDRESS", isIPv4, "an IPv4 address"),
    baseUrl: (baseUrl ?? CLOUDFLARE).replace(/\/+$/, ""),
  };
}

let warm: ReturnType<typeof createHandler> | undefined;

export const handler = async (): Promise<Summary> => {
  warm ??= createHandler(process.env);
  return warm();
};
