import { InternetGateway } from "@cdktf/provider-aws/lib/internet-gateway";
import { Route } from "@cdktf/provider-aws/lib/route";
import { RouteTable } from "@cdktf/provider-aws/lib/route-table";
import { RouteTableAssociation } from "@cdktf/provider-aws/lib/route-table-association";
import { Subnet } from "@cdktf/provider-aws/lib/subnet";
import { Vpc } from "@cdktf/provider-aws/lib/vpc";
import { VpcEndpoint } from "@cdktf/provider-aws/lib/vpc-endpoint";
import { Fn } from "cdktf";
import { Construct } from "constructs";
import { planSubnets } from "./planner";

export interface PublicNetworkProps {
  /** What the resources' Name tags start with. */
  readonly name: string;
  readonly region: string;
  readonly cidr: string;
  readonly ipv6: boolean;
  /** Zone ids or names; one public subnet each. */
  readonly zones: readonly string[];
}

/** Bits between the VPC's /56 and a subnet's /64. */
const IPV6_SUBNET_BITS = 8;

/** A VPC with a public subnet in every zone, a way out over IPv4 and IPv6, and S3 without leaving AWS's network. */
export class PublicNetwork extends Construct {
  readonly vpcId: string;
  readonly subnetIds: readonly string[];

  constructor(scope: Construct, id: string, props: PublicNetworkProps) {
    super(scope, id);
    const { name, region, cidr, ipv6, zones } = props;
    const vpc = new Vpc(this, "vpc", {
      cidrBlock: cidr,
      assignGeneratedIpv6CidrBlock: ipv6,
      enableDnsSupport: true,
      enableDnsHostnames: true,
      tags: { Name: name },
    });
    this.vpcId = vpc.id;

    const gateway = new InternetGateway(this, "gateway", { vpcId: vpc.id, tags: { Name: name } });
    const routes = new RouteTable(this, "routes", { vpcId: vpc.id, tags: { Name: name } });
    new Route(this, "ipv4-out", {
      routeTableId: routes.id,
      destinationCidrBlock: "0.0.0.0/0",
      gatewayId: gateway.id,
    });
    if (ipv6) {
      new Route(this, "ipv6-out", {
        routeTableId: routes.id,
        destinationIpv6CidrBlock: "::/0",
        gatewayId: gateway.id,
      });
    }
    // Amazon Linux's package repositories are on S3, and a gateway endpoint is free.
    new VpcEndpoint(this, "s3", {
      vpcId: vpc.id,
      serviceName: `com.amazonaws.${region}.s3`,
      vpcEndpointType: "Gateway",
      routeTableIds: [routes.id],
      tags: { Name: `${name}-s3` },
    });

    this.subnetIds = planSubnets(cidr, zones).map((plan) => {
      const subnet = new Subnet(this, `subnet-${plan.zone}`, {
        vpcId: vpc.id,
        ...(/-az\d+$/.test(plan.zone) ? { availabilityZoneId: plan.zone } : { availabilityZone: plan.zone }),
        cidrBlock: plan.cidr,
        // A successor needs a way out before the Elastic IP is moved to it.
        mapPublicIpOnLaunch: true,
        ...(ipv6
          ? {
              ipv6CidrBlock: Fn.cidrsubnet(vpc.ipv6CidrBlock, IPV6_SUBNET_BITS, plan.ipv6Index),
              assignIpv6AddressOnCreation: true,
            }
          : {}),
        tags: { Name: `${name}-${plan.zone}` },
      });
      new RouteTableAssociation(this, `routes-${plan.zone}`, { subnetId: subnet.id, routeTableId: routes.id });
      return subnet.id;
    });
  }
}
