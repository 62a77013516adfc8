import type { Role } from "../role";

/** The kernel's WireGuard and its tool. */
export function wireguard(): Role {
  return () => ({
    role: "wireguard",
    packages: ["wireguard-tools"],
    modules: ["wireguard"],
    checks: [{ name: "wireguard-tool", command: "command -v wg" }],
    provides: ["wireguard"],
  });
}
