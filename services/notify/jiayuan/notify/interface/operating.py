"""For people who run it."""

from __future__ import annotations

from typing import Final

from jiayuan.chassis.operation import (
    Operation,
    Operations,
    at,
    many,
    maybe,
    maybe_at,
    one_of,
    text,
    told,
    whole,
    yes_no,
)
from jiayuan.contracts.schemas.common import NOTICE_STATES

from ..api.operating import KINDS, ClearBody, ReasonBody, StopBody
from ..providers.configuration import FIELDS

Configured = told(
    "Configured",
    "A provider that is configured; nothing leaves by a sink or in the test key mode.",
    provider=text(),
    kind=one_of(*FIELDS),
    channel=text(),
    state=one_of("open", "stopped"),
    sends=yes_no(),
)
Weight = told(
    "Weight",
    "Points of a provider, of 100 in its channel.",
    channel=text(),
    provider=text(),
    points=whole(),
    rest=whole(),
)
Lately = told(
    "Lately",
    "The last 15 minutes of a provider.",
    provider=text(),
    accepted=whole(),
    errors_last_minute=whole(),
)
Stop = told(
    "Stop",
    "Something that was stopped, by whom and why, and who started it again.",
    kind=one_of(*KINDS),
    name=text(),
    reason=text(),
    by=text(),
    at=at(),
    until=maybe_at(),
    ended_at=maybe_at(),
    ended_by=maybe(),
    ended_reason=maybe(),
)
Alarm = told(
    "Alarm",
    "What somebody has to see to.",
    kind=text(),
    subject=text(),
    reason=text(),
    raised_at=at(),
    last_at=at(),
    times=whole(),
    cleared_at=maybe_at(),
    cleared_by=maybe(),
)
Moved = told(
    "Moved",
    "A move of a provider's points.",
    provider=text(),
    channel=text(),
    before=whole(),
    after=whole(),
    reason=text(),
    at=at(),
)
Standing = told(
    "Standing",
    "How sending stands.",
    providers=many(Configured),
    weights=many(Weight),
    last_15_minutes=many(Lately),
    stops=many(Stop),
    alarms=many(Alarm),
    moves=many(Moved),
)
What = told("What", "What was stopped or started.", kind=one_of(*KINDS), name=text())
Cleared = told("Cleared", "How many alarms were cleared.", cleared=whole())
Again = told(
    "Again", "A notice that is sent again, and its state before.", id=text(), was=one_of(*NOTICE_STATES)
)
Day = told(
    "ReconciledDay",
    "Our calls of a day beside a provider's own list.",
    provider=text(),
    day=text(),
    ours=whole(),
    theirs=whole(),
    open=whole(),
    ended_at=maybe_at(),
    error=maybe(),
)
Unlisted = told(
    "UnlistedDay",
    "What is known of a day's requests to a provider that has no list of its own; unresolved: nobody knows.",
    provider=text(),
    kind=one_of(*FIELDS),
    day=text(),
    why=text(),
    delivered=whole(),
    accepted=whole(),
    undelivered=whole(),
    not_taken=whole(),
    unresolved=whole(),
)
Difference = told(
    "Difference",
    "missing: they don't list what they took; extra: they list what we never sent; state: the end is another.",
    id=whole(),
    provider=text(),
    day=text(),
    kind=one_of("missing", "extra", "state"),
    key=text(),
    notice_id=maybe(),
    ours=maybe(),
    theirs=maybe(),
    found_at=at(),
    settled_at=maybe_at(),
    settled_by=maybe(),
    reason=maybe(),
)
Reconciliation = told(
    "Reconciliation",
    "How lists agree.",
    days=many(Day),
    without_list=many(Unlisted),
    differences=many(Difference),
)
Settled = told("Settled", "How many differences were settled.", settled=whole())
_START = "/stops/<any(provider, channel, template):kind>/<string(maxlength=64):name>/start"

OPERATIONS: Final[Operations] = {
    ("GET", "/providers"): Operation("operating", {200: Standing}),
    ("POST", "/stops"): Operation("operating", {201: What}, body=StopBody, refuses=(409,)),
    ("POST", _START): Operation("operating", {200: What}, body=ReasonBody, refuses=(409,)),
    ("GET", "/reconciliation"): Operation("operating", {200: Reconciliation}),
    ("POST", "/reconciliation/<int:id>/settle"): Operation(
        "operating", {200: Settled}, body=ReasonBody, refuses=(404,)
    ),
    ("POST", "/alarms/clear"): Operation("operating", {200: Cleared}, body=ClearBody, refuses=(404,)),
    ("POST", "/notices/<string(maxlength=36):notice>/resend"): Operation(
        "operating", {200: Again}, body=ReasonBody, refuses=(404, 409)
    ),
}
