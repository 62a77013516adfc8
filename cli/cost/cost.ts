import type { Site } from "../../modules/config";
import {
  bundledPrices,
  compareSizes,
  DEFAULT_PEERS,
  DESIGN_REGION,
  monthlyCost,
  otherMachines,
  whatIf,
} from "../../modules/cost";
import type { CostOptions } from "../commands/cost";
import type { Context } from "../context";
import { note, printJson, progress } from "../output";
import { askAws, type LiveFacts } from "./live";
import { type Answer, show } from "./show";

/** What a month of the site costs. */
export async function cost(context: Context, options: CostOptions): Promise<void> {
  const site = await context.site();
  const facts = await learn(context, site, options);
  const peers = options.peers ?? facts.peers ?? DEFAULT_PEERS;
  const question = {
    site,
    prices: facts.prices,
    usage: { egressGb: options.egress, peers, ...(facts.running ? { machine: facts.running.type } : {}) },
  };
  const month = monthlyCost(question);
  const answer: Answer = {
    site: site.name,
    region: site.region,
    month,
    peers,
    options: whatIf(question),
    machines: otherMachines(question),
    design: compareSizes(site.region === DESIGN_REGION ? facts.prices : bundledPrices(DESIGN_REGION)),
    asked: !options.offline,
    zones: facts.zones.filter(({ type }) => site.server.instanceTypes.includes(type) || type === facts.running?.type),
    problems: facts.problems,
    ...(facts.running ? { running: facts.running } : {}),
  };
  if (options.json) printJson(forPrograms(answer));
  else await show(answer);
  for (const problem of facts.problems) note(`${problem} What this repository has, or assumes, is shown instead.`);
}

async function learn(context: Context, site: Site, { offline }: CostOptions): Promise<LiveFacts> {
  const bundled = bundledPrices(site.region);
  if (offline) return { prices: bundled, zones: [], problems: [] };
  return progress("Asking AWS for its prices", async () => askAws(await context.aws(), site, bundled));
}

function forPrograms({ month, running, ...rest }: Answer) {
  const { items, hours, onDemand, spot, missing } = month;
  return {
    ...rest,
    currency: "USD",
    hours,
    items,
    total: { onDemand, spot },
    missing,
    ...(running ? { running: { id: running.id, type: running.type, zone: running.zone, spot: running.spot } } : {}),
  };
}
