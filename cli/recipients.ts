import type { Subscription } from "@aws-sdk/client-sns";
import type { Site } from "../modules/config";
import { siteNames } from "../modules/names";
import type { Aws } from "./aws";
import { sdk } from "./sdk";

/** Somebody whom alarms reach, or are to reach. */
export interface Recipient {
  /** A mail address, the webhook, or something else that was subscribed by hand. */
  readonly who: string;
  /** AWS tells only whoever has confirmed, and forgets within two days whoever has not. */
  readonly state: "told" | "unconfirmed" | "missing";
}

export const WEBHOOK = "the webhook";

export function alertTopicArn(site: Site, account: string): string {
  return `arn:aws:sns:${site.region}:${account}:${siteNames(site).alertTopic}`;
}

/** Whoever has subscribed to the alarms' topic, and those of the configuration who have not. */
export async function siteRecipients(aws: Aws, site: Site, account: string): Promise<Recipient[]> {
  const { ListSubscriptionsByTopicCommand } = sdk.sns;
  const sns = await aws.sns();
  const found: Subscription[] = [];
  let NextToken: string | undefined;
  do {
    const page = await sns
      .send(
        new ListSubscriptionsByTopicCommand({
          TopicArn: alertTopicArn(site, account),
          ...(NextToken === undefined ? {} : { NextToken }),
        }),
      )
      .catch((error) => {
        if (error instanceof Error && error.name === "NotFoundException") {
          return { Subscriptions: [], NextToken: undefined };
        }
        throw error;
      });
    found.push(...(page.Subscriptions ?? []));
    // Empty, not absent, where there is no more.
    NextToken = page.NextToken || undefined;
  } while (NextToken !== undefined);
  return recipientsOf(site, found);
}

export function recipientsOf(site: Site, subscriptions: readonly Subscription[]): Recipient[] {
  const { emails, webhook } = site.monitoring;
  const subscribed = subscriptions.flatMap((subscription): Recipient[] => {
    const { SubscriptionArn = "" } = subscription;
    const who = whoIs(subscription, siteNames(site).alertForwarder);
    if (SubscriptionArn === "PendingConfirmation") return [{ who, state: "unconfirmed" }];
    // For a while AWS lists what was taken away, too, as "Deleted".
    return SubscriptionArn.startsWith("arn:") ? [{ who, state: "told" }] : [];
  });
  const known = new Set(subscribed.map(({ who }) => who.toLowerCase()));
  return [
    ...subscribed,
    ...[...emails, ...(webhook === "none" ? [] : [WEBHOOK])]
      .filter((who) => !known.has(who.toLowerCase()))
      .map((who): Recipient => ({ who, state: "missing" })),
  ];
}

function whoIs({ Protocol = "", Endpoint = "" }: Subscription, forwarder: string): string {
  if (Protocol.startsWith("email")) return Endpoint;
  if (Endpoint.endsWith(`:function:${forwarder}`)) return WEBHOOK;
  // The address of what somebody has subscribed by hand may hold a password.
  return `what is subscribed by ${Protocol}`;
}
