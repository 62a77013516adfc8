import { type Dirent, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { ConfigTextError, type Imported, type ImportFile, importFiles } from "../../modules/wireguard";
import { CliError } from "../exit";

/** Far above any file of peers: a text that is larger is something else. */
const LARGEST_BYTES = 10_000_000;
const MOST_FILES = 5_000;

/** Reads the peers of a file, or of every .conf below a folder. */
export function readSource(from: string): Imported {
  const names = filesOf(from);
  const files = names.map((name): ImportFile => ({ name, text: text(name) }));
  try {
    return importFiles(files);
  } catch (error) {
    if (!(error instanceof ConfigTextError)) throw error;
    throw new CliError(error.message, {
      fix: "Allowed are a server's wg0.conf, wg-easy's wg0.json, and devices' own .conf files or a folder of them, as algo makes it.",
      cause: error,
    });
  }
}

function filesOf(from: string): string[] {
  let folder: boolean;
  try {
    folder = statSync(from).isDirectory();
  } catch (error) {
    throw unreadable(from, error);
  }
  if (!folder) return [from];
  const found = confFiles(from);
  if (found.length === 0) {
    throw new CliError(`There is no .conf file in ${from}.`, {
      fix: "Give the file itself, such as wg-easy's wg0.json, or algo's folder configs/ADDRESS/wireguard.",
    });
  }
  return found;
}

function confFiles(folder: string): string[] {
  const found: string[] = [];
  const waiting = [folder];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const entry of entriesOf(next)) {
      const file = path.join(next, entry.name);
      // A link is neither, as one to a folder may lead round in a circle.
      if (entry.isDirectory()) waiting.push(file);
      else if (entry.isFile() && entry.name.toLowerCase().endsWith(".conf")) found.push(file);
      if (found.length > MOST_FILES)
        throw new CliError(`${folder} has more than ${MOST_FILES} .conf files.`, {
          fix: "Give a folder that has only the devices'.",
        });
    }
  }
  return found.sort();
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw unreadable(folder, error);
  }
}

function text(name: string): string {
  try {
    const { size } = statSync(name);
    if (size > LARGEST_BYTES) throw new CliError(`${name} has ${size} bytes, too many for a list of peers.`);
    return readFileSync(name, "utf8");
  } catch (error) {
    throw error instanceof CliError ? error : unreadable(name, error);
  }
}

function unreadable(name: string, error: unknown): CliError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "it is not there",
    EACCES: "you may not read it (wg0.conf is often root's: copy it as root, for yourself alone)",
  };
  return new CliError(`${name} cannot be read: ${reasons[code ?? ""] ?? message}.`, { cause: error });
}
