import { expect } from "chai";
import { ConfigError, parseConfig } from "../../../modules/config";

/** What is wrong with settings, without the parts that need a file. */
function problemsOf(settings: object) {
  try {
    parseConfig(settings);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ path, problem }) => [path.join("."), problem]);
    throw error;
  }
  return [];
}

/** Settings with one value at a path, and what that value's group needs beside it. */
function setting(at: string, value: unknown): object {
  const [head = "", ...rest] = at.split(".");
  const beside: Record<string, object> = {
    s3: { backend: { type: "s3", bucket: "states", region: "eu-west-1" } },
    http: { backend: { type: "http" } },
    cloud: { backend: { type: "cloud", organization: "me" } },
    cloudflare: { dns: { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" } },
    tokyo: {},
    window: { server: { maintenanceWindow: { from: "03:00", to: "05:00" } } },
    hours: { schedule: { pause: "0 22 ? * MON-FRI *", resume: "0 8 ? * MON-FRI *" } },
  };
  const base = beside[head];
  if (!base) return { [head]: rest.reduceRight((inner, key) => ({ [key]: inner }), value as object) };
  const set = (group: Record<string, unknown>, [key = "", ...deeper]: string[]): Record<string, unknown> => ({
    ...group,
    [key]: deeper.length === 0 ? value : set((group[key] ?? {}) as Record<string, unknown>, deeper),
  });
  const settings = set({ ...base }, rest);
  return "backend" in base ? settings : { sites: { tokyo: settings } };
}

const NOT_ITS_OWN = (network: string) => `is not the network's own address: write ${network}`;
const PUBLIC = "is a public range: clients could not reach the real owner of these addresses";
const METADATA = (network: string) => `overlaps ${network}, where the server's own credentials can be read`;
const EVERYTHING = "is everything there is: use the group internet or full for that";
const NO_DAY = "has ? for neither of day of the month and day of the week";
const ADDRESS = "https://example.com/state/{stack}";

/** Path, a value that passes, then the ones that fail with their problem. `tokyo` is a site, `cloudflare` one with DNS. */
const TABLE: [at: string, good: unknown, ...bad: [unknown, string][]][] = [
  ["environment", "a", ["Prod", "is no environment name"], ["a-", "is no environment name"], [5, "is not text"]],
  ["environment", "a234567890123456", ["a2345678901234567", "is no environment name"], ["", "is no environment name"]],
  [
    "providers.aws",
    "6.25.0",
    ["~> 6.0", "is no exact version"],
    ["6.25", "is no exact version"],
    [6.25, "is not text"],
  ],
  ["providers.cloudflare", "5.14.0", ["v5.14.0", "is no exact version"]],
  ["providers.archive", "2.7.1", ["2.7.1-beta", "is no exact version"]],
  ["tags.Owner", "Zoë @ home", ["a#b", "is no tag value"], [4711, "is not text"], ["x".repeat(257), "is no tag value"]],
  ["backend.type", "local", ["s4", "is not allowed"], [5, "is not allowed"]],
  [
    "http.backend.address",
    ADDRESS,
    ["https://example.com/state", "has no {stack} in it, so that all stacks would share one state"],
  ],
  [
    "http.backend.address",
    ADDRESS,
    ["https://me:secret@example.com/{stack}", "holds credentials"],
    ["https://me@example.com/{stack}", "holds credentials"],
  ],
  [
    "http.backend.address",
    ADDRESS,
    ["ftp://example.com/{stack}", "is no http(s) address"],
    ["{stack}", "is no http(s) address"],
  ],
  ["http.backend.address", "http://10.0.0.1:8080/{stack}", [undefined, "is missing"]],
  [
    "s3.backend.bucket",
    "my.states-1",
    ["My_States", "is no bucket name"],
    ["ab", "is no bucket name"],
    [undefined, "is missing"],
  ],
  ["s3.backend.region", "eu-west-1", ["eu-west-9", "is not allowed"], [undefined, "is missing"]],
  [
    "s3.backend.keyPrefix",
    "a/b.c_d-e",
    ["/a", "is no key prefix"],
    ["a/", "is no key prefix"],
    ["a//b", "is no key prefix"],
  ],
  [
    "cloud.backend.organization",
    "my-organization",
    ["my organization", "is no organization name"],
    [undefined, "is missing"],
  ],
  ["cloud.backend.hostname", "tfe.example.com:8443", ["https://tfe.example.com", "is no host name"]],
  ["cloud.backend.workspacePrefix", "vpn_", ["vpn/", "is no workspace name"]],
  [
    "tokyo.region",
    "eu-central-2",
    ["tokyo", "is not allowed"],
    ["us-gov-west-1", "is not allowed"],
    [1, "is not allowed"],
  ],
  [
    "tokyo.storePrefix",
    "/a/b.c_d-e",
    ["a/b", "is no parameter path"],
    ["/a/", "is no parameter path"],
    ["/a b", "is no parameter path"],
  ],
  ["tokyo.storePrefix", "/a".repeat(10), ["/a".repeat(11), "is no parameter path"], ["/", "is no parameter path"]],
  ["tokyo.protect", false, ["yes", "is not true or false"], [0, "is not true or false"]],
  [
    "tokyo.elasticIp",
    "eipalloc-0123456789abcdef0",
    ["eipalloc-1", "is not allowed"],
    ["203.0.113.7", "is not allowed"],
  ],
  ["tokyo.network.vpcCidr", "10.20.0.0/16", ["10.20.3.0/16", NOT_ITS_OWN("10.20.0.0/16")]],
  ["tokyo.network.vpcCidr", "192.168.0.0/25", ["10.0.0.0/15", "has the size /15"], ["10.0.0.0/29", "has the size /29"]],
  ["tokyo.network.vpcCidr", "172.31.0.0/16", ["172.32.0.0/16", PUBLIC], ["8.8.0.0/16", PUBLIC]],
  ["tokyo.network.vpcCidr", "100.64.0.0/16", ["10.0.0.0", "is no IPv4 network"], ["fd00::/64", "is no IPv4 network"]],
  [
    "tokyo.network.vpcCidr",
    "10.0.0.0/16",
    ["10.0.0.0/33", "is no IPv4 network"],
    ["256.0.0.0/16", "is no IPv4 network"],
  ],
  ["tokyo.network.availabilityZones", ["apne1-az1"], ["apne1-az1", "is not a list"], [[], "is not allowed"]],
  ["tokyo.network.adminCidrs", ["203.0.113.7/32"], [["203.0.113.7/32", "203.0.113.7/32"], "names one of them twice"]],
  [
    "tokyo.tunnel.ipv4",
    "10.9.0.0/29",
    ["10.9.0.0/30", "has the size /30"],
    ["10.9.0.1/24", NOT_ITS_OWN("10.9.0.0/24")],
  ],
  [
    "tokyo.tunnel.ipv6",
    "fd00::/125",
    ["2001:db8::/64", "is no unique local range"],
    ["10.9.0.0/24", "is no IPv6 network"],
  ],
  ["tokyo.tunnel.ipv6", "fc00::/48", ["fc00::/47", "has the size /47"], ["fd00::/126", "has the size /126"]],
  ["tokyo.tunnel.ipv6", "fd00:0:0:1::/64", ["fd00:0:0:0001::/64", NOT_ITS_OWN("fd00:0:0:1::/64")]],
  ["tokyo.tunnel.listenPort", 1, [0, "is not allowed"], [1.5, "is not a whole number"], ["51820", "is not a number"]],
  ["tokyo.tunnel.listenPort", 65535, [65536, "is not allowed"], [-1, "is not allowed"], [true, "is not a number"]],
  ["tokyo.access.defaultGroup", "internet", ["all", "is not allowed"], [true, "is not allowed"]],
  ["tokyo.access.betweenPeers", false, ["no", "is not true or false"]],
  [
    "tokyo.access.isolatedNetworks",
    [],
    ["10.0.0.0/16", "is not a list"],
    [["10.0.0.0/16", "10.0.0.0/16"], "names one of them twice"],
  ],
  [
    "tokyo.server.instanceTypes",
    ["t4g.nano", "t4g.micro"],
    [[], "is not allowed"],
    [["t4g.nano", "t4g.nano"], "names one of them twice"],
  ],
  ["tokyo.server.architecture", "arm64", ["arm", "is not allowed"]],
  [
    "tokyo.server.image",
    "debian-12",
    ["debian", "is not allowed"],
    ["ami-xyz", "is not allowed"],
    [12, "is not allowed"],
  ],
  ["tokyo.server.volumeGb", 8, [7, "is not allowed"], ["8", "is not a number"], [8.5, "is not a whole number"]],
  ["tokyo.server.volumeGb", 16384, [16385, "is not allowed"]],
  ["tokyo.server.spotMaxPrice", 0.0001, [0, "is not allowed"], [-1, "is not allowed"], [101, "is not allowed"]],
  ["tokyo.server.onDemandFallback", "at-once", ["always", "is not allowed"], [true, "is not allowed"]],
  ["tokyo.server.maxAgeDays", 1, [0, "is not allowed"]],
  ["tokyo.server.maxAgeDays", 365, [366, "is not allowed"]],
  [
    "tokyo.server.spotAttempts",
    1,
    [0, "is not allowed"],
    [11, "is not allowed"],
    [1.5, "is not a whole number"],
    ["2", "is not a number"],
  ],
  ["tokyo.server.rebalance", "ignore", ["never", "is not allowed"], [false, "is not allowed"]],
  ["window.server.maintenanceWindow.days", ["sun"], ["sun", "is not a list"], [[], "is not allowed"]],
  ["window.server.maintenanceWindow.days", ["mon", "fri"], [["mon", "mon"], "names one of them twice"]],
  [
    "window.server.maintenanceWindow.from",
    "00:00",
    ["24:00", "is no time of day"],
    ["3:00", "is no time of day"],
    ["03:60", "is no time of day"],
    [180, "is not text"],
    [undefined, "is missing"],
  ],
  ["window.server.maintenanceWindow.to", "23:59", ["5am", "is no time of day"], [undefined, "is missing"]],
  ["window.server.maintenanceWindow.timeZone", "Asia/Tokyo", ["asia/tokyo", "is called Asia/Tokyo"]],
  ["tokyo.server.maintenanceWindow", { from: "22:00", to: "02:00" }, ["nightly", "is not a group of settings"]],
  [
    "hours.schedule.timeZone",
    "America/Argentina/Buenos_Aires",
    ["JST", "is called Asia/Tokyo"],
    ["+09:00", "is no time zone"],
    ["Mars/Olympus", "is no time zone"],
    ["", "is no time zone"],
    [9, "is not text"],
  ],
  [
    "hours.schedule.pause",
    "0 22 L JAN-MAR,7 ? 2027-2030",
    ["0 22 * * MON-FRI", "has 5 fields instead of 6"],
    ["cron(0 22 ? * MON-FRI *)", "is wrapped in cron(…): write only what is inside"],
    ["60 22 ? * * *", 'has the minute "60"'],
    [2200, "is not text"],
    [undefined, "is missing"],
  ],
  ["hours.schedule.resume", "0/15 8 1W * ? *", ["0 8 * * * *", NO_DAY], [undefined, "is missing"]],
  ["cloudflare.dns.zone", "example.com", ["example..com", "is no domain name"], ["com", "is no domain name"]],
  [
    "cloudflare.dns.name",
    "vpn.example.com",
    ["vpn.example.com.", "is no domain name"],
    ["VPN.example.com", "is no domain name"],
  ],
  ["cloudflare.dns.zoneId", "0".repeat(32), ["0".repeat(31), "is no zone id"], ["G".repeat(32), "is no zone id"]],
  ["cloudflare.dns.records", ["AAAA", "A"], [["A", "A"], "names one of them twice"], [[], "is not allowed"]],
  ["tokyo.dns.provider", "none", ["route53", "is not allowed"], [undefined, "is missing"]],
  ["tokyo.functions.runtime", "nodejs22.x", ["nodejs20.x", "is not allowed"]],
  [
    "tokyo.functions.reservedConcurrency",
    1,
    [0, "is not allowed"],
    [1001, "is not allowed"],
    [1.5, "is not a whole number"],
    ["2", "is not a number"],
  ],
  [
    "tokyo.monitoring.emails",
    ["me@example.com"],
    ["me@example.com", "is not a list"],
    [["a@b.cd", "a@b.cd"], "names one of them twice"],
  ],
  ["tokyo.monitoring.webhook", "slack", ["teams", "is not allowed"], ["https://hooks.example.com/x", "is not allowed"]],
  [
    "tokyo.monitoring.extraAlarms",
    ["cpu", "connections", "successors"],
    ["cpu", "is not a list"],
    [["cpu", "cpu"], "names one of them twice"],
  ],
  [
    "tokyo.monitoring.runbook",
    "https://git.example.com/me/vpn/blob/main/docs/runbook.md",
    ["http://git.example.com/docs/runbook.md", "is no address to put #no-server after, without ? and #"],
    ["https://git.example.com/docs/runbook.md#no-server", "is no address to put #no-server after, without ? and #"],
    ["https://git.example.com/wiki", "is no address to put #no-server after, without ? and #"],
  ],
  ["tokyo.monitoring.budget", { monthlyUsd: 12.5, of: "site" }, [12, "is not a group of settings"]],
  [
    "tokyo.monitoring.budget.monthlyUsd",
    0.01,
    [0, "is not allowed"],
    [-3, "is not allowed"],
    ["12", "is not a number"],
  ],
  ["tokyo.monitoring.customerKey", true, ["alias/aws/sns", "is not true or false"]],
  ["tokyo.monitoring.serverLogs", true, ["on", "is not true or false"]],
  ["tokyo.monitoring.agent", true, ["yes", "is not true or false"]],
  ["tokyo.monitoring.logRetentionDays", 3653, [8, "is not allowed"], ["7", "is not allowed"], [0, "is not allowed"]],
];

const LISTS: [at: string, good: unknown[], ...bad: [unknown, string][]][] = [
  [
    "tokyo.network.availabilityZones",
    ["apne1-az1"],
    ["apne1", "is no availability zone"],
    ["ap-northeast-1", "is no availability zone"],
  ],
  [
    "tokyo.network.availabilityZones",
    ["ap-northeast-1a"],
    ["apne1-az300", "is no availability zone"],
    ["apne1-az0", "is no availability zone"],
  ],
  [
    "tokyo.network.adminCidrs",
    ["203.0.113.7/32"],
    ["0.0.0.0/0", "opens SSH to the world"],
    ["::/0", "opens SSH to the world"],
  ],
  [
    "tokyo.network.adminCidrs",
    ["10.0.0.0/8"],
    ["10.0.0.0/7", "opens SSH to the world"],
    ["203.0.113.7", "is no network"],
  ],
  [
    "tokyo.network.adminCidrs",
    ["2001:db8::/48"],
    ["2001:db8::1/48", NOT_ITS_OWN("2001:db8::/48")],
    ["10.0.0.0/33", "is no network"],
  ],
  [
    "tokyo.access.isolatedNetworks",
    ["198.51.100.7/32"],
    ["10.0.0.0", "is no network"],
    ["10.0.3.0/16", NOT_ITS_OWN("10.0.0.0/16")],
    ["0.0.0.0/0", EVERYTHING],
    ["10.0.0.0/0", EVERYTHING],
    ["::/0", EVERYTHING],
    [5, "is not text"],
  ],
  [
    "tokyo.access.isolatedNetworks",
    ["169.253.0.0/16"],
    ["169.254.0.0/16", METADATA("169.254.0.0/16")],
    ["169.254.169.254/32", METADATA("169.254.0.0/16")],
    ["168.0.0.0/6", METADATA("169.254.0.0/16")],
  ],
  [
    "tokyo.access.isolatedNetworks",
    ["fd00:ec1::/32"],
    ["fd00:ec2::254/128", METADATA("fd00:ec2::/32")],
    ["fc00::/7", METADATA("fd00:ec2::/32")],
  ],
  [
    "tokyo.server.instanceTypes",
    ["t4g.nano"],
    ["t4g", "is no instance type"],
    [5, "is not text"],
    [null, "is not text"],
  ],
  ["window.server.maintenanceWindow.days", ["sat"], ["sunday", "is not allowed"], ["Sun", "is not allowed"]],
  ["cloudflare.dns.records", ["AAAA"], ["CNAME", "is not allowed"]],
  ["tokyo.monitoring.extraAlarms", ["cpu"], ["disk", "is not allowed"]],
  [
    "tokyo.monitoring.emails",
    ["me+vpn@example.com"],
    ["me", "is no e-mail address"],
    ["me@example", "is no e-mail address"],
    [null, "is no e-mail address"],
  ],
];

/** The path as a problem names it. */
const named = (at: string) =>
  at.replace(/^(s3|http|cloud)\./, "").replace(/^(tokyo|cloudflare|window|hours)\./, "sites.tokyo.");

describe("a value", () => {
  for (const [at, good, ...bad] of TABLE) {
    it(`${named(at)} may be ${JSON.stringify(good)}`, () => {
      expect(problemsOf(setting(at, good))).to.deep.equal([]);
    });

    for (const [value, problem] of bad) {
      it(`${named(at)} ${JSON.stringify(value)?.slice(0, 50)} ${problem}`, () => {
        expect(problemsOf(setting(at, value))).to.deep.equal([[named(at), problem]]);
      });
    }
  }

  for (const [at, good, ...bad] of LISTS) {
    it(`${named(at)} may hold ${JSON.stringify(good)}`, () => {
      expect(problemsOf(setting(at, good))).to.deep.equal([]);
    });

    for (const [value, problem] of bad) {
      it(`${named(at)} may not hold ${JSON.stringify(value)}, which ${problem}`, () => {
        expect(problemsOf(setting(at, [...good, value]))).to.deep.equal([[`${named(at)}.1`, problem]]);
      });
    }
  }

  const ownTags = ["Project", "Environment", "Site", "ManagedBy", "Name"];
  for (const key of [...ownTags, "state", "notice", "unhealthy-since", "ending"]) {
    it(`of the tag ${key} is the project's own`, () => {
      expect(problemsOf({ tags: { [key]: "x" } })).to.deep.equal([[`tags.${key}`, "is set by stingy-vpn itself"]]);
      expect(problemsOf({ tags: { [`${key}2`]: "x" } })).to.deep.equal([]);
    });
  }

  for (const key of ["aws:cloudformation", "a#b", "x".repeat(129)]) {
    it(`may not have the tag name ${key.slice(0, 20)}`, () => {
      expect(problemsOf({ tags: { [key]: "x" } })).to.deep.equal([[`tags.${key}`, "is no tag name"]]);
    });
  }

  for (const name of ["Tokyo", "tokyo_1", "1tokyo", "tokyo-", "a2345678901234567", "東京"]) {
    it(`may not belong to a site called ${name}`, () => {
      expect(problemsOf({ sites: { [name]: {} } })).to.deep.equal([[`sites.${name}`, "is no site name"]]);
      expect(problemsOf({ sites: { a234567890123456: {} } })).to.deep.equal([]);
    });
  }

  it("may be a relative path for the local backend, and no other", () => {
    const local = (path: string) => problemsOf({ backend: { type: "local", path } });
    expect(local("../states")).to.deep.equal([]);
    for (const path of ["/var/states", "a\\b", `\${path.module}`, ""]) {
      expect(local(path)).to.deep.equal([["backend.path", "is no relative path"]]);
    }
  });

  it("is needed for at least one site", () => {
    expect(problemsOf({ sites: {} })).to.deep.equal([["sites", "names no site"]]);
  });
});
