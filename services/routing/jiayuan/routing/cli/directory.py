"""`jiayuan routing directory …`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from ..directory import DirectoryError, bundled, parse, read
from .common import FILE, WHO, fail, opened_runtime


@click.group()
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
    from ..seed import seed

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
@FILE
def directory_check(file: Path) -> None:
    """Check a directory document without taking it over; exit code 1 when it is wrong."""
    from ..imports import unknown_units

    try:
        found = read(parse(file.read_text(encoding="utf-8")))
    except DirectoryError as error:
        fail(error.problems)
        return
    missing = unknown_units(found)
    click.echo(f"{len(found.grids)} grids, {len(found.people)} people, {len(found.units)} units: good")
    if missing:
        click.echo(f"the policy names units that are not in it: {', '.join(missing)}", err=True)
        sys.exit(1)


@directory.command("import")
@FILE
@WHO
def directory_import(file: Path, who: str) -> None:
    """Take over a directory document as a whole; who isn't in it any more becomes inactive."""
    from ..imports import import_directory, unknown_units

    try:
        document = parse(file.read_text(encoding="utf-8"))
        with opened_runtime() as runtime, runtime.work() as work:
            done = import_directory(work, runtime.sealer, document, who)
    except DirectoryError as error:
        fail(error.problems)
        return
    known = done.directory
    communities = sum(p.kind not in ("county", "street") for p in known.places.values())
    click.echo(
        f"directory version {done.version}: {len(known.streets())} streets, {communities} communities, "
        f"{len(known.grids)} grids, {len(known.people)} people, {len(known.units)} units; {done.changed} changed"
    )
    if missing := unknown_units(known):
        click.echo(f"the policy names units that are not in it: {', '.join(missing)}", err=True)
