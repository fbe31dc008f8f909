"""Rates: how much of what was due was done, in time, and to whose satisfaction. Pure, importable without a server.

    measured(case, changed_at) -> dict           what is kept of a case's newest version, for the rates alone
    measured_promise(…) -> dict                  likewise of a matter of its own: a service list, a claim, a notice
    entries(case, deadlines, until) -> Entry     what the case counts in which figure, and what it is left out of
    Tally().add(…)                               sums by street, community, unit, category, channel, month or quarter

Every figure is a sum over entries, and an entry belongs to exactly one group: groups always add up to the total, in
whatever order cases come. An entry is made of the newest version of a case and of its clocks, which are the same
whatever the order in which events arrived. The formulas are in FIGURES, and in docs/sla/rates.md.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from jiayuan.contracts.times import iso, parse

BY: Final = ("street", "community", "unit", "category", "channel", "month", "quarter")
SMALL: Final = 10
"""Below this denominator a share says nothing, and the two counts are shown instead."""

# Units and desks by their ids; of people nothing is kept but that it was one.
GRID: Final = "grid"
NOBODY: Final = "none"
# A resolution that was opened again is none any more; which ones there had been depends on which events arrived.
_OF_RESOLUTION: Final = frozenset(("confirmation", "callback"))
_RESOLVED: Final = frozenset(("resolved", "closed"))
_MAIN: Final = frozenset(("handle", "lead"))
_OVER: Final = frozenset(("closed", "voided", "merged"))
_LEG_TIMES: Final = ("offered_at", "accepted_at", "answered_at", "done_at", "ended_at")


class Figure(NamedTuple):
    """What is counted. `form`: rate (hits over what is looked at), count, or time (seconds)."""

    name: str
    chinese: str
    form: str
    moment: str
    formula: str
    excluded: str


_CALLED_OFF = "called off before the limit (leg taken away, case voided, merged or withdrawn); standing still"
_NOT_OWED = "given up, or not owed any more, before the limit"
_NO_WORD = "withdrawn; the reporter said nothing (silent); closed without asking (not_asked); voided; merged"

FIGURES: Final = tuple(
    Figure(*line)
    for line in (
        ("registered", "立案", "count", "first receipt", "cases", "none"),
        (
            "response",
            "响应率",
            "rate",
            "deadline of the response",
            "legs answered at all, before the period's end / legs whose response was due",
            _CALLED_OFF,
        ),
        (
            "on_time_response",
            "按时响应率",
            "rate",
            "deadline of the response",
            "legs answered within the limit / legs whose response was due",
            _CALLED_OFF,
        ),
        (
            "on_time_closing",
            "按期办结率",
            "rate",
            "deadline of the finish",
            "legs (handling or leading) finished within the limit / such legs whose finish was due (应结案)",
            _CALLED_OFF,
        ),
        (
            "on_time_assisting",
            "协办按期率",
            "rate",
            "deadline of the finish",
            "other legs finished within the limit / such legs whose finish was due",
            _CALLED_OFF,
        ),
        (
            "on_time_citizen",
            "群众时限按期率",
            "rate",
            "deadline of the citizen's clock",
            "cases resolved within the citizen's limit, from the first receipt / cases whose limit had come",
            _CALLED_OFF,
        ),
        (
            "on_time_report_in",
            "报到按时率",
            "rate",
            "deadline of the report-in",
            "whistled units that reported in within the limit / those that had to",
            _CALLED_OFF,
        ),
        (
            "on_time_callback",
            "按时回访率",
            "rate",
            "deadline of the callback",
            "resolutions called back within the limit / resolutions whose callback was due",
            _CALLED_OFF,
        ),
        (
            "on_time_confirmation",
            "按时确认率",
            "rate",
            "deadline of the confirmation",
            "resolutions whose case was closed within the limit / resolutions whose confirmation was due",
            "none",
        ),
        (
            "on_time_approval",
            "按时审批率",
            "rate",
            "deadline of the approval",
            "approvals decided within the limit / approvals whose decision was due",
            _CALLED_OFF,
        ),
        (
            "on_time_claim",
            "清单按期认领率",
            "rate",
            "deadline of the claim",
            "service lists of which every line was claimed within the limit / service lists whose claim was due",
            _NOT_OWED,
        ),
        (
            "on_time_promise",
            "承诺按期兑现率",
            "rate",
            "moment that the unit promised",
            "claimed lines and milestones done by the moment promised / those whose moment had come",
            _NOT_OWED,
        ),
        (
            "on_time_read",
            "必读通知按时阅读率",
            "rate",
            "deadline of the reading",
            "notices that must be read, read within the limit / such notices whose reading was due",
            _NOT_OWED,
        ),
        ("closed", "结案", "count", "closing", "cases closed after handling", "withdrawn; voided; merged"),
        (
            "solution",
            "解决率",
            "rate",
            "closing",
            "cases that the reporter, else an inspection, calls solved / cases of which either said so or not",
            "withdrawn; nobody could say (unknown); voided; merged",
        ),
        (
            "satisfaction",
            "满意率",
            "rate",
            "closing",
            "cases whose reporter was satisfied / cases of which the reporter said anything",
            _NO_WORD,
        ),
        (
            "reopened",
            "重办率",
            "rate",
            "closing",
            "closed cases that had been opened again / closed cases",
            "withdrawn; voided; merged; open again at present",
        ),
        (
            "rework",
            "返工率",
            "rate",
            "closing",
            "closed cases that an inspection had sent back / closed cases",
            "withdrawn; voided; merged",
        ),
        (
            "returns",
            "退单率",
            "rate",
            "end of the leg",
            "legs returned / legs done, returned or refused",
            "reassigned; released",
        ),
        ("extensions", "延期", "count", "granting", "extensions granted; their mean length", "none"),
        (
            "pauses",
            "挂账",
            "count",
            "begin of the pause",
            "pauses; their mean length to the period's end at most, natural time",
            "none",
        ),
        (
            "time_to_accept",
            "签收用时",
            "time",
            "acceptance",
            "seconds from the offer to the acceptance, natural time, pauses not taken out",
            "legs not accepted",
        ),
        (
            "time_to_answer",
            "应答用时",
            "time",
            "answer",
            "seconds from the offer to the answer, natural time, pauses not taken out",
            "legs not answered",
        ),
        (
            "time_in_leg",
            "环节用时",
            "time",
            "end of the leg",
            "seconds from the offer to the end of the leg, however it ended, natural time, pauses not taken out",
            "legs that run",
        ),
    )
)
BY_NAME: Final = {f.name: f for f in FIGURES}

# Which figure a clock counts in, by its kind, or by what its matter is.
_ON_TIME: Final = {
    "citizen": "on_time_citizen",
    "report_in": "on_time_report_in",
    "callback": "on_time_callback",
    "confirmation": "on_time_confirmation",
    "approval": "on_time_approval",
}
_ON_TIME_PROMISE: Final = {
    "service-list": "on_time_claim",
    "claim": "on_time_promise",
    "notice": "on_time_read",
}


# -- what is kept of a case --------------------------------------------------------------------------


def measured(case: Mapping[str, Any], changed_at: str) -> dict[str, Any]:
    """What the rates need of a case and nothing else keeps, as JSON; of people there is nothing in it.

    Street, state, category, pauses and extensions are kept beside it, for the clocks.
    """
    reports, get = case["reports"], case.get
    out = {
        "received": case["first_received_at"],
        "channel": reports[0]["channel"] if reports else None,
        "community": get("community"),
        "legs": [_leg(leg) for leg in case["legs"]],
    }
    # Nearly all events are about cases that run: what an end leaves is written when there is one.
    if case["state"] in _OVER:
        out["closed"] = get("closed_at") or changed_at
        if (word := get("confirmed")) is not None:
            out["confirmed"] = word
        if (solved := get("solved")) is not None:
            out["solved"] = solved
    if n := get("reworked"):
        out["reworked"] = n
    if n := get("reopened"):
        out["reopened"] = n
    return out


def measured_promise(matter: str, assignee: tuple[str, str] | None, begun_at: datetime) -> dict[str, Any]:
    """The same of a matter that is no case, `matter` says which: service-list, claim or notice."""
    unit = _unit(*assignee) if assignee else NOBODY
    return {"matter": matter, "unit": unit, "received": iso(begun_at), "legs": []}


def over_at(case: Mapping[str, Any], changed_at: str, due: Iterable[datetime]) -> datetime | None:
    """The last moment at which a case that is over is in any figure, by its times and its clocks' deadlines `due`; None
    while it isn't over."""
    if case["state"] not in _OVER:
        return None
    texts = {changed_at, case["first_received_at"], case.get("closed_at")}
    for leg in case["legs"]:
        texts.update(leg.get(name) for name in _LEG_TIMES)
    texts.update(e["at"] for e in case.get("extensions") or ())
    texts.update(p["start"] for p in case.get("pauses") or ())
    return max([*(parse(t) for t in texts if t), *due])


def _leg(leg: Mapping[str, Any]) -> tuple[Any, ...]:
    get, unit = leg.get, _unit(leg["assignee"]["type"], leg["assignee"]["id"])
    head = (leg["id"], leg["kind"], leg["level"], unit, leg["state"], leg["offered_at"])
    return (*head, get("accepted_at"), get("answered_at"), get("done_at"), get("ended_at"))


def _unit(type_: str, id_: str) -> str:
    return GRID if type_ == "person" else id_


class Leg(NamedTuple):
    """A leg as it is measured; `unit` is the id of a unit or desk, or `grid`."""

    id: str
    kind: str
    level: str
    unit: str
    state: str
    offered_at: datetime
    accepted_at: datetime | None
    answered_at: datetime | None
    done_at: datetime | None
    ended_at: datetime | None

    @property
    def over_at(self) -> datetime | None:
        """When it was done, or ended otherwise."""
        return self.done_at or self.ended_at


@dataclass(frozen=True, slots=True)
class Case:
    """A case as it is measured, by its newest version; `matter` and `holder` are of what is no case, else empty."""

    id: str
    street: str
    state: str
    category: str
    community: str
    channel: str
    received_at: datetime
    closed_at: datetime | None
    confirmed: str | None
    solved: bool | None
    reworked: int
    reopened: int
    legs: Sequence[Leg]
    pauses: Sequence[Mapping[str, Any]]
    extensions: Sequence[Mapping[str, Any]]
    matter: str = ""
    holder: str = ""

    @property
    def unit(self) -> str:
        """Who handles or handled it: the newest leg that handles or leads; of a promise, whoever made it."""
        if self.matter:
            return self.holder
        return next((leg.unit for leg in reversed(self.legs) if leg.kind in _MAIN), NOBODY)


class Deadline(NamedTuple):
    """What a figure looks at of a clock. `leg_id` is "" for the case, and the id of what was asked for or promised.

    `round` tells the resolutions of a case apart, the newest has the highest.
    """

    leg_id: str
    kind: str
    due_at: datetime
    state: str
    paused: bool
    stopped_at: datetime | None
    round: int = 0


def case_of(
    case_id: str,
    street: str,
    state: str,
    facts: Mapping[str, Any] | None,
    pauses: Sequence[Mapping[str, Any]],
    extensions: Sequence[Mapping[str, Any]],
    kept: Mapping[str, Any],
) -> Case:
    """A case from what is kept of it."""

    def time(text: str | None) -> datetime | None:
        return parse(text) if text else None

    return Case(
        case_id,
        street,
        state,
        (facts or {}).get("category") or "-",
        kept.get("community") or "-",
        kept.get("channel") or "-",
        parse(kept["received"]),
        time(kept.get("closed")),
        kept.get("confirmed"),
        kept.get("solved"),
        kept.get("reworked") or 0,
        kept.get("reopened") or 0,
        [
            Leg(id_, kind, level, unit, state, parse(offered), *(parse(t) if t else None for t in times))
            for id_, kind, level, unit, state, offered, *times in kept["legs"]
        ],
        pauses,
        extensions,
        kept.get("matter") or "",
        kept.get("unit") or "",
    )


# -- what it counts ----------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A case's part in a figure: looked at and counted (`hit`) or not, or left out for a reason (`why`)."""

    figure: str
    case: str
    leg: str
    unit: str
    at: datetime
    hit: bool
    seconds: int | None = None
    why: str = ""


def entries(case: Case, deadlines: Iterable[Deadline], until: datetime) -> Iterator[Entry]:
    """All parts of a case, also of other periods; nothing that was done at `until` or later is looked at."""
    for entry in _entries(case, deadlines, until):
        if entry.at < until:
            yield entry


def _entries(case: Case, deadlines: Iterable[Deadline], until: datetime) -> Iterator[Entry]:
    id_, unit = case.id, case.unit
    legs = {leg.id: leg for leg in case.legs}
    for deadline in _that_count(case, deadlines):
        yield from _of_deadline(case, legs.get(deadline.leg_id), deadline, until)
    if case.matter:
        return
    yield Entry("registered", id_, "", unit, case.received_at, True)
    for leg in case.legs:
        yield from _of_leg(case, leg)
    for granted in case.extensions:
        of = legs.get(granted["leg"])
        held = of.unit if of else unit
        at, more = parse(granted["at"]), granted["seconds"]
        yield Entry("extensions", id_, granted["leg"], held, at, True, more)
    for pause in case.pauses:
        start = parse(pause["start"])
        end = min(parse(pause["end"]) if pause.get("end") else until, until)
        yield Entry("pauses", id_, "", unit, start, True, _seconds(start, end))
    if case.closed_at is not None:
        yield from _of_closing(case, case.closed_at)


def _that_count(case: Case, deadlines: Iterable[Deadline]) -> Iterator[Deadline]:
    known = list(deadlines)
    newest = max((d.round for d in known if d.kind in _OF_RESOLUTION), default=0)
    for d in known:
        if d.kind not in _OF_RESOLUTION or (d.round == newest and case.state in _RESOLVED):
            yield d


def _of_deadline(case: Case, leg: Leg | None, d: Deadline, until: datetime) -> Iterator[Entry]:
    unit = leg.unit if leg is not None else case.unit
    main = leg is None or leg.kind in _MAIN
    figures: tuple[str, ...]
    if case.matter:
        figures = (_ON_TIME_PROMISE[case.matter],)
    elif d.kind == "response":
        figures = ("response", "on_time_response")
    elif d.kind == "finish":
        figures = ("on_time_closing" if main else "on_time_assisting",)
    else:
        figures = (_ON_TIME[d.kind],)
    why = ""
    if d.state == "cancelled":
        why = "called_off"
    elif d.paused and d.state in ("armed", "warned"):
        why = "paused"
    for figure in figures:
        if figure == "response":
            done = (leg.answered_at or leg.done_at) if leg is not None else None
            hit = d.state == "met" or (done is not None and done < until)
        else:
            hit = d.state == "met"
        yield Entry(figure, case.id, d.leg_id, unit, d.due_at, hit and not why, None, why)


def _of_leg(case: Case, leg: Leg) -> Iterator[Entry]:
    for name, at in (("time_to_accept", leg.accepted_at), ("time_to_answer", leg.answered_at)):
        if at is not None:
            yield Entry(name, case.id, leg.id, leg.unit, at, True, _seconds(leg.offered_at, at))
    over = leg.over_at
    if over is None:
        return
    yield Entry("time_in_leg", case.id, leg.id, leg.unit, over, True, _seconds(leg.offered_at, over))
    why = leg.state if leg.state in ("reassigned", "released") else ""
    yield Entry("returns", case.id, leg.id, leg.unit, over, leg.state == "returned", None, why)


def _of_closing(case: Case, at: datetime) -> Iterator[Entry]:
    id_, unit, word = case.id, case.unit, case.confirmed
    gone = case.state if case.state != "closed" else "withdrawn" if word == "withdrawn" else ""
    silent = {"lapsed": "silent", None: "not_asked"}.get(word, "")
    yield Entry("closed", id_, "", unit, at, not gone, None, gone)
    yield Entry("reopened", id_, "", unit, at, case.reopened > 0 and not gone, None, gone)
    yield Entry("rework", id_, "", unit, at, case.reworked > 0 and not gone, None, gone)
    satisfied = word == "satisfied"
    unknown = "unknown" if case.solved is None else ""
    yield Entry("solution", id_, "", unit, at, bool(case.solved) and not gone, None, gone or unknown)
    yield Entry("satisfaction", id_, "", unit, at, satisfied and not gone, None, gone or silent)


def _seconds(start: datetime, end: datetime) -> int:
    return max(0, (end - start) // timedelta(seconds=1))


def group_of(by: str, case: Case, entry: Entry, zone: ZoneInfo) -> str:
    """The one group that an entry belongs to; months and quarters are those of the entry's moment in `zone`."""
    if by == "unit":
        return entry.unit
    if by == "month":
        return entry.at.astimezone(zone).strftime("%Y-%m")
    if by == "quarter":
        local = entry.at.astimezone(zone)
        return f"{local.year}Q{(local.month + 2) // 3}"
    return str(getattr(case, by))


# -- sums --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Sum:
    """A figure of a group. `over` is what was looked at, `hits` what of it counts."""

    over: int = 0
    hits: int = 0
    seconds: array[int] = field(default_factory=lambda: array("q"))
    excluded: Counter[str] = field(default_factory=Counter)

    def add(self, entry: Entry) -> None:
        """Takes an entry in."""
        if entry.why:
            self.excluded[entry.why] += 1
            return
        self.over += 1
        self.hits += entry.hit
        if entry.seconds is not None:
            self.seconds.append(entry.seconds)

    def merge(self, other: Sum) -> None:
        """Takes another sum in."""
        self.over += other.over
        self.hits += other.hits
        self.seconds.extend(other.seconds)
        self.excluded.update(other.excluded)

    def shown(self, figure: Figure) -> dict[str, Any]:
        """The sum as people and programs read it.

        `percent` (text, two decimals, half up) is left out below a denominator of SMALL; times are whole seconds,
        half up; the median is the upper of two.
        """
        out: dict[str, Any] = {}
        if figure.form == "rate":
            out = {"hits": self.hits, "over": self.over}
            if self.over >= SMALL:
                out["percent"] = percent(self.hits, self.over)
        else:
            out = {"count": self.hits}
        if self.seconds:
            total = sum(self.seconds)
            n = len(self.seconds)
            out |= {"mean": (2 * total + n) // (2 * n), "median": sorted(self.seconds)[n // 2]}
        if self.excluded:
            out["excluded"] = dict(sorted(self.excluded.items()))
        return out


def percent(hits: int, over: int) -> str:
    """A share in per cent with two decimals, half up: 737 of 972 is 75.82. ZeroDivisionError of nothing."""
    hundredths = (2 * hits * 10000 + over) // (2 * over)
    return f"{hundredths // 100}.{hundredths % 100:02}"


class Period(NamedTuple):
    """From `since` on, before `until`."""

    since: datetime
    until: datetime


class Tally:
    """Figures by group. `unit` and `figure` narrow what is taken in."""

    def __init__(self, by: str, period: Period, zone: ZoneInfo, unit: str = "") -> None:
        if by not in BY:
            raise ValueError(f"by {by!r:.40}: one of {', '.join(BY)} is allowed")
        self.by, self.period, self.zone, self.unit = by, period, zone, unit
        self.groups: dict[str, dict[str, Sum]] = {}

    def of(self, case: Case, deadlines: Iterable[Deadline]) -> Iterator[tuple[str, Entry]]:
        """The entries of a case in the period, each with its group."""
        for entry in entries(case, deadlines, self.period.until):
            if entry.at >= self.period.since and (not self.unit or entry.unit == self.unit):
                yield group_of(self.by, case, entry, self.zone), entry

    def add(self, case: Case, deadlines: Iterable[Deadline]) -> None:
        """Takes a case in."""
        for group, entry in self.of(case, deadlines):
            self.groups.setdefault(group, {}).setdefault(entry.figure, Sum()).add(entry)

    def total(self) -> dict[str, Sum]:
        """The sums over all groups."""
        out: dict[str, Sum] = {}
        for sums in self.groups.values():
            for name, one in sums.items():
                out.setdefault(name, Sum()).merge(one)
        return out

    def rows(self) -> list[tuple[str, dict[str, Sum]]]:
        """The groups in their order, and the total as the last one, under the name "total"."""
        return [*sorted(self.groups.items()), ("total", self.total())]
