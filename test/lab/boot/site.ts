/** The site whose server boots: the settings that its user data is rendered with. */
import type { ServerBootstrapOptions } from "../../../modules/bootstrap";

export const REGION = "ap-northeast-1";
export const DOMAIN = "amazonaws.com";
export const ELASTIC_IP = "198.51.100.10";
export const LOG_GROUP = "/stingy-vpn/prod/tokyo";

export const SITE: ServerBootstrapOptions = {
  distribution: "debian",
  environment: "prod",
  site: "tokyo",
  storePrefix: "/stingy-vpn/prod",
  tunnelIpv4: "10.8.0.1/24",
  tunnelIpv6: "fd53:7469:6e67::1/64",
  listenPort: 51820,
  address: ELASTIC_IP,
  defaultGroup: "full",
  betweenPeers: true,
  isolatedNetworks: [],
  adminCidrs: [],
  logGroup: LOG_GROUP,
};
