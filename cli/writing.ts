import { CliError } from "./exit";

/** Does what writes into a folder that an option or a variable names, and says which where that cannot be done. */
export function writing<T>(folder: string, namedBy: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    const { code, path: where = folder } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new CliError(`${where} cannot be written (${code}).`, {
      fix: `Name a folder that is yours with ${namedBy}.`,
      cause: error,
    });
  }
}
