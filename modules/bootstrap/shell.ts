import { BootstrapError } from "./error";
import type { Check } from "./role";

/** One word to every POSIX shell, whatever the text. */
export function shellQuote(text: string): string {
  if (text.includes("\0")) throw new BootstrapError(`${JSON.stringify(text)} has a NUL, which no shell can hold.`);
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A file of variables that a shell sources. */
export function envFile(variables: Readonly<Record<string, string | number>>): string {
  return Object.entries(variables)
    .map(([name, value]) => {
      if (!/^[A-Z_][A-Z0-9_]*$/.test(name)) {
        throw new BootstrapError(
          `${JSON.stringify(name)} is no variable's name: use capital letters, digits and underscores.`,
        );
      }
      return `${name}=${shellQuote(String(value))}\n`;
    })
    .join("");
}

/** The file that health sources: a call of `check NAME SEVERITY COMMAND REPAIR` a check. */
export function checksFile(checks: readonly Check[]): string {
  return checks
    .map(({ name, severity = "unfit", command, repair = "" }) =>
      ["check", name, severity, shellQuote(command), `${shellQuote(repair)}\n`].join(" "),
    )
    .join("");
}
