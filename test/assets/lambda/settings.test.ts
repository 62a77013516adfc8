import { expect } from "chai";
import { readSettings } from "../../../assets/lambda/recovery-handler/settings";

const VARIABLES = {
  ENVIRONMENT: "prod",
  SITE: "tokyo",
  STORE_PREFIX: "/stingy-vpn/prod",
  LAUNCH_TEMPLATE_ID: "lt-1",
  LAUNCH_TEMPLATE_VERSION: "7",
  SUBNET_IDS: "subnet-a,subnet-c",
  INSTANCE_TYPES: "t4g.nano,t4g.micro",
  ALLOCATION_ID: "eipalloc-1",
  IMAGE_PARAMETER: "/aws/service/image",
  DDNS_FUNCTION: "ddns",
  PENDING_TICK_RULE: "pending",
  ON_DEMAND_FALLBACK: "after-failures",
  SPOT_ATTEMPTS: "3",
  SPOT_MAX_PRICE: "0.004",
  MAX_AGE_DAYS: "14",
  REBALANCE: "replace",
  MAINTENANCE_WINDOW: '{"days":["sun"],"from":"03:00","to":"05:00","timeZone":"Asia/Tokyo"}',
  LOG_LEVEL: "warn",
};

const given = (variables: Readonly<Record<string, string | undefined>>) => () =>
  readSettings({ ...VARIABLES, ...variables });
const message = (problem: string) =>
  `The function's environment is not usable: ${problem}. \`cdktf deploy '*'\` sets what the function needs.`;

describe("recovery-handler: settings", () => {
  it("reads every variable", () => {
    expect(readSettings(VARIABLES)).to.deep.equal({
      environment: "prod",
      site: "tokyo",
      storePrefix: "/stingy-vpn/prod",
      launchTemplateId: "lt-1",
      launchTemplateVersion: 7,
      subnetIds: ["subnet-a", "subnet-c"],
      instanceTypes: ["t4g.nano", "t4g.micro"],
      allocationId: "eipalloc-1",
      imageParameter: "/aws/service/image",
      ddnsFunction: "ddns",
      pendingTickRule: "pending",
      onDemandFallback: "after-failures",
      spotAttempts: 3,
      spotMaxPrice: "0.004",
      maxAgeDays: 14,
      rebalance: "replace",
      maintenanceWindow: { days: ["sun"], from: "03:00", to: "05:00", timeZone: "Asia/Tokyo" },
      level: "warn",
    });
  });

  it("does without address, image, DNS, price and window, and logs at info", () => {
    const absent = { ALLOCATION_ID: "", IMAGE_PARAMETER: "", DDNS_FUNCTION: "", SPOT_MAX_PRICE: "", LOG_LEVEL: "" };
    const settings = given({ ...absent, MAINTENANCE_WINDOW: "" })();
    expect(settings).to.include({
      allocationId: undefined,
      imageParameter: undefined,
      ddnsFunction: undefined,
      spotMaxPrice: undefined,
      level: "info",
    });
    expect(settings).to.not.have.property("maintenanceWindow");
  });

  for (const name of [
    "ENVIRONMENT",
    "SITE",
    "STORE_PREFIX",
    "LAUNCH_TEMPLATE_ID",
    "LAUNCH_TEMPLATE_VERSION",
    "SUBNET_IDS",
    "INSTANCE_TYPES",
    "PENDING_TICK_RULE",
    "ON_DEMAND_FALLBACK",
    "SPOT_ATTEMPTS",
    "MAX_AGE_DAYS",
    "REBALANCE",
  ]) {
    it(`says that ${name} is missing`, () => {
      expect(given({ [name]: undefined })).to.throw(message(`${name} is missing`));
      expect(given({ [name]: " " })).to.throw(message(`${name} is missing`));
    });
  }

  const window = (fields: object) =>
    JSON.stringify({ days: ["sun"], from: "03:00", to: "05:00", timeZone: "UTC", ...fields });
  const notWindow = (value: string) =>
    `MAINTENANCE_WINDOW is ${value}, not a maintenance window (days, from, to, timeZone) as JSON`;
  for (const [name, value, problem] of [
    ["LAUNCH_TEMPLATE_VERSION", "$Latest", 'LAUNCH_TEMPLATE_VERSION is "$Latest", not a number above 0'],
    ["LAUNCH_TEMPLATE_VERSION", "0", 'LAUNCH_TEMPLATE_VERSION is "0", not a number above 0'],
    ["SUBNET_IDS", "subnet-a,,subnet-c", 'SUBNET_IDS is "subnet-a,,subnet-c", which has an empty item'],
    ["INSTANCE_TYPES", "t4g.nano,", 'INSTANCE_TYPES is "t4g.nano,", which has an empty item'],
    ["SPOT_ATTEMPTS", "-1", 'SPOT_ATTEMPTS is "-1", not a number above 0'],
    ["MAX_AGE_DAYS", "two weeks", 'MAX_AGE_DAYS is "two weeks", not a number above 0'],
    ["ON_DEMAND_FALLBACK", "maybe", 'ON_DEMAND_FALLBACK is "maybe", not one of never, after-failures, at-once'],
    ["REBALANCE", "maybe", 'REBALANCE is "maybe", not one of replace, ignore'],
    ["LOG_LEVEL", "loud", 'LOG_LEVEL is "loud", not one of debug, info, warn, error'],
    ["MAINTENANCE_WINDOW", "sundays", notWindow("sundays")],
    ["MAINTENANCE_WINDOW", "null", notWindow("null")],
    ["MAINTENANCE_WINDOW", window({ days: ["sonntag"] }), notWindow(window({ days: ["sonntag"] }))],
    ["MAINTENANCE_WINDOW", window({ days: "sun" }), notWindow(window({ days: "sun" }))],
    ["MAINTENANCE_WINDOW", window({ from: "3:00" }), notWindow(window({ from: "3:00" }))],
    ["MAINTENANCE_WINDOW", window({ to: "24:00" }), notWindow(window({ to: "24:00" }))],
    ["MAINTENANCE_WINDOW", window({ timeZone: "Mars/Olympus" }), notWindow(window({ timeZone: "Mars/Olympus" }))],
    ["MAINTENANCE_WINDOW", window({ timeZone: undefined }), notWindow(window({ timeZone: undefined }))],
  ] as const) {
    it(`refuses ${name} ${value}`, () => expect(given({ [name]: value })).to.throw(message(problem)));
  }

  it("names everything that is wrong in one error", () => {
    expect(given({ SITE: "", LAUNCH_TEMPLATE_VERSION: "$Latest", REBALANCE: "no" })).to.throw(
      message(
        'SITE is missing; LAUNCH_TEMPLATE_VERSION is "$Latest", not a number above 0; REBALANCE is "no", not one of replace, ignore',
      ),
    );
  });
});
