import { MOST_REPORTED, REPORTED_KEY_CHARACTERS, siteNames } from "../../modules/names";
import { runDocument, whyNot, whyNotDone } from "../run-document";
import { ACTIVE_WITHIN_SECONDS } from "./defaults";
import type { SiteStore } from "./site-store";

const WAIT_MS = 5_000;

export interface Traffic {
  /** Epoch, in seconds, by the server's clock. */
  readonly lastHandshake: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** What the server says of its peers, by the beginnings of their keys. */
export interface Report {
  /** The server's own clock, which the handshakes are stamped with. */
  readonly now: number;
  readonly traffic: ReadonlyMap<string, Traffic>;
  /** Whether it stopped at its limit, so that a peer that is not in it may have been heard of all the same. */
  readonly cut: boolean;
}

export type Live =
  | { readonly report: Report; readonly reason?: undefined }
  | { readonly report?: undefined; readonly reason: string };

export type Activity = "active" | "idle" | "never" | "unknown";

export async function liveReport({ aws, site, instanceId }: SiteStore): Promise<Live> {
  if (instanceId === undefined) return { reason: "the site has no server yet" };
  try {
    const run = await runDocument(aws, { document: siteNames(site).peersDocument, instanceId, waitMs: WAIT_MS });
    const reason = whyNotDone(run, instanceId);
    if (reason !== undefined) return { reason };
    const report = parseReport(run.output);
    return report ? { report } : { reason: `the server ${instanceId} gave no report (${run.status})` };
  } catch (error) {
    return { reason: whyNot(error, aws.region) };
  }
}

/** Reads what modules/server/peer-report.ts has the server print. Undefined where it is something else. */
export function parseReport(output: string): Report | undefined {
  const [first = "", ...lines] = output.split("\n").filter((line) => line.trim() !== "");
  if (!/^\d{9,11}$/.test(first)) return undefined;
  const traffic = new Map<string, Traffic>();
  for (const line of lines) {
    const [, at, key, received, sent] = /^(\d+) (\S+) (\d+) (\d+)$/.exec(line) ?? [];
    if (key === undefined) continue;
    traffic.set(key, { lastHandshake: Number(at), receivedBytes: Number(received), sentBytes: Number(sent) });
  }
  return { now: Number(first), traffic, cut: lines.length >= MOST_REPORTED };
}

export function trafficOf({ traffic }: Report, publicKey: string): Traffic | undefined {
  return traffic.get(publicKey.slice(0, REPORTED_KEY_CHARACTERS));
}

export function activityOf(live: Live, publicKey: string): Activity {
  if (!live.report) return "unknown";
  const traffic = trafficOf(live.report, publicKey);
  if (!traffic) return live.report.cut ? "unknown" : "never";
  return isActive(live.report, traffic) ? "active" : "idle";
}

/** As the server counts its metric PeersActive. */
export function isActive({ now }: Report, { lastHandshake }: Traffic): boolean {
  return now - lastHandshake < ACTIVE_WITHIN_SECONDS;
}
