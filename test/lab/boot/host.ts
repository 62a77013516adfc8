/** What this machine must have for the run, and what it is, as figures mean little without it. */
import { execFileSync } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Failure } from "./failure";

/** Commands by the Debian package that has them. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "apt-utils": ["apt-ftparchive"],
  chrony: ["chronyd"],
  curl: ["curl"],
  "dnsmasq-base": ["dnsmasq"],
  e2fsprogs: ["mke2fs", "debugfs"],
  gpg: ["gpg"],
  "gpg-agent": ["gpg-agent"],
  iproute2: ["ip", "bridge"],
  "iputils-ping": ["ping"],
  mmdebstrap: ["mmdebstrap"],
  nftables: ["nft"],
  openssl: ["openssl"],
  procps: ["sysctl"],
  "qemu-system-x86": ["qemu-system-x86_64"],
  "qemu-utils": ["qemu-img"],
  "util-linux": ["unshare", "nsenter"],
  "wireguard-go": ["wireguard-go"],
  "wireguard-tools": ["wg"],
};
const FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
const MOTO = "pip install 'moto[server]==5.2.1'";

const has = (command: string, folders: readonly string[]): boolean =>
  folders.some((folder) => {
    try {
      accessSync(path.join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** @throws with one message that says all that is missing */
export function requireHost(): void {
  if (process.getuid?.() !== 0)
    throw new Failure(
      "npm run lab:boot needs root: it makes network namespaces and an image. Run it as root, for example with sudo.",
    );
  if (process.arch !== "x64")
    throw new Failure(`npm run lab:boot makes its image from amd64 packages, and this machine is ${process.arch}.`);
  const missing = Object.entries(PACKAGES).filter(([, commands]) => commands.some((command) => !has(command, FOLDERS)));
  const say = [
    ...(missing.length > 0 ? [`apt-get install ${missing.map(([name]) => name).join(" ")}`] : []),
    ...(has("moto_server", (process.env.PATH ?? "").split(":")) ? [] : [MOTO]),
  ];
  if (say.length > 0) throw new Failure(`npm run lab:boot misses what it needs:\n  ${say.join("\n  ")}`);
  try {
    accessSync("/dev/net/tun");
  } catch {
    throw new Failure("npm run lab:boot needs /dev/net/tun: modprobe tun, or give the container that device.");
  }
}

export interface HostFacts {
  readonly processor: string;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly kernel: string;
  readonly qemu: string;
}

export function hostFacts(): HostFacts {
  const qemu = execFileSync("qemu-system-x86_64", ["--version"], { encoding: "utf8" });
  return {
    processor: /^model name\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "unknown",
    cores: os.cpus().length,
    memoryMiB: Math.round(os.totalmem() / 2 ** 20),
    kernel: os.release(),
    qemu: /version (\S+)/.exec(qemu)?.[1] ?? "unknown",
  };
}
