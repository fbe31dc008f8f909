"""What looks like gaming, found in a database: cases as they were handled, and a plan that holds at a million."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import NullPool, create_engine, text

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing.databases import Databases
from jiayuan.chassis.work import Work
from jiayuan.contracts import ids
from jiayuan.contracts.times import iso
from jiayuan.routing import book, detecting, store
from jiayuan.routing.gaming import Finding
from jiayuan.routing.store.gaming import Span

from .conftest import STREET, T0

pytestmark = pytest.mark.store

DIGEST, OTHER = "ab" * 32, "cd" * 32
DAY = 1440.0
COUNTY = {"role": "county", "who": "county-1"}
DESK = {"role": "desk", "who": "desk-1", "street": STREET}
OTHER_DESK = {"role": "desk", "who": "desk-2", "street": "350921002"}


class Past:
    """Cases of the past, written as handling leaves them; times are minutes after T0."""

    def __init__(self, routing: Any) -> None:
        self.routing = routing
        self.steps: list[dict[str, Any]] = []
        self.legs: list[dict[str, Any]] = []
        self.cases: list[dict[str, Any]] = []

    def case(self, street: str = STREET, **doc: Any) -> dict[str, Any]:
        number = f"{street}-260302-{len(self.cases) + 1:06d}"
        case = {
            "id": ids.new_id(),
            "number": number,
            "street": street,
            "legs": [],
            "pauses": [],
            "extensions": [],
        }
        case |= {"state": "resolved", "community": f"{street}001", "category": {"code": "0102"}, **doc}
        self.cases.append(case)
        self.step(case, "open", "routing", 0)
        return case

    def step(self, case: dict[str, Any], action: str, actor: str, at: float, **more: Any) -> None:
        sequence = sum(s["case_id"] == case["id"] for s in self.steps[-40:]) + 1
        row = {"case_id": case["id"], "sequence": sequence, "action": action, "actor": actor}
        row |= {"at": iso(T0 + timedelta(minutes=at)), "leg": None, "reason": None, "evidence": None, **more}
        self.steps.append(row)

    def leg(
        self, case: dict[str, Any], unit: str, at: float, limit: float = DAY, kind: str = "lead"
    ) -> dict[str, Any]:
        """A leg that is offered; `limit` in minutes."""
        type_ = "desk" if unit.startswith("desk") else "person" if unit.startswith("p") else "unit"
        leg = {"id": ids.new_id(), "kind": kind if type_ == "unit" else "handle", "state": "offered"}
        leg |= {"assignee": {"type": type_, "id": unit}, "offered_at": iso(T0 + timedelta(minutes=at))}
        leg |= {"finish_limit": int(limit * 60), "level": "department", "step": 0}
        case["legs"].append(leg)
        self.step(case, "whistle" if type_ == "unit" else "assign", "routing", at, leg=leg["id"])
        return leg

    def resolve(self, case: dict[str, Any], leg: dict[str, Any], actor: str, at: float, *photos: str) -> None:
        leg["state"] = "done"
        self.step(case, "resolve", actor, at, leg=leg["id"], evidence=list(photos) or None)

    def closed(
        self, unit: str, actor: str, at: float, used: float, *photos: str, **case: Any
    ) -> dict[str, Any]:
        """A case that a unit resolves after that share of its day."""
        made = self.case(**case)
        leg = self.leg(made, unit, at - used * DAY)
        self.resolve(made, leg, actor, at, *photos)
        return made

    def write(self) -> None:
        opened = iso(T0)
        rows = [
            {
                "id": c["id"],
                "number": c["number"],
                "sequence": 9,
                "state": c["state"],
                "kind": "problem",
                "category": c["category"]["code"],
                "livelihood": False,
                "colour": "yellow",
                "level": "department",
                "street": c["street"],
                "community": c["community"],
                "grid": None,
                "opened_at": opened,
                "reopened": 0,
                "state_doc": c,
            }
            for c in self.cases
        ]
        legs = [
            {
                "id": leg["id"],
                "case_id": c["id"],
                "kind": leg["kind"],
                "level": "department",
                "step": 0,
                "assignee_type": leg["assignee"]["type"],
                "assignee": leg["assignee"]["id"],
                "state": leg["state"],
                "offered_at": leg["offered_at"],
            }
            for c in self.cases
            for leg in c["legs"]
        ]
        with self.routing.work() as work:
            work.insert(store.case_table, rows)
            work.insert(store.leg_table, legs)
            work.insert(store.case_step, sorted(self.steps, key=lambda s: s["at"]))


@pytest.fixture
def past(routing: Any) -> Past:
    return Past(routing)


def found(
    past: Past, kind: str, days: float = 120, street: str | None = None, until: float = 0
) -> list[Finding]:
    """What is found from `days` before until `until` (minutes after T0; the end of the past)."""
    with past.routing.work(until) as work:
        of = detecting.thresholds(book.of(work), work.now)
        last = T0 + timedelta(minutes=until)
        return detecting.find(work, of, Span(last - timedelta(days=days), last, street), [kind])


# -- mass closing ------------------------------------------------------------------------------------


def an_ordinary_past(past: Past, unit: str = "U02", actor: str = "clerk-U02") -> None:
    """Sixty days with one or two results a day, early."""
    for day in range(60):
        for k in range(day % 2 + 1):
            past.closed(unit, actor, day * DAY + 60 * k, 0.3)


def test_a_burst_shortly_before_the_limits_is_found(past: Past) -> None:
    an_ordinary_past(past)
    burst = [
        past.closed("U02", "clerk-U02", 61 * DAY + i, 0.95, category={"code": f"010{i % 4}"})
        for i in range(12)
    ]
    past.write()
    [finding] = found(past, "mass_closing", days=10, until=65 * DAY)
    assert finding.look
    assert finding.subject == {"type": "person", "id": "clerk-U02"}
    assert [e.case for e in finding.evidence] == [c["id"] for c in burst]
    numbers = finding.numbers
    assert (numbers["closed"], numbers["near_limit"], numbers["usual_most"]) == (12, 12, 1)
    assert numbers["usual_near_share"] == 0.0
    assert numbers["ratio"] == 12.0
    assert finding.evidence[0].more == {"used": 0.95}
    assert found(past, "mass_closing", days=10, until=61 * DAY) == []


def test_several_clerks_of_one_unit_are_the_unit(past: Past) -> None:
    an_ordinary_past(past)
    for i in range(12):
        past.closed("U02", f"clerk-{i % 3}", 61 * DAY + i, 0.95, category={"code": f"010{i % 4}"})
    past.write()
    [finding] = found(past, "mass_closing", days=10, until=65 * DAY)
    assert finding.subject == {"type": "unit", "id": "U02"}


def test_an_honest_batch_is_not_found(past: Past) -> None:
    """Forty lamps after one repair, long before their limits; and a backlog that is late anyway."""
    an_ordinary_past(past)
    for i in range(40):
        past.closed("U02", "clerk-U02", 61 * DAY + i / 4, 0.4)
        past.closed("U02", "clerk-U02", 63 * DAY + i / 4, 1.4)
    past.write()
    assert found(past, "mass_closing", days=10, until=65 * DAY) == []


def test_whoever_closes_every_evening_is_listed_apart_once(past: Past) -> None:
    for day in range(62):
        for i in range(9):
            past.closed("U02", "clerk-U02", day * DAY + 540 + i, 0.9, category={"code": f"010{i % 4}"})
    past.write()
    findings = found(past, "mass_closing", days=10, until=62 * DAY)
    assert [f.look for f in findings] == [False]
    assert "与平时相差不到3倍" in findings[0].explained[0]


def test_a_street_sees_its_own(past: Past) -> None:
    for i in range(12):
        past.closed("U02", "clerk-U02", DAY + i, 0.95, street="350921002", category={"code": f"010{i % 4}"})
    past.write()
    assert len(found(past, "mass_closing", days=10, until=2 * DAY)) == 1
    assert len(found(past, "mass_closing", days=10, until=2 * DAY, street="350921002")) == 1
    assert found(past, "mass_closing", days=10, until=2 * DAY, street=STREET) == []


# -- the same photo ----------------------------------------------------------------------------------


def test_a_photo_used_again_is_found_also_long_after(past: Past) -> None:
    first = past.closed("U02", "clerk-U02", DAY, 0.5, f"https://files.example/media/{DIGEST.upper()}.jpg")
    past.closed("U03", "clerk-U03", 2 * DAY, 0.5, OTHER)
    again = past.closed("U04", "clerk-U04", 100 * DAY, 0.5, f"/media/{DIGEST}", street="350921002")
    past.write()
    [finding] = found(past, "same_photo", days=5, until=101 * DAY)
    assert finding.look
    assert finding.subject["id"] == DIGEST
    assert [e.case for e in finding.evidence] == [first["id"], again["id"]]
    assert finding.numbers["actors"] == ["clerk-U02", "clerk-U04"]
    assert found(past, "same_photo", days=5, until=50 * DAY) == []
    [mine] = found(past, "same_photo", days=5, until=101 * DAY, street=STREET)
    assert [e.case for e in mine.evidence] == [first["id"]]
    assert (mine.numbers["cases_elsewhere"], mine.numbers["actors"]) == (1, ["clerk-U02"])
    assert found(past, "same_photo", days=5, until=101 * DAY, street="350921009") == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (DIGEST, f"https://a.example/media/{DIGEST}.jpg", True),
        (f"https://a.example/f?photo={DIGEST}&size=1", f"/m/{DIGEST.upper()}", True),
        ("https://a.example/1/photo.jpg", "https://b.example/2/photo.jpg", False),
        ("https://a.example/1/photo.jpg", "https://a.example/1/photo.jpg", True),
        (DIGEST, OTHER, False),
    ],
)
def test_a_photo_is_known_by_its_digest(past: Past, one: str, other: str, same: bool) -> None:
    past.closed("U02", "clerk-U02", DAY, 0.5, one)
    past.closed("U03", "clerk-U03", 5 * DAY, 0.5, other, other)
    past.write()
    assert len(found(past, "same_photo", days=5, until=6 * DAY)) == same


def test_a_photo_of_one_flood_is_separated(past: Past) -> None:
    """Merged cases are one matter; so are neighbours' of one place, matter and day."""
    kept = past.closed("U02", "clerk-U02", DAY, 0.5, DIGEST)
    past.closed("U02", "clerk-U02", 30 * DAY, 0.5, DIGEST, state="merged", merged_into=kept["id"])
    for i in range(3):
        past.closed("U02", "clerk-U02", DAY + 60 * i, 0.5, OTHER)
    past.write()
    findings = found(past, "same_photo", days=40, until=31 * DAY)
    assert {f.subject["id"]: f.look for f in findings} == {DIGEST: False, OTHER: False}
    assert any("已并案" in f.explained[0] for f in findings)
    assert any("建议并案" in f.explained[0] for f in findings)


def test_one_case_may_show_its_photo_twice(past: Past) -> None:
    case = past.closed("U02", "clerk-U02", DAY, 0.5, DIGEST)
    past.step(case, "arrive", "clerk-U02", DAY - 5, evidence=[DIGEST])
    past.write()
    assert found(past, "same_photo", days=5, until=2 * DAY) == []


# -- ping-pong ---------------------------------------------------------------------------------------


def test_a_case_thrown_to_and_fro_is_found(past: Past) -> None:
    case, straight = past.case(), past.case()
    for i, unit in enumerate(
        ("U02", "desk-350921001", "U04", "desk-350921001", "U02", "desk-350921001", "U04")
    ):
        past.leg(case, unit, i * 60)["state"] = "returned"
        past.step(case, "return", f"clerk-{unit}", i * 60 + 30)
    for i, unit in enumerate(("U02", "desk-350921001", "U04", "desk-350921001", "U05")):
        past.leg(straight, unit, i * 60)["state"] = "returned"
        past.step(straight, "return", f"clerk-{unit}", i * 60 + 30)
    past.write()
    [finding] = found(past, "ping_pong", days=5, until=DAY)
    assert (finding.subject["id"], finding.look) == (case["id"], True)
    assert finding.numbers["path"] == ["U02", "U04", "U02", "U04"]
    assert {e.action for e in finding.evidence} == {"whistle", "assign", "return"}
    assert found(past, "ping_pong", days=5, until=DAY, street="350921002") == []


# -- closed and reopened -----------------------------------------------------------------------------


def test_results_that_do_not_hold_are_found(past: Past) -> None:
    for i in range(120):
        unit = ("U02", "U03", "U04")[i % 3]
        case = past.closed(unit, f"clerk-{unit}", 10 * i, 0.5)
        if (unit == "U02" and i % 9 == 0) or i == 1:
            past.step(case, "reopen", "report:R", 10 * i + 5)
    past.write()
    [finding] = found(past, "reopened", days=5, until=2 * DAY)
    assert finding.subject == {"type": "unit", "id": "U02"}
    assert (finding.numbers["resolved"], finding.numbers["reopened"]) == (40, 14)
    assert (finding.numbers["others_resolved"], finding.numbers["others_reopened"]) == (80, 1)
    assert len(finding.evidence) == 14


def test_a_case_closed_twice_in_vain_is_found_whoever_did_it(past: Past) -> None:
    case = past.closed("U02", "clerk-U02", 10, 0.5)
    past.step(case, "reopen", "report:R", 20)
    past.resolve(case, past.leg(case, "U02", 30), "clerk-U02", 40)
    past.step(case, "rework", "inspector-1", 50)
    past.write()
    [finding] = found(past, "reopened", days=5, until=DAY)
    assert finding.subject == {"type": "case", "id": case["id"], "number": case["number"]}
    assert [e.action for e in finding.evidence] == ["reopen", "rework"]


# -- listing and looking -----------------------------------------------------------------------------


def gamed(past: Past) -> None:
    an_ordinary_past(past)
    for i in range(12):
        past.closed("U02", "clerk-U02", 61 * DAY + i, 0.95, DIGEST, category={"code": f"010{i % 4}"})
    past.write()


SPAN = f"since={iso(T0 + timedelta(days=55))}&until={iso(T0 + timedelta(days=65))}"


def test_the_county_and_the_desk_list_and_look(past: Past, client: Any) -> None:
    gamed(past)
    status, answer = client("GET", f"/gaming?{SPAN}", **COUNTY)
    assert status == 200
    assert {f["kind"] for f in answer["findings"]} == {"mass_closing", "same_photo"}
    assert answer["policy"] == "2026.1"
    assert answer["thresholds"]["mass_closing.least"]["value"] == 8
    assert "8件" in answer["thresholds"]["mass_closing.least"]["reason"]
    [finding] = [f for f in answer["findings"] if f["kind"] == "mass_closing"]
    assert finding["looked"] == []
    assert len(finding["evidence"]) == 12
    body = {
        "finding": finding["id"],
        "kind": "mass_closing",
        "since": answer["since"],
        "until": answer["until"],
        "note": "已约谈，系月底统一录入，电话13800000000",
    }
    status, answer = client("POST", "/gaming/looks", body, **DESK)
    assert status == 201
    [looked] = answer["looked"]
    assert looked["by"] == "desk-1"
    assert "13800000000" not in looked["note"]
    status, answer = client("POST", "/gaming/looks", {**body, "note": "县里也看过"}, **COUNTY)
    assert [o["by"] for o in answer["looked"]] == ["desk-1", "county-1"]
    _, answer = client("GET", f"/gaming?{SPAN}&kind=mass_closing", **COUNTY)
    assert len(answer["findings"][0]["looked"]) == 2
    _, answer = client("GET", f"/gaming/looks/{finding['id']}", **COUNTY)
    assert [o["finding"]["numbers"]["closed"] for o in answer["looks"]] == [12, 12]
    _, answer = client("GET", f"/gaming/looks/{finding['id']}", **OTHER_DESK)
    assert answer["looks"] == []


def test_a_look_can_not_be_taken_back() -> None:
    assert store.gaming_look.info["grants"] == "SELECT, INSERT"


def test_who_may_list(client: Any) -> None:
    assert client("GET", f"/gaming?{SPAN}", role="unit_clerk", unit="U02")[0] == 403
    assert client("GET", f"/gaming?{SPAN}")[0] == 401
    assert client("GET", f"/gaming?{SPAN}&street={STREET}", **OTHER_DESK)[0] == 403
    assert client("GET", f"/gaming?{SPAN}", role="desk", who="d")[0] == 403
    assert client("GET", f"/gaming?{SPAN}", **OTHER_DESK)[1]["findings"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=soon", "since"),
        ("kind=theft", "kind"),
        (f"since={iso(T0 - timedelta(days=200))}&until={iso(T0)}", "since"),
        (f"since={iso(T0)}&until={iso(T0)}", "since"),
        ("explained=perhaps", "explained"),
    ],
)
def test_a_wrong_query_names_its_field(client: Any, query: str, field: str) -> None:
    status, answer = client("GET", f"/gaming?{query.replace('+', '%2B')}", **COUNTY)
    assert status == 422
    assert answer["errors"][0]["field"] == field
    assert answer["errors"][0]["allowed"]


def test_a_look_at_nothing_is_refused(client: Any) -> None:
    body = {
        "finding": "ab" * 10,
        "kind": "same_photo",
        "since": iso(T0 - timedelta(days=1)),
        "note": "看过了",
    }
    assert client("POST", "/gaming/looks", body, **COUNTY)[0] == 404
    assert client("POST", "/gaming/looks", {**body, "finding": "x"}, **COUNTY)[0] == 422
    assert client("POST", "/gaming/looks", {**body, "note": ""}, **COUNTY)[0] == 422


# -- the plan ----------------------------------------------------------------------------------------


def test_a_span_is_found_without_reading_all_steps(past: Past, databases: Databases) -> None:
    """At a million cases a span of ten days reads its own part of the steps."""
    with past.routing.work() as work:
        n, at = "FROM generate_series(1, 60000) n", {"at": T0}
        work.execute(
            'INSERT INTO "case" (id, number, sequence, state, kind, category, livelihood, colour, level, street, '
            "opened_at, state_doc) SELECT md5('c' || n)::uuid, 'N' || n, 6, 'closed', 'problem', '0102', false, "
            f"'blue', 'grid', :street, CAST(:at AS timestamptz) + n * interval '6 minutes', '{{}}' {n}",
            street=STREET,
            **at,
        )
        work.execute(
            "INSERT INTO leg (id, case_id, kind, level, step, assignee_type, assignee, state, offered_at) SELECT "
            "md5('l' || n)::uuid, md5('c' || n)::uuid, 'lead', 'department', 0, 'unit', 'U' || n % 60, 'done', "
            f"CAST(:at AS timestamptz) + n * interval '6 minutes' {n}",
            **at,
        )
        work.execute(
            "INSERT INTO case_step (case_id, sequence, action, actor, at, leg) SELECT md5('c' || n)::uuid, k, "
            "CASE k WHEN 5 THEN 'resolve' ELSE 'accept' END, 'clerk-' || n % 500, CAST(:at AS timestamptz) "
            f"+ (n * 6 + k) * interval '1 minute', md5('l' || n)::uuid {n}, generate_series(1, 6) k ORDER BY n, k",
            **at,
        )
    admin = create_engine(
        driver_url(databases.admin(past.routing.url)), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as conn:  # as autovacuum does: the index then knows where the new steps lie
        conn.execute(text("VACUUM ANALYZE"))
    span = Span(T0 + timedelta(days=200), T0 + timedelta(days=210))
    for ask in (
        lambda w: store.gaming.windows(w, span, timedelta(minutes=30), 8),
        lambda w: store.gaming.photos(w, span, timedelta(days=20)),
        lambda w: store.gaming.thrown(w, span, ("return",), 3),
        lambda w: store.gaming.resolved(w, span),
        lambda w: store.gaming.opened_again(w, span, ("reopen",)),
        lambda w: store.gaming.resolutions(w, span, "person", "clerk-1"),
        lambda w: store.gaming.habits(w, span, timedelta(days=30), timedelta(minutes=30), ["U02"]),
    ):
        with past.routing.work() as work:
            scans = _scans(work, ask)
        assert "Seq Scan on case_step" not in scans, scans
        assert "case_step_at" in scans, scans


def _scans(work: Work, ask: Any) -> str:
    """The plan of the first statement that `ask` runs."""
    asked: list[tuple[str, dict[str, Any]]] = []
    run = work.execute

    def explain(sql: str, **parameters: Any) -> Any:
        asked.append((sql, parameters))
        return run(sql, **parameters)

    work.execute = explain  # type: ignore[method-assign]
    ask(work)
    sql, parameters = asked[0]
    return orjson.dumps([r[0] for r in run(f"EXPLAIN {sql}", **parameters)]).decode()


# -- the command line --------------------------------------------------------------------------------


@pytest.fixture
def run(past: Past, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`jiayuan routing gaming …`"""
    from click.testing import CliRunner

    from jiayuan.routing.cli import routing as command

    monkeypatch.setenv("JIAYUAN_DATABASE_URL", past.routing.opened.settings.database_url)
    return lambda *words: CliRunner().invoke(command, ["gaming", *words], catch_exceptions=False)


def test_the_command_line_lists_and_notes(past: Past, run: Any) -> None:
    gamed(past)
    span = ("--since", "2026-04-20", "--until", "2026-05-06")
    listed = run(*span)
    assert listed.exit_code == 0
    assert "临期集中办结  person clerk-U02" in listed.output
    assert "30分钟内办结12件，其中12件在时限用去80%以后；平时1.0件" in listed.output
    assert "95% of the limit" in listed.output
    assert "2 to look at" in listed.output
    assert run(*span, "--street", "350921009").output == "0 to look at\n"
    lines = [orjson.loads(line) for line in run(*span, "--json").output.splitlines()]
    finding = next(line for line in lines if line["kind"] == "mass_closing")
    look = ("look", finding["id"], "--kind", "mass_closing", *span, "--who", "例审计")
    assert run(*look, "--note", "已核实").output == f"{finding['id']}: noted\n"
    assert "by 例审计: 已核实" in run(*span, "--kind", "mass_closing").output
    assert run(*look[:1], "ab" * 10, *look[2:], "--note", "x").exit_code == 1
    assert run("--since", "soon").exit_code == 1


def test_the_command_line_says_why_each_threshold(run: Any) -> None:
    lines = run("thresholds").output.splitlines()
    assert len(lines) == 15
    assert lines[0].startswith("mass_closing.window = 1800: ")
