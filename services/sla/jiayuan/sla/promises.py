"""Promises outside of cases: the items of a service list that units are to claim, notices that are to be read.

Each is a clock like others, on a matter of its own instead of a case: the ticker, policies and recomputation don't
tell them apart. Their limits are the policy's (`limits: {claim: 10d}`); without one there is no clock.

`keep` is the way in for every kind. The claim (認領): a service list was published, and until all its lines are claimed
the street waits. The notice that has to be read: notify says of those alone that they were sent and that they were
read. What is said may arrive in any order, and again; each counts by its own time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from jiayuan.chassis.work import Work
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso, parse

from . import books, store
from .clock import Clock, History, Key, Step, arm, drop, follow, promised
from .saying import say

CLAIM: Final = "claim"
NOTICE: Final = "notice"


class Promise(NamedTuple):
    """Something promised: of a matter, about what (its id), by whom (type, id), from when, and when it was kept.

    `version` is the matter's: of two the higher one is the truth. `limit`: its own in seconds; None: the policy's.
    `cause`: what is known of it by.
    """

    kind: str
    matter: str
    about: str
    street: str
    assignee: tuple[str, str] | None
    started_at: datetime
    done_at: datetime | None
    version: int
    limit: int | None = None
    cause: Event | None = None


def keep(work: Work, promises: Sequence[Promise]) -> None:
    """Arms, stops and corrects the clocks of promises. Their matters' rows must be locked (`store.matters`)."""
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
        limit = limits.get(p.kind, 0) if p.limit is None else p.limit
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
            say(work, step, cause=p.cause)
    store.add(work, added)
    store.change(work, changed)


# -- what is known of matters ------------------------------------------------------------------------


def _take(
    work: Work, said: Iterable[tuple[str, Event]]
) -> dict[str, tuple[dict[str, Any], list[Event], int]]:
    """Of each matter what is known of it, what is said of it now, and its next version; its row is locked."""
    of: dict[str, list[Event]] = {}
    for matter, event in said:
        of.setdefault(matter, []).append(event)
    newest = (store.Matter(m, es[-1].data["street"], es[-1].lane, es[-1].traceparent) for m, es in of.items())
    known = store.matters(work, newest)
    return {m: (known[m].facts, events, known[m].version + 1) for m, events in of.items()}


def _first(facts: Mapping[str, Any], name: str, at: str) -> str:
    """The earlier one of a time that is known and one that is said."""
    return min(iso(parse(at)), facts.get(name) or "~")


# -- service lists -----------------------------------------------------------------------------------


def claims_said(work: Work, events: Sequence[Event]) -> None:
    """Service lists, whose lines are to be claimed, and units that took a line.

    A list that is published anew replaces what was said of it.
    """
    said = ((f"service-list:{e.data['street']}:{e.data['quarter']}", e) for e in events)
    kept, promises = {}, []
    for matter, (facts, news, version) in _take(work, said).items():
        facts.setdefault("claimed", {})
        for event in news:
            if event.name == "list.published":
                _publish(facts, event.data)
            else:
                line = event.data["line"]
                facts["claimed"][line] = _first(facts["claimed"], line, event.data["at"])
        kept[matter] = store.Known(facts, version)
        lines = facts.get("lines")
        if lines:  # otherwise a claim that came before its list, or a list of nothing
            claimed = sorted(facts["claimed"].values())
            done = parse(claimed[lines - 1]) if lines <= len(claimed) else None
            street = news[-1].data["street"]
            desk = ("desk", f"desk-{street}")
            at = parse(facts["at"])
            promises.append(
                Promise(CLAIM, matter, facts["list"], street, desk, at, done, version, cause=news[-1])
            )
    store.keep_matters(work, kept)
    keep(work, promises)


def _publish(facts: dict[str, Any], said: Mapping[str, Any]) -> None:
    at = iso(parse(said["at"]))
    if at >= facts.get("at", ""):
        facts.update(list=said["id"], lines=said["lines"], at=at)


# -- notices that have to be read --------------------------------------------------------------------


def notices_said(work: Work, events: Sequence[Event]) -> None:
    """Notices that were sent and have to be read, and those that were read."""
    kept, promises = {}, []
    for matter, (facts, news, version) in _take(
        work, ((f"notice:{e.data['notice']}", e) for e in events)
    ).items():
        for event in news:
            said = event.data
            if event.name == "notice.read":
                facts["read"] = _first(facts, "read", said["at"])
                continue
            facts["asked"] = _first(facts, "asked", said["at"])
            facts["of"] = [said["recipient_type"], said["recipient"]]
            if said.get("read_by"):
                facts["by"] = _first(facts, "by", said["read_by"])
        kept[matter] = store.Known(facts, version)
        if "asked" in facts:  # otherwise the news of its reading came first
            promises.append(_notice(matter, facts, news[-1], version))
    store.keep_matters(work, kept)
    keep(work, promises)


def _notice(matter: str, facts: Mapping[str, Any], newest: Event, version: int) -> Promise:
    asked = parse(facts["asked"])
    # One that was read before the clock that asks had it sent (they may be two machines) was read at once.
    read = max(parse(facts["read"]), asked) if facts.get("read") else None
    # A time to read by that isn't later than the sending can't be kept by anybody: it is no promise.
    limit = max(0, (parse(facts["by"]) - asked) // timedelta(seconds=1)) if facts.get("by") else None
    type_, id_ = facts["of"]
    return Promise(
        NOTICE,
        matter,
        newest.data["notice"],
        newest.data["street"],
        (type_, id_),
        asked,
        read,
        version,
        limit,
        newest,
    )
