"""Rates, and the cases behind a figure."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields, validate

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
    yes_no,
)

from ..rates import BY, BY_NAME
from ..reporting import FORMATS, MOST_CASES

_DAY: Final = {"description": "A day such as 2026-03-01 in the policy's zone, or a time with an offset."}


class Asked(Schema):
    """The query of `GET /rates`."""

    by = fields.String(
        validate=validate.OneOf(BY), metadata={"description": "Grouped so; by street without it."}
    )
    since = fields.String(metadata=_DAY)
    until = fields.String(metadata={"description": _DAY["description"] + " It is not in the period itself."})
    street = fields.String(metadata={"description": "Of this street alone."})
    unit = fields.String(metadata={"description": "Of this unit alone."})
    format = fields.String(validate=validate.OneOf(FORMATS))


class AskedCases(Asked):
    """The query of `GET /rates/cases`."""

    figure = fields.String(required=True, validate=validate.OneOf(tuple(BY_NAME)))
    group = fields.String(metadata={"description": "Of this group alone."})
    limit = fields.Integer(validate=validate.Range(1, MOST_CASES))


Sum = told(
    "Sum",
    "A figure of a group: `hits` of `over`, or a count with mean and median.",
    hits=fields.Integer(),
    over=fields.Integer(),
    percent=fields.String(metadata={"description": "Two decimals; absent below a denominator of 10."}),
    count=fields.Integer(),
    mean=fields.Integer(),
    median=fields.Integer(),
    excluded=fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={"description": "How often it was left out, by why."},
    ),
)
_SUMS: Final = {"description": "By the figure's name."}
Group = told(
    "Group",
    "A group's figures.",
    group=text(),
    figures=fields.Dict(keys=fields.String(), values=fields.Nested(Sum), required=True, metadata=_SUMS),
)
FigureSaid = told(
    "Figure",
    "How a figure is computed.",
    name=text(),
    chinese=text(),
    form=one_of("rate", "count", "time"),
    moment=text(),
    formula=text(),
    excluded=text(),
)
Rates = told(
    "Rates",
    "Figures by group.",
    by=one_of(*BY),
    since=at(),
    until=at(),
    zone=text(),
    small=whole(),
    groups=many(Group),
    total=fields.Dict(keys=fields.String(), values=fields.Nested(Sum), required=True, metadata=_SUMS),
    figures=many(FigureSaid),
    street=fields.String(),
    unit=fields.String(),
    unmeasured=fields.Integer(
        metadata={"description": "Cases that are in no figure, since nothing came of them yet."}
    ),
)
Behind = told(
    "CaseBehind",
    "A case's part in a figure.",
    case=text(),
    leg=maybe(),
    group=text(),
    unit=text(),
    at=at(),
    counted=yes_no(),
    seconds=fields.Integer(),
    excluded=fields.String(metadata={"description": "Why it was left out."}),
)
CasesBehind = told(
    "CasesBehind",
    "The cases behind a figure, in the order of their moments.",
    figure=part(FigureSaid),
    since=at(),
    until=at(),
    cases=many(Behind),
    more=yes_no(),
)


def _or_file(schema: type[Schema]) -> dict[str, object]:
    files = binary("text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
    return {JSON: {"schema": {"$ref": f"#/components/schemas/{schema.__name__}"}}, **files}


OPERATIONS: Final[Operations] = {
    ("GET", "/rates"): Operation("rates", {200: _or_file(Rates)}, query=Asked),
    ("GET", "/rates/cases"): Operation("rates", {200: _or_file(CasesBehind)}, query=AskedCases),
}
SCHEMAS: Final = (Rates, CasesBehind)
"""Those that stand beside files of the same answer."""
