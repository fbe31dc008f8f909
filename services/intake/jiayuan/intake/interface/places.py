"""`/places`, `/desk/places` and the place of a report."""

from __future__ import annotations

from typing import Final

from marshmallow import fields, validate

from jiayuan.chassis.operation import (
    Operation,
    Operations,
    at,
    many,
    maybe,
    maybe_at,
    part,
    real,
    text,
    told,
    whole,
    yes_no,
)
from jiayuan.contracts.schemas.common import Demand, a_number

from ..channels import places
from ..coordinates import SYSTEMS
from . import answers


class Search(Demand):
    """The query of `GET /places/search`."""

    q = fields.String(required=True, validate=validate.Length(min=1, max=50))
    limit = a_number(1, 50)


class Near(Demand):
    """The query of `GET /places/near`."""

    lat = fields.Float(required=True, validate=validate.Range(min=-90, max=90))
    long = fields.Float(required=True, validate=validate.Range(min=-180, max=180))
    crs = fields.String(validate=validate.OneOf(["", *SYSTEMS]))
    service = fields.String(validate=validate.Length(max=50))
    at = fields.String(metadata={"description": "A time, RFC 3339; now when absent."})
    closed = fields.String(validate=validate.OneOf(["", "true", "false"]))
    limit = a_number(1, 50)


class Questions(Demand):
    """The query of `GET /desk/places`."""

    limit = a_number(1, 200)


Found = told(
    "FoundPlace",
    "A place of the list; its code is what a report names.",
    code=text(),
    name=text(),
    full_name=text(),
    kind=text(),
    street=maybe(),
    community=maybe(),
)
NearPoint = told(
    "NearPoint",
    "A service point, WGS-84, with the way on foot.",
    code=text(),
    name=text(),
    kind=text(),
    kind_name=text(),
    address=text(),
    lat=real(),
    long=real(),
    services=many(text()),
    hours=fields.Dict(required=True),
    capacity=whole(),
    metres=whole(),
    minutes=whole(),
    in_circle=yes_no(),
    open=yes_no(),
    opens_at=maybe_at(),
    closes_at=maybe_at(),
)
Candidate = told("PlaceCandidate", "A place that it may be.", code=text(), name=text())
Located = told(
    "Located",
    "Where intake would put it, and what else fits.",
    street=maybe(),
    community=maybe(),
    grid=maybe(),
    name=text(),
    evidence=text(),
    confidence=real(),
    point=maybe(),
    candidates=many(Candidate),
)
Settled = told(
    "PlaceSettled",
    "The report is in that place from now on.",
    report=text(),
    place=part(answers.Place, allow_none=True),
    at=fields.String(),
    reason=fields.String(allow_none=True),
)
Question = told(
    "PlaceQuestion",
    "A report whose place a desk has to decide.",
    report=text(),
    channel=text(),
    title=text(),
    text=text(),
    received_at=at(),
    since=at(),
    street=maybe(),
    why=text(),
    candidates=many(Candidate),
    decide=text(),
)

OPERATIONS: Final[Operations] = {
    ("GET", "/places/search"): Operation(
        "places", {200: told("FoundPlaces", "What begins with it first.", places=many(Found))}, query=Search
    ),
    ("GET", "/places/near"): Operation(
        "places",
        {
            200: told(
                "NearPoints", "The nearest first.", at=at(), circle_minutes=whole(), points=many(NearPoint)
            )
        },
        query=Near,
    ),
    ("POST", "/places/locate"): Operation("places", {200: Located}, body=places.Preview),
    ("POST", "/reports/<string:report>/place"): Operation(
        "places",
        {201: Settled, 200: Settled},
        body=places.Chosen,
        refuses=(404, 409),
        keyed=True,
        proof="code",
    ),
    ("GET", "/desk/places"): Operation(
        "places",
        {200: told("PlaceQuestions", "The oldest first.", questions=many(Question))},
        query=Questions,
    ),
    ("POST", "/desk/places/<string:report>"): Operation(
        "places", {201: Settled}, body=places.Decided, refuses=(404, 409)
    ),
}
