import bundled from "./prices.json";

/** A price in US dollars, and where it is from. */
export interface Price {
  readonly usd: number;
  readonly source: string;
  /** The day or the month it was true: "2026-09-24", "2026-01". */
  readonly asOf: string;
  /** Asked of AWS just now. */
  readonly live?: boolean;
}

export interface MachinePrices {
  readonly onDemand?: Price;
  readonly spot?: Price;
}

export type EverywherePrice = keyof typeof bundled.everywhere;
export type FreeQuantity = keyof typeof bundled.free;

/** What things cost in one region. What nobody has told us is absent, and never guessed. */
export interface Prices {
  readonly region: string;
  readonly machines: Readonly<Record<string, MachinePrices>>;
  readonly gp3GbMonth?: Price;
  readonly egressGb?: Price;
  readonly everywhere: Readonly<Record<EverywherePrice, Price>>;
  /** What each account has free of charge, every month and for ever. */
  readonly free: Readonly<Record<FreeQuantity, number>>;
}

interface Sourced {
  readonly usd: number;
  readonly source: string;
}

interface RegionEntry {
  readonly machines?: Readonly<Record<string, { readonly onDemand: number; readonly spot: number }>>;
  readonly gp3GbMonth?: Sourced;
  readonly egressGb?: Sourced;
}

export interface Source {
  readonly title: string;
  readonly url: string;
  readonly asOf: string;
}

const REGIONS: Readonly<Record<string, RegionEntry>> = bundled.regions;
export const SOURCES: Readonly<Record<string, Source>> = bundled.sources;

/** The catalogue that every machine's price is from. */
const MACHINES = "machines";

/** The prices in this repository, for where AWS cannot be asked. */
export function bundledPrices(region: string): Prices {
  const { machines = {}, gp3GbMonth, egressGb } = REGIONS[region] ?? {};
  return {
    region,
    machines: Object.fromEntries(
      Object.entries(machines).map(([type, { onDemand, spot }]) => [
        type,
        { onDemand: priceOf({ usd: onDemand, source: MACHINES }), spot: priceOf({ usd: spot, source: MACHINES }) },
      ]),
    ),
    ...(gp3GbMonth ? { gp3GbMonth: priceOf(gp3GbMonth) } : {}),
    ...(egressGb ? { egressGb: priceOf(egressGb) } : {}),
    everywhere: Object.fromEntries(
      Object.entries(bundled.everywhere).map(([name, price]) => [name, priceOf(price)]),
    ) as Record<EverywherePrice, Price>,
    free: bundled.free,
  };
}

/** The same prices with what AWS itself has said just now. */
export function withMachinePrices(prices: Prices, told: Readonly<Record<string, MachinePrices>>): Prices {
  const machines = { ...prices.machines };
  for (const [type, price] of Object.entries(told)) machines[type] = { ...machines[type], ...price };
  return { ...prices, machines };
}

function priceOf({ usd, source }: Sourced): Price {
  const known = SOURCES[source];
  if (!known) throw new Error(`modules/cost/prices.json names the source "${source}" and does not say what that is`);
  return { usd, source: known.title, asOf: known.asOf };
}
