"""The account at the command line."""

from __future__ import annotations

import json
import sys

import click

from .. import store
from ..account import FAULTS, ON_THE_WAY, Account, account
from .common import YEAR, reading


@click.command()
@YEAR
@click.option("--street", default=None, help="Only this street (its code).")
@click.option("--by", type=click.Choice(["street", "unit"]), default="street", show_default=True)
@click.option("--json", "as_json", is_flag=True)
def show(year: int, street: str | None, by: str, as_json: bool) -> None:
    """Show the account of a year; exit code 1 when it doesn't balance."""
    found = _account(year, by, street)
    click.echo(json.dumps(found.document(), ensure_ascii=False) if as_json else found.table())
    sys.exit(0 if found.balances else 1)


def _account(year: int, by: str, street: str | None) -> Account:
    with reading() as work:
        return account(year, by, street, store.figures(work, year, by, street))


@click.command()
@YEAR
def check(year: int) -> None:
    """Prove the account of a year, entry by entry; exit code 1 and the entries at fault when it is wrong."""
    with reading() as work:
        whole = [account(year, by, None, store.figures(work, year, by, None)) for by in ("street", "unit")]
        faults = store.faults(work, year)
    wrong = [f for f in faults if f.kind != ON_THE_WAY]
    for fault in faults:
        click.echo(f"{FAULTS[fault.kind]}：共 {fault.entries} 笔")
        for id_, number in fault.shown:
            click.echo(f"  {id_}  {number or ''}")
    good = not wrong and all(a.balances for a in whole)
    total = whole[0].total
    click.echo(
        f"{year}年：期初 {total.opening} + 本年入账 {total.entered} − 销账 {total.written_off}，"
        f"结存 {total.open}：{'账目相符' if good else '账目不符'}"
    )
    sys.exit(0 if good else 1)
