import { readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { CONFIG_FILE } from "../../modules/config/load";
import { type Context, ROOT } from "../context";
import { CliError } from "../exit";

export interface ConfigFile {
  readonly path: string;
  /** As somebody would type it. */
  readonly shown: string;
  /** Undefined where there is none. */
  readonly text: string | undefined;
}

/** Where loadConfig looks. */
export function configFile(context: Context): ConfigFile {
  const named = context.options.config ?? (process.env.STINGY_CONFIG || undefined);
  const file = named === undefined ? path.join(ROOT, CONFIG_FILE) : path.resolve(named);
  const shown = named ?? CONFIG_FILE;
  try {
    return { path: realpathSync(file), shown, text: readFileSync(file, "utf8") };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return { path: file, shown, text: undefined };
    throw new CliError(`${shown} cannot be read (${code ?? "unknown error"}).`, {
      fix: "Name a file with --config, or make this one readable.",
      cause: error,
    });
  }
}

/** All of it or nothing: a full disk or Ctrl-C leaves the old file as it was. */
export function writeConfigFile({ path: file, shown }: ConfigFile, text: string): void {
  const beside = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}`);
  try {
    writeFileSync(beside, text, { flag: "wx" });
    renameSync(beside, file);
  } catch (error) {
    rmSync(beside, { force: true });
    throw new CliError(`${shown} cannot be written (${(error as NodeJS.ErrnoException).code}).`, {
      fix: "Name a place that you may write to with --config.",
      cause: error,
    });
  }
}

/** The schema as the file names it to editors. */
export function schemaPathFrom({ path: file }: ConfigFile): string {
  const relative = path.relative(path.dirname(file), path.join(ROOT, "stingy.schema.json")).replaceAll(path.sep, "/");
  return relative.startsWith(".") ? relative : `./${relative}`;
}
