"""Rates as documents: by HTTP and in the terminal the same query, rows and files."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso, parse

from . import books, rates, store
from .calendar import day_of
from .clock import History, extensions_of, spans
from .policy import ALWAYS, Policy
from .rates import BY, BY_NAME, FIGURES, Entry, Figure, Period, Sum, Tally
from .simulating import EXAMPLES, Comparison, outcomes

FORMATS: Final = ("json", "csv", "xlsx")
MOST_CASES: Final = 10_000
_COLUMNS: Final = ("hits", "over", "percent", "count", "mean", "median")


class QueryError(ValueError):
    """The query can't be answered; `problems` says which field, what is wrong and what is allowed."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{p.field} {p.problem}: {p.allowed}" for p in problems))


class Query(NamedTuple):
    """Which rates. `street` and `unit` narrow it to what somebody may see."""

    by: str
    period: Period
    zone: ZoneInfo
    street: str | None = None
    unit: str = ""


def query(
    work: Work,
    by: str | None,
    since: str | None,
    until: str | None,
    street: str | None = None,
    unit: str = "",
) -> Query:
    """A query from what people write; days are those of the policy's zone. QueryError.

    Without `since`: from the first of January; without `until`, or with one that is still to come: until now.
    """
    zone = books.newest(books.of(work), work.now).zone
    wrong: list[FieldProblem] = []
    if by is not None and by not in BY:
        wrong.append(FieldProblem("by", f"is {by!r:.40}", f"one of {', '.join(BY)}"))
    start = moment("since", since, zone, wrong)
    end = moment("until", until, zone, wrong)
    if start is None:
        start = datetime(work.now.astimezone(zone).year, 1, 1, tzinfo=zone)
    end = min(end or work.now, work.now)
    if not wrong and start >= end:
        wrong.append(
            FieldProblem(
                "since", f"is {iso(start)}", f"before until ({iso(end)}), which is now at the latest"
            )
        )
    if wrong:
        raise QueryError(wrong)
    return Query(by or "street", Period(start, end), zone, street, unit)


def moment(name: str, text: str | None, zone: ZoneInfo, wrong: list[FieldProblem]) -> datetime | None:
    """A day (its midnight in `zone`) or a time, as people write them; what isn't one goes into `wrong`."""
    if not text:
        return None
    day: date | None = day_of(text)
    if day is not None:
        return datetime(day.year, day.month, day.day, tzinfo=zone)
    try:
        at = datetime.fromisoformat(text)
        if not 1970 <= at.year <= 2999:
            raise ValueError
        return at if at.tzinfo else at.replace(tzinfo=zone)
    except ValueError:
        wrong.append(
            FieldProblem(name, f"is {text!r:.40}", "a day such as 2026-03-01, or a time with an offset")
        )
        return None


def tally(work: Work, asked: Query) -> Tally:
    """The figures, computed from what is kept of each case and its clocks."""
    found = Tally(asked.by, asked.period, asked.zone, asked.unit)
    for kept in store.measured_cases(work, asked.street, asked.period):
        found.add(kept.case, kept.deadlines)
    return found


def document(work: Work, asked: Query) -> dict[str, Any]:
    """The rates as a document: groups, total, and of each figure how it is computed."""
    found = tally(work, asked)
    out: dict[str, Any] = {
        "by": asked.by,
        "since": iso(asked.period.since),
        "until": iso(asked.period.until),
        "zone": str(asked.zone),
        "small": rates.SMALL,
        "groups": [{"group": group, "figures": _shown(sums)} for group, sums in found.rows()[:-1]],
        "total": _shown(found.total()),
        "figures": [f._asdict() for f in FIGURES],
    }
    if asked.street:
        out["street"] = asked.street
    if asked.unit:
        out["unit"] = asked.unit
    missing = store.unmeasured(work, asked.street)
    if missing:
        out["unmeasured"] = missing
    return out


def _shown(sums: dict[str, Sum]) -> dict[str, Any]:
    return {f.name: sums[f.name].shown(f) for f in FIGURES if f.name in sums}


def simulated(work: Work, candidate: Policy, since: datetime, examples: int = EXAMPLES) -> dict[str, Any]:
    """What breach rates would have been if `candidate` had always held; clocks that began before `since` are left out.

    Clocks come a page at a time; nothing is stored.
    """
    rules = dataclasses.replace(candidate, since=ALWAYS)
    found = Comparison(examples)
    for past in store.past_clocks(work, since):
        clock = past.clock
        leg = next((leg for leg in past.legs if leg[0] == clock.leg_id), None)
        # Done comes before the end in a leg's times: what has an end alone was not done.
        ended = leg is not None and not leg[8] and bool(leg[9]) and clock.stopped_at == parse(leg[9])
        history = History(
            past.street, spans(past.pauses), extensions_of(past.extensions), rules, past.facts, now=work.now
        )
        found.add(clock, outcomes(clock, (leg[1], leg[2]) if leg else ("", ""), ended, history, work.now))
    return {"policy": candidate.version, "since": iso(since), "at": iso(work.now), **found.document()}


def lines(found: dict[str, Any]) -> list[list[Any]]:
    """A document as a table: a head, then a line a group and figure, the total last."""
    out: list[list[Any]] = [["group", "figure", "名称", *_COLUMNS, "excluded"]]
    for group in (*found["groups"], {"group": "total", "figures": found["total"]}):
        for name, one in group["figures"].items():
            left_out = "; ".join(f"{why} {n}" for why, n in one.get("excluded", {}).items())
            values = [one.get(c, "") for c in _COLUMNS]
            out.append([_safe(group["group"]), name, BY_NAME[name].chinese, *values, left_out])
    return out


def explained() -> list[list[Any]]:
    """How each figure is computed, as a table."""
    head = ["figure", "名称", "form", "counts at", "formula", "left out"]
    return [head, *([f.name, f.chinese, f.form, f.moment, f.formula, f.excluded] for f in FIGURES)]


class Listed(NamedTuple):
    """The cases behind a figure; `more` when there are more than these."""

    rows: list[dict[str, Any]]
    more: bool


def cases(work: Work, asked: Query, figure: Figure, group: str | None, most: int = MOST_CASES) -> Listed:
    """The cases behind a figure, also those that were left out and why, in the order of their moments."""
    found: list[tuple[Entry, str]] = []
    narrowed = Tally(asked.by, asked.period, asked.zone, asked.unit)
    for kept in store.measured_cases(work, asked.street, asked.period):
        for of, entry in narrowed.of(kept.case, kept.deadlines):
            if entry.figure == figure.name and (group is None or of == group):
                found.append((entry, of))
    found.sort(key=lambda pair: (pair[0].at, pair[0].case, pair[0].leg))
    return Listed([_row(entry, of) for entry, of in found[:most]], len(found) > most)


def _row(entry: Entry, group: str) -> dict[str, Any]:
    out: dict[str, Any] = {
        "case": entry.case,
        "leg": entry.leg or None,
        "group": group,
        "unit": entry.unit,
        "at": iso(entry.at),
        "counted": entry.hit,
    }
    if entry.seconds is not None:
        out["seconds"] = entry.seconds
    if entry.why:
        out["excluded"] = entry.why
    return out


def case_lines(found: Listed) -> list[list[Any]]:
    """The cases as a table."""
    head = ["case", "leg", "group", "unit", "at", "counted", "seconds", "excluded"]
    return [head, *([_safe(row.get(c)) for c in head] for row in found.rows)]


def _safe(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") and value != "-":
        return "'" + value
    return "" if value is None else value


def as_csv(table: list[list[Any]]) -> bytes:
    """UTF-8 with a mark, so that spreadsheets read the Chinese."""
    out = io.StringIO()
    csv.writer(out).writerows(table)
    return out.getvalue().encode("utf-8-sig")


def as_xlsx(sheets: dict[str, list[list[Any]]]) -> bytes:
    """A workbook: a sheet a table, its head in bold and standing still; percentages are numbers."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    book = Workbook(write_only=True)
    for name, table in sheets.items():
        sheet = book.create_sheet(name)
        sheet.freeze_panes = "A2"
        for column in "ABCDEFGHIJ":
            sheet.column_dimensions[column].width = 18
        at = table[0].index("percent") if "percent" in table[0] else -1
        for n, row in enumerate(table):
            if n == 0:
                cells = [WriteOnlyCell(sheet, value=v) for v in row]
                for cell in cells:
                    cell.font = Font(bold=True)
                sheet.append(cells)
            else:
                sheet.append([float(v) if i == at and v else v for i, v in enumerate(row)])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
