"""How quick sending was and what it cost, as documents and sheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso

from . import spending, store
from .settings import NotifySettings
from .spending import LEVELS, Period
from .store.tables import COUNTS
from .templates import ZONE

LONGEST: Final = timedelta(days=92)
"""What one question may be about; whoever wants a year asks for its quarters."""
HOUR: Final = timedelta(hours=1)
_OF: Final = {
    "accepted_10s": "notices",
    "delivered_1m": "delivered",
    "delivered_5m": "delivered",
    "delivered_60m": "delivered",
}
"""What a figure is a part of."""


def document(work: Work, since: datetime, until: datetime, by: Sequence[str]) -> dict[str, Any]:
    """Sums over notices made from the full hour of `since` to that of `until` (not included), by some of `store`'s BY.

    `{since, until, by, rows: [{…by, …counts, cost, accepted_10s_percent, …}], total}`. What was suppressed is no part
    of the percentages. Problem 400 for words that it isn't by, or a span that is none or too long.
    """
    wrong = [
        FieldProblem("by", f"is {word[:40]!r}", ", ".join(store.statistics.BY))
        for word in by
        if word not in store.statistics.BY
    ]
    since, until = _full(since), _full(until)
    if not since < until <= since + LONGEST:
        allowed = f"later than since by an hour at least and {LONGEST.days} days at most"
        wrong.append(FieldProblem("until", f"is {iso(until)}", allowed))
    if wrong:
        raise Problem(400, "Which statistics?", problems=wrong)
    rows = [_row(row, by) for row in store.statistics.read(work, since, until, by)]
    total = [_row(row, ()) for row in store.statistics.read(work, since, until, ())]
    return {
        "since": iso(since),
        "until": iso(until),
        "by": list(by),
        "rows": rows,
        "total": total[0] if total else None,
    }


def _full(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _row(row: Any, by: Sequence[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name in by:
        value = getattr(row, name)
        out[name] = iso(value) if isinstance(value, datetime) else value
    for name in COUNTS:
        out[name] = int(getattr(row, name))
    out["cost"] = float(row.cost)
    for name, whole in _OF.items():
        of = out["notices"] - out["suppressed"] if whole == "notices" else out[whole]
        out[f"{name}_percent"] = round(100 * out[name] / of, 2) if of else None
    return out


def table(found: dict[str, Any]) -> list[list[Any]]:
    """A document as a sheet: a head, a line a row, the total last."""
    by = found["by"]
    names = [*COUNTS, "cost", *(f"{name}_percent" for name in _OF)]
    lines = [[*by, *names]]
    lines += [[*(row[n] for n in by), *(row[n] for n in names)] for row in found["rows"]]
    if by and (total := found["total"]):
        lines.append(["total", *("" for _ in by[1:]), *(total[n] for n in names)])
    return lines


def as_csv(lines: Sequence[Sequence[Any]]) -> bytes:
    """UTF-8 with a mark, so that spreadsheets read it."""
    out = io.StringIO()
    csv.writer(out).writerows(lines)
    return out.getvalue().encode("utf-8-sig")


def as_xlsx(lines: Sequence[Sequence[Any]]) -> bytes:
    """A workbook of one sheet whose head stands still."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("statistics")
    sheet.freeze_panes = "A2"
    for line in lines:
        sheet.append(list(line))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


# -- budgets -------------------------------------------------------------------------------------------


def budgets(work: Work, settings: NotifySettings, now: datetime) -> dict[str, Any]:
    """What was spent today and this month, by provider, and of which budgets.

    `{day: {name, spent, budget, percent, providers: {name: {messages, segments, cost}}}, month: …}`, yuan; budget and
    percent are null where there is none.
    """
    return {period: _period(work, settings, period, spending.day_of(now)) for period in ("day", "month")}


def _period(work: Work, settings: NotifySettings, period: Period, day: date) -> dict[str, Any]:
    found = store.spending.spent(work, spending.first_of(period, day), day)
    spent = sum((cost for _, _, cost in found.values()), Decimal(0))
    budget = Decimal(str(settings.budget_day if period == "day" else settings.budget_month))
    return {
        "name": spending.name_of(period, day),
        "spent": float(spent),
        "budget": float(budget) if budget else None,
        "percent": float(round(100 * spent / budget, 2)) if budget else None,
        "reached": list(spending.reached(spent, budget)),
        "providers": {
            name: {"messages": messages, "segments": segments, "cost": float(cost)}
            for name, (messages, segments, cost) in found.items()
        },
    }


def subject(name: str, level: int) -> str:
    """What the alarm of a budget is about."""
    return f"{name} at {level} %"


def watch(work: Work, settings: NotifySettings, now: datetime) -> tuple[dict[str, Any], list[str]]:
    """Tell of budgets, each level once a period; the budgets, and the sentences that were told just now."""
    found = budgets(work, settings, now)
    said = []
    for one in found.values():
        for level in one["reached"]:
            words = (
                f"{one['spent']:.2f} of {one['budget']:.2f} yuan are spent in {one['name']}: over {level} %"
            )
            if store.spending.tell(work, subject(one["name"], level), words, now):
                said.append(words)
    store.spending.over(work, [subject(o["name"], level) for o in found.values() for level in LEVELS], now)
    return found, said


def today(now: datetime) -> datetime:
    """The midnight before, in the county's zone."""
    return now.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
