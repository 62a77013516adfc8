import { expect } from "chai";
import { explainAwsError } from "../../cli/aws-errors";
import { CliError, EXIT } from "../../cli/exit";

/** As AWS's SDK throws it. */
function thrown(name: string, message = "", more: object = {}): Error {
  return Object.assign(new Error(message), { name, ...more });
}

const ANSWERED = { $metadata: { httpStatusCode: 400, attempts: 1 } };

describe("what AWS throws", () => {
  const saved = process.env.AWS_PROFILE;
  beforeEach(() => {
    delete process.env.AWS_PROFILE;
  });
  after(() => {
    if (saved === undefined) delete process.env.AWS_PROFILE;
    else process.env.AWS_PROFILE = saved;
  });

  const explain = (error: Error): CliError => {
    const explained = explainAwsError(error, "eu-west-1");
    expect(explained).to.be.instanceOf(CliError);
    return explained as CliError;
  };

  const cases: [what: string, error: Error, message: string | RegExp, fix: RegExp][] = [
    [
      "no credentials",
      thrown("CredentialsProviderError", "Could not load credentials from any providers"),
      "There are no AWS credentials.",
      /aws configure/,
    ],
    [
      "expired credentials",
      thrown("ExpiredTokenException", "The security token included in the request is expired", ANSWERED),
      "Your AWS credentials have expired.",
      /aws sso login/,
    ],
    [
      "an SSO session that has expired",
      thrown("CredentialsProviderError", "Token is expired. To refresh this SSO session run aws sso login"),
      "Your AWS credentials have expired.",
      /aws sso login/,
    ],
    [
      "keys that AWS does not know",
      thrown("UnrecognizedClientException", "The security token included in the request is invalid.", ANSWERED),
      "AWS does not accept your credentials (UnrecognizedClientException).",
      /eu-west-1 enabled/,
    ],
    [
      "a clock that is wrong",
      thrown("InvalidSignatureException", "Signature expired: 20261121T000000Z is now earlier than", ANSWERED),
      "AWS does not accept your credentials (InvalidSignatureException).",
      /clock/,
    ],
    [
      "what the role may not do",
      thrown("AccessDeniedException", "User: x is not authorized to perform:\n ssm:GetParameters", ANSWERED),
      "AWS refuses this to your role: User: x is not authorized to perform: ssm:GetParameters",
      /docs\/operator-policy\.md/,
    ],
    [
      "throttling, with the attempts that were made",
      thrown("ThrottlingException", "Rate exceeded", { $metadata: { httpStatusCode: 400, attempts: 5 } }),
      "AWS asks for fewer calls (ThrottlingException, after 5 attempts).",
      /Wait a minute/,
    ],
    [
      "a name that does not resolve",
      thrown("Error", "getaddrinfo ENOTFOUND ssm.eu-west-1.amazonaws.com", { code: "ENOTFOUND" }),
      "AWS cannot be reached in eu-west-1 (ENOTFOUND).",
      /behind the VPN/,
    ],
    [
      "an answer that never comes",
      thrown("TimeoutError", "Connection timed out"),
      "AWS cannot be reached in eu-west-1 (TimeoutError).",
      /network/,
    ],
    [
      "a proxy that opens connections",
      thrown("Error", "self-signed certificate in certificate chain", {
        code: "SELF_SIGNED_CERT_IN_CHAIN",
        $metadata: { attempts: 1 },
      }),
      "This computer does not trust who answers for AWS in eu-west-1 (SELF_SIGNED_CERT_IN_CHAIN).",
      /NODE_EXTRA_CA_CERTS/,
    ],
    [
      "a web page in place of an answer, of which nothing is repeated",
      thrown("SyntaxError", "Unexpected token '<', \"<secret\" is not valid JSON", {
        $metadata: { httpStatusCode: 503 },
      }),
      "What answers for AWS in eu-west-1 does not speak as AWS does (HTTP 503).",
      /login page/,
    ],
    [
      "a fault of AWS's own",
      thrown("InternalServerError", "oops", { $metadata: { httpStatusCode: 500 } }),
      "AWS has a problem of its own (InternalServerError, HTTP 500): oops",
      /again in a minute/,
    ],
    [
      "anything else that AWS answers",
      thrown("InvalidInstanceID.Malformed", "Invalid id", ANSWERED),
      "AWS answers InvalidInstanceID.Malformed: Invalid id",
      /--debug/,
    ],
  ];
  for (const [what, error, message, fix] of cases) {
    it(`is told in words: ${what}`, () => {
      const explained = explain(error);
      expect(explained.message).to.equal(message);
      expect(explained.fix).to.match(fix);
      expect(explained.exit).to.equal(EXIT.failed);
      expect(explained.cause).to.equal(error);
    });
  }

  it("names the profile that gives no credentials", () => {
    process.env.AWS_PROFILE = "work";
    expect(explain(thrown("CredentialsProviderError", "Could not resolve")).message).to.equal(
      'The AWS profile "work" (AWS_PROFILE) gives no credentials: Could not resolve',
    );
  });

  it("is left alone where it is no answer of AWS", () => {
    const error = new TypeError("x is not a function");
    expect(explainAwsError(error, "eu-west-1")).to.equal(error);
    expect(explainAwsError("text", "eu-west-1")).to.equal("text");
  });

  it("is left alone where a command has explained it already", () => {
    const error = new CliError("There is no peer phone.");
    expect(explainAwsError(error, "eu-west-1")).to.equal(error);
  });
});
