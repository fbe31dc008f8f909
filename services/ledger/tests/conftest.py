"""Stories of cases to post: events as routing and sla would send them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.databases import Databases, Opened, WorkFor
from jiayuan.contracts import names
from jiayuan.contracts.envelope import Event, decode, encode, make
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso, parse

LEG = "leg-1"
_STATES = {
    "case.opened": "open",
    "case.assigned": "assigned",
    "case.whistled": "assigned",
    "case.accepted": "accepted",
    "case.answered": "answered",
    "case.resolved": "resolved",
    "case.closed": "closed",
    "case.reopened": "open",
    "case.voided": "voided",
}


class Story:
    """A case that goes from step to step; `events` are all so far, each with the whole case."""

    def __init__(
        self,
        *,
        livelihood: bool = True,
        street: str = "350921001",
        opened_at: datetime = datetime(2026, 3, 2, 1, 0, tzinfo=UTC),
        title: str = "海晏公寓门口路灯不亮",
    ) -> None:
        self.id = new_id()
        self.at = opened_at
        self.events: list[Event] = []
        self.case: dict[str, Any] = {
            "id": self.id,
            "number": f"XP-{self.id[-6:]}",
            "state": "open",
            "kind": "problem",
            "title": title,
            "category": {"code": "0102", "name": "路灯照明"},
            "livelihood": livelihood,
            "colour": "yellow",
            "level": "grid",
            "street": street,
            "decision": {},
            "reports": [{"id": new_id(), "channel": "mini_program", "received_at": iso(opened_at)}],
            "legs": [],
            "first_received_at": iso(opened_at),
            "opened_at": iso(opened_at),
        }

    def step(
        self,
        name: str,
        *,
        action: str = "",
        reason: str | None = None,
        leg: str | None = None,
        **changes: Any,
    ) -> Event:
        """The next event; `changes` are fields of the case."""
        sequence = len(self.events) + 1
        if sequence > 1:
            self.at += timedelta(hours=1)
        self.case |= {"state": _STATES.get(name, self.case["state"]), **changes}
        data = {
            "case": copy.deepcopy(self.case),
            "change": {
                "action": action or name.removeprefix("case."),
                "actor": "worker-7",
                "at": iso(self.at),
                "leg": leg,
                "reason": reason,
            },
        }
        event = make(
            name,
            names.source("routing"),
            data,
            at=self.at,
            subject=self.id,
            sequence=sequence,
            street=self.case["street"],
        )
        # Over the wire and back: what these tests use is what the contract allows.
        self.events.append(decode(encode(event), names.CONTENT_TYPE))
        return self.events[-1]

    def assign(self, unit: str | None = None, *, name: str = "case.assigned") -> Event:
        """A new leg: with a unit, or with a person of the grid."""
        assignee = {"type": "unit", "id": unit} if unit else {"type": "person", "id": "worker-7"}
        legs = [{**leg, "state": "reassigned"} for leg in self.case["legs"]]
        legs.append(
            {
                "id": f"leg-{len(legs) + 1}",
                "kind": "handle",
                "level": "department" if unit else "grid",
                "step": 0,
                "assignee": assignee,
                "state": "offered",
                "offered_at": iso(self.at),
            }
        )
        return self.step(name, legs=legs, leg=legs[-1]["id"])

    def close(self, confirmed: str | None = "satisfied") -> Event:
        """Closes the case."""
        return self.step("case.closed", confirmed=confirmed, closed_at=iso(self.at + timedelta(hours=1)))

    def breach(self, *, clock: str | None = None, sequence: int = 2, kind: str = "response") -> Event:
        """A deadline of the case that has passed; it is no step of the case."""
        data = {
            "clock": {
                "id": clock or new_id(),
                "kind": kind,
                "state": "breached",
                "case": self.id,
                "case_sequence": 2,
                "street": self.case["street"],
                "limit": 900,
                "started_at": iso(self.at),
                "due_at": iso(self.at + timedelta(seconds=900)),
                "percent": 100,
                "at": iso(self.at + timedelta(seconds=900)),
            }
        }
        source = names.source("sla")
        event = make(
            "clock.breached", source, data, at=self.at, subject=data["clock"]["id"], sequence=sequence
        )
        return decode(encode(event), names.CONTENT_TYPE)

    def correct(self, breach: Event, *, sequence: int | None = None, **more: Any) -> Event:
        """That the breach never was, as sla says when late news show it."""
        told = breach.data["clock"]
        clock = {**told, "state": "met", "percent": 60, "at": told["started_at"], "correction": True}
        clock |= {"breached_at": told["at"], **more}
        event = make(
            "clock.corrected",
            breach.source,
            {"clock": clock},
            at=parse(told["at"]) + timedelta(hours=1),
            subject=breach.subject,
            sequence=sequence or breach.sequence + 1,
        )
        return decode(encode(event), names.CONTENT_TYPE)


def usual(story: Story) -> Story:
    """Opened, assigned, accepted, answered, resolved, closed as satisfied."""
    story.step("case.opened")
    story.assign()
    for name in ("case.accepted", "case.answered", "case.resolved"):
        story.step(name)
    story.close()
    return story


def again(events: Sequence[Event]) -> list[Event]:
    """The same facts told once more, by events of their own."""
    return [make(e.name, e.source, e.data, at=e.time, subject=e.subject, sequence=e.sequence) for e in events]


class Stories:
    """What tests get as `stories`."""

    Story = Story
    usual = staticmethod(usual)
    again = staticmethod(again)


@pytest.fixture(scope="session")
def stories() -> type[Stories]:
    """Builders of events: `stories.Story(…)`, `stories.usual(story)`, `stories.again(events)`."""
    return Stories


@pytest.fixture(scope="session")
def shared(databases: Databases) -> Iterator[Opened]:
    """A ledger that tests share which only knock at its doors."""
    opened = Opened("ledger", databases.fresh("ledger"))
    yield opened
    opened.close()


@pytest.fixture
def opened(work_for: WorkFor) -> Opened:
    """A ledger with an empty account."""
    return work_for("ledger")


@pytest.fixture
def client(opened: Opened) -> Client:
    """The service's routes."""
    return Client(opened)
