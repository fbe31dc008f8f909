"""`jiayuan routing explain`."""

from __future__ import annotations

import click

from .common import opened_runtime


@click.command()
@click.argument("case")
def explain(case: str) -> None:
    """Say in one sentence why a case (id or number) is where it is."""
    from .. import book, store
    from ..explain import explain as sentence

    with opened_runtime() as runtime, runtime.work() as work:
        found = store.read_case(work, case)
        if found is None:
            raise click.ClickException(f"there is no case {case}")
        known = book.of(work)
        click.echo(sentence(found, known.directory, known.policy(work.now).zone))
