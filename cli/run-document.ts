import { setTimeout as sleep } from "node:timers/promises";
import type { Aws } from "./aws";
import { explainAwsError } from "./aws-errors";
import { sdk } from "./sdk";

export interface DocumentRun {
  /** AWS's word: Success, Failed, TimedOut, … Pending where the server has not answered in time, or UNREGISTERED. */
  readonly status: string;
  readonly output: string;
}

/** The status where Systems Manager does not know the server: it has never announced itself, or not for long. */
const UNREGISTERED = "Unregistered";
const POLL_MS = 300;
const ENDED = new Set(["Success", "Failed", "TimedOut", "Cancelled"]);

/** Has the server run one of the site's own documents, and waits for its answer. */
export async function runDocument(
  aws: Aws,
  {
    document,
    instanceId,
    waitMs,
    parameters,
  }: {
    readonly document: string;
    readonly instanceId: string;
    readonly waitMs: number;
    readonly parameters?: Readonly<Record<string, string[]>>;
  },
): Promise<DocumentRun> {
  const { GetCommandInvocationCommand, SendCommandCommand } = sdk.ssm;
  const ssm = await aws.ssm();
  const sent = await ssm
    .send(
      new SendCommandCommand({
        DocumentName: document,
        InstanceIds: [instanceId],
        ...(parameters === undefined ? {} : { Parameters: parameters }),
      }),
    )
    .catch((error) => {
      if (error instanceof Error && error.name === "InvalidInstanceId") return undefined;
      throw error;
    });
  if (!sent) return { status: UNREGISTERED, output: "" };
  const CommandId = sent.Command?.CommandId ?? "";
  for (const end = Date.now() + waitMs; ; await sleep(POLL_MS)) {
    const { Status = "Pending", StandardOutputContent = "" } = await ssm
      .send(new GetCommandInvocationCommand({ CommandId, InstanceId: instanceId }))
      .catch((error) => {
        // It takes a moment until the command that was just sent is known.
        if (error instanceof Error && error.name === "InvocationDoesNotExist")
          return { Status: "Pending" as const, StandardOutputContent: "" };
        throw error;
      });
    if (ENDED.has(Status)) return { status: Status, output: StandardOutputContent };
    if (Date.now() >= end) return { status: "Pending", output: "" };
  }
}

/** Why a run came to nothing, as a clause; undefined where it succeeded. */
export function whyNotDone({ status }: DocumentRun, instanceId: string): string | undefined {
  switch (status) {
    case "Success":
      return undefined;
    case "Pending":
      return `the server ${instanceId} has not answered in time`;
    case UNREGISTERED:
      return `Systems Manager does not reach the server ${instanceId}`;
    default:
      return `the server ${instanceId} says ${status}`;
  }
}

/** Why there was no run, as a clause. */
export function whyNot(error: unknown, region: string): string {
  if (error instanceof Error && error.name === "InvalidDocument")
    return "the site was deployed by an older version: run `npx cdktf deploy '*'`";
  const explained = explainAwsError(error, region);
  const message = explained instanceof Error ? explained.message : String(explained);
  return message.replace(/\.$/, "");
}
