import type { Alert, Place } from "./alert";

export interface Post {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export const WEBHOOKS = ["slack", "ntfy", "json"] as const;
export type Webhook = (typeof WEBHOOKS)[number];

/** An alert in the words of each service. */
export const FORMATS: Readonly<Record<Webhook, (alert: Alert, place: Place) => Post>> = { slack, ntfy, json };

const JSON_HEADERS = { "content-type": "application/json" };

/** A phone that is silent at night rings for a high priority; a low one waits until somebody looks. */
const STATES = new Map([
  ["ALARM", { priority: "high", tags: ["rotating_light"] }],
  ["OK", { priority: "low", tags: ["white_check_mark"] }],
]);
const NO_STATE = { priority: "default", tags: [] };

/** https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks */
function slack({ title, text, reason, links: { runbook, dashboard } }: Alert): Post {
  const links = [...slackLink(runbook, "Runbook"), ...slackLink(dashboard, "Dashboard")];
  const lines = [`*${escapeForSlack(title)}*`, escapeForSlack(text), escapeForSlack(reason ?? ""), links.join(" | ")];
  return { headers: JSON_HEADERS, body: JSON.stringify({ text: paragraph(lines) }) };
}

function slackLink(url: string | undefined, label: string): string[] {
  // The bar ends the address.
  return url === undefined ? [] : [`<${escapeForSlack(url).replaceAll("|", "%7C")}|${label}>`];
}

/** The three characters of its control sequences: `<!channel>` would call everybody. */
function escapeForSlack(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** https://docs.ntfy.sh/publish/ */
function ntfy(alert: Alert, { environment, site }: Place): Post {
  const { state, title, text, reason, links } = alert;
  const { priority, tags } = STATES.get(state ?? "") ?? NO_STATE;
  // A notification opens one address; the other one is in its text.
  const [click, other = ""] = [links.runbook, links.dashboard].filter((url) => url !== undefined);
  return {
    headers: {
      "content-type": "text/plain; charset=utf-8",
      Title: header(title),
      Priority: priority,
      Tags: header([...tags, `${environment}-${site}`].join(",")),
      ...(click === undefined ? {} : { Click: header(click) }),
    },
    body: paragraph([text, reason ?? "", other]),
  };
}

/** What fetch takes as a header: anything else goes as RFC 2047 says, which ntfy reads in every header. */
function header(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : `=?UTF-8?B?${Buffer.from(text).toString("base64")}?=`;
}

function json(alert: Alert, { environment, site }: Place): Post {
  return { headers: JSON_HEADERS, body: JSON.stringify({ version: 1, site, environment, ...alert }) };
}

function paragraph(lines: readonly string[]): string {
  return lines.filter((line) => line !== "").join("\n");
}
