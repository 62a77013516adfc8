/** The commands that the documents tell to type on a server, typed there: as the user that Session Manager's shell is. */

import type { Guest } from "./guest";
import type { Finding } from "./inspect";

/** What each is to print. Patterns are of what a person looks for there. */
const COMMANDS: readonly (readonly [command: string, prints: RegExp])[] = [
  ["systemctl status 'stingy-*'", /stingy-watch\.service[\s\S]*active \(running\)/],
  ["systemctl status stingy-health.timer", /active \((waiting|running)\)/],
  ["sudo du -xh / | sort -h | tail", /\s\/$/m],
  ["chronyc sources", /\^\* 169\.254\.169\.123/],
  ["chronyc tracking", /Leap status\s*: Normal/],
  // Whose journal is not that user's to read: after `sudo -i`.
  ["sudo -i journalctl -t stingy-sync", /stingy-sync.*event=in-step/],
  ["sudo -i journalctl -u 'stingy-*'", /stingy-watch.*event=watching/],
  ["sudo journalctl -u stingy-health", /event=verdict now="fit"/],
  ["sudo journalctl -u stingy-sync", /event=in-step/],
  ["sudo wg show", /interface: wg0[\s\S]*latest handshake/],
  ["sudo nft list ruleset", /table inet stingy/],
  ["sudo nft list table inet stingy", /masquerade/],
  ["sysctl net.ipv4.ip_forward", /= 1$/m],
];
/** As the SSM agent makes it when the first session begins. */
const USER = "ssm-user";
const MAKE_USER = `id ${USER} >/dev/null 2>&1 || { useradd -m -s /bin/bash ${USER} && echo '${USER} ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/ssm-agent-users && chmod 440 /etc/sudoers.d/ssm-agent-users; }`;

export async function followRunbook(guest: Guest, say: (finding: Finding) => void): Promise<Finding[]> {
  await guest.sh(MAKE_USER);
  const findings: Finding[] = [];
  for (const [command, prints] of COMMANDS) {
    // No login shell: the SSM agent's has the agent's own environment, as this has that of QEMU's.
    const argv = ["/sbin/runuser", "-u", USER, "--", "/bin/bash", "-c", `export PAGER=cat; ${command}`];
    const { code, stdout, stderr } = await guest.run(argv, { timeoutMs: 180_000 });
    const said = `${stdout}${stderr}`;
    const wrong =
      code === 0 && prints.test(said) ? undefined : `status ${code}, and it says: ${said.trim().slice(0, 600)}`;
    const finding = { what: `runbook: ${command}`, wrong };
    findings.push(finding);
    say(finding);
  }
  return findings;
}
