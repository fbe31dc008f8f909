"""`jiayuan routing simulate | decisions | colour | triage`."""

from __future__ import annotations

import csv
import io
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from jiayuan.chassis.config import Settings, load

from ..policy import span
from .common import WHO, environment, opened_runtime, refusals
from .policy import problems

_FIELDS: Final = {
    "level": "办理层级",
    "lead": "牵头单位",
    "assistants": "协办单位",
    "colour": "分色",
    "response": "应答时限",
    "finish": "办结时限",
    "rule": "规则",
}
_VALUES: Final = {
    "grid": "网格",
    "community": "社区",
    "street": "街道",
    "department": "部门",
    "desk": "街道研判",
    "red": "红",
    "orange": "橙",
    "yellow": "黄",
    "blue": "蓝",
    "green": "绿",
}
_SINCE = click.option(
    "--since", required=True, help="From when on: 2026-03-02, or with a time and an offset."
)
_UNTIL = click.option("--until", default=None, help="Until when, not included.")


def _time(work: Any, given: str | None) -> datetime | None:
    """A day begins where the policy's zone says it does."""
    from jiayuan.contracts.times import parse

    from .. import book

    if given is None:
        return None
    try:
        if len(given) == 10:
            day = datetime.strptime(given, "%Y-%m-%d")
            return day.replace(tzinfo=book.of(work).policy(work.now).zone)
        return parse(given)
    except ValueError:
        raise click.UsageError(f"{given} is no day and no time with an offset, such as 2026-03-02") from None


@click.command()
@click.option(
    "--policy", "file", required=True, help="The table to try: a file, or a version that was imported."
)
@_SINCE
@_UNTIL
@click.option("--street", default=None, help="Of one street only.")
@click.option(
    "--examples", default=3, show_default=True, type=click.IntRange(0, 20), help="Case numbers a change."
)
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON document.")
@click.option("--csv", "as_csv", is_flag=True, help="A line a change.")
def simulate(
    file: str, since: str, until: str | None, street: str | None, examples: int, as_json: bool, as_csv: bool
) -> None:
    """Make the decisions of the past again with another table, and show what would change. Nothing is stored."""
    from jiayuan.chassis.work import reading

    from .. import deciding, enacting, store
    from ..policy.simulate import FIELDS, Simulation
    from .policy import _document

    with problems(), reading(load(Settings, "routing", environment())) as work:
        enacted = enacting.check(work, _document(work, file))
        directory = store.read_directory(work)
        start = _time(work, since)
        assert start is not None
        run = Simulation(enacted.table, directory.county_street, examples)
        for row in store.stream_decisions(
            work, start, _time(work, until), street, causes=deciding.BY_THE_TABLE
        ):
            run.add(row)
    units = {u.code: u.name for u in directory.units.values()}
    if as_json:
        click.echo(json.dumps(run.document(), ensure_ascii=False, indent=1))
    elif as_csv:
        out = io.StringIO()
        write = csv.writer(out)
        write.writerow(["field", "from", "to", "count", "examples"])
        for name in FIELDS:
            for a, b, change in run.of(name):
                write.writerow([name, a, b, change.count, " ".join(change.examples)])
        click.echo(out.getvalue(), nl=False)
    else:
        _say(run, units)


def _say(run: Any, units: dict[str, str]) -> None:
    share = f"（{run.changed / run.total:.2%}）" if run.total else ""
    click.echo(
        f"用政策{run.policy.version}重新决定{run.total}次："
        f"{run.changed}次会不同{share}，{run.total - run.changed}次不变"
    )
    for name, title in _FIELDS.items():
        found = run.of(name)
        if not found:
            continue
        click.echo(f"{title}：")
        for a, b, change in found[:30]:
            shown = f"，如 {'、'.join(change.examples)}" if change.examples else ""
            click.echo(f"  {_value(name, a, units)} → {_value(name, b, units)}：{change.count}次{shown}")
        if len(found) > 30:
            click.echo(f"  ……另有{len(found) - 30}种变化（--csv 列出全部）")


def _value(name: str, value: Any, units: dict[str, str]) -> str:
    if name in ("response", "finish"):
        return span(value)
    if not value:
        return "无"
    if name in ("lead", "assistants"):
        return "、".join(f"{u} {units.get(u, '')}".strip() for u in str(value).split(","))
    return _VALUES.get(str(value), str(value))


@click.group()
def decisions() -> None:
    """What was decided."""


@decisions.command("export")
@_SINCE
@_UNTIL
@click.option("--street", default=None, help="Of one street only.")
@click.option("--all", "everything", is_flag=True, help="Every decision; by default what a person decided.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="A file instead of the terminal."
)
def decisions_export(
    since: str, until: str | None, street: str | None, everything: bool, out: Path | None
) -> None:
    """Write decisions as JSONL, a line each: what the desk decided, with what the machine had thought, to learn from.

    No personal data: the report's text stays with intake, which has it under the report's id.
    """
    from jiayuan.chassis.work import reading

    from .. import deciding, store

    causes = deciding.CAUSES if everything else (deciding.TRIAGE, deciding.CORRECTED, deciding.RECOLOUR)
    written = 0
    target = out.open("w", encoding="utf-8") if out is not None else sys.stdout
    try:
        with reading(load(Settings, "routing", environment())) as work:
            start = _time(work, since)
            assert start is not None
            for row in store.stream_decisions(
                work, start, _time(work, until), street, causes=causes, reports=True
            ):
                target.write(json.dumps(deciding.exported(row), ensure_ascii=False) + "\n")
                written += 1
    finally:
        if out is not None:
            target.close()
    click.echo(f"{written} decisions", err=True)


@click.command()
@click.argument("case")
@click.argument("colour", type=click.Choice(("red", "orange", "yellow", "blue", "green")))
@click.option("--reason", required=True, help="Why; kept, and told to whoever handles it.")
@WHO
def colour(case: str, colour: str, reason: str, who: str) -> None:
    """Give a case another colour. The limits of whoever handles it follow, from the start of their own leg on."""
    from .. import book as books
    from ..acting import Act, act
    from ..case import Actor

    with refusals(), opened_runtime() as runtime, runtime.work() as work:
        what = Act(case, "recolour", words={"colour": colour, "reason": reason})
        found = act(work, books.of(work), Actor(who, ("county",)), what).case
        click.echo(f"{found.number}: {found.colour}")


@click.command()
@click.argument("case")
@click.option("--category", default=None, help="What it is about: a code of the catalogue.")
@click.option("--place", default=None, help="Where it is: the code of a street, community or grid.")
@click.option("--reason", required=True, help="Why; kept.")
@WHO
def triage(case: str, category: str | None, place: str | None, reason: str, who: str) -> None:
    """Decide for the desk what a case is about and where it is; then it goes where the policy says."""
    from ..api import desk

    with refusals(), opened_runtime() as runtime, runtime.work() as work:
        body = {"category": category, "place": place, "reason": reason}
        found = desk.triage(work, case, {k: v for k, v in body.items() if v is not None}, who)
        holders = ", ".join(leg.assignee.id for leg in found.live_legs)
        click.echo(f"{found.number}: {found.category['code']} {found.colour} {found.level} → {holders}")
