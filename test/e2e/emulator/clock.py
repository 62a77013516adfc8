"""The emulator's clock, and what falls due on it."""

import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

TICK_SECONDS = 0.1
MINUTE = timedelta(minutes=1)


def next_minute(after: datetime) -> datetime:
    return after.replace(second=0, microsecond=0) + MINUTE


@dataclass(order=True)
class Due:
    """Work that falls due."""

    at: datetime
    number: int
    what: str = field(compare=False)
    work: Callable[[], object] = field(compare=False)

    def cancel(self) -> None:
        clock.forget(self)


class Clock:
    """Goes as the machine's does, but ahead of it, and does what falls due."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._due: list[Due] = []
        self._count = 0
        self._age = 0
        """Grows with every reset: an advance or a tick that has begun before it goes no further."""
        self._lock = threading.RLock()
        self._advancing = threading.Lock()
        self.after_step: list[Callable[[], None]] = []
        """An advance goes on when each of these has answered; when time goes on by itself nothing is waited for."""
        self.each_minute: list[Callable[[datetime, bool], list[tuple[str, object]]]] = []
        """Done whenever a whole minute ends, in an advance or by itself. Each tells what has come of it, if anything has."""
        self._minute = next_minute(self.now())

    def now(self) -> datetime:
        """In UTC, without a time zone: as moto keeps its times."""
        return datetime.now(UTC).replace(tzinfo=None) + self._ahead

    @property
    def ahead(self) -> float:
        return self._ahead.total_seconds()

    def at(self, when: datetime, what: str, work: Callable[[], object]) -> Due:
        """Does it when the clock is there. What it answers is told by the control request that advances the clock."""
        with self._lock:
            self._count += 1
            due = Due(when, self._count, what, work)
            self._due.append(due)
            return due

    def after(self, seconds: float, what: str, work: Callable[[], object]) -> Due:
        return self.at(self.now() + timedelta(seconds=seconds), what, work)

    def forget(self, due: Due) -> None:
        with self._lock:
            self._due = [other for other in self._due if other is not due]

    def waiting(self) -> list[Due]:
        with self._lock:
            return sorted(self._due)

    def reset(self) -> None:
        with self._lock:
            self._age += 1
            self._ahead = timedelta()
            self._due = []
            self._minute = next_minute(self.now())

    def advance(self, seconds: float) -> list[dict]:
        with self._advancing:
            return self._go_on(seconds, jump=True)

    def set(self, seconds: float) -> None:
        """Forwards or back. What is overdue then happens by itself, now; no minute ends that nobody has lived through."""
        with self._advancing:
            self._ahead = timedelta(seconds=seconds)
            self._minute = next_minute(self.now())

    def tick(self) -> None:
        """Time goes on by itself as well."""
        with self._advancing:
            self._go_on(0, jump=False)

    def _go_on(self, seconds: float, jump: bool) -> list[dict]:
        fired = []
        with self._lock:
            age, end = self._age, self.now() + timedelta(seconds=seconds)
        while True:
            with self._lock:
                if self._age != age:
                    return fired
                first, minute = min(self._due, default=None), self._minute
                if first is not None and first.at <= min(end, minute):
                    self._due.remove(first)
                elif minute <= end:
                    first, self._minute = None, minute + MINUTE
                else:
                    break
            if first is None:
                fired += self._end_minute(minute, jump)
                continue
            if jump:
                self._stand_at(first.at)
            at = self.now()
            try:
                answer = first.work()
            except Exception as problem:
                traceback.print_exc()
                answer = f"{type(problem).__name__}: {problem}"
            for wait in self.after_step if jump else ():
                wait()
            fired.append({"at": stamp(at), "what": first.what, "answer": answer})
        if jump:
            self._stand_at(end)
        return fired

    def _end_minute(self, minute: datetime, jump: bool) -> list[dict]:
        if jump:
            self._stand_at(minute)
        told = []
        for work in self.each_minute:
            try:
                told += work(minute, jump)
            except Exception:
                traceback.print_exc()
        for wait in self.after_step if jump and told else ():
            wait()
        return [{"at": stamp(minute), "what": what, "answer": answer} for what, answer in told]

    def _stand_at(self, when: datetime) -> None:
        self._ahead = max(self._ahead, when - datetime.now(UTC).replace(tzinfo=None))


def stamp(when: datetime) -> str:
    return f"{when.isoformat(timespec='milliseconds')}Z"


clock = Clock()


def tick_for_ever() -> None:
    def run() -> None:
        while True:
            threading.Event().wait(TICK_SECONDS)
            clock.tick()

    threading.Thread(target=run, daemon=True, name="clock").start()
