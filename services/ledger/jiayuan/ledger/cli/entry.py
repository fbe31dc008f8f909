"""Entries at the command line: opened, posted, inspected, answered, written off, reversed."""

from __future__ import annotations

from typing import Any

import click

from ..posting import ANSWERS, OPENED
from .common import JSON, TOKEN, Id, do, echo_json

ENTRY = click.argument("entry", type=Id())
NOTE = click.option("--note", required=True, help="What is said with it.")
KEY = click.option("--key", default=None, help="Done once, however often it is sent with this key.")


@click.group()
def entry() -> None:
    """賬目: what staff does with entries."""


def _say(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        echo_json(found)
        return
    last = found["postings"][-1]
    click.echo(f"{found['id']}  {found['state']}  {last['number']}: {last['note']}")


@entry.command("open")
@click.option("--source", type=click.Choice(OPENED), required=True)
@click.option("--source-id", required=True, help="The decision, or the line of the list.")
@click.option("--street", required=True)
@click.option("--category", required=True)
@click.option("--title", required=True)
@click.option("--promise", required=True)
@click.option("--unit", default=None)
@click.option("--person", default=None)
@click.option("--due-at", default=None, help="By when: RFC 3339.")
@click.option("--since", default=None, help="When the matter began: RFC 3339.")
@JSON
@TOKEN
def open_(token: str, as_json: bool, **body: str | None) -> None:
    """入账: open the entry of a decision or a demand."""
    _say(do(token, "open_entry", {k: v for k, v in body.items() if v is not None}), as_json)


@entry.command()
@ENTRY
@click.argument("kind", type=click.Choice(["progress", "hand_over", "extension", "money", "evidence"]))
@NOTE
@click.option("--unit", default=None)
@click.option("--person", default=None)
@click.option("--due-at", default=None, help="extension: until when, RFC 3339.")
@click.option("--amount", type=int, default=None, help="money: fen.")
@click.option("--evidence", default=None, help="The digest of the file, as in sha256:…")
@KEY
@JSON
@TOKEN
def post(entry: str, token: str, key: str | None, as_json: bool, **body: Any) -> None:
    """记账: progress, hand-over, extension, money, evidence."""
    said = {k: v for k, v in body.items() if v is not None}
    _say(do(token, "post", said, key=key, entry=entry), as_json)


@entry.command()
@ENTRY
@click.option("--passed/--failed", required=True)
@NOTE
@KEY
@JSON
@TOKEN
def inspect(entry: str, passed: bool, note: str, key: str | None, as_json: bool, token: str) -> None:
    """核查: by somebody who had no hand in it."""
    _say(do(token, "inspect_entry", {"passed": passed, "note": note}, key=key, entry=entry), as_json)


@entry.command()
@ENTRY
@click.argument("answer", type=click.Choice(ANSWERS))
@click.option("--note", default=None)
@click.option("--days", type=int, default=None, help="asked: how many days there are to answer.")
@KEY
@JSON
@TOKEN
def answer(entry: str, token: str, key: str | None, as_json: bool, **body: Any) -> None:
    """答复: what the citizen says."""
    said = {k: v for k, v in body.items() if v is not None}
    _say(do(token, "answer_entry", said, key=key, entry=entry), as_json)


@entry.command("write-off")
@ENTRY
@click.option("--note", default=None)
@KEY
@JSON
@TOKEN
def write_off(entry: str, note: str | None, key: str | None, as_json: bool, token: str) -> None:
    """销账: says what is missing, or writes it off."""
    _say(do(token, "write_off", {"note": note}, key=key, entry=entry), as_json)


@entry.command()
@ENTRY
@click.argument("number", type=int)
@click.option("--reason", required=True)
@KEY
@JSON
@TOKEN
def reverse(entry: str, number: int, reason: str, key: str | None, as_json: bool, token: str) -> None:
    """冲正: take a posting back."""
    _say(do(token, "reverse", {"reason": reason}, key=key, entry=entry, number=number), as_json)
