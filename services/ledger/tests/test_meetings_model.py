"""A meeting's states against a model: whatever is done in whatever order, what was signed is what was looked at."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.chassis.testing.models import examples
from jiayuan.contracts import names
from jiayuan.contracts.envelope import decode
from jiayuan.contracts.times import iso

pytestmark = pytest.mark.store

STREET = "350921001"
NOW = datetime(2026, 10, 12, 9, 0, tzinfo=UTC)
DESK = {"role": "desk", "who": "a", "street": STREET}
# Who may sign as what; `a` has two hats, and may wear one of them.
SIGNERS = {
    ("recorder", "a"): DESK,
    ("recorder", "c"): {"role": "county", "who": "c"},
    ("convener", "a"): {"role": "convener", "who": "a", "street": STREET},
    ("convener", "b"): {"role": "convener", "who": "b", "street": STREET},
}
BODIES = {"entry": {"unit": "U02", "category": "0102", "due_at": "2026-12-20T15:59:59Z"}, "text": {}}


class Meeting(RuleBasedStateMachine):
    """One meeting after the other, each of a number of its own."""

    opened: Opened
    client: Client
    begun = itertools.count()
    entries = 0

    @initialize()
    def begin(self) -> None:
        self.client.opened.clock.time = NOW
        year, number = divmod(next(self.begun), 99)
        body = {"street": STREET, "quarter": f"{2026 + year}Q3", "number": number + 1}
        status, found = self.client("POST", "/meetings", body, **DESK)
        assert status == 201, found
        self.path, self.id = f"/meetings/{found['id']}", found["id"]
        self.state, self.signed, self.addenda = "draft", dict[str, str](), 0
        self.decisions: list[tuple[str, str]] = []
        self.place, self.ready = "", False
        self.digests = [found["digest"]]

    def do(self, path: str, body: Any, who: dict[str, str] = DESK, method: str = "POST") -> tuple[int, Any]:
        return self.client(method, self.path + path, body, **who)

    def drafted(self, answer: tuple[int, Any], *, changes: bool = True) -> bool:
        """Whether it was done: exactly while the meeting is a draft; signatures are taken back by it."""
        status, found = answer
        assert (status in (200, 201)) is (self.state == "draft"), found
        if self.state != "draft":
            assert (status, found["errors"][0]["field"]) == (409, "state")
            return False
        if changes:
            self.signed = {}
            if found["digest"] != self.digests[-1]:
                self.digests.append(found["digest"])
        return True

    @rule(place=st.sampled_from(["三楼会议室", "四楼会议室"]))
    def change(self, place: str) -> None:
        changes = place != self.place
        if self.drafted(self.do("", {"place": place}), changes=changes):
            self.place = place

    @precondition(lambda self: not self.ready)
    @rule()
    def prepare(self) -> None:
        if self.drafted(self.do("", {"begins_at": iso(NOW - timedelta(hours=1))})):
            self.drafted(self.do("/attendance", {"people": [{"part": "attended", "unit": "U02"}]}))
            self.ready = True

    @rule(text=st.sampled_from("甲乙丙"), becomes=st.sampled_from(sorted(BODIES)))
    def decide(self, text: str, becomes: str) -> None:
        known = (text, becomes) in self.decisions
        body = {"text": text, "becomes": becomes, **BODIES[becomes]}
        if self.drafted(self.do("/decisions", body), changes=not known) and not known:
            self.decisions.append((text, becomes))

    @precondition(lambda self: self.decisions)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(1, len(self.decisions)))
        if self.drafted(self.do(f"/decisions/{number}", {}, method="DELETE")):
            del self.decisions[number - 1]

    @rule(signer=st.sampled_from(sorted(SIGNERS)), stale=st.sampled_from([False, False, False, True]))
    def sign(self, signer: tuple[str, str], stale: bool) -> None:
        part, who = signer
        old = stale and len(self.digests) > 1
        digest = self.digests[-2] if old else self.digests[-1]
        status, found = self.do("/signatures", {"part": part, "digest": digest}, SIGNERS[signer])
        again = self.signed.get(part) == who and not old
        others = {w for p, w in self.signed.items() if p != part}
        may = self.state == "draft" and not old and who not in others and self.ready
        assert (status == 200) is (again or may), found
        if may and not again:
            self.signed[part] = who
            if len(self.signed) == 2:
                self.state = "held"
                type(self).entries += sum(becomes == "entry" for _, becomes in self.decisions)

    @precondition(lambda self: self.ready and self.state == "draft")
    @rule()
    def both_sign(self) -> None:
        self.sign(("recorder", "c"), False)
        self.sign(("convener", "b"), False)
        assert self.state == "held"

    @rule()
    def publish(self) -> None:
        status, found = self.do("/publication", {})
        assert (status == 200) is (self.state != "draft"), found
        if status == 200:
            self.state = "published"

    @rule()
    def amend(self) -> None:
        status, found = self.do("/addenda", {"text": f"更正{self.addenda}"})
        assert (status == 201) is (self.state != "draft"), found
        self.addenda += status == 201

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        _, found = self.do("", None, method="GET")
        assert found["state"] == self.state
        assert {s["part"]: s["who"] for s in found["signatures"]} == self.signed
        assert [(d["number"], d["text"], d["becomes"]) for d in found["decisions"]] == [
            (n, *d) for n, d in enumerate(self.decisions, start=1)
        ]
        assert (found["digest"], found["place"]) == (self.digests[-1], self.place)
        assert len(found["addenda"]) == self.addenda
        events = [decode(o.body, names.CONTENT_TYPE) for o in self.opened.published]
        held = [e for e in events if e.name == "meeting.held" and e.subject == self.id]
        assert len(held) == (self.state != "draft")
        assert sum(e.name == "entry.opened" for e in events) == self.entries
        outcomes = {d["outcome"] for d in found["decisions"] if d["becomes"] == "entry"}
        assert outcomes <= {"done" if self.state != "draft" else None}


def test_whatever_is_done_the_meeting_is_as_the_model_says(databases: Databases) -> None:
    opened = Opened("ledger", databases.fresh("ledger"))
    machine = type(
        "Machine", (Meeting,), {"opened": opened, "client": Client(opened), "begun": itertools.count()}
    )
    try:
        machine.TestCase.settings = settings(
            max_examples=examples(8),
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        machine.TestCase().runTest()
    finally:
        opened.close()
