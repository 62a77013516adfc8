import { DataAwsIamPolicyDocument } from "@cdktf/provider-aws/lib/data-aws-iam-policy-document";
import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { Construct } from "constructs";
import { type Condition, conditionsOf, policyDocument, type Statement } from "./policy";

export interface ServiceRoleProps {
  readonly name: string;
  readonly description: string;
  /** The AWS service that may take the role: "ec2.amazonaws.com". */
  readonly service: string;
  /**
   * On whose behalf the service may take it.
   *
   * @default - on behalf of whoever the service works for
   */
  readonly trustConditions?: readonly Condition[];
  readonly statements: readonly Statement[];
}

/** A role for one AWS service with one policy of its own. */
export class ServiceRole extends Construct {
  readonly arn: string;
  readonly roleName: string;
  /** Whatever uses the role at once has to wait for this. */
  readonly policy: IamRolePolicy;

  constructor(scope: Construct, id: string, props: ServiceRoleProps) {
    super(scope, id);
    const trust = new DataAwsIamPolicyDocument(this, "trust", {
      statement: [
        {
          actions: ["sts:AssumeRole"],
          principals: [{ type: "Service", identifiers: [props.service] }],
          ...(props.trustConditions ? { condition: conditionsOf(props.trustConditions) } : {}),
        },
      ],
    });
    const role = new IamRole(this, "role", {
      name: props.name,
      description: props.description,
      assumeRolePolicy: trust.json,
    });
    this.arn = role.arn;
    this.roleName = role.name;
    this.policy = new IamRolePolicy(this, "policy", {
      name: props.name,
      role: role.id,
      policy: policyDocument(this, "permissions", props.statements),
    });
  }
}
