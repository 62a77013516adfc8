import type { Role } from "../role";

/** The image's SSH server, reachable from these networks only. */
export function adminSsh(from: readonly string[]): Role {
  return () => ({ role: "admin-ssh", ports: [{ protocol: "tcp", port: 22, from }] });
}
