"""`jiayuan sla clocks`, `jiayuan sla explain`: read from the service's database."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click

from jiayuan.chassis.config import Settings, load
from jiayuan.chassis.errors import StartError
from jiayuan.chassis.work import reading

from .. import books, policy, store
from ..explain import explained, shown


@click.command()
@click.argument("case")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a clock.")
def clocks(case: str, as_json: bool) -> None:
    """The clocks of a case, in the order in which they started; exit code 1 when there is none."""
    for line in _of(case, why=False):
        click.echo(json.dumps(line, ensure_ascii=False) if as_json else _line(line))


@click.command()
@click.argument("case")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a clock.")
def explain(case: str, as_json: bool) -> None:
    """Why each clock of a case is due when it is: what counted, what didn't and why, and what remains."""
    for found in _of(case, why=True):
        if as_json:
            click.echo(json.dumps(found, ensure_ascii=False))
            continue
        click.echo("\n".join(_why(found)))


def _of(case: str, *, why: bool) -> list[dict[str, Any]]:
    with reading(load(Settings, "sla", {"JIAYUAN_AMQP_URI": "", **os.environ})) as work:
        rules, rows = books.of(work), store.of_case(work, case, None)
        found = [
            explained(r.clock, r.pauses, r.extensions, work.now, rules)
            if why
            else shown(r.clock, r.pauses, work.now, rules)
            for r in rows
        ]
    if not found:
        matters = "service-list:STREET:QUARTER, claim:ID or notice:ID"
        raise StartError(
            1, f"no clock is known of {case!r:.80}; allowed: the id of a case (not its number), {matters}"
        )
    return found


def _state(c: dict[str, Any]) -> str:
    return str(c["state"]) + (" (paused)" if c["paused"] and c["state"] in ("armed", "warned") else "")


def _whom(c: dict[str, Any]) -> str:
    return f"{c['assignee']['type']}:{c['assignee']['id']}" if c["assignee"] else "-"


def _line(c: dict[str, Any]) -> str:
    return (
        f"{c['kind']:12} {_state(c):10} {c['light'] or '-':6} {c['percent']:>4} %  "
        f"{_local(c['started_at'])} → {_local(c['due_at'])}  {c['limit']} s  {_whom(c)}  {c['id']}"
    )


def _why(c: dict[str, Any]) -> Iterator[str]:
    yield f"{c['kind']}  {_state(c)}  {c['light'] or '-'}  {_whom(c)}  {c['id']}"
    rule = f"rule {c['rule']}" if "rule" in c else "no rule"
    time = f"working time of {c['calendar']}" if "calendar" in c else "natural time"
    if "fixed" in c:
        time = "a moment that was promised, which no calendar moves"
    yield f"  by policy {c['policy']}, {rule}, {time}"
    limit = f"  limit {span(c['limit'])}"
    if c["given"] != c["limit"]:
        limit += f" (the case says {span(c['given'])})"
    yield limit
    for e in c["extensions"]:
        taken = "granted in time" if e["in_time"] else "granted too late, doesn't count"
        yield f"    + {span(e['seconds'])} at {_local(e['at'])}: {taken}"
    yield f"  from {_local(c['started_at'])}, due {_local(c['due_at'])}" + (
        " if the pause ended at once" if c["paused"] and c["state"] in ("armed", "warned") else ""
    )
    for s in c["timeline"]:
        yield _piece(s, "counted" if s["counted"] else f"not counted: {s['why']}")
    if c["stopped_at"]:
        yield f"    {_local(c['stopped_at'])}  stopped"
    elif c["ahead"]:
        yield "    -- now --"
        for s in c["ahead"]:
            yield _piece(s, "will count" if s["counted"] else f"will not: {s['why']}")
    used = f"  elapsed {span(c['elapsed'])} ({c['percent']} %)"
    yield used + (f", remaining {span(c['remaining'])}" if c["remaining"] is not None else "")
    for w in c["warns"]:
        step = f" step {w['step']}: {w['do']} {w['whom']}" if "step" in w else ""
        at = _local(w["at"]) if w["at"] else "while paused: nobody knows"
        yield f"    at {w['point']}{step}: {at}{', said' if w['said'] else ''}"
    for name, words in (("warned_at", "warned"), ("breached_at", "breach told"), ("met_at", "met")):
        if c[name]:
            withdrawn = name == "breached_at" and c["state"] != "breached"
            yield f"    {_local(c[name])}  {words}{', withdrawn since' if withdrawn else ''}"
    for note in ("beyond", "unknown"):
        if note in c:
            yield f"  note: {c[note]}"


def _piece(s: dict[str, Any], words: str) -> str:
    return f"    {_local(s['start'])} → {_local(s['end'])}  {span(s['seconds']):>12}  {words}"


def span(seconds: float) -> str:
    """Seconds as days, hours, minutes and seconds."""
    sign, whole = ("-", -seconds) if seconds < 0 else ("", seconds)
    t = timedelta(seconds=whole)
    hours, rest = divmod(t.seconds, 3600)
    parts = [(t.days, "d"), (hours, "h"), (rest // 60, "m"), (rest % 60, "s")]
    return sign + (" ".join(f"{n}{unit}" for n, unit in parts if n) or "0s")


def _local(text: str) -> str:
    return local(datetime.fromisoformat(text))


def local(at: datetime, zone: ZoneInfo | None = None) -> str:
    """A time as people of the policy's zone read it."""
    return at.astimezone(zone or policy.current().zone).strftime("%Y-%m-%d %H:%M:%S")
