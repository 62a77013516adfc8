import { CliError } from "./exit";

const NO_CREDENTIALS = new Set(["CredentialsProviderError", "ProviderError"]);
const EXPIRED = new Set(["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"]);
const UNKNOWN_KEYS = new Set([
  "UnrecognizedClientException",
  "InvalidClientTokenId",
  "InvalidAccessKeyId",
  "AuthFailure",
  "SignatureDoesNotMatch",
  "InvalidSignatureException",
  "IncompleteSignature",
]);
const DENIED = new Set([
  "AccessDenied",
  "AccessDeniedException",
  "UnauthorizedOperation",
  "AuthorizationError",
  "AuthorizationErrorException",
  "NotAuthorized",
]);
const THROTTLED = new Set([
  "Throttling",
  "ThrottlingException",
  "ThrottledException",
  "TooManyRequestsException",
  "RequestLimitExceeded",
  "TooManyUpdates",
  "SlowDown",
]);
const UNREACHABLE = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EPIPE",
  "ETIMEDOUT",
  "TimeoutError",
]);
/** What Node.js says of a certificate that it does not trust. */
const UNTRUSTED = /CERT|^UNABLE_TO_VERIFY_LEAF_SIGNATURE$/;

interface AwsError extends Error {
  readonly code?: string;
  readonly tokenRefreshed?: boolean;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
}

export function isDenied(error: unknown): boolean {
  return error instanceof Error && DENIED.has(error.name);
}

/** What AWS's SDK throws, as a person can act upon it; anything else stays what it is. */
export function explainAwsError(error: unknown, region: string): unknown {
  if (!(error instanceof Error) || error instanceof CliError) return error;
  const { name, message, code = "", $metadata } = error as AwsError;
  const explain = (text: string, fix: string) => new CliError(text, { fix, cause: error });
  if (EXPIRED.has(name) || /token.*expired|expired.*token|session.*expired/i.test(message)) {
    return explain(
      "Your AWS credentials have expired.",
      "Get new ones (`aws sso login`, or however your organisation hands them out) and run the command again.",
    );
  }
  if (NO_CREDENTIALS.has(name)) {
    const profile = process.env.AWS_PROFILE;
    return profile
      ? explain(
          `The AWS profile "${profile}" (AWS_PROFILE) gives no credentials: ${oneLine(message)}`,
          "Correct AWS_PROFILE, or log in to it with `aws sso login`.",
        )
      : explain(
          "There are no AWS credentials.",
          "Run `aws configure sso` or `aws configure`, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        );
  }
  if (UNKNOWN_KEYS.has(name)) {
    return explain(
      `AWS does not accept your credentials (${name}).`,
      `Check AWS_PROFILE and the AWS_* variables, this computer's clock, and that the account has the region ${region} enabled.`,
    );
  }
  if (DENIED.has(name)) {
    return explain(
      `AWS refuses this to your role: ${oneLine(message)}`,
      "Add the permission it names to your role; docs/operator-policy.md has what an operator needs.",
    );
  }
  if (THROTTLED.has(name)) {
    const attempts = $metadata?.attempts;
    return explain(
      `AWS asks for fewer calls (${name}${attempts === undefined ? "" : `, after ${attempts} attempts`}).`,
      "Wait a minute and run the command again.",
    );
  }
  if (UNREACHABLE.has(name) || UNREACHABLE.has(code)) {
    return explain(
      `AWS cannot be reached in ${region} (${code || name}).`,
      "Check the network, a proxy, and the region's name. If this computer is behind the VPN that is broken, turn it off there first.",
    );
  }
  if (UNTRUSTED.test(code)) {
    return explain(
      `This computer does not trust who answers for AWS in ${region} (${code}).`,
      "Where a proxy of your organisation opens connections, give its certificate to Node.js: NODE_EXTRA_CA_CERTS=FILE. Check the clock, too.",
    );
  }
  // Its message quotes the answer, in which there may be secrets.
  if (name === "SyntaxError" && $metadata !== undefined) {
    return explain(
      `What answers for AWS in ${region} does not speak as AWS does (HTTP ${$metadata.httpStatusCode ?? "?"}).`,
      "Most likely it is a proxy, or the login page of this network: open a web page to see. Check AWS_ENDPOINT_URL, too.",
    );
  }
  if ($metadata?.httpStatusCode !== undefined && $metadata.httpStatusCode >= 500) {
    return explain(
      `AWS has a problem of its own (${name}, HTTP ${$metadata.httpStatusCode}): ${oneLine(message)}`,
      "Run the command again in a minute; https://health.aws.amazon.com says more.",
    );
  }
  if ($metadata !== undefined)
    return explain(`AWS answers ${name}: ${oneLine(message)}`, "Run it with --debug to see where.");
  return error;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim().slice(0, 500);
}
