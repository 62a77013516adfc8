import { SsmParameter } from "@cdktf/provider-aws/lib/ssm-parameter";
import type { Construct } from "constructs";

export { STORE } from "./names";

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
