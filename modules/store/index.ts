import { SsmParameter } from "@cdktf/provider-aws/lib/ssm-parameter";
import type { Construct } from "constructs";

/** The names below a site's store prefix. Terraform makes only the first three: the rest are secrets. */
export const STORE = {
  instanceId: "instance-id",
  desiredState: "desired-state",
  /** What the controller remembers of its launches, which no instance can say. */
  launches: "launches",
  cloudflareToken: "cloudflare-token",
  wireguardConfig: "wireguard-config",
  wireguardPrivateKey: "wireguard-private-key",
  clientPublicKeys: "client-public-keys",
  /** The path of one parameter per peer. */
  peers: "peers",
  /** Where the peers were last seen, which the server writes for its successor. */
  peerEndpoints: "peer-endpoints",
} as const;

export interface OwnedParameterProps {
  readonly name: string;
  readonly description: string;
  readonly initial: string;
  /** Terraform refuses to delete it. */
  readonly protect: boolean;
}

/** A parameter that Terraform makes and somebody else writes from then on, so that no later apply sets it back. */
export function ownedParameter(scope: Construct, id: string, props: OwnedParameterProps): SsmParameter {
  return new SsmParameter(scope, id, {
    name: props.name,
    description: props.description,
    type: "String",
    // Whoever overwrites it may leave the description out, and SSM then forgets it.
    // Not a secret: as insecure_value it is readable in plans.
    insecureValue: props.initial,
    lifecycle: { ignoreChanges: ["insecure_value", "description"], preventDestroy: props.protect },
  });
}

export function parameterArn(region: string, account: string, name: string): string {
  return `arn:aws:ssm:${region}:${account}:parameter${name}`;
}
