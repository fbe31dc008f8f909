"""Write-off 銷賬: what must be there before an entry is written off. Pure.

Three things: evidence (the digest of the file), an inspection by somebody who did not handle it, and the citizen's
answer or its lapse. Of a case, its events bring them: the file is the case's own, and a citizen who says that it is
solved has looked at it, whom nobody replaces; silence is no look, so a confirmation that lapsed needs an inspection
that passed (ADR 20). An entry without a case needs all three from staff.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

Line = Mapping[str, Any]
History = Sequence[Sequence[Line]]
"""The postings of a matter, an entry a year, the newest last; each entry's by number."""

EVIDENCE: Final = "evidence"
INSPECTION: Final = "inspection"
ANSWER: Final = "answer"

NEEDED: Final[Mapping[str, str]] = {
    EVIDENCE: "a posting of the kind evidence with the digest of the file",
    INSPECTION: "an inspection that passed, by somebody who did not handle it",
    ANSWER: "the citizen's answer that it is solved, or its lapse",
}
# What a citizen's answer, or a lapse, bears out. Closed as unsatisfied an entry stays open in the account.
CONFIRMED: Final = frozenset(("satisfied", "lapsed", "withdrawn"))


def handlers_of(case: Mapping[str, Any]) -> frozenset[str]:
    """Who had a hand in a case: assignees, and who acted for them."""
    legs = case["legs"]
    return frozenset(
        who for leg in legs for who in (leg["assignee"]["id"], *(leg.get("hands") or ())) if who is not None
    )


def missing_in_case(case: Mapping[str, Any]) -> tuple[str, ...]:
    """What a case that is closed lacks for being written off; empty when nothing."""
    confirmed = case.get("confirmed")
    if confirmed not in CONFIRMED:
        return (ANSWER,)
    if confirmed != "lapsed":
        return ()
    seen = case.get("inspection")
    if seen and seen["passed"] and seen["by"] not in handlers_of(case):
        return ()
    return (INSPECTION,)


def since_last_open(history: History) -> list[Line]:
    """The postings that stand since the matter was last open anew: what was shown before that has shown wrong."""
    out: list[Line] = []
    for lines in history:
        stands = standing(lines)
        for line in lines:
            if line["written_off"] < 0:
                out = []
            elif line["number"] in stands:
                out.append(line)
    return out


def standing(lines: Iterable[Line]) -> frozenset[int]:
    """The numbers of an entry's postings that no later one has corrected, and that correct none."""
    known = list(lines)
    corrected = {line["corrects"] for line in known}
    return frozenset(
        line["number"] for line in known if line["corrects"] is None and line["number"] not in corrected
    )


def hands(history: History, person: str | None) -> frozenset[str]:
    """Who handled a matter: whoever is in charge, posted how it goes, or is named by a step of its case."""
    out = {person} if person is not None else set()
    for line in (line for lines in history for line in lines):
        facts = line["facts"]
        if line["kind"] in ("progress", "hand_over", "extension", "money") and line["clock_id"] is None:
            if line["actor"] is not None:
                out.add(line["actor"])
            out |= {facts[name] for name in ("person", "before_person") if facts.get(name)}
        assignee = facts.get("assignee")
        if assignee:
            out.add(assignee["id"])
    return frozenset(out)


def missing(history: History) -> tuple[str, ...]:
    """What an open entry lacks for being written off by staff; empty when nothing."""
    found = set()
    for line in since_last_open(history):
        facts = line["facts"]
        if line["evidence"] is not None or facts.get("file"):
            found.add(EVIDENCE)
        # What the posting of a later look says holds.
        if facts.get("inspection"):
            (found.add if facts["inspection"]["passed"] else found.discard)(INSPECTION)
        said = facts.get("answer") or facts.get("confirmed")
        if said:
            (found.add if said in CONFIRMED else found.discard)(ANSWER)
    return tuple(what for what in NEEDED if what not in found)
