import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";

/** Commands that the tests and the scripts need, by the Debian package that has them. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "wireguard-tools": ["wg"],
  "wireguard-go": ["wireguard-go"],
  nftables: ["nft"],
  iproute2: ["ip"],
  "iputils-ping": ["ping"],
  jq: ["jq"],
  curl: ["curl"],
  chrony: ["chronyd", "chronyc"],
  openssl: ["openssl"],
  procps: ["sysctl"],
  mawk: ["awk"],
  "util-linux": ["unshare", "nsenter", "setpriv", "flock"],
};
const MOTO = "pip install 'moto[server]==5.2.1'";

function has(command: string, folders: readonly string[]): boolean {
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** What is missing and how to get it, one a line. */
export function missingTools(folders: readonly string[] = FOLDERS, path: string = process.env.PATH ?? ""): string[] {
  const missing = Object.entries(PACKAGES).filter(([, commands]) => commands.some((command) => !has(command, folders)));
  const commands = missing.flatMap(([, names]) => names.filter((name) => !has(name, folders)));
  return [
    ...(missing.length > 0
      ? [`${commands.join(", ")}: apt-get install ${missing.map(([name]) => name).join(" ")}`]
      : []),
    ...(has("moto_server", path.split(":")) ? [] : [`moto_server: ${MOTO}`]),
  ];
}

/** @throws an error that says why the tests cannot run here. @param command what needs the machine */
export function requireMachine(command = "npm run test:server"): void {
  if (process.getuid?.() !== 0)
    throw new Error(
      `${command} needs root: it runs the server's scripts in network namespaces. Run it as root, for example with sudo.`,
    );
  const missing = missingTools();
  if (missing.length > 0) throw new Error(`${command} misses what it needs.\n${missing.join("\n")}`);
  try {
    execFileSync("unshare", ["--net", "--mount", "--uts", "--pid", "--fork", "true"], { stdio: "pipe" });
  } catch (error) {
    throw new Error(`${command} needs to make namespaces, which is refused here: ${error}`);
  }
  try {
    accessSync("/dev/net/tun");
  } catch {
    throw new Error(`${command} needs /dev/net/tun: modprobe tun, or give the container that device.`);
  }
}
