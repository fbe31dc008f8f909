"""A database with some notices, and senders on it."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import text

from jiayuan.notify import handlers, routes
from jiayuan.notify.providers.base import Asked, Channel, Message, NoReceipts
from jiayuan.notify.routes import Route
from jiayuan.notify.sending import Sender
from jiayuan.notify.states import Outcome

PHONE = "13905931234"


class Scripted(NoReceipts):
    """A provider in this process, without idempotency: it does what `answer` says, and counts what it airs.

    What `answer` accepts is aired. `gate` holds every call until it is set, `stuck` single ones by request id.
    """

    def __init__(
        self,
        name: str = "a",
        answer: Callable[[Message], Outcome] | None = None,
        *,
        batch: int = 1,
        channel: Channel = "sms",
        concurrency: int = 4,
        longest: float = 5.0,
    ) -> None:
        self.name, self.channel, self.concurrency, self.longest = name, channel, concurrency, longest
        self.batch = batch
        self.answer = answer or (lambda m: Outcome("accepted", f"{name}-{m.request_id}"))
        self.found: Callable[[Asked], Outcome] = self.know
        self.aired: Counter[str] = Counter()
        self.people: list[str] = []
        self.calls: list[Message] = []
        self.questions: list[Asked] = []
        self.gate: threading.Event | None = None
        self.stuck: dict[str, threading.Event] = {}
        self.most_at_once = 0
        self._now = 0
        self._changed = threading.Condition()

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """One message."""
        (message,) = messages
        with self._changed:
            self.calls.append(message)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self._changed.notify_all()
        try:
            for event in (self.gate, self.stuck.get(message.request_id)):
                if event is not None:
                    assert event.wait(20)
            outcome = self.answer(message)
            if outcome.kind == "accepted":
                self.air(message)
            return [outcome]
        finally:
            with self._changed:
                self._now -= 1
                self._changed.notify_all()

    def air(self, message: Message) -> None:
        """Put it on the air, whatever is answered."""
        with self._changed:
            self.aired[message.request_id] += 1
            self.people.append(message.recipient)

    def query(self, requests: Sequence[Asked]) -> list[Outcome]:
        """What `found` says, by default the truth."""
        self.questions += requests
        return [self.found(one) for one in requests]

    def know(self, asked: Asked) -> Outcome:
        """The truth."""
        if asked.request_id in self.aired:
            return Outcome("accepted", f"{self.name}-{asked.request_id}")
        return Outcome("not_found")

    def wait_for(self, calls: int, seconds: float = 10.0) -> bool:
        """Wait until so many calls have begun."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.calls) >= calls, seconds)

    def quiet(self, but: int = 0, seconds: float = 10.0) -> bool:
        """Wait until no more than so many calls are under way."""
        with self._changed:
            return self._changed.wait_for(lambda: self._now <= but, seconds)


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class Rig:
    """A database with some notices, and a sender on it."""

    def __init__(self, opened: Any, events: Any) -> None:
        self.opened, self.events = opened, events
        self.runtime = opened.runtime

    def seal(self, ref: str, **contact: str) -> str:
        """A sealed contact."""
        return str(self.runtime.sealer.seal(contact or {"phone": PHONE, "name": "林某"}, ref))

    def handle(self, *batch: Any) -> None:
        """Events in."""
        with self.opened() as work:
            for handler in handlers.HANDLERS:
                mine = [e for e in batch if e.name.split(".")[0] == handler.pattern.split(".")[0]]
                if mine:
                    handler.run(work, mine)

    def person(self, ref: str = "worker-1", **item: Any) -> None:
        """Somebody whom notices can go to."""
        self.handle(self.events.directory({"id": ref, "contact": self.seal(ref)} | item))

    def reports(self, count: int, first: int = 0, **given: Any) -> None:
        """So many reports of as many citizens with phones, numbered from `first`."""
        self.handle(
            *[
                self.events.report(f"r{n}", reporter=f"c{n}", contact=self.seal(f"c{n}"), **given)
                for n in range(first, first + count)
            ]
        )

    def settings(self, **changed: Any) -> None:
        """Other settings from here on."""
        self.runtime.settings = dataclasses.replace(self.runtime.settings, **changed)

    def sender(self, provider: Any = None) -> Sender:
        """A sender as a process has it, but for its calls: they are made in the test's own thread."""
        found = [Route(provider, local=provider.name == "sink")] if provider else routes.of(self.runtime)
        return Sender(self.runtime, found, inline=True)

    def rows(
        self, sql: str = "SELECT * FROM notice JOIN sending ON notice_id = id ORDER BY id"
    ) -> list[dict[str, Any]]:
        """What is in the database."""
        with self.opened.engine.connect() as conn:
            return [dict(row._mapping) for row in conn.execute(text(sql))]

    def states(self) -> list[str]:
        """The notices' states, sorted."""
        return sorted(r["state"] for r in self.rows())

    def told(self) -> list[tuple[str, str]]:
        """The events that went out: name and the state in them."""
        out = []
        for row in self.opened.published:
            document = json.loads(row.body)
            out.append((row.routing_key, document["data"]["notice"]["state"]))
        return out
