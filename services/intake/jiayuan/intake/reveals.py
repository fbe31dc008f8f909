"""Seeing what is masked: one person asks and says why, another allows it for a while, and every reading is kept.

The log is the state: steps of `reveal_log`, which intake's role can add to and never change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.tokens import Principal
from jiayuan.chassis.work import Work
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso

from . import attachments, people, text, vault
from .keys import Keys
from .store import people as stored

APPROVERS: Final = ("privacy_officer",)
AUDITORS: Final = ("auditor", "privacy_officer")
MINUTES: Final = 30
MOST_MINUTES: Final = 240
_WAITS: Final = timedelta(days=7)


def ask(work: Work, report: str, who: Principal, why: str) -> dict[str, Any]:
    """Asks to see a report as it arrived. The caller has checked that `who` may see the report at all."""
    reveal = new_id()
    _log(work, reveal, 1, "asked", report, who.subject, why=_said(why))
    return document(work, stored.reveal_steps(work, reveal))


def decide(
    work: Work, reveal: str, who: Principal, *, allow: bool, minutes: int = MINUTES, why: str = ""
) -> dict[str, Any]:
    """Allows or refuses a reveal. Problem 403 for who asked it, 409 when it is decided or has waited too long."""
    steps = _steps(work, reveal)
    asked = steps[0]
    if asked.who == who.subject:
        raise Problem(403, "Not allowed", "who asks can't allow it: this needs a second person")
    if len(steps) > 1:
        raise Problem(409, "Decided already", f"{steps[1].who} has {steps[1].action} it")
    if work.now - asked.at > _WAITS:
        raise Problem(
            409, "Too old", f"it was asked more than {_WAITS.days} days ago; it has to be asked again"
        )
    until = work.now + timedelta(minutes=minutes) if allow else None
    action = "approved" if allow else "refused"
    _log(work, reveal, 2, action, asked.report, who.subject, why=_said(why) or None, until=until)
    return document(work, stored.reveal_steps(work, reveal))


def read(work: Work, reveal: str, who: Principal, keys: Keys) -> dict[str, Any]:
    """The report as it arrived, for who asked, while it is allowed. The reading is in the log before it is answered."""
    steps = _steps(work, reveal)
    asked = steps[0]
    if asked.who != who.subject:
        raise Problem(403, "Not allowed", "only who asked may read it")
    if len(steps) < 2:
        raise Problem(409, "Not decided yet", "a second person has to allow it first")
    if steps[1].action != "approved":
        raise Problem(403, "Not allowed", f"{steps[1].who} has refused it")
    if work.now >= steps[1].until:
        raise Problem(403, "Not allowed any more", f"it was allowed until {iso(steps[1].until)}")
    (row,) = stored.report_for_opening(work, [asked.report])
    if row.erased_at is not None:
        raise Problem(410, "Erased", "the reporter had it erased; there is nothing to see")
    _log(work, reveal, len(steps) + 1, "read", asked.report, who.subject)
    opened = vault.open_report(work, row, keys)
    return {
        "reveal": reveal,
        "report": asked.report,
        "until": iso(steps[1].until),
        "original": dict(opened.original),
        "contact": {k: v for k, v in opened.contact.items() if v and k != "openid"},
        "secrets": dict(opened.secrets),
        "supplements": [dict(s) for s in opened.supplements],
    }


def listing(
    work: Work, who: Principal, *, report: str | None = None, waiting: bool = False
) -> list[dict[str, Any]]:
    """Reveals with all their steps, the newest first: all for auditors, for others those they had a part in."""
    mine = None if set(who.roles) & set(AUDITORS) else who.subject
    grouped: dict[str, list[Row[Any]]] = {}
    for row in stored.reveals(work, report=report, who=mine, waiting=waiting):
        grouped.setdefault(row.reveal, []).append(row)
    return [document(work, steps) for steps in grouped.values()]


def document(work: Work, steps: Sequence[Row[Any]]) -> dict[str, Any]:
    """A reveal as it is told: never anything of what it shows."""
    asked, decided = steps[0], steps[1] if len(steps) > 1 else None
    state = "waiting" if decided is None else decided.action
    if decided is None and work.now - asked.at > _WAITS:
        state = "lapsed"
    elif decided is not None and decided.until is not None and work.now >= decided.until:
        state = "over"
    return {
        "id": asked.reveal,
        "report": asked.report,
        "state": state,
        "why": asked.why,
        "until": iso(decided.until) if decided is not None and decided.until else None,
        "steps": [
            {"action": s.action, "who": s.who, "at": iso(s.at), **({"why": s.why} if s.why else {})}
            for s in steps
        ],
    }


def _steps(work: Work, reveal: str) -> list[Row[Any]]:
    """The steps of a reveal, to which nobody else adds until the end of the transaction."""
    if not attachments.is_id(reveal):
        raise _unknown()
    stored.hold_reveal(work, reveal)
    steps = stored.reveal_steps(work, reveal)
    if not steps:
        raise _unknown()
    return steps


def _unknown() -> Problem:
    return Problem(404, "No such reveal", "nobody has asked for it")


def _said(why: str) -> str:
    return people.mask(text.one_line(why))


def _log(
    work: Work,
    reveal: str,
    step: int,
    action: str,
    report: str,
    who: str,
    *,
    why: str | None = None,
    until: datetime | None = None,
) -> None:
    row = {
        "reveal": reveal,
        "step": step,
        "action": action,
        "report": report,
        "who": who,
        "at": iso(work.now),
        "why": why,
        "until": iso(until) if until else None,
    }
    if not stored.log_reveal(work, row):
        raise Problem(409, "Decided already", "somebody else was faster")
