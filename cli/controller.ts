import type { Summary } from "../assets/lambda/recovery-handler/run";
import type { Aws } from "./aws";
import { CliError } from "./exit";

export type ControllerCommand = "pause" | "resume" | "replace" | "status";

/** Gives the controller a command and waits for its answer. */
export async function commandController(aws: Aws, controller: string, command: ControllerCommand): Promise<Summary> {
  const { InvokeCommand } = await import("@aws-sdk/client-lambda");
  const lambda = await aws.lambda();
  const event = { source: "stingy-vpn", "detail-type": "Command", detail: { command } };
  const { Payload, FunctionError } = await lambda
    .send(new InvokeCommand({ FunctionName: controller, Payload: Buffer.from(JSON.stringify(event)) }))
    .catch((error) => {
      if (error instanceof Error && error.name === "ResourceNotFoundException") {
        throw new CliError(`There is no controller ${controller} in ${aws.region}.`, {
          fix: "Run `npx cdktf deploy '*'`. If the site is deployed, check AWS_PROFILE and the setting `region`.",
          cause: error,
        });
      }
      throw error;
    });
  const answer = parse(Payload?.transformToString() ?? "");
  if (FunctionError !== undefined) {
    const { errorMessage = "it gave no reason" } = (answer ?? {}) as { errorMessage?: string };
    throw new CliError(`The controller failed: ${errorMessage}`, {
      fix: "Its log says more: `npx stingy server logs`. It looks again by itself every five minutes.",
    });
  }
  if (answer === null || typeof answer !== "object") {
    throw new CliError("The controller gave an answer that makes no sense.", {
      fix: "Deploy the version of this clone: `npx cdktf deploy '*'`.",
    });
  }
  return answer as Summary;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
