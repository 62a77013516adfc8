import type { Role } from "../role";

export interface CloudwatchAgentOptions {
  readonly namespace: string;
  /** Dimensions of each metric. */
  readonly dimensions: Readonly<Record<string, string>>;
}

const CONFIG = "/etc/stingy/cloudwatch-agent.json";
const CONTROL = "/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl";
const UNIT = "amazon-cloudwatch-agent.service";

/** Amazon's agent for memory, swap and disk, kept from taking the machine's memory itself. */
export function cloudwatchAgent({ namespace, dimensions }: CloudwatchAgentOptions): Role {
  const measure = (measurement: readonly string[]) => ({ measurement, append_dimensions: dimensions });
  const config = {
    agent: { metrics_collection_interval: 300, run_as_user: "cwagent", omit_hostname: true },
    metrics: {
      namespace,
      metrics_collected: {
        mem: measure(["used_percent"]),
        swap: measure(["used_percent"]),
        disk: { ...measure(["used_percent"]), resources: ["/"], drop_device: true },
      },
    },
  };
  return ({ agents }) => ({
    role: "cloudwatch-agent",
    packages: ["cloudwatch-agent", "http-client"],
    files: [
      { path: CONFIG, content: `${JSON.stringify(config)}\n` },
      { path: `/etc/systemd/system/${UNIT}.d/50-stingy.conf`, content: "[Service]\nMemoryMax=64M\n" },
    ],
    // The agent reads a translation of its configuration, which only its own tool makes.
    runcmd: [...agents.cloudwatch, `${CONTROL} -a fetch-config -m ec2 -s -c file:${CONFIG}`],
    checks: [
      {
        name: "cloudwatch-agent",
        command: `systemctl is-active --quiet ${UNIT}`,
        repair: `systemctl restart ${UNIT}`,
        severity: "report",
      },
    ],
  });
}
