import type { Filter } from "@aws-sdk/client-pricing";
import type { Site } from "../../modules/config";
import { type MachinePrices, type Price, type Prices, withMachinePrices } from "../../modules/cost";
import { STORE } from "../../modules/store/names";
import type { Aws } from "../aws";
import { explainAwsError } from "../aws-errors";
import { type LiveInstance, siteInstances } from "../live";
import { sdk } from "../sdk";
import { priceIn } from "./price-list";
import { middlePrice, newestPrices, type ZonePrice } from "./spot";

export interface LiveFacts {
  readonly prices: Prices;
  /** Today's Spot prices by type and zone. */
  readonly zones: readonly ZonePrice[];
  readonly running?: LiveInstance;
  readonly peers?: number;
  /** What could not be asked, and what is shown instead. */
  readonly problems: readonly string[];
}

/** A month's bill is worth no longer a wait. */
const PATIENCE_MS = 5_000;
/** The price list is served from here for every region. */
const PRICE_LIST_REGION = "us-east-1";
const PAGE = 10;

/** The bundled prices, with everything that AWS can tell just now. Never fails: what cannot be asked stays as bundled. */
export async function askAws(aws: Aws, site: Site, bundled: Prices): Promise<LiveFacts> {
  const unasked = new Map<string, string[]>();
  const today = new Date().toISOString().slice(0, 10);
  const tell = (usd: number, source: string): Price => ({ usd, source, asOf: today, live: true });
  const attempt = async <T>(what: string, ask: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await ask();
    } catch (thrown) {
      const why = reason(thrown, aws.region);
      unasked.set(why, [...(unasked.get(why) ?? []), what]);
      return undefined;
    }
  };
  const problems = () =>
    Array.from(unasked, ([why, what]) => `AWS could not be asked for ${what.sort().join(" and ")}: ${why}`);

  const wanted = [...new Set([...site.server.instanceTypes, ...Object.keys(bundled.machines)])];
  const [zones, listed] = await Promise.all([
    attempt("Spot prices", () => spotPrices(aws, site, wanted)),
    attempt("the price list", () => askPriceList(aws.region, site.server.instanceTypes)),
  ]);
  // Only where the first has an answer are there credentials and a way to AWS in this region.
  const [instances = [], peers] = zones
    ? await Promise.all([
        attempt("the running server", () => siteInstances(aws, site)),
        attempt("the number of devices", () => countPeers(aws, site)),
      ])
    : [];
  const running = instances.find(({ phase }) => phase === "running");

  const told: Record<string, MachinePrices> = {};
  for (const type of wanted) {
    const here = zones?.find((price) => price.type === type && type === running?.type && price.zone === running.zone);
    const spot = here?.usd ?? middlePrice(zones ?? [], type);
    const onDemand = listed?.machines.get(type);
    told[type] = {
      ...(spot === undefined ? {} : { spot: tell(spot, "EC2's Spot price history") }),
      ...(onDemand === undefined ? {} : { onDemand: tell(onDemand, "AWS's price list") }),
    };
  }
  const prices = {
    ...withMachinePrices(bundled, told),
    ...(listed?.gp3 === undefined ? {} : { gp3GbMonth: tell(listed.gp3, "AWS's price list") }),
    ...(listed?.egress === undefined ? {} : { egressGb: tell(listed.egress, "AWS's price list") }),
  };
  return {
    prices,
    zones: zones ?? [],
    ...(running ? { running } : {}),
    ...(peers === undefined ? {} : { peers }),
    problems: problems(),
  };
}

async function spotPrices(aws: Aws, site: Site, types: readonly string[]): Promise<ZonePrice[]> {
  const { DescribeSpotPriceHistoryCommand } = sdk.ec2;
  const ec2 = await aws.ec2();
  const { SpotPriceHistory = [] } = await ec2.send(
    new DescribeSpotPriceHistoryCommand({
      InstanceTypes: [...types] as never,
      ProductDescriptions: ["Linux/UNIX"],
      StartTime: new Date(),
    }),
    { abortSignal: AbortSignal.timeout(PATIENCE_MS) },
  );
  return newestPrices(SpotPriceHistory, site.network.availabilityZones);
}

/** Counted without decrypting anything. */
async function countPeers(aws: Aws, site: Site): Promise<number> {
  const { GetParametersByPathCommand } = sdk.ssm;
  const ssm = await aws.ssm();
  const abortSignal = AbortSignal.timeout(PATIENCE_MS);
  let count = 0;
  let NextToken: string | undefined;
  do {
    const page = await ssm.send(
      new GetParametersByPathCommand({
        Path: `${site.storePrefix}/${STORE.peers}`,
        MaxResults: PAGE,
        ...(NextToken === undefined ? {} : { NextToken }),
      }),
      { abortSignal },
    );
    count += page.Parameters?.length ?? 0;
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  return count;
}

interface Listed {
  readonly machines: ReadonlyMap<string, number>;
  readonly gp3: number | undefined;
  readonly egress: number | undefined;
}

async function askPriceList(region: string, types: readonly string[]): Promise<Listed> {
  const { GetProductsCommand, PricingClient } = sdk.pricing;
  const client = new PricingClient({ region: PRICE_LIST_REGION, maxAttempts: 1 });
  const abortSignal = AbortSignal.timeout(PATIENCE_MS);
  const ask = async (ServiceCode: string, filters: Readonly<Record<string, string>>) => {
    const Filters: Filter[] = Object.entries(filters).map(([Field, Value]) => ({ Type: "TERM_MATCH", Field, Value }));
    const { PriceList = [] } = await client.send(new GetProductsCommand({ ServiceCode, Filters }), { abortSignal });
    return PriceList;
  };
  const machine = async (instanceType: string) => {
    const items = await ask("AmazonEC2", {
      regionCode: region,
      instanceType,
      operatingSystem: "Linux",
      tenancy: "Shared",
      preInstalledSw: "NA",
      capacitystatus: "Used",
    });
    return [
      instanceType,
      priceIn(items, ({ usagetype = "" }) => usagetype.endsWith(`BoxUsage:${instanceType}`)),
    ] as const;
  };
  const [machines, gp3, egress] = await Promise.all([
    Promise.all(types.map(machine)),
    ask("AmazonEC2", { regionCode: region, volumeApiName: "gp3", productFamily: "Storage" }).then((items) =>
      priceIn(items, ({ usagetype = "" }) => usagetype.endsWith("EBS:VolumeUsage.gp3")),
    ),
    ask("AWSDataTransfer", { fromRegionCode: region, transferType: "AWS Outbound", toLocation: "External" }).then(
      (items) => priceIn(items, ({ usagetype = "" }) => /^([A-Z0-9]+-)?DataTransfer-Out-Bytes$/.test(usagetype)),
    ),
  ]);
  return {
    machines: new Map(machines.flatMap(([type, usd]) => (usd === undefined ? [] : [[type, usd]]))),
    gp3,
    egress,
  };
}

function reason(thrown: unknown, region: string): string {
  if (thrown instanceof Error && ["AbortError", "TimeoutError"].includes(thrown.name)) {
    return `It did not answer within ${PATIENCE_MS / 1000} seconds.`;
  }
  const error = explainAwsError(thrown, region);
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").slice(0, 200);
}
