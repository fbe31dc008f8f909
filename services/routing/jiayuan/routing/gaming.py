"""Gaming the figures: what looks like it, by numbers, with the cases and steps that show it. Pure.

Four things are looked for: many cases closed at once shortly before their limits, one photo as evidence of several
cases, a case thrown to and fro among units, and results that don't hold. What is found is listed for people to look
at; nothing else ever follows from it. What has a plain explanation (the cases are one matter, it is how somebody
always works) is listed too, apart, with the explanation and the same numbers: `look` says which is which.

The thresholds are data of the policy, each with its reason (`Thresholds`). Times in these values are aware datetimes.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import exp, lgamma, log, log1p
from typing import Any, Final

from jiayuan.contracts.times import iso, parse

KINDS: Final = ("mass_closing", "same_photo", "ping_pong", "reopened")
# Steps by which a case comes from one to another; the first of each case, sequence 2, is none.
TRANSFERS: Final = ("assign", "whistle", "return", "refuse", "raise", "name", "hand_over", "meeting")
# As many pieces of evidence as people can look through; the numbers count all of them.
MOST_EVIDENCE: Final = 50


# -- thresholds --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on something is listed; `reasons` by name, such as `mass_closing.least`."""

    window: timedelta
    least: int
    near: float
    near_share: float
    ratio: float
    base: timedelta
    photo_cases: int
    photo_back: timedelta
    photo_one_matter: timedelta
    transfers: int
    reopened_least: int
    reopened_of: int
    reopened_ratio: float
    reopened_chance: float
    reopened_repeats: int
    reasons: Mapping[str, str]

    def document(self) -> dict[str, dict[str, Any]]:
        """By name, such as `mass_closing.least`: value (durations in seconds) and reason."""
        out = {}
        for section, form in _FORM.items():
            for name, (target, type_, _, _) in form.items():
                value = getattr(self, target)
                out[f"{section}.{name}"] = {
                    "value": int(value.total_seconds()) if type_ is timedelta else value,
                    "reason": self.reasons[f"{section}.{name}"],
                }
        return out


# Section, name: the field that it fills, its type, its least and its most.
_FORM: Final[dict[str, dict[str, tuple[str, type, float, float]]]] = {
    "mass_closing": {
        "window": ("window", timedelta, 60, 86400),
        "least": ("least", int, 3, 1000),
        "near": ("near", float, 0.5, 1),
        "near_share": ("near_share", float, 0.1, 1),
        "ratio": ("ratio", float, 1, 100),
        "base": ("base", timedelta, 86400, 366 * 86400),
    },
    "same_photo": {
        "cases": ("photo_cases", int, 2, 100),
        "look_back": ("photo_back", timedelta, 86400, 5 * 366 * 86400),
        "one_matter": ("photo_one_matter", timedelta, 60, 30 * 86400),
    },
    "ping_pong": {"transfers": ("transfers", int, 2, 100)},
    "reopened": {
        "least": ("reopened_least", int, 1, 1000),
        "of": ("reopened_of", int, 1, 10000),
        "ratio": ("reopened_ratio", float, 1, 100),
        "chance": ("reopened_chance", float, 1e-9, 0.5),
        "repeats": ("reopened_repeats", int, 2, 100),
    },
}
_ALLOWED: Final = {
    timedelta: "a duration such as 30m or 90d",
    int: "a whole number",
    float: "a number",
}


def read_thresholds(
    document: Any, wrong: Callable[[str, str, str], None], seconds: Callable[[Any], int]
) -> Thresholds | None:
    """The thresholds of a policy's section `gaming`; `wrong(field, problem, allowed)` is told of every fault.

    Each is `{value, reason}`: without its reason nobody could say why somebody is on the list. None when anything
    is wrong. `seconds` reads a duration, ValueError when it is none.
    """
    faults = 0

    def fault(where: str, problem: str, allowed: str) -> None:
        nonlocal faults
        faults += 1
        wrong(where, problem, allowed)

    if not isinstance(document, dict):
        fault("gaming", f"is {document!r:.40}", "a mapping of " + ", ".join(_FORM))
        return None
    for key in set(document) - set(_FORM):
        fault(f"gaming.{key}", "is unknown", ", ".join(_FORM))
    values: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for section, form in _FORM.items():
        part = document.get(section)
        if not isinstance(part, dict):
            fault(f"gaming.{section}", "is missing", "a mapping of " + ", ".join(form))
            continue
        for key in set(part) - set(form):
            fault(f"gaming.{section}.{key}", "is unknown", ", ".join(form))
        for name, (target, type_, least, most) in form.items():
            where = f"gaming.{section}.{name}"
            entry = part.get(name)
            if not isinstance(entry, dict) or set(entry) != {"value", "reason"}:
                fault(where, "is missing or incomplete", "{value, reason}")
                continue
            reason = entry["reason"]
            if not isinstance(reason, str) or not 0 < len(reason) <= 300:
                fault(f"{where}.reason", "is missing or too long", "1 to 300 characters")
            else:
                reasons[f"{section}.{name}"] = reason
            number = _number(entry["value"], type_, seconds)
            if number is None or not least <= number <= most:
                limits = f"from {_plain(least, type_)} to {_plain(most, type_)}"
                fault(f"{where}.value", f"is {entry['value']!r:.40}", f"{_ALLOWED[type_]}, {limits}")
                continue
            values[target] = timedelta(seconds=number) if type_ is timedelta else number
    return None if faults else Thresholds(**values, reasons=reasons)


def _number(value: Any, type_: type, seconds: Callable[[Any], int]) -> float | None:
    if type_ is timedelta:
        try:
            return seconds(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int if type_ is int else (int, float)):
        return None
    return value


def _plain(number: float, type_: type) -> str:
    if type_ is not timedelta:
        return f"{number:g}"
    return f"{number / 86400:g}d" if number >= 86400 else f"{number / 60:g}m"


# -- findings ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Evidence:
    """A step of a case that shows it; `more` says what matters about it (share of the limit, unit, place …)."""

    case: str
    number: str
    sequence: int
    action: str
    actor: str
    at: datetime
    more: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As it is answered."""
        return {
            "case": self.case,
            "number": self.number,
            "sequence": self.sequence,
            "action": self.action,
            "actor": self.actor,
            "at": iso(self.at),
            **self.more,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at. `id` stays the same whenever it is found again; `subject` is an actor, a unit, a photo's
    digest or a case. `explained`: why it is probably nothing, in words; then `look` is False."""

    id: str
    kind: str
    subject: Mapping[str, str]
    since: datetime
    until: datetime
    numbers: Mapping[str, Any]
    evidence: tuple[Evidence, ...]
    says: str
    explained: tuple[str, ...] = ()

    @property
    def look(self) -> bool:
        """Whether somebody should look at it."""
        return not self.explained

    def document(self) -> dict[str, Any]:
        """As it is answered, kept with a look, and printed as JSON."""
        return {
            "id": self.id,
            "kind": self.kind,
            "subject": dict(self.subject),
            "look": self.look,
            "says": self.says,
            "explained": list(self.explained),
            "since": iso(self.since),
            "until": iso(self.until),
            "numbers": dict(self.numbers),
            "evidence": [e.document() for e in self.evidence[:MOST_EVIDENCE]],
        }


def finding_id(kind: str, *anchor: str) -> str:
    """A short name of a finding that depends on what it is about alone."""
    return hashlib.sha256("\n".join((kind, *anchor)).encode()).hexdigest()[:20]


# -- mass closing ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Closing:
    """One resolution. `used`: the share of the leg's finish limit that was gone; None without a limit."""

    evidence: Evidence
    used: float | None
    matter: str = ""


@dataclass(frozen=True, slots=True)
class Habit:
    """How somebody usually closes cases: how many in a window in which they close any, and the share near the limit
    (None when there was nothing to compare with)."""

    windows: int
    mean: float
    most: int
    near_share: float | None


def bursts(counted: Iterable[tuple[datetime, int]], window: timedelta) -> list[tuple[datetime, datetime]]:
    """The densest windows that don't overlap; `counted`: starts of windows with how many fall into each."""
    found: list[tuple[datetime, datetime]] = []
    for start, _ in sorted(counted, key=lambda c: (-c[1], c[0])):
        end = start + window
        if all(end < a or b < start for a, b in found):
            found.append((start, end))
    return sorted(found)


def share_used(case: Mapping[str, Any], leg: Mapping[str, Any], at: datetime) -> float | None:
    """How much of a leg's finish limit was gone at a time, without the pauses and with the extensions of the case.

    Natural time: where the time-keeper counts by a working calendar it is an approximation.
    """
    limit = leg.get("finish_limit")
    if not limit:
        return None
    limit += sum(e["seconds"] for e in case.get("extensions") or () if e["leg"] == leg["id"])
    start = parse(leg["offered_at"])
    still = timedelta(0)
    for pause in case.get("pauses") or ():
        begin = max(parse(pause["start"]), start)
        end = min(parse(pause["end"]), at) if pause.get("end") else at
        still += max(end - begin, timedelta(0))
    return (at - start - still) / timedelta(seconds=limit)


def mass_closing(
    who: Mapping[str, str], closings: Sequence[Closing], habit: Habit, of: Thresholds
) -> Finding | None:
    """Many resolutions of one actor or unit in one window, most of them shortly before their limits.

    Listed apart when it is how they always work: the window holds no more than usual, or the cases are one matter
    (one place and category: one repair settles them all) .
    """
    near = [c for c in closings if c.used is not None and of.near <= c.used <= 1]
    if len(closings) < of.least or len(near) < of.near_share * len(closings):
        return None
    ratio = len(closings) / habit.mean if habit.mean else None
    explained = []
    if ratio is not None and ratio < of.ratio:
        explained.append(
            f"平时同样时长内也办结{habit.mean:.1f}件（{habit.windows}个时段，最多{habit.most}件），与平时相差不到{of.ratio:g}倍"
        )
    matters = Counter(c.matter for c in closings)
    matter, most = matters.most_common(1)[0]
    if matter and most == len(closings):
        explained.append(f"{most}件都是同一社区的同一类事项，一次处理即可办结")
    ordered = sorted(closings, key=lambda c: c.evidence.at)
    first, last = ordered[0].evidence, ordered[-1].evidence
    share = len(near) / len(closings)
    usual = "此前没有可比的办结" if not habit.mean else f"平时{habit.mean:.1f}件"
    return Finding(
        finding_id("mass_closing", who["type"], who["id"], first.case, str(first.sequence)),
        "mass_closing",
        who,
        first.at,
        last.at,
        {
            "closed": len(closings),
            "near_limit": len(near),
            "near_share": round(share, 3),
            "usual": round(habit.mean, 2),
            "usual_most": habit.most,
            "usual_windows": habit.windows,
            "usual_near_share": None if habit.near_share is None else round(habit.near_share, 3),
            "ratio": None if ratio is None else round(ratio, 2),
            "window_seconds": int(of.window.total_seconds()),
        },
        tuple(c.evidence for c in ordered),
        f"{int(of.window.total_seconds() // 60)}分钟内办结{len(closings)}件，其中{len(near)}件在时限用去"
        f"{of.near:.0%}以后；{usual}",
        tuple(explained),
    )


# -- the same photo ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Use:
    """A photo as evidence of a step. `root`: the case that it counts for (the one that it was merged into)."""

    evidence: Evidence
    root: str
    community: str
    category: str
    emergency: str = ""


def same_photo(digest: str, uses: Sequence[Use], of: Thresholds) -> Finding | None:
    """One photo as evidence of several cases. Listed apart when the cases are one matter: merged, of one emergency
    and community, or of one community and category within a short time."""
    cases = {u.evidence.case for u in uses}
    if len(cases) < of.photo_cases:
        return None
    ordered = sorted(uses, key=lambda u: (u.evidence.at, u.evidence.case))
    first, last = ordered[0].evidence, ordered[-1].evidence
    explained = []
    if len({u.root for u in uses}) == 1:
        explained.append("这些工单已并案，是同一件事")
    elif len({(u.community, u.emergency) for u in uses}) == 1 and uses[0].emergency and uses[0].community:
        explained.append("这些工单属于同一次应急、同一社区，一张现场照片可以说明几件事")
    elif (
        len({(u.community, u.category) for u in uses}) == 1
        and uses[0].community
        and last.at - first.at <= of.photo_one_matter
    ):
        explained.append("同一社区、同一类事项、前后相隔很短，多半是未并案的同一件事，建议并案")
    actors = sorted({u.evidence.actor for u in uses})
    return Finding(
        finding_id("same_photo", digest),
        "same_photo",
        {"type": "photo", "id": digest},
        first.at,
        last.at,
        {
            "cases": len(cases),
            "matters": len({u.root for u in uses}),
            "uses": len(uses),
            "actors": actors[:MOST_EVIDENCE],
            "hours": round((last.at - first.at).total_seconds() / 3600, 1),
        },
        tuple(u.evidence for u in ordered),
        f"同一张照片作为{len(cases)}件工单的佐证，涉及{len(actors)}个办理人",
        tuple(explained),
    )


# -- ping-pong ---------------------------------------------------------------------------------------


def holders(legs: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The legs of those who had to handle a case, one after the other: units and people, without the desk in between,
    without assistants and supervisors; two legs in a row of one holder are one."""
    out: list[Mapping[str, Any]] = []
    main = (leg for leg in legs if leg["kind"] in ("handle", "lead") and leg["assignee"]["type"] != "desk")
    for leg in sorted(main, key=lambda leg: leg["offered_at"]):
        if not out or out[-1]["assignee"] != leg["assignee"]:
            out.append(leg)
    return out


def ping_pong(case: Mapping[str, Any], steps: Sequence[Evidence], of: Thresholds) -> Finding | None:
    """A case that came back to a unit that had had it before, after several hands.

    Listed apart when each return to a unit was after a result: reopening sends it to whom it belongs.
    """
    chain = holders(case["legs"])
    units = [leg["assignee"]["id"] for leg in chain if leg["assignee"]["type"] == "unit"]
    hands = [unit for i, unit in enumerate(units) if i == 0 or units[i - 1] != unit]
    again = sorted(unit for unit, n in Counter(hands).items() if n > 1)
    transfers = len(hands) - 1
    if not again or transfers < of.transfers:
        return None
    explained = []
    unfinished = [leg for leg in chain[:-1] if leg["assignee"]["type"] == "unit" and leg["state"] != "done"]
    if not unfinished:
        explained.append("每次都是办结后重新打开，并非推诿")
    return Finding(
        finding_id("ping_pong", case["id"]),
        "ping_pong",
        {"type": "case", "id": case["id"], "number": case["number"]},
        parse(chain[0]["offered_at"]),
        parse(chain[-1]["offered_at"]),
        {
            "transfers": transfers,
            "units": len(set(hands)),
            "again": again,
            "path": hands[:MOST_EVIDENCE],
            "given_back": dict(Counter(leg["assignee"]["id"] for leg in unfinished)),
        },
        tuple(steps),
        f"在{len(set(hands))}个单位之间流转{transfers}次，又回到{'、'.join(again)}",
        tuple(explained),
    )


# -- closed and reopened -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    """What a unit (or a person of a grid) resolved in a time, and what of it was opened again."""

    who: Mapping[str, str]
    resolved: int
    reopened: tuple[Evidence, ...]


def chance(hits: int, tries: int, rate: float) -> float:
    """How likely `hits` or more of `tries` are where each has the likelihood `rate` (a binomial tail)."""
    if hits <= 0 or rate >= 1:
        return 1.0
    if rate <= 0:
        return 0.0
    total = 0.0
    for k in range(hits, tries + 1):
        # By logarithms, so that nothing overflows.
        ways = lgamma(tries + 1) - lgamma(k + 1) - lgamma(tries - k + 1)
        part = exp(ways + k * log(rate) + (tries - k) * log1p(-rate))
        total += part
        if k > tries * rate and part < total * 1e-12:
            break
    return min(1.0, total)


def reopened(records: Sequence[Record], since: datetime, until: datetime, of: Thresholds) -> list[Finding]:
    """Whose results are opened again more often than those of all others of the same type, by more than chance
    gives; the period names the quarter, so that a look at it stays with it."""
    out = []
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for record in records:
        both = totals[record.who["type"]]
        both[0] += record.resolved
        both[1] += len(record.reopened)
    for record in records:
        mine = len(record.reopened)
        if mine < of.reopened_least or record.resolved < of.reopened_of:
            continue
        resolved, again = totals[record.who["type"]]
        others = resolved - record.resolved
        # With no other to compare with nobody is worse than the others.
        if others < of.reopened_of:
            continue
        # One more than there were: none so far doesn't mean that there never will be one.
        others_rate = (again - mine + 1) / (others + 2)
        rate = mine / record.resolved
        likely = chance(min(mine, record.resolved), record.resolved, min(others_rate, 0.999))
        if rate < of.reopened_ratio * others_rate or likely > of.reopened_chance:
            continue
        ordered = tuple(sorted(record.reopened, key=lambda e: e.at))
        out.append(
            Finding(
                finding_id("reopened", record.who["type"], record.who["id"], quarter(until)),
                "reopened",
                record.who,
                since,
                until,
                {
                    "resolved": record.resolved,
                    "reopened": mine,
                    "rate": round(rate, 4),
                    "others_resolved": others,
                    "others_reopened": again - mine,
                    "others_rate": round((again - mine) / others, 4),
                    "by_chance": float(f"{likely:.2g}"),
                },
                ordered,
                f"办结{record.resolved}件，其中{mine}件被重新打开（{rate:.1%}），其他同类办理人为"
                f"{(again - mine) / others:.1%}",
            )
        )
    return out


def repeated(case: str, number: str, reopenings: Sequence[Evidence], of: Thresholds) -> Finding | None:
    """A case that was closed and opened again several times."""
    if len(reopenings) < of.reopened_repeats:
        return None
    ordered = tuple(sorted(reopenings, key=lambda e: e.at))
    return Finding(
        finding_id("reopened", "case", case),
        "reopened",
        {"type": "case", "id": case, "number": number},
        ordered[0].at,
        ordered[-1].at,
        {"reopened": len(ordered)},
        ordered,
        f"同一工单办结后被重新打开{len(ordered)}次",
    )


def quarter(at: datetime) -> str:
    """2026Q1 …"""
    return f"{at.year}Q{(at.month - 1) // 3 + 1}"
