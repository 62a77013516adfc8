import { expect } from "chai";
import fc from "fast-check";
import { REGION_ZONES } from "../../../modules/config/regions";
import {
  hostAddress,
  isPrivate,
  nextFreeRange,
  parseRange,
  planSubnets,
  type Range,
  rangesOverlap,
  zoneNumber,
} from "../../../modules/network/planner";

/** The oracle: networks as one number and a prefix, with arithmetic of its own. */
interface Net {
  readonly bits: 32 | 128;
  readonly address: bigint;
  readonly prefix: number;
}

const hostBits = ({ bits, prefix }: Net) => BigInt(bits - prefix);
const first = (net: Net) => (net.address >> hostBits(net)) << hostBits(net);
const last = (net: Net) => first(net) + 2n ** hostBits(net) - 1n;

function groups(value: bigint, count: number, width: bigint): bigint[] {
  return Array.from(
    { length: count },
    (_, index) => (value >> (width * BigInt(count - 1 - index))) & (2n ** width - 1n),
  );
}

/** The text of an address; an IPv6 one with every group written out. */
function text({ bits }: Net, address: bigint): string {
  return bits === 32
    ? groups(address, 4, 8n).join(".")
    : groups(address, 8, 16n)
        .map((group) => group.toString(16).padStart(4, "0"))
        .join(":");
}

/** The short text of an address, as the WHATWG URL parser writes it. */
function short(net: Net, address: bigint): string {
  const written = text(net, address);
  return net.bits === 32 ? written : new URL(`http://[${written}]`).hostname.slice(1, -1);
}

const cidr = (net: Net) => `${text(net, net.address)}/${net.prefix}`;
const canonical = (net: Net) => `${short(net, first(net))}/${net.prefix}`;

const anyNet = fc
  .constantFrom(32 as const, 128 as const)
  .chain((bits) =>
    fc.record({ bits: fc.constant(bits), address: fc.bigInt(0n, 2n ** BigInt(bits) - 1n), prefix: fc.nat(bits) }),
  );
/** Networks so near each other that every second pair overlaps. */
const nearNet = fc.oneof(
  fc.record({
    bits: fc.constant(32 as const),
    address: fc.nat(1023).map((low) => 0x0a000000n + BigInt(low)),
    prefix: fc.integer({ min: 22, max: 32 }),
  }),
  fc.record({
    bits: fc.constant(128 as const),
    address: fc.nat(1023).map((low) => 0xfdn * 2n ** 120n + BigInt(low)),
    prefix: fc.integer({ min: 118, max: 128 }),
  }),
);

function range(written: string): Range {
  const parsed = parseRange(written);
  if (!parsed) throw new Error(`${written} is no range`);
  return parsed;
}

const asNet = (written: string): Net => ({
  bits: 32,
  address: (written.split("/")[0] ?? "").split(".").reduce((sum, byte) => sum * 256n + BigInt(byte), 0n),
  prefix: Number(written.split("/")[1]),
});

describe("parseRange", () => {
  it("gives the version, the prefix, the first and last address and the network's own text", () => {
    expect(range("10.0.3.7/16")).to.deep.equal({
      version: 4,
      prefix: 16,
      start: 0x0a000000n,
      end: 0x0a00ffffn,
      network: "10.0.0.0/16",
    });
    expect(range("FD53:7469:6E67:0::1/64").network).to.equal("fd53:7469:6e67::/64");
  });

  it("reads every network as plain arithmetic does", () => {
    fc.assert(
      fc.property(anyNet, (net) => {
        expect(parseRange(cidr(net))).to.deep.equal({
          version: net.bits === 32 ? 4 : 6,
          prefix: net.prefix,
          start: first(net),
          end: last(net),
          network: canonical(net),
        });
      }),
    );
  });

  it("reads its own network text as the same network", () => {
    fc.assert(
      fc.property(anyNet, (net) => {
        expect(parseRange(range(cidr(net)).network)).to.deep.equal(range(cidr(net)));
      }),
    );
  });

  for (const junk of [
    ..."|/|10.0.0.0|10.0.0.0/|/8|10.0.0.0/33|10.0.0.0/-1|10.0.0.0/8/8|10.0.0/16|10.0.0.0.0/8|256.0.0.0/8".split("|"),
    ..."010.0.0.0/8|0x0a.0.0.0/8|10.0.0.0/08|10.0.0.0/8.0|10.1e1.0.0/16| 10.0.0.0/8|10.0.0.0/8 |10.0.0.0 /8".split("|"),
    ..."::/129|1::2::3/64|1:2:3/64|12345::/16|::g/64|[::1]/64|fe80::1%eth0/64|1:2:3:4:5:6:7:8:9/64|vpn/8".split("|"),
    "10.0.0.0/8\n",
    "１0.0.0.0/8",
  ]) {
    it(`takes ${JSON.stringify(junk)} for none`, () => {
      expect(parseRange(junk)).to.equal(undefined);
    });
  }

  it("never throws, whatever the text", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.tuple(fc.string(), fc.nat(200)).map((parts) => parts.join("/")),
        ),
        (junk) => {
          parseRange(junk);
        },
      ),
    );
  });
});

describe("rangesOverlap", () => {
  const overlap = (a: string, b: string) => rangesOverlap(range(a), range(b));

  it("is true for equal and nested networks, false for neighbours and other versions", () => {
    expect(overlap("10.0.0.0/16", "10.0.0.0/16")).to.equal(true);
    expect(overlap("10.0.0.0/16", "10.0.255.0/24")).to.equal(true);
    expect(overlap("10.0.0.0/16", "10.0.0.0/32") && overlap("10.0.255.255/32", "10.0.0.0/16")).to.equal(true);
    expect(overlap("10.0.0.0/16", "10.1.0.0/16")).to.equal(false);
    expect(overlap("0.0.0.0/0", "::/0")).to.equal(false);
  });

  it("says what comparing the first common bits says, in either order", () => {
    fc.assert(
      fc.property(nearNet, nearNet, (a, b) => {
        const shift = BigInt(a.bits - Math.min(a.prefix, b.prefix));
        const expected = a.bits === b.bits && a.address >> shift === b.address >> shift;
        expect(overlap(cidr(a), cidr(b))).to.equal(expected);
        expect(overlap(cidr(b), cidr(a))).to.equal(expected);
      }),
      { numRuns: 300 },
    );
  });
});

describe("isPrivate", () => {
  for (const [inside, outside] of [
    ["10.0.0.0/8", "10.0.0.0/7"],
    ["10.255.255.255/32", "11.0.0.0/32"],
    ["172.16.0.0/12", "172.32.0.0/16"],
    ["192.168.255.0/24", "192.169.0.0/24"],
    ["100.64.0.0/10", "100.128.0.0/16"],
    ["fd00::/8", "fe80::/10"],
    ["fc00::/7", "::a00:0/112"],
  ] as const) {
    it(`${inside} is, ${outside} is not`, () => {
      expect(isPrivate(range(inside))).to.equal(true);
      expect(isPrivate(range(outside))).to.equal(false);
    });
  }
});

describe("hostAddress", () => {
  it("counts from the network's first address and keeps the prefix", () => {
    expect(hostAddress("10.8.0.0/24", 1)).to.equal("10.8.0.1/24");
    expect(hostAddress("10.8.0.0/23", 256)).to.equal("10.8.1.0/23");
    expect(hostAddress("fd53:7469:6e67::/64", 1)).to.equal("fd53:7469:6e67::1/64");
  });

  it("refuses an address behind the last one", () => {
    expect(hostAddress("10.8.0.0/29", 7)).to.equal("10.8.0.7/29");
    expect(() => hostAddress("10.8.0.0/29", 8)).to.throw(RangeError, "10.8.0.0/29 has no address 8");
    expect(() => hostAddress("vpn", 1)).to.throw(RangeError, "vpn has no address 1");
  });

  it("stays inside the range", () => {
    fc.assert(
      fc.property(anyNet, fc.nat(65535), (net, index) => {
        fc.pre(BigInt(index) <= last(net) - first(net));
        expect(hostAddress(cidr(net), index)).to.equal(`${short(net, first(net) + BigInt(index))}/${net.prefix}`);
      }),
    );
  });
});

describe("zoneNumber", () => {
  for (const [zone, number] of [
    ["apne1-az1", 1],
    ["apne1-az4", 4],
    ["use1-az6", 6],
    ["use1-az12", 12],
    ["ap-northeast-1a", 1],
    ["us-east-1f", 6],
  ] as const) {
    it(`of ${zone} is ${number}`, () => {
      expect(zoneNumber(zone)).to.equal(number);
    });
  }
});

describe("planSubnets", () => {
  const cidrs = (vpc: string, zones: readonly string[]) => planSubnets(vpc, zones).map((subnet) => subnet.cidr);
  const anyVpc = fc
    .record({
      bits: fc.constant(32 as const),
      address: fc.bigInt(0x0a000000n, 0x0affffffn),
      prefix: fc.integer({ min: 16, max: 28 }),
    })
    .map(canonical);
  const anyZones = fc.uniqueArray(fc.integer({ min: 1, max: 26 }), { minLength: 1, maxLength: 6 }).chain((numbers) =>
    fc.constantFrom(
      numbers.map((number) => `use1-az${number}`),
      numbers.map((number) => `us-east-1${String.fromCharCode(96 + number)}`),
    ),
  );
  /** The plan, or undefined where there is no room. */
  function planned(vpc: string, zones: readonly string[]) {
    try {
      return planSubnets(vpc, zones);
    } catch (error) {
      expect(error).to.be.instanceOf(RangeError);
      return undefined;
    }
  }

  it("numbers Tokyo's /24 subnets like its zones", () => {
    expect(planSubnets("10.0.0.0/16", REGION_ZONES["ap-northeast-1"])).to.deep.equal([
      { zone: "apne1-az1", cidr: "10.0.1.0/24", ipv6Index: 1 },
      { zone: "apne1-az2", cidr: "10.0.2.0/24", ipv6Index: 2 },
      { zone: "apne1-az4", cidr: "10.0.4.0/24", ipv6Index: 4 },
    ]);
  });

  it("gives a zone's name the subnet of its letter", () => {
    expect(planSubnets("10.0.0.0/16", ["ap-northeast-1c"])).to.deep.equal([
      { zone: "ap-northeast-1c", cidr: "10.0.3.0/24", ipv6Index: 3 },
    ]);
  });

  it("divides a small VPC into eight, and the smallest not at all", () => {
    expect(cidrs("10.0.0.0/22", ["use1-az1", "use1-az6"])).to.deep.equal(["10.0.0.128/25", "10.0.3.0/25"]);
    expect(cidrs("10.0.0.0/25", ["use1-az1", "use1-az6"])).to.deep.equal(["10.0.0.16/28", "10.0.0.96/28"]);
    expect(planSubnets("10.0.0.0/28", ["apne1-az4"])).to.deep.equal([
      { zone: "apne1-az4", cidr: "10.0.0.0/28", ipv6Index: 4 },
    ]);
  });

  it("names both zones that would share a subnet", () => {
    expect(() => cidrs("10.0.0.0/28", ["apne1-az1", "apne1-az4"])).to.throw(
      RangeError,
      /^10\.0\.0\.0\/28 has room for 1 subnet of \/28, and apne1-az1 and apne1-az4 would share one$/,
    );
    expect(() => cidrs("10.0.0.0/26", REGION_ZONES["us-east-1"])).to.throw(
      RangeError,
      /^10\.0\.0\.0\/26 has room for 4 subnets of \/28, and use1-az1 and use1-az5 would share one$/,
    );
  });

  it("refuses what is no IPv4 network", () => {
    expect(() => cidrs("fd00::/64", ["apne1-az1"])).to.throw(RangeError, "fd00::/64 is no IPv4 network");
    expect(() => cidrs("10.0.0.0", ["apne1-az1"])).to.throw(RangeError, "10.0.0.0 is no IPv4 network");
  });

  it("puts every subnet inside the VPC, over no other one, and no smaller than AWS takes", () => {
    fc.assert(
      fc.property(anyVpc, anyZones, (vpc, zones) => {
        const plan = planned(vpc, zones);
        fc.pre(plan !== undefined);
        const nets = (plan ?? []).map((subnet) => asNet(subnet.cidr));
        expect((plan ?? []).map((subnet) => subnet.zone)).to.deep.equal(zones);
        for (const [index, net] of nets.entries()) {
          expect(net.prefix).to.be.within(16, 28);
          expect(first(net)).to.equal(net.address);
          expect(first(net) >= first(asNet(vpc)) && last(net) <= last(asNet(vpc))).to.equal(true);
          expect(nets.slice(0, index).some((other) => first(other) <= last(net) && first(net) <= last(other))).to.equal(
            false,
          );
        }
        expect(new Set((plan ?? []).map((subnet) => subnet.ipv6Index)).size).to.equal(zones.length);
        expect((plan ?? []).every((subnet) => subnet.ipv6Index >= 1 && subnet.ipv6Index <= 255)).to.equal(true);
      }),
      { numRuns: 300 },
    );
  });

  it("never moves a zone's subnet when zones are added, removed or reordered", () => {
    const withPart = anyZones.chain((zones) => fc.tuple(fc.constant(zones), fc.shuffledSubarray(zones)));
    fc.assert(
      fc.property(anyVpc, withPart, (vpc, [zones, part]) => {
        const plan = planned(vpc, zones);
        fc.pre(plan !== undefined);
        const byZone = new Map((plan ?? []).map((subnet) => [subnet.zone, subnet]));
        expect(planSubnets(vpc, part)).to.deep.equal(part.map((zone) => byZone.get(zone)));
      }),
      { numRuns: 300 },
    );
  });

  it("has no room only where two zones alone would clash", () => {
    fc.assert(
      fc.property(anyVpc, anyZones, (vpc, zones) => {
        const alone = zones.map((zone) => cidrs(vpc, [zone])[0]);
        expect(planned(vpc, zones) === undefined).to.equal(new Set(alone).size < zones.length);
      }),
      { numRuns: 300 },
    );
  });

  it("has room for every region's default zones in every VPC from /16 to /25", () => {
    for (const zones of Object.values(REGION_ZONES)) {
      for (let prefix = 16; prefix <= 25; prefix++) {
        expect(new Set(cidrs(`10.0.0.0/${prefix}`, zones)).size).to.equal(zones.length);
      }
    }
  });
});

describe("nextFreeRange", () => {
  const next = (from: string, ...taken: string[]) => nextFreeRange(from, taken.map(range));

  it("steps over what is taken", () => {
    expect(next("10.0.0.0/16")).to.equal("10.0.0.0/16");
    expect(next("10.0.0.0/16", "10.0.0.0/16", "10.1.7.0/24")).to.equal("10.2.0.0/16");
    expect(next("fd53:7469:6e67::/64", "fd53:7469:6e67::/64")).to.equal("fd53:7469:6e67:1::/64");
  });

  it("never leaves the private range it starts in", () => {
    expect(next("192.168.0.0/16", "192.168.0.0/16")).to.equal(undefined);
    expect(next("172.31.0.0/16", "172.31.0.0/16")).to.equal(undefined);
    expect(next("10.255.255.0/24", "10.255.255.0/24")).to.equal(undefined);
  });

  it("has nothing to suggest for what is no network", () => {
    expect(next("vpn")).to.equal(undefined);
  });

  it("is the first free network of the same size", () => {
    const prefix = fc.integer({ min: 18, max: 22 });
    const net = fc
      .record({ bits: fc.constant(32 as const), address: fc.bigInt(0xc0a80000n, 0xc0a8ffffn), prefix })
      .map((one) => ({ ...one, address: first(one) }));
    fc.assert(
      fc.property(net, fc.array(net, { maxLength: 12 }), (from, taken) => {
        const free: string[] = [];
        for (let at = from.address; at <= 0xc0a8ffffn; at += 2n ** hostBits(from)) {
          const one = { ...from, address: at };
          if (taken.every((other) => last(other) < first(one) || last(one) < first(other))) free.push(canonical(one));
        }
        expect(next(canonical(from), ...taken.map(canonical))).to.equal(free[0]);
      }),
      { numRuns: 200 },
    );
  });
});
