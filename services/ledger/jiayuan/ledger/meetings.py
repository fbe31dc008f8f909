"""Joint meetings in transactions: drafted, prepared, signed, published. Who may is the caller's to ask.

Everything that changes a meeting locks its row first. What changes its content takes the signatures back, so that both
sign the same. With the second signature, in one transaction: the meeting is held, its decisions are entries and
postings of the account, and `meeting.held` tells routing which cases to whistle for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.redact import mask
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso, parse

from . import entries, posting, views
from .entry import Entry
from .lists.quarter import Quarter, read
from .lists.sheets import day
from .meeting import agenda, decision, stage
from .meeting.stage import Refused
from .posting import Act, NotPossible, Opening
from .store import lists, meetings

MOST_FOUND: Final = 100
MOST_PEOPLE: Final = 200
_TEXTS: Final = ("title", "organ", "place", "chair", "minutes")
MINUTES_LIMIT: Final = 20_000


@dataclass(frozen=True)
class Learned:
    """What routing told: cases that nobody takes, the member units (None: not asked), and what it did not tell."""

    cases: Sequence[Mapping[str, Any]] = ()
    units: Sequence[Mapping[str, str]] | None = None
    notes: Sequence[str] = ()


@contextmanager
def _as_problems() -> Iterator[None]:
    """Says by a Problem what the meeting, or an entry of the account, doesn't allow."""
    try:
        yield
    except Refused as error:
        problem = FieldProblem(error.field, error.problem, error.allowed)
        raise Problem(409, "Not possible as the meeting is", str(error), problems=[problem]) from None
    except NotPossible as error:
        raise Problem(409, "Not possible as the account is", str(error), problems=error.problems) from None


# -- drafting --------------------------------------------------------------------------------------------------


def draft(
    work: Work,
    street: str,
    quarter: Quarter,
    number: int,
    who: str,
    learned: Learned = Learned(),
    days: int = agenda.STALLED_DAYS,
) -> tuple[Any, int, bool]:
    """Begins a meeting, or adds to its draft's agenda what has come since: it, how much is new, whether it was begun.

    `days`: without a posting for so long an entry stands still. 409 when the meeting is no draft any more.
    """
    row: dict[str, Any] = {
        "id": new_id(),
        "street": street,
        "quarter": str(quarter),
        "number": number,
        "state": "draft",
        "title": f"{quarter.words}联席会议纪要",
        **dict.fromkeys(("organ", "place", "chair", "minutes"), ""),
        **{name: [] for name in ("agenda", "attendance", "notes", "units", "signatures")},
        "drafted_at": iso(work.now),
        "drafted_by": who,
    }
    begun = meetings.add_meeting(work, row)
    found = meetings.meeting_for(work, street, str(quarter), number)
    with _as_problems():
        stage.needs(found.state, "draft")
    notes = list(learned.notes)
    there = agenda.from_unclaimed_cases(learned.cases)
    known = {f.case for f in there}
    there += [
        f for f in agenda.from_refused(meetings.refused(work, street, MOST_FOUND)) if f.case not in known
    ]
    before = work.now - timedelta(days=days)
    there += agenda.from_stalled(meetings.stalled(work, street, before, MOST_FOUND), work.now)
    service = lists.list_for(work, "service", str(quarter), street)
    if service is not None and service.state != "draft":
        there += agenda.from_service_list(views.whole(work, service))
    else:
        notes.append(f"{quarter.words}服务清单尚未公布")
    items, new = agenda.draft(found.agenda, there)
    units = [dict(u) for u in learned.units] if learned.units is not None else found.units
    values = {"agenda": items, "notes": notes, "units": units}
    if new:
        values["signatures"] = []
    meetings.change_meeting(work, found.id, **values, drafted_at=iso(work.now), drafted_by=who)
    meetings.add_act(work, found.id, "draft", who, {"new": new, "days": days, "notes": notes})
    return meetings.meeting_of(work, found.id), new, begun


# -- preparing -------------------------------------------------------------------------------------------------


def change(work: Work, id_: str, said: Mapping[str, Any], who: str) -> bool:
    """Changes title, organ, place, chair, begins_at or the record: whether anything changed."""
    found = _draft(work, id_)
    wanted = {name: mask(said[name]) for name in _TEXTS if said.get(name) is not None}
    changed: dict[str, Any] = {k: v for k, v in wanted.items() if getattr(found, k) != v}
    if said.get("begins_at") and parse(said["begins_at"]) != found.begins_at:
        changed["begins_at"] = said["begins_at"]
    if changed:
        _write(work, found, "change", who, {"fields": sorted(changed)}, **changed)
    return bool(changed)


def arrange(work: Work, id_: str, items: Sequence[Mapping[str, Any]], who: str) -> None:
    """The agenda as people want it."""
    found = _draft(work, id_)
    with _as_problems():
        wanted = agenda.arrange(found.agenda, items)
    if wanted != found.agenda:
        left = [i["id"] for i in wanted if i["left_out"]]
        _write(work, found, "agenda", who, {"items": len(wanted), "left_out": left}, agenda=wanted)


def attend(work: Work, id_: str, people: Sequence[Mapping[str, Any]], who: str) -> None:
    """Who attended, was excused or sat in: all of them."""
    found = _draft(work, id_)
    said = [
        {
            "part": p["part"],
            "unit": p.get("unit"),
            "name": mask(p["name"]) if p.get("name") else None,
            "office": mask(p["office"]) if p.get("office") else None,
        }
        for p in people
    ]
    if said != found.attendance:
        counts = {part: sum(p["part"] == part for p in said) for part in ("attended", "excused", "observer")}
        _write(work, found, "attend", who, counts, attendance=said)


def decide(work: Work, id_: str, said: Mapping[str, Any], who: str) -> tuple[int, bool]:
    """A decision: its number, and whether it is new. One that says the same is the same."""
    found = _draft(work, id_)
    there = meetings.decisions_of(work, found.id)
    row = _decision_row(said)
    _whole(row)
    same = next(
        (d for d in there if (d.text, d.becomes, d.unit) == (row["text"], row["becomes"], row["unit"])), None
    )
    if same is not None:
        return int(same.number), False
    if len(there) >= decision.MOST_DECISIONS:
        raise Problem(
            409,
            "The meeting is full",
            problems=[FieldProblem("decisions", f"are {len(there)}", f"at most {decision.MOST_DECISIONS}")],
        )
    number = len(there) + 1
    meetings.add_decision(work, {"id": new_id(), "meeting_id": found.id, "number": number, **row})
    _write(work, found, "decide", who, {"number": number, "becomes": row["becomes"]})
    return number, True


def change_decision(work: Work, id_: str, number: int, said: Mapping[str, Any], who: str) -> bool:
    """Changes a decision; what isn't said stays: whether anything changed."""
    found = _draft(work, id_)
    mine = _numbered(work, found, number)
    there = document_of(mine)
    row = _decision_row({**there, **said})
    _whole(row)
    changed = {k: v for k, v in row.items() if v != there["entry" if k == "entry_id" else k]}
    if changed:
        meetings.change_decision(work, mine.id, **changed)
        _write(work, found, "change_decision", who, {"number": number, "fields": sorted(changed)})
    return bool(changed)


def drop_decision(work: Work, id_: str, number: int, who: str) -> None:
    """Takes a decision out; those after it move up."""
    found = _draft(work, id_)
    mine = _numbered(work, found, number)
    meetings.drop_decision(work, found.id, number)
    _write(work, found, "drop_decision", who, {"number": number, "becomes": mine.becomes})


def _decision_row(said: Mapping[str, Any]) -> dict[str, Any]:
    # The minutes are published: a phone number must never get in.
    row = {name: said.get(name) or None for name in ("unit", "case", "category")}
    due_at = said.get("due_at")
    if due_at:
        # To the second, as a sheet tells it again.
        due_at = iso((parse(due_at) if isinstance(due_at, str) else due_at).replace(microsecond=0))
    return row | {
        "text": mask(said["text"])[: decision.DECISION_LIMIT],
        "becomes": said["becomes"],
        "person": mask(said["person"]) if said.get("person") else None,
        "assistants": list(said.get("assistants") or ()),
        "due_at": due_at or None,
        "entry_id": (said.get("entry") or None) if said["becomes"] == "posting" else None,
    }


def _whole(row: Mapping[str, Any]) -> None:
    lacking = decision.faults({**row, "entry": row["entry_id"]})
    if lacking:
        raise Problem(422, "The body breaks the schema", problems=lacking)


def _numbered(work: Work, found: Any, number: int) -> Any:
    mine = next((d for d in meetings.decisions_of(work, found.id) if d.number == number), None)
    if mine is None:
        raise Problem(404, "There is no such decision")
    return mine


def _draft(work: Work, id_: str) -> Any:
    found = meetings.meeting_of(work, id_, lock=True)
    if found is None:
        raise Problem(404, "There is no such meeting")
    with _as_problems():
        stage.needs(found.state, "draft")
    return found


def _write(work: Work, found: Any, action: str, who: str, facts: dict[str, Any], **values: Any) -> None:
    meetings.change_meeting(work, found.id, **values, signatures=[])
    meetings.add_act(work, found.id, action, who, facts)


# -- signing ---------------------------------------------------------------------------------------------------


def sign(work: Work, id_: str, part: str, who: str, digest: str) -> Any:
    """Signs what `digest` stands for, as recorder or convener; with both the meeting is held: it as it is now."""
    found = meetings.meeting_of(work, id_, lock=True)
    if found is None:
        raise Problem(404, "There is no such meeting")
    current = found.digest or digest_of(work, found)
    with _as_problems():
        signed = stage.sign(found.state, found.signatures, part, who, iso(work.now), digest, current)
        if signed == found.signatures:
            return found
        _ready(work, found)
    values: dict[str, Any] = {"signatures": signed}
    if stage.complete(signed):
        _hold(work, found, {s["part"]: s["who"] for s in signed})
        values |= {"state": "held", "held_at": iso(work.now), "digest": current}
    meetings.change_meeting(work, found.id, **values)
    meetings.add_act(work, found.id, "sign", who, {"part": part, "digest": current})
    return meetings.meeting_of(work, found.id)


def _ready(work: Work, found: Any) -> None:
    """Refused for a meeting that can't have been held as it stands."""
    if found.begins_at is None or found.begins_at > work.now:
        raise Refused("begins_at", "is missing or to come", "when the meeting began, before it is signed")
    if not any(p["part"] == "attended" for p in found.attendance):
        raise Refused("attendance", "names nobody who attended", "one or more")


def _hold(work: Work, found: Any, signed: Mapping[str, str]) -> None:
    """Decisions take effect."""
    who = signed["convener"]
    there = meetings.decisions_of(work, found.id)
    with _as_problems():
        for d in there:
            if d.becomes == "entry":
                meetings.change_decision(work, d.id, entry_id=_open(work, found, d, who), outcome="done")
        # In the order of the entries, as everybody locks them.
        for d in sorted((d for d in there if d.becomes == "posting"), key=lambda d: str(d.entry_id)):
            _post(work, found, d, who)
            meetings.change_decision(work, d.id, outcome="done")
    for d in there:
        if d.becomes == "whistle":
            meetings.change_decision(work, d.id, outcome="waiting")
    decisions = [document_of(d) for d in meetings.decisions_of(work, found.id)]
    data = {
        "id": str(found.id),
        "street": found.street,
        "held_at": iso(found.begins_at),
        "quarter": found.quarter,
        "number": found.number,
        "convener": signed["convener"],
        "recorder": signed["recorder"],
        "decisions": [d["text"] for d in decisions],
        "resolutions": decision.resolutions(decisions),
    }
    work.emit("meeting.held", data, subject=str(found.id), sequence=1, street=found.street)


def _open(work: Work, found: Any, d: Any, who: str) -> str:
    what = Opening(
        source="meeting",
        source_id=str(d.id),
        street=found.street,
        category=d.category,
        title=d.text[: agenda.TITLE_LIMIT],
        promise=f"{_cited(found, d)}，{day(d.due_at)}前完成",
        unit=d.unit,
        person=decision.person_id(d.person),
        due_at=iso(d.due_at),
    )
    entry, _ = entries.open_entry(work, what, _act(work, d, who))
    return entry.id


def _post(work: Work, found: Any, d: Any, who: str) -> None:
    act = _act(work, d, who)
    note = f"{_cited(found, d)}：{d.text}" + (f"（{day(d.due_at)}前）" if d.due_at else "")

    def do(entry: Entry, _history: Any) -> Any:
        # Who is in charge of a case is decided in routing.
        if d.unit and entry.case_id is None and (d.unit, entry.person) != (entry.unit, entry.person):
            return posting.hand_over(entry, d.unit, decision.person_id(d.person), note, act)
        return posting.progress(entry, note, act)

    def of_the_street(entry: Entry) -> None:
        if entry.street != found.street:
            raise Refused(f"decisions.{d.number}.entry", f"is of street {entry.street}", found.street)

    if entries.act_on(work, str(d.entry_id), act, do, may=of_the_street) is None:
        raise Refused(f"decisions.{d.number}.entry", "is no entry of the account", "the id of one")


def _cited(found: Any, d: Any) -> str:
    return f"{read(found.quarter).words}第{found.number}次联席会议第{d.number}项决定"


def _act(work: Work, d: Any, who: str) -> Act:
    return Act(who, iso(work.now), f"decision {d.id}")


# -- afterwards ------------------------------------------------------------------------------------------------


def publish(work: Work, id_: str, who: str) -> Any:
    """Publishes a meeting that was held; again is no error."""
    found = meetings.meeting_of(work, id_, lock=True)
    if found.state == "published":
        return found
    with _as_problems():
        stage.needs(found.state, "held")
    meetings.change_meeting(work, found.id, state="published", published_at=iso(work.now), published_by=who)
    meetings.add_act(work, found.id, "publish", who, {})
    return meetings.meeting_of(work, found.id)


def amend(work: Work, id_: str, says: str, who: str) -> tuple[int, bool]:
    """An addendum to what was signed: its number, and whether it is new."""
    found = meetings.meeting_of(work, id_, lock=True)
    with _as_problems():
        stage.needs(found.state, "held", "published")
    masked = mask(says)
    same = next((a for a in meetings.addenda_of(work, found.id) if (a.text, a.by) == (masked, who)), None)
    if same is not None:
        return int(same.number), False
    number = meetings.add_addendum(work, found.id, masked, who)
    meetings.add_act(work, found.id, "amend", who, {"number": number})
    return number, True


# -- as documents ----------------------------------------------------------------------------------------------


def digest_of(work: Work, found: Any) -> str:
    """What the two sign: all that the minutes say."""
    names = ("street", "quarter", "number", *_TEXTS, "agenda", "attendance")
    content = {name: getattr(found, name) for name in names}
    content["begins_at"] = iso(found.begins_at) if found.begins_at else None
    said = (
        "number",
        "text",
        "becomes",
        "unit",
        "assistants",
        "person",
        "due_at",
        "case",
        "entry",
        "category",
    )
    # Which entry a decision becomes, nobody knows who signs it.
    content["decisions"] = [
        {k: v for k, v in document_of(d).items() if k in said and (k != "entry" or d.becomes == "posting")}
        for d in meetings.decisions_of(work, found.id)
    ]
    return stage.digest_of(content)


def head(found: Any) -> dict[str, Any]:
    """A meeting without what was said at it."""

    def at(value: Any) -> str | None:
        return iso(value) if value else None

    plain = ("street", "quarter", "number", "state", "title", "organ", "place", "chair")
    return {
        "id": str(found.id),
        **{name: getattr(found, name) for name in plain},
        "begins_at": at(found.begins_at),
        "drafted_at": at(found.drafted_at),
        "drafted_by": found.drafted_by,
        "held_at": at(found.held_at),
        "published_at": at(found.published_at),
        "published_by": found.published_by,
    }


def whole(work: Work, found: Any) -> dict[str, Any]:
    """A meeting with its agenda, people, record, decisions and what became of them; `digest` is what is signed."""
    return {
        **head(found),
        **{
            name: getattr(found, name)
            for name in ("agenda", "attendance", "minutes", "notes", "units", "signatures")
        },
        "digest": found.digest or digest_of(work, found),
        "decisions": [document_of(d) for d in meetings.decisions_of(work, found.id)],
        "addenda": [
            {"number": a.number, "text": a.text, "by": a.by, "at": iso(a.at)}
            for a in meetings.addenda_of(work, found.id)
        ],
    }


def document_of(d: Any) -> dict[str, Any]:
    """A decision as JSON."""
    return {
        "id": str(d.id),
        "number": d.number,
        "text": d.text,
        "becomes": d.becomes,
        "unit": d.unit,
        "assistants": list(d.assistants),
        "person": d.person,
        "due_at": iso(d.due_at) if d.due_at else None,
        "case": d.case,
        "entry": str(d.entry_id) if d.entry_id else None,
        "category": d.category,
        "outcome": d.outcome,
        "reason": d.reason,
        "answered_at": iso(d.answered_at) if d.answered_at else None,
    }
