"""The account and its entries: what is sent and what is answered."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields

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
    text,
    told,
    whole,
    yes_no,
)
from jiayuan.contracts.schemas.common import ENTRY_SOURCES, ENTRY_STATES, POSTING_KINDS, Time

from ..api import acts

_FIGURES: Final[dict[str, fields.Field]] = {
    "opening": whole(),
    "entered": whole(),
    "written_off": whole(),
    "open": whole(),
    "unsatisfied": whole(),
    "reversed": whole(),
    "balances": yes_no(),
}
Figures = told(
    "Figures",
    "The figures of an account: opening + entered − written off + reversed = open; reversed is below nothing where "
    "something was entered in error.",
    **_FIGURES,
)
StreetLine = told("StreetLine", "A street's line.", street=text(), **_FIGURES)
Summary = told(
    "Summary", "The figures of a year, for everybody.", year=whole(), streets=many(StreetLine), **_FIGURES
)
Line = told(
    "Line",
    "A line of the account, of a street or a unit; no unit: the grid.",
    street=fields.String(),
    unit=fields.String(allow_none=True),
    **_FIGURES,
)
Account = told(
    "Account",
    "The account of a year, line by line.",
    year=whole(),
    by=one_of("street", "unit"),
    street=maybe(),
    lines=many(Line),
    total=part(Figures),
    balances=yes_no(),
)
_ENTRY: Final[dict[str, fields.Field]] = {
    "id": text(),
    "item": text(metadata={"description": "The matter; stays when it is carried forward."}),
    "year": whole(),
    "case": maybe(),
    "case_number": maybe(),
    "case_state": maybe(),
    "confirmed": maybe(),
    "street": text(),
    "unit": maybe(),
    "category": text(),
    "title": text(),
    "state": one_of(*ENTRY_STATES),
    "opened_at": at(),
    "written_off_at": maybe_at(),
    "unsatisfied": yes_no(),
    "uninspected": yes_no(),
    "source": one_of(*ENTRY_SOURCES),
    "source_id": fields.String(),
    "person": fields.String(),
    "promise": fields.String(),
    "limit_seconds": fields.Integer(),
    "due_at": Time(),
}
Moved = told("Moved", "What a posting moves.", opening=whole(), entered=whole(), written_off=whole())
Posting = told(
    "Posting",
    "A line under an entry.",
    id=text(),
    number=whole(),
    kind=one_of(*POSTING_KINDS),
    case_sequence=maybe_whole(),
    actor=maybe(),
    at=at(),
    posted_at=at(),
    note=text(),
    clock=maybe(),
    unit=maybe(),
    moved=part(Moved),
    amount=fields.Integer(metadata={"description": "Money in fen."}),
    evidence=fields.String(metadata={"description": "The digest of a file."}),
    corrects=fields.Integer(metadata={"description": "The number of the posting that it takes back."}),
    facts=fields.Dict(required=True),
    cause=text(),
)
Entry = told("Entry", "An entry; `postings` is how many lines it has.", postings=whole(), **_ENTRY)
Entries = told("Entries", "A page of entries.", entries=many(Entry), next=maybe())
_RETURNED: Final[dict[str, fields.Field]] = {
    "times": whole(),
    "first_year": whole(),
    "earlier": many(fields.String()),
}
Returned = told("Returned", "How often a matter was written off before, and since which year.", **_RETURNED)
ReturnedEntry = told(
    "ReturnedEntry",
    "An entry whose matter was written off before.",
    entry=text(),
    item=text(),
    title=text(),
    street=text(),
    category=text(),
    **_RETURNED,
)
Returning = told(
    "Returning", "Entries of a year whose matters return.", year=whole(), entries=many(ReturnedEntry)
)
WholeEntry = told(
    "WholeEntry",
    "An entry with its postings.",
    postings=many(Posting),
    returned=fields.Nested(Returned, required=True, allow_none=True),
    **_ENTRY,
)


def _act(body: type[Schema]) -> Operation:
    return Operation("entries", {200: WholeEntry}, body=body, refuses=(404, 409), keyed=True)


OPERATIONS: Final[Operations] = {
    ("GET", "/accounts/<int:year>/summary"): Operation("account", {200: Summary}),
    ("GET", "/accounts/<int:year>"): Operation("account", {200: Account}, refuses=(400,)),
    ("GET", "/accounts/<int:year>/returning"): Operation("account", {200: Returning}, refuses=(400,)),
    ("GET", "/entries"): Operation("entries", {200: Entries}, refuses=(400,)),
    ("GET", "/entries/<string:entry>"): Operation("entries", {200: WholeEntry}, refuses=(404,)),
    ("POST", "/entries"): Operation(
        "entries", {200: WholeEntry, 201: WholeEntry}, body=acts.OpeningBody, refuses=(409,)
    ),
    ("POST", "/entries/<string:entry>/postings"): _act(acts.PostingBody),
    ("POST", "/entries/<string:entry>/inspections"): _act(acts.InspectionBody),
    ("POST", "/entries/<string:entry>/answers"): _act(acts.AnswerBody),
    ("POST", "/entries/<string:entry>/write-off"): _act(acts.NoteBody),
    ("POST", "/entries/<string:entry>/postings/<int:number>/reversal"): _act(acts.ReasonBody),
}
