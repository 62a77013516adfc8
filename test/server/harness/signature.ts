import { createHash, createHmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import type { RoleCredentials } from "./imds";

/** A request as it came, before anything has been made of it. */
export interface SignedRequest {
  readonly method: string;
  readonly host: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Why AWS would refuse it, in the words of the error table. */
export type Refusal = "missing" | "unknown" | "token" | "expired" | "skewed" | "scope" | "unsigned" | "signature";

/** AWS takes requests that were signed up to this long ago or ahead. */
const LONGEST_SKEW_MS = 5 * 60 * 1000;

// The library lets its user choose the hash: this is Node's.
export class Sha256 {
  private readonly hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    const key = typeof secret === "string" ? secret : secret && bytes(secret);
    this.hash = key === undefined ? createHash("sha256") : createHmac("sha256", key);
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.hash.update(typeof data === "string" ? data : bytes(data));
  }
  async digest(): Promise<Uint8Array> {
    return this.hash.digest();
  }
}
const bytes = (data: ArrayBuffer | ArrayBufferView): Uint8Array =>
  ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);

/**
 * Signs the request again, with AWS's own library, and compares.
 * @returns why AWS would refuse it, or undefined
 */
export async function refusal(
  request: SignedRequest,
  service: string,
  region: string,
  credentials: (accessKeyId: string) => RoleCredentials | undefined,
): Promise<Refusal | undefined> {
  const { authorization = "", ...headers } = request.headers;
  const [, accessKeyId = "", scope = "", list = "", signature = ""] =
    /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    ) ?? [];
  if (!signature) return "missing";
  const known = credentials(accessKeyId);
  if (known === undefined) return "unknown";
  if (headers["x-amz-security-token"] !== known.sessionToken) return "token";
  if (known.expiration.getTime() < Date.now()) return "expired";

  const [, ...parts] = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(headers["x-amz-date"] ?? "") ?? [];
  const [year = 0, month = 1, day, hour, minute, second] = parts.map(Number);
  const signingDate = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  if (parts.length === 0 || Math.abs(signingDate.getTime() - Date.now()) > LONGEST_SKEW_MS) return "skewed";
  if (scope !== `${parts.slice(0, 3).join("")}/${region}/${service}/aws4_request`) return "scope";

  const signed = new Set(list.split(";"));
  const mustBe = ["host", ...Object.keys(headers).filter((name) => name.startsWith("x-amz-"))];
  if (mustBe.some((name) => !signed.has(name))) return "unsigned";
  const payload = headers["x-amz-content-sha256"];
  if (payload !== undefined && payload !== createHash("sha256").update(request.body).digest("hex")) return "signature";

  const [pathname = "/", query = ""] = request.path.split("?");
  const again = await new SignatureV4({
    service,
    region,
    credentials: known,
    sha256: Sha256,
    applyChecksum: false,
  }).sign(
    {
      method: request.method,
      protocol: "https:",
      hostname: request.host,
      path: pathname,
      query: Object.fromEntries(new URLSearchParams(query)),
      headers: Object.fromEntries(Object.entries(headers).filter(([name]) => signed.has(name))),
      body: request.body,
    },
    { signingDate, signableHeaders: signed },
  );
  return again.headers.authorization?.endsWith(`Signature=${signature}`) ? undefined : "signature";
}
