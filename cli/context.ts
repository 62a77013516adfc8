import path from "node:path";
import type { Config, Site } from "../modules/config";
import { type SiteNames, siteNames } from "../modules/names";
import { Aws } from "./aws";
import { CliError, EXIT, usageError } from "./exit";

export const ROOT = path.resolve(__dirname, "..");

/** What every command takes. */
export interface GlobalOptions {
  readonly config?: string;
  readonly site?: string;
  readonly debug?: boolean;
}

/** What a command works with: the configuration and AWS, each looked at only when it is asked for. */
export class Context {
  private made: { readonly config: Config; readonly site?: Site } | undefined;
  private clients: Aws | undefined;

  constructor(readonly options: GlobalOptions) {}

  /** As somebody would type it, for messages: "stingy.yaml". */
  get configFile(): string {
    return this.options.config ?? (process.env.STINGY_CONFIG || "stingy.yaml");
  }

  async config(): Promise<Config> {
    if (!this.made) {
      const { CONFIG_VARIABLE, ConfigError, loadConfig } =
        require("../modules/config") as typeof import("../modules/config");
      try {
        this.made = { config: loadConfig(ROOT, this.options.config ?? process.env[CONFIG_VARIABLE]) };
      } catch (error) {
        if (error instanceof ConfigError) throw new CliError(error.message, { cause: error });
        throw error;
      }
    }
    return this.made.config;
  }

  /** The site that --site names, or the only one. */
  async site(): Promise<Site> {
    const { sites } = await this.config();
    const { site: wanted } = this.options;
    const names = sites.map(({ name }) => name).join(", ");
    const [first, second] = sites;
    if (wanted !== undefined) {
      const found = sites.find(({ name }) => name === wanted);
      if (!found) throw usageError(`There is no site "${wanted}" in ${this.configFile}.`, `It has: ${names}.`);
      return found;
    }
    if (!first) throw new CliError(`${this.configFile} has no site.`);
    if (second) {
      throw new CliError(`${this.configFile} has several sites.`, {
        fix: `Say which one: --site ${first.name} (it has: ${names}).`,
        exit: EXIT.usage,
      });
    }
    return first;
  }

  async names(): Promise<SiteNames> {
    return siteNames(await this.site());
  }

  async aws(): Promise<Aws> {
    this.clients ??= new Aws((await this.site()).region);
    return this.clients;
  }
}
