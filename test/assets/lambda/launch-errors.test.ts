import { expect } from "chai";
import { adviceFor, type Refusal, refusalOf } from "../../../assets/lambda/recovery-handler/launch-errors";

const CODES: Readonly<Record<Exclude<Refusal, "no-answer">, readonly string[]>> = {
  capacity: [
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientReservedInstanceCapacity",
    "UnfulfillableCapacity",
    "Unsupported",
    "InsufficientFreeAddressesInSubnet",
    "SpotMaxPriceTooLow",
    "InvalidFleetConfiguration",
  ],
  "spot-is-impossible": [
    "MaxSpotInstanceCountExceeded",
    "MaxSpotFleetRequestCountExceeded",
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
  ],
  quota: ["VcpuLimitExceeded", "InstanceLimitExceeded", "VolumeLimitExceeded", "AddressLimitExceeded"],
  throttled: [
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "ServiceUnavailable",
    "InternalError",
  ],
  "same-token": ["IdempotentParameterMismatch", "IdempotentInstanceTerminated"],
  configuration: [
    "InvalidSubnetID.NotFound",
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateName.NotFoundException",
    "InvalidAMIID.NotFound",
    "InvalidAMIID.Unavailable",
    "InvalidGroup.NotFound",
    "InvalidParameterValue",
    "InvalidParameter",
    "MissingParameter",
    "MalformedLaunchTemplate",
    "UnknownParameter",
    "EncryptedVolumesNotSupported",
  ],
  permission: [
    "UnauthorizedOperation",
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "OperationNotPermitted",
    "Blocked",
    "OptInRequired",
    "PendingVerification",
  ],
  unknown: ["SomethingNew", "", "insufficientinstancecapacity"],
};

const ADVICE: Readonly<Record<Refusal, string | undefined>> = {
  capacity: undefined,
  throttled: undefined,
  "same-token": undefined,
  "no-answer": undefined,
  "spot-is-impossible":
    "Make the role that Spot needs (aws iam create-service-linked-role --aws-service-name spot.amazonaws.com), or ask for a higher Spot quota in Service Quotas.",
  quota: "Ask for a higher quota in Service Quotas, or end machines of this account that nobody needs.",
  configuration:
    "Something that Terraform made is gone or wrong: `npx stingy plan` shows what, `cdktf deploy '*'` makes it again.",
  permission:
    "The controller's role, a policy of your organization, or AWS's verification of the account does not allow it: `cdktf deploy '*'` sets the role right.",
  unknown: "The error is not known to the controller; it goes on trying.",
};

describe("recovery-handler: launch errors", () => {
  for (const [refusal, codes] of Object.entries(CODES)) {
    for (const code of codes) {
      it(`"${code}" is ${refusal}`, () => expect(refusalOf(code)).to.equal(refusal));
    }
  }

  it("takes an error without a code for no answer", () => expect(refusalOf(undefined)).to.equal("no-answer"));

  for (const [refusal, advice] of Object.entries(ADVICE)) {
    it(`tells a person ${advice === undefined ? "nothing" : "what to do"} for ${refusal}`, () => {
      expect(adviceFor(refusal as Refusal)).to.equal(advice);
    });
  }
});
