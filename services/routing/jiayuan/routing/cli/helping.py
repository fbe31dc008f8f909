"""`jiayuan routing mediation | wish | point`: disputes, wishes, appointments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import click

from jiayuan.contracts.check import FieldProblem, explain

from .common import WHO, fail, opened_runtime

_CASE = click.argument("case")
_BODY = click.option("--json", "body", required=True, help="The request as the HTTP interface takes it.")


@contextmanager
def _case(name: str) -> Iterator[Any]:
    """(work, book, moving, case) of a locked case; what is refused ends the command with exit code 1."""
    from .. import book as books
    from .. import mediate, store
    from ..case import NotAllowed
    from ..moving import Moving

    try:
        with opened_runtime() as runtime, runtime.work() as work:
            moving = Moving(work, store.find_ids(work, [name]).values())
            if not moving.cases:
                raise click.ClickException(f"there is no case {name}")
            yield work, books.of(work), moving, next(iter(moving.cases.values()))
    except mediate.Refused as error:
        fail(error.problems)
    except NotAllowed as error:
        allowed = f" (allowed: {', '.join(error.allowed)})" if error.allowed else ""
        raise click.ClickException(f"{error}{allowed}") from None


def _read(schema: Any, body: str) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except json.JSONDecodeError as error:
        fail([FieldProblem("--json", f"is not JSON: {error}")])
        raise
    found = explain(schema, document)
    if found:
        fail([FieldProblem(p.field.removeprefix("data."), p.problem, p.allowed) for p in found])
    return dict(document)


def _say(document: Any) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=1, default=str))


def _day(given: str | None) -> date | None:
    try:
        return date.fromisoformat(given) if given else None
    except ValueError:
        raise click.BadParameter(f"{given!r} is no day, such as 2026-03-02") from None


# -- disputes ----------------------------------------------------------------------------------------


@click.group()
def mediation() -> None:
    """Disputes before a mediator 評理員 or a mediation team."""


@mediation.command("show")
@_CASE
def mediation_show(case: str) -> None:
    """Sessions, outcome and agreement of a dispute."""
    from .. import mediate

    with _case(case) as (work, _, _, found):
        document = mediate.document(work, found)
        if not document:
            raise click.ClickException(f"case {found.number} is before no mediator")
        _say({"case": found.number, "state": found.state, **document})


@mediation.command("due")
@click.option("--until", help="Those whose day has come by then; today when absent.")
@click.option("--street", help="Of one street only.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True)
def mediation_due(until: str | None, street: str | None, limit: int) -> None:
    """Agreements that somebody has to look after: was it done?"""
    from .. import store
    from ..directory.duty import ZONE

    day = _day(until)
    with opened_runtime() as runtime, runtime.work() as work:
        rows = store.mediations_to_check(work, day or work.now.astimezone(ZONE).date(), street, limit)
    for row in rows:
        by = row["team"] or row["mediator"]
        click.echo(
            f"{row['number']}  {row['street']}  应于{row['perform_by']}履行  {row['check_on']}回访  调解：{by}"
        )
    click.echo(f"{len(rows)} due")


@mediation.command("session")
@_CASE
@_BODY
@WHO
def mediation_session(case: str, body: str, who: str) -> None:
    """Fix a session: --json '{"at": "2026-03-05T09:30:00+08:00", "place": "社区评理室"}'."""
    from .. import mediate

    document = _read(mediate.Session, body)
    with _case(case) as (work, book, moving, found):
        number, _ = mediate.fix(work, book, moving, found, who, document)
        click.echo(f"session {number} of {found.number}")


@mediation.command("outcome")
@_CASE
@click.argument("number", type=int)
@_BODY
@WHO
def mediation_outcome(case: str, number: int, body: str, who: str) -> None:
    """Say what came of a session, with its agreement, its next step or the next session."""
    from .. import mediate

    document = _read(mediate.Held, body)
    with _case(case) as (work, book, moving, found):
        mediate.hold(work, book, moving, found, number, who, document)
        after = moving.cases[found.id]
        click.echo(f"{found.number}: {document['outcome']}, {after.state}")


@mediation.command("follow-up")
@_CASE
@_BODY
@WHO
def mediation_follow_up(case: str, body: str, who: str) -> None:
    """Say whether what was agreed was done: --json '{"performed": "yes", "note": "…"}'."""
    from .. import mediate

    document = _read(mediate.FollowUp, body)
    with _case(case) as (work, book, moving, found):
        again, _ = mediate.follow_up(work, book, moving, found, who, document)
        click.echo(f"{found.number}: {document['performed']}" + (", open again" if again else ""))


# -- wishes ------------------------------------------------------------------------------------------


@click.group()
def wish() -> None:
    """Wishes and needs for help: whose means match, and who was asked."""


@wish.command("match")
@_CASE
@click.option("--need", help="A skill, in the directory's words, instead of what the wish says.")
def wish_match(case: str, need: str | None) -> None:
    """Whose means match, the best first, with the reasons; nobody is asked."""
    from ..api.helping import matched

    with _case(case) as (work, book, _, found):
        rows = matched(work, book, found, need)
        for row in rows:
            click.echo(f"{row['score']:3}  {row['id']}  {row['role']}  {'；'.join(row['reasons'])}")
        click.echo(f"{len(rows)} match")


@wish.command("offers")
@_CASE
def wish_offers(case: str) -> None:
    """Who was asked, why, and what came of it."""
    from .. import store

    with _case(case) as (work, _, _, found):
        for row in store.offers_of(work, found.id):
            click.echo(
                f"第{row['round']}轮  {row['helper']}  {row['score']}  {row['state']}  {'；'.join(row['reasons'])}"
            )


@wish.command("offer")
@_CASE
@_BODY
@WHO
def wish_offer(case: str, body: str, who: str) -> None:
    """Have a case offered: --json '{"needs": ["理发"], "most": 3, "reason": "…"}'."""
    from .. import helping, matching, mediate, store
    from ..api.helping import OfferBody

    document = _read(OfferBody, body)
    with _case(case) as (work, book, moving, found):
        known = matching.wanted_from(store.wish_of(work, found.id) or {})
        needs = tuple((n,) for n in document.get("needs") or ()) or known.needs
        want = matching.Wanted(needs, tuple(document.get("languages") or ()) or known.languages, known.times)
        to = document.get("to") or ()
        moves = helping.offered(work, book, found, want, who, document["reason"], to, document.get("most"))
        if not moves:
            raise mediate.Refused(FieldProblem("needs", "nobody's means match", "other skills, or `to`"))
        moving.take(moves[-1].case, moves)
        moving.save()
        asked = [leg.assignee.id for leg in moves[-1].case.legs if leg.state == "offered"]
        click.echo(f"{found.number} is offered to {', '.join(asked)}")


# -- appointments ------------------------------------------------------------------------------------


@click.group()
def point() -> None:
    """Appointments at service points."""


@point.command("find")
@click.argument("place")
@click.option("--service", default="", help="What is asked for.")
def point_find(place: str, service: str) -> None:
    """The nearest point for somebody of a place (grid, community or street) with room, and the others by nearness."""
    from .. import appointments, matching, store
    from .. import book as books
    from ..directory.duty import ZONE

    with opened_runtime() as runtime, runtime.work() as work:
        directory, rules = books.of(work).directory, matching.rules()
        grid = place if place in directory.grids else None
        where = directory.where(place, place, grid)
        if place not in directory.places and grid is None:
            raise click.ClickException(f"there is no grid, community or street {place}")
        taken = store.visits_of(work, work.now.astimezone(ZONE).date())
        visit = appointments.choose(
            directory.points.values(),
            service,
            where,
            work.now,
            lambda code, day: taken.get((code, day), 0),
            days=rules.days,
            slot=rules.slot,
        )
        if visit is None:
            raise click.ClickException(
                f"no service point offers {service or 'anything'} within {rules.days} days"
            )
        click.echo(
            f"{visit.point.code}  {visit.point.name}  {visit.day}  还有{visit.room}位  {'，'.join(visit.reasons)}"
        )
        for _, other in appointments.ranked(directory.points.values(), service, where):
            if other is not visit.point:
                click.echo(f"  {other.code}  {other.name}")


@point.command("visits")
@click.argument("code")
@click.option("--day", help="Today when absent.")
def point_visits(code: str, day: str | None) -> None:
    """Who comes to a point on a day."""
    from .. import store
    from ..directory.duty import ZONE

    wanted = _day(day)
    with opened_runtime() as runtime, runtime.work() as work:
        rows = store.visits_at(work, code, wanted or work.now.astimezone(ZONE).date())
    for row in rows:
        at = row["starts_at"].astimezone(ZONE).strftime("%H:%M") if row["starts_at"] else "未定"
        click.echo(f"{at}  {row['case']}  {row['service']}  {row['state']}")
    click.echo(f"{len(rows)} come")


GROUPS = (mediation, wish, point)
