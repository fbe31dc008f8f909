"""The account at the command line."""

from __future__ import annotations

import json
import sys
from datetime import datetime

import click

from jiayuan.chassis.work import Work

from .. import store
from ..account import FAULTS, ON_THE_WAY, Account, account
from ..closing import Period, digest_of, is_closed
from ..closings import figures_of
from ..replay import State, Wrong, as_of, figures, states
from .common import JSON, YEAR, Moment, known_street, known_year, reading

SHOWN = 20


@click.command()
@YEAR
@click.option("--street", default=None, help="Only this street (its code).")
@click.option("--by", type=click.Choice(["street", "unit"]), default="street", show_default=True)
@click.option("--at", type=Moment(), default=None, help="As the books had it then: a day's end, or a time.")
@JSON
def show(year: int, street: str | None, by: str, at: datetime | None, as_json: bool) -> None:
    """Show the account of a year; exit code 1 when it doesn't balance."""
    with reading() as work:
        known_year(work, year)
        known_street(work, street)
        found = (
            account(year, by, street, store.figures(work, year, by, street))
            if at is None
            else Account(year, by, street, tuple(figures(_at(work, year, street, at), by)))
        )
    click.echo(json.dumps(found.document(), ensure_ascii=False) if as_json else found.table())
    sys.exit(0 if found.balances else 1)


def _at(work: Work, year: int, street: str | None, at: datetime) -> list[State]:
    found = (as_of(lines, at) for _, lines in store.replayed(work, year))
    return [now for now in found if now is not None and street in (None, now.street)]


@click.command()
@YEAR
@click.option("--street", default=None, help="Only this street (its code).")
@JSON
def returning(year: int, street: str | None, as_json: bool) -> None:
    """老大难: entries whose matters were written off before, the most often first."""
    with reading() as work:
        known_year(work, year)
        known_street(work, street)
        found = store.returning(work, year, street=street)
    if as_json:
        click.echo(json.dumps([r._asdict() for r in found], ensure_ascii=False))
        return
    for r in found:
        click.echo(f"{r.id}  {r.title}：第{r.times + 1}次，最早{r.first_year}年")
    click.echo(f"{year}年：老大难 {len(found)} 件")


@click.command()
@YEAR
def check(year: int) -> None:
    """Prove the account of a year, entry by entry and posting by posting; exit code 1 and what is at fault when it is
    wrong."""
    with reading() as work:
        known_year(work, year)
        whole = [account(year, by, None, store.figures(work, year, by, None)) for by in ("street", "unit")]
        faults = store.faults(work, year)
        wrong, replayed = _replay(work, year)
        moved = _moved_since_closed(work, year)
    for fault in [f for f in (*faults, *wrong) if f.entries]:
        click.echo(f"{FAULTS[fault.kind]}：共 {fault.entries} 笔")
        for id_, number in fault.shown:
            click.echo(f"  {id_}  {number or ''}")
    same = wrong or [tuple(figures(replayed, a.by)) for a in whole] == [a.lines for a in whole]
    bad = [f for f in faults if f.kind != ON_THE_WAY] or wrong or moved or not same
    good = not bad and all(a.balances for a in whole)
    if moved:
        click.echo(f"结账后数字有变：结账时 {moved[0]}，现为 {moved[1]}")
    if not same:
        click.echo("按记账逐笔重算的街道、单位数字与账本不符")
    total = whole[0].total
    click.echo(f"{year}年：{total.left}，结存 {total.open}：{'账目相符' if good else '账目不符'}")
    sys.exit(0 if good else 1)


def _replay(work: Work, year: int) -> tuple[list[store.Fault], list[State]]:
    """Reads every entry again from its first posting: those that don't follow, and the states of the others."""
    found: list[State] = []
    wrong: list[tuple[str, str | None]] = []
    for entry, lines in store.replayed(work, year):
        try:
            *_, (_, last) = states(lines)
            if last.state != entry.state:
                raise Wrong(entry.postings, f"the entry is {entry.state}, its postings say {last.state}")
        except Wrong as error:
            wrong.append((entry.id, f"{entry.case_number or ''} {error}"))
        else:
            found.append(last)
    return ([store.Fault("replay", len(wrong), wrong[:SHOWN])] if wrong else []), found


def _moved_since_closed(work: Work, year: int) -> tuple[str, str] | None:
    """The digests of a closed year's figures then and now, if they differ."""
    acts = store.acts_of(work, Period(year))
    if not is_closed(store.as_acts(acts)):
        return None
    then = next(act.digest for act in reversed(acts) if act.act == "closed")
    now = digest_of(figures_of(work, Period(year)))
    return None if then == now else (then, now)
