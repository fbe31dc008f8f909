"""`jiayuan routing case …`: cases shown, listed and moved, for a named member of staff.

Whoever stands at this command line can reach the database; what they do is done as somebody who has the right to it,
with the same rights and the same errors as by HTTP, and is kept with the login and the reason (`acting`).
"""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from jiayuan.chassis.errors import Problem

from .common import opened_runtime, say

_LOCAL: Final = "cli"


class _Lazy(click.Group):
    """Makes the commands of the moves from the machine's table when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *moves()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or moves().get(cmd_name)


@click.group(cls=_Lazy)
def case() -> None:
    """Show, list and move cases as a named member of staff; it is kept who did, for whom and why."""


# -- as whom -----------------------------------------------------------------------------------------


def _as_whom(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="The whole answer as JSON."),
        click.option(
            "--operator",
            default=getpass.getuser,
            show_default="your login",
            help="Who stands at this command line; kept with what is done.",
        ),
        click.option(
            "--token-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Instead of --as: that person's bearer token; or set JIAYUAN_TOKEN.",
        ),
        click.option("--inspector", default=None, help="They inspect in this street; 000 for the county."),
        click.option("--county", is_flag=True, help="They are of the county."),
        click.option("--convener", default=None, help="They convene this street's joint committee."),
        click.option("--desk", default=None, help="They sit at the desk of this street."),
        click.option("--unit", default=None, help="They are clerk of this unit."),
        click.option(
            "--as",
            "subject",
            default="",
            help="Whose id: a person of the directory, or with an option below.",
        ),
    ):
        command = option(command)
    return command


_OPTIONS: Final = (
    "subject",
    "unit",
    "desk",
    "convener",
    "county",
    "inspector",
    "token_file",
    "operator",
    "as_json",
)


def _who(runtime: Any, work: Any, given: Mapping[str, Any]) -> Any:
    """The member of staff that is acted for: of a token, or named; Problem when nobody is, or nobody known."""
    from jiayuan.chassis import tokens
    from jiayuan.chassis.tokens import Principal

    from .. import book

    token = given["token_file"].read_text().strip() if given["token_file"] else ""
    token = token or ("" if given["subject"] else os.environ.get("JIAYUAN_TOKEN", ""))
    if token:
        return tokens.verify(runtime.settings, token)
    subject, directory = given["subject"], book.of(work).directory
    if not subject:
        raise Problem(401, "Nobody is named", "give --as, --token-file or JIAYUAN_TOKEN")
    if given["unit"]:
        if directory.unit(given["unit"]) is None:
            raise Problem(422, "Nobody is named", f"there is no unit {given['unit']}")
        return Principal(subject, ("unit_clerk",), unit=given["unit"])
    for role in ("desk", "convener", "inspector"):
        street = given[role]
        if street:
            if street not in {p.code for p in directory.streets()} and not (
                role == "inspector" and street == "000"
            ):
                raise Problem(422, "Nobody is named", f"there is no street {street}")
            return Principal(subject, (role,), street="" if street == "000" else street)
    if given["county"]:
        return Principal(subject, ("county",))
    person = directory.person(subject)
    if person is None:
        raise Problem(
            422,
            "Nobody is named",
            f"there is nobody with the id {subject[:64]} in the directory: say --unit, --desk, --convener, "
            "--inspector or --county",
        )
    role = {"worker": "grid_worker", "leader": "grid_leader", "chief": "grid_chief"}.get(
        person.role, person.role
    )
    return Principal(subject, (role,), street=person.street)


@contextmanager
def _working(given: Mapping[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
    """(runtime, work, who); what is refused is said in lines, exit code 1."""
    try:
        with opened_runtime() as runtime, runtime.work() as work:
            yield runtime, work, _who(runtime, work, given)
    except Problem as error:
        _say_problem(error, given["as_json"])
        sys.exit(1)


def _say_problem(error: Problem, as_json: bool) -> None:
    if as_json:
        document: dict[str, Any] = {"title": error.title, "status": error.status, "detail": error.detail}
        if error.problems:
            document["errors"] = [
                {"field": p.field, "problem": p.problem, "allowed": p.allowed} for p in error.problems
            ]
        click.echo(json.dumps(document | error.extra, ensure_ascii=False, default=str), err=True)
        return
    say(error)
    if "sequence" in error.extra:
        leg = f"，环节 {error.extra['leg_state']}" if error.extra.get("leg_state") else ""
        click.echo(f"  now: {error.extra['state']}{leg}, sequence {error.extra['sequence']}", err=True)
        click.echo(f"  allowed: {', '.join(error.extra['allowed']) or 'nothing'}", err=True)
    if error.extra.get("case"):
        for line in _lines(error.extra):
            click.echo(f"  {line}", err=True)


# -- looking -----------------------------------------------------------------------------------------


@case.command("show")
@click.argument("name", metavar="CASE")
@click.option("--why", default="", help="Kept with the reading.")
@_as_whom
def show(name: str, why: str, **given: Any) -> None:
    """Show a case (id or number) as that member of staff sees it; the reading is kept."""
    from ..api.cases import read

    with _working(given) as (_, work, who):
        found, _ = read(work, who, name, why, via=_LOCAL, operator=given["operator"])
    if given["as_json"]:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    for line in _lines(found):
        click.echo(line)
    for step in found["steps"]:
        leg = f" {step['leg'][:8]}" if step["leg"] else ""
        why_ = f" — {step['reason']}" if step["reason"] else ""
        click.echo(
            f"  {step['sequence']:>3}  {step['at'][:19]}  {step['action']}{leg}  {step['actor']}{why_}"
        )


def _lines(view: Mapping[str, Any]) -> Iterator[str]:
    doc = view["case"]
    category = doc["category"].get("name") or doc["category"]["code"]
    yield f"{doc['number']}  {doc['state']}  {doc['colour']}  {category}  {doc['title']}  (sequence {view['sequence']})"
    for leg in doc["legs"]:
        name = view["assignees"].get(leg["assignee"]["id"], "")
        moves = ", ".join(view["moves"].get(leg["id"], ()))
        yield f"  leg {leg['id']}  {leg['kind']}  {leg['assignee']['id']} {name}  {leg['state']}" + (
            f"  [{moves}]" if moves else ""
        )
    for asked in doc.get("approvals") or ():
        if not asked.get("decided_at"):
            yield f"  approval {asked['id']}  {asked['kind']}  of {asked['of']}: {asked['reason']}"
    if view.get("case_moves"):
        yield f"  [{', '.join(view['case_moves'])}]"


@case.command("list")
@click.option("--street", default=None)
@click.option("--state", multiple=True)
@click.option("--colour", multiple=True)
@click.option("--of-unit", "of_unit", default=None, help="Cases in which this unit holds a leg.")
@click.option("--overdue", is_flag=True, help="Cases with an approval that is overdue.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 200))
@click.option("--cursor", default=None, help="As the page before said.")
@_as_whom
def list_(
    street: str | None,
    state: tuple[str, ...],
    colour: tuple[str, ...],
    of_unit: str | None,
    overdue: bool,
    limit: int,
    cursor: str | None,
    **given: Any,
) -> None:
    """The cases that this member of staff may see: open ones, the oldest first, or --state closed."""
    from jiayuan.contracts.check import explain

    from ..api.cases import CasesQuery, page

    query: dict[str, Any] = {"street": street, "unit": of_unit, "limit": limit, "cursor": cursor}
    query |= {"state": list(state), "colour": list(colour), "approvals": "overdue" if overdue else None}
    query = {k: v for k, v in query.items() if v}
    with _working(given) as (_, work, who):
        problems = explain(CasesQuery, query)
        if problems:
            raise Problem(422, "The query is wrong", problems=problems)
        found = page(work, who, query)
    if given["as_json"]:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    for item in found["cases"]:
        doc = item["case"]
        marks = "".join(
            mark
            for mark, there in (
                ("督", item["supervised"]),
                ("催", item["urged"]),
                ("挂", item["paused"]),
                ("批", item["waiting"]),
            )
            if there
        )
        holders = "、".join(leg["name"] for leg in item["legs"])
        click.echo(f"{doc['number']}  {doc['state']:9} {doc['colour']:6} {marks:4} {doc['title']}  {holders}")
    if found["next"]:
        click.echo(f"more: --cursor {found['next']}")


@case.command("log")
@click.option("--case", "name", default=None, help="The id or number of a case.")
@click.option("--who", default=None, help="Who was acted for.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
def log(name: str | None, who: str | None, limit: int) -> None:
    """What was done and refused at this command line: when, by which login, for whom, why."""
    from jiayuan.chassis.config import Settings, load
    from jiayuan.chassis.work import reading

    from .. import store
    from ..acting import no_case
    from .common import environment, refusals

    with refusals(), reading(load(Settings, "routing", environment())) as work:
        case_id = store.find_ids(work, [name]).get(name) if name else None
        if name and case_id is None:
            raise no_case(name)
        rows = store.actings(work, case=case_id, who=who, limit=limit)
    for row in rows:
        said = f" ({row.problem})" if row.problem else ""
        click.echo(
            f"{row.at:%Y-%m-%dT%H:%M:%S%z}  {row.operator} for {row.who} [{row.roles}]  {row.action} "
            f"{row.number or row.case_id or ''}  {row.outcome}{said} — {row.why}"
        )
    if not rows:
        click.echo("none")


# -- moving ------------------------------------------------------------------------------------------


def moves() -> dict[str, click.Command]:
    """A command for each move of `acting.WORDS`, whose options are the fields of its words."""
    if not _made:
        from .. import acting
        from ..case.machine import TABLE

        for move, schema in acting.WORDS.items():
            made = _command(move, TABLE[move].chinese, TABLE[move].on == "leg", schema)
            for name in {"decide": ("approve",)}.get(move, (move,)):
                _made[name] = made
    return _made


_made: dict[str, click.Command] = {}


def _command(move: str, chinese: str, on_leg: bool, schema: Any) -> click.Command:
    from ..acting import Act

    fields = dict(schema().fields)

    def run(name: str, why: str, sequence: int | None, **given: Any) -> None:
        leg, approval = given.pop("on_leg", None), given.pop("on_approval", None)
        words = _words(fields, given)
        what = Act(name, move, leg, approval, words, sequence)
        _do(what, why, {k: given[k] for k in _OPTIONS})

    command: Callable[..., Any] = _as_whom(run)
    for field_name, field in reversed(fields.items()):
        command = _option(field_name, field)(command)
    command = click.option(
        "--sequence", type=int, default=None, help="The version of the case that you saw."
    )(command)
    command = click.option("--why", required=True, help="Why you act for them; kept in the audit.")(command)
    if move == "decide":
        command = click.option("--approval", "on_approval", required=True, help="The id of what was asked.")(
            command
        )
    elif on_leg:
        command = click.option("--leg", "on_leg", default=None, help="The id of the leg; else theirs.")(
            command
        )
    command = click.argument("name", metavar="CASE")(command)
    return click.command(move, help=f"{chinese}。Words: {(schema.__doc__ or '').strip().splitlines()[0]}")(
        command
    )


def _option(name: str, field: Any) -> Callable[..., Any]:
    from marshmallow import fields, validate

    # --unit says whose clerk somebody is.
    flag = "--to-unit" if name == "unit" else f"--{name.replace('_', '-')}"
    words = field.metadata.get("description", "") + (" Required." if field.required else "")
    chosen = next((v.choices for v in field.validators if isinstance(v, validate.OneOf)), None)
    if name == "assignee":
        return click.option("--to", "word_assignee", help="person:ID or unit:CODE. Required.")
    if isinstance(field, fields.Boolean):
        return click.option(f"{flag}/--not-{flag[2:]}", f"word_{name}", default=None, help=words)
    kind: Any = click.Choice([str(c) for c in chosen]) if chosen else None
    if isinstance(field, fields.Integer):
        kind = int
    if isinstance(field, fields.List):
        single = flag.removesuffix("s") if name == "assistants" else flag
        return click.option(single, f"word_{name}", multiple=True, help=words + " May be repeated.")
    return click.option(flag, f"word_{name}", type=kind, default=None, help=words)


def _words(fields: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name in fields:
        value = given.get(f"word_{name}")
        if value is None or value == ():
            continue
        if name == "assignee":
            type_, _, id_ = value.partition(":")
            value = {"type": type_, "id": id_}
        out[name] = list(value) if isinstance(value, tuple) else value
    return out


def _do(what: Any, why: str, given: Mapping[str, Any]) -> None:
    """One move, and its line in the audit, also when it is refused."""
    from .. import acting, book, store
    from ..api.common import sight, view
    from ..api.moves import with_current

    refused: Problem | None = None
    with _working(given) as (_, work, who):
        known = book.of(work)
        try:
            done = acting.act(work, known, acting.actor_of(who, known), what)
        except Problem as error:
            refused = with_current(work, who, known, what.case, error, via=_LOCAL, operator=given["operator"])
            case_id = store.find_ids(work, [what.case]).get(what.case)
            outcome, sequence, leg = "refused", error.extra.get("sequence"), what.leg
        else:
            seen = sight(who, known, done.case)
            answer = view(done.case, who, known, seen, at=work.now) if seen is not None else None
            case_id, sequence, leg = done.case.id, done.case.sequence, done.leg
            outcome = "done" if done.moves else "nothing"
        store.note_acting(
            work,
            {
                "operator": given["operator"],
                "who": who.subject,
                "roles": ",".join(who.roles),
                "action": what.move,
                "case_id": case_id,
                "leg": leg or "",
                "sequence": sequence,
                "outcome": outcome,
                "problem": f"{refused.status} {refused.detail or refused.title}" if refused else "",
                "why": why,
            },
        )
    if refused is not None:
        _say_problem(refused, given["as_json"])
        sys.exit(1)
    if given["as_json"]:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=1))
        return
    click.echo("done" if outcome == "done" else "it had been done before: nothing was changed")
    for line in _lines(answer) if answer is not None else ():
        click.echo(line)
