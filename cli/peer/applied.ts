import { siteNames } from "../../modules/names";
import { progress } from "../output";
import { runDocument, whyNot, whyNotDone } from "../run-document";
import { AT_THE_LATEST } from "./defaults";
import type { SiteStore } from "./site-store";

const WAIT_MS = 15_000;

export interface Applied {
  readonly applied: boolean;
  /** Why not yet: a clause. */
  readonly reason?: string;
}

/** Has the server read the store now, and says whether it did. */
export async function applyNow({ aws, site, instanceId }: SiteStore): Promise<Applied> {
  if (instanceId === undefined) return { applied: false, reason: "the site has no server yet" };
  const document = siteNames(site).syncDocument;
  try {
    const run = await progress("Waiting for the server", () =>
      runDocument(aws, { document, instanceId, waitMs: WAIT_MS }),
    );
    const reason = whyNotDone(run, instanceId);
    return reason === undefined ? { applied: true } : { applied: false, reason };
  } catch (error) {
    return { applied: false, reason: whyNot(error, aws.region) };
  }
}

/** "It will, at the latest …" */
export function notYet({ reason }: Applied): string {
  return `Not yet: ${reason}. It does so by itself, at the latest within ${AT_THE_LATEST} of being able to.`;
}
