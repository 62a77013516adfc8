/** What cloud-init reads in the metadata service beyond what the product's own scripts ask for: the tree, and the user data. */
import { gzipSync } from "node:zlib";
import { ADDRESSES } from "../../server/harness";
import { REGION } from "./site";

export interface InstanceFacts {
  readonly instanceId: string;
  readonly account: string;
  readonly zone: string;
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly userData: string;
}

const SUBNET_BITS = 24;

/** Paths below /latest/ and what they answer. Each name that a folder lists is there: cloud-init reads them all. */
export function moreMetadata(facts: InstanceFacts): Record<string, string | Buffer> {
  const { instanceId, account, zone, mac, ipv4, ipv6, userData } = facts;
  const host = `ip-${ipv4.replaceAll(".", "-")}.${REGION}.compute.internal`;
  const ofMac = `meta-data/network/interfaces/macs/${mac}/`;
  const document = {
    accountId: account,
    architecture: "x86_64",
    availabilityZone: zone,
    imageId: "ami-12c6146b",
    instanceId,
    instanceType: "t3.nano",
    privateIp: ipv4,
    region: REGION,
    version: "2017-09-30",
  };
  const leaves: Record<string, string | Buffer> = {
    "dynamic/instance-identity/document": JSON.stringify(document, undefined, 2),
    "meta-data/ami-id": document.imageId,
    "meta-data/hostname": host,
    "meta-data/instance-id": instanceId,
    "meta-data/instance-life-cycle": "spot",
    "meta-data/instance-type": document.instanceType,
    "meta-data/local-hostname": host,
    "meta-data/local-ipv4": ipv4,
    "meta-data/mac": mac,
    "meta-data/placement/availability-zone": zone,
    "meta-data/placement/region": REGION,
    "meta-data/services/domain": "amazonaws.com",
    "meta-data/services/partition": "aws",
    [`${ofMac}device-number`]: "0",
    [`${ofMac}ipv6s`]: ipv6,
    [`${ofMac}local-hostname`]: host,
    [`${ofMac}local-ipv4s`]: ipv4,
    [`${ofMac}mac`]: mac,
    [`${ofMac}subnet-ipv4-cidr-block`]: `${ipv4.replace(/\d+$/, "0")}/${SUBNET_BITS}`,
    [`${ofMac}vpc-ipv4-cidr-block`]: ADDRESSES.vpc,
    [`${ofMac}vpc-ipv4-cidr-blocks`]: ADDRESSES.vpc,
    [`${ofMac}vpc-ipv6-cidr-blocks`]: ADDRESSES.vpcIpv6,
  };
  // As Terraform packs it and EC2 hands it out: the gzip itself.
  return { ...foldersOf(Object.keys(leaves)), ...leaves, "user-data": gzipSync(userData) };
}

/** What is in each folder, by its path with and without the slash at its end. */
function foldersOf(paths: readonly string[]): Record<string, string> {
  const inside = new Map<string, Set<string>>();
  for (const path of paths) {
    const names = path.split("/");
    for (const [depth, name] of names.entries()) {
      if (depth === 0) continue;
      const folder = `${names.slice(0, depth).join("/")}/`;
      const known = inside.get(folder) ?? new Set();
      inside.set(folder, known.add(depth < names.length - 1 ? `${name}/` : name));
    }
  }
  return Object.fromEntries(
    [...inside].flatMap(([folder, names]) => {
      const listing = [...names].sort().join("\n");
      return [
        [folder, listing],
        [folder.slice(0, -1), listing],
      ];
    }),
  );
}
