"""Who mediates a dispute: a mediator 評理員 near by who knows such matters, or a team. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from .directory import Directory, Team
from .rotation import Staff

Where = tuple[str, str | None, str | None]


def places(directory: Directory, where: Where) -> tuple[tuple[str, ...], ...]:
    """Where mediators are looked for, the nearest first: community and street, then the county's own (`=`)."""
    street, community, _ = where
    county = (f"={directory.county.code}",)
    if street == directory.county_street:
        return (county,)
    return ((community, street) if community else (street,), county)


def needs_team(importance: int, reports: int, least_importance: int, least_reports: int) -> bool:
    """Whether one mediator isn't enough."""
    return importance >= least_importance or reports >= least_reports


def team_for(
    directory: Directory,
    staff: Staff,
    where: Where,
    skills: Collection[str],
    at: datetime,
    without: Collection[str],
) -> tuple[Team, str] | None:
    """A team that knows such disputes, else any, the nearest first, and who of it is asked: its lead, or the first
    member on duty. None when no team has anybody on duty."""
    near = [place.removeprefix("=") for part in places(directory, where) for place in part]
    teams = directory.teams_of(*near)
    knowing = [t for t in teams if set(skills) & set(t.skills)]
    for team in (*knowing, *(t for t in teams if t not in knowing)):
        person = _of(staff, team, at, without)
        if person is not None:
            return team, person
    return None


def _of(staff: Staff, team: Team, at: datetime, without: Collection[str]) -> str | None:
    order = dict.fromkeys((team.lead, *team.members) if team.lead else team.members)
    for person in order:
        if person not in without and staff.on_duty(person, at):
            return person
    return None
