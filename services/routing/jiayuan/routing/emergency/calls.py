"""Who is called in for an emergency."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from .model import Emergency


class Helpers(Protocol):
    """What the directory knows of people."""

    def members(self, place: str, role: str) -> Sequence[str]:
        """The active people of a role in and under a place."""

    def skills(self, person_id: str) -> tuple[str, ...]:
        """What somebody is good at."""

    def on_leave(self, person_id: str, at: datetime) -> bool:
        """Whether somebody is on leave."""


@dataclass(frozen=True, slots=True)
class Calling:
    """Somebody who is to be called, and the part of the area that he belongs to."""

    person: str
    place: str


def to_call(
    emergency: Emergency, people: Helpers, at: datetime, called: Collection[str] = ()
) -> list[Calling]:
    """Those of the area who match the mode's terms, each once, at most as many as it says.

    Those with more of the wanted skills first, then in the directory's order. Whom an emergency that is still on has
    called (`called`) is at work already.
    """
    call = emergency.terms.call
    wanted = frozenset(call.skills)
    found: dict[str, tuple[int, Calling]] = {}
    for place, person in _of(emergency.area, call.roles, people):
        if person in found or person in called or people.on_leave(person, at):
            continue
        matching = len(wanted.intersection(people.skills(person)))
        if matching or not wanted:
            found[person] = (matching, Calling(person, place))
    ranked = sorted(found.values(), key=lambda pair: -pair[0])  # stable: in the order of the directory
    return [calling for _, calling in ranked[: call.most]]


def _of(area: Iterable[str], roles: Iterable[str], people: Helpers) -> Iterable[tuple[str, str]]:
    for role in roles:
        for place in area:
            for person in people.members(place, role):
                yield place, person
