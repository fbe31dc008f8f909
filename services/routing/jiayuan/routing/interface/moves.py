"""The moves of a case: one operation each, whose body is the move's words (`acting.WORDS`) and the version seen."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema

from jiayuan.chassis.operation import Operation, Operations
from jiayuan.contracts.schemas.common import a_number, said

from .. import acting
from ..api.moves import roles_of
from ..case.machine import STANDINGS, TABLE
from . import answers

_HEADERS: Final = {
    "If-Match": {
        "required": False,
        "description": "The ETag of the case that you looked at; as `sequence` in the body.",
        "schema": {"type": "string", "pattern": '^((W/)?"[1-9][0-9]{0,8}"|\\*)$'},
    }
}


def body_of(move: str) -> type[Schema]:
    """A move's words, and the version of the case that was looked at."""
    words = acting.WORDS[move]
    sequence = said(
        a_number(1), "The version of the case that you looked at: 409 when it has moved on since."
    )
    name = f"{move.capitalize()}Move"
    return type(name, (words,), {"__doc__": f"The words of {move}.", "sequence": sequence})


def path_of(move: str) -> str:
    """A move's address."""
    if move == "assign":
        return "/cases/<string:case>/assignments"
    if move == "decide":
        return "/cases/<string:case>/approvals/<string:approval>/decision"
    on_leg = "/legs/<string:leg>" if TABLE[move].on == "leg" else ""
    return f"/cases/<string:case>{on_leg}/{move}"


def _described(move: str) -> str:
    """Whose the move is, and when: what the machine's table says."""
    rule = TABLE[move]
    whose = "；".join(STANDINGS[s] for s in sorted(rule.by) if s in STANDINGS)
    when = "、".join(sorted(rule.states))
    needs = "；".join(n.words for n in rule.needs)
    what = "leg" if rule.on == "leg" else "case"
    return (
        f"Whose: {whose}. State of the {what}: {when}. Leads to: {rule.leads_to}."
        + (f" Needs: {needs}." if needs else "")
        + f" Roles that may try: {', '.join(roles_of(move))}."
    )


def _operation(move: str) -> Operation:
    bodiless = not any(f.required for f in acting.WORDS[move]().fields.values())
    return Operation(
        "moves",
        {200: answers.View},
        body=body_of(move),
        refuses=(404, 409),
        headers=_HEADERS,
        described=_described(move),
        bodiless=bodiless,
    )


OPERATIONS: Final[Operations] = {("POST", path_of(move)): _operation(move) for move in acting.WORDS}
