"""Rates by HTTP: JSON, CSV or a workbook. The county sees all, a street's desk its street, a unit its own."""

from __future__ import annotations

from typing import Any, Final

from werkzeug.wrappers import Response

from jiayuan.chassis.aside import aside
from jiayuan.chassis.errors import Problem
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso

from . import reporting
from .rates import BY_NAME
from .reporting import FORMATS, MOST_CASES, Query, QueryError

READERS: Final = ("county", "operator", "desk", "unit_clerk")
_WIDE: Final = frozenset(("county", "operator"))
_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_QUERY: Final = ("by", "since", "until", "street", "unit", "format")


def rates(delivery: Any, call: Any) -> Any:
    """`GET /rates?by=street&since=2026-03-01&until=2026-04-01&format=json`."""
    form = _checked(call, _QUERY)
    with delivery.work() as work:
        document = reporting.document(work, _query(work, call))
    if form == "json":
        return document
    sheets = {"rates": reporting.lines(document), "figures": reporting.explained()}
    return _file(form, sheets, f"rates-{document['by']}")


def cases(delivery: Any, call: Any) -> Any:
    """`GET /rates/cases?figure=on_time_closing&by=street&group=350921001&limit=1000`."""
    form = _checked(call, (*_QUERY, "figure", "group", "limit"))
    figure = BY_NAME.get(call.args.get("figure", ""))
    if figure is None:
        raise _unusable("figure", call.args.get("figure", ""), f"one of {', '.join(BY_NAME)}")
    limit = call.args.get("limit", "1000")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 7 and 1 <= int(limit) <= MOST_CASES):
        raise _unusable("limit", limit, f"whole number, 1 to {MOST_CASES}")
    with delivery.work() as work:
        asked = _query(work, call)
        listed = reporting.cases(work, asked, figure, call.args.get("group"), int(limit))
    if form == "json":
        return {
            "figure": figure._asdict(),
            "since": iso(asked.period.since),
            "until": iso(asked.period.until),
            "cases": listed.rows,
            "more": listed.more,
        }
    return _file(form, {figure.name: reporting.case_lines(listed)}, f"cases-{figure.name}")


def _checked(call: Any, names: tuple[str, ...]) -> str:
    for name in call.args:
        if name not in names:
            raise _unusable(name, "unknown", f"one of {', '.join(names)}")
    form = str(call.args.get("format", "json"))
    if form not in FORMATS:
        raise _unusable("format", form, f"one of {', '.join(FORMATS)}")
    return form


def _query(work: Any, call: Any) -> Query:
    """What is asked, narrowed to what the caller may see: Problem 403 for another's."""
    args, who = call.args, call.who
    street, unit = args.get("street") or None, args.get("unit", "")
    if not _WIDE & set(who.roles):
        if "desk" in who.roles:
            if not who.street:
                raise Problem(403, "Not allowed", "the token names no street")
            if street and street != who.street:
                raise Problem(403, "Not allowed", "a street's desk sees the rates of its own street")
            street = who.street
        else:
            if not who.unit:
                raise Problem(403, "Not allowed", "the token names no unit")
            if unit and unit != who.unit:
                raise Problem(403, "Not allowed", "a unit sees its own rates")
            unit = who.unit
    try:
        return reporting.query(work, args.get("by"), args.get("since"), args.get("until"), street, unit)
    except QueryError as error:
        raise Problem(422, "The query is not usable", problems=error.problems) from None


def _file(form: str, sheets: dict[str, Any], name: str) -> Response:
    first = next(iter(sheets.values()))
    data = reporting.as_csv(first) if form == "csv" else aside(reporting.as_xlsx, sheets)
    disposition = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    return Response(data, headers=disposition, content_type=_TYPES[form])


def _unusable(name: str, value: str, allowed: str) -> Problem:
    return Problem(
        422, "The query is not usable", problems=[FieldProblem(name, f"is {value!r:.60}", allowed)]
    )
