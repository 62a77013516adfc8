import {
  DataAwsIamPolicyDocument,
  type DataAwsIamPolicyDocumentStatement,
  type DataAwsIamPolicyDocumentStatementCondition,
} from "@cdktf/provider-aws/lib/data-aws-iam-policy-document";
import { TerraformStack } from "cdktf";
import type { Construct } from "constructs";

export interface Condition {
  readonly test: string;
  readonly variable: string;
  readonly values: readonly string[];
}

interface Grant {
  readonly sid: string;
  readonly actions: readonly string[];
  readonly conditions?: readonly Condition[];
}

interface NarrowGrant extends Grant {
  readonly resources: readonly string[];
}

/** Where AWS knows nothing narrower than every resource, the reason is asked for, and it stands in the JSON. */
interface WideGrant extends Grant {
  readonly resources: "*";
  readonly because: string;
}

export type Statement = NarrowGrant | WideGrant;

export function policyDocument(scope: Construct, id: string, statements: readonly Statement[]): string {
  const document = new DataAwsIamPolicyDocument(scope, id, { statement: statements.map(toTerraform) });
  for (const statement of statements) {
    if (statement.resources === "*") {
      TerraformStack.of(scope).addOverride(
        `//.any-resource.${document.friendlyUniqueId}.${statement.sid}`,
        statement.because,
      );
    }
  }
  return document.json;
}

function toTerraform(statement: Statement): DataAwsIamPolicyDocumentStatement {
  const { sid, actions, resources, conditions = [] } = statement;
  return {
    sid,
    actions: [...actions],
    resources: resources === "*" ? ["*"] : [...resources],
    condition: conditionsOf(conditions),
  };
}

export function conditionsOf(conditions: readonly Condition[]): DataAwsIamPolicyDocumentStatementCondition[] {
  return conditions.map(({ test, variable, values }) => ({ test, variable, values: [...values] }));
}

export function stringEquals(variable: string, ...values: string[]): Condition {
  return { test: "StringEquals", variable, values };
}
