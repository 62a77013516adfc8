import { NO_LAUNCHES, readLaunches } from "../../assets/lambda/recovery-handler/launches";
import { isInstanceId } from "../../assets/lambda/shared/instance-id";
import type { Site } from "../../modules/config";
import { METRICS_NAMESPACE, type SERVER_METRICS, siteDimensions } from "../../modules/metrics";
import { STORE } from "../../modules/store/names";
import { siteAlarms } from "../alarms";
import type { Aws } from "../aws";
import { isDenied } from "../aws-errors";
import { callerOf, siteAddress, siteInstances } from "../live";
import { siteRecipients } from "../recipients";
import { sdk } from "../sdk";
import { notDeployed, Store } from "../store";
import { dnsAnswers } from "./dns";
import { type Facts, MEASURED_HOURS, type Measured, NOT_PERMITTED, type Part } from "./facts";
import { type PriceChange, type SpotPrices, spotPrices } from "./prices";
import { type Promotion, promotionsOf } from "./promotions";
import { serverOf } from "./server-of";

const HOUR_MS = 3_600_000;
const PRICE_DAYS = 7;
const METRICS_PERIOD_SECONDS = 60;
/** SSM gives this many versions at once and keeps a hundred. */
const VERSIONS_AT_ONCE = 50;

/** Looks at everything at the same time. What one API refuses leaves the rest; if all of them do, its error is thrown. */
export async function look(aws: Aws, site: Site, sites: readonly Site[]): Promise<Facts> {
  const now = new Date();
  const errors: unknown[] = [];
  const part = async <T>(work: Promise<T>): Promise<Part<T>> => {
    try {
      return known(await work);
    } catch (error) {
      errors.push(error);
      return { known: false, why: whyNot(error) };
    }
  };
  const seen = Promise.all([part(stored(aws, site)), part(siteInstances(aws, site)), part(siteAddress(aws, site))]);
  const [[store, instances, address], price, promotions, measured, alarms, recipients, dns] = await Promise.all([
    seen,
    seen.then(([inStore, live, held]) => {
      if (!live.known) return { known: false, why: live.why } as const;
      const server = serverOf(live.value, held.known ? held.value : undefined, instanceIdOf(inStore));
      return server ? part(prices(aws, server, now)) : ({ known: true, value: undefined } as const);
    }),
    part(promotionHistory(aws, site)),
    part(measurements(aws, site, now)),
    part(siteAlarms(aws, site, sites)),
    part(callerOf(aws).then(({ account }) => siteRecipients(aws, site, account))),
    site.dns.provider === "none"
      ? ({ known: true, value: [] } as const)
      : dnsAnswers(site.dns.name, site.dns.records).then(
          known,
          (error) => ({ known: false, why: whyNot(error) }) as const,
        ),
  ]);
  if ([store, instances, address, promotions, measured, alarms, recipients].every((one) => !one.known)) throw errors[0];
  if (store.known && store.value === undefined) {
    if (instances.known && instances.value.length === 0) {
      throw notDeployed(site, aws);
    }
  }
  return {
    now,
    site: site.name,
    environment: site.environment,
    region: site.region,
    ...(site.dns.provider === "none" ? {} : { dnsName: site.dns.name }),
    elasticIp: site.elasticIp !== false,
    store: store.known
      ? {
          known: true,
          value: store.value ?? { instanceId: undefined, desiredState: undefined, lastLaunch: undefined },
        }
      : store,
    promotions,
    instances,
    address,
    dns,
    price,
    measured,
    alarms,
    recipients,
  };
}

function instanceIdOf(store: Part<{ readonly instanceId: string | undefined } | undefined>): string | undefined {
  return store.known ? store.value?.instanceId : undefined;
}

/** Undefined where Terraform has made nothing. */
async function stored(aws: Aws, site: Site) {
  const found = await new Store(aws, site.storePrefix).getAll([STORE.instanceId, STORE.desiredState, STORE.launches]);
  if (found.size === 0) return undefined;
  const value = (name: string) => found.get(name)?.value;
  const instanceId = value(STORE.instanceId);
  const launches = value(STORE.launches);
  return {
    instanceId: isInstanceId(instanceId) ? instanceId : undefined,
    desiredState: value(STORE.desiredState),
    lastLaunch:
      launches === undefined || launches === NO_LAUNCHES
        ? undefined
        : readLaunches(launches, found.get(STORE.launches)?.modifiedAt ?? new Date(0), true).last,
  };
}

async function promotionHistory(aws: Aws, site: Site): Promise<Promotion[]> {
  const { GetParameterHistoryCommand } = sdk.ssm;
  const ssm = await aws.ssm();
  const versions: { value: string; at: Date }[] = [];
  let NextToken: string | undefined;
  do {
    const page = await ssm
      .send(
        new GetParameterHistoryCommand({
          Name: `${site.storePrefix}/${STORE.instanceId}`,
          MaxResults: VERSIONS_AT_ONCE,
          ...(NextToken === undefined ? {} : { NextToken }),
        }),
      )
      .catch((error) => {
        if (error instanceof Error && error.name === "ParameterNotFound")
          return { Parameters: [], NextToken: undefined };
        throw error;
      });
    for (const { Value = "", LastModifiedDate } of page.Parameters ?? []) {
      versions.push({ value: Value, at: LastModifiedDate ?? new Date(0) });
    }
    ({ NextToken } = page);
  } while (NextToken !== undefined);
  return promotionsOf(versions.sort((a, b) => a.at.getTime() - b.at.getTime()));
}

async function prices(
  aws: Aws,
  { type, zone }: { readonly type: string; readonly zone: string },
  now: Date,
): Promise<SpotPrices | undefined> {
  const { DescribeSpotPriceHistoryCommand } = sdk.ec2;
  const ec2 = await aws.ec2();
  const from = new Date(now.getTime() - PRICE_DAYS * 24 * HOUR_MS);
  const changes: PriceChange[] = [];
  let NextToken: string | undefined;
  do {
    const page = await ec2.send(
      new DescribeSpotPriceHistoryCommand({
        InstanceTypes: [type as "t4g.nano"],
        Filters: [{ Name: "availability-zone", Values: [zone] }],
        ProductDescriptions: ["Linux/UNIX"],
        StartTime: from,
        EndTime: now,
        ...(NextToken ? { NextToken } : {}),
      }),
    );
    for (const { SpotPrice, Timestamp } of page.SpotPriceHistory ?? []) {
      if (SpotPrice !== undefined) changes.push({ at: Timestamp ?? from, price: Number(SpotPrice) });
    }
    // Empty, not absent, where there is no more.
    ({ NextToken } = page);
  } while (NextToken);
  return spotPrices(changes, from, now);
}

async function measurements(aws: Aws, site: Site, now: Date): Promise<Measured> {
  const { GetMetricDataCommand } = sdk.cloudwatch;
  const cloudwatch = await aws.cloudwatch();
  const query = (Id: string, MetricName: keyof typeof SERVER_METRICS, Stat: string, Period: number) => ({
    Id,
    MetricStat: {
      Metric: {
        Namespace: METRICS_NAMESPACE,
        MetricName,
        Dimensions: Object.entries(siteDimensions(site)).map(([Name, Value]) => ({ Name, Value })),
      },
      Stat,
      Period,
    },
  });
  const { MetricDataResults = [] } = await cloudwatch.send(
    new GetMetricDataCommand({
      StartTime: new Date(now.getTime() - MEASURED_HOURS * HOUR_MS),
      EndTime: now,
      ScanBy: "TimestampDescending",
      MetricDataQueries: [
        query("configured", "PeersConfigured", "Maximum", METRICS_PERIOD_SECONDS),
        query("active", "PeersActive", "Maximum", METRICS_PERIOD_SECONDS),
        query("out", "NetworkOut", "Sum", HOUR_MS / 1000),
      ],
    }),
  );
  const values = (id: string) => MetricDataResults.find(({ Id }) => Id === id)?.Values ?? [];
  const out = values("out");
  return {
    peersConfigured: values("configured")[0],
    peersActive: values("active")[0],
    at: MetricDataResults.find(({ Id }) => Id === "configured")?.Timestamps?.[0],
    out: out.length === 0 ? undefined : out.reduce((a, b) => a + b),
  };
}

function known<T>(value: T): Part<T> {
  return { known: true, value };
}

function whyNot(error: unknown): string {
  const { name = "" } = (error ?? {}) as { name?: string };
  if (isDenied(error)) return NOT_PERMITTED;
  return `not available (${name || String(error)})`;
}
