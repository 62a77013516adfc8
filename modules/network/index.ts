export { Firewall, type FirewallProps } from "./firewall";
export { hostAddress, type PlannedSubnet, planSubnets } from "./planner";
export { PublicNetwork, type PublicNetworkProps } from "./public-network";
