"""The joint meeting: agenda, attendance, decisions, signatures, minutes; decisions as a sheet, out and in."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Any, Final

from marshmallow import validate
from werkzeug.wrappers import Response

from jiayuan.chassis.aside import aside
from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import http
from jiayuan.chassis.web import Call, download
from jiayuan.chassis.work import Work
from jiayuan.contracts.schemas.common import (
    SHORT,
    Demand,
    Pattern,
    a_code,
    a_date,
    a_list,
    a_number,
    a_text,
    a_word,
    an_id,
    fields,
    said,
)

from .. import meetings, neighbours, sheets_of_meetings
from ..lists.quarter import read
from ..meeting import minutes, rights, stage
from ..meeting.agenda import MOST_ITEMS, STALLED_DAYS
from ..meeting.decision import BECOMES, DECISION_LIMIT, MOST_ASSISTANTS
from ..sheeting import XLSX
from ..store import meetings as rows
from .common import acts_told, uuid_of
from .lists import MOST_SHEET, caller, forbidden

_QUARTER: Final = Pattern(r"2[0-9]{3}Q[1-4]")
_DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_DIGEST: Final = Pattern(r"sha256:[0-9a-f]{64}")


class MeetingsQuery(Demand):
    """Which meetings; all that the caller sees when nothing is said."""

    street = a_code()
    quarter = fields.String(validate=_QUARTER)
    state = a_word(stage.STATES, required=False)


class MeetingBody(Demand):
    """A meeting to begin, or whose agenda is to learn what has come since."""

    street = a_code(required=True)
    quarter = fields.String(required=True, validate=_QUARTER)
    number = said(a_number(1, 99), "Counts the street's meetings about the quarter; 1 when absent.")
    stalled_days = said(
        a_number(1, 3660), f"Entries without a posting for so long; {STALLED_DAYS} when absent."
    )


class MeetingChange(Demand):
    """What of a draft changes."""

    title = fields.String(validate=SHORT)
    organ = said(a_text(60), "Whose meeting it is, as the minutes say it.")
    place = a_text(100)
    chair = said(a_text(60), "Who led it.")
    begins_at = a_date()
    minutes = said(
        a_text(meetings.MINUTES_LIMIT), "The record, a paragraph a line; 一、 and （一） begin headings."
    )


class AgendaItemBody(Demand):
    """An item that is there, by `id`, or a new one."""

    id = an_id(required=False)
    title = a_text(200, least=1)
    detail = a_text(500)


class AgendaBody(Demand):
    """The whole agenda in its order; items that aren't named are left out."""

    items = fields.List(
        fields.Nested(AgendaItemBody), required=True, validate=validate.Length(max=MOST_ITEMS)
    )


class PersonBody(Demand):
    """A unit, a person, or a person of a unit."""

    part = a_word(tuple(minutes.ATTENDANCE))
    unit = a_code()
    name = a_text(60)
    office = a_text(60)


class AttendanceBody(Demand):
    """Everybody who attended, was excused or sat in."""

    people = fields.List(
        fields.Nested(PersonBody), required=True, validate=validate.Length(max=meetings.MOST_PEOPLE)
    )


class MeetingDecisionBody(Demand):
    """A decision: who does what by when, and what it becomes."""

    text = a_text(DECISION_LIMIT, required=True, least=1)
    becomes = a_word(BECOMES)
    unit = said(a_code(), "Who does it; needed of an entry and of a whistle, where it is the lead.")
    assistants = said(a_list(a_code(required=True), MOST_ASSISTANTS), "Of a whistle only.")
    person = a_text(60)
    due_at = said(a_date(), "By when; needed of an entry.")
    case = said(an_id(required=False), "whistle: the case, by its number or id.")
    entry = said(fields.UUID(allow_none=True), "posting: the entry.")
    category = said(a_code(), "Needed of an entry.")


class MeetingDecisionChange(MeetingDecisionBody):
    """What of a decision changes."""

    text = fields.String(validate=validate.Length(min=1, max=DECISION_LIMIT))
    becomes = fields.String(validate=validate.OneOf(BECOMES))


class SignatureBody(Demand):
    """Signs the version that was looked at."""

    part = a_word(stage.PARTS)
    digest = said(fields.String(required=True, validate=_DIGEST), "As the meeting told it.")


class AddendumBody(Demand):
    """What was wrong or missing."""

    text = a_text(500, required=True, least=1)


class Meetings:
    """The entrypoints."""

    delivery: Any

    @http("GET", "/meetings", roles=rights.READERS)
    def joint_meetings(self, call: Call) -> Any:
        """The meetings that the caller sees."""
        return found(self.delivery, call)

    @http("POST", "/meetings", roles=rights.KEEPERS)
    def draft_meeting(self, call: Call) -> Any:
        """Begins a meeting, or adds to its draft's agenda what has come since."""
        return draft(self.delivery, call)

    @http("GET", "/meetings/<string:meeting>", roles=rights.READERS)
    def joint_meeting(self, call: Call, meeting: str) -> Any:
        """A meeting: agenda, attendance, record, decisions and what became of them, who did what."""
        return one(self.delivery, call, meeting)

    @http("POST", "/meetings/<string:meeting>", roles=rights.KEEPERS)
    def change_meeting(self, call: Call, meeting: str) -> Any:
        """Changes a draft; signatures are taken back by it."""
        body = call.json_body(MeetingChange)
        return _changed(self.delivery, call, meeting, lambda w, id_, who: meetings.change(w, id_, body, who))

    @http("POST", "/meetings/<string:meeting>/agenda", roles=rights.KEEPERS)
    def arrange_agenda(self, call: Call, meeting: str) -> Any:
        """Puts the agenda in order, adds to it, leaves things out."""
        items = call.json_body(AgendaBody)["items"]
        return _changed(
            self.delivery, call, meeting, lambda w, id_, who: meetings.arrange(w, id_, items, who)
        )

    @http("POST", "/meetings/<string:meeting>/attendance", roles=rights.KEEPERS)
    def attend_meeting(self, call: Call, meeting: str) -> Any:
        """Who attended, was excused or sat in."""
        people = call.json_body(AttendanceBody)["people"]
        return _changed(
            self.delivery, call, meeting, lambda w, id_, who: meetings.attend(w, id_, people, who)
        )

    @http("POST", "/meetings/<string:meeting>/decisions", roles=rights.KEEPERS)
    def add_decision(self, call: Call, meeting: str) -> Any:
        """Adds a decision to a draft."""
        return decide(self.delivery, call, meeting)

    @http("POST", "/meetings/<string:meeting>/decisions/<int:number>", roles=rights.KEEPERS)
    def change_decision(self, call: Call, meeting: str, number: int) -> Any:
        """Changes a decision of a draft."""
        body = _plain(call.json_body(MeetingDecisionChange))
        return _changed(
            self.delivery,
            call,
            meeting,
            lambda w, id_, who: meetings.change_decision(w, id_, number, body, who),
        )

    @http("DELETE", "/meetings/<string:meeting>/decisions/<int:number>", roles=rights.KEEPERS)
    def drop_decision(self, call: Call, meeting: str, number: int) -> Any:
        """Takes a decision out of a draft; those after it move up."""
        return _changed(
            self.delivery, call, meeting, lambda w, id_, who: meetings.drop_decision(w, id_, number, who)
        )

    @http("POST", "/meetings/<string:meeting>/signatures", roles=rights.SIGNERS)
    def sign_meeting(self, call: Call, meeting: str) -> Any:
        """Signs as recorder or convener; with both the meeting is held and its decisions take effect."""
        return sign(self.delivery, call, meeting)

    @http("POST", "/meetings/<string:meeting>/publication", roles=rights.KEEPERS)
    def publish_meeting(self, call: Call, meeting: str) -> Any:
        """Publishes a meeting that was held."""
        with self.delivery.work() as work:
            there = _keeping(work, call, meeting)
            return meetings.head(meetings.publish(work, there.id, caller(call).subject))

    @http("POST", "/meetings/<string:meeting>/addenda", roles=rights.AMENDERS)
    def amend_meeting(self, call: Call, meeting: str) -> Any:
        """Adds what was wrong or missing to minutes that were signed."""
        return amend(self.delivery, call, meeting)

    @http("GET", "/meetings/<string:meeting>/minutes", roles=rights.READERS)
    def meeting_minutes(self, call: Call, meeting: str) -> Any:
        """The minutes as a Word document, in the layout of official documents (GB/T 9704)."""
        return minutes_of(self.delivery, call, meeting)

    @http("GET", "/meetings/<string:meeting>/workbook", roles=rights.READERS)
    def decisions_workbook(self, call: Call, meeting: str) -> Any:
        """The decisions as a workbook."""
        return workbook(self.delivery, call, meeting)

    @http("POST", "/meetings/<string:meeting>/workbook", roles=rights.KEEPERS, max_body=MOST_SHEET)
    def take_decisions_workbook(self, call: Call, meeting: str) -> Any:
        """Takes decisions from a workbook; the answer is the workbook with a column of results."""
        return take_workbook(self.delivery, call, meeting)


def _seen(work: Work, call: Call, id_: str) -> Any:
    """A meeting that the caller may see; Problem 404 for others too."""
    known = uuid_of(id_)
    there = rows.meeting_of(work, known) if known else None
    if there is None or not rights.sees(caller(call), there.state, there.street):
        raise Problem(404, "There is no such meeting")
    return there


def _keeping(work: Work, call: Call, id_: str) -> Any:
    """A meeting that is the caller's to prepare; Problem 404, 403."""
    there = _seen(work, call, id_)
    if not rights.keeps(caller(call), there.street):
        raise forbidden(f"the meeting of street {there.street} is not yours to prepare")
    return there


def _changed(delivery: Any, call: Call, id_: str, do: Any) -> dict[str, Any]:
    """Does it to a draft; the meeting after it."""
    with delivery.work() as work:
        there = _keeping(work, call, id_)
        do(work, there.id, caller(call).subject)
        return meetings.whole(work, rows.meeting_of(work, there.id))


def found(delivery: Any, call: Call) -> dict[str, Any]:
    """GET /meetings?street=&quarter=&state=."""
    given = {"street": None, "quarter": None, "state": None, **call.query(MeetingsQuery)}
    with delivery.work() as work:
        there = rows.find_meetings(work, **given)
    return {"meetings": [meetings.head(m) for m in there if rights.sees(caller(call), m.state, m.street)]}


def draft(delivery: Any, call: Call) -> tuple[int, dict[str, Any]]:
    """POST /meetings: 201 when it was begun, 200 when its draft was there."""
    body = call.json_body(MeetingBody)
    street = body["street"]
    if not rights.keeps(caller(call), street):
        raise forbidden(f"the meeting of street {street} is not yours to prepare")
    learned = learn(delivery.settings, street)
    with delivery.work() as work:
        there, new, begun = meetings.draft(
            work,
            street,
            read(body["quarter"]),
            body.get("number") or 1,
            caller(call).subject,
            learned,
            body.get("stalled_days") or STALLED_DAYS,
        )
        return 201 if begun else 200, {**meetings.whole(work, there), "new": new}


def learn(settings: Any, street: str) -> meetings.Learned:
    """What routing knows that a draft needs; what it doesn't tell is in the notes. Outside of any transaction."""
    at, notes = neighbours.addresses(settings), []
    cases: list[dict[str, Any]] = []
    units = None
    try:
        cases = neighbours.unclaimed(at, street)
    except neighbours.Away as why:
        notes.append(f"未取得无人应哨的工单：{why}")
    try:
        units = neighbours.units(at)
    except neighbours.Away as why:
        notes.append(f"未取得成员单位：{why}")
    return meetings.Learned(cases, units, notes)


def one(delivery: Any, call: Call, id_: str) -> dict[str, Any]:
    """GET /meetings/<id>."""
    with delivery.work() as work:
        there = _seen(work, call, id_)
        return {**meetings.whole(work, there), "acts": acts_told(rows.acts_of(work, there.id))}


def decide(delivery: Any, call: Call, id_: str) -> tuple[int, dict[str, Any]]:
    """POST /meetings/<id>/decisions: 201, or 200 when the same was there."""
    body = _plain(call.json_body(MeetingDecisionBody))
    with delivery.work() as work:
        there = _keeping(work, call, id_)
        number, new = meetings.decide(work, there.id, body, caller(call).subject)
        return 201 if new else 200, {
            "number": number,
            **meetings.whole(work, rows.meeting_of(work, there.id)),
        }


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    """The body with its entry's id in its usual form."""
    return {k: str(uuid.UUID(str(v))) if k == "entry" and v else v for k, v in body.items()}


def sign(delivery: Any, call: Call, id_: str) -> dict[str, Any]:
    """POST /meetings/<id>/signatures. 409 when it was changed since, or the same person has signed already."""
    body = call.json_body(SignatureBody)
    with delivery.work() as work:
        there = _seen(work, call, id_)
        who = caller(call)
        if not rights.signs(who, body["part"], there.street):
            raise forbidden(f"you can't sign as {body['part']} of street {there.street}")
        return meetings.whole(work, meetings.sign(work, there.id, body["part"], who.subject, body["digest"]))


def amend(delivery: Any, call: Call, id_: str) -> tuple[int, dict[str, Any]]:
    """POST /meetings/<id>/addenda: 201, or 200 when the same was there."""
    body = call.json_body(AddendumBody)
    with delivery.work() as work:
        there = _seen(work, call, id_)
        if not rights.amends(caller(call), there.street):
            raise forbidden(f"the meeting of street {there.street} is not yours to correct")
        number, new = meetings.amend(work, there.id, body["text"], caller(call).subject)
        return 201 if new else 200, {"number": number}


def minutes_of(delivery: Any, call: Call, id_: str) -> Response:
    """GET /meetings/<id>/minutes."""
    with delivery.work() as work:
        there = _seen(work, call, id_)
        document = meetings.whole(work, there)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "minutes.docx")
        aside(minutes.save, file, minutes.document(document), document["title"])
        return download(
            file.read_bytes(), f"minutes-{there.street}-{there.quarter}-{there.number}.docx", _DOCX
        )


def workbook(delivery: Any, call: Call, id_: str) -> Response:
    """GET /meetings/<id>/workbook."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "decisions.xlsx")
        with delivery.work() as work:
            there = _seen(work, call, id_)
            sheets_of_meetings.export(meetings.whole(work, there), file)
        return download(
            file.read_bytes(), f"decisions-{there.street}-{there.quarter}-{there.number}.xlsx", XLSX
        )


def take_workbook(delivery: Any, call: Call, id_: str) -> Response:
    """POST /meetings/<id>/workbook; the body is the file. Counts are in the headers `Rows-Added` and so on."""
    with delivery.work() as work:
        there = _keeping(work, call, id_)
    content = call.file_body()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "decisions.xlsx")
        file.write_bytes(content)
        counts = sheets_of_meetings.take(delivery.work, str(there.id), file, caller(call).subject)
        return download(file.read_bytes(), "decisions-result.xlsx", XLSX, counts._asdict())
