import { CloudflareProvider } from "@cdktf/provider-cloudflare/lib/provider";
import type { Construct } from "constructs";
import type { CloudflareSettings } from "../modules/config";
import { ServerName } from "../modules/dns";
import type { ServerStack } from "./server-stack";
import { SiteStack, type SiteStackProps } from "./site-stack";

export interface DnsStackProps extends SiteStackProps {
  readonly dns: CloudflareSettings;
  readonly server: ServerStack;
}

/** The site's name at Cloudflare. The provider takes its token from CLOUDFLARE_API_TOKEN. */
export class DnsStack extends SiteStack {
  readonly serverName: ServerName;
  readonly settings: CloudflareSettings;

  constructor(scope: Construct, props: DnsStackProps) {
    super(scope, "dns", props);
    // Without an Elastic IP nothing else says that the server's stack comes first.
    this.addDependency(props.server);
    new CloudflareProvider(this, "cloudflare", {});
    this.pinProvider("cloudflare");
    this.settings = props.dns;
    const { name, zone, zoneId, records } = props.dns;
    this.serverName = new ServerName(this, "name", {
      name,
      zone,
      ...(zoneId === undefined ? {} : { zoneId }),
      records,
      ...(props.server.address ? { address: props.server.address.publicIp } : {}),
      comment: `stingy-vpn ${this.site.environment} ${this.site.name}`,
    });
    this.output("name", name, "The server's name");
    this.output("endpoint", `${name}:${this.site.tunnel.listenPort}`, "What a device's configuration calls Endpoint");
  }
}
