"""A decision 議定事項: who does what by when, and what it becomes. Pure.

`becomes`: an `entry` of the account; a `posting` under an entry that there is; a `whistle` for a case; or `text` alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.ledger import DECISION_BECOMES, DECISION_LIMIT, MOST_ASSISTANTS, MOST_DECISIONS

BECOMES: Final = DECISION_BECOMES
BECOMES_NAMES: Final = {"entry": "入账", "posting": "记账", "whistle": "吹哨", "text": "仅载入纪要"}
OUTCOMES: Final = ("waiting", "done", "refused")
OUTCOME_NAMES: Final = {"waiting": "待分派回复", "done": "已办", "refused": "未能办理"}
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "entry": ("category", "unit", "due_at"),
    "posting": ("entry",),
    "whistle": ("case", "unit"),
    "text": (),
}
# What goes into an event names a person only by an id.
_ID: Final = re.compile(r"[0-9A-Za-z._:@/+-]{1,128}")

__all__ = [
    "BECOMES",
    "BECOMES_NAMES",
    "DECISION_LIMIT",
    "MOST_ASSISTANTS",
    "MOST_DECISIONS",
    "OUTCOMES",
    "faults",
]


def faults(decision: Mapping[str, Any]) -> list[FieldProblem]:
    """What a decision lacks for what it is to become; nothing when it is whole."""
    becomes = decision["becomes"]
    out = [
        FieldProblem(name, "is missing", f"needed of a decision that becomes {becomes}")
        for name in _NEEDED[becomes]
        if not decision.get(name)
    ]
    assistants = decision.get("assistants") or ()
    if assistants and becomes != "whistle":
        out.append(FieldProblem("assistants", f"is given, and it becomes {becomes}", "of a whistle only"))
    if decision.get("unit") in assistants:
        out.append(FieldProblem("assistants", "names the lead again", "other units than the lead"))
    return out


def person_id(person: str | None) -> str | None:
    """The person where it is an id of the directory: a name goes into no event and no entry."""
    return person if person and _ID.fullmatch(person) else None


def resolutions(decisions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The decisions as `meeting.held` tells what they become."""
    out = []
    for d in decisions:
        told: dict[str, Any] = {"id": d["id"], "number": d["number"], "becomes": d["becomes"]}
        told |= {n: d[n] for n in ("case", "entry", "unit", "due_at") if d.get(n)}
        if d.get("assistants"):
            told["assistants"] = list(d["assistants"])
        if person := person_id(d.get("person")):
            told["person"] = person
        out.append(told)
    return out
