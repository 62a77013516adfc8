import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import { Construct } from "constructs";
import { ServiceRole, stringEquals } from "../iam";
import { STORE } from "../store";
import { commandDocument } from "./command-document";

export interface SyncTriggerProps {
  readonly name: string;
  readonly region: string;
  readonly account: string;
  readonly environment: string;
  readonly site: string;
  readonly storePrefix: string;
  /** What the tag `Name` of the site's servers says. */
  readonly instanceName: string;
}

/** The server's own timer reads the store this often, so that nothing is left to do for what comes later. */
const TIMER_SECONDS = 300;
const RETRIES = 4;

/** What a change of keys or peers shows as. The server writes peer-endpoints itself, every half minute: not that one. */
function storeChange(storePrefix: string): object {
  const watched = [STORE.wireguardConfig, STORE.wireguardPrivateKey, STORE.clientPublicKeys];
  return {
    source: ["aws.ssm"],
    "detail-type": ["Parameter Store Change"],
    detail: {
      name: [...watched.map((name) => `${storePrefix}/${name}`), { prefix: `${storePrefix}/${STORE.peers}/` }],
      operation: ["Create", "Update", "Delete"],
    },
  };
}

/**
 * Has the server read the store at once when keys or peers change there. Best effort, as such events are; the server's
 * own timer is behind it. EventBridge runs the command itself, so there is no function to pay for or to fail.
 */
export class SyncTrigger extends Construct {
  constructor(scope: Construct, id: string, props: SyncTriggerProps) {
    super(scope, id);
    const { name, region, account } = props;
    const document = commandDocument(this, "document", {
      name: `${name}-sync`,
      description: "Reads keys and peers from the store and applies them",
      step: "sync",
      timeoutSeconds: TIMER_SECONDS,
      // What runs now may have read the store before the change: wait for it, then read again.
      commands: [
        'if [ "$(systemctl is-active stingy-sync.service)" = activating ]; then systemctl start stingy-sync.service; fi',
        "systemctl start stingy-sync.service",
      ],
    });
    const rule = new CloudwatchEventRule(this, "rule", {
      name: `${name}-sync`,
      description: "Keys or peers have changed in the store",
      eventPattern: JSON.stringify(storeChange(props.storePrefix)),
      state: "ENABLED",
    });
    const role = new ServiceRole(this, "iam", {
      name: `${name}-sync`,
      description: "Has the site's servers read the store",
      service: "events.amazonaws.com",
      trustConditions: [stringEquals("aws:SourceArn", rule.arn), stringEquals("aws:SourceAccount", account)],
      statements: [
        { sid: "RunThisDocument", actions: ["ssm:SendCommand"], resources: [document.arn] },
        {
          sid: "OnServersOfTheSite",
          actions: ["ssm:SendCommand"],
          resources: [`arn:aws:ec2:${region}:${account}:instance/*`],
          // Systems Manager's own key: SendCommand does not always carry AWS's global ones.
          conditions: [
            stringEquals("ssm:resourceTag/Site", props.site),
            stringEquals("ssm:resourceTag/Environment", props.environment),
          ],
        },
      ],
    });
    new CloudwatchEventTarget(this, "target", {
      rule: rule.name,
      arn: document.arn,
      roleArn: role.arn,
      // EventBridge takes one tag, and this one names environment and site.
      runCommandTargets: [{ key: "tag:Name", values: [props.instanceName] }],
      retryPolicy: { maximumEventAgeInSeconds: TIMER_SECONDS, maximumRetryAttempts: RETRIES },
      dependsOn: [role.policy],
    });
  }
}
