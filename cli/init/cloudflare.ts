import { randomBytes } from "node:crypto";
import { type Secret, scrub } from "../../assets/lambda/shared/secret";
import type { CloudflareSettings } from "../../modules/config";
import { CliError, usageError } from "../exit";
import { attention, type Finding, ok, worthKnowing } from "./finding";

const API = "https://api.cloudflare.com/client/v4";
const ANSWER_MS = 15_000;
/** More than enough to see that a token is not for one zone. */
const ZONES_LISTED = 50;
const MOST_NAMED = 5;
const TOKENS_PAGE = "https://dash.cloudflare.com/profile/api-tokens";
const HOW_TO_MAKE = `Make one at ${TOKENS_PAGE} from the template "Edit zone DNS", with this zone alone as its zone resource.`;

interface Answer<T> {
  readonly status: number;
  readonly result: T | undefined;
  readonly reasons: string;
}

interface Zone {
  readonly id: string;
  readonly name: string;
  readonly account?: { readonly id?: string };
}

interface Verified {
  readonly status: string;
  readonly expires_on?: string;
}

/** The same variable as the DDNS updater's and the Terraform provider's. */
export function baseUrl(): string {
  const given = process.env.CLOUDFLARE_BASE_URL;
  if (!given) return API;
  const { protocol, hostname } = URL.canParse(given) ? new URL(given) : { protocol: "", hostname: "" };
  if (protocol === "https:" || (protocol === "http:" && hostname === "127.0.0.1")) return given.replace(/\/+$/, "");
  throw usageError(
    "CLOUDFLARE_BASE_URL is no https address.",
    "Unset it, or give an https address (http only of 127.0.0.1): the token goes there.",
  );
}

/**
 * Whether the token can edit the records of the zone, and of no other. Nothing is changed.
 * @throws CliError when it cannot be used
 */
export async function checkToken(token: Secret, dns: CloudflareSettings, base = baseUrl()): Promise<Finding[]> {
  const api = new Api(base, token);
  const verified = await api.get<Verified>("user/tokens/verify");
  const zone = await findZone(api, dns);
  // A token that an account owns is nobody's as a user's: https://developers.cloudflare.com/fundamentals/api/get-started/account-owned-tokens/
  const account = zone.account?.id;
  const { result: known } =
    verified.result === undefined && account !== undefined
      ? await api.get<Verified>(`accounts/${encodeURIComponent(account)}/tokens/verify`)
      : verified;
  if (known && known.status !== "active") {
    throw new CliError(`Cloudflare says that this token is ${known.status}.`, { fix: HOW_TO_MAKE });
  }
  if (!(await mayEdit(api, zone))) {
    throw new CliError(`This token may not edit the DNS records of ${zone.name}.`, {
      fix: `Give it the permission Zone, DNS, Edit. ${HOW_TO_MAKE}`,
    });
  }
  const others = await otherZones(api, zone);
  return [
    ok("cloudflare-token", `the token may edit the DNS records of ${zone.name}`),
    ...(known?.expires_on === undefined ? [] : [expiry(known.expires_on)]),
    ...(others.length === 0 ? [] : [tooWide(zone.name, others)]),
  ];
}

async function findZone(api: Api, { zone, zoneId }: CloudflareSettings): Promise<Zone> {
  if (zoneId !== undefined) {
    const { result } = await api.get<Zone>(`zones/${zoneId}`);
    if (result === undefined) return { id: zoneId, name: zone };
    if (result.name === zone) return result;
    throw new CliError(`The zone ${zoneId} is ${result.name} at Cloudflare, not ${zone}.`, {
      fix: "Correct dns.zone or dns.zoneId in the configuration.",
    });
  }
  const { result: zones = [], status, reasons } = await api.get<Zone[]>(`zones?${new URLSearchParams({ name: zone })}`);
  const found = zones.find(({ name }) => name === zone);
  if (found) return found;
  if (status === 400 || status === 401) {
    throw new CliError(`Cloudflare does not accept this token: ${reasons}`, { fix: HOW_TO_MAKE });
  }
  const why = status < 300 ? "" : ` (Cloudflare says: ${reasons})`;
  throw new CliError(`This token does not see the zone ${zone}${why}.`, {
    fix: `Check dns.zone, and that the token is for this zone. ${HOW_TO_MAKE}`,
  });
}

/** The `permissions` of a zone are those of its user, not of the token: only an attempt tells, at a record that nobody has. */
async function mayEdit(api: Api, { id }: Zone): Promise<boolean> {
  const nobodys = randomBytes(16).toString("hex");
  const { status } = await api.call(`zones/${id}/dns_records/${nobodys}`, "PATCH");
  return status !== 401 && status !== 403;
}

/** A token for one zone may be refused the list of all, which is as good as a list of one. */
async function otherZones(api: Api, { name: own }: Zone): Promise<string[]> {
  const { result = [] } = await api.get<Zone[]>(`zones?per_page=${ZONES_LISTED}`);
  return result.map(({ name }) => name).filter((name) => name !== own);
}

function expiry(date: string): Finding {
  return worthKnowing(
    "cloudflare-token-expiry",
    `the token expires on ${date.slice(0, 10)}: from then on the name does not follow the server.`,
    "Put a new one into the store before that day: `npx stingy init --cloudflare-token-stdin`.",
  );
}

function tooWide(zone: string, others: readonly string[]): Finding {
  const named = others.slice(0, MOST_NAMED).join(", ") + (others.length > MOST_NAMED ? ", …" : "");
  return attention(
    "cloudflare-token-zones",
    `The token also sees other zones: ${named}. Whoever gets hold of it may change them.`,
    `${zone} alone is enough. ${HOW_TO_MAKE}`,
  );
}

class Api {
  constructor(
    private readonly base: string,
    private readonly token: Secret,
  ) {}

  get<T>(path: string): Promise<Answer<T>> {
    return this.call<T>(path, "GET");
  }

  /** @throws CliError when Cloudflare gives no answer that says yes or no */
  async call<T>(path: string, method: "GET" | "PATCH"): Promise<Answer<T>> {
    const { status, text } = await this.send(path, method);
    const body = parsed(text);
    if (status === 429 || status >= 500 || body === undefined) {
      throw new CliError(`Cloudflare gives no good answer now (HTTP ${status}).`, {
        fix: "Run the command again in a minute; https://www.cloudflarestatus.com says more.",
      });
    }
    const reasons = (body.errors ?? []).map(({ code, message }) => `${code} ${message}`).join(", ");
    const good = status < 300 && body.success === true;
    return { status, result: good ? (body.result as T) : undefined, reasons: scrub(reasons || `HTTP ${status}`) };
  }

  private async send(path: string, method: "GET" | "PATCH") {
    try {
      const response = await fetch(`${this.base}/${path}`, {
        method,
        headers: { authorization: `Bearer ${this.token.reveal()}`, "content-type": "application/json" },
        ...(method === "PATCH" ? { body: "{}" } : {}),
        // The API redirects nobody, and the token goes nowhere else.
        redirect: "manual",
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      return { status: response.status, text: await response.text() };
    } catch (error) {
      const { name, cause } = error as Error & { readonly cause?: { readonly code?: string } };
      throw new CliError(`Cloudflare cannot be reached (${cause?.code ?? name}).`, {
        fix: "Check the network and a proxy, and run the command again.",
      });
    }
  }
}

interface Body {
  readonly success?: boolean;
  readonly result?: unknown;
  readonly errors?: readonly { readonly code?: number; readonly message?: string }[];
}

function parsed(text: string): Body | undefined {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null ? (body as Body) : undefined;
  } catch {
    return undefined;
  }
}
