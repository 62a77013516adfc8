import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { jsonSchema, loadConfig, parseConfig, parseYaml } from "../../../modules/config";
import * as defaults from "../../../modules/config/defaults";
import type { SchemaNode } from "../../../modules/config/explain";

const TOKYO = {
  name: "tokyo",
  environment: "prod",
  region: "ap-northeast-1",
  storePrefix: "/stingy-vpn/prod",
  protect: true,
  elasticIp: true,
  network: {
    vpcCidr: "10.0.0.0/16",
    ipv6: true,
    availabilityZones: ["apne1-az1", "apne1-az2", "apne1-az4"],
    adminCidrs: [],
  },
  tunnel: { ipv4: "10.8.0.0/24", ipv6: "fd53:7469:6e67::/64", listenPort: 51820 },
  access: { defaultGroup: "full", betweenPeers: true, isolatedNetworks: [] },
  server: {
    instanceTypes: ["t4g.nano"],
    architecture: "arm64",
    image: "al2023",
    distribution: "al2023",
    volumeGb: 8,
    onDemandFallback: "after-failures",
    spotAttempts: 2,
    rebalance: "replace",
    maxAgeDays: 14,
  },
  dns: { provider: "none" },
  functions: { runtime: "nodejs22.x" },
  monitoring: {
    emails: [],
    webhook: "none",
    extraAlarms: [],
    runbook: "docs/runbook.md",
    customerKey: false,
    serverLogs: false,
    logRetentionDays: 7,
    agent: false,
  },
};
const DEFAULTS = {
  environment: "prod",
  backend: { type: "local", path: "state" },
  providers: {},
  tags: {},
  sites: [TOKYO],
};

describe("the defaults", () => {
  it("are the whole configuration where there is no file", () => {
    const empty = mkdtempSync(path.join(os.tmpdir(), "stingy-defaults-"));
    try {
      expect(loadConfig(empty)).to.deep.equal(DEFAULTS);
      expect(loadConfig(empty, "")).to.deep.equal(DEFAULTS);
    } finally {
      rmSync(empty, { recursive: true });
    }
  });

  for (const [what, text] of [
    ["a site without settings", "sites:\n  tokyo:\n"],
    ["settings and groups without a value", "environment:\nsites:\n  tokyo:\n    network:\n      vpcCidr:\n    dns:\n"],
    ["sites without a value", "sites:\n"],
  ] as const) {
    it(`are what ${what} means`, () => {
      expect(parseYaml(text, "stingy.yaml")).to.deep.equal(DEFAULTS);
    });
  }

  it("follow the settings they depend on", () => {
    const { sites } = parseConfig({
      environment: "test",
      sites: {
        oregon: {
          region: "us-west-2",
          network: { ipv6: false },
          server: { image: "debian-13" },
          dns: { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" },
        },
      },
    });
    expect(sites[0]).to.deep.include({
      name: "oregon",
      environment: "test",
      storePrefix: "/stingy-vpn/test",
      tunnel: { ipv4: "10.8.0.0/24", listenPort: 51820 },
      dns: { provider: "cloudflare", zone: "example.com", name: "vpn.example.com", records: ["A"] },
    });
    expect(sites[0]?.network.availabilityZones).to.deep.equal(["usw2-az1", "usw2-az2", "usw2-az3", "usw2-az4"]);
    expect(sites[0]?.server.distribution).to.equal("debian");
  });

  for (const [image, distribution] of Object.entries({
    al2023: "al2023",
    "debian-12": "debian",
    "debian-13": "debian",
    "ubuntu-24.04": "ubuntu",
  })) {
    it(`know that ${image} is ${distribution}`, () => {
      const { sites } = parseConfig({ sites: { tokyo: { server: { image } } } });
      expect(sites[0]?.server.distribution).to.equal(distribution);
    });
  }

  it("leave a maintenance window open every day, and its times and a schedule's in UTC", () => {
    const schedule = { pause: "0 22 ? * MON-FRI *", resume: "0 8 ? * MON-FRI *" };
    const { sites } = parseConfig({
      sites: { tokyo: { server: { maintenanceWindow: { from: "03:00", to: "05:00" } }, schedule } },
    });
    expect(sites[0]?.server.maintenanceWindow).to.deep.equal({
      days: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
      from: "03:00",
      to: "05:00",
      timeZone: "UTC",
    });
    expect(sites[0]?.schedule).to.deep.equal({ ...schedule, timeZone: "UTC" });
  });

  it("give a site with IPv6 and a name both records", () => {
    const dns = { provider: "cloudflare", zone: "example.com", name: "example.com" };
    expect(parseConfig({ sites: { tokyo: { dns } } }).sites[0]?.dns).to.deep.include({ records: ["A", "AAAA"] });
  });
});

describe("every default", () => {
  const schema = jsonSchema() as SchemaNode;
  const site = schema.properties?.sites?.additionalProperties as SchemaNode;
  const inGroup = (group: string, key: string) => site.properties?.[group]?.properties?.[key];
  const inBackend = (type: string, key: string) =>
    schema.properties?.backend?.oneOf?.find(({ title }) => title === type)?.properties?.[key];

  /** Where each constant is the schema's default, with its reason. */
  const USED_BY: Record<string, SchemaNode | undefined> = {
    DEFAULT_ENVIRONMENT: schema.properties?.environment,
    DEFAULT_REGION: site.properties?.region,
    DEFAULT_PROTECT: site.properties?.protect,
    DEFAULT_STATE_PATH: inBackend("local", "path"),
    DEFAULT_STATE_KEY_PREFIX: inBackend("s3", "keyPrefix"),
    DEFAULT_WORKSPACE_PREFIX: inBackend("cloud", "workspacePrefix"),
    DEFAULT_VPC_CIDR: inGroup("network", "vpcCidr"),
    DEFAULT_IPV6: inGroup("network", "ipv6"),
    DEFAULT_ADMIN_CIDRS: inGroup("network", "adminCidrs"),
    DEFAULT_TUNNEL_IPV4: inGroup("tunnel", "ipv4"),
    DEFAULT_LISTEN_PORT: inGroup("tunnel", "listenPort"),
    DEFAULT_GROUP: inGroup("access", "defaultGroup"),
    DEFAULT_BETWEEN_PEERS: inGroup("access", "betweenPeers"),
    DEFAULT_ISOLATED_NETWORKS: inGroup("access", "isolatedNetworks"),
    DEFAULT_INSTANCE_TYPES: inGroup("server", "instanceTypes"),
    DEFAULT_ARCHITECTURE: inGroup("server", "architecture"),
    DEFAULT_IMAGE: inGroup("server", "image"),
    DEFAULT_VOLUME_GB: inGroup("server", "volumeGb"),
    DEFAULT_ON_DEMAND_FALLBACK: inGroup("server", "onDemandFallback"),
    DEFAULT_SPOT_ATTEMPTS: inGroup("server", "spotAttempts"),
    DEFAULT_REBALANCE: inGroup("server", "rebalance"),
    DEFAULT_MAX_AGE_DAYS: inGroup("server", "maxAgeDays"),
    DEFAULT_WINDOW_DAYS: inGroup("server", "maintenanceWindow")?.properties?.days,
    DEFAULT_TIME_ZONE: inGroup("schedule", "timeZone"),
    DEFAULT_ELASTIC_IP: site.properties?.elasticIp,
    DEFAULT_RUNTIME: inGroup("functions", "runtime"),
    DEFAULT_EMAILS: inGroup("monitoring", "emails"),
    DEFAULT_WEBHOOK: inGroup("monitoring", "webhook"),
    DEFAULT_EXTRA_ALARMS: inGroup("monitoring", "extraAlarms"),
    DEFAULT_RUNBOOK: inGroup("monitoring", "runbook"),
    DEFAULT_BUDGET_OF: inGroup("monitoring", "budget")?.properties?.of,
    DEFAULT_CUSTOMER_KEY: inGroup("monitoring", "customerKey"),
    DEFAULT_SERVER_LOGS: inGroup("monitoring", "serverLogs"),
    DEFAULT_LOG_RETENTION_DAYS: inGroup("monitoring", "logRetentionDays"),
    DEFAULT_AGENT: inGroup("monitoring", "agent"),
  };
  /** Constants that depend on other settings, or are the default of a whole group. */
  const OTHERWISE_USED = ["DEFAULT_SITE_NAME", "DEFAULT_TUNNEL_IPV6", "DEFAULT_DNS_PROVIDER"];
  const values = Object.entries(defaults).filter(([name]) => !name.endsWith("_REASON"));
  const reasons = Object.entries(defaults).filter(([name]) => name.endsWith("_REASON"));

  for (const [name, constant] of values) {
    it(`${name} has a reason and is used`, () => {
      const { value, reason } = constant as defaults.Default<unknown>;
      expect(reason).to.match(/\S/);
      if (OTHERWISE_USED.includes(name)) return;
      expect(USED_BY[name]?.default).to.deep.equal(value);
      expect(USED_BY[name]?.["x-reason"]).to.equal(reason);
    });
  }

  it("is in this test's table", () => {
    const names = values.map(([name]) => name);
    expect(names.sort()).to.deep.equal([...Object.keys(USED_BY), ...OTHERWISE_USED].sort());
  });

  it("that is decided later says so in its setting's reason", () => {
    expect(inGroup("tunnel", "ipv6")?.["x-reason"]).to.equal(
      `default ${defaults.DEFAULT_TUNNEL_IPV6.value}: ${defaults.DEFAULT_TUNNEL_IPV6.reason}`,
    );
    expect(site.properties?.dns?.default).to.deep.equal({ provider: defaults.DEFAULT_DNS_PROVIDER.value });
    expect(schema.properties?.sites?.default).to.deep.equal({ [defaults.DEFAULT_SITE_NAME.value]: {} });
    expect(Object.fromEntries(reasons)).to.deep.equal({
      SPOT_MAX_PRICE_REASON: inGroup("server", "spotMaxPrice")?.["x-reason"],
      MAINTENANCE_WINDOW_REASON: inGroup("server", "maintenanceWindow")?.["x-reason"],
      BUDGET_REASON: inGroup("monitoring", "budget")?.["x-reason"],
      SCHEDULE_REASON: site.properties?.schedule?.["x-reason"],
      RESERVED_CONCURRENCY_REASON: inGroup("functions", "reservedConcurrency")?.["x-reason"],
      DEFAULT_STORE_PREFIX_REASON: site.properties?.storePrefix?.["x-reason"],
      DEFAULT_AVAILABILITY_ZONES_REASON: inGroup("network", "availabilityZones")?.["x-reason"],
    });
  });
});
