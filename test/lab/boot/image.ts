/** Makes the image of a Debian 12, and keeps it for the next run: as long as the recipe is the same. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { parse } from "yaml";
import { Failure } from "./failure";
import { RECIPE, RELEASE, recipeHash } from "./recipe";
import { type Mirrors, makeRepository, sourcesList } from "./repository";
import { run } from "./work";

/** What a folder of the cache holds. */
export interface Image {
  readonly folder: string;
  readonly kernel: string;
  readonly initrd: string;
  /** An ext4 file system, nothing around it. */
  readonly disk: string;
  /** The authorities that it trusts, in one file. */
  readonly authorities: string;
  /** The archive of the packages that come at boot. */
  readonly archive: string;
  /** How long it took; undefined: it was there. */
  readonly seconds: number | undefined;
}

const CACHE = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache"), "stingy-vpn/lab-boot");
const UNUSED_DAYS = 14;
const BUNDLE = "etc/ssl/certs/ca-certificates.crt";

export async function getImage(say: (line: string) => void): Promise<Image> {
  const folder = path.join(CACHE, recipeHash());
  mkdirSync(CACHE, { recursive: true });
  removeAbandoned();
  if (existsSync(folder)) {
    const now = new Date();
    utimesSync(folder, now, now);
    return describe(folder, undefined);
  }
  say(`making the image (minutes, once a recipe): ${folder}`);
  const started = performance.now();
  const work = mkdtempSync(path.join(CACHE, `new-${process.pid}-`));
  const remove = () => rmSync(work, { recursive: true, force: true });
  process.once("exit", remove);
  try {
    const made = path.join(work, "image");
    await make(made, work);
    // Another run may have made it meanwhile: one is as good as the other.
    if (!existsSync(folder)) renameSync(made, folder);
  } finally {
    remove();
    process.removeListener("exit", remove);
  }
  return describe(folder, (performance.now() - started) / 1000);
}

function describe(folder: string, seconds: number | undefined): Image {
  const file = (name: string) => path.join(folder, name);
  return {
    folder,
    kernel: file("vmlinuz"),
    initrd: file("initrd.img"),
    disk: file("disk.raw"),
    authorities: file("authorities.pem"),
    archive: file("archive"),
    seconds,
  };
}

/** Half an image of a run that was killed, and images of recipes that nobody has used for long. */
function removeAbandoned(): void {
  for (const name of readdirSync(CACHE)) {
    const [, pid] = /^new-(\d+)-/.exec(name) ?? [];
    const old = Date.now() - statSync(path.join(CACHE, name)).mtimeMs > UNUSED_DAYS * 86_400_000;
    if (pid === undefined ? old : !existsSync(`/proc/${pid}`))
      rmSync(path.join(CACHE, name), { recursive: true, force: true });
  }
}

async function make(made: string, work: string): Promise<void> {
  const root = path.join(work, "root");
  const debs = path.join(work, "debs");
  const key = path.join(work, "key");
  mkdirSync(made);
  mkdirSync(debs);
  mkdirSync(key);
  const files = path.join(work, "files");
  for (const [name, content] of Object.entries(RECIPE.files)) {
    mkdirSync(path.dirname(path.join(files, name)), { recursive: true });
    writeFileSync(path.join(files, name), content);
  }
  const hook = (command: string) => `--customize-hook=${command}`;
  await run("mmdebstrap", [
    "--mode=root",
    "--variant=minbase",
    "--format=directory",
    "--architectures=amd64",
    `--include=${RECIPE.packages.join(",")}`,
    // Before the kernel, whose installation makes the initrd.
    `--essential-hook=cp -rT "${files}/etc/initramfs-tools" "$1/etc/initramfs-tools"`,
    hook("APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get clean"),
    // By what the image has: exactly what is missing there. This machine's apt, as in the image systemd-resolved is to run.
    hook(
      `APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get install --yes --download-only -o APT::Install-Recommends=true ${RECIPE.atBoot.join(" ")}`,
    ),
    hook(`cp "$1"/var/cache/apt/archives/*.deb "${debs}/"`),
    hook(`rm -rf "$1"/etc/apt/sources.list.d/* "$1"/etc/ssh/ssh_host_* "$1"/var/lib/systemd/random-seed`),
    hook(`cp -rT "${files}" "$1" && : >"$1/etc/machine-id"`),
    RELEASE,
    root,
    ...(await sources()),
  ]);
  const boot = path.join(root, "boot");
  for (const name of ["vmlinuz", "initrd.img"]) {
    const found = readdirSync(boot).find((file) => file.startsWith(`${name}-`));
    if (found === undefined) throw new Failure(`The image has no ${name}.`);
    copyFileSync(path.join(boot, found), path.join(made, name));
  }
  copyFileSync(path.join(root, BUNDLE), path.join(made, "authorities.pem"));
  const mirrors = mirrorsOf(readFileSync(path.join(root, "etc/cloud/cloud.cfg"), "utf8"));
  const archiveKey = await makeRepository(mirrors, debs, path.join(made, "archive"), key, run);
  writeFileSync(path.join(root, "etc/apt/trusted.gpg.d/lab.asc"), archiveKey);
  writeFileSync(path.join(root, "etc/apt/sources.list"), sourcesList(mirrors));
  const disk = path.join(made, "disk.raw");
  writeFileSync(disk, "");
  truncateSync(disk, RECIPE.diskGb * 2 ** 30);
  await run("mke2fs", ["-q", "-t", "ext4", "-L", "root", "-d", root, disk]);
}

/** Where Debian's cloud-init takes packages from when nothing else is said. */
function mirrorsOf(cloudConfig: string): Mirrors {
  const [mirrors] = parse(cloudConfig)?.system_info?.package_mirrors ?? [];
  const { primary, security } = mirrors?.failsafe ?? {};
  if (typeof primary === "string" && typeof security === "string") return { primary, security };
  throw new Failure("The image's cloud-init names no mirrors in /etc/cloud/cloud.cfg.");
}

/** The sources of Debian 12 that this machine's apt has, as lines of a sources.list. */
async function sources(): Promise<string[]> {
  const format = "$(ORIGIN)|$(COMPONENT)|$(ARCHITECTURE)|$(RELEASE)|$(REPO_URI)";
  const targets = await run("apt-get", ["indextargets", "--format", format, "Created-By: Packages"]);
  const lines = targets.split("\n").flatMap((line) => {
    const [origin, component, architecture, release = "", uri = ""] = line.split("|");
    const ours = origin === "Debian" && component === "main" && architecture === "amd64" && release.startsWith(RELEASE);
    return ours && !release.includes("backports") ? [`deb ${uri} ${release} main`] : [];
  });
  if (!lines.some((line) => line.endsWith(` ${RELEASE} main`)))
    throw new Failure(
      `This machine's apt has no source of Debian 12 (${RELEASE}) for amd64: add one, run apt-get update, and try again.`,
    );
  return [...new Set(lines)];
}
