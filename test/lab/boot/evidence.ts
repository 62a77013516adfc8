/** What is kept when a run fails: this run's own folder goes with it. */
import { copyFileSync, existsSync, mkdtempSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Guest } from "./guest";

const LOGS: Readonly<Record<string, readonly string[]>> = {
  "journal.txt": ["/usr/bin/journalctl", "--no-pager", "-o", "short-monotonic"],
  "cloud-init.txt": ["/bin/cat", "/var/log/cloud-init-output.log"],
};

/** @returns what to tell a person: where the logs are, and the end of each console */
export async function keepEvidence(guests: readonly Guest[]): Promise<string> {
  if (guests.length === 0) return "";
  const folder = mkdtempSync(path.join(os.tmpdir(), "stingy-vpn-lab-boot-"));
  const said: string[] = [];
  for (const guest of guests) {
    if (existsSync(guest.console)) copyFileSync(guest.console, path.join(folder, path.basename(guest.console)));
    if (guest.running && (await guest.agent.answers())) {
      for (const [name, argv] of Object.entries(LOGS)) {
        const { stdout } = await guest.run(argv, { timeoutMs: 60_000 }).catch(() => ({ stdout: "" }));
        writeFileSync(path.join(folder, `${guest.name}-${name}`), stdout);
      }
    }
    said.push(`Last lines of the console of guest ${guest.name}:\n${guest.lastLines().replace(/^/gm, "  | ")}`);
    if (guest.complaints) said.push(`QEMU says: ${guest.complaints}`);
  }
  return [...said, `The whole logs: ${folder}`].join("\n");
}
