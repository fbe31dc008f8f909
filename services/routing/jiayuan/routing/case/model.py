"""What a case is made of. Pure values; times are RFC 3339 text as in the events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, Literal

AssigneeType = Literal["person", "unit", "desk"]

# A leg is live while its assignee owes something; done counts for the result; the others led nowhere.
LIVE: Final = ("offered", "accepted", "answered")
MAIN: Final = ("handle", "lead")
OVER: Final = ("closed", "voided", "merged")
DESK_STEP: Final = 3
# Every event of a case holds all of its reports, and an event has at most 64 KiB.
MOST_REPORTS: Final = 200


Ground = Literal["state", "right", "duty"]


class NotAllowed(Exception):
    """A move that isn't allowed: why this one isn't, and which are instead (those that the actor has, where one asked).

    `ground`: the `state` forbids it to everybody, the actor has no `right` to it, or has done another part of the
    work, which separates the `duty`.
    """

    def __init__(self, move: str, why: str, allowed: Sequence[str] = (), ground: Ground = "state") -> None:
        self.move, self.why, self.allowed, self.ground = move, why, tuple(allowed), ground
        super().__init__(f"{move} is not allowed: {why}")


@dataclass(frozen=True, slots=True)
class Assignee:
    """Who holds a leg: a person of a grid, a unit, or a street's desk."""

    type: AssigneeType
    id: str


@dataclass(frozen=True, slots=True)
class Rung:
    """A step of the ladder above a grid worker: 1 leader, 2 chief, 3 the street's desk."""

    step: int
    level: str
    assignee: Assignee


@dataclass(frozen=True, slots=True)
class Leg:
    """One assignment. Limits are seconds, None means no clock; times are RFC 3339 text.

    `hands`: the people who acted on the leg of a unit or a desk; on a person's leg it is the person.
    `misdirected`: it was returned because the rule had sent it to the wrong place.
    """

    id: str
    kind: str
    level: str
    step: int
    assignee: Assignee
    state: str
    response_limit: int | None
    finish_limit: int | None
    offered_at: str
    accepted_at: str | None = None
    answered_at: str | None = None
    done_at: str | None = None
    ended_at: str | None = None
    reason: str | None = None
    report_in_limit: int | None = None
    arrived_at: str | None = None
    misdirected: bool | None = None
    hands: tuple[str, ...] = ()

    @property
    def live(self) -> bool:
        """Whether its assignee still owes something."""
        return self.state in LIVE


@dataclass(frozen=True, slots=True)
class Rating:
    """What the reporter said of the result; `satisfaction` is 1 to 5 or unknown, `solved` None where nobody can say."""

    solved: bool | None
    satisfaction: int | None
    at: str
    by: str


@dataclass(frozen=True, slots=True)
class Case:
    """A case as of `sequence`. `rating` (kept until it counts) isn't part of its events.

    What most cases never have stands last: it is left out of the document while it is empty. Pauses, extensions,
    approvals, urgings, supervisions and the inspection are as in the document (contracts' Span, Extension, Approval …).
    """

    id: str
    number: str
    sequence: int
    state: str
    kind: str
    title: str
    category: Mapping[str, Any]
    livelihood: bool
    colour: str
    level: str
    street: str
    community: str | None
    grid: str | None
    decision: Mapping[str, Any]
    reports: tuple[Mapping[str, Any], ...]
    first_received_at: str
    opened_at: str
    legs: tuple[Leg, ...] = ()
    whistle: Mapping[str, Any] | None = None
    citizen_limit: int | None = None
    confirmation_limit: int | None = None
    resolved_at: str | None = None
    closed_at: str | None = None
    confirmed: str | None = None
    satisfaction: int | None = None
    pauses: tuple[Mapping[str, Any], ...] = ()
    extensions: tuple[Mapping[str, Any], ...] = ()
    reopened: int = 0
    rating: Rating | None = None
    approvals: tuple[Mapping[str, Any], ...] = ()
    urged: tuple[Mapping[str, Any], ...] = ()
    supervised: tuple[Mapping[str, Any], ...] = ()
    inspection: Mapping[str, Any] | None = None
    reworked: int = 0
    callback_limit: int | None = None
    emergency: str | None = None
    merged_into: str | None = None
    mediation: Mapping[str, Any] | None = None
    offered_to: tuple[Mapping[str, Any], ...] = ()
    point: str | None = None
    solved: bool | None = None

    def leg(self, leg_id: str) -> Leg | None:
        """The leg of that id."""
        return next((leg for leg in self.legs if leg.id == leg_id), None)

    @property
    def live_legs(self) -> tuple[Leg, ...]:
        """The legs whose assignees still owe something."""
        return tuple(leg for leg in self.legs if leg.state in LIVE)


_NAMES: Final = tuple(Case.__dataclass_fields__)
_values: Final = attrgetter(*_NAMES)
# The slots' own setters: `dataclasses.replace` goes through a constructor of forty parameters, five times as long.
_SLOTS: Final[Mapping[str, Callable[[Case, Any], None]]] = {n: Case.__dict__[n].__set__ for n in _NAMES}
_setters: Final = tuple(_SLOTS.values())


def evolve(case: Case, **fields: Any) -> Case:
    """The case with other values of these fields, as `dataclasses.replace`: every step of every case makes one."""
    new: Case = object.__new__(Case)
    for put, value in zip(_setters, _values(case), strict=True):
        put(new, value)
    for name, value in fields.items():
        _SLOTS[name](new, value)
    return new


def made(fields: Mapping[str, Any]) -> Case:
    """The case with exactly these fields; KeyError when one is missing."""
    new: Case = object.__new__(Case)
    for name, put in _SLOTS.items():
        put(new, fields[name])
    return new


@dataclass(frozen=True, slots=True)
class Change:
    """What was done, by whom, when, and the event that says so.

    `evidence` (links, and what was seen on arrival) stays with the step; `reports` came into the case or went out
    of it.
    """

    event: str
    action: str
    actor: str
    at: str
    leg: str | None = None
    reason: str | None = None
    evidence: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """A case after one step, and the change that led there."""

    case: Case
    change: Change


Moves = tuple[Moved, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """A leg to be: to whom, at which level, with which response limit (seconds), and for a whistled unit how soon it
    has to report in."""

    assignee: Assignee
    level: str
    step: int
    response_limit: int | None
    report_in: int | None = None
