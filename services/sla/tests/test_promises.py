"""Clocks of promises outside of cases: the lines of a service list, and the entry that every kind takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import permutations
from typing import Any

import pytest

from jiayuan.chassis.testing.databases import Opened, WorkFor
from jiayuan.chassis.transaction import Transaction
from jiayuan.contracts.check import problems
from jiayuan.contracts.envelope import Event, make
from jiayuan.contracts.schemas.clock import ClockSpoke
from jiayuan.contracts.schemas.ledger import ServiceClaimed
from jiayuan.contracts.schemas.notice import NoticeAsked, NoticeRead
from jiayuan.contracts.times import iso
from jiayuan.sla import books, calendar, handlers, policy, promises, reporting, store
from jiayuan.sla.explain import explained
from jiayuan.sla.rates import BY_NAME

pytestmark = pytest.mark.store
Moment = Callable[[float], datetime]
STREET, QUARTER, DAY = "350921001", "2026Q1", 86400


def with_limits(work_for: WorkFor, moment: Moment, limits: Mapping[str, str], **more: object) -> Opened:
    """A database whose policy has these limits."""
    opened = work_for("sla")
    document = {**policy.document(), "version": "p", "limits": dict(limits), **more}
    with opened(now=moment(-10)) as work:
        at = iso(moment(-10))
        row = {"document": document, "digest": "-", "imported_at": at, "imported_by": "t"}
        store.add_policy(work, {"version": "p", "effective_from": at, **row})
    with opened() as work:
        books.refresh(work)
    return opened


@pytest.fixture
def open_work(work_for: WorkFor, moment: Moment) -> Opened:
    """A database whose policy gives units ten days to claim, and an hour to read."""
    return with_limits(work_for, moment, {"claim": "10d", "notice": "1h"})


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


def claimed(moment: Moment, second: float, line: str, sequence: int = 1, **more: object) -> Event:
    """A unit takes a line; with `claim` and what it promised, or what became of it at `told`."""
    told = more.pop("told", second)
    assert isinstance(told, int | float)
    data = {
        "line": line,
        "unit": "U02",
        "quarter": QUARTER,
        "street": STREET,
        "person": None,
        "due_at": None,
        "at": iso(moment(second)),
        **more,
    }
    assert problems(ServiceClaimed, data) == []
    return make("service.claimed", "/jiayuan/ledger", data, at=moment(told), subject=line, sequence=sequence)


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
    assert take(open_work, moment(11 * DAY), claimed(moment, 10 * DAY, "l-2")) == ["clock.corrected"]
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


def promised(moment: Moment, sequence: int = 1, told: float = 0, **more: object) -> Event:
    """A claim with a limit of ten days and two milestones, of which the first is done where `first` says when."""
    first = more.pop("first", None)
    assert first is None or isinstance(first, int | float)
    steps = [
        {"name": "勘查", "due_at": iso(moment(2 * DAY)), "done_at": first and iso(moment(first))},
        {"name": "验收", "due_at": iso(moment(8 * DAY)), "done_at": None},
    ]
    more = {"claim": "c-1", "due_at": iso(moment(10 * DAY)), "milestones": steps, **more}
    return claimed(moment, 0, "l-1", sequence, told=told, **more)


def of_claim(open_work: Opened) -> dict[str, str]:
    with open_work() as work:
        rows = work.execute("SELECT leg_id, state FROM clock WHERE case_id = 'claim:c-1' ORDER BY leg_id")
        return {row.leg_id: row.state for row in rows}


def test_what_a_unit_promised_of_its_line_has_clocks(open_work: Opened, moment: Moment) -> None:
    assert take(open_work, moment(1), promised(moment)) == []
    assert of_claim(open_work) == {"c-1": "armed", "c-1:1": "armed", "c-1:2": "armed"}
    with open_work() as work:
        found = work.execute("SELECT due_at, assignee_type, assignee_id FROM clock ORDER BY due_at").all()
    assert [row.due_at for row in found] == [moment(n * DAY) for n in (2, 8, 10)]
    assert {tuple(row[1:]) for row in found} == {("unit", "U02")}
    assert [e.data["clock"]["about"] for e in tick(open_work, moment(2 * DAY + 1))] == ["c-1:1"]
    # Done in time, told late; and what is done as a whole is done in its parts.
    assert take(open_work, moment(3 * DAY), promised(moment, 2, 3 * DAY, first=DAY)) == ["clock.corrected"]
    done = promised(moment, 3, 4 * DAY, first=DAY, state="done", done_at=iso(moment(4 * DAY)))
    assert take(open_work, moment(4 * DAY), done) == ["clock.met", "clock.met"]
    assert set(of_claim(open_work).values()) == {"met"}
    assert take(open_work, moment(4 * DAY), promised(moment, 2, first=None)) == []  # an older word of it


def test_what_a_unit_gave_up_it_owes_no_more_but_was_late_with(open_work: Opened, moment: Moment) -> None:
    take(open_work, moment(1), promised(moment))
    gone = promised(moment, 2, 3 * DAY, state="released")
    assert take(open_work, moment(4 * DAY), gone) == ["clock.breached"]  # nobody had noticed
    assert of_claim(open_work) == {"c-1": "cancelled", "c-1:1": "breached", "c-1:2": "cancelled"}


def test_a_milestone_that_is_not_promised_any_more_is_called_off(open_work: Opened, moment: Moment) -> None:
    take(open_work, moment(1), promised(moment))
    take(open_work, moment(2), promised(moment, 2, milestones=[]))
    assert of_claim(open_work) == {"c-1": "armed", "c-1:1": "cancelled", "c-1:2": "cancelled"}


def test_a_line_that_was_given_up_is_to_be_claimed_again(open_work: Opened, moment: Moment) -> None:
    first = claimed(moment, DAY, "l-1", 1, claim="c-1")
    gone = claimed(moment, DAY, "l-1", 2, claim="c-1", state="released", told=2 * DAY)
    told = [listed(moment, 0), first, gone, claimed(moment, 3 * DAY, "l-2", 1, claim="c-2")]
    for n, order in enumerate(permutations(told)):
        street = f"35092100{n:02}"

        def of_street(event: Event, street: str = street) -> Event:
            return replace(event, data={**event.data, "street": street})

        def state(street: str = street) -> str:
            with open_work() as work:
                sql = "SELECT state FROM clock WHERE street = :street AND case_id LIKE 'service-list%'"
                return str(work.execute(sql, street=street).scalar_one())

        take(open_work, moment(4 * DAY), *map(of_street, order))
        assert state() == "armed"
        again = claimed(moment, 5 * DAY, "l-1", 3, claim="c-3")
        assert take(open_work, moment(5 * DAY), of_street(again)) == ["clock.met"]
        later = claimed(moment, 3 * DAY, "l-2", 2, claim="c-2", state="released", told=6 * DAY)
        take(open_work, moment(6 * DAY), of_street(later))
        assert state() == "met"  # all had been claimed


def test_a_moment_that_was_promised_is_it_to_the_microsecond(open_work: Opened, moment: Moment) -> None:
    said = {"at": iso(moment(0.345678)), "milestones": []}
    take(open_work, moment(1), promised(moment, **said))
    with open_work() as work:
        assert work.execute("SELECT due_at FROM clock").scalar_one() == moment(10 * DAY)
    assert tick(open_work, moment(9 * DAY)) != []
    assert tick(open_work, moment(10 * DAY)) == []  # in time
    done = promised(moment, 2, 10 * DAY, state="done", done_at=iso(moment(10 * DAY)), **said)
    assert take(open_work, moment(10 * DAY + 1), done) == ["clock.met"]


def declare(opened: Opened, now: datetime, **days: Any) -> None:
    """A new version of the county's calendar with such days, and every open clock computed again."""
    document = {**calendar.bundled_documents()["county"], "days": days}
    with opened(now=now) as work:
        at = {"imported_at": now, "imported_by": "t", "note": ""}
        known = {"digest": "-", "known_until": "2026-12-31"}
        store.add_calendar(work, {"name": "county", "version": 1, "document": document, **known, **at})
        store.ask_recomputation(work, "calendar county@1", now, "t")
    with opened(now=now) as work:
        handlers.recompute(work)


def test_a_moment_that_was_promised_stays_where_working_days_move(work_for: WorkFor, moment: Moment) -> None:
    rule = {"id": "w", "when": {"clock": ["claim", "notice"]}, "then": {"calendar": "county", "limit": "3wd"}}
    opened = with_limits(work_for, moment, {"claim": "1d"}, rules=[rule])
    take(
        opened, moment(1), promised(moment, milestones=[]), asked(moment, 0, read_by=7200), listed(moment, 0)
    )

    def due() -> dict[str, datetime]:
        with opened() as work:
            return {row.leg_id: row.due_at for row in work.execute("SELECT leg_id, due_at FROM clock")}

    evening = 9 * 3600  # Monday 09:00 is the beginning
    assert due() == {"c-1": moment(10 * DAY), "n-1": moment(7200), "list-0": moment(2 * DAY + evening)}
    declare(opened, moment(60), **{"2026-03-03": {"holiday": "台风停工"}})
    assert due() == {"c-1": moment(10 * DAY), "n-1": moment(7200), "list-0": moment(3 * DAY + evening)}
    with opened(now=moment(70)) as work:
        (read,) = store.of_case(work, "claim:c-1", None)
        found = explained(read.clock, (), (), work.now, books.of(work))
    assert (found["fixed"], found["time"], found["rule"]) == (True, "natural", "w")
    assert found["elapsed"] + found["remaining"] == 10 * DAY
    assert "calendar" not in found
    assert "unknown" not in found
    # Whoever promised it may name another, as long as it hasn't come.
    take(opened, moment(80), promised(moment, 2, 80, milestones=[], due_at=iso(moment(5 * DAY))))
    assert due()["c-1"] == moment(5 * DAY)
    assert [e.name for e in tick(opened, moment(5 * DAY + 1)) if e.data["clock"]["about"] == "c-1"] == [
        "clock.breached"
    ]
    take(opened, moment(6 * DAY), promised(moment, 3, 6 * DAY, milestones=[], due_at=iso(moment(20 * DAY))))
    assert due()["c-1"] == moment(5 * DAY)


def test_other_lists_and_empty_ones_wait_for_nobody(open_work: Opened, moment: Moment) -> None:
    take(open_work, moment(1), listed(moment, 0, kind="demand"), listed(moment, 0, lines=0))
    assert clocks(open_work) == []


def test_without_a_limit_in_the_policy_there_is_no_clock(work_for: WorkFor, moment: Moment) -> None:
    opened = with_limits(work_for, moment, {})
    take(opened, moment(1), listed(moment, 0), asked(moment, 0))
    assert clocks(opened) == []


def test_the_bundled_policy_gives_ten_days_to_claim_and_a_day_to_read(
    work_for: WorkFor, moment: Moment
) -> None:
    opened = work_for("sla")
    take(opened, moment(1), listed(moment, 0), asked(moment, 0))
    with opened() as work:
        found = work.execute("SELECT kind, limit_seconds FROM clock ORDER BY kind").all()
    assert [tuple(row) for row in found] == [("claim", 10 * DAY), ("notice", DAY)]


def asked(moment: Moment, second: float, *, read_by: float | None = None, notice: str = "n-1") -> Event:
    data = {
        "notice": notice,
        "recipient": "worker-1",
        "recipient_type": "person",
        "matter": "case-1",
        "case": "case-1",
        "template": "whistled",
        "street": STREET,
        "read_by": None if read_by is None else iso(moment(read_by)),
        "at": iso(moment(second)),
    }
    assert problems(NoticeAsked, data) == []
    return make("notice.asked", "/jiayuan/notify", data, at=moment(second), subject=notice, sequence=2)


def was_read(moment: Moment, second: float, *, notice: str = "n-1") -> Event:
    data = {
        "notice": notice,
        "recipient": "worker-1",
        "recipient_type": "person",
        "matter": "case-1",
        "street": STREET,
        "at": iso(moment(second)),
    }
    assert problems(NoticeRead, data) == []
    return make("notice.read", "/jiayuan/notify", data, at=moment(second), subject=notice, sequence=3)


def test_a_notice_that_must_be_read_is_warned_of_breached_and_corrected(
    open_work: Opened, moment: Moment
) -> None:
    assert take(open_work, moment(1), asked(moment, 0)) == []
    (warned,) = tick(open_work, moment(2880))
    assert warned.name == "clock.warned"
    (late,) = tick(open_work, moment(3601))
    clock = late.data["clock"]
    assert (late.name, clock["kind"], clock["about"]) == ("clock.breached", "notice", "n-1")
    assert (clock["case"], clock["assignee"]) == ("notice:n-1", {"type": "person", "id": "worker-1"})
    # It had been read in time, and the bus was slow.
    assert take(open_work, moment(3700), was_read(moment, 3600)) == ["clock.corrected"]
    assert take(open_work, moment(3701), was_read(moment, 3650)) == []
    assert clocks(open_work) == [("notice", "met")]


def test_a_notice_that_is_read_too_late_stays_breached(open_work: Opened, moment: Moment) -> None:
    assert take(open_work, moment(4000), asked(moment, 0)) == []
    assert take(open_work, moment(4001), was_read(moment, 3601)) == ["clock.breached"]
    assert tick(open_work, moment(9999)) == []


def test_a_notice_with_a_time_of_its_own_goes_by_that(open_work: Opened, moment: Moment) -> None:
    take(open_work, moment(1), asked(moment, 0, read_by=1800), asked(moment, 60, read_by=60, notice="n-2"))
    with open_work() as work:
        found = work.execute("SELECT leg_id, limit_seconds, due_at FROM clock").all()
    assert [tuple(row) for row in found] == [("n-1", 1800, moment(1800))]


def test_sent_and_read_come_in_any_order_and_again(open_work: Opened, moment: Moment) -> None:
    told = [asked(moment, 0), was_read(moment, 600), was_read(moment, 900), asked(moment, 0)]
    for n, order in enumerate(permutations(told)):
        more = [replace(e, data={**e.data, "notice": f"n-{n}"}) for e in order]
        assert take(open_work, moment(1000), *more) == ["clock.met"]
    with open_work() as work:
        found = work.execute("SELECT DISTINCT state, met_at FROM clock").all()
    assert [tuple(row) for row in found] == [("met", moment(600))]


def test_a_batch_of_notices_takes_no_more_round_trips_than_one(
    open_work: Opened, moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    send = Transaction._send
    monkeypatch.setattr(Transaction, "_send", lambda self, last: (sent.append(last), send(self, last))[1])

    def round_trips(first: int, many: int) -> int:
        sent.clear()
        with open_work(now=moment(1)) as work:
            promises.notices_said(work, [asked(moment, 0, notice=f"m-{first + n}") for n in range(many)])
        return len(sent)

    assert round_trips(0, 1) == round_trips(100, 50) > 0


def rates_of(open_work: Opened, now: datetime, first: datetime, last: datetime) -> dict[str, Any]:
    with open_work(now=now) as work:
        query = reporting.query(work, "unit", iso(first), iso(last))
        found = reporting.document(work, query)
        assert "unmeasured" not in found
        return {g["group"]: g["figures"] for g in found["groups"]}


def test_promises_are_in_the_rates_of_the_days_on_which_they_were_due(
    open_work: Opened, moment: Moment
) -> None:
    take(open_work, moment(1), listed(moment, 0), promised(moment), asked(moment, 0, read_by=DAY))
    take(open_work, moment(2), asked(moment, 0, notice="n-2"), was_read(moment, 2, notice="n-2"))
    done = promised(moment, 2, 3 * DAY, first=DAY)
    take(open_work, moment(3 * DAY), done, claimed(moment, 2 * DAY, "l-2", claim="c-2"))
    found = rates_of(open_work, moment(30 * DAY), moment(0), moment(20 * DAY))
    assert found == {
        f"desk-{STREET}": {"on_time_claim": {"hits": 1, "over": 1}},
        "U02": {"on_time_promise": {"hits": 1, "over": 3}},
        # Of people there is only that it was one.
        "grid": {"on_time_read": {"hits": 1, "over": 2}},
    }
    # The second milestone alone.
    found = rates_of(open_work, moment(30 * DAY), moment(5 * DAY), moment(9 * DAY))
    assert found == {"U02": {"on_time_promise": {"hits": 0, "over": 1}}}
    with open_work() as work:
        query = reporting.query(work, "unit", iso(moment(0)), iso(moment(20 * DAY)))
        listed_ = reporting.cases(work, query, BY_NAME["on_time_promise"], None)
    assert [(row["case"], row["leg"], row["counted"]) for row in listed_.rows] == [
        ("claim:c-1", "c-1:1", True),
        ("claim:c-1", "c-1:2", False),
        ("claim:c-1", "c-1", False),
    ]


def test_a_promise_that_is_computed_again_is_in_the_rates_of_its_new_day(
    open_work: Opened, moment: Moment
) -> None:
    take(open_work, moment(1), listed(moment, 0))
    at = iso(moment(10))
    rule = {"id": "w", "when": {"clock": ["claim"]}, "then": {"limit": "40d"}}
    document = {**policy.document(), "version": "q", "limits": {"claim": "10d"}, "rules": [rule]}
    with open_work(now=moment(10)) as work:
        row = {"document": document, "digest": "-", "imported_at": at, "imported_by": "t"}
        store.add_policy(work, {"version": "q", "effective_from": at, **row})
        store.ask_recomputation(work, "policy q", moment(10), "t")
    with open_work(now=moment(20)) as work:
        handlers.recompute(work)
    assert rates_of(open_work, moment(90 * DAY), moment(9 * DAY), moment(11 * DAY)) == {}
    found = rates_of(open_work, moment(90 * DAY), moment(39 * DAY), moment(41 * DAY))
    assert found == {f"desk-{STREET}": {"on_time_claim": {"hits": 0, "over": 1}}}


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
