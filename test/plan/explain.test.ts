import { expect } from "chai";
import { diagnosticsOf, explain } from "../../cli/plan/explain";
import { plain } from "../../cli/plan/sentence";

const error = (summary: string, detail = "", address?: string) => ({
  severity: "error",
  summary,
  detail,
  ...(address === undefined ? {} : { address }),
});
const said = (text: string) => plain(explain([], text).problem);

/** What Terraform and its provider say, and what a person is told of it. */
const CASES: readonly (readonly [what: string, text: string, problem: string])[] = [
  [
    "no credentials",
    "Error: No valid credential sources found\n\nError: failed to refresh cached credentials, no EC2 IMDS role found",
    "There are no AWS credentials.",
  ],
  [
    "no credentials, in lines broken anywhere",
    "│ Error: No valid\n│ credential sources found",
    "There are no AWS credentials.",
  ],
  [
    "expired credentials",
    "api error ExpiredToken: The security token included in the request is expired",
    "The AWS credentials have expired.",
  ],
  [
    "expired credentials of SSO",
    "the SSO session has expired or is invalid: SSO session associated with this profile has expired",
    "The AWS credentials have expired.",
  ],
  [
    "wrong credentials",
    "api error InvalidClientTokenId: The security token included in the request is invalid.",
    "AWS does not accept the credentials.",
  ],
  [
    "no token of HCP Terraform",
    "│ Error: Required token could not be found\n│ \n│ Run the following command to generate a token for app.terraform.io:",
    "There is no token for HCP Terraform.",
  ],
  [
    "a provider that cannot be had",
    "╷\n│ Error: Failed to query available provider packages\n│ \n│ Could not retrieve the list of available versions for provider\n│ hashicorp/archive: could not connect",
    "Terraform could not get the provider hashicorp/archive.",
  ],
  [
    "a provider that cannot be installed",
    "Error: Failed to install provider\n\nError while installing hashicorp/aws v6.25.0: timeout",
    "Terraform could not get its providers.",
  ],
  [
    "an AWS that cannot be reached",
    'request send failed, Post "https://sts.ap-northeast-1.amazonaws.com/": dial tcp: lookup sts.ap-northeast-1.amazonaws.com: no such host',
    "sts.ap-northeast-1.amazonaws.com cannot be reached.",
  ],
  [
    "an HCP Terraform that cannot be reached",
    'Failed to request discovery document: Get "https://app.terraform.io/.well-known/terraform.json": dial\n│ tcp: connection refused',
    "app.terraform.io cannot be reached.",
  ],
  ["a locked state", "Error: Error acquiring the state lock", "The state is locked: somebody is deploying."],
  [
    "what is protected",
    "Error: Instance cannot be destroyed\n\nResource aws_eip.a has\nlifecycle.prevent_destroy set",
    "aws_eip.a is protected, and this change would destroy it: Terraform refuses.",
  ],
  ["no bucket", 'Error: S3 bucket "states" does not exist.', "The bucket of the states does not exist."],
  [
    "too few permissions",
    "api error AccessDenied: User: arn:aws:sts::1:x is not authorized to perform: iam:GetRole on resource: role x",
    "The credentials may not do iam:GetRole, which a plan needs.",
  ],
  [
    "too few permissions, in lines broken anywhere",
    "AccessDeniedException: User: arn is not authorized to\n│ perform: ssm:DescribeParameters on resource",
    "The credentials may not do ssm:DescribeParameters, which a plan needs.",
  ],
  [
    "no token of Cloudflare",
    'Error: Missing API credentials for cloudflare: set "api_token"',
    "There is no token for Cloudflare.",
  ],
];

describe("what Terraform's errors mean", () => {
  for (const [what, text, problem] of CASES) {
    it(`is told of ${what}`, () => {
      expect(said(text)).to.equal(problem);
    });
  }

  it("is told once where it would be the same for every stack", () => {
    expect(explain([], "No valid credential sources found").everywhere).to.equal(true);
    expect(explain([], "Error acquiring the state lock").everywhere).to.equal(undefined);
  });

  it("is what Terraform says itself where nobody knows better, on a line, with its resource", () => {
    expect(plain(explain([error("Odd", "one\n  two", "aws_vpc.v"), error("Odder")]).problem)).to.equal(
      "aws_vpc.v: Odd. one two\nOdder.",
    );
    expect(said("│ Error: odd thing\n│ \n│ here")).to.equal("Terraform failed: odd thing here");
  });

  it("is without what only warns", () => {
    expect(plain(explain([{ severity: "warning", summary: "Deprecated" }, error("Odd")]).problem)).to.equal("Odd.");
  });

  it("is without secrets, and not endless", () => {
    const problem = plain(
      explain([error("Odd", `key QGFzZGYxMjM0NTY3ODkwYXNkZmFzZGZhc2RmYXNkZmE= ${"x".repeat(5000)}`)]).problem,
    );
    expect(problem).not.to.include("QGFz");
    expect(problem.length).to.be.lessThan(900);
  });

  it("is read from Terraform's JSON, whatever else is printed", () => {
    const lines = [
      '{"type":"version"}',
      "not JSON",
      '{"diagnostic"',
      JSON.stringify({ type: "diagnostic", diagnostic: error("Odd") }),
    ];
    expect(diagnosticsOf(lines.join("\n"))).to.deep.equal([error("Odd")]);
  });
});
