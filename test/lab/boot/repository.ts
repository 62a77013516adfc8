/** A small signed Debian archive of exactly the packages that a guest installs, as a folder to be served over HTTP. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { RELEASE } from "./recipe";
import type { Run } from "./work";

/** Where an image of Debian gets its packages, as `scheme://host/folder`. */
export interface Mirrors {
  readonly primary: string;
  readonly security: string;
}

/** The suites that a Debian 12 asks for; all but the first are empty. */
const SUITES = [
  { mirror: "primary", suite: RELEASE, label: "Debian" },
  { mirror: "primary", suite: `${RELEASE}-updates`, label: "Debian" },
  { mirror: "security", suite: `${RELEASE}-security`, label: "Debian-Security" },
] as const;

/** A guest's sources.list. Not over TLS, as the images have it: what counts is the signature. */
export function sourcesList(mirrors: Mirrors): string {
  return SUITES.map(({ mirror, suite }) => `deb http://${placeOf(mirrors[mirror])} ${suite} main\n`).join("");
}

const placeOf = (mirror: string): string => {
  const { hostname, pathname } = new URL(mirror);
  return `${hostname}${pathname.replace(/\/$/, "")}`;
};

/** When it is signed as far as a guest can tell: one whose clock is slow refuses what comes from its future. */
const SIGNED = "20240101T000000";
const SIGNED_DATE = "Mon, 01 Jan 2024 00:00:00 UTC";

/**
 * Makes an archive of the packages in `debs`, a folder for each host's name.
 * @returns the key that signed it, as apt takes it; the private half goes with the folder `work`
 */
export async function makeRepository(
  mirrors: Mirrors,
  debs: string,
  archive: string,
  work: string,
  run: Run,
): Promise<string> {
  const home = path.join(work, "gnupg");
  mkdirSync(home, { mode: 0o700 });
  const gpg = (...more: string[]) =>
    run("gpg", ["--homedir", home, "--batch", "--yes", "--quiet", "--faked-system-time", SIGNED, ...more]);
  await gpg("--passphrase", "", "--quick-generate-key", "Packages of the lab", "rsa3072", "sign", "never");
  const key = path.join(work, "archive-key.asc");
  await gpg("--armor", "--output", key, "--export");

  const primary = path.join(archive, placeOf(mirrors.primary));
  const pool = path.join(primary, "pool");
  mkdirSync(pool, { recursive: true });
  for (const name of readdirSync(debs).filter((name) => name.endsWith(".deb")))
    copyFileSync(path.join(debs, name), path.join(pool, name));
  for (const { mirror, suite, label } of SUITES) {
    const distribution = path.join(archive, placeOf(mirrors[mirror]), "dists", suite);
    const index = suite === RELEASE ? await run("apt-ftparchive", ["packages", "pool"], primary) : "";
    // apt takes the packed one, and only where the plain one is known, too.
    write(path.join(distribution, "main/binary-amd64/Packages"), index);
    write(path.join(distribution, "main/binary-amd64/Packages.gz"), gzipSync(index));
    const fields = {
      Origin: "Debian",
      Label: label,
      Suite: suite,
      Codename: suite,
      Components: "main",
      Architectures: "amd64",
    };
    const options = Object.entries(fields).flatMap(([name, value]) => [
      "-o",
      `APT::FTPArchive::Release::${name}=${value}`,
    ]);
    const release = await run("apt-ftparchive", [...options, "release", "."], distribution);
    const unsigned = path.join(work, "Release");
    writeFileSync(unsigned, release.replace(/^Date: .*$/m, `Date: ${SIGNED_DATE}`));
    await gpg("--output", path.join(distribution, "InRelease"), "--clear-sign", unsigned);
    renameSync(unsigned, path.join(distribution, "Release"));
  }
  await run("gpgconf", ["--homedir", home, "--kill", "all"]);
  return readFileSync(key, "utf8");
}

function write(file: string, content: string | Buffer): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
}
