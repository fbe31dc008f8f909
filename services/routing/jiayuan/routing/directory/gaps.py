"""What is missing in a directory that can be taken over all the same: every gap by name. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from .duty import ZONE
from .model import Directory, Person

# What is found, and in which words it is told.
KINDS: Final = {
    "no-worker": "网格没有在岗的网格员",
    "no-leader": "小区网格没有网格长",
    "no-chief": "社区没有总网格长",
    "no-grid": "社区没有小区网格",
    "no-party-group": "网格没有党小组",
    "no-clerk": "单位没有联络员",
    "no-phone": "没有联系电话",
    "no-duty": "单位没有职责",
    "no-escalation": "单位没有逐级上报人",
    "no-partner": "系统对接的单位没有写明哪个系统",
    "no-convener": "街道大工委没有召集人",
    "no-full-time": "街道大工委没有专职委员",
    "no-head": "大工委兼职成员单位没有在大工委任职的负责人",
    "no-mediator": "街道没有评理员",
    "no-point": "街道没有服务点",
    "point-without-hours": "服务点没有开放时间",
    "point-without-service": "服务点没有服务项目",
    "roster-hole": "该时段无人值班",
    "roster-ends": "值班表到期，此后视为一直在岗",
    "leave-without-stand-in": "请假无人替班",
    "stand-in-away": "替班人也不在岗",
    "team-without-lead": "调解队伍没有队长",
    "team-without-member": "调解队伍没有队员",
    "policy-unit": "政策指定的单位不在名录中",
}
# These say that something is poorer than it could be; the others that a case would go astray.
MINOR: Final = frozenset(
    ("no-party-group", "no-escalation", "no-partner", "no-duty", "no-phone", "roster-ends", "no-head")
)


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is missing: what kind of gap, whose (a code or id, and in words), and more words."""

    kind: str
    key: str
    name: str
    more: str = ""

    def __str__(self) -> str:
        return f"{KINDS[self.kind]}：{self.name}（{self.key}）{self.more}"

    @property
    def minor(self) -> bool:
        """Whether cases find their way all the same."""
        return self.kind in MINOR


def find(
    directory: Directory,
    at: datetime,
    days: int = 14,
    phones: Mapping[str, Any] | None = None,
    policy_units: frozenset[str] = frozenset(),
) -> list[Gap]:
    """Every gap as of a time, with the rosters and leave of the days that follow.

    `phones`: who can be reached, by the id that notices go to; None when that isn't known.
    """
    return [
        *_tree(directory),
        *_units(directory, policy_units),
        *_committees(directory),
        *_helpers(directory),
        *_rosters(directory, at, days),
        *_leaves(directory, at, days),
        *(_phones(directory, phones) if phones is not None else ()),
    ]


def _tree(d: Directory) -> Iterator[Gap]:
    with_grids = {g.parent for g in d.grids.values()}
    for place in d.places.values():
        if place.kind in ("community", "village"):
            if d.chief(place.code) is None:
                yield Gap("no-chief", place.code, place.name)
            if place.code not in with_grids:
                yield Gap("no-grid", place.code, place.name)
    for grid in d.grids.values():
        if not d.workers(grid.code):
            yield Gap("no-worker", grid.code, grid.name)
        if grid.kind == "compound" and d.leader(grid.code) is None:
            yield Gap("no-leader", grid.code, grid.name)
        if not grid.party_group:
            yield Gap("no-party-group", grid.code, grid.name)


def _units(d: Directory, policy_units: frozenset[str]) -> Iterator[Gap]:
    for unit in d.units.values():
        if not unit.active:
            continue
        if not unit.clerk:
            yield Gap("no-clerk", unit.code, unit.name)
        if not unit.duties:
            yield Gap("no-duty", unit.code, unit.name)
        if not unit.escalation:
            yield Gap("no-escalation", unit.code, unit.name)
        if unit.system == "bus" and not unit.partner:
            yield Gap("no-partner", unit.code, unit.name)
    for code in sorted(policy_units):
        if d.unit(code) is None:
            yield Gap("policy-unit", code, code)


def _committees(d: Directory) -> Iterator[Gap]:
    heads = {s.unit for s in d.seats.values() if s.active}
    for street in d.streets():
        committee = d.committee(street.code)
        if not committee.conveners:
            yield Gap("no-convener", street.code, street.name)
        if not committee.full_time:
            yield Gap("no-full-time", street.code, street.name)
    if d.seats:
        for unit in d.units.values():
            if (
                unit.active
                and unit.member == "part_time"
                and unit.kind != "association"
                and unit.code not in heads
            ):
                yield Gap("no-head", unit.code, unit.name)


def _helpers(d: Directory) -> Iterator[Gap]:
    with_points = {p.street for p in d.points.values()}
    of_county = any(d.people[i].role == "mediator" for i in d.of_place(d.county.code))
    for street in d.streets():
        if not of_county and not d.members(street.code, "mediator"):
            yield Gap("no-mediator", street.code, street.name)
        if street.code not in with_points:
            yield Gap("no-point", street.code, street.name)
    for point in d.points.values():
        if not any(point.week):
            yield Gap("point-without-hours", point.code, point.name)
        if not point.services:
            yield Gap("point-without-service", point.code, point.name)
    for team in d.teams.values():
        if team.active and not team.members:
            yield Gap("team-without-member", team.code, team.name)
        elif team.active and not team.lead:
            yield Gap("team-without-lead", team.code, team.name)


def _rosters(d: Directory, at: datetime, days: int) -> Iterator[Gap]:
    """When nobody is on duty in a grid: the first such span of each grid, in the days to come."""
    end = at + timedelta(days=days)
    if d.shifts:
        for grid in d.grids.values():
            hole = _hole(d, grid.code, at, end)
            if hole is not None:
                yield Gap("roster-hole", grid.code, grid.name, f"：{_said(hole[0])} 至 {_said(hole[1])}")
    today, last = at.astimezone(ZONE).date(), end.astimezone(ZONE).date()
    ends: dict[str, Any] = {}
    for shift in d.shifts:
        if shift.mode == "normal":
            ends[shift.who] = max(ends.get(shift.who, shift.last), shift.last)
    for who, day in ends.items():
        if today <= day < last:
            yield Gap("roster-ends", who, _name(d, who), f"：{day}")


def _hole(d: Directory, grid: str, at: datetime, end: datetime) -> tuple[datetime, datetime] | None:
    if not d.workers(grid):
        return None  # which is a gap of its own
    while at < end:
        there = d.people_on_duty(grid, "worker", at)
        until = d.duty_changes(grid, "worker", at) or end
        if not there:
            begin = at
            while until < end and not d.people_on_duty(grid, "worker", until):
                until = d.duty_changes(grid, "worker", until) or end
            return begin, min(until, end)
        at = until
    return None


def _leaves(d: Directory, at: datetime, days: int) -> Iterator[Gap]:
    end = at + timedelta(days=days)
    for leave in d.leaves:
        person = d.person(leave.person)
        if person is None or leave.end <= at or leave.start >= end:
            continue
        when = f"：{_said(leave.start)} 至 {_said(leave.end)}"
        if not leave.stand_in:
            # Workers of a grid stand in for each other by turns; a head has nobody.
            if person.role in ("leader", "chief", "mediator"):
                yield Gap("leave-without-stand-in", person.id, _words(person), when)
        elif d.stand_in(person.id, max(leave.start, at)) is None:
            yield Gap("stand-in-away", person.id, _words(person), f"：{_name(d, leave.stand_in)}{when}")


def _phones(d: Directory, phones: Mapping[str, Any]) -> Iterator[Gap]:
    for street in (*d.streets(), d.county):
        desk = f"desk-{street.code if street.kind == 'street' else d.county_street}"
        if not phones.get(desk):
            yield Gap("no-phone", desk, f"{street.name}工作台")
    for person in d.people.values():
        if person.active and not phones.get(person.id):
            yield Gap("no-phone", person.id, _words(person))
    for unit in d.units.values():
        if unit.active and not phones.get(unit.code):
            yield Gap("no-phone", unit.code, unit.name)
    for seat in d.seats.values():
        if seat.active and not phones.get(seat.id):
            yield Gap("no-phone", seat.id, seat.name)


def _name(d: Directory, code: str) -> str:
    found: Any = d.people.get(code) or d.grids.get(code) or d.places.get(code)
    return str(found.name) if found is not None else code


def _words(person: Person) -> str:
    from .model import ROLE_NAMES

    return f"{ROLE_NAMES[person.role]}{person.name}"


def _said(at: datetime) -> str:
    return f"{at.astimezone(ZONE):%Y-%m-%d %H:%M}"
