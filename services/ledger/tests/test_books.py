"""Staff and closings on a real PostgreSQL: by HTTP with roles, by command line, with late events and two replicas."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from jiayuan.chassis import tokens
from jiayuan.chassis.delivery import Message
from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.databases import TOKEN_SECRET, Databases, Opened, wait_for_a_waiter
from jiayuan.contracts import names
from jiayuan.contracts.envelope import decode, encode
from jiayuan.ledger import closings, reporting, store
from jiayuan.ledger.account import account
from jiayuan.ledger.cli import ledger as command
from jiayuan.ledger.closing import NotNow, Period

pytestmark = pytest.mark.store

STREET = "350921001"
DIGEST = "sha256:" + "cd" * 32
SPRING = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
JANUARY = datetime(2027, 1, 8, 1, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def kept(databases: Databases) -> Iterator[Opened]:
    """An account that the tests of acts share; each has entries of its own."""
    opened = Opened("ledger", databases.fresh("ledger"))
    yield opened
    opened.close()


@pytest.fixture
def desk(kept: Opened) -> Client:
    kept.clock.time = SPRING
    return Client(kept)


def take(opened: Opened, events: list[Any]) -> None:
    """Delivers events as one batch, as the host does."""
    opened.deliveries.take(
        [Message(encode(e), names.CONTENT_TYPE, names.EVENTS_EXCHANGE, e.routing_key) for e in events]
    )


def rows(opened: Opened, sql: str) -> list[tuple[Any, ...]]:
    with opened.engine.connect() as conn:
        return [tuple(r) for r in conn.execute(text(sql))]


def run(opened: Opened, *args: str, role: str = "", who: str = "") -> Any:
    """Runs `jiayuan ledger …`, as somebody if a role is given."""
    env = {"JIAYUAN_LEDGER_DATABASE_URL": opened.url, "JIAYUAN_TOKEN_SECRET": TOKEN_SECRET}
    if role:
        env["JIAYUAN_TOKEN"] = tokens.issue(TOKEN_SECRET, who or role, (role,), street=STREET)
    return CliRunner().invoke(command, list(args), env=env, catch_exceptions=False)


def checks(opened: Opened, *years: int) -> None:
    """`jiayuan ledger check` finds nothing."""
    for year in years:
        found = run(opened, "check", str(year))
        assert found.exit_code == 0, found.output


def figures(opened: Opened, year: int, by: str = "street") -> list[tuple[Any, ...]]:
    """key, opening, entered, written off, open, reversed, unsatisfied."""
    with opened() as work:
        found = store.figures(work, year, by, None)
    assert account(year, by, None, found).balances
    return found


def opening(source_id: str, **more: Any) -> dict[str, Any]:
    return {
        "source": "meeting",
        "source_id": source_id,
        "street": STREET,
        "category": "0102",
        "title": "例家巷路灯",
        "promise": "十二月前装好",
        **more,
    }


# -- acts ------------------------------------------------------------------------------------------------


def test_an_entry_without_a_case_lives_by_http(desk: Client) -> None:
    status, entry = desk("POST", "/entries", opening("d1", unit="unit-lamp"), role="desk", street=STREET)
    assert (status, entry["state"], entry["source"], entry["promise"]) == (
        201,
        "open",
        "meeting",
        "十二月前装好",
    )
    assert desk("POST", "/entries", opening("d1"), role="county")[0] == 200
    path = f"/entries/{entry['id']}"

    def does(what: str, body: dict[str, Any], role: str, **claims: str) -> tuple[int, dict[str, Any]]:
        return desk("POST", f"{path}/{what}", body, role=role, who=f"{role}-1", **claims)

    assert does("postings", {"kind": "progress", "note": "到货"}, "unit_clerk", unit="unit-lamp")[0] == 200
    money = {"kind": "money", "note": "灯头", "amount": 9900}
    assert does("postings", money, "unit_clerk", unit="unit-lamp")[0] == 403
    assert does("postings", money, "desk", street=STREET)[0] == 200
    status, refused = does("write-off", {}, "desk", street=STREET)
    assert status == 409
    assert [e["field"] for e in refused["errors"]] == ["evidence", "inspection", "answer"]
    photo = {"kind": "evidence", "note": "照片", "evidence": DIGEST}
    assert does("postings", photo, "unit_clerk", unit="unit-lamp")[0] == 200
    assert does("inspections", {"passed": True, "note": "亮了"}, "inspector")[0] == 200
    assert does("answers", {"answer": "satisfied"}, "desk", street=STREET)[0] == 200
    status, done = does("write-off", {"note": "办结"}, "desk", street=STREET)
    assert (status, done["state"]) == (200, "written_off")
    assert [(p["kind"], p.get("amount"), p.get("evidence")) for p in done["postings"]][1:5] == [
        ("progress", None, None),
        ("money", 9900, None),
        ("evidence", None, DIGEST),
        ("evidence", None, None),
    ]
    status, back = does("postings/7/reversal", {"reason": "装的是别处"}, "county")
    assert (status, back["state"], back["postings"][-1]["corrects"]) == (200, "open", 7)
    told = [decode(o.body, names.CONTENT_TYPE) for o in desk.opened.published]
    mine = [e for e in told if e.subject == entry["id"]]
    assert [e.name for e in mine][:1] + [e.name for e in mine][-2:] == [
        "entry.opened",
        "entry.written_off",
        "entry.posted",
    ]
    assert mine[-1].data["posting"]["corrects"] == 7
    checks(desk.opened, 2026)


def test_an_act_with_a_key_is_done_once(desk: Client) -> None:
    _, entry = desk("POST", "/entries", opening("d2"), role="county")
    body = {"kind": "money", "note": "灯头", "amount": 100}
    for _ in range(3):
        status, found = desk(
            "POST",
            f"/entries/{entry['id']}/postings",
            body,
            role="county",
            headers={"Idempotency-Key": "k1"},
        )
        assert (status, len(found["postings"])) == (200, 2)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "gift", "note": "x"}, "kind"),
        ({"kind": "money", "note": "x"}, "amount"),
        ({"kind": "progress", "note": "x", "amount": 5}, "amount"),
        ({"kind": "evidence", "note": "x", "evidence": "md5:1"}, "evidence"),
        ({"kind": "progress"}, "note"),
    ],
)
def test_a_posting_that_is_malformed_is_told_where(desk: Client, body: dict[str, Any], field: str) -> None:
    _, entry = desk("POST", "/entries", opening("d3"), role="county")
    status, found = desk("POST", f"/entries/{entry['id']}/postings", body, role="county")
    assert (status, [e["field"] for e in found["errors"]]) == (422, [field])


@pytest.mark.parametrize(
    ("role", "claims", "status"),
    [
        ("desk", {"street": STREET}, 200),
        ("desk", {"street": "350921002"}, 403),
        ("unit_clerk", {"unit": "unit-lamp"}, 200),
        ("unit_clerk", {"unit": "unit-road", "street": STREET}, 403),
        ("grid_chief", {"street": STREET}, 200),
        ("grid_chief", {"street": ""}, 403),
        ("county", {}, 200),
    ],
)
def test_an_entry_is_its_streets_and_its_units(
    desk: Client, role: str, claims: dict[str, str], status: int
) -> None:
    _, entry = desk("POST", "/entries", opening("d4", unit="unit-lamp"), role="county")
    body = {"kind": "progress", "note": "看过"}
    assert desk("POST", f"/entries/{entry['id']}/postings", body, role=role, **claims)[0] == status


def test_no_number_of_a_person_gets_into_an_entry(desk: Client) -> None:
    number = "13900001234"
    _, entry = desk("POST", "/entries", opening("d5", title=f"找{number}", promise=number), role="county")
    body = {"kind": "progress", "note": f"电话{number}"}
    _, found = desk("POST", f"/entries/{entry['id']}/postings", body, role="county")
    assert number not in json.dumps(found)
    assert "电话139****1234" in json.dumps(found, ensure_ascii=False)


def test_the_command_line_has_the_roles_of_http(kept: Opened) -> None:
    kept.clock.time = SPRING
    given = ("--source", "demand_list", "--source-id", "l1", "--street", STREET, "--category", "0102")
    words = ("--title", "例家巷路灯", "--promise", "装好", "--json")
    denied = run(kept, "entry", "open", *given, *words, role="unit_clerk")
    assert (denied.exit_code, "needs one of the roles desk, county" in denied.output) == (1, True)
    entry = json.loads(run(kept, "entry", "open", *given, *words, role="desk").output)
    assert entry["source"] == "demand_list"
    id_ = entry["id"]
    assert (
        "资金1.00元"
        in run(kept, "entry", "post", id_, "money", "--note", "灯", "--amount", "100", role="desk").output
    )
    lacking = run(kept, "entry", "write-off", id_, role="desk")
    assert (lacking.exit_code, "inspection: is missing" in lacking.output) == (1, True)
    assert "冲正第2笔" in run(kept, "entry", "reverse", id_, "2", "--reason", "记错", role="county").output


def test_the_returning_are_seen(kept: Opened, stories: Any) -> None:
    def story(at: datetime, grid: str, reporter: str) -> Any:
        made = stories.Story(street="350921009", opened_at=at)
        made.case["grid"] = grid
        made.case["reports"][0]["reporter"] = reporter
        return stories.usual(made)

    first = story(datetime(2024, 5, 1, tzinfo=UTC), "g1", "anna")
    second = story(datetime(2025, 5, 1, tzinfo=UTC), "g1", "berta")
    third = story(datetime(2026, 5, 1, tzinfo=UTC), "g1", "clara")
    moved = story(datetime(2026, 6, 1, tzinfo=UTC), "g2", "clara")
    other = story(datetime(2026, 6, 1, tzinfo=UTC), "g3", "dora")
    other.step("case.reopened", confirmed=None)
    for made in (first, second, third, moved, other):
        take(kept, made.events)
    with kept() as work:
        found = store.returning(work, 2026, street="350921009")
        entries = {
            e.case_id: e.id
            for e in store.find_entries(work, case=None, street="350921009", year=None, after=None, limit=9)
        }
    assert [(r.id, r.times, r.first_year) for r in found] == [
        (entries[third.id], 2, 2024),
        *sorted([(entries[moved.id], 1, 2026), (entries[other.id], 1, 2026)]),
    ]
    assert sorted(found[0].earlier) == sorted([entries[first.id], entries[second.id]])
    assert "第3次，最早2024年" in run(kept, "returning", "2026", "--street", "350921009").output


# -- closing ---------------------------------------------------------------------------------------------


def close(opened: Opened, year: int = 2026, at: datetime = JANUARY) -> None:
    """Proposed by the county, approved by an auditor."""
    with opened(at) as work:
        closings.ask(work, Period(year), "county-1", "年终")
    with opened(at) as work:
        closings.answer(work, Period(year), "auditor-1", "相符", approved=True)


def test_a_year_is_closed_by_two_and_carried_forward(opened: Opened, client: Client, stories: Any) -> None:
    opened.clock.time = SPRING
    done, left, silent = (stories.usual(stories.Story()) for _ in range(3))
    left.events.pop()
    silent.events.pop()
    silent.close("lapsed")
    for story in (done, left, silent):
        take(opened, story.events)
    before = figures(opened, 2026)
    assert before == [(STREET, 0, 3, 1, 2, 0, 0)]
    assert run(opened, "show", "2026", "--at", "2026-02-28", "--json").exit_code == 0

    def says(path: str, body: dict[str, Any], role: str, who: str = "") -> tuple[int, dict[str, Any]]:
        return client("POST", f"/closings/2026{path}", body, role=role, who=who)

    assert says("", {"reason": "年终"}, "county")[0] == 409  # the year isn't over
    opened.clock.time = JANUARY
    assert says("", {"reason": "年终"}, "county", "both-1")[0] == 201
    status, seen = client("GET", "/closings/2026", role="auditor")
    assert (seen["closed"], seen["pending"]) == (False, "closing_proposed")
    yes = {"approved": True, "reason": "相符"}
    assert says("/decision", yes, "county", "county-2")[0] == 403
    assert says("/decision", yes, "auditor", "both-1")[0] == 403
    assert says("/decision", {**yes, "digest": "sha256:0"}, "auditor")[0] == 409
    status, closed = says("/decision", {**yes, "digest": seen["digest"]}, "auditor")
    assert (status, closed["act"], closed["figures"]["total"]["open"]) == (200, "closed", 2)

    assert figures(opened, 2026) == before
    assert figures(opened, 2027) == [(STREET, 2, 0, 0, 2, 0, 0)]
    checks(opened, 2026, 2027)
    with opened() as work:
        old, new = (
            store.find_entries(work, case=left.id, street=None, year=y, after=None, limit=2)[0]
            for y in (2026, 2027)
        )
        assert store.is_closed(work, Period(2026))
    assert (old.state, new.state, new.item, new.opened_at) == (
        "carried_forward",
        "open",
        old.item,
        old.opened_at,
    )
    assert rows(opened, "SELECT document->>'act' FROM leaf_document ORDER BY id") == [
        ("closing_proposed",),
        ("closed",),
    ]

    assert rows(
        opened,
        "SELECT e->3->>'type', count(*) FROM outbox, json_array_elements(events::json) AS e "
        "WHERE e->3->'data'->'posting'->>'kind' = 'carry_forward' GROUP BY 1 ORDER BY 1",
    ) == [("cn.jiayuan.entry.opened.v1", 2), ("cn.jiayuan.entry.posted.v1", 2)]

    # What goes on goes on in the year that is open; what was silent is inspected and written off there.
    take(opened, [left.close()])
    assert client("POST", f"/entries/{old.id}/answers", {"answer": "asked"}, role="county")[0] == 409
    (quiet,) = client("GET", f"/entries?case={silent.id}&year=2027", role="county")[1]["entries"]
    assert quiet["uninspected"]
    path = f"/entries/{quiet['id']}"
    assert client("POST", f"{path}/inspections", {"passed": True, "note": "好了"}, role="inspector")[0] == 200
    assert client("POST", f"{path}/write-off", {}, role="county")[0] == 200
    assert figures(opened, 2027) == [(STREET, 2, 0, 2, 0, 0, 0)]
    checks(opened, 2026, 2027)


def test_what_comes_late_for_a_closed_year_is_posted_in_the_open_one(opened: Opened, stories: Any) -> None:
    opened.clock.time = SPRING
    done = stories.usual(stories.Story())
    take(opened, done.events)
    close(opened)
    unseen = stories.usual(stories.Story(opened_at=datetime(2026, 12, 30, tzinfo=UTC)))
    take(opened, unseen.events)
    reopened = done.step("case.reopened", confirmed=None)
    late = done.breach(clock="clock-1")
    take(opened, [late, reopened])
    take(opened, stories.again([reopened, late, *done.events[:3]]))
    assert rows(opened, "SELECT error FROM dead_letter") == []
    assert figures(opened, 2026) == [(STREET, 0, 1, 1, 0, 0, 0)]
    assert figures(opened, 2027) == [(STREET, 0, 1, 0, 1, 0, 0)]
    assert rows(
        opened,
        "SELECT e.year, p.number, p.kind, p.written_off, p.facts->'reference'->>'year' FROM posting p "
        "JOIN entry e ON e.id = p.entry_id WHERE e.year = 2027 "
        "AND (p.number = 1 OR p.kind = 'reopening' OR p.clock_id IS NOT NULL) ORDER BY e.source, p.number",
    ) == [
        (2027, 1, "carry_forward", 0, "2026"),
        (2027, 2, "reopening", -1, None),
        (2027, 3, "progress", 0, None),
        (2027, 1, "opening", 0, "2026"),
    ]
    checks(opened, 2026, 2027)


def test_a_breach_of_a_closed_year_is_taken_back_in_the_open_one(opened: Opened, stories: Any) -> None:
    opened.clock.time = SPRING
    done, open_ = stories.usual(stories.Story()), stories.Story()
    breaches = [s.breach(kind="finish") for s in (done, open_)]
    take(opened, [*done.events, open_.step("case.opened"), *breaches])
    close(opened)
    corrections = [s.correct(b) for s, b in zip((done, open_), breaches, strict=True)]
    take(opened, corrections)
    take(opened, stories.again(corrections))
    assert rows(opened, "SELECT error FROM dead_letter") == []
    assert sorted(
        rows(
            opened,
            "SELECT p.note, p.corrects, b.note FROM posting p JOIN entry e ON e.id = p.entry_id JOIN posting b "
            "ON CAST(b.entry_id AS text) = p.facts #>> '{withdraws,entry}' "
            "AND b.number = CAST(p.facts #>> '{withdraws,number}' AS int) "
            "WHERE e.year = 2027 AND p.kind = 'reversal'",
        )
    ) == [
        ("撤销2026年账第2笔办理超时：限期内已办", None, "办理超时"),
        ("撤销2026年账第7笔办理超时：限期内已办", None, "办理超时"),
    ]
    with opened() as work:
        assert reporting.report(work, Period(2026), "street")["total"]["late"] == 0
    checks(opened, 2026, 2027)


def test_no_person_takes_back_what_a_clock_says(kept: Opened, desk: Client, stories: Any) -> None:
    story = stories.Story()
    take(kept, [story.step("case.opened"), story.breach()])
    (entry,) = desk("GET", f"/entries?case={story.id}", role="county")[1]["entries"]
    status, problem = desk(
        "POST", f"/entries/{entry['id']}/postings/2/reversal", {"reason": "不算"}, role="county"
    )
    assert (status, problem["errors"][0]["field"]) == (409, "number")
    assert problem["errors"][0]["allowed"] == "sla withdraws one that did not"


def test_whoever_has_a_matters_earlier_year_gets_its_later_one(opened: Opened, stories: Any) -> None:
    """Otherwise two who post to one matter could each hold a year and wait for the other's, whatever the ids are."""
    opened.clock.time = SPRING
    told = {story.id: story for story in (stories.Story() for _ in range(20))}
    take(opened, [story.step("case.opened") for story in told.values()])
    close(opened)
    ids = rows(opened, "SELECT case_id, array_agg(id::text ORDER BY year) FROM entry GROUP BY case_id")
    backwards = next(case for case, (earlier, later) in ids if later < earlier)
    other = Opened("ledger", opened.url)
    other.clock.time = JANUARY
    thread = threading.Thread(target=take, args=(other, [told[backwards].close()]))
    try:
        with opened() as work:
            work.execute("SELECT id FROM entry WHERE year = 2026 FOR NO KEY UPDATE")
            thread.start()
            wait_for_a_waiter(opened)
            assert len(work.execute("SELECT id FROM entry WHERE year = 2027 FOR NO KEY UPDATE NOWAIT")) == 20
        thread.join(timeout=30)
    finally:
        other.close()
    assert figures(opened, 2027) == [(STREET, 20, 0, 1, 19, 0, 0)]


def test_a_year_is_reopened_by_two_and_closed_again(opened: Opened, client: Client, stories: Any) -> None:
    opened.clock.time = SPRING
    one, two = stories.usual(stories.Story()), stories.Story()
    take(opened, [*one.events, two.step("case.opened")])
    close(opened)
    (entry,) = client("GET", f"/entries?case={one.id}", role="county")[1]["entries"]
    path = f"/entries/{entry['id']}/postings/6/reversal"
    assert client("POST", path, {"reason": "没修好"}, role="county")[0] == 409
    assert (
        run(opened, "close", "propose", "2026", "--reason", "查错", "--reopen", role="county").exit_code == 0
    )
    refused = run(opened, "close", "refuse", "2026", "--reason", "不必", role="auditor")
    assert "不予重开" in refused.output
    with opened() as work:
        closings.ask(work, Period(2026), "county-1", "查错", reopening=True)
        with pytest.raises(NotNow, match="somebody else"):
            closings.answer(work, Period(2026), "county-1", "", approved=True)
    with opened() as work:
        closings.answer(work, Period(2026), "auditor-1", "同意", approved=True)
    assert client("POST", path, {"reason": "没修好"}, role="county")[0] == 200
    assert figures(opened, 2026) == [(STREET, 0, 2, 0, 2, 0, 0)]
    checks(opened, 2026, 2027)
    close(opened, at=JANUARY + timedelta(days=1))
    assert figures(opened, 2027) == [(STREET, 2, 0, 0, 2, 0, 0)]
    checks(opened, 2026, 2027)
    shown = run(opened, "close", "show", "2026").output
    assert [w in shown for w in ("已结账", "提请结账", "不予重开", "批准重开")] == [True] * 4
    acts = client("GET", "/closings", role="auditor")[1]["acts"]
    assert [a["act"] for a in acts] == [
        "closing_proposed",
        "closed",
        "reopening_proposed",
        "reopening_refused",
        "reopening_proposed",
        "reopened",
        "closing_proposed",
        "closed",
    ]


def test_the_books_of_an_earlier_day_are_read_from_their_postings(opened: Opened, stories: Any) -> None:
    story = stories.usual(stories.Story())
    for day, step in enumerate(story.events):
        opened.clock.time = SPRING + timedelta(days=day)
        take(opened, [step])
    opened.clock.time = SPRING + timedelta(days=40)
    story.case["street"] = "350921002"
    take(opened, [story.step("case.reopened", confirmed=None)])

    def at(when: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(run(opened, "show", "2026", "--at", when, "--json").output)
        assert found["balances"]
        return found

    assert at("2026-03-01")["lines"] == []
    assert at("2026-03-04")["total"]["open"] == 1
    (line,) = at("2026-03-20")["lines"]
    assert (line["street"], line["written_off"], line["open"]) == (STREET, 1, 0)
    (line,) = at("2026-06-01")["lines"]
    assert (line["street"], line["written_off"], line["open"]) == ("350921002", 0, 1)
    assert run(opened, "show", "2026", "--at", "soon").exit_code == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE closing SET actor = 'x'",
        "DELETE FROM closing",
        "TRUNCATE closing",
        "ALTER TABLE closing DISABLE TRIGGER closing_is_append_only",
    ],
)
def test_nobody_changes_what_was_done_about_a_period(
    kept: Opened, databases: Databases, statement: str
) -> None:
    from sqlalchemy import create_engine

    from jiayuan.chassis.database import driver_url

    with pytest.raises(DBAPIError) as raised, kept.engine.begin() as conn:
        conn.execute(text(statement))
    assert getattr(raised.value.orig, "pgcode", None) == "42501"
    if statement.startswith("ALTER"):
        return
    admin = create_engine(driver_url(databases.admin(kept.url)))
    try:
        with pytest.raises(DBAPIError) as raised, admin.begin() as conn:
            conn.execute(text(f"SET LOCAL session_replication_role = replica; {statement}"))
        assert getattr(raised.value.orig, "pgcode", None) == "23001"
    finally:
        admin.dispose()


def test_postings_and_closings_at_once_leave_a_whole_account(opened: Opened, stories: Any) -> None:
    """Events of the old year come by two replicas while the year is closed: before, in it, or after it, each once."""
    opened.clock.time = JANUARY
    told = [stories.usual(stories.Story(street=f"35092100{i % 2 + 1}")) for i in range(24)]
    for story in told[:16]:
        take(opened, story.events[:3])
    failed: list[BaseException] = []

    def guarded(do: Callable[[], None]) -> Callable[[], None]:
        def run_it() -> None:
            try:
                do()
            except BaseException as error:  # noqa: BLE001  told to the test
                failed.append(error)

        return run_it

    def deliver(part: list[Any]) -> Callable[[], None]:
        def go() -> None:
            replica = Opened("ledger", opened.url)
            replica.clock.time = JANUARY
            try:
                for story in part:
                    take(replica, story.events[2:])
            finally:
                replica.close()

        return go

    def closing() -> None:
        replica = Opened("ledger", opened.url)
        try:
            close(replica)
        finally:
            replica.close()

    threads = [
        threading.Thread(target=guarded(do)) for do in (deliver(told[::2]), deliver(told[1::2]), closing)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert failed == []
    assert rows(opened, "SELECT error FROM dead_letter") == []
    checks(opened, 2026, 2027)
    old, new = figures(opened, 2026), figures(opened, 2027)
    assert sum(r[4] for r in old) == sum(r[1] for r in new)
    assert sum(r[2] for r in (*old, *new)) == 24
    assert sum(r[3] for r in (*old, *new)) == 24
    assert sum(r[4] for r in new) == 0
