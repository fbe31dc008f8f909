"""`jiayuan routing gaming`: what looks like gaming the figures, for people to look at."""

from __future__ import annotations

import json
from typing import Any

import click

from jiayuan.chassis.config import Settings, load

from .common import WHO, environment, opened_runtime, refusals

_KINDS = ("mass_closing", "same_photo", "ping_pong", "reopened")
_NAMES = {
    "mass_closing": "临期集中办结",
    "same_photo": "同一照片用于多件",
    "ping_pong": "单位之间来回流转",
    "reopened": "办结后重新打开",
}
_SINCE = click.option("--since", default=None, help="From when on: 2026-03-02, or with a time and an offset.")
_UNTIL = click.option("--until", default=None, help="Before when; now when absent.")
_STREET = click.option("--street", default=None, help="The code of a street: its cases only.")


@click.group(invoke_without_command=True)
@_SINCE
@_UNTIL
@_STREET
@click.option("--kind", "kinds", multiple=True, type=click.Choice(_KINDS), help="Only these kinds.")
@click.option("--explained", is_flag=True, help="Also what has a plain explanation, apart.")
@click.option("--json", "as_json", is_flag=True, help="A JSON document a line.")
@click.pass_context
def gaming(
    context: click.Context,
    since: str | None,
    until: str | None,
    street: str | None,
    kinds: tuple[str, ...],
    explained: bool,
    as_json: bool,
) -> None:
    """List what looks like gaming since a day, with its evidence. Nothing follows from being listed."""
    if context.invoked_subcommand is not None:
        return
    from jiayuan.chassis.work import reading

    from .. import detecting
    from ..api.gaming import found_in, span_of

    with refusals(), reading(load(Settings, "routing", environment())) as work:
        query = _query(work, since, until, street)
        span = span_of(work, None, query, most=36500)
        found = found_in(work, span, list(kinds) or None, patience=0)
        rows = detecting.listing(work, [f for f in found if f.look or explained])
        apart = sum(not f.look for f in found)
    for row in rows:
        click.echo(json.dumps(row, ensure_ascii=False) if as_json else _words(row))
    if not as_json:
        told = "" if explained or not apart else f"; {apart} more have a plain explanation (--explained)"
        click.echo(f"{sum(r['look'] for r in rows)} to look at{told}")


@gaming.command("look")
@click.argument("finding")
@click.option("--kind", required=True, type=click.Choice(_KINDS), help="Its kind.")
@_SINCE
@_UNTIL
@_STREET
@click.option("--note", required=True, help="What was seen; numbers in it are masked.")
@WHO
def look(
    finding: str,
    kind: str,
    since: str | None,
    until: str | None,
    street: str | None,
    note: str,
    who: str,
) -> None:
    """Note that a finding was looked at; it is added to what others said, and can't be taken back."""
    from jiayuan.chassis.errors import Problem
    from jiayuan.chassis.redact import mask

    from .. import detecting
    from ..api.gaming import found_in, span_of

    with refusals(), opened_runtime() as runtime, runtime.work() as work:
        span = span_of(work, None, _query(work, since, until, street), most=36500)
        found = found_in(work, span, [kind], patience=0)
        if not detecting.look(work, found, finding, span.street, who, mask(note)[:500]):
            raise Problem(404, "No such finding", f"{finding} is not found in that span")
    click.echo(f"{finding}: noted")


@gaming.command("thresholds")
@click.option("--json", "as_json", is_flag=True)
def thresholds(as_json: bool) -> None:
    """From where on something is listed, and why from there."""
    from jiayuan.chassis.work import reading

    from .. import book, detecting

    with reading(load(Settings, "routing", environment())) as work:
        of = detecting.thresholds(book.of(work), work.now)
    if as_json:
        click.echo(json.dumps(of.document(), ensure_ascii=False))
        return
    for name, entry in of.document().items():
        click.echo(f"{name} = {entry['value']}: {entry['reason']}")


def _query(work: Any, since: str | None, until: str | None, street: str | None) -> dict[str, Any]:
    from .reads import _since as moment

    query: dict[str, Any] = {"street": street}
    for name, given in (("since", since), ("until", until)):
        if given:
            query[name] = moment(given, work)
    return query


def _words(row: dict[str, Any]) -> str:
    subject = row["subject"].get("number") or row["subject"]["id"]
    lines = [
        f"{row['id']}  {_NAMES[row['kind']]}  {row['subject']['type']} {subject}  {row['since']} – {row['until']}",
        f"    {row['says']}",
        "    " + ", ".join(f"{k}={v}" for k, v in row["numbers"].items()),
    ]
    lines += [f"    可能的解释：{why}" for why in row["explained"]]
    for e in row["evidence"][:10]:
        extra = f", {e['used']:.0%} of the limit" if "used" in e else ""
        lines.append(f"    {e['at']}  {e['number']} #{e['sequence']} {e['action']} by {e['actor']}{extra}")
    if len(row["evidence"]) > 10:
        lines.append(f"    … and {len(row['evidence']) - 10} more (--json)")
    lines += [f"    looked at {o['at']} by {o['by']}: {o['note']}" for o in row["looked"]]
    return "\n".join(lines)
