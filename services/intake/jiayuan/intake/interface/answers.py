"""Answers that several channels give."""

from __future__ import annotations

from marshmallow import fields

from jiayuan.chassis.operation import (
    again,
    at,
    many,
    maybe,
    maybe_at,
    maybe_whole,
    maybe_yes_no,
    one_of,
    part,
    problem,
    real,
    text,
    told,
    whole,
    yes_no,
)
from jiayuan.contracts.schemas.common import CHANNELS, KINDS

Problem = problem(**again())

Sign = told("DangerSign", "A sign of danger in the words.", code=text(), call=text())
Place = told(
    "ReportPlace",
    "Where a report is: codes as far as they are known, and on what evidence.",
    street=maybe(),
    community=maybe(),
    grid=maybe(),
    name=text(),
    evidence=text(),
    confidence=real(),
)
Guess = told("ReportCategory", "What a report is about.", code=text(), name=text(), confidence=real())
Receipt = told(
    "Receipt",
    "A report that was taken. `advice` is there in danger: whom to call at once.",
    id=text(),
    tracking_code=text(metadata={"description": "All that the reporter needs to ask again."}),
    received_at=at(),
    kind=one_of(*KINDS),
    title=text(),
    category=part(Guess),
    place=part(Place),
    advice=fields.String(),
    signs=fields.List(fields.Nested(Sign)),
)

Unit = told("HandlingUnit", "A unit that handles a case.", code=text(), name=text())
Handlers = told("Handlers", "Who handles a case.", level=text(), words=text(), units=many(Unit))
Step = told("Step", "A step of a case.", at=text(), step=text(), words=text(), note=fields.String())
Progress = told(
    "Progress",
    "How far a report is.",
    status=text(),
    words=text(),
    case=maybe(),
    handled_by=part(Handlers, allow_none=True),
    expected_at=maybe_at(),
    updated_at=maybe_at(),
    history=many(Step),
)
Said = told("Said", "What the reporter added.", text=text(), at=at())
Rated = told(
    "Rated",
    "What the reporter said of the result.",
    solved=maybe_yes_no(),
    satisfaction=maybe_whole(),
    words=maybe(),
    at=at(),
)
MediaFile = told(
    "MediaFile",
    "A photo or voice note. `url` holds for ten minutes.",
    digest=text(),
    kind=one_of("photo", "voice"),
    type=text(),
    size=whole(),
    width=maybe_whole(),
    height=maybe_whole(),
    seconds=fields.Float(required=True, allow_none=True),
    taken_at=maybe_at(),
    url=fields.String(),
    placed=fields.Boolean(),
)
Report = told(
    "Report",
    "A report as its reporter and staff may read it: never the contact, never the original.",
    id=text(),
    state=one_of("received", "withdrawn"),
    kind=one_of(*KINDS),
    channel=one_of(*CHANNELS),
    title=text(),
    text=text(),
    category=part(Guess),
    livelihood=yes_no(),
    importance=whole(),
    urgency=whole(),
    place=part(Place),
    signs=many(Sign),
    occurred_at=maybe_at(),
    received_at=at(),
    withdrawn_at=maybe_at(),
    progress=part(Progress),
    media=many(MediaFile),
    supplements=many(Said),
    ratings=many(Rated),
    tracking_code=fields.String(metadata={"description": "Only for the reporter."}),
)
