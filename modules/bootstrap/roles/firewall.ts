import { mergeCidr } from "cidr-tools";
import { parseRange } from "../../network/planner";
import { renderAsset, script, unit } from "../assets";
import { compact } from "../compact";
import { BootstrapError } from "../error";
import type { Port, Role } from "../role";

export interface FirewallOptions {
  /** Where WireGuard listens. It must be open, too. */
  readonly listenPort: number;
  /** Whether peers of the group full reach each other. */
  readonly betweenPeers: boolean;
  /** What peers of the group isolated reach. */
  readonly isolatedNetworks: readonly string[];
  /** What is let in: what other roles listen on. */
  readonly open: readonly Port[];
}

interface Opening {
  readonly protocol: string;
  readonly port: number;
  /** nft's set elements of one family; empty for any source. */
  readonly from4: string;
  readonly from6: string;
}

// Where the table was gone, its sets are empty until sync fills them again.
const RELOAD = "systemctl restart stingy-firewall.service stingy-sync.service";

/** nftables, as assets/userdata/firewall.nft.hbs says. */
export function firewall({ listenPort, betweenPeers, isolatedNetworks, open }: FirewallOptions): Role {
  const isolated = elements("isolatedNetworks", isolatedNetworks);
  const rules = renderAsset("firewall.nft.hbs", {
    listenPort,
    betweenPeers,
    isolated4: isolated.ipv4,
    isolated6: isolated.ipv6,
    open: open.flatMap(openings),
  });
  return () => ({
    role: "firewall",
    packages: ["nftables", "http-client"],
    files: [{ path: "/etc/stingy/firewall.nft", content: compact(rules, "quoted") }, script("stingy-firewall")],
    units: [unit("stingy-firewall.service")],
    checks: [
      { name: "masquerade", command: "nft list chain inet stingy postrouting | grep -q masquerade", repair: RELOAD },
      { name: "forward-policy", command: "nft list chain inet stingy forward | grep -q 'policy drop'", repair: RELOAD },
    ],
    provides: ["firewall"],
    requires: ["site"],
  });
}

/** nft takes no two families in one rule. */
function openings({ protocol, port, from }: Port): Opening[] {
  if (from === undefined) return [{ protocol, port, from4: "", from6: "" }];
  const { ipv4, ipv6 } = elements(`What ${protocol}/${port} is open to`, from);
  return [
    ...(ipv4 === "" ? [] : [{ protocol, port, from4: ipv4, from6: "" }]),
    ...(ipv6 === "" ? [] : [{ protocol, port, from4: "", from6: ipv6 }]),
  ];
}

/** Networks as nft's set elements, by family. Merged, because nft refuses a set whose elements overlap. */
function elements(what: string, networks: readonly string[]): { readonly ipv4: string; readonly ipv6: string } {
  for (const network of networks) {
    if (parseRange(network) === undefined) {
      throw new BootstrapError(
        `${what}: ${JSON.stringify(network)} is no network; give one such as 10.0.0.0/24 or fd00::/64.`,
      );
    }
  }
  const merged = mergeCidr([...networks]);
  const ofFamily = (isOfFamily: (network: string) => boolean) => merged.filter(isOfFamily).join(", ");
  return { ipv4: ofFamily((network) => !network.includes(":")), ipv6: ofFamily((network) => network.includes(":")) };
}
