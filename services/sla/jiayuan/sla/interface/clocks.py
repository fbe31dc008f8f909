"""Clocks, why they are due when they are, what goes red next, and the feed of a wallboard."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields, validate

from jiayuan.chassis.operation import (
    Operation,
    Operations,
    at,
    many,
    maybe,
    maybe_at,
    maybe_whole,
    one_of,
    part,
    real,
    text,
    told,
    whole,
    yes_no,
)
from jiayuan.contracts.schemas.common import (
    ASSIGNEE_TYPES,
    CLOCK_KINDS,
    CLOCK_STATES,
    LADDER_DEEDS,
    LADDER_ROLES,
)

from ..api import MOST
from ..feed import MINUTES, MOST_MINUTES

# U+0000 is in no name of ours, and the database takes none.
_NAME: Final = validate.And(validate.Length(min=1, max=128), validate.Regexp(r"^[^\x00]*\S[^\x00]*$"))
_LIGHTS: Final = ("green", "yellow", "red")


class OfCase(Schema):
    """The query of `GET /clocks`."""

    case = fields.String(
        required=True, validate=_NAME, metadata={"description": "The id of a case, or of a promise's matter."}
    )


class OfStreet(Schema):
    """The query of `GET /clocks/due`."""

    street = fields.String(
        validate=_NAME,
        metadata={"description": "The code of a street; a street's own staff may leave it out."},
    )
    limit = fields.Integer(
        validate=validate.Range(1, MOST), metadata={"description": "At most so many; 50 without it."}
    )


class OfBoard(Schema):
    """The query of `GET /feed`."""

    street = fields.String(
        validate=_NAME,
        metadata={"description": "The code of a street; a street's own staff may leave it out."},
    )
    minutes = fields.Integer(
        validate=validate.Range(1, MOST_MINUTES),
        metadata={"description": f"What goes red within so many; {MINUTES} without it."},
    )


Assignee = told("Assignee", "Whose clock it is.", type=one_of(*ASSIGNEE_TYPES), id=text())
_CLOCK: Final[dict[str, fields.Field]] = {
    "id": text(),
    "kind": one_of(*CLOCK_KINDS),
    "state": one_of(*CLOCK_STATES),
    "light": fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf(_LIGHTS),
        metadata={"description": "The timeliness light as of now, or of when it stopped; null: called off."},
    ),
    "percent": whole(),
    "case": text(),
    "case_sequence": whole(),
    "leg": maybe(metadata={"description": "The leg, or what was promised; null: the whole case."}),
    "assignee": part(Assignee, allow_none=True),
    "street": text(),
    "limit": fields.Integer(required=True, metadata={"description": "Seconds, with extensions."}),
    "started_at": at(),
    "due_at": at(),
    "paused": yes_no(),
    "warned_at": maybe_at(),
    "breached_at": maybe_at(),
    "met_at": maybe_at(),
    "stopped_at": maybe_at(),
    "policy": text(),
    "sequence": whole(),
    "calendar": fields.String(),
    "fixed": fields.Boolean(
        metadata={"description": "The deadline is a moment that somebody named: nothing else moves it."}
    ),
    "rule": fields.String(),
}
Clock = told("Clock", "A deadline.", **_CLOCK)
Clocks = told("Clocks", "All clocks of a case.", case=text(), at=at(), clocks=many(Clock))
Next = told(
    "NextClocks", "The clocks of a street that go red next.", street=text(), at=at(), clocks=many(Clock)
)
Piece = told(
    "Piece",
    "A span of time, and why it counts or doesn't.",
    start=at(),
    end=at(),
    counted=yes_no(),
    why=text(),
    seconds=real(),
)
Granted = told(
    "Granted",
    "An extension; one that came too late gives nothing.",
    at=at(),
    seconds=whole(),
    in_time=yes_no(),
)
Point = told(
    "Point",
    "A moment at which it speaks, or a step of its ladder.",
    point=text(),
    at=maybe_at(),
    said=yes_no(),
    step=fields.Integer(),
    whom=fields.String(validate=validate.OneOf(LADDER_ROLES)),
    do=fields.String(validate=validate.OneOf(LADDER_DEEDS)),
)
Span = told("Span", "A span in which it stood still.", start=at(), end=maybe_at())
Explained = told(
    "ExplainedClock",
    "A deadline, and why it is due when it is.",
    **_CLOCK,
    given=fields.Integer(
        required=True, metadata={"description": "The limit as the case says it, in seconds."}
    ),
    extensions=many(Granted),
    elapsed=real(),
    remaining=fields.Float(required=True, allow_none=True, metadata={"description": "Null: it doesn't run."}),
    timeline=many(Piece),
    ahead=many(Piece),
    warns=many(Point),
    time=one_of("natural", "working"),
    unknown=fields.String(metadata={"description": "Its version of the policy is not known any more."}),
    known_until=fields.Date(),
    beyond=fields.String(metadata={"description": "It is due after the last day whose holidays are known."}),
    closed=fields.List(fields.Nested(Span)),
)
ExplainedClocks = told(
    "ExplainedClocks", "All clocks of a case.", case=text(), at=at(), clocks=many(Explained)
)
OnBoard = told(
    "OnBoard",
    "A clock on a wallboard: of people nothing.",
    id=text(),
    case=text(),
    leg=maybe(),
    kind=one_of(*CLOCK_KINDS),
    unit=maybe(),
    started_at=at(),
    due_at=at(),
    limit=maybe_whole(),
    light=one_of("green", "yellow"),
)

_STREAM: Final = {"text/event-stream": {"schema": {"type": "string"}}}

OPERATIONS: Final[Operations] = {
    ("GET", "/clocks"): Operation("clocks", {200: Clocks}, query=OfCase, refuses=(404,)),
    ("GET", "/clocks/explained"): Operation("clocks", {200: ExplainedClocks}, query=OfCase, refuses=(404,)),
    ("GET", "/clocks/due"): Operation("clocks", {200: Next}, query=OfStreet),
    ("GET", "/feed"): Operation(
        "clocks",
        {200: _STREAM},
        query=OfBoard,
        described="Server-sent events `board`, each the whole board (docs/sla/feed.md). 503: too many listen here.",
        headers={
            "Last-Event-ID": {
                "required": False,
                "description": "The board that you have; it isn't sent again.",
                "schema": {"type": "string"},
            }
        },
    ),
}
