import { setTimeout as sleep } from "node:timers/promises";
import type { Context as LambdaContext } from "aws-lambda";
import type { ClientOverrides } from "../shared/clients";
import type { Variables } from "../shared/environment";
import { outwardError } from "../shared/errors";
import { createLog } from "../shared/log";
import { siteMetrics } from "../shared/metrics";
import type { Context } from "./act";
import { AwsCloud } from "./aws-cloud";
import { createController, type Summary } from "./run";
import { readSettings } from "./settings";

export interface Replacements extends Partial<Pick<Context, "now" | "sleep">> {
  readonly sdk?: ClientOverrides;
  readonly write?: (line: string) => void;
}

export function createHandler(variables: Variables, { sdk, write, ...clock }: Replacements = {}) {
  const metrics = siteMetrics(variables, write);
  try {
    const { level, ...settings } = readSettings(variables);
    const cloud = new AwsCloud(settings, sdk);
    const log = createLog(level, write);
    const controller = createController({ settings, cloud, log, metrics, now: () => new Date(), sleep, ...clock });
    return async (event: unknown, context?: Pick<LambdaContext, "invokedFunctionArn">) => {
      try {
        return await controller(event, placeOf(context?.invokedFunctionArn));
      } catch (error) {
        throw outwardError(error);
      }
    };
  } catch (error) {
    createLog("error", write).error("failed", { error });
    metrics.count("Failures");
    metrics.flush();
    throw error;
  }
}

/** The function's own ARN says where it is: arn:aws:lambda:REGION:ACCOUNT:function:NAME. */
function placeOf(arn: string | undefined): { region?: string; account?: string } {
  const [, , , region, account] = arn?.split(":") ?? [];
  return region && account ? { region, account } : {};
}

let warm: ReturnType<typeof createHandler> | undefined;

export const handler = async (event: unknown, context?: LambdaContext): Promise<Summary> => {
  warm ??= createHandler(process.env);
  return warm(event, context);
};
