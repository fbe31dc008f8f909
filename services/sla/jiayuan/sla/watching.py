"""What operators should know in time: calendars whose holidays end, a machine whose clock is wrong."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from prometheus_client import Gauge

from jiayuan.chassis.work import Work

from . import books, horizon, store
from .clock import Clock
from .policy import Policy

log = logging.getLogger("jiayuan.sla")

SHOWN: Final = 20
DAYS_LEFT: Final = Gauge(
    "jiayuan_sla_calendar_days_left",
    "Days until a new clock may be due after the last day whose holidays are known; below 0 since then",
    ["service", "calendar"],
)
BEYOND: Final = Gauge(
    "jiayuan_sla_clocks_beyond_calendar", "Open clocks due after the last known day", ["service", "calendar"]
)
SKEW: Final = Gauge(
    "jiayuan_sla_clock_skew_seconds",
    "By how much this machine's clock is ahead of the database's",
    ["service"],
)
_SLA: Final = "sla"
_said_at: dict[str, datetime] = {}


class Line(NamedTuple):
    """A calendar in use: whether its holidays end too soon, and the open clocks that reach beyond."""

    reach: horizon.Reach
    short: bool
    sentence: str
    beyond: int
    clocks: list[Clock]


def look(work: Work) -> list[Line]:
    """A line a calendar in use by a policy that holds, or will."""
    rules = books.of(work)
    now = work.now
    if isinstance(rules, Policy):
        policies = [rules]
    else:
        holding = rules.at(now)
        policies = [p for p in rules.policies if p is holding or p.since > now]
    out: list[Line] = []
    for reach in horizon.reaches(policies, store.longest(work)):
        beyond, clocks = store.beyond(work, reach.calendar.name, horizon.ends(reach.calendar), SHOWN)
        sentence = reach.sentence(now) + (f"; {beyond} open clocks do already" if beyond else "")
        out.append(Line(reach, reach.short(now) or beyond > 0, sentence, beyond, clocks))
    return out


def measure(work: Work) -> None:
    """Sets the gauges, and says in the log once a day what is short. Readiness doesn't depend on it."""
    ahead = store.skew(work)
    SKEW.labels(_SLA).set(ahead)
    if abs(ahead) > store.SKEW_MOST:
        log.error(
            "this machine's clock and the database's differ: it tells no deadline until they agree",
            extra={"ahead_seconds": round(ahead, 3)},
        )
    for line in look(work):
        name = line.reach.calendar.name
        DAYS_LEFT.labels(_SLA, name).set((line.reach.since - work.now) / timedelta(days=1))
        BEYOND.labels(_SLA, name).set(line.beyond)
        last = _said_at.get(name)
        if line.short and (last is None or work.now - last >= timedelta(days=1)):
            _said_at[name] = work.now
            log.warning(line.sentence, extra={"calendar": line.reach.calendar.mark, "beyond": line.beyond})
