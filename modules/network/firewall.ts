import { SecurityGroup } from "@cdktf/provider-aws/lib/security-group";
import { VpcSecurityGroupEgressRule } from "@cdktf/provider-aws/lib/vpc-security-group-egress-rule";
import { VpcSecurityGroupIngressRule } from "@cdktf/provider-aws/lib/vpc-security-group-ingress-rule";
import { Construct } from "constructs";

export interface FirewallProps {
  readonly name: string;
  readonly vpcId: string;
  readonly ipv6: boolean;
  readonly listenPort: number;
  /** Networks that may reach SSH; none closes it. */
  readonly adminCidrs: readonly string[];
}

const SSH_PORT = 22;

/** The server's security group: WireGuard in, SSH only from where it is asked for, everything out. */
export class Firewall extends Construct {
  readonly securityGroupId: string;

  constructor(scope: Construct, id: string, props: FirewallProps) {
    super(scope, id);
    const { name, vpcId, ipv6, listenPort, adminCidrs } = props;
    const group = new SecurityGroup(this, "group", {
      name: `${name}-server`,
      description: "WireGuard server",
      vpcId,
      tags: { Name: `${name}-server` },
    });
    this.securityGroupId = group.id;
    const everywhere = [
      { id: "ipv4", range: { cidrIpv4: "0.0.0.0/0" } },
      ...(ipv6 ? [{ id: "ipv6", range: { cidrIpv6: "::/0" } }] : []),
    ];

    for (const { id: version, range } of everywhere) {
      new VpcSecurityGroupIngressRule(this, `wireguard-${version}`, {
        securityGroupId: group.id,
        description: "WireGuard",
        ipProtocol: "udp",
        fromPort: listenPort,
        toPort: listenPort,
        ...range,
        tags: { Name: `${name}-wireguard-${version}` },
      });
      new VpcSecurityGroupEgressRule(this, `out-${version}`, {
        securityGroupId: group.id,
        description: "Everything out",
        ipProtocol: "-1",
        ...range,
        tags: { Name: `${name}-out-${version}` },
      });
    }
    for (const cidr of adminCidrs) {
      // The id holds the network, so that removing one from the list leaves the others alone; a hyphen for each
      // character, or 2001:db8::48 and 2001:db8:48:: would be the same.
      new VpcSecurityGroupIngressRule(this, `ssh-${cidr.replace(/[^0-9a-f]/g, "-")}`, {
        securityGroupId: group.id,
        description: "SSH for administrators",
        ipProtocol: "tcp",
        fromPort: SSH_PORT,
        toPort: SSH_PORT,
        ...(cidr.includes(":") ? { cidrIpv6: cidr } : { cidrIpv4: cidr }),
        tags: { Name: `${name}-ssh` },
      });
    }
  }
}
