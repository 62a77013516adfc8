/** The disks of one run: the image that trusts this run's AWS, and what each guest writes over it. */
import { appendFileSync, copyFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Failure } from "./failure";
import type { Image } from "./image";
import { run } from "./work";

const CERTIFICATES = "/etc/ssl/certs";

/** @param authority the certificate of this run's AWS @returns the disk that guests' disks lie over */
export async function makeBase(image: Image, authority: string, folder: string): Promise<string> {
  const base = path.join(folder, "base.raw");
  await run("cp", ["--sparse=always", "--reflink=auto", image.disk, base]);
  const own = path.join(folder, "authority.pem");
  const bundle = path.join(folder, "authorities.pem");
  writeFileSync(own, authority);
  copyFileSync(image.authorities, bundle);
  appendFileSync(bundle, authority);
  const hash = (await run("openssl", ["x509", "-noout", "-hash", "-in", own])).trim();
  // As update-ca-certificates leaves it: in the bundle, and by the hash of its name. The file system is written without mounting it.
  const commands = [
    `cd ${CERTIFICATES}`,
    "rm ca-certificates.crt",
    `write ${bundle} ca-certificates.crt`,
    `write ${own} lab.pem`,
    `symlink ${hash}.0 lab.pem`,
    ...["ca-certificates.crt", "lab.pem"].map((name) => `sif ${name} mode 0100644`),
  ];
  const script = path.join(folder, "debugfs");
  writeFileSync(script, `${commands.join("\n")}\n`);
  await run("debugfs", ["-w", "-f", script, base]);
  // debugfs ends with status 0 whatever it could not do.
  const written = await run("debugfs", ["-R", `cat ${CERTIFICATES}/ca-certificates.crt`, base]);
  if (!written.includes(authority.trim()))
    throw new Failure("The image does not take the authority of the emulated AWS.");
  return base;
}

export async function makeDisk(base: string, file: string): Promise<void> {
  await run("qemu-img", ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, file]);
}
