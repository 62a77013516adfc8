import { setTimeout as sleep } from "node:timers/promises";
import type { Aws } from "./aws";
import { sdk } from "./sdk";

export interface DocumentRun {
  /** AWS's word: Success, Failed, TimedOut, … or Pending where the server has not answered in time. */
  readonly status: string;
  readonly output: string;
}

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
  const { Command } = await ssm.send(
    new SendCommandCommand({
      DocumentName: document,
      InstanceIds: [instanceId],
      ...(parameters === undefined ? {} : { Parameters: parameters }),
    }),
  );
  const CommandId = Command?.CommandId ?? "";
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
