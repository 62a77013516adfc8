import { readAsset } from "../assets";
import type { Role } from "../role";
import { envFile } from "../shell";

export type Group = "full" | "internet" | "isolated";

export interface SiteOptions {
  readonly environment: string;
  readonly site: string;
  /** Path of the site's parameters, such as `/stingy-vpn/prod`. */
  readonly storePrefix: string;
  /** The server's own address in the tunnel with the tunnel's prefix length, such as `10.8.0.1/24`. */
  readonly tunnelIpv4: string;
  /** @default - no IPv6 in the tunnel */
  readonly tunnelIpv6?: string;
  readonly listenPort: number;
  /**
   * The Elastic IP's address, or a marker in its place such as `@ADDRESS@`.
   * @default - the site has no Elastic IP
   */
  readonly address?: string;
  /** The group of peers that name none. */
  readonly defaultGroup: Group;
  /**
   * CloudWatch's log group for what the units say.
   * @default - it stays on the machine
   */
  readonly logGroup?: string;
}

/** 1500 less WireGuard's overhead over IPv6, the larger one. */
const MTU = 1420;

/** What all scripts of a server share: the site's settings, a library, and what their units may do. */
export function site(options: SiteOptions): Role {
  const settings = envFile({
    ENVIRONMENT: options.environment,
    SITE: options.site,
    STORE_PREFIX: options.storePrefix,
    LISTEN_PORT: options.listenPort,
    TUNNEL_IPV4: options.tunnelIpv4,
    TUNNEL_IPV6: options.tunnelIpv6 ?? "",
    MTU,
    ADDRESS: options.address ?? "",
    DEFAULT_GROUP: options.defaultGroup,
    ...(options.logGroup === undefined ? {} : { LOG_GROUP: options.logGroup }),
  });
  return () => ({
    role: "site",
    packages: ["http-client", "json"],
    files: [
      { path: "/etc/stingy/server.env", content: settings },
      { path: "/usr/local/lib/stingy/common.sh", content: readAsset("common.sh", "shell") },
      // A folder that ends in a hyphen holds drop-ins of every unit whose name begins so.
      {
        path: "/etc/systemd/system/stingy-.service.d/50-sandbox.conf",
        content: readAsset("units/sandbox.conf", "quoted"),
      },
    ],
    provides: ["site"],
  });
}
