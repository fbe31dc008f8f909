"""Publishing at the command line, and what was published."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click
import orjson

from jiayuan.chassis.errors import Problem

from .. import matter, publishing
from ..publication import FILES, Name, name_of
from ..store import publications
from .common import (
    JSON,
    TOKEN,
    YEAR,
    OutFile,
    do,
    echo_json,
    known_street,
    known_year,
    reading,
    refusals,
)


@click.command()
@YEAR
@click.option("--street", default=None, help="Only this street (its code); the whole county when absent.")
@TOKEN
def publish(year: int, street: str | None, token: str) -> None:
    """公布: order the account of a year to be published; the process that signs does it within seconds."""
    with reading() as work:
        known_year(work, year)
        known_street(work, street)
    found = do(token, "order_publication", {"street": street} if street else {}, year=year)
    click.echo(f"{found['name']}：已提交，{found['id']}")


class AccountName(click.ParamType):
    """2026, 2026-STREET, 2026-STREET.3."""

    name = "account"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Name:
        """The name."""
        try:
            return name_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("account", type=AccountName())
@click.option("--format", "form", type=click.Choice(FILES), default="json", show_default=True)
@click.option("--out", type=OutFile(), help="The file; else the terminal.")
@click.option("--proof", is_flag=True, help="The proof of its digests instead, for verify.py.")
def published(account: Name, form: str, out: Path | None, proof: bool) -> None:
    """Write ACCOUNT (2026, 2026-STREET, 2026-STREET.3) as it was published."""
    if form == "xlsx" and out is None and not proof:
        raise click.UsageError("an xlsx goes into a file: give --out")
    with refusals(), reading() as work:
        found = matter.find(work, account)
        if found is None:
            raise Problem(
                404,
                "There is no such account",
                f"nothing of {account} was published: `publications {account.year}` lists what was",
            )
        if proof:
            document = matter.publication_proof(work, found)
            if out:
                out.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
            else:
                echo_json(document)
            return
        with out.open("wb") if out else os.fdopen(os.dup(sys.stdout.fileno()), "wb") as to:
            publishing.written(work, found, form, to)


@click.command("publications")
@YEAR
@JSON
def publications_(year: int, as_json: bool) -> None:
    """List what was published of a year, and what waits."""
    with reading() as work:
        found = publications.orders(work, year)
    if as_json:
        echo_json(
            [{"id": o.id, "name": str(Name(o.year, o.street, o.number)), "files": o.files} for o in found]
        )
        return
    for o in found:
        state = f"{o.at:%Y-%m-%d %H:%M} 公布" if o.number is not None else "等待公布"
        click.echo(f"{Name(o.year, o.street, o.number)}  {state}  {o.ordered_by}")
