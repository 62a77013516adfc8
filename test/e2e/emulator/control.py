"""The emulator's own controls, under /emulator: clock, faults, stale answers, missing machines and the log of requests.

All of it is forgotten by `/moto-api/reset`.
"""

import json
import re
import select
import socket
import threading
import traceback
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs
from wsgiref.types import StartResponse

import wire
from clock import Due as Due
from clock import clock, stamp

ACCOUNT = "123456789012"
HYPERVISOR = "hypervisor"
"""The access key of what is no request of AWS's customer: it is not noted, and meets no fault."""
MOST_REQUESTS = 200_000
MOST_ANSWERS = 2_000
MOST_GIVEN = 200
LONGEST_SILENCE_SECONDS = 300
REQUEST_ID = re.compile(rb"<requestId>[^<]*</requestId>", re.IGNORECASE)

one_at_a_time = threading.RLock()
"""moto's own state may not be changed by two threads at once. Held while a request is answered, save an invocation."""


class Refused(Exception):
    """A control request that cannot be met."""


@dataclass
class Fault:
    api: str
    kind: str
    times: int | None
    region: str | None
    containing: str | None
    code: str | None

    def meets(self, call: wire.Call) -> bool:
        service, _, action = self.api.partition(":")
        return (
            self.times != 0
            and service == call.service
            and action in ("*", call.action)
            and self.region in (None, call.region)
            and (self.containing is None or call.holds(self.containing))
        )


@dataclass
class Stale:
    api: str
    answers: int


Answer = tuple[str, list[tuple[str, str]], bytes]
Control = Callable[[dict, list[str], dict[str, str]], object]

settings: dict = {"port": 0, "environment": {}}
controls: dict[tuple[str, str], Control] = {}
gaps: list[Callable[[], None]] = []
capacity: list[dict] = []
requests: deque[dict] = deque(maxlen=MOST_REQUESTS)
faults: list[Fault] = []
stale: list[Stale] = []
silent: list[str] = []
"""What is being met with silence."""
subscribers: list[Callable[[dict, str], None]] = []
on_reset: list[Callable[[], None]] = []
on_end: list[Callable[[], None]] = []
_answers: OrderedDict[tuple, list[Answer]] = OrderedDict()
_given: OrderedDict[str, Answer] = OrderedDict()
"""The last answers to calls that change something, by what the SDKs call the invocation."""
_invocations: dict[str, threading.Lock] = {}
"""Those that are being answered."""
answering: wire.Call | None = None
"""The request that moto is answering, held with `one_at_a_time`; nothing while it is the hypervisor's, or what falls due is done."""
_calm = threading.Event()
_choosing = threading.Lock()
_log = None


def answers(method: str, thing: str) -> Callable[[Control], Control]:
    """The function answers `/emulator/THING/…`: it is given the JSON, what follows THING, and the query."""

    def register(function: Control) -> Control:
        controls[method, thing] = function
        return function

    return register


def happened(region: str, source: str, kind: str, detail: dict, resources: list[str] | None = None) -> dict:
    """AWS itself puts an event on the account's bus."""
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": f"{clock.now().isoformat(timespec='seconds')}Z",
        "region": region,
        "resources": resources or [],
        "detail": detail,
    }
    publish(event)
    return event


def publish(event: dict) -> None:
    for subscriber in subscribers:
        subscriber(event, event["region"])


def fault_of(call: wire.Call) -> Fault | None:
    """The fault that this call meets: one time less is left of it."""
    with _choosing:
        fault = next((fault for fault in faults if fault.meets(call)), None)
        if fault is not None and fault.times is not None:
            fault.times -= 1
        return fault


def calm() -> None:
    global _calm
    faults.clear()
    stale.clear()
    capacity.clear()
    _calm.set()
    _calm = threading.Event()


def reset() -> None:
    calm()
    clock.reset()
    requests.clear()
    _answers.clear()
    _given.clear()
    for forget in on_reset:
        forget()


def end() -> None:
    """Ends what the emulator has started."""
    for close in on_end:
        close()


def log_to(name: str) -> None:
    global _log
    _log = open(name, "a", encoding="utf-8")


class Emulator:
    """Stands before moto: answers what is its own, notes every call to AWS, and fails when told to."""

    def __init__(self, moto: Callable) -> None:
        self.moto = moto

    def answer(self, environ: dict, body: bytes) -> Answer:
        """@throws ConnectionAbortedError when there is to be no answer"""
        path = environ["PATH_INFO"]
        if path.startswith("/emulator/"):
            return self._control(environ, body)
        if path == "/moto-api/reset":
            with one_at_a_time:
                reset()
                return self._ask(environ)
        call = wire.read(environ, body)
        if call is None or path.startswith("/moto-api"):
            return self._ask(environ)
        if call.key == HYPERVISOR:
            with one_at_a_time:
                return self._ask(environ)
        invocation = environ.get("HTTP_AMZ_SDK_INVOCATION_ID")
        if invocation is None or call.reads:
            return self._once(environ, call)
        # An answer that got lost between two programs of one machine is no fault that anybody has asked for: who repeats the
        # call is given the same one, and waits for it where the first is still being answered.
        with _invocations.setdefault(invocation, threading.Lock()):
            try:
                if invocation not in _given:
                    answer = self._once(environ, call)
                    if not answer[0].startswith("2"):
                        return answer
                    _given[invocation] = answer
                    if len(_given) > MOST_GIVEN:
                        _given.popitem(last=False)
                return _given[invocation]
            finally:
                _invocations.pop(invocation, None)

    def _once(self, environ: dict, call: wire.Call) -> Answer:
        answer, kept = None, True
        try:
            answer = self._aws(environ, call)
        except _Lost as lost:
            answer, kept = lost.answer, False
        finally:
            self._note(call, answer, kept)
        if not kept:
            raise ConnectionAbortedError
        return answer

    def _aws(self, environ: dict, call: wire.Call) -> Answer:
        fault = fault_of(call)
        if fault is not None and fault.kind == "silence":
            _stay_silent(call, environ["werkzeug.socket"])
            raise ConnectionAbortedError
        if fault is not None and fault.kind in ("throttle", "error"):
            status, headers, said = wire.error(call, fault.kind, fault.code)
            return f"{status} FAULT", list(headers.items()), said
        try:
            if call.api == "lambda:Invoke":
                answer = self._ask(environ)
            else:
                with one_at_a_time:
                    answer = self._ask_for(call, environ)
                    if call.reads:
                        answer = _remembered(call, answer)
        except Exception as problem:
            # moto answers with a page of HTML and 500, which every client repeats for minutes.
            traceback.print_exc()
            missing = isinstance(problem, NotImplementedError)
            code, text = "NotImplemented" if missing else None, f"{type(problem).__name__}: {problem}"
            status, headers, said = wire.error(call, "error", code, text)
            answer = f"{status} REFUSED", list(headers.items()), said
        if fault is not None:
            raise _Lost(answer)
        return answer

    def _ask_for(self, call: wire.Call, environ: dict) -> Answer:
        global answering
        answering = call
        try:
            return self._ask(environ)
        finally:
            answering = None

    def _ask(self, environ: dict) -> Answer:
        given: list = []

        def start(status: str, headers: list, problem: object = None) -> Callable:
            given[:] = [status, headers]
            return lambda data: None

        begin: StartResponse = start
        parts = self.moto(environ, begin)
        try:
            body = b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        return given[0], given[1], body

    def _note(self, call: wire.Call, answer: Answer | None, kept: bool) -> None:
        entry = {
            "at": stamp(clock.now()),
            "service": call.service,
            "region": call.region,
            "action": call.action,
            **({"instance": call.key} if call.key.startswith("i-") else {}),
            "body": call.body.decode("utf-8", "backslashreplace"),
            "path": f"{call.path}?{call.query}" if call.query else call.path,
            "status": int(answer[0].split()[0]) if answer else 0,
            **({} if answer and kept else {"answered": False}),
        }
        requests.append(entry)
        if _log is not None:
            _log.write(f"{json.dumps(entry)}\n")
            _log.flush()

    def _control(self, environ: dict, body: bytes) -> Answer:
        _, _, thing, *rest = environ["PATH_INFO"].split("/")
        function = controls.get((environ["REQUEST_METHOD"], thing))
        query = {name: values[-1] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        headers = [("Content-Type", "application/json")]
        try:
            if function is None:
                raise Refused(f"there is no {environ['REQUEST_METHOD']} /emulator/{thing}")
            result = function(json.loads(body or b"{}"), rest, query)
            return "200 OK", headers, json.dumps(result, default=str).encode()
        except KeyError as missing:
            return "400 BAD REQUEST", headers, json.dumps({"error": f"{missing} is needed"}).encode()
        except LookupError as missing:
            return "404 NOT FOUND", headers, json.dumps({"error": str(missing)}).encode()
        except (Refused, ValueError) as refused:
            return "400 BAD REQUEST", headers, json.dumps({"error": str(refused)}).encode()


class _Lost(Exception):
    def __init__(self, answer: Answer) -> None:
        self.answer = answer


def _stay_silent(call: wire.Call, connection: socket.socket) -> None:
    """Until the client has gone, or the emulator is told to be calm."""
    over = _calm
    silent.append(call.api)
    try:
        for _ in range(LONGEST_SILENCE_SECONDS * 10):
            if over.wait(0.1):
                return
            readable, _, _ = select.select([connection], [], [], 0)
            if readable and not connection.recv(1, socket.MSG_PEEK):
                return
    finally:
        silent.remove(call.api)


def _remembered(call: wire.Call, answer: Answer) -> Answer:
    """Keeps the last two different answers to each question, and gives the older one where that is asked for."""
    key = (call.service, call.region, call.action, call.body, call.path, call.query)
    known = _answers.pop(key, [])
    if not known or _plain(known[-1]) != _plain(answer):
        known = [*known[-1:], answer]
    _answers[key] = known
    if len(_answers) > MOST_ANSWERS:
        _answers.popitem(last=False)
    for entry in stale:
        if entry.api == call.api and entry.answers > 0 and len(known) == 2:
            entry.answers -= 1
            return known[0]
    return answer


def _plain(answer: Answer) -> bytes:
    return REQUEST_ID.sub(b"", answer[2])


def _one_of(given: dict, name: str, allowed: tuple) -> str:
    if given.get(name) not in allowed:
        raise Refused(f"{name} is {given.get(name)!r}: it is one of {', '.join(map(str, allowed))}")
    return given[name]


def _known(given: dict, *allowed: str) -> None:
    for name in given:
        if name not in allowed:
            raise Refused(f"there is no {name}: there are {', '.join(allowed)}")


@answers("GET", "clock")
def _tell_clock(given: dict, rest: list, query: dict) -> object:
    due = [{"at": stamp(due.at), "what": due.what} for due in clock.waiting()]
    return {"ahead": clock.ahead, "now": stamp(clock.now()), "due": due}


@answers("POST", "clock")
def _advance_clock(given: dict, rest: list, query: dict) -> object:
    if "set" in given:
        clock.set(given["set"])
        return {"fired": [], "ahead": clock.ahead}
    seconds = given.get("advance")
    if not isinstance(seconds, int | float) or seconds < 0:
        raise Refused(f"advance is {seconds!r}: it is a number of seconds, 0 or more")
    return {"fired": clock.advance(seconds), "ahead": clock.ahead}


@answers("POST", "faults")
def _add_fault(given: dict, rest: list, query: dict) -> object:
    _known(given, "api", "kind", "times", "region", "containing", "code")
    _one_of(given, "kind", ("throttle", "error", "silence", "lost"))
    if ":" not in given.get("api", ""):
        raise Refused(f"api is {given.get('api')!r}: it is SERVICE:ACTION or SERVICE:*")
    optional = {name: given.get(name) for name in ("times", "region", "containing", "code")}
    faults.append(Fault(given["api"], given["kind"], **optional))
    return {}


@answers("GET", "faults")
def _list_faults(given: dict, rest: list, query: dict) -> object:
    return [vars(fault) for fault in faults]


@answers("GET", "silent")
def _list_silent(given: dict, rest: list, query: dict) -> object:
    return list(silent)


@answers("POST", "stale")
def _add_stale(given: dict, rest: list, query: dict) -> object:
    _known(given, "api", "answers")
    stale.append(Stale(given["api"], int(given["answers"])))
    return {}


@answers("POST", "capacity")
def _take_capacity(given: dict, rest: list, query: dict) -> object:
    _known(given, "zone", "type", "market", "code")
    if "market" in given:
        _one_of(given, "market", ("spot", "on-demand"))
    capacity.append(given)
    return {}


@answers("POST", "calm")
def _be_calm(given: dict, rest: list, query: dict) -> object:
    calm()
    return {}


@answers("POST", "events")
def _put_event(given: dict, rest: list, query: dict) -> object:
    """What is left out of it is filled in."""
    for name in ("source", "detail-type", "region"):
        if name not in given:
            raise Refused(f"the event has no {name}")
    defaults = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "account": ACCOUNT,
        "time": f"{clock.now().isoformat(timespec='seconds')}Z",
        "resources": [],
        "detail": {},
    }
    event = {**defaults, **given}
    with one_at_a_time:
        publish(event)
    return event


@answers("GET", "requests")
def _tell_requests(given: dict, rest: list, query: dict) -> object:
    return list(requests)


@answers("GET", "gaps")
def _tell_gaps(given: dict, rest: list, query: dict) -> object:
    reasons = {gap: " ".join((gap.__doc__ or "").split()) for gap in gaps}
    return [{"name": gap.__name__, "module": gap.__module__, "reason": reason} for gap, reason in reasons.items()]
