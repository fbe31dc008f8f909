"""`jiayuan sla policy …`: policies of clocks as versions."""

from __future__ import annotations

import getpass
import hashlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson
import yaml

from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso

from .. import horizon
from .. import policy as policies
from ..policy import Policy, PolicyError
from .calendars import _plain
from .clocks import local, span
from .common import recomputed, told, works

_FILE = click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))


@click.group("policy")
def policy() -> None:
    """Policies of clocks: what time counts, when they speak, to whom they rise."""


@policy.command("import")
@_FILE
@click.option("--wait/--no-wait", default=True, help="Compute the open clocks again before returning.")
def import_(file: Path, wait: bool) -> None:
    """Import FILE (YAML; - is the standard input) as a new version; it holds from its effective_from on, or at once.

    Every open clock is computed again then; what was breached before stays breached, under the version that it had.
    When anything is wrong nothing goes in: exit code 1.
    """
    from .. import books, store

    document = _document(file)
    open_work = works()
    with open_work() as work:
        calendars = books.calendars(work)
        now = work.now
    found = _read(document, calendars, now)
    for remark in _remarks(found):
        click.echo(f"remark: {remark}")
    raw = orjson.dumps(_plain(document))
    who = getpass.getuser()
    with open_work() as work:
        taken = found.version == policies.current().version or not store.add_policy(
            work,
            {
                "version": found.version,
                "effective_from": iso(found.effective_from),
                "document": orjson.Fragment(raw),
                "digest": hashlib.sha256(raw).hexdigest(),
                "imported_at": iso(work.now),
                "imported_by": who,
            },
        )
        if not taken:
            why = f"policy {found.version}"
            store.ask_recomputation(work, why, max(work.now, found.effective_from), who)
    if taken:
        click.echo(f"there is a version {found.version} already: a change is a new version", err=True)
        sys.exit(1)
    with open_work() as work:
        books.refresh(work)
        later = found.effective_from > work.now
    if later:
        click.echo(
            f"{found.version} holds from {local(found.effective_from, found.zone)} on; open clocks are then"
        )
        click.echo("computed again by the running service")
        return
    click.echo(f"{found.version} holds now")
    recomputed(open_work, why, wait)


@policy.command("list")
def list_() -> None:
    """The versions, the one that holds with a star, and how far open clocks were computed again."""
    from .. import books, store

    with works()() as work:
        rows, jobs = books.versions(work), store.recomputations(work)
    for r in rows:
        star = "*" if r["holds"] else " "
        if "imported_at" not in r:
            click.echo(f"{star} {r['version']}  comes with sla")
            continue
        day = "at once" if r["effective_from"] <= r["imported_at"] else f"from {local(r['effective_from'])}"
        when = f"imported {local(r['imported_at'])} by {r['imported_by']}"
        click.echo(f"{star} {r['version']}  {day}  {when}  {r['digest'][:12]}")
    for j in jobs:
        state = (
            f"done {local(j.done_at)}" if j.done_at else f"turn {j.turn}, not before {local(j.not_before)}"
        )
        click.echo(f"  recomputed for {j.why}: {j.looked_at} open clocks, {j.moved} moved, {state}")


@policy.command("show")
@click.argument("version", required=False)
def show(version: str | None) -> None:
    """The document of a version, by default of the one that holds."""
    from .. import books, store

    with works()() as work:
        version = version or books.newest(books.of(work), work.now).version
        document = store.policy_document(work, version)
    if document is None and version == policies.current().version:
        document = policies.document()
    if document is None:
        click.echo(f"there is no version {version}; those that there are: jiayuan sla policy list", err=True)
        sys.exit(1)
    click.echo(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), nl=False)


@policy.command("check")
@_FILE
@click.option(
    "--open", "look", is_flag=True, help="Also say what it would do to the open clocks. Needs the database."
)
def check(file: Path, look: bool) -> None:
    """Look for what is wrong in FILE; nothing goes in. Without --open no database is needed.

    The calendars that come with sla are known, with --open also those that were imported. Exit code 1: something is
    wrong.
    """
    document = _document(file)
    if not look:
        found = _read(document, None, datetime.now(UTC))
    else:
        from .. import books

        open_work = works()
        with open_work() as work:
            found = _read(document, books.calendars(work), work.now)
    for remark in _remarks(found):
        click.echo(f"remark: {remark}")
    terms = sum(len(rule.terms) for rule in found.rules)
    click.echo(f"{found.version}: {len(found.rules)} rules for {terms} kinds of clocks, nothing wrong")
    if look:
        from .. import handlers

        with open_work() as work:
            tried = handlers.tried(work, found)
        click.echo(
            f"{tried.looked_at} open clocks: {tried.later} due later, {tried.earlier} earlier, {tried.dropped} gone, "
            f"{tried.late} late at once"
        )


def _document(file: Path) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        found = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        click.echo(f"{file.name} is no YAML: {error}", err=True)
        sys.exit(1)
    if not isinstance(found, dict):
        told(
            [FieldProblem("policy", "is no mapping", "version, zone, time, warn, pauses, extensions, rules")]
        )
        sys.exit(1)
    return found


def _read(document: dict[str, Any], calendars: Any, now: datetime) -> Policy:
    try:
        # As it will be stored: JSON has no dates.
        return policies.read(orjson.loads(orjson.dumps(_plain(document))), calendars, now)
    except PolicyError as error:
        told(error.problems)
        click.echo("nothing was imported", err=True)
        sys.exit(1)


def _remarks(found: Policy) -> list[str]:
    out = [
        f"rule {b} is never reached: {a} before it takes whatever it would"
        for a, b in policies.covered(found)
    ]
    now = datetime.now(UTC)
    out += [r.sentence(now) for r in horizon.reaches([found], {}) if r.short(now)]
    shown: set[str] = set()
    for kind, terms in found.every_terms():
        for point in terms.warn:
            before = not point.percent and point.seconds < 0
            limit = terms.given(0)
            if before and limit and -point.seconds >= limit and point.text not in shown:
                shown.add(point.text)
                out.append(f"{point.text} is never said on a {kind} clock of {span(limit)}: it is longer")
    return out
