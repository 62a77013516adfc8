export interface ZonePrice {
  readonly type: string;
  readonly zone: string;
  readonly usd: number;
}

export interface HistoryEntry {
  readonly InstanceType?: string | undefined;
  readonly AvailabilityZone?: string | undefined;
  readonly AvailabilityZoneId?: string | undefined;
  readonly SpotPrice?: string | undefined;
  readonly Timestamp?: Date | undefined;
}

/** The newest price of each type in each zone that the site may use; zones by name or by id, as the site has them. */
export function newestPrices(history: readonly HistoryEntry[], zones: readonly string[]): ZonePrice[] {
  const newest = new Map<string, HistoryEntry>();
  for (const entry of history) {
    const { AvailabilityZone = "", AvailabilityZoneId } = entry;
    // AWS tells names to everybody and ids only lately.
    const known = AvailabilityZoneId !== undefined || zones.some((zone) => !zone.includes("-az"));
    if (known && !zones.includes(AvailabilityZone) && !zones.includes(AvailabilityZoneId ?? "")) continue;
    const key = `${entry.InstanceType} ${AvailabilityZone}`;
    if ((entry.Timestamp ?? 0) >= (newest.get(key)?.Timestamp ?? 0)) newest.set(key, entry);
  }
  return [...newest.values()]
    .map(({ InstanceType = "", AvailabilityZone = "", SpotPrice }) => ({
      type: InstanceType,
      zone: AvailabilityZone,
      usd: Number(SpotPrice),
    }))
    .filter(({ usd }) => usd > 0)
    .sort((a, b) => (`${a.type} ${a.zone}` < `${b.type} ${b.zone}` ? -1 : 1));
}

/** What a type costs in the middle of its zones: which one it will be is AWS's choice. */
export function middlePrice(prices: readonly ZonePrice[], type: string): number | undefined {
  const sorted = prices
    .filter((price) => price.type === type)
    .map(({ usd }) => usd)
    .sort((a, b) => a - b);
  const half = sorted.length / 2;
  const upper = sorted[Math.floor(half)];
  const lower = sorted[Math.ceil(half) - 1];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}
