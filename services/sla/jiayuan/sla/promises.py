"""Promises outside of cases: the items of a service list that units are to claim, notices that are to be read.

Each is a clock like others, on a matter of its own instead of a case: the ticker, policies and recomputation don't
tell them apart. Their limits are the policy's (`limits: {claim: 10d}`); without one there is no clock.

`keep` is the way in for every kind. Wired today is the claim (認領): a service list was published, and until all its
lines are claimed the street waits. Lines and claims may arrive in any order; each counts by its own time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from jiayuan.chassis.work import Work
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso, parse

from . import books, store
from .clock import Clock, History, Key, Step, arm, drop, follow, promised
from .saying import say

CLAIM: Final = "claim"


class Promise(NamedTuple):
    """Something promised: of a matter, about what (its id), by whom (type, id), from when, and when it was kept.

    `version` is the matter's: of two the higher one is the truth.
    """

    kind: str
    matter: str
    about: str
    street: str
    assignee: tuple[str, str] | None
    started_at: datetime
    done_at: datetime | None
    version: int


def keep(work: Work, promises: Sequence[Promise], cause: Event | None = None) -> None:
    """Arms, stops and corrects the clocks of promises. Their matters' rows must be locked (`store.matter`)."""
    rules = books.of(work)
    limits = books.newest(rules, work.now).limits
    kept: dict[str, dict[Key, Clock]] = {}
    for clock in store.clocks_of_cases(work, sorted({p.matter for p in promises})):
        kept.setdefault(clock.case_id, {})[clock.key] = clock
    added: list[Clock] = []
    changed: list[Clock] = []
    for p in promises:
        clocks = kept.get(p.matter, {})
        old = clocks.get((p.about, p.kind, 0))
        history = History(p.street, (), {}, rules, {}, clocks, work.now)
        limit = limits.get(p.kind, 0)
        wanted = promised(p.kind, p.about, p.assignee, p.started_at, limit, p.done_at, history)
        step: Step | None
        if wanted is None:
            step = drop(old, p.version) if old is not None else None
        elif old is None:
            step = arm(wanted, new_id(), p.matter, p.version, work.now)
        else:
            step = follow(old, wanted, p.version, work.now)
        if step is None:
            continue
        (added if step.clock.sequence == 1 else changed).append(step.clock)
        if step.says:
            say(work, step, cause=cause)
    store.add(work, added)
    store.change(work, changed)


# -- service lists -----------------------------------------------------------------------------------


def list_published(work: Work, events: Sequence[Event]) -> None:
    """A service list: its lines are to be claimed. A list that is published anew replaces what was said of it."""
    for event in events:
        said = event.data
        told = {"list": said["id"], "lines": said["lines"], "at": iso(parse(said["at"]))}
        _claims(work, event, said["street"], said["quarter"], told, None)


def service_claimed(work: Work, events: Sequence[Event]) -> None:
    """A unit took a line."""
    for event in events:
        said = event.data
        claim = (said["line"], iso(parse(said["at"])))
        _claims(work, event, said["street"], said["quarter"], None, claim)


def _claims(
    work: Work,
    event: Event,
    street: str,
    quarter: str,
    told: dict[str, Any] | None,
    claim: tuple[str, str] | None,
) -> None:
    matter = f"service-list:{street}:{quarter}"
    facts = store.matter(work, matter, street, event.lane, event.traceparent)
    known: dict[str, Any] = {"claimed": {}, **facts}
    if told is not None and told["at"] >= known.get("at", ""):
        known |= told
    if claim is not None:
        line, at = claim
        known["claimed"][line] = min(at, known["claimed"].get(line, at))
    version = store.keep_matter(work, matter, known)
    if "list" not in known:
        return  # a claim that came before its list
    claimed = sorted(known["claimed"].values())
    lines = known["lines"]
    done = parse(claimed[lines - 1]) if 0 < lines <= len(claimed) else None
    promise = Promise(
        CLAIM, matter, known["list"], street, ("desk", f"desk-{street}"), parse(known["at"]), done, version
    )
    if lines:
        keep(work, [promise], event)
