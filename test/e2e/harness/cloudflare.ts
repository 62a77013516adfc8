import type { Config } from "../../../modules/config";
import { FakeCloudflare, zoneIdOf } from "../../assets/lambda/fake-cloudflare";

/** A fake Cloudflare that has the zones of a configuration's sites. */
export async function startCloudflare(config: Config, token: string): Promise<FakeCloudflare> {
  const zones = config.sites.flatMap(({ dns }): [string, string][] =>
    dns.provider === "cloudflare" ? [[dns.zone, dns.zoneId ?? zoneIdOf(dns.zone)]] : [],
  );
  const cloudflare = new FakeCloudflare(Object.fromEntries(zones));
  await cloudflare.start();
  cloudflare.reset(token);
  return cloudflare;
}

/** What has the Cloudflare provider, its stand-in, the updater and `stingy` talk to it. */
export function cloudflareEnvironment({ url, token }: FakeCloudflare): Record<string, string> {
  return { CLOUDFLARE_BASE_URL: url, CLOUDFLARE_API_TOKEN: token };
}
