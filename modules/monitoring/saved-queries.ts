import { CloudwatchQueryDefinition } from "@cdktf/provider-aws/lib/cloudwatch-query-definition";
import { Construct } from "constructs";

export interface SavedQueriesProps {
  /** The folder that CloudWatch shows them in. */
  readonly name: string;
  readonly controllerLogGroup: string;
  /** Those of all functions, the controller's too. */
  readonly functionLogGroups: readonly string[];
  /** Absent where the server's journal stays on the server. */
  readonly serverLogGroup?: string;
}

export const RECOVERIES = `fields @timestamp, message, action.do as did, market, coalesce(action.instanceId, action.instanceIds.0, instanceIds.0, instanceId) as instance, coalesce(refusal, reason, action.reason) as why, says
| filter message in ["launched", "nothing was launched", "it is not ready any more: nothing is moved"] or (message = "done" and action.do in ["promote", "terminate", "set-desired-state"])
| sort @timestamp desc
| limit 200`;

export const ERRORS = `fields @timestamp, @log, level, message, coalesce(error.message, problems.0.message, problem, says, reason) as why
| filter level in ["warn", "error"] or @message like /Task timed out|Runtime exited|Runtime\\.|Process exited/
| sort @timestamp desc
| limit 200`;

export const PEERS = `fields @timestamp, @logStream as server, @message
| filter @message like /event=(in-step|not-in-step|endpoints-saved|primed|called-back) /
| sort @timestamp desc
| limit 200`;

/** What one asks the logs for, in CloudWatch's Logs Insights. */
export class SavedQueries extends Construct {
  constructor(scope: Construct, id: string, props: SavedQueriesProps) {
    super(scope, id);
    const { controllerLogGroup, functionLogGroups, serverLogGroup } = props;
    const query = (name: string, queryString: string, logGroupNames: readonly string[]) =>
      new CloudwatchQueryDefinition(this, name, {
        name: `${props.name}/${name}`,
        queryString,
        logGroupNames: [...logGroupNames],
      });
    query("recoveries", RECOVERIES, [controllerLogGroup]);
    query("errors", ERRORS, functionLogGroups);
    if (serverLogGroup !== undefined) query("peers", PEERS, [serverLogGroup]);
  }
}
