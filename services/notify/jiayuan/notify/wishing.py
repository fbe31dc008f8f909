"""What a person wishes, shown and changed: by himself, or by staff on his behalf.

Nothing here is personal but the pseudonym; what a notice says of a person isn't looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import time
from typing import Any, Final, Literal

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso

from . import preferences, store
from .preferences import ALL, CHANNELS, Policy, Wishes
from .quiet import Span

How = Literal["page", "code", "person", "staff", "command", "reply"]
"""By which way a change came: the page of a link, the tracking code, the person signed in, staff at somebody's wish,
the command line, or an answer by SMS."""

ROLES: Final = {"citizen": ("citizen",)}
_STAFF: Final = ("assignee", "supervisor")


def roles_of(type_: str) -> tuple[str, ...]:
    """The roles in which notices go to a type of recipient."""
    return ROLES.get(type_, _STAFF)


def checked(policy: Policy, type_: str, asked: Mapping[str, Any]) -> Wishes:
    """The wishes of a body `{"refused", "unwanted", "quiet"}`; Problem 422 names each field that can't be."""
    may, wrong = policy.refusable(*roles_of(type_)), []
    refused = frozenset(asked.get("refused") or ())
    if bad := refused - {*may, ALL}:
        wrong.append(
            FieldProblem("refused", f"{', '.join(sorted(bad))} can't be refused", ", ".join([*may, ALL]))
        )
    unwanted = frozenset(asked.get("unwanted") or ())
    if unwanted >= set(CHANNELS):
        wrong.append(FieldProblem("unwanted", "leaves no way to reach the person", "all but one, or refuse"))
    span = None
    if own := asked.get("quiet"):
        span = Span(time.fromisoformat(own["from"]), time.fromisoformat(own["until"]))
        if span.start == span.end:
            wrong.append(FieldProblem("quiet", "begins and ends at the same time", "two times of day"))
    if wrong:
        raise Problem(422, "These wishes can't be kept", problems=wrong)
    return Wishes(refused, unwanted, span)


def show(work: Work, type_: str, ref: str) -> dict[str, Any]:
    """What somebody wishes and what he may; Problem 404 for somebody unknown."""
    found = store.wishes(work, type_, ref)
    if found is None:
        raise unknown()
    return document(preferences.bundled(), type_, Wishes.of(found["preferences"]))


def document(policy: Policy, type_: str, wishes: Wishes) -> dict[str, Any]:
    """Wishes as people read them: each subject, whether it may be refused and whether it is."""
    may = policy.refusable(*roles_of(type_))
    return {
        "type": type_,
        "policy": policy.version,
        "refused": sorted(wishes.refused),
        "unwanted": sorted(wishes.unwanted),
        "quiet": (wishes.stored() or {}).get("quiet"),
        "subjects": [
            {
                "subject": name,
                "name": subject.name,
                "refusable": name in may,
                "refused": name in may and bool(wishes.refused & {name, ALL}),
            }
            for name, subject in policy.subjects.items()
            if name in may or _told_of(name, type_)
        ],
    }


def _told_of(subject: str, type_: str) -> bool:
    citizens = ("safety", "receipt", "progress", "result")
    return subject in citizens if type_ == "citizen" else subject not in citizens


def change(
    work: Work, type_: str, ref: str, wishes: Wishes, how: How, *, by: str = "", reason: str = ""
) -> dict[str, Any]:
    """Keep somebody's wishes, with how they came; Problem 404 for somebody unknown. The same again changes nothing."""
    found = store.wishes(work, type_, ref, to_change=True)
    if found is None or found["erased"]:
        raise unknown()
    after = wishes.stored()
    if after != (found["preferences"] or None):
        store.put_wishes(
            work,
            {
                "id": new_id(),
                "recipient_type": type_,
                "recipient": ref,
                "at": work.now,
                "how": how,
                "by": by,
                "reason": reason,
                "before": found["preferences"],
                "after": after,
            },
        )
    return document(preferences.bundled(), type_, wishes)


def refuse_all(
    work: Work, type_: str, ref: str, how: How, *, by: str = "", reason: str = ""
) -> dict[str, Any]:
    """Refuse whatever may be refused, and leave the other wishes as they are."""
    found = store.wishes(work, type_, ref)
    now = Wishes.of(found["preferences"]) if found else Wishes()
    return change(work, type_, ref, replace(now, refused=frozenset({ALL})), how, by=by, reason=reason)


def history(work: Work, type_: str, ref: str) -> list[dict[str, Any]]:
    """How somebody's wishes changed, the newest first."""
    return [{**row, "at": iso(row["at"])} for row in store.wishes_changes(work, type_, ref)]


def street_of(work: Work, type_: str, ref: str) -> str | None:
    """The street of a recipient, None when he isn't known."""
    found = store.wishes(work, type_, ref)
    return None if found is None else str(found["street"])


def unknown() -> Problem:
    """The refusal for somebody who isn't known here, or not any more."""
    return Problem(404, "Nobody is known by that", "no notice has gone to such a person, unit or desk")
