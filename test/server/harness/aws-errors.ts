import type { Refusal } from "./signature";

/** How a service speaks: json is SSM's, EventBridge's and CloudWatch Logs', ec2 EC2's own XML, query CloudWatch's. */
export type Protocol = "json" | "ec2" | "query";

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export type ErrorName = Refusal | "denied" | "throttled" | "internal" | "tooLong" | "batch";

interface Said {
  readonly json: readonly [status: number, code: string];
  readonly ec2: readonly [status: number, code: string];
  readonly query: readonly [status: number, code: string];
  readonly message: string;
  /** EC2 says one thing to all credentials it does not like. */
  readonly ec2Message?: string;
}

const NOT_VALIDATED = "AWS was not able to validate the provided access credentials";
const DIFFERS =
  "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";

const ERRORS: Readonly<Record<ErrorName, Said>> = {
  missing: {
    json: [400, "MissingAuthenticationTokenException"],
    ec2: [401, "AuthFailure"],
    query: [403, "MissingAuthenticationToken"],
    message: "Request is missing Authentication Token",
    ec2Message: NOT_VALIDATED,
  },
  unknown: {
    json: [400, "UnrecognizedClientException"],
    ec2: [401, "AuthFailure"],
    query: [403, "InvalidClientTokenId"],
    message: "The security token included in the request is invalid.",
    ec2Message: NOT_VALIDATED,
  },
  token: {
    json: [400, "UnrecognizedClientException"],
    ec2: [401, "AuthFailure"],
    query: [403, "InvalidClientTokenId"],
    message: "The security token included in the request is invalid.",
    ec2Message: NOT_VALIDATED,
  },
  expired: {
    json: [400, "ExpiredTokenException"],
    ec2: [400, "RequestExpired"],
    query: [403, "ExpiredToken"],
    message: "The security token included in the request is expired",
    ec2Message: "Request has expired.",
  },
  skewed: {
    json: [400, "InvalidSignatureException"],
    ec2: [401, "AuthFailure"],
    query: [403, "SignatureDoesNotMatch"],
    message: "Signature expired: the date of the request is more than 5 minutes from now",
    ec2Message: NOT_VALIDATED,
  },
  scope: {
    json: [400, "InvalidSignatureException"],
    ec2: [401, "AuthFailure"],
    query: [403, "SignatureDoesNotMatch"],
    message: "Credential should be scoped to a valid region and to correct service.",
    ec2Message: NOT_VALIDATED,
  },
  unsigned: {
    json: [400, "InvalidSignatureException"],
    ec2: [401, "AuthFailure"],
    query: [403, "SignatureDoesNotMatch"],
    message: "There were headers present in the request which were not signed",
    ec2Message: NOT_VALIDATED,
  },
  signature: {
    json: [400, "InvalidSignatureException"],
    ec2: [401, "AuthFailure"],
    query: [403, "SignatureDoesNotMatch"],
    message: DIFFERS,
    ec2Message: NOT_VALIDATED,
  },
  denied: {
    json: [400, "AccessDeniedException"],
    ec2: [403, "UnauthorizedOperation"],
    query: [403, "AccessDenied"],
    message: "is not authorized to perform this action because no identity-based policy allows it",
  },
  throttled: {
    json: [400, "ThrottlingException"],
    ec2: [503, "RequestLimitExceeded"],
    query: [400, "Throttling"],
    message: "Rate exceeded",
    ec2Message: "Request limit exceeded.",
  },
  internal: {
    json: [500, "InternalServerError"],
    ec2: [500, "InternalError"],
    query: [500, "InternalFailure"],
    message: "An internal error has occurred",
  },
  batch: {
    json: [400, "InvalidParameterException"],
    ec2: [400, "InvalidParameterValue"],
    query: [400, "InvalidParameterValue"],
    message: "Upload too large, or log events out of order, too far apart or empty.",
  },
  tooLong: {
    json: [400, "ValidationException"],
    ec2: [400, "InvalidParameterValue"],
    query: [400, "ValidationError"],
    message:
      "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier.",
  },
};

const XML = '<?xml version="1.0" encoding="UTF-8"?>\n';

export function errorCode(protocol: Protocol, name: ErrorName): string {
  return ERRORS[name][protocol][1];
}

/** The error as the service itself words it. */
export function errorAnswer(protocol: Protocol, name: ErrorName, who: string): Answer {
  const said = ERRORS[name];
  const [status, code] = said[protocol];
  const words = protocol === "ec2" ? (said.ec2Message ?? said.message) : said.message;
  const message = name === "denied" ? `User: ${who} ${words}` : words;
  if (protocol === "json") {
    // Authorization is not the service's own: its message is written with a capital.
    const key = name === "denied" ? "Message" : "message";
    return { status, type: "application/x-amz-json-1.1", body: JSON.stringify({ __type: code, [key]: message }) };
  }
  const id = "00000000-0000-4000-8000-000000000000";
  const error = `<Code>${code}</Code><Message>${message}</Message>`;
  const body =
    protocol === "ec2"
      ? `${XML}<Response><Errors><Error>${error}</Error></Errors><RequestID>${id}</RequestID></Response>`
      : `<ErrorResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/">\n  <Error>\n    <Type>Sender</Type>\n    ${error}\n  </Error>\n  <RequestId>${id}</RequestId>\n</ErrorResponse>\n`;
  return { status, type: "text/xml", body };
}
