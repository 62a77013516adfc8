import * as z from "zod";
import { WEBHOOKS } from "../../assets/lambda/alert-forwarder/formats";
import { DAYS } from "../../assets/lambda/recovery-handler/maintenance";
import { isPrivate, parseRange, rangesOverlap } from "../network/planner";
import { GROUPS } from "../wireguard/limits";
import { cronProblem } from "./cron";
import * as defaults from "./defaults";
import { INSTANCE_TYPE_PATTERN } from "./instance-types";
import { REGIONS } from "./regions";
import { defaulted, describe, list } from "./setting";
import { TIME_OF_DAY, timeZoneProblem } from "./time";

/** A string that is exactly a network: the complaint says what is wrong with this one. */
function network(version: 4 | 6, minPrefix: number, maxPrefix: number) {
  return z.string().superRefine((text, context) => {
    const complain = (message: string) => context.addIssue({ code: "custom", message });
    const range = parseRange(text);
    if (range?.version !== version) return complain(`is no IPv${version} network`);
    if (range.network !== text) return complain(`is not the network's own address: write ${range.network}`);
    if (range.prefix < minPrefix || range.prefix > maxPrefix) return complain(`has the size /${range.prefix}`);
    if (isPrivate(range)) return;
    complain(
      version === 4
        ? "is a public range: clients could not reach the real owner of these addresses"
        : "is no unique local range",
    );
  });
}

const SSH_FROM_NOT_WIDER_THAN = 8;

const adminCidr = z.string().superRefine((text, context) => {
  const complain = (message: string) => context.addIssue({ code: "custom", message });
  const range = parseRange(text);
  if (!range) return complain("is no network");
  if (range.network !== text) return complain(`is not the network's own address: write ${range.network}`);
  if (range.prefix < SSH_FROM_NOT_WIDER_THAN) return complain("opens SSH to the world");
});

/** Where AWS's link-local services answer; the metadata service gives away the server's credentials. */
const METADATA_RANGES = ["169.254.0.0/16", "fd00:ec2::/32"].flatMap((text) => parseRange(text) ?? []);

const reachableNetwork = z.string().superRefine((text, context) => {
  const complain = (message: string) => context.addIssue({ code: "custom", message });
  const range = parseRange(text);
  if (!range) return complain("is no network");
  if (range.prefix === 0) return complain("is everything there is: use the group internet or full for that");
  if (range.network !== text) return complain(`is not the network's own address: write ${range.network}`);
  const forbidden = METADATA_RANGES.find((metadata) => rangesOverlap(metadata, range));
  if (forbidden) return complain(`overlaps ${forbidden.network}, where the server's own credentials can be read`);
});

const WEBHOOK_SETTINGS = ["none", ...WEBHOOKS] as const;
export const EXTRA_ALARMS = ["cpu", "connections", "successors"] as const;
export type ExtraAlarm = (typeof EXTRA_ALARMS)[number];

const LOG_RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
] as const;

const DOMAIN = /^(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$/;
const DOMAIN_ALLOWED = "a domain name in lower case without a final dot";

const networkSettings = z
  .strictObject({
    vpcCidr: defaulted(network(4, 16, 28), defaults.DEFAULT_VPC_CIDR, {
      what: "The VPC's range.",
      allowed: "a private IPv4 network from /16 to /28",
    }),
    ipv6: defaulted(z.boolean(), defaults.DEFAULT_IPV6, {
      what: "IPv6 in the VPC and through the tunnel.",
      allowed: "true or false",
    }),
    availabilityZones: describe(
      z
        .array(z.string().regex(/^([a-z]{2}(-[a-z]+)+-\d[a-z]|[a-z]+\d-az[1-9]\d?)$/, "is no availability zone"))
        .min(1)
        .optional(),
      {
        what: "The zones servers may start in, by id or by name; one subnet each.",
        allowed: "a list of the region's zone ids or of its zone names, not of both",
        example: ["apne1-az1", "apne1-az4"],
        reason: defaults.DEFAULT_AVAILABILITY_ZONES_REASON,
      },
    ),
    adminCidrs: defaulted(list(adminCidr), defaults.DEFAULT_ADMIN_CIDRS, {
      what: "Networks that may reach SSH. The key comes through EC2 Instance Connect, which al2023 and ubuntu-24.04 have.",
      allowed: `networks no wider than /${SSH_FROM_NOT_WIDER_THAN}`,
      example: ["203.0.113.7/32"],
    }),
  })
  .prefault({});

const tunnelSettings = z
  .strictObject({
    ipv4: defaulted(network(4, 16, 29), defaults.DEFAULT_TUNNEL_IPV4, {
      what: "The devices' IPv4 range; the server takes the first address.",
      allowed: "a private IPv4 network from /16 to /29",
    }),
    ipv6: describe(network(6, 48, 125).optional(), {
      what: "The devices' IPv6 range; the server takes the first address.",
      allowed: "an IPv6 network inside fc00::/7 from /48 to /125",
      example: defaults.DEFAULT_TUNNEL_IPV6.value,
      reason: `default ${defaults.DEFAULT_TUNNEL_IPV6.value}: ${defaults.DEFAULT_TUNNEL_IPV6.reason}`,
    }),
    listenPort: defaulted(z.int().min(1).max(65535), defaults.DEFAULT_LISTEN_PORT, {
      what: "WireGuard's UDP port.",
      allowed: "a whole number from 1 to 65535",
    }),
  })
  .prefault({});

const accessSettings = z
  .strictObject({
    defaultGroup: defaulted(z.enum(GROUPS), defaults.DEFAULT_GROUP, {
      what: "The group of devices that name none, and of all that client-public-keys or wireguard-config bring. Full reaches the internet, the VPC and, with betweenPeers, other devices; internet only the internet; isolated only isolatedNetworks.",
      allowed: "full, internet or isolated; isolated only with isolatedNetworks",
    }),
    betweenPeers: defaulted(z.boolean(), defaults.DEFAULT_BETWEEN_PEERS, {
      what: "Devices of the group full reach each other.",
      allowed: "true or false",
    }),
    isolatedNetworks: defaulted(list(reachableNetwork), defaults.DEFAULT_ISOLATED_NETWORKS, {
      what: "What devices of the group isolated may reach.",
      allowed: `IPv4 and IPv6 networks, smaller than everything, outside ${METADATA_RANGES.map(({ network }) => network).join(" and ")}`,
      example: ["10.0.0.0/16"],
    }),
  })
  .prefault({});

/** Text whose own problem is what the check says. */
function checkedText(problemOf: (text: string) => string | undefined) {
  return z.string().superRefine((text, context) => {
    const message = problemOf(text);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });
}

const timeZone = () =>
  defaulted(checkedText(timeZoneProblem), defaults.DEFAULT_TIME_ZONE, {
    what: "The time zone these times are in.",
    allowed: "a time zone's IANA name",
    example: "Asia/Tokyo",
  });

const timeOfDay = (what: string, example: string) =>
  describe(z.string().regex(TIME_OF_DAY, "is no time of day"), {
    what,
    allowed: "a time of day from 00:00 to 23:59, as HH:MM",
    example,
  });

const maintenanceWindow = describe(
  z
    .strictObject({
      days: defaulted(list(z.enum(DAYS)).min(1), defaults.DEFAULT_WINDOW_DAYS, {
        what: "The days on which the window opens.",
        allowed: DAYS.join(", "),
        example: ["sat", "sun"],
      }),
      from: timeOfDay("When it opens.", "03:00"),
      to: timeOfDay("When it closes; earlier than from is the next day.", "05:00"),
      timeZone: timeZone(),
    })
    .optional(),
  {
    what: "When a server may be replaced for its age, for a newer image, or to go back from on demand to Spot. What cannot wait never waits for it.",
    allowed: "a group with from and to",
    example: { from: "03:00", to: "05:00" },
    reason: defaults.MAINTENANCE_WINDOW_REASON,
  },
);

const cron = (what: string, example: string) =>
  describe(checkedText(cronProblem), {
    what,
    allowed:
      "the six fields of AWS's cron: minute, hour, day of the month, month, day of the week (names in capitals), year; exactly one of the two days is ?",
    example,
  });

const scheduleSettings = describe(
  z
    .strictObject({
      pause: cron("When the site is stopped.", "0 22 ? * MON-FRI *"),
      resume: cron("When it is started again.", "0 8 ? * MON-FRI *"),
      timeZone: timeZone(),
    })
    .optional(),
  {
    what: "Stops the site and starts it again by the clock, for those who need it only by day. The Elastic IP stays, and is paid for.",
    allowed: "a group with pause and resume",
    example: { pause: "0 22 ? * MON-FRI *", resume: "0 8 ? * MON-FRI *" },
    reason: defaults.SCHEDULE_REASON,
  },
);

const IMAGE_NAMES = ["al2023", "debian-12", "debian-13", "ubuntu-24.04"] as const;
export type ImageName = (typeof IMAGE_NAMES)[number];

const serverSettings = z
  .strictObject({
    instanceTypes: defaulted(
      list(z.string().regex(INSTANCE_TYPE_PATTERN, "is no instance type")).min(1).max(20),
      defaults.DEFAULT_INSTANCE_TYPES,
      {
        what: "Instance types. More of them are more pools of Spot machines; on demand, the first that can be had is taken.",
        allowed: "1 to 20 instance types of one architecture",
      },
    ),
    architecture: defaulted(z.enum(["arm64", "x86_64"]), defaults.DEFAULT_ARCHITECTURE, {
      what: "The processor architecture of the types and the image.",
      allowed: "arm64 or x86_64",
    }),
    image: defaulted(
      z.union([z.enum(IMAGE_NAMES), z.templateLiteral(["ami-", z.string().regex(/^([0-9a-f]{8}|[0-9a-f]{17})$/)])]),
      defaults.DEFAULT_IMAGE,
      {
        what: "The machine image. A name is the newest image of that system at each launch, an id stays what it is.",
        allowed: `${IMAGE_NAMES.join(", ")} or an AMI id (ami-…)`,
      },
    ),
    distribution: describe(z.enum(["al2023", "debian", "ubuntu"]).optional(), {
      what: "What an image given by its id is. Names know it themselves.",
      allowed: "al2023, debian or ubuntu, and only with an AMI id",
      example: "debian",
    }),
    volumeGb: defaulted(z.int().min(8).max(16384), defaults.DEFAULT_VOLUME_GB, {
      what: "Size of the encrypted gp3 disk in GB.",
      allowed: "a whole number from 8 to 16384",
    }),
    spotMaxPrice: describe(z.number().min(0.0001).max(100).optional(), {
      what: "Highest Spot price per hour in US dollars.",
      allowed: "a number from 0.0001 to 100",
      example: 0.004,
      reason: defaults.SPOT_MAX_PRICE_REASON,
    }),
    onDemandFallback: defaulted(z.enum(["never", "after-failures", "at-once"]), defaults.DEFAULT_ON_DEMAND_FALLBACK, {
      what: "When an on-demand machine may stand in for a Spot machine that cannot be had.",
      allowed: "never, after-failures or at-once",
    }),
    spotAttempts: defaulted(z.int().min(1).max(10), defaults.DEFAULT_SPOT_ATTEMPTS, {
      what: "Spot refusals in a row, a minute or more apart, before an on-demand machine may stand in (onDemandFallback: after-failures).",
      allowed: "a whole number from 1 to 10",
    }),
    rebalance: defaulted(z.enum(["replace", "ignore"]), defaults.DEFAULT_REBALANCE, {
      what: "What happens when AWS says that a Spot machine is likely to be taken back.",
      allowed: "replace or ignore",
    }),
    maxAgeDays: defaulted(z.int().min(1).max(365), defaults.DEFAULT_MAX_AGE_DAYS, {
      what: "Age in days at which a server is replaced.",
      allowed: "a whole number from 1 to 365",
    }),
    maintenanceWindow,
  })
  .prefault({});

const dnsSettings = describe(
  z.discriminatedUnion("provider", [
    z
      .strictObject({ provider: describe(z.literal("none"), { what: "No DNS record.", allowed: "none" }) })
      .meta({ title: "none" }),
    z
      .strictObject({
        provider: describe(z.literal("cloudflare"), {
          what: "A record at Cloudflare, DNS only. Whoever applies needs CLOUDFLARE_API_TOKEN.",
          allowed: "cloudflare",
        }),
        zone: describe(z.string().regex(DOMAIN, "is no domain name"), {
          what: "The zone at Cloudflare.",
          allowed: DOMAIN_ALLOWED,
          example: "example.com",
        }),
        name: describe(z.string().regex(DOMAIN, "is no domain name"), {
          what: "The server's name, the zone itself or a name in it.",
          allowed: DOMAIN_ALLOWED,
          example: "vpn.example.com",
        }),
        zoneId: describe(
          z
            .string()
            .regex(/^[0-9a-f]{32}$/, "is no zone id")
            .optional(),
          {
            what: "The zone's id. Without it, looked up by name, for which the token needs Zone:Read.",
            allowed: "32 hexadecimal digits",
            example: "0123456789abcdef0123456789abcdef",
          },
        ),
        records: describe(
          list(z.enum(["A", "AAAA"]))
            .min(1)
            .max(2)
            .optional(),
          {
            what: "The record types. An IPv6 address changes with every server, an Elastic IP does not: [A] alone keeps clients that prefer IPv6 on the address that heals.",
            allowed: "A, AAAA or both; AAAA only with network.ipv6",
            example: ["A", "AAAA"],
            reason: "default A, and AAAA with network.ipv6",
          },
        ),
      })
      .meta({ title: "cloudflare" }),
  ]),
  { what: "The server's DNS name.", allowed: "provider none or cloudflare" },
).prefault({ provider: defaults.DEFAULT_DNS_PROVIDER.value });

/** One site's settings. */
export const siteSchema = z.strictObject({
  region: defaulted(z.enum(REGIONS), defaults.DEFAULT_REGION, { what: "The site's region.", allowed: "an AWS region" }),
  storePrefix: describe(
    z
      .string()
      .regex(/^(\/[A-Za-z0-9_.-]+){1,10}$/, "is no parameter path")
      .optional(),
    {
      what: "Where the site's parameters live in SSM Parameter Store.",
      allowed: "a path of up to 10 words, each after a slash, not under /aws or /ssm",
      example: "/stingy-vpn/prod",
      reason: defaults.DEFAULT_STORE_PREFIX_REASON,
    },
  ),
  protect: defaulted(z.boolean(), defaults.DEFAULT_PROTECT, {
    what: "Terraform refuses to delete the address, the parameters and the alarms' topic. Turn it off before `cdktf destroy`.",
    allowed: "true or false",
  }),
  elasticIp: defaulted(
    z.union([z.boolean(), z.templateLiteral(["eipalloc-", z.string().regex(/^([0-9a-f]{8}|[0-9a-f]{17})$/)])]),
    defaults.DEFAULT_ELASTIC_IP,
    {
      what: "The address clients use: a new Elastic IP, one you have (by its allocation id), or none.",
      allowed: "true, false or an allocation id (eipalloc-…)",
    },
  ),
  network: networkSettings,
  tunnel: tunnelSettings,
  access: accessSettings,
  server: serverSettings,
  dns: dnsSettings,
  schedule: scheduleSettings,
  functions: z
    .strictObject({
      runtime: defaulted(z.enum(["nodejs22.x", "nodejs24.x"]), defaults.DEFAULT_RUNTIME, {
        what: "The Lambdas' runtime.",
        allowed: "nodejs22.x or nodejs24.x",
      }),
      reservedConcurrency: describe(z.int().min(1).max(1000).optional(), {
        what: "Concurrent runs kept for the controller, which it can then not exceed either.",
        allowed: "a whole number from 1 to 1000",
        example: 2,
        reason: defaults.RESERVED_CONCURRENCY_REASON,
      }),
    })
    .prefault({}),
  monitoring: z
    .strictObject({
      emails: defaulted(list(z.email("is no e-mail address")), defaults.DEFAULT_EMAILS, {
        what: "Who is told when a person is needed. AWS asks each address to confirm.",
        allowed: "e-mail addresses",
        example: ["me@example.com"],
      }),
      webhook: defaulted(z.enum(WEBHOOK_SETTINGS), defaults.DEFAULT_WEBHOOK, {
        what: "Where else alarms are posted to, and in whose format; json is a plain one for anything else. The URL is a secret: the parameter webhook-url in the store.",
        allowed: WEBHOOK_SETTINGS.join(", "),
        example: "ntfy",
      }),
      extraAlarms: defaulted(list(z.enum(EXTRA_ALARMS)), defaults.DEFAULT_EXTRA_ALARMS, {
        what: "Alarms beside the usual ones: cpu, more than 80% for five minutes; connections, devices that try to connect and cannot; successors, each successor that does not get ready.",
        allowed: EXTRA_ALARMS.join(", "),
        example: ["connections"],
      }),
      runbook: defaulted(
        z
          .string()
          .max(300)
          .regex(
            /^(https:\/\/[^\s"<>#?]+\/)?docs\/runbook\.md$/,
            "is no address to put #no-server after, without ? and #",
          ),
        defaults.DEFAULT_RUNBOOK,
        {
          what: "Where the alarms' texts say that the runbook is: its address where you read your repository, to open it from a mail.",
          allowed: "docs/runbook.md, or an https URL of up to 300 characters that ends with /docs/runbook.md",
          example: "https://github.com/you/stingy-vpn/blob/main/docs/runbook.md",
        },
      ),
      budget: describe(
        z
          .strictObject({
            monthlyUsd: describe(z.number().min(0.01).max(1_000_000), {
              what: "What a month may cost, in US dollars. Told when it is spent, and when AWS expects that it will be.",
              allowed: "a number from 0.01 to 1000000",
              example: 12,
            }),
            of: defaulted(z.enum(["account", "site"]), defaults.DEFAULT_BUDGET_OF, {
              what: "Whose cost: the account's, or that of what carries this site's tags, once the cost allocation tag Site is active.",
              allowed: "account or site",
            }),
          })
          .optional(),
        {
          what: "AWS's own budget, by whose mails one is told before the bill tells.",
          allowed: "a group with monthlyUsd",
          example: { monthlyUsd: 12 },
          reason: defaults.BUDGET_REASON,
        },
      ),
      customerKey: defaulted(z.boolean(), defaults.DEFAULT_CUSTOMER_KEY, {
        what: "A KMS key of your own for the alarms' topic.",
        allowed: "true or false",
      }),
      serverLogs: defaulted(z.boolean(), defaults.DEFAULT_SERVER_LOGS, {
        what: "What the server's units say is sent to CloudWatch every minute, and outlives the machine.",
        allowed: "true or false",
      }),
      logRetentionDays: defaulted(z.literal(LOG_RETENTION_DAYS), defaults.DEFAULT_LOG_RETENTION_DAYS, {
        what: "How long logs are kept.",
        allowed: `what CloudWatch knows: ${LOG_RETENTION_DAYS.join(", ")}`,
      }),
      agent: defaulted(z.boolean(), defaults.DEFAULT_AGENT, {
        what: "The CloudWatch agent on the server, for swap, memory and disk every five minutes.",
        allowed: "true or false",
      }),
    })
    .prefault({}),
});

export type ParsedSite = z.output<typeof siteSchema>;
