import { METRICS_NAMESPACE } from "../metrics";
import { type Bootstrap, compose, portsOf } from "./compose";
import type { Distribution } from "./distribution";
import { assertOptions } from "./options";
import { render } from "./render";
import { adminSsh } from "./roles/admin-ssh";
import { base } from "./roles/base";
import { cloudwatchAgent } from "./roles/cloudwatch-agent";
import { firewall } from "./roles/firewall";
import { journal } from "./roles/journal";
import { type SiteOptions, site } from "./roles/site";
import { ssmAgent } from "./roles/ssm-agent";
import { stingy } from "./roles/stingy";
import { wireguard } from "./roles/wireguard";
import { assertSize } from "./size";

export interface ServerBootstrapOptions extends SiteOptions {
  readonly distribution: Distribution;
  /** Whether peers of the group full reach each other. */
  readonly betweenPeers: boolean;
  /** What peers of the group isolated reach. */
  readonly isolatedNetworks: readonly string[];
  /** Networks that reach the server's SSH. */
  readonly adminCidrs: readonly string[];
  /** @default false */
  readonly cloudwatchAgent?: boolean;
}

/** The site's WireGuard server. */
export function serverBootstrap(options: ServerBootstrapOptions): Bootstrap {
  assertOptions(options);
  const { distribution, listenPort, betweenPeers, isolatedNetworks, adminCidrs } = options;
  const before = [base({ ipv6: options.tunnelIpv6 !== undefined }), wireguard(), site(options)];
  const after = [
    stingy({ listenPort }),
    ...(options.logGroup === undefined ? [] : [journal()]),
    ssmAgent(),
    ...(options.cloudwatchAgent
      ? [
          cloudwatchAgent({
            namespace: METRICS_NAMESPACE,
            dimensions: { Site: options.site, Environment: options.environment },
          }),
        ]
      : []),
    ...(adminCidrs.length > 0 ? [adminSsh(adminCidrs)] : []),
  ];
  const open = portsOf(distribution, [...before, ...after]);
  return compose(distribution, [...before, firewall({ listenPort, betweenPeers, isolatedNetworks, open }), ...after]);
}

/** The cloud-config that makes a fresh image of the distribution the site's server. Holds no secret. */
export function renderUserData(options: ServerBootstrapOptions): string {
  const bootstrap = serverBootstrap(options);
  const userData = render(bootstrap);
  assertSize(bootstrap, userData);
  return userData;
}
