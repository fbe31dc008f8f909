"""`jiayuan sla calendar …`: working calendars as versions."""

from __future__ import annotations

import getpass
import hashlib
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import click
import orjson
import yaml

from jiayuan.contracts.times import iso

from .. import calendar as calendars
from .. import days as days_of
from ..calendar import CalendarError, Day
from .common import Works, recomputed, told, works

_FORMS: Final = ("csv", "ics", "yaml")
_SUFFIXES: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".ics": "ics",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "yaml",
}
_KNOWN = "; those that there are: jiayuan sla calendar list"
_WAIT = click.option("--wait/--no-wait", default=True, help="Compute the open clocks again before returning.")


@click.group("calendar")
def calendar() -> None:
    """Working calendars: hours, holidays, make-up workdays."""


@calendar.command("import")
@click.argument("source")
@click.option("--name", default="county", show_default=True, help="The calendar that the days are for.")
@click.option("--year", "years", type=int, multiple=True, help="Only this year of SOURCE; may be repeated.")
@click.option("--note", default="", help="Where it is from, such as the number of the notice.")
@click.option("--format", "form", type=click.Choice(_FORMS), help="Of the standard input, when SOURCE is -.")
@_WAIT
def import_(source: str, name: str, years: tuple[int, ...], note: str, form: str | None, wait: bool) -> None:
    """Import a new version of a calendar from SOURCE, and compute every open clock again.

    SOURCE is a file, .csv or .ics with the days of whole years, which take the place of those that the calendar
    had; or .yaml, .yml or .json with a whole calendar; or - for the standard input, with --format; or the word
    chinesecalendar, for the State Council's days of --year out of the installed package of that name. When anything
    is wrong nothing goes in: exit code 1.
    """
    try:
        form, data = _read(source, form)
        if form == "yaml":
            document = _document(source, data)
            found = None
            name = str(document.get("calendar"))
            calendars.read(document)
        else:
            found = _found(source, form, data, years)
    except (CalendarError, days_of.DaysError) as error:
        _refused(error)
    open_work = works()
    with open_work() as work:
        before = _newest(work, name)
    if found is not None:
        if before is None:
            click.echo(f"there is no calendar {name}: import a whole one first (.yaml)", err=True)
            sys.exit(1)
        old, base = before
        try:
            document = days_of.merged(old, base, found)
            calendars.read(document)
        except CalendarError as error:
            _refused(error)
        for remark in days_of.strange(old, found):
            click.echo(f"remark: {remark}")
        if note:
            document["sources"] |= dict.fromkeys(map(str, found.years), note)
    _store(open_work, name, document, note or source, wait)


@calendar.command("day")
@click.argument("name")
@click.argument("day")
@click.option("--holiday", help="It is off, and is called so.")
@click.option("--workday", help="It is a make-up workday, and is called so.")
@click.option("--hours", help="It has these hours, such as 09:00-12:00,13:00-15:00.")
@click.option("--regular", is_flag=True, help="It is a day like others.")
@_WAIT
def day_(
    name: str,
    day: str,
    holiday: str | None,
    workday: str | None,
    hours: str | None,
    regular: bool,
    wait: bool,
) -> None:
    """Put DAY (2026-07-10) of calendar NAME right, as a new version, and compute every open clock again."""
    when = calendars.day_of(day)
    said = [holiday is not None, workday is not None, hours is not None, regular]
    if when is None or sum(said) != 1:
        raise click.UsageError(
            "a DAY such as 2026-07-10, and one of --holiday, --workday, --hours, --regular"
        )
    what: Day | None = None
    try:
        if hours is not None:
            what = days_of.hours(hours, "")
        elif not regular:
            kind = "holiday" if holiday is not None else "workday"
            what = Day(kind, holiday or workday or "")
    except days_of.DaysError as error:
        _refused(error)
    open_work = works()
    with open_work() as work:
        before = _newest(work, name)
    if before is None:
        click.echo(f"there is no calendar {name}{_KNOWN}", err=True)
        sys.exit(1)
    document = days_of.edited(*before, when, what)
    try:
        calendars.read(document)
    except CalendarError as error:
        _refused(error)
    _store(open_work, name, document, f"{when} put right", wait)


@calendar.command("list")
def list_() -> None:
    """The versions of all calendars; the ones that hold have a star."""
    from .. import books, store

    with works()() as work:
        newest, rows = books.calendars(work), store.calendars(work)
    for r in rows:
        star = "*" if newest[r.name].version == r.version else " "
        click.echo(
            f"{star} {r.name}@{r.version}  known until {r.known_until or '-'}  {r.imported_at:%Y-%m-%d %H:%M}Z "
            f"by {r.imported_by}  {r.digest[:12]}  {r.note}"
        )
    for name in calendars.bundled_documents():
        known = calendars.bundled(name).known_until
        click.echo(
            f"{'*' if newest[name].version == 0 else ' '} {name}@0  known until {known}  comes with sla"
        )


@calendar.command("show")
@click.argument("name")
@click.option("--version", type=int, help="Another than the newest; 0 is the one that comes with sla.")
@click.option("--year", type=int, help="The days of this year that differ, with their weekdays.")
def show(name: str, version: int | None, year: int | None) -> None:
    """A calendar's document, or a year of it."""
    from .. import store

    with works()() as work:
        document = store.calendar_document(work, name, version) if version != 0 else None
    if document is None and not version:
        document = calendars.bundled_documents().get(name)
    if document is None:
        click.echo(f"there is no calendar {name}{'' if version is None else f'@{version}'}{_KNOWN}", err=True)
        sys.exit(1)
    if year is None:
        click.echo(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), nl=False)
        return
    found = calendars.read(document)
    for day, what in sorted(found.days.items()):
        if day.year == year:
            click.echo(f"{day} {calendars.WEEKDAYS[day.weekday()]}  {what.kind:8} {what.name}")
    whole = [date(year, 1, 1) + timedelta(days=n) for n in range(366)]
    worked = sum(bool(found.hours(d)) for d in whole if d.year == year)
    unknown = (
        "" if found.known_until is None or found.known_until.year >= year else "; its holidays are not known"
    )
    click.echo(f"{year}: {worked} working days{unknown}")


@calendar.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True))
def check(file: Path | None) -> None:
    """Look at FILE (a whole calendar, or days as CSV or ICS) without a database; nothing goes in.

    Without FILE: how far the holidays of the calendars in use are known, and which clocks reach beyond. Exit code 1
    when something is wrong, or when it is time to import a year.
    """
    if file is None:
        sys.exit(1 if _horizon() else 0)
    try:
        form, data = _read(str(file), None)
        if form == "yaml":
            found = calendars.read(_document(file.name, data))
            click.echo(
                f"calendar {found.name}: {len(found.days)} days that differ, known until {found.known_until}"
            )
            return
        read = _found(file.name, form, data, ())
    except (CalendarError, days_of.DaysError) as error:
        _refused(error)
    for remark in days_of.strange(calendars.bundled(), read):
        click.echo(f"remark: {remark}")
    click.echo(f"{len(read.days)} days of {', '.join(map(str, read.years))}")


def _horizon() -> bool:
    from .. import watching

    with works()() as work:
        found = watching.look(work)
    for line in found:
        click.echo(("! " if line.short else "  ") + line.sentence)
        for clock in line.clocks:
            click.echo(f"    {clock.kind} of case {clock.case_id}, due {iso(clock.due_at)}")
        if line.beyond > len(line.clocks):
            click.echo(f"    and {line.beyond - len(line.clocks)} more")
    if not found:
        click.echo("no policy uses a calendar whose holidays end")
    return any(line.short for line in found)


def _read(source: str, form: str | None) -> tuple[str, bytes]:
    """What SOURCE holds and in which form: csv, ics, yaml, or package for chinesecalendar."""
    if source == "chinesecalendar":
        return "package", b""
    if source == "-":
        if form is None:
            raise days_of.DaysError(f"say what the standard input is: --format {', '.join(_FORMS)}")
        return form, sys.stdin.buffer.read()
    path = Path(source)
    found = _SUFFIXES.get(path.suffix.lower())
    if found is None or not path.is_file():
        raise days_of.DaysError(
            f"{source}: a file .csv, .ics, .yaml or .json that is there, or chinesecalendar"
        )
    return found, path.read_bytes()


def _document(name: str, data: bytes) -> dict[str, Any]:
    try:
        found = yaml.safe_load(data.decode("utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise days_of.DaysError(f"{name} is no YAML or JSON: {error}") from None
    if not isinstance(found, dict):
        raise days_of.DaysError(f"{name} holds no mapping")
    return found


def _found(source: str, form: str, data: bytes, years: tuple[int, ...]) -> days_of.Found:
    if form == "package":
        if not years:
            raise days_of.DaysError("say which year: --year 2027")
        parts = [days_of.from_package(year) for year in years]
        return days_of.Found(source, {d: w for part in parts for d, w in part.days.items()})
    reader = days_of.from_ics if form == "ics" else days_of.from_csv
    found = reader(data, Path(source).name)
    return found.of(years) if years else found


def _newest(work: Any, name: str) -> tuple[calendars.Calendar, dict[str, Any]] | None:
    from .. import books, store

    found = books.calendars(work).get(name)
    if found is None:
        return None
    document = store.calendar_document(work, name) or calendars.bundled_documents()[name]
    return found, document


def _refused(error: CalendarError | days_of.DaysError) -> Any:
    if isinstance(error, CalendarError):
        told(error.problems)
    else:
        click.echo(str(error), err=True)
    click.echo("nothing was imported", err=True)
    sys.exit(1)


def _store(open_work: Works, name: str, document: dict[str, Any], note: str, wait: bool) -> None:
    from .. import books, store

    # JSON has no dates; what is stored must read as what was checked.
    raw = orjson.dumps(_plain(document))
    found = calendars.read(orjson.loads(raw))
    who = getpass.getuser()
    with open_work() as work:
        version = store.add_calendar(
            work,
            {
                "name": name,
                "document": orjson.Fragment(raw),
                "digest": hashlib.sha256(raw).hexdigest(),
                "known_until": found.known_until.isoformat() if found.known_until else None,
                "imported_at": iso(work.now),
                "imported_by": who,
                "note": note[:200],
            },
        )
        if version is None:
            click.echo("somebody else has just imported that calendar: look at it and try again", err=True)
            sys.exit(1)
        why = f"calendar {name}@{version}"
        store.ask_recomputation(work, why, work.now, who)
    with open_work() as work:
        books.refresh(work)
    known = f", holidays known until {found.known_until}" if found.known_until else ""
    click.echo(f"{name}@{version}: {len(found.days)} days that differ{known}")
    recomputed(open_work, why, wait)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value.isoformat() if isinstance(value, date) else value
