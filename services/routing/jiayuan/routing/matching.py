"""Demand and supply 供需匹配: what a wish, a dispute or an appointment asks for, and whose means match it. Pure.

The words are data (`data/matching.yaml`): what citizens write → which skill, language, hours or service is wanted.
A match has a score and the reasons for it, in words for people, so that whoever was asked, and whoever wasn't, can
be told why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any, Final

import yaml

from jiayuan.chassis.hours import DAYS, Week, minutes

from .directory import Directory, Person, Unit
from .directory.duty import ZONE
from .policy import seconds

# What a full score is made of.
SKILL: Final = 40
NEAR: Final = 25
TIME: Final = 20
LANGUAGE: Final = 15
_LOAD: Final = 4  # taken off for each open case, at most 20
_NEAR: Final = (
    ("grid", NEAR, "同一楼栋网格"),
    ("compound", 20, "同一小区"),
    ("community", 15, "同一社区"),
    ("street", 8, "同一街道"),
    ("county", 3, "本县"),
)
_ROLES: Final = ("volunteer", "cadre")
# So many helpers of a community are enough to choose from, where nothing in particular is wanted.
_ENOUGH: Final = 12
NONE: Final[frozenset[str]] = frozenset()
ORGANISATIONS: Final = ("association",)


@dataclass(frozen=True, slots=True)
class Need:
    """Skill words of which one is enough, because of a category (prefixes) or of what was written."""

    words: tuple[str, ...]
    category: tuple[str, ...] = ()
    any: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Time:
    """When somebody is wanted: days of the week (0 to 6) and minutes of the day."""

    days: tuple[int, ...]
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a wish asks for: needs, each a choice of skill words; languages; times. Empty: nothing in particular."""

    needs: tuple[tuple[str, ...], ...] = ()
    languages: tuple[str, ...] = ()
    times: tuple[Time, ...] = ()

    def document(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "needs": [list(n) for n in self.needs],
            "languages": list(self.languages),
            "times": [{"days": list(t.days), "span": list(t.span)} for t in self.times],
        }


def wanted_from(document: Mapping[str, Any]) -> Wanted:
    """What was kept."""
    return Wanted(
        tuple(tuple(n) for n in document.get("needs") or ()),
        tuple(document.get("languages") or ()),
        tuple(Time(tuple(t["days"]), (t["span"][0], t["span"][1])) for t in document.get("times") or ()),
    )


@dataclass(frozen=True, slots=True)
class Match:
    """Somebody whose means match: `type` person or unit, 0 to 100, and why, the weightiest first."""

    id: str
    type: str
    role: str
    score: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """`data/matching.yaml`, checked. Spans are seconds."""

    version: str
    mediation_response: int
    mediation_skills: tuple[Need, ...]
    team_reports: int
    team_importance: int
    follow_up: int
    offered_to: int
    lapses: int
    rounds: int
    needs: tuple[Need, ...]
    languages: tuple[tuple[str, tuple[str, ...]], ...]
    times: tuple[tuple[tuple[str, ...], Time], ...]
    services: tuple[tuple[str, Need], ...]
    days: int
    slot: int


def read(document: Mapping[str, Any]) -> Rules:
    """The rules of a document; KeyError or ValueError when it is wrong (it comes with the service)."""
    mediation, wishes, appointments = (document[k] for k in ("mediation", "wishes", "appointments"))
    return Rules(
        str(document["version"]),
        seconds(mediation["response"]),
        tuple(map(_need, mediation["skills"])),
        int(mediation["team"]["reports"]),
        int(mediation["team"]["importance"]),
        seconds(mediation["follow_up"]),
        int(wishes["offered_to"]),
        seconds(wishes["lapses"]),
        int(wishes["rounds"]),
        tuple(map(_need, wishes["needs"])),
        tuple((row["language"], tuple(row["any"])) for row in wishes["languages"]),
        tuple((tuple(row["any"]), _time(row)) for row in wishes["times"]),
        tuple(
            (row["service"], _need({"words": [row["service"]], **row})) for row in appointments["services"]
        ),
        int(appointments["days"]),
        seconds(appointments["slot"]),
    )


def _need(row: Mapping[str, Any]) -> Need:
    return Need(tuple(row["words"]), tuple(row.get("category") or ()), tuple(row.get("any") or ()))


def _time(row: Mapping[str, Any]) -> Time:
    days = tuple(DAYS.index(d) for d in row["days"]) if "days" in row else tuple(range(7))
    return Time(days, minutes(row["span"]))


@cache
def rules() -> Rules:
    """The rules that come with the service."""
    text = (resources.files("jiayuan.routing") / "data" / "matching.yaml").read_text(encoding="utf-8")
    return read(yaml.safe_load(text))


# -- what is wanted ----------------------------------------------------------------------------------


def wanted(title: str, text: str) -> Wanted:
    """What a wish asks for, as far as its words say."""
    said, known = f"{title}\n{text}", rules()
    return Wanted(
        tuple(n.words for n in known.needs if _says(said, n.any)),
        tuple(sorted(languages(title, text))),
        tuple(time for words, time in known.times if _says(said, words)),
    )


def languages(title: str, text: str) -> frozenset[str]:
    """The languages that whoever comes should speak, as far as the words say."""
    # Asked of every report of the grid: one look for any of the words, nearly always in vain.
    if _speech().search(text) is None and _speech().search(title) is None:
        return NONE
    said = f"{title}\n{text}"
    return frozenset(language for language, words in rules().languages if _says(said, words))


@cache
def _speech() -> re.Pattern[str]:
    return re.compile("|".join(re.escape(word) for _, words in rules().languages for word in words))


def dispute_skills(category: str, title: str, text: str) -> tuple[str, ...]:
    """The skills of mediators for a dispute: by what was written, else by its category."""
    said, known = f"{title}\n{text}", rules().mediation_skills
    found = [n for n in known if _says(said, n.any)] or [
        n for n in known if n.category and category.startswith(n.category)
    ]
    return tuple(dict.fromkeys(w for n in found for w in n.words))


def service_of(category: str, title: str, text: str) -> str:
    """The service that an appointment asks for; "" when its words name none."""
    said, known = f"{title}\n{text}", rules().services
    for service, need in known:
        if service in said or _says(said, need.any):
            return service
    return next((s for s, n in known if n.category and category.startswith(n.category)), "")


def _says(said: str, words: Iterable[str]) -> bool:
    return any(word in said for word in words)


# -- whose means match -------------------------------------------------------------------------------


def matches(
    directory: Directory,
    want: Wanted,
    where: tuple[str, str | None, str | None],
    at: datetime,
    *,
    load: Callable[[str], int] = lambda _: 0,
    last: Callable[[str], int] = lambda _: 0,
    category: str = "",
    without: Iterable[str] = (),
) -> list[Match]:
    """Volunteers, cadres and social organisations whose means match, the best first; of equals whoever was given
    something least recently. Whoever lacks every skill that is wanted, is away, or is in `without` isn't there.

    `where`: street, community, grid. Helpers of other streets are asked only for a skill that is wanted.
    """
    gone, out = set(without), []
    for id_ in _candidates(directory, want, where):
        if id_ in gone or directory.on_leave(id_, at):
            continue
        match = _person(directory, directory.people[id_], want, where, at, load(id_))
        if match is not None:
            out.append(match)
    for unit in directory.units.values():
        if unit.active and unit.kind in ORGANISATIONS and unit.code not in gone:
            match = _organisation(directory, unit, want, where, category, load(unit.code))
            if match is not None:
                out.append(match)
    return sorted(out, key=lambda m: (-m.score, last(m.id), m.id))


# By skill word the helpers of the directory that was asked last: a county has thousands, and few can do one thing.
_by_skill: list[tuple[Directory, dict[str, list[str]]]] = []


def _candidates(
    directory: Directory, want: Wanted, where: tuple[str, str | None, str | None]
) -> Iterable[str]:
    """Who could match at all: of the whole county whoever has a skill that is wanted; without one the neighbourhood."""
    street, community, _ = where
    if not want.needs:
        near = [i for role in _ROLES for i in directory.members(community or street, role)]
        if len(near) >= _ENOUGH:
            return near
        return [i for role in _ROLES for i in directory.members(street, role)]
    if not _by_skill or _by_skill[0][0] is not directory:
        index: dict[str, list[str]] = {}
        for role in _ROLES:
            for id_ in directory.members(directory.county.code, role):
                for word in directory.people[id_].skills:
                    index.setdefault(word, []).append(id_)
        _by_skill[:] = [(directory, index)]
    index = _by_skill[0][1]
    return dict.fromkeys(i for words in want.needs for word in words for i in index.get(word, ()))


def _person(
    directory: Directory,
    person: Person,
    want: Wanted,
    where: tuple[str, str | None, str | None],
    at: datetime,
    load: int,
) -> Match | None:
    met = [word for words in want.needs if (word := next((w for w in words if w in person.skills), None))]
    if want.needs and not met:
        return None
    near, score, words = _nearness(directory, person, where)
    if near == "county" and not met:
        return None
    reasons = []
    if met:
        score += SKILL * len(met) // len(want.needs)
        reasons.append(f"会{'、'.join(met)}")
    else:
        score += SKILL // 2
    reasons.append(words)
    if want.languages:
        spoken = [language for language in want.languages if language in person.languages]
        if spoken:
            score += LANGUAGE
            reasons.append(f"会说{'、'.join(spoken)}")
        else:
            reasons.append(f"不会{'、'.join(want.languages)}")
    else:
        score += LANGUAGE
    score += _hours(directory, person, want, at, reasons)
    score -= min(_LOAD * load, 20)
    if load:
        reasons.append(f"手头{load}件")
    return Match(person.id, "person", person.role, max(score, 0), tuple(reasons))


def _nearness(
    directory: Directory, person: Person, where: tuple[str, str | None, str | None]
) -> tuple[str, int, str]:
    street, community, grid = where
    known = directory.grids.get(grid or "")
    mine = directory.grids.get(person.grid)
    level = "county"
    if known is not None and mine is not None and mine.code == known.code:
        level = "grid" if known.kind == "building" else "compound"
    elif known is not None and mine is not None and _compound(known) == _compound(mine):
        level = "compound"
    elif community and person.community == community:
        level = "community"
    elif person.street and person.street == street:
        level = "street"
    return next(row for row in _NEAR if row[0] == level)


def _compound(grid: Any) -> str:
    return grid.parent if grid.kind == "building" else grid.code


def _hours(directory: Directory, person: Person, want: Wanted, at: datetime, reasons: list[str]) -> int:
    if want.times:
        if person.week is None or any(_free(person.week, time) for time in want.times):
            reasons.append("所需时段有空")
            return TIME
        reasons.append("所需时段没空")
        return 0
    if directory.on_duty(person.id, at):
        reasons.append("现在有空")
        return TIME
    if _soon(directory, person, at):
        reasons.append("两天内有空")
        return TIME // 2
    return 0


def _soon(directory: Directory, person: Person, at: datetime) -> bool:
    """Whether somebody has time within two days: by their own hours, else by a few looks at the roster."""
    if person.week is None:
        return any(directory.on_duty(person.id, at + timedelta(hours=h)) for h in (6, 12, 18, 24, 36, 48))
    local = at.astimezone(ZONE)
    minute, day = local.hour * 60 + local.minute, local.weekday()
    later = any(end > minute for _, end in person.week[day])
    return later or bool(person.week[(day + 1) % 7]) or bool(person.week[(day + 2) % 7])


def _free(week: Week, time: Time) -> bool:
    first, last = time.span
    return any(begin < last and first < end for day in time.days for begin, end in week[day])


def _organisation(
    directory: Directory,
    unit: Unit,
    want: Wanted,
    where: tuple[str, str | None, str | None],
    category: str,
    load: int,
) -> Match | None:
    """A social organisation: its duties are skill words, or codes of categories."""
    met = [word for words in want.needs if (word := next((w for w in words if w in unit.duties), None))]
    seated = any(seat.unit == unit.code for seat in directory.committee(where[0]).organisations)
    # A federation of the county has every category of a kind among its duties: only those at the table are asked.
    by_category = (
        seated and bool(category) and any(category.startswith(d) for d in unit.duties if d[:1].isdigit())
    )
    if not met and not by_category:
        return None
    score, reasons = 0, []
    if met:
        score += SKILL * len(met) // len(want.needs)
        reasons.append(f"能提供{'、'.join(met)}")
    else:
        score += SKILL // 2
        reasons.append("职责包括这类事")
    if seated:
        score += NEAR
        reasons.append("本街道大工委的社会组织")
    else:
        score += 3
        reasons.append("本县")
    score += TIME // 2 + (0 if want.languages else LANGUAGE)
    score -= min(_LOAD * load, 20)
    if load:
        reasons.append(f"手头{load}件")
    return Match(unit.code, "unit", "organisation", max(score, 0), tuple(reasons))
