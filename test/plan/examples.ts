import { gzipSync } from "node:zlib";
import { analyse, reportOf } from "../../cli/plan/analyse";
import { markdown } from "../../cli/plan/markdown";
import { say } from "../../cli/plan/sentence";
import { change, planOf } from "./support";

const userData = (port: number, script: string) =>
  gzipSync(
    `#cloud-config\nwrite_files:\n- path: /etc/stingy/server.env\n  permissions: '0644'\n  content: |\n    SITE='tokyo'\n    LISTEN_PORT='${port}'\n- path: /usr/local/sbin/stingy-sync\n  permissions: '0755'\n  encoding: gz+b64\n  content: ${gzipSync(script).toString("base64")}\nruncmd:\n- systemctl daemon-reload\n`,
  ).toString("base64");

const template = (instance_type: string, port: number, script: string) => ({
  instance_type,
  block_device_mappings: [{ ebs: [{ volume_size: 8, encrypted: "true" }] }],
  metadata_options: [{ http_tokens: "required", http_put_response_hop_limit: 1 }],
  user_data: userData(port, script),
});
const policy = (...actions: readonly string[]) =>
  JSON.stringify({
    Statement: [{ Effect: "Allow", Action: actions, Resource: "arn:aws:ec2:ap-northeast-1:123456789012:instance/*" }],
  });
const address = { public_ip: "203.0.113.9", tags: { Name: "vpn" } };
const wireguard = { ip_protocol: "udp", from_port: 51820, to_port: 51820, cidr_ipv4: "0.0.0.0/0" };

/** Every kind of thing that a report can hold, as the comment that reviewers see. */
function everything(): string {
  const network = planOf({
    "aws_vpc_security_group_ingress_rule.firewall_wireguard-ipv4": {
      before: wireguard,
      after: { ...wireguard, from_port: 443, to_port: 443 },
    },
    "aws_vpc_security_group_ingress_rule.firewall_ssh": {
      after: { ip_protocol: "tcp", from_port: 22, to_port: 22, cidr_ipv4: "0.0.0.0/0" },
    },
  });
  const server = planOf(
    {
      "aws_eip.address_elastic-ip": {
        before: address,
        after: { ...address, tags: { Name: "vpn", Owner: "me" } },
      },
      "aws_iam_role_policy.server_iam_policy": {
        before: { role: "stingy-vpn-prod-tokyo-server", policy: policy("ec2:CreateTags") },
        after: { role: "stingy-vpn-prod-tokyo-server", policy: policy("ec2:CreateTags", "ec2:TerminateInstances") },
      },
      "aws_launch_template.server_template": {
        before: template("t4g.nano", 51820, "#!/bin/bash\nwg syncconf wg0 <(cat)\n"),
        after: template(
          "t4g.micro",
          443,
          "#!/bin/bash\nwg syncconf wg0 <(cat)\nlog 'PrivateKey = aGVsbG8gdGhpcyBpcyBub3Qgb25lIG9mIG91ciBrZXk='\n",
        ),
        unknown: { latest_version: true },
      },
      "aws_ssm_parameter.instance-id": {
        before: { name: "/stingy-vpn/prod/instance-id", value: "i-0123456789abcdef0" },
        after: { name: "/other/instance-id", value: "initial" },
        beforeSensitive: { value: true },
        afterSensitive: { value: true },
        replacePaths: [["name"]],
      },
    },
    {
      output_changes: { version: { actions: ["update"] } },
      resource_drift: [
        change("aws_eip.address_elastic-ip", {
          before: { ...address, tags: { Name: "vpn", Owner: "me" } },
          after: address,
        }),
      ],
    },
  );
  const reads = new Map([["prod-tokyo-monitoring", new Map([["prod-tokyo-server", ["version"]]])]]);
  return markdown(
    reportOf(
      [
        analyse("prod-tokyo-network", network),
        analyse("prod-tokyo-server", server),
        { id: "prod-tokyo-dns", state: "waiting", for: ["prod-tokyo-server"] },
        {
          id: "prod-tokyo-recovery",
          state: "failed",
          problem: say`Terraform could not get the provider ${"hashicorp/archive"}.`,
          fix: "Check the network.",
        },
        {
          id: "prod-tokyo-monitoring",
          state: "remote",
          url: "https://app.terraform.io/app/o/w/runs/run-abc",
          counts: { add: 1, change: 0, destroy: 0 },
        },
      ],
      reads,
    ),
  );
}

/** By file below test/golden/plan. */
export const PLAN_GOLDEN: Readonly<Record<string, () => string>> = {
  "everything.md": everything,
  "nothing.md": () => markdown(reportOf([analyse("prod-tokyo-network", planOf({}))])),
};
