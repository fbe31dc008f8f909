"""The broker's definitions, made from the names: exchanges, queues, bindings, policies, users and rights.

RabbitMQ 3.10 and 4.x import the result alike. Users have no password in it (an empty hash lets nobody in):
`jiayuan broker import` sets the passwords from secrets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from . import names
from .registry import EVENTS, INBOUND_EVENTS

# A process that dies takes all it had fetched one step nearer to the limit, innocent messages too: be generous.
DELIVERY_LIMIT: Final = 50
MAX_LENGTH: Final = 5_000_000
OUTCOME_TTL_MS: Final = 7 * 24 * 3600 * 1000
OUTCOME_MAX_LENGTH: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Partner:
    """An outside system: its broker user and what it may send."""

    name: str
    may: tuple[str, ...]


PARTNERS: Final = (
    Partner("hotline-12345", ("report.submitted",)),
    Partner("city-management", ("report.submitted", "handling.reported")),
    Partner("department-systems", ("handling.reported",)),
    Partner("weather-bureau", ("alert.raised",)),
    Partner("emergency-bureau", ("alert.raised",)),
)


def service_user(service: str) -> str:
    """The broker user of a service."""
    return f"jiayuan-{service}"


def _queues() -> list[dict[str, Any]]:
    wanted = [names.queue(s, lane) for s in names.SERVICES for lane in names.LANES]
    wanted += [names.dead_queue(s) for s in names.SERVICES]
    return [_quorum(q) for q in wanted]


def _quorum(name: str) -> dict[str, Any]:
    return {"name": name, "durable": True, "auto_delete": False, "arguments": {"x-queue-type": "quorum"}}


def _exchange(name: str, kind: str = "topic") -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": {},
    }


def _binding(source: str, queue: str, key: str) -> dict[str, Any]:
    return {
        "source": source,
        "destination": queue,
        "destination_type": "queue",
        "routing_key": key,
        "arguments": {},
    }


def _bindings() -> list[dict[str, Any]]:
    out = []
    for service in names.SERVICES:
        for lane in names.LANES:
            queue = names.queue(service, lane)
            out += [
                _binding(names.EVENTS_EXCHANGE, queue, names.binding_key(p, lane))
                for p in names.SUBSCRIPTIONS[service]
            ]
            out += [
                _binding(names.INBOUND_EXCHANGE, queue, names.binding_key(p, lane))
                for p in names.INBOUND.get(service, ())
            ]
        out.append(_binding(names.DEAD_EXCHANGE, names.dead_queue(service), service))
    return out


def _policies() -> list[dict[str, Any]]:
    out = []
    for service in names.SERVICES:
        out.append(
            {
                "name": f"jiayuan-{service}",
                "pattern": rf"^jiayuan\.{service}\.(live|bulk)$",
                "apply-to": "queues",
                "priority": 10,
                "definition": {
                    "delivery-limit": DELIVERY_LIMIT,
                    "dead-letter-exchange": names.DEAD_EXCHANGE,
                    "dead-letter-routing-key": service,
                    "dead-letter-strategy": "at-least-once",
                    "overflow": "reject-publish",
                    "max-length": MAX_LENGTH,
                },
            }
        )
    out.append(
        {
            "name": "jiayuan-dead",
            "pattern": r"^jiayuan\.[a-z]+\.dead$",
            "apply-to": "queues",
            "priority": 10,
            "definition": {"overflow": "reject-publish", "max-length": MAX_LENGTH},
        }
    )
    out.append(
        {
            "name": "jiayuan-outcomes",
            "pattern": r"^jiayuan\.outcomes\.",
            "apply-to": "queues",
            "priority": 10,
            "definition": {"message-ttl": OUTCOME_TTL_MS, "max-length": OUTCOME_MAX_LENGTH},
        }
    )
    return out


def digest() -> str:
    """Twelve hex digits over everything a service relies on.

    The definitions hold an exchange of this name, so that a service, which may configure nothing and sees no
    arguments over AMQP, can ask by one passive declare whether the broker has the topology it was built for.
    Partners come and go without the services' being rebuilt, so they are not part of it.
    """
    relied = [_EXCHANGES, _queues(), _bindings(), _policies()]
    return hashlib.sha256(json.dumps(relied, sort_keys=True).encode()).hexdigest()[:12]


_EXCHANGES: Final = [
    _exchange(names.EVENTS_EXCHANGE),
    _exchange(names.INBOUND_EXCHANGE),
    _exchange(names.OUTCOMES_EXCHANGE),
    _exchange(names.DEAD_EXCHANGE, "direct"),
]


def mark() -> str:
    """The name of the exchange that marks this topology."""
    return f"jiayuan.topology.{digest()}"


def _rights(vhost: str, partners: Sequence[Partner]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    permissions, topics = [], []
    for service in names.SERVICES:
        user = service_user(service)
        answers = "|jiayuan\\.outcomes" if names.INBOUND.get(service) else ""
        # at-least-once dead-lettering and reading are the broker's; a service writes events, reads its own queues.
        permissions.append(
            {
                "user": user,
                "vhost": vhost,
                "configure": "^$",
                "write": rf"^(jiayuan\.events{answers})$",
                "read": rf"^jiayuan\.{service}\.(live|bulk|dead)$",
            }
        )
        families = sorted({n.partition(".")[0] for n, e in EVENTS.items() if e.owner == service})
        topics.append(
            {
                "user": user,
                "vhost": vhost,
                "exchange": names.EVENTS_EXCHANGE,
                "write": rf"^({'|'.join(families)})\.[a-z_]+(\.bulk)?$",
                "read": "^$",
            }
        )
    for partner in partners:
        unknown = [m for m in partner.may if m not in INBOUND_EVENTS]
        if unknown:
            raise ValueError(f"partner {partner.name}: nobody may send {unknown} from outside")
        keys = "|".join(m.replace(".", r"\.") for m in partner.may)
        permissions.append(
            {
                "user": partner.name,
                "vhost": vhost,
                "configure": "^$",
                "write": r"^jiayuan\.inbound$",
                "read": rf"^jiayuan\.outcomes\.{partner.name}$",
            }
        )
        topics.append(
            {
                "user": partner.name,
                "vhost": vhost,
                "exchange": names.INBOUND_EXCHANGE,
                "write": rf"^({keys})(\.bulk)?$",
                "read": "^$",
            }
        )
    return permissions, topics


def definitions(
    vhost: str = "jiayuan",
    *,
    partners: Sequence[Partner] = PARTNERS,
    passwords: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The whole definitions document; with `passwords` (user → password) users can log in."""
    users = []
    for user in [service_user(s) for s in names.SERVICES] + [p.name for p in partners]:
        entry: dict[str, Any] = {"name": user, "tags": ""}
        if passwords and user in passwords:
            entry["password"] = passwords[user]
        else:
            entry |= {"password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256"}
        users.append(entry)
    permissions, topics = _rights(vhost, partners)
    exchanges = [*_EXCHANGES, _exchange(mark(), "fanout")]
    queues = _queues() + [_quorum(names.outcomes_queue(p.name)) for p in partners]
    bindings = _bindings() + [
        _binding(names.OUTCOMES_EXCHANGE, names.outcomes_queue(p.name), p.name) for p in partners
    ]
    return {
        "vhosts": [{"name": vhost}],
        "users": users,
        "permissions": permissions,
        "topic_permissions": topics,
        "policies": [{"vhost": vhost, **p} for p in _policies()],
        "exchanges": [{"vhost": vhost, **e} for e in exchanges],
        "queues": [{"vhost": vhost, **q} for q in queues],
        "bindings": [{"vhost": vhost, **b} for b in bindings],
    }
