"""Entry 賬目 and posting 記賬: how the steps of a case become lines of the account. Pure.

A posting is never changed, so everything about it is decided when it is written. Steps may come late, twice
or in any order; three rules make the account the same in the end:

* the key of a posting follows from the step alone: (case sequence, kind);
* only a step that settles the matter (closed, reopened, voided, merged away) moves the balance, and only
  when no later such step is known: what comes late is posted, and moves nothing;
* what an entry says (title, street, unit …) is that of the highest case sequence seen.

So at every moment the sum of an entry's movements equals what its state says, whatever is still on its way.

A matter is one entry a year. What comes for a year whose books are closed is posted in the first year that is open,
with a reference to where it belongs (`continued`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Final, NamedTuple

from jiayuan.chassis.redact import mask
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import iso, parse

from . import write_off

# China has had one time and no summer time since 1991, so that no time zone database is needed for the year.
SHANGHAI: Final = timezone(timedelta(hours=8), "Asia/Shanghai")

OPENING_SEQUENCE: Final = 1
# Nobody but routing opens a case: its opening needs no telling, whichever later step tells of the case first.
OPENED_BY: Final = "routing"
NOTE_LIMIT: Final = 500
TITLE_LIMIT: Final = 200
ERASED_TITLE: Final = "（已删除）"

KINDS: Final[Mapping[str, str]] = {
    "case.opened": "opening",
    "case.merged": "progress",
    "case.separated": "progress",
    "case.assigned": "hand_over",
    "case.whistled": "hand_over",
    "case.accepted": "progress",
    "case.answered": "progress",
    "case.returned": "hand_over",
    "case.extended": "extension",
    "case.paused": "progress",
    "case.resumed": "progress",
    "case.resolved": "progress",
    "case.inspected": "evidence",
    "case.closed": "progress",
    "case.reopened": "reopening",
    "case.voided": "reversal",
    "case.changed": "progress",
}

_WORDS: Final[Mapping[str, str]] = {
    "case.opened": "立案入账",
    "case.merged": "并案",
    "case.separated": "拆案",
    "case.assigned": "派单",
    "case.whistled": "吹哨",
    "case.accepted": "签收",
    "case.answered": "应答",
    "case.returned": "退单",
    "case.extended": "延期",
    "case.paused": "暂停计时",
    "case.resumed": "恢复计时",
    "case.resolved": "办结",
    "case.inspected": "核查",
    "case.reopened": "重新办理",
    "case.voided": "立案有误，冲正",
    "case.changed": "变更",
}
# case.changed says by its action what changed; an action of a later release is a change all the same.
_CHANGES: Final[Mapping[str, str]] = {
    "ask": "请批",
    "decide": "批复",
    "urge": "催办",
    "supervise": "督办",
    "unsupervise": "解除督办",
    "recolour": "调整分色",
    "recategorise": "调整分类",
    "relocate": "更正地点",
    "limits": "调整时限",
    "arrive": "到场",
    "session": "调解",
    "unclaimed": "无人认领，列入大工委例会议题",
    "agenda": "列入大工委例会",
    "note": "附记",
}
# What a whistle's steps are, where the event alone would say less.
_WHISTLES: Final[Mapping[str, str]] = {
    "call": "加哨",
    "hand_over": "改任牵头",
    "refuse": "拒绝吹哨",
    "uphold": "召集人维持吹哨",
    "name": "召集人另点单位",
    "meeting": "大工委例会议定",
}
_CLOSED: Final[Mapping[str | None, str]] = {
    "satisfied": "诉求人确认，销账",
    "lapsed": "逾期未确认，视同确认，销账",
    "withdrawn": "诉求人撤回，销账",
    "unsatisfied": "结案但诉求人不满意，不予销账",
    None: "结案未经确认，不予销账",
}
_SILENT: Final = "逾期未确认，尚未核查，暂不销账"
_CLOCKS: Final[Mapping[str, str]] = {
    "response": "响应超时",
    "finish": "办理超时",
    "citizen": "总时限超时",
    "confirmation": "确认期满",
    "report_in": "报到超时",
    "approval": "审批超时",
    "callback": "回访超时",
}
_LATE: Final = "超时"
# Why a breach never was, by the state that is right instead; another policy explains more than any state.
_WITHDRAWN: Final[Mapping[str, str]] = {
    "met": "限期内已办",
    "cancelled": "时限已终止",
    "armed": "时限已延长或暂停",
    "warned": "时限已延长或暂停",
}
_OTHER_POLICY: Final = "时限规则已调整"
# Columns that few postings have: money in fen, the digest of a file, the number of the posting it corrects.
RARE: Final = ("amount", "evidence", "corrects")
# A leg in one of these states is no longer with its assignee.
_GONE: Final = frozenset(("returned", "refused", "reassigned", "released"))
_IN_CHARGE: Final = frozenset(("handle", "lead"))


_WHERE_KNOWN: Final = ("source_id", "person", "promise", "limit_seconds", "due_at")


@dataclass(slots=True)
class Entry:
    """An entry as of its last posting. Times are RFC 3339 text; `postings` is the last posting's number.

    `case_sequence` is the highest step seen, `state_sequence` the step that settled the state. `opened_at` is when the
    matter began, in whichever year that was. `source` and `source_id`: what the entry came from; of a case it is the
    case. `limit_seconds` is the limit of whoever handles a case, `due_at` a date that was promised.
    """

    id: str
    item: str
    year: int
    case_id: str | None
    case_number: str | None
    street: str
    unit: str | None
    category: str
    title: str
    state: str
    opened_at: str
    written_off_at: str | None
    case_state: str | None
    confirmed: str | None
    case_sequence: int
    state_sequence: int
    postings: int
    source: str = "case"
    source_id: str | None = None
    person: str | None = None
    promise: str | None = None
    limit_seconds: int | None = None
    due_at: str | None = None

    def data(self) -> dict[str, Any]:
        """The entry as the events of the ledger tell it."""
        out = {
            "id": self.id,
            "item": self.item,
            "year": self.year,
            "case": self.case_id,
            "source": self.source,
            "street": self.street,
            "unit": self.unit,
            "category": self.category,
            "title": self.title,
            "state": self.state,
            "opened_at": self.opened_at,
            "written_off_at": self.written_off_at,
        }
        for name in _WHERE_KNOWN:
            value = getattr(self, name)
            if value is not None:
                out[name] = value
        return out


@dataclass(slots=True, frozen=True)
class Posted:
    """A new posting (its row), the entry right after it, and the event that tells of it."""

    row: dict[str, Any]
    entry: dict[str, Any]
    name: str
    cause: Event | None

    def data(self) -> dict[str, Any]:
        """The data of entry.opened, entry.posted and entry.written_off."""
        return {"entry": self.entry, "posting": posting_data(self.row)}


def entry_id(case_id: str, opened_at: str) -> str:
    """The id of the entry that a case opens: UUIDv8 of the opening's milliseconds and a digest of the case's id, or of
    whatever else names the entry.

    Replicas that meet the same new cases insert them in the same order, so they can't deadlock; ids grow with
    time, so indexes stay compact; and an account built again from its events has the same ids.
    """
    millis = int(parse(opened_at).timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    digest = int.from_bytes(hashlib.sha256(case_id.encode()).digest()[:10], "big")
    value = millis << 80 | 0x8 << 76 | (digest >> 68 & 0xFFF) << 64
    value |= 0b10 << 62 | (digest & 0x3FFF_FFFF_FFFF_FFFF)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def posting_id(entry: str, number: int) -> str:
    """A posting's id: its entry and its number within the entry."""
    return f"{entry}.{number}"


def posting_data(row: Mapping[str, Any]) -> dict[str, Any]:
    """A posting as the events tell it; `at` is left as the row has it."""
    out = {
        "id": posting_id(row["entry_id"], row["number"]),
        "number": row["number"],
        "kind": row["kind"],
        "case_sequence": row["case_sequence"],
        "actor": row["actor"],
        "at": row["at"],
        "note": note_of(row),
    }
    for name in RARE:
        if row.get(name) is not None:
            out[name] = row[name]
    return out


def note_of(row: Mapping[str, Any]) -> str:
    """What a posting says: the word for the step, and the reason as long as it isn't erased."""
    reason = (row["words"] or {}).get("reason")
    return f"{row['note']}：{reason}"[:NOTE_LIMIT] if reason else str(row["note"])


def year_of(opened_at: str) -> int:
    """The year of the account an instant (RFC 3339) falls into, by Chinese time."""
    return parse(opened_at).astimezone(SHANGHAI).year


def open_year(year: int, closed: Container[int]) -> int:
    """The year itself, or the first after it whose books are open."""
    while year in closed:
        year += 1
    return year


def leg_in_charge(case: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The newest leg that handles or leads and is still with its assignee."""
    for leg in reversed(case["legs"]):
        if leg["kind"] in _IN_CHARGE and leg["state"] not in _GONE:
            found: Mapping[str, Any] = leg
            return found
    return None


def kind_of(event: Event) -> str:
    """The kind of posting a step becomes; it follows from the step alone."""
    case = event.data["case"]
    if case["state"] == "merged":
        return "reversal"
    if event.name == "case.closed" and not write_off.missing_in_case(case):
        return "write_off"
    return KINDS[event.name]


def settles(event: Event) -> str | None:
    """The state of the entry that a step settles, or None when it settles nothing."""
    case = event.data["case"]
    if event.name == "case.voided" or case["state"] == "merged":
        return "reversed"
    if event.name == "case.closed":
        return "open" if write_off.missing_in_case(case) else "written_off"
    return "open" if event.name == "case.reopened" else None


def key_of(event: Event) -> tuple[int, str]:
    """What makes a step's posting unique within its entry: (case sequence, kind)."""
    kind = kind_of(event)
    return (OPENING_SEQUENCE if kind == "opening" else event.sequence), kind


def enter(steps: Sequence[Event], closed: Container[int] = ()) -> tuple[Entry, list[Posted]]:
    """Opens the entry of a case from whichever of its steps are known, lowest sequence first, and posts them.

    `closed`: years whose books are closed; a case of one of them is entered in the first year that is open.
    """
    first = steps[0]
    case = first.data["case"]
    id_ = entry_id(case["id"], case["opened_at"])
    year = year_of(case["opened_at"])
    entered_in = open_year(year, closed)
    entry = Entry(
        id=id_,
        item=id_,
        year=entered_in,
        case_id=case["id"],
        case_number=case["number"],
        street=case["street"],
        unit=None,
        category=case["category"]["code"],
        title=_title(case),
        state="open",
        opened_at=case["opened_at"],
        written_off_at=None,
        case_state=case["state"],
        confirmed=None,
        case_sequence=0,
        state_sequence=OPENING_SEQUENCE,
        postings=0,
    )
    opening = _append(
        entry,
        first,
        kind="opening",
        case_sequence=OPENING_SEQUENCE,
        actor=OPENED_BY,
        at=case["opened_at"],
        note=_WORDS["case.opened"]
        if entered_in == year
        else f"{_WORDS['case.opened']}（{year}年账已结，补记）",
        facts=_opening_facts(case) | ({} if entered_in == year else {"reference": {"year": year}}),
        entered=1,
        # A grid has some hundred households: with the kind of matter and the time it could lead to one of them.
        words={"title": _title(case)} | ({"grid": case["grid"]} if case.get("grid") else {}),
        reporters=_reporters(case),
    )
    return entry, [opening, *post(entry, steps, {(OPENING_SEQUENCE, "opening")})]


def post(entry: Entry, steps: Iterable[Event], seen: set[tuple[int, str]]) -> list[Posted]:
    """Posts the steps (lowest sequence first) that aren't in `seen`; changes the entry and `seen`."""
    out = []
    for event in steps:
        key = key_of(event)
        street = entry.street
        if event.sequence > entry.case_sequence:
            _refresh(entry, event)
        if key not in seen:
            seen.add(key)
            out.append(_post_step(entry, event, *key, moved=entry.street != street))
    return out


def continued(entry: Entry, year: int, cause: Event) -> tuple[Entry, Posted]:
    """The same matter in a later year, for what still comes after its own year was closed: it moves nothing by itself,
    and says where it belongs."""
    return _carried(
        entry,
        year,
        cause=cause,
        at=cause.data["change"]["at"] if "change" in cause.data else _clock_at(cause),
        actor=None,
        note=f"{entry.year}年账已结，后续记入{year}年",
        opening=0,
        key=cause.id,
    )


def carry_forward(
    entry: Entry, year: int, *, closing: str, at: str, actor: str
) -> tuple[Posted, Entry, Posted]:
    """結轉: an open entry leaves its year and opens the next one with the same item and its true age.

    Gives the posting that ends it, the entry of `year`, and the posting that opens that. `closing`: the act's id.
    """
    entry.state = "carried_forward"
    left = append(
        entry,
        kind="carry_forward",
        actor=actor,
        at=at,
        note=f"结转{year}年",
        facts={"to": {"year": year, "entry": entry_id(f"{entry.item}/{year}", entry.opened_at)}},
        key=closing,
    )
    new, opening = _carried(
        replace(entry, state="open"),
        year,
        cause=None,
        at=at,
        actor=actor,
        note=f"{entry.year}年结转",
        opening=1,
        key=closing,
    )
    return left, new, opening


def _carried(
    entry: Entry,
    year: int,
    *,
    cause: Event | None,
    at: str,
    actor: str | None,
    note: str,
    opening: int,
    key: str,
) -> tuple[Entry, Posted]:
    new = replace(
        entry,
        id=entry_id(f"{entry.item}/{year}", entry.opened_at),
        year=year,
        source="carried_forward",
        source_id=entry.id,
        postings=0,
    )
    facts = {
        "reference": {"year": entry.year, "entry": entry.id, "number": entry.postings},
        "state": entry.state,
        "settled": entry.state_sequence,
        "street": entry.street,
        "category": entry.category,
    }
    posted = append(
        new,
        kind="carry_forward",
        actor=actor,
        at=at,
        note=note,
        facts=facts,
        opening=opening,
        key=key,
        cause=cause,
    )
    return new, posted


def breach(entry: Entry, event: Event) -> Posted:
    """Posts that a deadline of the case has passed. The caller knows that it isn't posted yet."""
    clock = event.data["clock"]
    return _append(
        entry,
        event,
        kind="progress",
        case_sequence=None,
        actor=None,
        at=clock["at"],
        note=_CLOCKS.get(clock["kind"], _LATE),
        facts={"clock": _clock_facts(clock), "assignee": clock.get("assignee")},
        clock_id=clock["id"],
        clock_sequence=event.sequence,
    )


class Breached(NamedTuple):
    """A breach that is posted: its clock and the clock's sequence, its place in the books, when it was told, and
    whether a posting of its own entry takes it back."""

    clock: str
    sequence: int
    entry: str
    year: int
    number: int
    at: datetime
    taken_back: bool


def is_withdrawn_by(event: Event, clock: str, sequence: int, at: datetime) -> bool:
    """Whether a breach is the one that a `clock.corrected` takes back: told before it, at the moment that it names."""
    said = event.data["clock"]
    told = said.get("breached_at")
    return said["id"] == clock and sequence < event.sequence and (told is None or parse(told) == at)


def withdraw(entry: Entry, event: Event, of: Breached) -> Posted:
    """Posts that a breach never was, as `sla` says (`clock.corrected`). It moves nothing, and stays beside the breach.

    A breach of an earlier year is in the entry of that year, where `corrects` doesn't reach: `facts.withdraws` names it
    always.
    """
    clock = event.data["clock"]
    here = of.entry == entry.id
    what = f"{'' if here else f'{of.year}年账'}第{of.number}笔{_CLOCKS.get(clock['kind'], _LATE)}"
    other = clock.get("corrected_policy") not in (None, clock.get("policy"))
    posted = _append(
        entry,
        event,
        kind="reversal",
        case_sequence=None,
        actor=None,
        at=_clock_at(event),
        note=f"撤销{what}：{_OTHER_POLICY if other else _WITHDRAWN.get(clock['state'], '时限有误')}",
        facts={
            "of": "progress",
            "clock": _clock_facts(clock),
            "state": clock["state"],
            "corrected_policy": clock.get("corrected_policy"),
            "withdraws": {"entry": of.entry, "number": of.number, "sequence": of.sequence},
        },
        clock_id=clock["id"],
        clock_sequence=event.sequence,
    )
    posted.row.update(amount=None, evidence=None, corrects=of.number if here and not of.taken_back else None)
    return posted


def _clock_facts(clock: Mapping[str, Any]) -> dict[str, Any]:
    return {k: clock.get(k) for k in ("kind", "leg", "limit", "started_at", "due_at", "policy")}


def _clock_at(event: Event) -> str:
    """When a clock spoke. A correction says at what moment the thing was done in time; it was told after the breach."""
    clock = event.data["clock"]
    return iso(event.time) if event.name == "clock.corrected" else str(clock["at"])


def _refresh(entry: Entry, event: Event) -> None:
    case = event.data["case"]
    entry.case_sequence = event.sequence
    entry.street = case["street"]
    leg = leg_in_charge(case)
    assignee = leg["assignee"] if leg is not None else {"type": None, "id": None}
    entry.unit = assignee["id"] if assignee["type"] == "unit" else None
    entry.person = assignee["id"] if assignee["type"] == "person" else None
    entry.limit_seconds = leg.get("finish_limit") if leg is not None else None
    entry.category = case["category"]["code"]
    if entry.title != ERASED_TITLE:
        entry.title = _title(case)
    entry.case_state = case["state"]
    entry.confirmed = case.get("confirmed")


def _post_step(entry: Entry, event: Event, sequence: int, kind: str, *, moved: bool) -> Posted:
    change, facts = event.data["change"], _facts(event)
    reason = change.get("reason")
    if moved:
        # So that the postings alone say whose entry it was at any time.
        facts["street"] = entry.street
    entered = written_off = 0
    settled = settles(event)
    if settled is not None and sequence > entry.state_sequence:
        entered, written_off = moves(entry.state, settled)
        entry.state = settled
        entry.state_sequence = sequence
        entry.written_off_at = change["at"] if settled == "written_off" else None
    return _append(
        entry,
        event,
        kind=kind,
        case_sequence=sequence,
        actor=change["actor"],
        at=change["at"],
        note=_note(event),
        facts=facts,
        entered=entered,
        written_off=written_off,
        words={"reason": mask(reason)[:NOTE_LIMIT]} if reason else None,
        reporters=_reporters(event.data["case"]) if reason else (),
    )


def moves(before: str, after: str) -> tuple[int, int]:
    """What a change of an entry's state moves: (entered, written off)."""
    return (before == "reversed") - (after == "reversed"), (after == "written_off") - (
        before == "written_off"
    )


def append(
    entry: Entry,
    *,
    kind: str,
    actor: str | None,
    at: str,
    note: str,
    facts: dict[str, Any],
    key: str,
    opening: int = 0,
    entered: int = 0,
    written_off: int = 0,
    amount: int | None = None,
    evidence: str | None = None,
    corrects: int | None = None,
    cause: Event | None = None,
    words: dict[str, str] | None = None,
) -> Posted:
    """A posting that is no step of a case: of staff, or of a closing. `key` is once in an entry; free text goes into
    `words`."""
    posted = _append(
        entry,
        cause,
        kind=kind,
        case_sequence=None,
        actor=actor,
        at=at,
        note=note,
        facts=facts,
        opening=opening,
        entered=entered,
        written_off=written_off,
        key=key,
        words=words,
    )
    posted.row.update(amount=amount, evidence=evidence, corrects=corrects)
    return posted


def _append(
    entry: Entry,
    cause: Event | None,
    *,
    kind: str,
    case_sequence: int | None,
    actor: str | None,
    at: str,
    note: str,
    facts: dict[str, Any],
    opening: int = 0,
    entered: int = 0,
    written_off: int = 0,
    clock_id: str | None = None,
    clock_sequence: int | None = None,
    words: dict[str, str] | None = None,
    reporters: Sequence[str] = (),
    key: str | None = None,
) -> Posted:
    """`words`: by name what could lead to a person, free text and the grid; it is kept apart, and `reporters` are who
    may have it erased. Everything else of the row is in the proof for good."""
    entry.postings += 1
    row = {
        "entry_id": entry.id,
        "number": entry.postings,
        "kind": kind,
        "case_sequence": case_sequence,
        "clock_id": clock_id,
        "clock_sequence": clock_sequence,
        "opening": opening,
        "entered": entered,
        "written_off": written_off,
        "unit": entry.unit,
        "actor": actor,
        "at": at,
        "note": note,
        "facts": facts,
        "cause": key or (cause.id if cause is not None else None),
        "words": words,
        "reporters": reporters,
    }
    name = "entry.posted"
    if entry.postings == 1:
        name = "entry.opened"
    elif written_off > 0:
        name = "entry.written_off"
    return Posted(row, entry.data(), name, cause)


def _title(case: Mapping[str, Any]) -> str:
    # The account is published and its postings cannot be erased: a phone number must never get in.
    return mask(case["title"])[:TITLE_LIMIT]


def _reporters(case: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(r["reporter"] for r in case["reports"] if r.get("reporter")))


def _note(event: Event) -> str:
    change = event.data["change"]
    if event.name == "case.closed":
        missing = write_off.missing_in_case(event.data["case"])
        return _SILENT if missing == ("inspection",) else _CLOSED[event.data["case"].get("confirmed")]
    if event.name == "case.changed":
        return _CHANGES.get(change["action"], _WORDS["case.changed"])
    return _WHISTLES.get(change["action"]) or _WORDS[event.name]


def _opening_facts(case: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "number": case["number"],
        "kind": case["kind"],
        "category": case["category"]["code"],
        "colour": case["colour"],
        "street": case["street"],
        "community": case.get("community"),
        "first_received_at": case["first_received_at"],
        "reports": [report["id"] for report in case["reports"]],
    }


def _facts(event: Event) -> dict[str, Any]:
    """What an auditor wants to know of the step beyond who and when; the keys depend on the step."""
    case, change = event.data["case"], event.data["change"]
    facts: dict[str, Any] = {"step": event.name, "action": change["action"], "state": case["state"]}
    leg_id = change.get("leg")
    if leg_id:
        facts["leg"] = leg_id
        facts["assignee"] = next((leg["assignee"] for leg in case["legs"] if leg["id"] == leg_id), None)
    match event.name:
        case "case.closed":
            facts |= {
                "confirmed": case.get("confirmed"),
                "satisfaction": case.get("satisfaction"),
                "file": _file(case),
                "inspection": _inspection(case),
            }
        case "case.inspected":
            facts["inspection"] = _inspection(case)
        case "case.extended":
            extension = next((e for e in reversed(case.get("extensions", ())) if e["leg"] == leg_id), None)
            facts |= (
                {"seconds": extension["seconds"], "approver": extension.get("approver")} if extension else {}
            )
        case "case.whistled":
            whistle = case.get("whistle") or {}
            facts |= {"lead": whistle.get("lead"), "assistants": whistle.get("assistants", [])}
        case "case.changed" if change["action"] == "relocate":
            facts["community"] = case.get("community")
        case "case.merged" | "case.separated":
            facts["reports"] = [report["id"] for report in case["reports"]]
    return facts


def _inspection(case: Mapping[str, Any]) -> dict[str, Any] | None:
    seen = case.get("inspection")
    return {"passed": seen["passed"], "by": seen["by"]} if seen else None


def _file(case: Mapping[str, Any]) -> str:
    """The digest of the case's file as it was closed: who handled it, when, and who looked at it."""
    said = {name: case.get(name) for name in ("id", "legs", "inspection", "resolved_at", "closed_at")}
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
