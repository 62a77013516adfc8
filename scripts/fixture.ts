/** `npm run fixture`, once at each release: keeps what it synthesizes, from which the next one's test upgrades. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseYaml } from "../modules/config";
import { bundleFunctions } from "../modules/lambda";
import { createApp } from "../stacks";
import { FIXTURES, RELEASE, SITE, writeRelease } from "../test/e2e/support/release";
import { withoutHashes } from "../test/support/golden";
import { readStacks } from "../test/support/synth";

/** The default site, with a name and mail, so that it has every stack. */
const CONFIG = `sites:
  tokyo:
    dns:
      provider: cloudflare
      zone: example.com
      name: vpn.example.com
    monitoring:
      emails: [me@example.com]
`;

const { version } = JSON.parse(readFileSync(path.join(__dirname, "../package.json"), "utf8"));
const shown = path.relative(process.cwd(), path.join(FIXTURES, `${RELEASE}${version}`));

if (existsSync(path.join(FIXTURES, `${RELEASE}${version}`))) {
  console.error(`${shown} is there: what has been released does not change.
Raise the version in package.json first, or delete the folder if ${version} has not been released.`);
  process.exitCode = 1;
} else {
  keep();
  console.log(`${shown} is what the next release is upgraded from.`);
}

function keep(): void {
  const folder = mkdtempSync(path.join(tmpdir(), "stingy-fixture-"));
  try {
    const outdir = path.join(folder, "cdktf.out");
    createApp({ config: parseYaml(CONFIG, SITE), bundles: bundleFunctions(), root: folder, outdir }).synth();
    const stacks = Object.entries(readStacks(outdir)).map(([id, json]) => [id, withoutHashes(json)]);
    const manifest = `${JSON.stringify(JSON.parse(readFileSync(path.join(outdir, "manifest.json"), "utf8")), null, 2)}\n`;
    const former = existsSync(FIXTURES) ? readdirSync(FIXTURES).filter((name) => name.startsWith(RELEASE)) : [];
    writeRelease({ version, config: CONFIG, manifest, stacks: Object.fromEntries(stacks) });
    for (const name of former) rmSync(path.join(FIXTURES, name), { recursive: true });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
