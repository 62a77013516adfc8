import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../../support/synth";

/** What the harness keeps between two runs; git ignores it. */
export const CACHE = path.join(ROOT, ".cache");
/** All providers, once they have been downloaded. */
export const PROVIDERS = path.join(CACHE, "providers");

const CONFIG_VARIABLE = "TF_CLI_CONFIG_FILE";
const REGISTRIES = { terraform: "registry.terraform.io", openTofu: "registry.opentofu.org" } as const;

/** The environment that has Terraform, or OpenTofu, take each provider once for all stacks. */
export function providerFolders(folder: string): Record<string, string | undefined> {
  const found = mirror();
  const shared = found === undefined && existsSync(PROVIDERS);
  // One of links into a mirror is so cheap that each project has its own.
  const plugins = shared ? PROVIDERS : path.join(folder, ".plugins");
  mkdirSync(plugins, { recursive: true });
  const config = found === undefined ? ownConfig() : configForBoth(folder, found);
  return { [CONFIG_VARIABLE]: config, TF_PLUGIN_CACHE_DIR: plugins };
}

/** Terraform complains on every run of a file that is not there. */
function ownConfig(): string | undefined {
  const named = process.env[CONFIG_VARIABLE];
  return named && existsSync(named) ? named : undefined;
}

/** The folder of the `filesystem_mirror` that Terraform's command line is configured to use, if it is. */
export function mirror(): string | undefined {
  const config = ownConfig();
  if (config === undefined) return undefined;
  return /filesystem_mirror\s*\{[^}]*?path\s*=\s*"([^"]+)"/.exec(readFileSync(config, "utf8"))?.[1];
}

/**
 * OpenTofu takes `hashicorp/aws` from another registry than Terraform, and so looks elsewhere in a mirror: one of links, in which
 * each provider is under both names.
 */
function configForBoth(folder: string, mirror: string): string {
  const links = path.join(folder, ".mirror");
  const from = path.join(mirror, REGISTRIES.terraform);
  const packages = readdirSync(from).flatMap((namespace) =>
    readdirSync(path.join(from, namespace)).map((name) => path.join(namespace, name)),
  );
  const providers = Object.values(REGISTRIES).flatMap((registry) =>
    packages.map((name) => {
      // Terraform follows a link that stands for a provider's platform, but none above it.
      for (const version of readdirSync(path.join(from, name))) {
        mkdirSync(path.join(links, registry, name, version), { recursive: true });
        for (const platform of readdirSync(path.join(from, name, version))) {
          const link = path.join(links, registry, name, version, platform);
          if (!existsSync(link)) symlinkSync(path.join(from, name, version, platform), link);
        }
      }
      return `"${registry}/${name}"`;
    }),
  );
  const list = `[${providers.join(", ")}]`;
  const file = path.join(folder, ".terraformrc");
  writeFileSync(
    file,
    `disable_checkpoint = true
provider_installation {
  filesystem_mirror {
    path    = "${links}"
    include = ${list}
  }
  direct {
    exclude = ${list}
  }
}
`,
  );
  return file;
}
