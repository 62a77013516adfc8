export interface PriceChange {
  readonly at: Date;
  /** US dollars an hour from then on. */
  readonly price: number;
}

export interface SpotPrices {
  readonly now: number;
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** What a machine cost between two moments: the median is the price that half of the time was below. */
export function spotPrices(changes: readonly PriceChange[], from: Date, to: Date): SpotPrices | undefined {
  const ordered = [...changes].sort((a, b) => a.at.getTime() - b.at.getTime()).filter(({ at }) => at <= to);
  const last = ordered.at(-1);
  if (!last) return undefined;
  const spans = ordered
    .map(({ at, price }, index) => {
      const until = ordered[index + 1]?.at ?? to;
      return { price, ms: until.getTime() - Math.max(at.getTime(), from.getTime()) };
    })
    .filter(({ ms }, index) => ms > 0 || index === ordered.length - 1)
    .sort((a, b) => a.price - b.price);
  const total = spans.reduce((sum, { ms }) => sum + ms, 0);
  let below = 0;
  const median = spans.find(({ ms }) => {
    below += ms;
    return below * 2 >= total;
  });
  return {
    now: last.price,
    min: spans[0]?.price ?? last.price,
    median: median?.price ?? last.price,
    max: spans.at(-1)?.price ?? last.price,
  };
}

export function dollarsAnHour(price: number): string {
  return `$${price.toFixed(5).replace(/0$/, "")}`;
}
