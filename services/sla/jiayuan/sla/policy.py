"""The policy of clocks: versioned data that says what time counts, when a clock speaks, and to whom it rises.

    read(document, calendars=None) -> Policy      checked; PolicyError says everything that is wrong with it
    policy.terms(kind, facts, start, at) -> Terms what holds for a clock
    Book(policies, calendars)                     several versions with the days from which they hold

docs/sla/policies.md explains the form. Limits come with the case, from the policy of routing; a rule here may
say another one. Pure, importable without a server.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import (
    ASSIGNEE_TYPES,
    CLOCK_KINDS,
    COLOURS,
    KINDS,
    LADDER_DEEDS,
    LADDER_ROLES,
    LEG_KINDS,
    LEVELS,
)

from . import calendar as calendars_
from .calendar import Calendar

ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)
NONE_OF_THEM: Final = "*"
"""What a clock stores as its rule when one had matched and none does any more."""

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"([1-9]\d{0,6})([smhd])")
_WORKDAYS: Final = re.compile(r"([1-9]\d{0,3})wd")
_PERCENT: Final = re.compile(r"([1-9]\d{0,2})%")
_SPAN: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_KNOWN_MOST: Final = 20_000
_MOST_PERCENT: Final = 1000


class PolicyError(ValueError):
    """The policy can't be followed; `problems` says where, what is wrong and what is allowed."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{p.field} {p.problem}: {p.allowed} is allowed" for p in problems))


class Facts(NamedTuple):
    """What rules look at: of the case, and of the leg and its assignee where the clock is on one."""

    colour: str
    category: str
    level: str
    case: str
    street: str
    emergency: bool
    leg: str
    assignee: str


class Point(NamedTuple):
    """A moment at which a clock speaks: `percent` of the limit, or else `seconds` before (< 0) or after it."""

    text: str
    percent: int
    seconds: int

    def amount(self, run: timedelta) -> timedelta:
        """How much of the clock's own time has passed then."""
        return run * self.percent / 100 if self.percent else run + timedelta(seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a ladder: at a point it rises to somebody, who is told or takes over.

    `quiet`: from and until, in minutes of the policy's day, nobody is told; it waits. `every`, `times`: told
    again.
    """

    number: int
    at: Point
    whom: str
    do: str
    quiet: tuple[int, int] | None = None
    every: int = 0
    times: int = 0


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a clock: of which version, by which rule ("" for none), and what it says.

    `limit` None keeps the case's, 0 means no clock; `workdays` are working days of the calendar, instead.
    """

    version: str
    rule: str
    zone: ZoneInfo
    since: datetime
    """From when on the version held; what was late before that was late under another one."""
    pauses: bool
    extensions: bool
    warn: tuple[Point, ...]
    calendar: Calendar | None = None
    limit: int | None = None
    workdays: int = 0
    ladder: str = ""
    steps: tuple[Step, ...] = ()
    warn_percent: int = 0
    """Of a clock that warns once, before its limit, and has no ladder; else 0."""
    plain: bool = False
    """Natural time, by no rule, with one warning: an ordinary clock."""

    @property
    def mark(self) -> str:
        """The calendar with its version, as clocks store it; "" for natural time."""
        return self.calendar.mark if self.calendar is not None else ""

    def fixed(self) -> Terms:
        """The same for a moment that somebody named: no calendar and no limit of the policy's moves it."""
        if self.calendar is None and self.limit is None and not self.workdays:
            return self
        return replace(self, calendar=None, limit=None, workdays=0)

    def given(self, limit: int) -> int:
        """The limit in seconds for one that comes with the case."""
        if self.workdays and self.calendar is not None:
            return self.workdays * self.calendar.day_seconds
        return limit if self.limit is None else self.limit


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the policy: terms for the clocks that it is about. A condition that is None always holds."""

    id: str
    clock: frozenset[str]
    colour: frozenset[str] | None
    level: frozenset[str] | None
    case: frozenset[str] | None
    leg: frozenset[str] | None
    assignee: frozenset[str] | None
    category: tuple[str, ...] | None
    street: tuple[str, ...] | None
    emergency: bool | None
    terms: Mapping[str, Terms]

    def matches(self, facts: Facts) -> bool:
        """Whether every condition holds."""
        return (
            (self.colour is None or facts.colour in self.colour)
            and (self.level is None or facts.level in self.level)
            and (self.case is None or facts.case in self.case)
            and (self.leg is None or facts.leg in self.leg)
            and (self.assignee is None or facts.assignee in self.assignee)
            and (self.emergency is None or facts.emergency == self.emergency)
            and (self.category is None or facts.category.startswith(self.category))
            and (self.street is None or facts.street.startswith(self.street))
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """One checked version. `since` is when it came into force: its day, or its import if that was later."""

    version: str
    effective_from: datetime
    since: datetime
    applies_to: str
    zone: ZoneInfo
    defaults: Mapping[str, Terms]
    rules: tuple[Rule, ...]
    limits: Mapping[str, int]
    """Seconds for promises that come with no limit of their own (claim, notice)."""
    same_for_all: Mapping[str, Terms] | None
    """The defaults, where there are no rules and nothing else matters."""
    _known: dict[tuple[str, Facts], Terms] = field(default_factory=dict, repr=False, compare=False)

    @property
    def pausing(self) -> frozenset[str]:
        """The kinds that stand still while the case is paused, where no rule says otherwise."""
        return frozenset(k for k, t in self.defaults.items() if t.pauses)

    @property
    def extending(self) -> frozenset[str]:
        """The kinds that an extension gives more time, where no rule says otherwise."""
        return frozenset(k for k, t in self.defaults.items() if t.extensions)

    @property
    def warn_percent(self) -> int:
        """At which share of the limit it warns where no rule says otherwise; 0 when not just once."""
        return next(iter(self.defaults.values())).warn_percent

    def terms(self, kind: str, facts: Facts | None, _start: datetime, _at: datetime) -> Terms:
        """What holds for a clock: the first rule that matches, else the defaults."""
        if not self.rules or facts is None:
            return self.defaults[kind]
        known = self._known.get((kind, facts))
        if known is None:
            rule = next((r for r in self.rules if kind in r.clock and r.matches(facts)), None)
            known = rule.terms[kind] if rule else self.defaults[kind]
            if len(self._known) >= _KNOWN_MOST:
                self._known.clear()
            self._known[kind, facts] = known
        return known

    def stored(self, kind: str, version: str, rule: str, mark: str | None) -> Terms | None:
        """The terms that a clock says it runs on (`mark` None: a fixed one); None when they aren't known any more."""
        if version != self.version:
            return None
        found = self.defaults.get(kind)
        if rule and rule != NONE_OF_THEM:
            found = next((r.terms.get(kind) for r in self.rules if r.id == rule), None)
        if mark is None:
            return found.fixed() if found is not None else None
        return found if found is not None and found.mark == mark else None

    @property
    def ruled(self) -> bool:
        """Whether it has rules, so that somebody has to look at the facts."""
        return bool(self.rules)

    def every_terms(self) -> Iterable[tuple[str, Terms]]:
        """All terms that it can give, each with its kind of clock."""
        yield from self.defaults.items()
        for rule in self.rules:
            yield from rule.terms.items()


def covered(policy: Policy) -> list[tuple[str, str]]:
    """Rules that never matter, each after the rule that takes whatever it would."""
    out = []
    for i, rule in enumerate(policy.rules):
        first = next((before for before in policy.rules[:i] if _covers(before, rule)), None)
        if first is not None:
            out.append((first.id, rule.id))
    return out


def _covers(outer: Rule, inner: Rule) -> bool:
    words = ("colour", "level", "case", "leg", "assignee")
    sets = ((getattr(outer, w), getattr(inner, w)) for w in words)
    codes = ((outer.category, inner.category), (outer.street, inner.street))
    return (
        inner.clock <= outer.clock
        and all(a is None or (b is not None and b <= a) for a, b in sets)
        and all(a is None or (b is not None and all(c.startswith(a) for c in b)) for a, b in codes)
        and (outer.emergency is None or outer.emergency == inner.emergency)
    )


class Book:
    """All versions that were ever in force, and the calendars, each in every version.

    The newest version whose day has come holds for every open clock; one that says `applies_to: new` leaves
    clocks that began before its day to the version before it.
    """

    def __init__(self, policies: Sequence[Policy], marks: Mapping[str, Calendar] | None = None) -> None:
        self.policies = sorted(policies, key=lambda p: p.since)
        self.marks = dict(marks or {})
        self.by_version = {p.version: p for p in self.policies}
        self.ruled = any(p.rules for p in self.policies)
        self.same_for_all: Mapping[str, Terms] | None = None
        self._since = [p.since for p in self.policies]

    def at(self, at: datetime) -> Policy:
        """The version in force at a moment; before the first one, the first one."""
        return self.policies[max(0, bisect_right(self._since, at) - 1)]

    def terms(self, kind: str, facts: Facts | None, start: datetime, at: datetime) -> Terms:
        """What holds for a clock that began at `start` and was stopped, or is looked at, at `at`."""
        policy = self.at(at)
        while policy.applies_to == "new" and start < policy.effective_from and policy is not self.policies[0]:
            policy = self.policies[self.policies.index(policy) - 1]
        return policy.terms(kind, facts, start, at)

    def stored(self, kind: str, version: str, rule: str, mark: str | None) -> Terms | None:
        """The terms that a clock says it runs on (`mark` None: a fixed one); None when they aren't known any more."""
        policy = self.by_version.get(version)
        if policy is None:
            return None
        found = policy.stored(kind, version, rule, mark)
        if found is not None or mark is None:
            return found
        calendar = self.marks.get(mark)
        rule = "" if rule == NONE_OF_THEM else rule
        found = next((t for k, t in policy.every_terms() if k == kind and t.rule == rule), None)
        if calendar is None or found is None or found.calendar is None:
            return None
        return replace(found, calendar=calendar)


Rules = Policy | Book


# -- reading -----------------------------------------------------------------------------------------

_FIELDS: Final = (
    "version",
    "effective_from",
    "applies_to",
    "zone",
    "time",
    "calendar",
    "warn",
    "warn_percent",
    "pauses",
    "extensions",
    "limits",
    "ladders",
    "rules",
    "ladder",
)
_WHEN: Final = (
    "clock",
    "colour",
    "level",
    "case",
    "leg",
    "assignee",
    "category",
    "street",
    "emergency",
)
_THEN: Final = ("time", "calendar", "limit", "warn", "ladder", "pauses", "extensions")
_WORDS: Final[Mapping[str, Sequence[str]]] = {
    "clock": CLOCK_KINDS,
    "colour": COLOURS,
    "level": LEVELS,
    "case": KINDS,
    "leg": LEG_KINDS,
    "assignee": ASSIGNEE_TYPES,
}


class _Reader:
    """Collects what is wrong, so that everything is said at once."""

    def __init__(self, calendars: Mapping[str, Calendar]) -> None:
        self.problems: list[FieldProblem] = []
        self.calendars = calendars

    def wrong(self, where: str, value: Any, allowed: str) -> None:
        self.problems.append(FieldProblem(where, f"is {value!r:.80}", allowed))

    def known(self, where: str, data: Mapping[str, Any], names: Sequence[str]) -> None:
        for key in data:
            if key not in names:
                self.wrong(f"{where}{key}", "unknown", f"one of {', '.join(names)}")

    def duration(self, where: str, value: Any) -> int:
        found = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            self.wrong(where, value, "a duration such as 90s, 15m, 24h or 5d")
            return 1
        return int(found[1]) * _UNITS[found[2]]

    def point(self, where: str, value: Any) -> Point:
        text = f"{value}%" if type(value) is int else value
        if isinstance(text, str):
            share = _PERCENT.fullmatch(text)
            if share and int(share[1]) <= _MOST_PERCENT:
                return Point(text, int(share[1]), 0)
            found = _DURATION.fullmatch(text[1:]) if text[:1] in ("+", "-") else None
            if found:
                seconds = int(found[1]) * _UNITS[found[2]]
                return Point(text, 0, seconds if text[0] == "+" else -seconds)
        self.wrong(where, value, "a share of the limit such as 80%, or -2h before or +30m after it")
        return Point("100%", 100, 0)

    def warn(self, where: str, value: Any) -> tuple[Point, ...]:
        if not isinstance(value, list) or len(value) > 10:
            self.wrong(where, value, "a list of at most 10 points such as 80%, -2h or +30m")
            return ()
        points = tuple(self.point(where, v) for v in value)
        if len({p.text for p in points}) < len(points) or any(p.percent == 100 for p in points):
            self.wrong(where, value, "each point once, and not 100%: the limit itself always speaks")
        return points

    def words(self, where: str, value: Any, words: Sequence[str]) -> frozenset[str]:
        if not isinstance(value, list) or not value or not all(v in words for v in value):
            self.wrong(where, value, f"a list of {', '.join(words)}")
            return frozenset(words)
        return frozenset(value)

    def prefixes(self, where: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not value or not all(isinstance(v, str) and v for v in value):
            self.wrong(where, value, "a list of codes or their beginnings, in quotes")
            return ()
        return tuple(value)

    def calendar(self, where: str, time: Any, name: Any) -> Calendar | None:
        if time not in ("natural", "working"):
            self.wrong(f"{where}time", time, "natural, or working with a calendar,")
            return None
        if time == "natural":
            if name is not None:
                self.wrong(f"{where}calendar", name, "no calendar for natural time; time: working with one")
            return None
        if name is None:
            self.wrong(f"{where}time", time, "working only with a calendar, natural without one")
            return None
        if not isinstance(name, str) or name not in self.calendars:
            self.wrong(f"{where}calendar", name, f"one of {', '.join(sorted(self.calendars))}")
            return None
        return self.calendars[name]


def read(
    data: Mapping[str, Any],
    calendars: Mapping[str, Calendar] | None = None,
    imported_at: datetime | None = None,
) -> Policy:
    """A policy from its document. PolicyError with everything that is wrong, each with what is allowed.

    `calendars` are those that it may name, by default the ones that come with the release.
    """
    if not isinstance(data, Mapping):
        raise PolicyError([FieldProblem("policy", "is no mapping", ", ".join(_FIELDS))])
    if calendars is None:
        calendars = {name: calendars_.bundled(name) for name in calendars_.bundled_documents()}
    r = _Reader(calendars)
    r.known("", data, _FIELDS)
    version = data.get("version")
    if not isinstance(version, str) or not 0 < len(version) <= 40:
        r.wrong("version", version, "text of 1 to 40 characters")
    zone = _zone(r, data)
    start = _effective(r, data.get("effective_from"), zone)
    since = max(start, imported_at) if imported_at is not None else start
    applies = data.get("applies_to", "open")
    if applies not in ("open", "new"):
        r.wrong("applies_to", applies, "open (every open clock) or new (clocks that begin from its day on)")
    ladders = _ladders(r, data.get("ladders") or {})
    warn_field = "warn_percent" if "warn_percent" in data else "warn"
    if {"warn", "warn_percent"} <= data.keys():
        r.wrong("warn_percent", data["warn_percent"], "one of warn and warn_percent, its older form,")
    warn = r.warn(warn_field, data.get(warn_field))
    if warn_field == "warn_percent" and not (
        warn and all(type(v) is int and v < 100 for v in data[warn_field])
    ):
        r.wrong("warn_percent", data[warn_field], "a list of whole numbers of 1 to 99")
    default_ladder = _ladder(r, "ladder", data.get("ladder"), ladders)
    kinds = {f: _kinds(r, data, f) for f in ("pauses", "extensions")}
    cal = r.calendar("", data.get("time"), data.get("calendar"))
    base = {
        kind: _finished(
            Terms(
                str(version),
                "",
                zone,
                since,
                kind in kinds["pauses"],
                kind in kinds["extensions"],
                warn,
                cal,
                ladder=default_ladder,
                steps=ladders.get(default_ladder, ()),
            )
        )
        for kind in CLOCK_KINDS
    }
    rules = _rules(r, data.get("rules") or [], base, ladders)
    limits = {}
    for kind, value in (data.get("limits") or {}).items():
        if kind not in ("claim", "notice"):
            r.wrong(f"limits.{kind}", value, "claim and notice; others come with the case; a duration")
        else:
            limits[kind] = r.duration(f"limits.{kind}", value)
    if r.problems:
        raise PolicyError(r.problems)
    same = None if rules else base
    return Policy(str(version), start, since, str(applies), zone, base, rules, limits, same)


def _finished(terms: Terms) -> Terms:
    once = len(terms.warn) == 1 and 0 < terms.warn[0].percent < 100 and not terms.steps
    plain = once and not terms.rule and terms.calendar is None
    return replace(terms, warn_percent=terms.warn[0].percent if once else 0, plain=plain)


def _zone(r: _Reader, data: Mapping[str, Any]) -> ZoneInfo:
    try:
        return ZoneInfo(data.get("zone") or "")
    except (ValueError, TypeError, OSError, ZoneInfoNotFoundError):
        r.wrong("zone", data.get("zone"), "a name like Asia/Shanghai")
        return ZoneInfo("UTC")


def _effective(r: _Reader, value: Any, zone: ZoneInfo) -> datetime:
    if value is None:
        return ALWAYS
    day = calendars_.day_of(value) if not isinstance(value, datetime) else None
    if day is not None and not isinstance(value, datetime):
        return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        if not 1970 <= at.year <= 2999:
            raise ValueError
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except ValueError:
        r.wrong("effective_from", value, "a day such as 2027-01-01, or a time with an offset")
        return ALWAYS


def _kinds(r: _Reader, data: Mapping[str, Any], name: str) -> frozenset[str]:
    kinds = data.get(name)
    if not isinstance(kinds, list) or not all(k in CLOCK_KINDS for k in kinds):
        r.wrong(name, kinds, f"a list of {', '.join(CLOCK_KINDS)}")
        return frozenset()
    return frozenset(kinds)


def _ladders(r: _Reader, data: Any) -> dict[str, tuple[Step, ...]]:
    if not isinstance(data, Mapping):
        r.wrong("ladders", data, "names, each with a list of steps")
        return {}
    out: dict[str, tuple[Step, ...]] = {}
    for name, steps in data.items():
        where = f"ladders.{name}"
        if not isinstance(steps, list) or not 0 < len(steps) <= 9:
            r.wrong(where, steps, "a list of 1 to 9 steps")
            continue
        out[str(name)] = tuple(_step(r, f"{where}[{i}]", i + 1, step) for i, step in enumerate(steps))
    return out


def _step(r: _Reader, where: str, number: int, data: Any) -> Step:
    names = ("step", "at", "whom", "do", "quiet", "repeat")
    if not isinstance(data, Mapping):
        r.wrong(where, data, f"a mapping of {', '.join(names)}")
        return Step(number, Point("100%", 100, 0), "desk", "notify")
    r.known(f"{where}.", data, names)
    if data.get("step", number) != number:
        r.wrong(f"{where}.step", data["step"], f"{number}: steps are numbered from 1 in their order")
    if data.get("whom") not in LADDER_ROLES:
        r.wrong(f"{where}.whom", data.get("whom"), f"one of {', '.join(LADDER_ROLES)}")
    if data.get("do") not in LADDER_DEEDS:
        r.wrong(f"{where}.do", data.get("do"), f"one of {', '.join(LADDER_DEEDS)}")
    quiet: tuple[int, int] | None = None
    if data.get("quiet") is not None:
        found = _SPAN.fullmatch(str(data["quiet"]))
        if found is None or found[1] + found[2] == found[3] + found[4]:
            r.wrong(f"{where}.quiet", data["quiet"], "hours such as 22:00-07:00")
        else:
            a, b, c, d = (int(v) for v in found.groups())
            quiet = (a * 60 + b, c * 60 + d)
    every, times = _repeat(r, f"{where}.repeat", data.get("repeat"))
    at = r.point(f"{where}.at", data.get("at"))
    return Step(number, at, str(data.get("whom")), str(data.get("do")), quiet, every, times)


def _repeat(r: _Reader, where: str, value: Any) -> tuple[int, int]:
    if value is None:
        return 0, 0
    if (
        not isinstance(value, Mapping)
        or set(value) != {"every", "times"}
        or type(value["times"]) is not int
        or not 1 <= value["times"] <= 20
    ):
        r.wrong(where, value, "every: a duration, times: 1 to 20")
        return 0, 0
    return r.duration(f"{where}.every", value["every"]), value["times"]


def _ladder(r: _Reader, where: str, name: Any, ladders: Mapping[str, tuple[Step, ...]]) -> str:
    if name is None:
        return ""
    if name not in ladders:
        r.wrong(where, name, f"one of {', '.join(ladders) or 'the ladders, of which there are none,'}")
        return ""
    return str(name)


def _rules(
    r: _Reader, data: Any, base: Mapping[str, Terms], ladders: Mapping[str, tuple[Step, ...]]
) -> tuple[Rule, ...]:
    if not isinstance(data, list):
        r.wrong("rules", data, "a list of rules, each with id, when and then")
        return ()
    out: list[Rule] = []
    ids: set[str] = set()
    for i, rule in enumerate(data):
        where = f"rules[{i}]"
        if not isinstance(rule, Mapping) or set(rule) != {"id", "when", "then"}:
            r.wrong(where, rule, "a mapping of id, when and then")
            continue
        id_, when, then = rule["id"], rule["when"], rule["then"]
        if not isinstance(id_, str) or not 0 < len(id_) <= 80 or id_ in ids or id_ == NONE_OF_THEM:
            r.wrong(f"{where}.id", id_, "text of 1 to 80 characters that no other rule has")
            continue
        ids.add(id_)
        if not isinstance(when, Mapping) or not isinstance(then, Mapping) or not then:
            r.wrong(where, rule, f"when: {', '.join(_WHEN)}; then: {', '.join(_THEN)}")
            continue
        out.append(_rule(r, where, id_, when, then, base, ladders))
    return tuple(out)


def _rule(
    r: _Reader,
    where: str,
    id_: str,
    when: Mapping[str, Any],
    then: Mapping[str, Any],
    base: Mapping[str, Terms],
    ladders: Mapping[str, tuple[Step, ...]],
) -> Rule:
    r.known(f"{where}.when.", when, _WHEN)
    r.known(f"{where}.then.", then, _THEN)
    said = {
        name: r.words(f"{where}.when.{name}", when[name], words) if name in when else None
        for name, words in _WORDS.items()
    }
    codes = {
        name: r.prefixes(f"{where}.when.{name}", when[name]) if name in when else None
        for name in ("category", "street")
    }
    emergency = when.get("emergency")
    if emergency not in (None, True, False):
        r.wrong(f"{where}.when.emergency", emergency, "yes or no")
    kinds = said["clock"] or frozenset(CLOCK_KINDS)
    change: dict[str, Any] = {"rule": id_}
    if "time" in then or "calendar" in then:
        time = then.get("time", "working" if "calendar" in then else "natural")
        change["calendar"] = r.calendar(f"{where}.then.", time, then.get("calendar"))
    if "warn" in then:
        change["warn"] = r.warn(f"{where}.then.warn", then["warn"])
    if "ladder" in then:
        name = _ladder(r, f"{where}.then.ladder", then["ladder"], ladders)
        change |= {"ladder": name, "steps": ladders.get(name, ())}
    for name in ("pauses", "extensions"):
        if name in then:
            if type(then[name]) is not bool:
                r.wrong(f"{where}.then.{name}", then[name], "yes or no")
            change[name] = bool(then[name])
    if "limit" in then:
        calendar = change.get("calendar", next(iter(base.values())).calendar)
        change |= _limit(r, f"{where}.then.limit", then["limit"], calendar)
    terms = {kind: _finished(replace(base[kind], **change)) for kind in kinds}
    return Rule(
        id_,
        kinds,
        said["colour"],
        said["level"],
        said["case"],
        said["leg"],
        said["assignee"],
        codes["category"],
        codes["street"],
        emergency,
        terms,
    )


def _limit(r: _Reader, where: str, value: Any, calendar: Calendar | None) -> dict[str, int]:
    if value in ("none", 0):
        return {"limit": 0}
    days = _WORKDAYS.fullmatch(value) if isinstance(value, str) else None
    if days is None:
        if not isinstance(value, str) or not _DURATION.fullmatch(value):
            r.wrong(where, value, "none, a duration such as 15m, 24h or 5d, or working days such as 5wd")
            return {}
        return {"limit": r.duration(where, value)}
    if calendar is None:
        r.wrong(where, value, "working days only with a calendar; a duration such as 5d")
        return {}
    return {"workdays": int(days[1])}


@cache
def document() -> dict[str, Any]:
    """The document of the policy that this release brings."""
    text = resources.files("jiayuan.sla").joinpath("data/policy.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@cache
def current() -> Policy:
    """The policy that this release brings."""
    return read(document())
