import { HOURS_A_MONTH } from "./hours";
import type { Prices } from "./prices";

/** A row of the table of sizes that the first design of this VPN had: machines on demand in Tokyo, without an address. */
interface DesignedSize {
  readonly devices: string;
  readonly type: string;
  readonly usd: number;
  /** The Graviton machine of the same size. */
  readonly graviton: string;
}

const DESIGN: readonly DesignedSize[] = [
  { devices: "up to 10", type: "t3.micro", usd: 9.4, graviton: "t4g.micro" },
  { devices: "up to 25", type: "t3.small", usd: 18.8, graviton: "t4g.small" },
  { devices: "up to 50", type: "t3.medium", usd: 37.6, graviton: "t4g.medium" },
  { devices: "100 and more", type: "t3.large", usd: 75.2, graviton: "t4g.large" },
];
export const DESIGN_REGION = "ap-northeast-1";

export interface ComparedSize extends DesignedSize {
  /** The same machine now, on demand, a month. */
  readonly onDemand?: number;
  /** With the public address and a disk of 8 GB, which the design's table leaves out. */
  readonly withAddressAndDisk?: number;
  /** The Graviton machine on Spot, with address and disk. */
  readonly gravitonSpot?: number;
}

const DISK_GB = 8;

/** The design's table of sizes beside these prices. */
export function compareSizes(prices: Prices): ComparedSize[] {
  const { machines, gp3GbMonth, everywhere } = prices;
  const extras = gp3GbMonth && everywhere.publicIpv4Hour.usd * HOURS_A_MONTH + gp3GbMonth.usd * DISK_GB;
  return DESIGN.map((row) => {
    const onDemand = machines[row.type]?.onDemand;
    const spot = machines[row.graviton]?.spot;
    return {
      ...row,
      ...(onDemand ? { onDemand: onDemand.usd * HOURS_A_MONTH } : {}),
      ...(onDemand && extras !== undefined ? { withAddressAndDisk: onDemand.usd * HOURS_A_MONTH + extras } : {}),
      ...(spot && extras !== undefined ? { gravitonSpot: spot.usd * HOURS_A_MONTH + extras } : {}),
    };
  });
}
