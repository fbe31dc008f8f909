"""Posting 記賬 by staff: entries that no case opened, and what people add to any entry. Pure.

Each act takes the entry as it is and its postings by number, changes the entry, and gives what is to be appended.
What isn't possible is `NotPossible`, which names the field, what is wrong and what is allowed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from jiayuan.chassis.redact import mask
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso, parse

from . import write_off as writing_off
from .entry import (
    NOTE_LIMIT,
    OPENING_SEQUENCE,
    TITLE_LIMIT,
    Entry,
    Posted,
    append,
    entry_id,
    moves,
    open_year,
    year_of,
)
from .write_off import NEEDED, History, Line

SOURCES: Final = ("case", "meeting", "demand_list", "carried_forward")
# What staff open by themselves; a case opens its own, and a closing carries forward.
OPENED: Final = ("meeting", "demand_list")
ANSWERS: Final = ("asked", "satisfied", "unsatisfied", "lapsed")
# A citizen who was asked has so many days, unless the asking says otherwise.
ANSWER_DAYS: Final = 7
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sm3:[0-9a-f]{64}")
MOST_MONEY: Final = 10**13

_SOURCES: Final = {"meeting": "联席会议议定", "demand_list": "需求清单"}
_ANSWERS: Final = {
    "asked": "请诉求人确认",
    "satisfied": "诉求人确认已解决",
    "unsatisfied": "诉求人不满意",
    "lapsed": "逾期未答复，视同确认",
}


class NotPossible(Exception):
    """An act that the entry doesn't allow as it is; `problems` say why. `broken`: the act itself is malformed."""

    def __init__(self, *problems: FieldProblem, broken: bool = False) -> None:
        self.problems, self.broken = list(problems), broken
        super().__init__("; ".join(f"{p.field}: {p.problem}" for p in problems))


def _no(field: str, problem: str, allowed: str = "") -> NotPossible:
    return NotPossible(FieldProblem(field, problem, allowed))


def _broken(field: str, problem: str, allowed: str) -> NotPossible:
    return NotPossible(FieldProblem(field, problem, allowed), broken=True)


@dataclass(frozen=True, slots=True)
class Act:
    """Who does it, when (RFC 3339), and what makes it once: `key` is unique within the entry."""

    who: str
    at: str
    key: str


@dataclass(frozen=True, slots=True)
class Opening:
    """An entry to be opened. `source_id`: the decision or the line of a list, of which there is one entry.

    `since`: when the matter began, if that was earlier; `due_at`: by when it is promised.
    """

    source: str
    source_id: str
    street: str
    category: str
    title: str
    promise: str
    unit: str | None = None
    person: str | None = None
    due_at: str | None = None
    since: str | None = None
    reports: tuple[str, ...] = ()


def open_entry(what: Opening, act: Act, closed: frozenset[int] = frozenset()) -> tuple[Entry, Posted]:
    """Opens the entry of a decision or a demand, in the year of the act, or the first after it that is open."""
    if what.source not in OPENED:
        raise _broken("source", f"is {what.source!r:.40}", ", ".join(OPENED))
    if what.since is not None and parse(what.since) > parse(act.at):
        raise _broken("since", f"is {what.since}", f"no later than {act.at}")
    opened_at = what.since or act.at
    id_ = entry_id_of(what.source, what.source_id, act.at)
    entry = Entry(
        id=id_,
        item=id_,
        year=open_year(year_of(act.at), closed),
        case_id=None,
        case_number=None,
        street=what.street,
        unit=what.unit,
        category=what.category,
        title=mask(what.title)[:TITLE_LIMIT],
        state="open",
        opened_at=opened_at,
        written_off_at=None,
        case_state=None,
        confirmed=None,
        case_sequence=0,
        state_sequence=OPENING_SEQUENCE,
        postings=0,
        source=what.source,
        source_id=what.source_id,
        person=what.person,
        promise=mask(what.promise),
        limit_seconds=None,
        due_at=what.due_at,
    )
    facts: dict[str, Any] = {
        "source": what.source,
        "source_id": what.source_id,
        "category": what.category,
        "street": what.street,
        "person": what.person,
        "due_at": what.due_at,
        "first_received_at": opened_at,
        "reports": list(what.reports),
    }
    posted = append(
        entry,
        kind="opening",
        actor=act.who,
        at=act.at,
        note=f"{_SOURCES[what.source]}入账",
        facts=facts,
        key=act.key,
        entered=1,
        words={"title": entry.title, "reason": mask(what.promise)},
    )
    return entry, posted


def entry_id_of(source: str, source_id: str, at: str) -> str:
    """The id of the entry of a decision or a demand that is opened at a time."""
    return entry_id(f"{source}:{source_id}", at)


def _post(
    entry: Entry,
    kind: str,
    word: str,
    text: str,
    act: Act,
    *,
    facts: dict[str, Any] | None = None,
    moved: tuple[int, int] = (0, 0),
    amount: int | None = None,
    evidence: str | None = None,
    corrects: int | None = None,
) -> Posted:
    """`text`: what people wrote; `moved`: (entered, written off)."""
    return append(
        entry,
        kind=kind,
        actor=act.who,
        at=act.at,
        note=word,
        facts=facts or {},
        key=act.key,
        entered=moved[0],
        written_off=moved[1],
        amount=amount,
        evidence=evidence,
        corrects=corrects,
        words={"reason": mask(text)[:NOTE_LIMIT]} if text else None,
    )


def _live(entry: Entry) -> None:
    if entry.state == "carried_forward":
        raise _no(
            "entry", f"was carried forward from {entry.year}", "the entry of the same item in the next year"
        )
    if entry.state == "reversed":
        raise _no(
            "entry", "was reversed: it is no entry of the account", "an entry that is open or written off"
        )


def _open(entry: Entry) -> None:
    _live(entry)
    if entry.state != "open":
        raise _no("entry", f"is {entry.state}", "an entry that is open")


def progress(entry: Entry, note: str, act: Act) -> Posted:
    """進展: how it goes."""
    _live(entry)
    return _post(entry, "progress", "进展", note, act)


def hand_over(entry: Entry, unit: str | None, person: str | None, reason: str, act: Act) -> Posted:
    """移交: another unit or person is in charge. Of a case, routing says who is."""
    _open(entry)
    _not_of_a_case(entry, "who is in charge of a case is decided there")
    if (unit, person) == (entry.unit, entry.person):
        raise _no("unit", "is in charge already", "another unit or person")
    facts = {"before_unit": entry.unit, "before_person": entry.person, "unit": unit, "person": person}
    entry.unit, entry.person = unit, person
    return _post(entry, "hand_over", "移交", reason, act, facts=facts)


def extend(entry: Entry, due_at: str, reason: str, act: Act) -> Posted:
    """延期: it is promised for a later day. Of a case, routing extends."""
    _open(entry)
    _not_of_a_case(entry, "the limit of a case is extended there")
    if entry.due_at is not None and parse(due_at) <= parse(entry.due_at):
        raise _no("due_at", f"is {due_at}", f"later than {entry.due_at}")
    facts = {"before_due_at": entry.due_at, "due_at": due_at}
    entry.due_at = due_at
    return _post(entry, "extension", "延期", reason, act, facts=facts)


def _not_of_a_case(entry: Entry, why: str) -> None:
    if entry.case_id is not None:
        raise _no(
            "entry", f"is of case {entry.case_number or entry.case_id}: {why}", "an entry without a case"
        )


def money(entry: Entry, fen: int, note: str, act: Act) -> Posted:
    """資金: what was spent on it, in fen. What was wrong is reversed, never spent below nothing."""
    _live(entry)
    if not 0 < fen <= MOST_MONEY:
        raise _broken("amount", f"is {fen}", f"fen from 1 to {MOST_MONEY}")
    return _post(entry, "money", f"资金{fen // 100}.{fen % 100:02d}元", note, act, amount=fen)


def evidence(entry: Entry, digest: str, note: str, act: Act) -> Posted:
    """佐證: the digest of a file; the file itself stays where it was made."""
    _live(entry)
    if not DIGEST.fullmatch(digest):
        raise _broken(
            "evidence", f"is {digest!r:.80}", "sha256: or sm3: and 64 hexadecimal digits in lower case"
        )
    return _post(entry, "evidence", "佐证", note, act, evidence=digest)


def inspect(entry: Entry, history: History, passed: bool, note: str, act: Act) -> Posted:
    """核查: somebody who did not handle it has looked at the result."""
    _open(entry)
    if act.who in writing_off.hands(history, entry.person):
        raise _no("inspector", "handled it", "somebody who had no hand in it")
    facts = {"inspection": {"passed": passed, "by": act.who}}
    return _post(entry, "evidence", "核查通过" if passed else "核查未通过", note, act, facts=facts)


def answer(
    entry: Entry, history: History, said: str, note: str, act: Act, *, days: int = ANSWER_DAYS
) -> Posted:
    """What the citizen says of it. `asked`: until when there is time to answer; `lapsed`: that time is over."""
    _open(entry)
    facts: dict[str, Any] = {"answer": said}
    if said == "asked":
        facts["until"] = iso(parse(act.at) + timedelta(days=days))
    if said == "lapsed":
        asked = _asked(history)
        if asked is None:
            raise _no("answer", "nobody has asked yet", "asked first, and the days that were given are over")
        if parse(act.at) <= asked:
            raise _no("answer", f"there is time until {iso(asked)}", "lapsed after that")
    return _post(entry, "evidence", _ANSWERS[said], note, act, facts=facts)


def _asked(history: History) -> datetime | None:
    """Until when there was time, if the last that was said is a question."""
    said = [line["facts"] for line in writing_off.since_last_open(history) if line["facts"].get("answer")]
    return parse(said[-1]["until"]) if said and said[-1]["answer"] == "asked" else None


def write_off(entry: Entry, history: History, note: str, act: Act) -> Posted:
    """銷賬: what was promised is done, shown, looked at by another and borne out by the citizen."""
    _open(entry)
    lacking = writing_off.missing(history)
    if lacking:
        raise NotPossible(*(FieldProblem(what, "is missing", NEEDED[what]) for what in lacking))
    entered, written_off = moves(entry.state, "written_off")
    entry.state, entry.written_off_at = "written_off", act.at
    return _post(entry, "write_off", "销账", note, act, moved=(entered, written_off))


def reverse(entry: Entry, history: History, number: int, reason: str, act: Act) -> Posted:
    """沖正: a posting was wrong. It stays; this one takes back what it moved and says why.

    The opening of a case, and what its steps settle, are put right in routing; a write-off may be taken back here
    whoever made it.
    """
    lines = history[-1]
    line = next((found for found in lines if found["number"] == number), None)
    if line is None:
        raise _no("number", f"there is no posting {number}", f"1 to {entry.postings}")
    _live(entry)
    if line["corrects"] is not None or line["kind"] in ("reversal", "carry_forward", "reopening"):
        raise _no("number", f"posting {number} is a {line['kind']}", "post anew what holds")
    if any(found["corrects"] == number for found in lines):
        raise _no("number", f"posting {number} is reversed already", "a posting that stands")
    if line["clock_id"] is not None:
        raise _no("number", f"posting {number} is a limit that passed", "sla withdraws one that did not")
    if line["kind"] == "opening" and entry.case_id is not None:
        raise _no("number", "a case opened it", "void the case in routing")
    after = _taken_back(entry, history, line)
    entered, written_off = moves(entry.state, after)
    entry.state = after
    if after != "written_off":
        entry.written_off_at = None
    amount = -line["amount"] if line["amount"] is not None else None
    return _post(
        entry,
        "reversal",
        f"冲正第{number}笔",
        reason,
        act,
        facts={"of": line["kind"]},
        moved=(entered, written_off),
        amount=amount,
        corrects=number,
    )


def _taken_back(entry: Entry, history: History, line: Line) -> str:
    """The entry's state without the posting; what a hand-over or an extension changed is put back."""
    kind, facts = line["kind"], line["facts"]
    if kind == "write_off":
        holds = [found for found in writing_off.since_last_open(history[-1:]) if found["written_off"] > 0]
        if entry.state != "written_off" or not holds or holds[-1]["number"] != line["number"]:
            raise _no("number", "this write-off does not hold any more", "the write-off that holds")
        return "open"
    if kind == "opening":
        if entry.state != "open":
            raise _no("number", "the entry is written off", "reverse its write-off first")
        return "reversed"
    if kind in ("hand_over", "extension") and line["case_sequence"] is None:
        stands = writing_off.standing(history[-1])
        later = [f["number"] for f in history[-1] if f["kind"] == kind and f["number"] in stands]
        if later[-1] != line["number"]:
            raise _no("number", f"posting {later[-1]} came after it", "the newest of its kind")
        if kind == "hand_over":
            entry.unit, entry.person = facts["before_unit"], facts["before_person"]
        else:
            entry.due_at = facts["before_due_at"]
    if entry.state == "written_off" and (
        line["evidence"] is not None or facts.get("inspection") or facts.get("answer")
    ):
        raise _no("number", "the write-off rests on it", "reverse the write-off first")
    return entry.state
