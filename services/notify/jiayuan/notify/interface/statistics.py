"""How quick sending was and what it cost."""

from __future__ import annotations

from typing import Final

from marshmallow import fields

from jiayuan.chassis.operation import (
    JSON,
    Operation,
    Operations,
    at,
    binary,
    many,
    part,
    real,
    text,
    told,
    whole,
)

from ..api.statistics import TYPES, StatisticsQuery
from ..store.statistics import BY
from ..store.tables import COUNTS

_QUICK: Final = ("accepted_10s", "delivered_1m", "delivered_5m", "delivered_60m")


def _percent() -> fields.Float:
    return fields.Float(required=True, allow_none=True)


_SUMS: Final[dict[str, fields.Field]] = {
    **{name: whole() for name in COUNTS},
    "cost": real(),
    **{f"{name}_percent": _percent() for name in _QUICK},
}
Row = told("StatisticsRow", "Sums of a group.", **{name: fields.String() for name in BY}, **_SUMS)
Found = told(
    "Statistics",
    "Sums over notices by the full hours in which they were made. Accepted within 10 seconds: from their making, or "
    "from when nothing held them any more. Delivered within: from the call. Percentages are of what was not "
    "suppressed, and of what was delivered.",
    since=at(),
    until=at(),
    by=fields.List(fields.String(), required=True),
    rows=many(Row),
    total=part(Row, allow_none=True),
)
Period = told(
    "SpendingPeriod",
    "What was spent in a day or a month, in yuan.",
    name=text(),
    spent=real(),
    budget=_percent(),
    percent=_percent(),
    reached=fields.List(fields.Integer(), required=True),
    providers=fields.Dict(required=True),
)
Budget = told("Budget", "What was spent today and this month.", day=part(Period), month=part(Period))

_FILES: Final = binary("text/csv", TYPES["xlsx"])
SCHEMAS: Final = (Found,)
"""It stands beside files of the same answer."""

OPERATIONS: Final[Operations] = {
    ("GET", "/statistics"): Operation(
        "statistics",
        {200: {JSON: {"schema": {"$ref": "#/components/schemas/Statistics"}}, **_FILES}},
        query=StatisticsQuery,
        refuses=(400,),
    ),
    ("GET", "/budget"): Operation("statistics", {200: Budget}),
}
