"""The ledger on a real PostgreSQL: handlers, what the role may do, two replicas, the proof, HTTP, command line."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError
from werkzeug.test import EnvironBuilder

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.delivery import Message
from jiayuan.chassis.errors import EXIT_UNREACHABLE, Problem, StartError
from jiayuan.chassis.testing.databases import Databases, Opened, round_trips, wait_for_a_waiter
from jiayuan.chassis.web import Call
from jiayuan.contracts import names
from jiayuan.contracts.envelope import Event, decode, encode
from jiayuan.contracts.times import parse
from jiayuan.ledger import entry, handlers, replay, reporting, store
from jiayuan.ledger.account import account
from jiayuan.ledger.api import accounts, entries
from jiayuan.ledger.cli import ledger as command
from jiayuan.ledger.closing import Period

pytestmark = pytest.mark.store

# The stories' year is over, and so are reports of it.
AFTERWARDS = datetime(2027, 1, 8, tzinfo=UTC)
GOLDEN = Path(__file__).parents[3] / "contracts" / "golden"


@pytest.fixture
def other(opened: Opened) -> Iterator[Opened]:
    """Another replica on the same database."""
    replica = Opened("ledger", opened.url)
    yield replica
    replica.close()


@pytest.fixture
def admin(opened: Opened, databases: Databases) -> Iterator[Engine]:
    """The same database in the hands of its administrator."""
    engine = create_engine(driver_url(databases.admin(opened.url)), poolclass=NullPool)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def kept(databases: Databases, stories: Any) -> Iterator[Opened]:
    """An account with one entry and its six postings, for tests that must not be able to change it."""
    replica = Opened("ledger", databases.fresh("ledger"))
    take(replica, stories.usual(stories.Story()).events)
    yield replica
    replica.close()
    databases.forget(replica.url)


def take(opened: Opened, events: Sequence[Event]) -> None:
    """Delivers events as one batch, as the host does."""
    messages = [Message(encode(e), names.CONTENT_TYPE, names.EVENTS_EXCHANGE, e.routing_key) for e in events]
    opened.deliveries.take(messages)


def said(opened: Opened) -> list[Event]:
    """What the ledger has published so far."""
    return [decode(o.body, names.CONTENT_TYPE) for o in opened.published]


def figures(opened: Opened, year: int = 2026, by: str = "street") -> list[tuple[Any, ...]]:
    """key, opening, entered, written off, open, reversed, unsatisfied."""
    with opened() as work:
        rows = store.figures(work, year, by, None)
    assert account(year, by, None, rows).balances
    return rows


def faults(opened: Opened, year: int = 2026) -> dict[str, int]:
    """How many entries have which fault."""
    with opened() as work:
        return {f.kind: f.entries for f in store.faults(work, year)}


def rows(opened: Opened, sql: str) -> list[tuple[Any, ...]]:
    """Reads as the service's role."""
    with opened.engine.connect() as conn:
        return [tuple(r) for r in conn.execute(text(sql))]


# -- posting ---------------------------------------------------------------------------------------------


def test_a_case_is_entered_posted_and_written_off(opened: Opened, stories: Any) -> None:
    story = stories.usual(stories.Story())
    for step in story.events:
        take(opened, [step])
    assert figures(opened) == [("350921001", 0, 1, 1, 0, 0, 0)]
    assert faults(opened) == {}

    told = said(opened)
    assert [e.name for e in told] == ["entry.opened", *["entry.posted"] * 4, "entry.written_off"]
    assert [e.sequence for e in told] == [1, 2, 3, 4, 5, 6]
    assert {e.subject for e in told} == {told[0].data["entry"]["id"]}
    assert {e.street for e in told} == {"350921001"}
    assert [e.causationid for e in told] == [e.id for e in story.events]
    assert [e.data["posting"]["kind"] for e in told] == [
        "opening",
        "hand_over",
        "progress",
        "progress",
        "progress",
        "write_off",
    ]
    last = told[-1].data
    assert (last["entry"]["state"], last["entry"]["case"]) == ("written_off", story.id)
    assert last["entry"]["written_off_at"] == last["posting"]["at"] == story.events[-1].data["change"]["at"]


def test_other_cases_cost_nothing(opened: Opened, stories: Any) -> None:
    warned = decode(next((GOLDEN / "clock.warned").glob("*.json")).read_bytes(), names.CONTENT_TYPE)
    with round_trips() as asked:
        take(opened, [*stories.usual(stories.Story(livelihood=False)).events, warned])
    assert asked == []
    assert figures(opened) == []


def test_the_golden_events_of_cases_are_all_posted(opened: Opened) -> None:
    events = [
        decode(path.read_bytes(), names.CONTENT_TYPE)
        for folder in sorted(GOLDEN.glob("case.*"))
        for path in sorted(folder.glob("*.json"))
    ]
    assert events
    take(opened, events)
    assert rows(opened, "SELECT reason, error FROM dead_letter") == []
    keys = {(e.data["case"]["id"], e.sequence, e.name) for e in events if e.data["case"]["livelihood"]}
    posted = rows(opened, "SELECT count(DISTINCT (entry_id, case_sequence, kind)) FROM posting")[0][0]
    assert posted >= len({k[:2] for k in keys})
    figures(opened)


def test_a_closing_before_the_opening_comes_out_right(opened: Opened, stories: Any) -> None:
    story = stories.usual(stories.Story())
    for step in reversed(story.events):
        take(opened, [step])
        figures(opened)
    assert figures(opened) == [("350921001", 0, 1, 1, 0, 0, 0)]
    assert faults(opened) == {}
    assert rows(opened, "SELECT number, case_sequence FROM posting ORDER BY number") == [
        (1, 1),
        (2, 6),
        (3, 5),
        (4, 4),
        (5, 3),
        (6, 2),
    ]
    assert said(opened)[0].name == "entry.opened"


def test_the_same_facts_told_again_are_posted_once(opened: Opened, stories: Any) -> None:
    story = stories.usual(stories.Story())
    take(opened, story.events)
    take(opened, stories.again(story.events))
    take(opened, [*stories.again(story.events), *stories.again(story.events)])
    assert rows(opened, "SELECT count(*) FROM posting") == [(6,)]
    assert len(said(opened)) == 6


def test_closed_as_unsatisfied_stays_open_and_says_so(opened: Opened, stories: Any) -> None:
    story = stories.Story()
    story.step("case.opened")
    story.close("unsatisfied")
    take(opened, story.events)
    assert figures(opened) == [("350921001", 0, 1, 0, 1, 0, 1)]
    (found,) = entries.entries(opened.runtime, asked(case=story.id))["entries"]
    assert (found["state"], found["unsatisfied"]) == ("open", True)


def test_an_entry_moves_with_its_case_to_another_street_and_unit(opened: Opened, stories: Any) -> None:
    story = stories.Story()
    story.step("case.opened")
    take(opened, story.events)
    story.case["street"] = "350921002"
    take(opened, [story.assign("unit-lamp")])
    assert figures(opened) == [("350921002", 0, 1, 0, 1, 0, 0)]
    assert figures(opened, by="unit") == [("unit-lamp", 0, 1, 0, 1, 0, 0)]


def test_an_event_without_a_sequence_is_a_dead_letter_alone(opened: Opened, stories: Any) -> None:
    good, bad = stories.usual(stories.Story()), stories.Story()
    bad.step("case.opened")
    (broken,) = stories.again(bad.events)
    object.__setattr__(broken, "sequence", 0)
    take(opened, [*good.events, broken])
    assert figures(opened) == [("350921001", 0, 1, 1, 0, 0, 0)]
    assert rows(opened, "SELECT event_id FROM dead_letter") == [(broken.id,)]


_STEPS = st.lists(
    st.sampled_from(["case.accepted", "case.reopened", "case.voided", "satisfied", "unsatisfied", "lapsed"]),
    max_size=6,
)


@given(st.lists(_STEPS, min_size=1, max_size=4), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_and_repetition_of_several_cases_gives_the_same_account(
    opened: Opened, stories: Any, plots: list[list[str]], chance: random.Random
) -> None:
    told = []
    for plot in plots:
        story = stories.Story()
        story.step("case.opened")
        for name in plot:
            if name.startswith("case."):
                story.step(name)
            else:
                story.close(name)
        told.append(story)
    # The same plots twice: in order, and under other names in disorder and with repetitions. All chances are
    # taken first: an example that ends early must not leave half a case in the database.
    arrivals: dict[bool, list[list[Event]]] = {}
    for shuffled in (False, True):
        cases = {s.id: f"{s.id}-{shuffled}" for s in told}
        events = [renamed(e, cases) for s in told for e in stories.again(s.events)]
        if shuffled:
            events += stories.again(events)[: len(events) // 2]
            chance.shuffle(events)
        arrivals[shuffled] = []
        while events:
            size = chance.randint(1, 7)
            arrivals[shuffled].append(events[:size])
            events = events[size:]
    states = {}
    for shuffled, batches in arrivals.items():
        cases = {s.id: f"{s.id}-{shuffled}" for s in told}
        for batch in batches:
            take(opened, batch)
            figures(opened)
        with opened() as work:
            states[shuffled] = [
                (
                    store.find_entries(work, case=cases[s.id], street=None, year=None, after=None, limit=2)[
                        0
                    ].state,
                    work.execute(
                        "SELECT count(*) FROM posting JOIN entry e ON e.id = entry_id WHERE case_id = :c",
                        c=cases[s.id],
                    ).scalar(),
                )
                for s in told
            ]
    assert states[True] == states[False]
    assert faults(opened) == {}
    assert rows(opened, "SELECT count(*) FROM dead_letter") == [(0,)]


def renamed(e: Event, cases: dict[str, str]) -> Event:
    """The event, told of another case."""
    data = {**e.data, "case": {**e.data["case"], "id": cases[e.data["case"]["id"]]}}
    out = decode(encode(e), names.CONTENT_TYPE)
    object.__setattr__(out, "data", data)
    return out


# -- deadlines -------------------------------------------------------------------------------------------


def test_a_breach_is_posted_once(opened: Opened, stories: Any) -> None:
    story = stories.Story()
    take(opened, [story.step("case.opened")])
    breach = story.breach(clock="clock-1", sequence=2)
    take(opened, [breach, *stories.again([breach])])
    take(opened, stories.again([breach]))
    take(opened, [story.breach(clock="clock-1", sequence=4)])
    assert rows(
        opened, "SELECT number, kind, clock_sequence, note FROM posting WHERE clock_id = 'clock-1'"
    ) == [
        (2, "progress", 2, "响应超时"),
        (3, "progress", 4, "响应超时"),
    ]
    assert figures(opened) == [("350921001", 0, 1, 0, 1, 0, 0)]
    assert faults(opened) == {}


def test_a_breach_before_its_entry_waits_for_it(opened: Opened, stories: Any) -> None:
    story, other = stories.Story(), stories.usual(stories.Story(livelihood=False))
    breach = story.breach()
    take(opened, [breach, *stories.again([breach]), other.breach()])
    take(opened, [*other.events, story.step("case.opened")])
    with opened() as work:
        assert handlers.settle(work, days=30) is False
    assert rows(opened, "SELECT count(*) FROM waiting_breach") == [(1,)]
    told = said(opened)
    assert [e.data["posting"]["note"] for e in told] == ["立案入账", "响应超时"]
    assert told[-1].causationid == breach.id
    take(opened, stories.again([breach]))
    assert len(said(opened)) == 2

    with opened(now=opened.clock.now() + timedelta(days=31)) as work:
        handlers.settle(work, days=30)
    assert rows(opened, "SELECT count(*) FROM waiting_breach") == [(0,)]


def test_a_breach_and_its_case_in_one_batch(opened: Opened, stories: Any) -> None:
    story = stories.Story()
    opening = story.step("case.opened")
    take(opened, [story.breach(), opening])
    assert rows(opened, "SELECT kind FROM posting ORDER BY number") == [("opening",), ("progress",)]


def test_a_breach_that_never_was_is_taken_back_beside_it(opened: Opened, stories: Any) -> None:
    story = stories.Story()
    take(opened, [story.step("case.opened")])
    breach = story.breach(kind="finish", sequence=3)
    correction = story.correct(breach, sequence=5, policy="2026.2", corrected_policy="2026.1", told=["desk"])
    take(opened, [breach])
    take(opened, [correction, *stories.again([breach, correction])])
    take(opened, stories.again([correction]))
    one, two = said(opened)[1:]
    assert (two.name, two.causationid) == ("entry.posted", correction.id)
    assert two.data["posting"] | {"id": "", "at": ""} == {
        "id": "",
        "number": 3,
        "kind": "reversal",
        "case_sequence": None,
        "actor": None,
        "at": "",
        "note": "撤销第2笔办理超时：时限规则已调整",
        "corrects": one.data["posting"]["number"],
    }
    assert rows(
        opened,
        "SELECT number, opening, entered, written_off, clock_sequence, facts->'withdraws'->>'number' FROM posting "
        "WHERE clock_id IS NOT NULL ORDER BY number",
    ) == [(2, 0, 0, 0, 3, None), (3, 0, 0, 0, 5, "2")]
    assert faults(opened) == {}
    with opened() as work:
        for _, lines in store.replayed(work, 2026):
            assert [after.state for _, after in replay.states(lines)] == ["open"] * 3


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("met", "限期内已办"),
        ("cancelled", "时限已终止"),
        ("armed", "时限已延长或暂停"),
        ("warned", "时限已延长或暂停"),
    ],
)
def test_a_correction_says_why(stories: Any, state: str, why: str) -> None:
    story = stories.Story()
    current, _ = entry.enter([story.step("case.opened")])
    event = story.breach(kind="citizen")
    breach = entry.breach(current, event).row
    of = entry.Breached(event.subject, 2, current.id, 2026, 2, parse(breach["at"]), taken_back=False)
    row = entry.withdraw(current, story.correct(event, state=state), of).row
    assert (row["note"], row["corrects"]) == (f"撤销第2笔总时限超时：{why}", 2)
    # What it takes back is not taken back twice, and in the books of another year `corrects` has no meaning.
    again = entry.withdraw(current, story.correct(event), of._replace(taken_back=True)).row
    assert (again["corrects"], again["facts"]["withdraws"]["number"]) == (None, 2)
    earlier = entry.withdraw(current, story.correct(event), of._replace(entry="another", year=2025)).row
    assert (earlier["corrects"], earlier["note"]) == (None, "撤销2025年账第2笔总时限超时：限期内已办")


@pytest.mark.parametrize("settled", ["at_the_end", "after_each"])
def test_whatever_the_order_each_correction_takes_back_its_own_breach(
    opened: Opened, stories: Any, settled: str
) -> None:
    """The case and two breaches of one clock, each with its correction, in every order, and then all told again."""
    opened.clock.time = AFTERWARDS
    told: list[list[Event]] = []
    for order in permutations(range(5)):
        story = stories.Story()
        opening = story.step("case.opened")
        first = story.breach(kind="finish", clock=f"clock-{len(told)}", sequence=2)
        story.at += timedelta(hours=2)
        second = story.breach(kind="finish", clock=f"clock-{len(told)}", sequence=6)
        of = [
            opening,
            first,
            story.correct(first, sequence=4),
            second,
            story.correct(second, sequence=8),
        ]
        told.append([of[i] for i in order])
    for batch in zip(*told, strict=True):
        take(opened, batch)
        if settled == "after_each":
            settle(opened)
    take(opened, [e for of in told for e in stories.again(of)])
    settle(opened)
    take(opened, [e for of in told[::7] for e in stories.again(of)])
    settle(opened)

    assert rows(opened, "SELECT error FROM dead_letter") == []
    assert rows(opened, "SELECT count(*) FROM waiting_breach") == [(0,)]
    assert rows(
        opened,
        "SELECT count(*), r.clock_sequence, CAST(r.facts #>> '{withdraws,sequence}' AS int), b.clock_sequence "
        "FROM posting r LEFT JOIN posting b ON b.entry_id = r.entry_id AND b.number = r.corrects "
        "AND b.clock_id = r.clock_id WHERE r.kind = 'reversal' GROUP BY 2, 3, 4 ORDER BY 2",
    ) == [(len(told), 4, 2, 2), (len(told), 8, 6, 6)]
    assert rows(opened, "SELECT count(*), max(number) FROM posting") == [(5 * len(told), 5)]
    assert faults(opened) == {}
    with opened() as work:
        found = reporting.report(work, Period(2026), "street")
    assert (found["total"]["promised"], found["total"]["late"]) == (len(told), 0)


def test_a_limit_that_passes_again_after_a_correction_counts(opened: Opened, stories: Any) -> None:
    opened.clock.time = AFTERWARDS
    story = stories.Story()
    first = story.breach(kind="finish", clock="clock-1", sequence=2)
    story.at += timedelta(hours=2)
    again = story.breach(kind="finish", clock="clock-1", sequence=6)
    take(opened, [again, story.correct(first, sequence=4), story.step("case.opened"), first])
    with opened() as work:
        assert reporting.report(work, Period(2026), "street")["total"]["late"] == 1


def test_a_correction_of_no_livelihood_matter_is_dropped_in_time(opened: Opened, stories: Any) -> None:
    story = stories.Story()
    breach = story.breach()
    take(opened, [story.correct(breach)])
    take(opened, [story.step("case.opened")])
    settle(opened)
    assert rows(opened, "SELECT event_name FROM waiting_breach") == [("clock.corrected",)]
    with opened(now=opened.clock.now() + timedelta(days=31)) as work:
        handlers.settle(work, days=30)
    assert rows(opened, "SELECT count(*) FROM waiting_breach") == [(0,)]


def settle(opened: Opened) -> None:
    """What the timer does."""
    more = True
    while more:
        with opened() as work:
            more = handlers.settle(work, days=30)


# -- what nobody may do ----------------------------------------------------------------------------------

_TAMPERING = (
    "UPDATE posting SET entered = 0",
    "UPDATE posting SET note = 'nothing happened' WHERE number = 1",
    "DELETE FROM posting",
    "TRUNCATE posting",
    "TRUNCATE posting, entry CASCADE",
    "TRUNCATE entry CASCADE",
    "INSERT INTO posting SELECT * FROM posting ON CONFLICT (entry_id, number) DO UPDATE SET note = 'x'",
)


def refused(engine: Engine, *statements: str) -> str | None:
    """The SQLSTATE with which the last statement is refused."""
    with engine.connect() as conn, conn.begin() as transaction:
        for statement in statements[:-1]:
            conn.execute(text(statement))
        try:
            conn.execute(text(statements[-1]))
        except DBAPIError as error:
            return getattr(error.orig, "pgcode", None)
        finally:
            transaction.rollback()
    return None


@pytest.mark.parametrize("statement", [*_TAMPERING, "DELETE FROM entry", "DROP TABLE posting"])
def test_the_service_has_no_right_to_change_postings(kept: Opened, statement: str) -> None:
    assert refused(kept.engine, statement) == "42501"  # insufficient privilege


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE posting DISABLE TRIGGER posting_is_append_only",
        "SET session_replication_role = replica",
        "DROP TRIGGER posting_is_append_only ON posting",
        "CREATE OR REPLACE FUNCTION posting_is_append_only() RETURNS trigger LANGUAGE sql AS ''",
    ],
)
def test_the_service_cannot_silence_the_trigger(kept: Opened, statement: str) -> None:
    assert refused(kept.engine, statement) == "42501"


@pytest.mark.parametrize("statement", _TAMPERING)
@pytest.mark.parametrize("silently", [False, True])
def test_a_trigger_refuses_it_to_the_administrator_too(
    kept: Opened, databases: Databases, statement: str, silently: bool
) -> None:
    engine = create_engine(driver_url(databases.admin(kept.url)), poolclass=NullPool)
    before = ["SET LOCAL session_replication_role = replica"] if silently else []
    assert refused(engine, *before, statement) == "23001"  # restrict violation
    assert rows(kept, "SELECT count(*) FROM posting") == [(6,)]


def test_the_service_may_read_and_add_postings(kept: Opened) -> None:
    assert rows(
        kept,
        "SELECT privilege_type FROM information_schema.role_table_grants "
        "WHERE table_name = 'posting' AND grantee = current_user ORDER BY 1",
    ) == [("INSERT",), ("SELECT",)]


def test_tables_and_migration_agree(admin: Engine) -> None:
    with admin.connect() as conn:
        context = MigrationContext.configure(conn, opts={"compare_server_default": False})
        differences = [
            d for d in compare_metadata(context, store.metadata) if "alembic_version" not in str(d)
        ]
    assert differences == []


# -- two replicas ----------------------------------------------------------------------------------------


def test_two_replicas_at_once_number_without_gaps(opened: Opened, other: Opened, stories: Any) -> None:
    told = [stories.usual(stories.Story(street=f"35092100{i % 3 + 1}")) for i in range(30)]
    events = [e for s in told for e in s.events]
    breaches = [s.breach() for s in told]
    events += [*breaches, *(s.correct(b) for s, b in zip(told, breaches, strict=True))]
    events += stories.again(events[::3])
    chance = random.Random(7)
    chance.shuffle(events)
    piles: dict[Opened, list[Event]] = {opened: events[::2], other: events[1::2]}
    failed: list[BaseException] = []

    def work_through(replica: Opened) -> None:
        try:
            while piles[replica]:
                batch, piles[replica] = piles[replica][:20], piles[replica][20:]
                take(replica, batch)
                with replica() as work:
                    handlers.settle(work, days=30)
        except BaseException as error:  # noqa: BLE001  told to the test
            failed.append(error)

    threads = [threading.Thread(target=work_through, args=(replica,)) for replica in piles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    with opened() as work:
        handlers.settle(work, days=30)

    assert failed == []
    assert rows(opened, "SELECT error FROM dead_letter") == []
    assert rows(opened, "SELECT count(*) FROM waiting_breach") == [(0,)]
    assert faults(opened) == {}
    assert [r[1:5] for r in figures(opened)] == [(0, 10, 10, 0)] * 3
    assert rows(
        opened,
        "SELECT count(*), max(number), min(postings), max(postings) FROM posting "
        "JOIN entry e ON e.id = entry_id",
    ) == [(30 * 8, 8, 8, 8)]
    versions = sorted((e.subject, e.sequence) for e in [*said(opened), *said(other)])
    assert len(versions) == len(set(versions)) == 30 * 8


def test_two_replicas_that_open_the_same_entry(opened: Opened, other: Opened, stories: Any) -> None:
    """One has inserted and not committed; the other waits, then finds the entry and posts under it."""
    story = stories.usual(stories.Story())
    done = threading.Event()

    def second() -> None:
        take(other, story.events[3:])
        done.set()

    with opened() as work:
        handlers.record(work, story.events[:3])
        thread = threading.Thread(target=second)
        thread.start()
        wait_for_a_waiter(opened)
        assert not done.is_set()
    thread.join(timeout=30)
    assert done.is_set()
    assert rows(opened, "SELECT case_sequence FROM posting ORDER BY number") == [(n,) for n in range(1, 7)]
    assert figures(opened) == [("350921001", 0, 1, 1, 0, 0, 0)]


def test_a_batch_takes_four_round_trips(opened: Opened, stories: Any) -> None:
    told = [stories.usual(stories.Story()) for _ in range(20)]
    take(opened, [e for s in told[:10] for e in s.events[:3]])
    with round_trips() as asked, opened() as work:
        handlers.record(
            work, [e for s in told[:10] for e in s.events[3:]] + [e for s in told[10:] for e in s.events]
        )
    assert len(asked) == 4, (
        asked
    )  # which have entries; new entries; known ones, locked; the rest with the commit


# -- the proof -------------------------------------------------------------------------------------------


@contextmanager
def by_hand(admin: Engine) -> Iterator[Any]:
    """The administrator silences the trigger and writes what he likes."""
    with admin.begin() as conn:
        conn.execute(text("ALTER TABLE posting DISABLE TRIGGER posting_is_append_only"))
        yield conn
        conn.execute(text("ALTER TABLE posting ENABLE ALWAYS TRIGGER posting_is_append_only"))


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE posting SET written_off = 0 WHERE kind = 'write_off'", "balance"),
        ("DELETE FROM posting WHERE number = 3", "numbers"),
        ("DELETE FROM posting WHERE number = 6", "numbers"),
        ("DELETE FROM posting WHERE number = 1", "opening"),
        ("UPDATE entry SET state = 'open', written_off_at = NULL", "balance"),
        ("UPDATE entry SET postings = 7", "numbers"),
    ],
)
def test_check_finds_what_was_tampered_with(
    opened: Opened, admin: Engine, stories: Any, statement: str, fault: str
) -> None:
    take(opened, stories.usual(stories.Story()).events)
    assert run(opened, "check", "2026").exit_code == 0
    with by_hand(admin) as conn:
        conn.execute(text(statement))
    assert faults(opened) == {fault: 1}
    result = run(opened, "check", "2026")
    assert result.exit_code == 1
    assert str(rows(opened, "SELECT id FROM entry")[0][0]) in result.output
    assert "账目不符" in result.output


def test_show_ends_with_1_when_the_account_does_not_balance(
    opened: Opened, admin: Engine, stories: Any
) -> None:
    take(opened, stories.usual(stories.Story()).events)
    good = run(opened, "show", "2026")
    assert (good.exit_code, "期初 0 + 本年入账 1 − 销账 1 = 结存 0" in good.output) == (0, True)
    with by_hand(admin) as conn:
        conn.execute(text("UPDATE posting SET written_off = 0 WHERE kind = 'write_off'"))
    bad = run(opened, "show", "2026")
    assert (bad.exit_code, "≠ 结存 0" in bad.output, "账目不平" in bad.output) == (1, True, True)


def test_steps_still_on_their_way_are_told_and_no_fault(opened: Opened, stories: Any) -> None:
    story = stories.usual(stories.Story())
    take(opened, [e for e in story.events if e.sequence != 3])
    result = run(opened, "check", "2026")
    assert (result.exit_code, "工单步骤尚未到齐：共 1 笔" in result.output) == (0, True)


def run(opened: Opened, *args: str) -> Any:
    """Runs `jiayuan ledger …`."""
    return CliRunner().invoke(
        command, list(args), env={"JIAYUAN_LEDGER_DATABASE_URL": opened.url}, catch_exceptions=False
    )


def test_show_by_unit_of_a_street_and_as_json(opened: Opened, stories: Any) -> None:
    for unit, street in (("unit-lamp", "350921001"), (None, "350921001"), ("unit-road", "350921002")):
        story = stories.Story(street=street)
        story.step("case.opened")
        story.assign(unit)
        take(opened, story.events)
    document = json.loads(
        run(opened, "show", "2026", "--by", "unit", "--street", "350921001", "--json").output
    )
    assert [line["unit"] for line in document["lines"]] == [None, "unit-lamp"]
    assert document["total"]["open"] == 2
    assert document["balances"] is True
    assert "（网格）" in run(opened, "show", "2026", "--by", "unit").output
    assert "the account has no entry of 2031 (allowed: 2026)" in run(opened, "show", "2031").output


def test_a_database_that_is_away_is_one_sentence(opened: Opened) -> None:
    with pytest.raises(StartError, match="does not answer") as raised:
        CliRunner().invoke(
            command,
            ["show", "2026"],
            env={"JIAYUAN_LEDGER_DATABASE_URL": f"{opened.url}_gone"},
            catch_exceptions=False,
        )
    assert raised.value.code == EXIT_UNREACHABLE


# -- HTTP ------------------------------------------------------------------------------------------------


def asked(**arguments: str) -> Call:
    """A GET with these arguments."""
    return Call(EnvironBuilder(query_string=arguments).get_environ())


def test_an_entry_is_shown_with_its_postings(opened: Opened, stories: Any) -> None:
    story = stories.usual(stories.Story())
    take(opened, [*story.events, story.breach(clock="clock-1")])
    (found,) = entries.entries(opened.runtime, asked(case=story.id))["entries"]
    shown = entries.entry_of(opened.runtime, found["id"])
    assert [p["number"] for p in shown["postings"]] == [1, 2, 3, 4, 5, 6, 7]
    assert shown["postings"][5]["moved"] == {"opening": 0, "entered": 0, "written_off": 1}
    assert shown["postings"][5]["at"] == shown["written_off_at"]
    assert shown["postings"][6]["clock"] == "clock-1"
    assert shown["postings"][0]["facts"]["reports"] == [story.case["reports"][0]["id"]]
    assert json.dumps(shown)
    for unknown in ("0198c692-3fe5-7396-ac6c-d9343e11af77", "nothing"):
        with pytest.raises(Problem) as raised:
            entries.entry_of(opened.runtime, unknown)
        assert raised.value.status == 404


def test_entries_of_a_street_page_by_page(opened: Opened, stories: Any) -> None:
    told = [stories.usual(stories.Story()) for _ in range(5)]
    take(opened, [e for s in told for e in s.events])
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = entries.entries(opened.runtime, asked(street="350921001", year="2026", limit="2", **after))
        seen += [e["case"] for e in page["entries"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert sorted(seen) == sorted(s.id for s in told)
    assert entries.entries(opened.runtime, asked(street="350921009"))["entries"] == []


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "case"),
        ({"street": "1", "limit": "0"}, "limit"),
        ({"street": "1", "limit": "²"}, "limit"),
        ({"street": "1", "after": "x"}, "after"),
        ({"year": "26"}, "year"),
        ({"case": "a\x00b"}, "case"),
    ],
)
def test_a_query_that_is_wrong_is_told_where(opened: Opened, arguments: dict[str, str], field: str) -> None:
    with pytest.raises(Problem) as raised:
        entries.entries(opened.runtime, asked(**arguments))
    assert (raised.value.status, raised.value.problems[0].field) == (400, field)


def test_the_account_over_http(opened: Opened, stories: Any) -> None:
    take(opened, stories.usual(stories.Story()).events)
    shown = accounts.account(opened.runtime, asked(by="unit"), 2026)
    assert shown["lines"][0]["unit"] is None
    assert shown["total"]["written_off"] == 1
    public = accounts.summary(opened.runtime, 2026)
    assert {k: public[k] for k in ("opening", "entered", "written_off", "open", "balances")} == {
        "opening": 0,
        "entered": 1,
        "written_off": 1,
        "open": 0,
        "balances": True,
    }
    assert [s["street"] for s in public["streets"]] == ["350921001"]
    with pytest.raises(Problem, match="400"):
        accounts.account(opened.runtime, asked(by="colour"), 2026)
    with pytest.raises(Problem, match="404"):
        accounts.summary(opened.runtime, 1999)
