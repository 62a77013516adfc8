/** What peers may reach: full all, internet the internet alone, isolated what access.isolatedNetworks names. */
export const GROUPS = ["full", "internet", "isolated"] as const;
export type Group = (typeof GROUPS)[number];

/** Seconds. */
export const LONGEST_KEEPALIVE = 65_535;
