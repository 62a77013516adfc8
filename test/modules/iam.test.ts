import { expect } from "chai";
import { policyDocument, ServiceRole, type Statement, stringEquals } from "../../modules/iam";
import { aloneWithMetadata as alone, ref, withoutMetadata as without } from "../support/alone";
import type { Json } from "../support/synth";

describe("policyDocument", () => {
  const narrow: Statement = {
    sid: "Read",
    actions: ["ssm:GetParameter"],
    resources: ["arn:aws:ssm:eu-west-1:111122223333:parameter/a"],
  };
  const wide: Statement = {
    sid: "Look",
    actions: ["ec2:DescribeInstances"],
    resources: "*",
    because: "EC2 cannot do it otherwise",
    conditions: [stringEquals("aws:RequestedRegion", "eu-west-1", "eu-west-2")],
  };
  const document = (...statements: Statement[]) => alone((stack) => policyDocument(stack, "rights", statements));

  it("says what may be done to which resource, and under which condition", () => {
    expect(document(narrow, wide).data.aws_iam_policy_document.rights.statement).to.deep.equal([
      {
        sid: "Read",
        actions: ["ssm:GetParameter"],
        resources: ["arn:aws:ssm:eu-west-1:111122223333:parameter/a"],
        condition: [],
      },
      {
        sid: "Look",
        actions: ["ec2:DescribeInstances"],
        resources: ["*"],
        condition: [{ test: "StringEquals", variable: "aws:RequestedRegion", values: ["eu-west-1", "eu-west-2"] }],
      },
    ]);
  });

  it("writes the reason of each `*` into the JSON", () => {
    expect(document(narrow, wide)["//"]["any-resource"]).to.deep.equal({
      rights: { Look: "EC2 cannot do it otherwise" },
    });
  });

  it("writes no reason where every resource is named", () => {
    expect(document(narrow)["//"]).not.to.have.property("any-resource");
  });
});

describe("ServiceRole", () => {
  let json: Json;
  before(() => {
    json = alone((stack) => {
      new ServiceRole(stack, "iam", {
        name: "vpn-server",
        description: "The server",
        service: "ec2.amazonaws.com",
        statements: [{ sid: "Say", actions: ["events:PutEvents"], resources: ["arn:aws:events:x"] }],
      });
    });
  });

  it("is trusted to the one service", () => {
    expect(json.data.aws_iam_policy_document.iam_trust.statement).to.deep.equal([
      { actions: ["sts:AssumeRole"], principals: [{ type: "Service", identifiers: ["ec2.amazonaws.com"] }] },
    ]);
    expect(without(json.resource.aws_iam_role)).to.deep.equal({
      iam_role: {
        name: "vpn-server",
        description: "The server",
        assume_role_policy: ref("data.aws_iam_policy_document.iam_trust.json"),
      },
    });
  });

  it("is trusted only on behalf of whom it says, where it says so", () => {
    const { data } = alone((stack) => {
      new ServiceRole(stack, "iam", {
        name: "vpn-sync",
        description: "The rule",
        service: "events.amazonaws.com",
        trustConditions: [stringEquals("aws:SourceArn", "arn:aws:events:x:rule/one")],
        statements: [],
      });
    });
    expect(data.aws_iam_policy_document.iam_trust.statement).to.deep.equal([
      {
        actions: ["sts:AssumeRole"],
        principals: [{ type: "Service", identifiers: ["events.amazonaws.com"] }],
        condition: [{ test: "StringEquals", variable: "aws:SourceArn", values: ["arn:aws:events:x:rule/one"] }],
      },
    ]);
  });

  it("may do what its own policy says, and nothing else is attached", () => {
    expect(json.data.aws_iam_policy_document.iam_permissions.statement).to.deep.equal([
      { sid: "Say", actions: ["events:PutEvents"], resources: ["arn:aws:events:x"], condition: [] },
    ]);
    expect(without(json.resource.aws_iam_role_policy)).to.deep.equal({
      iam_policy: {
        name: "vpn-server",
        role: ref("aws_iam_role.iam_role.id"),
        policy: ref("data.aws_iam_policy_document.iam_permissions.json"),
      },
    });
    expect(Object.keys(json.resource)).to.have.members(["aws_iam_role", "aws_iam_role_policy"]);
  });
});
