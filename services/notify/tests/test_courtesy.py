"""Refusals, quiet hours, caps and digests from a real database: held, gathered, dropped, and never lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing.databases import Databases, Opened, round_trips
from jiayuan.chassis.testing.models import examples
from jiayuan.notify import preferences, wishing
from jiayuan.notify.preferences import Wishes

from .conftest import Events, Wall
from .rigs import Rig

pytestmark = pytest.mark.store

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
NIGHT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)  # 23:00
TABLES = "notice, sending, attempt, sink_message, recipient, report, told, preference_change, inbox, outbox"


@pytest.fixture(scope="module")
def database(databases: Databases) -> Iterator[Opened]:
    """One database for this module: making one takes a second."""
    made = Opened("notify", databases.fresh("notify"))
    yield made
    made.close()


def _empty(database: Opened, databases: Databases) -> None:
    admin = create_engine(driver_url(databases.admin(database.url)), poolclass=NullPool)
    with admin.begin() as conn:
        conn.execute(text(f"TRUNCATE {TABLES}"))


@pytest.fixture
def rig(database: Opened, databases: Databases, wall: Wall) -> Rig:
    """An empty database, noon, and a sender that counts though it is the sink."""
    _empty(database, databases)
    made = Rig(database, Events())
    made.settings(courtesy="on", send_batch=200)
    at(made, NOON, wall)
    return made


def at(rig: Rig, time: datetime, wall: Wall) -> None:
    """It is this time, for the county and for the machine."""
    rig.opened.clock.time = wall.time = time


def notices(rig: Rig, *columns: str) -> list[tuple[Any, ...]]:
    """Columns of all notices, in the order of their templates."""
    found = rig.rows("SELECT * FROM notice JOIN sending ON notice_id = id ORDER BY template, state, step")
    return [tuple(row[c] for c in columns) for row in found]


def texts(rig: Rig) -> list[str]:
    """What went out."""
    return [row["text"] for row in rig.rows("SELECT text FROM sink_message ORDER BY at, text")]


def hand_over(rig: Rig, count: int, start: int = 0, worker: str = "worker-1", **case: Any) -> None:
    """So many cases offered to a grid worker."""
    rig.handle(
        *[
            rig.events.case(
                "case.assigned",
                id_=f"case-{n}",
                legs=[rig.events.leg(id_=worker, id=f"leg-{n}")],
                number=f"XP-2026-{n:06}",
                **case,
            )
            for n in range(start, start + count)
        ]
    )


# -- refusals ----------------------------------------------------------------------------------------


def refuse(rig: Rig, ref: str, type_: str = "citizen", **wishes: Any) -> None:
    """Somebody wishes this."""
    with rig.opened() as work:
        wishing.change(work, type_, ref, Wishes(**wishes), "page")


def test_what_was_refused_is_never_sent_and_said_to_be_refused(rig: Rig) -> None:
    rig.reports(2)
    refuse(rig, "c0", refused=frozenset({"receipt"}))
    rig.sender().turn()
    assert len(texts(rig)) == 1
    assert sorted(notices(rig, "state", "reason"), key=str) == [
        ("delivered", None),
        ("suppressed", "refused"),
    ]


def test_a_refusal_holds_with_the_sink_and_whatever_the_setting(rig: Rig) -> None:
    rig.settings(courtesy="off")
    rig.reports(1)
    refuse(rig, "c0", refused=frozenset({"all"}))
    rig.sender().turn()
    assert texts(rig) == []


def test_danger_is_told_to_whoever_refused_everything(rig: Rig, wall: Wall) -> None:
    rig.reports(1, signs=(("gas", "119"),))
    refuse(rig, "c0", refused=frozenset({"all"}), unwanted=frozenset({"sms"}))
    at(rig, NIGHT, wall)
    rig.sender().turn()
    assert "请立即拨打119" in texts(rig)[0]


def test_a_channel_that_isnt_wanted_isnt_used(rig: Rig) -> None:
    rig.handle(
        rig.events.report("r0", reporter="c0", contact=rig.seal("c0", phone="13900001234", openid="o-1")),
        rig.events.report("r1", reporter="c1", contact=rig.seal("c1", phone="13900001235")),
    )
    refuse(rig, "c0", unwanted=frozenset({"sms"}))
    refuse(rig, "c1", unwanted=frozenset({"sms"}))
    rig.sender().turn()
    assert notices(rig, "recipient", "state", "channel") == [
        ("c0", "delivered", "mini_program"),
        ("c1", "suppressed", "mini_program"),
    ]


# -- the night ---------------------------------------------------------------------------------------


def test_what_comes_at_night_waits_for_the_morning_and_is_not_lost(rig: Rig, wall: Wall) -> None:
    rig.handle(rig.events.report("r1", reporter="c1", contact=rig.seal("c1")))
    rig.sender().turn()
    at(rig, NIGHT, wall)
    rig.handle(rig.events.case("case.answered", 4, reporters=(("r1", "c1"),)))
    rig.sender().turn()
    ((state, reason, due),) = [n for n in notices(rig, "state", "reason", "due_at") if n[0] != "delivered"]
    assert (state, reason) == ("deferred", "quiet")
    assert datetime(2026, 3, 3, 0, 0, tzinfo=UTC) <= due < datetime(2026, 3, 3, 0, 20, tzinfo=UTC)
    assert len(texts(rig)) == 1
    at(rig, due, wall)
    rig.sender().turn()
    assert len(texts(rig)) == 2
    assert notices(rig, "state") == [("delivered",), ("delivered",)]


def test_the_receipt_of_a_report_comes_at_night_too_for_its_writer_is_awake(rig: Rig, wall: Wall) -> None:
    at(rig, NIGHT, wall)
    rig.reports(1)
    rig.sender().turn()
    assert notices(rig, "state") == [("delivered",)]


def test_the_sink_disturbs_nobody_so_nothing_is_held_unless_told_to(rig: Rig, wall: Wall) -> None:
    rig.settings(courtesy="auto")
    rig.reports(1)
    at(rig, NIGHT, wall)
    rig.handle(rig.events.case("case.answered", 4, reporters=(("r0", "c0"),)))
    rig.sender().turn()
    assert notices(rig, "state") == [("delivered",), ("delivered",)]
    assert rig.rows("SELECT * FROM told") == []


# -- the cap -----------------------------------------------------------------------------------------


def test_nobody_is_told_more_than_the_cap_a_day_and_the_rest_comes_the_next_morning(
    rig: Rig, wall: Wall
) -> None:
    cap = preferences.bundled().cap["citizen"]
    reports = [rig.events.report(f"r{n}", reporter="c0", contact=rig.seal("c0")) for n in range(cap + 3)]
    rig.handle(*reports)
    rig.sender().turn()
    assert len(texts(rig)) == cap
    held = [n for n in notices(rig, "state", "reason", "due_at") if n[0] == "deferred"]
    assert [n[1] for n in held] == ["cap"] * 3
    rig.handle(rig.events.report("fire", reporter="c0", signs=(("fire", "119"),), contact=rig.seal("c0")))
    rig.sender().turn()
    assert len(texts(rig)) == cap + 1
    at(rig, max(n[2] for n in held), wall)
    rig.sender().turn()
    assert {n for (n,) in notices(rig, "state")} == {"delivered"}
    assert [row["sent"] for row in rig.rows("SELECT sent FROM told")] == [3]


def test_two_senders_at_once_keep_to_the_cap(rig: Rig) -> None:
    cap = preferences.bundled().cap["citizen"]
    rig.handle(*[rig.events.report(f"r{n}", reporter="c0", contact=rig.seal("c0")) for n in range(cap + 10)])
    rig.settings(send_batch=3)
    start = threading.Barrier(2)

    def run() -> None:
        sender = rig.sender()
        start.wait()
        while sender.turn():
            pass

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts(rig)) == cap
    assert sorted(set(rig.states())) == ["deferred", "delivered"]


# -- digests -----------------------------------------------------------------------------------------


def test_thirty_hand_overs_are_one_message_with_counts_and_a_link(rig: Rig, wall: Wall) -> None:
    rig.person()
    hand_over(rig, 30)
    rig.handle(rig.events.clock("clock.warned", case="case-1"))
    rig.sender().turn()
    assert texts(rig) == []
    at(rig, NOON + timedelta(seconds=60), wall)
    rig.sender().turn()
    (said,) = texts(rig)
    assert said == "【家园】您有31条新通知：新工单30件、时限将至1件，请及时处理：https://jiayuan.example/w/"
    members = [n for n in notices(rig, "state", "reason", "gathered_in", "template") if n[3] != "digest"]
    assert {m[:2] for m in members} == {("suppressed", "digest")}
    (digest,) = rig.rows("SELECT id FROM notice WHERE template = 'digest'")
    assert {m[2] for m in members} == {digest["id"]}


def test_a_few_hand_overs_are_told_one_by_one_and_from_then_on_they_are_gathered(
    rig: Rig, wall: Wall
) -> None:
    rig.person()
    for n in range(7):
        hand_over(rig, 1, n)
        rig.sender().turn()
    assert len(texts(rig)) == 4
    at(rig, NOON + timedelta(seconds=60), wall)
    rig.sender().turn()
    assert len(texts(rig)) == 5
    assert "您有3条新通知" in " ".join(texts(rig))
    # When it has been calm for a while, each is told again.
    at(rig, NOON + timedelta(minutes=20), wall)
    hand_over(rig, 1, 50)
    rig.sender().turn()
    assert len(texts(rig)) == 6


def test_urgent_cases_and_cases_under_an_emergency_are_never_gathered(rig: Rig) -> None:
    rig.person()
    hand_over(rig, 6, colour="red")
    hand_over(rig, 6, 100, emergency="e1")
    rig.sender().turn()
    assert len(texts(rig)) == 12


def test_what_comes_while_a_digest_is_being_sent_goes_into_the_next_one(rig: Rig, wall: Wall) -> None:
    rig.person()
    hand_over(rig, 5)
    rig.sender().turn()
    at(rig, NOON + timedelta(seconds=60), wall)
    rig.sender().turn()
    hand_over(rig, 2, 50)
    rig.sender().turn()
    at(rig, NOON + timedelta(seconds=130), wall)
    rig.sender().turn()
    assert [t[6:8] for t in texts(rig)] == ["5条", "2条"]
    assert len({n for (n,) in notices(rig, "gathered_in")} - {None}) == 2


def test_two_senders_at_once_lose_none_and_tell_none_twice(rig: Rig, wall: Wall) -> None:
    for worker in ("worker-1", "worker-2"):
        rig.person(worker)
        hand_over(rig, 25, 0 if worker == "worker-1" else 100, worker)
    rig.settings(send_batch=7)
    clock = threading.Lock()
    start = threading.Barrier(2)

    def run() -> None:
        sender = rig.sender()
        start.wait()
        for _ in range(30):
            sender.turn()
            with clock:
                wall.time += timedelta(seconds=7)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = {n for (n,) in notices(rig, "state")}
    assert states <= {"delivered", "suppressed"}
    gathered = rig.rows("SELECT count(*) AS n FROM sending WHERE reason = 'digest'")[0]["n"]
    told = sum(int(t[6:].split("条")[0]) for t in texts(rig) if "条新通知" in t)
    single = sum("新的工单" in t for t in texts(rig))
    assert gathered == told
    assert told + single == 50


def test_a_gathered_notice_is_said_to_nobody_as_failed(rig: Rig) -> None:
    before = len(rig.opened.published)
    rig.person()
    hand_over(rig, 6)
    rig.sender().turn()
    assert rig.opened.published[before:] == []


# -- what it costs -----------------------------------------------------------------------------------


def test_people_without_wishes_cost_no_statement_and_counting_is_one_a_batch(rig: Rig) -> None:
    rig.reports(20)
    rig.settings(courtesy="auto")
    sender = rig.sender()
    with round_trips() as plain:
        sender.turn()
    rig.reports(20, code="JY-OTHER")
    rig.handle(
        *[
            rig.events.case("case.answered", 4, id_=f"x{n}", reporters=((f"r{n}", f"c{n}"),))
            for n in range(20)
        ]
    )
    rig.settings(courtesy="on")
    sender = rig.sender()
    with round_trips() as counted:
        sender.turn()
    assert len(counted) == len(plain) + 1


def test_who_is_erased_leaves_no_count_behind(rig: Rig) -> None:
    rig.reports(1)
    rig.sender().turn()
    assert len(rig.rows("SELECT * FROM told")) == 1
    rig.handle(rig.events.erased("c0"))
    assert rig.rows("SELECT * FROM told") == []


# -- once, in any order ------------------------------------------------------------------------------


@given(data=st.data())
@settings(
    max_examples=examples(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_order_batches_and_repetition_of_events_change_no_notice(
    database: Opened, databases: Databases, data: st.DataObject
) -> None:
    """Two cases' lives with merged reporters: whatever comes when, each is told each thing once."""
    _empty(database, databases)
    rig, made = Rig(database, Events()), Events()
    legs = [made.leg(id="leg-1")]
    whistled = [
        made.leg("unit", "U44", kind="lead", id="leg-2"),
        made.leg("unit", "U05", kind="assist", id="leg-3"),
    ]
    people = (("r1", "c1"), ("r2", "c2"), ("r3", "c1"))
    life = [
        *(made.report(r, reporter=who, code=f"JY-{r}") for r, who in people),
        made.case("case.assigned", 2, legs=legs, reporters=people),
        made.case(
            "case.merged", 3, legs=legs, reporters=people, change={"action": "merge", "reports": ["r2"]}
        ),
        made.case("case.whistled", 4, legs=whistled, reporters=people),
        made.case("case.answered", 5, reporters=people),
        made.case("case.resolved", 6, reporters=people),
        made.case("case.closed", 7, reporters=people, confirmed="satisfied"),
        made.clock("clock.warned"),
    ]
    order = data.draw(
        st.permutations(
            [*range(len(life)), *data.draw(st.lists(st.sampled_from(range(len(life))), max_size=6))]
        )
    )
    while order:
        size = data.draw(st.integers(1, 4))
        rig.handle(*[life[n] for n in order[:size]])
        order = order[size:]
    found = rig.rows("SELECT recipient, template, matter, step FROM notice")
    assert len({tuple(sorted(row.items())) for row in found}) == len(found)
    told = sorted((row["recipient"], row["template"]) for row in found)
    assert told == sorted(
        [
            *((who, "received") for _, who in people),
            ("c2", "joined"),
            *((who, t) for who in ("c1", "c2") for t in ("answered", "resolved", "closed")),
            ("worker-1", "assigned"),
            ("U44", "whistled"),
            ("U05", "assist"),
            ("worker-1", "warned"),
        ]
    )
