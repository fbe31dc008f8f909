"""The policy table: which rule decides who handles a matter, its colour and its limits, and why. Pure.

A table is checked when it is loaded, so that no report ever meets a bad rule: `PolicyError` lists everything
that is wrong with it (unknown units, rules that can never match, malformed durations, missing colours).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib import resources
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import COLOURS, KINDS

LEVELS: Final = ("grid", "department")
GROUNDS: Final = ("public_matter", "joint_enforcement", "emergency")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"([1-9]\d{0,5})([smhd])")
_WHEN: Final = ("category", "kind", "sign", "place")
_THEN: Final = ("level", "lead", "assist", "ground", "importance", "urgency", "response", "finish")
_LIMITS: Final = ("grid_response", "department_response", "report_in", "citizen", "confirmation")
_OPTIONAL_LIMITS: Final = ("community_response", "street_response")
_CACHE_MOST: Final = 20_000


class PolicyError(ValueError):
    """The table is wrong; `problems` says where and what is allowed."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{p.field}: {p.problem}" for p in self.problems))


@dataclass(frozen=True, slots=True)
class Matter:
    """What the policy looks at: codes of category, street and community, kind, signs of danger, weights 1 to 3."""

    category: str
    kind: str
    importance: int
    urgency: int
    signs: tuple[str, ...] = ()
    street: str | None = None
    community: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, by which rule of which version, and why (a sentence for people). Limits are seconds."""

    policy: str
    rule: str
    reason: str
    level: str
    lead: str | None
    assistants: tuple[str, ...]
    ground: str
    importance: int
    urgency: int
    colour: str
    response_limit: int
    report_in_limit: int
    finish_limit: int
    citizen_limit: int
    confirmation_limit: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table. A condition that is None always holds."""

    id: str
    category: tuple[str, ...] | None
    kind: frozenset[str] | None
    sign: frozenset[str] | None
    place: tuple[str, ...] | None
    level: str
    lead: str | None
    assistants: tuple[str, ...]
    ground: str
    importance: int | None
    urgency: int | None
    response: int | None
    finish: int | None
    reason: str

    def matches(self, matter: Matter) -> bool:
        """Whether every condition holds."""
        return (
            (self.kind is None or matter.kind in self.kind)
            and (self.category is None or matter.category.startswith(self.category))
            and (self.sign is None or not self.sign.isdisjoint(matter.signs))
            and (self.place is None or (matter.community or matter.street or "").startswith(self.place))
        )

    def covers(self, other: Rule) -> bool:
        """Whether whatever the other rule matches, this one matches too."""
        return (
            _subset(other.kind, self.kind)
            and _subset(other.sign, self.sign)
            and _within(other.category, self.category)
            and _within(other.place, self.place)
        )


def _subset(inner: frozenset[str] | None, outer: frozenset[str] | None) -> bool:
    return outer is None or (inner is not None and inner <= outer)


def _within(inner: tuple[str, ...] | None, outer: tuple[str, ...] | None) -> bool:
    return outer is None or (inner is not None and all(code.startswith(outer) for code in inner))


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked table."""

    version: str
    effective_from: datetime
    zone: ZoneInfo
    colours: Mapping[tuple[int, int], str]
    limits: Mapping[str, int]
    finish: Mapping[str, int]
    rules: tuple[Rule, ...]
    _known: dict[Matter, Decision] = field(default_factory=dict, repr=False, compare=False)

    def decide(self, matter: Matter) -> Decision:
        """The decision of the first rule that matches; the last one always does."""
        known = self._known.get(matter)
        if known is not None:
            return known
        rule = next(r for r in self.rules if r.matches(matter))
        importance = rule.importance or matter.importance
        urgency = rule.urgency or matter.urgency
        colour = self.colours[importance, urgency]
        response = rule.response or self.response(rule.level)
        decision = Decision(
            self.version,
            rule.id,
            rule.reason,
            rule.level,
            rule.lead,
            rule.assistants,
            rule.ground,
            importance,
            urgency,
            colour,
            response,
            min(self.limits["report_in"], response),
            rule.finish or self.finish[colour],
            self.limits["citizen"],
            self.limits["confirmation"],
        )
        if len(self._known) >= _CACHE_MOST:
            self._known.clear()
        self._known[matter] = decision
        return decision

    def response(self, level: str) -> int:
        """The response limit of a level in seconds, where no rule says otherwise."""
        limits = self.limits
        if level == "grid":
            return limits["grid_response"]
        if level == "community":
            return limits.get("community_response", limits["grid_response"])
        if level == "street":
            return limits.get("street_response", limits["department_response"])
        return limits["department_response"]

    @property
    def responses(self) -> dict[str, int | None]:
        """The response limits by level."""
        return {level: self.response(level) for level in ("grid", "community", "street", "department")}

    def units(self) -> set[str]:
        """Every unit that a rule names."""
        return {u for r in self.rules for u in (r.lead, *r.assistants) if u}


def seconds(text: Any) -> int:
    """`15m`, `24h`, `5d` in seconds; ValueError otherwise."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{text!r} is not a duration")
    return int(found[1]) * _UNITS[found[2]]


# -- loading -----------------------------------------------------------------------------------------


class _Reader:
    """Reads a table and gathers what is wrong with it."""

    def __init__(self, units: Collection[str] | None) -> None:
        self.units = units
        self.problems: list[FieldProblem] = []

    def wrong(self, where: str, problem: str, allowed: str = "") -> None:
        self.problems.append(FieldProblem(where, problem, allowed))

    def seconds(self, where: str, value: Any) -> int:
        try:
            return seconds(value)
        except ValueError as error:
            self.wrong(where, str(error), "a number and s, m, h or d, such as 15m or 5d")
            return 1

    def codes(self, where: str, value: Any) -> tuple[str, ...] | None:
        if value is None:
            return None
        if not isinstance(value, list) or not value or not all(isinstance(v, str) and v for v in value):
            self.wrong(where, f"is {value!r}", "a list of codes as text, not empty")
            return ()
        return tuple(value)

    def word(self, where: str, value: Any, words: Iterable[str]) -> str:
        allowed = tuple(words)
        if value not in allowed:
            self.wrong(where, f"is {value!r}", "one of " + ", ".join(allowed))
            return allowed[0]
        return str(value)

    def weight(self, where: str, value: Any) -> int | None:
        if value is None or (type(value) is int and 1 <= value <= 3):
            return value
        self.wrong(where, f"is {value!r}", "1, 2 or 3")
        return None

    def unit(self, where: str, value: Any) -> str:
        if not isinstance(value, str) or not value:
            self.wrong(where, f"is {value!r}", "the code of a unit")
            return ""
        if self.units is not None and value not in self.units:
            self.wrong(where, f"there is no unit {value}")
        return value

    def rule(self, index: int, document: Any) -> Rule | None:
        where = f"rules[{index}]"
        if not isinstance(document, dict) or not isinstance(document.get("id"), str):
            self.wrong(where, "has no id", "id, when, then, reason")
            return None
        where = f"rules.{document['id']}"
        when, then = document.get("when"), document.get("then")
        if not isinstance(when, dict) or not isinstance(then, dict):
            self.wrong(where, "when and then must be mappings")
            return None
        for key in set(when) - set(_WHEN):
            self.wrong(f"{where}.when.{key}", "is unknown", ", ".join(_WHEN))
        for key in set(then) - set(_THEN):
            self.wrong(f"{where}.then.{key}", "is unknown", ", ".join(_THEN))
        reason = document.get("reason")
        if not isinstance(reason, str) or not 0 < len(reason) <= 500:
            self.wrong(f"{where}.reason", "is missing or too long", "1 to 500 characters")
        kind = self.codes(f"{where}.when.kind", when.get("kind"))
        for word in kind or ():
            self.word(f"{where}.when.kind", word, KINDS)
        sign = self.codes(f"{where}.when.sign", when.get("sign"))
        return self._then(where, document, then, when, kind, sign)

    def _then(
        self,
        where: str,
        document: Mapping[str, Any],
        then: Mapping[str, Any],
        when: Mapping[str, Any],
        kind: tuple[str, ...] | None,
        sign: tuple[str, ...] | None,
    ) -> Rule:
        level = self.word(f"{where}.then.level", then.get("level"), LEVELS)
        lead = self.unit(f"{where}.then.lead", then["lead"]) if "lead" in then else None
        assist = self.codes(f"{where}.then.assist", then.get("assist")) or ()
        for unit in assist:
            self.unit(f"{where}.then.assist", unit)
        if level == "department" and lead is None:
            self.wrong(f"{where}.then.lead", "is missing", "the code of a unit")
        if level == "grid" and (lead is not None or assist):
            self.wrong(f"{where}.then", "a grid worker handles it, so no unit can lead or assist")
        if lead in assist or len(set(assist)) != len(assist):
            self.wrong(f"{where}.then.assist", "names a unit twice")
        if len(assist) > 20:
            self.wrong(f"{where}.then.assist", "has too many units", "at most 20")
        ground = self.word(f"{where}.then.ground", then.get("ground", GROUNDS[0]), GROUNDS)
        return Rule(
            document["id"],
            self.codes(f"{where}.when.category", when.get("category")),
            frozenset(kind) if kind is not None else None,
            frozenset(sign) if sign is not None else None,
            self.codes(f"{where}.when.place", when.get("place")),
            level,
            lead,
            assist,
            ground,
            self.weight(f"{where}.then.importance", then.get("importance")),
            self.weight(f"{where}.then.urgency", then.get("urgency")),
            self.seconds(f"{where}.then.response", then["response"]) if "response" in then else None,
            self.seconds(f"{where}.then.finish", then["finish"]) if "finish" in then else None,
            str(document.get("reason") or ""),
        )

    def rules(self, documents: Any) -> tuple[Rule, ...]:
        if not isinstance(documents, list) or not documents:
            self.wrong("rules", "is missing or empty", "a list of rules")
            return ()
        rules = [r for i, d in enumerate(documents) if (r := self.rule(i, d)) is not None]
        seen: set[str] = set()
        for i, rule in enumerate(rules):
            if rule.id in seen:
                self.wrong(f"rules.{rule.id}", "has the id of an earlier rule")
            seen.add(rule.id)
            earlier = next((r for r in rules[:i] if r.covers(rule)), None)
            if earlier is not None:
                self.wrong(f"rules.{rule.id}", f"can never match: {earlier.id} takes everything before it")
        if not self.problems and any(c is not None for c in _conditions(rules[-1])):
            self.wrong(f"rules.{rules[-1].id}", "is the last and doesn't match everything", "when: {}")
        return tuple(rules)

    def colours(self, matrix: Any) -> dict[tuple[int, int], str]:
        out = {}
        for importance in (1, 2, 3):
            for urgency in (1, 2, 3):
                row = _at(matrix, importance)
                colour = _at(row, urgency)
                out[importance, urgency] = self.word(f"colours.{importance}.{urgency}", colour, COLOURS)
        return out

    def limits(self, document: Any) -> tuple[dict[str, int], dict[str, int]]:
        if not isinstance(document, dict):
            self.wrong("limits", "is missing", ", ".join((*_LIMITS, "finish")))
            return {}, {}
        known = (*_LIMITS, *_OPTIONAL_LIMITS)
        for key in set(document) - {*known, "finish"}:
            self.wrong(f"limits.{key}", "is unknown", ", ".join((*known, "finish")))
        out = {
            k: self.seconds(f"limits.{k}", document.get(k)) for k in known if k in document or k in _LIMITS
        }
        finish = document.get("finish")
        by_colour = finish if isinstance(finish, dict) else {}
        return out, {c: self.seconds(f"limits.finish.{c}", by_colour.get(c)) for c in COLOURS}


def _at(mapping: Any, number: int) -> Any:
    """An entry by a number, which JSON has as text."""
    if not isinstance(mapping, dict):
        return None
    return mapping.get(number, mapping.get(str(number)))


def _conditions(rule: Rule) -> tuple[Any, ...]:
    return (rule.category, rule.kind, rule.sign, rule.place)


def read(document: Any, units: Collection[str] | None = None) -> Policy:
    """The policy of a parsed document; `units`: the codes that there are, None when that isn't to be checked."""
    reader = _Reader(units)
    if not isinstance(document, dict):
        raise PolicyError([FieldProblem("policy", "must be a mapping")])
    version = document.get("version")
    if not isinstance(version, str) or not 0 < len(version) <= 40:
        reader.wrong("version", f"is {version!r}", "text of 1 to 40 characters")
    zone = ZoneInfo("UTC")
    try:
        zone = ZoneInfo(str(document.get("zone")))
    except (ZoneInfoNotFoundError, ValueError):
        reader.wrong("zone", f"is {document.get('zone')!r}", "a zone such as Asia/Shanghai")
    since = _since(document.get("effective_from"), zone)
    if since is None:
        reader.wrong(
            "effective_from", f"is {document.get('effective_from')!r}", "a date or a time with an offset"
        )
    colours = reader.colours(document.get("colours"))
    limits, finish = reader.limits(document.get("limits"))
    rules = reader.rules(document.get("rules"))
    if reader.problems or since is None:
        raise PolicyError(reader.problems)
    return Policy(str(version), since, zone, colours, limits, finish, rules)


def _since(value: Any, zone: ZoneInfo) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value if value.utcoffset() is not None else None
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=zone)
    return None


def load(text: str, units: Collection[str] | None = None) -> Policy:
    """The policy of a YAML text."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PolicyError([FieldProblem("policy", f"is not YAML: {error}")]) from None
    return read(document, units)


def bundled(units: Collection[str] | None = None) -> Policy:
    """The table that comes with the service."""
    text = (resources.files("jiayuan.routing") / "data" / "policy.yaml").read_text(encoding="utf-8")
    return load(text, units)


def case_day(policy: Policy, at: datetime) -> str:
    """The day of a case number, yymmdd in the policy's zone."""
    return at.astimezone(policy.zone).strftime("%y%m%d")


def span(limit: int) -> str:
    """A limit in Chinese words: 15分钟, 24小时, 5天."""
    left = timedelta(seconds=limit)
    if left.days >= 2 and left.seconds == 0:
        return f"{left.days}天"
    if limit % 3600 == 0:
        return f"{limit // 3600}小时"
    return f"{max(1, limit // 60)}分钟"
