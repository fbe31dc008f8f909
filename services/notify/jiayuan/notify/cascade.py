"""Which channel a notice takes, and when it goes on to the next one. Pure; the policy is `data/cascade.yaml`.

A rule names its channels in order. The first that is open and that the person has an address for (and, in the
mini-program, a consent credit) gets the notice. It goes on to the next when that channel refuses the person, or when
policy says so: not read within a time, or no answer where nobody can be asked for one. Without such a policy it never
goes to two.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final

from jiayuan.contracts.schemas.common import NOTICE_ROLES

from . import own
from .states import Kind

URGENCIES: Final = {0: "now", 1: "soon", 2: "later"}
REFUSALS: Final[frozenset[Kind]] = frozenset({"refused", "no_consent", "content_refused"})
"""After these the person is still to be told, another way."""
_KEYS: Final = {"urgency", "role", "unread", "unanswered"}
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class BadPolicy(ValueError):
    """cascade.yaml is wrong; says where and what is allowed."""


@dataclass(frozen=True, slots=True)
class Policy:
    """When a notice goes on though its channel has taken it or may have: not read, not answered in this time (None:
    never)."""

    unread: timedelta | None = None
    unanswered: timedelta | None = None


class Policies:
    """The policies by urgency and role; the first that fits counts."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """BadPolicy for what is no policy."""
        self.version = str(document.get("version") or "")
        if not self.version:
            raise BadPolicy("cascade.yaml: version is missing")
        self._rows = [_row(entry, n) for n, entry in enumerate(document.get("policies") or ())]

    def of(self, urgency: int, role: str) -> Policy:
        """The policy of a notice; one that says nothing where none fits."""
        word = URGENCIES[urgency]
        for urgencies, roles, policy in self._rows:
            if word in urgencies and role in roles:
                return policy
        return Policy()


def _row(entry: Any, number: int) -> tuple[frozenset[str], frozenset[str], Policy]:
    where = f"cascade.yaml: policies[{number}]"
    if not isinstance(entry, Mapping) or set(entry) - _KEYS:
        raise BadPolicy(f"{where}: must be a mapping of some of {', '.join(sorted(_KEYS))}")
    return (
        _words(entry, "urgency", URGENCIES.values(), where),
        _words(entry, "role", NOTICE_ROLES, where),
        Policy(_span(entry, "unread", where), _span(entry, "unanswered", where)),
    )


def _words(entry: Mapping[str, Any], key: str, allowed: Collection[str], where: str) -> frozenset[str]:
    words = entry.get(key, list(allowed))
    if not isinstance(words, list) or not words or set(words) - set(allowed):
        raise BadPolicy(f"{where}.{key}: must be a list of some of {', '.join(allowed)}")
    return frozenset(words)


def _span(entry: Mapping[str, Any], key: str, where: str) -> timedelta | None:
    text = entry.get(key)
    if text is None:
        return None
    number, unit = str(text)[:-1], str(text)[-1:]
    if not number.isdecimal() or unit not in _UNITS or not 0 < int(number) * _UNITS[unit] <= 3 * 86400:
        raise BadPolicy(f"{where}.{key}: is {text!r}, it must be a time like 90s, 10m or 2h, at most 3d")
    return timedelta(seconds=int(number) * _UNITS[unit])


def remaining(channels: Sequence[str], current: str) -> Sequence[str]:
    """The channels from `current` on; all when the rule doesn't name it (any more)."""
    return channels[channels.index(current) :] if current in channels else channels


def following(channels: Sequence[str], current: str) -> Sequence[str]:
    """The channels after `current`."""
    return channels[channels.index(current) + 1 :] if current in channels else ()


def first(channels: Sequence[str], able: Collection[str]) -> str | None:
    """The first of the channels that can be used."""
    return next((c for c in channels if c in able), None)


@cache
def bundled() -> Policies:
    """The policies of this build."""
    return Policies(own.document("cascade.yaml"))
