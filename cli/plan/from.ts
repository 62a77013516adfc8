import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { CliError, usageError } from "../exit";
import { parsePlan, type TerraformPlan } from "./terraform-plan";

const STDIN = "-";

/** Reads plans that were made elsewhere: FILE or FILE=STACK, - for standard input. */
export async function readPlans(
  given: readonly string[],
): Promise<{ readonly id: string; readonly plan: TerraformPlan }[]> {
  const named = given.map(split);
  if (named.filter(({ file }) => file === STDIN).length > 1) throw usageError("--from - can be given once.");
  const twice = named.find(({ id }, index) => named.findIndex((one) => one.id === id) < index);
  if (twice) throw usageError(`Two plans would be called ${twice.id}.`, "Say which stack each is: FILE=STACK.");
  return named.map(({ file, id }) => ({ id, plan: parsePlan(read(file), file === STDIN ? "standard input" : file) }));
}

function split(given: string): { file: string; id: string } {
  const equals = given.lastIndexOf("=");
  if (equals > 0 && !existsSync(given)) {
    const id = given.slice(equals + 1);
    if (!/^[\w.-]+$/.test(id))
      throw usageError(`--from ${given}: "${id}" is no stack.`, "A stack is called such as prod-tokyo-server.");
    return { file: given.slice(0, equals), id };
  }
  return { file: given, id: given === STDIN ? "plan" : path.basename(given).replace(/\.json$/, "") };
}

function read(file: string): Buffer {
  try {
    return readFileSync(file === STDIN ? 0 : file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === "ENOENT"
        ? "there is no such file"
        : code === "EISDIR"
          ? "it is a folder"
          : `it cannot be read (${code})`;
    throw new CliError(`${file === STDIN ? "standard input" : file}: ${why}.`, {
      fix: "Name a plan's JSON.",
      cause: error,
    });
  }
}
