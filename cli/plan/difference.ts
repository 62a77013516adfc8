import { structuredPatch } from "diff";
import { at, hiddenByName, type Mask, SENSITIVE, UNKNOWN, withoutHidden } from "./hidden";
import type { Json, Marks, ResourceChange } from "./terraform-plan";
import { decodeUserData, filesOf } from "./user-data";

/** One attribute before and after, as it may be shown. */
export interface ValueDifference {
  readonly path: string;
  /** Absent where there was none. */
  readonly before?: string;
  readonly after?: string;
}

/** A text before and after, as the lines of a unified diff. */
export interface TextDifference {
  /** The attribute, and the file where user data holds several: `user_data: /usr/local/sbin/stingy-sync`. */
  readonly name: string;
  readonly added: number;
  readonly removed: number;
  readonly lines: readonly string[];
}

export interface Differences {
  readonly values: readonly ValueDifference[];
  readonly texts: readonly TextDifference[];
}

const CONTEXT_LINES = 3;
const LONGEST_VALUE = 200;
const USER_DATA = /^user_data(_base64)?$/;
/** What Terraform compares instead of a file: as long as a key, and no secret. */
const DIGEST = /^(source_code_hash|code_sha256|output_base64sha256)$/;
/** Lines that differ in nothing that may be shown. */
const HIDDEN_ONLY = "differs only in what is not shown";

/** What differs between the two sides of a change, without what is sensitive. */
export function differences({ change }: ResourceChange, mask: Mask): Differences {
  const values: ValueDifference[] = [];
  const texts: TextDifference[] = [];
  const created = change.actions.includes("create");
  const forced = new Set((change.replace_paths ?? []).map(([first]) => String(first)));

  const value = (path: string, before: Json, after: Json, same: boolean) => {
    const shown = (side: Json) => {
      if (side === undefined) return {};
      if (DIGEST.test(path) && typeof side === "string" && !isHidden(side)) return "(a digest)";
      return shorten(mask.text(side === null ? "null" : oneLine(side)));
    };
    const [was, is] = [shown(before), shown(after)];
    values.push({
      path: mask.text(path),
      ...(typeof was === "string" ? { before: was } : {}),
      ...(typeof is === "string" ? { after: is === was && !same ? `${is}, another` : is } : {}),
    });
  };

  const walk = (path: string, key: string, before: Json, after: Json, marks: Sides): void => {
    const was = hiddenByName(key, before) ?? withoutHidden(before, marks.before, undefined);
    const is = hiddenByName(key, after) ?? withoutHidden(after, marks.after, marks.unknown);
    if (equal(before, after) && equal(was, is)) return;
    if (isEmpty(was) && isEmpty(is)) return;
    if (USER_DATA.test(key) && typeof was !== "object" && typeof is !== "object") {
      const both = [was, is].map((side) => (isHidden(side) ? undefined : filesOfUserData(side)));
      const [older, newer] = both;
      if (older && newer) {
        for (const name of [...new Set([...older.keys(), ...newer.keys()])]) {
          texts.push(...textDifference(`${path}: ${name}`, older.get(name) ?? "", newer.get(name) ?? "", mask));
        }
        return;
      }
    } else if (isTree(was) || isTree(is)) {
      if ((isTree(was) || isEmpty(was)) && (isTree(is) || isEmpty(is))) {
        const keys = new Set([...Object.keys(was ?? {}), ...Object.keys(is ?? {})]);
        for (const inner of keys) {
          const list = Array.isArray(was ?? is);
          walk(
            list ? `${path}[${inner}]` : path === "" ? inner : `${path}.${inner}`,
            inner,
            before?.[inner],
            after?.[inner],
            {
              before: at(marks.before, inner),
              after: at(marks.after, inner),
              unknown: at(marks.unknown, inner),
            },
          );
        }
        return;
      }
    } else if (!isHidden(was) && !isHidden(is)) {
      const [older, newer] = [asLines(was), asLines(is)];
      if (older !== undefined || newer !== undefined) {
        texts.push(...textDifference(path, older ?? String(was ?? ""), newer ?? String(is ?? ""), mask));
        return;
      }
    }
    // A resource made anew gets new ids, and AWS's defaults where nothing is said: nobody has to read them all.
    if ((is === UNKNOWN || is === null) && created && !forced.has(path)) return;
    value(path, was, is, equal(was, is) && equal(before, after));
  };

  walk("", "", change.before ?? {}, change.after ?? {}, {
    before: change.before_sensitive,
    after: change.after_sensitive,
    unknown: change.after_unknown,
  });
  return {
    values: values.sort((a, b) => a.path.localeCompare(b.path)),
    texts: texts.sort((a, b) => a.name.localeCompare(b.name)),
  };
}

interface Sides {
  readonly before: Marks;
  readonly after: Marks;
  readonly unknown: Marks;
}

function textDifference(name: string, before: string, after: string, mask: Mask): TextDifference[] {
  if (before === after) return [];
  const { hunks } = structuredPatch("", "", mask.text(before), mask.text(after), "", "", { context: CONTEXT_LINES });
  const lines = hunks.flatMap(({ oldStart, newStart, lines }) => [`@@ line ${oldStart} → ${newStart} @@`, ...lines]);
  const count = (sign: string) => lines.filter((line) => line.startsWith(sign)).length;
  return [
    {
      name: mask.text(name),
      added: count("+"),
      removed: count("-"),
      lines: lines.length > 0 ? lines : [`@@ ${HIDDEN_ONLY} @@`],
    },
  ];
}

function filesOfUserData(side: Json): ReadonlyMap<string, string> | undefined {
  if (isEmpty(side)) return new Map();
  const text = decodeUserData(String(side));
  return text === undefined ? undefined : filesOf(text);
}

/** A text of several lines, or JSON written out; undefined for what fits on a line. */
function asLines(side: Json): string | undefined {
  if (typeof side !== "string") return undefined;
  if (/^\s*[{[]/.test(side)) {
    try {
      return `${JSON.stringify(JSON.parse(side), null, 2)}\n`;
    } catch {
      // Text that only begins like JSON.
    }
  }
  return side.includes("\n") ? side : undefined;
}

/** AWS gives nothing in many forms, and Terraform takes them for one. */
function isEmpty(side: Json): boolean {
  return (
    side === undefined || side === null || side === "" || (typeof side === "object" && Object.keys(side).length === 0)
  );
}

const isTree = (side: Json) => typeof side === "object" && side !== null;
const isHidden = (side: Json) => side === SENSITIVE || side === UNKNOWN;
const oneLine = (side: Json) => (typeof side === "string" ? side : JSON.stringify(side)).replace(/\s+/g, " ");
const shorten = (text: string) => (text.length <= LONGEST_VALUE ? text : `${text.slice(0, LONGEST_VALUE)}…`);

export function equal(a: Json, b: Json): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}
