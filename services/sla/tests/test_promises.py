"""Clocks of promises outside of cases: the lines of a service list, and the entry that every kind takes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import permutations

import pytest

from jiayuan.chassis.testing.databases import Opened, WorkFor
from jiayuan.contracts.check import problems
from jiayuan.contracts.envelope import Event, make
from jiayuan.contracts.schemas.clock import ClockSpoke
from jiayuan.contracts.times import iso
from jiayuan.sla import books, handlers, policy, promises, store

pytestmark = pytest.mark.store
Moment = Callable[[float], datetime]
STREET, QUARTER, DAY = "350921001", "2026Q1", 86400


@pytest.fixture
def open_work(work_for: WorkFor, moment: Moment) -> Opened:
    """A database whose policy gives units ten days to claim, and an hour to read."""
    opened = work_for("sla")
    document = {**policy.document(), "version": "p", "limits": {"claim": "10d", "notice": "1h"}}
    with opened(now=moment(-10)) as work:
        at = iso(moment(-10))
        row = {"document": document, "digest": "-", "imported_at": at, "imported_by": "t"}
        store.add_policy(work, {"version": "p", "effective_from": at, **row})
    with opened() as work:
        books.refresh(work)
    return opened


def listed(moment: Moment, second: float, *, lines: int = 2, kind: str = "service") -> Event:
    data = {
        "id": f"list-{second}",
        "kind": kind,
        "quarter": QUARTER,
        "street": STREET,
        "community": None,
        "lines": lines,
        "at": iso(moment(second)),
    }
    return make("list.published", "/jiayuan/ledger", data, at=moment(second), subject=data["id"])


def claimed(moment: Moment, second: float, line: str) -> Event:
    data = {
        "line": line,
        "unit": "U02",
        "quarter": QUARTER,
        "street": STREET,
        "person": None,
        "due_at": None,
        "at": iso(moment(second)),
    }
    return make("service.claimed", "/jiayuan/ledger", data, at=moment(second), subject=line)


def take(open_work: Opened, now: datetime, *events: Event) -> list[str]:
    with open_work(now=now) as work:
        for event in events:
            (handler,) = [h for h in handlers.HANDLERS if h.pattern == event.name]
            if handler.wants is None or handler.wants(event):
                handler.run(work, [event])
        for said in work.emitted:
            assert problems(ClockSpoke, said.data) == []
        return [e.name for e in work.emitted]


def tick(open_work: Opened, now: datetime) -> list[Event]:
    with open_work(now=now) as work:
        handlers.speak(work)
        return list(work.emitted)


def clocks(open_work: Opened) -> list[tuple[str, str]]:
    with open_work() as work:
        return [tuple(r) for r in work.execute("SELECT kind, state FROM clock ORDER BY id")]


def test_a_list_waits_to_be_claimed_and_is_said_when_it_isnt(open_work: Opened, moment: Moment) -> None:
    assert take(open_work, moment(1), listed(moment, 0)) == []
    take(open_work, moment(DAY), claimed(moment, DAY, "l-1"))
    (warned,) = tick(open_work, moment(8 * DAY))
    clock = warned.data["clock"]
    assert (warned.name, clock["kind"], clock["about"], clock["leg"]) == (
        "clock.warned",
        "claim",
        "list-0",
        None,
    )
    assert (clock["case"], clock["limit"]) == (f"service-list:{STREET}:{QUARTER}", 10 * DAY)
    assert clock["assignee"] == {"type": "desk", "id": f"desk-{STREET}"}
    assert [e.name for e in tick(open_work, moment(10 * DAY + 1))] == ["clock.breached"]
    # The last line was claimed in time, and the bus was slow.
    assert take(open_work, moment(11 * DAY), claimed(moment, 10 * DAY, "l-2")) == ["clock.met"]
    assert clocks(open_work) == [("claim", "met")]


def test_lists_and_claims_come_in_any_order_and_again(open_work: Opened, moment: Moment) -> None:
    told = [listed(moment, 0), claimed(moment, DAY, "l-1"), claimed(moment, 2 * DAY, "l-2")]
    for n, order in enumerate(permutations([*told, told[1]])):
        with open_work() as work:
            work.execute("UPDATE clock SET case_id = case_id || :n WHERE case_id NOT LIKE '%#%'", n=f"#{n}")
            work.execute(
                "UPDATE case_seen SET case_id = case_id || :n WHERE case_id NOT LIKE '%#%'", n=f"#{n}"
            )
        take(open_work, moment(3 * DAY), *order)
        with open_work() as work:
            found = work.execute("SELECT state, met_at FROM clock WHERE case_id NOT LIKE '%#%'").one()
        assert (found.state, found.met_at) == ("met", moment(2 * DAY))


def test_other_lists_and_empty_ones_wait_for_nobody(open_work: Opened, moment: Moment) -> None:
    take(open_work, moment(1), listed(moment, 0, kind="demand"), listed(moment, 0, lines=0))
    assert clocks(open_work) == []


def test_without_a_limit_in_the_policy_there_is_no_clock(work_for: WorkFor, moment: Moment) -> None:
    opened = work_for("sla")
    take(opened, moment(1), listed(moment, 0))
    assert clocks(opened) == []


def test_a_notice_that_must_be_read_takes_the_same_entry(open_work: Opened, moment: Moment) -> None:
    def notice(done_at: datetime | None) -> list[str]:
        with open_work(now=moment(7200)) as work:
            store.matter(work, "notice:n-1", STREET, "live", "")
            version = store.keep_matter(work, "notice:n-1", {})
            who = ("person", "worker-1")
            p = promises.Promise("notice", "notice:n-1", "n-1", STREET, who, moment(0), done_at, version)
            promises.keep(work, [p])
            return [e.name for e in work.emitted]

    assert notice(None) == []
    assert [e.data["clock"]["kind"] for e in tick(open_work, moment(3601))] == ["notice"]
    assert notice(moment(3600)) == ["clock.met"]
    assert notice(moment(3600)) == []


def test_a_promise_is_computed_again_with_the_others(open_work: Opened, moment: Moment) -> None:
    take(open_work, moment(1), listed(moment, 0))
    rule = {"id": "w", "when": {"clock": ["claim"]}, "then": {"calendar": "county", "limit": "3wd"}}
    document = {**policy.document(), "version": "q", "limits": {"claim": "10d"}, "rules": [rule]}
    at = iso(moment(10))
    with open_work(now=moment(10)) as work:
        row = {"document": document, "digest": "-", "imported_at": at, "imported_by": "t"}
        store.add_policy(work, {"version": "q", "effective_from": at, **row})
        store.ask_recomputation(work, "policy q", moment(10), "t")
    with open_work(now=moment(20)) as work:
        handlers.recompute(work)
    with open_work() as work:
        found = work.execute("SELECT policy, rule, due_at FROM clock").one()
    assert (found.policy, found.rule) == ("q", "w")
    assert found.due_at == moment(2 * DAY + 9 * 3600)
    # News of the matter find the same rule.
    assert take(open_work, moment(30), claimed(moment, 25, "l-1")) == []
    with open_work() as work:
        assert work.execute("SELECT rule FROM clock").scalar() == "w"
