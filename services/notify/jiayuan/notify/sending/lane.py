"""A provider's lane: few calls at a time, in threads of its own, so that no provider holds up another.

(Threads are greenlets where the chassis has patched threading.) A lane holds at most two notices for each call that it
may make at a time: one in the call and one waiting. What it has no room for stays in the queue, for whoever has.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from jiayuan.chassis.errors import is_transient

from .. import wall
from ..providers.base import Asked, Message
from ..routes import Route
from ..states import Outcome

log = logging.getLogger("jiayuan.notify")

_MARGIN: Final = 2.0
"""Seconds beyond the longest call after which nobody waits for it any more."""
_PAUSE_FIRST: Final = 0.25
_PAUSE_MOST: Final = 5.0


@dataclass(frozen=True, slots=True)
class Sent:
    """A notice between its submission and the answer: its row, and what was used up for it."""

    row: Mapping[str, Any]
    request_id: str
    version: int
    attempts: int
    credit: tuple[str, str] | None = None
    number: str | None = None
    counted: Any = None


@dataclass(frozen=True, slots=True)
class Item:
    """A call to be made: a message to send or a request to ask about."""

    kind: Literal["send", "query"]
    sent: Sent
    what: Message | Asked
    given_at: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """A call that was made, or (no outcome) certainly wasn't."""

    item: Item
    outcome: Outcome | None
    started_at: datetime
    ended_at: datetime


@dataclass(eq=False, slots=True)
class _Call:
    """One that is being made. `given_up`: nobody waits for it any more."""

    items: Sequence[Item]
    at: datetime
    since: float = field(default_factory=time.monotonic)
    given_up: bool = False


Record = Callable[[str, Sequence[Done]], None]
"""Writes what came of calls to a provider; raises while the database is away."""


def pause(errors: int, concurrency: int, chance: float) -> float:
    """Seconds that a lane makes no call after so many calls in a row that failed; `chance` (0 to 1) spreads it.

    Never so long that a provider which is down would make fewer errors a minute than move its weight.
    """
    most = min(_PAUSE_MOST, 0.6 * concurrency)
    return float(min(most, _PAUSE_FIRST * 2.0 ** min(errors - 1, 20)) * (0.5 + chance / 2))


class Lane:
    """The calls to one provider from this process. With `inline` they are made where they are given, one after another.

    `lease`: seconds within which a call must have begun; later ones aren't made, for another process may have begun
    to ask about them.
    """

    def __init__(self, route: Route, record: Record, *, lease: float, inline: bool = False) -> None:
        self.route, self.name, self.channel = route, route.name, route.channel
        self.inline = inline or route.local
        self.chunk = route.provider.batch if route.local else 1
        self.concurrency = max(1, route.provider.concurrency)
        self._record, self._lease = record, timedelta(seconds=lease)
        self._most = route.provider.batch if self.inline else 2 * self.concurrency
        self._waiting: deque[Item] = deque()
        self._calls: list[_Call] = []
        self._done: list[Done] = []
        self._recording = self._workers = 0
        self._recorder: threading.Thread | None = None
        self._closing = False
        self._paused_until: datetime | None = None
        self._errors = 0
        self._changed = threading.Condition()
        self.on_room: Callable[[], None] = _nothing

    # -- what it can take --------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many more it takes."""
        with self._changed:
            return 0 if self._closing else self._room()

    @property
    def wants(self) -> bool:
        """Whether it is worth a look into the queue: half of it is free, so that a claim fetches several."""
        return self.room >= min(self.concurrency, self._most)

    @property
    def idle(self) -> bool:
        """Whether nothing waits, is called or is to be recorded."""
        with self._changed:
            return not (self._waiting or self._calls or self._done or self._recording)

    def _room(self) -> int:
        busy = sum(len(c.items) for c in self._calls)
        return max(0, self._most - len(self._waiting) - busy - len(self._done) - self._recording)

    @property
    def paused(self) -> bool:
        """Whether it waits after errors."""
        return self._paused_until is not None and wall.now() < self._paused_until

    def note(self, error: bool, chance: float, after: float = 0.0) -> None:
        """Hear how a call went: errors in a row make the lane wait longer and longer, but a provider's own word for how
        long, and any success ends it."""
        if not error:
            self._errors, self._paused_until = 0, None
            return
        self._errors += 1
        # One call of several that fail at a time is one failure, not as many.
        if not self.paused:
            rounds = -(-self._errors // self.concurrency)
            seconds = max(pause(rounds, self.concurrency, chance), min(after, _PAUSE_MOST))
            self._paused_until = wall.now() + timedelta(seconds=seconds)

    # -- calls -------------------------------------------------------------------------------------

    def give(self, items: Sequence[Item]) -> None:
        """Make these calls; questions go before messages."""
        if self.inline:
            for start in range(0, len(items), self.chunk):
                chunk = items[start : start + self.chunk]
                self._record(self.name, self._call(chunk, wall.now()))
            return
        with self._changed:
            for item in items:
                if item.kind == "query":
                    self._waiting.appendleft(item)
                else:
                    self._waiting.append(item)
            self._staff()
            if self._recorder is None:
                self._recorder = threading.Thread(
                    target=self._keep_recording, daemon=True, name=f"record {self.name}"
                )
                self._recorder.start()
            self._changed.notify_all()

    def _staff(self) -> None:
        while self._workers < min(self.concurrency, len(self._waiting) + len(self._calls)):
            self._workers += 1
            threading.Thread(target=self._work, daemon=True, name=f"lane {self.name}").start()

    def _call(self, items: Sequence[Item], at: datetime) -> list[Done]:
        """Make one call, for items of one kind."""
        if any(at - item.given_at > self._lease for item in items):
            return [Done(item, None, at, at) for item in items]
        provider = self.route.provider
        try:
            if items[0].kind == "send":
                outcomes = provider.send([i.what for i in items if isinstance(i.what, Message)])
            else:
                outcomes = provider.query([i.what for i in items if isinstance(i.what, Asked)])
        except Exception:
            log.exception("a provider's client failed", extra={"provider": self.name})
            outcomes = [Outcome("unknown", error="our client of the provider failed")] * len(items)
        ended = wall.now()
        return [Done(i, o, at, ended) for i, o in zip(items, outcomes, strict=True)]

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                if not self._waiting:
                    self._workers -= 1
                    return
                call = _Call(self._next(), wall.now())
                self._calls.append(call)
            done = self._call(call.items, call.at)
            with self._changed:
                if call.given_up:
                    return  # another thread has its place
                self._calls.remove(call)
                self._done += done
                self._changed.notify_all()

    def _next(self) -> list[Item]:
        items = [self._waiting.popleft()]
        while self._waiting and len(items) < self.chunk and self._waiting[0].kind == items[0].kind:
            items.append(self._waiting.popleft())
        return items

    def reap(self) -> None:
        """Give up calls that outlast every time-out, as one whose answer drips in for ever: what became of them is
        unknown."""
        longest = self.route.provider.longest + _MARGIN
        with self._changed:
            for call in [c for c in self._calls if time.monotonic() - c.since > longest]:
                call.given_up = True
                self._calls.remove(call)
                self._workers -= 1
                outcome = Outcome("unknown", error="the call was not finished")
                self._done += [Done(item, outcome, call.at, wall.now()) for item in call.items]
                log.warning("a call was given up", extra={"provider": self.name})
            self._staff()
            self._changed.notify_all()

    # -- answers -----------------------------------------------------------------------------------

    def _keep_recording(self) -> None:
        """Write answers, all that have come while the last ones were written."""
        while True:
            with self._changed:
                while not self._done and not (self._closing and not self._calls):
                    self._changed.wait()
                if not self._done:
                    return
                done, self._done = self._done, []
                self._recording = len(done)
            self._try_to_record(done)
            with self._changed:
                self._recording = 0
                self._changed.notify_all()
            self.on_room()

    def _try_to_record(self, done: Sequence[Done]) -> None:
        """Write answers, however long the database is away: until then nothing new is claimed."""
        wait = 0.5
        while True:
            try:
                self._record(self.name, done)
                return
            except Exception as error:
                if not is_transient(error):
                    # The sweep finds them without an answer, and asks.
                    log.exception("answers can't be recorded", extra={"provider": self.name})
                    return
                log.warning("answers wait", extra={"provider": self.name, "why": str(error)[:200]})
            if self._closing:
                return
            time.sleep(wait)
            wait = min(5.0, wait * 2)

    def close(self, seconds: float) -> None:
        """Begin no call any more, and wait for those that are made and for their record, at most so long."""
        now = wall.now()
        with self._changed:
            self._closing = True
            self._done += [Done(item, None, now, now) for item in self._waiting]
            self._waiting.clear()
            self._changed.notify_all()
        self.rest(seconds)

    def drop_waiting(self) -> None:
        """What hasn't been called for goes back to the queue: the provider was stopped."""
        now = wall.now()
        with self._changed:
            self._done += [Done(item, None, now, now) for item in self._waiting]
            self._waiting.clear()
            self._changed.notify_all()

    def rest(self, seconds: float = 30.0) -> bool:
        """Wait until nothing is under way; False when it still is after so long."""
        end = time.monotonic() + seconds
        with self._changed:
            while self._waiting or self._calls or self._done or self._recording:
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return False
        return True


def _nothing() -> None:
    """For a lane whose room nobody waits for."""
