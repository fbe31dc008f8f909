"""The storm's own checks: each finds what it is there to find, and nothing where all is well."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jiayuan.contracts.times import iso
from jiayuan.local import storm
from jiayuan.local.reconcile import Books, Check

pytestmark = pytest.mark.unit

T0 = datetime(2026, 8, 19, 4, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


EMERGENCY: dict[str, Any] = {"id": "e1", "declared_at": at(5), "begun_at": at(5), "lifted_at": at(60)}


def _case(id_: str, colour: str, opened: float, **fields: Any) -> dict[str, Any]:
    leg = {
        "id": f"leg-{id_}-long",
        "kind": "handle",
        "state": "offered",
        "response_limit": 900,
        "finish_limit": 86400,
        "offered_at": iso(at(opened)),
    }
    doc = {
        "id": id_,
        "kind": "problem",
        "state": "assigned",
        "colour": colour,
        "street": "350921001",
        "category": {"code": "0105"},
        "decision": {"policy": "2026.1", "rule": "sanitation-grid"},
        "legs": [leg],
        "pauses": [],
        "citizen_limit": 1296000,
        "first_received_at": iso(at(opened)),
        "opened_at": iso(at(opened)),
        **fields,
    }
    return {"id": id_, "number": id_, "state": doc["state"], "colour": colour, "doc": doc}


def _pause(start: float, end: float) -> dict[str, Any]:
    return {"start": iso(at(start)), "end": iso(at(end)), "reason": "", "emergency": "e1"}


def _books() -> Books:
    """One minor case from before, one from the middle of it, and an urgent one; all is well after 70 minutes."""
    cases = [
        _case("minor", "green", 1, pauses=[_pause(6, 61)]),
        _case("meanwhile", "blue", 20, pauses=[_pause(20, 61)]),
        _case("urgent", "red", 30, decision={"policy": "2026.1", "rule": "?"}),
    ]
    clocks = []
    for case in cases:
        leg = case["doc"]["legs"][0]
        start = at({"minor": 1, "meanwhile": 20, "urgent": 30}[case["id"]])
        stood = {"minor": 55, "meanwhile": 41, "urgent": 0}[case["id"]]
        for kind, leg_id, limit in (
            ("response", leg["id"], 900),
            ("finish", leg["id"], 86400),
            ("citizen", "", 1296000),
        ):
            due = start + timedelta(seconds=limit, minutes=stood)
            state = "breached" if due < at(60) else "armed"
            row = {"case": case["id"], "leg": leg_id, "kind": kind, "limit_seconds": limit, "due_at": due}
            clocks.append({**row, "state": state})
    return Books(cases=cases, clocks=clocks)


def _wrong(books: Books) -> set[str]:
    checks: list[Check] = storm.emergency_checks(books, EMERGENCY, 0) + storm.clock_checks(books, at(70))
    return {c.name for c in checks if not c.good}


def test_where_all_is_well_nothing_is_found() -> None:
    assert _wrong(_books()) == set()


def _doc(books: Books, number: int = 0) -> dict[str, Any]:
    doc: dict[str, Any] = books.cases[number]["doc"]
    return doc


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda b: _doc(b, 1).update(pauses=[]), "minor matters of the area = paused matters"),
        (lambda b: _doc(b, 2).update(pauses=[_pause(30, 61)]), "nothing urgent was paused"),
        (lambda b: _doc(b)["pauses"].append(_pause(62, 63)), "nothing was paused twice"),
        (lambda b: _doc(b)["pauses"][0].update(end=None), "pauses lie between the declaration and the end"),
        (
            lambda b: _doc(b)["pauses"][0].update(start=iso(at(4))),
            "pauses lie between the declaration and the end",
        ),
        (
            lambda b: _doc(b)["pauses"][0].update(end=iso(at(59))),
            "pauses lie between the declaration and the end",
        ),
        (lambda b: _doc(b).update(emergency="e1"), "no open case is under an emergency"),
        (lambda b: _doc(b)["legs"][0].update(finish_limit=14400), "legs have the limits of peace again"),
        (lambda b: b.clocks[0].update(limit_seconds=600), "every clock has its case's limit"),
        (lambda b: b.clocks[0].update(due_at=at(16)), "every deadline, counted again"),
        (lambda b: b.clocks[1].update(state="breached"), "every clock's state, counted again"),
        (lambda b: b.clocks[6].update(state="armed"), "every clock's state, counted again"),
        (
            lambda b: _doc(b)["legs"][0].update(answered_at=iso(at(8)), state="answered"),
            "every clock's state, counted again",
        ),
    ],
)
def test_each_check_finds_what_it_is_there_for(spoil: Callable[[Books], Any], found: str) -> None:
    books = copy.deepcopy(_books())
    spoil(books)
    assert found in _wrong(books)


def test_a_deadline_walks_from_pause_to_pause() -> None:
    assert storm.due(at(0), 600, []) == at(10)
    assert storm.due(at(0), 600, [(at(5), at(20))]) == at(25)
    assert storm.due(at(0), 600, [(at(10), at(20))]) == at(20)
    assert storm.due(at(0), 600, [(at(11), at(20))]) == at(10)
    assert storm.due(at(0), 600, [(at(2), at(6)), (at(4), at(8))]) == at(16)
    assert storm.due(at(5), 600, [(at(0), at(7))]) == at(17)
    assert storm.due(at(0), 600, [(at(5), None)]) is None


def test_the_storm_is_a_hundred_times_what_the_county_sends() -> None:
    options = storm.Options()
    assert round(options.normal * 86400) == 1310
    assert options.reports == 5457
    places = {
        "streets": [{"code": "350921001", "communities": [{"code": "350921001001", "name": "龙津社区"}]}]
    }
    sent = storm.messages(storm.Options(minutes=10), places, 30.0)
    assert len(sent) == storm.Options(minutes=10).reports
    assert [m.at for m in sent] == sorted(m.at for m in sent)
    assert {m.way for m in sent} == {"http", "bus"}
    assert len({m.key for m in sent}) == len(sent)
