"""`jiayuan routing emergency`: what the county's duty officer types when the pages are away."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import yaml

from jiayuan.chassis.redact import mask
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import parse

from .common import FILE, WHO, fail, opened_runtime

_ZONE = ZoneInfo("Asia/Shanghai")
_REASON = click.option("--reason", required=True, help="Said to the people and kept.")


def _time(_context: click.Context, _parameter: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        return parse(value)
    except ValueError:
        pass
    try:
        return datetime.strptime(value, "%Y-%m-%d %H:%M").replace(tzinfo=_ZONE)
    except ValueError:
        raise click.BadParameter("write 2026-08-19 12:00 (local) or an RFC 3339 time") from None


@click.group()
def emergency() -> None:
    """Peace and emergency: turn a mode on for an area and a time, and off again."""


@emergency.command()
@click.argument("mode")
@click.option("--area", required=True, help="Codes of a county, streets, communities or grids, with commas.")
@click.option("--from", "starts_at", callback=_time, help="Now, if you don't say; 2026-08-19 12:00.")
@click.option("--until", "ends_at", callback=_time, help="As long as the mode lasts, if you don't say.")
@click.option("--hours", type=click.FloatRange(min=0.1), help="Instead of --until.")
@_REASON
@WHO
def declare(
    mode: str,
    area: str,
    starts_at: datetime | None,
    ends_at: datetime | None,
    hours: float | None,
    reason: str,
    who: str,
) -> None:
    """Declare MODE (see `modes`) for an area."""
    from .. import emergencies
    from ..store import emergencies as records

    if hours is not None and ends_at is not None:
        raise click.UsageError("give --until or --hours, not both")
    codes = tuple(c for c in area.replace("，", ",").replace(" ", "").split(",") if c)
    try:
        with opened_runtime() as runtime, runtime.work() as work:
            begins = starts_at or work.now
            until = begins + timedelta(hours=hours) if hours is not None else ends_at
            wish = emergencies.Wish(mode, codes, mask(reason)[:500], who, starts_at, until)
            id_, new = emergencies.declare(work, wish)
            row = records.emergency_of(work, id_)
    except emergencies.NotPossible as error:
        fail(error.problems)
        return
    click.echo(f"{id_}{'' if new else ' (declared already)'}: {_line(row)}")


@emergency.command()
@click.argument("emergency_id")
@_REASON
@WHO
def lift(emergency_id: str, reason: str, who: str) -> None:
    """Lift an emergency now: pauses end, limits and rosters are those of peace again."""
    from .. import emergencies
    from ..store import emergencies as records

    with opened_runtime() as runtime, runtime.work() as work:
        row = _locked(work, emergency_id)
        done = emergencies.lift(work, row, who, mask(reason)[:500])
        after = records.emergency_of(work, emergency_id)
    click.echo(f"{_line(after)}{'' if done else ' (it was over before)'}")


@emergency.command()
@click.argument("emergency_id")
@click.option("--until", "ends_at", required=True, callback=_time, help="2026-08-20 12:00")
@_REASON
@WHO
def extend(emergency_id: str, ends_at: datetime, reason: str, who: str) -> None:
    """Move the end of an emergency that isn't over, later or sooner."""
    from .. import emergencies
    from ..store import emergencies as records

    try:
        with opened_runtime() as runtime, runtime.work() as work:
            emergencies.extend(work, _locked(work, emergency_id), ends_at, who, mask(reason)[:500])
            after = records.emergency_of(work, emergency_id)
    except emergencies.NotPossible as error:
        fail(error.problems)
        return
    click.echo(_line(after))


@emergency.command("list")
@click.option("--state", type=click.Choice(("on", "coming", "over", "all")), default="all", show_default=True)
def list_(state: str) -> None:
    """What is on, what is to come, what was; the newest first."""
    from ..store import emergencies as records

    with opened_runtime() as runtime, runtime.work() as work:
        rows = records.list_emergencies(work, state, 100)
        for row in rows:
            click.echo(f"{row.id}  {_line(row)}")
    if not rows:
        click.echo("none")


@emergency.command()
@click.argument("emergency_id")
def show(emergency_id: str) -> None:
    """One emergency: its terms, its history, how many cases are under it, and what is left to do."""
    from ..api.emergencies import with_progress
    from ..emergency import terms_of

    with opened_runtime() as runtime, runtime.work() as work:
        row = _found(work, emergency_id)
        document = with_progress(work, row)
    click.echo(f"{row.id}  {_line(row)}")
    click.echo(f"word to the people: {terms_of(row.terms).word}")
    click.echo(f"called in: {document['called']}")
    click.echo(f"open cases under it: {document['cases']['under']}, paused {document['cases']['paused']}")
    left = document["being_brought_in_line"]
    click.echo(f"streets still being brought in line: {', '.join(left) if left else 'none'}")
    for step in row.history:
        ends = _local(parse(step["ends_at"]))
        click.echo(
            f"  {_local(parse(step['at']))} {step['action']} by {step['by']}, until {ends}: {step['reason']}"
        )


@emergency.command()
def modes() -> None:
    """The modes that can be declared now."""
    from .. import emergencies

    with opened_runtime() as runtime, runtime.work() as work:
        policy = emergencies.policy_at(work, work.now)
    click.echo(f"emergency policy {policy.version}")
    for terms in policy.modes.values():
        who = "county and desks" if "desk" in terms.who else "county"
        click.echo(f"{terms.code:<12} rank {terms.rank}  {terms.name}  ({who}; lasts {terms.lasts})")


@emergency.group()
def policy() -> None:
    """The table of modes and of the warnings that turn them on."""


@policy.command("check")
@FILE
def policy_check(file: Path) -> None:
    """Check a table; exit code 1 when it is wrong."""
    from .. import emergency as pure

    try:
        table = pure.load(file.read_text(encoding="utf-8"))
    except pure.EmergencyPolicyError as error:
        fail(error.problems)
        return
    click.echo(
        f"emergency policy {table.version}: {len(table.modes)} modes, {len(table.alerts)} warnings: good"
    )


@policy.command("import")
@FILE
@WHO
def policy_import(file: Path, who: str) -> None:
    """Take over a table; it holds for what is declared from its effective_from on."""
    from .. import emergencies
    from .. import emergency as pure

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        with opened_runtime() as runtime, runtime.work() as work:
            table = emergencies.import_policy(work, document, who)
    except yaml.YAMLError as error:
        fail([FieldProblem("emergency", f"is not YAML: {error}")])
    except pure.EmergencyPolicyError as error:
        fail(error.problems)
    else:
        click.echo(f"emergency policy {table.version} from {table.effective_from}: {len(table.modes)} modes")


def _found(work: Any, id_: str, *, lock: bool = False) -> Any:
    from ..store import emergencies as records
    from ..store import is_uuid

    row = records.emergency_of(work, id_, lock=lock) if is_uuid(id_) else None
    if row is None:
        raise click.ClickException(f"there is no emergency {id_}")
    return row


def _locked(work: Any, id_: str) -> Any:
    return _found(work, id_, lock=True)


def _local(at: datetime) -> str:
    return f"{at.astimezone(_ZONE):%Y-%m-%d %H:%M}"


def _line(row: Any) -> str:
    over = f"，{_local(row.lifted_at)}由{row.lifted_by}解除" if row.lifted_at else ""
    return (
        f"{row.mode} {row.reason}：{'、'.join(row.area)}，{_local(row.starts_at)}至{_local(row.ends_at)}"
        f"（{row.declared_by}宣布）{over}"
    )
