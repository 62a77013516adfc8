import { expect } from "chai";
import { PublicNetwork, type PublicNetworkProps } from "../../../modules/network";
import { alone, ref } from "../../support/alone";
import type { Json } from "../../support/synth";

/** The network alone in an ordinary stack; without CDKTF's hashes and metadata. */
function network(props: Partial<PublicNetworkProps> = {}): Json {
  return alone((stack) => {
    new PublicNetwork(stack, "net", {
      name: "vpn",
      region: "eu-west-1",
      cidr: "10.0.0.0/16",
      ipv6: true,
      zones: ["euw1-az1", "euw1-az3"],
      ...props,
    });
  }).resource;
}

const VPC = ref("aws_vpc.net_vpc.id");
const ROUTES = ref("aws_route_table.net_routes.id");
const GATEWAY = ref("aws_internet_gateway.net_gateway.id");

describe("PublicNetwork", () => {
  let resources: Json;
  before(() => {
    resources = network();
  });

  it("is a VPC with DNS and a generated IPv6 /56", () => {
    expect(resources.aws_vpc).to.deep.equal({
      net_vpc: {
        cidr_block: "10.0.0.0/16",
        assign_generated_ipv6_cidr_block: true,
        enable_dns_support: true,
        enable_dns_hostnames: true,
        tags: { Name: "vpn" },
      },
    });
  });

  it("has a public subnet in every zone, with a /24 and a /64 of the zone's own number", () => {
    const subnet = (zone: string, number: number) => ({
      vpc_id: VPC,
      availability_zone_id: zone,
      cidr_block: `10.0.${number}.0/24`,
      ipv6_cidr_block: `\${cidrsubnet(aws_vpc.net_vpc.ipv6_cidr_block, 8, ${number})}`,
      assign_ipv6_address_on_creation: true,
      map_public_ip_on_launch: true,
      tags: { Name: `vpn-${zone}` },
    });
    expect(resources.aws_subnet).to.deep.equal({
      "net_subnet-euw1-az1": subnet("euw1-az1", 1),
      "net_subnet-euw1-az3": subnet("euw1-az3", 3),
    });
  });

  it("leads everything out through the internet gateway, IPv4 and IPv6", () => {
    expect(resources.aws_internet_gateway).to.deep.equal({ net_gateway: { vpc_id: VPC, tags: { Name: "vpn" } } });
    expect(resources.aws_route_table).to.deep.equal({ net_routes: { vpc_id: VPC, tags: { Name: "vpn" } } });
    expect(resources.aws_route).to.deep.equal({
      "net_ipv4-out": { route_table_id: ROUTES, destination_cidr_block: "0.0.0.0/0", gateway_id: GATEWAY },
      "net_ipv6-out": { route_table_id: ROUTES, destination_ipv6_cidr_block: "::/0", gateway_id: GATEWAY },
    });
  });

  it("uses these routes in every subnet", () => {
    expect(resources.aws_route_table_association).to.deep.equal({
      "net_routes-euw1-az1": { subnet_id: ref("aws_subnet.net_subnet-euw1-az1.id"), route_table_id: ROUTES },
      "net_routes-euw1-az3": { subnet_id: ref("aws_subnet.net_subnet-euw1-az3.id"), route_table_id: ROUTES },
    });
  });

  it("reaches S3 through a gateway endpoint, which is free", () => {
    expect(resources.aws_vpc_endpoint).to.deep.equal({
      net_s3: {
        vpc_id: VPC,
        service_name: "com.amazonaws.eu-west-1.s3",
        vpc_endpoint_type: "Gateway",
        route_table_ids: [ROUTES],
        tags: { Name: "vpn-s3" },
      },
    });
  });

  it("holds nothing else, above all nothing that is paid by the hour", () => {
    expect(Object.keys(resources)).to.have.members([
      "aws_internet_gateway",
      "aws_route",
      "aws_route_table",
      "aws_route_table_association",
      "aws_subnet",
      "aws_vpc",
      "aws_vpc_endpoint",
    ]);
  });

  it("takes a zone by its name as well as by its id", () => {
    const { "net_subnet-eu-west-1c": subnet } = network({ zones: ["eu-west-1c"] }).aws_subnet;
    expect(subnet).to.include({ availability_zone: "eu-west-1c", cidr_block: "10.0.3.0/24" });
    expect(subnet).not.to.have.property("availability_zone_id");
  });

  it("leaves out everything of IPv6 where it is off", () => {
    const ipv4 = network({ ipv6: false });
    expect(ipv4.aws_vpc.net_vpc.assign_generated_ipv6_cidr_block).to.equal(false);
    expect(Object.keys(ipv4.aws_route)).to.deep.equal(["net_ipv4-out"]);
    for (const subnet of Object.values<Json>(ipv4.aws_subnet)) {
      expect(subnet).to.have.all.keys(
        "vpc_id",
        "availability_zone_id",
        "cidr_block",
        "map_public_ip_on_launch",
        "tags",
      );
    }
  });

  it("keeps the other zones' subnets where they are when a zone is added", () => {
    const more = network({ zones: ["euw1-az2", "euw1-az3", "euw1-az1"] });
    expect(more.aws_subnet).to.deep.include(resources.aws_subnet);
  });
});
