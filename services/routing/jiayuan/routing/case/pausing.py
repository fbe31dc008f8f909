"""挂账: clocks stand still for a while, dated, approved, and the case stays visible. People may go on working: a pause
stops clocks. It ends at its date, when somebody resumes the case, or with the resolution."""

from __future__ import annotations

from datetime import datetime

from jiayuan.contracts.times import iso, parse

from .machine import MOST_SPANS, UNRESOLVED, paused, require
from .model import Case, Change, Moves, NotAllowed
from .steps import ended_spans, next_step


def pause(
    case: Case,
    reason: str,
    approver: str,
    at: datetime,
    *,
    until: datetime | None = None,
    leg: str | None = None,
    emergency: str | None = None,
    actor: str | None = None,
) -> Moves:
    """Clocks stop now, `until` a time or until it is resumed. `emergency`: the mode that pauses it; a case is paused
    once by each mode, also when it is paused already (spans may overlap). `actor`: the approver, if not said."""
    if case.state not in UNRESOLVED:
        raise NotAllowed("pause", f"the case is {case.state}")
    if any(_same(span, emergency, at) for span in case.pauses):
        return ()
    if len(case.pauses) >= MOST_SPANS:
        raise NotAllowed("pause", f"a case has at most {MOST_SPANS} pauses")
    when = iso(at)
    span: dict[str, str] = {"start": when}
    if until is not None:
        span["end"] = iso(until)
    span |= {"reason": reason, "approver": approver}
    if leg is not None:
        span["leg"] = leg
    if emergency is not None:
        span["emergency"] = emergency
    change = Change("case.paused", "pause", actor or approver, when, leg, reason)
    return (next_step(case, change, pauses=(*case.pauses, span)),)


def _same(span: object, emergency: str | None, at: datetime) -> bool:
    assert isinstance(span, dict)
    end = span.get("end")
    return (end is None or parse(end) > at) and span.get("emergency") == emergency


def resume(
    case: Case, actor: str, at: datetime, reason: str | None = None, *, emergency: str | None = None
) -> Moves:
    """Clocks go on: all pauses that last end now, or only those of an emergency mode. Nothing when there is none."""
    require("resume", case)
    spans = ended_spans(case.pauses, at, emergency)
    if spans == case.pauses:
        return ()
    change = Change("case.resumed", "resume", actor, iso(at), None, reason)
    return (next_step(case, change, pauses=spans),)


def ran_out(case: Case, actor: str, at: datetime) -> Moves:
    """A dated pause is over: told once, by whoever noticed. The clocks knew."""
    if case.state not in UNRESOLVED or paused(case, at):
        return ()
    change = Change("case.resumed", "resume", actor, iso(at), None, "挂账到期，恢复办理")
    return (next_step(case, change),)
