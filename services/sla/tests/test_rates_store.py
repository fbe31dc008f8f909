"""Rates out of the database, in the terminal and by HTTP."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import CliRunner, Result
from openpyxl import load_workbook
from werkzeug.test import EnvironBuilder

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.testing.databases import Opened, WorkFor
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.sla import api_rates, handlers, policy, store
from jiayuan.sla.cli import sla
from jiayuan.sla.rates import Period, Tally

pytestmark = pytest.mark.store
Moment = Callable[[float], datetime]
COUNTY = Principal("c-1", ("county",))
DESK = Principal("d-1", ("desk",), "350921001")
CLERK = Principal("u-1", ("unit_clerk",), "350921001", "unit-water")
SPAN = {"since": "2026-03-01", "until": "2026-03-20"}


@pytest.fixture
def open_work(work_for: WorkFor) -> Opened:
    return work_for("sla")


@pytest.fixture
def filled(open_work: Opened, life: Any, moment: Moment) -> Opened:
    """Twelve cases of two streets: of each three, two are answered in time; every third is a unit's."""
    events = []
    for n in range(12):
        case = life(f"case-{n:02}")
        case.case["street"] = "350921002" if n >= 8 else "350921001"
        if n % 3 == 0:
            unit = {**case.leg(0), "assignee": {"type": "unit", "id": "unit-water"}}
            case.tell("case.assigned", 0, state="assigned", legs=[unit])
        else:
            case.assign(0, "person-secret")
        case.answer(1000 if n % 3 == 0 else 900)
        events += case.events
    with open_work(now=moment(2000)) as work:
        handlers.case_changed(work, events)
    open_work.clock.time = moment(86400 * 20)
    return open_work


def ask(run: Any, opened: Opened, who: Principal, **query: str) -> Any:
    call = Call(EnvironBuilder(path="/rates", query_string=query).get_environ())
    call.who = who
    return run(opened.runtime, call)


def figures(found: dict[str, Any], group: str | None = None) -> dict[str, Any]:
    if group is None:
        return dict(found["total"])
    return next(g["figures"] for g in found["groups"] if g["group"] == group)


def test_rates_of_streets(filled: Opened) -> None:
    found = ask(api_rates.rates, filled, COUNTY, by="street", **SPAN)
    assert figures(found)["on_time_response"] == {"hits": 8, "over": 12, "percent": "66.67"}
    assert figures(found, "350921001")["on_time_response"] == {"hits": 5, "over": 8}
    assert figures(found, "350921002")["on_time_response"] == {"hits": 3, "over": 4}
    assert figures(found)["response"] == {"hits": 12, "over": 12, "percent": "100.00"}
    assert figures(found)["on_time_closing"] == {"hits": 0, "over": 12, "percent": "0.00"}
    assert "unmeasured" not in found
    assert "person-secret" not in json.dumps(found)


def test_a_desk_sees_its_street_and_a_clerk_the_units_own(filled: Opened) -> None:
    desk = ask(api_rates.rates, filled, DESK, by="unit", **SPAN)
    assert figures(desk)["registered"]["count"] == 8
    clerk = ask(api_rates.rates, filled, CLERK, by="street", **SPAN)
    assert figures(clerk)["on_time_response"] == {"hits": 0, "over": 4}
    assert [g["group"] for g in clerk["groups"]] == ["350921001", "350921002"]
    for who, query in ((DESK, {"street": "350921002"}), (CLERK, {"unit": "unit-fire"})):
        with pytest.raises(Problem) as refused:
            ask(api_rates.rates, filled, who, **query)
        assert refused.value.status == 403
    for who in (Principal("d", ("desk",)), Principal("u", ("unit_clerk",))):
        with pytest.raises(Problem) as refused:
            ask(api_rates.rates, filled, who)
        assert refused.value.status == 403
    # Others have no right at all: the entrypoint says so.
    assert {"grid_worker", "citizen", "service"}.isdisjoint(api_rates.READERS)


def test_the_cases_behind_a_figure(filled: Opened) -> None:
    query = {"figure": "on_time_response", "group": "350921002", **SPAN}
    found = ask(api_rates.cases, filled, COUNTY, **query)
    assert [(c["case"], c["counted"]) for c in found["cases"]] == [
        ("case-08", True),
        ("case-09", False),
        ("case-10", True),
        ("case-11", True),
    ]
    assert found["more"] is False
    assert ask(api_rates.cases, filled, COUNTY, **query, limit="3")["more"] is True
    mine = ask(api_rates.cases, filled, CLERK, figure="on_time_response", **SPAN)
    assert [c["case"] for c in mine["cases"]] == ["case-00", "case-03", "case-06", "case-09"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"by": "colour"}, "by"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-03-05", "until": "2026-03-04"}, "since"),
        ({"format": "pdf"}, "format"),
        ({"sinse": "2026-03-05"}, "sinse"),
    ],
)
def test_a_query_that_is_not_usable_says_which_field(
    filled: Opened, query: dict[str, str], field: str
) -> None:
    with pytest.raises(Problem) as refused:
        ask(api_rates.rates, filled, COUNTY, **query)
    assert refused.value.status == 422
    assert [p.field for p in refused.value.problems] == [field]


def test_csv_and_a_workbook_say_the_same(filled: Opened) -> None:
    text = ask(api_rates.rates, filled, COUNTY, format="csv", **SPAN).get_data().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    total = next(r for r in rows if r["group"] == "total" and r["figure"] == "on_time_response")
    assert (total["hits"], total["over"], total["percent"], total["名称"]) == (
        "8",
        "12",
        "66.67",
        "按时响应率",
    )
    answer = ask(api_rates.rates, filled, COUNTY, format="xlsx", **SPAN)
    assert 'filename="rates-street.xlsx"' in answer.headers["Content-Disposition"]
    book = load_workbook(io.BytesIO(answer.get_data()))
    assert book.sheetnames == ["rates", "figures"]
    found = [r for r in book["rates"].values if r[0] == "total" and r[1] == "on_time_response"]
    assert found[0][3:6] == (8, 12, 66.67)


def test_old_and_repeated_events_change_nothing(filled: Opened, life: Any, moment: Moment) -> None:
    before = ask(api_rates.rates, filled, COUNTY, **SPAN)
    again = life("case-01")
    again.assign(0, "person-secret"), again.answer(5000)
    with filled(now=moment(86400 * 20)) as work:
        handlers.case_changed(work, list(reversed(again.events)))
    assert ask(api_rates.rates, filled, COUNTY, **SPAN) == before


def test_what_is_no_case_or_was_not_measured_is_in_no_figure(filled: Opened, moment: Moment) -> None:
    with filled(now=moment(3000)) as work:
        trace = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
        store.matters(work, [store.Matter("list-1", "350921001", "live", trace)])
        work.execute("UPDATE case_seen SET measured = NULL, begun_at = NULL WHERE case_id = 'case-01'")
    filled.clock.time = moment(86400 * 20)
    found = ask(api_rates.rates, filled, COUNTY, **SPAN)
    assert figures(found)["registered"]["count"] == 11
    assert found["unmeasured"] == 1


def numbers(period: Period, cases: Iterable[store.Kept]) -> Any:
    tally = Tally("street", period, ZoneInfo("Asia/Shanghai"))
    for kept in cases:
        tally.add(kept.case, kept.deadlines)
    return {n: (s.over, s.hits, dict(s.excluded)) for n, s in tally.total().items()}


def test_a_period_reads_what_can_be_in_it_and_counts_as_if_it_had_read_all(
    open_work: Opened, life: Any, moment: Moment
) -> None:
    day, events = 86400, []
    for n in range(40):  # one begins every day and is closed two days later; every fifth runs on
        case = life(f"case-{n:02}", begins=moment(n * day))
        case.assign(0), case.answer(600)
        if n % 5:
            case.resolve(day), case.close(2 * day, "lapsed" if n % 2 else "satisfied", solved=n % 3 > 0)
        if n == 7:
            case.reopen(20 * day)
        events += case.events
    with open_work(now=moment(100 * day)) as work:
        handlers.case_changed(work, events)
    with open_work() as work:
        for first, last, most in ((0, 100, 40), (0, 5, 10), (20, 25, 30), (70, 90, 10)):
            period = Period(moment(first * day), moment(last * day))
            read = list(store.measured_cases(work, None, period, page=7))
            assert len(read) <= most, (first, last)
            assert numbers(period, read) == numbers(period, store.measured_cases(work, None))


def test_a_deadline_that_is_computed_again_keeps_its_case_in_the_figures(
    open_work: Opened, life: Any, moment: Moment
) -> None:
    case = life("case-1", citizen=None, finish=None)
    case.case["callback_limit"] = 86400
    case.assign(0), case.resolve(10), case.close(20, "lapsed")  # it is to be called back all the same
    with open_work(now=moment(30)) as work:
        handlers.case_changed(work, case.events)
    rule = {"id": "later", "when": {"clock": ["callback"]}, "then": {"limit": "30d"}}
    document = {**policy.document(), "version": "q", "rules": [rule]}
    at = moment(40).isoformat()
    with open_work(now=moment(40)) as work:
        row = {"document": document, "digest": "-", "imported_at": at, "imported_by": "t"}
        store.add_policy(work, {"version": "q", "effective_from": at, **row})
        store.ask_recomputation(work, "policy q", moment(40), "t")
    with open_work(now=moment(50)) as work:
        handlers.recompute(work)
    with open_work() as work:
        period = Period(moment(29 * 86400), moment(31 * 86400))
        (kept,) = store.measured_cases(work, None, period)
        assert [d.due_at for d in kept.deadlines if d.kind == "callback"] == [moment(30 * 86400 + 10)]


def test_pages_of_cases_leave_nobody_out(filled: Opened) -> None:
    with filled() as work:
        assert len(list(store.measured_cases(work, None, page=5))) == 12
        assert len(list(store.measured_cases(work, None, page=4))) == 12


def test_tables_and_migrations_agree(open_work: Opened) -> None:
    with open_work.engine.connect() as conn:
        found = compare_metadata(MigrationContext.configure(conn), store.metadata)
    assert [d for d in found if "alembic_version" not in str(d)] == []


# -- in the terminal ---------------------------------------------------------------------------------


def command(filled: Opened, *words: str) -> Result:
    env = {"JIAYUAN_DATABASE_URL": filled.url}
    span = ["--since", SPAN["since"], "--until", SPAN["until"]]
    return CliRunner().invoke(sla, ["rates", *span, *words], env=env, catch_exceptions=False)


def test_the_command(filled: Opened, tmp_path: Path) -> None:
    text = command(filled).output
    line = next(t for t in text.splitlines() if t.startswith("total") and "on_time_response" in t)
    assert line.split()[2:6] == ["按时响应率", "8", "12", "66.67"]
    found = json.loads(command(filled, "--by", "unit", "--format", "json").output)
    assert [g["group"] for g in found["groups"]] == ["grid", "unit-water"]
    listed = command(filled, "--cases", "on_time_response", "--group", "350921002", "--format", "csv").output
    assert len(listed.splitlines()) == 5
    path = tmp_path / "rates.xlsx"
    assert command(filled, "--format", "xlsx", "--output", str(path)).exit_code == 0
    assert load_workbook(path)["figures"]["A2"].value == "registered"
    refused = command(filled, "--since", "2999-13-01")
    assert refused.exit_code == 1
    assert "since: is '2999-13-01'" in refused.stderr
    assert command(filled, "--format", "xlsx").exit_code == 2
