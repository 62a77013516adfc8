import type { Role } from "../role";

/** Session Manager and Run Command: a shell without SSH, and the way a changed store is told to the server. */
export function ssmAgent(): Role {
  return ({ services, agents }) => ({
    role: "ssm-agent",
    packages: ["http-client"],
    units: [{ name: services.ssmAgent }],
    runcmd: agents.ssm,
    checks: [
      {
        name: "ssm-agent",
        command: `systemctl is-active --quiet ${services.ssmAgent}`,
        repair: `systemctl restart ${services.ssmAgent}`,
        severity: "report",
      },
    ],
  });
}
