"""Reports: what is asked and what is answered."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields

from jiayuan.chassis.operation import (
    JSON,
    Operation,
    Operations,
    at,
    binary,
    many,
    maybe,
    one_of,
    part,
    text,
    told,
    whole,
)

from ..api import reports as api
from ..reports import BY, FIGURES, RATES
from ..sheeting import CSV, XLSX


def _percent() -> fields.Float:
    return fields.Float(required=True, allow_none=True)


_COUNTS: Final[dict[str, fields.Field]] = {f.name: whole() for f in FIGURES}
_RATES: Final[dict[str, fields.Field]] = {f.name: _percent() for f in RATES}
ReportFigures = told(
    "ReportFigures", "Figures of a period, and percentages (null: nothing to divide by).", **_COUNTS, **_RATES
)
ReportLine = told(
    "ReportLine",
    "A street's, unit's or category's figures; no key: the total, or where no unit is in charge.",
    key=maybe(),
    last_year=part(ReportFigures),
    **_COUNTS,
    **_RATES,
)
FigureSaid = told("ReportFigure", "How a figure is counted.", name=text(), heading=text(), formula=text())
Report = told(
    "Report",
    "A quarter or a year in figures, with the same period of the year before beside it.",
    period=text(),
    last_year=text(),
    until=at(),
    by=one_of(*BY),
    street=maybe(),
    lines=many(ReportLine),
    total=part(ReportLine),
    figures=many(FigureSaid),
    excluded=many(fields.String()),
)


def or_file(schema: type[Schema]) -> dict[str, object]:
    """A document, or the same as a file."""
    return {
        JSON: {"schema": {"$ref": f"#/components/schemas/{schema.__name__}"}},
        **binary(CSV.partition(";")[0], XLSX),
    }


OPERATIONS: Final[Operations] = {
    ("GET", "/public/reports/<string:period>"): Operation(
        "reports", {200: or_file(Report)}, query=api.ReportQuery, refuses=(404,)
    ),
    ("GET", "/reports/<string:period>/matters"): Operation(
        "reports", {200: binary(CSV.partition(";")[0])}, query=api.MattersQuery, refuses=(404,)
    ),
}
SCHEMAS: Final = (Report,)
"""Those that stand beside files of the same answer."""
