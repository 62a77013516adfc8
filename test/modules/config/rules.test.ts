import { expect } from "chai";
import { ConfigError, parseConfig } from "../../../modules/config";
import { isPrivate, parseRange, rangesOverlap } from "../../../modules/network/planner";

type Sites = Record<string, object>;

/** What is wrong between settings: path, problem and fix. */
function problemsOf(settings: object) {
  try {
    parseConfig(settings);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ path, problem, fix }) => [path.join("."), problem, fix]);
  }
  return [];
}

const tokyo = (settings: object) => problemsOf({ sites: { tokyo: settings } });
const sites = (all: Sites) => problemsOf({ sites: all });

/** Ranges that no other site of these tests has. */
const apart = (number: number) => ({
  network: { vpcCidr: `10.${100 + number}.0.0/16` },
  tunnel: { ipv4: `10.8.${100 + number}.0/24`, ipv6: `fd00:${number}::/64` },
});
const overlap = (what: string) => `overlaps ${what}: a device or a server could not tell which one is meant`;
const free = (range: string) => `use a range that is free, for example ${range}`;
const cloudflare = (name: string, rest: object = {}) => ({
  provider: "cloudflare",
  zone: "example.com",
  name,
  ...rest,
});

describe("ranges are apart", () => {
  it("the tunnel's from the VPC's", () => {
    const site = (ipv4: string) => tokyo({ tunnel: { ipv4 } });
    expect(site("10.0.7.0/24")).to.deep.equal([
      ["sites.tokyo.tunnel.ipv4", overlap("sites.tokyo.network.vpcCidr (10.0.0.0/16)"), free("10.1.0.0/24")],
    ]);
    expect(site("10.1.0.0/24")).to.deep.equal([]);
  });

  it("each site's from every other site's, with another suggestion for each", () => {
    expect(sites({ a: {}, b: { storePrefix: "/b" }, c: { storePrefix: "/c" } })).to.deep.equal([
      ["sites.b.network.vpcCidr", overlap("sites.a.network.vpcCidr (10.0.0.0/16)"), free("10.1.0.0/16")],
      ["sites.b.tunnel.ipv4", overlap("sites.a.tunnel.ipv4 (10.8.0.0/24)"), free("10.8.1.0/24")],
      ["sites.b.tunnel.ipv6", overlap("sites.a.tunnel.ipv6 (fd53:7469:6e67::/64)"), free("fd53:7469:6e67:1::/64")],
      ["sites.c.network.vpcCidr", overlap("sites.a.network.vpcCidr (10.0.0.0/16)"), free("10.2.0.0/16")],
      ["sites.c.tunnel.ipv4", overlap("sites.a.tunnel.ipv4 (10.8.0.0/24)"), free("10.8.2.0/24")],
      ["sites.c.tunnel.ipv6", overlap("sites.a.tunnel.ipv6 (fd53:7469:6e67::/64)"), free("fd53:7469:6e67:2::/64")],
    ]);
    expect(
      sites({ a: {}, b: { storePrefix: "/b", ...apart(1) }, c: { storePrefix: "/c", ...apart(2) } }),
    ).to.deep.equal([]);
  });

  it("one site's tunnel from another site's VPC", () => {
    const settings = (vpcCidr: string) => ({ a: {}, b: { ...apart(1), network: { vpcCidr }, storePrefix: "/b" } });
    expect(sites(settings("10.8.0.0/16"))).to.deep.equal([
      ["sites.b.network.vpcCidr", overlap("sites.a.tunnel.ipv4 (10.8.0.0/24)"), free("10.9.0.0/16")],
      ["sites.b.tunnel.ipv4", overlap("sites.b.network.vpcCidr (10.8.0.0/16)"), free("10.10.0.0/24")],
    ]);
    expect(sites(settings("10.9.0.0/16"))).to.deep.equal([]);
  });

  for (const vpcCidr of ["192.168.0.0/16", "172.31.0.0/16", "10.255.0.0/16", "100.127.0.0/16"]) {
    it(`and the suggestion for ${vpcCidr} is private, free and of the same size`, () => {
      const settings = (other: string) => ({
        a: { network: { vpcCidr } },
        b: { ...apart(1), network: { vpcCidr: other }, storePrefix: "/b" },
      });
      const suggested = /for example (\S+)$/.exec(sites(settings(vpcCidr))[0]?.[2] ?? "")?.[1] ?? "";
      const range = parseRange(suggested);
      const taken = parseRange(vpcCidr);
      expect(suggested).to.match(/\/16$/);
      expect(range && taken && isPrivate(range) && !rangesOverlap(range, taken)).to.equal(true);
      expect(sites(settings(suggested))).to.deep.equal([]);
    });
  }
});

describe("availability zones", () => {
  const at = "sites.tokyo.network.availabilityZones";
  const zones = (availabilityZones: string[], rest: object = {}) => tokyo({ network: { availabilityZones, ...rest } });

  it("are in the region", () => {
    expect(zones(["apne1-az1", "use1-az1", "eu-west-1a"])).to.deep.equal([
      [
        at,
        "use1-az1, eu-west-1a are not in ap-northeast-1",
        "use apne1-az1, apne1-az2, apne1-az4, or leave the setting out",
      ],
    ]);
    expect(zones(["ap-northeast-2a"])[0]?.[1]).to.equal("ap-northeast-2a is not in ap-northeast-1");
    expect(zones(["apne1-az4", "apne1-az1"])).to.deep.equal([]);
    expect(zones(["ap-northeast-1a", "ap-northeast-1c"])).to.deep.equal([]);
  });

  it("that only old accounts have may be named", () => {
    expect(zones(["apne1-az3"])).to.deep.equal([]);
  });

  it("are named once", () => {
    expect(zones(["apne1-az1", "apne1-az1"])).to.deep.equal([[at, "names a zone twice", "name each zone once"]]);
  });

  it("are all ids or all names", () => {
    expect(zones(["apne1-az1", "ap-northeast-1c"])).to.deep.equal([
      [
        at,
        "mixes ids and names, and a name may mean the same zone as an id",
        "use ids only (apne1-az1, apne1-az2, apne1-az4) or names only",
      ],
    ]);
  });

  it("have a subnet each", () => {
    const text = "10.0.0.0/28 has room for 1 subnet of /28, and apne1-az1 and apne1-az4 would share one";
    const fix = (names: string) =>
      `use a larger vpcCidr (/25 holds every zone), or name fewer availabilityZones of ${names}`;
    expect(zones(["apne1-az1", "apne1-az4"], { vpcCidr: "10.0.0.0/28" })).to.deep.equal([
      [at, text, fix("apne1-az1, apne1-az4")],
    ]);
    expect(tokyo({ network: { vpcCidr: "10.0.0.0/28" } })).to.deep.equal([
      ["sites.tokyo.network.vpcCidr", text.replace("az4", "az2"), fix("apne1-az1, apne1-az2, apne1-az4")],
    ]);
    expect(zones(["apne1-az4"], { vpcCidr: "10.0.0.0/28" })).to.deep.equal([]);
    expect(tokyo({ network: { vpcCidr: "10.0.0.0/25" } })).to.deep.equal([]);
  });
});

describe("IPv6", () => {
  it("off leaves no tunnel range", () => {
    const site = (ipv6: boolean) => tokyo({ network: { ipv6 }, tunnel: { ipv6: "fd00::/64" } });
    expect(site(false)).to.deep.equal([
      [
        "sites.tokyo.tunnel.ipv6",
        "is set although network.ipv6 is off, so nothing behind the tunnel could be reached over IPv6",
        "remove it, or turn network.ipv6 on",
      ],
    ]);
    expect(site(true)).to.deep.equal([]);
    expect(tokyo({ network: { ipv6: false } })).to.deep.equal([]);
  });

  it("off leaves no AAAA record", () => {
    const site = (ipv6: boolean, records: string[]) =>
      tokyo({ network: { ipv6 }, dns: cloudflare("vpn.example.com", { records }) });
    expect(site(false, ["A", "AAAA"])).to.deep.equal([
      [
        "sites.tokyo.dns.records",
        "asks for an AAAA record although network.ipv6 is off",
        "write [A], or turn network.ipv6 on",
      ],
    ]);
    expect(site(false, ["A"])).to.deep.equal([]);
    expect(site(true, ["AAAA"])).to.deep.equal([]);
  });
});

describe("what devices reach", () => {
  it("is something, for those that name no group", () => {
    const access = (defaultGroup: string, ...isolatedNetworks: string[]) =>
      tokyo({ access: { defaultGroup, isolatedNetworks } });
    expect(access("isolated")).to.deep.equal([
      [
        "sites.tokyo.access.defaultGroup",
        "leaves devices that name no group nothing to reach, as access.isolatedNetworks is empty",
        "name networks in access.isolatedNetworks, or use internet or full",
      ],
    ]);
    expect(access("isolated", "10.0.0.0/16")).to.deep.equal([]);
    expect(access("internet")).to.deep.equal([]);
  });

  it("is no other device, for those in the group isolated", () => {
    const access = (...isolatedNetworks: string[]) => tokyo({ access: { isolatedNetworks } });
    expect(access("10.8.0.128/25", "10.0.0.0/16", "fd53:7469:6e67::/64")).to.deep.equal([
      [
        "sites.tokyo.access.isolatedNetworks",
        "names 10.8.0.128/25, fd53:7469:6e67::/64 in the tunnel, and devices of the group isolated never reach other devices",
        "remove 10.8.0.128/25, fd53:7469:6e67::/64, or put the devices into the group full",
      ],
    ]);
    expect(access("10.0.0.0/8", "10.8.1.0/24", "fd53:7469:6e67:1::/64")).to.deep.equal([]);
  });

  it("holds no IPv6 network where IPv6 is off", () => {
    const site = (ipv6: boolean, ...isolatedNetworks: string[]) =>
      tokyo({ network: { ipv6 }, access: { isolatedNetworks } });
    const at = "sites.tokyo.access.isolatedNetworks";
    expect(site(false, "2001:db8::/64", "10.0.0.0/16")).to.deep.equal([
      [
        at,
        "names 2001:db8::/64 although network.ipv6 is off, so no device could reach it",
        "remove 2001:db8::/64, or turn network.ipv6 on",
      ],
    ]);
    expect(site(false, "2001:db8::/64", "fd00::/64")[0]?.[1]).to.equal(
      "names 2001:db8::/64, fd00::/64 although network.ipv6 is off, so no device could reach them",
    );
    expect(site(true, "2001:db8::/64")).to.deep.equal([]);
    expect(site(false, "10.0.0.0/16")).to.deep.equal([]);
  });
});

describe("the server's architecture", () => {
  const at = "sites.tokyo.server.instanceTypes";
  const server = (architecture: string, ...instanceTypes: string[]) =>
    tokyo({ server: { architecture, instanceTypes } });

  it("is the one of all instance types", () => {
    expect(server("arm64", "t4g.nano", "t3.nano")).to.deep.equal([
      [at, "t3.nano is x86_64, and server.architecture is arm64: no image runs on both", "remove t3.nano"],
    ]);
    expect(server("x86_64", "t4g.nano", "a1.medium")).to.deep.equal([
      [
        at,
        "t4g.nano, a1.medium are arm64, and server.architecture is x86_64: no image runs on both",
        "set server.architecture to arm64, or choose x86_64 types",
      ],
    ]);
    expect(server("arm64", "t4g.nano", "a1.medium")).to.deep.equal([]);
    expect(server("x86_64", "t3.nano", "t3a.nano")).to.deep.equal([]);
  });

  it("is also that of the default instance type", () => {
    expect(tokyo({ server: { architecture: "x86_64" } }).map(([path]) => path)).to.deep.equal([at]);
  });
});

describe("the image's distribution", () => {
  const server = (image: string, distribution?: string) =>
    tokyo({ server: { image, ...(distribution ? { distribution } : {}) } });

  it("is said for an id", () => {
    expect(server("ami-0123456789abcdef0")).to.deep.equal([
      [
        "sites.tokyo.server.image",
        "is an id, which does not say what the image is",
        "add distribution: al2023, debian or ubuntu beside it",
      ],
    ]);
    expect(server("ami-0123456789abcdef0", "ubuntu")).to.deep.equal([]);
  });

  it("does not contradict a name", () => {
    expect(server("debian-12", "ubuntu")).to.deep.equal([
      ["sites.tokyo.server.distribution", "contradicts image: debian-12, which is debian", "remove it"],
    ]);
    expect(server("debian-12", "debian")).to.deep.equal([]);
  });
});

describe("a DNS name", () => {
  const named = (name: string) => tokyo({ dns: cloudflare(name) });

  it("is in its zone", () => {
    for (const name of ["vpn.example.org", "vpnexample.com", "com.example"]) {
      expect(named(name)).to.deep.equal([
        [
          "sites.tokyo.dns.name",
          "is not in the zone example.com",
          "use example.com or a name that ends in .example.com",
        ],
      ]);
    }
    expect(named("example.com")).to.deep.equal([]);
    expect(named("a.b.example.com")).to.deep.equal([]);
  });

  it("belongs to one site", () => {
    const two = (name: string) =>
      sites({
        a: { dns: cloudflare("vpn.example.com") },
        b: { ...apart(1), storePrefix: "/b", dns: cloudflare(name) },
      });
    expect(two("vpn.example.com")).to.deep.equal([
      ["sites.b.dns.name", "is the name of the site a too", "give each site its own name"],
    ]);
    expect(two("b.example.com")).to.deep.equal([]);
  });
});

describe("a store", () => {
  const two = (a: object, b: object) => sites({ a, b: { ...apart(1), ...b } });
  const shares = (prefix: string) =>
    `shares ${prefix} in ap-northeast-1 with the site a: each would take the other's keys and server for its own`;

  it("belongs to one site of a region", () => {
    expect(two({}, {})).to.deep.equal([
      ["sites.b.storePrefix", shares("/stingy-vpn/prod"), "use storePrefix: /stingy-vpn/prod-b"],
    ]);
    expect(two({}, { storePrefix: "/stingy-vpn/prod-b" })).to.deep.equal([]);
    expect(two({}, { region: "eu-central-1" })).to.deep.equal([]);
  });

  it("is not inside another one, nor around it", () => {
    expect(two({ storePrefix: "/x" }, { storePrefix: "/x/b" })).to.deep.equal([
      ["sites.b.storePrefix", shares("/x/b"), "use storePrefix: /stingy-vpn/prod-b"],
    ]);
    expect(two({ storePrefix: "/x/a" }, { storePrefix: "/x" }).map(([, problem]) => problem)).to.deep.equal([
      shares("/x"),
    ]);
    expect(two({ storePrefix: "/x/a" }, { storePrefix: "/x/ab" })).to.deep.equal([]);
    expect(two({ storePrefix: "/x/ab" }, { storePrefix: "/x/a" })).to.deep.equal([]);
  });

  it("is never suggested where it would clash again", () => {
    expect(two({ storePrefix: "/stingy-vpn" }, {})).to.deep.equal([
      ["sites.b.storePrefix", shares("/stingy-vpn/prod"), "use paths of which neither is inside the other"],
    ]);
  });

  it("is not under a path that AWS keeps for itself", () => {
    for (const storePrefix of ["/aws/vpn", "/ssm", "/AWS/vpn"]) {
      expect(tokyo({ storePrefix })).to.deep.equal([
        ["sites.tokyo.storePrefix", "starts with a word AWS keeps for itself", "use /stingy-vpn/prod"],
      ]);
    }
    expect(tokyo({ storePrefix: "/vpn/aws" })).to.deep.equal([]);
  });
});

describe("a site's address", () => {
  it("lasts, as an Elastic IP or as a name", () => {
    expect(tokyo({ elasticIp: false })).to.deep.equal([
      [
        "sites.tokyo.elasticIp",
        "leaves clients without an address that lasts, as the site has no DNS name either",
        "turn elasticIp on, or configure dns",
      ],
    ]);
    expect(tokyo({ elasticIp: false, dns: cloudflare("vpn.example.com") })).to.deep.equal([]);
    expect(tokyo({ elasticIp: true })).to.deep.equal([]);
  });

  it("belongs to one site", () => {
    const two = (elasticIp: string) =>
      sites({ a: { elasticIp: "eipalloc-00000001" }, b: { ...apart(1), storePrefix: "/b", elasticIp } });
    expect(two("eipalloc-00000001")).to.deep.equal([
      ["sites.b.elasticIp", "is the address of the site a too", "give each site its own address"],
    ]);
    expect(two("eipalloc-00000002")).to.deep.equal([]);
  });
});

describe("the Lambda runtime", () => {
  const settings = (aws: string | undefined, runtime: string) =>
    problemsOf({ providers: aws ? { aws } : {}, sites: { tokyo: { functions: { runtime } } } });

  for (const aws of ["5.99.0", "6.20.0"]) {
    it(`nodejs24.x is unknown to the AWS provider ${aws}`, () => {
      expect(settings(aws, "nodejs24.x")).to.deep.equal([
        [
          "sites.tokyo.functions.runtime",
          `is unknown to the AWS provider ${aws}`,
          "use nodejs22.x, or set providers.aws to 6.21.0 or later",
        ],
      ]);
      expect(settings(aws, "nodejs22.x")).to.deep.equal([]);
    });
  }

  for (const aws of ["6.21.0", "7.0.0", undefined]) {
    it(`nodejs24.x is known to the AWS provider ${aws ?? "the bindings were made for"}`, () => {
      expect(settings(aws, "nodejs24.x")).to.deep.equal([]);
    });
  }
});

describe("a maintenance window", () => {
  const window = (from: string, to: string) => tokyo({ server: { maintenanceWindow: { from, to } } });
  const at = "sites.tokyo.server.maintenanceWindow.to";
  const fix = "leave 30 minutes or more between from and to, or remove maintenanceWindow for any time";

  it("is open for half an hour at least, also past midnight", () => {
    expect(window("03:00", "03:29")).to.deep.equal([[at, "closes the window 29 minutes after it opens at 03:00", fix]]);
    expect(window("23:50", "00:19")).to.deep.equal([[at, "closes the window 29 minutes after it opens at 23:50", fix]]);
    expect(window("03:00", "03:30")).to.deep.equal([]);
    expect(window("23:50", "00:20")).to.deep.equal([]);
    expect(window("03:00", "02:59")).to.deep.equal([]);
  });

  it("does not end when it begins", () => {
    expect(window("03:00", "03:00")).to.deep.equal([[at, "is when the window opens, so that it is never open", fix]]);
  });
});

describe("a schedule", () => {
  const schedule = (pause: string, resume: string) => tokyo({ schedule: { pause, resume } });

  it("pauses and resumes at different times", () => {
    expect(schedule("0 8 ? * * *", " 0 8 ? * * * ")).to.deep.equal([
      [
        "sites.tokyo.schedule.resume",
        "is also when the site is paused, so that nobody can say whether it runs",
        "give pause and resume different times",
      ],
    ]);
    expect(schedule("0 22 ? * * *", "0 8 ? * * *")).to.deep.equal([]);
  });
});
