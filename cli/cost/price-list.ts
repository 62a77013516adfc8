/** An item of AWS's price list, as far as we read it. */
interface PriceListItem {
  readonly product?: { readonly attributes?: Readonly<Record<string, string>> };
  readonly terms?: {
    readonly OnDemand?: Readonly<Record<string, { readonly priceDimensions?: Readonly<Record<string, Dimension>> }>>;
  };
}

interface Dimension {
  readonly beginRange?: string;
  readonly pricePerUnit?: { readonly USD?: string };
}

/** The price of the one product among these items, its first step where the price falls with the quantity. */
export function priceIn(
  items: readonly unknown[],
  isIt: (attributes: Readonly<Record<string, string>>) => boolean,
): number | undefined {
  const prices = items
    .map((item) => JSON.parse(String(item)) as PriceListItem)
    .filter(({ product }) => isIt(product?.attributes ?? {}))
    .flatMap(({ terms }) => Object.values(terms?.OnDemand ?? {}))
    .flatMap(({ priceDimensions }) => Object.values(priceDimensions ?? {}))
    .filter(({ beginRange = "0" }) => Number(beginRange) === 0)
    .map(({ pricePerUnit }) => Number(pricePerUnit?.USD))
    .filter((usd) => usd > 0);
  const [first] = prices;
  // Several prices for what should be one thing: better none than the wrong one.
  return prices.every((price) => price === first) ? first : undefined;
}
