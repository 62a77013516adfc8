import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { synthesize } from "../../../cli/plan/project";
import { parseConfig } from "../../../modules/config";
import { PROVIDERS_VARIABLE, providersAtHand, TERRAFORM } from "../../support/terraform";
import { folderWith, ROOT } from "../support/stingy";

const run = promisify(execFile);

/** A terraform of our own: what it answers, by its first argument, as the lines of a shell script. */
export function fakeTerraform(answers: Readonly<Record<string, string>>): string {
  const cases = {
    version: `echo '{"terraform_version":"1.11.4"}'`,
    init: "true",
    output: "echo '{}'",
    ...answers,
  };
  const file = path.join(folderWith(), "terraform");
  writeFileSync(
    file,
    `#!/bin/sh\ncase "$1" in\n${Object.entries(cases)
      .map(([name, lines]) => `${name})\n${lines}\n;;`)
      .join("\n")}\nesac\n`,
  );
  chmodSync(file, 0o755);
  return file;
}

/** `echo` of any text, for a shell. */
export function saying(text: string, then = ""): string {
  return `cat <<'END_OF_TEXT'\n${text}\nEND_OF_TEXT\n${then}`;
}

/** The default site with its state in `state`, with the providers at hand. */
export function settings(state: string, more: Readonly<Record<string, unknown>> = {}): object {
  const aws = providersAtHand()?.get("hashicorp/aws");
  return {
    ...(aws === undefined ? {} : { providers: { aws } }),
    backend: { type: "local", path: path.relative(ROOT, state) },
    sites: {
      tokyo: {
        region: "ap-northeast-1",
        protect: false,
        ...more,
        // The emulator's subnets never get their IPv6 range.
        network: { availabilityZones: ["apne1-az1"], ipv6: false, ...(more.network as object) },
      },
    },
  };
}

export function configFile(settings: object): string {
  return path.join(folderWith({ "stingy.yaml": JSON.stringify(settings) }), "stingy.yaml");
}

/** The real `terraform apply` of these stacks, in this order, as `cdktf deploy` would run it. */
export async function deploy(
  given: object,
  ids: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const folder = folderWith();
  const plugins = path.join(folder, "plugins");
  mkdirSync(plugins);
  const stacks = synthesize(parseConfig(given), ROOT, folder);
  for (const id of ids) {
    const stack = stacks.find((one) => one.id === id);
    if (!stack) throw new Error(`there is no stack ${id}`);
    for (const args of [["init"], ["apply", "-auto-approve"]]) {
      await run(TERRAFORM, [...args, "-input=false", "-no-color"], {
        cwd: stack.folder,
        maxBuffer: 50_000_000,
        env: {
          ...process.env,
          ...env,
          CHECKPOINT_DISABLE: "1",
          TF_PLUGIN_CACHE_DIR: plugins,
          TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE: "1",
        },
      }).catch((error: NodeJS.ErrnoException & { stderr?: string }) => {
        throw new Error(
          error.code === "ENOENT"
            ? `there is no ${TERRAFORM} on this machine: install Terraform 1.10 or later, or name another binary with TERRAFORM_BINARY_NAME`
            : `terraform ${args[0]} of ${id} failed. Where no provider registry can be reached, set TF_CLI_CONFIG_FILE to a mirror's configuration and ${PROVIDERS_VARIABLE} to what it holds.\n${error.stderr}`,
        );
      });
    }
  }
}
