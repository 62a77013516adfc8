import { DataAwsEip } from "@cdktf/provider-aws/lib/data-aws-eip";
import { Eip } from "@cdktf/provider-aws/lib/eip";
import { Construct } from "constructs";

export interface StableAddressProps {
  readonly name: string;
  /** The allocation id of an Elastic IP that already exists and is not Terraform's. A new one is allocated without it. */
  readonly allocationId?: string;
  /** Terraform refuses to release it. */
  readonly protect: boolean;
}

/** The Elastic IP that clients know. Which machine has it is the controller's affair. */
export class StableAddress extends Construct {
  readonly allocationId: string;
  readonly publicIp: string;

  constructor(scope: Construct, id: string, props: StableAddressProps) {
    super(scope, id);
    const address = props.allocationId
      ? new DataAwsEip(this, "elastic-ip", { id: props.allocationId })
      : new Eip(this, "elastic-ip", {
          domain: "vpc",
          tags: { Name: props.name },
          lifecycle: { preventDestroy: props.protect },
        });
    this.allocationId = props.allocationId ?? (address as Eip).allocationId;
    this.publicIp = address.publicIp;
  }
}
