"""Cases and their events as routing would tell them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jiayuan.contracts.envelope import Event, make
from jiayuan.contracts.times import iso

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


class CaseLife:
    """A case to which things happen; `events` are what routing told of it, in order. Times are seconds."""

    def __init__(
        self, id_: str = "case-1", *, lane: str = "live", begins: datetime = START, **limits: int | None
    ) -> None:
        self.lane, self.begins = lane, begins
        self.sequence = 0
        self.events: list[Event] = []
        self.limits: dict[str, int | None] = {
            "response": 900,
            "finish": 86400,
            "citizen": 432000,
            "confirmation": 259200,
            **limits,
        }
        self.case: dict[str, Any] = {
            "id": id_,
            "number": "XP-1",
            "state": "open",
            "kind": "problem",
            "title": "路灯不亮",
            "category": {"code": "lamp", "name": "路灯", "confidence": 0.9, "method": "words"},
            "livelihood": True,
            "colour": "blue",
            "level": "grid",
            "street": "350921001",
            "community": None,
            "grid": None,
            "decision": {"policy": "1", "rule": "grid", "reason": "网格"},
            "reports": [{"id": "r1", "reporter": None, "channel": "hotline", "received_at": self.at(0)}],
            "legs": [],
            "whistle": None,
            "pauses": [],
            "extensions": [],
            "citizen_limit": self.limits["citizen"],
            "confirmation_limit": self.limits["confirmation"],
            "first_received_at": self.at(0),
            "opened_at": self.at(0),
            "resolved_at": None,
            "closed_at": None,
            "confirmed": None,
            "satisfaction": None,
        }

    def at(self, second: float) -> str:
        """RFC 3339 text of a second of this life."""
        return iso(self.begins + timedelta(seconds=second))

    def tell(self, name: str, second: float, **change: Any) -> Event:
        """The next event; `change` replaces fields of the case."""
        self.sequence += 1
        self.case = {**self.case, **change}
        what = {"action": name.split(".")[1], "actor": "desk-1", "at": self.at(second)}
        event = make(
            name,
            "/jiayuan/routing",
            {"case": self.case, "change": what},
            at=self.begins + timedelta(seconds=second),
            subject=self.case["id"],
            sequence=self.sequence,
            street=self.case["street"],
            lane="bulk" if self.lane == "bulk" else "live",
            traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
        )
        self.events.append(event)
        return event

    def leg(self, second: float, assignee: str = "worker-1", **more: Any) -> dict[str, Any]:
        """A leg offered at a second."""
        return {
            "id": f"{self.case['id']}-leg-{len(self.case['legs']) + 1}",
            "kind": "handle",
            "level": "grid",
            "step": 0,
            "assignee": {"type": "person", "id": assignee},
            "state": "offered",
            "response_limit": self.limits["response"],
            "finish_limit": self.limits["finish"],
            "offered_at": self.at(second),
            "accepted_at": None,
            "answered_at": None,
            "done_at": None,
            "ended_at": None,
            "reason": None,
        } | more

    def last_leg(self, **change: Any) -> list[dict[str, Any]]:
        """The legs with the last one changed."""
        return [*self.case["legs"][:-1], {**self.case["legs"][-1], **change}]

    def open(self, second: float = 0) -> Event:
        """case.opened."""
        return self.tell("case.opened", second)

    def assign(self, second: float = 0, assignee: str = "worker-1") -> Event:
        """case.assigned: a leg that is still running is reassigned."""
        legs = self.case["legs"]
        if legs and legs[-1]["state"] in ("offered", "accepted", "answered"):
            legs = self.last_leg(state="reassigned", ended_at=self.at(second))
        return self.tell("case.assigned", second, state="assigned", legs=[*legs, self.leg(second, assignee)])

    def answer(self, second: float) -> Event:
        """case.answered."""
        legs = self.last_leg(state="answered", answered_at=self.at(second))
        return self.tell("case.answered", second, state="answered", legs=legs)

    def resolve(self, second: float) -> Event:
        """case.resolved: the last leg is done."""
        leg, now = self.case["legs"][-1], self.at(second)
        legs = self.last_leg(state="done", done_at=now, answered_at=leg["answered_at"] or now)
        return self.tell("case.resolved", second, state="resolved", legs=legs, resolved_at=now)

    def close(self, second: float, confirmed: str = "satisfied", **more: Any) -> Event:
        """case.closed."""
        return self.tell(
            "case.closed", second, state="closed", closed_at=self.at(second), confirmed=confirmed, **more
        )

    def reopen(self, second: float) -> Event:
        """case.reopened, with a new leg."""
        legs = [*self.case["legs"], self.leg(second, "desk-1")]
        return self.tell(
            "case.reopened",
            second,
            state="assigned",
            legs=legs,
            resolved_at=None,
            closed_at=None,
            confirmed=None,
        )

    def extend(self, second: float, seconds: int) -> Event:
        """case.extended: more time for the last leg."""
        more = {
            "leg": self.case["legs"][-1]["id"],
            "seconds": seconds,
            "reason": "等配件",
            "approver": "desk-1",
            "at": self.at(second),
        }
        return self.tell("case.extended", second, extensions=[*self.case["extensions"], more])

    def pause(self, second: float) -> Event:
        """case.paused."""
        span = {"start": self.at(second), "end": None, "reason": "等居民", "approver": "desk-1"}
        return self.tell("case.paused", second, pauses=[*self.case["pauses"], span])

    def resume(self, second: float) -> Event:
        """case.resumed."""
        spans = [*self.case["pauses"][:-1], {**self.case["pauses"][-1], "end": self.at(second)}]
        return self.tell("case.resumed", second, pauses=spans)


Lives = Callable[..., CaseLife]


@pytest.fixture(scope="session")
def life() -> Lives:
    """`life("case-1", response=900)` → a case to which things happen; a limit of None is no limit."""
    return CaseLife


@pytest.fixture(scope="session")
def moment() -> Callable[[float], datetime]:
    """`moment(900)` → the time 900 seconds into a case's life."""
    return lambda second: START + timedelta(seconds=second)
