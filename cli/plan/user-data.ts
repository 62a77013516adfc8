import { gunzipSync } from "node:zlib";
import { parseDocument } from "yaml";

/** User data is 16 KB packed. What unpacks to more than this is no user data. */
const MOST_BYTES = 4_000_000;

/** The text of user data: base64, packed or not, or already text. Undefined where it is neither. */
export function decodeUserData(raw: string): string | undefined {
  if (raw === "") return "";
  if (!isBase64(raw)) return isText(raw) ? raw : undefined;
  return unpack(Buffer.from(raw, "base64"));
}

/**
 * What user data makes, by name: the files of a cloud-config by their paths, packed ones unpacked, and all the rest of it
 * as `cloud-config`. Any other text is one file called `user data`.
 */
export function filesOf(text: string): ReadonlyMap<string, string> {
  const whole = new Map([["user data", text]]);
  if (!text.startsWith("#cloud-config")) return whole;
  const config = read(text);
  if (config === undefined) return whole;
  const entries = (config as { write_files?: unknown } | null)?.write_files;
  if (!Array.isArray(entries)) return new Map([["cloud-config", text]]);
  const files = new Map<string, string>([["cloud-config", withoutFiles(text)]]);
  for (const entry of entries as readonly Readonly<Record<string, unknown>>[]) {
    if (typeof entry?.path !== "string") return whole;
    // A file may be written more than once: then in parts, with `append`.
    const name = files.has(entry.path) ? `${entry.path} (again)` : entry.path;
    files.set(name, `${heading(entry)}${content(entry)}`);
  }
  return files;
}

/** cloud-init's YAML is 1.1. Undefined where it is broken. */
function read(text: string): unknown {
  try {
    const document = parseDocument(text, { version: "1.1", logLevel: "silent" });
    return document.errors.length > 0 ? undefined : document.toJS({ maxAliasCount: 100 });
  } catch {
    return undefined;
  }
}

/** All but the path and the content, so that a changed mode or owner shows too. */
function heading(entry: Readonly<Record<string, unknown>>): string {
  const rest = Object.entries(entry).filter(([key]) => !["path", "content", "encoding"].includes(key));
  return rest
    .map(([key, value]) => `# ${key}: ${typeof value === "string" ? value : JSON.stringify(value)}\n`)
    .join("");
}

const ENCODINGS = ["b64", "base64", "gz+b64", "gz+base64", "gzip+b64", "gzip+base64"];

function content({ content = "", encoding = "" }: Readonly<Record<string, unknown>>): string {
  const text = content instanceof Uint8Array ? Buffer.from(content).toString("base64") : String(content ?? "");
  if (!(content instanceof Uint8Array) && !ENCODINGS.includes(String(encoding))) return text;
  return unpack(Buffer.from(text, "base64")) ?? "(not text)\n";
}

/** A cloud-config's text without the block of its files, which begins at its key and ends before the next. */
function withoutFiles(text: string): string {
  return text.replace(/^write_files:.*\n(?:(?:[ \t#-].*)?\n)*/m, "");
}

function unpack(bytes: Buffer): string | undefined {
  try {
    const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const text = new TextDecoder("utf-8", { fatal: true }).decode(
      packed ? gunzipSync(bytes, { maxOutputLength: MOST_BYTES }) : bytes,
    );
    return isText(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

const isBase64 = (text: string) =>
  /^[A-Za-z0-9+/\r\n]+={0,2}\s*$/.test(text) && text.replace(/\s/g, "").length % 4 === 0;

// biome-ignore lint/suspicious/noControlCharactersInRegex: what no text holds
const isText = (text: string) => !/[\u0000-\u0008\u000e-\u001a\u001c-\u001f]/.test(text);
