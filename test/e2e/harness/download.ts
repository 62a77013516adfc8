import { existsSync, mkdirSync, renameSync } from "node:fs";
import { PROVIDERS_VARIABLE } from "../../support/terraform";
import { checkRoom, Unfit } from "./prerequisites";
import { CommandFailed, Project } from "./project";
import { CACHE, mirror, PROVIDERS } from "./providers";

/** Has a stack of each kind. */
const EVERYTHING = "sites: {tokyo: {dns: {provider: cloudflare, zone: example.com, name: vpn.example.com}}}\n";
/** Packed and unpacked. */
const NEEDED_MB = 1200;

export interface DownloadOptions {
  /** Hears of what takes time. */
  readonly onStep?: (what: string) => void;
  /** Ends what is running. */
  readonly signal?: AbortSignal;
}

/**
 * Downloads each provider once for all runs, where there is no mirror. Terraform fills a cache neither in one piece nor for two
 * at once: so it is filled beside its place, before anything is deployed.
 */
export async function downloadProviders({ onStep, signal }: DownloadOptions = {}): Promise<void> {
  if (mirror() !== undefined || existsSync(PROVIDERS)) return;
  mkdirSync(CACHE, { recursive: true });
  checkRoom(CACHE, NEEDED_MB);
  onStep?.("downloading Terraform's providers, once");
  const project = Project.create({ config: EVERYTHING, env: {}, folder: `${PROVIDERS}.${process.pid}` });
  const stop = () => void project.stop(0);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    await project.synth();
    for (const stack of project.stacks()) await project.terraform(stack, ["version"]);
    renameSync(project.env.TF_PLUGIN_CACHE_DIR ?? "", PROVIDERS);
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof CommandFailed)) throw error;
    throw new Unfit(
      `Terraform cannot have its providers: ${error.message}`,
      "a provider registry that can be reached, or a mirror",
      `try again, or set TF_CLI_CONFIG_FILE to a mirror's configuration and ${PROVIDERS_VARIABLE} to what it holds.`,
    );
  } finally {
    signal?.removeEventListener("abort", stop);
    await project.remove();
  }
}
