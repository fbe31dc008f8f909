"""Closing a year or a quarter at the command line."""

from __future__ import annotations

import sys
from typing import Any

import click

from .. import closings
from ..closing import Period
from ..entry import SHANGHAI
from ..store import acts_of, closed_periods
from .common import JSON, PERIOD, TOKEN, do, echo_json, reading

_WORDS = {
    "closing_proposed": "提请结账",
    "closed": "批准结账",
    "closing_refused": "不予结账",
    "reopening_proposed": "提请重开",
    "reopened": "批准重开",
    "reopening_refused": "不予重开",
}


REASON = click.option("--reason", required=True)


@click.group()
def close() -> None:
    """结账: one proposes, another approves, and both stay visible."""


@close.command()
@PERIOD
@JSON
def show(period: Period, as_json: bool) -> None:
    """Whether it is closed, what is proposed, and who did what."""
    with reading() as work:
        if as_json:
            echo_json(closings.state_of(work, period))
            return
        acts, closed = acts_of(work, period), str(period) in closed_periods(work)
        digest = closings.state_of(work, period)["digest"]
    click.echo(f"{period.words}：{'已结账' if closed else '未结账'}；现数字摘要 {digest}")
    for act in acts:
        at = f"{act.at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
        click.echo(f"  {act.number}  {at}  {_WORDS[act.act]}  {act.actor}：{act.reason}")


@close.command()
@PERIOD
@REASON
@click.option("--reopen", is_flag=True, help="To reopen it instead.")
@TOKEN
def propose(period: Period, reason: str, reopen: bool, token: str) -> None:
    """Propose to close it (role county)."""
    _say(do(token, "propose_closing", {"reason": reason, "reopening": reopen}, period=str(period)))


@close.command()
@PERIOD
@REASON
@click.option(
    "--digest", default=None, help="Of the figures you looked at; moved since: nothing is approved."
)
@TOKEN
def approve(period: Period, reason: str, digest: str | None, token: str) -> None:
    """Approve what is proposed (role auditor, never who proposed it)."""
    body = {"approved": True, "reason": reason, "digest": digest}
    _say(do(token, "decide_closing", body, period=str(period)))


@close.command()
@PERIOD
@REASON
@TOKEN
def refuse(period: Period, reason: str, token: str) -> None:
    """Refuse what is proposed, or take it back."""
    _say(do(token, "decide_closing", {"approved": False, "reason": reason}, period=str(period)))


def _say(done: dict[str, Any]) -> None:
    total = done["figures"]["total"]
    click.echo(f"{done['period']}：{_WORDS[done['act']]}；结存 {total['open']}；数字摘要 {done['digest']}")
    sys.exit(0)
