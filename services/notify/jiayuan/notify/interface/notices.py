"""What became of notices."""

from __future__ import annotations

from typing import Final

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
)
from jiayuan.contracts.schemas.common import NOTICE_ROLES, NOTICE_STATES

from ..api.notices import WhichQuery

Attempt = told(
    "Attempt",
    "One call to a provider, or one receipt of it.",
    number=whole(),
    kind=one_of("send", "query", "receipt"),
    provider=text(),
    outcome=text(),
    error=maybe(),
    started_at=at(),
    ended_at=at(),
)
Resent = told(
    "Resent",
    "That somebody had it sent again.",
    at=at(),
    by=text(),
    reason=text(),
    state=one_of(*NOTICE_STATES),
)
Notice = told(
    "Notice",
    "One message to one person about one thing; recipients are pseudonyms, masked.",
    id=text(),
    role=one_of(*NOTICE_ROLES),
    recipient_type=one_of("citizen", "person", "unit", "desk"),
    recipient=text(),
    matter=text(),
    case=maybe(),
    report=maybe(),
    step=text(),
    rule=text(),
    template=text(),
    template_version=whole(),
    state=one_of(*NOTICE_STATES),
    reason=maybe(),
    provider=maybe(),
    channel=text(),
    read_at=maybe_at(),
    gathered_in=maybe(metadata={"description": "The digest that stands for it."}),
    at=at(),
    state_at=at(),
    attempts=many(Attempt),
    resends=many(Resent),
)
Notices = told("Notices", "Notices, oldest first; of more than 500 the newest.", notices=many(Notice))

Read = told("Read", "When it was read.", id=text(), read_at=at())
_TOKEN = "/r/<string(maxlength=22):token>"

OPERATIONS: Final[Operations] = {
    ("POST", "/notices/<string(maxlength=36):notice>/read"): Operation(
        "notices", {200: Read}, refuses=(404,)
    ),
    ("GET", _TOKEN): Operation("reading", {200: binary("text/html")}, refuses=(404,)),
    ("POST", _TOKEN): Operation(
        "reading",
        {200: {**binary("text/html"), "application/json": {"schema": {"type": "object"}}}, 303: None},
        refuses=(404,),
    ),
    ("GET", "/notices"): Operation("notices", {200: Notices}, query=WhichQuery, refuses=(400,)),
}
