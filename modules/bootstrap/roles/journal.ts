import { script, unit } from "../assets";
import type { Role } from "../role";

/** Sends what the server's units say to CloudWatch every minute. No agent: the smallest takes more memory than all the rest. */
export function journal(): Role {
  return () => ({
    role: "journal",
    packages: ["http-client", "json"],
    files: [script("stingy-journal")],
    units: ["stingy-journal.service", "stingy-journal.timer"].map(unit),
    requires: ["site"],
  });
}
