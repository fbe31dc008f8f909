"""The handler and the ticker on PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from jiayuan.chassis.delivery import Message
from jiayuan.chassis.testing.databases import Opened, WorkFor, round_trips
from jiayuan.contracts import names
from jiayuan.contracts.envelope import Event, encode
from jiayuan.sla import handlers
from jiayuan.sla.store import clocks

pytestmark = pytest.mark.store
Moment = Callable[[float], datetime]


@pytest.fixture
def open_work(work_for: WorkFor) -> Opened:
    return work_for("sla")


def take(open_work: Opened, *events: Event, now: datetime) -> list[tuple[str, str]]:
    """Hands events over as one batch; what was said of it, as (kind, event name)."""
    with open_work(now=now) as work:
        handlers.case_changed(work, events)
        return said(work.emitted)


def tick(open_work: Opened, now: datetime) -> list[tuple[str, str]]:
    """One turn of the ticker."""
    with open_work(now=now) as work:
        handlers.speak(work)
        return said(work.emitted)


def said(events: list[Event]) -> list[tuple[str, str]]:
    return [(e.data["clock"]["kind"], e.name) for e in events]


def rows(open_work: Opened, case: str = "case-1") -> dict[str, Any]:
    with open_work() as work:
        found = work.execute("SELECT * FROM clock WHERE case_id = :case", case=case)
        return {f"{r.kind} {r.leg_id.rpartition('-')[2]}".strip(): r for r in found}


def states(open_work: Opened) -> dict[str, str]:
    return {k: r.state for k, r in rows(open_work).items()}


def test_a_life(open_work: Opened, life: Any, moment: Moment) -> None:
    case = life()
    assert take(open_work, case.open(), case.assign(0), now=moment(1)) == []
    assert states(open_work) == {"citizen": "armed", "response 1": "armed", "finish 1": "armed"}
    assert tick(open_work, moment(719)) == []
    assert tick(open_work, moment(720)) == [("response", "clock.warned")]
    assert tick(open_work, moment(900)) == []
    assert take(open_work, case.answer(900), now=moment(905)) == [("response", "clock.met")]
    told = take(open_work, case.resolve(5000), now=moment(5000))
    assert told == [("finish", "clock.met"), ("citizen", "clock.met")]
    assert rows(open_work)["confirmation"].due_at == moment(5000 + 259200)
    assert take(open_work, case.close(6000), now=moment(6000)) == [("confirmation", "clock.met")]
    assert set(states(open_work).values()) == {"met"}
    with open_work() as work:
        assert work.execute("SELECT count(*) FROM clock WHERE next_at IS NOT NULL").scalar() == 0


def test_what_an_event_says(open_work: Opened, life: Any, moment: Moment) -> None:
    case = life()
    with open_work(now=moment(0)) as work:
        handlers.case_changed(work, [case.assign(0)])
    case.tell("case.accepted", 60)
    with open_work(now=moment(60)) as work:
        handlers.case_changed(work, [case.events[-1]])
    with open_work(now=moment(1000)) as work:
        handlers.speak(work)
        (spoke,) = work.emitted
    clock = spoke.data["clock"]
    assert spoke.name == "clock.breached"
    assert (spoke.subject, spoke.sequence, spoke.street) == (clock["id"], 2, "350921001")
    assert (clock["case"], clock["case_sequence"], clock["leg"]) == ("case-1", 2, "case-1-leg-1")
    assert clock["assignee"] == {"type": "person", "id": "worker-1"}
    assert (clock["limit"], clock["percent"], clock["policy"]) == (900, 100, "2026.1")
    assert (clock["due_at"], clock["at"]) == (case.at(900), case.at(1000))
    assert spoke.traceparent == case.events[0].traceparent
    assert (spoke.lane, spoke.causationid) == ("live", "")

    answer = case.answer(800)
    with open_work(now=moment(1100)) as work:
        handlers.case_changed(work, [answer])
        (met,) = work.emitted
    assert (met.name, met.causationid, met.sequence) == ("clock.corrected", answer.id, 3)
    assert (met.data["clock"]["state"], met.data["clock"]["correction"]) == ("met", True)
    assert rows(open_work)["response 1"].breached_at == moment(1000)


def test_an_imports_clocks_speak_in_the_bulk_lane(open_work: Opened, life: Any, moment: Moment) -> None:
    take(open_work, life("old", lane="bulk").assign(0), life("new").assign(0), now=moment(0))
    with open_work(now=moment(1000)) as work:
        handlers.speak(work)
        lanes = {e.data["clock"]["case"]: e.lane for e in work.emitted}
    assert lanes == {"old": "bulk", "new": "live"}


def test_clocks_that_have_just_begun_and_those_that_are_over_are_stored_alike(
    open_work: Opened, life: Any, moment: Moment
) -> None:
    """Of those that run nothing is written of what has not happened to them; the others keep all that has."""
    take(
        open_work, life("earlier").assign(0), now=moment(0)
    )  # the policy is known, the statements are prepared
    running, met, late = life("running"), life("met"), life("late")
    for case in (running, met, late):
        case.open(), case.assign(0)
    met.resolve(60), late.answer(1000)
    with round_trips() as asked:
        take(open_work, running.events[-1], met.events[-1], late.events[-1], now=moment(1001))
    assert len(asked) == 2, "the news of the cases, and everything else with the commit"
    assert {r.state for r in rows(open_work, "running").values()} == {"armed"}
    begun = rows(open_work, "running")["finish 1"]
    assert (begun.warned_at, begun.breached_at, begun.met_at, begun.stopped_at) == (None,) * 4
    # What follows from the rest of it doesn't travel, and is there.
    assert (begun.due_at, begun.warn_at, begun.next_at) == (moment(86400), moment(69120), moment(69120))
    assert (begun.state, begun.sequence, begun.paused, begun.policy) == ("armed", 1, False, "2026.1")
    assert rows(open_work, "met")["finish 1"].met_at == moment(60)
    breached = rows(open_work, "late")["response 1"]
    assert (breached.state, breached.stopped_at) == ("breached", moment(1000))
    assert breached.breached_at == moment(1001)


def test_what_a_clock_says_changes_nothing_else_of_it(open_work: Opened, life: Any, moment: Moment) -> None:
    case = life()
    take(open_work, case.assign(0), now=moment(1))
    armed = rows(open_work)["response 1"]
    assert tick(open_work, moment(720)) == [("response", "clock.warned")]
    warned = rows(open_work)["response 1"]
    assert warned == armed._replace(
        state="warned", warned_at=moment(720), next_at=warned.next_at, sequence=armed.sequence + 1
    )
    assert moment(900) < warned.next_at < moment(900.001)
    assert tick(open_work, moment(901)) == [("response", "clock.breached")]
    assert rows(open_work)["response 1"] == warned._replace(
        state="breached", breached_at=moment(901), next_at=None, sequence=warned.sequence + 1
    )


def test_a_tick_looks_at_no_more_pages_when_more_is_not_due(
    open_work: Opened, life: Any, moment: Moment
) -> None:
    def pages() -> int:
        with open_work(now=moment(1)) as work:
            assert not clocks.due(work, handlers.CLAIM)
            explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {clocks._DUE.name}(:now, 500, :at)"
            (found,) = work.execute(explain, now=work.now, at=time.time()).scalar()
        return int(found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"])

    def more(count: int, name: str) -> None:
        take(open_work, *(life(f"{name}-{n}").assign(0) for n in range(count)), now=moment(0))

    more(10, "few")
    few = pages()
    open_work.engine.dispose()  # a new connection, whose first plan is of a table that was never analysed
    more(3000, "many")
    assert pages() <= few + 3, "a level of the index at most"


def test_old_news_is_ignored(open_work: Opened, life: Any, moment: Moment) -> None:
    case = life()
    opened, assigned, answered = case.open(), case.assign(0), case.answer(60)
    take(open_work, answered, now=moment(61))
    before = rows(open_work)
    assert take(open_work, assigned, opened, now=moment(62)) == []
    assert take(open_work, answered, now=moment(63)) == []
    assert rows(open_work) == before


def test_one_batch_with_several_steps_of_a_case_counts_the_newest(
    open_work: Opened, life: Any, moment: Moment
) -> None:
    case = life()
    case.open(), case.assign(0), case.answer(60)
    told = take(open_work, *reversed(case.events), now=moment(61))
    assert told == [("response", "clock.met")]
    assert states(open_work)["response 1"] == "met"


def test_an_event_without_a_sequence_is_a_dead_letter_of_its_own(
    open_work: Opened, life: Any, moment: Moment
) -> None:
    bad, good = life("bad").assign(0), life("case-1").assign(0)
    messages = []
    for told in (bad, good):
        body = orjson.loads(encode(told))
        if told is bad:
            del body["sequence"]
        messages.append(
            Message(orjson.dumps(body), names.CONTENT_TYPE, names.EVENTS_EXCHANGE, told.routing_key)
        )
    open_work.clock.time = moment(1)
    open_work.deliveries.take(messages)
    assert len(rows(open_work)) == 3
    with open_work() as work:
        letters = work.execute("SELECT reason, subject FROM dead_letter").all()
    assert [tuple(r) for r in letters] == [("handler_raised", "bad")]


def test_reassigning(open_work: Opened, life: Any, moment: Moment) -> None:
    case = life()
    take(open_work, case.assign(0), now=moment(0))
    take(open_work, case.assign(300, "worker-2"), now=moment(300))
    assert states(open_work) == {
        "citizen": "armed",
        "response 1": "cancelled",
        "finish 1": "cancelled",
        "response 2": "armed",
        "finish 2": "armed",
    }
    assert tick(open_work, moment(1100)) == [("response", "clock.warned")]
    assert rows(open_work)["response 2"].assignee_id == "worker-2"


def test_reopening(open_work: Opened, life: Any, moment: Moment) -> None:
    case = life(response=None)
    take(open_work, case.assign(0), now=moment(0))
    assert ("citizen", "clock.met") in take(open_work, case.resolve(100), now=moment(100))
    take(open_work, case.reopen(200), now=moment(200))
    assert states(open_work) == {
        "citizen": "armed",
        "finish 1": "met",
        "finish 2": "armed",
        "confirmation": "cancelled",
    }
    assert rows(open_work)["citizen"].sequence == 3
    # A second resolution waits anew, with a clock of its own.
    take(open_work, case.resolve(300), now=moment(300))
    with open_work() as work:
        sql = "SELECT state FROM clock WHERE kind = 'confirmation' ORDER BY started_at"
        assert list(work.execute(sql).scalars()) == ["cancelled", "armed"]


def test_a_confirmation_lapses(open_work: Opened, life: Any, moment: Moment) -> None:
    case = life(response=None, finish=None, citizen=None, confirmation=600)
    take(open_work, case.assign(0), now=moment(0))
    take(open_work, case.resolve(100), now=moment(100))
    assert tick(open_work, moment(700)) == [("confirmation", "clock.warned")]
    assert tick(open_work, moment(700.000001)) == [("confirmation", "clock.breached")]
    assert take(open_work, case.close(701, "lapsed"), now=moment(701)) == []
    assert states(open_work) == {"confirmation": "breached"}


def test_a_pause_and_an_extension_move_the_row(open_work: Opened, life: Any, moment: Moment) -> None:
    case = life()
    take(open_work, case.assign(0), now=moment(0))
    take(open_work, case.pause(100), now=moment(100))
    assert {r.next_at for r in rows(open_work).values()} == {None}
    assert tick(open_work, moment(500000)) == []
    take(open_work, case.resume(200), case.extend(250, 60), now=moment(250))
    found = rows(open_work)
    assert found["response 1"].due_at == moment(1000)
    assert found["finish 1"].due_at == moment(86400 + 60 + 100)
    with open_work() as work:
        seen = work.execute("SELECT pauses, extensions FROM case_seen").one()
    assert seen.pauses == [{"start": case.at(100), "end": case.at(200)}]
    assert seen.extensions == [{"leg": "case-1-leg-1", "seconds": 60, "at": case.at(250)}]


def test_after_a_restart_what_came_due_meanwhile_is_told(
    open_work: Opened, work_for: Any, life: Any, moment: Moment
) -> None:
    take(open_work, life().assign(0), now=moment(0))
    open_work.close()
    again = work_for("sla", open_work.url)
    told = tick(again, moment(86400 * 30))
    assert Counter(told) == {
        ("response", "clock.breached"): 1,
        ("finish", "clock.breached"): 1,
        ("citizen", "clock.breached"): 1,
    }
    assert tick(again, moment(86400 * 31)) == []


def test_a_claim_that_is_not_committed_is_told_by_another(
    open_work: Opened, life: Any, moment: Moment
) -> None:
    take(open_work, life(finish=None, citizen=None).assign(0), now=moment(0))
    with pytest.raises(ZeroDivisionError), open_work(now=moment(901)) as work:  # noqa: PT012
        assert handlers.speak(work) == 1
        raise ZeroDivisionError
    assert tick(open_work, moment(901)) == [("response", "clock.breached")]


def test_two_claims_at_once_are_apart(open_work: Opened, life: Any, moment: Moment) -> None:
    events = [life(f"case-{n}", finish=None, citizen=None).assign(0) for n in range(20)]
    take(open_work, *events, now=moment(0))
    with open_work(now=moment(901)) as one, open_work() as other, open_work() as third:
        assert [handlers.speak(one, 12), handlers.speak(other, 12), handlers.speak(third, 12)] == [12, 8, 0]
        told = [e.subject for w in (one, other) for e in w.emitted]
    assert len(set(told)) == 20


def test_two_tickers_and_the_news_at_once_tell_each_thing_once(
    open_work: Opened, life: Any, moment: Moment
) -> None:
    cases = [life(f"case-{n:03}") for n in range(150)]
    take(open_work, *(c.assign(0) for c in cases), now=moment(0))
    told: list[Event] = []
    failures: list[BaseException] = []
    open_work.clock.time = moment(901)

    def ticking() -> None:
        try:
            while True:
                with open_work() as work:
                    found = handlers.speak(work, 10)
                told.extend(work.emitted)
                if not found and done.is_set():
                    return
        except BaseException as error:  # noqa: BLE001  the main thread tells
            failures.append(error)

    done = threading.Event()
    threads = [threading.Thread(target=ticking) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for n in range(0, 150, 10):  # half of them were answered in time, as it turns out
            with open_work() as work:
                handlers.case_changed(work, [c.answer(800) for c in cases[n : n + 5]])
            told.extend(work.emitted)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []
    versions = Counter((e.subject, e.sequence) for e in told)
    assert set(versions.values()) == {1}
    breached = Counter(e.data["clock"]["case"] for e in told if e.name == "clock.breached")
    met = Counter(e.data["clock"]["case"] for e in told if e.data["clock"]["state"] == "met")
    answered = {c.case["id"] for n in range(0, 150, 10) for c in cases[n : n + 5]}
    assert met == dict.fromkeys(answered, 1)
    assert set(breached) >= {c.case["id"] for c in cases} - answered
    assert set(breached.values()) == {1}
    with open_work() as work:
        sql = "SELECT state, count(*) FROM clock WHERE kind = 'response' GROUP BY state ORDER BY state"
        assert [tuple(r) for r in work.execute(sql)] == [("breached", 75), ("met", 75)]


def test_a_batch_takes_three_round_trips_and_an_idle_tick_two(
    open_work: Opened, life: Any, moment: Moment
) -> None:
    first = [life(f"a-{n}") for n in range(100)]
    events = [e for c in first for e in (c.open(), c.assign(0))]
    take(open_work, *events, now=moment(0))
    for c in first[:50]:
        c.answer(60)
    new = [life(f"b-{n}") for n in range(50)]
    mixed = [c.events[-1] for c in first[:50]] + [e for c in new for e in (c.open(), c.assign(60))]
    with round_trips() as asked:
        told = take(open_work, *mixed, now=moment(61))
    assert len(told) == 50
    assert len(asked) == 3, asked  # which are news; their clocks; everything else with the commit
    with round_trips() as asked:
        assert handlers.tick(open_work.runtime) is False
    assert len(asked) == 2, asked


def test_the_ticker_goes_on_while_there_is_more(
    open_work: Opened, life: Any, moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [life(f"case-{n}", finish=None, citizen=None).assign(0) for n in range(5)]
    take(open_work, *events, now=moment(0))
    open_work.clock.time = moment(901)
    monkeypatch.setattr(handlers, "CLAIM", 3)
    assert [handlers.tick(open_work.runtime) for _ in range(2)] == [True, False]
    assert len(open_work.published) == 5


def test_the_ticker_looks_at_what_is_due_only(open_work: Opened, life: Any, moment: Moment) -> None:
    take(open_work, *(life(f"case-{n}").assign(0) for n in range(300)), now=moment(0))
    with open_work(now=moment(1)) as work:
        work.execute("SET LOCAL enable_seqscan = off")
        plan = work.execute(
            "EXPLAIN SELECT c.id FROM clock c JOIN case_seen s ON s.case_id = c.case_id "
            "WHERE c.next_at <= :now ORDER BY c.next_at LIMIT 500 FOR UPDATE OF c SKIP LOCKED",
            now=moment(1) + timedelta(seconds=1),
        ).scalars()
        assert any("clock_next_at" in line for line in plan)
