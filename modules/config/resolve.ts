import { DEFAULT_TUNNEL_IPV6 } from "./defaults";
import { REGION_ZONES } from "./regions";
import type { ParsedConfig } from "./schema";
import type { ImageName, ParsedSite } from "./site-schema";

export type Distribution = "al2023" | "debian" | "ubuntu";
export type Backend = ParsedConfig["backend"];
export type CloudflareSettings = Extract<ParsedSite["dns"], { provider: "cloudflare" }> & {
  readonly records: readonly ("A" | "AAAA")[];
};

/** A site with everything decided: what depends on other settings is filled in. */
export interface Site extends Omit<ParsedSite, "network" | "tunnel" | "server" | "dns"> {
  readonly name: string;
  readonly environment: string;
  readonly storePrefix: string;
  readonly network: ParsedSite["network"] & { readonly availabilityZones: readonly string[] };
  /** `ipv6` is absent where network.ipv6 is off. */
  readonly tunnel: ParsedSite["tunnel"];
  readonly server: ParsedSite["server"] & { readonly distribution: Distribution };
  readonly dns: { readonly provider: "none" } | CloudflareSettings;
}

export interface Config extends Omit<ParsedConfig, "sites"> {
  readonly sites: readonly Site[];
}

const DISTRIBUTION_OF: Record<ImageName, Distribution> = {
  al2023: "al2023",
  "debian-12": "debian",
  "debian-13": "debian",
  "ubuntu-24.04": "ubuntu",
};

export function isImageId(image: ParsedSite["server"]["image"]): image is `ami-${string}` {
  return image.startsWith("ami-");
}

export function resolve({ sites, ...rest }: ParsedConfig): Config {
  return {
    ...rest,
    sites: Object.entries(sites).map(([name, site]) => resolveSite(name, rest.environment, site)),
  };
}

function resolveSite(name: string, environment: string, site: ParsedSite): Site {
  const { ipv6 } = site.network;
  const { image } = site.server;
  const { ipv6: tunnelIpv6, ...tunnel } = site.tunnel;
  return {
    ...site,
    name,
    environment,
    storePrefix: site.storePrefix ?? `/stingy-vpn/${environment}`,
    network: {
      ...site.network,
      availabilityZones: site.network.availabilityZones ?? [...REGION_ZONES[site.region]],
    },
    tunnel: ipv6 ? { ...tunnel, ipv6: tunnelIpv6 ?? DEFAULT_TUNNEL_IPV6.value } : tunnel,
    server: {
      ...site.server,
      distribution: isImageId(image) ? (site.server.distribution ?? "al2023") : DISTRIBUTION_OF[image],
    },
    dns:
      site.dns.provider === "none"
        ? site.dns
        : { ...site.dns, records: site.dns.records ?? (ipv6 ? ["A", "AAAA"] : ["A"]) },
  };
}
