import { expect } from "chai";
import { type Json, site, synthesize } from "../support/synth";

const ref = (what: string) => `\${${what}}`;

const network = (settings: object = {}): Json => synthesize(site(settings))["prod-tokyo-network"];

const cidrs = ({ resource }: Json) =>
  Object.values<Json>(resource.aws_subnet).map(({ cidr_block, availability_zone_id, availability_zone }) => [
    availability_zone_id ?? availability_zone,
    cidr_block,
  ]);

const ingress = ({ resource }: Json) =>
  Object.values<Json>(resource.aws_vpc_security_group_ingress_rule).map(
    ({ ip_protocol, from_port, to_port, cidr_ipv4, cidr_ipv6 }) =>
      `${ip_protocol} ${from_port}-${to_port} ${cidr_ipv4 ?? cidr_ipv6}`,
  );

describe("the network stack", () => {
  it("has a subnet in every zone of the region, as each zone is another pool of Spot machines", () => {
    const json = network();
    expect(json.resource.aws_vpc.network_vpc.cidr_block).to.equal("10.0.0.0/16");
    expect(cidrs(json)).to.deep.equal([
      ["apne1-az1", "10.0.1.0/24"],
      ["apne1-az2", "10.0.2.0/24"],
      ["apne1-az4", "10.0.4.0/24"],
    ]);
  });

  it("takes the VPC's range and the zones from the configuration", () => {
    const json = network({ network: { vpcCidr: "172.20.0.0/20", availabilityZones: ["ap-northeast-1a"] } });
    expect(json.resource.aws_vpc.network_vpc.cidr_block).to.equal("172.20.0.0/20");
    expect(cidrs(json)).to.deep.equal([["ap-northeast-1a", "172.20.1.0/24"]]);
  });

  it("takes S3's endpoint of the site's region", () => {
    const { resource } = network({ region: "eu-west-1" });
    expect(resource.aws_vpc_endpoint.network_s3.service_name).to.equal("com.amazonaws.eu-west-1.s3");
  });

  it("lets in WireGuard only", () => {
    expect(ingress(network())).to.deep.equal(["udp 51820-51820 0.0.0.0/0", "udp 51820-51820 ::/0"]);
  });

  it("takes the port and the administrators' networks from the configuration", () => {
    const json = network({ tunnel: { listenPort: 4500 }, network: { adminCidrs: ["203.0.113.0/24"] } });
    expect(ingress(json)).to.have.members([
      "udp 4500-4500 0.0.0.0/0",
      "udp 4500-4500 ::/0",
      "tcp 22-22 203.0.113.0/24",
    ]);
  });

  it("has no word of IPv6 where it is off, except that the VPC gets no range", () => {
    const { resource } = network({ network: { ipv6: false } });
    expect(resource.aws_vpc.network_vpc.assign_generated_ipv6_cidr_block).to.equal(false);
    delete resource.aws_vpc.network_vpc.assign_generated_ipv6_cidr_block;
    expect(JSON.stringify(resource)).not.to.match(/ipv6|::/i);
  });

  it("tells the VPC, and nothing that is not the network's", () => {
    const { output } = network();
    const own = Object.keys(output).filter((name) => !name.startsWith("cross-stack-output-"));
    expect(own).to.deep.equal(["vpc-id"]);
    expect(output["vpc-id"].value).to.equal(ref("aws_vpc.network_vpc.id"));
  });
});
