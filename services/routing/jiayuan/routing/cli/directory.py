"""`jiayuan routing directory …`: who is where, from when on, and what is missing."""

from __future__ import annotations

import getpass
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
import yaml

from jiayuan.contracts.check import FieldProblem

from ..directory import DirectoryError, bundled, parse, read
from ..directory.documents import OPTIONAL, time_of
from ..directory.duty import ZONE
from .common import FILE, WHO, fail, opened_runtime

_SHOWN: Final = 40


class When(click.ParamType):
    """A date, 2027-01-01, or a time, 2027-01-01 08:00; China's unless it has an offset."""

    name = "date or time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time; a date is its beginning."""
        if isinstance(value, datetime):
            return value
        try:
            return time_of(value)
        except ValueError:
            self.fail(f"{value!r} is no date or time; allowed: 2027-01-01 or 2027-01-01 08:00", param, ctx)


WHEN: Final = When()
EFFECTIVE: Final = click.option(
    "--effective", type=WHEN, help="From when on it holds.  [default: now; a date is its beginning]"
)
AS_OF: Final = click.option("--as-of", type=WHEN, help="As of another time than now.")
REASON: Final = click.option("--reason", help="Kept with the version.")
DRY: Final = click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")


def _load(file: Path) -> tuple[dict[str, Any], Any]:
    """The document of a file, and who can say where in a workbook something is. DirectoryError."""
    if file.suffix.lower() in (".xlsx", ".xlsm", ".xls", ".et"):
        from ..directory import workbook

        return workbook.load(file)
    try:
        return parse(file.read_text(encoding="utf-8")), None
    except UnicodeDecodeError:
        problem = FieldProblem(file.name, "is no text in UTF-8", ".xlsx, .json or .yaml")
        raise DirectoryError([problem]) from None


def _refused(error: DirectoryError, reader: Any = None) -> None:
    fail([reader.said(p) for p in error.problems] if reader is not None else error.problems)


@contextmanager
def _work() -> Iterator[tuple[Any, Any]]:
    """(runtime, work) of a transaction; refusals are said, and nothing has changed then."""
    try:
        with opened_runtime() as runtime, runtime.work() as work:
            yield runtime, work
    except DirectoryError as error:
        _refused(error)


def _local(at: datetime) -> str:
    return f"{at.astimezone(ZONE):%Y-%m-%d %H:%M}"


@click.group()
def directory() -> None:
    """Streets, communities, grids with their people, units, committees, helpers, points, rosters."""


@directory.command("seed")
@click.option("--grids", default=874, show_default=True, help="Compound and building grids together.")
@click.option(
    "--workers", default=3500, show_default=True, help="All people of the grids, leaders and chiefs too."
)
@click.option("--seed", "number", default=1, show_default=True, help="The same number gives the same people.")
@click.option(
    "--cadres", type=int, help="Cadres checked in to a grid.  [default: 8 for 7 people of the grids]"
)
@click.option("--volunteers", type=int, help="[default: 4 for 7 people of the grids]")
@click.option("--mediators", type=int, help="[default: 1 for 18 people of the grids]")
@click.option(
    "--roster",
    default="2026-01-01/2028-12-31",
    show_default=True,
    help="From when to when the workers have shifts; empty: none, everybody is always on duty.",
)
@click.option("--basic", is_flag=True, help="Only the tree with its people, and the units.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="A file instead of the terminal."
)
def directory_seed(
    grids: int,
    workers: int,
    number: int,
    cadres: int | None,
    volunteers: int | None,
    mediators: int | None,
    roster: str,
    basic: bool,
    out: Path | None,
) -> None:
    """Make a directory of invented people in the real streets and communities (JSON)."""
    import orjson

    from ..seed import More, seed

    first, slash, last = roster.partition("/")
    if roster and not slash:
        raise click.UsageError("--roster is two dates: 2026-01-01/2028-12-31")
    more = More(
        workers * 8 // 7 if cadres is None else cadres,
        workers * 4 // 7 if volunteers is None else volunteers,
        workers // 18 if mediators is None else mediators,
        (first, last) if roster else None,
    )
    try:
        document = seed(
            bundled("places"), bundled("units")["units"], grids, workers, number, None if basic else more
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
    if out is None:
        click.echo(text)
        return
    out.write_text(text + "\n", encoding="utf-8")
    click.echo(
        f"{out}: {len(document['grids'])} grids, {len(document['people'])} people, "
        f"{len(document['units'])} units"
        + "".join(f", {len(document[k])} {k}" for k in OPTIONAL if document.get(k))
    )


@directory.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@AS_OF
@click.option("--days", default=14, show_default=True, help="Rosters and leave of so many days to come.")
@click.option("--strict", is_flag=True, help="Also what is only poorer than it could be makes exit code 1.")
@click.option("--only", multiple=True, metavar="KIND", help="Only gaps of this kind; may be given again.")
def directory_check(
    file: Path | None, as_of: datetime | None, days: int, strict: bool, only: tuple[str, ...]
) -> None:
    """Name every gap of the directory in the database, or of a FILE without taking it over.

    Exit code 1: the file is wrong, or a case would go astray; 0: good, perhaps poorer than it could be.
    """
    from ..directory import gaps, phones

    unknown = sorted(set(only) - set(gaps.KINDS))
    if unknown:
        raise click.UsageError(f"--only {unknown[0]}; allowed: {', '.join(gaps.KINDS)}")
    from .. import changes
    from .. import policy as policies

    wanted = frozenset(policies.bundled().units())
    reader = None
    try:
        if file is not None:
            document, reader = _load(file)
            at = as_of or datetime.now(ZONE)
            if document.get("partial"):
                _check_part(document, reader, at)
                return
            document = changes.unmasked(document)
            known = read(document)
            reached: Mapping[str, Any] = phones(document)
        else:
            from ..store import directory as rows

            with opened_runtime() as runtime, runtime.work() as work:
                at = as_of or work.now
                known = rows.read_directory(work, at)
                reached = rows.contacts(work, at)
    except DirectoryError as error:
        _refused(error, reader)
        return
    found = [g for g in gaps.find(known, at, days, reached, wanted) if not only or g.kind in only]
    grid_people = sum(p.role in ("worker", "leader", "chief") for p in known.people.values())
    said = f"{len(known.grids)} grids, {grid_people} people, {len(known.units)} units"
    for gap in sorted(found, key=lambda g: (g.minor, g.kind, g.key)):
        click.echo(f"{'· ' if gap.minor else '✗ '}{gap.kind} {gap}", err=not gap.minor)
    serious = sum(not g.minor for g in found)
    click.echo(f"{said}: " + (f"{serious} gaps, {len(found) - serious} minor" if found else "good"))
    if serious or (strict and found):
        sys.exit(1)


def _check_part(document: dict[str, Any], reader: Any, at: datetime) -> None:
    """A workbook of some sheets: with what the database has of the others."""
    from .. import changes

    with opened_runtime() as runtime, runtime.work() as work:
        try:
            found = changes.plan(work, runtime.sealer, document, max(at, work.now))
        except DirectoryError as error:
            _refused(error, reader)
            return
    click.echo(f"good; {_counted(found.counts())}")


@directory.command("import")
@FILE
@WHO
@EFFECTIVE
@REASON
@DRY
@click.option("--allow-removals", is_flag=True, help="Also when a large part of a list would end.")
def directory_import(
    file: Path, who: str, effective: datetime | None, reason: str | None, dry_run: bool, allow_removals: bool
) -> None:
    """Take over a directory (.xlsx, .json, .yaml): what is in it holds from now, or from another time on.

    Who isn't in a list any more is inactive from then on; a list or sheet that isn't there stays as it is. Nothing is
    taken over when anything is wrong, and only what differs is written.
    """
    from .. import changes
    from ..imports import unknown_units

    reader = None
    try:
        document, reader = _load(file)
        source = f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()[:16]}"
        with opened_runtime() as runtime, runtime.work() as work:
            if dry_run:
                found = changes.plan(work, runtime.sealer, document, effective, removals=allow_removals)
                _show(found)
                return
            done = changes.change(
                work,
                runtime.sealer,
                document,
                who,
                effective,
                source=source,
                reason=reason,
                removals=allow_removals,
            )
    except DirectoryError as error:
        _refused(error, reader)
        return
    known = done.directory
    communities = sum(p.kind not in ("county", "street") for p in known.places.values())
    grid_people = sum(p.active and p.role in ("worker", "leader", "chief") for p in known.people.values())
    click.echo(
        f"directory version {done.version}: {len(known.streets())} streets, {communities} communities, "
        f"{len(known.grids)} grids, {grid_people} people, {len(known.units)} units; {done.changed} changed"
    )
    _say(done)
    if missing := unknown_units(known):
        click.echo(f"the policy names units that are not in it: {', '.join(missing)}", err=True)


def _say(done: Any) -> None:
    click.echo(_counted(done.counts))
    for id_, legs in sorted(done.holding.items()):
        click.echo(
            f"{id_} leaves with {legs} open legs: they stay theirs until somebody is given them", err=True
        )
    if done.pending:
        click.echo(
            f"holds from {_local(done.at)} on; `jiayuan routing directory cancel {done.version}` takes it back"
        )


def _counted(counts: Mapping[str, Mapping[str, int]]) -> str:
    parts = [f"{kind} " + ", ".join(f"{n} {what}" for what, n in c.items()) for kind, c in counts.items()]
    return "; ".join(parts) or "nothing differs"


def _show(found: Any) -> None:
    """The difference that a plan makes, without phone numbers."""
    for difference in found.differences[:_SHOWN]:
        entry = difference.entry
        name = entry.doc.get("name", "")
        mark = {"added": "+", "changed": "~", "ended": "-"}[difference.what]
        click.echo(f"{mark} {entry.kind} {entry.key} {name}".rstrip())
        if difference.what == "changed":
            for field, before, after in difference.fields():
                click.echo(f"    {field}: {_brief(before)} → {_brief(after)}")
    more = len(found.differences) - _SHOWN
    if more > 0:
        click.echo(f"… and {more} more")
    click.echo(f"from {_local(found.at)} on: {_counted(found.counts())}; nothing was changed")


def _brief(value: Any) -> str:
    return "nothing" if value is None else str(value)[:80]


@directory.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@AS_OF
@click.option("--with-phones", is_flag=True, help="Phone numbers in clear; who did it and why is kept.")
@click.option("--reason", help="Why the numbers are needed in clear.")
@click.option("--sheet", multiple=True, help="Only this sheet of a workbook; may be given again.")
@WHO
def directory_export(
    file: Path,
    as_of: datetime | None,
    with_phones: bool,
    reason: str | None,
    sheet: tuple[str, ...],
    who: str,
) -> None:
    """Write the directory to a .xlsx, .json or .yaml file, which can be edited and imported again.

    Phone numbers are masked, and stay as they are when they come back so.
    """
    from jiayuan.chassis.tokens import Principal

    from .. import changes, reads

    if file.suffix.lower() not in (".xlsx", ".json", ".yaml", ".yml"):
        raise click.UsageError(f"{file.name}: a file is .xlsx, .json or .yaml")
    if sheet:
        from ..directory.sheets import BY_NAME

        unknown = [s for s in sheet if s not in BY_NAME]
        if unknown or file.suffix.lower() != ".xlsx":
            raise click.UsageError(f"--sheet is one of {'、'.join(BY_NAME)}, of an .xlsx file")
    if with_phones and not (reason or "").strip():
        raise click.UsageError("--with-phones needs a --reason, which is kept")
    with _work() as (runtime, work):
        at = as_of or work.now
        document = changes.export(work, runtime.sealer, at, clear=with_phones)
        reads.note(
            work,
            Principal(who, ()),
            "export",
            "directory",
            why=reason or "masked",
            fields=("names", "phones") if with_phones else ("names",),
            via="cli",
            operator=getpass.getuser(),
        )
    about = {"截至": _local(at), "导出人": who, "电话": "明文" if with_phones else "已打码，导入时保持不变"}
    _write(file, document, about, sheet)
    click.echo(
        f"{file}: as of {_local(at)}, {len(document['grids'])} grids, {len(document['people'])} people, "
        f"{len(document['units'])} units" + (", phones in clear" if with_phones else "")
    )


def _write(
    file: Path, document: dict[str, Any], about: Mapping[str, str], sheets: tuple[str, ...] = ()
) -> None:
    """A whole file or none, which nobody else can read while it is written."""
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        if file.suffix.lower() == ".xlsx":
            from ..directory import workbook

            workbook.save(new, document, about, sheets)
        elif file.suffix.lower() == ".json":
            import orjson

            new.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
        else:
            new.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


@directory.command("versions")
@click.option("--pending", is_flag=True, help="Only those that are still to come.")
@click.option("--most", type=click.IntRange(1, 10_000), default=50, show_default=True)
def directory_versions(pending: bool, most: int) -> None:
    """List the changes of the directory: who, when, from when on, and whether they hold."""
    from ..store import directory as rows

    with _work() as (_runtime, work):
        found = rows.versions(work, most, pending=pending)
        now = work.now
    for v in found:
        state = "cancelled" if v.cancelled_at else "in effect" if v.effective_at <= now else "to come"
        why = f" ({v.cancelled_reason or v.reason})" if v.cancelled_reason or v.reason else ""
        click.echo(
            f"{v.version:>5}  {_local(v.effective_at)}  {state:9}  {v.action:10} by {v.made_by} at {_local(v.made_at)}"
            f"  {v.source}  {_counted(v.summary)}{why}"
        )
    if not found:
        click.echo("none")


@directory.command("cancel")
@click.argument("version", type=int)
@click.option("--reason", required=True, help="Kept with the version.")
@WHO
def directory_cancel(version: int, reason: str, who: str) -> None:
    """Take back a change that is still to come."""
    from .. import changes

    with _work() as (_runtime, work):
        changes.cancel(work, version, who, reason)
    click.echo(f"version {version} is cancelled")


# -- grids that change -------------------------------------------------------------------------------


def _operate(
    action: str, operation: Any, who: str, effective: datetime | None, reason: str | None, dry: bool
) -> None:
    from .. import changes

    with _work() as (runtime, work):
        if dry:
            _show(changes.plan_operation(work, runtime.sealer, operation, effective))
            return
        done = changes.operate(work, runtime.sealer, operation, who, effective, action=action, reason=reason)
    click.echo(f"directory version {done.version}: {action.replace('_', '-')}")
    _say(done)


def _pairs(given: tuple[str, ...], option: str) -> dict[str, str]:
    out = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals or not key or not value:
            raise click.UsageError(f"{option} {pair}: must be {option} A=B")
        if key in out:
            raise click.UsageError(f"{option} {key} is there twice")
        out[key] = value
    return out


@directory.command("split")
@click.argument("grid")
@click.option(
    "--into", multiple=True, required=True, metavar="CODE=NAME", help="At least two, in their order."
)
@click.option(
    "--person", multiple=True, metavar="ID=CODE", help="Who goes to which; the others to the first."
)
@click.option("--building", multiple=True, metavar="CODE=CODE", help="Which building goes to which compound.")
@EFFECTIVE
@REASON
@WHO
@DRY
def directory_split(
    grid: str,
    into: tuple[str, ...],
    person: tuple[str, ...],
    building: tuple[str, ...],
    effective: datetime | None,
    reason: str | None,
    who: str,
    dry_run: bool,
) -> None:
    """One grid becomes several; its own code among them goes on, smaller."""
    from ..directory import operations

    parts = _pairs(into, "--into"), _pairs(person, "--person"), _pairs(building, "--building")
    _operate("split", lambda d: operations.split(d, grid, *parts), who, effective, reason, dry_run)


@directory.command("merge")
@click.argument("grids", nargs=-1, required=True)
@click.option("--into", required=True, metavar="CODE=NAME", help="A new grid, or one of them that goes on.")
@click.option("--leader", help="Who leads it; the other leaders become workers.  [default: the first leader]")
@EFFECTIVE
@REASON
@WHO
@DRY
def directory_merge(
    grids: tuple[str, ...],
    into: str,
    leader: str | None,
    effective: datetime | None,
    reason: str | None,
    who: str,
    dry_run: bool,
) -> None:
    """Several grids of one parent become one."""
    from ..directory import operations

    [(code, name)] = _pairs((into,), "--into").items()
    _operate(
        "merge", lambda d: operations.merge(d, grids, code, name, leader), who, effective, reason, dry_run
    )


@directory.command("hand-over")
@click.argument("grid")
@click.option("--to", help="The community, or compound of a building, that it comes under.")
@click.option("--as", "code", default="", help="Its new code.  [default: the new parent's, with its old end]")
@click.option("--person", metavar="OLD=NEW", help="Instead of the grid: who takes it over from whom.")
@EFFECTIVE
@REASON
@WHO
@DRY
def directory_hand_over(
    grid: str,
    to: str | None,
    code: str,
    person: str | None,
    effective: datetime | None,
    reason: str | None,
    who: str,
    dry_run: bool,
) -> None:
    """A grid comes under another parent with its people; or one of its people hands it over to somebody else."""
    from ..directory import operations

    if (to is None) == (person is None):
        raise click.UsageError("either --to or --person")
    if person is not None:
        [(old, new)] = _pairs((person,), "--person").items()
        _operate(
            "hand_over",
            lambda d: operations.replace_person(d, grid, old, new),
            who,
            effective,
            reason,
            dry_run,
        )
    else:
        _operate(
            "hand_over",
            lambda d: operations.hand_over(d, grid, str(to), code),
            who,
            effective,
            reason,
            dry_run,
        )


@directory.command("merge-person")
@click.argument("kept")
@click.argument("gone")
@EFFECTIVE
@REASON
@WHO
@DRY
def directory_merge_person(
    kept: str, gone: str, effective: datetime | None, reason: str | None, who: str, dry_run: bool
) -> None:
    """Two records of one person become one: KEPT goes on with the shifts, leave, teams and skills of both, GONE ends.

    Where KEPT is, its role, hours and phone stay. Its open cases stay with GONE until somebody hands them on.
    """
    from ..directory import operations

    _operate(
        "merge_person",
        lambda d: operations.merge_person(d, kept, gone),
        who,
        effective,
        reason,
        dry_run,
    )


# -- asking ------------------------------------------------------------------------------------------


@directory.command("who")
@click.argument("place")
@click.option("--on", "day", type=WHEN, help="A day or a time.  [default: now]")
@click.option("--role", help="worker, leader, chief, cadre, volunteer, mediator")
def directory_who(place: str, day: datetime | None, role: str | None) -> None:
    """Say who belonged to a grid, community or street on a day, and who is or was on duty at that time."""
    from ..directory import ROLE_NAMES
    from ..store import directory as rows

    with _work() as (_runtime, work):
        at = day or work.now
        known = rows.read_directory(work, at)
        load = rows.loads_of(work, list(known.of_place(place))) if day is None else {}
    found: Any = known.grids.get(place) or known.places.get(place)
    if found is None:
        gone = known.retired.get(place)
        if gone is None:
            raise click.ClickException(f"there is no {place} as of {_local(at)}")
        after = "、".join(gone.successors) or "none"
        raise click.ClickException(
            f"{gone.grid.name} is no more since {_local(gone.since)}; after it: {after}"
        )
    click.echo(f"{found.name} ({place}) as of {_local(at)}")
    for id_ in known.of_place(place):
        person = known.people[id_]
        if role and person.role != role:
            continue
        duty = "on duty" if known.on_duty(id_, at) else "on leave" if known.on_leave(id_, at) else "off duty"
        other = known.stand_in(id_, at)
        more = f", {known.people[other].name} ({other}) stands in" if other else ""
        more += f", {load[id_]} open legs" if load.get(id_) else ""
        click.echo(f"  {id_}  {ROLE_NAMES[person.role]}  {person.name}  {duty}{more}")


@directory.command("history")
@click.argument("place")
def directory_history(place: str) -> None:
    """Say everything that ever held of a grid or community: its own changes, and its people's days."""
    from ..directory import ROLE_NAMES
    from ..store import directory as rows

    with _work() as (_runtime, work):
        own = [e for kind in ("grid", "place") for e in rows.history(work, kind, place)]
        people = rows.people_of(work, place)
    if not own:
        raise click.ClickException(f"there never was a {place}")
    for e in own:
        came = "、".join(e.doc.get("predecessors", ()))
        click.echo(
            f"{_span(e)}  {e.doc['name']}  under {e.doc.get('parent', '')}"
            + (f"  from {came}" if came else "")
        )
    for e in people:
        click.echo(f"{_span(e)}  {ROLE_NAMES[e.doc['role']]}  {e.doc['name']} ({e.key})")


def _span(entry: Any) -> str:
    return f"{_local(entry.valid_from)} – {_local(entry.valid_to) if entry.valid_to else '':16}"
