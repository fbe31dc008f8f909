"""`jiayuan routing …`: the directory, the policies, and why a case is where it is."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import yaml

from jiayuan.chassis.config import Settings, load
from jiayuan.contracts.check import FieldProblem

from . import policy as policies
from .directory import DirectoryError, bundled, parse, read
from .policy import PolicyError

_FILE = click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
_WHO = click.option(
    "--who", default=getpass.getuser, show_default="your login", help="Kept with the version."
)


@contextmanager
def _runtime() -> Iterator[Any]:
    """The service's database, and its outbox: the running service publishes what is put there."""
    from jiayuan.chassis.service import Runtime

    from . import handlers, store

    settings = load(Settings, "routing", {"JIAYUAN_AMQP_URI": "", **os.environ})
    runtime = Runtime(settings, store.metadata, handlers.HANDLERS)
    try:
        yield runtime
    finally:
        runtime.engine.dispose()


def _fail(problems: list[FieldProblem]) -> None:
    for p in problems[:50]:
        click.echo(f"{p.field}: {p.problem}" + (f" (allowed: {p.allowed})" if p.allowed else ""), err=True)
    if len(problems) > 50:
        click.echo(f"… and {len(problems) - 50} more", err=True)
    click.echo(f"{len(problems)} problems; nothing was changed", err=True)
    sys.exit(1)


@click.group()
def routing() -> None:
    """Who gets which case: directory, policy, reasons."""


@routing.group()
def directory() -> None:
    """Streets, communities, grids with their people, and member units."""


@directory.command("seed")
@click.option("--grids", default=874, show_default=True, help="Compound and building grids together.")
@click.option(
    "--workers", default=3500, show_default=True, help="All people of the grids, leaders and chiefs too."
)
@click.option("--seed", "number", default=1, show_default=True, help="The same number gives the same people.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="A file instead of the terminal."
)
def directory_seed(grids: int, workers: int, number: int, out: Path | None) -> None:
    """Make a directory of invented people in the real streets and communities (JSON)."""
    from .seed import seed

    try:
        document = seed(bundled("places"), bundled("units")["units"], grids, workers, number)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    text = json.dumps(document, ensure_ascii=False, indent=1)
    if out is None:
        click.echo(text)
        return
    out.write_text(text + "\n", encoding="utf-8")
    click.echo(
        f"{out}: {len(document['grids'])} grids, {len(document['people'])} people, "
        f"{len(document['units'])} units"
    )


@directory.command("check")
@_FILE
def directory_check(file: Path) -> None:
    """Check a directory document without taking it over; exit code 1 when it is wrong."""
    from .imports import unknown_units

    try:
        found = read(parse(file.read_text(encoding="utf-8")))
    except DirectoryError as error:
        _fail(error.problems)
        return
    missing = unknown_units(found)
    click.echo(f"{len(found.grids)} grids, {len(found.people)} people, {len(found.units)} units: good")
    if missing:
        click.echo(f"the policy names units that are not in it: {', '.join(missing)}", err=True)
        sys.exit(1)


@directory.command("import")
@_FILE
@_WHO
def directory_import(file: Path, who: str) -> None:
    """Take over a directory document as a whole; who isn't in it any more becomes inactive."""
    from .imports import import_directory

    try:
        document = parse(file.read_text(encoding="utf-8"))
        with _runtime() as runtime, runtime.work() as work:
            done = import_directory(work, runtime.sealer, document, who)
    except DirectoryError as error:
        _fail(error.problems)
        return
    click.echo(
        f"directory version {done.version}: {done.streets} streets, {done.communities} communities, "
        f"{done.grids} grids, {done.people} people, {done.units} units; {done.changed} changed"
    )
    if done.unknown_units:
        click.echo(f"the policy names units that are not in it: {', '.join(done.unknown_units)}", err=True)


@routing.group()
def policy() -> None:
    """The table that decides who handles a matter."""


@policy.command("check")
@_FILE
def policy_check(file: Path) -> None:
    """Check a policy table against the bundled units; exit code 1 when it is wrong."""
    try:
        table = policies.load(
            file.read_text(encoding="utf-8"), {u["code"] for u in bundled("units")["units"]}
        )
    except PolicyError as error:
        _fail(error.problems)
        return
    click.echo(f"policy {table.version} from {table.effective_from}: {len(table.rules)} rules: good")


@policy.command("import")
@_FILE
@_WHO
def policy_import(file: Path, who: str) -> None:
    """Take over a policy table; it holds from its effective_from, for cases that are opened then."""
    from .imports import import_policy

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        with _runtime() as runtime, runtime.work() as work:
            table = import_policy(work, document, who)
    except yaml.YAMLError as error:
        _fail([FieldProblem("policy", f"is not YAML: {error}")])
    except PolicyError as error:
        _fail(error.problems)
    else:
        click.echo(f"policy {table.version} from {table.effective_from}: {len(table.rules)} rules")


@routing.command()
@click.argument("case")
def explain(case: str) -> None:
    """Say in one sentence why a case (id or number) is where it is."""
    from . import book, store
    from .explain import explain as sentence

    with _runtime() as runtime, runtime.work() as work:
        found = store.read_case(work, case)
        if found is None:
            raise click.ClickException(f"there is no case {case}")
        known = book.of(work)
        click.echo(sentence(found, known.directory, known.policy(work.now).zone))


COMMANDS: list[click.Command] = [routing]
