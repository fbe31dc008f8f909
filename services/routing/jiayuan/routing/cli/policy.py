"""`jiayuan routing policy …`."""

from __future__ import annotations

from pathlib import Path

import click
import yaml

from jiayuan.contracts.check import FieldProblem

from .. import policy as policies
from ..directory import bundled
from ..policy import PolicyError
from .common import FILE, WHO, fail, opened_runtime


@click.group()
def policy() -> None:
    """The table that decides who handles a matter."""


@policy.command("check")
@FILE
def policy_check(file: Path) -> None:
    """Check a policy table against the bundled units; exit code 1 when it is wrong."""
    try:
        table = policies.load(
            file.read_text(encoding="utf-8"), {u["code"] for u in bundled("units")["units"]}
        )
    except PolicyError as error:
        fail(error.problems)
        return
    click.echo(f"policy {table.version} from {table.effective_from}: {len(table.rules)} rules: good")


@policy.command("import")
@FILE
@WHO
def policy_import(file: Path, who: str) -> None:
    """Take over a policy table; it holds from its effective_from, for cases that are opened then."""
    from ..imports import import_policy

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        with opened_runtime() as runtime, runtime.work() as work:
            table = import_policy(work, document, who)
    except yaml.YAMLError as error:
        fail([FieldProblem("policy", f"is not YAML: {error}")])
    except PolicyError as error:
        fail(error.problems)
    else:
        click.echo(f"policy {table.version} from {table.effective_from}: {len(table.rules)} rules")
