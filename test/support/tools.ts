import { type SpawnSyncOptions, spawnSync } from "node:child_process";

/** The Debian package of each tool that some tests need. */
const PACKAGES = {
  "cloud-init": "cloud-init",
  jq: "jq",
  nft: "nftables",
  "/usr/bin/python3": "python3-yaml",
  shellcheck: "shellcheck",
  "systemd-analyze": "systemd",
  terraform: undefined,
  unshare: "util-linux",
} as const;

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a tool to its end. One that is not there is an error that names the package to install. */
export function runTool(tool: keyof typeof PACKAGES, args: readonly string[], options: SpawnSyncOptions = {}): Ran {
  const { error, status, stdout, stderr } = spawnSync(tool === "terraform" ? terraform() : tool, args, {
    maxBuffer: 64 * 1024 * 1024,
    ...options,
    encoding: "utf8",
  });
  if (error && "code" in error && error.code === "ENOENT") {
    throw new Error(
      PACKAGES[tool]
        ? `there is no ${tool} on this machine: install the Debian package ${PACKAGES[tool]}`
        : `there is no ${tool} on this machine: install it, or name another binary with TERRAFORM_BINARY_NAME`,
    );
  }
  // A tool that gives up before it has read everything says why itself.
  if (error && !("code" in error && error.code === "EPIPE")) throw error;
  return { status, stdout, stderr };
}

const terraform = () => process.env.TERRAFORM_BINARY_NAME || "terraform";
