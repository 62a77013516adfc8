/** What AWS's refusal of a launch means for the next try. */
export const REFUSALS = [
  /** AWS has no machine of this type here and now, or none in this zone ever: another zone, type or minute may have one. */
  "capacity",
  /** The account may not have one more Spot machine: an on-demand one may do. */
  "spot-is-impossible",
  /** The account may not have one more machine: another zone will not help. */
  "quota",
  /** Too many calls, or AWS is not well: wait. */
  "throttled",
  /** Somebody else made this very attempt with another request, or its machine has ended. */
  "same-token",
  /** What Terraform made is gone or wrong. */
  "configuration",
  /** The controller may not. */
  "permission",
  /** Nobody knows whether it was launched. */
  "no-answer",
  "unknown",
] as const;
export type Refusal = (typeof REFUSALS)[number];

const KINDS: readonly (readonly [RegExp, Refusal])[] = [
  [
    /^(Insufficient(Instance|Host|ReservedInstance)?Capacity|UnfulfillableCapacity|Unsupported|InsufficientFreeAddressesInSubnet|SpotMaxPriceTooLow|InvalidFleetConfiguration)/,
    "capacity",
  ],
  [/^(MaxSpotInstanceCountExceeded|MaxSpotFleetRequestCountExceeded|.*ServiceLinkedRole.*)$/, "spot-is-impossible"],
  [/^(VcpuLimitExceeded|InstanceLimitExceeded|MaxIOPSLimitExceeded|VolumeLimitExceeded|.*LimitExceeded)$/, "quota"],
  [/^Idempotent/, "same-token"],
  [
    /^(UnauthorizedOperation|AccessDenied|AuthFailure|OperationNotPermitted|Blocked|OptInRequired|PendingVerification)/,
    "permission",
  ],
  [/^(Invalid|Missing|Malformed|Unknown|Encrypt|Unavailable|.*NotFound)/, "configuration"],
];
const THROTTLED = /^(RequestLimitExceeded|Throttl|TooManyRequests|ServiceUnavailable|Internal|.*RateExceeded)/;

export function refusalOf(code: string | undefined): Refusal {
  if (code === undefined) return "no-answer";
  if (THROTTLED.test(code)) return "throttled";
  return KINDS.find(([pattern]) => pattern.test(code))?.[1] ?? "unknown";
}

/** What a person has to do; undefined where it passes by itself. */
export function adviceFor(kind: Refusal): string | undefined {
  switch (kind) {
    case "capacity":
    case "throttled":
    case "same-token":
    case "no-answer":
      return undefined;
    case "spot-is-impossible":
      return "Make the role that Spot needs (aws iam create-service-linked-role --aws-service-name spot.amazonaws.com), or ask for a higher Spot quota in Service Quotas.";
    case "quota":
      return "Ask for a higher quota in Service Quotas, or end machines of this account that nobody needs.";
    case "configuration":
      return "Something that Terraform made is gone or wrong: `npx stingy plan` shows what, `cdktf deploy '*'` makes it again.";
    case "permission":
      return "The controller's role, a policy of your organization, or AWS's verification of the account does not allow it: `cdktf deploy '*'` sets the role right.";
    case "unknown":
      return "The error is not known to the controller; it goes on trying.";
  }
}
