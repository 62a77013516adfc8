import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";

/** Gzip in base64 in JSON in base64 is as deep as anything here goes. */
const DEEPEST = 5;
const SHORTEST_BASE64 = 16;
const BASE64 = new RegExp(`[A-Za-z0-9+/_-]{${SHORTEST_BASE64},}`, "g");
const GZIP = Buffer.from([0x1f, 0x8b, 0x08]);
/** Terraform's providers are as large as they are public. */
const SKIPPED = new Set(["providers", "node_modules", ".cdktf"]);

/** Secrets by what they are called: only their names are ever told. */
export type Secrets = Readonly<Record<string, string>>;

export interface Place {
  readonly where: string;
  readonly text: string | Buffer;
}

/** `WHAT in WHERE` of each secret that is in a place, in whatever form. */
export function leaks(secrets: Secrets, places: Iterable<Place>): string[] {
  const forms = Object.entries(secrets).map(([name, secret]) => ({ name, forms: formsOf(secret) }));
  const found = new Set<string>();
  for (const { where, text } of places) {
    const layers = [...layersOf(typeof text === "string" ? Buffer.from(text) : text)];
    for (const { name, forms: wanted } of forms) {
      if (layers.some((layer) => wanted.some((form) => layer.includes(form)))) found.add(`${name} in ${where}`);
    }
  }
  return [...found];
}

/** As it is; as a URL, a shell or another base64 writes it; a key as its bytes, too. In base64 it stands in three ways, by what is before it. */
function formsOf(secret: string): string[] {
  const plain = secret.replace(/=+$/, "");
  const texts = new Set([plain, encodeURIComponent(plain), plain.replaceAll("+", "-").replaceAll("/", "_")]);
  const encoded = [...texts].flatMap((text) => [0, 1, 2].map((before) => withinBase64(text, before)));
  const bytes = /^[A-Za-z0-9+/]{43}=$/.test(secret) ? [Buffer.from(secret, "base64").toString("hex")] : [];
  return [...texts, ...encoded, ...bytes, ...bytes.map((hex) => hex.toUpperCase())];
}

/** What of the text's base64 is the same whatever is around it. */
function withinBase64(text: string, before: number): string {
  const encoded = Buffer.from("x".repeat(before) + text).toString("base64");
  const first = Math.ceil((before * 8) / 6);
  const last = Math.floor(((before + text.length) * 8) / 6);
  return encoded.slice(first, last);
}

/** The bytes, and whatever is packed in them. */
function* layersOf(bytes: Buffer, depth = DEEPEST): Generator<Buffer> {
  yield bytes;
  if (depth === 0) return;
  for (let at = bytes.indexOf(GZIP); at >= 0; at = bytes.indexOf(GZIP, at + 1)) {
    const unpacked = gunzipped(bytes.subarray(at));
    if (unpacked) yield* layersOf(unpacked, depth - 1);
  }
  const text = bytes.toString("latin1");
  if (text.includes("%2B") || text.includes("%2F")) {
    yield* layersOf(
      Buffer.from(
        text.replace(/%([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
        "latin1",
      ),
      depth - 1,
    );
  }
  for (const [run] of text.matchAll(BASE64)) {
    const decoded = Buffer.from(run, "base64");
    // Text that only looks like base64 would be decoded for ever.
    if (decoded.includes(GZIP) || isText(decoded)) yield* layersOf(decoded, depth - 1);
  }
}

function gunzipped(bytes: Buffer): Buffer | undefined {
  try {
    return gunzipSync(bytes);
  } catch {
    return undefined;
  }
}

function isText(bytes: Buffer): boolean {
  return bytes.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 9 || byte === 10 || byte === 13);
}

/** Every file of a folder, links left alone. */
export function* filesOf(folder: string): Generator<Place> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) yield* filesOf(file);
    if (entry.isFile()) yield { where: file, text: readFileSync(file) };
  }
}
