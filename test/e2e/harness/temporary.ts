import { existsSync, mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** What tsx has compiled, in the temporary folder: it need not be again. */
const COMPILED = `tsx-${process.geteuid?.()}`;

/** From now on everything temporary is in one folder: what is killed leaves sockets and the like behind. @returns it */
export function oneTemporaryFolder(prefix: string): string {
  const compiled = path.join(tmpdir(), COMPILED);
  const folder = mkdtempSync(path.join(tmpdir(), prefix));
  if (existsSync(compiled)) symlinkSync(compiled, path.join(folder, COMPILED));
  process.env.TMPDIR = folder;
  return folder;
}
