"""`jiayuan ledger lists`: the quarter's lists at the command line."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from jiayuan.chassis.config import load
from jiayuan.chassis.errors import Problem
from jiayuan.contracts.times import parse

from ..account import width
from ..lists.claim import STANDING_NAMES, STATE_NAMES
from ..lists.demand import SOURCES
from ..lists.problem import MOST_TAKERS
from ..lists.problem import STATE_NAMES as DECISIONS
from ..lists.publishing import KIND_NAMES, KINDS
from ..lists.publishing import STATE_NAMES as LIST_STATES
from ..lists.quarter import Quarter, read
from ..lists.sheets import day, day_of
from .common import Id, OutFile, QuarterType, refusals

WHO: Final = click.option("--who", required=True, help="Who decides it; kept with the list.")
_REASON: Final = click.option("--reason", required=True, help="Kept with the list.")


def _time(_context: Any, _parameter: Any, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        return parse(value) if "T" in value else day_of(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _milestones(_context: Any, _parameter: Any, values: tuple[str, ...]) -> list[dict[str, Any]]:
    out = []
    for value in values:
        name, found, at = value.partition("=")
        if not found or not name:
            raise click.BadParameter(f"{value!r} is no NAME=2026-10-31")
        out.append({"name": name, "due_at": _time(None, None, at)})
    return out


QUARTER: Final = click.argument("quarter", type=QuarterType())
LIST: Final = click.argument("list_id", type=Id())
CLAIM: Final = click.argument("claim_id", type=Id())
NUMBER: Final = click.argument("number", type=click.IntRange(min=1))


@contextmanager
def _runtime() -> Iterator[Any]:
    """The service's database and its outbox; what is refused is said."""
    from jiayuan.chassis.service import Runtime

    from .. import handlers, store
    from ..service import LedgerSettings

    settings = load(LedgerSettings, "ledger", {"JIAYUAN_AMQP_URI": "", **os.environ})
    runtime = Runtime(settings, store.metadata, handlers.HANDLERS)
    try:
        with refusals():
            yield runtime
    finally:
        runtime.engine.dispose()


@click.group()
def lists() -> None:
    """The quarter's lists: demand 需求清单, problem 问题清单, service 服务清单."""


@lists.command()
@click.argument("kind", type=click.Choice(KINDS))
@QUARTER
@click.option("--street", required=True)
@click.option("--community", default="", help="Of a demand list.")
@click.option(
    "--since", callback=_time, help="Of a demand list: from when on matters are looked at; 2026-07-01."
)
@WHO
def draft(kind: str, quarter: Quarter, street: str, community: str, since: datetime | None, who: str) -> None:
    """Begin a list, or let its draft learn what has come since."""
    from .. import listing
    from ..api.lists import learn

    if (kind == "demand") != bool(community):
        raise click.BadParameter("a demand list has one, others have none", param_hint="--community")
    with _runtime() as runtime:
        learned = learn(runtime.settings, kind, street, community)
        with runtime.work() as work:
            found, added = listing.draft(work, kind, quarter, street, community, who, learned, since)
    added.pop("begun")
    click.echo(f"{found.id} {_title(found)}：" + "，".join(f"{k} +{v}" for k, v in added.items()))
    for note in found.notes:
        click.echo(f"  {note}")


@lists.command()
@LIST
@click.option("--json", "as_json", is_flag=True)
def show(list_id: str, as_json: bool) -> None:
    """Show a list with its lines."""
    from .. import views

    with _runtime() as runtime, runtime.work() as work:
        found = _found(work, list_id)
        document = views.whole(work, found)
        title = _title(found)
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    click.echo(f"{title}（{LIST_STATES[document['state']]}）")
    for note in document["notes"]:
        click.echo(f"  {note}")
    for line in document["lines"]:
        click.echo(_line(document["kind"], line))
    if document["kind"] == "service":
        numbers = {line["id"]: str(line["number"]) for line in document["lines"]}
        for name, key in (("未认领", "unclaimed"), ("超额认领", "over_claimed")):
            click.echo(f"{name}：{'、'.join(numbers[i] for i in document[key]) or '无'}")
        names = {u["code"]: u["name"] for u in document["units"]}
        click.echo(f"无认领单位：{'、'.join(names[u] for u in document['idle']) or '无'}")


def _line(kind: str, line: dict[str, Any]) -> str:
    title = line["title"] + " " * max(0, 44 - width(line["title"]))
    first = f"{line['number']:>4}  {line['category']:<6}  {title}"
    if kind == "demand":
        dropped = "" if line["kept"] else f"  不列入：{line['reason']}"
        return f"{first}  诉求{len(line['reports'])}件{dropped}"
    if kind == "problem":
        where = "、".join(line["communities"])
        return f"{first}  {DECISIONS[line['state']]}  诉求{line['report_count']}件  {where}"
    said = [
        f"{c['unit']}（{STATE_NAMES[c['state']]}，{c['person']}，{day(parse(c['due_at']))}，"
        f"{STANDING_NAMES[c['standing']]}）"
        for c in line["claims"]
        if c["state"] != "released"
    ]
    return f"{first}  {'；'.join(said) or '未认领'}"


@lists.command("list")
@click.option("--quarter", type=QuarterType())
@click.option("--street")
@click.option("--kind", type=click.Choice(KINDS))
def list_(quarter: Quarter | None, street: str | None, kind: str | None) -> None:
    """Which lists there are, the newest quarter first."""
    from ..store import lists as rows

    with _runtime() as runtime, runtime.work() as work:
        found = rows.find_lists(
            work, kind=kind, quarter=str(quarter) if quarter else None, street=street, community=None
        )
        for row in found:
            click.echo(f"{row.id}  {_title(row)}  {LIST_STATES[row.state]}")
    if not found:
        click.echo("none")


@lists.command()
@LIST
@WHO
def publish(list_id: str, who: str) -> None:
    """Publish a draft, for good."""
    from .. import listing

    with _runtime() as runtime, runtime.work() as work:
        found = listing.publish(work, list_id, who)
    click.echo(f"{_title(found)}：{LIST_STATES[found.state]}")


@lists.command()
@LIST
@WHO
def close(list_id: str, who: str) -> None:
    """Close a published list: nobody claims any more."""
    from .. import listing

    with _runtime() as runtime, runtime.work() as work:
        found = listing.close(work, list_id, who)
    click.echo(f"{_title(found)}：{LIST_STATES[found.state]}")


@lists.command()
@LIST
@click.option("--category", required=True)
@click.option("--title", required=True)
@click.option("--source", type=click.Choice(SOURCES[2:]), required=True)
@click.option("--detail", default="")
@click.option("--people", type=click.IntRange(min=1))
@click.option("--report", "reports", multiple=True, help="A report behind it; may be given several times.")
@WHO
def add(
    list_id: str,
    category: str,
    title: str,
    source: str,
    detail: str,
    people: int | None,
    reports: tuple[str, ...],
    who: str,
) -> None:
    """Add a demand of a grid worker or a meeting to a draft."""
    from .. import listing

    with _runtime() as runtime, runtime.work() as work:
        new = listing.NewDemand(category, title, source, detail, people, reports)
        line, fresh = listing.add_demand(work, list_id, new, who)
    click.echo(f"{line['number']}{'' if fresh else ' (was there)'}")


@lists.command()
@LIST
@NUMBER
@_REASON
@WHO
def drop(list_id: str, number: int, reason: str, who: str) -> None:
    """Leave out a line of a draft of a demand or problem list."""
    from .. import listing

    with _runtime() as runtime, runtime.work() as work:
        if _found(work, list_id).kind == "demand":
            listing.change_demand(work, list_id, number, {"kept": False, "reason": reason}, who)
        else:
            listing.decide(work, list_id, number, {"state": "dropped", "reason": reason}, who)
    click.echo(f"{number}：不列入")


@lists.command()
@LIST
@click.argument("numbers", type=click.IntRange(min=1), nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that aren't decided yet.")
@click.option("--takes", type=click.IntRange(1, MOST_TAKERS), help="How many units each takes.")
@WHO
def accept(list_id: str, numbers: tuple[int, ...], everything: bool, takes: int | None, who: str) -> None:
    """Accept problems of a draft."""
    from .. import listing
    from ..store import lists as rows

    if bool(numbers) == everything:
        raise click.UsageError("give numbers or --all")
    with _runtime() as runtime, runtime.work() as work:
        _found(work, list_id)
        chosen = numbers or tuple(p.number for p in rows.problems_of(work, list_id) if p.state == "suggested")
        decision: dict[str, Any] = {"state": "accepted"} | ({"takes": takes} if takes else {})
        changed = sum(listing.decide(work, list_id, n, decision, who) for n in chosen)
    click.echo(f"{changed} accepted")


@lists.command()
@LIST
@click.argument("numbers", type=click.IntRange(min=1), nargs=-1, required=True)
@click.option("--title", default="")
@WHO
def merge(list_id: str, numbers: tuple[int, ...], title: str, who: str) -> None:
    """Make one problem of several: the first."""
    from .. import listing

    with _runtime() as runtime, runtime.work() as work:
        number = listing.merge(work, list_id, numbers, who, title)
    click.echo(str(number))


@lists.command()
@LIST
@NUMBER
@click.option("--demand", "demands", multiple=True, required=True, help="Its id; may be given several times.")
@click.option("--title", default="")
@WHO
def split(list_id: str, number: int, demands: tuple[str, ...], title: str, who: str) -> None:
    """Make some of a problem's demands a problem of their own."""
    from .. import listing

    with _runtime() as runtime, runtime.work() as work:
        made = listing.split(work, list_id, number, demands, title, who)
    click.echo(str(made))


@lists.command()
@LIST
@click.argument("file", type=OutFile())
def export(list_id: str, file: Path) -> None:
    """Write a list as a workbook."""
    from .. import importing

    with _runtime() as runtime, runtime.work() as work:
        importing.export(work, _found(work, list_id), file)
    click.echo(f"wrote {file}")


@lists.command("import")
@LIST
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--answer",
    type=OutFile(),
    help="Where the workbook with its column of results goes; FILE-结果.xlsx.",
)
@WHO
def import_(list_id: str, file: Path, answer: Path | None, who: str) -> None:
    """Take a workbook in; exit code 1 when a row was refused."""
    from .. import importing

    target = answer or file.with_name(f"{file.stem}-结果{file.suffix}")
    shutil.copyfile(file, target)
    try:
        with _runtime() as runtime:
            counts = importing.take(runtime.work, list_id, target, who, lambda _unit: True)
    except SystemExit:
        target.unlink()
        raise
    click.echo(
        f"added {counts.added}, changed {counts.changed}, unchanged {counts.unchanged}, refused {counts.refused};"
        f" {target}"
    )
    sys.exit(1 if counts.refused else 0)


@lists.command()
@LIST
@NUMBER
@click.option("--unit", required=True)
@click.option("--person", required=True, help="Who is responsible: an id of the directory, or a name.")
@click.option("--until", "due_at", required=True, callback=_time, help="The limit: 2026-12-20.")
@click.option("--milestone", "milestones", multiple=True, callback=_milestones, help="NAME=2026-10-31")
@WHO
def claim(
    list_id: str,
    number: int,
    unit: str,
    person: str,
    due_at: datetime,
    milestones: list[dict[str, Any]],
    who: str,
) -> None:
    """A unit claims a line of a published service list."""
    from jiayuan.contracts.times import iso

    from .. import claiming

    said = [{**m, "due_at": iso(m["due_at"])} for m in milestones]
    with _runtime() as runtime, runtime.work() as work:
        made, fresh = claiming.claim(work, list_id, number, unit, person, due_at, said, who)
    click.echo(f"{made.id} {unit}：{STATE_NAMES[made.state]}{'' if fresh else ' (was there)'}")


@lists.command()
@CLAIM
@click.option("--takes", type=click.IntRange(1, MOST_TAKERS))
@WHO
def grant(claim_id: str, takes: int | None, who: str) -> None:
    """Give a unit's wish a place."""
    from .. import claiming

    with _runtime() as runtime, runtime.work() as work:
        made = claiming.grant(work, claim_id, takes, who)
    click.echo(f"{made.unit}：{STATE_NAMES[made.state]}")


@lists.command()
@CLAIM
@_REASON
@WHO
def release(claim_id: str, reason: str, who: str) -> None:
    """Give a claim or a wish back."""
    from .. import claiming

    with _runtime() as runtime, runtime.work() as work:
        made = claiming.release(work, claim_id, reason, who)
    click.echo(f"{made.unit}：{STATE_NAMES[made.state]}")


@lists.command()
@CLAIM
@NUMBER
@click.option("--at", callback=_time, help="When it was done; now, if you don't say.")
@WHO
def milestone(claim_id: str, number: int, at: datetime | None, who: str) -> None:
    """A milestone of a claim is done."""
    from .. import claiming, views

    with _runtime() as runtime, runtime.work() as work:
        made = views.claim_document(claiming.reach(work, claim_id, number, at, who), work.now)
    m = made["milestones"][number - 1]
    click.echo(f"{m['name']}：{STANDING_NAMES[m['standing']]}")


@lists.command()
@CLAIM
@click.option("--at", callback=_time, help="When it was done; now, if you don't say.")
@WHO
def done(claim_id: str, at: datetime | None, who: str) -> None:
    """A claim is done, with all its milestones."""
    from .. import claiming, views

    with _runtime() as runtime, runtime.work() as work:
        made = views.claim_document(claiming.finish(work, claim_id, at, who), work.now)
    click.echo(f"{made['unit']}：{STANDING_NAMES[made['standing']]}")


@lists.command("lineage")
@click.argument("by", type=click.Choice(["report", "case", "entry", "demand", "problem", "posting"]))
@click.argument("value")
def lineage_(by: str, value: str) -> None:
    """All that hangs together with a report, a case, an entry or a line, as JSON."""
    from .. import lineage
    from ..api.common import uuid_of

    entry, _, number = value.partition(".")
    if by in ("entry", "demand", "problem") and uuid_of(value) is None:
        raise click.BadParameter(f"{value!r} is no id", param_hint="VALUE")
    if by == "posting" and (uuid_of(entry) is None or not (number.isascii() and number.isdigit())):
        raise click.BadParameter(
            f"{value!r} is no posting: the entry's id, a dot and its number", param_hint="VALUE"
        )
    with _runtime() as runtime, runtime.work() as work:
        click.echo(json.dumps(lineage.of(work, by, value), ensure_ascii=False))


def _found(work: Any, list_id: str) -> Any:
    from ..store import lists as rows

    found = rows.list_of(work, list_id)
    if found is None:
        raise Problem(404, "There is no such list")
    return found


def _title(found: Any) -> str:
    return f"{found.community or found.street} {read(found.quarter).words}{KIND_NAMES[found.kind]}"
