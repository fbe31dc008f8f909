"""What people who run it do: stop and start what sends, see how it stands, and have a notice sent again."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso

from . import rules, spending, store, templates, wall
from .providers.configuration import Outline
from .store.operating import Stoppable

LONGEST_STOP: Final = timedelta(days=31)
RECORDED: Final = timedelta(hours=1)
"""So long after a day the answer to a call of it may be recorded."""
NO_LIST: Final = "no list at the provider"
ENDS: Final = ("delivered", "accepted", "undelivered", "not_taken", "unresolved")


def known(kind: Stoppable, name: str, providers: Iterable[str]) -> None:
    """Problem 400 unless there is such a provider (of those named), channel or template."""
    allowed = {
        "provider": list(providers),
        "channel": list(rules.CHANNELS),
        "template": sorted(templates.bundled().codes),
    }[kind]
    if name not in allowed:
        problem = FieldProblem("name", f"there is no {kind} {name[:64]}", ", ".join(allowed))
        raise Problem(400, "What is to be stopped or started?", problems=[problem])


def stop(
    work: Work, kind: Stoppable, name: str, *, reason: str, by: str, until: datetime | None = None
) -> None:
    """Send nothing by it, or of it, until it is started, or until `until`. What is queued waits or takes another
    channel. Problem 400 for a time that is over or too far off, 409 when it is stopped for as long or longer."""
    now = wall.now()
    if until is not None and not now < until <= now + LONGEST_STOP:
        allowed = f"from now to {iso(now + LONGEST_STOP)}"
        raise Problem(400, "Until when?", problems=[FieldProblem("until", f"is {iso(until)}", allowed)])
    if not store.operating.stop(work, kind, name, reason=reason, by=by, wall=now, until=until):
        raise Problem(409, "Stopped already", f"{kind} {name} is stopped already, for as long or longer")


def start(work: Work, kind: Stoppable, name: str, *, reason: str, by: str) -> None:
    """Send again: alarms about it are cleared, and what waited for it is due now. Problem 409 if it isn't stopped."""
    now = wall.now()
    if not store.operating.start(work, kind, name, reason=reason, by=by, wall=now):
        raise Problem(409, "Not stopped", f"{kind} {name} is not stopped")
    for waited in store.operating.REASONS[kind]:
        store.release(work, waited, now)


def standing(work: Work, since: datetime, providers: Iterable[Outline]) -> dict[str, Any]:
    """The providers and whether they are open, weights, the last 15 minutes of each, alarms, and stops and moves since
    then."""
    now = wall.now()
    stopped = store.operating.stops(work, now)
    shares = store.weights.all_shares(work)
    names = {s.provider for found in shares.values() for s in found} | store.weights.counted(work, now)
    health = store.weights.health(work, dict.fromkeys(names, True), now)
    return {
        "providers": [
            {
                "provider": one.name,
                "kind": one.kind,
                "channel": one.channel,
                "state": "stopped"
                if {("provider", one.name), ("channel", one.channel)} & stopped
                else "open",
                "sends": one.sends,
            }
            for one in providers
        ],
        "weights": [
            {"channel": channel, "provider": s.provider, "points": s.now, "rest": s.rest}
            for channel, found in shares.items()
            for s in found
        ],
        "last_15_minutes": [
            {"provider": name, "accepted": h.accepted, "errors_last_minute": h.errors}
            for name, h in sorted(health.items())
        ],
        "stops": [shown(row) for row in store.operating.stop_rows(work, since)],
        "alarms": [shown(row) for row in store.operating.alarms(work)],
        "moves": [shown(row) for row in store.weights.changes(work, since)],
    }


def shown(row: Any) -> dict[str, Any]:
    """A row as people see it."""
    return {k: iso(v) if isinstance(v, datetime) else v for k, v in row._mapping.items() if k != "id"}


def reconciliations(
    work: Work, providers: Iterable[Outline], *, day: date | None = None, everything: bool = False
) -> dict[str, Any]:
    """`{days, without_list, differences}`: days that were held against providers' own lists; of each provider that has
    none, what is known of its requests of `day` (of yesterday); and open differences, or all."""
    day = day or spending.day_of(wall.now()) - timedelta(days=1)
    since = datetime.combine(day, datetime.min.time(), templates.ZONE)
    until = since + timedelta(days=1)
    without = [one for one in providers if one.sends and not one.lists]
    ends = store.reconciliations.ends(work, [one.name for one in without], since, until, until + RECORDED)
    return {
        "days": [_plain(row) for row in store.reconciliations.days(work)],
        "without_list": [
            {"provider": one.name, "kind": one.kind, "day": day.isoformat(), "why": NO_LIST}
            | {state: ends[one.name].get(state, 0) for state in ENDS}
            for one in without
        ],
        "differences": [_plain(r) for r in store.reconciliations.differences(work, everything=everything)],
    }


def _plain(row: Any) -> dict[str, Any]:
    return {
        k: iso(v) if isinstance(v, datetime) else v.isoformat() if isinstance(v, date) else v
        for k, v in row._mapping.items()
    }


# -- one notice ----------------------------------------------------------------------------------------


def resend(work: Work, notice: str, *, reason: str, by: str, street: str = "") -> dict[str, Any]:
    """Send a notice again, as a new message; its state before, as `{id, was}`.

    Wishes, quiet hours, caps and limits hold as for any other. Problem 404 where there is no such notice (of that
    street); 409 where it is on its way anyhow, where nobody knows yet whether it is out, or where another stands
    for it.
    """
    try:
        id_ = str(uuid.UUID(notice))
    except ValueError:
        raise Problem(404, "No such notice") from None
    row = store.resends.locked(work, id_, street)
    if row is None:
        raise Problem(404, "No such notice")
    if why := _why_not(work, row):
        raise Problem(409, "Not sent again", why)
    store.resends.again(work, row, by, reason, wall.now())
    return {"id": id_, "was": row["state"]}


def _why_not(work: Work, row: dict[str, Any]) -> str:
    state = row["state"]
    if state in ("queued", "deferred", "submitted"):
        return f"it is {state}: it goes by itself"
    if state == "unknown":
        return (
            "it may be out: its provider is asked first, and what follows from the answer is done by itself"
        )
    if row["gathered_in"]:
        return f"a digest stands for it: {row['gathered_in']}"
    if row["reason"] == "anonymous":
        return "the report was anonymous: there is nobody to tell"
    # WeChat can't be asked at all; there, the end of the notice's time has to do.
    doubtful = row["request_id"] and row["channel"] != "mini_program"
    if doubtful and store.resends.doubtful(work, row["id"], row["request_id"]):
        return "it may be out, and its provider has never been asked: it can't be known whether it would be the second"
    return ""
