"""Promises outside of cases: the items of a service list that units are to claim, notices that are to be read.

Each is a clock like others, on a matter of its own instead of a case: the ticker, policies and recomputation don't
tell them apart. Their limits are the policy's (`limits: {claim: 10d}`); without one there is no clock.

`keep` is the way in for every kind. The claim (認領): a service list was published, and until all its lines are claimed
the street waits. The notice that has to be read: notify says of those alone that they were sent and that they were
read. What is said may arrive in any order, and again; each counts by its own time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from jiayuan.chassis.work import Work
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso, parse

from . import books, rates, store
from .clock import Clock, History, Key, Step, arm, drop, follow, promised
from .saying import say

CLAIM: Final = "claim"
NOTICE: Final = "notice"
KINDS: Final = (CLAIM, NOTICE)


class Promise(NamedTuple):
    """Something promised: of a matter, about what (its id), by whom (type, id), from when, and when it was kept.

    `version` is the matter's: of two the higher one is the truth. `due_at`: its own last moment; None: the policy's
    limit. `ended_at`: since when it isn't owed any more, though it wasn't kept. `cause`: what is known of it by.
    """

    kind: str
    matter: str
    about: str
    street: str
    assignee: tuple[str, str] | None
    started_at: datetime
    done_at: datetime | None
    version: int
    due_at: datetime | None = None
    ended_at: datetime | None = None
    cause: Event | None = None


def keep(work: Work, matters: Mapping[str, store.Known], promises: Iterable[Promise]) -> None:
    """Stores what is known of matters whose rows are locked (`store.matters`), and arms, stops and corrects the clocks
    of what they promise: `promises` are all of them. What a matter doesn't promise any more is called off."""
    rules = books.of(work)
    limits = books.newest(rules, work.now).limits
    kept: dict[str, dict[Key, Clock]] = {}
    for one in store.clocks_of_cases(work, sorted(matters)):
        kept.setdefault(one.case_id, {})[one.key] = one
    added: list[Clock] = []
    changed: list[Clock] = []
    of: dict[str, list[Clock]] = {}
    for p in promises:
        clocks = kept.get(p.matter, {})
        old = clocks.pop((p.about, p.kind, 0), None)
        history = History(p.street, (), {}, rules, {}, {old.key: old} if old else {}, work.now)
        limit = limits.get(p.kind, 0) if p.due_at is None else p.due_at
        stop = (p.done_at, p.ended_at)
        wanted = promised(p.kind, p.about, p.assignee, p.started_at, limit, stop, history)
        step: Step | None
        if wanted is None:
            step = drop(old, p.version) if old is not None else None
        elif old is None:
            step = arm(wanted, new_id(), p.matter, p.version, work.now)
        else:
            step = follow(old, wanted, p.version, work.now)
        if (clock := step.clock if step is not None else old) is not None:
            of.setdefault(p.matter, []).append(clock)
        if step is None:
            continue
        (added if step.clock.sequence == 1 else changed).append(step.clock)
        if step.says:
            say(work, step, cause=p.cause)
    for matter, clocks in kept.items():
        of.setdefault(matter, []).extend(clocks.values())
        gone = (drop(old, matters[matter].version) for old in clocks.values())
        changed += [step.clock for step in gone if step is not None]
    store.keep_matters(work, {m: _measured(m, known, of.get(m, ())) for m, known in matters.items()})
    store.add(work, added)
    store.change(work, changed)


def _measured(matter: str, known: store.Known, clocks: Sequence[Clock]) -> store.Known:
    """What is known of a matter, with what the rates need of it. It counts at its deadlines and at no other time."""
    if not clocks:
        return known
    whose, begun = clocks[0], min(c.started_at for c in clocks)
    by = (whose.assignee_type, whose.assignee_id) if whose.assignee_type and whose.assignee_id else None
    measured = rates.measured_promise(matter.partition(":")[0], by, begun)
    return known._replace(measured=measured, begun_at=begun, over_at=max(c.due_at for c in clocks))


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
    """Service lists, whose lines are to be claimed; units that took a line, and by when they promised what.

    A list that is published anew replaces what was said of it; of one claim the newest sequence holds.
    """
    said = [(f"service-list:{e.data['street']}:{e.data['quarter']}", e) for e in events]
    said += [(f"claim:{e.data['claim']}", e) for e in events if e.data.get("claim")]
    kept: dict[str, store.Known] = {}
    promises: list[Promise] = []
    for matter, (facts, news, version) in _take(work, said).items():
        made = _of_list if matter.startswith("service-list:") else _of_claim
        promises += made(matter, facts, news, version)
        kept[matter] = store.Known(facts, version)
    keep(work, kept, promises)


def _of_list(matter: str, facts: dict[str, Any], news: Sequence[Event], version: int) -> Iterator[Promise]:
    """The street's promise that its list is claimed."""
    claims = facts.setdefault("claims", {})
    for event in news:
        said, at = event.data, iso(parse(event.data["at"]))
        if event.name == "list.published":
            if at >= facts.get("at", ""):
                facts.update(list=said["id"], lines=said["lines"], at=at)
            continue
        gone = iso(event.time) if said.get("state") == "released" else ""
        claim = said.get("claim") or f"{said['line']}:{said['unit']}"
        if event.sequence >= claims.get(claim, {"sequence": 0})["sequence"]:
            claims[claim] = {"line": said["line"], "at": at, "gone": gone, "sequence": event.sequence}
    if not facts.get("lines"):
        return  # a claim that came before its list, or a list of nothing
    street = news[-1].data["street"]
    desk = ("desk", f"desk-{street}")
    done = all_claimed(claims.values(), facts["lines"])
    yield Promise(
        CLAIM, matter, facts["list"], street, desk, parse(facts["at"]), done, version, cause=news[-1]
    )


def all_claimed(claims: Iterable[Mapping[str, Any]], lines: int) -> datetime | None:
    """When so many different lines were first claimed at a time; what is given up later opens nothing again."""
    known = sorted(claims, key=lambda c: c["at"])
    for one in known:
        now = one["at"]
        if (
            len({c["line"] for c in known if c["at"] <= now and not (c["gone"] and c["gone"] <= now)})
            >= lines
        ):
            return parse(now)
    return None


# Not who is responsible for it: that is the ledger's.
_OF_CLAIM: Final = ("claim", "unit", "street", "state", "at", "due_at", "done_at", "milestones")


def _of_claim(matter: str, facts: dict[str, Any], news: Sequence[Event], version: int) -> Iterator[Promise]:
    """What a unit promised of its line: to have it done by a time, and each milestone on the way.

    What it gave up it owes no more; what was late before that stays late.
    """
    newest = max(news, key=lambda e: e.sequence)
    if newest.sequence >= facts.get("sequence", 0):
        facts |= {"sequence": newest.sequence, "at": iso(newest.time)}
        facts["claim"] = {name: newest.data.get(name) for name in _OF_CLAIM}
    said = facts["claim"]
    gone = parse(facts["at"]) if said.get("state") == "released" else None
    start, unit = parse(said["at"]), ("unit", said["unit"])
    # What is done as a whole is done in its parts, also where nobody ticked them off.
    done = said.get("done_at") if said.get("state") == "done" else None
    promised = [(said["claim"], said.get("due_at"), done)]
    for n, step in enumerate(said.get("milestones") or (), 1):
        promised.append((f"{said['claim']}:{n}", step["due_at"], step.get("done_at") or done))
    for about, due_at, done_at in promised:
        if due_at:
            ended = max(parse(done_at), start) if done_at else None
            due = parse(due_at)
            yield Promise(
                CLAIM, matter, about, said["street"], unit, start, ended, version, due, gone, news[-1]
            )


# -- notices that have to be read --------------------------------------------------------------------


def notices_said(work: Work, events: Sequence[Event]) -> None:
    """Notices that were sent and have to be read, and those that were read."""
    kept: dict[str, store.Known] = {}
    promises: list[Promise] = []
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
    keep(work, kept, promises)


def _notice(matter: str, facts: Mapping[str, Any], newest: Event, version: int) -> Promise:
    asked = parse(facts["asked"])
    # One that was read before the clock that asks had it sent (they may be two machines) was read at once.
    read = max(parse(facts["read"]), asked) if facts.get("read") else None
    due = parse(facts["by"]) if facts.get("by") else None
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
        due,
        cause=newest,
    )
