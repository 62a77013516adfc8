import { siteNames } from "../../modules/names";
import { explainAwsError } from "../aws-errors";
import { progress } from "../output";
import { runDocument } from "../run-document";
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
    const { status } = await progress("Waiting for the server", () =>
      runDocument(aws, { document, instanceId, waitMs: WAIT_MS }),
    );
    if (status === "Success") return { applied: true };
    return {
      applied: false,
      reason:
        status === "Pending"
          ? `the server ${instanceId} has not answered in time`
          : `the server ${instanceId} says ${status}`,
    };
  } catch (error) {
    return { applied: false, reason: whyNot(error, aws.region, instanceId) };
  }
}

/** "It will, at the latest …" */
export function notYet({ reason }: Applied): string {
  return `Not yet: ${reason}. It does so by itself, at the latest within ${AT_THE_LATEST} of being able to.`;
}

/** What kept a server from answering, as a clause. */
export function whyNot(error: unknown, region: string, instanceId: string): string {
  const name = error instanceof Error ? error.name : "";
  if (name === "InvalidInstanceId") return `Systems Manager does not reach the server ${instanceId}`;
  if (name === "InvalidDocument") return "the site was deployed by an older version: run `npx cdktf deploy '*'`";
  const explained = explainAwsError(error, region);
  const message = explained instanceof Error ? explained.message : String(explained);
  return message.replace(/\.$/, "");
}
