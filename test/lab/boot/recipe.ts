/** What the image is made of, and the hash that tells one recipe's image from another's. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { serverBootstrap } from "../../../modules/bootstrap";
import { SITE } from "./site";

export const RELEASE = "bookworm";

/** As a cloud's image of Debian 12 has them, less what no test here meets; nothing of what the user data installs. */
const PACKAGES = [
  "apt",
  "ca-certificates",
  "cloud-guest-utils",
  "cloud-init",
  "dbus",
  "e2fsprogs",
  "initramfs-tools",
  "iproute2",
  "iputils-ping",
  "isc-dhcp-client",
  "iso-codes",
  "kmod",
  "libnss-resolve",
  "libpam-systemd",
  "linux-image-cloud-amd64",
  "netbase",
  "netplan.io",
  "openssh-server",
  "openssl",
  "procps",
  "python3-apt",
  "qemu-guest-agent",
  "sudo",
  "systemd-resolved",
  "systemd-sysv",
  "udev",
  "xz-utils",
] as const;

export const RECIPE = {
  packages: PACKAGES,
  /** From the rendered user data: these come at boot, from the local repository. */
  atBoot: serverBootstrap(SITE).packages,
  /** As the launch template's. */
  diskGb: 8,
  files: {
    // With all of a distribution's modules it takes longer to unpack than all the rest of the kernel's start.
    "/etc/initramfs-tools/conf.d/lab": "MODULES=list\nRESUME=none\n",
    "/etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\n",
    "/etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
    "/etc/hostname": "localhost\n",
  },
} as const;

/** Of the recipe, and of what makes an image by it. */
export function recipeHash(): string {
  const hash = createHash("sha256").update(JSON.stringify(RECIPE));
  for (const file of ["image.ts", "repository.ts"]) hash.update(readFileSync(path.join(__dirname, file)));
  return hash.digest("hex").slice(0, 16);
}
