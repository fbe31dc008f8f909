"""Lists of cases, legs and approvals: who gets which, page by page, and no walk through a whole table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, text

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.contracts import ids
from jiayuan.routing import store
from jiayuan.routing.store import worklists
from jiayuan.routing.store.worklists import Wanted

from .conftest import T0

pytestmark = pytest.mark.store

STREET, OTHER = "350921001", "350921002"
TOGETHER = {"signs": [{"code": "fire", "call": "119"}]}  # U05 leads, U03 and U06 assist
COUNTY = {"role": "county"}
DESK = {"role": "desk", "street": STREET}
ELSEWHERE = {"place": {"street": OTHER, "community": "350921002001"}}


def clerk(unit: str) -> dict[str, str]:
    return {"role": "unit_clerk", "unit": unit, "who": f"clerk-{unit}"}


def listed(client: Any, query: str = "", **who: str) -> list[str]:
    """The numbers on all pages, each page with two cases."""
    out, cursor = [], ""
    while True:
        status, found = client("GET", f"/cases?limit=2{query}{cursor}", **who)
        assert status == 200, found
        out += [c["case"]["number"] for c in found["cases"]]
        if not found["next"]:
            return out
        assert len(found["cases"]) == 2
        cursor = f"&cursor={found['next']}"


# -- who gets which ----------------------------------------------------------------------------------


def test_everybody_gets_a_list_of_what_is_theirs(routing: Any, client: Any) -> None:
    here = [routing.open(at=n) for n in range(3)]
    there = routing.open(at=3, **ELSEWHERE)
    whistled = routing.open(at=4, **TOGETHER)
    mine, numbers = [c["number"] for c in here], lambda *cases: [c["number"] for c in cases]
    assert listed(client, **COUNTY) == [*mine, *numbers(there, whistled)]
    assert listed(client, **DESK) == [*mine, *numbers(whistled)]
    assert listed(client, role="convener", street=OTHER) == numbers(there)
    assert listed(client, role="inspector", street=STREET) == [*mine, *numbers(whistled)]
    assert listed(client, **clerk("U06")) == numbers(whistled)
    assert listed(client, **clerk("U49")) == []
    me = here[0]["legs"][0]["assignee"]["id"]
    assert here[0]["number"] in listed(client, role="grid_worker", who=me)
    chiefs = dict(routing.rows("SELECT community, id FROM person WHERE role = 'chief'"))
    assert listed(client, role="grid_chief", who=chiefs[f"{STREET}001"]) == [*mine, *numbers(whistled)]
    assert listed(client, role="grid_chief", who=chiefs[f"{STREET}002"]) == []


@pytest.mark.parametrize(
    ("query", "who"),
    [
        (f"street={OTHER}", DESK),
        (f"street={OTHER}", {"role": "convener", "street": STREET}),
        ("unit=U03", clerk("U06")),
        ("unit=U03", {"role": "grid_worker", "who": "p00001"}),
    ],
)
def test_what_is_not_theirs_is_refused(client: Any, query: str, who: dict[str, str]) -> None:
    assert client("GET", f"/cases?{query}", **who)[0] == 403


def test_filters(routing: Any, client: Any) -> None:
    plain, red = routing.open(), routing.open(at=1, importance=3, urgency=3, **TOGETHER)
    dispute = routing.open(at=2, kind="dispute")
    for query, wanted in {
        "&state=assigned": [plain, red, dispute],
        "&state=accepted&state=answered": [],
        f"&colour={red['colour']}": [red],
        "&kind=dispute": [dispute],
        "&unit=U06": [red],
        "&unit=U06&leg_state=done": [],
        f"&street={STREET}&community={STREET}001": [plain, red, dispute],
        f"&street={OTHER}": [],
        "&category=1502": [plain, red, dispute],
    }.items():
        assert listed(client, query, **COUNTY) == [c["number"] for c in wanted], query


def test_cases_that_are_over_come_newest_first(routing: Any, client: Any) -> None:
    cases = [routing.open(at=n) for n in range(5)]
    for n, case in enumerate(cases):
        routing.said("report.withdrawn", case["reports"][0]["id"], 10 + n)
    assert listed(client, **COUNTY) == []
    assert listed(client, "&state=closed", **COUNTY) == [c["number"] for c in reversed(cases)]
    assert listed(client, "&state=closed&state=voided", **DESK) == [c["number"] for c in reversed(cases)]
    status, found = client("GET", "/cases?state=closed&state=open", **COUNTY)
    assert (status, found["errors"][0]["field"]) == (422, "state")


def test_cases_of_one_moment_are_each_on_one_page(routing: Any, client: Any) -> None:
    routing.receive(*(routing.report() for _ in range(7)))
    found = listed(client, **COUNTY)
    assert len(found) == len(set(found)) == 7


def test_nothing_in_a_list_leads_to_a_person(routing: Any, client: Any) -> None:
    case = routing.open(reporter="the-reporter", **TOGETHER)
    path = f"/cases/{case['id']}/legs/{case['legs'][1]['id']}/return"
    client("POST", path, {"note": "退回的说明"}, **clerk("U03"))
    for who in (COUNTY, DESK, clerk("U05")):
        for path in ("/cases", "/legs", "/approvals"):
            found = str(client("GET", path, **who)[1])
            assert "the-reporter" not in found
            assert case["reports"][0]["id"] not in found
            assert "退回的说明" not in found or who == DESK  # the desk's own leg says why it came back
    assert routing.rows("SELECT 1 FROM read_log") == []


@pytest.mark.parametrize(
    "query",
    ["state=lost", "colour=pink", "limit=0", "limit=201", "cursor=x", "approvals=all", "steet=1", "kind=x"],
)
def test_a_wrong_query_names_the_field(client: Any, query: str) -> None:
    status, found = client("GET", f"/cases?{query}", role="county")
    assert status == 422
    assert found["errors"][0]["field"] == query.partition("=")[0]


# -- approvals ---------------------------------------------------------------------------------------


def _asked(routing: Any, case: dict[str, Any], **more: Any) -> str:
    """Something was asked for in a case, as the store keeps it."""
    asked = {
        "id": ids.new_id(),
        "kind": "extension",
        "leg": case["legs"][0]["id"],
        "asked_by": "p1",
        "asked_at": case["opened_at"],
        "reason": "等配件",
        "of": f"desk-{case['street']}",
        "limit": 3600,
        **more,
    }
    with routing.work() as work:
        store.save_approvals(work, [{**case, "approvals": [asked]}])
    return asked["id"]


def test_what_waits_for_whom(routing: Any, client: Any) -> None:
    here, there = routing.open(), routing.open(at=1, **ELSEWHERE)
    one, other = _asked(routing, here), _asked(routing, there, asked_by="p2", kind="pause", limit=None)

    def waits(query: str = "", **who: str) -> list[str]:
        status, found = client("GET", f"/approvals?limit=1{query}", **who)
        assert status == 200
        rest = waits(f"{query}&cursor={found['next']}", **who) if found["next"] else []
        return [a["id"] for a in found["approvals"]] + rest

    assert waits(**COUNTY) == [one, other]
    assert waits(**DESK) == [one]
    assert waits("&kind=pause", **COUNTY) == [other]
    assert waits(f"&of=desk-{OTHER}", **COUNTY) == [other]
    assert waits(role="grid_worker", who="p2") == [other]
    assert waits(role="grid_worker", who="p3") == []
    assert client("GET", f"/approvals?street={OTHER}", **DESK)[0] == 403
    assert waits("&overdue=true", **COUNTY) == []
    routing.opened.clock.time = T0 + timedelta(hours=2)
    assert waits("&overdue=true", **COUNTY) == [one]
    assert listed(client, "&approvals=overdue", **COUNTY) == [here["number"]]
    assert listed(client, "&approvals=overdue&unit=U03", **COUNTY) == []
    _asked(routing, here, id=one, decided_at=here["opened_at"])
    assert waits(**COUNTY) == [other]
    assert listed(client, "&approvals=overdue", **COUNTY) == []


# -- as fast in a million ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(databases: Databases) -> Any:
    """A table whose statistics are those of a million cases, of which 50,000 are open, in 14 streets."""
    opened = Opened("routing", databases.fresh("routing"))
    admin = create_engine(driver_url(databases.admin(opened.url)), poolclass=NullPool)
    with admin.begin() as conn:
        for sql in _MANY:
            conn.execute(text(sql))
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text('VACUUM ANALYZE "case"'))
        conn.execute(text("VACUUM ANALYZE leg"))
        conn.execute(text("VACUUM ANALYZE approval"))
    yield opened
    opened.close()
    databases.forget(opened.url)


# 40,000 rows in the proportions of a million: what the planner goes by is which share is open, and where.
_MANY = (
    """INSERT INTO "case" (id, number, sequence, state, kind, category, livelihood, colour, level, street,
        community, opened_at, closed_at, state_doc)
    SELECT ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'n' || n, 5,
        CASE WHEN n % 20 = 0 THEN (ARRAY['assigned', 'accepted', 'answered', 'resolved'])[1 + n / 20 % 4]
        ELSE 'closed' END, 'problem', '1502', true, (ARRAY['red', 'orange', 'yellow', 'blue', 'green'])[1 + n % 5],
        'grid', '35092100' || n % 14, '35092100' || n % 14 || '00' || n % 9,
        now() - n * interval '1 minute', CASE WHEN n % 20 > 0 THEN now() - n * interval '50 seconds' END,
        '{"legs": [], "reports": []}' FROM generate_series(1, 40000) n""",
    """INSERT INTO leg (id, case_id, kind, level, step, assignee_type, assignee, state, offered_at)
    SELECT ('00000000-0000-4000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, id, 'handle', 'grid', 0, 'person',
        'p' || n % 900, CASE WHEN state = 'closed' THEN 'done' WHEN state = 'assigned' THEN 'offered' ELSE 'accepted'
        END, opened_at FROM (SELECT *, row_number() OVER () n FROM "case") c""",
    """INSERT INTO approval (id, case_id, street, kind, of, asked_by, asked_at, due_at, decided_at)
    SELECT n, ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '35092100' || n % 14, 'pause',
        'desk-35092100' || n % 14, 'p' || n, now() - n * interval '1 minute', now() - n * interval '30 seconds',
        CASE WHEN n % 50 > 0 THEN now() END FROM generate_series(1, 20000) n""",
)
AFTER = (T0, "00000000-0000-4000-8000-000000000000")
LISTS = {
    "the county's open cases": Wanted(),
    "a street's open cases": Wanted(street=STREET),
    "a street's red ones that are accepted": Wanted(street=STREET, states=["accepted"], colours=["red"]),
    "the county's red and orange ones": Wanted(colours=["red", "orange"], states=["accepted", "answered"]),
    "the county's, none of which is wanted": Wanted(kind="praise"),
    "the county's closed ones, none of which is wanted": Wanted(over=True, category="9999"),
    "a community's": Wanted(street=STREET, community=f"{STREET}001"),
    "the county's closed cases": Wanted(over=True),
    "a street's closed cases": Wanted(over=True, street=STREET, states=["closed"]),
    "a unit's": Wanted(assignee="p7"),
    "a unit's that are done": Wanted(assignee="p7", legs=["done"], over=True, street=STREET),
    "those with an overdue approval": Wanted(overdue=T0 + timedelta(days=9999)),
    "a street's with an overdue approval": Wanted(overdue=T0, street=STREET, assignee="p7"),
}


def _plan(opened: Opened, sql: str, parameters: dict[str, Any]) -> str:
    with opened() as work:
        return "\n".join(row[0] for row in work.execute("EXPLAIN " + sql, **parameters))


@pytest.mark.parametrize("first", [True, False], ids=["first page", "next page"])
@pytest.mark.parametrize("which", LISTS)
def test_no_list_of_cases_walks_through_a_table(many: Opened, which: str, first: bool) -> None:
    sql, parameters = worklists.cases_sql(LISTS[which], None if first else AFTER)
    plan = _plan(many, sql, {**parameters, "most": 51})
    assert "Seq Scan" not in plan, plan
    assert "Parallel" not in plan, plan


@pytest.mark.parametrize(
    ("assignee", "states"),
    [
        ("p7", ["offered", "accepted", "answered"]),
        ("p7", ["done"]),
        (None, ["offered"]),
        (None, ["offered", "accepted", "answered"]),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["first page", "next page"])
def test_no_list_of_legs_walks_through_a_table(
    many: Opened, assignee: str | None, states: list[str], first: bool
) -> None:
    sql, parameters = worklists.legs_sql(assignee, states, None if first else T0, None)
    plan = _plan(many, sql, {**parameters, "most": 51})
    assert "Seq Scan" not in plan, plan


@pytest.mark.parametrize(
    "wanted", [{}, {"of": ["desk-350921001"]}, {"asked_by": "p50"}, {"street": STREET}, {"overdue": T0}]
)
def test_no_list_of_approvals_walks_through_a_table(many: Opened, wanted: dict[str, Any]) -> None:
    sql, parameters = worklists.approvals_sql(**wanted)
    plan = _plan(many, sql, {**parameters, "most": 51})
    assert "Seq Scan" not in plan, plan


def test_pages_of_many_are_in_order_and_complete(many: Opened) -> None:
    """Against the plain statement, over all pages."""
    with many() as work:
        for wanted, plain in (
            (Wanted(), "state <> 'closed' ORDER BY opened_at, id"),
            (
                Wanted(over=True, colours=["red"]),
                "state = 'closed' AND colour = 'red' ORDER BY closed_at DESC, id DESC",
            ),
            (
                Wanted(street=STREET, states=["resolved"]),
                f"state = 'resolved' AND street = '{STREET}' ORDER BY opened_at, id",
            ),
        ):
            expected = [r[0] for r in work.execute(f'SELECT id FROM "case" WHERE {plain}')]
            found, after = [], None
            while True:
                rows = store.cases_page(work, wanted, after, 700)
                found += [r.id for r in rows]
                if len(rows) < 700:
                    break
                after = (rows[-1].key, rows[-1].row)
            assert found == expected


def test_an_offset_that_postgresql_does_not_know_is_a_time_all_the_same(client: Any) -> None:
    far = "2026-08-31T10:51:49%2B16:01"
    assert client("GET", f"/legs?of=county&after={far}", **COUNTY)[0] == 200
    assert client("GET", f"/reads?since={far}&until={far}", role="auditor")[0] == 200
    assert client("GET", "/legs?after=9999-12-31T23:59:59-16:01", **COUNTY)[0] == 422
