import type { Json, Marks, ResourceChange, TerraformPlan } from "./terraform-plan";

export const SENSITIVE = "(sensitive)";
export const UNKNOWN = "(known after apply)";
export const MASKED = "(hidden: looks like a secret)";

/** A shorter text is a word such as "initial" that would be hidden in other places too. */
const SHORTEST_SECRET = 8;

const SECRET_NAME =
  /(?:^|[^a-z])(?:token|secret|pass(?:word|wd|phrase)?|private_?key|preshared_?key|psk|api_?key|secret_?access_?key)$/i;

const mixed = (text: string) => /[a-z]/.test(text) && /[A-Z]/.test(text) && /\d/.test(text);

/** What is a secret by its looks, wherever it stands. */
const LOOKS: readonly { readonly pattern: RegExp; readonly when?: (text: string) => boolean }[] = [
  { pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g },
  // WireGuard: 32 bytes in base64.
  { pattern: /(?<![A-Za-z0-9+])[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=(?![A-Za-z0-9+/=])/g },
  // AWS: an access key's id and its secret.
  { pattern: /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g },
  { pattern: /(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])/g, when: mixed },
  // Cloudflare: an API token, one of the newer form, a global key, an origin key.
  { pattern: /(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{40}(?![A-Za-z0-9_-])/g, when: mixed },
  { pattern: /\bcf[a-z]{1,3}_[A-Za-z0-9_-]{20,}/g },
  { pattern: /(?<![A-Za-z0-9])[0-9a-f]{37}(?![A-Za-z0-9])/g },
  { pattern: /\bv1\.0-[0-9a-f]{24}-[0-9a-f]{100,}/g },
  // HCP Terraform, GitHub, JSON web tokens.
  { pattern: /\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{40,}/g },
  { pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})/g },
  { pattern: /\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*/g },
];

/** `PrivateKey = …`, `"token": "…"`: a secret by its name. A variable or a path after the name is none. */
const ASSIGNED =
  /((?<![A-Za-z])(?:private_?key|preshared_?key|psk|pass(?:word|wd|phrase)?|secret|secret_?access_?key|api[_-]?token|token|api_?key)\\?["']?\s*[=:]\s*\\?["']?)([^\s"'\\$(<>{}[\],;/|&.][^\s"'\\,;]{5,})/gi;
const CREDENTIALS_IN_URL = /(:\/\/)[^\s/"'@:]*:[^\s/"'@]+@/g;

/** Hides in any text what looks like a secret. */
export function maskText(text: string): string {
  let masked = text;
  for (const { pattern, when } of LOOKS) {
    masked = masked.replace(pattern, (found) => (when && !when(found) ? found : MASKED));
  }
  return masked
    .replace(ASSIGNED, (_, name: string) => `${name}${MASKED}`)
    .replace(CREDENTIALS_IN_URL, (_, start: string) => `${start}${MASKED}@`);
}

/** Hides in any text of a plan's report what the plan marks as sensitive elsewhere, and what looks like a secret. */
export class Mask {
  private readonly known: RegExp | undefined;

  constructor(plan: Pick<TerraformPlan, "resource_changes" | "resource_drift">) {
    const secrets = new Set<string>();
    for (const { mode, change } of [...(plan.resource_changes ?? []), ...(plan.resource_drift ?? [])]) {
      // A stack's outputs to another are all marked sensitive by CDKTF, and are ids.
      if (mode !== "managed") continue;
      collect(change.before, change.before_sensitive, secrets);
      collect(change.after, change.after_sensitive, secrets);
    }
    const known = [...secrets]
      .sort((a, b) => b.length - a.length)
      .map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
    if (known.length > 0) this.known = new RegExp(known.join("|"), "g");
  }

  text(text: string): string {
    return maskText(this.known ? text.replace(this.known, SENSITIVE) : text);
  }
}

function collect(value: Json, marks: Marks, into: Set<string>): void {
  if (!marks || value === null || value === undefined) return;
  if (typeof value === "object") {
    for (const [key, inner] of Object.entries(value)) collect(inner, marks === true ? true : at(marks, key), into);
  } else if (marks === true && (typeof value === "string" || typeof value === "number")) {
    const whole = String(value);
    for (const text of [whole, whole.trim(), JSON.stringify(whole).slice(1, -1)]) {
      if (text.length < SHORTEST_SECRET) continue;
      into.add(text);
      into.add(inBase64(text));
    }
  }
}

/** As much of it as stays the same whatever follows. */
function inBase64(text: string): string {
  const bytes = Buffer.from(text);
  return bytes.subarray(0, bytes.length - (bytes.length % 3)).toString("base64");
}

export function at(marks: Marks, key: string | number): Marks {
  if (marks === null || marks === undefined || typeof marks === "boolean") return marks;
  return (marks as Readonly<Record<string, Marks>>)[key];
}

/** A value with words in place of what is sensitive or not known yet. Nothing else of it is changed. */
export function withoutHidden(value: Json, sensitive: Marks, unknown: Marks): Json {
  if (sensitive === true) return SENSITIVE;
  if (unknown === true) return UNKNOWN;
  if (Array.isArray(value) || Array.isArray(unknown)) {
    const length = Math.max(value?.length ?? 0, Array.isArray(unknown) ? unknown.length : 0);
    return Array.from({ length }, (_, index) =>
      withoutHidden(value?.[index], at(sensitive, index), at(unknown, index)),
    );
  }
  if ((value === null || value === undefined) && !hasTrue(unknown)) return value;
  if (typeof value === "object" || (unknown !== null && typeof unknown === "object")) {
    const keys = new Set([
      ...Object.keys(value ?? {}),
      ...Object.keys(unknown ?? {}).filter((key) => hasTrue(at(unknown, key))),
    ]);
    return Object.fromEntries(
      [...keys].map((key) => [
        key,
        hiddenByName(key, value?.[key]) ?? withoutHidden(value?.[key], at(sensitive, key), at(unknown, key)),
      ]),
    );
  }
  return value;
}

/** What stands for a value whose attribute is called a secret; undefined where it may be shown. */
export function hiddenByName(name: string, value: Json): string | undefined {
  return SECRET_NAME.test(name) && typeof value === "string" && value !== "" && !isPath(value) ? SENSITIVE : undefined;
}

/** The name of a secret in the store is none. */
const isPath = (text: string) => /^(\/[\w.-]+)+$/.test(text);

function hasTrue(marks: Marks): boolean {
  return marks === true || (marks !== null && typeof marks === "object" && Object.values(marks).some(hasTrue));
}

export function sidesOf({ change }: ResourceChange): { before: Json; after: Json } {
  return {
    before: withoutHidden(change.before, change.before_sensitive, undefined),
    after: withoutHidden(change.after, change.after_sensitive, change.after_unknown),
  };
}
