/** The names below a site's store prefix. Terraform makes only the first three: the rest are secrets. */
export const STORE = {
  instanceId: "instance-id",
  desiredState: "desired-state",
  /** What the controller remembers of its launches, which no instance can say. */
  launches: "launches",
  cloudflareToken: "cloudflare-token",
  /** Where alarms are posted to. Whoever knows the URL can post there, too. */
  webhookUrl: "webhook-url",
  wireguardConfig: "wireguard-config",
  wireguardPrivateKey: "wireguard-private-key",
  clientPublicKeys: "client-public-keys",
  /** The path of one parameter per peer. */
  peers: "peers",
  /** Where the peers were last seen, which the server writes for its successor. */
  peerEndpoints: "peer-endpoints",
} as const;
