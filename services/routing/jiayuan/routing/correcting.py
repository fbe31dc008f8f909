"""What a case is about, or where it is, turns out to be something else: it is decided about again.

It comes from intake's desk or the reporter (report.supplemented with a category or a place), or from the street's desk
on the case itself (triage). While nobody has accepted the case it goes where the policy now says; afterwards only the
record changes, and the desk is to have a look. A case is about what its first report is about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jiayuan.chassis.work import Work
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import iso

from . import book as books
from . import case as cases
from . import deciding, handing, opening, store
from .book import Book
from .case import Case, Moves
from .directory import Directory
from .moving import Moving
from .policy import Decision, Matter, Policy

ASPECTS: Final = ("category", "place")
_WEIGHTS: Final = ("livelihood", "importance", "urgency")


@dataclass(frozen=True, slots=True)
class Correction:
    """What is put right: the category (as in events, with its weights) or the place, or both; by whom and why."""

    by: str
    reason: str
    category: Mapping[str, Any] | None = None
    weights: Mapping[str, Any] | None = None
    place: Mapping[str, Any] | None = None
    cause: str = deciding.CORRECTED


# -- before there is a case --------------------------------------------------------------------------


def words_of(event: Event) -> dict[str, Any]:
    """What report.supplemented puts right, to be kept until its report comes; empty where it only adds words."""
    data = event.data
    said = {aspect: data[aspect] for aspect in ASPECTS if data.get(aspect)}
    if "category" in said:
        said |= {k: data[k] for k in _WEIGHTS if data.get(k) is not None}
    return said | {"sequence": event.sequence} if said else {}


def applied(report: Mapping[str, Any], waiting: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A report with what was put right before it came: the newest word about each."""
    out = report if isinstance(report, dict) else dict(report)
    if not waiting:
        return out
    for words in sorted((w for w in waiting if "sequence" in w), key=lambda w: w["sequence"]):
        out = {**out, **{k: words[k] for k in (*ASPECTS, *_WEIGHTS) if k in words}}
        if "category" in words:
            out.pop("candidates", None)
    return out


def sequences(waiting: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, int]]:
    """By aspect and report the newest word about it that waited for the report."""
    out: dict[str, dict[str, int]] = {}
    for report, words in waiting.items():
        for one in words:
            for aspect in ASPECTS:
                if aspect in one:
                    known = out.setdefault(aspect, {})
                    known[report] = max(known.get(report, 0), one["sequence"])
    return out


# -- from intake -------------------------------------------------------------------------------------


def from_intake(work: Work, events: Sequence[Event], found: Mapping[str, str]) -> None:
    """report.supplemented with a category or a place; `found`: the cases of their reports.

    What is older than the newest word about a report's category (or place) changes nothing, in whatever order and
    however often it comes.
    """
    newest: dict[str, dict[str, Event]] = {aspect: {} for aspect in ASPECTS}
    for event in sorted(events, key=lambda e: e.sequence):
        for aspect in ASPECTS:
            if event.data.get(aspect) and event.data["report"] in found:
                newest[aspect][event.data["report"]] = event
    fresh = {
        aspect: store.newer_corrections(work, aspect, {r: e.sequence for r, e in by_report.items()})
        for aspect, by_report in newest.items()
    }
    reports = sorted(set().union(*fresh.values()))
    if not reports:
        return
    book = books.of(work)
    moving = Moving(work, sorted({found[r] for r in reports}))
    again = Again(work, book, moving)
    for report in reports:
        case = moving.cases[found[report]]
        told = {aspect: newest[aspect][report] for aspect in ASPECTS if report in fresh[aspect]}
        cause = max(told.values(), key=lambda e: e.sequence)
        if case.state in cases.OVER or case.reports[0]["id"] != report:
            # Another report's place is not the case's; what is over stays as it was.
            again.note(case, "supplemented", cause.data.get("by") or f"report:{report}"[:128])
            continue
        said = told["category"].data if "category" in told else None
        place = told["place"].data["place"] if "place" in told else None
        again.decide(
            case,
            Correction(
                str(cause.data.get("by") or "intake"),
                "、".join(w for w, there in (("事项分类更正", said), ("地点更正", place)) if there),
                said["category"] if said else None,
                {k: said[k] for k in _WEIGHTS if said.get(k) is not None} if said else None,
                place,
            ),
            cause,
        )
    again.save()


# -- deciding again ----------------------------------------------------------------------------------


class Again:
    """Decides about locked cases again, within one transaction; `save` stores and tells, and ends it."""

    def __init__(self, work: Work, book: Book, moving: Moving) -> None:
        self.work, self.book, self.moving = work, book, moving
        self.last = store.last_decisions(work, moving.cases)
        self.hand_coloured = store.recoloured(work, moving.cases)
        self._given: Counter[str] = Counter()
        self._rows: list[dict[str, Any]] = []
        self._notes: list[dict[str, Any]] = []
        self._recast: dict[str, None] = {}

    def note(self, case: Case, action: str, by: str) -> None:
        """A step that changes nothing."""
        self._notes.append(
            {
                "case_id": case.id,
                "sequence": case.sequence,
                "action": action,
                "actor": by,
                "at": iso(self.work.now),
                "leg": None,
                "reason": None,
            }
        )

    def decide(
        self,
        case: Case,
        said: Correction,
        cause: Event | None = None,
        traceparent: str = "",
        *,
        hand_out: bool = True,
    ) -> Case:
        """The case after a correction. `hand_out`: it goes where the policy says, if nobody has accepted it."""
        work, book = self.work, self.book
        policy = book.policy(work.now)
        where = place_of(case, said.place, book.directory)
        category = said.category or case.category
        matter = matter_again(case, self.last.get(case.id), category, said.weights, where, policy, book)
        decision = policy.decide(matter)
        confidence = category.get("confidence")
        known = where[0] != book.directory.county_street
        taken = cases.is_taken(case)
        doubt = decision.doubt(confidence, known) if said.cause != deciding.TRIAGE else None
        colour = case.colour if case.id in self.hand_coloured else decision.colour
        fresh = decision_to_keep(decision, colour, confidence if doubt else None)
        steps: list[cases.Moved] = []
        now, entered = case, 0
        for action, changed in (("recategorise", said.category), ("relocate", said.place)):
            if changed is None:
                continue
            fields: dict[str, Any] = dict(fresh) if not taken else {}
            if action == "recategorise":
                fields["category"] = {
                    k: category[k] for k in ("code", "name", "confidence", "method") if k in category
                }
                # What was entered in the annual account stays in it, whatever it turns out to be.
                if said.weights and said.weights.get("livelihood") and not now.livelihood:
                    fields["livelihood"], entered = True, now.sequence + 1
            else:
                fields["street"], fields["community"], fields["grid"] = where
            steps.append(cases.put_right(now, action, said.by, work.now, said.reason, **fields))
            now = steps[-1].case
        moves: Moves = tuple(steps)
        if not taken and hand_out and now.state not in (*cases.OVER, "resolved"):
            moves += self._hand_over(now, policy, decision, where, doubt, said, colour)
        if not moves:
            return case
        now = moves[-1].case
        self.moving.take(now, moves, cause, traceparent)
        self._recast[now.id] = None
        if taken and said.cause != deciding.TRIAGE:
            doubt = deciding.ACCEPTED
        more: dict[str, Any] = {"reason": said.reason, "before": _before(case)}
        if entered:
            more["livelihood_from"] = entered
        self._rows.append(
            deciding.row_of(
                case.id,
                now.sequence,
                iso(work.now),
                said.cause,
                said.by,
                matter,
                decision,
                confidence,
                doubt,
                more,
            )
        )
        return now

    def _hand_over(
        self,
        case: Case,
        policy: Policy,
        decision: Decision,
        where: tuple[str, str | None, str | None],
        doubt: str | None,
        said: Correction,
        colour: str,
    ) -> Moves:
        now = iso(self.work.now)
        turned_down = handing.turned_down(case)
        legs, _ = opening.first_legs(
            self.book, policy, decision, where, now, self._given, doubt, without=turned_down
        )
        if colour != decision.colour:
            finish = policy.recoloured(decision.rule, colour, decision.importance, decision.urgency)
            legs = tuple(opening.with_finish(leg, finish) for leg in legs)
        whistle = opening.whistle_of(decision, legs)
        return cases.hand_over(case, legs, opening.ACTOR, self.work.now, said.reason, whistle)

    def save(self) -> None:
        """Stores what was decided, and tells of it."""
        self.moving.save()
        store.recast(self.work, [self.moving.cases[i] for i in sorted(self._recast)])
        store.insert_decisions(self.work, self._rows)
        store.note_steps(self.work, self._notes)
        self.book.store_turns(self.work, self._given)


def place_of(
    case: Case, place: Mapping[str, Any] | None, directory: Directory
) -> tuple[str, str | None, str | None]:
    """Street, community and grid: where the correction says, as the directory knows it, else where the case is."""
    if place is None:
        return case.street, case.community, case.grid
    return directory.where(place.get("street"), place.get("community"), place.get("grid"))


def matter_again(
    case: Case,
    last: Any,
    category: Mapping[str, Any],
    weights: Mapping[str, Any] | None,
    where: tuple[str, str | None, str | None],
    policy: Policy,
    book: Book,
) -> Matter:
    """What the policy looks at when a case is decided about again: danger that was seen stays danger.

    `last`: the row of its last decision; a case of before there were any has what its rule looked at.
    """
    said = weights or {}
    if last is not None:
        signs = tuple(last.signs.split(",")) if last.signs else ()
        importance, urgency = last.importance, last.urgency
    else:
        table = book.version(str(case.decision["policy"])) or policy
        rule = table.rule(str(case.decision["rule"]))
        signs = tuple(sorted(rule.sign or ())[:1]) if rule is not None else ()
        importance, urgency = _weights_of(table, case.colour)
    if signs:
        importance, urgency = max(importance, 3), max(urgency, 3)
    else:
        importance, urgency = said.get("importance") or importance, said.get("urgency") or urgency
    return Matter(category["code"], case.kind, importance, urgency, signs, where[0], where[1])


def _weights_of(table: Policy, colour: str) -> tuple[int, int]:
    """The least weights that give a colour."""
    return min((w for w, c in table.colours.items() if c == colour), key=sum, default=(2, 2))


def decision_to_keep(decision: Decision, colour: str, confidence: float | None) -> dict[str, Any]:
    """The fields of a case that a new decision sets."""
    said: dict[str, Any] = {"policy": decision.policy, "rule": decision.rule, "reason": decision.reason[:500]}
    if confidence is not None:
        said["confidence"] = confidence
    return {
        "colour": colour,
        "decision": said,
        "citizen_limit": decision.citizen_limit,
        "confirmation_limit": decision.confirmation_limit,
    }


def _before(case: Case) -> dict[str, Any]:
    return {
        "category": case.category["code"],
        "street": case.street,
        "community": case.community,
        "colour": case.colour,
        "assignees": [leg.assignee.id for leg in case.live_legs],
    }
