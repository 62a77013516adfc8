import { randomBytes } from "node:crypto";
import { expect } from "chai";
import {
  BootstrapError,
  renderUserData,
  type ServerBootstrapOptions,
  serverBootstrap,
  USER_DATA_LIMIT_BYTES,
} from "../../../modules/bootstrap";
import { USER_DATA } from "../../support/golden";
import { content, DISTRIBUTIONS, load } from "./support";

const bootstrap = (changes: Partial<ServerBootstrapOptions> = {}) => serverBootstrap({ ...USER_DATA, ...changes });

describe("the server's bootstrap", () => {
  it("starts everything in the order in which it is needed", () => {
    expect(bootstrap().roles).to.deep.equal(["base", "wireguard", "site", "firewall", "stingy", "ssm-agent"]);
    expect(bootstrap({ logGroup: "/vpn" }).roles).to.deep.equal([
      "base",
      "wireguard",
      "site",
      "firewall",
      "stingy",
      "journal",
      "ssm-agent",
    ]);
    expect(bootstrap({ cloudwatchAgent: true, adminCidrs: ["192.0.2.0/24"] }).roles).to.deep.equal([
      ...bootstrap().roles,
      "cloudwatch-agent",
      "admin-ssh",
    ]);
    expect(bootstrap().start).to.deep.equal({
      distribution: ["chronyd.service", "dnf-automatic.timer", "amazon-ssm-agent.service"],
      own: [
        "stingy-firewall.service",
        "stingy-sync.service",
        "stingy-sync.timer",
        "stingy-watch.service",
        "stingy-health.service",
        "stingy-health.timer",
        "stingy-promote.service",
      ],
    });
  });

  it("starts what sends the journal with its timer, where that is wanted", () => {
    const { start } = bootstrap({ logGroup: "/vpn" });
    expect(start.distribution).to.deep.equal(bootstrap().start.distribution);
    expect(start.own).to.deep.equal([...bootstrap().start.own, "stingy-journal.timer"]);
  });

  const packages = {
    al2023: ["chrony", "dnf-automatic", "wireguard-tools", "jq", "nftables"],
    debian: ["chrony", "unattended-upgrades", "wireguard-tools", "curl", "jq", "nftables"],
    ubuntu: ["chrony", "unattended-upgrades", "wireguard-tools", "curl", "jq", "nftables"],
  };
  for (const distribution of DISTRIBUTIONS) {
    it(`installs on ${distribution} what the scripts need`, () => {
      expect(bootstrap({ distribution }).packages).to.deep.equal(packages[distribution]);
    });

    it(`fits into EC2's user data on ${distribution}, with everything on`, () => {
      const text = renderUserData({
        ...USER_DATA,
        distribution,
        cloudwatchAgent: true,
        logGroup: "/stingy-vpn/prod-tokyo/server",
        adminCidrs: ["192.0.2.0/24", "2001:db8::/32"],
        isolatedNetworks: ["10.1.0.0/16", "fd00:1::/64"],
      });
      expect(text.split("\n", 1)).to.deep.equal(["#cloud-config"]);
    });

    it(`holds nothing on ${distribution} that looks like a secret`, () => {
      const text = renderUserData({ ...USER_DATA, distribution });
      expect(text).not.to.match(/(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=/, "a WireGuard key");
      expect(text).not.to.match(/\b(AKIA|ASIA)[A-Z0-9]{16}\b/, "an AWS key");
      expect(text).not.to.match(/\b(SECRET|TOKEN|PASSWORD|PRIVATE_KEY)\w*=['"]?[A-Za-z0-9]/, "a value of a secret");
    });
  }

  it("opens WireGuard to all and SSH to the administrators' networks", () => {
    const rules = (options: Partial<ServerBootstrapOptions>) =>
      content(bootstrap(options), "/etc/stingy/firewall.nft")
        ?.split("\n")
        .map((line) => line.trim())
        .filter((line) => / dport \d+ accept$/.test(` ${line}`) && !line.includes("sport"));
    expect(rules({})).to.deep.equal(["udp dport 51820 accept"]);
    expect(rules({ listenPort: 443, adminCidrs: ["192.0.2.0/24"] })).to.deep.equal([
      "udp dport 443 accept",
      "ip saddr { 192.0.2.0/24 } tcp dport 22 accept",
    ]);
  });

  it("passes on what the site is", () => {
    const { tunnelIpv6: _, ...ipv4 } = USER_DATA;
    const env = (options: ServerBootstrapOptions) => content(serverBootstrap(options), "/etc/stingy/server.env");
    expect(env(ipv4)).to.include("TUNNEL_IPV6=''\n");
    expect(env({ ...USER_DATA, defaultGroup: "isolated" })).to.include("DEFAULT_GROUP='isolated'\n");
    expect(env(USER_DATA)).to.include("ADDRESS='@ADDRESS@'\n").and.not.to.include("LOG_GROUP");
    expect(env({ ...USER_DATA, logGroup: "/vpn/server" })).to.include("LOG_GROUP='/vpn/server'\n");
    expect(content(bootstrap(), "/etc/sysctl.d/90-stingy.conf")).to.include("net.ipv6.conf.all.forwarding = 1\n");
    expect(content(serverBootstrap(ipv4), "/etc/sysctl.d/90-stingy.conf")).not.to.include("ipv6.conf.all.forwarding");
  });

  it("renders what it composes", () => {
    const { files, packages: names } = bootstrap();
    const config = load(renderUserData(USER_DATA));
    expect(config.packages).to.deep.equal(names);
    expect(config.write_files).to.have.deep.members(
      files.map(({ path, mode, content: text }) => ({
        path,
        ...(mode === "0644" ? {} : { permissions: mode }),
        content: text,
      })),
    );
  });

  it("refuses what EC2 would not take", () => {
    const storePrefix = `/${randomBytes(USER_DATA_LIMIT_BYTES).toString("hex")}`;
    expect(() => renderUserData({ ...USER_DATA, storePrefix })).to.throw(
      BootstrapError,
      /^User data for al2023 is \d{5} bytes gzipped, more than EC2's 16384: make files smaller or fewer\.\n +bytes +gzipped {2}file\n +\d+ +\d+ {2}\/etc\/stingy\/server\.env\n/,
    );
  });
});

describe("the server's options", () => {
  const hostile = [
    "a'b",
    'a"b',
    "a\nb",
    "a\n",
    "a b",
    "$(id)",
    "`id`",
    `\${id}`,
    "{{site}}",
    "a: b",
    "a;b",
    "a\\b",
    "é",
    "\0",
  ];
  const allowed = {
    environment: "up to 63 letters, digits and hyphens",
    site: "up to 63 letters, digits and hyphens",
    storePrefix: "a parameter path such as /stingy-vpn/prod",
    tunnelIpv4: "an address such as 10.8.0.1/24",
    tunnelIpv6: "an address such as fd00:8::1/64",
    address: "an IPv4 address, a marker such as @ADDRESS@, or empty",
    defaultGroup: "one of full, internet, isolated",
    distribution: "one of al2023, debian, ubuntu",
    logGroup: "a log group's name",
  };
  const valid = {
    environment: "",
    site: "",
    storePrefix: "/a",
    tunnelIpv4: "10.8.0.1/24",
    tunnelIpv6: "fd00::1/64",
    address: "192.0.2.1",
    defaultGroup: "full",
    distribution: "debian",
    logGroup: "/vpn",
  };
  const refuses = (name: string, value: unknown, what: string) =>
    expect(() => renderUserData({ ...USER_DATA, [name]: value }), JSON.stringify(value)).to.throw(
      BootstrapError,
      `User data: ${name} is ${JSON.stringify(value)}; it must be ${what}.`,
    );

  for (const name of Object.keys(allowed) as (keyof typeof allowed)[]) {
    it(`${name}: refuses what could break out of shell, nft or YAML`, () => {
      for (const value of [...hostile, ...hostile.map((text) => valid[name] + text)])
        refuses(name, value, allowed[name]);
    });
  }

  const outOfRange: readonly [string, string, readonly unknown[]][] = [
    ["environment", allowed.environment, ["", "a".repeat(64), "-a"]],
    ["site", allowed.site, ["", "a".repeat(64), "-a"]],
    ["storePrefix", allowed.storePrefix, ["", "stingy-vpn", "/", "/a/", "//a"]],
    ["tunnelIpv4", allowed.tunnelIpv4, ["", "10.8.0.1", "10.8.0.256/24", "10.8.0.1/31", "10.8.0.1/0", "fd00::1/64"]],
    [
      "tunnelIpv6",
      allowed.tunnelIpv6,
      ["", "fd00::1", "fd00::1/127", "fd00::1%ens5/64", "::10.8.0.1/96", "10.8.0.1/24"],
    ],
    ["listenPort", "a port from 1 to 65535", [0, 65536, 1.5]],
    ["address", allowed.address, ["fd00::1", "192.0.2.256", "192.0.2.1/32", "@", "@@", "@address@", "ADDRESS"]],
    ["defaultGroup", allowed.defaultGroup, ["", "Full", "admin"]],
    ["distribution", allowed.distribution, ["", "constructor"]],
    ["logGroup", allowed.logGroup, ["", "a".repeat(513), "/vpn*"]],
    [
      "isolatedNetworks",
      "a list of networks such as 10.0.0.0/24",
      [["10.0.0.0"], ["10.0.0.0/24", "10.0.0.0/33"], ["a\n/8"]],
    ],
    ["adminCidrs", "a list of networks such as 10.0.0.0/24", [["home"], ["10.0.0.0/24\n"], [""]]],
  ];
  for (const [name, what, values] of outOfRange) {
    it(`${name}: refuses what is out of range`, () => {
      for (const value of values) refuses(name, value, what);
    });
  }
});
