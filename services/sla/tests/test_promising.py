"""What reporters are promised otherwise than their cases say, told to intake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from jiayuan.chassis.testing.databases import Opened, WorkFor
from jiayuan.contracts.check import problems
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.schemas.clock import ClockPromised
from jiayuan.contracts.times import iso
from jiayuan.sla import books, handlers, policy, store

pytestmark = pytest.mark.store
Moment = Callable[[float], datetime]
DAY = 86400
WORK = [{"id": "work", "when": {"clock": ["citizen"]}, "then": {"calendar": "county", "limit": "5wd"}}]


def import_policy(opened: Opened, at: datetime, version: str, **more: Any) -> None:
    document = {**policy.document(), "version": version, **more}
    with opened(now=at) as work:
        row = {"document": document, "digest": "-", "imported_at": iso(at), "imported_by": "t"}
        store.add_policy(work, {"version": version, "effective_from": iso(at), **row})
        store.ask_recomputation(work, f"policy {version}", at, "t")
    with opened(now=at) as work:
        books.refresh(work)


def told(events: list[Event]) -> list[tuple[bool, str | None]]:
    found = [e for e in events if e.name == "clock.promised"]
    assert all(problems(ClockPromised, e.data) == [] for e in found)
    return [(e.data["differs"], e.data["due_at"]) for e in found]


def take(opened: Opened, now: datetime, *events: Event) -> list[tuple[bool, str | None]]:
    with opened(now=now) as work:
        handlers.case_changed(work, events)
        return told(work.emitted)


def again(opened: Opened, now: datetime) -> list[tuple[bool, str | None]]:
    with opened(now=now) as work:
        handlers.recompute(work)
        return told(work.emitted)


def test_nothing_is_said_of_what_the_case_says(work_for: WorkFor, life: Any, moment: Moment) -> None:
    opened, case = work_for("sla"), life()
    case.assign(0), case.pause(60), case.resume(120), case.extend(200, 3600), case.answer(300)
    for event in case.events:
        assert take(opened, moment(400), event) == []


def test_working_time_is_promised_as_it_counts(work_for: WorkFor, life: Any, moment: Moment) -> None:
    opened, case = work_for("sla"), life()
    import_policy(opened, moment(-10), "p", rules=WORK)
    # Five working days from Monday 09:00 end on Friday 18:00; the case itself says Saturday 09:00.
    friday, monday = 4 * DAY + 9 * 3600, 7 * DAY + 0.5 * 3600
    assert take(opened, moment(1), case.assign(0)) == [(True, case.at(friday))]
    assert take(opened, moment(700), case.answer(600)) == []
    # It stands still from noon of Tuesday, and for half an hour of Wednesday's working time.
    assert take(opened, moment(DAY + 3600), case.pause(DAY + 3600)) == [(True, None)]
    assert take(opened, moment(DAY + 5400), case.resume(DAY + 5400)) == [(True, case.at(monday))]
    assert take(opened, moment(2 * DAY), case.resolve(2 * DAY)) == []


def test_a_policy_that_changes_is_told_of_open_cases(work_for: WorkFor, life: Any, moment: Moment) -> None:
    opened, case = work_for("sla"), life()
    assert take(opened, moment(1), case.assign(0)) == []
    import_policy(opened, moment(10), "p", rules=WORK)
    assert again(opened, moment(11)) == [(True, case.at(4 * DAY + 9 * 3600))]
    assert again(opened, moment(30)) == []
    import_policy(opened, moment(40), "q")
    assert again(opened, moment(41)) == [(False, case.at(5 * DAY))]


def test_a_policy_whose_pauses_dont_hold_the_citizens_clock_up(
    work_for: WorkFor, life: Any, moment: Moment
) -> None:
    opened, case = work_for("sla"), life()
    import_policy(opened, moment(-10), "p", pauses=["response", "finish"])
    # Whoever moves the case's limit by its pauses would promise too much.
    assert take(opened, moment(1), case.assign(0)) == [(True, case.at(5 * DAY))]
    assert take(opened, moment(60), case.pause(60)) == []
