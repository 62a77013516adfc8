import { DEFAULT_REGION } from "../../modules/config/defaults";
import type { InitOptions } from "../commands/init";
import { type CliError, usageError } from "../exit";
import { siteNameOf } from "./places";

export type BackendAnswer =
  | { readonly type: "local" }
  | { readonly type: "s3"; readonly bucket: string; readonly region: string }
  | { readonly type: "cloud"; readonly organization: string };

/** What a person chose. What nobody chose is absent, and has its default. */
export interface Answers {
  readonly site: string;
  readonly region: string;
  readonly environment?: string;
  readonly dns?: { readonly zone: string; readonly name: string };
  readonly emails: readonly string[];
  readonly backend?: BackendAnswer;
}

/** The options that say what is written. */
const SETTINGS = [
  "region",
  "environment",
  "dnsZone",
  "dnsName",
  "email",
  "backend",
  "bucket",
  "bucketRegion",
  "organization",
] as const satisfies readonly (keyof InitOptions)[];

export function choosesSettings(options: InitOptions): boolean {
  return SETTINGS.some((name) => options[name] !== undefined);
}

/** The options as answers, with a default for the rest. */
export function answersFrom(options: InitOptions & { readonly site?: string }): Answers {
  const region = options.region ?? DEFAULT_REGION.value;
  const dns = dnsFrom(options);
  const backend = backendFrom(options, region);
  return {
    site: options.site ?? siteNameOf(region),
    region,
    ...(options.environment === undefined ? {} : { environment: options.environment }),
    ...(dns === undefined ? {} : { dns }),
    emails: emailsFrom(options.email ?? []),
    ...(backend === undefined ? {} : { backend }),
  };
}

/** "a@b.c, d@e.f" and a list of such. */
export function emailsFrom(given: readonly string[]): string[] {
  return given.flatMap((text) => text.split(/[\s,;]+/)).filter((address) => address !== "");
}

function dnsFrom({ dnsZone, dnsName }: InitOptions): Answers["dns"] {
  if (dnsZone !== undefined) return { zone: dnsZone, name: dnsName ?? defaultNameIn(dnsZone) };
  if (dnsName === undefined) return undefined;
  throw usageError(`--dns-name ${dnsName} needs its zone.`, "Say which zone at Cloudflare it is in: --dns-zone.");
}

export function defaultNameIn(zone: string): string {
  return `vpn.${zone}`;
}

function backendFrom(options: InitOptions, region: string): BackendAnswer | undefined {
  const { backend, bucket, bucketRegion, organization } = options;
  const kind = backend ?? (bucket !== undefined ? "s3" : organization !== undefined ? "cloud" : undefined);
  const misplaced =
    (kind !== "s3" && (bucket ?? bucketRegion) !== undefined && "--bucket") ||
    (kind !== "cloud" && organization !== undefined && "--organization");
  if (misplaced)
    throw usageError(`${misplaced} does not fit the backend ${kind ?? "local"}.`, "Leave one of them out.");
  if (kind === "s3") {
    if (bucket === undefined) throw usageError("The backend s3 needs a bucket.", "Name one that exists: --bucket.");
    return { type: "s3", bucket, region: bucketRegion ?? region };
  }
  if (kind === "cloud") {
    if (organization === undefined) {
      throw usageError("The backend cloud needs an organization.", "Name yours at HCP Terraform: --organization.");
    }
    return { type: "cloud", organization };
  }
  return kind === undefined ? undefined : { type: "local" };
}

export function noNameAtCloudflare(site: string): CliError {
  return usageError(
    `The site ${site} has no name at Cloudflare, so it needs no token.`,
    "Set dns.provider, dns.zone and dns.name first (--dns-zone), or leave the token out.",
  );
}
