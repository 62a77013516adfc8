import { readAsset, script, unit } from "../assets";
import type { Role } from "../role";

export interface StingyOptions {
  /** Where WireGuard listens. */
  readonly listenPort: number;
}

const SYNC = "systemctl restart stingy-sync.service";
// From an address in the tunnel, as the peers' packets are; without one, curl would take the machine's own. Two services, as
// one that is down says nothing of this server, and whoever answers at all proves the way.
const EGRESS = `read -r _ _ own _ < <(ip -br -4 address show dev wg0); [ "$own" ] && for service in ssm ec2; do curl --silent --insecure --output /dev/null --max-time 5 --noproxy '*' --interface "\${own%/*}" "https://$service.$region.$domain/" && exit; done; exit 1`;

/** The scripts that make the machine its site's server, and let it heal itself. */
export function stingy({ listenPort }: StingyOptions): Role {
  return () => ({
    role: "stingy",
    packages: ["http-client", "json"],
    files: [
      { path: "/usr/local/lib/stingy/store.jq", content: readAsset("store.jq", "quoted") },
      ...["stingy-sync", "stingy-watch", "stingy-health", "stingy-promote"].map(script),
    ],
    units: [
      "stingy-sync.service",
      "stingy-sync.timer",
      "stingy-watch.service",
      "stingy-health.service",
      "stingy-health.timer",
      "stingy-promote.service",
    ].map(unit),
    checks: [
      { name: "wg0-up", command: "ip link show dev wg0 up | grep -q wg0", repair: SYNC },
      {
        name: "wg0-key",
        command: "wg show wg0 public-key | cmp -s - /run/stingy/public-key",
        repair: SYNC,
      },
      { name: "egress", command: EGRESS, repair: "systemctl restart stingy-firewall.service stingy-sync.service" },
    ],
    ports: [{ protocol: "udp", port: listenPort }],
    requires: ["site", "forwarding", "time-sync", "wireguard", "firewall"],
  });
}
