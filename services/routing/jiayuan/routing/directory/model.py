"""The directory in a process's memory: the tree with its people, units, committees, helpers, points and rosters. Pure.

A `Directory` is what holds at one time. Everything that is asked of it with every report is made ready once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from jiayuan.chassis.hours import Week

from ..case import DESK_STEP, Assignee, Rung, desk_of
from .duty import Duty, Leave, Shift

GRID_ROLES: Final = ("worker", "leader", "chief")
HELPER_ROLES: Final = ("cadre", "volunteer", "mediator")
ROLES: Final = (*GRID_ROLES, *HELPER_ROLES)
GRID_KINDS: Final = ("compound", "building")
UNIT_KINDS: Final = ("department", "state_firm", "school", "hospital", "company", "association")
MEMBERS: Final = ("convener", "full_time", "part_time", "none")
SEATS: Final = ("convener", "full_time", "part_time", "organisation")
SYSTEMS: Final = ("http", "bus")
POINT_KINDS: Final = ("party_centre", "neighbour_centre", "station")
MODES: Final = ("normal", "emergency")

ROLE_NAMES: Final = {
    "worker": "网格员",
    "leader": "网格长",
    "chief": "总网格长",
    "cadre": "报到干部",
    "volunteer": "志愿者",
    "mediator": "评理员",
}
SEAT_NAMES: Final = {
    "convener": "大工委召集人",
    "full_time": "大工委专职委员",
    "part_time": "大工委兼职委员",
    "organisation": "社会组织",
}


@dataclass(frozen=True, slots=True)
class Place:
    """The county, a street, or a community or village in it: also the grid at the top of its own tree."""

    code: str
    name: str
    kind: str
    parent: str
    party_group: str = ""
    functions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grid:
    """A compound grid of a community, or a building grid of a compound. `functions` are attributes of one grid.

    `predecessors`: the grids that it was split off, merged or handed over from.
    """

    code: str
    name: str
    kind: str
    parent: str
    community: str
    street: str
    party_group: str = ""
    functions: tuple[str, ...] = ()
    predecessors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of a place. `grid`: a grid's code, or a community's (chiefs), also a street's or the county's (helpers).

    `unit`: where a cadre comes from. `week`: the hours of somebody who has no roster.
    """

    id: str
    name: str
    role: str
    grid: str
    community: str
    street: str
    active: bool = True
    skills: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    unit: str = ""
    week: Week | None = None


@dataclass(frozen=True, slots=True)
class Superior:
    """A step of a unit's escalation line; `id` is what notices go to."""

    id: str
    name: str
    post: str


@dataclass(frozen=True, slots=True)
class Unit:
    """A member unit. `partner`: the only outside system that may act for it over the bus, "" for any.

    `clerk` is told of its cases, `escalation` whom they rise to, in this order.
    """

    code: str
    name: str
    kind: str
    member: str
    clerk: str
    system: str
    partner: str = ""
    active: bool = True
    duties: tuple[str, ...] = ()
    escalation: tuple[Superior, ...] = ()


@dataclass(frozen=True, slots=True)
class Seat:
    """A seat in a street's joint committee 大工委: a person, of a unit where it is a head's or an organisation's."""

    id: str
    name: str
    seat: str
    street: str
    unit: str = ""
    post: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True)
class Committee:
    """A street's joint committee, each part in the order of the directory."""

    street: str
    conveners: tuple[Seat, ...] = ()
    full_time: tuple[Seat, ...] = ()
    part_time: tuple[Seat, ...] = ()
    organisations: tuple[Seat, ...] = ()


@dataclass(frozen=True, slots=True)
class Team:
    """A mediation team of a place; `members` are people, `lead` one of them."""

    code: str
    name: str
    place: str
    lead: str
    members: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    week: Week | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class ServicePoint:
    """A service point 黨群服務中心, 近鄰中心, 驛站. `lat` and `long` are WGS-84 degrees; the words are intake's."""

    code: str
    name: str
    kind: str
    lat: float
    long: float
    services: tuple[str, ...]
    week: Week
    capacity: int
    street: str = ""
    community: str = ""
    address: str = ""
    open_from: date | None = None
    open_until: date | None = None


@dataclass(frozen=True, slots=True)
class Retired:
    """A grid that is no more, where it was, and what came of it."""

    grid: Grid
    since: datetime
    successors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Directory:
    """A checked directory as of a time, with what routing asks of it made ready. `version` 0 is the empty one.

    `people` holds everybody who can be given something, those who have left as inactive, so that old cases can
    name them. `until`: when the next change that is known already takes effect (None: none is).
    """

    version: int
    county: Place
    places: Mapping[str, Place]
    grids: Mapping[str, Grid]
    people: Mapping[str, Person]
    units: Mapping[str, Unit]
    seats: Mapping[str, Seat] = field(default_factory=dict)
    teams: Mapping[str, Team] = field(default_factory=dict)
    points: Mapping[str, ServicePoint] = field(default_factory=dict)
    shifts: Sequence[Shift] = ()
    leaves: Sequence[Leave] = ()
    retired: Mapping[str, Retired] = field(default_factory=dict)
    until: datetime | None = None
    _pools: dict[tuple[str, str], list[str]] = field(init=False, repr=False, default_factory=dict)
    _own: dict[str, list[str]] = field(init=False, repr=False, default_factory=dict)
    _leaders: dict[str, str] = field(init=False, repr=False, default_factory=dict)
    _chiefs: dict[str, str] = field(init=False, repr=False, default_factory=dict)
    _duty: Duty = field(init=False, repr=False)
    _committees: dict[str, Committee] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        """People by every place they belong to; the leader of a compound, the chief of a community; the rosters."""
        for person in self.people.values():
            if not person.active:
                continue
            self._own.setdefault(person.grid, []).append(person.id)
            for place in self.above(person):
                self._pools.setdefault((place, person.role), []).append(person.id)
            if person.role in ("leader", "chief"):
                heads = self._leaders if person.role == "leader" else self._chiefs
                heads.setdefault(person.grid, person.id)
        object.__setattr__(self, "_duty", Duty(self.people, self.above, self.shifts, self.leaves))

    def above(self, person: Person) -> Iterable[str]:
        """The places that somebody belongs to, the nearest first: grid, compound, community, street, county."""
        grid = self.grids.get(person.grid)
        if grid is not None:
            yield grid.code
            if grid.parent != grid.community:
                yield grid.parent
        if person.community:
            yield person.community
        if person.street:
            yield person.street
        yield self.county.code

    @property
    def county_street(self) -> str:
        """The virtual street code of the county's own desk."""
        return f"{self.county.code}000"

    def streets(self) -> list[Place]:
        """The streets, by code."""
        return sorted((p for p in self.places.values() if p.kind == "street"), key=lambda p: p.code)

    def desk(self, street: str) -> Assignee:
        """The desk of a street; of the county when there is no such street."""
        known = self.places.get(street)
        return desk_of(street if known is not None and known.kind == "street" else self.county_street)

    # -- who belongs where -------------------------------------------------------------------------

    def workers(self, place: str) -> Sequence[str]:
        """The ids of the active workers in and under a grid, community or street."""
        return self._pools.get((place, "worker"), ())

    def members(self, place: str, role: str) -> Sequence[str]:
        """The ids of the active people of a role in and under a grid, community, street or the county."""
        return self._pools.get((place, role), ())

    def of_place(self, place: str) -> Sequence[str]:
        """The ids of the active people of exactly this place, in the order of the directory."""
        return self._own.get(place, ())

    def leader(self, grid: str) -> str | None:
        """The leader of a compound grid."""
        return self._leaders.get(grid)

    def chief(self, community: str) -> str | None:
        """The chief of a community."""
        return self._chiefs.get(community)

    def committee(self, street: str) -> Committee:
        """The joint committee of a street; an empty one when it has none."""
        known = self._committees.get(street)
        if known is None:
            seats = [s for s in self.seats.values() if s.street == street and s.active]
            parts = [tuple(s for s in seats if s.seat == kind) for kind in SEATS]
            known = self._committees[street] = Committee(street, *parts)
        return known

    def convener(self, street: str) -> Assignee | None:
        """The convener of a street's joint committee, to whom a refused whistle goes; None when there is none."""
        conveners = self.committee(street).conveners
        return Assignee("person", conveners[0].id) if conveners else None

    def team(self, code: str) -> Team | None:
        """An active mediation team."""
        team = self.teams.get(code)
        return team if team is not None and team.active else None

    def teams_of(self, *places: str) -> list[Team]:
        """The active teams of places, in the order of the places given."""
        return [t for place in places for t in self.teams.values() if t.place == place and t.active]

    # -- who is there ------------------------------------------------------------------------------

    def on_duty(self, person_id: str, at: datetime, mode: str = "normal") -> bool:
        """Whether somebody may be handed a case at a time: active, on shift (or standing in), not on leave.

        Whom no roster covers and who has no hours of their own is on duty always.
        """
        return self.person(person_id) is not None and self._duty.on(person_id, at, mode)

    def on_leave(self, person_id: str, at: datetime) -> bool:
        """Whether somebody is on leave."""
        return self._duty.on_leave(person_id, at)

    def stand_in(self, person_id: str, at: datetime) -> str | None:
        """Who stands in for somebody who is on leave, following stand-ins who are on leave themselves; else None."""
        return self._duty.stand_in(person_id, at)

    def people_on_duty(self, place: str, role: str, at: datetime, mode: str = "normal") -> tuple[str, ...]:
        """The ids of those of a role in and under a place who are on duty, with those who stand in for the others.

        While nobody's duty changes it is the very same tuple, so `is` tells whether something did.
        """
        return self._duty.pool((place, role), self.members(place, role), at, mode)

    def duty_changes(self, place: str, role: str, at: datetime, mode: str = "normal") -> datetime | None:
        """Until when `people_on_duty` of `at` holds for sure; None: until another directory."""
        return self._duty.pool_until((place, role), self.members(place, role), at, mode)

    def skills(self, person_id: str) -> tuple[str, ...]:
        """What somebody is good at."""
        person = self.people.get(person_id)
        return person.skills if person is not None else ()

    def languages(self, person_id: str) -> tuple[str, ...]:
        """What somebody speaks: 普通话, 闽东话, 畲语 …; () when nobody has said."""
        person = self.people.get(person_id)
        return person.languages if person is not None else ()

    # -- who answers for what ----------------------------------------------------------------------

    def where(
        self, street: str | None, community: str | None, grid: str | None
    ) -> tuple[str, str | None, str | None]:
        """Street, community and grid as the directory knows them: the lower gives the higher, else the county.

        A grid that is no more means the one that came of it, or its community when several did.
        """
        known = self._now(grid or "")
        if isinstance(known, Grid):
            return known.street, known.community, known.code
        place = self.places.get(community or "") or known
        if place is not None and place.kind not in ("county", "street"):
            return place.parent, place.code, None
        above = self.places.get(street or "")
        if above is not None and above.kind == "street":
            return above.code, None, None
        return self.county_street, None, None

    def _now(self, grid: str) -> Grid | Place | None:
        known, seen = self.grids.get(grid), {grid}
        gone = self.retired.get(grid)
        while known is None and gone is not None:
            if len(gone.successors) != 1 or gone.successors[0] in seen:
                return self.places.get(gone.grid.community)
            grid = gone.successors[0]
            seen.add(grid)
            known, gone = self.grids.get(grid), self.retired.get(grid)
        return known

    def ladder(self, person_id: str) -> tuple[Rung, ...]:
        """The rungs above somebody: leader, chief, the street's desk, as far as there are any."""
        person = self.people.get(person_id)
        if person is None:
            return (Rung(DESK_STEP, "street", desk_of(self.county_street)),)
        rungs = []
        grid = self.grids.get(person.grid)
        if person.role == "worker" and grid is not None:
            leader = self._leaders.get(grid.parent) or self._leaders.get(grid.code)
            if leader is not None:
                rungs.append(Rung(1, "grid", Assignee("person", leader)))
        chief = self._chiefs.get(person.community)
        if person.role != "chief" and chief is not None:
            rungs.append(Rung(2, "community", Assignee("person", chief)))
        return (*rungs, Rung(DESK_STEP, "street", self.desk(person.street)))

    def person(self, person_id: str) -> Person | None:
        """An active person."""
        person = self.people.get(person_id)
        return person if person is not None and person.active else None

    def unit(self, code: str) -> Unit | None:
        """An active unit."""
        unit = self.units.get(code)
        return unit if unit is not None and unit.active else None

    def seat(self, id_: str) -> Seat | None:
        """An active seat of a joint committee."""
        seat = self.seats.get(id_)
        return seat if seat is not None and seat.active else None

    def label(self, assignee: Assignee) -> str:
        """Who it is, in words for people."""
        if assignee.type == "person":
            person = self.people.get(assignee.id)
            if person is not None:
                return f"{ROLE_NAMES[person.role]}{person.name}"
            seat = self.seats.get(assignee.id)
            return f"{SEAT_NAMES[seat.seat]}{seat.name}" if seat is not None else assignee.id
        if assignee.type == "unit":
            unit = self.units.get(assignee.id)
            return unit.name if unit is not None else assignee.id
        place = self.places.get(assignee.id.removeprefix("desk-"))
        return f"{(place or self.county).name}工作台"


EMPTY: Final = Directory(0, Place("350921", "霞浦县", "county", ""), {}, {}, {}, {})
