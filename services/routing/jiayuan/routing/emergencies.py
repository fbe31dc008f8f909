"""Declaring emergencies, moving their end, lifting them; warnings that do so; and the worker that brings cases in line.

Everything is a transaction of its own, and what is done in several is written down: whoever is killed in between leaves
rows that say what is left, and any replica goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from jiayuan.chassis.work import Work, on
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.names import Lane
from jiayuan.contracts.times import iso, parse

from . import book as books
from . import store
from .case import Case
from .directory import Directory
from .emergency import (
    Emergencies,
    Emergency,
    EmergencyPolicy,
    EmergencyPolicyError,
    Kept,
    bundled,
    follow,
    read,
    terms_of,
    to_call,
)
from .emergency.model import declared
from .moving import Moving
from .store import emergencies as records

log = logging.getLogger("jiayuan.routing")

# Cases that one transaction brings in line. An event has a few KB, and whoever waits for a case waits for the batch.
BATCH: Final = 100
# A transaction that began before an emergency was declared may commit after its street was looked at: it is looked
# at once more, after so many seconds of the wall clock.
AGAIN: Final = 20.0
PEOPLE_AN_EVENT: Final = 100
MOST_AREAS: Final = 200
BY_TIME: Final = "time"


class NotPossible(ValueError):
    """What was asked of an emergency isn't possible; `problems` says why, field by field."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{p.field}: {p.problem}" for p in self.problems))


@dataclass(frozen=True, slots=True)
class Wish:
    """An emergency that somebody wants to declare. `ends_at` None: as long as the mode lasts."""

    mode: str
    area: tuple[str, ...]
    reason: str
    by: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None


def policy_at(work: Work, at: datetime) -> EmergencyPolicy:
    """The emergency policy that holds at a time."""
    for document in records.emergency_policies(work):
        table = read(document)
        if table.effective_from <= at:
            return table
    return bundled()


def import_policy(work: Work, document: Mapping[str, Any], by: str) -> EmergencyPolicy:
    """Adds a table of modes, for what is declared from its `effective_from` on; what is on keeps its terms.

    EmergencyPolicyError when it is wrong, or its version is known."""
    table = read(document)
    plain = {**document, "effective_from": table.effective_from.isoformat()}
    if not records.add_emergency_policy(work, table.version, table.effective_from, plain, by):
        problem = f"{table.version} was imported before"
        raise EmergencyPolicyError([FieldProblem("version", problem, "a new version for a changed table")])
    return table


# -- declaring ---------------------------------------------------------------------------------------


def declare(work: Work, wish: Wish, cause: Event | None = None, traceparent: str = "") -> tuple[str, bool]:
    """Declares an emergency: its id, and whether it is new. NotPossible with what is wrong.

    The same mode for the same area and an overlapping time is the same emergency: who clicks twice turns on one.
    """
    policy = policy_at(work, work.now)
    directory = books.of(work).directory
    terms = policy.modes.get(wish.mode)
    problems = check_area(directory, wish.area)
    if terms is None:
        problems.append(FieldProblem("mode", f"there is no mode {wish.mode:.64}", ", ".join(policy.modes)))
        raise NotPossible(problems)
    starts = max(wish.starts_at or work.now, work.now)
    ends = wish.ends_at or starts + terms.lasts
    problems += _check_time(starts, ends, policy.longest)
    if problems:
        raise NotPossible(problems)
    # Whoever declares something waits here for the others, and then sees what they declared.
    store.next_directory_version(work, wish.by)
    for row in records.emergencies_to_know(work):
        same = row.terms["code"] == terms.code and set(row.area) == set(wish.area)
        if same and row.starts_at < ends and starts < row.ends_at:
            return row.id, False
    id_ = new_id()
    emergency = Emergency(id_, terms, tuple(dict.fromkeys(wish.area)), starts, ends, wish.by, wish.reason)
    records.add_emergency(
        work,
        {
            "id": id_,
            "sequence": 1,
            "mode": terms.code,
            "terms": dict(policy.documents[terms.code]),
            "policy": policy.version,
            "area": list(emergency.area),
            "reason": wish.reason,
            "starts_at": starts,
            "ends_at": ends,
            "declared_at": work.now,
            "declared_by": wish.by,
            "history": [_history("declare", wish.by, work.now, wish.reason, ends)],
        },
    )
    work.emit(
        "emergency.declared",
        declared(emergency, policy.version),
        subject=id_,
        sequence=1,
        cause=cause,
        traceparent=traceparent,
    )
    books.forget(work)
    return id_, True


def check_area(directory: Directory, area: Sequence[str], field: str = "area") -> list[FieldProblem]:
    """What is wrong with an area: nothing in it, too much, or codes that the directory doesn't know."""
    if not area:
        return [FieldProblem(field, "is empty", "codes of a county, streets, communities or grids")]
    if len(area) > MOST_AREAS:
        return [FieldProblem(field, f"has {len(area)} codes", f"at most {MOST_AREAS}")]
    return [
        FieldProblem(f"{field}[{i}]", f"there is no place {code:.64}", "a code of the directory")
        for i, code in enumerate(area)
        if code not in directory.places and code not in directory.grids
    ]


def _check_time(starts: datetime, ends: datetime, longest: timedelta) -> list[FieldProblem]:
    if ends <= starts:
        return [
            FieldProblem(
                "ends_at", "is not later than its beginning, or is past", f"later than {iso(starts)}"
            )
        ]
    if ends - starts > longest:
        return [FieldProblem("ends_at", "is too late", f"at the latest {iso(starts + longest)}")]
    return []


def _history(action: str, by: str, at: datetime, reason: str, ends: datetime) -> dict[str, Any]:
    return {"action": action, "by": by, "at": iso(at), "reason": reason, "ends_at": iso(ends)}


def emergency_of(row: Any) -> Emergency:
    """The emergency of a row."""
    return Emergency(
        row.id,
        terms_of(row.terms),
        tuple(row.area),
        row.starts_at,
        row.ends_at,
        row.declared_by,
        row.reason,
    )


# -- its end -----------------------------------------------------------------------------------------


def extend(
    work: Work,
    row: Any,
    ends_at: datetime,
    by: str,
    reason: str,
    cause: Event | None = None,
    traceparent: str = "",
) -> bool:
    """Moves the end of a locked emergency to another time to come; False when it is so already. NotPossible when it is
    over, or the time is past or too late."""
    _not_over(work, row)
    if ends_at == row.ends_at:
        return False
    problems = _check_time(max(row.starts_at, work.now), ends_at, timedelta.max)
    longest = policy_at(work, work.now).longest
    if ends_at - row.starts_at > longest:
        problems.append(
            FieldProblem("ends_at", "is too late", f"at the latest {iso(row.starts_at + longest)}")
        )
    if problems:
        raise NotPossible(problems)
    store.next_directory_version(work, by)
    step = _history("extend", by, work.now, reason, ends_at)
    sequence = records.change_emergency(work, row.id, step, ends_at=ends_at)
    moved = replace(emergency_of(row), ends_at=ends_at)
    work.emit(
        "emergency.declared",
        declared(moved, row.policy),
        subject=row.id,
        sequence=sequence,
        cause=cause,
        traceparent=traceparent,
    )
    books.forget(work)
    return True


def _not_over(work: Work, row: Any) -> None:
    if row.lifted_at is not None or row.ends_at <= work.now:
        raise NotPossible(
            [FieldProblem("emergency", f"it was over at {iso(row.ends_at)}", "declare a new one")]
        )


def lift(
    work: Work, row: Any, by: str, reason: str, cause: Event | None = None, traceparent: str = ""
) -> bool:
    """Lifts a locked emergency now; False when it was lifted before. The worker brings its cases back."""
    if row.lifted_at is not None:
        return False
    store.next_directory_version(work, by)
    ends = min(row.ends_at, work.now)
    step = _history("lift", by, work.now, reason, ends)
    sequence = records.change_emergency(work, row.id, step, lifted_at=work.now, lifted_by=by, ends_at=ends)
    work.emit(
        "emergency.lifted",
        {"id": row.id, "at": iso(ends), "lifted_by": by, "reason": reason},
        subject=row.id,
        sequence=sequence,
        cause=cause,
        traceparent=traceparent,
    )
    books.forget(work)
    if row.begun_at is not None:
        records.ask_sweep(work, streets_of(books.of(work).directory, row.area))
    return True


def streets_of(directory: Directory, area: Iterable[str]) -> list[str]:
    """The streets in which an area has cases: of a county all, and its own desk's."""
    out: set[str] = set()
    for code in area:
        grid, place = directory.grids.get(code), directory.places.get(code)
        if grid is not None:
            out.add(grid.street)
        elif place is None or place.kind == "street":
            out.add(code)
        elif place.kind == "county":
            out |= {s.code for s in directory.streets()} | {directory.county_street}
        else:
            out.add(place.parent)
    return sorted(out)


# -- warnings ----------------------------------------------------------------------------------------

_COLOURS: Final = {"red": "红色", "orange": "橙色", "yellow": "黄色", "blue": "蓝色"}


def alert_raised(work: Work, events: Sequence[Event]) -> None:
    """A bureau's warning turns on the mode that the policy says, its update changes that, its cancellation lifts it.

    Each is answered: accepted (with the emergency that came of it, if one did), duplicate, or rejected with reasons.
    """
    known = records.known_alerts(work, [key for e in events for key in _keys(e)])
    for event in sorted(events, key=lambda e: (e.source, e.data["external_id"])):
        key = (event.source, event.data["external_id"])
        if key in known:
            work.duplicate(event, known[key].emergency)
            continue
        problems, row = _taken(work, event, known)
        if row is None:
            work.refuse(event, problems)
            continue
        if not records.remember_alert(work, row):
            # Another replica is a moment ahead with the same message: its transaction did it all.
            raise RuntimeError(f"alert {key} came twice at once")
        known[key] = _Known(row["root"], row["mode"], row["emergency"])
        work.accepted(event, row["emergency"])


@dataclass(frozen=True, slots=True)
class _Known:
    root: str
    mode: str | None
    emergency: str | None


def _keys(event: Event) -> list[tuple[str, str]]:
    ids = [event.data["external_id"], event.data.get("refers_to")]
    return [(event.source, id_) for id_ in ids if id_]


def _taken(
    work: Work, event: Event, known: Mapping[tuple[str, str], Any]
) -> tuple[list[FieldProblem], dict[str, Any] | None]:
    data, source = event.data, event.source
    action = data.get("action") or "raise"
    root = data["external_id"]
    if action != "raise":
        earlier = known.get((source, data.get("refers_to") or ""))
        if earlier is None:
            problem = (
                "is missing"
                if not data.get("refers_to")
                else f"{data['refers_to']:.64} was never taken from you"
            )
            return [
                FieldProblem("data.refers_to", problem, "the external_id of a warning that was accepted")
            ], None
        root = earlier.root
    policy = policy_at(work, work.now)
    mode = policy.mode_of(data["event"], data["severity"]) if action != "cancel" else None
    before = records.newest_of_alert(work, source, root) if action != "raise" else None
    try:
        emergency = _act(work, event, action, mode, before.emergency if before is not None else None)
    except NotPossible as error:
        return [FieldProblem(f"data.{p.field}", p.problem, p.allowed) for p in error.problems], None
    return [], {
        "source": source,
        "external_id": data["external_id"],
        "action": action,
        "root": root,
        "event": data["event"],
        "severity": data["severity"],
        "mode": mode,
        "emergency": emergency,
        "at": work.now,
    }


def _act(work: Work, event: Event, action: str, mode: str | None, current: str | None) -> str | None:
    """What a warning leads to: the emergency that is on because of it afterwards, or was."""
    data, by = event.data, event.source.removeprefix("/partners/")
    reason = f"{data['event']}{_COLOURS[data['severity']]}预警"[:500]
    starts, ends = parse(data["starts_at"]), parse(data["ends_at"]) if data.get("ends_at") else None
    row = records.emergency_of(work, current, lock=True) if current else None
    if row is not None and (row.lifted_at is not None or row.ends_at <= work.now):
        row = None
    if action == "cancel":
        if row is not None and starts > work.now:
            extend(work, row, min(starts, row.ends_at), by, f"{reason}解除", event)
        elif row is not None:
            lift(work, row, by, f"{reason}解除", event)
        return current
    area = tuple(dict.fromkeys(data["area"] or (row.area if row is not None else ())))
    if mode is None and action == "raise":
        if problems := check_area(books.of(work).directory, area):
            raise NotPossible(problems)
        return None
    if row is not None:
        if row.mode == mode and set(row.area) == set(area):
            if ends is not None:
                extend(work, row, ends, by, reason, event)
            return current
        lift(work, row, by, f"{reason}：变更", event)
    if mode is None:
        return current
    return declare(work, Wish(mode, area, reason, by, starts, ends), event)[0]


# -- the worker --------------------------------------------------------------------------------------


class Transactions(Protocol):
    """What opens a unit of work."""

    def work(self, lane: Lane = "live") -> AbstractContextManager[Work]:
        """A transaction: commits at the end of the block."""
        ...


def turn(delivery: Transactions) -> bool:
    """One turn of the worker; True when there is more to do at once."""
    with delivery.work() as work:
        if not records.anything_to_do(work):
            return False
        row = records.emergency_to_end(work)
        if row is not None:
            lift(work, row, BY_TIME, "到时自动解除")
            return True
    with delivery.work() as work:
        row = records.emergency_to_begin(work)
        if row is not None:
            begin(work, row)
            return True
    # What hundreds of cases are told must not stand before one call for help.
    with delivery.work("bulk") as work:
        return sweep(work)


def begin(work: Work, row: Any) -> None:
    """An emergency's time has come: its people are called in, and the open cases of its streets are asked for."""
    emergency, directory = emergency_of(row), books.of(work).directory
    records.begun(work, row.id)
    records.ask_sweep(work, streets_of(directory, emergency.area))
    calling = to_call(emergency, directory, work.now, records.called_now(work))
    by_street: dict[str, list[str]] = {}
    for c in calling:
        person = directory.people[c.person]
        by_street.setdefault(person.street or directory.county_street, []).append(c.person)
    rows = [
        {"emergency": row.id, "person": person, "street": street, "at": work.now}
        for street, people in sorted(by_street.items())
        for person in people
    ]
    new = records.add_calls(work, rows)
    for street, people in sorted(by_street.items()):
        fresh = [p for p in people if p in new]
        for i in range(0, len(fresh), PEOPLE_AN_EVENT):
            data = {
                "id": row.id,
                "mode": row.mode,
                "street": street,
                "people": fresh[i : i + PEOPLE_AN_EVENT],
                "at": iso(work.now),
                "report_by": iso(work.now + timedelta(seconds=emergency.terms.call.within)),
                "reason": row.reason,
            }
            work.emit("emergency.called", data, subject=row.id, sequence=row.sequence, street=street)
    log.info("an emergency has begun", extra={"emergency": row.id, "mode": row.mode, "called": len(new)})


def sweep(work: Work, most: int = BATCH) -> bool:
    """Looks at the next open cases of one street and brings them in line with what holds now. False when no street is
    waiting.

    A batch is one transaction with the mark of how far it came: killed in between, it is as if it had not begun.
    """
    asked = records.claim_sweep(work)
    if asked is None:
        return False
    known = books.of(work).emergencies
    found = records.open_cases_after(work, asked.street, asked.cursor_at, asked.cursor_id, most)
    concerned = [c for c in found if known or c.emergency is not None]
    moving = Moving(work, [c.id for c in _differing(work, known, concerned)])
    kept = records.limits_in_peace(work, list(moving.cases))
    after: dict[str, Kept] = {}
    for case in list(moving.cases.values()):
        holding = known.at(case.street, case.community, case.grid, work.now)
        new, moves, now_kept = follow(case, holding, kept.get(case.id, {}), work.now)
        if now_kept != kept.get(case.id, {}):
            after[case.id] = now_kept
        moving.take(new, moves)
    records.keep_limits(work, after)
    moving.save()
    if len(found) < most:
        records.sweep_done(work, asked.street, asked.again, AGAIN)
    else:
        records.sweep_on(work, asked.street, found[-1])
    return True


def _differing(work: Work, known: Emergencies, cases: Sequence[Case]) -> list[Case]:
    """Those that are not yet as they must be; looked at without a lock, so that the others are left alone."""
    kept = records.limits_in_peace(work, [c.id for c in cases])
    return [
        c
        for c in cases
        if follow(c, known.at(c.street, c.community, c.grid, work.now), kept.get(c.id, {}), work.now)[1]
    ]


HANDLERS: Final = [on("alert.raised", alert_raised)]
