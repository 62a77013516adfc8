import type { ServerBootstrapOptions } from "../bootstrap";
import type { Site } from "../config";
import { siteNames } from "../names";
import { hostAddress } from "../network/planner";

/** What makes a machine this site's server. `address` is its Elastic IP, or what stands for it; empty without one. */
export function bootstrapOptions(site: Site, address: string): ServerBootstrapOptions {
  const { environment, name, storePrefix, tunnel, access, network, server, monitoring } = site;
  return {
    distribution: server.distribution,
    environment,
    site: name,
    storePrefix,
    tunnelIpv4: hostAddress(tunnel.ipv4, 1),
    ...(tunnel.ipv6 === undefined ? {} : { tunnelIpv6: hostAddress(tunnel.ipv6, 1) }),
    listenPort: tunnel.listenPort,
    address,
    ...access,
    adminCidrs: network.adminCidrs,
    cloudwatchAgent: monitoring.agent,
    ...(monitoring.serverLogs ? { logGroup: siteNames(site).serverLogGroup } : {}),
  };
}
