import { expect } from "chai";
import { Firewall, type FirewallProps } from "../../../modules/network";
import { alone, ref } from "../../support/alone";
import type { Json } from "../../support/synth";

/** The firewall alone in an ordinary stack; without CDKTF's hashes and metadata. */
function firewall(props: Partial<FirewallProps> = {}): Json {
  return alone((stack) => {
    new Firewall(stack, "wall", {
      name: "vpn",
      vpcId: "vpc-1",
      ipv6: true,
      listenPort: 51820,
      adminCidrs: [],
      ...props,
    });
  }).resource;
}

const GROUP = ref("aws_security_group.wall_group.id");

const wireguard = (version: "ipv4" | "ipv6", from: object, port = 51820) => ({
  security_group_id: GROUP,
  description: "WireGuard",
  ip_protocol: "udp",
  from_port: port,
  to_port: port,
  tags: { Name: `vpn-wireguard-${version}` },
  ...from,
});
const out = (version: "ipv4" | "ipv6", to: object) => ({
  security_group_id: GROUP,
  description: "Everything out",
  ip_protocol: "-1",
  tags: { Name: `vpn-out-${version}` },
  ...to,
});
const ssh = (from: object) => ({
  security_group_id: GROUP,
  description: "SSH for administrators",
  ip_protocol: "tcp",
  from_port: 22,
  to_port: 22,
  tags: { Name: "vpn-ssh" },
  ...from,
});

describe("Firewall", () => {
  it("is a group with no rules of its own", () => {
    expect(firewall().aws_security_group).to.deep.equal({
      wall_group: {
        name: "vpn-server",
        description: "WireGuard server",
        vpc_id: "vpc-1",
        tags: { Name: "vpn-server" },
      },
    });
  });

  it("lets in WireGuard from everywhere and nothing else", () => {
    expect(firewall().aws_vpc_security_group_ingress_rule).to.deep.equal({
      "wall_wireguard-ipv4": wireguard("ipv4", { cidr_ipv4: "0.0.0.0/0" }),
      "wall_wireguard-ipv6": wireguard("ipv6", { cidr_ipv6: "::/0" }),
    });
  });

  it("lets everything out", () => {
    expect(firewall().aws_vpc_security_group_egress_rule).to.deep.equal({
      "wall_out-ipv4": out("ipv4", { cidr_ipv4: "0.0.0.0/0" }),
      "wall_out-ipv6": out("ipv6", { cidr_ipv6: "::/0" }),
    });
  });

  it("opens the port that WireGuard listens on", () => {
    expect(firewall({ listenPort: 443 }).aws_vpc_security_group_ingress_rule).to.deep.equal({
      "wall_wireguard-ipv4": wireguard("ipv4", { cidr_ipv4: "0.0.0.0/0" }, 443),
      "wall_wireguard-ipv6": wireguard("ipv6", { cidr_ipv6: "::/0" }, 443),
    });
  });

  it("opens SSH to the administrators' networks and to them only", () => {
    const { aws_vpc_security_group_ingress_rule: rules } = firewall({
      adminCidrs: ["203.0.113.7/32", "2001:db8::/48"],
    });
    expect(rules).to.deep.equal({
      "wall_wireguard-ipv4": wireguard("ipv4", { cidr_ipv4: "0.0.0.0/0" }),
      "wall_wireguard-ipv6": wireguard("ipv6", { cidr_ipv6: "::/0" }),
      "wall_ssh-203-0-113-7-32": ssh({ cidr_ipv4: "203.0.113.7/32" }),
      "wall_ssh-2001-db8---48": ssh({ cidr_ipv6: "2001:db8::/48" }),
    });
  });

  it("tells networks apart whose digits are the same", () => {
    const { aws_vpc_security_group_ingress_rule: rules } = firewall({
      adminCidrs: ["2001:db8::48/128", "2001:db8:48::/128"],
    });
    expect(Object.keys(rules)).to.include.members(["wall_ssh-2001-db8--48-128", "wall_ssh-2001-db8-48---128"]);
  });

  it("knows no IPv6 where it is off", () => {
    const rules = firewall({ ipv6: false });
    expect(rules.aws_vpc_security_group_ingress_rule).to.deep.equal({
      "wall_wireguard-ipv4": wireguard("ipv4", { cidr_ipv4: "0.0.0.0/0" }),
    });
    expect(rules.aws_vpc_security_group_egress_rule).to.deep.equal({
      "wall_out-ipv4": out("ipv4", { cidr_ipv4: "0.0.0.0/0" }),
    });
  });
});
