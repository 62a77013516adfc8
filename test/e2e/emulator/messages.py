"""SNS: who has given an e-mail address confirms it first and then gets mail, and a function is run for a message."""

import json
import sys
from collections import deque
from copy import copy

import control
import functions
from control import answers, clock, stamp
from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.utils import get_backend
from moto.core.responses import ActionResult
from moto.sns.exceptions import SNSInvalidParameter
from moto.sns.models import SNSBackend, Subscription, Topic, sns_backends
from moto.sns.responses import SNSResponse

MAIL = ("email", "email-json")
MOST_MAIL = 10_000

mail: deque[dict] = deque(maxlen=MOST_MAIL)
"""What was mailed to anybody."""
control.on_reset.append(mail.clear)


def post(subscription: Subscription, subject: str, text: str) -> None:
    topic = subscription.topic.arn
    mail.append({"at": stamp(clock.now()), "to": subscription.endpoint, "topic": topic, "subject": subject, "text": text})


def is_pending(subscription: Subscription) -> bool:
    return subscription.attributes.get("PendingConfirmation") is True


def text_for(subscription: Subscription, message: str, given: dict) -> str | None:
    """What a subscription is to be told: nothing where its filter keeps the message out."""
    matcher = subscription._filter_policy_matcher
    if matcher is not None and not matcher.matches(given.get("message_attributes"), message):
        return None
    if given.get("message_structure") == "json":
        return subscription._parse_message_structure(message, subscription.protocol)
    return message


def mail_is_confirmed_first() -> None:
    """An e-mail address counts as confirmed at once, and what it gets can be seen nowhere."""
    subscribe, unsubscribe, to_others = SNSBackend.subscribe, SNSBackend.unsubscribe, Subscription.publish
    answer = SNSResponse.subscribe

    def subscribed(self: SNSBackend, topic_arn: str, endpoint: str, protocol: str) -> Subscription:
        known = self._find_subscription(topic_arn, endpoint, protocol)
        subscription = subscribe(self, topic_arn, endpoint, protocol)
        if protocol in MAIL and (known is None or is_pending(known)):
            subscription.attributes |= {"PendingConfirmation": True, "ConfirmationWasAuthenticated": False}
            text = f"You have chosen to subscribe to the topic: {topic_arn}"
            post(subscription, "AWS Notification - Subscription Confirmation", text)
        return subscription

    def answered(self: SNSResponse) -> ActionResult:
        result = answer(self)
        subscription = self.backend.subscriptions[result.result["SubscriptionArn"]]
        if is_pending(subscription) and not self._get_bool_param("ReturnSubscriptionArn"):
            return ActionResult({"SubscriptionArn": "pending confirmation"})
        return result

    def unsubscribed(self: SNSBackend, subscription_arn: str) -> None:
        if subscription_arn in self.subscriptions and is_pending(self.subscriptions[subscription_arn]):
            raise SNSInvalidParameter("Cannot unsubscribe a subscription that is pending confirmation")
        unsubscribe(self, subscription_arn)

    def publish(self: Subscription, message: str, message_id: str, subject: str | None = None, **given: object) -> None:
        if self.protocol not in MAIL:
            to_others(self, message, message_id, subject=subject, **given)
        elif not is_pending(self) and (text := text_for(self, message, given)) is not None:
            post(self, subject or "AWS Notification Message", text)

    SNSBackend.subscribe, SNSBackend.unsubscribe, Subscription.publish = subscribed, unsubscribed, publish
    SNSResponse.subscribe = answered
    for name in ("list_subscriptions", "list_subscriptions_by_topic"):
        _hide_the_pending_in(name)
    Topic.subscriptions_pending = property(lambda topic: count(topic, True), lambda topic, _: None)
    Topic.subscriptions_confimed = property(lambda topic: count(topic, False), lambda topic, _: None)


def _hide_the_pending_in(name: str) -> None:
    tell = getattr(SNSResponse, name)

    def told(self: SNSResponse) -> ActionResult:
        result = tell(self).result
        return ActionResult({**result, "Subscriptions": [hidden(one) for one in result["Subscriptions"]]})

    setattr(SNSResponse, name, told)


def hidden(subscription: Subscription) -> Subscription:
    """What is pending is listed without its ARN."""
    if not is_pending(subscription):
        return subscription
    shown = copy(subscription)
    shown.arn = "PendingConfirmation"
    return shown


def count(topic: Topic, pending: bool) -> int:
    known = topic.sns_backend.subscriptions.values()
    return sum(one.topic is topic and is_pending(one) is pending for one in known)


def topics_reach_functions() -> None:
    """A topic has a function run in a container of Docker, whether or not the function lets it."""
    to_others = Subscription.publish

    def publish(self: Subscription, message: str, message_id: str, subject: str | None = None, **given: object) -> None:
        if self.protocol != "lambda":
            to_others(self, message, message_id, subject=subject, **given)
        elif (text := text_for(self, message, given)) is not None:
            try:
                call(self, text, message_id, subject, given.get("message_attributes") or {})
            except LookupError as problem:
                print(f"a message of {self.topic.arn} is lost: {problem}", file=sys.stderr)

    Subscription.publish = publish


def call(subscription: Subscription, text: str, message_id: str, subject: str | None, attributes: dict) -> None:
    """@throws LookupError where nothing may be called"""
    topic = subscription.topic.arn
    _, _, _, region, account, _, name, *qualifier = subscription.endpoint.split(":")
    version = qualifier[0] if qualifier else None
    try:
        fn = get_backend(account, region).get_function(name, version)
    except UnknownFunctionException as unknown:
        raise LookupError(unknown.message) from None
    if not functions.may_call(fn, "sns", topic):
        raise LookupError(f"{topic} may not call {name}: the function has no permission for it")
    told = {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": topic,
        "Subject": subject,
        "Message": text,
        "Timestamp": stamp(clock.now()),
        "SignatureVersion": "1",
        "Signature": "EXAMPLE",
        "SigningCertUrl": "EXAMPLE",
        "UnsubscribeUrl": "EXAMPLE",
        "MessageAttributes": attributes,
    }
    source = {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription.arn}
    functions.ask(account, region, name, version, json.dumps({"Records": [{**source, "Sns": told}]}))


def subscriptions() -> list[Subscription]:
    accounts = list(sns_backends.values())
    return [one for regions in accounts for backend in list(regions.values()) for one in backend.subscriptions.values()]


@answers("GET", "mail")
def _tell_mail(given: dict, rest: list, query: dict) -> object:
    """All mail so far, in order."""
    return list(mail)


@answers("POST", "confirmations")
def _confirm(given: dict, rest: list, query: dict) -> object:
    """Whoever reads the mail of an address follows the link in it."""
    with control.one_at_a_time:
        found = [one for one in subscriptions() if one.endpoint == given["address"] and is_pending(one)]
        for subscription in found:
            subscription.attributes |= {"PendingConfirmation": False, "ConfirmationWasAuthenticated": False}
    if not found:
        raise LookupError(f"nothing waits for {given['address']} to be confirmed")
    return [one.topic.arn for one in found]


@answers("GET", "subscriptions")
def _tell_subscriptions(given: dict, rest: list, query: dict) -> object:
    """Those that are pending, too, of which AWS does not tell the ARN."""
    with control.one_at_a_time:
        return [
            {"arn": one.arn, "protocol": one.protocol, "endpoint": one.endpoint, "pending": is_pending(one)}
            for one in subscriptions()
        ]


GAPS = (mail_is_confirmed_first, topics_reach_functions)
