import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import {
  type Document,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from "yaml";
import { explain } from "./explain";
import { ConfigError, type Located, type Path, type Problem } from "./problem";
import { type Config, resolve } from "./resolve";
import { checkRules } from "./rules";
import { configSchema, type ParsedConfig } from "./schema";

export const CONFIG_FILE = "stingy.yaml";
export const CONFIG_VARIABLE = "STINGY_CONFIG";
/** sites.<name>.server.maintenanceWindow.days.<index> */
const DEEPEST_SETTING = 6;
/** A configuration of a hundred sites is a tenth of this. */
const LARGEST_FILE_BYTES = 1_000_000;

/**
 * Reads the configuration: the file that STINGY_CONFIG names, else stingy.yaml in `root`, else the defaults.
 * Throws a ConfigError that names everything wrong with it at once.
 */
export function loadConfig(root: string, named?: string): Config {
  const file = named || path.join(root, CONFIG_FILE);
  const shown = named || CONFIG_FILE;
  const text = readText(file, shown, Boolean(named));
  return text === undefined ? parseConfig({}) : parseYaml(text, shown);
}

/** Checks settings that are already an object. */
export function parseConfig(raw: unknown, shown = "configuration"): Config {
  return check(withoutNulls(raw), shown, (problem) => problem);
}

/** Checks the text of a configuration file; `shown` is the file's name in messages. */
export function parseYaml(text: string, shown: string): Config {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true, logLevel: "error" });
  const flaws = [...document.errors, ...document.warnings];
  if (flaws.length > 0) {
    throw new ConfigError(
      shown,
      flaws.map(({ code, message, pos }) => ({
        path: [],
        position: position(lines, code === "DUPLICATE_KEY" ? keyFrom(text, pos[0]) : pos[0]),
        ...yamlFlaw(code, message),
      })),
    );
  }
  if (document.contents === null) {
    throw new ConfigError(shown, [
      {
        path: [],
        problem: "the file is empty",
        fix: "delete it to use the defaults, or write at least `environment: prod`",
      },
    ]);
  }
  if (!isMap(document.contents)) {
    throw new ConfigError(shown, [
      {
        path: [],
        position: position(lines, document.contents.range?.[0] ?? 0),
        problem: "the file holds no settings",
        allowed: "YAML with one `setting: value` a line",
        fix: "put a space after each colon, or start from examples/minimal.yaml",
      },
    ]);
  }
  refuseCycles(document, lines, shown);
  return check(withoutNulls(toPlain(document, shown)), shown, (problem) => {
    const offset = offsetOf(document, problem.path, problem.key ?? false);
    return offset === undefined ? problem : { ...problem, position: position(lines, offset) };
  });
}

function readText(file: string, shown: string, named: boolean): string | undefined {
  const fail = (problem: string, fix: string, given?: string): never => {
    throw new ConfigError(shown, [{ path: [], ...(given ? { given } : {}), problem, fix }]);
  };
  try {
    const stat = statSync(file);
    if (stat.isDirectory())
      return fail("is a folder", `name a file: ${CONFIG_VARIABLE}=${path.join(shown, CONFIG_FILE)}`);
    if (!stat.isFile()) return fail("is no ordinary file", "name a YAML file");
    if (stat.size > LARGEST_FILE_BYTES) {
      return fail(
        `the file has ${stat.size} bytes, a configuration has at most ${LARGEST_FILE_BYTES}`,
        "check that this is the right file",
      );
    }
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    if (error instanceof TypeError) return fail("the file is no UTF-8 text", "save it as UTF-8");
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" && !named) return undefined;
    if (code === "ENOENT") {
      return fail(
        "there is no such file",
        `correct ${CONFIG_VARIABLE}, or unset it to use ${CONFIG_FILE} or the defaults`,
      );
    }
    return fail(`the file cannot be read (${code ?? "unknown error"})`, "make it readable for the user who runs this");
  }
}

const YAML_FLAWS: Record<string, Pick<Problem, "problem" | "fix">> = {
  TAB_AS_INDENT: { problem: "a tab is used to indent", fix: "use spaces" },
  DUPLICATE_KEY: { problem: "the same setting stands here a second time", fix: "keep one of the two" },
  MULTIPLE_DOCS: { problem: "a second document starts here", fix: "remove the line ---" },
  BAD_INDENT: { problem: "the indentation does not fit the lines above", fix: "indent settings of one group alike" },
  TAG_RESOLVE_FAILED: { problem: "a YAML tag that has no meaning here", fix: "remove the word that starts with !" },
};

function yamlFlaw(code: string, message: string): Pick<Problem, "problem" | "fix"> {
  const open = /must be sufficiently indented and end with a (.)/.exec(message)?.[1];
  if (open) return { problem: `a bracket is not closed before this line`, fix: `add the missing ${open}` };
  return (
    YAML_FLAWS[code] ?? {
      problem: `this is no YAML: ${message.split("\n")[0]}`,
      fix: "check the indentation, the colons and the quotes of this line and the one above",
    }
  );
}

/** An alias inside what it repeats would go on for ever. */
function refuseCycles(document: Document, lines: LineCounter, shown: string): void {
  visit(document, {
    Alias(_key, alias, around) {
      if (!around.some((node) => isCollection(node) && node.anchor === alias.source)) return;
      throw new ConfigError(shown, [
        {
          path: [],
          position: position(lines, alias.range?.[0] ?? 0),
          problem: `*${alias.source} stands inside what it repeats`,
          fix: "write the value out",
        },
      ]);
    },
  });
}

function toPlain(document: Document, shown: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 1000 });
  } catch (error) {
    throw new ConfigError(shown, [
      { path: [], problem: `its aliases cannot be resolved: ${(error as Error).message}`, fix: "write the values out" },
    ]);
  }
}

/** `key:` with nothing behind it means the default; for a site, a site with the defaults. */
function withoutNulls(raw: unknown, at: Path = []): unknown {
  if (raw === null || typeof raw !== "object" || Array.isArray(raw)) return raw;
  return Object.fromEntries(
    Object.entries(raw).flatMap(([key, value]) => {
      if (value !== null) return [[key, withoutNulls(value, [...at, key])]];
      return at.length === 1 && at[0] === "sites" ? [[key, {}]] : [];
    }),
  );
}

function check(raw: unknown, shown: string, locate: (problem: Problem) => Located): Config {
  const parsed = configSchema.safeParse(raw);
  const wrong = parsed.success ? [] : parsed.error.issues.flatMap((issue) => explain(issue, raw));
  // The rules are checked on what is left when everything wrong is taken out, so that all problems come at once.
  const { sound, removed } = parsed.success ? { sound: parsed.data, removed: [] } : soundPart(raw, wrong);
  const broken = (sound ? checkRules(sound) : []).filter(
    ({ path: at, involves = [at] }) =>
      !removed.some((gone) => involves.some((one) => startsWith(one, gone) || startsWith(gone, one))),
  );
  const problems = [...wrong, ...broken.map(({ involves: _, ...problem }) => problem)].map(locate);
  if (problems.length > 0 || !sound) {
    problems.sort((a, b) => (a.position?.line ?? 0) - (b.position?.line ?? 0));
    throw new ConfigError(shown, problems);
  }
  return resolve(sound);
}

/** What parses when the wrong settings are taken out, or else, where one of them was needed, their whole group. */
function soundPart(raw: unknown, wrong: readonly Problem[]): { sound?: ParsedConfig; removed: readonly Path[] } {
  let removed = wrong.map(({ path: at }) => at);
  for (let depth = 0; depth < DEEPEST_SETTING && !removed.some((at) => at.length === 0); depth++) {
    const parsed = configSchema.safeParse(without(raw, removed));
    if (parsed.success) return { sound: parsed.data, removed };
    removed = [...removed, ...parsed.error.issues.map((issue) => issue.path.slice(0, -1) as Path)];
  }
  return { removed };
}

function startsWith(longer: Path, start: Path): boolean {
  return start.length <= longer.length && start.every((part, index) => longer[index] === part);
}

/** A copy without the values at these paths; a list that holds one of them goes as a whole. */
function without(raw: unknown, paths: readonly Path[]): unknown {
  if (raw === null || typeof raw !== "object") return raw;
  const copy: Record<string, unknown> = {};
  const insideOf = new Map<string, Path[]>();
  for (const [key, ...rest] of paths) insideOf.set(String(key), [...(insideOf.get(String(key)) ?? []), rest]);
  for (const [key, value] of Object.entries(raw)) {
    const inner = insideOf.get(key) ?? [];
    if (inner.some((at) => at.length === 0 || typeof at[0] === "number")) continue;
    copy[key] = inner.length === 0 ? value : without(value, inner);
  }
  return copy;
}

/** Where the key begins that the parser saw end the lines before `offset`. */
function keyFrom(text: string, offset: number): number {
  return offset + (/^(\s|#.*)*/.exec(text.slice(offset))?.[0].length ?? 0);
}

function position(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

/** Where a setting stands in the text; for one that is not there, its nearest group. */
function offsetOf(document: Document, at: Path, key: boolean): number | undefined {
  let node = document.contents as Node | null;
  let offset = node?.range?.[0];
  for (const [index, part] of at.entries()) {
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(part),
      );
      if (!pair) return offset;
      const keyNode = pair.key as Node;
      offset = keyNode.range?.[0] ?? offset;
      node = (pair.value as Node | null) ?? null;
      const last = index === at.length - 1;
      if (last && !key && (isScalar(node) || isSeq(node))) offset = node.range?.[0] ?? offset;
    } else if (isSeq(node)) {
      node = (node.items[Number(part)] as Node | undefined) ?? null;
      offset = node?.range?.[0] ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}
