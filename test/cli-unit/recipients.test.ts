import type { ListSubscriptionsByTopicCommand, Subscription } from "@aws-sdk/client-sns";
import { expect } from "chai";
import type { Aws } from "../../cli/aws";
import { recipientsOf, siteRecipients } from "../../cli/recipients";
import { parseConfig, type Site } from "../../modules/config";

const TOPIC = "arn:aws:sns:ap-northeast-1:123456789012:stingy-vpn-prod-tokyo-alerts";

function siteWith(monitoring: object): Site {
  const [site] = parseConfig({ sites: { tokyo: { monitoring } } }).sites;
  if (!site) throw new Error("the configuration has no site");
  return site;
}

function subscription(Protocol: string, Endpoint: string, SubscriptionArn = `${TOPIC}:0123`): Subscription {
  return { Protocol, Endpoint, SubscriptionArn };
}

const forwarder = "arn:aws:lambda:ap-northeast-1:123456789012:function:stingy-vpn-prod-tokyo-alert-forwarder";

describe("who is told of alarms", () => {
  it("is whoever has confirmed, the webhook's function among them", () => {
    const site = siteWith({ emails: ["me@example.com"], webhook: "slack" });
    const found = [subscription("email", "me@example.com"), subscription("lambda", forwarder)];
    expect(recipientsOf(site, found)).to.deep.equal([
      { who: "me@example.com", state: "told" },
      { who: "the webhook", state: "told" },
    ]);
  });

  it("is not who has not confirmed yet", () => {
    expect(
      recipientsOf(siteWith({ emails: ["me@example.com"] }), [
        subscription("email", "me@example.com", "PendingConfirmation"),
      ]),
    ).to.deep.equal([{ who: "me@example.com", state: "unconfirmed" }]);
  });

  it("lacks whoever of the configuration has not subscribed, or was taken away", () => {
    const site = siteWith({ emails: ["me@example.com", "you@example.com"], webhook: "ntfy" });
    expect(recipientsOf(site, [subscription("email", "you@example.com", "Deleted")])).to.deep.equal([
      { who: "me@example.com", state: "missing" },
      { who: "you@example.com", state: "missing" },
      { who: "the webhook", state: "missing" },
    ]);
    expect(recipientsOf(siteWith({}), [])).to.deep.equal([]);
  });

  it("knows an address whichever way its letters are written", () => {
    expect(
      recipientsOf(siteWith({ emails: ["Me@example.com"] }), [subscription("email", "me@example.com")]),
    ).to.deep.equal([{ who: "me@example.com", state: "told" }]);
  });

  it("is also who was subscribed by hand, of whose address nothing is shown that may be a password", () => {
    expect(
      recipientsOf(siteWith({}), [
        subscription("email-json", "you@example.com"),
        subscription("https", "https://example.com/hook?token=secret"),
      ]),
    ).to.deep.equal([
      { who: "you@example.com", state: "told" },
      { who: "what is subscribed by https", state: "told" },
    ]);
  });

  it("is asked of the site's topic, page by page", async () => {
    const asked: object[] = [];
    const sns = async () => ({
      async send({ input }: ListSubscriptionsByTopicCommand) {
        asked.push(input);
        return input.NextToken === undefined
          ? { Subscriptions: [subscription("email", "me@example.com")], NextToken: "two" }
          : { Subscriptions: [subscription("email", "you@example.com")] };
      },
    });
    const found = await siteRecipients({ sns } as unknown as Aws, siteWith({}), "123456789012");
    expect(found.map(({ who }) => who)).to.deep.equal(["me@example.com", "you@example.com"]);
    expect(asked).to.deep.equal([{ TopicArn: TOPIC }, { TopicArn: TOPIC, NextToken: "two" }]);
  });

  it("is nobody without a topic", async () => {
    const sns = async () => ({
      async send() {
        throw Object.assign(new Error("Topic does not exist"), { name: "NotFoundException" });
      },
    });
    expect(await siteRecipients({ sns } as unknown as Aws, siteWith({}), "123456789012")).to.deep.equal([]);
  });
});
