"""`/joins`, `/hotspots`, `/reports/likely` and `/sheets`."""

from __future__ import annotations

from typing import Final

from marshmallow import fields, validate

from jiayuan.chassis.operation import (
    Operation,
    Operations,
    at,
    binary,
    many,
    maybe,
    one_of,
    part,
    real,
    text,
    told,
    whole,
)
from jiayuan.contracts.schemas.common import Demand

from .. import schemas
from ..channels import sheets
from . import answers
from .reports import NamedCategory, NamedPlace

_CSV: Final = "text/csv"
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class SheetQuery(Demand):
    """The query of `POST /sheets`."""

    channel = fields.String(validate=validate.OneOf(["", *sheets.CHANNELS]))
    place = fields.String(metadata={"description": "Where all of it is, if the sheet doesn't say."})
    sheet = fields.String(
        metadata={"description": "The name of the sheet in the workbook; the first when absent."}
    )
    name = fields.String(metadata={"description": "What the file is called."})


class Draft(schemas.NewReport):
    """The body of `POST /reports/likely`: what is about to be sent."""


Likely = told(
    "LikelyRepetition",
    "A matter that a draft may be a repetition of. Nothing of it leads to a person.",
    category=part(NamedCategory),
    place=part(NamedPlace),
    score=real(),
)
Side = told(
    "JoinedReport",
    "One of two reports, masked.",
    report=text(),
    title=text(),
    text=text(),
    category=text(),
    place=text(),
    signs=many(answers.Sign),
    received_at=at(),
    state=text(),
)
Join = told(
    "Join", "Two reports about one matter, or a question whether they are.", report=text(), state=text()
)
_STATES: Final = ("asked", "joined", "declined", "separated")
Joined = told(
    "Joined", "The report is part of that matter.", report=text(), state=one_of("joined"), matter=text()
)
Decided = told("JoinDecided", "What is the state now.", report=text(), state=one_of(*_STATES))

Hotspot = told(
    "Hotspot",
    "What many people say about one thing at one place.",
    words=fields.List(fields.String(), required=True),
    people=whole(),
    messages=many(
        told(
            "HotspotReport",
            "One report of it.",
            id=text(),
            at=at(),
            title=text(),
            category=text(),
            community=text(metadata={"description": "Its code; empty where it isn't known."}),
        )
    ),
    first=at(),
    last=at(),
    peak=at(),
    growth=real(),
    rank=real(),
)

OPERATIONS: Final[Operations] = {
    ("POST", "/reports/likely"): Operation(
        "reports",
        {200: told("Likely", "The likest first.", likely=many(Likely), advice=fields.String())},
        body=Draft,
    ),
    ("GET", "/joins"): Operation(
        "joins",
        {200: told("Joins", "The oldest first.", joins=many(Join), next=maybe())},
        query=schemas.JoinsPage,
        refuses=(404,),
    ),
    ("POST", "/joins"): Operation(
        "joins", {201: Joined, 200: Joined}, body=schemas.NewJoin, refuses=(404, 409)
    ),
    ("POST", "/joins/<string:report>/decision"): Operation(
        "joins", {200: Decided}, body=schemas.JoinDecision, refuses=(404, 409)
    ),
    ("POST", "/joins/<string:report>/undo"): Operation(
        "joins", {200: Decided}, body=schemas.JoinUndoing, refuses=(404, 409)
    ),
    ("GET", "/hotspots"): Operation(
        "joins",
        {
            200: told(
                "Hotspots",
                "As they were found last; the first in rank first.",
                since=at(),
                until=at(),
                made_at=at(),
                reports=whole(),
                hotspots=many(Hotspot),
            )
        },
        query=schemas.HotspotsOf,
        refuses=(404,),
    ),
    ("POST", "/sheets"): Operation(
        "sheets",
        {200: binary(_CSV, _XLSX)},
        body=binary(_CSV, _XLSX),
        query=SheetQuery,
        described="The sheet itself, or one in a multipart form. The answer is the sheet with a column more.",
    ),
}
