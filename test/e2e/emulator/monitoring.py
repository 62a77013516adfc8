"""CloudWatch: what AWS and the logs publish, and alarms that are evaluated by the emulator's clock. Saved queries and budgets."""

import json
import operator
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

import control
import functions
import machines
from botocore.loaders import Loader
from clock import MINUTE
from control import answers, clock, stamp
from moto.awslambda.models import LambdaFunction
from moto.budgets.exceptions import NotFoundException
from moto.budgets.models import Budget, BudgetsBackend, Notification
from moto.budgets.responses import BudgetsResponse
from moto.cloudwatch.models import Alarm, CloudWatchBackend, MetricDatum, MetricDatumBase, cloudwatch_backends
from moto.core.exceptions import JsonRESTError
from moto.logs.models import LogGroup, logs_backends
from moto.logs.responses import LogsResponse
from moto.sns.models import sns_backends
from moto.sqs.models import SQSBackend, sqs_backends

EPOCH = datetime(1970, 1, 1)
ACTIVE_QUEUE = timedelta(hours=6)
"""SQS publishes nothing about a queue that is empty and that nobody has asked for anything for so long."""
SAME_WORDS_SECONDS = 90
"""For so long of the machine's time a server counts as one that still publishes: one at its usual pace does it every minute."""
MOST_CHANGES = 10_000
MOST_SUBJECT_CHARACTERS = 100
SAVED_QUERY = ("queryDefinitionId", "name", "queryString", "logGroupNames", "lastModified")

COMPARISONS = {
    "GreaterThanThreshold": ("greater than", operator.gt),
    "GreaterThanOrEqualToThreshold": ("greater than or equal to", operator.ge),
    "LessThanThreshold": ("less than", operator.lt),
    "LessThanOrEqualToThreshold": ("less than or equal to", operator.le),
}


@dataclass
class Bucket:
    """What a metric was in a minute."""

    count: float = 0
    total: float = 0
    least: float = float("inf")
    most: float = float("-inf")

    def add(self, count: float, total: float, least: float, most: float) -> None:
        self.count += count
        self.total += total
        self.least = min(self.least, least)
        self.most = max(self.most, most)


STATISTICS: dict[str, Callable[[Bucket], float]] = {
    "Sum": lambda bucket: bucket.total,
    "SampleCount": lambda bucket: bucket.count,
    "Average": lambda bucket: bucket.total / bucket.count,
    "Minimum": lambda bucket: bucket.least,
    "Maximum": lambda bucket: bucket.most,
}

Minutes = dict[int, Bucket]
Key = tuple[str, str, frozenset[tuple[str, str]]]


@dataclass
class Kept:
    """A region's metrics, as alarms look them up: moto has one list of all of them."""

    read: int = 0
    metrics: dict[Key, Minutes] = field(default_factory=dict)


_kept: dict[tuple[str, str], Kept] = {}
_asked_for: dict[str, datetime] = {}
"""When a queue was asked for something last, by its ARN."""
_said: dict[tuple[str, Key], tuple[float, str, MetricDatumBase]] = {}
"""What each server said last of each metric, by its access key, with the machine's time and the region."""
_by_hand: set[str] = set()
"""The alarms whose state somebody has set."""
_queries: dict[tuple[str, str], dict[str, dict]] = {}
_tags: dict[str, dict[str, str]] = {}
"""Of budgets, by their ARN."""
changes: deque[dict] = deque(maxlen=MOST_CHANGES)
control.on_reset += [store.clear for store in (_kept, _asked_for, _said, _by_hand, _queries, _tags, changes)]


def publish(account: str, region: str, namespace: str, name: str, value: float, dimensions: dict, when: datetime) -> None:
    given = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    with control.one_at_a_time:
        cloudwatch_backends[account][region].metric_data.append(MetricDatum(namespace, name, value, given, when))


def key_of(datum: MetricDatumBase | Alarm, name: str) -> Key:
    return datum.namespace, name, frozenset((dimension.name, dimension.value) for dimension in datum.dimensions)


def minute_of(when: datetime) -> int:
    plain = when if when.tzinfo is None else when.astimezone(UTC).replace(tzinfo=None)
    return (plain - EPOCH) // MINUTE


def metrics_of(backend: CloudWatchBackend) -> dict[Key, Minutes]:
    kept = _kept.setdefault((backend.account_id, backend.region_name), Kept())
    for datum in backend.metric_data[kept.read :]:
        minutes = kept.metrics.setdefault(key_of(datum, datum.name), {})
        bucket = minutes.setdefault(minute_of(datum.timestamp), Bucket())
        if isinstance(datum, MetricDatum):
            bucket.add(1, datum.value, datum.value, datum.value)
        else:
            bucket.add(datum.sample_count, datum.sum, datum.min, datum.max)
    kept.read = len(backend.metric_data)
    return kept.metrics


def logs_hold_metrics() -> None:
    """A line of a log in CloudWatch's Embedded Metric Format is no metric."""
    put = LogGroup.put_log_events

    def put_log_events(self: LogGroup, log_stream_name: str, log_events: list[dict]) -> str:
        result = put(self, log_stream_name, log_events)
        for event in log_events:
            for namespace, name, value, dimensions, when in embedded(event["message"]):
                publish(self.account_id, self.region, namespace, name, value, dimensions, when)
        return result

    LogGroup.put_log_events = put_log_events


def embedded(line: str) -> list[tuple[str, str, float, dict, datetime]]:
    """What a line says in the format: nothing where it is any other text."""
    if not line.startswith("{") or '"CloudWatchMetrics"' not in line:
        return []
    try:
        said = json.loads(line)
        when = EPOCH + timedelta(milliseconds=said["_aws"]["Timestamp"])
        found = []
        for directive in said["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = {name: str(said[name]) for name in names}
                for metric in directive["Metrics"]:
                    values = said[metric["Name"]]
                    for value in values if isinstance(values, list) else [values]:
                        found.append((directive["Namespace"], metric["Name"], float(value), dimensions, when))
        return found
    except (ValueError, KeyError, TypeError):
        return []


def runs_are_counted() -> None:
    """No run of a function is counted, nor whether it failed."""

    def count(fn: LambdaFunction, begun: datetime, failed: bool) -> None:
        for name, value in (("Invocations", 1), ("Errors", int(failed))):
            dimensions = {"FunctionName": fn.function_name}
            publish(fn.account_id, fn.region, "AWS/Lambda", name, value, dimensions, begun)

    functions.on_run.append(count)


def queues_are_counted() -> None:
    """What lies in a queue is in no metric."""
    get = SQSBackend.get_queue

    def get_queue(self: SQSBackend, queue_name: str):
        queue = get(self, queue_name)
        _asked_for[queue.queue_arn] = clock.now()
        return queue

    def count(minute: datetime, _: bool) -> list:
        for account, regions in list(sqs_backends.items()):
            for region, backend in list(regions.items()):
                for queue in list(backend.queues.values()):
                    waiting = queue.approximate_number_of_messages
                    asked_for = _asked_for.get(queue.queue_arn)
                    if waiting or (asked_for and minute - asked_for < ACTIVE_QUEUE):
                        name, dimensions = "ApproximateNumberOfMessagesVisible", {"QueueName": queue.name}
                        publish(account, region, "AWS/SQS", name, waiting, dimensions, minute - MINUTE)
        return []

    SQSBackend.get_queue = get_queue
    clock.each_minute.append(alone(count))


def alone(work: Callable) -> Callable:
    def done(minute: datetime, jump: bool) -> list:
        with control.one_at_a_time:
            return work(minute, jump)

    return done


def servers_go_on_publishing() -> None:
    """A played server lives by the machine's time: it publishes nothing in the minutes by which the clock is put forward."""
    put = CloudWatchBackend.put_metric_data

    def put_metric_data(self: CloudWatchBackend, namespace: str, metric_data: list[dict]) -> None:
        before = len(self.metric_data)
        put(self, namespace, metric_data)
        call = control.answering
        if call is not None:
            for datum in self.metric_data[before:]:
                _said[call.key, key_of(datum, datum.name)] = (time.monotonic(), self.region_name, datum)

    def repeat(minute: datetime, jump: bool) -> list:
        last = minute - MINUTE
        for (instance, _), (at, region, datum) in list(_said.items()) if jump else ():
            lately = time.monotonic() - at < SAME_WORDS_SECONDS
            if lately and minute_of(datum.timestamp) < minute_of(last) and is_running(instance):
                again = copy(datum)
                again.timestamp = last
                cloudwatch_backends[control.ACCOUNT][region].metric_data.append(again)
        return []

    CloudWatchBackend.put_metric_data = put_metric_data
    clock.each_minute.append(alone(repeat))


def is_running(instance: str) -> bool:
    try:
        return machines.find(instance).state == "running"
    except LookupError:
        return False


def alarms_are_evaluated() -> None:
    """No alarm is evaluated: each is OK from its beginning, whatever its metric says."""
    put = CloudWatchBackend.put_metric_alarm

    def put_metric_alarm(self: CloudWatchBackend, name: str, *rest: object, **more: object) -> Alarm:
        old = self.alarms.get(name)
        alarm = put(self, name, *rest, **more)
        if old is not None:
            for kept in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp", "history"):
                setattr(alarm, kept, getattr(old, kept))
        elif alarm.rule is None:
            alarm.state_value = "INSUFFICIENT_DATA"
            _by_hand.discard(alarm.alarm_arn)
        return alarm

    CloudWatchBackend.put_metric_alarm = put_metric_alarm
    clock.each_minute.append(alone(evaluate))


def evaluate(minute: datetime, jump: bool) -> list[tuple[str, object]]:
    """One that was set by hand stays so until the clock is put forward: nobody who looks at it has to be quicker than a minute."""
    told = []
    for regions in list(cloudwatch_backends.values()):
        for backend in list(regions.values()):
            metrics = metrics_of(backend) if backend.alarms else {}
            for alarm in list(backend.alarms.values()):
                if not is_evaluated(alarm) or (alarm.alarm_arn in _by_hand and not jump):
                    continue
                _by_hand.discard(alarm.alarm_arn)
                minutes = metrics.get(key_of(alarm, alarm.metric_name), {})
                state, reason = judge(alarm, datapoints(alarm, minutes, minute_of(minute)))
                if state != alarm.state_value:
                    old = alarm.state_value
                    alarm.update_state(reason, "{}", state)
                    changed(backend, alarm, old, minute)
                    told.append((f"alarm {alarm.name}", f"{old} -> {state}: {reason}"))
    return told


def is_evaluated(alarm: Alarm) -> bool:
    """Only those with a statistic of one metric are, by minutes: no composite one, no metric math, no percentile, no unit."""
    known = alarm.statistic in STATISTICS and alarm.comparison_operator in COMPARISONS
    return known and not alarm.unit and alarm.period % 60 == 0


def datapoints(alarm: Alarm, minutes: Minutes, end: int) -> list[float | None]:
    """Of the last periods, the newest first. The window slides: it ends with the minute that has ended."""
    length = alarm.period // 60
    points: list[float | None] = []
    for number in range(alarm.evaluation_periods):
        last = end - number * length
        whole = Bucket()
        for minute in range(last - length, last) if length < len(minutes) else list(minutes):
            if last - length <= minute < last and minute in minutes:
                found = minutes[minute]
                whole.add(found.count, found.total, found.least, found.most)
        points.append(STATISTICS[alarm.statistic](whole) if whole.count else None)
    return points


def judge(alarm: Alarm, points: list[float | None]) -> tuple[str, str]:
    """As CloudWatch documents it, but that it does not look further back where periods are missing."""
    words, compare = COMPARISONS[alarm.comparison_operator]
    missing = alarm.treat_missing_data or "missing"
    if all(point is None for point in points):
        if missing == "missing":
            return "INSUFFICIENT_DATA", f"Insufficient Data: {len(points)} datapoints were unknown."
        if missing == "ignore":
            return alarm.state_value, alarm.state_reason
    bad = sum(missing == "breaching" if point is None else compare(point, alarm.threshold) for point in points)
    said = ", ".join("missing" if point is None else str(point) for point in points)
    rings = bad >= (alarm.datapoints_to_alarm or alarm.evaluation_periods)
    count, be = (bad, "were") if rings else (len(points) - bad, "were not")
    compared = f"{be} {words} the threshold ({alarm.threshold})"
    reason = f"Threshold Crossed: {count} out of the last {len(points)} datapoints [{said}] {compared}."
    return "ALARM" if rings else "OK", reason


def alarms_tell_their_topics() -> None:
    """Nobody is told of an alarm's new state, nor of one that is set by hand."""
    put = CloudWatchBackend.set_alarm_state

    def set_alarm_state(self: CloudWatchBackend, alarm_name: str, *rest: object) -> None:
        old = self.alarms[alarm_name].state_value if alarm_name in self.alarms else ""
        put(self, alarm_name, *rest)
        alarm = self.alarms[alarm_name]
        _by_hand.add(alarm.alarm_arn)
        if alarm.state_value != old:
            changed(self, alarm, old, clock.now())

    CloudWatchBackend.set_alarm_state = set_alarm_state


def changed(backend: CloudWatchBackend, alarm: Alarm, old: str, when: datetime) -> None:
    state = alarm.state_value
    changes.append(
        {
            "at": stamp(when),
            "region": backend.region_name,
            "alarm": alarm.name,
            "from": old,
            "to": state,
            "reason": alarm.state_reason,
        }
    )
    given = {"ALARM": alarm.alarm_actions, "OK": alarm.ok_actions}.get(state, alarm.insufficient_data_actions)
    subject = f'{state}: "{alarm.name}" in {place(backend.region_name)}'[:MOST_SUBJECT_CHARACTERS]
    # Who has given an address is written to in sentences; all others are given JSON.
    told = {"default": json.dumps(message(backend, alarm, old, when)), "email": letter(backend, alarm, old, when)}
    for arn in given if alarm.actions_enabled else ():
        _, _, service, region, account, _ = arn.split(":", 5)
        try:
            if service != "sns":
                raise NotImplementedError(f"the emulator tells nothing to {service}")
            topics = sns_backends[account][region]
            topics.publish(json.dumps(told), arn=arn, subject=subject, message_structure="json")
        except Exception as problem:
            print(f"{alarm.name} could not tell {arn}: {type(problem).__name__}: {problem}", file=sys.stderr)


def message(backend: CloudWatchBackend, alarm: Alarm, old: str, when: datetime) -> dict:
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": backend.account_id,
        "AlarmConfigurationUpdatedTimestamp": zoned(alarm.configuration_updated_timestamp),
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": zoned(when),
        "Region": place(backend.region_name),
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": old,
        "OKActions": alarm.ok_actions,
        "AlarmActions": alarm.alarm_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
        "Trigger": {
            "MetricName": alarm.metric_name,
            "Namespace": alarm.namespace,
            "StatisticType": "Statistic",
            "Statistic": (alarm.statistic or "").upper(),
            "Unit": alarm.unit,
            "Dimensions": [{"value": dimension.value, "name": dimension.name} for dimension in alarm.dimensions],
            "Period": alarm.period,
            "EvaluationPeriods": alarm.evaluation_periods,
            **({"DatapointsToAlarm": alarm.datapoints_to_alarm} if alarm.datapoints_to_alarm else {}),
            "ComparisonOperator": alarm.comparison_operator,
            "Threshold": alarm.threshold,
            "TreatMissingData": alarm.treat_missing_data or "missing",
            "EvaluateLowSampleCountPercentile": "",
        },
    }


def letter(backend: CloudWatchBackend, alarm: Alarm, old: str, when: datetime) -> str:
    return (
        f'You are receiving this email because your Amazon CloudWatch Alarm "{alarm.name}" in the '
        f"{place(backend.region_name)} region has entered the {alarm.state_value} state, because "
        f'"{alarm.state_reason}" at "{when:%A %d %B, %Y %H:%M:%S} UTC".\n\n'
        f"Alarm Details:\n- Name: {alarm.name}\n- Description: {alarm.description}\n"
        f"- State Change: {old} -> {alarm.state_value}\n- Reason for State Change: {alarm.state_reason}\n"
        f"- AWS Account: {backend.account_id}\n- Alarm Arn: {alarm.alarm_arn}\n"
    )


def zoned(when: datetime) -> str:
    return f"{when.isoformat(timespec='milliseconds')}+0000"


@cache
def place(region: str) -> str:
    """What CloudWatch calls a region."""
    known = Loader().load_data("endpoints")["partitions"][0]["regions"]
    return known[region]["description"] if region in known else region


@answers("GET", "alarms")
def _tell_changes(given: dict, rest: list, query: dict) -> object:
    """Every change of an alarm's state, in order."""
    return list(changes)


def queries_can_be_saved() -> None:
    """No query can be saved: Terraform cannot make one."""

    def saved(self: LogsResponse) -> dict[str, dict]:
        return _queries.setdefault((self.current_account, self.region), {})

    def put_query_definition(self: LogsResponse) -> str:
        given = json.loads(self.body)
        queries = saved(self)
        known = given.get("queryDefinitionId")
        if known is not None and known not in queries:
            raise JsonRESTError("ResourceNotFoundException", "The specified query definition does not exist.")
        made = known or str(uuid.uuid4())
        kept = {**given, "queryDefinitionId": made, "lastModified": int((clock.now() - EPOCH).total_seconds() * 1000)}
        queries[made] = {name: kept[name] for name in SAVED_QUERY if name in kept}
        return json.dumps({"queryDefinitionId": made})

    def describe_query_definitions(self: LogsResponse) -> str:
        prefix = json.loads(self.body).get("queryDefinitionNamePrefix", "")
        found = [query for query in saved(self).values() if query["name"].startswith(prefix)]
        return json.dumps({"queryDefinitions": found})

    def delete_query_definition(self: LogsResponse) -> str:
        return json.dumps({"success": saved(self).pop(json.loads(self.body)["queryDefinitionId"], None) is not None})

    LogsResponse.put_query_definition = put_query_definition
    LogsResponse.describe_query_definitions = describe_query_definitions
    LogsResponse.delete_query_definition = delete_query_definition


def budget_of(self: BudgetsResponse, name: str) -> Budget:
    budgets = self.backend.budgets[self._get_param("AccountId")]
    if name not in budgets:
        raise NotFoundException(f"Unable to get budget: {name} - the budget doesn't exist.")
    return budgets[name]


def budgets_can_be_changed() -> None:
    """A budget cannot be changed."""

    def update_budget(self: BudgetsResponse) -> str:
        given = self._get_param("NewBudget")
        old = budget_of(self, given["BudgetName"])
        new = Budget({"TimePeriod": old.budget["TimePeriod"], **given}, [])
        new.notifications = old.notifications
        self.backend.budgets[self._get_param("AccountId")][given["BudgetName"]] = new
        return json.dumps({})

    BudgetsResponse.update_budget = update_budget


def budgets_tell_their_subscribers() -> None:
    """Who is told by a budget cannot be asked: Terraform cannot make one that tells anybody."""

    def describe_subscribers_for_notification(self: BudgetsResponse) -> str:
        asked = self._get_param("Notification")
        for notification in budget_of(self, self._get_param("BudgetName")).notifications:
            if same(notification, asked):
                return json.dumps({"Subscribers": notification.subscribers})
        raise NotFoundException("Unable to get subscribers - the notification doesn't exist.")

    BudgetsResponse.describe_subscribers_for_notification = describe_subscribers_for_notification


def same(notification: Notification, asked: dict) -> bool:
    identity = ("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType")
    return all(notification.details.get(name) == asked.get(name) for name in identity)


def budgets_have_tags() -> None:
    """A budget's tags are not kept, and cannot be asked."""
    create = BudgetsResponse.create_budget

    def create_budget(self: BudgetsResponse) -> str:
        result = create(self)
        arn = f"arn:aws:budgets::{self._get_param('AccountId')}:budget/{self._get_param('Budget')['BudgetName']}"
        _tags[arn] = {tag["Key"]: tag["Value"] for tag in self._get_param("ResourceTags", [])}
        return result

    def list_tags_for_resource(self: BudgetsResponse) -> str:
        tags = _tags.get(self._get_param("ResourceARN"), {})
        return json.dumps({"ResourceTags": [{"Key": key, "Value": value} for key, value in tags.items()]})

    def tag_resource(self: BudgetsResponse) -> str:
        tags = _tags.setdefault(self._get_param("ResourceARN"), {})
        tags.update({tag["Key"]: tag["Value"] for tag in self._get_param("ResourceTags", [])})
        return json.dumps({})

    def untag_resource(self: BudgetsResponse) -> str:
        for key in self._get_param("ResourceTagKeys", []):
            _tags.get(self._get_param("ResourceARN"), {}).pop(key, None)
        return json.dumps({})

    BudgetsResponse.create_budget = create_budget
    BudgetsResponse.list_tags_for_resource = list_tags_for_resource
    BudgetsResponse.tag_resource = tag_resource
    BudgetsResponse.untag_resource = untag_resource


GAPS = (
    logs_hold_metrics,
    runs_are_counted,
    # In this order: what a minute brought is there when the alarms look.
    queues_are_counted,
    servers_go_on_publishing,
    alarms_are_evaluated,
    alarms_tell_their_topics,
    queries_can_be_saved,
    budgets_can_be_changed,
    budgets_tell_their_subscribers,
    budgets_have_tags,
)
