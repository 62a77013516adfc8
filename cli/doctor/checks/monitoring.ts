import { shellQuote } from "../../../modules/bootstrap/shell";
import { STORE } from "../../../modules/store/names";
import { runbookOf } from "../../alarms";
import { alertTopicArn, type Recipient } from "../../recipients";
import { attention, broken, type Check, ok, seen, skipped } from "../check";
import { aws, deploy, stingy } from "../commands";
import type { Facts } from "../facts";

const MINUTE_MS = 60_000;
/** Health publishes every minute; CloudWatch shows it a minute or two later. */
const PUBLISHES_WITHIN_MS = 10 * MINUTE_MS;

export const alarms: Check = {
  id: "alarms",
  group: "Monitoring",
  title: "no alarm rings",
  needs: ["deployed"],
  run: (facts) => {
    const found = seen(facts.alarms);
    const ringing = found.filter(({ state }) => state === "ALARM");
    if (ringing.length > 0) {
      return attention(
        ringing
          .map(
            ({ name, description, since }) =>
              `${name} rings${since ? ` since ${since.toISOString().slice(0, 16)}Z` : ""}${description ? `: ${description}` : ""}`,
          )
          .join(" "),
        `What to do: ${ringing.map((alarm) => runbookOf(facts.site, alarm)).join(", ")}. The log: \`${stingy(facts, "server logs")}\`.`,
      );
    }
    return found.length === 0
      ? skipped("there is none")
      : ok(found.length === 1 ? "1 alarm, quiet" : `${found.length} alarms, all quiet`);
  },
};

/** AWS does not make a second subscription of the same address: it sends its mail again. */
function subscribe(facts: Facts, email: string): string {
  const topic = alertTopicArn(facts.site, seen(facts.caller).account);
  return aws(facts, `sns subscribe --topic-arn ${topic} --protocol email --notification-endpoint ${shellQuote(email)}`);
}

export const subscriptions: Check = {
  id: "subscriptions",
  group: "Monitoring",
  title: "somebody is told of alarms",
  needs: ["deployed"],
  run: (facts) => {
    const found = seen(facts.recipients);
    const deployed = `\`${deploy(facts)}\``;
    if (found.length === 0) {
      return attention(
        "nobody is told of alarms",
        `Put addresses under \`monitoring.emails\` in stingy.yaml, then ${deployed}.`,
      );
    }
    const of = (state: Recipient["state"]) => found.filter((one) => one.state === state).map(({ who }) => who);
    const [unconfirmed, missing, told] = [of("unconfirmed"), of("missing"), of("told")];
    if (unconfirmed.length + missing.length === 0) return ok(told.join(", "));
    return attention(
      [
        ...(told.length === 0 ? ["nobody is told of alarms"] : []),
        ...(unconfirmed.length === 0 ? [] : [`not confirmed: ${unconfirmed.join(", ")}`]),
        ...(missing.length === 0 ? [] : [`not subscribed: ${missing.join(", ")}`]),
      ].join("; "),
      [
        ...(unconfirmed.length === 0
          ? []
          : [
              `Follow the link in AWS's mail "Subscription Confirmation"; look into spam, too.`,
              // What somebody has subscribed by hand, by another protocol, is confirmed where it goes to.
              ...unconfirmed
                .filter((who) => who.includes("@"))
                .map((email) => `This sends it again: \`${subscribe(facts, email)}\`.`),
            ]),
        ...(missing.length === 0 ? [] : [`Have Terraform subscribe who is missing: ${deployed}.`]),
      ].join(" "),
    );
  },
};

export const webhook: Check = {
  id: "webhook",
  group: "Monitoring",
  title: "the webhook's URL is stored as a secret",
  needs: ["deployed"],
  run: (facts) => {
    if (facts.site.monitoring.webhook === "none") return skipped("the site has no webhook");
    const type = seen(facts.webhookUrlType);
    const path = `${facts.site.storePrefix}/${STORE.webhookUrl}`;
    // Neither an argument, which the shell remembers, nor a file that stays.
    const write = `\`${aws(facts, `ssm put-parameter --name ${path} --type SecureString --overwrite --value file:///dev/stdin`)}\`, and then the URL, Enter and Ctrl-D`;
    if (type === undefined) return broken(`${path} is missing, so no alarm reaches the webhook`, `Write it: ${write}.`);
    if (type === "SecureString") return ok("there, and encrypted");
    return broken(
      `${path} is a ${type} in plain text, and whoever may read it can post there`,
      `Take it away: \`${aws(facts, `ssm delete-parameter --name ${path}`)}\`. Have a new URL made, and write that: ${write}.`,
    );
  },
};

export const metrics: Check = {
  id: "metrics",
  group: "Monitoring",
  title: "the server's programs say that they live",
  needs: ["server-state"],
  run: (facts) => {
    const { lastPublished } = seen(facts.metrics);
    const promotedAt = seen(facts.parameters).get(STORE.instanceId)?.modifiedAt;
    const quiet = facts.now.getTime() - (lastPublished?.getTime() ?? 0);
    if (quiet < PUBLISHES_WITHIN_MS) return ok("metrics come every minute");
    if (promotedAt && facts.now.getTime() - promotedAt.getTime() < PUBLISHES_WITHIN_MS) {
      return skipped("it has just become the server");
    }
    return broken(
      `no metric ${lastPublished ? `since ${lastPublished.toISOString().slice(0, 16)}Z` : "in the last hour"}: its programs have died, and its tag says what it said last`,
      `Have it replaced: \`${stingy(facts, "server replace")}\`.`,
    );
  },
};
