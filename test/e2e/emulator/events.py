"""EventBridge: events reach functions and servers, and schedules fire by the emulator's clock."""

import calendar
import json
import re
import sys
import uuid
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import control
import functions
import wire
from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.utils import get_backend
from moto.events.exceptions import ValidationException
from moto.events.models import EventsBackend, Rule, events_backends
from moto.scheduler.exceptions import ValidationException as ScheduleRefused
from moto.scheduler.models import EventBridgeSchedulerBackend, Schedule, scheduler_backends
from moto.ssm.models import ssm_backends

MOST_RETRIES = 185
OLDEST_EVENT_SECONDS = 24 * 3600
LONGEST_PAUSE_SECONDS = 300

RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
CRON = re.compile(r"cron\(([^()]+)\)")
ONCE = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
SECONDS = {"minute": 60, "hour": 3600, "day": 24 * 3600}
MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
WEEKDAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}


class Refused(ValueError):
    """A time that the emulator does not understand."""


def _numbers(text: str, first: int, last: int, names: dict[str, int] | None = None) -> frozenset[int]:
    """What a field of cron(…) allows: *, ?, lists, ranges, steps, names."""
    allowed: set[int] = set()
    for part in text.upper().split(","):
        where, _, step = part.partition("/")
        low, _, high = where.partition("-")
        try:
            ends = [(names or {}).get(end) or int(end) for end in (low, high) if end not in ("", "*", "?")]
            every = int(step) if step else 1
        except ValueError:
            raise Refused(f"{text} is not understood: there are *, ?, lists, ranges, steps and names, and no L, W or #") from None
        if where in ("*", "?"):
            begin, end = first, last
        elif len(ends) == 2:
            begin, end = ends
        elif ends:
            begin, end = ends[0], last if step else ends[0]
        else:
            raise Refused(f"{text} has an empty part")
        if every < 1 or not (first <= begin <= last and first <= end <= last):
            raise Refused(f"{text} is not within {first} to {last}")
        if end < begin:
            end += last - first + 1
        allowed.update((number - first) % (last - first + 1) + first for number in range(begin, end + 1, every))
    return frozenset(allowed)


@dataclass(frozen=True)
class Cron:
    """Six fields: minutes, hours, day of the month, month, day of the week, year."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    years: frozenset[int]
    zone: ZoneInfo

    def after(self, moment: datetime) -> datetime | None:
        local = moment.replace(tzinfo=timezone.utc).astimezone(self.zone).replace(tzinfo=None)
        for day in self._days(local.date()):
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone)
                    due = wall.astimezone(timezone.utc)
                    # A time that is left out when clocks go forward is left out; one that comes twice is taken once.
                    if due.astimezone(self.zone).replace(tzinfo=None) != wall.replace(tzinfo=None):
                        continue
                    if due.replace(tzinfo=None) > moment:
                        return due.replace(tzinfo=None)
        return None

    def _days(self, first: date) -> Iterator[date]:
        for year in sorted(year for year in self.years if year >= first.year):
            begin = max(first, date(year, 1, 1))
            for number in range((date(year, 12, 31) - begin).days + 1):
                day = begin + timedelta(days=number)
                weekday = day.isoweekday() % 7 + 1
                if day.month in self.months and day.day in self.days and weekday in self.weekdays:
                    yield day


def cron(fields: str, zone: str) -> Cron:
    parts = fields.split()
    if len(parts) != 6:
        raise Refused(f"cron({fields}) has {len(parts)} fields: it needs 6")
    minutes, hours, days, months, weekdays, years = parts
    if (days == "?") == (weekdays == "?"):
        raise Refused(f"cron({fields}): one of day of the month and day of the week is ?, and only one")
    return Cron(
        _numbers(minutes, 0, 59),
        _numbers(hours, 0, 23),
        _numbers(days, 1, 31),
        _numbers(months, 1, 12, MONTHS),
        _numbers(weekdays, 1, 7, WEEKDAYS),
        _numbers(years, 1970, 2199),
        ZoneInfo(zone),
    )


def next_time(expression: str, since: datetime, after: datetime, zone: str = "UTC") -> datetime | None:
    """When it is due next after a moment. A rate counts from `since`.

    @throws Refused"""
    if found := RATE.fullmatch(expression):
        period = timedelta(seconds=int(found[1]) * SECONDS[found[2]])
        if not period:
            raise Refused(f"{expression}: a rate is 1 or more")
        return since + ((after - since) // period + 1) * period
    if found := CRON.fullmatch(expression):
        return cron(found[1], zone).after(after)
    if found := ONCE.fullmatch(expression):
        once = datetime.fromisoformat(found[1]).replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc).replace(tzinfo=None)
        return once if once > after else None
    raise Refused(f"{expression} is not rate(…), cron(…) or at(…)")


@dataclass
class Delivery:
    """An event on its way to a target."""

    target: dict
    body: str
    arn: str
    """Of the rule or the schedule."""
    attributes: dict[str, str]
    since: datetime
    attempts: int = 0

    def go(self) -> str:
        """@returns what became of it"""
        try:
            with control.one_at_a_time:
                send(self)
            return "delivered"
        except Undelivered as problem:
            return self._try_again(problem)

    def _try_again(self, problem: "Undelivered") -> str:
        policy = self.target.get("RetryPolicy", {})
        pause = timedelta(seconds=min(2**self.attempts, LONGEST_PAUSE_SECONDS))
        due = control.clock.now() + pause
        oldest = self.since + timedelta(seconds=policy.get("MaximumEventAgeInSeconds", OLDEST_EVENT_SECONDS))
        exhausted = None
        if self.attempts >= policy.get("MaximumRetryAttempts", MOST_RETRIES):
            exhausted = "MaximumRetryAttempts"
        elif due > oldest:
            exhausted = "MaximumEventAgeInSeconds"
        if problem.lasting or exhausted:
            queue = self.target.get("DeadLetterConfig", {}).get("Arn")
            if queue:
                told = {
                    **self.attributes,
                    "TARGET_ARN": self.target["Arn"],
                    "ERROR_CODE": problem.code,
                    "ERROR_MESSAGE": str(problem),
                    "RETRY_ATTEMPTS": str(self.attempts),
                    **({"EXHAUSTED_RETRY_CONDITION": exhausted} if exhausted else {}),
                }
                functions.send(queue, self.body, **told)
            return f"not delivered: {problem}"
        self.attempts += 1
        control.clock.at(due, f"delivery {self.attempts + 1} to {self.target['Arn']}", self.go)
        return f"to be tried again: {problem}"


class Undelivered(Exception):
    def __init__(self, code: str, text: str, lasting: bool) -> None:
        super().__init__(text)
        self.code = code
        self.lasting = lasting


def send(delivery: Delivery) -> None:
    """@throws Undelivered"""
    _, _, service, region, account, resource = delivery.target["Arn"].split(":", 5)
    if service == "lambda":
        to_function(delivery, account, region, resource.removeprefix("function:"))
    elif service == "ssm":
        to_servers(delivery, account, region, resource.removeprefix("document/"))
    else:
        raise Undelivered("INVALID_PARAMETER", f"the emulator delivers nothing to {service}", lasting=True)


def to_function(delivery: Delivery, account: str, region: str, named: str) -> None:
    name, _, qualifier = named.partition(":")
    fault = meet_fault(region, name, delivery.body)
    if fault in ("throttle", "error", "silence"):
        codes = {"throttle": "THROTTLING", "error": "ERROR_FROM_TARGET", "silence": "TIMEOUT"}
        raise Undelivered(codes[fault], f"Lambda did not take the event: {fault}", lasting=False)
    try:
        fn = get_backend(account, region).get_function(name, qualifier or None)
    except UnknownFunctionException as unknown:
        raise Undelivered("NO_RESOURCE", unknown.message, lasting=True) from None
    if ":rule/" in delivery.arn and not functions.may_call(fn, "events", delivery.arn):
        text = f"{delivery.arn} may not call {name}: the function has no permission for it"
        raise Undelivered("NO_PERMISSIONS", text, lasting=True)
    functions.ask(account, region, name, qualifier or None, delivery.body)
    if fault == "lost":
        raise Undelivered("TIMEOUT", "Lambda took the event, and its answer was lost", lasting=False)


def meet_fault(region: str, name: str, body: str) -> str | None:
    """A fault of lambda:Invoke meets EventBridge's calls too, though they are not made over the network here."""
    path = f"/2015-03-31/functions/{name}/invocations"
    call = wire.Call("lambda", region, "Invoke", "events", "rest-json", body.encode(), "POST", path, "")
    fault = control.fault_of(call)
    return None if fault is None else fault.kind


def to_servers(delivery: Delivery, account: str, region: str, document: str) -> None:
    backend = ssm_backends[account][region]
    if document not in backend._documents:
        raise Undelivered("NO_RESOURCE", f"there is no document {document}", lasting=True)
    told = delivery.target.get("RunCommandParameters", {}).get("RunCommandTargets", [])
    backend.send_command(
        comment="",
        document_name=document,
        timeout_seconds=3600,
        instance_ids=[],
        max_concurrency="50",
        max_errors="0",
        notification_config=None,
        output_s3_bucket_name="",
        output_s3_key_prefix="",
        output_s3_region="",
        parameters=json.loads(delivery.target.get("Input") or "{}"),
        service_role_arn="",
        targets=told,
    )


def body_for(target: dict, event: dict) -> str:
    if target.get("Input"):
        return target["Input"]
    if target.get("InputPath"):
        return json.dumps(found_at(target["InputPath"], event))
    if "InputTransformer" in target:
        return transformed(target["InputTransformer"], event)
    return json.dumps(event)


def found_at(path: str, event: dict) -> object:
    value: object = event
    for key in path.removeprefix("$").split("."):
        if key:
            value = value.get(key) if isinstance(value, dict) else None
    return value


def transformed(transformer: dict, event: dict) -> str:
    """A name in a string becomes text, one that stands alone becomes JSON."""
    values = {name: found_at(path, event) for name, path in transformer.get("InputPathsMap", {}).items()}

    def text(found: re.Match) -> str:
        value = values.get(found[1])
        return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]

    def replace(found: re.Match) -> str:
        return json.dumps(values.get(found[1])) if found[1] else re.sub("<([^<>]+)>", text, found[0])

    return re.sub(r'"(?:[^"\\]|\\.)*"|<([^<>]+)>', replace, transformer["InputTemplate"])


def deliver(rule: Rule, event: dict) -> list[str]:
    """To the functions and servers that are the rule's targets; the others are moto's."""
    results = []
    for target in list(rule.targets):
        if is_ours(target):
            body = body_for(target, event)
            attributes = {"RULE_ARN": rule.arn}
            delivery = Delivery(target, body, rule.arn, attributes, control.clock.now())
            results.append(f"{target['Arn']}: {delivery.go()}")
    return results


def is_ours(target: dict) -> bool:
    return target["Arn"].split(":")[2] in ("lambda", "ssm")


def from_aws(event: dict, region: str) -> None:
    bus = events_backends[event["account"]][region].event_buses["default"]
    epoch = (datetime.fromisoformat(event["time"].removesuffix("Z")) - datetime(1970, 1, 1)).total_seconds()
    for rule in list(bus.rules.values()):
        rule.send_to_targets({**deepcopy(event), "time": epoch, "ingestion-time": epoch})


control.subscribers.append(from_aws)


class Alarm:
    """What fires a rule or a schedule at its next time."""

    def __init__(self, what: str, expression: str, zone: str, fire) -> None:
        self.since = control.clock.now()
        self._what, self._expression, self._zone, self._fire = what, expression, zone, fire
        self._due: control.Due | None = None
        self._stopped = False
        self.wind(self.since)

    def wind(self, after: datetime) -> None:
        when = next_time(self._expression, self.since, after, self._zone)
        if when is not None:
            self._due = control.clock.at(when, self._what, lambda: self._ring(when))

    def _ring(self, when: datetime) -> object:
        # It may have been stopped by a request since it fell due.
        with control.one_at_a_time:
            if self._stopped:
                return None
            self.wind(max(when, control.clock.now()))
        return self._fire(when)

    def stop(self) -> None:
        self._stopped = True
        if self._due is not None:
            self._due.cancel()


_alarms: dict[str, Alarm] = {}
control.on_reset.append(_alarms.clear)


def set_alarm(arn: str, what: str, expression: str | None, zone: str, fire) -> None:
    stop_alarm(arn)
    if expression:
        _alarms[arn] = Alarm(what, expression, zone, fire)


def stop_alarm(arn: str) -> None:
    if arn in _alarms:
        _alarms.pop(arn).stop()


def iso(when: datetime) -> str:
    return f"{when.isoformat(timespec='seconds')}Z"


def fire_rule(rule: Rule, when: datetime) -> list[str]:
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": rule.account_id,
        "time": iso(when),
        "region": rule.region_name,
        "resources": [rule.arn],
        "detail": {},
    }
    return deliver(rule, event)


def fire_schedule(schedule: Schedule, when: datetime) -> str:
    target = schedule.target
    attributes = {"SCHEDULE_ARN": schedule.arn, "SCHEDULED_TIME": iso(when)}
    body = target.get("Input") or "{}"
    delivery = Delivery(target, body, schedule.arn, attributes, control.clock.now())
    return f"{target['Arn']}: {delivery.go()}"


def rules_can_be_silent() -> None:
    """A rule that is disabled delivers all the same, and one that has only a schedule delivers every event."""
    deliver_always = Rule.send_to_targets

    def send_to_targets(self, *rest, **more):
        if self.state != "DISABLED" and self.event_pattern.get_pattern():
            deliver_always(self, *rest, **more)

    Rule.send_to_targets = send_to_targets


def events_reach_functions_and_servers() -> None:
    """A rule whose target is a function or Run Command answers PutEvents with 500."""
    to_others = Rule.send_to_targets

    def send_to_targets(self, original_event, transform_input=True):
        if not self.event_pattern.matches_event(original_event):
            return
        plain = {key: value for key, value in original_event.items() if key != "ingestion-time"}
        if not isinstance(plain["time"], str):
            plain["time"] = iso(datetime.fromtimestamp(float(plain["time"]), timezone.utc).replace(tzinfo=None))
        deliver(self, plain)
        kept = self.targets
        for target in [target for target in kept if not is_ours(target)]:
            self.targets = [target]
            try:
                to_others(self, original_event, transform_input)
            except NotImplementedError:
                print(f"the emulator delivers nothing to {target['Arn']}", file=sys.stderr)
            finally:
                self.targets = kept

    Rule.send_to_targets = send_to_targets


def nobody_speaks_for_aws() -> None:
    """PutEvents takes events whose source is `aws.…`, which only AWS itself can send."""
    put = EventsBackend.put_events
    refused = {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}

    def put_events(self, events):
        if len(events) > 10:
            return put(self, events)
        entries = []
        for event in events:
            theirs = str(event.get("Source", "")).startswith("aws.")
            entries.append(dict(refused) if theirs else put(self, [event])[0])
        return entries

    EventsBackend.put_events = put_events


def rules_fire_by_the_clock() -> None:
    """A rule with a schedule never fires."""
    put, remove = EventsBackend.put_rule, EventsBackend.delete_rule
    enable, disable = Rule.enable, Rule.disable

    def begin(rule):
        if rule.scheduled_expression:
            set_alarm(rule.arn, f"rule {rule.name}", rule.scheduled_expression, "UTC", lambda when: fire_rule(rule, when))

    def put_rule(self, name, *rest, **more):
        check(more.get("scheduled_expression"), "UTC", ValidationException)
        rule = put(self, name, *rest, **more)
        stop_alarm(rule.arn)
        if rule.state != "DISABLED":
            begin(rule)
        return rule

    def enabled(self):
        if self.state == "DISABLED":
            begin(self)
        enable(self)

    def disabled(self):
        stop_alarm(self.arn)
        disable(self)

    def delete_rule(self, name, event_bus_arn):
        rule = self._get_event_bus(self._normalize_event_bus_arn(event_bus_arn)).rules.get(name)
        remove(self, name, event_bus_arn)
        if rule is not None:
            stop_alarm(rule.arn)

    EventsBackend.put_rule, EventsBackend.delete_rule = put_rule, delete_rule
    Rule.enable, Rule.disable = enabled, disabled


def schedules_fire_by_the_clock() -> None:
    """A schedule of EventBridge Scheduler never fires."""
    create, update = EventBridgeSchedulerBackend.create_schedule, EventBridgeSchedulerBackend.update_schedule
    remove, remove_group = EventBridgeSchedulerBackend.delete_schedule, EventBridgeSchedulerBackend.delete_schedule_group

    def begin(schedule):
        stop_alarm(schedule.arn)
        if schedule.state != "DISABLED":
            zone = schedule.schedule_expression_timezone
            set_alarm(
                schedule.arn,
                f"schedule {schedule.name}",
                schedule.schedule_expression,
                zone,
                lambda when: fire_schedule(schedule, when),
            )
        return schedule

    def checked(change):
        def changed(self, **given):
            check(given["schedule_expression"], given["schedule_expression_timezone"] or "UTC", ScheduleRefused)
            return begin(change(self, **given))

        return changed

    def delete_schedule(self, group_name, name):
        schedule = self.get_schedule(group_name, name)
        remove(self, group_name, name)
        stop_alarm(schedule.arn)

    def delete_schedule_group(self, name):
        for schedule in self.get_schedule_group(name).schedules.values():
            stop_alarm(schedule.arn)
        remove_group(self, name)

    EventBridgeSchedulerBackend.create_schedule = checked(create)
    EventBridgeSchedulerBackend.update_schedule = checked(update)
    EventBridgeSchedulerBackend.delete_schedule = delete_schedule
    EventBridgeSchedulerBackend.delete_schedule_group = delete_schedule_group


def check(expression: str | None, zone: str, refusal: type[Exception]) -> None:
    if not expression:
        return
    try:
        now = control.clock.now()
        next_time(expression, now, now, zone)
    except (Refused, KeyError, OSError, ValueError) as problem:
        raise refusal(f"Parameter ScheduleExpression is not valid. {problem}") from None


GAPS = (
    # In this order: what is silent delivers to nobody.
    events_reach_functions_and_servers,
    rules_can_be_silent,
    nobody_speaks_for_aws,
    rules_fire_by_the_clock,
    schedules_fire_by_the_clock,
)
