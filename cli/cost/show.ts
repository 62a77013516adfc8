import { type Change, type ComparedSize, type CostItem, dollars, type MonthlyCost } from "../../modules/cost";
import type { LiveInstance } from "../live";
import { print, table, tone } from "../output";
import type { ZonePrice } from "./spot";

export interface Answer {
  readonly site: string;
  readonly region: string;
  readonly month: MonthlyCost;
  readonly peers: number;
  readonly options: readonly Change[];
  readonly machines: readonly Change[];
  readonly design: readonly ComparedSize[];
  /** Whether AWS was asked. */
  readonly asked: boolean;
  readonly zones: readonly ZonePrice[];
  readonly running?: LiveInstance;
  readonly problems: readonly string[];
}

const UNKNOWN = "?";

export async function show(answer: Answer): Promise<void> {
  const { month } = answer;
  print(tone("strong", `What ${answer.site} in ${answer.region} costs in a month, in US dollars`));
  print(tone("dim", assumptions(answer)));
  print();
  print(
    await table(
      ["what", "quantity", "free", "price", "on demand", "spot"],
      [
        ...month.items.map(itemRow),
        ["together", "", "", "", dollars(month.onDemand), dollars(month.spot)].map((cell) => tone("strong", cell)),
      ],
    ),
  );
  for (const missing of month.missing) {
    const how = answer.asked && answer.problems.length === 0 ? "" : "; with AWS credentials it is asked of AWS";
    print(tone("warn", `Not in the sum: ${missing}${how}.`));
  }
  for (const { note: said, what } of month.items) if (said) print(tone("dim", `${what}: ${said}.`));
  if (answer.running) {
    const { type, zone, spot } = answer.running;
    print(`Running now: ${type} ${spot ? "on Spot" : "on demand"} in ${zone}.`);
  }
  if (answer.zones.length > 0) {
    print(`Spot now: ${answer.zones.map(({ type, zone, usd }) => `${type} in ${zone} ${plain(usd)}`).join(", ")}.`);
  }

  await section(
    "What each option would change in a month",
    ["option", "on demand", "spot", ""],
    answer.options.map(changeRow),
  );
  if (answer.machines.length > 0) {
    await section(
      "What another machine would change",
      ["machine", "on demand", "spot", ""],
      answer.machines.map(changeRow),
    );
  }
  await section(
    "The first design's table of sizes (Tokyo, on demand), which leaves out the address and the disk",
    ["devices", "machine", "design said", "on demand now", "with address and disk", "Graviton on Spot, all in"],
    answer.design.map(({ devices, type, usd, onDemand, withAddressAndDisk, graviton, gravitonSpot }) => [
      devices,
      type,
      dollars(usd),
      money(onDemand),
      money(withAddressAndDisk),
      `${money(gravitonSpot)} ${graviton}`,
    ]),
  );
  await section("Where the figures are from", ["as of", "source", "for"], sourceRows(month.items));
  print();
  print(tone("dim", "docs/cost.md tells more of each source. Prices are without tax."));
}

function assumptions({ month, peers, asked, problems }: Answer): string {
  const from = !asked
    ? "the prices in this repository, as AWS was not asked (--offline)"
    : problems.length > 0
      ? "what AWS could not be asked is from this repository"
      : "AWS was asked just now; the rest is from this repository";
  return `${Math.round(month.hours)} hours, ${peers} devices; ${from}.`;
}

async function section(title: string, head: readonly string[], rows: readonly (readonly string[])[]): Promise<void> {
  print();
  print(tone("strong", title));
  print(await table(head, rows));
}

function itemRow({ what, quantity, unit, free, unitPrice, spotPrice, onDemand, spot }: CostItem): string[] {
  const price = [unitPrice, spotPrice?.usd].flatMap((usd) => (usd === undefined ? [] : [plain(usd)])).join(" / ");
  return [
    what,
    unit === "" ? "" : `${amount(quantity)} ${unit}`,
    free === 0 ? "" : free >= quantity ? "all" : amount(free),
    price,
    money(onDemand),
    money(spot),
  ];
}

function changeRow({ what, onDemand, spot, note }: Change): string[] {
  return [what, difference(onDemand), difference(spot), tone("dim", note ?? "")];
}

/** Each source once, with what it tells; what was asked just now comes first. */
function sourceRows(items: readonly CostItem[]): string[][] {
  const told = items.flatMap(({ id, source, asOf, live, spotPrice }) => [
    ...(source === undefined || asOf === undefined
      ? []
      : [{ source, asOf, live, of: spotPrice ? `${id} on demand` : id }]),
    ...(spotPrice
      ? [{ source: spotPrice.source, asOf: spotPrice.asOf, live: spotPrice.live, of: `${id} on Spot` }]
      : []),
  ]);
  const rows = new Map<string, { asOf: string; source: string; live: boolean; of: string[] }>();
  for (const { source, asOf, live = false, of } of told) {
    const row = rows.get(source) ?? { asOf, source, live, of: [] };
    row.of.push(of);
    rows.set(source, row);
  }
  return [...rows.values()]
    .sort((a, b) => Number(b.live) - Number(a.live) || (a.asOf < b.asOf ? 1 : -1))
    .map(({ asOf, source, live, of }) => [live ? "now" : asOf, source, of.join(", ")]);
}

function money(usd: number | undefined): string {
  return usd === undefined ? UNKNOWN : dollars(usd);
}

function difference(usd: number | undefined): string {
  if (usd === undefined) return UNKNOWN;
  // Less than half a cent is nothing, and never "-$0.00".
  if (Math.abs(usd) < 0.005) return "$0.00";
  return `${usd > 0 ? "+" : "-"}${dollars(Math.abs(usd))}`;
}

/** A unit's price with all its digits and no more. */
function plain(usd: number): string {
  return `$${usd.toFixed(10).replace(/\.?0+$/, "")}`;
}

function amount(quantity: number): string {
  if (quantity >= 100) return Math.round(quantity).toLocaleString("en-US");
  return String(Number(quantity.toPrecision(2)));
}
