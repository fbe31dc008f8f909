"""The account and its closings against a plain double-entry book: whatever is done in whatever order, both agree.

The reference knows accounts and journals only: every business act debits one account of a year and street and credits
another, and what an account of the ledger shows is a balance of it.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Engine, NullPool, create_engine, text

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.delivery import Message
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.chassis.testing.models import examples
from jiayuan.contracts import names
from jiayuan.contracts.envelope import encode
from jiayuan.contracts.times import iso
from jiayuan.ledger import closings, entries, posting, replay, store
from jiayuan.ledger.closing import NotNow, Period
from jiayuan.ledger.posting import Act, NotPossible, Opening

pytestmark = pytest.mark.store

STREETS = ("350921001", "350921002")
BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
DIGEST = "sha256:" + "ef" * 32
EMPTIED = (
    "entry, posting, posting_text, closing, waiting_leaf, leaf_document, outbox, inbox, dead_letter, "
    "waiting_breach"
)

OPEN, ENTERED, OFF, BACK, BROUGHT, CARRIED = (
    "open",
    "entered",
    "written_off",
    "reversed",
    "opening",
    "carried",
)


@dataclass
class Matter:
    """What the reference knows of a matter: the entry that it is at, and its case if it has one."""

    id: str
    street: str
    year: int
    state: str = OPEN
    case: Any = None


@dataclass
class Reference:
    """A double-entry book: `balance` is debit less credit of each (account, year, street)."""

    balance: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    closed: set[int] = field(default_factory=set)

    def journal(self, year: int, street: str, debit: str, credit: str) -> None:
        self.balance[debit, year, street] += 1
        self.balance[credit, year, street] -= 1

    def open_year(self, year: int) -> int:
        while year in self.closed:
            year += 1
        return year

    def settle(self, matter: Matter, state: str) -> None:
        """A matter comes to another state: out of the old one, into the new one."""
        year, street = matter.year, matter.street
        accounts = {"written_off": OFF, "reversed": BACK}
        if matter.state in accounts:
            self.journal(year, street, OPEN, accounts[matter.state])
        if state in accounts:
            self.journal(year, street, accounts[state], OPEN)
        matter.state = state

    def close(self, year: int, matters: list[Matter]) -> None:
        for matter in matters:
            if matter.year == year and matter.state == OPEN:
                self.journal(year, matter.street, CARRIED, OPEN)
                self.journal(year + 1, matter.street, OPEN, BROUGHT)
                matter.year = year + 1
        self.closed.add(year)

    def figures(self, year: int) -> list[tuple[Any, ...]]:
        """As the ledger shows them: street, opening, entered, written off, open at the end, reversed."""
        assert sum(self.balance.values()) == 0
        b = partial(lambda account, street: self.balance[account, year, street])
        lines = [
            (s, -b(BROUGHT, s), -b(ENTERED, s), b(OFF, s), b(OPEN, s) + b(CARRIED, s), -b(BACK, s))
            for s in STREETS
        ]
        return [line for line in lines if any(line[1:])]


class Books:
    """A ledger that is emptied for each example, in the hands of nobody else."""

    def __init__(self, opened: Opened, admin: Engine, stories: Any) -> None:
        self.opened, self.admin, self.stories = opened, admin, stories

    def empty(self) -> None:
        guarded = ("posting", "closing", "leaf_document")
        with self.admin.begin() as conn:
            for on in ("DISABLE", "ENABLE ALWAYS"):
                for table in guarded:
                    conn.execute(text(f"ALTER TABLE {table} {on} TRIGGER {table}_is_append_only"))
                if on == "DISABLE":
                    conn.execute(text(f"TRUNCATE {EMPTIED} CASCADE"))
        self.opened.clock.time = BEGIN
        self.opened.published.clear()

    def figures(self, year: int) -> list[tuple[Any, ...]]:
        with self.opened() as work:
            found = [r[:6] for r in store.figures(work, year, "street", None)]
        return [r for r in found if any(r[1:])]

    def proven(self, years: range) -> None:
        """Nothing is at fault, and every posting follows from those before it."""
        with self.opened() as work:
            for year in years:
                assert [f for f in store.faults(work, year) if f.kind != "steps"] == []
                for entry, lines in store.replayed(work, year):
                    (*_, (_, now)) = replay.states(lines)
                    assert (now.state, now.street, now.unit) == (entry.state, entry.street, entry.unit)


def deliver(opened: Opened, events: list[Any]) -> None:
    dead = opened.deliveries.take(
        [Message(encode(e), names.CONTENT_TYPE, names.EVENTS_EXCHANGE, e.routing_key) for e in events]
    )
    assert dead == []


def act(opened: Opened, who: str, key: str) -> Act:
    return Act(who, iso(opened.clock.now()), key)


@pytest.fixture(scope="module")
def books(databases: Databases, stories: Any) -> Any:
    opened = Opened("ledger", databases.fresh("ledger"))
    admin = create_engine(driver_url(databases.admin(opened.url)), poolclass=NullPool)
    yield Books(opened, admin, stories)
    admin.dispose()
    opened.close()


class Machine(RuleBasedStateMachine):
    """One thing at a time, with the reference beside it."""

    books: Books

    @initialize()
    def begin(self) -> None:
        self.books.empty()
        self.opened = self.books.opened
        self.reference = Reference()
        self.matters: list[Matter] = []
        self.count = 0
        # Something to go on with in every example: one written off, one open, of either street.
        for street in STREETS:
            self.case_opens(street, 0)
        self.case_goes_on(0, "satisfied")

    # -- helpers -----------------------------------------------------------------------------------

    def tick(self) -> None:
        self.opened.clock.time += timedelta(hours=1)
        self.count += 1

    def of(self, pick: int, *, case: bool) -> Matter | None:
        found = [m for m in self.matters if (m.case is not None) is case]
        return found[pick % len(found)] if found else None

    def entry(self, matter: Matter) -> str:
        with self.opened() as work:
            return store.newest_of(work, matter.id).id

    def staff(self, matter: Matter, do: Any, who: str = "desk-1") -> None:
        self.tick()
        with self.opened() as work:
            known = store.newest_of(work, matter.id).id
            mine = act(self.opened, who, f"act:{self.count}")
            found = entries.act_on(work, known, mine, lambda e, h: do(e, h, mine))
            assert found is not None

    # -- what is done ------------------------------------------------------------------------------

    @rule(street=st.sampled_from(STREETS), ago=st.integers(0, 1))
    def case_opens(self, street: str, ago: int) -> None:
        self.tick()
        now = self.opened.clock.now()
        opened_at = datetime(max(2026, now.year - ago), 3, 1, tzinfo=UTC) + timedelta(minutes=self.count)
        story = self.books.stories.Story(street=street, opened_at=opened_at)
        deliver(self.opened, [story.step("case.opened")])
        with self.opened() as work:
            (found,) = store.find_entries(work, case=story.id, street=None, year=None, after=None, limit=2)
        matter = Matter(found.item, street, self.reference.open_year(opened_at.year), case=story)
        self.reference.journal(matter.year, street, OPEN, ENTERED)
        self.matters.append(matter)

    @rule(
        pick=st.integers(0, 99),
        how=st.sampled_from(["satisfied", "lapsed", "reopened", "voided", "accepted"]),
    )
    def case_goes_on(self, pick: int, how: str) -> None:
        matter = self.of(pick, case=True)
        if matter is None:
            return
        self.tick()
        story = matter.case
        states = {"satisfied": "written_off", "lapsed": OPEN, "reopened": OPEN, "voided": "reversed"}
        closes = how in ("satisfied", "lapsed")
        event = story.close(how) if closes else story.step(f"case.{how}", confirmed=None)
        deliver(self.opened, [event, *self.books.stories.again([event])])
        # A year that is closed takes nothing any more: the matter goes on in the first that is open.
        matter.year = self.reference.open_year(matter.year)
        if how in states:
            self.reference.settle(matter, states[how])

    @rule(street=st.sampled_from(STREETS))
    def staff_opens(self, street: str) -> None:
        self.tick()
        what = Opening("demand_list", f"line-{self.count}", street, "0102", "例家巷", "修好")
        with self.opened() as work:
            entry, new = entries.open_entry(work, what, act(self.opened, "desk-1", "open"))
        assert new
        year = self.reference.open_year(self.opened.clock.now().year)
        self.reference.journal(year, street, OPEN, ENTERED)
        self.matters.append(Matter(entry.item, street, year))

    @rule(pick=st.integers(0, 99))
    def staff_writes_off(self, pick: int) -> None:
        matter = self.of(pick, case=False)
        if matter is None or matter.state != OPEN or matter.year in self.reference.closed:
            return
        with pytest.raises(NotPossible, match="is missing"):
            self.staff(matter, lambda e, h, a: posting.write_off(e, [h[-1][-1:]], "", a))
        self.staff(matter, lambda e, _h, a: posting.evidence(e, DIGEST, "照片", a))
        self.staff(matter, lambda e, h, a: posting.inspect(e, h, True, "好", a), "inspector-1")
        self.staff(matter, lambda e, h, a: posting.answer(e, h, "satisfied", "", a))
        self.staff(matter, lambda e, h, a: posting.write_off(e, h, "", a))
        self.reference.settle(matter, "written_off")

    @rule(pick=st.integers(0, 99), case=st.booleans())
    def write_off_is_reversed(self, pick: int, case: bool) -> None:
        matter = self.of(pick, case=case)
        if matter is None:
            return

        def reverse(entry: Any, history: Any, mine: Act) -> Any:
            made = [r["number"] for r in history[-1] if r["written_off"] > 0]
            return posting.reverse(entry, history, made[-1] if made else 1, "错", mine)

        allowed = (
            matter.state == "written_off"
            and matter.year not in self.reference.closed
            and self.written_off_here(matter)
        )
        if allowed:
            self.staff(matter, reverse, "county-1")
            self.reference.settle(matter, OPEN)

    def written_off_here(self, matter: Matter) -> bool:
        with self.opened() as work:
            lines = store.postings_of(work, store.newest_of(work, matter.id).id)
        return sum(line["written_off"] for line in lines) > 0

    @rule(pick=st.integers(0, 99))
    def opening_is_reversed(self, pick: int) -> None:
        matter = self.of(pick, case=False)
        if matter is None:
            return

        def reverse(entry: Any, history: Any, mine: Act) -> Any:
            return posting.reverse(entry, history, 1, "重复", mine)

        with self.opened() as work:
            carried = store.newest_of(work, matter.id).source == "carried_forward"
        if matter.state == OPEN and matter.year not in self.reference.closed and not carried:
            self.staff(matter, reverse, "county-1")
            self.reference.settle(matter, "reversed")
        else:
            with pytest.raises(NotPossible):
                self.staff(matter, reverse, "county-1")

    @precondition(lambda self: self.opened.clock.now().year < 2029)
    @rule(closed=st.booleans())
    def a_year_passes(self, closed: bool) -> None:
        self.opened.clock.time = datetime(self.opened.clock.now().year + 1, 1, 3, tzinfo=UTC)
        if closed:
            self.close(self.reference.open_year(2026))

    @rule(year=st.integers(2026, 2029))
    def year_is_closed(self, year: int) -> None:
        self.close(year)

    def close(self, year: int) -> None:
        self.tick()
        with_entries = {key[1] for key, value in self.reference.balance.items() if value} | {
            m.year for m in self.matters
        }
        earlier = any(y < year and y not in self.reference.closed for y in with_entries)
        if year in self.reference.closed or year >= self.opened.clock.now().year or earlier:
            with pytest.raises(NotNow), self.opened() as work:
                closings.ask(work, Period(year), "county-1", "年终")
            return
        with self.opened() as work:
            closings.ask(work, Period(year), "county-1", "年终")
        with self.opened() as work:
            closings.answer(work, Period(year), "auditor-1", "相符", approved=True)
        self.reference.close(year, self.matters)

    @precondition(lambda self: self.reference.closed)
    @rule()
    def year_is_reopened(self) -> None:
        self.tick()
        year = max(self.reference.closed)
        with self.opened() as work:
            closings.ask(work, Period(year), "county-1", "查错", reopening=True)
            closings.answer(work, Period(year), "auditor-1", "同意", approved=True)
        self.reference.closed.discard(year)

    # -- what must hold ----------------------------------------------------------------------------

    @invariant()
    def both_books_agree(self) -> None:
        for year in range(2026, self.opened.clock.now().year + 2):
            assert self.books.figures(year) == self.reference.figures(year), year

    def teardown(self) -> None:
        self.books.proven(range(2026, 2031))


def test_the_account_agrees_with_a_double_entry_book(books: Books) -> None:
    Machine.books = books
    case = Machine.TestCase
    case.settings = settings(
        max_examples=examples(12),
        stateful_step_count=18,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    case().runTest()


_DEEDS = st.lists(
    st.tuples(
        st.integers(0, 5), st.sampled_from(["close", "satisfied", "reopened", "voided", "staff", "quarter"])
    ),
    min_size=4,
    max_size=14,
)


@given(st.lists(_DEEDS, min_size=2, max_size=3), st.integers(0, 9))
@settings(max_examples=examples(6), deadline=None, suppress_health_check=list(HealthCheck))
def test_closings_and_postings_at_once_lose_nothing_and_count_nothing_twice(
    books: Books, plans: list[list[tuple[int, str]]], seed: int
) -> None:
    """Several replicas at once: events of last year's cases, acts of staff, closings and reopenings."""
    books.empty()
    opened = books.opened
    told = [
        books.stories.Story(street=STREETS[n % 2], opened_at=BEGIN + timedelta(hours=n)) for n in range(6)
    ]
    deliver(opened, [story.step("case.opened") for story in told])
    opened.clock.time = datetime(2027, 1, 3, tzinfo=UTC)
    events: dict[int, list[Any]] = {n: [] for n in range(6)}
    for plan in plans:
        for n, deed in plan:
            if deed == "satisfied":
                events[n].append(told[n].close("satisfied"))
            elif deed in ("reopened", "voided"):
                events[n].append(told[n].step(f"case.{deed}", confirmed=None))
    waiting = {n: list(found) for n, found in events.items()}
    lock, failed, did = threading.Lock(), [], Counter[str]()

    def worker(number: int, plan: list[tuple[int, str]]) -> None:
        replica = Opened("ledger", opened.url)
        replica.clock.time = opened.clock.time
        chance = random.Random(seed + number)
        try:
            for step, (n, deed) in enumerate(plan):
                if deed in ("close", "quarter"):
                    period = Period(2026, 4 if deed == "quarter" else 0)
                    reopening = chance.random() < 0.3
                    try:
                        with replica.runtime.work() as work:
                            closings.ask(work, period, f"county-{number}", "年终", reopening=reopening)
                        with replica.runtime.work() as work:
                            closings.answer(work, period, f"auditor-{number}", "相符", approved=True)
                        did[deed] += 1
                    except NotNow:
                        did["refused"] += 1
                elif deed == "staff":
                    what = Opening("meeting", f"d-{number}-{step}", STREETS[n % 2], "0102", "例家巷", "修好")
                    with replica.runtime.work() as work:
                        _, new = entries.open_entry(work, what, act(replica, "desk-1", "open"))
                    did["opened"] += new
                else:
                    with lock:
                        event = waiting[n].pop(chance.randrange(len(waiting[n]))) if waiting[n] else None
                    if event is not None:
                        deliver(replica, [event])
        except BaseException as error:  # noqa: BLE001  told to the test
            failed.append(error)
        finally:
            replica.close()

    threads = [threading.Thread(target=worker, args=(n, plan)) for n, plan in enumerate(plans)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert failed == []
    books.proven(range(2026, 2029))
    with opened() as work:
        lines = [r for y in (2026, 2027, 2028) for r in store.figures(work, y, "street", None)]
        assert sum(r[2] for r in lines) == 6 + did["opened"]
        steps = work.execute("SELECT count(*) AS n FROM posting WHERE case_sequence IS NOT NULL").scalar()
        assert steps == 6 + sum(len(found) for found in events.values())
        acts = [a.act for a in store.all_acts(work)]
        assert acts.count("closed") + acts.count("reopened") == did["close"] + did["quarter"]
        for before, after in ((2026, 2027), (2027, 2028)):
            carried = work.execute(
                "SELECT count(*) AS n FROM entry WHERE year = :y AND state = 'carried_forward'", y=before
            ).scalar()
            brought = sum(r[1] for r in store.figures(work, after, "street", None))
            assert carried == brought
