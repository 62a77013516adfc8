import { App } from "cdktf";
import type { Config } from "../modules/config";
import type { Bundles } from "../modules/lambda";
import { DnsStack } from "./dns-stack";
import { MonitoringStack } from "./monitoring-stack";
import { NetworkStack } from "./network-stack";
import { RecoveryStack } from "./recovery-stack";
import { ServerStack } from "./server-stack";

export interface SitesProps {
  readonly config: Config;
  readonly bundles: Bundles;
  /** The project's folder: what a relative path in the configuration starts from. */
  readonly root: string;
  /** Where the JSON goes. */
  readonly outdir: string;
}

/** The app with every site's stacks: network → server → dns → recovery → monitoring. */
export function createApp({ config, bundles, root, outdir }: SitesProps): App {
  // CDKTF's validations run `terraform version`, and a synth must not need Terraform: required_version tells it instead.
  const app = new App({ outdir, stackTraces: false, skipValidation: true });
  for (const site of config.sites) {
    const common = { config, site, root };
    const network = new NetworkStack(app, common);
    const server = new ServerStack(app, { ...common, network });
    const dns =
      site.dns.provider === "cloudflare" ? new DnsStack(app, { ...common, dns: site.dns, server }) : undefined;
    const recovery = new RecoveryStack(app, { ...common, network, server, bundles, ...(dns ? { dns } : {}) });
    new MonitoringStack(app, { ...common, server, recovery, bundles });
  }
  return app;
}
