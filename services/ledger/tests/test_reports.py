"""Reports: figures equal sums over the list behind them and a plain recount, with last year's beside them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jiayuan.chassis.delivery import Message
from jiayuan.chassis.testing.client import Client
from jiayuan.chassis.testing.databases import Databases, Opened
from jiayuan.chassis.testing.models import examples
from jiayuan.contracts import names
from jiayuan.contracts.envelope import encode
from jiayuan.contracts.times import iso
from jiayuan.ledger import entries, reporting
from jiayuan.ledger.cli import ledger as command
from jiayuan.ledger.closing import Period
from jiayuan.ledger.posting import Act, Opening
from jiayuan.ledger.reports import FIGURES, NOTHING

pytestmark = pytest.mark.store

BEGIN = datetime(2025, 4, 1, tzinfo=UTC)
NOW = datetime(2027, 2, 1, tzinfo=UTC)
PERIODS = (Period(2026), Period(2026, 1), Period(2026, 3), Period(2025, 4))
_streets = count(1)


@pytest.fixture(scope="module")
def books(databases: Databases) -> Iterator[Opened]:
    opened = Opened("ledger", databases.fresh("ledger"))
    opened.clock.time = NOW
    yield opened
    opened.close()
    databases.forget(opened.url)


def take(opened: Opened, events: list[Any]) -> None:
    assert (
        opened.deliveries.take(
            [Message(encode(e), names.CONTENT_TYPE, names.EVENTS_EXCHANGE, e.routing_key) for e in events]
        )
        == []
    )


# A history: on which day it opens, by whom it is handled, and what comes after how many days.
HISTORY = st.tuples(
    st.integers(0, 600),
    st.sampled_from([None, "U02", "U03"]),
    st.lists(
        st.tuples(
            st.integers(1, 120),
            st.sampled_from(
                [
                    "satisfied",
                    "withdrawn",
                    "unsatisfied",
                    "reopened",
                    "voided",
                    "breach",
                    "corrected",
                    "answered",
                ]
            ),
        ),
        max_size=6,
    ),
)


def told(story: Any, unit: str | None, steps: list[tuple[int, str]]) -> list[Any]:
    """The events of a history; nothing goes on after a case was voided."""
    events, breaches = [story.step("case.opened"), story.assign(unit)], []
    for days, what in steps:
        story.at += timedelta(days=days)
        if what in ("satisfied", "withdrawn", "unsatisfied"):
            events.append(story.close(what))
        elif what == "breach":
            breaches.append(story.breach(kind="finish"))
            events.append(breaches[-1])
        elif what == "corrected":
            events += [story.correct(breaches.pop())] if breaches else []
        else:
            events.append(story.step(f"case.{what}", confirmed=None))
        if what == "voided":
            break
    return events


def recount(histories: list[list[Any]], period: Period, key: Any) -> dict[str | None, Counter[str]]:
    """The figures of a period by reading each history from its beginning, with nothing of the ledger."""
    since, until = iso(period.starts_at), iso(min(period.ends_at, NOW))
    out: dict[str | None, Counter[str]] = {}
    for events in histories:
        if any(e.name == "case.voided" for e in events):
            continue
        never = {e.subject for e in events if e.name == "clock.corrected"}  # whenever it was told
        state, before, again, late, said, there = "", "", False, False, None, False
        for e in events:
            if e.name == "clock.corrected":
                continue
            at = e.data["clock"]["at"] if e.name == "clock.breached" else e.data["change"]["at"]
            if e.name == "case.opened":
                at = e.data["case"]["opened_at"]
            if at >= until:
                break
            if at >= since and not there:
                there, before = True, state
            if e.name == "clock.breached":
                late |= e.subject not in never
            elif e.name == "case.opened":
                state = "open"
            elif e.name == "case.closed":
                said = e.data["case"]["confirmed"]
                was, state = state, "open" if said == "unsatisfied" else "off"
                again |= was == "off" and state == "open" and at >= since
            elif e.name == "case.reopened":
                again |= state == "off" and at >= since
                state = "open"
        if not there:
            before = state
        if not state or (before == "off" and not again):
            continue
        done = state == "off"
        line = out.setdefault(key(events), Counter())
        line.update(
            {
                "promised": 1,
                "opening": before == "open",
                "entered": before == "",
                "reopened": before == "off",
                "done": done,
                "open": not done,
                "late": late,
                "done_in_time": done and not late,
                "satisfied": done and said == "satisfied",
                "unsatisfied": said == "unsatisfied",
                "lapsed": 0,
                "withdrawn": done and said == "withdrawn",
            }
        )
    return out


@given(st.lists(HISTORY, min_size=1, max_size=8), st.sampled_from(PERIODS))
@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
def test_figures_equal_a_plain_recount_of_random_histories(
    books: Opened, stories: Any, drawn: list[Any], period: Period
) -> None:
    street = f"3509{next(_streets):05}"
    histories = []
    for day, unit, steps in drawn:
        story = stories.Story(street=street, opened_at=BEGIN + timedelta(days=day, minutes=len(histories)))
        histories.append(told(story, unit, steps))
    take(books, [e for events in histories for e in events])
    units = dict(zip((id(h) for h in histories), (unit for _, unit, _ in drawn), strict=True))
    with books() as work:
        behind = list(reporting.matters(work, period, street))
        for by, key in (
            ("street", lambda _: street),
            ("unit", lambda h: units[id(h)]),
            ("category", lambda _: "0102"),
        ):
            found = reporting.report(work, period, by, street)
            wanted = recount(histories, period, key)
            lines = {
                line["key"]: {n: line[n] for n in NOTHING} for line in found["lines"] if line["promised"]
            }
            assert lines == {k: {n: int(v[n]) for n in NOTHING} for k, v in wanted.items()}
            # And the sums over the list behind are the figures, line by line and in all.
            for k, line in lines.items():
                mine = [m.counts() for m in behind if getattr(m, by) == k]
                assert line == {n: sum(c[n] for c in mine) for n in NOTHING}
            assert {n: found["total"][n] for n in NOTHING} == {
                n: sum(m.counts()[n] for m in behind) for n in NOTHING
            }
            for line in [*found["lines"], found["total"]]:
                assert line["promised"] == line["opening"] + line["entered"] + line["reopened"]
                assert line["promised"] == line["done"] + line["open"]


@pytest.fixture(scope="module")
def two_years(books: Opened, stories: Any) -> str:
    """One street: last spring a matter that was done, this spring two, one late and open; and a promise of staff."""
    street = "350921901"
    for year, how in ((2025, "satisfied"), (2026, "satisfied"), (2026, None)):
        story = stories.Story(
            street=street, opened_at=datetime(year, 4, 2, tzinfo=UTC), title=f"例{year}号楼路灯不亮"
        )
        events = [story.step("case.opened"), story.assign("U02")]
        events.append(story.close(how) if how else story.breach(kind="citizen"))
        take(books, events)
    with books() as work:
        at = iso(datetime(2026, 5, 1, tzinfo=UTC))
        what = Opening(
            "meeting",
            "d-9",
            street,
            "0300",
            "修好例家巷",
            "五月内",
            due_at=iso(datetime(2026, 5, 9, tzinfo=UTC)),
        )
        entries.open_entry(work, what, Act("desk-1", at, "open"))
    return street


def test_last_year_stands_beside_this_one(books: Opened, two_years: str) -> None:
    with books() as work:
        found = reporting.report(work, Period(2026, 2), "category", two_years)
    assert [line["key"] for line in found["lines"]] == ["0102", "0300"]
    total = found["total"]
    assert (total["promised"], total["done"], total["late"], total["satisfied"]) == (3, 1, 2, 1)
    assert (total["last_year"]["promised"], total["last_year"]["done"]) == (1, 1)
    assert (total["done_percent"], total["last_year"]["done_percent"]) == (33.3, 100.0)
    assert found["last_year"] == "2025Q2"


def test_a_period_that_has_not_begun_has_no_figures(books: Opened, two_years: str) -> None:
    with books() as work:
        found = reporting.report(work, Period(2028), "street", two_years)
        assert (found["lines"], list(reporting.matters(work, Period(2028)))) == ([], [])
    assert found["total"]["done_percent"] is None


def test_everybody_reads_a_report_as_json_csv_and_workbook(books: Opened, two_years: str) -> None:
    client = Client(books)
    status, document = client("GET", f"/public/reports/2026Q2?by=unit&street={two_years}")
    assert status == 200
    assert document["total"]["promised"] == 3
    status, _ = client("GET", f"/public/reports/2026Q2?by=unit&street={two_years}&format=csv")
    rows = list(csv.reader(io.StringIO(client.content.decode("utf-8-sig"))))
    assert rows[0][:3] == ["责任单位", "承诺", "承诺（上年）"]
    assert rows[-1][:3] == ["合计", "3", "1"]
    status, _ = client("GET", f"/public/reports/2026Q2?by=unit&street={two_years}&format=xlsx")
    book = openpyxl.load_workbook(io.BytesIO(client.content))
    assert book.sheetnames == ["2026Q2", "说明"]
    assert [c.value for c in list(book["2026Q2"].rows)[-1]][:3] == ["合计", 3, 1]
    said = {row[0].value for row in book["说明"].rows}
    assert {f.heading for f in FIGURES} <= said


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/public/reports/2026Q5", 404, None),
        ("/public/reports/2026Q2?by=colour", 422, "by"),
        ("/public/reports/2026Q2?format=pdf", 422, "format"),
    ],
)
def test_what_is_no_report_is_said(books: Opened, path: str, status: int, field: str | None) -> None:
    found = Client(books)("GET", path)
    assert found[0] == status
    assert field is None or found[1]["errors"][0]["field"] == field


def test_staff_read_the_list_behind(books: Opened, two_years: str) -> None:
    client = Client(books)
    assert client("GET", f"/reports/2026Q2/matters?street={two_years}", role="desk")[0] == 200
    rows = list(csv.DictReader(io.StringIO(client.content.decode("utf-8-sig"))))
    assert sum(int(r["承诺"]) for r in rows) == 3
    assert sum(int(r["超期"]) for r in rows) == 2


def test_the_command_says_the_same(books: Opened, two_years: str, tmp_path: Any) -> None:
    run = CliRunner(env={"JIAYUAN_DATABASE_URL": books.url})
    done = run.invoke(command, ["report", "2025", "--quarter", "2", "--by", "unit", "--street", two_years])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1].split()[:2] == ["合计", "1（0）"]
    out = tmp_path / "report.xlsx"
    done = run.invoke(
        command,
        ["report", "2025", "--by", "street", "--street", two_years, "--format", "xlsx", "--out", str(out)],
    )
    assert done.exit_code == 0, done.output
    assert openpyxl.load_workbook(out).sheetnames == ["2025", "说明"]
    listed = tmp_path / "matters.csv"
    done = run.invoke(command, ["report", "2025", "--street", two_years, "--list", "--out", str(listed)])
    assert done.exit_code == 0, done.output
    assert len(listed.read_text(encoding="utf-8-sig").splitlines()) == 1 + 1
