import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse, stringify } from "yaml";
import { CONFIG_VARIABLE, loadConfig, parseYaml, type Site } from "../../../modules/config";
import type { Json } from "../../support/synth";

const FILE = "stingy.yaml";
const LARGEST_VOLUME_GB = 16_384;
/** Nothing of what the product can do is left out. */
const WITHOUT_FILE = {
  sites: {
    tokyo: {
      dns: { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" },
      monitoring: { emails: ["me@example.com"] },
    },
  },
};

/** A configuration that cannot be rehearsed: says what to do about it. */
export class Unusable extends Error {
  override readonly name = "Unusable";
}

/** One site of a person's configuration, as it is rehearsed. */
export interface Settings {
  readonly site: Site;
  /** Where they are from, as somebody would say it. */
  readonly from: string;
  /** The text of stingy.yaml for the first deploy, with an Elastic IP of the emulator in place of a person's own. */
  readonly first: (allocationId?: string) => string;
  /** For the second: another launch template, and leave to destroy. */
  readonly second: (allocationId?: string) => string;
  /** What the second deploy changes, as it stands in stingy.yaml. */
  readonly change: string;
  /** What is not as the person's file says. */
  readonly differs: readonly string[];
}

/**
 * Reads what `cdktf deploy` would read. Of that file only one site is taken, and its state stays in the work folder, so
 * that nothing of the person's own is ever touched.
 *
 * @throws ConfigError where the file is wrong
 */
export function readSettings(root: string, wanted: string | undefined, env: NodeJS.ProcessEnv = process.env): Settings {
  const named = env[CONFIG_VARIABLE] || undefined;
  const file = named ?? path.join(root, FILE);
  const shown = named ?? FILE;
  const there = named !== undefined || existsSync(file);
  const { sites } = there ? loadConfig(root, named) : parseYaml(stringify(WITHOUT_FILE), FILE);
  const site = choose(sites, wanted, there ? shown : "The default configuration");
  // Merge keys and aliases as the product reads them.
  const raw: Json = there ? parse(readFileSync(file, "utf8"), { merge: true, maxAliasCount: 1000 }) : WITHOUT_FILE;
  const { backend: _, ...rest } = raw;
  const { schedule, ...before }: Json = raw.sites?.[site.name] ?? {};
  const own = typeof site.elasticIp === "string";
  const volumeGb = site.server.volumeGb + (site.server.volumeGb < LARGEST_VOLUME_GB ? 1 : -1);

  const text = (changed: Json, allocationId?: string): string => {
    const elasticIp = own && allocationId !== undefined ? { elasticIp: allocationId } : {};
    const made = {
      ...rest,
      backend: { type: "local" },
      sites: { [site.name]: { ...before, ...changed, ...elasticIp } },
    };
    return stringify(made);
  };
  return {
    site,
    from: there ? `the site ${site.name} of ${shown}` : `the default site, ${site.name}`,
    first: (allocationId) => text({}, allocationId),
    second: (allocationId) => text({ protect: false, server: { ...before.server, volumeGb } }, allocationId),
    change: `server.volumeGb: ${volumeGb}${site.protect ? ", and protect: false so that it can be destroyed later" : ""}`,
    differs: [
      ...(there
        ? []
        : [
            `There is no ${FILE}, so it is the default site, with a name at Cloudflare and an address for mail beside, to show these too.`,
          ]),
      ...(sites.length > 1 ? [`Of the ${sites.length} sites in ${shown} only ${site.name} is there.`] : []),
      ...(there && raw.backend !== undefined && raw.backend.type !== "local"
        ? [`The backend is local, in the work folder; the ${raw.backend.type} backend of ${shown} is not touched.`]
        : []),
      ...(schedule
        ? ["schedule is left out: the emulator's clock goes on by more than half an hour, and could come to a pause."]
        : []),
      ...(own ? ["elasticIp is an address of the emulator: it does not have yours."] : []),
    ],
  };
}

function choose(sites: readonly Site[], wanted: string | undefined, shown: string): Site {
  const names = sites.map(({ name }) => name).join(", ");
  const [first, second] = sites;
  if (wanted !== undefined) {
    const found = sites.find(({ name }) => name === wanted);
    if (!found) throw new Unusable(`There is no site "${wanted}" in ${shown}.\n  It has: ${names || "none"}.`);
    return found;
  }
  if (!first) throw new Unusable(`${shown} has no site.\n  To mend it: name one under \`sites\`.`);
  if (second)
    throw new Unusable(`${shown} has several sites.\n  Say which one: --site ${first.name} (it has: ${names}).`);
  return first;
}
