import type { Summary } from "../assets/lambda/recovery-handler/run";
import type { Aws } from "./aws";
import { CliError } from "./exit";
import { sdk } from "./sdk";

export type ControllerCommand = "pause" | "resume" | "replace" | "status";

/** The longest that the function may run (stacks/recovery-stack.ts), and a little: a call given up would be made again. */
const ORDER_MS = 310_000;

/** Gives the controller a command and waits for its answer. */
export async function commandController(aws: Aws, controller: string, command: ControllerCommand): Promise<Summary> {
  const { InvokeCommand } = sdk.lambda;
  const lambda = await aws.lambda();
  const event = { source: "stingy-vpn", "detail-type": "Command", detail: { command } };
  const { Payload, FunctionError } = await lambda
    .send(
      new InvokeCommand({ FunctionName: controller, Payload: Buffer.from(JSON.stringify(event)) }),
      command === "status" ? {} : { requestTimeout: ORDER_MS },
    )
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
  if (!isSummary(answer)) {
    throw new CliError("The controller gave an answer that makes no sense.", {
      fix: "Deploy the version of this clone: `npx cdktf deploy '*'`.",
    });
  }
  return answer;
}

function isSummary(answer: unknown): answer is Summary {
  const { done, problems } = (answer ?? {}) as Partial<Summary>;
  return Array.isArray(done) && Array.isArray(problems);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
