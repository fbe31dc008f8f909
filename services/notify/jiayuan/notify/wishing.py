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

How = Literal["page", "code", "person", "staff", "command", "reply", "vendor"]
"""By which way a change came: the page of a link, the tracking code, the person signed in, staff at somebody's wish,
the command line, an answer by SMS, or a provider that refuses to send because the person has unsubscribed there."""

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
        "vendor": sorted(wishes.vendor),
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
    """Keep somebody's wishes, with how they came; Problem 404 for somebody unknown. The same again changes nothing.

    What a provider has said of a channel stays known as its word as long as the channel isn't wanted.
    """
    found = store.wishes(work, type_, ref, to_change=True)
    if found is None or found["erased"]:
        raise unknown()
    said = {**Wishes.of(found["preferences"]).vendor, **wishes.vendor}
    wishes = replace(wishes, vendor={c: a for c, a in said.items() if c in wishes.unwanted})
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


def unsubscribed(
    work: Work, type_: str, ref: str, channel: str, address: str, *, provider: str, code: str
) -> None:
    """A provider won't send to somebody's address (its keyed digest) because he has unsubscribed there: the channel
    isn't tried any more until he or somebody for him takes it back. What he said himself stays his word."""
    found = store.wishes(work, type_, ref, to_change=True)
    if found is None or found["erased"]:
        return
    now = Wishes.of(found["preferences"])
    if channel in now.own or now.vendor.get(channel) == address:
        return
    wishes = replace(now, unwanted=now.unwanted | {channel}, vendor={**now.vendor, channel: address})
    change(work, type_, ref, wishes, "vendor", by=provider, reason=code)


def resubscribe(
    work: Work, type_: str, ref: str, channel: str, how: How, *, by: str = "", reason: str = ""
) -> dict[str, Any]:
    """Use a channel again, whoever refused it; the other wishes stay. Problem 404 for somebody unknown, 409 where the
    channel isn't refused."""
    found = store.wishes(work, type_, ref, to_change=True)
    if found is None or found["erased"]:
        raise unknown()
    now = Wishes.of(found["preferences"])
    if channel not in now.unwanted:
        raise Problem(409, "Not refused", f"{channel} is used for this person already")
    wishes = replace(now, unwanted=now.unwanted - {channel}, vendor={})
    return change(work, type_, ref, wishes, how, by=by, reason=reason)


def refusals(work: Work, ref: str) -> list[dict[str, Any]]:
    """What somebody by that ref refuses and who said so: `{type, what, source, by, code, at}`, `what` being a subject,
    `all` or a channel, `source` the way it came (`vendor`: a provider, by its `code`)."""
    out = []
    for type_ in store.types_of(work, ref):
        found = store.wishes(work, type_, ref)
        now = Wishes.of(found["preferences"] if found else None)
        rows = store.wishes_changes(work, type_, ref)
        for key, whats in (("refused", now.refused), ("unwanted", now.unwanted)):
            for what in sorted(whats):
                began = _began(rows, key, what)
                vendor = began.get("how") == "vendor"
                out.append(
                    {
                        "type": type_,
                        "what": what,
                        "source": began.get("how"),
                        "by": began.get("by") or None,
                        "code": began.get("reason") if vendor else None,
                        "at": iso(began["at"]) if began else None,
                    }
                )
    return out


def _began(rows: list[dict[str, Any]], key: str, what: str) -> dict[str, Any]:
    """The change, of some that are the newest first, since which something is refused."""
    began: dict[str, Any] = {}
    for row in rows:
        if what not in ((row["after"] or {}).get(key) or ()):
            break
        began = row
    return began


def history(work: Work, type_: str, ref: str) -> list[dict[str, Any]]:
    """How somebody's wishes changed, the newest first; digests of addresses are left out."""
    rows = store.wishes_changes(work, type_, ref)
    return [
        {**row, "at": iso(row["at"]), "before": _plain(row["before"]), "after": _plain(row["after"])}
        for row in rows
    ]


def _plain(stored: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not stored or "vendor" not in stored:
        return dict(stored) if stored else None
    return {**stored, "vendor": sorted(stored["vendor"])}


def street_of(work: Work, type_: str, ref: str) -> str | None:
    """The street of a recipient, None when he isn't known."""
    found = store.wishes(work, type_, ref)
    return None if found is None else str(found["street"])


def unknown() -> Problem:
    """The refusal for somebody who isn't known here, or not any more."""
    return Problem(404, "Nobody is known by that", "no notice has gone to such a person, unit or desk")
