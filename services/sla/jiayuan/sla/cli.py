"""`jiayuan sla …`: clocks in the terminal, read from the service's database."""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import Any

import click

from jiayuan.chassis.config import Settings, load
from jiayuan.chassis.errors import StartError
from jiayuan.chassis.work import reading

from . import books, policy, store
from .explain import shown


@click.group()
def sla() -> None:
    """Clocks of legs and cases."""


@sla.command()
@click.argument("case")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a clock.")
def clocks(case: str, as_json: bool) -> None:
    """The clocks of a case, in the order in which they started; exit code 1 when there is none."""
    with reading(load(Settings, "sla", {"JIAYUAN_AMQP_URI": "", **os.environ})) as work:
        rules = books.of(work)
        rows = store.of_case(work, case, None)
        found = [shown(r.clock, r.pauses, work.now, rules) for r in rows]
    if not found:
        raise StartError(1, f"no clock is known of case {case}")
    for line in found:
        click.echo(json.dumps(line, ensure_ascii=False) if as_json else _line(line))


def _line(c: dict[str, Any]) -> str:
    whom = f"{c['assignee']['type']}:{c['assignee']['id']}" if c["assignee"] else "-"
    state = c["state"] + (" (paused)" if c["paused"] and c["state"] in ("armed", "warned") else "")
    return (
        f"{c['kind']:12} {state:10} {c['light'] or '-':6} {c['percent']:>4} %  "
        f"{_local(c['started_at'])} → {_local(c['due_at'])}  {c['limit']} s  {whom}  {c['id']}"
    )


def _local(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(policy.current().zone).strftime("%Y-%m-%d %H:%M:%S")


COMMANDS: list[click.Command] = [sla]
