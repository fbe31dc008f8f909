"""Server-sent events: one greenlet a listener, a bounded number of listeners.

What is told are states, not steps: `look` gives the newest one, and its id. A listener that was away (`Last-Event-ID`)
gets the newest state, and nothing when that is the one it has, from whichever replica answers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import eventlet
import orjson
from prometheus_client import Gauge
from werkzeug.wrappers import Response

from .errors import Problem, Transient, is_transient

log = logging.getLogger("jiayuan.streams")

LISTENING: Final = Gauge("jiayuan_listeners", "Open streams of server-sent events", ["stream"])


class State(NamedTuple):
    """What is told: `id` (printable, no line breaks) differs when something else is to be seen."""

    id: str
    event: str
    data: Any


class Listeners:
    """Who listens to one kind of stream, at most `most` a process. Times are seconds of the wall clock."""

    def __init__(
        self, name: str, most: int, *, every: float = 1.0, heartbeat: float = 15.0, life: float = 3600.0
    ) -> None:
        self.name, self.most = name, most
        self.every, self.heartbeat, self.life = every, heartbeat, life
        self.now = 0

    def stream(self, call: Any, look: Callable[[], State]) -> Response:
        """The answer to a request: a stream that looks again and again until the listener goes.

        It ends by itself after `life`, so that rights are asked for anew; whoever listens comes back. Problem 503
        when there are as many listeners as there may be.
        """
        if self.now >= self.most:
            raise Problem(
                503,
                "Too many listeners",
                f"at most {self.most} listen here at a time; come back shortly",
                headers={"Retry-After": "30"},
            )
        # eventlet keeps small pieces back otherwise, and a listener would see nothing for minutes.
        call.environ["eventlet.minimum_write_chunk_size"] = 1
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        body = _Stream(self, look, call.headers.get("Last-Event-ID", ""))
        return Response(body, headers=headers, content_type="text/event-stream; charset=utf-8")


class _Stream:
    """The body. The server calls `close` however the connection ends, also when nothing was ever read."""

    def __init__(self, listeners: Listeners, look: Callable[[], State], known: str) -> None:
        self._of, self._look, self._known = listeners, look, known
        self._first, self._open = True, True
        self._until = time.monotonic() + listeners.life
        self._beat = time.monotonic() + listeners.heartbeat
        listeners.now += 1
        LISTENING.labels(listeners.name).set(listeners.now)

    def __iter__(self) -> _Stream:
        return self

    def __next__(self) -> bytes:
        if self._first:
            self._first = False
            return b"retry: 3000\n\n"
        while self._open and time.monotonic() < self._until:
            state = self._state()
            if state is not None and state.id != self._known:
                self._known = state.id
                self._beat = time.monotonic() + self._of.heartbeat
                return _event(state)
            if time.monotonic() >= self._beat:
                # A comment: it tells the proxies, and us, whether anybody is there still.
                self._beat = time.monotonic() + self._of.heartbeat
                return b": \n\n"
            eventlet.sleep(self._of.every)
        raise StopIteration

    def _state(self) -> State | None:
        try:
            return self._look()
        except Exception as error:
            if isinstance(error, Transient) or is_transient(error):
                log.warning("waiting", extra={"stream": self._of.name, "why": str(error)[:200]})
                return None
            log.error("stream failed", extra={"stream": self._of.name}, exc_info=error)
            raise StopIteration from None

    def close(self) -> None:
        """Gives the place back, once."""
        if self._open:
            self._open = False
            self._of.now -= 1
            LISTENING.labels(self._of.name).set(self._of.now)


def _event(state: State) -> bytes:
    # JSON on one line: a line break in a text would otherwise begin another field.
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (
        state.id.encode(),
        state.event.encode(),
        orjson.dumps(state.data),
    )
