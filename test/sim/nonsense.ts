import { pick } from "./random";
import { HOME, type World } from "./world";

const HUGE = "x".repeat(300_000);

/** Events that say nothing true of this site. */
export function nonsense(which: number, world: World): unknown {
  const id = pick(world.key(99, which), world.machines)?.id ?? "i-0123456789abcdef0";
  const { account, region, environment, site } = HOME;
  const interruption = { source: "aws.ec2", "detail-type": "EC2 Spot Instance Interruption Warning" };
  const events: readonly unknown[] = [
    null,
    undefined,
    42,
    "pause",
    [],
    {},
    { detail: HUGE, source: "stingy-vpn", "detail-type": "Command" },
    { tf: null },
    { tf: { action: "destroy" } },
    { tf: "delete" },
    { ...interruption, account: "222222222222", region, detail: { "instance-id": id } },
    { ...interruption, account, region: "eu-west-1", detail: { "instance-id": id } },
    { ...interruption, account, region, detail: { "instance-id": "i-0fedcba9876543210" } },
    { ...interruption, account, region, detail: { "instance-id": { toString: "i" } } },
    { ...interruption, account, region, time: "yesterday", detail: null },
    { source: "aws.ec2", "detail-type": 7, detail: { "instance-id": id } },
    { source: "aws.ec2", "detail-type": "EC2 Instance Terminated", detail: { "instance-id": id } },
    {
      source: "stingy-vpn",
      "detail-type": "Server Notice",
      detail: { environment: "dev", site, "instance-id": id, notice: "interruption" },
    },
    { source: "stingy-vpn", "detail-type": "Server Ready", detail: { environment, site: "osaka", "instance-id": id } },
    {
      source: "stingy-vpn",
      "detail-type": "Server Notice",
      detail: { environment, site, "instance-id": id, notice: "terminate" },
    },
    { source: "stingy-vpn", "detail-type": "Command", detail: { command: "stop" } },
    { source: "stingy-vpn", "detail-type": "Command", detail: ["pause"] },
    {
      source: "stingy-vpn",
      "detail-type": "Server Ready",
      detail: { environment, site, "instance-id": "i-0fedcba9876543210" },
    },
  ];
  return events[which % events.length];
}
