"""Joint meetings: what is sent and what is answered."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields

from jiayuan.chassis.operation import (
    Operation,
    Operations,
    at,
    binary,
    many,
    maybe,
    maybe_at,
    one_of,
    text,
    told,
    whole,
    yes_no,
)

from ..api import meetings
from ..meeting.agenda import KINDS
from ..meeting.decision import BECOMES, OUTCOMES
from ..meeting.minutes import ATTENDANCE
from ..meeting.stage import PARTS, STATES

_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

_HEAD: Final[dict[str, fields.Field]] = {
    "id": text(),
    "street": text(),
    "quarter": text(),
    "number": whole(),
    "state": one_of(*STATES),
    "title": text(),
    "organ": text(),
    "place": text(),
    "chair": text(),
    "begins_at": maybe_at(),
    "drafted_at": at(),
    "drafted_by": text(),
    "held_at": maybe_at(),
    "published_at": maybe_at(),
    "published_by": maybe(),
}
Head = told("Meeting", "A joint meeting, without what was said at it.", **_HEAD)
_ITEM = told(
    "AgendaItem",
    "An item of the agenda, and what it is about.",
    id=text(),
    kind=one_of(*KINDS),
    key=text(),
    title=text(),
    detail=text(),
    unit=maybe(),
    case=maybe(),
    entry=maybe(),
    left_out=yes_no(),
)
_PERSON = told(
    "Attendance",
    "Who was there, or was not.",
    part=one_of(*ATTENDANCE),
    unit=maybe(),
    name=maybe(),
    office=maybe(),
)
_DECISION = told(
    "Decision",
    "A decision, and what became of it; `outcome` of a whistle is what routing answered.",
    id=text(),
    number=whole(),
    text=text(),
    becomes=one_of(*BECOMES),
    unit=maybe(),
    assistants=many(fields.String()),
    person=maybe(),
    due_at=maybe_at(),
    case=maybe(),
    entry=maybe(),
    category=maybe(),
    outcome=fields.String(required=True, allow_none=True, metadata={"enum": [*OUTCOMES, None]}),
    reason=maybe(),
    answered_at=maybe_at(),
)
_BODY: Final[dict[str, Any]] = {
    "agenda": many(_ITEM),
    "attendance": many(_PERSON),
    "minutes": text(),
    "notes": many(fields.String(metadata={"description": "What the draft could not learn, and why."})),
    "units": many(fields.Dict()),
    "signatures": many(told("Signature", "Who signed.", part=one_of(*PARTS), who=text(), at=at())),
    "digest": text(metadata={"description": "What is signed."}),
    "decisions": many(_DECISION),
    "addenda": many(
        told("Addendum", "What was wrong or missing.", number=whole(), text=text(), by=text(), at=at())
    ),
}
Whole = told("WholeMeeting", "A joint meeting.", **_HEAD, **_BODY)
_ACT = told(
    "MeetingAct", "Who did what to a meeting.", action=text(), actor=text(), at=at(), facts=fields.Dict()
)
Drafted = told("DraftedMeeting", "A draft, and how many items are new.", new=whole(), **_HEAD, **_BODY)
Decided = told("DecidedMeeting", "The meeting after a decision.", **{**_HEAD, **_BODY, "number": whole()})
Numbered = told("AddendumNumber", "The addendum's number.", number=whole())

_M: Final = "/meetings/<string:meeting>"
OPERATIONS: Final[Operations] = {
    ("GET", "/meetings"): Operation(
        "meetings",
        {200: told("Meetings", "The newest quarter first, at most 500.", meetings=many(Head))},
        query=meetings.MeetingsQuery,
    ),
    ("POST", "/meetings"): Operation(
        "meetings",
        {201: Drafted, 200: Drafted},
        body=meetings.MeetingBody,
        refuses=(409,),
        described="The agenda comes from the quarter's service list, the account and routing. 200: it was there.",
    ),
    ("GET", _M): Operation(
        "meetings",
        {
            200: told(
                "MeetingWithActs", "A joint meeting, and who did what.", acts=many(_ACT), **_HEAD, **_BODY
            )
        },
        refuses=(404,),
    ),
    ("POST", _M): Operation("meetings", {200: Whole}, body=meetings.MeetingChange, refuses=(404, 409)),
    ("POST", f"{_M}/agenda"): Operation(
        "meetings", {200: Whole}, body=meetings.AgendaBody, refuses=(404, 409)
    ),
    ("POST", f"{_M}/attendance"): Operation(
        "meetings", {200: Whole}, body=meetings.AttendanceBody, refuses=(404, 409)
    ),
    ("POST", f"{_M}/decisions"): Operation(
        "meetings", {201: Decided, 200: Decided}, body=meetings.MeetingDecisionBody, refuses=(404, 409)
    ),
    ("POST", f"{_M}/decisions/<int:number>"): Operation(
        "meetings", {200: Whole}, body=meetings.MeetingDecisionChange, refuses=(404, 409)
    ),
    ("DELETE", f"{_M}/decisions/<int:number>"): Operation("meetings", {200: Whole}, refuses=(404, 409)),
    ("POST", f"{_M}/signatures"): Operation(
        "meetings",
        {200: Whole},
        body=meetings.SignatureBody,
        refuses=(404, 409),
        described="Two persons sign the same version. With the second signature decisions become entries, postings "
        "and whistles, and nothing of the meeting changes any more.",
    ),
    ("POST", f"{_M}/publication"): Operation("meetings", {200: Head}, refuses=(404, 409)),
    ("POST", f"{_M}/addenda"): Operation(
        "meetings", {201: Numbered, 200: Numbered}, body=meetings.AddendumBody, refuses=(404, 409)
    ),
    ("GET", f"{_M}/minutes"): Operation("meetings", {200: binary(_DOCX)}, refuses=(404,)),
    ("GET", f"{_M}/workbook"): Operation("meetings", {200: binary(_XLSX)}, refuses=(404,)),
    ("POST", f"{_M}/workbook"): Operation(
        "meetings",
        {200: binary(_XLSX)},
        body=binary(_XLSX),
        refuses=(404, 409),
        described="The answer is the workbook with a column that says what became of each row; how many of each are "
        "in `Rows-Added`, `Rows-Changed`, `Rows-Unchanged`, `Rows-Refused`.",
    ),
}
