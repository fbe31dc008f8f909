"""What staff does with entries: opened, posted, inspected, answered, written off, reversed. Each act is once a key."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from marshmallow import validates_schema
from marshmallow.exceptions import ValidationError

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.service import http
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.web import Call
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.schemas.common import (
    Demand,
    a_code,
    a_date,
    a_list,
    a_number,
    a_text,
    a_word,
    a_yes_no,
    an_id,
)
from jiayuan.contracts.times import iso

from .. import entries, posting
from ..entries import Doing
from ..entry import Entry
from ..posting import Act, NotPossible, Opening
from .common import uuid_of
from .entries import whole

OPENS: Final = ("desk", "county")
POSTS: Final = ("grid_leader", "grid_chief", "unit_clerk", "desk", "county")
MANAGES: Final = ("desk", "county")
INSPECTS: Final = ("inspector", "convener", "county")
REVERSES: Final = ("county",)

KINDS: Final = ("progress", "hand_over", "extension", "money", "evidence")
# Who is in charge, until when, and what was spent is not for everybody who may say how it goes.
MANAGED: Final = frozenset(("hand_over", "extension", "money"))
_KEY: Final = re.compile(r"[!-~]{1,200}")
_NEEDS: Final = {
    "hand_over": ("unit", "person"),
    "extension": ("due_at",),
    "money": ("amount",),
    "evidence": ("evidence",),
}


class OpeningBody(Demand):
    """An entry of a decision or a demand. `since`: when the matter began, absent: now."""

    source = a_word(posting.OPENED)
    source_id = an_id()
    street = a_code(required=True)
    category = a_code(required=True)
    title = a_text(200, required=True, least=1)
    promise = a_text(500, required=True, least=1)
    unit = an_id(required=False)
    person = an_id(required=False)
    due_at = a_date()
    since = a_date()
    reports = a_list(an_id(), 1000)


class PostingBody(Demand):
    """A posting. hand_over: `unit`, `person` or both; extension: `due_at`; money: `amount` in fen; evidence: the digest
    of the file, sha256: or sm3: and 64 hexadecimal digits."""

    kind = a_word(KINDS)
    note = a_text(500, required=True, least=1)
    unit = an_id(required=False)
    person = an_id(required=False)
    due_at = a_date()
    amount = a_number(1)
    evidence = a_text(80)

    @validates_schema
    def _of_its_kind(self, data: dict[str, Any], **_: Any) -> None:
        wanted = _NEEDS.get(data["kind"], ())
        if wanted and all(data.get(name) is None for name in wanted):
            raise ValidationError(f"a posting of the kind {data['kind']} needs it", wanted[0])
        for names in _NEEDS.values():
            for name in names:
                if name not in wanted and data.get(name) is not None:
                    raise ValidationError(f"a posting of the kind {data['kind']} has none", name)


class InspectionBody(Demand):
    """What somebody found who had no hand in it."""

    passed = a_yes_no()
    note = a_text(500, required=True, least=1)


class AnswerBody(Demand):
    """What the citizen says; `asked` gives `days` to answer (7 unless said), `lapsed` says that they are over."""

    answer = a_word(posting.ANSWERS)
    note = a_text(500)
    days = a_number(1, 60)


class NoteBody(Demand):
    """A note."""

    note = a_text(500)


class ReasonBody(Demand):
    """Why."""

    reason = a_text(500, required=True, least=1)


class Acts:
    """The entrypoints."""

    delivery: Any

    @http("POST", "/entries", roles=OPENS)
    def open_entry(self, call: Call) -> Any:
        """入账: opens the entry of a decision or a demand; 200 when it is open already."""
        return open_entry(self.delivery, call)

    @http("POST", "/entries/<string:entry>/postings", roles=POSTS)
    def post(self, call: Call, entry: str) -> Any:
        """记账: progress, hand-over, extension, money, evidence."""
        return post(self.delivery, call, entry)

    @http("POST", "/entries/<string:entry>/inspections", roles=INSPECTS)
    def inspect_entry(self, call: Call, entry: str) -> Any:
        """核查: by somebody who had no hand in it."""
        body = call.json_body(InspectionBody)
        return on_entry(
            self.delivery,
            call,
            entry,
            lambda act: lambda e, h: posting.inspect(e, h, body["passed"], body["note"], act),
        )

    @http("POST", "/entries/<string:entry>/answers", roles=MANAGES)
    def answer_entry(self, call: Call, entry: str) -> Any:
        """答复: the citizen was asked, has answered, or has let the time go by."""
        body = call.json_body(AnswerBody)
        days = body.get("days") or posting.ANSWER_DAYS
        return on_entry(
            self.delivery,
            call,
            entry,
            lambda act: (
                lambda e, h: posting.answer(e, h, body["answer"], body.get("note") or "", act, days=days)
            ),
        )

    @http("POST", "/entries/<string:entry>/write-off", roles=MANAGES)
    def write_off(self, call: Call, entry: str) -> Any:
        """销账: with evidence, an inspection and the citizen's answer or its lapse."""
        body = call.json_body(NoteBody)
        return on_entry(
            self.delivery,
            call,
            entry,
            lambda act: lambda e, h: posting.write_off(e, h, body.get("note") or "", act),
        )

    @http("POST", "/entries/<string:entry>/postings/<int:number>/reversal", roles=REVERSES)
    def reverse(self, call: Call, entry: str, number: int) -> Any:
        """冲正: a posting was wrong; it stays, and another takes back what it moved."""
        body = call.json_body(ReasonBody)
        return on_entry(
            self.delivery,
            call,
            entry,
            lambda act: lambda e, h: posting.reverse(e, h, number, body["reason"], act),
        )


def open_entry(delivery: Any, call: Call) -> Any:
    """POST /entries. 201 with the entry, 200 when the decision or demand has one."""
    who, body = call.need(*OPENS), call.json_body(OpeningBody)
    if "county" not in who.roles and body["street"] != who.street:
        raise Problem(403, "Not allowed", "a street's desk opens entries of its own street")
    what = Opening(
        body["source"],
        body["source_id"],
        body["street"],
        body["category"],
        body["title"],
        body["promise"],
        body.get("unit"),
        body.get("person"),
        body.get("due_at"),
        body.get("since"),
        tuple(body.get("reports") or ()),
    )
    with delivery.work() as work:
        try:
            entry, new = entries.open_entry(
                work, what, act_of(call, who, work.now), traceparent=call.traceparent
            )
        except NotPossible as error:
            raise refusal(error) from None
        return (201 if new else 200), whole(work, entry)


def post(delivery: Any, call: Call, id_: str) -> Any:
    """POST /entries/<id>/postings."""
    who, body = call.need(*POSTS), call.json_body(PostingBody)
    kind, note = body["kind"], body["note"]
    if kind in MANAGED and not set(MANAGES) & set(who.roles):
        raise Problem(
            403, "Not allowed", f"a posting of the kind {kind} needs one of the roles {', '.join(MANAGES)}"
        )
    makes: dict[str, Callable[[Entry, Act], Any]] = {
        "progress": lambda e, act: posting.progress(e, note, act),
        "hand_over": lambda e, act: posting.hand_over(e, body.get("unit"), body.get("person"), note, act),
        "extension": lambda e, act: posting.extend(e, body["due_at"], note, act),
        "money": lambda e, act: posting.money(e, body["amount"], note, act),
        "evidence": lambda e, act: posting.evidence(e, body["evidence"], note, act),
    }
    return on_entry(delivery, call, id_, lambda act: lambda e, _history: makes[kind](e, act))


def on_entry(delivery: Any, call: Call, id_: str, doing: Callable[[Act], Doing]) -> Any:
    """Does it, and answers with the whole entry. 404 when there is none, 409 when the entry doesn't allow it."""
    who, known = call.need(), uuid_of(id_)
    with delivery.work() as work:
        act = act_of(call, who, work.now)
        try:
            entry = (
                entries.act_on(
                    work,
                    known,
                    act,
                    doing(act),
                    may=lambda e: may(who, e),
                    traceparent=call.traceparent,
                )
                if known
                else None
            )
        except NotPossible as error:
            raise refusal(error) from None
        if entry is None:
            raise Problem(404, "There is no such entry")
        return 200, whole(work, entry)


def may(who: Principal, entry: Entry) -> None:
    """The county acts on every entry, a unit's clerk on those it is in charge of, everybody else in their street; an
    inspector or convener of no street in all of them. Problem 403."""
    if "county" in who.roles:
        return
    if "unit_clerk" in who.roles and who.unit and who.unit == entry.unit:
        return
    of_streets = set(who.roles) & {"grid_leader", "grid_chief", "desk", "inspector", "convener"}
    if of_streets and who.street == entry.street:
        return
    if of_streets & {"inspector", "convener"} and not who.street:
        return
    raise Problem(403, "Not allowed", "the entry is not of your street or unit")


def act_of(call: Call, who: Principal, now: Any) -> Act:
    """Who, when, and the key: the `Idempotency-Key` of the caller, or one that is never again. Problem 400."""
    key = str(call.headers.get("Idempotency-Key", "")).strip()
    if key and not _KEY.fullmatch(key):
        problem = FieldProblem("Idempotency-Key", "is too long or not printable", "1 to 200 characters")
        raise Problem(400, "Malformed Idempotency-Key", problems=[problem])
    return Act(who.subject, iso(now), f"key:{who.subject}:{key}" if key else f"act:{new_id()}")


def refusal(error: NotPossible) -> Problem:
    """422 for an act that is malformed, 409 for one that the entry doesn't allow."""
    if error.broken:
        return Problem(422, "The body breaks the schema", problems=error.problems)
    return Problem(409, "Not possible as the entry is", str(error), problems=error.problems)
