"""What reporters are promised, where that isn't what the case says: intake, which tells them, knows no calendar.

Nothing is said of a clock in natural time by the case's own limit: that is most of them, and with the bundled policy
all.
"""

from __future__ import annotations

from jiayuan.chassis.work import Work
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import iso

from .clock import Clock
from .policy import NONE_OF_THEM, Rules

KIND = "citizen"
PROMISED = "clock.promised"


def differs(clock: Clock, rules: Rules) -> bool:
    """Whether its deadline isn't the case's limit in natural time, moved by as long as the case stands still."""
    if clock.calendar or clock.given_seconds is not None or clock.rule not in ("", NONE_OF_THEM):
        return True
    terms = rules.stored(*clock.stored)
    return terms is not None and not terms.pauses


def promise(work: Work, old: Clock | None, new: Clock, rules: Rules, cause: Event | None = None) -> None:
    """Says what a citizen's clock promises from now on, if that is news."""
    now_differs, differed = differs(new, rules), old is not None and differs(old, rules)
    same = old is not None and (old.due_at, old.paused) == (new.due_at, new.paused)
    if now_differs == differed and (same or not now_differs):
        return
    work.emit(
        PROMISED,
        {
            "clock": new.id,
            "case": new.case_id,
            "street": new.street,
            "differs": now_differs,
            "due_at": None if new.paused else iso(new.due_at),
            "policy": new.policy,
            "at": iso(work.now),
        },
        subject=new.case_id,
        sequence=new.sequence,
        street=new.street,
        cause=cause,
    )
