"""Lambda: a function runs the code that was uploaded, in a Node.js process, within its time, its memory and its concurrency."""

import base64
import io
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

import control
from moto.awslambda.exceptions import LambdaClientError, UnknownFunctionException
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda.utils import get_backend
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.config import default_user_config
from moto.logs.models import logs_backends
from moto.sqs.models import sqs_backends

RUNNER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run-function.cjs")
SUFFIXES = (".js", ".mjs", ".cjs")
INIT_SECONDS = 10
LOOK_SECONDS = 0.025
"""How often a running function's memory is looked at."""
RETRIES_AFTER_SECONDS = (60, 120)
MOST_RETRIES = 2
OLDEST_EVENT_SECONDS = 6 * 3600
MOST_INVOCATIONS = 10_000
MOST_LOG_BYTES = 4096
MOST_ERROR_CHARACTERS = 1000
SIGNALS = {signal.SIGKILL: "killed", signal.SIGABRT: "aborted", signal.SIGSEGV: "segmentation fault", signal.SIGTERM: "terminated"}

invocations: deque[dict] = deque(maxlen=MOST_INVOCATIONS)
"""What ran: for who wants to know how long it took."""


on_run: list[Callable[[LambdaFunction, datetime, bool], None]] = []
"""Each is told when a function that has run was begun, and whether it failed."""


class Throttled(LambdaClientError):
    code = 429

    def __init__(self) -> None:
        super().__init__("TooManyRequestsException", "Rate Exceeded.")


class NotJson(LambdaClientError):
    def __init__(self, problem: ValueError) -> None:
        super().__init__("InvalidRequestContentException", f"Could not parse request body into json: {problem}")


class Broken(Exception):
    """The process is of no further use."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass
class Outcome:
    payload: str
    error: dict | None
    log: str


class Sandbox:
    """A Node.js process that has loaded one version of a function, and its folder."""

    def __init__(self, fn: LambdaFunction) -> None:
        self.owner = owner(fn)
        self.made_of = made_of(fn)
        self.memory_mb = int(fn.memory_size)
        self.stream = f"{control.clock.now():%Y/%m/%d}/[{fn.version}]{uuid.uuid4().hex}"
        self.folder = tempfile.mkdtemp(prefix="emulator-function-")
        self.retired = False
        self.peak_mb = 0
        with zipfile.ZipFile(io.BytesIO(fn.code_bytes)) as code:
            code.extractall(self.folder)
        self._socket, other = socket.socketpair()
        old_space = self.memory_mb * 9 // 10
        # In a session of its own: Ctrl-C is for who started the emulator, and whoever that is may still need the functions.
        self._process = subprocess.Popen(
            ["node", f"--max-old-space-size={old_space}", RUNNER, self.folder, fn.handler, str(other.fileno())],
            env=variables(fn, self.folder, self.stream),
            cwd=self.folder,
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        other.close()
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._output, False)
        self._watch = select.poll()
        self._watch.register(self._socket, select.POLLIN)
        self._watch.register(self._output, select.POLLIN)
        self._heard = b""
        self._printed = b""
        self._ahead = None

    def load(self) -> dict:
        return self.hear(INIT_SECONDS)

    def run(self, request_id: str, event: object, arn: str, seconds: float) -> dict:
        self.tell({"id": request_id, "event": event, "arn": arn, "within": round(seconds * 1000)})
        return self.hear(seconds)

    def tell(self, message: dict) -> None:
        self._ahead = control.clock.ahead
        try:
            self._socket.sendall(json.dumps({**message, "ahead": self._ahead}).encode() + b"\n")
        except OSError:
            pass  # Why it is gone is told by what it answers.

    def hear(self, seconds: float) -> dict:
        ends = time.monotonic() + seconds
        while b"\n" not in self._heard:
            left = ends - time.monotonic()
            if left <= 0:
                raise Broken("Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds")
            for descriptor, _ in self._watch.poll(min(left, LOOK_SECONDS) * 1000):
                if descriptor == self._output:
                    self._read_output()
                else:
                    said = self._socket.recv(1 << 16)
                    if not said:
                        raise Broken("Runtime.ExitError", self._why_it_ended())
                    self._heard += said
            self._look_at_memory()
            if self.peak_mb > self.memory_mb:
                raise Broken("Runtime.ExitError", "Runtime exited with error: signal: killed")
            if self._ahead not in (None, control.clock.ahead):
                self.tell({})
        line, _, self._heard = self._heard.partition(b"\n")
        return json.loads(line)

    def _read_output(self) -> None:
        try:
            while said := os.read(self._output, 1 << 16):
                self._printed += said
            self._watch.unregister(self._output)
        except BlockingIOError:
            pass
        except (KeyError, OSError):
            pass

    def printed(self) -> list[str]:
        """What it wrote to its standard output and error since it was asked last."""
        self._read_output()
        lines = self._printed.decode("utf-8", "replace").splitlines()
        self._printed = b""
        return lines

    def _look_at_memory(self) -> None:
        """Linux tells what a process needed at most; elsewhere there is no limit."""
        try:
            with open(f"/proc/{self._process.pid}/status", encoding="ascii") as status:
                for line in status:
                    if line.startswith("VmHWM:"):
                        self.peak_mb = max(self.peak_mb, int(line.split()[1]) // 1024)
        except OSError:
            pass

    def _why_it_ended(self) -> str:
        code = self._process.wait()
        if code == 0:
            return "Runtime exited without providing a reason"
        if code < 0:
            return f"Runtime exited with error: signal: {SIGNALS.get(-code, -code)}"
        return f"Runtime exited with error: exit status {code}"

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._socket.close()
        shutil.rmtree(self.folder, ignore_errors=True)


Owner = tuple[str, str, str]

_change = threading.Condition()
_idle: dict[tuple[Owner, str], list[Sandbox]] = {}
_busy: set[Sandbox] = set()
_running: dict[Owner, int] = {}
_asynchronous = 0
_age = 0
"""Grows with every reset: what was asked before it is dropped."""


def owner(fn: LambdaFunction) -> Owner:
    return fn.account_id, fn.region, fn.function_name


def made_of(fn: LambdaFunction) -> tuple:
    given = tuple(sorted(fn.environment_vars.items()))
    return fn.code_sha_256, fn.handler, fn.run_time, fn.memory_size, given


def has_handler(fn: LambdaFunction) -> bool:
    if not getattr(fn, "code_bytes", b"") or not fn.handler:
        return False
    module = fn.handler.rpartition(".")[0]
    try:
        with zipfile.ZipFile(io.BytesIO(fn.code_bytes)) as code:
            return any(f"{module}{suffix}" in code.namelist() for suffix in SUFFIXES)
    except zipfile.BadZipFile:
        return False


def variables(fn: LambdaFunction, folder: str, stream: str) -> dict[str, str]:
    """Lambda's own, the emulator's address, what the emulator was started with for functions, and the function's."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_REGION": fn.region,
        "AWS_DEFAULT_REGION": fn.region,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "test",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{fn.run_time}",
        "AWS_LAMBDA_FUNCTION_NAME": fn.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": str(fn.version),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(fn.memory_size),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": log_group(fn),
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "LAMBDA_TASK_ROOT": folder,
        "_HANDLER": fn.handler,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{control.settings['port']}",
        **control.settings["environment"],
        **{name: str(value) for name, value in fn.environment_vars.items()},
    }


def log_group(fn: LambdaFunction) -> str:
    return f"/aws/lambda/{fn.function_name}"


def take(fn: LambdaFunction) -> Sandbox | None:
    """One that has loaded it already, if there is one; counts what runs.

    @throws Throttled where as many run as may"""
    who = owner(fn)
    with _change:
        running = _running.get(who, 0)
        if fn.reserved_concurrency is not None and running >= int(fn.reserved_concurrency):
            raise Throttled
        _running[who] = running + 1
        waiting = _idle.get((who, str(fn.version)), [])
        sandbox = next((one for one in reversed(waiting) if one.made_of == made_of(fn)), None)
        if sandbox is not None:
            waiting.remove(sandbox)
            _busy.add(sandbox)
        return sandbox


def put_up(fn: LambdaFunction) -> Sandbox:
    sandbox = Sandbox(fn)
    with _change:
        _busy.add(sandbox)
    return sandbox


def give_back(fn: LambdaFunction, sandbox: Sandbox | None, usable: bool) -> None:
    with _change:
        _running[owner(fn)] -= 1
        if sandbox is not None:
            _busy.discard(sandbox)
            usable = usable and not sandbox.retired
            if usable:
                _idle.setdefault((owner(fn), str(fn.version)), []).append(sandbox)
        _change.notify_all()
    if sandbox is not None and not usable:
        sandbox.end()


def retire(who: Owner | None = None) -> None:
    """Ends a function's processes, or every one; one that runs ends after its event."""
    with _change:
        for sandbox in _busy:
            if who in (None, sandbox.owner):
                sandbox.retired = True
        keys = [key for key in _idle if who in (None, key[0])]
        ended = [sandbox for key in keys for sandbox in _idle.pop(key)]
    for sandbox in ended:
        sandbox.end()


def may_call(fn: LambdaFunction, service: str, arn: str) -> bool:
    for statement in fn.policy.statements:
        principal, conditions = statement.get("Principal"), statement.get("Condition", {})
        services = principal.get("Service") if isinstance(principal, dict) else principal
        sources = [value for tests in conditions.values() for key, value in tests.items() if key.lower() == "aws:sourcearn"]
        if f"{service}.amazonaws.com" in (services or "") and all(fnmatchcase(arn, source) for source in sources):
            return True
    return False


def run(fn: LambdaFunction, body: str, request_id: str) -> Outcome:
    """@throws Throttled"""
    age, started, event = _age, control.clock.now(), json.loads(body)
    sandbox = take(fn)
    cold = sandbox is None
    usable = False
    said: dict = {}
    init = 0.0
    lines: list[tuple[int, str]] = []

    def log(*texts: str) -> None:
        at = int(_epoch(control.clock.now()) * 1000)
        lines.extend((at, text) for text in texts)

    try:
        begun = time.monotonic()
        if sandbox is None:
            log(f"INIT_START Runtime Version: {fn.run_time}")
            sandbox = put_up(fn)
        try:
            if cold:
                said = sandbox.load()
                init = time.monotonic() - begun
                log(*sandbox.printed())
            log(f"START RequestId: {request_id} Version: {fn.version}")
            begun = time.monotonic()
            if "error" not in said:
                said = sandbox.run(request_id, event, fn.function_arn, float(fn.timeout))
                usable = "over" not in said
        except Broken as broken:
            said = {"error": {"errorType": broken.kind, "errorMessage": f"RequestId: {request_id} Error: {broken}"}}
        took = time.monotonic() - begun
        log(*sandbox.printed())
        if "error" in said:
            log(f"{control.stamp(control.clock.now())}\t{request_id}\tERROR\tInvoke Error\t{json.dumps(said['error'])}")
        log(f"END RequestId: {request_id}", report(request_id, sandbox, took, init))
    finally:
        give_back(fn, sandbox, usable)
    if age == _age:
        write_log(fn, sandbox.stream, lines)
        for tell in on_run:
            tell(fn, started, "error" in said)
        invocations.append(
            {
                "at": control.stamp(started),
                "function": fn.function_name,
                "region": fn.region,
                "request": request_id,
                "event": event,
                "milliseconds": round(took * 1000, 1),
                **({"initMilliseconds": round(init * 1000, 1)} if cold else {}),
                "memoryMb": sandbox.peak_mb,
                **({"error": said["error"]} if "error" in said else {}),
            }
        )
    error = said.get("error")
    payload = json.dumps(said["result"] if error is None else error, ensure_ascii=False, separators=(",", ":"))
    return Outcome(payload, error, "\n".join(text for _, text in lines))


def report(request_id: str, sandbox: Sandbox, took: float, init: float) -> str:
    milliseconds = took * 1000
    parts = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {milliseconds:.2f} ms",
        f"Billed Duration: {int(milliseconds) + 1} ms",
        f"Memory Size: {sandbox.memory_mb} MB",
        f"Max Memory Used: {sandbox.peak_mb} MB",
        *([f"Init Duration: {init * 1000:.2f} ms"] if init else []),
    ]
    return "\t".join(parts)


def write_log(fn: LambdaFunction, stream: str, lines: list[tuple[int, str]]) -> None:
    """Where the group is there. Lambda would make it; but the product makes it before, and its roles may not."""
    with control.one_at_a_time:
        group = logs_backends[fn.account_id][fn.region].groups.get(log_group(fn))
        if group is None:
            return
        if stream not in group.streams:
            group.create_log_stream(stream)
        group.put_log_events(stream, [{"timestamp": at, "message": text} for at, text in lines])


def _epoch(when: datetime) -> float:
    return (when - datetime(1970, 1, 1)).total_seconds()


@dataclass
class Asked:
    """An event that waits for its function."""

    account: str
    region: str
    function: str
    qualifier: str | None
    body: str
    request_id: str
    since: datetime
    age: int
    retries: int = 0

    def look_up(self) -> LambdaFunction:
        return get_backend(self.account, self.region).get_function(self.function, self.qualifier)


def ask(account: str, region: str, function: str, qualifier: str | None, body: str) -> str:
    """Has a function run for an event, soon. @returns the id of the request"""
    request_id = str(uuid.uuid4())
    _begin(Asked(account, region, function, qualifier, body, request_id, control.clock.now(), _age))
    return request_id


def _begin(asked: Asked) -> None:
    global _asynchronous
    with _change:
        _asynchronous += 1
    threading.Thread(target=_work, args=(asked,), daemon=True, name=f"event for {asked.function}").start()


def _work(asked: Asked) -> None:
    global _asynchronous
    try:
        _try(asked)
    except UnknownFunctionException:
        pass  # Deleted meanwhile, and its events with it.
    finally:
        with _change:
            _asynchronous -= 1
            _change.notify_all()


def _try(asked: Asked) -> None:
    outcome = _when_it_may(asked)
    if outcome is None or outcome.error is None or asked.age != _age:
        return
    fn = asked.look_up()
    kept = fn.event_invoke_config[0].config if fn.event_invoke_config else {}
    asked.retries += 1
    pause = RETRIES_AFTER_SECONDS[min(asked.retries, len(RETRIES_AFTER_SECONDS)) - 1]
    due = control.clock.now() + timedelta(seconds=pause)
    too_old = due - asked.since > timedelta(seconds=kept.get("MaximumEventAgeInSeconds", OLDEST_EVENT_SECONDS))
    if asked.retries > kept.get("MaximumRetryAttempts", MOST_RETRIES) or too_old:
        _bury(fn, asked, 200, str(outcome.error.get("errorMessage", "")))
    else:
        control.clock.at(due, f"retry {asked.retries} of {asked.function}", lambda: _begin(asked))


def _when_it_may(asked: Asked) -> Outcome | None:
    """An event that is too much waits for another to end: Lambda tries it again after a second, and more seldom later."""
    while True:
        fn = asked.look_up()
        if not has_handler(fn):
            fn_backend = get_backend(asked.account, asked.region)
            _simple_invoke(fn_backend, asked.function, asked.qualifier, asked.body, {}, {})
            return None
        try:
            return run(fn, asked.body, asked.request_id)
        except Throttled as throttled:
            kept = fn.event_invoke_config[0].config if fn.event_invoke_config else {}
            longest = timedelta(seconds=kept.get("MaximumEventAgeInSeconds", OLDEST_EVENT_SECONDS))
            # Without any concurrency Lambda buries an event at once.
            if int(fn.reserved_concurrency) == 0 or control.clock.now() - asked.since > longest:
                _bury(fn, asked, 429, throttled.message)
                return None
            with _change:
                _change.wait(timeout=1)
        if asked.age != _age:
            return None


def _bury(fn: LambdaFunction, asked: Asked, status: int, message: str) -> None:
    if fn.dead_letter_queue:
        send(fn.dead_letter_queue, asked.body, RequestID=asked.request_id, ErrorCode=status, ErrorMessage=message[:MOST_ERROR_CHARACTERS])


def send(queue_arn: str, body: str, **attributes: object) -> None:
    """Puts a dead letter into a queue. One that cannot be put there is lost, as with AWS."""
    _, _, _, region, account, name = queue_arn.split(":", 5)
    told = {
        key: {"DataType": "Number" if isinstance(value, int) else "String", "StringValue": str(value)}
        for key, value in attributes.items()
    }
    try:
        with control.one_at_a_time:
            sqs_backends[account][region].send_message(name, body, message_attributes=told)
    except Exception as problem:
        print(f"a dead letter for {name} is lost: {type(problem).__name__}: {problem}", file=sys.stderr)


def wait_until_quiet() -> None:
    """Until no function runs for an event, and none waits for one."""
    with _change:
        _change.wait_for(lambda: _asynchronous == 0)


@control.answers("GET", "settled")
def _settle(given: dict, rest: list, query: dict) -> object:
    with _change:
        _change.wait_for(lambda: _asynchronous == 0 and not any(_running.values()))
    return {}


@control.answers("GET", "invocations")
def _tell_invocations(given: dict, rest: list, query: dict) -> object:
    return list(invocations)


def _forget() -> None:
    global _age
    with _change:
        _age += 1
        running = list(_busy)
    for sandbox in running:
        sandbox.retired = True
        sandbox._process.kill()
    invocations.clear()
    retire()


def _end() -> None:
    with _change:
        running = list(_busy)
    retire()
    for sandbox in running:
        sandbox.end()


control.on_reset.append(_forget)
control.on_end.append(_end)
control.clock.after_step.append(wait_until_quiet)

_simple_invoke = LambdaSimpleBackend.invoke


def functions_run_without_docker() -> None:
    """A function runs in a container of Docker; without Docker nothing runs, the event is echoed, even for a function that does not exist."""
    default_user_config["lambda"] = {"use_docker": False}

    def invoke(self, function_name, qualifier, body, headers, response_headers):
        fn = self.get_function(function_name, qualifier)
        kind = (headers or {}).get("X-Amz-Invocation-Type", "RequestResponse")
        if isinstance(body, bytes):
            body = body.decode()
        if not has_handler(fn):
            return _simple_invoke(self, function_name, qualifier, body, headers, response_headers)
        body = body or "{}"
        try:
            json.loads(body)
        except ValueError as problem:
            raise NotJson(problem) from None
        if kind == "DryRun":
            return b""
        if kind == "Event":
            ask(fn.account_id, fn.region, function_name, qualifier, body)
            return b""
        outcome = run(fn, body, str(uuid.uuid4()))
        response_headers["X-Amz-Executed-Version"] = str(fn.version)
        response_headers["x-amz-log-result"] = base64.b64encode(outcome.log.encode()[-MOST_LOG_BYTES:]).decode()
        if outcome.error is not None:
            response_headers["x-amz-function-error"] = "Unhandled"
        return outcome.payload.encode()

    LambdaSimpleBackend.invoke = invoke
    for name in ("update_function_code", "update_function_configuration", "delete_function"):
        _end_old_processes_at(name)


def _end_old_processes_at(name: str) -> None:
    change = getattr(LambdaBackend, name)

    def changed(self, function_name, *rest, **more):
        fn = self.get_function(function_name)
        result = change(self, function_name, *rest, **more)
        retire(owner(fn))
        return result

    setattr(LambdaBackend, name, changed)


def dead_letters_are_configured() -> None:
    """DeadLetterConfig is not kept: no event is ever buried, and every plan finds a difference."""
    make, tell, update = LambdaFunction.__init__, LambdaFunction.get_configuration, LambdaFunction.update_configuration

    def target(given):
        return (given.get("DeadLetterConfig") or {}).get("TargetArn")

    def init(self, account_id, spec, *rest, **more):
        self.dead_letter_queue = target(spec)
        make(self, account_id, spec, *rest, **more)

    def get_configuration(self, *rest, **more):
        kept = {"DeadLetterConfig": {"TargetArn": self.dead_letter_queue}} if self.dead_letter_queue else {}
        return {**tell(self, *rest, **more), **kept}

    def update_configuration(self, updates):
        if "DeadLetterConfig" in updates:
            self.dead_letter_queue = target(updates)
        return update(self, updates)

    LambdaFunction.__init__ = init
    LambdaFunction.get_configuration = get_configuration
    LambdaFunction.update_configuration = update_configuration


def retries_can_be_changed() -> None:
    """The first configuration of asynchronous events is kept for good: a change of it is a difference in every plan."""
    put = LambdaBackend.put_function_event_invoke_config

    def put_function_event_invoke_config(self, function_name, config):
        self.get_function(function_name).event_invoke_config = []
        return put(self, function_name, config)

    LambdaBackend.put_function_event_invoke_config = put_function_event_invoke_config


GAPS = (functions_run_without_docker, dead_letters_are_configured, retries_can_be_changed)
