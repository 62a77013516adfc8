import { nextFreeRange, parseRange, planSubnets, type Range, rangeContains, rangesOverlap } from "../network/planner";
import { DEFAULT_TUNNEL_IPV4, DEFAULT_TUNNEL_IPV6, DEFAULT_VPC_CIDR } from "./defaults";
import { architectureOf } from "./instance-types";
import type { Path, Problem } from "./problem";
import { OLD_ACCOUNTS_ZONES, REGION_ZONES } from "./regions";
import { isImageId, resolve, type Site } from "./resolve";
import type { ParsedConfig } from "./schema";
import { windowMinutes } from "./time";

/** The rules that need more than one setting. `involves` lets a problem that only follows from another one be left out. */
type Broken = Problem & { readonly involves?: readonly Path[] };
type Rule = (config: ParsedConfig, sites: readonly Site[]) => Iterable<Broken>;

export function checkRules(config: ParsedConfig): Broken[] {
  const { sites } = resolve(config);
  return RULES.flatMap((rule) => [...rule(config, sites)]);
}

/** The bindings write nothing that these major versions do not know. */
const LOWEST_MAJOR = { aws: 5, cloudflare: 5, archive: 2 } as const;
/** nodejs24.x is in the AWS provider's list of runtimes from this version on. */
const NODEJS24_NEEDS_AWS = [6, 21] as const;

/** A replacement takes a few minutes, and one that fails is tried again. */
const SHORTEST_WINDOW_MINUTES = 30;

const at = (site: Site, ...rest: string[]): Path => ["sites", site.name, ...rest];

function* rangesApart(_config: ParsedConfig, sites: readonly Site[]): Iterable<Broken> {
  interface Used {
    readonly path: Path;
    readonly text: string;
    readonly range: Range;
    readonly fallback: string;
  }
  const used: Used[] = sites.flatMap((site) => {
    const texts: [Path, string | undefined, string][] = [
      [at(site, "network", "vpcCidr"), site.network.vpcCidr, DEFAULT_VPC_CIDR.value],
      [at(site, "tunnel", "ipv4"), site.tunnel.ipv4, DEFAULT_TUNNEL_IPV4.value],
      [at(site, "tunnel", "ipv6"), site.tunnel.ipv6, DEFAULT_TUNNEL_IPV6.value],
    ];
    return texts.flatMap(([path, text, fallback]) => {
      const range = text === undefined ? undefined : parseRange(text);
      return text && range ? [{ path, text, range, fallback }] : [];
    });
  });
  // A suggestion is taken at once, so that two problems never suggest the same range.
  const taken = used.map(({ range }) => range);
  for (const [index, later] of used.entries()) {
    const earlier = used.slice(0, index).find(({ range }) => rangesOverlap(range, later.range));
    if (!earlier) continue;
    const free = nextFreeRange(later.range.network, taken) ?? nextFreeRange(later.fallback, taken);
    const freeRange = free === undefined ? undefined : parseRange(free);
    if (freeRange) taken.push(freeRange);
    yield {
      path: later.path,
      given: later.text,
      problem: `overlaps ${earlier.path.join(".")} (${earlier.text}): a device or a server could not tell which one is meant`,
      fix: free ? `use a range that is free, for example ${free}` : "use smaller ranges",
      involves: [later.path, earlier.path],
    };
  }
}

function* zonesFit(config: ParsedConfig, sites: readonly Site[]): Iterable<Broken> {
  for (const site of sites) {
    const path = at(site, "network", "availabilityZones");
    const zones = site.network.availabilityZones;
    const given = config.sites[site.name]?.network.availabilityZones;
    const idPrefix = REGION_ZONES[site.region][0].replace(/\d+$/, "");
    const isId = (zone: string) => zone.startsWith(idPrefix);
    const zonesKnown: readonly string[] = [...REGION_ZONES[site.region], ...OLD_ACCOUNTS_ZONES];
    const foreign = zones.filter((zone) => (isId(zone) ? !zonesKnown.includes(zone) : !zone.startsWith(site.region)));
    const involves = [path, at(site, "region")];
    const known = REGION_ZONES[site.region].join(", ");
    if (foreign.length > 0) {
      yield {
        path,
        given,
        problem: `${foreign.join(", ")} ${foreign.length === 1 ? "is" : "are"} not in ${site.region}`,
        fix: `use ${known}, or leave the setting out`,
        involves,
      };
    } else if (new Set(zones).size !== zones.length) {
      yield { path, given, problem: "names a zone twice", fix: "name each zone once", involves };
    } else if (zones.some(isId) && !zones.every(isId)) {
      yield {
        path,
        given,
        problem: "mixes ids and names, and a name may mean the same zone as an id",
        fix: `use ids only (${known}) or names only`,
        involves,
      };
    } else {
      try {
        planSubnets(site.network.vpcCidr, zones);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        yield {
          path: given ? path : at(site, "network", "vpcCidr"),
          given: given ?? site.network.vpcCidr,
          problem: error.message,
          fix: `use a larger vpcCidr (/25 holds every zone), or name fewer availabilityZones of ${zones.join(", ")}`,
          involves: [...involves, at(site, "network", "vpcCidr")],
        };
      }
    }
  }
}

function* ipv6Everywhere(config: ParsedConfig, sites: readonly Site[]): Iterable<Broken> {
  for (const site of sites.filter(({ network }) => !network.ipv6)) {
    const involved = at(site, "network", "ipv6");
    const range = config.sites[site.name]?.tunnel.ipv6;
    if (range !== undefined) {
      const path = at(site, "tunnel", "ipv6");
      yield {
        path,
        given: range,
        problem: "is set although network.ipv6 is off, so nothing behind the tunnel could be reached over IPv6",
        fix: "remove it, or turn network.ipv6 on",
        involves: [path, involved],
      };
    }
    if (site.dns.provider === "cloudflare" && site.dns.records.includes("AAAA")) {
      const path = at(site, "dns", "records");
      yield {
        path,
        given: site.dns.records,
        problem: "asks for an AAAA record although network.ipv6 is off",
        fix: "write [A], or turn network.ipv6 on",
        involves: [path, involved],
      };
    }
    const { isolatedNetworks } = site.access;
    const unreachable = isolatedNetworks.filter((network) => parseRange(network)?.version === 6);
    if (unreachable.length > 0) {
      const path = at(site, "access", "isolatedNetworks");
      yield {
        path,
        given: isolatedNetworks,
        problem: `names ${unreachable.join(", ")} although network.ipv6 is off, so no device could reach ${unreachable.length === 1 ? "it" : "them"}`,
        fix: `remove ${unreachable.join(", ")}, or turn network.ipv6 on`,
        involves: [path, involved],
      };
    }
  }
}

function* somethingToReach(_config: ParsedConfig, sites: readonly Site[]): Iterable<Broken> {
  for (const site of sites) {
    const { defaultGroup, isolatedNetworks } = site.access;
    if (defaultGroup !== "isolated" || isolatedNetworks.length > 0) continue;
    const path = at(site, "access", "defaultGroup");
    yield {
      path,
      given: defaultGroup,
      problem: "leaves devices that name no group nothing to reach, as access.isolatedNetworks is empty",
      fix: "name networks in access.isolatedNetworks, or use internet or full",
      involves: [path, at(site, "access", "isolatedNetworks")],
    };
  }
}

function* outsideTheTunnel(_config: ParsedConfig, sites: readonly Site[]): Iterable<Broken> {
  for (const site of sites) {
    const tunnels = [site.tunnel.ipv4, site.tunnel.ipv6].flatMap((text) => parseRange(text ?? "") ?? []);
    const inside = site.access.isolatedNetworks.filter((text) => {
      const range = parseRange(text);
      return range && tunnels.some((tunnel) => rangeContains(tunnel, range));
    });
    if (inside.length === 0) continue;
    const path = at(site, "access", "isolatedNetworks");
    yield {
      path,
      given: site.access.isolatedNetworks,
      problem: `names ${inside.join(", ")} in the tunnel, and devices of the group isolated never reach other devices`,
      fix: `remove ${inside.join(", ")}, or put the devices into the group full`,
      involves: [path, at(site, "tunnel")],
    };
  }
}

function* oneArchitecture(_config: ParsedConfig, sites: readonly Site[]): Iterable<Broken> {
  for (const site of sites) {
    const { instanceTypes, architecture } = site.server;
    const others = instanceTypes.filter((type) => architectureOf(type) !== architecture);
    if (others.length === 0) continue;
    const other = architecture === "arm64" ? "x86_64" : "arm64";
    const path = at(site, "server", "instanceTypes");
    yield {
      path,
      given: instanceTypes,
      problem: `${others.join(", ")} ${others.length === 1 ? "is" : "are"} ${other}, and server.architecture is ${architecture}: no image runs on both`,
      fix:
        others.length === instanceTypes.length
          ? `set server.architecture to ${other}, or choose ${architecture} types`
          : `remove ${others.join(", ")}`,
      involves: [path, at(site, "server", "architecture")],
    };
  }
}

function* distributionKnown(config: ParsedConfig, sites: readonly Site[]): Iterable<Broken> {
  for (const site of sites) {
    const path = at(site, "server", "distribution");
    const image = at(site, "server", "image");
    const given = config.sites[site.name]?.server.distribution;
    if (isImageId(site.server.image) && given === undefined) {
      yield {
        path: image,
        given: site.server.image,
        problem: "is an id, which does not say what the image is",
        fix: "add distribution: al2023, debian or ubuntu beside it",
        involves: [path, image],
      };
    } else if (!isImageId(site.server.image) && given !== undefined && given !== site.server.distribution) {
      yield {
        path,
        given,
        problem: `contradicts image: ${site.server.image}, which is ${site.server.distribution}`,
        fix: "remove it",
        involves: [path, image],
      };
    }
  }
}

function* windowsLongEnough(_config: ParsedConfig, sites: readonly Site[]): Iterable<Broken> {
  for (const site of sites) {
    const window = site.server.maintenanceWindow;
    const minutes = window && windowMinutes(window.from, window.to);
    if (window === undefined || minutes === undefined || minutes >= SHORTEST_WINDOW_MINUTES) continue;
    const path = at(site, "server", "maintenanceWindow", "to");
    yield {
      path,
      given: window.to,
      problem:
        minutes === 0
          ? "is when the window opens, so that it is never open"
          : `closes the window ${minutes === 1 ? "a minute" : `${minutes} minutes`} after it opens at ${window.from}`,
      fix: `leave ${SHORTEST_WINDOW_MINUTES} minutes or more between from and to, or remove maintenanceWindow for any time`,
      involves: [path, at(site, "server", "maintenanceWindow", "from")],
    };
  }
}

function* pausesEnd(_config: ParsedConfig, sites: readonly Site[]): Iterable<Broken> {
  for (const site of sites) {
    if (site.schedule === undefined) continue;
    const { pause, resume } = site.schedule;
    if (pause.trim() !== resume.trim()) continue;
    const path = at(site, "schedule", "resume");
    yield {
      path,
      given: resume,
      problem: "is also when the site is paused, so that nobody can say whether it runs",
      fix: "give pause and resume different times",
      involves: [path, at(site, "schedule", "pause")],
    };
  }
}

function* namesInZones(_config: ParsedConfig, sites: readonly Site[]): Iterable<Broken> {
  const owners = new Map<string, string>();
  for (const site of sites) {
    if (site.dns.provider !== "cloudflare") continue;
    const { name, zone } = site.dns;
    const path = at(site, "dns", "name");
    if (name !== zone && !name.endsWith(`.${zone}`)) {
      yield {
        path,
        given: name,
        problem: `is not in the zone ${zone}`,
        fix: `use ${zone} or a name that ends in .${zone}`,
        involves: [path, at(site, "dns", "zone")],
      };
    }
    const owner = owners.get(name);
    if (owner !== undefined) {
      yield {
        path,
        given: name,
        problem: `is the name of the site ${owner} too`,
        fix: "give each site its own name",
        involves: [path, ["sites", owner, "dns", "name"]],
      };
    }
    owners.set(name, owners.get(name) ?? site.name);
  }
}

function* ownStore(config: ParsedConfig, sites: readonly Site[]): Iterable<Broken> {
  const owners = new Map<string, string>();
  for (const site of sites) {
    const path = at(site, "storePrefix");
    const involves = [path, at(site, "region")];
    if (/^\/(aws|ssm)/i.test(site.storePrefix)) {
      yield {
        path,
        given: site.storePrefix,
        problem: "starts with a word AWS keeps for itself",
        fix: `use /stingy-vpn/${site.environment}`,
        involves,
      };
    }
    // A store inside another one's path would hand its secrets to the other site's server.
    const clashOf = (prefix: string) => {
      const mine = `${site.region}:${prefix}/`;
      return [...owners].find(([key]) => mine.startsWith(key) || key.startsWith(mine));
    };
    const clash = clashOf(site.storePrefix);
    const own = `/stingy-vpn/${site.environment}-${site.name}`;
    if (clash) {
      yield {
        path,
        given: config.sites[site.name]?.storePrefix,
        problem: `shares ${site.storePrefix} in ${site.region} with the site ${clash[1]}: each would take the other's keys and server for its own`,
        fix: clashOf(own) ? "use paths of which neither is inside the other" : `use storePrefix: ${own}`,
        involves: [...involves, ["sites", clash[1], "storePrefix"], ["sites", clash[1], "region"]],
      };
    }
    owners.set(`${site.region}:${site.storePrefix}/`, site.name);
  }
}

function* addressToFind(_config: ParsedConfig, sites: readonly Site[]): Iterable<Broken> {
  const owners = new Map<string, string>();
  for (const site of sites) {
    const path = at(site, "elasticIp");
    if (site.elasticIp === false && site.dns.provider === "none") {
      yield {
        path,
        given: false,
        problem: "leaves clients without an address that lasts, as the site has no DNS name either",
        fix: "turn elasticIp on, or configure dns",
        involves: [path, at(site, "dns", "provider")],
      };
    }
    if (typeof site.elasticIp !== "string") continue;
    const owner = owners.get(site.elasticIp);
    if (owner !== undefined) {
      yield {
        path,
        given: site.elasticIp,
        problem: `is the address of the site ${owner} too`,
        fix: "give each site its own address",
        involves: [path, ["sites", owner, "elasticIp"]],
      };
    }
    owners.set(site.elasticIp, site.name);
  }
}

function* runtimeKnown(config: ParsedConfig, sites: readonly Site[]): Iterable<Broken> {
  const [major = 0, minor = 0] = (config.providers.aws ?? "").split(".").map(Number);
  const [needsMajor, needsMinor] = NODEJS24_NEEDS_AWS;
  if (config.providers.aws === undefined || major > needsMajor || (major === needsMajor && minor >= needsMinor)) return;
  for (const site of sites.filter(({ functions }) => functions.runtime === "nodejs24.x")) {
    const path = at(site, "functions", "runtime");
    yield {
      path,
      given: "nodejs24.x",
      problem: `is unknown to the AWS provider ${config.providers.aws}`,
      fix: `use nodejs22.x, or set providers.aws to ${needsMajor}.${needsMinor}.0 or later`,
      involves: [path, ["providers", "aws"]],
    };
  }
}

function* providersKnown({ providers }: ParsedConfig): Iterable<Broken> {
  for (const [name, lowest] of Object.entries(LOWEST_MAJOR)) {
    const version = providers[name as keyof typeof LOWEST_MAJOR];
    if (version === undefined || Number(version.split(".")[0]) >= lowest) continue;
    yield {
      path: ["providers", name],
      given: version,
      problem: "is too old to know what the stacks ask for",
      fix: `remove it, or use ${lowest}.0.0 or later`,
    };
  }
}

const RULES: readonly Rule[] = [
  rangesApart,
  zonesFit,
  ipv6Everywhere,
  somethingToReach,
  outsideTheTunnel,
  oneArchitecture,
  distributionKnown,
  windowsLongEnough,
  pausesEnd,
  namesInZones,
  ownStore,
  addressToFind,
  runtimeKnown,
  providersKnown,
];
