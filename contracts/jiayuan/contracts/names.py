"""Names on the bus: services, lanes, exchanges, queues, routing keys, and who listens to what.

Everything else (the broker's definitions, the start-up check, the documents for integrators) is derived
from this module and from `registry`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final, Literal

Lane = Literal["live", "bulk"]

SERVICES: Final = ("intake", "routing", "sla", "ledger", "notify")
LANES: Final[tuple[Lane, ...]] = ("live", "bulk")

EVENTS_EXCHANGE: Final = "jiayuan.events"
INBOUND_EXCHANGE: Final = "jiayuan.inbound"
OUTCOMES_EXCHANGE: Final = "jiayuan.outcomes"
DEAD_EXCHANGE: Final = "jiayuan.dead"

TYPE_PREFIX: Final = "cn.jiayuan."
TYPE_SUFFIX: Final = ".v1"
CONTENT_TYPE: Final = "application/cloudevents+json"
MAX_EVENT_BYTES: Final = 64 * 1024
BULK_SUFFIX: Final = ".bulk"

# Every event of a case but its opening: that one is always followed, in the same transaction, by the first assignment,
# which holds the same case and more. Who keeps the newest state, or enters a case by whichever step comes first, has no
# use for both; outside followers may.
_CASE_SINCE_ASSIGNED: Final = (
    "case.merged",
    "case.separated",
    "case.assigned",
    "case.whistled",
    "case.accepted",
    "case.answered",
    "case.returned",
    "case.extended",
    "case.paused",
    "case.resumed",
    "case.resolved",
    "case.inspected",
    "case.closed",
    "case.reopened",
    "case.voided",
    "case.changed",
)

# Which events a service takes from jiayuan.events; `*` stands for one word, as in a topic binding.
SUBSCRIPTIONS: Final[dict[str, tuple[str, ...]]] = {
    "intake": (*_CASE_SINCE_ASSIGNED, "emergency.declared", "emergency.lifted", "clock.promised"),
    "routing": (
        "report.received",
        "report.supplemented",
        "report.withdrawn",
        "report.rated",
        "person.erased",
        "report.joined",
        "report.separated",
        "clock.breached",
        "clock.escalated",
        "clock.corrected",
        "meeting.held",
    ),
    # Only of notices that have to be read it hears, never of every one that is sent.
    "sla": (*_CASE_SINCE_ASSIGNED, "list.published", "service.claimed", "notice.asked", "notice.read"),
    "ledger": (
        *_CASE_SINCE_ASSIGNED,
        "clock.breached",
        "clock.corrected",
        "person.erased",
        "decision.answered",
    ),
    "notify": (
        "report.received",
        "person.erased",
        "case.merged",
        "case.assigned",
        "case.whistled",
        "case.answered",
        "case.returned",
        "case.resolved",
        "case.closed",
        "case.reopened",
        "case.paused",
        "case.resumed",
        "emergency.called",
        "clock.warned",
        "clock.breached",
        "clock.corrected",
        "ladder.reached",
        "directory.changed",
    ),
}

# Which messages of outside systems a service takes from jiayuan.inbound.
INBOUND: Final[dict[str, tuple[str, ...]]] = {
    "intake": ("report.submitted",),
    "routing": ("handling.reported", "alert.raised"),
}


def queue(service: str, lane: Lane) -> str:
    """The queue of a service's lane, e.g. `jiayuan.routing.live`."""
    return f"jiayuan.{service}.{lane}"


def dead_queue(service: str) -> str:
    """Where the broker puts what a service's processes died on too often."""
    return f"jiayuan.{service}.dead"


def outcomes_queue(partner: str) -> str:
    """Where a partner reads what became of what it sent."""
    return f"jiayuan.outcomes.{partner}"


def event_type(name: str) -> str:
    """The CloudEvents `type` of an event name: `case.opened` → `cn.jiayuan.case.opened.v1`."""
    return f"{TYPE_PREFIX}{name}{TYPE_SUFFIX}"


def event_name(type_: str) -> str | None:
    """The event name of a CloudEvents `type`, or None when it isn't one of ours."""
    if type_.startswith(TYPE_PREFIX) and type_.endswith(TYPE_SUFFIX):
        return type_[len(TYPE_PREFIX) : -len(TYPE_SUFFIX)]
    return None


def routing_key(name: str, lane: Lane = "live") -> str:
    """The routing key: the name alone in the live lane, `<name>.bulk` in the bulk lane."""
    return name if lane == "live" else name + BULK_SUFFIX


def binding_key(pattern: str, lane: Lane) -> str:
    """The binding key that takes `pattern` into a lane's queue."""
    return routing_key(pattern, lane)


def source(service: str) -> str:
    """The CloudEvents `source` of a service."""
    return f"/jiayuan/{service}"


def partner_source(partner: str) -> str:
    """The CloudEvents `source` of an outside system, which is its broker user's name."""
    return f"/partners/{partner}"


def matches(pattern: str, name: str) -> bool:
    """Whether a subscription's pattern takes an event name."""
    return re.fullmatch(pattern.replace(".", r"\.").replace("*", r"[^.]+"), name) is not None


@cache
def subscribers(name: str) -> tuple[str, ...]:
    """The services that take an event; publishing is `mandatory` exactly when there is one."""
    return tuple(s for s, patterns in SUBSCRIPTIONS.items() if any(matches(p, name) for p in patterns))
