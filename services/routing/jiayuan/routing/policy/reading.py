"""Policy documents: read and checked by themselves, without looking at what there is in the county. Pure.

`PolicyError` lists everything that is wrong with a document (rules that can never match, malformed durations, missing
colours). What depends on the catalogue, the places and the units is found by `analysis`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from importlib import resources
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.schemas.common import COLOURS, KINDS

from ..case.terms import read as read_moves
from ..gaming import read_thresholds
from .table import LEVELS, OVERLAPS, Desk, Policy, Rule
from .whistle import GROUNDS, read_terms

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"([1-9]\d{0,5})([smhd])")
_RULE: Final = ("id", "priority", "when", "then", "reason", "note")
_WHEN: Final = ("category", "kind", "sign", "place")
_THEN: Final = (
    "level",
    "lead",
    "assist",
    "ground",
    "importance",
    "urgency",
    "response",
    "report_in",
    "finish",
    "citizen",
    "skill",
    "language",
)
_LIMITS: Final = ("grid_response", "department_response", "report_in", "citizen", "confirmation")
_OPTIONAL_LIMITS: Final = ("community_response", "street_response")
_DESK: Final = ("confidence", "by_category", "placed")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MOST_PRIORITY: Final = 9999


class PolicyError(ValueError):
    """The table is wrong; `problems` says where and what is allowed."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{p.field}: {p.problem}" for p in self.problems))


def seconds(text: Any) -> int:
    """`15m`, `24h`, `5d` in seconds; ValueError otherwise."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{text!r} is not a duration")
    return int(found[1]) * _UNITS[found[2]]


# -- loading -----------------------------------------------------------------------------------------


class _Reader:
    """Reads a table and gathers what is wrong with it."""

    def __init__(self, units: Collection[str] | None, shadows: bool = True) -> None:
        self.units, self.shadows = units, shadows
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

    def priority(self, where: str, value: Any) -> int:
        if type(value) is int and 0 <= value <= MOST_PRIORITY:
            return value
        self.wrong(f"{where}.priority", f"is {value!r}", f"a whole number from 0 to {MOST_PRIORITY}")
        return 0

    def fraction(self, where: str, value: Any) -> float:
        if type(value) in (int, float) and 0 <= value <= 1:
            return float(value)
        self.wrong(where, f"is {value!r}", "a number from 0 to 1")
        return 0.0

    def desk(self, document: Any) -> Desk:
        if document is None:
            return Desk()
        if not isinstance(document, dict):
            self.wrong("desk", f"is {document!r}", "a mapping of " + ", ".join(_DESK))
            return Desk()
        for key in set(document) - set(_DESK):
            self.wrong(f"desk.{key}", "is unknown", ", ".join(_DESK))
        by_category = document.get("by_category") or {}
        if not isinstance(by_category, dict) or not all(isinstance(k, str) and k for k in by_category):
            self.wrong(
                "desk.by_category", f"is {by_category!r}", "confidences by code, as text, of categories"
            )
            by_category = {}
        return Desk(
            self.fraction("desk.confidence", document.get("confidence", 0)),
            tuple(
                (code, self.fraction(f"desk.by_category.{code}", by_category[code]))
                for code in sorted(by_category, key=lambda c: (-len(c), c))
            ),
            self.codes("desk.placed", document.get("placed")) or (),
        )

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
        for key in set(document) - set(_RULE):
            self.wrong(f"{where}.{key}", "is unknown", ", ".join(_RULE))
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
        if level != "department" and (lead is not None or assist):
            self.wrong(f"{where}.then", f"the {level} handles it, so no unit can lead or assist")
        if lead in assist or len(set(assist)) != len(assist):
            self.wrong(f"{where}.then.assist", "names a unit twice")
        if len(assist) > 20:
            self.wrong(f"{where}.then.assist", "has too many units", "at most 20")
        ground = self.word(f"{where}.then.ground", then.get("ground", GROUNDS[0]), GROUNDS)
        limits = {
            name: self.seconds(f"{where}.then.{name}", then[name]) if name in then else None
            for name in ("response", "finish", "report_in", "citizen")
        }
        skills = self.codes(f"{where}.then.skill", then.get("skill")) or ()
        languages = self.codes(f"{where}.then.language", then.get("language")) or ()
        if level != "grid" and (skills or languages):
            self.wrong(
                f"{where}.then", f"the {level} handles it: skill and language are asked of grid workers"
            )
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
            limits["response"],
            limits["finish"],
            str(document.get("reason") or ""),
            self.priority(where, document.get("priority", 0)),
            limits["report_in"],
            limits["citizen"],
            skills,
            languages,
        )

    def rules(self, documents: Any) -> tuple[Rule, ...]:
        if not isinstance(documents, list) or not documents:
            self.wrong("rules", "is missing or empty", "a list of rules")
            return ()
        rules = [r for i, d in enumerate(documents) if (r := self.rule(i, d)) is not None]
        rules.sort(key=lambda r: -r.priority)  # stable: within a priority the table's order
        seen: set[str] = set()
        for i, rule in enumerate(rules):
            if rule.id in seen:
                self.wrong(f"rules.{rule.id}", "has the id of an earlier rule")
            seen.add(rule.id)
            earlier = next((r for r in rules[:i] if rule.narrower(r)), None)
            if earlier is not None and self.shadows:
                self.wrong(f"rules.{rule.id}", f"can never match: {earlier.id} takes everything before it")
        if not self.problems and not rules[-1].is_default:
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


def read(document: Any, units: Collection[str] | None = None, *, shadows: bool = True) -> Policy:
    """The policy of a parsed document; `units`: the codes that there are, None when that isn't to be checked.

    `shadows`: a rule that an earlier one covers by its conditions is a fault; False for who analyses it exactly.
    """
    reader = _Reader(units, shadows)
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
    since = since_of(document.get("effective_from"), zone)
    if since is None:
        reader.wrong(
            "effective_from", f"is {document.get('effective_from')!r}", "a date or a time with an offset"
        )
    colours = reader.colours(document.get("colours"))
    limits, finish = reader.limits(document.get("limits"))
    rules = reader.rules(document.get("rules"))
    desk = reader.desk(document.get("desk"))
    whistle = read_terms(document.get("whistle"), reader.wrong, reader.seconds)
    gaming = None
    if "gaming" in document:
        gaming = read_thresholds(document["gaming"], reader.wrong, seconds)
    overlaps = reader.word("overlaps", document.get("overlaps", OVERLAPS[0]), OVERLAPS)
    terms = read_moves(document.get("moves"), reader.wrong, reader.seconds)
    if reader.problems or since is None:
        raise PolicyError(reader.problems)
    return Policy(
        str(version), since, zone, colours, limits, finish, rules, desk, overlaps, whistle, gaming, terms
    )


def since_of(value: Any, zone: ZoneInfo) -> datetime | None:
    """From when a table holds: a time with its offset, or a day of the zone from its beginning; None for the rest."""
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


def parse(text: str) -> Any:
    """The document of a YAML (or JSON) text; PolicyError when it is neither."""
    try:
        return yaml.load(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise PolicyError([FieldProblem("policy", f"is not YAML: {error}")]) from None


def load(text: str, units: Collection[str] | None = None) -> Policy:
    """The policy of a YAML text."""
    return read(parse(text), units)


def bundled(units: Collection[str] | None = None) -> Policy:
    """The table that comes with the service."""
    return read(bundled_document(), units)


def bundled_document() -> dict[str, Any]:
    """The document of the table that comes with the service."""
    text = (resources.files("jiayuan.routing") / "data" / "policy.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = parse(text)
    return document


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
