import { readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { RULES } from "../../cli/plan/rules";
import type { TerraformPlan } from "../../cli/plan/terraform-plan";
import { ROOT } from "../support/synth";
import { findings, type GivenResource, planOf } from "./support";

type Resources = Readonly<Record<string, GivenResource>>;
interface Case {
  readonly when: string;
  readonly resources: Resources;
  readonly more?: Partial<TerraformPlan>;
  /** Nothing is found where this is empty. */
  readonly says: readonly string[];
}

const TEMPLATE = {
  instance_type: "t4g.nano",
  user_data: "YQ==",
  block_device_mappings: [{ ebs: [{ volume_size: 8, encrypted: "true" }] }],
  metadata_options: [{ http_tokens: "required", http_put_response_hop_limit: 1 }],
};
const EIP = { before: { public_ip: "203.0.113.9" }, after: { public_ip: "203.0.113.9" } };
const WIREGUARD = { ip_protocol: "udp", from_port: 51820, to_port: 51820, cidr_ipv4: "0.0.0.0/0" };
const SSH = { ip_protocol: "tcp", from_port: 22, to_port: 22, cidr_ipv4: "203.0.113.0/24" };
const update = (before: object, change: object): GivenResource => ({ before, after: { ...before, ...change } });
const replaced = (before: object, change: object): GivenResource => ({
  ...update(before, change),
  replacePaths: [["x"]],
});
const same = (side: object): GivenResource => ({ before: side, after: side });
const policy = (...Statement: object[]) => JSON.stringify({ Version: "2012-10-17", Statement });
const allow = (Action: string | string[], Resource: string | string[], more: object = {}) => ({
  Effect: "Allow",
  Action,
  Resource,
  ...more,
});
const trusted = (Principal: object, more: object = {}) =>
  policy({ Effect: "Allow", Action: "sts:AssumeRole", Principal, ...more });
const rolePolicy = (before: string, after: string): GivenResource => ({
  before: { role: "server", policy: before },
  after: { role: "server", policy: after },
});
/** A policy whose text is only known after the apply, and the data source that it will be the text of. */
const readLater = (address: string, attribute: string, source: object, unknown: object = {}) => ({
  resources: {
    [address]: { after: {}, unknown: { [attribute]: true } },
    "data.aws_iam_policy_document.d": {
      mode: "data",
      actions: ["read"],
      after: source,
      unknown: { json: true, ...unknown },
    },
  } satisfies Resources,
  more: {
    configuration: {
      root_module: {
        resources: [{ address, expressions: { [attribute]: { references: ["data.aws_iam_policy_document.d"] } } }],
      },
    },
  },
});
const queueOf = (statement: object, source: object = {}, unknown: object = {}) =>
  readLater(
    "aws_sqs_queue_policy.q",
    "policy",
    { statement: [{ effect: "Allow", actions: ["sqs:SendMessage"], resources: ["arn:q"], ...statement }], ...source },
    unknown,
  );
const EVENTS = { type: "Service", identifiers: ["events.amazonaws.com"] };
const OTHER_ACCOUNT = "arn:aws:iam::999999999999:root";
const INGRESS = "aws_vpc_security_group_ingress_rule";
const PARAMETER = { name: "/stingy-vpn/prod/instance-id", type: "String", value: "initial" };

/** By rule: when it says what, and when it keeps silent. */
const CASES: Readonly<Record<string, readonly Case[]>> = {
  "server-replaced": [
    {
      when: "the machine's type and disk change on a site with an Elastic IP",
      resources: {
        "aws_eip.address_elastic-ip": EIP,
        "aws_launch_template.t": update(TEMPLATE, {
          instance_type: "t4g.micro",
          block_device_mappings: [{ ebs: [{ volume_size: 10, encrypted: "true" }] }],
        }),
      },
      says: [
        "info server-replaced: The launch template changes (machine t4g.nano → t4g.micro, disk 8 GB → 10 GB): the server will be replaced without interruption; its address stays.",
      ],
    },
    {
      when: "user data changes on a site without an Elastic IP",
      resources: { "aws_launch_template.t": update(TEMPLATE, { user_data: "Yg==" }) },
      says: [
        "attention server-replaced: The launch template changes (what the server runs): the server will be replaced, and there is no Elastic IP: devices are cut off until they look the name up again.",
      ],
    },
    {
      when: "the site names its own Elastic IP, which Terraform only reads",
      resources: { "aws_launch_template.t": update(TEMPLATE, { image_id: "ami-1" }) },
      more: {
        prior_state: {
          values: { root_module: { resources: [{ address: "data.aws_eip.a", mode: "data", type: "aws_eip" }] } },
        },
      },
      says: [
        "info server-replaced: The launch template changes (image none → ami-1): the server will be replaced without interruption; its address stays.",
      ],
    },
    {
      when: "only the template's own tags and description change",
      resources: { "aws_launch_template.t": update(TEMPLATE, { description: "x", tags_all: { a: "b" } }) },
      says: [],
    },
  ],
  "template-lost": [
    {
      when: "the launch template is replaced",
      resources: { "aws_launch_template.t": replaced(TEMPLATE, { name: "x" }) },
      says: [
        "attention template-lost: The launch template is replaced by another one: the server will be replaced once the recovery stack is applied too; until then the controller cannot start one.",
      ],
    },
    {
      when: "the launch template is destroyed",
      resources: { "aws_launch_template.t": { before: TEMPLATE } },
      says: ["danger template-lost: The launch template is destroyed: a server that ends is not replaced any more."],
    },
    { when: "the launch template is new", resources: { "aws_launch_template.t": { after: TEMPLATE } }, says: [] },
  ],
  "address-lost": [
    {
      when: "the Elastic IP is replaced",
      resources: {
        "aws_eip.a": { ...replaced({ public_ip: "203.0.113.9" }, { domain: "vpc" }), unknown: { public_ip: true } },
      },
      says: [
        "danger address-lost: The Elastic IP 203.0.113.9 is replaced: every device must be reconfigured with the new address. The old one is gone for good.",
      ],
    },
    {
      when: "the Elastic IP is destroyed",
      resources: { "aws_eip.a": { before: { public_ip: "203.0.113.9" } } },
      says: [
        "danger address-lost: The Elastic IP 203.0.113.9 is given back to AWS for good: every device that has it must be reconfigured.",
      ],
    },
    {
      when: "the Elastic IP gets a tag",
      resources: { "aws_eip.a": update({ public_ip: "203.0.113.9" }, { tags: { a: "b" } }) },
      says: [],
    },
  ],
  "address-let-go": [
    {
      when: "a removed block lets go of the Elastic IP",
      resources: { "aws_eip.a": { before: { public_ip: "203.0.113.9" }, actions: ["forget"] } },
      says: [
        "attention address-let-go: Terraform lets go of the Elastic IP 203.0.113.9: it stays yours and is paid for until you release it.",
      ],
    },
    { when: "the Elastic IP stays", resources: { "aws_eip.a": EIP }, says: [] },
  ],
  "metadata-open": [
    {
      when: "a token is no longer asked for",
      resources: {
        "aws_eip.a": EIP,
        "aws_launch_template.t": update(TEMPLATE, {
          metadata_options: [{ http_tokens: "optional", http_put_response_hop_limit: 1 }],
        }),
      },
      says: [
        "danger! metadata-open: The server's metadata no longer asks for a token (IMDSv2): whatever makes the server fetch a page can read its credentials.",
        "info server-replaced: The launch template changes (metadata_options): the server will be replaced without interruption; its address stays.",
      ],
    },
    {
      when: "the answers may go over another hop",
      resources: {
        "aws_launch_template.t": {
          after: { ...TEMPLATE, metadata_options: [{ http_tokens: "required", http_put_response_hop_limit: 2 }] },
        },
      },
      says: [
        "danger! metadata-open: The server's metadata answers over 2 network hops: devices may reach the server's credentials.",
      ],
    },
    { when: "it asks for a token over one hop", resources: { "aws_launch_template.t": { after: TEMPLATE } }, says: [] },
  ],
  "role-replaced": [
    {
      when: "a role is replaced",
      resources: { "aws_iam_role.r": replaced({ name: "server" }, { path: "/x/" }) },
      says: [
        "attention role-replaced: server is replaced: what runs with it now has no permissions until it is restarted or replaced.",
      ],
    },
    {
      when: "a role's description changes",
      resources: { "aws_iam_role.r": update({ name: "server" }, { description: "x" }) },
      says: [],
    },
  ],
  "function-code": [
    {
      when: "a function's code changes",
      resources: {
        "aws_lambda_function.f": update(
          { function_name: "controller", source_code_hash: "a" },
          { source_code_hash: "b" },
        ),
      },
      says: [
        "info function-code: The code of controller changes; it runs from its next event on. The server is not touched.",
      ],
    },
    {
      when: "a function's tags change",
      resources: { "aws_lambda_function.f": update({ function_name: "controller" }, { tags: { a: "b" } }) },
      says: [],
    },
  ],
  "function-settings": [
    {
      when: "a function's memory and environment change",
      resources: {
        "aws_lambda_function.f": update(
          { function_name: "controller", memory_size: 128, environment: [{ variables: { A: "1" } }] },
          { memory_size: 256, environment: [{ variables: { A: "2" } }] },
        ),
      },
      says: ["info function-settings: controller gets other settings: environment, memory_size."],
    },
    {
      when: "a function's description changes",
      resources: { "aws_lambda_function.f": update({ function_name: "controller" }, { description: "x" }) },
      says: [],
    },
  ],
  "function-gone": [
    {
      when: "a function is destroyed",
      resources: { "aws_lambda_function.f": { before: { function_name: "controller" } } },
      says: [
        "danger function-gone: controller is destroyed: what it does is done by nobody. Without the controller no server is replaced; without the DDNS updater the name keeps an old address.",
      ],
    },
    {
      when: "a function is replaced",
      resources: { "aws_lambda_function.f": replaced({ function_name: "controller" }, { function_name: "other" }) },
      says: ["attention function-gone: controller is made anew: until it is there, nobody answers to events."],
    },
    {
      when: "a function is new",
      resources: { "aws_lambda_function.f": { after: { function_name: "controller" } } },
      says: [],
    },
  ],
  "site-stopped": [
    {
      when: "what drains the site is destroyed",
      resources: { "aws_lambda_invocation.converge": { before: { input: "{}" } } },
      says: ["danger site-stopped: The site is stopped: the server ends during the apply and the VPN is off."],
    },
    {
      when: "what drains the site is replaced",
      resources: { "aws_lambda_invocation.converge": replaced({ input: "{}" }, { function_name: "x" }) },
      says: [
        "danger site-stopped: The site is stopped and started again during the apply: the VPN is off until a new server is ready.",
      ],
    },
    {
      when: "it is only called again",
      resources: { "aws_lambda_invocation.converge": update({ input: "{}" }, { input: "{1}" }) },
      says: [],
    },
  ],
  "network-replaced": [
    {
      when: "the VPC and its subnet are replaced",
      resources: {
        "aws_subnet.s": replaced({ cidr_block: "10.0.1.0/24" }, { cidr_block: "10.9.1.0/24" }),
        "aws_vpc.v": replaced({ cidr_block: "10.0.0.0/16" }, { cidr_block: "10.9.0.0/16" }),
      },
      says: [
        "danger network-replaced: VPC 10.0.0.0/16, subnet 10.0.1.0/24 are replaced: a server in it must end first, so the VPN is off meanwhile. AWS refuses while a server is there: pause the site, wait until the server is gone, deploy every stack, resume.",
      ],
    },
    {
      when: "a zone is given up",
      resources: { "aws_subnet.s": { before: { cidr_block: "10.0.1.0/24" } } },
      says: [
        "danger network-replaced: subnet 10.0.1.0/24 is destroyed: a server in it must end first, so the VPN is off meanwhile. AWS refuses while a server is there: pause the site, wait until the server is gone, deploy every stack, resume.",
      ],
    },
    { when: "a zone is added", resources: { "aws_subnet.s": { after: { cidr_block: "10.0.1.0/24" } } }, says: [] },
  ],
  "way-out-lost": [
    {
      when: "a route is destroyed",
      resources: { "aws_route.r": { before: {} } },
      says: ["danger way-out-lost: The way to the internet is taken away: devices reach nothing through the VPN."],
    },
    {
      when: "a route is replaced",
      resources: { "aws_route.r": replaced({}, { route_table_id: "x" }) },
      says: ["attention way-out-lost: The way to the internet is made anew: no traffic until it is there again."],
    },
    {
      when: "a subnet that stays loses its routes",
      resources: { "aws_route_table_association.a": { before: { subnet_id: "subnet-1" } } },
      says: ["danger way-out-lost: The way to the internet is taken away: devices reach nothing through the VPN."],
    },
    { when: "a route is new", resources: { "aws_route.r": { after: {} } }, says: [] },
  ],
  "way-out-changed": [
    {
      when: "the server may send to less",
      resources: {
        "aws_vpc_security_group_egress_rule.e": update(
          { cidr_ipv4: "0.0.0.0/0", ip_protocol: "-1" },
          { cidr_ipv4: "10.0.0.0/8" },
        ),
      },
      says: [
        "attention way-out-changed: aws_vpc_security_group_egress_rule.e: what the server may send, and to where, changes. Devices reach no more through the VPN than it may.",
      ],
    },
    {
      when: "a route leads elsewhere",
      resources: { "aws_route.r": update({ gateway_id: "igw-1" }, { gateway_id: "igw-2" }) },
      says: [
        "attention way-out-changed: aws_route.r: what the server may send, and to where, changes. Devices reach no more through the VPN than it may.",
      ],
    },
    {
      when: "only a tag of it changes",
      resources: { "aws_vpc_security_group_egress_rule.e": update({ cidr_ipv4: "0.0.0.0/0" }, { tags: { a: "b" } }) },
      says: [],
    },
  ],
  "firewall-replaced": [
    {
      when: "the security group is replaced",
      resources: { "aws_security_group.g": replaced({ name: "a" }, { name: "b" }) },
      says: [
        "danger firewall-replaced: The security group is replaced: AWS refuses while a server uses it. Pause the site first; the VPN is off meanwhile.",
      ],
    },
    {
      when: "the security group gets a tag",
      resources: { "aws_security_group.g": update({ name: "a" }, { tags: { a: "b" } }) },
      says: [],
    },
  ],
  "wireguard-moved": [
    {
      when: "WireGuard gets another port",
      resources: { [`${INGRESS}.firewall_wireguard-ipv4`]: update(WIREGUARD, { from_port: 443, to_port: 443 }) },
      says: ["danger wireguard-moved: WireGuard moves from 51820/udp to 443/udp: every device must be reconfigured."],
    },
    {
      when: "the group as AWS shows it still lists the old port",
      resources: {
        "aws_security_group.g": same({
          ingress: [{ protocol: "udp", from_port: 51820, to_port: 51820, cidr_blocks: ["0.0.0.0/0"] }],
        }),
        [`${INGRESS}.firewall_wireguard-ipv4`]: update(WIREGUARD, { from_port: 443, to_port: 443 }),
      },
      says: ["danger wireguard-moved: WireGuard moves from 51820/udp to 443/udp: every device must be reconfigured."],
    },
    {
      when: "WireGuard's rule gets a tag",
      resources: { [`${INGRESS}.firewall_wireguard-ipv4`]: update(WIREGUARD, { tags: { a: "b" } }) },
      says: [],
    },
  ],
  "wireguard-opened": [
    {
      when: "a site is new",
      resources: {
        [`${INGRESS}.firewall_wireguard-ipv4`]: { after: WIREGUARD },
        [`${INGRESS}.firewall_wireguard-ipv6`]: { after: { ...WIREGUARD, cidr_ipv4: null, cidr_ipv6: "::/0" } },
      },
      says: ["info wireguard-opened: WireGuard answers at 51820/udp from everywhere, as it must."],
    },
    { when: "it was open before", resources: { [`${INGRESS}.firewall_wireguard-ipv4`]: same(WIREGUARD) }, says: [] },
  ],
  "wireguard-closed": [
    {
      when: "WireGuard's rule is destroyed",
      resources: { [`${INGRESS}.firewall_wireguard-ipv4`]: { before: WIREGUARD } },
      says: [
        "danger wireguard-closed: WireGuard's port 51820/udp is closed for 0.0.0.0/0: no device can connect from there any more.",
      ],
    },
    {
      when: "the rule is made anew with the same content",
      resources: { [`${INGRESS}.firewall_wireguard-ipv4`]: replaced(WIREGUARD, { security_group_id: "sg-2" }) },
      says: [],
    },
    {
      when: "Terraform lets go of WireGuard's rule, which stays",
      resources: { [`${INGRESS}.firewall_wireguard-ipv4`]: { before: WIREGUARD, actions: ["forget"] } },
      says: [],
    },
    {
      when: "Terraform lets go of the group, in which AWS had repeated the rule that is destroyed",
      resources: {
        "aws_security_group.g": {
          before: { ingress: [{ protocol: "udp", from_port: 51820, to_port: 51820, cidr_blocks: ["0.0.0.0/0"] }] },
          actions: ["forget"],
        },
        [`${INGRESS}.firewall_wireguard-ipv4`]: { before: WIREGUARD },
      },
      says: [
        "danger wireguard-closed: WireGuard's port 51820/udp is closed for 0.0.0.0/0: no device can connect from there any more.",
      ],
    },
  ],
  "port-opened-to-world": [
    {
      when: "SSH is opened to everybody, over IPv4 and IPv6",
      resources: {
        [`${INGRESS}.a`]: { after: { ...SSH, cidr_ipv4: "0.0.0.0/0" } },
        [`${INGRESS}.b`]: { after: { ...SSH, cidr_ipv4: null, cidr_ipv6: "::/0" } },
      },
      says: ["danger! port-opened-to-world: Port opened to the world: 22/tcp from 0.0.0.0/0, ::/0."],
    },
    {
      when: "every port and protocol is opened to everybody, inline in a new group",
      resources: {
        "aws_security_group.g": {
          after: { ingress: [{ protocol: "-1", from_port: 0, to_port: 0, cidr_blocks: ["0.0.0.0/0"] }] },
        },
      },
      says: ["danger! port-opened-to-world: Port opened to the world: everything from 0.0.0.0/0."],
    },
    {
      when: "somebody calls another port's rule WireGuard's, over tcp",
      resources: { [`${INGRESS}.firewall_wireguard-ipv4`]: { after: { ...WIREGUARD, ip_protocol: "tcp" } } },
      says: ["danger! port-opened-to-world: Port opened to the world: 51820/tcp from 0.0.0.0/0."],
    },
    {
      when: "somebody opens a second port under WireGuard's name, beside the port that stays",
      resources: {
        [`${INGRESS}.firewall_wireguard-ipv4`]: same(WIREGUARD),
        [`${INGRESS}.wireguard-too`]: { after: { ...WIREGUARD, from_port: 53, to_port: 53 } },
      },
      says: ["danger! port-opened-to-world: Port opened to the world: 53/udp from 0.0.0.0/0."],
    },
    {
      when: "it was open to everybody before",
      resources: { [`${INGRESS}.a`]: same({ ...SSH, cidr_ipv4: "0.0.0.0/0" }) },
      says: [],
    },
  ],
  "port-opened": [
    {
      when: "SSH is opened to a wider network",
      resources: { [`${INGRESS}.a`]: update(SSH, { cidr_ipv4: "203.0.112.0/23" }) },
      says: ["attention! port-opened: Port opened: 22/tcp from 203.0.112.0/23."],
    },
    {
      when: "more ports are opened to the same network",
      resources: { [`${INGRESS}.a`]: update(SSH, { to_port: 80 }) },
      says: ["attention! port-opened: Port opened: 22-80/tcp from 203.0.113.0/24."],
    },
    {
      when: "another group is let in, which is only known after the apply",
      resources: {
        [`${INGRESS}.a`]: { after: { ...SSH, cidr_ipv4: null }, unknown: { referenced_security_group_id: true } },
      },
      says: ["attention! port-opened: Port opened: 22/tcp from (known after apply)."],
    },
    {
      when: "what a wider rule allowed is written as a narrower one",
      resources: { [`${INGRESS}.a`]: same(SSH), [`${INGRESS}.b`]: { after: { ...SSH, cidr_ipv4: "203.0.113.7/32" } } },
      says: [],
    },
  ],
  "port-closed": [
    {
      when: "SSH's rule is destroyed",
      resources: { [`${INGRESS}.a`]: { before: SSH } },
      says: ["info port-closed: Port closed: 22/tcp from 203.0.113.0/24."],
    },
    { when: "nothing is closed", resources: { [`${INGRESS}.a`]: same(SSH) }, says: [] },
    {
      when: "Terraform lets go of SSH's rule, which stays",
      resources: { [`${INGRESS}.a`]: { before: SSH, actions: ["forget"] } },
      says: [],
    },
    {
      when: "Terraform makes a narrower rule and lets go of the old one, which stays",
      resources: {
        [`${INGRESS}.a`]: { ...update(SSH, { cidr_ipv4: "203.0.113.7/32" }), actions: ["create", "forget"] },
      },
      says: [],
    },
  ],
  "name-changed": [
    {
      when: "the record gets another name",
      resources: {
        "cloudflare_dns_record.name_a": update({ name: "vpn.example.com", type: "A" }, { name: "vpn2.example.com" }),
      },
      says: [
        "danger name-changed: The DNS name changes from vpn.example.com to vpn2.example.com: every device that knows the server by its name must be reconfigured.",
      ],
    },
    {
      when: "the record is destroyed",
      resources: { "cloudflare_dns_record.name_a": { before: { name: "vpn.example.com", type: "A" } } },
      says: [
        "danger name-changed: The DNS record vpn.example.com (A) is destroyed: devices that know the server by this name lose it.",
      ],
    },
    {
      when: "the record is made anew",
      resources: { "cloudflare_dns_record.name_a": replaced({ name: "vpn.example.com" }, { zone_id: "x" }) },
      says: [
        "attention name-changed: The DNS record vpn.example.com is made anew: it names nobody until the DDNS updater has written it.",
      ],
    },
    {
      when: "the record goes behind the proxy",
      resources: {
        "cloudflare_dns_record.name_a": update({ name: "vpn.example.com", proxied: false }, { proxied: true }),
      },
      says: [
        "danger name-changed: The DNS record vpn.example.com goes behind Cloudflare's proxy, which passes no WireGuard: devices that use the name cannot connect.",
      ],
    },
    {
      when: "the record's lifetime changes",
      resources: { "cloudflare_dns_record.name_a": update({ name: "vpn.example.com", ttl: 60 }, { ttl: 120 }) },
      says: [],
    },
  ],
  "role-new": [
    {
      when: "a role is new",
      resources: {
        "aws_iam_role_policy.p": {
          after: {
            role: "server",
            policy: policy(allow(["ssm:GetParameter"], "arn:a"), allow("ec2:DescribeInstances", "*")),
          },
        },
      },
      says: [
        "info role-new: New: role server may ec2:DescribeInstances, ssm:GetParameter; on every resource: ec2:DescribeInstances.",
      ],
    },
    {
      when: "a role may everything of a service",
      resources: { "aws_iam_role_policy.p": { after: { role: "server", policy: policy(allow("s3:*", "arn:a")) } } },
      says: ["attention role-new: New: role server may s3:*."],
    },
    {
      when: "a role may everything of a service with a hyphen in its name",
      resources: {
        "aws_iam_role_policy.p": { after: { role: "server", policy: policy(allow("execute-api:*", "arn:a")) } },
      },
      says: ["attention role-new: New: role server may execute-api:*."],
    },
    {
      when: "a role may everything but something",
      resources: {
        "aws_iam_role_policy.p": {
          after: { role: "server", policy: policy({ Effect: "Allow", NotAction: "iam:*", Resource: "arn:a" }) },
        },
      },
      says: ["attention role-new: New: role server may everything but iam:*."],
    },
    {
      when: "a role's policy stays",
      resources: { "aws_iam_role_policy.p": same({ role: "server", policy: policy(allow("a:B", "c")) }) },
      says: [],
    },
  ],
  "role-gains": [
    {
      when: "a statement gets an action",
      resources: {
        "aws_iam_role_policy.p": rolePolicy(
          policy(allow("ec2:A", "arn:a")),
          policy(allow(["ec2:A", "ec2:B"], "arn:a")),
        ),
      },
      says: ["attention role-gains: Role server gains ec2:B on arn:a."],
    },
    {
      when: "an action gets every resource",
      resources: {
        "aws_iam_role_policy.p": rolePolicy(policy(allow("ec2:A", "arn:a")), policy(allow("ec2:A", ["arn:a", "*"]))),
      },
      says: ["danger role-gains: Role server gains ec2:A on * (every resource)."],
    },
    {
      when: "a role gets everything but something",
      resources: {
        "aws_iam_role_policy.p": rolePolicy(
          policy(),
          policy({ Effect: "Allow", NotAction: "iam:*", Resource: "arn:a" }),
        ),
      },
      says: ["danger role-gains: Role server gains everything but iam:* on arn:a."],
    },
    {
      when: "a denial goes",
      resources: {
        "aws_iam_role_policy.p": rolePolicy(policy({ Effect: "Deny", Action: "ec2:A", Resource: "arn:a" }), policy()),
      },
      says: ["attention role-gains: Role server gains ec2:A on arn:a."],
    },
    {
      when: "the statements are only known in part, as their source is read during the apply",
      resources: {
        "aws_iam_role_policy.p": {
          before: { role: "server", policy: policy(allow("ec2:A", "arn:a")) },
          after: { role: "server" },
          unknown: { policy: true },
        },
        "data.aws_iam_policy_document.d": {
          mode: "data",
          actions: ["read"],
          after: {
            statement: [
              { effect: "Allow", actions: ["ec2:A"], resources: ["arn:a"], condition: [] },
              {
                effect: "Allow",
                actions: ["ec2:B"],
                resources: [null],
                condition: [{ test: "StringEquals", variable: "aws:x", values: ["y"] }],
              },
            ],
          },
          unknown: { json: true, statement: [{}, { resources: [true] }] },
        },
      },
      more: {
        configuration: {
          root_module: {
            resources: [
              {
                address: "aws_iam_role_policy.p",
                expressions: {
                  policy: { references: ["data.aws_iam_policy_document.d.json", "data.aws_iam_policy_document.d"] },
                },
              },
            ],
          },
        },
      },
      says: [
        "attention role-gains: Role server gains ec2:B on what is only known after the apply where aws:x StringEquals y.",
      ],
    },
    {
      when: "statements are only sorted and named differently",
      resources: {
        "aws_iam_role_policy.p": rolePolicy(
          policy(allow(["a:B", "a:C"], ["x", "y"]), allow("a:D", "z")),
          policy({ ...allow("a:D", ["z"]), Sid: "D" }, allow(["a:C", "a:B"], ["y", "x"])),
        ),
      },
      says: [],
    },
  ],
  "role-loses": [
    {
      when: "a statement loses a resource",
      resources: {
        "aws_iam_role_policy.p": rolePolicy(
          policy(allow(["a:B", "a:C"], ["x", "y"])),
          policy(allow(["a:B", "a:C"], "x")),
        ),
      },
      says: ["attention role-loses: Role server loses a:B, a:C on y."],
    },
    {
      when: "the role's policy is destroyed",
      resources: { "aws_iam_role_policy.p": { before: { role: "server", policy: policy(allow("a:B", "x")) } } },
      says: ["attention role-loses: Role server loses a:B on x."],
    },
    {
      when: "the role's policy gets another name",
      resources: {
        "aws_iam_role_policy.p": update({ role: "server", policy: policy(allow("a:B", "x")) }, { name: "y" }),
      },
      says: [],
    },
  ],
  "role-unknown": [
    {
      when: "the new policy is hidden",
      resources: {
        "aws_iam_role_policy.p": {
          ...rolePolicy(policy(), policy(allow("a:B", "x"))),
          afterSensitive: { policy: true },
        },
      },
      says: [
        "attention role-unknown: The permissions of role server change; to what is hidden or only known after the apply.",
      ],
    },
    {
      when: "the policy stays",
      resources: { "aws_iam_role_policy.p": same({ role: "server", policy: policy() }) },
      says: [],
    },
  ],
  "role-attachment": [
    {
      when: "a managed policy is attached",
      resources: {
        "aws_iam_role_policy_attachment.a": {
          after: { role: "server", policy_arn: "arn:aws:iam::aws:policy/AdministratorAccess" },
        },
      },
      says: [
        "attention role-attachment: Role server gains everything in the managed policy arn:aws:iam::aws:policy/AdministratorAccess.",
      ],
    },
    {
      when: "a managed policy is taken off",
      resources: { "aws_iam_role_policy_attachment.a": { before: { role: "server", policy_arn: "arn:x" } } },
      says: ["attention role-attachment: Role server loses what is in the managed policy arn:x."],
    },
    {
      when: "an attachment stays",
      resources: { "aws_iam_role_policy_attachment.a": same({ role: "server", policy_arn: "arn:x" }) },
      says: [],
    },
  ],
  "trust-changed": [
    {
      when: "another account may take on the role",
      resources: {
        "aws_iam_role.r": update(
          { name: "server", assume_role_policy: trusted({ Service: "ec2.amazonaws.com" }) },
          { assume_role_policy: trusted({ Service: "ec2.amazonaws.com", AWS: "arn:aws:iam::999999999999:root" }) },
        ),
      },
      says: ["danger! trust-changed: Role server may newly be taken on by arn:aws:iam::999999999999:root."],
    },
    {
      when: "a service may no longer take on the role",
      resources: {
        "aws_iam_role.r": update(
          { name: "server", assume_role_policy: trusted({ Service: ["a.amazonaws.com", "b.amazonaws.com"] }) },
          { assume_role_policy: trusted({ Service: "a.amazonaws.com" }) },
        ),
      },
      says: ["attention trust-changed: Role server may no longer be taken on by b.amazonaws.com."],
    },
    {
      when: "the trust is only known after the apply",
      resources: {
        "aws_iam_role.r": {
          before: { name: "server", assume_role_policy: trusted({ Service: "a" }) },
          after: { name: "server" },
          unknown: { assume_role_policy: true },
        },
      },
      says: [
        "attention! trust-changed: Who may take on role server changes; to what is hidden or only known after the apply.",
      ],
    },
    {
      when: "a new role's trust is only known after the apply",
      resources: { "aws_iam_role.r": { after: { name: "new" }, unknown: { assume_role_policy: true } } },
      says: ["attention! trust-changed: Who may take on the new role new is hidden or only known after the apply."],
    },
    {
      when: "a new role's trust will be in a data source that lets others than AWS's services in",
      ...readLater("aws_iam_role.r", "assume_role_policy", {
        statement: [{ actions: ["sts:AssumeRole"], principals: [{ type: "AWS", identifiers: [OTHER_ACCOUNT] }] }],
      }),
      says: [`danger! trust-changed: New role r may be taken on by ${OTHER_ACCOUNT}.`],
    },
    {
      when: "a new role's trust will be in a data source that lets a service of AWS in",
      ...readLater("aws_iam_role.r", "assume_role_policy", {
        statement: [{ actions: ["sts:AssumeRole"], principals: [EVENTS] }],
      }),
      says: [],
    },
    {
      when: "a role with a hidden trust gets another description",
      resources: {
        "aws_iam_role.r": {
          ...update({ name: "server", assume_role_policy: trusted({ Service: "a" }) }, { description: "x" }),
          beforeSensitive: { assume_role_policy: true },
          afterSensitive: { assume_role_policy: true },
        },
      },
      says: [],
    },
    {
      when: "a new role may be taken on by others than AWS's services",
      resources: {
        "aws_iam_role.r": { after: { name: "new", assume_role_policy: trusted({ AWS: "*" }) } },
      },
      says: ["danger! trust-changed: New role new may be taken on by *."],
    },
    {
      when: "a new role may be taken on by a service of AWS",
      resources: {
        "aws_iam_role.r": { after: { name: "new", assume_role_policy: trusted({ Service: "lambda.amazonaws.com" }) } },
      },
      says: [],
    },
    {
      when: "the trust is only written differently",
      resources: {
        "aws_iam_role.r": update(
          { name: "server", assume_role_policy: trusted({ Service: "a" }) },
          { assume_role_policy: trusted({ Service: ["a"] }, { Sid: "x" }) },
        ),
      },
      says: [],
    },
  ],
  "resource-policy": [
    {
      when: "everybody may write into the queue",
      resources: {
        "aws_sqs_queue_policy.q": update(
          { policy: policy() },
          { policy: policy(allow("sqs:SendMessage", "arn:q", { Principal: "*" })) },
        ),
      },
      says: ["danger! resource-policy: aws_sqs_queue_policy.q newly allows sqs:SendMessage on arn:q for *."],
    },
    {
      when: "a service may write no more",
      resources: {
        "aws_sqs_queue_policy.q": update(
          { policy: policy(allow("sqs:SendMessage", "arn:q", { Principal: { Service: "events.amazonaws.com" } })) },
          { policy: policy() },
        ),
      },
      says: [
        "attention resource-policy: aws_sqs_queue_policy.q no longer allows sqs:SendMessage on arn:q for events.amazonaws.com.",
      ],
    },
    {
      when: "a new topic is everybody's",
      resources: {
        "aws_sns_topic_policy.t": {
          after: { policy: policy(allow("sns:Publish", "arn:t", { Principal: { AWS: "*" } })) },
        },
      },
      says: ["danger! resource-policy: New: aws_sns_topic_policy.t allows sns:Publish on arn:t for *."],
    },
    {
      when: "a topic's policy is only known after the apply",
      resources: {
        "aws_sns_topic_policy.t": { before: { policy: policy() }, after: {}, unknown: { policy: true } },
      },
      says: [
        "attention! resource-policy: Who may use aws_sns_topic_policy.t changes; from or to what is hidden or only known after the apply.",
      ],
    },
    {
      when: "a topic becomes everybody's in a policy that is hidden",
      resources: {
        "aws_sns_topic_policy.t": {
          ...update(
            { policy: policy() },
            { policy: policy(allow("sns:Publish", "arn:t", { Principal: { AWS: "*" } })) },
          ),
          afterSensitive: { policy: true },
        },
      },
      says: [
        "attention! resource-policy: Who may use aws_sns_topic_policy.t changes; from or to what is hidden or only known after the apply.",
      ],
    },
    {
      when: "a new queue's policy is only known after the apply, and no data source tells",
      resources: { "aws_sqs_queue_policy.q": { after: {}, unknown: { policy: true } } },
      says: [
        "attention! resource-policy: Who may use the new aws_sqs_queue_policy.q is hidden or only known after the apply.",
      ],
    },
    ...(["aws_s3_bucket_policy.p", "aws_sns_topic_policy.p"] as const).map((address) => ({
      when: `a new ${address} lets another account in`,
      resources: {
        [address]: { after: { policy: policy(allow("x:Y", "arn:x", { Principal: { AWS: OTHER_ACCOUNT } })) } },
      },
      says: [`attention! resource-policy: New: ${address} allows x:Y on arn:x for ${OTHER_ACCOUNT}.`],
    })),
    {
      when: "a new queue is for everybody but one",
      resources: {
        "aws_sqs_queue_policy.q": {
          after: { policy: policy(allow("sqs:SendMessage", "arn:q", { NotPrincipal: { AWS: OTHER_ACCOUNT } })) },
        },
      },
      says: [
        `danger! resource-policy: New: aws_sqs_queue_policy.q allows sqs:SendMessage on arn:q for everybody but {"AWS":"${OTHER_ACCOUNT}"}.`,
      ],
    },
    {
      when: "a new queue is everybody's who comes over TLS",
      resources: {
        "aws_sqs_queue_policy.q": {
          after: {
            policy: policy(
              allow("sqs:SendMessage", "arn:q", {
                Principal: "*",
                Condition: { Bool: { "aws:SecureTransport": "true" } },
              }),
            ),
          },
        },
      },
      says: [
        "attention! resource-policy: New: aws_sqs_queue_policy.q allows sqs:SendMessage on arn:q for * where aws:SecureTransport Bool true.",
      ],
    },
    {
      when: "a data source has two blocks of principals of one type, and the first lets everybody in",
      ...queueOf({
        principals: [
          { type: "AWS", identifiers: ["*"] },
          { type: "AWS", identifiers: [OTHER_ACCOUNT] },
        ],
      }),
      says: [
        `danger! resource-policy: New: aws_sqs_queue_policy.q allows sqs:SendMessage on arn:q for *; sqs:SendMessage on arn:q for ${OTHER_ACCOUNT}.`,
      ],
    },
    {
      when: "a data source lets everybody in but one",
      ...queueOf({ not_principals: [{ type: "AWS", identifiers: [OTHER_ACCOUNT] }] }),
      says: [
        `danger! resource-policy: New: aws_sqs_queue_policy.q allows sqs:SendMessage on arn:q for everybody but {"AWS":["${OTHER_ACCOUNT}"]}.`,
      ],
    },
    {
      when: "a data source's principals are only known after the apply",
      ...queueOf({}, {}, { statement: [{ principals: true }] }),
      says: [
        "attention! resource-policy: Who may use the new aws_sqs_queue_policy.q is hidden or only known after the apply.",
      ],
    },
    {
      when: "a data source puts another policy among its own statements",
      ...queueOf({ principals: [EVENTS] }, { source_policy_documents: [policy()] }),
      says: [
        "attention! resource-policy: Who may use the new aws_sqs_queue_policy.q is hidden or only known after the apply.",
      ],
    },
    {
      when: "a data source lets a service of AWS in",
      ...queueOf({ principals: [EVENTS], not_principals: [] }, { source_policy_documents: null, source_json: null }),
      says: [],
    },
    {
      when: "a hidden policy stays",
      resources: {
        "aws_sqs_queue_policy.q": {
          ...update({ policy: policy() }, { queue_url: "x" }),
          beforeSensitive: { policy: true },
          afterSensitive: { policy: true },
        },
      },
      says: [],
    },
    {
      when: "a new bucket denies everybody what is not encrypted",
      resources: {
        "aws_s3_bucket_policy.p": {
          after: {
            policy: policy({
              Effect: "Deny",
              Principal: "*",
              Action: "s3:*",
              Resource: "*",
              Condition: { Bool: { "aws:SecureTransport": "false" } },
            }),
          },
        },
      },
      says: [],
    },
    {
      when: "a new topic is for a service",
      resources: {
        "aws_sns_topic_policy.t": {
          after: {
            policy: policy(allow("sns:Publish", "arn:t", { Principal: { Service: "cloudwatch.amazonaws.com" } })),
          },
        },
      },
      says: [],
    },
  ],
  "function-callable": [
    {
      when: "another account may call a function",
      resources: { "aws_lambda_permission.p": { after: { function_name: "controller", principal: "999999999999" } } },
      says: ["danger! function-callable: controller can be called by 999999999999."],
    },
    {
      when: "a function gets a public address",
      resources: {
        "aws_lambda_function_url.u": { after: { function_name: "controller", authorization_type: "NONE" } },
      },
      says: ["danger! function-callable: controller can be called over the internet (NONE)."],
    },
    {
      when: "everybody may call what only a service could",
      resources: {
        "aws_lambda_permission.p": update(
          { function_name: "controller", principal: "events.amazonaws.com", source_arn: "arn:rule" },
          { principal: "*" },
        ),
      },
      says: ["danger! function-callable: controller can be called by *."],
    },
    {
      when: "every rule of a service may call what only one could",
      resources: {
        "aws_lambda_permission.p": replaced(
          { function_name: "controller", principal: "events.amazonaws.com", source_arn: "arn:rule" },
          { source_arn: null },
        ),
      },
      says: ["danger! function-callable: controller can be called by events.amazonaws.com."],
    },
    {
      when: "a rule of the site may call a function",
      resources: {
        "aws_lambda_permission.p": {
          after: { function_name: "controller", principal: "events.amazonaws.com", source_arn: "arn:rule" },
        },
      },
      says: [],
    },
    {
      when: "a rule whose address is only known after the apply may call it",
      resources: {
        "aws_lambda_permission.p": {
          after: { function_name: "controller", principal: "events.amazonaws.com" },
          unknown: { source_arn: true },
        },
      },
      says: [],
    },
  ],
  "parameter-lost": [
    {
      when: "the parameter that names the server is made anew",
      resources: { "aws_ssm_parameter.i": replaced(PARAMETER, { name: "/other/instance-id" }) },
      says: [
        "danger parameter-lost: The parameter /stingy-vpn/prod/instance-id is made anew, its value is lost: the controller forgets which server serves, and has to find it again.",
      ],
    },
    {
      when: "another parameter is destroyed",
      resources: { "aws_ssm_parameter.i": { before: { name: "/x/y" } } },
      says: ["danger parameter-lost: The parameter /x/y is destroyed, its value is lost."],
    },
    {
      when: "its description changes",
      resources: { "aws_ssm_parameter.i": update(PARAMETER, { description: "x" }) },
      says: [],
    },
  ],
  "parameter-overwritten": [
    {
      when: "a hidden value is overwritten",
      resources: {
        "aws_ssm_parameter.i": {
          ...update(PARAMETER, { value: "other" }),
          beforeSensitive: { value: true },
          afterSensitive: { value: true },
        },
      },
      says: [
        "attention parameter-overwritten: The value of the parameter /stingy-vpn/prod/instance-id is overwritten.",
      ],
    },
    {
      when: "its tags change",
      resources: { "aws_ssm_parameter.i": update(PARAMETER, { tags: { a: "b" } }) },
      says: [],
    },
  ],
  "store-moved": [
    {
      when: "the store's path changes",
      resources: {},
      more: { output_changes: { store: { actions: ["update"], before: "/stingy-vpn/prod", after: "/other" } } },
      says: [
        "danger store-moved: The store moves from /stingy-vpn/prod to /other: keys and peers do not move with it. Copy them first, or the next server knows no device.",
      ],
    },
    {
      when: "the store is new",
      resources: {},
      more: { output_changes: { store: { actions: ["create"], before: null, after: "/other" } } },
      says: [],
    },
  ],
  "schedule-changed": [
    {
      when: "a schedule is made",
      resources: {
        "aws_scheduler_schedule.p": {
          after: {
            description: "Pauses the site",
            schedule_expression: "cron(0 22 * * ? *)",
            schedule_expression_timezone: "Asia/Tokyo",
          },
        },
      },
      says: [
        "attention schedule-changed: New schedule: Pauses the site, cron(0 22 * * ? *) Asia/Tokyo. The VPN is off while the site is paused.",
      ],
    },
    {
      when: "a schedule gets another time",
      resources: {
        "aws_scheduler_schedule.p": update(
          { description: "Pauses the site", schedule_expression: "cron(0 22 * * ? *)" },
          { schedule_expression: "cron(0 20 * * ? *)" },
        ),
      },
      says: [
        "attention schedule-changed: The schedule Pauses the site changes from cron(0 22 * * ? *) to cron(0 20 * * ? *).",
      ],
    },
    {
      when: "a schedule is switched off",
      resources: {
        "aws_scheduler_schedule.p": update(
          { description: "Pauses the site", schedule_expression: "cron(0 22 * * ? *)", state: "ENABLED" },
          { state: "DISABLED" },
        ),
      },
      says: [
        "attention schedule-changed: The schedule Pauses the site changes from cron(0 22 * * ? *) to cron(0 22 * * ? *), switched off.",
      ],
    },
    {
      when: "a schedule is removed",
      resources: {
        "aws_scheduler_schedule.p": {
          before: { description: "Pauses the site", schedule_expression: "cron(0 22 * * ? *)" },
        },
      },
      says: ["attention schedule-changed: The schedule Pauses the site, cron(0 22 * * ? *), is removed."],
    },
    { when: "schedules stay", resources: { "aws_scheduler_schedule.p": same({ schedule_expression: "x" }) }, says: [] },
  ],
  "trigger-changed": [
    {
      when: "the controller is woken less often",
      resources: {
        "aws_cloudwatch_event_rule.tick": update(
          { name: "tick", schedule_expression: "rate(5 minutes)" },
          { schedule_expression: "rate(1 day)" },
        ),
      },
      says: ["attention trigger-changed: What wakes the controller or the server changes: tick."],
    },
    {
      when: "only its description changes",
      resources: {
        "aws_cloudwatch_event_rule.tick": update(
          { name: "tick", schedule_expression: "rate(5 minutes)" },
          { description: "x" },
        ),
      },
      says: [],
    },
  ],
  "document-changed": [
    {
      when: "a document gets other commands",
      resources: { "aws_ssm_document.sync": update({ name: "sync", content: "{}" }, { content: '{"a":1}' }) },
      says: [
        "attention document-changed: What Systems Manager has the server run as root changes: sync. It holds from its next run on; the server is not replaced.",
      ],
    },
    {
      when: "only its tags change",
      resources: { "aws_ssm_document.sync": update({ name: "sync", content: "{}" }, { tags: { a: "b" } }) },
      says: [],
    },
  ],
  "trigger-lost": [
    {
      when: "a rule is switched off",
      resources: {
        "aws_cloudwatch_event_rule.tick": update({ name: "tick", state: "ENABLED" }, { state: "DISABLED" }),
      },
      says: [
        "attention trigger-lost: Rules that wake something are removed, switched off or made anew: tick. What they report meanwhile is seen at the next tick.",
      ],
    },
    {
      when: "a rule's description changes",
      resources: { "aws_cloudwatch_event_rule.tick": update({ name: "tick", state: "ENABLED" }, { description: "x" }) },
      says: [],
    },
  ],
  "logs-shortened": [
    {
      when: "logs are kept for a shorter time",
      resources: {
        "aws_cloudwatch_log_group.l": update(
          { name: "/aws/lambda/x", retention_in_days: 0 },
          { retention_in_days: 30 },
        ),
      },
      says: [
        "attention logs-shortened: The logs in /aws/lambda/x are kept 30 days instead of for ever: older ones are deleted.",
      ],
    },
    {
      when: "logs are kept for longer",
      resources: {
        "aws_cloudwatch_log_group.l": update({ name: "x", retention_in_days: 30 }, { retention_in_days: 0 }),
      },
      says: [],
    },
  ],
  "logs-lost": [
    {
      when: "a log group is destroyed",
      resources: { "aws_cloudwatch_log_group.l": { before: { name: "/aws/lambda/x" } } },
      says: ["attention logs-lost: The logs in /aws/lambda/x are deleted."],
    },
    {
      when: "a log group is new",
      resources: { "aws_cloudwatch_log_group.l": { after: { name: "/aws/lambda/x" } } },
      says: [],
    },
  ],
  "dead-letters-lost": [
    {
      when: "the queue is destroyed",
      resources: { "aws_sqs_queue.q": { before: { name: "dead-letters" } } },
      says: ["attention dead-letters-lost: What lies in the queue dead-letters is deleted: read it first."],
    },
    {
      when: "the queue keeps messages for longer",
      resources: {
        "aws_sqs_queue.q": update({ name: "q", message_retention_seconds: 1 }, { message_retention_seconds: 2 }),
      },
      says: [],
    },
  ],
  "alarm-lost": [
    {
      when: "an alarm is removed and another made silent",
      resources: {
        "aws_cloudwatch_metric_alarm.a": { before: { alarm_name: "needs-person" } },
        "aws_cloudwatch_metric_alarm.b": update(
          { alarm_name: "dns", actions_enabled: true, alarm_actions: ["arn:t"] },
          { actions_enabled: false },
        ),
        "aws_cloudwatch_metric_alarm.c": update(
          { alarm_name: "lost", alarm_actions: ["arn:t"] },
          { alarm_actions: [] },
        ),
      },
      says: [
        "attention alarm-lost: Alarms are removed: needs-person. Nobody is told of that any more.",
        "attention alarm-lost: Alarms tell nobody any more: dns, lost.",
      ],
    },
    {
      when: "an alarm's threshold changes",
      resources: {
        "aws_cloudwatch_metric_alarm.a": update(
          { alarm_name: "x", threshold: 1, alarm_actions: ["arn:t"] },
          { threshold: 2 },
        ),
      },
      says: [],
    },
  ],
  "mail-to-confirm": [
    {
      when: "somebody is added",
      resources: { "aws_sns_topic_subscription.s": { after: { protocol: "email", endpoint: "me@example.com" } } },
      says: ["attention mail-to-confirm: me@example.com must confirm AWS's mail before alarms reach them."],
    },
    {
      when: "a subscription is made anew",
      resources: {
        "aws_sns_topic_subscription.s": replaced(
          { protocol: "email", endpoint: "me@example.com" },
          { topic_arn: "arn:t2" },
        ),
      },
      says: [
        "attention mail-to-confirm: me@example.com must confirm AWS's mail before alarms reach them, also who had confirmed before.",
      ],
    },
    {
      when: "a queue subscribes",
      resources: { "aws_sns_topic_subscription.s": { after: { protocol: "sqs", endpoint: "arn:q" } } },
      says: [],
    },
  ],
  "mail-removed": [
    {
      when: "somebody is removed",
      resources: { "aws_sns_topic_subscription.s": { before: { protocol: "email", endpoint: "me@example.com" } } },
      says: ["attention mail-removed: me@example.com will get no alarms any more."],
    },
    {
      when: "the topic is replaced",
      resources: { "aws_sns_topic.t": replaced({ name: "alerts" }, { name: "alarms" }) },
      says: ["attention mail-removed: The topic alerts goes: whoever subscribed to it by hand must subscribe again."],
    },
    {
      when: "subscriptions stay",
      resources: { "aws_sns_topic_subscription.s": same({ protocol: "email", endpoint: "me@example.com" }) },
      says: [],
    },
  ],
  "encryption-off": [
    {
      when: "the queue and a parameter are no longer encrypted",
      resources: {
        "aws_sqs_queue.q": update({ name: "q", sqs_managed_sse_enabled: true }, { sqs_managed_sse_enabled: false }),
        "aws_ssm_parameter.p": update({ name: "/a", type: "SecureString" }, { type: "String" }),
      },
      says: [
        "danger! encryption-off: A parameter is no longer encrypted: aws_ssm_parameter.p.",
        "danger! encryption-off: The queue is no longer encrypted: aws_sqs_queue.q.",
      ],
    },
    {
      when: "a queue gets a key of its own instead of AWS's",
      resources: {
        "aws_sqs_queue.q": update(
          { name: "q", sqs_managed_sse_enabled: true },
          { sqs_managed_sse_enabled: false, kms_master_key_id: "k" },
        ),
      },
      says: [],
    },
  ],
  drift: [
    {
      when: "somebody has changed a tag by hand, and the plan puts it back",
      resources: { "aws_vpc.v": update({ tags: { Name: "mine" } }, { tags: { Name: "ours" } }) },
      more: {
        resource_drift:
          planOf({ "aws_vpc.v": update({ tags: { Name: "ours" } }, { tags: { Name: "mine" } }) }).resource_changes ??
          [],
      },
      says: [
        "attention drift: Changed by another hand since the last apply: aws_vpc.v. What the plan changes there puts it back.",
      ],
    },
    {
      when: "AWS has only filled in what nobody wrote",
      resources: { "aws_vpc.v": update({ tags: {}, routes: [1] }, { tags: { Name: "x" } }) },
      more: {
        resource_drift:
          planOf({ "aws_vpc.v": update({ tags: null, routes: [] }, { tags: {}, routes: [1] }) }).resource_changes ?? [],
      },
      says: [],
    },
  ],
  "terraform-version": [
    {
      when: "the plan changes something that an older Terraform has made",
      resources: { "aws_vpc.v": { after: {} } },
      more: { prior_state: { terraform_version: "1.10.5" } },
      says: [
        "info terraform-version: The plan was made with version 1.11.4, the state with 1.10.5: after the apply, everybody needs 1.11.4 or later.",
      ],
    },
    { when: "nothing changes", resources: {}, more: { prior_state: { terraform_version: "1.10.5" } }, says: [] },
  ],
  moved: [
    {
      when: "a resource has another address in Terraform",
      resources: {},
      more: {
        resource_changes: [
          {
            ...(planOf({ "aws_vpc.b": same({}) }).resource_changes?.[0] as never as object),
            previous_address: "aws_vpc.a",
          } as never,
        ],
      },
      says: ["info moved: Only their names in Terraform change: aws_vpc.a → aws_vpc.b."],
    },
    { when: "nothing moves", resources: { "aws_vpc.b": same({}) }, says: [] },
  ],
  "other-destroyed": [
    {
      when: "something without a rule of its own is destroyed",
      resources: { "aws_ssm_document.sync": { before: { name: "x" } } },
      says: ["attention other-destroyed: Destroyed: aws_ssm_document.sync."],
    },
    {
      when: "a part is destroyed of something that stays",
      resources: { "aws_lambda_permission.p": { before: {} } },
      says: ["attention other-destroyed: Destroyed: aws_lambda_permission.p."],
    },
    {
      when: "only its changes are of interest, as nothing is destroyed",
      resources: {
        "aws_lambda_permission.p": update(
          { principal: "events.amazonaws.com", source_arn: "a" },
          { statement_id: "x" },
        ),
      },
      says: [],
    },
  ],
  "other-replaced": [
    {
      when: "something without a rule of its own is replaced",
      resources: { "aws_ssm_document.sync": replaced({ name: "x" }, { name: "y" }) },
      says: ["attention other-replaced: Made anew: aws_ssm_document.sync."],
    },
    {
      when: "it is changed in place",
      resources: { "aws_ssm_document.sync": update({ name: "x" }, { tags: "y" }) },
      says: [],
    },
  ],
};

const OTHERS = ["other-destroyed", "other-replaced"];

describe("what a plan means", () => {
  it("has a case for every rule that speaks and for every rule that keeps silent", () => {
    expect(Object.keys(CASES).sort()).to.deep.equal([...RULES.map(({ id }) => id), ...OTHERS].sort());
    for (const [id, cases] of Object.entries(CASES)) {
      expect(
        cases.some(({ says }) => says.length > 0),
        `${id} speaks`,
      ).to.equal(true);
      expect(
        cases.some(({ says }) => says.length === 0),
        `${id} keeps silent`,
      ).to.equal(true);
    }
  });

  it("documents every rule, and which of them find an exposure", () => {
    const documentation = readFileSync(path.join(ROOT, "docs/plan-review.md"), "utf8");
    for (const { id, finds } of RULES) {
      const exposes = CASES[id]?.some(({ says }) => says.some((line) => line.includes(`! ${id}:`)));
      expect(documentation).to.include(`| \`${id}\` | ${finds} | ${exposes ? "yes" : ""} |`);
    }
  });

  for (const [id, cases] of Object.entries(CASES)) {
    describe(id, () => {
      for (const { when, resources, more, says } of cases) {
        it(`${says.length > 0 ? "speaks" : "keeps silent"} when ${when}`, () => {
          expect(findings(resources, more)).to.deep.equal(says);
        });
      }
    });
  }

  it("does not name the parts of what is destroyed", () => {
    expect(
      findings({
        "aws_sqs_queue.q": { before: { name: "dead" } },
        "aws_sqs_queue_policy.p": { before: { policy: "" } },
        "aws_lambda_permission.p": { before: {} },
      }),
    ).to.deep.equal(["attention dead-letters-lost: What lies in the queue dead is deleted: read it first."]);
  });
});
