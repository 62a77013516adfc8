import type { Construct } from "constructs";
import { Firewall, PublicNetwork } from "../modules/network";
import { SiteStack, type SiteStackProps } from "./site-stack";

/** The site's VPC, subnets, ways out and firewall. */
export class NetworkStack extends SiteStack {
  readonly subnetIds: readonly string[];
  readonly securityGroupId: string;

  constructor(scope: Construct, props: SiteStackProps) {
    super(scope, "network", props);
    this.addAws();
    const { region, network, tunnel } = this.site;
    const publicNetwork = new PublicNetwork(this, "network", {
      name: this.prefix,
      region,
      cidr: network.vpcCidr,
      ipv6: network.ipv6,
      zones: network.availabilityZones,
    });
    const firewall = new Firewall(this, "firewall", {
      name: this.prefix,
      vpcId: publicNetwork.vpcId,
      ipv6: network.ipv6,
      listenPort: tunnel.listenPort,
      adminCidrs: network.adminCidrs,
    });
    this.subnetIds = publicNetwork.subnetIds;
    this.securityGroupId = firewall.securityGroupId;
    this.output("vpc-id", publicNetwork.vpcId, "The site's VPC");
  }
}
